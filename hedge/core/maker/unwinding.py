"""When A acts alone: an uncovered fill grows old, or a person wants the position closed.

A reduces only what is proven to be unhedged: by B's ledger where it answers A's newest state and B
lives, otherwise by B's position as the venue shows it to everybody. What cannot be read is not
acted on.
"""

from dataclasses import replace

from hedge.core.amounts import Side
from hedge.core.maker.closing import Closing, LookAtB, LookedAtB
from hedge.core.maker.moves import Step, answer_of_b, halt, new_order
from hedge.core.maker.state import MakerState, Note, Pending, Phase, Place
from hedge.core.transitions import Facts

LOOK_EVERY_MS = 5000
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
    if not state.alerted and facts.now_ms >= since + config.confirm_timeout_ms:
        detail = f"B has not covered a fill for {config.confirm_timeout_ms / 1000:g} s; holding"
        return replace(state, alerted=True), (Note("hedge_confirm_timeout", detail, loud=True),)
    patience_ms = config.force_close_ms * (2 if state.peer.leaving else 1)
    overdue = facts.now_ms >= since + patience_ms
    waits = state.closing in (None, Closing.ALL)
    if overdue and waits and state.phase is not Phase.STOPPING:
        detail = (
            f"B has not covered a fill for {patience_ms / 1000:g} s; A holds "
            f"{config.spec.base(state.net_lots or 0)} {config.spec.symbol} and reduces what is "
            "proven to be unhedged"
        )
        state = replace(state, closing=Closing.UNHEDGED)
        state, effects = halt(state, "force_close_timeout", detail)
        return replace(state, halt_reason="force_close_timeout"), effects
    return state, ()


def with_redis_again(state: MakerState, facts: Facts) -> MakerState:
    """Return the state with Redis up; the time in which B could not be told does not count."""
    if state.redis_up:
        return state
    since = state.uncovered_ms
    if since is not None:
        told_ms = since + facts.now_ms - max(since, state.redis_down_ms)
        state = replace(state, uncovered_ms=told_ms, alerted=False)
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
    patience_ms = config.force_close_ms * (2 if state.peer.leaving else 1)
    waits = state.closing in (None, Closing.ALL)
    if facts.now_ms < since + patience_ms or not waits or state.phase is Phase.STOPPING:
        return state, ()
    looked = state.looked
    if looked is None or looked.position_lots is None or looked.seq != state.seq:
        return look(state, facts)
    net = state.net_lots or 0
    held, symbol = config.spec.base(looked.position_lots), config.spec.symbol
    owed = config.offset_lots - net - looked.position_lots
    if not _reducing(owed, net):
        detail = f"the exchange states B's position as {held} {symbol}: nothing is left to A"
        state = replace(state, uncovered_ms=facts.now_ms, looked=None)
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
    lots = -(state.net_lots or 0) if is_all else _unhedged(state)
    if lots is None:
        return look(state, facts)
    if lots == 0 and is_all:
        return replace(state, closing=None), (Note("closed", "nothing left to close"),)
    if state.closing is Closing.ALL and not (state.peer.ready and state.uncovered_ms is None):
        return state, ()
    price = (facts.bid_ticks if lots < 0 else facts.ask_ticks) or facts.mark_ticks
    if lots == 0 or price is None:
        return state, ()  # what is unhedged ends with coverage, or with a readable ledger
    order = new_order(state, Side.of(lots), abs(lots), price, facts)
    order = replace(order, reduce_only=True, closing=True)
    state = replace(
        state,
        order=order,
        pending=Pending.PLACE,
        looked=None,
        retry_at_ms=facts.now_ms + state.config.retry_delay_ms,
    )
    return state, (Place(order),)


def _unhedged(state: MakerState) -> int | None:
    """Return the signed trade of A that closes what B has not hedged, None while unknown."""
    net, ledger = state.net_lots or 0, answer_of_b(state)
    if ledger is not None and state.peer.alive:
        if not ledger.inflight:
            return _reducing(ledger.owed_lots, net)
        if state.peer.ready:
            return 0  # an order of a B that works is in flight: soon it is known what is owed
        # Else its fate is open, and what is owed is not what the ledger says: look at B itself.
    looked = state.looked
    if looked is None or looked.position_lots is None or looked.seq != state.seq:
        return None
    return _reducing(state.config.offset_lots - net - looked.position_lots, net)


def _reducing(lots: int, net: int) -> int:
    """Return the part of a trade that makes A's position smaller."""
    if lots * net >= 0:
        return 0
    return Side.of(lots).sign * min(abs(lots), abs(net))


def look(state: MakerState, facts: Facts) -> Step:
    """Ask what B holds, if the watch is on; again after a while where nothing came of it."""
    looked = state.looked
    recently = looked is not None and facts.now_ms < looked.asked_ms + LOOK_EVERY_MS
    same = looked is not None and looked.seq == state.seq
    if not state.config.peer_watch or not state.seq or (recently and same):
        return state, ()
    looked = LookedAtB(facts.now_ms, state.seq)
    return replace(state, looked=looked), (LookAtB(state.seq),)
