"""Sentinels of which one is amiss: the others are asked, and one sentence says what is wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from hedge.config.schema import RedisConfig
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK
from redis_messenger import RedisMessenger
from tests.bus_helpers import LEASE_A, Make
from tests.world.proxy import reset
from tests.world.redis import FAST, private_redis
from tests.world.sentinels import MASTER, Sentinel

pytestmark = pytest.mark.integration

NOPERM = b"-NOPERM this user has no permissions to run the 'sentinel|masters' command\r\n"
UNKNOWN = b"-ERR unknown command `SENTINEL`, with args beginning with: `MASTERS`\r\n"
PORT = b"$4\r\nport\r\n$8\r\n99999999\r\n"
STATE = (
    b"$4\r\nname\r\n$4\r\nmine\r\n$5\r\nflags\r\n$6\r\nmaster\r\n"
    b"$19\r\nnum-other-sentinels\r\n$1\r\n0\r\n"
)
AMISS = {
    "no permission": NOPERM,
    "unknown command": UNKNOWN,
    "another error": b"-IDONTKNOW x\r\n",
    "still loading": b"-LOADING x\r\n",
    "an error that breaks": b"-MOVED x\r\n",
    "OK": b"+OK\r\n",
    "nothing": b"$-1\r\n",
    "a number": b":5\r\n",
    "a list of words": b"*1\r\n+x\r\n",
    "no master": b"*0\r\n",
    "a master without flags": b"*1\r\n%1\r\n$4\r\nname\r\n$4\r\nmine\r\n",
    "a master without address": b"*1\r\n%3\r\n" + STATE,
    "a master on no port": b"*1\r\n%5\r\n" + STATE + b"$2\r\nip\r\n$1\r\nx\r\n" + PORT,
    "no Redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@contextlib.asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[int]:
    """Give the port of a Sentinel that answers this to what is asked, and OK to a greeting."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if b"HELLO" in data:
                    writer.write(b"%1\r\n$5\r\nproto\r\n:3\r\n")
                else:
                    asked = b"MASTERS" in data.upper()
                    writer.write(answer if asked else b"+OK\r\n" * data.count(b"*"))
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            reset(writer)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Give the port of a real Sentinel over a real master."""
    with private_redis() as server:
        sentinel = Sentinel(tmp_path_factory.mktemp("sentinel"), server.port)
        try:
            sentinel.start()
            yield sentinel.port
        finally:
            sentinel.kill()


def of(*ports: int) -> RedisConfig:
    """Return the settings that ask these Sentinels, in this order."""
    return RedisConfig(sentinels=tuple((LOOPBACK, port) for port in ports), master_name=MASTER)


async def start(settings: RedisConfig) -> list[str]:
    """Connect as a daemon does at its start."""
    messenger = RedisMessenger(settings=settings, timing=FAST)
    try:
        return await asyncio.to_thread(messenger.connect)
    finally:
        await messenger.aclose()


async def refused(settings: RedisConfig) -> str:
    """Return the one sentence with which a start ends."""
    with pytest.raises(RedisUnreachableError) as failure:
        await start(settings)
    assert "\n" not in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize("amiss", AMISS.values(), ids=AMISS)
async def test_the_next_sentinel_is_asked(make: Make, good: int, amiss: bytes) -> None:
    """Whatever the first one says, the second one leads to the master, early and late."""
    async with saying(amiss) as bad:
        assert (await make(settings=of(bad, good)).acquire_lease(LEASE_A)).held
        assert await start(of(bad, good)) == []


@pytest.mark.parametrize("amiss", AMISS.values(), ids=AMISS)
async def test_sentinels_that_are_all_amiss_are_one_sentence(make: Make, amiss: bytes) -> None:
    """Nothing escapes as another error, from calls and at the start."""
    async with saying(amiss) as bad, saying(amiss) as worse:
        with pytest.raises(RedisUnreachableError) as failure:
            await make(settings=of(bad, worse)).acquire_lease(LEASE_A)
        assert "no Sentinel answers" not in str(failure.value)
        assert f"{LOOPBACK}:{bad}" in str(failure.value)
        assert await refused(of(bad, worse)) == str(failure.value)


@pytest.mark.parametrize(
    ("amiss", "advice"),
    [
        (NOPERM, "redis.sentinel_username"),
        (NOPERM, "no permissions to run the 'sentinel|masters' command"),
        (UNKNOWN, "is no Sentinel; correct redis.sentinels"),
        (b"-IDONTKNOW x\r\n", "IDONTKNOW x"),
        (b"+OK\r\n", "is no Sentinel; correct redis.sentinels"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Sentinel; correct redis.sentinels"),
        (b"*0\r\n", "know no living master named mine"),
        (b"-NOAUTH x\r\n", "redis.sentinel_password"),
    ],
)
async def test_a_sentinel_amiss_is_named_for_what_it_is(amiss: bytes, advice: str) -> None:
    """The sentence says which key to correct, and in the Sentinel's own words why."""
    async with saying(amiss) as bad:
        assert advice in await refused(of(bad))


@pytest.mark.parametrize("host", ["redis..example.com", "a" * 70 + ".com"])
async def test_a_host_name_that_is_none(make: Make, good: int, host: str) -> None:
    """A name with an empty or too long part is said to be not valid, with the key to correct."""
    for settings, key in (
        (RedisConfig(host=host, port=1), "redis.host"),
        (replace(of(1), sentinels=((host, 1),)), "redis.sentinels"),
    ):
        text = await refused(settings)
        assert "host name" in text
        assert "is not valid" in text
        assert f"correct {key} " in text
        with pytest.raises(RedisUnreachableError) as failure:
            await make(settings=settings).acquire_lease(LEASE_A)
        assert str(failure.value) == text
    both = replace(of(good), sentinels=((host, 1), (LOOPBACK, good)))
    assert await start(both) == []
    assert (await make(settings=both).acquire_lease(LEASE_A)).held
