"""What REST lists late, out of order or in other words: absent there is not "did not execute"."""

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fault_helpers import (
    HEDGE,
    MARKS,
    OF_A,
    OF_B,
    flat,
    healing_fixture,
    hedged_once,
    pair_fixture,
    until_fired,
)
from tests.world.pair import Pair
from tests.world.paper import ACCOUNT_B

pytestmark = MARKS

SETTINGS = {
    "timing.request_timeout_s": 1.0,
    "timing.answer_timeout_s": 0.2,
    "timing.settle_timeout_s": 0.4,
}
LATE = {"least_ms": 1000, "most_ms": 1000}
"""Within what the pair of the tests believes REST to lag (`timing.view_lag_s`)."""
FIRST = {**LATE, "facts": 1}
"""B's hedge alone is late; the marker of the fence behind it is listed at once."""

pair = pair_fixture(SETTINGS)
healed = healing_fixture()


async def test_rows_are_told_in_other_words(pair: Pair) -> None:
    """Early trade times, whole seconds, null lists, no positions of strangers: all is as ever."""
    await flat(pair)
    await pair.paper.fault("trade_time_early", most_ms=20_000)
    await pair.paper.fault("order_times_in_seconds")
    await pair.paper.fault("position_before_lost", how="absent")
    await pair.paper.fault("list_missing", how="null")
    await pair.paper.fault("listed_late", what="rows", most_ms=1000)
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    await hedged_once(pair, since, 300)


@pytest.mark.parametrize("how", ["null", "absent"])
async def test_a_first_start_whose_empty_lists_are_missing(tmp_path: Path, how: str) -> None:
    """Accounts that never traded have empty lists alone: the pair starts, trades and hedges."""
    async with Pair(tmp_path, settings=SETTINGS) as made:
        await made.paper.fault("list_missing", how=how)
        await made.start()
        since = time.monotonic_ns()
        await made.fill_a("0.0100")
        await hedged_once(made, since, 100)


async def test_balances_come_without_what_is_available(pair: Pair) -> None:
    """`user_stats` lacks it from now on: B asks REST, and A opens no more than B has room for."""
    await flat(pair)
    await pair.paper.fault("balance_missing", **OF_B, how="absent")
    await pair.paper.collateral(ACCOUNT_B, "-99990")

    async def room() -> Decimal:
        beat = await pair.key(pair.names.ready_b) or {}
        return Decimal(beat.get("can_hedge_base_amount") or "-1")

    async def is_drained() -> bool:
        return 0 <= await room() < 1

    async def is_off() -> bool:
        return await pair.resting() == []

    await pair.until(is_drained, "B's room by REST", 8.0)
    await pair.until(is_off, "A's order off the book")
    await pair.paper.collateral(ACCOUNT_B, "99990")
    await pair.until_resting()
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    await hedged_once(pair, since, 300)
    await pair.until_resting()


@pytest.mark.parametrize("whats", [("rows", "trades"), ("rows", "trades", "transactions")])
async def test_a_hedge_without_frames_is_listed_after_the_marker(
    pair: Pair, whats: Sequence[str]
) -> None:
    """Taken and executed, but neither streamed nor listed yet: looked at again, hedged once."""
    await flat(pair)
    since = time.monotonic_ns()
    for family in ("account_all_trades", "account_all_orders"):
        await pair.paper.fault("frames_dropped", **OF_B, family=family)
    for what in whats:
        await pair.paper.fault("listed_late", **OF_B, what=what, **FIRST)
    await pair.fill_a("0.0300")
    await hedged_once(pair, since, 300)


async def test_a_hedge_without_answers_is_listed_after_the_marker(pair: Pair) -> None:
    """Both copies go unanswered, the first one ran; its row, trade and fate are listed late."""
    await flat(pair)
    since = time.monotonic_ns()
    lost = await pair.paper.fault("answer_lost_after", **HEDGE, count=2)
    for family in ("account_all_trades", "account_all_orders", "account_tx"):
        await pair.paper.fault("frames_dropped", **OF_B, family=family, count=2)
    for what in ("rows", "trades", "transactions"):
        await pair.paper.fault("listed_late", **OF_B, what=what, **FIRST)
    await pair.fill_a("0.0300")
    await until_fired(pair, lost)
    await hedged_once(pair, since, 300)


async def test_a_fill_of_a_without_frames_is_listed_after_its_fence(pair: Pair) -> None:
    """A's socket is lost with a fill that no list shows before the marker: covered all the same."""
    await flat(pair)
    since = time.monotonic_ns()
    for what in ("rows", "trades"):
        await pair.paper.fault("listed_late", **OF_A, what=what, **FIRST)
    for family in ("account_all_trades", "account_all_orders"):
        await pair.paper.fault("frames_dropped", **OF_A, family=family)
    await pair.take("sell", "0.0300")
    await pair.paper.fault("socket_cut", **OF_A, family="account_all_trades")
    await hedged_once(pair, since, 300)
