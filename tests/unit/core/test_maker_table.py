"""Every row of the maker's state table, each reached through a real situation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hedge.core.maker import rules as maker_rules
from hedge.core.maker.state import (
    Cancel,
    Fence,
    HaltPair,
    HaltRaised,
    OwnOrder,
    Pending,
    Place,
    PublishFill,
    PublishPosition,
    Reconciled,
    Resumed,
    Started,
    Stopped,
    StopRequested,
    StreamsChanged,
    Tick,
)
from hedge.core.maker.step import TRANSITIONS, Phase, Trigger, step
from hedge.core.records import OrderStatus
from hedge.core.transitions import IllegalTransitionError
from tests.unit.core.kit import UNKNOWN, Maker, kinds

Situation = Callable[[], tuple[Maker, Any]]
HALT, STOP = HaltRaised("a test", "why"), StopRequested()
DOWN, UP = StreamsChanged(up=False), StreamsChanged(up=True)


def after(driver: Maker, *events: Any) -> Maker:
    driver(*events)
    return driver


def crowded(driver: Maker) -> Maker:
    """Keep the maker from placing in the same step."""
    driver.facts(room=False)
    return driver


def placing_answered() -> Maker:
    """Accepted, not shown by the venue yet."""
    driver = Maker().placing()
    driver(driver.answer())
    return driver


def ended(driver: Maker, status: OrderStatus = OrderStatus.CANCELED) -> tuple[Maker, OwnOrder]:
    return crowded(driver), driver.row(status)


def refilled() -> tuple[Maker, Any]:
    """A part filled before the order's own acknowledgement, which now comes."""
    driver = Maker().placing()
    driver(driver.fill(40))
    return driver, driver.answer()


def covered() -> tuple[Maker, Any]:
    driver = Maker().awaiting()
    driver(driver.row(OrderStatus.FILLED, 100))
    return crowded(driver), driver.peer(driver.ledger())


def with_event(driver: Maker, event: Callable[[Maker], Any] | Any) -> tuple[Maker, Any]:
    return driver, event(driver) if callable(event) else event


def no_answer(pending: Pending) -> Callable[[Maker], Any]:
    return lambda driver: driver.answer(UNKNOWN, pending=pending)


def stopping_with_order() -> Maker:
    return after(Maker().placing(), STOP)


def halted_with_order() -> Maker:
    return after(Maker().placing(), HALT)


def waiting_for_stop() -> Maker:
    """Asked to stop while a fill is not covered."""
    driver = Maker().awaiting()
    driver(driver.row(OrderStatus.FILLED, 100), STOP)
    return driver


def fenced(driver: Maker) -> Maker:
    """Streams lost and back: a fence is on its way."""
    return after(driver, DOWN, UP)


PROVEN = Reconciled(9, Maker().view(), explained=True)

ROWS: dict[tuple[Phase, Trigger], tuple[Situation, list[type]]] = {
    (Phase.RECONCILING, Trigger.FENCE): (lambda: (Maker(), Started()), [Fence]),
    (Phase.RECONCILING, Trigger.FILL): (
        lambda: with_event(Maker().started(), lambda d: d.fill(5, foreign=False)),
        [PublishFill],
    ),
    (Phase.RECONCILING, Trigger.HALT): (lambda: (Maker().started(), HALT), [HaltPair]),
    (Phase.RECONCILING, Trigger.STOP): (lambda: (Maker().started(), STOP), []),
    (Phase.RECONCILING, Trigger.PROVEN): (
        lambda: (Maker().started(), PROVEN),
        [PublishPosition],
    ),
    (Phase.READY, Trigger.FENCE): (lambda: (after(Maker().ready(), DOWN), UP), [Fence]),
    (Phase.READY, Trigger.FILL): (
        lambda: with_event(Maker().ready(), lambda d: d.fill(5)),
        [PublishFill],
    ),
    (Phase.READY, Trigger.HALT): (lambda: (Maker().ready(), HALT), [HaltPair]),
    (Phase.READY, Trigger.STOP): (lambda: (Maker().ready(), STOP), [Stopped]),
    (Phase.READY, Trigger.PLACE): (lambda: (roomy(Maker().ready()), Tick()), [Place]),
    (Phase.PLACING, Trigger.FENCE): (
        lambda: with_event(Maker().placing(), no_answer(Pending.PLACE)),
        [Fence],
    ),
    (Phase.PLACING, Trigger.FILL): (
        lambda: with_event(Maker().placing(), lambda d: d.fill(40)),
        [PublishFill],
    ),
    (Phase.PLACING, Trigger.HALT): (lambda: (Maker().placing(), HALT), [HaltPair]),
    (Phase.PLACING, Trigger.STOP): (lambda: (Maker().placing(), STOP), []),
    (Phase.PLACING, Trigger.OPENED): (
        lambda: with_event(placing_answered(), lambda d: d.row(OrderStatus.OPEN)),
        [],
    ),
    (Phase.PLACING, Trigger.CANCEL): (
        lambda: with_event(placing_answered(), lambda d: d.peer(d.ledger(), ready=False)),
        [Cancel],
    ),
    (Phase.PLACING, Trigger.ENDED): (
        lambda: ended(placing_answered(), OrderStatus.CANCELED_POST_ONLY),
        [],
    ),
    (Phase.WORKING, Trigger.FENCE): (lambda: ended(Maker().working(copies=2)), [Fence]),
    (Phase.WORKING, Trigger.FILL): (
        lambda: with_event(Maker().working(), lambda d: d.fill(100)),
        [PublishFill],
    ),
    (Phase.WORKING, Trigger.HALT): (lambda: (Maker().working(), HALT), [HaltPair, Cancel]),
    (Phase.WORKING, Trigger.STOP): (lambda: (Maker().working(), STOP), [Cancel]),
    (Phase.WORKING, Trigger.CANCEL): (lambda: (Maker().working(), DOWN), [Cancel]),
    (Phase.WORKING, Trigger.ENDED): (
        lambda: ended(Maker().working(), OrderStatus.CANCELED_EXPIRED),
        [],
    ),
    (Phase.CANCELLING, Trigger.FENCE): (
        lambda: with_event(Maker().cancelling(), no_answer(Pending.CANCEL)),
        [Fence],
    ),
    (Phase.CANCELLING, Trigger.FILL): (
        lambda: with_event(Maker().cancelling(), lambda d: d.fill(40)),
        [PublishFill],
    ),
    (Phase.CANCELLING, Trigger.HALT): (lambda: (Maker().cancelling(), HALT), [HaltPair]),
    (Phase.CANCELLING, Trigger.STOP): (lambda: (Maker().cancelling(), STOP), []),
    (Phase.CANCELLING, Trigger.ENDED): (
        lambda: ended(cancel_answered(Maker().cancelling())),
        [],
    ),
    (Phase.AWAITING_HEDGE, Trigger.FENCE): (
        lambda: (after(Maker().awaiting(), DOWN), UP),
        [Fence],
    ),
    (Phase.AWAITING_HEDGE, Trigger.FILL): (
        lambda: with_event(Maker().awaiting(40), lambda d: d.fill(60)),
        [PublishFill],
    ),
    (Phase.AWAITING_HEDGE, Trigger.HALT): (lambda: (Maker().awaiting(), HALT), [HaltPair]),
    (Phase.AWAITING_HEDGE, Trigger.STOP): (lambda: (Maker().awaiting(), STOP), []),
    (Phase.AWAITING_HEDGE, Trigger.CANCEL): (refilled, [Cancel]),
    (Phase.AWAITING_HEDGE, Trigger.COVERED): (covered, []),
    (Phase.HALTED, Trigger.FENCE): (lambda: (after(Maker().halted(), DOWN), UP), [Fence]),
    (Phase.HALTED, Trigger.FILL): (
        lambda: with_event(Maker().halted(), lambda d: d.fill(5)),
        [PublishFill],
    ),
    (Phase.HALTED, Trigger.CANCEL): (
        lambda: with_event(halted_with_order(), Maker.answer),
        [Cancel],
    ),
    (Phase.HALTED, Trigger.PROVEN): (
        lambda: (fenced(Maker().halted()), PROVEN),
        [PublishPosition],
    ),
    (Phase.HALTED, Trigger.RESUME): (
        lambda: (Maker().halted(), Resumed(force=False)),
        [Fence],
    ),
    (Phase.HALTED, Trigger.STOP): (lambda: (Maker().halted(), STOP), [Stopped]),
    (Phase.STOPPING, Trigger.FENCE): (lambda: (after(waiting_for_stop(), DOWN), UP), [Fence]),
    (Phase.STOPPING, Trigger.FILL): (
        lambda: with_event(waiting_for_stop(), lambda d: d.fill(5)),
        [PublishFill],
    ),
    (Phase.STOPPING, Trigger.CANCEL): (
        lambda: with_event(stopping_with_order(), Maker.answer),
        [Cancel],
    ),
    (Phase.STOPPING, Trigger.PROVEN): (
        lambda: with_event(
            fenced(waiting_for_stop()), lambda d: Reconciled(9, d.view(), explained=True)
        ),
        [PublishPosition],
    ),
}


def roomy(driver: Maker) -> Maker:
    driver.facts(room=True)
    return driver


def cancel_answered(driver: Maker) -> Maker:
    return after(driver, driver.answer(pending=Pending.CANCEL))


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
    state = replace(Maker().ready().state, phase=phase)
    before = replace(state)
    with pytest.raises(IllegalTransitionError, match=f"from {phase.name} on {trigger.name}$"):
        maker_rules.move(state, trigger)
    assert state == before


def test_a_step_that_is_illegal_leaves_the_state() -> None:
    """A proof that nobody asked for is a bug of the caller, said and not swallowed."""
    driver = Maker().ready()
    before = driver.state
    with pytest.raises(IllegalTransitionError, match="from READY on PROVEN"):
        step(driver.state, PROVEN, driver.now)
    assert driver.state is before
