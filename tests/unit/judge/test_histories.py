"""Random honest histories are acquitted; the same with one corruption is convicted of just that."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judge.facts import Claim
from tests.unit.judge.tape import A, B, Tape

SEEDS = st.integers(0, 2**32)
OFFSETS = (0, -250, 30)
Corrupt = Callable[[Tape, Random], None]


def honest(dice: Random) -> Tape:
    """Return a history of a pair that keeps its promises, whole words included."""
    tape = Tape(dice.choice(OFFSETS), told_s=4.0, dead_b_s=10.0)
    tape.notes.runs(0.0, "A", "a")
    tape.notes.runs(0.0, "B", "b")
    number, net = 0, 0
    for _ in range(dice.randrange(1, 8)):
        number += 10
        lots = -net if net > 0 else dice.randrange(50, 500)
        tape.decide()
        tape.order(A, number, lots)
        part = dice.choice((lots, lots, dice.randrange(1, abs(lots) + 1) * (1 if lots > 0 else -1)))
        if dice.random() < 0.8:
            tape.trade(a_lots=part)
            net += part
            tape.end(number, abs(part))
            _hedge(tape, dice, number + 1, -part)
        else:
            tape.end(number)
        _speak(tape, dice, net)
    tape.say(Claim.DAEMON_CODE_0, "A", code=0)
    tape.say(Claim.DAEMON_CODE_0, "B", code=0)
    return tape


def _hedge(tape: Tape, dice: Random, number: int, owed: int) -> None:
    """B trades what is owed, in as many orders as it takes."""
    while owed:
        tape.order(B, number, owed)
        done = dice.choice((owed, owed, 0, dice.randrange(1, abs(owed) + 1) * abs(owed) // owed))
        if done:
            tape.trade(b_lots=done)
        tape.end(number, abs(done))
        number, owed = number + 1, owed - done


def _speak(tape: Tape, dice: Random, net: int) -> None:
    claim = dice.choice((Claim.LEDGER, Claim.NEUTRAL_RECORD, Claim.A_COVERED, Claim.STATUS_NEUTRAL))
    b_lots = tape.offset_lots - net
    tape.say(claim, a_lots=net, b_lots=dice.choice((b_lots, None)))


def _pick(tape: Tape, dice: Random, *, of_b: bool) -> int:
    """Return the place of some leg of A or B; -1 where there is none."""
    places = [i for i, leg in enumerate(tape.legs) if bool(leg.b_lots) == of_b]
    return dice.choice(places) if places else -1


def double_a_hedge(tape: Tape, dice: Random) -> None:
    leg = tape.legs[_pick(tape, dice, of_b=True)]
    again = replace(leg, seq=leg.seq * 1000, mono=leg.mono + 1, at_s=leg.at_s + 0.001)
    tape.legs = sorted([*tape.legs, again], key=lambda one: one.mono)


def lose_a_hedge(tape: Tape, dice: Random) -> None:
    del tape.legs[_pick(tape, dice, of_b=True)]


def place_too_early(tape: Tape, dice: Random) -> None:
    leg = tape.legs[_pick(tape, dice, of_b=False)]
    hold = {"received_ns": leg.mono + 1, "received_s": leg.at_s, "ended_ns": leg.mono + 2}
    tape.order(A, 9999, -1, **hold, ended_s=leg.at_s)


def place_beside(tape: Tape, dice: Random) -> None:
    life = dice.choice([one for one in tape.lives.values() if one.account == A])
    hold = {"received_ns": life.received_ns + 1, "received_s": life.received_s}
    tape.order(A, 9999, 1, **hold, ended_ns=life.received_ns + 2, ended_s=life.received_s)


def speak_too_early(tape: Tape, dice: Random) -> None:
    leg = tape.legs[_pick(tape, dice, of_b=False)]
    tape.say(dice.choice(list(Claim)))
    tape.notes.said[-1] = replace(tape.notes.said[-1], at_s=leg.at_s + tape.bounds.news_s + 0.1)


def name_a_wrong_position(tape: Tape, dice: Random) -> None:
    place = dice.randrange(len(tape.notes.said))
    wrong = sum(leg.a_lots for leg in tape.legs if leg.at_s <= tape.notes.said[place].at_s) + 1
    tape.notes.said[place] = replace(tape.notes.said[place], a_lots=wrong)


def decide_on_old_news(tape: Tape, dice: Random) -> None:
    place = dice.randrange(len(tape.notes.decisions))
    decision = tape.notes.decisions[place]
    tape.notes.decisions[place] = replace(decision, told_s=decision.at_s - 4.1)


def hedge_the_wrong_way(tape: Tape, dice: Random) -> None:
    life = dice.choice([one for one in tape.lives.values() if one.account == B])
    number = next(one for one, value in tape.lives.items() if value is life)
    tape.change(number, is_ask=not life.is_ask)


@pytest.mark.parametrize(
    ("corrupt", "promise"),
    [
        (double_a_hedge, "I2"),
        (lose_a_hedge, "I1"),
        (place_too_early, "I3"),
        (place_beside, "I3"),
        (decide_on_old_news, "I3"),
        (hedge_the_wrong_way, "I4"),
        (speak_too_early, "said"),
        (name_a_wrong_position, "said"),
    ],
)
@given(seed=SEEDS)
def test_one_corruption_is_convicted(corrupt: Corrupt, promise: str, seed: int) -> None:
    """Of the promise that it breaks, whatever else it breaks with it."""
    dice = Random(seed)
    tape = honest(dice)
    if not any(leg.b_lots for leg in tape.legs):
        return
    corrupt(tape, dice)
    assert promise in {one for one, _ in tape.broken()}


@given(seed=SEEDS)
def test_an_honest_history_is_acquitted(seed: int) -> None:
    """Fills whole and partial, hedges in parts and in vain, words all along."""
    assert honest(Random(seed)).broken() == []
