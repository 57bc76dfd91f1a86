"""Connections that die at the worst moment, and work that is called off meanwhile.

Both loops are tried: uvloop, on which the daemons run, refuses a closed transport by RuntimeError.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from hedge.bus.commands import CommandLink
from hedge.bus.connection import async_pool, new_connection
from hedge.bus.subscription import LinkLostError
from hedge.config.schema import RedisConfig, TimingConfig
from hedge.daemon.host_os import loop_factory
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis
from redis_messenger import RedisMessenger
from tests.bus_helpers import Ear, listening
from tests.waiting import eventually
from tests.world.proxy import TcpProxy, reset
from tests.world.redis import FAST, private_redis, settings_of
from tests.world.sentinels import MASTER, SentinelWorld

pytestmark = pytest.mark.integration

PATIENT = TimingConfig(redis_timeout_s=5.0)
FACTORIES = [None, loop_factory()]
Loop = Callable[[], asyncio.AbstractEventLoop] | None


def on(factory: Loop, work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


class Resetting:
    """A server that says OK to everything and resets its connections when told to."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[RedisConfig]:
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        try:
            yield RedisConfig(host=LOOPBACK, port=server.sockets[0].getsockname()[1])
        finally:
            server.close()
            self.reset()

    def reset(self) -> None:
        for writer in self._writers:
            reset(writer)
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(b"+OK\r\n" * data.count(b"*"))


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_reset_is_a_lost_connection(factory: Loop) -> None:
    """Whenever the reset comes, a call is answered or Redis is unreachable; it is no bug."""

    async def scenario() -> None:
        server, chance = Resetting(), random.Random(1)
        async with server.running() as settings:
            link = CommandLink(settings, PATIENT)
            answered = lost = 0
            for _ in range(300):
                with contextlib.suppress(RedisUnreachableError):
                    await link.call("PING")
                server.reset()
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                try:
                    assert await link.call("PING") == "OK"
                except RedisUnreachableError:
                    lost += 1
                else:
                    answered += 1
            await link.aclose()
        assert answered
        assert lost

    on(factory, scenario())


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_idle_connection_that_was_reset_is_made_anew(factory: Loop) -> None:
    """Once the reset has been noticed the next call takes a new connection."""

    async def scenario() -> None:
        server = Resetting()
        async with server.running() as settings:
            link = CommandLink(settings, PATIENT)
            for _ in range(20):
                assert await link.call("PING") == "OK"
                server.reset()
                for _ in range(50):
                    await asyncio.sleep(0)
                assert await link.call("PING") == "OK"
            await link.aclose()

    on(factory, scenario())


@pytest.mark.parametrize("factory", FACTORIES)
def test_writing_to_a_closed_transport_is_a_lost_connection(factory: Loop) -> None:
    """The listener writes without asking first whether the connection is still there."""

    async def scenario() -> None:
        async with Resetting().running() as settings:
            connection = new_connection(async_pool(settings, 5.0, 5.0))
            await connection.connect()  # type: ignore[no-untyped-call]
            connection._writer.transport.abort()
            for _ in range(10):
                await asyncio.sleep(0)
            with pytest.raises(redis.ConnectionError):
                await connection.send_command("PING", check_health=False)
            await connection.disconnect()

    on(factory, scenario())


def lost(ear: Ear, times: int) -> bool:
    """Whether the link was lost more often than this."""
    return ear.links.count(False) > times


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_listener_outlives_resets(factory: Loop, server: EmbeddedRedis) -> None:
    """Thirty resets, at any moment of its checks, and it hears again."""

    async def scenario() -> None:
        async with TcpProxy(LOOPBACK, server.port) as proxy:
            messenger = RedisMessenger(LOOPBACK, proxy.port, timing=FAST)
            chance = random.Random(1)
            async with listening(messenger, "hedge:test") as ear:
                for number in range(30):
                    await eventually(lambda: ear.is_up, 10.0, "the link up")
                    for _ in range(chance.randrange(200)):
                        await asyncio.sleep(0)
                    proxy.cut()
                    await eventually(partial(lost, ear, number), 10.0, "the link down")
                await eventually(lambda: ear.is_up, 10.0, "the link up in the end")
            await messenger.aclose()

    on(factory, scenario())


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_stop_and_a_reset_at_once_are_a_stop(factory: Loop, server: EmbeddedRedis) -> None:
    """A listener that loses its link in the moment when it is called off ends at one word."""

    async def scenario() -> None:
        messenger = RedisMessenger(settings=settings_of(server), timing=FAST)
        task = asyncio.create_task(messenger.start_listening())

        def stop(up: bool) -> None:
            if up and not task.cancelling():
                task.cancel()
                raise LinkLostError("reset")

        messenger.on_link(stop)
        await asyncio.wait([task], timeout=5.0)
        ended = task.cancelled()
        task.cancel()
        await asyncio.wait([task])
        await messenger.aclose()
        assert ended

    on(factory, scenario())


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_call_that_is_called_off_ends(factory: Loop, tmp_path: Path) -> None:
    """Cancelled at any moment of a connect through Sentinel, a task ends at the first word."""

    async def again_and_again(link: CommandLink) -> None:
        while True:
            with contextlib.suppress(RedisUnreachableError):
                await link.call("PING")
            await link.aclose()

    async def scenario(settings: RedisConfig) -> None:
        chance = random.Random(1)
        for _ in range(300):
            link = CommandLink(settings, PATIENT)
            tasks = [asyncio.create_task(again_and_again(link)) for _ in range(2)]
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            _, stubborn = await asyncio.wait(tasks, timeout=5.0)
            alive = stubborn
            while alive:
                for task in alive:
                    task.cancel()
                _, alive = await asyncio.wait(alive, timeout=0.1)
            assert not stubborn
            await link.aclose()

    with private_redis() as master, SentinelWorld(tmp_path, master) as world:
        sentinels = ((LOOPBACK, world.sentinel.port),)
        for settings in (
            settings_of(master),
            RedisConfig(sentinels=sentinels, master_name=MASTER),
        ):
            on(factory, scenario(settings))
