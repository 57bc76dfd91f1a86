"""The clocks of an uncovered fill: what starts them, what ends them, what A does when they end."""

import pytest

from hedge.core.maker.closing import LookAtB
from hedge.core.maker.state import (
    Cancel,
    FlattenRequested,
    HaltPair,
    HaltSeen,
    Place,
    RedisChanged,
    Stopped,
    StopRequested,
    StreamsChanged,
    Tick,
)
from tests.unit.core.kit import Maker, kinds, only, refused

SECOND = 1000


def covered(**settings: object) -> Maker:
    """A long A whose B has answered."""
    driver = Maker(**settings).started().proven(100)
    driver.facts(room=False)
    driver.cover()
    assert driver.state.uncovered_ms is None
    return driver


@pytest.mark.parametrize("reason", ["liquidation_on_b", "foreign_trade_on_b"])
def test_a_looks_at_b_where_its_position_was_changed_from_outside(reason: str) -> None:
    """B answers nothing after such a halt; what covered A yesterday may be gone."""
    driver = covered()
    driver(HaltSeen(reason))
    driver(driver.peer(None, ready=False, alive=True))
    looked = []
    for _ in range(70):
        driver.later(SECOND)
        looked += driver(Tick())
    assert LookAtB in kinds(looked)


@pytest.mark.parametrize("reason", ["max_retries_exceeded", "drift", "book_not_proven"])
def test_another_halt_of_a_covered_pair_starts_no_clock(reason: str) -> None:
    """Nothing says that B's position has changed; of a drift nobody knows whose book is wrong."""
    driver = covered()
    driver(HaltSeen(reason))
    driver(driver.peer(None, ready=False, alive=False))
    for _ in range(70):
        driver.later(SECOND)
        assert kinds(driver(Tick())) == []


@pytest.mark.parametrize("redis_up", [True, False])
def test_a_fence_makes_nothing_uncovered(redis_up: bool) -> None:
    """What B has answered stays answered while A's position is the same, however long B is away."""
    driver = covered()
    driver(driver.peer(None, ready=False, alive=False) if redis_up else RedisChanged(up=False))
    driver(StreamsChanged(up=False), StreamsChanged(up=True))
    driver.proven(100)
    driver.later(60 * SECOND)
    assert HaltPair not in kinds(driver(Tick(), Tick()))


def test_a_fence_that_finds_another_position_starts_the_clock() -> None:
    """What B has answered was another state."""
    driver = covered()
    driver(driver.peer(None, ready=False, alive=False))
    driver(StreamsChanged(up=False), StreamsChanged(up=True))
    driver.last_id += 1
    driver.proven(60)
    driver.later(30 * SECOND)
    driver(Tick())
    assert driver.notes(loud=True) == ["hedge_confirm_timeout", "b_away"]


def test_covering_ends_the_clocks_while_a_remainder_rests() -> None:
    """With `keep` the order lives on; its first fill is covered all the same."""
    driver = Maker(
        keep_remainder=True, order_timeout_ms=300 * SECOND, confirm_timeout_ms=120 * SECOND
    ).working()
    driver(driver.fill(30))
    driver.cover()
    driver.later(60 * SECOND)
    effects = driver(Tick(), Tick())
    assert driver.notes(loud=True) == []
    assert not {Cancel, HaltPair} & set(kinds(effects))


def test_the_next_fill_of_a_remainder_has_its_own_clock() -> None:
    """The clock is that of the oldest fill that is not covered."""
    driver = Maker(keep_remainder=True).working()
    driver(driver.fill(30))
    driver.cover()
    driver.later(29 * SECOND)
    driver(driver.fill(30))
    driver.later(2 * SECOND)
    driver(Tick())
    assert driver.notes(loud=True) == []


def test_a_debt_that_was_paid_at_once_halts_nothing_later() -> None:
    """It was heard while an order rested, and the order lives longer than the time-out."""
    driver = Maker(order_timeout_ms=300 * SECOND).working()
    driver.cover(-5)
    driver.cover(0)
    driver.later(60 * SECOND)
    assert HaltPair not in kinds(driver(Tick(), Tick()))


def test_dust_that_cannot_be_closed_is_left_and_said() -> None:
    """The venue refuses so little; asking on would spend the requests that a fence needs."""
    driver = Maker().ready(net=3)
    effects, sent = driver(FlattenRequested()), 0
    for _ in range(60):
        effects += driver(Tick())
        if Place in kinds(effects):
            sent += 1
            driver(driver.answer(refused(21706, "invalid order base or quote amount")))
        effects = []
        driver.later(SECOND)
    assert sent == 1
    assert "dust_left" in driver.notes(loud=True)


def test_a_stop_is_neutral_only_where_b_has_answered_that_position() -> None:
    """Flat is not neutral: B may hold what an earlier process left behind."""
    driver = Maker().started()
    driver(StopRequested())
    driver.proven(0)
    driver.later(60_000)
    assert only(driver(Tick()), Stopped).neutral is False
    assert only(covered()(StopRequested(), Tick()), Stopped).neutral is True


def test_a_stop_waits_for_the_answer_of_a_b_that_works() -> None:
    """A that stops right after its start leaves no state behind that B never answers."""
    driver = Maker().started()
    driver(driver.peer(None, ready=True))
    driver.proven(0)
    assert Stopped not in kinds(driver(StopRequested(), Tick()))
    assert only(driver.cover(), Stopped).neutral is True
