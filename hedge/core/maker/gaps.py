"""What the maker does about trades it has not seen: ask for them, state nothing, prove anew."""

from dataclasses import replace

from hedge.core.maker.moves import Step, fence
from hedge.core.maker.state import CatchUp, MakerState, Order, Pending
from hedge.core.transitions import Facts

_CATCH_UP_EVERY_MS = 1000


def catch_up(state: MakerState, facts: Facts) -> Step:
    """Ask for missing trades while the book contradicts itself or the order's row.

    Asked again at growing distances, since each answer is a request of the budget.
    """
    since_ms = state.contradiction_ms
    if since_ms is None:
        since_ms = _short_since_ms(state.order)
        if since_ms is None or facts.now_ms < since_ms + _CATCH_UP_EVERY_MS:
            return state, ()  # the trades usually follow within moments
    asked_ms = state.caught_up_ms
    if asked_ms is not None and asked_ms >= since_ms:
        pause_ms = max(_CATCH_UP_EVERY_MS, asked_ms - since_ms)
        if facts.now_ms < asked_ms + pause_ms:
            return state, ()
    if state.pending is Pending.FENCE:
        return state, ()
    return replace(state, caught_up_ms=facts.now_ms), (CatchUp(),)


def contradiction(state: MakerState, facts: Facts) -> Step:
    """Prove anew a book that stays at odds with itself; until then nothing of it is stated.

    Neither its sum, which lacks a trade, nor what the newest trade says of itself, which one frame
    alone has told: B would forget what it saw itself, or trade on a lie.
    """
    since_ms = state.contradiction_ms
    if since_ms is None or state.pending is not None:
        return state, ()
    if facts.now_ms < since_ms + state.config.deadline_ms:
        return state, ()
    return fence(replace(state, contradiction_ms=facts.now_ms), "own book is at odds")


def _short_since_ms(order: Order | None) -> int | None:
    """Return since when the order's row tells of more than the known trades, None if it does not.

    Trades may also run ahead of the row; only of an order that has ended is that a gap.
    """
    if order is None or order.row is None or order.filled_lots == order.row.filled_lots:
        return None
    if order.filled_lots < order.row.filled_lots:
        return order.row_ms
    return order.ended_ms
