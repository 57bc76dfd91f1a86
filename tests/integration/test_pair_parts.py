"""Orders of A that fill in parts, and in a flood: hedged to the lot, and A holds meanwhile."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from hedge.launcher.summary import legs_of
from tests.fault_helpers import flat
from tests.pair_audit import OrderLife
from tests.world.pair import NAMES, Json, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
]

KEEP = {"strategy.on_partial_fill": "keep", "strategy.depth": 3, "strategy.quantity": "1.0"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A pair that keeps the rest of an order after its first fill."""
    async with Pair(tmp_path_factory.mktemp("pair"), settings=KEEP) as made:
        await made.start()
        yield made


async def test_an_order_filled_in_parts_is_hedged_to_the_lot(pair: Pair) -> None:
    """Uneven parts add up on B, and A's next order comes only after the last is covered."""
    await flat(pair)
    since = await pair.last_seq()
    parts = ("0.0001", "0.3333", "0.0500", "0.6166")
    for part in parts:
        await pair.fill_a(part)
    await pair.until_position_b("-1.0000")
    await pair.until_resting()
    result = await pair.check(since)
    fills = await pair.paper.trades(since, account=ACCOUNT_A)
    assert [row["size"] for row in fills if row["bid_account_id"] == ACCOUNT_A] == list(parts)
    assert result.a_orders == 2
    assert result.hedges >= 1
    await costs_agree(pair, since)


async def costs_agree(pair: Pair, since: int) -> None:
    """What B's confirmations say that they cost is what both accounts have lost to the market."""
    rows = await pair.paper.trades(since)
    a_legs, b_legs = (legs_of(rows, one, 0) for one in (ACCOUNT_A, ACCOUNT_B))
    ids = {row["trade_id"] for row in rows}

    def confirmations() -> list[Json]:
        told = pair.told_on(NAMES.account_b_filled)
        return [one for one in told if ids & {*one["trade_ids"]}]

    wanted = sum(abs(leg.signed) for leg in b_legs)
    await pair.until(
        lambda: sum(Decimal(one["filled_base_amount"]) for one in confirmations()) == wanted,
        "a confirmation of each hedge",
    )
    paid = sum(leg.quote if leg.signed > 0 else -leg.quote for leg in (*a_legs, *b_legs))
    volume = sum(leg.quote for leg in a_legs)
    costs = [
        Decimal(one["cost_bps"]) * Decimal(one["filled_base_amount"]) for one in confirmations()
    ]
    assert abs(sum(costs) / wanted - paid / volume * 10_000) < Decimal("0.05")


async def test_a_part_is_covered_while_the_rest_still_rests(pair: Pair) -> None:
    """B covers the first part at once; the remainder stays in the book and is hedged later."""
    await flat(pair)
    await pair.fill_a("0.4000")
    await pair.until_position_b("-0.4000")
    order = (await pair.resting())[0]
    assert order.size_lots - order.filled_lots == 6000
    await pair.fill_a()
    await pair.until_position_b("-1.0000")
    await pair.check()


async def test_the_remainder_is_cancelled_by_default(tmp_path: Path) -> None:
    """With the default setting the first part ends the order; only it is hedged."""
    async with Pair(tmp_path, settings={"strategy.quantity": "0.5", "strategy.depth": 2}) as pair:
        await pair.start()
        await pair.fill_a("0.0123")
        await pair.until_position_b("-0.0123")

        async def asks() -> list[OrderLife]:
            return [order for order in await pair.resting() if order.is_ask]

        (order,) = await pair.until(asks, "an order that closes what was filled")
        assert order.size_lots == 123
        await pair.fill_a()
        await pair.until_position_b("0")
        await pair.check()


async def test_a_flood_of_fills_is_hedged_exactly(tmp_path: Path) -> None:
    """2,000 fills of A within seconds: net zero, and never more hedged than filled."""
    patient = {"timing.redis_timeout_s": 5.0, "timing.redis_down_s": 8.0}  # A does not give up
    settings = {
        **KEEP,
        **patient,
        "strategy.quantity": "20.0",
        "timing.place_deadline_s": 10.0,
    }
    async with Pair(tmp_path, settings=settings) as pair:
        for account in (ACCOUNT_A, ACCOUNT_B):
            await pair.paper.collateral(account, "1000000")
        await pair.start()
        assert await pair.burst(2000, "sell", "0.0100") == 2000
        await pair.until_position_b("-20.0000", 30.0)
        result = await pair.check()
        assert result.prefixes > 2000
        assert len(await pair.all_told_on(NAMES.account_a_filled)) == 2000
        assert result.hedges < 1500, "bursts merge"
