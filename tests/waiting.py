"""Waiting for a condition with a deadline, instead of sleeping and hoping.

All waits are stretched by the environment variable `TEST_TIME_SCALE` on slow machines.
"""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))
POLL_S = 0.01

T = TypeVar("T")


async def eventually(
    condition: Callable[[], T | Awaitable[T]],
    timeout_s: float = 5.0,
    what: str = "",
) -> T:
    """Return the first truthy value of `condition()` (plain or awaitable).

    Raises:
        AssertionError: `timeout_s` have passed; `what` and the last value are in the message.

    """
    deadline = time.monotonic() + timeout_s * SCALE
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(what, timeout_s, value))
        await asyncio.sleep(POLL_S)


def eventually_sync(
    condition: Callable[[], T],
    timeout_s: float = 5.0,
    what: str = "",
) -> T:
    """Return the first truthy value of `condition()`, for tests without an event loop."""
    deadline = time.monotonic() + timeout_s * SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(what, timeout_s, value))
        time.sleep(POLL_S)


def _complaint(what: str, timeout_s: float, value: object) -> str:
    return f"not within {timeout_s * SCALE:g} s: {what or 'the condition'} (last: {value!r})"


class Turns:
    """A task that takes its turn in the event loop again and again while the block runs.

    `note` is called by what is under test; `longest` is the longest row of its calls without a
    turn of ours between them.
    """

    def __init__(self) -> None:
        self.longest = 0
        self._row = 0

    def note(self, *_: object) -> None:
        """Count a call."""
        self._row += 1
        self.longest = max(self.longest, self._row)

    async def _take(self) -> None:
        while True:
            self._row = 0
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._take(), name="turns")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
