"""`make soak MINUTES=10`: the pair under a busy market for long, looked at every minute.

The synthetic market runs, and a driver fills A's orders besides, many times a second. It passes if
nothing grows and the pair is neutral at the end. Growing is: a daemon's memory in the last quarter
of the minutes is, in the median, more than 10 % and 8 MB above the second minute; or the median of
A's fill → B's order in the last quarter is more than twice the second minute's, and 2 ms above it.
(The first minute fills caches. The exchange and Redis keep a log of everything on purpose: their
memory is shown and not judged.)
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psutil

from bench.command import run_measurement
from bench.driver import Driver, open_driver
from bench.latency import lags_of
from bench.world import MARKET_ID, SIZE_DECIMALS, PairRun, World, open_world
from hedge.errors import ConfigError, NotNeutralError
from hedge.launcher.summary import legs_of, position_of

MORE = 1.10
MORE_MB = 8.0
SLOWER = 2.0
SLOWER_MS = 2.0
JUDGED_FROM = 4
"""Minutes from which on growth is judged; a shorter run only shows its figures."""

SECONDS = 60.0
_RARELY_S = 0.05


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute brought. Memory by process, in MB."""

    number: int
    fills: int
    hedges: int
    p50_ms: float | None
    p99_ms: float | None
    memory_mb: dict[str, float]

    @property
    def line(self) -> str:
        """The line for the terminal."""
        memory = " ".join(f"{name}_mb={held:.1f}" for name, held in self.memory_mb.items())
        return (
            f"minute={self.number} fills={self.fills} hedges={self.hedges}"
            f" p50_ms={_number(self.p50_ms)} p99_ms={_number(self.p99_ms)} {memory}"
        )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def growth(minutes: list[Minute]) -> list[str]:
    """Return what has grown, in words; nothing for a run that is too short to tell."""
    if len(minutes) < JUDGED_FROM:
        return []
    early, late = minutes[1], minutes[-max(1, len(minutes) // 4) :]
    found = []
    for name in ("a", "b"):
        was, now = early.memory_mb[name], statistics.median(m.memory_mb[name] for m in late)
        if now > was * MORE and now > was + MORE_MB:
            found.append(f"{name.upper()} grew from {was:.1f} to {now:.1f} MB")
    latencies = [minute.p50_ms for minute in late if minute.p50_ms is not None]
    if early.p50_ms is not None and latencies:
        slow = statistics.median(latencies)
        if slow > early.p50_ms * SLOWER and slow > early.p50_ms + SLOWER_MS:
            found.append(f"fill → hedge went from {early.p50_ms:.2f} to {slow:.2f} ms")
    return found


async def soak(world: World, minutes: int, per_s: float, seconds: float = SECONDS) -> list[Minute]:
    """Run a pair for `minutes` of `seconds` each and print a line for each."""
    pair = await world.add_pair()
    found: list[Minute] = []
    async with open_driver(world, [pair.account_a]) as driver:
        await world.start(pair)
        filling = asyncio.create_task(_fill(driver, pair.account_a, per_s), name="fills")
        try:
            for number in range(1, minutes + 1):
                after_seq = await world.last_seq()
                await _lived(world, pair, filling, seconds)
                minute = await _look(world, pair, number, after_seq)
                found.append(minute)
                print(minute.line, flush=True)
        finally:
            filling.cancel()
            await asyncio.wait([filling])
    await world.stop(pair)
    return found


async def _fill(driver: Driver, account: int, per_s: float) -> None:
    """Fill A's order again and again, at random moments."""
    rng = random.Random(1)
    while True:
        await asyncio.sleep(rng.expovariate(per_s))
        await driver.until_resting(account)
        await driver.fill(account)


async def _lived(
    world: World, pair: PairRun, filling: "asyncio.Task[None]", seconds: float
) -> None:
    """Let a minute pass; raises where something ended meanwhile."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.check(pair)
        if filling.done():
            filling.result()
        await asyncio.sleep(_RARELY_S)


async def _look(world: World, pair: PairRun, number: int, after_seq: int) -> Minute:
    lags = await lags_of(world, pair, after_seq, with_stages=False)
    pids = {side: child.pid for side, child in sorted(pair.daemons.items())}
    pids |= dict(zip(("exchange", "redis"), world.server_pids, strict=True))
    return Minute(
        number,
        lags.fills,
        lags.orders,
        lags.hedge.at(50),
        lags.hedge.at(99),
        {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items()},
    )


async def net_lots(world: World) -> int:
    """Return what A and B hold together, by the exchange's own log."""
    pair = world.pairs[0]
    net = Decimal(0)
    for account in (pair.account_a, pair.account_b):
        rows = await world.rows("trades", account, 0)
        net += position_of(legs_of(rows, account, MARKET_ID))
    return int(net.scaleb(SIZE_DECIMALS))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description="Run the pair for long and watch it grow or not."
    )
    add = parser.add_argument
    add("--minutes", type=int, default=10, help="how long (10)")
    add("--rate", type=float, default=20.0, help="fills per second beside the market's (20)")
    add("--minute-s", type=float, default=SECONDS, help=argparse.SUPPRESS)
    add("--redis-port", type=int, default=0, help="port of the private Redis (any free one)")
    add("--paper-port", type=int, default=0, help="port of the exchange (any free one)")
    add("--run-dir", type=Path, default=Path("run/soak"), metavar="DIR", help="(run/soak)")
    return parser


async def _run(values: argparse.Namespace) -> None:
    if values.minutes < 1 or not values.rate > 0 or not values.minute_s > 0:
        raise ConfigError("--minutes and --rate must be more than 0")
    async with open_world(
        values.run_dir.resolve(),
        redis_port=values.redis_port,
        paper_port=values.paper_port,
        market=True,
    ) as world:
        minutes = await soak(world, values.minutes, values.rate, values.minute_s)
        net = await net_lots(world)
    grown = growth(minutes)
    first, last = minutes[0], minutes[-1]
    memory = " ".join(
        f"{side}_mb={first.memory_mb[side]:.1f}->{last.memory_mb[side]:.1f}" for side in ("a", "b")
    )
    print(
        f"SOAK minutes={len(minutes)} fills={sum(m.fills for m in minutes)}"
        f" hedges={sum(m.hedges for m in minutes)}"
        f" p50_ms={_number(first.p50_ms)}->{_number(last.p50_ms)} {memory}"
        f" net_lots={net} grown={'; '.join(grown) or 'nothing'}"
    )
    if net != 0:
        raise NotNeutralError(f"the pair ended {net} lots off")
    if grown:
        raise NotNeutralError("; ".join(grown))


def main(arguments: list[str] | None = None) -> int:
    """Soak and report; return the exit code."""
    return run_measurement("soak", lambda: _run(_parser().parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
