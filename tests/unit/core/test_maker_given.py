"""What the exchange refuses B for good A reduces at once, and by exactly that."""

from dataclasses import replace

import pytest

from hedge.core.maker.closing import Closing
from hedge.core.maker.quoting import hold_of, why_not_now
from hedge.core.maker.state import HaltSeen, Place, StreamsChanged, Tick
from hedge.core.records import OrderStatus
from tests.unit.core.kit import SPEC, Maker, kinds, only


def filled() -> Maker:
    """A holds 100 that B has tried to hedge; B's halt is in force."""
    driver = Maker().awaiting(100)
    driver(driver.row(OrderStatus.FILLED, 100), HaltSeen("not_enough_margin"))
    return driver


def test_a_reduces_at_once_by_what_b_gives() -> None:
    """Seconds after the fill, not a minute; never more than what B has not hedged."""
    driver = filled()
    driver.later(2_000)
    order = only(driver.cover(-47, gives=True), Place).order
    assert (order.lots, order.reduce_only, order.unwinds) == (47, True, True)
    assert "given" in driver.notes(loud=True)
    assert driver.state.closing is Closing.UNHEDGED


@pytest.mark.parametrize(
    "changes",
    [{"gives": False}, {"gives": True, "yields": False}, {"gives": True, "inflight": True}],
    ids=["not given", "not yielded", "in flight"],
)
def test_what_b_still_works_on_is_left_to_b(changes: dict[str, bool]) -> None:
    """Only a ledger that gives it, with nothing in flight, is B's leave."""
    driver = filled()
    driver.later(2_000)
    assert driver.cover(-47, **changes) == []
    assert driver.state.closing is None


def test_a_waits_for_the_halt() -> None:
    """Until it is in force A's own order may rest, and be filled."""
    driver = Maker().awaiting(100)
    driver(driver.row(OrderStatus.FILLED, 100))
    assert Place not in kinds(driver.cover(-47, gives=True))
    assert only(driver(HaltSeen("not_enough_margin")), Place).order.lots == 47


def test_what_is_given_with_another_position_is_not_taken() -> None:
    """The ledger answers an older state of A."""
    driver = filled()
    assert driver(driver.peer(driver.ledger(-47, gives=True, a_seq=driver.state.seq - 1))) == []
    assert driver(driver.peer(driver.ledger(-47, gives=True), alive=False)) == []


def test_what_a_cannot_reduce_goes_back() -> None:
    """A holds nothing of it: it says so, and B goes on."""
    driver = filled()
    driver.cover(47, gives=True)
    assert driver.state.nored
    driver.later(1_000)
    assert driver(Tick()) == []


def test_what_the_exchange_refuses_our_stream_for_is_said() -> None:
    """A restricted region is no lost connection: the reason names it."""
    driver = Maker().ready()
    driver(StreamsChanged(up=False))
    driver.facts(stream_why="Lighter refuses the WebSocket with HTTP 451")
    hold = why_not_now(driver.state, driver.now)
    assert hold is not None
    assert hold.detail == "own streams are down: Lighter refuses the WebSocket with HTTP 451"


@pytest.mark.parametrize("left", [None, 19, 20, 1000])
def test_the_last_of_the_quota_is_kept_for_closing(left: int | None) -> None:
    """A opens nothing below the reserve, closes with it, and says why."""
    driver = Maker().ready()
    driver.facts(room=True, quota_left=left)
    hold = hold_of(driver.state, driver.now)
    assert (hold is not None and hold.reason == "quota_low") is (left == 19)
    driver = Maker().ready(100)
    driver.facts(room=True, quota_left=left)
    assert hold_of(driver.state, driver.now) is None


LIMITED = replace(SPEC, order_quote_limit_micros=30_020_000)


def test_a_quantity_above_the_quote_limit_is_a_hold_with_both_numbers() -> None:
    """It is said at once, and A goes on where the limit is raised."""
    driver = Maker(quantity_lots=101).ready()
    driver.facts(room=True, spec=LIMITED)
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "above_quote_limit"
    assert "30.29899 USDC at 2999.90; the exchange takes none above 30.02 USDC" in hold.detail
    assert driver(Tick()) == []
    assert "holding" in driver.notes(loud=True)
    driver.facts(spec=SPEC)
    assert kinds(driver(Tick())) == [Place]


def test_a_position_above_the_quote_limit_is_closed_in_parts() -> None:
    """What rests is as much as one order may be worth."""
    driver = Maker().ready(250)
    driver.facts(room=True, spec=LIMITED)
    assert only(driver(Tick()), Place).order.lots == 100


def test_what_is_given_is_reduced_in_parts() -> None:
    """A reduction is bound by the limit of one order too."""
    driver = filled()
    driver.facts(spec=LIMITED)
    assert only(driver.cover(-100, gives=True), Place).order.lots == 95


@pytest.mark.parametrize(
    ("ahead_s", "net", "word"),
    [
        (60, 0, ""),
        (61, 0, "61 s behind Lighter's"),
        (-900, 0, "900 s ahead of Lighter's"),
        (480, 100, ""),
        (500, 100, "has run out before it arrives"),
    ],
)
def test_a_clock_that_is_off_is_named(ahead_s: int, net: int, word: str) -> None:
    """Beyond a minute A opens nothing and says so at once; what can be signed is closed."""
    driver = Maker().ready(net)
    driver.facts(room=True, clock_ahead_ms=ahead_s * 1000)
    hold = hold_of(driver.state, driver.now)
    assert (hold.reason if hold is not None else "") == ("clock" if word else "")
    if hold is not None:
        assert word in hold.detail
        driver(Tick())
        assert "holding" in driver.notes(loud=True)


def test_a_clock_ahead_by_which_nothing_is_taken() -> None:
    """The exchange refuses what we sign as too far ahead: nothing is sent, and the clock named."""
    driver = Maker().started()
    driver.facts(clock_ahead_ms=-900_000, signs_too_early=True)
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "clock"
    assert "900 s ahead of Lighter's" in hold.detail
    assert "further ahead than it takes" in hold.detail
    driver.facts(clock_ahead_ms=0, signs_too_early=True)
    assert not driver.now.cannot_sign, "the clock has been set right"


def test_the_clock_is_named_before_the_book_is_proven() -> None:
    """A fence that can sign nothing is no book that is being proven."""
    driver = Maker().started()
    driver.facts(clock_ahead_ms=900_000)
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "clock"


def test_one_that_runs_to_leave_alone_reduces_nothing() -> None:
    """It trades nothing, as its help says, whatever is given to it and however old the debt is."""
    driver = filled()
    driver.state = replace(driver.state, config=replace(driver.state.config, reduces=False))
    driver.later(2_000)
    assert Place not in kinds(driver.cover(-47, gives=True))
    driver.later(10 * driver.state.config.force_close_ms)
    assert Place not in kinds(driver.cover(-47))
    assert driver.state.closing is None
