"""Redis through Sentinel: the master is killed while the pair trades."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hedge.launcher.embedded_redis import LOOPBACK
from tests.waiting import eventually
from tests.world.pair import Pair
from tests.world.sentinels import MASTER, SentinelWorld, in_sync, role_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]

Watched = tuple[Pair, SentinelWorld]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """A pair that knows its Redis by a Sentinel alone."""
    folder = tmp_path_factory.mktemp("pair")
    settings = {"strategy.quantity": "1.0", "strategy.depth": 2}
    async with Pair(folder, settings=settings) as pair:
        world = SentinelWorld(folder, pair.redis)
        await asyncio.to_thread(world.__enter__)
        try:
            link = {
                "redis__sentinels": [f"{LOOPBACK}:{world.sentinel.port}"],
                "redis__master_name": MASTER,
                "redis__host": None,
                "redis__port": None,
            }
            await pair.start(**link)
            yield pair, world
        finally:
            await asyncio.to_thread(world.stop)


async def goes_on(pair: Pair, world: SentinelWorld, port: int) -> None:
    """The new master is found, every fill is hedged once, and trading goes on."""
    await world.failed_over(port)
    await pair.use_redis(port)
    await pair.until_neutral(30.0)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()
    assert await pair.halt() is None


async def test_masters_are_killed_one_after_the_other(watched: Watched) -> None:
    """A cancels and waits through each fail-over; nothing is hedged twice."""
    pair, world = watched
    await pair.until_resting()
    await asyncio.to_thread(pair.redis.kill)
    await pair.fill_a("0.0300")
    await pair.until_nothing_rests()
    await goes_on(pair, world, world.replica.port)

    await asyncio.to_thread(pair.redis.restart)
    world.follow()

    def follows() -> bool:
        return role_of(pair.redis.port) == "slave" and in_sync(pair.redis.port)

    await eventually(lambda: asyncio.to_thread(follows), 30.0, "the old master following")
    await pair.fill_a("0.0200")
    await asyncio.to_thread(world.replica.kill)
    await goes_on(pair, world, pair.redis.port)
