"""What both state machines share: the table look-up and the facts of the moment."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth
from hedge.core.refusal import Refusal

S = TypeVar("S", bound=enum.Enum)
T = TypeVar("T", bound=enum.Enum)


class IllegalTransitionError(Exception):
    """An event that the state table has no row for; the state is left as it was."""


def look_up(table: Mapping[S, Mapping[T, S]], state: S, trigger: T) -> S:
    """Return the next state. Raises IllegalTransitionError naming state and trigger."""
    try:
        return table[state][trigger]
    except KeyError:
        msg = f"no transition from {state.name} on {trigger.name}"
        raise IllegalTransitionError(msg) from None


ACTIVE = "active"
"""The exchange's word for a market that takes orders."""


CLOCK_APART_MS = 60_000
"""With clocks further apart than this nothing is opened."""
UNSIGNABLE_MS = 500_000
"""What a host so far behind signs has run out: the signer gives it 599 s by the host's clock."""

QUOTA_RESERVE = 20
"""So many transactions of the volume quota are kept: nothing is opened below it."""
NO_BOOK = Depth()
PLENTY = 1_000
"""Of a budget that nothing bounds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true outside at the moment of a step.

    `now_ms` is monotonic. Prices are ticks, None while unknown: `bid_ticks` and `ask_ticks` are the
    configured level of each side, `mark_ticks` the price by which exposure is valued. `room` is how
    many orders that are not urgent the request budget has left now, `changes_left` how many cancels
    and changes of that kind, `crowded` says that most of it is used. `market_status` is the
    exchange's word for the market's state, `spec` the market as last read, None where it was not
    read since the start. `unkept` is why this host can keep no record at the moment, "" where it
    can. `exchange_ms` is the exchange's clock (epoch ms), None while it is not known. `book` is the
    public book without A's own orders: for A the one of the stream, to quote by; for B the newest
    one that is known. `shared_key` says that another program signs with our API key, "" where none
    does. `room_lots` is how much exposure our free margin could still take on, None while that is
    not known. `stream_why` is what the exchange refuses our own stream for, "" where it does not.
    `quota_left` is what was last told of our volume quota, None while that is unknown.
    `clock_ahead_ms` is how far the exchange's clock is ahead of this host's, 0 while that is
    unknown; `signs_too_early`: it has lately refused what we signed by a clock that is ahead of its
    own.
    """

    now_ms: int
    bid_ticks: int | None = None
    ask_ticks: int | None = None
    mark_ticks: int | None = None
    room: int = PLENTY
    changes_left: int = PLENTY
    crowded: bool = False
    market_status: str = ACTIVE
    spec: MarketSpec | None = None
    unkept: str = ""
    exchange_ms: int | None = None
    shared_key: str = ""
    book: Depth = NO_BOOK
    room_lots: int | None = None
    stream_why: str = ""
    quota_left: int | None = None
    clock_ahead_ms: int = 0
    signs_too_early: bool = False

    @property
    def clock_off(self) -> str:
        """Say that this host's clock is not Lighter's, by more than is safe; "" if it is."""
        if abs(self.clock_ahead_ms) <= CLOCK_APART_MS:
            return ""
        word = "behind" if self.clock_ahead_ms > 0 else "ahead of"
        apart_s = abs(self.clock_ahead_ms) // 1000
        return f"this host's clock is {apart_s} s {word} Lighter's: set it right (NTP)"

    @property
    def cannot_sign(self) -> str:
        """Say that nothing can be signed by this host's clock; "" if it can."""
        if self.signs_too_early and self.clock_ahead_ms < -CLOCK_APART_MS:
            return f"{self.clock_off}; what it signs ends further ahead than it takes"
        if self.clock_ahead_ms < UNSIGNABLE_MS:
            return ""
        return f"{self.clock_off}; what it signs has run out before it arrives"

    @property
    def clock_notice(self) -> tuple[tuple[str, str], ...]:
        """What a heartbeat shows of a clock that is off, held by it or not, by its word."""
        told = self.cannot_sign or self.clock_off
        return (("clock", told),) if told else ()

    @property
    def low_quota(self) -> str:
        """Say that what is left of the volume quota is kept for hedging and closing; "" if not."""
        if self.quota_left is None or self.quota_left >= QUOTA_RESERVE:
            return ""
        left = f"the volume quota has {self.quota_left} transactions left"
        return f"{left}, and {QUOTA_RESERVE} are kept for hedging and closing (trading adds to it)"

    @property
    def streams_down(self) -> str:
        """Say that our own streams are down, and why where the exchange refuses them."""
        words = "own streams are down"
        return f"{words}: {self.stream_why}" if self.stream_why else words

    @property
    def is_market_open(self) -> bool:
        """Whether the exchange takes orders in the market, by its own word."""
        return self.market_status == ACTIVE

    def moment_of(self, venue_ms: int) -> int:
        """Return the monotonic moment of what the exchange dates so, never later than now."""
        if self.exchange_ms is None:
            return self.now_ms
        return self.now_ms - max(0, self.exchange_ms - venue_ms)

    def dated(self, moment_ms: int) -> int | None:
        """Return the exchange's epoch ms of a monotonic moment, None while that is not known."""
        if self.exchange_ms is None:
            return None
        return self.exchange_ms - (self.now_ms - moment_ms)


class Verdict(enum.Enum):
    """How a sent transaction fared; only proof makes REJECTED."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The sender's verdict on one transaction. `predicted_ms` is how long execution may take.

    `refusal` is what the exchange's `code` means.
    """

    verdict: Verdict
    copies: int = 1
    code: int = 200
    reason: str = ""
    predicted_ms: int = 0
    refusal: Refusal = Refusal.OTHER
