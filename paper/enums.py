"""Constants and enumerations of the exchange, with their wire names and numbers."""

from __future__ import annotations

import enum

HOUSE_FIRST = 1 << 47
"""Accounts in [HOUSE_FIRST, HOUSE_LAST] belong to the exchange: liquidity makers and takers."""
HOUSE_LAST = HOUSE_FIRST + 1023
HOUSE_TAKER = HOUSE_FIRST
"""Owner of the market orders made by `Engine.take` and by the synthetic market."""
HOUSE_LADDER = HOUSE_FIRST + 1
"""Owner of the static ladder of `Engine.set_ladder`."""
HOUSE_MAKER = HOUSE_FIRST + 2
"""First of the synthetic market makers."""
HOUSE_INSURANCE = HOUSE_FIRST + 3
"""The insurance fund: it takes liquidation fees and the positions of accounts that failed."""
ORDER_INDEX_BASE = 1 << 48
"""`order_index = (market_id + 1) * 2^48 + order nonce`; smaller values are client order indexes."""
RATIO = 10_000
"""Margin fractions are in 1e-4."""
FEE_RATIO = 1_000_000
"""Fee rates are in 1e-6 of the notional."""


def is_house(account_index: int) -> bool:
    """Return whether the account belongs to the exchange itself."""
    return HOUSE_FIRST <= account_index <= HOUSE_LAST


class Tier(enum.StrEnum):
    """Account tiers; what each means is in `paper.tiers`."""

    INSTANT = "instant"
    """No delays and no fees; not a tier of the real exchange, for tests and demonstrations."""
    STANDARD = "standard"
    PLUS = "plus"
    PREMIUM = "premium"


class Health(enum.IntEnum):
    """What an account may do, by its value (docs, "Liquidations & Insurance Fund")."""

    HEALTHY = 0
    PRE_LIQUIDATION = 1
    """Below its initial margin: it may only reduce."""
    LIQUIDATION = 2
    """Below its maintenance margin: the exchange reduces."""


class TradeKind(enum.StrEnum):
    """Kinds of trades, with their wire names."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"


class TxType(enum.IntEnum):
    """Transaction types that the engine knows (API docs, "Data Structures and Constants")."""

    CREATE_ORDER = 14
    CANCEL_ORDER = 15
    CANCEL_ALL_ORDERS = 16
    MODIFY_ORDER = 17
    UPDATE_LEVERAGE = 20
    CREATE_GROUPED_ORDERS = 28


class OrderType(enum.IntEnum):
    """Order types by their number in a transaction."""

    LIMIT = 0
    MARKET = 1
    LIQUIDATION = 8
    """Made by the exchange itself, never by a transaction."""

    @property
    def wire(self) -> str:
        """Name in order objects."""
        return self.name.lower()


class TimeInForce(enum.IntEnum):
    """Times in force by their number in a transaction."""

    IOC = 0
    GTT = 1
    POST_ONLY = 2

    @property
    def wire(self) -> str:
        """Name in order objects."""
        return ("immediate-or-cancel", "good-till-time", "post-only")[self]


class SelfTrade(enum.IntEnum):
    """What happens instead of a trade with oneself, by its number in attribute 6."""

    EXPIRE_MAKER = 0
    EXPIRE_TAKER = 1
    EXPIRE_BOTH = 2
    REDUCE_BOTH = 3


class OrderStatus(enum.StrEnum):
    """Order statuses; the value is the wire string, `code` the documented number."""

    IN_PROGRESS = "in-progress"
    PENDING = "pending"
    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    CANCELED_POST_ONLY = "canceled-post-only"
    CANCELED_REDUCE_ONLY = "canceled-reduce-only"
    CANCELED_POSITION_NOT_ALLOWED = "canceled-position-not-allowed"
    CANCELED_MARGIN_NOT_ALLOWED = "canceled-margin-not-allowed"
    CANCELED_TOO_MUCH_SLIPPAGE = "canceled-too-much-slippage"
    CANCELED_NOT_ENOUGH_LIQUIDITY = "canceled-not-enough-liquidity"
    CANCELED_SELF_TRADE = "canceled-self-trade"
    CANCELED_EXPIRED = "canceled-expired"
    CANCELED_OCO = "canceled-oco"
    CANCELED_CHILD = "canceled-child"
    CANCELED_LIQUIDATION = "canceled-liquidation"
    CANCELED_INVALID_BALANCE = "canceled-invalid-balance"

    @property
    def code(self) -> int:
        """Number of the status in the API docs and in `event_info`."""
        return _STATUS_CODES[self]

    @property
    def is_active(self) -> bool:
        """Whether an order with this status rests in the book."""
        return self is OrderStatus.OPEN


_STATUS_CODES = {status: number for number, status in enumerate(OrderStatus)}


class TxStatus(enum.IntEnum):
    """Transaction statuses (API docs, "Data Structures and Constants")."""

    FAILED = 0
    PENDING = 1
    EXECUTED = 2
    PENDING_FINAL = 3
