"""Redis as larger installations run it: Sentinels over a master and its replica, and TLS in front.

All servers are real redis-server processes. TLS is ended by a proxy, because not every build of
redis-server speaks it; certificates are made afresh.
"""

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, find_server, free_port
from tests.waiting import eventually, eventually_sync

MASTER = "mine"
TLS_HANDSHAKE = b"\x16"


class RawRedis:
    """One redis-server with arguments of its own; `kill` is kill -9."""

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_server().binary, *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with _client(self.port) as client:
            eventually_sync(lambda: _answers(client), 10.0, f"redis-server on {self.port}")

    def _command(self) -> list[str]:
        common = ["--port", str(self.port), "--bind", LOOPBACK, "--dir", str(self.folder)]
        return [*common, "--save", "", *self._arguments]

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The process, None before its start and after `kill`."""
        return self._process

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class Sentinel(RawRedis):
    """A Sentinel that watches one master and finds it dead after half a second."""

    def __init__(self, folder: Path, master_port: int, *lines: str, quorum: int = 1) -> None:
        super().__init__(folder)
        self._lines = (
            f"port {self.port}",
            f"bind {LOOPBACK}",
            f"dir {folder}",
            f"sentinel monitor {MASTER} {LOOPBACK} {master_port} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} 500",
            f"sentinel failover-timeout {MASTER} 3000",
            *lines,
        )

    def _command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        file.write_text("\n".join((*self._lines, "")), encoding="utf-8")
        return [str(file), "--sentinel"]

    def master_port(self) -> int:
        """Return where the master is, as this Sentinel says now."""
        with _client(self.port) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])


class SentinelWorld:
    """A Sentinel and a replica beside a running master."""

    def __init__(self, folder: Path, master: EmbeddedRedis) -> None:
        self.master = master
        self.replica = RawRedis(
            folder / "replica", "--replicaof", LOOPBACK, str(master.port), "--repl-timeout", "5"
        )
        self.sentinel = Sentinel(folder / "sentinel", master.port)

    def __enter__(self) -> Self:
        try:
            self.replica.start()
            self.sentinel.start()
            eventually_sync(lambda: in_sync(self.replica.port), 15.0, "the replica in sync")
            eventually_sync(self._knows_replica, 15.0, "the Sentinel knowing the replica")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.sentinel.kill()
        self.replica.kill()

    def follow(self) -> None:
        """Let the old master follow the new one, which the Sentinel would do ten seconds later."""
        with _client(self.master.port) as client:
            client.replicaof(LOOPBACK, str(self.replica.port))

    def _knows_replica(self) -> bool:
        with _client(self.sentinel.port) as client:
            return any(row["flags"] == "slave" for row in client.sentinel_slaves(MASTER))

    async def failed_over(self, port: int) -> None:
        """Wait until the Sentinel names this port as the master's, and it takes writes."""

        def done() -> bool:
            return self.sentinel.master_port() == port and role_of(port) == "master"

        await eventually(lambda: asyncio.to_thread(done), 20.0, f"the master on {port}")


@contextlib.contextmanager
def _client(port: int) -> Iterator[redis.Redis]:
    client = redis.Redis(host=LOOPBACK, port=port, socket_timeout=2, retry=Retry(NoBackoff(), 0))
    try:
        yield client
    finally:
        client.close()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except (redis.RedisError, OSError):
        return False


def role_of(port: int) -> str:
    """Return what a server says it is, "" while it does not answer."""
    with _client(port) as client:
        try:
            return str(client.info("replication")["role"])
        except (redis.RedisError, OSError):
            return ""


def in_sync(port: int) -> bool:
    """Whether a replica has its copy."""
    with _client(port) as client:
        return client.info("replication").get("master_link_status") == "up"


class Authority:
    """A certificate authority; its files lie in `folder`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = str(folder / f"{name}.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def serving(self, name: str = LOOPBACK, *, clients: bool = False) -> ssl.SSLContext:
        """Return a server's context with a certificate for `name`; `clients`: asks for one too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            self._ca.configure_trust(context)
        return context

    def client_files(self, name: str = "client") -> tuple[str, str]:
        """Return certificate and key files of a client."""
        issued = self._ca.issue_cert(f"{name}@example.org")
        cert, key = self._folder / f"{name}-cert.pem", self._folder / f"{name}-key.pem"
        issued.cert_chain_pems[0].write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        return str(cert), str(key)


class EitherPort:
    """One port for plain text and TLS, told apart by the first byte, before a plain server.

    A Sentinel tells one address of its master to everybody: to itself, which speaks plain text
    here, and to clients that speak TLS.
    """

    def __init__(self, target_port: int, tls: ssl.SSLContext) -> None:
        self._target_port = target_port
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.socket()
        self._listener.bind((LOOPBACK, 0))
        self._listener.listen()
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.encrypted = 0

    async def __aenter__(self) -> Self:
        self._spawn(self._accept())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            self._spawn(self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        is_tls = await _first_byte(client) == TLS_HANDSHAKE
        self.encrypted += is_tls
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with contextlib.suppress(OSError):
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, client, ssl=self._tls if is_tls else None
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
            try:
                await asyncio.wait(
                    {
                        asyncio.ensure_future(_pump(reader, up_writer)),
                        asyncio.ensure_future(_pump(up_reader, writer)),
                    },
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                writer.transport.abort()
                up_writer.transport.abort()


async def _first_byte(client: socket.socket) -> bytes:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    client.setblocking(False)
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
        return client.recv(1, socket.MSG_PEEK)
    finally:
        loop.remove_reader(client)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
