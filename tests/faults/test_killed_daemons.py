"""Daemons killed at every awkward moment: they start again, find out, and go on neutral."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hedge.core import ids
from tests.pair_audit import lives_of
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """A running pair on an exchange that takes its time, so that orders are caught in flight.

    Every test has an exchange of its own: each start of a daemon costs some 2,000 of the
    24,000 that one owner may ask in a minute, and one exchange for all of them answers 429.
    """
    settings = {
        "strategy.quantity": "1.0",
        "strategy.depth": 2,
        "strategy.on_partial_fill": "keep",  # so that A sends nothing while B hedges
    }
    async with Pair(tmp_path, tier="standard", settings=settings) as made:
        await made.start()
        yield made


async def goes_on(pair: Pair) -> None:
    """The pair is neutral by itself, trades again, and kept every promise."""
    await pair.until_neutral(40.0)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()


async def fill_until_hedge_is_in_flight(pair: Pair, amount: str) -> int:
    """Fill A and wait until B's order is accepted; it executes 0.3 s later."""
    await pair.until_resting()
    accepted = await pair.accepted()
    filled = await pair.fill_a(amount)

    async def seen() -> bool:
        return await pair.accepted() > accepted

    await pair.until(seen, "B's order accepted")
    return filled


async def test_a_is_killed_between_fill_and_publication(pair: Pair) -> None:
    """A dies with a fill that it has not said: B sees it by itself, A's next start agrees."""
    await pair.until_resting()
    assert pair.a is not None
    pair.a.send(signal.SIGSTOP)
    await pair.fill_a("0.2000")
    pair.kill_a()
    held, _ = await pair.positions()
    await pair.until_position_b(f"{-held / 10_000:.4f}")
    pair.start_a()
    await goes_on(pair)


async def test_a_is_killed_right_after_a_fill(pair: Pair) -> None:
    """A dies a moment after a fill, said or not: hedged once."""
    await pair.fill_a("0.0900")
    pair.kill_a()
    pair.start_a()
    await goes_on(pair)


async def test_b_is_killed_with_a_hedge_in_flight(pair: Pair) -> None:
    """B dies between acceptance and execution: its next start counts the order, and adds none."""
    await pair.until_resting()
    since = await pair.last_seq()
    filled = await fill_until_hedge_is_in_flight(pair, "0.3000")
    pair.kill_b()
    pair.start_b()
    await pair.until_neutral(40.0)
    rows = lives_of(await pair.paper.orders(since, ACCOUNT_B))
    executed = [row.filled_lots for row in rows if row.filled_lots]
    assert sum(executed) == abs(filled)
    await goes_on(pair)


async def test_b_is_killed_before_it_hears_of_a_fill(pair: Pair) -> None:
    """A fill while B is dead is hedged by B's next start; A places nothing before."""
    await pair.until_resting()
    pair.kill_b()
    assert await pair.fill_a("0.0500") != 0
    pair.start_b()
    await goes_on(pair)


async def test_both_are_killed_with_a_hedge_in_flight(pair: Pair) -> None:
    """Both die in the middle of a hedge and come back in either order."""
    for first, second in ((pair.start_a, pair.start_b), (pair.start_b, pair.start_a)):
        await fill_until_hedge_is_in_flight(pair, "0.1100")
        pair.kill_a()
        pair.kill_b()
        first()
        second()
        await goes_on(pair)


async def test_daemons_are_killed_at_random(pair: Pair) -> None:
    """Kills at random moments around fills: net zero, never twice, trading goes on."""
    rng = random.Random(11)
    for _ in range(4):
        await pair.fill_a(f"{rng.randint(5, 90) / 1000:.4f}")
        await asyncio.sleep(rng.uniform(0.0, 0.5))
        if rng.random() < 0.6:
            pair.kill_b()
            pair.start_b()
        else:
            pair.kill_a()
            pair.start_a()
        await pair.until_resting()
    await goes_on(pair)


async def test_a_paused_b_does_not_hedge_twice_when_it_wakes(pair: Pair) -> None:
    """B stopped with a hedge on its way wakes up after its lease has lapsed: one hedge."""
    await pair.until_resting()
    assert pair.b is not None
    since = await pair.last_seq()
    await fill_until_hedge_is_in_flight(pair, "0.0400")
    pair.b.send(signal.SIGSTOP)

    async def lapsed() -> bool:
        return not await pair.client.keys(f"hedge:lease:[0-9]*:{ACCOUNT_B}:*")

    await pair.until(lapsed, "B's lease to lapse")
    assert await pair.key(NAMES.ready_b) is None
    pair.b.send(signal.SIGCONT)
    await goes_on(pair)
    rows = lives_of(await pair.paper.orders(since, ACCOUNT_B))
    assert len({ids.instance_of(row.client_order_index) for row in rows}) == 1
