"""Whose turn it is to act on a debt: B's first, then A's, and B's again once A cannot have acted.

F is `force_close_timeout`, counted by the exchange's clock from the newest fill that raised the
debt: A states it; without A the trade's own time counts. Ten seconds before F B signs nothing more
for it, and once nothing is in flight its ledger yields. It goes on where A gives the debt back, at
a fill that raises it, and without a fresh A only long after F, by what the exchange states of A
after the last moment in which an A that is cut off may have acted. An A that was asked to stop
begins no reduction any more: it has no turn, and none once it is gone.

What the exchange refuses for good waits for no time: it is A's turn as soon as B has hedged the
part that is possible.
"""

from dataclasses import replace

from hedge.core.freshness import FRESH_MS, slack_ms
from hedge.core.hedger.departure import MakerBeat, is_heard
from hedge.core.hedger.state import (
    IN_FLIGHT,
    PROVEN_PHASES,
    ATarget,
    Debt,
    HedgerEffect,
    HedgerState,
    Note,
)
from hedge.core.hedger.view import closes_own
from hedge.core.holds import Hold
from hedge.core.transitions import Facts

Step = tuple[HedgerState, tuple[HedgerEffect, ...]]

LEAD_MS = 10_000
"""So long before A's turn B stops, at most half of its own: what it signed last has ended then."""
ORDER_MS = 1000
"""So long an order that A has sent in its turn may be on its way."""


def mind_turn(state: HedgerState, owed: int | None, view: ATarget | None, facts: Facts) -> Step:
    """Follow what raises the debt (`owed` lots by the `view` of A), and whose turn it is.

    What a person has ordered of B alone, or published by hand, is no debt that A could act on; nor
    is what B still has to undo of that once its opposite was published.
    """
    state = _mind_end(state, view)
    debt = state.debt
    if owed is None:
        return state, ()
    is_covered = owed in (0, state.dust_lots)
    if is_covered and state.hand_only and state.phase not in IN_FLIGHT:
        state = replace(state, hand_only=False)
    if is_covered or _is_by_a_person(state):
        if debt is None or state.phase in IN_FLIGHT:
            return state, ()
        over = (Note("turn_over", "B owes nothing that it yielded"),) if debt.yields else ()
        return replace(state, debt=None), over
    if debt is None or owed * debt.lots < 0 or abs(owed) > abs(debt.lots):
        new = Debt(state.traded_ms, owed, yields=debt is not None and debt.yields)
    else:
        new = replace(debt, lots=owed)
    beat = _heard(state, facts.now_ms)
    if beat is not None and beat.raised_ms is not None and _is_newest(state, beat, view):
        has_turn = beat.epoch != state.maker.past_epoch  # else its clock is nobody's
        new = replace(new, raised_ms=beat.raised_ms) if has_turn else new
    was, new = new.yields, replace(new, yields=_yields(state, new, view, facts.now_ms))
    if new == debt:
        return state, ()
    state = replace(state, debt=new)
    if new.yields is was or state.phase not in PROVEN_PHASES:
        return state, ()
    size = f"{state.config.spec.base(owed)} {state.config.spec.symbol}"
    if new.yields:
        return state, (Note("yields", f"B owes {size}; it is A's turn to act on it", loud=True),)
    return state, (Note("turn_back", f"B owes {size}, and goes on"),)


def hold_of_turn(state: HedgerState) -> Hold | None:
    """Return that it is A's turn, None where B may act."""
    if state.debt is None or not state.debt.yields:
        return None
    if state.maker.beat is not None and state.maker.beat.acting:
        return Hold("yields", "A reduces itself by what B has not hedged; B holds until it is done")
    return Hold("yields", "B has not hedged in time: it is A's turn to reduce itself")


def _mind_end(state: HedgerState, view: ATarget | None) -> HedgerState:
    """Note that A never reduces itself again, once B's view has all that it did until it said so.

    What comes after that is a fill, which only B answers.
    """
    maker, beat = state.maker, state.maker.beat
    if beat is None or not beat.is_past_reducing or maker.past_epoch == beat.epoch:
        return state
    if maker.read_epoch != beat.epoch:  # another A is there by now
        return state
    if view is None or view.position_lots != beat.position_lots:
        return state
    return replace(state, maker=replace(maker, past_epoch=beat.epoch))


def _is_by_a_person(state: HedgerState) -> bool:
    by_hand = state.manual_lots != 0 or state.hand_base_lots is not None or state.hand_only
    return by_hand or closes_own(state)


def _heard(state: HedgerState, now_ms: int) -> MakerBeat | None:
    return state.maker.beat if is_heard(state.maker, now_ms) else None


def _is_newest(state: HedgerState, beat: MakerBeat, view: ATarget | None) -> bool:
    """Whether a heartbeat of A speaks of all that B knows of it."""
    if view is None or not view.instance:
        return True
    return view is state.a and beat.seq is not None and beat.seq >= view.seq


def _yields(state: HedgerState, debt: Debt, view: ATarget | None, now_ms: int) -> bool:
    """Whether it is A's turn."""
    config, maker, beat = state.config, state.maker, _heard(state, now_ms)
    age_ms, lag_ms = now_ms - debt.raised_ms, config.view_lag_ms
    turn_ms = maker.force_close_ms or config.force_close_ms
    lead_ms = min(LEAD_MS, turn_ms // 2)
    late_ms = turn_ms * (2 if state.stop_by_ms is not None else 1)
    is_final = debt.final and not debt.parts and state.phase not in IN_FLIGHT
    is_final = is_final and maker.left_lots is None
    if beat is not None:
        if beat.acting:
            return True
        if beat.epoch == maker.past_epoch:
            return False
        if beat.nored and not beat.leaving and _is_newest(state, beat, view):
            return False
        if age_ms < (late_ms if beat.answers_leaving else turn_ms) - lead_ms and not is_final:
            return False
        # One that states no such time is of an older version, and gives nothing back.
        return beat.raised_ms is not None or age_ms < late_ms + 4 * lag_ms
    if maker.left_lots is not None or maker.past_epoch:
        return False
    if age_ms < turn_ms - lead_ms:  # an A that was never heard has no ledger that counts
        return is_final and maker.beat is not None and not _is_shown(state, view, 0)
    alone_ms = debt.raised_ms + late_ms + 2 * lag_ms
    return age_ms < late_ms + 4 * lag_ms or not _is_shown(state, view, alone_ms)


def _is_shown(state: HedgerState, view: ATarget | None, alone_ms: int) -> bool:
    """Whether the exchange states what B knows of A, after all that a silent A may have done.

    It may have acted on its own until `alone_ms`, twice `view_lag_s` after its turn began; on our
    last ledger that it read while that was fresh.
    """
    stated, lag_ms = state.maker.stated, state.config.view_lag_ms
    if stated is None or view is None or stated.position_lots != view.position_lots:
        return False
    by_ledger_ms = state.maker.silent_ms + 2 * FRESH_MS
    over_ms = max(alone_ms, by_ledger_ms) + ORDER_MS + slack_ms(lag_ms)
    return stated.asked_ms >= over_ms + lag_ms
