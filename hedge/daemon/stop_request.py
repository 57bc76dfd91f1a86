"""How a daemon is asked to stop: by a signal, or by a file in its state directory.

The file works from any console and on every system. It is a request to stop in order and nothing
more: writing it again changes nothing. A second signal ends the process, but only 2 s after the
first and after the line that says what is open: a supervisor that passes on what the group has
already got is no impatient person.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hedge.errors import NotNeutralError

STOP_FILE = "stop"
POLL_S = 0.5
AGAIN_S = 2.0
"""A signal that comes sooner after the first one is the same request once more."""
TELL_S = 8.0
"""A stop that lasts longer says what is open."""

_log = logging.getLogger(__name__)
_began_s = time.time()
"""When this process began to load, which is before anything is asked of it."""


class Stopper:
    """What asks one daemon to stop. `on_signal` is for signals, `request` for all else."""

    def __init__(
        self,
        *,
        stop: Callable[[], None],
        tell_open: Callable[[], None],
        leave: Callable[[int], None],
        now_s: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """`stop` asks for a clean stop, `tell_open` says what is open, `leave` ends at once.

        `later` calls something after so many seconds; without it the line comes at a signal only.
        """
        self._stop = stop
        self._tell_open = tell_open
        self._leave = leave
        self._now_s = now_s
        self._later = later
        self._first_s: float | None = None
        self._is_told = False

    def on_signal(self) -> None:
        """Ask for a clean stop at the first signal; end with 5 at one that counts as a second."""
        first_s = self._first_s
        if first_s is None:
            self.request()
        elif self._now_s() - first_s < AGAIN_S:
            return
        elif self._is_told:
            self._leave(NotNeutralError.exit_code)
        else:
            self._tell()

    def request(self) -> None:
        """Ask for a clean stop, once."""
        if self._first_s is not None:
            return
        self._first_s = self._now_s()
        if self._later is not None:
            self._later(TELL_S, self._tell)
        self._stop()

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._tell_open()


# --- the file


def ask(directory: Path) -> None:
    """Ask the daemon whose state directory this is to stop. Raises OSError."""
    (directory / STOP_FILE).touch(mode=0o600)


def is_asked(directory: Path) -> bool:
    """Whether a stop was asked for that has not been taken yet."""
    return os.path.lexists(directory / STOP_FILE)


def forget_old(directory: Path, began_s: float = _began_s) -> None:
    """Remove a request from before `began_s` (epoch s): it was meant for an earlier process."""
    path = directory / STOP_FILE
    try:
        if path.stat().st_mtime < began_s:
            path.unlink()
    except OSError:
        return  # there is none


class Following:
    """Looks for the file in a thread of its own: a disk that hangs holds up nothing else."""

    def __init__(self, directory: Path, request: Callable[[], None]) -> None:
        """Begin, inside a running loop; `request` is called there for each file."""
        self._directory = directory
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="stop-file", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        forget_old(self._directory)
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing to stop
            while not self._ended.is_set():
                if taken(self._directory):
                    self._loop.call_soon_threadsafe(self._request)
                self._ended.wait(POLL_S)


def taken(directory: Path) -> bool:
    """Whether a stop was asked for since the last call; the file is gone then."""
    path = directory / STOP_FILE
    if not is_asked(directory):
        return False
    try:
        path.unlink()
    except OSError as error:
        _log.warning("%s cannot be removed: %s", path, error.strerror)
    return True
