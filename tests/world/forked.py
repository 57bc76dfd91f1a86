"""The processes of a test: copies of one warm process per test worker, or new interpreters.

A new interpreter spends most of a second on imports before the first line that a test is about.
Once `start_forking` was called, daemons, exchanges and commands are copies of a process that has
the imports behind it (`tests.world.warm`): processes of their own, but for the imports. Without it,
as in chaos, the bench and the acceptance run, they are started as users start them. The tests of
the scripts start new interpreters.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from hedge.launcher.processes import ROOT, Child
from hedge.launcher.world import spawn_daemon
from tests.waiting import POLL_S
from tests.world.processes import keep_process
from tests.world.warm import ENTRY_POINTS, Warm

MODULES = (*ENTRY_POINTS, "paper.server", "uvloop")

_state = contextlib.ExitStack()
_warm: list[Warm] = []
_is_on = False


def start_forking() -> None:
    """Let processes be copies from now on, where the system has copies of processes."""
    global _is_on  # noqa: PLW0603  one switch for one test run
    _is_on = hasattr(os, "fork")


def stop_forking() -> None:
    """End the process that is copied."""
    global _is_on  # noqa: PLW0603
    _is_on = False
    _warm.clear()
    _state.close()


def warm() -> Warm | None:
    """Return the process to copy, None where new interpreters are wanted."""
    if _is_on and not _warm:
        folder = Path(_state.enter_context(tempfile.TemporaryDirectory(prefix="warm-")))
        one = _state.enter_context(Warm(ROOT, folder / "commands", MODULES, dict(os.environ)))
        keep_process(one.pid)
        _warm.append(one)
    return _warm[0] if _is_on else None


class Copy(Child):
    """A child that is a copy of the warm process: the same calls, the same signals."""

    def __init__(self, name: str, warm: Warm, command: Sequence[str], output: Path) -> None:
        """Start `python COMMAND` in the program's directory."""
        self.name = name
        self.output = output
        self.log = None
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(b"")
        self._command = warm.start(*command, output=output, variables=os.environ)
        self._pid = self._command.begun()
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._pid

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self._code is None:
            self._code = self._command.code
        return self._code

    def kill(self) -> None:
        """End it at once and wait until it is gone."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        while self.poll() is None:
            time.sleep(POLL_S)


def daemon(side: str, config: Path, output: Path, extra: Iterable[str] = ()) -> Child:
    """Start main_A.py or main_B.py (`side` "a" or "b"); `output` gets what it prints."""
    source = warm()
    if source is None:
        return spawn_daemon(side, config, output, extra)
    name = f"main_{side.upper()}"
    return Copy(name, source, [f"{name}.py", "--config", str(config), *extra], output)


def run(*arguments: str, timeout_s: float, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in the program's directory, and return its exit code and output.

    `environment` is added to ours. Raises subprocess.TimeoutExpired, and ends it then.
    """
    source, variables = warm(), {**os.environ, **environment}
    if source is None:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    command = source.start(*arguments, variables=variables)
    pid = command.begun()
    deadline = time.monotonic() + timeout_s
    while (result := command.result) is None:
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, timeout_s)
        time.sleep(POLL_S)
    return subprocess.CompletedProcess(arguments, result.code, result.out, result.err)
