"""A TCP proxy between a client and a real server that breaks the link in every way a link breaks.

`async with TcpProxy("127.0.0.1", port) as proxy:` and point the client at `proxy.port`. Switches
act at once, also on connections that are already open. `proxy.up` is the way from the client to
the server (requests), `proxy.down` the way back (replies); each has its own switches. With `tls`
it speaks TLS to the client and plain text to the server.
"""

import asyncio
import contextlib
import random
import re
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

CHUNK = 65_536
ON_ITS_WAY = 256
"""Pieces of one connection that are on their way; the sender is slowed down beyond that."""
THROTTLED_CHUNK = 512
_NO_LINGER = struct.pack("ii", 1, 0)  # closing then sends RST
REQUEST_LINE = re.compile(rb"(?:GET|POST) (/[^ ?]*)[^\r\n]* HTTP/1\.1")


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection as a host does that has forgotten it: the other side gets RST, not FIN."""
    opened = writer.get_extra_info("socket")  # None once TLS has closed it
    if opened is not None:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


class Way:
    """One direction of every connection."""

    def __init__(self) -> None:
        self.dropping = False
        """Swallow everything, as a black hole does: the sender notices nothing."""
        self.drop_next = 0
        """How many pieces (a request or a reply, on a quiet link) are swallowed next."""
        self.delay_s = 0.0
        """How long each piece is on its way; those behind it follow at their own distance."""
        self.jitter_s = 0.0
        """At most so much longer at random; nothing overtakes."""
        self.bytes_per_s = 0
        """How fast the link is; 0 for as fast as it can."""
        self.replaced: Mapping[bytes, bytes] = {}
        """What is written instead of these bytes, of the same length each, within one piece."""
        self.dropped = 0
        self.asked: Counter[str] = Counter()
        """Paths of HTTP requests that passed."""
        self.writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()

    def hold(self, on: bool) -> None:
        """Keep everything on its way, also the news that a connection has ended; off: deliver it.

        This is what TCP makes of a network that is gone for a while: no byte is lost, and neither
        end is told.
        """
        if on:
            self._open.clear()
        else:
            self._open.set()

    @property
    def holds(self) -> bool:
        """Whether everything is kept on its way."""
        return not self._open.is_set()

    async def until_open(self) -> None:
        """Return once nothing is held."""
        await self._open.wait()

    def half_close(self) -> None:
        """Tell the receiver that nothing more comes, on every open connection; nothing does."""
        for writer in self.writers:
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()

    def heal(self) -> None:
        """Let everything through again; what is half closed stays so."""
        self.dropping = False
        self.drop_next = 0
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.bytes_per_s = 0
        self.hold(False)

    def swallows(self) -> bool:
        """Count a piece, and return whether it is lost."""
        if not self.dropping and not self.drop_next:
            return False
        self.drop_next = max(0, self.drop_next - 1)
        self.dropped += 1
        return True

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward what comes until either side ends."""
        line = _Line(self, writer)
        self.writers.add(writer)
        try:
            async with asyncio.TaskGroup() as group:
                delivering = group.create_task(line.deliver())
                try:
                    while data := await reader.read(CHUNK):
                        await line.put(data)
                except OSError:
                    pass  # a connection that ends is what a proxy is for
                await line.end()
                await delivering
        finally:
            self.writers.discard(writer)

    async def deliver(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Write a piece unless it is lost."""
        await self._open.wait()
        if not self.swallows() and not writer.is_closing():
            await self._write(writer, data)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Write a piece, slowly where the link is slow; half closed it is lost."""
        self.asked.update(path.decode() for path in REQUEST_LINE.findall(data))
        for old, new in self.replaced.items():
            data = data.replace(old, new)
        while data:
            size = THROTTLED_CHUNK if self.bytes_per_s else len(data)
            with contextlib.suppress(RuntimeError):
                writer.write(data[:size])
            await writer.drain()
            if self.bytes_per_s:
                await asyncio.sleep(size / self.bytes_per_s)
            data = data[size:]


class _Line:
    """What is on its way in one connection; a piece with nothing before it passes at once."""

    def __init__(self, way: Way, writer: asyncio.StreamWriter) -> None:
        self._way = way
        self._writer = writer
        self._pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_ITS_WAY)
        self._due = 0.0
        self._busy = False

    async def put(self, data: bytes) -> None:
        """Send a piece on its way."""
        way = self._way
        if way.delay_s or way.jitter_s or way.holds or self._busy or not self._pieces.empty():
            now = asyncio.get_running_loop().time()
            due = now + way.delay_s + way.jitter_s * random.random()
            self._due = max(self._due, due)
            await self._pieces.put((self._due, data))
            return
        with contextlib.suppress(OSError):
            await way.deliver(self._writer, data)

    async def end(self) -> None:
        """Let the end of the connection arrive behind everything that is on its way."""
        await self._pieces.put((self._due, b""))

    async def deliver(self) -> None:
        """Hand over each piece at its time, until the end."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                due, data = await self._pieces.get()
                self._busy = True
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    await self._way.until_open()
                    return
                await self._way.deliver(self._writer, data)
                self._busy = not self._pieces.empty()


class TcpProxy:
    """Forwards bytes both ways; see the switches."""

    def __init__(
        self, target_host: str, target_port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self.up = Way()
        self.down = Way()
        self.connections = 0
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False

    @property
    def port(self) -> int:
        assert self._server is not None, "the proxy is not started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    @property
    def asked(self) -> Counter[str]:
        """Paths of HTTP requests that passed."""
        return self.up.asked

    # Switches

    def cut(self) -> None:
        """Reset every open connection (RST, not FIN); new ones are still taken."""
        for writer in self._writers:
            reset(writer)

    def drop_replies(self, on: bool) -> None:
        """Swallow bytes from the server to the client: requests arrive, answers do not."""
        self.down.dropping = on

    def drop_requests(self, on: bool) -> None:
        """Swallow bytes from the client to the server."""
        self.up.dropping = on

    def black_hole(self, on: bool) -> None:
        """Take connections and bytes, and deliver nothing either way."""
        self.up.dropping = self.down.dropping = on

    def hold(self, on: bool) -> None:
        """Lose the network: nothing arrives, no end is told; off: everything arrives late."""
        self.up.hold(on)
        self.down.hold(on)

    def refuse(self, on: bool) -> None:
        """Close new connections as soon as they are made."""
        self._refusing = on

    def heal(self) -> None:
        """Let everything through again; connections stay as they are."""
        self._refusing = False
        self.up.heal()
        self.down.heal()

    # Forwarding

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._refusing:
                self.connections += 1
                await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a connection that ends is what a proxy is for
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.up.until_open()
        await self.down.until_open()
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        self._writers.add(up_writer)
        try:
            async with asyncio.TaskGroup() as group:
                up = group.create_task(self.up.pump(reader, up_writer))
                down = group.create_task(self.down.pump(up_reader, writer))
                up.add_done_callback(lambda _: down.cancel())
                down.add_done_callback(lambda _: up.cancel())
        finally:
            up_writer.transport.abort()
            self._writers.discard(up_writer)
