"""One turn of writing: what the lease guards, and the heartbeat behind it."""

import asyncio
from collections.abc import Awaitable, Callable

from hedge.daemon.lease import LeaseKeeper
from hedge.exchange.port import Clock

FAR_MS = 300
"""From here on a round trip to Redis is long: two of them in turn would make old beats."""


class BeatTurn:
    """Writes the guarded state first: a process that wakes without its lease must not seem to live.

    Where Redis is far away and the lease was confirmed a moment ago both go out in one round trip.
    """

    def __init__(self, clock: Clock, lease: LeaseKeeper) -> None:
        """Take Redis for near."""
        self._clock = clock
        self._lease = lease
        self._trip_ms = 0

    async def write(
        self, guarded: Callable[[], Awaitable[bool]], beat: Callable[[], Awaitable[None]]
    ) -> bool:
        """Write both, the beat only where `guarded` says that the lease is ours; return that.

        Raises RedisUnreachableError.
        """
        began_ms = self._clock.now_ms()
        if self._trip_ms < FAR_MS or not self._lease.is_sure:
            is_ours = await guarded()
            self._trip_ms = self._clock.now_ms() - began_ms
            if is_ours:
                await beat()
            return is_ours
        answers = await asyncio.gather(guarded(), beat(), return_exceptions=True)
        self._trip_ms = self._clock.now_ms() - began_ms
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return bool(answers[0])
