"""How late the event loop is: what holds it up is a fault of ours, and is said with its cause.

A callback in the loop notes ten times a second that it ran; a thread looks whether it did. While
it does not, the thread sees where the loop stands: that line is the cause, where the process ran at
all. A process that was stopped (SIGSTOP, Ctrl-Z, a host that slept) held up the thread as well.
"""

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

BEAT_S = 0.1
LATE_S = 0.25
"""A loop that is later than that is named."""
SHOWN_S = 60.0
"""So long is the worst lag shown."""
SAY_EVERY_S = 10.0

_ROOT = Path(__file__).resolve().parents[2]
_MOST_FRAMES = 3

Say = Callable[[int, str], None]


class LoopLag:
    """Measures the loop that runs when the block is entered."""

    def __init__(self, say: Say, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """`say` is called in the loop with a lag in ms and its cause, at most every 10 s."""
        self._say = say
        self._now_s = now_s
        self._due_s = self._thread_due_s = now_s()
        self._thread_late_s = 0.0
        self._where = ""
        self._collecting_since_s: float | None = None
        self._collected_s = 0.0
        self._cpu_s = 0.0
        self._worst: list[tuple[float, int]] = []
        self._said_s: float | None = None
        self._unsaid: tuple[int, str] = (0, "")
        self._ended = threading.Event()
        self._timer: asyncio.Handle | None = None

    def __enter__(self) -> Self:
        """Begin to measure the running loop, which is that of this thread."""
        self._loop, self._thread_id = asyncio.get_running_loop(), threading.get_ident()
        self._due_s = self._thread_due_s = self._now_s()
        self._cpu_s = time.process_time()
        gc.callbacks.append(self._on_collection)
        self._timer = self._loop.call_soon(self._beat)
        threading.Thread(target=self._watch, name="lag", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Measure no more."""
        self._ended.set()
        gc.callbacks.remove(self._on_collection)
        if self._timer is not None:
            self._timer.cancel()

    @property
    def worst_ms(self) -> int | None:
        """The worst lag of the last minute that was worth naming, None without one."""
        since_s = self._now_s() - SHOWN_S
        self._worst = [(at_s, ms) for at_s, ms in self._worst if at_s >= since_s]
        return max((ms for _, ms in self._worst), default=None)

    # --- in the loop

    def _beat(self) -> None:
        now_s, cpu_s = self._now_s(), time.process_time()
        late_s = now_s - self._due_s
        if late_s > LATE_S:
            self._note(now_s, late_s, self._cause(late_s, cpu_s - self._cpu_s))
        elif self._unsaid[0] and self._may_say(now_s):
            self._tell(now_s, *self._unsaid)
        self._where, self._thread_late_s, self._collected_s = "", 0.0, 0.0
        self._due_s, self._cpu_s = now_s + BEAT_S, cpu_s
        self._timer = self._loop.call_later(BEAT_S, self._beat)

    def _cause(self, late_s: float, cpu_s: float) -> str:
        """Name what held the loop up, as far as it is known."""
        if self._collected_s > late_s / 2:
            return f"garbage collection ({self._collected_s * 1000:.0f} ms)"
        # It may have not woken yet, where the whole process stood still.
        thread_late_s = max(self._thread_late_s, self._now_s() - self._thread_due_s)
        if thread_late_s > late_s / 2:  # it would have had nothing to wait for
            if cpu_s < late_s / 4:
                return "the process stood still: stopped, or the machine slept or was too busy"
            return "one call kept the interpreter to itself"
        return f"at {self._where}" if self._where else "unknown"

    def _note(self, now_s: float, late_s: float, cause: str) -> None:
        ms = round(late_s * 1000)
        self._worst.append((now_s, ms))
        worst = max((ms, cause), self._unsaid, key=lambda one: one[0])
        if self._may_say(now_s):
            self._tell(now_s, *worst)
        else:
            self._unsaid = worst

    def _may_say(self, now_s: float) -> bool:
        return self._said_s is None or now_s >= self._said_s + SAY_EVERY_S

    def _tell(self, now_s: float, ms: int, cause: str) -> None:
        self._said_s, self._unsaid = now_s, (0, "")
        self._say(ms, cause)

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        now_s = self._now_s()
        if phase == "start":
            self._collecting_since_s = now_s
        elif self._collecting_since_s is not None:
            self._collected_s += now_s - self._collecting_since_s
            self._collecting_since_s = None

    # --- in the thread

    def _watch(self) -> None:
        while True:
            self._thread_due_s = self._now_s() + BEAT_S
            if self._ended.wait(BEAT_S):
                return
            now_s = self._now_s()
            self._thread_late_s = max(self._thread_late_s, now_s - self._thread_due_s)
            if not self._where and now_s - self._due_s > LATE_S / 2:
                frames = sys._current_frames()  # noqa: SLF001  the only way to see another thread
                self._where = _where(frames.get(self._thread_id))


def _where(frame: FrameType | None) -> str:
    """Name the innermost calls, and the innermost line of the project among them."""
    found: list[str] = []
    is_ours = False
    while frame is not None and not (is_ours and len(found) >= _MOST_FRAMES):
        file = Path(frame.f_code.co_filename)
        ours = file.is_relative_to(_ROOT) and ".venv" not in file.parts
        if len(found) < _MOST_FRAMES or ours:
            name = str(file.relative_to(_ROOT)) if ours else file.name
            found.append(f"{frame.f_code.co_name} ({name}:{frame.f_lineno})")
        is_ours |= ours
        frame = frame.f_back
    return " < ".join(found)
