"""The facts of the moment, as the cores see them: time, prices, request budget."""

from collections.abc import Callable

from hedge.core import pricing
from hedge.core.amounts import Side
from hedge.core.records import Depth
from hedge.core.transitions import Facts
from hedge.daemon.context import Parts
from hedge.exchange.nonce_watch import KEY_SHARED_WORDS

CROWDED = 0.75
"""Share of the request budget beyond which B merges.

A B that hedges all that A may order, and reads what it reads in a minute, stays below it.
"""


def facts_of(
    parts: Parts,
    book: Depth | None = None,
    newest: Depth | None = None,
    room_lots: Callable[[int | None], int | None] = lambda _: None,
) -> Facts:
    """Return what is true outside now: levels to quote at, and the price that values and caps.

    `book` is the public book without A's own orders; None: the stream's as it is. `newest` is the
    newest book that is known, by stream or by REST; None: it is asked for. `room_lots` says how
    much our free margin could take on at a mark price.
    """
    book = parts.venue.depth() if book is None else book
    mark_ticks = mark_ticks_of(parts) if newest is None else _mark_of(newest)
    market, level = parts.venue.market_now, parts.config.strategy.depth
    now_ms = parts.clock.now_ms()
    budget = parts.budget
    return Facts(
        now_ms=now_ms,
        bid_ticks=pricing.level_ticks(book, Side.BUY, level),
        ask_ticks=pricing.level_ticks(book, Side.SELL, level),
        mark_ticks=mark_ticks,
        room=budget.orders_left(now_ms),
        changes_left=budget.changes_left(now_ms),
        crowded=budget.used_at(now_ms) >= CROWDED,
        market_status=market.status,
        spec=market.spec,
        unkept=parts.host.problem,
        exchange_ms=parts.exchange_clock.at(now_ms),
        clock_ahead_ms=parts.venue.clock_ahead_ms or 0,
        signs_too_early=parts.venue.signs_too_early,
        quota_left=parts.venue.quota_left,
        stream_why=parts.venue.refused_because,
        shared_key=KEY_SHARED_WORDS if parts.sender.nonces.is_shared(now_ms) else "",
        book=book,
        room_lots=room_lots(mark_ticks),
    )


def mark_ticks_of(parts: Parts) -> int | None:
    """Return the price by which exposure is valued, None while the market is unknown."""
    return _mark_of(parts.venue.recent_depth())


def _mark_of(depth: Depth) -> int | None:
    mark = depth.mark_ticks or pricing.reference_ticks(depth, Side.BUY)
    return mark or pricing.reference_ticks(depth, Side.SELL)
