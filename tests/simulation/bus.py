"""Redis on the virtual clock: the product's own messenger over simulated links.

`SimRedis` is the place: a master, and for a while a deposed one beside it. `SimMessenger` is the
product's `RedisMessenger`, codecs, signatures, reader and listener included, with two links of one
process put in: `SimCommands` for commands, `SimConnection` for subscriptions. The server can be
down, wiped, failed over to an older copy or split; a host can be cut off from it.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, TypeVar, cast

import redis

from hedge.bus.commands import CommandLink
from hedge.bus.leased import LeasedScripts, OddTypes
from hedge.bus.port import LeaseAnswer, PairScope, StateSnapshot
from hedge.bus.replies import Fits, is_anything
from hedge.bus.scripts import LeaseMode, Script
from hedge.bus.snapshot import SnapshotReader
from hedge.bus.subscription import Listener
from hedge.config.schema import RedisConfig, TimingConfig
from hedge.errors import RedisUnreachableError
from hedge.wire.codec import MessageRefusedError, RefusalCause
from hedge.wire.control import NO_HALTS, Halts, Instances, Lease, parse_halts, unreadable
from hedge.wire.messages import AFilled, BFilled, EventMessage
from hedge.wire.names import LeaseKey, Names, PairLeaseKey
from hedge.wire.state import Ledger, Neutral, PositionState, Ready
from redis_messenger import RedisMessenger
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.redis_server import Refused, Server, Unwritten, Value
from tests.simulation.tally import Tally
from tests.simulation.weather import RedisWeather

T = TypeVar("T")

NAMES = Names()
SETTINGS = RedisConfig()
PROBE = ":probe:"
MOST_PARSED = 2000
MOST_KEPT = 48
SLOW_S = 0.05
BOTH = 2
ALL_KEYS = 10
"""Those of a snapshot whose two leases are read too; they are in the order of its fields."""
HALTS = 6
"""Which of them are the halts, where a missing value is none of them."""
REMEMBERS = True
"""Whether a messenger's own values are taken as read, which saves a third of a schedule's time."""

Parsed = dict[tuple[str, str], tuple[Any, MessageRefusedError | None]]
"""What the product's readers made of a text under a key: they are pure, and asked again."""


@dataclass(frozen=True)
class HandFill:
    """A fill published by hand: when (s), A's signed lots, and whether B may take it by the rules.

    It may while no A holds its lease, where nothing is signed; the same text counts once.
    """

    at: float
    signed_lots: int
    text: str
    counts: bool


@lru_cache(maxsize=64)
def halts_of(text: str, scope: PairScope) -> Halts:
    """Return the halts that a text is to the pair."""
    try:
        return parse_halts(text, scope.limits_a(NAMES.halt))
    except MessageRefusedError as error:
        return unreadable(text, NAMES.halt, error)


@lru_cache(maxsize=256)
def instances_of(text: str, scope: PairScope, name: str) -> tuple[str, ...]:
    """Return which processes a text lists. Raises MessageRefusedError."""
    return Instances.from_json(text, scope.spec, scope.limits_a(name)).instances


class SimRedis:
    """The servers of one address, and who is connected to which."""

    def __init__(self, loop: VirtualLoop, dice: Random) -> None:
        self.loop = loop
        self.dice = dice
        self.tally = Tally()
        self.clients: list[SimMessenger] = []
        self.lost_messages = 0
        self.by_hand: list[HandFill] = []
        """The fills that were published by hand: what B was told without a trade of A."""
        self.kept: dict[str, list[str | Unwritten]] = {}
        """What was stored under each key and published on each channel, the newest last."""
        self.heard: list[Callable[[str, str | Unwritten], None]] = []
        """Hear of every text that is stored or published: key or channel, text."""
        self.master = Server(loop.time, self._carry_from_master, wrote=self._note)
        self.deposed: Server | None = None
        self.left_behind: frozenset[str] = frozenset()
        """Hosts to which the deposed master is the master."""
        self._down = False
        self._split_kind = ""
        self._used: set[bool] = set()
        """Which of two masters was used: whether the deposed one."""
        self._parsed: dict[PairScope, tuple[PairScope, Parsed]] = {}

    # --- what the world does to it ------------------------------------------------------------

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        if down and not self._down:
            for client in self.clients:
                client.lose_subscription()
        self._down = down

    def wipe(self, mark: str = "") -> None:
        """Lose everything at once."""
        self.master.wipe(mark)

    def roll_back(self, seconds: float, mark: str = "") -> None:
        """Fail over to a copy that is this much behind."""
        self.master.roll_back(seconds, mark)

    def split(self, lost_s: float, left_behind: frozenset[str], kind: str) -> None:
        """Promote a copy that is so much behind, while the old master lives on.

        Connections stay where they are until they are lost; hosts that are left behind come back
        to the old master, the others to the new one.
        """
        if self.deposed is not None:
            return
        old = self.master
        self.master = old.copy()
        self.master.roll_back(lost_s)
        self.deposed, self.left_behind = old, left_behind
        old.publish = self._carry_from_deposed
        self._used, self._split_kind = set(), kind

    def join(self) -> None:
        """Demote the old master: all who were connected to it come to the new one."""
        old, self.deposed, self.left_behind = self.deposed, None, frozenset()
        if old is None:
            return
        for client in self.clients:
            client.leave(old)

    def route(self, host: str) -> Server:
        """Return the server that a new connection of a host leads to."""
        if self.deposed is not None and host in self.left_behind:
            return self.deposed
        return self.master

    def heal(self) -> None:
        """Be one server that works."""
        self.join()
        self.down = False
        self.master.refuses = ""
        for client in self.clients:
            client.deaf_until = client.denied_until = -math.inf

    # --- what people do -----------------------------------------------------------------------

    def set(self, key: str, text: str, ttl_s: float | None = None, mark: str = "") -> None:
        """Store a text."""
        until = None if ttl_s is None else self.loop.time() + ttl_s
        self.master.put(key, Value(text, until), mark)

    def get(self, key: str) -> str | None:
        return self.master.get(key)

    def publish(self, channel: str, text: str, mark: str = "") -> None:
        self._carry_from_master(channel, text, mark)

    def halts_of(self, scope: PairScope) -> Halts:
        """Return the halts as the pair reads them."""
        text = self.get(NAMES.halt)
        return NO_HALTS if text is None else halts_of(text, scope)

    # --- between server and clients -----------------------------------------------------------

    def parsed(self, scope: PairScope) -> tuple[PairScope, Parsed]:
        """Return what is known of the texts of a scope, and the one object that is equal to it."""
        return self._parsed.setdefault(scope, (scope, {}))

    def _carry_from_master(self, channel: str, text: str | Unwritten, mark: str = "") -> None:
        self._carry(self.master, channel, text, mark)

    def _carry_from_deposed(self, channel: str, text: str | Unwritten, mark: str = "") -> None:
        if self.deposed is not None:
            self._carry(self.deposed, channel, text, mark)

    def _carry(self, server: Server, channel: str, text: str | Unwritten, mark: str) -> None:
        if PROBE not in channel:
            self._note(channel, text)
        for client in self.clients:
            if client.subscribed_to is server:
                client.offer(channel, text, mark)
            elif client.unheard:
                self.tally.reach(client.unheard)
                client.unheard = ""

    def _note(self, name: str, text: str | Unwritten) -> None:
        kept = self.kept.setdefault(name, [])
        kept.append(text)
        if len(kept) > MOST_KEPT:
            del kept[: MOST_KEPT // 2 : 2]  # the older they are, the wider apart
        for hear in self.heard:
            hear(name, text)

    def met(self, server: Server, command: Sequence[str | int]) -> None:
        """Count what a process meets by this command."""
        if self.deposed is not None:
            self._used.add(server is self.deposed)
            if len(self._used) == BOTH and self._split_kind:
                self.tally.reach(self._split_kind)
                self._split_kind = ""
        marks = server.marks
        if marks and command[0] == "MGET":
            for key in command[1:]:
                if kind := marks.get(str(key)):
                    self.tally.reach(kind)
                    server.marks = {key: mark for key, mark in marks.items() if mark != kind}
                    marks = server.marks


class SimCommands(CommandLink):
    """The command link of one process: calls keep their order, and may be lost on either way."""

    def __init__(self, messenger: "SimMessenger", host: str, timeout_s: float) -> None:
        self._messenger = messenger
        self._redis = messenger.redis
        self.host = host
        self._timeout_s = timeout_s
        self._last_exec = -math.inf
        self._open: list[asyncio.Future[Any]] = []
        self.server: Server | None = None

    async def run(
        self, script: Script, keys: list[str], arguments: list[str | int], fits: Fits = is_anything
    ) -> Any:
        return await self.call("EVALSHA", script.digest, len(keys), *keys, *arguments, fits=fits)

    async def call(self, *command: str | int, fits: Fits = is_anything) -> Any:
        """Have the server run one command, or raise; calls of one process keep their order."""
        process, weather = self._messenger.process, self._messenger.weather
        process.check()
        loop, dice, tally = self._redis.loop, self._redis.dice, self._redis.tally
        if weather.latency_s >= SLOW_S and not self._messenger.met_slow:
            self._messenger.met_slow = True
            tally.reach("redis slow")
        started = loop.time()
        future: asyncio.Future[Any] = loop.create_future()
        self._open.append(future)
        at = max(self._last_exec, started + weather.latency_s)
        self._last_exec = at
        fate = dice.random() if weather.lose_request + weather.lose_answer else 1.0
        if fate < weather.lose_request:
            tally.reach("redis request lost")
            loop.world_at(started + self._timeout_s, self._fail, future)
        elif fate < weather.lose_request + weather.lose_answer:
            tally.reach("redis answer lost")
            late = dice.random() < weather.late_write
            when = at + dice.uniform(0, 3 * self._timeout_s) if late else at
            loop.world_at(when, self._operate, command, None)
            loop.world_at(started + self._timeout_s, self._fail, future)
        else:
            loop.world_at(at, self._operate, command, future)
        try:
            result = await future
        finally:
            if future in self._open:
                self._open.remove(future)
        process.check()
        if loop.time() - started > self._timeout_s + 0.001:
            raise RedisUnreachableError("Redis did not answer in time", "sim")
        if isinstance(result, Refused):
            if "READONLY" in str(result):
                self.server = None
            raise RedisUnreachableError(f"Redis refuses: {result}", "sim")
        return result

    def _operate(self, command: tuple[str | int, ...], future: asyncio.Future[Any] | None) -> None:
        place = self._redis
        if not self._messenger.reachable:
            self._messenger.missed_s = place.loop.time()
            if future is not None and not future.done():
                self._messenger.meet("redis down" if place.down else "cut from redis")
                refused = place.dice.random() < 0.5
                wait_s = 0.001 if refused else self._timeout_s
                place.loop.world_at(place.loop.time() + wait_s, self._fail, future)
            return
        self._messenger.misses = ""
        if self.server is None:
            self.server = place.route(self.host)
        waits = future is not None and not future.done() and not self._messenger.process.dead
        if waits:
            place.met(self.server, command)
        try:
            result = self.server.execute(command)
        except Refused as error:
            result = error
            if waits and self.server.unmet:
                place.tally.reach(self.server.unmet)
                self.server.unmet = ""
        if future is not None and not future.done():
            future.set_result(result)

    def _fail(self, future: asyncio.Future[Any]) -> None:
        """A call without an answer drops the connection, and the calls in flight with it."""
        if not future.done():
            self.lose()

    def lose(self) -> None:
        """Lose the connection."""
        self.server = None
        waiting, self._open = self._open, []
        for one in waiting:
            if not one.done():
                one.set_exception(RedisUnreachableError("Redis is not reachable", "sim"))

    def now(self) -> float:
        return self._redis.loop.time()

    async def open(self) -> None:
        """Connect no sooner than for a call."""

    def doubt_master(self) -> None:
        """Have no Sentinels to ask."""

    async def aclose(self) -> None:
        self.server = None


class SimConnection:
    """One connection for subscriptions, as the product's listener uses it."""

    def __init__(self, messenger: "SimMessenger", host: str) -> None:
        self._messenger = messenger
        self._host = host
        self._items: deque[tuple[Any, str]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._channels: dict[str, None] = {}
        self.server: Server | None = None
        self._is_lost = False

    async def connect(self) -> None:
        messenger = self._messenger
        messenger.process.check()
        await asyncio.sleep(messenger.weather.latency_s)
        messenger.process.check()
        if not messenger.reachable:
            if messenger.redis.dice.random() < 0.5:
                await asyncio.sleep(3600)  # the caller has a deadline
            raise redis.ConnectionError("refused")
        self.server = messenger.redis.route(self._host)
        messenger.connection = self

    async def send_command(self, word: str, *channels: str, check_health: bool = True) -> None:
        """Subscribe or unsubscribe; the server answers with how many there are."""
        self._messenger.process.check()
        if self._is_lost:
            raise redis.ConnectionError("the connection was lost")
        if word == "SUBSCRIBE" and self._messenger.is_denied:
            self._later(redis.exceptions.NoPermissionError("no channel is allowed"), "")
            return
        for channel in channels:
            if word == "SUBSCRIBE":
                self._channels[channel] = None
            else:
                self._channels.pop(channel, None)
            self._later([word.lower(), channel, len(self._channels)], "")

    def _later(self, item: Any, mark: str) -> None:
        if self._messenger.hears:
            loop = self._messenger.redis.loop
            at = loop.time() + self._messenger.weather.latency_s
            loop.world_at(at, self.feed, item, mark)

    def offer(self, channel: str, text: str | Unwritten, mark: str) -> None:
        """Carry one message to this process, or lose it."""
        if channel not in self._channels:
            return
        messenger, place = self._messenger, self._messenger.redis
        weather, dice, tally = messenger.weather, place.dice, place.tally
        if not messenger.hears:
            place.lost_messages += 1
            if messenger.unheard:
                tally.reach(messenger.unheard)
                messenger.unheard = ""
            return
        item = ["message", channel, str(text)]
        if PROBE in channel:
            self._later(item, mark)
            return
        if dice.random() < weather.lose_message:
            place.lost_messages += 1
            tally.reach("message lost")
            return
        times = 1
        if dice.random() < weather.repeat_message:
            times = 2
            tally.reach("message repeated")
        for _ in range(times):
            late = dice.random() < weather.delay_message
            if late:
                tally.reach("message late")
            delay = dice.uniform(0, 4) if late else weather.latency_s
            place.loop.world_at(place.loop.time() + delay, self.feed, item, mark)

    def feed(self, item: Any, mark: str) -> None:
        """Put an item, or an error, before the reader."""
        self._items.append((item, mark))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read_response(self) -> Any:
        while not self._items:
            self._waiter = self._messenger.redis.loop.create_future()
            await self._waiter
        self._messenger.process.check()
        item, mark = self._items.popleft()
        if mark:
            self._messenger.redis.tally.reach(mark)
        if isinstance(item, Exception):
            raise item
        return item

    def lose(self) -> None:
        """Reset the connection."""
        if not self._is_lost:
            self._is_lost, self._channels, self.server = True, {}, None
            self.feed(redis.ConnectionError("the connection was reset"), "")

    async def disconnect(self, *, nowait: bool = False) -> None:
        self._is_lost, self._channels, self.server = True, {}, None


class SimScripts(LeasedScripts):
    """The product's, which writes its own lease once and no longer at each call."""

    def __init__(self, commands: CommandLink, names: Names, me: Lease, ttl_s: float) -> None:
        super().__init__(commands, names, me, ttl_s)
        self._known: dict[str, tuple[Lease, list[str | int]]] = {}

    def _who(self, key: LeaseKey | PairLeaseKey, mode: LeaseMode) -> list[str | int]:
        known = self._known.get(key.name)
        if known is None or known[0] is not self.me:
            known = self._known[key.name] = self.me, super()._who(key, mode)
        return [*known[1][:3], mode.value, *known[1][4:]]


class SimOddTypes(OddTypes):
    """The product's, which is spared the questions where the server has no such keys."""

    _reads: SimCommands
    may_go_along = False

    async def among(self, values: dict[str, str | None]) -> dict[str, str]:
        server, now = self._reads.server, self._reads.now()
        if server is not None and not server.odd:
            if now >= self._due:
                self._due, self._known = now + self._every_s, {}
            if not self._known:
                return {}
        return await super().among(values)


@dataclass(frozen=True, slots=True)
class Written:
    """A value whose text is written when it is looked at."""

    text: Unwritten
    side: str

    def to_json(self, *_: Any, **__: Any) -> Unwritten:
        return self.text


class _Pool:
    """What the listener gets its connections from."""

    def __init__(self, make: Callable[[], SimConnection]) -> None:
        self.make_connection = make


class RememberingReader(SnapshotReader):
    """The product's reader, which asks its judges once for each text."""

    def __init__(
        self,
        parsed: Parsed,
        names: Names,
        scope: PairScope,
        lease_a: LeaseKey | None,
        lease_b: LeaseKey | None,
    ) -> None:
        super().__init__(names, scope, lease_a, lease_b)
        self._parsed = parsed

    def read(
        self,
        values: Sequence[str | None],
        notes: Sequence[str] = (),
        odd: Mapping[str, str] | None = None,
    ) -> StateSnapshot:
        """Judge the values; where all are known and none was ever refused, at once."""
        if not (notes or odd or self._named) and len(self.keys) == ALL_KEYS:
            found: list[Any] = []
            known = self._parsed.get
            for key, text in zip(self.keys, values, strict=True):
                if text is None:
                    found.append(None)
                elif type(text) is Unwritten and (text.scope, text.name) == (self._scope, key):
                    found.append(text.value)
                elif (one := known((key, text))) is not None and one[1] is None:
                    found.append(one[0])
                else:
                    break
            else:
                found[HALTS] = found[HALTS] or NO_HALTS
                return StateSnapshot(*found)
        return super().read(values, notes, odd)

    def _take(
        self, key: str, text: str | None, judge: Callable[[str], T], problems: list[str]
    ) -> T | None:
        if text is None:
            return super()._take(key, text, judge, problems)
        text = str(text)
        known = self._parsed.get((key, text))
        if known is None:
            try:
                known = judge(text), None
            except MessageRefusedError as error:
                known = None, error
            if len(self._parsed) >= MOST_PARSED:
                self._parsed.clear()
            self._parsed[key, text] = known
        value: T | None = known[0]
        if known[1] is not None:
            cause: RefusalCause = known[1].cause
            self._refuse(key, cause, str(known[1]), text, problems)
            return None
        self._forget(key)
        return value


class SimMessenger(RedisMessenger):
    """The bus of one process."""

    def __init__(
        self,
        place: SimRedis,
        process: Process,
        weather: RedisWeather,
        *,
        me: Lease,
        timing: TimingConfig,
        host: str,
    ) -> None:
        self.redis = place
        self.process = process
        self.weather = weather
        self.deaf_until = -math.inf
        self.denied_until = -math.inf
        """Until when an ACL forbids it to subscribe."""
        self.misses = ""
        """Why it cannot reach Redis now, as far as it has noticed."""
        self.missed_s = -math.inf
        """When a call of it last met nothing."""
        self.met_slow = False
        self.unheard = ""
        """What its next message will have been lost to."""
        self.connection: SimConnection | None = None
        self.seen: tuple[float, StateSnapshot] | None = None
        """When this process was last told the state, and what it was told."""
        super().__init__(settings=SETTINGS, timing=timing, instance=me.instance, host_id=me.host)
        self._commands = commands = SimCommands(self, host, timing.redis_timeout_s)
        self._reads = commands
        self._odd = SimOddTypes(commands, timing.link_check_s)
        who = Lease(instance=me.instance, host=me.host, pair="")
        self._scripts = SimScripts(commands, self.names, who, timing.lease_ttl_s)
        self._listener = Listener(
            SETTINGS,
            timing,
            commands,
            self.names.probe(me.instance),
            chance=Random(place.dice.getrandbits(32)),
        )
        self._listener._pool = _Pool(lambda: SimConnection(self, host))  # type: ignore[assignment]

    @property
    def scope(self) -> PairScope:
        """Whose state it reads."""
        return self._bound()

    def bind(self, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None) -> None:
        scope, _ = self.redis.parsed(scope)  # the very same is the quickest to compare
        super().bind(scope, lease_a, lease_b)

    def _reader_of(
        self, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None
    ) -> SnapshotReader:
        _, parsed = self.redis.parsed(scope)
        return RememberingReader(parsed, self.names, scope, lease_a, lease_b)

    # --- writing: the value stands for its text, until somebody looks at the text --------------

    def _written(self, key: str, value: T) -> T:
        """Return a value that writes itself no sooner than its text is looked at.

        Reading is the inverse of writing: `test_bus.py` plays schedules that judge every text.
        """
        if not REMEMBERS:
            return value
        assert self._scope is not None
        written = Written(Unwritten(value, self._scope, key), getattr(value, "side", ""))
        return cast("T", written)

    async def publish_fill(self, position: PositionState, fill: AFilled) -> LeaseAnswer:
        return await super().publish_fill(self._written(self.names.position_a, position), fill)

    async def write_position(self, position: PositionState) -> LeaseAnswer:
        return await super().write_position(self._written(self.names.position_a, position))

    async def write_ledger(
        self,
        ledger: Ledger,
        results: Sequence[BFilled] = (),
        *,
        neutral: Neutral | None = None,
        position_b: PositionState | None = None,
        take_free: bool = True,
    ) -> LeaseAnswer:
        names = self.names
        return await super().write_ledger(
            self._written(names.ledger, ledger),
            results,
            neutral=neutral and self._written(names.neutral, neutral),
            position_b=position_b and self._written(names.position_b, position_b),
            take_free=take_free,
        )

    async def publish_event(self, event: EventMessage) -> None:
        await super().publish_event(self._written(self.names.events, event))

    async def beat(self, ready: Ready) -> None:
        await super().beat(self._written(self.names.ready(ready.side), ready))

    async def read_instances(self, key: LeaseKey) -> tuple[str, ...]:
        """Judge each text once, as `RememberingReader` does."""
        name, scope = key.instances, self._bound()
        [text] = await self._reads.values([name])
        return () if text is None else instances_of(text, scope, name)

    async def read_state(self) -> StateSnapshot:
        snapshot = await super().read_state()
        self.seen = (self.redis.loop.time(), snapshot)
        return snapshot

    # --- what the world does to it ------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        return not (self.weather.cut or self.redis.down)

    @property
    def hears(self) -> bool:
        """Whether anything comes through on its subscription."""
        return self.reachable and self.redis.loop.time() >= self.deaf_until

    @property
    def server(self) -> Server:
        """What its calls come to."""
        return self._commands.server or self.redis.route(self._commands.host)

    @property
    def is_denied(self) -> bool:
        """Whether it may not subscribe."""
        return self.redis.loop.time() < self.denied_until

    @property
    def subscribed_to(self) -> Server | None:
        return self.connection.server if self.connection is not None else None

    @property
    def handlers(self) -> dict[str, list[Callable[[str], None]]]:
        """Who hears which channel."""
        return self._listener._handlers

    def meet(self, kind: str) -> None:
        """Count an outage once."""
        if self.misses != kind and not self.process.dead:
            self.misses = kind
            self.redis.tally.reach(kind)

    def offer(self, channel: str, text: str | Unwritten, mark: str) -> None:
        if self.connection is not None:
            self.connection.offer(channel, text, mark)

    def lose_subscription(self) -> bool:
        """Reset the connection of its subscriptions, not that of its commands."""
        if self.connection is None or self.connection.server is None:
            return False
        self.connection.lose()
        return True

    def lose_commands(self) -> None:
        """Reset the connection of its commands."""
        self._commands.lose()

    def leave(self, server: Server) -> None:
        """Lose the connections to this server."""
        if self._commands.server is server:
            self._commands.lose()
        if self.subscribed_to is server:
            self.lose_subscription()

    _commands: SimCommands
