"""Proving a book: one order-row answer that lists our fence, matched by the trades.

Equal reads of a position prove nothing, because both can come from the same lagging copy of the
venue. An answer that lists our own fence marker cannot lag behind anything that executed before
the marker; if the trades add up to what every row of that answer filled, the trades are whole too.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.core.book import (
    Answer,
    Book,
    BookBase,
    base_of_history,
    dated,
    fits,
    unmatched_rows,
)
from hedge.core.records import OrderRow, Trade
from hedge.exchange.port import BudgetSpentError, Clock, Venue, VenueError

PAGE_LIMIT = 100
SOME_PAGES = 5
ALL_PAGES = 30
"""The venue keeps an account's latest 3,000 trades."""
SPENT_PAUSE_S, SPENT_MOST_S = 5.0, 61.0
"""Between two attempts that our own request budget cuts short: what an attempt itself asks for must
not keep the budget, which counts the requests of a minute, from ever having room for all of it."""
SAID_AFTER_MS = 2_000
"""A list that is late for less is no news: what keeps a proof from ending is told from here on."""
EARLY_MS = 30_000
"""A trade may be dated 20 s early, an order row in whole seconds: nearer times prove no order."""


class NotProvenError(Exception):
    """The book could not be proven in time; the text says what is missing.

    `is_contradicted`: answers came, and to the end they contradicted the trades of a running book.
    """

    def __init__(self, missing: str, *, is_contradicted: bool = False) -> None:
        """`missing` says what is."""
        super().__init__(missing)
        self.is_contradicted = is_contradicted


@dataclass(frozen=True, slots=True)
class Proven:
    """A proven book, and whether what was stored accounts for all of it.

    `explained` is about a first start only: a later proof explains nothing that was not before.
    `adopted`: a person took it as it is, at this start.
    """

    book: Book
    explained: bool
    adopted: bool = False


@dataclass(frozen=True)
class Reading:
    """Where and how one proof reads, and what hears of it.

    Trades that are new to a running book are added to `found` as they are counted, so that they
    are told also where no proof comes of it. What frames told of a running book and the venue's
    list, which lags by `lag_s` seconds at most, contradicts goes to `corrected`, as it was told.
    `waits_for` hears what an attempt lacked, of a proof that has lasted for `SAID_AFTER_MS`.
    """

    venue: Venue
    clock: Clock
    lag_s: float
    found: list[Trade]
    corrected: Callable[[tuple[Trade, ...]], None]
    waits_for: Callable[[str], None] = lambda _: None


async def prove(
    reading: Reading,
    rows: tuple[OrderRow, ...],
    book: Callable[[], Book | None],
    stored: BookBase | None,
    deadline_s: float,
) -> Proven:
    """Read trades until they match `rows`, an answer that lists our fence.

    `book` gives the running process's book, None at its first start; then `stored` (the newest
    base that this host or Redis kept) is where it begins, and without one nothing older than the
    newest trade is counted as new.

    Raises:
        NotProvenError: after `deadline_s` seconds without proof, those aside in which our own
            request budget had no room to ask.

    """
    clock = reading.clock
    began_ms = clock.now_ms()
    deadline_ms = began_ms + round(deadline_s * 1000)
    pause_s, spent_s, pages = 0.2, SPENT_PAUSE_S, 1
    last: Exception
    while True:
        try:
            return await _attempt(reading, rows, book(), stored, pages)
        except BudgetSpentError as error:
            reading.waits_for(str(error))
            # Only time in which the venue can answer counts: our own budget comes back by itself.
            await clock.sleep(spent_s)
            deadline_ms += round(spent_s * 1000)
            spent_s = min(spent_s * 2, SPENT_MOST_S)
            continue
        except _DeeperError as error:
            last, deeper = error, True
        except (_MissingError, VenueError) as error:
            last, deeper = error, False
        if clock.now_ms() >= deadline_ms:
            is_contradicted = isinstance(last, _ContradictedError)
            raise NotProvenError(str(last), is_contradicted=is_contradicted)
        if clock.now_ms() >= began_ms + SAID_AFTER_MS:
            reading.waits_for(str(last))
        if deeper and pages < ALL_PAGES:
            pages = SOME_PAGES if pages < SOME_PAGES else ALL_PAGES
            continue
        await clock.sleep(pause_s)
        pause_s = min(pause_s * 2, 5.0)


class _MissingError(Exception):
    """This answer proves nothing yet; the text says what is missing."""


class _ContradictedError(_MissingError):
    """The venue's list contradicts trades that are known."""


class _DeeperError(_MissingError):
    """Only older pages of trades can tell."""


async def _attempt(
    reading: Reading,
    rows: tuple[OrderRow, ...],
    book: Book | None,
    stored: BookBase | None,
    pages: int,
) -> Proven:
    venue = reading.venue
    floor = book.consistent_trade_id if book else stored.floor_trade_id if stored else None
    asked_ms = reading.clock.now_ms()
    read, reached = await _read(venue, floor, pages)
    first_start = book is None
    if book is not None:
        down_to = max(floor or 0, 0 if reached or not read else read[0].trade_id)
        answer = Answer(read, down_to, asked_ms, round(reading.lag_s * 1000))
        await _let_decide(reading, rows, book, answer)
    if stored is not None and not (reached and fits(stored, read)):
        stored = None  # older than what the venue still tells, or not its truth: no use as a base
    if stored is not None:
        stored = dated(stored, read)
    if book is None:
        book = Book(stored or await _base_without_record(venue, read))
    new = book.add(read) if first_start else ()
    if not book.consistent and first_start:
        # What was stored is wrong, whatever wrote it: begin with the venue, nothing explained.
        stored, book = None, Book(await _base_without_record(venue, read))
    if not book.consistent:
        raise _ContradictedError("the trades contradict the position that the newest one states")
    _match(rows, (*read, *book.trades), stored.floor_ms if stored else 0, pages)
    if not first_start:
        return Proven(book, explained=False)
    if stored is not None:
        reading.found.extend(new)
    return Proven(book, explained=stored is not None or book.net_lots == 0)


async def _let_decide(
    reading: Reading, rows: tuple[OrderRow, ...], book: Book, answer: Answer
) -> None:
    """Let the venue's list decide about a running book; raise while it lacks what frames told."""
    listed = book.listed(answer)
    reading.found.extend(listed.new)
    reading.corrected(listed.corrected)
    false, missing = _beyond_rows(book, rows), listed.missing
    if not false and missing and await agree_without(reading.venue, rows, book, missing):
        false = missing
    if false:
        book.drop(false)
        reading.corrected(false)
    if left := book.unlisted:
        ids = [trade.trade_id for trade in left]
        raise _ContradictedError(f"the venue's list of trades lacks {ids}, which a frame told")
    if max((trade.trade_id for trade in answer.trades), default=0) < book.last_trade_id:
        raise _ContradictedError("the venue's list of trades ends before what we know")


def _beyond_rows(book: Book, rows: tuple[OrderRow, ...]) -> tuple[Trade, ...]:
    """Return what frames told of orders that have ended and that listed trades fill already."""
    ended = {row.order_index: row for row in rows if row.is_terminal}
    unlisted = book.unlisted
    return tuple(
        trade
        for trade in unlisted
        if (row := ended.get(trade.order_index)) is not None
        and book.order_lots(trade.order_index, but=unlisted) == row.filled_lots
    )


async def agree_without(
    venue: Venue, rows: tuple[OrderRow, ...] | None, book: Book, missing: tuple[Trade, ...]
) -> bool:
    """Whether order rows and the stated position agree without missing trades.

    `rows` is an answer of the order list, None to ask for one. Raises VenueError.
    """
    if (await venue.account()).position_lots != book.without(missing):
        return False
    if rows is None:
        rows = (*await venue.inactive_orders(), *await venue.active_orders())
    filled = {row.order_index: row.filled_lots for row in rows}
    orders = {trade.order_index for trade in missing}
    return all(filled.get(one, 0) == book.order_lots(one, but=missing) for one in orders)


def _match(
    rows: tuple[OrderRow, ...], trades: tuple[Trade, ...], since_ms: int, pages: int
) -> None:
    """Return if the trades add up to every row that can be judged.

    The oldest known trade's order may go on below what was read, and one that ended just before
    it may lie there as a whole. They are judged from more pages; in the end they are left out, if
    newer trades of other orders show that the list is not a stale one, or if the list is as long
    as the venue keeps it.
    """
    wrong = unmatched_rows(rows, trades, since_ms=since_ms)
    if not wrong:
        return
    oldest = min(trades, key=lambda trade: trade.trade_id, default=None)
    newest = max(trades, key=lambda trade: trade.trade_id, default=None)
    text = f"trades of {len(wrong)} orders are missing, e.g. of order {wrong[0].order_index}"
    if oldest is None or newest is None:
        raise _MissingError(text)
    latest_ms = max(
        (row.updated_ms for row in wrong if row.order_index != oldest.order_index), default=0
    )
    if latest_ms > oldest.time_ms:
        read = len({trade.trade_id for trade in trades})
        may_lie_below = latest_ms < oldest.time_ms + EARLY_MS and read >= PAGE_LIMIT
        if may_lie_below and pages < ALL_PAGES:
            raise _DeeperError(text)
        raise _MissingError(text)
    if pages > 1 and newest.order_index != oldest.order_index:
        return
    if pages < ALL_PAGES:
        raise _DeeperError(text)
    if len({trade.trade_id for trade in trades}) < ALL_PAGES * PAGE_LIMIT:
        raise _MissingError(text)


async def _read(venue: Venue, floor: int | None, pages: int) -> tuple[tuple[Trade, ...], bool]:
    """Read the newest trades, oldest first, and say whether they go down to `floor`."""
    newest = (await venue.trades(None)).trades
    reached = len(newest) < PAGE_LIMIT or floor is None or newest[0].trade_id <= floor
    if reached and pages == 1:
        return newest, True
    since = 0 if pages > 1 or floor is None else floor
    more = await venue.trades(since, pages=pages if reached else ALL_PAGES)
    merged = {(trade.trade_id, trade.side): trade for trade in (*more.trades, *newest)}
    ordered = sorted(merged.values(), key=lambda trade: (trade.trade_id, trade.side.sign))
    down = floor is not None and bool(ordered) and ordered[0].trade_id <= floor
    return tuple(ordered), reached or more.complete or down


async def _base_without_record(venue: Venue, trades: tuple[Trade, ...]) -> BookBase:
    """Begin at the newest trade's own statement, or at the account query where there is none."""
    stated = base_of_history(trades)
    if stated is not None:
        return stated
    account = await venue.account()
    newest = trades[-1] if trades else None
    if newest is None:
        return BookBase(account.position_lots, 0, 0)
    return BookBase(account.position_lots, newest.trade_id, newest.time_ms)
