"""Collects the pairs' trades and orders from the exchange's logs while the exchange is killed.

Only rows read from the process that wrote them know when a transaction's bytes came in, so they
are read all the time; what was missed is read from the journal's replay at the end.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp

from tests.pair_audit import lots
from tests.world.pair import ETH
from tests.world.paper import PaperError, PaperProcess

Json = dict[str, Any]
EVERY_S = 0.4


class Watch:
    """Rows by sequence number, each as it was first read."""

    def __init__(self, paper: PaperProcess, accounts: Iterable[int]) -> None:
        self._paper = paper
        self._accounts = tuple(accounts)
        self._trades: dict[int, Json] = {}
        self._orders: dict[int, Json] = {}
        self._live: dict[int, Json] = {}
        self._read: dict[tuple[str, int], int] = {}
        self._lock = asyncio.Lock()

    def trades_of(self, *accounts: int) -> list[Json]:
        """Return every trade of these accounts in the market, oldest first."""
        rows = (self._trades[seq] for seq in sorted(self._trades))
        return [row for row in rows if {row["ask_account_id"], row["bid_account_id"]} & {*accounts}]

    def orders_of(self, *accounts: int) -> list[Json]:
        """Return every order event of these accounts in the market, oldest first."""
        rows = (self._orders[seq] for seq in sorted(self._orders))
        return [row for row in rows if row["owner_account_index"] in accounts]

    @property
    def last_seq(self) -> int:
        """The newest row's number."""
        return max((*self._trades, *self._orders), default=0)

    def resting_of(self, account: int) -> list[tuple[bool, int]]:
        """Return an account's open orders as (is ask, lots left), as last seen."""
        return [
            (bool(row["is_ask"]), lots(row["remaining_base_amount"]))
            for row in self._live.values()
            if row["owner_account_index"] == account
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
            for account in self._accounts:
                for row in await self._new("trades", account):
                    if row["market_id"] == ETH:
                        self._trades.setdefault(int(row["seq"]), row)
                for row in await self._new("orders", account):
                    if row["market_index"] == ETH:
                        self._orders.setdefault(int(row["seq"]), row)
                        self._follow(row)

    async def _new(self, what: str, account: int) -> list[Json]:
        """Return the rows of an account that have not been read yet."""
        call = self._paper.trades if what == "trades" else self._paper.orders
        rows = await call(self._read.get((what, account), 0), account)
        if rows:
            self._read[what, account] = int(rows[-1]["seq"])
        return rows

    def _follow(self, row: Json) -> None:
        if row["status"] == "open" and lots(row["remaining_base_amount"]):
            self._live[int(row["order_index"])] = row
        else:
            self._live.pop(int(row["order_index"]), None)

    async def finish(self) -> list[str]:
        """Read everything once more; return what contradicts what was read before."""
        wrong = []
        for kept, call, what in (
            (self._trades, self._paper.trades, "trade"),
            (self._orders, self._paper.orders, "order event"),
        ):
            found = {
                int(row["seq"]): row
                for account in self._accounts
                for row in await _all(call, account)
            }
            for seq, row in kept.items():
                if seq not in found or _essence(found[seq]) != _essence(row):
                    wrong.append(f"{what} {seq} was {_essence(row)}, is {_essence(found.get(seq))}")
            for seq, row in found.items():
                if row.get("market_id", row.get("market_index")) == ETH:
                    kept.setdefault(seq, row)
        return wrong


async def _all(call: Callable[[int, int], Awaitable[list[Json]]], account: int) -> list[Json]:
    """Return every row of an account, page by page."""
    rows: list[Json] = []
    while page := await call(int(rows[-1]["seq"]) if rows else 0, account):
        rows += page
    return rows


def _essence(row: Json | None) -> tuple[Any, ...]:
    """Return what a restart of the exchange must not change."""
    if row is None:
        return ()
    names = ("trade_id", "size", "price", "ask_account_id", "order_index", "filled_base_amount")
    return tuple(row.get(name) for name in (*names, "status"))
