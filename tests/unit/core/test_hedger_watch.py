"""B's own eye on A: it carries the view on, leads where A is gone, and never counts twice."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.freshness import HEARD_MS
from hedge.core.hedger.departure import MakerSeen, MakerStated
from hedge.core.hedger.state import (
    ATarget,
    BaselineRead,
    Fence,
    HaltPair,
    LeaseChanged,
    ProofNeeded,
    SendHedge,
    TargetSeen,
)
from hedge.core.hedger.step import (
    Phase,
    answerable,
    is_view_confirmed,
    is_watch_open,
    owed_lots,
    target_known,
    watch_due_ms,
)
from hedge.core.hedger.view import a_view
from hedge.core.hedger.watch import (
    ABSENT_AGAIN_MS,
    AGREES_AFTER_MS,
    PeerAnswered,
    PeerTraded,
    Recent,
    Stand,
)
from hedge.core.records import Trade
from tests.unit.core.kit import A_INSTANCE, Hedger, kinds, only, trade


def heard(driver: Hedger) -> None:
    """A beats, and says that its book is evidence."""
    beat = driver.beat()
    driver(MakerSeen(beat, beat.epoch))


def seen(*trades: Trade) -> PeerTraded:
    return PeerTraded(trades)


def a_trade(driver: Hedger, signed_lots: int, ahead: int = 1) -> Trade:
    """Return A's next trade after what it stated last."""
    return trade(driver.a_seq + ahead, signed_lots, driver.a_lots)


def answered(
    *legs: Trade, lowest: int = 1, highest: int = 99, base: Stand | None = None
) -> PeerAnswered:
    return PeerAnswered(Recent(legs, lowest, highest), (base,) if base else ())


def told_twice(driver: Hedger, event: PeerAnswered) -> list[Any]:
    """Let two answers a second apart tell the same; the first one alone moves nothing."""
    assert not any(isinstance(one, SendHedge) for one in driver(event))
    return list(driver(replace(event, asked_ms=event.asked_ms + AGREES_AFTER_MS)))


def test_a_trade_that_only_the_watch_shows_is_hedged() -> None:
    """A died before it said its fill: B sells what A bought."""
    driver = Hedger().idle()
    sent = only(driver(seen(a_trade(driver, 100))), SendHedge).order
    assert (sent.side.sign, sent.lots) == (-1, 100)
    assert owed_lots(driver.state) == -100


def test_watch_then_message_is_one_hedge() -> None:
    """The same fill by the watch and by A's message moves the target once."""
    driver = Hedger().idle()
    driver(seen(a_trade(driver, 100)))
    driver(driver.says(100))
    driver(driver.answer())
    assert driver.execute() != []
    assert driver.state.phase is Phase.IDLE
    assert owed_lots(driver.state) == 0
    assert driver.state.watched == ()


def test_message_then_watch_is_one_hedge() -> None:
    """A trade that A's newest statement contains is no news."""
    driver = Hedger().sending(100)
    late = trade(driver.a_seq, 100, 0)
    assert driver(seen(late)) == []
    assert driver.state.watched == ()


def test_a_state_that_b_knows_to_be_outdated_is_not_answered() -> None:
    """The ledger answers no state of A beyond which A has traded: A must not go on by it."""
    driver = Hedger().idle()
    heard(driver)
    assert answerable(driver.state) is driver.state.a
    driver(seen(a_trade(driver, 100)))
    assert answerable(driver.state) is None
    view = a_view(driver.state)
    assert view is not None
    assert view.position_lots == 100


def test_trades_that_do_not_add_up_leave_a_s_own_word() -> None:
    """A lost frame makes the watch unknown; an answer of the venue closes the gap."""
    driver = Hedger().idle()
    assert not is_watch_open(driver.state)
    first, second = trade(2, 50, 0), trade(3, 50, 50)
    assert driver(seen(second)) == []
    assert is_watch_open(driver.state)
    assert owed_lots(driver.state) == 0
    sent = only(driver(answered(first, second)), SendHedge).order
    assert sent.lots == 100
    assert not is_watch_open(driver.state)


def test_a_gap_does_not_take_back_what_the_watch_has_shown() -> None:
    """B hedged a watched fill; a lost frame after it must not make B buy the hedge back."""
    driver = Hedger().idle()
    driver(seen(a_trade(driver, 100)))
    driver(driver.answer())
    driver.execute()
    assert driver(seen(trade(driver.a_seq + 3, 5, 120))) == []
    assert is_watch_open(driver.state)
    assert owed_lots(driver.state) == 0


def test_a_statement_that_knows_less_than_the_watch_does_not_take_it_back() -> None:
    """A Redis that went back names an A with an older state; the venue has shown more."""
    driver = restarted()
    driver(answered(trade(30, 20, 80), lowest=25, highest=31, base=Stand(0, 3)))
    assert owed_lots(driver.state) == 0
    driver(TargetSeen(ATarget(A_INSTANCE, 2, 80, 29, 100), named=True))
    assert owed_lots(driver.state) == 0
    assert answerable(driver.state) is None
    driver(TargetSeen(ATarget(A_INSTANCE, 3, 100, 30, 100), named=True))
    assert answerable(driver.state) is None  # nothing shows that A lives
    heard(driver)
    assert answerable(driver.state) is not None


def test_the_shown_position_serves_where_trades_state_none() -> None:
    """A position frame before the trade frame is the check of a trade without statement."""
    driver = Hedger().idle()
    driver(PeerTraded((), 100))
    assert only(driver(seen(trade(2, 100, None))), SendHedge).order.lots == 100


def restarted(base: ATarget | None = None) -> Hedger:
    """B after a start whose own newest trade is 10; what Redis held of A is not fresh."""
    driver = Hedger().reconciling().proven(-100)
    driver(BaselineRead(base, named=base is not None))
    return driver


def test_after_a_start_with_a_gone_the_venue_leads() -> None:
    """A's last word plus its public trades since: B hedges though A never comes back."""
    driver = restarted(ATarget(A_INSTANCE, 4, 100, 10, 100))
    first = answered(trade(11, 50, 100), highest=12)
    driver(first, replace(first, asked_ms=AGREES_AFTER_MS - 1))  # of the same moment, as good as
    effects = told_twice(driver, replace(first, asked_ms=0))
    assert only(effects, SendHedge).order.lots == 50
    assert "watch_leads" in driver.notes(loud=True)


def test_what_b_holds_for_a_position_that_a_has_reduced_is_not_beyond_the_limit() -> None:
    """A person traded on A, and A then sells: B buys back, however small A's own quantity is."""
    driver = Hedger().idle()
    beat = driver.beat(quantity_lots=1)
    driver(MakerSeen(beat, beat.epoch))
    driver(driver.says(170))
    driver(driver.answer())
    driver.execute()
    assert driver.state.net_lots == -170
    sent = only(driver(driver.says(160)), SendHedge).order
    assert (sent.side.sign, sent.lots) == (1, 10)


def bound(**said: Any) -> Hedger:
    """B, restarted with a hedge of 100 as its newest trade, and a fresh statement of A."""
    driver = Hedger(peer_watch=True).reconciling().proven(-100)
    driver(BaselineRead(None), answered(lowest=90, highest=99))  # which does not reach back
    driver(deaf(driver, 990, **said))
    return driver


def deaf(driver: Hedger, stamp_s: int, **said: Any) -> TargetSeen:
    """What an A states that has not heard of the fill which B's newest trade answered."""
    key = ATarget(A_INSTANCE, 7, 0, driver.last_id - 1, stamp_s)
    return TargetSeen(replace(key, **said), named=True)


def test_after_a_start_a_state_older_than_b_s_newest_trade_moves_nothing() -> None:
    """A is deaf to the fill that this trade answered, and goes on stating its old position."""
    driver = bound()
    assert owed_lots(driver.state) is None
    assert answerable(driver.state) is None
    driver.later(HEARD_MS - 1)
    driver(deaf(driver, 999, seq=8, position_lots=30))
    assert owed_lots(driver.state) is None


@pytest.mark.parametrize(
    "said",
    [{"last_trade_id": 10**6}, {"position_lots": 100}],
    ids=["newer", "nothing owed"],
)
def test_after_a_start_a_state_counts_that_contains_b_s_newest_trade(said: dict[str, int]) -> None:
    """It names a newer trade; or it moves nothing."""
    driver = bound(**said)
    assert target_known(driver.state)
    assert owed_lots(driver.state) == (0 if "position_lots" in said else 100)


@pytest.mark.parametrize("stamp_s", [991, 300], ids=["later", "of a clock that was set back"])
def test_after_a_start_what_a_writes_when_it_must_have_heard_counts(stamp_s: int) -> None:
    """Only what it writes then: a key that it has stopped writing says nothing new."""
    driver = bound()
    driver.later(max(HEARD_MS, driver.state.config.view_lag_ms))
    driver(deaf(driver, 990))
    assert not target_known(driver.state)
    driver(deaf(driver, stamp_s))
    driver(deaf(driver, stamp_s + 1))
    assert owed_lots(driver.state) == 100


def test_after_a_start_a_s_word_waits_for_one_look_at_its_public_trades() -> None:
    """A that does not know of its fill says 0 with a fresh date; B had hedged what it watched."""
    driver = Hedger(peer_watch=True).reconciling().proven(-100)
    driver(BaselineRead(ATarget(A_INSTANCE, 1, 0, 0, 500), named=True, fresh=True))
    assert owed_lots(driver.state) is None
    driver(answered(trade(2, 100, 0), highest=driver.last_id - 1))
    assert answerable(driver.state) is None
    driver(answered(trade(2, 100, 0), highest=driver.last_id))
    assert owed_lots(driver.state) == 0


def test_an_answer_older_than_b_s_own_trade_is_not_acted_on() -> None:
    """A lagging copy of the venue, or Redis rolled back: B must not buy back its own hedge."""
    driver = restarted(ATarget(A_INSTANCE, 2, 0, 5, 100))
    assert driver(answered(highest=9)) == []
    assert owed_lots(driver.state) is None


def test_without_anything_of_a_in_redis_the_neutral_record_is_the_base() -> None:
    """Redis wiped and A dead: the host's own record of the last neutral moment serves."""
    driver = restarted()
    assert driver(answered(trade(11, 50, 100))) == []
    effects = told_twice(driver, answered(trade(11, 50, 100), base=Stand(100, 9)))
    assert only(effects, SendHedge).order.lots == 50


def test_a_record_that_answers_deny_twice_is_no_base() -> None:
    """A frame told A's third fill as trade 30, and A stated 100 in it; since then it has said 200.

    The record of that moment names the newer trade. What the exchange lists denies it.
    """
    driver = restarted(ATarget(A_INSTANCE, 6, 200, 12, 100))
    again_ms = driver.state.config.view_lag_ms + ABSENT_AGAIN_MS
    for later_ms in (0, again_ms - 1):
        driver.later(later_ms)
        denied = answered(trade(11, 50, 100), trade(12, 50, 150), base=Stand(100, 30))
        assert driver(replace(denied, asked_ms=driver.now.now_ms)) == []
        assert owed_lots(driver.state) is None, "the answer may be a late one"
    driver.later(1)
    effects = driver(replace(denied, asked_ms=driver.now.now_ms))
    assert only(effects, SendHedge).order.lots == 100


def test_a_record_that_a_late_answer_denied_is_the_base() -> None:
    """A's sell of 50 is listed late: the record knows it, and counts once the answer has it."""
    driver = restarted(ATarget(A_INSTANCE, 6, 200, 12, 100))
    legs = (trade(11, 50, 100), trade(12, 50, 150))
    driver(answered(*legs, base=Stand(150, 13)))
    assert owed_lots(driver.state) is None
    effects = driver(answered(*legs, trade(13, -50, 200), base=Stand(150, 13)))
    assert only(effects, SendHedge).order.lots == 50
    assert not driver.state.denied


def test_where_the_answer_does_not_reach_back_the_trade_s_own_statement_leads() -> None:
    """A traded in between, unseen: its newest trade says what it holds."""
    driver = restarted(ATarget(A_INSTANCE, 4, 100, 10, 100))
    effects = told_twice(driver, answered(trade(30, 20, 180), lowest=25, highest=31))
    assert only(effects, SendHedge).order.lots == 100
    assert driver.state.a is not None
    assert driver.state.a.instance == ""


def test_a_state_that_only_the_watch_found_is_not_answered() -> None:
    """No process of A has stated it: a ledger that names no instance is one nobody can read."""
    driver = restarted(ATarget(A_INSTANCE, 4, 100, 10, 100))
    told_twice(driver, answered(trade(30, 20, 180), lowest=25, highest=31))
    assert owed_lots(driver.state) is not None
    assert answerable(driver.state) is None


def test_a_living_a_takes_the_lead_back() -> None:
    """Once A's lease names an instance its statement counts again."""
    driver = restarted()
    driver(answered(trade(30, 20, 180), lowest=25, highest=31, base=Stand(0, 3)))
    driver(driver.says(200, seq=9, last_trade_id=30))
    assert driver.state.a is not None
    assert driver.state.a.instance == A_INSTANCE


def test_a_fresh_state_of_a_needs_no_lead() -> None:
    """With A's own word current, an answer only fills the watch."""
    driver = Hedger().idle()
    driver(answered(highest=12, base=Stand(900, 11)))
    assert owed_lots(driver.state) == 0


def test_the_watch_waits_for_b_s_own_book() -> None:
    """Before the book is proven nothing is taken from an answer."""
    driver = Hedger().reconciling()
    driver(answered(trade(11, 50, 100), base=Stand(100, 9)))
    assert not driver.state.a_fresh


def test_a_watched_position_beyond_the_limit_halts() -> None:
    """The limit holds for what B sees by itself too, once."""
    driver = Hedger(max_position_lots=150).idle()
    big = a_trade(driver, 200)
    assert only(driver(seen(big)), HaltPair).reason == "position_limit"
    assert driver(seen(trade(3, 10, 200))) == []


def test_an_answer_beyond_the_limit_is_not_followed() -> None:
    """A position that nobody configured is not a target after a start either."""
    driver = restarted()
    limited = replace(driver.state.config, max_position_lots=150)
    driver.state = replace(driver.state, config=limited)
    driver(answered(trade(11, 200, 100), base=Stand(100, 9)))
    assert not driver.state.a_fresh


def test_a_contradicted_book_is_proven_again() -> None:
    """What contradicts the own book from outside calls for a fence, where there is a book."""
    driver = Hedger().idle()
    assert kinds(driver(ProofNeeded("the account query states another position"))) == [Fence]
    assert driver.state.phase is Phase.RECONCILING
    assert driver(ProofNeeded("again")) == []


def test_a_lost_lease_forgets_the_lead() -> None:
    """A deposed B must find A's state anew, watched trades or not."""
    driver = Hedger().idle()
    driver(seen(a_trade(driver, 100)), LeaseChanged(held=False))
    assert not driver.state.a_fresh
    assert driver.state.phase is Phase.STANDBY


def test_a_liquidation_of_b_halts_under_its_own_name() -> None:
    """The venue's own trade on B is neither countered nor taken for a person's."""
    driver = Hedger().idle()
    effects = driver(driver.trade(50, foreign=(11,), forced=True))
    assert only(effects, HaltPair).reason == "liquidation_on_b"
    assert driver.state.phase is Phase.HALTED


# --- frames that lie ---------------------------------------------------------------------------

LAG_MS = 15_000


def live(**settings: Any) -> Hedger:
    """Return a hedger whose A lives and has a quantity of 100."""
    driver = Hedger(**settings).idle()
    beat = driver.beat(quantity_lots=100)
    driver(MakerSeen(beat, beat.epoch))
    return driver


def hedged(driver: Hedger) -> None:
    """Let the order in flight be taken and execute."""
    driver(driver.answer())
    driver.execute()


def page(driver: Hedger, *legs: Trade, highest: int = 99) -> list[Any]:
    """Read one public answer now."""
    answer = Recent(legs, 1, highest)
    return list(driver(PeerAnswered(answer, (), driver.now.now_ms)))


def test_an_id_far_ahead_does_not_deafen_b() -> None:
    """A's word to the same position is the view again; its next fill is hedged at once."""
    driver = live()
    far = replace(a_trade(driver, 60), trade_id=2**40)
    sent = only(driver(seen(far)), SendHedge).order
    hedged(driver)
    assert sent.lots == 60
    driver(driver.says(60))
    assert answerable(driver.state) is driver.state.a
    assert owed_lots(driver.state) == 0
    driver(driver.says(100))
    assert owed_lots(driver.state) == -40
    assert is_watch_open(driver.state)
    for wait_ms in (0, LAG_MS, 5000):
        assert driver.state.watched
        driver.later(wait_ms)
        page(driver)
    assert not driver.state.watched
    assert driver.notes(loud=True)[-1] == "watch_corrected"


def test_a_false_size_is_undone_by_the_answer() -> None:
    """A died after its fill, which a frame told as a third of it: what is listed counts."""
    driver = live()
    told = a_trade(driver, 30)
    driver(seen(told))
    hedged(driver)
    assert owed_lots(driver.state) == 0
    assert not is_view_confirmed(driver.state)
    true = trade(told.trade_id, 90, driver.a_lots)
    page(driver, true)
    assert owed_lots(driver.state) == 0  # one answer against one frame: a second one is asked
    assert watch_due_ms(driver.state, 10**9) == driver.now.now_ms + AGREES_AFTER_MS
    driver.later(AGREES_AFTER_MS)
    page(driver, true)
    assert owed_lots(driver.state) == -60
    assert is_view_confirmed(driver.state)
    assert not driver.state.claimed


def test_one_false_size_in_an_answer_moves_nothing() -> None:
    """A is silent; the frame told 30, one answer ten times that, and the next one 30 again."""
    driver = live()
    told = a_trade(driver, 30)
    driver(seen(told))
    hedged(driver)
    shown_ms = driver.state.shown_ms
    page(driver, replace(told, size_lots=300))
    assert owed_lots(driver.state) == 0
    assert driver.state.shown_ms == shown_ms
    assert "listed_otherwise" in driver.notes()
    driver.later(AGREES_AFTER_MS)
    page(driver, told)
    assert (owed_lots(driver.state), driver.state.claimed) == (0, ())
    assert is_view_confirmed(driver.state)


def test_what_one_answer_alone_tells_waits_for_a_second_source() -> None:
    """The frame was lost: what A's public position, its heartbeat or our own bears out is taken."""
    driver = live()
    lost = a_trade(driver, 30)
    page(driver, lost)
    assert owed_lots(driver.state) == 0
    driver(PeerTraded((), driver.a_lots + 30))
    page(driver, lost)
    assert owed_lots(driver.state) == -30


def test_what_a_newer_frame_bears_out_is_taken_at_once() -> None:
    """Its position before it says what is missing; a false size closes no gap."""
    driver = live()
    lost = a_trade(driver, 30)
    newer = trade(lost.trade_id + 1, 20, driver.a_lots + 30)
    driver(seen(newer))
    page(driver, replace(lost, size_lots=300), newer)
    assert owed_lots(driver.state) == 0
    assert is_watch_open(driver.state)
    page(driver, lost, newer)
    assert owed_lots(driver.state) == -50


def test_what_is_missing_is_undone() -> None:
    """A trade that no answer lists, and A does not state, carries the view no longer."""
    driver = live()
    driver(seen(a_trade(driver, 100)))
    hedged(driver)
    for wait_ms in (1000, LAG_MS, 4999):
        driver.later(wait_ms)
        page(driver)
        assert owed_lots(driver.state) == 0
    driver.later(1)
    page(driver)
    assert owed_lots(driver.state) == 100


def test_more_than_a_can_have_done_waits_for_an_answer() -> None:
    """Ten times A's quantity is not hedged from a frame; listed, it is."""
    driver = live()
    large = a_trade(driver, 1000)
    assert SendHedge not in kinds(driver(seen(large)))
    assert watch_due_ms(driver.state, driver.now.now_ms + 5000) == driver.now.now_ms
    sent = only(page(driver, large), SendHedge).order
    assert sent.lots == 1000


def test_more_than_a_can_have_done_waits_while_a_is_silent_too() -> None:
    """A stranger's trade of 100, told as 1000: B hedged all of that once A was not heard."""
    driver = live()
    driver.later(HEARD_MS + 1)
    large = a_trade(driver, 1000)
    assert SendHedge not in kinds(driver(seen(large)))
    assert owed_lots(driver.state) == 0
    page(driver, replace(large, size_lots=100))
    assert owed_lots(driver.state) == 0  # neither of the two is believed alone
    driver.later(AGREES_AFTER_MS)
    sent = only(page(driver, replace(large, size_lots=100)), SendHedge).order
    assert sent.lots == 100
    assert not driver.state.unlisted


def test_what_a_states_ends_the_doubt() -> None:
    """A person traded more on A: A says so itself."""
    driver = live()
    driver(seen(a_trade(driver, 300)))
    assert only(driver(driver.says(300)), SendHedge).order.lots == 300
    assert not driver.state.unlisted
    assert watch_due_ms(driver.state, 0) is None


def test_the_venue_and_a_agree_against_a_frame() -> None:
    """In a market so busy that no page reaches back both statements decide."""
    driver = live()
    driver(seen(a_trade(driver, 100)))
    hedged(driver)
    driver.later(LAG_MS + 1000)
    for _ in range(3):
        driver(MakerStated(0, 0, driver.now.now_ms))
        driver.later(LAG_MS)
    assert not driver.state.watched
    assert owed_lots(driver.state) == 100


def test_a_watched_trade_that_a_does_not_state_is_confirmed_by_a_page() -> None:
    """One is due a moment after it was heard; once listed nothing more is asked."""
    driver = live()
    told = a_trade(driver, 30)
    assert watch_due_ms(driver.state, 2000) is None
    assert is_view_confirmed(driver.state)
    driver(seen(told))
    assert watch_due_ms(driver.state, 2000) == 2000
    page(driver, told)
    assert watch_due_ms(driver.state, 2000) is None


def test_the_position_is_one_and_newer_trades_are_open() -> None:
    """A's word does not take back what a trade between its statement and the newest has carried."""
    driver = live()
    first = a_trade(driver, 30)
    driver(seen(first))
    hedged(driver)
    gap = trade(first.trade_id + 9, 5, 70)
    driver(seen(gap))
    stated = driver.a_lots + 30
    driver(driver.says(stated, last_trade_id=1))
    assert driver.state.shown == Stand(30, first.trade_id)


def test_nothing_is_confirmed_of_an_unknown_a() -> None:
    """Without a view there is none to rest on anything."""
    driver = Hedger(peer_watch=True).reconciling().proven(0)
    assert not is_view_confirmed(driver.state)
