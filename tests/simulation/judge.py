"""The simulated world in the judge's words: the exchange's log, and what the processes said.

Only a translation: what is promised stands in `tests/judge`. It listens at the edges of a process
(its log, its writes to Redis, its orders before they are signed), so it hears what a person could.
"""

import json
import math
import sys
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from hedge.bus.remnants import elsewhere_of
from hedge.core import ids
from hedge.core.amounts import Side
from hedge.core.freshness import ANSWERING_MS
from hedge.core.hedger import state as b_state
from hedge.core.hedger.state import Closing, HandCleared, LeaseChanged, Phase
from hedge.errors import ConfigError
from hedge.exchange.port import OrderKind, OrderRequest
from hedge.maker.statements import is_current
from hedge.wire.control import Halt, Halts
from hedge.wire.halt_reasons import is_flatten
from hedge.wire.state import Ledger, Neutral, Ready
from paper.records import Order, OrderType, TimeInForce
from paper.records import Trade as PaperTrade
from tests.judge.audit import Audit, judge
from tests.judge.facts import (
    Adopted,
    Bounds,
    Claim,
    Decision,
    FalseRow,
    HandPublished,
    Hindrance,
    Leg,
    OrderLife,
    Record,
    Said,
    Violation,
)
from tests.judge.notes import Notes
from tests.judge.promises import WARNING_OF_B, resting_of_a
from tests.judge.resting import reaching
from tests.simulation import prices
from tests.simulation.aside import trades_aside
from tests.simulation.attacker import ATTACKS
from tests.simulation.bus import NAMES
from tests.simulation.daemon import TIMING, Daemon, Settings, World
from tests.simulation.exchange import ETH, KEY, SPARE_KEY, START_MS, A, B, Logged
from tests.simulation.loop import Process
from tests.simulation.redis_server import Server, Unwritten
from tests.simulation.venue import SimVenue
from tests.simulation.weather import RedisWeather, VenueWeather

TOLD_S = TIMING.redis_down_s + 2 * TIMING.redis_timeout_s + TIMING.beat_s + TIMING.tick_s
"""A decides on nothing older; longer silence means that B is unknown."""
LATE_WRITE_S = 3 * TIMING.redis_timeout_s
"""A call without an answer may run at the server this much later."""
DEAD_B_S = TIMING.ready_ttl_s + LATE_WRITE_S + TOLD_S
"""A heartbeat written late lives for its time, and A may have read it just before its end."""
DEAF_B_S = ANSWERING_MS / 1000 + TIMING.tick_s
"""A B whose exchange has been silent for longer says that it is not ready."""
NEWS_S = 0.25
"""Ten times the way of a fill on quiet links: frame 20 ms, publication and reading 2 ms each."""
LATE_S = VenueWeather().delay_s
"""So late is what B hears of its own account, at most, where frames are."""
DROPPED_S = TIMING.compare_s + 5.0
"""So late where frames are lost: B compares its book with the exchange's statement."""
SETTLE_S = 5.0
"""A process that was blind catches up before what it says counts as known."""
FRESH_S = 8.0
"""13.6: a statement counts while it echoes a beat that was sent within this."""
KEY_S = TIMING.beat_s + TIMING.tick_s
"""Where a message is lost, what A states is read from its key this much later."""
LOOKS_S = TIMING.beat_s
"""A blindness may have begun right after it was looked last, and so long ago at least."""
UNSTATED_S = TOLD_S + 2 * TIMING.beat_s
"""A position is stated every second: one that was not for so long was not taken."""
F_S = Settings().force_close_s
ACTS_S = F_S + 4 * TIMING.view_lag_s + 30.0
"""13.26 with the times of a schedule: B without A, and half a minute for fence, proof and order."""
A_ACTS_S = F_S + 2 * TIMING.view_lag_s + 15.0
"""A acts by public answers until then, and its order ends, and what it repeats."""
OFF_S = FRESH_S + TIMING.tick_s + prices.LEFT_S
"""A heartbeat of B counts for so long, and then A's order is taken off."""
FORGETS = frozenset(
    {
        "disk lost",
        "files restored",
        "redis wiped",
        "redis rolled back",
        "old dump restored",
        "fail-over split",
        *ATTACKS,
    }
)
"""Kinds by which a host or Redis loses what it remembered, or holds what others wrote."""
PROVES_S = TIMING.lease_ttl_s + TIMING.prove_deadline_s + SETTLE_S
"""A process that lacks nothing for so long leads and has proven its book, whatever it says."""
BLIND_S, LOST_S = Bounds().blind_s, Bounds().lost_s
UNSAID_S = 20.0
"""A B that hears no more of A says so after 10 s, and at once where nothing else shows A either."""
BLIND_TO_A = "a_unknown"
"""The notice of B's heartbeat that it does not know what A holds. That A is away says less: B may
believe that it covers A all the same."""
FLATTEN_COUNTS_S = 10.0
"""A command is void 5 s after the heartbeat that it answers; a message may be late as well."""
FLATTEN_LASTS_S = 60.0 + FLATTEN_COUNTS_S
"""B closes its own rest within a minute, once A has taken the order and is flat."""
REFUSED_S = TOLD_S + 2 * TIMING.beat_s
"""So long after B was told that its key may not trade A may not know it."""
ROOM_S = 40.0
"""So long B may believe in what it had before: it reads the market every 20 s."""
ADOPTIONS = frozenset({"drift_hedged", "drift_adopted"})


class Judge:
    """Listens to the daemons of a world, and judges all of it at the end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.record: Record | None = None
        """What the last audit judged."""
        self.placed = 0
        self.dust_lots = 0
        """What may stay unhedged while A goes on."""
        self._sight = _Sight(world)
        self._told: dict[int, float] = {}
        """Of which trades of A the pair could not but know when it signed an order."""
        self._leads: dict[str, bool] = {}
        self._known_halts: dict[Daemon, dict[str, float]] = {}
        """Since when a process has known each halt."""
        self._deaf_s: dict[tuple[str, int], float] = {}
        """By heartbeat: how long its writer had heard nothing of the exchange."""
        self._closing: dict[str, int] = {}
        self._closes_as: dict[str, Closing | None] = {}
        self._rests: set[str] = set()
        """Of those that close by order, who closes what is left beside a flat A: the offset."""
        """What each B closes of its own by a person's order, as if A had traded it."""
        self._flattens: list[tuple[float, bool]] = []
        """When a person has ordered to close, and whether one side alone."""
        self._hand_texts: dict[str, Decimal] = {}
        """What was published by hand in this world, each text once, as A's signed base amount."""
        self._hand_taken: dict[Process, list[str]] = {}
        """Which of these each process has taken."""
        self._hand_open: dict[Process, int] = {}
        """What is open of them with each process, as A's signed lots."""
        self._rooms: deque[tuple[float, int]] = deque()
        """When B said how much it can hedge, and how much the exchange let it then."""
        self._blames: list[Violation] = []
        """What a process says of a person, of the other side or of a halt, and is wrong."""
        self._stated_s: dict[str, float] = {}
        """When each process last had its position as A stored."""
        world.notes.b_signed_s = []
        self._leaving: set[str] = set()
        """Daemons that a person has asked to leave."""
        world.redis.heard += [self._on_stored, self._on_published]
        self.daemons: list[Daemon] = []
        world.on_change = self.on_change
        world.on_place = self.on_place
        world.on_price = self.on_change_of_price
        world.known_s = self._known_by_heartbeats_s
        world.exchange.on_lie = self._on_lie
        world.exchange.on_enlarged = self._on_enlarged
        world.exchange.on_small = self._on_small
        self._enlarged: set[tuple[int, float]] = set()
        """Processes (account, begin) of which it has read an order as larger than it was signed."""
        world.exchange.on_free_marker = self._on_free_marker

    @property
    def _now(self) -> float:
        return self._world.loop.time()

    @property
    def _notes(self) -> Notes:
        return self._world.notes

    # --- listening ------------------------------------------------------------------------------

    def _on_small(self, account: int, lots: int) -> None:
        """Note that B may leave so little unhedged: the exchange refuses to trade it (13.1)."""
        if account == B:
            self.dust_lots = max(self.dust_lots, lots)

    def _on_enlarged(self, account: int, began_s: float, lots: int) -> None:
        """Note what the exchange makes of an order: nobody can foresee that of the first one.

        Nor can a process that has read the market anew, where that changes again after its start.
        """
        if (account, began_s) not in self._enlarged:
            self._enlarged.add((account, began_s))
            at_s = math.floor(self._now * 1000) / 1000  # as exact as the exchange dates its trades
            self._notes.false_rows.append(FalseRow(at_s, lots))

    def _on_lie(self, lots: int) -> None:
        """Note a false frame. The exchange's answers are right all the time.

        Beyond the bounds of 13.7 it excuses nothing: no more than A's order, or its position.
        """
        exchange, settings = self._world.exchange, self._world.settings
        index = settings.spec.market_index
        bound = 2 * max(settings.quantity_lots, abs(exchange.lots(A, index)))
        if lots:
            row = FalseRow(self._now, min(lots, bound), shown_s=self._now)
            self._notes.false_rows.append(row)

    def on_change(self, daemon: Daemon, what: str) -> None:
        """A process was started, frozen, thawed, killed, told to stop, or has ended."""
        if what == "told to stop":
            self._leaving.add(daemon.name)
        elif what == "started" or not daemon.is_running:
            self._leaving.discard(daemon.name)
        if what == "started":
            self._notes.runs(self._now, daemon.name, daemon.side)
            self._listen(daemon)
        elif what == "thawed":
            self._notes.runs(self._now, daemon.name, daemon.side)
        elif what in ("frozen", "killed") or what.startswith("ended"):
            self._notes.rests(self._now, daemon.name)
            if what != "frozen":
                self._closes_as.pop(daemon.name, None)
                self._on_closing(daemon, None)
                self._forget_by_hand(daemon)
            if what == "ended: neutral" and self._leads.get(daemon.name, True):
                self._say(daemon, Claim.DAEMON_CODE_0, code=0)
            is_blamed = daemon.process is not None and daemon.process.code == ConfigError.exit_code
            if is_blamed and not daemon.old_market:
                self._on_code_2(daemon)

    def _forget_by_hand(self, daemon: Daemon) -> None:
        """Note that what was published by hand ends with B's memory; what it left is drift."""
        assert daemon.process is not None
        if lots := self._hand_open.pop(daemon.process, 0):
            self._by_hand(-lots, forgets=True)

    def _on_code_2(self, daemon: Daemon) -> None:
        """Note that what a person wrote is blamed, where this daemon has run with the very same."""
        started = [turn for turn in self._world.turns if turn.what == "started"]
        is_same = {turn.market for turn in started} == {self._world.settings.market}
        if is_same and any(turn.name == daemon.name for turn in started):
            text = f"{daemon.name} ended with code 2 on a configuration that it has run with"
            self._blames.append(Violation("said", "code 2", self._now, text, {"who": daemon.name}))

    def _listen(self, daemon: Daemon) -> None:
        """Listen to what a new process writes, and to what it signs."""
        if daemon not in self.daemons:
            self.daemons.append(daemon)
        parts, messenger, venue = daemon.manager.parts, daemon.messenger, daemon.venue
        assert messenger is not None
        assert venue is not None
        for level in ("info", "warning", "error"):
            setattr(parts.log, level, self._ear(daemon, level, getattr(parts.log, level)))
        if daemon.side == "b":
            wrapped: Any = parts.messenger
            self._mind_closing(daemon)
            wrapped.write_ledger = self._hearing_ledger(daemon, wrapped.write_ledger)
            venue.on_order = partial(self._on_signed_by_b, daemon)
        parts.messenger.beat = self._hearing_beat(daemon, parts.messenger.beat)
        self._watch_releases(daemon)
        if daemon.side == "a":
            self._mind_blame(daemon)
            self._watch_halts(daemon, parts.host)

    def _ear(self, daemon: Daemon, level: str, write: Callable[..., None]) -> Callable[..., None]:
        process = daemon.process
        assert process is not None

        def hear(event: str, **fields: object) -> None:
            write(event, **fields)
            if process.dead:
                return
            if event == "stopped":
                self._on_stopped(daemon, bool(fields["neutral"]))
            elif event == "covered":
                state = daemon.manager.state
                self._say(daemon, Claim.A_COVERED, str(fields["detail"]), a_lots=state.net_lots)
            elif event in ADOPTIONS:
                self._on_adopted(daemon, event, str(fields["detail"]))
            elif event == "waiting":
                self._notes.shows(self._now, daemon.name, "a", "log", str(fields["reason"]))
            # That another one leads says nothing of what is open.
            if level != "info" and event != "standby":
                where = "log" if daemon.side == "a" else WARNING_OF_B
                self._notes.showed(self._now, daemon.side, where, event)

        return hear

    def _on_adopted(self, daemon: Daemon, event: str, detail: str) -> None:
        """Note drift that a side takes over, with the bound that it has at the exchange's price."""
        settings, lots, limit_lots = self._world.settings, None, None
        spec = settings.spec
        if not daemon.old_market and spec.market_index == ETH.market_id:
            named = next(word for word in detail.split() if word[-1].isdigit())
            lots = round(Decimal(named) * 10**spec.size_decimals)
            limit_lots = self._drift_limit_lots()
        known_s = self._sight.known_s(self.daemons)
        self._notes.adopted.append(
            Adopted(self._now, event, daemon.side, lots, limit_lots, known_s)
        )

    def _drift_limit_lots(self) -> int | None:
        """Return how many lots `safety.max_drift_usd` buys, at the lowest price of late."""
        settings = self._world.settings
        moments = self._world.exchange.markets[ETH.market_id].moments
        books = prices.since(moments, self._now, prices.OLD_S)
        marks = [book.mark_ticks for book in books if book.mark_ticks is not None]
        if not marks:
            return None
        spec = settings.spec
        lot_usd = Decimal(min(marks)) / 10 ** (spec.price_decimals + spec.size_decimals)
        return int(settings.max_drift_usd / lot_usd)

    def _mind_closing(self, daemon: Daemon) -> None:
        """Note what a person orders B to close of its own, until the pair is resumed."""
        manager, process, real = daemon.manager, daemon.process, daemon.manager.step
        assert process is not None

        def step(event: Any) -> tuple[Any, ...]:
            before = manager.state
            effects: tuple[Any, ...] = real(event)
            after = manager.state
            if isinstance(event, b_state.HandPublished) and after.manual_lots != before.manual_lots:
                self._on_hand(daemon, process, event.signed_lots)
            undoes = isinstance(event, HandCleared | LeaseChanged) and not after.manual_lots
            if undoes and (lots := self._hand_open.pop(process, 0)):
                self._by_hand(-lots)  # B undoes what it traded for them, or forgets it
            if after.manual_lots != -self._hand_open.get(process, 0):
                self._blame_hand(daemon, after.manual_lots)
            now = self._closes_now(daemon, after)
            if now is not self._closes_as.get(daemon.name):
                self._closes_as[daemon.name] = now
                self._on_closing(daemon, self._ordered_lots(daemon, now), now)
            return effects

        manager.step = step

    def _closes_now(self, daemon: Daemon, state: Any) -> Closing | None:
        """Return what a B closes of its own at this moment.

        A standby that has heard of a flatten closes nothing before it leads, and beside an A that
        is not flat what is left of B is A's other side and the offset.
        """
        closing: Closing | None = state.closing
        if daemon.name not in self._closing and not _leads(state):
            return None
        is_left = closing is Closing.REST and self._world.exchange.lots(A) != 0
        return None if is_left else closing

    def on_flatten(self, forced: bool) -> None:
        """A person orders to close both accounts, or (`forced`) one side alone."""
        self._flattens.append((self._now, forced))

    def closes(self, daemon: Daemon) -> bool:
        """Whether a B closes its own by a person's order; its word alone is none."""
        return daemon.name in self._closing

    def _ordered_lots(self, daemon: Daemon, closing: Closing | None) -> int | None:
        """Return what B closes, as the exchange has it and where a person has ordered it."""
        if closing is None:
            return None
        alone, settings = closing is Closing.ALONE, self._world.settings
        lasts_s = FLATTEN_COUNTS_S if alone else FLATTEN_LASTS_S
        # Once A has taken it, the halt is the order, for every B until a person releases that.
        stands = not alone and any(map(is_flatten, daemon.manager.halts.in_force))
        ordered = any(
            stands or (forced is alone and self._now <= at_s + lasts_s)
            for at_s, forced in self._flattens
        )
        if not ordered:
            text = f"{daemon.name} closes its position ({closing.value}); nobody has ordered that"
            who = {"who": daemon.name}
            self._blames.append(Violation("I4", "nobody ordered", self._now, text, who))
            return None
        market = settings.spec.market_index
        return self._world.exchange.lots(B, market) if alone else settings.offset_lots

    def _on_closing(self, daemon: Daemon, lots: int | None, closing: Closing | None = None) -> None:
        """Note what B closes by order from now on, None for nothing any more."""
        before = self._closing_lots
        self._closing.pop(daemon.name, None)
        self._rests.discard(daemon.name)
        if lots is not None:
            self._closing[daemon.name] = lots
            if closing is Closing.REST:
                self._rests.add(daemon.name)
        if change := self._closing_lots - before:
            self._by_hand(change)

    @property
    def _closing_lots(self) -> int:
        """What is closed by order: the offset once, however many B know of that."""
        alone = sum(lots for name, lots in self._closing.items() if name not in self._rests)
        return alone + (self._world.settings.offset_lots if self._rests else 0)

    def _on_published(self, name: str, text: str | Unwritten) -> None:
        """Keep what was published by hand: what no side of the pair has written."""
        if name != NAMES.account_a_filled or isinstance(text, Unwritten):
            return
        try:
            fill = json.loads(text)
            if fill.get("epoch") is not None:
                return
            size = Decimal(str(fill["filled_base_amount"]))
            self._hand_texts.setdefault(text.strip(), size if fill["side"] == "buy" else -size)
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
            return  # garbage, which is no fill

    def _on_hand(self, daemon: Daemon, process: Process, lots: int) -> None:
        """Note a fill that B took for one of A's, where a person or a script has said so.

        Each text counts once in one process.
        """
        taken = self._hand_taken.setdefault(process, [])
        size = Decimal(lots).scaleb(-daemon.manager.parts.spec.size_decimals)
        found = (
            text for text, said in self._hand_texts.items() if said == size and text not in taken
        )
        if (text := next(found, None)) is None:
            words = f"{daemon.name} took a fill of {lots:+d} lots by hand; nobody published that"
            who = {"who": daemon.name}
            self._blames.append(Violation("I4", "nobody published", self._now, words, who))
            return
        taken.append(text)
        self._hand_open[process] = self._hand_open.get(process, 0) + lots
        self._by_hand(lots)

    def _blame_hand(self, daemon: Daemon, manual_lots: int) -> None:
        """Note that B holds more or less open by hand than people have published."""
        assert daemon.process is not None
        lots = -self._hand_open.get(daemon.process, 0)
        text = f"{daemon.name} has {manual_lots:+d} lots open by hand, of {lots:+d} published"
        self._blames.append(
            Violation("I4", "by hand", self._now, text, {"who": daemon.name, "lots": manual_lots})
        )

    def _by_hand(self, lots: int, *, forgets: bool = False) -> None:
        """Note what B follows by a person's word; it has sorted out itself what was said twice."""
        text = f"number {len(self._notes.by_hand)}"
        self._notes.by_hand.append(HandPublished(self._now, lots, text, forgets))

    def _on_stopped(self, daemon: Daemon, neutral: bool) -> None:
        """Note what a clean stop says; a standby's end says nothing while another one leads."""
        others = [one for one in self.daemons if one.side == daemon.side and one is not daemon]
        led = any(one.is_running and not one.is_frozen for one in others)
        leads = daemon.manager.lease.held or not led
        self._leads[daemon.name] = leads and not self._is_open_elsewhere(daemon)
        if neutral and self._leads[daemon.name]:
            self._say(daemon, Claim.DAEMON_STOPPED)

    def _is_open_elsewhere(self, daemon: Daemon) -> bool:
        """Whether only another market than its own is open, and Redis shows no position there.

        Its word is of its own market then (13.5), and what a person published by hand or traded in
        the other one is named by the process that left it.
        """
        exchange, market = self._world.exchange, daemon.manager.parts.spec.market_index
        if not self._world.tally.injected["market changed"]:
            return False
        own = exchange.lots(A, market) + exchange.lots(B, market)
        other = NAMES.position_b if daemon.side == "a" else NAMES.position_a
        held = self._world.redis.master.held(other)
        shown = elsewhere_of({"": None if held is None else str(held)}, None, market)
        return own in (0, self._world.settings.offset_lots) and not shown

    def _hearing_ledger(self, daemon: Daemon, write: Callable[..., Any]) -> Callable[..., Any]:
        async def write_ledger(ledger: Ledger, *args: Any, **kwargs: Any) -> Any:
            at_s, answers = self._now, self._answers_newest(ledger)
            neutral = kwargs.get("neutral")
            known_s = self._sight.known_s(self.daemons)
            answer = await write(ledger, *args, **kwargs)
            if answer.held:
                self._on_ledger(daemon, ledger, at_s, known_s, answers=answers)
                if neutral is not None:
                    self._on_neutral(daemon, neutral, at_s, known_s)
            return answer

        return write_ledger

    def _answers_newest(self, ledger: Ledger) -> bool:
        """Whether a reader of Redis takes the ledger for an answer to A's newest state."""
        answered = ledger.a_instance, ledger.a_seq
        held = self._world.redis.master.held(NAMES.position_a)
        if isinstance(held, Unwritten):
            return (held.value.instance, held.value.seq) == answered
        try:
            position = json.loads(held or "null")
        except ValueError:
            return False
        return isinstance(position, dict) and answered == (
            position.get("instance"),
            position.get("seq"),
        )

    def _on_ledger(
        self, daemon: Daemon, ledger: Ledger, at_s: float, known_s: float, *, answers: bool
    ) -> None:
        covered = ledger.owed_lots is not None and ledger.owed_lots in (0, ledger.dust_lots)
        is_all = not ledger.inflight and not ledger.manual_lots  # else it names what is open
        if answers and covered and is_all:
            dust = ledger.owed_lots or 0
            said = Said(at_s, daemon.name, Claim.LEDGER, dust_lots=dust, known_s=known_s)
            self._notes.said.append(said)

    def _on_neutral(self, daemon: Daemon, neutral: Neutral, at_s: float, known_s: float) -> None:
        self._notes.said.append(
            Said(
                at_s,
                daemon.name,
                Claim.NEUTRAL_RECORD,
                a_lots=neutral.a_position_lots,
                b_lots=neutral.b_position_lots,
                known_s=known_s,
            )
        )

    def _hearing_beat(self, daemon: Daemon, write: Callable[..., Any]) -> Callable[..., Any]:
        async def beat(ready: Ready) -> None:
            if ready.envelope is not None and ready.ready and daemon.venue is not None:
                heard_ms, now_ms = daemon.venue.heard_ms, daemon.venue.clock.now_ms()
                deaf_s = (now_ms - (heard_ms or now_ms)) / 1000
                self._deaf_s[ready.envelope.epoch, ready.beat] = deaf_s
            if daemon.side == "b":
                self._mind_room(daemon, ready)
            await write(ready)
            self._look()
            reason = "" if ready.ready else "; ".join(ready.reasons) or ready.state
            self._notes.shows(self._now, daemon.name, daemon.side, "heartbeat", reason)
            # `status` says then of either side that it does not hear the exchange, or of the pair
            # that it is halted, with both positions.
            said = "" if ready.shown else "its position is not shown"
            said = "halted" if ready.halts else said
            # And in a row of its own that B sees nothing of A, as long as that lasts.
            said = said or next((word for word, _ in ready.notices if word == BLIND_TO_A), "")
            self._notes.shows(self._now, daemon.name, "b", WARNING_OF_B, said)

        return beat

    def _watch_releases(self, daemon: Daemon) -> None:
        """Note a halt that this process takes up although it has known of its release."""
        keeper, host = daemon.manager.halts, daemon.manager.parts.host
        released = set(daemon.host.halts[daemon.side].released)
        keep, on_halt = host.keep_halts, keeper._on_halt

        def keep_halts(halts: Halts, done: Callable[[bool], None]) -> None:
            def kept(is_kept: bool) -> None:
                released.update(halts.released if is_kept else ())
                done(is_kept)

            keep(halts, kept)

        def take_up(halt: Halt) -> None:
            if halt.id in released and halt.id in self._notes.released:
                text = f"{daemon.name} is halted by {halt.id}, which it knows to be released"
                who = {"who": daemon.name}
                self._blames.append(Violation("halt", "returned", self._now, text, who))
            on_halt(halt)

        host.keep_halts, keeper._on_halt = keep_halts, take_up

    def _mind_blame(self, daemon: Daemon) -> None:
        """Note a halt that blames B for what Redis has not taken of A for long."""
        manager, real = daemon.manager, daemon.manager.publish_halt

        def publish_halt(reason: str, detail: str) -> None:
            unsaid_s = self._now - self._stated_s.get(manager.parts.instance, self._now)
            if detail.startswith("B has not covered") and unsaid_s > UNSTATED_S:
                text = (
                    f"A blames B for a fill: it could not state its position for {unsaid_s:.0f} s"
                )
                who = {"who": daemon.name}
                self._blames.append(Violation("I5", "blamed", self._now, text, who))
            real(reason, detail)

        manager.publish_halt = publish_halt

    def _on_stored(self, name: str, text: str | Unwritten) -> None:
        """Note when a process last had its position stored."""
        if name == NAMES.position_a and isinstance(text, Unwritten):
            self._stated_s[text.value.instance] = self._now

    def _watch_halts(self, daemon: Daemon, host: Any) -> None:
        """Keep the ids of the halts that this process has known, and since when."""
        kept = daemon.host.halts[daemon.side].in_force
        known = self._known_halts[daemon] = {halt.id: self._now for halt in kept}
        keep = host.keep_halts

        def keep_halts(halts: Halts, done: Callable[[bool], None]) -> None:
            for halt in halts.in_force:
                known.setdefault(halt.id, self._now)
            keep(halts, done)

        host.keep_halts = keep_halts

    def _say(self, daemon: Daemon, claim: Claim, text: str = "", **named: Any) -> None:
        known_s = self._sight.known_s(self.daemons)
        said = Said(self._now, daemon.name, claim, text, known_s=known_s, **named)
        self._notes.said.append(said)

    def _known_by_heartbeats_s(self) -> float:
        """Return the last moment of which two heartbeats must know that a command reads now.

        A side whose way to the exchange is dead shows what it heard for `shown_s` more (13.1).
        """
        bounds = Bounds()
        shown_s = self._now - NEWS_S - bounds.answer_s - bounds.shown_s
        return max(self._sight.known_s(self.daemons), shown_s)

    def _mind_price(self, daemon: Daemon, order: OrderRequest) -> None:
        """Note a price that the book, as the exchange has it, did not call for."""
        if daemon.old_market or not self._knows_prices:
            return
        moments = self._world.exchange.markets[ETH.market_id].moments
        books = list(prices.since(moments, self._now, self._lasting_s))
        wrong = prices.wrong_quote if daemon.side == "a" else prices.wrong_cap
        self._blames += wrong(order, books, self._now, daemon.name)

    @property
    def _knows_prices(self) -> bool:
        """Whether the book that the exchange told of, in lots of one size, is its own."""
        injected, settings = self._world.tally.injected, self._world.settings
        is_false = any(injected[kind] for kind in (*prices.FALSE_KINDS, "decimals changed"))
        return settings.spec.market_index == ETH.market_id and not is_false

    @property
    def _lasting_s(self) -> float:
        """Return how old the book may be that a process knows, in this schedule."""
        is_old = any(self._world.tally.injected[kind] for kind in prices.OLD_KINDS)
        return prices.OLD_S if is_old else prices.FRESH_S

    def _left_dear(self, record: Record) -> list[Violation]:
        """Find the orders of A that were left where their hedge costs too much."""
        exchange = self._world.exchange
        if not self._knows_prices or self._world.tally.injected["market changed"]:
            return []
        rests = _rests(exchange.log, record, self._now)
        moments = exchange.markets[ETH.market_id].moments
        return prices.left_dear(rests, moments, reaching(record), self._lasting_s)

    def _on_signed_by_b(self, daemon: Daemon, order: OrderRequest) -> None:
        self._on_signed(order)
        if order.kind is OrderKind.MARKET:  # a fence's marker is none
            assert self._notes.b_signed_s is not None
            self._notes.b_signed_s.append(self._now)
            self._mind_price(daemon, order)

    def _on_signed(self, order: OrderRequest) -> None:
        self._notes.signed[order.client_order_index] = self._now
        self._told[order.client_order_index] = self._sight.told_s(self.daemons)

    def on_place(self, daemon: Daemon, order: OrderRequest) -> None:
        """Note what A knew when it decided on a resting order (I3)."""
        self.placed += 1
        self._on_signed(order)
        if order.kind is not OrderKind.MARKET:
            self._mind_price(daemon, order)
        self._mind_decision(daemon, order)

    def on_change_of_price(self, daemon: Daemon, order: OrderRequest) -> None:
        """Note what A knew when it decided on another price: it offers anew what it rests (I3)."""
        self._mind_price(daemon, order)
        self._mind_decision(daemon, order)

    def _mind_decision(self, daemon: Daemon, order: OrderRequest) -> None:
        assert daemon.messenger is not None
        told_s, snapshot = daemon.messenger.seen or (None, None)
        shown = snapshot.known_halts.in_force if snapshot is not None else ()
        halted = [halt.reason for halt in shown if halt.id not in self._notes.released]
        ready = snapshot.ready_b if snapshot is not None else None
        # What was decided in the very turn in which the halt came was decided before it.
        halts = self._known_halts.get(daemon, {}).items()
        known = {halt_id for halt_id, since_s in halts if since_s < self._now}
        unreleased = known - self._notes.released
        self._notes.decisions.append(
            Decision(
                at_s=self._now,
                client_order_index=order.client_order_index,
                who=daemon.name,
                b_ready=ready is not None and ready.ready,
                halted=halted[0] if halted else None,
                told_s=told_s,
                thawed_s=daemon.thawed_at,
                unreleased=tuple(sorted(unreleased)),
                closes=order.kind is OrderKind.MARKET,
                deaf_s=self._deaf_s_of(ready),
                hopeless=self._hopeless(),
            )
        )

    def _hopeless(self) -> str:
        """Return what the exchange has told B of its key, if that stands and A may know it.

        Whatever process of B leads by now: none passes its fence with such a key.
        """
        front = self._world.exchange.front
        rule, told_s = front.key_rules.get((B, KEY)), front.key_told_s.get(B)
        if rule is None or told_s is None or self._now < told_s + REFUSED_S:
            return ""
        return f"{rule.kind} ({rule.code}), told at {told_s:.3f} s"

    def _mind_room(self, daemon: Daemon, ready: Ready) -> None:
        """Note a B that says it can hedge more than the exchange has let it for long."""
        world, venue = self._world, daemon.venue
        exchange, injected = world.exchange, world.tally.injected
        if venue is None or world.settings.spec.market_index != ETH.market_id:
            return
        if any(injected[kind] for kind in ("margin lies", "decimals changed", "market changed")):
            return
        room = 0 if B in exchange.isolated else exchange.room_lots(B)
        self._rooms.append((self._now, room))
        while self._rooms[0][0] < self._now - ROOM_S:
            self._rooms.popleft()
        is_long = self._rooms[0][0] < self._now - ROOM_S + 2 * TIMING.beat_s
        said = ready.can_hedge_lots
        if not ready.ready or said is None or not is_long:
            return
        most = max(room for _, room in self._rooms)
        if said <= 2 * most + 1:
            return
        text = f"{daemon.name} says that it can hedge {said}, the exchange lets it {most}"
        self._blames.append(Violation("room", "room", self._now, text, {"who": daemon.name}))

    def _on_free_marker(self, venue: object) -> None:
        """Note a fence that spends the one transaction in 15 s on an order that was refused.

        13.10: each copy of it was answered with a definite word, so there is nothing to find out.
        """
        for daemon in self.daemons:
            if daemon.venue is not venue or not daemon.is_running:
                continue
            state = daemon.manager.state
            order = state.inflight if daemon.side == "b" else None
            if order is None or state.phase is not Phase.UNKNOWN:
                continue
            client_id = order.client_order_index
            copies = daemon.venue.copies[client_id]
            if copies and daemon.venue.out_of_quota[client_id] == copies:
                text = (
                    f"{daemon.name} spent its one free transaction on a fence for order"
                    f" {client_id}, which the quota had refused"
                )
                who = {"who": daemon.name}
                self._blames.append(Violation("quota", "wasted", self._now, text, who))

    def _deaf_s_of(self, ready: Ready | None) -> float:
        """Return how long B was deaf when it wrote this heartbeat."""
        if ready is None or ready.envelope is None:
            return 0.0
        return self._deaf_s.get((ready.envelope.epoch, ready.beat), 0.0)

    def _look(self) -> None:
        """Note what the world keeps each side from, and which halts stand in Redis."""
        world, now = self._world, self._now
        for side in "ab":
            running = [one for one in self.daemons if one.side == side and _works(one)]
            found = self._hindrances(side, running) if running else set()
            self._notes.hinders(now, side, found)
        halts = world.redis.halts_of(world.settings.scope).in_force
        self._notes.halts(now, {halt.reason for halt in halts})

    def _hindrances(self, side: str, running: list[Daemon]) -> set[Hindrance]:
        """Return what keeps a side from acting, whichever of its daemons leads."""
        world, found = self._world, set[Hindrance]()
        exchange, redis = world.exchange, world.redis
        lags = any(lag.chance for lag in exchange.lags.values())
        if lags or not any(_hears(one, 0) and _is_venue_calm(one) for one in running):
            found.add(Hindrance.LINK)
        may_watch = side == "b" and world.settings.peer_watch
        watches = may_watch and any(_hears(one, 1) for one in running)
        makers = [one for one in self.daemons if one.side == "a" and _works(one)]
        if side == "b" and not may_watch and makers and not _share_a_market(running, makers):
            found.add(Hindrance.APART)
        mute = redis.down or redis.master.refuses or redis.deposed is not None
        stating = running if side == "a" else self.daemons  # B needs what A says as well
        if not watches and (mute or not all(_is_redis_calm(one) for one in stating)):
            found.add(Hindrance.REDIS)
        front, account = exchange.front, A if side == "a" else B
        refuses = front.is_inactive or account in front.quota or front.limits is not None
        if refuses or account in exchange.margin_kind or exchange.rules_kind:
            found.add(Hindrance.VENUE)
        if self._is_dry():
            found.add(Hindrance.DRY)
        if all(one.name in self._leaving for one in running):
            found.add(Hindrance.LEAVES)
        return found

    def _is_dry(self) -> bool:
        """Whether others rest less than what would close what is open, on the side that it takes.

        A reduces itself on the same side on which B hedges. What is more than an order of the pair
        it closes in parts.
        """
        exchange, settings = self._world.exchange, self._world.settings
        market = settings.spec.market_index
        owed = settings.offset_lots - exchange.lots(A, market) - exchange.lots(B, market)
        depth = exchange.markets[market].depth
        levels = depth.asks if owed > 0 else depth.bids
        least_lots = min(abs(owed), settings.quantity_lots)
        return sum(level.size_lots for level in levels) < least_lots

    def _smallest_resting_lots(self) -> int:
        """Return what A can close by an order that rests; nothing, where the minimums rose."""
        rose = self._world.tally.injected["minimums raised"]
        return sys.maxsize if rose else Bounds().smallest_resting_lots

    # --- judging --------------------------------------------------------------------------------

    def _late_s(self) -> float:
        """Return how late a process may have heard of a stranger's trade on its own account."""
        reached = self._world.tally.reached
        if any(reached[kind] for kind in ("frame dropped", "accepted, dropped", "channel stops")):
            return DROPPED_S
        return LATE_S if reached["frame late"] else 0.0

    def aside(self) -> frozenset[int]:
        """Return the strangers' trades that are none of the pair's business, by their seq."""
        world = self._world
        if not world.tally.injected["market changed"]:
            return frozenset()
        strangers = _strangers(world.exchange.log, world.exchange.foreign.keys())
        goes_to, first = world.settings.market, world.exchange.first_lots[B]
        return trades_aside(world.exchange.log, strangers, world.turns, goes_to, first, _moment_s)

    def audit(self) -> Audit:
        """Judge the whole run."""
        world = self._world
        log, first = world.exchange.log, world.exchange.first_lots
        self._look()
        self._notes.forgot_s = [one.at_s for one in world.tally.moments if one.kind in FORGETS]
        strangers = _strangers(log, world.exchange.foreign.keys())
        record = self._notes.record(
            accounts=(A, B),
            legs=_legs(log, strangers, self.aside()),
            orders=_lives(log, self._notes.signed, strangers, self._told),
            end_s=self._now,
            offset_lots=world.settings.offset_lots,
            first_lots=(first[A], first[B]),
            bounds=Bounds(
                dust_lots=self.dust_lots,
                news_s=NEWS_S,
                own_s=self._late_s(),
                told_s=TOLD_S,
                dead_b_s=DEAD_B_S,
                deaf_b_s=DEAF_B_S,
                smallest_resting_lots=self._smallest_resting_lots(),
                unsaid_s=UNSAID_S,
                acts_s=ACTS_S,
                noted_s=2 * LOOKS_S,
                off_s=OFF_S,
                leaves_s=TIMING.stop_timeout_s + SETTLE_S,
                a_acts_s=A_ACTS_S if world.settings.peer_watch else math.inf,
            ),
        )
        self.record = record
        audit, left = judge(record), self._left_dear(record)
        return replace(audit, violations=(*audit.violations, *self._blames, *left))


class _Path:
    """One way on which news comes: since when it has been open without a break."""

    def __init__(self) -> None:
        self._open_s: float | None = None
        self._known_s = 0.0
        """The newest moment before which everything could be known when it broke."""
        self._seen_open_s = 0.0
        self._settle_s = SETTLE_S
        self._slack_s = 0.0
        """How much later it told of something while it was open."""

    def known_s(
        self, now: float, slack_s: float | None, *, lossy: bool, broke_s: float = -math.inf
    ) -> float:
        """Return the last moment that it must have told of; `slack_s` None: it is broken now.

        What a `lossy` link has lost is not made up for by what comes later. `broke_s` is when it
        was broken last, whether anybody looked then or not.
        """
        if slack_s is None:
            if self._is_settled(now):
                began_s = min(self._seen_open_s, now - LOOKS_S) - self._slack_s
                self._known_s = max(self._known_s, began_s)
                self._settle_s = SETTLE_S
            self._open_s = None
            self._settle_s = LOST_S if lossy else self._settle_s
            return self._known_s
        is_unsure = now - self._seen_open_s > 2 * LOOKS_S or broke_s > self._seen_open_s
        if self._open_s is not None and is_unsure:
            if self._seen_open_s - self._open_s >= self._settle_s:
                late_s = max(LOOKS_S, self._slack_s)
                self._known_s = max(self._known_s, self._seen_open_s - late_s)
            self._open_s = None  # it may have been broken meanwhile
        if self._open_s is None:
            self._open_s = now
        self._seen_open_s, self._slack_s = now, slack_s
        return now - slack_s if self._is_settled(now) else self._known_s

    def _is_settled(self, now: float) -> bool:
        return self._open_s is not None and now - self._open_s >= self._settle_s


class _Sight:
    """Since when the pair has been able to see what happens: A's trades and B's own.

    A's trades reach the pair by A's own streams and Redis, or by B's watch of A's public ones; B's
    own by its private streams. Looked at whenever something is said, so at least once a second.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._watch, self._key = _Path(), _Path()
        self._stated_s = 0.0
        """When a maker stated its proven book last."""
        self._calm: dict[Process, tuple[float, float]] = {}
        """Since when a process has lacked nothing, and when that was looked at last."""

    def known_s(self, daemons: list[Daemon]) -> float:
        """Return the last moment of which the pair could not but know, as of now.

        How old the evidence may be that a word rests on while nothing new comes: a proven A that
        reaches Redis may miss what its live socket lost. One that states nothing that counts leaves
        B with what it stated last, for as long as that counts; after that the word is unknown
        (13.1).
        """
        now, stating = self._world.loop.time(), self._stating(daemons)
        if _read_by(stating, self._hedging(daemons)):
            self._stated_s = now
        counts = now - self._stated_s <= FRESH_S + SETTLE_S
        return max(
            self._paths_s(daemons, stating), now - (BLIND_S if counts else FRESH_S + SETTLE_S)
        )

    def told_s(self, daemons: list[Daemon]) -> float:
        """Return the last moment of whose trades of A the pair could not but know, as of now.

        Where nothing states A's position B asks the exchange itself, unless it may not (13.2).
        """
        stating = self._stating(daemons)
        paths_s = self._paths_s(daemons, stating)
        if stating or self._world.settings.peer_watch:
            return max(paths_s, self._world.loop.time() - BLIND_S)
        return paths_s

    def _stating(self, daemons: list[Daemon]) -> list[Daemon]:
        """Return the makers that state a proven book in Redis: without the lease nobody does."""
        makers = [one for one in daemons if one.side == "a" and _works(one)]
        if self._world.redis.master.refuses:
            return []
        due = [one for one in makers if self._lacks_nothing(one, daemons)]
        own = [one for one in makers if one.leads and _is_proven(one)]
        return [one for one in makers if one in (*own, *due) and _reaches_redis(one)]

    def _hedging(self, daemons: list[Daemon]) -> list[Daemon]:
        """Return the hedgers that work and have the lease, or have lacked nothing for so long."""
        working = [one for one in daemons if one.side == "b" and _works(one)]
        return [one for one in working if self._lacks_nothing(one, daemons) or one.leads]

    def _lacks_nothing(self, daemon: Daemon, daemons: list[Daemon]) -> bool:
        """Whether a process must lead and have proven its book, by what the world gives it.

        Its own word that it does not excuses nothing then: it alone of its side has run on good
        links for as long as lease, fence and proof take, and the exchange has told no lie of late.
        """
        world, now = self._world, self._world.loop.time()
        process = daemon.process
        assert process is not None
        rivals = [one for one in daemons if one.side == daemon.side and one.is_running]
        lied_s = max((row.at_s for row in world.notes.false_rows), default=-math.inf)
        is_well = (
            len(rivals) == 1
            and _hears(daemon, 0)
            and _is_calm(daemon)
            and not (world.redis.down or world.redis.master.refuses)
            and world.exchange.front.limits is None
            and now > max(lied_s + Bounds().undone_s, world.exchange.only_pings_until_s)
            and not daemon.old_market
        )
        since_s, looked_s = self._calm.get(process, (now, now))
        if not is_well or now - looked_s > 2 * LOOKS_S:
            since_s = now
        self._calm[process] = (since_s, now)
        return is_well and now - since_s >= PROVES_S

    def _paths_s(self, daemons: list[Daemon], stating: list[Daemon]) -> float:
        """Return the last moment of which one of the two ways must have told, as of now."""
        now = self._world.loop.time()
        hedgers = self._hedging(daemons)
        sees_own = any(_hears(one, 0) for one in hedgers)
        may_watch = sees_own and self._world.settings.peer_watch
        watches = may_watch and any(_hears(one, 1) for one in hedgers)
        told = sees_own and self._is_told(hedgers, stating)
        missed = (one.messenger.missed_s for one in (*hedgers, *stating) if one.messenger)
        own = any(_loses(one, 0) for one in daemons)
        public = own or any(_loses(one, 1) for one in hedgers)
        return max(
            self._watch.known_s(now, 0.0 if watches else None, lossy=public),
            self._key.known_s(
                now, KEY_S if told else None, lossy=own, broke_s=max(missed, default=-math.inf)
            ),
        )

    def _is_told(self, hedgers: list[Daemon], stating: list[Daemon]) -> bool:
        """Whether what A states of its book reaches B by Redis."""
        redis = self._world.redis
        is_mute = redis.down or redis.master.refuses
        if is_mute:
            return False
        readers = [one for one in hedgers if _reaches_redis(one)]
        return any(_hears(one, 0) for one in _read_by(stating, readers))


def _share_a_market(hedgers: list[Daemon], makers: list[Daemon]) -> bool:
    """Whether a hedger is at work in the market of a maker."""
    markets = [
        {one.manager.parts.spec.market_index for one in some if one.manager}
        for some in (hedgers, makers)
    ]
    return not markets[0].isdisjoint(markets[1])


def _read_by(makers: list[Daemon], hedgers: list[Daemon]) -> list[Daemon]:
    """Return the makers whose Redis a hedger reads: after a fail-over there may be two of them."""
    servers = {id(_server(one)) for one in hedgers}
    return [one for one in makers if id(_server(one)) in servers]


def _server(daemon: Daemon) -> Server:
    assert daemon.messenger is not None
    return daemon.messenger.server


def _works(daemon: Daemon) -> bool:
    process = daemon.process
    return process is not None and not (process.dead or process.frozen)


def _is_proven(maker: Daemon) -> bool:
    """Whether A has proven its book: before that it states nothing."""
    state = maker.manager.state
    return state.nonce is not None and is_current(state)


def _is_calm(daemon: Daemon) -> bool:
    """Whether nothing is lost, late or refused on the ways of a host."""
    return _is_venue_calm(daemon) and _is_redis_calm(daemon)


def _faults_of(kind: type, *harmless: str) -> Callable[[Any], Any]:
    """Return what gives all numbers of a weather that are faults."""
    return attrgetter(*(one.name for one in fields(kind) if one.name not in harmless))


_venue_faults = _faults_of(VenueWeather, "latency_s", "hold_s")
_redis_faults = _faults_of(RedisWeather, "latency_s", "late_write")
_CALM_VENUE, _CALM_REDIS = _venue_faults(VenueWeather()), _redis_faults(RedisWeather())


def _is_venue_calm(daemon: Daemon) -> bool:
    return bool(_venue_faults(daemon.host.venue) == _CALM_VENUE)


def _is_redis_calm(daemon: Daemon) -> bool:
    return bool(_redis_faults(daemon.host.redis) == _CALM_REDIS)


def _hears(daemon: Daemon, number: int) -> bool:
    """Whether every frame of a socket (0 private, 1 public) reaches this process in time."""
    if number >= len(daemon.sockets) or _loses(daemon, number):
        return False
    socket, weather = daemon.sockets[number], daemon.host.venue
    late = weather.lose_stream or weather.delay_frame or weather.stale_read or weather.fail_read
    now = daemon.world.loop.time()
    silent = now < max(socket._silent_until, *socket._stopped.values(), 0.0)
    if isinstance(socket, SimVenue):
        silent |= socket.is_mute
    return socket.is_up and not (weather.cut or late or silent)


def _loses(daemon: Daemon, number: int) -> bool:
    """Whether frames of a socket may be lost while it seems to live."""
    return number < len(daemon.sockets) and daemon.sockets[number].drop[0] > 0


def _reaches_redis(daemon: Daemon) -> bool:
    weather = daemon.host.redis
    return not (weather.cut or weather.lose_request or weather.lose_answer)


def _rests(log: Logged, record: Record, end_s: float) -> Iterator[prices.Rest]:
    """Yield how each of the pair's resting orders of A lay in the book, by order and time."""
    own = {one.client_order_index for one in resting_of_a(record)}
    for rows in log.orders.values():
        if rows[0][1].client_order_index not in own or rows[0][1].account_index != A:
            continue
        moments_s = [_moment_s(row.updated_ms) for _, row in rows]
        for (_, row), start_s, until_s in zip(
            rows, moments_s, (*moments_s[1:], end_s), strict=True
        ):
            if row.status.is_active and row.remaining_lots:
                side = Side.SELL if row.is_ask else Side.BUY
                yield prices.Rest(
                    row.client_order_index, side, row.remaining_lots, row.price, start_s, until_s
                )


def _moment_s(epoch_ms: int) -> float:
    """Return a moment of the exchange's clock on the loop's."""
    return (epoch_ms - START_MS) / 1000


def _leads(state: Any) -> bool:
    """Whether a B trades: it is no standby."""
    return state.phase is not b_state.Phase.STANDBY


def _strangers(log: Logged, by_hand: Container[int] = ()) -> frozenset[int]:
    """Return the orders that the pair did not send: a person's, a program's, a liquidation's.

    `by_hand` are client order indexes that another client gave, with a tag like ours or not.
    """
    return frozenset(
        order_index
        for order_index, rows in log.orders.items()
        if (first := rows[0][1]).api_key_index == SPARE_KEY
        or first.client_order_index in by_hand
        or not ids.is_ours(first.client_order_index)
    )


def _legs(log: Logged, strangers: frozenset[int], aside: Container[int] = frozenset()) -> list[Leg]:
    legs = []
    for seq, mono, trade in log.trades:
        if seq in aside:
            continue
        a, b = (
            trade.lots * ((trade.bid_account_index == who) - (trade.ask_account_index == who))
            for who in (A, B)
        )
        if a or b:
            strange = (bool(_orders_of(trade, who) & strangers) for who in (A, B))
            legs.append(Leg(seq, mono, _moment_s(trade.timestamp_ms), a, b, *strange))
    return legs


def _orders_of(trade: PaperTrade, account: int) -> set[int]:
    """Return the orders by which an account has part in a trade."""
    sides = (
        (trade.ask_account_index, trade.ask_order_index),
        (trade.bid_account_index, trade.bid_order_index),
    )
    return {order_index for owner, order_index in sides if owner == account}


def _lives(
    log: Logged,
    signed: Mapping[int, float],
    strangers: frozenset[int],
    told: Mapping[int, float] = MappingProxyType({}),
) -> list[OrderLife]:
    lives = []
    for order_index, rows in log.orders.items():
        (_, first), (last_mono, last) = rows[0], rows[-1]
        received = log.arrived[first.order_index]
        life = _life(first, last, received, None if last.status.is_active else last_mono)
        number, foreign = first.client_order_index, order_index in strangers
        lives.append(
            replace(life, signed_s=signed.get(number), told_s=told.get(number), foreign=foreign)
        )
    return sorted(lives, key=lambda life: life.received_ns)


def _life(first: Order, last: Order, received: int, ended: int | None) -> OrderLife:
    return OrderLife(
        account=first.account_index,
        client_order_index=first.client_order_index,
        is_ask=first.is_ask,
        size_lots=first.initial_lots,
        filled_lots=last.filled_lots,
        price=Decimal(first.price),
        kind="market" if first.type is OrderType.MARKET else "limit",
        time_in_force=TimeInForce(first.time_in_force).wire,
        reduce_only=first.reduce_only,
        received_ns=received,
        received_s=_moment_s(first.created_ms),
        ended_ns=ended,
        ended_s=None if ended is None else _moment_s(last.updated_ms),
        status=str(last.status),
    )
