"""Which counterexample a violation shows: the list of what today's rules are known to break.

Each row stands for one counterexample by its number: the tempting rule in a few words, what closes
it, the kinds of faults that bring it about, and how it shows: a predicate over the facts of one
schedule up to the violation. A violation shows a row when one of the row's kinds came before it and
the predicate holds. The more particular rows stand first, and the first one that fits counts.

That it is this row's doing is confirmed by playing the same seed with the row's kinds muted, drawn
as before but without effect: then no violation of the row may be left. What cannot be decided so
(chance takes another course once something is missing) is said to be open, never to be confirmed.

A row is expected to be found, never ignored: a test plays its kept seed. When its rule is repaired
the row goes, or becomes a weakened rule.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.judge.facts import Claim, Violation
from tests.judge.positions import Positions
from tests.simulation.daemon import Turn
from tests.simulation.tally import Moment

_ENDS = frozenset(
    {
        Claim.DAEMON_CODE_0,
        Claim.DAEMON_STOPPED,
        Claim.LAUNCHER_CODE_0,
        Claim.LAUNCHER_NEUTRAL,
        Claim.SUMMARY_FLAT,
    }
)


@dataclass(frozen=True)
class Story:
    """The facts of one schedule."""

    positions: Positions
    moments: tuple[Moment, ...]
    """When each kind was injected, and met."""
    turns: tuple[Turn, ...]
    """What became of the processes."""


@dataclass(frozen=True)
class Case:
    """One violation, and the facts of its schedule up to it."""

    story: Story
    violation: Violation

    @property
    def at_s(self) -> float:
        """When it came about."""
        return self.violation.at_s

    @property
    def who(self) -> str:
        """Whose word or deed it was, "" where the violation names nobody."""
        return str(self.violation.facts.get("who", ""))

    @property
    def fault(self) -> str:
        """What was wrong with what was said: open, resting, in flight, by hand, positions."""
        return self.violation.kind.rpartition(": ")[2] if self.violation.promise == "said" else ""

    @property
    def is_end(self) -> bool:
        """Whether it was said at an end."""
        return self.violation.facts.get("claim") in _ENDS

    def came(self, *kinds: str) -> bool:
        """Whether one of these was injected, or met, before."""
        return any(one.at_s <= self.at_s and one.kind in kinds for one in self.story.moments)

    def met(self, *kinds: str) -> bool:
        """Whether a process met one of these before."""
        moments = self.story.moments
        return any(one.met and one.at_s <= self.at_s and one.kind in kinds for one in moments)

    def last(self, name: str, *whats: str) -> float | None:
        """Return when a process last had such a turn."""
        found = None
        for turn in self.story.turns:
            if turn.at_s <= self.at_s and turn.name == name and turn.what.startswith(whats):
                found = turn.at_s
        return found


@dataclass(frozen=True)
class Row:
    """One counterexample: how it comes about, how it shows, and what closes it."""

    number: int
    rule: str
    closes: str
    kinds: tuple[str, ...]
    """One of them must have come before; none: whatever came."""
    shows: Callable[[Case], bool]
    muted: tuple[str, ...] = ()
    """What is muted to confirm it; none: `kinds`."""

    def is_shown_by(self, case: Case) -> bool:
        """Whether the violation of this case shows the row."""
        return (not self.kinds or case.came(*self.kinds)) and self.shows(case)

    @property
    def culprits(self) -> frozenset[str]:
        """What is muted to confirm it."""
        return frozenset(self.muted or self.kinds)


@dataclass(frozen=True)
class Finding:
    """One violation, and the counterexample that it shows (None: one that is on no list)."""

    number: int | None
    at_s: float
    promise: str
    kind: str
    text: str


ROWS: tuple[Row, ...] = ()
"""The more particular ones first. Empty: every rule that a counterexample calls for stands."""


def find(story: Story, violation: Violation) -> Finding:
    """Return what a violation shows."""
    case = Case(story, violation)
    number = next((row.number for row in ROWS if row.is_shown_by(case)), None)
    return Finding(number, violation.at_s, violation.promise, violation.kind, str(violation))
