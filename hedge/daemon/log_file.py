"""A log file that is there again when it was moved or deleted, and rotated when it is full."""

import os
import stat
from pathlib import Path

_OPEN = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_NOT_HELD = getattr(os, "O_NONBLOCK", 0)
"""Opening a FIFO that no process reads fails then, instead of waiting for one."""
_PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class LogFile:
    """One log, for the thread of a `LineWriter`."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        """Name the file; a full one becomes `.1`, and `keep` of those are kept.

        Where `max_bytes` or `keep` is 0 nothing is rotated.
        """
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor: int | None = None
        self.unrotated: OSError | None = None
        """Why the full file could not be renamed, None once it was."""

    def encode(self, text: str) -> bytes:
        """Put a text into bytes."""
        return text.encode("utf-8", "backslashreplace")

    def look(self) -> None:
        """Open the file anew where it is not what lies under its name any more. Raises OSError."""
        if self._descriptor is not None and not self._is_there(self._descriptor):
            self._close()
        self._opened()

    def write(self, data: bytes) -> int:
        """Write some of it. Raises OSError."""
        self.look()
        descriptor = self._opened()
        if self._is_full(descriptor):
            self._close()
            self._rotate()
            descriptor = self._opened()
        return os.write(descriptor, data)

    def _opened(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, _OPEN | _NOT_HELD | _PLAIN, 0o666)
            if _NOT_HELD:
                os.set_blocking(self._descriptor, True)
        return self._descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _is_full(self, descriptor: int) -> bool:
        if not self._max_bytes or not self._keep:
            return False
        status = os.fstat(descriptor)
        return stat.S_ISREG(status.st_mode) and status.st_size >= self._max_bytes

    def _rotate(self) -> None:
        """Rename the full file and those before it; the oldest is dropped.

        One that cannot be renamed goes on growing, which is said: better a long log than none.
        """
        names = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._keep + 1))]
        self.unrotated = None
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            try:
                newer.replace(older)
            except FileNotFoundError:
                pass  # there were not so many yet
            except OSError as error:
                self.unrotated = error
