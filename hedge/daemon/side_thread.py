"""Calls that may hang (a name server, a disk), each in a thread that holds up nothing.

The loop's own executor would not do: its threads are few, and the end of the process joins them.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T], name: str) -> T:
    """Return what `call` returns; a cancelled one is abandoned, and its thread ends some day."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not done.cancelled():
            set_it()

    def work() -> None:
        try:
            set_it = partial(done.set_result, call())
        except Exception as error:  # noqa: BLE001  raised where it is awaited
            set_it = partial(done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits any more
            loop.call_soon_threadsafe(settle, set_it)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await done
