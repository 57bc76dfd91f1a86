"""No order of A rests on beside what forbids it, for longer than a cancel takes."""

from collections.abc import Callable

import pytest

from tests.judge.facts import Halted, Hindrance
from tests.unit.judge.tape import A, Tape

OFF_S = 15.0


def beside(**bounds: float) -> Tape:
    """A and B run, and an order of A rests."""
    tape = Tape(**{"off_s": OFF_S, **bounds})
    tape.notes.runs(0.0, "A", "a")
    tape.notes.runs(0.0, "B", "b")
    tape.cycle(1)
    tape.order(A, 11, 100)
    return tape


def dies(tape: Tape) -> None:
    """B is killed."""
    tape.notes.rests(tape.pass_s(), "B")


def is_halted(tape: Tape) -> None:
    """A halt stands from now on."""
    tape.notes.halted.append(Halted(tape.pass_s(), tape.now_s + 9, "operator"))
    tape.notes.halted.append(Halted(tape.now_s + 9, None, "drift"))


def is_unready(tape: Tape) -> None:
    """B says with each heartbeat that it cannot hedge, in other words each time."""
    for second in range(700):
        words = f"the exchange has been silent for {second} s"
        tape.notes.shows(tape.now_s + 1 + second, "B", "b", "heartbeat", words)
    tape.pass_s()


def leaves(tape: Tape) -> None:
    """A person asks A to leave."""
    tape.notes.hinders(tape.pass_s(), "a", [Hindrance.LEAVES])


WHY: dict[Callable[[Tape], None], str] = {
    dies: "no B",
    is_halted: "halted",
    is_unready: "B not ready",
    leaves: "leaving",
}


def found(tape: Tape) -> list[str]:
    """Return what is said of orders that were left."""
    return [kind for promise, kind in tape.broken() if kind.startswith("left")]


@pytest.mark.parametrize("happens", WHY)
@pytest.mark.parametrize(
    ("seconds", "ends", "good"),
    [(14.0, False, True), (16.0, False, False), (14.0, True, True), (16.0, True, False)],
)
def test_an_order_is_taken_off_beside_what_forbids_it(
    happens: Callable[[Tape], None], seconds: float, *, ends: bool, good: bool
) -> None:
    """It was placed in good time, and may fill as long as it rests: nobody would hedge it."""
    tape = beside()
    tape.pass_s(600)
    happens(tape)
    tape.pass_s(seconds)
    if ends:
        tape.end(11)
        tape.pass_s(600)
    assert found(tape) == ([] if good else [f"left: {WHY[happens]}"])


@pytest.mark.parametrize("happens", WHY)
@pytest.mark.parametrize(
    ("what", "good"),
    [(Hindrance.LINK, True), (Hindrance.VENUE, True), (Hindrance.REDIS, False)],
)
def test_an_a_that_cannot_reach_the_exchange_cannot_cancel(
    happens: Callable[[Tape], None], what: Hindrance, *, good: bool
) -> None:
    """Without Redis it cancels all the same."""
    tape = beside()
    happens(tape)
    kept = [what, *([Hindrance.LEAVES] if happens is leaves else [])]
    tape.notes.hinders(tape.now_s, "a", kept)
    tape.pass_s(600)
    assert (found(tape) == []) is good


def test_what_one_of_two_bs_says_is_not_the_others_word() -> None:
    """A standby, or one that was deposed, may be unready for long."""
    tape = beside()
    tape.notes.runs(tape.now_s, "B2", "b")
    is_unready(tape)
    tape.pass_s(600)
    assert found(tape) == []
    tape.notes.rests(tape.now_s, "B2")
    tape.pass_s(16)
    assert found(tape) == ["left: B not ready"]


def test_an_a_that_is_frozen_or_gone_cancels_nothing() -> None:
    """From where it goes on its time begins anew."""
    tape = beside()
    dies(tape)
    tape.notes.rests(tape.now_s, "A")
    tape.notes.runs(tape.pass_s(600), "A", "a")
    tape.pass_s(14)
    assert found(tape) == []
    tape.pass_s(2)
    assert found(tape) == ["left: no B"]


@pytest.mark.parametrize("happens", WHY)
def test_without_a_bound_nothing_is_said_of_what_rests(happens: Callable[[Tape], None]) -> None:
    """A run that does not know how fast its A is sets none."""
    tape = beside(off_s=float("inf"))
    happens(tape)
    tape.pass_s(3600)
    assert found(tape) == []
