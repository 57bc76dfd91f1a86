"""Words of A's closing on its own: what it closes, and how it finds out what B holds."""

import enum
from dataclasses import dataclass


class Closing(enum.Enum):
    """What the maker closes on its own while halted."""

    UNHEDGED = "unhedged"  # only what B has not hedged
    ALL = "all"  # its whole position, step by step while B follows
    ALONE = "alone"  # its whole position, whatever B does


@dataclass(frozen=True, slots=True)
class LookAtB:
    """Effect: read B's public position twice, answer with BShown; `seq` is A's state then."""

    seq: int


@dataclass(frozen=True, slots=True)
class BShown:
    """Event: B's position by two equal public answers; None where there were none."""

    seq: int
    position_lots: int | None


@dataclass(frozen=True, slots=True)
class LookedAtB:
    """What A knows of B from outside: asked when and at which state, and what was shown."""

    asked_ms: int
    seq: int
    position_lots: int | None = None
