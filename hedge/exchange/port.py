"""The venue port: all that the managers know of an exchange.

`exchange/lighter/venue.py` is the only real implementation; a simulator has another.
Reads either return the truth of one answer or raise `VenueUnavailableError` / `VenueRefusedError`;
"could not find out" is never a zero or an empty list.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from hedge.core.amounts import MarketSpec, Side
from hedge.core.records import Depth, OrderRow, Trade
from hedge.core.transitions import ACTIVE


class Clock(Protocol):
    """Time as the program sees it; handed in, so that a simulator can own it."""

    @property
    def counts_sleep(self) -> bool:
        """Whether `now_ms` goes on while the host sleeps."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds, for deadlines and durations."""

    def epoch_ms(self) -> int:
        """Return wall-clock epoch milliseconds, for messages and tokens only."""

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds, for measurements."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""


class TimeInForce(enum.IntEnum):
    """Wire values of time in force."""

    IMMEDIATE_OR_CANCEL = 0
    GOOD_TILL_TIME = 1
    POST_ONLY = 2


class OrderKind(enum.IntEnum):
    """Wire values of the order types in use."""

    LIMIT = 0
    MARKET = 1


ORDER_LIFE_S = 600
"""How long a resting order lives if nobody cancels it: of a dead process nothing rests for long.

The venue wants 5 minutes at least (21711; apidocs.lighter.xyz, trading); the rest is for clocks.
"""


class Path(enum.Enum):
    """How signed bytes travel: over the open WebSocket, or by an HTTP request."""

    STREAM = "stream"
    HTTP = "http"


class Priority(enum.IntEnum):
    """Who may use the request budget's reserve: hedges, fences and cancels may, reads may not.

    NEEDED is a read without which a hedge has no price: only the quiet after a 429 lets it through.
    """

    URGENT = 0
    NORMAL = 1
    NEEDED = 2


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as the core decides it; the price of a market order is its cap.

    `life_s` is how long a resting order lives if nobody cancels it, 0 for the usual time.
    """

    client_order_index: int
    side: Side
    lots: int
    price_ticks: int
    kind: OrderKind
    time_in_force: TimeInForce
    reduce_only: bool = False
    life_s: int = 0

    @property
    def ends_at_once(self) -> bool:
        """Whether it never rests: what it does not fill at once is cancelled."""
        is_ioc = self.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
        return is_ioc or self.kind is OrderKind.MARKET


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Another price for a resting order; `lots` is its whole size, what is filled included."""

    order_index: int
    lots: int
    price_ticks: int


@dataclass(frozen=True, slots=True)
class SignedTx:
    """Signed bytes, kept for a re-send: signing again would make another transaction."""

    tx_type: int
    tx_info: str
    tx_hash: str
    nonce: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The venue's own answer to one sent copy. `code` 200 means queued, not executed.

    `sent_ns` is when its bytes left over the stream (monotonic ns), 0 where that was not noted.
    `quota_left` is what is left of the volume quota, None where the answer says nothing of it.
    """

    code: int
    message: str
    tx_hash: str | None
    predicted_ms: int | None
    sent_ns: int = field(default=0, compare=False)
    quota_left: int | None = field(default=None, compare=False)

    @property
    def accepted(self) -> bool:
        """Whether the transaction was queued."""
        return self.code == ACCEPTED


ACCEPTED = 200


class VenueError(Exception):
    """Base of all errors of this layer."""


class VenueUnavailableError(VenueError):
    """No usable answer: time-out, reset, 429, 405, 5xx, HTML. Proves nothing; retry later."""


class BudgetSpentError(VenueUnavailableError):
    """Not asked: our own request budget has no room for it now; nothing is known of the venue."""


class NotSentError(VenueUnavailableError):
    """No byte of a transaction was handed over: this copy cannot execute."""


class VenueRefusedError(VenueError):
    """The venue answered with an error code: `code` and `message` are its own."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the venue's code and words."""
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class KeyRefusedError(VenueRefusedError):
    """The venue does not take our key or account: nothing gets better without a human."""


class TxStatus(enum.Enum):
    """Fate of a transaction as looked up by hash."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    EXECUTED = "executed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AccountView:
    """One answer of the account query: margin in micros, position of our market in lots.

    `margin_fraction` is what the account's own leverage asks of a position in our market (1e-4), 0
    where no row says it; `is_isolated`: it has isolated margin there.
    """

    available_micros: int
    collateral_micros: int
    position_lots: int
    margin_fraction: int = 0
    is_isolated: bool = False


@dataclass(frozen=True, slots=True)
class Market:
    """One answer about our market: its limits, and its state in the exchange's word."""

    spec: MarketSpec
    status: str = ACTIVE


@dataclass(frozen=True, slots=True)
class OrderElsewhere:
    """A resting order of our account in another market than ours."""

    market_index: int
    client_order_index: int


@dataclass(frozen=True, slots=True)
class PositionElsewhere:
    """A position of our account in another market than ours, signed, in the base asset."""

    market_index: int
    symbol: str
    base_amount: Decimal


# --- what the streams say ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamUp:
    """Our account's streams are subscribed, their first frames seen; catch up by `trades` now."""


@dataclass(frozen=True, slots=True)
class StreamDown:
    """Our account's streams are lost; what they would have said is not known: catch up later."""

    reason: str


@dataclass(frozen=True, slots=True)
class MarketUp:
    """The market's own streams are subscribed and have delivered."""


@dataclass(frozen=True, slots=True)
class MarketDown:
    """The market's own streams are lost: there is no book to quote by. Our account's go on."""

    reason: str


@dataclass(frozen=True, slots=True)
class TradesSeen:
    """Live trades of our account and market. `received_ns` is `Clock.mono_ns` at the socket."""

    trades: tuple[Trade, ...]
    received_ns: int


@dataclass(frozen=True, slots=True)
class OrdersSeen:
    """Order rows of our account and market, as they change."""

    rows: tuple[OrderRow, ...]


@dataclass(frozen=True, slots=True)
class DepthChanged:
    """The public book changed; read it from `Venue.depth`."""


@dataclass(frozen=True, slots=True)
class MarginSeen:
    """Available balance of our account in micros; None: a frame came without it."""

    available_micros: int | None


@dataclass(frozen=True, slots=True)
class TxSeen:
    """Fate of one of our account's transactions, by hash; `error` is the venue's text or ""."""

    tx_hash: str
    status: TxStatus
    error: str


VenueEvent = (
    StreamUp
    | StreamDown
    | MarketUp
    | MarketDown
    | TradesSeen
    | OrdersSeen
    | DepthChanged
    | MarginSeen
    | TxSeen
)
VenueHandler = Callable[[VenueEvent], None]


class Venue(Protocol):
    """One account and one market of the exchange."""

    @property
    def spec(self) -> MarketSpec:
        """The market, as read at start."""

    @property
    def market_now(self) -> Market:
        """The market as last read; decimals are those of the start."""

    async def run_streams(self, handler: VenueHandler) -> None:
        """Keep the streams up until cancelled; call `handler` for every event, in order."""

    @property
    def heard_ms(self) -> int | None:
        """When the private stream carried its newest frame, a pong too (monotonic ms), or None."""

    @property
    def is_owing(self) -> bool:
        """Whether the private stream has not shown in time what it had to: our book may be old."""

    @property
    def proved_ms(self) -> int | None:
        """When the private stream last showed our orders (monotonic ms), None before it did.

        A pong shows none: a socket that carries only pings proves nothing of the account.
        """

    @property
    def last_account(self) -> AccountView | None:
        """Our account as the newest answer stated it; None before the first."""

    @property
    def clock_ahead_ms(self) -> int | None:
        """How far the exchange's clock is ahead of this host's; None while that is not known."""

    @property
    def signs_too_early(self) -> bool:
        """Whether, by this host's clock, what we sign was lately refused as too far ahead."""

    @property
    def quota_left(self) -> int | None:
        """What was last told to be left of the volume quota; None where nothing is known."""

    @property
    def refused_because(self) -> str:
        """What the exchange refuses our private stream for, in words; "" where it does not."""

    def depth(self) -> Depth:
        """Return the public book as its stream shows it now; empty while unknown or stale.

        Quotes are made from this one only.
        """

    def recent_depth(self) -> Depth:
        """Return the newest book of the last 10 s, from stream or REST; empty without one.

        Caps and values are made from this one, so that a hedge waits for no stream of the market.
        """

    def price_needed_by(self, is_needed: Callable[[], bool]) -> None:
        """Let what brings a price come back soon after a 429 while `is_needed`, as a hedge does."""

    def doubt_depth(self) -> None:
        """Hear that an order met nothing of what `recent_depth` showed: read a book soon."""

    async def sign_order(self, order: OrderRequest, nonce: int) -> SignedTx:
        """Sign on the worker thread. Raises VenueRefusedError for fields the signer refuses."""

    async def sign_cancel(self, order_index: int, nonce: int) -> SignedTx:
        """Sign the cancel of one order."""

    async def sign_change(self, change: PriceChange, nonce: int) -> SignedTx:
        """Sign another price for one order. Raises VenueRefusedError."""

    async def sign_cancel_all(self, nonce: int) -> SignedTx:
        """Sign an immediate cancel of all our orders of this market."""

    async def send(self, tx: SignedTx, path: Path, timeout_s: float) -> Answer:
        """Send one copy and return the venue's answer. Raises VenueUnavailableError without one."""

    async def next_nonce(self) -> int:
        """Return the venue's next nonce of our key; may lag behind what was just accepted."""

    async def inactive_orders(self, limit: int = 100) -> tuple[OrderRow, ...]:
        """Return one answer of our finished orders of this market, newest first."""

    async def active_orders(self) -> tuple[OrderRow, ...]:
        """Return one answer of our resting orders of this market."""

    async def trades(self, newer_than: int | None, pages: int = 5) -> "TradePages":
        """Return our trades of this market with id > `newer_than`, oldest first.

        Reads pages of 100, newest first, until `newer_than` is reached or `pages` are read;
        `newer_than` None reads one page.
        """

    async def tx_status(self, tx_hash: str) -> TxStatus:
        """Look a transaction up by hash; UNKNOWN when the venue does not list it."""

    async def account(self) -> AccountView:
        """Return one answer of the account query."""

    async def orders_elsewhere(self) -> tuple[OrderElsewhere, ...]:
        """Return our resting orders of every market but ours. Raises VenueError."""

    async def positions_elsewhere(self) -> tuple[PositionElsewhere, ...]:
        """Return our positions of every market but ours. Raises VenueError."""

    async def check_key(self) -> None:
        """Compare our key with the venue's. Raises VenueRefusedError when it does not match."""


@dataclass(frozen=True, slots=True)
class TradePages:
    """Trades of one catch-up, oldest first; `complete` if nothing between is missing."""

    trades: tuple[Trade, ...]
    complete: bool
