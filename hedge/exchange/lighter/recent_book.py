"""The newest book that is known: the stream's, or one read by REST while the stream has none.

What is owed must be hedged also where the market's stream is away, and a cap needs a price: at
most ten seconds old. Quotes are never made from this book.

A socket that shows what is not there may be mute for all its channels. Its mark price would then
bound every cap by a market that is gone, so that one is read anew with the book.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from hedge.core.records import Depth
from hedge.exchange.port import Clock, VenueError

LIFE_MS = 10_000
"""No cap is made from a book that is older."""
READ_AFTER_MS = 5_000
"""Without a newer book for so long one is read: a short gap of the stream costs no request."""
LOOK_EVERY_S = 1.0

_log = logging.getLogger(__name__)


async def no_mark() -> None:
    """Know of no mark price but the stream's."""


class RecentBook:
    """Keeps the newest book; `live` gives the stream's, `read` asks the exchange for one."""

    def __init__(
        self,
        clock: Clock,
        live: Callable[[], Depth],
        read: Callable[[], Awaitable[Depth]],
        is_refuted: Callable[[], bool] = lambda: False,
        read_mark: Callable[[], Awaitable[int | None]] = no_mark,
    ) -> None:
        """Know of none yet. `live` is the stream's book; `read` raises VenueError.

        `is_refuted`: what the stream told last is not so any more. `read_mark` asks for the mark
        price (ticks), None where the answer has none; it raises VenueError.
        """
        self._read_mark = read_mark
        self._clock = clock
        self._live = live
        self._read = read
        self._is_refuted = is_refuted
        self._kept = Depth()
        self._is_read = False
        self._doubted: Depth | None = None
        self._wants = False
        self._kept_ms: int | None = None

    def doubt(self) -> None:
        """Believe the stream's book no more until a frame changes it, and read one.

        An order that should have met what it shows met nothing.
        """
        live = self._live()
        if live.is_live:
            self._doubted, self._wants = live, True

    def _is_doubted(self, live: Depth) -> bool:
        doubted = self._doubted
        if doubted is not None and (live.bids, live.asks) != (doubted.bids, doubted.asks):
            self._doubted = doubted = None
        return doubted is not None

    def depth(self) -> Depth:
        """Return the newest book of the last ten seconds, else the mark price alone, if known."""
        live, now_ms = self._live(), self._clock.now_ms()
        is_doubted = self._is_doubted(live)
        if is_doubted:
            live = Depth(mark_ticks=live.mark_ticks)
        elif live.is_live:
            self._kept, self._kept_ms, self._is_read = live, now_ms, False
            return live
        if not self._is_read and (is_doubted or self._is_refuted()):
            self._kept_ms = None
        if self._kept_ms is None or now_ms > self._kept_ms + LIFE_MS:
            return live
        mark = live.mark_ticks
        if mark is None or (self._is_read and self._kept.mark_ticks is not None):
            mark = self._kept.mark_ticks
        return replace(self._kept, mark_ticks=mark, is_live=False)

    async def keep(self) -> None:
        """Read a book whenever the stream has had none for a while, until cancelled."""
        asked_ms = self._clock.now_ms()
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            self.depth()
            now_ms = self._clock.now_ms()
            wants, self._wants = self._wants and self._doubted is not None, False
            if not wants and now_ms < max(asked_ms, self._kept_ms or 0) + READ_AFTER_MS:
                continue
            asked_ms = now_ms
            try:
                book = await self._read()
            except VenueError as error:
                _log.info("book not readable reason=%s", error)
                continue
            self._kept, self._kept_ms, self._is_read = book, now_ms, True
            if self._doubted is not None and _best(self._doubted) == _best(book):
                self._doubted = None  # it is what it shows: another was faster
            elif self._doubted is not None:
                await self._renew_mark()

    async def _renew_mark(self) -> None:
        """Read mark for the book that was just read; without an answer the stream's stays."""
        book = self._kept
        try:
            mark = await self._read_mark()
        except VenueError as error:
            _log.info("mark price not readable reason=%s", error)
            return
        if self._kept is book:
            self._kept = replace(book, mark_ticks=mark)


def _best(book: Depth) -> tuple[int | None, ...]:
    """Return the best prices of both sides."""
    return tuple(side[0].price_ticks if side else None for side in (book.bids, book.asks))
