"""What A leaves over of its request budget: a requote never costs the next order its place."""

import pytest

from hedge.core.maker.quoting import hold_of
from hedge.core.maker.rules import OFF_LEVEL_MS, ROOM_COMES_MS, ROUND, TO_REPLACE
from hedge.core.maker.state import Cancel, HaltPair, Phase, Place, Tick
from hedge.core.records import OrderStatus
from tests.unit.core.kit import ASK, BID, Maker, kinds

TIME_OUT_MS = 30_000


def moved(net: int, room: int, changes_left: int = 10) -> list[type]:
    """Return what A does once its level has left its order for long enough."""
    driver = Maker().working(net)
    driver.facts(bid_ticks=BID - 100, ask_ticks=ASK + 100, room=room, changes_left=changes_left)
    driver(Tick())
    driver.later(OFF_LEVEL_MS)
    return kinds(driver(Tick()))


@pytest.mark.parametrize("net", [0, 100])
def test_a_requote_leaves_a_round_over(net: int) -> None:
    """The cancel, the new order and a round more must fit, else it rests where it is.

    Otherwise the cancel is the last request that there is, and nothing rests for a minute.
    """
    needs = TO_REPLACE + ROUND
    assert moved(net, needs) == [Cancel]
    assert moved(net, needs - 1) == []
    assert moved(net, 0) == []
    assert moved(net, 100, changes_left=0) == []


@pytest.mark.parametrize("net", [0, 100])
def test_the_next_order_takes_the_last_of_it(net: int) -> None:
    """What a requote leaves over is for the orders of a round; without room none is placed."""
    driver = Maker().ready(net)
    driver.facts(room=0)
    assert kinds(driver(Tick())) == []
    found = hold_of(driver.state, driver.now)
    assert found is not None
    assert found.reason == "no_room"
    driver.facts(room=1)
    assert kinds(driver(Tick())) == [Place]


@pytest.mark.parametrize("net", [0, 100])
def test_an_old_order_rests_until_another_may_follow(net: int) -> None:
    """Past its time it is replaced where there is room, and taken off at last in any case."""
    needs = TO_REPLACE
    for room, later_ms, does in (
        (needs, TIME_OUT_MS - 1, []),
        (needs, TIME_OUT_MS, [Cancel]),
        (needs - 1, TIME_OUT_MS, []),
        (0, TIME_OUT_MS + ROOM_COMES_MS - 1, []),
        (0, TIME_OUT_MS + ROOM_COMES_MS, [Cancel]),
    ):
        driver = Maker().working(net)
        driver.facts(room=room)
        driver.later(later_ms)
        assert kinds(driver(Tick())) == does, (room, later_ms)


def test_what_must_come_off_waits_for_no_room() -> None:
    """A remainder after a fill, or an order beside a B that is gone, costs what it costs."""
    driver = Maker(keep_remainder=True).working()
    driver.facts(room=0, changes_left=0)
    driver(driver.fill(40))
    driver.later(TIME_OUT_MS)
    assert kinds(driver(Tick())) == [Cancel]
    lonely = Maker().working()
    lonely.facts(room=0, changes_left=0)
    assert kinds(lonely(lonely.peer(None, ready=False, alive=False))) == [Cancel]


def test_a_row_that_comes_before_its_trade_starts_the_clock_anew() -> None:
    """The last fill was more than `force_close_timeout` ago and is covered: nothing is overdue."""
    driver = Maker().awaiting()
    driver(driver.row(OrderStatus.FILLED, 100))
    driver.cover()
    driver.facts(ask_ticks=ASK)
    driver(Tick(), driver.row(OrderStatus.OPEN), driver.answer())
    assert driver.state.phase is Phase.WORKING
    driver.later(70_000)
    driver.facts(room=True)
    assert HaltPair not in kinds(driver(driver.row(OrderStatus.FILLED, 100)))
    assert driver.state.phase is Phase.AWAITING_HEDGE
