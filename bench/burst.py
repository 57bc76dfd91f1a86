"""(d) A thousand fills as fast as the exchange makes them: how many hedges, how late the last."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from bench.driver import Driver, open_driver
from bench.stats import Json
from bench.world import MARKET_ID, QUANTITY, BenchError, World
from hedge.launcher.summary import legs_of, position_of

LANES = 16
COVERED_S = 30.0


@dataclass(frozen=True, slots=True)
class Burst:
    """What became of the burst."""

    fills: int
    orders: int
    lasted_ms: float
    behind_ms: float

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "fills": self.fills,
            "hedge_orders": self.orders,
            "lasted_ms": round(self.lasted_ms, 1),
            "last_fill_to_last_hedge_ms": round(self.behind_ms, 1),
        }


async def measure(world: World, fills: int) -> Burst:
    """Fill one large order of A `fills` times at once and wait until B has covered it."""
    size = Decimal(QUANTITY) * fills
    pair = await world.add_pair(
        "burst", {"quantity": str(size), "on_partial_fill": "keep", "depth": 2}
    )
    for account in (pair.account_a, pair.account_b):
        await asyncio.to_thread(world.admin.add_collateral, account, 10_000 * size)
    async with open_driver(world, [pair.account_a]) as driver:
        await world.start(pair)
        after_seq = await world.last_seq()
        await _take_all(driver, pair.account_a, fills)
        async with asyncio.timeout(COVERED_S):
            while True:
                a = await world.rows("trades", pair.account_a, after_seq)
                b = await world.rows("trades", pair.account_b, after_seq)
                legs_a = legs_of(a, pair.account_a, MARKET_ID)
                legs_b = legs_of(b, pair.account_b, MARKET_ID)
                if legs_a and position_of(legs_a) + position_of(legs_b) == 0:
                    break
                await asyncio.sleep(0.2)
    await world.stop(pair)
    if len(legs_a) != fills:
        raise BenchError(f"the burst was to be {fills} fills and became {len(legs_a)}")
    moments_a, moments_b = [row["mono_ns"] for row in a], [row["mono_ns"] for row in b]
    return Burst(
        fills=len(legs_a),
        orders=len({leg.order_index for leg in legs_b}),
        lasted_ms=(moments_a[-1] - moments_a[0]) / 1e6,
        behind_ms=max(0.0, (moments_b[-1] - moments_a[-1]) / 1e6),
    )


async def _take_all(driver: Driver, account: int, fills: int) -> None:
    left = fills

    async def lane() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await driver.take(account, "sell", QUANTITY)

    async with asyncio.TaskGroup() as group:
        for _ in range(LANES):
            group.create_task(lane())
