"""What counts as known: each row with a finding that shows it, and one that does not."""

from dataclasses import replace

import pytest

from tests.chaos.diary import Entry
from tests.chaos.known import KNOWN, sort
from tests.chaos.verdict import Finding

EXIT = Finding("exit code", "a ended with 130, 2 times")
LAUNCHER = Finding("said", "launcher said exit code 0, but", "launcher_code_0: open", 300.0)
STATUS = Finding("said", "hedgectl said neutral, but", "status_neutral: open", 300.0)


def fault(kind: str, mono_s: float = 290.0) -> Entry:
    return Entry(0.0, "fault", {"kind": kind, "target": "two", "lasts_s": 2.0}, mono_s)


@pytest.mark.parametrize(
    ("number", "finding", "kind"),
    [(27, EXIT, "term-all"), (27, EXIT, "restart")],
)
def test_a_known_counterexample_is_counted(number: int, finding: Finding, kind: str) -> None:
    """It is expected where what leads to it has happened, and new where it has not."""
    assert sort([finding], [fault(kind)]) == ({number: 1}, ())
    assert sort([finding], [fault("cut")]) == ({}, (finding,))


@pytest.mark.parametrize("mono_s", [100.0, 310.0])
def test_what_happened_later_explains_nothing(mono_s: float) -> None:
    """Neither does what happened long before, where the finding has a moment."""
    dated = replace(EXIT, at_s=300.0)
    assert sort([dated], [fault("term-all", mono_s)]) == ({}, (dated,))


@pytest.mark.parametrize(
    "finding",
    [
        LAUNCHER,
        STATUS,
        Finding("I1", "at the end A +500, B +0", "open at the end", 300.0),
        Finding("I2", "B sold twice", "twice", 300.0),
        Finding("recovery", "quiet: not within 60 s"),
        Finding("exit code", "a ended with 1, 1 times"),
        Finding("bug", "a KeyError"),
    ],
)
def test_nothing_else_is_ever_known(finding: Finding) -> None:
    """A false word, a lost position, a second hedge, a pair that does not recover: always new."""
    kinds = ("kill", "kill-resting", "host-lost", "hold", "term-all", "lie", "restart")
    entries = [fault(kind) for kind in kinds]
    assert sort([finding], entries) == ({}, (finding,))
    assert all(known.rule for known in KNOWN.values())
