"""Immutable records of the paper exchange: configuration, orders, trades, accounts, events.

Units, everywhere in `paper/`: sizes are **lots** (size x 10^size_decimals), prices are **ticks**
(price x 10^price_decimals), money is **micros** of the quote asset (USDC x 10^6). All integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from paper.enums import (
    FEE_RATIO,
    HOUSE_FIRST,
    HOUSE_LADDER,
    HOUSE_LAST,
    HOUSE_MAKER,
    HOUSE_TAKER,
    ORDER_INDEX_BASE,
    RATIO,
    OrderStatus,
    OrderType,
    Tier,
    TimeInForce,
    TxStatus,
    TxType,
    is_house,
)

__all__ = [
    "FEE_RATIO",
    "HOUSE_FIRST",
    "HOUSE_LADDER",
    "HOUSE_LAST",
    "HOUSE_MAKER",
    "HOUSE_TAKER",
    "ORDER_INDEX_BASE",
    "RATIO",
    "Accepted",
    "Account",
    "AccountSummary",
    "ApiKey",
    "BookLevelChanged",
    "CollateralChanged",
    "EngineEvent",
    "HouseStep",
    "MarketConfig",
    "Order",
    "OrderChanged",
    "OrderStatus",
    "OrderType",
    "Position",
    "PositionChanged",
    "PositionSummary",
    "Quote",
    "Tier",
    "TimeInForce",
    "Trade",
    "TradeHappened",
    "Tx",
    "TxChanged",
    "TxStatus",
    "TxType",
    "is_house",
]


QUOTE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class MarketConfig:
    """One perpetual market: scaling, minimums, margin fractions (1e-4) and fee rates (1e-6)."""

    market_id: int
    symbol: str
    size_decimals: int
    price_decimals: int
    min_base_lots: int
    min_quote_micros: int
    start_price_ticks: int
    order_quote_limit_micros: int = 281_474_976_710_655
    default_imf: int = 500
    min_imf: int = 200
    mmf: int = 120
    closeout_mf: int = 80
    maker_fee: int = 0
    taker_fee: int = 0
    base_asset_id: int = 0
    quote_asset_id: int = 0
    force_reduce_only: bool = False

    def __post_init__(self) -> None:
        """Refuse scales whose tick times lot is below one micro."""
        if self.size_decimals + self.price_decimals > QUOTE_DECIMALS:
            raise ValueError(
                f"market {self.symbol}: size_decimals + price_decimals is above {QUOTE_DECIMALS}"
            )

    @property
    def quote_multiplier(self) -> int:
        """Micros per (lot x tick)."""
        multiplier: int = 10 ** (QUOTE_DECIMALS - self.size_decimals - self.price_decimals)
        return multiplier

    def quote(self, lots: int, price_ticks: int) -> int:
        """Return the value of a size at a price, in micros."""
        return lots * price_ticks * self.quote_multiplier


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
    """Order nonce: asks count up from 1, bids down from 2^48 - 1."""
    tx_hash: str
    tx_nonce: int
    api_key_index: int
    created_ms: int
    updated_ms: int
    transaction_us: int
    """Time of the last change in microseconds; unique and growing over all orders and trades."""
    block_height: int


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

    @property
    def taker_account_index(self) -> int:
        """Account whose order came last."""
        return self.bid_account_index if self.is_maker_ask else self.ask_account_index

    @property
    def maker_account_index(self) -> int:
        """Account whose order was resting."""
        return self.ask_account_index if self.is_maker_ask else self.bid_account_index


@dataclass(frozen=True, slots=True)
class Position:
    """Position of one account in one market; `entry_quote` is what |lots| cost, in micros."""

    market_id: int
    lots: int
    """Signed: positive is long."""
    entry_quote: int
    realized_pnl: int
    imf: int
    """Initial margin fraction (1e-4): 10,000 / leverage."""

    @property
    def signed_entry_quote(self) -> int:
        """Entry quote with the sign of the position."""
        return self.entry_quote if self.lots >= 0 else -self.entry_quote


@dataclass(slots=True)
class ApiKey:
    """One registered API key."""

    public_key: str
    """Hex without 0x."""
    next_nonce: int = 0
    updated_ms: int = 0


@dataclass(slots=True)
class Account:
    """One account. Owned by the engine: readers must not change it."""

    index: int
    master: str
    """Owner; accounts with the same master are sub-accounts of one L1 address."""
    collateral: int
    """Micros, without unrealized PnL."""
    created_ms: int = 0
    positions: dict[int, Position] = field(default_factory=dict)
    """By market; a market once traded stays, with 0 lots when flat."""
    api_keys: dict[int, ApiKey] = field(default_factory=dict)
    cancel_all_time: int = 0
    """Epoch ms of the armed dead-man switch, 0 when not armed."""
    total_order_count: int = 0
    """Resting orders in all markets."""


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """Derived money of an account at the current mark prices, in micros."""

    collateral: int
    unrealized_pnl: int
    total_value: int
    """Collateral plus unrealized PnL."""
    initial_margin: int
    """Requirement of the positions alone."""
    order_margin: int
    """Requirement that the resting orders add to it."""
    maintenance_margin: int
    available_balance: int
    """Total value minus both initial requirements, never below zero."""


@dataclass(frozen=True, slots=True)
class PositionSummary:
    """A position with its derived values (micros, ticks)."""

    position: Position
    value: int
    """|lots| at the mark price."""
    unrealized_pnl: int
    initial_margin: int
    avg_entry_price_micros: int
    """Quote micros per whole unit of the base asset, rounded down; 0 when flat."""
    open_order_count: int


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


EngineEvent = (
    OrderChanged
    | TradeHappened
    | PositionChanged
    | CollateralChanged
    | TxChanged
    | BookLevelChanged
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
