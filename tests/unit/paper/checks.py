"""What must hold of an engine at any time, and all that can be asked of one."""

from __future__ import annotations

import json
from typing import Any

from paper.engine import DEFAULT_MARKETS, Engine
from paper.records import Health, TradeHappened, TxChanged, TxStatus
from tests.unit.paper.bench import Bench


def check_conservation(engine: Engine) -> None:
    """Positions sum to zero, money to what was deposited, nothing is negative."""
    everyone = engine.all_accounts()
    cash = 0
    for account in everyone:
        cash += account.collateral
        cash -= sum(p.signed_entry_quote for p in account.positions.values())
        assert all(p.entry_quote >= 0 for p in account.positions.values())
        assert all(p.lots != 0 or p.entry_quote == 0 for p in account.positions.values())
    deposits, fees = engine.totals()
    assert cash + fees == deposits
    for market_id in engine.markets:
        lots = [a.positions[market_id].lots for a in everyone if market_id in a.positions]
        assert sum(lots) == 0
        assert engine.open_interest(market_id) == sum(max(0, size) for size in lots)


def check_books(engine: Engine) -> None:
    """Books are not crossed, levels are the sum of their orders, orders are within bounds."""
    for market_id in engine.markets:
        bid = engine.best_price(market_id, is_ask=False)
        ask = engine.best_price(market_id, is_ask=True)
        assert bid is None or ask is None or bid < ask
        for is_ask in (False, True):
            levels: dict[int, int] = {}
            for order in engine.book_orders(market_id, is_ask=is_ask, limit=100_000):
                assert order.status.is_active
                assert 0 < order.remaining_lots <= order.initial_lots - order.filled_lots
                levels[order.price] = levels.get(order.price, 0) + order.remaining_lots
            assert engine.levels(market_id, is_ask=is_ask) == list(levels.items())


def check_orders(engine: Engine) -> None:
    """Reduce-only orders fit the position; counts and reserved sizes are those of the orders."""
    for account in engine.accounts():
        active = engine.active_orders(account.index)
        assert account.total_order_count == len(active)
        reserved: dict[tuple[int, bool], int] = {}
        for order in active:
            if not order.reduce_only:
                key = (order.market_id, order.is_ask)
                reserved[key] = reserved.get(key, 0) + order.remaining_lots
        resting = engine._store.accounts[account.index].resting
        assert {key: lots for key, lots in resting.items() if lots} == reserved
        for order in active:
            if order.reduce_only:
                lots = engine.position(account.index, order.market_id).position.lots
                assert order.remaining_lots <= (lots if order.is_ask else -lots)


def check_trades(bench: Bench) -> None:
    """Trade ids are dense, and what each side held before chains from trade to trade."""
    trades = [e.trade for e in bench.events if isinstance(e, TradeHappened)]
    assert [trade.trade_id for trade in trades] == list(range(1, len(trades) + 1))
    held: dict[tuple[int, int], int] = {}
    for trade in trades:
        taker_sign = 1 if trade.is_maker_ask else -1
        for account, before, sign in (
            (trade.taker_account_index, trade.taker_position_before, taker_sign),
            (trade.maker_account_index, trade.maker_position_before, -taker_sign),
        ):
            assert before == held.get((account, trade.market_id), 0)
            held[account, trade.market_id] = before + sign * trade.lots
        assert trade.lots > 0
    for (account, market_id), lots in held.items():
        if account < 1 << 47:
            assert bench.lots(account, market_id) == lots


def check_health(engine: Engine) -> None:
    """Health is that of the margins of now, and nobody is left below the close-out margin."""
    for account in engine.accounts():
        summary = engine.summary(account.index)
        if not summary.initial_margin or summary.total_value >= summary.initial_margin:
            expected = Health.HEALTHY
        elif summary.total_value >= summary.maintenance_margin:
            expected = Health.PRE_LIQUIDATION
        else:
            expected = Health.LIQUIDATION
        assert engine.health(account.index) is expected
        assert summary.total_value >= summary.closeout_margin or not summary.maintenance_margin
        for market_id in engine.markets:
            held = engine.position(account.index, market_id).position.lots != 0
            assert held == (account.index in engine._store.markets[market_id].holders)


def check_nonce_order(bench: Bench) -> None:
    """Each key's transactions execute in nonce order, each nonce at most once."""
    last: dict[tuple[int, int], int] = {}
    for event in bench.events:
        if isinstance(event, TxChanged) and event.tx.status is not TxStatus.PENDING:
            key = (event.tx.account_index, event.tx.api_key_index)
            skips = (json.loads(event.tx.info)["L2TxAttributes"] or {}).get("4")
            gap = event.tx.nonce - last.get(key, -1)
            assert gap > 0 if skips else gap == 1
            last[key] = event.tx.nonce


def state_of(engine: Engine) -> dict[str, Any]:
    """Everything that can be asked of an engine."""
    users = [account.index for account in engine.accounts()]
    return {
        "accounts": engine.all_accounts(),
        "active": [engine.active_orders(user) for user in users],
        "inactive": [engine.inactive_orders(user, limit=10_000) for user in users],
        "trades": [engine.account_trades(user, limit=10_000) for user in users],
        "txs": [engine.account_txs(user, limit=10_000) for user in users],
        "clients": [engine.orders_by_client(user, range(1, 5)) for user in users],
        "tiers": [engine.account_tier(user) for user in users],
        "health": [engine.health(user) for user in users],
        "funding": [engine.funding_payments(user, limit=10_000) for user in users],
        "liquidations": [engine.liquidations(user) for user in users],
        "notifications": [engine.notifications(user) for user in users],
        "rates": [engine.funding_rate(market) for market in engine.markets],
        "totals": engine.totals(),
        "summaries": [engine.summary(user) for user in users],
        "books": [
            (engine.book_orders(market, is_ask=False), engine.book_orders(market, is_ask=True))
            for market in engine.markets
        ],
        "market_trades": [engine.market_trades(market, 10_000) for market in engine.markets],
        "marks": [engine.mark_price(market) for market in engine.markets],
        "seq": (engine.last_seq, engine.block_height, engine.next_due_ms()),
    }


def replayed(bench: Bench) -> tuple[Engine, list[Any]]:
    """A new engine that was given the recorded inputs, after a trip through JSON."""

    def forbidden() -> int:
        raise AssertionError("a replay must not read a clock")

    engine = Engine(DEFAULT_MARKETS, bench.engine.tier, forbidden, forbidden)
    for entry in bench.entries:
        engine.apply(json.loads(json.dumps(entry)))
    return engine, engine.drain_events()
