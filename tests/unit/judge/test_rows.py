"""The paper exchange's own rows become the judge's facts, exactly."""

from typing import Any

import pytest

from hedge.core import ids
from tests.pair_audit import audit, legs_of, lives_of, lots

A, B, STRANGER = 101, 102, 9
OURS, PERSONS = ids.order_id("abc", 7), 7
Json = dict[str, Any]


def trade(seq: int, buyer: int, seller: int, size: str, **changes: Any) -> Json:
    """Return a row of the trade log, by orders of the pair; the seller is the maker."""
    return {
        "seq": seq,
        "mono_ns": seq * 1_000_000_000,
        "size": size,
        "bid_account_id": buyer,
        "ask_account_id": seller,
        "bid_client_id": OURS,
        "ask_client_id": OURS,
        "is_maker_ask": True,
        "taker_position_size_before": "0.0000",
        "maker_position_size_before": "0.0000",
        **changes,
    }


def order(seq: int, status: str, **changes: Any) -> Json:
    """Return a row of the order log: A's order 1."""
    return {
        "seq": seq,
        "mono_ns": seq * 1_000_000_000,
        "received_mono_ns": 500_000_000,
        "order_index": 1,
        "owner_account_index": A,
        "client_order_index": OURS,
        "is_ask": False,
        "initial_base_amount": "0.0400",
        "filled_base_amount": "0.0000",
        "price": "3000.00",
        "type": "limit",
        "time_in_force": "post-only",
        "reduce_only": False,
        "status": status,
        **changes,
    }


def test_amounts_are_exact() -> None:
    """A size that is no whole number of lots is refused."""
    assert lots("0.0003") == 3
    with pytest.raises(AssertionError):
        lots("0.00005")


def test_one_trade_can_concern_both() -> None:
    """B's hedge meets A's own remainder: two changes, one leg; strangers' trades are left out."""
    rows = [trade(3, A, B, "0.2"), trade(1, STRANGER, 8, "1"), trade(2, A, STRANGER, "0.4")]
    found = [(leg.seq, leg.at_s, leg.a_lots, leg.b_lots) for leg in legs_of(rows, A, B)]
    assert found == [(2, 2.0, 4000, 0), (3, 3.0, 2000, -2000)]


@pytest.mark.parametrize(
    ("bid", "ask", "foreign"),
    [
        (OURS, OURS, (False, False)),
        (PERSONS, OURS, (True, False)),
        (OURS, PERSONS, (False, True)),
        (ids.marker_id("abc", 7), OURS, (False, False)),
    ],
)
def test_an_order_without_the_tag_is_a_strangers(
    bid: int, ask: int, foreign: tuple[bool, bool]
) -> None:
    """For the side that it traded for."""
    (leg,) = legs_of([trade(1, A, B, "0.1", bid_client_id=bid, ask_client_id=ask)], A, B)
    assert (leg.foreign_a, leg.foreign_b) == foreign


def test_a_life_goes_from_arrival_to_its_end() -> None:
    """The arrival is that of the bytes; a restart of the exchange forgets it."""
    rows = [order(1, "open"), order(2, "filled", filled_base_amount="0.0400")]
    (life,) = lives_of(rows)
    assert (life.received_s, life.ended_s, life.size_lots, life.filled_lots) == (0.5, 2.0, 400, 400)
    assert life.rests
    assert not life.foreign
    (open_,) = lives_of([order(1, "open", received_mono_ns=None, client_order_index=PERSONS)])
    assert (open_.received_s, open_.ended_ns) == (1.0, None)
    assert open_.foreign


def test_the_first_positions_are_read_from_the_trades() -> None:
    """A log that begins in the middle of a round is judged from there."""
    rows = [
        trade(2, STRANGER, A, "0.0400", maker_position_size_before="0.0400"),
        trade(4, B, STRANGER, "0.0400", taker_position_size_before="-0.0400"),
    ]
    selling = {"is_ask": True, "filled_base_amount": "0.0400"}
    orders = [order(1, "open", is_ask=True), order(2, "filled", **selling)]
    result = audit(rows, orders, A, B).check()
    assert (result.a_lots, result.b_lots) == (0, 0)
    short = [trade(2, STRANGER, A, "0.0400", maker_position_size_before="0.0300")]
    assert audit(short, orders, A, B).of("I4")


def test_orders_alone_say_nothing_of_what_is_held() -> None:
    """Where no trade states a position none is made up."""
    assert audit([], [order(1, "open", is_ask=True)], A, B).violations == ()
