"""Prices that are not the market, on real daemons: the scenes of `tests.accept.price_cases`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.accept.price_cases import SCENES, SETTINGS
from tests.world.pair import Pair

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]
LONG = {"bait-bid"}
"""Ten seconds each; `make accept` plays them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("prices")
    async with Pair(folder, settings=SETTINGS) as made:
        await made.start()
        yield made


@pytest.mark.parametrize("name", sorted(SCENES.keys() - LONG))
async def test_a_price_is_not_taken_for_the_market(pair: Pair, name: str) -> None:
    """The scene holds, and leaves the pair as it was."""
    assert await SCENES[name](pair)
    await pair.check()
