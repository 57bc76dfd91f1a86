"""One unanswered transaction at a time, whoever of a manager's tasks asks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Sending:
    """Lets the sender's calls through one after the other."""

    def __init__(self) -> None:
        """Start free."""
        self._lock = asyncio.Lock()

    async def alone(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run one of the sender's calls once the one before it has its answer."""
        async with self._lock:
            return await call()
