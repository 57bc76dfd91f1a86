"""Execution faults: decide, at acceptance, how a transaction will execute."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from paper.faults import Event, Fault, Faults
from paper.plans import Plan
from paper.records import MarketConfig


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and the switches that made it; they count once the transaction is accepted."""

    plan: Plan
    faults: tuple[Fault, ...]

    def fire(self) -> None:
        """Count what took effect."""
        for fault in self.faults:
            fault.fire()


class Planner:
    """Makes plans from the switches of kind "execution"."""

    def __init__(self, faults: Faults, markets: dict[int, MarketConfig]) -> None:
        """Read `faults`; amounts are scaled by `markets`."""
        self._faults = faults
        self._markets = markets

    def plan(self, tx_type: int, tx_info: str | dict[str, Any], now_ms: int) -> Planned | None:
        """Return what happens to a transaction, None where nothing is to be done to it."""
        info = tx_fields(tx_info)
        event = event_of(tx_type, info)
        chosen = self._faults.choose_all("execution", event)
        if not chosen:
            return None
        values: dict[str, Any] = {}
        for fault in chosen:
            values |= self._effect(fault, info, now_ms)
        return Planned(Plan(**values), tuple(chosen))

    def _effect(self, fault: Fault, info: dict[str, Any], now_ms: int) -> dict[str, Any]:
        options = fault.options
        match fault.name:
            case "order_cancelled":
                return {"end_as": options["status"]}
            case "order_dropped":
                return {"drop": True}
            case "nonce_given_back":
                return {"give_nonce_back": True}
            case "partial_fill":
                return {"fill_lots": self._lots(options["base_amount"], info)}
            case "no_liquidity":
                return {"fill_lots": 0}
            case _:
                return {"hold_until_ms": _held_until(options, info, now_ms)}

    def _lots(self, amount: str, info: dict[str, Any]) -> int:
        """Return a size as lots of the transaction's market, rounded down."""
        market = self._markets.get(_integer(info, "MarketIndex") or 0)
        decimals = 0 if market is None else market.size_decimals
        return int(Decimal(amount).scaleb(decimals))


def _held_until(options: dict[str, Any], info: dict[str, Any], now_ms: int) -> int:
    """Return when a held transaction executes: after the delay, else just before it expires."""
    if options["delay_ms"]:
        return now_ms + int(options["delay_ms"])
    expires_ms = _integer(info, "ExpiredAt") or now_ms
    return max(now_ms, expires_ms - int(options["before_expiry_ms"]))


def tx_fields(tx_info: object) -> dict[str, Any]:
    """Return the fields of a transaction; one that cannot be read has none."""
    if isinstance(tx_info, str):
        try:
            tx_info = json.loads(tx_info)
        except (ValueError, RecursionError):
            return {}
    return tx_info if isinstance(tx_info, dict) else {}


def event_of(
    tx_type: object, info: dict[str, Any], via: str | None = None, path: str | None = None
) -> Event:
    """Return what switches may ask about a transaction."""
    return Event(
        account_index=_integer(info, "AccountIndex"),
        tx_type=tx_type if isinstance(tx_type, int) else None,
        order_type=_integer(info, "Type"),
        time_in_force=_integer(info, "TimeInForce"),
        market_index=_integer(info, "MarketIndex"),
        via=via,
        path=path,
    )


def _integer(info: dict[str, Any], name: str) -> int | None:
    value = info.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
