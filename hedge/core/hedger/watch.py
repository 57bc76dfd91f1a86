"""B's own eye on A: trades that the venue shows in public, joined to what A states of itself.

A states a position and the newest trade in it. Trades of A above that trade which the venue shows
to everybody carry B's view on; they count only where A's statement plus their sum is what the
newest of them says of itself. A view that does not add up is unknown, never an error: then A's
own word stands until the missing trade is found.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from hedge.core.amounts import Side
from hedge.core.hedger.departure import MakerBeat
from hedge.core.records import Trade

KEEP_TRADES = 2048
"""More than A can fill between two of its statements; beyond it the oldest are dropped."""
ABSENT_AGAIN_MS = 5000
"""So far apart are the two answers without a trade that show it to be missing."""
AGREES_AFTER_MS = 1000
"""So far apart are two answers that agree on what nothing else tells: one may be false."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A position and the newest trade that is in it."""

    position_lots: int
    last_trade_id: int


@dataclass(frozen=True, slots=True)
class Recent:
    """One public answer of a market's newest trades, and A's legs in it, oldest first.

    `lowest_id` and `highest_id` span everything that the answer lists, whoever traded it; 0 and 0
    for a market without trades.
    """

    legs: tuple[Trade, ...]
    lowest_id: int
    highest_id: int


@dataclass(frozen=True, slots=True)
class PeerTraded:
    """The venue's public streams show trades of A, or its position (None where they did not)."""

    trades: tuple[Trade, ...] = ()
    shown_lots: int | None = None


@dataclass(frozen=True, slots=True)
class PeerAnswered:
    """One public answer of the market's newest trades, asked for at `asked_ms` (monotonic).

    `bases` is what is on record of A.
    """

    answer: Recent
    bases: tuple[Stand, ...] = ()
    asked_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A watched trade that an answer lacks which should list it; times are monotonic ms.

    `since_ms` is when the first such answer came, `absent_ms` when the first one was asked for that
    no lag excuses; None before that.
    """

    trade_id: int
    side: Side
    since_ms: int
    absent_ms: int | None = None
    is_doubted: bool = False
    """No answer was asked yet: it is more than A can have done."""

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the watched trades."""
        return self.trade_id, self.side.sign

    def due_ms(self, lag_ms: int) -> int:
        """Return when to ask again."""
        if self.is_doubted:
            return self.since_ms
        if self.absent_ms is None:
            return self.since_ms + lag_ms
        return self.absent_ms + ABSENT_AGAIN_MS


@dataclass(frozen=True, slots=True)
class Gap:
    """The newest public trade of A that does not add up, and when it was heard (monotonic ms)."""

    trade_id: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class Denied:
    """A position of A on record that a public answer denies; when the first such one was asked."""

    stand: Stand
    asked_ms: int

    def is_false(self, asked_ms: int, lag_ms: int) -> bool:
        """Whether an answer that was asked for at `asked_ms` denies it for good, past any lag."""
        return asked_ms >= self.asked_ms + lag_ms + ABSENT_AGAIN_MS


@dataclass(frozen=True, slots=True)
class Claimed:
    """A trade of A as one public answer alone tells it, and when that was asked for."""

    trade: Trade
    asked_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """Where one public answer alone shows A, and when that was asked for (monotonic ms)."""

    stand: Stand
    asked_ms: int

    def is_told_again(self, stand: Stand, asked_ms: int) -> bool:
        """Whether a later answer shows the same."""
        return stand == self.stand and asked_ms >= self.asked_ms + AGREES_AFTER_MS


def merged(
    watched: tuple[Trade, ...], new: Iterable[Trade], after_trade_id: int, *, listed: bool = False
) -> tuple[Trade, ...]:
    """Return the trades above `after_trade_id`, each once, oldest first; `watched` is in order.

    Of one that is known already the new text counts where it is `listed` (an answer), else the
    known one: a frame changes nothing that an answer or another frame has told.
    """
    watched = _above(watched, after_trade_id)
    found = {_order(trade): trade for trade in new if trade.trade_id > after_trade_id}
    # A flood of fills comes in order; what is known is not sorted again for each of them.
    if watched and any(trade_id <= watched[-1].trade_id for trade_id, _ in found):
        known = {_order(trade): trade for trade in watched}
        found = known | found if listed else found | known
        watched = ()
    return (*watched, *(found[key] for key in sorted(found)))[-KEEP_TRADES:]


def without(watched: tuple[Trade, ...], unlisted: Iterable[Unlisted]) -> tuple[Trade, ...]:
    """Return the watched trades but those that answers lack."""
    lacking = {one.order for one in unlisted}
    if not lacking:
        return watched
    return tuple(trade for trade in watched if _order(trade) not in lacking)


def compared(
    watched: tuple[Trade, ...],
    known: Iterable[Unlisted],
    answer: Recent,
    asked_ms: int,
    now_ms: int,
    lag_ms: int,
) -> tuple[tuple[Unlisted, ...], tuple[Trade, ...]]:
    """Compare watched trades with one answer: those that it lacks, and of them what is missing.

    Missing is what two answers lack that were asked for 5 s apart, both `lag_ms` after the trade
    was heard. An answer tells nothing of trades older than all that it lists.
    """
    before: Mapping[tuple[int, int], Unlisted] = {one.order: one for one in known}
    listed = {_order(leg) for leg in answer.legs}
    unlisted, missing = [], []
    for trade in watched:
        one = before.get(_order(trade))
        if trade.trade_id < answer.lowest_id:
            if one is not None:
                unlisted.append(one)
            continue
        if _order(trade) in listed:
            continue
        if one is None or one.is_doubted:
            one = Unlisted(trade.trade_id, trade.side, now_ms)
        elif asked_ms >= one.due_ms(lag_ms):
            if one.absent_ms is not None:
                missing.append(trade)
                continue
            one = replace(one, absent_ms=asked_ms)
        unlisted.append(one)
    return tuple(unlisted), tuple(missing)


def is_beyond_beat(beat: MakerBeat, trade: Trade, a_lots: int) -> bool:
    """Whether a public trade of A is more than A, by its own fresh heartbeat, can have done.

    An order that the heartbeat names fills on its side, and no more than was left of it; one that
    is younger is as large as A's quantity, or as A's position (`a_lots`), at most.
    """
    for order in beat.resting:
        if order.client_order_index == trade.client_order_index:
            return trade.side is not order.side or trade.size_lots > order.remaining_lots
    return is_beyond_quantity(beat, trade, a_lots)


def is_beyond_quantity(beat: MakerBeat, trade: Trade, a_lots: int) -> bool:
    """Whether a public trade is more than any order of A, as A's last heartbeat shows A.

    That is what is left to go by once A is silent: which of its orders rest may have changed.
    """
    return beat.quantity_lots is not None and trade.size_lots > max(beat.quantity_lots, abs(a_lots))


def weighed(
    stated: Stand,
    watched: tuple[Trade, ...],
    known: Iterable[Claimed],
    answer: Recent,
    asked_ms: int,
    witnesses: Container[int] = (),
) -> tuple[tuple[Trade, ...], tuple[Claimed, ...]]:
    """Return the legs of an answer that a second source tells too, and those that it alone tells.

    A second source is a frame, an earlier answer, a position in `witnesses` (what else states A's)
    to which the legs lead, or a newer watched trade, which adds up only with them. What the answer
    alone tells otherwise, or alone tells at all, waits: a frame that comes late is no harm either.
    """
    told = {_order(trade): trade for trade in watched}
    before = {_order(one.trade): one for one in known}
    taken, claims = [], []
    for leg in answer.legs:
        if leg.trade_id <= stated.last_trade_id:
            continue
        have, first = told.get(_order(leg)), before.pop(_order(leg), None)
        if have is not None and _effect_of(have) == _effect_of(leg):
            taken.append(leg)
        elif first is None or _effect_of(first.trade) != _effect_of(leg):
            claims.append(Claimed(leg, asked_ms))
        elif asked_ms >= first.asked_ms + AGREES_AFTER_MS:
            taken.append(leg)
        else:
            claims.append(first)
    if claims and _is_borne_out(stated, watched, taken, claims, witnesses):
        return (*taken, *(one.trade for one in claims)), ()
    beyond = (one for one in before.values() if one.trade.trade_id < answer.lowest_id)
    return tuple(taken), (*claims, *beyond)


def _is_borne_out(
    stated: Stand,
    watched: tuple[Trade, ...],
    taken: Iterable[Trade],
    claims: Iterable[Claimed],
    witnesses: Container[int],
) -> bool:
    """Whether claims lead to what something else states, or close a gap below a watched trade."""
    known = merged(watched, taken, stated.last_trade_id, listed=True)
    claimed = tuple(one.trade for one in claims)
    stand = carried(stated, merged(known, claimed, stated.last_trade_id, listed=True))
    if stand is None:
        return False
    is_below = bool(known) and max(_order(one) for one in claimed) < _order(known[-1])
    return stand.position_lots in witnesses or (is_below and carried(stated, known) is None)


def carried(
    stated: Stand, watched: tuple[Trade, ...], shown_lots: int | None = None
) -> Stand | None:
    """Return where the watched trades carry what A stated; None where they do not add up.

    `shown_lots` is A's position as the venue shows it to everybody: it serves as the check where
    the newest trade says nothing of its position (a self trade, or a venue that leaves it out).
    """
    newer = _above(watched, stated.last_trade_id)
    if not newer:
        return stated
    total = stated.position_lots + sum(trade.signed_lots for trade in newer)
    says = _says(newer)
    check = shown_lots if says is None else says
    return Stand(total, newer[-1].trade_id) if total == check else None


def found(base: Stand, answer: Recent, own_trade_id: int) -> Stand | None:
    """Return A's position as one public answer proves it, None where it does not.

    Only an answer that lists B's own newest trade, or a newer one, is not older than B's book; one
    that ends before the base itself is a lagging one, or another exchange's. Where it reaches back
    to `base`, all of A's trades since are in it; where it does not, the newest leg's own statement
    serves. `base` is what A itself last stated, or what the last neutral record says of it.
    """
    if answer.highest_id < max(own_trade_id, base.last_trade_id):
        return None
    if answer.lowest_id <= base.last_trade_id:
        return carried(base, answer.legs)
    says = _says(answer.legs)
    if says is None:
        return None
    total = base.position_lots + sum(leg.signed_lots for leg in answer.legs)
    if answer.legs[-1].position_before_lots == 0 and says != total:
        return None  # 0 may be a field that the venue leaves empty: nothing else confirms it here
    return Stand(says, answer.legs[-1].trade_id)


def denies(answer: Recent, base: Stand) -> bool:
    """Whether A's newest leg that is not newer than `base` states another position than `base`.

    The record may rest on a frame that told a false id. An answer that lists a trade late denies a
    true record too, for a while.
    """
    legs = tuple(leg for leg in answer.legs if leg.trade_id <= base.last_trade_id)
    says = _says(legs)
    if says is None or not answer.lowest_id <= base.last_trade_id <= answer.highest_id:
        return False
    # 0 may be a field that the venue leaves empty: without the legs before it denies nothing.
    is_stated = legs[-1].position_before_lots != 0 or _says(legs[:-1]) == 0
    return says != base.position_lots and is_stated


def _says(legs: Iterable[Trade]) -> int | None:
    """Return the position after the newest leg by its own statement."""
    ordered = tuple(legs)
    if not ordered or ordered[-1].position_before_lots is None:
        return None
    newest = ordered[-1]
    if len(ordered) > 1 and ordered[-2].trade_id == newest.trade_id:
        return None  # a self trade: neither of its legs states the end
    return (newest.position_before_lots or 0) + newest.signed_lots


def _above(trades: tuple[Trade, ...], trade_id: int) -> tuple[Trade, ...]:
    """Return the newer ones of trades that are in order, without a look at each of the others."""
    return trades[bisect_right(trades, trade_id, key=_trade_id) :]


def _trade_id(trade: Trade) -> int:
    return trade.trade_id


def _effect_of(trade: Trade) -> tuple[int, int | None]:
    return trade.signed_lots, trade.position_before_lots


def _order(trade: Trade) -> tuple[int, int]:
    return trade.trade_id, trade.side.sign
