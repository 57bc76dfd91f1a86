"""Arithmetic of positions: what one fill does to size, entry quote and realized PnL.

Exact in integers: for every fill, collateral minus signed entry quote changes by exactly the
quote amount, so cash is conserved to the micro over all accounts.
"""

from __future__ import annotations

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
        after = _moved(before, delta, before.entry_quote + quote, 0)
        return Filled(after, 0, sign_changed=False)
    closing = min(lots, size)
    released = before.entry_quote * closing // size
    closing_quote = quote * closing // lots
    pnl = closing_quote - released if before.lots > 0 else released - closing_quote
    flipped = lots > size
    entry = quote - closing_quote if flipped else before.entry_quote - released
    return Filled(_moved(before, delta, entry, pnl), pnl, sign_changed=flipped)


def _moved(before: Position, delta: int, entry_quote: int, pnl: int) -> Position:
    """Return a position after a fill; written out, as `replace` takes twice the time."""
    return Position(
        market_id=before.market_id,
        lots=before.lots + delta,
        entry_quote=entry_quote,
        realized_pnl=before.realized_pnl + pnl,
        imf=before.imf,
        funding_paid=before.funding_paid,
        margin_set=before.margin_set,
    )


def reducible(position_lots: int, *, is_ask: bool) -> int:
    """Return how much of a position an order of this direction can close."""
    return max(0, position_lots if is_ask else -position_lots)


def increases(position_lots: int, lots: int, *, is_ask: bool) -> bool:
    """Return whether a fill would leave a larger or an opposite position."""
    return lots > reducible(position_lots, is_ask=is_ask)


def fee(quote: int, rate: int) -> int:
    """Return the fee in micros, rounded up, for a rate in 1e-6."""
    return -(-quote * rate // FEE_RATIO)
