"""Tempting rules of the launcher: each replaces what it decides at one event."""

from collections.abc import Callable
from dataclasses import replace

from hedge.launcher import decisions
from hedge.launcher.decisions import Event, Looked, Phase, State, Step
from tests.simulation.daemon import Tools

Decide = Callable[[State, Event], Step]


def launcher(decide: Decide) -> Tools:
    """Let scripts decide so."""
    return Tools(decide=decide)


def halted_needs_no_b(state: State, event: Event) -> Step:
    """A halted pair needs no B: a start finds the halt, and stops B again."""
    waits = state.phase is Phase.WAITING_FOR_B and isinstance(event, Looked)
    report = event.report if isinstance(event, Looked) else None
    if not waits or report is None or not report.is_halted or report.b.beat is None:
        return decisions.step(state, event)
    assert state.b is not None
    b = replace(state.b, is_asked=True)
    left = replace(state, b=b, goal=decisions.Goal.FAILURE, failure_code=5, leave=0)
    return replace(left, phase=Phase.STOPPING_B), (decisions.Ask(decisions.B),)
