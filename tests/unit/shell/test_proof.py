"""A book counts as proven only where an answer that lists our fence and the trades agree."""

from dataclasses import replace

import pytest

from hedge.core.book import Book, BookBase
from hedge.core.records import OrderRow, Trade
from hedge.daemon.proof import NotProvenError, Proven, Reading, prove
from hedge.exchange.port import (
    BudgetSpentError,
    VenueError,
    VenueRefusedError,
    VenueUnavailableError,
)
from tests.unit.shell.fakes import KEPT_TRADES, Bench, Exchange, row

DEADLINE_S, LAG_S = 60.0, 15.0
FENCE = row(999_999, 0, 10**15)


class Prover:
    """Runs proofs against one exchange and keeps what they found."""

    def __init__(self, bench: Bench) -> None:
        self.venue = bench.venue
        self.clock = bench.clock
        self.found, self.corrected = list[Trade](), list[Trade]()

    async def run(
        self,
        stored: BookBase | None = None,
        book: Book | None = None,
        rows: tuple[OrderRow, ...] | None = None,
    ) -> Proven:
        self.found = []
        self.corrected = []
        return await prove(
            Reading(self.venue, self.clock, LAG_S, self.found, self.corrected.extend),
            self.venue.rows() if rows is None else rows,
            lambda: book,
            stored,
            DEADLINE_S,
        )

    @property
    def new_ids(self) -> list[int]:
        return [trade.trade_id for trade in self.found]


@pytest.fixture
def prover(bench: Bench) -> Prover:
    return Prover(bench)


def fill_orders(venue: Exchange, orders: int, lots: int = 10) -> None:
    """Fill buys and sells in turn, one trade each; order n has trade n."""
    for number in range(1, orders + 1):
        venue.fill(lots if number % 2 else -lots, number)


def base_at(venue: Exchange, trade_id: int) -> BookBase:
    """Return the true base of a book that ends with this trade."""
    known = [trade for trade in venue.history if trade.trade_id <= trade_id]
    position = sum(trade.signed_lots for trade in known)
    return BookBase(position, trade_id, known[-1].time_ms)


# --- a first start ---------------------------------------------------------------------------


async def test_with_nothing_stored_nothing_is_replayed(prover: Prover) -> None:
    """3,000 old trades give a position, no new trade, and no claim that it is explained."""
    for number in range(3000):
        prover.venue.fill(1, 1 + number // 10)
    proven = await prover.run(rows=prover.venue.rows(298, 299, 300))
    assert proven.book.net_lots == 3000
    assert proven.book.floor_trade_id == 3000
    assert prover.new_ids == []
    assert not proven.explained


async def test_an_account_that_never_traded_is_explained(prover: Prover) -> None:
    """Flat without any trade is a position that needs no explanation."""
    proven = await prover.run()
    assert (proven.book.net_lots, proven.explained, prover.new_ids) == (0, True, [])


async def test_flat_after_old_trades_is_explained(prover: Prover) -> None:
    """Nothing stored and nothing held: there is nothing to explain."""
    fill_orders(prover.venue, 4)
    proven = await prover.run()
    assert (proven.book.net_lots, proven.explained, prover.new_ids) == (0, True, [])


async def test_trades_newer_than_what_was_stored_are_new_and_explained(prover: Prover) -> None:
    """A stored base that the venue confirms gives exactly the trades since."""
    fill_orders(prover.venue, 7)
    proven = await prover.run(base_at(prover.venue, 4))
    assert prover.new_ids == [5, 6, 7]
    assert (proven.book.net_lots, proven.explained) == (10, True)


async def test_nothing_since_the_stored_base_is_explained(prover: Prover) -> None:
    """The book of a clean stop comes back as it was."""
    fill_orders(prover.venue, 3)
    proven = await prover.run(base_at(prover.venue, 3))
    assert (proven.book.net_lots, proven.explained, prover.new_ids) == (10, True, [])


async def test_a_base_without_a_time_gets_that_of_its_newest_trade(prover: Prover) -> None:
    """Redis keeps no time of a book; a book as old as time would make any state of A fresh."""
    fill_orders(prover.venue, 3)
    base = base_at(prover.venue, 3)
    proven = await prover.run(BookBase(base.position_lots, base.floor_trade_id))
    assert proven.book.base() == base


async def test_without_any_statement_the_account_is_asked(prover: Prover) -> None:
    """Where the newest trade does not say what it left, the account query does; unexplained."""
    prover.venue.fill(10, 1, stated=False)
    proven = await prover.run()
    assert (proven.book.net_lots, proven.book.floor_trade_id) == (10, 1)
    assert prover.venue.account_reads > 0
    assert not proven.explained


async def test_a_self_trade_as_the_newest_one_is_not_believed(prover: Prover) -> None:
    """The two legs of a self trade state two positions; the account query decides."""
    prover.venue.fill(10, 1)
    prover.venue.fill(5, 2)
    prover.venue.fill(-5, 3, trade_id=2)
    proven = await prover.run()
    assert proven.book.net_lots == 10
    assert prover.venue.account_reads > 0


# --- lagging copies --------------------------------------------------------------------------


async def test_a_lagging_list_of_trades_never_proves(prover: Prover) -> None:
    """Rows that list the fence show more than a stale list: the next, fresh list proves."""
    fill_orders(prover.venue, 6)
    prover.venue.lags.extend([2, 1])
    proven = await prover.run(base_at(prover.venue, 3))
    assert not prover.venue.lags
    assert prover.new_ids == [4, 5, 6]
    assert (proven.book.net_lots, proven.explained) == (0, True)


async def test_a_list_older_than_the_stored_floor_costs_only_time(prover: Prover) -> None:
    """A stale copy makes a good base look foreign; the fresh answer still finds it good."""
    fill_orders(prover.venue, 6)
    prover.venue.lags.append(4)
    proven = await prover.run(base_at(prover.venue, 5))
    assert prover.new_ids == [6]
    assert proven.explained


async def test_a_list_that_lags_for_ever_is_no_proof(prover: Prover) -> None:
    """The deadline ends the wait with an error that names what is missing, not with a book."""
    fill_orders(prover.venue, 6)
    prover.venue.lags.extend([1] * 1000)
    began_ms = prover.clock.now_ms()
    with pytest.raises(NotProvenError, match="of order 6"):
        await prover.run(base_at(prover.venue, 3))
    assert prover.clock.now_ms() - began_ms >= DEADLINE_S * 1000


@pytest.mark.parametrize("kept", [None, 2])
async def test_half_of_the_only_order_is_no_proof(prover: Prover, kept: int | None) -> None:
    """On a young account a stale list may hold one order alone: it must still add up."""
    for _ in range(5):
        prover.venue.fill(2, 1)
    prover.venue.lags.extend([3] * 6)
    proven = await prover.run(base_at(prover.venue, kept) if kept else None)
    assert proven.book.net_lots == 10
    assert not prover.venue.lags


async def test_a_long_order_that_is_the_only_one_must_add_up(prover: Prover) -> None:
    """A burst of one order's trades, cut off by a stale copy, is no proof either."""
    for _ in range(700):
        prover.venue.fill(1, 1)
    prover.venue.lags.extend([50] * 9)
    proven = await prover.run()
    assert proven.book.net_lots == 700


# --- a stored base that is wrong -------------------------------------------------------------


async def test_a_floor_above_the_newest_trade_is_dropped(prover: Prover) -> None:
    """Trade ids began anew: the stored base is another exchange's, and every trade counts."""
    fill_orders(prover.venue, 3)
    proven = await prover.run(BookBase(777, 5000, 10))
    assert (proven.book.net_lots, proven.book.floor_trade_id) == (10, 3)
    assert not proven.explained
    live = prover.venue.fill(10, 4)
    assert proven.book.add([live]) == (live,)


async def test_a_wrong_position_at_the_floor_is_dropped(prover: Prover) -> None:
    """What the trade at the floor says of itself outweighs what a file or Redis kept."""
    fill_orders(prover.venue, 3)
    proven = await prover.run(BookBase(777, 3, 30_000))
    assert (proven.book.net_lots, proven.explained, prover.new_ids) == (10, False, [])


async def test_a_wrong_position_below_newer_trades_is_dropped(prover: Prover) -> None:
    """The same where trades came since: nothing of them is replayed on a wrong base."""
    fill_orders(prover.venue, 5)
    proven = await prover.run(BookBase(777, 3, 30_000))
    assert (proven.book.net_lots, proven.explained, prover.new_ids) == (10, False, [])


async def test_a_wrong_position_between_two_trades_is_dropped(prover: Prover) -> None:
    """A floor that no trade has is checked by the sum that the next trade states."""
    prover.venue.fill(10, 1)
    prover.venue.fill(10, 2, trade_id=5)
    proven = await prover.run(BookBase(3, 4, 40_000))
    assert (proven.book.net_lots, proven.explained, prover.new_ids) == (20, False, [])


# --- long histories --------------------------------------------------------------------------


@pytest.mark.parametrize("since", [99, 100, 101, 250, 501, 1700, 2900])
async def test_every_trade_since_the_floor_is_found(prover: Prover, since: int) -> None:
    """However many pages it takes, all trades since the stored base are new, once each."""
    for number in range(1, 11):
        prover.venue.fill(1, number)
    for number in range(since):
        prover.venue.fill(1, 11 + number // 3)
    last = 10 + since
    proven = await prover.run(
        base_at(prover.venue, 10), rows=(FENCE, *prover.venue.rows(11, 10 + (since + 2) // 3))
    )
    assert prover.new_ids == list(range(11, last + 1))
    assert (proven.book.net_lots, proven.explained) == (last, True)


@pytest.mark.parametrize("stated", [True, False])
async def test_more_trades_than_the_venue_keeps_drop_the_base(prover: Prover, stated: bool) -> None:
    """Where the floor is out of reach nothing is replayed and nothing is called explained."""
    for number in range(KEPT_TRADES + 200):
        prover.venue.fill(1, 1 + number // 10, stated=stated)
    base = base_at(prover.venue, 100)
    prover.venue.forget_before(201)
    proven = await prover.run(base, rows=prover.venue.rows(319, 320))
    assert (proven.book.net_lots, proven.explained) == (KEPT_TRADES + 200, False)
    assert prover.new_ids == []


async def test_an_order_across_the_page_boundary_costs_few_reads(prover: Prover) -> None:
    """An order whose trades began on the page before is read deeper at once, without waiting."""
    for number in range(400):
        prover.venue.fill(1, 1 + number // 60)
    began_ms = prover.clock.now_ms()
    proven = await prover.run(base_at(prover.venue, 400), rows=prover.venue.rows(6, 7))
    assert proven.explained
    assert prover.clock.now_ms() == began_ms
    assert len(prover.venue.reads) <= 4


@pytest.mark.parametrize("cut", [0, 1, 49])
async def test_an_order_that_ended_just_before_the_page_does_not_halt(
    prover: Prover, cut: int
) -> None:
    """At a fill a millisecond the page may begin right after an order: older pages tell."""
    venue = prover.venue
    for number in range(200 + cut):
        venue.fill(1 if number // 50 % 2 == 0 else -1, 1 + number // 50)
    venue.history = [replace(done, time_ms=10**6 + done.trade_id) for done in venue.history]
    started_ms = prover.clock.now_ms()
    proven = await prover.run(base_at(venue, 200 + cut))
    assert proven.explained
    assert prover.clock.now_ms() == started_ms
    assert len(venue.reads) <= 3


async def test_a_missing_trade_at_the_edge_of_a_page_is_no_proof(prover: Prover) -> None:
    """An order that ended after the oldest known trade must add up, however close it is."""
    venue = prover.venue
    for number in range(200):
        venue.fill(1, 1 + number // 50)
    venue.history = [replace(done, time_ms=10**6 + done.trade_id) for done in venue.history]
    rows = tuple(
        replace(found, filled_lots=found.filled_lots + 1, updated_ms=10**6 + 103)
        if found.order_index == 2
        else found
        for found in venue.rows()
    )
    with pytest.raises(NotProvenError):
        await prover.run(base_at(venue, 200), rows=rows)


async def test_rows_older_than_every_known_trade_are_not_judged(prover: Prover) -> None:
    """Old orders stay listed after their trades are gone: they neither prove nor disprove."""
    fill_orders(prover.venue, 6)
    rows = prover.venue.rows()
    base = base_at(prover.venue, 6)
    prover.venue.forget_before(5)
    proven = await prover.run(base, rows=rows)
    assert (proven.book.net_lots, proven.explained) == (0, True)


async def test_an_order_cut_by_the_end_of_history_does_not_halt(prover: Prover) -> None:
    """The oldest order has lost its first trades for good; newer orders that add up prove."""
    for number in range(30):
        prover.venue.fill(1, 1 + number // 10)
    rows = prover.venue.rows()
    prover.venue.forget_before(5)
    proven = await prover.run(rows=rows)
    assert proven.book.net_lots == 30


# --- a running book --------------------------------------------------------------------------


def running_book(venue: Exchange, trade_id: int) -> Book:
    """Return the book of a process that has seen everything up to this trade."""
    book = Book(BookBase(0, 0))
    book.add(trade for trade in venue.history if trade.trade_id <= trade_id)
    return book


async def test_a_running_book_learns_what_it_missed(prover: Prover) -> None:
    """A later proof adds to the same book, tells what is new, and explains nothing."""
    fill_orders(prover.venue, 6)
    book = running_book(prover.venue, 4)
    proven = await prover.run(book=book)
    assert proven.book is book
    assert prover.new_ids == [5, 6]
    assert not proven.explained


async def test_a_list_that_ends_before_what_is_known_proves_nothing(prover: Prover) -> None:
    """Trade ids only grow: a shorter list is a stale copy, also when the rows have no objection."""
    fill_orders(prover.venue, 6)
    book = running_book(prover.venue, 6)
    prover.venue.lags.extend([3, 3])
    await prover.run(book=book)
    assert len(prover.venue.reads) >= 3


async def test_an_empty_list_proves_nothing_to_a_book_with_trades(prover: Prover) -> None:
    """No trades at all, where we know some, is a stale copy or another exchange."""
    fill_orders(prover.venue, 6)
    book = running_book(prover.venue, 6)
    prover.venue.lags.extend([6] * 1000)
    with pytest.raises(NotProvenError, match="ends before") as failure:
        await prover.run(book=book)
    assert failure.value.is_contradicted


async def test_a_list_that_turns_empty_ends_nothing(prover: Prover) -> None:
    """A copy that knows less than the one before it is only read again."""
    for _ in range(4):
        prover.venue.fill(5, 1)
    book = running_book(prover.venue, 2)
    prover.venue.lags.extend([2, 4, 4, 4])
    proven = await prover.run(book=book)
    assert proven.book.net_lots == 20
    assert prover.new_ids == [3, 4]


async def test_trades_of_a_failed_attempt_are_told(prover: Prover) -> None:
    """What a running book counted before the proof came is told with it, once."""
    fill_orders(prover.venue, 6)
    book = running_book(prover.venue, 2)
    prover.venue.lags.extend([2, 1])
    await prover.run(book=book)
    assert prover.new_ids == [3, 4, 5, 6]


async def test_trades_are_told_also_where_no_proof_comes_of_it(prover: Prover) -> None:
    """A foreign trade that was counted is not hidden by a proof that ran out of time."""
    fill_orders(prover.venue, 6)
    book = running_book(prover.venue, 2)
    prover.venue.lags.extend([1] * 1000)
    with pytest.raises(NotProvenError):
        await prover.run(book=book)
    assert prover.new_ids == [3, 4, 5]


async def test_a_contradiction_in_a_running_book_is_no_proof(prover: Prover) -> None:
    """Trades that do not lead to the position they state leave something out."""
    fill_orders(prover.venue, 6)
    book = running_book(prover.venue, 2)
    prover.venue.history = [trade for trade in prover.venue.history if trade.trade_id != 3]
    with pytest.raises(NotProvenError, match="contradict") as failure:
        await prover.run(book=book, rows=(FENCE,))
    assert failure.value.is_contradicted


# --- errors of the venue ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [VenueUnavailableError("timed out"), VenueRefusedError(23000, "too many requests")]
)
async def test_errors_of_the_venue_are_tried_again(prover: Prover, error: VenueError) -> None:
    """An answer that did not come proves nothing, for or against."""
    fill_orders(prover.venue, 3)
    prover.venue.errors.extend([error] * 3)
    proven = await prover.run(base_at(prover.venue, 2))
    assert prover.new_ids == [3]
    assert proven.explained


async def test_a_spent_budget_is_waited_for_and_counts_for_nothing(prover: Prover) -> None:
    """It comes back within a minute; a halt would call for a person, and blame the exchange."""
    fill_orders(prover.venue, 1)
    began_ms = prover.clock.now_ms()
    prover.venue.errors.extend(BudgetSpentError("spent") for _ in range(200))
    proven = await prover.run()
    assert proven.book.net_lots == 10
    assert prover.clock.now_ms() - began_ms > DEADLINE_S * 1000


async def test_a_venue_that_never_answers_ends_in_not_proven(prover: Prover) -> None:
    """The wait ends at the deadline, with pauses of up to five seconds before it."""
    prover.venue.errors.extend(VenueUnavailableError("timed out") for _ in range(1000))
    began_ms = prover.clock.now_ms()
    with pytest.raises(NotProvenError, match="timed out") as failure:
        await prover.run()
    assert not failure.value.is_contradicted
    assert DEADLINE_S * 1000 <= prover.clock.now_ms() - began_ms <= DEADLINE_S * 1000 + 5000
    assert max(prover.clock.slept_s) == 5.0
