"""Run the entry points of a checkout in copies of one process that has imported them.

Importing `main_A` takes most of a second, and the tests start hundreds of processes. So one process
imports the entry points once and then forks for every command: the copy runs the script as
`python SCRIPT ARGUMENTS` would, from its first line, in a process of its own with its own exit
code. This file is both the client and, run as a script, the process that forks.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

ENTRY_POINTS = ("main_A", "main_B", "hedgectl", "typer.rich_utils")
"""What is imported beforehand; the last one is what a help text of `hedgectl.py` needs."""

WIDE = "500"
_PR_SET_PDEATHSIG = 1
_BEGIN_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.001


def environment() -> dict[str, str]:
    """Return the environment for every command: a wide terminal without colours, and plain ways."""
    colours = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERMINAL_WIDTH", "CLICOLOR_FORCE")
    ours = ("HEDGE_PLAIN", "HEDGE_REDIS", "PYTHONPATH")
    kept = {key: value for key, value in os.environ.items() if key not in (*colours, *ours)}
    return {**kept, "COLUMNS": WIDE, "NO_PROXY": "127.0.0.1,localhost"}


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


class Command:
    """One command that was started; its files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def pid(self) -> int | None:
        """The process, None while it has not begun."""
        text = self._read("pid")
        return int(text) if text else None

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs; minus the signal that killed it."""
        text = self._read("code")
        return int(text) if text else None

    @property
    def result(self) -> Result | None:
        """How it ended, None while it runs."""
        code = self.code
        return None if code is None else Result(code, self._read("out"), self._read("err"))

    def begun(self) -> int:
        """Wait until it has begun, and return its process id."""
        deadline = time.monotonic() + _BEGIN_S
        while (pid := self.pid) is None:
            if time.monotonic() > deadline:
                msg = f"no process within {_BEGIN_S:g} s"
                raise TimeoutError(msg)
            time.sleep(_POLL_S)
        return pid

    def stop(self) -> None:
        """Ask it to stop (SIGTERM)."""
        pid = self.pid
        if pid is not None and self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


class Warm:
    """The process that has imported the entry points of the checkout at `root`."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        modules: Sequence[str] = ENTRY_POINTS,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`variables` is its environment, `environment()` by default; `folder` is its own."""
        self._root = root
        self._modules = modules
        self._variables = environment() if variables is None else variables
        self._folder = folder
        self._count = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, __file__, *self._modules],
            cwd=self._root,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=self._variables,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, which end it
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and with it whatever it has forked."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process that forks."""
        assert self._process is not None
        return self._process.pid

    def start(
        self,
        *arguments: str | Path,
        output: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Command:
        """Start `python ARGUMENTS` in the checkout: a script or -m MODULE first.

        `output` gets all that it prints, in the place of the result; `variables` is its
        environment in the place of the one that the modules were imported in.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        with self._lock:
            self._count += 1
            folder = self._folder / str(self._count)
            folder.mkdir()
            order = {
                "folder": str(folder),
                "arguments": [str(item) for item in arguments],
                "output": None if output is None else str(output),
                "variables": None if variables is None else dict(variables),
            }
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        return Command(folder)


# --- the process that forks

_running: dict[int, Path] = {}
"""The folder of each process that has not ended yet."""

_ended_early: dict[int, int] = {}
"""The exit code of one that has ended before it was noted as running."""


def _serve() -> None:
    sys.path[0] = str(Path.cwd())
    for name in sys.argv[1:]:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, _on_end)
    gc.collect()
    gc.freeze()  # a copy that looks through all of it would have to copy all of it
    for line in sys.stdin:
        order = json.loads(line)
        folder = Path(order["folder"])
        pid = os.fork()
        if pid == 0:
            _run(folder, order)
        _running[pid] = folder
        _write(folder, "pid", pid)
        if pid in _ended_early:
            _write(_running.pop(pid), "code", _ended_early.pop(pid))


def _on_end(*_: object) -> None:
    """Tell the exit codes of what has ended; this runs between any two lines of `_serve`."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            code = os.waitstatus_to_exitcode(status)
            if pid in _running:
                _write(_running.pop(pid), "code", code)
            else:
                _ended_early[pid] = code


def _run(folder: Path, order: dict[str, Any]) -> NoReturn:
    """Be the process that was asked for."""
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    if order["variables"] is not None:
        os.environ.clear()
        os.environ.update(order["variables"])
    _redirect(folder, order["output"])
    os._exit(_main(order["arguments"]))


def _redirect(folder: Path, output: str | None) -> None:
    """Write where we are told to: both into one file, or each into its own."""
    flags = os.O_CREAT | os.O_WRONLY
    out = os.open(folder / "out" if output is None else output, flags, 0o600)
    err = os.open(folder / "err", flags, 0o600) if output is None else out
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _main(arguments: list[str]) -> int:
    """Run a script, or a module after -m, and return its exit code as the interpreter would.

    Only the taking apart of every module is left out, which costs more than most commands.
    """
    code: object = 0
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  what ends a process with a traceback
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0) & 0xFF


def _write(folder: Path, name: str, value: int) -> None:
    temporary = folder / f".{name}"
    temporary.write_text(str(value), encoding="utf-8")
    temporary.replace(folder / name)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
