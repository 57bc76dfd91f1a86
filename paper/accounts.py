"""Records of accounts: positions, keys, money, tiers, and what happened to an account."""

from __future__ import annotations

from dataclasses import dataclass, field

from paper.enums import Tier


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
    funding_paid: int = 0
    """Micros paid as funding since the first trade; negative when more was received."""
    margin_set: bool = False
    """Whether the owner has chosen the initial margin fraction."""

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
    maker_only: bool = False
    """Whether it may only post: post-only orders, changes of such, and cancels."""


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
    closeout_margin: int


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
class AccountTier:
    """What the owner of an account pays and waits; shared by all accounts of the owner."""

    tier: Tier
    staked_lit: int
    """Staked LIT in whole tokens; it counts at the premium tier only."""
    changed_ms: int
    """Epoch ms of the last change, 0 when never changed."""


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One hourly funding payment of one position."""

    funding_id: int
    """Grows by one with each hour of each market."""
    account_index: int
    market_id: int
    timestamp_ms: int
    """The full hour for which it was paid."""
    rate: int
    """Per hour in 1e-6; longs pay shorts when it is positive."""
    position_lots: int
    """Signed."""
    mark_price: int
    paid: int
    """Micros that left the collateral; negative when received."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One position that the exchange closed, wholly or in part."""

    liquidation_id: int
    account_index: int
    market_id: int
    takeover: bool
    """True when the insurance fund took the position, False for an order in the book."""
    is_ask: bool
    lots: int
    quote: int
    zero_price: int
    """Ticks: the price that leaves the ratio of account value to maintenance margin as it is."""
    mark_price: int
    before: AccountSummary
    after: AccountSummary
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to the owner of an account, about a liquidation."""

    notification_id: int
    account_index: int
    created_ms: int
    liquidation: Liquidation
