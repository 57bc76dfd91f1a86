"""Both daemons as children: performs what `decisions` decides, and posts what it sees."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from hedge.bus.diagnosis import where
from hedge.config.load import load_config
from hedge.config.schema import LONGEST_STOP_S, Config
from hedge.daemon import host_os
from hedge.daemon.host_os import commands_for
from hedge.daemon.host_store import HostState
from hedge.daemon.order_requests import order_life_s
from hedge.errors import (
    AlreadyRunningError,
    HedgeError,
    RedisUnreachableError,
    UnreachableError,
)
from hedge.launcher import decisions
from hedge.launcher.aside import Aside, StillBusyError
from hedge.launcher.options import DEFAULT_QUANTITY, Options
from hedge.launcher.processes import ROOT, Child, Running, StopNow, Supervisor
from hedge.operator.pair_client import PairReader
from hedge.operator.status import Report
from hedge.wire.control import Halt, Halts

_LOOK_UP_S = 5.0
"""So long may the look-up of a name take on top of what Redis may."""
CLOSE_S = 2.0


class StoppedEarlyError(Exception):
    """The user asked to stop while the pair was still starting."""


def _nothing() -> None:
    """Do nothing at this moment of a start or stop."""


def _with_code(_code: int) -> None:
    """Do nothing with this exit code."""


def _never() -> bool:
    """Say that no other console asks."""
    return False


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a run does at its moments.

    `on_started`: all is started; `on_running`: the pair runs, with this exit code for who waits;
    `enough`: what the run is for is reached; `asked`: another console asked for a stop.
    """

    on_started: Callable[[], None] = _nothing
    on_running: Callable[[int], None] = _with_code
    enough: Callable[[], bool] | None = None
    asked: Callable[[], bool] = _never


class Pair:
    """The two daemons of one configuration, their logs on the terminal."""

    _state: decisions.State

    def __init__(
        self,
        supervisor: Supervisor,
        config: Config,
        config_path: Path,
        out_dir: Path,
        *,
        hooks: Hooks | None = None,
        play_cover_s: float | None = None,
    ) -> None:
        """`out_dir` gets what the daemons print.

        `play_cover_s` is set where the exchange ends with the run: how long B may need to cover.
        """
        self.supervisor = supervisor
        self.config = config
        self.daemons: dict[str, Child | Running] = {}
        self._hooks = hooks or Hooks()
        self._play_cover_s = play_cover_s
        self._config_path = config_path
        self._out_dir = out_dir
        self._reader: PairReader | None = None
        self._asking = Aside("redis")
        self._arguments: dict[str, list[str]] = {}
        self._detached = False
        self._commands = commands_for(config.file)
        self._told: set[Child | Running] = set()
        self._is_signalled = False
        self._listen_at_s = 0.0

    def close(self) -> None:
        """Close the connection to Redis; the daemons are the supervisor's."""
        if self._reader is not None:
            with contextlib.suppress(StillBusyError):
                self._asking.call(self._reader.close, CLOSE_S)

    # --- start and stop

    def run(self, options: Options) -> int:
        """Start the pair, watch it until a stop request or enough, stop it; return the exit code.

        Whatever goes wrong meanwhile stops what was started, in order.

        Raises:
            RedisUnreachableError: Redis did not answer before anything was started.
            ConfigError: a daemon would refuse the configuration.
            StoppedEarlyError: a stop was asked for before anything was started.
            AlreadyRunningError: daemons of other accounts run under the names of this pair.
            StopNow: the user asked twice.

        """
        self._commands = commands_for(self.config.file, options.market or "")
        self._reader = self._connected()
        found = self.report()
        if found is not None and found.other_pair:
            raise AlreadyRunningError(f"Not started: {found.other_pair}")
        for side in "ba":  # what a daemon would refuse is refused before one has started
            load_config(self._config_path, side, options.settings)
        self._arguments = {
            decisions.A: self._maker_arguments(options),
            decisions.B: self._hedger_arguments(),
            decisions.LEAVE: ["--leave"],
        }
        self._detached = options.run is not None
        if self._is_asked():
            raise StoppedEarlyError
        self._state, effects = decisions.begin_start(self._plan(options), time.monotonic())
        try:
            self._perform(effects)
            return self._drive()
        except Exception:
            self._post(decisions.Broke(time.monotonic(), frozenset(self.daemons)))
            self._drive()
            raise

    def stop(self, living: Mapping[str, Running]) -> int:
        """Stop in order what runs on this host; return the exit code. Raises StopNow."""
        self.daemons.update(living)
        self._arguments = {decisions.LEAVE: ["--leave"]}
        self._listen_at_s = time.monotonic() + decisions.SILENT_EVERY_S
        pids = {name: one.pid for name, one in living.items()}
        self._state, effects = decisions.begin_stop(self._plan(None), pids, time.monotonic())
        self._perform(effects)
        return self._drive()

    @property
    def has_a_left(self) -> bool:
        """Whether it is shown, after a run or a stop, that nothing of A rests any more."""
        return decisions.has_a_left(self._state)

    def _plan(self, options: Options | None) -> decisions.Plan:
        timing = self.config.timing
        patience_s = timing.stop_timeout_s + decisions.STOP_MARGIN_S
        cover_s, life_s = self._play_cover_s, order_life_s(self.config)
        return decisions.Plan(
            patience_s=patience_s,
            patience_b_s=(
                self._b_timeout_s + decisions.STOP_MARGIN_S if cover_s is None else patience_s
            ),
            cover_timeout_s=decisions.COVER_TIMEOUT_S if cover_s is None else cover_s,
            order_life_s=life_s + decisions.GONE_S + decisions.VIEW_LAG_S,
            detach=self._detached,
            only_b=options is not None and options.only_b,
            ends_on_halt=self._hooks.enough is not None,
            is_play=cover_s is not None,
            log_b=str(self._log(decisions.B)),
            log_dir=self.config.logging.dir,
            commands=self._commands,
            market=self.config.market,
        )

    @property
    def _b_timeout_s(self) -> float:
        """How long B may need to leave: as long as an order of a dead A can fill, and some more."""
        spare_s = max(decisions.COVER_TIMEOUT_S, self.config.timing.stop_timeout_s)
        return order_life_s(self.config) + spare_s

    # --- what is seen

    def _drive(self) -> int:
        """Post what happens until it is over; return the exit code."""
        try:
            while self._state.code is None:
                phase = self._state.phase
                self._see()
                if self._state.phase is phase:
                    time.sleep(decisions.POLL_S)
        except StopNow as stop:
            self._post(decisions.SignalledAgain(time.monotonic()))
            stop.is_told = True
            raise
        self.supervisor.pump()
        return self._state.code

    def _see(self) -> None:
        """Look once at signals, logs, children, Redis and the clock."""
        if self._is_asked() and not self._is_signalled:
            self._is_signalled = True
            self._post(decisions.Signalled(time.monotonic()))
        self.supervisor.pump()
        for event in self._deaths():
            self._post(event)
        now_s = time.monotonic()
        if now_s >= self._state.look_at_s:
            self._post(self._look(now_s))
        self._listen(now_s)
        self._post(decisions.Ticked(now_s))
        self.supervisor.signals.is_told |= self._state.is_told

    def _listen(self, now_s: float) -> None:
        """Look whether what a stop waits for is silent, as a frozen process is."""
        if not decisions.is_stopping(self._state):
            self._listen_at_s = now_s + decisions.SILENT_EVERY_S
        elif now_s >= self._listen_at_s:
            found = self.report()
            pause_s = decisions.RETRY_S if found is None else decisions.SILENT_EVERY_S
            self._listen_at_s = time.monotonic() + pause_s
            if found is not None:
                self._post(decisions.Listened(time.monotonic(), found))

    def _is_asked(self) -> bool:
        """Whether a signal came, or another console asked, that means: stop."""
        if self._hooks.asked():
            self.supervisor.signals.request()
        return self.supervisor.signals.requested

    def _deaths(self) -> list[decisions.Ended]:
        """Return what ended since the last call: children, and what an earlier command started."""
        watched = dict.fromkeys((*self.supervisor.children, *self.daemons.values()))
        self._told.intersection_update(watched)
        found = []
        for one in watched:
            code = one.poll()
            if code is None or one in self._told:
                continue
            self._told.add(one)
            self.supervisor.pump()
            words = (one.last_words(), tuple(one.tail())) if isinstance(one, Child) else ("", ())
            found.append(decisions.Ended(time.monotonic(), one.name, code, *words))
        return found

    def _look(self, now_s: float) -> decisions.Looked:
        phase = self._state.phase
        is_watching = phase is decisions.Phase.WATCHING
        return decisions.Looked(
            now_s,
            self.report(),
            own_host=self._state.own_host or self._own_host(),
            enough=is_watching and self._hooks.enough is not None and self._hooks.enough(),
        )

    def report(self) -> Report | None:
        """Return the pair's state, None while Redis does not answer."""
        try:
            if self._reader is None:  # a stop goes on without Redis
                self._reader = self._connected()
            return self._asking.call(self._reader.report, self._answer_s)
        except (UnreachableError, StillBusyError):
            return None

    def _connected(self) -> PairReader:
        """Return a reader of the pair's state. Raises RedisUnreachableError."""
        try:
            return self._asking.call(
                lambda: PairReader(self.config, self._commands), self._answer_s
            )
        except StillBusyError:
            place = where(self.config.redis)
            raise RedisUnreachableError(f"Redis at {place} does not answer.", place) from None

    @property
    def _answer_s(self) -> float:
        """How long Redis, or the server of its name, may need for one answer."""
        return _LOOK_UP_S + self.config.timing.redis_timeout_s

    def _own_host(self) -> str | None:
        """Return this host's id as its B keeps it, None before the first start."""
        return (self._host_state(decisions.B).read("host") or {}).get("host_id")

    def _host_state(self, name: str) -> HostState:
        config, accounts = self.config, self.config.accounts
        account = accounts.account_b if name == decisions.B else accounts.account_a
        root, chain_id = ROOT / config.state.dir, config.lighter.chain_id
        return HostState(root, chain_id, account.account_index, account.api_key_index)

    # --- what is done

    def _post(self, event: decisions.Event) -> None:
        self._state, effects = decisions.step(self._state, event)
        self._perform(effects)

    def _perform(self, effects: tuple[decisions.Effect, ...]) -> None:
        for effect in effects:
            self._do(effect)

    def _do(self, effect: decisions.Effect) -> None:
        match effect:
            case decisions.Say(text):
                self.supervisor.pump()
                self.supervisor.say(text)
            case decisions.Complain(text):
                self.supervisor.pump()
                self.supervisor.terminal.complain(text)
            case decisions.Start(name):
                child = self.daemons[name] = self._spawn(name)
                self._state = decisions.spawned(self._state, name, child.pid)
            case decisions.Ask(name):
                self.daemons[name].ask_to_stop()
            case decisions.Halt(name, reason, detail):
                self._halt(name, reason, detail)
            case decisions.KillAll():
                self.supervisor.kill_all()
            case decisions.Started():
                self._hooks.on_started()
            case decisions.Running(code):
                self._hooks.on_running(code)
            case decisions.Release():
                self.supervisor.release()
            case _:
                assert_never(effect)

    def _halt(self, name: str, reason: str, detail: str) -> None:
        """Halt the pair for a daemon that is dead: in its host file, then in Redis."""
        now_s = int(time.time())
        side = name[-1].lower()
        halt = Halt(
            id=f"launcher-{os.getpid()}-{now_s}-{reason}",
            side=side,
            reason=reason,
            detail=detail,
            timestamp=now_s,
        )
        try:
            with self._host_state(name) as host:
                is_stored = host.write_halts(host.read_halts().union(Halts(halts=(halt,))))
                why = "" if is_stored else host.halts_problem or "its disk does not answer"
        except HedgeError as error:
            why = str(error)
        if why:
            self.supervisor.terminal.complain(f"The halt is not in {name}'s host file: {why}")
        reader = self._reader
        try:
            if reader is not None:
                self._asking.call(lambda: reader.add_halt(halt), self._answer_s)
        except (UnreachableError, StillBusyError) as error:
            why = str(error) or "it has not answered"
            self.supervisor.terminal.complain(f"The halt is not in Redis yet: {why}")

    def _spawn(self, name: str) -> Child:
        side = decisions.A if name == decisions.LEAVE else name
        command = [sys.executable, f"{side}.py", "--market", self.config.market]
        command += [*self._arguments[name], "--config", str(self._config_path)]
        log = self._log(side)
        if not self._detached:
            self.supervisor.follow(log, self.supervisor.prefix(side[-1]))
        child = Child(
            name,
            command,
            output=self._out_dir / f"{name.replace(' --', '-')}.out",
            log=log,
            detached=self._detached,
            directory=self._host_state(side).path,
            is_spared=self._play_cover_s is None,
            variables={host_os.LOG_ONLY: "1"},  # its log is followed; nothing is kept twice
        )
        former = self.daemons.get(name)
        if isinstance(former, Child) and former in self.supervisor.children:
            self.supervisor.children.remove(former)
        return self.supervisor.add(child)

    def _hedger_arguments(self) -> list[str]:
        if self._play_cover_s is not None:
            return []
        return ["--stop-timeout-s", f"{min(self._b_timeout_s, LONGEST_STOP_S):.15g}"]

    def _maker_arguments(self, options: Options) -> list[str]:
        """Return the options for size and level of A's orders that its configuration lacks."""
        default = None if self.config.strategy.quantity else DEFAULT_QUANTITY
        given = {"--quantity": options.quantity or default, "--depth": options.depth}
        return [part for name, value in given.items() if value for part in (name, str(value))]

    def _log(self, name: str) -> Path:
        return ROOT / self.config.logging.dir / f"{name}.log"
