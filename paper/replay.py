"""Recorded admin inputs: their JSON-ready arguments, and doing them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from paper.records import HouseStep, Quote, Trade


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

    def set_mark_price(self, market_id: int, price_ticks: int) -> None:
        """Set the mark price."""
        ...

    def set_force_reduce_only(self, market_id: int, *, on: bool) -> None:
        """Let a market only reduce."""
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


def apply_admin(engine: Replayable, kind: str, args: list[Any]) -> None:
    """Do a recorded admin input again; ValueError for an unknown kind."""
    match kind:
        case "add_account":
            engine.add_account(*args)
        case "add_collateral":
            engine.add_collateral(*args)
        case "add_key":
            engine.add_key(*args)
        case "delete_key":
            engine.delete_key(*args)
        case "set_mark_price":
            engine.set_mark_price(*args)
        case "set_force_reduce_only":
            engine.set_force_reduce_only(args[0], on=args[1])
        case "take":
            engine.take(args[0], is_ask=args[1], lots=args[2], until_account=args[3])
        case "set_ladder":
            engine.set_ladder(args[0], quotes_of(args[1]))
        case "house_step":
            engine.house_step(step_of(args))
        case _:
            raise ValueError(f"unknown input {kind!r}")
