"""A chaos run in the judge's words: the exchange's rows, the diary, and the daemons' logs.

Only a translation: what is promised stands in `tests/judge`. All moments are those of the machine's
monotonic clock; a daemon whose clock was set back or ahead has that in `clock_ahead_s`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.diary import Entry
from tests.chaos.logscan import Line
from tests.judge.facts import (
    NONCE_MASK,
    Adopted,
    Bounds,
    Claim,
    Decision,
    Halted,
    Hindered,
    OrderLife,
    Record,
    Said,
)
from tests.judge.notes import Notes
from tests.judge.promises import WARNING_OF_B
from tests.pair_audit import Json, legs_of, lives_of, lots

NEWS_S = 1.5
"""A look at Redis (0.1 s), a trip through the slowest link (0.4 s), each twice, and a busy host."""
SETTLE_S = 5.0
"""After a fault a process catches up before what it says counts as known."""
ADOPTIONS = frozenset({"drift_hedged", "drift_adopted"})
HALT_RESUMED = "resume"
TURN_S = 0.05
"""What A's log tells within this before an order is of the very turn that decided on it."""
DEAD_B_S = 15.0
"""13.6: a beat that answers one of A's counts for 8 s and is believed for 4 s; a busy host."""
UNSAID_S = 30.0
"""13.20: B says after 10 s that A is away, and at once what it does not see itself; a busy host."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run kept of itself. `wall_s` is the wall clock less the monotonic one."""

    trades: Sequence[Json]
    orders: Sequence[Json]
    entries: Sequence[Entry]
    lines: Sequence[Line] = ()
    wall_s: float = 0.0
    clock_ahead_s: Mapping[str, float] = field(default_factory=dict)

    def moment_s(self, line: Line) -> float:
        """Return when a line was written."""
        return line.epoch_s - self.wall_s - self.clock_ahead_s.get(line.daemon, 0.0)


def record_of(kept: Kept, account_a: int, account_b: int) -> Record:
    """Translate a run."""
    notes = Notes()
    told = sorted(kept.lines, key=kept.moment_s)
    ends = _note_lives(notes, kept.entries)
    _note_people(notes, kept.entries)
    blind = _Blind(kept.entries)
    led = _note_lines(notes, kept, told, blind)
    legs, orders = legs_of(kept.trades, account_a, account_b), lives_of(kept.orders)
    _note_decisions(notes, kept, told, [life for life in orders if life.account == account_a])
    _note_debts(notes, kept.entries)
    for entry in ends:
        name = str(entry.fields["process"])
        if entry.fields["code"] == 0 and led.at(name, entry.mono_s):
            notes.said.append(Said(entry.mono_s, name, Claim.DAEMON_CODE_0, code=0))
    moments = [leg.at_s for leg in legs] + [entry.mono_s for entry in kept.entries]
    return notes.record(
        accounts=(account_a, account_b),
        legs=legs,
        orders=orders,
        end_s=max(moments, default=0.0),
        bounds=Bounds(news_s=NEWS_S, dead_b_s=DEAD_B_S, unsaid_s=UNSAID_S),
    )


def _note_lives(notes: Notes, entries: Sequence[Entry]) -> list[Entry]:
    """Note when each daemon ran; return the entries of their ends."""
    ends = []
    for entry in entries:
        name = str(entry.fields.get("process", ""))
        if name[:1] not in ("a", "b"):
            continue
        if entry.what == "started":
            notes.runs(entry.mono_s, name, name[0])
        elif entry.what == "ended":
            notes.rests(entry.mono_s, name)
            ends.append(entry)
    return ends


def _note_people(notes: Notes, entries: Sequence[Entry]) -> None:
    """Note what a person resumed, and what other sayings the run wrote down."""
    for entry in entries:
        if entry.what == HALT_RESUMED and entry.fields.get("code") == 0:
            halt_id, forced = str(entry.fields["id"]), bool(entry.fields.get("forced"))
            notes.releases(entry.mono_s, halt_id, forced=forced)
        elif entry.what == "said":
            notes.said.append(
                Said(
                    entry.mono_s,
                    str(entry.fields["who"]),
                    Claim[str(entry.fields["claim"])],
                    str(entry.fields.get("text", "")),
                    code=entry.fields.get("code"),
                )
            )


def _note_lines(notes: Notes, kept: Kept, told: Iterable[Line], blind: "_Blind") -> "_Led":
    led = _Led()
    for line in told:
        at_s, fields, side = kept.moment_s(line), line.fields, line.daemon[0]
        if line.event == "state" and fields.get("now") == "stopping":
            led.note(line.daemon, at_s, standby=fields.get("was") == "standby")
        elif line.event == "stopped" and fields.get("neutral") == "true":
            if led.at(line.daemon, at_s):
                notes.said.append(Said(at_s, line.daemon, Claim.DAEMON_STOPPED))
        elif line.event == "covered" and side == "a":
            amount = lots(fields["detail"].strip('"').split()[-1])
            known_s = blind.known_s(at_s)
            notes.said.append(
                Said(at_s, "a", Claim.A_COVERED, line.text, a_lots=amount, known_s=known_s)
            )
        elif line.event in ADOPTIONS:
            notes.adopted.append(Adopted(at_s, line.event))
        elif line.event in ("waiting", "not_ready"):
            reason = fields.get("reason", fields.get("reasons", line.text))
            notes.shows(at_s, line.daemon, side, "log", reason)
        elif line.event in ("place", "ready"):
            notes.shows(at_s, line.daemon, side, "log", "")
        if line.level in ("WARNING", "ERROR"):
            notes.showed(at_s, side, "log" if side == "a" else WARNING_OF_B, line.event)
    return led


def _note_decisions(
    notes: Notes, kept: Kept, told: Iterable[Line], of_a: Sequence[OrderLife]
) -> None:
    """Note what A had been told when it decided on each order that its log names."""
    by_nonce = {life.client_order_index & NONCE_MASK: life for life in of_a if life.has_tag}
    starts = [
        one.mono_s
        for one in kept.entries
        if one.what == "started" and one.fields.get("process") == "a"
    ]
    ready: list[tuple[float, bool]] = []
    halted: dict[str, float] = {}
    began_s = float("-inf")
    for line in (one for one in told if one.daemon == "a"):
        at_s, fields = kept.moment_s(line), line.fields
        started_s = max((one for one in starts if one <= at_s), default=float("-inf"))
        if started_s > began_s:
            began_s, ready, halted = started_s, [], {}
        if line.event in ("b_ready", "b_not_ready"):
            ready.append((at_s, line.event == "b_ready"))
        elif line.event in ("HALT", "halted"):
            halted.setdefault(fields["reason"], at_s)
        elif line.event == "released":
            halted.pop(fields["reason"], None)
        elif line.event == "place" and "nonce" in fields:
            life = by_nonce.get(int(fields["nonce"]))
            before = [one for when_s, one in ready if when_s <= at_s - TURN_S]
            last = [*before[-1:], *(one for when_s, one in ready if when_s > at_s - TURN_S)]
            known = [reason for reason, since_s in halted.items() if since_s <= at_s - TURN_S]
            notes.decisions.append(
                Decision(
                    at_s=at_s,
                    client_order_index=life.client_order_index if life is not None else 0,
                    who="a",
                    b_ready=any(last) if last else None,
                    halted=known[0] if known else None,
                    told_s=ready[-1][0] if ready else None,
                    closes=fields["closing"] == "true",
                )
            )


def _note_debts(notes: Notes, entries: Sequence[Entry]) -> None:
    """Note what kept both sides from acting on a debt: the faults of the run, and each halt."""
    open_halts: dict[str, tuple[float, str]] = {}
    for entry in entries:
        if entry.what == "fault":
            start_s = entry.mono_s - float(entry.fields["lasts_s"])
            notes.hindered += [Hindered(start_s, entry.mono_s + SETTLE_S, side) for side in "ab"]
            notes.forgot_s.append(start_s)
        elif entry.what == "lied":
            notes.forgot_s.append(entry.mono_s)
        elif entry.what == "halt":
            halt_id = str(entry.fields.get("id"))
            open_halts.setdefault(halt_id, (entry.mono_s, str(entry.fields.get("reason"))))
        elif entry.what == HALT_RESUMED and entry.fields.get("code") == 0:
            since_s, reason = open_halts.pop(str(entry.fields["id"]), (0.0, ""))
            if reason:
                notes.halted.append(Halted(since_s, entry.mono_s, reason))
    notes.halted += [Halted(since_s, None, reason) for since_s, reason in open_halts.values()]


class _Led:
    """Whether a daemon led when it began to stop: the end of a standby says nothing."""

    def __init__(self) -> None:
        self._stops: dict[str, list[tuple[float, bool]]] = {}

    def note(self, daemon: str, at_s: float, *, standby: bool) -> None:
        """Note that it began to stop."""
        self._stops.setdefault(daemon, []).append((at_s, standby))

    def at(self, daemon: str, at_s: float) -> bool:
        """Whether it led when it last began to stop before a moment; unless known, it did."""
        before = [standby for began_s, standby in self._stops.get(daemon, []) if began_s <= at_s]
        return not (before and before[-1])


class _Blind:
    """Since when faults that overlap have kept the pair from knowing."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        spans = sorted(
            (entry.mono_s - float(entry.fields["lasts_s"]), entry.mono_s + SETTLE_S)
            for entry in entries
            if entry.what == "fault"
        )
        self._spans: list[tuple[float, float]] = []
        for start_s, end_s in spans:
            if self._spans and start_s <= self._spans[-1][1]:
                first_s, last_s = self._spans[-1]
                self._spans[-1] = (first_s, max(last_s, end_s))
            else:
                self._spans.append((start_s, end_s))

    def known_s(self, at_s: float) -> float:
        """Return the last moment of which the pair could not but know."""
        return next((start for start, end in self._spans if start <= at_s <= end), at_s)
