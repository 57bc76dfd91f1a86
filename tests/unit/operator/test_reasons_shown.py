"""Each reason for placing nothing goes from the rule that refuses to the heartbeat and `status`."""

from dataclasses import replace
from typing import Any

import pytest

import hedgectl
from hedge.core.maker.quoting import hold_of
from hedge.hedger import statements as answers
from hedge.maker import statements
from hedge.operator.status import Report, report
from hedge.wire.state import Ready
from tests.report_kit import NEUTRAL, READY_A, SPEC
from tests.unit.core.kit import Maker
from tests.unit.core.test_hedger_alarms import EACH as EACH_OF_B
from tests.unit.core.test_hedger_alarms import owing
from tests.unit.core.test_maker_quoting import EACH as EACH_OF_A

READY_B = NEUTRAL.ready_b or READY_A


def shown(beat: Ready) -> Report:
    """Return what `status` makes of a heartbeat that went over the wire."""
    read = Ready.from_json(beat.to_json(SPEC), SPEC)
    return report(replace(NEUTRAL, **{f"ready_{beat.side}": read}), SPEC, 11, 22, now_s=100.0)


@pytest.mark.parametrize(("word", "state", "facts"), EACH_OF_A, ids=lambda value: str(value)[:40])
def test_each_reason_of_a_is_shown(word: str, state: dict[str, Any], facts: dict[str, Any]) -> None:
    """By its word in the data, by its sentence in the lines."""
    driver = Maker().ready()
    driver.facts(**{"room": True, **facts})
    driver.state = replace(driver.state, **state)
    notices = statements.notices_of(driver.state, driver.now, hold_of(driver.state, driver.now))
    found = shown(replace(READY_A, notices=notices))
    assert found.as_json()["a"]["notices"] == dict(notices)
    assert word in dict(notices)
    assert dict(notices)[word] in waits(found, "a")


@pytest.mark.parametrize(("word", "state", "facts"), EACH_OF_B, ids=lambda value: str(value)[:40])
def test_each_reason_of_b_is_shown(word: str, state: dict[str, Any], facts: dict[str, Any]) -> None:
    """The same on the other side."""
    driver = owing()
    driver.facts(**facts)
    driver.state = replace(driver.state, **state)
    notices = answers.notices_of(driver.state, driver.now)
    found = shown(replace(READY_B, notices=notices))
    assert word in found.as_json()["b"]["notices"]
    assert dict(notices)[word] in waits(found, "b")


def waits(found: Report, side: str) -> str:
    """Return the cell of the row `waits` in what `status` prints."""
    row = dict(hedgectl.ROWS)["waits"]
    return row(found, found.a if side == "a" else found.b)


BEHIND = "this host's clock is 480 s behind Lighter's: set it right (NTP)"


@pytest.mark.parametrize("ahead_ms", [480_000, -480_000])
def test_a_clock_that_is_off_is_told_by_a_side_that_hedges_or_rests(ahead_ms: int) -> None:
    """It goes on, and a person has to set the clock right all the same, as `status` says."""
    told = BEHIND if ahead_ms > 0 else BEHIND.replace("behind", "ahead of")
    hedger, maker = owing(), Maker().ready()
    assert "clock" not in dict(answers.notices_of(hedger.state, hedger.now))
    hedger.facts(clock_ahead_ms=ahead_ms)
    maker.facts(clock_ahead_ms=ahead_ms)
    of_b = dict(answers.notices_of(hedger.state, hedger.now))
    of_a = dict(statements.notices_of(maker.state, maker.now, None))
    for notices in (of_a, of_b):
        assert told in notices["clock"]
    for ready, of_it in ((READY_A, of_a), (READY_B, of_b)):
        found = shown(replace(ready, notices=tuple(of_it.items())))
        assert f"{ready.side.upper()}: {of_it['clock']}." in found.headline
        held = replace(ready, ready=False, reasons=(of_it["clock"],), notices=(*of_it.items(),))
        assert shown(held).headline.count(told) == 1
