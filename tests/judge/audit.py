"""The judge: all promises over one record, and the figures that reports want."""

from dataclasses import dataclass

from tests.judge import debts, promises, resting
from tests.judge.facts import Record, Violation
from tests.judge.positions import Naked, Positions


@dataclass(frozen=True)
class Audit:
    """The result: how much was looked at, and everything that contradicts a promise."""

    a_lots: int
    b_lots: int
    offset_lots: int
    prefixes: int
    neutral_moments: int
    a_orders: int
    hedges: int
    words: int
    """How many claims were judged."""
    naked: tuple[Naked, ...]
    violations: tuple[Violation, ...]

    @property
    def net_lots(self) -> int:
        """A + B at the end."""
        return self.a_lots + self.b_lots

    def of(self, *promises: str) -> tuple[Violation, ...]:
        """Return the violations of these promises."""
        return tuple(one for one in self.violations if one.promise in promises)

    def check(self) -> "Audit":
        """Raise AssertionError unless every promise was kept."""
        assert self.violations == (), "\n".join(str(one) for one in self.violations[:5])
        return self


def judge(record: Record) -> Audit:
    """Judge a record by every promise."""
    positions = Positions(record)
    twice, neutral_moments = promises.never_twice(positions)
    violations = [
        *promises.complete(positions),
        *twice,
        *promises.adoptions(positions),
        *debts.acted(positions),
        *promises.hold(positions),
        *promises.beside(positions),
        *promises.decided(positions),
        *resting.left(positions),
        *promises.made_naked(positions),
        *promises.beliefs(positions),
        *promises.Words(positions).violations(),
        *promises.holds(positions),
        *promises.unsaid(positions),
    ]
    return Audit(
        a_lots=positions.a[-1],
        b_lots=positions.b[-1],
        offset_lots=record.offset_lots,
        prefixes=len(record.legs),
        neutral_moments=neutral_moments,
        a_orders=len(promises.resting_of_a(record)),
        hedges=sum(1 for life in promises.hedges_of_b(record) if life.filled_lots),
        words=len(record.said),
        naked=tuple(positions.naked()),
        violations=tuple(sorted(violations, key=lambda one: one.at_s)),
    )
