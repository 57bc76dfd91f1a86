"""The five processes as slots: what runs there dies and comes back, the slot stays."""

import asyncio
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable

from hedge.launcher.processes import Child
from tests.chaos.world import World
from tests.world.pair import Daemon


class Slot(ABC):
    """One process; `pid` is None while none runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process id while it runs."""

    @property
    @abstractmethod
    def code(self) -> int | None:
        """The exit code of the process that ran last, None while it runs."""

    @abstractmethod
    async def start(self) -> None:
        """Start it; for a server, until it answers."""

    @abstractmethod
    async def kill(self) -> None:
        """End it at once."""

    def at_work(self) -> bool:
        """Whether it runs, and is done with starting."""
        return self.pid is not None

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if (pid := self.pid) is not None:
            os.kill(pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.signal(signal.SIGTERM)


class DaemonSlot(Slot):
    """main_A.py or one of the two main_B.py."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name)
        self._world = world
        self._daemon: Daemon | None = None
        self._said: int | None = None

    @property
    def pid(self) -> int | None:
        running = self._daemon is not None and self._daemon.code is None
        return self._daemon.pid if running and self._daemon else None

    @property
    def code(self) -> int | None:
        return self._daemon.code if self._daemon is not None else None

    def at_work(self) -> bool:
        """Whether it has said its start: from then on it obeys signals."""
        log, pid = self._world.log_of(self.name), self.pid
        if pid is None or pid == self._said:
            return pid is not None
        if log.exists() and f" pid={pid}\n" in log.read_text("utf-8", "replace"):
            self._said = pid
        return pid == self._said

    async def start(self) -> None:
        self._daemon = self._world.start_daemon(self.name)

    async def kill(self) -> None:
        if self._daemon is not None:
            await asyncio.to_thread(self._daemon.kill)

    def output(self) -> str:
        """Return what it printed, over all its lives."""
        return self._daemon.output() if self._daemon is not None else ""


class ServerSlot(Slot):
    """Redis, which keeps nothing over its death, or the exchange, whose journal brings it back."""

    def __init__(
        self,
        name: str,
        process: Callable[[], "subprocess.Popen[bytes] | Child | None"],
        start: Callable[[], object],
        kill: Callable[[], None],
    ) -> None:
        super().__init__(name)
        self._process = process
        self._start = start
        self._kill = kill
        self._code: int | None = None

    @property
    def pid(self) -> int | None:
        process = self._process()
        if process is None or process.poll() is not None:
            self._code = process.poll() if process is not None else self._code
            return None
        return process.pid

    @property
    def code(self) -> int | None:
        return self._code if self.pid is None else None

    async def start(self) -> None:
        await asyncio.to_thread(self._kill)  # what is left of the one before
        await asyncio.to_thread(self._start)

    async def kill(self) -> None:
        if self.pid is not None:
            self._code = -signal.SIGKILL
        await asyncio.to_thread(self._kill)


def slots_of(world: World) -> dict[str, Slot]:
    """Return all five slots by name."""
    redis, paper = world.pair.redis, world.pair.paper
    slots: list[Slot] = [
        ServerSlot("redis", lambda: redis._process, redis.restart, redis.kill),
        ServerSlot("exchange", lambda: paper.child, paper.start, paper.kill),
        *(DaemonSlot(name, world) for name in ("a", "b1", "b2")),
    ]
    return {slot.name: slot for slot in slots}
