"""B's watch over A's account: what the venue shows of it in public, and when to ask for more.

Off (`lighter.peer_watch: false`) B knows of A only what A itself says through Redis.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from hedge.core.freshness import FRESH_MS
from hedge.core.hedger import step as hedger
from hedge.core.hedger.alarms import past_its_word_ms
from hedge.core.hedger.departure import MakerStated
from hedge.core.hedger.state import PROVEN_PHASES, HedgerState
from hedge.core.hedger.watch import AGREES_AFTER_MS, PeerAnswered, PeerTraded, Stand
from hedge.core.records import Trade
from hedge.daemon.context import Parts
from hedge.exchange.peer import ENDED, PeerDown, PeerEvent, PeerShown, PeerUp, PeerVenue
from hedge.exchange.port import VenueError

OPEN_MS = 1000
"""Trades usually follow each other within moments; only then is one missing."""
POLL_MS = 10_000
"""While A is gone its stream is not trusted alone: a frame may be lost on a live socket."""
PAUSE_MIN_MS = 1000
PAUSE_MAX_MS = 10_000
CONFIRM_MS = 5_000
CONFIRM_STANDARD_MS = 20_000
"""A page is read no oftener than this only to confirm watched trades: requests are few there."""
UNKNOWN_MS = 3000
"""So long a B without a view of A waits for A's own word before it asks the exchange."""
STATED_MIN_S = 2.0
"""What the exchange states of A's account is asked for no oftener."""


@dataclass(frozen=True)
class WatchHandlers:
    """What the manager gives: its state, what is on record of A, and its ear.

    `a_lives`: whether A is heard, and says that its book is evidence.
    """

    state: Callable[[], HedgerState]
    a_lives: Callable[[], bool]
    bases: Callable[[], tuple[Stand, ...]]
    post: Callable[[PeerTraded | PeerAnswered | MakerStated, int], None]


class Watcher:
    """Turns the peer's public streams and answers into events of the hedger."""

    def __init__(self, parts: Parts, handlers: WatchHandlers) -> None:
        """Watch nothing yet."""
        self._parts = parts
        self._do = handlers
        self._stale = True
        self._open_since_ms: int | None = None
        self._unstated: tuple[Trade, int] | None = None
        self._asked_ms: int | None = None
        self._pause_ms = PAUSE_MIN_MS
        self._highest_id: int | None = None
        self._gone_ms: int | None = None

    def loops(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        """Return the named loops that watch until cancelled; none where the watch is off."""
        peer = self._parts.peer
        if peer is None:
            return ()
        return (
            ("watch", peer.run(self._heard)),
            ("watch-ask", self._ask_when_needed(peer)),
            ("watch-state", self._ask_what_is_stated(peer)),
        )

    def _heard(self, event: PeerEvent) -> None:
        match event:
            case PeerShown(trades, position_lots, received_ns):
                self._post(PeerTraded(trades, position_lots), received_ns)
            case PeerUp():
                self._stale = True
                self._parts.log.info("watch_up")
            case PeerDown(reason):
                log = self._parts.log
                write = log.info if reason == ENDED else log.warning
                write("watch_down", reason=reason)

    def _post(self, event: PeerTraded | PeerAnswered | MakerStated, received_ns: int) -> None:
        """Hand an event on; log where it tells of A what A has not said yet."""
        before = hedger.a_view(self._do.state())
        self._do.post(event, received_ns)
        state = self._do.state()
        view = hedger.a_view(state)
        if view is None or view == before:
            return
        log = self._parts.log
        (log.debug if self._do.a_lives() else log.info)(
            "watched",
            a_position=self._parts.base(view.position_lots),
            trade_id=view.last_trade_id,
            owed=self._parts.base(hedger.owed_lots(state)),
        )

    async def _ask_when_needed(self, peer: PeerVenue) -> None:
        """Ask the venue for A's newest trades whenever the stream alone does not tell."""
        clock = self._parts.clock
        while True:
            await clock.sleep(self._parts.config.timing.beat_s / 2)
            if self._wants(clock.now_ms()) and self._parts.budget.has_room:
                await self._ask(peer)

    def _wants(self, now_ms: int) -> bool:
        state = self._do.state()
        if state.phase not in PROVEN_PHASES:
            return False
        gone = not self._do.a_lives()
        # A live A states what it trades itself: what answers lack then waits for its turn.
        is_open = hedger.is_watch_open(state, but_unlisted=not gone)
        unstated_ms = self._unstated_since_ms(state, now_ms)
        since_ms = self._open_since_ms
        self._open_since_ms = (now_ms if since_ms is None else since_ms) if is_open else None
        is_gap = is_open and now_ms - (self._open_since_ms or now_ms) >= OPEN_MS
        if not gone:
            self._gone_ms = None
        elif self._gone_ms is None:
            self._gone_ms = now_ms
        unsure = not state.looked or (not state.a_fresh and (gone or state.a is not None))
        urgent = self._stale or is_gap or unsure
        if self._asked_ms is None:
            return urgent or gone
        if self._gone_ms is not None and self._asked_ms < self._gone_ms:
            return True  # what was asked while A lived says nothing of what it did since
        if gone and self._asked_ms <= past_its_word_ms(state, now_ms) < now_ms:
            return True  # nor what may lag behind its last word; A waits for what B can say of it
        waited_ms = now_ms - self._asked_ms
        due_ms = hedger.watch_due_ms(state, unstated_ms + OPEN_MS)
        # What answers lack is asked for when that can tell; that is over after three of them.
        # What one alone tells, or no answer was asked about yet, is worth one at once.
        pause_ms = CONFIRM_MS if state.unlisted else self._confirm_ms
        if state.claimed or any(one.is_doubted for one in state.unlisted):
            pause_ms = AGREES_AFTER_MS
        if due_ms is not None and now_ms >= due_ms and waited_ms >= pause_ms:
            return True
        return waited_ms >= self._pause_ms if urgent else gone and waited_ms >= POLL_MS

    @property
    def _confirm_ms(self) -> int:
        """How long apart pages are read only to confirm what was watched."""
        is_scarce = self._parts.budget.allowed.is_scarce
        return CONFIRM_STANDARD_MS if is_scarce else CONFIRM_MS

    def _unstated_since_ms(self, state: HedgerState, now_ms: int) -> int:
        """Return since when the oldest watched trade has been above all that A states."""
        oldest = state.watched[0] if state.watched else None
        if oldest is None:
            self._unstated = None
            return now_ms
        if self._unstated is None or self._unstated[0] != oldest:
            self._unstated = oldest, now_ms
        return self._unstated[1]

    async def _ask_what_is_stated(self, peer: PeerVenue) -> None:
        """While A is silent ask what the exchange states of its position and its orders.

        Every `view_lag_s`, three times as often while B's view of A is not known to be current. An
        A that was heard a moment ago, or may answer in a moment, is waited for first; not in a
        market so busy that the page of its newest trades does not reach back to A.
        """
        clock, timing = self._parts.clock, self._parts.config.timing
        asked_ms: int | None = None
        silent_ms = clock.now_ms()
        while True:
            await clock.sleep(timing.beat_s / 2)
            state = self._do.state()
            if self._do.a_lives() or state.phase not in PROVEN_PHASES:
                silent_ms = clock.now_ms()
                continue
            patience_ms = FRESH_MS if state.a_fresh else UNKNOWN_MS
            if not state.reaches_back and (asked_ms is None or asked_ms < silent_ms):
                patience_ms = 0
            if clock.now_ms() < silent_ms + patience_ms:
                continue
            is_settled = state.a_fresh and state.differs is None
            pause_s = max(STATED_MIN_S, timing.view_lag_s / (1 if is_settled else 3))
            now_ms = clock.now_ms()
            is_due = asked_ms is None or now_ms >= asked_ms + pause_s * 1000
            if is_due and self._parts.budget.has_room:
                asked_ms = now_ms
                await self._state_of(peer, now_ms)

    async def _state_of(self, peer: PeerVenue, asked_ms: int) -> None:
        try:
            if self._highest_id is None:
                self._highest_id = (await peer.recent()).highest_id
            stated = await peer.stated()
        except VenueError as error:
            self._parts.log.warning("watch_unanswered", reason=error)
            return
        newest = self._highest_id
        event = MakerStated(stated.position_lots, stated.open_orders, asked_ms, newest)
        self._post(event, self._parts.clock.mono_ns())

    async def _ask(self, peer: PeerVenue) -> None:
        asked_ms = self._asked_ms = self._parts.clock.now_ms()
        self._pause_ms = min(self._pause_ms * 2, PAUSE_MAX_MS)
        try:
            answer = await peer.recent()
        except VenueError as error:
            self._parts.log.warning("watch_unanswered", reason=error)
            return
        self._stale = False
        self._highest_id = answer.highest_id
        event = PeerAnswered(answer, self._do.bases(), asked_ms)
        self._post(event, self._parts.clock.mono_ns())
        state = self._do.state()
        if state.a_fresh and state.looked and not hedger.is_watch_open(state):
            self._pause_ms = PAUSE_MIN_MS


async def seen_once(parts: Parts) -> int | None:
    """Return the peer's public position by one answer; unread it is unknown, never flat."""
    if parts.peer is None:
        return None
    try:
        return await parts.peer.position_lots()
    except VenueError as error:
        parts.log.warning("peer_not_visible", reason=error)
        return None
