"""Closing a gap of B's book by REST: one catch-up at a time, the newest session's."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hedge.daemon.account import Bookkeeper


class Catcher:
    """Runs at most one catch-up; a new session's takes the place of an older one."""

    def __init__(
        self,
        books: Bookkeeper,
        spawn: Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]],
        alive: Callable[[], bool],
        whole: Callable[[], None],
    ) -> None:
        """`alive` says whether the streams are up; `whole` hears of a book without gaps."""
        self._books = books
        self._spawn = spawn
        self._alive = alive
        self._whole = whole
        self._task: asyncio.Task[None] | None = None
        self._session = 0

    @property
    def is_idle(self) -> bool:
        """Whether no catch-up is on its way."""
        return self._task is None

    def start(self) -> None:
        """Catch up anew."""
        if self._task is not None:
            self._task.cancel()
        self._session += 1
        self._task = self._spawn("catch-up", self._until_whole(self._session))

    async def _until_whole(self, session: int) -> None:
        whole = await self._books.until_whole(lambda: self._alive() and session == self._session)
        if session == self._session:
            self._task = None
        if whole:
            self._whole()
