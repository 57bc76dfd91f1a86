"""A pair on the tier that most accounts have, with nothing written of it: sixty requests in all."""

from pathlib import Path

import pytest

from tests.accept.price_cases import at_price, deep, market
from tests.world.pair import ETH, NAMES, Pair

pytestmark = pytest.mark.integration
MOVES = 4
SETTINGS = {"lighter.requests_per_minute": None, "strategy.requote_ticks": 1}


async def budget_of(pair: Pair, name: str) -> str:
    """Return what a heartbeat says of the side's budget."""
    return str(((await pair.key(name)) or {}).get("notices", {}).get("budget"))


@pytest.mark.timeout(180)
async def test_on_standard_a_follows_and_rests_and_is_never_refused(tmp_path: Path) -> None:
    """The level moves all the time: A's one order follows it by changes, and never leaves the book.

    Both sides have asked for their tier; the exchange limits requests, and says 429 to none.
    """
    async with Pair(tmp_path, tier="standard", settings=SETTINGS) as pair:
        await pair.start()
        first = (await pair.resting())[0]
        for number in range(MOVES):
            bid = 2999.85 - 0.20 * (number + 1)
            await market(pair, deep(bid, bid - 1), deep(3000.15, 3001.00), 3000)
            assert [one.client_order_index for one in await pair.resting()] == [
                first.client_order_index
            ]
        await pair.until(lambda: at_price(pair, bid), "A's order at the newest level", 30.0)
        assert [one.client_order_index for one in await pair.resting()] == [
            first.client_order_index
        ]
        for name, requests in ((NAMES.ready_a, 28), (NAMES.ready_b, 32)):
            said = await budget_of(pair, name)
            assert said.startswith(f"tier standard (as Lighter says): {requests} requests a minute")
            assert said.endswith(" 0 refused (429)")
        await pair.paper.take(ETH, "sell", "0.01", pair.account_a)
        await pair.until(lambda: _covered(pair), "the fill to be hedged", 30.0)


async def _covered(pair: Pair) -> bool:
    a, b = await pair.positions()
    return a != 0 and a + b == 0
