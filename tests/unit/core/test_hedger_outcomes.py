"""What became of B's order: accepted, refused, in doubt, settled; failures, dust and stopping."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core import ids
from hedge.core.amounts import MICROS, Side
from hedge.core.hedger.departure import LeaderSeen, MakerSeen
from hedge.core.hedger.state import (
    Failure,
    Fence,
    FenceRefused,
    HaltRaised,
    HaltSeen,
    LeaseChanged,
    OwnBook,
    OwnOrder,
    PublishFailure,
    ReadBaseline,
    Reconciled,
    Report,
    Resumed,
    SendHedge,
    Sent,
    Stopped,
    StopRequested,
    StreamsChanged,
    Tick,
)
from hedge.core.hedger.step import Phase, is_covered, owed_lots, target_known
from hedge.core.records import OrderStatus
from tests.unit.core.kit import (
    ACCEPTED,
    B_INSTANCE,
    SPEC,
    UNKNOWN,
    Hedger,
    kinds,
    only,
    refused,
    row,
)

NO_LIQUIDITY, FILLED = OrderStatus.CANCELED_LIQUIDITY, OrderStatus.FILLED


def fail(driver: Hedger) -> list[object]:
    """Send when due, then have the order refused."""
    driver.later(60_000)
    if driver.state.phase is not Phase.SENDING:
        driver(Tick())
    return driver(driver.answer(refused()))


# --- sending ---------------------------------------------------------------------------------


def test_one_order_for_all_that_is_owed() -> None:
    """The order is for the whole debt, on the other side of A, with our own next nonce."""
    order = Hedger().sending(130).order
    assert (order.side, order.lots, order.nonce, order.attempt) == (Side.SELL, 130, 5, 1)
    assert order.client_order_index == ids.order_id(B_INSTANCE, 5)
    short = Hedger(offset_lots=-30).idle()
    assert only(short(short.says(-130)), SendHedge).order.side is Side.BUY


def test_an_order_in_doubt_for_too_long_is_overdue() -> None:
    """From its doubt on it has as long again as it had to settle."""
    driver = Hedger().unknown()
    driver.later(4_999)
    driver(Tick())
    assert not driver.order.overdue
    driver.later(1)
    driver(Tick(), Tick())
    assert driver.order.overdue


@pytest.mark.parametrize("what", ["streams", "price"])
def test_nothing_is_sent_blind(what: str) -> None:
    """Without streams the fills would not be seen, without a price the cap is unknown."""
    driver = Hedger().idle()
    if what == "streams":
        driver(StreamsChanged(up=False))
    else:
        driver.facts(mark_ticks=None)
    assert driver(driver.says(100)) == []
    driver.facts(mark_ticks=300_000)
    assert kinds(driver(StreamsChanged(up=True))) == [SendHedge]


def test_nothing_is_sent_into_a_market_that_takes_no_orders() -> None:
    """Each attempt would be refused and counted; once it opens the debt is hedged."""
    driver = Hedger().idle()
    driver.facts(market_status="inactive")
    assert driver(driver.says(100)) == []
    assert driver.state.phase is Phase.IDLE
    assert driver.state.attempts == 0
    driver.facts(market_status="active")
    assert kinds(driver(Tick())) == [SendHedge]


def test_a_crowded_budget_merges() -> None:
    """With most of it used B waits up to two seconds after a hedge; the first goes at once."""
    driver = Hedger().idle()
    driver.facts(crowded=True)
    assert kinds(driver(driver.says(10))) == [SendHedge]
    driver(driver.answer())
    driver.execute()
    driver.later(1_999)
    assert driver(driver.says(30)) == []
    driver.later(1)
    assert only(driver(driver.says(35)), SendHedge).order.lots == 25


def test_an_uncrowded_budget_does_not_wait() -> None:
    """Nothing on the way from fill to hedge waits for a timer."""
    driver = Hedger().settling()
    driver(driver.says(130))
    assert only(driver.execute(), SendHedge).order.lots == 30


# --- settled ---------------------------------------------------------------------------------


def test_settled_is_row_and_trades() -> None:
    """A row without its trades is no settlement: 100 filled, 30 known, and nothing is decided."""
    driver = Hedger().settling()
    assert driver(driver.row(FILLED, 100), driver.trade(-30)) == []
    assert driver.state.phase is Phase.SETTLING
    assert only(driver(driver.trade(-70)), Report).owed_lots == 0
    assert driver.state.phase is Phase.IDLE


def test_settled_before_its_acknowledgement() -> None:
    """Trades and row may come before the answer; the answer then settles."""
    driver = Hedger().sending()
    assert driver.execute() == []
    assert kinds(driver(driver.answer())) == [Report]
    assert driver.state.nonce == 6


def test_a_partial_execution_leaves_the_rest_owed() -> None:
    """What executed is reported, what did not is sent at once, and attempts start anew."""
    driver = Hedger().settling()
    done = driver.execute(40)
    assert kinds(done) == [Report, SendHedge]
    assert only(done, Report).owed_lots == -60
    order = driver.order
    assert (order.lots, order.attempt, order.nonce) == (60, 1, 6)


def test_rows_of_other_orders_change_nothing() -> None:
    """Only the order in flight is followed, and its end is final."""
    driver = Hedger().settling()
    before = driver.state
    driver(OwnOrder(row(12345, FILLED, 100)))
    assert driver.state == before
    driver(driver.row(FILLED, 100), driver.row(OrderStatus.OPEN, 0))
    shown = driver.order.row
    assert shown is not None
    assert shown.status is FILLED
    idle = Hedger().idle()
    before = idle.state
    idle(OwnOrder(row(12345, FILLED, 100)))
    assert idle.state == before


def test_an_answer_to_another_order_changes_nothing() -> None:
    """Only the verdict on the order in flight counts, and only once."""
    driver = Hedger().sending()
    before = driver.state
    driver(Sent(12345, ACCEPTED))
    assert driver.state == before
    driver(driver.answer())
    before = driver.state
    driver(driver.answer())
    assert driver.state == before


# --- in doubt --------------------------------------------------------------------------------


def test_no_answer_is_fenced_not_repeated() -> None:
    """Signing again after an invalid nonce doubles a hedge whose first answer was only lost."""
    driver = Hedger().sending()
    doubt = replace(UNKNOWN, code=21104, reason="invalid nonce")
    assert kinds(driver(driver.answer(doubt))) == [Fence]
    driver.later(600_000)
    assert driver(Tick(), driver.says(500)) == []
    assert driver.state.phase is Phase.UNKNOWN


def test_the_fence_s_nonce_is_the_next_one() -> None:
    """After a fence the count starts where the fence says, never from a refresh in passing."""
    driver = Hedger().unknown()
    driver.trade(-40)
    done = driver.fence(nonce=50)
    assert kinds(done) == [Report, SendHedge]
    assert (driver.order.nonce, driver.order.lots) == (50, 60)


def test_rows_and_trades_in_doubt_wait_for_the_fence() -> None:
    """A lagging list does not decide: row and trades are taken in, the verdict is the fence's."""
    driver = Hedger().unknown()
    assert driver.execute(40) == []
    assert driver.state.phase is Phase.UNKNOWN
    assert only(driver.fence(), Report).order.filled_lots == 40


def test_an_end_with_nothing_filled_passes_a_fence() -> None:
    """Counting it as failed at once lets the delayed first copy execute beside the next order."""
    driver = Hedger().settling()
    assert kinds(driver(driver.row(NO_LIQUIDITY))) == [Fence]
    assert driver.state.phase is Phase.UNKNOWN
    driver(driver.trade(-100))
    done = driver.fence()
    assert kinds(done) == [Report]
    assert owed_lots(driver.state) == 0


def test_a_proven_nothing_is_a_miss() -> None:
    """The fence shows that nothing executed: tried again a second later, as attempt two."""
    driver = Hedger().settling()
    driver(driver.row(NO_LIQUIDITY))
    assert driver.fence() == []
    assert driver.state.phase is Phase.IDLE
    assert (driver.state.attempts, driver.state.misses) == (0, 1)
    driver.later(999)
    assert driver(Tick()) == []
    driver.later(1)
    order = only(driver(Tick()), SendHedge).order
    assert (order.attempt, order.width, order.nonce) == (2, 2, 50)


def test_never_settled_is_in_doubt() -> None:
    """Accepted and then silence: five seconds after the predicted moment a fence decides."""
    driver = Hedger().sending()
    driver(driver.answer(replace(ACCEPTED, predicted_ms=300)))
    driver.later(5_299)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Fence]


def test_a_refusal_that_the_venue_contradicts_is_in_doubt() -> None:
    """Refused, yet its row or a trade is there: no proof, and nothing is sent beside it."""
    for shown in ("row", "trade"):
        driver = Hedger().sending()
        driver(driver.row(OrderStatus.OPEN) if shown == "row" else driver.trade(-10))
        assert kinds(driver(driver.answer(refused()))) == [Fence]
        assert driver.state.phase is Phase.UNKNOWN


def test_a_contradicting_book_at_rest_is_proven_again() -> None:
    """With nothing in flight nobody else would close the gap; until then the ledger is silent."""
    driver = Hedger().settling()
    driver.trade(-100)
    driver(OwnBook(driver.view(consistent=False)))
    assert not target_known(driver.state)
    done = driver(driver.row(FILLED, 100))
    assert kinds(done) == [Report, Fence]
    assert driver.state.phase is Phase.RECONCILING
    assert not driver.state.a_fresh
    assert kinds(driver.fence()) == [ReadBaseline]


def test_a_fence_nobody_waits_for_changes_nothing() -> None:
    """A proof that comes when the book is in use already is old."""
    driver = Hedger().sending()
    before = driver.state
    assert driver(Reconciled(99, driver.view(), explained=True)) == []
    assert driver.state == before


def test_a_fence_in_doubt_without_an_order_is_at_rest() -> None:
    """There is nothing left to decide."""
    driver = Hedger().unknown()
    driver.state = replace(driver.state, inflight=None)
    driver(driver.says(0))
    assert driver.fence() == []
    assert driver.state.phase is Phase.IDLE


def test_an_order_caught_by_a_new_fence_is_reported_once_proven() -> None:
    """The lease was lost under it: what it executed is known, and said, after the next proof."""
    driver = Hedger().settling()
    driver(LeaseChanged(held=False), driver.trade(-40), LeaseChanged(held=True))
    done = driver.fence()
    assert kinds(done) == [Report, ReadBaseline]
    assert only(done, Report).order.filled_lots == 40
    assert driver.state.inflight is None


# --- failures --------------------------------------------------------------------------------


def test_attempts_are_counted_then_said_then_backed_off() -> None:
    """Three proven failures make one message; B goes on with growing pauses, and says no more."""
    driver = Hedger(force_close_ms=10**9).sending()
    assert fail(driver) == []
    assert fail(driver) == []
    said = only(fail(driver), PublishFailure)
    assert (said.failure.reason, said.attempts, said.owed_lots) == ("max_retries_exceeded", 3, -100)
    for pause_ms in (5_000, 10_000, 20_000, 30_000, 30_000):
        assert driver.state.phase is Phase.FAILED
        driver.later(pause_ms - 1)
        assert driver(Tick()) == []
        driver.later(1)
        assert kinds(driver(Tick())) == [SendHedge]
        assert driver(driver.answer(refused())) == []
    assert driver.notes(loud=True)[-1] == "still_failing"


def test_progress_resets_the_count() -> None:
    """Something executed: failures start from zero, the failure is over."""
    driver = Hedger().failed()
    driver.later(5_000)
    driver(Tick())
    driver(driver.answer())
    driver.execute(10)
    assert driver.state.failure is None
    assert driver.state.attempts == 0
    assert driver.order.attempt == 1


@pytest.mark.parametrize("status", [OrderStatus.CANCELED_MARGIN, OrderStatus.CANCELED_BALANCE])
def test_no_margin_fails_at_once(status: OrderStatus) -> None:
    """The sequencer cancelled it for margin: more attempts would not help."""
    driver = Hedger().settling()
    driver(driver.row(status))
    assert only(driver.fence(), PublishFailure).failure.reason == "not_enough_margin"
    assert driver.state.phase is Phase.FAILED


@pytest.mark.parametrize(
    ("code", "reason"), [(21739, "not_enough_margin"), (21109, "api_key_refused")]
)
def test_a_hopeless_refusal_fails_at_once(code: int, reason: str) -> None:
    """Without margin or key the first refusal is the message."""
    driver = Hedger().sending()
    assert only(driver(driver.answer(refused(code))), PublishFailure).failure.reason == reason


def test_covered_by_a_failure_is_over() -> None:
    """A reduced what B could not hedge: nothing is owed, the failure is forgotten."""
    driver = Hedger().failed()
    driver(driver.says(0))
    assert driver.state.phase is Phase.IDLE
    assert driver.state.failure is None
    assert is_covered(driver.state)


def test_a_refused_key_is_said_once_and_over_with_the_fence() -> None:
    """While it lasts B is not ready; a passed fence disproves it, whether or not A is known."""
    driver = Hedger().reconciling()
    refusal = FenceRefused(21109, "api key not found")
    said = only(driver(refusal), PublishFailure)
    assert (said.failure.reason, said.owed_lots) == ("api_key_refused", None)
    assert driver(refusal) == []
    driver.proven()
    assert driver.state.failure is None


def test_a_slow_fence_is_no_word_of_the_venue() -> None:
    """Its failure names no code; the debt is still what was owed."""
    driver = Hedger().unknown()
    said = only(driver(FenceRefused(0, "no fence for 60 s")), PublishFailure)
    assert said.failure == Failure("outcome_unknown", "no fence for 60 s")
    assert said.owed_lots == -100
    assert said.doubted is driver.state.inflight is not None


def test_a_hedge_found_after_a_start_says_that_the_debt_is_not_known_yet() -> None:
    """Unknown is never zero, in the message as in the log."""
    driver = Hedger().unknown()
    driver(LeaseChanged(held=False), LeaseChanged(held=True))
    driver.trade(-100)
    assert only(driver.fence(), Report).owed_lots is None


# --- dust ------------------------------------------------------------------------------------

TOO_SMALL = refused(21706, "order size is too small")


def test_dust_is_covered_and_tried_again_when_the_debt_changes() -> None:
    """Too small for the venue: covered, no attempt counted, merged into the next debt."""
    driver = Hedger().sending(3)
    assert driver(driver.answer(TOO_SMALL)) == []
    assert (driver.state.phase, driver.state.attempts) == (Phase.IDLE, 0)
    assert driver.state.dust_lots == -3
    assert is_covered(driver.state)
    driver.later(60_000)
    assert driver(Tick()) == []
    assert only(driver(driver.says(103)), SendHedge).order.lots == 103
    assert driver.state.dust_lots == 0


def at_price(ticks: int) -> dict[str, Any]:
    """Return the facts of a market at this price."""
    return {"bid_ticks": ticks - 10, "ask_ticks": ticks + 10, "mark_ticks": ticks}


@pytest.mark.parametrize(
    ("changes", "is_sent"),
    [
        (at_price(340_000), False),  # by mark, and not by any price that B may sell at
        (at_price(380_000), True),  # worth more than the least that is taken
        ({"spec": replace(SPEC, min_base_lots=20)}, False),  # read anew, and still worth less
        ({"spec": replace(SPEC, min_base_lots=20, min_quote_micros=8 * MICROS)}, True),
        ({"mark_ticks": None}, False),  # nobody can value it now
        (at_price(260_000), False),
    ],
)
def test_dust_that_the_market_would_take_by_now_is_hedged(
    changes: dict[str, Any], *, is_sent: bool
) -> None:
    """A price that rose, or smaller minimums of the market: what is left is no dust any more."""
    spec = replace(SPEC, min_base_lots=1)
    driver = Hedger(spec=spec).sending(30)
    driver(driver.answer(TOO_SMALL))
    assert driver.state.dust_lots == -30
    driver.facts(**changes)
    driver.later(60_000)
    assert kinds(driver(Tick())) == ([SendHedge] if is_sent else [])
    assert (driver.state.dust_lots == -30) is not is_sent


def test_the_same_dust_is_forgotten_once_nothing_is_owed() -> None:
    """Dust names one debt; when that is gone, an equal one later is tried afresh."""
    driver = Hedger().sending(3)
    driver(driver.answer(TOO_SMALL), driver.says(0))
    assert driver.state.dust_lots == 0
    assert kinds(driver(driver.says(3))) == [SendHedge]


@pytest.mark.parametrize("mark", [300_000, None], ids=["large", "no price"])
def test_too_small_is_not_dust_above_the_minimums(mark: int | None) -> None:
    """An amount that could rest, or one that nobody can value, counts as a failed attempt."""
    driver = Hedger().sending(100)
    driver.facts(mark_ticks=mark)
    driver(driver.answer(TOO_SMALL))
    assert driver.state.dust_lots == 0
    assert driver.state.attempts == 1


# --- halts, stops ----------------------------------------------------------------------------


def test_a_halted_b_trades_nothing_and_answers_nothing() -> None:
    """A halt of B's own: orders in flight are not followed by new ones until a person resumes."""
    driver = Hedger().sending()
    driver(HaltSeen("foreign_trade_on_b"), driver.answer())
    driver.later(60_000)
    assert driver(Tick(), driver.says(500)) == []
    assert not target_known(driver.state)
    assert driver(HaltSeen("again"), HaltRaised("more", "why")) == []
    assert driver.state.halt_reason == "foreign_trade_on_b"


def test_a_resumed_b_comes_back_through_lease_fence_and_book() -> None:
    """Nothing that was believed before the halt is traded on after it."""
    driver = Hedger().halted()
    assert driver(Resumed(force=False)) == []
    assert driver.state.phase is Phase.STANDBY
    assert kinds(driver(LeaseChanged(held=True))) == [Fence]
    assert not driver.state.a_fresh


def test_resume_without_a_halt_changes_no_phase() -> None:
    """There is nothing to resume; `force` still explains what is there."""
    driver = Hedger().idle(explained=False)
    driver.state = replace(driver.state, explained=False)
    driver(Resumed(force=True))
    assert (driver.state.phase, driver.state.explained) == (Phase.IDLE, True)


def leader_beats() -> list[LeaderSeen]:
    """Return what a standby hears of the B that leads: more than two heartbeats."""
    return [LeaderSeen("c" * 16, number) for number in range(3)]


def test_a_stop_finishes_what_is_in_flight_and_owed() -> None:
    """B ends only when its order is settled and nothing is owed; then it is neutral."""
    driver = Hedger().settling()
    assert driver(StopRequested(), StopRequested()) == []
    driver(driver.says(130))
    done = driver.execute()
    assert kinds(done) == [Report, SendHedge]
    driver(driver.answer())
    assert kinds(driver.execute()) == [Report]  # A has not left yet
    beat = driver.beat(left=True)
    assert only(driver(MakerSeen(beat, beat.epoch)), Stopped).neutral is True


def test_a_stop_does_not_wait_for_ever() -> None:
    """At the deadline B ends, says that it is not neutral, and sends nothing in that moment."""
    driver = Hedger().failed()
    driver(StopRequested())
    driver.later(59_999)
    driver.state = replace(driver.state, retry_at_ms=None, attempts=0)
    driver.later(1)
    done = driver(Tick())
    assert kinds(done) == [Stopped]
    assert only(done, Stopped).neutral is False


def test_a_stop_with_an_open_fate_is_not_neutral() -> None:
    """An order in doubt at the deadline may still have executed."""
    driver = Hedger().unknown()
    driver(StopRequested())
    driver.later(60_000)
    assert only(driver(Tick()), Stopped).neutral is False


@pytest.mark.parametrize("what", ["standby", "halted"])
def test_a_stop_of_a_b_at_rest_is_immediate(what: str) -> None:
    """Where another B leads, or A has left, there is nothing to wait for."""
    driver = {"standby": Hedger, "halted": lambda: Hedger().halted().a_left()}[what]()
    done = driver(StopRequested(), *leader_beats())
    assert only(done, Stopped).neutral is True
    assert driver(HaltSeen("late"), HaltRaised("late", ""), LeaseChanged(held=False), Tick()) == []


def test_a_stop_before_the_first_proof_is_not_neutral() -> None:
    """What an earlier process left behind is not known yet, and unknown is not flat."""
    driver = Hedger().reconciling()
    assert driver(StopRequested()) == []
    driver.later(60_000)
    assert only(driver(Tick()), Stopped).neutral is False


def test_a_deposed_b_stops_neutral_unless_its_own_order_is_open() -> None:
    """What A holds is the new leader's to answer; an order of its own in doubt is not."""
    driver = Hedger().idle()
    driver(LeaseChanged(held=False), driver.says(100))
    assert only(driver(StopRequested(), *leader_beats()), Stopped).neutral is True
    driver = Hedger().unknown()
    driver(LeaseChanged(held=False))
    assert only(driver(StopRequested(), *leader_beats()), Stopped).neutral is False


def test_a_standby_beside_nobody_does_not_leave() -> None:
    """It was started a moment ago, and the lease is free: what A holds is its own to answer."""
    driver = Hedger()
    assert driver(StopRequested(), Tick()) == []
    driver.reconciling()
    driver.later(60_000)
    assert only(driver(Tick()), Stopped).neutral is False


def test_one_beat_of_a_leader_may_be_its_last() -> None:
    """It was written before the leader read that this one leaves."""
    driver = Hedger()
    assert driver(StopRequested(), *leader_beats()[:2]) == []


def test_the_fence_of_a_new_leader_decides_the_order_of_the_old_one() -> None:
    """Once another B is ready nothing of ours is open any more, and a stop is clean."""
    driver = Hedger().unknown()
    driver(LeaseChanged(held=False), LeaseChanged(held=False, led=True))
    assert driver.state.inflight is None
    assert only(driver(StopRequested(), *leader_beats()), Stopped).neutral is True


def test_settling_waits_for_an_order_with_a_deadline() -> None:
    """A state without an order in flight has nothing to settle, and invents nothing."""
    driver = Hedger().settling()
    driver.state = replace(driver.state, inflight=None)
    driver.later(60_000)
    assert driver(Tick()) == []
    assert driver.state.phase is Phase.SETTLING


@pytest.mark.parametrize("deposed", [False, True])
def test_a_fence_short_of_the_order_s_own_nonce_proves_nothing_about_it(deposed: bool) -> None:
    """A nonce handed back leaves our count ahead: the delayed copy executes after the fence."""
    driver = Hedger().unknown()
    if deposed:
        driver(LeaseChanged(held=False), LeaseChanged(held=True))
    before = driver.state
    assert kinds(driver.fence(nonce=driver.order.nonce)) == [Fence]
    assert driver.state == before
    driver.fence(nonce=driver.order.nonce + 1)
    assert driver.state.inflight is None
