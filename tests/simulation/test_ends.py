"""Scripts and people on the virtual clock: they decide as the product does, and are met."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from signal import SIGTERM
from typing import Any

import pytest

from hedge.errors import ExchangeUnreachableError
from hedge.launcher import decisions
from hedge.operator import decisions as operator
from tests.judge.facts import Claim
from tests.simulation import daemon, end_kinds, launcher
from tests.simulation.__main__ import SPREAD
from tests.simulation.daemon import Tools
from tests.simulation.exchange import SPEC, A, B
from tests.simulation.launcher import Script
from tests.simulation.loop import VirtualLoop
from tests.simulation.loop import run as run_loop
from tests.simulation.people import Told
from tests.simulation.schedule import SECRETS, Profile, Stage, play

BY_SCRIPT = Profile(faults=(), scripts=1.0, offset=0.0, peer_watch=1.0)

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def on_stage(
    scene: Callable[[Stage], Awaitable[Any]],
    *,
    detach: bool = False,
    by_hand: bool = False,
    offset: int = 0,
    two_hosts: bool = False,
) -> Any:
    """Play a scene with a pair that a script started, or a person `by_hand`, and that works."""
    profile = replace(BY_SCRIPT, same_host=0.0) if two_hosts else BY_SCRIPT

    async def main(loop: VirtualLoop) -> Any:
        stage = Stage(loop, SPREAD, profile, Tools(), None)
        stage.desk.detaches, stage.desk.by_script = detach, not by_hand
        stage.world.settings = replace(stage.world.settings, offset_lots=offset)
        if offset:
            await stage.world.exchange.give(B, offset)
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


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_last_word_that_comes_to_be_untrue_is_taken_back(side: str) -> None:
    """Liquidated while it says that it left: no exit code 0, and the next start is halted."""

    async def scene(stage: Stage) -> None:
        one = stage.a if side == "a" else stage.b
        stage.world.exchange.take(100, A)
        await until(lambda: stage.world.exchange.lots(B) == -100)
        the_script(stage).signal()
        await until(lambda: one.manager.has_left)
        process = one.process  # the script may start another one at once
        assert process is not None
        assert stage.world.exchange.liquidate(A if side == "a" else B)
        await until(lambda: process.code is not None)
        assert process.code == 5
        halts = one.host.halts[side].in_force
        assert [halt.reason for halt in halts] == [f"liquidation_on_{side}"]

    on_stage(scene)


def test_a_pair_that_is_flat_by_order_is_stopped_at_once() -> None:
    """With an offset that B holds no more: both leave with 0, and nobody waits for the offset."""

    async def scene(stage: Stage) -> None:
        exchange, script = stage.world.exchange, the_script(stage)
        stage.desk.person.flatten()
        await until(lambda: exchange.lots(A) == exchange.lots(B) == 0)
        await until(lambda: bool(stage.desk.person.told))
        assert stage.desk.person.told[-1].text.startswith("Flat: ")
        script.signal()
        begun_s = stage.loop.time()
        await until(lambda: script.is_over)
        assert codes(stage) == (0, 0)
        assert stage.loop.time() < begun_s + 8

    on_stage(scene, offset=200)


def test_a_margin_whose_frame_was_lost_is_read_again() -> None:
    """The comparison of the position asks for it anyway: A does not wait for ever."""

    async def scene(stage: Stage) -> None:
        manager = stage.b.manager
        told = manager.margin.micros(0)
        manager.margin.told(0, manager.parts.clock.now_ms())
        await until(lambda: manager.margin.micros(0) == told)

    on_stage(scene)


def test_a_signal_soon_after_the_first_one_changes_nothing() -> None:
    """A supervisor that passes it on is no impatient person."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        script.signal()
        for _ in range(3):
            await asyncio.sleep(0.06)
            script.signal()
        await until(lambda: script.is_over)
        assert script.process.code == 0
        assert codes(stage) == (0, 0)

    on_stage(scene)


def test_a_second_signal_to_the_script_kills_no_daemon() -> None:
    """The script ends with the code of a pair that may not be neutral; both end by themselves."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        stage.a.freeze()
        script.signal()
        await asyncio.sleep(decisions.AGAIN_S)
        script.signal()
        found = script.process.code, codes(stage)
        stage.a.thaw()
        assert found == (decisions.LEFT_AT_ONCE_CODE, (None, None))
        await until(lambda: not (stage.a.is_running or stage.b.is_running))

    on_stage(scene)


def test_a_killed_a_is_started_again() -> None:
    """B goes on, the launcher starts A again, and the pair trades."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        stage.a.kill()
        await until(lambda: stage.a.is_running)
        await until(lambda: bool(stage.world.exchange.engine.active_orders(A)))
        assert stage.b.is_running
        assert not script.is_over

    on_stage(scene)


def test_a_stop_with_a_dead_cancels_what_it_left() -> None:
    """`main_A.py --leave` does; then B leaves, and neutral was said."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        stage.a.kill()
        assert stage.world.exchange.engine.active_orders(A)
        script.signal()
        await until(lambda: script.is_over)
        assert not stage.world.exchange.engine.active_orders(A)
        assert codes(stage) == (0, 0)
        assert script.process.code == 0

    on_stage(scene)


def test_b_stays_until_leave_can_reach_the_exchange() -> None:
    """A is dead and its host cut off: `--leave` ends with 3 and is tried until it works."""

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        stage.a.kill()
        stage.cut_venue(stage.a.host, 75.0)
        script.signal()
        await until(lambda: script.state.leave is not None)
        assert script.state.leave == ExchangeUnreachableError.exit_code
        assert stage.b.is_running
        stage.a.host.venue.cut = False
        await until(lambda: script.is_over)
        assert not stage.world.exchange.engine.active_orders(A)
        assert script.state.leave == 0
        assert codes(stage) == (0, 0)

    on_stage(scene)


def test_b_that_is_killed_while_leaving_is_started_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have owed something (84); a stop lasts as long as the product's.

    The new B has not heard the end of A: it learns from the exchange alone that nothing can fill.
    """
    for module in (daemon, launcher):
        monkeypatch.setattr(module, "TIMING", replace(daemon.TIMING, stop_timeout_s=60.0))

    async def scene(stage: Stage) -> None:
        script = the_script(stage)
        stage.world.exchange.take(100, A)
        script.signal()
        await until(lambda: stage.a.process is not None and stage.a.process.dead)
        stage.b.kill()
        await until(lambda: script.is_over)
        assert codes(stage)[1] == 0
        assert stage.world.exchange.lots(A) == -stage.world.exchange.lots(B)

    on_stage(scene)


def test_what_dies_again_and_again_halts_the_pair() -> None:
    """Five deaths within ten minutes: a halt in the host file and in Redis; B goes on."""

    async def scene(stage: Stage) -> None:
        for _ in range(decisions.LOOP_DEATHS):
            await until(lambda: stage.a.is_running)
            stage.a.kill()
        await until(lambda: stage.halt() is not None)
        kept = stage.a.host.halts["a"].in_force
        assert [halt.reason for halt in kept] == [decisions.RESTART_LOOP]
        assert stage.b.is_running
        await until(lambda: not stage.world.exchange.engine.active_orders(A))

    on_stage(scene)


def test_a_second_signal_to_a_daemon_counts_after_its_line_alone() -> None:
    """One within 2 s is the same request; a later one lets it say what is open; then it ends."""

    async def scene(stage: Stage) -> None:
        stage.cut_venue(stage.a.host, 60.0)
        stage.a.stop()
        stage.a.stop()
        await asyncio.sleep(2.5)
        stage.a.stop()
        assert codes(stage) == (None, None)
        stage.a.stop()
        assert codes(stage) == (decisions.LEFT_AT_ONCE_CODE, None)

    on_stage(scene)


def test_a_signal_before_a_daemon_listens_ends_it() -> None:
    """A main listens to signals once it has opened everything; before, the system's way counts."""

    async def scene(stage: Stage) -> None:
        the_script(stage).kill(orphans_are_told=False)
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
    """The launcher goes on in the background; the stop script asks it, and neutral is said."""

    async def scene(stage: Stage) -> None:
        assert stage.desk.said == []
        stop = stage.desk.launcher.stop()
        assert stop is stage.desk.launcher.running
        assert stop is not None
        await until(lambda: stop.is_over)
        assert codes(stage) == (0, 0)
        assert [one.claim for one in stage.desk.said] == [
            Claim.LAUNCHER_NEUTRAL,
            Claim.LAUNCHER_CODE_0,
        ]

    on_stage(scene, detach=True)


def test_a_stop_beside_a_debt_leaves_b_to_hedge_it() -> None:
    """Asked in the background, like the stop script itself; B is stopped by the next one."""

    async def scene(stage: Stage) -> None:
        exchange, launcher = stage.world.exchange, stage.desk.launcher
        exchange.ladder(bids=0, asks=0)
        await asyncio.sleep(0.3)
        exchange.take(100, A)
        stop = launcher.stop()
        assert stop is not None
        for _ in range(6):
            await asyncio.sleep(80)
        assert stop.is_over
        assert stop.process.code == 5
        assert not stage.a.is_running
        assert stage.b.is_running
        exchange.ladder()
        await until(lambda: exchange.lots(A) == 100 and exchange.lots(B) == -100)
        again = launcher.stop()
        assert again is not None
        for _ in range(6):
            await asyncio.sleep(80)
        assert again.is_over
        assert not stage.b.is_running

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


def test_flatten_closes_the_offset_too_and_a_resumption_brings_it_back() -> None:
    """Both positions are flat when it is done; what is not neutral is not called so."""

    async def scene(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        exchange.take(100, A)
        await until(lambda: exchange.lots(A) == 100 and exchange.lots(B) == -60)
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].text.startswith("Flat: A 0.0000 ETH, B 0.0000 ETH.")
        assert (exchange.lots(A), exchange.lots(B)) == (0, 0)
        person.status()
        await until(lambda: len(person.told) == 2)
        assert "Neutral" not in person.told[1].text
        person.resume(force=True)
        await until(lambda: exchange.lots(B) == 40)
        assert not stage.world.bugs

    on_stage(scene, by_hand=True, offset=40)


@pytest.mark.parametrize("offset", [0, 40])
def test_a_flatten_that_says_flat_too_early_is_found(
    monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    """Both obey; the tool waits for nothing, and names positions that cancel out."""
    monkeypatch.setattr(operator, "_is_over", lambda *_: True)

    async def scene(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        exchange.take(100, A)
        await until(lambda: exchange.lots(A) == 100 and exchange.lots(B) == offset - 100)
        exchange.ladder(bids=0)  # A cannot close at once
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].text.startswith("Flat: ")
        kinds = {finding.kind for finding in stage.judged()}
        assert "flatten_done: not flat" in kinds

    on_stage(scene, by_hand=True, offset=offset)


def test_b_alone_is_closed_by_force_and_trades_nothing_more() -> None:
    """A is dead: what stays open is named, and B does not hedge it again."""

    async def scene(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        exchange.take(100, A)
        await until(lambda: exchange.lots(A) + exchange.lots(B) == 0 and exchange.lots(A) == 100)
        stage.a.kill()
        await asyncio.sleep(5)
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert "flatten --force" in person.told[0].text
        person.flatten(force=True)
        await until(lambda: len(person.told) == 2)
        assert person.told[1].text.startswith("B is flat. A is open: last known +0.0100 ETH")
        await asyncio.sleep(70)
        assert (exchange.lots(A), exchange.lots(B)) == (100, 0)
        assert stage.halt() is not None

    on_stage(scene, by_hand=True)


@pytest.mark.parametrize("lots", [60, -60])
def test_beside_a_halt_of_b_two_commands_close_both_and_open_nothing(lots: int) -> None:
    """`flatten` is refused and names them; typed at once, A rests no order in between."""

    async def scene(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        exchange.take(100, A)
        await until(lambda: exchange.lots(B) == -100)
        exchange.meddle(B, lots)
        await until(lambda: stage.halt() is not None)
        await until(lambda: not exchange.engine.active_orders(A))
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].code == 5
        refused = person.told[0].text
        assert refused.index("resume --force") < refused.index("and at once `./hedgectl flatten`")
        assert exchange.lots(B) == lots - 100
        held = [abs(exchange.lots(A))]
        person.resume(force=True)
        await until(lambda: len(person.told) == 2)
        person.flatten()
        while len(person.told) == 2:
            held.append(abs(exchange.lots(A)))
            assert not exchange.engine.active_orders(A)
            await asyncio.sleep(0.05)
        assert person.told[2].code == 0, person.told[2].text
        assert (exchange.lots(A), exchange.lots(B)) == (0, 0)
        assert held == sorted(held, reverse=True)

    on_stage(scene, by_hand=True)


def test_what_is_halted_by_hand_holds_until_it_is_released() -> None:
    """Both show it within a beat; a fill of that moment is hedged still."""

    async def scene(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        person.halt()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].code == 0
        await until(lambda: not exchange.engine.active_orders(A, SPEC.market_index))
        stage.world.redis.wipe()
        stage.a.kill()
        await asyncio.sleep(1)
        stage.a.start()
        await asyncio.sleep(10)
        assert not exchange.engine.active_orders(A, SPEC.market_index)
        person.resume()
        await until(lambda: len(person.told) == 2)
        assert person.told[1].code == 0, person.told[1].text
        await until(lambda: bool(exchange.engine.active_orders(A, SPEC.market_index)))

    on_stage(scene, by_hand=True)


def test_a_person_speaks_to_daemons_in_the_market_that_they_are_in() -> None:
    """The configuration names another one by now: a command is sealed for where they work."""

    async def main(loop: VirtualLoop) -> None:
        stage = Stage(loop, SPREAD, replace(BY_SCRIPT, scripts=0.0), Tools(), None)
        world = stage.world
        world.settings = replace(world.settings, secret=SECRETS[0])
        stage.desk.start()
        await until(lambda: bool(world.exchange.engine.active_orders(A)))
        await asyncio.sleep(2)
        stage.a.old_market = stage.b.old_market = world.settings.market
        world.settings = replace(world.settings, market="BTC")
        assert [side for side, _ in stage.newest_beats()] == ["a", "b"]

    run_loop(main)


def test_flatten_without_a_is_refused() -> None:
    """Exit code 5, and B is left alone."""

    async def scene(stage: Stage) -> None:
        the_script(stage).kill(orphans_are_told=False)
        stage.a.kill()
        await asyncio.sleep(5)
        person = stage.desk.person
        person.flatten()
        await until(lambda: len(person.told) == 1)
        assert person.told[0].code == 5
        assert person.told[0].text.startswith("Not sent: A has no heartbeat")

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


@pytest.mark.parametrize("seed", [1001987, 2001768])
def test_a_flatten_that_a_stop_cuts_short_leaves_the_offset(seed: int) -> None:
    """B is A's other side, and the offset, for as long as A is not flat, whatever was ordered."""
    assert play(seed).violations == []
