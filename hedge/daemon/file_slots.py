"""The newest text of each file of a directory, written by a thread: no disk holds up the loop.

Each file is a slot: what is put into it later replaces what was not written yet, and the newest is
written last. A file that cannot be written is tried again every second until it is.
"""

import asyncio
import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

AGAIN_S = 1.0
HANGS_S = 5.0
"""A disk that has not returned for so long counts as one that cannot be written to."""

_log = logging.getLogger(__name__)

Done = Callable[[bool], None]
"""Is called with True once a text is stored, with False at its first failure."""


@dataclass(eq=False, slots=True)
class _Slot:
    """What is to be in a file, None where there is to be none."""

    text: str | None
    durable: bool
    done: Done | None
    has_failed: bool = False


class FileSlots:
    """The files of one directory; the thread begins with the first one that is put."""

    def __init__(self, directory: Path) -> None:
        """Name the directory; nothing is touched before `put`."""
        self._directory = directory
        self._slots: dict[str, _Slot] = {}
        self._failing: dict[str, str] = {}
        self._waiting: list[tuple[frozenset[str], Callable[[], None]]] = []
        self._lock = threading.RLock()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._busy_since_s: float | None = None
        self._why = ""
        self._is_closing = False
        self._thread: threading.Thread | None = None

    # --- nothing here waits

    def put(
        self, name: str, text: str | None, *, durable: bool = False, done: Done | None = None
    ) -> None:
        """Have `text` in `name`.json, or no such file for None; `durable` also after a power cut.

        `done` is called in the running loop, else in the writer's thread; not where another text
        is put before this one is stored.
        """
        with self._lock:
            self._slots[name] = _Slot(text, durable, None if done is None else _in_loop(done))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="files", daemon=True)
                self._thread.start()
        self._wakes.put(None)

    @property
    def problem(self) -> str:
        """Why something is not stored at the moment, "" where all is, or is about to be."""
        return self._hanging or self._why

    def problem_of(self, name: str) -> str:
        """Why this file is not stored at the moment, "" where it is, or is about to be."""
        if name not in self._slots:
            return ""
        return self._hanging or self._failing.get(name, "")

    @property
    def _hanging(self) -> str:
        since_s = self._busy_since_s
        if since_s is None or time.monotonic() - since_s < HANGS_S:
            return ""
        return f"{self._directory}: it has not answered for {time.monotonic() - since_s:.0f} s"

    # --- waiting

    async def stored(self, names: Iterable[str], wait_s: float) -> bool:
        """Wait until the newest of these files are stored, at most so long; whether they are."""
        done = asyncio.get_running_loop().create_future()

        def settle(_is_stored: bool) -> None:  # noqa: FBT001  a `Done`
            if not done.done():
                done.set_result(None)

        if not self._when_stored(frozenset(names), _in_loop(settle)):
            try:
                await asyncio.wait_for(done, wait_s)
            except TimeoutError:
                return False
        return True

    def flush(self, wait_s: float) -> bool:
        """Wait until everything is stored, or was tried and failed; whether all is stored."""
        passed: queue.SimpleQueue[None] = queue.SimpleQueue()
        if self._when_stored(frozenset(self._slots), lambda _is_stored: passed.put(None)):
            return True
        until_s = time.monotonic() + wait_s
        while time.monotonic() < until_s and not self._have_all_failed():
            with contextlib.suppress(queue.Empty):
                passed.get(timeout=0.01)
                return True
        return False

    def close(self, wait_s: float) -> bool:
        """Store what is not, and end the thread; whether it has ended in time.

        What still cannot be stored is named in the log.
        """
        thread, self._is_closing = self._thread, True
        if thread is None:
            return True
        self._wakes.put(None)
        thread.join(wait_s)
        if self._slots:
            _log.error("not kept in %s: %s", self._directory, ", ".join(self._slots))
        return not thread.is_alive()

    def _when_stored(self, names: frozenset[str], then: Done) -> bool:
        """Call `then` once none of these waits to be stored; True, and no call, where none does."""
        with self._lock:
            if not names & self._slots.keys():
                return True
            self._waiting.append((names, partial(then, True)))
        return False

    def _have_all_failed(self) -> bool:
        with self._lock:
            return bool(self._slots) and all(one.has_failed for one in self._slots.values())

    # --- the thread

    def _run(self) -> None:
        while not self._is_closing:
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=AGAIN_S if self._slots else None)
            self._turn()
        self._turn()

    def _turn(self) -> None:
        """Try each file once, in the order in which they came."""
        is_whole = True
        for name in list(self._slots):
            slot = self._slots[name]
            self._busy_since_s = time.monotonic()
            try:
                self._store(name, slot)
            except OSError as error:
                is_whole = False
                self._failed(name, slot, error)
            else:
                self._stored(name, slot)
            finally:
                self._busy_since_s = None
        if is_whole:
            self._why = ""

    def _stored(self, name: str, slot: _Slot) -> None:
        with self._lock:
            if self._slots[name] is slot:  # else a newer text waits already
                if slot.done is not None:
                    slot.done(True)
                del self._slots[name]
            ready = [one for one in self._waiting if not one[0] & self._slots.keys()]
            self._waiting = [one for one in self._waiting if one not in ready]
        if name in self._failing:
            del self._failing[name]
            _log.warning("kept again: %s.json", self._directory / name)
        for _, then in ready:
            then()

    def _failed(self, name: str, slot: _Slot, error: OSError) -> None:
        self._why = f"{self._directory / name}.json: {error.strerror or error}"
        is_new, self._failing[name] = name not in self._failing, self._why
        if is_new:
            what = "delete" if slot.text is None else "keep"
            _log.error("cannot %s %s.json: %s", what, self._directory / name, error.strerror)
        is_first, slot.has_failed = not slot.has_failed, True
        if is_first and slot.done is not None:
            slot.done(False)

    def _store(self, name: str, slot: _Slot) -> None:
        target = self._directory / f"{name}.json"
        if slot.text is None:
            target.unlink(missing_ok=True)
            return
        temporary = self._directory / f".{name}.json.tmp"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(slot.text)
            if slot.durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
        if slot.durable:
            self._sync_directory()

    def _sync_directory(self) -> None:
        if sys.platform == "win32":
            return
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _in_loop(done: Done) -> Done:
    """Return what calls `done` in the loop that runs now, in whatever thread where none does."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return done

    def post(is_stored: bool) -> None:  # noqa: FBT001  a `Done`
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(done, is_stored)

    return post
