"""The verdict on a run, from records alone: diary, exchange logs, daemon logs. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.diary import Entry
from tests.chaos.exposure import Exposure, exposure
from tests.chaos.halts import allows
from tests.chaos.logscan import Line, Told
from tests.chaos.record import Kept, record_of
from tests.chaos.schedule import Needed
from tests.judge.audit import Audit
from tests.judge.audit import judge as judge_record
from tests.judge.facts import Violation
from tests.pair_audit import Json

MAY_END_WITH = {
    "a": frozenset({None, 0, 3, 5, 6, -9, -15}),
    "b1": frozenset({0, 3, 5, -9, -15}),
    "b2": frozenset({0, 3, 5, -9, -15}),
    "redis": frozenset({0, -9, -15}),
    "exchange": frozenset({0, -9, -15}),
    "replica": frozenset({0, -9, -15}),
    "b": frozenset({None}),
    "launcher": frozenset({0, 1, 3, 5, 6, -9, -15}),
}
"""Exit codes by design: 3 Redis or exchange away at start, 5 stopped uncovered, 6 lease held."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be; `rule` is a promise (I1 …) or what was not reached."""

    rule: str
    text: str
    kind: str = ""
    at_s: float | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


@dataclass(frozen=True, slots=True)
class Records:
    """All that a run left behind."""

    trades: Sequence[Json]
    orders: Sequence[Json]
    entries: Sequence[Entry]
    told: Told
    needed: Needed
    account_a: int
    account_b: int
    exchange_contradictions: Sequence[str] = ()
    lines: Sequence[Line] = ()
    wall_s: float = 0.0
    """The wall clock less the monotonic one."""

    @property
    def kept(self) -> Kept:
        """What the judge is told of."""
        return Kept(self.trades, self.orders, self.entries, self.lines, self.wall_s)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the report is made of; the run is good when `findings` is empty."""

    audit: Audit
    exposure: Exposure
    fills: int
    faults: Counter[str]
    kills: Counter[str]
    missed: int
    halts: tuple[tuple[str, bool, int], ...]
    resumed: Counter[str]
    findings: tuple[Finding, ...] = field(default=())


def judge(records: Records) -> Verdict:
    """Judge a run."""
    record = record_of(records.kept, records.account_a, records.account_b)
    found = judge_record(record)
    faults = [entry for entry in records.entries if entry.what == "fault"]
    halts = _halts(records.entries, faults)
    kills = Counter(str(f.fields["target"]) for f in faults if f.fields["kind"] == "kill")
    findings = (
        *_promises(found.violations),
        *(Finding("halt", f"{reason}, {count} times") for reason, ok, count in halts if not ok),
        *_ends(records.entries),
        *(Finding("bug", text) for text in records.told.bugs),
        *(Finding("recovery", str(e.fields["why"])) for e in _of(records.entries, "failed")),
        *(Finding("exchange", text) for text in records.exchange_contradictions[:3]),
        *_too_few(len(faults), kills, records.needed),
    )
    return Verdict(
        audit=found,
        exposure=exposure(found.naked),
        fills=sum(1 for leg in record.legs if leg.a_lots),
        faults=Counter(str(fault.fields["kind"]) for fault in faults),
        kills=kills,
        missed=len(_of(records.entries, "missed")),
        halts=halts,
        resumed=_resumed(records.entries),
        findings=findings,
    )


def _promises(violations: Sequence[Violation]) -> list[Finding]:
    """Return the first offence of each kind, and how many more there are."""
    kinds: dict[tuple[str, str], list[Violation]] = {}
    for one in violations:
        kinds.setdefault((one.promise, one.kind), []).append(one)
    wrong = []
    for promise in ("I1", "I2", "I3", "I4", "said", "hold"):
        for (rule, kind), found in kinds.items():
            if rule == promise:
                more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                wrong.append(Finding(rule, f"{found[0].text}{more}", kind, found[0].at_s))
    return wrong


def _halts(entries: Sequence[Entry], faults: Sequence[Entry]) -> tuple[tuple[str, bool, int], ...]:
    """Return (reason, whether section 8 allows it, how often)."""
    counted = Counter(
        (str(halt.fields.get("reason")), allows(halt, faults)) for halt in _of(entries, "halt")
    )
    return tuple((reason, ok, count) for (reason, ok), count in sorted(counted.items()))


def _resumed(entries: Sequence[Entry]) -> Counter[str]:
    """Count the resumptions that worked, plain and by force."""
    worked = [entry for entry in _of(entries, "resume") if entry.fields["code"] == 0]
    return Counter("by force" if entry.fields["forced"] else "plainly" for entry in worked)


def _ends(entries: Sequence[Entry]) -> list[Finding]:
    """Find the processes that ended as none may."""
    counted = Counter(
        (str(entry.fields["process"]), entry.fields["code"]) for entry in _of(entries, "ended")
    )
    return [
        Finding("exit code", f"{process} ended with {code}, {count} times")
        for (process, code), count in sorted(counted.items(), key=str)
        if code not in MAY_END_WITH[process]
    ]


def _too_few(faults: int, kills: Counter[str], needed: Needed) -> list[Finding]:
    few = [Finding("too few", f"{faults} faults of {needed.faults}")] * (faults < needed.faults)
    return few + [
        Finding("too few", f"{kills[process]} kills of {process}, {needed.kills} are needed")
        for process in needed.processes
        if kills[process] < needed.kills
    ]


def _of(entries: Sequence[Entry], what: str) -> list[Entry]:
    return [entry for entry in entries if entry.what == what]
