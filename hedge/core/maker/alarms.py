"""What A says of its own accord: that it cannot quote, that B is away while anything is open."""

from dataclasses import replace

from hedge.core.holds import Lasting
from hedge.core.maker.moves import Step
from hedge.core.maker.quoting import ASKED_FOR, BROUGHT_BY_THE_MARKET, hold_of
from hedge.core.maker.state import MakerState, Note, Phase
from hedge.core.transitions import Facts

IDLE_MS = 60_000
"""An A without an order for this long says why."""
AWAY_MS = 10_000
"""A B that is away for this long, while anything is open, is said."""

_RESTING = frozenset({Phase.WORKING, Phase.CANCELLING, Phase.AWAITING_HEDGE})


def mind_hold(state: MakerState, facts: Facts) -> Step:
    """Say why no order has rested for a minute; what the market brings is said at once.

    An order that ends as soon as it was sent does not count: none has rested.
    """
    now_ms, idle, order = facts.now_ms, state.idle, state.order
    if order is not None and order.row is not None and state.phase in _RESTING:
        return _quoting(state, idle)
    hold = hold_of(state, facts)
    if idle is None:
        state = replace(state, idle=(idle := Lasting(now_ms, now_ms + IDLE_MS)))
    if hold is None:
        return state, ()
    word, is_asked = hold.reason, hold.reason in ASKED_FOR
    at_once = word in BROUGHT_BY_THE_MARKET and idle.word != word
    if not (at_once or idle.is_due(word, now_ms)) or (is_asked and idle.word == word):
        return state, ()
    detail = f"{hold.detail} (no order for {idle.seconds(now_ms)} s)"
    state = replace(state, idle=idle.said(word, now_ms))
    return state, (Note("holding", detail, loud=not is_asked, reason=word),)


def _quoting(state: MakerState, idle: Lasting | None) -> Step:
    if idle is None:
        return state, ()
    said = (Note("quoting_again", f"it held: {idle.word}"),) if idle.word else ()
    return replace(state, idle=None), said


def mind_b(state: MakerState, facts: Facts) -> Step:
    """Say that B is away while A holds anything, or an order of it may fill."""
    now_ms, away = facts.now_ms, state.b_away
    if not state.redis_up:
        return state, ()  # Redis is what fails, and that is said
    if state.peer.alive or not state.leading:
        if away is None:
            return state, ()
        said = (Note("b_back", f"B was away for {away.seconds(now_ms)} s"),) if away.word else ()
        return replace(state, b_away=None), said
    if away is None:
        return replace(state, b_away=Lasting(now_ms, now_ms + AWAY_MS)), ()
    what = what_is_open(state)
    if not what or not away.is_due("b_away", now_ms):
        return state, ()
    detail = f"B has not been heard for {away.seconds(now_ms)} s; {what}"
    return replace(state, b_away=away.said("b_away", now_ms)), (Note("b_away", detail, loud=True),)


def what_is_open(state: MakerState) -> str:
    """Return what A holds, or could still be filled, in words; "" for nothing."""
    spec, order, found = state.config.spec, state.order, list[str]()
    if state.net_lots:
        found.append(f"A holds {spec.base(state.net_lots)} {spec.symbol}")
    if order is not None:
        left = spec.base(order.lots - order.filled_lots)
        found.append(f"an order of A over {left} {spec.symbol} has not ended yet")
    return ", ".join(found)


def away_text(state: MakerState, now_ms: int) -> str:
    """Return the same for the heartbeat while it lasts; "" where B is not away for so long."""
    away = state.b_away
    if away is None or not away.is_shown(now_ms):
        return ""
    what = what_is_open(state)
    return f"B has not been heard for {away.seconds(now_ms)} s; {what}" if what else ""
