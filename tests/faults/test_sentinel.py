"""Redis through Sentinel: the master is killed while the pair trades."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hedge.embedded_redis import LOOPBACK
from tests.pair_harness import Pair
from tests.redis_world import MASTER, SentinelWorld, in_sync, role_of
from tests.waiting import eventually

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


async def nothing_rests(pair: Pair) -> bool:
    return await pair.resting() == []


async def test_the_master_is_killed_after_a_fill(watched: Watched) -> None:
    """A cancels and waits; the new master is found, every fill hedged once, trading goes on."""
    pair, world = watched
    await pair.until_resting()
    await asyncio.to_thread(pair.redis.kill)
    await pair.fill_a("0.0300")
    await pair.until(lambda: nothing_rests(pair), "A's order off the book")
    await world.failed_over(world.replica.port)
    await pair.use_redis(world.replica.port)
    await pair.until_neutral(30.0)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()
    assert await pair.halt() is None


async def test_the_new_master_is_killed_in_its_turn(watched: Watched) -> None:
    """The old master, back as a replica, takes over again; nothing is hedged twice."""
    pair, world = watched
    await asyncio.to_thread(pair.redis.restart)
    world.follow()

    def follows() -> bool:
        return role_of(pair.redis.port) == "slave" and in_sync(pair.redis.port)

    await eventually(lambda: asyncio.to_thread(follows), 30.0, "the old master following")
    await pair.fill_a("0.0200")
    await asyncio.to_thread(world.replica.kill)
    await world.failed_over(pair.redis.port)
    await pair.use_redis(pair.redis.port)
    await pair.until_neutral(30.0)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()
    assert await pair.halt() is None
