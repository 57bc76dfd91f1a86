"""A's public trades joined to what A states: the view goes on only where both add up."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import Side
from hedge.core.hedger.departure import MakerBeat, Resting
from hedge.core.hedger.watch import (
    KEEP_TRADES,
    Claimed,
    Recent,
    Stand,
    Unlisted,
    carried,
    compared,
    denies,
    found,
    is_beyond_beat,
    merged,
    weighed,
    without,
)
from hedge.core.records import Trade
from tests.unit.core.kit import trade

SIZES = st.lists(st.integers(-300, 300).filter(bool), min_size=1, max_size=10)


def history(sizes: list[int], first_id: int = 11, before: int = 0) -> tuple[Trade, ...]:
    """Return A's trades as the venue shows them: each states the position before it."""
    rows = []
    for number, size in enumerate(sizes):
        rows.append(trade(first_id + number, size, before))
        before += size
    return tuple(rows)


def recent(legs: tuple[Trade, ...], lowest: int, highest: int) -> Recent:
    return Recent(legs, lowest, highest)


# --- carrying A's statement on -----------------------------------------------------------------


@given(SIZES, st.integers(), st.integers(-500, 500))
def test_the_view_is_the_truth_whatever_order_the_trades_come_in(
    sizes: list[int], seed: int, stated: int
) -> None:
    """Late, repeated and reordered trades end in the position that the venue holds."""
    rows = list(history(sizes, before=stated))
    chance = random.Random(seed)
    heard = rows + chance.choices(rows, k=4)
    chance.shuffle(heard)
    watched: tuple[Trade, ...] = ()
    for one in heard:
        watched = merged(watched, (one,), 10)
    assert carried(Stand(stated, 10), watched) == Stand(stated + sum(sizes), rows[-1].trade_id)


@given(SIZES.filter(lambda sizes: len(sizes) > 1), st.data())
def test_a_missing_trade_is_never_guessed_over(sizes: list[int], data: st.DataObject) -> None:
    """Where one trade was lost the view stays A's own word, unless the loss changes nothing."""
    rows = list(history(sizes))
    lost = data.draw(st.integers(0, len(rows) - 2))
    kept = tuple(row for number, row in enumerate(rows) if number != lost)
    assert carried(Stand(0, 10), kept) is None


def test_trades_that_the_statement_contains_change_nothing() -> None:
    """A trade at or below the newest one that A counted is not counted again."""
    rows = history([100, 50])
    assert carried(Stand(150, 12), rows) == Stand(150, 12)
    assert merged((), rows, 12) == ()


@pytest.mark.parametrize(("shown", "expected"), [(150, Stand(150, 12)), (100, None), (None, None)])
def test_without_a_statement_the_shown_position_is_the_check(
    shown: int | None, expected: Stand | None
) -> None:
    """A venue that leaves the position out of its trades still shows it beside them."""
    rows = tuple(replace(row, position_before_lots=None) for row in history([100, 50]))
    assert carried(Stand(0, 10), rows, shown) == expected


@given(st.lists(st.lists(st.integers(1, 12), max_size=4), max_size=6), st.integers(0, 12))
def test_trades_are_kept_once_and_in_order(frames: list[list[int]], after: int) -> None:
    """Frame by frame, in any order and repeated: what is kept is what all of them hold."""
    legs = {number: (trade(number, 5, 0), trade(number, -5, 5)) for number in range(13)}
    watched: tuple[Trade, ...] = ()
    for numbers in frames:
        watched = merged(watched, (leg for number in numbers for leg in legs[number]), 0)
    heard = sorted({number for numbers in frames for number in numbers})
    kept = merged(watched, (), after)
    assert {(leg.trade_id, leg.side) for leg in kept} == {
        (leg.trade_id, leg.side) for number in heard if number > after for leg in legs[number]
    }
    assert len(kept) == 2 * sum(number > after for number in heard)
    assert [leg.trade_id for leg in kept] == sorted(leg.trade_id for leg in kept)


def test_a_self_trade_states_no_end() -> None:
    """Two legs of one trade: neither says what is held after both."""
    legs = (trade(11, 100, 0), replace(trade(11, -100, 100), side=Side.SELL))
    assert carried(Stand(0, 10), merged((), legs, 10)) is None
    assert carried(Stand(0, 10), merged((), legs, 10), 0) == Stand(0, 11)


def test_old_trades_are_let_go() -> None:
    """The list stays bounded however long A says nothing."""
    rows = history([1] * (KEEP_TRADES + 5))
    kept = merged((), rows, 0)
    assert len(kept) == KEEP_TRADES
    assert kept[-1] == rows[-1]


# --- one public answer -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "own_trade_id", "expected"),
    [
        pytest.param(recent(history([100]), 5, 20), 20, Stand(100, 11), id="lists both"),
        pytest.param(recent((), 5, 20), 20, Stand(0, 10), id="A has not traded since"),
        pytest.param(recent(history([100]), 5, 20), 21, None, id="older than B's own trade"),
        pytest.param(recent((), 1, 9), 0, None, id="ends before the base: another exchange"),
        pytest.param(recent((), 15, 20), 20, None, id="does not reach back, A not in it"),
        pytest.param(
            recent(history([100], 16, before=40), 15, 20),
            20,
            Stand(140, 16),
            id="A's own statement",
        ),
        pytest.param(recent(history([100], 11, before=40), 5, 20), 20, None, id="contradicts base"),
        pytest.param(recent((), 0, 0), 0, None, id="a market without trades"),
    ],
)
def test_what_one_answer_proves(answer: Recent, own_trade_id: int, expected: Stand | None) -> None:
    """An answer counts where it is not older than B's book and tells all since the base."""
    assert found(Stand(0, 10), answer, own_trade_id) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(recent(history([100], before=20), 5, 20), True, id="its leg says 120"),
        pytest.param(recent(history([100], before=-67), 5, 20), False, id="its leg says the same"),
        pytest.param(recent(history([100]), 5, 20), False, id="0 may be an empty field"),
        pytest.param(recent(history([50, -50, 100], 10), 5, 20), True, id="0 by the legs before"),
        pytest.param(recent(history([100], 16, before=20), 5, 20), False, id="a newer leg"),
        pytest.param(recent(history([100], before=20), 13, 20), False, id="it ends before it"),
        pytest.param(recent(history([100], before=20), 5, 11), False, id="it lags behind it"),
        pytest.param(recent((), 5, 20), False, id="A is not in it"),
    ],
)
def test_what_one_answer_denies(answer: Recent, *, expected: bool) -> None:
    """A record of 33 in trade 12, which a frame may have told of under a false id."""
    assert denies(answer, Stand(33, 12)) is expected


def test_an_answer_without_statements_proves_nothing_beyond_its_reach() -> None:
    """Not reaching back to the base and stating no position, it leaves A unknown."""
    legs = (replace(trade(16, 100), position_before_lots=None),)
    assert found(Stand(0, 10), recent(legs, 15, 20), 20) is None


# --- what answers lack ---------------------------------------------------------------------------

LAG_MS = 15_000


def test_a_frame_changes_nothing_that_is_known_and_an_answer_does() -> None:
    """Told twice, the first frame's text stands until an answer lists the trade."""
    known = history([100])
    other = (replace(known[0], size_lots=30),)
    assert merged(known, other, 10) == known
    assert merged(known, other, 10, listed=True) == other


def test_what_two_answers_lack_is_missing() -> None:
    """The first one only notes it; one within the lag tells nothing; then two, 5 s apart."""
    rows = history([100, 50])
    page = recent(rows[:1], 5, 40)
    unlisted, missing = compared(rows, (), page, 900, 1000, LAG_MS)
    assert [one.trade_id for one in unlisted] == [12]
    assert without(rows, unlisted) == rows[:1]
    for asked_ms, absent_ms in ((2000, None), (16_000, 16_000), (20_999, 16_000)):
        unlisted, missing = compared(rows, unlisted, page, asked_ms, asked_ms, LAG_MS)
        assert [one.absent_ms for one in unlisted] == [absent_ms]
        assert missing == ()
    assert unlisted[0].due_ms(LAG_MS) == 21_000
    unlisted, missing = compared(rows, unlisted, page, 21_000, 21_000, LAG_MS)
    assert (unlisted, missing) == ((), rows[1:])


def test_an_answer_that_lists_it_ends_the_doubt() -> None:
    """What was listed late is as good as any other."""
    rows = history([100, 50])
    noted = (Unlisted(12, rows[1].side, 1000, 16_000),)
    assert compared(rows, noted, recent(rows, 5, 40), 30_000, 30_000, LAG_MS) == ((), ())


def test_an_answer_tells_nothing_of_older_trades() -> None:
    """A page that does not reach back neither confirms nor lacks."""
    rows = history([100, 50])
    noted = (Unlisted(11, rows[0].side, 1000, 16_000),)
    page = recent(rows[1:], 12, 40)
    assert compared(rows, noted, page, 30_000, 30_000, LAG_MS) == (noted, ())


def test_what_is_doubted_is_asked_for_at_once() -> None:
    """What A cannot have done waits for one answer; lacked by it, it is like any other."""
    rows = history([100])
    doubted = Unlisted(11, rows[0].side, 500, is_doubted=True)
    assert doubted.due_ms(LAG_MS) == 500
    unlisted, _ = compared(rows, (doubted,), recent((), 5, 40), 600, 700, LAG_MS)
    assert unlisted == (Unlisted(11, rows[0].side, 700),)


@pytest.mark.parametrize(
    ("cid", "signed_lots", "a_lots", "expected"),
    [
        pytest.param(7, -40, 0, False, id="what was left of the order"),
        pytest.param(7, -41, 0, True, id="more than was left"),
        pytest.param(7, 40, 0, True, id="the other side"),
        pytest.param(8, 100, 0, False, id="a younger order"),
        pytest.param(8, 101, 0, True, id="larger than any order"),
        pytest.param(8, -101, 101, False, id="all that A holds"),
    ],
)
def test_what_a_live_a_can_have_done(
    cid: int, signed_lots: int, a_lots: int, expected: bool
) -> None:
    """Its heartbeat names its orders, and how large one can be."""
    resting = (Resting(7, trade(1, -1).side, 40),)
    beat = MakerBeat("e", 0, resting=resting, quantity_lots=100)
    assert is_beyond_beat(beat, trade(11, signed_lots, cid=cid), a_lots) is expected
    unsaid = MakerBeat("e", 0)
    assert not is_beyond_beat(unsaid, trade(11, signed_lots, cid=cid), a_lots)


def test_a_position_before_of_zero_needs_another_witness() -> None:
    """The venue may leave the field empty: it counts where the base leads there too."""
    legs = history([100], 16)
    assert found(Stand(0, 10), recent(legs, 15, 20), 20) == Stand(100, 16)
    assert found(Stand(40, 10), recent(legs, 15, 20), 20) is None


def test_a_trade_older_than_the_page_that_was_never_lacked_stays_unnoted() -> None:
    """Nothing is known for or against it."""
    rows = history([100])
    assert compared(rows, (), recent((), 20, 40), 30_000, 30_000, LAG_MS) == ((), ())


# --- what one answer alone tells ----------------------------------------------------------------

STATED = Stand(0, 1)
TOLD = trade(2, 30, 0)
FALSE = replace(TOLD, size_lots=300)


@pytest.mark.parametrize(
    ("known", "legs", "asked_ms", "taken", "claimed"),
    [
        ((), (TOLD,), 5000, 1, 0),  # a frame has told the same
        ((), (FALSE,), 5000, 0, 1),
        ((Claimed(FALSE, 4001),), (FALSE,), 5000, 0, 1),  # of the same moment
        ((Claimed(FALSE, 4000),), (FALSE,), 5000, 1, 0),
        ((Claimed(replace(FALSE, size_lots=7), 0),), (FALSE,), 5000, 0, 1),  # false in another way
        ((Claimed(FALSE, 0),), (), 5000, 0, 0),  # this answer lists nothing of it
        ((Claimed(replace(TOLD, trade_id=-9), 0),), (TOLD,), 5000, 1, 1),  # nor reaches so far
        ((), (trade(1, 9, 0),), 5000, 0, 0),  # A has stated it
    ],
)
def test_a_leg_is_taken_where_a_second_source_tells_it(
    known: tuple[Claimed, ...], legs: tuple[Trade, ...], asked_ms: int, taken: int, claimed: int
) -> None:
    """Two answers are two sources where they were asked for a second apart."""
    found = weighed(STATED, (TOLD,), known, Recent(legs, 0, 9), asked_ms)
    assert (len(found[0]), len(found[1])) == (taken, claimed)
    kept = {one.trade: one.asked_ms for one in found[1]}
    assert all(kept[one.trade] == one.asked_ms for one in known if one.trade in kept)


@pytest.mark.parametrize(
    ("watched", "legs", "witnesses", "taken"),
    [
        ((), (TOLD,), {30}, 1),
        ((), (TOLD,), {0, 300}, 0),
        ((), (replace(TOLD, position_before_lots=9),), {30, 39}, 0),  # it does not add up
        ((trade(3, 5, 30),), (TOLD,), set(), 1),  # it closes the gap below a frame's trade
        ((trade(3, 5, 30),), (FALSE,), set(), 0),
        ((TOLD, trade(3, 5, 30)), (FALSE,), set(), 0),  # which has none
        ((trade(3, 5, 30),), (TOLD, trade(4, 50, 35)), set(), 0),  # nor is above the newest of them
    ],
)
def test_what_one_answer_tells_is_borne_out(
    watched: tuple[Trade, ...], legs: tuple[Trade, ...], witnesses: set[int], taken: int
) -> None:
    """A position that something else states, or a gap that is closed, is a second source."""
    found = weighed(STATED, watched, (), Recent(legs, 0, 9), 5000, witnesses)
    assert len(found[0]) == taken
    assert len(found[1]) == len(legs) - taken
