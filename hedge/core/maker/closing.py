"""Words of A's closing on its own: what it closes, and how it finds out what B holds."""

import enum
from dataclasses import dataclass, replace

MOST_READS = 64
"""As many public answers are remembered."""


class Closing(enum.Enum):
    """What the maker closes on its own while halted."""

    UNHEDGED = "unhedged"  # only what B has not hedged
    ALL = "all"  # its whole position, step by step while B follows
    ALONE = "alone"  # its whole position, whatever B does


@dataclass(frozen=True, slots=True)
class LookAtB:
    """Effect: read B's public position once, answer with BShown; `seq` is A's state then."""

    seq: int


@dataclass(frozen=True, slots=True)
class BShown:
    """Event: B's position by one public answer, asked for at `asked_ms`; None without an answer."""

    seq: int
    position_lots: int | None
    asked_ms: int


@dataclass(frozen=True, slots=True)
class LookedAtB:
    """What A knows of B from outside: asked last when, at which state, and what was shown.

    `reads` are the newest answers that agree, oldest first: when each was asked for.
    """

    asked_ms: int
    seq: int
    position_lots: int | None = None
    reads: tuple[int, ...] = ()

    def shown(self, event: BShown) -> "LookedAtB":
        """Return this with one more answer; one that differs begins anew, none changes nothing."""
        if event.position_lots is None:
            return self
        agrees = event.position_lots == self.position_lots
        reads = (*self.reads, event.asked_ms) if agrees else (event.asked_ms,)
        return replace(self, position_lots=event.position_lots, reads=reads[-MOST_READS:])

    def agreed(self, since_ms: int, apart_ms: int) -> int | None:
        """Return B's position where answers agree that were asked for at or after `since_ms`.

        The first and the newest of them are at least `apart_ms` apart.
        """
        reads = [read for read in self.reads if read >= since_ms]
        if not reads or reads[-1] - reads[0] < apart_ms:
            return None
        return self.position_lots
