"""An account's book of one market: a base position, a floor, and the trades above the floor.

The position includes every trade with id <= floor; newer trades are counted once each, by id and
side (a self trade has two legs). The net position is what the newest trade says of itself (its
position before, plus or minus its size) where the venue gives that, with the sum as check; a
contradiction means that a trade is missing, and nobody may rely on the book until it is found.

A frame of a stream is a hint that counts at once; answers of the venue decide. What frames told is
unlisted until an answer lists it, and where two answers lack it it is missing. What one source
alone tells otherwise than it is known is a claim: the known text stands until a second source tells
the same, or until the book contradicts itself without the claim and adds up with it. Nobody trades
on one false answer so, and an honest trade, which is not known yet, waits for nothing.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, Trade

KEEP_TRADES = 4096
ROW_TIME_SLACK_MS = 1000
"""Order rows may carry whole seconds, trades always carry milliseconds."""
ABSENT_AGAIN_MS = 5000
"""So far apart are the two answers without a trade that show it to be missing."""
AGREES_AFTER_MS = 1000
"""So far apart are two answers that agree on what is known otherwise: one may be false as a whole.
"""

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
    otherwise, as they were told; `missing` those that two answers lack; `claimed` those that it
    alone tells otherwise, which waits for a second answer.
    """

    new: tuple[Trade, ...] = ()
    corrected: tuple[Trade, ...] = ()
    missing: tuple[Trade, ...] = ()
    claimed: tuple[Trade, ...] = ()


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
        self._claims: dict[TradeKey, _Claim] = {}

    def add(self, trades: Iterable[Trade], heard_ms: int | None = None) -> tuple[Trade, ...]:
        """Count trades; return those not known before, oldest first.

        `heard_ms` (monotonic) is when a frame told them; without it an answer did. Of two trades
        that differ by nothing but their id, or their side, one is the other's copy, and only the
        first one counts until an answer tells which is true.
        """
        new, told = [], sorted(trades, key=_order)
        keys = {_key(trade) for trade in told}
        for trade in told:
            key = _key(trade)
            if trade.trade_id <= self._base.floor_trade_id:
                continue
            place = self._place_of(trade, keys)
            if place is not None:
                if heard_ms is not None:
                    self._hear_again(trade, place, heard_ms)
                continue
            if heard_ms is not None:
                self._unlisted[key] = _Unlisted(heard_ms)
            self._count(key, trade)
            new.append(trade)
        self._settle()
        return tuple(new)

    def listed(self, answer: Answer) -> Listed:
        """Let an answer decide: count what is new, correct what a second source tells otherwise.

        A trade that differs from a known one by its id alone, or by its side, is that one.
        """
        new, corrected = list[Trade](), list[Trade]()
        keys = {_key(row) for row in answer.trades}
        claims = dict[TradeKey, _Claim]()
        for row in sorted(answer.trades, key=_order):
            trade, key = row, _key(row)
            if trade.trade_id <= self._base.floor_trade_id:
                continue
            place = self._place_of(trade, keys)
            if place is None:
                new.append(trade)
                self._count(key, trade)
                continue
            known = self._trades[place]
            if trade.position_before_lots is None:  # then what is known of it stands
                trade = replace(trade, position_before_lots=known.position_before_lots)
            claim = _Claim(trade, place, answer.asked_ms)
            if place == key and _effect_of(known) == _effect_of(trade):
                self._take(claim)
            elif claim.is_second_of(self._claims.get(key)):
                corrected.append(known)
                self._take(claim)
            elif all(one.place != place for one in claims.values()):
                claims[key] = claim
        new += self._unplaced(claims)
        if claims and not self.consistent:
            corrected += self._needed(claims)
        missing = self._missing(answer, {claim.place for claim in claims.values()})
        claimed = tuple(one.trade for key, one in claims.items() if key not in self._claims)
        self._keep_claims(claims, keys, answer.asked_ms)
        self._settle()
        if self.consistent and not self._unlisted:
            newest = max((trade.trade_id for trade in answer.trades), default=0)
            self._consistent_id = max(self._consistent_id, newest)
        return Listed(tuple(new), tuple(corrected), missing, claimed)

    def drop(self, trades: Iterable[Trade]) -> None:
        """Forget trades that are missing."""
        for trade in trades:
            self._forget(_key(trade))
        self._settle()

    @property
    def is_claimed_otherwise(self) -> bool:
        """Whether one source tells some of it otherwise, and a second one is to be asked."""
        return bool(self._claims)

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
        left_out = {_key(trade) for trade in but}
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

        Never beyond what an answer has listed while a frame's trade waits for one, nor beyond what
        one source tells otherwise.
        """
        doubted = (min(key[0], one.place[0]) - 1 for key, one in self._claims.items())
        return max(self._base.floor_trade_id, min((self._consistent_id, *doubted)))

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
        self._claims = {name: one for name, one in self._claims.items() if one.place != key}
        self._sum_lots -= trade.signed_lots
        if trade.client_order_index:
            self._filled[trade.client_order_index] -= trade.size_lots
        if self._by_content.get(_content_of(trade)) == key:
            del self._by_content[_content_of(trade)]
        if trade is self._newest:
            self._newest = max(self._trades.values(), key=_order, default=None)

    def _place_of(self, trade: Trade, told: Container[TradeKey]) -> TradeKey | None:
        """Return the known trade that this one is, also under another id or with another side.

        `told` is all that came with it: a trade of the account with itself comes with both legs.
        """
        key, other = _key(trade), (trade.trade_id, trade.side.opposite)
        if key in self._trades:
            return key
        if other in self._trades and other not in told:
            return other
        if trade.position_before_lots is None:
            return None
        return self._by_content.get(_content_of(trade))

    def _hear_again(self, trade: Trade, place: TradeKey, heard_ms: int) -> None:
        """Note where a frame tells a known trade otherwise; an answer is asked which is true."""
        if place != _key(trade) or _effect_of(self._trades[place]) != _effect_of(trade):
            self._claims.setdefault(_key(trade), _Claim(trade, place, heard_ms, is_frame=True))

    def _take(self, claim: "_Claim") -> None:
        """Let an answer's text stand in the place of what was known."""
        self._forget(claim.place)
        self._count(_key(claim.trade), claim.trade)

    def _unplaced(self, claims: dict[TradeKey, "_Claim"]) -> list[Trade]:
        """Count the trades of claims whose place has turned out to be another trade's."""
        keys = [key for key, claim in claims.items() if claim.place not in self._trades]
        found = [claims.pop(key).trade for key in keys]
        for trade in found:
            self._count(_key(trade), trade)
        return found

    def _needed(self, claims: dict[TradeKey, "_Claim"]) -> list[Trade]:
        """Take claims without which the book contradicts itself, and with which it adds up."""
        known = {key: self._trades[claim.place] for key, claim in claims.items()}
        unlisted, earlier = dict(self._unlisted), self._claims
        for claim in claims.values():
            self._take(claim)
        if self.consistent:
            claims.clear()
            return list(known.values())
        for key, trade in known.items():
            self._forget(key)
            self._count(_key(trade), trade)
        self._unlisted, self._claims = unlisted, earlier
        return []

    def _keep_claims(
        self, told: dict[TradeKey, "_Claim"], listed: Container[TradeKey], asked_ms: int
    ) -> None:
        """Keep what an answer claims, and what it can say nothing of."""
        kept = dict(told)
        for key, claim in self._claims.items():
            if key in told:
                kept[key] = claim if told[key].is_same_as(claim) else told[key]
            elif claim.place not in listed or asked_ms < claim.told_ms:
                kept[key] = claim
        self._claims = kept

    def _missing(self, answer: Answer, claimed: Container[TradeKey]) -> tuple[Trade, ...]:
        """Note what the answer lacks; return what two answers lack that no lag excuses."""
        missing = []
        for key, one in self._unlisted.items():
            if key[0] <= answer.down_to or key in claimed:
                continue
            if answer.asked_ms < one.heard_ms + answer.lag_ms:
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
        self._claims = {key: one for key, one in self._claims.items() if one.place in self._trades}
        self._by_content = {_content_of(trade): key for key, trade in self._trades.items()}
        alive = {trade.client_order_index for trade in kept}
        self._filled = {cid: lots for cid, lots in self._filled.items() if cid in alive}


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """When a frame told a trade, and when the first answer was asked for that lacks it."""

    heard_ms: int
    absent_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Claim:
    """A trade as one source alone tells it, in the place of the known one (its key).

    `told_ms` (monotonic) is when a frame told it, or when the answer was asked for.
    """

    trade: Trade
    place: TradeKey
    told_ms: int
    is_frame: bool = False

    def is_same_as(self, other: "_Claim") -> bool:
        """Whether both tell the same."""
        return self.place == other.place and _effect_of(self.trade) == _effect_of(other.trade)

    def is_second_of(self, first: "_Claim | None") -> bool:
        """Whether this one, of an answer, is the second source that tells it so."""
        if first is None or not self.is_same_as(first):
            return False
        return first.is_frame or self.told_ms >= first.told_ms + AGREES_AFTER_MS


_Content = tuple[int, Side, int, int | None, int]


def _content_of(trade: Trade) -> _Content:
    """Return what no second trade of the account can have in common with this one."""
    before = trade.position_before_lots
    return trade.order_index, trade.side, trade.size_lots, before, trade.time_ms


def _effect_of(trade: Trade) -> tuple[int, int, int, int | None]:
    """Return what of a trade a decision rests on."""
    before = trade.position_before_lots
    return trade.signed_lots, trade.order_index, trade.client_order_index, before


def _key(trade: Trade) -> TradeKey:
    return trade.trade_id, trade.side


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
