"""One daemon as a process: the real manager with parts that reach the simulated world."""

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from random import Random
from signal import SIGTERM
from types import SimpleNamespace
from typing import Any, cast

import main_A
import main_B
from hedge.bus.port import PairScope
from hedge.bus.remnants import Elsewhere, elsewhere_of, named_by
from hedge.config.schema import (
    AccountConfig,
    AccountsConfig,
    Config,
    LighterConfig,
    PartialFill,
    SafetyConfig,
    StrategyConfig,
    Tier,
    TimingConfig,
)
from hedge.core.amounts import MarketSpec
from hedge.daemon import left_markets
from hedge.daemon.context import Anew, Ending, Parts
from hedge.daemon.daemon import Shell
from hedge.daemon.host_store import HostState
from hedge.daemon.left_markets import Remains
from hedge.daemon.logs import Log, line
from hedge.daemon.startup import BUG, end_old_market, exit_code_of
from hedge.daemon.stop_request import Stopper
from hedge.errors import (
    ConfigError,
    ExchangeUnreachableError,
    HedgeError,
    NotNeutralError,
    RedisUnreachableError,
)
from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import (
    Clock,
    OrderElsewhere,
    OrderRequest,
    PositionElsewhere,
    TimeInForce,
    Venue,
)
from hedge.exchange.sender import Sender
from hedge.launcher import decisions
from hedge.wire.control import Lease
from hedge.wire.names import LeaseKey, Names
from tests.judge.notes import Notes
from tests.simulation.bus import NAMES, SimMessenger, SimRedis
from tests.simulation.exchange import CHAIN, ETH, KEY, SPECS, A, B, SimExchange
from tests.simulation.host import Host, SimClock, SimHostState
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.peer import SimPeer
from tests.simulation.socket import Socket
from tests.simulation.tally import Tally
from tests.simulation.venue import SimVenue
from tests.simulation.weather import VIEW_LAG_S

TIMING = TimingConfig(
    tick_s=0.5,
    beat_s=1.0,
    ready_ttl_s=4.0,
    lease_ttl_s=5.0,
    lease_renew_s=1.5,
    redis_timeout_s=1.0,
    redis_down_s=2.0,
    compare_s=10.0,
    answer_timeout_s=1.0,
    settle_timeout_s=2.0,
    place_deadline_s=3.0,
    marker_deadline_s=3.0,
    prove_deadline_s=20.0,
    retry_min_s=2.0,
    retry_max_s=6.0,
    ws_retry_max_s=2.0,
    quiet_after_429_s=5.0,
    stop_timeout_s=30.0,
    view_lag_s=VIEW_LAG_S,
)
"""Shorter than the product's own where nothing but waiting would be simulated."""
EXCHANGE_START_S = 7.0
"""How long a start asks an exchange that does not answer."""
KILLED = -9
"""The exit code of a killed process."""


@dataclass(frozen=True)
class Settings:
    """What the two configurations of one schedule have in common."""

    quantity_lots: int = 100
    offset_lots: int = 0
    depth: int = 1
    keep: bool = False
    confirm_s: float = 8.0
    force_close_s: float = 20.0
    order_timeout_s: float = 12.0
    max_drift_usd: int = 1_000_000
    requests_per_minute: int = 100_000
    peer_watch: bool = True
    opens: bool = False
    """Whether a start ends where Redis or the exchange does not answer it."""
    secret: bytes | None = None
    """What signs and checks everything in Redis, None for nothing."""
    market: str = ETH.symbol

    @property
    def spec(self) -> MarketSpec:
        """The market, as far as amounts are written in it."""
        return SPECS[self.market]

    @cached_property
    def scope(self) -> PairScope:
        return PairScope(CHAIN, A, B, self.spec, secret=self.secret)

    def config(self, side: str) -> Config:
        return Config(
            side=side,
            market=self.market,
            accounts=AccountsConfig(
                account_a=AccountConfig(account_index=A, api_key_index=KEY),
                account_b=AccountConfig(account_index=B, api_key_index=KEY),
            ),
            lighter=LighterConfig(
                chain_id=CHAIN,
                maker_order_time_out=self.order_timeout_s,
                requests_per_minute=self.requests_per_minute,
                tier=Tier.STANDARD,
            ),
            strategy=StrategyConfig(
                quantity=Decimal(self.spec.base(self.quantity_lots)),
                depth=self.depth,
                on_partial_fill=PartialFill.KEEP if self.keep else PartialFill.CANCEL,
                hedge_confirm_timeout_s=self.confirm_s,
                force_close_timeout=self.force_close_s,
                offset_base_amount=Decimal(self.spec.base(self.offset_lots)),
            ),
            safety=SafetyConfig(max_drift_usd=Decimal(self.max_drift_usd)),
            timing=TIMING,
        )


def sender_of(kind: type[Sender], venue: Venue, clock: Clock, instance: str, side: str) -> Sender:
    """Return a sender with the times of a schedule."""
    return kind(
        venue,
        clock,
        instance=instance,
        cancel_all_first=side == "a",
        answer_timeout_s=TIMING.answer_timeout_s,
        listed_timeout_s=TIMING.marker_deadline_s,
        view_lag_s=TIMING.view_lag_s,
    )


def _as_host(state: SimHostState) -> HostState:
    return cast("HostState", state)


def _name_of(outcome: BaseException) -> str:
    """Return what a person would call the error that ended a daemon."""
    while isinstance(outcome, BaseExceptionGroup):
        outcome = outcome.exceptions[0]
    return type(outcome).__name__


class SilentLog:
    """Stands for `hedge.daemon.logs.Log` where nobody reads along."""

    def debug(self, event: str, **fields: object) -> None:
        """Say nothing."""

    info = warning = error = debug

    def exception(self, event: str, error: BaseException, **fields: object) -> None:
        """Say nothing."""


class TraceLog:
    """Writes each line with its virtual time and process."""

    def __init__(self, say: Callable[[str, str], None], name: str) -> None:
        self._say, self._name = say, name

    def info(self, event: str, **fields: object) -> None:
        self._say(self._name, line(event, fields))

    debug = warning = error = info

    def exception(self, event: str, error: BaseException, **fields: object) -> None:
        self._say(self._name, f"{event} {error!r}")


@dataclass
class Tools:
    """What a weakened rule may replace; each stands for one object handed in."""

    build_a: Callable[[Parts], Shell] = main_A.build
    build_b: Callable[[Parts], Shell] = main_B.build
    build_leaving: Callable[[Parts], Shell] = main_A.build_leaving
    decide: Callable[[decisions.State, decisions.Event], decisions.Step] = decisions.step
    parts: Callable[[Parts, "World"], Parts] = lambda parts, world: parts
    look: "Callable[[Daemon], tuple[Remains, ...]]" = lambda daemon: daemon.remains()
    standby_key: int = KEY


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn in the life of a process: started, told to stop, killed, ended ..."""

    at_s: float
    name: str
    what: str
    market: str = ""
    """The market that it was started for."""


@dataclass
class World:
    """Everything outside the processes."""

    loop: VirtualLoop
    exchange: SimExchange
    redis: SimRedis
    dice: Random
    settings: Settings
    tools: Tools
    say: Callable[[str, str], None] | None = None
    on_place: Callable[["Daemon", OrderRequest], None] = lambda daemon, order: None
    """Hears of each order of A that shall rest, or that closes."""
    on_change: Callable[["Daemon", str], None] = lambda daemon, what: None
    on_price: Callable[["Daemon", OrderRequest], None] = lambda daemon, order: None
    """Hears what a change makes of an order of A."""
    """Hears of each start, freeze and end of a process."""
    known_s: Callable[[], float | None] = lambda: None
    """Tells of which moment the two heartbeats that a person reads now must know at least."""
    notes: Notes = field(default_factory=Notes)
    """What the judge is told beside the exchange's log."""
    bugs: list[str] = field(default_factory=list)
    starts: int = 0
    tally: Tally = field(default_factory=Tally)
    turns: list[Turn] = field(default_factory=list)
    """What became of the processes, in the order of time."""
    must_open: set[str] = field(default_factory=set)
    """Daemons whose next start ends where Redis or the exchange does not answer it."""
    way_back: str = ""
    """The market to which a person goes back, since something was left there."""
    bare: set[str] = field(default_factory=set)
    """Hosts whose disk is lost, until a process starts there."""

    def __post_init__(self) -> None:
        """Let exchange and Redis count and draw with the schedule."""
        self.exchange.tally = self.redis.tally = self.tally
        self.exchange.dice = self.dice


def connect(world: World, host: Host, process: Process, instance: str) -> SimMessenger:
    """Connect a process of a host to Redis."""
    messenger = SimMessenger(
        world.redis,
        process,
        host.redis,
        me=Lease(instance=instance, host=host.host_id),
        timing=TIMING,
        host=host.name,
    )
    world.redis.clients.append(messenger)
    bind(messenger, world.settings.scope)
    return messenger


def bind(messenger: SimMessenger, scope: PairScope) -> None:
    """Say whose state a messenger of a tool reads."""
    messenger.bind(scope, LeaseKey(CHAIN, A, KEY), LeaseKey(CHAIN, B, KEY))


class Daemon:
    """One place where a side runs: on one host, as one process after the other."""

    def __init__(self, world: World, side: str, host: Host, name: str, key: int = KEY) -> None:
        self.world, self.side, self.host, self.name, self.key = world, side, host, name, key
        self.process: Process | None = None
        self.manager: Any = None
        self.venue: SimVenue | None = None
        self.messenger: SimMessenger | None = None
        self.sockets: tuple[Socket, ...] = ()
        self.ended = ""
        self.old_market = ""
        """The market in which it only ends what an earlier run left."""
        self._only_leaves = False
        self.thawed_at = -1e9
        self._doom = ""
        self._on_signal: Callable[[], None] = lambda: None
        self._task: asyncio.Task[Any] | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and not self.process.dead

    @property
    def leads(self) -> bool:
        """Whether it believes that it holds its lease."""
        return self.is_running and bool(self.manager.lease.held)

    @property
    def is_frozen(self) -> bool:
        return self.is_running and self.process is not None and self.process.frozen

    def start(self, *, leaves: bool = False, anew: Anew | None = None) -> bool:
        """Start a new process on this host, unless one runs; `leaves`: `main_A.py --leave`.

        `anew` is what a run that starts anew in its process has left to this one.
        """
        if self.is_running:
            return False
        self.world.starts += 1
        if self.host.name in self.world.bare:
            self.world.bare.remove(self.host.name)
            self.world.tally.reach("disk lost")
        self.process = Process(self.name)
        self.process.on_fuse = self.kill
        self.ended = ""
        tools = self.world.tools
        build = tools.build_a if self.side == "a" else tools.build_b
        if leaves:
            build = tools.build_leaving
        context = self.process.context
        settings, self.old_market = self.world.settings, ""
        if remains := tools.look(self):
            self.world.tally.reach("market changed")
            self.old_market = self.world.exchange.config(remains[0].market_index).symbol
            settings = replace(settings, market=self.old_market)
        try:
            parts = self._parts(self.process, settings)
            self._only_leaves = leaves
            parts = replace(parts, anew=anew, leaves=bool(remains))
            self.manager = context.run(build, parts)
        except HedgeError as error:
            self._forget()
            self.ended = type(error).__name__
            self.process.end(exit_code_of(error))
            self.tell(f"ended at its start: {error}")
            return False
        self._on_signal = partial(self._leave, -SIGTERM)  # until the main listens to signals
        work = self._run(self.process, self.manager)
        self._task = self.world.loop.create_task(work, context=context)
        self.tell("started")
        return True

    def _start_anew(self, process: Process, anew: Anew) -> None:
        """Start again in the same process, as those see it who watch it."""
        watchers, process.on_end = process.on_end, []
        process.end(0)
        self._forget()
        self.tell("ended: anew")
        self.start(anew=anew)
        assert self.process is not None
        process.heir, self.process.on_end = self.process, watchers

    def remains(self) -> tuple[Remains, ...]:
        """Return what is left in other markets, as a start finds it (13.5)."""
        world, exchange, spec = self.world, self.world.exchange, self.world.settings.spec
        assert self.process is not None
        account, host = (A if self.side == "a" else B), self.host
        others = [one for one in SPECS.values() if one.market_index != spec.market_index]
        orders = tuple(
            OrderElsewhere(one.market_index, order.client_order_index)
            for one in others
            for order in exchange.engine.active_orders(account, one.market_index)
            if self.side == "a"
        )
        positions = tuple(
            PositionElsewhere(one.market_index, one.symbol, Decimal(one.base(lots)))
            for one in others
            if (lots := exchange.lots(account, one.market_index))
        )
        state = SimHostState(host, self.side, self.process, "")
        held = map(world.redis.master.held, (NAMES.position_b, NAMES.position_a, NAMES.ledger))
        own, a, ledger = (None if text is None else str(text) for text in held)
        named = named_by((own, a, ledger), spec.market_index)
        stated = (
            elsewhere_of({"A": a}, None, spec.market_index)
            if self.side == "a"
            else elsewhere_of(
                {"A": a, "B": own}, ledger, spec.market_index, left_markets.left_by(_as_host(state))
            )
        )
        seen = SimpleNamespace(
            host=state, spec=spec, clock=SimClock(world.loop, host), log=SilentLog()
        )
        told = Elsewhere(stated, named)
        return left_markets.remains_of(cast("Parts", seen), orders, positions, told)

    def _parts(self, process: Process, settings: Settings) -> Parts:
        world, host = self.world, self.host
        config = settings.config(self.side)
        account = A if self.side == "a" else B
        instance = host.new_instance(self.side, world.dice)
        clock = SimClock(world.loop, host)
        budget = RequestBudget(
            clock, settings.requests_per_minute, silence_s=TIMING.quiet_after_429_s
        )
        index = settings.spec.market_index
        self.venue = venue = SimVenue(
            world.exchange,
            host,
            process,
            clock,
            budget,
            account,
            world.dice,
            key=self.key,
            market_id=index,
        )
        self.messenger = messenger = connect(world, host, process, instance)
        peer_account = B if self.side == "a" else A
        peer = SimPeer(
            world.exchange, host, process, clock, budget, peer_account, world.dice, market_id=index
        )
        self.sockets = (venue, peer) if settings.peer_watch else (venue,)
        if self.side == "a":
            venue.on_order = self._on_order
            venue.on_price = lambda order: self.world.on_price(self, order)
        scope = replace(settings.scope, spec=venue.spec)
        messenger.bind(scope, LeaseKey(CHAIN, A, KEY), LeaseKey(CHAIN, B, KEY))
        log = SilentLog() if world.say is None else TraceLog(world.say, self.name)
        parts = Parts(
            config=config,
            scope=scope,
            names=Names(),
            lease=LeaseKey(CHAIN, account, KEY),
            venue=venue,
            budget=budget,
            sender=sender_of(Sender, venue, clock, instance, self.side),
            messenger=messenger,
            clock=clock,
            host=cast("HostState", SimHostState(host, self.side, process, instance)),
            log=cast("Log", log),
            instance=instance,
            version="simulated",
            peer=peer if settings.peer_watch else None,
            new_epoch=lambda: f"{world.dice.getrandbits(64):016x}",
        )
        return world.tools.parts(parts, world)

    def _on_order(self, order: OrderRequest) -> None:
        if order.time_in_force is TimeInForce.POST_ONLY or order.reduce_only:
            self.world.on_place(self, order)

    async def _run(self, process: Process, manager: Shell) -> None:
        outcome: Ending | BaseException
        try:
            await self._open()
            self._on_signal = Stopper(
                stop=manager.stop,
                tell_open=manager.tell_open,
                leave=self._leave,
                now_s=self.world.loop.time,
                later=self._later,
            ).on_signal
            outcome = await self._work(manager)
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:  # noqa: BLE001
            outcome = error  # whatever ends a daemon has its exit code
        if process.dead or isinstance(outcome, asyncio.CancelledError):
            process.end(KILLED)
            return
        if outcome is Ending.ANEW:
            contextvars.Context().run(self._start_anew, process, manager.anew)
            return
        process.end(exit_code_of(outcome))
        if isinstance(outcome, Ending):
            self.ended = outcome.value
        elif process.code == BUG:
            self._bug(outcome)
        else:
            self.ended = _name_of(outcome)
        self._forget()
        self.tell(f"ended: {self.ended}")

    async def _work(self, manager: Shell) -> Ending:
        """Run a side in its market, or end what was left in another one. Raises HedgeError."""
        if not self.old_market:
            ending = await manager.run()
            if ending is Ending.NEUTRAL:
                left_markets.end(manager.parts)
            return ending
        has_left = await end_old_market(manager.parts, manager, manager.run)
        if manager.books.book is None or manager.books.book.net_lots:
            self.world.way_back = self.old_market
        if has_left and self._only_leaves:
            return Ending.NEUTRAL
        if has_left:
            raise ConfigError(f"something was left in {self.old_market}", "market")
        raise NotNeutralError(f"something was left in {self.old_market}, and is open")

    async def _open(self) -> None:
        """Reach Redis and the exchange before anything else, or end, as a start does."""
        if not self.world.settings.opens and self.name not in self.world.must_open:
            return
        self.world.must_open.discard(self.name)
        assert self.messenger is not None
        if not self.messenger.reachable:
            await asyncio.sleep(TIMING.redis_timeout_s)
            raise RedisUnreachableError("Redis is not reachable", "sim")
        end_s = self.world.loop.time() + EXCHANGE_START_S
        while self.host.venue.cut:
            if self.world.loop.time() > end_s:
                raise ExchangeUnreachableError("the exchange does not answer")
            await asyncio.sleep(0.5)

    def _bug(self, error: BaseException) -> None:
        self.ended = "bug"
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.world.bugs.append(f"{self.name}: {type(error).__name__}: {error}")

    def _leave(self, code: int) -> None:
        """End at once, as `os._exit` does."""
        self.kill(code=code)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call in this process after a while, if it still runs then."""
        process = self.process
        assert process is not None

        def due() -> None:
            if not process.dead:
                call()

        self.world.loop.call_later(seconds, due, context=process.context)

    def _forget(self) -> None:
        if self.messenger in self.world.redis.clients:
            self.world.redis.clients.remove(self.messenger)

    def kill(self, kind: str = "", code: int = KILLED) -> None:
        """SIGKILL: nothing more reaches the world; its files stay. `kind` is the fault it is."""
        kind, self._doom = kind or self._doom, ""
        if self.process is None or self.process.dead:
            return
        if kind:
            self.world.tally.reach(kind)
        self.ended = "killed"
        self.process.end(code)
        self._forget()
        if self.process.frozen:
            self.process.thaw(self.world.loop)
        if self._task is not None:
            self._task.cancel()
        self.tell("killed")

    def kill_within(self, callbacks: int, kind: str) -> None:
        """Kill it before the callback of that number from now."""
        if self.process is not None and not self.process.dead:
            self.process.fuse, self._doom = callbacks, kind

    def freeze(self) -> None:
        """SIGSTOP."""
        if self.process is not None and not self.process.dead:
            self.process.frozen = True
            self.tell("frozen")

    def thaw(self) -> None:
        """SIGCONT."""
        if self.process is not None and self.process.frozen:
            self.thawed_at = self.world.loop.time()
            if self.process.thaw(self.world.loop) and not self.process.dead:
                self.world.tally.reach(f"{self.side.upper()} frozen")
            self.tell("thawed")

    def miss(self, seconds: float) -> None:
        """Hear nothing on links that seem to live: frames and messages are lost."""
        for socket in self.sockets:
            socket.fall_silent(seconds)
        if self.messenger is not None:
            self.messenger.deaf_until = self.world.loop.time() + seconds

    def stop(self) -> bool:
        """SIGTERM; whether a process hears it now. A frozen one hears it when it goes on."""
        process = self.process
        if process is None or process.dead:
            return False
        if process.frozen:
            self.world.loop.call_soon(self._hear, process, context=process.context)
            return False
        self.tell("told to stop")
        process.context.run(self._on_signal)
        return True

    def _hear(self, process: Process) -> None:
        """Deliver a signal that has waited."""
        if process is self.process and not process.dead:
            self.tell("told to stop")
            self._on_signal()

    def tell(self, what: str) -> None:
        """Note what became of it."""
        market = (self.old_market or self.world.settings.market) if what == "started" else ""
        self.world.turns.append(Turn(self.world.loop.time(), self.name, what, market))
        self.world.on_change(self, what)
        if self.world.say is not None:
            self.world.say(self.name, f"*** {what}")
