"""A follows its level by one change of its order's price, where nothing is in doubt about it."""

import itertools

import pytest

from hedge.core.maker.rules import GIVE_UP_CHANGES, OFF_LEVEL_MS, ROUND, TO_REPLACE
from hedge.core.maker.state import Cancel, Change, Fence, OwnOrder, Pending, Phase, Place, Tick
from hedge.core.records import OrderStatus
from hedge.core.transitions import QUOTA_RESERVE, Outcome, Verdict
from tests.unit.core.kit import ASK, BID, Maker, kinds, only, refused, row

STEP = 100
UNKNOWN = Outcome(Verdict.UNKNOWN, reason="no answer")


def resting(net: int = 0, **settings: object) -> Maker:
    """Return an A whose order rests, and which may change it."""
    return Maker(changes=True, **settings).working(net)


def off_level(driver: Maker, **facts: object) -> list[object]:
    """Let the level leave the order; return what A does once that has lasted."""
    driver.facts(bid_ticks=driver.now.bid_ticks - STEP, ask_ticks=driver.now.ask_ticks + STEP)
    driver.facts(**facts)
    driver(Tick())
    driver.later(OFF_LEVEL_MS)
    return driver(Tick())


def shown(driver: Maker, price_ticks: int, *, filled: int = 0) -> OwnOrder:
    """Return the row of A's order at a price."""
    order = driver.order
    status = OrderStatus.OPEN
    one = row(order.client_order_index, status, filled, order.side, order.lots)
    return OwnOrder(type(one)(**{**_fields(one), "price_ticks": price_ticks}))


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in type(one).__dataclass_fields__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("net", [0, 100])
def test_a_price_is_followed_by_one_change(net: int) -> None:
    """The order keeps id and size; it may rest at either price until a row shows the new one."""
    driver = resting(net)
    before = driver.order
    change = only(off_level(driver), Change)
    new = ASK + STEP if net else BID - STEP
    assert (change.order.new_ticks, change.nonce) == (new, driver.state.nonce)
    assert driver.state.pending is Pending.CHANGE
    assert driver.order.prices == tuple(sorted({before.price_ticks, new}))
    nonce = driver.state.nonce or 0
    assert driver(driver.answer(pending=Pending.CHANGE)) == []
    assert driver.state.nonce == nonce + 1
    assert driver(shown(driver, before.price_ticks)) == []  # a row from before the change
    assert len(driver.order.prices) == 2
    driver(shown(driver, new))
    assert driver.order.prices == (new,)
    assert (driver.order.client_order_index, driver.order.lots) == (
        before.client_order_index,
        before.lots,
    )
    assert driver.order.sent_ms == before.sent_ms
    assert driver.state.phase is Phase.WORKING


def test_a_row_may_come_before_the_answer() -> None:
    """No order of rows and answers is promised."""
    driver = resting()
    off_level(driver)
    driver(shown(driver, BID - STEP))
    driver(driver.answer(pending=Pending.CHANGE))
    assert (driver.order.price_ticks, driver.order.new_ticks) == (BID - STEP, None)
    assert driver.state.pending is None


def test_its_time_goes_on_and_the_next_change_waits() -> None:
    """A changed order ends when it would have ended, for so it is signed."""
    driver = resting(requote_pause_ms=12_000)
    assert off_level(driver) == []
    driver.later(12_000 - OFF_LEVEL_MS)
    assert kinds(driver(Tick())) == [Change]
    driver(driver.answer(pending=Pending.CHANGE), shown(driver, BID - STEP))
    assert off_level(driver) == []
    driver.later(12_000 - OFF_LEVEL_MS)
    assert kinds(driver(Tick())) == [Change]
    driver(driver.answer(pending=Pending.CHANGE), shown(driver, BID - 2 * STEP))
    driver.later(30_000 - 24_000)
    assert kinds(driver(Tick())) == [Cancel]


def test_a_fill_during_a_change_is_a_fill_like_any_other() -> None:
    """It counts towards the whole size that was signed; what is left is cancelled."""
    driver = resting()
    off_level(driver)
    driver(driver.fill(40))
    assert driver.state.phase is Phase.AWAITING_HEDGE
    effects = driver(driver.answer(pending=Pending.CHANGE))
    assert only(effects, Cancel).order.lots == 100
    assert driver.state.pending is Pending.CANCEL


def test_a_partly_filled_order_is_not_changed() -> None:
    """What its trades say may still be on the way: it is cancelled, as ever."""
    for keeps in (True, False):
        driver = resting(keep_remainder=keeps)
        driver(shown(driver, BID, filled=0), driver.fill(40))
        assert Change not in kinds(off_level(driver))
    told = resting()
    told(shown(told, BID, filled=10))
    assert Change not in kinds(off_level(told))


def test_without_a_clear_answer_it_is_fenced() -> None:
    """Its fate is open, as that of any other transaction: nothing is signed before the fence."""
    driver = resting()
    off_level(driver)
    assert kinds(driver(driver.answer(UNKNOWN, pending=Pending.CHANGE))) == [Fence]
    driver.proven(0)
    assert driver.state.order is None


@pytest.mark.parametrize("code", [21709, 21733, 23000])
def test_a_refused_change_leads_to_a_cancel(code: int) -> None:
    """It rests where it was, or has gone: the cancel finds that out; the next order may change."""
    driver = resting()
    off_level(driver)
    effects = driver(driver.answer(refused(code), pending=Pending.CHANGE))
    assert kinds(effects) == [Cancel]
    assert driver.order.prices == (BID,)
    driver(driver.answer(pending=Pending.CANCEL), driver.row(OrderStatus.CANCELED))
    assert driver.state.order is not None
    driver(driver.row(OrderStatus.OPEN), driver.answer())
    assert kinds(off_level(driver)) == [Change]


def replaced(driver: Maker) -> None:
    """Cancel what rests and let the order that follows rest."""
    driver(driver.answer(pending=Pending.CANCEL), driver.row(OrderStatus.CANCELED))
    driver.later(driver.state.config.retry_delay_ms)
    driver(Tick())
    driver(shown(driver, driver.order.price_ticks), driver.answer())


@pytest.mark.parametrize("how", ["refused", "not shown"])
def test_after_three_in_vain_orders_are_placed_anew(how: str) -> None:
    """An exchange that takes no changes, or does not show them, costs no more than three."""
    driver = resting()
    for _ in range(GIVE_UP_CHANGES):
        assert kinds(off_level(driver)) == [Change]
        if how == "refused":
            driver(driver.answer(refused(21702), pending=Pending.CHANGE))
        else:
            driver(driver.answer(pending=Pending.CHANGE))
            driver.later(driver.state.config.deadline_ms - 1)
            assert driver(Tick()) == []
            driver.later(1)
            assert kinds(driver(Tick())) == [Cancel]
        replaced(driver)
    assert kinds(off_level(driver)) == [Cancel]


def test_a_fill_that_is_faster_than_changes_does_not_count_against_them() -> None:
    """Gone is what a filled order is; a change that is shown makes good the ones before."""
    driver = resting()
    for number in range(2 * GIVE_UP_CHANGES):
        assert kinds(off_level(driver)) == [Change]
        if number % 2:
            driver(driver.answer(refused(21709), pending=Pending.CHANGE))
            replaced(driver)
        else:
            new = driver.order.quoted_ticks
            driver(driver.answer(pending=Pending.CHANGE), shown(driver, new))
            driver.later(2000)
    assert driver.state.unchanged == 0


def test_a_change_leaves_a_round_over() -> None:
    """It is one request where cancel and order are two; with less it rests where it is."""
    for net in (0, 100):
        needs = TO_REPLACE + ROUND - 1
        assert kinds(off_level(resting(net), room=needs)) == [Change]
        assert off_level(resting(net), room=needs - 1) == []
    assert off_level(resting(), changes_left=0) == []


def test_the_volume_quota_is_not_spent_on_it_below_its_reserve() -> None:
    """A change spends one, as an order does; the reserve is for hedging and closing."""
    for net, changes in itertools.product((0, 100), (True, False)):
        driver = Maker(changes=changes).working(net)
        assert off_level(driver, quota_left=QUOTA_RESERVE - 1) == []
    assert kinds(off_level(resting(), quota_left=QUOTA_RESERVE)) == [Change]


def test_either_price_must_be_one_that_can_be_hedged() -> None:
    """Until a row shows where it rests a fill may cost what it would at the worse one."""
    driver = resting()
    off_level(driver)
    driver(driver.answer(pending=Pending.CHANGE))
    driver.facts(bid_ticks=BID - 5 * STEP, mark_ticks=BID * 99 // 100 - 10)
    assert kinds(driver(Tick())) == [Cancel]


def test_another_order_is_another_order() -> None:
    """Where size or side differ, or nothing may be opened now, the price is not changed."""
    grown = resting(100)
    grown.net = 250
    assert Change not in kinds(off_level(grown, market_status="inactive"))
    without = Maker().working()
    assert kinds(off_level(without)) == [Cancel]
    placing = Maker(changes=True).placing()
    assert Change not in kinds(off_level(placing))
    assert Place not in kinds(placing(Tick()))
