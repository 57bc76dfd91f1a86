"""The tasks of a process, which end together."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


async def _nothing() -> None: ...


class Crew:
    """Tasks that run beside a block of code; the block's end, or one task's failure, ends all.

    As asyncio.TaskGroup, but whoever does not obey is told again. A library between
    us and the loop can lose a cancellation; one lost for good would leave a process that neither
    works nor ends, and nobody would start another in its place.
    """

    def __init__(self, *, again_s: float = 3.0) -> None:
        """Nobody works yet; `again_s` is how long after a word to end the next one comes."""
        self._again_s = again_s
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_over = False
        """Whether the tasks are to end: nothing more may be decided."""

    async def __aenter__(self) -> Self:
        """Begin the block."""
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all tasks and wait for them. Raises an ExceptionGroup of those that failed."""
        if error is None:
            self._dismiss()
        else:  # the group tells them first
            self._dismiss_later()
        await self._group.__aexit__(kind, error, trace)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task; once all is over it is not begun.

        Raises RuntimeError before the block.
        """
        if self.is_over:
            work.close()
            return asyncio.create_task(_nothing(), name=name)
        task = self._group.create_task(self._guarded(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException:
            self.is_over = True
            raise

    def _dismiss(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._dismiss_later()

    def _dismiss_later(self) -> None:
        self.is_over = True
        if self._tasks:
            asyncio.get_running_loop().call_later(self._again_s, self._dismiss)
