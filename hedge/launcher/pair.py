"""Both daemons as children: performs what `decisions` decides, and posts what it sees."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import assert_never

from hedge.config.schema import Config
from hedge.daemon.host_store import HostState
from hedge.errors import UnreachableError
from hedge.launcher import decisions
from hedge.launcher.options import DEFAULT_QUANTITY, Options
from hedge.launcher.processes import ROOT, Child, Running, StopNow, Supervisor
from hedge.operator.pair_client import PairReader
from hedge.operator.status import Report


class StoppedEarlyError(Exception):
    """The user asked to stop while the pair was still starting."""


def _nothing() -> None:
    """Do nothing at this moment of a start or stop."""


class Pair:
    """The two daemons of one configuration, their logs on the terminal."""

    _state: decisions.State

    def __init__(
        self,
        supervisor: Supervisor,
        config: Config,
        config_path: Path,
        out_dir: Path,
        cover_timeout_s: float = decisions.COVER_TIMEOUT_S,
    ) -> None:
        """`out_dir` gets what the daemons print. Raises RedisUnreachableError."""
        self.supervisor = supervisor
        self.config = config
        self.daemons: dict[str, Child | Running] = {}
        self._cover_timeout_s = cover_timeout_s
        self._config_path = config_path
        self._out_dir = out_dir
        self._reader = PairReader(config)
        self._arguments: dict[str, list[str]] = {}
        self._detached = False
        self._enough: Callable[[], bool] | None = None
        self._on_started = self._on_stopped = _nothing
        self._told: set[str] = set()
        self._is_signalled = False

    def close(self) -> None:
        """Close the connection to Redis; the daemons are the supervisor's."""
        self._reader.close()

    # --- start and stop

    def run(
        self,
        options: Options,
        on_started: Callable[[], None] = _nothing,
        enough: Callable[[], bool] | None = None,
    ) -> int:
        """Start the pair, watch it until a stop request or `enough()`, stop it.

        Return the exit code; with `--detach` once A lives. Whatever goes wrong meanwhile stops
        what was started, in order. Raises StopNow.
        """
        self._on_started, self._enough = on_started, enough
        self._arguments = {decisions.A: self._maker_arguments(options), decisions.B: []}
        self._detached = options.detach
        self._state, effects = decisions.begin_start(self._plan(options), time.monotonic())
        try:
            self._perform(effects)
            return self._drive()
        except Exception:
            self._post(decisions.Broke(time.monotonic(), frozenset(self.daemons)))
            self._drive()
            raise

    def stop(self, living: Mapping[str, Running], on_stopped: Callable[[], None]) -> int:
        """Stop in order what an earlier command started; return the exit code. Raises StopNow."""
        self.daemons.update(living)
        self._on_stopped = on_stopped
        pids = {name: one.pid for name, one in living.items()}
        self._state, effects = decisions.begin_stop(self._plan(None), pids, time.monotonic())
        self._perform(effects)
        return self._drive()

    def _plan(self, options: Options | None) -> decisions.Plan:
        config = options.config if options is not None else None
        return decisions.Plan(
            patience_s=self.config.timing.stop_timeout_s + decisions.STOP_MARGIN_S,
            cover_timeout_s=self._cover_timeout_s,
            detach=options is not None and options.detach,
            only_b=options is not None and options.only_b,
            ends_on_halt=self._enough is not None,
            log_b=str(self._log(decisions.B)),
            log_dir=self.config.logging.dir,
            config_option="" if config in (None, Path("config.yaml")) else f" --config {config}",
        )

    # --- what is seen

    def _drive(self) -> int:
        """Post what happens until it is over; return the exit code."""
        try:
            while self._state.code is None:
                phase = self._state.phase
                self._see()
                if self._state.phase is phase:
                    time.sleep(decisions.POLL_S)
        except StopNow:
            self._post(decisions.SignalledAgain(time.monotonic()))
            raise
        return self._state.code

    def _see(self) -> None:
        """Look once at signals, logs, children, Redis and the clock."""
        if self.supervisor.signals.requested and not self._is_signalled:
            self._is_signalled = True
            self._post(decisions.Signalled(time.monotonic()))
        self.supervisor.pump()
        for event in self._deaths():
            self._post(event)
        now_s = time.monotonic()
        if now_s >= self._state.look_at_s:
            self._post(self._look(now_s))
        self._post(decisions.Ticked(now_s))

    def _deaths(self) -> list[decisions.Ended]:
        """Return what ended since the last call: children, and what an earlier command started."""
        watched = [*self.supervisor.children, *self.daemons.values()]
        found = []
        for one in watched:
            code = one.poll()
            if code is None or one.name in self._told:
                continue
            self._told.add(one.name)
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
            own_host=self._own_host() if phase is decisions.Phase.WAITING_FOR_B else None,
            enough=is_watching and self._enough is not None and self._enough(),
        )

    def report(self) -> Report | None:
        """Return the pair's state, None while Redis does not answer."""
        try:
            return self._reader.report()
        except UnreachableError:
            return None

    def _own_host(self) -> str | None:
        """Return this host's id as its B keeps it, None before the first start."""
        config = self.config
        account = config.accounts.account_b
        state = HostState(
            ROOT / config.state.dir,
            config.lighter.chain_id,
            account.account_index,
            account.api_key_index,
        )
        return (state.read("host") or {}).get("host_id")

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
                print(text, file=sys.stderr)
            case decisions.Start(name):
                self.daemons[name] = self._spawn(name)
            case decisions.Ask(name):
                self.daemons[name].ask_to_stop()
            case decisions.Kill(name):
                self.daemons[name].kill()
            case decisions.KillAll():
                self.supervisor.kill_all()
            case decisions.Started():
                self._on_started()
            case decisions.Release():
                self.supervisor.release()
            case decisions.Stopped():
                self._on_stopped()
            case _:
                assert_never(effect)

    def _spawn(self, name: str) -> Child:
        command = [sys.executable, f"{name}.py", "--market", self.config.market]
        command += [*self._arguments[name], "--config", str(self._config_path)]
        log = self._log(name)
        self.supervisor.follow(log, self.supervisor.prefix(name[-1]))
        child = Child(
            name,
            command,
            output=self._out_dir / f"{name}.out",
            log=log,
            detached=self._detached,
        )
        return self.supervisor.add(child)

    def _maker_arguments(self, options: Options) -> list[str]:
        """Return size and level of A's orders: the command line's, else the configuration's."""
        strategy = self.config.strategy
        quantity = options.quantity or strategy.quantity or DEFAULT_QUANTITY
        return ["--quantity", str(quantity), "--depth", str(options.depth or strategy.depth)]

    def _log(self, name: str) -> Path:
        return ROOT / self.config.logging.dir / f"{name}.log"
