"""Why a side places nothing, and when something that lasts is to be said (again)."""

from dataclasses import dataclass, replace

AGAIN_MS = 60_000
"""What lasts is said again at growing distances: no sooner than after this."""
LONGEST_MS = 3_600_000
CHANGED_MS = 10_000
"""A reason that changes is said anew, but no oftener than this."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a side places nothing: a word for the reason, and what there is to say of it."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Lasting:
    """Something that lasts since `since_ms` (monotonic), and is to be said from `due_ms` on.

    `word` is what was said last, at `said_ms`; "" while nothing was.
    """

    since_ms: int
    due_ms: int
    word: str = ""
    said_ms: int = 0

    def is_due(self, word: str, now_ms: int) -> bool:
        """Whether it is to be said now: its time has come, or the reason is another one."""
        is_other = bool(self.word) and word != self.word
        return now_ms >= self.due_ms or (is_other and now_ms >= self.said_ms + CHANGED_MS)

    def is_shown(self, now_ms: int) -> bool:
        """Whether it has lasted long enough to be shown, said or not."""
        return bool(self.word) or now_ms >= self.due_ms

    def said(self, word: str, now_ms: int) -> "Lasting":
        """Return it as said now; the distance to the next time is what it has lasted so far."""
        distance_ms = min(max(AGAIN_MS, now_ms - self.since_ms), LONGEST_MS)
        return replace(self, word=word, said_ms=now_ms, due_ms=now_ms + distance_ms)

    def seconds(self, now_ms: int) -> int:
        """Return how many seconds it has lasted."""
        return (now_ms - self.since_ms) // 1000
