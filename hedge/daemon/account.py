"""Our account's book while the process runs: trades in, fences, proofs, what the host keeps."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from hedge.bus.port import StateSnapshot
from hedge.core.book import Book, BookBase
from hedge.core.records import Trade
from hedge.daemon.clock import clock_off_ms
from hedge.daemon.context import Parts
from hedge.daemon.lease import LeaseKeeper
from hedge.daemon.proof import ALL_PAGES, PAGE_LIMIT, NotProvenError, Proven, prove
from hedge.daemon.send_turn import Sending
from hedge.errors import AccountKeyError
from hedge.exchange.fence import Fenced
from hedge.exchange.port import KeyRefusedError, TradesSeen, VenueError


@dataclass(frozen=True, slots=True)
class NotProven:
    """A book without proof: the reason of the halt, and what is missing."""

    reason: str
    detail: str


@dataclass(frozen=True)
class BookHandlers:
    """What a manager does with what its book brings.

    New trades, a proven book, a refused key, a book without proof, a fence that does not pass;
    `spawn` starts a named task of the process's group.
    """

    trades: Callable[[tuple[Trade, ...], int], None]
    proven: Callable[[Fenced, Proven], None]
    key_refused: Callable[[KeyRefusedError], None]
    not_proven: Callable[[NotProven], None]
    fence_slow: Callable[[str], None]
    spawn: Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]]


class Bookkeeper:
    """Owns the book; None until it is proven for the first time."""

    def __init__(
        self,
        parts: Parts,
        side: str,
        lease: LeaseKeeper,
        sending: Sending,
        handlers: BookHandlers,
    ) -> None:
        """Know nothing yet."""
        self._parts = parts
        self._side = side
        self._lease = lease
        self._sending = sending
        self._handlers = handlers
        # A standby waits for days: what it forgets here, its proof reads from the venue.
        self._early: deque[Trade] = deque(maxlen=PAGE_LIMIT)
        self._watched: BookBase | None = None
        self._saved: BookBase | None = None
        self._round = 0
        self.book: Book | None = None
        self._snapshot: StateSnapshot | None = None

    @property
    def snapshot(self) -> StateSnapshot | None:
        """What Redis held when it was last read."""
        return self._snapshot

    @snapshot.setter
    def snapshot(self, snapshot: StateSnapshot | None) -> None:
        self._snapshot = snapshot
        if snapshot is not None:
            is_a = self._side == "a"
            position = snapshot.position_a if is_a else snapshot.position_b
            if position is not None:  # kept also where Redis forgets it
                self._watched = BookBase(position.position_lots, position.last_trade_id)

    def on_trades(self, seen: TradesSeen) -> None:
        """Count live trades; those before the first proof wait for it."""
        if self.book is None:
            self._early.extend(seen.trades)
        else:
            self._handlers.trades(self.book.add(seen.trades), seen.received_ns)

    async def catch_up(self) -> None:
        """Read the trades above what is certain by REST. Raises VenueError."""
        if self.book is None:
            return
        read = await self._parts.venue.trades(self.book.consistent_trade_id, pages=ALL_PAGES)
        new = self.book.add(read.trades)
        self._parts.log.info("caught_up", new_trades=len(new))
        self._handlers.trades(new, self._parts.clock.mono_ns())

    async def until_whole(self, alive: Callable[[], bool]) -> bool:
        """Catch up until the book does not contradict itself; False once `alive` is not true."""
        timing = self._parts.config.timing
        pause_s = timing.ws_retry_min_s
        while alive():
            try:
                await self.catch_up()
            except VenueError as error:
                self._parts.log.warning("catch_up_failed", reason=error)
            else:
                if self.book is not None and self.book.consistent and alive():
                    return True
            await self._parts.clock.sleep(pause_s)
            pause_s = min(pause_s * 2, timing.ws_retry_max_s)
        return False

    # --- fence and proof ------------------------------------------------------------------

    def reconcile(self) -> Coroutine[Any, Any, None]:
        """Return the work of a new round, which makes every earlier one void.

        A round passes a fence and proves the book; a refused key is tried again with back-off.

        The work raises AccountKeyError where the key is refused before the book was ever proven.
        """
        self._round += 1
        return self._reconcile(self._round)

    async def _reconcile(self, this_round: int) -> None:
        timing = self._parts.config.timing
        pause_s = timing.retry_min_s
        while await self._lease.check():
            try:
                fenced = await self._fenced()
            except KeyRefusedError as error:
                if self.book is None:
                    raise AccountKeyError(self._key_words(error)) from error
                self._parts.log.warning("key_refused", code=error.code, reason=error.message)
                self._handlers.key_refused(error)
                await self._parts.clock.sleep(pause_s)
                pause_s = min(pause_s * 2, timing.retry_max_s)
                continue
            await self._prove(fenced, this_round)
            return

    async def _fenced(self) -> Fenced:
        """Pass a fence, however long it takes; say so once when it takes long."""
        limit_s = self._parts.config.timing.prove_deadline_s
        watch = self._handlers.spawn("fence-watch", self._complain_after(limit_s))
        began_ms = self._parts.clock.epoch_ms()
        try:
            fenced = await self._sending.alone(self._parts.sender.fence)
        finally:
            watch.cancel()
        if fenced.marker is not None:
            self._compare_clocks(fenced.marker.updated_ms, began_ms)
        return fenced

    def _compare_clocks(self, venue_ms: int, began_ms: int) -> None:
        """Say where our clock is off: B tells by A's clock whether a state of A is news."""
        off_ms = clock_off_ms(venue_ms, began_ms, self._parts.clock.epoch_ms())
        if off_ms:
            way = "ahead of" if off_ms > 0 else "behind"
            self._parts.log.warning(
                "clock_off",
                seconds=round(abs(off_ms) / 1000, 1),
                detail=f"this host's clock is {way} the exchange's; synchronise it (NTP)",
            )

    async def _complain_after(self, limit_s: float) -> None:
        await self._parts.clock.sleep(limit_s)
        if not await self._lease.check():  # we may have slept, and another process leads
            return
        detail = f"the exchange has not let a fence pass for {limit_s:g} s; still trying"
        self._parts.log.error("fence_slow", detail=detail)
        self._handlers.fence_slow(detail)

    async def _prove(self, fenced: Fenced, this_round: int) -> None:
        found: list[Trade] = []
        is_first = self.book is None
        try:
            proven = await prove(
                self._parts.venue,
                self._parts.clock,
                fenced.rows,
                lambda: self.book,
                None if self._parts.adopts else self.stored_base(),
                self._parts.config.timing.prove_deadline_s,
                found,
            )
            proven = replace(proven, adopted=is_first and self._parts.adopts)
            self.book = proven.book
            found += self.book.add(self._early)
            self._early.clear()
        except NotProvenError as error:
            if await self._lease.check():  # else the book is another process's to prove
                reason = "trades_missing" if error.is_contradicted else "book_not_proven"
                detail = f"account {self._side.upper()}: {error}"
                self._handlers.not_proven(NotProven(reason, detail))
            return
        finally:
            if self.book is not None:
                self._handlers.trades(tuple(found), self._parts.clock.mono_ns())
        self._parts.log.info(
            "book_proven",
            position=self._parts.spec.base(self.book.net_lots),
            last_trade_id=self.book.last_trade_id,
            new_trades=len(found),
        )
        self.save()
        if this_round == self._round:  # else what was found has called for another fence
            self._handlers.proven(fenced, proven)

    def _key_words(self, error: KeyRefusedError) -> str:
        own = self._parts.config.own
        return (
            f"Lighter refuses API key {own.api_key_index} of account {own.account_index} "
            f"({error.code} {error.message}). Check account_index, api_key_index and the key."
        )

    # --- what the host keeps --------------------------------------------------------------

    def save(self) -> None:
        """Keep the book in the host's file when it has changed."""
        if self.book is None or not self.book.consistent:
            return
        base = self.book.base()
        if base == self._saved:
            return
        self._saved = base
        self._parts.host.write(
            self._name,
            {
                "position_lots": base.position_lots,
                "floor_trade_id": base.floor_trade_id,
                "floor_ms": base.floor_ms,
            },
        )

    def forget(self) -> None:
        """Forget what this host kept of the book, aloud: the exchange's own is adopted instead."""
        base = self.stored_base()
        self._parts.host.delete(self._name)
        self._parts.log.warning(
            "book_forgotten",
            position=self._parts.base(base.position_lots if base else None),
            last_trade_id=base.floor_trade_id if base else None,
            detail="the exchange lists trades that contradict it; its own position is adopted",
        )

    def stored_base(self) -> BookBase | None:
        """Return the newest book that this host's file or Redis kept, None without one."""
        found = [base for base in (self._from_file(), self._watched) if base is not None]
        return max(found, key=lambda base: base.floor_trade_id, default=None)

    def _from_file(self) -> BookBase | None:
        kept = self._parts.host.read(self._name)
        if kept is None:
            return None
        try:
            return BookBase(
                int(kept["position_lots"]), int(kept["floor_trade_id"]), int(kept["floor_ms"])
            )
        except (KeyError, TypeError, ValueError):
            self._parts.log.warning("book_file_ignored", reason="unreadable; the venue rebuilds it")
            return None

    @property
    def _name(self) -> str:
        return f"book-{self._parts.spec.market_index}"
