"""Prices and liquidity without a real market: a seeded random one, and a static one.

SyntheticMarket   random walk, makers on both sides, takers of mixed sizes; lively by default
seed_book         a static two-sided ladder that refills itself, without any randomness

The random market is driven by virtual time: its step k happens at a time and with random numbers
that depend on the seed, on k, and on the state of the engine at its start. Same seed and same
inputs at the same times, same trades; an engine restored from its journal goes on differently.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import Protocol

from paper.records import HouseStep, MarketConfig, Order, Quote, Trade

LEVELS = 8
"""Levels that the makers keep on each side."""
FAR_STEPS = 40
FAR_LEVEL = 100
RUN_THROUGH_STEPS = 4
"""Maker level distances beyond which the price is said to have run through an order."""
MAX_CATCH_UP = 50
"""Steps done at once after a pause; the rest of a longer pause is skipped."""


class MarketEngine(Protocol):
    """What a market needs of the engine."""

    @property
    def markets(self) -> dict[int, MarketConfig]:
        """Markets by id."""
        ...

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event."""
        ...

    def mark_price(self, market_id: int) -> int:
        """Return the mark price in ticks."""
        ...

    def house_orders(self, market_id: int) -> list[Order]:
        """Return the makers' resting orders."""
        ...

    def house_step(self, step: HouseStep) -> list[Trade]:
        """Apply one step."""
        ...

    def set_ladder(self, market_id: int, quotes: list[Quote]) -> None:
        """Rest a static ladder."""
        ...


@dataclass(frozen=True, slots=True)
class Liveliness:
    """How the random market behaves. Rates are per market."""

    steps_per_s: float = 4.0
    """One step moves the price, renews quotes, and may take."""
    take_chance: float = 0.75
    """Share of the steps with a taker: 3 takes per second by default."""
    volatility_bps: float = 0.35
    """Standard deviation of one step of the price."""
    jump_chance: float = 0.01
    """Share of the steps with a jump, which runs beyond a tight price cap."""
    jump_bps: float = 12.0
    pull_bps: float = 1_500.0
    """How far the price may drift from its start before it is certain to turn back."""
    level_usd: int = 20_000
    """Typical size of one maker level."""


@dataclass(slots=True)
class _Clockwork:
    """The steps of one market."""

    config: MarketConfig
    rng: random.Random
    fair: float
    """Fair price in ticks."""
    tick_step: int
    """Distance of two maker levels in ticks."""


class SyntheticMarket:
    """Random makers and takers for every market of an engine."""

    def __init__(self, seed: int, liveliness: Liveliness | None = None) -> None:
        """Prepare a market; its clock starts with the first `step`."""
        self._seed = seed
        self._how = liveliness or Liveliness()
        self._clockworks: dict[int, _Clockwork] = {}
        self._due: list[tuple[float, int]] = []

    def next_due_ms(self) -> int | None:
        """Return when the next step is due (epoch ms), None before the first call of `step`."""
        return int(self._due[0][0]) + 1 if self._due else None

    def step(self, engine: MarketEngine, now_ms: int) -> None:
        """Do all steps due at `now_ms`; the first call quotes every market at once."""
        if not self._due:
            self._start(engine, now_ms)
        done = 0
        while self._due and self._due[0][0] <= now_ms:
            due, market_id = heapq.heappop(self._due)
            clockwork = self._clockworks[market_id]
            if done < MAX_CATCH_UP:
                engine.house_step(self._next(engine, clockwork))
                done += 1
            else:
                due = float(now_ms)
            pause_ms = clockwork.rng.expovariate(self._how.steps_per_s / 1_000)
            heapq.heappush(self._due, (due + max(1.0, pause_ms), market_id))

    def move(self, market_id: int, price_ticks: int) -> None:
        """Let the price of a market be another one from its next step on, which quotes there."""
        if market_id in self._clockworks:
            self._clockworks[market_id].fair = float(price_ticks)

    def _start(self, engine: MarketEngine, now_ms: int) -> None:
        since = engine.last_seq
        for market_id, config in sorted(engine.markets.items()):
            mark = engine.mark_price(market_id)
            self._clockworks[market_id] = _Clockwork(
                config=config,
                rng=random.Random(f"{self._seed}:{config.symbol}:{since}"),
                fair=float(mark),
                tick_step=max(1, mark // 20_000),
            )
            heapq.heappush(self._due, (float(now_ms), market_id))

    def _next(self, engine: MarketEngine, clockwork: _Clockwork) -> HouseStep:
        """Return the next step: new price, quotes renewed where they are missing or stale."""
        rng, how, config = clockwork.rng, self._how, clockwork.config
        start = float(config.start_price_ticks)
        drift = (start - clockwork.fair) / start * 10_000 / how.pull_bps
        size_bps = how.jump_bps if rng.random() < how.jump_chance else how.volatility_bps
        clockwork.fair *= 1 + rng.gauss(drift * size_bps * 0.1, size_bps) / 10_000
        mark = max(3 * FAR_STEPS * clockwork.tick_step, round(clockwork.fair))
        wanted = _ladder_prices(mark, clockwork.tick_step)
        cancel: list[int] = []
        for order in engine.house_orders(config.market_id):
            key = (order.is_ask, order.price)
            fresh = order.remaining_lots * 3 >= order.initial_lots
            if key in wanted and fresh:
                del wanted[key]
            else:
                cancel.append(order.order_index)
        quotes = tuple(
            Quote(is_ask, price, self._maker_lots(clockwork, mark, level))
            for (is_ask, price), level in wanted.items()
        )
        takes = rng.random() < how.take_chance
        return HouseStep(
            market_id=config.market_id,
            mark_price=mark,
            cancel=tuple(cancel),
            quotes=quotes,
            take_is_ask=rng.random() < 0.5,  # noqa: PLR2004 - a fair coin
            take_lots=self._taker_lots(clockwork, mark) if takes else 0,
            run_through=RUN_THROUGH_STEPS * clockwork.tick_step,
        )

    def _maker_lots(self, clockwork: _Clockwork, mark: int, level: int) -> int:
        """Return a random size: thin at the best level, growing with the distance from it."""
        usd = self._how.level_usd * (0.2 + clockwork.rng.random()) * (0.1 + level / 2)
        return _lots(clockwork.config, mark, usd)

    def _taker_lots(self, clockwork: _Clockwork, mark: int) -> int:
        """Return a random size: mostly small, now and then through several levels."""
        usd = 3.0 * 10 ** (clockwork.rng.random() * 3.2)
        if clockwork.rng.random() < 0.35:  # noqa: PLR2004 - share of large takers
            usd = self._how.level_usd * (0.5 + 4 * clockwork.rng.random())
        return _lots(clockwork.config, mark, usd)


def _ladder_prices(mark: int, step: int) -> dict[tuple[bool, int], int]:
    """Return wanted (is_ask, price) to level number, on fixed grids so that most quotes stay.

    Far outside of the ordinary levels stands one large level, so that no side is ever empty.
    """
    center, far = mark // step, mark // (step * FAR_STEPS)
    bids = {(False, (center - level) * step): level for level in range(LEVELS)}
    asks = {(True, (center + 1 + level) * step): level for level in range(LEVELS)}
    bids[False, (far - 1) * step * FAR_STEPS] = FAR_LEVEL
    asks[True, (far + 2) * step * FAR_STEPS] = FAR_LEVEL
    return bids | asks


def _lots(config: MarketConfig, price: int, usd: float) -> int:
    return max(1, int(usd * 1_000_000 / (price * config.quote_multiplier)))


LADDER_USD = (3_000, 6_000, 12_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
"""Value of the static levels, best first: about 1 ETH at the best price."""


def seed_book(engine: MarketEngine) -> None:
    """Rest a static two-sided ladder in every market, without randomness.

    The spread is 2 steps of 1/20,000 of the price. Levels are renewed after each execution, behind
    the users' orders at the same price. A user's order that joins the best level has about
    3,000 USD ahead of it when placed, and nothing after the first take that hits the level:
    `Engine.take` with a moderately large size reaches it in true price-time order, and with
    `until_account` it reaches it in any case.
    """
    for market_id in sorted(engine.markets):
        seed_ladder(engine, market_id)


def seed_ladder(engine: MarketEngine, market_id: int) -> None:
    """Rest the static ladder of one market around its mark price."""
    config, mark = engine.markets[market_id], engine.mark_price(market_id)
    step = max(1, mark // 20_000)
    quotes: list[Quote] = []
    for level, usd in enumerate(LADDER_USD, start=1):
        lots = _lots(config, mark, usd)
        quotes.append(Quote(is_ask=False, price=mark - level * step, lots=lots))
        quotes.append(Quote(is_ask=True, price=mark + level * step, lots=lots))
    engine.set_ladder(market_id, quotes)
