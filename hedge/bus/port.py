"""What the managers know of Redis: a Protocol, so that a simulator can stand in for it.

Every call either did what it says before it returns, or raises `RedisUnreachableError`: then
nothing is known of it, and nothing was queued. Every call is safe to repeat.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hedge.bus.remnants import Elsewhere
from hedge.core.amounts import MarketSpec
from hedge.wire.codec import MessageRefusedError, RefusalCause, Seal, WireLimits
from hedge.wire.control import NO_HALTS, Command, Halts, Instances, Lease
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed, EventMessage
from hedge.wire.names import LeaseKey, PairLeaseKey
from hedge.wire.state import Ledger, Neutral, PositionState, Ready, Standby

TextHandler = Callable[[str], None]
"""Gets the text of each message of a channel, in order, inside the event loop."""

LinkHandler = Callable[[bool], None]
"""Gets True when every subscription is proven alive, False when the link is lost."""


@dataclass(frozen=True, slots=True)
class PairScope:
    """Whose state this is: what stored values and messages must agree with.

    Limits are in lots, None where there is none; `pair` is its name.
    """

    chain_id: int
    account_a: int
    account_b: int
    spec: MarketSpec
    max_fill_lots: int | None = None
    max_position_lots: int | None = None
    secret: bytes | None = None
    pair: str = ""

    def seal(self, name: str) -> Seal | None:
        """Return what signs the values of a key or channel, None where there is no secret."""
        if not self.secret:
            return None
        return Seal.of_pair(
            self.secret,
            self.pair,
            name,
            chain=self.chain_id,
            a=self.account_a,
            b=self.account_b,
            market=self.spec.market_index,
        )

    def limits_a(self, name: str) -> WireLimits:
        """Return what must hold for a value about account A under a key, or on a channel."""
        return WireLimits(
            chain_id=self.chain_id,
            account_index=self.account_a,
            other_account_index=self.account_b,
            max_fill_lots=self.max_fill_lots,
            max_position_lots=self.max_position_lots,
            seal=self.seal(name),
            pair=self.pair,
        )

    def refusal_of(self, beat: Ready) -> MessageRefusedError | None:
        """Return why a heartbeat is not the pair's, None where it states its chain and accounts.

        It is read all the same, for what the two sides' configurations disagree on is named.
        """
        stated = (
            ("chain_id", beat.chain_id, self.chain_id, RefusalCause.WRONG_CHAIN),
            ("a_account_index", beat.a_account_index, self.account_a, RefusalCause.OTHER_ACCOUNT),
            ("b_account_index", beat.b_account_index, self.account_b, RefusalCause.OTHER_ACCOUNT),
        )
        for name, found, ours, cause in stated:
            if found != ours:
                return MessageRefusedError(cause, f"{name} is {found}, ours is {ours}")
        return None

    def limits_b(self, name: str) -> WireLimits:
        """Return the same for account B; the size of what it says is A's business."""
        return WireLimits(
            chain_id=self.chain_id,
            account_index=self.account_b,
            seal=self.seal(name),
            pair=self.pair,
        )


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """Whether the lease is ours after the call, and who had it.

    `held` False means that nothing was written. `holder` is the other process, or None.
    `was_free` says that nobody had the lease when the call came: for a process that believed it
    was the holder, its lease had lapsed. `took_over` says that it was taken from an older
    process of the same host.
    """

    held: bool
    holder: Lease | None = None
    was_free: bool = False
    took_over: bool = False


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """A value that was refused: its key, the cause, and the complaint."""

    key: str
    cause: RefusalCause
    complaint: str

    @property
    def text(self) -> str:
        """Say it in one sentence."""
        return f"{self.key} counts as absent: {self.complaint}"


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """All state keys as of one moment. None is unknown: missing, unreadable or another pair's.

    `halts` are what `hedge:halt` holds; what is there but cannot be read is a halt.
    `problems` names each value that was refused, once per value and cause; `refused` has the cause
    of every value that is refused now, by its key; `newly_refused` has each once per text.
    `other_a` and `other_b` are heartbeats under our names of other accounts, or of another chain:
    to be named, never to be acted on; `version_a` and `version_b` are the versions of heartbeats
    under our names that another version of this program has written. `a_elsewhere` and
    `b_elsewhere` are what the stored positions state of another market, in words.
    """

    position_a: PositionState | None = None
    position_b: PositionState | None = None
    ledger: Ledger | None = None
    neutral: Neutral | None = None
    ready_a: Ready | None = None
    ready_b: Ready | None = None
    halts: Halts = NO_HALTS
    command: Command | None = None
    lease_a: Lease | None = None
    lease_b: Lease | None = None
    problems: tuple[str, ...] = ()
    refused: Mapping[str, RefusalCause] = field(default_factory=dict)
    newly_refused: tuple[RefusedValue, ...] = ()
    other_a: Ready | None = None
    other_b: Ready | None = None
    version_a: int | None = None
    version_b: int | None = None
    a_elsewhere: str = ""
    b_elsewhere: str = ""

    @property
    def known_halts(self) -> Halts:
        """Return what any of its values says of halts: `hedge:halt` and both heartbeats."""
        beats = (self.ready_a, self.ready_b)
        return self.halts.union(*(beat.known_halts for beat in beats if beat is not None))


class Messenger(Protocol):
    """The bus as the managers use it."""

    def bind(self, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None) -> None:
        """Say whose state this is; before that only leases and `check` work."""

    def subscribe(self, channel: str, handler: TextHandler) -> None:
        """Call `handler` with every message of `channel` once `start_listening` runs."""

    def on_link(self, handler: LinkHandler) -> None:
        """Call `handler` at every change of the subscription link."""

    def on_complaint(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with one sentence whenever the subscription link is lost."""

    async def start_listening(self) -> None:
        """Listen until cancelled: reconnects, subscribes again and proves that it hears."""

    async def open(self) -> None:
        """Open the links for calls, within the deadline of opening."""

    def doubt_master(self) -> None:
        """Ask the Sentinels, if there are any, whether all links still lead to the master."""

    async def acquire_lease(self, key: LeaseKey | PairLeaseKey) -> LeaseAnswer:
        """Take the lease if it is free, ours, or left by an older process of this host."""

    async def renew_lease(self, key: LeaseKey) -> LeaseAnswer:
        """Prolong the lease if it is ours; a lapsed one is not taken: `was_free`, not `held`."""

    async def release_lease(self, key: LeaseKey | PairLeaseKey) -> None:
        """Give the lease back if it is ours."""

    async def read_instances(self, key: LeaseKey) -> tuple[str, ...]:
        """Return which processes Redis lists as signers of a key; () where there is no list.

        Raises MessageRefusedError for a list that is not the pair's.
        """

    async def write_instances(self, key: LeaseKey, instances: Instances) -> None:
        """Write that list; it stays."""

    async def publish_fill(self, position: PositionState, fill: AFilled) -> LeaseAnswer:
        """Write A's position, keep the fill in history and publish it, if A's lease allows."""

    async def write_position(self, position: PositionState) -> LeaseAnswer:
        """Write A's position without a fill, if A's lease allows."""

    async def write_ledger(
        self,
        ledger: Ledger,
        results: Sequence[BFilled] = (),
        *,
        neutral: Neutral | None = None,
        position_b: PositionState | None = None,
        take_free: bool = True,
    ) -> LeaseAnswer:
        """Write B's ledger, publish its results and what else is given, if B's lease allows."""

    async def publish_failure(self, failure: BHedgeFailed, halts: Halts | None) -> None:
        """Publish a failure and, in the same step, add these halts and releases."""

    async def publish_event(self, event: EventMessage) -> None:
        """Publish a change of state."""

    async def beat(self, ready: Ready) -> None:
        """Write a heartbeat that dies by itself."""

    async def clear_beat(self, side: str) -> None:
        """Delete the heartbeat of side "a" or "b" at a clean stop."""

    async def stand_by(self, standby: Standby) -> None:
        """Write the heartbeat of a process that waits to lead; it dies by itself."""

    async def clear_standby(self, side: str) -> None:
        """Delete our heartbeat of waiting at a clean stop."""

    async def read_state(self) -> StateSnapshot:
        """Read all state keys in one round trip."""

    async def business(self, lease: LeaseKey) -> str:
        """Return in words what Redis shows that a side must answer for; "" for nothing."""

    async def business_elsewhere(self, side: str, market_index: int, left_by: str) -> Elsewhere:
        """Return what Redis shows of other markets that a side must answer for, by market."""

    async def write_halts(self, halts: Halts) -> Halts:
        """Add these halts and releases to those in Redis; return what stands there then."""

    async def send_command(self, command: Command) -> None:
        """Leave a command for the daemons; it dies by itself after a minute."""

    async def aclose(self) -> None:
        """Close all connections."""
