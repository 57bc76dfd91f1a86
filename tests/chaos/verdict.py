"""The verdict on a run, from records alone: diary, exchange logs, daemon logs. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.diary import Entry
from tests.chaos.exposure import Exposure, exposure
from tests.chaos.halts import allows
from tests.chaos.kinds import PROCESSES
from tests.chaos.logscan import Told
from tests.chaos.schedule import Needed
from tests.chaos.truth import beliefs
from tests.pair_audit import Audit, Json, audit, legs_of, lives_of

MAY_END_WITH = {
    "a": frozenset({0, 3, 5, 6, -9, -15}),
    "b1": frozenset({0, 3, 5, -9, -15}),
    "b2": frozenset({0, 3, 5, -9, -15}),
    "redis": frozenset({0, -9, -15}),
    "exchange": frozenset({0, -9, -15}),
}
"""Exit codes by design: 3 Redis or exchange away at start, 5 stopped uncovered, 6 lease held."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be; `rule` is a promise (I1 …) or what was not reached."""

    rule: str
    text: str

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the report is made of; the run is good when `findings` is empty."""

    audit: Audit
    exposure: Exposure
    beliefs: tuple[str, ...]
    fills: int
    faults: Counter[str]
    kills: Counter[str]
    missed: int
    halts: tuple[tuple[str, bool, int], ...]
    resumed: Counter[str]
    findings: tuple[Finding, ...] = field(default=())


def judge(records: Records) -> Verdict:
    """Judge a run."""
    legs = legs_of(records.trades, records.account_a, records.account_b)
    lives = lives_of(records.orders)
    found = audit(records.trades, records.orders, records.account_a, records.account_b)
    believed = beliefs(legs, lives, records.account_a, records.account_b)
    faults = [entry for entry in records.entries if entry.what == "fault"]
    halts = _halts(records.entries, faults)
    kills = Counter(str(f.fields["target"]) for f in faults if f.fields["kind"] == "kill")
    findings = (
        *_promises(found, believed),
        *(Finding("halt", f"{reason}, {count} times") for reason, ok, count in halts if not ok),
        *_ends(records.entries),
        *(Finding("bug", text) for text in records.told.bugs),
        *(Finding("recovery", str(e.fields["why"])) for e in _of(records.entries, "failed")),
        *(Finding("exchange", text) for text in records.exchange_contradictions[:3]),
        *_too_few(len(faults), kills, records.needed),
    )
    return Verdict(
        audit=found,
        exposure=exposure(legs),
        beliefs=believed,
        fills=sum(1 for leg in legs if leg.a_lots),
        faults=Counter(str(fault.fields["kind"]) for fault in faults),
        kills=kills,
        missed=len(_of(records.entries, "missed")),
        halts=halts,
        resumed=_resumed(records.entries),
        findings=findings,
    )


def _promises(found: Audit, believed: Sequence[str]) -> list[Finding]:
    wrong = [Finding("I1", f"A + B = {found.net_lots:+d} lots at the end")] * bool(found.net_lots)
    for rule, texts in (
        ("I2", found.never_twice),
        ("I3", found.hold),
        ("I3 beside", found.beside),
        ("I4", believed),
    ):
        more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
        wrong += [Finding(rule, f"{text}{more}") for text in texts[:1]]
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
        for process in PROCESSES
        if kills[process] < needed.kills
    ]


def _of(entries: Sequence[Entry], what: str) -> list[Entry]:
    return [entry for entry in entries if entry.what == what]
