"""A Redis that takes no writes, or no subscription, on the virtual clock."""

import asyncio
import json
from typing import Any

import pytest

from hedge.core.maker.state import Phase
from tests.simulation.bus import NAMES
from tests.simulation.exchange import A, B
from tests.simulation.redis_server import Unwritten
from tests.simulation.schedule import Stage
from tests.simulation.test_ends import on_stage, until

WELL_BEYOND_S = 60.0
"""Three times as long as A waits for B to cover a fill."""


@pytest.mark.parametrize("word", ["OOM", "READONLY", "MISCONF"])
def test_fills_that_wait_for_redis_are_hedged_once_and_told_as_they_stand(word: str) -> None:
    """B hedges by its watch; what comes late bears A's newest position, and moves nothing."""

    async def scene(stage: Stage) -> None:
        exchange, redis = stage.world.exchange, stage.world.redis
        told: list[dict[str, Any]] = []

        def hear(name: str, text: str | Unwritten) -> None:
            if name == NAMES.account_a_filled:
                told.append(json.loads(str(text)))

        redis.master.refuses = word
        for lots in (30, 30, 40):
            exchange.take(lots, A)
        await until(lambda: exchange.lots(B) == -100)
        redis.heard.append(hear)
        await asyncio.sleep(WELL_BEYOND_S)
        manager = stage.a.manager
        assert manager.halts.in_force == ()
        assert manager.state.phase is Phase.AWAITING_HEDGE
        assert word in manager.state.redis_why or word == "READONLY"
        assert not exchange.engine.active_orders(A)
        assert stage.b.manager.lease.held
        assert told == []
        redis.master.refuses = ""
        await until(lambda: bool(exchange.engine.active_orders(A)))
        assert len(told) == 3
        stated = {(one["seq"], one["position_base_amount"]) for one in told}
        assert len({seq for seq, _ in stated}) == 1
        assert {position for _, position in stated} == {"0.0100"}
        assert len({one["trade_id"] for one in told}) == 3
        assert (exchange.lots(A), exchange.lots(B)) == (100, -100)
        sold = sum(trade.lots for trade in _trades_of_b(stage))
        assert sold == 100, "never twice"

    on_stage(scene)


def _trades_of_b(stage: Stage) -> list[Any]:
    """Return all trades of B so far."""
    log = stage.world.exchange.log
    return [
        trade
        for _, _, trade in log.trades
        if B in (trade.ask_account_index, trade.bid_account_index)
    ]


def test_a_subscription_that_is_denied_costs_a_beat_at_most() -> None:
    """Fills go on by the state that is read every second; both say why they hear nothing."""

    async def scene(stage: Stage) -> None:
        exchange, loop = stage.world.exchange, stage.loop
        for daemon in (stage.a, stage.b):
            assert daemon.messenger is not None
            daemon.messenger.denied_until = loop.time() + 60
            daemon.messenger.lose_subscription()
        await asyncio.sleep(1)
        for daemon in (stage.a, stage.b):
            words = dict(daemon.manager.redis_watch.notices)
            assert "NOPERM" in words["subscription_lost"]
        exchange.take(100, A)
        began_s = loop.time()
        await until(lambda: exchange.lots(B) == -100)
        assert loop.time() - began_s < 1.5
        await until(lambda: bool(exchange.engine.active_orders(A)))

    on_stage(scene)
