"""Tempting rules of what a frame says: that it is so, and that what executed was meant."""

from dataclasses import replace
from typing import Any

from hedge.core.book import Book, Listed
from hedge.core.hedger import state as b_state
from hedge.core.hedger.watch import PeerAnswered, PeerTraded
from hedge.core.records import Trade
from tests.simulation.tempting_proofs import AddedBook, believe
from tests.simulation.tempting_views import wrap_step

ANY_LOTS = 10**12


def highest_is_newest(manager: Any) -> None:
    """The highest id of A that a frame has shown is the newest truth, listed or not."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        before = manager.state
        if isinstance(event, PeerAnswered):
            legs = {(leg.trade_id, leg.side): leg for leg in (*event.answer.legs, *before.watched)}
            ordered = tuple(legs[key] for key in sorted(legs, key=lambda key: key[0]))
            event = replace(event, answer=replace(event.answer, legs=ordered))
        effects: tuple[Any, ...] = real(event)
        if before.shown is not None and manager.state.shown is None:
            manager.state = replace(manager.state, shown=before.shown)
        return effects

    manager.step = step


def sum_agrees(manager: Any) -> None:
    """A size that agrees with the position before it is true, however large."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        if not isinstance(event, PeerTraded):
            effects: tuple[Any, ...] = real(event)
            return effects
        maker = manager.state.maker
        manager.state = replace(manager.state, maker=replace(maker, beat=None))
        effects = real(event)
        manager.state = replace(manager.state, maker=maker)
        return effects

    manager.step = step


class ToldBook(Book):
    """What a frame said stays; an answer adds what is not known."""

    def add(self, trades: Any, heard_ms: int | None = None) -> tuple[Trade, ...]:
        return super().add(trades)

    def listed(self, answer: Any) -> Listed:
        return Listed(self.add(answer.trades))


def frames_stay(manager: Any) -> None:
    """What the stream said stays in the book."""
    real = manager.books._prove

    async def prove(fenced: Any, this_round: int) -> None:
        await real(fenced, this_round)
        if manager.books.book is not None:
            manager.books.book.__class__ = ToldBook

    manager.books._prove = prove


def newer_contains_older(manager: Any) -> None:
    """What is stated after a trade contains all that came before it."""
    believe(manager, AddedBook)


def whatever_executes(manager: Any) -> None:
    """Whatever executed is taken: B answers it with the next order."""

    def before(_: Any, event: Any) -> Any:
        state = manager.state
        order = state.inflight and replace(state.inflight, lots=ANY_LOTS, row=None)
        manager.state = replace(state, inflight=order, quantity_lots=0, probes=False)
        if isinstance(event, b_state.OwnOrder):
            return replace(event, row=replace(event.row, initial_lots=ANY_LOTS))
        return event

    wrap_step(manager, before)
