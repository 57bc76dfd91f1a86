"""The other side of the market: fills A's resting orders, one after the other or all at once.

It listens to the public stream `account_all` of each A, so that nothing is polled while the pair
is measured.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from bench.world import MARKET_ID, QUANTITY, BenchError, World

Json = dict[str, Any]
LONGEST_WAIT_S = 15.0


class Driver:
    """Knows which accounts have an order in the book, and takes from them."""

    def __init__(
        self, base_url: str, socket: ClientConnection, http: aiohttp.ClientSession
    ) -> None:
        """Use `open_driver`."""
        self._url = f"{base_url}/paper/take"
        self._socket = socket
        self._http = http
        self._taking: set[int] = set()
        self._resting: dict[int, str] = {}
        self._changed = asyncio.Event()
        self.fills = 0

    async def listen(self) -> None:
        """Follow the streams until cancelled."""
        async for text in self._socket:
            frame = json.loads(text)
            if str(frame.get("type")).endswith("account_all"):
                self._hear(frame["account"], frame)

    def _hear(self, account: int, frame: Json) -> None:
        if frame.get("trades"):
            self._resting.pop(account, None)  # our takes fill whole orders
            self._taking.discard(account)
            self.fills += 1
            return
        row = frame.get("positions", {}).get(str(MARKET_ID))
        if row is None or account in self._taking:
            return
        if row["open_order_count"] == 0:
            self._resting.pop(account, None)
        elif account not in self._resting:
            self._resting[account] = "buy" if float(row["position"]) else "sell"
            self._changed.set()

    async def fill(self, account: int, amount: str = QUANTITY) -> bool:
        """Take `amount` of an account's orders, on the side on which it rests now."""
        side = self._resting.pop(account, None)
        if side is None:
            return False
        self._taking.add(account)
        if await self.take(account, side, amount):
            return True
        self._taking.discard(account)
        return False

    async def take(self, account: int, side: str, amount: str) -> bool:
        """Let a stranger buy or sell until `amount` of the account's orders is filled."""
        body = {
            "market_index": MARKET_ID,
            "side": side,
            "base_amount": amount,
            "until_account": account,
        }
        async with self._http.post(self._url, json=body) as response:
            answer = await response.json()
        if answer.get("code") != 200:  # noqa: PLR2004
            raise BenchError(f"the exchange refused a take: {answer}")
        return bool(answer["trades"])

    async def until_resting(self, account: int) -> str:
        """Return the side that takes from the account's order, once it rests."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while account not in self._resting:
            self._changed.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                raise BenchError(f"no order of account {account} came") from None
        return self._resting[account]

    def front(self) -> int | None:
        """Return the account whose order has rested longest, None without any.

        Of all on one price level the oldest is filled first, so only it can be taken alone.
        """
        return next(iter(self._resting), None)


@asynccontextmanager
async def open_driver(world: World, accounts: Iterable[int]) -> AsyncIterator[Driver]:
    """Give a driver that follows these accounts."""
    async with (
        connect(world.ws_url, compression=None, proxy=None, ping_interval=20) as socket,
        aiohttp.ClientSession() as http,
    ):
        driver = Driver(world.admin.base_url, socket, http)
        for account in accounts:
            frame = {"type": "subscribe", "channel": f"account_all/{account}"}
            await socket.send(json.dumps(frame))
        listening = asyncio.create_task(driver.listen(), name="driver")
        try:
            yield driver
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def fill_often(driver: Driver, account: int, count: int, rng: random.Random) -> None:
    """Fill an account's order `count` times, each a moment after it came to rest.

    The moment is 3 to 8 ms long: everything has calmed down, and no timer is in step with it.
    """
    done = 0
    while done < count:
        await driver.until_resting(account)
        await asyncio.sleep(rng.uniform(0.003, 0.008))
        if await driver.fill(account):
            done += 1
        else:
            await asyncio.sleep(0.001)
