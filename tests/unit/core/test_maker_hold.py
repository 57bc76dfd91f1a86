"""A holds on state: what it publishes, what covers it, what halts, closes and stops it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import Side
from hedge.core.maker.state import (
    Cancel,
    CatchUp,
    Closing,
    Fence,
    FenceNeeded,
    FlattenRequested,
    HaltPair,
    HaltRaised,
    HaltSeen,
    LeaseLost,
    LedgerView,
    Note,
    OwnBook,
    Peer,
    PeerSeen,
    Pending,
    Place,
    PublishFill,
    PublishPosition,
    Reconciled,
    RedisChanged,
    Resumed,
    Started,
    Stopped,
    StopRequested,
    StreamsChanged,
    Tick,
)
from hedge.core.maker.step import Phase, is_covered
from hedge.core.records import OrderStatus
from tests.unit.core.kit import A_INSTANCE, ASK, BID, UNKNOWN, Maker, kinds, only, refused

FILLED = OrderStatus.FILLED
PATIENCE = 60_000
WRONG_ANSWERS = st.builds(
    LedgerView,
    st.sampled_from((A_INSTANCE, "c" * 12)),
    st.integers(0, 4),
    st.sampled_from((0, 100, -100)),
    st.sampled_from((0, 5, -100)),
    st.sampled_from((0, 5)),
    st.booleans(),
)


def filled(**settings: object) -> Maker:
    """A's order is filled and gone; nothing but B's answer is missing."""
    driver = Maker(**settings).awaiting()
    driver(driver.row(FILLED, 100))
    assert driver.state.order is None
    driver.facts(room=False)
    return driver


def overdue(owed: int | None = -100, **settings: object) -> tuple[Maker, list[object]]:
    """B has not covered the fill for a minute; its ledger says `owed` (None: nothing at all)."""
    driver = filled(**settings)
    driver(driver.peer(None if owed is None else driver.ledger(owed)))
    driver.later(PATIENCE // 2)
    driver(Tick())
    driver.later(PATIENCE // 2)
    return driver, driver(Tick())


# --- what is published -----------------------------------------------------------------------


def test_every_trade_goes_out_with_the_position_after_it() -> None:
    """Ours or by hand, before the order's own acknowledgement or after: seq and position follow."""
    driver = Maker().placing()
    one = only(driver(driver.fill(30)), PublishFill)
    two = only(driver(driver.fill(70)), PublishFill)
    assert (one.seq, one.position_lots, one.trade.signed_lots) == (2, 30, 30)
    assert (two.seq, two.position_lots, two.trade.signed_lots) == (3, 100, 70)


def test_trades_of_one_frame_share_the_position() -> None:
    """Each trade is its own message; all of them state the position after the last."""
    driver = Maker().working()
    driver.fill(30)
    first = driver.fill(30).trades
    both = OwnBook(driver.view(), (*first, *driver.fill(40).trades))
    said = [effect for effect in driver(both) if isinstance(effect, PublishFill)]
    assert [effect.seq for effect in said] == [2, 3]
    assert [effect.position_lots for effect in said] == [60, 60]


def test_a_proof_is_stated_even_without_a_trade() -> None:
    """Every proven book gives a new version, so that B's answer can only be to it."""
    driver = Maker().started()
    said = only(driver(Reconciled(7, driver.view(), explained=True)), PublishPosition)
    assert (said.seq, said.position_lots) == (1, 0)
    driver(StreamsChanged(up=False), StreamsChanged(up=True))
    assert only(driver(Reconciled(9, driver.view(), explained=True)), PublishPosition).seq == 2


def test_what_waited_for_the_proof_is_said_with_it() -> None:
    """Fills that came while the book contradicted itself go out when it is proven."""
    driver = Maker().working()
    driver(StreamsChanged(up=False), StreamsChanged(up=True))
    driver(driver.fill(100, consistent=False))
    done = driver(Reconciled(9, driver.view(), explained=True))
    assert kinds(done) == [PublishFill, PublishPosition]
    assert driver.state.unsaid == ()


def test_a_foreign_trade_is_hedged_then_halts() -> None:
    """A trade by hand on A goes out like any other; then a person has to look."""
    driver = Maker().ready()
    done = driver(driver.fill(5, foreign=True))
    assert kinds(done) == [PublishFill, HaltPair]
    assert only(done, HaltPair).reason == "foreign_trade_on_a"


@pytest.mark.parametrize("lots", [100, -100])
def test_a_position_beyond_the_limit_halts(lots: int) -> None:
    """The fill is published and hedged; A trades no more. A second one is not said again."""
    driver = Maker(max_position_lots=99).ready()
    done = driver(driver.fill(lots))
    assert kinds(done) == [PublishFill, HaltPair]
    assert only(done, HaltPair).reason == "position_limit"
    assert kinds(driver(driver.fill(lots))) == [PublishFill]


@pytest.mark.parametrize("lots", [100, -100])
def test_a_fill_beyond_the_limit_halts(lots: int) -> None:
    """It is published and hedged like any other; a person looks before A quotes on."""
    driver = Maker(max_fill_lots=99).ready()
    done = driver(driver.fill(lots))
    assert kinds(done) == [PublishFill, HaltPair]
    assert only(done, HaltPair).reason == "fill_limit"
    assert "0.0100" in only(done, HaltPair).detail
    assert kinds(driver(driver.fill(lots))) == [PublishFill]


def test_a_fill_at_the_limit_is_one_like_any_other() -> None:
    """So are several whose sum is larger: the limit is of one fill."""
    driver = Maker(max_fill_lots=100).ready()
    for _ in range(2):
        assert kinds(driver(driver.fill(100))) == [PublishFill]


def test_a_fill_beyond_the_limit_that_a_proof_finds_halts_too() -> None:
    """The message that was lost is found by the proof, and said then."""
    driver = Maker(max_fill_lots=99).started()
    event = driver.fill(100)
    driver.state = replace(driver.state, unsaid=event.trades)
    done = driver(Reconciled(7, event.view, explained=True))
    assert [one.reason for one in done if isinstance(one, HaltPair)] == ["fill_limit"]
    assert [one.trade for one in done if isinstance(one, PublishFill)] == list(event.trades)


# --- start -----------------------------------------------------------------------------------


def test_a_start_waits_for_b_s_answer_to_it() -> None:
    """Flat and proven is not enough: nothing is placed before B's ledger answers this start."""
    driver = Maker().started()
    driver(driver.peer(LedgerView("c" * 12, 1, 0, 0, 0, inflight=False)))
    driver.proven()
    assert driver.state.phase is Phase.AWAITING_HEDGE
    assert kinds(driver.cover()) == [Place]


def test_a_position_that_nothing_explains_goes_on_aloud_when_small() -> None:
    """A stray position worth little is hedged and traded on, with a warning."""
    driver = Maker().started().proven(100, explained=False)
    assert driver.state.phase is Phase.AWAITING_HEDGE
    assert driver.notes(loud=True) == ["drift_adopted"]


def test_a_small_loss_of_record_is_said_once() -> None:
    """What was adopted once is explained from then on."""
    driver = Maker().started().proven(100, explained=False)
    driver(StreamsChanged(up=False), StreamsChanged(up=True))
    driver.proven(100, explained=False)
    assert driver.notes(loud=True) == ["drift_adopted"]


def test_a_position_that_nothing_explains_halts_when_large() -> None:
    """Beyond the limit a person decides; `force` adopts it."""
    lots, driver = 4000, Maker().started()
    driver.proven(lots, explained=False)
    assert driver.state.phase is Phase.HALTED
    assert driver.state.halt_reason == "unexplained_position"
    driver(Resumed(force=False))
    driver.proven(lots, explained=False)
    assert driver.state.phase is Phase.HALTED
    driver(Resumed(force=True))
    driver.proven(lots, explained=False)
    assert driver.state.phase is Phase.AWAITING_HEDGE


@pytest.mark.parametrize(("lots", "then"), [(60, Phase.AWAITING_HEDGE), (4000, Phase.HALTED)])
def test_without_a_price_an_unexplained_position_waits_for_one(lots: int, then: Phase) -> None:
    """Nothing can be judged without a price, and nothing is placed before it is."""
    driver = Maker()
    driver.facts(mark_ticks=None, bid_ticks=None, ask_ticks=None)
    driver.started().proven(lots, explained=False)
    assert driver.cover() == []
    assert not driver.state.adopted
    driver.facts(mark_ticks=300_000)
    driver(driver.peer(None, ready=False), StreamsChanged(up=True))
    assert driver.state.phase in (then, Phase.READY)
    assert (driver.state.phase is Phase.HALTED) == (then is Phase.HALTED)


def test_a_stored_position_starts_the_clock() -> None:
    """A restart with a position: B's silence about it is noticed like that about a fill."""
    driver = Maker().started().proven(100)
    driver.later(30_000)
    driver(Tick())
    assert driver.notes(loud=True) == ["hedge_confirm_timeout", "b_away"]


# --- covered ---------------------------------------------------------------------------------


def test_coverage_releases_and_the_next_order_follows() -> None:
    """The ledger answers the newest state with nothing owed: A sells what it bought."""
    driver = filled()
    driver.facts(room=True)
    done = driver.cover()
    assert only(done, Place).order.side is Side.SELL
    assert driver.state.uncovered_ms is None


@pytest.mark.parametrize(("manual", "word"), [(0, "covered"), (-100, "hedged")])
def test_beside_fills_by_hand_nothing_is_called_covered(manual: int, word: str) -> None:
    """B has hedged A's fill, and stands elsewhere than beside A: both are said."""
    driver = filled()
    driver.cover(manual_lots=manual)
    assert driver.notes()[-1] == word


def test_dust_is_covered() -> None:
    """What the venue refuses as too small does not hold A."""
    driver = filled()
    driver.cover(-3, dust_lots=-3)
    assert driver.state.phase is Phase.READY


@pytest.mark.parametrize(
    "changes",
    [
        {"a_instance": "c" * 12},
        {"a_seq": 1},
        {"a_seq": 3},
        {"a_position_lots": 99},
        {"inflight": True},
        {"owed_lots": -1},
        {"owed_lots": 1, "dust_lots": -1},
    ],
    ids=str,
)
def test_only_an_answer_to_exactly_this_state_releases(changes: dict[str, object]) -> None:
    """An earlier run's ledger, or one from before the last trade, owes 0 for something else."""
    driver = filled()
    said = {"owed_lots": 0, **changes}
    driver(driver.peer(driver.ledger(0, **said)))
    assert driver.state.phase is Phase.AWAITING_HEDGE
    assert not is_covered(driver.state)


def test_no_answer_is_not_coverage() -> None:
    """A wiped Redis has no ledger: unknown, not owed 0."""
    driver = filled()
    driver(driver.peer(None))
    assert driver.state.phase is Phase.AWAITING_HEDGE


def test_b_not_ready_still_covers_but_gets_no_new_order() -> None:
    """Coverage releases the hold; a new order needs a B that could hedge it, too."""
    driver = filled()
    driver.facts(room=True)
    assert driver(driver.peer(driver.ledger(), ready=False)) == []
    assert driver.state.phase is Phase.READY


@given(st.lists(st.tuples(st.none() | WRONG_ANSWERS, st.booleans(), st.booleans()), max_size=8))
def test_no_place_without_an_exact_answer_of_a_ready_b(
    answers: list[tuple[LedgerView | None, bool, bool]],
) -> None:
    """Whatever ledgers and heartbeats come, A places only on the one that covers its state."""
    driver = filled()
    driver.facts(room=True)
    for wrong, ready, redis_up in answers:
        state = driver.state
        ledger = wrong or driver.ledger()
        done = driver(RedisChanged(redis_up))
        if redis_up:
            done += driver(PeerSeen(Peer(ready=ready, alive=True, ledger=ledger)))
        exact = (
            (ledger.a_instance, ledger.a_seq, ledger.a_position_lots)
            == (A_INSTANCE, state.seq, state.net_lots)
            and ledger.owed_lots in (0, ledger.dust_lots)
            and not ledger.inflight
        )
        may = exact and ready and redis_up
        assert (Place in kinds(done)) is may
        if may:
            return


def test_a_debt_that_turns_up_before_the_next_order_holds_it_back() -> None:
    """Released is not for ever: the answer must cover A at the moment of placing."""
    driver = Maker().ready()
    driver.facts(room=True)
    assert driver.cover(-30) == []
    assert driver(Tick()) == []
    assert kinds(driver.cover()) == [Place]


def test_redis_away_holds() -> None:
    """Without Redis B is unknown: covered or not, nothing new is placed until it is seen again."""
    driver = filled()
    driver.cover()
    driver.facts(room=True)
    driver(RedisChanged(up=False))
    assert not driver.state.peer.alive
    assert driver.cover() == []  # read before the outage
    driver(driver.peer(None, ready=False, alive=False))
    assert driver(RedisChanged(up=True)) == []
    assert kinds(driver.cover()) == [Place]


# --- time-outs -------------------------------------------------------------------------------


def test_a_late_hedge_is_said_once_and_held() -> None:
    """After half a minute A says so and keeps holding; coverage releases it."""
    driver = filled()
    driver.later(29_999)
    driver(Tick())
    assert driver.notes(loud=True) == []
    driver.later(1)
    driver(Tick(), Tick())
    assert driver.notes(loud=True) == ["hedge_confirm_timeout"]
    assert driver.state.phase is Phase.AWAITING_HEDGE
    driver.cover()
    assert driver.state.phase is Phase.READY


@pytest.mark.parametrize("later_ms", [30_000, 60_000], ids=["the alert", "the halt"])
def test_a_deposed_a_does_not_blame_b_for_a_fill_that_it_cannot_state(later_ms: int) -> None:
    """Without the lease it publishes nothing, so B hears of the fill by its watch at best."""
    driver = filled()
    driver(LeaseLost())
    driver.later(later_ms)
    driver(Tick(), Tick())
    said = [one.detail for one in driver.effects if isinstance(one, Note | HaltPair)]
    assert any(f"not covered for {later_ms // 1000} s: another process has" in one for one in said)
    assert not [one for one in said if "B has not covered" in one]


def test_an_a_whose_position_is_in_doubt_does_not_blame_b_either() -> None:
    """It has stated nothing since a frame told what no order can have done."""
    driver = Maker().working()
    driver(driver.fill(1000))
    assert driver.state.implausible
    driver.later(30_000)
    driver(Tick(), Tick())
    said = [one.detail for one in driver.effects if isinstance(one, Note)]
    assert any("is in doubt, so A states nothing" in one for one in said)


def test_the_time_without_the_lease_is_none_of_b_s_turn() -> None:
    """Back in the lead a moment before the time-out, A gives B all of it again."""
    driver = filled()
    driver(LeaseLost())
    driver.later(59_000)
    driver(FenceNeeded("the lease was taken back"))
    driver.later(29_999)
    driver(Tick())
    assert not [one for one in driver.effects if isinstance(one, HaltPair)]
    driver.later(30_001)
    driver(Tick(), Tick())  # the alert, then the halt
    assert driver.state.halt_reason == "force_close_timeout"


def test_the_clock_is_that_of_the_oldest_fill() -> None:
    """A second fill does not restart B's patience account."""
    driver = Maker().working()
    driver(driver.fill(30))
    driver.later(20_000)
    driver(driver.fill(70))
    driver.later(10_000)
    driver(Tick())
    assert driver.notes(loud=True) == ["hedge_confirm_timeout"]


def test_a_debt_without_a_fill_of_ours_starts_the_clock() -> None:
    """A is flat after a resume while B still owes for it: holding in silence would hide that."""
    driver = Maker().started().proven()
    driver(driver.peer(driver.ledger(100)))
    driver.later(30_000)
    driver(Tick())
    assert driver.notes(loud=True) == ["hedge_confirm_timeout"]
    driver(StopRequested())
    driver.later(60_000)
    assert only(driver(Tick()), Stopped).neutral is False


# --- closing ---------------------------------------------------------------------------------


def test_after_a_minute_a_reduces_what_b_owes() -> None:
    """A closes exactly what the ledger of its newest state says is unhedged, reduce-only."""
    driver, done = overdue(-60)
    assert kinds(done) == [HaltPair, Place]
    order = driver.order
    assert (order.side, order.lots, order.reduce_only, order.closing) == (Side.SELL, 60, True, True)
    assert order.price_ticks == BID
    assert driver.state.phase is Phase.HALTED
    assert driver.state.halt_reason == "force_close_timeout"


def test_a_never_closes_more_than_it_has() -> None:
    """B owes more than A's position: A's share is its own net, never an opening trade."""
    driver, _ = overdue(-500)
    assert driver.order.lots == 100


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"owed": 60},
        {"owed": 0, "inflight": True},
        {"owed": -60, "inflight": True},
        {"owed": -60, "yields": False},
        {"owed": -60, "a_seq": 1},
        {"owed": -60, "a_instance": "c" * 12},
        {"owed": -60, "a_position_lots": 5},
    ],
    ids=str,
)
def test_what_is_not_proven_unhedged_is_not_closed(answer: dict[str, object] | None) -> None:
    """An unreadable debt, one that closing would widen, or one in flight: A only waits."""
    driver, _ = overdue(None)
    driver(driver.peer(None if answer is None else driver.ledger(**answer)))  # type: ignore[arg-type]
    driver.later(10_000)
    assert Place not in kinds(driver(Tick()))
    assert driver.state.phase is Phase.HALTED
    assert driver.state.closing is Closing.UNHEDGED


def test_a_dead_b_s_ledger_is_not_acted_on() -> None:
    """Without a heartbeat nobody knows what B has done since."""
    driver, _ = overdue(None)
    assert Place not in kinds(driver(driver.peer(driver.ledger(-100), alive=False)))
    assert Place not in kinds(driver(Tick()))


def test_a_closing_order_that_fills_is_a_fill_like_any_other() -> None:
    """The close is published; B only follows, and coverage ends the closing."""
    driver, _ = overdue()
    driver(driver.answer())
    assert kinds(driver(driver.fill(-100))) == [PublishFill]
    driver(driver.row(FILLED, 100))
    assert driver.state.order is None
    driver.cover()
    assert driver.state.closing is None
    assert driver.state.phase is Phase.HALTED


def test_a_close_that_fills_partly_goes_on() -> None:
    """Re-read and repeat, a second apart, until nothing of A is unhedged."""
    driver, _ = overdue()
    driver(driver.fill(-40), driver.answer(), driver.row(OrderStatus.CANCELED_SLIPPAGE, 40))
    done = driver(driver.peer(driver.ledger(-60)))
    assert done == []
    driver.later(1000)
    assert only(driver(Tick()), Place).order.lots == 60


def test_a_second_uncovered_spell_is_closed_too() -> None:
    """Halted or not: a fill that B leaves uncovered for a minute is reduced again."""
    driver, _ = overdue(None)
    driver.cover()
    assert driver.state.closing is None
    driver(driver.fill(50))
    driver(driver.peer(driver.ledger(-50)))
    assert driver.state.closing is None
    driver.later(PATIENCE)
    driver(Tick(), Tick())
    assert driver.order.closing
    assert driver.order.lots == 50


def test_a_halted_pair_still_closes_what_is_overdue() -> None:
    """A halt for another reason does not leave A naked."""
    driver = filled()
    driver(HaltSeen("max_retries_exceeded"), driver.peer(driver.ledger(-100)))
    driver.later(PATIENCE)
    driver(Tick())
    driver(Tick())
    assert driver.order.closing
    assert driver.state.halt_reason == "force_close_timeout"


def test_a_close_waits_for_price_streams_and_book() -> None:
    """Without a price, or with its own book in doubt, A does not send a market order."""
    driver, _ = overdue(None)
    mark = driver.now.mark_ticks
    driver.facts(bid_ticks=None, mark_ticks=None)
    assert driver(driver.peer(driver.ledger(-100))) == []
    driver.facts(mark_ticks=mark)  # a book that is a few seconds old serves for a cap
    driver(StreamsChanged(up=False))
    assert driver(Tick()) == []
    driver(StreamsChanged(up=True))
    driver.proven(100)
    assert kinds(driver.cover(-100)) == [Place]


def test_a_close_never_comes_beside_an_unsaid_fill() -> None:
    """While the book contradicts itself A does not know what it holds."""
    driver, _ = overdue(None)
    driver(driver.fill(20, consistent=False))
    assert Place not in kinds(driver(driver.peer(driver.ledger(-100))))


def test_a_refused_or_lost_close_is_tried_again() -> None:
    """A close that the venue refuses waits its second; one without answer passes a fence first."""
    driver, _ = overdue()
    driver(driver.answer(refused()))
    assert driver.state.order is None
    driver.later(1000)
    assert kinds(driver(Tick())) == [Place]
    assert kinds(driver(driver.answer(UNKNOWN))) == [Fence]
    driver.proven(100)
    assert kinds(driver.cover(-100)) == [Place]


def test_a_close_that_is_too_small_for_the_venue_is_tried_seldom() -> None:
    """What is owed may grow; meanwhile the requests are kept for what matters."""
    driver, _ = overdue(-3)
    assert driver.order.lots == 3
    driver(driver.answer(refused(21706, "invalid order base or quote amount")))
    driver.later(9_000)
    assert driver(Tick()) == []
    assert driver.state.closing is Closing.UNHEDGED
    driver.later(1_000)
    assert kinds(driver(Tick())) == [Place]


def test_flat_needs_no_explanation() -> None:
    """Nothing on record, and nothing there."""
    assert Maker().started().proven(0, explained=False).state.adopted


def test_force_close_leaves_the_other_account_alone() -> None:
    """Closing both accounts trades three times and stands naked in between: A closes what is owed.

    Once B's retry has covered it, that is nothing.
    """
    driver, _ = overdue(None)
    driver.cover(0)
    driver.later(5_000)
    assert driver(Tick()) == []
    assert driver.state.closing is None


# --- flatten ---------------------------------------------------------------------------------


def test_flatten_closes_all_of_a() -> None:
    """A person asked: A sells all it has, without waiting for any ledger, and says when done."""
    driver = Maker().ready(100)
    done = driver(FlattenRequested())
    assert kinds(done) == [HaltPair, Place]
    assert driver.order.lots == 100
    driver(driver.fill(-100), driver.answer(), driver.row(FILLED, 100))
    driver.later(1000)
    driver(Tick())
    assert driver.state.closing is None
    assert "closed" in driver.notes()


def test_flatten_buys_a_short_back_at_the_ask() -> None:
    """A short is closed by a buy."""
    driver = Maker().ready(-100)
    order = only(driver(FlattenRequested()), Place).order
    assert (order.side, order.lots, order.price_ticks) == (Side.BUY, 100, ASK)


def test_flatten_first_takes_off_what_rests() -> None:
    """The resting order is cancelled and seen cancelled before anything is closed."""
    driver = Maker().working(net=100)
    assert kinds(driver(FlattenRequested())) == [HaltPair, Cancel]
    driver(driver.answer(pending=Pending.CANCEL))
    assert kinds(driver(driver.row(OrderStatus.CANCELED))) == [Place]
    driver.later(60_000)
    assert Cancel not in kinds(driver(Tick()))


def test_flatten_goes_on_only_while_b_can_follow() -> None:
    """What B cannot follow would stand naked; without B only where a person says so."""
    driver = Maker().ready(100)
    driver(driver.peer(driver.ledger(), ready=False, reasons=("hedging fails",)))
    assert kinds(driver(FlattenRequested())) == [HaltPair]
    assert kinds(driver.cover()) == [Place]
    driver = Maker().ready(100)
    driver(driver.peer(driver.ledger(), ready=False, reasons=("gone",)))
    assert kinds(driver(FlattenRequested(alone=True))) == [HaltPair, Place]


def test_flatten_begins_with_b_as_it_is_shown_with_its_acknowledgement() -> None:
    """A B that leaves in that very heartbeat would not follow, whatever an older one said."""
    driver = Maker().ready(100)
    leaves = driver.peer(driver.ledger(), ready=False, leaving=True, reasons=("stopping",)).peer
    assert kinds(driver(FlattenRequested(peer=leaves))) == [HaltPair]
    assert kinds(driver.cover()) == [Place]


def test_flatten_waits_until_b_has_followed_each_step() -> None:
    """Part of A is closed: the rest waits for B, and only what is naked is reduced in the end."""
    driver = Maker().ready(100)
    order = only(driver(FlattenRequested()), Place).order
    driver(driver.answer(), driver.fill(-40, cid=order.client_order_index))
    driver(driver.row(OrderStatus.CANCELED, 40))
    driver.later(2000)
    assert driver(Tick()) == []
    driver.later(PATIENCE)
    driver(Tick(), Tick())
    assert driver.state.closing is Closing.UNHEDGED


def test_a_halt_that_is_left_when_another_is_released_is_the_reason() -> None:
    """Also one that says that B is not what covered A any more."""
    driver = Maker().halted()
    driver(HaltSeen("left", instead=True))
    assert driver.state.halt_reason == "left"
    driver(HaltSeen("foreign_trade_on_b"))
    assert driver.state.halt_reason == "foreign_trade_on_b"


def test_flatten_while_stopping_is_only_said() -> None:
    """A process on its way out starts no closing."""
    driver = filled()
    driver(StopRequested())
    assert driver(FlattenRequested()) == []
    assert driver.notes(loud=True) == ["flatten"]


# --- halts and resumption --------------------------------------------------------------------


def test_a_second_reason_is_another_halt() -> None:
    """The first reason is what the state says; the second needs its own release."""
    driver = Maker().halted()
    halt = only(driver(HaltRaised("another", "reason"), HaltSeen("third")), HaltPair)
    assert (halt.reason, driver.state.halt_reason) == ("another", "a test")


def test_a_resumed_a_proves_its_book_first() -> None:
    """After a halt nothing is trusted: fence, book, B's answer, then orders."""
    driver = Maker().halted()
    assert kinds(driver(Resumed(force=False))) == [Fence]
    driver.facts(room=True)
    assert Place not in kinds(driver.cover())
    driver.proven()
    assert kinds(driver.cover()) == [Place]


def test_resume_without_a_halt_only_notes_the_force() -> None:
    """There is nothing to resume; `force` still adopts what is there."""
    driver = Maker().ready()
    assert driver(Resumed(force=True)) == []
    assert driver.state.phase is Phase.READY


def test_a_halt_from_before_the_start_is_kept_through_it() -> None:
    """A halted pair starts halted: fence and proof happen, orders do not."""
    driver = Maker()
    driver(HaltSeen("kept"), Started())
    driver.proven()
    driver.cover()
    assert driver.state.phase is Phase.HALTED


# --- stopping --------------------------------------------------------------------------------


def test_a_stop_waits_for_the_cancel_and_the_cover() -> None:
    """Resting order off and seen off, last fill covered: then the process may end, neutral."""
    driver = Maker().working()
    assert kinds(driver(StopRequested(), StopRequested())) == [Cancel]
    driver(driver.fill(40), driver.answer(pending=Pending.CANCEL))
    assert driver(driver.row(OrderStatus.CANCELED, 40)) == []
    assert only(driver.cover(), Stopped).neutral is True
    assert driver(Tick()) == []


def test_a_stop_does_not_wait_for_ever() -> None:
    """At the deadline the process ends and says that it is not neutral."""
    driver = filled()
    driver(StopRequested())
    driver.later(59_999)
    assert Stopped not in kinds(driver(Tick()))
    driver.later(1)
    assert only(driver(Tick()), Stopped).neutral is False


def test_a_stopping_a_does_not_force_close() -> None:
    """Closing is for a process that stays to see it through."""
    driver = filled(stop_deadline_ms=10**9)
    driver(StopRequested())
    driver.later(PATIENCE)
    driver(Tick(), Tick())
    assert driver.state.closing is None


def test_a_b_that_leaves_gets_as_long_again() -> None:
    """B takes our heartbeat for our word that nothing can fill, and hedges until it is gone."""
    driver = filled()
    leaving = driver.peer(driver.ledger(-100, yields=False), ready=False, leaving=True)
    driver(leaving)
    driver.later(PATIENCE)
    assert HaltPair not in kinds(driver(Tick(), Tick()))
    driver.later(PATIENCE)
    assert HaltPair in kinds(driver(leaving, Tick()))
    driver = filled()
    driver(leaving)
    driver.later(PATIENCE)
    assert HaltPair in kinds(driver(driver.peer(driver.ledger(-100), ready=False), Tick()))


def test_a_stop_while_a_gap_is_open_waits_for_it() -> None:
    """A fill that is not said yet cannot be covered."""
    driver = Maker().ready()
    driver(driver.fill(5, consistent=False))
    driver(StopRequested())
    assert driver.state.unsaid
    driver.later(1000)
    assert kinds(driver(Tick())) == [CatchUp]
    driver.net -= 5
    driver(driver.fill(5))
    assert only(driver.cover(), Stopped).neutral is True


# --- the lease -------------------------------------------------------------------------------


def test_without_the_lease_what_rests_is_cancelled_and_nothing_is_placed() -> None:
    """A fail-over brought back another holder's name: the nonce lets the cancel harm nothing."""
    driver = Maker().working()
    order = driver.order
    assert only(driver(LeaseLost()), Cancel).order.client_order_index == order.client_order_index
    driver(driver.answer(pending=Pending.CANCEL), driver.row(OrderStatus.CANCELED))
    assert driver.state.order is None
    assert Place not in kinds(driver.cover())


def test_a_lease_that_comes_back_begins_with_a_fence() -> None:
    """Meanwhile another may have signed."""
    driver = Maker().ready()
    driver(LeaseLost())
    assert kinds(driver(FenceNeeded("the lease had lapsed"))) == [Fence]
    driver.proven(0)
    driver.facts(room=True)
    assert Place in kinds(driver.cover())


def test_without_the_lease_nothing_is_reduced_either() -> None:
    """Who leads decides; two would act on one debt."""
    driver, _ = overdue(-60)
    driver(LeaseLost())
    driver(driver.answer(refused()))
    driver.later(60_000)
    assert Place not in kinds(driver(Tick()))
