"""The exchange takes B's hedge and then does something else with it: the rest is owed, no more."""

from typing import Any

import pytest

from tests.fault_helpers import (
    HEDGE,
    MARKS,
    OF_B,
    fill_under,
    flat,
    healing_fixture,
    hedged_once,
    named,
    pair_fixture,
    resumed,
    sent,
    until_fired,
)
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_B

pytestmark = MARKS

SETTINGS = {"strategy.retry_delay_s": 0.05}


pair = pair_fixture(SETTINGS, keep_exchange=True)
healed = healing_fixture()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("order_cancelled", {}),
        ("order_cancelled", {"count": 2}),
        ("order_cancelled", {"status": "canceled-too-much-slippage"}),
        ("order_dropped", {}),
        ("order_dropped", {"count": 2}),
        ("nonce_given_back", {}),
        ("nonce_given_back", {"count": 2}),
        ("partial_fill", {"base_amount": "0.0010"}),
        ("partial_fill", {"base_amount": "0.0100", "count": 3}),
        ("no_liquidity", {}),
        ("no_liquidity", {"count": 2}),
        ("held", {"delay_ms": 700}),
        ("held", {"delay_ms": 2500}),
    ],
    ids=named,
)
async def test_an_accepted_hedge_does_not_execute_as_sent(
    pair: Pair, name: str, options: dict[str, Any]
) -> None:
    """Cancelled, dropped, handed back, partly filled, unfilled or late: hedged in full, once."""
    since, fault = await fill_under(pair, name, "0.0400", **HEDGE, **options)
    await until_fired(pair, fault, options.get("count", 1))
    await hedged_once(pair, since, 400)


async def test_a_dropped_hedge_whose_answer_is_lost_too(pair: Pair) -> None:
    """No answer and no report: only the fence tells that nothing of it executed."""
    await pair.paper.fault("order_dropped", **HEDGE)
    since, fault = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, count=2)
    await until_fired(pair, fault)
    await hedged_once(pair, since, 300)


async def test_a_partly_filled_hedge_whose_answer_is_lost(pair: Pair) -> None:
    """What executed behind a lost answer counts, and only the rest is sent again."""
    await flat(pair)
    await pair.paper.fault("partial_fill", **HEDGE, base_amount="0.0120")
    since, fault = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, count=2)
    await until_fired(pair, fault)
    await hedged_once(pair, since, 300)


async def test_a_hedge_executes_just_before_it_expires(pair: Pair) -> None:
    """B gave up waiting long ago, was killed and came back: the late order is the only one."""
    since, held = await fill_under(pair, "held", "0.0500", **HEDGE)
    await until_fired(pair, held)
    pair.kill_b()
    pair.start_b()
    marker = await pair.accepted()

    async def fencing() -> bool:
        return await pair.accepted() > marker

    await pair.until(fencing, "B's fence behind the held order")
    assert await sent(pair, ACCOUNT_B, since) == []
    assert (await pair.positions())[1] == 0
    await pair.paper.clear(held)
    await hedged_once(pair, since, 500)


async def test_the_exchange_is_killed_while_it_holds_a_hedge(pair: Pair) -> None:
    """What was accepted survives the exchange's death, still held: B waits for its fence."""
    since, held = await fill_under(pair, "held", "0.0200", **HEDGE, delay_ms=2500)
    await until_fired(pair, held)
    pair.paper.kill()
    pair.paper.start()
    await hedged_once(pair, since, 200)


async def test_the_book_is_empty_for_a_moment(pair: Pair) -> None:
    """Five orders find nothing: B goes on at once, and nobody has to look."""
    since, fault = await fill_under(pair, "no_liquidity", "0.0600", **HEDGE, count=5)
    await until_fired(pair, fault, 5)
    await pair.until_position_b("-0.0600")
    assert await pair.halt() is None
    await hedged_once(pair, since, 600)


async def test_the_book_is_empty_for_ten_seconds(pair: Pair) -> None:
    """B says that it failed and goes on trying: with liquidity back it hedges; a person resumes."""
    since, fault = await fill_under(pair, "no_liquidity", "0.0600", **HEDGE, count=0)
    await pair.until_halted("max_retries_exceeded")
    failure = (await pair.all_told_on(NAMES.account_b_hedge_failed))[-1]
    assert failure["reason"] == "max_retries_exceeded"
    assert failure["attempts"] > 3
    await pair.paper.clear(fault)
    await pair.until_position_b("-0.0600")
    executed = [life.filled_lots for life in await sent(pair, ACCOUNT_B, since)]
    assert sum(executed) == 600
    await resumed(pair)


async def test_b_has_no_margin_says_the_order_row(pair: Pair) -> None:
    """Not enough margin fails at once; what our own count allows is tried without a pause."""
    _, fault = await fill_under(
        pair,
        "order_cancelled",
        "0.0600",
        **HEDGE,
        status="canceled-margin-not-allowed",
        count=2,
    )
    await pair.until_halted("not_enough_margin")
    await until_fired(pair, fault, 2)
    await pair.until_position_b("-0.0600")
    await resumed(pair)


async def test_fence_markers_are_dropped(pair: Pair) -> None:
    """A fence whose marker is never listed is repeated with a new one, not believed."""
    await flat(pair)
    marker = {**OF_B, "order_type": 0, "time_in_force": 0}
    dropped = await pair.paper.fault("order_dropped", **marker, count=2)
    since, _ = await fill_under(pair, "answer_lost_after", "0.0200", **HEDGE, count=2)
    await until_fired(pair, dropped, 2)
    await hedged_once(pair, since, 200)
