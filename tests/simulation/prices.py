"""What is promised of prices, by the simulated exchange's own book: without A's orders.

An order of A that shall rest is one that B could have hedged at a bearable cost, and that others
were as good as, at one moment of the last seconds at least; an order of B never goes further from
mark than is allowed. How long ago such a moment may be depends on whether frames of the book were
kept back in this schedule: an old book is quoted by as long as nothing speaks against it.
"""

from bisect import bisect_right
from collections.abc import Iterator

from hedge.core.amounts import Side
from hedge.core.records import Depth
from hedge.exchange.port import OrderRequest
from tests.judge.facts import Violation
from tests.simulation.exchange import Moment

FRESH_S = 2.0
"""Frames of the book come within milliseconds, and a process looks twice a second."""
OLD_S = 30.0
"""A book that stands still is asked for anew after 15 s, and left 5 s later."""
OLD_KINDS = (
    "channel stops",
    "book frames stop",
    "public socket cut",
    "socket silent",
    "link in a black hole",
    "host cut off",
    "only pings",
    "cut from exchange",
    "A frozen",
    "B frozen",
    "A away",
    "B away",
    "B left behind",
    "read failed",
    "read stale",
    "replica stuck",
)
FALSE_KINDS = ("book lies",)
SLIPPAGE_BPS, GAP_BPS = 100, 300
TICKS = 3
"""What rounding makes of a price."""


def since(moments: list[Moment], at_s: float, lasting_s: float) -> Iterator[Depth]:
    """Yield each book that was there within the last seconds."""
    first = bisect_right(moments, at_s - lasting_s, key=lambda one: one.at_s)
    for moment in moments[max(0, first - 1) :]:
        if moment.at_s <= at_s:
            yield moment.depth


def wrong_quote(order: OrderRequest, books: list[Depth], at_s: float, who: str) -> list[Violation]:
    """Return what is wrong with a resting order of A by all of these books."""
    found = []
    if books and all(_cost_bps(order, book) > SLIPPAGE_BPS for book in books):
        text = (
            f"{who} rests a {order.side.value} at {order.price_ticks} that costs too much to hedge"
        )
        found.append(Violation("price", "dear", at_s, text, {"who": who}))
    if books and all(_is_ahead(order, book) for book in books):
        text = f"{who} rests a {order.side.value} at {order.price_ticks}, better than anybody else"
        found.append(Violation("price", "ghost", at_s, text, {"who": who}))
    return found


def wrong_cap(order: OrderRequest, books: list[Depth], at_s: float, who: str) -> list[Violation]:
    """Return what is wrong with the cap of an order of B by all of these books."""
    sign = order.side.sign
    bounds = [
        mark + sign * (mark * GAP_BPS // 10_000 + TICKS)
        for book in books
        if (mark := book.mark_ticks) is not None
    ]
    if not bounds or any((order.price_ticks - bound) * sign <= 0 for bound in bounds):
        return []
    text = f"{who} caps a {order.side.value} at {order.price_ticks}, further from mark than allowed"
    return [Violation("price", "cap", at_s, text, {"who": who})]


def _cost_bps(order: OrderRequest, book: Depth) -> float:
    """Return what the hedge of all of an order would have cost; much where it could not be."""
    levels = book.bids if order.side is Side.BUY else book.asks
    left, quote = order.lots, 0
    for level in levels:
        part = min(left, level.size_lots)
        left, quote = left - part, quote + part * level.price_ticks
    if left:
        return 10_000.0
    price = quote / order.lots
    return (order.price_ticks - price) * order.side.sign / price * 10_000


def _is_ahead(order: OrderRequest, book: Depth) -> bool:
    levels = book.bids if order.side is Side.BUY else book.asks
    return bool(levels) and (order.price_ticks - levels[0].price_ticks) * order.side.sign > TICKS
