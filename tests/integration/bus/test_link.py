"""Reaching Redis, losing it, and hearing again by itself; on a real Redis that is broken."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
import redis

from hedge.config.schema import RedisConfig, Secret
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, free_port
from hedge.wire.names import Names
from redis_messenger import RedisMessenger
from tests.bus_helpers import (
    INSTANCE_B,
    LEASE_A,
    SCOPE,
    Make,
    Tamper,
    a_filled,
    listening,
    position,
)
from tests.waiting import Turns, eventually
from tests.world.redis import FAST, client_of, private_redis, settings_of

pytestmark = pytest.mark.integration

CHANNEL = RedisMessenger.CHANNEL_A_FILLED
QUICK = replace(FAST, redis_timeout_s=0.3)


# --- connect()


def test_connect_raises_when_redis_is_down() -> None:
    """Connecting to nothing is one sentence with the address and the advice."""
    port = free_port()
    with pytest.raises(RedisUnreachableError) as failure:
        RedisMessenger(LOOPBACK, port).connect()
    assert f"{LOOPBACK}:{port}/0" in str(failure.value)
    assert "redis-server" in str(failure.value)
    assert failure.value.exit_code == 3


def test_connect_finds_nothing_wrong(server: EmbeddedRedis) -> None:
    """A plain server of our version gives no warnings."""
    messenger = RedisMessenger(LOOPBACK, server.port)
    assert messenger.connect() == []
    assert messenger.publish_a_filled({"hello": 1}) == 0
    asyncio.run(messenger.aclose())


def test_connect_warns_of_a_server_that_forgets(server: EmbeddedRedis, look: redis.Redis) -> None:
    """A policy that evicts keys is a warning."""
    look.config_set("maxmemory-policy", "allkeys-lru")
    try:
        warnings = RedisMessenger(LOOPBACK, server.port).connect()
    finally:
        look.config_set("maxmemory-policy", "noeviction")
    assert len(warnings) == 1
    assert "noeviction" in warnings[0]


def test_connect_refuses_a_replica() -> None:
    """A server that only copies another one cannot be written to: code 3, and what to do."""
    with private_redis() as server, contextlib.closing(client_of(server)) as look:
        look.replicaof(LOOPBACK, str(free_port()))
        with pytest.raises(RedisUnreachableError, match="read-only replica"):
            RedisMessenger(LOOPBACK, server.port).connect()


def test_connect_warns_when_info_is_forbidden(server: EmbeddedRedis, look: redis.Redis) -> None:
    """A server that may not be asked is used, with a warning."""
    look.acl_setuser(
        "poor", enabled=True, passwords=["+x"], categories=["+@all"], commands=["-info"], keys=["*"]
    )
    try:
        warnings = RedisMessenger(LOOPBACK, server.port, username="poor", password="x").connect()
    finally:
        look.acl_deluser("poor")
    assert len(warnings) == 1
    assert "INFO" in warnings[0]


@pytest.mark.parametrize("password", [None, "wrong"])
def test_connect_names_a_wrong_password(password: str | None) -> None:
    """A refused login says so, and never shows the password."""
    with private_redis() as server, contextlib.closing(client_of(server)) as look:
        look.config_set("requirepass", "right")
        settings = replace(
            settings_of(server), password=Secret(password) if password is not None else None
        )
        with pytest.raises(RedisUnreachableError, match=r"redis\.password") as failure:
            RedisMessenger(settings=settings).connect()
    assert "wrong" not in str(failure.value)


def test_scripts_of_users_publish_what_a_reader_takes(server: EmbeddedRedis) -> None:
    """The documented way of a user's script gives a message with the eight fields."""
    messenger = RedisMessenger(port=server.port)
    message = messenger.create_filled_message(280459, 0, 1, "0.0100", "30.12", "3012.00", "buy")
    assert set(message) == {
        "account_index",
        "market_index",
        "order_index",
        "filled_base_amount",
        "filled_quote_amount",
        "avg_price",
        "timestamp",
        "side",
    }
    with contextlib.closing(client_of(server)) as look, look.pubsub() as hearing:
        hearing.subscribe(CHANNEL, RedisMessenger.CHANNEL_B_FILLED)
        assert hearing.get_message(timeout=5) is not None
        assert hearing.get_message(timeout=5) is not None
        assert messenger.publish_a_filled(message) == 1
        assert messenger.publish_b_filled(message) == 1
    asyncio.run(messenger.aclose())


# --- calls


async def test_a_call_without_redis_raises(make: Make) -> None:
    """Every call raises when Redis is down, and works again when it is back."""
    with private_redis() as server:
        messenger = make(settings=settings_of(server))
        assert (await messenger.write_position(position(1))).held
        server.kill()
        for _ in range(3):
            with pytest.raises(RedisUnreachableError):
                await messenger.write_position(position(2))
        server.restart()
        assert await messenger.read_state() is not None
        assert (await messenger.write_position(position(3))).was_free


async def test_a_call_never_hangs(make: Make, server: EmbeddedRedis) -> None:
    """A Redis that swallows every answer is an error within the time-out, for all calls at once."""
    async with Tamper(server.port) as proxy:
        messenger = make(settings=proxy.settings, timing=QUICK)
        await messenger.acquire_lease(LEASE_A)
        proxy.swallow = True
        async with asyncio.timeout(3):
            results = await asyncio.gather(
                *(messenger.write_position(position(seq)) for seq in range(5)),
                return_exceptions=True,
            )
        assert [type(result) for result in results] == [RedisUnreachableError] * 5
        proxy.swallow = False
        assert (await messenger.write_position(position(9))).held


async def test_a_cancelled_call_does_not_mix_up_answers(make: Make, look: redis.Redis) -> None:
    """After a call is cancelled in flight, the next one gets its own answer."""
    messenger = make()
    await messenger.acquire_lease(LEASE_A)
    for _ in range(20):
        task = asyncio.ensure_future(messenger.read_state())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert (await messenger.renew_lease(LEASE_A)).held


async def test_garbage_in_a_value_breaks_no_connection(make: Make, look: redis.Redis) -> None:
    """Bytes that are no text are read as a broken value, not as a broken connection."""
    with contextlib.closing(
        redis.Redis(host=LOOPBACK, port=look.connection_pool.connection_kwargs["port"])
    ) as raw:
        raw.set(Names().position_a, b"\xff\xfe\x00")
    state = await make().read_state()
    assert state.position_a is None
    assert len(state.problems) == 1


# --- listening


async def test_messages_arrive_in_order_and_garbage_too(make: Make, look: redis.Redis) -> None:
    """Every text of the channel is handed over, in order; what is no UTF-8 is made readable."""
    async with listening(make(), CHANNEL) as ear:
        await eventually(lambda: ear.is_up)
        with contextlib.closing(
            redis.Redis(host=LOOPBACK, port=look.connection_pool.connection_kwargs["port"])
        ) as raw:
            raw.publish(CHANNEL, b"\xff\xfe")
        for number in range(50):
            look.publish(CHANNEL, str(number))
        await eventually(lambda: len(ear.heard) == 51)
    assert ear.heard[1:] == [str(number) for number in range(50)]
    assert ear.links == [True]


async def test_a_flood_of_messages_leaves_other_tasks_their_turn(
    make: Make, look: redis.Redis
) -> None:
    """Messages that wait in the buffer are not read all at once: the heartbeat comes between."""
    messenger, turns = make(), Turns()
    messenger.subscribe(CHANNEL, turns.note)
    async with listening(messenger, CHANNEL) as ear:
        await eventually(lambda: ear.is_up)
        async with turns:
            for number in range(1000):  # keeps the loop: all of them wait in the socket
                look.publish(CHANNEL, str(number))
            await eventually(lambda: len(ear.heard) == 1000)
    assert turns.longest <= 2


async def test_it_hears_again_after_redis_was_killed(make: Make) -> None:
    """A killed and restarted Redis is found again, and the channels are subscribed again."""
    with private_redis() as server:
        hearer = make(INSTANCE_B, settings=settings_of(server))
        sender = make(settings=settings_of(server))
        async with listening(hearer, CHANNEL) as ear:
            await eventually(lambda: ear.is_up)
            server.kill()
            await eventually(lambda: not ear.is_up)
            server.restart()
            await eventually(lambda: ear.is_up)
            await sender.publish_fill(position(1), a_filled(1))
            await eventually(lambda: ear.heard)
    assert ear.links == [True, False, True]
    assert ear.complaints
    assert str(server.port) in ear.complaints[0]


async def test_it_starts_before_redis_does(make: Make) -> None:
    """Listening begins by itself once Redis is there."""
    with private_redis() as server:
        server.kill()
        async with listening(make(settings=settings_of(server)), CHANNEL) as ear:
            await eventually(lambda: ear.complaints)
            assert ear.links == []
            server.restart()
            await eventually(lambda: ear.is_up)


async def test_it_hears_again_after_its_client_was_killed(make: Make, look: redis.Redis) -> None:
    """CLIENT KILL on the subscription is noticed and healed."""
    async with listening(make(), CHANNEL) as ear:
        await eventually(lambda: ear.is_up)
        look.client_kill_filter(_type="pubsub")
        await eventually(lambda: ear.links == [True, False, True])
        look.publish(CHANNEL, "again")
        await eventually(lambda: ear.heard)


async def test_a_subscription_lost_in_silence_is_noticed(
    make: Make, server: EmbeddedRedis, look: redis.Redis
) -> None:
    """A connection that lives but has lost one subscription without a word is replaced."""
    async with Tamper(server.port) as proxy:
        messenger = make(settings=proxy.settings)
        async with listening(messenger, CHANNEL, Names().events) as ear:
            await eventually(lambda: ear.is_up)
            proxy.swallow_marked = b"$11\r\nunsubscribe\r\n$%d\r\n%s" % (
                len(CHANNEL),
                CHANNEL.encode(),
            )
            for upstream in list(proxy.upstreams):
                upstream.write(f"UNSUBSCRIBE {CHANNEL}\r\n".encode())
            await eventually(lambda: False in ear.links)
            proxy.swallow_marked = None
            await eventually(lambda: ear.is_up and look.pubsub_numsub(CHANNEL)[0][1] == 1)
            look.publish(CHANNEL, "again")
            await eventually(lambda: ear.heard == ["again"])
        assert any("1 of 2 subscriptions" in text for text in ear.complaints)


async def test_a_subscription_ended_by_the_server_is_noticed(
    make: Make, server: EmbeddedRedis
) -> None:
    """A subscription that the server says it ended is made again at once."""
    async with Tamper(server.port) as proxy:
        slow = replace(FAST, link_check_s=60)
        async with listening(make(settings=proxy.settings, timing=slow), CHANNEL) as ear:
            await eventually(lambda: ear.is_up)
            for upstream in list(proxy.upstreams):
                upstream.write(f"UNSUBSCRIBE {CHANNEL}\r\n".encode())
            await eventually(lambda: ear.links == [True, False, True])


async def test_a_connection_that_says_nothing_any_more_is_dead(
    make: Make, server: EmbeddedRedis
) -> None:
    """A link over which nothing comes, without an error, is noticed by its own probe."""
    async with Tamper(server.port) as proxy:
        async with listening(make(settings=proxy.settings, timing=QUICK), CHANNEL) as ear:
            await eventually(lambda: ear.is_up)
            proxy.swallow = True
            await eventually(lambda: not ear.is_up)
            proxy.swallow = False
            await eventually(lambda: ear.is_up)
        assert any("dead" in text or "in time" in text for text in ear.complaints)


async def test_a_handlers_own_error_ends_listening(make: Make, look: redis.Redis) -> None:
    """A bug in a handler is not swallowed: it ends the task, and with it the process."""
    messenger = make()

    def broken(text: str) -> None:
        raise KeyError(text)

    messenger.subscribe(CHANNEL, broken)
    up: list[bool] = []
    messenger.on_link(up.append)
    task = asyncio.ensure_future(messenger.start_listening())
    await eventually(lambda: up)
    look.publish(CHANNEL, "x")
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(task, 5)


async def test_channels_are_named_before_listening(make: Make) -> None:
    """Subscribing while listening is refused, because the link would not know of it."""
    messenger = make()
    async with listening(messenger, CHANNEL) as ear:
        await eventually(lambda: ear.is_up)
        with pytest.raises(RuntimeError):
            messenger.subscribe("other", print)


async def test_nothing_is_left_over(make: Make, look: redis.Redis) -> None:
    """Listening and probing leave no key and no subscription behind."""
    async with listening(make(), CHANNEL) as ear:
        await eventually(lambda: ear.is_up)
    await eventually(lambda: look.pubsub_channels() == [])
    assert look.keys("*") == []


def test_sentinels_and_tls_are_built_without_connecting() -> None:
    """Settings with Sentinels or TLS make a messenger; nothing is connected before it is used."""
    settings = RedisConfig(sentinels=((LOOPBACK, free_port()),), master_name="mine")
    messenger = RedisMessenger(settings=settings)
    messenger.bind(SCOPE, LEASE_A, None)
    with pytest.raises(RedisUnreachableError, match="no Sentinel answers"):
        messenger.connect()
    with pytest.raises(RedisUnreachableError):
        asyncio.run(RedisMessenger(settings=settings, timing=QUICK).acquire_lease(LEASE_A))
