"""Start the paper exchange as a real process and drive its admin calls.

`async with PaperProcess() as paper:` gives a fresh exchange on a free port; `paper.base_url` and
`paper.ws_url` are what a client needs. Nothing survives the block.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from hedge.exchange.lighter.sdk import new_api_key as new_key
from hedge.launcher.processes import ROOT, Child
from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B, PaperExchange
from tests.world import forked

__all__ = ["ACCOUNT_A", "ACCOUNT_B", "ROOT", "PaperError", "PaperProcess", "new_key"]

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

ADMIN_TIMEOUT_S = 30.0

Json = dict[str, Any]


class PaperError(Exception):
    """An admin call that the exchange refused; `status` and `body` are its answer."""

    def __init__(self, status: int, body: Json) -> None:
        """Keep the HTTP status and the decoded error body."""
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


class PaperProcess(PaperExchange):
    """One `python -m paper` process.

    Usable as an async or a plain context manager, or through start() and stop(). `market`
    False (the default) means a fixed book, which makes tests repeatable. After kill() or stop()
    a second start() with `state_dir` continues the same exchange on the same port.
    """

    def __init__(
        self,
        *,
        tier: str = "instant",
        market: bool = False,
        seed: int = 1,
        port: int = 0,
        state_dir: Path | None = None,
        extra: tuple[str, ...] = (),
    ) -> None:
        """Describe the process; nothing runs before start(). `extra` are further arguments."""
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(
            Path(self._folder.name) / "paper.out",
            port=port,
            tier=tier,
            seed=seed,
            market=market,
            state_dir=state_dir,
            extra=extra,
        )

    def spawn(self) -> Child:
        """Start the process without waiting."""
        source = forked.warm()
        if source is None:
            return super().spawn()
        command = ["-m", "paper", "--port", str(self.port), *self._arguments]
        self.child = forked.Copy("paper", source, command, self.output)
        return self.child

    def errors(self) -> str:
        """Return what the process has printed beside its ready line."""
        lines = self.printed().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("paper exchange ready on "))

    def __enter__(self) -> Self:
        """Start the process."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop the process."""
        self.stop()
        self._folder.cleanup()

    async def __aenter__(self) -> Self:
        """Start the process without blocking the loop."""
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the process without blocking the loop."""
        await asyncio.to_thread(self.stop)
        self._folder.cleanup()

    # Admin calls

    async def call(self, method: str, path: str, body: object = None, **params: object) -> Json:
        """Send one request to `path` (such as "/paper/state") and return its JSON object.

        Parameters that are None are left out. Raises PaperError unless the answer is a 2xx.
        """
        query = {name: str(value) for name, value in params.items() if value is not None}
        timeout = aiohttp.ClientTimeout(total=ADMIN_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, self.base_url + path, json=body, params=query) as response,
        ):
            answer: Json = await response.json()
            if not response.ok:
                raise PaperError(response.status, answer)
            return answer

    async def register_key(self, account: int, key_index: int, public_key: str) -> Json:
        """Register the public key (hex) of an API key."""
        body = {"account_index": account, "api_key_index": key_index, "public_key": public_key}
        return await self.call("POST", "/paper/keys", body)

    async def delete_key(self, account: int, key_index: int) -> Json:
        """Delete an API key."""
        return await self.call("DELETE", f"/paper/keys/{account}/{key_index}")

    async def maker_only(self, account: int, key_index: int, *, on: bool = True) -> Json:
        """Let a key only post, or send everything again."""
        return await self.call("POST", f"/paper/keys/{account}/{key_index}", {"maker_only": on})

    async def add_account(self, account: int, master: str, collateral: str = "100000") -> Json:
        """Add an account under the L1 address `master` with USDC `collateral`."""
        body = {"account_index": account, "master": master, "collateral": collateral}
        return await self.call("POST", "/paper/accounts", body)

    async def collateral(self, account: int, amount: str) -> Json:
        """Add `amount` USDC to an account; a negative amount takes away."""
        return await self.call("POST", f"/paper/accounts/{account}/collateral", {"amount": amount})

    async def quota(self, account: int, remaining: int) -> Json:
        """Let the owner of an account have so much left of its volume quota."""
        body = {"remaining": remaining}
        return await self.call("POST", f"/paper/accounts/{account}/quota", body)

    async def set_tier(self, account: int, tier: str, staked_lit: int = 0) -> Json:
        """Give the L1 address of an account a tier."""
        body = {"tier": tier, "staked_lit": staked_lit}
        return await self.call("POST", f"/paper/accounts/{account}/tier", body)

    async def set_market(
        self,
        market: int,
        *,
        price: str | None = None,
        mark_price: str | None = None,
        funding_rate: str | None = None,
        force_reduce_only: bool | None = None,
        bids: list[tuple[str, str]] | None = None,
        asks: list[tuple[str, str]] | None = None,
        **rules: str,
    ) -> Json:
        """Set mark price, funding rate (percent per hour), or whether positions only shrink.

        With `price` the whole market goes there: quotes and mark. With `bids` and `asks`, of
        (price, size), the fixed book is these levels. `rules` are `min_base_amount`,
        `min_quote_amount`, `order_quote_limit` and `status`.
        """
        body: Json = {
            "price": price,
            "mark_price": mark_price,
            "funding_rate": funding_rate,
            "force_reduce_only": force_reduce_only,
            "bids": bids,
            "asks": asks,
            **rules,
        }
        return await self.call("POST", f"/paper/markets/{market}", body)

    async def move_clock(self, ahead_ms: int) -> Json:
        """Let `ahead_ms` milliseconds pass on the exchange at once."""
        return await self.call("POST", "/paper/clock", {"ahead_ms": ahead_ms})

    async def take(
        self, market: int, side: str, base_amount: str, until_account: int | None = None
    ) -> list[Json]:
        """Let a stranger buy or sell `base_amount` at market; return the trades.

        With `until_account` the taker goes through the book until it has met `base_amount` of
        that account's orders.
        """
        body: Json = {"market_index": market, "side": side, "base_amount": base_amount}
        if until_account is not None:
            body["until_account"] = until_account
        trades: list[Json] = (await self.call("POST", "/paper/take", body))["trades"]
        return trades

    async def trades(self, after_seq: int = 0, account: int | None = None) -> list[Json]:
        """Return every trade with seq > `after_seq`, oldest first."""
        answer = await self.call("GET", "/paper/trades", after_seq=after_seq, account_index=account)
        rows: list[Json] = answer["trades"]
        return rows

    async def orders(self, after_seq: int = 0, account: int | None = None) -> list[Json]:
        """Return every order event with seq > `after_seq`, oldest first."""
        answer = await self.call("GET", "/paper/orders", after_seq=after_seq, account_index=account)
        rows: list[Json] = answer["orders"]
        return rows

    async def state(self) -> Json:
        """Return accounts, positions, collateral, net position per market, and counters."""
        return await self.call("GET", "/paper/state")

    async def fault(self, name: str, **parameters: Any) -> Json:
        """Set a fault switch (paper/README.md, "Faults") and return it."""
        answer = await self.call("POST", "/paper/faults", {"name": name, **parameters})
        fault: Json = answer["fault"]
        return fault

    async def faults(self) -> list[Json]:
        """Return every fault switch with its counters."""
        rows: list[Json] = (await self.call("GET", "/paper/faults"))["faults"]
        return rows

    async def fired(self, fault: Json) -> int:
        """Return how often a switch has fired."""
        return next(int(row["fired"]) for row in await self.faults() if row["id"] == fault["id"])

    async def clear(self, fault: Json | None = None) -> Json:
        """Delete one switch, or all of them; what they hold goes."""
        which = "" if fault is None else f"/{fault['id']}"
        return await self.call("DELETE", f"/paper/faults{which}")

    async def position(self, account: int, market: int) -> str:
        """Return the signed position of `account` in `market` as a decimal string."""
        for row in (await self.state())["accounts"]:
            if row["account_index"] == account:
                position: str = row["positions"].get(str(market), {"position": "0"})["position"]
                return position
        message = f"no account {account}"
        raise KeyError(message)

    @contextlib.asynccontextmanager
    async def signer(self, account: int, key_index: int = 4) -> AsyncIterator[Any]:
        """Register a new key for `account` and give a lighter.SignerClient that uses it."""
        import lighter  # noqa: PLC0415  slow to import, and only some tests need it

        private, public = new_key()
        await self.register_key(account, key_index, public)
        client = lighter.SignerClient(
            url=self.base_url, account_index=account, api_private_keys={key_index: private}
        )
        try:
            yield client
        finally:
            await client.close()


def new_account_number() -> int:
    """Return an account index that no other test uses."""
    return 1_000_000 + uuid.uuid4().int % 1_000_000_000
