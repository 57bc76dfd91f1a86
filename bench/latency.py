"""(b) fill frame out to hedge in, (c) hedge executed to A's next order in."""

import random
from dataclasses import dataclass
from decimal import Decimal

from bench.driver import fill_often, open_driver
from bench.stages import stages_of
from bench.stats import Json, Spread, next_after
from bench.world import MARKET_ID, PairRun, World
from hedge.launcher.summary import latencies_ms, legs_of, receipts_of

WARM_FILLS = 30
DRY = frozenset({"canceled-too-much-slippage", "canceled-not-enough-liquidity"})
"""How an order ends that found nothing, or too little, inside its price."""


@dataclass(frozen=True, slots=True)
class Lags:
    """What the exchange's own log tells of a run."""

    hedge: Spread
    release: Spread
    fills: int
    orders: int
    dry: int = 0
    """Hedges that found no liquidity inside their cap: each costs a fence before the next try."""
    stages: tuple[Spread, ...] = ()

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "fills": self.fills,
            "hedge_orders": self.orders,
            "hedges_without_liquidity": self.dry,
            "fill_to_hedge": self.hedge.json,
            "hedge_to_next_order": self.release.json,
            "stages": {stage.name: stage.json for stage in self.stages},
        }


async def lags_of(world: World, pair: PairRun, after_seq: int, *, with_stages: bool = True) -> Lags:
    """Read the exchange's log of a pair from `after_seq` on."""
    a = legs_of(await world.rows("trades", pair.account_a, after_seq), pair.account_a, MARKET_ID)
    trades_b = await world.rows("trades", pair.account_b, after_seq)
    b = legs_of(trades_b, pair.account_b, MARKET_ID)
    orders_a = await world.rows("orders", pair.account_a, after_seq)
    orders_b = await world.rows("orders", pair.account_b, after_seq)
    received_b = receipts_of(orders_b)
    placed = sorted(set(receipts_of(orders_a).values()))
    moments = {row["seq"]: row["mono_ns"] for row in trades_b}
    executed = {leg.order_index: moments[leg.seq] for leg in b}
    release = []
    for done_ns in executed.values():
        placed_ns = next_after(placed, done_ns)
        if placed_ns is not None:
            release.append((placed_ns - done_ns) / 1e6)
    return Lags(
        hedge=Spread.of("fill → hedge", latencies_ms(a, b, received_b)),
        release=Spread.of("hedge → next order", release),
        fills=len(a),
        orders=len(executed),
        dry=_dry(orders_b),
        stages=tuple(await stages_of(world, pair, after_seq) if with_stages else ()),
    )


def _dry(orders: list[Json]) -> int:
    """Count the hedges that ended with nothing executed for want of liquidity."""
    return sum(
        row["type"] == "market" and row["status"] in DRY and not Decimal(row["filled_base_amount"])
        for row in orders
    )


async def measure(world: World, fills: int, seed: int = 1) -> Lags:
    """Run one pair through `fills` fills and tell how long everything took."""
    pair = await world.add_pair()
    async with open_driver(world, [pair.account_a]) as driver:
        await world.start(pair)
        rng = random.Random(seed)
        await fill_often(driver, pair.account_a, WARM_FILLS, rng)
        after_seq = await world.last_seq()
        await fill_often(driver, pair.account_a, fills, rng)
        await driver.until_resting(pair.account_a)
    lags = await lags_of(world, pair, after_seq)
    await world.stop(pair)
    return lags
