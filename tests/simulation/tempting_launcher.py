"""Tempting rules of the launcher: each replaces what it decides at one event."""

from collections.abc import Callable
from dataclasses import replace

from hedge.launcher import decisions
from hedge.launcher.decisions import Ended, Event, Looked, Phase, State, Step
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


def a_died_stop_the_pair(state: State, event: Event) -> Step:
    """A died, so the pair is over: B is stopped, whatever A has left in the book.

    A B that leaves last does not leave then: without that rule it does.
    """
    dies = isinstance(event, Ended) and event.name == decisions.A and event.code != 0
    if not dies or state.phase is not Phase.WATCHING or state.b is None or not state.b.runs:
        return decisions.step(state, event)
    assert isinstance(event, Ended)
    a = None if state.a is None else replace(state.a, code=event.code)
    b = replace(state.b, is_asked=True)
    left = replace(state, a=a, b=b, goal=decisions.Goal.FAILURE, failure_code=5, leave=0)
    return replace(left, phase=Phase.STOPPING_B), (decisions.Ask(decisions.B),)
