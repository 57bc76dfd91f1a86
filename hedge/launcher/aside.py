"""A thread for what may hang (a disk, a name server), so that signals and children are minded."""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class StillBusyError(Exception):
    """A call has not come back in time, or the one before it has not."""


class Aside:
    """Makes one call after the other; a signal's handler runs while one is waited for."""

    def __init__(self, name: str) -> None:
        """Begin with the first call; `name` is the thread's."""
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._missing = 0
        self._thread: threading.Thread | None = None

    def call(self, work: Callable[[], T], wait_s: float) -> T:
        """Return what `work` returns, or raise what it raises.

        Raises StillBusyError after `wait_s`, and at once while an earlier call has not come back;
        what that one returns, or raises, is dropped.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        if self._missing:
            self._take(0.0)
        self._calls.put(work)
        self._missing += 1
        answer: T = self._take(wait_s)()
        return answer

    def _take(self, wait_s: float) -> Callable[[], Any]:
        try:
            answer = self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()
        except queue.Empty:
            raise StillBusyError from None
        self._missing -= 1
        return answer

    def _run(self) -> None:
        while True:
            work = self._calls.get()
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  raised where it is waited for
                self._answers.put(_raising(error))
            else:
                self._answers.put(_returning(result))


def _returning(result: object) -> Callable[[], object]:
    return lambda: result


def _raising(error: BaseException) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer
