"""Collects the exchange's trade and order logs while the exchange itself is killed and restarted.

Only rows read from the process that wrote them know when a transaction's bytes came in, so they
are read all the time; what was missed is read from the journal's replay at the end.
"""

import asyncio
import contextlib
from typing import Any

import aiohttp

from tests.pair_audit import lots
from tests.world.pair import ETH
from tests.world.paper import ACCOUNT_A, PaperError, PaperProcess

Json = dict[str, Any]
EVERY_S = 0.4


class Watch:
    """Rows by sequence number, each as it was first read."""

    def __init__(self, paper: PaperProcess) -> None:
        self._paper = paper
        self._trades: dict[int, Json] = {}
        self._orders: dict[int, Json] = {}
        self._live: dict[int, Json] = {}
        self._lock = asyncio.Lock()

    @property
    def trades(self) -> list[Json]:
        """Every trade of the market, oldest first."""
        return [self._trades[seq] for seq in sorted(self._trades)]

    @property
    def orders(self) -> list[Json]:
        """Every order event of the market, oldest first."""
        return [self._orders[seq] for seq in sorted(self._orders)]

    @property
    def last_seq(self) -> int:
        """The newest row's number."""
        return max((*self._trades, *self._orders), default=0)

    def resting_of_a(self) -> list[tuple[bool, int]]:
        """Return A's open orders as (is ask, lots left), as last seen."""
        return [
            (bool(row["is_ask"]), lots(row["remaining_base_amount"])) for row in self._live.values()
        ]

    async def run(self) -> None:
        """Look again and again until cancelled; an exchange that is away is waited for."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, PaperError):
                await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Read what is new."""
        async with self._lock:
            for row in await self._paper.trades(max(self._trades, default=0)):
                if row["market_id"] == ETH:
                    self._trades.setdefault(int(row["seq"]), row)
            for row in await self._paper.orders(max(self._orders, default=0)):
                if row["market_index"] == ETH:
                    self._orders.setdefault(int(row["seq"]), row)
                    self._follow(row)

    def _follow(self, row: Json) -> None:
        if row["owner_account_index"] != ACCOUNT_A:
            return
        if row["status"] == "open" and lots(row["remaining_base_amount"]):
            self._live[int(row["order_index"])] = row
        else:
            self._live.pop(int(row["order_index"]), None)

    async def finish(self) -> list[str]:
        """Read everything once more; return what contradicts what was read before."""
        wrong = []
        for kept, rows, what in (
            (self._trades, await self._paper.trades(), "trade"),
            (self._orders, await self._paper.orders(), "order event"),
        ):
            found = {int(row["seq"]): row for row in rows}
            for seq, row in kept.items():
                if seq not in found or _essence(found[seq]) != _essence(row):
                    wrong.append(f"{what} {seq} was {_essence(row)}, is {_essence(found.get(seq))}")
            for seq, row in found.items():
                if row.get("market_id", row.get("market_index")) == ETH:
                    kept.setdefault(seq, row)
        return wrong


def _essence(row: Json | None) -> tuple[Any, ...]:
    """Return what a restart of the exchange must not change."""
    if row is None:
        return ()
    names = ("trade_id", "size", "price", "ask_account_id", "order_index", "filled_base_amount")
    return tuple(row.get(name) for name in (*names, "status"))
