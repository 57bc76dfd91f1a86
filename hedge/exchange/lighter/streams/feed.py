"""The streams of one daemon: a private and a public socket that are up together or not at all."""

import asyncio
from collections.abc import Awaitable, Callable

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth
from hedge.exchange.lighter.streams.channels import PrivateTalk, PublicTalk
from hedge.exchange.lighter.streams.connection import Delays, Link, LinkTimes
from hedge.exchange.port import (
    Answer,
    Clock,
    SignedTx,
    StreamDown,
    StreamUp,
    VenueEvent,
    VenueHandler,
)


class Feed:
    """Turns both sockets into one sequence of events and sends over the private one."""

    def __init__(
        self,
        ws_url: str,
        spec: MarketSpec,
        account_index: int,
        clock: Clock,
        *,
        token: Callable[[], Awaitable[str]],
        token_life_s: int,
        times: LinkTimes,
        delays: Delays,
    ) -> None:
        """Connect nothing yet."""
        self._handler: VenueHandler | None = None
        self._is_up = False
        self._public = PublicTalk(spec, clock, times, self._emit, self._changed)
        self._private = PrivateTalk(
            account_index,
            clock,
            times,
            self._emit,
            self._changed,
            spec=spec,
            token=token,
            token_life_s=token_life_s,
        )
        self._links = tuple(
            Link(name, ws_url, talk, clock, times, delays)
            for name, talk in (("private", self._private), ("public", self._public))
        )

    def on_limited(self, handler: Callable[[], None]) -> None:
        """Call `handler` whenever the venue refuses a connect for our load."""
        for link in self._links:
            link.limited = handler

    async def run(self, handler: VenueHandler) -> None:
        """Keep both sockets up until cancelled; `handler` hears every event, in order."""
        self._handler = handler
        try:
            async with asyncio.TaskGroup() as group:
                for link in self._links:
                    group.create_task(link.run(), name=f"{link.name}-link")
        finally:
            self._handler = None
            self._is_up = False

    @property
    def heard_ms(self) -> int | None:
        """When the private socket carried its newest frame (monotonic ms), None before any."""
        return self._links[0].heard_ms

    def missing(self) -> dict[str, str]:
        """Return the sockets that have not delivered every first frame, by name, and why."""
        talks = (self._private, self._public)
        return {
            link.name: link.lost_because or "its first frames have not come"
            for link, talk in zip(self._links, talks, strict=True)
            if talk.ready_since_ms is None
        }

    def depth(self) -> Depth:
        """Return the public book; empty while it is not known."""
        return self._public.depth()

    async def send(self, tx: SignedTx, timeout_s: float) -> Answer:
        """Send one copy over the private socket and return its answer.

        Raises NotSentError where no byte left, VenueUnavailableError where no answer came.
        """
        return await self._private.pending.send(self._links[0].send, tx, timeout_s)

    def _emit(self, event: VenueEvent) -> None:
        if self._handler is not None:
            self._handler(event)

    def _changed(self, reason: str) -> None:
        ready = (self._private.ready_since_ms, self._public.ready_since_ms)
        if None not in ready and not self._is_up:
            self._is_up = True
            self._emit(StreamUp())
        elif None in ready and self._is_up:
            self._is_up = False
            self._emit(StreamDown(reason))
