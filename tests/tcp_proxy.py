"""A TCP proxy between a client and a real server that can cut, withhold, delay and refuse.

`async with TcpProxy("127.0.0.1", port) as proxy:` and point the client at `proxy.port`. Switches
act at once, also on connections that are already open. With `tls` it speaks TLS to the client and
plain text to the server.
"""

import asyncio
import contextlib
import re
import ssl
from collections import Counter
from types import TracebackType
from typing import Self

CHUNK = 65_536
REQUEST_LINE = re.compile(rb"(?:GET|POST) (/[^ ?]*)[^\r\n]* HTTP/1\.1")


class TcpProxy:
    """Forwards bytes both ways; see the switches."""

    def __init__(
        self, target_host: str, target_port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies_dropped = False
        self._requests_dropped = False
        self._refusing = False
        self.delay_s = 0.0
        self.connections = 0
        self.asked: Counter[str] = Counter()
        """Paths of HTTP requests that passed."""

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

    # Switches

    def cut(self) -> None:
        """Reset every open connection; new ones are still taken."""
        for writer in self._writers:
            writer.transport.abort()

    def drop_replies(self, on: bool) -> None:
        """Swallow bytes from the server to the client: requests arrive, answers do not."""
        self._replies_dropped = on

    def drop_requests(self, on: bool) -> None:
        """Swallow bytes from the client to the server."""
        self._requests_dropped = on

    def refuse(self, on: bool) -> None:
        """Close new connections as soon as they are made."""
        self._refusing = on

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
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        self._writers.add(up_writer)
        try:
            async with asyncio.TaskGroup() as group:
                up = group.create_task(self._pump(reader, up_writer, to_server=True))
                down = group.create_task(self._pump(up_reader, writer, to_server=False))
                up.add_done_callback(lambda _: down.cancel())
                down.add_done_callback(lambda _: up.cancel())
        finally:
            up_writer.transport.abort()
            self._writers.discard(up_writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self._requests_dropped if to_server else self._replies_dropped:
                    continue
                if to_server:
                    self.asked.update(path.decode() for path in REQUEST_LINE.findall(data))
                writer.write(data)
                await writer.drain()
