"""(h) What each side asks of the exchange in a minute: calm, in a lively market, in trouble.

Beside it what the pair gets for that: rounds in an hour, and how long A's order rests.
"""

import asyncio
import enum
import itertools
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

from bench.front import Front, open_front
from bench.stats import Json
from bench.world import MARKET_ID, PairRun, World
from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.summary import Leg, cycles_of, legs_of
from paper.limits import BUDGETS

TIERS: dict[str, Json] = {
    name: {"tier": None, "requests_per_minute": None} for name in ("standard", "plus", "premium")
}
"""The exchange's tiers, and what each side of the pair is told: nothing, it asks for its tier."""
STORM_STEPS = 200
"""Steps of the market per second in a storm: each may move A's level."""
USUAL_STEPS = 4
"""The same where nothing else is asked for, as a paper run has it."""
EAGER = {"requote_ticks": 1}
SETTLE_S = 5.0
MINUTE_S = 60.0
"""Budgets count for a minute: in a market its first one shows how a pair begins."""
CUT_EVERY_S = 10.0


class When(enum.Enum):
    """In which state of its world a pair is counted."""

    CALM = "calm"
    CUT = "sockets cut"
    MARKET = "market"
    STORM = "market storm"


WORLDS = ((When.CALM, When.CUT), (When.MARKET,), (When.STORM,))
"""What is counted in one world after the other."""


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
    calls: dict[str, float]
    """Reads by the name of the call."""
    did: "Did"

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
            "calls_per_minute": {name: round(n, 1) for name, n in sorted(self.calls.items())},
            **self.did.json,
        }


@dataclass(frozen=True, slots=True)
class Did:
    """What the pair did meanwhile, by the exchange's own log.

    `rests` is the part of the time in which an order of A rested, of that in which B owed nothing:
    until B has hedged, a fill holds A. None where it owed all the time.
    """

    seed: int
    rounds_per_hour: float
    fills_per_minute: float
    rests: float | None

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "seed": self.seed,
            "rounds_per_hour": round(self.rounds_per_hour, 1),
            "fills_per_minute": round(self.fills_per_minute, 1),
            "a_rests": None if self.rests is None else round(self.rests, 4),
        }


Spans = list[tuple[int, int]]
"""From, until: monotonic ns."""


def resting(rows: Iterable[Json], begun_ns: int, ended_ns: int) -> Spans:
    """Return when an order rested, by the exchange's order events, oldest first.

    Events of before `begun_ns` tell what rested then.
    """
    open_: set[int] = set()
    spans: Spans = []
    since_ns = begun_ns
    for row in rows:
        at_ns, had = min(max(row["mono_ns"], begun_ns), ended_ns), bool(open_)
        (open_.add if row["status"] == "open" else open_.discard)(row["order_index"])
        if open_ and not had:
            since_ns = at_ns
        elif had and not open_ and at_ns > since_ns:
            spans.append((since_ns, at_ns))
    return [*spans, (since_ns, ended_ns)] if open_ else spans


def owing(moments: Iterable[tuple[int, Decimal]], begun_ns: int, ended_ns: int) -> Spans:
    """Return when A + B was not zero; `moments` are when a trade changed it, and by how much."""
    total, since_ns = Decimal(0), begun_ns
    spans: Spans = []
    for at_ns, signed in sorted(moments):
        was, total = total, total + signed
        if not was:
            since_ns = max(at_ns, begun_ns)
        elif not total and at_ns > since_ns:
            spans.append((since_ns, min(at_ns, ended_ns)))
    return [*spans, (since_ns, ended_ns)] if total else spans


def rested_part(rests: Spans, owes: Spans, begun_ns: int, ended_ns: int) -> float | None:
    """Return the part of the time without debts in which something rested."""
    edges = sorted({begun_ns, ended_ns, *itertools.chain(*rests), *itertools.chain(*owes)})
    free_ns = rested_ns = 0
    for from_ns, until_ns in itertools.pairwise(edges):
        if _within(owes, from_ns) or not begun_ns <= from_ns < ended_ns:
            continue
        free_ns += until_ns - from_ns
        rested_ns += (until_ns - from_ns) * _within(rests, from_ns)
    return rested_ns / free_ns if free_ns else None


def _within(spans: Spans, at_ns: int) -> bool:
    return any(from_ns <= at_ns < until_ns for from_ns, until_ns in spans)


async def _did(world: World, pair: PairRun, seed: int, begun_ns: int, ended_ns: int) -> Did:
    """Read the exchange's log of the pair."""
    moments: list[tuple[int, Decimal]] = []
    legs: list[Leg] = []
    for account in (pair.account_a, pair.account_b):
        rows = [row for row in await world.rows("trades", account, 0) if row["mono_ns"] < ended_ns]
        at_ns = {row["seq"]: row["mono_ns"] for row in rows}
        of_it = legs_of(rows, account, MARKET_ID)
        moments += [(at_ns[leg.seq], leg.signed) for leg in of_it]
        if account == pair.account_a:
            legs = [leg for leg in of_it if at_ns[leg.seq] >= begun_ns]
    rests = resting(await world.rows("orders", pair.account_a, 0), begun_ns, ended_ns)
    owes = owing(moments, begun_ns, ended_ns)
    lasted_s = (ended_ns - begun_ns) / 1e9
    return Did(
        seed,
        cycles_of(legs) * 3600 / lasted_s,
        len(legs) * 60 / lasted_s,
        rested_part(rests, owes, begun_ns, ended_ns),
    )


async def measure(
    world: World, tier: str, seconds: float, states: Iterable[When], seed: int = 1
) -> list[Asked]:
    """Run one pair on an exchange of `tier`; count for `seconds` in each state of its world.

    `seed` is that of the world's market, if it has one. In a storm (the market is a wild one) A
    follows every tick of it. On a fixed book its order rests; then every socket of both sides is
    cut every ten seconds.
    """
    async with AsyncExitStack() as stack:
        fronts = {
            side: await stack.enter_async_context(open_front(world.base_url)) for side in "ab"
        }
        states = tuple(states)
        pair = await world.add_pair(
            strategy=EAGER if When.STORM in states else {},
            lighter=TIERS[tier],
            doors={side: f"{LOOPBACK}:{front.port}" for side, front in fronts.items()},
        )
        await world.start(pair)
        await asyncio.sleep(min(SETTLE_S if When.CALM in states else MINUTE_S, seconds))
        found = []
        for when in states:
            begun_ns = time.monotonic_ns()
            cut_every_s = CUT_EVERY_S if when is When.CUT else 0.0
            lasted_s = await _last(fronts, seconds, cut_every_s=cut_every_s)
            did = await _did(world, pair, seed, begun_ns, time.monotonic_ns())
            found += _asked(tier, when.value, fronts, lasted_s, did)
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


def _asked(
    tier: str, when: str, fronts: dict[str, Front], lasted_s: float, did: Did
) -> list[Asked]:
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
            calls={name: n * per_minute for name, n in front.reads.items()},
            did=did,
        )
        for side, front in fronts.items()
    ]
