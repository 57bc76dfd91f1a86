"""A lock file that the system forgets by itself when its holder dies."""

import contextlib
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from hedge.errors import AlreadyRunningError


class RunLock:
    """Held while a run uses its directory; raises AlreadyRunningError when another one does."""

    def __init__(self, path: Path) -> None:
        """Nothing is locked before the block is entered."""
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock. Raises AlreadyRunningError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            msg = f"Another run uses {self._path.parent}: stop it with Ctrl-C, or use --run-dir."
            raise AlreadyRunningError(msg) from error
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415  exists on Windows only

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415  exists elsewhere only

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
