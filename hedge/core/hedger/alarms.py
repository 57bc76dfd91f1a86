"""What B says of its own accord: that A is away while B holds anything, or owes."""

from dataclasses import replace

from hedge.core.hedger.departure import is_heard
from hedge.core.hedger.state import PROVEN_PHASES, HedgerEffect, HedgerState, Note
from hedge.core.holds import Lasting
from hedge.core.transitions import Facts

AWAY_MS = 10_000
"""An A that is away for this long, while anything is open, is said."""

Step = tuple[HedgerState, tuple[HedgerEffect, ...]]


def mind_a(state: HedgerState, facts: Facts) -> Step:
    """Say that A is away while B holds anything, or an order of A may fill.

    Not of an A that left, nor while all that B holds was published by hand, without an A.
    """
    now_ms, away, maker = facts.now_ms, state.a_away, state.maker
    if state.phase not in PROVEN_PHASES or is_heard(maker, now_ms) or maker.left_lots is not None:
        if away is None:
            return state, ()
        said = (Note("a_back", f"A was away for {away.seconds(now_ms)} s"),) if away.word else ()
        return replace(state, a_away=None), said
    if away is None:
        since_ms = maker.silent_ms if maker.beat is not None else now_ms
        away = Lasting(since_ms, since_ms + AWAY_MS)
        state = replace(state, a_away=away)
    what = what_is_open(state)
    if not what or not away.is_due("a_away", now_ms):
        return state, ()
    detail = f"A has not been heard for {away.seconds(now_ms)} s; {what}"
    return replace(state, a_away=away.said("a_away", now_ms)), (Note("a_away", detail, loud=True),)


def what_is_open(state: HedgerState) -> str:
    """Return what B holds, or what of A could still fill, in words; "" for nothing."""
    spec, beat, found = state.config.spec, state.maker.beat, list[str]()
    if state.manual_lots:
        return ""
    if state.net_lots:
        found.append(f"B holds {spec.base(state.net_lots)} {spec.symbol}")
    if beat is not None and beat.orders:
        found.append(f"A had {beat.orders} order(s) in the book or without a clear answer")
    return ", ".join(found)


def away_text(state: HedgerState, now_ms: int) -> str:
    """Return the same for the heartbeat while it lasts; "" where A is not away for so long."""
    away = state.a_away
    if away is None or now_ms < away.since_ms + AWAY_MS:
        return ""
    what = what_is_open(state)
    return f"A has not been heard for {away.seconds(now_ms)} s; {what}" if what else ""
