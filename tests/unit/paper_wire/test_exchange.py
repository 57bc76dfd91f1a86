"""Tests of the driver of the paper exchange: submitting, pumping, timers, a failing journal."""

import asyncio
import errno
from typing import Any

import pytest

from paper.apierror import ApiError
from paper.engine import DEFAULT_MARKETS, Engine
from paper.eventlog import EventLog
from paper.exchange import Clock, Exchange
from paper.records import EngineEvent, OrderChanged, Tier
from tests.waiting import eventually

ACCOUNT, KEY = 42, 4


class Driven:
    """An exchange with one account and a list of what its listener heard."""

    def __init__(self, tier: Tier = Tier.INSTANT) -> None:
        clock = Clock()
        self.mono = 0
        self.engine = Engine(DEFAULT_MARKETS, tier, clock.now_ms, self._tick)
        self.engine.add_account(ACCOUNT, "0x1", 10**11)
        self.engine.add_key(ACCOUNT, KEY, "ab" * 40)
        self.exchange = Exchange(self.engine, clock, None)
        self.engine.drain_events()
        self.heard: list[EngineEvent] = []
        self.exchange.listen(self.heard.extend)

    def _tick(self) -> int:
        self.mono += 1
        return self.mono

    def order(self, **fields: Any) -> dict[str, Any]:
        names = ("MarketIndex", "ClientOrderIndex", "IsAsk", "Type", "TimeInForce", "ReduceOnly")
        return {
            **dict.fromkeys((*names, "TriggerPrice", "OrderExpiry"), 0),
            "AccountIndex": ACCOUNT,
            "ApiKeyIndex": KEY,
            "BaseAmount": 100,
            "Price": 299_000,
            "ExpiredAt": self.exchange.now_ms() + 599_000,
            "Nonce": self.engine.next_nonce(ACCOUNT, KEY),
            "Sig": "",
            "L2TxAttributes": None,
            **fields,
        }

    def orders(self) -> list[str]:
        return [e.order.status.value for e in self.heard if isinstance(e, OrderChanged)]


async def test_nothing_is_published_before_the_pump() -> None:
    """Submitting only admits; the pump executes and publishes."""
    driven = Driven()
    driven.exchange.submit(14, driven.order(), 5)
    assert driven.heard == []
    driven.exchange.pump()
    assert driven.orders() == ["canceled-not-enough-liquidity"]


async def test_pump_soon_runs_in_the_next_turn() -> None:
    """A pump asked for soon does not run at once, but without further help."""
    driven = Driven()
    driven.exchange.submit(14, driven.order(), 5)
    driven.exchange.pump_soon()
    assert driven.heard == []
    await eventually(lambda: driven.heard)


async def test_the_timer_executes_what_waits() -> None:
    """On the standard tier the timer executes the order after its delay."""
    driven = Driven(Tier.STANDARD)
    driven.exchange.submit(14, driven.order(), 5)
    driven.exchange.pump()
    assert driven.orders() == []
    await eventually(driven.orders)
    driven.exchange.stop()


async def test_moving_the_clock_brings_the_timer_forward() -> None:
    """Time that passes at once also shortens what is still ahead."""
    driven = Driven(Tier.STANDARD)
    driven.exchange.submit(14, driven.order(), 5)
    driven.exchange.pump()
    driven.exchange.move_ahead(250)
    assert driven.orders() == []
    timer = driven.exchange._timer
    assert timer is not None
    assert timer.when() - asyncio.get_running_loop().time() < 0.1
    await eventually(driven.orders)
    driven.exchange.stop()


async def test_rejections_carry_the_code() -> None:
    """A refusal of the engine becomes an error with its code, and is counted."""
    driven = Driven()
    with pytest.raises(ApiError) as caught:
        driven.exchange.submit(14, driven.order(Nonce=7), 5)
    assert (caught.value.code, caught.value.http_status) == (21104, 400)
    assert driven.exchange.counters["rejected"] == 1


async def test_a_journal_that_cannot_be_written() -> None:
    """With a full disk nothing is accepted, and what waits executes once there is room."""
    driven = Driven(Tier.STANDARD)
    driven.exchange.submit(14, driven.order(), 5)
    full = True

    def record(_: list[Any]) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")

    driven.engine.recorder = record
    nonce = driven.engine.next_nonce(ACCOUNT, KEY)
    with pytest.raises(ApiError) as caught:
        driven.exchange.submit(14, driven.order(), 5)
    assert (caught.value.code, caught.value.http_status) == (29500, 500)
    assert driven.engine.next_nonce(ACCOUNT, KEY) == nonce
    driven.exchange.move_ahead(1000)
    assert driven.orders() == []
    full = False
    await eventually(driven.orders)
    driven.exchange.stop()


async def test_the_past_is_remembered_without_publishing() -> None:
    """Events of an earlier life enter the log only."""
    driven = Driven()
    driven.exchange.submit(14, driven.order(), 5)
    driven.engine.advance(driven.exchange.now_ms())
    driven.exchange.remember(driven.engine.drain_events())
    assert driven.heard == []
    assert len(driven.exchange.log.orders(0, ACCOUNT, 10)) == 1


async def test_the_log_keeps_its_limit() -> None:
    """The log forgets the oldest rows beyond its limit and answers from a sequence number."""
    driven = Driven()
    for _ in range(4):
        driven.exchange.submit(14, driven.order(), 5)
        driven.exchange.pump()
    log = EventLog(max_rows=3)
    events = [event for event in driven.heard if isinstance(event, OrderChanged)]
    log.received(events[2].order.tx_hash, 5)
    for event in events:
        log.add_order(event)
    rows = log.orders(0, None, 10)
    assert [row.event for row in rows] == events[1:]
    assert [row.received_ns for row in rows] == [None, 5, None]
    assert log.orders(rows[1].seq, None, 10) == rows[2:]
    assert log.orders(0, 7, 10) == []
    assert log.orders(0, ACCOUNT, 1) == rows[:1]
    assert log.counts == (0, 3)
