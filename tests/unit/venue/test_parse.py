"""Parsers against whole envelopes of the venue."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedge.core.amounts import Side
from hedge.core.records import OrderStatus
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.parse import VenueParseError
from hedge.exchange.port import AccountView, OrderElsewhere, TxStatus
from tests.unit.venue.fakes import BTC, ETH
from tests.unit.venue.payloads import payload

SELLER, BUYER, OWNER = 708516, 326677, 280459


def _trade() -> dict[str, Any]:
    trade: dict[str, Any] = payload("ws_trades_update")["trades"]["0"][0]
    return trade


def test_the_maker_leg_of_a_trade() -> None:
    """The seller, maker here, gets its own order, client id and position before."""
    (leg,) = parse.trades_of(payload("ws_trades_update")["trades"], ETH, SELLER)
    assert leg.trade_id == 26280867773
    assert (leg.side, leg.size_lots, leg.price_ticks) == (Side.SELL, 8, 191_399)
    assert leg.quote_micros == 1_531_192
    assert (leg.order_index, leg.client_order_index) == (281477536273316, 2145634480)
    assert leg.is_maker
    assert leg.position_before_lots == 8843
    assert leg.time_ms == 1785252546746
    assert leg.kind == "trade"


def test_the_taker_leg_of_a_trade() -> None:
    """The buyer, taker here, gets the taker's position before and no client id."""
    (leg,) = parse.trades_of(payload("ws_trades_update")["trades"], ETH, BUYER)
    assert (leg.side, leg.is_maker) == (Side.BUY, False)
    assert (leg.client_order_index, leg.position_before_lots) == (0, 432)


def test_a_self_trade_has_two_legs_without_positions() -> None:
    """An account that met itself has both legs, and neither claims a position before."""
    trade = _trade() | {"bid_account_id": SELLER}
    sell, buy = parse.trade_legs(trade, ETH, SELLER)
    assert (sell.side, buy.side) == (Side.SELL, Side.BUY)
    assert sell.position_before_lots is None
    assert buy.position_before_lots is None
    assert sell.signed_lots + buy.signed_lots == 0


def test_a_missing_position_before_is_unknown() -> None:
    """A position that the venue leaves out is None, not zero."""
    trade = _trade()
    del trade["maker_position_size_before"]
    (leg,) = parse.trade_legs(trade, ETH, SELLER)
    assert leg.position_before_lots is None


def test_a_missing_quote_amount_is_computed() -> None:
    """Without usd_amount the quote is size times price."""
    trade = _trade()
    del trade["usd_amount"]
    (leg,) = parse.trade_legs(trade, ETH, SELLER)
    assert leg.quote_micros == 1_531_192


@pytest.mark.parametrize("container", [[_trade()], {"0": [_trade()]}, {"0": _trade()}])
def test_trades_come_as_list_or_map(container: object) -> None:
    """A list and a map of market to trades say the same."""
    assert len(parse.trades_of(container, ETH, SELLER)) == 1


def test_other_markets_and_accounts_are_skipped_unread() -> None:
    """A trade of another market may look like anything; one of strangers has no leg."""
    assert parse.trades_of([{"market_id": 9, "size": None}], ETH, SELLER) == ()
    assert parse.trades_of([_trade()], ETH, 1) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("market_id", "0"),
        ("trade_id", None),
        ("trade_id", 1.0),
        ("size", 0.0008),
        ("size", "0.00081"),
        ("size", "0.0000"),
        ("size", "-0.0008"),
        ("size", "NaN"),
        ("price", None),
        ("ask_account_id", True),
        ("is_maker_ask", 1),
        ("ask_client_id", "seven"),
        ("ask_client_id", 1.0),
        ("ask_client_id", "1" * 5000),
        ("size", "1" * 5000),
        ("price", "9e999999"),
    ],
)
def test_a_malformed_trade_raises_and_names_the_field(field: str, value: object) -> None:
    """Every field that money depends on is checked, and the error says which it was."""
    with pytest.raises(VenueParseError) as caught:
        parse.trades_of([_trade() | {field: value}], ETH, SELLER)
    assert caught.value.field == field


def test_an_open_order() -> None:
    """A resting order of 2025 with times in seconds."""
    (row,) = parse.orders_of(payload("ws_orders_snapshot")["orders"], BTC, OWNER)
    assert (row.order_index, row.client_order_index) == (844424539493200, 0)
    assert (row.side, row.initial_lots, row.filled_lots) == (Side.BUY, 20, 0)
    assert (row.price_ticks, row.status) == (1_112_718, OrderStatus.OPEN)
    assert not row.is_terminal
    assert row.updated_ms == 1761297805000


def test_a_finished_order_keeps_what_it_filled() -> None:
    """A cut order is terminal, keeps its fill, and is ordered by its transaction time."""
    (row,) = parse.orders_of(payload("ws_orders_update")["orders"], BTC, OWNER)
    assert row.is_terminal
    assert (row.filled_lots, row.updated_ms) == (15, 1785252546746)


def test_a_cancellation_for_an_unknown_reason_is_one_all_the_same() -> None:
    """A new reason for a cancel must not make the whole list of orders unreadable."""
    row = payload("ws_orders_update")["orders"]["1"][0] | {"status": "canceled-by-moon"}
    assert parse.order_row(row, BTC).status is OrderStatus.CANCELED


def test_an_unknown_order_status_raises() -> None:
    """A status that the program does not know is an error, never a guess."""
    row = payload("ws_orders_update")["orders"]["1"][0] | {"status": "eclipsed"}
    with pytest.raises(VenueParseError) as caught:
        parse.orders_of([row], BTC, OWNER)
    assert caught.value.field == "status"
    assert parse.orders_of([row | {"market_index": 3}], BTC, OWNER) == ()
    assert parse.orders_of([row | {"owner_account_index": 3}], BTC, OWNER) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1761297805, 1761297805000),
        (1761297805123, 1761297805123),
        (1761297805123456, 1761297805123),
    ],
)
def test_times_of_all_three_units(value: int, expected: int) -> None:
    """Seconds, milliseconds and microseconds are told apart by magnitude."""
    assert parse.to_ms(value, "t") == expected


@pytest.mark.parametrize(
    ("fields", "fraction", "isolated"),
    [
        ({"initial_margin_fraction": "100.00"}, 10_000, False),
        ({"initial_margin_fraction": "50.00", "margin_mode": 1}, 5_000, True),
        ({"initial_margin_fraction": "-1"}, 0, False),
        ({"initial_margin_fraction": "much"}, 0, False),
        ({"initial_margin_fraction": None}, 0, False),
    ],
)
def test_the_leverage_of_an_account(fields: dict[str, Any], fraction: int, isolated: bool) -> None:
    """At 1x a position binds all of its value; what cannot be read says nothing."""
    body = payload("rest_account")
    (account,) = body["accounts"]
    for position in account["positions"]:
        position.update(fields)
    view = parse.account_view(body, BTC, OWNER)
    assert (view.margin_fraction, view.is_isolated) == (fraction, isolated)


def test_account_view() -> None:
    """Margin in micros, and size as sign times position."""
    body = payload("rest_account")
    view = parse.account_view(body, BTC, OWNER)
    assert view == AccountView(99_876_543_210, 100_000_000_000, -20, 200)
    assert parse.account_view(body, ETH, OWNER).position_lots == 0
    assert parse.account_view(body, replace(ETH, market_index=5), OWNER).position_lots == 0


@pytest.mark.parametrize("positions", [None, "", 0])
def test_an_account_without_a_list_of_positions_is_not_flat(positions: object) -> None:
    """A missing list of positions is unknown, never flat."""
    body = payload("rest_account")
    body["accounts"][0]["positions"] = positions
    with pytest.raises(VenueParseError) as caught:
        parse.account_view(body, BTC, OWNER)
    assert caught.value.field == "positions"
    with pytest.raises(VenueParseError):
        parse.account_view({"accounts": []}, BTC, OWNER)


def test_positions_of_other_markets_have_sign_symbol_and_size() -> None:
    """Flat ones and our own market are left out; what is no number is an error, not flat."""
    body = payload("rest_account")
    assert parse.positions_elsewhere(body, BTC, OWNER) == ()
    (other,) = parse.positions_elsewhere(body, ETH, OWNER)
    assert (other.market_index, other.symbol) == (1, "BTC")
    assert other.base_amount == Decimal("-0.00020")
    for size in ("x", "NaN", None):
        body["accounts"][0]["positions"][0]["position"] = size
        with pytest.raises(VenueParseError):
            parse.positions_elsewhere(body, ETH, OWNER)


def test_orders_of_other_markets_are_told_by_their_client_ids() -> None:
    """Our own market's are left to the fence; another account's are none of ours."""
    rows = [
        {"market_index": 0, "client_order_index": 5, "owner_account_index": OWNER},
        {"market_index": 1, "client_order_index": "6"},
        {"market_index": 1, "client_order_index": 7, "owner_account_index": 1},
    ]
    assert parse.orders_elsewhere(rows, ETH, OWNER) == (OrderElsewhere(1, 6),)
    with pytest.raises(VenueParseError):
        parse.orders_elsewhere([{"market_index": None}], ETH, OWNER)


def test_a_position_with_a_strange_sign_raises() -> None:
    """A sign other than 1 and -1 is an error."""
    body = payload("rest_account")
    body["accounts"][0]["positions"][0]["sign"] = 0
    with pytest.raises(VenueParseError):
        parse.account_view(body, BTC, OWNER)


@pytest.mark.parametrize(
    "text",
    ["9e999999", "1e5000", "-1e5000", "1e25", "1" * 5000, "NaN", "sNaN", "Infinity", "", "x", 1.5],
)
def test_an_amount_beyond_all_reason_raises(text: object) -> None:
    """Neither arithmetic nor a later `str()` may fail over what the venue calls an amount."""
    with pytest.raises(VenueParseError) as caught:
        parse.floor_micros(text, "available_balance")
    assert caught.value.field == "available_balance"


def test_amounts_are_rounded_down() -> None:
    """Less than a micro is nothing, and a debt is never shown too small."""
    assert parse.floor_micros("1.9999999", "x") == 1_999_999
    assert parse.floor_micros("1e-5000", "x") == 0
    assert parse.floor_micros("-1e-5000", "x") == -1


def test_transactions_tell_their_fate() -> None:
    """Included is executed, unless the action's own error is set."""
    good, bad = (parse.tx_seen(row) for row in payload("ws_account_tx")["txs"])
    assert (good.status, good.error) == (TxStatus.EXECUTED, "")
    assert (bad.status, bad.error) == (TxStatus.FAILED, "AppErrInvalidOrderIndex")
    row = payload("ws_account_tx")["txs"][0]
    assert parse.tx_seen(row | {"status": 3, "executed_at": 0}).status is TxStatus.PENDING
    assert parse.tx_seen(row | {"status": 3, "executed_at": 9}).status is TxStatus.EXECUTED
    failed = row | {"status": 3, "executed_at": 9, "event_info": '{"ae":"AppErr"}'}
    assert parse.tx_seen(failed).status is TxStatus.FAILED
    assert parse.tx_seen(row | {"event_info": "not json"}).status is TxStatus.EXECUTED
    with pytest.raises(VenueParseError):
        parse.tx_seen(row | {"status": 9})


def test_market_spec() -> None:
    """Limits and decimals of a market are read from the venue's own text."""
    eth, btc, _ = payload("rest_order_book_details")["order_book_details"]
    assert parse.market_spec(eth) == ETH
    assert parse.market_spec(btc) == BTC


def test_a_null_position_is_not_a_flat_one() -> None:
    """Nothing is read out of a row that is not there."""
    with pytest.raises(VenueParseError):
        parse.position_of({"0": None}, BTC)


def test_a_null_list_is_not_an_empty_list() -> None:
    """A list that is null or missing raises."""
    with pytest.raises(VenueParseError):
        parse.rows_of({"orders": None}, "orders")
    with pytest.raises(VenueParseError):
        parse.rows_of({}, "orders")
    with pytest.raises(VenueParseError):
        parse.rows_of({"orders": [1]}, "orders")
    assert parse.rows_of({"orders": []}, "orders") == []


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("ask_client_id", "7", "client_order_index", 7),
        ("ask_client_id", "", "client_order_index", 0),
        ("maker_position_size_before", "", "position_before_lots", None),
        ("maker_position_size_before", "0.88431", "position_before_lots", None),
        ("timestamp", 0, "time_ms", 1785252546746),
        ("timestamp", "1785252546746", "time_ms", 1785252546746),
        ("usd_amount", 1.5, "quote_micros", 1531192),
        ("usd_amount", "", "quote_micros", 1531192),
        ("type", None, "kind", "trade"),
    ],
)
def test_a_field_that_no_hedge_needs_never_hides_a_trade(
    field: str, value: object, attribute: str, expected: object
) -> None:
    """An odd optional field of a fill must not make it unreadable: it would stay unhedged."""
    (leg,) = parse.trades_of([_trade() | {field: value}], ETH, SELLER)
    assert getattr(leg, attribute) == expected
