"""The maker's elementary moves: through the table, to a fence, to a halt, and saying fills."""

from dataclasses import replace

from hedge.core.machine import Facts, look_up
from hedge.core.maker_state import (
    TRANSITIONS,
    Fence,
    HaltPair,
    MakerEffect,
    MakerState,
    Note,
    Pending,
    Phase,
    PublishFill,
    Trigger,
)

Step = tuple[MakerState, tuple[MakerEffect, ...]]

QUIET = frozenset({Phase.HALTED, Phase.STOPPING})


def move(state: MakerState, trigger: Trigger) -> MakerState:
    """Move through the table. Raises IllegalTransitionError for a missing row."""
    return replace(state, phase=look_up(TRANSITIONS, state.phase, trigger))


def fence(state: MakerState, why: str) -> Step:
    """Ask for a fence; nothing else is sent until it is passed."""
    state = replace(move(state, Trigger.FENCE), pending=Pending.FENCE)
    return state, (Note("fence", why), Fence())


def halt(state: MakerState, reason: str, detail: str) -> Step:
    """Halt the pair; a second reason while halted is only said."""
    if state.phase in QUIET:
        return state, (Note(reason, detail, loud=True),)
    state = replace(move(state, Trigger.HALT), halt_reason=reason)
    return state, (HaltPair(reason, detail),)


def uncover(state: MakerState, facts: Facts) -> MakerState:
    """Start the clocks of the oldest fill that B has not covered."""
    if state.uncovered_ms is not None:
        return state
    return replace(state, uncovered_ms=facts.now_ms, alerted=False)


def say(state: MakerState, *, anyway: bool = False) -> Step:
    """Publish all fills not said yet, once the book does not contradict itself (or `anyway`)."""
    if not state.unsaid or not (state.consistent or anyway):
        return state, ()
    effects: list[MakerEffect] = []
    seq = state.seq
    for trade in state.unsaid:
        seq += 1
        effects.append(PublishFill(trade, seq, state.net_lots or 0))
    return replace(state, seq=seq, unsaid=()), tuple(effects)
