"""An account's book of one market: a base position, a floor, and the trades above the floor.

The position includes every trade with id <= floor; newer trades are counted once each, by id and
side (a self trade has two legs). The net position is what the newest trade says of itself (its
position before, plus or minus its size) where the venue gives that, with the sum as check; a
contradiction means that a trade is missing, and nobody may rely on the book until it is found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, Trade

KEEP_TRADES = 4096
ROW_TIME_SLACK_MS = 1000
"""Order rows may carry whole seconds, trades always carry milliseconds."""

TradeKey = tuple[int, Side]


@dataclass(frozen=True, slots=True)
class BookBase:
    """What is stored of a book: signed position, id and epoch ms of the newest trade in it."""

    position_lots: int
    floor_trade_id: int
    floor_ms: int = 0


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

    def add(self, trades: Iterable[Trade]) -> tuple[Trade, ...]:
        """Count trades; return those not known before, oldest first."""
        new = []
        for trade in sorted(trades, key=_order):
            key = (trade.trade_id, trade.side)
            if trade.trade_id <= self._base.floor_trade_id or key in self._trades:
                continue
            self._trades[key] = trade
            self._sum_lots += trade.signed_lots
            self._count_fill(trade)
            if self._newest is None or _order(trade) > _order(self._newest):
                self._newest = trade
            new.append(trade)
        if self.consistent:
            self._consistent_id = self.last_trade_id
            if len(self._trades) > KEEP_TRADES:
                self._compact()
        return tuple(new)

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
        """Id up to which the sum and the statements agreed; what is missing is newer."""
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
        alive = {trade.client_order_index for trade in kept}
        self._filled = {cid: lots for cid, lots in self._filled.items() if cid in alive}


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
