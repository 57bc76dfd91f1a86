"""(f) What a daemon costs: from start to ready, memory, CPU while nothing happens."""

import asyncio
import re
import time
from dataclasses import dataclass
from datetime import datetime

import psutil

from bench.stats import Json
from bench.world import PairRun, World

SETTLE_S = 3.0
_FENCE = re.compile(r"^(\S+ \S+) \[INFO\] (streams_up|fence passed)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one daemon costs. `fence_ms` is part of `ready_ms`."""

    side: str
    ready_ms: float
    fence_ms: float
    rss_mb: float
    idle_percent: float

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "start_to_ready_ms": round(self.ready_ms),
            "of_it_fence_ms": round(self.fence_ms),
            "memory_mb": round(self.rss_mb, 1),
            "idle_cpu_percent": round(self.idle_percent, 2),
        }


async def measure(world: World, seconds: float) -> tuple[Cost, Cost]:
    """Start a pair, let it rest for `seconds` with one order in the book, tell its costs."""
    pair = await world.add_pair("costs")
    ready: dict[str, float] = {}
    for side in ("b", "a"):
        world.spawn(pair, side)
        ready[side] = (await world.until_ready(pair, side) - pair.started_ns[side]) / 1e6
    await asyncio.sleep(SETTLE_S)
    processes = {side: psutil.Process(child.pid) for side, child in pair.daemons.items()}
    before = {side: cpu_s(process) for side, process in processes.items()}
    begun = time.monotonic()
    await asyncio.sleep(seconds)
    lasted = time.monotonic() - begun
    costs = tuple(
        Cost(
            side,
            ready[side],
            _fence_ms(pair, side),
            processes[side].memory_info().rss / 1e6,
            (cpu_s(processes[side]) - before[side]) / lasted * 100,
        )
        for side in ("a", "b")
    )
    await world.stop(pair)
    return costs[0], costs[1]


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _fence_ms(pair: PairRun, side: str) -> float:
    """Return how long the fence took, from its streams to its passing; 0 if the log is silent."""
    text = pair.log(side).read_text(encoding="utf-8", errors="replace")
    moments = {word: _moment(stamp) for stamp, word in _FENCE.findall(text)}
    if len(moments) < 2:  # noqa: PLR2004
        return 0.0
    return (moments["fence passed"] - moments["streams_up"]).total_seconds() * 1000


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f%z")
