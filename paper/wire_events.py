"""What happened to an account as the JSON objects of the exchange: funding, liquidations, notices.

The unit of `timestamp` in a funding row and of `executed_at` is not documented; here they are
seconds and milliseconds, as in the examples of apidocs.lighter.xyz.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from paper import wire
from paper.records import (
    AccountSummary,
    FundingPayment,
    Liquidation,
    MarketConfig,
    Notification,
    Position,
)

RATE_DECIMALS: Final = 4
"""Rates are percent per hour with four digits: a rate of 1e-6 is "0.0001"."""
CROSS: Final = 255
"""Market of the risk parameters of all cross positions together."""

Json = dict[str, Any]


def rate_text(rate: int) -> str:
    """Return a funding rate in 1e-6 as the percent that the exchange shows."""
    return wire.decimal_text(rate, RATE_DECIMALS)


def position_funding(market: MarketConfig, payment: FundingPayment) -> Json:
    """Return the PositionFunding object; `change` is what the collateral gained."""
    return {
        "timestamp": payment.timestamp_ms // 1000,
        "market_id": payment.market_id,
        "funding_id": payment.funding_id,
        "change": wire.money(-payment.paid),
        "discount": wire.money(0),
        "rate": rate_text(payment.rate),
        "position_size": wire.size_text(market, abs(payment.position_lots)),
        "position_side": "long" if payment.position_lots > 0 else "short",
    }


def liquidation(market: MarketConfig, record: Liquidation) -> Json:
    """Return the Liquidation object."""
    own, fund = ("ask_account_id", "bid_account_id")[:: 1 if record.is_ask else -1]
    mark = wire.price_text(market, record.mark_price)
    closed = Position(record.market_id, 0, 0, 0, market.default_imf)
    row = wire.position(market, wire.summary_of(market, closed, record.mark_price, 0))
    return {
        "id": record.liquidation_id,
        "market_id": record.market_id,
        "type": "deleverage" if record.takeover else "partial",
        "trade": {
            "price": _average_price(market, record),
            "size": wire.size_text(market, record.lots),
            "taker_fee": "0",
            "maker_fee": "0",
            "transaction_time": record.timestamp_ms * 1000,
            own: record.account_index,
            fund: 0,
        },
        "info": {
            "positions": [row],
            "risk_info_before": _risk(record.before),
            "risk_info_after": _risk(record.after),
            "mark_prices": {str(record.market_id): wire.number(mark)},
            "assets": [wire.asset(record.after.collateral)],
            "asset_index_prices": {},
        },
        "executed_at": record.timestamp_ms,
    }


def _average_price(market: MarketConfig, record: Liquidation) -> str:
    unit = market.quote(1, 1) * record.lots
    return wire.price_text(market, record.quote // unit if unit else 0)


def _risk(summary: AccountSummary) -> Json:
    cross = {
        "market_id": CROSS,
        "collateral": wire.money(summary.collateral),
        "total_account_value": wire.money(summary.total_value),
        "initial_margin_req": wire.money(summary.initial_margin),
        "maintenance_margin_req": wire.money(summary.maintenance_margin),
        "close_out_margin_req": wire.money(summary.closeout_margin),
        "total_account_liquidation_threshold": wire.money(0),
        "usdc_collateral_with_funding": wire.money(summary.collateral),
        "usdc_portfolio_value": wire.money(summary.total_value),
        "total_portfolio_value": wire.money(summary.total_value),
    }
    return {"cross_risk_parameters": cross, "isolated_risk_parameters": []}


def notification(market: MarketConfig, record: Notification, acked_ms: int | None) -> Json:
    """Return the notification object of a liquidation; `acked_ms` None: not acknowledged."""
    about = record.liquidation
    return {
        "id": str(record.notification_id),
        "created_at": rfc3339(record.created_ms),
        "kind": "deleverage" if about.takeover else "liquidation",
        "account_index": record.account_index,
        "content": {
            "id": str(about.liquidation_id),
            "is_ask": int(about.is_ask),
            "usdc_amount": wire.money(about.quote),
            "size": wire.size_text(market, about.lots),
            "market_index": about.market_id,
            "price": wire.price_text(market, about.zero_price),
            "timestamp": about.timestamp_ms,
            "avg_price": _average_price(market, about),
        },
        "ack": acked_ms is not None,
        "acked_at": None if acked_ms is None else rfc3339(acked_ms),
    }


def rfc3339(time_ms: int) -> str:
    """Return epoch milliseconds as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
