"""A fill that our order cannot have had halts both sides, and nothing is traded on it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import Side
from hedge.core.hedger import state as hedger_state
from hedge.core.hedger.departure import MakerSeen
from hedge.core.hedger.rules import limit_lots
from hedge.core.hedger.step import Phase as HedgerPhase
from hedge.core.maker import state as maker_state
from hedge.core.maker.step import Phase as MakerPhase
from hedge.core.plausible import why_implausible
from hedge.core.records import OrderStatus
from tests.unit.core.kit import SPEC, Hedger, Maker, kinds, only, row, trade

OPEN, FILLED = OrderStatus.OPEN, OrderStatus.FILLED
CID = 9
ORDER = hedger_state.InFlight(CID, 5, Side.SELL, 100, 1)
SOUND = row(CID, OPEN, 40, Side.SELL, 100)


@pytest.mark.parametrize(
    ("order", "trades", "words"),
    [
        (ORDER, (), ""),
        (replace(ORDER, filled_lots=100, row=SOUND), (trade(1, -100, cid=CID),), ""),
        (ORDER, (trade(1, 100, cid=CID + 1),), ""),
        (replace(ORDER, filled_lots=101), (), "trades add up to 0.0101"),
        (ORDER, (trade(7, 100, cid=CID),), "trades [7] show another side than sell"),
        (replace(ORDER, row=replace(SOUND, side=Side.BUY)), (), "row show another side"),
        (replace(ORDER, row=replace(SOUND, initial_lots=1000)), (), "has it as 0.1000"),
        (replace(ORDER, row=replace(SOUND, filled_lots=101)), (), "row shows 0.0101"),
    ],
)
def test_what_contradicts_an_order(
    order: hedger_state.InFlight, trades: tuple[Any, ...], words: str
) -> None:
    """Its size, its side, and the exchange's line of it; what it may have executed is no doubt."""
    why = why_implausible(SPEC, order, trades)
    assert (words in why) if words else not why


def halted_by(effects: list[Any]) -> str:
    for kind in (maker_state.HaltPair, hedger_state.HaltPair):
        if kind in kinds(effects):
            return str(only(effects, kind).reason)
    return ""


def too_much(driver: Hedger) -> list[Any]:
    return driver(driver.trade(driver.order.side.sign * 1000))


def another_size(driver: Hedger) -> list[Any]:
    said = driver.row(OPEN)
    return driver(replace(said, row=replace(said.row, initial_lots=1000)))


def another_side(driver: Hedger) -> list[Any]:
    cid = driver.order.client_order_index
    return driver(replace(driver.trade(-100), trades=(trade(11, 100, cid=cid),)))


@pytest.mark.parametrize("lie", [too_much, another_size, another_side])
def test_b_trades_no_more_after_it(lie: Callable[[Hedger], list[Any]]) -> None:
    """Ten times the order, read as another size, on the other side: B halts and sends nothing."""
    driver = Hedger().settling()
    assert halted_by(lie(driver)) == "implausible_fill"
    assert driver.state.phase is HedgerPhase.HALTED
    driver.later(60_000)
    driver(driver.says(300))
    after = driver(hedger_state.Tick(), driver.row(FILLED, 100))
    assert hedger_state.SendHedge not in kinds(after)
    assert not halted_by(after)


def test_b_finds_it_behind_a_fence_too() -> None:
    """An order whose fate was open has executed more than it could."""
    driver = Hedger().unknown()
    driver.fills[driver.order.client_order_index] = 1000
    driver.net = -1000
    assert halted_by(driver.fence()) == "implausible_fill"


def test_a_says_nothing_of_it_before_a_person_has_looked() -> None:
    """B would trade on what A says: neither the fill nor the position goes out."""
    driver = Maker().working()
    effects = driver(driver.fill(1000))
    assert halted_by(effects) == "implausible_fill"
    said = (maker_state.PublishFill, maker_state.PublishPosition)
    assert not [kind for kind in kinds(effects) if kind in said]
    again = driver(driver.fill(10, cid=5), driver.row(FILLED, 100))
    assert not [kind for kind in kinds(again) if kind in said]
    assert not halted_by(again)
    driver(maker_state.Resumed(force=True))
    assert driver.state.implausible, "what it holds is known no sooner than by the proof"
    effects = driver(maker_state.Reconciled(20, driver.view(), explained=True))
    assert not driver.state.implausible
    assert only(effects, maker_state.PublishPosition).position_lots == 1010


def test_a_halts_over_a_row_of_another_size() -> None:
    """The exchange has read another amount: A cancels before anything of it fills."""
    driver = Maker().working()
    said = driver.row(OPEN)
    effects = driver(replace(said, row=replace(said.row, initial_lots=1000)))
    assert halted_by(effects) == "implausible_fill"
    assert maker_state.Cancel in kinds(effects)
    assert driver.state.phase is MakerPhase.HALTED


@pytest.mark.parametrize("configured", [None, 1000])
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 10, 1000]), st.booleans()), max_size=12))
def test_orders_do_not_grow_whatever_executes(
    configured: int | None, course: list[tuple[int, bool]]
) -> None:
    """The exchange makes of each order what it likes, and a person resumes after each halt.

    Once one executed beyond its size the next is the smallest there is, until one runs true; so no
    order is larger than what is owed by an execution that was as it was signed.
    """
    driver = Hedger(max_position_lots=configured).idle()
    beat = driver.beat(quantity_lots=100)
    driver(MakerSeen(beat, beat.epoch))
    effects = driver(driver.says(100))
    is_true = True
    for factor, forced in course:
        sent = [one.order for one in effects if isinstance(one, hedger_state.SendHedge)]
        if not sent:
            break
        order = sent[-1]
        assert order.lots <= (abs(driver.net) + 100 if is_true else SPEC.min_base_lots)
        is_true = factor <= 1
        driver(driver.answer())
        effects = driver.execute(order.lots * factor)
        if driver.state.phase is HedgerPhase.UNKNOWN:
            driver.later(60_000)
            effects += driver.fence()
        if driver.state.phase is HedgerPhase.HALTED:
            driver(hedger_state.Resumed(force=forced), hedger_state.LeaseChanged(held=True))
            effects = driver(hedger_state.Reconciled(50, driver.view(), explained=True))
            if driver.state.phase is HedgerPhase.HALTED:  # the exchange says it again
                assert not forced
                break
            effects += driver(hedger_state.BaselineRead(driver.target(), named=True, fresh=True))
            driver.a_stamp += 1
            effects += driver(driver.says(100))
        driver.later(60_000)
        effects += driver(hedger_state.Tick())


def test_b_trades_nothing_from_a_position_beyond_the_limit() -> None:
    """What it holds is more than the pair can have made: no order is made from that."""
    driver = Hedger().idle()
    beat = driver.beat(quantity_lots=100)
    driver(MakerSeen(beat, beat.epoch))
    driver(driver.trade(-1001, cid=0))
    effects = driver(hedger_state.Tick())
    assert halted_by(effects) == "implausible_fill" or driver.state.phase is HedgerPhase.HALTED
    assert limit_lots(driver.state) == 1000


def test_a_start_with_a_large_position_is_no_doubt() -> None:
    """What B held at its start is its own, whatever A's quantity is now."""
    driver = Hedger().idle(5000)
    beat = driver.beat(quantity_lots=100)
    driver(MakerSeen(beat, beat.epoch))
    assert hedger_state.SendHedge in kinds(driver(driver.says(driver.a_lots + 100)))
