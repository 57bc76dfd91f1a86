"""A hedge costs its price against that of the fills it answers; the sum is that of SUMMARY."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hedge.hedger.hedge_cost import MOST, OpenFills
from hedge.launcher.summary import Leg, summarise

PRICE = 300_000
"""Micros of the quote asset of one lot."""


def test_selling_below_and_buying_above_is_a_loss() -> None:
    """In hundredths of a bp of A's price; the other way round it is a gain."""
    for sign in (1, -1):
        fills = OpenFills()
        fills.filled(7, sign * 100, 100 * PRICE)
        assert fills.hedged(-sign * 100, 100 * (PRICE - sign * 300)) == 1000
        fills.filled(8, sign * 100, 100 * PRICE)
        assert fills.hedged(-sign * 100, 100 * (PRICE + sign * 300)) == -1000


def test_each_hedge_answers_the_oldest_fills() -> None:
    """A fill counts once, whoever tells of it, and in parts."""
    fills = OpenFills()
    for _ in range(2):
        fills.filled(1, 60, 60 * PRICE)
    fills.filled(2, 40, 40 * (PRICE + 3000))
    assert fills.hedged(-50, 50 * PRICE) == 0
    assert fills.hedged(-50, 10 * PRICE + 40 * (PRICE + 3000)) == 0
    assert fills.hedged(-1, PRICE) is None, "nothing is known that it answers"


def test_what_a_trades_back_is_answered() -> None:
    """A's reduction takes its own fill; what is left has the price of the rest."""
    fills = OpenFills()
    fills.filled(1, 60, 60 * PRICE)
    fills.filled(2, -100, 100 * (PRICE + 3000))
    assert fills.hedged(40, 40 * (PRICE + 3000)) == 0


def test_what_is_not_known_is_no_cost() -> None:
    """More than the known fills, no trades of the hedge, or a fill that was forgotten."""
    fills = OpenFills()
    fills.filled(1, 60, 60 * PRICE)
    assert fills.hedged(-100, 100 * PRICE) is None
    fills.filled(2, 60, 60 * PRICE)
    assert fills.hedged(-60, 0) is None
    fills.filled(3, 60, 60 * PRICE)
    fills.forget()
    assert fills.hedged(-60, 60 * PRICE) is None
    for trade_id in range(10, 11 + 2 * MOST):
        fills.filled(trade_id, 1, PRICE)
    assert fills.hedged(-MOST, MOST * PRICE) == 0
    assert fills.hedged(-1, PRICE) is None


ROUNDS = st.lists(
    st.tuples(
        st.integers(1, 500), st.integers(-2000, 2000), st.integers(-2000, 2000), st.integers(1, 499)
    ),
    min_size=1,
    max_size=8,
)


@given(ROUNDS)
def test_the_sum_is_the_cost_of_the_summary(rounds: list[tuple[int, int, int, int]]) -> None:
    """Each fill is hedged in one or two orders, in turn long and short: no money is left out."""
    fills, legs_a, legs_b = OpenFills(), [], []
    lost, number, held = Decimal(0), 0, 0
    for at, (lots, a_off, b_off, cut) in enumerate([*rounds, (0, 0, 0, 1)]):
        signed = lots * (-1) ** at if lots else -held
        if not signed:
            continue
        number += 1
        value = abs(signed) * (PRICE + a_off)
        fills.filled(number, signed, value)
        legs_a.append(_leg(number, 1, signed, value, held))
        hedged, held = held, held + signed
        sign = 1 if signed > 0 else -1
        for part in (min(cut, abs(signed)), abs(signed) - min(cut, abs(signed))):
            if not part:
                continue
            number += 1
            paid = part * (PRICE + b_off)
            cost = fills.hedged(-sign * part, paid)
            assert cost is not None
            lost += cost * Decimal(part * (PRICE + a_off)) / 1_000_000
            legs_b.append(_leg(number, 2, -sign * part, paid, -hedged))
            hedged += sign * part
    found = summarise(legs_a, legs_b, {}, 4)
    assert found.cost_bps is not None
    volume = sum(leg.quote for leg in legs_a)
    rounding = Decimal("0.005") * len(legs_b)
    assert abs(found.cost_bps - lost / volume * 10_000) <= rounding


def _leg(seq: int, account: int, lots: int, quote: int, before: int) -> Leg:
    return Leg(seq, account, 0, seq, Decimal(lots), Decimal(quote), Decimal(before), None)
