"""Hosts and Redis that forgot everything: positions that nothing explains are not traded on."""

import shutil
from pathlib import Path

import pytest

from tests.world.pair import NAMES, Pair

pytestmark = [pytest.mark.integration, pytest.mark.fault]


async def forget(pair: Pair) -> None:
    """Stop both sides and delete what the hosts and Redis kept."""
    assert await pair.stop_a() == 0
    assert await pair.stop_b() == 0
    await pair.client.flushall()
    for side in ("a", "b"):
        shutil.rmtree(pair.folder / f"state-{side}")


async def long_pair(pair: Pair, amount: str) -> None:
    """Fill A's opening order and see it hedged."""
    await pair.start()
    await pair.fill_a()
    await pair.until_position_b(f"-{amount}")
    await pair.until_neutral()


async def test_a_small_position_is_adopted_aloud(tmp_path: Path) -> None:
    """Below the limit the pair says what it found, and goes on closing it."""
    async with Pair(tmp_path) as pair:
        await long_pair(pair, "0.0100")
        await forget(pair)
        await pair.start()
        assert (await pair.resting())[0].is_ask
        await pair.fill_a()
        await pair.until_position_b("0")
        await pair.check()


async def test_a_large_position_halts_until_a_person_adopts_it(tmp_path: Path) -> None:
    """Beyond the limit nothing is traded before `resume --force`; then it is closed in order."""
    async with Pair(tmp_path, settings={"strategy.quantity": "1.0"}) as pair:
        await long_pair(pair, "1.0000")
        trades = len(await pair.paper.trades())
        await forget(pair)
        pair.start_b()
        pair.start_a()
        await pair.until_halted("unexplained_position")
        await pair.until_state_a("halted")
        await pair.until_nothing_rests()
        assert len(await pair.paper.trades()) == trades
        code, text = await pair.command("resume", "--force", "--yes", "--reason", "both are ours")
        assert code == 0, text
        order = await pair.until_resting()
        assert order.is_ask
        await pair.fill_a()
        await pair.until_position_b("0")
        await pair.check()


async def test_a_large_debt_that_nothing_explains_halts(tmp_path: Path) -> None:
    """A long, B flat, and no record of why: nothing is traded before a person has looked."""
    async with Pair(tmp_path, settings={"strategy.quantity": "1.0"}) as pair:
        pair.start_b()
        pair.start_a()
        await pair.until_resting()
        pair.kill_b()
        await pair.fill_a()
        pair.kill_a()
        await pair.client.flushall()
        for side in ("a", "b"):
            shutil.rmtree(pair.folder / f"state-{side}")
        pair.start_b()
        pair.start_a()
        await pair.until_halted("unexplained_position")

        async def explained() -> bool:
            beat = await pair.key(NAMES.ready_b)
            return beat is not None and "unexplained_position" in " ".join(beat["reasons"])

        await pair.until(explained, "B that says why it is halted", 25.0)
        await pair.until_state_a("halted")
        assert await pair.positions() == (10_000, 0)
        force = ("resume", "--force", "--yes", "--reason", "hedge it")
        code, said = await pair.command(*force)
        assert code == 0, said
        await pair.until_position_b("-1.0000")
        await pair.until_resting()
        await pair.check()
