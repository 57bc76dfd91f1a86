"""What counts as known: each row with a finding that shows it, and one that does not."""

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
    [(27, EXIT, "term-all"), (28, LAUNCHER, "kill-resting"), (24, STATUS, "host-lost")],
)
def test_a_known_counterexample_is_counted(number: int, finding: Finding, kind: str) -> None:
    """It is expected where what leads to it has happened, and new where it has not."""
    assert sort([finding], [fault(kind)]) == ({number: 1}, ())
    assert sort([finding], [fault("cut")]) == ({}, (finding,))


@pytest.mark.parametrize("finding", [LAUNCHER, STATUS])
def test_what_happened_long_before_or_later_explains_nothing(finding: Finding) -> None:
    """A word is explained by what befell the pair shortly before it."""
    for mono_s in (100.0, 310.0):
        assert sort([finding], [fault("kill", mono_s)]) == ({}, (finding,))


@pytest.mark.parametrize(
    "finding",
    [
        Finding("I1", "at the end A +500, B +0", "open at the end", 300.0),
        Finding("I2", "B sold twice", "twice", 300.0),
        Finding("recovery", "quiet: not within 60 s"),
        Finding("exit code", "a ended with 1, 1 times"),
        Finding("bug", "a KeyError"),
    ],
)
def test_nothing_else_is_ever_known(finding: Finding) -> None:
    """A lost position, a second hedge, a pair that does not recover, a bug: always new."""
    entries = [fault(kind) for kind in ("kill", "kill-resting", "term-all", "lie", "restart")]
    assert sort([finding], entries) == ({}, (finding,))
    assert all(known.rule for known in KNOWN.values())
