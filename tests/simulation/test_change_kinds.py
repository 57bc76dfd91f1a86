"""A's order follows its level by changes of its price, and each fate of one is met."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.maker import rules
from tests.simulation import change_kinds
from tests.simulation.schedule import Profile, Stage, play
from tests.simulation.tempting_views import managers

SEED = 5_000_000
GENERAL_SEED = 1_000_050
WITHIN = 6

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def schedule_of(kind: str) -> Profile:
    return Profile(faults=(), always=(kind,), fill_every_s=6.0)


@pytest.mark.parametrize("kind", change_kinds.KINDS)
def test_each_fate_of_a_change_is_met_and_breaks_no_promise(kind: str) -> None:
    """Within a few schedules a change of a living A meets it."""
    results = [play(SEED + number, schedule_of(kind)) for number in range(WITHIN)]
    assert [one.violations for one in results] == [[]] * WITHIN
    assert sum(one.tally.reached[kind] for one in results) > WITHIN // 2


def test_general_schedules_change_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mix of everything has changes in it, without being asked for them."""
    sent = list[int]()
    heal = Stage.heal

    def count(stage: Stage) -> None:
        sent.append(stage.world.exchange.changes.sent)
        heal(stage)

    monkeypatch.setattr(Stage, "heal", count)
    for number in range(30):
        play(GENERAL_SEED + number)
    assert sum(sent) >= 10


def ahead(manager: Any) -> None:
    """Change a price to one that is better than anybody else's."""
    real = manager.parts.venue.sign_change

    async def sign_change(change: Any, nonce: int) -> Any:
        nearer = replace(change, price_ticks=change.price_ticks + 150)
        return await real(nearer, nonce)

    manager.parts.venue.sign_change = sign_change


def test_the_price_of_a_change_is_judged_like_that_of_an_order() -> None:
    """A buy that is changed to more than anybody else bids is a violation."""
    results = [
        play(SEED + number, schedule_of("level leaves"), managers(ahead)) for number in (0, 1)
    ]
    assert any("better than anybody else" in text for one in results for text in one.violations)


def test_a_change_beside_a_b_that_is_away_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An A that takes nothing off, and follows its level on, offers what nobody would hedge."""
    monkeypatch.setattr(rules, "_why_cancel", lambda *_: "")
    profile = Profile(faults=(), always=("level leaves", "B away"), fill_every_s=30.0)
    found = [text for number in range(4) for text in play(SEED + number, profile).violations]
    assert any("while B was not ready" in text for text in found), found
