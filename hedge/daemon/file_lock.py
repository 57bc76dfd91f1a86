"""A lock on a file, which the system gives back when its holder dies, however it dies.

Whether a process of ours runs is asked of its lock: a process number can go to another program.
"""

import contextlib
import os
import re
import sys
import time
from pathlib import Path

_HOLDER = re.compile(r"pid (\d+)")
_HOLDER_BYTES = 2048
_TRIES, _PAUSE_S = 10, 0.02
"""A process that asks whether a lock is held holds it for a moment: an opening waits that long."""


class FileLock:
    """The right to be the only process behind a file. `pid` in it is for people and scripts.

    `note` is what else its holder says of itself, on a line of its own.
    """

    def __init__(self, path: Path, note: str = "") -> None:
        """Name the file; nothing is touched before `acquire`."""
        self.path = path
        self._note = note
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Lock the file, making it if needed; whether that worked. Raises OSError.

        One that is there and cannot be written, as on a read-only disk, is locked all the same,
        without the name of its holder.
        """
        descriptor = _opened(self.path, os.O_CREAT)
        for _ in range(_TRIES):
            if _try_lock(descriptor):
                self._descriptor = descriptor
                _sign(descriptor, self._note)
                return True
            time.sleep(_PAUSE_S)
        os.close(descriptor)
        return False

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process has the lock on this file. Raises OSError where that cannot be asked."""
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> int | None:
    """Return the process id that the holder wrote, None where it is not held or not written.

    It is for showing. Raises OSError where it cannot be asked.
    """
    if not is_held(path):
        return None
    found = _HOLDER.search(_written(path))
    return int(found[1]) if found is not None else None


def note_of(path: Path) -> str:
    """Return the note that the newest holder wrote, "" where there is none. Raises OSError."""
    return _written(path).partition("\n")[2].rstrip("\n")


def _written(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_HOLDER_BYTES).decode("utf-8", "replace")


def _opened(path: Path, flags: int = 0) -> int:
    """Open a file for locking, if need be only for reading. Raises OSError."""
    try:
        return os.open(path, os.O_RDWR | flags, 0o600)
    except OSError as error:
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise error from None


def _sign(descriptor: int, note: str) -> None:
    with contextlib.suppress(OSError):  # on a full disk the lock holds without a name in it
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        lines = [f"pid {os.getpid()}", *([" ".join(note.split())] if note else [])]
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode()[:_HOLDER_BYTES])


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 4096
    """Beyond what is written, so that the holder's name stays readable."""

    def _try_lock(file: int) -> bool:
        """Lock the file without waiting; whether that worked."""
        try:
            os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        """Lock the file without waiting; whether that worked."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
