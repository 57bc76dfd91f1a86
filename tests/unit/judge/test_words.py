"""What was said is judged against the positions and orders of its moment; and holds by reasons."""

import pytest

from tests.judge.claims import CLAIMS
from tests.judge.facts import Adopted, Claim, FalseRow, Halted, HandPublished
from tests.judge.promises import WARNING_OF_B
from tests.unit.judge.tape import IOC, A, B, Tape

ENDS = [claim for claim, rule in CLAIMS.items() if rule.nothing_rests]
RUNNING = [claim for claim, rule in CLAIMS.items() if rule.excuse == "blind_s"]


def kinds(tape: Tape) -> set[str]:
    """Return what is wrong with words; that both are flat, which one of them says, aside."""
    found = {kind for promise, kind in tape.broken() if promise == "said"}
    return {kind for kind in found if not kind.endswith("not flat")}


def named(claim: Claim, kind: str) -> set[str]:
    return {f"{claim.name.lower()}: {kind}"}


def naked() -> Tape:
    tape = Tape()
    tape.cycle(1)
    tape.fill(11, 100)
    return tape


def test_every_claim_has_its_rule_and_its_source() -> None:
    """One table, and each row says where it comes from."""
    assert set(CLAIMS) == set(Claim)
    assert all("design.md" in rule.source for rule in CLAIMS.values())


@pytest.mark.parametrize("claim", list(Claim))
def test_a_word_that_is_true_is_believed(claim: Claim) -> None:
    """Both flat, nothing rests, nothing in flight."""
    tape = Tape()
    tape.cycle(1)
    tape.say(claim, a_lots=0, b_lots=0)
    assert tape.broken() == []


@pytest.mark.parametrize("claim", list(Claim))
def test_a_word_that_is_false_is_convicted(claim: Claim) -> None:
    """A's fill is open; the sentence names both positions and since when."""
    tape = naked()
    tape.say(claim, text="Neutral")
    assert kinds(tape) == named(claim, "open")
    text = str(tape.audit().of("said")[0])
    assert '("Neutral"), but A +100, B +0, A + B = +100, not neutral since 14.000 s' in text


@pytest.mark.parametrize(
    ("closed", "ordered", "good"), [(-30, 30, True), (-20, 30, False), (-30, 0, False)]
)
def test_both_flat_is_neutral_where_a_person_ordered_it(
    closed: int, ordered: int, good: bool
) -> None:
    """Whatever the offset that B held; without the order it is missing."""
    tape = Tape(offset_lots=30)
    if ordered:
        tape.notes.by_hand.append(HandPublished(tape.pass_s(), ordered, "closes"))
    tape.hedge(1, closed)
    tape.pass_s(60)
    tape.say(Claim.STATUS_NEUTRAL)
    assert (kinds(tape) == set()) is good


@pytest.mark.parametrize("claim", list(Claim))
def test_a_trade_that_is_younger_than_honest_news_need_not_be_known(claim: Claim) -> None:
    """Up to the bound, and not a moment longer."""
    tape = Tape()
    tape.cycle(1)
    tape.order(A, 11, 100)
    tape.trade(a_lots=100)
    tape.lives.pop(11)
    tape.now_s -= 1 - 0.4
    tape.say(claim)
    assert "open" not in str(kinds(tape))
    tape.now_s -= 0.8
    tape.say(claim)
    assert "open" in str(kinds(tape))


def test_news_of_the_two_accounts_travels_apart() -> None:
    """B traded with A: its own side is known, A's is on its way."""
    tape = Tape()
    tape.trade(a_lots=68)
    tape.trade(a_lots=32, b_lots=-68)
    tape.now_s -= 0.8
    tape.say(Claim.LEDGER)
    assert kinds(tape) == set()


@pytest.mark.parametrize("claim", RUNNING)
def test_a_running_process_is_excused_while_it_could_not_know(claim: Claim) -> None:
    """But not without end."""
    tape = naked()
    known_s = 13.5
    tape.say(claim, known_s=known_s)
    assert kinds(tape) == set()
    tape.pass_s(tape.bounds.blind_s)
    tape.say(claim, known_s=known_s)
    assert kinds(tape) == named(claim, "open")


@pytest.mark.parametrize("claim", ENDS)
def test_a_word_about_an_end_is_not_excused(claim: Claim) -> None:
    """It needs evidence; without it the word is unknown."""
    tape = naked()
    tape.say(claim, known_s=0.0)
    assert kinds(tape) == named(claim, "open")


@pytest.mark.parametrize("claim", ENDS)
def test_a_strangers_trade_is_told_by_the_exchange_alone(claim: Claim) -> None:
    """Its statement counts for a while."""
    tape = Tape(stranger_s=10.0)
    tape.cycle(1)
    tape.trade(a_lots=7, foreign_a=True)
    tape.say(claim)
    assert kinds(tape) == set()
    tape.pass_s(10)
    tape.say(claim)
    assert kinds(tape) == named(claim, "open")


@pytest.mark.parametrize("claim", ENDS)
def test_an_earlier_strangers_trade_that_was_hedged_hides_no_later_one(claim: Claim) -> None:
    """Both within the time: the first is covered, the second need not be known."""
    tape = Tape(stranger_s=10.0)
    tape.cycle(1)
    tape.trade(a_lots=5, foreign_a=True)
    tape.hedge(21, -5)
    tape.trade(a_lots=7, foreign_a=True)
    tape.say(claim, a_lots=5)
    assert kinds(tape) == set()
    tape.say(claim, a_lots=3)
    assert kinds(tape) == named(claim, "positions")


@pytest.mark.parametrize("claim", list(Claim))
def test_a_false_row_excuses_unasked_words_by_its_size(claim: Claim) -> None:
    """What it told counts until answers show the truth; a word about an end needs answers."""
    tape = naked()
    tape.notes.false_rows.append(FalseRow(tape.now_s, 100, shown_s=tape.now_s))
    tape.pass_s()
    tape.say(claim, a_lots=0)
    is_excused = CLAIMS[claim].is_unasked
    assert kinds(tape) == (
        set() if is_excused else named(claim, "open") | named(claim, "positions")
    )
    tape.pass_s(tape.bounds.undone_s)
    tape.say(claim, a_lots=0)
    assert kinds(tape) == named(claim, "open") | named(claim, "positions")


def test_b_need_not_know_that_a_closes_before_a_beat_of_it() -> None:
    """A's closing order of a moment ago is on its way when B keeps the neutral moment."""
    tape = Tape()
    tape.cycle(1)
    signed_s = tape.pass_s(0.5)
    tape.pass_s(0.5)
    tape.say(Claim.NEUTRAL_RECORD)
    tape.order(A, 11, 100, signed_s=signed_s, kind="market", time_in_force=IOC)
    tape.end(11)
    assert kinds(tape) == set()


@pytest.mark.parametrize("claim", list(Claim))
def test_a_resting_order_counts_for_words_about_an_end(claim: Claim) -> None:
    """And for no other."""
    tape = Tape()
    tape.cycle(1)
    tape.order(A, 11, 100)
    tape.say(claim)
    assert kinds(tape) == (named(claim, "resting") if claim in ENDS else set())


@pytest.mark.parametrize("claim", list(Claim))
def test_an_order_that_is_signed_and_comes_in_later_is_in_flight(claim: Claim) -> None:
    """Whatever the positions say: it may still execute."""
    tape = Tape()
    tape.cycle(1)
    signed_s = tape.pass_s()
    tape.say(claim)
    tape.order(B, 11, 100, signed_s=signed_s)
    tape.end(11)
    wanted = named(claim, "in flight") if CLAIMS[claim].nothing_in_flight else set()
    assert kinds(tape) == wanted


@pytest.mark.parametrize("claim", list(Claim))
def test_what_is_open_by_hand_is_named(claim: Claim) -> None:
    """B holds the other side of a person's fill, and a stranger has evened it out on A."""
    tape = Tape()
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), 100, "x"))
    tape.hedge(1, -100)
    tape.trade(a_lots=100, foreign_a=True)
    tape.pass_s(5)
    tape.say(claim)
    wanted = named(claim, "by hand") if CLAIMS[claim].nothing_by_hand else set()
    assert kinds(tape) == wanted
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), -100, "y"))
    tape.notes.said.clear()
    tape.pass_s()
    tape.say(claim)
    assert kinds(tape) == set()


@pytest.mark.parametrize(("seconds", "good"), [(0.4, True), (0.6, False)])
def test_a_fill_by_hand_that_is_just_heard_need_not_be_named(seconds: float, good: bool) -> None:
    """It travels like any news."""
    tape = Tape()
    tape.cycle(1)
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), 100, "x"))
    tape.now_s += seconds - 1
    tape.say(Claim.DAEMON_CODE_0)
    assert kinds(tape) == (set() if good else named(Claim.DAEMON_CODE_0, "by hand"))


@pytest.mark.parametrize(("a_lots", "b_lots", "good"), [(400, -400, True), (0, 0, False)])
def test_positions_that_are_named_must_be_true(a_lots: int, b_lots: int, good: bool) -> None:
    """Neutral, but not at these positions."""
    tape = Tape()
    tape.fill(1, 400)
    tape.hedge(2, -400)
    tape.say(Claim.STATUS_NEUTRAL, "hedgectl", a_lots=a_lots, b_lots=b_lots)
    assert kinds(tape) == (set() if good else named(Claim.STATUS_NEUTRAL, "positions"))


def test_a_word_that_is_repeated_in_one_spell_is_convicted_once() -> None:
    """A ledger is written every second."""
    tape = naked()
    for _ in range(5):
        tape.say(Claim.LEDGER)
    assert len(tape.audit().of("said")) == 1


@pytest.mark.parametrize(("lots", "good"), [(33, True), (34, False)])
def test_dust_is_neutral(lots: int, good: bool) -> None:
    """Up to what the venue refuses to trade."""
    tape = Tape(dust_lots=33)
    tape.fill(1, lots)
    tape.say(Claim.DAEMON_CODE_0, code=0)
    assert kinds(tape) == (set() if good else named(Claim.DAEMON_CODE_0, "open"))


# --- holds


def idle(seconds: float) -> Tape:
    """A and B run, nothing rests, nothing is said."""
    tape = Tape(quiet_s=60.0)
    tape.notes.runs(0.0, "A", "a")
    tape.notes.runs(0.0, "B", "b")
    tape.pass_s(seconds)
    return tape


@pytest.mark.parametrize(("seconds", "good"), [(60.0, True), (60.5, False)])
def test_a_hold_without_a_reason_is_found(seconds: float, good: bool) -> None:
    """Longer than a minute, and nobody can see why."""
    assert idle(seconds).broken() == ([] if good else [("hold", "no reason")])


def test_a_resting_order_is_no_hold() -> None:
    """It is what A is there for."""
    tape = idle(30)
    tape.order(A, 1, 100)
    tape.pass_s(200)
    assert tape.broken() == []


def test_a_reason_that_is_shown_all_the_time_explains_a_hold() -> None:
    """In a heartbeat, until it shows none; or once, for a while."""
    tape = idle(30)
    tape.notes.shows(tape.now_s, "B", "b", "heartbeat", "no market data")
    tape.pass_s(500)
    tape.notes.shows(tape.now_s, "B", "b", "heartbeat", "")
    tape.pass_s(55)
    tape.notes.showed(tape.now_s, "a", "log", "redis_down")
    tape.pass_s(55)
    assert tape.broken() == []
    tape.pass_s(10)
    assert tape.broken() == [("hold", "no reason")]


def test_what_has_ended_shows_nothing_any_more() -> None:
    """A reason dies with the process that showed it; another B is there, and ready."""
    tape = idle(0)
    tape.notes.runs(0.0, "B2", "b")
    tape.notes.shows(0.0, "B", "b", "heartbeat", "no market data")
    tape.notes.rests(tape.pass_s(30), "B")
    tape.pass_s(70)
    assert tape.broken() == [("hold", "no reason")]


def test_an_open_fill_and_a_dead_b_explain_a_hold() -> None:
    """The exchange's log tells the one, the lives of the processes the other."""
    tape = idle(1)
    tape.fill(1, 100)
    tape.pass_s(140)
    tape.hedge(2, -100)
    tape.notes.rests(tape.pass_s(), "B")
    tape.pass_s(300)
    assert tape.broken() == []


def test_an_a_that_does_not_run_holds_nothing() -> None:
    """Frozen, dead: its silence has a reason of its own."""
    tape = idle(50)
    tape.notes.rests(tape.now_s, "A")
    tape.pass_s(500)
    tape.notes.runs(tape.now_s, "A", "a")
    tape.pass_s(50)
    assert tape.broken() == []


# --- a silent B


def beside_a_fill(seconds: float, **bounds: float) -> Tape:
    """B runs; a fill of A stays open for so long, and is hedged then."""
    tape = Tape(**{"unsaid_s": 20.0, **bounds})
    tape.notes.runs(0.0, "B", "b")
    tape.fill(1, 100)
    tape.pass_s(seconds)
    return tape


@pytest.mark.parametrize(("seconds", "good"), [(16.0, True), (20.0, False)])
def test_a_b_that_shows_nothing_beside_an_open_fill_is_found(
    seconds: float,
    good: bool,
) -> None:
    """It hears nothing of it, and does not say that it hears nothing."""
    tape = beside_a_fill(seconds)
    tape.hedge(2, -100)
    assert tape.broken() == ([] if good else [("hold", "unsaid")])


@pytest.mark.parametrize(
    ("side", "where", "good"),
    [("b", WARNING_OF_B, True), ("b", "heartbeat", True), ("a", "log", False)],
)
def test_a_word_of_b_is_what_counts(
    side: str,
    where: str,
    good: bool,
) -> None:
    """A may be cut off: what it says is in its own log alone."""
    tape = beside_a_fill(10)
    tape.notes.showed(tape.now_s, side, where, "something is wrong")
    tape.pass_s(30)
    tape.hedge(2, -100)
    assert tape.broken() == ([] if good else [("hold", "unsaid")])


def test_a_warning_of_b_is_no_reason_of_a() -> None:
    """A line that says nothing of B's readiness explains no hold."""
    tape = idle(30)
    tape.notes.showed(tape.now_s, "b", WARNING_OF_B, "watch_down")
    tape.pass_s(31)
    assert tape.broken() == [("hold", "no reason")]


def test_a_b_that_did_not_run_for_so_long_was_not_silent() -> None:
    """It died and came back: what it did not see counts from its start."""
    tape = beside_a_fill(15)
    tape.notes.rests(tape.now_s, "B")
    tape.pass_s(15)
    tape.notes.runs(tape.now_s, "B", "b")
    tape.pass_s(15)
    tape.hedge(2, -100)
    assert tape.broken() == []


def test_without_a_bound_nothing_is_said_of_it() -> None:
    """Where the record has no lines of B nobody can tell."""
    tape = beside_a_fill(140, unsaid_s=float("inf"))
    tape.hedge(2, -100)
    assert tape.broken() == []


def test_a_release_by_force_is_an_adoption() -> None:
    """A plain one is none."""
    tape = Tape()
    tape.notes.releases(1.0, "h-1")
    tape.notes.releases(2.0, "h-2", forced=True)
    assert tape.notes.released == {"h-1", "h-2"}
    assert tape.notes.adopted == [Adopted(2.0, "resume --force of h-2")]


@pytest.mark.parametrize("claim", Claim)
@pytest.mark.parametrize(
    ("halted", "good"),
    [
        ((), False),
        ((0.0, 30.0), False),  # that one was released long ago
        ((0.0, None), True),
        ((4000.0, None), False),  # it came long after
        ((0.0, 3595.0), True),  # the record may have its end late or early
    ],
)
def test_who_says_that_both_are_closed_says_that_the_pair_is_halted(
    claim: Claim, halted: tuple[float, float | None], *, good: bool
) -> None:
    """Flat, and A quotes on: the next fill opens both again, behind a person's back."""
    tape = Tape(noted_s=10.0)
    tape.cycle(1)
    tape.now_s = 3600.0
    if halted:
        tape.notes.halted.append(Halted(*halted, "flatten"))
    tape.say(claim)
    kind = [("said", f"{claim.name.lower()}: not halted")]
    assert tape.broken() == (kind if claim is Claim.FLATTEN_DONE and not good else [])


@pytest.mark.parametrize("claim", Claim)
@pytest.mark.parametrize(
    ("opens", "stranger", "good"),
    [
        ((0, 0), 0, True),
        ((100, -100), 0, False),  # neutral, and neither is closed
        ((-100, 100), 0, False),
        ((0, 0), 7, True),  # a stranger trades a moment before, and nothing shows it yet
    ],
)
def test_who_says_that_both_are_closed_means_both(
    claim: Claim, opens: tuple[int, int], stranger: int, *, good: bool
) -> None:
    """That A + B cancels out is less than a person asked for."""
    tape = Tape(stranger_s=10.0)
    tape.cycle(1)
    if opens[0]:
        tape.fill(11, opens[0])
        tape.hedge(12, opens[1])
    if stranger:
        tape.trade(a_lots=stranger, foreign_a=True)
    tape.say(claim)
    found = [kind for _, kind in tape.broken() if kind.endswith("not flat")]
    is_found = claim is Claim.FLATTEN_DONE and not good
    assert found == (["flatten_done: not flat"] if is_found else [])
