"""A Redis that reads and takes no writes: each way by its own name, and what a person sees."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

import hedgectl
from hedge.config.schema import AccountConfig, AccountsConfig, Config, RedisConfig, Secret
from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, free_port
from hedge.operator.pair_client import PairState
from redis_messenger import RedisMessenger
from tests.bus_helpers import ACCOUNT_A, ACCOUNT_B, LEASE_A, Make, position, ready
from tests.world.redis import FAST, client_of, private_redis, settings_of

pytestmark = pytest.mark.integration

Write = Callable[[RedisMessenger], Awaitable[object]]
WRITES: dict[str, Write] = {
    "a heartbeat": lambda bus: bus.beat(ready("a")),
    "a position": lambda bus: bus.write_position(position(2)),
    "a lease": lambda bus: bus.renew_lease(LEASE_A),
}


@pytest.fixture(scope="module")
def half() -> Iterator[EmbeddedRedis]:
    """A Redis to be filled, demoted and forbidden."""
    with private_redis() as server:
        yield server


@pytest.fixture
def look(half: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A client that spoils it; all is well again at the end."""
    with contextlib.closing(client_of(half)) as client:
        client.flushall()
        yield client
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("save", "")
        client.acl_deluser("poor")


def fill(look: redis.Redis) -> None:
    look.config_set("maxmemory", 1)


def demote(look: redis.Redis) -> None:
    look.replicaof(LOOPBACK, str(free_port()))


def forbid(look: redis.Redis) -> None:
    look.acl_setuser(
        "poor", enabled=True, passwords=["+x"], categories=["+@all"], commands=["-set"], keys=["*"]
    )


def fail_to_save(look: redis.Redis) -> None:
    """Let it find that it cannot save: the directory of its dump is gone."""
    look.set("anything", "to save")
    folder = str(look.config_get("dir")["dir"])
    name = str(look.config_get("dbfilename")["dbfilename"])
    look.config_set("save", "3600 1")
    blocked = Path(folder) / name
    blocked.unlink(missing_ok=True)
    blocked.mkdir()
    try:
        look.bgsave()
        while look.info("persistence")["rdb_bgsave_in_progress"]:
            pass
    finally:
        blocked.rmdir()


WAYS: dict[str, tuple[Callable[[redis.Redis], None], str, str]] = {
    "full": (fill, "is full and takes no writes (OOM ", "maxmemory"),
    "a replica": (demote, "is a read-only replica (READONLY ", "redis.host"),
    "a disk": (fail_to_save, "cannot save its data and takes no writes (MISCONF ", "its disk"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("write", WRITES)
async def test_each_way_has_its_own_sentence(
    make: Make, half: EmbeddedRedis, look: redis.Redis, way: str, write: str
) -> None:
    """Whether a command or a script is refused; and what is read is read all the time."""
    spoil, words, advice = WAYS[way]
    messenger = make(settings=settings_of(half))
    await messenger.acquire_lease(LEASE_A)
    await messenger.write_position(position(1))
    spoil(look)
    for _ in range(2):
        with pytest.raises(RedisUnreachableError) as failure:
            await WRITES[write](messenger)
        assert words in str(failure.value)
        assert advice in str(failure.value)
        assert "\n" not in str(failure.value)
        assert "user_script" not in str(failure.value)
    assert (await messenger.read_state()).position_a == position(1)


async def test_a_login_that_may_not_write(
    make: Make, half: EmbeddedRedis, look: redis.Redis
) -> None:
    """An ACL names what is missing."""
    forbid(look)
    settings = replace(settings_of(half), username="poor", password=Secret("x"))
    messenger = make(settings=settings)
    with pytest.raises(RedisUnreachableError, match=r"NOPERM .*extend its ACL"):
        await messenger.beat(ready("a"))


async def test_status_says_why_nobody_could_be_asked(
    make: Make, half: EmbeddedRedis, look: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows what it can read, names the reason, and calls nothing neutral."""
    messenger = make(settings=settings_of(half))
    await messenger.beat(ready("b"))
    fill(look)
    accounts = AccountsConfig(
        account_a=AccountConfig(account_index=ACCOUNT_A, api_key_index=4),
        account_b=AccountConfig(account_index=ACCOUNT_B, api_key_index=4),
    )
    settings: RedisConfig = settings_of(half)
    config = Config(accounts=accounts, redis=settings, timing=FAST, side="a")
    async with PairState(config) as state:
        report = await hedgectl._inquire(state)
    assert "OOM" in report.redis_why
    assert report.as_json()["redis"] == report.redis_why
    assert report.judgement.is_neutral is not True
    hedgectl._show(report)
    assert "neither daemon could be asked: Redis at" in capsys.readouterr().out
