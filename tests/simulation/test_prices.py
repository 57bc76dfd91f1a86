"""An order that is left where its hedge costs too much, by what the exchange itself has."""

from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.core.records import Depth, Level
from tests.simulation.exchange import Moment
from tests.simulation.prices import FRESH_S, LEFT_S, Rest, left_dear

PRICE = 100_000
BOUND_S = FRESH_S + LEFT_S
ALWAYS = [(0.0, float("inf"))]
SIDES = [Side.BUY, Side.SELL]


def book(away_bps: int, at_s: float = 0.0, lots: int = 1000) -> Moment:
    """The others' best prices are so far from `PRICE` on either side."""
    off = PRICE * away_bps // 10_000
    bids, asks = (Level(PRICE - off, lots),), (Level(PRICE + off, lots),)
    return Moment(at_s, Depth(bids, asks, PRICE))


def rest(side: Side, until_s: float, worse_bps: int = 0) -> Rest:
    """A's order lies at `PRICE`, or is so much too generous."""
    price = PRICE + side.sign * PRICE * worse_bps // 10_000
    return Rest(7, side, 100, price, 0.0, until_s)


def kinds(rests: list[Rest], books: list[Moment], able: list[tuple[float, float]]) -> list[str]:
    """Return what is found."""
    return [one.kind for one in left_dear(rests, books, able, FRESH_S)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("away_bps", "seconds", "good"),
    [
        (150, BOUND_S - 1, True),
        (150, BOUND_S + 1, False),
        (99, 600.0, True),
    ],
)
def test_an_order_is_not_left_where_its_hedge_costs_too_much(
    side: Side, away_bps: int, seconds: float, *, good: bool
) -> None:
    """B would pay more than is allowed for a fill of any moment."""
    assert kinds([rest(side, seconds)], [book(away_bps)], ALWAYS) == ([] if good else ["left"])


@pytest.mark.parametrize("side", SIDES)
def test_what_a_believes_of_its_price_is_no_price(side: Side) -> None:
    """A change without an answer has moved it from where it was good to where it is not."""
    old = replace(rest(side, 20.0), end_s=5.0)
    new = replace(rest(side, 20.0, worse_bps=60), start_s=5.0)
    assert kinds([old], [book(50)], ALWAYS) == []
    assert kinds([old, new], [book(50)], ALWAYS) == ["left"]
    assert kinds([old, replace(new, end_s=5.0 + BOUND_S - 1)], [book(50)], ALWAYS) == []


@pytest.mark.parametrize("side", SIDES)
def test_a_price_that_is_changed_for_another_bad_one_is_no_better(side: Side) -> None:
    """The order is one, whatever it is changed to, and however small it has become."""
    first = replace(rest(side, 0.0), end_s=BOUND_S / 2)
    rests = [first, replace(rest(side, BOUND_S + 1, 10), start_s=first.end_s, lots=30)]
    assert kinds(rests, [book(150)], ALWAYS) == ["left"]


@pytest.mark.parametrize("side", SIDES)
def test_a_book_that_was_good_for_a_moment_begins_it_anew(side: Side) -> None:
    """By then the order was right."""
    books = [book(150), book(20, BOUND_S - 1), book(150, BOUND_S)]
    assert kinds([rest(side, 2 * BOUND_S - 1)], books, ALWAYS) == []
    assert kinds([rest(side, 2 * BOUND_S + 1)], books, ALWAYS) == ["left"]


@pytest.mark.parametrize("side", SIDES)
def test_an_a_that_does_not_reach_the_exchange_leaves_what_it_must(side: Side) -> None:
    """Its time begins where it does."""
    able = [(0.0, 3.0), (600.0, 700.0)]
    assert kinds([rest(side, 600 + BOUND_S - 1)], [book(150)], able) == []
    assert kinds([rest(side, 600 + BOUND_S + 1)], [book(150)], able) == ["left"]


@pytest.mark.parametrize("side", SIDES)
def test_far_from_mark_or_beside_a_thin_book_is_too_dear_as_well(side: Side) -> None:
    """A stranger's single order is no market, and one lot is no hedge of a hundred."""
    far = rest(side, 60.0, worse_bps=150)
    beside = replace(book(0).depth, bids=(Level(far.price_ticks, 1000),), asks=())
    if side is Side.SELL:
        beside = replace(beside, bids=(), asks=(Level(far.price_ticks, 1000),))
    assert kinds([far], [Moment(0.0, beside)], ALWAYS) == ["left"]
    assert kinds([rest(side, 60.0)], [book(0, lots=99)], ALWAYS) == ["left"]
    assert kinds([rest(side, 60.0)], [book(0, lots=100)], ALWAYS) == []
