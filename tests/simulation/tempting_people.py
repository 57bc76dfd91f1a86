"""Tempting rules of halts, of commands and of what is published by hand, around built managers."""

from dataclasses import replace
from typing import Any

from hedge.bus.port import StateSnapshot
from hedge.core.maker import state as a_state
from hedge.daemon.redis_health import Need
from hedge.errors import RedisUnreachableError
from hedge.wire.control import Halts
from tests.simulation.tempting_views import wrap_step

NEWEST = 64
"""So many released ids does a heartbeat bear."""


def newest_halt(manager: Any) -> None:
    """What Redis shows is the halt; a release of it releases what it has replaced."""
    keeper = manager.halts
    real = keeper.hear

    def hear(snapshot: StateSnapshot) -> None:
        shown = snapshot.halts
        if shown.halts or shown.released:
            own = keeper._sets.in_force
            replaced = tuple(halt.id for halt in own if halt not in shown.halts)
            snapshot = replace(snapshot, halts=shown.union(Halts(released=replaced)))
        real(snapshot)

    keeper.hear = hear


def close_alone(manager: Any) -> None:
    """A closes as soon as a person asks, whether B follows or not."""
    real = manager.on_command

    def on_command(command: Any) -> Any:
        return real(replace(command, forced=True))

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, a_state.FlattenRequested):
            return replace(event, alone=True)
        return event

    manager.on_command = on_command
    wrap_step(manager, before)


def restore_by_hand(manager: Any) -> None:
    """What this host's file says of fills published by hand is so."""
    kept = manager.parts.host.read(f"manual-{manager.parts.spec.market_index}") or {}
    lots = int(kept.get("manual_lots", 0))
    manager.state = replace(manager.state, manual_lots=lots, hand_base_lots=0)


def release_in_force(manager: Any) -> None:
    """A resumption releases what is in force, whatever the person was shown."""
    keeper = manager.halts
    real = keeper.release

    def release(ids: tuple[str, ...], **how: Any) -> bool:
        done: bool = real((*ids, *(halt.id for halt in keeper.in_force)), **how)
        return done

    keeper.release = release


def shown_is_in_force(manager: Any) -> None:
    """A halt that Redis shows is in force, released before or not."""
    keeper = manager.halts
    real = keeper.hear

    def hear(snapshot: StateSnapshot) -> None:
        shown = {halt.id for halt in snapshot.halts.in_force}
        released = tuple(one for one in keeper._sets.released if one not in shown)
        if len(released) < len(keeper._sets.released):
            keeper._sets = replace(keeper._sets, released=released)
        real(snapshot)

    keeper.hear = hear


def newest_releases(manager: Any) -> None:
    """The newest 64 released ids are enough."""
    keeper = manager.halts
    real = keeper._take

    def take(sets: Halts) -> None:
        real(sets)
        if len(keeper._sets.released) > NEWEST:
            kept = keeper._sets.released[-NEWEST:]
            keeper._sets = keeper._kept = replace(keeper._sets, released=kept)

    keeper._take = take


def answers_is_up(manager: Any) -> None:
    """Redis answers, so Redis is up."""
    health = manager.redis
    real = health.failed

    def failed(need: Need, error: RedisUnreachableError) -> None:
        if need is Need.READS:
            real(need, error)

    health.failed = failed
