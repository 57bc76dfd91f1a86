"""Tests of the JSON objects that the paper exchange makes of its records."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper import wire
from paper.markets import DEFAULT_MARKETS
from paper.records import (
    Order,
    OrderStatus,
    OrderType,
    Position,
    TimeInForce,
    Trade,
)

ETH, BTC, _ = DEFAULT_MARKETS

OPEN = Order(
    order_index=562949953421303,
    client_order_index=77,
    account_index=42,
    market_id=0,
    is_ask=False,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.POST_ONLY,
    reduce_only=False,
    price=299_985,
    initial_lots=100,
    remaining_lots=60,
    filled_lots=40,
    filled_quote=11_999_400,
    status=OrderStatus.OPEN,
    order_expiry=1_800_000_000_000,
    nonce=281474976710647,
    tx_hash="ab" * 40,
    tx_nonce=5,
    api_key_index=4,
    created_ms=1_795_178_130_744,
    updated_ms=1_795_178_130_745,
    transaction_us=1_795_178_130_745_001,
    block_height=9,
)
TRADE = Trade(
    trade_id=26_280_867_773,
    tx_hash="cd" * 40,
    market_id=0,
    lots=8,
    price=191_399,
    quote=1_531_192,
    ask_order_index=281477536273316,
    bid_order_index=562947300641615,
    ask_client_order_index=2145634480,
    bid_client_order_index=0,
    ask_account_index=708516,
    bid_account_index=326677,
    is_maker_ask=True,
    taker_fee=0,
    maker_fee=28,
    taker_position_before=432,
    taker_entry_quote_before=81_879_184,
    taker_imf_before=200,
    maker_position_before=-8843,
    maker_entry_quote_before=1_696_919_247,
    maker_imf_before=500,
    taker_sign_changed=False,
    maker_sign_changed=True,
    ask_pnl=0,
    bid_pnl=0,
    timestamp_ms=1785252546746,
    transaction_us=1785252546746546,
    block_height=301814264,
)


@given(st.integers(-(10**25), 10**25), st.integers(0, 18))
def test_decimal_text_is_exact(value: int, decimals: int) -> None:
    """A scaled integer becomes exactly its decimal string, with all its digits."""
    text = wire.decimal_text(value, decimals)
    assert int(Decimal(text).scaleb(decimals)) == value
    assert len(text.partition(".")[2]) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, 4, "0.0000"),
        (-5, 4, "-0.0005"),
        (20, 5, "0.00020"),
        (1112718, 1, "111271.8"),
        (7, 0, "7"),
    ],
)
def test_decimal_text_examples(value: int, decimals: int, text: str) -> None:
    """Sizes and prices have the number of digits of their market."""
    assert wire.decimal_text(value, decimals) == text


def test_an_open_order() -> None:
    """An open order shows what remains, its expiry, and times in ms and µs."""
    row = wire.order(ETH, OPEN)
    assert (row["price"], row["base_price"]) == ("2999.85", 299_985)
    assert (row["initial_base_amount"], row["remaining_base_amount"]) == ("0.0100", "0.0060")
    assert (row["filled_base_amount"], row["filled_quote_amount"]) == ("0.0040", "11.999400")
    assert (row["status"], row["side"], row["base_size"]) == ("open", "", 60)
    assert (row["timestamp"], row["transaction_time"]) == (1795178130745, 1795178130745001)
    assert row["order_id"] == str(row["order_index"])


@pytest.mark.parametrize("status", [s for s in OrderStatus if "cancel" in s or s == "filled"])
def test_a_finished_order_has_nothing_remaining(status: OrderStatus) -> None:
    """A finished order keeps its filled amount and shows nothing remaining."""
    row = wire.order(ETH, replace(OPEN, status=status))
    assert (row["remaining_base_amount"], row["base_size"]) == ("0.0000", 0)
    assert (row["status"], row["filled_base_amount"]) == (status.value, "0.0040")


def test_a_trade() -> None:
    """A trade has signed positions before, and leaves out zero fees and unchanged signs."""
    row = wire.trade(ETH, TRADE)
    assert (row["size"], row["price"], row["usd_amount"]) == ("0.0008", "1913.99", "1.531192")
    assert row["maker_position_size_before"] == "-0.8843"
    assert row["taker_entry_quote_before"] == "81.879184"
    assert row["maker_fee"] == 28
    assert "taker_fee" not in row
    assert row["maker_position_sign_changed"] is True
    assert "taker_position_sign_changed" not in row


@pytest.mark.parametrize(
    ("lots", "sign", "size", "pnl"),
    [
        (20, 1, "0.00020", "-0.254360"),
        (-20, -1, "0.00020", "0.254360"),
        (0, 1, "0.00000", "0.000000"),
    ],
)
def test_a_position(lots: int, sign: int, size: str, pnl: str) -> None:
    """A position is a sign and an absolute size; a flat one has sign 1."""
    entry = 22_254_360 if lots else 0
    record = Position(market_id=1, lots=lots, entry_quote=entry, realized_pnl=0, imf=500)
    row = wire.position(BTC, wire.summary_of(BTC, record, 1_100_000, 3))
    assert (row["sign"], row["position"], row["open_order_count"]) == (sign, size, 3)
    assert row["unrealized_pnl"] == pnl
    assert row["avg_entry_price"] == ("111271.8" if lots else "0.0")
    assert row["initial_margin_fraction"] == "5.00"


def test_ratios() -> None:
    """Ratios have two digits and do not divide by zero or by a negative value."""
    assert wire.ratio_text(1, 3) == "33.33"
    assert wire.ratio_text(5, 2, 1) == "2.50"
    assert wire.ratio_text(5, 0) == "0.00"
    assert wire.ratio_text(5, -1) == "0.00"
