"""How far behind its level A quotes, so that it rests an order as long as there is one to place.

Each fill takes a request of the budget for the order after it, and each order that would have
crossed the book takes one for nothing. Where requests come back more slowly than that, or the
market moves faster than an order travels, A goes further from its level instead of going without an
order: that one rests, is filled later and at a better price.
"""

from hedge.core.amounts import Side
from hedge.core.maker.state import MakerState
from hedge.core.pricing import BPS
from hedge.core.records import OrderStatus
from hedge.core.transitions import Facts

_BY_ROOM_BPS = (8, 8, 2, 1)
"""Basis points behind the level, by how many orders are left: the last one is to last.

A busy market moves by about one in a second, and by eight in most of a minute. More orders held
back than these would be left over at the end of each minute, and fill nothing.
"""
_BY_CROSSING_BPS = (0, 1, 2, 4, 8)
"""The same, by how many orders in a row ended because they would have crossed the book."""
FEW = 6
"""With fewer orders left than these they are kept for what follows a fill."""


def is_scarce(facts: Facts) -> bool:
    """Whether the orders that are left are kept for those that follow a fill."""
    return facts.room < FEW


def behind(state: MakerState, facts: Facts, side: Side, level_ticks: int) -> int:
    """Return the price of an order that is to rest at a level: behind it where that is called for.

    Behind is away from the other side of the book. At least 1 tick, the exchange's lowest price.
    """
    back = -(-level_ticks * _behind_bps(state, facts) // BPS)
    return max(1, level_ticks - side.sign * back)


def _behind_bps(state: MakerState, facts: Facts) -> int:
    by_room = _BY_ROOM_BPS[facts.room] if facts.room < len(_BY_ROOM_BPS) else 0
    repeats, crossed = state.repeats, 0
    if repeats is not None and repeats.cause == OrderStatus.CANCELED_POST_ONLY.value:
        crossed = min(repeats.times, len(_BY_CROSSING_BPS) - 1)
    return max(by_room, _BY_CROSSING_BPS[crossed])
