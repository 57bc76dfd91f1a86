"""The clocks of an uncovered fill: what starts them, what ends them, what A does when they end."""

import pytest

from hedge.core.maker.closing import BShown, LookAtB
from hedge.core.maker.rules import why_stays
from hedge.core.maker.state import (
    Cancel,
    FlattenRequested,
    HaltPair,
    HaltSeen,
    Note,
    Place,
    RedisChanged,
    Stopped,
    StopRequested,
    StreamsChanged,
    Tick,
)
from hedge.core.records import OrderStatus
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
    details = [one.detail for one in looked if isinstance(one, (Note, HaltPair))]
    assert [words for words in details if "has not covered a fill" in words] == []
    assert any(f"changed from outside (halt {reason})" in words for words in details)


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


# --- while Redis does not let A speak -------------------------------------------------------------

FULL = "our own state is not written to Redis: Redis refuses: OOM"


def untold(net: int = 0, **settings: object) -> Maker:
    """A whose fill B cannot be told of: Redis takes no writes, and still shows a ready B."""
    driver = covered(**settings)
    driver(driver.fill(net - 100))
    driver(RedisChanged(up=False, why=FULL), driver.peer(None, ready=True, alive=True))
    return driver


def said(driver: Maker) -> list[Note]:
    """Return all notes so far."""
    return [effect for effect in driver.effects if isinstance(effect, Note)]


def waited(driver: Maker, seconds: int, *, stated: int | None = None) -> list[object]:
    """Let time pass; the exchange answers what it is asked of B, None: it does not."""
    effects = []
    for _ in range(seconds):
        driver.later(SECOND)
        new = driver(Tick())
        effects += new
        for look in (one for one in new if isinstance(one, LookAtB)):
            effects += driver(BShown(look.seq, stated, driver.now.now_ms))
    return effects


@pytest.mark.parametrize("b_holds", [None, 0])
def test_no_clock_blames_b_for_what_a_could_not_publish(b_holds: int | None) -> None:
    """Redis reads and refuses writes while both are flat: A holds for minutes, and says why."""
    driver = untold(net=0)
    effects = waited(driver, 200, stated=b_holds)
    assert HaltPair not in kinds(effects)
    assert Place not in kinds(effects)
    loud = [note for note in said(driver) if note.loud]
    assert {note.event for note in loud} <= {"fill_not_settled", "holding"}
    assert any(FULL in note.detail for note in loud if note.event == "fill_not_settled")
    assert not any("B has not" in note.detail for note in said(driver))


def test_what_rests_is_cancelled_with_the_true_reason() -> None:
    """Nobody could tell B of its fill."""
    driver = Maker().working()
    effects = driver(RedisChanged(up=False, why=FULL))
    assert Cancel in kinds(effects)
    assert FULL in [note.detail for note in said(driver) if note.event == "cancel"]


def test_a_b_that_is_ready_in_an_old_heartbeat_is_not_traded_against() -> None:
    """What is read goes on saying ready; A may not speak, so it places nothing."""
    driver = covered()
    driver.facts(room=True)
    driver(RedisChanged(up=False, why=FULL), driver.peer(driver.ledger(), ready=True, alive=True))
    assert Place not in kinds(waited(driver, 5))


def test_what_the_exchange_shows_to_be_unhedged_is_reduced_all_the_same() -> None:
    """B's watch was deaf too: after the time-out A reduces, and says what kept it silent."""
    driver = untold(net=60)
    effects = waited(driver, 59, stated=0)
    assert HaltPair not in kinds(effects)
    effects = waited(driver, 25, stated=0)
    halt = only(effects, HaltPair)
    assert halt.reason == "force_close_timeout"
    assert "B has not" not in halt.detail
    assert FULL in halt.detail
    assert "states B's position as 0.0000" in halt.detail
    order = only(effects, Place).order
    assert (order.lots, order.reduce_only) == (60, True)


def test_an_exchange_that_does_not_answer_is_no_proof() -> None:
    """What cannot be read is not acted on."""
    driver = untold(net=60)
    assert not {HaltPair, Place} & set(kinds(waited(driver, 120)))


def test_where_nobody_is_asked_a_waits() -> None:
    """Without the watch nothing is known of B, so nothing is said of it."""
    driver = untold(net=60, peer_watch=False)
    assert not {HaltPair, Place, LookAtB} & set(kinds(waited(driver, 300)))


def test_the_time_without_redis_does_not_count() -> None:
    """Once B can be told again it has the whole of its time."""
    driver = untold(net=60)
    waited(driver, 50)
    driver(RedisChanged(up=True))
    driver(driver.peer(None, ready=True, alive=True))
    assert HaltPair not in kinds(waited(driver, 59))
    assert only(waited(driver, 2), HaltPair).reason == "force_close_timeout"


def test_a_redis_that_comes_and_goes_does_not_stop_the_clock() -> None:
    """The time in which B was told counts, however it is cut up."""
    driver = covered()
    driver(driver.fill(-40))
    driver(driver.peer(None, ready=True, alive=True))
    halted = []
    for _ in range(20):
        halted += waited(driver, 4)
        driver(RedisChanged(up=False, why=FULL))
        halted += waited(driver, 4)
        driver(RedisChanged(up=True))
    assert only(halted, HaltPair).reason == "force_close_timeout"


def test_what_redis_keeps_from_a_is_said_as_such() -> None:
    """B's old word has run out, and A's fill is open: not known, and the reason is Redis."""
    driver = Maker().awaiting(100)
    driver(driver.row(OrderStatus.FILLED, 100), RedisChanged(up=False, why=FULL))
    until_ms = driver.now.now_ms + 8000
    driver(driver.peer(None, ready=True, alive=True, fresh_until_ms=until_ms))
    driver.later(8001)
    driver(StopRequested())
    assert driver.state.peer.reasons == (f"not known: {FULL}",)
    why = why_stays(driver.state)
    assert FULL in why
    assert "B has not covered" not in why
