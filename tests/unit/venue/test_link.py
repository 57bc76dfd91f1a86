"""A link by itself: without a socket, and on one whose other end does not read."""

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from hedge.daemon.clock import SystemClock
from hedge.exchange.lighter.streams.connection import (
    Link,
    LinkLostError,
    LinkTimes,
    backoff,
    frame_reader,
)
from hedge.exchange.port import NotSentError
from tests.unit.venue.fakes import FakeClock
from tests.unit.venue.test_streams import Public
from tests.waiting import eventually


def backoff_of() -> Iterator[float]:
    return backoff(random.Random(1))


def test_backoff_doubles_with_jitter_between_its_bounds() -> None:
    """Delays start at 250 ms, never exceed 30 s and differ from one another."""
    delays = list(itertools.islice(backoff(random.Random(7)), 40))
    assert delays[0] == 0.25
    for number, delay in enumerate(delays):
        assert 0.25 <= delay <= min(30.0, 0.25 * 2**number)
    assert max(delays) > 15
    assert len(set(delays)) > 30


async def test_a_link_without_socket_sends_nothing() -> None:
    """Sending before the link is up is told apart from a lost answer."""
    link = Link(
        "private", "ws://127.0.0.1:1", Public().talk, SystemClock(), LinkTimes(), backoff_of
    )
    with pytest.raises(NotSentError):
        await link.send("x")
    link.drop("nothing to drop")


@pytest.mark.parametrize(
    ("asked_s", "pauses"),
    [(0.0, [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]), (7.0, [7.0] * 3), (60.0, [15.0] * 3)],
)
def test_the_link_of_the_hedges_is_never_silent_for_longer_than_15_s(
    asked_s: float, pauses: list[float]
) -> None:
    """After a 429 a fill is naked while nothing is heard: only the others keep the quiet."""
    url, talk, clock = "ws://127.0.0.1:1", Public().talk, SystemClock()
    urgent = Link("x", url, talk, clock, LinkTimes(), backoff_of, is_urgent=lambda: True)
    other = Link("x", url, talk, clock, LinkTimes(), backoff_of)
    for link in (urgent, other):
        link.refused_because, link._limited_s = "too many requests", asked_s
    found = []
    for number in range(1, len(pauses) + 1):
        urgent._refusals = other._refusals = number
        found.append(urgent._pause_s(0.25))
        assert other._pause_s(0.25) == 60.0
    assert found == pauses
    urgent.refused_because = ""
    assert urgent._pause_s(0.25) == 0.25


async def test_a_link_that_becomes_urgent_while_it_waits_waits_no_more() -> None:
    """A debt that is heard in the quiet needs a price: the market's link is due at once."""
    clock = FakeClock()
    began_ms = clock.now_ms()
    due_ms = began_ms + 11_000
    link = Link(
        "x",
        "ws://127.0.0.1:1",
        Public().talk,
        clock,
        LinkTimes(),
        backoff_of,
        is_urgent=lambda: clock.now_ms() >= due_ms,
    )
    link.refused_because, link._limited_s, link._refusals = "too many requests", 0.0, 1
    await link._wait(0.25)
    assert clock.now_ms() == due_ms
    due_ms = began_ms + 1_000_000
    began_ms = clock.now_ms()
    await link._wait(0.25)
    assert clock.now_ms() == began_ms + 60_000


class Chatter:
    """Implements `connection.Talk`: says a megabyte at every tick and hears nothing."""

    ready_since_ms = None

    def __init__(self) -> None:
        self.reasons: list[str] = []

    @property
    def last_data_ms(self) -> int:
        return SystemClock().now_ms()

    async def opening(self) -> Sequence[str]:
        return ()

    def missed(self) -> None:
        """Nothing is read here that could be missing."""

    def heard(self, frame: dict[str, Any], received_ns: int) -> Sequence[str]:
        return ()

    def tick(self, now_ms: int) -> Sequence[str]:
        return ["x" * 1_000_000]

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)


async def test_a_peer_that_does_not_read_is_left() -> None:
    """Who takes no bytes any more must not hold up what watches over silence."""
    talk = Chatter()

    async def idle(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(idle, "127.0.0.1", 0, max_size=None, max_queue=1, close_timeout=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        times = LinkTimes(tick_s=0.001, pong_s=0.1, close_s=0.1)
        link = Link("private", f"ws://127.0.0.1:{port}", talk, SystemClock(), times, backoff_of)
        running = asyncio.create_task(link.run())
        await eventually(lambda: talk.reasons)
        running.cancel()
        await asyncio.wait([running])
    assert talk.reasons[0] == "cannot write"
    assert running.cancelled()


def test_a_reader_of_frames_only_ever_loses_the_link() -> None:
    """What it foresaw keeps its words, anything else is named."""

    @frame_reader
    def read(error: Exception | None) -> str:
        if error is not None:
            raise error
        return "read"

    assert read(None) == "read"
    with pytest.raises(LinkLostError, match=r"^in words$"):
        read(LinkLostError("in words"))
    with pytest.raises(LinkLostError, match="unreadable frame: ZeroDivisionError: x"):
        read(ZeroDivisionError("x"))
