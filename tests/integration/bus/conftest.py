"""A real Redis, shared by all tests of the bus, and messengers of one pair."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from hedge.bus.port import PairScope
from hedge.config.schema import RedisConfig, TimingConfig
from hedge.launcher.embedded_redis import EmbeddedRedis
from redis_messenger import RedisMessenger
from tests.bus_helpers import INSTANCE_A, LEASE_A, LEASE_B, SCOPE, Make
from tests.world.redis import FAST, client_of, settings_of, shared_redis


@pytest.fixture(scope="session")
def _server() -> Iterator[EmbeddedRedis]:
    with shared_redis() as server:
        yield server


@pytest.fixture
def server(_server: EmbeddedRedis) -> EmbeddedRedis:
    """The shared Redis, empty."""
    with contextlib.closing(client_of(_server)) as client:
        client.flushall()
    return _server


@pytest.fixture
def look(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A plain client, to look into the shared Redis and to disturb it."""
    with contextlib.closing(client_of(server)) as client:
        yield client


@pytest.fixture
async def make(server: EmbeddedRedis) -> AsyncIterator[Make]:
    """Make bound messengers that are closed at the end of the test."""
    made: list[RedisMessenger] = []

    def build(
        instance: str = INSTANCE_A,
        host_id: str = "aa",
        *,
        settings: RedisConfig | None = None,
        timing: TimingConfig = FAST,
        scope: PairScope | None = SCOPE,
        pair: str = "",
    ) -> RedisMessenger:
        messenger = RedisMessenger(
            settings=settings or settings_of(server),
            timing=timing,
            instance=instance,
            host_id=host_id,
            pair=pair,
        )
        if scope is not None:
            messenger.bind(scope, LEASE_A, LEASE_B)
        made.append(messenger)
        return messenger

    yield build
    for messenger in made:
        await messenger.aclose()
