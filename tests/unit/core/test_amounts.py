"""Decimal text in and out of whole steps, and what a market says of sizes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import (
    MICROS,
    InexactAmountError,
    MarketSpec,
    Side,
    from_steps,
    quote_text,
    to_steps,
)

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
STEPS = st.integers(-(10**18), 10**18)
DECIMALS = st.integers(0, 6)


@given(STEPS, DECIMALS)
def test_text_and_steps_are_each_other_s_inverse(steps: int, decimals: int) -> None:
    """What is written as text is read back as the same number of steps."""
    assert to_steps(from_steps(steps, decimals), decimals) == steps


@given(STEPS, DECIMALS)
def test_text_is_plain_and_has_all_places(steps: int, decimals: int) -> None:
    """The text names the exact value, without exponent, with exactly the market's places."""
    text = from_steps(steps, decimals)
    assert Decimal(text) == Decimal(steps).scaleb(-decimals)
    assert "e" not in text.lower()
    assert len(text.partition(".")[2]) == decimals


@given(STEPS, DECIMALS, st.integers(1, 9))
def test_half_a_step_raises(steps: int, decimals: int, digit: int) -> None:
    """A digit beyond the market's last place is an error, never rounded away."""
    text = from_steps(steps, decimals) + ("" if decimals else ".") + str(digit)
    with pytest.raises(InexactAmountError):
        to_steps(text, decimals)


@given(st.decimals(allow_nan=False, allow_infinity=False), DECIMALS)
def test_a_number_is_converted_exactly_or_refused(value: Decimal, decimals: int) -> None:
    """Whatever decimal comes in, the result is that very value in steps, or an error."""
    try:
        steps = to_steps(value, decimals)
    except InexactAmountError:
        return
    assert Decimal(from_steps(steps, decimals)) == value


def test_a_tiny_rest_behind_many_digits_is_not_rounded_away() -> None:
    """More digits than the decimal context keeps do not make an inexact amount pass as whole."""
    with pytest.raises(InexactAmountError, match="whole number of steps"):
        to_steps("1.00000000000000000000000000000000001", 4)


@pytest.mark.parametrize(
    "value", [0.1, True, None, "", "abc", "1,5", "nan", "inf", "-Infinity", "1e99", "1e-99", b"1"]
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    """A float, a truth value, no number, nothing finite or nothing sane is an error."""
    with pytest.raises(InexactAmountError):
        to_steps(value, 4)


def test_integers_and_decimals_are_amounts_too() -> None:
    """Whole units come as integers, decimals as themselves."""
    assert to_steps(3, 4) == 30_000
    assert to_steps(Decimal("-0.0003"), 4) == -3
    assert to_steps("0", 4) == 0


def test_no_places_and_signs() -> None:
    """A market without decimals writes whole numbers; the sign stands in front."""
    assert from_steps(-7, 0) == "-7"
    assert from_steps(-7, 4) == "-0.0007"
    assert quote_text(1_500_000) == "1.500000"


def test_sides() -> None:
    """Signs, the side of the book, the opposite, and the side of a signed amount agree."""
    for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
        assert side.sign == sign
        assert Side.of(7 * sign) is side
        assert side.opposite.sign == -sign
        assert side.is_ask is (sign < 0)
    with pytest.raises(ValueError, match="zero has no side"):
        Side.of(0)


def test_a_market_converts_and_values() -> None:
    """Lots, ticks and quote values follow the market's decimals."""
    assert SPEC.lots("0.0100") == 100
    assert SPEC.ticks("3000.01") == 300_001
    assert SPEC.base(100) == "0.0100"
    assert SPEC.price(300_001) == "3000.01"
    assert SPEC.quote_micros(100, 300_000) == 30 * MICROS


@pytest.mark.parametrize(
    ("lots", "ticks", "can"),
    [(50, 300_000, True), (49, 300_000, False), (50, 100_000, False), (100, 100_000, True)],
)
def test_both_minimums_bind_a_resting_order(lots: int, ticks: int, can: bool) -> None:
    """An order rests only with enough base and enough quote."""
    assert SPEC.can_rest(lots, ticks) is can
