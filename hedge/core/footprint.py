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
        if not orders and not self.orders and not self.ghosts:
            return self
        ghosts = [
            ghost
            for ghost in self.ghosts
            if now_ms <= ghost.ended_ms + GHOST_MS
            and _lots_at(depth, ghost.own) == ghost.level_lots
        ]
        ids = {own.order_id for own in orders}
        ghosts += [
            _Ghost(own, now_ms, lots)
            for own in self.orders
            if own.order_id not in ids and (lots := _lots_at(depth, own)) >= own.lots
        ]
        return Footprint(orders, tuple(ghosts))

    def taken_out(self, depth: Depth) -> Depth:
        """Return the book without what is A's own."""
        for own in (*self.orders, *(ghost.own for ghost in self.ghosts)):
            levels = depth.levels(is_ask=own.side.is_ask)
            left = tuple(rest for level in levels if (rest := _without(level, own)) is not None)
            if left != levels:
                depth = replace(depth, asks=left) if own.side.is_ask else replace(depth, bids=left)
        return depth


def _lots_at(depth: Depth, own: Own) -> int:
    levels = depth.levels(is_ask=own.side.is_ask)
    return next((one.size_lots for one in levels if one.price_ticks == own.price_ticks), 0)


def _without(level: Level, own: Own) -> Level | None:
    if level.price_ticks != own.price_ticks or level.size_lots < own.lots:
        return level
    left = level.size_lots - own.lots
    return replace(level, size_lots=left) if left else None
