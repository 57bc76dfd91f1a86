"""What a side says while the other one runs another version of this program.

No value of another version is acted on: such a side counts as one that is not heard. Whoever
upgrades in the wrong order is told so, by both versions and with the way out.
"""

from collections.abc import Callable

from hedge.bus.port import StateSnapshot
from hedge.daemon.context import Parts
from hedge.wire.codec import other_version_text

OTHER_VERSION = "other_version"
"""The word of the event and of the notice in the heartbeat."""

SAY_EVERY_MS = 60_000


class OtherVersion:
    """Tells that the other side runs another version, at once and then once a minute."""

    def __init__(self, parts: Parts, side: str, say: Callable[[str, str], None]) -> None:
        """Know of none yet; `side` is our own, `say` tells an event and its detail, aloud."""
        self._parts = parts
        self._side = side
        self._say = say
        self._text = ""
        self._said_ms: int | None = None

    def look(self, snapshot: StateSnapshot) -> None:
        """Take what Redis shows of the other side."""
        name = "B" if self._side == "a" else "A"
        version = snapshot.version_b if self._side == "a" else snapshot.version_a
        self._text = "" if version is None else other_version_text(name, version)
        now_ms = self._parts.clock.now_ms()
        if self._text and (self._said_ms is None or now_ms >= self._said_ms + SAY_EVERY_MS):
            self._said_ms = now_ms
            self._say(OTHER_VERSION, self._text)

    @property
    def notices(self) -> tuple[tuple[str, str], ...]:
        """Return the notice for the heartbeat, none while there is no other version."""
        return ((OTHER_VERSION, self._text),) if self._text else ()
