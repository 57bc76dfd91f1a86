"""What the state in Redis says of the pair, in one sentence and in detail; reads, never acts.

A value that is missing or unreadable is unknown, and said to be; it is never shown as zero.
"""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hedge.bus.port import StateSnapshot
from hedge.core.amounts import MarketSpec
from hedge.core.evidence import (
    BY_HAND,
    STARTING_S,
    SUM_IS_WRONG,
    Evidence,
    Judgement,
    Owed,
    SideShown,
    Source,
    Word,
    judge,
)
from hedge.core.freshness import BeatId
from hedge.daemon.advice import advice_for
from hedge.daemon.commands import DEFAULT_COMMANDS, Commands
from hedge.wire.codec import SAME_VERSION, VERSION, other_version_text
from hedge.wire.control import NO_HALTS, Halt, Lease
from hedge.wire.halt_reasons import CLOSED_FIRST, FORCED, stops_b
from hedge.wire.state import (
    BUDGET,
    HALT_BEING_STORED,
    HALT_NOT_STORED,
    HALT_NOT_STORED_TEXT,
    Ledger,
    PositionState,
    Ready,
    Standby,
)

Json = dict[str, Any]
B_IS_NOT_READY = "B is not ready"
"""The reason of an A that waits for B, whose own reasons its heartbeat does not repeat."""
_PROVING = "reconciling"
"""The word for a fence that is on its way, in the heartbeat of either side."""
_FAILS = "hedging fails"
_TOLD = frozenset(
    {
        "no_room",
        "refused_lately",
        "retry_pause",
        "yields",
        "acting",
        "nored",
        "b_away",
        "a_away",
        "subscription_lost",
        "log_not_written",
        "log_not_rotated",
        "state_not_written",
        "loop_late",
        "proving",
        "clock",
    }
)
"""Notices that the headline has; the others are its own words, or a reason not to be ready."""
_DELAYS = frozenset({"no_price", "retry_pause", "yields"})
"""Notices of a ready B that say why what it owes stays open."""
_STATE_NOT_WRITTEN = "state_not_written"
PING_WAIT_S = 4.5
"""So long a daemon may take to acknowledge a ping in its heartbeat."""


@dataclass(frozen=True, slots=True)
class SideView:
    """One side as Redis knows it. `beat` None: no heartbeat, so nobody knows whether it runs.

    `now_s` (epoch s) is when that was read. `has_answered`: it acknowledged the ping of this look;
    None where none was sent. `other_beat`: the heartbeat under its name that other accounts, or
    those of another chain, have written; nothing in it is of this pair. `other_version`: of which
    version a heartbeat is that another version of this program has written, None for none.
    """

    side: str
    account_index: int
    beat: Ready | None
    position: PositionState | None
    lease: Lease | None
    now_s: float = 0.0
    has_answered: bool | None = None
    other_beat: Ready | None = None
    other_version: int | None = None
    account_name: str = ""

    @property
    def account(self) -> str:
        """The account for people: its name, where it has one, and its index."""
        index = str(self.account_index)
        return f"{self.account_name} ({index})" if self.account_name else index

    @property
    def name(self) -> str:
        """The side's letter in capitals."""
        return self.side.upper()

    @property
    def answered(self) -> BeatId | None:
        """The heartbeat that a command to this side answers, None where it has none."""
        beat = self.beat
        if beat is None or beat.envelope is None:
            return None
        return BeatId(beat.envelope.epoch, beat.beat)

    @property
    def stated_lots(self) -> int | None:
        """Its position as its own living process states it, None while that is unknown."""
        beat, position = self.beat, self.position
        if beat is None:
            return None
        if beat.position_lots is not None:
            return beat.position_lots
        is_its = position is not None and position.instance == beat.instance
        return position.position_lots if position is not None and is_its else None

    @property
    def is_silent(self) -> bool:
        """Whether there is no heartbeat of it, not even another's, or it does not answer."""
        if self.beat is None:
            return self.other_beat is None and self.other_version is None
        return self.has_answered is False

    @property
    def known(self) -> SideShown:
        """What is known of its position, and whether that is evidence."""
        beat = self.beat
        resting = () if beat is None else (one.client_order_index for one in beat.resting)
        unanswered = () if beat is None else beat.unanswered
        orders = len({*resting, *unanswered})
        shown, missing = self._shown(beat)
        return SideShown(
            name=self.name,
            shown=shown,
            last_known=shown or self._last_known,
            missing=missing,
            orders=orders,
            is_starting=self._is_starting,
        )

    @property
    def _is_starting(self) -> bool:
        """Whether it answers, and was started so shortly ago that its book may be unproven."""
        beat = self.beat
        if beat is None or beat.proven or beat.left or self.has_answered is False:
            return False
        return beat.beat <= STARTING_S

    def _shown(self, beat: Ready | None) -> tuple[Evidence | None, str]:
        """Return its position as evidence, or what is missing to that."""
        if beat is None:
            return None, self._no_beat
        if self.has_answered is False and not beat.left:
            return None, f"did not answer within {PING_WAIT_S:g} s"
        if beat.position_lots is None:
            return None, "its position is unknown"
        age_s = max(0.0, self.now_s - beat.timestamp)
        if beat.left:
            return Evidence(beat.position_lots, Source.LEFT, age_s), ""
        if not beat.proven:
            return None, f"its book is not proven{' yet' if self._is_starting else ''}"
        if not beat.shown and beat.state == _PROVING:
            return None, "its book is being proven anew"
        if not beat.shown:
            return None, _unheard(beat)
        return Evidence(beat.position_lots, Source.HEARTBEAT, age_s), ""

    @property
    def is_proving(self) -> bool:
        """Whether it answers, and its book is on its way to be proven, after a start or anew."""
        beat = self.beat
        if beat is None or beat.left or beat.leaving or self.has_answered is False or beat.shown:
            return False
        return beat.state == _PROVING or self._is_starting

    @property
    def _no_beat(self) -> str:
        if self.other_beat is not None:
            return "its heartbeat is of other accounts"
        if self.other_version is not None:
            return f"its heartbeat is of version {self.other_version}"
        return "no heartbeat"

    @property
    def _last_known(self) -> Evidence | None:
        """The newest that it said of its position, in its heartbeat or in its position's key."""
        said = [
            (said_at_s, one.position_lots)
            for one, said_at_s in self._told
            if one.position_lots is not None
        ]
        if not said:
            return None
        said_at_s, lots = max(said, key=operator.itemgetter(0))
        return Evidence(lots, Source.HEARTBEAT, max(0.0, self.now_s - said_at_s))

    @property
    def _told(self) -> Iterator[tuple[PositionState | Ready, float]]:
        """Return what tells a position, and of when (epoch s) that is.

        A heartbeat of a side that hears nothing speaks of the time before.
        """
        if self.position is not None:
            yield self.position, self.position.timestamp
        if self.beat is not None:
            yield self.beat, self.beat.timestamp - (self.beat.unheard_s or 0)

    @property
    def notices(self) -> tuple[tuple[str, str], ...]:
        """What keeps it waiting, or what it does not see, by its words; ready or not."""
        return () if self.beat is None else self.beat.notices

    @property
    def waits(self) -> tuple[tuple[str, str], ...]:
        """The notices that speak of something in its way."""
        return tuple((word, text) for word, text in self.notices if word != BUDGET)

    @property
    def budget(self) -> str:
        """The tier of its account, what it may ask in a minute and has asked; "" if not known."""
        return dict(self.notices).get(BUDGET, "")

    @property
    def unstored(self) -> str | None:
        """In which file a halt is not stored, and why; "" while it is on its way, None if it is."""
        notices = dict(self.notices)
        if HALT_NOT_STORED in notices:
            return notices[HALT_NOT_STORED].removeprefix(HALT_NOT_STORED_TEXT)
        return "" if HALT_BEING_STORED in notices else None

    @property
    def refused(self) -> tuple[tuple[str, int], ...]:
        """How many messages and values it has refused, by cause."""
        return () if self.beat is None else self.beat.refused

    @property
    def waits_for(self) -> str:
        """What there is to say of it in the headline, beside why it is not ready."""
        reasons = () if self.beat is None or self.beat.ready else self.beat.reasons
        told = (text for word, text in self.notices if word in _TOLD)
        said = [text for text in told if text not in reasons]  # which stand there already
        return f"{self.name}: {'; '.join(said)}" if said else ""

    def outcome_of(self, command_id: str) -> str | None:
        """Return what its heartbeat says became of a command, None while it does not."""
        return None if self.beat is None else dict(self.beat.acks).get(command_id)

    @property
    def is_ready(self) -> bool:
        """Whether it lives and says that it is ready."""
        return self.beat is not None and self.beat.ready

    @property
    def has_left(self) -> bool:
        """Whether what is there of it is its last word."""
        return self.beat is not None and self.beat.left

    @property
    def why_not_ready(self) -> str:
        """Why it is not ready, in words; empty if it is."""
        if self.other_beat is not None:
            return f"the heartbeat of {self.name} is that of {_accounts_text(self.other_beat)}"
        if self.other_version is not None:
            return other_version_text(self.name, self.other_version)
        if self.beat is None:
            return f"{self.name} has no heartbeat (not running, or cut off from Redis)"
        if self.beat.ready:
            return ""
        return f"{self.name} is not ready: {'; '.join(self.beat.reasons) or self.beat.state}"


@dataclass(frozen=True, slots=True)
class Astray:
    """A process of this host that works for another pair, or on another Redis: it says `works_as`.

    Its heartbeat is elsewhere, so that nothing shows whether it is frozen.
    """

    side: str
    pid: int
    works_as: str


@dataclass(frozen=True, slots=True)
class Report:
    """The pair as of one snapshot. `standbys` None: this login may not look for them.

    `halts` are those in force, as `hedge:halt` and both heartbeats show them together; `commands`
    are how a person types what leads out. `offset_lots` is what A + B shall be by the
    configuration, None where its lots are not known; what a heartbeat says of that counts more.
    `processes`: side and number of each process that runs on this host although its side has no
    heartbeat, or does not answer; those that are `astray` stand apart, the configuration itself
    says `works_as`. `redis_why`: why Redis did not take the question to both, "" where it did.
    `chain_id`: of the configuration, 0 where it is not known. `runs`: what the caller itself knows
    of the process of a side ("a", "b"), whatever its heartbeat shows: it is there or being started,
    or it has ended for good.
    """

    spec: MarketSpec
    a: SideView
    b: SideView
    ledger: Ledger | None
    halts: tuple[Halt, ...]
    problems: tuple[str, ...]
    standbys: tuple[Standby, ...] | None = ()
    commands: Commands = DEFAULT_COMMANDS
    offset_lots: int | None = 0
    processes: tuple[tuple[str, int], ...] = ()
    astray: tuple[Astray, ...] = ()
    works_as: str = ""
    redis_why: str = ""
    chain_id: int = 0
    runs: Mapping[str, bool] = field(default_factory=dict)

    # --- questions

    @property
    def other_pair(self) -> str:
        """What is there instead of this pair's heartbeats, and what to do; "" where nothing is.

        Halts, commands and releases would reach those daemons, not this pair's.
        """
        views = [view for view in (self.a, self.b) if view.other_beat is not None]
        if not views:
            return ""
        found: dict[str, list[str]] = {}
        for view in views:
            if view.other_beat is not None:
                found.setdefault(_accounts_text(view.other_beat), []).append(view.name)
        shown = " and ".join(
            f"the heartbeat of {' and '.join(names)} in Redis is of {accounts}"
            for accounts, names in found.items()
        )
        chain = f" of chain {self.chain_id}" if self.chain_id else ""
        own = f"accounts {self.a.account_index} (A) and {self.b.account_index} (B){chain}"
        return (
            f"{shown}, the configuration names {own}. Give each pair a name of its own by `pair:`"
            " in its configuration, or correct the account index."
        )

    @property
    def is_halted(self) -> bool:
        """Whether a halt is in force."""
        return bool(self.halts)

    @property
    def halt(self) -> Halt | None:
        """The first of the halts in force."""
        return self.halts[0] if self.halts else None

    @property
    def judgement(self) -> Judgement:
        """The word on the pair, by the evidence of both sides."""
        ledger = self.ledger
        owed = Owed(None)
        if ledger is not None:
            owed = Owed(ledger.owed_lots, ledger.dust_lots, ledger.manual_lots, ledger.inflight)
        return judge(self.a.known, self.b.known, owed, offset_lots=self._offset_lots)

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Why the pair cannot be called neutral; empty when it can."""
        found = self.judgement
        if found.word is not Word.OPEN:
            return found.reasons
        owed = self.ledger.owed_lots if self.ledger is not None else None
        is_debt = owed is not None and owed not in (0, found.dust_lots)
        sums = f"B owes {self.amount(owed)}" if is_debt else f"A + B is {self._sum_text}"
        return tuple(sums if one == SUM_IS_WRONG else one for one in found.reasons)

    @property
    def _sum_text(self) -> str:
        a, b = self.a.known.shown, self.b.known.shown
        total = a.position_lots + b.position_lots if a is not None and b is not None else None
        offset = f", not {self.amount(self._offset_lots)}" if self._offset_lots else ""
        return f"{self.amount(total)}{offset}"

    @property
    def _offset_lots(self) -> int:
        beats = [view.beat for view in (self.b, self.a) if view.beat is not None]
        return beats[0].offset_lots if beats else self.offset_lots or 0

    @property
    def is_only_by_hand(self) -> bool:
        """Whether all that B should hold is what was published by hand: no waiting changes that."""
        ledger, has_beat = self.ledger, self.b.beat is not None
        if ledger is None or not has_beat or not ledger.manual_lots or ledger.inflight:
            return False
        is_alone = self.a.beat is None or self.a.beat.left
        return is_alone and ledger.owed_lots in (None, 0, ledger.dust_lots)

    @property
    def is_contradicted(self) -> bool:
        """Whether what was last known of both positions speaks against "neutral".

        Both flat does not: a person may have closed the offset too.
        """
        a, b = self.a.known.last_known, self.b.known.last_known
        if a is None or b is None or self.offset_lots is None:
            return False
        dust_lots = self.ledger.dust_lots if self.ledger is not None else 0
        differs = a.position_lots + b.position_lots - self._offset_lots
        is_flat = a.position_lots == b.position_lots == 0
        return not is_flat and differs not in (0, -dust_lots)

    @property
    def is_covered(self) -> bool:
        """Whether the pair may be called neutral."""
        return self.judgement.word is Word.NEUTRAL

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What speaks against resuming; empty when nothing does."""
        why = self.b.why_not_ready
        if self.is_b_older:
            why = why or f"{self.b.name} has said nothing yet since it halted"
        if not why:
            return self.uncovered
        told = f"{self.b.name}: "  # the same, said twice
        return (*(one for one in self.uncovered if not one.startswith(told)), why)

    @property
    def only_proving(self) -> tuple[str, ...]:
        """What is missing while nothing but a proof under way speaks against resuming."""
        unshown = [view for view in (self.a, self.b) if view.known.shown is None]
        is_b_else = not self.b.is_ready and self.b not in unshown
        if is_b_else or self.is_b_older or not all(view.is_proving for view in unshown):
            return ()
        return tuple(f"{view.name}: {view.known.missing}" for view in unshown)

    @property
    def is_b_older(self) -> bool:
        """Whether B's heartbeat is older than a halt of its own that stops it.

        Ready and covered, as it may say there, was it before what it halted for.
        """
        beat = self.b.beat
        if beat is None or beat.left:
            return False
        known = {halt.id for halt in beat.halts}
        return any(
            halt.side == "b" and stops_b(halt) and halt.id not in known for halt in self.halts
        )

    @property
    def asks_for_force(self) -> bool:
        """Whether only a forced resumption releases these halts, on either side."""
        return any(stops_b(halt) or halt.reason in FORCED for halt in self.halts)

    # --- words

    def unstored_text(self, *, also_on_its_way: bool = False) -> str:
        """Say whose host has not stored a halt, and what that means; "" where none has failed to.

        `also_on_its_way`: so long has it been waited for that a disk does not answer.
        """
        found = {view.name: view.unstored for view in (self.a, self.b)}
        told = [
            f"{name} ({why or 'its disk has not answered yet'})"
            for name, why in found.items()
            if why or (also_on_its_way and why is not None)
        ]
        if not told:
            return ""
        hosts, they = ("host", "it") if len(told) == 1 else ("hosts", "they")
        return (
            f"the {hosts} of {' and '.join(told)} could not store the halt: restarted beside an"
            f" empty Redis {they} would not know it"
        )

    def amount(self, lots: int | None) -> str:
        """Write an amount with its sign and the asset."""
        if lots is None:
            return "unknown"
        sign = "+" if lots > 0 else ""
        return f"{sign}{self.spec.base(lots)} {self.spec.symbol}"

    def position_text(self, view: SideView) -> str:
        """Write a side's position; one that is not shown with the age of what was known last."""
        known = view.known
        if known.shown is not None:
            return self.amount(known.shown.position_lots)
        last = known.last_known
        if last is None:
            return "unknown"
        return f"last known {self.amount(last.position_lots)} ({age_text(last.age_s)} ago)"

    @property
    def positions_text(self) -> str:
        """Write both positions."""
        return f"A {self.position_text(self.a)}, B {self.position_text(self.b)}"

    @property
    def headline(self) -> str:
        """The pair in one or two sentences, and the command that leads out of this state."""
        return f"{self._situation} {self.way_out}" if self.way_out else self._situation

    @property
    def other_versions(self) -> str:
        """Which side runs another version of this program, in sentences; "" for none."""
        return " ".join(
            f"{view.name} runs another version of this program, which writes messages of version"
            f" {view.other_version}; this one reads version {VERSION}."
            for view in (self.a, self.b)
            if view.other_version is not None
        )

    @property
    def is_foreign(self) -> bool:
        """Whether a heartbeat is of another pair, or of another version of this program."""
        return bool(self.other_pair or self.other_versions)

    @property
    def _situation(self) -> str:
        if self.other_pair:
            return f"UNKNOWN: {self.other_pair}"
        if self.halts:
            return self._halted
        if self.redis_why:
            return _sentence(f"UNKNOWN: {self.positions_text}; {self.redis_why}")
        if self.a.beat is None and self.b.beat is None and not self.other_versions:
            return f"Not running: no heartbeat of either side; {self.positions_text}."
        waiting = [
            view.why_not_ready
            for view in (self.a, self.b)
            if view.why_not_ready and view.known.shown is not None and not view.has_left
        ]
        if (
            len(waiting) > 1
            and self.a.beat is not None
            and self.a.beat.reasons == (B_IS_NOT_READY,)
        ):
            waiting[0] = f"{self.a.name} waits for {self.b.name}"  # whose own reason follows
        waiting += [view.waits_for for view in (self.a, self.b) if view.waits_for]
        said = "; ".join(reason.rstrip(".") for reason in waiting)
        return " ".join([self.balance, *([_sentence(said)] if waiting else [])])

    @property
    def _halted(self) -> str:
        """The halts, both positions, and what keeps their release from working."""
        told = "; ".join(halt_words(halt) for halt in self.halts)
        is_there = all(v.beat is not None and self._stays(v) for v in (self.a, self.b))
        word = self.judgement.word
        is_said = word is Word.OPEN or (is_there and word is not Word.NEUTRAL)
        positions = self.balance.rstrip(".") if is_said else self.positions_text
        delays = self._delays_of_b if is_said else self._why_b_is_unready
        held = [f"{self.b.name}: {'; '.join(delays)}"] if delays else []
        held += [
            f"{view.name}: {dict(view.notices)[_STATE_NOT_WRITTEN]}"
            for view in (self.a, self.b)
            if self._keeps_no_release(view) and not view.unstored
        ]
        unstored = self.unstored_text()
        more = f" {_sentence(f'{unstored[0].upper()}{unstored[1:]}')}" if unstored else ""
        return f"HALTED{told}. {_sentence('; '.join([positions, *held]))}{more}"

    @property
    def _why_b_is_unready(self) -> tuple[str, ...]:
        """Why a B that stays is not ready, but for the halts themselves and what failed then."""
        beat = self.b.beat
        if beat is None or not self._stays(self.b):
            return ()
        known = {f"{how}: {halt.reason}" for halt in self.halts for how in ("halted", _FAILS)}
        return tuple(one for one in beat.reasons if one not in known)

    @property
    def _delays_of_b(self) -> tuple[str, ...]:
        """The same, where something is open; with it why a ready B does not hedge it."""
        told = f"{self.b.name}: "  # its book, said in other words
        if any(one.startswith(told) for one in self.uncovered):
            return ()
        delays = (text for word, text in self.b.notices if word in _DELAYS)
        return tuple(dict.fromkeys([*self._why_b_is_unready, *delays]))

    def _keeps_no_release(self, view: SideView) -> bool:
        """Whether a side's disk would take no release now."""
        return bool(view.unstored) or _STATE_NOT_WRITTEN in dict(view.notices)

    @property
    def balance(self) -> str:
        """Both positions and whether they cancel out, in one sentence."""
        found = self.judgement
        why = ", ".join(self.uncovered)
        match found.word:
            case Word.NEUTRAL:
                dust = found.dust_lots
                debt = f"dust of {self.amount(dust)} left unhedged" if dust else "nothing owed"
                return f"Neutral: {self.positions_text}, {debt}."
            case Word.OPEN:
                return _sentence(f"NOT COVERED: {self.positions_text}; {why}")
            case Word.STARTING:
                return _sentence(f"Starting: {self.positions_text}; {why}")
            case Word.UNKNOWN:
                return _sentence(f"UNKNOWN: {self.positions_text}; {why}")

    @property
    def way_out(self) -> str:
        """What leads out of this state, with the command to type; "" where nothing need be done."""
        views, commands = (self.a, self.b), self.commands
        if self.is_foreign:  # another pair is told with the situation
            return f"{self.other_versions} {SAME_VERSION}" if self.other_versions else ""
        if self.halts:
            advice = dict.fromkeys(advice_for(halt.reason) for halt in self.halts)
            first = f" If {self._silent} stays silent, first: {commands.start_again(self.frozen)}."
            last = first if self.processes else ""
            last += f" {self._out_of_astray}" if self.astray else ""
            return f"{'. '.join(advice)}{self._room_first}, then {self._out_of_halt}.{last}"
        if self.redis_why:
            return (
                "An A that runs has cancelled and waits, a B that runs hedges by its watch; both go"
                f" on by themselves once Redis takes writes. Look again: {commands.status}."
            )
        if self.a.beat is None and self.b.beat is None:
            return self._out_of_silence("Start both", commands.start)
        if BY_HAND in self.uncovered:
            return f"Publish the opposite, or {commands.flatten}."
        if any(view.beat is not None and (view.beat.leaving or view.beat.left) for view in views):
            return self._out_of_leaving
        deaf = [view.name for view in views if view.beat is None or view.has_answered is False]
        if deaf:
            back = "does not come back by itself" if len(deaf) == 1 else "do not come back"
            lasting = f"If {' and '.join(deaf)} {back}"
            return self._out_of_silence(lasting, commands.start_again())
        return self._out_by_itself

    @property
    def frozen(self) -> tuple[int, ...]:
        """The numbers of the processes on this host that run and are silent."""
        return tuple(pid for _, pid in self.processes)

    @property
    def _out_of_leaving(self) -> str:
        """What to do during a stop, and after it: B leaves last, and so does its last word."""
        a, b, commands = self.a.beat, self.b.beat, self.commands
        runs = bool(self.processes or self.astray) or (a is not None and not a.left)
        if not runs and a is not None and b is not None and not (b.left or b.leaving):
            return f"A has left, B runs on. If that lasts: {commands.start_again()}."
        if runs or b is None or not b.left:
            return f"It is being stopped: {commands.stop} says what is open."
        if a is not None:
            return f"Both have stopped. Start them: {commands.start}."
        return (
            f"B has stopped, and A has no heartbeat: {commands.stop} says whether anything is left,"
            f" {commands.start} starts both."
        )

    @property
    def silence(self) -> str:
        """Who runs on this host and is silent, and what to do if that lasts; "" for none."""
        return self._out_of_silence("", "") if self.processes else ""

    @property
    def _silent(self) -> str:
        return " and ".join(f"{side.upper()} (process {pid})" for side, pid in self.processes)

    def _out_of_silence(self, condition: str, commands: str) -> str:
        """Return the way out where sides are silent, which need not mean that they have ended."""
        if self.astray:
            return self._out_of_astray
        if not self.processes:
            return f"{condition}: {commands}."
        verbs = ("runs", "is") if len(self.processes) == 1 else ("run", "are")
        return (
            f"{self._silent} {verbs[0]} on this host and {verbs[1]} silent: frozen, cut off or just"
            f" started. If that lasts: {self.commands.start_again(self.frozen)}."
        )

    @property
    def _out_of_astray(self) -> str:
        """Say what runs here under other settings; it works, as far as can be told."""
        told = {one.works_as: "" for one in self.astray}
        for works_as in told:
            those = [one for one in self.astray if one.works_as == works_as]
            names = " and ".join(f"{one.side.upper()} (process {one.pid})" for one in those)
            told[works_as] = f"{names} {'runs' if len(those) == 1 else 'run'} as {works_as}"
        return (
            f"On this host {', '.join(told.values())}; this configuration says {self.works_as}."
            f" Undo that change, then look again: {self.commands.status}."
        )

    @property
    def _out_of_halt(self) -> str:
        """The commands that lead out of a halt; a side that is gone or leaves is started first."""
        commands, stays = self.commands, [self._stays(self.a), self._stays(self.b)]
        # B stays unready in a halt of its own, so that only force releases that one.
        resume = commands.resume_by_force if self.asks_for_force else self._resume_in_time
        if any(halt.reason in CLOSED_FIRST for halt in self.halts):
            resume = f"{commands.flatten}, then {resume}"
        if all(stays) or self.processes or self.astray:
            return resume
        if stays[1] and any(map(stops_b, self.halts)):  # as it is, B would not end covered
            return f"{resume}, then {commands.start_again()}"
        if self._has_ended(self.a) and self._has_ended(self.b):
            return f"{commands.start}, then {resume}"
        return f"{commands.start_again()}, then {resume}"

    @property
    def _room_first(self) -> str:
        """Whose disk is to be cured before a release can be stored; "" for none."""
        full = [f"{view.name}'s" for view in (self.a, self.b) if self._keeps_no_release(view)]
        if not full or any(halt.reason == "state_not_writable" for halt in self.halts):
            return ""
        directory = "directory" if len(full) == 1 else "directories"
        return (
            f". First make room on the disk of {' and '.join(full)} state {directory}, or correct"
            " its owner"
        )

    @property
    def _resume_in_time(self) -> str:
        """The command that releases halts, with what it waits for; earlier it is refused."""
        is_ready = not self._why_b_is_unready
        is_covered = self.judgement.word is Word.NEUTRAL
        waits = ["B is ready"] * (not is_ready) + ["all is covered"] * (not is_covered)
        when = f" once {' and '.join(waits)}" if waits else ""
        return f"{self.commands.resume}{when}"

    def _stays(self, view: SideView) -> bool:
        """Whether a side is there, and is not about to end."""
        leaves = view.beat is None or view.beat.leaving or view.beat.left
        return self.runs.get(view.side, not leaves)

    def _has_ended(self, view: SideView) -> bool:
        return not self.runs.get(view.side, not (view.beat is None or view.beat.left))

    @property
    def _out_by_itself(self) -> str:
        """What to do where both sides answer: to look again, or to start with other settings."""
        commands, is_ready = self.commands, self.a.is_ready and self.b.is_ready
        again = f"Look again: {commands.status}."
        match self.judgement.word:
            case Word.NEUTRAL if is_ready:
                return ""
            case Word.NEUTRAL:
                return (
                    "It goes on by itself once that ends. After a change of the configuration:"
                    f" {commands.start_again()}."
                )
            case Word.OPEN:
                return f"B goes on hedging by itself. {again}"
            case Word.UNKNOWN | Word.STARTING:
                return f"It goes on by itself. {again}"

    # --- data

    def as_json(self) -> Json:
        """Return everything as plain values for `--json`."""
        ledger = self.ledger
        return {
            "headline": self.headline,
            "neutral": self.judgement.is_neutral,
            "evidence": [*map(_evidence_json, (self.a, self.b))],
            "covered": self.is_covered,
            "uncovered": list(self.uncovered),
            "halted": self.is_halted,
            "halt": None if self.halt is None else _halt_json(self.halt),
            "halts": [*map(_halt_json, self.halts)],
            "market": self.spec.symbol,
            "a": self._side_json(self.a),
            "b": self._side_json(self.b),
            "owed_base_amount": self._base(None if ledger is None else ledger.owed_lots),
            "dust_base_amount": self._base(None if ledger is None else ledger.dust_lots),
            "manual_base_amount": self._base(None if ledger is None else ledger.manual_lots),
            "inflight": None if ledger is None else ledger.inflight,
            "failed": None if ledger is None else ledger.failed,
            "problems": list(self.problems),
            "redis": self.redis_why or None,
            "standbys": None if self.standbys is None else [*map(_standby_json, self.standbys)],
        }

    def _base(self, lots: int | None) -> str | None:
        return None if lots is None else self.spec.base(lots)

    def _side_json(self, view: SideView) -> Json:
        beat, position, lease = view.beat, view.position, view.lease
        last = view.known.last_known
        return {
            "account_index": view.account_index,
            "account_name": view.account_name,
            "alive": beat is not None,
            "ready": view.is_ready,
            "state": None if beat is None else beat.state,
            "reasons": [] if beat is None else list(beat.reasons),
            "notices": dict(view.notices),
            "refused": dict(view.refused),
            "lag_ms": None if beat is None else beat.lag_ms,
            "version": None if beat is None else beat.version,
            "can_hedge_base_amount": self._base(None if beat is None else beat.can_hedge_lots),
            "position_base_amount": self._base(None if last is None else last.position_lots),
            "last_trade_id": None if position is None else position.last_trade_id,
            "lease": None if lease is None else {"instance": lease.instance, "host": lease.host},
        }


def _evidence_json(view: SideView) -> Json:
    """Say who shows the position; without a source it is only the last one known, of that age."""
    shown, last = view.known.shown, view.known.last_known
    return {
        "side": view.side,
        "source": None if shown is None else shown.source.name.lower(),
        "age_s": None if last is None else round(last.age_s, 1),
    }


def _unheard(beat: Ready) -> str:
    """Say that a side does not hear the exchange, and since when its orders are not known."""
    why = "it does not hear the exchange"
    if beat.unheard_s is None:
        return why
    return f"{why}: what its orders did in the last {age_text(beat.unheard_s)} is unknown"


def _accounts_text(beat: Ready) -> str:
    """Write which accounts a heartbeat speaks of."""
    accounts = f"accounts {beat.a_account_index} (A) and {beat.b_account_index} (B)"
    return f"{accounts} of chain {beat.chain_id}"


def age_text(age_s: float) -> str:
    """Write how long ago something was, in one unit."""
    for limit_s, unit_s, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if age_s < limit_s:
            return f"{age_s / unit_s:.0f} {unit}"
    return f"{age_s / 86_400:.0f} days"


def _standby_json(standby: Standby) -> Json:
    return {
        "side": standby.side,
        "instance": standby.instance,
        "host": standby.host,
        "warm": standby.warm,
        "version": standby.version,
    }


def _halt_json(halt: Halt) -> Json:
    return {
        "id": halt.id,
        "side": halt.side,
        "reason": halt.reason,
        "detail": halt.detail,
        "timestamp": halt.timestamp,
        "advice": advice_for(halt.reason),
    }


def halt_words(halt: Halt) -> str:
    """Write a halt as the words that follow "halted"."""
    detail = f": {halt.detail.rstrip('.')}" if halt.detail else ""
    since = f" since {when(halt.timestamp)}" if halt.timestamp else ""
    by = f" by {halt.side.upper()}" if halt.side else ""
    return f"{since}{by}: {halt.reason}{detail}"


def _sentence(text: str) -> str:
    """End a text with one full stop, whether what it quotes has one or not."""
    return f"{text.rstrip('.')}."


def when(epoch_s: int) -> str:
    """Write a time of the wire as local time with its offset."""
    return datetime.fromtimestamp(epoch_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S%z")


def report(
    snapshot: StateSnapshot,
    spec: MarketSpec,
    account_a: int,
    account_b: int,
    standbys: tuple[Standby, ...] | None = (),
    *,
    now_s: float = 0.0,
    ping_id: str = "",
    commands: Commands = DEFAULT_COMMANDS,
) -> Report:
    """Arrange a snapshot, read at `now_s` (epoch s), into a report.

    With a `ping_id` only a heartbeat that acknowledges that ping is evidence. What stands beside
    a heartbeat of other accounts may be theirs too, and no halt in Redis names accounts: neither
    is shown.
    """
    others = {"a": snapshot.other_a, "b": snapshot.other_b}
    is_alone = others == {"a": None, "b": None}
    snapshot = replace(
        snapshot,
        halts=snapshot.halts if is_alone else NO_HALTS,
        position_a=snapshot.position_a if others["a"] is None else None,
        position_b=snapshot.position_b if others["b"] is None else None,
        ledger=snapshot.ledger if others["b"] is None else None,
    )

    def view(side: str, account: int) -> SideView:
        beat, position, lease = (
            (snapshot.ready_a, snapshot.position_a, snapshot.lease_a)
            if side == "a"
            else (snapshot.ready_b, snapshot.position_b, snapshot.lease_b)
        )
        answered = (beat is not None and ping_id in dict(beat.acks)) if ping_id else None
        other = others[side]
        return SideView(
            side,
            account,
            beat,
            position,
            lease,
            now_s,
            answered,
            other_beat=other,
            other_version=snapshot.version_a if side == "a" else snapshot.version_b,
        )

    return Report(
        spec=spec,
        a=view("a", account_a),
        b=view("b", account_b),
        ledger=snapshot.ledger,
        halts=snapshot.known_halts.in_force,
        problems=snapshot.problems,
        standbys=standbys,
        commands=commands,
    )
