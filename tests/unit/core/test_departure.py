"""Who may leave and when: B last, and both by evidence only."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.amounts import Side
from hedge.core.hedger import step as hedger
from hedge.core.hedger.departure import LeaderSeen, MakerSeen, MakerStated
from hedge.core.hedger.state import BaselineRead, HaltPair, HaltSeen, HandPublished, SendHedge
from hedge.core.hedger.state import Stopped as HedgerStopped
from hedge.core.hedger.state import StopRequested as StopOfB
from hedge.core.hedger.state import Tick as TickOfB
from hedge.core.hedger.watch import PeerAnswered, PeerTraded, Recent, Stand
from hedge.core.maker.closing import BShown, LookAtB
from hedge.core.maker.state import PeerSeen, Phase, Stopped, StopRequested, Tick
from tests.unit.core.kit import Hedger, Maker, kinds, only, trade

LAG_MS, FRESH_MS, LIFE_MS = 15_000, 8_000, 330_000


# --- B ----------------------------------------------------------------------------------------


def stopping(net: int = -100) -> Hedger:
    """B covers A's 100 and was asked to stop; A has said nothing since."""
    driver = Hedger().idle(net)
    driver(StopOfB())
    return driver


def seen(driver: Hedger, **changes: Any) -> MakerSeen:
    beat = driver.beat(**changes)
    return MakerSeen(beat, beat.epoch)


def ended(driver: Hedger, *events: Any) -> bool | None:
    """Return whether B ended neutral after these events, None while it stays."""
    found = [effect for effect in driver(*events) if isinstance(effect, HedgerStopped)]
    return found[0].neutral if found else None


def test_b_leaves_once_a_answers_that_and_has_no_order() -> None:
    """A has heard that B leaves, so it places nothing more; and nothing of it rests."""
    driver = stopping()
    assert ended(driver, seen(driver, answers_leaving=True)) is True


@pytest.mark.parametrize(
    "changes",
    [
        {},  # written before A read that B leaves
        {"answers_leaving": True, "orders": 1},
        {"answers_leaving": True, "orders": 1, "unanswered": 1},
        {"answers_leaving": True, "proven": False},  # a start that has not fenced yet
        {"answers_leaving": True, "position_lots": 130},  # B does not know of that yet
        {"answers_leaving": True, "position_lots": None},
        {"answers_leaving": True, "fresh_until_ms": 0},
    ],
)
def test_b_stays_while_something_of_a_may_fill(changes: dict[str, Any]) -> None:
    """Covered is not enough: the order that rests could fill into nobody."""
    driver = stopping()
    assert ended(driver, seen(driver, **changes)) is None


def test_a_s_last_word_stands_until_a_newer_start_of_a_is_read() -> None:
    """It stands also when it is fresh no more; a new epoch of A takes it back, counted or not."""
    driver = Hedger().idle(-100).a_left()
    driver.later(60_000)
    assert ended(driver, StopOfB()) is True
    driver = Hedger().idle(-100).a_left()
    driver(MakerSeen(None, "c" * 16))
    assert ended(driver, StopOfB()) is None


def test_a_last_word_that_b_does_not_cover_keeps_b() -> None:
    """What A states as it leaves is what B must hold."""
    driver = Hedger().idle(-100).a_left(130)
    assert ended(driver, StopOfB()) is None


def stated(driver: Hedger, lots: int = 100, orders: int | None = 0) -> MakerStated:
    return MakerStated(lots, orders, driver.now.now_ms)


def silent(wait_ms: int) -> Hedger:
    """A was heard last when B took the lease, so many ms ago."""
    driver = stopping()
    driver.state = replace(driver.state, stop_by_ms=10**9)
    driver.state = replace(
        driver.state, maker=replace(driver.state.maker, silent_ms=driver.now.now_ms)
    )
    driver.later(wait_ms)
    return driver


def test_a_silent_a_without_orders_lets_b_go_after_two_looks() -> None:
    """Not before A's last word could have been acted upon, and twice as far apart as views lag."""
    driver = silent(FRESH_MS + LAG_MS)
    assert ended(driver, stated(driver)) is None
    driver.later(LAG_MS - 1)
    assert ended(driver, stated(driver)) is None
    driver.later(1)
    assert ended(driver, stated(driver)) is True


@pytest.mark.parametrize(
    ("lots", "orders"), [(100, 1), (100, None), (130, 0)], ids=["rests", "not told", "not covered"]
)
def test_a_look_that_shows_something_open_keeps_b(lots: int, orders: int | None) -> None:
    """An order, an answer that does not tell, or another position."""
    driver = silent(FRESH_MS + LAG_MS)
    for _ in range(4):
        assert ended(driver, stated(driver, lots, orders)) is None
        driver.later(LAG_MS)


def test_too_early_a_look_counts_for_nothing() -> None:
    """What A sent just before it fell silent may not be listed yet."""
    driver = silent(FRESH_MS + LAG_MS - 1)
    assert ended(driver, stated(driver)) is None
    driver.later(LAG_MS)
    assert ended(driver, stated(driver)) is None


def test_an_order_without_an_answer_outlasts_the_looks() -> None:
    """Its fate was open when A fell silent: only the end of its life says that it cannot fill."""
    driver = stopping()
    driver.state = replace(driver.state, stop_by_ms=10**9)
    began = driver.now.now_ms
    driver(seen(driver, orders=1, unanswered=1, fresh_until_ms=began + FRESH_MS))
    for at_ms in range(FRESH_MS + LAG_MS, 2 * LAG_MS + FRESH_MS + LIFE_MS, LAG_MS):
        driver.later(began + at_ms - driver.now.now_ms)
        assert ended(driver, stated(driver)) is None, at_ms
    driver.later(LAG_MS)
    assert ended(driver, stated(driver)) is True


def test_a_beat_of_a_begins_the_silence_anew() -> None:
    """Whoever is heard is asked nothing behind its back."""
    driver = silent(FRESH_MS + LAG_MS)
    driver(stated(driver))
    driver(seen(driver, fresh_until_ms=driver.now.now_ms + FRESH_MS))
    driver.later(LAG_MS)
    assert ended(driver, stated(driver)) is None


def test_b_that_has_not_heard_the_exchange_does_not_say_neutral() -> None:
    """Cut off from the exchange it knows neither its own trades nor A's."""
    driver = Hedger().idle(-100).a_left()
    driver(TickOfB(own_shown=False))
    assert ended(driver, StopOfB()) is None
    driver.later(60_000)
    assert ended(driver, TickOfB(own_shown=False)) is False
    assert "left_open" in driver.notes(loud=True)


def test_an_amount_by_hand_is_named_and_not_neutral() -> None:
    """B moved by a person's word alone does not cancel out with anything."""
    driver = Hedger().reconciling().proven(0)
    driver(BaselineRead(None), HandPublished(-50))
    driver(driver.answer())
    driver.execute()
    assert ended(driver, StopOfB()) is False


def test_after_eight_seconds_b_says_once_what_it_waits_for() -> None:
    """A person at the terminal sees why the stop takes long."""
    driver = stopping()
    driver(seen(driver, orders=1))
    for _ in range(20):
        driver.later(1000)
        driver(TickOfB())
    assert driver.notes(loud=True).count("stop_waits") == 1


def test_a_halted_b_waits_no_longer_than_it_takes_to_say_so() -> None:
    """It trades nothing, so no waiting changes what it owes."""
    driver = Hedger().idle(-100)
    driver(HaltSeen("drift"), StopOfB())
    driver.later(FRESH_MS)
    assert ended(driver, TickOfB()) is False


# --- A ----------------------------------------------------------------------------------------


def covered_a() -> Maker:
    """A holds 100, which B covers."""
    driver = Maker().started().proven(100)
    driver.facts(room=False)
    driver.cover()
    return driver


def without_b(driver: Maker) -> Maker:
    """B is silent from now on."""
    driver(PeerSeen(replace(driver.state.peer, ready=False, alive=False, ledger=None)))
    return driver


def a_ended(driver: Maker, *events: Any) -> bool | None:
    found = [effect for effect in driver(*events) if isinstance(effect, Stopped)]
    return found[0].neutral if found else None


def test_a_leaves_on_b_s_fresh_ledger() -> None:
    """B answers A's newest state with nothing owed, and nothing rests."""
    assert a_ended(covered_a(), StopRequested()) is True


def test_a_leaves_on_b_s_last_word_of_the_same_state() -> None:
    """B left while it covered exactly this position."""
    driver = covered_a()
    peer = replace(driver.state.peer, ready=False, ledger=None, left_covering_lots=100)
    driver(PeerSeen(peer))
    without_b(driver)
    assert a_ended(driver, StopRequested()) is True
    driver = covered_a()
    driver(PeerSeen(replace(peer, left_covering_lots=0)))
    without_b(driver)
    assert a_ended(driver, StopRequested()) is None


@pytest.mark.parametrize(("shown", "neutral"), [(-100, True), (0, None), (None, None)])
def test_a_without_b_asks_the_exchange_what_b_holds(shown: int | None, neutral: bool) -> None:
    """Only once REST cannot lag behind A's newest trade any more, and only two equal answers."""
    driver = without_b(covered_a())
    assert LookAtB not in kinds(driver(StopRequested()))
    driver.later(LAG_MS)
    look = only(driver(Tick()), LookAtB)
    assert a_ended(driver, BShown(look.seq, shown, driver.now.now_ms)) is None
    driver.later(LAG_MS // 3)
    look = only(driver(Tick()), LookAtB)
    assert a_ended(driver, BShown(look.seq, shown, driver.now.now_ms)) is neutral


def test_a_that_has_not_heard_the_exchange_does_not_leave() -> None:
    """Its own order may have filled without a word."""
    driver = covered_a()
    driver(Tick(own_shown=False))
    assert a_ended(driver, StopRequested()) is None


def test_a_asked_before_its_first_fence_passes_it_first() -> None:
    """An order of its former life may rest."""
    driver = Maker().started()
    driver(driver.peer(None, ready=True))
    assert a_ended(driver, StopRequested()) is None
    driver.proven(0)
    assert driver.state.phase is Phase.STOPPING
    driver.cover()
    assert Stopped in kinds(driver.effects)


def test_after_eight_seconds_a_says_once_what_it_waits_for() -> None:
    """B is silent, and the exchange is not asked in vain either."""
    driver = without_b(covered_a())
    driver(StopRequested())
    for _ in range(20):
        driver.later(1000)
        driver(Tick())
    assert driver.notes(loud=True).count("stop_waits") == 1


def test_what_b_said_is_dropped_when_it_is_fresh_no_more() -> None:
    """It is asked at every use: a ready B of nine seconds ago lets nothing be placed."""
    driver = covered_a()
    until_ms = driver.now.now_ms + FRESH_MS
    ledger = driver.state.peer.ledger
    assert ledger is not None
    fresh = replace(ledger, fresh_until_ms=until_ms)
    driver(PeerSeen(replace(driver.state.peer, ledger=fresh, fresh_until_ms=until_ms)))
    driver.later(FRESH_MS)
    driver(Tick())
    assert driver.state.peer.ready
    driver.later(1)
    driver(Tick())
    assert (driver.state.peer.ready, driver.state.peer.alive) == (False, False)
    assert driver.state.peer.ledger is None


# --- B's view of a silent A -------------------------------------------------------------------


def restarted(net: int = 0) -> Hedger:
    """B has proven its book again; nothing of A is known to be current."""
    driver = Hedger(peer_watch=True).reconciling().proven(net)
    driver(BaselineRead(None))
    driver.later(LAG_MS)
    return driver


def test_two_equal_statements_of_the_exchange_are_the_view_of_a_silent_a() -> None:
    """A filled and died, B restarted, and the market's newest trades do not reach back."""
    driver = restarted()
    driver(stated(driver))
    assert hedger.owed_lots(driver.state) is None
    driver.later(LAG_MS // 3)
    order = only(driver(stated(driver)), SendHedge).order
    assert (order.side, order.lots) == (Side.SELL, 100)


@pytest.mark.parametrize(
    ("pause_ms", "second"), [(LAG_MS // 3 - 1, 100), (LAG_MS // 3, 130)], ids=["one", "unequal"]
)
def test_one_statement_is_not_two(pause_ms: int, second: int) -> None:
    """Two answers within one lag may come from one stale copy; two different ones prove nothing."""
    driver = restarted()
    driver(stated(driver))
    driver.later(pause_ms)
    assert driver(stated(driver, second)) == []
    assert hedger.owed_lots(driver.state) is None


def test_statements_right_after_b_s_own_trade_count_for_nothing() -> None:
    """They may be older than what B has hedged already."""
    driver = Hedger(peer_watch=True).reconciling().proven(-100)
    driver(BaselineRead(None))
    for _ in range(2):
        driver(stated(driver, 0))
        driver.later(LAG_MS // 3)
    assert hedger.owed_lots(driver.state) is None


def test_what_a_stated_gives_way_to_statements_that_stay_equal() -> None:
    """A trade that no stream carried and no page reaches back to, of an A that is gone."""
    driver = Hedger().idle()
    driver.later(LAG_MS)
    assert driver(stated(driver)) == []
    assert driver.notes(loud=True) == ["views_differ"]
    driver.later(LAG_MS)
    assert only(driver(stated(driver)), SendHedge).order.lots == 100


def test_trades_that_b_saw_do_not_give_way() -> None:
    """Both stand against each other; after a minute B trades neither way and says both numbers."""
    driver = Hedger().idle()
    driver(PeerTraded((trade(50, 100, before=0),)))
    driver(driver.answer())
    driver.execute()
    driver.later(LAG_MS)
    for _ in range(4):
        assert driver(stated(driver, 0)) == []
        driver.later(LAG_MS)
    assert only(driver(stated(driver, 0)), HaltPair).reason == "views_differ"


def test_an_adopted_position_is_not_taken_back_by_a_deaf_a() -> None:
    """A comes back, restates what it knew, and proves its book only later."""
    driver = restarted()
    for _ in range(2):
        driver(MakerStated(100, 0, driver.now.now_ms, newest_trade_id=90))
        driver.later(LAG_MS // 3)
    driver(driver.answer())
    driver.execute()
    assert driver(driver.says(0, last_trade_id=80)) == []
    assert hedger.owed_lots(driver.state) == 0
    driver(driver.says(100, last_trade_id=85))
    assert hedger.answerable(driver.state) is not None


def test_a_live_a_is_answered_though_others_traded_after_its_last_trade() -> None:
    """B took A's position from a public answer, which bears the newest id of the whole market."""
    driver = restarted()
    driver(PeerAnswered(Recent((), 1, 90), (Stand(0, 50),), driver.now.now_ms))
    assert hedger.owed_lots(driver.state) == 0
    driver(driver.says(0, last_trade_id=7))
    assert hedger.answerable(driver.state) is not None


def test_a_stated_position_beyond_the_limit_halts() -> None:
    """What the pair may not hold is not adopted either."""
    driver = Hedger(peer_watch=True, max_position_lots=50).reconciling().proven(0)
    driver(BaselineRead(None))
    driver.later(LAG_MS)
    driver(stated(driver))
    driver.later(LAG_MS // 3)
    assert only(driver(stated(driver)), HaltPair).reason == "position_limit"


def test_a_trade_of_a_that_it_has_not_stated_keeps_the_lead() -> None:
    """A's word is older than what B has seen of A itself, though the positions are one again."""
    driver = Hedger().idle()
    driver(PeerTraded((trade(50, 100, before=0), trade(51, -100, before=100))))
    driver(driver.says(0, last_trade_id=7))
    assert hedger.answerable(driver.state) is None


def test_a_last_word_without_a_position_lets_nobody_go() -> None:
    """What A holds is not known."""
    driver = Hedger().idle(-100)
    beat = driver.beat(left=True, position_lots=None)
    driver(MakerSeen(beat, beat.epoch))
    assert ended(driver, StopOfB()) is None


def test_the_same_heartbeat_of_a_leader_counts_once() -> None:
    """Redis is read more often than the leader writes."""
    driver = Hedger()
    driver(StopOfB(), *[LeaderSeen("c" * 16, 1)] * 5)
    assert driver.state.leader_beats == 0


def test_a_last_word_is_repeated_and_stands() -> None:
    """A repeats it until B answers; a key that died afterwards takes nothing back."""
    driver = Hedger().idle(-100).a_left().a_left()
    driver(MakerSeen(None, None))
    assert ended(driver, StopOfB()) is True


@pytest.mark.parametrize("own_shown", [True, False])
def test_an_a_whose_ping_has_no_answer_does_not_leave(own_shown: bool) -> None:
    """It was liquidated in that silence, said that it was covered, and nobody looked any more."""
    driver = covered_a()
    driver(Tick(own_shown=own_shown, answering=False))
    assert a_ended(driver, StopRequested()) is None
    assert a_ended(driver, Tick()) is True
