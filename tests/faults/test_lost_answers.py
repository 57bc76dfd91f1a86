"""Answers and requests that get lost between B and the exchange: one hedge, never two."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.fault_helpers import flat
from tests.pair_audit import OrderLife, lives_of, lots
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B
from tests.world.proxy import TcpProxy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair; the links of both sides to the exchange can be broken."""
    settings = {"strategy.quantity": "1.0", "strategy.depth": 2}
    folder = tmp_path_factory.mktemp("pair")
    async with Pair(folder, proxied=("a-exchange", "b-exchange"), settings=settings) as made:
        await made.start()
        yield made


@pytest.fixture
def link_b(pair: Pair) -> Iterator[TcpProxy]:
    """The link between B and the exchange; whole again after each test."""
    yield pair.proxies["b-exchange"]
    heal(pair.proxies["b-exchange"])


@pytest.fixture
def link_a(pair: Pair) -> Iterator[TcpProxy]:
    """The link between A and the exchange; whole again after each test."""
    yield pair.proxies["a-exchange"]
    heal(pair.proxies["a-exchange"])


def heal(link: TcpProxy) -> None:
    """Let everything through again."""
    link.refuse(False)
    link.drop_replies(False)
    link.drop_requests(False)


async def real_orders(pair: Pair, account: int, since_ns: int) -> list[OrderLife]:
    """Return the orders other than fence markers that an account has sent since."""
    lives = lives_of(await pair.paper.orders(account=account))
    return [life for life in lives if not life.is_marker and life.received_ns > since_ns]


async def hedge_arrived(pair: Pair, since: int) -> None:
    """Wait until an order of B stands in the exchange's log."""

    async def seen() -> bool:
        return await real_orders(pair, ACCOUNT_B, since) != []

    await pair.until(seen, "B's order at the exchange")


async def exactly_one_hedge(pair: Pair, since: int) -> None:
    """Wait for neutrality, and count what B executed since."""
    await pair.until_neutral(30.0)
    executed = [life for life in await real_orders(pair, ACCOUNT_B, since) if life.filled_lots]
    assert len(executed) == 1, executed
    await pair.until_resting()
    await pair.check()


@pytest.mark.parametrize("cut", [True, False], ids=["then cut", "then silent"])
async def test_the_answer_to_a_hedge_is_lost(pair: Pair, link_b: TcpProxy, cut: bool) -> None:
    """B's order executes but no answer comes: B finds out and does not send another."""
    await pair.until_resting()
    since = time.monotonic_ns()
    link_b.drop_replies(True)
    await pair.fill_a("0.4000")
    await hedge_arrived(pair, since)
    if cut:
        link_b.cut()
    link_b.drop_replies(False)
    await exactly_one_hedge(pair, since)


async def test_the_answer_stays_away_beyond_every_timeout(pair: Pair, link_b: TcpProxy) -> None:
    """Both copies of the order go unanswered and fences fail; still one hedge in the end."""
    await pair.until_resting()
    since = time.monotonic_ns()
    link_b.drop_replies(True)
    await pair.fill_a("0.0500")
    await hedge_arrived(pair, since)
    connections = link_b.connections
    await pair.until(lambda: link_b.connections >= connections + 2, "B trying other ways")
    link_b.cut()
    link_b.drop_replies(False)
    await exactly_one_hedge(pair, since)


@pytest.mark.parametrize("cut", [True, False], ids=["then cut", "then silent"])
async def test_the_request_of_a_hedge_is_lost(pair: Pair, link_b: TcpProxy, cut: bool) -> None:
    """B's order never reaches the exchange: after a fence it is sent again, once."""
    await pair.until_resting()
    since = time.monotonic_ns()
    link_b.drop_requests(True)
    connections = link_b.connections
    await pair.fill_a("0.0600")
    await pair.until(lambda: link_b.connections > connections, "B's second path")
    assert await real_orders(pair, ACCOUNT_B, since) == []
    if cut:
        link_b.cut()
    link_b.drop_requests(False)
    await exactly_one_hedge(pair, since)


async def test_b_is_cut_off_while_a_fills(pair: Pair, link_b: TcpProxy) -> None:
    """A fill while B cannot reach the exchange is hedged once B can; A rests nothing meanwhile."""
    await pair.until_resting()
    since = time.monotonic_ns()
    link_b.refuse(True)
    link_b.cut()
    await pair.fill_a("0.0700")
    await pair.until_ready_b(ready=False)
    await pair.until_state_a("awaiting_hedge")
    assert await real_orders(pair, ACCOUNT_A, since) == []
    link_b.refuse(False)
    await exactly_one_hedge(pair, since)


async def test_a_is_cut_off_while_it_fills(pair: Pair, link_a: TcpProxy) -> None:
    """Fills that A's stream never told are found by REST before A's next order."""
    await flat(pair)
    since = time.monotonic_ns()
    link_a.refuse(True)
    link_a.cut()
    await pair.fill_a("0.0800")
    await pair.fill_a("0.0200")
    await pair.until(lambda: _streams_are_down(pair), "A without its streams")
    link_a.refuse(False)

    async def hedged() -> bool:
        a_lots, b_lots = await pair.positions()
        return a_lots + b_lots == 0

    await pair.until(hedged, "B following", 20.0)
    await pair.until_neutral()
    await pair.until_resting()
    result = await pair.check()
    assert result.net_lots == 0
    assert await real_orders(pair, ACCOUNT_A, since)


async def _streams_are_down(pair: Pair) -> bool:
    beat = await pair.key("hedge:ready:a")
    return beat is not None and not beat["ready"]


async def test_frames_of_a_get_lost_in_silence(pair: Pair, link_a: TcpProxy) -> None:
    """A trade frame that vanishes without a cut is found at the next contradiction or the end."""
    await pair.until_resting()
    link_a.drop_replies(True)
    await pair.fill_a("0.0300")
    link_a.drop_replies(False)
    await pair.fill_a("0.0100")
    await pair.until_neutral(30.0)
    await pair.until_resting()
    await pair.check()


async def test_the_answer_to_an_order_of_a_is_lost(pair: Pair, link_a: TcpProxy) -> None:
    """A's order rests but A does not hear of it: never two orders of A beside each other."""
    assert pair.b is not None
    await pair.until_resting()
    pair.b.send(signal.SIGSTOP)
    since = time.monotonic_ns()
    await pair.fill_a()
    a_lots, _ = await pair.positions()

    async def said() -> bool:
        state = await pair.key(NAMES.position_a)
        return state is not None and lots(state["position_base_amount"]) == a_lots

    await pair.until(said, "A saying its fill")
    link_a.drop_replies(True)
    pair.b.send(signal.SIGCONT)

    async def placed() -> bool:
        return await real_orders(pair, ACCOUNT_A, since) != []

    await pair.until(placed, "A's next order")
    link_a.cut()
    link_a.drop_replies(False)
    await pair.until_neutral(30.0)

    async def anew() -> bool:
        resting = await pair.resting()
        return len(await real_orders(pair, ACCOUNT_A, since)) > 1 and resting != []

    await pair.until(anew, "the lost order replaced")
    await pair.check()


async def test_links_break_at_random_while_a_fills(pair: Pair) -> None:
    """Cuts at random moments on both links, fills all the time: net zero, never twice."""
    rng = random.Random(7)
    cuts = fills = 0

    async def breaking() -> None:
        nonlocal cuts
        while cuts < 14 or fills < 12:
            await asyncio.sleep(rng.uniform(0.2, 1.0))
            rng.choice(list(pair.proxies.values())).cut()
            cuts += 1

    before = len(await pair.paper.trades(account=ACCOUNT_A))
    async with asyncio.TaskGroup() as group:
        breaker = group.create_task(breaking())
        while not breaker.done():
            if await pair.resting():
                fills += await pair.fill_a(f"{rng.randint(1, 60) / 1000:.4f}") != 0
            await asyncio.sleep(rng.uniform(0.0, 0.2))
    await pair.until_neutral(40.0)
    await pair.until_resting()
    await pair.check()
    assert len(await pair.paper.trades(account=ACCOUNT_A)) > before + 10
