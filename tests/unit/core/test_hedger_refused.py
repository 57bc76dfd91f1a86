"""A refusal that stays: B hedges what it still can, and leaves the rest to A at once."""

from dataclasses import replace

import pytest

from hedge.core.hedger.departure import MakerSeen, MakerStated
from hedge.core.hedger.rules import (
    gives_lots,
    hedge_cap_ticks,
    hold_of,
    is_covered,
    sendable_lots,
)
from hedge.core.hedger.state import (
    CloseRequested,
    Fence,
    Phase,
    PublishFailure,
    Report,
    SendHedge,
    StreamsChanged,
    Tick,
)
from hedge.core.holds import Hold
from hedge.core.records import OrderStatus
from hedge.core.transitions import NO_BOOK
from tests.unit.core.kit import SPEC, Hedger, kinds, only, refused

NO_MARGIN = refused(21739, "not enough margin to create the order")


def drained(room: int | None = 53, lots: int = 100, **settings: object) -> Hedger:
    """Give a B whose order is out, with margin for `room` lots."""
    driver = Hedger(**settings).sending(lots)
    driver.facts(room_lots=room)
    beat = driver.beat()
    driver(MakerSeen(beat, beat.epoch))
    return driver


def test_b_hedges_what_its_margin_allows_and_says_the_rest_at_once() -> None:
    """One failure message names what stays naked; the part is sent in the same step."""
    driver = drained()
    done = driver(driver.answer(NO_MARGIN))
    assert kinds(done) == [PublishFailure, SendHedge]
    said = only(done, PublishFailure)
    assert (said.failure.reason, said.owed_lots, said.rest_lots) == ("not_enough_margin", -100, -49)
    assert only(done, SendHedge).order.lots == 51
    driver(driver.answer())
    assert kinds(driver.execute()) == [Report]
    assert driver.state.failure is not None
    assert gives_lots(driver.state) == -49
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "yields"
    driver.later(40_000)
    beat = driver.beat(raised_ms=1000)
    assert driver(MakerSeen(beat, beat.epoch), Tick()) == []


def test_a_refusal_for_good_of_what_is_owed_no_more_leaves_nothing_naked() -> None:
    """A took its fill back while the order was out: the failure names no rest."""
    driver = drained(room=None)
    driver(driver.answer())
    driver(driver.row(OrderStatus.CANCELED_MARGIN), driver.says(0))
    driver.facts(room_lots=53)
    said = only(driver.fence(), PublishFailure)
    assert (said.owed_lots, said.rest_lots) == (0, None)


def test_a_cancel_for_margin_is_the_same() -> None:
    """The sequencer cancelled it: the fence proves that nothing executed, then the part goes."""
    driver = drained(room=None)
    driver(driver.answer())
    assert kinds(driver(driver.row(OrderStatus.CANCELED_MARGIN))) == [Fence]
    driver.facts(room_lots=53)
    assert kinds(driver.fence()) == [PublishFailure, SendHedge]
    assert driver.order.lots == 51


def test_a_market_that_only_reduces_is_final_at_once() -> None:
    """No wider cap opens it: the first refusal is the message, all of it is A's, and once."""
    driver = drained()
    driver(driver.answer())
    assert kinds(driver(driver.row(OrderStatus.CANCELED_POSITION))) == [Fence]
    done = driver.fence()
    said = only(done, PublishFailure)
    assert (said.failure.reason, said.rest_lots) == ("market_reduce_only", -100)
    assert "canceled_position_not_allowed" in said.failure.detail
    assert kinds(done) == [PublishFailure], "room is no help"
    assert gives_lots(driver.state) == -100
    driver.later(20_000)
    beat = driver.beat(raised_ms=1000)
    assert driver(MakerSeen(beat, beat.epoch), Tick()) == []


def test_a_market_that_only_reduces_takes_the_rest_of_a_part() -> None:
    """It was closed to openings while the order executed: what is left is final too."""
    driver = drained()
    driver(driver.answer(), driver.trade(-40))
    assert kinds(driver(driver.row(OrderStatus.CANCELED_POSITION, 40))) == [Report, SendHedge]
    driver(driver.answer(), driver.row(OrderStatus.CANCELED_POSITION))
    assert only(driver.fence(60), PublishFailure).rest_lots == -60


def test_a_part_that_is_refused_too_is_halved_and_then_left() -> None:
    """The exchange counts otherwise than we do: half, and half again, as often as is configured."""
    driver, sent = drained(), [100]
    while driver.state.inflight is not None:
        done = driver(driver.answer(NO_MARGIN))
        sent += [effect.order.lots for effect in done if isinstance(effect, SendHedge)]
    assert sent == [100, 51, 25]
    assert driver.state.phase is Phase.FAILED
    assert gives_lots(driver.state) == -100


@pytest.mark.parametrize("room", [None, 0])
def test_without_room_all_is_left_to_a(room: int | None) -> None:
    """Nothing more is sent, and nothing waits for a time-out."""
    driver = drained(room=room)
    said = only(driver(driver.answer(NO_MARGIN)), PublishFailure)
    assert said.rest_lots == -100
    assert gives_lots(driver.state) == -100


@pytest.mark.parametrize("code", [21109, 21136, 62007])
def test_a_refused_key_leaves_all_to_a(code: int) -> None:
    """Room is no help without a key, with an old SDK, or with a key that may only post."""
    driver = drained()
    done = driver(driver.answer(refused(code, "no")))
    assert only(done, PublishFailure).rest_lots == -100
    assert kinds(done) == [PublishFailure]
    assert driver(driver.says(0)) == []
    assert driver.state.failure is not None
    driver.later(5_000)
    assert kinds(driver(Tick())) == [Fence]
    assert driver.state.phase is Phase.RECONCILING
    assert driver.state.failure is not None, "not ready until a fence has passed"
    driver.fence()
    assert driver.state.failure is None


def test_a_part_that_finds_no_liquidity_is_left_to_a() -> None:
    """What is not refused for good is no reason to keep A waiting either."""
    driver = drained()
    driver(driver.answer(NO_MARGIN))
    driver(driver.answer(refused()))
    assert gives_lots(driver.state) == -100
    driver.later(60_000)
    beat = driver.beat(raised_ms=1000)
    assert driver(MakerSeen(beat, beat.epoch)) == []


def test_b_goes_on_where_a_cannot_reduce() -> None:
    """It tries what its margin allows by then, with pauses."""
    driver = drained(room=0)
    driver(driver.answer(NO_MARGIN))
    driver.facts(room_lots=40)
    driver.later(5_000)
    beat = driver.beat(raised_ms=1000, nored=True)
    assert only(driver(MakerSeen(beat, beat.epoch)), SendHedge).order.lots == 39


def test_a_further_fill_is_b_s_again() -> None:
    """What A states later raises the debt: B tries all of it."""
    driver = drained(room=0)
    driver(driver.answer(NO_MARGIN))
    driver.later(30_000)
    assert only(driver(driver.says(150)), SendHedge).order.lots == 150
    assert gives_lots(driver.state) is None


def test_covered_by_a_s_reduction_it_is_over() -> None:
    """A took the rest: nothing is owed, and the failure is forgotten."""
    driver = drained()
    driver(driver.answer(NO_MARGIN), driver.answer())
    driver.execute()
    driver(driver.says(51))
    assert driver.state.failure is None
    assert gives_lots(driver.state) is None


def test_a_silent_a_may_have_acted_on_the_last_word() -> None:
    """B goes on once A can have read it no more, and the exchange has shown what A holds since."""
    driver = Hedger(view_lag_ms=100).sending()
    driver.facts(room_lots=0)
    beat = driver.beat(fresh_until_ms=driver.now.now_ms + 8000)
    driver(MakerSeen(beat, beat.epoch), driver.answer(NO_MARGIN))
    driver.later(25_000)
    assert driver(Tick()) == []
    assert kinds(driver(MakerStated(100, 0, driver.now.now_ms))) == [SendHedge]


def test_a_position_that_a_person_closes_is_no_debt_of_a() -> None:
    """B tries on alone: there is nothing that A could reduce."""
    driver = Hedger().idle(-100)
    driver(CloseRequested(alone=True))
    driver(driver.answer(NO_MARGIN))
    assert gives_lots(driver.state) is None
    driver.later(5_000)
    assert kinds(driver(Tick())) == [SendHedge]


def test_with_a_gone_b_goes_on_alone() -> None:
    """An A that has left reduces nothing any more."""
    driver = Hedger().failed()
    driver.a_left()
    driver.later(5_000)
    assert kinds(driver(Tick())) == [SendHedge]


def test_what_the_exchange_refuses_our_stream_for_is_said() -> None:
    """A restricted region is no lost connection: the reason names it."""
    driver = Hedger().idle()
    driver(StreamsChanged(up=False), driver.says(100))
    assert hold_of(driver.state, driver.now) == Hold("streams_down", "own streams are down")
    driver.facts(stream_why="Lighter refuses the WebSocket with HTTP 451")
    said = "own streams are down: Lighter refuses the WebSocket with HTTP 451"
    assert hold_of(driver.state, driver.now) == Hold("streams_down", said)


@pytest.mark.parametrize(
    ("code", "text", "word"),
    [
        (23000, "Too Many Requests! volume quota is used up", "quota_used_up"),
        (21501, "invalid tx info: expired", "clock_off"),
        (21605, "market is not active", "market_refused"),
    ],
)
def test_what_no_price_cures_is_no_attempt(code: int, text: str, word: str) -> None:
    """One transaction in 15 s is free: B asks for it at the same cap, and nothing halts.

    Nor by a clock that is behind, or a market that is closed, until it is known to be.
    """
    driver = Hedger().sending()
    used_up = refused(code, text)
    for _ in range(6):
        assert driver(driver.answer(used_up)) == []
        assert driver.state.failure is not None
        driver.later(2_499)
        assert driver(Tick()) == []
        driver.later(1)
        assert only(driver(Tick()), SendHedge).order.attempt == 1
    assert driver.notes(loud=True).count(word) == 1
    driver(driver.answer())
    driver.execute()
    assert driver.state.failure is None


# --- the exchange's limit of one order -----------------------------------------------------------

LIMITED = replace(SPEC, order_quote_limit_micros=30_020_000)


def test_a_debt_above_the_quote_limit_goes_in_parts() -> None:
    """Each part is settled before the next, and at its cap none is worth too much (48)."""
    driver = Hedger().idle()
    driver.facts(spec=LIMITED)
    sent, done = [], driver(driver.says(250))
    while driver.state.inflight is not None:
        order = only(done, SendHedge).order
        sent.append(order.lots)
        cap = hedge_cap_ticks(driver.state, order.side, driver.now)
        assert cap is not None
        assert LIMITED.quote_micros(order.lots, cap) <= LIMITED.order_quote_limit_micros
        driver(driver.answer())
        done = driver.execute()
    assert sent == [100, 100, 50]
    assert is_covered(driver.state)


def test_a_limit_below_one_lot_lets_the_exchange_refuse() -> None:
    """Nothing smaller can be sent; without any price nothing bounds."""
    driver = Hedger().idle()
    driver.facts(spec=replace(SPEC, order_quote_limit_micros=1))
    assert only(driver(driver.says(100)), SendHedge).order.lots == 1
    driver.facts(book=NO_BOOK)
    assert sendable_lots(driver.state, driver.now) == 100


def test_a_clock_ahead_by_which_nothing_is_taken() -> None:
    """Refused as too far ahead B sends nothing, and goes on by itself once that is over."""
    driver = Hedger().idle()
    driver.facts(clock_ahead_ms=-900_000, signs_too_early=True)
    assert driver(driver.says(100)) == []
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "clock"
    driver.facts(clock_ahead_ms=-900_000, signs_too_early=False)
    assert kinds(driver(Tick())) == [SendHedge]


@pytest.mark.parametrize(("ahead_s", "holds"), [(-900, False), (480, False), (500, True)])
def test_a_clock_by_which_nothing_can_be_signed(ahead_s: int, holds: bool) -> None:
    """Eight minutes behind B hedges; beyond that it says why it cannot, and sends nothing."""
    driver = Hedger().idle()
    driver.facts(clock_ahead_ms=ahead_s * 1000)
    assert (kinds(driver(driver.says(100))) == []) is holds
    hold = hold_of(driver.state, driver.now)
    [(word, text)] = driver.now.clock_notice
    assert (word, f"{abs(ahead_s)} s" in text) == ("clock", True)
    if holds:
        assert hold is not None
        assert (hold.reason, hold.detail) == (word, text)
        assert "500 s behind Lighter's" in hold.detail
        driver.facts(clock_ahead_ms=0)
        assert driver.now.clock_notice == ()
        assert kinds(driver(Tick())) == [SendHedge]
