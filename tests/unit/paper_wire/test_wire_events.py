"""Tests of funding, liquidations and notifications as JSON objects."""

from lighter.models.liq_trade import LiqTrade
from lighter.models.liquidation import Liquidation as LiquidationModel
from lighter.models.position_funding import PositionFunding

from paper.markets import DEFAULT_MARKETS
from paper.records import AccountSummary, FundingPayment, Liquidation, Notification
from paper.wire_events import liquidation, notification, position_funding, rate_text, rfc3339

ETH, _, _ = DEFAULT_MARKETS
MONEY = AccountSummary(
    collateral=200_000_000,
    unrealized_pnl=-150_000_000,
    total_value=50_000_000,
    initial_margin=140_000_000,
    order_margin=0,
    maintenance_margin=60_000_000,
    available_balance=0,
    closeout_margin=40_000_000,
)
CLOSED = Liquidation(
    liquidation_id=7,
    account_index=42,
    market_id=0,
    takeover=False,
    is_ask=True,
    lots=10_000,
    quote=2_850_000_000,
    zero_price=284_000,
    mark_price=285_500,
    before=MONEY,
    after=MONEY,
    timestamp_ms=1_795_178_130_744,
)


def test_a_short_receives_what_longs_pay() -> None:
    """What the collateral gained is positive for who received; sizes are absolute."""
    payment = FundingPayment(3, 42, 0, 3_600_000, 13, -500, 300_000, -1_950)
    row = position_funding(ETH, payment)
    assert row == {
        "timestamp": 3600,
        "market_id": 0,
        "funding_id": 3,
        "change": "0.001950",
        "discount": "0.000000",
        "rate": "0.0013",
        "position_size": "0.0500",
        "position_side": "short",
    }
    assert PositionFunding.from_dict(row).position_side == "short"


def test_rates_are_percent_per_hour() -> None:
    """A rate in millionths is shown in percent with four digits."""
    assert [rate_text(rate) for rate in (0, 1, -13, 100_000)] == [
        *("0.0000", "0.0001", "-0.0013", "10.0000")
    ]


def test_a_liquidation_says_what_was_closed() -> None:
    """The trade names the account on the side that it closed, at the average price."""
    row = liquidation(ETH, CLOSED)
    assert LiquidationModel.from_dict(row).type == "partial"
    trade = row["trade"]
    assert set(trade) == set(LiqTrade.model_fields) - {"additional_properties"}
    assert (trade["price"], trade["size"]) == ("2850.00", "1.0000")
    assert (trade["ask_account_id"], trade["bid_account_id"]) == (42, 0)
    risk = row["info"]["risk_info_before"]["cross_risk_parameters"]
    assert risk["maintenance_margin_req"] == "60.000000"


def test_a_notice_is_acknowledged_once() -> None:
    """A notice carries what happened, and when its owner saw it."""
    notice = Notification(9, 42, 1_795_178_130_744, CLOSED)
    fresh, seen = notification(ETH, notice, None), notification(ETH, notice, 1_795_178_131_000)
    assert (fresh["id"], fresh["kind"], fresh["ack"]) == ("9", "liquidation", False)
    assert (fresh["acked_at"], seen["acked_at"]) == (None, "2026-11-20T12:35:31.000+00:00")
    assert fresh["content"]["avg_price"] == "2850.00"
    assert rfc3339(0) == "1970-01-01T00:00:00.000+00:00"
