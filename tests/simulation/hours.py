"""A whole day of one pair in one run: neither its state nor its memory may grow.

The market goes from calm to busy and back in each quarter of the run; now and then something
goes wrong, seldom enough that the pair is whole again before the next time. At each hour, once the
pair is whole, everything that is reachable from its two managers is counted.
"""

import asyncio
import gc
import math
import resource
import sys
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hedge.core.book import KEEP_TRADES
from hedge.core.hedger.watch import KEEP_TRADES as KEEP_WATCHED
from tests.simulation import faults
from tests.simulation.daemon import Tools
from tests.simulation.exchange import A, B
from tests.simulation.loop import VirtualLoop
from tests.simulation.loop import run as run_loop
from tests.simulation.schedule import QUIET, Stage

HOUR_S = 3600.0
CALM_FILL_S, BUSY_FILL_S = 120.0, 3.0
"""Seconds between two takers in the calmest and in the busiest hour."""
FAULT_EVERY_S = 900.0
FAULT_LASTS_S = 20.0
WHOLE_S = 300.0
WARM_UP = 0.25
"""Share of the run after which nothing may grow any more."""
GROWTH, SLACK = 1.10, 16
"""The last quarter may hold so much more than the second one: the moments differ a little."""
LIMITS = {
    "Book._trades": KEEP_TRADES,
    "Book._by_content": KEEP_TRADES,
    "Book._filled": KEEP_TRADES,
    "HedgerState.watched": KEEP_WATCHED,
    "ByHand._seen": 10_000,
}
"""What may grow up to a limit of the product's own, and no further; the length counts, no more."""
OURS = ("hedge.", "account_", "redis_messenger", "main_")
HARMLESS = (*faults.VENUE_WEATHER, *faults.REDIS_WEATHER, *faults.PROCESSES, *faults.OUTSIDE)
TOO_RARE = frozenset({"second A", "standby", "disk lost", "small refused"})
"""Whose traces stay for longer than a fault: another host, dust."""


@dataclass
class Sizes:
    """What the managers hold: objects of the product's classes, and containers by their length.

    A container is known by the class and attribute that hold it; the longest one counts.
    """

    objects: int = 0
    lengths: Counter[str] = field(default_factory=Counter)


@dataclass
class Day:
    """What one long run came to."""

    hours: float
    samples: list[tuple[float, Sizes, int]] = field(default_factory=list)
    """Hour, what the managers held, and live objects of the whole process."""
    fills: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    halts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def grown(self) -> list[str]:
        """Return what the last quarter holds more of than the second one did."""
        count = len(self.samples)
        early = self.samples[int(count * WARM_UP) : max(int(count * 0.5), int(count * WARM_UP) + 1)]
        late = self.samples[int(count * 0.75) :]
        found = [
            f"{name} has {length} items, its limit is {LIMITS[name]}"
            for name, length in _most(self.samples).items()
            if name in LIMITS and length > LIMITS[name]
        ]
        before, after = _most(early), _most(late)
        for name, length in after.items():
            if name not in LIMITS and length > before[name] * GROWTH + SLACK:
                found.append(f"{name} grew from {before[name]} to {length}")
        return found


def _most(samples: list[tuple[float, Sizes, int]]) -> Counter[str]:
    """Return the largest figure of each kind."""
    most: Counter[str] = Counter()
    for _, sizes, _ in samples:
        most |= sizes.lengths
        most |= Counter({"objects of the managers": sizes.objects})
    return most


def sizes_of(*roots: Any) -> Sizes:
    """Count what is reachable from these objects through the product's own objects."""
    sizes, seen, waiting = Sizes(), set(), [(root, type(root).__name__) for root in roots]
    while waiting:
        one, where = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            parts = [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)) or type(one).__name__ == "deque":
            parts = list(one)
        elif type(one).__module__.startswith(OURS):
            sizes.objects += 1
            waiting.extend((part, name) for part, name in _attributes(one))
            continue
        else:
            continue
        sizes.lengths[where] = max(sizes.lengths[where], len(one))
        if where not in LIMITS:
            waiting.extend((part, where) for part in parts)
    return sizes


def _attributes(one: Any) -> list[tuple[Any, str]]:
    names = [*getattr(one, "__dict__", {})]
    for kind in type(one).__mro__:
        slots = getattr(kind, "__slots__", ())
        names.extend((slots,) if isinstance(slots, str) else slots)
    name_of = type(one).__name__
    return [(getattr(one, name, None), f"{name_of}.{name}") for name in names]


class Long:
    """One pair for many hours."""

    def __init__(self, loop: VirtualLoop, seed: int, hours: float) -> None:
        self._loop, self._hours = loop, hours
        self._stage = Stage(loop, seed, QUIET, Tools(), None)
        self._dice = Random(f"{seed} hours")
        self.day = Day(hours)

    async def play(self) -> Day:
        """Play it whole."""
        stage, loop, dice = self._stage, self._loop, self._dice
        if offset := stage.world.settings.offset_lots:
            await stage.world.exchange.give(B, offset)
        await self._whole()
        next_fault_s, next_sample_s = FAULT_EVERY_S, HOUR_S
        while loop.time() < self._hours * HOUR_S + 60:
            await asyncio.sleep(dice.expovariate(1 / self._fill_every_s()))
            if stage.world.exchange.take(dice.choice((100, 100, dice.randrange(1, 100))), A):
                self.day.fills += 1
            stage.restart()
            if loop.time() >= next_fault_s:
                next_fault_s = loop.time() + dice.expovariate(1 / FAULT_EVERY_S)
                await self._suffer()
            if loop.time() >= next_sample_s:
                next_sample_s += HOUR_S
                await self._whole()
                self._sample()
        await self._whole()
        self.day.violations += [str(one) for one in stage.judged()]
        return self.day

    def _fill_every_s(self) -> float:
        cycles = 4 * self._loop.time() / (self._hours * HOUR_S)
        busy = (1 - math.cos(cycles * 2 * math.pi)) / 2
        return CALM_FILL_S * (BUSY_FILL_S / CALM_FILL_S) ** busy

    async def _suffer(self) -> None:
        """Let one thing go wrong for a while."""
        stage, dice = self._stage, self._dice
        kind = dice.choice([kind for kind in HARMLESS if kind not in TOO_RARE])
        self.day.faults[kind] += 1
        stage.trouble([kind], Random(dice.getrandbits(64)))
        await asyncio.sleep(FAULT_LASTS_S)
        stage.heal()
        await self._whole()

    async def _whole(self) -> None:
        """Wait until the pair is whole and trades; resume what had to be halted."""
        for _ in range(3):
            whole = await self._stage.until_whole(WHOLE_S)
            halt = self._stage.halt()
            if halt is None:
                break
            self.day.halts[halt.reason] += 1
            await self._stage.resume(halt)
        if not whole:
            self.day.violations.append(f"not whole at {self._loop.time():.0f} s")

    def _sample(self) -> None:
        gc.collect()
        sizes = sizes_of(self._stage.a.manager, self._stage.b.manager)
        self.day.samples.append((self._loop.time() / HOUR_S, sizes, len(gc.get_objects())))


def play_hours(hours: float, seed: int) -> Day:
    """Play one long run."""

    async def main(loop: VirtualLoop) -> Day:
        return await Long(loop, seed, hours).play()

    day: Day = run_loop(main)
    return day


def tell(day: Day) -> int:
    """Print what a long run came to; 1 where something grew or a promise was broken."""
    for hour, sizes, objects in day.samples:
        longest = ", ".join(f"{name} {n}" for name, n in sizes.lengths.most_common(5))
        print(
            f"hour {hour:5.2f}: managers {sizes.objects} objects, process {objects} objects;"
            f" longest: {longest}"
        )
    told = ", ".join(f"{name} {n}" for name, n in day.faults.most_common())
    print(f"fills={day.fills} faults={day.faults.total()} ({told})")
    print("halts that a person resumed:", dict(day.halts) or "none")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if _is_mac() else 10))
    grown = day.grown()
    for text in (*grown, *day.violations):
        print(f"VIOLATION {text}")
    verdict = "GROWS" if grown else "no growth"
    print(f"hours={day.hours:g} verdict: {verdict}; simulator's peak {peak_mb:.0f} MB")
    return 1 if grown or day.violations else 0


def _is_mac() -> bool:
    return sys.platform == "darwin"
