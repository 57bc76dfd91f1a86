"""Tempting rules of what the two sides make of each other, wrapped around built managers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import main_A
import main_B
from hedge.bus.port import StateSnapshot
from hedge.core import ids
from hedge.core.book import Book
from hedge.core.hedger import state as b_state
from hedge.core.hedger.rules import attempt_failed
from hedge.core.maker import state as a_state
from hedge.core.records import Trade
from hedge.daemon.context import Parts
from hedge.daemon.daemon import Shell
from hedge.daemon.proof import Proven
from hedge.exchange.fence import Fenced
from hedge.exchange.port import TradesSeen
from hedge.hedger import statements as answers
from hedge.maker import statements
from hedge.wire.messages import AFilled
from tests.simulation.bus import NAMES
from tests.simulation.daemon import Tools
from tests.simulation.exchange import SPEC

Change = Callable[[Any], None]


def managers(change_a: Change | None = None, change_b: Change | None = None) -> Tools:
    """Return tools that build the real managers and then change what is given."""

    def builder(build: Callable[[Parts], Shell], change: Change | None) -> Callable[[Parts], Shell]:
        def built(parts: Parts) -> Shell:
            manager = build(parts)
            if change is not None:
                change(manager)
            return manager

        return built

    return Tools(builder(main_A.build, change_a), builder(main_B.build, change_b))


def wrap_step(manager: Any, before: Callable[[Any, Any], Any]) -> None:
    """Let `before` replace each event, or drop it (None)."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        changed = before(manager, event)
        effects: tuple[Any, ...] = () if changed is None else real(changed)
        return effects

    manager.step = step


def add_up(manager: Any) -> None:
    """B adds up the fills that it hears."""
    total: list[int] = []
    limits = manager.parts.scope.limits_a(NAMES.account_a_filled)

    def hear(text: str) -> None:
        fill = AFilled.from_json(text, SPEC, limits)
        if not total:
            total.append((fill.position_lots or 0) - fill.signed_lots)
        total[0] += fill.signed_lots
        manager.post(b_state.Tick())

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.TargetSeen):
            if not total:
                total.append(event.target.position_lots)
            return replace(event, target=replace(event.target, position_lots=total[0]))
        return event

    handlers = manager.parts.messenger.handlers[NAMES.account_a_filled]
    handlers.insert(0, hear)
    wrap_step(manager, before)


def newest_by_trade(manager: Any) -> None:
    """The newest state is the one with the highest trade id."""

    def before(_: Any, event: Any) -> Any:
        known = manager.state.a
        if not isinstance(event, b_state.TargetSeen) or known is None:
            return event
        if event.target.last_trade_id > known.last_trade_id:
            return event
        return replace(event, target=replace(event.target, position_lots=known.position_lots))

    wrap_step(manager, before)


def trust_the_key(manager: Any) -> None:
    """After a start B believes what Redis holds."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.BaselineRead):
            return replace(event, named=True, fresh=True)
        return event

    wrap_step(manager, before)


def missing_is_flat(manager: Any) -> None:
    """A missing key means that A is flat."""
    real = manager.on_snapshot

    def on_snapshot(snapshot: StateSnapshot | None) -> None:
        real(snapshot)
        if snapshot is not None and snapshot.position_a is None:
            flat = b_state.ATarget("f" * 12, manager.parts.epoch_s, 0, 0, manager.parts.epoch_s)
            manager.post(b_state.TargetSeen(flat, named=True))

    manager.on_snapshot = on_snapshot


def zero_is_failed(manager: Any) -> None:
    """A terminal row without a fill proves that the attempt failed."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        before = manager.state.phase
        effects: tuple[Any, ...] = real(event)
        state = manager.state
        order = state.inflight
        doubtful = before is b_state.Phase.SETTLING and state.phase is b_state.Phase.UNKNOWN
        if doubtful and order.row is not None and order.row.is_terminal and not order.filled_lots:
            failure = b_state.Failure("zero_filled", "zero filled")
            manager.state, more = attempt_failed(
                replace(state, inflight=None), failure, False, manager.facts()
            )
            return (*(e for e in effects if not isinstance(e, b_state.Fence)), *more)
        return effects

    manager.step = step


def deposed_goes_on(manager: Any) -> None:
    """A B that got no 21104 goes on: no lease, no new proof, no twin is looked at."""
    books, real = manager.books, manager.books._prove

    async def prove(fenced: Fenced, this_round: int) -> None:
        if books.book is None:
            await real(fenced, this_round)
        elif this_round == books._round:
            books._handlers.proven(fenced, Proven(books.book, explained=False))

    async def check() -> bool:
        return True

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.LeaseChanged) and not event.held:
            return None
        if isinstance(event, b_state.OwnBook):
            return replace(event, twin=False)
        return event

    books._prove = prove
    manager.lease.check = check
    wrap_step(manager, before)


def close_both(manager: Any) -> None:
    """After a force-close time-out B closes its own position too."""
    real = manager.on_snapshot

    def on_snapshot(snapshot: StateSnapshot | None) -> None:
        real(snapshot)
        halts = snapshot.halts.in_force if snapshot else ()
        known = manager.state.a
        if known is None:
            return
        closes = any(halt.reason == "force_close_timeout" for halt in halts)
        if closes and known.position_lots:
            manager.state = replace(manager.state, a=replace(known, position_lots=0))
            manager.post(b_state.Tick())

    manager.on_snapshot = on_snapshot


def one_dedupe(manager: Any) -> None:
    """One set of trade ids for both accounts."""
    ids_seen: set[int] = set()
    real = manager.books.on_trades

    def on_trades(seen: TradesSeen) -> None:
        new = tuple(trade for trade in seen.trades if trade.trade_id not in ids_seen)
        ids_seen.update(trade.trade_id for trade in new)
        book = manager.books.book
        if book is not None:
            book.__class__ = Deaf
            book.deaf_to = ids_seen - {trade.trade_id for trade in new}
        real(TradesSeen(new, seen.received_ns))

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.PeerTraded):
            ids_seen.update(trade.trade_id for trade in event.trades)
        return event

    manager.books.on_trades = on_trades
    wrap_step(manager, before)


class Deaf(Book):
    """Counts no trade of a set of ids."""

    deaf_to: set[int]

    def add(self, trades: Any) -> tuple[Trade, ...]:
        known = {trade.trade_id for trade in self.trades}
        return super().add(trade for trade in trades if trade.trade_id not in self.deaf_to - known)


def any_zero_releases(manager: Any) -> None:
    """A goes on when the ledger says owed 0, whatever state it answers."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, a_state.PeerSeen) and event.peer.ledger is not None:
            state = manager.state
            ledger = replace(
                event.peer.ledger,
                a_instance=state.config.instance,
                a_seq=state.seq,
                a_position_lots=state.net_lots or 0,
            )
            return replace(event, peer=replace(event.peer, ledger=ledger))
        return event

    wrap_step(manager, before)


def row_is_fill(manager: Any) -> None:
    """A terminal row seen means that its fills are known."""

    def before(_: Any, event: Any) -> Any:
        order = manager.state.order
        if isinstance(event, a_state.OwnOrder) and order is not None:
            row = event.row
            if row.is_terminal and row.client_order_index == order.client_order_index:
                order = replace(order, filled_lots=row.filled_lots)
                manager.state = replace(manager.state, order=order)
        return event

    wrap_step(manager, before)


def write_on_change(manager: Any) -> None:
    """State is written when it changes, never again."""

    async def write_state() -> bool:
        if not manager.lease.held:
            return False
        parts, state = manager.parts, manager.state
        if manager.side == "a":
            await parts.messenger.beat(statements.beat_of(parts, state))
        else:
            reasons = manager._answers._reasons(manager.facts())
            await parts.messenger.beat(answers.beat_of(parts, state, reasons, None))
        return True

    manager.write_state = write_state


def four_bits_are_ours(manager: Any) -> None:
    """An id with a tag of the pair is the pair's."""
    manager.lease.signers.is_ours = lambda client_order_index, _at_ms, **_: ids.is_ours(
        client_order_index
    )
