"""Writes to Redis in order: what must arrive is repeated, what is only said may be dropped."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from hedge.daemon.context import Parts
from hedge.errors import RedisUnreachableError

Job = Callable[[], Awaitable[None]]
_DRAIN_S = 2.0
_WARN_EVERY_MS = 5000
_BATCH = 64
_MOST_EVENTS = 1000


class Outbox:
    """One writer. A job must be safe to repeat: an unanswered write may have happened.

    Up to 64 writes are under way at once; the messenger keeps their order. Events travel in a
    queue of their own, so that no fill waits behind words, and are dropped where Redis does not
    take them.
    """

    def __init__(self, parts: Parts) -> None:
        """Start empty."""
        self._parts = parts
        self._jobs: deque[Job] = deque()
        self._events: deque[Job] = deque(maxlen=_MOST_EVENTS)
        self._wake = asyncio.Event()
        self._emptied = asyncio.Event()
        self._warned_ms: int | None = None

    def put(self, job: Job) -> None:
        """Queue a write that must arrive."""
        self._jobs.append(job)
        self._wake.set()

    def put_event(self, job: Job) -> None:
        """Queue a word that may be lost."""
        self._events.append(job)
        self._wake.set()

    @property
    def is_empty(self) -> bool:
        """Whether everything that must arrive is written."""
        return not self._jobs

    async def run(self) -> None:
        """Write until cancelled."""
        pause_s = self._parts.config.timing.redis_retry_min_s
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs or self._events:
                if self._jobs:
                    if not await self._write():
                        await self._parts.clock.sleep(pause_s)
                    continue
                await self._say(self._events.popleft())
            self._emptied.set()

    async def _write(self) -> bool:
        """Write a batch; what Redis did not take stays at the head of the queue."""
        if len(self._jobs) == 1:  # the usual case, without the hop of a task of its own
            try:
                await self._jobs[0]()
            except RedisUnreachableError as error:
                self._complain(error)
                return False
            self._jobs.popleft()
            return True
        batch = [self._jobs[i] for i in range(min(_BATCH, len(self._jobs)))]
        answers = await asyncio.gather(*(job() for job in batch), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, RedisUnreachableError):
                self._complain(answer)
                return False
            if isinstance(answer, BaseException):
                raise answer
            self._jobs.popleft()
        return True

    async def _say(self, event: Job) -> None:
        try:
            await event()
        except RedisUnreachableError as error:
            self._complain(error)

    async def drain(self) -> None:
        """Return when everything is written, or after two seconds."""
        self._emptied.clear()
        if not self._jobs and not self._events:
            return
        self._wake.set()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._emptied.wait()
        except TimeoutError:
            self._parts.log.warning("redis_writes_lost", count=len(self._jobs))

    def _complain(self, error: RedisUnreachableError) -> None:
        now_ms = self._parts.clock.now_ms()
        if self._warned_ms is None or now_ms >= self._warned_ms + _WARN_EVERY_MS:
            self._warned_ms = now_ms
            self._parts.log.warning("redis_write_waits", waiting=len(self._jobs), reason=error)
