"""The synthetic market is lively and repeatable; the static ladder refills itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from paper.market import LEVELS, SyntheticMarket, seed_book
from paper.records import (
    HOUSE_LADDER,
    BookLevelChanged,
    HouseStep,
    OrderStatus,
    PositionChanged,
    Quote,
    TradeHappened,
)
from tests.unit.paper.bench import ALICE, BOB, Bench
from tests.unit.paper.checks import (
    check_books,
    check_conservation,
)

MINUTE_MS = 60_000


def run(bench: Bench, market: SyntheticMarket, ms: int) -> None:
    """Let the market run as the server drives it: from due moment to due moment."""
    end = bench.now + ms
    market.step(bench.engine, bench.now)
    while (due := market.next_due_ms()) is not None and due <= end:
        bench.now = max(due, bench.now)
        market.step(bench.engine, bench.now)
        bench.run()
    bench.now = end


def test_same_seed_same_trades() -> None:
    """Two runs with one seed are equal to the last event; another seed differs."""
    runs = []
    for seed in (1, 1, 2):
        bench = Bench()
        run(bench, SyntheticMarket(seed), MINUTE_MS)
        runs.append([event for event in bench.events if isinstance(event, TradeHappened)])
    assert runs[0] == runs[1] != runs[2]


def test_lively_but_not_noisy(bench: Bench) -> None:
    """Each market has 2 to 4 takes a second, partial fills, and few events per step."""
    bench.engine.drain_events()
    run(bench, SyntheticMarket(1), MINUTE_MS)
    for market_id in bench.engine.markets:
        trades = [
            e.trade
            for e in bench.events
            if isinstance(e, TradeHappened) and e.trade.market_id == market_id
        ]
        takes = Counter(trade.block_height for trade in trades)
        assert 100 < len(takes) < 300
        assert max(takes.values()) > 2
        assert {trade.is_maker_ask for trade in trades} == {True, False}
    kinds = Counter(type(event) for event in bench.events)
    assert kinds[BookLevelChanged] < 8_000
    assert set(kinds) == {BookLevelChanged, TradeHappened}
    check_books(bench.engine)
    check_conservation(bench.engine)


def test_a_joining_order_is_filled_within_seconds(bench: Bench) -> None:
    """Orders that join the best level are filled, mostly within seconds, some in parts."""
    market, engine = SyntheticMarket(3), bench.engine
    run(bench, market, 2_000)
    waits, parts = [], 0
    for number in range(40):
        is_ask = number % 2
        best = engine.best_price(0, is_ask=bool(is_ask))
        assert best is not None
        order = bench.create(ALICE, IsAsk=is_ask, Price=best, BaseAmount=1_000, TimeInForce=2)
        since = bench.now
        while bench.now_row(order).status.is_active and bench.now - since < 30_000:
            run(bench, market, 100)
            parts += 0 < bench.now_row(order).filled_lots < 1_000
        waits.append(bench.now - since)
        if bench.now_row(order).status.is_active:
            bench.cancel(ALICE, order.order_index)
    waits.sort()
    assert waits[len(waits) // 2] < 5_000
    assert parts > 0


def test_moves_beyond_a_tight_cap(bench: Bench) -> None:
    """Within minutes the price moves more than 5 bps within one second, and wanders."""
    market, engine = SyntheticMarket(1), bench.engine
    marks = []
    for _ in range(300):
        run(bench, market, 1_000)
        marks.append(engine.mark_price(0))
    moves = [abs(b - a) / a * 10_000 for a, b in pairwise(marks)]
    assert max(moves) > 5
    assert 0 < sum(moves) / len(moves) < 5
    assert all(0.7 < mark / 300_000 < 1.3 for mark in marks)


def test_always_quoted_and_bounded(bench: Bench) -> None:
    """Both sides stay quoted, and the makers' orders stay a handful, however long it runs."""
    market, engine = SyntheticMarket(1), bench.engine
    for _ in range(120):
        run(bench, market, 1_000)
        for market_id in engine.markets:
            assert engine.levels(market_id, is_ask=True)
            assert engine.levels(market_id, is_ask=False)
            assert len(engine.house_orders(market_id)) <= 2 * LEVELS + 2
    assert len(engine._store.orders) <= 3 * (2 * LEVELS + 2)


def test_a_long_pause_is_not_made_up(bench: Bench) -> None:
    """After a pause of an hour the market does some steps and goes on from there."""
    market = SyntheticMarket(1)
    run(bench, market, 1_000)
    before = len(bench.entries)
    bench.now += 60 * MINUTE_MS
    market.step(bench.engine, bench.now)
    assert len(bench.entries) - before <= 50
    due = market.next_due_ms()
    assert due is not None
    assert due > bench.now - 60 * MINUTE_MS


def test_static_ladder_refills(bench: Bench) -> None:
    """Whatever is taken from the static ladder is there again, at the same prices."""
    seed_book(bench.engine)
    before = [bench.engine.levels(0, is_ask=side) for side in (False, True)]
    assert before[0][0] == (299_985, 10_000)
    assert before[1][0] == (300_015, 10_000)
    bought = bench.market(ALICE, 50_000, is_ask=False)
    assert bought.status is OrderStatus.FILLED
    bench.take(1_000_000, is_ask=True)
    assert before == [bench.engine.levels(0, is_ask=side) for side in (False, True)]
    assert len(bench.engine._store.accounts[HOUSE_LADDER].active[0]) == 16
    check_conservation(bench.engine)


def test_a_take_reaches_an_order_that_joined_the_best_level(bench: Bench) -> None:
    """With a moderately large take the joining order is filled; time priority holds."""
    seed_book(bench.engine)
    order = bench.create(ALICE, Price=299_985, TimeInForce=2)
    trades = bench.take(10_050, is_ask=True)
    assert [trade.bid_account_index for trade in trades] == [HOUSE_LADDER, ALICE]
    assert bench.now_row(order).filled_lots == 50
    trades = bench.take(50, is_ask=True)
    assert [trade.bid_account_index for trade in trades] == [ALICE]
    assert bench.now_row(order).status is OrderStatus.FILLED


def test_take_until_an_account_is_filled(bench: Bench) -> None:
    """A targeted take sweeps what is ahead and stops when the account has its size."""
    seed_book(bench.engine)
    first = bench.create(ALICE, Price=299_985)
    second = bench.create(ALICE, Price=299_970)
    trades = bench.take(150, is_ask=True, until=ALICE)
    mine = [trade.lots for trade in trades if trade.bid_account_index == ALICE]
    assert mine == [100, 50]
    assert trades[-1].bid_account_index == ALICE
    assert bench.now_row(first).status is OrderStatus.FILLED
    assert bench.now_row(second).filled_lots == 50
    assert bench.take(10, is_ask=True, until=BOB) == []
    assert bench.take(10, is_ask=False, until=ALICE) == []
    assert bench.take(9_999, is_ask=True, until=ALICE)[-1].bid_account_index == ALICE
    assert bench.lots(ALICE) == 200


def test_the_ladder_never_crosses_a_user(bench: Bench) -> None:
    """A level that would cross a user's order is left out until that order is gone."""
    bench.ladder((True, 300_010, 100), (True, 300_020, 100), (False, 299_990, 100))
    order = bench.create(ALICE, Price=300_015, BaseAmount=250)
    assert order.filled_lots == 100
    check_books(bench.engine)
    assert bench.engine.levels(0, is_ask=True) == [(300_020, 100)]
    bench.cancel(ALICE, order.order_index)
    assert bench.engine.levels(0, is_ask=True) == [(300_010, 100), (300_020, 100)]


def test_a_new_ladder_replaces_the_old_one(bench: Bench) -> None:
    """Setting a ladder removes the orders of the one before."""
    bench.ladder((True, 300_010, 100), (False, 299_990, 100))
    bench.ladder((True, 300_030, 70))
    assert bench.engine.levels(0, is_ask=True) == [(300_030, 70)]
    assert bench.engine.levels(0, is_ask=False) == []


def test_burst_of_takes(bench: Bench) -> None:
    """2,000 small takes against one resting order leave exact sums behind."""
    seed_book(bench.engine)
    bench.create(ALICE, Price=299_999, BaseAmount=100_000)
    for _ in range(2_000):
        bench.take(50, is_ask=True)
    assert bench.lots(ALICE) == 100_000
    assert not [e for e in bench.events if isinstance(e, PositionChanged)][-1].position.lots % 50
    assert len(bench.engine.account_trades(ALICE, limit=5_000)) == 2_000
    check_conservation(bench.engine)


def test_a_price_that_runs_through_an_order_fills_it(bench: Bench) -> None:
    """Makers keep away from a user's order, until the price is beyond it by the given distance."""
    order = bench.create(ALICE, IsAsk=1, Price=300_100, BaseAmount=100)
    quote = Quote(is_ask=False, price=300_100, lots=150)
    step = HouseStep(0, 300_149, (), (quote,), take_is_ask=False, take_lots=0, run_through=50)
    assert bench.engine.house_step(step) == []
    assert bench.engine.best_price(0, is_ask=False) is None
    trades = bench.engine.house_step(replace(step, mark_price=300_150))
    assert [(trade.price, trade.lots) for trade in trades] == [(300_100, 100)]
    assert bench.now_row(order).status is OrderStatus.FILLED
    assert bench.engine.levels(0, is_ask=False) == [(300_100, 50)]


def test_kept_trades_are_bounded(bench: Bench) -> None:
    """Trades are kept up to a bound, the newest ones; paging goes back through them."""
    seed_book(bench.engine)
    bench.create(ALICE, Price=299_999, BaseAmount=10_000)
    for _ in range(3_100):
        bench.take(1, is_ask=True)
    trades = bench.engine.account_trades(ALICE, limit=5_000)
    assert [trade.trade_id for trade in trades] == list(range(3_100, 100, -1))
    assert len(bench.engine.market_trades(0, 5_000)) == 1_000
    page = bench.engine.account_trades(ALICE, before_id=200, limit=5)
    assert [trade.trade_id for trade in page] == [199, 198, 197, 196, 195]


def test_finished_orders_and_transactions_are_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest finished orders and transactions go first, with everything that finds them."""
    monkeypatch.setattr("paper.store.KEPT_ORDERS", 5)
    monkeypatch.setattr("paper.store.KEPT_TXS", 5)
    seed_book(bench.engine)
    engine = bench.engine
    rows = [bench.market(ALICE, 1, is_ask=False, ClientOrderIndex=n) for n in range(1, 10)]
    assert engine.orders_by_client(ALICE, range(1, 10)) == rows[4:]
    assert engine.inactive_orders(ALICE) == rows[:3:-1]
    assert engine.order(rows[0].order_index) is None
    assert [tx.nonce for tx in engine.account_txs(ALICE)] == [8, 7, 6, 5, 4]
    assert engine.tx_by_hash(rows[0].tx_hash) is None
    assert engine.tx_by_sequence(1) is None
    assert engine.tx_by_hash(rows[8].tx_hash) is not None


def test_deadlines_are_bounded(bench: Bench) -> None:
    """Expiries of orders that are long gone do not pile up."""
    order = bench.create(ALICE)
    bench.cancel(ALICE, order.order_index)
    deadlines = bench.engine._deadlines
    for number in range(5_000):
        deadlines.add(bench.now + number, order.order_index)
    assert len(deadlines._heap) <= 1_010
    assert bench.engine.next_due_ms() is None
