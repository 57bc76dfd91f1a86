"""Typed transactions: what a signed transaction asks for, in lots, ticks and epoch ms."""

from __future__ import annotations

from dataclasses import dataclass

from paper.records import OrderType, TimeInForce


@dataclass(frozen=True, slots=True)
class TxHead:
    """What every transaction carries."""

    tx_type: int
    account_index: int
    api_key_index: int
    nonce: int
    expired_at: int
    skip_nonce: bool


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """A type 14 transaction."""

    head: TxHead
    market_id: int
    client_order_index: int
    lots: int
    """0 with reduce_only: the whole position."""
    price: int
    is_ask: bool
    type: OrderType
    time_in_force: TimeInForce
    reduce_only: bool
    order_expiry: int
    self_trade_behavior: int
    self_trade_same_master: bool
    version: int

    @property
    def rests(self) -> bool:
        """Whether a remainder may stay in the book."""
        return self.time_in_force is not TimeInForce.IOC


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """A type 15 transaction; `index` below 2^48 is a client order index."""

    head: TxHead
    market_id: int
    index: int


@dataclass(frozen=True, slots=True)
class CancelAll:
    """A type 16 transaction. Modes: 0 immediate, 1 scheduled, 2 abort of a scheduled one."""

    head: TxHead
    mode: int
    time_ms: int
    market_id: int | None
    """None for all markets."""


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """A type 17 transaction; `index` below 2^48 is a client order index."""

    head: TxHead
    market_id: int
    index: int
    lots: int
    """The new total, with what has been filled."""
    price: int
    self_trade_behavior: int
    self_trade_same_master: bool
    version: int
    """Must be above that of the order; 0 for a modification without one."""


@dataclass(frozen=True, slots=True)
class UpdateLeverage:
    """A type 20 transaction."""

    head: TxHead
    market_id: int
    imf: int
    """Initial margin fraction (1e-4)."""
    margin_mode: int
    """0 cross, 1 isolated."""


Command = CreateOrder | CancelOrder | CancelAll | ModifyOrder | UpdateLeverage
