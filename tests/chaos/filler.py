"""Strangers who take A's resting orders, beside the synthetic market: all of one, or a part.

Faults are aimed through here: a taker goes for A's order, and the fault hits around that moment.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence

import aiohttp

from tests.chaos.watch import Watch
from tests.world.pair import ETH
from tests.world.paper import PaperError, PaperProcess

EVERY_S = 1.0
WHOLE_SHARE = 0.6
TAKE_TIMEOUT_S = 8.0
AIM_WAIT_S = 1.5
LOTS = 10_000


class Filler:
    """Takes at random until stopped."""

    def __init__(self, seed: int, paper: PaperProcess, watch: Watch, makers: Sequence[int]) -> None:
        """Take from `makers`, the accounts of A: mostly from the first, at which faults are aimed.

        Takes from the others come at random only.
        """
        self._rng = random.Random(f"filler:{seed}")
        self._paper = paper
        self._watch = watch
        self._makers = makers
        self._tasks: set[asyncio.Task[bool]] = set()
        self.takes = 0

    async def run(self) -> None:
        """Take about once in `EVERY_S` until cancelled."""
        try:
            while True:
                await asyncio.sleep(self._rng.expovariate(1 / EVERY_S))
                await self.take(self._rng.choice(self._makers))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def aim(self, offset_s: float) -> None:
        """Return `offset_s` after (or before) a taker sets out for an order of A.

        Where no order of A rests for a while, return without one.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AIM_WAIT_S):
                while not await self.resting(self._makers[0]):  # noqa: ASYNC110  the exchange tells, by polling
                    await asyncio.sleep(0.05)
        if offset_s > 0:
            self._spawn(0.0)
            await asyncio.sleep(offset_s)
        else:
            self._spawn(-offset_s)

    def _spawn(self, delay_s: float) -> None:
        async def later() -> bool:
            await asyncio.sleep(delay_s)
            return await self.take(self._makers[0])

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def resting(self, maker: int) -> list[tuple[bool, int]]:
        """Return what rests of an account as (is ask, lots left), looked up now where possible."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, PaperError):
            await self._watch.look()
        return self._watch.resting_of(maker)

    async def take(self, maker: int) -> bool:
        """Take an account's resting order, all or a part; whether something traded."""
        try:
            async with asyncio.timeout(TAKE_TIMEOUT_S):
                found = await self.resting(maker)
                if not found:
                    return False
                is_ask, left = found[0]
                lots = left if self._rng.random() < WHOLE_SHARE else self._rng.randint(1, left)
                side, amount = "buy" if is_ask else "sell", f"{lots / LOTS:.4f}"
                trades = await self._paper.take(ETH, side, amount, until_account=maker)
        except (aiohttp.ClientError, OSError, TimeoutError, PaperError):
            return False
        self.takes += bool(trades)
        return bool(trades)

    async def strike(self, maker: int) -> bool:
        """Take all that was last seen resting of an account, without looking first: that is slow.

        Return whether the account traded.
        """
        found = self._watch.resting_of(maker)
        if not found:
            return False
        is_ask, left = found[0]
        side, amount = "buy" if is_ask else "sell", f"{left / LOTS:.4f}"
        try:
            async with asyncio.timeout(TAKE_TIMEOUT_S):
                trades = await self._paper.take(ETH, side, amount, until_account=maker)
        except (aiohttp.ClientError, OSError, TimeoutError, PaperError):
            return False
        return any(maker in (row["ask_account_id"], row["bid_account_id"]) for row in trades)
