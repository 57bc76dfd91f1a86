"""What the maker's state calls for: end, cancel, hold, release, place, close, stop."""

from dataclasses import replace

from hedge.core.amounts import Side
from hedge.core.holds import Hold
from hedge.core.maker import pacing
from hedge.core.maker.alarms import mind_b, mind_hold
from hedge.core.maker.closing import Closing
from hedge.core.maker.gaps import catch_up, contradiction
from hedge.core.maker.moves import (
    QUIET,
    Step,
    answer_of_b,
    fence,
    halt,
    move,
    new_order,
    raised,
    uncover,
)
from hedge.core.maker.quoting import (
    called_for,
    is_covered,
    tolerance_ticks,
    why_not_at,
    why_not_now,
)
from hedge.core.maker.repeats import again
from hedge.core.maker.state import (
    Cancel,
    Change,
    LookAtEnd,
    MakerEffect,
    MakerState,
    Note,
    Order,
    Pending,
    Phase,
    Place,
    Stopped,
    Trigger,
)
from hedge.core.maker.unwinding import NAKED, close, give_back, look, time_outs
from hedge.core.transitions import Facts

SAY_OPEN_MS = 8000
"""After this long a side that was asked to stop says what is open."""
LISTED_AGAIN_MS = 2000
"""So far apart are two questions whether an order has ended."""
OFF_LEVEL_MS = 1000
"""A level that comes back within this is no reason to requote: each costs a request or two."""
TO_REPLACE = 2
"""Requests that another order in place of this one takes: the cancel, and the order."""
ROUND = 2
"""Requests that a requote leaves over: for the two orders of a round."""
ROOM_COMES_MS = 15_000
"""So much longer an old order rests while the request budget has no room for another one."""
GIVE_UP_CHANGES = 3
"""After so many changes in a row that came to nothing, orders are cancelled and placed again."""
BLIND_MS = 5000
"""So long may an order rest while nothing shows where its level is."""


def advance(state: MakerState, facts: Facts) -> Step:
    """Do all that the state calls for now; each rule sees what the one before it left."""
    effects: tuple[MakerEffect, ...] = ()
    for rule in _RULES:
        state, more = rule(state, facts)
        effects += more
    return state, effects


def _expire(state: MakerState, facts: Facts) -> Step:
    """Let go of what B said once it is not fresh any more: it is asked at every use."""
    peer = state.peer
    if peer.fresh_until_ms is not None and facts.now_ms > peer.fresh_until_ms:
        reasons = ("B does not answer our heartbeats any more",)
        if not state.redis_up:
            reasons = (f"not known: {state.redis_why}",)
        peer = replace(peer, ready=False, alive=False, reasons=reasons, fresh_until_ms=None)
    ledger = peer.ledger
    until_ms = ledger.fresh_until_ms if ledger is not None else None
    if until_ms is not None and facts.now_ms > until_ms:
        peer = replace(peer, ledger=None)
    return (state if peer is state.peer else replace(state, peer=peer)), ()


# --- the order's life ------------------------------------------------------------------------


def _note_row(state: MakerState, facts: Facts) -> Step:
    """Follow the order's row: it rests, it has filled, it has ended."""
    order = state.order
    if order is None or order.row is None:
        return state, ()
    row = order.row
    if row.is_terminal and order.ended_ms is None:
        order = replace(order, ended_ms=facts.now_ms)
        state = replace(state, order=order)
    if state.phase is Phase.PLACING and state.pending is None and not row.is_terminal:
        state = move(state, Trigger.OPENED)
    if row.filled_lots and state.phase in (Phase.PLACING, Phase.WORKING, Phase.CANCELLING):
        if state.uncovered_ms is None:  # its trade says when; the last fill's time is past
            state = replace(state, raised_ms=None)
        state = uncover(move(state, Trigger.FILL), facts)
    return state, ()


def _end_order(state: MakerState, facts: Facts) -> Step:
    """Let go of an order whose end is shown and whose trades are all counted."""
    order = state.order
    if order is None or state.pending is not None or order.row is None:
        return state, ()
    if not order.row.is_terminal or order.filled_lots != order.row.filled_lots:
        return state, ()
    unfilled = order.filled_lots == 0
    if unfilled and order.copies > 1:
        return fence(state, "a second copy of an unfilled order may still be on its way")
    if order.is_end_doubtful:
        return _look_at_end(state, order, facts)
    state = replace(state, order=None)
    word, effects = order.row.status.value, tuple[MakerEffect, ...]()
    if not unfilled or order.cancel_ms is not None:
        state = replace(state, repeats=None)
        pause_ms = 0
    else:
        state, pause = again(state, word, word)
        pause_ms, effects = pause.ms, pause.effects
        if order.closing and state.phase is Phase.PLACING:
            pause_ms = max(pause_ms, state.config.deadline_ms)  # no buyer inside its bound
    if unfilled:
        state = replace(state, retry_at_ms=facts.now_ms + pause_ms)
        if state.phase in (Phase.PLACING, Phase.WORKING, Phase.CANCELLING):
            state = move(state, Trigger.ENDED)
    size = state.config.spec.base(order.filled_lots)
    return state, (Note("order_ended", f"{word}, {size} filled"), *effects)


def _look_at_end(state: MakerState, order: Order, facts: Facts) -> Step:
    """Ask the exchange whether the order has ended, again until it lists that."""
    if order.asked_ms is not None and facts.now_ms < order.asked_ms + LISTED_AGAIN_MS:
        return state, ()
    state = replace(state, order=replace(order, asked_ms=facts.now_ms))
    return state, (LookAtEnd(order.client_order_index),)


def _deadlines(state: MakerState, facts: Facts) -> Step:
    """Close by a fence what the venue does not close in time."""
    order = state.order
    if order is None or state.pending is not None:
        return state, ()
    limit_ms = state.config.deadline_ms
    if order.row is None and facts.now_ms >= order.sent_ms + limit_ms:
        return fence(state, "the venue does not show our order")
    cancelled = order.cancel_ms is not None and order.ended_ms is None
    if cancelled and facts.now_ms >= (order.cancel_ms or 0) + limit_ms:
        return fence(state, "the venue does not confirm our cancel")
    if order.ended_ms is not None and facts.now_ms >= order.ended_ms + limit_ms:
        return _fence_the_end(state, order, facts)
    unended = order.whole_ms is not None and order.ended_ms is None
    if unended and facts.now_ms >= (order.whole_ms or 0) + limit_ms:
        return fence(state, "the venue does not show the end of our filled order")
    return state, ()


def _fence_the_end(state: MakerState, order: Order, facts: Facts) -> Step:
    if order.row is None or not order.is_end_doubtful:
        return fence(state, "the ended order's trades do not add up")
    word = order.row.status.value
    state, pause = again(state, word, word)
    state = replace(state, retry_at_ms=facts.now_ms + pause.ms)
    state, effects = fence(state, f"the exchange does not list the end that it told of ({word})")
    return state, (*pause.effects, *effects)


def _mind_level(state: MakerState, facts: Facts) -> Step:
    """Note since when our order is off its level, and since when nothing shows where that is."""
    order, now_ms = state.order, facts.now_ms
    if order is None or order.closing:
        return _since(state, None, None), ()
    level, off_ms, blind_ms = _level(order.side, facts), state.off_level_ms, state.blind_ms
    is_off = level is not None and _is_off(state, order, level, facts)
    off_ms = (now_ms if off_ms is None else off_ms) if is_off else None
    blind_ms = (now_ms if blind_ms is None else blind_ms) if level is None else None
    return _since(state, off_ms, blind_ms), ()


def _is_off(state: MakerState, order: Order, level_ticks: int, facts: Facts) -> bool:
    """Whether the order is off its level by more than it may be.

    Where requests are few it rests as far behind it as it likes: they are for what follows a fill.
    """
    sign, tolerance = order.side.sign, tolerance_ticks(state.config, order.quoted_ticks)
    if (order.quoted_ticks - level_ticks) * sign > tolerance:
        return True
    target = pacing.behind(state, facts, order.side, level_ticks)
    is_behind = (target - order.quoted_ticks) * sign > tolerance
    return is_behind and not pacing.is_scarce(facts)


def _since(state: MakerState, off_level_ms: int | None, blind_ms: int | None) -> MakerState:
    if (state.off_level_ms, state.blind_ms) == (off_level_ms, blind_ms):
        return state
    return replace(state, off_level_ms=off_level_ms, blind_ms=blind_ms)


def _cancel(state: MakerState, facts: Facts) -> Step:
    order = state.order
    if order is None or state.pending is not None or state.nonce is None:
        return state, ()
    if order.whole_ms is not None or order.ended_ms is not None:
        return state, ()  # nothing is left to cancel, even where the row is still on its way
    if order.closing or order.cancel_ms is not None:
        return state, ()
    why = _why_cancel(state, order, facts)
    if not why:
        if _has_left_level(state, order, facts):
            return _follow_level(state, order, facts)
        return state, ()
    return _taken_off(state, order, facts, why)


def _taken_off(state: MakerState, order: Order, facts: Facts, why: str) -> Step:
    if _is_unshown(state, order, facts):
        state = replace(state, unchanged=state.unchanged + 1)
    order = replace(order, cancel_ms=facts.now_ms)
    state = replace(move(state, Trigger.CANCEL), order=order, pending=Pending.CANCEL)
    return state, (Note("cancel", why), Cancel(order, state.nonce or 0))


def _why_cancel(state: MakerState, order: Order, facts: Facts) -> str:
    why = _why_unsafe(state, order) or _why_too_dear(state, order, facts)
    if not why and _is_unshown(state, order, facts):
        why = "the exchange does not show its new price"
    return why or _why_stale(state, order, facts)


def _why_unsafe(state: MakerState, order: Order) -> str:
    """Return why nothing of ours may rest: a fill now could stay unseen or unhedged."""
    if state.phase in QUIET:
        return state.phase.value
    if not state.leading:
        return "another process has the lease"
    if not state.streams_up:
        return "own streams are down"
    if not state.answering:
        return "the exchange does not answer"
    if not state.redis_up:
        return state.redis_why
    if not state.peer.ready:
        return "B is not ready"
    room = state.peer.can_hedge_lots
    if not order.reduce_only and room is not None and room < order.lots - order.filled_lots:
        return "B has no margin for it"
    return ""


def _is_unshown(state: MakerState, order: Order, facts: Facts) -> bool:
    """Whether no row has shown for too long what a change of its price came to."""
    return order.new_ticks is not None and (
        facts.now_ms >= order.priced_ms + state.config.deadline_ms
    )


def _why_too_dear(state: MakerState, order: Order, facts: Facts) -> str:
    """Return why a fill now would cost too much, or could cost anything."""
    if facts.book.doubt:
        return facts.book.doubt
    if state.blind_ms is not None:
        return "no market data" if facts.now_ms >= state.blind_ms + BLIND_MS else ""
    left = order.lots - order.filled_lots
    for price_ticks in order.prices:
        held = why_not_at(state.config, facts, order.side, left, price_ticks, is_new=False)
        if held is not None:
            return held.detail
    return ""


def _why_stale(state: MakerState, order: Order, facts: Facts) -> str:
    """Return why this order should not rest any longer."""
    config, age_ms = state.config, facts.now_ms - order.sent_ms
    if age_ms >= config.order_timeout_ms and _may_end_old(state, order, facts):
        return "older than maker_order_time_out"
    if state.phase is Phase.AWAITING_HEDGE:
        late = facts.now_ms >= (state.uncovered_ms or facts.now_ms) + config.confirm_timeout_ms
        return "" if config.keep_remainder and not late else "partly filled"
    return ""


def _has_left_level(state: MakerState, order: Order, facts: Facts) -> bool:
    """Whether the level has left the order for long enough, and there is a change to spare."""
    off_ms = state.off_level_ms
    moved = off_ms is not None and facts.now_ms >= off_ms + OFF_LEVEL_MS
    settled_in = facts.now_ms >= order.priced_ms + state.config.requote_pause_ms
    return moved and settled_in and facts.changes_left > 0 and not facts.low_quota


def _follow_level(state: MakerState, order: Order, facts: Facts) -> Step:
    """Change the price of an order that nothing has filled, or cancel it for another one.

    A change signs id, price and whole size: what is filled meanwhile counts towards that size, so
    that no more than it can fill; it stays post-only and reduce-only, and keeps its id and its end
    (open circuits of the exchange, `l2_modify_order`). A round of orders is left over either way.
    """
    needs = TO_REPLACE + ROUND
    new_ticks = _new_price(state, order, facts)
    if new_ticks is not None and facts.room >= needs - 1:
        order = replace(order, new_ticks=new_ticks, changed_ms=facts.now_ms)
        state = replace(state, order=order, pending=Pending.CHANGE)
        return state, (Change(order, state.nonce or 0),)
    if facts.room < needs:
        return state, ()
    return _taken_off(state, order, facts, "price left its level")


def _new_price(state: MakerState, order: Order, facts: Facts) -> int | None:
    """Return the price to change the order to, None where it needs to be another order."""
    can_change = state.config.changes and state.unchanged < GIVE_UP_CHANGES and not order.stays
    rests = state.phase is Phase.WORKING and order.row is not None and order.new_ticks is None
    if not (can_change and rests) or order.filled_lots or (order.row and order.row.filled_lots):
        return None
    wanted = called_for(state, facts)
    if isinstance(wanted, Hold) or wanted.closing:
        return None
    same = (wanted.side, wanted.lots) == (order.side, order.lots)
    return wanted.price_ticks if same and wanted.price_ticks != order.price_ticks else None


def _may_end_old(state: MakerState, order: Order, facts: Facts) -> bool:
    """Whether there is room for another order, else it may rest a while longer.

    The order's own end at the exchange is a minute after its time; what follows a fill waits for
    nothing.
    """
    is_late = facts.now_ms >= order.sent_ms + state.config.order_timeout_ms + ROOM_COMES_MS
    is_quoting = state.phase in (Phase.PLACING, Phase.WORKING)
    return not is_quoting or is_late or facts.room >= TO_REPLACE


def _level(side: Side, facts: Facts) -> int | None:
    return facts.bid_ticks if side is Side.BUY else facts.ask_ticks


# --- holding and placing ---------------------------------------------------------------------


def _hear_debt(state: MakerState, facts: Facts) -> Step:
    """Start the clocks also where no fill of ours did.

    B says that it owes for our newest state; or its position was changed from outside and it
    answers nothing more, so that we may stand naked.
    """
    ledger = answer_of_b(state)
    if ledger is None and state.phase is Phase.HALTED and state.halt_reason in NAKED:
        state = replace(state, covered=None)
    elif ledger is None or ledger.owed_lots in (0, ledger.dust_lots):
        return state, ()
    if state.uncovered_ms is not None:
        return state, ()
    return uncover(raised(state, facts.now_ms), facts), ()


def _release(state: MakerState, _facts: Facts) -> Step:
    """Leave the hold on state alone: order gone, book whole, B's ledger answers it.

    The clocks end already while a remainder rests: they are those of the oldest uncovered fill.
    """
    if state.pending is Pending.FENCE or not state.consistent or state.unsaid:
        return state, ()
    if state.net_lots is None or not is_covered(state) or _owes_trades(state.order):
        return state, ()
    had_fill = state.uncovered_ms is not None
    net_lots = state.net_lots
    covered = (net_lots, state.last_trade_id)
    if had_fill or state.alerted or state.covered != covered:
        state = replace(
            state,
            uncovered_ms=None,
            alerted=False,
            covered=covered,
            offered_ms=None,
            nored=False,
        )
    if state.closing is Closing.UNHEDGED:
        state = replace(state, closing=None)
    effects: tuple[MakerEffect, ...] = ()
    if had_fill:
        effects = (_covered(state, net_lots),)
    done = state.order is None and state.pending is None
    if done and state.phase is Phase.AWAITING_HEDGE:
        state = move(state, Trigger.COVERED)
    return state, effects


def _covered(state: MakerState, net_lots: int) -> Note:
    """Return the word for a fill that B has hedged; with fills by hand open it is not "covered"."""
    ledger, base = state.peer.ledger, state.config.spec.base
    manual_lots = ledger.manual_lots if ledger is not None else 0
    if not manual_lots:
        return Note("covered", f"B covers {base(net_lots)}")
    by_hand = f"fills by hand moved it by {base(manual_lots)}, and are open"
    return Note("hedged", f"B hedged {base(net_lots)}; {by_hand}")


def _owes_trades(order: Order | None) -> bool:
    """Whether the order's row tells of more than its trades that are known."""
    return order is not None and order.row is not None and order.filled_lots < order.row.filled_lots


def _adopt(state: MakerState, facts: Facts) -> Step:
    """Judge a position that nothing on record explains, once there is a price to judge it by."""
    waits = state.phase in (Phase.READY, Phase.AWAITING_HEDGE) and state.pending is None
    if state.adopted or not waits or state.net_lots is None:
        return state, ()
    return judge_drift(state, facts)


def judge_drift(state: MakerState, facts: Facts) -> Step:
    """Judge a position that nothing on record explains: small goes on aloud, large halts."""
    config, net = state.config, state.net_lots or 0
    if net == 0:
        return replace(state, adopted=True), ()
    if facts.mark_ticks is None:
        return state, ()
    what = f"A holds {config.spec.base(net)} {config.spec.symbol} and nothing on record explains it"
    if config.spec.quote_micros(abs(net), facts.mark_ticks) > config.max_drift_micros:
        return halt(state, "unexplained_position", what)
    return replace(state, adopted=True), (Note("drift_adopted", what, loud=True),)


def _place(state: MakerState, facts: Facts) -> Step:
    if state.phase is not Phase.READY or state.order is not None or why_not_now(state, facts):
        return state, ()
    net, spec = state.net_lots or 0, facts.spec or state.config.spec
    if net < 0 and facts.ask_ticks is not None and spec.can_rest(-net, facts.ask_ticks):
        return halt(state, "unexpected_short", f"A is short {spec.base(-net)} {spec.symbol}")
    wanted = called_for(state, facts)
    if isinstance(wanted, Hold):
        return state, ()
    order = new_order(state, wanted.side, wanted.lots, wanted.price_ticks, facts)
    order = replace(order, closing=wanted.closing)
    return replace(move(state, Trigger.PLACE), order=order, pending=Pending.PLACE), (Place(order),)


# --- stopping ----------------------------------------------------------------------------------


def _stop(state: MakerState, facts: Facts) -> Step:
    """End once nothing rests and B covers it all, or when the time is over; say what is open."""
    if state.stop_by_ms is None or state.stopped:
        return state, ()
    asked_ms = state.stop_by_ms - state.config.stop_deadline_ms
    why = why_stays(state)
    if not why:
        return replace(state, stopped=True), (Stopped(neutral=True),)
    if facts.now_ms >= state.stop_by_ms:
        note = Note("left_open", why, loud=True)
        return replace(state, stopped=True), (note, Stopped(neutral=False))
    effects: tuple[MakerEffect, ...] = ()
    if facts.now_ms >= asked_ms + SAY_OPEN_MS and not state.said_open:
        state, effects = replace(state, said_open=True), (Note("stop_waits", why, loud=True),)
    is_settled = facts.now_ms >= state.settled_ms + state.config.view_lag_ms
    if is_settled and not state.peer.alive and not _why_may_fill(state):
        state, more = look(state, facts)
        return state, (*effects, *more)
    return state, effects


def why_stays(state: MakerState) -> str:
    """Return what A, asked to stop, still has to wait for; "" where it may leave.

    Nothing of it can fill any more, and its last state is covered: by B's fresh ledger, by B's last
    word, or by the exchange's own statement of B's position where B is silent.
    """
    may_fill = _why_may_fill(state)
    if may_fill:
        return may_fill
    net = state.net_lots or 0
    looked = state.looked
    if is_covered(state) or state.b_left == (state.seq, net):
        return ""
    if looked is not None and looked.seq == state.seq and not state.peer.alive:
        lag_ms = state.config.view_lag_ms
        held = looked.agreed(state.settled_ms + lag_ms, lag_ms // 3)
        if held is not None and state.config.offset_lots - net - held == 0:
            return ""
    what = f"A's {state.config.spec.base(net)} {state.config.spec.symbol}"
    if not state.redis_up:
        return f"it is not known whether B has covered {what}: {state.redis_why}"
    return f"B has not covered {what}"


def _why_may_fill(state: MakerState) -> str:
    """Return why something of A could still fill, or is not known yet."""
    order = state.order
    if order is not None:
        size = state.config.spec.base(order.lots - order.filled_lots)
        return f"an order over {size} {state.config.spec.symbol} has not ended yet"
    if state.pending is not None or state.nonce is None or not state.leading:
        return "A's book is not proven yet"
    if state.unsaid or not state.consistent:
        return "a trade of A is missing or not published yet"
    if not (state.streams_up and state.own_shown and state.answering):
        return "A has heard nothing of the exchange for too long"
    return ""


_RULES = (
    _expire,
    _note_row,
    _end_order,
    _deadlines,
    catch_up,
    contradiction,
    _adopt,
    _mind_level,
    _cancel,
    _hear_debt,
    _release,
    _place,
    time_outs,
    give_back,
    close,
    mind_hold,
    mind_b,
    _stop,
)
