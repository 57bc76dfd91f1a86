"""When A acts alone: an uncovered fill grows old, or a person wants the position closed.

Only one acts on a debt. It is B's turn for `force_close_timeout` from the newest fill that raised
it, by the exchange's clock; ten seconds before that B signs nothing more for it, and says so once
nothing is in flight. Then A reduces what is proven to be unhedged: by B's ledger where it answers
A's newest state and yields; otherwise by B's position as the venue shows it to everybody, and only
in the time in which B, cut off, holds still. What A cannot reduce it gives back, aloud.

What the exchange refuses B for good waits for no time: B's ledger gives it to A, which reduces it
as soon as the pair is halted.
"""

from dataclasses import replace

from hedge.core import pricing
from hedge.core.amounts import Side
from hedge.core.freshness import slack_ms
from hedge.core.maker.closing import Closing, LookAtB, LookedAtB
from hedge.core.maker.moves import Step, answer_of_b, halt, new_order, raised
from hedge.core.maker.state import MakerState, Note, Pending, Phase, Place
from hedge.core.transitions import Facts

NAKED = frozenset({"foreign_trade_on_b", "liquidation_on_b"})
"""Halts of B that say that its position is not what covered A any more.

No halt of A's own is among them: then A's position would be what cannot be relied on.
"""


def time_outs(state: MakerState, facts: Facts) -> Step:
    """Alert, and later halt and begin to close, when a fill stays uncovered.

    A B that leaves gets as long again: it hedges until it is gone, and takes our heartbeat, which
    it waits for, as our word that nothing of ours can fill any more.
    """
    since, config = state.uncovered_ms, state.config
    if since is None:
        return state, ()
    if not state.redis_up:
        return _untold(state, facts)
    waits = config.reduces and state.closing in (None, Closing.ALL)
    if _is_given(state) and state.phase is Phase.HALTED and waits:
        ledger, spec = answer_of_b(state), config.spec
        owed = spec.base(abs(ledger.owed_lots) if ledger is not None else 0)
        detail = (
            f"the exchange refuses B's hedge of {owed} {spec.symbol}; A holds "
            f"{spec.base(state.net_lots or 0)} and reduces itself by that at once"
        )
        return replace(state, closing=Closing.UNHEDGED), (Note("given", detail, loud=True),)
    if not state.alerted and facts.now_ms >= since + config.confirm_timeout_ms:
        detail = f"{_not_covered(state, config.confirm_timeout_ms)}; holding"
        return replace(state, alerted=True), (Note("hedge_confirm_timeout", detail, loud=True),)
    patience_ms = _patience_ms(state)
    overdue = facts.now_ms >= min(since + patience_ms, _turn_ms(state))
    if overdue and waits and state.phase is not Phase.STOPPING:
        detail = (
            f"{_not_covered(state, patience_ms)}; A holds "
            f"{config.spec.base(state.net_lots or 0)} {config.spec.symbol} and reduces what is "
            "proven to be unhedged"
        )
        state = replace(state, closing=Closing.UNHEDGED)
        state, effects = halt(state, "force_close_timeout", detail)
        return replace(state, halt_reason="force_close_timeout"), effects
    return state, ()


def _not_covered(state: MakerState, waited_ms: int) -> str:
    """Return what is not so for so long; B is not to blame for what it could not be told."""
    seconds = f"{waited_ms / 1000:g} s"
    if state.implausible:
        return f"a fill is not covered for {seconds}: what A holds is in doubt, so A states nothing"
    if state.leading and state.halt_reason in NAKED:
        return (
            f"whether B covers A's position is not known for {seconds}: its own was changed from"
            f" outside (halt {state.halt_reason})"
        )
    if state.leading:
        return f"B has not covered a fill for {seconds}"
    return (
        f"a fill is not covered for {seconds}: another process has A's lease, so A states nothing"
    )


def with_redis_again(state: MakerState, facts: Facts) -> MakerState:
    """Return the state with Redis up; the time in which B could not be told does not count."""
    if state.redis_up:
        return state
    since = state.uncovered_ms
    if since is not None:
        told_ms = since + facts.now_ms - max(since, state.redis_down_ms)
        state = replace(raised(state, told_ms), uncovered_ms=told_ms, alerted=False)
    return replace(state, redis_up=True)


def _untold(state: MakerState, facts: Facts) -> Step:
    """Alert, and ask the exchange what B holds, while B cannot be told of a fill or answer it.

    That is no fault of B, which may have hedged by its watch: what it has covered begins the clock
    anew, and only what the exchange shows to be unhedged is reduced.
    """
    since, config = state.uncovered_ms or 0, state.config
    waited_s = (facts.now_ms - since) // 1000
    if not state.alerted and facts.now_ms >= since + config.confirm_timeout_ms:
        detail = f"A could not settle a fill with B for {waited_s} s: {state.redis_why}; holding"
        return replace(state, alerted=True), (Note("fill_not_settled", detail, loud=True),)
    waits = config.reduces and state.closing in (None, Closing.ALL)
    overdue = facts.now_ms >= min(since + _patience_ms(state), _turn_ms(state))
    if not overdue or not waits or state.phase is Phase.STOPPING:
        return state, ()
    shown = _shown_of_b(state)
    if shown is None:
        return look(state, facts)
    net = state.net_lots or 0
    held, symbol = config.spec.base(shown), config.spec.symbol
    owed = config.offset_lots - net - shown
    if not _reducing(owed, net):
        detail = f"the exchange states B's position as {held} {symbol}: nothing is left to A"
        state = replace(raised(state, facts.now_ms), uncovered_ms=facts.now_ms, looked=None)
        return state, (Note("settled_by_exchange", detail),)
    detail = (
        f"A could not settle a fill with B for {waited_s} s: {state.redis_why}; the exchange states"
        f" B's position as {held} {symbol}, A holds {config.spec.base(net)} and reduces what is"
        " unhedged"
    )
    state, effects = halt(replace(state, closing=Closing.UNHEDGED), "force_close_timeout", detail)
    return replace(state, halt_reason="force_close_timeout"), effects


def close(state: MakerState, facts: Facts) -> Step:
    """Reduce A on its own while halted: only what is proven unhedged, never more than it has.

    What a person wants closed goes on only while B can follow, and has followed so far.
    """
    may_sign = state.nonce is not None and state.leading
    if state.closing is None or state.phase is not Phase.HALTED or not may_sign:
        return state, ()
    idle = state.order is None and state.pending is None and state.consistent and state.streams_up
    if not idle or state.unsaid:
        return state, ()
    if state.retry_at_ms is not None and facts.now_ms < state.retry_at_ms:
        return state, ()
    is_all = state.closing is not Closing.UNHEDGED
    lots = -(state.net_lots or 0) if is_all else _unhedged(state, facts)
    if lots is None:
        return look(state, facts)
    if lots == 0 and is_all:
        return replace(state, closing=None), (Note("closed", "nothing left to close"),)
    if state.closing is Closing.ALL and not (state.peer.ready and state.uncovered_ms is None):
        return state, ()
    price = (facts.bid_ticks if lots < 0 else facts.ask_ticks) or facts.mark_ticks
    if lots == 0 or price is None:
        return state, ()  # what is unhedged ends with coverage, or with a readable ledger
    # The exchange's quote limit binds the price that is signed, at most so far from mark or book.
    spec = facts.spec or state.config.spec
    most = pricing.most_lots(spec, pricing.bound_ticks(price, Side.BUY, pricing.ALONE_GAP_BPS))
    order = new_order(state, Side.of(lots), min(abs(lots), most), price, facts)
    order = replace(order, reduce_only=True, closing=True, unwinds=not is_all)
    state = replace(
        state,
        order=order,
        pending=Pending.PLACE,
        looked=None,
        retry_at_ms=facts.now_ms + state.config.retry_delay_ms,
    )
    return state, (Place(order),)


def give_back(state: MakerState, facts: Facts) -> Step:
    """Say that A does not reduce what B yields: it holds nothing of it, or could not for long.

    What is said stands until B's debt is raised again: from now on only B acts.
    """
    ledger = answer_of_b(state)
    if state.closing is not Closing.UNHEDGED or state.nored or ledger is None:
        return state, ()
    if state.order is not None or state.pending is not None or not _is_offered(state, facts):
        return state, ()
    since_ms = facts.now_ms if state.offered_ms is None else state.offered_ms
    state = replace(state, offered_ms=since_ms)
    net, config = state.net_lots or 0, state.config
    size = f"{config.spec.base(net)} {config.spec.symbol}"
    if not _reducing(ledger.owed_lots, net):
        detail = f"A holds {size}: nothing that it could reduce; B goes on"
    elif facts.now_ms >= since_ms + 2 * config.view_lag_ms:
        detail = (
            f"A could not reduce its {size} for {(facts.now_ms - since_ms) // 1000} s; B goes on"
        )
    else:
        return state, ()
    return replace(state, nored=True), (Note("nored", detail, loud=True),)


def turn_text(state: MakerState) -> str:
    """Return in words what A does about a debt of B; "" where it is not A's turn."""
    spec, order = state.config.spec, state.order
    if order is not None and order.unwinds:
        return (
            f"A reduces itself by {spec.base(order.lots)} {spec.symbol}; B holds until it is done"
        )
    if state.nored:
        return "A cannot reduce what B has not hedged, so it is left to B"
    return ""


def _patience_ms(state: MakerState) -> int:
    """Return how long B may leave a fill uncovered; one that leaves, and hedges on, twice."""
    ledger = answer_of_b(state)
    hedges_on = state.peer.leaving and not (ledger is not None and ledger.yields)
    return state.config.force_close_ms * (2 if hedges_on else 1)


def _turn_ms(state: MakerState) -> int:
    """Return from when it is A's turn to act (monotonic ms)."""
    raised_ms = state.uncovered_ms if state.raised_ms is None else state.raised_ms
    return (raised_ms or 0) + _patience_ms(state)


def _is_offered(state: MakerState, facts: Facts) -> bool:
    """Whether B's fresh ledger leaves what is owed to A, and it is A's turn."""
    ledger = answer_of_b(state)
    if ledger is None or not state.peer.alive:
        return False
    is_due = ledger.gives or facts.now_ms >= _turn_ms(state)
    return ledger.yields and not ledger.inflight and is_due


def _is_given(state: MakerState) -> bool:
    """Whether B's fresh ledger leaves what is owed to A before its time."""
    ledger = answer_of_b(state)
    if ledger is None or not state.peer.alive:
        return False
    return ledger.gives and ledger.yields and not ledger.inflight


def _unhedged(state: MakerState, facts: Facts) -> int | None:
    """Return the signed trade of A that closes what B has not hedged, None while unknown."""
    net, ledger, turn_ms = state.net_lots or 0, answer_of_b(state), _turn_ms(state)
    if state.nored or (facts.now_ms < turn_ms and not _is_given(state)):
        return 0
    if ledger is not None and state.peer.alive:
        return _reducing(ledger.owed_lots, net) if _is_offered(state, facts) else 0
    if not (state.peer.alive and state.peer.halted) and facts.now_ms >= _last_ms(state):
        return 0  # a B that is cut off may go on from now on
    shown = _shown_of_b(state)
    if shown is None:
        return None
    return _reducing(state.config.offset_lots - net - shown, net)


def _last_ms(state: MakerState) -> int:
    """Return until when A may act on public answers alone (monotonic ms)."""
    lag_ms = state.config.view_lag_ms
    return _turn_ms(state) + 2 * lag_ms - slack_ms(lag_ms)


def _shown_of_b(state: MakerState) -> int | None:
    """Return B's position by public answers that are equal for as long as REST may lag.

    The newest of them was asked for when whatever B signed in its turn must be in it.
    """
    looked, lag_ms = state.looked, state.config.view_lag_ms
    if looked is None or looked.seq != state.seq:
        return None
    since_ms = _turn_ms(state) + lag_ms + slack_ms(lag_ms)
    if looked.agreed(since_ms, 0) is None:
        return None
    return looked.agreed(0, lag_ms)


def _reducing(lots: int, net: int) -> int:
    """Return the part of a trade that makes A's position smaller."""
    if lots * net >= 0:
        return 0
    return Side.of(lots).sign * min(abs(lots), abs(net))


def look(state: MakerState, facts: Facts) -> Step:
    """Ask what B holds, if the watch is on; again after a while where nothing came of it."""
    looked = state.looked
    if looked is None or looked.seq != state.seq:
        looked = LookedAtB(facts.now_ms, state.seq)
    elif facts.now_ms < looked.asked_ms + state.config.view_lag_ms // 3:
        return state, ()
    if not state.config.peer_watch or not state.seq:
        return state, ()
    looked = replace(looked, asked_ms=facts.now_ms)
    return replace(state, looked=looked), (LookAtB(state.seq),)
