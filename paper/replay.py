"""Recorded admin inputs: their JSON-ready arguments, and doing them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from paper.records import HouseStep, Quote, Tier, Trade


class Replayable(Protocol):
    """The admin inputs of an engine."""

    def add_account(self, index: int, master: str, collateral: int) -> None:
        """Create an account."""
        ...

    def add_collateral(self, index: int, amount_micros: int) -> None:
        """Change collateral."""
        ...

    def add_key(self, account: int, key_index: int, public_key: str) -> None:
        """Register a key."""
        ...

    def delete_key(self, account: int, key_index: int) -> None:
        """Remove a key."""
        ...

    def set_maker_only(self, account: int, key_indexes: Sequence[int]) -> None:
        """Let keys only post."""
        ...

    def set_mark_price(self, market_id: int, price_ticks: int) -> None:
        """Set the mark price."""
        ...

    def set_rules(self, market_id: int, changes: dict[str, int | str]) -> None:
        """Change rules of a market."""

    def set_force_reduce_only(self, market_id: int, *, on: bool) -> None:
        """Let a market only reduce."""
        ...

    def set_funding(self, market_id: int, rate: int) -> None:
        """Set a funding rate."""
        ...

    def set_tier(self, account: int, tier: Tier, staked_lit: int = 0) -> None:
        """Give an owner a tier."""
        ...

    def change_tier(self, account: int, tier: str) -> None:
        """Change a tier as its owner may."""
        ...

    def take(
        self, market_id: int, *, is_ask: bool, lots: int, until_account: int | None = None
    ) -> list[Trade]:
        """Take."""
        ...

    def set_ladder(self, market_id: int, quotes: Sequence[Quote]) -> None:
        """Set a static ladder."""
        ...

    def house_step(self, step: HouseStep) -> list[Trade]:
        """Step the synthetic market."""
        ...


def quote_rows(quotes: Sequence[Quote]) -> list[list[int]]:
    """Return quotes as JSON-ready rows [is_ask 0|1, price, lots]."""
    return [[int(quote.is_ask), quote.price, quote.lots] for quote in quotes]


def quotes_of(rows: Sequence[Sequence[int]]) -> tuple[Quote, ...]:
    """Return the quotes of `quote_rows`."""
    return tuple(Quote(bool(is_ask), price, lots) for is_ask, price, lots in rows)


def step_values(step: HouseStep) -> list[Any]:
    """Return a step as JSON-ready arguments."""
    take = -step.take_lots if step.take_is_ask else step.take_lots
    rows = quote_rows(step.quotes)
    return [step.market_id, step.mark_price, list(step.cancel), rows, take, step.run_through]


def step_of(args: Sequence[Any]) -> HouseStep:
    """Return the step of `step_values`."""
    market_id, mark, cancel, rows, take, run_through = args
    quotes = quotes_of(rows)
    return HouseStep(market_id, mark, tuple(cancel), quotes, take < 0, abs(take), run_through)


_CALLS: dict[str, Callable[[Replayable, list[Any]], object]] = {
    "add_account": lambda engine, args: engine.add_account(*args),
    "add_collateral": lambda engine, args: engine.add_collateral(*args),
    "add_key": lambda engine, args: engine.add_key(*args),
    "delete_key": lambda engine, args: engine.delete_key(*args),
    "set_maker_only": lambda engine, args: engine.set_maker_only(*args),
    "set_mark_price": lambda engine, args: engine.set_mark_price(*args),
    "set_rules": lambda engine, args: engine.set_rules(*args),
    "set_force_reduce_only": lambda engine, args: engine.set_force_reduce_only(args[0], on=args[1]),
    "set_funding": lambda engine, args: engine.set_funding(*args),
    "set_tier": lambda engine, args: engine.set_tier(args[0], Tier(args[1]), args[2]),
    "change_tier": lambda engine, args: engine.change_tier(*args),
    "take": lambda engine, args: engine.take(
        args[0], is_ask=args[1], lots=args[2], until_account=args[3]
    ),
    "set_ladder": lambda engine, args: engine.set_ladder(args[0], quotes_of(args[1])),
    "house_step": lambda engine, args: engine.house_step(step_of(args)),
}


def apply_admin(engine: Replayable, kind: str, args: list[Any]) -> None:
    """Do a recorded admin input again; ValueError for an unknown kind."""
    call = _CALLS.get(kind)
    if call is None:
        raise ValueError(f"unknown input {kind!r}")
    call(engine, args)
