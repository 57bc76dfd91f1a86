"""Answers that are not Redis's to what was asked: a lost connection, never the end of a daemon."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis

from hedge.config.schema import AccountConfig, AccountsConfig, Config, RedisConfig
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis
from hedge.operator.pair_client import PairReader, PairState
from hedge.wire.control import Command, Halt, Halts
from hedge.wire.messages import EventMessage
from redis_messenger import RedisMessenger
from tests.bus_helpers import (
    LEASE_A,
    LEASE_B,
    Ear,
    Make,
    a_filled,
    b_failed,
    ledger,
    listening,
    position,
    ready,
)
from tests.waiting import eventually
from tests.world.proxy import TcpProxy, reset
from tests.world.redis import FAST, settings_of

pytestmark = pytest.mark.integration

HALTS = Halts(halts=(Halt(id="h1", side="b", reason="not_enough_margin", detail="", timestamp=1),))
EVENT = EventMessage(side="b", event="state", state="IDLE", reason="", detail="", timestamp=1)
ODD = (
    b"+PONG\r\n",
    b":5\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*1\r\n$1\r\na\r\n",
    b"*2\r\n+0\r\n*1\r\n:1\r\n",
    b"*2\r\n*0\r\n*0\r\n",
    b"*3\r\n:1\r\n:2\r\n:3\r\n",
    b"*3\r\n$-1\r\n$-1\r\n$-1\r\n",
    b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$-1\r\n",
    b"*3\r\n$7\r\nmessage\r\n*1\r\n:1\r\n:7\r\n",
    b"*3\r\n$4\r\nheld\r\n:7\r\n:7\r\n",
    b"*3\r\n:1\r\n:7\r\n$0\r\n\r\n",
    b"*3\r\n-ERR a\r\n-ERR b\r\n:1\r\n",
    b"*10\r\n" + b":1\r\n" * 10,
    b"*10\r\n" + b"*0\r\n" * 10,
    b"%1\r\n+a\r\n+b\r\n",
    b">0\r\n",
    b"-MOVED x\r\n",
    b"garbage\r\n",
)
ODD_IDS = [text[:24].decode().replace("\r\n", " ") for text in ODD]

Call = Callable[[RedisMessenger], Awaitable[object]]

CALLS: dict[str, Call] = {
    "read_state": lambda bus: bus.read_state(),
    "read_standbys": lambda bus: bus.read_standbys(),
    "acquire_lease": lambda bus: bus.acquire_lease(LEASE_A),
    "renew_lease": lambda bus: bus.renew_lease(LEASE_A),
    "release_lease": lambda bus: bus.release_lease(LEASE_A),
    "publish_fill": lambda bus: bus.publish_fill(position(1), a_filled(1)),
    "write_position": lambda bus: bus.write_position(position(1)),
    "write_ledger": lambda bus: bus.write_ledger(ledger()),
    "publish_failure": lambda bus: bus.publish_failure(b_failed(), HALTS),
    "publish_event": lambda bus: bus.publish_event(EVENT),
    "beat": lambda bus: bus.beat(ready()),
    "clear_beat": lambda bus: bus.clear_beat("b"),
    "write_halts": lambda bus: bus.write_halts(HALTS),
    "send_command": lambda bus: bus.send_command(Command(id="c", command="ping", timestamp=1)),
}


def slip(proxy: TcpProxy, answer: bytes) -> None:
    """Put one answer too many before what the server says next, on every connection."""
    for writer in proxy.down.writers:
        writer.write(answer)


@pytest.fixture
async def proxy(server: EmbeddedRedis) -> AsyncIterator[TcpProxy]:
    """Stand between the messengers and Redis."""
    async with TcpProxy(LOOPBACK, server.port) as between:
        yield between


async def works_again(messenger: RedisMessenger) -> bool:
    """Whether a connection is whole again; what is left of a mixed-up one goes first."""
    with contextlib.suppress(RedisUnreachableError):
        await messenger.read_state()
        return True
    return False


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_never_takes_another_answer_for_its_own(
    make: Make, proxy: TcpProxy, name: str
) -> None:
    """It is answered or Redis is unreachable, whatever comes; the next connection is whole."""
    messenger = make(settings=RedisConfig(host=LOOPBACK, port=proxy.port))
    for odd in ODD:
        await messenger.acquire_lease(LEASE_A)
        await messenger.acquire_lease(LEASE_B)
        slip(proxy, odd)
        with contextlib.suppress(RedisUnreachableError):
            await CALLS[name](messenger)
        await eventually(lambda: works_again(messenger))


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_to_something_else_is_said_to_be_one(
    make: Make, proxy: TcpProxy, name: str
) -> None:
    """One sentence says what came, where from, and what to look at."""
    messenger = make(settings=RedisConfig(host=LOOPBACK, port=proxy.port))
    await messenger.read_state()
    slip(proxy, b"+PONG\r\n")
    with pytest.raises(RedisUnreachableError, match="does not fit what was asked") as failure:
        await CALLS[name](messenger)
    assert f"{LOOPBACK}:{proxy.port}/0" in str(failure.value)
    assert "PONG" in str(failure.value)
    assert "redis.host" in str(failure.value)


async def test_the_calls_behind_an_odd_answer_fail_with_it(make: Make, proxy: TcpProxy) -> None:
    """Calls that are under way together do not get each other's answers."""
    messenger = make(settings=RedisConfig(host=LOOPBACK, port=proxy.port))
    await messenger.acquire_lease(LEASE_A)
    slip(proxy, b":7\r\n")
    found = await asyncio.gather(
        *(messenger.acquire_lease(LEASE_A) for _ in range(5)), return_exceptions=True
    )
    assert [type(each) for each in found] == [RedisUnreachableError] * 5
    assert (await messenger.acquire_lease(LEASE_A)).held


def lost(ear: Ear, times: int) -> bool:
    """Whether the link was lost more often than this, and is up again."""
    return ear.links.count(False) > times and ear.is_up


@pytest.mark.parametrize("odd", ODD, ids=ODD_IDS)
async def test_a_listener_outlives_odd_answers(make: Make, proxy: TcpProxy, odd: bytes) -> None:
    """A line that is no notice costs the subscription link, which comes back."""
    messenger = make(settings=RedisConfig(host=LOOPBACK, port=proxy.port))
    async with listening(messenger, "hedge:test") as ear:
        await eventually(lambda: ear.is_up)
        lost_before = ear.links.count(False)
        slip(proxy, odd)
        await eventually(lambda: lost(ear, lost_before), 10.0, "the link back")
    assert ear.heard == []


class Scripted:
    """A server with an answer of its own for some commands, and OK for all others."""

    def __init__(self, **answers: bytes) -> None:
        self._answers = answers
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[RedisConfig]:
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        try:
            yield RedisConfig(host=LOOPBACK, port=server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for writer in self._writers:
                reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                words = data.decode().split("\r\n")
                writer.write(self._answers.get(words[2].lower(), b"+OK\r\n"))
        writer.close()


def say(settings: RedisConfig) -> None:
    """Publish as a script of a user does."""
    messenger = RedisMessenger(settings=settings, timing=FAST)
    messenger.publish_a_filled({"side": "buy"})


@pytest.mark.parametrize("command", ["ping", "info", "publish"])
@pytest.mark.parametrize("odd", ODD, ids=ODD_IDS)
async def test_a_script_gets_one_sentence(command: str, odd: bytes) -> None:
    """The blocking part takes an answer of another shape for an unreachable Redis, too."""
    answers = {"ping": b"+PONG\r\n", "info": b"$0\r\n\r\n", "publish": b":1\r\n", command: odd}
    async with Scripted(**answers).running() as settings:
        with contextlib.suppress(RedisUnreachableError):
            await asyncio.to_thread(say, settings)


async def test_a_script_is_told_what_came() -> None:
    """An answer that is no number of subscribers is said to be none."""
    async with Scripted(publish=b"+OK\r\n").running() as settings:
        with pytest.raises(RedisUnreachableError, match="does not fit what was asked"):
            await asyncio.to_thread(say, settings)


@pytest.mark.parametrize("odd", ODD, ids=ODD_IDS)
async def test_the_operators_tool_gets_one_sentence(odd: bytes) -> None:
    """What it looks at first tells it the market."""
    accounts = AccountsConfig(
        account_a=AccountConfig(account_index=11, api_key_index=4),
        account_b=AccountConfig(account_index=22, api_key_index=4),
    )
    async with Scripted(mget=odd).running() as settings:
        tool = PairState(Config(accounts=accounts, redis=settings, timing=FAST, side="a"))
        with pytest.raises(RedisUnreachableError):
            await asyncio.to_thread(asyncio.run, tool.report())


def test_a_look_of_the_launcher_searches_no_keys(server: EmbeddedRedis, look: redis.Redis) -> None:
    """It looks every half second, for days, at a Redis that may hold millions of other keys."""
    accounts = AccountsConfig(
        account_a=AccountConfig(account_index=11, api_key_index=4),
        account_b=AccountConfig(account_index=22, api_key_index=4),
    )
    config = Config(accounts=accounts, redis=settings_of(server), timing=FAST, side="a")
    reader = PairReader(config)
    try:
        look.config_resetstat()
        reader.report()
        reader.report()
    finally:
        reader.close()
    asked = set(look.info("commandstats"))
    assert asked >= {"cmdstat_mget"}
    assert not asked & {"cmdstat_scan", "cmdstat_keys"}
    assert look.info("stats")["total_connections_received"] == 0
