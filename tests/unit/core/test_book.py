"""An account's book: each trade once, gaps seen, histories never replayed, proofs by rows."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core import book as book_module
from hedge.core.amounts import Side
from hedge.core.book import (
    Answer,
    Book,
    BookBase,
    base_of_history,
    dated,
    fits,
    unmatched_rows,
)
from hedge.core.records import OrderStatus, Trade
from tests.simulation.lies import TRADE
from tests.unit.core.kit import row, trade

SIZES = st.lists(st.integers(-50, 50).filter(bool), min_size=1, max_size=30)
BASES = st.builds(BookBase, st.integers(-100, 100), st.integers(0, 100), st.just(5))


def history(base: BookBase, sizes: Sequence[int], *, stated: bool = True) -> list[Trade]:
    """Return honest trades above the base's floor; some ids are other accounts' and missing."""
    position, trades = base.position_lots, []
    for number, size in enumerate(sizes):
        before = position if stated else None
        trade_id = base.floor_trade_id + 1 + 2 * number
        trades.append(trade(trade_id, size, before, cid=1 + number % 3))
        position += size
    return trades


def shuffled(items: Sequence[Trade], seed: int) -> list[Trade]:
    again = [*items, *items[::2]]
    random.Random(seed).shuffle(again)
    return again


# --- counting --------------------------------------------------------------------------------


@given(BASES, SIZES, st.integers(), st.booleans())
def test_any_order_and_repetition_gives_the_same_book(
    base: BookBase, sizes: list[int], seed: int, stated: bool
) -> None:
    """Each trade counts once, whichever order it comes in and however often."""
    trades = history(base, sizes, stated=stated)
    book, new = Book(base), list[Trade]()
    for one in shuffled(trades, seed):
        new += book.add([one])
    assert sorted(new, key=lambda one: one.trade_id) == trades
    assert book.consistent
    assert book.net_lots == base.position_lots + sum(sizes)
    assert book.last_trade_id == book.consistent_trade_id == trades[-1].trade_id
    for cid in (1, 2, 3):
        assert book.filled_lots(cid) == sum(
            one.size_lots for one in trades if one.client_order_index == cid
        )


@given(BASES, SIZES, st.data())
def test_a_gap_is_seen_and_closes(base: BookBase, sizes: list[int], data: st.DataObject) -> None:
    """A missing trade makes the book contradict itself until it is found."""
    trades = history(base, sizes)
    lost = data.draw(st.sampled_from(trades))
    book = Book(base)
    book.add(one for one in trades if one is not lost and one.trade_id < lost.trade_id)
    book.add(one for one in trades if one.trade_id > lost.trade_id)
    is_newest = lost is trades[-1]
    assert book.consistent is is_newest
    if not is_newest:
        assert book.consistent_trade_id < lost.trade_id
        assert book.net_lots == base.position_lots + sum(sizes)
    assert book.add([lost]) == (lost,)
    assert book.consistent
    assert book.net_lots == base.position_lots + sum(sizes)


@given(BASES, SIZES, st.integers())
def test_a_restart_from_the_stored_base_replays_nothing(
    base: BookBase, sizes: list[int], seed: int
) -> None:
    """What is stored holds every trade up to its floor; those are ignored for ever after."""
    trades = history(base, sizes)
    book = Book(base)
    book.add(trades)
    again = Book(book.base())
    assert again.add(shuffled(trades, seed)) == ()
    assert again.net_lots == book.net_lots
    assert again.base() == book.base()
    assert again.floor_trade_id == trades[-1].trade_id


def test_compaction_keeps_net_and_the_fills_of_kept_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over days the book forgets old trades, not what they added up to."""
    monkeypatch.setattr(book_module, "KEEP_TRADES", 10)
    base = BookBase(3, 100)
    trades = history(base, [5, -2] * 20)
    book = Book(base)
    for one in trades:
        book.add([one])
        assert len(book.trades) <= 10
    assert book.net_lots == 3 + sum(one.signed_lots for one in trades)
    assert book.consistent
    assert book.floor_trade_id > 100
    assert book.filled_lots(1) == sum(
        one.size_lots for one in trades if one.client_order_index == 1
    )
    assert book.add(trades) == ()


def test_compaction_forgets_orders_without_kept_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill sums do not pile up for orders long gone."""
    monkeypatch.setattr(book_module, "KEEP_TRADES", 4)
    book = Book(BookBase(0, 0))
    for number in range(1, 20):
        book.add([trade(number, 1, number - 1, cid=number)])
    assert book.filled_lots(1) == 0
    assert book.filled_lots(19) == 1


def test_a_view_names_the_orders_asked_for() -> None:
    """A core sees net, newest id, agreement, and fills of its own orders only."""
    book = Book(BookBase(1, 0))
    book.add([trade(2, 3, 1, cid=7), trade(4, 1, 4, cid=8)])
    view = book.view(7, 0, 9)
    assert (view.net_lots, view.last_trade_id, view.consistent) == (5, 4, True)
    assert view.filled == {7: 3, 9: 0}
    assert {one.trade_id for one in book.trades} == {2, 4}


def test_an_empty_book_is_its_base() -> None:
    """Without trades above the floor the base stands as it was stored."""
    base = BookBase(-4, 9, 123)
    book = Book(base)
    assert book.base() == base
    assert (book.net_lots, book.last_trade_id, book.consistent) == (-4, 9, True)


def test_a_self_trade_has_two_legs() -> None:
    """A trade of the account with itself counts both legs, and neither states the end."""
    book = Book(BookBase(10, 0))
    legs = [trade(5, 3, 10), trade(5, -3, 10)]
    assert len(book.add(legs)) == 2
    assert book.net_lots == 10
    assert book.consistent


# --- how simpler rules lose money ------------------------------------------------------------


def test_newest_is_not_the_last_to_arrive() -> None:
    """Trusting the last arrival publishes 5 where the truth is 10, when 11 comes before 10."""
    book = Book(BookBase(0, 9))
    book.add([trade(11, 5, before=5)])
    assert not book.consistent
    assert book.net_lots == 10
    book.add([trade(10, 5, before=0)])
    assert book.consistent
    assert book.net_lots == 10


def test_a_sum_alone_hides_a_lost_trade() -> None:
    """Adding up what the stream brought leaves the lost trade unhedged for good."""
    book = Book(BookBase(0, 119))
    book.add([trade(122, 1, before=1)])
    assert not book.consistent
    assert book.net_lots == 2
    assert book.consistent_trade_id == 119
    assert book.add([trade(120, 1, before=0)])[0].trade_id == 120
    assert book.consistent


def test_one_trade_id_can_concern_both_accounts() -> None:
    """One set of seen ids for both accounts drops one leg when B's order hits A's own remainder."""
    a, b = Book(BookBase(1, 0)), Book(BookBase(-1, 0))
    assert a.add([trade(5, 1, before=1)])
    assert b.add([trade(5, -1, before=-1)])
    assert (a.net_lots, b.net_lots) == (2, -2)


def test_with_nothing_stored_nothing_is_replayed() -> None:
    """Catching up "to the last stored trade" with none stored hedges 3,000 old trades."""
    trades = history(BookBase(0, 0), [1] * 300)
    base = base_of_history(trades)
    assert base == BookBase(300, trades[-1].trade_id, trades[-1].time_ms)
    assert Book(base).add(trades) == ()


# --- a first look ----------------------------------------------------------------------------


def test_no_base_without_a_statement() -> None:
    """No trades, or a newest one that does not state its position, give no base to begin with."""
    assert base_of_history([]) is None
    assert base_of_history([trade(1, 1, before=0), trade(2, 1, before=None)]) is None


def test_a_self_trade_gives_no_base() -> None:
    """Each leg of a self trade states a position that is off by its size."""
    assert base_of_history([trade(5, 3, before=10), trade(5, -3, before=10)]) is None


# --- proof -----------------------------------------------------------------------------------

FILLED, GONE = OrderStatus.FILLED, OrderStatus.CANCELED


def test_rows_matched_by_trades_prove_the_book() -> None:
    """Every row's filled amount is the sum of its trades; repeated trades count once."""
    trades = [trade(1, 2, order_index=1), trade(2, 3, order_index=1), trade(3, -4, order_index=2)]
    rows = [
        row(1, FILLED, 5, order_index=1, updated_ms=9),
        row(2, GONE, 4, order_index=2, updated_ms=9),
        row(3, GONE, 0, order_index=3, updated_ms=9),
    ]
    assert unmatched_rows(rows, [*trades, *trades]) == ()


def test_a_stale_answer_does_not_explain_itself() -> None:
    """Positions repeat with constant quantities: only the row of the missing order tells."""
    old = [trade(1, 1, before=0, order_index=1), trade(2, -1, before=1, order_index=2)]
    rows = [
        row(1, FILLED, 1, order_index=1, updated_ms=1),
        row(2, FILLED, 1, order_index=2, updated_ms=2),
        row(3, FILLED, 1, order_index=3, updated_ms=3),
    ]
    assert [one.order_index for one in unmatched_rows(rows, old)] == [3]


def test_rows_older_than_the_known_trades_are_not_judged() -> None:
    """A page of trades starts somewhere: what ended before it (by whole seconds) is not judged."""
    trades = [trade(9, 1, order_index=9, time_ms=5_000)]
    rows = [
        row(7, FILLED, 1, order_index=7, updated_ms=3_999),
        row(8, FILLED, 1, order_index=8, updated_ms=4_000),
        row(9, FILLED, 1, order_index=9, updated_ms=5_000),
    ]
    found = unmatched_rows(rows, trades)
    assert [one.order_index for one in found] == [8]


def test_without_trades_rows_since_the_base_are_judged() -> None:
    """No trades at all contradict a filled row, unless the base is newer than the row."""
    rows = [row(1, FILLED, 1, updated_ms=5_000)]
    assert unmatched_rows(rows, []) == tuple(rows)
    assert unmatched_rows(rows, [], since_ms=6_000) == tuple(rows)
    assert unmatched_rows(rows, [], since_ms=6_001) == ()


def test_a_base_must_fit_what_the_venue_lists() -> None:
    """A stored book of another exchange, or a wrong one, would hide every new trade for ever."""
    listed = [trade(8, 1, before=0), trade(9, 2, before=1)]
    assert fits(BookBase(3, 9), listed)
    assert fits(BookBase(1, 8), listed)
    assert not fits(BookBase(4, 9), listed)
    assert not fits(BookBase(3, 10), listed)
    assert not fits(BookBase(3, 10), [])
    assert fits(BookBase(0, 0), [])
    assert fits(BookBase(7, 5), listed)  # beyond what was read: the sum will tell
    assert fits(BookBase(7, 9), [trade(9, 2, before=None)])


def test_ids_above_the_floor_only_grow() -> None:
    """Trade ids come back oldest first, so that fills are published in the order they happened."""
    book = Book(BookBase(0, 0))
    new = book.add([trade(3, 1, 1), trade(1, 1, 0)])
    assert all(one.trade_id < two.trade_id for one, two in pairwise(new))
    assert {one.side for one in new} == {Side.BUY}


def test_a_base_is_dated_by_the_trades_that_it_contains() -> None:
    """The newest of them counts, never one beyond the base, and a date never goes back."""
    base = BookBase(0, 5, floor_ms=100)
    known = [replace(trade(number, 1, 0), time_ms=number * 50) for number in (3, 5, 6)]
    assert dated(base, known).floor_ms == 250
    assert dated(base, known[:1]).floor_ms == 150
    assert dated(replace(base, floor_ms=900), known).floor_ms == 900
    assert dated(base, known[2:]) == base


# --- frames are hints, answers decide ----------------------------------------------------------

LAG_MS = 15_000


def truth(count: int = 4) -> list[Trade]:
    """Return what an account did by one order: a trade each second."""
    return [
        trade(10 * number, 5, 5 * (number - 1), cid=7, order_index=3, time_ms=1000 * number)
        for number in range(1, count + 1)
    ]


def answer(trades: Sequence[Trade], asked_ms: int = 5000) -> Answer:
    return Answer(tuple(trades), 0, asked_ms, LAG_MS)


def as_in(book: Book) -> tuple[int, int, bool, int]:
    return book.net_lots, book.last_trade_id, book.consistent, book.filled_lots(7)


@given(
    st.sampled_from(sorted(TRADE)),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_after_two_answers_the_book_is_the_truth(
    field: str, number: int, dice: random.Random, answered_early: bool
) -> None:
    """One field of one frame is false; two answers that agree put the book right."""
    rows, book = truth(), Book(BookBase(0, 0))
    told = [*rows[:number], *TRADE[field](rows[number], dice), *rows[number + 1 :]]
    for one in told:
        book.add([one], heard_ms=one.trade_id)
    if answered_early:
        book.listed(answer(rows[:number]))
    listed = [book.listed(answer(rows, asked_ms)) for asked_ms in (5000, 6000)]
    assert as_in(book) == (20, 40, True, 20)
    assert not book.unlisted
    assert not book.is_claimed_otherwise
    assert not any(one.missing for one in listed)
    assert book.consistent_trade_id == 40
    assert {one.trade_id for one in book.trades} == {10, 20, 30, 40}


@given(SIZES, st.integers(), st.data())
def test_honest_frames_are_confirmed_and_nothing_is_corrected(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    """Answers that lag, in any order among the frames, change nothing that is true."""
    base = BookBase(3, 100)
    rows, book, dice = history(base, sizes), Book(base), random.Random(seed)
    for one in shuffled(rows, seed):
        book.add([one], heard_ms=0)
        known = dice.randrange(len(rows) + 1)
        listed = book.listed(Answer(tuple(rows[:known]), 100, 1000, LAG_MS))
        assert not listed.corrected
        assert not listed.missing
    book.listed(Answer(tuple(rows), 100, 2000, LAG_MS))
    assert book.net_lots == 3 + sum(sizes)
    assert book.consistent
    assert book.unlisted_since_ms is None


@pytest.mark.parametrize(
    ("asked_ms", "missing"),
    [
        ((14_999, 60_000), 0),
        ((15_000, 19_999), 0),
        ((15_000, 20_000), 1),
        ((15_000, 16_000, 40_000), 1),
    ],
)
def test_missing_is_what_two_answers_lack_after_the_lag(
    asked_ms: tuple[int, ...], missing: int
) -> None:
    """One answer may be of a copy that lags, and two of one moment may be of the same copy."""
    rows, book = truth(), Book(BookBase(0, 0))
    book.add(rows[:3])
    book.add([trade(99, 5, 15, cid=8, order_index=4)], heard_ms=0)
    listed = [book.listed(answer(rows[:3], one)) for one in asked_ms]
    assert [len(one.missing) for one in listed] == [0] * (len(asked_ms) - 1) + [missing]
    assert book.net_lots == 20
    assert book.consistent_trade_id == 30
    book.drop(listed[-1].missing)
    assert book.net_lots == (15 if missing else 20)


def test_an_answer_tells_nothing_of_what_is_older_than_it_reaches() -> None:
    """A page that does not go down to a trade does not lack it."""
    book = Book(BookBase(0, 0))
    book.add([trade(5, 5, 0)], heard_ms=0)
    for asked_ms in (20_000, 30_000):
        assert not book.listed(Answer((trade(9, 5, 5),), 8, asked_ms, LAG_MS)).missing


def test_where_an_answer_leaves_the_position_out_the_frame_s_stands() -> None:
    """What the venue leaves out of an answer it has not taken back."""
    book, told = Book(BookBase(0, 0)), trade(5, 5, 0)
    book.add([told], heard_ms=0)
    listed = book.listed(answer([replace(told, position_before_lots=None)]))
    assert not listed.corrected
    assert book.trades == (told,)


def test_what_is_left_without_some_trades() -> None:
    """Other statements of the venue are compared with the book as it would be."""
    rows, book = truth(), Book(BookBase(1, 0))
    book.add(rows)
    assert book.without(rows[2:]) == 11
    assert book.order_lots(3) == 20
    assert book.order_lots(3, but=rows[:1]) == 15


def test_an_answer_counts_nothing_at_or_below_the_floor() -> None:
    """What the base contains is listed for ever, and counted no more."""
    rows, book = truth(), Book(BookBase(10, 20))
    listed = book.listed(answer(rows))
    assert [one.trade_id for one in listed.new] == [30, 40]
    assert book.net_lots == 20


def test_a_book_says_whether_an_answer_lacks_some_of_it() -> None:
    """Then it is worth asking once more, soon; where the content is another's too it stays."""
    book = Book(BookBase(0, 0))
    book.add([trade(5, 5, 0)], heard_ms=0)
    assert not book.lacks_some
    book.listed(answer((), 15_000))
    assert book.lacks_some
    unstated = [trade(7, 5, None), replace(trade(7, 5, None), trade_id=8)]
    book.add(unstated)
    book.drop(unstated[:1])
    assert {one.trade_id for one in book.trades} == {5, 8}


# --- one false answer moves nothing -------------------------------------------------------------

HEARD = ("frames", "answers", "frames, then answers")


def heard(how: str, rows: Sequence[Trade]) -> Book:
    """Return a book that has honest trades by frames, by an answer, or by both."""
    book = Book(BookBase(0, 0))
    if "frames" in how:
        book.add(rows, heard_ms=0)
    if "answers" in how:
        book.listed(answer(rows, 1000))
    return book


@given(
    st.sampled_from(sorted(TRADE)),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
    st.sampled_from(HEARD),
)
def test_one_false_answer_changes_nothing_that_is_known(
    field: str, number: int, dice: random.Random, how: str
) -> None:
    """It was taken at once, and B traded up to its position limit until the next answer came."""
    rows, book = truth(), heard(how, truth())
    bent = TRADE[field](rows[number], dice)
    listed = book.listed(answer([*rows[:number], *bent, *rows[number + 1 :]], 5000))
    assert not listed.corrected
    assert as_in(book) == (20, 40, True, 20)
    assert not book.listed(answer(rows, 6000)).corrected
    assert as_in(book) == (20, 40, True, 20)
    assert not book.is_claimed_otherwise


def test_a_false_size_waits_for_a_second_answer() -> None:
    """The rule in the small: ten times the size, told once, and told again too soon."""
    (true,), book = truth(1), heard("frames, then answers", truth(1))
    false = replace(true, size_lots=50)
    listed = book.listed(answer([false], 5000))
    assert (listed.claimed, listed.corrected, book.net_lots) == ((false,), (), 5)
    assert book.is_claimed_otherwise
    assert not book.listed(answer([false], 5999)).claimed  # of the same moment: it is said once
    assert (book.net_lots, book.consistent_trade_id) == (5, 9)
    assert book.listed(answer([false], 6000)).corrected == (true,)
    assert (book.net_lots, book.is_claimed_otherwise) == (50, False)


def test_a_true_answer_ends_what_a_false_one_claimed() -> None:
    """Nothing was moved, and nothing more is asked."""
    (true,), book = truth(1), heard("answers", truth(1))
    book.listed(answer([replace(true, side=Side.SELL)], 5000))
    assert book.is_claimed_otherwise
    book.listed(answer([], 6000))  # of a copy that lags: it tells nothing
    assert book.is_claimed_otherwise
    assert not book.listed(answer([true], 7000)).corrected
    assert not book.is_claimed_otherwise
    assert (book.net_lots, book.consistent_trade_id) == (5, 10)


def test_another_lie_begins_anew() -> None:
    """Two answers that are false each in its own way agree on nothing."""
    (true,), book = truth(1), heard("frames", truth(1))
    for asked_ms, lots in ((5000, 50), (6000, 70), (6500, 70)):
        assert not book.listed(answer([replace(true, size_lots=lots)], asked_ms)).corrected
    assert book.net_lots == 5
    assert book.listed(answer([replace(true, size_lots=70)], 7000)).corrected


def test_what_the_next_trade_agrees_with_waits_for_nothing() -> None:
    """A frame was false, and the next one's position before it says so: the book has a gap."""
    rows, book = truth(2), Book(BookBase(0, 0))
    book.add([replace(rows[0], size_lots=50), rows[1]], heard_ms=0)
    assert not book.consistent
    assert [one.size_lots for one in book.listed(answer(rows)).corrected] == [50]
    assert as_in(book) == (10, 20, True, 10)


def test_claims_that_do_not_close_a_gap_wait() -> None:
    """A trade is missing, and the answer is false about another one: nothing of it is taken."""
    rows, book = truth(3), Book(BookBase(0, 0))
    book.add([rows[0], rows[2]], heard_ms=0)
    listed = book.listed(answer([replace(rows[0], size_lots=7), rows[2]]))
    assert not listed.corrected
    assert not book.consistent
    assert {one.trade_id for one in book.unlisted} == {10}
    assert book.listed(answer(rows, 7000)).new == (rows[1],)
    assert as_in(book) == (15, 30, True, 15)
    assert not book.is_claimed_otherwise


def test_a_frame_that_tells_a_listed_trade_otherwise_calls_for_an_answer() -> None:
    """An answer came before the frame, and was false: with the next one two sources agree."""
    (true,), false = truth(1), replace(truth(1)[0], size_lots=50)
    book = heard("answers", [false])
    assert book.add([true], heard_ms=1500) == ()
    assert book.is_claimed_otherwise
    assert book.listed(answer([true], 2000)).corrected == (false,)
    assert book.net_lots == 5


def test_a_frame_told_again_with_another_side_is_no_second_leg() -> None:
    """Repeated falsely it took the fill back at once; a trade with itself comes with both legs."""
    (true,), book = truth(1), heard("frames", truth(1))
    assert book.add([replace(true, side=Side.SELL)], heard_ms=10) == ()
    assert (book.net_lots, book.is_claimed_otherwise) == (5, True)
    book.listed(answer([true], 5000))
    assert (book.net_lots, book.is_claimed_otherwise) == (5, False)


def test_what_is_dropped_or_compacted_is_claimed_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim is about a trade that the book has."""
    monkeypatch.setattr(book_module, "KEEP_TRADES", 3)
    rows = truth(6)
    book = heard("frames", rows[:1])
    book.listed(answer([replace(rows[0], size_lots=50)], 5000))
    book.drop(rows[:1])
    assert not book.is_claimed_otherwise
    book.add(rows[:3])
    book.listed(answer([replace(rows[0], size_lots=50)], 6000))
    assert book.is_claimed_otherwise
    book.add(rows[3:])
    assert not book.is_claimed_otherwise
    assert book.net_lots == 30


def test_a_claim_ends_where_its_trade_is_claimed_otherwise() -> None:
    """Another id was told first, then another size: the next answer is to tell the size again."""
    (true,), book = truth(1), heard("frames", truth(1))
    book.listed(answer([replace(true, trade_id=99)], 5000))
    for asked_ms in (6000, 6500):
        assert not book.listed(answer([replace(true, size_lots=50)], asked_ms)).corrected
    assert not book.listed(answer([replace(true, trade_id=99)], 7000)).corrected
    assert book.listed(answer([replace(true, size_lots=50)], 7500)).corrected == (true,)


def test_two_copies_of_one_trade_are_one_claim() -> None:
    """An answer that lists a trade twice, and under no id that is known, is false or late."""
    (true,), book = truth(1), heard("frames", truth(1))
    copies = [replace(true, trade_id=number) for number in (11, 12)]
    for asked_ms in (5000, 6000):
        book.listed(answer(copies, asked_ms))
        assert (book.net_lots, len(book.trades)) == (5, 1)
    book.listed(answer([true], 7000))
    assert (book.net_lots, len(book.trades)) == (5, 1)


def test_a_trade_that_took_the_id_of_another_gives_it_back() -> None:
    """A frame told trade 12 as 15, and the true 15 was heard as its other side: two claims on one.

    The answer's 15 has a second source in that frame. What it replaces was 12 then, which is new.
    """
    first, twelve = trade(9, -100, 0), trade(12, 100, -100)
    fifteen = trade(15, -48, 0)
    book = Book(BookBase(0, 5))
    book.add([first])
    book.add([replace(twelve, trade_id=15)], heard_ms=100)
    book.add([fifteen], heard_ms=200)
    found = book.listed(answer([first, twelve, fifteen]))
    assert [one.trade_id for one in found.new] == [12]
    assert sorted(one.trade_id for one in book.trades) == [9, 12, 15]
    assert (book.net_lots, book.consistent) == (-48, True)
