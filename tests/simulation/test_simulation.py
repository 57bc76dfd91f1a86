"""The simulator itself: schedules run clean, replay exactly, and lose by tempting rules."""

import subprocess
import sys
from pathlib import Path

import pytest

from paper.records import Trade as PaperTrade
from tests.judge import known
from tests.simulation.__main__ import SPREAD, play_one
from tests.simulation.exchange import B
from tests.simulation.schedule import QUIET, Profile, Result, play
from tests.simulation.weaken import NOT_EXPRESSED, WEAKENINGS

ROOT = Path(__file__).parents[2]
SCHEDULES = 40
DAEMON_ROWS = frozenset(range(1, 24))

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_schedules_of_one_seed_keep_every_promise() -> None:
    """Faults of every kind, healed: B is the other side of A, and A trades again."""
    results = [play(SPREAD + number, QUIET) for number in range(SCHEDULES)]
    broken = [(one.seed, one.violations) for one in results if one.violations]
    assert broken == []
    assert sum(one.fills for one in results) > SCHEDULES
    assert sum(one.prefixes for one in results) > 2 * SCHEDULES
    assert len({name for one in results for name in one.tally.injected}) > 25


def test_every_failure_of_the_sequencer_is_played() -> None:
    """Cancelled, dropped, handed back: each is in some schedule, and none upsets the engine."""
    wanted = {"accepted, cancelled", "accepted, dropped", "nonce handed back"}
    profile = Profile(faults=(), always=tuple(wanted), seconds=(12.0, 12.0))
    results = [play(SPREAD + number, profile) for number in range(6)]
    assert [one.violations for one in results] == [[]] * 6
    assert all(wanted <= set(one.tally.injected) for one in results)


def signature(result: Result) -> tuple[object, ...]:
    return (
        result.steps,
        result.prefixes,
        result.fills,
        result.virtual_s,
        dict(result.tally.injected),
    )


def test_a_schedule_replays_exactly() -> None:
    """Time, ids, chance and order come from the seed alone."""
    assert signature(play_one(SPREAD + 7)) == signature(play_one(SPREAD + 7))


def test_another_process_replays_the_same_trace() -> None:
    """Neither addresses nor the hashes of texts decide the order of anything."""
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--only", str(SPREAD + 11), "--trace"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert "faults:" in traces[0]


FAST = ("refresh-nonce", "missing-is-flat", "any-zero-releases", "row-is-fill")
WITHIN = 250


@pytest.mark.parametrize("name", FAST)
def test_a_tempting_rule_is_found_and_the_kept_one_is_not(name: str) -> None:
    """The same schedule breaks a promise with the tempting rule, and none without it."""
    for number in range(WITHIN):
        seed = SPREAD + number
        if play_one(seed, name).violations:
            assert play_one(seed, aimed=name).violations == []
            return
    pytest.fail(f"{name} was not found in {WITHIN} schedules")


def test_every_counterexample_has_its_rule_or_its_reason() -> None:
    """No row is left out silently."""
    rows = {weakening.row for weakening in WEAKENINGS.values()}
    assert rows | set(NOT_EXPRESSED) == DAEMON_ROWS
    assert rows & set(NOT_EXPRESSED) == set()


def test_a_broken_promise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hedge that is logged once more ends in a violation: the judge is not asleep."""
    from tests.simulation import schedule  # noqa: PLC0415

    heal = schedule.Stage.heal

    def double(stage: schedule.Stage) -> None:
        heal(stage)
        trades = stage.world.exchange.log.trades
        trades.append(next(one for one in reversed(trades) if _is_of_b(one[2])))

    monkeypatch.setattr(schedule.Stage, "heal", double)
    result = play(SPREAD + 3, Profile(faults=()))
    assert any(text.startswith("I2: ") for text in result.violations), result.violations


def _is_of_b(trade: PaperTrade) -> bool:
    return B in (trade.ask_account_index, trade.bid_account_index)


LONG = (24.0, 30.0)
BREAKING = {
    25: Profile(
        faults=(),
        always=("cut from exchange", "answer lost", "markers refused"),
        seconds=LONG,
        fill_every_s=1.0,
        peer_watch=0.0,
    ),
    26: Profile(faults=(), always=("stopped",)),
    56: Profile(faults=(), always=("stopped", "cut from redis"), peer_watch=0.0),
}
"""By counterexample: the kinds that bring it about."""


@pytest.mark.parametrize("number", sorted(known.KNOWN))
def test_what_is_known_to_break_is_found(number: int) -> None:
    """Each row of what today's rules break is met, so that none stays when its rule stands."""
    for schedule in range(WITHIN):
        result = play(SPREAD + schedule, BREAKING[number])
        if any(text.startswith(f"{number}: ") for text in result.known):
            return
    pytest.fail(f"{number} was not found in {WITHIN} schedules")
