"""A looks at B's public position before it acts alone: by proof only, never more than it has."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.maker.closing import BShown, Closing, LookAtB
from hedge.core.maker.state import HaltPair, Place, PublishFill, Resumed, Tick
from hedge.core.maker.unwinding import LOOK_EVERY_MS
from hedge.core.records import OrderStatus
from tests.unit.core.kit import Maker, kinds, only

PATIENCE = 60_000


def deserted(**settings: Any) -> Maker:
    """A holds 100 that a dead B has not covered for a minute; A has begun to look at B."""
    driver = Maker(**settings).awaiting(100)
    driver(driver.row(OrderStatus.FILLED, 100), driver.peer(None, alive=False, ready=False))
    driver.later(PATIENCE)
    effects = driver(Tick(), Tick())
    if settings.get("peer_watch", True):
        assert only(effects, LookAtB).seq == driver.state.seq
    return driver


def shown(driver: Maker, lots: int | None) -> list[Any]:
    return driver(BShown(driver.state.seq, lots))


@pytest.mark.parametrize(
    ("b_lots", "offset_lots", "closed"),
    [
        (0, 0, 100),
        (-60, 0, 40),
        (-100, 0, 0),
        (-150, 0, 0),
        (40, 0, 100),
        (0, 70, 30),
        (0, -30, 100),
    ],
)
def test_what_b_does_not_hold_is_closed(b_lots: int, offset_lots: int, closed: int) -> None:
    """A sells what neither B's position nor the offset accounts for, at most its own."""
    driver = deserted(offset_lots=offset_lots)
    effects = shown(driver, b_lots)
    if closed == 0:
        assert Place not in kinds(effects)
        return
    order = only(effects, Place).order
    assert (order.side.sign, order.lots, order.reduce_only, order.closing) == (
        -1,
        closed,
        True,
        True,
    )


def test_what_cannot_be_read_is_not_acted_on() -> None:
    """No answer, or two that differ: A asks again after a while, and sends nothing."""
    driver = deserted()
    assert shown(driver, None) == []
    assert driver(Tick()) == []
    driver.later(LOOK_EVERY_MS)
    assert kinds(driver(Tick())) == [LookAtB]


def test_switched_off_a_only_alerts() -> None:
    """Without the watch A never looks at B's account and closes nothing blindly."""
    driver = deserted(peer_watch=False)
    driver.later(LOOK_EVERY_MS)
    assert driver(Tick()) == []
    assert shown(driver, 0) == []


def test_a_look_of_before_a_fill_does_not_count() -> None:
    """What B held before A's newest fill says nothing about that fill."""
    driver = deserted()
    old = driver.state.seq
    effects = driver(driver.fill(50))
    assert PublishFill in kinds(effects)
    assert driver(BShown(old, 0)) == []
    assert only([*effects, *driver(Tick())], LookAtB).seq == driver.state.seq


def test_a_look_is_used_up_by_the_close() -> None:
    """After a close A looks again before it sends another one."""
    driver = deserted()
    shown(driver, 0)
    driver(driver.answer())
    driver(driver.fill(-40), driver.row(OrderStatus.CANCELED_SLIPPAGE, 40))
    driver.later(1000)
    assert kinds(driver(Tick())) == [LookAtB]
    assert only(shown(driver, 0), Place).order.lots == 60


def test_a_living_b_s_ledger_comes_first() -> None:
    """Where B lives and answers A's newest state, its own word counts, not the look."""
    driver = deserted()
    shown(driver, None)
    assert only(driver(driver.peer(driver.ledger(-30))), Place).order.lots == 30


def test_an_order_of_b_in_flight_is_waited_for_while_b_works() -> None:
    """A B that is ready will say soon what is owed; where it is not, A looks at its position."""
    driver = deserted()
    shown(driver, None)
    driver.later(LOOK_EVERY_MS)
    busy = driver.ledger(-30, inflight=True)
    assert driver(driver.peer(busy), Tick()) == []
    assert kinds(driver(driver.peer(busy, ready=False), Tick())) == [LookAtB]
    assert only(shown(driver, -60), Place).order.lots == 40


def test_a_resumption_forgets_the_look() -> None:
    """A person has looked at both accounts: the old look is void."""
    driver = deserted()
    driver(Resumed(force=False))
    assert driver.state.looked is None
    assert driver.state.closing is not Closing.UNHEDGED
    assert driver(BShown(driver.state.seq, 0)) == []


def test_a_liquidation_of_a_is_published_and_halts_under_its_own_name() -> None:
    """The venue's own trade on A is hedged like any other; then a person must look."""
    driver = Maker().working()
    event = driver.fill(-40, foreign=True)
    event = replace(event, trades=(replace(event.trades[0], kind="liquidation"),))
    effects = driver(event)
    assert only(effects, PublishFill).trade.kind == "liquidation"
    assert only(effects, HaltPair).reason == "liquidation_on_a"
