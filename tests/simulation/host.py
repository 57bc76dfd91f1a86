"""What a host owns: its clock, its files, its way to Redis and to the exchange."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any

from hedge.core.ids import instance_bits
from hedge.wire.control import Halts
from tests.simulation.exchange import START_MS
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.tally import Tally
from tests.simulation.weather import RedisWeather, VenueWeather

MOST_VERSIONS = 8


class Host:
    """One machine: files outlive its processes, clocks are its own."""

    def __init__(self, name: str, dice: Random, skew_ms: int) -> None:
        self.name = name
        self.host_id = f"{dice.getrandbits(48):012x}"
        self.skew_ms = skew_ms
        """How far its wall clock was off at the start."""
        self.jumps_ms = 0.0
        """What its wall clock has jumped and drifted by since."""
        self.drift = 0.0
        """Seconds by which its wall clock gains on a true one in a second."""
        self._drifts_since = 0.0
        self.unmet_clock = ""
        """What happened to its clock that no process has met yet."""
        self.tally = Tally()
        self.boot_ms = dice.randrange(10_000, 10_000_000)
        self.redis = RedisWeather()
        self.venue = VenueWeather()
        self.files: dict[str, dict[str, dict[str, Any]]] = {"a": {}, "b": {}}
        self.halts: dict[str, Halts] = {"a": Halts(), "b": Halts()}
        self.kept: dict[str, dict[str, list[dict[str, Any]]]] = {"a": {}, "b": {}}
        """Former versions of its files, the newest last: what a backup may bring back."""
        self.kept_halts: dict[str, list[Halts]] = {"a": [], "b": []}
        self._instances: dict[str, str] = {}

    def forget(self) -> None:
        """Lose the disk."""
        self.files = {"a": {}, "b": {}}
        self.halts = {"a": Halts(), "b": Halts()}

    # --- its wall clock; the monotonic one goes on evenly whatever happens to it ----------------

    @property
    def is_off(self) -> bool:
        """Whether its wall clock has changed since the start."""
        return bool(self.jumps_ms or self.drift or self.unmet_clock)

    def wall_ms(self, now: float) -> int:
        """Return its wall clock, epoch ms, at a moment of the simulation (s)."""
        drifted = self.drift * (now - self._drifts_since) * 1000 if self.drift else 0.0
        return START_MS + self.skew_ms + round(self.jumps_ms + drifted + now * 1000)

    def jump(self, milliseconds: float, kind: str) -> None:
        """Set the wall clock forward or back."""
        self.jumps_ms += milliseconds
        self.unmet_clock = kind

    def let_drift(self, drift: float, now: float, kind: str) -> None:
        """Let the wall clock gain or lose from now on."""
        self.jumps_ms += self.drift * (now - self._drifts_since) * 1000
        self.drift, self._drifts_since, self.unmet_clock = drift, now, kind

    def set_right(self) -> None:
        """Set the wall clock to what it was at the start."""
        self.jumps_ms, self.drift, self.unmet_clock = 0.0, 0.0, ""

    # --- its files ----------------------------------------------------------------------------

    def restore(self, side: str, name: str, number: int) -> None:
        """Bring back a former version of a file, as a backup does."""
        self.files[side][name] = dict(self.kept[side][name][number])

    def keep(self, side: str, name: str, value: dict[str, Any]) -> None:
        """Write a file; its former versions are kept for `restore`."""
        self.files[side][name] = value
        kept = self.kept[side].setdefault(name, [])
        kept.append(value)
        if len(kept) > MOST_VERSIONS:
            del kept[0]

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

    unwritable = ""
    problem = ""
    halts_problem = ""
    former_instance = ""
    """Every process here is of this version, and lists itself."""

    def __init__(self, host: Host, side: str, process: Process, instance: str) -> None:
        self._host, self._side, self._process = host, side, process
        self.host_id = host.host_id
        self.instance = instance

    def read(self, name: str) -> dict[str, Any] | None:
        found = self._host.files[self._side].get(name)
        return dict(found) if found is not None else None

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._host.files[self._side]))

    def exists(self, name: str) -> bool:
        return name in self._host.files[self._side]

    def write(self, name: str, value: Mapping[str, Any], *, durable: bool = False) -> None:
        if not self._process.dead:
            self._host.keep(self._side, name, dict(value))

    def delete(self, name: str) -> None:
        if self._process.dead:
            return
        self._host.files[self._side].pop(name, None)

    def read_halts(self) -> Halts:
        return self._host.halts[self._side]

    def keep_halts(self, halts: Halts, done: Callable[[bool], None]) -> None:
        if not self._process.dead:
            self._host.halts[self._side] = halts
            self._host.kept_halts[self._side].append(halts)
        done(True)

    async def stored(self, *_names: str, wait_s: float) -> bool:
        """Every file is written at once."""
        return wait_s > 0


class SimClock:
    """The time of one host; implements `hedge.exchange.port.Clock`."""

    counts_sleep = True

    def __init__(self, loop: VirtualLoop, host: Host) -> None:
        self._loop, self._host, self._boot_ms = loop, host, host.boot_ms

    def now_ms(self) -> int:
        return self._boot_ms + self._loop.now_ms

    def epoch_ms(self) -> int:
        host = self._host
        if not host.is_off:
            return START_MS + host.skew_ms + self._loop.now_ms
        if host.unmet_clock:
            host.tally.reach(host.unmet_clock)
            host.unmet_clock = ""
        return host.wall_ms(self._loop.time())

    def mono_ns(self) -> int:
        return self.now_ms() * 1_000_000

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        return asyncio.sleep(seconds)
