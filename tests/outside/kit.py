"""What a case is given: a folder, processes, a clock of disturbances, and a place for findings.

A case is a function of a `Trial`, registered by `@case("1a", "what is done and promised")` in any
module of this folder. It disturbs a pair and calls `trial.settle(...)`; what it claims itself goes
through `trial.expect`. What every case must keep is judged afterwards by `verdict.judge`.
"""

import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.outside.processes import Process, environment, kill_all
from tests.outside.proxy import Proxy

if TYPE_CHECKING:
    from tests.outside.pair import Scene


class CannotRunError(Exception):
    """The case could not be run as it is written; the text says at which step."""


class StoppedError(Exception):
    """Somebody pressed Ctrl-C."""


@dataclass(frozen=True)
class Case:
    """One case.

    Args:
        name: Module and letter, "ends.1a".
        sentence: What is done and what is promised.
        play: The function.
        elsewhere: Why it cannot be run on this system at all; empty where it can.
    """

    name: str
    sentence: str
    play: Callable[["Trial"], None]
    elsewhere: str = ""


CASES: dict[str, Case] = {}


def case(letter: str, sentence: str, *, elsewhere: str = "") -> Callable[..., Callable[..., None]]:
    """Register a function as a case of its module."""

    def register(play: Callable[["Trial"], None]) -> Callable[["Trial"], None]:
        name = f"{play.__module__.rpartition('.')[2]}.{letter}"
        assert name not in CASES, name
        CASES[name] = Case(name, sentence, play, elsewhere)
        return play

    return register


class Trial:
    """One run of one case.

    Args:
        case: The case.
        repo: The repository to copy.
        commit: Which commit of it.
        after_s: How long the exchange is looked at after the last disturbance, s.
        stopping: Set when everything shall end.
        mark: What the processes of this trial carry in their environment.
        exchange_commit: Which commit's paper exchange; empty for the same one.
    """

    def __init__(
        self, case: Case, repo: Path, commit: str, after_s: float, stopping: threading.Event,
        mark: str, exchange_commit: str = "",
    ) -> None:  # fmt: skip
        self._exchange_commit = exchange_commit
        self.case, self.repo, self.commit, self.after_s = case, repo, commit, after_s
        self.mark = f"{mark}{case.name}."
        self.pairs: list[Scene] = []
        self.processes: list[Process] = []
        self.events: list[tuple[int, str]] = []
        self.faults: list[str] = []
        self.remarks: list[str] = []
        self.open_is_told = ""
        self._proxies: list[Proxy] = []
        self._stopping = stopping
        self.folder = Path(tempfile.mkdtemp(prefix=f"outside-{case.name}-"))

    # --- doing -----------------------------------------------------------------------------

    def exchange_folder(self, folder: Path) -> Path:
        """Where to start a pair's paper exchange: its own folder, or a copy of another commit.

        An early exchange knows fewer faults, and takes a switch that it does not know for none.
        """
        if not self._exchange_commit:
            return folder
        return self.checkout(f"{folder.name}-exchange", self._exchange_commit)

    def checkout(self, name: str, commit: str = "") -> Path:
        """A fresh copy of the program, with the .venv of the repository."""
        folder = self.folder / name
        git = ["git", "-c", "advice.detachedHead=false"]
        clone = [*git, "clone", "--quiet", "--shared", "--no-checkout", str(self.repo), str(folder)]
        subprocess.run(clone, check=True)
        subprocess.run([*git, "checkout", "--quiet", commit or self.commit], cwd=folder, check=True)
        self._link_venv(folder)
        return folder

    def run(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        terminal: bool = False,
        quiet: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a program, in its own group, or on its own terminal."""
        if not quiet:
            self.events.append((time.monotonic_ns(), "$ " + " ".join(argv)))
        process = Process(
            argv, folder, environment(self.mark) | dict(more or {}), terminal=terminal
        )
        if not quiet:
            self.processes.append(process)
        return process

    def finish(self, process: Process, timeout_s: float = 60) -> Process:
        """Wait until a program has ended."""
        self.until(lambda: process.code is not None, f"the end of {process.argv}", timeout_s)
        return process

    def signal(self, number: signal.Signals, *processes: Process) -> None:
        """Signal several programs at once, in this order."""
        names = ", ".join(name_of(process) for process in processes)
        self.note_event(f"{number.name} to {names}")
        for process in processes:
            process.send(number)

    def ctrl_c(self, process: Process) -> None:
        """Ctrl-C in the terminal of a program: SIGINT to its group."""
        self.note_event(f"Ctrl-C to {name_of(process)}")
        process.ctrl_c()

    def proxy(self, port: int) -> Proxy:
        """A proxy in front of a port of this host."""
        self._proxies.append(Proxy(port))
        return self._proxies[-1]

    def note_event(self, what: str) -> None:
        """Something was done to the pair, now: the first and the last bound the look."""
        self.events.append((time.monotonic_ns(), what))

    # --- waiting ---------------------------------------------------------------------------

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
        """Wait for a condition; CannotRunError where it does not come."""
        if not self.becomes(true, timeout_s):
            raise CannotRunError(f"waited {timeout_s:g} s in vain for {what}")

    def becomes(self, true: Callable[[], bool], timeout_s: float) -> bool:
        """Whether a condition comes within this time."""
        deadline = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > deadline:
                return False
            self.pause(0.05)
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass; ends at once on Ctrl-C."""
        if self._stopping.wait(seconds):
            raise StoppedError

    def settle(self) -> None:
        """Wait until `after_s` have passed since the last disturbance."""
        self.pause(max(0.0, self.last_ns / 1e9 + self.after_s - time.monotonic()))

    # --- saying ----------------------------------------------------------------------------

    def expect(self, true: bool, promised: str) -> None:
        """A promise of this case; where it is not kept it is a fault."""
        if not true:
            self.faults.append(f"not kept: {promised}")

    def remark(self, text: str) -> None:
        """A line for the report that is no verdict."""
        self.remarks.append(text)

    def told_open(self, why: str) -> None:
        """That A + B is not the offset at the end is what this case is about, and was told."""
        self.open_is_told = why

    @property
    def disturbances(self) -> list[int]:
        """Moments of everything that was done, but for programs started."""
        return [at_ns for at_ns, what in self.events if not what.startswith("$ ")]

    @property
    def first_ns(self) -> int:
        """Moment of the first disturbance; of the first start where there was none."""
        return min(self.disturbances or [at_ns for at_ns, _ in self.events] or [0])

    @property
    def last_ns(self) -> int:
        """Moment of the last disturbance."""
        return max(self.disturbances or [at_ns for at_ns, _ in self.events] or [0])

    # --- ending ----------------------------------------------------------------------------

    def close(self, *, keep: bool) -> None:
        """End whatever this trial started, and remove its folder."""
        kill_all(self.mark, self.folder)
        for proxy in self._proxies:
            proxy.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def stamp_requirements(folder: Path) -> None:
        """Say in a copy's .venv that it has what its version requires."""
        texts = [(folder / name).read_bytes() for name in ("requirements.txt", "constraints.txt")]
        stamp = sha256(b"".join(texts)).hexdigest()
        (folder / ".venv" / ".requirements.sha256").write_text(stamp + "\n")

    def _link_venv(self, folder: Path) -> None:
        """Link the parts, so that the stamp of what is installed is this copy's own."""
        venv = folder / ".venv"
        venv.mkdir()
        for part in ("bin", "lib", "lib64", "include", "pyvenv.cfg"):
            (venv / part).symlink_to((self.repo / ".venv" / part).resolve())
        self.stamp_requirements(folder)


def name_of(process: Process) -> str:
    """The script that a command line runs."""
    words = [word for word in process.argv if word.endswith((".py", ".sh", "hedgectl", "-server"))]
    return Path((words or process.argv)[0]).name
