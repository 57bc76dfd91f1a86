"""What B takes for A's position: what A stated last, carried on by its public trades."""

from dataclasses import replace

from hedge.core.hedger.state import ATarget, Closing, HedgerState
from hedge.core.hedger.watch import Stand, carried, without


def a_view(state: HedgerState) -> ATarget | None:
    """Return what A stated last, carried on by its public trades since where they add up.

    What such trades have carried once is never taken back: a later gap, or a statement that knows
    fewer of them (A is cut off, Redis went back), leaves the view where it was.
    """
    known = state.a
    if known is None or not (state.watched or state.shown):
        return known
    stated = Stand(known.position_lots, known.last_trade_id)
    shown = state.shown
    base = shown if shown and shown.last_trade_id > stated.last_trade_id else stated
    watched = without(state.watched, state.unlisted)
    stand = carried(base, watched, state.shown_lots) or base
    if stand == stated:
        return known
    return replace(
        known, position_lots=stand.position_lots, last_trade_id=stand.last_trade_id, stamp_s=0
    )


def closes_own(state: HedgerState) -> bool:
    """Whether B closes its own position by a person's order, and is not the other side of A."""
    view = a_view(state)
    is_flat = view is not None and view.position_lots == 0
    return state.closing is Closing.ALONE or (state.closing is Closing.REST and is_flat)


def is_watch_open(state: HedgerState, *, but_unlisted: bool = False) -> bool:
    """Whether A has public trades that do not add up with what is known: one is missing.

    `but_unlisted` leaves out those that the venue's answers lack.
    """
    watched = without(state.watched, state.unlisted) if but_unlisted else state.watched
    if not watched:
        return False
    view = a_view(state)
    return view is None or watched[-1].trade_id > view.last_trade_id
