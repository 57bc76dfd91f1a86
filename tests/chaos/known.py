"""Findings that today's rules are known for.

Never a word that something is neutral, an end that says so, or what was lost: those are always new.
Each is a counterexample by its number, with the rule of design.md that ends it and a predicate on
the finding and on what befell the pair. They are expected and counted; a row goes when its rule
stands.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tests.chaos.diary import Entry
from tests.chaos.verdict import Finding

Shows = Callable[[Finding, Sequence[Entry]], bool]


@dataclass(frozen=True, slots=True)
class Known:
    """One counterexample: the rule that ends it, and whether a finding shows it."""

    rule: str
    shows: Shows


BEFORE_S = 120.0
"""What befell a pair so long before a finding may have led to it."""


def _before(finding: Finding, entries: Sequence[Entry], kinds: Collection[str]) -> bool:
    """Whether a fault of one of these kinds began so long before; ever, for one of no moment."""
    return any(
        entry.what == "fault"
        and entry.fields["kind"] in kinds
        and (
            finding.at_s is None
            or 0.0 <= finding.at_s - (entry.mono_s - float(entry.fields["lasts_s"])) <= BEFORE_S
        )
        for entry in entries
    )


def _second_signal(finding: Finding, entries: Sequence[Entry]) -> bool:
    """A process ended at a second SIGTERM, with its cancel or its hedge unconfirmed."""
    return (
        finding.rule == "exit code"
        and "ended with 130," in finding.text
        and _before(finding, entries, ("term-all", "restart", "stop-script"))
    )


KNOWN: dict[int, Known] = {
    27: Known("13.3", _second_signal),
}
"""By the number of the counterexample."""


def sort(
    findings: Sequence[Finding], entries: Sequence[Entry]
) -> tuple[Counter[int], tuple[Finding, ...]]:
    """Return how often each known counterexample was found, and the findings that are new."""
    expected: Counter[int] = Counter()
    new = []
    for finding in findings:
        number = next((n for n, known in KNOWN.items() if known.shows(finding, entries)), None)
        if number is None:
            new.append(finding)
        else:
            expected[number] += 1
    return expected, tuple(new)
