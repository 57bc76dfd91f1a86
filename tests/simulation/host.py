"""What a host owns: its clock, its files, its way to Redis and to the exchange."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from hedge.core.ids import instance_bits
from hedge.wire.control import Halt
from tests.simulation.exchange import START_MS
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.weather import RedisWeather, VenueWeather


class Host:
    """One machine: files outlive its processes, clocks are its own."""

    def __init__(self, name: str, dice: Random, skew_ms: int) -> None:
        self.name = name
        self.host_id = f"{dice.getrandbits(48):012x}"
        self.skew_ms = skew_ms
        self.boot_ms = dice.randrange(10_000, 10_000_000)
        self.redis = RedisWeather()
        self.venue = VenueWeather()
        self.files: dict[str, dict[str, dict[str, Any]]] = {"a": {}, "b": {}}
        self.halts: dict[str, Halt | None] = {"a": None, "b": None}
        self._instances: dict[str, str] = {}

    def forget(self) -> None:
        """Lose the disk."""
        self.files = {"a": {}, "b": {}}
        self.halts = {"a": None, "b": None}

    def new_instance(self, side: str, dice: Random) -> str:
        """Name a new process; its low bits differ from those of the one before."""
        last = self._instances.get(side, "0")
        instance = f"{dice.getrandbits(48):012x}"
        while instance_bits(instance) == instance_bits(last):
            instance = f"{dice.getrandbits(48):012x}"
        self._instances[side] = instance
        return instance


class SimHostState:
    """The locked state directory of one key, in memory; stands for `HostState`."""

    def __init__(self, host: Host, side: str, process: Process, instance: str) -> None:
        self._host, self._side, self._process = host, side, process
        self.host_id = host.host_id
        self.instance = instance

    def read(self, name: str) -> dict[str, Any] | None:
        found = self._host.files[self._side].get(name)
        return dict(found) if found is not None else None

    def exists(self, name: str) -> bool:
        return name in self._host.files[self._side]

    def write(self, name: str, value: Mapping[str, Any], *, durable: bool = False) -> None:
        if not self._process.dead:
            self._host.files[self._side][name] = dict(value)

    def delete(self, name: str) -> None:
        if self._process.dead:
            return
        if name == "halt":
            self._host.halts[self._side] = None
        self._host.files[self._side].pop(name, None)

    def read_halt(self) -> Halt | None:
        return self._host.halts[self._side]

    def write_halt(self, halt: Halt) -> None:
        if not self._process.dead:
            self._host.halts[self._side] = halt


class SimClock:
    """The time of one host; implements `hedge.exchange.port.Clock`."""

    def __init__(self, loop: VirtualLoop, host: Host) -> None:
        self._loop, self._host = loop, host

    def now_ms(self) -> int:
        return self._host.boot_ms + round(self._loop.time() * 1000)

    def epoch_ms(self) -> int:
        return START_MS + self._host.skew_ms + round(self._loop.time() * 1000)

    def mono_ns(self) -> int:
        return self.now_ms() * 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
