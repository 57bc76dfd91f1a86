"""Modification of orders: total size, price, time priority, versions; and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paper.records import Order, OrderStatus, Tier, Tx, TxStatus
from tests.unit.paper.bench import ALICE, BOB, TWIN, Bench


def modify_info(bench: Bench, account: int, index: int, **changes: Any) -> dict[str, Any]:
    """A modification to 0.0100 ETH at 2,999.00, changed as asked."""
    fields = {"MarketIndex": 0, "Index": index, "BaseAmount": 100, "Price": 299_900}
    return bench.plain_info(account, **(fields | {"TriggerPrice": 0} | changes))


def modify(bench: Bench, order: Order, **changes: Any) -> tuple[Tx, Order]:
    """Modify an order; return the transaction and the order as it is then."""
    info = modify_info(bench, order.account_index, order.order_index, **changes)
    accepted = bench.submit(17, info)
    bench.run(300)
    return bench.tx(accepted), bench.now_row(order)


def test_size_and_price(bench: Bench) -> None:
    """The order keeps its index, gets the new price and total, and a new order nonce."""
    order = bench.create(ALICE, ClientOrderIndex=7)
    tx, changed = modify(bench, order, BaseAmount=150, Price=299_800)
    assert tx.status is TxStatus.EXECUTED
    assert (changed.price, changed.initial_lots, changed.remaining_lots) == (299_800, 150, 150)
    assert (changed.order_index, changed.nonce) == (order.order_index, order.nonce - 1)
    assert changed.created_ms == order.created_ms
    assert bench.engine.levels(0, is_ask=False) == [(299_800, 150)]
    assert bench.engine.orders_by_client(ALICE, [7]) == [changed]
    info = json.loads(tx.event_info)
    assert (info["m"], info["ae"], info["oo"]["p"], info["no"]["p"]) == (0, "", 299_900, 299_800)


def test_by_client_index(bench: Bench) -> None:
    """A modification may name the client order index."""
    order = bench.create(ALICE, ClientOrderIndex=7)
    bench.submit(17, modify_info(bench, ALICE, 7, BaseAmount=60))
    bench.run()
    assert bench.now_row(order).remaining_lots == 60


def test_what_was_filled_counts_towards_the_total(bench: Bench) -> None:
    """The new size is the total: of 120 with 40 filled, 80 remain."""
    order = bench.create(ALICE)
    bench.market(BOB, 40, is_ask=True)
    _, changed = modify(bench, order, BaseAmount=120)
    assert (changed.initial_lots, changed.filled_lots, changed.remaining_lots) == (120, 40, 80)
    bench.market(BOB, 80, is_ask=True)
    done = bench.now_row(order)
    assert (done.status, done.filled_lots) == (OrderStatus.FILLED, 120)
    assert done.filled_quote == 120 * 299_900


@pytest.mark.parametrize("total", [60, 70])
def test_a_total_not_above_the_filled_part_finishes(bench: Bench, total: int) -> None:
    """At or below what has been filled the order ends as filled, with that size."""
    order = bench.create(ALICE)
    bench.market(BOB, 70, is_ask=True)
    _, done = modify(bench, order, BaseAmount=total)
    assert (done.status, done.initial_lots, done.filled_lots) == (OrderStatus.FILLED, 70, 70)
    assert bench.engine.levels(0, is_ask=False) == []
    assert bench.engine.summary(ALICE).order_margin == 0


@pytest.mark.parametrize("total", [50, 100, 150])
def test_time_priority_is_lost(bench: Bench, total: int) -> None:
    """A modified order goes behind the others at its price, even when it only shrinks."""
    first = bench.create(ALICE)
    second = bench.create(TWIN)
    modify(bench, first, BaseAmount=total)
    bench.market(BOB, 100, is_ask=True)
    assert bench.now_row(second).status is OrderStatus.FILLED
    assert bench.now_row(first).filled_lots == 0


def test_a_modified_price_may_trade(bench: Bench) -> None:
    """An order moved through the other side is matched at once and rests with what is left."""
    bench.create(BOB, IsAsk=1, Price=300_000, BaseAmount=60)
    order = bench.create(ALICE)
    _, changed = modify(bench, order, Price=300_100)
    assert (changed.filled_lots, changed.remaining_lots) == (60, 40)
    trade = bench.engine.market_trades(0)[0]
    assert (trade.bid_order_index, trade.price) == (order.order_index, 300_000)
    assert bench.lots(ALICE) == 60


def test_post_only_stays_post_only(bench: Bench) -> None:
    """A post-only order that a modification would make cross ends as canceled-post-only."""
    bench.create(BOB, IsAsk=1, Price=300_000)
    order = bench.create(ALICE, TimeInForce=2)
    tx, ended = modify(bench, order, Price=300_000)
    assert (tx.status, ended.status) == (TxStatus.EXECUTED, OrderStatus.CANCELED_POST_ONLY)


def test_reduce_only_is_clipped_again(bench: Bench) -> None:
    """A reduce-only order never grows beyond the position."""
    bench.ladder((True, 300_100, 1_000))
    bench.market(ALICE, 80, is_ask=False)
    order = bench.create(ALICE, IsAsk=1, Price=300_050, ReduceOnly=1, BaseAmount=60)
    _, changed = modify(bench, order, Price=300_060, BaseAmount=500)
    assert (changed.initial_lots, changed.remaining_lots) == (500, 80)


def test_reduce_only_counts_what_was_filled(bench: Bench) -> None:
    """Of a reduce-only total of 50 with 20 filled, 30 remain although 60 could be reduced."""
    bench.ladder((True, 300_100, 1_000))
    bench.market(ALICE, 80, is_ask=False)
    order = bench.create(ALICE, IsAsk=1, Price=300_050, ReduceOnly=1, BaseAmount=60)
    bench.market(BOB, 20, is_ask=False)
    _, changed = modify(bench, order, Price=300_060, BaseAmount=50)
    assert (changed.filled_lots, changed.remaining_lots) == (20, 30)


def test_self_trade_choice_of_the_modification(bench: Bench) -> None:
    """The self-trade attributes of the modification hold, not those of the creation."""
    bench.create(TWIN, IsAsk=1, Price=300_000)
    order = bench.create(ALICE)
    _, ended = modify(bench, order, Price=300_000, L2TxAttributes={"6": 1, "7": 1})
    assert ended.status is OrderStatus.CANCELED_SELF_TRADE
    assert bench.lots(ALICE) == 0


def test_versions_grow(bench: Bench) -> None:
    """A version must be above that of the order; a stale one changes nothing."""
    order = bench.create(ALICE, L2TxAttributes={"8": 3})
    assert order.version == 3
    stale = {"L2TxAttributes": {"8": 3}}
    assert bench.refused(17, modify_info(bench, ALICE, order.order_index, **stale)) == 21743
    _, changed = modify(bench, order, BaseAmount=60, L2TxAttributes={"8": 5})
    assert (changed.version, changed.remaining_lots) == (5, 60)
    assert modify(bench, order, BaseAmount=70)[1].version == 5


def test_a_version_overtaken_in_the_queue(slow: Bench) -> None:
    """Of two queued modifications the one with the lower version fails if it comes second."""
    order = slow.create(ALICE)
    info = {"Index": order.order_index, "L2TxAttributes": {"8": 9}}
    slow.submit(17, modify_info(slow, ALICE, order.order_index, BaseAmount=90, **info))
    late = {"BaseAmount": 60, "L2TxAttributes": {"8": 4}}
    tx = slow.submit(17, modify_info(slow, ALICE, order.order_index, **late))
    slow.run(300)
    assert slow.tx(tx).status is TxStatus.FAILED
    assert (slow.now_row(order).version, slow.now_row(order).remaining_lots) == (9, 90)


def test_a_fill_beats_a_modification(slow: Bench) -> None:
    """A modification that executes after the order is gone fails, and its nonce is spent."""
    order = slow.create(ALICE)
    accepted = slow.submit(17, modify_info(slow, ALICE, order.order_index))
    slow.take(100, is_ask=True)
    slow.run(300)
    assert slow.tx(accepted).status is TxStatus.FAILED
    assert json.loads(slow.tx(accepted).event_info)["no"] is None
    assert slow.nonce(ALICE) == 2


def test_delays(slow: Bench) -> None:
    """A modification waits as a cancel does, one that would take as a taker; at Plus only that."""
    slow.ladder((True, 300_100, 1_000))
    order = slow.create(ALICE)
    start = slow.now
    rests = slow.submit(17, modify_info(slow, ALICE, order.order_index))
    slow.run(300)
    takes = slow.submit(17, modify_info(slow, ALICE, order.order_index, Price=300_100))
    assert rests.predicted_execution_time_ms - start == 300
    assert takes.predicted_execution_time_ms - start == 600
    slow.engine.set_tier(BOB, Tier.PLUS)
    slow.ladder((True, 300_100, 1_000))
    order, start = slow.create(BOB), slow.now
    rests = slow.submit(17, modify_info(slow, BOB, order.order_index))
    takes = slow.submit(17, modify_info(slow, BOB, order.order_index, Price=300_100))
    assert rests.predicted_execution_time_ms == start
    assert takes.predicted_execution_time_ms - start == 300


def test_a_modified_order_still_expires(bench: Bench) -> None:
    """The expiry of the creation holds."""
    order = bench.create(ALICE, OrderExpiry=bench.now + 300_000)
    modify(bench, order, Price=299_800)
    bench.run(300_000)
    assert bench.now_row(order).status is OrderStatus.CANCELED_EXPIRED


def test_refusals(bench: Bench) -> None:
    """Each refusal has its code and leaves the order and the nonce as they were."""
    order = bench.create(ALICE, ClientOrderIndex=7)
    other = bench.create(BOB)
    index = order.order_index

    def refused(at: int = index, **changes: Any) -> int:
        return bench.refused(17, modify_info(bench, ALICE, at, **changes))

    assert refused(0) == 21700
    assert refused(BaseAmount=0) == 21701
    assert refused(Price=0) == 21702
    assert refused(TriggerPrice=5) == 21729
    assert refused(MarketIndex=77) == 21602
    assert refused(MarketIndex=1) == 21700
    assert refused(8) == 21600
    assert refused(other.order_index) == 21707
    assert refused(BaseAmount=49) == 21706
    assert refused(Price=315_001) == 21734
    assert refused(BaseAmount=7_000_000) == 21739
    assert refused(L2TxAttributes={"6": 3, "7": 1}) == 21501
    assert refused(L2TxAttributes={"1": 9}) == 21149
    bench.cancel(ALICE, 7)
    assert refused() == 21709
    assert bench.refused(17, "{}") == 21501


def test_margin_counts_the_difference(bench: Bench) -> None:
    """Growing an order needs margin for the growth only; shrinking needs none."""
    order = bench.create(ALICE, BaseAmount=6_000_000)
    info = modify_info(bench, ALICE, order.order_index, BaseAmount=6_700_000)
    assert bench.refused(17, info) == 21739
    _, changed = modify(bench, order, BaseAmount=6_600_000)
    assert changed.status is OrderStatus.OPEN
    bench.engine.add_collateral(ALICE, -90_000 * 10**6)
    _, smaller = modify(bench, order, BaseAmount=600_000)
    assert (smaller.status, smaller.remaining_lots) == (OrderStatus.OPEN, 600_000)
