"""What this process says of its own values' origin, and what it makes of the other side's."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hedge.bus.port import StateSnapshot
from hedge.core.freshness import BeatId, Freshness, Stale
from hedge.daemon.context import Parts
from hedge.wire.envelope import Envelope
from hedge.wire.record import Record
from hedge.wire.state import Ready

R = TypeVar("R", bound=Record)

_JUMP_MS = 2000
"""So far may wall and monotonic clock drift apart between two looks before all counts as stale."""


class OriginKeeper:
    """Stamps what is written, and judges what is read by the beats between the two sides."""

    def __init__(self, parts: Parts, side: str) -> None:
        """Begin the first epoch; nothing is sent yet."""
        self._parts = parts
        self._names = parts.names
        other = "b" if side == "a" else "a"
        self._state = Freshness(side, parts.new_epoch(), parts.names.ready(other))
        self._wall_ahead_ms = self._wall_ahead()
        self._leaving_from: int | None = None
        self._left_from: int | None = None
        self.complete: Callable[[Ready], Ready] = lambda ready: ready
        """Adds to a heartbeat what either side says in every one."""

    @property
    def epoch(self) -> str:
        """The epoch of what is written now."""
        return self._state.epoch

    @property
    def heard(self) -> str | None:
        """The epoch of the other side that counts."""
        return self._state.heard

    def renew(self) -> None:
        """Begin another epoch, as at every taking of the lease."""
        self._state.renew(self._parts.new_epoch())
        self._leaving_from = self._left_from = None

    def stamped(self, name: str, record: R, n: int | None = None) -> R:
        """Return the record as it is to be written now under this name.

        `n` where the record has a number of its own, such as the seq of a position.
        """
        number = self._state.next_n(name) if n is None else n
        return replace(record, envelope=self._envelope(number))

    def stamped_beat(self, ready: Ready) -> Ready:
        """Return a heartbeat that is to be written now, with its number."""
        number = self._state.beats(self._parts.clock.now_ms())
        if ready.leaving and self._leaving_from is None:
            self._leaving_from = number
        if ready.left and self._left_from is None:
            self._left_from = number
        envelope = self._envelope(number)
        ready = replace(ready, beat=number, heard=self._state.heard, envelope=envelope)
        return self.complete(ready)

    def hear(self, snapshot: StateSnapshot) -> bool:
        """Take both heartbeats as they were read; whether a new epoch of the other side counts."""
        now_ms, is_new = self._parts.clock.now_ms(), False
        self._mind_jumps()
        for ready in (snapshot.ready_a, snapshot.ready_b):
            if ready is None or ready.envelope is None:
                continue
            origin = ready.envelope
            is_new |= self._state.hear(ready.side, BeatId(origin.epoch, ready.beat), origin, now_ms)
            is_other = ready.side == self._state.other and origin.epoch == self._state.heard
            if is_other and self._state.is_misheard(ready.heard, origin, now_ms):
                self._parts.log.warning("epoch_renewed", reason="the other side counts another one")
                self.renew()
        return is_new

    def fresh_until(self, name: str, record: Record | None) -> int | None:
        """Return until when (monotonic ms) a value is fresh, None where it is not."""
        if record is None:
            return None
        return self._state.fresh_until(name, record.envelope, self._parts.clock.now_ms())

    def why_stale(self, name: str, record: Record) -> Stale | None:
        """Return why a value is not acted on; None: it is fresh, and no earlier one counts now."""
        return None if self.is_fresh(name, record) else self.stale(name, record)

    def stale(self, name: str, record: Record) -> Stale | None:
        """Return why a value is not fresh, None where it is."""
        if record.envelope is None:
            return Stale.AGE
        return self._state.stale(name, record.envelope, self._parts.clock.now_ms())

    def is_fresh(self, name: str, record: Record | None) -> bool:
        """Whether a value was written after one of our newest beats, by the epoch that counts."""
        return self.fresh_until(name, record) is not None

    @property
    def has_said_left(self) -> bool:
        """Whether a heartbeat of ours said that we left."""
        return self._left_from is not None

    def answers_leaving(self, record: Record | None) -> bool:
        """Whether a value was written by one that had read that we leave."""
        return self._answers(record, self._leaving_from)

    def answers_left(self, record: Record | None) -> bool:
        """Whether a value was written by one that had read that we left."""
        return self._answers(record, self._left_from)

    def _answers(self, record: Record | None, number: int | None) -> bool:
        if record is None or number is None:
            return False
        return self._state.answers(record.envelope, number)

    def was_sent_within(self, beat: BeatId, life_ms: int) -> bool:
        """Whether a beat is one of this epoch that we sent at most so long ago."""
        return self._state.was_sent_within(beat, life_ms, self._parts.clock.now_ms())

    def _envelope(self, n: int) -> Envelope:
        state = self._state
        return Envelope(self._parts.config.pair, state.epoch, n, state.echo("a"), state.echo("b"))

    def _mind_jumps(self) -> None:
        """Let everything be stale where the host slept and its monotonic clock with it."""
        ahead_ms = self._wall_ahead()
        if abs(ahead_ms - self._wall_ahead_ms) > _JUMP_MS and not self._parts.clock.counts_sleep:
            self._state.forget_sent()
        self._wall_ahead_ms = ahead_ms

    def _wall_ahead(self) -> int:
        return self._parts.clock.epoch_ms() - self._parts.clock.now_ms()
