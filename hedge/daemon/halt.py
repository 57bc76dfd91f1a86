"""The halts: a file on each host, a key in Redis, both heartbeats, and the managers beside them.

Halts and releases are two sets that only grow, so that no copy of them has to be the newest: what
any of them shows is taken, kept on this host's disk and shown in turn. Whatever dies, a halt stays
until a person releases it, and a release stays for good.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hedge.bus.port import StateSnapshot
from hedge.daemon.context import Parts
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import Outbox
from hedge.wire.control import Halt, Halts
from hedge.wire.messages import BHedgeFailed
from hedge.wire.state import HALT_BEING_STORED, HALT_NOT_STORED, HALT_NOT_STORED_TEXT

RELEASE_MS = 3000
"""So long does a person's release wait for the disk."""


@dataclass(frozen=True, slots=True)
class Release:
    """A person released `halt`; what is in force still is in `left`.

    `forced`: the exchange's positions were adopted as they are. `note` is the person's reason.
    """

    halt: Halt
    left: tuple[Halt, ...] = ()
    forced: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A person's release that is not on the disk yet, and until when that is waited for."""

    ids: tuple[str, ...]
    until_ms: int
    answer: Callable[[str], None]


class HaltKeeper:
    """Keeps file, key, heartbeats and core in agreement."""

    def __init__(
        self,
        parts: Parts,
        side: str,
        outbox: Outbox,
        origin: OriginKeeper,
        on_halt: Callable[[Halt], None],
        on_release: Callable[[Release], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Know of no halt yet; `on_halt` and `on_release` hear of each halt once.

        `on_change` hears of a release that has come to count, and of a halt that has been stored,
        between two looks.
        """
        self._parts = parts
        self._side = side
        self._outbox = outbox
        self._origin = origin
        self._on_halt = on_halt
        self._on_release = on_release
        self._on_change = on_change
        self._sets = Halts()
        self._wanted = Halts()
        self._stored = Halts()
        self._told: dict[str, Halt] = {}
        self._asked: set[str] = set()
        self._words: dict[str, tuple[bool, str]] = {}
        self._waiting: list[_Waiting] = []
        self._is_taking = False
        self._raised = 0
        self.on_unsaid: Callable[[Halt], None] = lambda _: None
        """Hears of each halt of a person, of the launcher, or that stands for a text."""

    # --- what is known

    @property
    def in_force(self) -> tuple[Halt, ...]:
        """The halts that no person has released."""
        return self._sets.in_force

    @property
    def told(self) -> tuple[str, ...]:
        """The released ids for a heartbeat: the newest, and each that is shown in force."""
        return self._sets.told(self._asked)

    @property
    def notices(self) -> tuple[tuple[str, str], ...]:
        """What a heartbeat shows of halts in force that this host has not stored; by its word."""
        stored = {halt.id for halt in self._stored.halts}
        if all(halt.id in stored for halt in self._sets.in_force):
            return ()
        if why := self._parts.host.halts_problem:
            return ((HALT_NOT_STORED, f"{HALT_NOT_STORED_TEXT}{why}"),)
        return ((HALT_BEING_STORED, "its host is storing the halt"),)

    def load(self) -> Halt | None:
        """Come up halted if this host's file says so, or cannot be read, or be written to.

        Returns the halt that is raised for that last one, where it is new.
        """
        self._sets = self._wanted = self._stored = self._parts.host.read_halts()
        for halt in self._sets.in_force:
            log = self._parts.log
            log.error("halted_since_before", id=halt.id, reason=halt.reason, detail=halt.detail)
            self._told[halt.id] = halt
            self._on_halt(halt)
        why = self._parts.host.unwritable
        if not why or not self.halt("state_not_writable", why):
            return None
        raised = self._sets.in_force[-1]
        self._on_halt(raised)
        return raised

    # --- what others show

    def hear(self, snapshot: StateSnapshot) -> None:
        """Take what any value in Redis shows; `settle` passes it on."""
        shown = snapshot.known_halts
        self._asked = {halt.id for halt in self._shown_in_force(snapshot)}
        self._take(self._sets.union(shown))
        if self._sets.adds_to(snapshot.halts):
            self._publish()
        now_ms = self._parts.clock.now_ms()
        if any(now_ms >= one.until_ms for one in self._waiting):
            self._refuse("it has not answered yet")

    def release(
        self, ids: tuple[str, ...], *, forced: bool, note: str, answer: Callable[[str], None]
    ) -> None:
        """Release these halts by a person's word.

        `answer` gets "" once that is on the disk, and counts, else why it is not released: then it
        is forgotten, so that no halt ends hours later by a word of which that was said.
        """
        self._words |= dict.fromkeys(ids, (forced, note))
        until_ms = self._parts.clock.now_ms() + RELEASE_MS
        self._waiting.append(_Waiting(ids, until_ms, answer))
        self._take(self._sets.union(Halts(released=ids)))
        self._answer_released()

    def settle(self) -> None:
        """Tell the manager of each halt and each release since the last time."""
        in_force = {halt.id: halt for halt in self._sets.in_force}
        new = [halt for id_, halt in in_force.items() if id_ not in self._told]
        gone = [halt for id_, halt in self._told.items() if id_ not in in_force]
        self._told = in_force
        for halt in new:
            log = self._parts.log
            log.error("halted", side=halt.side, reason=halt.reason, detail=halt.detail)
            self._on_halt(halt)
            if not halt.id.startswith(("a-", "b-")):
                self.on_unsaid(halt)
        for halt in gone:
            forced, note = self._words.pop(halt.id, (False, ""))
            self._parts.log.warning(
                "released", id=halt.id, reason=halt.reason, forced=forced, note=note
            )
            self._on_release(Release(halt, tuple(in_force.values()), forced, note))

    # --- what this side raises

    def raise_halt(self, reason: str, detail: str) -> bool:
        """Halt from this side, which holds at once, written or not; whether it is a new halt.

        While one of this side with the same reason and detail is in force it is that one.
        """
        self._parts.log.error("HALT", reason=reason, detail=detail)
        for halt in self._sets.in_force:
            if (halt.side, halt.reason, halt.detail) == (self._side, reason, detail):
                return False
        now_ms = self._parts.clock.epoch_ms()
        self._raised += 1
        halt = Halt(
            id=f"{self._side}-{self._parts.instance}-{self._raised}-{reason}",
            side=self._side,
            reason=reason,
            detail=detail,
            timestamp=now_ms // 1000,
        )
        self._told[halt.id] = halt
        self._take(self._sets.union(Halts(halts=(halt,))))
        return True

    def halt(self, reason: str, detail: str) -> bool:
        """Halt from this side, and put it into Redis; whether it is a new halt."""
        is_new = self.raise_halt(reason, detail)
        self._publish()
        return is_new

    def publish_failure(self, failure: BHedgeFailed, detail: str) -> bool:
        """Halt for a failure, and publish both in one step; `detail` is the halt's.

        What to do about it is said by the message, and of a halt by what shows it. Returns whether
        it is a new halt.
        """
        is_new = self.raise_halt(failure.reason, detail)
        names = self._parts.names

        async def publish() -> None:
            stamped = self._origin.stamped
            said = stamped(names.account_b_hedge_failed, failure)
            await self._parts.messenger.publish_failure(said, stamped(names.halt, self._sets))

        self._outbox.put(publish)
        return is_new

    # --- inside

    def _take(self, sets: Halts) -> None:
        """Keep both sets: a halt holds at once, a release counts once it is on the disk.

        What could not be written yet the host tries again until it is.
        """
        self._sets = self._sets.union(Halts(halts=sets.halts))
        wanted = self._wanted.union(sets)
        if wanted != self._wanted:
            self._keep(wanted)

    def _keep(self, wanted: Halts) -> None:
        self._wanted = wanted
        self._is_taking = True
        try:
            self._parts.host.keep_halts(wanted, partial(self._on_kept, wanted))
        finally:
            self._is_taking = False

    def _on_kept(self, sets: Halts, is_kept: bool) -> None:  # noqa: FBT001  a `Done`
        """Let releases that are on the disk count; answer who waits for that, or for a halt."""
        if not is_kept:
            self._refuse(self._parts.host.problem)
            return
        before, self._stored = self._stored, sets
        if not set(sets.released) <= set(self._wanted.released):
            return  # refused in the meantime; what is wanted now is on its way to the disk
        known, self._sets = self._sets, self._sets.union(sets)
        if self._is_taking:
            return  # else it comes later than the look that asked for it
        if self._sets != known:
            self._answer_released()
            self.settle()
            self._publish()
        elif {halt.id for halt in sets.halts} <= {halt.id for halt in before.halts}:
            return
        self._on_change()

    def _answer_released(self) -> None:
        released = set(self._sets.released)
        done = [one for one in self._waiting if released.issuperset(one.ids)]
        self._waiting = [one for one in self._waiting if one not in done]
        for one in done:
            self._publish()
            one.answer("")

    def _refuse(self, why: str) -> None:
        """Forget the releases that wait for the disk."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self._keep(self._sets)
        for one in waiting:
            for id_ in one.ids:
                self._words.pop(id_, None)
            one.answer(f"the state directory cannot be written: {why}")
        self._on_change()

    def _shown_in_force(self, snapshot: StateSnapshot) -> tuple[Halt, ...]:
        other = snapshot.ready_b if self._side == "a" else snapshot.ready_a
        beat = () if other is None else other.halts
        return (*beat, *snapshot.halts.in_force)

    def _publish(self) -> None:
        """Write the union into Redis: of what is known when it is written."""

        async def publish() -> None:
            stamped = self._origin.stamped(self._parts.names.halt, self._sets)
            await self._parts.messenger.write_halts(stamped)

        self._outbox.put_state("halts", publish)
