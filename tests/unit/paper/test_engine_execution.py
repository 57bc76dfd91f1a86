"""What becomes of accepted transactions: every terminal status, delays, and the order of events."""

from __future__ import annotations

import json

import pytest

from paper.records import (
    BookLevelChanged,
    CollateralChanged,
    OrderChanged,
    OrderStatus,
    PositionChanged,
    TradeHappened,
    TxChanged,
    TxStatus,
)
from tests.unit.paper.bench import ALICE, BOB, DAY_MS, KEY, TWIN, USD, Bench

MINUTE_MS = 60_000


def test_filled_and_partly_filled_maker(bench: Bench) -> None:
    """A resting order is open, partly filled, filled; takers get its price."""
    order = bench.create(ALICE, BaseAmount=100, Price=299_900)
    assert (order.status, order.remaining_lots) == (OrderStatus.OPEN, 100)
    first = bench.market(BOB, 40, is_ask=True)
    assert (first.status, first.filled_quote) == (OrderStatus.FILLED, 40 * 299_900)
    part = bench.now_row(order)
    assert (part.status, part.remaining_lots, part.filled_lots) == (OrderStatus.OPEN, 60, 40)
    bench.market(BOB, 60, is_ask=True)
    done = bench.now_row(order)
    assert (done.status, done.remaining_lots, done.filled_lots) == (OrderStatus.FILLED, 0, 100)
    assert (bench.lots(ALICE), bench.lots(BOB)) == (100, -100)


def test_price_then_time(bench: Bench) -> None:
    """The better price is matched first, the older order first within a price."""
    old = bench.create(ALICE, Price=299_900)
    young = bench.create(TWIN, Price=299_900)
    best = bench.create(TWIN, Price=299_950)
    bench.market(BOB, 250, is_ask=True)
    rows = [bench.now_row(order).filled_lots for order in (best, old, young)]
    assert rows == [100, 100, 50]
    prices = [trade.price for trade in bench.engine.market_trades(0)]
    assert prices == [299_900, 299_900, 299_950]


def test_order_indexes(bench: Bench) -> None:
    """Ask nonces count up from 1, bid nonces down from 2^48 - 1, in (market + 1) * 2^48."""
    asks = [bench.create(ALICE, IsAsk=1, Price=300_100).order_index for _ in range(2)]
    bids = [bench.create(ALICE).order_index for _ in range(2)]
    base = 1 << 48
    assert asks == [base + 1, base + 2]
    assert bids == [base + base - 1, base + base - 2]


def test_canceled(bench: Bench) -> None:
    """A cancel by client id and one by order index end their orders."""
    by_client = bench.create(ALICE, ClientOrderIndex=7)
    by_index = bench.create(ALICE)
    account = bench.engine.account(ALICE)
    assert account is not None
    assert account.total_order_count == 2
    assert bench.cancel(ALICE, 7).status is TxStatus.EXECUTED
    assert bench.cancel(ALICE, by_index.order_index).status is TxStatus.EXECUTED
    for order in (by_client, by_index):
        row = bench.now_row(order)
        assert (row.status, row.remaining_lots) == (OrderStatus.CANCELED, 0)
    assert bench.engine.levels(0, is_ask=False) == []
    assert account.total_order_count == 0


def test_canceled_post_only(bench: Bench) -> None:
    """A post-only order that would cross ends at once, with its transaction executed."""
    bench.ladder((True, 300_100, 1_000))
    order = bench.create(ALICE, TimeInForce=2, Price=300_100)
    assert order.status is OrderStatus.CANCELED_POST_ONLY
    assert bench.create(ALICE, TimeInForce=2, Price=300_099).status is OrderStatus.OPEN
    assert bench.lots(ALICE) == 0


def test_canceled_not_enough_liquidity(bench: Bench) -> None:
    """An IOC against an empty book, or a limit IOC beyond its limit, ends unfilled or partly."""
    gone = OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY
    assert bench.market(ALICE, 10, is_ask=False).status is gone
    bench.ladder((True, 300_100, 60), (True, 300_200, 60))
    assert bench.create(ALICE, TimeInForce=0, Price=300_000).status is gone
    part = bench.create(ALICE, TimeInForce=0, Price=300_100)
    assert (part.status, part.filled_lots) == (gone, 60)
    rest = bench.market(ALICE, 1_000, is_ask=False)
    assert (rest.status, rest.filled_lots) == (gone, 120)


def test_canceled_too_much_slippage(bench: Bench) -> None:
    """A market order's price bounds the average: cheap fills buy room for dearer ones."""
    bench.ladder((True, 300_000, 100), (True, 300_200, 100), (True, 300_400, 100))
    order = bench.market(ALICE, 300, is_ask=False, Price=300_100)
    assert (order.status, order.filled_lots) == (OrderStatus.CANCELED_TOO_MUCH_SLIPPAGE, 200)
    none = bench.market(ALICE, 10, is_ask=False, Price=299_999)
    assert (none.status, none.filled_lots) == (OrderStatus.CANCELED_TOO_MUCH_SLIPPAGE, 0)
    bench.ladder((False, 300_000, 100), (False, 299_800, 100), (False, 299_600, 100))
    order = bench.market(ALICE, 300, is_ask=True, Price=299_900)
    assert (order.status, order.filled_lots) == (OrderStatus.CANCELED_TOO_MUCH_SLIPPAGE, 200)


def test_canceled_reduce_only(bench: Bench) -> None:
    """Reduce-only orders are clipped to the position, and end when nothing is left to reduce."""
    bench.ladder((True, 300_100, 1_000), (False, 299_900, 1_000))
    bench.market(ALICE, 100, is_ask=False)
    resting = bench.create(ALICE, IsAsk=1, Price=300_050, ReduceOnly=1)
    clipped = bench.market(ALICE, 40, is_ask=True, ReduceOnly=1)
    assert (clipped.status, clipped.filled_lots) == (OrderStatus.FILLED, 40)
    assert bench.now_row(resting).remaining_lots == 60
    over = bench.market(ALICE, 500, is_ask=True, ReduceOnly=1)
    assert (over.status, over.filled_lots) == (OrderStatus.CANCELED_REDUCE_ONLY, 60)
    assert bench.now_row(resting).status is OrderStatus.CANCELED_REDUCE_ONLY
    assert bench.lots(ALICE) == 0


def test_a_filled_maker_shrinks_its_other_reduce_only_orders(bench: Bench) -> None:
    """When one resting reduce-only order is filled, the others never exceed what is left."""
    bench.ladder((True, 300_100, 100))
    bench.market(ALICE, 100, is_ask=False)
    first = bench.create(ALICE, IsAsk=1, Price=300_040, ReduceOnly=1)
    second = bench.create(ALICE, IsAsk=1, Price=300_050, ReduceOnly=1)
    bench.market(BOB, 60, is_ask=False)
    assert [bench.now_row(order).remaining_lots for order in (first, second)] == [40, 40]
    bench.market(BOB, 40, is_ask=False)
    assert bench.now_row(first).status is OrderStatus.FILLED
    assert bench.now_row(second).status is OrderStatus.CANCELED_REDUCE_ONLY


def test_a_clipped_reduce_only_order_is_not_called_filled(bench: Bench) -> None:
    """A resting reduce-only order larger than the position ends as canceled-reduce-only."""
    bench.ladder((True, 300_100, 1_000))
    bench.market(ALICE, 60, is_ask=False)
    order = bench.create(ALICE, IsAsk=1, Price=300_050, ReduceOnly=1, BaseAmount=100)
    assert (order.initial_lots, order.remaining_lots) == (100, 60)
    bench.market(BOB, 60, is_ask=False)
    ended = bench.now_row(order)
    assert (ended.status, ended.filled_lots) == (OrderStatus.CANCELED_REDUCE_ONLY, 60)


def test_reduce_only_of_the_whole_position(bench: Bench) -> None:
    """Base amount 0 with reduce-only closes exactly the position, resting or not."""
    bench.ladder((True, 300_100, 1_000), (False, 299_900, 1_000))
    bench.market(ALICE, 123, is_ask=False)
    resting = bench.create(ALICE, BaseAmount=0, IsAsk=1, Price=300_050, ReduceOnly=1)
    assert (resting.initial_lots, resting.remaining_lots) == (123, 123)
    closed = bench.market(ALICE, 0, is_ask=True, ReduceOnly=1)
    assert (closed.status, closed.initial_lots) == (OrderStatus.FILLED, 123)
    assert bench.lots(ALICE) == 0


def test_reduce_only_overtaken_in_the_queue(slow: Bench) -> None:
    """A reduce-only order whose position is gone at execution ends as canceled-reduce-only."""
    slow.ladder((True, 300_100, 1_000), (False, 299_900, 1_000))
    slow.market(ALICE, 100, is_ask=False)
    sell = {"IsAsk": 1, "Type": 1, "TimeInForce": 0, "Price": 290_000, "ReduceOnly": 1}
    slow.submit(14, slow.create_info(ALICE, **sell))
    late = slow.submit(14, slow.create_info(ALICE, **sell))
    slow.run(300)
    assert slow.order_of(late.tx_hash).status is OrderStatus.CANCELED_REDUCE_ONLY
    assert slow.lots(ALICE) == 0


def test_canceled_position_not_allowed(bench: Bench) -> None:
    """A market that only reduces refuses what would enlarge a position."""
    bench.ladder((True, 300_100, 1_000), (False, 299_900, 1_000))
    bench.market(ALICE, 100, is_ask=False)
    bench.engine.set_force_reduce_only(0, on=True)
    assert bench.market(ALICE, 1, is_ask=False).status is OrderStatus.CANCELED_POSITION_NOT_ALLOWED
    assert bench.market(ALICE, 100, is_ask=True).status is OrderStatus.FILLED


def test_the_others_go_on_in_a_market_that_only_reduces(bench: Bench) -> None:
    """The house accounts stand for everybody else, who may hold what they reduce."""
    bench.engine.set_force_reduce_only(0, on=True)
    bench.ladder((True, 300_100, 1_000), (False, 299_900, 1_000))
    assert bench.market(ALICE, 1, is_ask=False).status is OrderStatus.CANCELED_POSITION_NOT_ALLOWED
    assert bench.engine.best_price(0, is_ask=True) == 300_100


def test_canceled_margin_not_allowed_taker(bench: Bench) -> None:
    """A taker without margin is accepted, ends in execution, and its nonce is spent."""
    bench.ladder((True, 300_100, 10_000), (True, 300_200, 10_000_000))
    bench.engine.add_collateral(ALICE, -99_000 * USD)
    order = bench.market(ALICE, 1_000_000, is_ask=False)
    assert (order.status, order.filled_lots) == (OrderStatus.CANCELED_MARGIN_NOT_ALLOWED, 10_000)
    assert bench.nonce(ALICE) == 1
    assert bench.lots(ALICE) == 10_000


def test_buying_far_above_the_mark_costs_margin(bench: Bench) -> None:
    """The loss against the mark price that a fill brings at once counts in its margin check."""
    bench.ladder((True, 330_000, 10_000))
    bench.engine.add_collateral(ALICE, -99_600 * USD)
    order = bench.market(ALICE, 10_000, is_ask=False)
    assert order.status is OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
    bench.engine.add_collateral(ALICE, 50 * USD)
    assert bench.market(ALICE, 10_000, is_ask=False).status is OrderStatus.FILLED
    summary = bench.engine.summary(ALICE)
    assert (summary.total_value, summary.initial_margin) == (150 * USD, 150 * USD)
    assert summary.maintenance_margin == 36 * USD


def test_reducing_needs_no_margin(bench: Bench) -> None:
    """An account below its initial margin may still reduce, but not enlarge or flip."""
    bench.ladder((True, 300_100, 100_000), (False, 299_900, 100_000))
    bench.market(ALICE, 1_000, is_ask=False)
    bench.engine.add_collateral(ALICE, 5 * USD - bench.engine.summary(ALICE).collateral)
    denied = OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
    assert bench.market(ALICE, 1, is_ask=False).status is denied
    assert bench.market(ALICE, 2_000, is_ask=True).status is denied
    assert bench.market(ALICE, 400, is_ask=True).status is OrderStatus.FILLED
    assert bench.lots(ALICE) == 600


def test_canceled_margin_not_allowed_maker(bench: Bench) -> None:
    """A maker that could no longer hold the fill is cancelled, the taker goes on to the next."""
    poor = bench.create(ALICE, BaseAmount=10_000, Price=299_950)
    good = bench.create(TWIN, BaseAmount=10_000, Price=299_900)
    bench.engine.add_collateral(ALICE, -99_990 * USD)
    order = bench.market(BOB, 10_000, is_ask=True)
    assert order.filled_quote == 10_000 * 299_900
    assert bench.now_row(poor).status is OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
    assert bench.now_row(good).status is OrderStatus.FILLED


def test_resting_without_margin_at_execution(slow: Bench) -> None:
    """A resting order whose margin is gone at execution ends as canceled-margin-not-allowed."""
    slow.submit(14, slow.create_info(ALICE, BaseAmount=100_000))
    accepted = slow.submit(14, slow.create_info(ALICE, BaseAmount=100_000))
    slow.engine.add_collateral(ALICE, -98_000 * USD)
    slow.run(200)
    assert slow.order_of(accepted.tx_hash).status is OrderStatus.CANCELED_MARGIN_NOT_ALLOWED


@pytest.mark.parametrize(
    ("behavior", "maker", "taker", "bought"),
    [
        (0, OrderStatus.CANCELED_SELF_TRADE, OrderStatus.FILLED, 100),
        (1, OrderStatus.OPEN, OrderStatus.CANCELED_SELF_TRADE, 0),
        (2, OrderStatus.CANCELED_SELF_TRADE, OrderStatus.CANCELED_SELF_TRADE, 0),
        (3, OrderStatus.OPEN, OrderStatus.CANCELED_SELF_TRADE, 0),
    ],
)
def test_canceled_self_trade(
    bench: Bench, behavior: int, maker: OrderStatus, taker: OrderStatus, bought: int
) -> None:
    """An account never trades with itself: maker, taker or both expire, or both shrink."""
    own = bench.create(ALICE, IsAsk=1, Price=300_100, BaseAmount=300)
    bench.create(BOB, IsAsk=1, Price=300_200, BaseAmount=300)
    attributes = {"6": behavior} if behavior else None
    order = bench.market(ALICE, 100, is_ask=False, L2TxAttributes=attributes)
    assert (bench.now_row(own).status, order.status) == (maker, taker)
    assert bench.lots(ALICE) == bought
    assert bench.now_row(own).remaining_lots == {0: 0, 1: 300, 2: 0, 3: 200}[behavior]


def test_sub_accounts_trade_with_each_other_unless_asked(bench: Bench) -> None:
    """Two accounts of one master are strangers, unless equality is set to the master."""
    first = bench.create(TWIN, IsAsk=1, Price=300_100)
    assert bench.market(ALICE, 100, is_ask=False).status is OrderStatus.FILLED
    assert bench.now_row(first).status is OrderStatus.FILLED
    second = bench.create(TWIN, IsAsk=1, Price=300_100)
    order = bench.market(ALICE, 100, is_ask=False, L2TxAttributes={"7": 1})
    assert order.status is OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY
    assert bench.now_row(second).status is OrderStatus.CANCELED_SELF_TRADE


def test_canceled_expired(bench: Bench) -> None:
    """A resting order ends at its expiry, not before."""
    order = bench.create(ALICE, OrderExpiry=bench.now + 5 * MINUTE_MS)
    assert bench.engine.next_due_ms() == bench.now + 5 * MINUTE_MS
    bench.run(5 * MINUTE_MS - 1)
    assert bench.now_row(order).status is OrderStatus.OPEN
    bench.run(1)
    assert bench.now_row(order).status is OrderStatus.CANCELED_EXPIRED
    assert bench.engine.next_due_ms() is None


def test_cancel_all(bench: Bench) -> None:
    """An immediate cancel-all ends all orders of the account, or those of one market."""
    eth = bench.create(ALICE)
    btc = bench.create(ALICE, MarketIndex=1, Price=999_000)
    other = bench.create(BOB)
    bench.cancel_all(ALICE, L2TxAttributes={"5": 0})
    statuses = [bench.now_row(order).status for order in (eth, btc, other)]
    assert statuses == [OrderStatus.CANCELED, OrderStatus.OPEN, OrderStatus.OPEN]
    bench.cancel_all(ALICE)
    assert bench.now_row(btc).status is OrderStatus.CANCELED
    assert bench.now_row(other).status is OrderStatus.OPEN


def test_dead_mans_switch(bench: Bench) -> None:
    """A scheduled cancel-all fires for the whole account; renewal and abort move or disarm it."""
    engine = bench.engine
    order = bench.create(ALICE)
    first = bench.now + 5 * MINUTE_MS
    bench.cancel_all(ALICE, 1, first)
    bench.cancel_all(ALICE, 1, first + MINUTE_MS)
    bench.run(5 * MINUTE_MS)
    assert bench.now_row(order).status is OrderStatus.OPEN
    bench.cancel_all(ALICE, 2)
    bench.run(2 * MINUTE_MS)
    assert bench.now_row(order).status is OrderStatus.OPEN
    bench.cancel_all(ALICE, 1, bench.now + 5 * MINUTE_MS)
    account = engine.account(ALICE)
    assert account is not None
    assert account.cancel_all_time == bench.now + 5 * MINUTE_MS
    bench.run(5 * MINUTE_MS)
    assert bench.now_row(order).status is OrderStatus.CANCELED
    assert account.cancel_all_time == 0


def test_an_immediate_cancel_all_disarms_the_switch(bench: Bench) -> None:
    """After an immediate cancel-all nothing is scheduled any more."""
    bench.cancel_all(ALICE, 1, bench.now + 5 * MINUTE_MS)
    bench.cancel_all(ALICE)
    order = bench.create(ALICE)
    bench.run(6 * MINUTE_MS)
    assert bench.now_row(order).status is OrderStatus.OPEN


def test_a_switch_scheduled_too_late_fails(slow: Bench) -> None:
    """A scheduled cancel-all whose time has passed at execution fails with its reason."""
    far = slow.now + 5 * MINUTE_MS
    info = slow.plain_info(ALICE, TimeInForce=1, Time=far, ExpiredAt=far + 10_000)
    accepted = slow.submit(16, info)
    slow.run(5 * MINUTE_MS + 1)
    tx = slow.tx(accepted)
    error = json.loads(tx.event_info)["ae"]
    assert (tx.status, error) == (TxStatus.FAILED, "invalid cancel all time")


def test_a_fill_beats_a_cancel(slow: Bench) -> None:
    """A cancel that executes after the fill fails, with its reason, and its nonce is spent."""
    order = slow.create(ALICE, ClientOrderIndex=7)
    cancel = slow.submit(15, slow.plain_info(ALICE, MarketIndex=0, Index=7))
    slow.take(100, is_ask=True)
    slow.run(300)
    assert slow.tx(cancel).status is TxStatus.FAILED
    assert json.loads(slow.tx(cancel).event_info)["ae"] != ""
    assert slow.now_row(order).status is OrderStatus.FILLED
    assert slow.nonce(ALICE) == 2


def test_a_queued_create_can_be_cancelled(slow: Bench) -> None:
    """A cancel sent right behind its create is accepted and executes after it."""
    create = slow.submit(14, slow.create_info(ALICE, ClientOrderIndex=7))
    slow.submit(15, slow.plain_info(ALICE, MarketIndex=0, Index=7))
    slow.run(300)
    assert slow.order_of(create.tx_hash).status is OrderStatus.CANCELED


def test_delays_and_nonce_order(slow: Bench) -> None:
    """Takers and cancels wait 300 ms, makers not at all, but never overtake their own key."""
    slow.ladder((True, 300_100, 1_000), (False, 299_900, 1_000))
    slow.engine.add_key(ALICE, 6, "ab")
    start = slow.now
    taker = {"Type": 1, "TimeInForce": 0, "Price": 310_000}
    due = [
        slow.submit(14, slow.create_info(ALICE, **taker)),
        slow.submit(14, slow.create_info(ALICE, TimeInForce=2)),
        slow.submit(14, slow.create_info(ALICE, ApiKeyIndex=6, TimeInForce=2)),
        slow.submit(14, slow.create_info(BOB, Price=300_100)),
        slow.submit(16, slow.plain_info(BOB, TimeInForce=0, Time=0)),
    ]
    delays = [accepted.predicted_execution_time_ms - start for accepted in due]
    assert delays == [300, 300, 0, 300, 300]
    slow.run(299)
    assert [slow.tx(a).status for a in due].count(TxStatus.EXECUTED) == 1
    assert slow.tx(due[2]).status is TxStatus.EXECUTED
    slow.run(1)
    assert {slow.tx(a).status for a in due} == {TxStatus.EXECUTED}
    heights = [slow.tx(a).block_height for a in due]
    assert heights[0] < heights[1]
    assert heights[3] < heights[4]


def test_expired_before_execution(slow: Bench) -> None:
    """A transaction that is not executed before ExpiredAt fails; its nonce stays spent."""
    accepted = slow.submit(14, slow.create_info(ALICE, ExpiredAt=slow.now + 200))
    slow.run(200)
    tx = slow.tx(accepted)
    assert (tx.status, json.loads(tx.event_info)["ae"]) == (TxStatus.FAILED, "transaction expired")
    assert slow.nonce(ALICE) == 1
    in_time = slow.submit(14, slow.create_info(ALICE, ExpiredAt=slow.now + 201))
    slow.run(200)
    assert slow.tx(in_time).status is TxStatus.EXECUTED


def test_key_deleted_before_execution(slow: Bench) -> None:
    """A queued transaction of a deleted key fails; a key that returns goes on with its nonce."""
    accepted = slow.submit(14, slow.create_info(ALICE))
    slow.engine.delete_key(ALICE, KEY)
    assert slow.engine.next_nonce(ALICE, KEY) is None
    slow.run(200)
    assert slow.tx(accepted).status is TxStatus.FAILED
    slow.engine.add_key(ALICE, KEY, "0xCDEF")
    account = slow.engine.account(ALICE)
    assert account is not None
    assert account.api_keys[KEY].public_key == "cdef"
    assert slow.nonce(ALICE) == 1


def test_order_of_events(bench: Bench) -> None:
    """Per fill: positions, then the trade, then the orders, then the levels; seqs without gaps."""
    bench.create(ALICE, ClientOrderIndex=7)
    bench.events.clear()
    bench.market(BOB, 40, is_ask=True, ClientOrderIndex=8)
    kinds = [type(event) for event in bench.events]
    assert kinds == [
        TxChanged,
        PositionChanged,
        PositionChanged,
        TradeHappened,
        OrderChanged,
        OrderChanged,
        TxChanged,
        BookLevelChanged,
    ]
    seqs = [event.seq for event in bench.events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    level = bench.events[-1]
    assert isinstance(level, BookLevelChanged)
    assert (level.price, level.lots) == (299_900, 60)


def test_trade_fields(bench: Bench) -> None:
    """A trade names both orders and what both sides held before it."""
    maker = bench.create(ALICE, ClientOrderIndex=7)
    bench.market(BOB, 40, is_ask=True, ClientOrderIndex=8)
    taker = bench.market(BOB, 60, is_ask=True, ClientOrderIndex=9)
    trade = bench.engine.market_trades(0)[0]
    assert (trade.trade_id, trade.tx_hash) == (2, taker.tx_hash)
    assert (trade.ask_account_index, trade.bid_account_index) == (BOB, ALICE)
    assert (trade.taker_account_index, trade.maker_account_index) == (BOB, ALICE)
    assert (trade.bid_order_index, trade.bid_client_order_index) == (maker.order_index, 7)
    assert trade.ask_client_order_index == 9
    assert not trade.is_maker_ask
    assert (trade.maker_position_before, trade.taker_position_before) == (40, -40)
    assert trade.maker_entry_quote_before == trade.taker_entry_quote_before == 40 * 299_900
    assert (trade.maker_imf_before, trade.taker_imf_before) == (500, 500)
    assert trade.quote == 60 * 299_900


def test_profit_and_loss(bench: Bench) -> None:
    """Closing realizes what the price moved, on both sides, and the collateral follows."""
    bench.create(BOB, IsAsk=1, Price=300_000, BaseAmount=100)
    bench.market(ALICE, 100, is_ask=False)
    bench.engine.set_mark_price(0, 310_000)
    assert bench.engine.summary(ALICE).unrealized_pnl == 1 * USD
    assert bench.engine.position(ALICE, 0).avg_entry_price_micros == 3_000 * USD
    bench.create(BOB, Price=310_000, BaseAmount=100)
    bench.market(ALICE, 150, is_ask=True)
    assert bench.engine.position(ALICE, 0).position.realized_pnl == 1 * USD
    assert bench.engine.position(BOB, 0).position.realized_pnl == -1 * USD
    summary = bench.engine.summary(ALICE)
    assert summary.collateral == summary.total_value == 100_001 * USD
    changes = [e for e in bench.events if isinstance(e, CollateralChanged)]
    assert {(e.account_index, e.collateral) for e in changes} >= {
        (ALICE, 100_001 * USD),
        (BOB, 99_999 * USD),
    }


def test_flip_through_zero(bench: Bench) -> None:
    """Selling more than is held realizes the close and opens the rest at the new price."""
    bench.ladder((True, 300_000, 100), (False, 299_000, 300))
    bench.market(ALICE, 100, is_ask=False)
    bench.market(ALICE, 300, is_ask=True)
    position = bench.engine.position(ALICE, 0).position
    assert (position.lots, position.entry_quote) == (-200, 200 * 299_000)
    assert position.realized_pnl == -100 * 1_000
    assert bench.engine.market_trades(0)[0].taker_sign_changed


def test_good_till_time_remainder_rests(bench: Bench) -> None:
    """A crossing limit order fills what it can and rests with the remainder."""
    bench.create(BOB, IsAsk=1, Price=300_100, BaseAmount=60)
    order = bench.create(ALICE, Price=300_100, BaseAmount=100)
    assert (order.status, order.filled_lots, order.remaining_lots) == (OrderStatus.OPEN, 60, 40)
    assert bench.engine.levels(0, is_ask=False) == [(300_100, 40)]


def test_event_info_of_an_order(bench: Bench) -> None:
    """The event info of a create carries the order in short keys and an empty error."""
    order = bench.create(ALICE, ClientOrderIndex=7)
    tx = bench.engine.tx_by_hash(order.tx_hash)
    assert tx is not None
    info = json.loads(tx.event_info)
    assert info["ae"] == ""
    assert (info["to"]["i"], info["to"]["u"], info["to"]["st"]) == (order.order_index, 7, 2)


def test_queries(bench: Bench) -> None:
    """Orders, trades and transactions are found by account, market, id and order."""
    engine = bench.engine
    resting = bench.create(ALICE, ClientOrderIndex=7)
    done = bench.create(ALICE, ClientOrderIndex=8, Price=299_950)
    bench.market(BOB, 100, is_ask=True, ClientOrderIndex=9)
    done = bench.now_row(done)
    assert engine.active_orders(ALICE) == engine.active_orders(ALICE, 0) == [resting]
    assert engine.active_orders(ALICE, 1) == []
    assert engine.inactive_orders(ALICE) == [done]
    assert engine.inactive_orders(ALICE, 1) == []
    assert engine.orders_by_client(ALICE, [8, 7, 99]) == [done, resting]
    assert engine.account_trades(ALICE) == engine.account_trades(BOB) == engine.market_trades(0)
    assert engine.account_trades(ALICE, order_index=resting.order_index) == []
    assert engine.account_trades(ALICE, before_id=1) == []
    assert [tx.nonce for tx in engine.account_txs(ALICE)] == [1, 0]
    assert [tx.nonce for tx in engine.account_txs(ALICE, before_sequence=2)] == [0]
    first = engine.tx_by_sequence(1)
    assert first is not None
    assert first.hash == resting.tx_hash
    assert engine.book_orders(0, is_ask=False) == [resting]
    assert engine.best_price(0, is_ask=False) == 299_900
    assert engine.last_trade_price(0) == 299_950
    assert engine.open_interest(0) == 100
    assert [account.index for account in engine.accounts()] == [ALICE, BOB, TWIN]


def test_expiry_and_execution_in_time_order(slow: Bench) -> None:
    """An order that expires before a queued taker executes is not there for it."""
    order = slow.create(ALICE, OrderExpiry=slow.now + 5 * MINUTE_MS)
    slow.run(5 * MINUTE_MS - 100)
    taker = {"IsAsk": 1, "Type": 1, "TimeInForce": 0, "Price": 290_000}
    accepted = slow.submit(14, slow.create_info(BOB, **taker))
    slow.run(DAY_MS // 1_000)
    assert slow.now_row(order).status is OrderStatus.CANCELED_EXPIRED
    assert slow.order_of(accepted.tx_hash).filled_lots == 0
