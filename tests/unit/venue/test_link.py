"""The pieces of a link that need no socket."""

import itertools
import random
from collections.abc import Iterator

import pytest

from hedge.clock import SystemClock
from hedge.venue.link import Link, LinkTimes, backoff
from hedge.venue.port import NotSentError
from tests.unit.venue.test_streams import Public


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
