"""A flatten on A's side: it begins with what B shows, not with what it showed before."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import main_A
import main_B
from hedge.bus.port import StateSnapshot
from hedge.config.schema import StrategyConfig
from hedge.core.hedger import state as hedger_state
from hedge.core.hedger import step as hedger
from hedge.core.hedger.state import BaselineRead, SendHedge
from hedge.core.maker.closing import Closing
from hedge.core.maker.state import HaltPair, Place
from hedge.daemon.halt import Release
from hedge.hedger import statements as answers
from hedge.wire.control import FLATTEN, Command, Halt, Halts
from tests.unit.core.kit import Hedger, Maker, kinds
from tests.unit.shell.fakes import Bench, always_fresh

OFFSET_LOTS = 30
FLATTENED = Halt(id="a-1", side="a", reason=FLATTEN, detail="a person asked", timestamp=1)
OTHER = Halt(id="b-2", side="b", reason="hedge_unconfirmed", detail="", timestamp=1)
COMMAND = Command(id="c1", command=FLATTEN, timestamp=1)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """The hosts of A and of B."""
    made = Bench(tmp_path / "a", "a"), Bench(tmp_path / "b", "b")
    yield made
    for bench in made:
        bench.close()


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_closes_nothing_beside_a_b_that_acknowledges_and_leaves(
    sides: tuple[Bench, Bench], *, leaves: bool
) -> None:
    """One heartbeat says both; the one before said ready. A halts, and closes once B is back."""
    bench_a, bench_b = sides
    bench_a.bus.subscribe = lambda *_: None  # type: ignore[attr-defined]
    bench_a.strategy = StrategyConfig(quantity=Decimal("0.01"))
    parts = bench_a.parts
    lighter = replace(parts.config.lighter, requests_per_minute=20)
    parts = replace(parts, config=replace(parts.config, lighter=lighter))
    manager, effects = main_A.build(parts), list[Any]()
    manager.perform = effects.append  # type: ignore[method-assign]
    manager.origin.fresh_until = always_fresh  # type: ignore[method-assign]
    manager.origin.is_fresh = lambda *_: True  # type: ignore[method-assign]
    manager.state = Maker().ready(100).state
    b = Hedger().idle()

    def shown(*, leaving: bool) -> StateSnapshot:
        why = ("stopping",) if leaving else ()
        beat = answers.beat_of(bench_b.parts, b.state, why, None)
        beat = replace(beat, acks=(("c1", "closing"),))
        return StateSnapshot(ready_b=beat, ledger=answers.ledger_of(bench_b.parts, b.state, why))

    assert manager.on_command(COMMAND) == "closing once B has acknowledged it"
    manager.on_snapshot(shown(leaving=leaves))
    assert manager.state.closing is Closing.ALL
    assert HaltPair in kinds(tuple(effects))
    assert (Place in kinds(tuple(effects))) is not leaves


def b_of(bench: Bench) -> Any:
    """A process of B whose pair shall hold an offset, as its host's files let it come up."""
    bench.bus.subscribe = lambda *_: None  # type: ignore[attr-defined]
    offset = bench.parts.spec.base(OFFSET_LOTS)
    bench.strategy = StrategyConfig(quantity=Decimal("0.01"), offset_base_amount=Decimal(offset))
    bench.restart()
    manager = main_B.build(bench.parts)
    manager.halts.load()
    return manager


def with_a_flat(manager: Any, net_lots: int) -> list[Any]:
    """Prove the book of a B that holds so much, and let it see an A that holds nothing."""
    driver = Hedger()
    driver.state, driver.a_lots = manager.state, 0
    driver.reconciling().proven(net_lots)
    said = driver(BaselineRead(driver.target(), named=True))
    said += driver(driver.says(0, stamp_s=driver.a_stamp + 1))
    manager.state = driver.state
    return [effect.order for effect in said if isinstance(effect, SendHedge)]


@pytest.mark.parametrize(
    ("halts", "net_lots", "traded_lots"),
    [
        ((), 0, OFFSET_LOTS),
        ((OTHER,), 0, OFFSET_LOTS),
        ((FLATTENED,), 0, 0),
        ((OTHER, FLATTENED), 0, 0),
        ((FLATTENED,), OFFSET_LOTS, -OFFSET_LOTS),
    ],
)
async def test_a_b_that_is_started_again_opens_no_offset_during_a_flatten(
    sides: tuple[Bench, Bench], halts: tuple[Halt, ...], net_lots: int, traded_lots: int
) -> None:
    """The halt of A that stands on its disk is the order: what B still holds is closed."""
    sides[1].host.write_halts(Halts(halts=halts))
    orders = with_a_flat(b_of(sides[1]), net_lots)
    assert sum(order.side.sign * order.lots for order in orders) == traded_lots


async def test_the_offset_comes_back_with_the_release_of_the_flatten_alone(
    sides: tuple[Bench, Bench],
) -> None:
    """Another halt that is released before it, or a standby that hears of it, changes nothing."""
    manager = b_of(sides[1])
    manager.perform = lambda _: None
    manager.on_halt(OTHER)
    manager.on_halt(FLATTENED)
    assert with_a_flat(manager, 0) == []
    for halt, left, owed in ((OTHER, (FLATTENED,), 0), (FLATTENED, (), OFFSET_LOTS)):
        manager.on_release(Release(halt, left, forced=False, note=""))
        assert hedger.owed_lots(manager.state) == owed


async def test_b_waits_with_its_rest_while_it_sees_a_flatten_to_its_end(
    sides: tuple[Bench, Bench],
) -> None:
    """It was asked itself: A is told first that its last trade is covered; for a minute."""
    manager = b_of(sides[1])
    manager._asked_ms = sides[1].clock.now_ms()
    manager.halts._sets = Halts(halts=(FLATTENED,))
    manager.on_halt(FLATTENED)
    manager._mind_rest()
    assert manager.state.closing is None
    sides[1].clock.advance_ms(60_001)
    manager._mind_rest()
    assert manager.state.closing is hedger_state.Closing.REST
