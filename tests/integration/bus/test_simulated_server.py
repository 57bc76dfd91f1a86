"""The simulator's Redis and a real one give the product's messenger the same answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
import redis

from hedge.bus.port import PairScope
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import EmbeddedRedis
from hedge.wire.control import Command, Halt, Halts, Lease
from hedge.wire.names import Names
from hedge.wire.state import Standby
from redis_messenger import RedisMessenger
from tests.bus_helpers import (
    INSTANCE_A,
    INSTANCE_B,
    LEASE_A,
    LEASE_B,
    SCOPE,
    a_filled,
    b_failed,
    b_filled,
    ledger,
    neutral,
    position,
    ready,
)
from tests.simulation.bus import SimMessenger, SimRedis
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.loop import run as run_simulated
from tests.simulation.redis_server import Value
from tests.simulation.weather import RedisWeather
from tests.world.redis import FAST, settings_of

pytestmark = pytest.mark.integration

NAMES = Names()
TIMES = replace(FAST, lease_ttl_s=3600.0, ready_ttl_s=1800.0, link_check_s=3600.0)
"""So long that a slow machine changes nothing."""

SIGNED = replace(SCOPE, secret=b"a secret")
HALT = Halt(id="1", side="b", reason="drift", detail="", timestamp=1)
VERSION_1 = '{"v": 1, "id": "1", "side": "a", "reason": "x", "detail": "", "timestamp": 1}'
CHANNELS = (NAMES.account_a_filled, NAMES.account_b_filled, NAMES.account_b_hedge_failed)
KEYS = (
    NAMES.position_a,
    NAMES.position_b,
    NAMES.ledger,
    NAMES.neutral,
    NAMES.ready_a,
    NAMES.ready_b,
    NAMES.halt,
    NAMES.command,
    LEASE_A.name,
    LEASE_B.name,
    NAMES.standby("b", INSTANCE_B),
)


@dataclass
class Server:
    """One of the two servers, as a hand beside the pair reaches it."""

    make: Callable[..., RedisMessenger]
    put: Callable[[str, str], None]
    put_list: Callable[[str], None]
    drop: Callable[[str], None]
    get: Callable[[str], str | None]
    lives_min: Callable[[str], int | None]
    """How long a key lives on, in whole minutes rounded up; None for one that does not die."""
    refuse: Callable[[str], None]
    answers: list[Any] = field(default_factory=list)

    async def ask(self, work: Coroutine[Any, Any, Any]) -> None:
        """Note an answer, or that there was none."""
        try:
            self.answers.append(await work)
        except RedisUnreachableError as error:
            self.answers.append(type(error))

    def look(self) -> None:
        """Note all that is stored, and how long it lives."""
        self.answers.append({key: (self.get(key), self.lives_min(key)) for key in KEYS})


async def leases(server: Server) -> None:
    """Free, ours, another's, of the same host, given back by the wrong one and the right one."""
    a, twin, other = (
        server.make(INSTANCE_A, "aa"),
        server.make(INSTANCE_B, "aa"),
        server.make(INSTANCE_B, "bb"),
    )
    for work in (
        a.renew_lease(LEASE_A),
        a.acquire_lease(LEASE_A),
        a.acquire_lease(LEASE_A),
        other.acquire_lease(LEASE_A),
        other.renew_lease(LEASE_A),
        other.write_position(position(1)),
        other.release_lease(LEASE_A),
        twin.write_position(position(1)),
        twin.acquire_lease(LEASE_A),
        a.renew_lease(LEASE_A),
        a.publish_fill(position(2), a_filled(2)),
        twin.release_lease(LEASE_A),
        a.read_state(),
    ):
        await server.ask(work)
        server.look()
    for odd in ("nonsense", "[]", "{}", '{"instance": 1, "host": "x"}'):
        for work in (a.renew_lease(LEASE_A), a.acquire_lease(LEASE_A)):
            server.put(LEASE_A.name, odd)
            await server.ask(work)
            server.look()
    server.put(LEASE_A.name, Lease(instance="c" * 12, host="cc", pair="other").to_json())
    await server.ask(a.acquire_lease(LEASE_A))
    await server.ask(a.read_state())


async def writes(server: Server) -> None:
    """Everything that the two sides write, read back; a lapsed lease taken in passing or not."""
    a, b = server.make(INSTANCE_A, "aa"), server.make(INSTANCE_B, "bb")
    for work in (
        a.publish_fill(position(1), a_filled(1)),
        a.write_position(position(2, lots=-5)),
        b.write_ledger(ledger(), take_free=False),
        b.write_ledger(
            ledger(),
            [b_filled(1), b_filled(2)],
            neutral=neutral(),
            position_b=position(1, account_index=SCOPE.account_b),
        ),
        a.beat(ready("a")),
        b.beat(ready("b")),
        b.stand_by(
            Standby(side="b", instance=INSTANCE_B, host="bb", warm=True, version="1", timestamp=1)
        ),
        b.read_standbys(),
        a.read_state(),
        b.send_command(Command(id="c", command="flatten", timestamp=1)),
        a.read_state(),
        b.clear_standby("b"),
        b.clear_beat("b"),
        b.clear_beat("b"),
        b.read_state(),
    ):
        await server.ask(work)
        server.look()


async def halts(server: Server) -> None:
    """Written beside each other, released, of version 1, unreadable, no text at all."""
    a, b = server.make(INSTANCE_A, "aa"), server.make(INSTANCE_B, "bb")
    first, second = Halts(halts=(HALT,)), Halts(halts=(replace(HALT, id="2"),))
    for work in (
        a.write_halts(first),
        a.write_halts(first),
        b.write_halts(second),
        b.publish_failure(b_failed(), second),
        a.write_halts(Halts(released=("2",))),
        b.write_halts(second),
        a.write_halts(Halts(released=("1", "2"))),
        b.publish_failure(b_failed(), None),
        b.publish_failure(b_failed(), second),
        a.read_state(),
    ):
        await server.ask(work)
        server.look()
    for odd in ("nonsense", "[1]", VERSION_1, VERSION_1.replace("}", ', "resumed": 3}')):
        server.put(NAMES.halt, odd)
        for work in (a.read_state(), a.write_halts(first), b.publish_failure(b_failed(), second)):
            await server.ask(work)
            server.look()
    server.put_list(NAMES.halt)
    for work in (a.write_halts(first), a.read_state()):
        await server.ask(work)
        server.look()


async def odd_values(server: Server) -> None:
    """What others leave: corrupt, signed wrongly, of another pair, no text at all, deleted."""
    a = server.make(INSTANCE_A, "aa")
    stranger = server.make(INSTANCE_B, "bb", scope=replace(SCOPE, secret=b"another"))
    await server.ask(a.publish_fill(position(1), a_filled(1)))
    kept = server.get(NAMES.position_a) or ""
    for text in (kept[:-9], kept.replace("100", "900"), kept.replace("304", "300"), "\x00", "{}"):
        server.put(NAMES.position_a, text)
        await server.ask(a.read_state())
    await server.ask(stranger.beat(ready("b")))
    await server.ask(a.read_state())
    server.put(NAMES.ready_a, server.get(NAMES.ready_b) or "")
    await server.ask(a.read_state())
    server.put_list(NAMES.ledger)
    await server.ask(server.make("d" * 12, "dd").read_state())  # one that looks at once
    server.put(NAMES.fills, "a text where a stream should be")
    await server.ask(a.publish_fill(position(3), a_filled(3)))
    await server.ask(a.read_state())
    server.drop(NAMES.position_a)
    await server.ask(a.read_state())
    server.look()


def refusing(word: str) -> Callable[[Server], Coroutine[Any, Any, None]]:
    """Return the operations on a server that reads, and answers this to writes."""

    async def refused(server: Server) -> None:
        a, b = server.make(INSTANCE_A, "aa"), server.make(INSTANCE_B, "bb")
        await server.ask(a.publish_fill(position(1), a_filled(1)))
        await server.ask(b.beat(ready("b")))
        server.refuse(word)
        for make in (
            lambda: a.publish_fill(position(2), a_filled(2)),
            lambda: a.write_position(position(3)),
            lambda: b.acquire_lease(LEASE_B),
            lambda: a.renew_lease(LEASE_A),
            lambda: b.beat(ready("b")),
            lambda: a.write_halts(Halts(halts=(HALT,))),
            lambda: b.publish_failure(b_failed(), None),
            lambda: b.publish_failure(b_failed(), Halts(halts=(HALT,))),
            a.read_state,
            lambda: b.clear_beat("b"),
            lambda: a.release_lease(LEASE_A),
            a.read_state,
        ):
            await server.ask(make())
            server.look()
        server.refuse("")
        await server.ask(a.publish_fill(position(4), a_filled(4)))
        server.look()

    return refused


async def messages(server: Server) -> None:
    """What one process says the other one hears, in order, and nothing else."""
    a, b = server.make(INSTANCE_A, "aa"), server.make(INSTANCE_B, "bb")
    heard: list[tuple[str, str]] = []
    links: list[bool] = []
    for channel in CHANNELS:
        b.subscribe(channel, lambda text, channel=channel: heard.append((channel, text)))  # type: ignore[misc]
    b.on_link(links.append)
    async with _listening(b, lambda: links == [True]):
        await server.ask(a.publish_fill(position(1), a_filled(1)))
        await server.ask(a.publish_fill(position(2), a_filled(2)))
        await server.ask(b.write_ledger(ledger(), [b_filled(1), b_filled(2)]))
        await server.ask(b.publish_failure(b_failed(), None))
        async with asyncio.timeout(5):
            while len(heard) < 5:  # noqa: ASYNC110  the virtual clock has no other way
                await asyncio.sleep(0.001)
    server.answers += [heard, links]


@contextlib.asynccontextmanager
async def _listening(messenger: RedisMessenger, is_up: Callable[[], bool]) -> AsyncIterator[None]:
    task = asyncio.create_task(messenger.start_listening())
    async with asyncio.timeout(5):
        while not is_up():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# --- the two servers ----------------------------------------------------------------------------

Play = Callable[[Server], Coroutine[Any, Any, None]]


def on_real(play: Play, server: EmbeddedRedis, look: redis.Redis, scope: PairScope) -> list[Any]:
    """Play on a real server."""

    async def main() -> list[Any]:
        made: list[RedisMessenger] = []

        def make(instance: str, host: str, scope: PairScope = scope) -> RedisMessenger:
            messenger = RedisMessenger(
                settings=settings_of(server), timing=TIMES, instance=instance, host_id=host
            )
            messenger.bind(scope, LEASE_A, LEASE_B)
            made.append(messenger)
            return messenger

        def get(key: str) -> str | None:
            return str(look.get(key)) if str(look.type(key)) == "string" else None

        def lives_min(key: str) -> int | None:
            left_ms = int(str(look.pttl(key)))
            return None if left_ms < 0 else -(-left_ms // 60_000)

        def put_list(key: str) -> None:
            look.delete(key)
            look.rpush(key, "1")

        def refuse(word: str) -> None:
            look.config_set("maxmemory", "1" if word == "OOM" else "0")
            if word == "READONLY":
                look.replicaof("127.0.0.1", 1)  # nobody is there: it stays as it is
            else:
                look.execute_command("REPLICAOF", "NO", "ONE")

        hand = Server(make, look.set, put_list, look.delete, get, lives_min, refuse)
        try:
            await play(hand)
        finally:
            refuse("")
            for messenger in made:
                await messenger.aclose()
        return hand.answers

    return asyncio.run(main())


def on_simulated(play: Play, scope: PairScope) -> list[Any]:
    """Play on the simulator's server."""

    async def main(loop: VirtualLoop) -> list[Any]:
        place = SimRedis(loop, Random(1))

        def make(instance: str, host: str, scope: PairScope = scope) -> RedisMessenger:
            messenger = SimMessenger(
                place,
                Process("one"),
                RedisWeather(),
                me=Lease(instance=instance, host=host),
                timing=TIMES,
                host=host,
            )
            place.clients.append(messenger)
            messenger.bind(scope, LEASE_A, LEASE_B)
            return messenger

        def lives_min(key: str) -> int | None:
            value = place.master.values.get(key)
            if value is None or value.until is None:
                return None
            return -(-round((value.until - loop.time()) * 1000) // 60_000)

        def refuse(word: str) -> None:
            place.master.refuses = word

        hand = Server(
            make,
            place.set,
            lambda key: place.master.put(key, Value("", None, "list")),
            place.master.drop,
            place.get,
            lives_min,
            refuse,
        )
        await play(hand)
        return hand.answers

    answers: list[Any] = run_simulated(main)
    return answers


@pytest.mark.parametrize("scope", [SCOPE, SIGNED], ids=["open", "signed"])
@pytest.mark.parametrize(
    "play",
    [
        leases,
        writes,
        halts,
        odd_values,
        messages,
        pytest.param(refusing("OOM"), id="OOM"),
        pytest.param(refusing("READONLY"), id="READONLY"),
    ],
)
def test_both_servers_answer_alike(
    play: Play, scope: PairScope, server: EmbeddedRedis, look: redis.Redis
) -> None:
    """Every answer, every stored text and every remaining life is the same."""
    real = on_real(play, server, look, scope)
    simulated = on_simulated(play, scope)
    assert len(real) >= 6
    for number, (one, other) in enumerate(zip(real, simulated, strict=True)):
        assert one == other, f"answer {number}"
