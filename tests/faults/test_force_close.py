"""A fill that stays uncovered: A reduces what is proven unhedged, and nothing on a guess."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.world.pair import KEY_INDEX, NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]

SETTINGS = {
    "strategy.quantity": "1.0",
    "strategy.depth": 2,
    "strategy.hedge_confirm_timeout_s": 1.0,
    "strategy.force_close_timeout": 2.0,
}

WATCHED = {**SETTINGS, "timing.view_lag_s": 3.0}
"""A's time to act on public answers alone is as long as REST may lag."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair with little patience, in which neither side looks at the other's account."""
    settings = {**SETTINGS, "lighter.peer_watch": False}
    async with Pair(tmp_path_factory.mktemp("pair"), settings=settings) as made:
        await made.start()
        yield made


async def nothing_rests(pair: Pair) -> bool:
    return await pair.resting() == []


async def trades_of_a(pair: Pair) -> int:
    return len(await pair.paper.trades(account=ACCOUNT_A))


async def flat(pair: Pair) -> None:
    """Bring the pair to flat, with an opening order resting."""
    await pair.until_neutral()
    if (await pair.positions())[0]:
        await pair.fill_a()
        await pair.until_neutral()
    assert await pair.positions() == (0, 0)
    order = await pair.until_resting()
    assert not order.is_ask


async def resumed(pair: Pair) -> None:
    """Resume, and see the pair trade again."""
    await pair.until_ready_b()
    await pair.until_neutral()
    await pair.until_shown()
    code, text = await pair.command("resume")
    assert code == 0, text
    await pair.fill_a("0.1000")
    await pair.check()


async def test_a_does_not_close_what_it_cannot_know(pair: Pair) -> None:
    """With B silent A cancels, alerts and halts, but trades nothing on a guess.

    Heard again B leaves the debt to A, since its own time is over, and A reduces by that word.
    """
    await flat(pair)
    assert pair.b is not None
    pair.b.send(signal.SIGSTOP)
    await pair.fill_a("0.5000")
    trades = await trades_of_a(pair)
    await pair.until(lambda: nothing_rests(pair), "A's remainder off the book")
    await pair.until(lambda: pair.has_told("hedge_confirm_timeout"), "the alert")
    await pair.until_halted("force_close_timeout")
    await pair.until_state_a("halted")
    assert await pair.positions() == (5000, 0)
    assert await trades_of_a(pair) == trades
    pair.b.send(signal.SIGCONT)
    await pair.until(lambda: at_zero(pair), "A's position is reduced")
    await pair.until_neutral()
    assert await trades_of_a(pair) == trades + 1
    assert await nothing_rests(pair)
    await resumed(pair)


async def test_a_reduces_itself_when_b_cannot_hedge(pair: Pair) -> None:
    """B lives and says what it cannot hedge: A closes exactly that much; halted and neutral."""
    await flat(pair)
    await pair.paper.collateral(ACCOUNT_B, "-99980")
    await pair.fill_a("0.7000")
    await pair.until_halted("not_enough_margin")
    await pair.until_neutral()
    a_lots, b_lots = await pair.positions()
    assert 0 < a_lots == -b_lots < 2000, "B has 20 USDC, which carry 0.13 at 5 %"
    await pair.until_state_a("halted")
    assert await nothing_rests(pair)
    await pair.paper.collateral(ACCOUNT_B, "99980")
    await resumed(pair)


async def test_a_reduces_what_the_liquidation_of_b_left_naked(tmp_path: Path) -> None:
    """A was covered; B is closed by the exchange and answers nothing more: A looks, and sells."""
    async with Pair(tmp_path, settings=WATCHED) as pair:
        await pair.start()
        await pair.fill_a("0.4000")
        await pair.until_neutral()
        await pair.paper.fault("liquidation", account_index=ACCOUNT_B)
        await pair.until_halted("liquidation_on_b")
        await pair.until(lambda: at_zero(pair), "A's position is reduced", 40.0)
        assert await nothing_rests(pair)


async def at_zero(pair: Pair) -> bool:
    """Whether both accounts are flat."""
    return await pair.positions() == (0, 0)


async def test_a_opens_nothing_to_follow_b(pair: Pair) -> None:
    """Where A has nothing left to reduce it only waits: B's own retries are the cure."""
    await flat(pair)
    await pair.fill_a("0.3000")
    await pair.until_neutral()
    await pair.until_resting()
    await pair.paper.delete_key(ACCOUNT_B, KEY_INDEX)
    await pair.fill_a()
    trades = await trades_of_a(pair)
    await pair.until_halted("api_key_refused")
    await pair.until(lambda: pair.has_told("hedge_confirm_timeout"), "the alert")
    assert await pair.positions() == (0, -3000)
    await pair.paper.register_key(ACCOUNT_B, KEY_INDEX, pair.public_key("b"))
    await pair.until_position_b("0")
    await pair.until_neutral()
    assert await trades_of_a(pair) == trades
    await resumed(pair)


async def test_a_reduces_what_a_dead_b_does_not_hold(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """B is dead: A sees on the exchange that B holds nothing, and closes exactly that."""
    async with Pair(tmp_path_factory.mktemp("watched"), settings=WATCHED) as pair:
        await pair.start()
        pair.kill_b()
        await pair.fill_a("0.2000")
        assert await pair.positions() == (2000, 0)
        await pair.until_halted("force_close_timeout")

        async def reduced() -> bool:
            return sum(await pair.positions()) == 0

        await pair.until(reduced, "A at what B has hedged")
        trades = await trades_of_a(pair)
        pair.start_b()
        await resumed(pair)
        assert await trades_of_a(pair) >= trades


async def test_a_flatten_right_after_b_died_closes_nothing(pair: Pair) -> None:
    """B's heartbeat outlives it for a moment; A alone would make a hedged pair naked."""
    await flat(pair)
    await pair.fill_a()
    await pair.until_neutral()
    before = await pair.positions()
    pair.kill_b()
    code, text = await pair.command("flatten", "--yes")
    assert code == 5, text
    assert await pair.positions() == before
    pair.start_b()
    await pair.until_ready_b()
    await pair.until_neutral()
    code, text = await pair.command("flatten", "--yes")
    assert code == 0, text
    assert await pair.positions() == (0, 0)
    await resumed(pair)


async def test_a_redis_that_refuses_writes_is_no_fault_of_b(tmp_path: Path) -> None:
    """Both end flat by B's watch, long after the time-out: no halt, and the true reason.

    The state in Redis can be read all the time, so that A goes on seeing a B that answers nothing.
    """
    async with Pair(tmp_path, settings=SETTINGS) as pair:
        await pair.start()
        await pair.fill_a("0.4000")
        await pair.until_neutral()
        await pair.until_resting()
        await pair.client.config_set("maxmemory", 1)
        await pair.fill_a("0.4000")
        await pair.until(lambda: nothing_rests(pair), "what rests cancelled")
        await pair.until(lambda: pair.has_told("redis_down"), "the reason on the events channel")
        assert await pair.positions() == (0, 0)
        trades = len(await pair.paper.trades())

        async def settled() -> bool:
            return "settled_by_exchange" in pair.logs()

        await pair.until(settled, "A has waited out its time-out and asked the exchange", 30.0)
        assert await pair.halt() is None
        assert len(await pair.paper.trades()) == trades
        (down,) = (one for one in pair.told_on(NAMES.events) if _is_down(one, "a"))
        assert "OOM" in down["detail"]
        await pair.client.config_set("maxmemory", 0)
        await pair.until_neutral()
        await pair.fill_a("0.1000")
        await pair.check()
        assert await pair.halt() is None


def _is_down(message: dict[str, Any], side: str) -> bool:
    return (message["event"], message["side"]) == ("redis_down", side)
