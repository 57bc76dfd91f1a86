"""What both managers share: tasks, events in order, streams, state in Redis.

A manager turns what happened into events, steps its core, and performs the effects. Everything
runs in one event loop; `post` is synchronous, so a fill is decided upon before anything else.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from hedge.bus.port import LeaseAnswer, StateSnapshot
from hedge.core.amounts import MICROS
from hedge.core.footprint import Footprint, Own
from hedge.core.freshness import ANSWERING_MS, HEARD_MS
from hedge.core.records import Depth, Trade
from hedge.core.transitions import Facts
from hedge.daemon.account import BookHandlers, Bookkeeper, NotProven
from hedge.daemon.command_inbox import CommandInbox
from hedge.daemon.context import Anew, Ending, Parts
from hedge.daemon.event_log import Voice
from hedge.daemon.free_margin import FreeMargin
from hedge.daemon.halt import HaltKeeper, Release
from hedge.daemon.health import HealthReport
from hedge.daemon.lease import LeaseHandlers, LeaseKeeper
from hedge.daemon.market_facts import facts_of, mark_ticks_of
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.other_version import OtherVersion
from hedge.daemon.outbox import Outbox
from hedge.daemon.position_check import DriftHandlers, DriftKeeper
from hedge.daemon.proof import Proven
from hedge.daemon.redis_health import Need, RedisHealth
from hedge.daemon.redis_watch import RedisHandlers, RedisWatch
from hedge.daemon.refusals import Refusals
from hedge.daemon.send_turn import Sending
from hedge.daemon.tasks import Crew
from hedge.errors import RedisUnreachableError
from hedge.exchange.fence import Fenced
from hedge.exchange.nonce_watch import KEY_SHARED, KEY_SHARED_WORDS
from hedge.exchange.port import (
    DepthChanged,
    KeyRefusedError,
    MarginSeen,
    MarketDown,
    MarketUp,
    OrdersSeen,
    StreamDown,
    StreamUp,
    TradesSeen,
    TxSeen,
    VenueEvent,
)
from hedge.wire.control import RESUME, Command, Halt
from hedge.wire.record import Record
from hedge.wire.state import BUDGET, Ready

_ACK_SHOWN_S = 2.0
"""So long a run that starts anew shows what became of the command."""
_LAST_WORD_MS = 5000
"""So long is the last word repeated where nobody answers it."""
_LAST_WORDS = "nothing of the pair: its last messages and its lease are on their way to Redis"


class Shell(ABC):
    """The part of a manager that does not depend on its side."""

    side = ""
    is_last = False
    """Whether this side leaves last, so that a silent other side need not answer."""
    _is_key_shared = False

    def __init__(self, parts: Parts) -> None:
        """Keep the parts; nothing runs before `run`."""
        self.parts = parts
        self.log = parts.log
        self.redis = RedisHealth(parts.clock, parts.config.timing.redis_down_s)
        self.outbox = Outbox(parts, self.redis)
        self.origin = OriginKeeper(parts, self.side)
        self.voice = Voice(parts, self.side, self.outbox, self.origin, self.state_word)
        self.redis_watch = RedisWatch(
            parts, self.redis, self.voice.say, RedisHandlers(self._on_unread, self._on_redis)
        )
        self.refusals = Refusals(parts, self.voice.say)
        self.health = HealthReport(parts.health, partial(self.voice.note, loud=True))
        self.other_version = OtherVersion(parts, self.side, partial(self.voice.note, loud=True))
        self.sending = Sending()
        self.lease = LeaseKeeper(
            parts,
            self.side,
            LeaseHandlers(self._on_lease_taken, self.on_lease_lost, self.on_lease_refused),
        )
        self.books = Bookkeeper(
            parts,
            self.side,
            self.lease,
            self.sending,
            self._book_handlers(),
        )
        parts.venue.price_needed_by(lambda: not self.is_covered_here)
        self.margin = FreeMargin(round(parts.config.timing.view_lag_s * 1000))
        self.drift = DriftKeeper(parts, self._drift_handlers())
        self.halts = HaltKeeper(
            parts,
            self.side,
            self.outbox,
            self.origin,
            self.on_halt,
            self._on_release,
            partial(self.look_now, speak=True),
        )
        self.halts.on_unsaid = self._say_unsaid
        self.commands = CommandInbox(parts, self.side, self.origin, self._obey, self.refusals)
        self.origin.complete = self._complete
        self._footprint = Footprint()
        self._book_with = self._book_without = Depth()
        self.streams_up = False
        self.has_left = False
        self._adopts = False
        self._is_ending = False
        self._events: deque[Any] = deque()
        self._stepping = False
        self._reconciler: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._speak = False
        self._write_wanted = asyncio.Event()
        self._ended: asyncio.Future[Ending] | None = None
        self._crew = Crew()

    def _book_handlers(self) -> BookHandlers:
        return BookHandlers(
            self.on_trades,
            self.on_proven,
            self.on_key_refused,
            self.on_book_not_proven,
            self.on_fence_slow,
            partial(self.voice.note, "book_corrected", loud=True),
            self.spawn,
        )

    def _drift_handlers(self) -> DriftHandlers:
        parts = self.parts
        return DriftHandlers(
            book=lambda: self.books.book,
            is_quiet=lambda: self.streams_up and self.is_quiet(),
            mark_ticks=lambda: mark_ticks_of(parts),
            limit_micros=int(parts.config.safety.max_drift_usd * MICROS),
            differs=self.on_drift,
            margin=self.margin.answered,
            say=self.voice.say,
        )

    # --- what a side adds -----------------------------------------------------------------

    @abstractmethod
    def step(self, event: Any) -> tuple[Any, ...]:
        """Step the core with `event`; return the effects."""

    @abstractmethod
    def perform(self, effect: Any) -> None:
        """Perform one effect, or start performing it."""

    @abstractmethod
    def after_step(self) -> None:
        """Look at the new state once all effects are performed."""

    @abstractmethod
    def tick_event(self) -> Any:
        """Return the side's tick."""

    @abstractmethod
    def stop_event(self) -> Any:
        """Return the side's request to stop."""

    @abstractmethod
    def state_word(self) -> str:
        """Return the core's phase in one word."""

    @abstractmethod
    def own_lots(self) -> int | None:
        """Return the position of the own book, None while it is unknown."""

    @abstractmethod
    def on_trades(self, new: tuple[Trade, ...], received_ns: int) -> None:
        """Turn new trades of our account into events."""

    @abstractmethod
    def on_orders(self, seen: OrdersSeen) -> None:
        """Turn order rows into events."""

    @abstractmethod
    def on_streams(self, *, up: bool) -> None:
        """Turn a change of our streams into events."""

    @abstractmethod
    def on_snapshot(self, snapshot: StateSnapshot | None) -> None:
        """Turn what Redis holds into events; None when it cannot be read."""

    @abstractmethod
    def on_redis(self, why: str) -> None:
        """Redis counts as down, and why; or it does no more: "" (see `RedisHealth`)."""

    @abstractmethod
    def on_lease_taken(self, _answer: LeaseAnswer) -> None:
        """The lease is ours."""

    @abstractmethod
    def on_lease_lost(self, _answer: LeaseAnswer) -> None:
        """The lease was missing, or is another's."""

    @abstractmethod
    def on_lease_refused(self, _answer: LeaseAnswer) -> None:
        """Another process has the lease that we ask for."""

    @abstractmethod
    def on_proven(self, fenced: Fenced, proven: Proven) -> None:
        """Turn a passed fence and a proven book into events."""

    @abstractmethod
    def on_book_not_proven(self, found: NotProven) -> None:
        """Halt: the venue did not let us prove our book."""

    @abstractmethod
    def on_fence_slow(self, detail: str) -> None:
        """Let people know that our fate is open for long."""

    @abstractmethod
    def on_key_refused(self, error: KeyRefusedError) -> None:
        """Turn a refused key (while running) into events."""

    @property
    @abstractmethod
    def is_covered_here(self) -> bool:
        """Whether nothing of this side rests in the market, and nothing is owed there."""

    @property
    def may_leave_here(self) -> bool:
        """Whether a side that only leaves its market has nothing more to wait for."""
        return self.is_covered_here

    @property
    def is_other_past_here(self) -> bool:
        """Whether this side's own word is enough of its market: the other one looks itself."""
        return True

    @abstractmethod
    def is_quiet(self) -> bool:
        """Whether nothing is on its way that would change our position."""

    @abstractmethod
    def on_drift(self, what: str, lasting: bool) -> None:  # noqa: FBT001
        """Prove the book anew: the venue states another position. Halt where that lasts."""

    @abstractmethod
    def on_halt(self, halt: Halt) -> None:
        """Turn a halt in force into events."""

    @abstractmethod
    def on_release(self, release: Release) -> None:
        """Turn a person's release of a halt into events."""

    @abstractmethod
    def on_command(self, command: Command) -> str:
        """Turn an operator's command into events; return its outcome, in words."""

    @abstractmethod
    async def write_state(self) -> bool:
        """Write heartbeat and own state to Redis; whether there was anything to write.

        Raises RedisUnreachableError.
        """

    # --- running --------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Run until stopped; return how it ended. Raises HedgeError for what a person must fix."""
        self._ended = asyncio.get_running_loop().create_future()
        self.lease.refused = self.refusals.take
        raised = self.halts.load()
        if raised is not None:
            self.voice.say("halted", raised.reason, raised.detail)
        async with self._crew:
            for name, work in self._loops():
                self.spawn(name, work)
            ending = await self._ended
            await self.outbox.drain()
        await self._leave()
        return ending

    def _loops(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        return (
            ("streams", self.parts.venue.run_streams(self.on_venue)),
            ("listen", self.parts.messenger.start_listening()),
            ("lease", self.lease.run()),
            ("state", self._keep_reading()),
            ("beats", self._keep_writing()),
            ("ticks", self._tick()),
            ("outbox", self.outbox.run()),
            ("drift", self.drift.run()),
            ("confirm", self.books.keep_confirmed()),
        )

    def stop(self) -> None:
        """Ask for a clean stop."""
        self.log.info("stop_requested")
        self.post(self.stop_event())

    def open_points(self) -> tuple[str, ...]:
        """Return what keeps a clean stop waiting, in words."""
        return (f"it is {self.state_word()}",)

    def tell_open(self) -> None:
        """Say in log and event what a clean stop waits for."""
        is_over = self._ended is not None and self._ended.done()
        detail = _LAST_WORDS if is_over else "; ".join(self.open_points())
        self.log.warning("stop_waits", open=detail)
        self.voice.say("stop_waits", "open", detail)

    def end(self, *, neutral: bool) -> None:
        """End the run; a side that leads and is done says so as its last word first."""
        if neutral and self.lease.held:
            self.spawn("last-word", self._say_left())
        else:
            self._finish(neutral=neutral)

    async def _say_left(self) -> None:
        """Write that we left until the other side answers that, or has left too, at most 5 s.

        A position that changes meanwhile, or a debt, makes it untrue: then it is taken back.
        """
        clock, lots = self.parts.clock, self.own_lots()
        until_ms = clock.now_ms() + _LAST_WORD_MS
        self.has_left = True
        self.look_now(speak=True)

        def is_true() -> bool:
            return self.own_lots() == lots and not self.owes()

        while clock.now_ms() < until_ms and is_true() and not self._is_left_heard():
            await clock.sleep(self.parts.config.timing.tick_s)
            self.look_now(speak=True)
        if not is_true():
            self.has_left = False
            self.voice.note("left_open", "a position changed after the last word", loud=True)
        self._finish(neutral=self.has_left)

    @property
    def says_for_both(self) -> bool:
        """Whether this side publishes what either could, so that it is published once."""
        return self.lease.held

    def owes(self) -> bool:
        """Whether this side is known to owe the other one a trade."""
        return False

    def _is_left_heard(self) -> bool:
        """Whether nobody has to hear our last word any more."""
        snapshot = self.books.snapshot
        if snapshot is None or not self.origin.has_said_left:
            return False
        other = snapshot.ready_b if self.side == "a" else snapshot.ready_a
        if other is None or not self.origin.is_fresh(self.parts.names.ready(other.side), other):
            return self.is_last
        return other.left or self.origin.answers_left(other)

    def _on_release(self, release: Release) -> None:
        """Go on after a halt; after a forced release of one for missing trades, from nothing.

        What this process knows of ids, its own and the other side's, is of a history that the
        exchange has no more.
        """
        if release.forced and release.halt.reason == "trades_missing":
            self._begin_anew(adopts=release.halt.side == self.side)
        else:
            self.on_release(release)

    def _begin_anew(self, *, adopts: bool) -> None:
        if adopts and not self._adopts:
            self._adopts = True
            self.books.forget()
        if not self._is_ending:
            self._is_ending = True
            self.spawn("anew", self._end_anew())

    @property
    def anew(self) -> Anew:
        """What a run that ended anew leaves to the next one."""
        return Anew(self._adopts, self.commands.done)

    async def _end_anew(self) -> None:
        """End once the acknowledgement has been shown for a while."""
        self.look_now(speak=True)
        await self.parts.clock.sleep(_ACK_SHOWN_S)
        self.log.warning("starts_anew", adopts=self._adopts)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(Ending.ANEW)

    def _finish(self, *, neutral: bool) -> None:
        self.log.info("stopped", neutral=neutral)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(Ending.NEUTRAL if neutral else Ending.NOT_NEUTRAL)

    async def _leave(self) -> None:
        if not self._adopts:
            self.books.save()
        await self.lease.release(has_left=self.has_left)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run one effect's work as a named task of the process's group."""
        return self._crew.spawn(name, work)

    def reconcile(self) -> None:
        """Pass a fence and prove the book, beginning anew if one is on its way."""
        self.drop_reconciling()
        self._reconciler = self.spawn("reconcile", self.books.reconcile())

    def drop_reconciling(self) -> None:
        """Stop fencing: who does not hold the lease leaves the key's nonces alone."""
        if self._reconciler is not None and not self._reconciler.done():
            self._reconciler.cancel()

    # --- events in order ------------------------------------------------------------------

    def post(self, event: Any) -> None:
        """Step the core with `event` and perform the effects; nested events follow in order."""
        if self._crew.is_over:
            return
        self._events.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._events:
                for effect in self.step(self._events.popleft()):
                    self.perform(effect)
            self.after_step()
            self.voice.say_moves()
        finally:
            self._stepping = False
            self._events.clear()

    def is_own_shown(self) -> bool:
        """Whether our private stream was heard within the last seconds, and owes us nothing."""
        return self._is_heard_within(HEARD_MS) and not self.parts.venue.is_owing

    def is_answering(self) -> bool:
        """Whether the exchange answers on our private stream: no ping is open for seconds."""
        return self._is_heard_within(ANSWERING_MS)

    def _is_heard_within(self, life_ms: int) -> bool:
        heard_ms = self.parts.venue.heard_ms
        return heard_ms is not None and self.parts.clock.now_ms() - heard_ms <= life_ms

    def facts(self) -> Facts:
        """Return what is true outside now."""
        newest = self.parts.venue.recent_depth()
        book = self.others_book(self.quoted_book(newest))
        return facts_of(self.parts, book, newest, self.room_lots)

    def quoted_book(self, newest: Depth) -> Depth:
        """Return the public book that this side decides by; `newest`: by stream or by REST."""
        raise NotImplementedError

    def room_lots(self, mark_ticks: int | None) -> int | None:  # noqa: ARG002  of a side that asks
        """Return how much our free margin could take on; None: this side does not ask."""
        return None

    def orders_of_a(self) -> tuple[Own, ...]:
        """Return A's orders in the book, as this side knows them."""
        raise NotImplementedError

    def others_book(self, book: Depth) -> Depth:
        """Return a book without A's own orders, those that have just ended among them."""
        now_ms = self.parts.clock.now_ms()
        seen = self._footprint.seen(self.orders_of_a(), book, now_ms)
        if seen is not self._footprint or book is not self._book_with:
            self._footprint, self._book_with = seen, book
            self._book_without = seen.taken_out(book)
        return self._book_without

    async def _tick(self) -> None:
        while True:
            await self.parts.clock.sleep(self.parts.config.timing.tick_s)
            self.redis_watch.look()
            self._mind_key()
            self.post(self.tick_event())

    def _mind_key(self) -> None:
        """Say once that another program signs with our key."""
        is_shared = self.parts.sender.nonces.is_shared(self.parts.clock.now_ms())
        if is_shared and not self._is_key_shared:
            self.voice.note(KEY_SHARED, KEY_SHARED_WORDS, loud=True)
        self._is_key_shared = is_shared

    # --- the venue's streams --------------------------------------------------------------

    def on_venue(self, event: VenueEvent) -> None:
        """Take one event of the streams."""
        if self._crew.is_over:
            return
        match event:
            case TradesSeen():
                self.books.on_trades(event)
            case OrdersSeen(rows):
                self.parts.sender.on_orders(rows)
                self.on_orders(event)
            case DepthChanged():
                self.post(self.tick_event())
            case StreamUp() | StreamDown() | MarketUp() | MarketDown():
                self._on_link(event)
            case MarginSeen(available_micros):
                self.margin.told(available_micros, self.parts.clock.now_ms())
            case TxSeen(tx_hash, status, error):
                self.parts.sender.on_fate(tx_hash, status)
                self.log.debug("tx", hash=tx_hash, status=status, error=error)

    def _on_link(self, event: StreamUp | StreamDown | MarketUp | MarketDown) -> None:
        """Note what is up or lost; only what our account misses is caught up with."""
        match event:
            case StreamUp():
                self.streams_up = True
                self.log.info("streams_up")
                self.on_streams(up=True)
            case StreamDown(reason):
                self.streams_up = False
                self.log.warning("streams_down", reason=reason)
                self.on_streams(up=False)
            case MarketUp():
                self.log.info("market_data_up")
                self.post(self.tick_event())
            case MarketDown(reason):
                self.log.warning("market_data_down", reason=reason)
                self.post(self.tick_event())

    def foreign_of(self, trades: tuple[Trade, ...] = ()) -> tuple[int, ...]:
        """Return the ids of trades whose orders no process of the pair has signed.

        Also of earlier ones of which that was not known while another process may have led.
        """
        return self.lease.foreign_of(trades)

    # --- state in Redis -------------------------------------------------------------------

    def look_now(self, *, speak: bool = False) -> None:
        """Read the state in Redis at once; `speak`: write our own first, as at every beat."""
        self._speak |= speak
        self._look.set()

    async def _keep_reading(self) -> None:
        """Read all state every beat and whenever asked to; after each beat's let it be answered.

        Read first: what the other side forbids binds before a beat that echoes it is written.
        Writing has a turn of its own: where Redis is far away neither waits for the other.
        """
        clock, timing = self.parts.clock, self.parts.config.timing
        beat_ms, again_ms = round(timing.beat_s * 1000), round(timing.redis_retry_min_s * 1000)
        due_ms = clock.now_ms()
        while True:
            self.health.look()
            is_beat = clock.now_ms() >= due_ms
            if is_beat:
                due_ms = clock.now_ms() + beat_ms
            if not await self._read_state():
                due_ms = min(due_ms, clock.now_ms() + again_ms)
            elif is_beat or self._speak:
                self._speak = False
                self._write_wanted.set()
            await self._until_look(max(0, due_ms - clock.now_ms()) / 1000)

    async def _read_state(self) -> bool:
        """Read all state and act on it; whether Redis let us."""
        try:
            snapshot = await self.parts.messenger.read_state()
        except RedisUnreachableError as error:
            self.redis.failed(Need.READS, error)
            self.redis_watch.look()
            return False
        was_unread = self.redis.is_unmet(Need.READS)
        self.redis.met(Need.READS)
        if was_unread:
            self.redis_watch.look()
        self._take_snapshot(snapshot)
        return True

    async def _keep_writing(self) -> None:
        """Write own state whenever the state was read at a beat; a turn that fails is repeated."""
        clock, again_s = self.parts.clock, self.parts.config.timing.redis_retry_min_s
        while True:
            await self._write_wanted.wait()
            self._write_wanted.clear()
            try:
                is_written = await self.write_state()
            except RedisUnreachableError as error:
                self.redis.failed(Need.STATE, error)
                self.redis_watch.look()
                await clock.sleep(again_s)
                self._write_wanted.set()
            else:
                if is_written:
                    self.redis.met(Need.STATE)
                if not self._adopts:
                    self.books.save()

    def _on_unread(self) -> None:
        self.on_snapshot(None)

    def _on_redis(self, why: str) -> None:
        if not why:
            self.outbox.hasten()
        self.on_redis(why)

    def _mind_master(self, snapshot: StateSnapshot) -> None:
        """Doubt that this is the master where the other side's heartbeat is gone."""
        other = snapshot.ready_b if self.side == "a" else snapshot.ready_a
        if other is None or not self.origin.is_fresh(self.parts.names.ready(other.side), other):
            self.parts.messenger.doubt_master()

    async def read_until_answered(self) -> StateSnapshot:
        """Read the state in Redis, however long Redis is away."""
        while True:
            try:
                self.books.snapshot = await self.parts.messenger.read_state()
            except RedisUnreachableError:
                await self.parts.clock.sleep(self.parts.config.timing.beat_s)
            else:
                return self.books.snapshot

    async def _until_look(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._look.wait()
        except TimeoutError:
            return
        self._look.clear()

    def _on_lease_taken(self, answer: LeaseAnswer) -> None:
        """Begin an epoch: what was said and heard before is past."""
        self.origin.renew()
        self.on_lease_taken(answer)

    def _take_snapshot(self, snapshot: StateSnapshot) -> None:
        self.books.snapshot = snapshot
        if self.origin.hear(snapshot):
            self._speak = True  # the other side can act on what echoes its new epoch only
        self._mind_master(snapshot)
        self._mind_refused(snapshot)
        self.other_version.look(snapshot)
        self._mind_stale(snapshot)
        self.halts.hear(snapshot)
        command = snapshot.command
        if command is not None and command.command == RESUME:
            self._take_command(command)  # what it releases is told with its words
        self.halts.settle()
        self.on_snapshot(snapshot)
        if command is not None and command.command != RESUME:
            self._take_command(command)

    def _mind_refused(self, snapshot: StateSnapshot) -> None:
        """Count each value that was refused; log what else is wrong with what Redis holds."""
        for value in snapshot.newly_refused:
            self.refusals.add(value.cause.value, value.key, value.complaint)
        counted = {value.text for value in snapshot.newly_refused}
        for problem in snapshot.problems:
            if problem not in counted:
                self.log.warning("state_refused", detail=problem)
        self.refusals.settle()

    def _mind_stale(self, snapshot: StateSnapshot) -> None:
        """Count what the other side has stored and is not fresh, once however often it is read."""
        names = self.parts.names
        told: tuple[tuple[str, Record | None], ...] = (
            (names.ready_a, snapshot.ready_a),
            (names.position_a, snapshot.position_a),
        )
        if self.side == "a":
            told = ((names.ready_b, snapshot.ready_b), (names.ledger, snapshot.ledger))
        for name, record in told:
            if record is not None:
                self.refusals.stored(name, record.envelope, self.origin.stale(name, record))

    def _take_command(self, command: Command) -> None:
        """Obey a command that is for us, and show at once what became of it."""
        if self.lease.held and self.commands.take(command):
            self._speak = True

    def _obey(self, command: Command) -> str:
        """Perform a command; return its outcome, in words, "" where it comes later."""
        if command.command != RESUME:
            return self.on_command(command)

        def answer(why_not: str) -> None:
            self.commands.answer(command.id, f"not released: {why_not}" if why_not else "released")

        self.halts.release(command.halts, forced=command.forced, note=command.note, answer=answer)
        return ""

    def _complete(self, ready: Ready) -> Ready:
        """Add to a heartbeat what both sides say: the halts, the releases, the acknowledgements."""
        found = (
            ready,
            self.books,
            self.redis_watch,
            self.health,
            self.other_version,
            self.halts,
        )
        notices = dict(notice for one in found for notice in one.notices)
        notices[BUDGET] = self.parts.budget.text
        return replace(
            ready,
            halts=self.halts.in_force,
            released=self.halts.told,
            acks=self.commands.acks,
            notices=tuple(notices.items()),
            refused=self.refusals.counts,
            lag_ms=self.health.lag_ms,
        )

    # --- saying it ------------------------------------------------------------------------

    def publish_halt(self, reason: str, detail: str) -> None:
        """Halt the pair and let both sides know; each halt is one event."""
        if self.halts.halt(reason, detail):
            self.voice.say("halted", reason, detail)

    def _say_unsaid(self, halt: Halt) -> None:
        """Publish the event of a halt that no daemon has raised: A does, or B where A is away."""
        if self.says_for_both:
            self.voice.say("halted", halt.reason, halt.detail)
