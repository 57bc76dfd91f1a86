"""Prices of the pair's orders from the public book."""

from dataclasses import replace

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
GAP = 300
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
    assert pricing.cap_ticks(Depth(), Side.BUY, 1, 3, 100, GAP) is None


def test_a_market_order_meets_the_other_side() -> None:
    """A buy meets the best ask, a sell the best bid."""
    assert pricing.reference_ticks(DEPTH, Side.BUY) == 101
    assert pricing.reference_ticks(DEPTH, Side.SELL) == 99


def test_the_allowance_grows_with_each_attempt_up_to_the_limit() -> None:
    """A third, two thirds, then all of the allowed slippage; never more."""
    depth = Depth(bids=(Level(300_000, 1),), asks=(Level(300_000, 1),))
    caps = [pricing.cap_ticks(depth, Side.BUY, attempt, 3, 100, GAP) for attempt in (0, 1, 2, 3, 9)]
    assert caps == [301_000, 301_000, 302_000, 303_000, 303_000]
    assert pricing.cap_ticks(depth, Side.SELL, 3, 3, 100, GAP) == 297_000


@given(SIDES, st.integers(1, 10**7), st.integers(1, 9), st.integers(1, 5), st.integers(0, 10_000))
def test_a_cap_is_on_the_paying_side_and_a_price(
    side: Side, reference: int, attempt: int, attempts: int, bps: int
) -> None:
    """A buy may pay more, a sell take less, within the limit rounded away; never below one tick."""
    depth = Depth(bids=(Level(reference, 1),), asks=(Level(reference, 1),))
    cap = pricing.cap_ticks(depth, side, attempt, attempts, bps, GAP)
    assert cap is not None
    assert cap >= 1
    assert (cap - reference) * side.sign >= 0
    assert abs(cap - reference) * 10_000 < reference * bps + 10_000


def test_less_than_a_tick_still_allows_one() -> None:
    """A small allowance on a small price does not round to an order that cannot fill."""
    depth = Depth(bids=(Level(50, 1),), asks=(Level(50, 1),))
    assert pricing.cap_ticks(depth, Side.BUY, 1, 3, 10, GAP) == 51
    assert pricing.cap_ticks(depth, Side.SELL, 1, 3, 10, GAP) == 49


def test_prices_in_micros_and_averages() -> None:
    """A price in micros and the average of an execution follow the market's decimals."""
    assert pricing.ticks_to_micros(300_001, SPEC) == 3000_010_000
    assert pricing.average_ticks(30 * MICROS, 100, SPEC) == 300_000
    assert pricing.average_ticks(0, 0, SPEC) == 0


# --- bounded by mark


@pytest.mark.parametrize(
    ("side", "best", "cap"),
    [
        (Side.SELL, 180_000, 291_000),  # a bait bid 40 % under mark
        (Side.BUY, 500_000, 309_000),
        (Side.SELL, 300_000, 297_000),
        (Side.BUY, 300_000, 303_000),
        (Side.SELL, 320_000, 316_800),  # better than mark: the book bounds it
    ],
)
def test_a_cap_is_bounded_by_mark_too(side: Side, best: int, cap: int) -> None:
    """A single order of a stranger is no market."""
    depth = Depth((Level(best, 1),), (Level(best, 1),), mark_ticks=300_000)
    assert pricing.cap_ticks(depth, side, 3, 3, 100, GAP) == cap
    assert pricing.bound_ticks(12, Side.SELL, GAP) == 11  # where a tick is much, one is allowed


@pytest.mark.parametrize(
    ("side", "lots", "price"),
    [(Side.BUY, 1, 101), (Side.BUY, 2, 103), (Side.SELL, 2, 98), (Side.SELL, 3, 97)],
)
def test_what_a_market_order_pays_is_the_average_against_it(
    side: Side, lots: int, price: int
) -> None:
    """Over as many levels as it needs, rounded so that it is never better than it will be."""
    assert pricing.taken_ticks(DEPTH, side, lots) == price
    assert pricing.taken_ticks(DEPTH, side, 4) is None
    assert pricing.taken_ticks(Depth(mark_ticks=100), side, 1) is None


def test_worse_by_more_than_so_many_bps() -> None:
    """The allowance itself is none too many."""
    assert not pricing.beyond_bps(303_000, 300_000, Side.BUY, 100)
    assert pricing.beyond_bps(303_001, 300_000, Side.BUY, 100)
    assert not pricing.beyond_bps(297_000, 300_000, Side.SELL, 100)
    assert pricing.beyond_bps(296_999, 300_000, Side.SELL, 100)
    assert not pricing.beyond_bps(200_000, 300_000, Side.BUY, 0)


def test_a_quote_limit_bounds_lots_and_price() -> None:
    """The limit of 30.02 USDC allows 99 lots at 3020, and 100 lots up to 3002."""
    spec = replace(SPEC, order_quote_limit_micros=30_020_000)
    assert pricing.most_lots(spec, 302_000) == 99
    assert pricing.most_lots(spec, 10**9) == 1
    assert pricing.within_quote_limit(spec, Side.BUY, 100, 301_000) == 300_200
    assert pricing.within_quote_limit(spec, Side.SELL, 100, 301_000) == 301_000
    assert spec.quote_micros(100, 300_200) <= spec.order_quote_limit_micros


def test_micros_are_ticks_again() -> None:
    """What A's heartbeat says of its price is the price."""
    assert pricing.micros_to_ticks(pricing.ticks_to_micros(299_985, SPEC), SPEC) == 299_985
