"""The start and stop scripts on the virtual clock: the product's decisions, simulated children.

A script is a process of its own: it can be told to stop, once or twice, and killed. What it does
to its children it does through their `Daemon`; whose process a child is, and the exit code that
it ended with, is as in `hedge.launcher.processes`. A script spans hosts where A and B have each
their own, as one would that works by remote shells.
"""

import asyncio
import contextlib
import json
import math
from dataclasses import replace
from typing import Any

from hedge.core.amounts import MarketSpec
from hedge.errors import RedisUnreachableError
from hedge.exchange.port import ORDER_LIFE_S
from hedge.launcher import decisions
from hedge.operator.status import Report, SideView, report
from hedge.wire.control import Halt, Halts
from tests.judge.facts import Claim, Said
from tests.simulation.bus import NAMES, SimMessenger, SimRedis
from tests.simulation.daemon import KILLED, TIMING, Daemon, World, bind, connect
from tests.simulation.exchange import SPEC, SPECS, START_MS, A, B
from tests.simulation.host import Host
from tests.simulation.loop import Process
from tests.simulation.redis_server import Unwritten

ALREADY_RUNNING = decisions.REFUSED
NEUTRAL_WORDS = ("Neutral:", "Both ended neutral", "B ended neutral")
POLL_S = decisions.POLL_S
TICK_S = 0.001
COVER_TIMEOUT_S = 20.0
"""As much shorter than the product's as the other times of a schedule are."""


async def look(
    messenger: SimMessenger, offset_lots: int, epoch_s: float = 0.0, ping_id: str = ""
) -> Report:
    """Read the pair's state, as a tool does. Raises RedisUnreachableError."""
    _learn_market(messenger)
    found = report(await messenger.read_state(), SPEC, A, B, now_s=epoch_s, ping_id=ping_id)
    return replace(found, offset_lots=offset_lots)


def _learn_market(messenger: SimMessenger) -> None:
    """Read what stands there of the market that it names, as `PairState` learns it each time."""
    scope = messenger.scope
    spec = market_told(messenger.redis) or scope.spec
    if spec is not scope.spec:
        bind(messenger, replace(scope, spec=spec))


def market_told(redis: SimRedis) -> MarketSpec | None:
    """Return the market that the pair's values name, None where none names one."""
    for name in (NAMES.ready_b, NAMES.ready_a, NAMES.ledger, NAMES.position_b, NAMES.position_a):
        held = redis.master.held(name)
        if held is None:
            continue
        if isinstance(held, Unwritten):
            index = held.scope.spec.market_index
        else:
            try:
                index = json.loads(held)["market_index"]
            except (ValueError, LookupError, TypeError):
                continue
        return next((one for one in SPECS.values() if one.market_index == index), None)
    return None


def lots_told(view: SideView) -> int | None:
    """Return the position that a report names for a side."""
    last = view.known.last_known
    return None if last is None else last.position_lots


class Child:
    """One process of a daemon, as the script knows it that started or found it."""

    def __init__(self, daemon: Daemon, process: Process | None) -> None:
        """`process` None: the start was refused, since one runs there already."""
        self.daemon, self._process = daemon, process

    @property
    def process(self) -> Process | None:
        """Its process; one that started anew goes on in it."""
        while self._process is not None and self._process.heir is not None:
            self._process = self._process.heir
        return self._process

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.process is None:
            return ALREADY_RUNNING
        return self.process.code

    @property
    def runs(self) -> bool:
        return self.code is None and self.daemon.process is self.process

    def ask(self) -> None:
        """SIGTERM."""
        if self.runs:
            self.daemon.stop()


class Script:
    """One run of the start or stop script."""

    def __init__(
        self,
        launcher: "Launcher",
        name: str,
        begun: decisions.Step,
        children: dict[str, Child],
    ) -> None:
        """Perform what a beginning decided; `children` are what an earlier command started."""
        self.launcher, self.name = launcher, name
        self.world: World = launcher.world
        self.process = Process(name)
        self.children = children
        self.is_detached = begun[0].plan.detach
        self._is_stop = begun[0].goal is decisions.Goal.SCRIPT
        self._told: set[Child] = set()
        self._first_s: float | None = None
        self._is_signalled = False
        self.last_words = ""
        self._waits: asyncio.Future[None] | None = None
        self.messenger = connect(self.world, launcher.host, self.process, f"{name} tool")
        self.state, effects = begun
        self._perform(effects)
        work = self._run()
        self._task = self.world.loop.create_task(work, context=self.process.context)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was killed."""
        return self.process.dead

    @property
    def is_stuck(self) -> bool:
        """Whether it watches a pair of which it does not start one daemon again."""
        ones = (self.state.a, self.state.b)
        down = any(one is not None and not (one.runs or one.is_coming) for one in ones)
        return down and self.state.phase is decisions.Phase.WATCHING and not self.is_over

    # --- what is seen

    async def _run(self) -> None:
        try:
            while self.state.code is None:
                phase = self.state.phase
                await self._see()
                if self.state.phase is phase and self.state.code is None:
                    await self._doze()
        except asyncio.CancelledError:
            return
        self._finish()

    async def _see(self) -> None:
        now_s = self.world.loop.time()
        if self._first_s is not None and not self._is_signalled:
            self._is_signalled = True
            self._post(decisions.Signalled(now_s))
        for name, child in list(self.children.items()):
            if child.code is not None and child not in self._told:
                self._told.add(child)
                self._post(decisions.Ended(now_s, name, child.code, child.daemon.ended))
        if now_s >= self.state.look_at_s:
            self._post(await self._look(now_s))
        self._post(decisions.Ticked(self.world.loop.time()))

    async def _look(self, now_s: float) -> decisions.Looked:
        host_id = self.launcher.daemons[decisions.B].host.host_id
        try:
            found = await look(self.messenger, self.world.settings.offset_lots, self._epoch_s())
            return decisions.Looked(now_s, found, host_id)
        except RedisUnreachableError:
            return decisions.Looked(now_s, None, host_id)

    def _epoch_s(self) -> int:
        skew_ms = self.launcher.daemons[decisions.B].host.skew_ms
        return (START_MS + skew_ms + self.world.loop.now_ms) // 1000

    async def _doze(self) -> None:
        """Sleep until something is due or happens; the real script looks every POLL_S."""
        loop = self.world.loop
        due_s = self.state.due_s
        self._waits = loop.create_future()
        if due_s < math.inf:
            loop.call_at(max(due_s, loop.time()) + TICK_S, self.wake, context=self.process.context)
        await self._waits
        await asyncio.sleep(self.world.dice.uniform(0, POLL_S))

    def wake(self) -> None:
        """Look now: something has happened."""
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    # --- what is done

    def _post(self, event: decisions.Event) -> None:
        self.state, effects = self.world.tools.decide(self.state, event)
        self._perform(effects)

    def _perform(self, effects: tuple[decisions.Effect, ...]) -> None:
        for effect in effects:
            self._do(effect)

    def _do(self, effect: decisions.Effect) -> None:
        match effect:
            case decisions.Say(text) | decisions.Complain(text):
                self._say(text)
            case decisions.Start(name):
                self._start(name)
            case decisions.Ask(name):
                self.children[name].ask()
            case decisions.Halt(name, reason, detail):
                self._halt(name, reason, detail)
            case decisions.Started() | decisions.Running() | decisions.Release():
                pass
            case decisions.KillAll():
                raise AssertionError("nothing is killed where the exchange goes on")

    def _halt(self, name: str, reason: str, detail: str) -> None:
        """Halt the pair in the file of a dead daemon's host, then in Redis."""
        daemon, now_s = self.launcher.daemons[name], self.world.loop.time()
        halt = Halt(
            id=f"{self.name}-{now_s:.3f}-{reason}",
            side=daemon.side,
            reason=reason,
            detail=detail,
            timestamp=int(now_s),
        )
        halts = Halts(halts=(halt,))
        daemon.host.halts[daemon.side] = daemon.host.halts[daemon.side].union(halts)

        async def publish() -> None:
            with contextlib.suppress(RedisUnreachableError):
                await self.messenger.write_halts(halts)

        self.world.loop.create_task(publish(), context=self.process.context)

    def _start(self, name: str) -> None:
        leaves = name == decisions.LEAVE
        daemon = self.launcher.daemons[decisions.A if leaves else name]
        process = daemon.process if daemon.start(leaves=leaves) else None
        self.children[name] = Child(daemon, process)
        if process is not None:
            process.on_end.append(self._hear_end)

    def _hear_end(self) -> None:
        """Be woken by the end of a child, a moment later: the real script polls."""
        if not self.process.dead:
            self.world.loop.call_soon(self.wake, context=self.process.context)

    def _say(self, text: str) -> None:
        self.last_words = text
        if self.world.say is not None:
            self.world.say(self.name, text)
        if text.removeprefix("Stopped. ").startswith(NEUTRAL_WORDS):
            self._claim(Claim.LAUNCHER_NEUTRAL, text)

    def _claim(self, claim: Claim, text: str) -> None:
        found, code = self.state.report, self.state.code
        a_lots = b_lots = None
        if found is not None and found.positions_text in self.last_words:
            a_lots, b_lots = lots_told(found.a), lots_told(found.b)
        self.launcher.said.append(
            Said(
                self.world.loop.time(),
                self.name,
                claim,
                text,
                code,
                a_lots=a_lots,
                b_lots=b_lots,
            )
        )

    # --- the end

    def _finish(self) -> None:
        """End by itself; what still runs goes on, or is told by the kernel."""
        assert self.state.code is not None
        if self.state.code == 0:
            self._claim(Claim.LAUNCHER_CODE_0, f"{self.name} ended with 0")
        self._leave(self.state.code)

    def _leave(self, code: int) -> None:
        if self.process.dead:
            return
        self.process.end(code)
        if self.messenger in self.world.redis.clients:
            self.world.redis.clients.remove(self.messenger)
        self._task.cancel()
        if self.world.say is not None:
            self.world.say(self.name, f"*** ended with exit code {code}")

    def signal(self) -> bool:
        """SIGTERM or Ctrl-C; whether it was heard."""
        if self.process.dead:
            return False
        now_s, told = self.world.loop.time(), self.state.is_told
        match decisions.answer_to_signal(self._first_s, now_s, told=told):
            case decisions.Answer.LEAVE:
                self._post(decisions.SignalledAgain(now_s))
                self._finish()
                self._tell_orphans()
            case decisions.Answer.STOP:
                self.ask()
        return True

    def ask(self) -> None:
        """Ask it to stop the pair, by a signal or from another console."""
        if self._first_s is None:
            self._first_s = self.world.loop.time()
            self.world.loop.call_soon(self.wake, context=self.process.context)

    def kill(self, *, orphans_are_told: bool) -> bool:
        """SIGKILL; on Linux the kernel then sends SIGTERM to every child that was not detached."""
        if self.process.dead:
            return False
        self._leave(KILLED)
        if orphans_are_told:
            self._tell_orphans()
        return True

    def _tell_orphans(self) -> None:
        """Let the kernel ask what this script started."""
        if not (self.is_detached or self._is_stop):
            for child in self.children.values():
                child.ask()


class Launcher:
    """Where the scripts of one pair run: its daemons, and what was said."""

    def __init__(self, world: World, a: Daemon, b: Daemon, host: Host) -> None:
        self.world, self.host = world, host
        self.daemons = {decisions.A: a, decisions.B: b}
        self.said: list[Said] = []
        """What scripts and tools of this pair claimed."""
        self.runs: list[Script] = []

    def _plan(self, **asked: Any) -> decisions.Plan:
        return decisions.Plan(
            patience_s=TIMING.stop_timeout_s + decisions.STOP_MARGIN_S,
            patience_b_s=TIMING.stop_timeout_s + decisions.STOP_MARGIN_S,
            cover_timeout_s=COVER_TIMEOUT_S,
            order_life_s=ORDER_LIFE_S + decisions.GONE_S + decisions.VIEW_LAG_S,
            **asked,
        )

    def living(self) -> dict[str, Child]:
        """Return the daemons whose locks are held."""
        found = {name: Child(one, one.process) for name, one in self.daemons.items()}
        return {name: child for name, child in found.items() if child.runs}

    # --- scripts

    @property
    def running(self) -> Script | None:
        """The start script that runs, if one does."""
        alive = [one for one in self.runs if not one.is_over and not one._is_stop]
        return alive[-1] if alive else None

    @property
    def is_busy(self) -> bool:
        """Whether any script runs."""
        return any(not one.is_over for one in self.runs)

    def start(self, *, detach: bool = False) -> Script | None:
        """Run the start script; None where it refuses, since the pair runs on this host."""
        refusal = decisions.refusal_to_start(dict.fromkeys(self.living()))
        if refusal is not None or self.is_busy:
            self._refused("start", refusal or "the pair is just being started or stopped")
            return None
        plan, now_s = self._plan(detach=detach), self.world.loop.time()
        return self._add("start", decisions.begin_start(plan, now_s), {})

    def stop(self) -> Script | None:
        """Run the stop script; None where nothing of the pair runs on this host.

        A script that is at work is asked, and does it.
        """
        busy = [one for one in self.runs if not one.is_over]
        if busy:
            busy[-1].ask()
            return busy[-1]
        living = self.living()
        if not living:
            self._refused("stop", decisions.NOTHING_RUNS)
            return None
        begun = decisions.begin_stop(self._plan(), dict.fromkeys(living), self.world.loop.time())
        script = self._add("stop", begun, living)
        for child in living.values():
            assert child.process is not None
            child.process.on_end.append(script._hear_end)
        return script

    def _add(self, name: str, begun: decisions.Step, children: dict[str, Child]) -> Script:
        script = Script(self, f"{name}{len(self.runs)}", begun, children)
        self.runs.append(script)
        return script

    def _refused(self, name: str, text: str) -> None:
        if self.world.say is not None:
            self.world.say(name, text)
