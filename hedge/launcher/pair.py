"""Both daemons as children: B first, A once B can hedge; A stops first, B once all is covered."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

from hedge.config.schema import Config
from hedge.daemon.host_store import HostState
from hedge.errors import HedgeError, NotNeutralError, UnreachableError
from hedge.launcher.options import DEFAULT_QUANTITY, Options
from hedge.launcher.processes import ROOT, Child, ChildDiedError, Running, Supervisor
from hedge.operator.pair_client import PairReader
from hedge.operator.status import Report

READY_TIMEOUT_S = 90.0
_TELL_EVERY_S = 10.0
COVER_TIMEOUT_S = 60.0
_STATE_POLL_S = 0.5
_STOP_MARGIN_S = 5.0


class StoppedEarlyError(Exception):
    """The user asked to stop while the pair was still starting."""


class StartError(HedgeError):
    """A daemon that did not become ready in time."""


class Pair:
    """The two daemons of one configuration, their logs on the terminal."""

    def __init__(
        self,
        supervisor: Supervisor,
        config: Config,
        config_path: Path,
        out_dir: Path,
        cover_timeout_s: float = COVER_TIMEOUT_S,
    ) -> None:
        """`out_dir` gets what the daemons print. Raises RedisUnreachableError."""
        self._cover_timeout_s = cover_timeout_s
        self.supervisor = supervisor
        self.config = config
        self.a: Child | Running | None = None
        self.b: Child | Running | None = None
        self.detached = False
        self._config_path = config_path
        self._out_dir = out_dir
        self._reader = PairReader(config)
        self._halt_told: str | None = None

    def close(self) -> None:
        """Close the connection to Redis; the daemons are the supervisor's."""
        self._reader.close()

    # --- start

    def start(self, options: Options) -> None:
        """Start B, wait until it can hedge, start A (unless only B is wanted).

        Raises ChildDiedError, StoppedEarlyError, NotNeutralError (a halt is in force) or
        StartError.
        """
        say = self.supervisor.say
        self.detached = options.detach
        say("Starting B (the hedger) ...")
        self.b = self._spawn("main_B", [])
        self._wait_for_b()
        if options.only_b:
            say("B is ready to hedge what is published by hand.")
            return
        say("B is ready to hedge. Starting A (the maker) ...")
        self.a = self._spawn("main_A", self._maker_arguments(options))

    def _maker_arguments(self, options: Options) -> list[str]:
        """Return size and level of A's orders: the command line's, else the configuration's."""
        strategy = self.config.strategy
        quantity = options.quantity or strategy.quantity or DEFAULT_QUANTITY
        return ["--quantity", str(quantity), "--depth", str(options.depth or strategy.depth)]

    def _spawn(self, name: str, arguments: list[str]) -> Child:
        command = [sys.executable, f"{name}.py", "--market", self.config.market, *arguments]
        command += ["--config", str(self._config_path)]
        log = self._log(name)
        self.supervisor.follow(log, self.supervisor.prefix(name[-1]))
        child = Child(
            name,
            command,
            output=self._out_dir / f"{name}.out",
            log=log,
            detached=self.detached,
        )
        return self.supervisor.add(child)

    def _log(self, name: str) -> Path:
        return ROOT / self.config.logging.dir / f"{name}.log"

    def _wait_for_b(self) -> None:
        """Return once B can hedge, telling what it waits for, and which B it is."""
        last: list[Report] = []

        def ready() -> bool:
            found = self.report()
            if found is not None:
                last[:] = [found]
                if found.is_halted and found.b.beat is not None:
                    raise NotNeutralError(found.headline)
            return found is not None and found.b.is_ready

        why, waited_s = "", 0.0
        while waited_s < READY_TIMEOUT_S:
            if self.supervisor.wait(ready, _TELL_EVERY_S, every_s=_STATE_POLL_S):
                if other := self._other_leader(last[0]):
                    self.supervisor.say(f"{other}, so it is that one that hedges; ours stands by.")
                return
            if self.supervisor.signals.requested:
                raise StoppedEarlyError
            waited_s += _TELL_EVERY_S
            why = self._why_b_waits(last[0] if last else None)
            self.supervisor.say(f"B is not ready after {waited_s:g} s: {why} ...")
        log = self._log("main_B")
        msg = f"B did not become ready within {READY_TIMEOUT_S:g} s: {why}; see {log}."
        raise StartError(msg)

    def _why_b_waits(self, found: Report | None) -> str:
        if found is None:
            return "its state in Redis cannot be read"
        other = self._other_leader(found)
        return f"{other}; {found.b.why_not_ready}" if other else found.b.why_not_ready

    def _other_leader(self, found: Report) -> str:
        """Say that a B of another host leads; empty where this host's does, or none."""
        config, lease = self.config, found.b.lease
        account = config.accounts.account_b
        state = HostState(
            ROOT / config.state.dir,
            config.lighter.chain_id,
            account.account_index,
            account.api_key_index,
        )
        if lease is None or lease.host == (state.read("host") or {}).get("host_id"):
            return ""
        return f"another main_B.py (host id {lease.host}) leads account B"

    def report(self) -> Report | None:
        """Return the pair's state, None while Redis does not answer."""
        try:
            return self._reader.report()
        except UnreachableError:
            return None

    # --- run

    def run_until_stopped(self, enough: Callable[[], bool] | None = None) -> int:
        """Show the logs and say when the pair halts, until a stop request or `enough()`.

        Stops the pair and returns the exit code. With `enough` a halt ends the run too.
        """

        def done() -> bool:
            halted = self._tell_halt()
            return enough is not None and (halted or enough())

        died: ChildDiedError | None = None
        try:
            self.supervisor.wait(done, math.inf, every_s=_STATE_POLL_S)
        except ChildDiedError as error:
            died = error
            self._tell_death(error)
        code = self.stop_and_judge()
        return max(died.code, 1) if died is not None and died.code != 0 else code

    def _tell_halt(self) -> bool:
        """Say once per halt that it is there, and once that it is gone; whether one is in force."""
        found = self.report()
        if found is None:
            return self._halt_told is not None
        halt_id = found.halt.id if found.halt is not None and found.is_halted else None
        if halt_id is not None and halt_id != self._halt_told:
            self.supervisor.say(found.headline)
        if halt_id is None and self._halt_told is not None:
            self.supervisor.say("Resumed.")
        self._halt_told = halt_id
        return halt_id is not None

    def _tell_death(self, death: ChildDiedError) -> None:
        if death.code == 0:
            self.supervisor.say(f"{death.child.name} was stopped from outside.")
            return
        self.supervisor.say(str(death))
        for line in death.child.tail():
            self.supervisor.say(f"    {line}")

    # --- stop

    def stop_and_judge(self) -> int:
        """Stop both and return 0, or 5 if it is not certain that all is covered and not halted.

        Without A there is nothing to be covered.
        """
        last = self.stop()
        if self.a is None:
            return 0
        if last is None:
            self.supervisor.say("Redis does not answer: whether all is hedged is not known.")
            return NotNeutralError.exit_code
        if not last.is_halted and not last.is_covered and self._ended_cleanly:
            self.supervisor.say(f"Both ended neutral; last written: {last.positions_text}.")
            return 0
        self.supervisor.say(last.headline if last.is_halted else last.balance)
        return 0 if last.is_covered and not last.is_halted else NotNeutralError.exit_code

    @property
    def _ended_cleanly(self) -> bool:
        """Whether both ended with code 0, which a daemon does only when all is covered.

        B's last ledger answers nothing any more, so after its end this is the better witness.
        """
        children = (self.a, self.b)
        return all(isinstance(child, Child) and child.poll() == 0 for child in children)

    def stop(self) -> Report | None:
        """Stop A, wait until its fills are covered, stop B; return the last state read."""
        last = self.stop_a()
        self.stop_b()
        return last

    def stop_a(self) -> Report | None:
        """Stop A and wait until B has covered everything; return the last state read."""
        if self.a is not None:
            if self.a.poll() is None:
                self.supervisor.say("Stopping A: no new orders, resting ones cancelled ...")
            self.supervisor.stop(self.a, self._patience_s)
            return self._wait_until_covered()
        return self.report()

    def stop_b(self) -> None:
        """Stop B."""
        if self.b is not None and self.b.poll() is None:
            self.supervisor.say("Stopping B ...")
            self.supervisor.stop(self.b, self._patience_s)

    @property
    def _patience_s(self) -> float:
        return self.config.timing.stop_timeout_s + _STOP_MARGIN_S

    def _wait_until_covered(self) -> Report | None:
        last: list[Report] = []

        def done() -> bool:
            found = self.report()
            if found is not None:
                last[:] = [found]
            b_is_gone = self.b is None or self.b.poll() is not None
            return b_is_gone or (found is not None and found.is_covered)

        if not self.supervisor.wait_anyway(done, self._cover_timeout_s, every_s=_STATE_POLL_S):
            open_points = ", ".join(last[0].uncovered) if last else "Redis does not answer"
            self.supervisor.say(f"Not covered after {self._cover_timeout_s:g} s: {open_points}.")
        return last[0] if last else None
