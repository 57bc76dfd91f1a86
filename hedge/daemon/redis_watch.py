"""Says in log, event and heartbeat what is wrong with Redis, and tells the manager."""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.daemon.context import Parts
from hedge.daemon.redis_health import Need, RedisHealth

_AGAIN_MS = 60_000
"""So often at most is one reason said for which the subscription is lost."""


@dataclass(frozen=True)
class RedisHandlers:
    """What a manager does: the state cannot be read any more; Redis counts as down ("": no more).

    The second one is called with the reason, again with each other one.
    """

    unread: Callable[[], None]
    changed: Callable[[str], None]


class RedisWatch:
    """Looks at the health of Redis, and listens to what the subscription complains of."""

    def __init__(
        self,
        parts: Parts,
        health: RedisHealth,
        say: Callable[[str, str, str], None],
        handlers: RedisHandlers,
    ) -> None:
        """Listen to the messenger; `say` publishes an event."""
        self._parts = parts
        self._health = health
        self._say = say
        self._handlers = handlers
        self._is_unread = False
        self._down_ms = 0
        self._lost_because = ""
        self._is_lost_said = False
        self._due_ms: dict[str, int] = {}
        self.why = ""
        """Why Redis counts as down, "" while it does not."""
        parts.messenger.on_link(self._on_link)
        parts.messenger.on_complaint(self._on_complaint)

    @property
    def notices(self) -> tuple[tuple[str, str], ...]:
        """What fails although the side goes on, for its heartbeat: a sentence by its word."""
        link = f"the subscription is lost: {self._lost_because}" if self._lost_because else ""
        found = (("redis_down", self.why), ("subscription_lost", link))
        return tuple((word, text) for word, text in found if text)

    def look(self) -> None:
        """Say what has changed about Redis, and tell the manager."""
        was_unread, self._is_unread = self._is_unread, self._health.is_unmet(Need.READS)
        if self._is_unread and not was_unread:
            self._handlers.unread()
        was, why = self.why, self._health.why
        if why == was:
            return
        now_ms, self.why, log = self._parts.clock.now_ms(), why, self._parts.log
        if not was:
            self._down_ms = now_ms
            log.warning("redis_down", reason=why)
            self._say("redis_down", "redis_down", why)
        elif not why:
            down_s = (now_ms - self._down_ms) / 1000
            log.info("redis_back", down_s=round(down_s, 1))
            self._say("redis_back", "redis_back", f"down for {down_s:.1f} s: {was}")
        self._handlers.changed(why)

    def _on_complaint(self, reason: str) -> None:
        """Say that the subscription is lost, each reason once a minute at most.

        The pair goes on by the state that is read every beat.
        """
        now_ms = self._parts.clock.now_ms()
        self._lost_because = reason
        if now_ms < self._due_ms.get(reason, now_ms):
            return
        self._due_ms = {one: due for one, due in self._due_ms.items() if due > now_ms}
        self._due_ms[reason] = now_ms + _AGAIN_MS
        self._is_lost_said = True
        self._parts.log.warning("subscription_lost", reason=reason)
        self._say("subscription_lost", "subscription_lost", reason)

    def _on_link(self, up: bool) -> None:  # noqa: FBT001  the messenger's own signature
        if not up or not self._lost_because:
            return
        was, self._lost_because = self._lost_because, ""
        if self._is_lost_said:
            self._is_lost_said = False
            detail = f"it was lost: {was}"
            self._parts.log.info("subscription_back", detail=detail)
            self._say("subscription_back", "subscription_back", detail)
