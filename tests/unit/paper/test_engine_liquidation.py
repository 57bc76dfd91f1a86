"""Accounts below their margins: what they may not do, and what the exchange does with them."""

from __future__ import annotations

import json

import pytest

from paper import margin
from paper.matching import liquidation_fee
from paper.records import (
    HOUSE_INSURANCE,
    Health,
    Liquidated,
    Notified,
    OrderChanged,
    OrderStatus,
    OrderType,
    Tier,
    TradeHappened,
    TradeKind,
    TxStatus,
)
from tests.unit.paper.bench import ALICE, BOB, TWIN, USD, Bench
from tests.unit.paper.checks import check_books, check_conservation, replayed, state_of

LOTS = 100_000
"""10 ETH: at 3,000 worth 30,000 USD; requirements 1,500 (initial), 360, 240 (close-out)."""


def with_value(bench: Bench, account: int, dollars: int) -> None:
    """Leave an account with this value."""
    value = bench.engine.summary(account).total_value
    bench.engine.add_collateral(account, dollars * USD - value)
    bench.run()


def hold(bench: Bench, *, is_ask: bool = False) -> None:
    """ALICE holds 10 ETH, bought from (or sold to) BOB at the mark price, in an empty book."""
    bench.create(BOB, IsAsk=int(not is_ask), Price=300_000, BaseAmount=LOTS)
    bench.market(ALICE, LOTS, is_ask=is_ask)
    bench.events.clear()


def fund(bench: Bench) -> int:
    """Collateral of the insurance fund."""
    accounts = {account.index: account for account in bench.engine.all_accounts()}
    return accounts[HOUSE_INSURANCE].collateral if HOUSE_INSURANCE in accounts else 0


@pytest.mark.parametrize(
    ("dollars", "health"),
    [
        (1_500, Health.HEALTHY),
        (1_499, Health.PRE_LIQUIDATION),
        (360, Health.PRE_LIQUIDATION),
        (359, Health.LIQUIDATION),
        (240, Health.LIQUIDATION),
        (239, Health.HEALTHY),
    ],
)
def test_health_by_value(bench: Bench, dollars: int, health: Health) -> None:
    """The three requirements divide the states; below the close-out one nothing is left to hold."""
    hold(bench)
    with_value(bench, ALICE, dollars)
    assert bench.engine.health(ALICE) is health
    assert bench.lots(ALICE) == (0 if dollars < 240 else LOTS)
    check_conservation(bench.engine)


def test_pre_liquidation_refuses_what_grows(bench: Bench) -> None:
    """Below the initial margin resting orders that grow are refused with 21111; others are not."""
    hold(bench)
    with_value(bench, ALICE, 1_000)
    assert bench.refused(14, bench.create_info(ALICE)) == 21111
    bench.create(BOB, Price=299_900, BaseAmount=LOTS)
    taker = bench.market(ALICE, 100, is_ask=False)
    assert taker.filled_lots == 0
    assert bench.create(ALICE, IsAsk=1, Price=300_100).status is OrderStatus.OPEN
    assert bench.market(ALICE, 1_000, is_ask=True).status is OrderStatus.FILLED


def test_liquidation_refuses_orders(bench: Bench) -> None:
    """Below the maintenance margin orders, modifications and leverage are refused with 21112."""
    hold(bench)
    with_value(bench, ALICE, 300)
    assert bench.engine.health(ALICE) is Health.LIQUIDATION
    reduce = bench.create_info(ALICE, IsAsk=1, Price=300_100, ReduceOnly=1)
    assert bench.refused(14, reduce) == 21112
    fields = {"MarketIndex": 0, "Index": 7, "BaseAmount": 100, "Price": 299_900, "TriggerPrice": 0}
    assert bench.refused(17, bench.plain_info(ALICE, **fields)) == 21112
    imf = {"MarketIndex": 0, "InitialMarginFraction": 200, "MarginMode": 0}
    assert bench.refused(20, bench.plain_info(ALICE, **imf)) == 21112
    assert bench.cancel_all(ALICE).status is TxStatus.EXECUTED
    with_value(bench, ALICE, 2_000)
    assert bench.create(ALICE, IsAsk=1, Price=300_100, ReduceOnly=1).status is OrderStatus.OPEN


def test_a_queued_order_fails_in_liquidation(slow: Bench) -> None:
    """An order accepted before the liquidation fails in execution, its nonce spent."""
    hold(slow)
    accepted = slow.submit(14, slow.create_info(ALICE, IsAsk=1, Price=300_100))
    with_value(slow, ALICE, 300)
    slow.run(300)
    assert slow.tx(accepted).status is TxStatus.FAILED
    assert json.loads(slow.tx(accepted).event_info)["ae"] == "account is in liquidation"


def test_orders_go_first(bench: Bench) -> None:
    """The liquidated account's orders end as canceled-liquidation, others' orders stay."""
    hold(bench)
    mine = bench.create(ALICE, IsAsk=1, Price=310_000, ClientOrderIndex=7)
    other = bench.create(TWIN, Price=250_000)
    with_value(bench, ALICE, 300)
    assert bench.now_row(mine).status is OrderStatus.CANCELED_LIQUIDATION
    assert bench.now_row(other).status is OrderStatus.OPEN
    assert bench.lots(ALICE) == LOTS


def test_sold_off_in_the_book(bench: Bench) -> None:
    """Below the maintenance margin the position is sold at the zero price or better, with a fee."""
    hold(bench)
    bench.create(TWIN, Price=299_900, BaseAmount=LOTS)
    with_value(bench, ALICE, 300)
    assert (bench.lots(ALICE), bench.lots(TWIN)) == (0, LOTS)
    trade = bench.engine.market_trades(0)[0]
    assert (trade.kind, trade.price) == (TradeKind.LIQUIDATION, 299_900)
    assert (trade.ask_account_index, trade.ask_client_order_index) == (ALICE, 0)
    assert trade.taker_fee == liquidation_fee(297_000, 299_900) == 9_669
    order = bench.engine.order(trade.ask_order_index)
    assert order is not None
    assert (order.type, order.type.wire) == (OrderType.LIQUIDATION, "liquidation")
    assert (order.status, order.price) == (OrderStatus.FILLED, 297_000)
    assert 0 <= bench.engine.summary(ALICE).collateral < USD
    assert fund(bench) > 0
    check_conservation(bench.engine)


def test_the_maker_pays_the_exchange(bench: Bench) -> None:
    """Of the fees of a liquidation the maker's goes to the exchange, the other to the fund."""
    hold(bench)
    bench.create(BOB, Price=299_900, BaseAmount=LOTS)
    bench.engine.set_tier(BOB, Tier.PLUS)
    with_value(bench, ALICE, 300)
    trade = bench.engine.market_trades(0)[0]
    assert (trade.maker_fee, trade.taker_fee) == (50, 9_669)
    assert bench.engine.totals()[1] == trade.quote * 50 // 10**6
    assert fund(bench) == -(-trade.quote * 9_669 // 10**6)
    check_conservation(bench.engine)


@pytest.mark.parametrize(("is_ask", "expected"), [(False, 297_000), (True, 303_000)])
def test_zero_price(bench: Bench, is_ask: bool, expected: int) -> None:
    """At the zero price value / maintenance margin stays; half a tick is given to the account."""
    hold(bench, is_ask=is_ask)
    bench.engine.add_collateral(ALICE, 300_050_000 - bench.engine.summary(ALICE).total_value)
    store = bench.engine._store
    state = store.accounts[ALICE]
    assert margin.zero_price(store, state, state.account.positions[0]) == expected


def test_only_until_it_is_healthy(bench: Bench) -> None:
    """Liquidation stops when the account is above its maintenance margin again."""
    hold(bench)
    btc = {"MarketIndex": 1, "BaseAmount": 30_000}
    bench.create(BOB, IsAsk=1, Price=1_000_000, **btc)
    bench.create(ALICE, TimeInForce=0, Price=1_000_000, **btc)
    bench.create(TWIN, Price=299_900, BaseAmount=LOTS)
    bench.create(TWIN, Price=999_000, **btc)
    with_value(bench, ALICE, 700)
    assert (bench.lots(ALICE, 0), bench.lots(ALICE, 1)) == (0, 30_000)
    assert bench.engine.health(ALICE) is Health.PRE_LIQUIDATION
    check_conservation(bench.engine)


def test_nobody_offers_the_zero_price(bench: Bench) -> None:
    """Without a bid at the zero price the account waits; when one comes it is sold off."""
    hold(bench)
    bench.create(TWIN, Price=296_000, BaseAmount=LOTS)
    with_value(bench, ALICE, 300)
    assert bench.lots(ALICE) == LOTS
    trades = len(bench.engine.market_trades(0))
    bench.create(TWIN, Price=298_000, BaseAmount=30_000)
    assert bench.lots(ALICE) == LOTS - 30_000
    assert len(bench.engine.market_trades(0)) == trades + 1
    check_conservation(bench.engine)


@pytest.mark.parametrize("is_ask", [False, True])
def test_taken_over_by_the_insurance_fund(bench: Bench, is_ask: bool) -> None:
    """Below the close-out margin the fund takes position and collateral, past any bids."""
    hold(bench, is_ask=is_ask)
    bench.create(TWIN, IsAsk=int(is_ask), Price=299_000 if not is_ask else 301_000)
    resting = bench.create(ALICE, IsAsk=int(not is_ask), Price=310_000 if not is_ask else 290_000)
    bench.engine.set_mark_price(0, 299_000 if not is_ask else 301_000)
    with_value(bench, ALICE, 100)
    assert (bench.lots(ALICE), bench.engine.summary(ALICE).collateral) == (0, 0)
    trade = bench.engine.market_trades(0)[0]
    assert trade.kind is TradeKind.LIQUIDATION
    assert trade.maker_account_index == HOUSE_INSURANCE
    assert (trade.taker_account_index, trade.lots) == (ALICE, LOTS)
    assert abs(fund(bench)) < 2 * USD
    assert bench.now_row(resting).status is OrderStatus.CANCELED_LIQUIDATION
    kinds = [type(event) for event in bench.events if not isinstance(event, OrderChanged)]
    assert kinds.index(TradeHappened) < kinds.index(Liquidated) < kinds.index(Notified)
    check_conservation(bench.engine)


def test_a_debt_is_borne_by_the_fund(bench: Bench) -> None:
    """An account worth less than nothing ends at zero; the fund bears what is missing."""
    hold(bench)
    bench.engine.set_mark_price(0, 150_000)
    with_value(bench, ALICE, -5_000)
    summary = bench.engine.summary(ALICE)
    assert (bench.lots(ALICE), summary.collateral, summary.total_value) == (0, 0, 0)
    check_conservation(bench.engine)


def test_by_a_falling_price(bench: Bench) -> None:
    """A mark price that moves liquidates whoever holds, in that market, and nobody else."""
    hold(bench)
    with_value(bench, ALICE, 2_000)
    bench.engine.set_mark_price(0, 285_000)
    bench.run()
    assert bench.engine.health(ALICE) is Health.PRE_LIQUIDATION
    bench.engine.set_mark_price(0, 281_000)
    bench.run()
    assert bench.lots(ALICE) == 0
    assert bench.engine.health(BOB) is Health.HEALTHY
    assert bench.lots(BOB) == -LOTS
    check_conservation(bench.engine)


def test_what_is_recorded_and_told(bench: Bench) -> None:
    """A liquidation is in the history and in the notifications, with the money around it."""
    hold(bench)
    with_value(bench, ALICE, 100)
    (liquidation,) = bench.engine.liquidations(ALICE)
    assert (liquidation.takeover, liquidation.lots, liquidation.is_ask) == (True, LOTS, True)
    assert liquidation.before.total_value == 100 * USD
    assert liquidation.before.closeout_margin == 240 * USD
    assert liquidation.after.maintenance_margin == 0
    (notification,) = bench.engine.notifications(ALICE)
    assert notification.liquidation == liquidation
    assert bench.engine.liquidations(ALICE, 1) == bench.engine.notifications(BOB) == []


def test_liquidation_is_replayed(bench: Bench) -> None:
    """A liquidation follows from the inputs: a replay has the same trades and events."""
    bench.events += bench.engine.drain_events()
    bench.create(BOB, IsAsk=1, Price=300_000, BaseAmount=LOTS)
    bench.market(ALICE, LOTS, is_ask=False)
    bench.create(TWIN, Price=298_000, BaseAmount=30_000)
    with_value(bench, ALICE, 300)
    with_value(bench, ALICE, 10)
    assert bench.lots(ALICE) == 0
    engine, events = replayed(bench)
    assert state_of(engine) == state_of(bench.engine)
    assert events == bench.events
    assert len(engine.liquidations(ALICE)) == 2
    check_books(engine)
