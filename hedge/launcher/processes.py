"""Child processes that are started, followed and ended in order, and never left behind.

A child runs in a session of its own, so Ctrl-C reaches this process alone and the children are
stopped in the right order. On Linux the kernel ends a child when this process is killed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, ClassVar, TextIO

from hedge.daemon import host_os
from hedge.launcher.decisions import POLL_S, Answer, answer_to_signal, death_text

ROOT = Path(__file__).resolve().parents[2]
TAIL_LINES = 12
_STAMP_LENGTH = len("2026-11-20 12:00:00.123")


class ChildDiedError(Exception):
    """A child ended although nobody asked it to; `code` is its exit code."""

    def __init__(self, child: "Child", code: int) -> None:
        """Keep who died and how."""
        super().__init__(death_text(child.name, code, child.last_words()))
        self.child = child
        self.code = code


class Child:
    """One process of ours. Its output goes to a file; its log, if any, is followed beside it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        output: Path,
        log: Path | None = None,
        detached: bool = False,
    ) -> None:
        """Start `command` in the program's directory; `detached` outlives this process."""
        self.name = name
        self.output = output
        self.log = log
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as sink:
            self._process = _spawn(command, sink, detached=detached)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send the signal that means: finish and leave."""
        if self.poll() is None:
            ask_to_stop(self.pid)

    def kill(self) -> None:
        """End it at once and wait until it is gone."""
        if self.poll() is None:
            self._process.kill()
        self._process.wait()

    def last_words(self) -> str:
        """Return the last line that it printed, or where to look."""
        lines = self.tail(1)
        return lines[-1].strip() if lines else f"it printed nothing, see {self.log or self.output}"

    def tail(self, count: int = TAIL_LINES) -> list[str]:
        """Return the last lines of its output, else of its log."""
        for path in (self.output, self.log):
            lines = _tail(path, count) if path is not None else []
            if lines:
                return lines
        return []


class Running:
    """A process that an earlier command started; its exit code is not ours to know."""

    def __init__(self, name: str, pid: int) -> None:
        """Speak of process `pid`."""
        self.name = name
        self.pid = pid

    def poll(self) -> int | None:
        """Return None while it runs, 0 once it is gone."""
        return None if is_alive(self.pid, f"{self.name}.py") else 0

    def ask_to_stop(self) -> None:
        """Send the signal that means: finish and leave."""
        if self.poll() is None:
            ask_to_stop(self.pid)

    def kill(self) -> None:
        """End it at once."""
        if self.poll() is None:
            os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def is_alive(pid: int, script: str) -> bool:
    """Whether process `pid` lives and runs `script`; a number may have gone to another program."""
    if not host_os.is_running(pid):
        return False
    command = host_os.command_line(pid)
    return command is None or script in command  # where nothing tells, believe the number


def _spawn(
    command: Sequence[str],
    sink: IO[bytes],
    *,
    detached: bool,
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        creationflags=host_os.own_group_flags(),
        # Only prctl is called between fork and exec, and this process has one thread.
        preexec_fn=None if detached else host_os.die_with_parent(),  # noqa: PLW1509
    )


def ask_to_stop(pid: int) -> None:
    """Ask a process to finish and leave; nothing happens if it is gone."""
    number = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)  # Windows knows no SIGTERM
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except OSError:  # Windows has more than one word for a process that is gone
        if sys.platform != "win32":
            raise


def _tail(path: Path, count: int) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]


class Follower:
    """Reads what a growing file gains, from the moment it was made; survives rotation."""

    def __init__(self, path: Path, prefix: str) -> None:
        """Begin at the end of the file as it is now."""
        self._path = path
        self._prefix = prefix
        self._inode, self._offset = self._stat()
        self._rest = b""

    def _stat(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return 0, 0
        return status.st_ino, status.st_size

    def new_lines(self) -> list[tuple[str, str]]:
        """Return what was added since the last call, each line with its time.

        A line without a time of its own (of a traceback) has that of the line before it.
        """
        lines: list[tuple[str, str]] = []
        stamp = ""
        for raw in self._new_bytes().split(b"\n"):
            if not raw:
                continue
            line = raw.decode("utf-8", "replace")
            if line[:1].isdigit():
                stamp = line[:_STAMP_LENGTH]
            lines.append((stamp, self._prefix + line))
        return lines

    def _new_bytes(self) -> bytes:
        inode, size = self._stat()
        if inode != self._inode or size < self._offset:
            self._inode, self._offset, self._rest = inode, 0, b""
        if size <= self._offset:
            return b""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read(size - self._offset)
        except OSError:
            return b""
        self._offset += len(data)
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        return whole


class Terminal:
    """Where the user reads: our own lines and the daemons', each with its side in front."""

    _COLOURS: ClassVar[dict[str, str]] = {"A": "\x1b[36m", "B": "\x1b[33m"}

    def __init__(self, stream: TextIO) -> None:
        """Colour the sides if a person is looking."""
        self._stream = stream
        self._coloured = stream.isatty()

    def say(self, line: str) -> None:
        """Print one line at once; a reader that went away is no reason to stop hedging."""
        try:
            print(line, file=self._stream, flush=True)
        except (BrokenPipeError, OSError):
            return

    def prefix(self, side: str) -> str:
        """Return what stands before the lines of a side."""
        if self._coloured:
            return f"{self._COLOURS[side]}{side}|\x1b[0m "
        return f"{side}| "


class StopNow(BaseException):
    """The user asked a second time: leave at once."""


class StopSignals:
    """The user's requests to stop; one that means "at once" raises StopNow wherever we are."""

    def __init__(self) -> None:
        """Take over SIGINT, SIGTERM and, where there is one, SIGHUP."""
        self._first_s: float | None = None
        self._numbers = host_os.stop_signals()
        for number in self._numbers:
            signal.signal(number, self._on_signal)

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._first_s is not None

    def _on_signal(self, _number: int, _frame: object) -> None:
        if answer_to_signal(self._first_s) is Answer.LEAVE:
            for number in self._numbers:
                signal.signal(number, signal.SIG_IGN)  # killing the children takes no time
            raise StopNow
        self._first_s = time.monotonic()


class Supervisor:
    """Owns the children and the terminal: waits while showing the logs and watching everybody."""

    def __init__(self, signals: StopSignals, terminal: Terminal) -> None:
        """Show everything on `terminal`."""
        self.signals = signals
        self.say = terminal.say
        self.prefix = terminal.prefix
        self.children: list[Child] = []
        self._followers: list[Follower] = []

    def add(self, child: Child) -> Child:
        """Own a child: it is watched, and killed at the end if it still runs."""
        self.children.append(child)
        return child

    def release(self) -> None:
        """Own nobody any more: what was started goes on by itself."""
        self.children.clear()

    def follow(self, path: Path, prefix: str) -> None:
        """Show what `path` gains from now on."""
        self._followers.append(Follower(path, prefix))

    def pump(self) -> None:
        """Show new log lines, those of both sides in order of time."""
        lines = [line for follower in self._followers for line in follower.new_lines()]
        for _, line in sorted(lines, key=lambda item: item[0]):
            self.say(line)

    def check(self) -> None:
        """Raise ChildDiedError if a child ended by itself."""
        for child in self.children:
            code = child.poll()
            if code is not None:
                self.pump()
                raise ChildDiedError(child, code)

    def wait(
        self, condition: Callable[[], bool], timeout_s: float, every_s: float = POLL_S
    ) -> bool:
        """Return True as soon as `condition()` holds, False after `timeout_s` or a stop request.

        The condition is looked at every `every_s`, logs and children all the time. Raises
        ChildDiedError if a child ends meanwhile.
        """
        return self._wait(condition, timeout_s, every_s, watching=True)

    def wait_anyway(
        self, condition: Callable[[], bool], timeout_s: float, every_s: float = POLL_S
    ) -> bool:
        """Like `wait`, for the way out: goes on after a stop request and watches nobody."""
        return self._wait(condition, timeout_s, every_s, watching=False)

    def _wait(
        self, condition: Callable[[], bool], timeout_s: float, every_s: float, *, watching: bool
    ) -> bool:
        deadline = time.monotonic() + timeout_s
        look_at = 0.0
        while not (watching and self.signals.requested):
            self.pump()
            if watching:
                self.check()
            now = time.monotonic()
            if now >= look_at:
                if condition():
                    self.pump()
                    return True
                look_at = now + every_s
            if now > deadline:
                return False
            time.sleep(POLL_S)
        return False

    def stop(self, child: Child | Running, timeout_s: float) -> int | None:
        """Ask a process to leave and return its exit code; None if it had to be killed."""
        if isinstance(child, Child) and child in self.children:
            self.children.remove(child)
        try:
            child.ask_to_stop()
            if self.wait_anyway(lambda: child.poll() is not None, timeout_s):
                return child.poll()
        finally:
            child.kill()
        self.say(f"{child.name} did not stop within {timeout_s:g} s and was killed.")
        return None

    def kill_all(self) -> None:
        """End whatever still runs, newest first."""
        while self.children:
            self.children.pop().kill()
