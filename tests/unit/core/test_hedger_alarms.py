"""Whatever keeps B from hedging is said by the rule that refuses it, and that A is away is said."""

import ast
import inspect
from dataclasses import replace
from typing import Any

import pytest

from hedge.core.freshness import FRESH_MS, HEARD_MS
from hedge.core.hedger import rules
from hedge.core.hedger.alarms import AWAY_MS, away_text, unseen_text
from hedge.core.hedger.departure import MakerSeen, MakerStated
from hedge.core.hedger.rules import answerable, hold_of, target_known
from hedge.core.hedger.state import (
    BaselineRead,
    Failure,
    HandPublished,
    Note,
    Phase,
    SendHedge,
    Tick,
)
from hedge.core.hedger.watch import PeerAnswered, PeerTraded, Recent
from tests.unit.core.kit import A_EPOCH, Hedger, kinds, trade

EACH: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("no_lease", {"phase": Phase.STANDBY}, {}),
    ("book_not_proven", {"phase": Phase.RECONCILING}, {}),
    ("halted", {"phase": Phase.HALTED, "halt_reason": "drift"}, {}),
    ("stopping", {"phase": Phase.STOPPING}, {}),
    ("a_unknown", {"a_fresh": False}, {}),
    ("streams_down", {"streams_up": False}, {}),
    ("clock", {}, {"clock_ahead_ms": 900_000}),
    ("no_market_data", {}, {"mark_ticks": None}),
    ("mismatch", {"mismatch": "offset in lots: side b has 1, side a has 0"}, {}),
    ("market_closed", {}, {"market_status": "inactive"}),
    ("no_price", {}, {"bid_ticks": None}),
    ("retry_pause", {"retry_at_ms": 10**9}, {}),
    ("retry_pause", {"retry_at_ms": 10**9, "failure": Failure("margin", "x")}, {}),
    ("merging", {"last_sent_ms": 999}, {"crowded": True}),
]


def owing() -> Hedger:
    """B owes 100 lots and would send at its next look."""
    driver = Hedger().idle()
    driver.state = replace(driver.state, net_lots=100)
    driver.net = 100
    return driver


@pytest.mark.parametrize(("word", "state", "facts"), EACH, ids=lambda value: str(value)[:40])
def test_each_condition_has_its_word(
    word: str, state: dict[str, Any], facts: dict[str, Any]
) -> None:
    """One thing is in the way of a B that owes: it sends nothing, and names it."""
    driver = owing()
    assert hold_of(driver.state, driver.now) is None
    assert kinds(driver(Tick())) == [SendHedge]
    driver = owing()
    driver.state = replace(driver.state, **state)
    driver.facts(**facts)
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert (hold.reason, bool(hold.detail)) == (word, True)
    assert SendHedge not in kinds(driver(Tick()))


def test_the_table_above_leaves_no_word_out() -> None:
    """Each `Hold` of the module has its row."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(rules)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Hold"
    ]
    assert {ast.literal_eval(one.args[0]) for one in calls} == {word for word, _, _ in EACH}


def test_a_b_that_owes_nothing_or_has_sent_holds_nothing() -> None:
    """Nothing is refused there."""
    for driver in (Hedger().idle(), Hedger().sending(), Hedger().settling(), Hedger().unknown()):
        assert hold_of(driver.state, driver.now) is None


# --- A is away -------------------------------------------------------------------------------


def said(driver: Hedger, event: str) -> list[Note]:
    return [one for one in driver.effects if isinstance(one, Note) and one.event == event]


def wait(driver: Hedger, seconds: int) -> None:
    for _ in range(seconds):
        driver.later(1000)
        driver(Tick())


def heard(driver: Hedger, **changes: Any) -> None:
    """A beats once more, and is fresh for this very moment only."""
    beat = driver.beat(fresh_until_ms=driver.now.now_ms, **changes)
    driver(MakerSeen(beat, beat.epoch))


@pytest.mark.parametrize("net", [0, -100])
def test_an_a_that_is_away_is_said_while_b_holds_anything(net: int) -> None:
    """10 s after it was heard last; then at growing distances; and that it is back."""
    driver = Hedger().idle(net)
    heard(driver)
    wait(driver, 9)
    assert said(driver, "a_away") == []
    assert not away_text(driver.state, driver.now.now_ms)
    wait(driver, 1)
    text = away_text(driver.state, driver.now.now_ms)
    assert bool(text) == bool(net)
    assert [(one.detail, one.loud) for one in said(driver, "a_away")] == (
        [(text, True)] if net else []
    )
    wait(driver, 50)
    assert len(said(driver, "a_away")) == (1 if net else 0)
    heard(driver)
    assert driver.state.a_away is None
    assert [one.detail for one in said(driver, "a_back")] == (
        ["A was away for 60 s"] if net else []
    )


def test_a_b_that_stood_still_does_not_miss_an_a_that_was_there_all_the_time() -> None:
    """It wakes after 40 s with a view of then, and reads A's newest beat a second later."""
    driver = watching()
    driver.later(40_000)
    driver(Tick())
    assert unseen(driver)
    assert not away_text(driver.state, driver.now.now_ms)
    wait(driver, 1)
    heard(driver)
    wait(driver, 1)
    words = ("a_away", "a_back", "a_unseen", "a_seen")
    assert [said(driver, word) for word in words] == [[], [], [], []]


def test_an_order_of_a_that_may_fill_is_open_too() -> None:
    """As its last heartbeat named it."""
    driver = Hedger().idle()
    heard(driver, orders=1)
    wait(driver, 10)
    [note] = said(driver, "a_away")
    assert "A had 1 order(s) in the book or without a clear answer" in note.detail


def test_an_a_that_was_never_there_is_missed_from_the_start_on() -> None:
    """B came up with a position: A is not there to publish what it does."""
    driver = Hedger().reconciling().proven(100)
    driver.later(AWAY_MS - 1)
    driver(Tick())
    assert said(driver, "a_away") == []
    driver.later(1)
    driver(Tick())
    [note] = said(driver, "a_away")
    assert "B holds 0.0100 ETH" in note.detail


def test_an_a_that_left_is_not_missed() -> None:
    """Its last word was that nothing of it can happen any more."""
    driver = Hedger().idle(-100).a_left()
    driver.facts(now_ms=2 * 10**9)
    wait(driver, 20)
    assert said(driver, "a_away") == []


def test_what_was_published_by_hand_needs_no_a() -> None:
    """The documented way to test B alone."""
    driver = Hedger().reconciling().proven()
    driver(HandPublished(100))
    driver(driver.answer())
    driver.execute()
    assert driver.state.net_lots == -100
    wait(driver, 20)
    assert said(driver, "a_away") == []


def test_a_standby_misses_nobody() -> None:
    """What is open is the leader's business."""
    driver = Hedger()
    wait(driver, 20)
    assert driver.state.a_away is None


# --- B cannot see what A holds ---------------------------------------------------------------


def watching(net: int = -100) -> Hedger:
    """B watches an A that was heard a moment ago, and then no more."""
    driver = Hedger(peer_watch=True)
    driver.reconciling().proven(net)
    driver.a_lots = -net
    driver(BaselineRead(driver.target(), named=True))
    driver.a_stamp += 1
    driver(driver.says(-net, seq=driver.a_seq), page(driver, reaches=True))
    assert target_known(driver.state)
    heard(driver)
    return driver


def page(driver: Hedger, *, reaches: bool) -> PeerAnswered:
    """Return a page of the market's newest trades without a leg of A."""
    newest = max(driver.last_id, 10**6)
    answer = Recent((), 1 if reaches else newest - 99, newest)
    return PeerAnswered(answer, asked_ms=driver.now.now_ms)


def stated(driver: Hedger, lots: int) -> MakerStated:
    return MakerStated(lots, 0, driver.now.now_ms, 10**6)


def unseen(driver: Hedger) -> str:
    return unseen_text(driver.state, driver.now.now_ms)


def test_a_page_that_reaches_back_shows_a() -> None:
    """Nothing of A is in it: what B knows is all there is, for 25 s."""
    driver = watching()
    driver.later(9000)
    driver(page(driver, reaches=True))
    assert unseen(driver) == ""
    driver.later(25_001)
    driver(Tick())
    assert "has not shown its position for 25 s" in unseen(driver)
    assert said(driver, "a_unseen") == []  # it may be B that stood still
    wait(driver, 2)
    [note] = said(driver, "a_unseen")
    assert (note.loud, note.detail) == (True, unseen(driver))
    driver(page(driver, reaches=True))
    assert [one.event for one in said(driver, "a_seen")] == ["a_seen"]
    assert driver.state.unseen is None


def test_a_page_that_does_not_reach_back_shows_nothing() -> None:
    """A busy market: said after 2 s, until the exchange's own statement agrees."""
    driver = watching()
    driver.later(20_000)
    driver(page(driver, reaches=False))
    assert "do not reach back" in unseen(driver)
    wait(driver, 2)
    assert len(said(driver, "a_unseen")) == 1
    wait(driver, 30)
    assert len(said(driver, "a_unseen")) == 1
    wait(driver, 31)
    assert len(said(driver, "a_unseen")) == 2
    driver(stated(driver, driver.a_lots))
    assert unseen(driver) == ""


def test_public_trades_that_a_living_a_contradicts_are_said() -> None:
    """After 10 s, where no answer has decided: B does not know what A holds."""
    driver = watching()
    view = driver.a_lots
    driver(PeerTraded((trade(2**31, 50, view),)))
    assert unseen(driver) == ""
    for _ in range(10):
        heard(driver)
        driver.later(1000)
    heard(driver)
    assert "A states a position of 0.0100, public trades show 0.0150" in unseen(driver)
    wait(driver, 2)
    driver(driver.says(view + 50))
    heard(driver)
    assert unseen(driver) == ""


def test_a_statement_that_differs_is_said_until_it_is_adopted() -> None:
    """A traded what B has not seen: reads that stay equal become the view, and are hedged."""
    driver = watching()
    driver.later(20_000)
    driver(page(driver, reaches=False), stated(driver, driver.a_lots + 50))
    assert "states another position of it than B knows (0.0150)" in unseen(driver)
    driver.later(15_000)
    driver(stated(driver, driver.a_lots + 50))
    assert unseen(driver) == ""
    assert driver.state.phase is Phase.SENDING


def test_an_a_that_is_heard_or_left_or_was_never_there_is_not_unseen() -> None:
    """It states its own position; or nothing of it can happen; or nothing was expected."""
    driver = watching()
    driver.later(60_000)
    assert unseen(driver)
    for other in (watching(), watching().a_left(), Hedger(peer_watch=True), Hedger().idle()):
        assert unseen(other) == ""
    without = watching()
    without.state = replace(without.state, config=replace(without.state.config, peer_watch=False))
    without.later(60_000)
    assert unseen(without) == ""


# --- what shows A ---------------------------------------------------------------------------------


def test_nothing_is_said_of_an_a_that_nothing_shows() -> None:
    """It died, and its order may have filled: eight seconds later B answers nothing."""
    driver = Hedger().idle()
    driver(MakerSeen(driver.beat(fresh_until_ms=driver.now.now_ms + 8000), "epoch"))
    assert answerable(driver.state) is not None
    driver.later(8000)
    driver(Tick())
    assert answerable(driver.state) is not None
    driver.later(1)
    driver(Tick())
    assert answerable(driver.state) is None
    driver(MakerSeen(driver.beat(shown=False), "epoch"))
    assert answerable(driver.state) is None
    driver(MakerSeen(driver.beat(), "epoch"))
    assert answerable(driver.state) is not None


def test_a_beat_that_names_a_newer_state_shows_nothing_of_the_one_that_b_knows() -> None:
    """A was cut off from Redis while it was filled: its first beat comes before its state."""
    driver = Hedger().idle()
    driver(MakerSeen(driver.beat(seq=driver.a_seq + 1, position_lots=0), "epoch"))
    assert answerable(driver.state) is None
    driver(driver.says(driver.a_lots, seq=driver.a_seq + 1))
    assert answerable(driver.state) is not None


@pytest.mark.parametrize("seq", [0, None])
def test_a_beat_of_before_the_state_that_b_knows_shows_it(seq: int | None) -> None:
    """A fill is heard at once, and the beats come once a second; or A states nothing."""
    driver = Hedger().idle()
    driver(MakerSeen(driver.beat(seq=seq), "epoch"))
    assert answerable(driver.state) is not None


def test_a_s_last_word_and_the_exchange_show_it_too() -> None:
    """The one stands in this run, the other for 25 s."""
    driver = Hedger().idle().a_left()
    driver.later(10**9)
    driver(Tick())
    assert driver.state.a_shown
    driver = Hedger().idle()
    driver.later(60_000)
    driver(MakerStated(driver.a_lots, 0, driver.now.now_ms))
    assert driver.state.a_shown
    driver.later(25_001)
    driver(Tick())
    assert not driver.state.a_shown


def test_what_the_exchange_said_before_a_fell_silent_shows_nothing_of_it() -> None:
    """A fill of the moment in which it died is in no answer of before, nor in a late one after."""
    driver = Hedger().idle()
    driver.later(60_000)
    driver(MakerStated(driver.a_lots, 0, driver.now.now_ms))
    driver.later(1000)
    beat = driver.beat(fresh_until_ms=driver.now.now_ms + HEARD_MS)
    driver(MakerSeen(beat, "epoch"))
    driver.later(HEARD_MS + 1)
    driver(MakerSeen(None, "epoch"), Tick())
    assert not driver.state.a_shown
    driver.later(driver.state.config.view_lag_ms - HEARD_MS - 1)
    driver(MakerStated(driver.a_lots, 0, driver.now.now_ms), page(driver, reaches=True))
    assert not driver.state.a_shown, "it may lag so long"
    driver.later(1)
    driver(page(driver, reaches=True))
    assert driver.state.a_shown


@pytest.mark.parametrize(
    ("beat", "shows"),
    [
        ({}, True),
        ({"orders": 1}, False),  # it may have been filled since
        ({"proven": False}, False),
        ({"is_open": True}, False),
        ({"fresh_until_ms": 0}, False),  # A is dead: it may have placed another order
    ],
)
def test_a_page_shows_a_deaf_a_of_which_nothing_can_fill(
    beat: dict[str, Any], *, shows: bool
) -> None:
    """Its book is proven by answers and nothing rests: both sides may be deaf, and are covered."""
    driver = Hedger().idle()
    until_ms = driver.now.now_ms + FRESH_MS
    driver(MakerSeen(driver.beat(fresh_until_ms=until_ms), "epoch"))
    driver.later(1000)
    deaf = driver.beat(**{"shown": False, "fresh_until_ms": until_ms, **beat})
    driver(MakerSeen(deaf, "epoch"), page(driver, reaches=True), Tick())
    assert driver.state.a_shown is shows


def test_an_answer_that_came_late_shows_what_was_when_it_was_asked_for() -> None:
    """The page hung on its way: it is as old as its question."""
    driver = Hedger().idle()
    driver(MakerSeen(driver.beat(fresh_until_ms=driver.now.now_ms + FRESH_MS), "epoch"))
    driver.later(driver.state.config.view_lag_ms)
    late = page(driver, reaches=True)
    driver.later(5000)
    driver(late)
    assert not driver.state.a_shown


def gapped(**beat: Any) -> Hedger:
    """A was heard a moment ago; then a public frame tells of a trade that does not add up."""
    driver = Hedger(peer_watch=True)
    driver.reconciling().proven()
    driver(BaselineRead(driver.target(), named=True))
    driver.a_stamp += 1
    driver(driver.says(0, seq=driver.a_seq), page(driver, reaches=True))
    driver(MakerSeen(driver.beat(fresh_until_ms=driver.now.now_ms + FRESH_MS, **beat), A_EPOCH))
    assert answerable(driver.state) is not None
    driver.later(500)
    driver(PeerTraded((trade(driver.a_seq + 9, -100, 107),)))
    return driver


@pytest.mark.parametrize("beat", [{}, {"left": True}], ids=["lives", "left"])
def test_a_public_trade_that_does_not_add_up_is_no_zero(beat: dict[str, Any]) -> None:
    """What A said before it was heard covers nothing: A may have traded it, and not be heard since.

    A's own word stands again once it was written after that.
    """
    driver = gapped(**beat)
    assert answerable(driver.state) is None
    driver(MakerSeen(driver.beat(fresh_until_ms=driver.now.now_ms + FRESH_MS - 1, **beat), A_EPOCH))
    assert answerable(driver.state) is None
    driver(MakerSeen(driver.beat(fresh_until_ms=driver.now.now_ms + FRESH_MS, **beat), A_EPOCH))
    assert answerable(driver.state) is not None
    driver(PeerTraded((trade(driver.a_seq + 10, 50, 107),)))
    assert answerable(driver.state) is not None, "the very same moment"
    driver.later(1)
    driver(PeerTraded((trade(driver.a_seq + 11, 50, 107),)))
    assert answerable(driver.state) is None, "another trade, and nothing of A since"


def test_a_page_that_does_not_explain_the_trade_shows_nothing_of_a() -> None:
    """It may just be late. What explains the trade, or denies it twice, ends the doubt."""
    driver = gapped()
    driver(MakerSeen(None, A_EPOCH))
    driver.later(10_000)
    driver(page(driver, reaches=True))
    assert answerable(driver.state) is None
    assert not driver.state.a_shown
    driver(driver.says(-100, last_trade_id=driver.a_seq + 9))
    driver(MakerSeen(driver.beat(fresh_until_ms=driver.now.now_ms + FRESH_MS), A_EPOCH))
    assert driver.state.a_shown
    assert driver.state.gap is None
