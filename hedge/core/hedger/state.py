"""The hedger's vocabulary: phases and their table, state, events and effects."""

import enum
from dataclasses import dataclass

from hedge.core.amounts import MarketSpec, Side
from hedge.core.book import BookView
from hedge.core.hedger.departure import Differs, LeaderSeen, Maker, MakerSeen, MakerStated
from hedge.core.hedger.watch import (
    Claimed,
    Denied,
    Found,
    Gap,
    PeerAnswered,
    PeerTraded,
    Stand,
    Unlisted,
)
from hedge.core.holds import Lasting
from hedge.core.records import Level, OrderRow, Trade
from hedge.core.refusal import Refusal
from hedge.core.transitions import Outcome


class Phase(enum.Enum):
    """What the hedger is doing."""

    STANDBY = "standby"  # another process holds the lease, or nobody knows who does
    RECONCILING = "reconciling"  # fence sent, book not proven yet
    IDLE = "idle"  # nothing in flight
    SENDING = "sending"  # one order sent, no answer yet
    SETTLING = "settling"  # accepted; waiting for its terminal row and all its trades
    UNKNOWN = "unknown"  # its fate is open; a fence is on its way
    FAILED = "failed"  # attempts used up; tries again with back-off
    HALTED = "halted"  # something unexplained: trades nothing until a person resumes
    STOPPING = "stopping"  # done; the process may end


class Trigger(enum.Enum):
    """What moves the hedger from one phase to another."""

    LEASE = "lease taken"
    LOST = "lease lost"
    FENCE = "fence needed"
    PROVEN = "book proven"
    SEND = "order sent"
    ACCEPTED = "order accepted"
    SETTLED = "order settled"
    REFUSED = "attempt failed"
    EXHAUSTED = "attempts used up"
    DOUBT = "fate unknown"
    COVERED = "nothing owed"
    HALT = "halt"
    RESUME = "resume"
    STOP = "stop"


_ALWAYS = {
    Trigger.LOST: Phase.STANDBY,
    Trigger.HALT: Phase.HALTED,
    Trigger.STOP: Phase.STOPPING,
}
_PROVEN = {**_ALWAYS, Trigger.FENCE: Phase.RECONCILING}

TRANSITIONS: dict[Phase, dict[Trigger, Phase]] = {
    Phase.STANDBY: {
        Trigger.LEASE: Phase.RECONCILING,
        Trigger.HALT: Phase.HALTED,
        Trigger.STOP: Phase.STOPPING,
    },
    Phase.RECONCILING: {**_ALWAYS, Trigger.PROVEN: Phase.IDLE},
    Phase.IDLE: {
        **_PROVEN,
        Trigger.SEND: Phase.SENDING,
        Trigger.EXHAUSTED: Phase.FAILED,  # no price inside the bounds
    },
    Phase.SENDING: {
        **_PROVEN,
        Trigger.ACCEPTED: Phase.SETTLING,
        Trigger.REFUSED: Phase.IDLE,
        Trigger.EXHAUSTED: Phase.FAILED,
        Trigger.DOUBT: Phase.UNKNOWN,
    },
    Phase.SETTLING: {**_PROVEN, Trigger.SETTLED: Phase.IDLE, Trigger.DOUBT: Phase.UNKNOWN},
    Phase.UNKNOWN: {
        **_PROVEN,
        Trigger.SETTLED: Phase.IDLE,
        Trigger.REFUSED: Phase.IDLE,
        Trigger.EXHAUSTED: Phase.FAILED,
    },
    Phase.FAILED: {
        **_PROVEN,
        Trigger.SEND: Phase.SENDING,
        Trigger.COVERED: Phase.IDLE,
    },
    Phase.HALTED: {
        Trigger.LOST: Phase.HALTED,
        Trigger.RESUME: Phase.STANDBY,
        Trigger.STOP: Phase.STOPPING,
    },
    Phase.STOPPING: {},
}

IN_FLIGHT = frozenset({Phase.SENDING, Phase.SETTLING, Phase.UNKNOWN})
PROVEN_PHASES = frozenset({Phase.IDLE, Phase.FAILED, *IN_FLIGHT})


UNHEARD = Maker()
"""Nothing of A was ever heard."""


@dataclass(frozen=True, slots=True)
class HedgerConfig:
    """The hedger's settings; times in ms, sizes in lots, money in micros of the quote asset."""

    spec: MarketSpec
    instance: str
    offset_lots: int = 0
    retry_times: int = 3
    retry_delay_ms: int = 1000
    backoff_min_ms: int = 5000
    backoff_max_ms: int = 30000
    max_slippage_bps: int = 100
    max_mark_gap_bps: int = 300
    settle_timeout_ms: int = 5000
    merge_wait_ms: int = 2000
    stop_deadline_ms: int = 60000
    view_lag_ms: int = 15000
    force_close_ms: int = 60000
    max_drift_micros: int = 1_000_000_000
    max_position_lots: int | None = None
    peer_watch: bool = False


class Closing(enum.Enum):
    """What the hedger closes of its own by a person's order, until the pair is resumed."""

    REST = "rest"  # what is left once A is flat: the offset
    ALONE = "alone"  # all, without A; then it trades nothing more


@dataclass(frozen=True, slots=True)
class ATarget:
    """A's position as its own process states it: who, which version, when (epoch s)."""

    instance: str
    seq: int
    position_lots: int
    last_trade_id: int
    stamp_s: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """The one order whose fate is open. `filled_lots` is what its known trades add up to.

    `doubt_ms` is since when only a fence can tell what became of it, `overdue`: for too long.
    `width` is the step (from 1) of its allowance off the book, `met` what it was to meet there.
    """

    client_order_index: int
    nonce: int
    side: Side
    lots: int
    attempt: int
    width: int = 1
    met: tuple[Level, ...] = ()
    filled_lots: int = 0
    row: OrderRow | None = None
    settle_by_ms: int | None = None
    doubt: str = ""
    doubt_ms: int | None = None
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Debt:
    """What B owes for fills of A (`lots`, positive buys), and when the newest one raised it.

    `raised_ms` is that moment by the exchange's clock, as monotonic ms; `yields`: it is A's turn.
    `final`: the exchange refuses it for good, so A's turn is now; `parts`: but first the part of it
    that our margin allows is tried.
    """

    raised_ms: int
    lots: int
    yields: bool = False
    final: bool = False
    parts: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why hedging failed, in the words of the failure message."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class HedgerState:
    """All that the hedger knows; sizes in signed lots, None where not known."""

    config: HedgerConfig
    phase: Phase = Phase.STANDBY
    nonce: int | None = None
    net_lots: int | None = None
    last_trade_id: int = 0
    consistent: bool = True
    streams_up: bool = False
    explained: bool = False
    a: ATarget | None = None
    left: tuple[ATarget, ...] = ()  # the last state of each earlier instance of A
    a_fresh: bool = False
    baseline: ATarget | None = None
    a_largest_lots: int = 0  # A's largest position, unsigned, since B held nothing for it
    start_lots: int | None = None  # our position when the book was proven first, unsigned
    quantity_lots: int = 0  # the largest quantity that A has stated since both were flat
    probes: bool = False  # the next order is the smallest that shows what the exchange makes of it
    bound_id: int = 0  # our newest trade when the book was proven
    confirmed_ms: int = 0  # what A writes from then on contains all that our newest trade answered
    looked: bool = True  # A's public trades were asked for since the book was proven
    watched: tuple[Trade, ...] = ()  # A's public trades above what it has stated
    unlisted: tuple[Unlisted, ...] = ()  # of those, what the venue's answers lack
    claimed: tuple[Claimed, ...] = ()  # what one public answer alone tells of A
    found: Found | None = None  # where one public answer alone shows A
    denied: tuple[Denied, ...] = ()  # what is on record of A and such an answer denies
    listed_id: int = 0  # the newest id in the venue's newest public answer
    shown: Stand | None = None  # the newest position that A's public trades have carried
    shown_lots: int | None = None  # A's position as the venue shows it to everybody
    adopted: Stand | None = None  # what the exchange itself stated, where nothing else was known
    manual_lots: int = 0
    hand_base_lots: int | None = None
    closing: Closing | None = None
    inflight: InFlight | None = None
    last_sent_ms: int | None = None
    attempts: int = 0
    misses: int = 0  # orders in a row that found no liquidity inside their cap
    missed: tuple[Level, ...] | None = None  # what the last of them was to meet
    missed_ms: int = 0  # when it was known to have met nothing
    dry_ms: int | None = None  # since when there is no price inside the bounds for what is owed
    retry_at_ms: int | None = None
    backoff_ms: int = 0
    failure: Failure | None = None
    dust_lots: int = 0
    halt_reason: str = ""
    mismatch: str = ""
    a_elsewhere: str = ""  # what A has last stated of another market
    maker: Maker = UNHEARD
    view_ms: int = 0  # when what is known of A changed last
    hand_only: bool = False
    """Whether what is owed comes of what was published by hand alone, and of no fill of A."""
    traded_ms: int = 0  # when A traded, by the exchange's clock, as far as that change tells
    debt: Debt | None = None
    differs: Differs | None = None  # the exchange states another position of A than the view
    shown_ms: int = 0  # when an answer of the exchange showed the view of A last
    reaches_back: bool = True  # the newest public page of trades reached back to that view
    own_traded_ms: int = 0  # when our newest trade was heard, or our book proven
    own_shown: bool = True  # our private stream was heard within the last seconds
    a_shown: bool = True  # something shows at this moment what A holds
    gap: Gap | None = None  # a public trade of A that does not add up with what is known
    stop_by_ms: int | None = None
    said_open: bool = False  # what a stop waits for has been said
    leader: LeaderSeen | None = None  # the newest heartbeat of the B that leads
    leader_beats: int = 0  # how many of those came since we were asked to stop
    a_away: Lasting | None = None  # since when A is not heard
    unseen: Lasting | None = None  # since when nothing shows what A holds


@dataclass(frozen=True, slots=True)
class LeaseChanged:
    """The lease of our account and key is ours, or is not; `led`: another B leads, and is ready."""

    held: bool
    led: bool = False


@dataclass(frozen=True, slots=True)
class StreamsChanged:
    """Our streams are up and caught up with, or lost."""

    up: bool


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A fence was listed, the book proven, and `explained` by trades since a neutral record."""

    nonce: int
    view: BookView
    explained: bool


@dataclass(frozen=True, slots=True)
class FenceRefused:
    """The fence does not pass: the venue refuses our key or account, or (code 0) takes long."""

    code: int
    message: str
    refusal: Refusal = Refusal.KEY


@dataclass(frozen=True, slots=True)
class OwnBook:
    """Our book changed by `trades`.

    `foreign`: untagged ones, `forced`: by the venue; `twin`: a twin's.
    """

    view: BookView
    foreign: tuple[int, ...] = ()
    twin: bool = False
    forced: bool = False
    trades: tuple[Trade, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """A row of one of our orders; `listed`: by an answer that lists a later fence, not a frame."""

    row: OrderRow
    listed: bool = False


@dataclass(frozen=True, slots=True)
class BaselineRead:
    """What Redis held right after our book was proven; only something newer is fresh.

    `named`: A's lease names its instance, or is free. `fresh`: written after B's newest trade.
    """

    target: ATarget | None
    named: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """A's state, from a message or the key; `named`: A's lease names this instance now.

    `traded_ms` is when the fill of the message happened (epoch ms of the exchange's clock).
    """

    target: ATarget
    named: bool
    traded_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ProofNeeded:
    """Something outside contradicts our book."""

    why: str


@dataclass(frozen=True, slots=True)
class PeerConfigured:
    """How A's configuration contradicts ours, "" if it does not; contradicted, B waits.

    `elsewhere` is what A has last stated of another market, "" where that is nothing.
    """

    mismatch: str
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class HandPublished:
    """A fill of A published by hand: signed lots of A's side."""

    signed_lots: int


@dataclass(frozen=True, slots=True)
class HandCleared:
    """`flatten`: forget the fills published by hand and go back to the base."""


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """`flatten`: close what is left of B once A is flat; `alone`: all of it, whatever A has."""

    alone: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The sender's verdict on our order."""

    client_order_index: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class HaltSeen:
    """A halt that stops this side too (kept over a restart, or something unprovable)."""

    reason: str


@dataclass(frozen=True, slots=True)
class HaltRaised:
    """This side must stop trading and say so: the book cannot be proven, a foreign thing."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person resumed the pair; `force` adopts the venue's positions as explained.

    `flattened`: the halt of a flatten is not among what was released, and stays in force.
    """

    force: bool
    flattened: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Finish what is in flight and owed, then stop."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Look again: time has passed or the market has moved.

    `own_shown`: our private stream was heard within the last seconds.
    """

    own_shown: bool = True


HedgerEvent = (
    LeaseChanged
    | StreamsChanged
    | Reconciled
    | FenceRefused
    | OwnBook
    | OwnOrder
    | BaselineRead
    | TargetSeen
    | PeerTraded
    | PeerAnswered
    | ProofNeeded
    | PeerConfigured
    | LeaderSeen
    | MakerSeen
    | MakerStated
    | HandPublished
    | HandCleared
    | CloseRequested
    | Sent
    | HaltSeen
    | HaltRaised
    | Resumed
    | StopRequested
    | Tick
)


@dataclass(frozen=True, slots=True)
class Fence:
    """Pass a fence, prove the book, answer with Reconciled."""


@dataclass(frozen=True, slots=True)
class ReadBaseline:
    """Read A's key now, answer with BaselineRead."""


@dataclass(frozen=True, slots=True)
class SendHedge:
    """Sign and send this market order, answer with Sent."""

    order: InFlight


@dataclass(frozen=True, slots=True)
class Report:
    """Publish that a hedge executed `order.filled_lots`; `owed_lots` is None while unknown."""

    order: InFlight
    owed_lots: int | None


@dataclass(frozen=True, slots=True)
class PublishFailure:
    """Publish that hedging failed and halt the pair; `owed_lots` is None while unknown.

    `rest_lots` is what of it stays naked at once, left to A; None where B goes on with all of it.
    `doubted` is the order whose fate is what failed; one that is sent after it is none.
    """

    failure: Failure
    attempts: int
    owed_lots: int | None
    rest_lots: int | None = None
    doubted: InFlight | None = None


@dataclass(frozen=True, slots=True)
class HaltPair:
    """Halt the pair and say why."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the log; `loud` for a warning."""

    event: str
    detail: str
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """The process may end; `neutral` False when something is still owed or in doubt."""

    neutral: bool


HedgerEffect = (
    Fence | ReadBaseline | SendHedge | Report | PublishFailure | HaltPair | Note | Stopped
)
