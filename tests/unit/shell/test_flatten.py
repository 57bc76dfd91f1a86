"""A flatten on A's side: it begins with what B shows, not with what it showed before."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import main_A
from hedge.bus.port import StateSnapshot
from hedge.config.schema import StrategyConfig
from hedge.core.maker.closing import Closing
from hedge.core.maker.state import HaltPair, Place
from hedge.hedger import statements as answers
from hedge.wire.control import FLATTEN, Command
from tests.unit.core.kit import Hedger, Maker, kinds
from tests.unit.shell.fakes import Bench, always_fresh

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
