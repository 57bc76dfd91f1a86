"""Tempting rules of who acts on a fill that is not hedged, and of what B says of it."""

from dataclasses import replace
from typing import Any

from hedge.core.hedger.departure import MakerSeen
from hedge.core.maker.state import PeerSeen
from tests.simulation.tempting_views import wrap_step

NEVER_MS = 10**9


def last_words_show_it(manager: Any) -> None:
    """B answers, and records neutral moments, by what A said last, however long ago."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        effects: tuple[Any, ...] = real(event)
        manager.state = replace(manager.state, a_shown=True)
        return effects

    manager.step = step


def any_ledger_is_leave(manager: Any) -> None:
    """A acts at its time-out on what B's ledger says, whether B has yielded or not."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, PeerSeen) and event.peer.ledger is not None:
            ledger = replace(event.peer.ledger, yields=True)
            return replace(event, peer=replace(event.peer, ledger=ledger))
        return event

    wrap_step(manager, before)


def any_ledger_is_now(manager: Any) -> None:
    """A takes a fresh ledger for what is so now: nothing of B is on its way, and none will be."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, PeerSeen) and event.peer.ledger is not None:
            ledger = replace(event.peer.ledger, yields=True, inflight=False)
            return replace(event, peer=replace(event.peer, ledger=ledger))
        return event

    wrap_step(manager, before)


def never_stops(manager: Any) -> None:
    """B goes on trying, whoever else acts."""
    config = manager.state.config
    manager.state = replace(manager.state, config=replace(config, force_close_ms=NEVER_MS))

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, MakerSeen) and event.beat is not None:
            beat = replace(event.beat, force_close_ms=NEVER_MS, acting=False)
            return replace(event, beat=beat)
        return event

    wrap_step(manager, before)
