"""One schedule: a pair, fills, faults; then everything heals and the pair must be whole again."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from hedge.bus.port import PairScope
from hedge.core.freshness import BeatId
from hedge.core.hedger import step as hedger
from hedge.core.maker import step as maker
from hedge.exchange.port import ORDER_LIFE_S
from hedge.wire.codec import MessageRefusedError
from hedge.wire.control import RESUME, Command, Halt, Halts
from hedge.wire.state import Ready
from paper.records import Tier
from tests.judge.facts import Violation
from tests.judge.positions import Positions
from tests.simulation import bus_kinds, change_kinds, convict, faults
from tests.simulation.aside import lots_aside
from tests.simulation.bus import NAMES, SimRedis
from tests.simulation.convict import Finding
from tests.simulation.daemon import Daemon, Settings, Tools, World
from tests.simulation.exchange import START_MS, A, B, SimExchange
from tests.simulation.host import Host
from tests.simulation.judge import Judge
from tests.simulation.launcher import market_told
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.loop import run as run_loop
from tests.simulation.people import Desk
from tests.simulation.tally import Tally
from tests.simulation.venue import DUST_LOTS

HEAL_S = 90.0
"""Longest wait for a healed pair; the longest honest one is a book that cannot be proven."""
RESUMES = 5
"""How often a person resumes the pair before giving up."""
LOOKS_S = 20.0
"""After this a person looks at a halt that says that the positions are not explained."""
POLL_S = 0.5
SECRETS = (b"a secret of the pair", b"another secret")
EARLIER_TRADES = 1000
"""Trades that the market had before the schedule begins."""
FORCED = frozenset(
    {
        "unexplained_position",
        "unexpected_short",
        "book_not_proven",
        "trades_missing",
        "foreign_trade_on_a",
        "foreign_trade_on_b",
        "liquidation_on_b",
        "drift",
        "unreadable_halt",
    }
)
"""Halts for which a person looks at both positions, and adopts them."""
CLOSED_FIRST = "unexpected_short"
"""A halt that stands for as long as A holds what it is about: a person closes that first."""
OF_YESTERDAY = ("op-0", "op-1")
"""Halts of an earlier life, which a person released then."""


@dataclass(frozen=True)
class Profile:
    """Which faults a schedule may have; `always` are in every one."""

    faults: tuple[str, ...] = faults.CALM
    always: tuple[str, ...] = ()
    share: float = 0.25
    mix: bool = False
    """Whether kinds are drawn by family, as many as that says, in place of `faults`."""
    seconds: tuple[float, float] = (6.0, 18.0)
    fill_every_s: float = 2.5
    whole_fills: bool = False
    """Whether the market takes whole orders only, so that positions repeat."""
    same_host: float = 0.2
    skew_ms: int = 800
    peer_watch: float = 0.75
    hold_s: float = 20.0
    unstated: float = 0.0
    """Chance that the venue leaves the position before it out of every trade."""
    keep: float = 0.0
    """Chance that A's order rests on after a partial fill."""
    scripts: float = 0.0
    """Chance that scripts start the pair, in place of people by hand."""
    opens: float = 0.0
    """Chance that a start ends where Redis or the exchange does not answer it."""
    offset: float = 0.0
    """Chance that both positions shall sum up to something, which B holds from before."""
    secret: float = 0.5
    """Chance that everything in Redis is signed."""
    order_s: tuple[float, ...] = (12.0,)
    """What `maker_order_time_out` may be: an old order is replaced, whatever else it calls for."""
    drift_usd: tuple[int, ...] = (1_000_000,)
    """What `safety.max_drift_usd` may be: an order is worth 30 USD."""


GENERAL = Profile(
    mix=True,
    skew_ms=1900,
    keep=0.25,
    offset=0.25,
    scripts=0.4,
    opens=0.3,
    order_s=(12.0, 12.0, 12.0, 60.0),
    drift_usd=(1_000_000, 20, 10, 2),
)
"""Everything."""
QUIET = Profile(skew_ms=1900, keep=0.25, offset=0.25)
"""A quiet exchange, an honest Redis, and processes that come back: every promise is kept."""
OFFSETS = (-250, -40, 30)


@dataclass
class Result:
    """What one schedule came to."""

    seed: int
    findings: list[Finding] = field(default_factory=list)
    """What broke a promise."""
    tally: Tally = field(default_factory=Tally)
    halts: Counter[str] = field(default_factory=Counter)
    prefixes: int = 0
    steps: int = 0
    fills: int = 0
    hedges: int = 0
    starts: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def violations(self) -> list[str]:
        """What broke a promise, in sentences."""
        return [finding.text for finding in self.findings]

    @property
    def new(self) -> list[Finding]:
        """What is on no list."""
        return [finding for finding in self.findings if finding.number is None]


class Stage:
    """The scene of one schedule and what can be done to it."""

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        profile: Profile,
        tools: Tools,
        say: Callable[[str, str], None] | None,
        muted: frozenset[str] = frozenset(),
    ) -> None:
        self.plan = Random(seed)
        """Decides what is tried and when, whatever becomes of it."""
        self.dice = dice = Random(f"{seed} world")
        self.loop, self.profile, self.muted = loop, profile, muted
        self.result = Result(seed)
        tier = dice.choice((Tier.STANDARD, Tier.STANDARD, Tier.INSTANT))
        exchange = SimExchange(loop, tier)
        exchange.say = say
        exchange.engine._store.last_trade_id = EARLIER_TRADES
        exchange.states_position = dice.random() >= profile.unstated
        redis = SimRedis(loop, dice)
        settings = Settings(
            peer_watch=dice.random() < profile.peer_watch,
            keep=bool(profile.keep) and dice.random() < profile.keep,
            offset_lots=dice.choice(OFFSETS)
            if profile.offset and dice.random() < profile.offset
            else 0,
            opens=bool(profile.opens) and dice.random() < profile.opens,
            secret=dice.choice(SECRETS) if dice.random() < profile.secret else None,
            order_timeout_s=Random(f"{seed} order time").choice(profile.order_s),
            max_drift_usd=Random(f"{seed} drift").choice(profile.drift_usd),
        )
        self.world = World(loop, exchange, redis, dice, settings, tools, say)
        self.world.tally.clock = loop.time
        self.judge = Judge(self.world)
        self.world.notes.released.update(OF_YESTERDAY)
        self.world.on_place = self.judge.on_place
        skew = profile.skew_ms
        self.host_a = Host("host-a", dice, dice.randint(-skew, skew))
        apart = dice.random() >= profile.same_host
        self.host_b = Host("host-b", dice, dice.randint(-skew, skew)) if apart else self.host_a
        self.host_c = Host("host-c", dice, dice.randint(-skew, skew))
        for host in self.hosts:
            host.tally = self.world.tally
        self.a = Daemon(self.world, "a", self.host_a, "A")
        self.b = Daemon(self.world, "b", self.host_b, "B")
        self.standby = Daemon(self.world, "b", self.host_c, "B2", tools.standby_key)
        self.second_a = Daemon(self.world, "a", self.host_c, "A2")
        self.desk = Desk(self.world, self.a, self.b, Random(f"{seed} desk"), profile.scripts)
        self.desk.person.on_resume = self._on_resume
        self.desk.person.on_flatten = self.judge.on_flatten
        self.has_standby = False
        self.faulty = False
        self._told = list[Process | None]()
        """The processes that a person who goes back to another market has told to end."""
        self._down_until = 0.0
        self._day_ends = 0.0
        self.broken: list[Violation] = []

    @property
    def hosts(self) -> tuple[Host, ...]:
        return (self.host_a, self.host_b, self.host_c)

    def _on_resume(self, halt_id: str, forced: bool) -> None:
        self.world.notes.releases(self.loop.time(), halt_id, forced=forced)

    def say(self, what: str) -> None:
        if self.world.say is not None:
            self.world.say("--", what)

    # --- what can be done to it ---------------------------------------------------------------

    def pick(self, side: str) -> Daemon:
        """Return a daemon of this side: the standby too, where there is one."""
        if side == "a":
            return self.a
        return self.dice.choice((self.b, self.standby)) if self.has_standby else self.b

    def last(self, seconds: float) -> None:
        """Let the market go on, without new faults, at least that much longer."""
        self._day_ends = max(self._day_ends, self.loop.time() + seconds)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        self.loop.world_at(self.loop.time() + seconds, self._if_faulty, call)

    def _if_faulty(self, call: Callable[[], object]) -> None:
        if self.faulty:
            call()

    def redis_down(self, seconds: float) -> None:
        self.world.redis.down = True
        self._down_until = max(self._down_until, self.loop.time() + seconds)
        self.later(seconds, self._redis_up)

    def _redis_up(self) -> None:
        if self.loop.time() >= self._down_until - 0.001:
            self.world.redis.down = False

    def cut_redis(self, host: Host, seconds: float) -> None:
        def mend() -> None:
            host.redis.cut = False

        host.redis.cut = True
        self.later(seconds, mend)

    def cut_venue(self, host: Host, seconds: float, *, is_reset: bool = True) -> None:
        """Cut a host off the exchange; without a reset its sockets seem to live."""

        def mend() -> None:
            host.venue.cut = False

        host.venue.cut = True
        for daemon in self.daemons:
            if daemon.host is host:
                for socket in daemon.sockets:
                    if is_reset:
                        socket.lose_stream("cut off")
                    else:
                        socket.fall_silent(seconds)
        self.later(seconds, mend)

    def thin_book(self, bids: int, asks: int, seconds: float) -> None:
        self.world.exchange.ladder(bids, asks)
        self.later(seconds, self.world.exchange.ladder)

    def add_standby(self) -> bool:
        self.has_standby = True
        return self.standby.start()

    def add_second_a(self) -> bool:
        return self.second_a.start()

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        return (self.a, self.b, self.standby, self.second_a)

    # --- the schedule -------------------------------------------------------------------------

    async def play(self) -> Result:
        """Play it whole."""
        if offset := self.world.settings.offset_lots:
            await self.world.exchange.give(B, offset)
        self.desk.start()
        if await self._until(self._is_working, 30):
            await self._suffer()
        else:
            self._break("live", "start", "the pair does not start")
        self.heal()
        await self._recover()
        self._sum_up()
        return self.result

    async def _suffer(self) -> None:
        plan, profile = self.plan, self.profile
        chosen = self._choose()
        self.say(f"faults: {', '.join(chosen)}")
        self.faulty = True
        self._set_weather(chosen)
        blows = [name for name in chosen if name in faults.KNOWN_BLOWS]
        self.last(plan.uniform(*profile.seconds))
        faults_end = self._day_ends
        while self.loop.time() < self._day_ends:
            await asyncio.sleep(plan.expovariate(1.0))
            lots = plan.choice((100, 100, plan.randrange(1, 100)))
            if plan.random() < 1 / (1 + profile.fill_every_s * 0.6):
                self._fill(100 if profile.whole_fills else lots)
            roll, number, own = plan.random(), plan.random(), Random(plan.getrandbits(64))
            if blows and roll < 0.45 and self.loop.time() < faults_end:
                name = blows[int(number * len(blows))]
                if name not in self.muted:
                    self._strike(name, own)

    def _choose(self) -> list[str]:
        """Return the kinds of this schedule."""
        plan, profile = self.plan, self.profile
        if profile.mix:
            seed = self.result.seed  # one family's luck does not change another's
            drawn = [
                kind
                for name, family in faults.FAMILIES.items()
                for kind in family.draw(Random(f"{seed} {name}"))
            ]
        else:
            drawn = [name for name in profile.faults if plan.random() < profile.share]
        chosen = list(dict.fromkeys((*profile.always, *drawn)))
        for name in chosen:
            self.world.tally.enable(name)
        return chosen

    def trouble(self, kinds: list[str], dice: Random) -> None:
        """Let these kinds happen from now on until `heal`, each blow once and now."""
        self.faulty = True
        self._set_weather(kinds)
        for name in kinds:
            if name in faults.KNOWN_BLOWS:
                self._strike(name, dice)

    def _strike(self, name: str, dice: Random) -> None:
        if name in faults.FORGERIES and self.world.settings.secret is None:
            return
        self.world.tally.inject(name)
        self.say(f"fault: {name}")
        faults.KNOWN_BLOWS[name](self, dice)

    def _set_weather(self, chosen: list[str]) -> None:
        for name in chosen:
            for table, kind in ((faults.VENUE_WEATHER, "venue"), (faults.REDIS_WEATHER, "redis")):
                if name in table:
                    attribute, low, high = table[name]
                    for host in dict.fromkeys(self.hosts):
                        strength = self.plan.uniform(low, high)
                        if name not in self.muted:
                            setattr(getattr(host, kind), attribute, strength)
        if "small refused" in chosen:
            self.judge.dust_lots = DUST_LOTS - 1
        late = self.plan.random() < 0.3
        for host in self.hosts:
            host.redis.late_write = 0.5 if late else 0.0
            host.venue.hold_s = self.profile.hold_s

    def _fill(self, lots: int) -> None:
        if change_kinds.is_left(self.world.exchange):
            return
        took = self.world.exchange.take(lots, A)
        if took:
            self.result.fills += 1
            self.say(f"the market takes {took}")

    def heal(self) -> None:
        self.say("healing")
        self.faulty = False
        exchange, redis = self.world.exchange, self.world.redis
        exchange.heal()
        redis.heal()
        for host in self.hosts:
            host.venue.clear()
            before, host.redis = host.redis, type(host.redis)()
            for client in redis.clients:  # those of scripts and commands too
                if client.weather is before:
                    client.weather = host.redis
            host.set_right()
        for daemon in self.daemons:
            if daemon.messenger is not None:
                daemon.messenger.weather = daemon.host.redis
            if daemon.process is not None:
                daemon.process.fuse = None
            daemon.thaw()
        self.second_a.kill()

    async def _recover(self) -> None:
        """Wait until the pair is whole and trades; resume what had to be halted."""
        await bus_kinds.clear_hand(self)
        for _ in range(RESUMES):
            whole = await self.until_whole(self._heal_s)
            halt = self.halt()
            if not whole and not self._is_forced():
                net = max(self._nets(), key=abs)
                self._break("I1" if net else "live", "healed", f"healed, but A + B is {net} off")
                return
            if halt is None:
                break
            self.result.halts[halt.reason] += 1
            if halt.reason == CLOSED_FIRST:
                await self._close()
            self.say(f"a person resumes {halt.reason}")
            await self.resume(halt)
            await bus_kinds.clear_hand(self)  # a halted B takes nothing by hand
        else:
            self._break("live", "halted again", "halted again and again")
            return
        if self.world.exchange.take(100, A):
            self.say("the last fill")
            await asyncio.sleep(1)
            if not await self._until(self._is_whole, self._heal_s):
                self._break("live", "last fill", "the last fill")

    async def _close(self) -> None:
        """Close what A is short by: a halt that `docs/states.md` has end by `flatten`, `resume`."""
        self.say("a person closes A's position")
        self.desk.person.flatten()
        market = self.world.settings.spec.market_index
        await self._until(lambda: not self.world.exchange.lots(A, market), self._heal_s)

    async def resume(self, halt: Halt) -> None:
        """Release what stands in Redis: by a command to who lives, and in Redis for who does not.

        `halt` is the one that the person speaks of.
        """
        scope = self._scope()
        forced, halts = self._is_forced(), self.world.redis.halts_of(scope)
        ids = tuple(one.id for one in halts.in_force)
        for one in ids:
            self.world.notes.releases(self.loop.time(), one, forced=forced)
        self.say(f"released: {', '.join(ids)}")
        command = Command(
            id=f"resume {halt.id} {self.loop.time()}",
            command=RESUME,
            timestamp=(START_MS + self.loop.now_ms) // 1000,
            to=self.newest_beats(),
            halts=ids,
            forced=forced,
        )
        text = command.to_json(seal=scope.seal(NAMES.command))
        self.world.redis.set(NAMES.command, text, 60)
        released = halts.union(Halts(released=ids))
        self.world.redis.set(NAMES.halt, released.to_json(seal=scope.seal(NAMES.halt)))
        await asyncio.sleep(4)

    def _scope(self) -> PairScope:
        """Return the pair in the market that its values name: a tool learns it each time."""
        scope = self.world.settings.scope
        return replace(scope, spec=market_told(self.world.redis) or scope.spec)

    def newest_beats(self) -> tuple[tuple[str, BeatId], ...]:
        """Return the heartbeats that a command of now answers."""
        scope, found = self._scope(), []
        for side in "ab":
            name = NAMES.ready(side)
            text = self.world.redis.get(name)
            try:
                beat = Ready.from_json(text or "", scope.spec, scope.limits_a(name))
            except MessageRefusedError:
                continue
            if beat.envelope is not None:
                found.append((side, BeatId(beat.envelope.epoch, beat.beat)))
        return tuple(found)

    def halt(self) -> Halt | None:
        halts = self.world.redis.halts_of(self.world.settings.scope).in_force
        return halts[0] if halts else None

    async def until_whole(self, seconds: float) -> bool:
        """Wait until the pair is whole and trades, or stands in a halt; whether it is.

        A halt that waits for a person to look at both positions ends the waiting.
        """
        looks_s = self.loop.time() + LOOKS_S

        def is_over() -> bool:
            return self._is_whole() or (self.loop.time() > looks_s and self._is_forced())

        await self._until(is_over, seconds)
        return self._is_whole()

    @property
    def _heal_s(self) -> float:
        """Return how long a healed pair may take; longer where requests are few.

        Longer too where people go to another market, and back: a B that ends what was left waits
        for the end of every order that a silent A may have there.
        """
        if self.world.tally.injected["market changed"]:
            return 2 * HEAL_S + ORDER_LIFE_S
        return HEAL_S if self.world.exchange.front.limits is None else 2 * HEAL_S

    def _is_forced(self) -> bool:
        """Whether a halt waits for a person who looks at both positions."""
        halt = self.halt()
        if halt is None:
            return False
        hedgers = [one for one in (self.b, self.standby) if one.is_running]
        stopped = any(one.manager.state.phase is hedger.Phase.HALTED for one in hedgers)
        halts = self.world.redis.halts_of(self.world.settings.scope).in_force
        return stopped or any(one.reason in FORCED for one in halts)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = self.loop.time() + seconds
        while self.loop.time() < end and not self.world.bugs:
            self.restart()
            if condition():
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _has_gone_back(self) -> bool:
        """A person ends what runs, then starts both where something was left: it says so there."""
        running = [one for one in self.daemons if one.is_running]
        for daemon in running:  # also what a script has started meanwhile
            if daemon.process not in self._told:
                self._told.append(daemon.process)
                daemon.stop()
        if running:
            return False
        self.world.settings = replace(self.world.settings, market=self.world.way_back)
        self.world.way_back = ""
        return True

    def restart(self) -> None:
        """A person starts again what has ended."""
        if self.faulty:
            return
        if self.world.way_back and not self._has_gone_back():
            return
        if self.desk.by_script or self.desk.launcher.is_busy:
            self.desk.restart()
            return
        self.a.start()
        if not (self.has_standby and self.standby.is_running):
            self.b.start()
        elif self._is_of_the_old_market(self.standby):
            self.standby.stop()  # whoever goes to another market starts all that runs anew

    def _is_of_the_old_market(self, daemon: Daemon) -> bool:
        """Whether a daemon is in another market than the configuration names, to stay there."""
        market = daemon.manager.parts.spec.market_index if daemon.manager else None
        return not daemon.old_market and market != self.world.settings.spec.market_index

    def _nets(self) -> list[int]:
        """Return by how much A + B is off in each market.

        By a person's order to close B holds no offset either, until the pair is resumed. One that
        a person has taken to another market may be held in either, and in no two.
        """
        exchange, offset = self.world.exchange, self.world.settings.offset_lots
        hedgers = [one for one in (self.b, self.standby) if one.is_running]
        if any(self.judge.closes(one) for one in hedgers):
            offset = 0
        held = [exchange.lots(A, market) + exchange.lots(B, market) for market in exchange.markets]
        if self.world.tally.injected["market changed"]:
            aside = self.judge.aside()
            held = [
                lots - lots_aside(exchange.log, aside, market)
                for market, lots in zip(exchange.markets, held, strict=True)
            ]
            is_held = offset in held
            place = held.index(offset) if is_held else 0
            return [lots - offset * (is_held and at == place) for at, lots in enumerate(held)]
        return [held[0] - offset, *held[1:]]

    def _is_working(self) -> bool:
        market = self.world.settings.spec.market_index
        return bool(self.world.exchange.engine.active_orders(A, market))

    def _is_whole(self) -> bool:
        """Whether B is the other side of A and the pair trades, or stands in a halt."""
        exchange = self.world.exchange
        if not exchange.is_idle:
            return False
        if any(abs(net) > self.judge.dust_lots for net in self._nets()):
            return False
        if self.halt() is not None:
            return self.a.is_running and self.a.manager.state.phase is maker.Phase.HALTED
        return self._is_working() and self.a.manager.state.phase is maker.Phase.WORKING

    def _states(self) -> str:
        parts = []
        for daemon in self.daemons:
            if daemon.manager is not None:
                state = daemon.manager.state
                word = state.phase.value if daemon.is_running else f"ended {daemon.ended}"
                owed = hedger.owed_lots(state) if daemon.side == "b" else state.net_lots
                parts.append(f"{daemon.name} {word} {owed}")
        halt = self.halt()
        return ", ".join(parts) + (f", halt {halt.reason}" if halt else "")

    def _break(self, promise: str, kind: str, text: str) -> None:
        """Note what the run itself finds broken."""
        words = f"{text}; {self._states()}"
        self.broken.append(Violation(promise, kind, self.loop.time(), words, {}))

    def judged(self) -> list[Finding]:
        """Judge everything up to now, once."""
        world = self.world
        world.notes.said.extend(self.desk.said)
        audit = self.judge.audit()
        self.result.prefixes, self.result.hedges = audit.prefixes, audit.hedges
        assert self.judge.record is not None
        story = convict.Story(
            Positions(self.judge.record),
            tuple(world.tally.moments),
            tuple(world.turns),
        )
        bugs = [Violation("bug", "bug", self.loop.time(), text, {}) for text in world.bugs]
        return [
            convict.find(story, violation) for violation in (*audit.violations, *self.broken, *bugs)
        ]

    def _sum_up(self) -> None:
        result = self.result
        result.findings = self.judged()
        result.steps, result.starts = self.loop.callbacks, self.world.starts
        result.virtual_s = self.loop.time()
        self.world.tally.close(faults.WEATHER)
        result.tally = self.world.tally


def play(
    seed: int,
    profile: Profile = GENERAL,
    tools: Tools | None = None,
    say: Callable[[VirtualLoop], Callable[[str, str], None]] | None = None,
    muted: frozenset[str] = frozenset(),
) -> Result:
    """Play the schedule of one seed; `muted` kinds are drawn like the others, and do nothing."""

    async def main(loop: VirtualLoop) -> Result:
        stage = Stage(loop, seed, profile, tools or Tools(), say(loop) if say else None, muted)
        return await stage.play()

    started_s = time.process_time()
    result: Result = run_loop(main)
    result.cpu_s = time.process_time() - started_s
    return result
