"""Whatever keeps A from its next order is said by the very rule that refuses it."""

import ast
import inspect
from dataclasses import replace
from typing import Any

import pytest

from hedge.core.holds import CHANGED_MS, LONGEST_MS, Lasting
from hedge.core.maker import quoting
from hedge.core.maker.alarms import AWAY_MS, IDLE_MS, away_text
from hedge.core.maker.quoting import hold_of
from hedge.core.maker.repeats import LONGEST_MS as LONGEST_PAUSE_MS
from hedge.core.maker.repeats import URGENT_MS
from hedge.core.maker.state import (
    MakerConfig,
    Note,
    Peer,
    Pending,
    Phase,
    Place,
    RedisChanged,
    Repeats,
    StopRequested,
    StreamsChanged,
    Tick,
)
from hedge.core.records import Depth, OrderStatus
from tests.unit.core.kit import ASK, BID, MARK, SPEC, Maker, book_at, kinds, refused

WIDE = MakerConfig(SPEC, "a" * 12, 100, max_slippage_bps=1000)
ENDED_AT_ONCE = OrderStatus.CANCELED_POSITION

EACH: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("halted", {"phase": Phase.HALTED, "halt_reason": "drift"}, {}),
    ("stopping", {"phase": Phase.STOPPING}, {}),
    ("stopping", {"stop_by_ms": 10**9}, {}),
    ("no_lease", {"leading": False}, {}),
    ("book_not_proven", {"nonce": None}, {}),
    ("book_not_proven", {"pending": Pending.FENCE}, {}),
    ("exchange_silent", {"answering": False}, {}),
    ("streams_down", {"streams_up": False}, {}),
    ("redis_down", {"redis_up": False}, {}),
    ("book_contradicts", {"consistent": False}, {}),
    ("position_unjudged", {"adopted": False, "net_lots": 20}, {"mark_ticks": None}),
    ("b_not_ready", {"peer": Peer(ready=False)}, {}),
    ("not_covered", {"phase": Phase.AWAITING_HEDGE, "seq": 99}, {}),
    ("not_covered", {"seq": 99}, {}),
    ("refused_lately", {"retry_at_ms": 10**9}, {}),
    ("refused_again", {"retry_at_ms": 10**9, "repeats": Repeats("1", "1 no", 3)}, {}),
    ("no_room", {}, {"room": False}),
    ("key_shared", {}, {"shared_key": "another program signs"}),
    ("market_closed", {}, {"market_status": "inactive"}),
    ("no_market_data", {}, {"bid_ticks": None}),
    ("no_market_data", {}, {"ask_ticks": None}),
    ("below_minimum", {}, {"bid_ticks": BID // 4}),
    ("book_stale", {}, {"book": Depth(mark_ticks=MARK, doubt="no frame for 5 s")}),
    ("thin_book", {}, {"book": book_at(BID, ASK, MARK, lots=99)}),
    ("hedge_too_dear", {}, {"book": book_at(BID * 98 // 100, ASK, MARK)}),
    ("off_mark", {}, {"book": book_at(BID, ASK, MARK * 98 // 100)}),
    ("off_mark", {"config": WIDE}, {"book": book_at(BID, ASK, MARK * 104 // 100)}),
    ("no_mark_price", {}, {"book": book_at(BID, ASK, None)}),
]


@pytest.mark.parametrize(("word", "state", "facts"), EACH, ids=lambda value: str(value)[:40])
def test_each_condition_has_its_word(
    word: str, state: dict[str, Any], facts: dict[str, Any]
) -> None:
    """One thing is in the way of an A that would place: it places nothing, and names it."""
    driver = Maker().ready()
    driver.facts(room=True)
    assert hold_of(driver.state, driver.now) is None
    driver.state = replace(driver.state, **state)
    driver.facts(**facts)
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == word
    assert hold.detail
    assert Place not in kinds(driver(Tick(answering=driver.state.answering)))


def test_the_table_above_leaves_no_word_out() -> None:
    """Each `Hold` in the module has its row, here or beside its numbers in the other tests."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(quoting)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Hold"
    ]
    words = {ast.literal_eval(call.args[0]) for call in calls}
    elsewhere = {"leaving", "no_margin_of_b", "position_limit", "quota_low", "state_not_written"}
    elsewhere |= {"above_quote_limit", "clock"}
    # in test_maker_holds.py and test_maker_given.py
    assert words == {word for word, _, _ in EACH} | elsewhere


def test_an_a_without_a_reason_places() -> None:
    """The twin of the table: no hold, so the next look places, in whatever order the rest ends."""
    for word, state, facts in EACH:
        driver = Maker().ready()
        driver.facts(room=True)
        before, now = driver.state, driver.now
        driver.state = replace(before, **state)
        driver.facts(**facts)
        assert hold_of(driver.state, driver.now) is not None, word
        driver.state, driver.now = before, now
        assert kinds(driver(Tick())) == [Place], word


# --- again and again -------------------------------------------------------------------------


def pauses(driver: Maker, ends: list[OrderStatus | int]) -> list[int]:
    """Let each order end so at once, or be refused; return the pause after each, in ms."""
    found = []
    for end in ends:
        assert driver.state.phase is Phase.PLACING
        if isinstance(end, int):
            driver(driver.answer(refused(end, "no such luck")))
        else:
            driver(driver.answer(), driver.row(end))
        waited = 0
        while driver.state.order is None:
            waited += 250
            driver.later(250)
            driver(Tick())
        found.append(waited)
    return found


def test_the_same_end_again_and_again_is_tried_at_growing_distances() -> None:
    """1, 2, 4 … 60 s; said at the third; in the hold from then on, until one rests."""
    driver = Maker().placing()
    assert pauses(driver, [ENDED_AT_ONCE] * 8) == [
        1000 * seconds for seconds in (1, 2, 4, 8, 16, 32, 60, 60)
    ]
    assert driver.notes(loud=True).count("refused_again") == 1
    assert LONGEST_PAUSE_MS == 60_000
    driver(driver.answer(), driver.row(ENDED_AT_ONCE))
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "refused_again"
    assert "canceled-position-not-allowed, 9 times; the next try in 60 s" in hold.detail


def test_the_same_refusal_too() -> None:
    """By its code, whatever the words."""
    driver = Maker().placing()
    assert pauses(driver, [21702, 21702, 21702, 21702]) == [1000, 2000, 4000, 8000]
    assert "refused_again" in driver.notes(loud=True)


def test_another_end_begins_anew() -> None:
    """Post-only beside a moving market is no series; two in a row are."""
    driver = Maker().placing()
    post_only = OrderStatus.CANCELED_POST_ONLY
    ends: list[OrderStatus | int] = [post_only, post_only, ENDED_AT_ONCE, post_only, 21702]
    assert pauses(driver, ends) == [1000, 2000, 1000, 1000, 1000]
    assert "refused_again" not in driver.notes()


def test_a_cancelled_order_ends_the_series() -> None:
    """It rested: the exchange takes A's orders again."""
    driver = Maker().placing()
    pauses(driver, [ENDED_AT_ONCE, ENDED_AT_ONCE])
    driver(driver.answer(), driver.row(OrderStatus.OPEN))
    driver.later(30_000)
    driver(Tick())
    driver(driver.answer(pending=Pending.CANCEL), driver.row(OrderStatus.CANCELED))
    assert driver.state.repeats is None
    assert driver.state.phase is Phase.PLACING


def test_without_a_configured_pause_the_first_is_a_second() -> None:
    """`retry_delay_s: 0` is for B's attempts; A would send an order at every look."""
    driver = Maker(retry_delay_ms=0).placing()
    assert pauses(driver, [ENDED_AT_ONCE, ENDED_AT_ONCE]) == [1000, 2000]


def test_what_reduces_an_open_position_never_waits_longer_than_15_s() -> None:
    """The reduction after `force_close_timeout`: an open position outranks the budget."""
    driver = Maker(view_lag_ms=10**6).awaiting()  # it gives nothing back meanwhile
    driver(driver.row(OrderStatus.FILLED, 100), driver.peer(driver.ledger(-100)))
    for _ in range(2):
        driver.later(30_000)
        driver(Tick())
    assert driver.state.phase is Phase.HALTED
    waits = []
    for _ in range(7):
        driver(driver.answer(), driver.row(OrderStatus.CANCELED_SLIPPAGE))
        waited = 0
        while driver.state.order is None:
            waited += 500
            driver.later(500)
            driver(driver.peer(driver.ledger(-100)))
        waits.append(waited)
    assert waits == [1000, 2000, 4000, 8000, URGENT_MS, URGENT_MS, URGENT_MS]


# --- what lasts is said ----------------------------------------------------------------------


def said(driver: Maker, event: str) -> list[Note]:
    return [one for one in driver.effects if isinstance(one, Note) and one.event == event]


def wait(driver: Maker, seconds: int) -> None:
    for _ in range(seconds):
        driver.later(1000)
        driver(Tick())


def test_an_a_that_cannot_quote_for_a_minute_says_why() -> None:
    """WARNING once with its word, then at growing distances; and that it is over."""
    driver = Maker().ready()
    driver(driver.peer(driver.ledger(), ready=False))
    driver.facts(room=True)
    wait(driver, 59)
    assert said(driver, "holding") == []
    wait(driver, 1)
    [note] = said(driver, "holding")
    assert (note.reason, note.loud) == ("b_not_ready", True)
    assert "no order for 60 s" in note.detail
    wait(driver, 59)
    assert len(said(driver, "holding")) == 1
    wait(driver, 61 + 240)
    assert len(said(driver, "holding")) == 3
    driver.cover()
    driver(driver.answer(), driver.row(OrderStatus.OPEN))
    assert [one.detail for one in said(driver, "quoting_again")] == ["it held: b_not_ready"]
    assert driver.state.idle is None


def test_another_reason_is_said_too_but_not_in_each_second() -> None:
    """One that flickers would else fill the log."""
    driver = Maker().ready()
    wait(driver, 60)
    assert [one.reason for one in said(driver, "holding")] == ["no_room"]
    for _ in range(30):
        driver.facts(bid_ticks=None, room=True)
        wait(driver, 1)
        driver.facts(bid_ticks=BID, room=False)
        wait(driver, 1)
    words = [one.reason for one in said(driver, "holding")]
    assert 2 <= len(words) <= 2 + 60_000 // CHANGED_MS
    assert "no_market_data" in words


def test_what_the_market_brings_is_said_at_once_and_once() -> None:
    """Nothing of the pair ends it."""
    driver = Maker().ready()
    driver.facts(room=True, market_status="inactive")
    driver(Tick())
    wait(driver, 30)
    [note] = said(driver, "holding")
    assert (note.reason, note.loud) == ("market_closed", True)


def test_what_a_person_or_a_limit_asked_for_is_no_alarm() -> None:
    """INFO once: a halt has its own line, and a limit was written."""
    driver = Maker(max_position_lots=99).ready()
    driver.facts(room=True)
    wait(driver, 3600)
    [note] = said(driver, "holding")
    assert (note.reason, note.loud) == ("position_limit", False)
    assert "0.0100 ETH" in note.detail
    assert "0.0099" in note.detail


def test_orders_that_end_at_once_are_no_quotes() -> None:
    """`force_reduce_only`: a minute of them is a minute without an order in the book."""
    driver = Maker().placing()
    for _ in range(120):
        if driver.state.order is not None:
            driver(driver.answer(), driver.row(ENDED_AT_ONCE))
        wait(driver, 1)
    assert [one.reason for one in said(driver, "holding")][:1] == ["refused_again"]


def test_what_lasts_for_days_is_said_every_hour() -> None:
    """The distance grows no further."""
    lasting = Lasting(0, IDLE_MS)
    day_ms = 86_400_000
    assert lasting.said("x", day_ms).due_ms == day_ms + LONGEST_MS


# --- B is away -------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [0, 100])
def test_a_b_that_is_away_is_said_while_anything_is_open(net: int) -> None:
    """10 s with a position or an order; a flat pair without an order has nothing at risk."""
    driver = Maker().ready(net)
    driver(driver.peer(None, ready=False, alive=False))
    wait(driver, 9)
    assert said(driver, "b_away") == []
    assert not away_text(driver.state, driver.now.now_ms)
    wait(driver, 1)
    notes = said(driver, "b_away")
    assert len(notes) == (1 if net else 0)
    text = away_text(driver.state, driver.now.now_ms)
    assert bool(text) == bool(net)
    if net:
        assert notes[0].loud
        assert notes[0].detail == text
        assert "B has not been heard for 10 s; A holds 0.0100 ETH" in text
    wait(driver, 30)
    assert len(said(driver, "b_away")) == len(notes)


def test_an_order_that_may_fill_is_open_too() -> None:
    """A cancel that is not confirmed: it may have filled."""
    driver = Maker().working()
    driver(driver.peer(driver.ledger(), ready=False, alive=False))
    assert driver.state.phase is Phase.CANCELLING
    driver.later(AWAY_MS - 1)
    driver(Tick())
    assert said(driver, "b_away") == []
    driver.later(1)
    driver(Tick())
    [note] = said(driver, "b_away")
    assert "an order of A over 0.0100 ETH has not ended yet" in note.detail


def test_a_b_that_comes_back_is_said_where_its_absence_was() -> None:
    """Not after a moment's silence."""
    driver = Maker().ready(100)
    for seconds, lines in ((5, 0), (10, 1)):
        driver(driver.peer(None, ready=False, alive=False))
        wait(driver, seconds)
        driver.cover()
        assert len(said(driver, "b_back")) == lines
    assert driver.state.b_away is None


def test_a_standby_of_a_says_nothing_of_b() -> None:
    """What is open is the other process's business."""
    driver = Maker().ready(100)
    driver.state = replace(driver.state, leading=False)
    driver(driver.peer(None, ready=False, alive=False))
    wait(driver, 20)
    assert said(driver, "b_away") == []


def test_a_down_redis_or_stream_is_the_reason_of_a_minute() -> None:
    """The word is the gravest one that holds then."""
    driver = Maker().ready()
    driver(RedisChanged(up=False))
    driver.facts(room=True)
    wait(driver, 60)
    assert [one.reason for one in said(driver, "holding")] == ["redis_down"]
    driver(StreamsChanged(up=False))
    wait(driver, 60)
    assert [one.reason for one in said(driver, "holding")][-1] == "streams_down"
    driver(StopRequested())
    wait(driver, 30)
    assert [one.reason for one in said(driver, "holding")][-1] == "stopping"
    assert not said(driver, "holding")[-1].loud


def test_an_order_that_was_never_sent_is_not_said_to_have_been_ended() -> None:
    """The disk did not take its record: the exchange has seen nothing of it."""
    driver = Maker().placing()
    driver(driver.answer(refused(0, "its record cannot be stored: no space")))
    assert "place_not_sent" in driver.notes(loud=True)
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.detail == "A's order was not sent: its record cannot be stored: no space"
