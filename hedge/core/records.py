"""What the venue reports of one account, in integers: trades, order rows, book levels."""

import enum
from dataclasses import dataclass, field

from hedge.core.amounts import Side


class OrderStatus(enum.Enum):
    """Order status as the venue spells it; a word that is not here is an error, never a guess."""

    IN_PROGRESS = "in-progress"
    PENDING = "pending"
    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    CANCELED_POST_ONLY = "canceled-post-only"
    CANCELED_REDUCE_ONLY = "canceled-reduce-only"
    CANCELED_POSITION = "canceled-position-not-allowed"
    CANCELED_MARGIN = "canceled-margin-not-allowed"
    CANCELED_SLIPPAGE = "canceled-too-much-slippage"
    CANCELED_LIQUIDITY = "canceled-not-enough-liquidity"
    CANCELED_SELF_TRADE = "canceled-self-trade"
    CANCELED_EXPIRED = "canceled-expired"
    CANCELED_OCO = "canceled-oco"
    CANCELED_CHILD = "canceled-child"
    CANCELED_LIQUIDATION = "canceled-liquidation"
    CANCELED_BALANCE = "canceled-invalid-balance"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self not in _LIVE


_LIVE = frozenset({OrderStatus.IN_PROGRESS, OrderStatus.PENDING, OrderStatus.OPEN})


@dataclass(frozen=True, slots=True)
class Trade:
    """One account's leg of one trade of one market.

    `position_before_lots` is the account's signed position before the trade, None where the venue
    leaves it out. `client_order_index` is 0 for an order without one. `time_ms` is epoch ms.
    """

    trade_id: int
    side: Side
    size_lots: int
    price_ticks: int
    quote_micros: int
    order_index: int
    client_order_index: int
    is_maker: bool
    position_before_lots: int | None
    time_ms: int
    kind: str = "trade"

    @property
    def is_forced(self) -> bool:
        """Whether the venue itself traded for the account: a liquidation, a deleveraging."""
        return self.kind in ("liquidation", "deleverage")

    @property
    def signed_lots(self) -> int:
        """Change of the account's position."""
        return self.side.sign * self.size_lots


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One row of the venue's order list or order stream."""

    order_index: int
    client_order_index: int
    side: Side
    initial_lots: int
    filled_lots: int
    price_ticks: int
    status: OrderStatus
    reduce_only: bool
    updated_ms: int

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self.status.is_terminal


@dataclass(frozen=True, slots=True)
class Level:
    """One price level of the public book."""

    price_ticks: int
    size_lots: int


@dataclass(frozen=True, slots=True)
class Depth:
    """The public book, best level first on both sides; empty sides mean unknown, not free.

    `is_live`: it is known as it is now, so that an empty side is empty. `doubt`: why a book that
    was known is not shown, "" where nothing speaks against it.
    """

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    mark_ticks: int | None = None
    is_live: bool = field(default=False, compare=False)
    doubt: str = field(default="", compare=False)

    def levels(self, *, is_ask: bool) -> tuple[Level, ...]:
        """Return one side, best level first."""
        return self.asks if is_ask else self.bids
