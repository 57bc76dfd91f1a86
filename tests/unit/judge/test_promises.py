"""Each promise, broken as little as can be, is convicted; its honest twin is acquitted."""

from collections.abc import Callable

import pytest

from tests.judge.facts import MARKER_TAG, Adopted, FalseRow, HandPublished
from tests.unit.judge.tape import IOC, A, B, Tape, cid

Write = Callable[[Tape], None]
TWICE = ("I2", "twice")
OPEN = ("I1", "open at the end")


def test_a_good_life_passes() -> None:
    """Two rounds: every prefix is looked at, each new order of A is a neutral moment."""
    tape = Tape()
    tape.cycle(1)
    tape.cycle(11)
    audit = tape.audit().check()
    assert (audit.prefixes, audit.neutral_moments, audit.a_orders, audit.hedges) == (8, 4, 4, 4)
    assert (audit.a_lots, audit.b_lots, audit.net_lots) == (0, 0, 0)


def test_naked_spells_are_measured_from_the_legs() -> None:
    """Start, length, amount and amount times time; one that is open runs to the end."""
    tape = Tape()
    tape.fill(1, 400)
    tape.order(B, 2, -400)
    tape.trade(b_lots=-100)
    tape.trade(b_lots=-300)
    tape.end(2, 400)
    tape.fill(3, -50)
    spells = tape.audit().naked
    assert [(one.start_s, one.seconds, one.lots, one.ended) for one in spells] == [
        (2.0, 4.0, 400, True),
        (9.0, 1.0, 50, False),
    ]
    assert spells[0].lot_seconds == pytest.approx(3 * 400 + 300)


# --- I1


def test_an_open_position_at_the_end_is_found() -> None:
    """Not hedged, with nothing to come."""
    tape = Tape()
    tape.fill(1, 400)
    assert tape.broken() == [OPEN]


@pytest.mark.parametrize(("offset", "b_lots", "good"), [(-250, 0, True), (-250, 10, False)])
def test_the_offset_is_what_both_shall_sum_up_to(offset: int, b_lots: int, good: bool) -> None:
    """The log begins with B at the offset."""
    tape = Tape(offset)
    tape.cycle(1)
    if b_lots:
        tape.trade(b_lots=b_lots, foreign_b=True)
    assert tape.broken() == ([] if good else [OPEN])


@pytest.mark.parametrize(("dust", "good"), [(33, True), (32, False)])
def test_dust_may_stay_open(dust: int, good: bool) -> None:
    """Up to what the venue refuses to trade, and no lot more."""
    tape = Tape(dust_lots=dust)
    tape.fill(1, 33)
    assert tape.broken() == ([] if good else [OPEN])


def test_what_was_published_by_hand_may_be_open() -> None:
    """B holds the other side of a fill that a person made up."""
    tape = Tape()
    tape.notes.by_hand.append(HandPublished(0.5, 300, "x"))
    tape.hedge(1, -300)
    assert tape.broken() == []
    tape.hedge(2, -1)
    assert tape.broken() == [OPEN, TWICE, ("I4", "belief")]


@pytest.mark.parametrize(("is_signed_before", "good"), [(True, True), (False, False)])
def test_what_a_person_orders_may_end_while_the_order_is_on_its_way(
    is_signed_before: bool, good: bool
) -> None:
    """B signed by it; it ended (a lease was lost) before the order came in."""
    tape = Tape()
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), -40, "closes"))
    signed_s = tape.pass_s()
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), 40, "closes no more"))
    tape.order(B, 1, 40, signed_s=signed_s if is_signed_before else tape.pass_s())
    assert (("I4", "belief") in tape.broken()) is not good


# --- I2


def doubled(tape: Tape) -> None:
    tape.fill(1, 400)
    tape.hedge(2, -400)
    tape.hedge(3, -400)
    tape.hedge(4, 400)


def earlier_round(tape: Tape) -> None:
    tape.cycle(1)
    tape.fill(11, 100)
    tape.hedge(12, -101)
    tape.hedge(13, 1)


def tenfold(tape: Tape) -> None:
    tape.fill(1, 10)
    tape.order(B, 2, -10)
    tape.trade(b_lots=-100)
    tape.end(2, 100)
    tape.trade(b_lots=90)


@pytest.mark.parametrize("write", [doubled, earlier_round, tenfold])
def test_a_hedge_beyond_its_cause_is_found(write: Write) -> None:
    """Even where it is undone later, and whatever an earlier round bought and sold."""
    tape = Tape()
    write(tape)
    audit = tape.audit()
    assert audit.net_lots == 0
    assert TWICE in tape.broken()
    found = audit.of("I2")
    assert len(found) == 1
    assert "too much; A " in str(found[0])


def test_fills_that_cancel_out_leave_room_for_both_hedges() -> None:
    """A buys and sells before B has answered either; B may do both, one after the other."""
    tape = Tape()
    tape.order(A, 1, 400)
    tape.trade(a_lots=400)
    tape.trade(a_lots=-400, foreign_a=True)
    tape.hedge(2, -400)
    tape.hedge(3, 400)
    assert TWICE not in tape.broken()


def test_a_hedge_in_flight_makes_no_neutral_moment() -> None:
    """What B may still execute then belongs to the time before."""
    tape = Tape()
    tape.order(B, 9, -100)
    tape.order(A, 1, 100)
    tape.trade(a_lots=100)
    tape.trade(b_lots=-100)
    tape.end(9, 100)
    assert tape.audit().neutral_moments == 0


def test_a_strangers_trade_on_b_is_none_of_ours_but_gives_no_right_to_counter() -> None:
    """Nothing that B's own orders did; buying it back is something that they did."""
    tape = Tape()
    tape.cycle(1)
    tape.trade(b_lots=-500, foreign_b=True)
    assert tape.broken() == [OPEN]
    tape.hedge(12, 500)
    assert TWICE in tape.broken()


def test_what_a_person_adopts_may_be_countered_once() -> None:
    """After `resume --force` the debt of that moment is B's to trade, and not more."""
    tape = Tape()
    tape.cycle(1)
    tape.trade(b_lots=-500, foreign_b=True)
    tape.notes.adopted.append(Adopted(tape.pass_s()))
    tape.hedge(12, 500)
    assert tape.broken() == []
    tape.hedge(13, 1)
    assert TWICE in tape.broken()


def test_what_is_open_by_hand_stays_open_beside_an_adoption() -> None:
    """B followed a sell of 10 by hand before; after `resume --force` it still stands beside it."""
    tape = Tape()
    tape.cycle(1)
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), -10, "x"))
    tape.trade(b_lots=-500, foreign_b=True)
    tape.notes.adopted.append(Adopted(tape.pass_s()))
    tape.hedge(12, 510)
    assert TWICE not in tape.broken()
    tape.hedge(13, 1)
    assert TWICE in tape.broken()


@pytest.mark.parametrize(
    ("side", "limit_lots", "named", "wrong"),
    [
        ("b", 500, 500, []),
        ("b", 499, 500, [("I2", "drift beyond its bound"), TWICE]),
        ("b", 500, 400, [("I4", "drift that is not there")]),
        ("b", 499, None, [("I2", "drift beyond its bound"), TWICE]),  # whatever was said
        ("a", 400, 400, []),
        ("a", 399, 400, [("I2", "drift beyond its bound")]),
        ("a", 400, 0, [("I4", "drift that is not there")]),
    ],
)
def test_drift_is_taken_over_unasked_up_to_its_bound_by_the_exchanges_own_positions(
    side: str, limit_lots: int, named: int | None, wrong: list[tuple[str, str]]
) -> None:
    """A holds 400; a stranger sold 500 on B, which B buys back after it has said so."""
    tape = Tape()
    tape.fill(1, 400)
    tape.hedge(2, -400)
    if side == "b":
        tape.trade(b_lots=-500, foreign_b=True)
    tape.pass_s(60)
    tape.notes.adopted.append(Adopted(tape.pass_s(), "drift", side, named, limit_lots, tape.now_s))
    if side == "b":
        tape.hedge(3, 500)
    assert tape.broken() == wrong


def test_drift_counts_without_what_one_could_not_know_of() -> None:
    """A lost 600 in the last second: B knew of 100 owed, and of no more than that."""
    tape = Tape(hears_s=3.0)
    tape.trade(a_lots=-100)
    tape.pass_s(60)
    tape.trade(a_lots=-600)
    tape.notes.adopted.append(Adopted(tape.now_s + 1, "drift", "b", 100, 100, tape.now_s + 1))
    assert ("I2", "drift beyond its bound") not in tape.broken()
    tape.notes.adopted[0] = Adopted(tape.now_s + 5, "drift", "b", 100, 100, tape.now_s + 5)
    assert ("I2", "drift beyond its bound") in tape.broken()


def test_dust_at_a_neutral_moment_is_owed_from_there_on() -> None:
    """B trades it with the next hedge, where it adds to more than dust."""
    tape = Tape(dust_lots=33)
    tape.fill(1, 30)
    tape.fill(2, 30)
    tape.hedge(3, -60)
    assert tape.broken() == []
    tape.hedge(4, -1)
    assert TWICE in tape.broken()


def test_a_fill_by_hand_counts_as_a_trade_of_a_once() -> None:
    """The same text twice counts once."""
    tape = Tape()
    for _ in range(2):
        tape.notes.by_hand.append(HandPublished(tape.pass_s(), 300, "x"))
    tape.hedge(1, -300)
    assert TWICE not in tape.broken()
    tape.hedge(2, -300)
    assert TWICE in tape.broken()


@pytest.mark.parametrize(
    ("lots", "shown_s", "undone", "good"),
    [
        (100, 5.0, True, True),
        (100, None, False, True),
        (99, 5.0, True, False),
        (100, 5.0, False, False),
        (100, -100.0, True, False),
    ],
)
def test_a_false_row_excuses_its_false_part_while_it_is_undone_in_time(
    lots: int,
    shown_s: float | None,
    undone: bool,
    good: bool,
) -> None:
    """No lot more, and not where REST has long shown the truth."""
    tape = Tape()
    tape.notes.false_rows.append(FalseRow(0.5, lots, shown_s))
    tape.hedge(1, -100)
    tape.pass_s(30)
    if undone:
        tape.hedge(2, 100)
    tape.pass_s(100)
    assert (TWICE not in tape.broken()) == good


# --- I3


def test_an_order_before_coverage_is_found() -> None:
    """A's next order comes in while B still owes one lot."""
    tape = Tape()
    tape.fill(1, 400)
    tape.order(B, 2, -400)
    tape.trade(b_lots=-399)
    tape.order(A, 3, -400)
    tape.trade(b_lots=-1)
    tape.end(2, 400)
    tape.end(3)
    assert tape.broken() == [("I3", "not covered")]
    text = str(tape.audit().of("I3")[0])
    assert "A +400, B -399, A + B = +1" in text


@pytest.mark.parametrize(("lots", "good"), [(33, True), (34, False)])
def test_an_order_beside_dust_is_allowed(lots: int, good: bool) -> None:
    """What the venue refuses may stay open while A goes on."""
    tape = Tape(dust_lots=33)
    tape.fill(1, lots)
    tape.order(A, 2, 100)
    tape.end(2)
    tape.hedge(3, -lots)
    assert (("I3", "not covered") not in tape.broken()) == good


@pytest.mark.parametrize(
    ("trade", "seconds", "good"),
    [
        ({"a_lots": 50, "foreign_a": True}, 0.4, True),
        ({"a_lots": 50, "foreign_a": True}, 0.6, False),
        ({"b_lots": 50, "foreign_b": True}, 1.4, True),  # B's heartbeat is read once a second
        ({"b_lots": 50, "foreign_b": True}, 1.6, False),
    ],
)
def test_a_strangers_trade_counts_once_a_could_know_of_it(
    trade: dict[str, int], seconds: float, good: bool
) -> None:
    """The order was on its way, or A must have heard."""
    tape = Tape()
    tape.trade(**trade)
    traded_s = tape.now_s
    tape.order(A, 1, 100, signed_s=traded_s + seconds)
    tape.end(1)
    tape.hedge(2, -50)
    assert (("I3", "not covered") not in tape.broken()) == good


@pytest.mark.parametrize(("seconds", "good"), [(-0.4, True), (0.6, False)])
def test_a_stranger_may_sell_what_an_order_of_a_on_its_way_closes(
    seconds: float, good: bool
) -> None:
    """It was signed before A could know of that."""
    tape = Tape()
    tape.fill(1, 100)
    tape.hedge(2, -100)
    tape.trade(a_lots=-31, foreign_a=True)
    tape.order(A, 3, -100, signed_s=tape.now_s + seconds)
    assert (("I4", "belief") not in tape.broken()) is good


def test_two_orders_of_a_beside_each_other_are_found() -> None:
    """The second comes in while the first one rests; one after the other is right."""
    tape = Tape()
    tape.order(A, 1, 100)
    tape.end(1)
    tape.order(A, 2, 100)
    assert tape.broken() == []
    tape.order(A, 3, 100)
    assert tape.broken() == [("I3", "beside")]


def test_markers_closing_orders_and_strangers_orders_may_come_at_any_time() -> None:
    """None of them is a new order of A."""
    tape = Tape()
    tape.fill(1, 400)
    tape.order(A, 2, 1, client_order_index=cid(2, MARKER_TAG), time_in_force=IOC)
    tape.end(2)
    tape.order(A, 3, -400, time_in_force=IOC, reduce_only=True)
    tape.order(A, 4, 10, foreign=True, client_order_index=7)
    tape.trade(a_lots=-400)
    tape.end(3, 400)
    assert tape.broken() == []
    assert tape.audit().a_orders == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, None),
        ({"told_s": None}, "B never seen"),
        ({"b_ready": False}, "B not ready"),
        ({"b_ready": None}, "B not ready"),
        ({"halted": "pause"}, "halted"),
        ({"unreleased": ("h-1",)}, "halt unreleased"),
        ({"hopeless": "its key may only post"}, "hopeless"),
        ({"hopeless": "its key may only post", "closes": True}, None),
        ({"told_s": -4.0}, "stale"),
        ({"told_s": -4.0, "thawed_s": 0.5}, None),
    ],
)
def test_a_decides_only_on_what_it_was_told_freshly(
    changes: dict[str, object], kind: str | None
) -> None:
    """B ready, no halt in force, and neither known from long ago."""
    tape = Tape(told_s=4.0)
    tape.decide(**changes)
    assert tape.broken() == ([("I3", kind)] if kind else [])


@pytest.mark.parametrize(("seconds", "good"), [(9.0, True), (12.0, False)])
def test_a_places_nothing_when_b_has_long_been_dead(seconds: float, good: bool) -> None:
    """Whatever a heartbeat says that somebody keeps alive."""
    tape = Tape(dead_b_s=10.0)
    tape.notes.runs(0.0, "B", "b")
    tape.notes.rests(5.0, "B")
    tape.now_s = 4.0 + seconds
    tape.decide()
    assert tape.broken() == ([] if good else [("I3", "B is dead")])


# --- I4


@pytest.mark.parametrize(
    ("account", "lots", "good"),
    [(A, -400, True), (A, -401, False), (A, 100, False), (B, -1, False), (B, 1, False)],
)
def test_an_order_says_what_its_sender_believed(account: int, lots: int, good: bool) -> None:
    """Both are covered with A long 400: A closes as much, B trades nothing."""
    tape = Tape()
    tape.fill(1, 400)
    tape.hedge(2, -400)
    tape.order(account, 3, lots)
    tape.end(3)
    assert tape.broken() == ([] if good else [("I4", "belief")])


def test_b_may_send_what_was_owed_since_its_own_newest_trade() -> None:
    """A person trades A's account while B's order is on its way; what came before is no excuse."""
    tape = Tape()
    tape.trade(a_lots=500)
    tape.trade(a_lots=-300, foreign_a=True)
    tape.hedge(1, -500)
    tape.hedge(2, 300)
    assert tape.broken() == []
    tape.order(B, 3, -500)
    tape.end(3)
    assert tape.broken() == [("I4", "belief")]


@pytest.mark.parametrize("forgets", [True, False])
def test_what_an_earlier_b_has_forgotten_need_not_be_found_yet(*, forgets: bool) -> None:
    """B followed 100 by hand and died; the next one follows 40 more, before it hedges the drift."""
    tape = Tape()
    tape.notes.by_hand.append(HandPublished(tape.now_s, 100, "one"))
    tape.hedge(1, -100)
    tape.notes.by_hand.append(HandPublished(tape.now_s, -100, "its end", forgets))
    tape.notes.by_hand.append(HandPublished(tape.now_s, 40, "two"))
    tape.hedge(2, -40)
    found = [one for one in tape.broken() if one[0] == "I4"]
    assert found == ([] if forgets else [("I4", "belief")])


@pytest.mark.parametrize(("told_s", "good"), [(0.5, True), (1.5, False), (None, False)])
def test_b_follows_a_person_beside_a_trade_of_a_that_nothing_told_of(
    told_s: float | None, good: bool
) -> None:
    """A died with its trade; B hedges each fill by hand, also once it has traded itself."""
    tape = Tape(hears_s=0.0)
    tape.trade(a_lots=100)  # at 1 s
    for number in (1, 2):
        tape.notes.by_hand.append(HandPublished(tape.now_s, -100, f"number {number}"))
        tape.order(B, number, 100, told_s=told_s)
        tape.trade(b_lots=100)
        tape.end(number, 100)
    found = [one for one in tape.broken() if one[0] == "I4"]
    assert found == ([] if good else [("I4", "belief")])
