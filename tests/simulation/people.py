"""People at the pair: they start and stop it by script or by hand, and run the operator's commands.

The commands are the product's own decisions (`hedge.operator.decisions`) over the simulated Redis.
What a command claimed is kept for the judge.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

from hedge.errors import RedisUnreachableError
from hedge.operator import decisions
from hedge.operator.pair_client import is_unheard
from hedge.operator.status import Report
from hedge.wire.control import FLATTEN, PING, RESUME, Command, Halts
from tests.judge.facts import Claim, Said
from tests.simulation.daemon import Daemon, World, connect
from tests.simulation.exchange import START_MS, A, B
from tests.simulation.host import Host
from tests.simulation.launcher import Launcher, Script, look, lots_told
from tests.simulation.loop import Process

NO_REDIS = RedisUnreachableError.exit_code
REFUSED = decisions.REFUSED
THINKS_S = (1.0, 5.0)
"""How long a person reads what was said."""
UNHEARD_POLL_S = 0.1
RESUME_WAIT_S, FLATTEN_WAIT_S, HALT_WAIT_S = 5.0, 20.0, 5.0
"""As much shorter than the product's as the other times of a schedule are."""


Seen = Callable[[Report], None]


def _nothing(report: Report) -> None:
    """Nobody else looks."""


@dataclass
class Told:
    """How one command ended."""

    name: str
    code: int
    text: str
    report: Report | None


class Person:
    """One person with the operator's tool, on one host."""

    def __init__(self, world: World, host: Host, said: list[Said]) -> None:
        self.world, self.host, self.said = world, host, said
        self.told: list[Told] = []
        self.daemons: tuple[Daemon, ...] = ()
        """Those of the pair; what runs on this host has locked its files."""
        self.on_resume: Callable[[str, bool], None] = lambda halt_id, forced: None
        """Hears of each halt that a person releases, and whether by force."""
        self.on_flatten: Callable[[bool], None] = lambda forced: None
        """Hears of each order to close that is sent, and whether it is for one side alone."""
        self._commands = 0

    # --- commands

    def status(self, seen: Seen = _nothing) -> None:
        """`hedgectl.py status`; `seen` hears of what it read first."""
        self._run(self._tool("status", seen), *decisions.begin_status(self._new_id()))

    def resume(
        self,
        *,
        force: bool = False,
        answer: decisions.Answer = decisions.Answer.YES,
        thinks_s: float = 0.0,
        seen: Seen = _nothing,
        then: Callable[[Told], None] = lambda told: None,
    ) -> None:
        """`hedgectl.py resume`, with `--force` and a reason or without; `then` hears its end.

        `thinks_s`: how long the person reads what is shown before the answer.
        """
        begun = decisions.begin_resume(
            command_id=self._new_id(),
            ping_id=self._new_id(),
            force=force,
            reason="looked" if force else "",
            yes=False,
            wait_s=RESUME_WAIT_S,
        )
        self._run(self._tool("resume", seen, answer, thinks_s), *begun, then)

    def flatten(self, seen: Seen = _nothing, *, force: bool = False) -> None:
        """`hedgectl.py flatten`, with `--force` or without."""
        begun = decisions.begin_flatten(
            command_id=self._new_id(), force=force, wait_s=FLATTEN_WAIT_S
        )
        self._run(self._tool("flatten", seen), *begun)

    def halt(self, seen: Seen = _nothing) -> None:
        """`hedgectl.py halt`."""
        tool = self._tool("halt", seen)
        begun = decisions.begin_halt(f"op-{self._new_id()}", tool.epoch_s(), "", wait_s=HALT_WAIT_S)
        self._run(tool, *begun)

    def _new_id(self) -> str:
        return f"{self.world.dice.getrandbits(64):016x}"

    # --- running them

    def _tool(
        self,
        name: str,
        seen: Seen,
        answer: decisions.Answer = decisions.Answer.YES,
        thinks_s: float = 0.0,
    ) -> "_Tool":
        self._commands += 1
        return _Tool(self, f"{name}{self._commands}", seen, answer, thinks_s)

    def _run(
        self,
        tool: "_Tool",
        work: decisions.Work,
        effects: tuple[decisions.Effect, ...],
        then: Callable[[Told], None] = lambda told: None,
    ) -> None:
        run = tool.carry_out(work, effects)
        self.world.loop.create_task(self._keep(tool, run, then), context=tool.process.context)

    async def _keep(
        self,
        tool: "_Tool",
        run: Coroutine[Any, Any, decisions.End],
        then: Callable[[Told], None],
    ) -> None:
        try:
            end = await run
        except RedisUnreachableError as error:
            end = decisions.End(NO_REDIS, str(error))
        tool.close(end)
        told = Told(tool.process.name, end.code, end.text, tool.report)
        self.told.append(told)
        self.world.loop.world_soon(then, told)


class _Tool:
    """One run of the tool."""

    def __init__(
        self, person: Person, name: str, seen: Seen, answer: decisions.Answer, thinks_s: float
    ) -> None:
        self.person, self.world, self.seen = person, person.world, seen
        self.answer, self.thinks_s = answer, thinks_s
        self.process = Process(name)
        self.messenger = connect(self.world, person.host, self.process, f"{name} tool")
        self.report: Report | None = None

    async def carry_out(
        self, work: decisions.Work, effects: tuple[decisions.Effect, ...]
    ) -> decisions.End:
        """Perform effects and post what comes of them until the command ends."""
        while True:
            event: decisions.Event | None = None
            for effect in effects:
                if isinstance(effect, decisions.End):
                    return effect
                event = await self._perform(effect)
            assert event is not None, "the command neither ended nor waits for anything"
            work, effects = work.step(event)

    async def _look(self, ping_id: str) -> Report:
        offset_lots = self.world.settings.offset_lots
        found = await look(self.messenger, offset_lots, self.epoch_s(), ping_id)
        if self.report is None:
            self.seen(found)
        self.report = found
        return found

    async def _perform(self, effect: decisions.Effect) -> decisions.Event | None:
        loop = self.world.loop
        match effect:
            case decisions.Print(text):
                self._tell(text)
            case decisions.Ask():
                await self._think()
                return decisions.Answered(self.answer)
            case decisions.Look(after_s, ping_id):
                await asyncio.sleep(after_s)
                found = await self._look(ping_id)
                return decisions.Looked(loop.time(), found)
            case decisions.Send():
                if effect.command == PING:
                    await self._give_way()
                command = Command(
                    id=effect.command_id,
                    command=effect.command,
                    timestamp=self.epoch_s(),
                    to=effect.to,
                    halts=effect.halts,
                    forced=effect.forced,
                    note=effect.note,
                )
                self._tell_order(effect)
                await self.messenger.send_command(command)
                return decisions.Written(loop.time())
            case decisions.WriteHalt(halt):
                await self.messenger.write_halts(Halts(halts=(halt,)))
                return decisions.Written(loop.time())
            case decisions.LookAtHost():
                return self._on_host(Halts())
            case decisions.ReleaseOnHost(ids, forced):
                released = Halts(released=ids)
                found = self._on_host(released)
                if not found.running:
                    for halt_id in ids:
                        self.person.on_resume(halt_id, forced)
                    await self.messenger.write_halts(released)
                return found
        return None

    def _tell_order(self, effect: decisions.Send) -> None:
        """Tell who listens what a person has ordered."""
        if effect.command == RESUME:
            for halt_id in effect.halts:
                self.person.on_resume(halt_id, effect.forced)
        if effect.command == FLATTEN:
            self.person.on_flatten(effect.forced)

    async def _think(self) -> None:
        if self.thinks_s:
            await asyncio.sleep(self.thinks_s)

    async def _give_way(self) -> None:
        while True:
            if not is_unheard(await self.messenger.read_state(), self.epoch_s()):
                return
            await asyncio.sleep(UNHEARD_POLL_S)

    def epoch_s(self) -> int:
        return (START_MS + self.person.host.skew_ms + self.world.loop.now_ms) // 1000

    def _on_host(self, released: Halts) -> decisions.HostLooked:
        """Look at the files of the person's host, and release what is given."""
        host, halts, sides = self.person.host, Halts(), []
        locked = {one.side for one in self.person.daemons if one.host is host and one.is_running}
        for side in {one.side: None for one in self.person.daemons if one.host is host}:
            if side in locked:
                continue
            sides.append(side)
            host.halts[side] = host.halts[side].union(released)
            halts = halts.union(host.halts[side])
        return decisions.HostLooked(halts.in_force, tuple(sides), tuple(sorted(locked)))

    def close(self, end: decisions.End) -> None:
        """Remember what the command said."""
        self.process.end(end.code)
        if self.messenger in self.world.redis.clients:
            self.world.redis.clients.remove(self.messenger)
        self._tell(f"{end.text} (exit code {end.code})")
        found = self.report
        is_flat = self.process.name.startswith("flatten") and end.text.startswith("Flat: ")
        settings, exchange = self.world.settings, self.world.exchange
        held = [exchange.lots(account, settings.spec.market_index) for account in (A, B)]
        # Where it is true B holds no offset either, and A + B is another sum than that.
        is_said = is_flat and (not settings.offset_lots or any(held))
        if found is None or not (is_said or "Neutral: " in end.text):
            return
        self.person.said.append(
            Said(
                self.world.loop.time(),
                f"hedgectl {self.process.name}",
                Claim.FLATTEN_DONE if is_flat and end.code == 0 else Claim.STATUS_NEUTRAL,
                end.text,
                end.code,
                a_lots=lots_told(found.a),
                b_lots=lots_told(found.b),
                dust_lots=found.judgement.dust_lots,
                known_s=self.world.known_s(),
            )
        )

    def _tell(self, text: str) -> None:
        if self.world.say is not None:
            self.world.say(self.process.name, text)


class Desk:
    """Who runs the pair of a schedule, and how: by hand, or by the scripts."""

    def __init__(self, world: World, a: Daemon, b: Daemon, dice: Random, scripts: float) -> None:
        """`scripts`: the chance that scripts start the pair; else it is started by hand."""
        self.world, self.a, self.b = world, a, b
        self.by_script = dice.random() < scripts
        self.detaches = dice.random() < 0.4
        self.orphans_are_told = dice.random() < 0.7
        """Whether the kernel tells children of their parent's end, as Linux does."""
        self.launcher = Launcher(world, a, b, b.host)
        self.person = Person(world, dice.choice((a.host, b.host)), self.launcher.said)
        self.person.daemons = (a, b)
        self.dice = dice
        self._is_left = False
        self._acts_s = 0.0

    @property
    def said(self) -> list[Said]:
        """What scripts and commands claimed."""
        return self.launcher.said

    def start(self) -> None:
        """Start the pair, as it is started in this schedule."""
        if self.by_script:
            self._start()
        else:
            self.b.start()
            self.a.start()

    def restart(self) -> None:
        """Start by script again what has ended, once no script is at work.

        A person has nothing but the scripts and the commands, and does what they say: a stop
        script that leaves B running names a signal to it, a launcher that does not start a daemon
        again names the stop script. What runs beside the scripts is stopped.
        """
        now_s, running = self.world.loop.time(), self.launcher.running
        is_stuck = running is not None and running.is_stuck
        if (self.launcher.is_busy and not is_stuck) or now_s < self._acts_s:
            return
        if self.a.is_running and self.b.is_running:
            return
        self._acts_s = now_s + self.dice.uniform(*THINKS_S)
        if self._is_left:
            self._is_left = False
            self.b.stop()
        elif is_stuck or self.launcher.living():
            self._stop()
        elif self.a.is_running or self.b.is_running:
            self.a.stop()
            self.b.stop()
        else:
            self._start()

    def _start(self) -> None:
        self.launcher.start(detach=self.detaches)

    def _stop(self) -> None:
        script = self.launcher.stop()
        if script is not None:
            script.process.on_end.append(lambda: self._on_stop_over(script))

    def _on_stop_over(self, script: Script) -> None:
        self._is_left = script.state.code == REFUSED and "a signal to B" in script.last_words
