"""What is promised of prices, by the simulated exchange's own book: without A's orders.

An order of A that shall rest is one that B could have hedged at a bearable cost, and that others
were as good as, at one moment of the last seconds at least; an order of B never goes further from
mark than is allowed. How long ago such a moment may be depends on whether frames of the book were
kept back in this schedule: an old book is quoted by as long as nothing speaks against it.

Nor is an order of A left where its hedge would cost too much, whatever A knows of its price: it is
gone, or another one, within the time that a cancel, and the fence after one, may take.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hedge.core.amounts import Side
from hedge.core.records import Depth
from hedge.exchange.port import OrderRequest
from tests.judge.facts import Violation
from tests.simulation.daemon import TIMING
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
LEFT_S = TIMING.answer_timeout_s + TIMING.place_deadline_s + TIMING.marker_deadline_s
"""So long an order that is too dear may still rest while A can act: its cancel has no answer or is
not shown, and the fence after that takes it off."""

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rest:
    """An order of A as it lay in the book from `start_s` to `end_s`: one price, one size."""

    client_order_index: int
    side: Side
    lots: int
    price_ticks: int
    start_s: float
    end_s: float


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


def left_dear(
    rests: Iterable[Rest], moments: list[Moment], able: list[Stretch], lasting_s: float
) -> list[Violation]:
    """Find each order that was left in the book though its hedge cost too much all the time.

    `rests` by order and time; `able` are the times in which one A ran and reached the exchange, and
    `lasting_s` is how old the book may be that it knew. A price that A does not know of, after a
    change without an answer, is the order's price all the same.
    """
    found, told = [], set[int]()
    for index, start_s, end_s in _dear_spans(rests, moments):
        for began_s, until_s in able:
            since_s = max(start_s, began_s)
            at_s = since_s + lasting_s + LEFT_S
            if index in told or min(end_s, until_s) <= at_s:
                continue
            told.add(index)
            text = (
                f"A's order {index} was left where its hedge costs too much for"
                f" {min(end_s, until_s) - since_s:.1f} s from {since_s:.3f} s on"
            )
            found.append(Violation("price", "left", at_s, text, {"order": index}))
    return found


def _dear_spans(rests: Iterable[Rest], moments: list[Moment]) -> Iterator[tuple[int, float, float]]:
    """Yield (order, start, end) of each span in which every book made the order too dear."""
    index, start_s, end_s = -1, 0.0, 0.0
    for one in rests:
        first = max(0, bisect_right(moments, one.start_s, key=lambda moment: moment.at_s) - 1)
        for number in range(first, len(moments)):
            from_s = max(one.start_s, moments[number].at_s)
            next_s = moments[number + 1].at_s if number + 1 < len(moments) else one.end_s
            until_s = min(one.end_s, next_s)
            if moments[number].at_s >= one.end_s or from_s >= until_s:
                continue
            is_dear = _is_dear(one, moments[number].depth)
            if is_dear and one.client_order_index == index and from_s <= end_s:
                end_s = until_s
                continue
            if is_dear:
                if index >= 0:
                    yield index, start_s, end_s
                index, start_s, end_s = one.client_order_index, from_s, until_s
    if index >= 0:
        yield index, start_s, end_s


def _is_dear(one: Rest, book: Depth) -> bool:
    """Whether the hedge of an order would cost more than is allowed, by the book or by mark."""
    sign, price_ticks = one.side.sign, one.price_ticks - one.side.sign * TICKS
    mark = book.mark_ticks
    is_off = mark is not None and (price_ticks - mark) * sign * 10_000 > mark * SLIPPAGE_BPS
    return is_off or _cost(one.side, one.lots, price_ticks, book) > SLIPPAGE_BPS


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
    return _cost(order.side, order.lots, order.price_ticks, book)


def _cost(side: Side, lots: int, price_ticks: int, book: Depth) -> float:
    """Return what the hedge of all of an order would have cost; much where it could not be."""
    levels = book.bids if side is Side.BUY else book.asks
    left, quote = lots, 0
    for level in levels:
        part = min(left, level.size_lots)
        left, quote = left - part, quote + part * level.price_ticks
    if left:
        return 10_000.0
    price = quote / lots
    return (price_ticks - price) * side.sign / price * 10_000


def _is_ahead(order: OrderRequest, book: Depth) -> bool:
    levels = book.bids if order.side is Side.BUY else book.asks
    return bool(levels) and (order.price_ticks - levels[0].price_ticks) * order.side.sign > TICKS
