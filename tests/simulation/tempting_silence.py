"""Tempting rules of what need not be said, wrapped around built managers."""

from dataclasses import replace
from typing import Any

from hedge.core.hedger import state as b_state
from hedge.wire.state import Ready
from tests.simulation.tempting_views import wrap_step


def silent_hold(manager: Any) -> None:
    """A limit that says no is enough: A says it neither in its log nor in its heartbeat."""
    stamp, step = manager.origin.stamped_beat, manager.step

    def stamped_beat(ready: Ready) -> Ready:
        said: Ready = stamp(replace(ready, ready=True, reasons=(), notices=()))
        return said

    def quiet_step(event: Any) -> tuple[Any, ...]:
        return tuple(one for one in step(event) if getattr(one, "event", "") != "holding")

    manager.origin.stamped_beat = stamped_beat
    manager.step = quiet_step
    manager._log_waiting = lambda: None


def polls_again_later(manager: Any) -> None:
    """A page that does not reach back is asked for again later; nothing else, and no word."""
    step = manager.step

    def before(_: Any, event: Any) -> Any:
        return None if isinstance(event, b_state.MakerStated) else event

    def quiet_step(event: Any) -> tuple[Any, ...]:
        effects = step(event)
        manager.state = replace(manager.state, unseen=None)
        unsaid = ("a_away", "a_unseen", "a_seen")
        return tuple(one for one in effects if getattr(one, "event", "") not in unsaid)

    manager.step = quiet_step
    wrap_step(manager, before)
