"""Private and market data stand alone: what each one's loss calls for, and what it does not."""

import time
from typing import Any

from tests.fault_helpers import (
    MARKS,
    OF_A,
    flat,
    goes_on,
    healing_fixture,
    hedged_once,
    pair_fixture,
)
from tests.pair_audit import OrderLife
from tests.world.pair import Pair

pytestmark = MARKS

SETTINGS = {
    "lighter.maker_order_time_out": 300,
    "timing.request_timeout_s": 1.0,
    "timing.ws_ping_s": 0.5,
    "timing.ws_silence_s": 2.0,
}
PUBLIC = {"family": "order_book"}

pair = pair_fixture(SETTINGS)
healed = healing_fixture()


class Lines:
    """Counts the words of a side's log from now on."""

    def __init__(self, pair: Pair, side: str) -> None:
        [self._file] = pair.folder.glob(f"logs*/main_{side}.log")
        self._before = len(self._text())

    def _text(self) -> str:
        return self._file.read_text("utf-8", errors="replace")

    def __call__(self, word: str) -> int:
        return self._text()[self._before :].count(word)


async def rests_alone(pair: Pair) -> tuple[OrderLife, int]:
    """Return A's resting order, and how many transactions were ever accepted."""
    order = await flat(pair)
    return order, await pair.accepted()


async def test_the_market_s_sockets_are_cut_while_an_order_rests(pair: Pair) -> None:
    """No fence, no cancel-all, no proof: not one transaction is sent, and the order is the same."""
    order, accepted = await rests_alone(pair)
    a, b = Lines(pair, "A"), Lines(pair, "B")
    await pair.paper.fault("socket_cut", **PUBLIC)
    await pair.until(lambda: a(" market_data_up"), "the book of A to be back")
    await pair.until(lambda: b(" market_data_up"), "the book of B to be back")
    assert [one.client_order_index for one in await pair.resting()] == [order.client_order_index]
    assert await pair.accepted() == accepted
    assert (a(" market_data_down"), a(" streams_down"), a(" fence"), a(" book_proven")) == (
        1,
        0,
        0,
        0,
    )
    assert b(" not_ready") == 0
    since = time.monotonic_ns()
    await pair.fill_a("0.0200")
    await hedged_once(pair, since, 200)


async def test_the_private_socket_is_cut_while_an_order_rests(pair: Pair) -> None:
    """All three: cancel-all, fence and proof; then another order rests."""
    order, accepted = await rests_alone(pair)
    a = Lines(pair, "A")
    await pair.paper.fault("socket_cut", **OF_A)
    await pair.until(lambda: a(" book_proven"), "the book of A to be proven")
    assert order.client_order_index not in [one.client_order_index for one in await pair.resting()]
    assert await pair.accepted() >= accepted + 2
    assert (a(" streams_down"), a(" fence_"), a(" market_data_down")) == (1, 0, 0)
    assert a(" fence") > 0
    await goes_on(pair)


async def test_a_private_socket_is_mute_while_an_order_rests(pair: Pair) -> None:
    """Pongs come, nothing of the account does: it is opened anew, and what it hid is hedged once.

    The first question for a snapshot comes after 2 s here (5 s by default), its answer is waited
    for 2 s (3).
    """
    await flat(pair)
    a, since = Lines(pair, "A"), time.monotonic_ns()
    mute: Any = await pair.paper.fault("channels_silent", **OF_A, family="account_all_orders")
    assert mute["fired"] == 1
    await pair.take("sell", "0.0200")
    await pair.until(lambda: a("the order stream is mute"), "the mute socket to be found")
    await pair.paper.clear(mute)
    await pair.until(lambda: a(" book_proven"), "the book of A to be proven")
    await hedged_once(pair, since, 200)
