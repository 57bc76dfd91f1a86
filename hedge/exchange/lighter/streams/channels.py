"""What is said on the two sockets: the private one of our account, the public one of our market.

Requests name a channel with a slash, messages with a colon, some with both; a frame is told by
its family and ids, never by equal text (apidocs.lighter.xyz, websocket-reference). The first frame
of `account_all_trades` is history, or empty, and never a fill; no channel replays what was missed,
so whoever hears `StreamUp` catches up by REST.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.parse import VenueParseError
from hedge.exchange.lighter.streams.connection import (
    PING,
    LinkLostError,
    LinkTimes,
    frame_reader,
)
from hedge.exchange.lighter.streams.order_book import (
    MAX_MARK_GAP_BPS,
    BookGapError,
    DepthMirror,
    StillBook,
)
from hedge.exchange.lighter.streams.own_orders import OwnOrders
from hedge.exchange.lighter.streams.pending import PendingAnswers
from hedge.exchange.port import (
    Clock,
    DepthChanged,
    MarginSeen,
    OrdersSeen,
    TradesSeen,
    TxSeen,
    TxStatus,
    VenueEvent,
)

TRADES, ORDERS, TXS, STATS = "account_all_trades", "account_all_orders", "account_tx", "user_stats"
BOOK, MARKET = "order_book", "market_stats"

REPAIR_EVERY_MS = 60_000
RESYNC_WITHIN_MS = 15_000
TOKEN_MARGIN = 7  # after six sevenths of its token's life a socket's successor is opened
TOKEN_END = 28  # and where none comes, it is left this share of the life before the end

BUSY_GAP_MS, BUSY_FOR_MS = 1_000, 5_000
"""A book is busy that for so long (the second) was never silent for so long (the first)."""
DOUBT_AFTER_MS, ANSWER_WITHIN_MS = 5_000, 2_000
"""So long may a busy book be silent; then a ping must bring an answer, and data, in this time."""

STILL_MS, SNAPSHOT_WITHIN_MS = 15_000, 5_000
"""A book that was still for so long is asked for a snapshot, which must come within this time."""

MARK_LIFE_MS = 10_000
"""So long a mark price counts after the socket that told it was last heard."""

_ALREADY_SUBSCRIBED = 30003
_SEPARATORS = re.compile("[:/]")
_NOTHING: tuple[str, ...] = ()

_log = logging.getLogger(__name__)

Emit = Callable[[VenueEvent], None]


class StreamTalk:
    """What both sockets share: subscribing, first frames, readiness."""

    required: frozenset[str]
    optional: frozenset[str]

    def __init__(
        self,
        owner: int,
        clock: Clock,
        times: LinkTimes,
        emit: Emit,
        on_change: Callable[[str], None],
    ) -> None:
        """Talk for `owner` (account or market index); `on_change` hears ready ("") and lost."""
        self._owner = owner
        self._clock = clock
        self._times = times
        self._emit = emit
        self._on_change = on_change
        self._missing: set[str] = set()
        self._opened_ms = 0
        self._last_error = ""
        self.ready_since_ms: int | None = None
        self.last_data_ms = 0

    def _begin(self) -> None:
        self._missing = set(self.required | self.optional)
        self._opened_ms = self.last_data_ms = self._clock.now_ms()
        self._last_error = ""

    def lost(self, reason: str) -> None:
        """Hear that the socket is gone."""
        self.ready_since_ms = None
        self._on_change(reason)

    def missed(self) -> None:
        """Hear that a frame could not be read at all; a book shows by its numbers what it lacks."""

    def tick(self, now_ms: int) -> Sequence[str]:
        """Give up on required first frames that do not come, go on without optional ones."""
        if self.ready_since_ms is not None or not self._missing:
            return _NOTHING
        waited_ms = now_ms - self._opened_ms
        absent = self._missing & self.required
        if absent and waited_ms >= self._times.ready_s * 1000:
            hint = f" (last error: {self._last_error})" if self._last_error else ""
            raise LinkLostError(f"no first frame of {', '.join(sorted(absent))}{hint}")
        if not absent and waited_ms >= self._times.grace_s * 1000:
            _log.warning("going on without streams=%s", ",".join(sorted(self._missing)))
            self._become_ready()
        return _NOTHING

    def _first_frame(self, family: str) -> None:
        if family in self._missing:
            self._missing.discard(family)
            if not self._missing and self.ready_since_ms is None:
                self._become_ready()

    def _become_ready(self) -> None:
        self.ready_since_ms = self._clock.now_ms()
        self._on_change("")

    def _family(self, frame: dict[str, Any]) -> str:
        """Return the family of a frame that is ours, else ""."""
        kind = frame.get("type")
        if not isinstance(kind, str):
            return ""
        head, _, family = kind.partition("/")
        if head not in ("subscribed", "update") or family not in self.required | self.optional:
            return ""
        ids = _SEPARATORS.split(str(frame.get("channel", "")))[1:]
        if ids and str(self._owner) not in ids:
            _log.debug("frame of another channel ignored channel=%s", frame.get("channel"))
            return ""
        return family

    def _note_error(self, frame: dict[str, Any]) -> None:
        error = frame.get("error")
        if isinstance(error, dict) and error.get("code") != _ALREADY_SUBSCRIBED:
            self._last_error = f"{error.get('code')} {error.get('message')}"


class PrivateTalk(StreamTalk):
    """Our account: trades, orders, transactions, margin, and the answers to what we send."""

    required = frozenset({TRADES, ORDERS})
    optional = frozenset({TXS, STATS})

    def __init__(
        self,
        account_index: int,
        clock: Clock,
        times: LinkTimes,
        emit: Emit,
        on_change: Callable[[str], None],
        *,
        spec: MarketSpec,
        token: Callable[[], Awaitable[str]],
        token_life_s: int,
    ) -> None:
        """`token` makes a fresh token for each socket, valid for `token_life_s`."""
        super().__init__(account_index, clock, times, emit, on_change)
        self._spec = spec
        self._token = token
        self._token_text = ""
        life_ms = token_life_s * 1000
        self._fresh_ms = life_ms * (TOKEN_MARGIN - 1) // TOKEN_MARGIN
        self._life_ms = life_ms * (TOKEN_END - 1) // TOKEN_END
        self._own = OwnOrders(times)
        self.pending = PendingAnswers()

    async def opening(self) -> Sequence[str]:
        """Return the subscriptions, with a fresh token. Raises VenueError."""
        self._begin()
        self._own.opened(self._opened_ms)
        self._token_text = await self._token()
        return [self._subscription(family) for family in (TRADES, ORDERS, TXS, STATS)]

    def _subscription(self, family: str) -> str:
        channel = f"{family}/{self._owner}"
        return f'{{"type":"subscribe","channel":"{channel}","auth":"{self._token_text}"}}'

    @property
    def is_ageing(self) -> bool:
        """Whether the socket's token nears its end, so that another one should take its place."""
        return self._clock.now_ms() - self._opened_ms >= self._fresh_ms

    @property
    def is_owing(self) -> bool:
        """Whether something that this socket had to show is missing."""
        return self._own.owes(self._clock.now_ms())

    @property
    def proved_ms(self) -> int | None:
        """When the order stream last showed anything (monotonic ms), None before it did."""
        return self._own.proved_ms

    def sent(self) -> None:
        """Hear that the exchange has accepted a transaction, of whatever kind."""
        self._own.sent(self._clock.now_ms())

    def accepted(self, client_order_index: int, tx_hash: str) -> None:
        """Expect the row of an order that the exchange has just accepted."""
        if self.ready_since_ms is not None:
            self._own.accepted(client_order_index, tx_hash, self._clock.now_ms())

    def lost(self, reason: str) -> None:
        """Wake those who wait for answers, then tell."""
        self.pending.lost(reason)
        super().lost(reason)

    def missed(self) -> None:
        """Ask for new snapshots: what could not be read may have been a fill, or a row."""
        self._own.doubt()

    def tick(self, now_ms: int) -> Sequence[str]:
        """Judge the socket by what it had to show, and leave it before its token ends.

        What the venue does at the end of a token is not documented.
        """
        if now_ms - self._opened_ms >= self._life_ms:
            raise LinkLostError("its token is about to end")
        if self.ready_since_ms is None:
            return super().tick(now_ms)
        return self._renewals() if self._own.asks(now_ms) else _NOTHING

    def _renewals(self) -> list[str]:
        """Return what brings a new snapshot of the orders; the stream of the trades goes on.

        Where something was lost the trades are subscribed anew too, and first: a fill in the moment
        without them shows in its order's row.
        """
        return [
            text
            for family in ((TRADES, ORDERS) if self._own.asks_for_all else (ORDERS,))
            for text in (
                f'{{"type":"unsubscribe","channel":"{family}/{self._owner}"}}',
                self._subscription(family),
            )
        ]

    def heard(self, frame: dict[str, Any], received_ns: int) -> Sequence[str]:
        """Turn a frame into events. Raises LinkLostError for trades or orders it cannot read."""
        self.last_data_ms = self._clock.now_ms()
        family, events = self._read(frame, received_ns)
        for event in events:
            self._emit(event)
        self._judge(family, str(frame.get("type")), events)
        if family:
            self._first_frame(family)
        return _NOTHING

    def _judge(self, family: str, kind: str, events: Sequence[VenueEvent]) -> None:
        """Compare what a frame shows with what it had to show."""
        for event in events:
            if isinstance(event, TxSeen) and (event.error or event.status is TxStatus.FAILED):
                self._own.failed(event.tx_hash)
            elif isinstance(event, TradesSeen):
                self._own.traded(event.trades)
        if family == ORDERS:
            rows = tuple(
                one for seen in events if isinstance(seen, OrdersSeen) for one in seen.rows
            )
            if kind.startswith("subscribed"):
                self._own.snapshot(rows, self.last_data_ms)
            else:
                self._own.changed(rows, self.last_data_ms)
        if ended := self._own.filled():
            self._emit(OrdersSeen(ended))

    @frame_reader
    def _read(self, frame: dict[str, Any], received_ns: int) -> tuple[str, list[VenueEvent]]:
        """Return the family of a frame, "" where it is none of ours, and its events."""
        events: list[VenueEvent] = []
        family = self._family(frame)
        if not family:
            if self.pending.heard(frame):
                self._note_error(frame)
            else:
                _log.debug("frame ignored type=%s", frame.get("type"))
            return "", events
        try:
            self._collect(family, frame, received_ns, events)
        except VenueParseError as error:
            needed = family in self.required
            level = logging.ERROR if needed else logging.WARNING
            _log.log(level, "unreadable frame family=%s error=%s", family, error)
            if needed:
                raise LinkLostError(f"unreadable {family}: {error}") from error
        return family, events

    def _collect(
        self, family: str, frame: dict[str, Any], received_ns: int, events: list[VenueEvent]
    ) -> None:
        """Append a frame's events. Raises VenueParseError; what was read before it stays."""
        spec, account = self._spec, self._owner
        if family == TRADES:
            if frame["type"].startswith("update"):
                trades = parse.trades_of(_content(frame, "trades"), spec, account)
                if trades:
                    events.append(TradesSeen(trades, received_ns))
        elif family == ORDERS:
            rows = parse.orders_of(_content(frame, "orders"), spec, account)
            if rows:
                events.append(OrdersSeen(rows))
        elif family == TXS:
            if "txs" not in frame and frame["type"].startswith("subscribed"):
                return  # a bare acknowledgement, as the venue is said to send
            events.extend(map(parse.tx_seen, parse.rows_of({"txs": _content(frame, "txs")}, "txs")))
        else:
            events.append(MarginSeen(None))  # where it is left out, or cannot be read
            available = _object(frame, "stats").get("available_balance")
            if available is not None:
                events[-1] = MarginSeen(parse.floor_micros(available, "available_balance"))


class PublicTalk(StreamTalk):
    """Our market: the order book's mirror and the mark price."""

    required = frozenset({BOOK})
    optional = frozenset({MARKET})

    def __init__(
        self,
        spec: MarketSpec,
        clock: Clock,
        times: LinkTimes,
        emit: Emit,
        on_change: Callable[[str], None],
    ) -> None:
        """Start without a book."""
        super().__init__(spec.market_index, clock, times, emit, on_change)
        self._mirror = DepthMirror(spec)
        self.max_mark_gap_bps = MAX_MARK_GAP_BPS
        """A still book whose middle is further from mark is not believed."""
        self._heard_ms = 0
        self._has_mark = False
        self._mark_ms: int | None = None
        self._is_told_otherwise = False
        self._repaired_ms: int | None = None
        self._is_repairing = False
        self._probed_ms = 0
        self._busy_since_ms = 0
        self._doubted_ms: int | None = None

    async def opening(self) -> Sequence[str]:
        """Return the subscriptions."""
        self._begin()
        self._repaired_ms = None
        self._is_repairing = False
        self._busy_since_ms, self._doubted_ms = self._opened_ms, None
        self._has_mark = self._is_told_otherwise = False
        return [self._request("subscribe", family) for family in (BOOK, MARKET)]

    def _request(self, kind: str, family: str) -> str:
        return f'{{"type":"{kind}","channel":"{family}/{self._owner}"}}'

    def depth(self) -> Depth:
        """Return the book; only mark while the link is not ready, or its silence is in doubt.

        So too while something refutes it: that is said with it.
        """
        self._age_mark()
        if self._is_stale:
            return Depth(mark_ticks=self._mirror.mark_ticks)
        if doubt := self.refuted():
            return Depth(mark_ticks=self._mirror.mark_ticks, doubt=doubt)
        return self._mirror.depth()

    def refuted(self) -> str:
        """Return what speaks against a book that gets no frames, "" where nothing does."""
        if not self._mirror.is_synced:
            return ""
        bid, ask = self._mirror.best
        silent_ms = self._clock.now_ms() - self.last_data_ms
        still = StillBook(silent_ms, bid, ask, self._mirror.mark_ticks, self._is_told_otherwise)
        return still.refuted(self.max_mark_gap_bps)

    def _age_mark(self) -> None:
        """Let go of a mark price that nothing stands for any more."""
        is_carried = self._has_mark and not self._is_stale
        if is_carried or self._mark_ms is None:
            return
        if self._clock.now_ms() > self._mark_ms + MARK_LIFE_MS:
            self._mark_ms = None
            self._mirror.forget_mark()

    @property
    def _is_stale(self) -> bool:
        if self.ready_since_ms is None or self._doubted_ms is not None:
            return True
        times = self._times
        stale_s = max(times.stale_s, times.ping_s + times.pong_s)
        return self._clock.now_ms() - self._heard_ms > stale_s * 1000

    def lost(self, reason: str) -> None:
        """Forget the book, then tell; mark counts for a while."""
        self._mirror.drop()
        super().lost(reason)
        self._emit(DepthChanged())

    def tick(self, now_ms: int) -> Sequence[str]:
        """Repair a book that is waiting for its turn; give up on one that does not come back."""
        if self.ready_since_ms is None:
            return super().tick(now_ms)
        if self._mirror.is_synced:
            return self._doubt(now_ms) or self._probe(now_ms, at_once=bool(self.refuted()))
        since = self._repaired_ms
        if since is None or now_ms - since >= REPAIR_EVERY_MS:
            return self._repair(now_ms)
        if now_ms - since >= RESYNC_WITHIN_MS and self._is_repairing:
            raise LinkLostError("no new snapshot of the order book")
        return _NOTHING

    def heard(self, frame: dict[str, Any], received_ns: int) -> Sequence[str]:  # noqa: ARG002
        """Mirror the frame; a gap or an unreadable book asks for a new snapshot."""
        self._heard_ms = self._clock.now_ms()
        if self._has_mark:
            self._mark_ms = self._heard_ms
        family, answers = self._read(frame, self._heard_ms)
        if family:
            if family != BOOK or self._mirror.is_synced:
                self._first_frame(family)
            self._emit(DepthChanged())
        return answers

    @frame_reader
    def _read(self, frame: dict[str, Any], now_ms: int) -> tuple[str, Sequence[str]]:
        """Mirror a frame; return its family, "" where it is none of ours, and what to send."""
        family = self._family(frame)
        if not family:
            self._note_error(frame)
            level = logging.WARNING if "error" in frame else logging.DEBUG
            _log.log(level, "frame not used frame=%.200r", frame)
            return "", _NOTHING
        if family == BOOK:
            if now_ms - self.last_data_ms > BUSY_GAP_MS:
                self._busy_since_ms = now_ms
            self.last_data_ms, self._doubted_ms = now_ms, None
            self._is_told_otherwise = False
        try:
            self._mirror_frame(family, frame)
        except (BookGapError, VenueParseError) as error:
            _log.warning("order book dropped family=%s reason=%s", family, error)
            self._is_repairing = False
            return family, self._repair(now_ms)
        return family, _NOTHING

    def _mirror_frame(self, family: str, frame: dict[str, Any]) -> None:
        if family == MARKET:
            stats = _object(frame, MARKET)
            self._mirror.mark(stats)
            self._has_mark, self._mark_ms = True, self._heard_ms
            # Frames of two channels cross: only a still book can be told otherwise.
            is_still = self._heard_ms - self.last_data_ms > BUSY_GAP_MS
            self._is_told_otherwise = is_still and not self._mirror.is_told_by(stats)
        elif frame["type"].startswith("update"):
            self._mirror.update(_object(frame, BOOK))
        else:
            self._mirror.snapshot(_object(frame, BOOK))
            self._is_repairing = False

    def _doubt(self, now_ms: int) -> tuple[str, ...]:
        """Ask a busy book that has fallen silent for a sign of life; leave it where none comes.

        A pong alone is none: the book of a market that speaks all the time is mute then. A market
        that itself stands still costs one new socket, on which its book is not busy any more.
        """
        doubted_ms = self._doubted_ms
        if doubted_ms is not None:
            if now_ms < doubted_ms + ANSWER_WITHIN_MS:
                return _NOTHING
            what = "pongs come, its data do not" if self._heard_ms >= doubted_ms else "no pong"
            silent_s = (now_ms - self.last_data_ms) / 1000
            raise LinkLostError(f"a busy book was silent for {silent_s:.1f} s: {what}")
        is_busy = self.last_data_ms - self._busy_since_ms >= BUSY_FOR_MS
        if not is_busy or now_ms < self.last_data_ms + DOUBT_AFTER_MS:
            return _NOTHING
        self._doubted_ms = now_ms
        self._emit(DepthChanged())
        return (PING,)

    def _probe(self, now_ms: int, *, at_once: bool = False) -> tuple[str, ...]:
        """Ask a book that has been still for a while for a snapshot; leave it where none comes.

        `at_once`: however short the while was. A socket may be open and mute (throttled), so pongs
        prove nothing about the book.
        """
        is_asked = self._probed_ms > self.last_data_ms
        if is_asked and now_ms - self._probed_ms >= SNAPSHOT_WITHIN_MS:
            raise LinkLostError("the order book is mute: no snapshot of it came")
        probe_ms = min(self._times.silence_s * 500, STILL_MS)
        if is_asked or (now_ms - self.last_data_ms < probe_ms and not at_once):
            return _NOTHING
        self._probed_ms = now_ms
        return self._resubscribe()

    def _resubscribe(self) -> tuple[str, ...]:
        return (self._request("unsubscribe", BOOK), self._request("subscribe", BOOK))

    def _repair(self, now_ms: int) -> tuple[str, ...]:
        """Ask for a new snapshot: at once the first time, then at most once a minute."""
        since = self._repaired_ms
        if self._mirror.is_synced or (since is not None and now_ms - since < REPAIR_EVERY_MS):
            return _NOTHING
        self._repaired_ms = now_ms
        self._is_repairing = True
        return self._resubscribe()


def _content(frame: dict[str, Any], field: str) -> Any:
    """Return the map or list under `field`; one that is written as null is empty."""
    if field not in frame:
        raise VenueParseError(field, None)
    content = frame[field]
    if content is not None and not isinstance(content, dict | list):
        raise VenueParseError(field, content)
    return [] if content is None else content


def _object(frame: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the object under `field`."""
    content = frame.get(field)
    if not isinstance(content, dict):
        raise VenueParseError(field, content)
    return content
