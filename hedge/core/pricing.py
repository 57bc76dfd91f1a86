"""Prices of the pair's orders, in ticks, from the public book."""

from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.core.records import Depth

BPS = 10_000


def level_ticks(depth: Depth, side: Side, level: int) -> int | None:
    """Return the price of level `level` (1 = best) on the side where an order of `side` rests.

    A book with fewer levels gives its last one; None while that side is unknown.
    """
    levels = depth.bids if side is Side.BUY else depth.asks
    if not levels:
        return None
    return levels[min(level, len(levels)) - 1].price_ticks


def reference_ticks(depth: Depth, side: Side) -> int | None:
    """Return the price that a market order of `side` meets first, else the mark price."""
    levels = depth.asks if side is Side.BUY else depth.bids
    return levels[0].price_ticks if levels else depth.mark_ticks


def cap_ticks(
    depth: Depth, side: Side, attempt: int, attempts: int, max_slippage_bps: int
) -> int | None:
    """Return the worst price a hedge may pay: the reference plus or minus the allowed slippage.

    The allowance grows evenly with each attempt (1-based) and reaches `max_slippage_bps` at the
    last; later attempts keep it. Rounded away from the reference, so that an allowance of less
    than a tick still allows one. None without any price.
    """
    reference = reference_ticks(depth, side)
    if reference is None:
        return None
    share = min(max(attempt, 1), attempts)
    room = -(-reference * max_slippage_bps * share // (BPS * attempts))
    return max(1, reference + side.sign * room)


def ticks_to_micros(ticks: int, spec: MarketSpec) -> int:
    """Return a price in micros of the quote asset (rounded down beyond six places)."""
    scale: int = 10**spec.price_decimals
    return ticks * MICROS // scale


def average_ticks(quote_micros: int, lots: int, spec: MarketSpec) -> int:
    """Return the average price of an execution in ticks, rounded down; 0 for no lots."""
    if lots == 0:
        return 0
    scale: int = 10 ** (spec.size_decimals + spec.price_decimals)
    return quote_micros * scale // (lots * MICROS)
