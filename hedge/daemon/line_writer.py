"""Lines for a terminal or a log, written by a thread of their own: no caller ever waits for them.

A terminal that is not read (Ctrl-S, a pager, a sleeping ssh), a pipe without a reader, a FIFO, a
full or a hanging disk: write(2) and open(2) on them wait indefinitely. So a caller only puts its
line into a bounded queue. What does not fit is dropped and counted, and one line says how many.
"""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

Line = str | Callable[[], str]
"""A text with its line break, or what makes one when it is written."""

MOST_LINES = 5000
_RESERVE = 500
"""So many more lines fit that are urgent."""
_BATCH = 16
"""What formats holds the interpreter; after so many lines it writes, and releases it."""
UPKEEP_S = 1.0


class Sink(Protocol):
    """Where bytes go; each call may wait as long as it likes."""

    def encode(self, text: str) -> bytes:
        """Put a text into bytes, whatever characters it has."""

    def write(self, data: bytes) -> int:
        """Write some of it; return how many bytes. Raises OSError: they are tried again."""

    def look(self) -> None:
        """Look after it, once a second, whether there is something to write or not.

        Raises OSError where it cannot be written to.
        """


class Mark:
    """A place in a queue: it is passed once everything before it is written."""

    def __init__(self) -> None:
        """Not passed yet."""
        self._passed: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Let it be passed."""
        self._passed.put(None)

    def wait(self, wait_s: float) -> bool:
        """Wait until it is passed, at most so long; whether it is."""
        try:
            self._passed.get(timeout=max(wait_s, 0.0))
        except queue.Empty:
            return False
        self.set()
        return True


class LineWriter:
    """One queue and one thread for one sink."""

    def __init__(
        self,
        sink: Sink,
        *,
        name: str,
        say_dropped: Callable[[int], str],
        on_error: Callable[[OSError], None] = lambda _error: None,
        most_lines: int = MOST_LINES,
    ) -> None:
        """Begin with an empty queue.

        `say_dropped` makes the line that tells how many were dropped. `on_error` is called, in the
        writer's thread, each time that the sink begins to refuse.
        """
        self._sink = sink
        self._say_dropped = say_dropped
        self._on_error = on_error
        self._most_lines = most_lines
        self._lines: deque[Line | Mark] = deque()
        self._dropped = 0
        # Both may be entered again by a signal or a destructor that logs in the middle of a call.
        self._lock = threading.RLock()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_woken = False
        self._rest = b""
        self._look_at_s = 0.0
        self._busy_since_s: float | None = None
        self._is_closing = False
        self.error: OSError | None = None
        """Why the sink refuses at the moment, None while it does not."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    # --- for any thread; nothing here waits

    def put(self, line: Line, *, urgent: bool = False) -> None:
        """Queue a line; `wake` has it written, at the latest the upkeep does."""
        with self._lock:
            if len(self._lines) >= self._most_lines + (_RESERVE if urgent else 0):
                self._dropped += 1
                return
            self._tell_dropped()
            self._lines.append(line)

    def wake(self) -> None:
        """Have what is queued written now."""
        if not self._is_woken:
            self._is_woken = True
            self._wakes.put(None)

    def mark(self) -> Mark:
        """Return a mark behind what is queued now, and have that written."""
        mark = Mark()
        with self._lock:
            self._tell_dropped()
            self._lines.append(mark)
        self.wake()
        return mark

    @property
    def busy_s(self) -> float:
        """How long the sink has not returned from one call, 0 while it is idle."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def is_over(self) -> bool:
        """Whether its thread has ended: nothing is written any more."""
        return not self._thread.is_alive()

    # --- for the way out

    def close(self, wait_s: float) -> bool:
        """Write what is queued and end the thread; whether that was done within `wait_s`."""
        self._is_closing = True
        self.wake()
        self._thread.join(max(wait_s, 0.0))
        return self.is_over

    # --- the thread

    def _run(self) -> None:
        while not self._is_closing:
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=UPKEEP_S)
            self._turn()
        self._turn()

    def _turn(self) -> None:
        self._is_woken = False
        try:
            self._look()
            while self._rest or self._fill():
                if self._rest:
                    self._busy_since_s = time.monotonic()
                    self._rest = self._rest[self._sink.write(self._rest) :]
                    self._busy_since_s = None
        except OSError as error:
            is_new, self.error = self.error is None, error
            if is_new:
                with contextlib.suppress(Exception):  # what tells it may be broken as well
                    self._on_error(error)
        else:
            self.error = None
        finally:
            self._busy_since_s = None

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + UPKEEP_S
            self._busy_since_s = now_s
            self._sink.look()
            self._busy_since_s = None

    def _fill(self) -> bool:
        """Put the next lines into bytes; whether there are any. Marks behind nothing are passed."""
        found: list[Line] = []
        with self._lock:
            while self._lines and len(found) < _BATCH:
                line = self._lines[0]
                if isinstance(line, Mark) and found:
                    break
                self._lines.popleft()
                if isinstance(line, Mark):
                    line.set()
                else:
                    found.append(line)
            if not self._lines:
                self._tell_dropped()
        self._rest = b"".join(self._sink.encode(_text_of(line)) for line in found)
        return bool(self._rest) or bool(self._lines)

    def _tell_dropped(self) -> None:
        """Queue the line that says how many were dropped, where they are missing."""
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self._lines.append(lambda: self._say_dropped(count))


def _text_of(line: Line) -> str:
    if isinstance(line, str):
        return line
    try:
        return line()
    except Exception as error:  # noqa: BLE001  a line that cannot be shown ends no log
        return f"a line could not be put into words: {error!r}\n"
