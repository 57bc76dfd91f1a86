"""The exchange's sockets pass only pings: what they carry out is told by REST alone."""

import time
from typing import Any

from tests.fault_helpers import MARKS, PATIENCE_S, flat, healing_fixture, hedged_once, pair_fixture
from tests.world.pair import Pair

pytestmark = MARKS

SETTINGS = {
    "lighter.maker_order_time_out": 300,
    "timing.request_timeout_s": 1.0,
    "timing.ws_ping_s": 0.5,
    "timing.ws_silence_s": 2.0,
}
FEW = 8
"""Transactions of both sides: a cancel, two fences, a hedge; none of them again and again."""

pair = pair_fixture(SETTINGS)
healed = healing_fixture()


def logged(pair: Pair, side: str) -> str:
    [file] = pair.folder.glob(f"logs*/main_{side}.log")
    return file.read_text("utf-8", errors="replace")


async def test_a_fill_while_sockets_carry_only_pings(pair: Pair) -> None:
    """A's cancel and cancel-all run unanswered: its fence passes, and B hedges, by HTTP.

    While its sockets say nothing B is not ready, and says why.
    """
    await flat(pair)
    since, accepted = time.monotonic_ns(), await pair.accepted()
    before = logged(pair, "A").count("fence passed")
    pings: Any = await pair.paper.fault("only_pings")
    await pair.take("sell", "0.0200")

    async def hedged() -> bool:
        a_lots, b_lots = await pair.positions()
        return (a_lots, b_lots) == (200, -200)

    await pair.until(hedged, "the fill to be hedged", PATIENCE_S)
    await pair.until_ready_b(ready=False)
    beat = await pair.key("hedge:ready:b")
    assert beat is not None
    assert beat["reasons"]
    await pair.until(lambda: logged(pair, "A").count("fence passed") > before, "A's fence")
    assert await pair.accepted() - accepted <= FEW
    assert (await pair.paper.fired(pings)) == 1
    await pair.paper.clear(pings)
    await pair.paper.fault("socket_cut")
    await hedged_once(pair, since, 200)
