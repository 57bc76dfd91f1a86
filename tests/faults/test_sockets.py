"""Sockets that go silent, are cut or are sent away: fills of that time are found and hedged."""

import time
from typing import Any

import pytest

from tests.fault_helpers import (
    MARKS,
    OF_A,
    OF_B,
    fill_unseen,
    flat,
    healing_fixture,
    hedged_once,
    pair_fixture,
)
from tests.world.pair import Pair

pytestmark = MARKS

SETTINGS = {
    "timing.request_timeout_s": 1.0,
    "timing.ws_ping_s": 0.5,
    "timing.ws_silence_s": 2.0,
}
OWNERS: dict[str, dict[str, Any]] = {"a": OF_A, "b": OF_B, "everybody": {}}


pair = pair_fixture(SETTINGS)
healed = healing_fixture()


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("name", ["no_pong", "socket_cut"])
async def test_sockets_are_closed_before_a_fill_is_seen(pair: Pair, name: str, owner: str) -> None:
    """Closed with 1008 or cut: the fill is caught up with by REST, and hedged once."""
    since = await fill_unseen(pair, "0.0200", name, **OWNERS[owner])
    await hedged_once(pair, since, 200)


async def test_the_exchange_announces_a_shutdown(pair: Pair) -> None:
    """Every socket is closed with a word; a fill that none of them showed is hedged once."""
    since = await fill_unseen(pair, "0.0200", "shutdown")
    await hedged_once(pair, since, 200)


@pytest.mark.parametrize("owner", OWNERS)
async def test_sockets_go_silent_without_a_word(pair: Pair, owner: str) -> None:
    """Open, but nothing comes: the stream is given up, the fill is found, and hedged once."""
    await flat(pair)
    since = time.monotonic_ns()
    silent = await pair.paper.fault("socket_silent", **OWNERS[owner])
    assert silent["fired"]
    await pair.take("sell", "0.0200")
    await hedged_once(pair, since, 200)
