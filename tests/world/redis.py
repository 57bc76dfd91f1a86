"""A real redis-server for tests: one per test run, flushed for each test, or one to break."""

import contextlib
import tempfile
from collections.abc import Iterator

import redis

from hedge.config.schema import RedisConfig, TimingConfig
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis
from tests.world.processes import keep_process

FAST = TimingConfig(
    redis_timeout_s=2.0,
    redis_retry_min_s=0.01,
    redis_retry_max_s=0.05,
    link_check_s=0.05,
)
"""Timers that are short enough for tests and long enough for a busy machine."""


@contextlib.contextmanager
def private_redis() -> Iterator[EmbeddedRedis]:
    """Give a server of this test alone, to be killed and restarted as one likes."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(folder) as server:
        yield server


@contextlib.contextmanager
def shared_redis() -> Iterator[EmbeddedRedis]:
    """Give a server for the whole test run."""
    with private_redis() as server:
        assert server.pid is not None
        keep_process(server.pid)
        yield server


def client_of(server: EmbeddedRedis) -> redis.Redis:
    """Return a blocking client with text answers; close it."""
    return redis.Redis(host=LOOPBACK, port=server.port, decode_responses=True)


def settings_of(server: EmbeddedRedis) -> RedisConfig:
    """Return the configuration that reaches the server."""
    return RedisConfig(host=LOOPBACK, port=server.port)
