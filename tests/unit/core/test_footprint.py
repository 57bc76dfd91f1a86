"""What of a book is A's own: taken out while it may rest, and for a moment after its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import Side
from hedge.core.footprint import GHOST_MS, Footprint, Own
from hedge.core.records import Depth, Level

BUY, SELL = Own(1, Side.BUY, 100, 10), Own(2, Side.SELL, 110, 10)
NONE = Footprint()


def book(size: int, *, is_ask: bool = False) -> Depth:
    """A best level of this size, 0 for none, before one that is others'."""
    price, behind = (110, 111) if is_ask else (100, 99)
    levels = ((Level(price, size),) if size else ()) + (Level(behind, 50),)
    return Depth(asks=levels) if is_ask else Depth(bids=levels)


@pytest.mark.parametrize(("own", "is_ask"), [(BUY, False), (SELL, True)])
@pytest.mark.parametrize(
    ("size", "left"),
    [(10, 0), (25, 15), (9, 9), (0, 0)],  # a level with less cannot hold it
)
def test_an_order_is_taken_out_of_its_level(own: Own, is_ask: bool, size: int, left: int) -> None:
    """Alone the level is gone; beside others what is theirs is left."""
    footprint = NONE.seen((own,), book(size, is_ask=is_ask), 0)
    assert footprint.taken_out(book(size, is_ask=is_ask)) == book(left, is_ask=is_ask)
    assert footprint.taken_out(Depth()) == Depth()


def test_an_order_that_ended_is_taken_out_until_its_level_changes() -> None:
    """A's fill and the frame of the book that shows it come in no promised order."""
    ended = NONE.seen((BUY,), book(10), 0).seen((), book(10), 1000)
    assert ended.taken_out(book(10)) == book(0)
    later = ended.seen((), book(10), 1000 + GHOST_MS)
    assert later.taken_out(book(10)) == book(0)
    assert later.seen((), book(10), 1001 + GHOST_MS).taken_out(book(10)) == book(10)
    changed = ended.seen((), book(12), 1001)
    assert changed.taken_out(book(12)) == book(12)
    assert changed.seen((), book(10), 1002).taken_out(book(10)) == book(10)


def test_an_order_whose_level_was_gone_before_leaves_nothing() -> None:
    """The frame was faster: what stands there now is another's."""
    footprint = NONE.seen((BUY,), book(10), 0).seen((), book(0), 1000)
    assert footprint.taken_out(book(10)) == book(10)


def test_a_partial_fill_is_the_same_order() -> None:
    """What of it is left counts, once."""
    part = Own(1, Side.BUY, 100, 4)
    footprint = NONE.seen((BUY,), book(10), 0).seen((part,), book(10), 1)
    assert footprint.taken_out(book(10)) == book(6)


def test_nothing_of_ours_costs_nothing() -> None:
    """The very same objects, in the way of every fill."""
    depth = book(10)
    assert NONE.seen((), depth, 0) is NONE
    assert NONE.taken_out(depth) is depth
    assert NONE.seen((SELL,), depth, 0).taken_out(depth) is depth


@given(st.lists(st.integers(1, 40), max_size=5), st.integers(95, 105), st.integers(1, 40))
def test_what_is_left_is_never_more_than_was_there(sizes: list[int], price: int, lots: int) -> None:
    """Prices stay in order, and at most the order's own lots are gone."""
    bids = tuple(Level(100 - number, size) for number, size in enumerate(sizes))
    footprint = NONE.seen((Own(1, Side.BUY, price, lots),), Depth(bids=bids), 0)
    left = footprint.taken_out(Depth(bids=bids)).bids
    gone = sum(sizes) - sum(level.size_lots for level in left)
    assert gone in (0, lots)
    assert [one.price_ticks for one in left] == sorted(
        (one.price_ticks for one in left), reverse=True
    )
