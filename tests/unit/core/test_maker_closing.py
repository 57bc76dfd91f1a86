"""A looks at B's public position before it acts alone: by proof only, never more than it has."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.maker.closing import BShown, Closing, LookAtB
from hedge.core.maker.state import HaltPair, Place, PublishFill, Resumed, Tick
from hedge.core.maker.unwinding import turn_text
from hedge.core.records import OrderStatus
from tests.unit.core.kit import Maker, kinds, only

PATIENCE = 60_000
LAG_MS = 15_000
LOOK_MS = LAG_MS // 3
SECOND = 1000


def deserted(**settings: Any) -> Maker:
    """A holds 100 that a dead B has not covered for a minute; A has begun to look at B."""
    driver = Maker(**settings).awaiting(100)
    driver(driver.row(OrderStatus.FILLED, 100), driver.peer(None, alive=False, ready=False))
    driver.later(PATIENCE)
    effects = driver(Tick(), Tick())
    if settings.get("peer_watch", True):
        assert only(effects, LookAtB).seq == driver.state.seq
    return driver


def shown(driver: Maker, *lots: int | None, every_ms: int = LOOK_MS) -> list[Any]:
    """Answer a look at B with each of these, and let time pass up to the next one."""
    effects = []
    for held in lots:
        effects += driver(BShown(driver.state.seq, held, driver.now.now_ms))
        driver.later(every_ms)
        effects += driver(Tick())
    return effects


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
    effects = shown(driver, *[b_lots] * 5)
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
    """Without an answer A asks again after a while, and sends nothing."""
    driver = deserted()
    assert driver(BShown(driver.state.seq, None, driver.now.now_ms), Tick()) == []
    driver.later(LOOK_MS)
    assert kinds(driver(Tick())) == [LookAtB]
    assert Place not in kinds(shown(driver, *[None] * 20))


@pytest.mark.parametrize("answers", [(0, 0, 0, -100, 0), (0, -100, -100, -100, -100)])
def test_answers_that_change_are_not_acted_on(answers: tuple[int, ...]) -> None:
    """What is equal for less than REST may lag is no proof; nor is it after A's time."""
    driver = deserted()
    assert Place not in kinds(shown(driver, *answers))
    assert Place not in kinds(shown(driver, *[0] * 20))


@pytest.mark.parametrize(("second", "acts"), [(16, False), (17, True), (27, True), (28, False)])
def test_public_answers_count_only_while_a_cut_off_b_holds_still(second: int, acts: bool) -> None:
    """From F + 15 to F + 30, two seconds less at either end for the clocks of two hosts."""
    driver = deserted()
    for past_s in range(second):
        answer = 0 if past_s in (0, 5, 10, 15) else None
        driver(BShown(driver.state.seq, answer, driver.now.now_ms))
        driver.later(SECOND)
        assert Place not in kinds(driver(Tick()))
    effects = driver(BShown(driver.state.seq, 0, driver.now.now_ms), Tick())
    assert (Place in kinds(effects)) is acts


def test_a_b_that_is_halted_and_says_so_holds_still() -> None:
    """It trades nothing until a person resumes, so A's time does not run out."""
    driver = deserted()
    driver.later(60 * SECOND)
    assert driver(Tick()) == []
    halted = driver.peer(None, ready=False, alive=True, halted=True)
    assert LookAtB in kinds(driver(halted, Tick()))
    assert only(shown(driver, *[0] * 4), Place).order.lots == 100


def test_switched_off_a_only_alerts() -> None:
    """Without the watch A never looks at B's account and closes nothing blindly."""
    driver = deserted(peer_watch=False)
    assert shown(driver, *[0] * 10) == []


def test_a_look_of_before_a_fill_does_not_count() -> None:
    """What B held before A's newest fill says nothing about that fill."""
    driver = deserted()
    old = driver.state.seq
    effects = driver(driver.fill(50))
    assert PublishFill in kinds(effects)
    assert driver(BShown(old, 0, driver.now.now_ms)) == []
    driver.later(PATIENCE)
    assert only(driver(Tick()), LookAtB).seq == driver.state.seq


def test_a_look_is_used_up_by_the_close() -> None:
    """After a close A looks again before it sends another one."""
    driver = deserted()
    driver(driver.peer(None, ready=False, alive=True, halted=True))
    shown(driver, 0, 0, 0)
    driver(BShown(driver.state.seq, 0, driver.now.now_ms))
    driver.later(LOOK_MS // 2)
    driver(BShown(driver.state.seq, 0, driver.now.now_ms))
    driver(driver.answer())
    driver(driver.fill(-40), driver.row(OrderStatus.CANCELED_SLIPPAGE, 40))
    driver.later(1000)
    assert kinds(driver(Tick())) == [LookAtB]
    assert only(shown(driver, *[0] * 4), Place).order.lots == 60


def test_a_living_b_s_ledger_comes_first() -> None:
    """Where B lives and answers A's newest state, its own word counts, not the look."""
    driver = deserted()
    assert Place not in kinds(driver(driver.peer(driver.ledger(-30, yields=False)), Tick()))
    assert only(driver(driver.peer(driver.ledger(-30))), Place).order.lots == 30


@pytest.mark.parametrize("ready", [True, False])
def test_an_order_of_b_in_flight_is_waited_for(*, ready: bool) -> None:
    """B, ready or not, says soon what is owed, and yields; until then A does not act."""
    driver = deserted()
    busy = driver.ledger(-30, inflight=True, yields=False)
    driver(driver.peer(busy, ready=ready))
    assert Place not in kinds(shown(driver, *[0] * 8))


# --- whose turn it is -----------------------------------------------------------------------------


def yielded(owed: int = -100) -> Maker:
    """A holds 100; B lives and yields from ten seconds before A's turn."""
    driver = Maker().awaiting(100)
    driver(driver.row(OrderStatus.FILLED, 100))
    driver.later(PATIENCE - 10 * SECOND)
    driver(driver.peer(driver.ledger(owed)))
    return driver


def test_a_acts_at_its_turn_and_not_before() -> None:
    """That B yields early is for what it signed last to end."""
    driver = yielded()
    driver.later(10 * SECOND - 1)
    assert driver(Tick()) == []
    driver.later(1)
    order = only(driver(Tick()), Place).order
    assert (order.lots, order.unwinds) == (100, True)


def test_the_turn_counts_from_the_newest_fill_that_raised_the_debt() -> None:
    """The halt is the oldest fill's; B's own time for the newest is not cut short."""
    driver = Maker(keep_remainder=True, order_timeout_ms=10**6).working()
    driver(driver.fill(30))
    driver.later(40 * SECOND)
    driver(driver.fill(70), driver.row(OrderStatus.FILLED, 100))
    driver.cover(-100)
    driver.later(20 * SECOND)
    effects = driver(Tick())
    assert only(effects, HaltPair).reason == "force_close_timeout"
    assert Place not in kinds(effects)
    driver.later(40 * SECOND)
    assert only(driver(Tick()), Place).order.lots == 100


@pytest.mark.parametrize(("late_s", "age_s"), [(0, 0), (20, 20), (30, 30), (31, 0)])
def test_a_fill_counts_from_its_own_time_unless_it_was_found_late(late_s: int, age_s: int) -> None:
    """By the exchange's clock; from more than 30 s on from the moment of A's statement."""
    driver = Maker().working()
    driver.later(PATIENCE)
    driver.facts(exchange_ms=10_000_000)
    event = driver.fill(100)
    at_ms = 10_000_000 - late_s * SECOND
    event = replace(event, trades=(replace(event.trades[0], time_ms=at_ms),))
    driver(event)
    assert driver.state.raised_ms == driver.now.now_ms - age_s * SECOND


def test_a_fill_found_after_half_of_the_patience_counts_from_its_statement() -> None:
    """B would hear of it when its turn is over, and hedge nothing."""
    driver = Maker(force_close_ms=20 * SECOND).working()
    driver.later(PATIENCE)
    driver.facts(exchange_ms=10_000_000)
    event = driver.fill(100)
    at_ms = 10_000_000 - 11 * SECOND
    driver(replace(event, trades=(replace(event.trades[0], time_ms=at_ms),)))
    assert driver.state.raised_ms == driver.now.now_ms


def test_what_a_start_finds_counts_from_its_statement() -> None:
    """A new process says when it stated its book, however old the fills are."""
    driver = Maker().started()
    driver.later(5 * SECOND)
    driver.proven(100)
    assert driver.state.raised_ms == driver.now.now_ms


def test_a_reduction_raises_nothing() -> None:
    """The trades of the order that unwinds leave B where it is: it still yields."""
    driver = yielded()
    driver.later(10 * SECOND)
    driver(Tick())
    before = driver.state.raised_ms
    driver(driver.fill(-40))
    assert driver.state.raised_ms == before
    driver(driver.answer(), driver.row(OrderStatus.CANCELED_SLIPPAGE, 40))
    driver.later(10 * SECOND)
    assert only(driver(driver.peer(driver.ledger(-60))), Place).order.lots == 60


@pytest.mark.parametrize("owed", [60, 1])
def test_what_a_cannot_reduce_it_gives_back_at_once(owed: int) -> None:
    """It holds nothing of that: B goes on, and A acts no more, whatever B's ledger says later."""
    driver = yielded(owed)
    driver.later(10 * SECOND)
    driver(Tick())
    assert driver.state.nored
    assert "nored" in driver.notes(loud=True)
    assert Place not in kinds(driver(driver.peer(driver.ledger(-100)), Tick()))
    driver(driver.fill(5))
    assert not driver.state.nored


def test_what_a_could_not_reduce_for_long_it_gives_back() -> None:
    """No price, no taker, no streams: after twice the lag of REST it is B's turn again."""
    driver = yielded()
    driver.facts(bid_ticks=None, mark_ticks=None)
    driver.later(10 * SECOND)
    driver(Tick())
    driver.later(30 * SECOND - 1)
    driver(Tick())
    assert not driver.state.nored
    driver.later(1)
    driver(Tick())
    assert driver.state.nored
    driver.facts(bid_ticks=1, mark_ticks=1)
    assert Place not in kinds(driver(Tick()))


def test_what_was_given_back_is_over_with_the_debt() -> None:
    """Covered, the next debt begins with B's turn, and may end with A's."""
    driver = yielded(60)
    driver.later(10 * SECOND)
    driver(Tick())
    driver.cover(0)
    assert not driver.state.nored


def test_a_resumption_forgets_the_look() -> None:
    """A person has looked at both accounts: the old look is void."""
    driver = deserted()
    driver(Resumed(force=False))
    assert driver.state.looked is None
    assert driver.state.closing is not Closing.UNHEDGED
    assert driver(BShown(driver.state.seq, 0, driver.now.now_ms)) == []


def test_a_liquidation_of_a_is_published_and_halts_under_its_own_name() -> None:
    """The venue's own trade on A is hedged like any other; then a person must look."""
    driver = Maker().working()
    event = driver.fill(-40, foreign=True)
    event = replace(event, trades=(replace(event.trades[0], kind="liquidation"),))
    effects = driver(event)
    assert only(effects, PublishFill).trade.kind == "liquidation"
    assert only(effects, HaltPair).reason == "liquidation_on_a"


def test_the_exchanges_clock_dates_a_moment_and_back() -> None:
    """Where it is not known nothing is dated, and what it dates counts from now."""
    driver = Maker()
    driver.facts(exchange_ms=10_000_000)
    now = driver.now
    assert now.dated(now.now_ms - 500) == 9_999_500
    assert now.moment_of(9_999_500) == now.now_ms - 500
    unknown = replace(now, exchange_ms=None)
    assert (unknown.dated(5), unknown.moment_of(5)) == (None, now.now_ms)


def test_what_a_does_about_a_debt_is_in_words() -> None:
    """It reduces itself, or leaves the debt to B; else it is not its turn."""
    driver = Maker().working()
    state, order = driver.state, driver.state.order
    assert order is not None
    assert turn_text(state) == ""
    assert "it is left to B" in turn_text(replace(state, nored=True))
    unwinding = replace(state, order=replace(order, unwinds=True))
    assert turn_text(unwinding).startswith("A reduces itself by 0.0100 ETH")
