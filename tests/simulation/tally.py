"""How often each kind of misfortune was injected, and how often a process met it.

A kind is *injected* when the schedule brings it about. It is *reached* when a living process read
its effect in a state in which it mattered: the changed frame was handed to a core, the stopped
process was running, the forged value was read. An injection that reaches no core is dead, and says
nothing.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """The two counts of one schedule, or of many."""

    injected: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)

    def inject(self, kind: str) -> None:
        """Count one injection."""
        self.injected[kind] += 1

    def reach(self, kind: str) -> None:
        """Count one injection whose effect a process met."""
        self.reached[kind] += 1

    def add(self, other: "Tally") -> None:
        """Add the counts of another schedule."""
        self.injected.update(other.injected)
        self.reached.update(other.reached)
