"""One run from start to verdict: calm, storm, healing, trading again, clean stop, audit."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.chaos.attendant import Attendant
from tests.chaos.court import cases_of
from tests.chaos.diary import Diary
from tests.chaos.filler import Filler
from tests.chaos.hands import Hands
from tests.chaos.inject import PROBLEMS, Injector
from tests.chaos.kinds import DAEMONS, LAUNCHER
from tests.chaos.options import Options
from tests.chaos.report import report
from tests.chaos.schedule import KINDS_OF, make_schedule, to_json
from tests.chaos.slots import LauncherSlot, Slot, members_of, slots_of
from tests.chaos.supervisor import Supervisor
from tests.chaos.watch import Watch
from tests.chaos.world import ACCOUNTS, World
from tests.pair_audit import legs_of
from tests.waiting import eventually

START_S = 60.0
UP_S = 30.0
QUIET_S = 60.0
AGAIN_S = 60.0
AGAIN_FILLS = 3
STOP_S = 40.0
MEMBERS_S = 0.1
LOOK_PROBLEMS = PROBLEMS


class ChaosRun:
    """Owns the tasks of a run."""

    def __init__(self, options: Options, world: World, diary: Diary) -> None:
        self.options = options
        self.world = world
        self.diary = diary
        self.slots: dict[str, Slot] = slots_of(world)
        self.members: dict[str, Slot] = members_of(world)
        self.hands = Hands(world, diary)
        self.supervisor = Supervisor(self.slots, diary, self._ended)
        accounts = [account for pair in ACCOUNTS.values() for account in pair]
        self.watch = Watch(world.pair.paper, accounts)
        makers = [pair[0] for pair in ACCOUNTS.values()]
        self.filler = Filler(options.seed, world.pair.paper, self.watch, makers)
        self.attendants = [
            Attendant(pair, world.operator_config(name), diary)
            for name, pair in world.pairs.items()
        ]
        self.contradictions: list[str] = []

    def _ended(self, slot: Slot) -> None:
        if isinstance(slot, LauncherSlot):
            self.hands.launcher_ended(slot, slot.output())

    async def run(self) -> None:
        """Go through all phases; what is not reached is noted, and the rest goes on."""
        async with self._helpers() as stop_filling:
            if await self._step("start", START_S, self._trading):
                await self._storm()
            await self._step("all running", UP_S, self._all_running)
            await self._step("quiet", QUIET_S, self._quiet)
            since = self.watch.last_seq
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
                    *(("attendant", attendant.run()) for attendant in self.attendants),
                    ("supervisor", self.supervisor.run()),
                    ("members", self._watch_members()),
                    ("master", self.world.follow_master()),
                )
            ]
            filling = group.create_task(self.filler.run(), name="filler")
            try:
                yield filling.cancel
            finally:
                for task in (*tasks, filling):
                    task.cancel()

    async def _watch_members(self) -> None:
        """Note when the daemons under the launcher start and end."""
        pids: dict[str, int | None] = dict.fromkeys(self.members)
        while True:
            for name, slot in self.members.items():
                before, now = pids[name], slot.pid
                if before is not None and now != before:
                    self.diary.note("ended", process=name, code=None)
                if now is not None and now != before:
                    self.diary.note("started", process=name, pid=now)
                pids[name] = now
            await asyncio.sleep(MEMBERS_S)

    async def _storm(self) -> None:
        seconds = self.options.minutes * 60
        kinds = KINDS_OF[self.options.faults]
        faults = make_schedule(self.options.seed, self.options.minutes, kinds)
        (self.world.folder / "schedule.jsonl").write_text(to_json(faults), encoding="utf-8")
        self.diary.start_clock()
        self.diary.say(f"storm: {len(faults)} faults in {seconds:g} s")
        slots = self.slots | self.members
        injector = Injector(self.world, slots, self.supervisor, self.filler, self.hands, self.diary)
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
        """All processes run, and a first order of each A rests."""
        makers = [accounts[0] for accounts in ACCOUNTS.values()]
        return self._all_running() and all(self.watch.resting_of(maker) for maker in makers)

    def _all_running(self) -> bool:
        return self.supervisor.all_running() and all(s.at_work() for s in self.slots.values())

    async def _quiet(self) -> bool:
        """Nothing is owed, B's ledger says so of A's newest state, no halt, all processes run."""
        if not self.supervisor.all_running():
            return False
        for pair in self.world.pairs.values():
            if await pair.halt() is not None:
                return False
            with contextlib.suppress(AssertionError, *LOOK_PROBLEMS):
                await pair.until_neutral(0.0)
                continue
            return False
        return True

    def _traded_since(self, since: int) -> bool:
        """Each A filled again, several times, and its B hedged each of them."""
        for accounts in ACCOUNTS.values():
            legs = legs_of(self.watch.trades_of(*accounts), *accounts)
            fills = sum(1 for leg in legs if leg.a_lots and leg.seq > since)
            if fills < AGAIN_FILLS or sum(leg.a_lots + leg.b_lots for leg in legs) != 0:
                return False
        return True

    async def _state_words(self) -> str:
        """Describe both pairs for a phase that was not reached."""
        words: dict[str, object] = {
            "running": {name: slot.pid is not None for name, slot in self.slots.items()}
        }
        for name, pair in self.world.pairs.items():
            names = pair.names
            keys = (names.ready_a, names.ready_b, names.position_a, names.ledger, names.halt)
            with contextlib.suppress(*LOOK_PROBLEMS):
                positions = await pair.positions()
                words[name] = {"lots": positions, **{key: await pair.key(key) for key in keys}}
        return json.dumps(words, default=str)[:4000]

    # --- the end

    async def _stop(self) -> None:
        """Stop the launcher; then A, the standby, and the B that leads. Each must leave with 0.

        A standby that is left alone takes over, and cannot know any more what a stopped A holds.
        """
        self.supervisor.stop()
        self.slots[LAUNCHER].terminate()
        await self._await_end(self.slots[LAUNCHER])
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
        beat = await self.world.pair.key(self.world.pair.names.ready_b) or {}
        leading = [n for n in ("b1", "b2") if self.world.instance_of(n) == beat.get("instance")]
        return leading[0] if leading else ""

    async def _collect(self) -> None:
        """Read the exchange's logs once more and keep them beside the daemons' logs."""
        if self.slots["exchange"].pid is None:
            self.diary.note("failed", why="the exchange is not there for the audit")
            return
        self.contradictions = await self.watch.finish()
        accounts = [account for pair in ACCOUNTS.values() for account in pair]
        for name, rows in (
            ("trades", self.watch.trades_of(*accounts)),
            ("orders", self.watch.orders_of(*accounts)),
        ):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (self.world.folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


async def chaos(options: Options) -> tuple[int, list[str]]:
    """Run once; return the exit code and the report."""
    options.folder.mkdir(parents=True, exist_ok=True)
    diary = Diary(options.folder / "events.jsonl")
    world = World(options.folder, options.seed, options.faults)
    try:
        async with world:
            run = ChaosRun(options, world, diary)
            try:
                await run.run()
            finally:
                for name in (LAUNCHER, *DAEMONS):
                    await run.slots[name].kill()
                for slot in run.members.values():
                    await slot.kill()
        cases = cases_of(world, run.watch, diary.entries, run.contradictions, options)
        code, lines = report(cases, diary.entries, options)
    finally:
        diary.close()
    (options.folder / "report.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return code, lines
