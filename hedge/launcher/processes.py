"""Child processes that are started, followed and ended in order, and never left behind.

A child runs in a session of its own, so Ctrl-C reaches this process alone and the children are
stopped in the right order. On Linux the kernel ends a child when this process is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, ClassVar, TextIO

from hedge.daemon import host_os, stop_request
from hedge.daemon.file_lock import holder_of, is_held, note_of
from hedge.daemon.host_store import LOCK_FILE
from hedge.daemon.line_writer import LineWriter
from hedge.daemon.log_file import LogFile
from hedge.daemon.logs import open_log
from hedge.launcher.aside import Aside, StillBusyError
from hedge.launcher.decisions import POLL_S, Answer, answer_to_signal, death_text

ROOT = Path(__file__).resolve().parents[2]
TAIL_LINES = 12
LARGEST_LOG = 20_000_000
"""Bytes at which the launcher's log begins anew; the one before is kept."""
_NOTED_S = 0.5
"""So long does a line of ours wait for its log."""
_READ_S = 1.0
"""So long is a log waited for that does not let itself be read."""
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

    is_spared = False
    _directory: Path | None = None

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        output: Path,
        log: Path | None = None,
        detached: bool = False,
        directory: Path | None = None,
        is_spared: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` in the program's directory; `detached` outlives this process.

        `variables` are added to its environment.

        `directory` is a daemon's own, where a request to stop can be left. One that `is_spared`
        may have an order or a debt: it is asked to leave, and never killed with the rest.
        """
        self.name = name
        self.output = output
        self.log = log
        self.is_spared = is_spared
        self._directory = directory
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as sink:
            self._process = _spawn(command, sink, detached=detached, variables=variables)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Ask it to finish and leave; where there is no SIGTERM, by the file that it looks for."""
        if self.poll() is not None:
            return
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        elif self._directory is not None:
            stop_request.ask(self._directory)
        else:
            self._process.send_signal(signal.CTRL_BREAK_EVENT)

    def kill(self) -> None:
        """End it at once and wait until it is gone."""
        if self.poll() is None:
            self._process.kill()
        self._process.wait()

    def last_words(self) -> str:
        """Return the last line that it printed, or where to look.

        What was killed says nothing more: the end of its log is older than that.
        """
        code = self.poll()
        if code is not None and code < 0 and not _tail(self.output, 1):
            return f"{_signal_name(-code)} ended it, without a last word."
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
    """A daemon that an earlier command started; its exit code is not ours to know.

    Whether it runs is asked of the lock in its state directory, and it is asked to stop there.
    """

    def __init__(self, name: str, directory: Path) -> None:
        """Speak of the daemon whose state directory this is."""
        self.name = name
        self._directory = directory

    @property
    def pid(self) -> int | None:
        """The process id that it wrote, for showing."""
        return holder_of(self._directory / LOCK_FILE)

    def poll(self) -> int | None:
        """Return None while it runs, 0 once it is gone."""
        return None if is_held(self._directory / LOCK_FILE) else 0

    def ask_to_stop(self) -> None:
        """Ask it to finish and leave; one of version 1, which knows no such file, by one signal."""
        if self.poll() is not None:
            return
        pid = self.pid
        if pid is not None and self._is_of_version_1(pid) and not self._was_asked():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        stop_request.ask(self._directory)

    def _is_of_version_1(self, pid: int) -> bool:
        """Whether its lock says no more than a number, and that number is this daemon's."""
        return not note_of(self._directory / LOCK_FILE) and _runs(pid, f"{self.name}.py")

    def _was_asked(self) -> bool:
        """Whether it was asked since it began: a second signal would end version 1 at once."""
        request, lock = self._directory / stop_request.STOP_FILE, self._directory / LOCK_FILE
        try:
            return request.stat().st_mtime >= lock.stat().st_mtime
        except OSError:
            return False


def _runs(pid: int, script: str) -> bool:
    """Whether process `pid` runs that script; False where the system does not tell."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return script.encode() in command


def _spawn(
    command: Sequence[str],
    sink: IO[bytes],
    *,
    detached: bool,
    variables: Mapping[str, str] | None,
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=None if variables is None else {**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        creationflags=host_os.own_group_flags(),
        # Only prctl is called between fork and exec: the threads of this process hold nothing that
        # it needs. It is the end of this very thread at which the kernel ends the child.
        preexec_fn=None if detached else host_os.die_with_parent(),  # noqa: PLW1509
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


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

    def __init__(self, stream: TextIO, errors: TextIO | None = None) -> None:
        """Colour the sides if a person is looking; complaints go to `errors`."""
        self._stream = stream
        self._errors = errors or stream
        self._coloured = stream.isatty()
        self._log: LineWriter | None = None
        self._prints = True

    def keep(self, log: Path, *, prints: bool = True) -> None:
        """Write our own lines into a log too; without `prints` into it alone. Raises OSError."""
        file = LogFile(log, max_bytes=LARGEST_LOG, keep=1)
        self._log = open_log(file, _dropped_line, self._complain_once(log))
        self._prints = prints

    def say(self, line: str) -> None:
        """Print one line of ours at once."""
        self._note("INFO", line)
        self.show(line)

    def complain(self, line: str) -> None:
        """Print one line of ours that tells a failure."""
        self._note("ERROR", line)
        if self._prints:
            self._print(line, self._errors)

    def show(self, line: str) -> None:
        """Print one line of a daemon at once."""
        if self._prints:
            self._print(line, self._stream)

    @staticmethod
    def _print(line: str, stream: TextIO) -> None:
        """Print; a reader that went away is no reason to stop hedging."""
        try:
            print(line, file=stream, flush=True)
        except (BrokenPipeError, OSError):
            return

    def _note(self, level: str, line: str) -> None:
        """Write a line of ours into the log; other consoles look there for it at once."""
        if self._log is None:
            return
        self._log.put(_stamped(level, line), urgent=True)
        is_well = self._log.error is None and not self._log.busy_s
        self._log.mark().wait(_NOTED_S if is_well else 0)

    def _complain_once(self, log: Path) -> Callable[[OSError], None]:
        return lambda error: self._print(f"{log} cannot be written: {error}", self._errors)

    def prefix(self, side: str) -> str:
        """Return what stands before the lines of a side."""
        if self._coloured:
            return f"{self._COLOURS[side]}{side}|\x1b[0m "
        return f"{side}| "


def _stamped(level: str, line: str) -> str:
    now = datetime.now(UTC).astimezone()
    stamp = f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d}{now:%z}"
    return f"{stamp} [{level}] {line}\n"


def _dropped_line(count: int) -> str:
    return _stamped("WARNING", f"{count} lines dropped here: the log did not take them")


class StopNow(BaseException):
    """The user asked a second time: leave at once. `is_told`: what is left is said already."""

    is_told = False


class StopSignals:
    """The user's requests to stop; one that means "at once" raises StopNow wherever we are.

    `is_told` is set once the line is said that names what is open.
    """

    def __init__(self) -> None:
        """Take over SIGINT, SIGTERM and, where there is one, SIGHUP."""
        self.is_told = False
        self._first_s: float | None = None
        self._numbers = host_os.stop_signals()
        for number in self._numbers:
            signal.signal(number, self._on_signal)

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._first_s is not None

    def request(self) -> None:
        """Count a request that came another way as the first one."""
        if self._first_s is None:
            self._first_s = time.monotonic()

    def _on_signal(self, _number: int, _frame: object) -> None:
        match answer_to_signal(self._first_s, time.monotonic(), told=self.is_told):
            case Answer.STOP:
                self.request()
            case Answer.LEAVE:
                for number in self._numbers:
                    signal.signal(number, signal.SIG_IGN)  # leaving takes no time
                raise StopNow


class Supervisor:
    """Owns the children and the terminal: waits while showing the logs and watching them."""

    def __init__(self, signals: StopSignals, terminal: Terminal) -> None:
        """Show everything on `terminal`."""
        self.signals = signals
        self.terminal = terminal
        self.say = terminal.say
        self.prefix = terminal.prefix
        self.children: list[Child] = []
        self._followers: dict[Path, Follower] = {}
        self._read: deque[tuple[str, str]] = deque()
        self._reading = Aside("logs")

    def add(self, child: Child) -> Child:
        """Own a child: it is watched, and killed at the end if it still runs."""
        self.children.append(child)
        return child

    def release(self) -> None:
        """Own no child any more: what was started goes on by itself."""
        self.children.clear()

    def follow(self, path: Path, prefix: str) -> None:
        """Show what `path` gains from now on; once, however often it is asked for."""
        if path not in self._followers:
            self._followers[path] = Follower(path, prefix)

    def pump(self) -> None:
        """Show new log lines, those of both sides in order of time."""
        if not self._followers:
            return
        with contextlib.suppress(StillBusyError):  # they are shown once they are there
            self._reading.call(self._read_logs, _READ_S)
        lines = [self._read.popleft() for _ in range(len(self._read))]
        for _, line in sorted(lines, key=lambda item: item[0]):
            self.terminal.show(line)

    def _read_logs(self) -> None:
        for follower in list(self._followers.values()):
            self._read.extend(follower.new_lines())

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

    def stop(self, child: Child, timeout_s: float) -> int | None:
        """Ask a process to leave and return its exit code; None if it had to be killed."""
        if child in self.children:
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
        """End whatever still runs, newest first; a daemon that may have a debt is only asked."""
        while self.children:
            child = self.children.pop()
            if child.is_spared:
                child.ask_to_stop()
            else:
                child.kill()
