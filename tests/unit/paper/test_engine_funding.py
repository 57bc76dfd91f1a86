"""Hourly funding: when, who pays whom, how much, and what is told of it."""

from __future__ import annotations

import pytest

from paper.engine import AdminError
from paper.records import CollateralChanged, FundingPaid, PositionChanged
from tests.unit.paper.bench import ALICE, BOB, START_MS, TWIN, USD, Bench
from tests.unit.paper.checks import check_conservation, replayed, state_of

HOUR_MS = 3_600_000
FIRST_HOUR = (START_MS // HOUR_MS + 1) * HOUR_MS


def pair(bench: Bench, lots: int = 1_000) -> None:
    """ALICE long and BOB short at the mark price."""
    bench.create(ALICE, Price=300_000, BaseAmount=lots)
    bench.market(BOB, lots, is_ask=True)
    bench.events.clear()


def collateral(bench: Bench, account: int) -> int:
    return bench.engine.summary(account).collateral


def test_longs_pay_shorts_at_the_full_hour(bench: Bench) -> None:
    """0.1 ETH at 3,000 and 12 millionths an hour: 3,600 micros from the long to the short."""
    pair(bench)
    bench.engine.set_funding(0, 12)
    assert bench.engine.next_due_ms() == FIRST_HOUR
    bench.run(FIRST_HOUR - bench.now - 1)
    assert collateral(bench, ALICE) == 100_000 * USD
    bench.run(1)
    assert collateral(bench, ALICE) == 100_000 * USD - 3_600
    assert collateral(bench, BOB) == 100_000 * USD + 3_600
    assert bench.engine.position(ALICE, 0).position.funding_paid == 3_600
    assert bench.engine.position(BOB, 0).position.funding_paid == -3_600
    assert bench.engine.next_due_ms() == FIRST_HOUR + HOUR_MS
    check_conservation(bench.engine)


def test_a_payment_is_recorded_and_announced(bench: Bench) -> None:
    """A payment announces position, collateral and itself; the history has the newest first."""
    pair(bench)
    bench.engine.set_funding(0, -12)
    bench.run(FIRST_HOUR - bench.now)
    kinds = [type(event) for event in bench.events]
    assert kinds == [PositionChanged, CollateralChanged, FundingPaid] * 2
    bench.run(HOUR_MS)
    new, old = bench.engine.funding_payments(BOB)
    assert (old.timestamp_ms, new.timestamp_ms) == (FIRST_HOUR, FIRST_HOUR + HOUR_MS)
    assert (old.funding_id, new.funding_id) == (1, 2)
    assert (old.paid, old.position_lots, old.rate, old.mark_price) == (3_600, -1_000, -12, 300_000)
    assert bench.engine.funding_payments(BOB, 1) == bench.engine.funding_payments(TWIN) == []


def test_several_hours_at_once(bench: Bench) -> None:
    """When the clock jumps, every full hour is paid once, before what came due later."""
    pair(bench)
    bench.engine.set_funding(0, 100)
    bench.run(FIRST_HOUR - bench.now + 3 * HOUR_MS)
    hours = [payment.timestamp_ms for payment in bench.engine.funding_payments(ALICE)]
    assert hours == [FIRST_HOUR + n * HOUR_MS for n in (3, 2, 1, 0)]


def test_off_again(bench: Bench) -> None:
    """With every rate at zero nothing is due; a second market keeps it going."""
    pair(bench)
    bench.engine.set_funding(0, 12)
    bench.engine.set_funding(1, 5)
    bench.engine.set_funding(0, 0)
    assert bench.engine.next_due_ms() == FIRST_HOUR
    bench.run(FIRST_HOUR - bench.now)
    assert collateral(bench, ALICE) == 100_000 * USD
    bench.engine.set_funding(1, 0)
    assert bench.engine.next_due_ms() is None
    assert bench.engine.funding_rate(1) == 0


def test_the_house_takes_part(bench: Bench) -> None:
    """A position against the house pays the house, and money is conserved to the micro."""
    bench.ladder((True, 300_100, 1_000))
    bench.market(ALICE, 333, is_ask=False)
    bench.engine.set_funding(0, 7)
    bench.engine.set_mark_price(0, 300_007)
    bench.run(FIRST_HOUR - bench.now)
    assert collateral(bench, ALICE) < 100_000 * USD
    check_conservation(bench.engine)


def test_rounding(bench: Bench) -> None:
    """1.4 micros: the payer pays 2, the receiver gets 1, the exchange keeps 1."""
    pair(bench, 50)
    bench.engine.set_mark_price(0, 28_000)
    bench.engine.set_funding(0, 1)
    bench.run(FIRST_HOUR - bench.now)
    assert [bench.engine.funding_payments(user)[0].paid for user in (ALICE, BOB)] == [2, -1]
    assert bench.engine.totals()[1] == 1
    check_conservation(bench.engine)


def test_rates_out_of_range(bench: Bench) -> None:
    """Absurd rates and unknown markets are refused without a trace."""
    before = len(bench.entries)
    for market, rate in ((0, 100_001), (0, -100_001), (77, 1)):
        with pytest.raises(AdminError):
            bench.engine.set_funding(market, rate)
    assert len(bench.entries) == before


def test_funding_is_replayed(bench: Bench) -> None:
    """Payments are the same in an engine that is given the recorded inputs."""
    bench.events += bench.engine.drain_events()
    bench.create(ALICE)
    bench.market(BOB, 100, is_ask=True)
    bench.engine.set_funding(0, 55)
    bench.run(2 * HOUR_MS)
    engine, events = replayed(bench)
    assert state_of(engine) == state_of(bench.engine)
    assert events == bench.events
    assert engine.funding_payments(ALICE) == bench.engine.funding_payments(ALICE) != []
