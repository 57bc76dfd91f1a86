"""Performs faults on the running world, and undoes all of them at the end."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import redis.asyncio

from tests.chaos.diary import Diary
from tests.chaos.filler import Filler
from tests.chaos.redis_tricks import RedisTricks
from tests.chaos.schedule import Fault
from tests.chaos.slots import Slot
from tests.chaos.supervisor import Supervisor
from tests.chaos.switches import SWITCH_KINDS, request_of
from tests.chaos.world import World
from tests.world.paper import PaperError

UP_WAIT_S = 8.0
"""A process that shall be hit is waited for this long when it is down."""
MAX_LAG_S = 0.4
FIRED_LOOK_S = 0.4
PROBLEMS = (
    aiohttp.ClientError,
    redis.asyncio.RedisError,
    OSError,
    TimeoutError,
    PaperError,
)

Perform = Callable[[Fault], Awaitable[bool]]


class Injector:
    """Runs a schedule; each fault is a task of its own, so they overlap as they come."""

    def __init__(
        self,
        world: World,
        slots: dict[str, Slot],
        supervisor: Supervisor,
        filler: Filler,
        diary: Diary,
    ) -> None:
        self._world = world
        self._slots = slots
        self._supervisor = supervisor
        self._filler = filler
        self._diary = diary
        self._tricks = RedisTricks(world.pair)
        self._on: Counter[tuple[str, str]] = Counter()
        self._killed: set[int | None] = set()
        self._performers: dict[str, Perform] = {
            "kill": self._kill,
            "stop": self._stop,
            "restart": self._restart,
            "cut": self._cut,
            "refuse": self._refuse,
            "hole": self._link_switch,
            "lose-replies": self._link_switch,
            "lose-requests": self._link_switch,
            "lag": self._lag,
            "half-close": self._half_close,
            "redis-wipe": self._tricks.wipe,
            "redis-rollback": self._tricks.roll_back,
            "drop-subscribers": self._tricks.drop_subscribers,
            "garbage": self._tricks.garbage,
            "replay": self._tricks.replay,
            **dict.fromkeys((kind.name for kind in SWITCH_KINDS), self._switch),
        }

    async def run(self, faults: Sequence[Fault], until_s: float) -> None:
        """Perform the schedule; return when `until_s` is reached, with every fault undone."""
        tasks = {asyncio.create_task(self._at_its_time(fault)) for fault in faults}
        try:
            await asyncio.sleep(max(0.0, until_s - self._diary.now_s()))
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _at_its_time(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_s - self._diary.now_s()))
        done = False
        why = ""
        try:
            if fault.aim_ms is not None:
                await self._filler.aim(fault.aim_ms / 1000)
            done = await self._performers[fault.kind](fault)
        except PROBLEMS as error:
            why = f"{type(error).__name__}: {error}"[:300]
        self._diary.note(
            "fault" if done else "missed",
            number=fault.number,
            kind=fault.kind,
            target=fault.target,
            lasts_s=fault.lasts_s,
            why=why,
        )

    # --- processes

    async def _up(self, name: str) -> bool:
        """Wait until a process runs; False if it does not come up in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UP_WAIT_S):
                while not self._is_up(name):  # noqa: ASYNC110  nobody signals it
                    await asyncio.sleep(0.02)
        return self._is_up(name)

    def _is_up(self, name: str) -> bool:
        """Whether a process runs that no other fault is just killing: each kill takes its own."""
        return self._supervisor.is_up(name) and self._slots[name].pid not in self._killed

    async def _kill(self, fault: Fault) -> bool:
        if not await self._up(fault.target):
            return False
        self._killed.add(self._slots[fault.target].pid)
        self._supervisor.away(fault.target, fault.lasts_s)
        self._note_begin(fault)
        await self._slots[fault.target].kill()
        return True

    async def _stop(self, fault: Fault) -> bool:
        slot = self._slots[fault.target]
        if not await self._up(fault.target):
            return False
        pid = slot.pid
        slot.signal(signal.SIGSTOP)
        self._note_begin(fault)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            if slot.pid == pid:
                slot.signal(signal.SIGCONT)
        return True

    async def _restart(self, fault: Fault) -> bool:
        if not await self._up(fault.target):
            return False
        self._supervisor.away(fault.target, fault.lasts_s)
        self._note_begin(fault)
        self._slots[fault.target].terminate()
        return True

    # --- the exchange's switches

    async def _switch(self, fault: Fault) -> bool:
        """Set a switch for a while; one that nothing set off in that time does not count."""
        paper = self._world.pair.paper
        name, parameters = request_of(fault.kind, fault.target, fault.amount)
        if not await self._up("exchange"):
            return False
        self._note_begin(fault)
        row = await paper.fault(name, seed=fault.number, **parameters)
        if not fault.lasts_s:
            return True
        fired, until = 0, time.monotonic() + fault.lasts_s
        while (left_s := until - time.monotonic()) > 0:
            await asyncio.sleep(min(FIRED_LOOK_S, left_s))
            fired = max(fired, await self._fired(row))
        with contextlib.suppress(*PROBLEMS):
            await paper.clear(row)
        return fired > 0

    async def _fired(self, row: dict[str, Any]) -> int:
        """Return how often a switch has fired; a restart of the exchange forgets it."""
        with contextlib.suppress(*PROBLEMS):
            for now in await self._world.pair.paper.faults():
                if (now["id"], now["name"]) == (row["id"], row["name"]):
                    return int(now["fired"])
        return 0

    async def clear_switches(self) -> None:
        """Take every switch of the exchange back."""
        if await self._up("exchange"):
            await self._world.pair.paper.clear()

    # --- links

    async def _cut(self, fault: Fault) -> bool:
        self._note_begin(fault)
        self._world.proxies[fault.target].cut()
        return True

    async def _refuse(self, fault: Fault) -> bool:
        self._world.proxies[fault.target].cut()
        return await self._link_switch(fault)

    async def _lag(self, fault: Fault) -> bool:
        proxy, delay_s = self._world.proxies[fault.target], MAX_LAG_S * fault.amount
        self._note_begin(fault)
        for way in (proxy.up, proxy.down):
            way.delay_s += delay_s
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            for way in (proxy.up, proxy.down):
                way.delay_s = max(0.0, way.delay_s - delay_s)
        return True

    async def _half_close(self, fault: Fault) -> bool:
        """End one direction of what is open; both sides think the other finished."""
        proxy = self._world.proxies[fault.target]
        self._note_begin(fault)
        (proxy.up if fault.amount < 0.5 else proxy.down).half_close()
        return True

    async def _link_switch(self, fault: Fault) -> bool:
        names = ("lose-replies", "lose-requests") if fault.kind == "hole" else (fault.kind,)
        self._note_begin(fault)
        self._turn(fault.target, names, by=1)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self._turn(fault.target, names, by=-1)
        return True

    def _turn(self, link: str, names: Sequence[str], by: int) -> None:
        """Count the faults that hold a switch on; it goes off with the last of them.

        A stream that lost bytes is worth nothing afterwards: its connections are cut then.
        """
        proxy = self._world.proxies[link]
        for name in names:
            self._on[link, name] += by
        proxy.drop_replies(self._on[link, "lose-replies"] > 0)
        proxy.drop_requests(self._on[link, "lose-requests"] > 0)
        proxy.refuse(self._on[link, "refuse"] > 0)
        if by < 0 and "refuse" not in names:
            proxy.cut()

    def _note_begin(self, fault: Fault) -> None:
        self._diary.note("begins", number=fault.number, kind=fault.kind, target=fault.target)
