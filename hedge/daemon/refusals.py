"""What this process has refused to act on: counted by cause, and said once a minute at most.

Whatever a channel or a key brings may come in floods, and from anybody who reaches Redis: none of
it may fill the log, and none may go unseen.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.core.freshness import Stale
from hedge.daemon.context import Parts
from hedge.wire.codec import MessageRefusedError
from hedge.wire.envelope import Envelope

SAY_EVERY_MS = 60_000
BY_HAND = "by_hand"
"""Published by hand where that is not taken."""

_ROUTINE = frozenset({*(one.value for one in Stale), "other_account", "other_market"})
"""Another pair's business, or yesterday's: counted and logged, but no warning and no event."""


@dataclass(slots=True)
class _Cause:
    """How often, how often by the last line, and when that was (monotonic ms)."""

    count: int = 0
    said_count: int = 0
    said_ms: int | None = None
    where: str = ""
    detail: str = ""


class Refusals:
    """Counts what is refused; a flood is a count, and a line a minute."""

    def __init__(self, parts: Parts, say: Callable[[str, str, str], None]) -> None:
        """Have refused nothing yet; `say` publishes an event (event, reason, detail)."""
        self._parts = parts
        self._say = say
        self._causes: dict[str, _Cause] = {}
        self._stored: dict[str, tuple[Stale | None, Envelope | None]] = {}

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How often each cause has come up in this run, for the heartbeat."""
        return tuple((word, cause.count) for word, cause in sorted(self._causes.items()))

    def add(self, word: str, where: str, detail: str) -> None:
        """Count one refusal by its cause; `where` is the channel or the key."""
        cause = self._causes.setdefault(word, _Cause())
        cause.count += 1
        cause.where, cause.detail = where, detail
        self._tell(word, cause)

    def take(self, error: MessageRefusedError, where: str) -> None:
        """Count a message or a value that could not be read."""
        self.add(error.cause.value, where, str(error))

    def stored(self, key: str, origin: Envelope | None, why: Stale | None) -> None:
        """Count a stored value that is not fresh (`why` None: it is) once, however often read."""
        if why is not None and self._stored.get(key) != (why, origin):
            self.add(why.value, key, why.text)
        self._stored[key] = (why, origin)

    def settle(self) -> None:
        """Say what has come since the last line of a cause, once its minute is over."""
        for word, cause in self._causes.items():
            if cause.count > cause.said_count:
                self._tell(word, cause)

    def _tell(self, word: str, cause: _Cause) -> None:
        now_ms = self._parts.clock.now_ms()
        if cause.said_ms is not None and now_ms < cause.said_ms + SAY_EVERY_MS:
            return
        cause.said_ms, cause.said_count = now_ms, cause.count
        write = self._parts.log.info if word in _ROUTINE else self._parts.log.warning
        write(
            "message_refused", cause=word, count=cause.count, where=cause.where, detail=cause.detail
        )
        if word not in _ROUTINE:
            detail = f"{cause.where}: {cause.detail} ({cause.count} so far)"
            self._say("message_refused", word, detail)
