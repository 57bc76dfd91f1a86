"""The exchange itself dies and comes back, moves away, or takes its time."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.world.pair import ETH, KEY_INDEX, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair on an exchange that can be killed without losing what it accepted."""
    settings = {"strategy.quantity": "1.0", "strategy.depth": 2}
    folder = tmp_path_factory.mktemp("pair")
    async with Pair(folder, keep_exchange=True, settings=settings) as made:
        await made.start()
        yield made


async def restarted(pair: Pair) -> None:
    """Kill the exchange and start it again on the same port with the same books."""
    await asyncio.to_thread(pair.paper.kill)
    await asyncio.to_thread(pair.paper.start)


async def goes_on(pair: Pair) -> None:
    """The pair is neutral by itself, trades again, and kept every promise."""
    await pair.until_neutral(40.0)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()


async def test_the_exchange_is_restarted_while_an_order_rests(pair: Pair) -> None:
    """The order that rested survives the restart; A takes it off before it places another."""
    await pair.until_resting()
    await restarted(pair)
    await goes_on(pair)


async def test_the_exchange_is_killed_right_after_a_fill(pair: Pair) -> None:
    """Wherever the hedge was on its way: exactly one in the end."""
    for _ in range(3):
        await pair.fill_a("0.0300")
        await restarted(pair)
        await pair.until_neutral(40.0)
        await pair.until_resting()
    await goes_on(pair)


async def test_the_price_runs_away_from_the_order(tmp_path: Path) -> None:
    """With a live market A follows the price, and every fill is hedged."""
    async with Pair(tmp_path, tier="standard", market=True) as pair:
        await pair.start()

        async def traded() -> bool:
            result = await pair.audit()
            return result.prefixes >= 12 and result.a_orders >= 6

        await pair.until(traded, "fills by the market itself", 45.0)
        assert await pair.stop_a() == 0
        await pair.until_neutral()
        assert await pair.stop_b() == 0
        (await pair.audit()).check()
        assert await pair.resting() == []


async def test_the_exchange_comes_back_without_its_state(tmp_path: Path) -> None:
    """Keys, positions and trades are gone: the pair halts, and trades on no memory of its own."""
    settings = {"strategy.quantity": "1.0", "strategy.depth": 2, "timing.prove_deadline_s": 4.0}
    async with Pair(tmp_path, settings=settings) as pair:
        await pair.start()
        await pair.fill_a("0.3000")
        await pair.until_neutral()
        assert await pair.stop_a() == 0
        assert await pair.stop_b() == 0
        await pair.start()  # by now answers have listed what frames told
        await pair.until_resting()
        await asyncio.to_thread(pair.paper.kill)
        await asyncio.to_thread(pair.paper.start)
        await pair.until_ready_b(ready=False)
        for side, account in (("a", ACCOUNT_A), ("b", ACCOUNT_B)):
            await pair.paper.register_key(account, KEY_INDEX, pair.public_key(side))
        await pair.until_halted("trades_missing")
        await pair.until_state_a("halted")
        await pair.until_nothing_rests()
        assert await pair.paper.trades() == []


async def test_an_exchange_back_with_older_positions_is_adopted_by_force_alone(
    tmp_path: Path,
) -> None:
    """Trades that the pair knows are gone: no plain resumption, and a forced one trades again.

    A holds 0.1 by the exchange, 0.3 by the record: nothing of the record moves money.
    """
    settings = {"strategy.quantity": "1.0", "strategy.depth": 2, "timing.prove_deadline_s": 3.0}
    async with Pair(tmp_path, settings=settings, keep_exchange=True) as pair:
        journal, older = tmp_path / "exchange", tmp_path / "older"
        await pair.start()
        await pair.fill_a("0.1000")
        await pair.until_neutral()
        await asyncio.to_thread(pair.paper.kill)
        shutil.copytree(journal, older)
        await asyncio.to_thread(pair.paper.start)
        await pair.until_resting()
        await pair.fill_a("0.2000")
        await pair.until_neutral()
        held = await pair.positions()

        def listed() -> tuple[int, int]:
            text = pair.logs(lines=10_000)
            return text.count("book_proven"), text.count("caught_up")

        proven, caught_up = listed()
        await asyncio.to_thread(pair.paper.kill)
        await asyncio.to_thread(pair.paper.start)
        # What only frames have told of the second fill could be dropped; now answers list it.
        await pair.until(
            lambda: listed()[0] > proven and listed()[1] > caught_up, "both books read anew"
        )
        await pair.until_neutral()
        await asyncio.to_thread(pair.paper.kill)
        shutil.rmtree(journal)
        shutil.copytree(older, journal)
        await asyncio.to_thread(pair.paper.start)
        await pair.until_halted("trades_missing")
        await pair.until_state_a("halted")
        before = await pair.positions()
        assert before != held
        assert sum(before) == 0
        code, text = await pair.command("resume")
        assert code == 5
        assert 'resume --force --reason "…"' in text
        code, text = await pair.command("resume", "--force", "--reason", "seen", "--yes")
        assert code == 0, text
        assert await pair.positions() == before
        await pair.until_resting()
        await pair.fill_a("0.2000")
        await pair.until_neutral()
        assert "book_forgotten" in pair.logs(lines=10_000)


async def test_the_price_halves_below_the_smallest_order(tmp_path: Path) -> None:
    """A closes what it holds by an order that rests nowhere, says why it opens nothing, and starts.

    The second start is with a position that the fall has made too small for a resting order.
    """
    async with Pair(tmp_path, settings={"strategy.quantity": "0.005"}) as pair:

        async def closed() -> bool:
            beat = await pair.key(pair.names.ready_a)
            told = "; ".join(beat["reasons"]) if beat is not None else ""
            return await pair.positions() == (0, 0) and "lets none rest below" in told

        await pair.start()
        await pair.fill_a()
        await pair.until_neutral()
        assert await pair.positions() == (50, -50)
        await pair.paper.set_market(ETH, price="1500.00")
        await pair.until(closed, "both flat, and the reason", 20)

        await pair.paper.set_market(ETH, price="3000.00")
        await pair.fill_a()
        await pair.until_neutral()
        pair.kill_a()
        pair.kill_b()
        await pair.paper.set_market(ETH, price="1500.00")
        pair.start_b()
        pair.start_a()
        await pair.until(closed, "both flat, and the reason", 20)
        assert await pair.halt() is None
        assert await pair.resting() == []
        (await pair.audit()).check()
