"""When a B that only ends what was left in its market may go, and when it has left that."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import main_A
import main_B
from account_b_manager import AccountBManager
from hedge.bus.port import StateSnapshot
from hedge.config.schema import LighterConfig
from hedge.core.hedger.departure import MakerSeen, MakerStated
from hedge.core.hedger.state import SendHedge
from hedge.daemon import left_markets, startup
from hedge.daemon.context import Ending
from hedge.maker import statements
from hedge.wire.codec import RefusalCause
from tests.unit.core.kit import A_EPOCH, Hedger, kinds
from tests.unit.shell.fakes import NAMES, Bench

SECOND = 1000
ELSEWHERE = StateSnapshot(refused={NAMES.ready_a: RefusalCause.OTHER_MARKET})
"""A's heartbeat is of another market."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, "b")
    made.bus.subscribe = lambda *_: None  # type: ignore[attr-defined]
    yield made
    made.close()


def leaving(bench: Bench, b: Hedger) -> AccountBManager:
    """A B beside an A that beats in another market."""
    manager = main_B.build(replace(bench.parts, leaves=True))
    manager.on_snapshot(ELSEWHERE)
    manager.state = b.state
    return manager


@pytest.mark.parametrize(("net", "a_lots", "goes"), [(0, 0, True), (0, 66, False), (-66, 66, True)])
def test_b_asks_the_exchange_what_an_a_that_beats_elsewhere_holds_here(
    bench: Bench, *, net: int, a_lots: int, goes: bool
) -> None:
    """A's start may not know of a fill: its host lost its disk, and Redis was away."""
    b = Hedger(peer_watch=True).reconciling().proven(net)
    b.facts(now_ms=100 * SECOND)
    assert not leaving(bench, b).may_leave_here
    for _ in range(2):
        b(MakerStated(a_lots, 0, b.now.now_ms))
        b.later(15 * SECOND)
    assert leaving(bench, b).may_leave_here is goes


def test_a_b_that_may_not_watch_takes_the_word_of_a_s_start(bench: Bench) -> None:
    """It looked, and left nothing here, as far as it knew."""
    assert leaving(bench, Hedger(peer_watch=False).reconciling().proven(0)).may_leave_here
    assert not leaving(bench, Hedger(peer_watch=False).reconciling().proven(5)).may_leave_here


@pytest.mark.parametrize(("net", "goes"), [(-250, True), (0, True), (-100, False)])
def test_a_b_that_lost_its_offset_has_nothing_to_wait_for(
    bench: Bench, *, net: int, goes: bool
) -> None:
    """Liquidated, both are flat: nothing of the pair is left there, whatever A + B was to be."""
    b = Hedger(peer_watch=False, offset_lots=-250).reconciling().proven(net)
    assert leaving(bench, b).may_leave_here is goes


@pytest.mark.parametrize("owes", [False, True])
def test_a_b_that_learned_of_a_debt_while_it_stopped_has_not_left(
    bench: Bench, *, owes: bool
) -> None:
    """What was covered when it was asked to stop need not be so when it ends."""
    side = SimpleNamespace(
        may_leave_here=True,
        is_covered_here=True,
        is_other_past_here=True,
        stop=lambda: None,
        owes=lambda: owes,
    )

    async def run() -> Ending:
        await asyncio.sleep(0.01)
        return Ending.NOT_NEUTRAL

    left_markets.begin(bench.parts)
    done = asyncio.run(startup.end_old_market(bench.parts, cast("Any", side), run))
    assert done is not owes
    assert (left_markets.left_by(bench.host) == "") is owes


@pytest.mark.parametrize("build", [main_A.build, main_A.build_leaving])
def test_an_a_that_places_nothing_bounds_nothing_that_b_hedges(tmp_path: Path, build: Any) -> None:
    """It has no quantity in a market that it only leaves; B's limit would be ten times that."""
    bench = Bench(tmp_path, "a")
    bench.bus.subscribe = lambda *_: None  # type: ignore[attr-defined]
    try:
        config = replace(bench.parts.config, lighter=LighterConfig(requests_per_minute=20))
        parts = replace(bench.parts, config=config, leaves=True)
        stated = statements.beat_of(parts, build(parts).state).quantity_lots
    finally:
        bench.close()
    b = Hedger().idle()
    b(MakerSeen(b.beat(quantity_lots=stated), A_EPOCH))
    assert kinds(b(b.trade(-50))) == [SendHedge]  # a person's
