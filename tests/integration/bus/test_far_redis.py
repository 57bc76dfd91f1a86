"""A Redis or its Sentinels far away, and connections that the Sentinels have left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import redis

from hedge.config.schema import RedisConfig, Secret
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, free_port
from redis_messenger import RedisMessenger
from tests.bus_helpers import LEASE_A, Make, a_filled, listening, position
from tests.waiting import eventually
from tests.world.proxy import TcpProxy, reset
from tests.world.redis import FAST, client_of, private_redis, settings_of
from tests.world.sentinels import MASTER

pytestmark = pytest.mark.integration

FAR_S = 0.05
"""How long a piece is on its way, each way."""
LOGIN = RedisConfig(username="far", password=Secret("right"), db=3)
"""Every round trip that opening a connection may take: login, database, scripts."""


@pytest.fixture
def guarded(server: EmbeddedRedis, look: redis.Redis) -> Iterator[EmbeddedRedis]:
    """A Redis whose users log in."""
    look.acl_setuser(
        "far",
        enabled=True,
        passwords=["+right"],
        categories=["+@all"],
        keys=["*"],
        channels=["*"],
    )
    try:
        yield server
    finally:
        look.acl_deluser("far")


async def test_a_redis_far_away_is_reached_and_heard(make: Make, guarded: EmbeddedRedis) -> None:
    """An open link has a deadline per answer; opening one may take several of them."""
    timing = replace(FAST, redis_timeout_s=3.5 * FAR_S, link_check_s=0.05)
    async with TcpProxy(LOOPBACK, guarded.port) as proxy:
        proxy.up.delay_s = proxy.down.delay_s = FAR_S
        settings = replace(LOGIN, host=LOOPBACK, port=proxy.port)
        messenger = make(settings=settings, timing=timing)
        await asyncio.to_thread(messenger.connect)
        await messenger.open()
        assert (await messenger.acquire_lease(LEASE_A)).held
        assert (await messenger.write_position(position(1))).held
        assert (await messenger.read_state()).position_a == position(1)
        async with listening(messenger, messenger.names.account_a_filled) as ear:
            await eventually(lambda: ear.is_up, 10.0, "the subscription proven")
            await messenger.publish_fill(position(2), a_filled(2))
            await eventually(lambda: ear.heard, 10.0, "the fill heard")
            assert ear.complaints == []


async def test_a_call_ends_in_time_while_the_link_is_opened(
    make: Make, guarded: EmbeddedRedis
) -> None:
    """No call waits longer than its own deadline, and its end does not end the opening."""
    timing = replace(FAST, redis_timeout_s=1.5 * FAR_S)
    async with TcpProxy(LOOPBACK, guarded.port) as proxy:
        proxy.up.delay_s = proxy.down.delay_s = FAR_S
        messenger = make(settings=replace(LOGIN, host=LOOPBACK, port=proxy.port), timing=timing)
        with pytest.raises(RedisUnreachableError, match="is not connected yet"):
            await messenger.read_state()
        await messenger.open()
        assert proxy.connections == 1


async def test_a_call_that_waited_for_the_opening_does_not_end_the_new_link(
    make: Make, guarded: EmbeddedRedis
) -> None:
    """Its own round trip has the whole of its time: else each new link would be ended at once."""
    timing = replace(FAST, redis_timeout_s=2.5 * FAR_S)  # a round trip takes two
    async with TcpProxy(LOOPBACK, guarded.port) as proxy:
        proxy.up.delay_s = proxy.down.delay_s = FAR_S
        messenger = make(settings=replace(LOGIN, host=LOOPBACK, port=proxy.port), timing=timing)
        await messenger.open()
        proxy.cut()
        answered = asyncio.Event()

        async def ask() -> None:
            while not answered.is_set():
                with contextlib.suppress(RedisUnreachableError):
                    await messenger.read_state()
                    answered.set()

        beats = [asyncio.create_task(ask()) for _ in range(3)]
        try:
            await eventually(answered.is_set, 10.0, "an answer over the new link")
        finally:
            answered.set()
            await asyncio.gather(*beats)
        assert proxy.connections <= 3


async def test_opening_a_link_ends_too(make: Make, server: EmbeddedRedis) -> None:
    """A Redis that takes connections and never answers is said after the deadline of opening."""
    async with TcpProxy(LOOPBACK, server.port) as proxy:
        proxy.black_hole(True)
        timing = replace(FAST, redis_timeout_s=0.05, redis_connect_s=0.2)
        messenger = make(
            settings=replace(LOGIN, host=LOOPBACK, port=proxy.port), timing=timing, scope=None
        )
        with pytest.raises(RedisUnreachableError, match="does not answer in time"):
            await messenger.open()


# --- Sentinels


class Sentinels:
    """What answers as Sentinels, and names the master that a test says, on one or more ports."""

    def __init__(self, port: int) -> None:
        self.master, self.epoch, self.asked = port, 1, 0
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for writer in self._writers:
                reset(writer)

    def _answer(self) -> bytes:
        state = {
            "name": MASTER,
            "ip": LOOPBACK,
            "port": str(self.master),
            "flags": "master",
            "num-other-sentinels": "0",
            "config-epoch": str(self.epoch),
        }
        words = [word.encode() for pair in state.items() for word in pair]
        said = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        return b"*1\r\n*%d\r\n%s" % (len(words), said)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                is_asked = b"MASTERS" in data.upper()
                self.asked += is_asked
                writer.write(self._answer() if is_asked else b"+OK\r\n" * data.count(b"*"))
        writer.close()


def of(*ports: int) -> RedisConfig:
    """Return the settings that ask these Sentinels."""
    return RedisConfig(sentinels=tuple((LOOPBACK, port) for port in ports), master_name=MASTER)


async def test_three_sentinels_far_away(make: Make, server: EmbeddedRedis) -> None:
    """Each has a deadline of its own, however many there are."""
    timing = replace(FAST, redis_timeout_s=3.5 * FAR_S)
    said = Sentinels(server.port)
    async with contextlib.AsyncExitStack() as stack:
        proxies = []
        for _ in range(3):
            port = await stack.enter_async_context(said.running())
            proxy = await stack.enter_async_context(TcpProxy(LOOPBACK, port))
            proxy.up.delay_s = proxy.down.delay_s = FAR_S
            proxies.append(proxy.port)
        messenger = make(settings=of(*proxies), timing=timing)
        assert await asyncio.to_thread(messenger.connect) == []
        await messenger.open()
        assert (await messenger.acquire_lease(LEASE_A)).held


async def test_one_sentinel_of_three_is_enough(make: Make, server: EmbeddedRedis) -> None:
    """Two that take connections and say nothing do not keep the third from being heard."""
    said = Sentinels(server.port)
    async with (
        said.running() as good,
        said.running() as first,
        said.running() as second,
        TcpProxy(LOOPBACK, first) as deaf,
        TcpProxy(LOOPBACK, second) as mute,
    ):
        deaf.black_hole(True)
        mute.drop_replies(True)
        timing = replace(FAST, redis_timeout_s=0.2)
        messenger = make(settings=of(deaf.port, mute.port, good), timing=timing)
        await messenger.open()
        assert (await messenger.acquire_lease(LEASE_A)).held
        assert await asyncio.to_thread(messenger.connect) == []


async def test_the_newest_fail_over_counts(make: Make, server: EmbeddedRedis) -> None:
    """A Sentinel that was cut off and names the master of before is not believed."""
    old, new = Sentinels(free_port()), Sentinels(server.port)
    new.epoch = 2
    async with old.running() as first, new.running() as second:
        messenger = make(settings=of(first, second))
        assert (await messenger.acquire_lease(LEASE_A)).held


async def test_connections_to_a_deposed_master_are_left(make: Make, server: EmbeddedRedis) -> None:
    """Commands, reads and subscriptions follow the Sentinels, though the old master lives on."""
    with private_redis() as promoted, contextlib.closing(client_of(promoted)) as there:
        said = Sentinels(server.port)
        async with said.running() as port, said.running() as other:
            timing = replace(FAST, link_check_s=0.1)
            messenger = make(settings=of(port, other), timing=timing)
            reader = make(settings=of(port, other), timing=timing)  # hears nothing: a tool
            async with listening(messenger, messenger.names.account_a_filled) as ear:
                await eventually(lambda: ear.is_up, 10.0, "the subscription proven")
                assert (await messenger.write_position(position(1))).held
                assert (await reader.read_state()).position_a == position(1)
                said.master, said.epoch = promoted.port, 2

                async def moved() -> bool:
                    with contextlib.suppress(RedisUnreachableError):
                        await messenger.write_position(position(2))
                        await reader.read_state()
                    return there.exists(messenger.names.position_a) == 1

                await eventually(moved, 10.0, "writes on the new master")
                assert (await messenger.read_state()).position_a == position(2)

                async def is_read() -> bool:
                    with contextlib.suppress(RedisUnreachableError):
                        return (await reader.read_state()).position_a == position(2)
                    return False

                await eventually(is_read, 10.0, "a tool reads the new master")

                def heard_there() -> bool:
                    count = dict(there.pubsub_numsub(messenger.names.account_a_filled))
                    return ear.is_up and count[messenger.names.account_a_filled] == 1

                await eventually(heard_there, 10.0, "subscribed at the new master")
                assert any(f"name {LOOPBACK}:{promoted.port}" in one for one in ear.complaints)


async def test_a_doubted_master_is_asked_about_at_once(make: Make, server: EmbeddedRedis) -> None:
    """Where the other side falls silent nobody waits for the next check."""
    with private_redis() as promoted:
        said = Sentinels(server.port)
        async with said.running() as port:
            messenger = make(settings=of(port), timing=replace(FAST, link_check_s=3600.0))
            await messenger.acquire_lease(LEASE_A)
            said.master, said.epoch = promoted.port, 2
            asked = said.asked
            await messenger.read_state()
            assert said.asked == asked
            reasons = []

            async def left() -> bool:
                messenger.doubt_master()
                try:
                    await messenger.read_state()
                except RedisUnreachableError as error:
                    reasons.append(str(error))
                with contextlib.closing(client_of(promoted)) as there:
                    return any(one["cmd"] == "mget" for one in there.client_list())

            await eventually(left, 10.0, "the new master read")


async def test_another_spelling_of_the_address_is_no_fail_over(
    make: Make, server: EmbeddedRedis
) -> None:
    """Sentinels that name one master differently do not cost the connection."""
    first, second = Sentinels(server.port), Sentinels(free_port())
    async with first.running() as one, second.running() as two:
        second.epoch = 0
        messenger = make(settings=of(one, two), timing=replace(FAST, link_check_s=0.01))
        await messenger.acquire_lease(LEASE_A)
        with contextlib.closing(client_of(server)) as look:
            before = look.info("stats")["total_connections_received"]

            async def asked_often() -> bool:
                await messenger.read_state()
                return first.asked > 5

            second.epoch = 1
            await eventually(asked_often, 10.0, "asked a few times")
            assert look.info("stats")["total_connections_received"] == before


def test_settings_of_a_server_ask_no_sentinel(server: EmbeddedRedis) -> None:
    """Without Sentinels nothing is watched."""
    messenger = RedisMessenger(settings=settings_of(server), timing=FAST)
    messenger.doubt_master()
    asyncio.run(messenger.aclose())
