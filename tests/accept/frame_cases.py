"""Drawn lies of the table of `tests.simulation.lying_frames`, told by a proxy to real daemons."""

import time
from random import Random

from tests.accept.cases import Figure, Run, case
from tests.accept.chaos_cases import lied_to
from tests.simulation import lying_frames
from tests.simulation.lying_frames import Case, is_read
from tests.world.lying import Lie, LyingProxy
from tests.world.pair import Pair

DRAWN = 60
RIGHT_S = 75.0
"""A minute, and what a fill and a look take."""
CHANNELS = {
    "trades": "account_all_trades",
    "orders": "account_all_orders",
    "stats": "user_stats",
    "all trades": "account_all:",
    "all positions": "account_all:",
}


async def told(pair: Pair, liars: dict[str, LyingProxy], one: Case) -> str:
    """Tell one lie over two fills; return how it ended. Raises AssertionError."""
    liar = liars["a" if one.stream == "A" else "b"]
    lie = Lie(CHANNELS[one.frame], how="leaf", leaf=one.leaf, way=one.how, lasting=one.lasting)
    liar.lies.append(lie)
    for amount in ("0.0060", None):
        if not await quotes(pair):
            break
        await pair.fill_a(amount)
        await ends(pair)
    liar.lies.clear()
    await quotes(pair)
    halts = await pair.halts()
    if not halts:
        await pair.until_neutral(RIGHT_S)
        return "right" if lie.told else "not told"
    a, b = await pair.positions()
    code, text = await pair.command("resume", "--force", "--yes", "--reason", "a frame lied")
    assert code == 0, text
    await pair.until_neutral(RIGHT_S)
    return f"halted ({halts[0]['reason']}) at A {a}, B {b}, and right after a person resumed"


async def quotes(pair: Pair) -> bool:
    """Wait until A has an order in the book, or the pair is halted; whether it has."""

    async def seen() -> bool:
        return bool(await pair.halts() or await pair.resting())

    await pair.until(seen, "a resting order of A, or a halt", RIGHT_S)
    return not await pair.halts()


async def ends(pair: Pair) -> None:
    """Wait until the pair is neutral again by its positions, or halted."""

    async def seen() -> bool:
        a, b = await pair.positions()
        return bool(await pair.halts()) or a + b == 0

    await pair.until(seen, "the pair to be neutral or halted", RIGHT_S)


def drawn(count: int, seed: int) -> list[Case]:
    """Return some of the cases that the product reads."""
    return Random(seed).sample([one for one in lying_frames.cases() if is_read(one)], count)


@case("lying-proxy", f"{DRAWN} drawn lies of one leaf, told to real daemons")
async def lying_proxy(run: Run) -> list[Figure]:
    """After each the pair is right by itself, or halted and right once a person has resumed."""
    began = time.monotonic()
    for number, one in enumerate(drawn(DRAWN, run.seed)):
        async with lied_to(run.folder / str(number)) as (pair, liars):
            print(f"{one} {await told(pair, liars, one)}", flush=True)
    return [Figure("took", time.monotonic() - began, "s")]
