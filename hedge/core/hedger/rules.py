"""What the hedger's state calls for: settle, decide, send, count failures, stop."""

from collections.abc import Iterator
from dataclasses import replace

from hedge.core import ids, pricing
from hedge.core.amounts import Side
from hedge.core.book import BookView
from hedge.core.hedger.alarms import mind_a, mind_evidence, mind_view
from hedge.core.hedger.departure import LEADER_BEATS, SAY_OPEN_MS, is_heard, shown_gone
from hedge.core.hedger.state import (
    IN_FLIGHT,
    PROVEN_PHASES,
    TRANSITIONS,
    ATarget,
    Closing,
    Failure,
    Fence,
    HaltPair,
    HedgerEffect,
    HedgerState,
    InFlight,
    Note,
    Phase,
    PublishFailure,
    Report,
    SendHedge,
    Stopped,
    Trigger,
)
from hedge.core.hedger.turn import hold_of_turn, mind_turn
from hedge.core.hedger.view import a_view, closes_own
from hedge.core.hedger.watch import AGREES_AFTER_MS, without
from hedge.core.holds import Hold
from hedge.core.refusal import Refusal
from hedge.core.transitions import Facts, look_up

Step = tuple[HedgerState, tuple[HedgerEffect, ...]]

_OF_THE_KEY = frozenset(one.value for one in Refusal if one.is_of_key)

PART_PERCENT = 98
"""So much of the margin's room is used where an order for all of the debt was refused."""
WORTH_PERCENT = 90
"""What was too small is tried again where it is worth the least amount at this much of mark."""
DRY_MS = 10_000
"""So long without a price inside the bounds is a failure; B goes on trying."""
AGAIN_MS = 100
"""The pause after a second miss, while the book changes; each further one is twice as long."""

QUANTITIES = 10
"""A position of so many of A's quantities is taken for the pair's own, where nothing is configured.
"""


def owed_lots(state: HedgerState) -> int | None:
    """Return what B must trade (positive buys) to answer its view of A; None while unknown."""
    if state.net_lots is None:
        return None
    if state.closing is Closing.ALONE:
        return -state.net_lots
    view = a_view(state)
    if view is not None and state.a_fresh and state.looked:
        if closes_own(state):
            return -state.net_lots
        held = view.position_lots + state.net_lots
        return state.config.offset_lots + state.manual_lots - held
    if state.hand_base_lots is not None:
        return state.hand_base_lots + state.manual_lots - state.net_lots
    return None


def is_heard_now(state: HedgerState, now_ms: int) -> bool:
    """Whether A's own newest heartbeat is fresh."""
    return is_heard(state.maker, now_ms)


def watch_due_ms(state: HedgerState, since_ms: int) -> int | None:
    """Return when to ask for A's trades to confirm what was watched; None while nothing needs it.

    `since_ms` is since when a watched trade has been above all that A states.
    """
    lag_ms, watched = state.config.view_lag_ms, {one.trade_id for one in state.watched}
    due = [one.due_ms(lag_ms) for one in state.unlisted if one.trade_id in watched]
    stated_id = state.a.last_trade_id if state.a is not None else 0
    due += [
        one.asked_ms + AGREES_AFTER_MS for one in state.claimed if one.trade.trade_id > stated_id
    ]
    if (
        state.watched
        and state.watched[-1].trade_id > state.listed_id
        and len(without(state.watched, state.unlisted))
    ):
        due.append(since_ms)
    return min(due, default=None)


def is_view_confirmed(state: HedgerState) -> bool:
    """Whether B's view of A rests on what A stated and the venue's answers, not on frames alone."""
    view = a_view(state)
    if view is None or view is state.a or not state.watched:
        return view is not None
    carried_on = [one for one in state.watched if one.trade_id <= view.last_trade_id]
    is_listed = not carried_on or carried_on[-1].trade_id <= state.listed_id
    return is_listed and len(without(tuple(carried_on), state.unlisted)) == len(carried_on)


def target_known(state: HedgerState) -> bool:
    """Whether B's view of A is known to be current, and its own book proven."""
    proven = state.phase in PROVEN_PHASES and state.consistent
    return proven and state.a is not None and state.a_fresh and state.looked


def is_flat_by_order(state: HedgerState) -> bool:
    """Whether both sides are flat as a person ordered; B holds no offset then."""
    return state.closing is Closing.REST and closes_own(state) and state.net_lots == 0


def answerable(state: HedgerState) -> ATarget | None:
    """Return the state of A that the ledger may answer: one that A's own process has stated.

    None that B knows to be outdated, and none that only the watch has found: it has no instance.
    None where A is configured otherwise, or while B closes its own: what is owed is another sum
    than A's. None while nothing shows what A holds now, or what B does.
    """
    is_shown = state.a_shown and state.own_shown
    if not is_shown or state.mismatch or (closes_own(state) and not is_flat_by_order(state)):
        return None
    known = state.a if target_known(state) and a_view(state) is state.a else None
    return known if known is not None and known.instance else None


def is_covered(state: HedgerState) -> bool:
    """Whether nothing is in flight and nothing is owed, dust aside."""
    owed = owed_lots(state)
    return state.phase not in IN_FLIGHT and owed is not None and owed in (0, state.dust_lots)


# --- the decision ----------------------------------------------------------------------------


def advance(state: HedgerState, effects: tuple[HedgerEffect, ...], facts: Facts) -> Step:
    """Do what the state now calls for: settle, send, or stop."""
    if state.phase is Phase.SETTLING:
        state, more = _settle(state, facts)
        effects += more
    state, more = mind_turn(state, owed_lots(state), a_view(state), facts)
    effects += more
    late = state.stop_by_ms is not None and facts.now_ms >= state.stop_by_ms
    if state.phase in (Phase.IDLE, Phase.FAILED) and not late:
        state, more = _mind_price(state, facts)
        effects += more
        state, more = _decide(state, facts)
        effects += more
    if state.stop_by_ms is not None and state.phase is not Phase.STOPPING:
        state, more = _stop_if_done(state, facts)
        effects += more
    for mind in (mind_evidence, mind_a, mind_view):
        state, more = mind(state, facts)
        effects += more
    return state, effects


def _settle(state: HedgerState, facts: Facts) -> Step:
    order = state.inflight
    if order is None or order.settle_by_ms is None:
        return state, ()
    row = order.row
    if row is not None and row.is_terminal and order.filled_lots == row.filled_lots:
        if order.filled_lots:
            return settled(state, order)
        return doubt(state, order, row.status.value.replace("-", "_"), facts)
    if facts.now_ms >= order.settle_by_ms:
        return doubt(state, order, "not_settled_in_time", facts)
    return state, ()


def settled(state: HedgerState, order: InFlight) -> Step:
    """Count progress: the order executed something, and all of it is in the book."""
    debt = state.debt
    is_part = debt is not None and debt.parts  # then what is left stays refused
    state = replace(
        move(state, Trigger.SETTLED),
        inflight=None,
        attempts=0,
        misses=0,
        missed=None,
        dry_ms=None,
        retry_at_ms=None,
        backoff_ms=0,
        failure=state.failure if is_part else None,
        probes=False,
        debt=debt and replace(debt, final=is_part, parts=False),
    )
    return state, (Report(order, owed_lots(state)),)


def _decide(state: HedgerState, facts: Facts) -> Step:
    if not state.consistent:
        detail = "with nothing in flight the book contradicts itself: a trade is missing"
        return prove_again(state, Note("book_gap", detail, loud=True))
    owed = owed_lots(state)
    if owed is None:
        return state, ()
    if owed != state.dust_lots or _is_tradable(state, owed, facts):
        state = replace(state, dust_lots=0)
    if owed in (0, state.dust_lots):
        return _rest(state, owed, facts)
    if state.a_fresh and not state.explained and state.closing is not Closing.ALONE:
        state, effects = _judge_drift(state, owed, facts)
        if state.phase is Phase.HALTED:
            return state, effects
        return _after(effects, _send(state, owed, facts))
    return _send(state, owed, facts)


def _is_tradable(state: HedgerState, owed: int, facts: Facts) -> bool:
    """Whether a debt is known to be above the minimums by now: what was dust need not stay so.

    Clearly above: the exchange values an order by its price, which is a cap away from mark.
    """
    spec, mark = facts.spec or state.config.spec, facts.mark_ticks
    return mark is not None and spec.can_rest(abs(owed), mark * WORTH_PERCENT // 100)


def _after(effects: tuple[HedgerEffect, ...], then: Step) -> Step:
    state, more = then
    return state, (*effects, *more)


def _rest(state: HedgerState, owed: int, facts: Facts) -> Step:
    """Nothing to do: forget failures, and the hand-made base once it is reached again."""
    if state.phase is Phase.FAILED:
        state = move(state, Trigger.COVERED)
    if state.closing is Closing.ALONE:
        return halt(
            state, "flatten_alone", "a person closed B alone; B trades nothing until resumed"
        )
    if state.failure is not None and state.failure.reason in _OF_THE_KEY:
        # Nothing is owed, but the next debt would be refused as well: only a fence disproves that.
        if facts.now_ms < (state.retry_at_ms or 0):
            return state, ()
        return prove_again(state, Note("key_refused", state.failure.detail, loud=True))
    if state.failure or state.attempts or state.misses:
        state = replace(
            state,
            failure=None,
            attempts=0,
            misses=0,
            missed=None,
            retry_at_ms=None,
            backoff_ms=0,
        )
    if owed == 0 and state.a_fresh and not state.explained:
        state = replace(state, explained=True)
    if owed == 0 and state.manual_lots == 0 and state.hand_base_lots is not None:
        state = replace(state, hand_base_lots=None)
    return state, ()


def _judge_drift(state: HedgerState, owed: int, facts: Facts) -> Step:
    """Judge a debt that nothing explains: small is hedged aloud, large halts."""
    if facts.mark_ticks is None:
        return state, ()
    spec = state.config.spec
    value = spec.quote_micros(abs(owed), facts.mark_ticks)
    what = f"{spec.base(owed)} {spec.symbol} is owed and nothing on record explains it"
    if value > state.config.max_drift_micros:
        return halt(state, "unexplained_position", what)
    return replace(state, explained=True), (Note("drift_hedged", what, loud=True),)


def _send(state: HedgerState, owed: int, facts: Facts) -> Step:
    if state.nonce is None or why_not_sent(state, facts) is not None:
        return state, ()
    limit, spec = limit_lots(state), facts.spec or state.config.spec
    if limit is not None and abs(state.net_lots or 0) > limit and not closes_own(state):
        what = f"B holds {spec.base(state.net_lots or 0)}, beyond the limit of {spec.base(limit)}"
        return halt(state, "implausible_fill", what)
    side, lots, width = Side.of(owed), sendable_lots(state, facts), state.misses + 1
    order = InFlight(
        client_order_index=ids.order_id(state.config.instance, state.nonce),
        nonce=state.nonce,
        side=side,
        lots=min(lots, spec.min_base_lots) if state.probes else lots,
        attempt=state.attempts + width,
        width=width,
        met=pricing.met_by(facts.book, side),
    )
    state = replace(
        move(state, Trigger.SEND),
        inflight=order,
        last_sent_ms=facts.now_ms,
        retry_at_ms=None,
        dust_lots=0,
    )
    return state, (SendHedge(order),)


def sendable_lots(state: HedgerState, facts: Facts) -> int:
    """Return how much of the debt the next order is for: all, or what the margin allows.

    Never more than one order may be worth at its cap: what is left follows once that is settled.
    A little less than the margin that is stated: fees and the price of the execution count too.
    Where that is refused as well, the exchange counts otherwise than we do: half of it, and so on.
    """
    owed, debt, room = owed_lots(state) or 0, state.debt, facts.room_lots
    lots, cap = abs(owed), hedge_cap_ticks(state, Side.of(owed), facts)
    if cap is not None:
        lots = min(lots, pricing.most_lots(facts.spec or state.config.spec, cap))
    is_margin = state.failure is not None and state.failure.reason == Refusal.MARGIN.value
    if debt is None or not debt.final or not is_margin or not room:
        return lots
    return min(lots, max(1, (room * PART_PERCENT // 100) >> max(0, min(state.attempts - 1, 3))))


def gives_lots(state: HedgerState) -> int | None:
    """Return what B leaves to A at once, since the exchange refuses it for good; None for nothing.

    Signed as what is owed. A fresh word of it is A's leave to reduce itself by that.
    """
    debt = state.debt
    if debt is None or not debt.final or not debt.yields or state.phase in IN_FLIGHT:
        return None
    return owed_lots(state)


def hedge_cap_ticks(state: HedgerState, side: Side, facts: Facts) -> int | None:
    """Return the worst price of B's next order, None without any price.

    It widens with each order that found no liquidity, not with one that was refused.
    """
    config = state.config
    return pricing.cap_ticks(
        facts.book,
        side,
        state.misses + 1,
        config.retry_times,
        config.max_slippage_bps,
        config.max_mark_gap_bps,
    )


def _no_price(state: HedgerState, facts: Facts) -> Hold | None:
    """Return that the book, as it is now, has no price at which B may hedge; None where it has.

    A book that is not known as it is now decides nothing: then an order finds out.
    """
    owed, depth, spec = owed_lots(state), facts.book, state.config.spec
    if not owed or not depth.is_live:
        return None
    side = Side.of(owed)
    levels, cap = pricing.met_by(depth, side), hedge_cap_ticks(state, side, facts)
    if levels and cap is not None and pricing.is_inside(levels[0].price_ticks, side, cap):
        return None
    kind = "asks" if side is Side.BUY else "bids"
    best = f"the best is {spec.price(levels[0].price_ticks)}" if levels else "it has none"
    mark = "unknown" if depth.mark_ticks is None else spec.price(depth.mark_ticks)
    gap = f"safety.max_mark_gap_bps is {state.config.max_mark_gap_bps}"
    detail = f"no price inside the bounds: of {kind} {best}, mark is {mark}, {gap}"
    return Hold("no_price", detail)


def _mind_price(state: HedgerState, facts: Facts) -> Step:
    """Note since when there is no price inside the bounds; publish it as a failure once it lasts.

    B goes on trying, as soon as there is one.
    """
    hold, dry_ms = _no_price(state, facts), state.dry_ms
    if hold is None and not state.misses:
        return (state if dry_ms is None else replace(state, dry_ms=None)), ()
    dry_ms = facts.now_ms if dry_ms is None else dry_ms
    state = replace(state, dry_ms=dry_ms)
    if hold is None or state.phase is not Phase.IDLE or facts.now_ms < dry_ms + DRY_MS:
        return state, ()
    failure = Failure("max_retries_exceeded", hold.detail)
    state = replace(move(state, Trigger.EXHAUSTED), failure=failure)
    attempts = state.attempts + state.misses
    return state, (PublishFailure(failure, attempts, owed_lots(state)),)


def missed(state: HedgerState, order: InFlight, failure: Failure, facts: Facts) -> Step:
    """Count an order that found no liquidity inside its cap: wait until the book has changed.

    At most `retry_delay_ms`. After ten seconds without a price it is a failure like any other.
    """
    dry_ms = facts.now_ms if state.dry_ms is None else state.dry_ms
    state = replace(
        state,
        misses=state.misses + 1,
        missed=order.met,
        missed_ms=facts.now_ms,
        dry_ms=dry_ms,
    )
    if facts.now_ms >= dry_ms + DRY_MS:
        return attempt_failed(state, failure, fatal=False, facts=facts, last=True)
    state = replace(state, retry_at_ms=facts.now_ms + state.config.retry_delay_ms)
    note = Note("attempt_failed", f"{failure.reason}: {failure.detail}", loud=True)
    return move(state, Trigger.REFUSED), (note,)


def _has_changed(state: HedgerState, facts: Facts) -> bool:
    """Whether the book is another one than that in which the last order found nothing."""
    owed = owed_lots(state)
    if state.missed is None or not owed:
        return False
    pause_ms = AGAIN_MS << (min(state.misses, 16) - 2) if state.misses > 1 else 0
    if state.failure is not None:
        pause_ms = state.config.backoff_min_ms
    is_other = pricing.met_by(facts.book, Side.of(owed)) != state.missed
    return is_other and facts.now_ms >= state.missed_ms + pause_ms


def limit_lots(state: HedgerState) -> int | None:
    """Return the largest position that the pair takes for its own; None without any word of it.

    As configured, else ten times the largest quantity that A has stated, and never less than what
    B held at its start, or A has held. Whatever the exchange executes, no order is made from more.
    """
    config = state.config
    if config.max_position_lots is None and not state.quantity_lots:
        return None
    limit = config.max_position_lots or QUANTITIES * state.quantity_lots
    return max(limit, state.start_lots or 0, state.a_largest_lots) + abs(config.offset_lots)


def obstacles(state: HedgerState, facts: Facts) -> Iterator[Hold]:
    """Yield what keeps B, with its book proven, from hedging anything."""
    if facts.cannot_sign:
        yield Hold("clock", facts.cannot_sign)
    if not state.streams_up:
        yield Hold("streams_down", facts.streams_down)
    if not facts.is_market_open:  # each attempt would be refused, and counted
        symbol = state.config.spec.symbol
        yield Hold("market_closed", f"market {symbol} is {facts.market_status}")
    if facts.mark_ticks is None:
        yield Hold("no_market_data", "no market data")
    if state.mismatch:
        yield Hold("mismatch", f"configured differently: {state.mismatch}")


def why_not_sent(state: HedgerState, facts: Facts) -> Hold | None:
    """Return what keeps B, with its book proven, from sending an order now; None for nothing."""
    for hold in obstacles(state, facts):
        return hold
    turn = hold_of_turn(state)
    if turn is not None:
        return turn
    dry = _no_price(state, facts)
    if dry is not None:
        return dry
    waits = state.retry_at_ms is not None and facts.now_ms < state.retry_at_ms
    if state.retry_at_ms is not None and waits and not _has_changed(state, facts):
        why = f": {state.failure.reason}" if state.failure is not None else ""
        left_s = (state.retry_at_ms - facts.now_ms + 999) // 1000
        return Hold("retry_pause", f"B's last attempt failed{why}; the next one in {left_s} s")
    waiting = state.last_sent_ms is not None and (
        facts.now_ms < state.last_sent_ms + state.config.merge_wait_ms
    )
    if facts.crowded and waiting:
        return Hold("merging", "B waits for further fills: its request budget is nearly used up")
    return None


def hold_of(state: HedgerState, facts: Facts) -> Hold | None:
    """Return why B trades nothing though it owes, or may owe; None where it owes nothing.

    Nor while an order of it is in flight.
    """
    if state.phase not in (Phase.IDLE, Phase.FAILED):
        return _by_phase(state)
    owed = owed_lots(state)
    if owed is None:
        return Hold("a_unknown", "A's position is not known to be current")
    return None if owed in (0, state.dust_lots) else why_not_sent(state, facts)


def _by_phase(state: HedgerState) -> Hold | None:
    match state.phase:
        case Phase.STANDBY:
            return Hold("no_lease", "another process has B's lease")
        case Phase.RECONCILING:
            return Hold("book_not_proven", "own book not proven yet")
        case Phase.HALTED:
            return Hold("halted", f"halted: {state.halt_reason}")
        case Phase.STOPPING:
            return Hold("stopping", "stopping")
        case _:
            return None


def attempt_failed(
    state: HedgerState,
    failure: Failure,
    fatal: bool,  # noqa: FBT001
    facts: Facts,
    *,
    last: bool = False,
) -> Step:
    """Count a proven failure: try again after a delay, or give up loudly and back off.

    `last`: it has been tried for long enough; that was counted otherwise.
    """
    config, attempts = state.config, state.attempts + (not last)
    if not fatal and not last and attempts < config.retry_times:
        debt = state.debt and replace(state.debt, parts=False)
        retry_at_ms = facts.now_ms + config.retry_delay_ms
        state = replace(state, attempts=attempts, retry_at_ms=retry_at_ms, debt=debt)
        note = Note("attempt_failed", f"{failure.reason}: {failure.detail}", loud=True)
        return move(state, Trigger.REFUSED), (note,)
    wait_ms = min(max(state.backoff_ms * 2, config.backoff_min_ms), config.backoff_max_ms)
    said = state.failure
    if not fatal:
        failure = Failure("max_retries_exceeded", f"{failure.reason}: {failure.detail}")
    state = replace(
        move(state, Trigger.EXHAUSTED),
        attempts=attempts,
        retry_at_ms=facts.now_ms + wait_ms,
        backoff_ms=wait_ms,
        failure=failure,
    )
    state = _given_up(state, facts) if fatal else state
    if said is not None and said.reason == failure.reason:
        return state, (Note("still_failing", f"{failure.reason}: {failure.detail}", loud=True),)
    tried = attempts + state.misses
    return state, (PublishFailure(failure, tried, owed_lots(state), _rest_of(state, facts)),)


def _given_up(state: HedgerState, facts: Facts) -> HedgerState:
    """Return the state after a final refusal: what is possible goes at once, A has the rest."""
    debt = state.debt
    if debt is None:  # a person's order: A can do nothing about it
        return state
    is_margin = state.failure is not None and state.failure.reason == Refusal.MARGIN.value
    parts = is_margin and bool(facts.room_lots) and state.attempts < state.config.retry_times
    state = replace(state, debt=replace(debt, final=True, parts=parts))
    return replace(state, retry_at_ms=None) if parts else state


def _rest_of(state: HedgerState, facts: Facts) -> int | None:
    """Return what of the debt stays naked after a final refusal; None where none was."""
    owed, debt = owed_lots(state), state.debt
    if not owed or debt is None or not debt.final:
        return None
    part = sendable_lots(state, facts) if debt.parts else 0
    return (abs(owed) - part) * (1 if owed > 0 else -1)


def doubt(state: HedgerState, order: InFlight, why: str, facts: Facts) -> Step:
    """Leave the order's fate open and ask for a fence."""
    state = replace(state, inflight=replace(order, doubt=why, doubt_ms=facts.now_ms))
    note = Note("outcome_open", f"order {order.client_order_index}: {why}", loud=True)
    return move(state, Trigger.DOUBT), (note, Fence())


def prove_again(state: HedgerState, note: Note) -> Step:
    """Prove the book, and A's state after it, anew; a fence already on its way serves too."""
    fences = () if state.phase is Phase.UNKNOWN else (Fence(),)
    return unsure(move(state, Trigger.FENCE)), (note, *fences)


def unsure(state: HedgerState) -> HedgerState:
    """Return the state with a view of A that must first be shown not to be older than our book.

    With a watch that takes one public answer too: an earlier process, or this one, may have hedged
    what it saw there before A knew of it.
    """
    return replace(
        state, a_fresh=False, baseline=None, adopted=None, looked=not state.config.peer_watch
    )


def halt(state: HedgerState, reason: str, detail: str) -> Step:
    """Stop trading and halt the pair; a further reason is another halt, and needs its own release.

    On the way out it holds the next start.
    """
    if state.phase in (Phase.HALTED, Phase.STOPPING):
        return state, (HaltPair(reason, detail),)
    state = replace(move(state, Trigger.HALT), halt_reason=reason)
    return state, (HaltPair(reason, detail),)


def _stop_if_done(state: HedgerState, facts: Facts) -> Step:
    """End where B may leave, or its time is over; say once what it waits for."""
    if state.phase is Phase.STANDBY and state.leader_beats >= LEADER_BEATS:
        # A standby owes nothing: what it last knew of A is for the process that leads to answer.
        is_clean = state.manual_lots == 0 and state.inflight is None
        return move(state, Trigger.STOP), (Stopped(is_clean),)
    asked_ms = (state.stop_by_ms or 0) - state.config.stop_deadline_ms
    waited_ms = facts.now_ms - asked_ms
    why = why_stays(state, facts.now_ms)
    if not why:
        return move(state, Trigger.STOP), (Stopped(neutral=True),)
    # No waiting helps where a person must act first.
    hopeless = state.phase is Phase.HALTED and waited_ms >= SAY_OPEN_MS
    by_hand = bool(state.manual_lots) and why == _by_hand(state)
    if hopeless or by_hand or facts.now_ms >= (state.stop_by_ms or 0):
        return move(state, Trigger.STOP), (Note("left_open", why, loud=True), Stopped(False))
    if waited_ms >= SAY_OPEN_MS and not state.said_open:
        return replace(state, said_open=True), (Note("stop_waits", why, loud=True),)
    return state, ()


def why_stays(state: HedgerState, now_ms: int) -> str:
    """Return what B, asked to stop, still has to wait for; "" where it may leave.

    It leaves last: when it covers A, and nothing of A can fill any more.
    """
    why = _why_not_covered(state)
    if why:
        return why
    maker, beat = state.maker, state.maker.beat
    has_said = beat is not None and is_heard(maker, now_ms) and beat.answers_leaving and beat.proven
    if beat is not None and has_said and not beat.orders:
        if _is_covering(state, beat.position_lots):
            return ""
        return "A's newest position is not covered yet"
    if _is_covering(state, maker.left_lots):
        return ""
    gone_lots = shown_gone(maker, state.config.view_lag_ms, now_ms)
    if _is_covering(state, gone_lots):
        return ""
    if beat is not None and is_heard(maker, now_ms):
        if beat.orders:
            return f"A has {beat.orders} order(s) in the book or without a clear answer"
        return "A has not shown yet that nothing of it can fill"
    life_s = maker.order_life_ms / 1000
    return f"A is silent, and an order of A that is not known could fill for {life_s:g} s more"


def _is_covering(state: HedgerState, a_lots: int | None) -> bool:
    """Whether B's position answers this position of A, dust aside."""
    if a_lots is None or state.net_lots is None:
        return False
    if is_flat_by_order(state):
        return a_lots == 0
    owed = state.config.offset_lots - a_lots - state.net_lots
    return owed in (0, state.dust_lots)


def _why_not_covered(state: HedgerState) -> str:
    """Return why B's own position is not what it should be, as far as it knows."""
    spec = state.config.spec
    if state.phase is Phase.STANDBY:
        return "no other B leads that is heard"
    if state.phase in IN_FLIGHT or state.inflight is not None:
        return "an order of B is not settled"
    if state.net_lots is None or state.phase is Phase.RECONCILING:
        return "B's book is not proven yet"
    if not (state.streams_up and state.own_shown and state.consistent):
        return "B has heard nothing of the exchange for too long"
    owed = owed_lots(state)
    if owed is not None and owed not in (0, state.dust_lots):
        return f"B owes {spec.base(owed)} {spec.symbol}"
    return _by_hand(state) if state.manual_lots else ""


def _by_hand(state: HedgerState) -> str:
    spec = state.config.spec
    return f"{spec.base(state.manual_lots)} {spec.symbol} published by hand is still open"


# --- small parts -----------------------------------------------------------------------------


def move(state: HedgerState, trigger: Trigger) -> HedgerState:
    """Move through the table. Raises IllegalTransitionError for a missing row."""
    return replace(state, phase=look_up(TRANSITIONS, state.phase, trigger))


def with_view(state: HedgerState, view: BookView) -> HedgerState:
    """Take over what the book says now."""
    order = state.inflight
    if order is not None:
        filled = view.filled.get(order.client_order_index, order.filled_lots)
        order = replace(order, filled_lots=filled)
    return replace(
        state,
        net_lots=view.net_lots,
        last_trade_id=view.last_trade_id,
        consistent=view.consistent,
        inflight=order,
    )


def below_minimums(state: HedgerState, lots: int, facts: Facts) -> bool:
    """Whether an order of this size could not rest at the mark price."""
    spec = facts.spec or state.config.spec
    return facts.mark_ticks is not None and not spec.can_rest(lots, facts.mark_ticks)
