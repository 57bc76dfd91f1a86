"""One run from start to verdict: calm, storm, healing, trading again, clean stop, audit."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import logscan
from tests.chaos.attendant import Attendant
from tests.chaos.diary import Diary
from tests.chaos.filler import Filler
from tests.chaos.inject import Injector
from tests.chaos.kinds import DAEMONS
from tests.chaos.report import report
from tests.chaos.schedule import make_schedule, needed, to_json
from tests.chaos.slots import Slot, slots_of
from tests.chaos.supervisor import Supervisor
from tests.chaos.verdict import Records, judge
from tests.chaos.watch import Watch
from tests.chaos.world import World
from tests.pair_audit import legs_of
from tests.waiting import eventually
from tests.world.pair import NAMES
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

START_S = 40.0
UP_S = 30.0
QUIET_S = 60.0
AGAIN_S = 60.0
AGAIN_FILLS = 3
STOP_S = 25.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    minutes: float
    seed: int
    folder: Path


class ChaosRun:
    """Owns the tasks of a run."""

    def __init__(self, options: Options, world: World, diary: Diary) -> None:
        self.options = options
        self.world = world
        self.diary = diary
        self.slots: dict[str, Slot] = slots_of(world)
        self.supervisor = Supervisor(self.slots, diary)
        self.watch = Watch(world.pair.paper)
        self.filler = Filler(options.seed, world.pair.paper, self.watch)
        self.attendant = Attendant(world.pair, diary)
        self.contradictions: list[str] = []

    async def run(self) -> None:
        """Go through all phases; what is not reached is noted, and the rest goes on."""
        async with self._helpers() as stop_filling:
            if await self._step("start", START_S, self._trading):
                await self._storm()
            await self._step("all running", UP_S, self._all_running)
            await self._step("quiet", QUIET_S, self._quiet)
            since = len(legs_of(self.watch.trades, ACCOUNT_A, ACCOUNT_B))
            await self._step("trading again", AGAIN_S, lambda: self._traded_since(since))
            stop_filling()
            await self._stop()
        await self._collect()

    @contextlib.asynccontextmanager
    async def _helpers(self) -> AsyncIterator[Callable[[], object]]:
        """Run supervisor, watch, operator and takers; a helper that fails ends the run."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work, name=name)
                for name, work in (
                    ("watch", self.watch.run()),
                    ("attendant", self.attendant.run()),
                    ("supervisor", self.supervisor.run()),
                )
            ]
            filling = group.create_task(self.filler.run(), name="filler")
            try:
                yield filling.cancel
            finally:
                for task in (*tasks, filling):
                    task.cancel()

    async def _storm(self) -> None:
        seconds = self.options.minutes * 60
        faults = make_schedule(self.options.seed, self.options.minutes)
        (self.world.folder / "schedule.jsonl").write_text(to_json(faults), encoding="utf-8")
        self.diary.start_clock()
        self.diary.say(f"storm: {len(faults)} faults in {seconds:g} s")
        injector = Injector(self.world, self.slots, self.supervisor, self.filler, self.diary)
        await injector.run(faults, seconds)
        self.supervisor.hurry()
        await injector.clear_switches()
        self.diary.say("healed: every fault is undone")

    async def _step(
        self, name: str, timeout_s: float, reached: Callable[[], object | Awaitable[object]]
    ) -> bool:
        """Wait for a phase's condition; one that is not reached in time is a finding."""
        began = time.monotonic()
        try:
            await eventually(reached, timeout_s, name)
        except AssertionError as error:
            self.diary.note("failed", why=f"{name}: {error}; {await self._state_words()}")
            self.diary.say(f"NOT REACHED: {name}")
            return False
        took_s = time.monotonic() - began
        self.diary.note("step", step=name, took_s=took_s)
        self.diary.say(f"{name} after {took_s:.1f} s")
        return True

    # --- conditions

    async def _trading(self) -> bool:
        """All processes run, and a first order of A rests."""
        return self._all_running() and bool(self.watch.resting_of_a())

    def _all_running(self) -> bool:
        return self.supervisor.all_running() and all(s.at_work() for s in self.slots.values())

    async def _quiet(self) -> bool:
        """Nothing is owed, B's ledger says so of A's newest state, no halt, both B's alive."""
        if not self.supervisor.all_running() or await self.world.pair.halt() is not None:
            return False
        with contextlib.suppress(AssertionError):
            await self.world.pair.until_neutral(0.0)
            return True
        return False

    def _traded_since(self, since: int) -> bool:
        """A filled again, several times, and B hedged each of them."""
        legs = legs_of(self.watch.trades, ACCOUNT_A, ACCOUNT_B)
        fills = sum(1 for leg in legs[since:] if leg.a_lots)
        return fills >= AGAIN_FILLS and sum(leg.a_lots + leg.b_lots for leg in legs) == 0

    async def _state_words(self) -> str:
        """Describe the pair for a phase that was not reached."""
        pair = self.world.pair
        running = {name: slot.pid is not None for name, slot in self.slots.items()}
        keys = {
            name: await pair.key(name)
            for name in (NAMES.ready_a, NAMES.ready_b, NAMES.ledger, NAMES.halt)
        }
        return json.dumps({"running": running, **keys}, default=str)[:2500]

    # --- the end

    async def _stop(self) -> None:
        """Stop A, then the standby, then the B that leads; each must leave with 0.

        A standby that is left alone takes over, and cannot know any more what a stopped A holds.
        """
        self.supervisor.stop()
        leader = await self._leader()
        for name in sorted(DAEMONS, key=lambda name: (name != "a", name == leader)):
            slot = self.slots[name]
            if slot.pid is None:
                continue
            slot.terminate()
            await self._await_end(slot)

    async def _await_end(self, slot: Slot) -> None:
        try:
            await eventually(lambda: slot.pid is None, STOP_S, f"the end of {slot.name}")
        except AssertionError as error:
            self.diary.note("failed", why=f"clean stop: {error}")
            return
        if slot.code != 0:
            self.diary.note("failed", why=f"clean stop: {slot.name} left with {slot.code}")

    async def _leader(self) -> str:
        """Return which B holds the lease."""
        beat = await self.world.pair.key(NAMES.ready_b) or {}
        leading = [n for n in ("b1", "b2") if self.world.instance_of(n) == beat.get("instance")]
        return leading[0] if leading else ""

    async def _collect(self) -> None:
        """Read the exchange's logs once more and keep them beside the daemons' logs."""
        if self.slots["exchange"].pid is None:
            self.diary.note("failed", why="the exchange is not there for the audit")
            return
        self.contradictions = await self.watch.finish()
        for name, rows in (("trades", self.watch.trades), ("orders", self.watch.orders)):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (self.world.folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


async def chaos(options: Options) -> tuple[int, list[str]]:
    """Run once; return the exit code and the report."""
    options.folder.mkdir(parents=True, exist_ok=True)
    diary = Diary(options.folder / "events.jsonl")
    world = World(options.folder, options.seed)
    try:
        async with world:
            run = ChaosRun(options, world, diary)
            try:
                await run.run()
            finally:
                for name in DAEMONS:
                    await run.slots[name].kill()
        lines = logscan.read({name: world.log_of(name) for name in DAEMONS})
        told = logscan.tell(lines)
        wanted = needed(options.minutes)
        verdict = judge(
            Records(
                trades=run.watch.trades,
                orders=run.watch.orders,
                entries=diary.entries,
                told=told,
                needed=wanted,
                account_a=ACCOUNT_A,
                account_b=ACCOUNT_B,
                exchange_contradictions=run.contradictions,
                lines=lines,
                wall_s=time.time() - time.monotonic(),
            )
        )
        told_lines = report(
            verdict,
            told,
            diary.entries,
            wanted,
            seed=options.seed,
            minutes=options.minutes,
            folder=str(options.folder),
        )
    finally:
        diary.close()
    (options.folder / "report.txt").write_text("\n".join(told_lines) + "\n", encoding="utf-8")
    return (1 if verdict.findings else 0), told_lines
