"""Arithmetic of positions: what one fill does to size, entry quote and realized PnL.

Exact in integers: for every fill, collateral minus signed entry quote changes by exactly the
quote amount, so cash is conserved to the micro over all accounts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from paper.records import FEE_RATIO, Position


class Filled(NamedTuple):
    """Outcome of a fill: the new position, what was realized (micros), whether the sign flipped."""

    position: Position
    pnl: int
    sign_changed: bool


def apply_fill(before: Position, *, is_ask: bool, lots: int, quote: int) -> Filled:
    """Return the position after buying or selling `lots` for `quote` micros."""
    delta = -lots if is_ask else lots
    size = abs(before.lots)
    if before.lots == 0 or (before.lots > 0) == (delta > 0):
        after = replace(before, lots=before.lots + delta, entry_quote=before.entry_quote + quote)
        return Filled(after, 0, sign_changed=False)
    closing = min(lots, size)
    released = before.entry_quote * closing // size
    closing_quote = quote * closing // lots
    pnl = closing_quote - released if before.lots > 0 else released - closing_quote
    flipped = lots > size
    entry = quote - closing_quote if flipped else before.entry_quote - released
    after = replace(
        before,
        lots=before.lots + delta,
        entry_quote=entry,
        realized_pnl=before.realized_pnl + pnl,
    )
    return Filled(after, pnl, sign_changed=flipped)


def reducible(position_lots: int, *, is_ask: bool) -> int:
    """Return how much of a position an order of this direction can close."""
    return max(0, position_lots if is_ask else -position_lots)


def increases(position_lots: int, lots: int, *, is_ask: bool) -> bool:
    """Return whether a fill would leave a larger or an opposite position."""
    return lots > reducible(position_lots, is_ask=is_ask)


def fee(quote: int, rate: int) -> int:
    """Return the fee in micros, rounded up, for a rate in 1e-6."""
    return -(-quote * rate // FEE_RATIO)
