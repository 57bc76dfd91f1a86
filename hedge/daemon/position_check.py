"""The quiet comparison: our book beside the position that the venue's account query states.

A book is proven at every start and fence and then carried on by trades. Should it ever differ from
the venue's own statement, in spite of that, then nobody may go on for long: the book is proven
anew, and where the difference stays the pair halts (or says so, if it is small).
"""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.core.book import Book
from hedge.daemon.context import Parts
from hedge.exchange.port import VenueError

READS = 3
"""One copy of the venue may lag for a moment; only a difference that stays is one."""
BETWEEN_READS_S = 1.0
RECHECK_S = 5.0


@dataclass(frozen=True)
class DriftHandlers:
    """What the manager gives and does.

    `is_quiet`: nothing in flight and streams up. `mark_ticks`: the price that values a difference,
    `limit_micros` the value up to which it is only told. `differs` proves the book anew or, where
    the difference lasts (True), halts; `margin` hears what is available (micros of the quote asset)
    and when that was asked for; `say` tells of a difference (event, reason, detail).
    """

    book: Callable[[], Book | None]
    is_quiet: Callable[[], bool]
    mark_ticks: Callable[[], int | None]
    limit_micros: int
    differs: Callable[[str, bool], None]
    margin: Callable[[int, int], None]
    say: Callable[[str, str, str], None]


class DriftKeeper:
    """Compares every `timing.compare_s`, sooner after a difference."""

    def __init__(self, parts: Parts, handlers: DriftHandlers) -> None:
        """Have seen no difference yet."""
        self._parts = parts
        self._do = handlers
        self._doubted = False
        self._said_lots = 0

    async def run(self) -> None:
        """Compare until cancelled."""
        pause_s = self._parts.config.timing.compare_s
        while True:
            await self._parts.clock.sleep(min(RECHECK_S, pause_s) if self._doubted else pause_s)
            if not self._do.is_quiet() or not self._parts.budget.has_room:
                continue
            try:
                off_lots = await self._difference()
            except VenueError as error:
                self._parts.log.info("comparison_failed", reason=error)
                continue
            if off_lots is not None:
                self._judge(off_lots)

    async def _difference(self) -> int | None:
        """Return how far the venue's statement is from our book; None where it cannot be told."""
        off_lots = None
        for read in range(READS):
            if read:
                await self._parts.clock.sleep(BETWEEN_READS_S)
            book = self._do.book()
            if book is None or not book.consistent:
                return None
            known, net_lots = book.last_trade_id, book.net_lots
            asked_ms = self._parts.clock.now_ms()
            account = await self._parts.venue.account()
            self._do.margin(account.available_micros, asked_ms)
            stated = account.position_lots
            now = self._do.book()
            if not self._do.is_quiet() or now is None or now.last_trade_id != known:
                return None  # it traded meanwhile
            off_lots = stated - net_lots
            if off_lots == 0:
                return 0
        return off_lots

    def _judge(self, off_lots: int) -> None:
        if off_lots == 0:
            self._doubted, self._said_lots = False, 0
            return
        spec = self._parts.spec
        what = f"the venue states {spec.base(off_lots)} {spec.symbol} more than our proven book"
        if not self._doubted:
            self._doubted = True
            self._do.differs(what, False)
            return
        if off_lots == self._said_lots:
            return
        self._said_lots = off_lots
        mark = self._do.mark_ticks()
        if mark is None or spec.quote_micros(abs(off_lots), mark) > self._do.limit_micros:
            self._do.differs(what, True)
            return
        self._parts.log.error("drift", detail=what)
        self._do.say("drift", "drift", what)
