"""Writes to Redis in order: the newest state, the messages that are due, and words.

State is a slot: of each kind only the newest is kept, however long Redis is away. Messages are a
bounded queue. So an outage of any length costs no more memory than one of a minute.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice

from hedge.daemon.context import Parts
from hedge.daemon.redis_health import Need, RedisHealth
from hedge.errors import RedisUnreachableError

Job = Callable[[], Awaitable[None]]
_DRAIN_S = 2.0
_WARN_EVERY_MS = 60_000
_BATCH = 64
_MOST_EVENTS = 1000
MOST_MESSAGES = 1000
"""So many messages wait at most; the oldest ones give way, counted and said."""


@dataclass(slots=True)
class _Entry:
    """One write; `kind` names the state that it writes, "" for a message."""

    job: Job
    kind: str = ""


class Outbox:
    """One writer. A job must be safe to repeat: an unanswered write may have happened.

    Up to 64 writes are under way at once; the messenger keeps their order. While Redis does not
    take them one is tried at growing distances, and all at once when it is known to be back.
    Events travel in a queue of their own, so that no fill waits behind words, and are dropped where
    Redis does not take them.
    """

    def __init__(self, parts: Parts, health: RedisHealth | None = None) -> None:
        """Start empty; `health` hears what becomes of the writes."""
        self._parts = parts
        self._health = health or RedisHealth(parts.clock, parts.config.timing.redis_down_s)
        self._entries: deque[_Entry] = deque()
        self._under_way = 0
        self._slots: dict[str, _Entry] = {}
        self._messages = 0
        self._events: deque[Job] = deque(maxlen=_MOST_EVENTS)
        self._wake = asyncio.Event()
        self._emptied = asyncio.Event()
        self._warned_ms: int | None = None
        self._pause_s = 0.0
        self._is_hastened = self._catches_up = False
        self.dropped = 0
        """Messages that gave way to newer ones since Redis last took one."""

    def put(self, job: Job) -> None:
        """Queue a message that must arrive, unless very many newer ones wait."""
        if self._messages >= MOST_MESSAGES:
            self._drop_oldest()
        self._messages += 1
        self._entries.append(_Entry(job))
        self._wake.set()

    def put_state(self, kind: str, job: Job) -> None:
        """Queue a write of the newest state of a kind, in place of an older one that waits."""
        waiting = self._slots.get(kind)
        if waiting is not None:
            waiting.job = job
            return
        entry = self._slots[kind] = _Entry(job, kind)
        self._entries.append(entry)
        self._wake.set()

    def put_event(self, job: Job) -> None:
        """Queue a word that may be lost."""
        self._events.append(job)
        self._wake.set()

    @property
    def is_empty(self) -> bool:
        """Whether everything that must arrive is written."""
        return not self._entries

    @property
    def is_late(self) -> bool:
        """Whether what is written now has waited for a Redis that did not take it."""
        return self._pause_s > 0 or self._catches_up

    def hasten(self) -> None:
        """Try again at once: Redis is known to be back."""
        self._is_hastened = True

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._entries or self._events:
                if not self._entries:
                    await self._say()
                elif not await self._write():
                    await self._say()  # one that is full takes words all the same
                    await self._pause()
                self._catches_up &= bool(self._entries)
            self._emptied.set()

    async def _pause(self) -> None:
        """Wait before the next try; longer each time, and no longer once Redis is back."""
        clock, timing = self._parts.clock, self._parts.config.timing
        step_s = timing.redis_retry_min_s
        self._pause_s = min(max(step_s, self._pause_s * 2), timing.redis_retry_max_s)
        self._is_hastened = False
        waited_s = 0.0
        while waited_s < self._pause_s and not self._is_hastened:
            await clock.sleep(step_s)
            waited_s += step_s

    async def _write(self) -> bool:
        """Write a batch; what Redis did not take stays at the head of the queue."""
        count = 1 if self._pause_s else min(_BATCH, len(self._entries))
        batch = list(islice(self._entries, count))
        self._under_way = count
        for entry in batch:
            self._slots.pop(entry.kind, None)
        if count == 1:  # the usual case, without the hop of a task of its own
            try:
                await batch[0].job()
            except RedisUnreachableError as error:
                return self._failed(error)
            self._done()
        else:
            answers = await asyncio.gather(*(e.job() for e in batch), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, RedisUnreachableError):
                    return self._failed(answer)
                if isinstance(answer, BaseException):
                    raise answer
                self._done()
        if self._pause_s:
            self._note_end()
        return True

    def _done(self) -> None:
        """Take note that the write at the head of the queue is done."""
        entry = self._entries.popleft()
        self._under_way -= 1
        self._messages -= not entry.kind
        self._health.met(Need.MESSAGES)

    def _failed(self, error: RedisUnreachableError) -> bool:
        """Keep what was under way, but of each state only the newest; return that it failed."""
        self._health.failed(Need.MESSAGES, error)
        self._complain(error)
        waiting = [self._entries.popleft() for _ in range(self._under_way)]
        self._under_way = 0
        for entry in reversed(waiting):
            if entry.kind and entry.kind in self._slots:
                continue
            if entry.kind:
                self._slots[entry.kind] = entry
            self._entries.appendleft(entry)
        return False

    def _drop_oldest(self) -> None:
        """Let the oldest message go that is not under way."""
        rest = islice(enumerate(self._entries), self._under_way, None)
        oldest = next((index for index, entry in rest if not entry.kind), None)
        if oldest is None:
            return
        del self._entries[oldest]
        self._messages -= 1
        self.dropped += 1
        if self.dropped == 1:
            detail = "Redis has not taken them for too long; what they led to stands in the state"
            self._parts.log.error("messages_dropped", keeps=MOST_MESSAGES, detail=detail)

    def _note_end(self) -> None:
        """End an outage: say how many messages it has cost."""
        self._pause_s, self._warned_ms, self._catches_up = 0.0, None, True
        if self.dropped:
            self._parts.log.error("messages_lost", count=self.dropped)
            self.dropped = 0

    async def _say(self) -> None:
        """Say what waits; what is not taken is dropped, and in an outage tried again later."""
        while self._events:
            event = self._events[0]
            try:
                await event()
            except RedisUnreachableError as error:
                self._complain(error)
                if self._entries:
                    return
            if self._events and self._events[0] is event:
                self._events.popleft()
            if self._entries and not self._pause_s:
                return  # no fill waits behind words

    async def drain(self) -> None:
        """Return when everything is written, or after two seconds."""
        self._emptied.clear()
        if not self._entries and not self._events:
            return
        self._wake.set()
        self.hasten()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._emptied.wait()
        except TimeoutError:
            self._parts.log.warning("redis_writes_lost", count=len(self._entries))

    def _complain(self, error: RedisUnreachableError) -> None:
        now_ms = self._parts.clock.now_ms()
        if self._warned_ms is None or now_ms >= self._warned_ms + _WARN_EVERY_MS:
            self._warned_ms = now_ms
            self._parts.log.warning("redis_write_waits", waiting=len(self._entries), reason=error)
