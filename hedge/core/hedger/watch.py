"""B's own eye on A: trades that the venue shows in public, joined to what A states of itself.

A states a position and the newest trade in it. Trades of A above that trade which the venue shows
to everybody carry B's view on; they count only where A's statement plus their sum is what the
newest of them says of itself. A view that does not add up is unknown, never an error: then A's
own word stands until the missing trade is found.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from hedge.core.records import Trade

KEEP_TRADES = 2048
"""More than A can fill between two of its statements; beyond it the oldest are let go."""


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
    """One public answer of the market's newest trades; `bases` is what is on record of A."""

    answer: Recent
    bases: tuple[Stand, ...] = ()


def merged(
    watched: tuple[Trade, ...], new: Iterable[Trade], after_trade_id: int
) -> tuple[Trade, ...]:
    """Return the trades above `after_trade_id`, each once, oldest first; `watched` is in order."""
    watched = _above(watched, after_trade_id)
    found = {_order(trade): trade for trade in new if trade.trade_id > after_trade_id}
    # A flood of fills comes in order; what is known is not sorted again for each of them.
    if watched and any(trade_id <= watched[-1].trade_id for trade_id, _ in found):
        found = {_order(trade): trade for trade in watched} | found
        watched = ()
    return (*watched, *(found[key] for key in sorted(found)))[-KEEP_TRADES:]


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
    return Stand(says, answer.legs[-1].trade_id)


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


def _order(trade: Trade) -> tuple[int, int]:
    return trade.trade_id, trade.side.sign
