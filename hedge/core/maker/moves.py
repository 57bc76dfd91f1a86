"""The maker's elementary moves: through the table, to a fence, to a halt, and saying fills."""

from dataclasses import replace

from hedge.core import ids
from hedge.core.amounts import Side
from hedge.core.maker.state import (
    TRANSITIONS,
    Fence,
    HaltPair,
    LedgerView,
    MakerEffect,
    MakerState,
    Note,
    Order,
    Pending,
    Phase,
    PublishFill,
    Trigger,
)
from hedge.core.records import Trade
from hedge.core.transitions import Facts, look_up

Step = tuple[MakerState, tuple[MakerEffect, ...]]

QUIET = frozenset({Phase.HALTED, Phase.STOPPING})


def move(state: MakerState, trigger: Trigger) -> MakerState:
    """Move through the table. Raises IllegalTransitionError for a missing row."""
    return replace(state, phase=look_up(TRANSITIONS, state.phase, trigger))


def fence(state: MakerState, why: str) -> Step:
    """Ask for a fence; nothing else is sent until it is passed."""
    state = replace(move(state, Trigger.FENCE), pending=Pending.FENCE)
    return state, (Note("fence", why), Fence())


def halt(state: MakerState, reason: str, detail: str, *, holds_a_start: bool = False) -> Step:
    """Halt the pair; a second reason while halted is another halt, and needs its own release.

    On the way out it is only said, unless it `holds_a_start`: the next one.
    """
    if state.phase is Phase.HALTED or (state.phase is Phase.STOPPING and holds_a_start):
        return state, (HaltPair(reason, detail),)
    if state.phase in QUIET:
        return state, (Note(reason, detail, loud=True),)
    state = replace(move(state, Trigger.HALT), halt_reason=reason)
    return state, (HaltPair(reason, detail),)


def uncover(state: MakerState, facts: Facts) -> MakerState:
    """Start the clocks of the oldest fill that B has not covered."""
    if state.uncovered_ms is not None:
        return state
    return replace(state, uncovered_ms=facts.now_ms, alerted=False)


HEARD_WITHIN_MS = 30_000
"""A fill that is heard later than this counts from the moment in which A states it.

Later than half of `force_close_ms`, too: B's turn to hedge it would be over as it hears of it.
"""


def raised(state: MakerState, moment_ms: int) -> MakerState:
    """Return the state in which B's debt was raised at this moment: first it is B's turn."""
    return replace(state, raised_ms=moment_ms, offered_ms=None, nored=False)


def raised_by(state: MakerState, trades: tuple[Trade, ...], facts: Facts) -> MakerState:
    """Return the state after fills; the trades of an order that unwinds raise nothing.

    They count by the exchange's clock from their own time, or from now where they were found late.
    """
    order = state.order
    unwound = order.client_order_index if order is not None and order.unwinds else None
    times = [trade.time_ms for trade in trades if trade.client_order_index != unwound]
    if not times:  # an unwinding that goes on is no A that cannot reduce
        return replace(state, offered_ms=None)
    moment_ms = facts.moment_of(max(times))
    late = facts.now_ms > moment_ms + min(HEARD_WITHIN_MS, state.config.force_close_ms // 2)
    moment_ms = facts.now_ms if late else max(moment_ms, state.raised_ms or moment_ms)
    return raised(state, moment_ms)


def say(state: MakerState) -> Step:
    """Publish all fills not said yet, once the book does not contradict itself.

    None of a position that our order cannot have brought about: B would trade on it.
    """
    if state.implausible or not state.unsaid or not state.consistent:
        return state, ()
    effects: list[MakerEffect] = []
    seq = state.seq
    for trade in state.unsaid:
        seq += 1
        effects.append(PublishFill(trade, seq, state.net_lots or 0))
    return replace(state, seq=seq, unsaid=()), tuple(effects)


def answer_of_b(state: MakerState) -> LedgerView | None:
    """Return B's ledger if it answers exactly our newest instance, seq and position."""
    ledger = state.peer.ledger
    if ledger is None or ledger.a_instance != state.config.instance:
        return None
    newest = ledger.a_seq == state.seq and ledger.a_position_lots == state.net_lots
    return ledger if newest else None


def new_order(state: MakerState, side: Side, lots: int, price_ticks: int, facts: Facts) -> Order:
    """Return A's next order; its id is a function of its nonce."""
    nonce = state.nonce or 0
    return Order(
        client_order_index=ids.order_id(state.config.instance, nonce),
        nonce=nonce,
        side=side,
        lots=lots,
        price_ticks=price_ticks,
        reduce_only=side is Side.SELL,
        sent_ms=facts.now_ms,
    )
