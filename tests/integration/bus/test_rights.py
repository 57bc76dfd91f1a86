"""What a start finds out about a Redis that answers: a cluster, a login that may do too little."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from hedge.config.schema import RedisConfig, Secret
from hedge.errors import ConfigError, RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, Found, Source
from redis_messenger import RedisMessenger
from tests.bus_helpers import Make
from tests.world.redis import settings_of

pytestmark = pytest.mark.integration


class Node(EmbeddedRedis):
    """One node of a cluster."""

    def _command(self, port: int) -> list[str]:
        return [*super()._command(port), "--cluster-enabled", "yes"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A node that serves all slots, as the first one that a person names does some of them."""
    with Node(tmp_path_factory.mktemp("node")) as server:
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            client.execute_command(
                "ACL", "SETUSER", "poor", "on", "nopass", "~*", "&*", "+@all", "-info"
            )
        yield server


def test_a_cluster_is_refused_in_a_sentence(node: EmbeddedRedis) -> None:
    """By its INFO, or by what it answers where INFO is forbidden or another database is asked."""
    where = f"Redis at {LOOPBACK}:{node.port}/"
    with pytest.raises(ConfigError, match=r"^redis\.host: .* node of a Redis Cluster") as refused:
        RedisMessenger(LOOPBACK, node.port).connect()
    assert where in str(refused.value)
    with pytest.raises(RedisUnreachableError, match="node of a Redis Cluster"):
        RedisMessenger(LOOPBACK, node.port, db=3).connect()


async def test_a_cluster_that_tells_nothing_of_itself(make: Make, node: EmbeddedRedis) -> None:
    """The first look at several keys is refused in the same words."""
    with redis.Redis(port=node.port) as client:
        while client.cluster("info")["cluster_state"] != "ok":
            pass
    messenger = make(settings=replace(settings_of(node), username="poor"))
    assert "INFO" in messenger.connect()[0]
    with pytest.raises(RedisUnreachableError, match="node of a Redis Cluster"):
        await messenger.read_state()


@pytest.fixture
def poor(look: redis.Redis) -> Iterator[redis.Redis]:
    """Make a login `poor` that a test takes rights from."""
    look.execute_command("ACL", "SETUSER", "poor", "on", ">x", "~*", "&*", "+@all")
    yield look
    look.acl_deluser("poor", "writer")


def poorly(server: EmbeddedRedis) -> RedisConfig:
    return replace(settings_of(server), username="poor", password=Secret("x"))


@pytest.mark.parametrize("command", ["eval", "evalsha", "subscribe", "type", "mget", "publish"])
@pytest.mark.parametrize("is_reader", [False, True])
def test_a_login_that_lacks_a_command_is_refused_with_its_name(
    make: Make, server: EmbeddedRedis, poor: redis.Redis, command: str, is_reader: bool
) -> None:
    """Of two logins each one needs its own commands only."""
    poor.execute_command("ACL", "SETUSER", "poor", f"-{command}")
    settings = poorly(server)
    lacks = True
    if is_reader:
        rights = ("+ping", "+info", "+eval", "+evalsha", "+publish")
        poor.execute_command("ACL", "SETUSER", "writer", "on", ">x", "~*", "&*", *rights)
        settings = replace(
            settings,
            username="writer",
            reader_username="poor",
            reader_password=settings.password,
        )
        lacks = command in ("subscribe", "type", "mget")
    messenger = make(settings=settings)
    assert messenger.connect() == []
    if not lacks:
        messenger.check_rights()
        return
    with pytest.raises(RedisUnreachableError) as failure:
        messenger.check_rights()
    text = str(failure.value)
    assert f"does not let the login poor do {command.upper()} (" in text
    assert "extend its ACL" in text
    assert "\n" not in text
    assert failure.value.exit_code == 3


def test_all_that_lacks_is_one_sentence(
    make: Make, server: EmbeddedRedis, poor: redis.Redis
) -> None:
    """Nobody has to start five times."""
    poor.execute_command("ACL", "SETUSER", "poor", "resetchannels", "-@scripting", "-type")
    with pytest.raises(RedisUnreachableError) as failure:
        make(settings=poorly(server)).check_rights()
    for word in ("EVAL (", "EVALSHA (", "PUBLISH (", "TYPE (", "SUBSCRIBE ("):
        assert word in str(failure.value)


def test_a_server_without_a_command_is_like_a_login_without(make: Make, tmp_path: Path) -> None:
    """Hosted ones rename what they do not offer."""

    class Hosted(EmbeddedRedis):
        def _command(self, port: int) -> list[str]:
            return [*super()._command(port), "--rename-command", "EVALSHA", ""]

    unknown = pytest.raises(RedisUnreachableError, match=r"EVALSHA \(unknown command")
    with Hosted(tmp_path) as server, unknown:
        make(settings=settings_of(server)).check_rights()


def test_nothing_is_left_behind(make: Make, server: EmbeddedRedis, look: redis.Redis) -> None:
    """What may do all is asked the same, and Redis is as it was; the imitation too."""
    make().check_rights()
    assert look.keys() == []
    assert look.pubsub_channels() == []


def test_the_imitation_may_do_all(make: Make, tmp_path: Path) -> None:
    """`--paper` runs on it where there is no redis-server.

    It closes connections now and then: a check asks up to five times, and the test goes on
    longer, so that only a refusal, never a lost connection, can turn it red.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(EmbeddedRedis(tmp_path, found=Found(Source.FAKE)))
        messenger = make(settings=settings_of(server))
        for _ in range(20):
            with contextlib.suppress(RedisUnreachableError):
                messenger.check_rights()
                return
        messenger.check_rights()
