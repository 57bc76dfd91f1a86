"""Immutable records of the paper exchange: configuration, orders, trades, accounts, events.

Units, everywhere in `paper/`: sizes are **lots** (size x 10^size_decimals), prices are **ticks**
(price x 10^price_decimals), money is **micros** of the quote asset (USDC x 10^6). All integers.
"""

from __future__ import annotations

from dataclasses import dataclass

from paper.accounts import (
    Account,
    AccountSummary,
    AccountTier,
    ApiKey,
    FundingPayment,
    Liquidation,
    Notification,
    Position,
    PositionSummary,
)
from paper.enums import (
    FEE_RATIO,
    HOUSE_FIRST,
    HOUSE_INSURANCE,
    HOUSE_LADDER,
    HOUSE_LAST,
    HOUSE_MAKER,
    HOUSE_TAKER,
    ORDER_INDEX_BASE,
    RATIO,
    Health,
    OrderStatus,
    OrderType,
    SelfTrade,
    Tier,
    TimeInForce,
    TradeKind,
    TxStatus,
    TxType,
    is_house,
)
from paper.marketconfig import QUOTE_DECIMALS, MarketConfig

__all__ = [
    "FEE_RATIO",
    "HOUSE_FIRST",
    "HOUSE_INSURANCE",
    "HOUSE_LADDER",
    "HOUSE_LAST",
    "HOUSE_MAKER",
    "HOUSE_TAKER",
    "ORDER_INDEX_BASE",
    "QUOTE_DECIMALS",
    "RATIO",
    "Accepted",
    "Account",
    "AccountSummary",
    "AccountTier",
    "ApiKey",
    "BookLevelChanged",
    "CollateralChanged",
    "EngineEvent",
    "FundingPaid",
    "FundingPayment",
    "Health",
    "HouseStep",
    "Liquidated",
    "Liquidation",
    "MarketConfig",
    "Notification",
    "Notified",
    "Order",
    "OrderChanged",
    "OrderStatus",
    "OrderType",
    "Position",
    "PositionChanged",
    "PositionSummary",
    "Quote",
    "SelfTrade",
    "Tier",
    "TimeInForce",
    "Trade",
    "TradeHappened",
    "TradeKind",
    "Tx",
    "TxChanged",
    "TxStatus",
    "TxType",
    "is_house",
]


@dataclass(frozen=True, slots=True)
class Order:
    """One order as of one moment; a change makes a new record."""

    order_index: int
    client_order_index: int
    account_index: int
    market_id: int
    is_ask: bool
    type: OrderType
    time_in_force: TimeInForce
    reduce_only: bool
    price: int
    initial_lots: int
    remaining_lots: int
    """What may still be filled; 0 once the order has ended."""
    filled_lots: int
    filled_quote: int
    status: OrderStatus
    order_expiry: int
    nonce: int
    """Order nonce, which gives time priority: asks count up from 1, bids down from 2^48 - 1. It is
    part of the order index at first; a modified order gets a new one and keeps its index."""
    tx_hash: str
    tx_nonce: int
    api_key_index: int
    created_ms: int
    updated_ms: int
    transaction_us: int
    """Time of the last change in microseconds; unique and growing over all orders and trades."""
    block_height: int
    version: int = 0
    """Highest order version (attribute 8) of the transactions that made it; 0 for none."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One match of two orders. Fee rates in 1e-6; `*_before` describe the moment before it."""

    trade_id: int
    tx_hash: str
    market_id: int
    lots: int
    price: int
    quote: int
    ask_order_index: int
    bid_order_index: int
    ask_client_order_index: int
    bid_client_order_index: int
    ask_account_index: int
    bid_account_index: int
    is_maker_ask: bool
    taker_fee: int
    maker_fee: int
    taker_position_before: int
    """Signed lots."""
    taker_entry_quote_before: int
    """Micros, never negative."""
    taker_imf_before: int
    maker_position_before: int
    maker_entry_quote_before: int
    maker_imf_before: int
    taker_sign_changed: bool
    maker_sign_changed: bool
    ask_pnl: int
    bid_pnl: int
    timestamp_ms: int
    transaction_us: int
    block_height: int
    kind: TradeKind = TradeKind.TRADE

    @property
    def taker_account_index(self) -> int:
        """Account whose order came last."""
        return self.bid_account_index if self.is_maker_ask else self.ask_account_index

    @property
    def maker_account_index(self) -> int:
        """Account whose order was resting."""
        return self.ask_account_index if self.is_maker_ask else self.bid_account_index


@dataclass(frozen=True, slots=True)
class Tx:
    """One accepted transaction as of one moment."""

    hash: str
    type: int
    info: str
    """The JSON text as it was submitted."""
    event_info: str
    """JSON text of the outcome; empty while pending."""
    status: TxStatus
    account_index: int
    api_key_index: int
    nonce: int
    sequence_index: int
    """Grows by one with each acceptance."""
    queued_ms: int
    due_ms: int
    """Execution happens at the first `Engine.advance` at or after this time."""
    executed_ms: int
    expire_at: int
    block_height: int


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order of a user account appeared, was filled in part, or ended."""

    seq: int
    mono_ns: int
    order: Order


@dataclass(frozen=True, slots=True)
class TradeHappened:
    """A trade happened (of any accounts)."""

    seq: int
    mono_ns: int
    trade: Trade


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """The position of a user account changed; comes before the trade that changed it."""

    seq: int
    mono_ns: int
    account_index: int
    position: Position


@dataclass(frozen=True, slots=True)
class CollateralChanged:
    """The collateral (micros) of a user account changed."""

    seq: int
    mono_ns: int
    account_index: int
    collateral: int


@dataclass(frozen=True, slots=True)
class TxChanged:
    """A transaction was accepted, executed or failed."""

    seq: int
    mono_ns: int
    tx: Tx


@dataclass(frozen=True, slots=True)
class BookLevelChanged:
    """The total size of one price level changed; 0 lots means that the level is gone."""

    seq: int
    mono_ns: int
    market_id: int
    is_ask: bool
    price: int
    lots: int


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """A user account paid or received funding; its position and collateral events come first."""

    seq: int
    mono_ns: int
    payment: FundingPayment


@dataclass(frozen=True, slots=True)
class Liquidated:
    """A position of a user account was closed by the exchange; comes after the trades."""

    seq: int
    mono_ns: int
    liquidation: Liquidation


@dataclass(frozen=True, slots=True)
class Notified:
    """The owner of an account is told something."""

    seq: int
    mono_ns: int
    notification: Notification


EngineEvent = (
    OrderChanged
    | TradeHappened
    | PositionChanged
    | CollateralChanged
    | TxChanged
    | BookLevelChanged
    | FundingPaid
    | Liquidated
    | Notified
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The positive answer to a transaction: queued, not executed."""

    tx_hash: str
    predicted_execution_time_ms: int


@dataclass(frozen=True, slots=True)
class Quote:
    """One resting order that the exchange's own makers want: side, price and size."""

    is_ask: bool
    price: int
    lots: int


@dataclass(frozen=True, slots=True)
class HouseStep:
    """One step of the synthetic market in one market, applied at once and in this order."""

    market_id: int
    mark_price: int
    cancel: tuple[int, ...]
    """Order indexes of house orders that go."""
    quotes: tuple[Quote, ...]
    """New house orders. One that would cross is left out, unless it meets `run_through`."""
    take_is_ask: bool
    take_lots: int
    """Size of one market order; 0 for none."""
    run_through: int
    """Ticks: quotes trade with orders that the mark price is beyond by at least this much."""
