"""What comes from outside: strangers, service managers, people, hosts that are lost, liars."""

import asyncio
import contextlib
import itertools
import random
import signal
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import redis.asyncio

from hedge.launcher.embedded_redis import LOOPBACK
from tests.chaos.diary import Diary
from tests.chaos.filler import Filler
from tests.chaos.hands import Hands
from tests.chaos.kinds import DAEMONS, LAUNCHER, MEMBERS, PAIRS, REPLICA
from tests.chaos.lies import lie_of
from tests.chaos.links import FAR_S, JITTER_S
from tests.chaos.redis_tricks import RedisTricks, restore
from tests.chaos.schedule import Fault
from tests.chaos.slots import Slot
from tests.chaos.supervisor import Supervisor
from tests.chaos.world import ACCOUNTS, World
from tests.world.pair import ETH

RESTS_WAIT_S = 12.0
LIE_WAIT_S = 12.0
BUSY_LANES = 6
BUSY_S = 15.0
BUSY_TRADES = 100
"""A busy spell that counts has more trades of strangers than a page of the exchange shows."""
LONGEST_CLOCK_MS, CLOCK_ROOM_MS = 12_000, 30_000
"""The exchange's clock only goes ahead, and never back: a run has room for so much in all."""
AGAIN_SHARE = 0.5
BUSY_AFTER_SHARE = 0.5
WHOLE = 0.5
LATEST_TAKE_S = 4.0
B_AWAY_S = 8.0
CANCEL_S = 0.15
"""About as long as the cancel of a far host is on its way."""

Perform = Callable[[Fault], Awaitable[bool]]


class Outside:
    """Each performs one fault; the injector calls them at their times."""

    def __init__(
        self,
        world: World,
        slots: Mapping[str, Slot],
        supervisor: Supervisor,
        filler: Filler,
        hands: Hands,
        diary: Diary,
    ) -> None:
        """`slots` holds also the daemons under the launcher."""
        self._world = world
        self._slots = slots
        self._supervisor = supervisor
        self._filler = filler
        self._hands = hands
        self._diary = diary
        self._tricks = RedisTricks(world.pair)
        self._clock_ms = 0
        self.performers: dict[str, Perform] = {
            "hold": self._hold,
            "far": self._far,
            "lie": self._lie,
            "kill-resting": self._kill_resting,
            "term-all": self._term_all,
            "stop-script": self._stop_script,
            "host-lost": self._host_lost,
            "failover": self._failover,
            "failover-lossy": self._failover_lossy,
            "deposed": self._deposed,
            "busy": self._busy,
            "clock": self._clock,
            "status": lambda fault: hands.status(fault.target),
            "resume": lambda fault: hands.resume(fault.target),
            "flatten": lambda fault: hands.flatten(fault.target),
            "halt": lambda fault: hands.halt(fault.target),
        }

    # --- the network

    async def _hold(self, fault: Fault) -> bool:
        """Lose the network without a word to either end."""
        link = self._world.links[fault.target]
        link.turn("hold", 1)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            link.turn("hold", -1)
        return True

    async def _far(self, fault: Fault) -> bool:
        """Put a host far away."""
        link = self._world.links[fault.target]
        link.lag(FAR_S, JITTER_S)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            link.lag(-FAR_S, -JITTER_S)
        return True

    async def _lie(self, fault: Fault) -> bool:
        """Let the exchange lie to a host; a lie that found no frame does not count."""
        lies, lie = self._world.liars[fault.target].lies, lie_of(_seed_of(fault))
        lies.append(lie)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIE_WAIT_S):
                    while not lie.told:  # noqa: ASYNC110  polls
                        await asyncio.sleep(0.05)
            await asyncio.sleep(fault.lasts_s)
        finally:
            lies.remove(lie)
            if lie.told:
                self._diary.note(
                    "lied",
                    number=fault.number,
                    target=fault.target,
                    where=lie.where,
                    how=lie.how,
                    lasting=lie.lasting,
                    told=lie.told,
                    texts=lie.texts[:5],
                )
        return lie.told > 0

    # --- processes

    async def _kill_resting(self, fault: Fault) -> bool:
        """Kill a process, or a whole pair, while an order of its A rests, and let it be taken.

        Of a whole pair A stays away; its B comes back earlier, perhaps behind a busy spell.
        """
        pair, rng = _pair_of(fault.target), random.Random(_seed_of(fault))
        maker = ACCOUNTS[pair][0]
        whole = fault.target == "one" or (fault.target in PAIRS and rng.random() < WHOLE)
        names = self._processes_of(pair) if whole else [fault.target]
        if not await self._rests(maker) or self._slots[names[0]].pid is None:
            return False
        for name in names:
            is_a = name in ("a", LAUNCHER) or not whole
            self._away(name, fault.lasts_s if is_a else rng.random() * B_AWAY_S)
            await self._slots[name].kill()
        await asyncio.sleep(fault.amount**3 * LATEST_TAKE_S)
        took = await self._filler.strike(maker)
        self._diary.note("taken", number=fault.number, pair=pair, took=took)
        if rng.random() < BUSY_AFTER_SHARE:
            await self._storm_of_trades(rng, 2 * BUSY_TRADES, BUSY_S)
        await self._look(pair)
        return True

    @staticmethod
    def _processes_of(pair: str) -> list[str]:
        return [*(DAEMONS if pair == "one" else (LAUNCHER, *MEMBERS))]

    async def _look(self, pair: str) -> None:
        """Ask how the pair is after what happened, as a person does who was alarmed by it."""
        with contextlib.suppress(TimeoutError):
            await self._hands.status(pair)

    async def _rests(self, maker: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTS_WAIT_S):
                while not await self._filler.resting(maker):  # noqa: ASYNC110  polls
                    await asyncio.sleep(0.05)
                return True
        return False

    def _away(self, name: str, seconds: float) -> None:
        """Keep a process down for a while; one under the launcher is the launcher's affair."""
        if name not in MEMBERS:
            self._supervisor.away(name, seconds)

    async def _term_all(self, fault: Fault) -> bool:
        """Ask all processes of a pair to stop at once, as a service manager does, perhaps twice.

        Its order is taken at about the same time.
        """
        names, rng = self._processes_of(fault.target), random.Random(_seed_of(fault))
        rng.shuffle(names)
        maker = ACCOUNTS[fault.target][0]
        link = self._world.links["a-exchange" if fault.target == "one" else "two-exchange"]
        lag_s = FAR_S * rng.choice((0, 1, 2))
        if not await self._rests(maker):
            return False
        link.lag(lag_s)
        taking = asyncio.create_task(self._take_later(maker, rng.random() * CANCEL_S))
        try:
            for name in names:
                self._away(name, fault.lasts_s + 1.0)
                self._slots[name].terminate()
            if rng.random() < AGAIN_SHARE:
                await asyncio.sleep(rng.random())
                for name in names:
                    self._slots[name].terminate()
            self._diary.note("taken", number=fault.number, pair=fault.target, took=await taking)
        finally:
            taking.cancel()
            link.lag(-lag_s)
        await self._look(fault.target)
        return True

    async def _take_later(self, maker: int, delay_s: float) -> bool:
        await asyncio.sleep(delay_s)
        return await self._filler.strike(maker)

    async def _stop_script(self, fault: Fault) -> bool:
        self._supervisor.away(LAUNCHER, fault.lasts_s + 3.0)
        return await self._hands.stop_script(self._world.config_of(LAUNCHER))

    async def _host_lost(self, fault: Fault) -> bool:
        """Lose a host: its processes die and its links fall silent in the same moment."""
        host = fault.target
        links = [self._world.links[f"{host}-{server}"] for server in ("redis", "exchange")]
        names = (host, *(MEMBERS if host == LAUNCHER else ()))
        for link in links:
            link.turn("hold", 1)
        try:
            for name in names:
                self._away(name, fault.lasts_s)
                await self._slots[name].kill()
            await asyncio.sleep(fault.lasts_s)
        finally:
            for link in links:
                link.cut()  # it has forgotten its connections
                link.turn("hold", -1)
        return True

    def _master(self) -> tuple[Slot, int]:
        """Return the slot of the Redis that is master now, and the port of the other one."""
        sentinels = self._world.sentinels
        assert sentinels is not None
        ports = {"redis": sentinels.master.port, REPLICA: sentinels.replica.port}
        master_port = sentinels.sentinel.master_port()
        name, other = ("redis", REPLICA) if ports["redis"] == master_port else (REPLICA, "redis")
        return self._slots[name], ports[other]

    async def _failover(self, _fault: Fault) -> bool:
        """Let the Sentinel promote the other Redis."""
        sentinels = self._world.sentinels
        assert sentinels is not None
        async with redis.asyncio.Redis(host=LOOPBACK, port=sentinels.sentinel.port) as client:
            await client.execute_command("SENTINEL", "FAILOVER", "mine")
        return True

    async def _failover_lossy(self, fault: Fault) -> bool:
        """Kill the master; the other one has missed its last seconds, and becomes master so."""
        kept = await self._tricks.copy()
        await asyncio.sleep(fault.lasts_s)
        master, other_port = await asyncio.to_thread(self._master)
        if master.pid is None:
            return False
        self._supervisor.away(master.name, 3.0)
        await master.kill()
        async with redis.asyncio.Redis(host=LOOPBACK, port=other_port) as client:
            await client.config_set("replica-read-only", "no")
            await restore(client, kept)
        return True

    async def _deposed(self, fault: Fault) -> bool:
        """Freeze the master until another one is promoted; it wakes up and knows nothing of it."""
        master, _ = await asyncio.to_thread(self._master)
        pid = master.pid
        master.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            if master.pid == pid:
                master.signal(signal.SIGCONT)
        return pid is not None

    # --- the exchange

    async def _busy(self, fault: Fault) -> bool:
        """Let strangers trade with each other, more often than the exchange's pages show."""
        rng = random.Random(_seed_of(fault))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTS_WAIT_S):
                while not self._supervisor.is_up("exchange"):  # noqa: ASYNC110  polls
                    await asyncio.sleep(0.05)
        count = int(BUSY_TRADES * (1.5 + 4 * fault.amount))
        done = await self._storm_of_trades(rng, count, BUSY_S)
        self._diary.note("busy", number=fault.number, trades=done)
        return done > BUSY_TRADES

    async def _storm_of_trades(self, rng: random.Random, count: int, longest_s: float) -> int:
        """Make about `count` small trades, or what fits into the time; return how many."""
        url = f"{self._world.pair.paper.base_url}/paper/take"
        numbers, traded = itertools.count(), 0

        async def lane(session: aiohttp.ClientSession) -> None:
            nonlocal traded
            with contextlib.suppress(aiohttp.ClientError, OSError):
                while traded < count:
                    traded += await one(session)

        async def one(session: aiohttp.ClientSession) -> int:
            body = {
                "market_index": ETH,
                "side": "buy" if next(numbers) % 2 else "sell",
                "base_amount": f"{rng.randint(1, 30) / 10_000:.4f}",
            }
            async with session.post(url, json=body) as response:
                return len((await response.json())["trades"])

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s), aiohttp.ClientSession() as session:
                await asyncio.gather(*(lane(session) for _ in range(BUSY_LANES)))
        return traded

    async def _clock(self, fault: Fault) -> bool:
        """Set the exchange's clock ahead of the hosts'."""
        ahead_ms = 1 + int(fault.amount * LONGEST_CLOCK_MS)
        if self._clock_ms + ahead_ms > CLOCK_ROOM_MS:
            return False
        self._clock_ms += ahead_ms
        await self._world.pair.paper.move_clock(ahead_ms)
        return True


def _seed_of(fault: Fault) -> int:
    """Return a number of this fault's own: another one in the schedule of another seed."""
    return fault.number * 1000 + int(fault.amount * 1000)


def _pair_of(name: str) -> str:
    return "two" if name.startswith(LAUNCHER) else "one"
