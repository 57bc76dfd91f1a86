"""Prices of the pair's orders from the public book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core import pricing
from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.core.records import Depth, Level

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
DEPTH = Depth(
    bids=(Level(99, 1), Level(98, 1), Level(95, 1)),
    asks=(Level(101, 1), Level(104, 1)),
    mark_ticks=100,
)
SIDES = st.sampled_from(Side)


@pytest.mark.parametrize(
    ("side", "level", "price"),
    [
        (Side.BUY, 1, 99),
        (Side.BUY, 3, 95),
        (Side.BUY, 9, 95),
        (Side.SELL, 1, 101),
        (Side.SELL, 2, 104),
    ],
)
def test_an_order_rests_on_its_own_side(side: Side, level: int, price: int) -> None:
    """Level 1 is the best price of the order's side; a thin book gives its last level."""
    assert pricing.level_ticks(DEPTH, side, level) == price


def test_an_empty_side_is_unknown() -> None:
    """No levels means no price to rest at; a market order still knows the mark price."""
    empty = Depth(mark_ticks=100)
    assert pricing.level_ticks(empty, Side.BUY, 1) is None
    assert pricing.reference_ticks(empty, Side.SELL) == 100
    assert pricing.reference_ticks(Depth(), Side.BUY) is None
    assert pricing.cap_ticks(Depth(), Side.BUY, 1, 3, 100) is None


def test_a_market_order_meets_the_other_side() -> None:
    """A buy meets the best ask, a sell the best bid."""
    assert pricing.reference_ticks(DEPTH, Side.BUY) == 101
    assert pricing.reference_ticks(DEPTH, Side.SELL) == 99


def test_the_allowance_grows_with_each_attempt_up_to_the_limit() -> None:
    """A third, two thirds, then all of the allowed slippage; never more."""
    depth = Depth(bids=(Level(300_000, 1),), asks=(Level(300_000, 1),))
    caps = [pricing.cap_ticks(depth, Side.BUY, attempt, 3, 100) for attempt in (0, 1, 2, 3, 9)]
    assert caps == [301_000, 301_000, 302_000, 303_000, 303_000]
    assert pricing.cap_ticks(depth, Side.SELL, 3, 3, 100) == 297_000


@given(SIDES, st.integers(1, 10**7), st.integers(1, 9), st.integers(1, 5), st.integers(0, 10_000))
def test_a_cap_is_on_the_paying_side_and_a_price(
    side: Side, reference: int, attempt: int, attempts: int, bps: int
) -> None:
    """A buy may pay more, a sell take less, within the limit rounded away; never below one tick."""
    depth = Depth(bids=(Level(reference, 1),), asks=(Level(reference, 1),))
    cap = pricing.cap_ticks(depth, side, attempt, attempts, bps)
    assert cap is not None
    assert cap >= 1
    assert (cap - reference) * side.sign >= 0
    assert abs(cap - reference) * 10_000 < reference * bps + 10_000


def test_less_than_a_tick_still_allows_one() -> None:
    """A small allowance on a small price does not round to an order that cannot fill."""
    depth = Depth(bids=(Level(50, 1),), asks=(Level(50, 1),))
    assert pricing.cap_ticks(depth, Side.BUY, 1, 3, 10) == 51
    assert pricing.cap_ticks(depth, Side.SELL, 1, 3, 10) == 49


def test_prices_in_micros_and_averages() -> None:
    """A price in micros and the average of an execution follow the market's decimals."""
    assert pricing.ticks_to_micros(300_001, SPEC) == 3000_010_000
    assert pricing.average_ticks(30 * MICROS, 100, SPEC) == 300_000
    assert pricing.average_ticks(0, 0, SPEC) == 0
