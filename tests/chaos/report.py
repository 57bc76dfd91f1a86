"""The end of a run's output: the lines that are the whole report."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.court import Case
from tests.chaos.diary import Entry
from tests.chaos.kinds import PROCESSES, WIDE
from tests.chaos.options import Options
from tests.chaos.schedule import Needed
from tests.chaos.verdict import Finding, Verdict
from tests.judge.facts import Violation
from tests.pair_audit import LOTS

MAX_FINDINGS = 8
Lines = list[str]


def report(cases: Sequence[Case], entries: Sequence[Entry], options: Options) -> tuple[int, Lines]:
    """Return the exit code and the lines of the report."""
    good = not any(case.new for case in cases)
    word = "PASSED" if good else "FAILED"
    faults = "" if options.faults == WIDE else f" FAULTS={options.faults}"
    head = f"CHAOS seed={options.seed} minutes={options.minutes:g} faults={options.faults}: {word}"
    return (0 if good else 1), [
        head,
        *_storm_lines(cases[0], entries),
        *(line for case in cases for line in _case_lines(case)),
        f"records     {options.folder}",
        f"replay      make chaos MINUTES={options.minutes:g} SEED={options.seed}{faults}",
    ]


def _storm_lines(case: Case, entries: Sequence[Entry]) -> Lines:
    verdict, wanted = case.verdict, case.needed
    faults = sum(verdict.faults.values())
    return [
        f"faults      {faults} (at least {wanted.faults}); {_counts(verdict.faults)}",
        f"            not counted (target down, or never set off): {verdict.missed}",
        f"kills       {_in_order(verdict.kills)} (at least {wanted.kills} of {_each(wanted)})",
        f"ends        {_ends(entries)}",
        f"recovery    {_recovery(entries)}",
    ]


def _case_lines(case: Case) -> Lines:
    verdict, told, audit = case.verdict, case.told, case.verdict.audit
    open_ = verdict.exposure
    return [
        (
            f"pair {case.name}    fills of A {verdict.fills}, hedges {audit.hedges}, "
            f"orders of A {audit.a_orders}, neutral moments {audit.neutral_moments}; "
            f"re-sends {told.resends}, fences {told.fences}, take-overs {told.take_overs}, "
            f"drifts adopted {len(told.drifts)}"
        ),
        f"halts       {_halts(verdict)}",
        (
            f"unhedged    longest {open_.longest_s:.2f} s (from trade {open_.longest_at_seq}), "
            f"largest {open_.largest_lots / LOTS:g} ETH, "
            f"total {open_.lot_seconds / LOTS:.3f} ETH·s in {open_.times} spells"
        ),
        (
            f"I1 complete    A {audit.a_lots:+d}, B {audit.b_lots:+d}, "
            f"net {audit.net_lots:+d} lots: {_word(audit.net_lots == 0)}"
        ),
        f"I2 never twice {audit.prefixes} prefixes: {_verdict_of(audit.of('I2'))}",
        f"I3 hold        {audit.a_orders} orders of A: {_verdict_of(audit.of('I3'))}",
        f"I4 no unknown taken for zero: {_verdict_of(audit.of('I4'))}",
        f"words          {audit.words} claims: {_verdict_of(audit.of('said'))}",
        f"holds without a reason: {_verdict_of(audit.of('hold'))}",
        f"known to break {_known(case.expected)}",
        *_findings(case.new),
    ]


def _findings(findings: Sequence[Finding]) -> Lines:
    lines = [f"  ✗ {finding}"[:300] for finding in findings[:MAX_FINDINGS]]
    more = len(findings) - MAX_FINDINGS
    return lines + [f"  ✗ and {more} more"] * (more > 0)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"


def _in_order(counter: Counter[str]) -> str:
    return ", ".join(f"{process} {counter[process]}" for process in PROCESSES)


def _each(wanted: Needed) -> str:
    return ", ".join(wanted.processes)


def _ends(entries: Iterable[Entry]) -> str:
    ends: dict[str, Counter[object]] = {}
    for entry in entries:
        if entry.what == "ended":
            ends.setdefault(str(entry.fields["process"]), Counter())[entry.fields["code"]] += 1
    words = (
        " ".join([process, *(f"{code}({n})" for code, n in sorted(codes.items(), key=str))])
        for process, codes in sorted(ends.items())
    )
    return "; ".join(words) or "none"


def _halts(verdict: Verdict) -> str:
    if not verdict.halts:
        return "none"
    words = ", ".join(
        f"{reason} {count} ({'allowed' if ok else 'NOT ALLOWED'})"
        for reason, ok, count in verdict.halts
    )
    return f"{words}; resumed: {_counts(verdict.resumed)}"


def _recovery(entries: Iterable[Entry]) -> str:
    words = [
        f"{entry.fields['step']} {entry.fields['took_s']:.1f} s"
        for entry in entries
        if entry.what == "step"
    ]
    return ", ".join(words) or "not reached"


def _word(good: bool) -> str:
    return "kept" if good else "BROKEN"


def _verdict_of(violations: Sequence[Violation]) -> str:
    if not violations:
        return "kept"
    return f"BROKEN {len(violations)} times, first: {violations[0].text}"


def _known(expected: Counter[int]) -> str:
    words = (f"counterexample {number}: {count}" for number, count in sorted(expected.items()))
    return ", ".join(words) or "nothing met"
