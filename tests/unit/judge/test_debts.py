"""No debt lasts where somebody could end it, whatever is shown; what may last the world shows."""

import pytest

from tests.judge import lasting
from tests.judge.facts import FalseRow, Halted, HandPublished, Hindered, Hindrance
from tests.unit.judge.tape import IOC, A, Tape

NOBODY, NOT_A = ("I1", "nobody acted"), ("I1", "A did not act")
HOUR_S = 3600.0


def beside_a_fill(**bounds: float) -> Tape:
    """A and B run; B has said why it does not hedge A's fill of 100, all the time."""
    tape = Tape(**bounds)
    tape.notes.runs(0.0, "A", "a")
    tape.notes.runs(0.0, "B", "b")
    tape.fill(1, 100)
    tape.notes.shows(tape.now_s, "B", "b", "heartbeat", "the exchange does not answer")
    return tape


def found(tape: Tape) -> list[tuple[str, str]]:
    """Return what is said of debts, after B has hedged it at last."""
    tape.hedge(9, -100)
    return [one for one in tape.broken() if one in (NOBODY, NOT_A)]


@pytest.mark.parametrize(("seconds", "good"), [(140.0, True), (155.0, False), (HOUR_S, False)])
def test_a_debt_has_an_end_whatever_reason_is_shown(*, seconds: float, good: bool) -> None:
    """An hour, and B's heartbeat says why all the while: the word of B is no excuse."""
    tape = beside_a_fill()
    tape.pass_s(seconds)
    assert found(tape) == ([] if good else [NOBODY])


@pytest.mark.parametrize("what", [one for one in Hindrance if one is not Hindrance.LEAVES])
def test_what_the_world_keeps_b_from_may_last_and_not_longer(what: Hindrance) -> None:
    """While it lasts, and its bound from there on."""
    for seconds, good in ((140.0, True), (155.0, False)):
        tape = beside_a_fill()
        tape.notes.hinders(tape.now_s, "b", [what])
        tape.notes.hinders(tape.pass_s(HOUR_S), "b", [])
        tape.pass_s(seconds)
        assert found(tape) == ([] if good else [NOBODY])
    assert what in lasting.HINDRANCES


@pytest.mark.parametrize(("seconds", "good"), [(160.0, True), (175.0, False)])
def test_a_b_that_was_asked_to_leave_leaves_or_goes_on(*, seconds: float, good: bool) -> None:
    """One that does neither is naked beside a person who waits for its end."""
    tape = beside_a_fill(leaves_s=20.0)
    tape.notes.hinders(tape.now_s, "b", [Hindrance.LEAVES])
    tape.pass_s(seconds)
    assert found(tape) == ([] if good else [NOBODY])
    assert Hindrance.LEAVES in lasting.HINDRANCES


def test_what_hinders_a_does_not_excuse_b() -> None:
    """B is the one who hedges."""
    tape = beside_a_fill()
    tape.notes.hinders(tape.now_s, "a", [Hindrance.LINK])
    tape.pass_s(HOUR_S)
    assert found(tape) == [NOBODY]


def test_a_b_that_does_not_run_acts_on_nothing() -> None:
    """Its bound begins where it runs again."""
    for seconds, good in ((140.0, True), (155.0, False)):
        tape = beside_a_fill()
        tape.notes.rests(tape.now_s, "B")
        tape.notes.runs(tape.pass_s(HOUR_S), "B", "b")
        tape.pass_s(seconds)
        assert found(tape) == ([] if good else [NOBODY])


@pytest.mark.parametrize(("lots", "good"), [(10, True), (-10, False)])
def test_only_a_fill_that_raises_it_begins_a_debt_anew(*, lots: int, good: bool) -> None:
    """A fill that makes it smaller is no reason to wait."""
    tape = beside_a_fill()
    tape.pass_s(100)
    tape.trade(a_lots=lots, foreign_a=True)
    tape.pass_s(100)
    tape.trade(a_lots=-lots, foreign_a=True)
    assert found(tape) == ([] if good else [NOBODY])


def test_what_a_person_published_is_no_debt() -> None:
    """B holds the other side of a fill that was made up, for as long as the person likes."""
    tape = Tape()
    tape.notes.runs(0.0, "B", "b")
    tape.notes.by_hand.append(HandPublished(0.5, 300, "x"))
    tape.hedge(1, -300)
    tape.pass_s(HOUR_S)
    assert tape.broken() == []


CAUSES = {
    "foreign_trade_on_b": "b",
    "liquidation_on_b": "b",
    "unexplained_position": "a",
    "drift": "a",
    "implausible_fill": "row",
    "position_limit": "row",
    "views_differ": "row",
    "book_not_proven": "link",
    "trades_missing": "link",
    "flatten_alone": "hand",
    "unreadable_halt": "forgot",
}


@pytest.mark.parametrize("reason", [*lasting.STOPS_B, "operator", "not_enough_margin", "flatten"])
@pytest.mark.parametrize("is_seen", [True, False])
def test_a_halt_excuses_b_where_the_world_called_for_it(reason: str, *, is_seen: bool) -> None:
    """One that stops B, and only after what such a halt is for; B follows beside any other."""
    tape = Tape()
    tape.notes.runs(0.0, "B", "b")
    tape.cycle(1)
    if is_seen:
        called(tape, reason)
    tape.fill(11, 100)
    tape.notes.halted.append(Halted(tape.now_s, tape.pass_s(HOUR_S), reason))
    assert (NOBODY in tape.broken()) is (not is_seen or reason not in CAUSES)


def called(tape: Tape, reason: str) -> None:
    """What of the world may call for a halt takes place."""
    cause = CAUSES.get(reason, "")
    if cause in ("a", "b"):
        tape.trade(**{f"{cause}_lots": 5, f"foreign_{cause}": True})
        tape.trade(**{f"{cause}_lots": -5, f"foreign_{cause}": True})
    elif cause == "row":
        tape.notes.false_rows.append(FalseRow(tape.now_s, 5, tape.now_s))
    elif cause == "link":
        tape.notes.hindered.append(Hindered(tape.now_s - 1, tape.now_s, "b"))
    elif cause == "hand":
        tape.notes.by_hand.append(HandPublished(tape.now_s, 100, f"opens {tape.now_s}"))
        tape.notes.by_hand.append(HandPublished(tape.now_s, -100, f"closes {tape.now_s}"))
    elif cause == "forgot":
        tape.notes.forgot_s.append(tape.now_s)


@pytest.mark.parametrize("reason", lasting.STOPS_B)
@pytest.mark.parametrize("since", ["nothing", "again", "another B"])
def test_one_surprise_calls_for_one_halt(reason: str, since: str) -> None:
    """A person has released it; hours later B halts for what it has known all the while."""
    tape = Tape()
    tape.notes.runs(0.0, "B", "b")
    tape.cycle(1)
    called(tape, reason)
    tape.notes.halted.append(Halted(tape.pass_s(), tape.pass_s(30), reason))
    tape.pass_s(HOUR_S)
    if since == "again":
        called(tape, reason)
    elif since == "another B":
        tape.notes.rests(tape.now_s, "B")
        tape.notes.runs(tape.pass_s(), "B", "b")
    tape.fill(11, 100)
    tape.notes.halted.append(Halted(tape.now_s, tape.pass_s(HOUR_S), reason))
    is_lasting = reason in lasting.LASTS or (since == "another B" and CAUSES[reason] != "link")
    assert (NOBODY in tape.broken()) is not (since == "again" or is_lasting)


@pytest.mark.parametrize(
    ("seconds", "closed", "changes", "good"),
    [
        (100.0, 0, {}, True),
        (110.0, 0, {}, False),  # no B: A reduces itself by what stands open
        (110.0, 100, {}, True),
        (110.0, 0, {"hindered": "a"}, True),
        (110.0, 0, {"runs": "b"}, True),  # it may have signed something whose fate is open
        (110.0, 0, {"runs": "b", "signed_s": 50.0}, True),
        (110.0, 0, {"runs": "b", "signed_s": 1000.0}, False),  # it has signed nothing for it
        (110.0, 0, {"a_acts_s": float("inf")}, True),  # A may not ask for B's position
    ],
)
def test_a_reduces_itself_by_what_no_b_can_act_on(
    seconds: float, closed: int, changes: dict[str, object], *, good: bool
) -> None:
    """B is dead, and its word was the last: A acts in its turn by what the exchange shows."""
    tape = beside_a_fill(
        **{"a_acts_s": 105.0, **{k: v for k, v in changes.items() if k == "a_acts_s"}}
    )
    if changes.get("runs") != "b":
        tape.notes.rests(tape.now_s - 1.5, "B")
    else:
        tape.notes.hinders(tape.now_s - 2, "b", [Hindrance.LINK])
    if "signed_s" in changes:
        tape.notes.b_signed_s = [float(str(changes["signed_s"]))]
    if side := changes.get("hindered"):
        tape.notes.hinders(tape.now_s, str(side), [Hindrance.LINK])
    tape.pass_s(50)
    if closed:
        tape.order(A, 2, -closed, time_in_force=IOC, reduce_only=True)
        tape.trade(a_lots=-closed)
        tape.end(2, closed)
    tape.pass_s(seconds - 50)
    assert ([one for one in tape.broken() if one in (NOBODY, NOT_A)] == []) is good


def test_an_a_that_holds_nothing_of_it_cannot_reduce_itself() -> None:
    """B sold too much and died."""
    tape = Tape(a_acts_s=105.0)
    tape.notes.runs(0.0, "A", "a")
    tape.hedge(1, -100)
    tape.pass_s(HOUR_S)
    assert NOT_A not in tape.broken()
