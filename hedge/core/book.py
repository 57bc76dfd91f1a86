"""An account's book of one market: a base position, a floor, and the trades above the floor.

The position includes every trade with id <= floor; newer trades are counted once each, by id and
side (a self trade has two legs). The net position is what the newest trade says of itself (its
position before, plus or minus its size) where the venue gives that, with the sum as check; a
contradiction means that a trade is missing, and nobody may rely on the book until it is found.

A frame of a stream is a hint that counts at once; an answer of the venue decides. What frames told
is unlisted until an answer lists it: then the answer's text counts, and where two answers lack it
it is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, Trade

KEEP_TRADES = 4096
ROW_TIME_SLACK_MS = 1000
"""Order rows may carry whole seconds, trades always carry milliseconds."""
ABSENT_AGAIN_MS = 5000
"""So far apart are the two answers without a trade that show it to be missing."""

TradeKey = tuple[int, Side]


@dataclass(frozen=True, slots=True)
class BookBase:
    """What is stored of a book: signed position, id and epoch ms of the newest trade in it."""

    position_lots: int
    floor_trade_id: int
    floor_ms: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The venue's answer to a question for our trades above `down_to`, all of them.

    `asked_ms` (monotonic) is when the question left; `lag_ms` the most that answers lag.
    """

    trades: tuple[Trade, ...]
    down_to: int
    asked_ms: int
    lag_ms: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What an answer made of the book.

    `new` are trades that it did not know, oldest first; `corrected` those that frames had told
    otherwise, as they were told; `missing` those that two answers lack.
    """

    new: tuple[Trade, ...] = ()
    corrected: tuple[Trade, ...] = ()
    missing: tuple[Trade, ...] = ()


@dataclass(frozen=True, slots=True)
class BookView:
    """What the cores see of a book. `filled` is lots executed by client order index."""

    net_lots: int
    last_trade_id: int
    consistent: bool
    filled: Mapping[int, int] = field(default_factory=dict)


class Book:
    """Mutable ledger of one account's trades; every method is a plain computation."""

    def __init__(self, base: BookBase) -> None:
        """Start from a stored base; trades at or below its floor are ignored for ever."""
        self._base = base
        self._trades: dict[TradeKey, Trade] = {}
        self._newest: Trade | None = None
        self._sum_lots = base.position_lots
        self._filled: dict[int, int] = {}
        self._consistent_id = base.floor_trade_id
        self._unlisted: dict[TradeKey, _Unlisted] = {}
        self._by_content: dict[_Content, TradeKey] = {}

    def add(self, trades: Iterable[Trade], heard_ms: int | None = None) -> tuple[Trade, ...]:
        """Count trades; return those not known before, oldest first.

        `heard_ms` (monotonic) is when a frame told them; without it an answer did. Of two trades
        that differ by nothing but their id one is the other's copy, and only the first one counts
        until an answer lists the other.
        """
        new = []
        for trade in sorted(trades, key=_order):
            key = (trade.trade_id, trade.side)
            if trade.trade_id <= self._base.floor_trade_id or key in self._trades:
                continue
            if heard_ms is not None:
                if self._is_copy(trade):
                    continue
                self._unlisted[key] = _Unlisted(heard_ms)
            self._count(key, trade)
            new.append(trade)
        self._settle()
        return tuple(new)

    def listed(self, answer: Answer) -> Listed:
        """Let an answer decide: count what is new, correct what frames told otherwise.

        A frame's trade that differs from a listed one by its id alone, or by its side, is that one.
        """
        new, corrected = [], []
        for row in sorted(answer.trades, key=_order):
            trade, key = row, (row.trade_id, row.side)
            if trade.trade_id <= self._base.floor_trade_id:
                continue
            known = self._trades.get(key)
            told = self._as_told(trade, answer) if key in self._unlisted or known is None else None
            if told is not None:
                corrected.append(self._trades[told])
                self._forget(told)
            if known is not None:
                if trade.position_before_lots is None:  # then what a frame told of it stands
                    trade = replace(trade, position_before_lots=known.position_before_lots)
                if _effect_of(known) != _effect_of(trade):
                    corrected.append(known)
                self._forget(key)
            elif told is None:
                new.append(trade)
            self._count(key, trade)
        missing = self._missing(answer)
        self._settle()
        if self.consistent and not self._unlisted:
            newest = max((trade.trade_id for trade in answer.trades), default=0)
            self._consistent_id = max(self._consistent_id, newest)
        return Listed(tuple(new), tuple(corrected), missing)

    def drop(self, trades: Iterable[Trade]) -> None:
        """Forget trades that are missing."""
        for trade in trades:
            self._forget((trade.trade_id, trade.side))
        self._settle()

    @property
    def unlisted(self) -> tuple[Trade, ...]:
        """Return what only frames have told."""
        return tuple(self._trades[key] for key in self._unlisted)

    @property
    def unlisted_since_ms(self) -> int | None:
        """Return since when (monotonic) the oldest of that has been waiting; None for nothing."""
        return min((one.heard_ms for one in self._unlisted.values()), default=None)

    @property
    def lacks_some(self) -> bool:
        """Whether an answer that no lag excuses lacks some of that."""
        return any(one.absent_ms is not None for one in self._unlisted.values())

    def without(self, trades: Iterable[Trade]) -> int:
        """Return what the sum would be without some of the trades."""
        return self._sum_lots - sum(trade.signed_lots for trade in trades)

    def order_lots(self, order_index: int, but: Iterable[Trade] = ()) -> int:
        """Return what the known trades of an order add up to, without some of them."""
        left_out = {(trade.trade_id, trade.side) for trade in but}
        return sum(
            trade.size_lots
            for key, trade in self._trades.items()
            if trade.order_index == order_index and key not in left_out
        )

    @property
    def net_lots(self) -> int:
        """Signed position after the newest known trade."""
        stated = self._stated_lots()
        return self._sum_lots if stated is None else stated

    @property
    def consistent(self) -> bool:
        """Whether the newest trade's own statement agrees with the sum."""
        stated = self._stated_lots()
        return stated is None or stated == self._sum_lots

    @property
    def last_trade_id(self) -> int:
        """Id of the newest trade counted, the floor's when there is none above it."""
        return self._newest.trade_id if self._newest else self._base.floor_trade_id

    @property
    def floor_trade_id(self) -> int:
        """Trades at or below this id are part of the base."""
        return self._base.floor_trade_id

    @property
    def consistent_trade_id(self) -> int:
        """Id up to which the sum and the statements agreed; what is missing is newer.

        Never beyond what an answer has listed while a frame's trade waits for one.
        """
        return self._consistent_id

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Return the trades above the floor that are kept, in no particular order."""
        return tuple(self._trades.values())

    def filled_lots(self, client_order_index: int) -> int:
        """Return lots executed by the order with this client order index since the base."""
        return self._filled.get(client_order_index, 0)

    def base(self) -> BookBase:
        """Return what to store: the whole book as a base."""
        if self._newest is None:
            return self._base
        return BookBase(self.net_lots, self._newest.trade_id, self._newest.time_ms)

    def view(self, *client_order_indexes: int) -> BookView:
        """Return what a core needs, with the fills of the named orders."""
        filled = {cid: self.filled_lots(cid) for cid in client_order_indexes if cid}
        return BookView(self.net_lots, self.last_trade_id, self.consistent, filled)

    def _stated_lots(self) -> int | None:
        newest = self._newest
        if newest is None or newest.position_before_lots is None:
            return None
        if (newest.trade_id, newest.side.opposite) in self._trades:
            return None  # a self trade: its two legs cancel out and neither states the end
        return newest.position_before_lots + newest.signed_lots

    def _count(self, key: TradeKey, trade: Trade) -> None:
        self._trades[key] = trade
        self._sum_lots += trade.signed_lots
        self._count_fill(trade)
        self._by_content[_content_of(trade)] = key
        if self._newest is None or _order(trade) > _order(self._newest):
            self._newest = trade

    def _forget(self, key: TradeKey) -> None:
        trade = self._trades.pop(key)
        self._unlisted.pop(key, None)
        self._sum_lots -= trade.signed_lots
        if trade.client_order_index:
            self._filled[trade.client_order_index] -= trade.size_lots
        if self._by_content.get(_content_of(trade)) == key:
            del self._by_content[_content_of(trade)]
        if trade is self._newest:
            self._newest = max(self._trades.values(), key=_order, default=None)

    def _is_copy(self, trade: Trade) -> bool:
        return trade.position_before_lots is not None and _content_of(trade) in self._by_content

    def _as_told(self, trade: Trade, answer: Answer) -> TradeKey | None:
        """Return what frames told of this listed trade under another id, or with another side."""
        other = (trade.trade_id, trade.side.opposite)
        listed = {(one.trade_id, one.side) for one in answer.trades}
        if other in self._unlisted and other not in listed:
            return other
        copy = self._by_content.get(_content_of(trade))
        has_id = trade.position_before_lots is not None and copy in self._unlisted
        return copy if has_id and copy not in listed else None

    def _missing(self, answer: Answer) -> tuple[Trade, ...]:
        """Note what the answer lacks; return what two answers lack that no lag excuses."""
        missing = []
        for key, one in self._unlisted.items():
            if key[0] <= answer.down_to or answer.asked_ms < one.heard_ms + answer.lag_ms:
                continue
            if one.absent_ms is None:
                self._unlisted[key] = replace(one, absent_ms=answer.asked_ms)
            elif answer.asked_ms >= one.absent_ms + ABSENT_AGAIN_MS:
                missing.append(self._trades[key])
        return tuple(missing)

    def _settle(self) -> None:
        """Note up to where the book is whole; forget the oldest trades of a long one."""
        if not self.consistent:
            return
        oldest = min((key[0] for key in self._unlisted), default=None)
        if oldest is None:
            self._consistent_id = self.last_trade_id
        if len(self._trades) > KEEP_TRADES:
            self._compact()

    def _count_fill(self, trade: Trade) -> None:
        if trade.client_order_index:
            done = self._filled.get(trade.client_order_index, 0)
            self._filled[trade.client_order_index] = done + trade.size_lots

    def _compact(self) -> None:
        ordered = sorted(self._trades.values(), key=_order)
        keep = ordered[len(ordered) // 2 :]
        cut = keep[0].trade_id
        gone = [trade for trade in ordered if trade.trade_id < cut]
        position = self._base.position_lots + sum(trade.signed_lots for trade in gone)
        self._base = BookBase(position, gone[-1].trade_id, gone[-1].time_ms)
        kept = [trade for trade in ordered if trade.trade_id >= cut]
        self._trades = {(trade.trade_id, trade.side): trade for trade in kept}
        self._unlisted = {key: one for key, one in self._unlisted.items() if key in self._trades}
        self._by_content = {_content_of(trade): key for key, trade in self._trades.items()}
        alive = {trade.client_order_index for trade in kept}
        self._filled = {cid: lots for cid, lots in self._filled.items() if cid in alive}


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """When a frame told a trade, and when the first answer was asked for that lacks it."""

    heard_ms: int
    absent_ms: int | None = None


_Content = tuple[int, Side, int, int | None, int]


def _content_of(trade: Trade) -> _Content:
    """Return what no second trade of the account can have in common with this one."""
    before = trade.position_before_lots
    return trade.order_index, trade.side, trade.size_lots, before, trade.time_ms


def _effect_of(trade: Trade) -> tuple[int, int, int, int | None]:
    """Return what of a trade a decision rests on."""
    before = trade.position_before_lots
    return trade.signed_lots, trade.order_index, trade.client_order_index, before


def _order(trade: Trade) -> tuple[int, int]:
    return trade.trade_id, trade.side.sign


def base_of_history(trades: Iterable[Trade]) -> BookBase | None:
    """Return the base that a first look at history gives: all of it is past, none is replayed.

    None when there are no trades, or when the newest one does not state the position after it.
    """
    known = {(trade.trade_id, trade.side): trade for trade in trades}
    newest = max(known.values(), key=_order, default=None)
    if newest is None or newest.position_before_lots is None:
        return None
    if (newest.trade_id, newest.side.opposite) in known:
        return None  # a self trade: neither of its legs states the end
    after = newest.position_before_lots + newest.signed_lots
    return BookBase(after, newest.trade_id, newest.time_ms)


def unmatched_rows(
    rows: Iterable[OrderRow], trades: Iterable[Trade], *, since_ms: int = 0
) -> tuple[OrderRow, ...]:
    """Return the order rows whose filled amount the trades do not add up to.

    `rows` is one answer of the order list, `trades` everything known. The venue keeps only an
    account's newest trades, so rows older than the oldest known trade are not judged; without any
    trade, rows older than `since_ms` (epoch ms of the base). An empty result, with our own fence
    marker among `rows`, proves the book: a lagging copy of the venue cannot show the marker
    without everything that was executed before it.
    """
    known = {(trade.trade_id, trade.side): trade for trade in trades}
    sums: dict[int, int] = {}
    for trade in known.values():
        sums[trade.order_index] = sums.get(trade.order_index, 0) + trade.size_lots
    oldest_ms = min((trade.time_ms for trade in known.values()), default=since_ms)
    return tuple(
        row
        for row in rows
        if row.updated_ms + ROW_TIME_SLACK_MS >= oldest_ms
        and sums.get(row.order_index, 0) != row.filled_lots
    )


def fits(base: BookBase, trades: Iterable[Trade]) -> bool:
    """Whether a stored base agrees with trades that the venue lists down to its floor or beyond.

    It does not where the venue's newest trade is older than the floor (another exchange's ids), or
    where the trade at the floor states another position after it.
    """
    known = list(trades)
    if base.floor_trade_id > max((trade.trade_id for trade in known), default=0):
        return False
    at_floor = [trade for trade in known if trade.trade_id == base.floor_trade_id]
    if len(at_floor) != 1 or at_floor[0].position_before_lots is None:
        return True  # beyond what was read, a self trade, or nothing stated: the sum will tell
    stated = at_floor[0].position_before_lots + at_floor[0].signed_lots
    return stated == base.position_lots


def dated(base: BookBase, trades: Iterable[Trade]) -> BookBase:
    """Return the base with the time of its newest trade, as far as `trades` tell it.

    What Redis keeps of a book has no such time; without it any state of the other account would
    seem to be written after our newest trade.
    """
    times = [trade.time_ms for trade in trades if trade.trade_id <= base.floor_trade_id]
    return replace(base, floor_ms=max(base.floor_ms, *times)) if times else base
