"""Frames come twice, late, in another order, or never, while every socket looks alive."""

import time
from typing import Any

import pytest

from tests.fault_helpers import (
    MARKS,
    OF_A,
    OF_B,
    fill_under,
    flat,
    goes_on,
    healing_fixture,
    hedged_once,
    named,
    pair_fixture,
    until_fired,
)
from tests.world.pair import ETH, Pair

pytestmark = MARKS

SETTINGS = {
    "timing.request_timeout_s": 1.0,
    "timing.ws_ping_s": 0.5,
    "timing.ws_silence_s": 2.0,
}


pair = pair_fixture(SETTINGS)
healed = healing_fixture()


FATES: list[tuple[str, dict[str, Any]]] = [
    ("frames_duplicated", {"count": 4}),
    ("frames_dropped", {}),
    ("frames_dropped", {"count": 3}),
    ("frames_delayed", {"delay_ms": 300}),
    ("trades_reversed", {}),
    ("order_before_trades", {"delay_ms": 300, "count": 2}),
]


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(("name", "options"), FATES, ids=named)
async def test_trade_frames(pair: Pair, name: str, options: dict[str, Any], side: str) -> None:
    """Fill frames of either account repeated, lost, late or reversed: counted once each."""
    owner = OF_A if side == "a" else OF_B
    since, fault = await fill_under(
        pair, name, "0.0100", **owner, family="account_all_trades", **options
    )
    if await pair.resting():
        await pair.take("sell", "0.0150")
    await until_fired(pair, fault)
    await pair.until_neutral(30.0)
    await goes_on(pair)
    assert since < time.monotonic_ns()


@pytest.mark.parametrize("side", ["a", "b"])
async def test_order_frames_are_lost(pair: Pair, side: str) -> None:
    """The row that ends an order never comes over the stream: the look-up finds it."""
    owner = OF_A if side == "a" else OF_B
    since, fault = await fill_under(
        pair, "frames_dropped", "0.0200", **owner, family="account_all_orders", count=2
    )
    await until_fired(pair, fault)
    await hedged_once(pair, since, 200)


async def test_frames_of_the_watch(pair: Pair) -> None:
    """What B watches of a dead A comes twice, never, or in another order: followed, once each."""
    await flat(pair)
    since = time.monotonic_ns()
    pair.kill_a()
    for name in (
        "frames_duplicated",
        "frames_dropped",
        "trades_reversed",
        "position_after_trade",
        "position_before_trade",
    ):
        scope = OF_A if name.startswith("position") else {**OF_A, "family": "account_all"}
        fault = await pair.paper.fault(name, **scope, count=2)
        await pair.take("sell", "0.0100")
        await pair.take("sell", "0.0150")
        await until_fired(pair, fault)
        held, _ = await pair.positions()
        await pair.until_position_b(f"{-held / 10_000:.4f}", 30.0)
        await pair.paper.clear()
    pair.start_a()
    await hedged_once(pair, since, 5 * 250)


@pytest.mark.parametrize("side", ["a", "b"])
async def test_a_snapshot_replays_old_trades(pair: Pair, side: str) -> None:
    """After a reconnect the first frames list trades of long ago: none is hedged again."""
    owner = OF_A if side == "a" else OF_B
    await flat(pair)
    fault = await pair.paper.fault("snapshot_replays_trades", **owner, count=0)
    trades = len(await pair.paper.trades())
    await pair.paper.fault("socket_cut", **owner)
    await until_fired(pair, fault)
    await flat(pair)
    assert len(await pair.paper.trades()) == trades
    await goes_on(pair)


async def test_the_order_book_has_a_gap(pair: Pair) -> None:
    """An update of the book is missing: a new snapshot is asked for, and trading goes on."""
    gap = await pair.paper.fault("book_gap", market_index=ETH)
    await pair.fill_a("0.0100")
    await until_fired(pair, gap)
    await goes_on(pair)


async def test_a_fill_frame_is_dropped_and_nothing_follows(pair: Pair) -> None:
    """The only fill frame of A vanishes on a live socket: the order row contradicts the book."""
    order = await flat(pair)
    since = time.monotonic_ns()
    fault = await pair.paper.fault("frames_dropped", **OF_A, family="account_all_trades")
    filled = await pair.fill_a()
    assert filled == order.size_lots
    await until_fired(pair, fault)
    await hedged_once(pair, since, filled)
