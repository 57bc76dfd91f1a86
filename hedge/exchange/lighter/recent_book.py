"""The newest book that is known: the stream's, or one read by REST while the stream has none.

What is owed must be hedged also where the market's stream is away, and a cap needs a price: at
most ten seconds old. Quotes are never made from this book.
"""

import logging
from collections.abc import Awaitable, Callable

from hedge.core.records import Depth
from hedge.exchange.port import Clock, VenueError

LIFE_MS = 10_000
"""No cap is made from a book that is older."""
READ_AFTER_MS = 5_000
"""Without a newer book for so long one is read: a short gap of the stream costs no request."""
LOOK_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class RecentBook:
    """Keeps the newest book; `live` gives the stream's, `read` asks the exchange for one."""

    def __init__(
        self,
        clock: Clock,
        live: Callable[[], Depth],
        is_live: Callable[[], bool],
        read: Callable[[], Awaitable[Depth]],
    ) -> None:
        """Know of none yet. `is_live`: the stream knows the book; `read` raises VenueError."""
        self._clock = clock
        self._live = live
        self._is_live = is_live
        self._read = read
        self._kept = Depth()
        self._kept_ms: int | None = None

    def depth(self) -> Depth:
        """Return the newest book of the last ten seconds, else the mark price alone, if known."""
        live, now_ms = self._live(), self._clock.now_ms()
        if self._is_live():
            self._kept, self._kept_ms = live, now_ms
        is_known = self._kept_ms is not None and now_ms <= self._kept_ms + LIFE_MS
        return self._kept if is_known else live

    async def keep(self) -> None:
        """Read a book whenever the stream has had none for a while, until cancelled."""
        asked_ms = self._clock.now_ms()
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            self.depth()
            now_ms = self._clock.now_ms()
            if now_ms < max(asked_ms, self._kept_ms or 0) + READ_AFTER_MS:
                continue
            asked_ms = now_ms
            try:
                book = await self._read()
            except VenueError as error:
                _log.info("book not readable reason=%s", error)
                continue
            self._kept, self._kept_ms = book, now_ms
