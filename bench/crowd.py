"""(e) Many pairs on one Redis and one exchange: what each of them then still reaches.

Every pair is two real processes. Each gets fills at the same modest pace whatever their number, so
that the figure shows what pairs cost each other, up to the point where the machine is full.
"""

import asyncio
import random
import time
from dataclasses import dataclass

import psutil

from bench.daemons import cpu_s
from bench.driver import Driver, open_driver
from bench.latency import lags_of
from bench.stats import Json, Spread
from bench.world import PairRun, World

APART = {"depth": 2}
"""On the first level one pair's hedge would fill the next pair's order."""

FILLS_PER_S = 2.0
"""Fills of each pair per second."""

STARTS_AT_ONCE = 2
RESERVE_MB = 1500
DAEMON_MB = 110
CALM_S = 2.0
FULL_PERCENT = 70.0
"""Own use beyond which a daemon often waits for a core."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What a number of pairs reached. `limit` names what kept them from more, "" if nothing."""

    pairs: int
    hedge: Spread
    fills: int
    cpu_percent: float
    memory_mb: float
    limit: str

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "pairs": self.pairs,
            "fills": self.fills,
            "fill_to_hedge": self.hedge.json,
            "cpu_percent_of_machine": round(self.cpu_percent, 1),
            "memory_mb": round(self.memory_mb),
            "limit": self.limit,
        }


async def measure(world: World, count: int, seconds: float, seed: int = 1) -> Crowd:
    """Run `count` pairs (fewer where the memory does not hold them) for `seconds`."""
    fitting = int((psutil.virtual_memory().available / 1e6 - RESERVE_MB) // (2 * DAEMON_MB))
    limit = f"memory holds {fitting} pairs" if fitting < count else ""
    pairs = [await world.add_pair(f"crowd{n}", APART) for n in range(min(count, fitting))]
    async with open_driver(world, [pair.account_a for pair in pairs]) as driver:
        await _start_all(world, pairs)
        await asyncio.sleep(CALM_S)
        after_seq = await world.last_seq()
        processes = [psutil.Process(child.pid) for pair in pairs for child in pair.running]
        processes += [psutil.Process(pid) for pid in world.server_pids]
        begun, used_s = time.monotonic(), sum(map(cpu_s, processes))
        fills = await _fill_for(driver, len(pairs), seconds, random.Random(seed))
        used_s = sum(map(cpu_s, processes)) - used_s
        cpu = used_s / (time.monotonic() - begun) / (psutil.cpu_count() or 1) * 100
        memory_mb = sum(process.memory_info().rss for process in processes) / 1e6
        await asyncio.sleep(CALM_S)
    lags = [await lags_of(world, pair, after_seq, with_stages=False) for pair in pairs]
    samples = [sample for lag in lags for sample in lag.hedge.samples]
    if cpu > FULL_PERCENT and not limit:
        limit = f"{cpu:.0f} % of the {psutil.cpu_count()} cores are used"
    await _stop_all(world, pairs)
    spread = Spread.of(f"fill → hedge, {len(pairs)} pairs", samples)
    return Crowd(len(pairs), spread, fills, cpu, memory_mb, limit)


async def _start_all(world: World, pairs: list[PairRun]) -> None:
    gate = asyncio.Semaphore(STARTS_AT_ONCE)

    async def start(pair: PairRun) -> None:
        async with gate:
            await world.start(pair)

    async with asyncio.TaskGroup() as group:
        for pair in pairs:
            group.create_task(start(pair))


async def _stop_all(world: World, pairs: list[PairRun]) -> None:
    async with asyncio.TaskGroup() as group:
        for pair in pairs:
            group.create_task(world.stop(pair))


async def _fill_for(driver: Driver, pairs: int, seconds: float, rng: random.Random) -> int:
    """Fill whichever order has rested longest, at an even pace in all; return how many."""
    begun, done = time.monotonic(), 0
    gap_s = 1.0 / (FILLS_PER_S * pairs)
    due = begun
    while due - begun < seconds:
        due += rng.expovariate(1.0 / gap_s)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        account = driver.front()
        if account is not None and await driver.fill(account):
            done += 1
    return done
