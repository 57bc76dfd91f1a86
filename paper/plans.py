"""What a fault switch decided about one accepted transaction, before it executes.

The decision is made outside the engine and handed to it with the transaction. It is recorded with
that input, so that a replay of the journal takes it again and the engine stays deterministic.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from paper.records import OrderStatus

CANCEL_STATUSES = tuple(str(status) for status in OrderStatus if str(status).startswith("canceled"))


@dataclass(frozen=True, slots=True)
class Plan:
    """How the execution of a transaction differs from what it would have been."""

    hold_until_ms: int = 0
    """Epoch ms before which it does not execute; `Engine.release` lets it go at once."""
    end_as: str = ""
    """A create order ends with this status, without a fill."""
    fill_lots: int = -1
    """An immediate-or-cancel order finds no more than this many lots; -1 for no bound."""
    drop: bool = False
    """Nothing is executed, no row is made and nobody is told."""
    give_nonce_back: bool = False
    """It fails, its nonce is free again, and so are those queued behind it."""

    def as_json(self) -> dict[str, Any]:
        """Return what differs from an ordinary execution, JSON-ready."""
        default = asdict(Plan())
        return {name: value for name, value in asdict(self).items() if value != default[name]}


def plan_of(recorded: dict[str, Any] | None) -> Plan | None:
    """Return the plan of `Plan.as_json`; None for none."""
    return None if recorded is None else Plan(**recorded)
