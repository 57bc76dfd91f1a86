"""The exchange's objects as its documentation and captured frames show them (sections 1.2 to 1.4).

Written from the fact sheet of the API: key sets, JSON types, numbers of decimals, units. What it
marks as a conflict of sources is accepted in each documented form. Fields beyond the sheet pass
only if the official SDK's model of the object knows them.
"""

from functools import cache

from lighter.models.account_asset import AccountAsset
from lighter.models.account_limits import AccountLimits
from lighter.models.account_position import AccountPosition
from lighter.models.detailed_account import DetailedAccount
from lighter.models.enriched_tx import EnrichedTx
from lighter.models.market_config import MarketConfig
from lighter.models.order import Order
from lighter.models.order_book import OrderBook
from lighter.models.perps_order_book_detail import PerpsOrderBookDetail
from lighter.models.resp_send_tx import RespSendTx
from lighter.models.resp_send_tx_batch import RespSendTxBatch
from lighter.models.simple_order import SimpleOrder
from lighter.models.trade import Trade
from lighter.models.tx import Tx

from tests.conformance.shapes import (
    Check,
    Shape,
    anything,
    decimal,
    decimals,
    either,
    exactly,
    flag,
    hash_text,
    integer,
    list_of,
    matching,
    ms,
    number,
    one_of,
    text,
    us,
)

QUOTE = decimals(6)
SIGNED_QUOTE = decimals(6, signed=True)
DIGITS = matching(r"[0-9]+", "digits")

ORDER_TYPES = (
    *("limit", "market", "stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit"),
    *("twap", "twap-sub", "liquidation"),
)
TIMES_IN_FORCE = ("good-till-time", "immediate-or-cancel", "post-only", "Unknown")
TRIGGER_STATUSES = ("na", "ready", "mark-price", "twap", "parent-order")
STATUSES = (
    *("in-progress", "pending", "open", "filled", "canceled", "canceled-post-only"),
    *("canceled-reduce-only", "canceled-position-not-allowed", "canceled-margin-not-allowed"),
    *("canceled-too-much-slippage", "canceled-not-enough-liquidity", "canceled-self-trade"),
    *("canceled-expired", "canceled-oco", "canceled-child", "canceled-liquidation"),
    "canceled-invalid-balance",
)
"""In the order of their documented numbers, 0 to 16."""

SIZE_DECIMALS = {0: 4, 1: 5}
PRICE_DECIMALS = {0: 2, 1: 1}
"""Of ETH (0) and BTC (1), section 9."""

ERROR = Shape("error", {"code": integer, "message": text})


def page(**fields: Check) -> Shape:
    """Return the shape of a list's body: code 200, the list, perhaps a message or a cursor."""
    return Shape("body", {"code": exactly(200), **fields}, {"message": text, "next_cursor": text})


# Answers to transactions

SEND_TX = Shape(
    "RespSendTx",
    {
        "code": exactly(200),
        "message": text,
        "tx_hash": hash_text,
        "predicted_execution_time_ms": ms,
        "volume_quota_remaining": either(exactly(None), integer),
    },
    model=RespSendTx,
)
SEND_TX_BATCH = Shape(
    "RespSendTxBatch",
    {**SEND_TX.fields, "tx_hash": list_of(hash_text, least=1)},
    model=RespSendTxBatch,
)
NEXT_NONCE = Shape("NextNonce", {"code": exactly(200), "nonce": integer})

TX = Shape(
    "Tx",
    {
        "hash": hash_text,
        "type": integer,
        "info": text,
        "event_info": text,
        "status": one_of(0, 1, 2, 3),
        "transaction_index": integer,
        "l1_address": text,
        "account_index": integer,
        "nonce": integer,
        "expire_at": ms,
        "block_height": integer,
        "queued_at": ms,
        "executed_at": integer,
        "sequence_index": integer,
        "parent_hash": text,
        "api_key_index": integer,
        "transaction_time": either(us, exactly(0)),
    },
    model=Tx,
)
ENRICHED_TX = Shape(
    "EnrichedTx",
    {"code": exactly(200), **TX.fields, "committed_at": integer, "verified_at": integer},
    model=EnrichedTx,
)


# Markets

ORDER_BOOK = Shape(
    "OrderBook",
    {
        "symbol": text,
        "market_id": integer,
        "market_type": one_of("perp", "spot", "binary_options"),
        "base_asset_id": integer,
        "quote_asset_id": integer,
        "status": one_of(
            "inactive", "active", "in-settlement", "waiting-for-settlement", "settled"
        ),
        "taker_fee": decimals(4),
        "maker_fee": decimals(4),
        "liquidation_fee": decimals(4),
        "min_base_amount": decimal,
        "min_quote_amount": QUOTE,
        "order_quote_limit": QUOTE,
        "supported_size_decimals": integer,
        "supported_price_decimals": integer,
        "supported_quote_decimals": exactly(6),
    },
    model=OrderBook,
)
MARKET_CONFIG = Shape(
    "market_config", {"force_reduce_only": flag, "trading_hours": text}, model=MarketConfig
)
ORDER_BOOK_DETAIL = Shape(
    "OrderBookDetail",
    {
        **ORDER_BOOK.fields,
        "size_decimals": integer,
        "price_decimals": integer,
        "quote_multiplier": integer,
        "default_initial_margin_fraction": integer,
        "min_initial_margin_fraction": integer,
        "maintenance_margin_fraction": integer,
        "closeout_margin_fraction": integer,
        "last_trade_price": number,
        "open_interest": number,
        "daily_trades_count": number,
        "daily_base_token_volume": number,
        "daily_quote_token_volume": number,
        "daily_price_low": number,
        "daily_price_high": number,
        "daily_price_change": number,
        "mark_price": decimal,
        "index_price": decimal,
        "market_config": MARKET_CONFIG,
    },
    model=PerpsOrderBookDetail,
)


@cache
def simple_order(market: int = 0) -> Shape:
    """Return the shape of a row of the public order list."""
    return Shape(
        "SimpleOrder",
        {
            "order_index": integer,
            "order_id": DIGITS,
            "owner_account_index": integer,
            "initial_base_amount": decimals(SIZE_DECIMALS[market]),
            "remaining_base_amount": decimals(SIZE_DECIMALS[market]),
            "price": decimals(PRICE_DECIMALS[market]),
            "order_expiry": integer,
            "transaction_time": us,
        },
        model=SimpleOrder,
    )


@cache
def order(market: int = 0) -> Shape:
    """Return the shape of an Order object (section 1.3).

    Times are milliseconds here: 2025's frames had seconds, those of 2026 have milliseconds.
    """
    size, price = decimals(SIZE_DECIMALS[market]), decimals(PRICE_DECIMALS[market])
    return Shape(
        "Order",
        {
            "order_index": integer,
            "client_order_index": integer,
            "order_id": DIGITS,
            "client_order_id": DIGITS,
            "market_index": exactly(market),
            "owner_account_index": integer,
            "initial_base_amount": size,
            "price": price,
            "nonce": integer,
            "remaining_base_amount": size,
            "is_ask": flag,
            "base_size": integer,
            "base_price": integer,
            "filled_base_amount": size,
            "filled_quote_amount": QUOTE,
            "side": text,
            "type": one_of(*ORDER_TYPES),
            "time_in_force": one_of(*TIMES_IN_FORCE),
            "reduce_only": flag,
            "trigger_price": price,
            "order_expiry": integer,
            "status": one_of(*STATUSES),
            "trigger_status": one_of(*TRIGGER_STATUSES),
            "trigger_time": integer,
            "parent_order_index": integer,
            "parent_order_id": DIGITS,
            "to_trigger_order_id_0": DIGITS,
            "to_trigger_order_id_1": DIGITS,
            "to_cancel_order_id_0": DIGITS,
            "block_height": integer,
            "timestamp": ms,
            "created_at": ms,
            "updated_at": ms,
            "transaction_time": us,
        },
        model=Order,
    )


@cache
def trade(market: int = 0) -> Shape:
    """Return the shape of a Trade object (section 1.4); fees are left out when zero."""
    size, signed_size = (decimals(SIZE_DECIMALS[market], signed=s) for s in (False, True))
    return Shape(
        "Trade",
        {
            "trade_id": integer,
            "trade_id_str": DIGITS,
            "tx_hash": hash_text,
            "type": one_of("trade", "liquidation", "deleverage", "market-settlement"),
            "market_id": exactly(market),
            "size": size,
            "price": decimals(PRICE_DECIMALS[market]),
            "usd_amount": QUOTE,
            "ask_id": integer,
            "ask_id_str": DIGITS,
            "bid_id": integer,
            "bid_id_str": DIGITS,
            "ask_client_id": integer,
            "ask_client_id_str": DIGITS,
            "bid_client_id": integer,
            "bid_client_id_str": DIGITS,
            "ask_account_id": integer,
            "bid_account_id": integer,
            "is_maker_ask": flag,
            "block_height": integer,
            "timestamp": ms,
            "taker_position_size_before": signed_size,
            "taker_entry_quote_before": SIGNED_QUOTE,
            "taker_initial_margin_fraction_before": integer,
            "maker_position_size_before": signed_size,
            "maker_entry_quote_before": SIGNED_QUOTE,
            "maker_initial_margin_fraction_before": integer,
            "transaction_time": us,
        },
        optional={"taker_fee": integer, "maker_fee": integer},
        model=Trade,
    )


# Accounts


@cache
def position(market: int = 0) -> Shape:
    """Return the shape of an AccountPosition; `position` is absolute, `sign` has the direction."""
    return Shape(
        "AccountPosition",
        {
            "market_id": exactly(market),
            "symbol": text,
            "initial_margin_fraction": decimals(2),
            "open_order_count": integer,
            "pending_order_count": integer,
            "position_tied_order_count": integer,
            "sign": one_of(1, -1),
            "position": decimals(SIZE_DECIMALS[market]),
            "avg_entry_price": decimal,
            "position_value": decimal,
            "unrealized_pnl": decimal,
            "realized_pnl": decimal,
            "liquidation_price": decimal,
            "margin_mode": one_of(0, 1),
            "allocated_margin": decimal,
        },
        optional={"total_funding_paid_out": decimal},
        model=AccountPosition,
    )


ASSET = Shape(
    "AccountAsset",
    {
        "symbol": text,
        "asset_id": integer,
        "balance": decimal,
        "locked_balance": decimal,
        "margin_balance": decimal,
        "margin_mode": one_of("enabled", "disabled"),
        "multiplier": decimal,
    },
    model=AccountAsset,
)
ACCOUNT = Shape(
    "DetailedAccount",
    {
        "account_type": integer,
        "account_trading_mode": one_of(0, 1),
        "index": integer,
        "account_index": integer,
        "l1_address": text,
        "cancel_all_time": integer,
        "total_order_count": integer,
        "total_isolated_order_count": integer,
        "pending_order_count": integer,
        "available_balance": decimal,
        "status": integer,
        "collateral": decimal,
        "positions": list_of(anything),
        "assets": list_of(ASSET, least=1),
        "total_asset_value": decimal,
        "cross_asset_value": decimal,
        "cross_initial_margin_requirement": decimal,
        "cross_maintenance_margin_requirement": decimal,
        "shares": list_of(anything),
        "pending_unlocks": list_of(anything),
        "created_at": integer,
        "transaction_time": integer,
    },
    model=DetailedAccount,
)
ACCOUNT_LIMITS = Shape(
    "AccountLimits",
    {
        "code": exactly(200),
        "max_llp_percentage": integer,
        "user_tier": text,
        "user_tier_name": text,
        "can_create_public_pool": flag,
        "max_llp_amount": decimal,
        "current_maker_fee_tick": integer,
        "current_taker_fee_tick": integer,
        "effective_lit_stakes": decimal,
        "leased_lit": decimal,
    },
    model=AccountLimits,
)


# WebSocket frames


def frame(family: str, channel: str, kind: str = "update", /, **body: object) -> Shape:
    """Return the shape of a frame: `channel`, `type`, the body's keys and nothing else."""
    fields = {"channel": exactly(channel), "type": exactly(f"{kind}/{family}"), **body}
    return Shape(f"{kind}/{family}", fields)  # type: ignore[arg-type]


def level(market: int = 0) -> Shape:
    """Return the shape of a price level."""
    return Shape(
        "level",
        {"price": decimals(PRICE_DECIMALS[market]), "size": decimals(SIZE_DECIMALS[market])},
    )
