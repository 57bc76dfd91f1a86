"""Whose turn it is to act on a debt: B stops before A may act, and goes on once A cannot have."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.hedger.departure import MakerSeen, MakerStated
from hedge.core.hedger.rules import hold_of
from hedge.core.hedger.state import (
    CloseRequested,
    HandCleared,
    HandPublished,
    LeaseChanged,
    Phase,
    SendHedge,
    StopRequested,
    TargetSeen,
    Tick,
)
from hedge.core.hedger.watch import PeerTraded
from hedge.core.refusal import Refusal
from hedge.core.transitions import Outcome, Verdict
from tests.unit.core.kit import Hedger, kinds, only, trade

SECOND = 1000
F = 60 * SECOND
LEAD = 10 * SECOND
LAG = 15 * SECOND
REFUSED = Outcome(Verdict.REJECTED, code=21702, reason="price", refusal=Refusal.OTHER)


class Owing(Hedger):
    """Owes 100 for a fill of A at `began_ms`; whatever it tries is refused."""

    began_ms = 0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"retry_times": 1, "backoff_min_ms": 1, "backoff_max_ms": 1, **settings})

    def __call__(self, *events: Any) -> list[Any]:
        """Step, and let the exchange refuse what was sent."""
        effects = super().__call__(*events)
        if self.began_ms and self.state.phase is Phase.SENDING:
            effects = [*effects, *super().__call__(self.answer(REFUSED))]
        return effects

    def refused(self) -> "Owing":
        self.idle()
        self.began_ms = self.now.now_ms
        self(self.says(100))
        assert self.state.phase is Phase.FAILED
        return self

    def at(self, past_ms: int) -> list[Any]:
        """Let time pass to so long after the fill; return what came of it."""
        self.later(self.began_ms + past_ms - self.now.now_ms)
        return self(Tick())

    def heard(self, **changes: Any) -> list[Any]:
        """A beats, fresh for the next eight seconds."""
        said: dict[str, Any] = {
            "raised_ms": self.began_ms,
            "seq": self.a_seq,
            "position_lots": self.a_lots,
            "force_close_ms": F,
            "fresh_until_ms": self.now.now_ms + 8 * SECOND,
            **changes,
        }
        beat = self.beat(**said)
        return self(MakerSeen(beat, beat.epoch))

    def stated(self, lots: int = 100) -> list[Any]:
        """Take the exchange's statement of A, asked for now."""
        return self(MakerStated(lots, 0, self.now.now_ms))

    @property
    def yields(self) -> bool:
        return self.state.debt is not None and self.state.debt.yields


def tries(effects: list[Any]) -> bool:
    return SendHedge in kinds(effects)


@pytest.mark.parametrize("heard", [True, False])
def test_ten_seconds_before_a_s_turn_b_signs_nothing_more(*, heard: bool) -> None:
    """Up to F - 10 it tries, from then on it yields, whether A is heard or not."""
    driver = Owing().refused()
    driver.at(F - LEAD - 1)
    if heard:
        driver.heard()
    assert not driver.yields
    driver.at(F - LEAD)
    assert driver.yields
    assert "yields" in driver.notes(loud=True)
    before = len(driver.effects)
    for past_s in range(51, 115):
        driver.at(past_s * SECOND)
        if heard:
            driver.heard()
    assert not tries(driver.effects[before:])
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "yields"


@pytest.mark.parametrize(("own_s", "yields_at_s"), [(4, 2), (30, 20), (60, 50), (600, 590)])
def test_a_short_time_is_halved(own_s: int, yields_at_s: int) -> None:
    """B keeps at least half of the time that it is given."""
    driver = Owing(force_close_ms=own_s * SECOND).refused()
    driver.at(yields_at_s * SECOND - 1)
    assert not driver.yields
    driver.at(yields_at_s * SECOND)
    assert driver.yields


def test_a_s_own_time_counts_once_it_is_known() -> None:
    """Both files may differ; what A acts by is what B stops by."""
    driver = Owing(force_close_ms=600 * SECOND).refused()
    driver.heard()
    driver.at(F - LEAD)
    assert driver.yields


def test_an_order_in_flight_is_settled_first() -> None:
    """Signed before, it may still execute: the ledger yields only once it is settled."""
    driver = Hedger(settle_timeout_ms=F).settling()
    driver.later(F - LEAD)
    assert not tries(driver(Tick()))
    assert driver.state.debt is not None
    assert driver.state.debt.yields
    assert driver.state.phase is Phase.SETTLING


def test_b_goes_on_where_a_gives_the_debt_back() -> None:
    """A holds nothing that it could reduce, and says so of exactly this state."""
    driver = Owing().refused()
    driver.at(F)
    driver.heard(nored=True, seq=driver.a_seq - 1)
    assert driver.yields
    assert tries(driver.heard(nored=True))
    assert not driver.yields


def test_b_holds_while_a_acts() -> None:
    """Also before its time, and after a trade of A, until the trades of A's order sum."""
    driver = Owing().refused()
    driver.at(20 * SECOND)
    driver.heard(acting=True)
    assert driver.yields
    driver(driver.says(60))
    driver.later(5 * SECOND)
    driver.heard(acting=True, seq=driver.a_seq)
    assert not tries(driver(Tick()))
    assert tries(driver.heard(acting=False, seq=driver.a_seq))


def test_a_reduction_of_a_leaves_b_where_it_is() -> None:
    """Its trades raise nothing: B does not hedge what A is about to reduce."""
    driver = Owing().refused()
    driver.at(F)
    driver.heard()
    assert not tries(driver(driver.says(60)))
    driver.heard(seq=driver.a_seq)
    assert driver.yields
    assert not tries(driver(driver.says(0)))
    assert driver.state.debt is None


@pytest.mark.parametrize("by_watch", [True, False])
def test_a_new_fill_is_b_s_turn_again(*, by_watch: bool) -> None:
    """It raised the debt: B hedges all of it, and A has its turn F later."""
    driver = Owing().refused()
    driver.at(F)
    driver.heard()
    raised_ms = driver.now.now_ms
    watched = PeerTraded((trade(50, 30, 100),), 130)
    effects = driver(watched if by_watch else driver.says(130))
    assert only(effects, SendHedge).order.lots == 130
    assert driver.state.debt is not None
    assert driver.state.debt.raised_ms == raised_ms


def test_a_fill_that_is_heard_late_is_as_old_as_it_is() -> None:
    """By the exchange's clock: a B that was cut off does not begin where A already acts."""
    driver = Owing().idle()
    driver.facts(exchange_ms=10**9)
    driver.a_lots, driver.a_seq = 100, driver.a_seq + 1
    target = driver.target()
    assert not tries(driver(TargetSeen(target, True, 10**9 - 55 * SECOND)))
    assert driver.yields


def test_a_restarted_a_begins_b_s_turn_anew() -> None:
    """It states the moment of its statement: whatever the process before could do is over."""
    driver = Owing().refused()
    driver.at(3 * F)
    assert driver.yields
    assert tries(driver.heard(raised_ms=driver.now.now_ms))


# --- without A ------------------------------------------------------------------------------------


def silent() -> Owing:
    """A was heard last as the fill came."""
    driver = Owing().refused()
    driver.heard()
    return driver


@pytest.mark.parametrize(
    ("asked_s", "goes_on"), [(60, False), (107, False), (108, True), (121, True)]
)
def test_b_goes_on_without_a_by_what_is_stated_after_a_can_have_acted(
    asked_s: int, goes_on: bool
) -> None:
    """F + 31 and the lag of REST, and two seconds for the clocks: not before F + 60."""
    driver = silent()
    driver.at(asked_s * SECOND)
    driver.stated()
    if asked_s < 120:
        assert driver.yields
        driver.at(2 * F - 1)
        assert driver.yields
        assert tries(driver.at(2 * F)) is goes_on
    assert driver.yields is not goes_on


def test_what_a_has_reduced_meanwhile_is_no_reason_to_go_on() -> None:
    """The exchange states another position than B knows: first that is settled."""
    driver = silent()
    driver.at(2 * F)
    driver.stated(40)
    assert driver.yields


def test_an_a_that_was_heard_lately_may_act_on_the_ledger_still() -> None:
    """A ledger is fresh for eight seconds, and so is the beat that it answers."""
    driver = silent()
    driver.at(2 * F - SECOND)
    driver.heard()
    driver.at(2 * F + 10 * SECOND)
    driver.stated()
    assert driver.yields
    driver.at(2 * F + 33 * SECOND)
    driver.stated()
    assert not driver.yields


def test_without_the_watch_b_waits_for_a() -> None:
    """Nothing shows what A did: it is heard again, or a person looks."""
    driver = silent()
    driver.at(100 * F)
    assert driver.yields


def test_an_a_that_left_acts_no_more() -> None:
    """Its last word was that nothing of it can happen any more."""
    driver = Owing().refused()
    driver.at(30 * SECOND)
    driver.heard(left=True)
    driver.at(F)
    assert not driver.yields


@pytest.mark.parametrize("is_heard", [True, False])
@pytest.mark.parametrize("past_s", [5, 50, 60, 90, 119])
def test_an_a_that_was_asked_to_stop_has_no_turn(past_s: int, *, is_heard: bool) -> None:
    """It begins no reduction any more, and none comes once it is gone, with its debt or not."""
    driver = Owing().refused()
    driver.heard(leaving=True, nored=True)
    for second in range(past_s + 1):
        driver.at(second * SECOND)
        if is_heard:
            driver.heard(leaving=True, nored=True)
    assert not driver.yields
    assert tries(driver.at(past_s * SECOND + SECOND))


def test_what_runs_to_leave_alone_begins_no_turn_anew() -> None:
    """It states the old fill as one of now; its clock is nobody's."""
    driver = Owing().refused()
    driver.at(3 * F)
    assert driver.yields
    late = {"raised_ms": driver.now.now_ms, "leaving": True, "nored": True}
    assert tries(driver.heard(**late))
    assert driver.state.debt is not None
    assert driver.state.debt.raised_ms == driver.began_ms
    driver.later(9 * SECOND)
    assert not driver.yields


def test_an_a_that_leaves_while_it_reduces_itself_is_waited_for() -> None:
    """Its order is out: heard or not, B holds until its trades sum, and it is known what it did."""
    driver = Owing().refused()
    driver.at(F)
    driver.heard(leaving=True, nored=True, acting=True)
    driver.at(F + 30 * SECOND)
    assert driver.yields
    driver.heard(leaving=True, nored=True, acting=True)
    assert driver.yields
    done = {"leaving": True, "nored": True, "seq": driver.a_seq + 1, "position_lots": 40}
    assert not tries(driver.heard(**done))
    effects = driver(driver.says(40))
    assert only(effects, SendHedge).order.lots == 40


def test_another_a_that_is_not_heard_yet_may_have_a_turn() -> None:
    """The word of the one that left holds for that one alone."""
    driver = Owing().refused()
    driver.heard(leaving=True, nored=True)
    driver.at(F)
    assert not driver.yields
    driver(MakerSeen(None, "another"))
    driver.at(F + 10 * SECOND)
    assert driver.yields


# --- old peers, and a person ----------------------------------------------------------------------


def test_an_a_of_an_older_version_gives_nothing_back() -> None:
    """It acts at F by the ledger, as it always did; four lags later B tries again."""
    driver = Owing().refused()
    for past_s in range(0, 121, 5):
        driver.at(past_s * SECOND)
        driver.heard(raised_ms=None, force_close_ms=None)
        assert driver.yields is (50 <= past_s < 120), past_s


def test_a_b_that_leaves_has_as_long_again_where_a_knows_of_it() -> None:
    """It hedges until it is gone; an A that does not know of that acts at its own time."""
    driver = Owing(stop_deadline_ms=10 * F).refused()
    driver(StopRequested())
    driver.at(F - LEAD)
    driver.heard(answers_leaving=True)
    assert not driver.yields
    driver.heard(answers_leaving=False)
    assert driver.yields
    driver.at(2 * F - LEAD)
    driver.heard(answers_leaving=True)
    assert driver.yields


@pytest.mark.parametrize("event", [CloseRequested(alone=True), HandPublished(7)])
def test_what_a_person_orders_of_b_is_no_debt_for_a(event: Any) -> None:
    """A cannot act on it, so B does not wait for A."""
    driver = Owing().refused()
    driver.at(F)
    assert driver.yields
    driver(event)
    assert driver.state.debt is None


def by_hand_after_a_fell_silent(*lots: int) -> Owing:
    """A was covered and has been silent for a minute; B has followed what is published by hand."""
    driver = Owing()
    driver.idle()
    driver.heard()
    driver.later(F)
    for one in lots:
        driver(HandPublished(one))
        driver(driver.answer())
        driver.execute()
    return driver


@pytest.mark.parametrize("undoes", [HandPublished(-100), HandCleared()])
def test_what_is_left_of_a_fill_by_hand_is_b_s_own(undoes: Any) -> None:
    """After its opposite no fill of A is open, so it is nobody's turn but B's; it goes on.

    What B owes then is as old as the last trade of A, for which A's turn was long ago.
    """
    driver = by_hand_after_a_fell_silent(100)
    order = only(driver(undoes), SendHedge).order
    assert (order.side.sign, order.lots) == (1, 100)
    driver(driver.answer(REFUSED))
    for past_s in range(0, 300, 10):
        driver.later(10 * SECOND)
        assert tries(driver(Tick())), past_s
        driver(driver.answer(REFUSED))
        assert driver.state.debt is None
    driver.later(30 * SECOND)
    driver(Tick())
    driver(driver.answer())
    driver.execute()
    assert (driver.net, driver.state.hand_only) == (0, False)


def test_a_fill_of_a_beside_what_was_published_by_hand_is_a_debt_again() -> None:
    """From its own time on: first it is B's turn, then A's."""
    driver = by_hand_after_a_fell_silent(100)
    driver(HandPublished(-100))
    driver(driver.answer(REFUSED))
    driver(driver.says(50))
    assert driver.state.debt is not None
    assert not driver.yields
    driver.later(F - LEAD)
    driver(Tick())
    assert driver.yields


def test_a_fill_by_hand_and_back_hides_no_debt_for_a_fill() -> None:
    """That one was open before: A may have acted on it, whatever a person publishes beside it."""
    driver = Owing().refused()
    driver.at(F)
    assert driver.yields
    driver(HandPublished(7), HandPublished(-7))
    assert driver.yields


def test_with_its_lease_b_forgets_whose_debt_it_was() -> None:
    """The other B judges what was left like any other position."""
    driver = by_hand_after_a_fell_silent(100)
    driver(HandPublished(-100))
    assert driver.state.hand_only
    driver(LeaseChanged(held=False))
    assert not driver.state.hand_only


def test_a_debt_that_is_over_is_forgotten() -> None:
    """The next one begins with B's turn."""
    driver = Owing().refused()
    driver.at(F)
    driver(driver.says(0))
    assert driver.state.debt is None
    driver.later(F)
    assert tries(driver(driver.says(50)))


def test_a_view_that_only_the_exchange_stated_takes_the_time_that_a_states() -> None:
    """It has no instance: there is no seq that A's heartbeat could be older than."""
    driver = Owing().refused()
    known = driver.state.a
    assert known is not None
    driver.state = replace(driver.state, a=replace(known, instance=""))
    driver.heard(raised_ms=driver.began_ms + 7)
    assert driver.state.debt is not None
    assert driver.state.debt.raised_ms == driver.began_ms + 7
