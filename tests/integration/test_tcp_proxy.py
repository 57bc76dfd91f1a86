"""The proxy that the fault tests break links with does what its switches say."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.waiting import eventually
from tests.world.proxy import TcpProxy

pytestmark = pytest.mark.integration

SHORT_S = 0.2
LONG_S = 5.0


@dataclass
class Link:
    """A client of an echo server, behind a proxy."""

    proxy: TcpProxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[bytes]

    async def echo(self, text: bytes, timeout_s: float = LONG_S) -> bytes:
        """Send a text and return the first bytes that come back."""
        self.writer.write(text)
        return await asyncio.wait_for(self.reader.read(100), timeout_s)

    async def silent(self, text: bytes) -> None:
        """Send a text to which no answer comes."""
        with pytest.raises(TimeoutError):
            await self.echo(text, SHORT_S)


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A client, a proxy, and a server that answers every text with itself."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100_000):
                heard.append(data)
                writer.write(data)
            heard.append(b"")
            writer.write(b"bye")
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        yield Link(proxy, reader, writer, heard)
        writer.close()


async def test_each_way_is_swallowed_alone(link: Link) -> None:
    """Lost requests never arrive; lost replies follow requests that did."""
    assert await link.echo(b"one") == b"one"
    link.proxy.drop_requests(on=True)
    await link.silent(b"two")
    assert link.heard == [b"one"]
    link.proxy.drop_requests(on=False)
    link.proxy.drop_replies(on=True)
    await link.silent(b"three")
    assert link.heard == [b"one", b"three"]
    link.proxy.heal()
    assert await link.echo(b"four") == b"four"


async def test_one_reply_is_lost(link: Link) -> None:
    """`drop_next` counts: exactly the next reply is missing."""
    link.proxy.down.drop_next = 1
    await link.silent(b"one")
    assert await link.echo(b"two") == b"two"
    assert (link.proxy.down.dropped, link.proxy.up.dropped) == (1, 0)


async def test_a_black_hole_takes_connections_and_gives_nothing(link: Link) -> None:
    """Connecting works, sending works, nothing arrives on either side."""
    link.proxy.black_hole(on=True)
    await link.silent(b"one")
    _, writer = await asyncio.open_connection("127.0.0.1", link.proxy.port)
    writer.write(b"two")
    await writer.drain()
    writer.close()
    assert link.heard == []


async def test_a_way_is_slow(link: Link) -> None:
    """Withheld by a delay, or let through so many bytes a second."""
    link.proxy.down.delay_s = 0.15
    began = time.monotonic()
    assert await link.echo(b"one") == b"one"
    assert time.monotonic() - began >= 0.15
    link.proxy.heal()
    link.proxy.up.bytes_per_s = 10_000
    began = time.monotonic()
    link.writer.write(b"x" * 2_000)
    await eventually(lambda: sum(map(len, link.heard)) == 2_003, what="all of it")
    assert time.monotonic() - began >= 0.1


async def test_a_half_closed_link_still_carries_the_other_way(link: Link) -> None:
    """The server sees the end of the requests, and its last words reach the client."""
    assert await link.echo(b"one") == b"one"
    link.proxy.up.half_close()
    assert await asyncio.wait_for(link.reader.read(100), LONG_S) == b"bye"
    assert link.heard == [b"one", b""]


async def test_a_cut_and_a_refusal(link: Link) -> None:
    """Open connections are reset; new ones are closed at once while refused."""
    link.proxy.cut()
    with pytest.raises(ConnectionResetError):
        await link.reader.readexactly(1)
    link.proxy.refuse(on=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", link.proxy.port)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(1), LONG_S) == b""
    writer.close()


async def test_a_held_link_delivers_everything_late(link: Link) -> None:
    """Neither bytes nor the end of a connection arrive; afterwards both do, in order."""
    link.proxy.hold(on=True)
    await link.silent(b"one")
    link.writer.write_eof()
    assert link.heard == []
    link.proxy.hold(on=False)
    assert await asyncio.wait_for(link.reader.readexactly(3), LONG_S) == b"one"
    assert link.heard[0] == b"one"


async def test_a_new_connection_through_a_held_link_waits(link: Link) -> None:
    """Who connects meanwhile is served once the network is back."""
    link.proxy.hold(on=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", link.proxy.port)
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), SHORT_S)
    assert link.heard == []
    link.proxy.hold(on=False)
    assert await asyncio.wait_for(reader.readexactly(3), LONG_S) == b"two"
    writer.close()


async def test_a_far_link_delays_each_piece_alike(link: Link) -> None:
    """Ten pieces 0.2 s away take 0.2 s, not ten times as long, and arrive in order."""
    link.proxy.up.delay_s, link.proxy.up.jitter_s = 0.2, 0.05
    began = time.monotonic()
    for number in range(10):
        link.writer.write(b"%d" % number)
        await link.writer.drain()
    assert await asyncio.wait_for(link.reader.readexactly(10), LONG_S) == b"0123456789"
    assert 0.2 <= time.monotonic() - began < 2.0


async def test_bytes_are_replaced_on_the_way_back(link: Link) -> None:
    """What a Sentinel says of a port can name a proxy's instead."""
    link.proxy.down.replaced = {b"$5\r\n41000\r\n": b"$5\r\n42000\r\n"}
    assert await link.echo(b"$5\r\n41000\r\n") == b"$5\r\n42000\r\n"
