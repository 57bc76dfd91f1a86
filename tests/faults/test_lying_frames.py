"""Frames with one false leaf, told by a proxy to real daemons; `make accept` has more of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.accept.chaos_cases import lied_to
from tests.accept.frame_cases import told
from tests.simulation.lying_frames import Case
from tests.world.lying import LyingProxy
from tests.world.pair import Pair

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

World = tuple[Pair, dict[str, LyingProxy]]
TRADE = ("trades", "0", 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A running pair of which each side hears the exchange through a proxy."""
    async with lied_to(tmp_path_factory.mktemp("pair")) as made:
        yield made


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Case("A", "trades", (*TRADE, "trade_id"), "absent", lasting=False), "right"),
        (Case("watch", "all trades", (*TRADE, "size"), "other", lasting=False), "right"),
        (Case("A", "trades", (*TRADE, "size"), "other", lasting=False), "right"),
        (Case("B", "trades", (*TRADE, "size"), "other", lasting=False), "halted"),
    ],
    ids=str,
)
async def test_the_pair_is_right_by_itself_or_halted(world: World, one: Case, words: str) -> None:
    """REST is right all the time; once a person has looked the pair trades again."""
    assert (await told(*world, one)).startswith(words)
