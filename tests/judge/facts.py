"""What the judge is told: facts of the exchange's log, what the pair said, and what befell it.

Every fact has a moment in seconds (`at_s`) on one clock; simulator and chaos bring their own. Where
two facts share a moment, the exchange's own order (`mono`) decides. Amounts are lots, a buy is
positive. No product code is used here: the tags below are restated from the order ids' rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

ORDER_TAG, MARKER_TAG = 0xA, 0xB
TAG_SHIFT = 44
"""A client order index of the pair: 4 bits of tag, 12 of the process, 32 of its nonce."""
NONCE_MASK = (1 << 32) - 1


# --- the exchange's log ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leg:
    """What one trade changed on A and on B; one trade can concern both.

    `foreign_a`, `foreign_b`: the order of that side was none of the pair's own: a person's, or a
    liquidation.
    """

    seq: int
    mono: int
    at_s: float
    a_lots: int
    b_lots: int
    foreign_a: bool = False
    foreign_b: bool = False

    @property
    def net_lots(self) -> int:
        """What the trade changed on A + B."""
        return self.a_lots + self.b_lots


@dataclass(frozen=True, slots=True)
class OrderLife:
    """One order from its arrival to its end; `ended_ns` and `ended_s` are None while it is open.

    `received_ns` and `ended_ns` are places in the exchange's own order. `signed_s` is when its
    process decided on it, where that is known; `told_s`: the last moment of whose trades of A the
    pair could not but know then, None where nothing kept it from hearing of any.
    """

    account: int
    client_order_index: int
    is_ask: bool
    size_lots: int
    filled_lots: int
    price: Decimal
    kind: str
    time_in_force: str
    reduce_only: bool
    received_ns: int
    received_s: float
    ended_ns: int | None
    ended_s: float | None
    status: str
    foreign: bool = False
    signed_s: float | None = None
    told_s: float | None = None

    @property
    def rests(self) -> bool:
        """Whether it was meant to rest: neither a marker nor a closing order."""
        return self.time_in_force != "immediate-or-cancel"

    @property
    def is_marker(self) -> bool:
        """Whether it is a fence marker."""
        return self.client_order_index >> TAG_SHIFT == MARKER_TAG

    @property
    def has_tag(self) -> bool:
        """Whether its id carries a tag of the pair, whichever process signed it."""
        return self.client_order_index >> TAG_SHIFT in (ORDER_TAG, MARKER_TAG)


@dataclass(frozen=True, slots=True)
class FalseRow:
    """A row or trade that the exchange itself sent falsely, within the bounds of design.md 13.7.

    `lots` is by how much it was false, whatever the direction; `shown_s` is when REST first showed
    the truth to the pair, None while it has not.
    """

    at_s: float
    lots: int
    shown_s: float | None = None


# --- what the pair said ---------------------------------------------------------------------


class Claim(Enum):
    """What was said, in the terms of `CLAIMS`."""

    STATUS_NEUTRAL = "status: neutral"
    STATUS_CODE_0 = "status: exit code 0"
    DAEMON_CODE_0 = "daemon: exit code 0"
    DAEMON_STOPPED = "daemon's log: stopped neutral=true"
    LAUNCHER_NEUTRAL = "launcher: neutral"
    LAUNCHER_CODE_0 = "launcher: exit code 0"
    SUMMARY_FLAT = "launcher: SUMMARY net_lots=0"
    FLATTEN_DONE = "flatten: done"
    LEDGER = "ledger: owed 0 for A's newest state"
    NEUTRAL_RECORD = "record of a neutral moment"
    A_COVERED = "A's log or event: covered"


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said at a moment, by `who` (a process, "launcher", "hedgectl …").

    `a_lots`, `b_lots`: the positions that it named, None where it named none. `dust_lots`: what it
    named as dust. `code`: the exit code, None while it runs. `known_s`: the last moment of which
    the speaker could not but know; None where the judge's own bound for such claims decides.
    """

    at_s: float
    who: str
    claim: Claim
    text: str = ""
    code: int | None = None
    a_lots: int | None = None
    b_lots: int | None = None
    dust_lots: int = 0
    known_s: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A decided on an order that shall rest, or that closes; what it had been told by then.

    `b_ready`, `halted`: as told, None where it was told nothing; `told_s`: when it was told, None
    for never; `thawed_s`: when its process last went on after a freeze. `unreleased`: the halts
    that its process or its host's files had shown before and that no person has released.
    """

    at_s: float
    client_order_index: int
    who: str
    b_ready: bool | None
    halted: str | None
    told_s: float | None
    thawed_s: float = float("-inf")
    unreleased: tuple[str, ...] = ()
    closes: bool = False
    """It closes at market, and rests nothing."""
    deaf_s: float = 0.0
    """How long B had heard nothing of the exchange when it said what A was told of it."""
    hopeless: str = ""
    """What the exchange had told B for long enough by then, so that B could hedge nothing."""


# --- what befell it -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_s` until `end_s`; None: it lasts to the end."""

    start_s: float
    end_s: float | None = None

    def covers(self, at_s: float) -> bool:
        """Whether the moment lies in it."""
        return self.start_s <= at_s and (self.end_s is None or at_s < self.end_s)


@dataclass(frozen=True, slots=True)
class Life(Span):
    """One process from its start to its end; `side` "a" or "b", `who` its name."""

    who: str = ""
    side: str = ""


@dataclass(frozen=True, slots=True)
class Shown(Span):
    """A reason for holding, as long as it could be seen; a log line or an event is one moment.

    `where` it stood (heartbeat, event, log, status), and the reason that it gave.
    """

    side: str = ""
    where: str = ""
    reason: str = ""


class Hindrance(Enum):
    """What keeps a side from acting, in the terms of `HINDRANCES`."""

    LINK = "the exchange is not reached, or not heard"
    REDIS = "Redis is not reached"
    VENUE = "the exchange refuses"
    DRY = "nobody trades inside the bounds"
    LEAVES = "asked to leave"
    APART = "the other side is at work in another market, and it may not watch"


@dataclass(frozen=True, slots=True)
class Hindered(Span):
    """The world kept a side ("a", "b") from acting."""

    side: str = ""
    what: Hindrance = Hindrance.LINK


@dataclass(frozen=True, slots=True)
class Halted(Span):
    """A halt stood where both sides keep them: in Redis, or on a host."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class HandPublished:
    """A fill published by hand that B had to follow: `lots` as if A had traded them.

    With `forgets` it is the opposite of what a B that has ended followed: that is drift from then.
    """

    at_s: float
    lots: int
    text: str = ""
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """A moment at which the pair takes the exchange's positions for its own.

    A person's `resume --force` allows it whatever they are. Unasked (`side` "a", "b") only so much
    drift may be taken over as `safety.max_drift_usd` is at the price of that moment (`limit_lots`,
    None: not known): A its position, B the debt, which remains. `lots` is what was named, None
    where nothing was; `known_s` the last moment of which the speaker could not but know.
    """

    at_s: float
    why: str = ""
    side: str = ""
    lots: int | None = None
    limit_lots: int | None = None
    known_s: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long honest news may travel; each figure with where it comes from.

    A promise is never widened by one of these beyond what the process could not know.
    """

    dust_lots: int = 0
    """What the venue refuses to trade and the pair may leave open."""
    news_s: float = 0.0
    """From a trade at the exchange to all processes on healthy links: stream, publication, read."""
    own_s: float = 0.0
    """How late a process may hear of a stranger's trade on its own account: frames late or lost."""
    beat_s: float = 1.0
    """13.6: what only the other side's heartbeat tells is read once a second."""
    answer_s: float = 4.5
    """13.1: `status` counts a heartbeat that acknowledged its question within this."""
    shown_s: float = 10.0
    """13.1: a side shows its position only where something came from the exchange within this."""
    stranger_s: float = 25.0
    """13.1: how long the exchange's own statement counts, which alone tells of strangers' trades
    on an account whose process has ended."""
    lost_s: float = 30.0
    """13.19: what a live private socket lost shows by its next snapshot."""
    blind_s: float = 40.0
    """What a live socket lost (13.19), stated by a beat that counts for 8 s (13.6); B believes in
    no debt that was gone before, where nothing says for how long it could hear of nothing."""
    told_s: float = float("inf")
    """A decides on no state of B that is older (a heartbeat's life, one lost round trip)."""
    turn_s: float = 1.0
    """13.6: freshness is checked at every use: a process that goes on after a freeze may finish the
    turn in which it was, and not more."""
    deaf_b_s: float = float("inf")
    """13.19: a B that has heard nothing of the exchange for longer says that it is not ready."""
    dead_b_s: float = float("inf")
    """How long after the end of the last B a heartbeat of it can still be taken for life."""
    hears_s: float = 3.0
    """How long B may not have heard of a trade of A while messages are lost: it reads the key."""
    smallest_resting_lots: int = 50
    """A may open beside a smaller position, which no resting order can close."""
    quiet_s: float = 60.0
    """13.20: an A that cannot quote for so long shows why."""
    unsaid_s: float = float("inf")
    """13.20: while something is open a B that runs shows within this that something is wrong."""
    acts_s: float = 150.0
    """13.26: a debt that B could have acted on all the while has an end within this: F is 60, a B
    without A holds still until F + 60, and half a minute goes by for fence, proof and order."""
    a_acts_s: float = float("inf")
    """13.26: so long A has to reduce itself by what no B can act on, by public answers alone (F +
    30, its order and what it repeats), where it may ask for them."""
    noted_s: float = float("inf")
    """So late, or early, the record has the begin and the end of a halt."""
    leaves_s: float = 65.0
    """13.3: a side that was asked to leave has left by then (`timing.stop_timeout_s`)."""
    off_s: float = float("inf")
    """So long an order of A may rest on beside a halt, or a B that is not ready or not there: a
    heartbeat's life, its cancel, and the fence after one that has no answer."""
    undone_s: float = 60.0
    """13.7: after REST has shown a row to be false its effect is undone within this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that one run left behind, in the judge's words. Sequences are in order of time."""

    account_a: int
    account_b: int
    offset_lots: int = 0
    """What A + B shall be."""
    first_a_lots: int = 0
    """What A held before the first leg."""
    first_b_lots: int = 0
    knows_first: bool = True
    """Whether the first positions are known, not only that they summed up to the offset."""
    legs: tuple[Leg, ...] = ()
    orders: tuple[OrderLife, ...] = ()
    said: tuple[Said, ...] = ()
    shown: tuple[Shown, ...] = ()
    decisions: tuple[Decision, ...] = ()
    lives: tuple[Life, ...] = ()
    by_hand: tuple[HandPublished, ...] = ()
    adopted: tuple[Adopted, ...] = ()
    false_rows: tuple[FalseRow, ...] = ()
    hindered: tuple[Hindered, ...] = ()
    halted: tuple[Halted, ...] = ()
    b_signed_s: tuple[float, ...] | None = None
    """When a B signed an order, whatever became of it; None where that is not known."""
    forgot_s: tuple[float, ...] = ()
    """When what a host or Redis remembered was lost, or written over by others."""
    end_s: float = 0.0
    """Until when the run was watched."""
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise broken at one moment: a sentence, and the figures that it rests on."""

    promise: str
    """"I1" … "I4", "said" or "hold"."""
    kind: str
    """A stable name for one way of breaking it."""
    at_s: float
    text: str
    facts: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.promise}: {self.text} (at {self.at_s:.3f} s)"
