"""What the hedger makes of A's public trades: its view carried on, or proven without A."""

from dataclasses import replace

from hedge.core.freshness import FRESH_MS
from hedge.core.hedger.departure import MakerStated
from hedge.core.hedger.rules import Step, a_view, halt
from hedge.core.hedger.state import PROVEN_PHASES, ATarget, HedgerState, Note, Phase
from hedge.core.hedger.watch import PeerAnswered, PeerTraded, Stand, found, merged
from hedge.core.records import Trade
from hedge.core.transitions import Facts

_KEPT_INSTANCES = 16
"""As many of A's earlier instances are told from a new one."""


def on_peer_traded(state: HedgerState, event: PeerTraded, _facts: Facts) -> Step:
    """Carry the view of A on by what the venue shows of it."""
    if event.shown_lots is not None:
        state = replace(state, shown_lots=event.shown_lots)
    return _watch(state, event.trades)


def _watch(state: HedgerState, trades: tuple[Trade, ...]) -> Step:
    floor = state.a.last_trade_id if state.a is not None else 0
    if trades:
        state = replace(state, watched=merged(state.watched, trades, floor))
    view = a_view(state)
    if view is None or view is state.a:
        return state, ()
    state = replace(state, shown=Stand(view.position_lots, view.last_trade_id))
    return (
        beyond(state, view.position_lots) if is_beyond(state, view.position_lots) else (state, ())
    )


def on_peer_answered(state: HedgerState, event: PeerAnswered, _facts: Facts) -> Step:
    """Fill a gap of the watch; where A's state is not known to be current, take it from here."""
    state, effects = _watch(state, event.answer.legs)
    if event.answer.highest_id >= state.last_trade_id and state.phase in PROVEN_PHASES:
        state = replace(state, looked=True)
    if state.a_fresh or state.phase not in PROVEN_PHASES:
        return state, effects
    known = state.a
    own = () if known is None else (Stand(known.position_lots, known.last_trade_id),)
    base = max((*own, *event.bases), key=lambda stand: stand.last_trade_id, default=None)
    stand = found(base, event.answer, state.last_trade_id) if base is not None else None
    if stand is None or is_beyond(state, stand.position_lots):
        return state, effects
    view = a_view(state)
    if view is None or view.position_lots != stand.position_lots:
        state = follow(state, ATarget("", 0, stand.position_lots, stand.last_trade_id, 0))
        watched = merged(state.watched, (), stand.last_trade_id)
        state = replace(state, watched=watched, shown=stand)
    note = Note(
        "watch_leads",
        f"A holds {state.config.spec.base(stand.position_lots)} by its public trades",
        loud=True,
    )
    return replace(state, a_fresh=True, hand_base_lots=None), (*effects, note)


def adopt_stated(state: HedgerState, event: MakerStated) -> Step:
    """Take the exchange's own statement of A's position.

    It counts only where it was asked for `view_lag_s` after B's newest trade, and two statements
    agree, the later one asked for no sooner than a third of that after the former. Where B's view
    of A is not known to be current it becomes the view: it contains every trade before it.
    """
    maker, lag_ms = state.maker, state.config.view_lag_ms
    before = maker.stated
    is_empty = event.open_orders == 0
    since_ms = maker.silent_ms + FRESH_MS + lag_ms
    empty_ms = maker.empty_ms if is_empty else None
    if is_empty and empty_ms is None and event.asked_ms >= since_ms:
        empty_ms = event.asked_ms
    twice = is_empty and empty_ms is not None and event.asked_ms >= empty_ms + lag_ms
    maker = replace(maker, stated=event, empty_ms=empty_ms, is_empty_twice=twice)
    state = replace(state, maker=maker)
    agree = (
        before is not None
        and before.position_lots == event.position_lots
        and event.asked_ms >= before.asked_ms + lag_ms // 3
    )
    settled_ms = state.own_traded_ms + lag_ms
    reaches = before is not None and before.asked_ms >= settled_ms
    if state.a_fresh or state.phase not in PROVEN_PHASES or not (agree and reaches):
        return state, ()
    if is_beyond(state, event.position_lots):
        return beyond(state, event.position_lots)
    stand = Stand(event.position_lots, event.newest_trade_id)
    state = follow(state, ATarget("", 0, stand.position_lots, stand.last_trade_id, 0))
    watched = merged(state.watched, (), stand.last_trade_id)
    state = replace(
        state,
        watched=watched,
        shown=None,
        adopted=stand,
        a_fresh=True,
        looked=True,
        hand_base_lots=None,
    )
    size = state.config.spec.base(event.position_lots)
    return state, (
        Note("position_stated", f"the exchange states twice: A holds {size}", loud=True),
    )


def is_beyond(state: HedgerState, lots: int) -> bool:
    """Whether a position of A is larger than the pair allows."""
    limit = state.config.max_position_lots
    return limit is not None and abs(lots) > limit


def beyond(state: HedgerState, lots: int) -> Step:
    """Halt for a position of A beyond the limit."""
    if state.phase in (Phase.HALTED, Phase.STOPPING):
        return state, ()
    size = state.config.spec.base(lots)
    return halt(state, "position_limit", f"A has a position of {size}, beyond the limit")


def follow(state: HedgerState, new: ATarget) -> HedgerState:
    """Take a state of A; remember the last one of an instance that A has left for another."""
    known = state.a
    if new == known:
        return state
    if known is None or known.instance == new.instance:
        return replace(state, a=new)
    others = [old for old in state.left if old.instance not in (known.instance, new.instance)]
    return replace(state, a=new, left=(*others, known)[-_KEPT_INSTANCES:])


def is_left(state: HedgerState, new: ATarget) -> bool:
    """Whether A has gone on from this state to another instance.

    A Redis that fails over to an older copy brings back the old instance's lease with its state;
    an old instance that truly comes back has passed a fence and states something newer.
    """
    return any(old.instance == new.instance and new.seq <= old.seq for old in state.left)
