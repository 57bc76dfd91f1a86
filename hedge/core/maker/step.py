"""The maker decides: when A rests an order, takes it off, holds, and closes.

`step` is the whole interface: a state, an event and the facts of the moment give the next state
and the effects to perform. Handlers here take in what happened; `maker_rules` then does what the
new state calls for.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hedge.core.book import BookView
from hedge.core.maker.closing import BShown, Closing
from hedge.core.maker.moves import Step, fence, halt, move, raised, raised_by, say, uncover
from hedge.core.maker.quoting import is_covered
from hedge.core.maker.repeats import NOT_SENT, again
from hedge.core.maker.rules import advance, judge_drift
from hedge.core.maker.state import (
    TRANSITIONS,
    Answered,
    FenceNeeded,
    FlattenRequested,
    HaltRaised,
    HaltSeen,
    LeaseLost,
    MakerEffect,
    MakerEvent,
    MakerState,
    Note,
    OwnBook,
    OwnOrder,
    PeerSeen,
    Pending,
    Phase,
    PublishFill,
    PublishPosition,
    Reconciled,
    RedisChanged,
    Resumed,
    Started,
    StopRequested,
    StreamsChanged,
    Tick,
    Trigger,
)
from hedge.core.maker.unwinding import NAKED, with_redis_again
from hedge.core.plausible import why_implausible
from hedge.core.records import Trade
from hedge.core.refusal import Refusal
from hedge.core.transitions import Facts, Verdict

__all__ = ["TRANSITIONS", "Phase", "Trigger", "is_covered", "step"]


def step(state: MakerState, event: MakerEvent, facts: Facts) -> Step:
    """Return the next state and the effects to perform, in order.

    Raises IllegalTransitionError for an event that the state table has no row for; the caller's
    state is unchanged then.
    """
    state, effects = _HANDLERS[type(event)](state, event, facts)
    state, more = advance(state, facts)
    return state, (*effects, *more)


def _on_started(state: MakerState, _event: Started, _facts: Facts) -> Step:
    return fence(replace(state, streams_up=True), "start")


def _on_streams(state: MakerState, event: StreamsChanged, _facts: Facts) -> Step:
    was, state = state.streams_up, replace(state, streams_up=event.up)
    if event.up and not was:
        return fence(state, "streams are back; what they would have said is not known")
    return state, ()


def _on_redis(state: MakerState, event: RedisChanged, facts: Facts) -> Step:
    if event.up:
        return with_redis_again(state, facts), ()
    peer = replace(state.peer, ready=False, alive=False) if state.redis_up else state.peer
    down_ms = facts.now_ms if state.redis_up else state.redis_down_ms
    why = event.why or state.redis_why
    state = replace(state, redis_up=False, redis_why=why, redis_down_ms=down_ms, peer=peer)
    return state, ()


def _on_fence_needed(state: MakerState, event: FenceNeeded, facts: Facts) -> Step:
    if not state.leading and state.uncovered_ms is not None:
        # B could not be told meanwhile: that time is none of its turn.
        state = replace(raised(state, facts.now_ms), uncovered_ms=facts.now_ms, alerted=False)
    return fence(replace(state, leading=True), event.why)


def _on_lease_lost(state: MakerState, _event: LeaseLost, _facts: Facts) -> Step:
    note = Note("deposed", "lease lost; fence and book before placing again", loud=True)
    return replace(state, leading=False), (note,)


def _on_reconciled(state: MakerState, event: Reconciled, facts: Facts) -> Step:
    order = state.order
    if order is not None and event.nonce <= order.nonce:
        # Our count had run ahead (a nonce was handed back): the order's turn is still to come.
        return fence(state, f"order {order.nonce} could still execute after {event.nonce - 1}")
    is_first, found = state.nonce is None, event.view.last_trade_id != state.last_trade_id
    state = replace(
        state,
        nonce=event.nonce,
        net_lots=event.view.net_lots,
        last_trade_id=event.view.last_trade_id,
        consistent=event.view.consistent,
        order=None,
        pending=None,
        retry_at_ms=None,
        contradiction_ms=None,
        implausible=False,
        settled_ms=facts.now_ms,
    )
    state, said = say(move(state, Trigger.PROVEN))
    state = replace(state, seq=state.seq + 1)
    effects = (*said, PublishPosition(state.seq, event.view.net_lots))
    opens = state.net_lots and state.covered != (state.net_lots, state.last_trade_id)
    if is_first or found or (opens and state.uncovered_ms is None):
        state = raised(state, facts.now_ms)
    if opens:
        state = uncover(state, facts)
    if event.explained or state.adopted:
        return _limit_fill(replace(state, adopted=True), effects)
    state, more = judge_drift(state, facts)
    return _limit_fill(state, (*effects, *more))


def _on_book(state: MakerState, event: OwnBook, facts: Facts) -> Step:
    order = state.order
    if order is not None:
        filled = event.view.filled.get(order.client_order_index, order.filled_lots)
        order = replace(order, filled_lots=filled)
        if filled >= order.lots and order.whole_ms is None:
            order = replace(order, whole_ms=facts.now_ms)
    state = replace(
        state,
        consistent=event.view.consistent,
        order=order,
        unsaid=state.unsaid + event.trades,
    )
    state, doubts = _doubt_fill(state, event.trades)
    stated, last_id = state.net_lots, state.last_trade_id
    state = _believe(state, event.view, facts)
    if event.trades:
        state = uncover(move(replace(state, settled_ms=facts.now_ms), Trigger.FILL), facts)
        state = raised_by(state, event.trades, facts)
    state, effects = say(state)
    effects = (*doubts, *effects)
    is_told = bool(effects) or state.implausible
    is_changed = state.net_lots not in (stated, None) or state.last_trade_id < last_id
    if not is_told and state.seq and is_changed:
        state = replace(state, seq=state.seq + 1)  # a change without a fill is a new state too
        effects = (PublishPosition(state.seq, state.net_lots or 0),)
    if event.foreign:
        reason, ids = "foreign_trade_on_a", list(event.foreign)
        detail = f"trades {ids} on A carry no tag of the pair; B is to hedge them"
        if any(trade.is_forced for trade in event.trades):
            reason = "liquidation_on_a"
            detail = f"the venue liquidated A in trades {ids}; B is to follow"
        state, more = halt(state, reason, detail, holds_a_start=True)
        effects = (*effects, *more)
    return _limit(state, effects)


def _doubt_fill(state: MakerState, trades: tuple[Trade, ...] = ()) -> Step:
    """Halt over what our order cannot have executed, before anything is said of it."""
    order = state.order
    if order is None or state.implausible:
        return state, ()
    why = why_implausible(state.config.spec, order, trades)
    if not why:
        return state, ()
    detail = f"order {order.client_order_index} of A: {why}"
    state = replace(state, implausible=True)
    return halt(state, "implausible_fill", detail, holds_a_start=True)


def _believe(state: MakerState, view: BookView, facts: Facts) -> MakerState:
    """Take over the book's position; one that contradicts itself tells none."""
    if view.consistent:
        return replace(
            state,
            net_lots=view.net_lots,
            last_trade_id=view.last_trade_id,
            contradiction_ms=None,
        )
    since_ms = facts.now_ms if state.contradiction_ms is None else state.contradiction_ms
    return replace(state, contradiction_ms=since_ms)


def _limit_fill(state: MakerState, effects: tuple[MakerEffect, ...]) -> Step:
    """Halt for a fill that is larger than the pair allows, however it was found; B hedges it."""
    limit = state.config.max_fill_lots
    largest = max(
        (one.trade.size_lots for one in effects if isinstance(one, PublishFill)), default=0
    )
    if limit is None or largest <= limit or state.phase is Phase.HALTED:
        return state, effects
    size = state.config.spec.base(largest)
    detail = f"A was filled {size} in one trade, beyond max_fill_base_amount; B hedges it"
    state, more = halt(state, "fill_limit", detail)
    return state, (*effects, *more)


def _limit(state: MakerState, effects: tuple[MakerEffect, ...]) -> Step:
    limit = state.config.max_position_lots
    if limit is None or abs(state.net_lots or 0) <= limit or state.phase is Phase.HALTED:
        return _limit_fill(state, effects)
    size = state.config.spec.base(state.net_lots or 0)
    state, more = halt(state, "position_limit", f"A holds {size}, beyond max_position_base_amount")
    return state, (*effects, *more)


def _on_order(state: MakerState, event: OwnOrder, facts: Facts) -> Step:
    order = state.order
    if order is None or order.client_order_index != event.row.client_order_index:
        return state, ()
    is_listed = event.listed and event.row.is_terminal
    if order.row is not None and order.row.is_terminal and not is_listed:
        return state, ()
    order = replace(order, row=event.row, row_ms=facts.now_ms, is_listed=is_listed)
    if order.new_ticks is not None and event.row.price_ticks == order.new_ticks:
        state = replace(state, unchanged=0)
        order = replace(order, price_ticks=order.new_ticks, new_ticks=None)
    return _doubt_fill(replace(state, order=order))


def _on_answered(state: MakerState, event: Answered, facts: Facts) -> Step:
    order, outcome = state.order, event.outcome
    if state.pending is not event.pending or order is None:
        return state, ()
    if order.client_order_index != event.client_order_index:
        return state, ()
    if outcome.verdict is Verdict.ACCEPTED:
        if event.pending is Pending.PLACE:
            order = replace(order, copies=outcome.copies)
        return replace(state, pending=None, nonce=(state.nonce or 0) + 1, order=order), ()
    state = replace(state, pending=None)
    if event.pending is Pending.CHANGE and outcome.refusal is not Refusal.GONE:
        state = replace(state, unchanged=state.unchanged + 1)
    if outcome.verdict is Verdict.UNKNOWN:
        return fence(state, f"{event.pending.value} has no clear answer: {outcome.reason}")
    if event.pending is Pending.PLACE and (order.row is not None or order.filled_lots):
        return fence(state, f"refused ({outcome.code}), yet the venue shows the order")
    note = Note(f"{event.pending.value}_refused", f"{outcome.code} {outcome.reason}", loud=True)
    if event.pending is Pending.CHANGE:
        # It rests where it was, or has gone: the cancel that follows finds that out.
        order = replace(order, new_ticks=None, changed_ms=None, stays=True)
        note = replace(note, loud=outcome.refusal is not Refusal.GONE)
        return replace(state, order=order), (note,)
    if event.pending is Pending.CANCEL:
        # It is gone already: its row says how, or the deadline fences.
        return state, (replace(note, loud=outcome.refusal is not Refusal.GONE),)
    return _place_refused(state, note, facts, outcome.refusal)


def _place_refused(state: MakerState, note: Note, facts: Facts, refusal: Refusal) -> Step:
    code = note.detail.partition(" ")[0]
    state, pause = again(state, code, note.detail)
    if code == NOT_SENT:
        note = replace(note, event="place_not_sent", detail=note.detail.partition(" ")[2])
    wait_ms = pause.ms
    if refusal.is_final:
        wait_ms = max(wait_ms, state.config.deadline_ms)
    order = state.order
    if order is not None and order.closing and refusal is Refusal.TOO_SMALL:
        wait_ms = max(wait_ms, state.config.deadline_ms)
        if state.phase is Phase.PLACING:
            state, note = replace(state, dust_lots=state.net_lots), replace(note, event="dust_left")
        if state.closing is Closing.ALL:
            state, note = replace(state, closing=None), replace(note, event="dust_left")
    state = replace(state, order=None, retry_at_ms=facts.now_ms + wait_ms)
    if state.phase is Phase.PLACING:
        state = move(state, Trigger.ENDED)
    return state, (note, *pause.effects)


def _on_peer(state: MakerState, event: PeerSeen, _facts: Facts) -> Step:
    if event.peer != state.peer:
        state = replace(state, peer=event.peer)
    covered = event.peer.left_covering_lots
    if covered is not None and covered == state.net_lots:
        state = replace(state, b_left=(state.seq, covered))
    return state, ()


def _on_b_shown(state: MakerState, event: BShown, _facts: Facts) -> Step:
    looked = state.looked
    if looked is None or looked.seq != event.seq:
        return state, ()
    return replace(state, looked=looked.shown(event)), ()


def _on_halt_seen(state: MakerState, event: HaltSeen, _facts: Facts) -> Step:
    if state.phase is Phase.HALTED and (event.instead or event.reason in NAKED):
        return replace(state, halt_reason=event.reason), ()
    if state.phase in (Phase.HALTED, Phase.STOPPING):
        return state, ()
    return replace(move(state, Trigger.HALT), halt_reason=event.reason), ()


def _on_halt_raised(state: MakerState, event: HaltRaised, _facts: Facts) -> Step:
    return halt(state, event.reason, event.detail)


def _on_resumed(state: MakerState, event: Resumed, _facts: Facts) -> Step:
    state = replace(state, adopted=state.adopted or event.force)
    if state.phase is not Phase.HALTED:
        return state, ()
    state = replace(
        move(state, Trigger.RESUME),
        halt_reason="",
        closing=None,
        looked=None,
        uncovered_ms=None,
        offered_ms=None,
        nored=False,
        alerted=False,
    )
    return fence(state, "resumed")


def _on_flatten(state: MakerState, event: FlattenRequested, facts: Facts) -> Step:
    if event.peer is not None:
        state, _ = _on_peer(state, PeerSeen(event.peer), facts)
    state, effects = halt(state, "flatten", "a person asked to close A's position")
    return replace(state, closing=Closing.ALONE if event.alone else Closing.ALL), effects


def _on_stop(state: MakerState, _event: StopRequested, facts: Facts) -> Step:
    if state.stop_by_ms is not None:
        return state, ()
    stop_by_ms = facts.now_ms + state.config.stop_deadline_ms
    return replace(move(state, Trigger.STOP), stop_by_ms=stop_by_ms), ()


def _on_tick(state: MakerState, event: Tick, _facts: Facts) -> Step:
    if (event.own_shown, event.answering) != (state.own_shown, state.answering):
        state = replace(state, own_shown=event.own_shown, answering=event.answering)
    return state, ()


_HANDLERS: dict[type, Callable[[MakerState, Any, Facts], Step]] = {
    Started: _on_started,
    StreamsChanged: _on_streams,
    RedisChanged: _on_redis,
    FenceNeeded: _on_fence_needed,
    LeaseLost: _on_lease_lost,
    Reconciled: _on_reconciled,
    OwnBook: _on_book,
    OwnOrder: _on_order,
    Answered: _on_answered,
    PeerSeen: _on_peer,
    BShown: _on_b_shown,
    HaltSeen: _on_halt_seen,
    HaltRaised: _on_halt_raised,
    Resumed: _on_resumed,
    FlattenRequested: _on_flatten,
    StopRequested: _on_stop,
    Tick: _on_tick,
}
