"""A run's right to its directory."""

from pathlib import Path
from types import TracebackType
from typing import Self

from hedge.daemon.file_lock import FileLock
from hedge.daemon.host_os import commands_for
from hedge.errors import AlreadyRunningError


class RunLock:
    """Held while a run uses its directory; raises AlreadyRunningError when another one does."""

    def __init__(self, path: Path) -> None:
        """Nothing is locked before the block is entered."""
        self._lock = FileLock(path)

    def __enter__(self) -> Self:
        """Take the lock. Raises AlreadyRunningError."""
        if not self._lock.acquire():
            folder = self._lock.path.parent
            stop = commands_for(str(folder / "config.yaml")).stop
            raise AlreadyRunningError(
                f"Another run uses {folder}: stop it with Ctrl-C there or {stop}, or use --run-dir."
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        self._lock.release()
