"""Starting again costs the same, however long the pair has run."""

import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.world.pair import NAMES, Pair

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]

JOURNALED = 100_000
ROUNDS, FILLS = 4, 50
PAGES = 7
"""The newest page of trades; where it cuts an order in two, the next five are read as well."""

SPARE = 4
"""Questions that a busy machine may repeat: nextNonce, or the look at the fence's row."""

LONG_HISTORY = """
for i = 1, tonumber(ARGV[1]) do
  redis.call('XADD', KEYS[1], '*', 'kind', 'filled', 'message', ARGV[2])
end
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair whose requests to the exchange are counted."""
    settings = {
        "strategy.quantity": "0.5",
        "strategy.depth": 2,
        "strategy.on_partial_fill": "keep",
    }
    folder = tmp_path_factory.mktemp("pair")
    async with Pair(folder, proxied=("a-exchange", "b-exchange"), settings=settings) as made:
        await made.start()
        yield made


async def restarted(pair: Pair, side: str) -> Counter[str]:
    """Kill a side and start it again; return what it asked of the exchange until it was ready."""
    link = pair.proxies[f"{side}-exchange"]
    killed = pair.a if side == "a" else pair.b
    assert killed is not None
    killed.kill()
    await pair.client.delete(NAMES.ready(side))
    link.asked.clear()
    begun = time.monotonic()
    if side == "a":
        pair.start_a()
        await pair.until_state_a("working")
    else:
        pair.start_b()
        await pair.until_ready_b()
    print(f"{side} ready after {time.monotonic() - begun:.2f} s: {dict(link.asked)}")
    return Counter(link.asked)


async def test_a_restart_asks_the_same_after_a_long_run(pair: Pair) -> None:
    """With 100,000 journaled fills and hundreds of trades a start reads no more than early on."""
    await pair.fill_a()
    await pair.until_neutral()
    young = {side: await restarted(pair, side) for side in "ba"}
    for _ in range(ROUNDS):
        order = await pair.until_resting()
        side = "buy" if order.is_ask else "sell"
        assert await pair.burst(FILLS, side, "0.0100") == FILLS
        await pair.until_neutral(40.0)
    text = (await pair.client.xrevrange(NAMES.fills, count=1))[0][1]["message"]
    for stream in (NAMES.fills, NAMES.results):
        await pair.client.eval(LONG_HISTORY, 1, stream, JOURNALED, text)
    old = {side: await restarted(pair, side) for side in "ba"}
    for side in "ba":
        assert sum(old[side].pop(path) for path in list(old[side]) if "/trades" in path) <= PAGES
        assert old[side].total() <= young[side].total() + SPARE
    await pair.check()
