"""A tempting rule of a changed price: whose change is not taken, that is gone."""

from dataclasses import replace
from typing import Any

from hedge.core.maker.state import Answered, Pending, Phase
from hedge.core.transitions import Verdict


def what_cannot_change_is_gone(manager: Any) -> None:
    """A change that was not taken was one of an order that has ended: another may be placed."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        is_of_change = isinstance(event, Answered) and event.pending is Pending.CHANGE
        if is_of_change and event.outcome.verdict is Verdict.REJECTED:
            manager.state = replace(manager.state, order=None, pending=None, phase=Phase.READY)
        effects: tuple[Any, ...] = real(event)
        return effects

    manager.step = step
