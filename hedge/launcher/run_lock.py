"""A run's right to its directory."""

from pathlib import Path
from types import TracebackType
from typing import Self

from hedge.daemon.file_lock import FileLock
from hedge.errors import AlreadyRunningError


class RunLock:
    """Held while a run uses its directory; raises AlreadyRunningError when another one does."""

    def __init__(self, path: Path) -> None:
        """Nothing is locked before the block is entered."""
        self._lock = FileLock(path)

    def __enter__(self) -> Self:
        """Take the lock. Raises AlreadyRunningError."""
        if not self._lock.acquire():
            msg = (
                f"Another run uses {self._lock.path.parent}: stop it with Ctrl-C, or use --run-dir."
            )
            raise AlreadyRunningError(msg)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        self._lock.release()
