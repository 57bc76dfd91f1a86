"""One order's life: placed by the book, replaced, cancelled, ended only by rows and trades."""

from dataclasses import replace

import pytest

from hedge.core import ids
from hedge.core.amounts import Side
from hedge.core.book import BookView
from hedge.core.maker.quoting import tolerance_ticks
from hedge.core.maker.rules import LISTED_AGAIN_MS
from hedge.core.maker.state import (
    Answered,
    Cancel,
    CatchUp,
    Fence,
    HaltPair,
    LookAtEnd,
    OwnBook,
    OwnOrder,
    Pending,
    Place,
    PublishFill,
    PublishPosition,
    Reconciled,
    RedisChanged,
    StreamsChanged,
    Tick,
)
from hedge.core.maker.step import Phase
from hedge.core.records import Depth, OrderStatus
from tests.unit.core.kit import (
    ACCEPTED,
    ASK,
    BID,
    MARK,
    SPEC,
    UNKNOWN,
    Maker,
    book_at,
    kinds,
    only,
    refused,
    row,
)

FILLED, CANCELED, OPEN = OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.OPEN


# --- placing ---------------------------------------------------------------------------------


def test_flat_buys_and_long_sells_all() -> None:
    """Flat, A rests a buy at the bid; long, a reduce-only sell of the whole position at the ask."""
    buy = Maker().placing().order
    assert (buy.side, buy.lots, buy.price_ticks, buy.reduce_only) == (Side.BUY, 100, BID, False)
    sell = Maker().placing(net=130).order
    assert (sell.side, sell.lots, sell.price_ticks, sell.reduce_only) == (Side.SELL, 130, ASK, True)


def test_the_order_carries_instance_and_nonce() -> None:
    """The id of an order tells who signed it and with which nonce."""
    driver = Maker().placing()
    assert driver.order.client_order_index == ids.order_id(driver.state.config.instance, 7)
    assert driver.order.nonce == 7


def test_a_rest_too_small_to_sell_counts_as_flat() -> None:
    """A position below the venue's minimums cannot rest as a sell: A buys on top of it."""
    order = Maker().placing(net=20).order
    assert (order.side, order.lots) == (Side.BUY, 100)


def test_a_short_where_only_long_is_expected_halts() -> None:
    """A never holds a short of its own making: somebody else trades, and a person must look."""
    driver = Maker().ready(-100)
    driver.facts(room=True)
    assert only(driver(Tick()), HaltPair).reason == "unexpected_short"
    assert driver.state.phase is Phase.HALTED


def test_a_short_below_the_minimums_is_bought_over() -> None:
    """A few lots short are nothing that could be bought back on their own."""
    assert Maker().placing(net=-20).order.side is Side.BUY


@pytest.mark.parametrize(
    "facts",
    [
        {"bid_ticks": None},
        {"ask_ticks": None},
        {"room": False},
        {"bid_ticks": 100},  # worth less than the venue's minimum
    ],
)
def test_nothing_is_placed_without_prices_or_room(facts: dict[str, object]) -> None:
    """An unknown price is not free, a crowded budget is not for new orders."""
    driver = Maker().ready()
    driver.facts(room=True)
    driver.facts(**facts)
    assert driver(Tick()) == []
    assert driver.state.phase is Phase.READY


def test_nothing_is_placed_beyond_what_b_can_hedge() -> None:
    """B's margin bounds A's next buy; unknown margin does not."""
    driver = Maker().ready()
    driver.facts(room=True)
    assert driver(driver.peer(driver.ledger(), can_hedge_lots=99)) == []
    assert kinds(driver(driver.peer(driver.ledger(), can_hedge_lots=100))) == [Place]


def test_nothing_is_placed_beyond_the_position_limit() -> None:
    """A buy whose fill would pass the limit is not placed; the halt is for what happens anyway."""
    driver = Maker(max_position_lots=110).ready(net=20)
    driver.facts(room=True)
    assert driver(Tick()) == []
    assert driver.state.phase is Phase.READY


def test_the_sell_does_not_need_b_s_margin() -> None:
    """Reducing is never held back by what B could still take on."""
    driver = Maker().ready(net=100)
    driver.facts(room=True)
    assert kinds(driver(driver.peer(driver.ledger(), can_hedge_lots=0))) == [Place]


# --- answers ---------------------------------------------------------------------------------


def test_an_accepted_order_uses_its_nonce() -> None:
    """The next transaction carries the next nonce, from our own count."""
    driver = Maker().working()
    assert driver.state.nonce == 8
    driver.later(30_000)
    assert only(driver(Tick()), Cancel).nonce == 8
    driver(driver.answer(pending=Pending.CANCEL))
    assert driver.state.nonce == 9


def test_a_refused_order_is_tried_again_after_a_pause() -> None:
    """A refusal is proof: the nonce is free, the order forgotten, the next try a second away."""
    driver = Maker().placing()
    assert driver(driver.answer(refused())) == []
    assert driver.state.phase is Phase.READY
    assert driver.state.nonce == 7
    assert driver.notes(loud=True) == ["place_refused"]
    driver.later(999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Place]


@pytest.mark.parametrize("code", [21739, 21109])
def test_a_hopeless_refusal_waits_longer(code: int) -> None:
    """Without margin or key the next try is ten seconds away."""
    driver = Maker().placing()
    driver(driver.answer(refused(code)))
    driver.later(9_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Place]


def test_a_refusal_while_a_fill_is_awaited_keeps_the_hold() -> None:
    """A foreign fill came while the order was on its way: its refusal releases nothing."""
    driver = Maker().placing()
    driver(driver.fill(5, foreign=False, cid=999), driver.answer(refused()))
    assert driver.state.phase is Phase.AWAITING_HEDGE
    assert driver.state.order is None


@pytest.mark.parametrize("shown", ["row", "trade"])
def test_a_refused_order_that_the_venue_shows_is_fenced(shown: str) -> None:
    """A refusal that the venue itself contradicts is no proof, and the order is not forgotten."""
    driver = Maker().placing()
    driver(driver.row(OPEN) if shown == "row" else driver.fill(10))
    assert only(driver(driver.answer(refused())), Fence)
    assert driver.state.pending is Pending.FENCE


def test_no_answer_is_fenced_not_forgotten() -> None:
    """Forgetting an order without an answer leaves it resting beside its successor."""
    driver = Maker().placing()
    driver(driver.answer(UNKNOWN))
    assert driver.state.pending is Pending.FENCE
    driver.later(60_000)
    assert Place not in kinds(driver(Tick()))


@pytest.mark.parametrize(
    ("pending", "cid_shift"), [(Pending.CANCEL, 0), (Pending.PLACE, 1)], ids=["cancel", "other"]
)
def test_an_answer_to_something_else_changes_nothing(pending: Pending, cid_shift: int) -> None:
    """Only the verdict on the pending transaction counts."""
    driver = Maker().placing()
    before = driver.state
    driver(Answered(pending, driver.order.client_order_index + cid_shift, ACCEPTED))
    assert driver.state == before


def test_an_answer_without_an_order_changes_nothing() -> None:
    """A verdict that comes after the fence has closed the order's case is late news."""
    driver = Maker().placing()
    late = driver.answer()
    driver(driver.answer(UNKNOWN))
    driver.proven()
    before = driver.state
    driver(late)
    assert driver.state == before


# --- rows ------------------------------------------------------------------------------------


def test_another_order_s_row_changes_nothing() -> None:
    """Rows of older orders or of other software are not our order's."""
    driver = Maker().working()
    before = driver.state
    driver(OwnOrder(row(12345, FILLED, 100)))
    assert driver.state == before
    idle = Maker().ready()
    before = idle.state
    idle(OwnOrder(row(12345, FILLED, 100)))
    assert idle.state == before


def test_an_end_is_final() -> None:
    """A late "open" does not bring an ended order back."""
    driver = Maker().working()
    driver(driver.row(FILLED, 100), driver.row(OPEN, 50))
    row_now = driver.order.row
    assert row_now is not None
    assert row_now.status is FILLED


def test_a_post_only_order_that_would_have_taken_is_replaced_after_a_pause() -> None:
    """The venue cancels it unfilled; A does not send another in the same breath."""
    driver = Maker().placing()
    driver(driver.answer(), driver.row(OrderStatus.CANCELED_POST_ONLY))
    assert driver.state.phase is Phase.READY
    assert driver.state.order is None
    driver.later(1000)
    assert kinds(driver(Tick())) == [Place]


def test_an_end_that_only_a_frame_tells_is_asked_for_first() -> None:
    """The frame may be false: the order still rests then, and another would rest beside it."""
    driver = Maker().placing()
    ended = driver.row(OrderStatus.CANCELED_MARGIN, listed=False)
    asked = only(driver(driver.answer(), ended), LookAtEnd)
    assert asked.client_order_index == driver.order.client_order_index
    driver.later(LISTED_AGAIN_MS - 1)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [LookAtEnd]
    driver(driver.row(OrderStatus.CANCELED_MARGIN))
    assert driver.state.order is None
    assert driver.state.phase is Phase.READY


def test_an_end_that_is_not_listed_in_time_is_fenced() -> None:
    """The fence cancels what may rest; the same end again and again waits longer."""
    driver = Maker().working()
    driver(driver.row(OrderStatus.CANCELED_POST_ONLY, listed=False))
    driver.later(driver.state.config.deadline_ms)
    effects = driver(Tick())
    assert Fence in kinds(effects)
    assert driver.state.repeats is not None
    assert driver.state.repeats.times == 1


def test_a_frame_that_was_false_is_corrected_by_the_answer() -> None:
    """It told of an end without a fill; the exchange lists the order as filled."""
    driver = Maker().working()
    driver(driver.row(OrderStatus.CANCELED_MARGIN, listed=False))
    driver(driver.row(FILLED, 100))
    assert driver.state.phase is Phase.AWAITING_HEDGE
    driver(driver.fill(100))
    assert driver.state.order is None


@pytest.mark.parametrize("filled", [0, 100], ids=["our cancel", "all of it filled"])
def test_an_end_that_we_know_ourselves_needs_no_answer(filled: int) -> None:
    """We asked for it, or its fills add up to the order."""
    driver = Maker().cancelling() if not filled else Maker().working()
    if filled:
        driver(driver.fill(filled))
    else:
        driver(driver.answer(pending=Pending.CANCEL))
    effects = driver(driver.row(FILLED if filled else CANCELED, filled, listed=False))
    assert LookAtEnd not in kinds(effects)
    assert Place in kinds(effects) or driver.state.order is None


def test_a_row_alone_starts_the_hold() -> None:
    """The row may tell of a fill before the trade does; A holds from then on."""
    driver = Maker().working()
    driver(driver.row(OPEN, 30))
    assert driver.state.phase is Phase.AWAITING_HEDGE
    assert driver.state.uncovered_ms == driver.now.now_ms


def test_a_cancelled_order_is_replaced_at_once() -> None:
    """Once the venue says that our cancel is done, the next order needs no pause."""
    driver = Maker().cancelling()
    driver(driver.answer(pending=Pending.CANCEL))
    assert kinds(driver(driver.row(CANCELED))) == [Place]


def test_a_fill_that_beats_the_cancel_is_a_fill() -> None:
    """The cancel came too late: the fill goes out, and A holds like after any other."""
    driver = Maker().cancelling()
    done = driver(driver.fill(100), driver.answer(refused(), pending=Pending.CANCEL))
    assert kinds(done) == [PublishFill]
    assert driver.state.phase is Phase.AWAITING_HEDGE
    driver(driver.row(FILLED, 100))
    assert driver.state.order is None


# --- cancelling ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "why",
    ["streams", "redis", "peer", "time", "price", "heartbeat", "silence"],
)
def test_what_takes_a_resting_order_off(why: str) -> None:
    """Old, off its level, or with anything unknown about B or ourselves, an order is cancelled."""
    driver = Maker().working()
    driver.later(1000)
    event: object = Tick()
    if why == "streams":
        event = StreamsChanged(up=False)
    elif why == "silence":
        event = Tick(answering=False)
    elif why == "redis":
        event = RedisChanged(up=False)
    elif why == "peer":
        event = driver.peer(driver.ledger(), ready=False)
    elif why == "heartbeat":
        event = driver.peer(None, ready=False, alive=False)
    elif why == "time":
        driver.later(29_000)
    else:
        driver.facts(bid_ticks=BID - 21)
        assert driver(Tick()) == []
        driver.later(1000)
    assert only(driver(event), Cancel).order.client_order_index == driver.order.client_order_index
    assert driver.state.phase is Phase.CANCELLING


def test_nothing_is_placed_while_the_exchange_does_not_answer() -> None:
    """A ping that is open for seconds: the order could neither be seen nor cancelled."""
    driver = Maker().ready()
    driver.facts(room=True)
    assert driver(Tick(answering=False)) == []
    assert kinds(driver(Tick())) == [Place]


@pytest.mark.parametrize("shift", [-20, 20])
def test_a_small_move_keeps_the_order(shift: int) -> None:
    """Within the tolerance the order keeps its place in the queue."""
    driver = Maker().working()
    driver.later(1000)
    driver.facts(bid_ticks=BID + shift)
    assert driver(Tick()) == []


@pytest.mark.parametrize("facts", [{"room": False}, {"bid_ticks": None}])
def test_an_order_is_not_replaced_without_room_or_price(facts: dict[str, object]) -> None:
    """A crowded budget or an unknown price is no reason to give up the place in the queue."""
    driver = Maker().working()
    driver.later(1000)
    driver.facts(bid_ticks=BID - 100)
    driver.facts(**facts)
    assert driver(Tick()) == []


def test_a_fresh_order_is_not_replaced_at_every_flicker() -> None:
    """In its first second a price move does not take the order off."""
    driver = Maker().working()
    driver.facts(bid_ticks=BID - 100)
    assert driver(Tick()) == []
    driver.later(1000)
    assert kinds(driver(Tick())) == [Cancel]


def test_a_sell_follows_the_ask() -> None:
    """The level of an order is that of its own side."""
    driver = Maker().working(net=100)
    driver.later(1000)
    driver.facts(bid_ticks=BID - 100)
    assert driver(Tick()) == []
    driver.facts(ask_ticks=ASK + 100)
    assert driver(Tick()) == []
    driver.later(1000)
    assert kinds(driver(Tick())) == [Cancel]


def test_one_cancel_is_enough() -> None:
    """Whatever else speaks against the order, its cancel is not sent twice."""
    driver = Maker().cancelling()
    driver(driver.answer(pending=Pending.CANCEL))
    driver.facts(bid_ticks=BID - 100)
    assert driver(StreamsChanged(up=False)) == []


def test_a_whole_fill_is_not_cancelled() -> None:
    """When the known trades are the whole order, there is nothing left to take off."""
    driver = Maker().working()
    assert kinds(driver(driver.fill(100))) == [PublishFill]
    driver.later(5_000)
    assert driver(Tick(), StreamsChanged(up=False)) == []
    halted = Maker().working()
    halted(halted.fill(60), halted.fill(40), halted.answer(pending=Pending.CANCEL))
    halted.later(1)
    assert Cancel not in kinds(halted(Tick()))


def test_a_whole_fill_without_its_end_is_fenced() -> None:
    """The last row of a filled order got lost: without a fence A would hold for ever."""
    driver = Maker().working()
    driver(driver.fill(100))
    driver.later(9_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Fence]


# --- partial fills ---------------------------------------------------------------------------


def test_the_rest_of_a_partly_filled_order_is_cancelled() -> None:
    """B's market order must not hit A's own remainder."""
    driver = Maker().working()
    assert kinds(driver(driver.fill(30))) == [PublishFill, Cancel]
    assert driver.state.phase is Phase.AWAITING_HEDGE


def test_the_rest_stays_where_the_user_wants_it() -> None:
    """With `keep` the remainder rests on until it is old, or until the hedge is overdue."""
    driver = Maker(keep_remainder=True).working()
    assert kinds(driver(driver.fill(30))) == [PublishFill]
    driver.cover()
    assert driver.state.phase is Phase.AWAITING_HEDGE
    driver.later(29_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Cancel]


def test_an_overdue_hedge_takes_the_kept_rest_off() -> None:
    """B is late: what still rests would only add to what is unhedged."""
    driver = Maker(keep_remainder=True, order_timeout_ms=10**9, confirm_timeout_ms=5_000).working()
    driver(driver.fill(30))
    driver.later(5_000)
    assert kinds(driver(Tick())) == [Cancel]
    assert driver.notes(loud=True) == ["hedge_confirm_timeout"]


# --- deadlines -------------------------------------------------------------------------------


def test_an_order_that_is_never_shown_is_fenced() -> None:
    """Accepted and never listed: after ten seconds a fence decides, not a guess."""
    driver = Maker(order_timeout_ms=10**9).placing()
    driver(driver.answer())
    driver.later(9_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Fence]
    assert driver.state.phase is Phase.RECONCILING


def test_a_cancel_that_is_never_confirmed_is_fenced() -> None:
    """A cancel is done only when the venue says so; a fence (it cancels all) ends the waiting."""
    driver = Maker().cancelling()
    driver(driver.answer(pending=Pending.CANCEL))
    driver.later(10_000)
    assert kinds(driver(Tick())) == [Fence]


def test_trades_that_do_not_add_up_are_fetched_then_fenced() -> None:
    """Rows and trades come on two channels: what a row knows more is asked for."""
    driver = Maker().working()
    driver(driver.fill(30), driver.answer(pending=Pending.CANCEL))
    assert driver(driver.row(CANCELED, 70)) == []  # the trades usually follow within moments
    driver.later(1000)
    assert kinds(driver(Tick())) == [CatchUp]
    driver.later(999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [CatchUp]
    driver.later(8_000)
    assert Fence in kinds(driver(Tick()))
    assert driver.state.pending is Pending.FENCE
    driver.later(5_000)
    assert driver(Tick()) == []  # the fence's proof reads the trades itself


def test_a_book_that_stays_at_odds_is_proven_anew_and_stated_only_then() -> None:
    """A gap that REST does not close is asked for, not for ever; what one frame says binds nobody.

    B hedges by its own watch meanwhile.
    """
    driver = Maker().working()
    driver(driver.fill(60, consistent=False), driver.answer(pending=Pending.CANCEL))
    asked, fenced = 0, 0
    for _ in range(40):
        driver.later(500)
        done = driver(Tick())
        asked += kinds(done).count(CatchUp)
        fenced += kinds(done).count(Fence)
        assert not {PublishFill, PublishPosition} & set(kinds(done))
    assert fenced == 1
    assert asked <= 6
    driver.effects.clear()
    driver.proven(60)
    fills = [one for one in driver.effects if isinstance(one, PublishFill)]
    assert [(one.seq, one.position_lots) for one in fills] == [(2, 60)]


def test_a_frame_that_told_another_position_is_corrected_before_it_is_stated() -> None:
    """What is published is what the answer has made of the book."""
    driver = Maker().working()
    driver(driver.fill(60, consistent=False), driver.answer(pending=Pending.CANCEL))
    driver.later(5000)
    assert PublishFill not in kinds(driver(Tick()))
    said = driver(OwnBook(BookView(50, 9, consistent=True)))
    assert [one.position_lots for one in said if isinstance(one, PublishFill)] == [50]


def test_a_contradicting_book_is_caught_up_at_once_and_nothing_is_said() -> None:
    """A gap in the stream: no position goes out before the missing trade is found."""
    driver = Maker().working()
    stated = driver.state.net_lots
    late = driver.fill(60, consistent=False)
    done = driver(late)
    assert kinds(done)[0] is CatchUp
    assert PublishFill not in kinds(done)
    assert driver.state.net_lots == stated
    found = driver(driver.fill(40))
    assert kinds(found).count(PublishFill) == 2
    assert driver.state.unsaid == ()
    said = [effect for effect in found if isinstance(effect, PublishFill)]
    assert [effect.seq for effect in said] == [2, 3]
    assert {effect.position_lots for effect in said} == {100}


# --- how simpler rules lose money ------------------------------------------------------------


def test_an_unfilled_row_with_a_second_copy_under_way_passes_a_fence() -> None:
    """Taking a zero-filled row for the end lets the delayed first copy rest beside a new order."""
    driver = Maker().working(copies=2)
    assert kinds(driver(driver.row(CANCELED))) == [Fence]
    assert driver.state.order is not None


def test_a_terminal_row_is_not_the_end_of_its_fills() -> None:
    """Releasing on the row alone leaves 70 of 100 unhedged: the trades come later."""
    driver = Maker().working()
    driver(driver.fill(30), driver.row(FILLED, 100))
    driver(driver.answer(refused(), pending=Pending.CANCEL))
    driver.cover()
    assert driver.state.phase is Phase.AWAITING_HEDGE
    assert driver.state.order is not None
    driver(driver.fill(70))
    assert driver.state.order is None
    assert driver.state.phase is Phase.AWAITING_HEDGE
    driver.cover()
    assert driver.state.phase is not Phase.AWAITING_HEDGE


def test_a_fence_is_the_only_transaction_until_it_is_passed() -> None:
    """A second unanswered transaction beside the fence could execute after it."""
    driver = Maker().working()
    driver(StreamsChanged(up=False), StreamsChanged(up=True))
    assert driver.state.pending is Pending.FENCE
    driver.later(60_000)
    assert driver(Tick(), driver.row(OPEN, 0), driver.peer(None, ready=False)) == []
    driver.proven()
    assert driver.state.order is None


def test_an_order_that_b_could_no_longer_hedge_is_cancelled() -> None:
    """B's margin fell under what still rests; a sell of A's never needs it."""
    driver = Maker().working()
    assert driver(driver.peer(driver.ledger(), can_hedge_lots=100)) == []
    assert kinds(driver(driver.peer(driver.ledger(), can_hedge_lots=99))) == [Cancel]
    selling = Maker().working(net=100)
    assert selling(selling.peer(selling.ledger(), can_hedge_lots=0)) == []


def test_a_fence_short_of_the_order_s_own_nonce_proves_nothing_about_it() -> None:
    """A nonce handed back leaves A's count ahead: the delayed copy comes to rest after the fence.

    Nobody knows of that order then, and a halted A would leave it there.
    """
    driver = Maker().placing()
    driver(driver.answer(UNKNOWN))
    done = driver(Reconciled(driver.order.nonce, driver.view(), explained=True))
    assert kinds(done) == [Fence]
    assert driver.state.pending is Pending.FENCE
    assert driver.state.order is not None
    driver.proven()
    assert driver.state.order is None


# --- where the hedge is ------------------------------------------------------------------------


def test_an_order_whose_hedge_became_too_dear_is_taken_off_at_once() -> None:
    """No persistence, no budget: a fill now would cost more than is allowed."""
    driver = Maker().working()
    driver.facts(room=False, book=book_at(BID * 99 // 100 - 1, ASK, MARK))
    assert kinds(driver(Tick())) == [Cancel]


@pytest.mark.parametrize(("share", "places"), [(90, True), (91, False), (100, False)])
def test_a_new_order_keeps_a_tenth_of_the_allowance(share: int, places: bool) -> None:
    """So that an order at the edge does not come and go."""
    driver = Maker().ready()
    hedge = BID * 10_000 // (10_000 + share) + (share == 90)
    driver.facts(room=True, book=book_at(hedge, ASK, MARK))
    assert kinds(driver(Tick())) == [Place] * places
    resting = Maker().working()
    resting.facts(book=book_at(hedge + 1, ASK, MARK))
    assert resting(Tick()) == []


def test_a_flicker_of_the_level_costs_no_requote() -> None:
    """Off its level for less than a second, again and again: the order stays."""
    driver = Maker().working()
    driver.later(60_000 - 30_000 - 5_000)
    for _ in range(3):
        driver.facts(bid_ticks=BID - 100)
        assert driver(Tick()) == []
        driver.later(999)
        assert driver(Tick()) == []
        driver.facts(bid_ticks=BID)
        assert driver(Tick()) == []


def test_a_book_that_is_refuted_takes_the_order_off_at_once() -> None:
    """Whatever its level is now, it is not what was known."""
    driver = Maker().working()
    driver.facts(bid_ticks=None, ask_ticks=None, book=Depth(mark_ticks=MARK, doubt="no frame"))
    assert kinds(driver(Tick())) == [Cancel]
    assert "no frame" in [one.detail for one in driver.effects if one.__class__.__name__ == "Note"]


def test_without_market_data_an_order_rests_five_seconds_more() -> None:
    """A short gap costs no requests; a long one may hide any price."""
    driver = Maker().working()
    driver.facts(bid_ticks=None, ask_ticks=None, book=Depth())
    assert driver(Tick()) == []
    driver.later(4_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [Cancel]


@pytest.mark.parametrize(
    ("settings", "price", "ticks"),
    [
        ({"requote_ticks": 10}, BID, 10),
        ({"requote_ticks": 10}, 12, 0),  # where a tick is 8 % of the price any other level counts
        ({"requote_ticks": 10, "max_slippage_bps": 5000}, 12, 6),
        ({"requote_share": 5_000}, BID, 14),
        ({"requote_share": 5_000}, 12, 0),
    ],
)
def test_the_tolerance_makes_sense_whatever_a_tick_is(
    settings: dict[str, int], price: int, ticks: int
) -> None:
    """At most the allowed slippage; as a part of the price it is one wherever that is."""
    assert tolerance_ticks(Maker(**settings).state.config, price) == ticks


def test_a_position_above_the_quote_limit_is_sold_in_parts() -> None:
    """As long as a part may rest; one that may not is left to the exchange."""
    driver = Maker().ready(net=1000)
    driver.facts(room=True, spec=replace(SPEC, order_quote_limit_micros=30_020_000))
    assert only(driver(Tick()), Place).order.lots == 100
    small = Maker().ready(net=1000)
    small.facts(room=True, spec=replace(SPEC, order_quote_limit_micros=9_000_000))
    assert only(small(Tick()), Place).order.lots == 1000


def test_a_sell_without_a_mark_price_closes_by_the_book_alone() -> None:
    """It opens nothing, and what is open need not stay so."""
    driver = Maker().ready(net=100)
    driver.facts(room=True, book=book_at(BID, ASK, None))
    assert only(driver(Tick()), Place).order.side is Side.SELL
