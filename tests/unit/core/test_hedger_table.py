"""Every row of the hedger's state table, each reached through a real situation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hedge.core.hedger import rules as hedger_rules
from hedge.core.hedger.state import (
    Fence,
    HaltPair,
    HaltRaised,
    LeaseChanged,
    PublishFailure,
    ReadBaseline,
    Reconciled,
    Report,
    Resumed,
    SendHedge,
    Stopped,
    StopRequested,
    Tick,
)
from hedge.core.hedger.step import TRANSITIONS, Phase, Trigger
from hedge.core.records import OrderStatus
from hedge.core.transitions import IllegalTransitionError
from tests.unit.core.kit import UNKNOWN, Hedger, kinds, refused

Situation = Callable[[], tuple[Hedger, Any]]
HALT, STOP = HaltRaised("a test", "why"), StopRequested()
HELD, LOST = LeaseChanged(held=True), LeaseChanged(held=False)


def twin(driver: Hedger) -> tuple[Hedger, Any]:
    """Another process of the pair has traded on B."""
    return driver, driver.trade(-1, cid=999, twin=True)


def late_stop(driver: Hedger) -> tuple[Hedger, Any]:
    """Asked to stop long ago; the deadline passes now."""
    driver(STOP)
    driver.later(driver.state.config.stop_deadline_ms)
    return driver, Tick()


def nothing_executed(driver: Hedger, *, attempts: int) -> tuple[Hedger, Any]:
    """In doubt, `attempts` proven failures before it; the fence shows nothing."""
    driver.state = replace(driver.state, attempts=attempts)
    return driver, fence_of(driver)


def fence_of(driver: Hedger) -> Any:
    return Reconciled(50, driver.view(), explained=True)


def executed_in_doubt() -> tuple[Hedger, Any]:
    driver = Hedger().unknown()
    driver.trade(-100)
    return driver, fence_of(driver)


def settled() -> tuple[Hedger, Any]:
    driver = Hedger().settling()
    driver(driver.trade(-100))
    return driver, driver.row(OrderStatus.FILLED, 100)


def backed_off() -> tuple[Hedger, Any]:
    driver = Hedger().failed()
    driver.later(driver.state.config.backoff_min_ms)
    return driver, Tick()


def exhausted(driver: Hedger) -> tuple[Hedger, Any]:
    driver.state = replace(driver.state, attempts=2)
    return driver, driver.answer(refused())


def no_longer_owed() -> tuple[Hedger, Any]:
    driver = Hedger().failed()
    return driver, driver.says(0)


def no_price() -> tuple[Hedger, Any]:
    """For ten seconds the book has had no bid."""
    driver = Hedger().idle()
    driver.facts(bid_ticks=None)
    driver(driver.says(100))
    driver.later(10_000)
    return driver, Tick()


def always(
    phase: Phase, build: Callable[[], Hedger], *, in_flight: bool = False
) -> dict[tuple[Phase, Trigger], tuple[Situation, list[type]]]:
    return {
        (phase, Trigger.LOST): (lambda: (build(), LOST), []),
        (phase, Trigger.HALT): (lambda: (build(), HALT), [HaltPair]),
        (phase, Trigger.STOP): (
            (lambda: late_stop(build())) if in_flight else (lambda: (build().a_left(), STOP)),
            [Stopped],
        ),
    }


ROWS: dict[tuple[Phase, Trigger], tuple[Situation, list[type]]] = {
    (Phase.STANDBY, Trigger.LEASE): (lambda: (Hedger(), HELD), [Fence]),
    (Phase.STANDBY, Trigger.HALT): (lambda: (Hedger(), HALT), [HaltPair]),
    (Phase.STANDBY, Trigger.STOP): (lambda: late_stop(Hedger()), [Stopped]),
    **always(Phase.RECONCILING, lambda: Hedger().reconciling(), in_flight=True),
    (Phase.RECONCILING, Trigger.PROVEN): (
        lambda: (Hedger().reconciling(), fence_of(Hedger())),
        [ReadBaseline],
    ),
    **always(Phase.IDLE, lambda: Hedger().idle()),
    (Phase.IDLE, Trigger.FENCE): (lambda: twin(Hedger().idle()), [Fence]),
    (Phase.IDLE, Trigger.EXHAUSTED): (no_price, [PublishFailure]),
    (Phase.IDLE, Trigger.SEND): (
        lambda: (driver := Hedger().idle(), driver.says(100)),
        [SendHedge],
    ),
    **always(Phase.SENDING, lambda: Hedger().sending(), in_flight=True),
    (Phase.SENDING, Trigger.FENCE): (lambda: twin(Hedger().sending()), [Fence]),
    (Phase.SENDING, Trigger.ACCEPTED): (
        lambda: (driver := Hedger().sending(), driver.answer()),
        [],
    ),
    (Phase.SENDING, Trigger.REFUSED): (
        lambda: (driver := Hedger().sending(), driver.answer(refused())),
        [],
    ),
    (Phase.SENDING, Trigger.EXHAUSTED): (lambda: exhausted(Hedger().sending()), [PublishFailure]),
    (Phase.SENDING, Trigger.DOUBT): (
        lambda: (driver := Hedger().sending(), driver.answer(UNKNOWN)),
        [Fence],
    ),
    **always(Phase.SETTLING, lambda: Hedger(settle_timeout_ms=99_000).settling(), in_flight=True),
    (Phase.SETTLING, Trigger.FENCE): (lambda: twin(Hedger().settling()), [Fence]),
    (Phase.SETTLING, Trigger.SETTLED): (settled, [Report]),
    (Phase.SETTLING, Trigger.DOUBT): (
        lambda: (driver := Hedger().settling(), driver.row(OrderStatus.CANCELED_LIQUIDITY)),
        [Fence],
    ),
    **always(Phase.UNKNOWN, lambda: Hedger().unknown(), in_flight=True),
    (Phase.UNKNOWN, Trigger.FENCE): (lambda: twin(Hedger().unknown()), []),
    (Phase.UNKNOWN, Trigger.SETTLED): (executed_in_doubt, [Report]),
    (Phase.UNKNOWN, Trigger.REFUSED): (
        lambda: nothing_executed(Hedger().unknown(), attempts=0),
        [],
    ),
    (Phase.UNKNOWN, Trigger.EXHAUSTED): (
        lambda: nothing_executed(Hedger().unknown(), attempts=2),
        [PublishFailure],
    ),
    **always(Phase.FAILED, lambda: Hedger().failed(), in_flight=True),
    (Phase.FAILED, Trigger.FENCE): (lambda: twin(Hedger().failed()), [Fence]),
    (Phase.FAILED, Trigger.SEND): (backed_off, [SendHedge]),
    (Phase.FAILED, Trigger.COVERED): (no_longer_owed, []),
    (Phase.HALTED, Trigger.LOST): (lambda: (Hedger().halted(), LOST), []),
    (Phase.HALTED, Trigger.RESUME): (lambda: (Hedger().halted(), Resumed(force=False)), []),
    (Phase.HALTED, Trigger.STOP): (lambda: (Hedger().halted().a_left(), STOP), [Stopped]),
}

PAIRS = [(phase, trigger) for phase in Phase for trigger in Trigger]
LEGAL = [(phase, trigger) for phase, row in TRANSITIONS.items() for trigger in row]
NAMES = [f"{phase.name}-{trigger.name}" for phase, trigger in LEGAL]


@pytest.mark.parametrize(("phase", "trigger"), LEGAL, ids=NAMES)
def test_a_row_of_the_table(phase: Phase, trigger: Trigger) -> None:
    """A real situation in this phase moves as the table says, with the effects it calls for."""
    situation, effects = ROWS[phase, trigger]
    driver, event = situation()
    assert driver.state.phase is phase
    done = driver(event)
    assert driver.state.phase is TRANSITIONS[phase][trigger]
    assert kinds(done) == effects


def test_every_row_can_be_reached() -> None:
    """The situations are those of the table, no more and no less."""
    assert set(ROWS) == set(LEGAL)
    assert set(TRANSITIONS) == set(Phase)


@pytest.mark.parametrize(
    ("phase", "trigger"), [pair for pair in PAIRS if pair not in LEGAL], ids=str
)
def test_what_the_table_does_not_name_raises(phase: Phase, trigger: Trigger) -> None:
    """A missing row names phase and trigger, and the state stays as it was."""
    state = replace(Hedger().idle().state, phase=phase)
    before = replace(state)
    with pytest.raises(IllegalTransitionError, match=f"from {phase.name} on {trigger.name}$"):
        hedger_rules.move(state, trigger)
    assert state == before
