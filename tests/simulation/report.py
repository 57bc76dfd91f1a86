"""What many schedules came to, in lines: totals, the histogram of kinds, what was found."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation import faults
from tests.simulation.schedule import Result
from tests.simulation.tally import Tally

ENOUGH, OF_RUNS = 50, 10_000
"""A kind that fewer processes met in so many schedules makes the run red."""
CORES = 2


@dataclass
class Totals:
    """What a run came to."""

    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    halts: Counter[str] = field(default_factory=Counter)
    new: list[Result] = field(default_factory=list)
    """Schedules with a violation that is on no list."""
    numbers: Counter[int] = field(default_factory=Counter)
    """In how many schedules each counterexample showed."""
    cpu_s: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def add(self, result: Result) -> None:
        """Count one schedule."""
        self.schedules += 1
        for name in ("steps", "prefixes", "fills", "hedges", "starts"):
            self.counts[name] += getattr(result, name)
        self.counts["seconds"] += round(result.virtual_s)
        self.cpu_s += result.cpu_s
        self.tally.add(result.tally)
        self.halts.update(result.halts)
        self.numbers.update({one.number for one in result.findings if one.number is not None})
        if result.new:
            self.new.append(result)

    def tell(self) -> None:
        """Print the totals."""
        counts, took = self.counts, time.monotonic() - self.started
        print("faults:", ", ".join(f"{name} {n}" for name, n in self.tally.injected.most_common()))
        halts = ", ".join(f"{name} {n}" for name, n in self.halts.most_common())
        print("halts that a person resumed:", halts or "none")
        known = ", ".join(f"{number} {n}" for number, n in sorted(self.numbers.items()))
        print("schedules that show a known counterexample:", known or "none")
        print(
            f"schedules={self.schedules} steps={counts['steps']} "
            f"faults={self.tally.injected.total()} "
            f"fills={counts['fills']} hedges={counts['hedges']} starts={counts['starts']} "
            f"virtual_hours={counts['seconds'] / 3600:.1f} prefixes={counts['prefixes']} "
            f"violations={len(self.new)} "
            f"schedules_per_minute={self.schedules / took * 60:.0f} "
            f"cpu_ms_per_schedule={self.cpu_s / max(1, self.schedules) * 1000:.1f}"
        )

    def histogram(self, kinds: Iterable[str]) -> list[str]:
        """Print how often each kind was injected and reached; return those that were too seldom.

        Below `OF_RUNS` schedules as large a share of them is too seldom, and binds nobody.
        """
        enough = ENOUGH * min(1.0, self.schedules / OF_RUNS)
        tally, seldom = self.tally, []
        print(f"{'kind':36} {'schedules':>9} {'injected':>9} {'reached':>9} {'dead':>9}")
        for kind in kinds:
            injected, reached = tally.injected[kind], tally.reached[kind]
            mark = ""
            if reached < enough:
                seldom.append(kind)
                mark = f"  fewer than {enough:g}"
            print(
                f"{kind:36} {tally.enabled[kind]:9} {injected:9} {reached:9}"
                f" {injected - reached:9}{mark}"
            )
        if seldom:
            print(f"met too seldom: {', '.join(seldom)}")
        return seldom

    @property
    def binds(self) -> bool:
        """Whether there were enough schedules to demand that each kind was met."""
        return self.schedules >= OF_RUNS


def kinds() -> tuple[str, ...]:
    """Return all kinds of the general mix, family by family."""
    return faults.ALL
