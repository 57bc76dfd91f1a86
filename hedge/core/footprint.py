"""What of a public book is A's own: no level, cap or reference is made from it.

A level that holds at least as many lots as an order of ours, at its price, is taken to hold that
order. After the order's end it is taken out until a frame has changed the level, at most
`GHOST_MS`: frames of the book and of the account come in no promised order. A level with fewer lots
cannot hold it any more.
"""

from dataclasses import dataclass, replace

from hedge.core.amounts import Side
from hedge.core.records import Depth, Level

GHOST_MS = 2000


@dataclass(frozen=True, slots=True)
class Own:
    """An order of A, by its id: what of it could still fill."""

    order_id: int
    side: Side
    price_ticks: int
    lots: int


@dataclass(frozen=True, slots=True)
class _Ghost:
    """An order that has ended, at `ended_ms`, while its level held `level_lots`."""

    own: Own
    ended_ms: int
    level_lots: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """A's orders in the book, and those that have just ended. Times are monotonic ms."""

    orders: tuple[Own, ...] = ()
    ghosts: tuple[_Ghost, ...] = ()

    def seen(self, orders: tuple[Own, ...], depth: Depth, now_ms: int) -> "Footprint":
        """Return the footprint with these orders of A, while the book is this one."""
        if orders == self.orders and not self.ghosts:
            return self
        ghosts = [
            ghost
            for ghost in self.ghosts
            if now_ms <= ghost.ended_ms + GHOST_MS
            and _lots_at(depth, ghost.own) == ghost.level_lots
        ]
        places = {(own.order_id, own.price_ticks) for own in orders}
        ghosts += [
            _Ghost(own, now_ms, lots)
            for own in self.orders
            if (own.order_id, own.price_ticks) not in places
            and (lots := _lots_at(depth, own)) >= own.lots
        ]
        return Footprint(orders, tuple(ghosts))

    def taken_out(self, depth: Depth) -> Depth:
        """Return the book without what is A's own."""
        for own in self.orders:
            depth = _without(depth, own)
        for ghost in self.ghosts:
            depth = _without(depth, ghost.own)
        return depth


def _place_of(levels: tuple[Level, ...], own: Own) -> int | None:
    """Return the number of the level at an order's price, None where there is none."""
    for number, level in enumerate(levels):
        if level.price_ticks == own.price_ticks:
            return number
    return None


def _lots_at(depth: Depth, own: Own) -> int:
    levels = depth.levels(is_ask=own.side.is_ask)
    place = _place_of(levels, own)
    return 0 if place is None else levels[place].size_lots


def _without(depth: Depth, own: Own) -> Depth:
    """Return a book without an order, where the level at its price can hold it."""
    is_ask = own.side.is_ask
    levels = depth.levels(is_ask=is_ask)
    place = _place_of(levels, own)
    if place is None or levels[place].size_lots < own.lots:
        return depth
    left = levels[place].size_lots - own.lots
    rest = (Level(own.price_ticks, left),) if left else ()
    levels = (*levels[:place], *rest, *levels[place + 1 :])
    return replace(depth, asks=levels) if is_ask else replace(depth, bids=levels)
