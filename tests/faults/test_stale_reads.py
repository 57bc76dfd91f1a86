"""REST answers from a past that is over: old is not the truth, and absent there is not absent."""

import time
from typing import Any

import pytest

from tests.fault_helpers import (
    HEDGE,
    MARKS,
    OF_A,
    OF_B,
    fill_under,
    fill_unseen,
    flat,
    goes_on,
    healing_fixture,
    hedged_once,
    pair_fixture,
    until_fired,
)
from tests.world.pair import Pair

pytestmark = MARKS

SETTINGS = {
    "timing.request_timeout_s": 1.0,
    "timing.answer_timeout_s": 0.4,
}
LAG = {"lag_ms": 1200}


pair = pair_fixture(SETTINGS)
healed = healing_fixture()


async def test_a_lost_hedge_is_looked_up_on_a_lagging_replica(pair: Pair) -> None:
    """Absence counts only in an answer that lists B's own fence: nothing is hedged twice."""
    await flat(pair)
    lag = await pair.paper.fault("rest_lag", **OF_B, **LAG)
    since, lost = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, count=2)
    await until_fired(pair, lost)
    await until_fired(pair, lag)
    await hedged_once(pair, since, 300)


async def test_a_lost_request_is_looked_up_on_a_stale_replica(pair: Pair) -> None:
    """Half of the look-ups come from a replica that stands still: fences go on until proof."""
    await flat(pair)
    stale = await pair.paper.fault(
        "stale_replica", **OF_B, path="accountInactiveOrders", probability="0.5", seed=2
    )
    since, lost = await fill_under(pair, "answer_lost_before", "0.0300", **HEDGE, count=2)
    await until_fired(pair, lost, 2)
    await pair.until_neutral(40.0)
    await pair.paper.clear(stale)
    await hedged_once(pair, since, 300)


async def test_the_next_nonce_is_stale(pair: Pair) -> None:
    """An old nonce is refused, never trusted: the hedge whose answer is lost is not repeated."""
    await flat(pair)
    stale = await pair.paper.fault("stale_replica", **OF_B, path="nextNonce", count=2)
    since, _ = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, count=2)
    await until_fired(pair, stale, 2)
    await hedged_once(pair, since, 300)


@pytest.mark.parametrize("side", ["a", "b"])
async def test_a_daemon_is_killed_and_reads_the_past_when_it_comes_back(
    pair: Pair, side: str
) -> None:
    """Reads lag and the position comes from a stale replica: the book is proven, not read."""
    await flat(pair)
    owner = OF_A if side == "a" else OF_B
    await pair.paper.fault("stale_replica", **owner)
    lag = await pair.paper.fault("rest_lag", **owner, **LAG)
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    (pair.kill_a if side == "a" else pair.kill_b)()
    (pair.start_a if side == "a" else pair.start_b)()
    await until_fired(pair, lag, 2)
    await hedged_once(pair, since, 300)


@pytest.mark.parametrize("side", ["a", "b"])
async def test_the_stream_is_cut_and_the_catch_up_is_stale(pair: Pair, side: str) -> None:
    """Trades missed while the socket was down are not listed yet: found later all the same."""
    owner: dict[str, Any] = OF_A if side == "a" else OF_B
    await flat(pair)
    await pair.paper.fault("rest_lag", **owner, **LAG)
    since = await fill_unseen(pair, "0.0200", "socket_cut", **owner)
    await hedged_once(pair, since, 200)
    await goes_on(pair)
