"""What the hedger makes of A's public trades: its view carried on, or proven without A."""

from dataclasses import replace

from hedge.core.freshness import FRESH_MS, slack_ms
from hedge.core.hedger.departure import Differs, Maker, MakerBeat, MakerStated
from hedge.core.hedger.rules import Step, halt, is_heard_now
from hedge.core.hedger.state import PROVEN_PHASES, ATarget, HedgerState, Note, Phase
from hedge.core.hedger.view import a_view, is_watch_open
from hedge.core.hedger.watch import (
    Denied,
    Found,
    PeerAnswered,
    PeerTraded,
    Stand,
    Unlisted,
    compared,
    denies,
    found,
    is_beyond_beat,
    is_beyond_quantity,
    merged,
    weighed,
)
from hedge.core.records import Trade
from hedge.core.transitions import Facts

_KEPT_INSTANCES = 16
"""As many of A's earlier instances are told from a new one."""
DIFFER_MS = 60_000
DIFFER_ANSWERS = 4
"""So long, and so many answers, may the exchange contradict trades of A that B saw itself."""


def on_peer_traded(state: HedgerState, event: PeerTraded, facts: Facts) -> Step:
    """Carry the view of A on by what the venue shows of it, as far as A can have done that."""
    if event.shown_lots is not None:
        state = replace(state, shown_lots=event.shown_lots)
    return _watch(_doubting(state, event.trades, facts), event.trades)


def _doubting(state: HedgerState, trades: tuple[Trade, ...], facts: Facts) -> HedgerState:
    """Keep from the view, until an answer lists it, what A cannot have done.

    A stranger's trade on A's account has no order that bounds it, and A may be silent.
    """
    beat, known = state.maker.beat, a_view(state)
    if beat is None or known is None:
        return state
    exceeds = is_beyond_beat if is_heard_now(state, facts.now_ms) else is_beyond_quantity
    before = {(one.trade_id, one.side) for one in state.watched}
    doubted = tuple(
        Unlisted(trade.trade_id, trade.side, facts.now_ms, is_doubted=True)
        for trade in trades
        if trade.trade_id > known.last_trade_id
        and (trade.trade_id, trade.side) not in before
        and exceeds(beat, trade, known.position_lots)
    )
    return replace(state, unlisted=(*state.unlisted, *doubted)) if doubted else state


def _watch(state: HedgerState, trades: tuple[Trade, ...], *, listed: bool = False) -> Step:
    floor = state.a.last_trade_id if state.a is not None else 0
    if trades:
        state = replace(state, watched=merged(state.watched, trades, floor, listed=listed))
    view = a_view(state)
    if view is None or view is state.a:
        return state, ()
    state = replace(state, shown=Stand(view.position_lots, view.last_trade_id))
    return (
        beyond(state, view.position_lots) if is_beyond(state, view.position_lots) else (state, ())
    )


def on_peer_answered(state: HedgerState, event: PeerAnswered, facts: Facts) -> Step:
    """Fill a gap of the watch; where A's state is not known to be current, take it from here."""
    before = a_view(state)
    state, taken, claimed = _weighed(state, event, facts)
    state, dropped = _corrected(state, taken, event, facts)
    state, effects = _watch(state, taken, listed=True)
    effects = (*claimed, *dropped, *effects)
    reaches = before is None or event.answer.lowest_id <= before.last_trade_id
    shows = reaches and not is_watch_open(state) and not state.claimed
    shown_ms = max(state.shown_ms, event.asked_ms) if shows else state.shown_ms
    state = replace(state, reaches_back=reaches, shown_ms=shown_ms)
    if event.answer.highest_id >= state.last_trade_id and state.phase in PROVEN_PHASES:
        state = replace(state, looked=True)
    if state.a_fresh or state.phase not in PROVEN_PHASES:
        return state, effects
    known = state.a
    own = () if known is None else (Stand(known.position_lots, known.last_trade_id),)
    state, bases = _undenied(state, (*own, *event.bases), event)
    base = max(bases, key=lambda stand: stand.last_trade_id, default=None)
    stand = found(base, event.answer, state.last_trade_id) if base is not None else None
    if base is None or stand is None or is_beyond(state, stand.position_lots):
        return state, effects
    if not _is_witnessed(state, base, stand, event, facts):
        if state.found is None or state.found.stand != stand:
            state = replace(state, found=Found(stand, event.asked_ms))
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
    return replace(state, a_fresh=True, hand_base_lots=None, found=None), (*effects, note)


def _witnesses(state: HedgerState, facts: Facts) -> frozenset[int]:
    """Return what tells A's position besides trades: its public stream, its heartbeat, our own.

    A position of A that our own answers moves nothing.
    """
    beat = state.maker.beat if is_heard_now(state, facts.now_ms) else None
    ours = state.net_lots
    answered = None if ours is None else state.config.offset_lots + state.manual_lots - ours
    lots = (state.shown_lots, None if beat is None else beat.position_lots, answered)
    return frozenset(one for one in lots if one is not None)


def _weighed(
    state: HedgerState, event: PeerAnswered, facts: Facts
) -> tuple[HedgerState, tuple[Trade, ...], tuple[Note, ...]]:
    """Return what of an answer a second source tells too; the rest waits, and is said."""
    known, answer = state.a, event.answer
    if known is None:
        return state, answer.legs, ()
    stated = Stand(known.position_lots, known.last_trade_id)
    before = {one.trade for one in state.claimed}
    taken, claimed = weighed(
        stated, state.watched, state.claimed, answer, event.asked_ms, _witnesses(state, facts)
    )
    state = replace(state, claimed=claimed)
    ids = [one.trade.trade_id for one in claimed if one.trade not in before]
    what = f"one public answer alone tells of A's trades {ids}; asked once more"
    return state, taken, (Note("listed_otherwise", what),) if ids else ()


def _is_witnessed(
    state: HedgerState, base: Stand, stand: Stand, event: PeerAnswered, facts: Facts
) -> bool:
    """Whether something else than this answer shows A there too: the answer may be false."""
    view = a_view(state)
    known = {base.position_lots} if view is None else {base.position_lots, view.position_lots}
    is_known = stand.position_lots in known | _witnesses(state, facts)
    first = state.found
    return is_known or (first is not None and first.is_told_again(stand, event.asked_ms))


def _undenied(
    state: HedgerState, bases: tuple[Stand, ...], event: PeerAnswered
) -> tuple[HedgerState, tuple[Stand, ...]]:
    """Return the bases that the answer does not deny; none while it may just be a late one."""
    known = {one.stand: one for one in state.denied}
    denied = {
        stand: known.get(stand, Denied(stand, event.asked_ms))
        for stand in bases
        if denies(event.answer, stand)
    }
    state = replace(state, denied=tuple(denied.values()))
    if all(one.is_false(event.asked_ms, _lag_ms(state)) for one in state.denied):
        return state, tuple(stand for stand in bases if stand not in denied)
    return state, ()


def _corrected(
    state: HedgerState, taken: tuple[Trade, ...], event: PeerAnswered, facts: Facts
) -> Step:
    """Let answers decide about watched trades: what two tell otherwise (`taken`), what this lacks.

    A frame is a hint: its ids and sizes bind until answers list the trade, or lack it twice.
    """
    legs = {(leg.trade_id, leg.side): leg for leg in taken}
    false = [
        trade for trade in state.watched if legs.get((trade.trade_id, trade.side), trade) != trade
    ]
    unlisted, missing = compared(
        state.watched,
        state.unlisted,
        event.answer,
        event.asked_ms,
        facts.now_ms,
        _lag_ms(state),
    )
    claimed = {(one.trade.trade_id, one.trade.side) for one in state.claimed}
    unlisted += tuple(  # listed, but not as it was told: neither is taken for A's trade yet
        one for one in state.unlisted if one.is_doubted and (one.trade_id, one.side) in claimed
    )
    reaches = not state.watched or event.answer.lowest_id <= state.watched[0].trade_id
    listed_id = event.answer.highest_id if reaches else state.listed_id
    state = replace(state, unlisted=unlisted, listed_id=listed_id)
    if not (false or missing):
        return state, ()
    state = _dropped(state, missing)
    shown = state.shown
    if shown is not None and any(trade.trade_id == shown.last_trade_id for trade in false):
        state = replace(state, shown=None)
    ids = [trade.trade_id for trade in (*false, *missing)]
    what = f"Lighter does not list what public frames told of A: trades {ids}"
    return state, (Note("watch_corrected", what, loud=True),)


def _dropped(state: HedgerState, missing: tuple[Trade, ...]) -> HedgerState:
    """Forget watched trades, and what they carried."""
    if not missing:
        return state
    kept = tuple(trade for trade in state.watched if trade not in missing)
    shown, ids = state.shown, {trade.trade_id for trade in missing}
    is_carried = shown is not None and shown.last_trade_id in ids
    return replace(state, watched=kept, shown=None if is_carried else shown)


def passed_without(state: HedgerState, beat: MakerBeat) -> Step:
    """Drop what public frames told of A and A's own book, confirmed past it, does not have.

    By the answers that A has read; B's own may not reach back in a busy market. What such an answer
    has listed is not dropped, nor anything while A's newest state is still to come.
    """
    known, confirmed_ms = state.a, beat.confirmed_ms
    if known is None or confirmed_ms is None or beat.is_open or not beat.proven:
        return state, ()
    if (beat.seq, beat.position_lots) != (known.seq, known.position_lots):
        return state, ()
    if confirmed_ms < state.view_ms + slack_ms(_lag_ms(state)):
        return state, ()
    lacking = {(one.trade_id, one.side) for one in state.unlisted}
    false = tuple(
        trade
        for trade in state.watched
        if trade.trade_id > max(known.last_trade_id, state.listed_id)
        or (trade.trade_id, trade.side) in lacking
    )
    if not false:
        return state, ()
    ids = [trade.trade_id for trade in false]
    left = tuple(one for one in state.unlisted if one.trade_id not in ids)
    state = replace(_dropped(state, false), unlisted=left)
    what = f"A's own trades, confirmed since, lack what public frames told: trades {ids}"
    return state, (Note("watch_corrected", what, loud=True),)


def on_stated(state: HedgerState, event: MakerStated) -> Step:
    """Take the exchange's own statement of A's position, asked for while A is silent.

    Where B's view of A is not known to be current, two equal statements become the view: both asked
    for `view_lag_s` after B's newest trade, a third of that apart. Else they are compared.
    """
    before = state.maker.stated
    state = replace(state, maker=_noted(state, event))
    if state.phase not in PROVEN_PHASES or event.asked_ms < state.own_traded_ms + _lag_ms(state):
        return replace(state, differs=None), ()
    if state.a_fresh:
        return _compare(state, event)
    agree = before is not None and before.position_lots == event.position_lots
    if before is None or not agree or before.asked_ms < state.own_traded_ms + _lag_ms(state):
        return state, ()
    if event.asked_ms < before.asked_ms + _lag_ms(state) // 3:
        return state, ()
    return _adopt(state, event)


def _lag_ms(state: HedgerState) -> int:
    return state.config.view_lag_ms


def _noted(state: HedgerState, event: MakerStated) -> Maker:
    """Return what is known of A's end with this statement: since when it has had no order."""
    maker, lag_ms = state.maker, _lag_ms(state)
    since_ms = maker.silent_ms + FRESH_MS + lag_ms
    empty_ms = maker.empty_ms if event.open_orders == 0 else None
    if event.open_orders == 0 and empty_ms is None and event.asked_ms >= since_ms:
        empty_ms = event.asked_ms
    is_twice = empty_ms is not None and event.asked_ms >= empty_ms + lag_ms
    return replace(maker, stated=event, empty_ms=empty_ms, is_empty_twice=is_twice)


def _adopt(state: HedgerState, event: MakerStated) -> Step:
    """Let the exchange's statement be the view of A: it contains every trade before it."""
    if is_beyond(state, event.position_lots):
        return beyond(state, event.position_lots)
    stand = Stand(event.position_lots, event.newest_trade_id)
    state = follow(state, ATarget("", 0, stand.position_lots, stand.last_trade_id, 0))
    state = replace(
        state,
        watched=merged(state.watched, (), stand.last_trade_id),
        shown=None,
        adopted=stand,
        shown_ms=event.asked_ms,
        differs=None,
        a_fresh=True,
        looked=True,
        hand_base_lots=None,
    )
    size = state.config.spec.base(event.position_lots)
    note = Note("position_stated", f"the exchange states twice that A holds {size}", loud=True)
    return state, (note,)


def _compare(state: HedgerState, event: MakerStated) -> Step:
    """Compare the exchange's statement with the view of A.

    One that A stated, or the exchange before, gives way to statements that stay equal over
    `view_lag_s`; one that B carried on by trades which it saw itself never does: there both stand
    against each other, and after a minute the pair halts.
    """
    view, lag_ms = a_view(state), _lag_ms(state)
    early = event.asked_ms < state.view_ms + lag_ms
    if view is None or early or event.position_lots == view.position_lots:
        shown_ms = state.shown_ms if view is None or early else event.asked_ms
        return replace(state, differs=None, shown_ms=shown_ms), ()
    known, base = state.differs, state.config.spec.base
    what = f"A holds {base(view.position_lots)} by B's view, {base(event.position_lots)} by Lighter"
    if known is None or known.position_lots != event.position_lots:
        state = replace(state, differs=Differs(event.position_lots, event.asked_ms))
        return state, (Note("views_differ", what, loud=True),)
    known = replace(known, answers=known.answers + 1)
    state = replace(state, differs=known)
    lasted_ms = event.asked_ms - known.since_ms
    if view is state.a and lasted_ms >= lag_ms:
        return _adopt(state, event)
    stated = state.a
    agrees = stated is not None and stated.position_lots == event.position_lots
    if agrees and is_heard_now(state, event.asked_ms) and lasted_ms >= lag_ms:
        ids = [trade.trade_id for trade in state.watched]
        what = f"A and Lighter state the same without what public frames told: trades {ids}"
        state = replace(_dropped(state, state.watched), shown=None, differs=None)
        return state, (Note("watch_corrected", what, loud=True),)
    if lasted_ms >= DIFFER_MS and known.answers >= DIFFER_ANSWERS:
        return halt(state, "views_differ", what)
    return state, ()


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
