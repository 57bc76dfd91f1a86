"""The facts of the moment, as the cores see them: time, prices, request budget."""

from hedge.core import pricing
from hedge.core.amounts import Side
from hedge.core.transitions import Facts
from hedge.daemon.context import Parts

CROWDED = 0.5
"""Share of the request budget beyond which B merges."""


def facts_of(parts: Parts) -> Facts:
    """Return what is true outside now."""
    depth, level = parts.venue.depth(), parts.config.strategy.depth
    mark = depth.mark_ticks or pricing.reference_ticks(depth, Side.BUY)
    return Facts(
        now_ms=parts.clock.now_ms(),
        bid_ticks=pricing.level_ticks(depth, Side.BUY, level),
        ask_ticks=pricing.level_ticks(depth, Side.SELL, level),
        mark_ticks=mark or pricing.reference_ticks(depth, Side.SELL),
        room=parts.budget.has_room,
        crowded=parts.budget.used_fraction >= CROWDED,
    )
