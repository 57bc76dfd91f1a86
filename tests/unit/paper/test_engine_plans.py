"""Plans of fault switches inside the engine: what they do, and that a replay does it again."""

from __future__ import annotations

import pytest

from paper.engine import DEFAULT_MARKETS, Engine
from paper.fault_views import copy_of
from paper.plans import Plan, plan_of
from paper.records import Accepted, OrderStatus, Tier, TxStatus
from tests.unit.paper.bench import ALICE, BOB, KEY, Bench
from tests.unit.paper.checks import check_conservation

PLANS = (
    Plan(end_as="canceled-margin-not-allowed"),
    Plan(drop=True),
    Plan(give_nonce_back=True),
    Plan(fill_lots=0),
    Plan(fill_lots=30),
    Plan(hold_until_ms=10**15),
    Plan(hold_until_ms=10**15, fill_lots=20),
)


def market_sell(bench: Bench, plan: Plan | None = None, **fields: object) -> Accepted:
    """Submit and execute a market sell of 0.0100 ETH."""
    info = bench.create_info(
        ALICE, **{"IsAsk": 1, "Type": 1, "TimeInForce": 0, "Price": 1, **fields}
    )
    accepted = bench.engine.submit(14, info, plan)
    bench.engine.advance(bench.now)
    return accepted


@pytest.fixture
def bench() -> Bench:
    """An engine in which Bob bids for 0.1000 ETH."""
    made = Bench()
    made.submit(14, made.create_info(BOB, BaseAmount=1000, Price=299_000))
    made.engine.advance(made.now)
    return made


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_survives_its_record(plan: Plan) -> None:
    """A plan is the same after being written to the journal and read again."""
    assert plan_of(plan.as_json()) == plan


@pytest.mark.parametrize("plan", PLANS)
def test_a_replay_repeats_every_plan(bench: Bench, plan: Plan) -> None:
    """The recorded inputs give another engine the same orders, trades, nonces and positions."""
    market_sell(bench, plan)
    market_sell(bench)
    bench.engine.release()
    bench.engine.advance(bench.now)
    twin = Engine(DEFAULT_MARKETS, Tier.INSTANT, lambda: 0, lambda: 0)
    for entry in bench.entries:
        twin.apply(entry)
    assert twin.drain_events() == bench.engine.drain_events()
    assert twin.next_nonce(ALICE, KEY) == bench.engine.next_nonce(ALICE, KEY)
    check_conservation(twin)


def test_a_given_back_nonce_voids_what_is_queued_behind_it(bench: Bench) -> None:
    """Both fail, both nonces are free, and no nonce executes twice."""
    held = Plan(hold_until_ms=bench.now + 100, give_nonce_back=True)
    first = market_sell(bench, held)
    second = market_sell(bench)
    assert bench.nonce(ALICE) == 2
    bench.now += 100
    bench.engine.advance(bench.now)
    for accepted in (first, second):
        tx = bench.engine.tx_by_hash(accepted.tx_hash)
        assert tx is not None
        assert tx.status is TxStatus.FAILED
    assert bench.nonce(ALICE) == 0
    market_sell(bench)
    assert bench.engine.position(ALICE, 0).position.lots == -100


def test_a_starved_order_that_rests_is_not_starved(bench: Bench) -> None:
    """A bound on fills ends an IOC order; a resting order stays open with what it has."""
    market_sell(bench, Plan(fill_lots=30))
    order = bench.engine.inactive_orders(ALICE)[0]
    assert (order.filled_lots, order.status) == (30, OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY)
    bench.engine.submit(14, bench.create_info(ALICE, IsAsk=1, Price=300_000), Plan(fill_lots=0))
    bench.engine.advance(bench.now)
    assert len(bench.engine.active_orders(ALICE)) == 1


def test_a_copy_goes_its_own_way(bench: Bench) -> None:
    """What happens to an engine does not reach its copy, nor the other way round."""
    twin = copy_of(bench.engine)
    market_sell(bench)
    assert twin.position(ALICE, 0).position.lots == 0
    assert twin.next_nonce(ALICE, KEY) == 0
    for entry in bench.entries[-2:]:
        twin.apply(entry)
    assert twin.position(ALICE, 0).position.lots == -100
    assert twin.position(BOB, 0).position == bench.engine.position(BOB, 0).position
