"""What the state in Redis says of the pair, in one sentence and in detail; reads, never acts.

A value that is missing or unreadable is unknown, and said to be; it is never shown as zero.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hedge.bus.port import StateSnapshot
from hedge.core.amounts import MarketSpec
from hedge.core.freshness import BeatId
from hedge.daemon.advice import advice_for
from hedge.wire.control import Halt, Lease
from hedge.wire.state import Ledger, PositionState, Ready, Standby

Json = dict[str, Any]
RESUME = "`python hedgectl.py resume`"


@dataclass(frozen=True, slots=True)
class SideView:
    """One side as Redis knows it. `beat` None: no heartbeat, so nobody knows whether it runs."""

    side: str
    account_index: int
    beat: Ready | None
    position: PositionState | None
    lease: Lease | None

    @property
    def name(self) -> str:
        """The side's letter in capitals."""
        return self.side.upper()

    @property
    def answered(self) -> BeatId | None:
        """The heartbeat that a command to this side answers, None where it has none."""
        beat = self.beat
        if beat is None or beat.envelope is None:
            return None
        return BeatId(beat.envelope.epoch, beat.beat)

    @property
    def stated_lots(self) -> int | None:
        """Its position as its own living process states it, None while that is unknown."""
        beat, position = self.beat, self.position
        if beat is None:
            return None
        if beat.position_lots is not None:
            return beat.position_lots
        is_its = position is not None and position.instance == beat.instance
        return position.position_lots if position is not None and is_its else None

    def outcome_of(self, command_id: str) -> str | None:
        """Return what its heartbeat says became of a command, None while it does not."""
        return None if self.beat is None else dict(self.beat.acks).get(command_id)

    @property
    def is_ready(self) -> bool:
        """Whether it lives and says that it is ready."""
        return self.beat is not None and self.beat.ready

    @property
    def why_not_ready(self) -> str:
        """Why it is not ready, in words; empty if it is."""
        if self.beat is None:
            return f"{self.name} has no heartbeat (not running, or cut off from Redis)"
        if self.beat.ready:
            return ""
        return f"{self.name} is not ready: {'; '.join(self.beat.reasons) or self.beat.state}"


@dataclass(frozen=True, slots=True)
class Report:
    """The pair as of one snapshot. `standbys` None: this login may not look for them.

    `halts` are those in force, as `hedge:halt` and both heartbeats show them together.
    """

    spec: MarketSpec
    a: SideView
    b: SideView
    ledger: Ledger | None
    halts: tuple[Halt, ...]
    problems: tuple[str, ...]
    standbys: tuple[Standby, ...] | None = ()

    # --- questions

    @property
    def is_halted(self) -> bool:
        """Whether a halt is in force."""
        return bool(self.halts)

    @property
    def halt(self) -> Halt | None:
        """The first of the halts in force."""
        return self.halts[0] if self.halts else None

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Why it is not certain that B covers all of A's newest state; empty when it is."""
        ledger, position = self.ledger, self.a.position
        if position is None:
            return ("A's position is unknown",)
        if ledger is None or ledger.a_seq is None or ledger.owed_lots is None:
            return ("B has not answered any state of A",)
        if (ledger.a_instance, ledger.a_seq) != (position.instance, position.seq):
            return ("B has not answered A's newest state yet",)
        if ledger.inflight:
            return ("a hedge is in flight",)
        if ledger.owed_lots not in (0, ledger.dust_lots):
            return (f"B owes {self.amount(ledger.owed_lots)}",)
        return ()

    @property
    def is_covered(self) -> bool:
        """Whether B has answered A's newest state, with nothing owed but dust."""
        return not self.uncovered

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What speaks against resuming; empty when nothing does."""
        not_ready = (self.b.why_not_ready,) if self.b.why_not_ready else ()
        return (*self.uncovered, *not_ready)

    # --- words

    def amount(self, lots: int | None) -> str:
        """Write an amount with its sign and the asset."""
        if lots is None:
            return "unknown"
        sign = "+" if lots > 0 else ""
        return f"{sign}{self.spec.base(lots)} {self.spec.symbol}"

    def position_text(self, view: SideView) -> str:
        """Write a side's position."""
        return self.amount(None if view.position is None else view.position.position_lots)

    @property
    def positions_text(self) -> str:
        """Write both positions."""
        return f"A {self.position_text(self.a)}, B {self.position_text(self.b)}"

    @property
    def headline(self) -> str:
        """The pair in one or two sentences."""
        if self.halts:
            return self._halt_text()
        if self.a.beat is None and self.b.beat is None:
            return f"Not running: no heartbeat of either side; last known {self.positions_text}."
        waiting = [view.why_not_ready for view in (self.a, self.b) if view.why_not_ready]
        return " ".join([self.balance, *([f"{'; '.join(waiting)}."] if waiting else [])])

    @property
    def balance(self) -> str:
        """Both positions and whether they cancel out, in one sentence."""
        if self.uncovered:
            return f"NOT COVERED: {self.positions_text}; {', '.join(self.uncovered)}."
        owed = self.ledger.owed_lots if self.ledger is not None else None
        debt = "nothing owed" if not owed else f"dust of {self.amount(owed)} left unhedged"
        return f"Neutral: {self.positions_text}, {debt}."

    def _halt_text(self) -> str:
        told = "; ".join(halt_words(halt) for halt in self.halts)
        advice = advice_for(self.halts[0].reason)
        return f"HALTED{told}. {self.positions_text}. {advice}, then {RESUME}."

    # --- data

    def as_json(self) -> Json:
        """Return everything as plain values for `--json`."""
        ledger = self.ledger
        return {
            "headline": self.headline,
            "covered": self.is_covered,
            "uncovered": list(self.uncovered),
            "halted": self.is_halted,
            "halt": None if self.halt is None else _halt_json(self.halt),
            "halts": [*map(_halt_json, self.halts)],
            "market": self.spec.symbol,
            "a": self._side_json(self.a),
            "b": self._side_json(self.b),
            "owed_base_amount": self._base(None if ledger is None else ledger.owed_lots),
            "dust_base_amount": self._base(None if ledger is None else ledger.dust_lots),
            "manual_base_amount": self._base(None if ledger is None else ledger.manual_lots),
            "inflight": None if ledger is None else ledger.inflight,
            "failed": None if ledger is None else ledger.failed,
            "problems": list(self.problems),
            "standbys": None if self.standbys is None else [*map(_standby_json, self.standbys)],
        }

    def _base(self, lots: int | None) -> str | None:
        return None if lots is None else self.spec.base(lots)

    def _side_json(self, view: SideView) -> Json:
        beat, position, lease = view.beat, view.position, view.lease
        return {
            "account_index": view.account_index,
            "alive": beat is not None,
            "ready": view.is_ready,
            "state": None if beat is None else beat.state,
            "reasons": [] if beat is None else list(beat.reasons),
            "version": None if beat is None else beat.version,
            "can_hedge_base_amount": self._base(None if beat is None else beat.can_hedge_lots),
            "position_base_amount": self._base(
                None if position is None else position.position_lots
            ),
            "last_trade_id": None if position is None else position.last_trade_id,
            "lease": None if lease is None else {"instance": lease.instance, "host": lease.host},
        }


def _standby_json(standby: Standby) -> Json:
    return {
        "side": standby.side,
        "instance": standby.instance,
        "host": standby.host,
        "warm": standby.warm,
        "version": standby.version,
    }


def _halt_json(halt: Halt) -> Json:
    return {
        "id": halt.id,
        "side": halt.side,
        "reason": halt.reason,
        "detail": halt.detail,
        "timestamp": halt.timestamp,
        "advice": advice_for(halt.reason),
    }


def halt_words(halt: Halt) -> str:
    """Write a halt as the words that follow "halted"."""
    detail = f": {halt.detail.rstrip('.')}" if halt.detail else ""
    since = f" since {when(halt.timestamp)}" if halt.timestamp else ""
    by = f" by {halt.side.upper()}" if halt.side else ""
    return f"{since}{by}: {halt.reason}{detail}"


def when(epoch_s: int) -> str:
    """Write a time of the wire as local time with its offset."""
    return datetime.fromtimestamp(epoch_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S%z")


def report(
    snapshot: StateSnapshot,
    spec: MarketSpec,
    account_a: int,
    account_b: int,
    standbys: tuple[Standby, ...] | None = (),
) -> Report:
    """Arrange a snapshot into a report."""
    return Report(
        spec=spec,
        a=SideView("a", account_a, snapshot.ready_a, snapshot.position_a, snapshot.lease_a),
        b=SideView("b", account_b, snapshot.ready_b, snapshot.position_b, snapshot.lease_b),
        ledger=snapshot.ledger,
        halts=snapshot.known_halts.in_force,
        problems=snapshot.problems,
        standbys=standbys,
    )
