"""Our account's book while the process runs: trades in, fences, proofs, what the host keeps."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from hedge.bus.port import StateSnapshot
from hedge.core.book import (
    ABSENT_AGAIN_MS,
    AGREES_AFTER_MS,
    Answer,
    Book,
    BookBase,
    Listed,
)
from hedge.core.records import Trade
from hedge.core.refusal import Refusal
from hedge.daemon.advice import advice_for
from hedge.daemon.clock import clock_off_ms
from hedge.daemon.context import Parts
from hedge.daemon.lease import LeaseKeeper
from hedge.daemon.proof import (
    ALL_PAGES,
    PAGE_LIMIT,
    NotProvenError,
    Proven,
    Reading,
    agree_without,
    prove,
)
from hedge.daemon.send_turn import Sending
from hedge.errors import AccountKeyError
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fenced
from hedge.exchange.port import KeyRefusedError, TradesSeen, VenueError

CONFIRM_AFTER_MS = 2_000
"""A trade is usually listed by then."""
CONFIRM_MS = 5_000
CONFIRM_STANDARD_MS = 20_000
AGAIN_MS = 1_000
"""So long after nothing of A's newest trade is listed late any more one page is read once more."""
"""A page is read no oftener than this only to confirm what frames told: requests are few there."""
MISSING_MS = 60_000
"""So long may answers lack a trade of ours without the venue's other statements agreeing."""

_NOT_ITS_NUMBERS = frozenset({Refusal.SOFTWARE, Refusal.ROLE})
"""Refusals that no other account index, key index or private key of the same kind would cure."""
PROVING = "proving"
"""The word in a heartbeat for a proof that has not ended at once."""


@dataclass(frozen=True, slots=True)
class NotProven:
    """A book without proof: the reason of the halt, and what is missing."""

    reason: str
    detail: str


@dataclass(frozen=True)
class BookHandlers:
    """What a manager does with what its book brings.

    New trades, a proven book, a refused key, a book without proof, a fence that does not pass, what
    frames told and answers do not; `spawn` starts a named task of the process's group.
    """

    trades: Callable[[tuple[Trade, ...], int], None]
    proven: Callable[[Fenced, Proven], None]
    key_refused: Callable[[KeyRefusedError], None]
    not_proven: Callable[[NotProven], None]
    fence_slow: Callable[[str], None]
    corrected: Callable[[str], None]
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
        self._waits_for = ""
        self.book: Book | None = None
        self._snapshot: StateSnapshot | None = None
        self._confirmed_ms: int | None = None
        self._missing_ms: int | None = None
        self._heard_ms: int | None = None
        self._whole_ms: int | None = None

    @property
    def confirmed_ms(self) -> int | None:
        """Return up to when (monotonic ms) the book holds every trade; None before an answer."""
        if self._whole_ms is None:
            return None
        return self._whole_ms - round(self._parts.config.timing.view_lag_s * 1000)

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
        if seen.trades:
            newest_ms = max(trade.time_ms for trade in seen.trades)
            self._parts.exchange_clock.note(newest_ms, self._parts.clock.now_ms())
        if self.book is None:
            self._early.extend(seen.trades)
        else:
            heard_ms = self._parts.clock.now_ms()
            if seen.trades:
                self._heard_ms = heard_ms
            self._handlers.trades(self.book.add(seen.trades, heard_ms), seen.received_ns)

    @property
    def notices(self) -> tuple[tuple[str, str], ...]:
        """What a heartbeat shows of a proof that has not ended at once: why, by its word."""
        why = self._waits_for
        return ((PROVING, f"the proof of its book has failed so far: {why}"),) if why else ()

    def _prove_waits(self, why: str) -> None:
        """Keep what a proof waits for; say the first such reason of each proof in the log."""
        if not self._waits_for:
            self._parts.log.warning("not_proven_yet", reason=why)
        self._waits_for = why

    async def catch_up(self) -> None:
        """Read the trades above what is certain by REST. Raises VenueError."""
        if self.book is None:
            return
        listed = await self._read_listed(self.book)
        self._parts.log.info("caught_up", new_trades=len(listed.new))
        self._handlers.trades(listed.new, self._parts.clock.mono_ns())

    async def _read_listed(self, book: Book) -> Listed:
        """Let the venue's list decide about the trades above what is certain. Raises VenueError."""
        clock, lag_s = self._parts.clock, self._parts.config.timing.view_lag_s
        down_to, asked_ms = book.consistent_trade_id, clock.now_ms()
        self._confirmed_ms = asked_ms
        read = await self._parts.venue.trades(down_to, pages=ALL_PAGES)
        if not read.complete:
            down_to = max(down_to, min((one.trade_id for one in read.trades), default=down_to))
        listed = book.listed(Answer(read.trades, down_to, asked_ms, round(lag_s * 1000)))
        if read.complete and book.consistent and not book.is_claimed_otherwise:
            self._whole_ms = asked_ms
        self._say_corrected(listed.corrected)
        if listed.claimed:
            ids = [trade.trade_id for trade in listed.claimed]
            what = f"one answer lists trades {ids} otherwise than they are known; asked once more"
            self._parts.log.warning("listed_otherwise", detail=what)
        if not listed.missing:
            self._missing_ms = None
        elif await agree_without(self._parts.venue, None, book, listed.missing):
            book.drop(listed.missing)
            self._say_corrected(listed.missing)
            return Listed(listed.new, (*listed.corrected, *listed.missing))
        return listed

    def _say_corrected(self, trades: tuple[Trade, ...]) -> None:
        if trades:
            ids = [trade.trade_id for trade in trades]
            self._handlers.corrected(f"Lighter does not list what frames told of trades {ids}")

    async def keep_confirmed(self) -> None:
        """Ask for what only frames have told, until cancelled; halt over what stays missing."""
        clock, timing = self._parts.clock, self._parts.config.timing
        is_scarce = self._parts.budget.allowed.is_scarce
        every_ms = CONFIRM_STANDARD_MS if is_scarce else CONFIRM_MS
        while True:
            await clock.sleep(timing.beat_s)
            book, now_ms = self.book, clock.now_ms()
            if book is None or not self._is_to_be_asked(book, now_ms):
                continue
            asked_ms = self._confirmed_ms
            # What one answer lacks, or tells otherwise, is asked for once more: that is seldom, and
            # decides.
            pause_ms = ABSENT_AGAIN_MS if book.lacks_some else every_ms
            pause_ms = AGREES_AFTER_MS if book.is_claimed_otherwise else pause_ms
            is_due = asked_ms is None or now_ms >= asked_ms + pause_ms
            if is_due and self._parts.budget.has_room:
                await self._confirm(book)

    def _is_to_be_asked(self, book: Book, now_ms: int) -> bool:
        if book.is_claimed_otherwise:
            return True
        return self._is_unlisted(book, now_ms) or self._is_again(now_ms)

    @staticmethod
    def _is_unlisted(book: Book, now_ms: int) -> bool:
        since_ms = book.unlisted_since_ms
        return since_ms is not None and now_ms >= since_ms + CONFIRM_AFTER_MS

    def _is_again(self, now_ms: int) -> bool:
        """Whether A's newest trade calls for a page that nothing can lack any more.

        B, which watches A, forgets by it what a public frame told and no answer lists.
        """
        if self._side != "a" or self._parts.peer is None or self._heard_ms is None:
            return False
        lag_ms = round(self._parts.config.timing.view_lag_s * 1000)
        due_ms = self._heard_ms + lag_ms + AGAIN_MS
        return now_ms >= due_ms and (self._whole_ms is None or self._whole_ms < due_ms)

    async def _confirm(self, book: Book) -> None:
        try:
            listed = await self._read_listed(book)
        except VenueError as error:
            self._parts.log.info("confirmation_failed", reason=error)
            return
        if book is not self.book:
            return
        if listed.new or listed.corrected:
            self._handlers.trades(listed.new, self._parts.clock.mono_ns())
        if listed.missing:
            self._mind_missing(listed.missing)

    def _mind_missing(self, missing: tuple[Trade, ...]) -> None:
        """Halt over trades that stay missing though other statements of the venue have them."""
        now_ms = self._parts.clock.now_ms()
        self._missing_ms = now_ms if self._missing_ms is None else self._missing_ms
        if now_ms < self._missing_ms + MISSING_MS:
            return
        ids = [trade.trade_id for trade in missing]
        detail = f"account {self._side.upper()}: Lighter does not list trades {ids}"
        self._handlers.not_proven(NotProven("trades_missing", detail))

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
            await self._give_way()
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

    async def _give_way(self) -> None:
        """Let B pause before a fence beside another program that signs with our key.

        A does not: it holds, and its fence is what cancels an order that rests.
        """
        clock = self._parts.clock
        pause_s = self._parts.sender.nonces.pause_s(clock.now_ms())
        if self._side == "b" and pause_s:
            await clock.sleep(pause_s)

    async def _fenced(self) -> Fenced:
        """Pass a fence, however long it takes; say so once when it takes long."""
        limit_s = self._parts.config.timing.prove_deadline_s
        watch = self._handlers.spawn("fence-watch", self._complain_after(limit_s))
        began_ms, mono_ms = self._parts.clock.epoch_ms(), self._parts.clock.now_ms()
        try:
            fenced = await self._sending.alone(self._parts.sender.fence)
        finally:
            watch.cancel()
        if fenced.marker is not None:
            venue_ms = fenced.marker.updated_ms
            self._compare_clocks(venue_ms, began_ms)
            self._parts.exchange_clock.bound(venue_ms, mono_ms, self._parts.clock.now_ms())
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
        timing, is_first = self._parts.config.timing, self.book is None
        asked_ms = self._parts.clock.now_ms()
        try:
            proven = await prove(
                Reading(
                    self._parts.venue,
                    self._parts.clock,
                    timing.view_lag_s,
                    found,
                    self._say_corrected,
                    self._prove_waits,
                ),
                fenced.rows,
                lambda: self.book,
                None if self._parts.adopts else self.stored_base(),
                timing.prove_deadline_s,
            )
            proven = replace(proven, adopted=is_first and self._parts.adopts)
            self.book = proven.book
            self._whole_ms = asked_ms
            found += self.book.add(self._early, self._parts.clock.now_ms())
            self._early.clear()
        except NotProvenError as error:
            if await self._lease.check():  # else the book is another process's to prove
                reason = "trades_missing" if error.is_contradicted else "book_not_proven"
                detail = f"account {self._side.upper()}: {error}"
                self._handlers.not_proven(NotProven(reason, detail))
            return
        finally:
            self._waits_for = ""
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
        key = f"API key {own.api_key_index} of account {own.account_index}"
        said = f"{error.code} {error.message}".rstrip(". ")
        refusal = refusal_of(error.code)
        if refusal in _NOT_ITS_NUMBERS:
            advice = advice_for(refusal.value)
            return f"Lighter refuses what {key} signs ({said}; {refusal.value}). {advice}."
        return f"Lighter refuses {key} ({said}). Check account_index, api_key_index and the key."

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
