"""The streams of one daemon: a private and a public socket that stand alone.

What our account misses must be caught up with, what the market misses only stops quotes: so each
socket has its own news. Before a token ends the private socket's successor is opened and only then
the old one closed: nothing is missed between them, and what both carry is counted once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth
from hedge.exchange.lighter.streams.channels import PrivateTalk, PublicTalk
from hedge.exchange.lighter.streams.connection import Delays, Link, LinkTimes
from hedge.exchange.lighter.streams.pending import UnansweredError
from hedge.exchange.port import (
    Answer,
    Clock,
    MarketDown,
    MarketUp,
    NotSentError,
    SignedTx,
    StreamDown,
    StreamUp,
    VenueEvent,
    VenueHandler,
)

CREATE_ORDER = 14


@dataclass(frozen=True, slots=True)
class _Private:
    """One private socket: what keeps it up, and what is said on it."""

    link: Link
    talk: PrivateTalk

    @property
    def is_ready(self) -> bool:
        return self.talk.ready_since_ms is not None


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
        self._ws_url = ws_url
        self._spec = spec
        self._account_index = account_index
        self._clock = clock
        self._token = token
        self._token_life_s = token_life_s
        self._times = times
        self._delays = delays
        self._handler: VenueHandler | None = None
        self._limited: Callable[[], None] = lambda: None
        self.needs_price: Callable[[], bool] = lambda: False
        """Whether a price is needed now, so that the market's socket is urgent as well."""
        self._is_up = self._was_up = False
        self._is_market_up = False
        self._distrusted_until_ms = 0
        self._market = PublicTalk(spec, clock, times, self._emit, self._market_changed)
        self._public = Link(
            "public",
            ws_url,
            self._market,
            clock,
            times,
            delays,
            is_urgent=lambda: self.needs_price(),  # noqa: PLW0108  it is set later
        )
        self._private = self._new_private()
        self._successor: _Private | None = None

    def _new_private(self) -> _Private:
        talk = PrivateTalk(
            self._account_index,
            self._clock,
            self._times,
            self._emit,
            self._private_changed,
            spec=self._spec,
            token=self._token,
            token_life_s=self._token_life_s,
        )
        link = Link(
            "private",
            self._ws_url,
            talk,
            self._clock,
            self._times,
            self._delays,
            is_urgent=lambda: True,
        )
        link.limited = self._limited
        return _Private(link, talk)

    def on_limited(self, handler: Callable[[], None]) -> None:
        """Call `handler` whenever the venue refuses a connect for our load."""
        self._limited = self._public.limited = self._private.link.limited = handler

    def bound_by_mark(self, max_mark_gap_bps: int) -> None:
        """Believe no still book whose middle is further from mark than this."""
        self._market.max_mark_gap_bps = max_mark_gap_bps

    async def run(self, handler: VenueHandler) -> None:
        """Keep both sockets up until cancelled; `handler` hears every event, in order."""
        self._handler = handler
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._public.run(), name="public-link")
                group.create_task(self._keep_private(group), name="private-links")
        finally:
            self._handler = None
            self._is_up = self._was_up = self._is_market_up = False

    async def _keep_private(self, group: asyncio.TaskGroup) -> None:
        """Run the private socket, and each successor, until cancelled."""
        running = group.create_task(self._private.link.run(), name="private-link")
        while True:
            await self._clock.sleep(self._times.tick_s)
            self._private_changed("")  # the first time it waits for the market for a moment
            if not self._private.talk.is_ageing:
                continue
            self._successor = self._new_private()
            follower = group.create_task(self._successor.link.run(), name="private-link")
            while not self._successor.is_ready:
                await self._clock.sleep(self._times.tick_s)
            old, self._private, self._successor = self._private, self._successor, None
            while not old.talk.pending.is_empty:
                await self._clock.sleep(self._times.tick_s)
            running.cancel()
            await asyncio.wait((running,))
            running = follower

    @property
    def _privates(self) -> tuple[_Private, ...]:
        """Every private socket that carries our account now."""
        return (self._private,) if self._successor is None else (self._private, self._successor)

    @property
    def heard_ms(self) -> int | None:
        """When a private socket carried its newest frame (monotonic ms), None before any."""
        heard = [one.link.heard_ms for one in self._privates]
        return max((ms for ms in heard if ms is not None), default=None)

    @property
    def is_owing(self) -> bool:
        """Whether something that the private socket had to show is missing."""
        return self._private.talk.is_owing

    @property
    def proved_ms(self) -> int | None:
        """When a private socket last showed our orders (monotonic ms), None before any did."""
        proved = [one.talk.proved_ms for one in self._privates]
        return max((ms for ms in proved if ms is not None), default=None)

    @property
    def refused_because(self) -> str:
        """What the exchange refuses our private socket for, in words; "" where it does not."""
        return "" if self._private.is_ready else self._private.link.refused_because

    def missing(self) -> dict[str, str]:
        """Return the sockets that have not delivered every first frame, by name, and why."""
        talks = ((self._private.link, self._private.talk), (self._public, self._market))
        return {
            link.name: link.lost_because or "its first frames have not come"
            for link, talk in talks
            if talk.ready_since_ms is None
        }

    def depth(self) -> Depth:
        """Return the public book; empty while it is not known."""
        return self._market.depth()

    def is_refuted(self) -> bool:
        """Whether the public book has no frames, and something speaks against it."""
        return bool(self._market.refuted())

    async def send(self, tx: SignedTx, timeout_s: float) -> Answer:
        """Send one copy over the private socket and return its answer.

        A socket that leaves it unanswered is opened anew: what else it has kept back is not known.
        For a while nothing more is sent this way, so that an exchange which answers by HTTP only
        costs one socket, and not one at every transaction.

        Raises NotSentError where no byte left, VenueUnavailableError where no answer came.
        """
        if self._clock.now_ms() < self._distrusted_until_ms:
            raise NotSentError("a transaction was left without an answer on this way")
        used = self._private
        try:
            return await used.talk.pending.send(used.link.send, tx, timeout_s)
        except UnansweredError:
            distrust_ms = round(self._times.distrust_s * 1000)
            self._distrusted_until_ms = self._clock.now_ms() + distrust_ms
            used.link.drop("a transaction was left without an answer")
            raise

    def accepted(self, tx: SignedTx) -> None:
        """Hear that the exchange has accepted a transaction: an order's row must come soon."""
        self._private.talk.sent()
        if tx.tx_type == CREATE_ORDER:
            index = json.loads(tx.tx_info).get("ClientOrderIndex", 0)
            self._private.talk.accepted(index, tx.tx_hash)

    def _emit(self, event: VenueEvent) -> None:
        if self._handler is not None:
            self._handler(event)

    def _private_changed(self, reason: str) -> None:
        is_ready = any(one.is_ready for one in self._privates)
        if is_ready and not self._is_up and self._may_begin():
            self._is_up = self._was_up = True
            self._emit(StreamUp())
        elif not is_ready and self._is_up:
            self._is_up = False
            self._emit(StreamDown(reason))

    def _may_begin(self) -> bool:
        """Whether the market is there as well, or the first fence has waited for it long enough.

        Its marker is priced by the book; later the market's socket is waited for no more.
        """
        since_ms = self._private.talk.ready_since_ms
        waited_ms = 0 if since_ms is None else self._clock.now_ms() - since_ms
        return self._was_up or self._is_market_up or waited_ms >= self._times.grace_s * 1000

    def _market_changed(self, reason: str) -> None:
        is_ready = self._market.ready_since_ms is not None
        if is_ready and not self._is_market_up:
            self._is_market_up = True
            self._emit(MarketUp())
            self._private_changed("")
        elif not is_ready and self._is_market_up:
            self._is_market_up = False
            self._emit(MarketDown(reason))
