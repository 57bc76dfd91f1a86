"""The processes as slots: what runs there dies and comes back, the slot stays."""

import asyncio
import contextlib
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable

from hedge.daemon.file_lock import holder_of
from hedge.launcher.processes import Child
from tests.chaos.kinds import DAEMONS, LAUNCHER, MEMBERS, REPLICA, SENTINEL
from tests.chaos.world import ACCOUNTS, World
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
            with contextlib.suppress(ProcessLookupError):
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


class LauncherSlot(Slot):
    """The launcher of the second pair; killed, it may leave its daemons behind for a while."""

    def __init__(self, world: World) -> None:
        super().__init__(LAUNCHER)
        self._world = world
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    @property
    def code(self) -> int | None:
        return self._child.poll() if self._child is not None else None

    def at_work(self) -> bool:
        """Whether it has started A."""
        return self.pid is not None and "Starting A" in self.output()

    async def start(self) -> None:
        self._child = self._world.start_launcher()

    async def kill(self) -> None:
        if self._child is not None:
            await asyncio.to_thread(self._child.kill)

    def output(self) -> str:
        """Return what the one that runs, or ran last, has printed."""
        if self._child is None:
            return ""
        return self._child.output.read_text(encoding="utf-8", errors="replace")


class MemberSlot(Slot):
    """A daemon under the launcher, found by the lock that it holds."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name)
        account = ACCOUNTS["two"]["ab".index(name[-1])]
        self._locks = f"[0-9]*-{account}-*/lock"
        self._root = world.state_dir(LAUNCHER)

    @property
    def pid(self) -> int | None:
        held = (holder_of(path) for path in self._root.glob(self._locks))
        return next((pid for pid in held if pid is not None), None)

    @property
    def code(self) -> int | None:
        """Unknown: the launcher alone hears of it."""
        return None

    async def start(self) -> None:
        """Start nothing: that is the launcher's work."""

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)


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
    """Return the slots of what this run keeps running, by name."""
    redis, paper = world.pair.redis, world.pair.paper
    slots: list[Slot] = [
        ServerSlot("redis", lambda: redis.process, redis.restart, redis.kill),
        ServerSlot("exchange", lambda: paper.child, paper.start, paper.kill),
        *(DaemonSlot(name, world) for name in DAEMONS),
        LauncherSlot(world),
    ]
    if (sentinels := world.sentinels) is not None:
        slots += [
            ServerSlot(name, lambda server=server: server.process, server.start, server.kill)
            for name, server in ((REPLICA, sentinels.replica), (SENTINEL, sentinels.sentinel))
        ]
    return {slot.name: slot for slot in slots}


def members_of(world: World) -> dict[str, Slot]:
    """Return the daemons under the launcher by name."""
    return {name: MemberSlot(name, world) for name in MEMBERS}
