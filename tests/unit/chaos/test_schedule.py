"""The schedule: a seed gives one schedule, and it holds what a run must hold."""

from collections import Counter

import pytest

from tests.chaos.kinds import Kind
from tests.chaos.schedule import AIM_MS, KINDS_OF, make_schedule, needed, to_json

SEEDS = range(1, 8)
Kinds = tuple[Kind, ...]
SETS = pytest.mark.parametrize("kinds", KINDS_OF.values(), ids=list(KINDS_OF))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_schedule(seed: int) -> None:
    """A schedule can be replayed from its seed and length alone."""
    assert make_schedule(seed, 5.0) == make_schedule(seed, 5.0)
    assert make_schedule(seed, 5.0) != make_schedule(seed + 1, 5.0)


@SETS
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("minutes", [0.5, 1.0, 5.0, 12.5])
def test_there_is_more_than_a_run_needs(seed: int, minutes: float, kinds: Kinds) -> None:
    """Enough faults, and enough kills of each process, whatever the length."""
    faults, wanted = make_schedule(seed, minutes, kinds), needed(minutes, kinds)
    kills = Counter(fault.target for fault in faults if fault.kind == "kill")
    assert len(faults) > wanted.faults
    assert all(kills[process] >= wanted.kills for process in wanted.processes), kills


def test_five_minutes_need_a_hundred_faults_and_five_kills_of_each() -> None:
    """The full run's demands, and a short run's in proportion."""
    assert (needed(5.0).faults, needed(5.0).kills) == (100, 5)
    assert (needed(0.5).faults, needed(0.5).kills) == (10, 1)


@SETS
@pytest.mark.parametrize("seed", SEEDS)
def test_five_minutes_hold_every_kind(seed: int, kinds: Kinds) -> None:
    """Nothing that can be done is left out of a full run."""
    drawn = {fault.kind for fault in make_schedule(seed, 5.0, kinds)}
    assert drawn == {kind.name for kind in kinds}


@SETS
@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_is_one_that_can_be(seed: int, kinds: Kinds) -> None:
    """Targets, times and lengths are those of a kind, in order of time, within the storm."""
    faults = make_schedule(seed, 1.0, kinds)
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
    assert list(faults) == sorted(faults, key=lambda fault: fault.at_s)
    for fault in faults:
        assert any(
            fault.target in kind.targets and kind.shortest_s <= fault.lasts_s <= kind.longest_s
            for kind in kinds
            if kind.name == fault.kind
        )
        assert 0.0 <= fault.at_s < 60.0
        assert fault.aim_ms is None or AIM_MS[0] <= fault.aim_ms <= AIM_MS[1]


def test_faults_overlap() -> None:
    """Several faults are in force at once; one after the other would prove little."""
    faults = make_schedule(1, 5.0)
    overlapping = sum(
        1
        for number, fault in enumerate(faults)
        if any(earlier.at_s + earlier.lasts_s > fault.at_s for earlier in faults[:number])
    )
    assert overlapping > len(faults) / 3


def test_a_schedule_is_written_one_fault_a_line() -> None:
    """The records hold the schedule in a form that tools read."""
    faults = make_schedule(1, 0.5)
    assert to_json(faults).count("\n") == len(faults)
