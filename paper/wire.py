"""Engine records as the JSON objects of the exchange: orders, trades, positions, accounts.

Pure functions. Amounts become decimal strings with the market's own number of digits, money has
six digits, `timestamp` is epoch milliseconds and `transaction_time` microseconds, as in
apidocs.lighter.xyz, "WebSocket reference" and "Data structures, constants and errors".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from paper.records import (
    RATIO,
    Account,
    AccountSummary,
    MarketConfig,
    Order,
    OrderStatus,
    Position,
    PositionSummary,
    Trade,
    Tx,
)

QUOTE_DECIMALS: Final = 6
USDC_ASSET_ID: Final = 3

_UNFINISHED: Final = (OrderStatus.OPEN, OrderStatus.IN_PROGRESS, OrderStatus.PENDING)
_ONE_MICRO: Final = 10**QUOTE_DECIMALS

Json = dict[str, Any]

_PLAIN_ORDER: Final[Json] = {
    "trigger_status": "na",
    "trigger_time": 0,
    "parent_order_index": 0,
    "parent_order_id": "0",
    "to_trigger_order_id_0": "0",
    "to_trigger_order_id_1": "0",
    "to_cancel_order_id_0": "0",
    "integrator_fee_collector_index": "0",
    "integrator_taker_fee": "0",
    "integrator_maker_fee": "0",
    "order_flags": 0,
}
"""What an order without triggers, parents and integrators says about them."""


def decimal_text(value: int, decimals: int) -> str:
    """Return `value` / 10^decimals exactly, with `decimals` digits after the point."""
    if decimals == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def money(micros: int) -> str:
    """Return an amount of the quote asset as a decimal string."""
    return decimal_text(micros, QUOTE_DECIMALS)


def number(text: str) -> float:
    """Return a decimal string as the JSON number that a few display fields are."""
    return float(Decimal(text))


def size_text(market: MarketConfig, lots: int) -> str:
    """Return a size of `market` as a decimal string."""
    return decimal_text(lots, market.size_decimals)


def price_text(market: MarketConfig, ticks: int) -> str:
    """Return a price of `market` as a decimal string."""
    return decimal_text(ticks, market.price_decimals)


def percent_text(ratio_1e4: int) -> str:
    """Return a fraction in 1e-4 as percent with two digits ("5.00")."""
    return decimal_text(ratio_1e4, 2)


def ratio_text(part: int, whole: int, scale: int = 100) -> str:
    """Return scale x part / whole with two digits, rounded down; "0.00" without a whole."""
    return decimal_text(part * scale * 100 // whole, 2) if whole > 0 else "0.00"


def order(market: MarketConfig, record: Order) -> Json:
    """Return the Order object; a finished order has nothing remaining."""
    remaining = record.remaining_lots if record.status in _UNFINISHED else 0
    return {
        "order_index": record.order_index,
        "client_order_index": record.client_order_index,
        "order_id": str(record.order_index),
        "client_order_id": str(record.client_order_index),
        "market_index": record.market_id,
        "owner_account_index": record.account_index,
        "initial_base_amount": size_text(market, record.initial_lots),
        "price": price_text(market, record.price),
        "nonce": record.nonce,
        "remaining_base_amount": size_text(market, remaining),
        "is_ask": record.is_ask,
        "base_size": remaining,
        "base_price": record.price,
        "filled_base_amount": size_text(market, record.filled_lots),
        "filled_quote_amount": money(record.filled_quote),
        "side": "",
        "type": record.type.wire,
        "time_in_force": record.time_in_force.wire,
        "reduce_only": record.reduce_only,
        "trigger_price": price_text(market, 0),
        "order_expiry": record.order_expiry,
        "status": record.status.value,
        **_PLAIN_ORDER,
        "order_version": record.version,
        "market_symbol": market.symbol,
        "market_kind": "perps",
        "block_height": record.block_height,
        "timestamp": record.updated_ms,
        "created_at": record.created_ms,
        "updated_at": record.updated_ms,
        "transaction_time": record.transaction_us,
    }


def simple_order(market: MarketConfig, record: Order) -> Json:
    """Return the SimpleOrder object of the public order list."""
    return {
        "order_index": record.order_index,
        "order_id": str(record.order_index),
        "owner_account_index": record.account_index,
        "initial_base_amount": size_text(market, record.initial_lots),
        "remaining_base_amount": size_text(market, record.remaining_lots),
        "price": price_text(market, record.price),
        "order_expiry": record.order_expiry,
        "transaction_time": record.transaction_us,
    }


def trade(market: MarketConfig, record: Trade) -> Json:
    """Return the Trade object; fees of zero and unchanged signs are left out, as on the wire."""
    return {
        "trade_id": record.trade_id,
        "trade_id_str": str(record.trade_id),
        "tx_hash": record.tx_hash,
        "type": record.kind.value,
        "market_id": record.market_id,
        "size": size_text(market, record.lots),
        "price": price_text(market, record.price),
        "usd_amount": money(record.quote),
        "ask_id": record.ask_order_index,
        "ask_id_str": str(record.ask_order_index),
        "bid_id": record.bid_order_index,
        "bid_id_str": str(record.bid_order_index),
        "ask_client_id": record.ask_client_order_index,
        "ask_client_id_str": str(record.ask_client_order_index),
        "bid_client_id": record.bid_client_order_index,
        "bid_client_id_str": str(record.bid_client_order_index),
        "ask_account_id": record.ask_account_index,
        "bid_account_id": record.bid_account_index,
        "is_maker_ask": record.is_maker_ask,
        "block_height": record.block_height,
        "timestamp": record.timestamp_ms,
        "taker_position_size_before": size_text(market, record.taker_position_before),
        "taker_entry_quote_before": money(record.taker_entry_quote_before),
        "taker_initial_margin_fraction_before": record.taker_imf_before,
        "maker_position_size_before": size_text(market, record.maker_position_before),
        "maker_entry_quote_before": money(record.maker_entry_quote_before),
        "maker_initial_margin_fraction_before": record.maker_imf_before,
        "transaction_time": record.transaction_us,
        **{name: value for name, value in _rare_trade_fields(record) if value},
    }


def trade_pnl(record: Trade, account_index: int) -> Json:
    """Return what a trade realized for the account that asked, where it realized anything."""
    sides = {
        "ask_account_pnl": (record.ask_account_index, record.ask_pnl),
        "bid_account_pnl": (record.bid_account_index, record.bid_pnl),
    }
    return {
        name: money(pnl) for name, (owner, pnl) in sides.items() if owner == account_index and pnl
    }


def _rare_trade_fields(record: Trade) -> tuple[tuple[str, int], ...]:
    return (
        ("taker_fee", record.taker_fee),
        ("maker_fee", record.maker_fee),
        ("taker_position_sign_changed", record.taker_sign_changed),
        ("maker_position_sign_changed", record.maker_sign_changed),
    )


def position(
    market: MarketConfig, summary: PositionSummary, liquidation_price: int | None = None
) -> Json:
    """Return the AccountPosition object; a flat one has sign 1, so read sign x position.

    `liquidation_price` is in ticks, None when no price liquidates.
    """
    record = summary.position
    entry_ticks = summary.avg_entry_price_micros * 10**market.price_decimals // _ONE_MICRO
    return {
        "market_id": market.market_id,
        "symbol": market.symbol,
        "initial_margin_fraction": percent_text(record.imf),
        "open_order_count": summary.open_order_count,
        "pending_order_count": 0,
        "position_tied_order_count": 0,
        "sign": -1 if record.lots < 0 else 1,
        "position": size_text(market, abs(record.lots)),
        "avg_entry_price": price_text(market, entry_ticks),
        "position_value": money(summary.value),
        "unrealized_pnl": money(summary.unrealized_pnl),
        "realized_pnl": money(record.realized_pnl),
        "total_funding_paid_out": money(record.funding_paid),
        "liquidation_price": (
            "0" if liquidation_price is None else price_text(market, liquidation_price)
        ),
        "margin_mode": 0,
        "margin_set_flag": int(record.margin_set),
        "allocated_margin": money(0),
    }


def summary_of(
    market: MarketConfig, record: Position, mark_price: int, open_order_count: int
) -> PositionSummary:
    """Return the derived values of `record` at `mark_price` (ticks)."""
    size = abs(record.lots)
    value = market.quote(size, mark_price)
    gain = value - record.entry_quote
    entry = record.entry_quote * 10**market.size_decimals // size if size else 0
    return PositionSummary(
        position=record,
        value=value,
        unrealized_pnl=gain if record.lots >= 0 else -gain,
        initial_margin=-(-value * record.imf // RATIO),
        avg_entry_price_micros=entry,
        open_order_count=open_order_count,
    )


def asset(collateral: int) -> Json:
    """Return the AccountAsset object of the USDC balance."""
    return {
        "symbol": "USDC",
        "asset_id": USDC_ASSET_ID,
        "balance": money(collateral),
        "locked_balance": money(0),
        "margin_balance": money(collateral),
        "margin_mode": "enabled",
        "multiplier": "1.000000000000000000",
    }


def detailed_account(
    account: Account, summary: AccountSummary, positions: list[Json], active_orders: int
) -> Json:
    """Return the DetailedAccount object; `positions` are its AccountPosition objects."""
    return {
        "code": 0,
        "account_type": 0,
        "account_trading_mode": 0,
        "index": account.index,
        "account_index": account.index,
        "l1_address": account.master,
        "cancel_all_time": account.cancel_all_time,
        "total_order_count": active_orders,
        "total_isolated_order_count": 0,
        "pending_order_count": 0,
        "available_balance": money(summary.available_balance),
        "status": 1,
        "collateral": money(account.collateral),
        "transaction_time": 0,
        "name": "",
        "description": "",
        "can_invite": False,
        "referral_points_percentage": "",
        "positions": positions,
        "assets": [asset(account.collateral)],
        "total_asset_value": money(summary.total_value),
        "cross_asset_value": money(summary.total_value),
        "cross_initial_margin_requirement": money(summary.initial_margin),
        "cross_maintenance_margin_requirement": money(summary.maintenance_margin),
        "shares": [],
        "pending_unlocks": [],
        "created_at": account.created_ms,
    }


def user_stats(summary: AccountSummary, exposure: int, default_imf: int) -> Json:
    """Return the `stats` object; `exposure` is the value of all positions in micros."""
    numbers = {
        "collateral": money(summary.collateral),
        "portfolio_value": money(summary.total_value),
        "leverage": ratio_text(exposure, summary.total_value, 1),
        "available_balance": money(summary.available_balance),
        "margin_usage": ratio_text(summary.initial_margin, summary.total_value),
        "buying_power": money(summary.available_balance * 10_000 // default_imf),
    }
    return {
        **numbers,
        "account_trading_mode": 0,
        "cross_stats": dict(numbers),
        "total_stats": dict(numbers),
    }


def transaction(record: Tx, l1_address: str) -> Json:
    """Return the Tx object; times in epoch milliseconds, `transaction_time` in microseconds."""
    return {
        "hash": record.hash,
        "type": record.type,
        "info": record.info,
        "event_info": record.event_info,
        "status": record.status.value,
        "transaction_index": record.sequence_index,
        "l1_address": l1_address,
        "account_index": record.account_index,
        "nonce": record.nonce,
        "expire_at": record.expire_at,
        "block_height": record.block_height,
        "queued_at": record.queued_ms,
        "executed_at": record.executed_ms,
        "sequence_index": record.sequence_index,
        "parent_hash": "",
        "api_key_index": record.api_key_index,
        "transaction_time": record.executed_ms * 1000,
    }


def enriched_transaction(record: Tx, l1_address: str) -> Json:
    """Return the EnrichedTx object."""
    return {
        "code": 200,
        **transaction(record, l1_address),
        "committed_at": 0,
        "verified_at": 0,
    }
