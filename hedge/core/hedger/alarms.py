"""What B says of its own accord: that A is away, and that nothing shows what A holds."""

from dataclasses import replace

from hedge.core.freshness import FRESH_MS
from hedge.core.hedger.departure import is_heard
from hedge.core.hedger.state import PROVEN_PHASES, HedgerEffect, HedgerState, Note
from hedge.core.hedger.view import a_view, is_watch_open
from hedge.core.hedger.watch import Gap
from hedge.core.holds import Lasting
from hedge.core.transitions import Facts

AWAY_MS = 10_000
"""An A that is away for this long, while anything is open, is said."""

NOTICED_MS = AWAY_MS - FRESH_MS
"""A silence is said no sooner than this after B has noticed it.

A B that stood still itself wakes with a view of long ago; its first reading puts that right.
"""

SHOWN_MS = 25_000
"""An answer of the exchange shows a position for this long."""

Step = tuple[HedgerState, tuple[HedgerEffect, ...]]


def mind_evidence(state: HedgerState, facts: Facts) -> Step:
    """Note whether anything shows what A holds: a heartbeat, its last word, the exchange.

    A heartbeat counts while it is fresh, and says that A's book is evidence: proven, and heard on.
    Beside one that names a newer state than what we know of A, nothing that we know is evidence.

    Without one of them nothing is said of A + B: an A that died a moment ago may have been filled.
    Of that an answer says nothing which may be older than A's last word: it may lag `view_lag_s`.
    Where a deaf A has proven by answers that nothing of it can fill, one that came after does.
    Nor does a word of A about a public trade of it that does not add up, where it was written
    before that was heard.
    """
    maker, now_ms = state.maker, facts.now_ms
    state = _with_gap(state, now_ms)
    heard_ms = None if state.gap is None else state.gap.heard_ms
    heard = maker.beat is not None and maker.beat.shown and is_heard(maker, now_ms)
    heard = heard and not _is_behind(state)
    shown = heard or maker.left_lots is not None
    if shown and heard_ms is not None:
        shown = maker.beat is not None and maker.beat.fresh_until_ms >= heard_ms + FRESH_MS
    if not shown and heard_ms is None:
        since_ms = state.shown_ms
        is_later = since_ms > past_its_word_ms(state, now_ms)
        shown = state.differs is None and is_later and now_ms <= since_ms + SHOWN_MS
    return (state if shown is state.a_shown else replace(state, a_shown=shown)), ()


def past_its_word_ms(state: HedgerState, now_ms: int) -> int:
    """Return the moment (monotonic ms) after which an answer tells more than A's last word."""
    beat, spoke_ms = state.maker.beat, state.maker.spoke_ms
    heard = beat is not None and is_heard(state.maker, now_ms)
    if beat is not None and heard and beat.proven and not (beat.orders or beat.is_open):
        return spoke_ms
    return spoke_ms + state.config.view_lag_ms if spoke_ms else 0


def _with_gap(state: HedgerState, now_ms: int) -> HedgerState:
    """Note since when the newest of A's public trades has not added up; None where all do."""
    if not is_watch_open(state):
        return state if state.gap is None else replace(state, gap=None)
    newest = state.watched[-1].trade_id
    if state.gap is not None and state.gap.trade_id == newest:
        return state
    return replace(state, gap=Gap(newest, now_ms))


def _is_behind(state: HedgerState) -> bool:
    """Whether A's heartbeat names a newer state than the one that we know of it."""
    beat, known = state.maker.beat, state.a
    if beat is None or beat.seq is None or known is None or not known.instance:
        return False
    return beat.seq > known.seq


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
        away = Lasting(since_ms, max(since_ms + AWAY_MS, now_ms + NOTICED_MS))
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
    if away is None or not away.is_shown(now_ms):
        return ""
    what = what_is_open(state)
    return f"A has not been heard for {away.seconds(now_ms)} s; {what}" if what else ""


def unseen_text(state: HedgerState, now_ms: int) -> str:
    """Return why B cannot see what A holds, "" where it can, or never heard of A in this run.

    A is silent then, and the exchange's answers do not show B's view of it either: a fill of A
    could be open that B knows nothing of. Or A is heard, and states another position than public
    trades show, while no answer has decided yet.
    """
    maker = state.maker
    if maker.beat is None or maker.left_lots is not None or not state.config.peer_watch:
        return ""
    if is_heard(maker, now_ms):
        return _contradiction(state, now_ms)
    if state.differs is not None:
        size = state.config.spec.base(state.differs.position_lots)
        return f"A is silent, and Lighter states another position of it than B knows ({size})"
    silent_ms = maker.silent_ms + FRESH_MS
    if not state.reaches_back and state.shown_ms < silent_ms:
        return "A is silent, and Lighter's newest trades do not reach back to what B knows of it"
    unshown_ms = now_ms - max(state.shown_ms, silent_ms)
    if unshown_ms > SHOWN_MS:
        return f"A is silent, and Lighter has not shown its position for {unshown_ms // 1000} s"
    return ""


def _contradiction(state: HedgerState, now_ms: int) -> str:
    view, stated, spec = a_view(state), state.a, state.config.spec
    if view is None or stated is None or view.position_lots == stated.position_lots:
        return ""
    if now_ms < state.view_ms + AWAY_MS:  # a statement or a trade is on its way
        return ""
    says, shown = spec.base(stated.position_lots), spec.base(view.position_lots)
    return f"A states a position of {says}, public trades show {shown}; Lighter is asked"


def mind_view(state: HedgerState, facts: Facts) -> Step:
    """Say it as soon as B cannot see what A holds, and at growing distances."""
    now_ms, unseen = facts.now_ms, state.unseen
    text = unseen_text(state, now_ms) if state.phase in PROVEN_PHASES else ""
    if not text:
        if unseen is None:
            return state, ()
        said = (Note("a_seen", "what A holds is shown again"),) if unseen.word else ()
        return replace(state, unseen=None), said
    if unseen is None:
        unseen = Lasting(now_ms, now_ms + NOTICED_MS)
        state = replace(state, unseen=unseen)
    if not unseen.is_due("a_unseen", now_ms):
        return state, ()
    return replace(state, unseen=unseen.said("a_unseen", now_ms)), (
        Note("a_unseen", text, loud=True),
    )
