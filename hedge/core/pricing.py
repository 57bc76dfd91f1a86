"""Prices of the pair's orders, in ticks, from the public book and the mark price."""

from hedge.core.amounts import MICROS, MarketSpec, Side, lots_within
from hedge.core.records import Depth, Level

BPS = 10_000
ALONE_GAP_BPS = 500
"""How far from mark A may go that reduces itself: the exchange lets no limit price be further.

apidocs.lighter.xyz, trading: an ask is at least 0.95 times mark or best bid, a bid at most 1.05.
"""


def level_ticks(depth: Depth, side: Side, level: int) -> int | None:
    """Return the price of level `level` (1 = best) on the side where an order of `side` rests.

    A book with fewer levels gives its last one; None while that side is unknown.
    """
    levels = depth.asks if side is Side.SELL else depth.bids
    if not levels:
        return None
    return levels[min(level, len(levels)) - 1].price_ticks


def met_by(depth: Depth, side: Side) -> tuple[Level, ...]:
    """Return the levels that a market order of `side` meets, best first."""
    return depth.levels(is_ask=not side.is_ask)


def reference_ticks(depth: Depth, side: Side) -> int | None:
    """Return the price that a market order of `side` meets first, else the mark price."""
    levels = met_by(depth, side)
    return levels[0].price_ticks if levels else depth.mark_ticks


def taken_ticks(depth: Depth, side: Side, lots: int) -> int | None:
    """Return the average price of a market order of `side` over `lots`, rounded against it.

    None where the levels that are known do not hold that much.
    """
    left = lots
    quote = 0
    for level in met_by(depth, side):
        part = min(left, level.size_lots)
        quote += part * level.price_ticks
        left -= part
        if not left:
            return -(-quote // lots) if side is Side.BUY else quote // lots
    return None


def beyond_bps(price: int, other: int, side: Side, bps: int) -> bool:
    """Whether an order of `side` at `price` is worse than at `other` by more than `bps`."""
    return (price - other) * side.sign * BPS > other * bps


def bound_ticks(mark_ticks: int, side: Side, gap_bps: int) -> int:
    """Return the worst price of a market order of `side` that mark allows."""
    return max(1, mark_ticks + side.sign * -(-mark_ticks * gap_bps // BPS))


def cap_ticks(
    depth: Depth,
    side: Side,
    attempt: int,
    attempts: int,
    max_slippage_bps: int,
    max_mark_gap_bps: int,
) -> int | None:
    """Return the worst price a hedge may pay: bounded by the book, and by mark.

    The allowance off the book grows evenly with each attempt (1-based) and reaches
    `max_slippage_bps` at the last; later attempts keep it. The allowance off mark does not grow: a
    single order of a stranger is no market. Rounded away from the reference, so that an allowance
    of less than a tick still allows one. None without any price.
    """
    reference = reference_ticks(depth, side)
    if reference is None:
        return None
    share = min(max(attempt, 1), attempts)
    room = -(-reference * max_slippage_bps * share // (BPS * attempts))
    cap = max(1, reference + side.sign * room)
    if depth.mark_ticks is None:
        return cap
    bound = bound_ticks(depth.mark_ticks, side, max_mark_gap_bps)
    return min(cap, bound) if side is Side.BUY else max(cap, bound)


def is_inside(price_ticks: int, side: Side, cap_ticks: int) -> bool:
    """Whether a market order of `side` with this cap takes at this price."""
    return (cap_ticks - price_ticks) * side.sign >= 0


def most_lots(spec: MarketSpec, price_ticks: int) -> int:
    """Return how many lots an order at this price may have by the exchange's quote limit.

    At least 1: what the exchange makes of a limit below one lot is its own word.
    """
    return max(1, lots_within(spec, price_ticks))


def most_ticks(spec: MarketSpec, lots: int) -> int:
    """Return the highest price at which an order over `lots` keeps the quote limit, at least 1."""
    return most_lots(spec, lots)  # limit by price or by size: the same division


def within_quote_limit(spec: MarketSpec, side: Side, lots: int, cap: int) -> int:
    """Return the cap, for a buy no higher than the exchange's quote limit lets it be."""
    return cap if side is Side.SELL else min(cap, most_ticks(spec, lots))


def ticks_to_micros(ticks: int, spec: MarketSpec) -> int:
    """Return a price in micros of the quote asset (rounded down beyond six places)."""
    scale: int = 10**spec.price_decimals
    return ticks * MICROS // scale


def micros_to_ticks(micros: int, spec: MarketSpec) -> int:
    """Return a price in micros of the quote asset in ticks, to the nearest."""
    scale: int = 10**spec.price_decimals
    return (2 * micros * scale + MICROS) // (2 * MICROS)


def average_ticks(quote_micros: int, lots: int, spec: MarketSpec) -> int:
    """Return the average price of an execution in ticks, rounded down; 0 for no lots."""
    if lots == 0:
        return 0
    scale: int = 10 ** (spec.size_decimals + spec.price_decimals)
    return quote_micros * scale // (lots * MICROS)
