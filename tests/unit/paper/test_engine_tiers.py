"""Tiers: delays, fees and limits by owner; changing them; leverage; grouped orders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paper.engine import AdminError, TxRejected
from paper.records import OrderStatus, Tier, TxStatus
from paper.tiers import terms_of
from tests.unit.paper.bench import ALICE, BOB, DAY_MS, TWIN, USD, Bench
from tests.unit.paper.checks import check_conservation, replayed, state_of

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("tier", "staked", "expected"),
    [
        (Tier.INSTANT, 0, (0, 0, 0, 0, 0)),
        (Tier.STANDARD, 0, (300, 0, 300, 0, 0)),
        (Tier.STANDARD, 500_000, (300, 0, 300, 0, 0)),
        (Tier.PLUS, 0, (300, 0, 0, 50, 50)),
        (Tier.PREMIUM, 0, (140, 0, 0, 40, 280)),
        (Tier.PREMIUM, 999, (140, 0, 0, 40, 280)),
        (Tier.PREMIUM, 1_000, (140, 0, 0, 39, 273)),
        (Tier.PREMIUM, 3_000, (140, 0, 0, 38, 266)),
        (Tier.PREMIUM, 10_000, (140, 0, 0, 36, 252)),
        (Tier.PREMIUM, 30_000, (140, 0, 0, 34, 238)),
        (Tier.PREMIUM, 100_000, (140, 0, 0, 32, 224)),
        (Tier.PREMIUM, 300_000, (140, 0, 0, 30, 210)),
        (Tier.PREMIUM, 500_000, (140, 0, 0, 28, 196)),
        (Tier.PREMIUM, 9_000_000, (140, 0, 0, 28, 196)),
    ],
)
def test_terms(tier: Tier, staked: int, expected: tuple[int, ...]) -> None:
    """Delays in ms and fees in 1e-6 are those of the venue's table."""
    terms = terms_of(tier, staked)
    delays = (terms.taker_delay_ms, terms.maker_delay_ms, terms.cancel_delay_ms)
    assert (*delays, terms.maker_fee, terms.taker_fee) == expected


def test_a_tier_belongs_to_the_owner(slow: Bench) -> None:
    """All accounts of the owner change, also those created later; others do not."""
    slow.engine.set_tier(ALICE, Tier.PREMIUM, 1_000)
    slow.engine.add_account(99, "0xaa", 0)
    tiers = [slow.engine.account_tier(account).tier for account in (ALICE, TWIN, 99, BOB)]
    assert tiers == [Tier.PREMIUM, Tier.PREMIUM, Tier.PREMIUM, Tier.STANDARD]
    assert slow.engine.terms(TWIN).taker_fee == 273
    assert slow.engine.account_tier(ALICE).staked_lit == 1_000


def test_premium_delays(slow: Bench) -> None:
    """At premium makers and cancels go at once, takers after 140 ms; other owners as before."""
    slow.engine.set_tier(ALICE, Tier.PREMIUM)
    slow.ladder((True, 300_100, 1_000))
    start = slow.now

    def delay(account: int, **changes: Any) -> int:
        accepted = slow.submit(14, slow.create_info(account, **changes))
        return accepted.predicted_execution_time_ms - start

    taker = {"Type": 1, "TimeInForce": 0, "Price": 310_000}
    assert [delay(TWIN), delay(TWIN, **taker), delay(BOB), delay(BOB, **taker)] == [
        0,
        140,
        0,
        300,
    ]
    cancel = slow.submit(16, slow.plain_info(ALICE, TimeInForce=0, Time=0))
    assert cancel.predicted_execution_time_ms == start


def test_fees_are_charged_and_shown(bench: Bench) -> None:
    """Both sides pay the rate of their own tier, rounded up to the micro; trades name the rates."""
    bench.engine.set_tier(ALICE, Tier.PREMIUM)
    bench.engine.set_tier(BOB, Tier.PLUS)
    bench.create(ALICE, BaseAmount=100)
    bench.market(BOB, 100, is_ask=True)
    trade = bench.engine.market_trades(0)[0]
    assert (trade.maker_fee, trade.taker_fee) == (40, 50)
    quote = 100 * 299_900
    paid = [100_000 * USD - bench.engine.summary(user).collateral for user in (ALICE, BOB)]
    assert paid == [-(-quote * 40 // 10**6), -(-quote * 50 // 10**6)]
    assert bench.engine.totals()[1] == sum(paid)
    check_conservation(bench.engine)


def test_the_house_pays_no_fees(bench: Bench) -> None:
    """Against the house only the user pays."""
    bench.engine.set_tier(ALICE, Tier.PREMIUM)
    bench.ladder((True, 300_100, 1_000))
    bench.market(ALICE, 100, is_ask=False)
    trade = bench.engine.market_trades(0)[0]
    assert (trade.maker_fee, trade.taker_fee) == (0, 280)
    check_conservation(bench.engine)


@pytest.mark.parametrize(
    ("tier", "bound"), [(Tier.STANDARD, 30), (Tier.PLUS, 250), (Tier.PREMIUM, 1_000)]
)
def test_orders_per_market(bench: Bench, tier: Tier, bound: int) -> None:
    """A tier bounds the resting orders of an account in one market."""
    bench.engine.set_tier(ALICE, tier)
    for _ in range(bound):
        bench.submit(14, bench.create_info(ALICE, BaseAmount=50))
        bench.run(1 if tier is Tier.PREMIUM else 200)
    assert bench.refused(14, bench.create_info(ALICE)) == 21718


def test_orders_per_account(bench: Bench) -> None:
    """Standard allows 250 resting orders over all markets."""
    bench.engine.set_tier(ALICE, Tier.STANDARD)
    state = bench.engine._store.accounts[ALICE]
    state.active[7] = dict.fromkeys(range(250))
    assert bench.refused(14, bench.create_info(ALICE)) == 21717


def test_the_bound_holds_for_queued_orders(slow: Bench) -> None:
    """Creates accepted together beyond the bound fail in execution; the bound is kept."""
    accepted = [slow.submit(14, slow.create_info(ALICE)) for _ in range(32)]
    slow.run(200)
    assert len(slow.engine.active_orders(ALICE)) == 30
    assert [slow.tx(each).status for each in accepted].count(TxStatus.FAILED) == 2


def test_change_of_tier(slow: Bench) -> None:
    """An owner changes the tier without positions or orders, once in 24 hours."""
    engine = slow.engine

    def refused(tier: str) -> int:
        before = (state_of(engine), engine.account_tier(ALICE), len(slow.entries))
        with pytest.raises(TxRejected) as caught:
            engine.change_tier(ALICE, tier)
        assert before == (state_of(engine), engine.account_tier(ALICE), len(slow.entries))
        return caught.value.code

    assert refused("gold") == 62002
    assert refused("instant") == 62002
    assert refused("standard") == 62003
    order = slow.create(TWIN)
    assert refused("premium") == 62005
    slow.take(100, is_ask=True)
    assert slow.now_row(order).status is OrderStatus.FILLED
    assert refused("premium") == 62004
    slow.take(100, is_ask=False)
    slow.ladder((False, 299_900, 1_000))
    slow.market(TWIN, 100, is_ask=True)
    engine.change_tier(ALICE, "premium")
    assert engine.account_tier(TWIN).tier is Tier.PREMIUM
    assert engine.account_tier(TWIN).changed_ms == slow.now
    assert refused("plus") == 62006
    slow.run(DAY_MS - 1)
    assert refused("plus") == 62006
    slow.run(1)
    engine.change_tier(ALICE, "plus")
    assert engine.terms(ALICE).taker_fee == 50
    with pytest.raises(AdminError):
        engine.change_tier(4711, "plus")
    with pytest.raises(AdminError):
        engine.set_tier(ALICE, Tier.PLUS, -1)


def test_tiers_survive_a_replay(bench: Bench) -> None:
    """Tiers, fees and delays are the same in an engine that is given the recorded inputs."""
    bench.events += bench.engine.drain_events()
    bench.engine.set_tier(BOB, Tier.PREMIUM, 30_000)
    bench.engine.change_tier(ALICE, "plus")
    bench.create(ALICE)
    bench.run(200)
    bench.submit(14, bench.create_info(BOB, IsAsk=1, Type=1, TimeInForce=0, Price=299_000))
    bench.run(170)
    engine, events = replayed(bench)
    assert state_of(engine) == state_of(bench.engine)
    assert events == bench.events
    assert [engine.account_tier(user) for user in (ALICE, BOB)] == [
        bench.engine.account_tier(user) for user in (ALICE, BOB)
    ]
    assert engine.market_trades(0)[0].taker_fee == 238


def leverage(bench: Bench, imf: int, **changes: Any) -> dict[str, Any]:
    """A change of the initial margin fraction of ETH for ALICE."""
    fields = {"MarketIndex": 0, "InitialMarginFraction": imf, "MarginMode": 0}
    return bench.plain_info(ALICE, **(fields | changes))


def test_leverage_changes_the_initial_margin(bench: Bench) -> None:
    """A lower fraction lets an account hold more, a higher one less; trades show it."""
    quarter = {"BaseAmount": 3_000_000}
    bench.create(ALICE, **quarter)
    bench.create(ALICE, **quarter)
    assert bench.refused(14, bench.create_info(ALICE, **quarter)) == 21739
    accepted = bench.submit(20, leverage(bench, 200))
    bench.run()
    assert bench.tx(accepted).status is TxStatus.EXECUTED
    assert bench.engine.summary(ALICE).order_margin == 36_000 * USD
    bench.create(ALICE, **quarter)
    position = bench.engine.position(ALICE, 0).position
    assert (position.lots, position.imf, position.margin_set) == (0, 200, True)
    bench.market(BOB, 100, is_ask=True)
    bench.market(BOB, 100, is_ask=True)
    assert bench.engine.market_trades(0)[0].maker_imf_before == 200


def test_leverage_refusals(bench: Bench) -> None:
    """Fractions below the market's minimum, isolated margin and uncovered risk are refused."""
    assert bench.refused(20, leverage(bench, 0)) == 21113
    assert bench.refused(20, leverage(bench, 10_001)) == 21113
    assert bench.refused(20, leverage(bench, 199)) == 21113
    assert bench.refused(20, leverage(bench, 500, MarginMode=1)) == 21613
    assert bench.refused(20, leverage(bench, 500, MarginMode=2)) == 21613
    assert bench.refused(20, leverage(bench, 500, MarketIndex=77)) == 21602
    bench.create(ALICE, BaseAmount=3_000_000)
    assert bench.refused(20, leverage(bench, 2_000)) == 21133
    bench.submit(20, leverage(bench, 1_000))
    bench.run()
    assert bench.engine.position(ALICE, 0).position.imf == 1_000


def test_leverage_overtaken_in_the_queue(slow: Bench) -> None:
    """A higher fraction that is no longer covered at execution fails and changes nothing."""
    order = slow.submit(14, slow.create_info(ALICE, BaseAmount=6_000_000))
    accepted = slow.submit(20, leverage(slow, 1_000))
    slow.run(300)
    assert slow.tx(order).status is TxStatus.EXECUTED
    assert slow.tx(accepted).status is TxStatus.FAILED
    assert json.loads(slow.tx(accepted).event_info)["ae"] == "invalid risk change"
    assert slow.engine.position(ALICE, 0).position.imf == 500


@pytest.mark.parametrize(
    ("grouping", "count", "code"),
    [
        (0, 2, 21741),
        (4, 2, 21741),
        (1, 1, 21742),
        (2, 3, 21742),
        (3, 2, 21742),
        (1, 2, 21710),
        (2, 2, 21710),
        (3, 3, 21710),
    ],
)
def test_grouped_orders(bench: Bench, grouping: int, count: int, code: int) -> None:
    """Groups are checked, then refused, as all of them contain orders with triggers."""
    info = bench.plain_info(ALICE, GroupingType=grouping, Orders=[{}] * count)
    assert bench.refused(28, info) == code


def test_grouped_orders_without_a_list(bench: Bench) -> None:
    """What is no list of orders is refused with a code."""
    assert bench.refused(28, bench.plain_info(ALICE, GroupingType=1, Orders=None)) == 21742
    assert bench.refused(28, bench.plain_info(ALICE)) == 21501
