"""Programs started as a user starts them: what each printed, when, and how it ended."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # what a terminal is told besides text
MARK = "TESTS_OUTSIDE"  # in the environment of whatever a trial starts, and of its children


class Process:
    """One started program.

    Args:
        argv: Its command line.
        cwd: Working directory.
        env: Its environment.
        terminal: Give it a terminal of its own, so that `type` and `hold_terminal` work.
    """

    def __init__(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], *, terminal: bool = False
    ) -> None:
        self.argv, self.folder = list(argv), cwd
        self.lines: list[tuple[int, str]] = []
        self.ended_ns: int | None = None
        self._reading = threading.Event()
        self._reading.set()
        self.began_ns = time.monotonic_ns()
        if terminal:
            self._master, slave = pty.openpty()
            # setsid makes the terminal the controlling one, so a typed Ctrl-C is a signal.
            self._popen = subprocess.Popen(
                ["setsid", "--ctty", *argv],
                cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave,
            )  # fmt: skip
            os.close(slave)
        else:
            self._popen = subprocess.Popen(
                self.argv, cwd=cwd, env=env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert self._popen.stdout is not None
            self._master = self._popen.stdout.fileno()
        self._readers = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._wait)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its process number, which is that of its group, too."""
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return None if self.ended_ns is None else self._popen.returncode

    @property
    def text(self) -> str:
        """All that it has printed so far."""
        return "\n".join(line for _, line in self.lines)

    def said(self, pattern: str) -> bool:
        """Whether a line that it printed matches this regular expression."""
        return any(re.search(pattern, line) for _, line in list(self.lines))

    def send(self, number: signal.Signals) -> None:
        """Signal this one process; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ctrl_c(self) -> None:
        """SIGINT to its whole group, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def type(self, keys: bytes) -> None:
        """Type into its terminal: byte 3 is Ctrl-C, 19 Ctrl-S, 17 Ctrl-Q."""
        os.write(self._master, keys)

    def hold_terminal(self) -> None:
        """Stop reading what it prints, as a paused pager does."""
        self._reading.clear()

    def release_terminal(self) -> None:
        """Read on."""
        self._reading.set()

    def _read(self) -> None:
        rest = b""
        while self._reading.wait():
            try:
                chunk = os.read(self._master, 65536)
            except OSError:  # a terminal whose other end is closed
                return
            if not chunk:
                return
            *whole, rest = (rest + chunk).split(b"\n")
            now_ns = time.monotonic_ns()
            self.lines += [
                (now_ns, COLOUR.sub("", line.decode(errors="replace")).rstrip("\r"))
                for line in whole
            ]

    def _wait(self) -> None:
        self._popen.wait()
        ended_ns = time.monotonic_ns()
        self._readers[0].join(timeout=1)  # children may keep the pipe open
        self.ended_ns = ended_ns


def environment(mark: str) -> dict[str, str]:
    """The caller's environment without what belongs to the program, with the trial's mark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEDGE_")}
    return kept | {MARK: mark, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1,localhost"}


def alive(mark: str, folder: Path | None = None) -> dict[int, str]:
    """Processes with this mark, or with their working directory in a folder: number and command.

    Redis writes its title over its environment, so only its directory tells whose it is.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            ours = f"{MARK}={mark}".encode() in (entry / "environ").read_bytes()
            where = str((entry / "cwd").readlink())
            if ours or (folder is not None and where.startswith(f"{folder}/")):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                command = b" ".join(words).decode(errors="replace").strip()
                if command:  # a zombie has none
                    found[int(entry.name)] = command
    return found


def kill_all(mark: str, folder: Path) -> None:
    """End whatever has this mark or works in this folder; what is started again, too."""
    deadline = time.monotonic() + 10
    while (found := alive(mark, folder)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
