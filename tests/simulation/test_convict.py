"""How kinds are drawn and counted, how violations are attributed, and how growth is seen."""

from collections import Counter, deque
from random import Random

import pytest

from tests.judge.facts import Claim, Record, Violation
from tests.judge.positions import Positions
from tests.simulation import convict, faults, report, search
from tests.simulation.convict import Case, Finding, Story
from tests.simulation.daemon import Turn
from tests.simulation.hours import LIMITS, Day, Sizes, sizes_of
from tests.simulation.schedule import Result
from tests.simulation.tally import Moment, Tally

# --- drawing and counting -------------------------------------------------------------------------


def test_every_kind_is_in_one_family() -> None:
    """Whatever can happen does happen in the general mix, and under one name."""
    assert Counter(faults.ALL) == Counter(set(faults.KNOWN_BLOWS) - set(faults.AIMED)) + Counter(
        faults.WEATHER
    )
    assert set(faults.CALM) <= set(faults.ALL)


def test_a_family_is_there_or_not_and_gives_some_of_its_kinds() -> None:
    """In its share of the schedules, about so many kinds; each of them sometimes."""
    family = faults.Family(("one", "two", "three"), 0.5, 1.5)
    drawn = [family.draw(Random(seed)) for seed in range(400)]
    assert 100 < sum(1 for kinds in drawn if kinds) < 200
    assert set().union(*drawn) == {"one", "two", "three"}
    assert any(len(kinds) > 1 for kinds in drawn)


def test_no_kind_is_reached_oftener_than_injected() -> None:
    """A blow that two processes meet counts once; each occurrence of weather was injected."""
    tally = Tally(clock=lambda: 3.0)
    for kind in ("rain", "sun", "blow", "dud"):
        tally.enable(kind)
    tally.inject("blow")
    tally.inject("dud")
    for kind in ("rain", "rain", "blow", "blow"):
        tally.reach(kind)
    assert tally.moments[-1] == Moment(3.0, "blow", met=True)
    tally.close(frozenset({"rain", "sun"}))
    assert tally.injected == {"rain": 2, "sun": 1, "blow": 1, "dud": 1}
    assert tally.reached == {"rain": 2, "blow": 1}
    assert tally.moments == []


def test_a_kind_that_is_met_too_seldom_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """As large a share below 10,000 schedules, where it binds nobody."""
    totals = report.Totals(schedules=2_000)
    totals.tally.injected.update({"often": 30, "seldom": 30})
    totals.tally.reached.update({"often": 10, "seldom": 9})
    assert totals.histogram(("often", "seldom", "never")) == ["seldom", "never"]
    assert not totals.binds
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["often", "0", "30", "10", "20"]
    assert lines[-1] == "met too seldom: seldom, never"
    totals.schedules = 10_000
    assert totals.histogram(("often",)) == ["often"]
    assert totals.binds


# --- attributing ----------------------------------------------------------------------------------

STOPPED = Violation(
    "said", "daemon_stopped: resting", 9.0, "", {"who": "B", "claim": Claim.DAEMON_STOPPED}
)


def case_of(violation: Violation, *turns: Turn, moments: tuple[Moment, ...] = ()) -> Case:
    positions = Positions(Record(account_a=1, account_b=2))
    return Case(Story(positions, moments, turns), violation)


def number_of(case: Case) -> int | None:
    return convict.find(case.story, case.violation).number


def test_b_that_leaves_while_as_order_rests_is_on_no_list() -> None:
    """Its rule stands: whoever told it to, B leaves last."""
    both = (Turn(1.0, "B", "started"), Turn(1.0, "A", "started"))
    told = Turn(8.0, "B", "told to stop")
    assert number_of(case_of(STOPPED, *both, Turn(7.9, "A", "told to stop"), told)) is None
    assert number_of(case_of(STOPPED, *both, Turn(5.0, "A", "killed"), told)) is None


ROW = convict.Row(31, "a rule", "another", ("value replayed",), lambda case: case.at_s > 0)


def test_a_row_needs_one_of_its_kinds_before_the_violation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kind that comes later explains nothing."""
    monkeypatch.setattr(convict, "ROWS", (ROW,))
    stuck = Violation("live", "healed", 9.0, "", {})
    before, after = (Moment(at_s, "value replayed", met=True) for at_s in (8.0, 10.0))
    assert number_of(case_of(stuck, moments=(before,))) == 31
    assert number_of(case_of(stuck, moments=(after,))) is None


def test_a_violation_of_no_kind_is_on_no_list() -> None:
    """Neither is a bug."""
    assert number_of(case_of(Violation("I2", "twice", 9.0, "", {}))) is None
    assert number_of(case_of(Violation("bug", "bug", 9.0, "", {}))) is None


def result_of(seed: int, *numbers: int | None) -> Result:
    found = [Finding(number, 1.0, "I2", "twice", f"broken {number}") for number in numbers]
    return Result(seed, findings=found)


def test_a_confirmed_conviction_takes_the_place_of_an_open_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first schedule that is clean with the culprits muted convicts."""
    monkeypatch.setattr(search, "ROWS", (ROW,))
    told: list[search.Conviction] = []

    def again(seed: int, muted: frozenset[str]) -> Result:
        assert muted
        return result_of(seed, 31) if seed == 1 else result_of(seed, None)

    found = search.convictions(
        iter([result_of(1, 31), result_of(2, None), result_of(3, 31), result_of(4, 31)]),
        again,
        told.append,
    )
    assert [(one.seed, one.schedules, one.is_confirmed) for one in told] == [
        (1, 1, False),
        (3, 3, True),
    ]
    assert found[31] is told[1]


# --- growth ---------------------------------------------------------------------------------------


class Keeper:
    """Stands for an object of the product."""

    __module__ = "hedge.somewhere"

    def __init__(self, count: int) -> None:
        self.kept = deque(range(count))
        self.known = {"a": [1], "b": [2], "c": [3], "d": [4]}


def test_what_a_manager_holds_is_counted_by_attribute() -> None:
    """The longest container of each attribute, and each object once."""
    one = Keeper(5)
    sizes = sizes_of(one, Keeper(2), one)
    assert sizes.objects == 2
    assert sizes.lengths == {"Keeper.kept": 5, "Keeper.known": 4}


def day_of(name: str, *lengths: int) -> Day:
    day = Day(hours=len(lengths))
    day.samples = [
        (hour, Sizes(10, Counter({name: length})), 0) for hour, length in enumerate(lengths)
    ]
    return day


def test_growth_is_seen_and_a_limit_is_kept() -> None:
    """What rises to the end grows; what has a limit may rise up to it."""
    assert day_of("X.y", 0, 900, 900, 900, 900, 900, 900, 905).grown() == []
    assert day_of("X.y", 0, 0, 100, 200, 300, 400, 500, 600).grown() == ["X.y grew from 200 to 600"]
    limit = LIMITS["Book._trades"]
    assert day_of("Book._trades", 0, 0, 100, 200, 300, 400, 500, limit).grown() == []
    assert day_of("Book._trades", 0, 0, 100, 200, 300, 400, 500, limit + 1).grown() != []
