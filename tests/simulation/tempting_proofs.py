"""Tempting rules of sending and proving: senders, fences and proofs that take less for proof.

Each is handed to one schedule in place of the product's own; nothing in the product knows of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hedge.bus.port import LeaseAnswer
from hedge.bus.scripts import LeaseMode
from hedge.core import ids
from hedge.core.amounts import Side
from hedge.core.book import Book, BookBase, Listed
from hedge.core.records import OrderRow, OrderStatus, Trade
from hedge.core.refusal import Refusal
from hedge.daemon.context import Parts
from hedge.daemon.proof import Proven
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fence, Fenced
from hedge.exchange.outcome import Accepted, Outcome, Unknown
from hedge.exchange.port import OrderRequest, VenueError, VenueUnavailableError
from hedge.exchange.sender import Sender
from hedge.exchange.witness import Rows
from tests.simulation.daemon import Tools, World, sender_of


class RefreshingSender(Sender):
    """Takes `invalid nonce` for a stale count: refreshes it and signs again."""

    async def order(
        self, request: OrderRequest, nonce: int, on_signed: Callable[[], None] | None = None
    ) -> Outcome:
        outcome = await super().order(request, nonce, on_signed)
        if isinstance(outcome, Unknown) and refusal_of(outcome.code) is Refusal.NONCE:
            return await super().order(request, await self._venue.next_nonce())
        return outcome


class UnwitnessedFence(Fence):
    """Asks for no transaction of an order that it does not find in the lists."""

    async def _witnessed(
        self,
        rows: Rows,
        is_proof: Callable[[Rows], bool],
        nonce: int,
        marker: OrderRow | None,
        shown_ms: int | None = None,
    ) -> Rows:
        return rows


class HastyFence(UnwitnessedFence):
    """Takes an accepted marker for a passed fence."""

    async def _listed(self, client_id: int) -> tuple[tuple[OrderRow, ...], OrderRow]:
        rows = await self._venue.inactive_orders()
        return rows, no_row(client_id)


class TrustingFence(UnwitnessedFence):
    """Looks up after the marker was seen, in an answer that need not list it."""

    async def _listed(self, client_id: int) -> tuple[tuple[OrderRow, ...], OrderRow]:
        await super()._listed(client_id)
        rows = await self._venue.inactive_orders()
        return rows, no_row(client_id)


class NonceFence(Fence):
    """Takes any listed order with its nonce for its own marker, whatever became of that one."""

    async def _round(self) -> Fenced:
        venue: Any = self._venue
        nonce = await venue.next_nonce()
        first = await self._cancel_all(nonce) if self._cancel_all_first else None
        nonce += first is not None
        self._serial += 1
        marker = self._marker(ids.marker_id(self._instance, self._serial))
        await self._transmit(await venue.sign_order(marker, nonce))
        for _ in range(5):
            await self._clock.sleep(0.5)
            rows = await venue.inactive_orders()
            for row in rows:
                if venue.history.row_nonces[row.order_index] == nonce:
                    if first is not None:
                        await self._until_executed(first)
                    return Fenced(nonce + 1, rows, row)
        raise VenueUnavailableError("no order with this nonce is listed")


def no_row(client_id: int) -> OrderRow:

    return OrderRow(0, client_id, Side.BUY, 1, 0, 1, OrderStatus.CANCELED, False, 0)


def sender(kind: type[Sender]) -> Tools:
    def parts(parts: Parts, world: World) -> Parts:
        side = parts.config.side
        sender = sender_of(kind, parts.venue, parts.clock, parts.instance, side)
        return replace(parts, sender=sender)

    return Tools(parts=parts)


def fence(kind: type[Fence]) -> Tools:
    def parts(parts: Parts, world: World) -> Parts:
        parts.sender._fence.__class__ = kind
        return parts

    return Tools(parts=parts)


class PairingSender(Sender):
    """Sends two transactions at once, and lets one fence close both."""

    async def order(
        self, request: OrderRequest, nonce: int, on_signed: Callable[[], None] | None = None
    ) -> Outcome:
        half = request.lots // 2
        if not ids.is_ours(request.client_order_index) or request.reduce_only or half == 0:
            return await super().order(request, nonce, on_signed)
        with self._alone("order"):
            first = await self._venue.sign_order(replace(request, lots=half), nonce)
            rest = replace(request, lots=request.lots - half)
            second = await self._venue.sign_order(rest, nonce + 1)
            one, two = await asyncio.gather(self._transmit(first), self._transmit(second))
        return one if isinstance(two, Accepted) else Unknown("one of two", second, copies=1)


def prove_by_position(manager: Any) -> None:
    """Two equal reads of the position are the truth."""
    books, venue = manager.books, manager.parts.venue

    async def prove(fenced: Fenced, this_round: int) -> None:
        while True:
            one, two = await venue.account(), await venue.account()
            if one.position_lots == two.position_lots:
                break
        read = (await venue.trades(None)).trades
        newest = read[-1] if read else None
        base = BookBase(
            one.position_lots, newest.trade_id if newest else 0, newest.time_ms if newest else 0
        )
        books.book = Book(base)
        books._handlers.trades((), 0)
        if this_round == books._round:
            books._handlers.proven(fenced, Proven(books.book, explained=True))

    books._prove = patient(prove)


def prove_by_sum(manager: Any) -> None:
    """What was stored plus the trades read is the position; no order row is matched."""
    books, real = manager.books, manager.books._prove

    async def prove(fenced: Fenced, this_round: int) -> None:
        await real(replace(fenced, rows=()), this_round)

    books._prove = prove


def patient(work: Callable[[Fenced, int], Any]) -> Callable[[Fenced, int], Any]:
    async def tried(fenced: Fenced, this_round: int) -> None:

        while True:
            try:
                await work(fenced, this_round)
            except VenueError:
                await asyncio.sleep(0.5)
            else:
                return

    return tried


class AddedBook(Book):
    """Its position is what it has added up, whatever its newest trade says of itself."""

    @property
    def net_lots(self) -> int:
        return self._sum_lots

    @property
    def consistent(self) -> bool:
        return True


class SumBook(AddedBook):
    """Adds up what it hears; a trade that turns up late is past."""

    def add(self, trades: Any, heard_ms: int | None = None) -> tuple[Trade, ...]:
        return super().add(trade for trade in trades if trade.trade_id > self.last_trade_id)

    def listed(self, answer: Any) -> Listed:
        return Listed(self.add(answer.trades))


def believe(manager: Any, kind: type[Book]) -> None:
    """Let every book that is proven be of this kind."""
    real = manager.books._prove

    async def prove(fenced: Fenced, this_round: int) -> None:
        await real(fenced, this_round)
        if manager.books.book is not None:
            manager.books.book.__class__ = kind

    manager.books._prove = prove


def sum_is_position(manager: Any) -> None:
    believe(manager, SumBook)


def renew_lapsed(parts: Parts, world: World) -> Parts:
    """A lapsed lease is renewed by its old holder as if nothing had been."""
    messenger: Any = parts.messenger
    if parts.config.side == "b":
        write = messenger.write_ledger

        async def renew(key: Any) -> LeaseAnswer:

            answer = await messenger._scripts.lease(key, LeaseMode.FREE)
            return replace(answer, was_free=False)

        async def write_ledger(*args: Any, **kwargs: Any) -> LeaseAnswer:
            return await write(*args, **{**kwargs, "take_free": True})

        messenger.renew_lease, messenger.write_ledger = renew, write_ledger
    return parts


def no_cancel_all(parts: Parts, world: World) -> Parts:
    parts.sender._fence._cancel_all_first = False
    return parts


def every_nonce_is_ours(parts: Parts, world: World) -> Parts:
    """A's fence waits for nothing: what another process signed with its key is listed by then."""
    nonces: Any = parts.sender.nonces
    nonces.are_ours = lambda _next_nonce: True
    return parts
