"""The hedger decides: B's position is driven to offset minus A's newest state.

`step` is the whole interface: a state, an event and the facts of the moment give the next state
and the effects to perform. At most one order is in flight; the next one is decided only when the
trades of the last one are all counted, or a fence has proven what became of it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hedge.core.freshness import HEARD_MS
from hedge.core.hedger.departure import LeaderSeen, Maker, MakerSeen, MakerStated, is_heard
from hedge.core.hedger.rules import (
    Step,
    advance,
    answerable,
    attempt_failed,
    below_minimums,
    doubt,
    halt,
    is_covered,
    is_flat_by_order,
    is_view_confirmed,
    missed,
    move,
    owed_lots,
    prove_again,
    settled,
    target_known,
    unsure,
    watch_due_ms,
    with_view,
)
from hedge.core.hedger.state import (
    PROVEN_PHASES,
    TRANSITIONS,
    ATarget,
    BaselineRead,
    CloseRequested,
    Closing,
    Failure,
    Fence,
    FenceRefused,
    HaltRaised,
    HaltSeen,
    HandCleared,
    HandPublished,
    HedgerEffect,
    HedgerEvent,
    HedgerState,
    InFlight,
    LeaseChanged,
    Note,
    OwnBook,
    OwnOrder,
    PeerConfigured,
    Phase,
    ProofNeeded,
    PublishFailure,
    ReadBaseline,
    Reconciled,
    Report,
    Resumed,
    Sent,
    StopRequested,
    StreamsChanged,
    TargetSeen,
    Tick,
    Trigger,
)
from hedge.core.hedger.target import (
    beyond,
    follow,
    is_beyond,
    is_left,
    on_peer_answered,
    on_peer_traded,
    on_stated,
    passed_without,
)
from hedge.core.hedger.view import a_view, closes_own, is_watch_open
from hedge.core.hedger.watch import PeerAnswered, PeerTraded, merged
from hedge.core.plausible import why_implausible
from hedge.core.records import OrderStatus, Trade
from hedge.core.refusal import Refusal, reason_of
from hedge.core.transitions import (
    Facts,
    Outcome,
    Verdict,
)

__all__ = [
    "TRANSITIONS",
    "Phase",
    "Trigger",
    "a_view",
    "answerable",
    "closes_own",
    "is_covered",
    "is_flat_by_order",
    "is_view_confirmed",
    "is_watch_open",
    "owed_lots",
    "step",
    "target_known",
    "watch_due_ms",
]

_NO_ATTEMPT = {
    Refusal.QUOTA: "quota_used_up",
    Refusal.CLOCK: "clock_off",
    Refusal.MARKET: "market_refused",
}
QUOTA_PAUSE_MS = 2500
"""Between two tries for the free transaction of a quota that is used up, by a wrong clock, or in a
market that is closed."""

_DRY_STATUSES = frozenset({OrderStatus.CANCELED_LIQUIDITY, OrderStatus.CANCELED_SLIPPAGE})
_FATAL_STATUSES = {
    OrderStatus.CANCELED_MARGIN: Refusal.MARGIN,
    OrderStatus.CANCELED_BALANCE: Refusal.MARGIN,
    OrderStatus.CANCELED_POSITION: Refusal.REDUCE_ONLY,
}
"""Ends for which the same order would end again, at any price."""


def step(state: HedgerState, event: HedgerEvent, facts: Facts) -> Step:
    """Return the next state and the effects to perform, in order.

    Raises IllegalTransitionError for an event that the state table has no row for; the caller's
    state is unchanged then.
    """
    known = _what_is_known(state)
    state, effects = _HANDLERS[type(event)](state, event, facts)
    if _what_is_known(state) != known:
        state = replace(
            state,
            view_ms=facts.now_ms,
            traded_ms=_traded_ms(state, event, facts),
            hand_only=False,
            a_largest_lots=_largest_of_a(state),
        )
    return advance(state, effects, facts)


def _largest_of_a(state: HedgerState) -> int:
    """Return the largest position of A that B may be the other side of, unsigned."""
    view = a_view(state)
    if view is None or not state.a_fresh:
        return state.a_largest_lots
    lots, is_flat = abs(view.position_lots), state.net_lots == state.config.offset_lots
    return lots if is_flat else max(state.a_largest_lots, lots)


def _what_is_known(state: HedgerState) -> tuple[object, ...]:
    """Return what B knows of A's position; that A states the same again is nothing new."""
    a = state.a
    stated = None if a is None else (a.instance, a.position_lots, a.last_trade_id)
    return stated, state.watched, state.shown


def _traded_ms(state: HedgerState, event: HedgerEvent, facts: Facts) -> int:
    """Return when A traded what an event tells of, by the exchange's clock as monotonic ms.

    What has no time of its own A states now, and says when with its next heartbeat; what only the
    exchange's statement shows is taken to be as old as it may be.
    """
    trades: tuple[Trade, ...] = ()
    match event:
        case TargetSeen(_, _, int(traded_ms)):
            return facts.moment_of(traded_ms)
        case PeerTraded(found):
            trades = found
        case PeerAnswered(answer):
            trades = answer.legs
        case MakerStated():
            return state.maker.silent_ms
    times = [trade.time_ms for trade in trades]
    return facts.moment_of(max(times)) if times else facts.now_ms


# --- events ----------------------------------------------------------------------------------


def _on_lease(state: HedgerState, event: LeaseChanged, facts: Facts) -> Step:
    if event.held:
        if state.phase is not Phase.STANDBY:
            return state, ()
        life_ms = state.maker.order_life_ms
        maker = Maker(silent_ms=facts.now_ms, order_life_ms=life_ms)
        return replace(move(state, Trigger.LEASE), maker=maker), (Fence(),)
    if state.phase in (Phase.STANDBY, Phase.STOPPING):
        # The fence of a leader that is ready has decided our order; its book counts what it did.
        return (replace(state, inflight=None) if event.led else state), ()
    lost = unsure(move(state, Trigger.LOST))
    if state.closing is not Closing.REST:  # the pair is halted by that until a person resumes it
        lost = replace(lost, closing=None)
    if state.manual_lots or state.hand_base_lots is not None:  # another B may lead, and not know it
        lost = replace(lost, manual_lots=0, hand_base_lots=None, explained=False)
    lost = replace(lost, hand_only=False)
    return lost, (Note("deposed", "lease lost; fence and book before trading again", loud=True),)


def _on_streams(state: HedgerState, event: StreamsChanged, _facts: Facts) -> Step:
    return replace(state, streams_up=event.up), ()


def _on_reconciled(state: HedgerState, event: Reconciled, facts: Facts) -> Step:
    if state.phase not in (Phase.RECONCILING, Phase.UNKNOWN):
        return state, ()
    fresh_start, order = state.phase is Phase.RECONCILING, state.inflight
    if order is not None and event.nonce <= order.nonce:
        # Our count had run ahead (a nonce was handed back): the order's turn is still to come.
        detail = f"order {order.nonce} could still execute after {event.nonce - 1}"
        return state, (Note("fence_again", detail), Fence())
    if event.view.last_trade_id != state.last_trade_id:
        state = replace(state, own_traded_ms=facts.now_ms)
    if state.start_lots is None:
        state = replace(state, start_lots=abs(event.view.net_lots))
    state = replace(
        state,
        nonce=event.nonce,
        explained=event.explained or state.explained,
    )
    state = with_view(state, event.view)
    if why := _why_implausible(state):
        return halt(state, "implausible_fill", why)
    effects: tuple[HedgerEffect, ...] = ()
    if fresh_start:
        order = state.inflight  # with what the view says of it
        state = unsure(replace(state, inflight=None, failure=None))
        deaf_ms = max(HEARD_MS, state.config.view_lag_ms)
        state = replace(
            state, bound_id=event.view.last_trade_id, confirmed_ms=facts.now_ms + deaf_ms
        )
        state = move(state, Trigger.PROVEN)
        if order is not None and order.filled_lots:
            effects = (Report(order, owed_lots(state)),)
        return state, (*effects, ReadBaseline())
    return _resolve(state, facts)


def _resolve(state: HedgerState, facts: Facts) -> Step:
    """Close the order in doubt: the proven book says what it executed."""
    order = state.inflight
    if order is None:
        return move(state, Trigger.SETTLED), ()
    if order.filled_lots:
        return settled(state, order)
    fatal = None if order.row is None else _FATAL_STATUSES.get(order.row.status)
    reason = fatal.value if fatal else order.doubt or "outcome_unknown"
    detail = f"attempt {order.attempt} executed nothing ({order.doubt or 'no answer'})"
    failure, left = Failure(reason, detail), replace(state, inflight=None)
    if order.row is not None and order.row.status in _DRY_STATUSES:
        return missed(left, order, failure, facts)
    return attempt_failed(left, failure, fatal is not None, facts)


def _on_fence_refused(state: HedgerState, event: FenceRefused, _facts: Facts) -> Step:
    if event.code:
        reason = reason_of(event.refusal, event.code, event.message)
        failure = Failure(reason, f"{event.code} {event.message}")
    else:
        failure = Failure("outcome_unknown", event.message)
    said, state = state.failure, replace(state, failure=failure)
    if said is not None and said.reason == failure.reason:
        return state, ()
    owed = owed_lots(state)
    return state, (PublishFailure(failure, state.attempts, owed, doubted=state.inflight),)


def _on_book(state: HedgerState, event: OwnBook, facts: Facts) -> Step:
    if event.view.last_trade_id != state.last_trade_id:
        state = replace(state, own_traded_ms=facts.now_ms)
    state = with_view(state, event.view)
    if event.foreign:
        ids = list(event.foreign)
        if event.forced:
            return halt(state, "liquidation_on_b", f"the venue liquidated B in trades {ids}")
        detail = f"trades {ids} on B carry no tag of the pair (a person?)"
        return halt(state, "foreign_trade_on_b", detail)
    if why := _why_implausible(state, event.trades):
        return halt(state, "implausible_fill", why)
    if event.twin and state.phase in PROVEN_PHASES:
        note = Note("twin_trade", "another process of the pair traded on B", loud=True)
        return prove_again(state, note)
    return state, ()


def _on_order(state: HedgerState, event: OwnOrder, _facts: Facts) -> Step:
    order = state.inflight
    if order is None or order.client_order_index != event.row.client_order_index:
        return state, ()
    if order.row is not None and order.row.is_terminal and not event.listed:
        return state, ()
    state = replace(state, inflight=replace(order, row=event.row))
    if why := _why_implausible(state):
        return halt(state, "implausible_fill", why)
    return state, ()


def _why_implausible(state: HedgerState, trades: tuple[Trade, ...] = ()) -> str:
    """Return what contradicts our order in flight; said once, a halt ends what it can do."""
    order = state.inflight
    if order is None or state.phase in (Phase.HALTED, Phase.STOPPING):
        return ""
    why = why_implausible(state.config.spec, order, trades)
    return f"order {order.client_order_index} of B: {why}" if why else ""


def _on_baseline(state: HedgerState, event: BaselineRead, facts: Facts) -> Step:
    seen, known = event.target, state.a
    state = replace(state, baseline=seen or ATarget("", 0, 0, 0, 0))
    if seen is None or not event.named or _is_open(state, seen, facts):
        return state, ()
    if known is not None and known.instance == seen.instance:
        is_other = seen.seq == known.seq and seen.position_lots != known.position_lots
        if seen.seq < known.seq or is_other:  # one state has one position
            return state, ()
    if is_left(state, seen):
        return state, ()
    return _take(state, seen, fresh=event.fresh and _is_confirmed(state, seen, facts))


def _on_target(state: HedgerState, event: TargetSeen, facts: Facts) -> Step:
    new, known = event.target, state.a
    if _is_open(state, new, facts):
        return state, ()
    if known is not None and known.instance == new.instance:
        if new.seq < known.seq:
            return state, ()
        if new.seq == known.seq and new.position_lots != known.position_lots:
            note = Note("contradiction", f"A seq {new.seq} states two positions", loud=True)
            return state, (note,)
    elif not event.named or is_left(state, new):
        return state, ()
    fresh = _is_news(state.baseline, new) and _is_confirmed(state, new, facts)
    if not (fresh or state.a_fresh or state.baseline is None):
        state = replace(state, baseline=new)  # what A writes after it is news
    return _take(state, new, fresh=fresh)


def _is_open(state: HedgerState, new: ATarget, facts: Facts) -> bool:
    """Whether A itself says that its book, as this state has it, contradicts one of its trades."""
    beat = state.maker.beat
    if beat is None or not beat.is_open or not is_heard(state.maker, facts.now_ms):
        return False
    return beat.seq is not None and new.seq <= beat.seq


def _take(state: HedgerState, new: ATarget, *, fresh: bool) -> Step:
    """Take a state of A as the newest, unless it is beyond the limit.

    One that lacks what the exchange itself has stated is not: A may be deaf (it says so, or proves
    its book again); nothing that was adopted is taken back by it.
    """
    adopted = state.adopted
    if adopted is not None:
        lacks = new.last_trade_id <= adopted.last_trade_id
        if lacks and new.position_lots != adopted.position_lots:
            return state, ()
        state = replace(state, adopted=None)
    state = _without_foreign_end(state, new)
    if is_beyond(state, new.position_lots):
        return beyond(state, new.position_lots)
    fresh = fresh or state.a_fresh
    # From here on A's state is the base of what is published by hand; the old one is past.
    base = None if fresh else state.hand_base_lots
    if state.watched and state.watched[0].trade_id <= new.last_trade_id:
        left = tuple(one for one in state.unlisted if one.trade_id > new.last_trade_id)
        watched = merged(state.watched, (), new.last_trade_id)
        state = replace(state, watched=watched, unlisted=left)
    state = follow(state, new)
    if (state.a_fresh, state.hand_base_lots) != (fresh, base):
        state = replace(state, a_fresh=fresh, hand_base_lots=base)
    return state, ()


def _without_foreign_end(state: HedgerState, new: ATarget) -> HedgerState:
    """Let a live A's word be the view again where only a trade of others is newer than it.

    An adopted position bears the id of the market's newest trade. Where no trade of A is known
    above what A states, and the positions are one, A's statement is no older than that. The same
    where the newest watched trade led to that very position: its id may be another in truth, and
    what is watched carries A's statement on again if it adds up.
    """
    shown = state.shown
    if shown is None or shown.position_lots != new.position_lots:
        return state
    newest_id = state.watched[-1].trade_id if state.watched else 0
    if newest_id > new.last_trade_id and newest_id != shown.last_trade_id:
        return state
    return replace(state, shown=None)


def _is_confirmed(state: HedgerState, new: ATarget, facts: Facts) -> bool:
    """Whether a state of A may move money after our book was proven.

    What the process before hedged by its watch may be newer than what A has heard: an A whose
    stream is deaf goes on stating its old position, until it has heard nothing for too long; and
    the exchange's answers may lag. So it names a newer trade, or was written after that. A state
    that leaves nothing owed moves nothing. Times are B's own: the clock of A's host may be off, and
    set right.
    """
    if not state.config.peer_watch or new.last_trade_id > state.bound_id:
        return True
    if facts.now_ms >= state.confirmed_ms:
        return True
    held = new.position_lots + (state.net_lots or 0)
    return state.config.offset_lots + state.manual_lots - held in (0, state.dust_lots)


def _is_news(baseline: ATarget | None, new: ATarget) -> bool:
    """Whether A wrote this after our book was proven; only then may B act on it."""
    if baseline is None:
        return False
    if baseline.instance != new.instance:
        return True
    return new.seq > baseline.seq or new.stamp_s > baseline.stamp_s


def _on_proof_needed(state: HedgerState, event: ProofNeeded, _facts: Facts) -> Step:
    if state.phase not in PROVEN_PHASES:
        return state, ()
    return prove_again(state, Note("proof_needed", event.why, loud=True))


def _on_peer(state: HedgerState, event: PeerConfigured, _facts: Facts) -> Step:
    return replace(state, mismatch=event.mismatch, a_elsewhere=event.elsewhere), ()


def _on_hand(state: HedgerState, event: HandPublished, _facts: Facts) -> Step:
    if state.net_lots is None or state.phase not in PROVEN_PHASES:
        return state, (Note("hand_refused", "own book not proven yet", loud=True),)
    manual = state.manual_lots - event.signed_lots
    base = state.hand_base_lots
    if not state.a_fresh and base is None:
        base = state.net_lots - state.manual_lots
    by_hand = _is_hand_only(state)
    return replace(state, manual_lots=manual, hand_base_lots=base, hand_only=by_hand), ()


def _on_hand_cleared(state: HedgerState, _event: HandCleared, _facts: Facts) -> Step:
    return replace(state, manual_lots=0, hand_only=_is_hand_only(state)), ()


def _is_hand_only(state: HedgerState) -> bool:
    """Whether nothing but what is published by hand will be owed: no fill of A is open."""
    return state.hand_only or owed_lots(state) in (0, state.dust_lots)


def _on_close(state: HedgerState, event: CloseRequested, _facts: Facts) -> Step:
    if event.alone:
        return replace(state, closing=Closing.ALONE), ()
    return replace(state, closing=_rest_of(state)), ()


def _rest_of(state: HedgerState) -> Closing | None:
    """Return what a flatten has B close: without an offset nothing is left beside a flat A."""
    return Closing.REST if state.config.offset_lots else None


def _on_sent(state: HedgerState, event: Sent, facts: Facts) -> Step:
    order, outcome = state.inflight, event.outcome
    if (
        state.phase is not Phase.SENDING
        or order is None
        or order.client_order_index != event.client_order_index
    ):
        return state, ()
    if outcome.verdict is Verdict.ACCEPTED:
        due_ms = facts.now_ms + max(outcome.predicted_ms, 0) + state.config.settle_timeout_ms
        state = replace(state, nonce=order.nonce + 1, inflight=replace(order, settle_by_ms=due_ms))
        return move(state, Trigger.ACCEPTED), ()
    if outcome.verdict is Verdict.UNKNOWN:
        return doubt(state, order, outcome.reason, facts)
    if order.row is not None or order.filled_lots:
        return doubt(state, order, f"refused ({outcome.code}), yet the venue shows it", facts)
    return _refused(replace(state, inflight=None), order, outcome, facts)


def _refused(state: HedgerState, order: InFlight, outcome: Outcome, facts: Facts) -> Step:
    if outcome.refusal is Refusal.TOO_SMALL and below_minimums(state, order.lots, facts):
        state = replace(state, dust_lots=order.side.sign * order.lots)
        detail = f"{state.config.spec.base(order.lots)} is below the venue's minimum"
        return move(state, Trigger.REFUSED), (Note("dust", detail),)
    reason = reason_of(outcome.refusal, outcome.code, outcome.reason)
    failure = Failure(reason, f"{outcome.code} {outcome.reason}")
    if outcome.refusal.waits:
        # No attempt at the market: the next free transaction comes within 15 s, a clock is set
        # right, a market opens again, at the same cap.
        said = state.failure is not None and state.failure.reason == failure.reason
        state = replace(state, failure=failure, retry_at_ms=facts.now_ms + QUOTA_PAUSE_MS)
        return move(state, Trigger.REFUSED), (
            Note(_NO_ATTEMPT[outcome.refusal], failure.detail, loud=not said),
        )
    return attempt_failed(state, failure, outcome.refusal.is_final, facts)


def _on_halt_seen(state: HedgerState, event: HaltSeen, _facts: Facts) -> Step:
    if state.phase in (Phase.HALTED, Phase.STOPPING):
        return state, ()
    return replace(move(state, Trigger.HALT), halt_reason=event.reason), ()


def _on_halt_raised(state: HedgerState, event: HaltRaised, _facts: Facts) -> Step:
    if state.phase in (Phase.HALTED, Phase.STOPPING):
        return state, ()
    return halt(state, event.reason, event.detail)


def _on_resumed(state: HedgerState, event: Resumed, _facts: Facts) -> Step:
    closing = _rest_of(state) if event.flattened else None
    state = replace(state, explained=state.explained or event.force, closing=closing)
    if state.phase is not Phase.HALTED:
        return state, ()
    order, probes = state.inflight, state.probes
    if order is not None:  # the next proof decides about it, unless a person has
        order = None if event.force else replace(order, row=None)
    if event.force:
        lots = max(state.start_lots or 0, abs(state.net_lots or 0))
        state = replace(state, start_lots=lots)
    probes |= state.halt_reason == "implausible_fill"
    state = move(state, Trigger.RESUME)
    return unsure(replace(state, halt_reason="", inflight=order, probes=probes)), ()


def _on_maker_seen(state: HedgerState, event: MakerSeen, facts: Facts) -> Step:
    maker, beat = state.maker, event.beat
    if event.epoch is not None and event.epoch != maker.left_epoch:
        maker = replace(maker, left_epoch="", left_lots=None)
    if event.epoch is not None and event.epoch != maker.read_epoch:
        maker = replace(maker, read_epoch=event.epoch, past_epoch="")
    if beat is None:
        return (state if maker is state.maker else replace(state, maker=maker)), ()
    maker = replace(
        maker,
        beat=beat,
        silent_ms=facts.now_ms,
        spoke_ms=facts.now_ms if beat.shown else maker.spoke_ms,
        had_unanswered=beat.unanswered > 0,
        order_life_ms=max(beat.order_life_ms or 0, maker.order_life_ms),
        force_close_ms=beat.force_close_ms or maker.force_close_ms,
        stated=None,
        empty_ms=None,
        is_empty_twice=False,
    )
    if beat.left and beat.position_lots is not None:
        maker = replace(maker, left_epoch=beat.epoch, left_lots=beat.position_lots)
    quantity_lots = beat.quantity_lots or 0
    if beat.position_lots != 0 or state.net_lots != state.config.offset_lots:
        quantity_lots = max(quantity_lots, state.quantity_lots)
    return passed_without(replace(state, maker=maker, quantity_lots=quantity_lots), beat)


def _on_leader(state: HedgerState, event: LeaderSeen, _facts: Facts) -> Step:
    if event == state.leader:
        return state, ()
    beats = state.leader_beats + 1 if state.stop_by_ms is not None and state.leader else 0
    return replace(state, leader=event, leader_beats=beats), ()


def _on_maker_stated(state: HedgerState, event: MakerStated, _facts: Facts) -> Step:
    return on_stated(state, event)


def _on_stop(state: HedgerState, _event: StopRequested, facts: Facts) -> Step:
    if state.stop_by_ms is not None:
        return state, ()
    return replace(state, stop_by_ms=facts.now_ms + state.config.stop_deadline_ms), ()


def _on_tick(state: HedgerState, event: Tick, facts: Facts) -> Step:
    if event.own_shown != state.own_shown:
        state = replace(state, own_shown=event.own_shown)
    order = state.inflight
    if order is None or order.doubt_ms is None or order.overdue:
        return state, ()
    if facts.now_ms < order.doubt_ms + state.config.settle_timeout_ms:
        return state, ()
    return replace(state, inflight=replace(order, overdue=True)), ()


_HANDLERS: dict[type, Callable[[HedgerState, Any, Facts], Step]] = {
    LeaseChanged: _on_lease,
    StreamsChanged: _on_streams,
    Reconciled: _on_reconciled,
    FenceRefused: _on_fence_refused,
    OwnBook: _on_book,
    OwnOrder: _on_order,
    BaselineRead: _on_baseline,
    TargetSeen: _on_target,
    PeerTraded: on_peer_traded,
    PeerAnswered: on_peer_answered,
    ProofNeeded: _on_proof_needed,
    PeerConfigured: _on_peer,
    LeaderSeen: _on_leader,
    MakerSeen: _on_maker_seen,
    MakerStated: _on_maker_stated,
    HandPublished: _on_hand,
    HandCleared: _on_hand_cleared,
    CloseRequested: _on_close,
    Sent: _on_sent,
    HaltSeen: _on_halt_seen,
    HaltRaised: _on_halt_raised,
    Resumed: _on_resumed,
    StopRequested: _on_stop,
    Tick: _on_tick,
}
