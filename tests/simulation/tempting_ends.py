"""Tempting rules of ends, starts and freshness, wrapped around built managers."""

from dataclasses import replace
from typing import Any

from hedge.core.hedger import state as b_state
from hedge.core.hedger.departure import is_heard
from hedge.core.hedger.rules import owed_lots
from hedge.errors import ConfigError
from tests.simulation.tempting_views import wrap_step


def covered_may_stop(manager: Any) -> None:
    """B leaves as soon as it covers what it knows of A."""

    def before(changed: Any, event: Any) -> Any:
        state = changed.state
        if state.stop_by_ms is not None and owed_lots(state) == 0 and state.net_lots is not None:
            left = state.config.offset_lots - state.net_lots
            maker = replace(state.maker, left_lots=left)
            changed.state = replace(state, maker=maker)
        return event

    wrap_step(manager, before)


def no_name_is_no_order(manager: Any) -> None:
    """A heartbeat that names no order means that none rests, whether its book is proven or not.

    One that names no position either (its book is not proven) stands for the last one stated.
    """

    def before(changed: Any, event: Any) -> Any:
        if not isinstance(event, b_state.MakerSeen) or event.beat is None:
            return event
        beat, known = replace(event.beat, proven=True), changed.state.a
        if beat.position_lots is None and known is not None:
            beat = replace(beat, position_lots=known.position_lots)
        return replace(event, beat=beat)

    wrap_step(manager, before)


def owed_is_all(manager: Any) -> None:
    """Nothing is owed to A, so its end is neutral, whatever is open by hand."""
    manager._open_by_hand = lambda: 0


def any_echo_is_heard(manager: Any) -> None:
    """Whatever A's heartbeat says, it has heard that B leaves."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.MakerSeen) and event.beat is not None:
            return replace(event, beat=replace(event.beat, answers_leaving=True))
        return event

    wrap_step(manager, before)


def everything_is_fresh(manager: Any) -> None:
    """What stands in Redis is what is so, whenever and by whom it was written."""
    origin = manager.origin
    now_ms = manager.parts.clock.now_ms

    def fresh_until(_name: str, record: Any) -> int | None:
        return None if record is None else now_ms() + 8000

    origin.fresh_until = fresh_until
    origin.is_fresh = lambda name, record: fresh_until(name, record) is not None


def live_is_current(manager: Any) -> None:
    """A lives, so its statement is current, whatever the exchange itself has stated."""

    def before(changed: Any, event: Any) -> Any:
        if isinstance(event, b_state.TargetSeen):
            changed.state = replace(changed.state, adopted=None)
        return event

    wrap_step(manager, before)


def stated_is_current(manager: Any) -> None:
    """Two equal statements are A's position, however soon after B's own trade they were asked."""

    def before(changed: Any, event: Any) -> Any:
        if isinstance(event, b_state.MakerStated):
            changed.state = replace(changed.state, own_traded_ms=-(10**9))
        return event

    wrap_step(manager, before)


def stored_is_known(manager: Any) -> None:
    """What A stated last, and is stored, is A's position, whether or not A still says it."""
    names, real = manager.parts.names, manager.origin.is_fresh
    manager.origin.is_fresh = lambda name, record: (
        (record is not None) if name == names.position_a else real(name, record)
    )


def left_in_file(manager: Any) -> None:
    """A said once that it left: that stands in this host's file, whatever came after."""
    host, name = manager.parts.host, "a-left"

    def before(changed: Any, event: Any) -> Any:
        maker = changed.state.maker
        if maker.left_lots is not None:
            host.write(name, {"lots": maker.left_lots})
        elif (kept := host.read(name)) is not None:
            changed.state = replace(changed.state, maker=replace(maker, left_lots=kept["lots"]))
        return event

    wrap_step(manager, before)


def minimum_is_written(manager: Any) -> None:
    """A check at the start that fails is a wrong configuration, whatever the market has done."""
    venue, lots = manager.parts.venue, manager.state.config.quantity_lots
    mark = venue.exchange.engine.mark_price(venue.market.index)
    if not venue.market_now.spec.can_rest(lots, mark):
        raise ConfigError("the quantity is below the minimum")


def silence_is_no_news(manager: Any) -> None:
    """Where nothing is heard nothing has happened: B leaves by what A stated last.

    Neither A's silence nor that of B's own stream counts.
    """

    def before(changed: Any, event: Any) -> Any:
        state = changed.state
        is_silent = not is_heard(state.maker, changed.parts.clock.now_ms())
        if state.stop_by_ms is not None and is_silent and owed_lots(state) == 0:
            left = state.config.offset_lots - state.net_lots
            changed.state = replace(state, maker=replace(state.maker, left_lots=left))
        return event

    wrap_step(manager, before)
    manager.is_own_shown = lambda: True


def pongs_prove_the_link(manager: Any) -> None:
    """A ping every 20 s, and 10 s for its pong: until then the link is as good as ever."""
    heard_within = manager._is_heard_within
    manager.is_answering = lambda: heard_within(30_000)
