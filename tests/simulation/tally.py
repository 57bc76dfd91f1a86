"""How often each kind of misfortune was injected, and how often a process met it.

A kind is *injected* when the schedule brings it about. It is *reached* when a living process read
its effect in a state in which it mattered: the changed frame was handed to a core, the stopped
process was running, the forged value was read. An injection that reaches no core is dead, and says
nothing.

Weather is *enabled* for a while and comes about by chance; each occurrence is an injection of its
own, and weather without any is one dead injection.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Moment:
    """One injection of a kind, or a process that met it."""

    at_s: float
    kind: str
    met: bool


@dataclass
class Tally:
    """The two counts of one schedule, or of many."""

    injected: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    enabled: Counter[str] = field(default_factory=Counter)
    """In how many schedules a kind was among those that could happen."""
    clock: Callable[[], float] | None = None
    """Tells the virtual time (s) of the one schedule that is counted."""
    moments: list[Moment] = field(default_factory=list)
    """When each kind was injected or reached, in the order of time, until `close`."""

    def enable(self, kind: str) -> None:
        """Count a schedule in which a kind can happen."""
        self.enabled[kind] += 1

    def inject(self, kind: str) -> None:
        """Count one injection."""
        self.injected[kind] += 1
        self._note(kind, met=False)

    def reach(self, kind: str) -> None:
        """Count one injection whose effect a process met."""
        self.reached[kind] += 1
        self._note(kind, met=True)

    def _note(self, kind: str, *, met: bool) -> None:
        if self.clock is not None:
            self.moments.append(Moment(self.clock(), kind, met))

    def close(self, weather: frozenset[str]) -> None:
        """End the counting of one schedule, so that no kind is reached oftener than injected.

        An occurrence of `weather` that was met was injected too; a blow that several processes met,
        or one of them several times, counts once.
        """
        for kind in self.enabled.keys() & weather:
            self.injected[kind] = max(self.injected[kind], self.reached[kind], 1)
        for kind, times in self.reached.items():
            self.reached[kind] = min(times, self.injected[kind])
        self.clock, self.moments = None, []

    def add(self, other: "Tally") -> None:
        """Add the counts of another schedule."""
        self.injected.update(other.injected)
        self.reached.update(other.reached)
        self.enabled.update(other.enabled)
