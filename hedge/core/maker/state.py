"""The maker's vocabulary: phases and their table, state, events and effects."""

import enum
from dataclasses import dataclass

from hedge.core.amounts import MarketSpec, Side
from hedge.core.book import BookView
from hedge.core.holds import Lasting
from hedge.core.maker.closing import BShown, Closing, LookAtB, LookedAtB
from hedge.core.records import OrderRow, Trade
from hedge.core.transitions import Outcome


class Phase(enum.Enum):
    """What the maker is doing."""

    RECONCILING = "reconciling"  # fence sent (it cancels all), book not proven yet
    READY = "ready"  # covered, nothing rests; places as soon as it may
    PLACING = "placing"  # an order is sent, the venue does not show it yet
    WORKING = "working"  # it rests
    CANCELLING = "cancelling"  # its cancel is sent, the venue does not confirm it yet
    AWAITING_HEDGE = "awaiting_hedge"  # something filled; B has not covered it all
    HALTED = "halted"  # no new orders until a person resumes
    STOPPING = "stopping"  # no new orders; the process ends once nothing rests


class Trigger(enum.Enum):
    """What moves the maker from one phase to another."""

    PROVEN = "book proven"
    FENCE = "fence needed"
    PLACE = "order sent"
    OPENED = "order rests"
    CANCEL = "cancel sent"
    ENDED = "order ended unfilled"
    FILL = "fill"
    COVERED = "covered by B"
    HALT = "halt"
    RESUME = "resume"
    STOP = "stop"


_ALWAYS = {
    Trigger.FENCE: Phase.RECONCILING,
    Trigger.FILL: Phase.AWAITING_HEDGE,
    Trigger.HALT: Phase.HALTED,
    Trigger.STOP: Phase.STOPPING,
}

TRANSITIONS: dict[Phase, dict[Trigger, Phase]] = {
    Phase.RECONCILING: {
        **_ALWAYS,
        Trigger.FILL: Phase.RECONCILING,
        Trigger.PROVEN: Phase.AWAITING_HEDGE,
    },
    Phase.READY: {**_ALWAYS, Trigger.PLACE: Phase.PLACING},
    Phase.PLACING: {
        **_ALWAYS,
        Trigger.OPENED: Phase.WORKING,
        Trigger.CANCEL: Phase.CANCELLING,
        Trigger.ENDED: Phase.READY,
    },
    Phase.WORKING: {**_ALWAYS, Trigger.CANCEL: Phase.CANCELLING, Trigger.ENDED: Phase.READY},
    Phase.CANCELLING: {**_ALWAYS, Trigger.ENDED: Phase.READY},
    Phase.AWAITING_HEDGE: {
        **_ALWAYS,
        Trigger.CANCEL: Phase.AWAITING_HEDGE,
        Trigger.COVERED: Phase.READY,
    },
    Phase.HALTED: {
        Trigger.FENCE: Phase.HALTED,
        Trigger.FILL: Phase.HALTED,
        Trigger.CANCEL: Phase.HALTED,
        Trigger.PROVEN: Phase.HALTED,
        Trigger.RESUME: Phase.RECONCILING,
        Trigger.STOP: Phase.STOPPING,
    },
    Phase.STOPPING: {
        Trigger.FENCE: Phase.STOPPING,
        Trigger.FILL: Phase.STOPPING,
        Trigger.CANCEL: Phase.STOPPING,
        Trigger.PROVEN: Phase.STOPPING,
    },
}


class Pending(enum.Enum):
    """The one transaction whose answer is awaited."""

    PLACE = "place"
    CANCEL = "cancel"
    CHANGE = "change"
    FENCE = "fence"


@dataclass(frozen=True, slots=True)
class MakerConfig:
    """The maker's settings; times in ms, sizes in lots, money in micros of the quote asset.

    `places` False lets it cancel and state its book, and rest nothing; `reduces` False reduce
    nothing either, whatever B has not hedged, and say so from its first heartbeat. `changes`: it
    follows its level by changing its order's price, where it can, not by cancel and another order.
    `requote_share`, in 1e-8 of the price, counts instead of `requote_ticks` where it is there.
    """

    spec: MarketSpec
    instance: str
    quantity_lots: int
    requote_ticks: int = 20
    requote_share: int | None = None
    order_timeout_ms: int = 30000
    keep_remainder: bool = False
    confirm_timeout_ms: int = 30000
    force_close_ms: int = 60000
    deadline_ms: int = 10000
    retry_delay_ms: int = 1000
    requote_pause_ms: int = 1000
    max_slippage_bps: int = 100
    max_mark_gap_bps: int = 300
    stop_deadline_ms: int = 60000
    view_lag_ms: int = 15000
    max_drift_micros: int = 1_000_000_000
    max_position_lots: int | None = None
    max_fill_lots: int | None = None
    offset_lots: int = 0
    peer_watch: bool = True
    places: bool = True
    reduces: bool = True
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """The maker's one order; its known trades add up to `filled_lots`.

    `whole_ms` is when that reached its size, `ended_ms` when its row showed its end, `asked_ms`
    when the exchange was last asked to list that; `is_listed`: it has. One that `unwinds` reduces
    what B has not hedged, and nothing else: B holds meanwhile. From `changed_ms` on it may rest at
    `new_ticks` as well as at its price, until a row shows where it is; `stays`: its price was
    refused a change.
    """

    client_order_index: int
    nonce: int
    side: Side
    lots: int
    price_ticks: int
    reduce_only: bool
    sent_ms: int
    closing: bool = False
    unwinds: bool = False
    copies: int = 1
    row: OrderRow | None = None
    row_ms: int = 0
    filled_lots: int = 0
    whole_ms: int | None = None
    ended_ms: int | None = None
    cancel_ms: int | None = None
    asked_ms: int | None = None
    is_listed: bool = False
    new_ticks: int | None = None
    changed_ms: int | None = None
    stays: bool = False

    @property
    def quoted_ticks(self) -> int:
        """The price that we last wanted it to rest at."""
        return self.price_ticks if self.new_ticks is None else self.new_ticks

    @property
    def prices(self) -> tuple[int, ...]:
        """Every price at which it may rest now."""
        both = {self.price_ticks, self.quoted_ticks}
        return tuple(sorted(both))

    @property
    def priced_ms(self) -> int:
        """When it was sent, or sent to another price."""
        return self.sent_ms if self.changed_ms is None else self.changed_ms

    @property
    def is_end_doubtful(self) -> bool:
        """Whether only a frame tells of an end that we neither asked for nor saw by its fills.

        Frames are hints: where one is false the order rests on, and another would rest beside it.
        """
        is_ended = self.row is not None and self.row.is_terminal
        return is_ended and not (
            self.is_listed or self.cancel_ms is not None or self.filled_lots >= self.lots
        )


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many orders in a row were refused, or ended unfilled, for the same `cause`.

    `word` is what there is to say of the last one.
    """

    cause: str
    word: str
    times: int


@dataclass(frozen=True, slots=True)
class LedgerView:
    """B's answer: the state of A it speaks of, and what it still owes for it, in lots.

    After `fresh_until_ms` it says nothing any more; None: it does not grow old. `manual_lots` is by
    how much B stands elsewhere than beside A, for fills that were published by hand. `yields`: B
    signs nothing for what is owed, nothing of it is in flight or in doubt, and it is A's turn;
    `gives`: that is so at once, for the exchange refuses it for good.
    """

    a_instance: str
    a_seq: int
    a_position_lots: int
    owed_lots: int
    dust_lots: int
    inflight: bool
    fresh_until_ms: int | None = None
    manual_lots: int = 0
    yields: bool = False
    gives: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """B as seen from here: alive and able to hedge, and its newest answer.

    After `fresh_until_ms` it is neither; None: it does not grow old. `leaving`: its last heartbeat,
    fresh or not, says that it was asked to stop. `left_covering_lots`: its last word, read fresh,
    is that it left while it covered this position of ours. `halted`: B trades nothing until a
    person resumes.
    """

    ready: bool
    reasons: tuple[str, ...] = ()
    can_hedge_lots: int | None = None
    alive: bool = False
    ledger: LedgerView | None = None
    fresh_until_ms: int | None = None
    leaving: bool = False
    left_covering_lots: int | None = None
    halted: bool = False


@dataclass(frozen=True, slots=True)
class MakerState:
    """All that the maker knows; `seq` numbers the positions it has stated.

    `dust_lots` is the position that the exchange last called too small to be closed. `raised_ms` is
    when the newest fill raised what B owes, by the exchange's clock (as monotonic ms); `nored`:
    this A does not reduce it; `offered_ms`: since when it could not, though B yields.
    """

    config: MakerConfig
    phase: Phase = Phase.RECONCILING
    nonce: int | None = None
    net_lots: int | None = None
    last_trade_id: int = 0
    consistent: bool = True
    seq: int = 0
    unsaid: tuple[Trade, ...] = ()
    contradiction_ms: int | None = None
    streams_up: bool = False
    redis_up: bool = True
    redis_why: str = "Redis is unreachable"  # where it is not up
    redis_down_ms: int = 0  # since when it is not
    peer: Peer = Peer(ready=False)
    order: Order | None = None
    pending: Pending | None = None
    retry_at_ms: int | None = None
    repeats: Repeats | None = None
    off_level_ms: int | None = None  # since when our order is off its level
    blind_ms: int | None = None  # since when nothing shows where its level is
    idle: Lasting | None = None  # since when no order of ours has rested
    b_away: Lasting | None = None  # since when B is not heard
    uncovered_ms: int | None = None
    raised_ms: int | None = None
    offered_ms: int | None = None
    nored: bool = False
    covered: tuple[int, int] | None = None
    alerted: bool = False
    closing: Closing | None = None
    looked: LookedAtB | None = None
    halt_reason: str = ""
    implausible: bool = False
    """Whether something was heard that our order cannot have done: no fill is said before a person
    has looked."""
    adopted: bool = False
    caught_up_ms: int | None = None
    settled_ms: int = 0  # when our newest trade was heard, or our book proven
    b_left: tuple[int, int] | None = None  # our seq and position that B covered as it left
    own_shown: bool = True  # our private stream was heard within the last seconds
    answering: bool = True  # the exchange answers on it: no ping is open for seconds
    leading: bool = True  # the lease is ours
    dust_lots: int | None = None
    unchanged: int = 0  # so many changes of a price in a row came to nothing
    stop_by_ms: int | None = None
    said_open: bool = False  # what a stop waits for has been said
    stopped: bool = False


# --- events ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The lease is ours and the streams are up for the first time."""


@dataclass(frozen=True, slots=True)
class StreamsChanged:
    """Our streams are up, or lost."""

    up: bool


@dataclass(frozen=True, slots=True)
class RedisChanged:
    """Redis does what A needs, or has not for the configured time; `why` says what it does not."""

    up: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class FenceNeeded:
    """Something makes what rests and what filled uncertain; `why` says what."""

    why: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """Another process has the lease: cancel what rests, place nothing, fence nothing."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A fence was listed and the book proven; `explained` by trades since the stored book."""

    nonce: int
    view: BookView
    explained: bool


@dataclass(frozen=True, slots=True)
class OwnBook:
    """Our book changed by `trades`. `foreign`: ids of those without the pair's tag."""

    view: BookView
    trades: tuple[Trade, ...] = ()
    foreign: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """A row of one of our orders; `listed` by an answer, else told by a frame."""

    row: OrderRow
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The sender's verdict on our pending transaction."""

    pending: Pending
    client_order_index: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PeerSeen:
    """What Redis says of B now."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class HaltSeen:
    """The pair is halted (by B, by a person, or since before the start).

    `instead`: the halt that was the reason so far is released, and this one is in force still.
    """

    reason: str
    instead: bool = False


@dataclass(frozen=True, slots=True)
class HaltRaised:
    """This side must halt the pair and say so."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person resumed the pair; `force` adopts the venue's positions as explained."""

    force: bool


@dataclass(frozen=True, slots=True)
class FlattenRequested:
    """A person wants A closed and the pair halted; `alone`: whether B follows or not.

    `peer`: B as it is shown with its acknowledgement; no older word of it counts beside it.
    """

    alone: bool = False
    peer: Peer | None = None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Place nothing more, take what rests off the book, then stop."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Look again: time has passed or the market has moved.

    `own_shown`: our private stream was heard within the last seconds; `answering`: so lately that
    no ping is open for long.
    """

    own_shown: bool = True
    answering: bool = True


MakerEvent = (
    Started
    | StreamsChanged
    | RedisChanged
    | FenceNeeded
    | LeaseLost
    | Reconciled
    | OwnBook
    | OwnOrder
    | Answered
    | PeerSeen
    | BShown
    | HaltSeen
    | HaltRaised
    | Resumed
    | FlattenRequested
    | StopRequested
    | Tick
)

# --- effects ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fence:
    """Cancel all, pass a fence, prove the book, answer with Reconciled."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Read the trades above the floor by REST, answer with OwnBook."""


@dataclass(frozen=True, slots=True)
class LookAtEnd:
    """Ask the exchange to list the end of our order, answer with OwnOrder once it does."""

    client_order_index: int


@dataclass(frozen=True, slots=True)
class Place:
    """Sign and send this order, answer with Answered(PLACE)."""

    order: Order


@dataclass(frozen=True, slots=True)
class Cancel:
    """Sign and send the cancel of this order with `nonce`, answer with Answered(CANCEL)."""

    order: Order
    nonce: int


@dataclass(frozen=True, slots=True)
class Change:
    """Sign and send this order's `new_ticks` with `nonce`, answer with Answered(CHANGE)."""

    order: Order
    nonce: int


@dataclass(frozen=True, slots=True)
class PublishFill:
    """Publish one trade together with the position after all known trades."""

    trade: Trade
    seq: int
    position_lots: int


@dataclass(frozen=True, slots=True)
class PublishPosition:
    """Publish the position without a trade."""

    seq: int
    position_lots: int


@dataclass(frozen=True, slots=True)
class HaltPair:
    """Halt the pair and say why."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the log; `loud` for a warning that also goes out as an event.

    `reason` is the event's, where that is not its own name.
    """

    event: str
    detail: str
    loud: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The process may end; `neutral` False when a fill is not covered."""

    neutral: bool


Work = Fence | CatchUp | LookAtB | LookAtEnd | Place | Cancel | Change
MakerEffect = Work | PublishFill | PublishPosition | HaltPair | Note | Stopped
