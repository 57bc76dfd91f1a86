"""An event loop whose clock jumps: when nothing is ready, time is the next timer's.

Everything simulated runs on one such loop, in an order that depends on nothing but the calls
made, so a schedule replays exactly. Each callback belongs to a process (by its context) or to the
world. A process can be frozen: what falls due for it waits, as after SIGSTOP. It can be killed
before any one of its callbacks, that is at any of its await points.
"""

import asyncio
import contextvars
import heapq
import itertools
from asyncio import events
from collections.abc import Callable, Coroutine
from typing import Any

PROCESS: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)


class DeadlockError(Exception):
    """Nothing is ready and nothing will ever be."""


class Killed(BaseException):
    """What a dead process meets wherever it tries to reach the world."""


class Process:
    """One operating-system process as the loop sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self.fuse: int | None = None
        """Callbacks left until it is killed."""
        self.on_fuse: Callable[[], None] = lambda: None
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        self._parked: list[events.Handle] = []
        self.code: int | None = None
        """Its exit code, once it is gone."""
        self.heir: Process | None = None
        """What goes on in it, once it has started anew."""
        self.on_end: list[Callable[[], None]] = []
        """Called once, when it is gone."""

    def end(self, code: int) -> None:
        """Be gone; the first exit code counts."""
        self.dead = True
        if self.code is None:
            self.code = code
            for call in self.on_end:
                call()

    def admits(self, handle: events.Handle) -> bool:
        """Whether this callback may run now."""
        if self.fuse is not None and not self.dead:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                self.on_fuse()
        if self.frozen and not self.dead:
            self._parked.append(handle)
            return False
        return True

    def thaw(self, loop: "VirtualLoop") -> bool:
        """Go on; what fell due meanwhile runs now, in its order. Whether anything had."""
        self.frozen = False
        parked, self._parked = self._parked, []
        loop.requeue(parked)
        return bool(parked)

    def check(self) -> None:
        """End whatever a dead process still tries to do."""
        if self.dead:
            raise asyncio.CancelledError


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _Call(events.TimerHandle):
    """A callback and when it is due; there is no debug mode that would keep where it comes from."""

    __slots__ = ()
    _repr = None
    _source_traceback = None

    def __init__(
        self, callback: Any, args: tuple[Any, ...], context: contextvars.Context, when: float
    ) -> None:
        self._callback: Any = callback
        self._args: Any = args
        self._context = context
        self._when = when
        self._cancelled = False

    def cancel(self) -> None:
        """Be skipped when the moment comes."""
        self._cancelled = True
        self._callback = self._args = None


class VirtualLoop(asyncio.BaseEventLoop):
    """A stdlib loop without sockets, threads or a real clock."""

    def __init__(self) -> None:
        super().__init__()
        self.set_time(0.0)
        self._clock_resolution = 1e-9
        self.callbacks = 0
        self._timers = 0
        self._due: list[tuple[float, int, _Call]] = []
        self.world = contextvars.Context()
        self.broken: list[BaseException] = []
        """What went wrong in the simulation itself."""
        self.tasks: list[_Task] = []
        """All of its tasks, in the order of their making."""
        self.set_task_factory(_new_task)

    get_debug = staticmethod(bool)
    """Never; every future asks for it, and a function of ours would cost as much as the future."""

    def set_time(self, now_s: float) -> None:
        """Let it be that many virtual seconds since the start."""
        self._now = now_s
        self.now_ms = round(now_s * 1000)

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> events.Handle:
        if context is None:
            context = contextvars.copy_context()
        call = _Call(callback, args, context, self._now)
        self._ready.append(call)  # type: ignore[attr-defined]
        return call

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> events.TimerHandle:
        if context is None:
            context = contextvars.copy_context()
        call = _Call(callback, args, context, when)
        self._timers += 1  # what is due at one moment is called in the order of asking
        heapq.heappush(self._due, (when, self._timers, call))
        return call

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> events.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def world_at(self, when: float, callback: Any, *args: Any) -> events.Handle:
        """Call at a moment, as the world: whatever becomes of the process that asks for it."""
        call = _Call(callback, args, self.world, when)
        self._timers += 1
        heapq.heappush(self._due, (when, self._timers, call))
        return call

    def world_soon(self, callback: Any, *args: Any) -> events.Handle:
        """Call in the next turn, as the world."""
        return self.call_soon(callback, *args, context=self.world)

    def requeue(self, handles: list[events.Handle]) -> None:
        """Run these at the next turn."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def _run_once(self) -> None:
        """Run turn after turn until the loop is stopped."""
        ready, due = self._ready, self._due  # type: ignore[attr-defined]
        while True:
            if not ready:
                while due and due[0][2]._cancelled:
                    heapq.heappop(due)
                if not due:
                    raise DeadlockError
                if due[0][0] > self._now:
                    self.set_time(due[0][0])
            while due and due[0][0] <= self._now:
                ready.append(heapq.heappop(due)[2])
            for _ in range(len(ready)):
                call = ready.popleft()
                if call._cancelled:
                    continue
                self.callbacks += 1
                context = call._context
                process = context.get(PROCESS)
                if (
                    process is None
                    or (process.fuse is None and not process.frozen)  # as nearly always
                    or process.admits(call)
                ):
                    try:
                        context.run(call._callback, *call._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001  those of a loop's callbacks
                        self.broken.append(error)
            if self._stopping:  # type: ignore[attr-defined]
                return

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Remember an error in a callback; those of a killed process's tasks mean nothing."""
        error = context.get("exception")
        if "handle" in context and isinstance(error, BaseException):
            self.broken.append(error)

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else is there to wake the loop."""


def _new_task(
    loop: VirtualLoop, work: Coroutine[Any, Any, Any], **kwargs: Any
) -> asyncio.Task[Any]:
    task = _Task(work, loop=loop, **kwargs)
    loop.tasks.append(task)
    return task


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    """Run one simulation on a loop of its own, and end every task of it."""
    loop = VirtualLoop()
    _Task._numbers = itertools.count()
    try:
        result = loop.run_until_complete(main(loop))
        if loop.broken:
            raise loop.broken[0]
    finally:
        left = [task for task in loop.tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        for task in loop.tasks:  # dead ones would stay in the set of all, and be hashed there
            asyncio._unregister_task(task)
        loop.close()
    return result
