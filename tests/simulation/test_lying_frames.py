"""Captured frames with one false leaf: what is changed, who reads it, and some of the table."""

import json

import pytest

from tests.simulation import lying_frames
from tests.simulation.lying_frames import Case, Leaf, falsified, is_read, leaves, play, template
from tests.simulation.schedule import Profile
from tests.simulation.schedule import play as play_schedule
from tests.simulation.venue_kinds import ANSWER_LIES

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TRADE: Leaf = ("trades", "0", 0)


def value_of(frame: object, leaf: Leaf) -> object:
    for key in leaf:
        frame = frame[key]  # type: ignore[index]
    return frame


def test_every_leaf_of_the_captured_frames_is_in_the_table() -> None:
    """Those that are not read, too; each is false in three ways, once and until reconnect."""
    cases = lying_frames.cases()
    assert len(set(cases)) == len(cases)
    for stream, frames in lying_frames.FRAMES.items():
        for frame in frames:
            found = {one.leaf for one in cases if (one.stream, one.frame) == (stream, frame)}
            assert found == set(leaves(template(frame)))
    assert len(cases) % 6 == 0


@pytest.mark.parametrize("frame", ["trades", "orders", "stats", "all trades", "all positions"])
def test_one_leaf_is_changed_and_no_other(frame: str) -> None:
    """What is false is never what was true."""
    true = template(frame)
    for leaf in leaves(true):
        other = falsified(true, leaf, "other")
        assert value_of(other, leaf) != value_of(true, leaf)
        assert value_of(falsified(true, leaf, "null"), leaf) is None
        changed = [one for one in leaves(true) if value_of(other, one) != value_of(true, one)]
        assert changed == [leaf]
        assert len(json.dumps(falsified(true, leaf, "absent"))) < len(json.dumps(true))


def test_a_leaf_that_is_not_read_has_no_effect() -> None:
    """No schedule is played for it."""
    case = Case("A", "trades", (*TRADE, "block_height"), "other", lasting=False)
    assert not is_read(case)
    assert play(case) == "no effect: not read"
    assert is_read(Case("A", "trades", (*TRADE, "trade_id"), "other", lasting=False))


@pytest.mark.parametrize(
    ("case", "outcome"),
    [
        (Case("A", "trades", (*TRADE, "trade_id"), "other", lasting=False), "healed"),
        (Case("A", "trades", (*TRADE, "size"), "other", lasting=True), "halted"),
        (Case("watch", "all trades", (*TRADE, "trade_id"), "other", lasting=True), "healed"),
        (Case("B", "orders", ("orders", "1", 0, "status"), "other", lasting=False), "healed"),
    ],
    ids=str,
)
def test_the_pair_is_right_within_a_minute_or_halted(case: Case, outcome: str) -> None:
    """Some of the table; `make accept` has all of it."""
    assert play(case).startswith(outcome)


ANSWERS = Profile(
    faults=(), always=(ANSWER_LIES,), seconds=(15.0, 30.0), fill_every_s=1.0, same_host=0.0
)


@pytest.mark.parametrize("seed", [1000022, 1000040, 1000045, 1000060])
def test_one_false_answer_moves_no_money(seed: int) -> None:
    """Taken at once it made B trade up to 900 of 100, and back with the next answer."""
    result = play_schedule(seed, ANSWERS)
    assert result.tally.reached[ANSWER_LIES]
    assert not result.violations
