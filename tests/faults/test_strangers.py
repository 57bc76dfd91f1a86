"""Somebody else uses a key or trades an account: hedged or left alone, and then a person looks."""

import json
import time

import pytest

from tests.fault_helpers import (
    MARKS,
    OF_A,
    OF_B,
    flat,
    hedged_once,
    pair_fixture,
    resumed,
    sent,
)
from tests.world.pair import KEY_INDEX, NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = MARKS

SETTINGS = {"timing.request_timeout_s": 1.0}


pair = pair_fixture(SETTINGS)


async def test_a_stranger_spends_a_nonce_of_b(pair: Pair) -> None:
    """B's next order meets "invalid nonce": a fence and a proven book, then one hedge."""
    await flat(pair)
    await pair.paper.fault("foreign_key_use", **OF_B, api_key_index=KEY_INDEX)
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    await hedged_once(pair, since, 300)


async def test_a_stranger_spends_a_nonce_of_a(pair: Pair) -> None:
    """A's next order or cancel meets "invalid nonce": a fence, and one order rests again."""
    await flat(pair)
    await pair.paper.fault("foreign_key_use", **OF_A, api_key_index=KEY_INDEX)
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    await hedged_once(pair, since, 300)


@pytest.mark.parametrize("side", ["a", "b"])
async def test_another_program_goes_on_signing_with_a_key(pair: Pair, side: str) -> None:
    """The third time within a minute it is said; A holds then, and B goes on hedging."""
    await flat(pair)
    of, ready = (OF_A, NAMES.ready_a) if side == "a" else (OF_B, NAMES.ready_b)

    async def is_said() -> bool:
        return "key_shared" in ((await pair.key(ready)) or {}).get("notices", {})

    async def goes_on() -> bool:
        return await is_said() or bool(await pair.resting())

    for _ in range(8):  # two that come within one fence are found by it as one
        await pair.until(goes_on, "an order of A, or why there is none")
        if await is_said():
            break
        await pair.paper.fault("foreign_key_use", **of, api_key_index=KEY_INDEX)
        await pair.fill_a("0.0300")
        await pair.until_neutral()
    await pair.until(is_said, "another program is named")
    if side == "a":
        await pair.until_nothing_rests()
        assert await pair.stop_a() == 0
        pair.start_a()
        await pair.until_resting()
    else:
        await pair.until_resting()
        await pair.fill_a("0.0300")
        await pair.until_neutral()


async def test_a_stranger_trades_a(pair: Pair) -> None:
    """A trade on A that the pair did not make is hedged, and then the pair halts."""
    await flat(pair)
    await pair.paper.fault("foreign_trade", **OF_A, side="buy", base_amount="0.0500")
    await pair.until_halted("foreign_trade_on_a")
    await pair.until_neutral()
    assert await pair.positions() == (500, -500)
    await pair.until_state_a("halted")
    await pair.until_nothing_rests()
    await resumed(pair)


async def test_a_stranger_trades_b(pair: Pair) -> None:
    """A trade on B that the pair did not make halts it and is never countered."""
    await flat(pair)
    since = time.monotonic_ns()
    await pair.paper.fault("foreign_trade", **OF_B, side="sell", base_amount="0.0500")
    await pair.until_halted("foreign_trade_on_b")
    await pair.until_state_a("halted")
    beat = await pair.until_ready_b(ready=False)
    assert beat["reasons"]
    assert await pair.positions() == (0, -500)
    own = [life for life in await sent(pair, ACCOUNT_B, since) if life.client_order_index]
    assert own == []
    code, text = await pair.command("resume", "--force", "--yes", "--reason", "I sold by hand")
    assert code == 0, text
    await pair.forgive()
    await pair.until_resting()
    assert sum(await pair.positions()) == 0


async def test_b_is_liquidated(pair: Pair) -> None:
    """The exchange closes B's position: never countered, said by name, and a person looks."""
    await flat(pair)
    await pair.fill_a("0.5000")
    await pair.until_neutral()
    await pair.paper.fault("liquidation", **OF_B)
    assert (await pair.positions())[1] == 0
    halt = await pair.until_halted()
    assert "liquidat" in json.dumps(halt)
    await pair.until_state_a("halted")
    assert await pair.positions() == (5000, 0)
    await pair.until_nothing_rests()
    await pair.paper.collateral(ACCOUNT_B, "100000")
    code, text = await pair.command("resume", "--force", "--yes", "--reason", "money is back")
    assert code == 0, text
    await pair.until_neutral(40.0)
    await pair.forgive()
    await pair.until_resting()


async def test_a_is_liquidated(pair: Pair) -> None:
    """The exchange closes A's position: B follows it like any trade of A, then the pair halts."""
    await flat(pair)
    await pair.fill_a("0.5000")
    await pair.until_neutral()
    await pair.paper.fault("liquidation", **OF_A)
    halt = await pair.until_halted()
    assert "liquidat" in json.dumps(halt)
    await pair.until_neutral(40.0)
    assert await pair.positions() == (0, 0)
    assert await pair.resting() == []
    await pair.paper.collateral(ACCOUNT_A, "100000")
    await pair.until_shown()
    code, text = await pair.command("resume")
    assert code == 0, text
    await pair.until_resting()
