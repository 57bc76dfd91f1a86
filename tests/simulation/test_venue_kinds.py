"""Every kind of the exchange reaches a process, upsets nothing of the simulator, and replays."""

from dataclasses import replace

import pytest

from tests.simulation import faults, venue_kinds
from tests.simulation.schedule import GENERAL, Profile, Result, play

SEED = 2_000_006
WITHIN = 12
HELPERS = {
    "markers refused": ("A killed", "B killed"),
    "busy market": ("public frame dropped", "A killed", "B killed"),
    "rows listed late": ("answer lost", "B killed"),
    "trades listed late": ("stopped", "socket lost", "B killed"),
    "transactions listed late": ("A killed", "B killed"),
    "public trade lies": ("own row lies",),
}
"""What makes a process read, or A trade, while a kind is on."""
VENUE_WEATHER = tuple(faults.VENUE_WEATHER)

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


OLD_BLOWS = ("cut from exchange", "thin book", "socket lost", "socket silent")


@pytest.mark.parametrize("kind", [*VENUE_WEATHER, *OLD_BLOWS, *venue_kinds.BLOWS])
def test_a_kind_reaches_a_process(kind: str) -> None:
    """Within a few schedules that have it, a living process meets its effect."""
    profile = Profile(faults=(), always=(kind, *HELPERS.get(kind, ())), fill_every_s=0.8)
    for number in range(WITHIN):
        result = play(SEED + number, profile)
        assert not any(text.startswith("bug") for text in result.violations), result.violations
        assert result.tally.injected[kind] > 0 or kind in faults.BLOWS
        if result.tally.reached[kind]:
            return
    pytest.fail(f"{kind} reached no process in {WITHIN} schedules")


def test_the_market_ends_no_daemon_at_its_start() -> None:
    """A market that is inactive, or whose minimums have risen, is held: no start ends with 2."""
    kinds = ("minimums raised", "market inactive", "price halves", "A killed", "B killed")
    profile = Profile(faults=(), always=kinds)
    told = list[str]()
    for number in range(8):
        result = play(SEED + number, profile, say=lambda _: lambda _, what: told.append(what))
        assert result.starts > 2
        assert not [text for text in told if text.startswith("*** ended")]


def signature(result: Result) -> tuple[object, ...]:
    return result.steps, result.virtual_s, result.violations, dict(result.tally.reached)


def test_schedules_with_every_kind_replay_exactly() -> None:
    """Lies, lags, strangers and limits draw from the seed alone."""
    profile = replace(GENERAL, mix=False, faults=faults.ALL)
    for number in range(4):
        assert signature(play(SEED + number, profile)) == signature(play(SEED + number, profile))


def test_every_kind_has_its_words() -> None:
    """The module says of each kind what it does; no two kinds share a name."""
    names = [*venue_kinds.WEATHER, *venue_kinds.BLOWS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(faults.ALL)
    assert set(names).isdisjoint(faults.CALM)
