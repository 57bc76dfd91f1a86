"""(h) What each side asks of the exchange in a minute: calm, in a lively market, in trouble."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.front import Front, open_front
from bench.stats import Json
from bench.world import World
from hedge.launcher.embedded_redis import LOOPBACK
from paper.limits import BUDGETS

TIERS: dict[str, Json] = {
    "standard": {"tier": "standard", "requests_per_minute": 40},
    "plus": {"tier": "premium", "requests_per_minute": 2000},
    "premium": {"tier": "premium", "requests_per_minute": 2000},
}
"""The exchange's tiers, and what each side of the pair is told."""
STORM_STEPS = 200
"""Steps of the market per second: each may move A's level."""
EAGER = {"requote_ticks": 1}
SETTLE_S = 5.0
CUT_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What one side asked in one minute on the mean; `limit` is the tier's for reads.

    `weight` and `limit` are numbers of requests on a tier that does not weigh.
    """

    tier: str
    when: str
    side: str
    reads: float
    weight: float
    limit: int
    transactions: float
    connects: float
    refused: int

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "tier": self.tier,
            "when": self.when,
            "side": self.side,
            "reads_per_minute": round(self.reads, 1),
            "weight_per_minute": round(self.weight, 1),
            "limit_per_minute": self.limit,
            "transactions_per_minute": round(self.transactions, 1),
            "connects_per_minute": round(self.connects, 1),
            "refused": self.refused,
        }


async def measure(world: World, tier: str, seconds: float, *, in_storm: bool) -> list[Asked]:
    """Run one pair on an exchange of `tier`; count for `seconds` in each state of it.

    In a storm (the world has a wild market) A follows every tick of it and is filled. On a fixed
    book its order rests; then every socket of both sides is cut every ten seconds.
    """
    async with AsyncExitStack() as stack:
        fronts = {
            side: await stack.enter_async_context(open_front(world.base_url)) for side in "ab"
        }
        pair = await world.add_pair(
            strategy=EAGER if in_storm else {},
            lighter=TIERS[tier],
            doors={side: f"{LOOPBACK}:{front.port}" for side, front in fronts.items()},
        )
        await world.start(pair)
        await asyncio.sleep(min(SETTLE_S, seconds))
        if in_storm:
            return _asked(tier, "market storm", fronts, await _last(fronts, seconds))
        found = _asked(tier, "calm", fronts, await _last(fronts, seconds))
        lasted_s = await _last(fronts, seconds, cut_every_s=CUT_EVERY_S)
        found += _asked(tier, "sockets cut", fronts, lasted_s)
        world.check(pair)
        return found


async def _last(fronts: dict[str, Front], seconds: float, *, cut_every_s: float = 0.0) -> float:
    """Count anew for so long; return how long it was."""
    begun_s = time.monotonic()
    for front in fronts.values():
        front.forget()
    while (left_s := begun_s + seconds - time.monotonic()) > 0:
        if cut_every_s:
            await asyncio.gather(*(front.cut() for front in fronts.values()))
        await asyncio.sleep(min(left_s, cut_every_s or left_s))
    return time.monotonic() - begun_s


def _asked(tier: str, when: str, fronts: dict[str, Front], lasted_s: float) -> list[Asked]:
    budget, per_minute = BUDGETS[tier], 60.0 / lasted_s
    return [
        Asked(
            tier,
            when,
            side,
            reads=(reads := front.reads.total() * per_minute),
            weight=front.weight * per_minute if budget.weighed else reads,
            limit=budget.weight,
            transactions=front.transactions * per_minute,
            connects=front.connects * per_minute,
            refused=front.refused,
        )
        for side, front in fronts.items()
    ]
