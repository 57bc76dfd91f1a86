"""What a daemon says of an unusable Redis at its start: one sentence, and the right exit code."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedge.errors import RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, free_port
from redis_messenger import RedisMessenger
from tests.world.pair import Daemon
from tests.world.paper import new_key
from tests.world.redis import client_of, private_redis

pytestmark = pytest.mark.integration


def config(folder: Path, **redis: Any) -> Path:
    """Write a configuration of B; no exchange is there, for Redis comes first."""
    account = {"account_index": 1, "api_key_index": 4}
    key = {"api_key_private_key": new_key()[0]}
    values = {
        "market": "ETH",
        "accounts": {"account_a": account, "account_b": {**account, "account_index": 2, **key}},
        "redis": {"host": LOOPBACK, **redis},
        "lighter": {"base_url": f"http://{LOOPBACK}:1", "chain_id": 300},
        "state": {"dir": str(folder / "state")},
        "logging": {"dir": str(folder / "logs"), "console": False},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    file.chmod(0o600)
    return file


async def told(folder: Path, file: Path) -> tuple[int, str]:
    """Start B; return its exit code and the one sentence that it printed."""
    daemon = Daemon("b", file, folder / "b.out")
    try:
        code = await daemon.ended()
    finally:
        daemon.kill()
    (line,) = [line for line in daemon.output().splitlines() if line.strip()]
    return code, line


def replica(server: EmbeddedRedis) -> None:
    with contextlib.closing(client_of(server)) as look:
        look.replicaof(LOOPBACK, str(free_port()))


def guarded(server: EmbeddedRedis) -> None:
    with contextlib.closing(client_of(server)) as look:
        look.config_set("requirepass", "right")


def untouched(_server: EmbeddedRedis) -> None:
    """Leave the server as it is."""


@pytest.mark.parametrize(
    ("prepare", "settings", "code", "words"),
    [
        (replica, {}, 3, "read-only replica"),
        (guarded, {"password": "wrong-one"}, 3, "redis.password"),
        (untouched, {"tls": True}, 3, "does not speak TLS"),
        (untouched, {"tls": {"ca_file": "/nowhere/ca.pem"}}, 2, "redis.tls.ca_file"),
    ],
)
async def test_an_unusable_redis_is_said_in_one_sentence(
    tmp_path: Path,
    prepare: Callable[[EmbeddedRedis], None],
    settings: dict[str, Any],
    code: int,
    words: str,
) -> None:
    """Neither a traceback nor the password: what is wrong, and what to change."""
    with private_redis() as server:
        prepare(server)
        found, line = await told(tmp_path, config(tmp_path, port=server.port, **settings))
    assert (found, words in line) == (code, True), line
    assert "wrong-one" not in line


@contextlib.asynccontextmanager
async def answering(info: bytes) -> AsyncIterator[int]:
    """Give a port that says PONG, and this text to INFO."""
    served: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            if b"PING" in data:
                writer.write(b"+PONG\r\n")
            else:
                writer.write(b"$%d\r\n%s\r\n" % (len(info), info))
        writer.close()
        await writer.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.ensure_future(answer(reader, writer)))

    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.wait(served)


async def test_a_server_that_is_too_old_is_refused() -> None:
    """Before 6.2 there are no channel permissions and no EXAT: said with both versions."""
    async with answering(b"redis_version:5.0.14\r\nrole:master") as port:
        with pytest.raises(RedisUnreachableError, match=r"version 5\.0\.14; install 6\.2") as told:
            await asyncio.to_thread(RedisMessenger(LOOPBACK, port).connect)
    assert told.value.exit_code == 3


async def test_a_server_that_hides_its_version_is_used_with_a_warning() -> None:
    """An imitation without INFO is used, and said not to have been checked."""
    async with answering(b"something:else") as port:
        messenger = RedisMessenger(LOOPBACK, port)
        (warning,) = await asyncio.to_thread(messenger.connect)
        await messenger.aclose()
    assert "not checked further" in warning
