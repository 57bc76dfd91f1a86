"""Scripts and people on the virtual clock: they decide as the product does, and are met."""

import asyncio
from collections.abc import Awaitable, Callable
from signal import SIGTERM
from typing import Any

import pytest

from hedge.daemon.startup import INTERRUPTED
from hedge.launcher import decisions
from tests.judge.facts import Claim
from tests.simulation import end_kinds
from tests.simulation.__main__ import SPREAD
from tests.simulation.daemon import KILLED, Tools
from tests.simulation.exchange import A
from tests.simulation.launcher import Script
from tests.simulation.loop import VirtualLoop
from tests.simulation.loop import run as run_loop
from tests.simulation.people import Told
from tests.simulation.schedule import Profile, Stage, play

BY_SCRIPT = Profile(faults=(), scripts=1.0, offset=0.0, peer_watch=1.0)

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def on_stage(scene: Callable[[Stage], Awaitable[Any]], *, detach: bool = False) -> Any:
    """Play a scene with a pair that a script started and that works."""

    async def main(loop: VirtualLoop) -> Any:
        stage = Stage(loop, SPREAD, BY_SCRIPT, Tools(), None)
        stage.desk.detaches = detach
        stage.desk.start()
        await until(lambda: bool(stage.world.exchange.engine.active_orders(A)))
        return await scene(stage)

    return run_loop(main)


async def until(condition: Callable[[], bool]) -> None:
    """Wait on the virtual clock."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come true in 100 virtual seconds")


def the_script(stage: Stage) -> Script:
    running = stage.desk.launcher.running
    assert running is not None
    return running


def codes(stage: Stage) -> tuple[int | None, int | None]:
    """The exit codes of A and B."""
    assert stage.a.process is not None
    assert stage.b.process is not None
    return stage.a.process.code, stage.b.process.code


def test_a_signal_to_the_script_ends_the_pair_in_order() -> None:
    """A leaves first, then B, then the script: all with 0, and neutral was said."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        script.signal()
        await until(lambda: not stage.a.is_running)
        assert stage.b.is_running
        await until(lambda: script.is_over)
        assert codes(stage) == (0, 0)
        assert script.process.code == 0
        claims = [one.claim for one in stage.desk.said]
        assert claims == [Claim.LAUNCHER_NEUTRAL, Claim.LAUNCHER_CODE_0]

    on_stage(scene)


def test_a_second_signal_to_the_script_kills_both() -> None:
    """At once, with the exit code of a pair that may not be neutral."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        script.signal()
        await asyncio.sleep(0.06)
        script.signal()
        assert script.process.code == decisions.LEFT_AT_ONCE_CODE
        assert codes(stage) == (KILLED, KILLED)

    on_stage(scene)


def test_a_second_signal_to_a_daemon_ends_it_at_once() -> None:
    """As the product's mains do, with their exit code."""

    async def scene(stage: Stage) -> None:
        stage.a.stop()
        stage.a.stop()
        assert codes(stage) == (INTERRUPTED, None)

    on_stage(scene)


def test_a_signal_before_a_daemon_listens_ends_it() -> None:
    """A main listens to signals once it has opened everything; before, the system's way counts."""

    async def scene(stage: Stage) -> None:
        stage.desk.by_script = False
        stage.b.kill()
        stage.b.start()
        stage.b.stop()
        assert codes(stage)[1] == -SIGTERM

    on_stage(scene)


@pytest.mark.parametrize("told", [True, False])
def test_a_killed_script_leaves_children_that_are_told_or_go_on(told: bool) -> None:
    """On Linux the kernel tells them; elsewhere they go on, and a second start is refused."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        script.kill(orphans_are_told=told)
        if told:
            await until(lambda: not (stage.a.is_running or stage.b.is_running))
            return
        await asyncio.sleep(2)
        assert stage.a.is_running
        assert stage.desk.launcher.start() is None
        stop = stage.desk.launcher.stop()
        assert stop is not None
        await until(lambda: stop.is_over)
        assert stop.process.code == 0
        assert codes(stage) == (0, 0)

    on_stage(scene)


def test_detached_daemons_go_on_until_the_stop_script() -> None:
    """The start script ends with 0 and nobody owns them; the stop script says neutral."""

    async def scene(stage: Stage) -> None:
        await until(lambda: stage.desk.launcher.running is None)
        assert stage.desk.said == []
        assert stage.a.is_running
        stop = stage.desk.launcher.stop()
        assert stop is not None
        await until(lambda: stop.is_over)
        assert codes(stage) == (0, 0)
        assert [one.claim for one in stage.desk.said] == [
            Claim.LAUNCHER_NEUTRAL,
            Claim.LAUNCHER_CODE_0,
        ]

    on_stage(scene, detach=True)


def test_people_flatten_and_resume_by_the_products_commands() -> None:
    """Flat and halted after the one, trading after the other; what was said is kept."""

    async def scene(stage: Stage) -> None:
        stage.world.exchange.take(100, A)
        person = stage.desk.person
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].code == 0
        assert stage.world.exchange.lots(A) == 0
        person.status()
        await until(lambda: len(person.told) == 2)
        assert "HALTED" in person.told[1].text
        released: list[Told] = []
        person.resume(then=released.append)
        await until(lambda: len(released) == 1)
        assert released[0].text.startswith("Resumed: A is ")
        assert stage.desk.said[0].claim is Claim.FLATTEN_DONE

    on_stage(scene)


def test_flatten_without_a_is_refused() -> None:
    """Exit code 5, and B is left alone."""

    async def scene(stage: Stage) -> None:
        stage.desk.by_script = False
        stage.a.kill()
        await asyncio.sleep(5)
        person = stage.desk.person
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].code == 5
        assert "only A closes A's position" in person.told[0].text

    on_stage(scene)


@pytest.mark.parametrize("kind", end_kinds.BLOWS)
def test_every_kind_is_met(kind: str) -> None:
    """In a few schedules that have nothing else, a running process meets it."""
    profile = Profile(faults=(), always=(kind,), scripts=0.5, seconds=(8.0, 12.0))
    for number in range(12):
        if play(SPREAD + number, profile).tally.reached[kind]:
            return
    pytest.fail(f"{kind} was injected, and nothing met it")


def test_a_schedule_with_scripts_and_commands_replays_exactly() -> None:
    """Time, order and words come from the seed alone."""
    profile = Profile(
        faults=(), always=tuple(end_kinds.BLOWS), scripts=0.5, seconds=(15.0, 15.0), offset=0.3
    )
    results = [play(SPREAD + 5, profile) for _ in range(2)]
    one, other = ((each.steps, each.fills, each.tally, each.violations) for each in results)
    assert one == other
