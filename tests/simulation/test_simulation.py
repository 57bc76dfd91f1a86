"""The simulator itself: schedules run clean, replay exactly, and lose by tempting rules."""

import subprocess
import sys
from pathlib import Path

import pytest

from paper.records import Trade as PaperTrade
from tests.simulation import search
from tests.simulation.__main__ import SPREAD, lost_by, play_one
from tests.simulation.convict import ROWS
from tests.simulation.convicted import CONVICTED
from tests.simulation.exchange import B
from tests.simulation.schedule import QUIET, Profile, Result, play
from tests.simulation.weaken import NOT_EXPRESSED, WEAKENINGS

ROOT = Path(__file__).parents[2]
SCHEDULES = 40
RULED = frozenset(range(1, 27)) | {
    *(28, 29, 30, 31, 32, 34, 35, 36, 37, 39, 40, 41, 42, 43, 44, 46, 48, 50, 51, 52),
    *(56, 57, 59, 60, 61, 64, 65, 67, 68, 69, 73, 74, 75, 76, 77, 78, 79, 81, 82, 83),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_schedules_of_one_seed_keep_every_promise() -> None:
    """Faults of every kind, healed: B is the other side of A, and A trades again."""
    results = [play(SPREAD + number, QUIET) for number in range(SCHEDULES)]
    assert [(one.seed, one.new) for one in results if one.new] == []
    assert sum(one.fills for one in results) > SCHEDULES
    assert sum(one.prefixes for one in results) > 2 * SCHEDULES
    assert len({name for one in results for name in one.tally.injected}) > 25


def test_every_failure_of_the_sequencer_is_played() -> None:
    """Cancelled, dropped, handed back: each is in some schedule, and none upsets the engine."""
    wanted = {"accepted, cancelled", "accepted, dropped", "nonce handed back"}
    profile = Profile(faults=(), always=tuple(wanted), seconds=(12.0, 12.0))
    results = [play(SPREAD + number, profile) for number in range(6)]
    assert [one.new for one in results] == [[]] * 6
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
            check=False,  # it may show a counterexample
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
        if lost_by(name, play_one(SPREAD + number, name)):
            return
    pytest.fail(f"{name} was not found in {WITHIN} schedules")


LOSES = {
    "a-best-price-is-near": 1000008,
    "a-died-stop-the-pair": 1000007,
    "a-level-is-a-price": 1000004,
    "a-signed-nothing": 1000061,
    "acts-alone": 21000230,
    "default-is-the-account-s": 1000003,
    "everything-is-fresh": 1000060,
    "four-bits-are-ours": 1000003,
    "frames-stay": 1000002,
    "highest-is-newest": 1000003,
    "last-words-show-it": 1000166,
    "left-in-file": 1000100,
    "ledger-is-now": 1000068,
    "live-is-current": 1000136,
    "marker-is-proof": 1000010,
    "may-pass-with-time": 1000005,
    "minimum-is-written": 1000006,
    "newer-contains-older": 1000109,
    "no-answer-so-fence": 1000010,
    "no-name-is-no-order": 1000047,
    "polls-again-later": 1000010,
    "our-market-only": 1000006,
    "own-is-the-market": 1000040,
    "owed-is-all": 1000125,
    "release-in-force": 1000033,
    "silence-is-no-news": 1000054,
    "silent-hold": 1000007,
    "sum-agrees": 1000231,
    "whatever-executes": 1000000,
    "unchanged-is-gone": 1000006,
    "wider-cap": 1000013,
    "stated-is-current": 1000021,
}
"""The seeds by which rules lose that are tempting when a side ends, starts, is cut off or reads."""


@pytest.mark.parametrize("name", LOSES)
def test_a_tempting_rule_loses_by_its_kept_seed(name: str) -> None:
    """The kept seed breaks a promise with the tempting rule, and not that one without it."""
    assert lost_by(name, play_one(LOSES[name], name)), (
        f"{name} does not lose by its seed any more: where kinds have changed look for another one,"
        f" `python -m tests.simulation --weaken {name}`"
    )


def test_every_counterexample_has_its_rule_or_its_reason() -> None:
    """No row is left out silently."""
    rows = {weakening.row for weakening in WEAKENINGS.values()}
    assert rows | set(NOT_EXPRESSED) == RULED
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


def test_each_row_has_a_kept_seed_and_the_wanted_ones_are_rows() -> None:
    """No counterexample is on the list without a schedule that shows it."""
    numbers = [row.number for row in ROWS]
    assert sorted(CONVICTED) == sorted(set(numbers))
    assert set(CONVICTED) >= search.WANTED


def test_what_is_known_to_break_is_found() -> None:
    """The kept seed of each row shows its counterexample: it is expected, never ignored."""
    for number, seed in CONVICTED.items():
        shown = {finding.number for finding in play_one(seed).findings}
        assert number in shown, (
            f"counterexample {number} does not show in its seed any more. Where kinds or mix have"
            " changed: `python -m tests.simulation --convict --keep`. Where its rule stands: take"
            " its row out of `convict.py`, or make a weakened rule of it in `weaken.py`"
        )


def test_a_muted_kind_is_drawn_and_does_nothing() -> None:
    """The plan of a schedule does not change by what is muted."""
    profile = Profile(faults=(), always=("A killed", "stopped"), seconds=(12.0, 12.0))
    heard = [play(SPREAD + 2, profile, muted=frozenset(kinds)) for kinds in ((), ("A killed",))]
    assert [one.tally.enabled for one in heard] == [{"A killed": 1, "stopped": 1}] * 2
    assert heard[0].tally.injected["A killed"] > 0
    assert heard[1].tally.injected["A killed"] == 0
    assert heard[0].tally.injected["stopped"] == heard[1].tally.injected["stopped"]
