"""What a side says of itself: the log, and the events channel beside it."""

from collections.abc import Callable
from enum import Enum

from hedge.daemon.context import Parts
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import Outbox
from hedge.wire.messages import EventMessage


class Voice:
    """Logs, and publishes on the events channel what others should see."""

    def __init__(
        self,
        parts: Parts,
        side: str,
        outbox: Outbox,
        origin: OriginKeeper,
        state_word: Callable[[], str],
    ) -> None:
        """Have said nothing yet."""
        self._parts = parts
        self._side = side
        self._outbox = outbox
        self._origin = origin
        self._state_word = state_word
        self._moves: list[tuple[str, str]] = []

    def say(self, event: str, reason: str, detail: str) -> None:
        """Publish one event."""
        message = EventMessage(
            side=self._side,
            event=event,
            state=self._state_word(),
            reason=reason,
            detail=detail,
            timestamp=self._parts.epoch_s,
        )

        async def publish() -> None:
            stamped = self._origin.stamped(self._parts.names.events, message)
            await self._parts.messenger.publish_event(stamped)

        self._outbox.put_event(publish)

    def note(self, event: str, detail: str, *, loud: bool, reason: str = "") -> None:
        """Log one line of the core; a loud one goes out as an event too.

        `reason` where that is not the name of the event.
        """
        write = self._parts.log.warning if loud else self._parts.log.info
        if reason:
            write(event, reason=reason, detail=detail)
        else:
            write(event, detail=detail)
        if loud:
            self.say(event, reason or event, detail)

    def moved(self, was: Enum, now: Enum, on: object, **fields: object) -> None:
        """Log a change of phase; `say_moves` publishes it."""
        word = type(on).__name__
        self._parts.log.info("state", was=was, now=now, on=word, **fields)
        self._moves.append((word, f"{was.value} -> {now.value}"))

    def say_moves(self) -> None:
        """Publish the changes of phase, after whatever they set off: a fill goes first."""
        moves, self._moves = self._moves, []
        for word, detail in moves:
            self.say("state", word, detail)
