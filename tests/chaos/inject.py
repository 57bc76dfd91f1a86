"""Performs faults on the running world, and undoes all of them at the end."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp
import redis

from tests.chaos.diary import Diary
from tests.chaos.filler import Filler
from tests.chaos.hands import Hands
from tests.chaos.kinds import MEMBERS
from tests.chaos.outside import Outside
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
    redis.RedisError,
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
        slots: Mapping[str, Slot],
        supervisor: Supervisor,
        filler: Filler,
        hands: Hands,
        diary: Diary,
    ) -> None:
        """`slots` holds also the daemons under the launcher, which the supervisor does not know."""
        self._world = world
        self._slots = slots
        self._supervisor = supervisor
        self._filler = filler
        self._diary = diary
        self._tricks = RedisTricks(world.pair)
        outside = Outside(world, slots, supervisor, filler, hands, diary)
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
            **outside.performers,
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
        began_s = self._diary.now_s()
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
            lasts_s=max(fault.lasts_s, round(self._diary.now_s() - began_s, 3)),
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
        slot = self._slots[name]
        is_up = slot.pid is not None if name in MEMBERS else self._supervisor.is_up(name)
        return is_up and slot.pid not in self._killed

    async def _kill(self, fault: Fault) -> bool:
        if not await self._up(fault.target):
            return False
        self._killed.add(self._slots[fault.target].pid)
        if fault.target not in MEMBERS:
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
        if fault.target not in MEMBERS:
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
        self._world.links[fault.target].cut()
        return True

    async def _refuse(self, fault: Fault) -> bool:
        self._world.links[fault.target].cut()
        return await self._link_switch(fault)

    async def _lag(self, fault: Fault) -> bool:
        link, delay_s = self._world.links[fault.target], MAX_LAG_S * fault.amount
        self._note_begin(fault)
        link.lag(delay_s)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            link.lag(-delay_s)
        return True

    async def _half_close(self, fault: Fault) -> bool:
        """End one direction of what is open; both sides think the other finished."""
        self._note_begin(fault)
        self._world.links[fault.target].half_close(up=fault.amount < 0.5)
        return True

    async def _link_switch(self, fault: Fault) -> bool:
        """Hold a switch on; a stream that lost bytes is worth nothing, so it is cut afterwards."""
        names = ("lose-replies", "lose-requests") if fault.kind == "hole" else (fault.kind,)
        link = self._world.links[fault.target]
        self._note_begin(fault)
        for name in names:
            link.turn(name, 1)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            for name in names:
                link.turn(name, -1)
            if fault.kind != "refuse":
                link.cut()
        return True

    def _note_begin(self, fault: Fault) -> None:
        self._diary.note("begins", number=fault.number, kind=fault.kind, target=fault.target)
