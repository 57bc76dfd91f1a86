"""What the operator's commands decide; pure: a state and an event give a state and effects.

The tool reads the pair's state, asks the person and writes to Redis; it posts what it saw as
events and performs the effects in their order. The simulator's people run the same decisions.
Every command ends with one `End`: a sentence and the exit code. Times are seconds of a clock that
never goes back. `command_id` and a halt's id are random, made by the caller.
"""

import enum
from dataclasses import dataclass, replace

from hedge.core.evidence import BY_HAND, Word
from hedge.core.freshness import BeatId
from hedge.daemon.advice import advice_for
from hedge.daemon.commands import DEFAULT_COMMANDS, Commands
from hedge.errors import ConfigError, NotNeutralError
from hedge.operator.status import PING_WAIT_S, Report, SideView, age_text, halt_words
from hedge.wire.control import FLATTEN, PING, RESUME, Halt
from hedge.wire.halt_reasons import FORCED, asks_for_force

RESUME_WAIT_S = 10.0
PROOF_WAIT_S = 60.0
"""So long `resume` waits for a proof that is under way: a book that takes longer halts by itself.

The lists of the exchange may lag behind: what was signed before a start counts as unlisted for
`timing.view_lag_s` (15 s).
"""
PROGRESS_S = 5.0
"""So often it says that it waits still."""
FLATTEN_WAIT_S = 60.0
HALT_WAIT_S = 10.0
HALT_EVERY_S = 0.5
POLL_S = 0.25
ACK_WAIT_S = 10.0
PING_EVERY_S = 1.0
SETTLE_S = 2.5
"""So long positions that do not cancel out are looked at again: two heartbeats of one second
are of different moments, and a fill between them is no news."""
FLATTEN_ANNOUNCEMENT = (
    "A stops making, cancels what rests and closes its own position reduce-only at market;"
    " B hedges each of these trades and then closes what is left of its own."
    " The pair then stays halted."
)
ANOTHER_FLATTEN = "Another flatten is on its way and does the same; waiting for its end."
_CLOSES = ("closing", "following")
"""How the outcome of a `flatten` begins that a daemon obeys."""
QUESTION = "Resume?"
FLATTEN_QUESTION = "Close both?"
OPERATOR = "operator"
"""The reason of a halt that a person asked for."""

RELEASED = "released"
"""The outcome by which a daemon acknowledges a `resume`."""


class Answer(enum.Enum):
    """What became of a question."""

    YES = "yes"
    NO = "no"
    NONE = "there is no terminal"


# --- events


@dataclass(frozen=True, slots=True)
class Looked:
    """The pair's state was read; it looked so at `now_s`, when the reading was done."""

    now_s: float
    report: Report


@dataclass(frozen=True, slots=True)
class Answered:
    """The person was asked."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Written:
    """What was to be written is."""

    now_s: float


@dataclass(frozen=True, slots=True)
class HostLooked:
    """The state directories of this host were read, or written.

    `halts`: those in force there; `sides`: whose directory is here and free; `running`: whose a
    process of this host has locked; `unwritten`: whose could not be written, and why.
    """

    halts: tuple[Halt, ...] = ()
    sides: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    unwritten: tuple[tuple[str, str], ...] = ()


Event = Looked | Answered | Written | HostLooked


# --- effects


@dataclass(frozen=True, slots=True)
class Print:
    """Show a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the person, and post the answer."""

    question: str


@dataclass(frozen=True, slots=True)
class Look:
    """Read the pair's state after so many seconds, and post it.

    With a `ping_id` only heartbeats that acknowledge that ping are evidence.
    """

    after_s: float = 0.0
    ping_id: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a command to the daemons of `to`, and post that it is written."""

    command_id: str
    command: str
    to: tuple[tuple[str, BeatId], ...]
    halts: tuple[str, ...] = ()
    forced: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class WriteHalt:
    """Add a halt to those in Redis, and post that it is written."""

    halt: Halt


@dataclass(frozen=True, slots=True)
class LookAtHost:
    """Read the halts in the state directories of this host, and post them."""


@dataclass(frozen=True, slots=True)
class ReleaseOnHost:
    """Release halts in the state directories of this host, under their lock, and in Redis."""

    halts: tuple[str, ...]
    forced: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The command is over: what it says (to the error output unless `code` is 0)."""

    code: int
    text: str


Effect = Print | Ask | Look | Send | WriteHalt | LookAtHost | ReleaseOnHost | End

REFUSED = NotNeutralError.exit_code
LOOK_AT_BOTH = "Look at both positions on Lighter"
NO_TERMINAL = "nothing was answered. Where there is no terminal add --yes."


# --- status


def verdict(report: Report) -> End:
    """Return what `status` says first, and its exit code: 0 only for running and neutral."""
    runs = all(view.beat is not None and not view.beat.left for view in _views(report))
    is_well = runs and report.is_covered and not report.is_halted
    return End(0 if is_well else REFUSED, report.headline)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A ping, and the heartbeats that answer it; `report` is the newest.

    It is over, without another effect, once `report` is what can be known now.
    """

    ping_id: str
    wait_s: float = PING_WAIT_S
    poll_s: float = POLL_S
    settles_halted: bool = False
    """Also of a halted pair, what is open may be only the time between two heartbeats."""
    sent_s: float = 0.0
    deadline_s: float | None = None
    answered_s: float | None = None
    report: Report | None = None

    def step(self, event: Event) -> tuple["Inquiry", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done; nothing: it is over."""
        match event:
            case Written(now_s):
                until_s = now_s + self.wait_s if self.deadline_s is None else self.deadline_s
                state = replace(self, sent_s=now_s, deadline_s=until_s)
                return state, (Look(ping_id=self.ping_id),)
            case Looked(now_s, report):
                waits = any(
                    view.beat is not None and not view.beat.left and view.has_answered is False
                    for view in _views(report)
                )
                waits |= report.is_b_older
                state = replace(self, report=report)
                if report.other_pair:
                    return state, ()
                if not waits:
                    return state.settle(now_s, report)
                if self.deadline_s is None or now_s >= self.deadline_s:
                    return state, ()
                if now_s >= self.sent_s + PING_EVERY_S:  # another command may have replaced it
                    return state, (self.send,)
                return state, (Look(self.poll_s, self.ping_id),)
            case _:
                return self, ()

    def settle(self, now_s: float, report: Report) -> tuple["Inquiry", tuple[Effect, ...]]:
        """End, unless what is open may be only the time between two heartbeats."""
        since_s = now_s if self.answered_s is None else self.answered_s
        is_passing = report.judgement.word is Word.OPEN and BY_HAND not in report.uncovered
        settles = self.settles_halted or not report.is_halted
        if is_passing and settles and now_s < since_s + SETTLE_S:
            return replace(self, answered_s=since_s), (Look(self.poll_s, self.ping_id),)
        return self, ()

    @property
    def send(self) -> Send:
        """The ping."""
        return Send(self.ping_id, PING, ())


@dataclass(frozen=True, slots=True)
class Asking:
    """One `status` under way."""

    inquiry: Inquiry

    def step(self, event: Event) -> tuple["Asking", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done."""
        inquiry, effects = self.inquiry.step(event)
        if not effects and inquiry.report is not None:
            effects = (verdict(inquiry.report),)
        return Asking(inquiry), effects


def begin_status(
    ping_id: str, *, wait_s: float = PING_WAIT_S, poll_s: float = POLL_S
) -> tuple[Asking, tuple[Effect, ...]]:
    """Begin to ask both daemons how they are."""
    inquiry = Inquiry(ping_id, wait_s, poll_s)
    return Asking(inquiry), (inquiry.send,)


# --- what commands have in common


def _views(report: Report) -> tuple[SideView, SideView]:
    return report.a, report.b


def _addressed(report: Report, sides: str = "ab") -> tuple[tuple[str, BeatId], ...]:
    """Return the newest heartbeat of each living daemon of these sides."""
    found = ((view.side, view.answered) for view in _views(report) if view.side in sides)
    return tuple((side, beat) for side, beat in found if beat is not None)


def _missing(report: Report, sides: str = "ab") -> tuple[str, ...]:
    return tuple(
        view.name for view in _views(report) if view.side in sides and view.answered is None
    )


def _outcomes(report: Report, command_id: str, sides: tuple[str, ...]) -> dict[str, str | None]:
    """Return what each addressed daemon says became of a command, by its name."""
    return {view.name: view.outcome_of(command_id) for view in _views(report) if view.side in sides}


def _of_another_pair(report: Report) -> End:
    """Refuse where a heartbeat is another pair's, or of another version: who would obey it?"""
    return End(REFUSED, f"Nothing was sent. {report.headline}")


def _and(names: tuple[str, ...] | list[str]) -> str:
    return " and ".join(names)


# --- resume


@dataclass(frozen=True, slots=True)
class Force:
    """How to resume although something is open; `reason` goes with the command."""

    reason: str
    ask: bool


@dataclass(frozen=True, slots=True)
class Resumption:
    """One `resume` under way: it releases what it has shown, and nothing else.

    `inquiry`: what both say of themselves now, for a heartbeat may be older than the newest fill.
    `before` None: that is not known yet. `shown`: the halts that the person saw. `to`: the daemons
    that the command was sent to. `since_s`: since when a proof that is under way is waited for, and
    `said_s` when that was said last.
    """

    inquiry: Inquiry
    command_id: str = ""
    force: Force | None = None
    wait_s: float = RESUME_WAIT_S
    poll_s: float = POLL_S
    before: Report | None = None
    shown: tuple[Halt, ...] = ()
    on_host: bool = False
    is_releasing: bool = False
    to: tuple[str, ...] = ()
    deadline_s: float = 0.0
    proof_wait_s: float = PROOF_WAIT_S
    since_s: float | None = None
    said_s: float = 0.0

    def step(self, event: Event) -> tuple["Resumption", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done."""
        if self.before is None:
            return self._ask(event)
        match event:
            case Looked(now_s, report):
                if not self.to:
                    return self.send(report)
                return self, (self._after_sending(now_s, report),)
            case Answered(answer):
                return self._answered(answer)
            case Written(now_s):
                return replace(self, deadline_s=now_s + self.wait_s), (Look(),)
            case HostLooked():
                return self._on_host(event)

    def _ask(self, event: Event) -> tuple["Resumption", tuple[Effect, ...]]:
        """Hear from both first: what is released rests on what they say after the question."""
        inquiry, effects = self.inquiry.step(event)
        state = replace(self, inquiry=inquiry)
        if effects or inquiry.report is None:
            return state, effects
        if isinstance(event, Looked) and state.waits(event.now_s, inquiry.report):
            return state.wait(event.now_s, inquiry.report)
        return state.begin(inquiry.report)

    def waits(self, now_s: float, report: Report) -> bool:
        """Whether a proof that is under way is all that speaks against resuming."""
        is_over = self.since_s is not None and now_s >= self.since_s + self.proof_wait_s
        if self.force is not None or is_over or not report.halts or report.is_foreign:
            return False
        return bool(report.only_proving) and not report.asks_for_force

    def wait(self, now_s: float, report: Report) -> tuple["Resumption", tuple[Effect, ...]]:
        """Say what is waited for, and for how long; look again soon.

        What is in force at the first look is released; what arises meanwhile nobody has seen.
        """
        since_s, said_s = self.since_s, self.said_s
        missing, most = "; ".join(report.only_proving), f"{self.proof_wait_s:g} s"
        said: tuple[Effect, ...] = ()
        if since_s is None:
            since_s = said_s = now_s
            said = (Print(f"{missing}. Waiting for that proof, at most {most}."),)
        elif now_s >= said_s + PROGRESS_S:
            said_s = now_s
            said = (Print(f"Still waiting ({now_s - since_s:.0f} s of {most}): {missing}."),)
        inquiry = replace(
            self.inquiry,
            sent_s=now_s,
            deadline_s=now_s + PING_EVERY_S + self.inquiry.wait_s,
            answered_s=None,
            report=None,
        )
        look = Look(PING_EVERY_S, self.inquiry.ping_id)
        shown = report.halts if self.since_s is None else self.shown
        state = replace(self, inquiry=inquiry, since_s=since_s, said_s=said_s, shown=shown)
        return state, (*said, look)

    def begin(self, report: Report) -> tuple["Resumption", tuple[Effect, ...]]:
        """Say what stands in the way, or go on: nothing does, or the person forces it."""
        halts = report.halts if self.since_s is None else self.shown
        state = replace(self, before=report, shown=halts)
        if report.is_foreign:
            return state, (_of_another_pair(report),)
        if not _addressed(report):
            return replace(state, on_host=True), (LookAtHost(),)
        if not report.halts:
            return state, (End(0, f"Not halted, nothing to resume. {report.headline}"),)
        if self.force is None:
            if report.obstacles or any(halt.reason in FORCED for halt in report.halts):
                return state, (End(REFUSED, self._waited + _refusal(report)),)
            return state.send(report)
        lines = (report.headline, *_forced_consequences(report))
        shown = tuple(map(Print, lines))
        if self.force.ask:
            return state, (*shown, Ask(QUESTION))
        state, effects = state.send(report)
        return state, (*shown, *effects)

    @property
    def _waited(self) -> str:
        return "" if self.since_s is None else "The proof that was waited for has not come. "

    def _answered(self, answer: Answer) -> tuple["Resumption", tuple[Effect, ...]]:
        match answer:
            case Answer.YES:
                return self.release_on_host() if self.on_host else (self, (Look(),))
            case Answer.NO:
                return self, (End(REFUSED, "Not resumed."),)
            case Answer.NONE:
                return self, (End(REFUSED, f"Not resumed: {NO_TERMINAL}"),)

    @property
    def _ids(self) -> tuple[str, ...]:
        return tuple(halt.id for halt in self.shown)

    def send(self, report: Report) -> tuple["Resumption", tuple[Effect, ...]]:
        """Address the daemons that live now; what arose after the person looked stays."""
        to, force = _addressed(report), self.force
        if report.is_foreign:
            return self, (_of_another_pair(report),)
        if not to:
            said = f"Not resumed: both have fallen silent; {_status_first(report)}."
            return self, (End(REFUSED, said),)
        note = "" if force is None else force.reason
        send = Send(self.command_id, RESUME, to, self._ids, forced=force is not None, note=note)
        return replace(self, to=tuple(side for side, _ in to)), (send,)

    def _after_sending(self, now_s: float, report: Report) -> Effect:
        """Wait until each addressed daemon has released, and A says that it goes on."""
        outcomes = _outcomes(report, self.command_id, self.to)
        refused = {name: word for name, word in outcomes.items() if word not in (None, RELEASED)}
        if refused:
            said = "; ".join(f"{name}: {word}" for name, word in refused.items())
            return End(REFUSED, f"Not resumed. {said}.")
        silent = [name for name, word in outcomes.items() if word is None]
        is_late = now_s > self.deadline_s
        if silent:
            return self._not_acknowledged(silent, report) if is_late else Look(self.poll_s)
        if report.halts:
            return End(REFUSED, f"Released, but another halt is in force. {report.headline}")
        unheard = tuple(name for name in "AB" if name.lower() not in self.to)
        if unheard:
            return End(REFUSED, f"Released, but {_unheard(unheard)}")
        beat = report.a.beat
        if beat is not None and beat.state != "halted":
            return End(0, f"Resumed: A is {beat.state}. {report.headline}")
        return self._not_seen(report) if is_late else Look(self.poll_s)

    def _not_acknowledged(self, silent: list[str], report: Report) -> End:
        first = _status_first(report)
        begin = "" if report.halts else "Released, but "
        return End(
            REFUSED, f"{begin}{_and(silent)} did not acknowledge within {self.wait_s:g} s: {first}."
        )

    def _not_seen(self, report: Report) -> End:
        beat = report.a.beat
        if beat is None:
            return End(REFUSED, "Released; A has acknowledged it, and its heartbeat is gone.")
        return End(
            REFUSED,
            f"The halt is lifted, but A is still {beat.state} after {self.wait_s:g} s"
            f" ({'; '.join(beat.reasons) or 'no reason given'}); see logs/main_A.log.",
        )

    @property
    def _commands(self) -> Commands:
        return DEFAULT_COMMANDS if self.before is None else self.before.commands

    # with both daemons down

    def _on_host(self, event: HostLooked) -> tuple["Resumption", tuple[Effect, ...]]:
        if event.running:
            return self, (_runs_here(event, self._commands),)
        if self.is_releasing:
            return self, (_ended_on_host(event, self._commands),)
        known = {halt.id: halt for halt in (*self.shown, *event.halts)}
        state = replace(self, shown=tuple(known.values()))
        if not known:
            headline = "" if self.before is None else self.before.headline
            return state, (End(0, f"Not halted, nothing to resume. {headline}"),)
        lines = [f"Halted{halt_words(halt)}." for halt in state.shown]
        if self.force is None and (refusal := state.refusal_on_host()):
            return state, (*map(Print, lines), refusal)
        lines.append(self._what_a_start_does)
        shown = tuple(map(Print, lines))
        if self.force is not None and self.force.ask:
            return state, (*shown, Ask(QUESTION))
        state, effects = state.release_on_host()
        return state, (*shown, *effects)

    def refusal_on_host(self) -> End | None:
        """Refuse where a person must have looked at both positions; no daemon shows them."""
        unexplained = next((halt for halt in self.shown if asks_for_force(halt)), None)
        is_open = self.before is not None and self.before.is_contradicted
        if self.before is None or not (unexplained or is_open):
            return None
        why = f"neither daemon runs, so nothing shows the positions ({self.before.positions_text})"
        cure = advice_for(unexplained.reason) if unexplained else LOOK_AT_BOTH
        force = self._commands.resume_by_force
        return End(REFUSED, f"Not resumed: {why}. {cure}, then {force}.")

    @property
    def _what_a_start_does(self) -> str:
        """Say what follows the release: where the positions do not cancel out B trades."""
        last = "" if self.before is None else f" ({self.before.positions_text})"
        return f"No daemon runs{last}: at its start B trades until it is the other side of A."

    def release_on_host(self) -> tuple["Resumption", tuple[Effect, ...]]:
        """Release what was shown without a daemon."""
        return replace(self, is_releasing=True), (ReleaseOnHost(self._ids, self.force is not None),)


def _status_first(report: Report) -> str:
    return f"look at {report.commands.status} first"


def _runs_here(event: HostLooked, commands: Commands) -> End:
    names = _and([side.upper() for side in event.running])
    verbs = "runs on this host and has" if len(event.running) == 1 else "run on this host and have"
    return End(
        REFUSED,
        f"Not resumed: {names} {verbs} no heartbeat in Redis (cut off from it, or just started)."
        f" Wait for it, then {commands.resume}.",
    )


def _unheard(names: tuple[str, ...]) -> str:
    verb = "has no heartbeat and has" if len(names) == 1 else "have no heartbeat and have"
    return f"{_and(names)} {verb} not heard it; it is read from Redis at the start."


def _ended_on_host(event: HostLooked, commands: Commands) -> End:
    """Say what this host has written, and which side's host has not heard of it."""
    here, full = [side.upper() for side in event.sides], dict(event.unwritten)
    away = [name for name in ("A", "B") if name not in here and name.lower() not in full]
    done = f"Released in Redis{f' and in the files of {_and(here)} on this host' if here else ''}."
    if full:
        said = [
            f"{side.upper()} on this host could not be written ({why})"
            for side, why in full.items()
        ]
        return End(
            REFUSED,
            f"{done} The file of {_and(said)}: make room there, or correct its owner, then"
            f" {commands.resume} once more.",
        )
    if not away:
        return End(0, f"{done} Neither daemon runs: {commands.start}, and the pair goes on.")
    return End(
        REFUSED,
        f"{done} The host of {_and(away)} has not heard it: its state directory is not on this"
        f" host. {_and(away)} reads it from Redis at the start.",
    )


def begin_resume(
    *,
    command_id: str,
    ping_id: str,
    force: bool,
    reason: str,
    yes: bool,
    wait_s: float = RESUME_WAIT_S,
    poll_s: float = POLL_S,
    proof_wait_s: float = PROOF_WAIT_S,
) -> tuple[Resumption, tuple[Effect, ...]]:
    """Begin to resume; a forced resumption needs a reason, and asks unless `yes`.

    Without force a book whose proof is under way is waited for, at most `proof_wait_s`.
    """
    inquiry = Inquiry(ping_id, poll_s=poll_s, settles_halted=True)
    how = Force(reason.strip(), ask=not yes) if force else None
    state = Resumption(inquiry, command_id, how, wait_s, poll_s, proof_wait_s=proof_wait_s)
    if how is not None and not how.reason:
        msg = '`resume --force` needs a reason: add --reason "what you checked".'
        return state, (End(ConfigError.exit_code, msg),)
    return state, (inquiry.send,)


def _refusal(report: Report) -> str:
    """Say what is open, and what releases the halts; one of B's own needs force in any case."""
    commands, advice = report.commands, advice_for(report.halts[0].reason)
    again = f"Cure that first ({advice}), then {commands.resume}; or, after"
    if report.asks_for_force:
        again = f"{advice}; after"
    why = report.obstacles or ("it would halt again at once",)
    return (
        f"Not resumed: {', '.join(why)}. {again}"
        f" checking both positions on Lighter, {commands.resume_by_force}."
    )


def _forced_consequences(report: Report) -> list[str]:
    lines = [f"Open: {', '.join(report.obstacles)}."] if report.obstacles else []
    a, b = report.a.known.last_known, report.b.known.last_known
    beat = report.b.beat or report.a.beat
    if a is None or b is None or beat is None:
        return [*lines, "What B will trade cannot be told: not all of it is known."]
    to_trade = beat.offset_lots - (a.position_lots + b.position_lots)
    if to_trade == 0:
        return [*lines, "The positions cancel out: B has nothing to trade."]
    verb = "buy" if to_trade > 0 else "sell"
    amount = report.amount(abs(to_trade)).lstrip("+")
    return [*lines, f"To bring the pair together B will {verb} {amount} at market."]


# --- halt


@dataclass(frozen=True, slots=True)
class Halting:
    """One `halt` under way: written again and again until each living daemon shows it, and stored.

    `deadline_s` None: it was not written yet. No halt in Redis names accounts: where the
    heartbeats are another pair's none is written.
    """

    halt: Halt
    wait_s: float = HALT_WAIT_S
    every_s: float = HALT_EVERY_S
    deadline_s: float | None = None

    def step(self, event: Event) -> tuple["Halting", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done."""
        match event:
            case Written(now_s):
                known = self.deadline_s
                deadline_s = now_s + self.wait_s if known is None else known
                return replace(self, deadline_s=deadline_s), (Look(self.every_s),)
            case Looked(now_s, report):
                return self, (self._judge(now_s, report),)
            case _:
                return self, ()

    def _judge(self, now_s: float, report: Report) -> Effect:
        if report.other_pair:
            if self.deadline_s is None:
                return _of_another_pair(report)
            return End(REFUSED, f"The halt stands in Redis. {report.headline}")
        missing = [
            view.name
            for view in _views(report)
            if view.beat is None or self.halt.id not in {one.id for one in view.beat.halts}
        ]
        if not missing:
            again = report.commands.resume
            done = End(0, f"Halted: A and B have it on record. To go on: {again}.")
            is_late = self.deadline_s is not None and now_s >= self.deadline_s
            return _once_stored(report, done, is_late=is_late) or Look(self.every_s)
        if self.deadline_s is None or now_s < self.deadline_s:
            return WriteHalt(self.halt)
        verb = "has" if len(missing) == 1 else "have"
        return End(
            REFUSED,
            f"The halt stands in Redis, but {_and(missing)} {verb} not shown it within"
            f" {self.wait_s:g} s: not running, or cut off from Redis. It is read from Redis once"
            " that ends; until then stop that process on its own host.",
        )


def _once_stored(report: Report, done: End, before: str = "Halted", *, is_late: bool) -> End | None:
    """Return `done` once both hosts have stored the halt, None while one is at it.

    Where one cannot: what has been done `before`, which host would forget the halt, and why.
    """
    found = [view.unstored for view in _views(report)]
    if all(why is None for why in found):
        return done
    if "" in found and not is_late:
        return None
    return End(
        REFUSED,
        f"{before}, but {report.unstored_text(also_on_its_way=True)}. Make room there, or correct"
        " the directory's owner; it is tried again every second. Look again:"
        f" {report.commands.status}.",
    )


def begin_halt(
    halt_id: str,
    epoch_s: int,
    reason: str,
    *,
    wait_s: float = HALT_WAIT_S,
    every_s: float = HALT_EVERY_S,
) -> tuple[Halting, tuple[Effect, ...]]:
    """Begin to halt the pair by a person's word; `reason` is what the record says."""
    detail = reason.strip() or "a person asked for it"
    halt = Halt(id=halt_id, side="", reason=OPERATOR, detail=detail, timestamp=epoch_s)
    return Halting(halt, wait_s, every_s), (Look(),)


# --- flatten


class Closed(enum.Enum):
    """What a `flatten` closes; the value is the sides that it is sent to."""

    BOTH = "ab"
    A_ALONE = "a"
    B_ALONE = "b"
    BY_HAND = "b "  # what was published by hand, on a B without an A


@dataclass(frozen=True, slots=True)
class Flattening:
    """One `flatten` under way. `what` None: the state was not read yet.

    `heard`: the commands that the daemons had acknowledged when this one was sent. The place for
    commands is one: another `flatten` of the same second may have taken this one's, and does what
    it was to do; `is_other_told`: that has been said.
    """

    command_id: str = ""
    wait_s: float = FLATTEN_WAIT_S
    poll_s: float = POLL_S
    ask: bool = True
    force: bool = False
    what: Closed | None = None
    to: tuple[str, ...] = ()
    sent_s: float = 0.0
    heard: frozenset[str] = frozenset()
    is_other_told: bool = False

    def step(self, event: Event) -> tuple["Flattening", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done."""
        match event:
            case Looked(now_s, report):
                if self.what is None:
                    return self._first_look(report)
                if not self.to:
                    return self.send(report)
                after = self._after_sending(now_s, report, self.what)
                if self.is_other_told or not self._by_another(report):
                    return self, (after,)
                return replace(self, is_other_told=True), (Print(ANOTHER_FLATTEN), after)
            case Answered(answer):
                return self, self._answered(answer)
            case Written(now_s):
                return replace(self, sent_s=now_s), (Look(),)
            case HostLooked():
                return self, ()

    def _first_look(self, report: Report) -> tuple["Flattening", tuple[Effect, ...]]:
        if report.is_foreign:
            return self, (_of_another_pair(report),)
        what = _closable(report, force=self.force)
        if isinstance(what, str):
            return self, (End(REFUSED, what),)
        state = replace(self, what=what)
        stated = ", ".join(f"{view.name} {_stated_when(report, view)}" for view in _views(report))
        lines = [f"As the daemons state it: {stated}."]
        match what:
            case Closed.BOTH:
                lines.append(FLATTEN_ANNOUNCEMENT)
            case Closed.A_ALONE | Closed.B_ALONE:
                lines.append(_left_open(report, what))
            case Closed.BY_HAND:
                lines.append("B closes what was published by hand.")
        shown = tuple(map(Print, lines))
        if self.ask:
            return state, (*shown, Ask(FLATTEN_QUESTION))
        state, effects = state.send(report)
        return state, (*shown, *effects)

    def _answered(self, answer: Answer) -> tuple[Effect, ...]:
        match answer:
            case Answer.YES:
                return (Look(),)
            case Answer.NO:
                return (End(REFUSED, "Nothing was sent."),)
            case Answer.NONE:
                return (End(REFUSED, f"Nothing was sent: {NO_TERMINAL}"),)

    def send(self, report: Report) -> tuple["Flattening", tuple[Effect, ...]]:
        """Look again, now that the person has agreed, and address those who live."""
        if report.is_foreign:
            return self, (_of_another_pair(report),)
        if self.what is None or _closable(report, force=self.force) is not self.what:
            msg = f"Nothing was sent: the pair has changed meanwhile; {_status_first(report)}."
            return self, (End(REFUSED, msg),)
        to = _addressed(report, self.what.value)
        alone = self.what in (Closed.A_ALONE, Closed.B_ALONE)
        send = Send(self.command_id, FLATTEN, to, forced=alone)
        heard = frozenset(id_ for view in _views(report) for id_, _ in _acks(view))
        return replace(self, to=tuple(side for side, _ in to), heard=heard), (send,)

    def _by_another(self, report: Report) -> tuple[str, ...]:
        """Return the daemons that do by another command what this one was to make them do."""
        return tuple(
            view.name
            for view in _views(report)
            if view.side in self.to
            and _is_unheard_or_refused(view.outcome_of(self.command_id))
            and any(id_ not in self.heard and word.startswith(_CLOSES) for id_, word in _acks(view))
        )

    def _after_sending(self, now_s: float, report: Report, what: Closed) -> Effect:
        outcomes = _outcomes(report, self.command_id, self.to)
        outcomes |= dict.fromkeys(self._by_another(report), _CLOSES[0])
        refused = {n: word for n, word in outcomes.items() if word and word.startswith("refused")}
        if refused:
            said = "; ".join(f"{name} {word}" for name, word in refused.items())
            return End(REFUSED, f"Not closed: {said}. {report.headline}")
        silent = [name for name, word in outcomes.items() if word is None]
        if silent:
            if now_s >= self.sent_s + min(self.wait_s, ACK_WAIT_S):
                first = _status_first(report)
                msg = f"{_and(silent)} did not acknowledge the command; {first}."
                return End(REFUSED, msg)
            return Look(self.poll_s)
        is_late = now_s >= self.sent_s + self.wait_s
        if _is_over(report, what):
            done = _flattened(report, what)
            if what is not Closed.BOTH:
                return done
            flat = f"Flat: {report.positions_text}. Halted"
            return _once_stored(report, done, flat, is_late=is_late) or Look(self.poll_s)
        if is_late:
            return End(REFUSED, f"Not flat after {self.wait_s:g} s: {report.headline}")
        return Look(self.poll_s)


def _acks(view: SideView) -> tuple[tuple[str, str], ...]:
    return () if view.beat is None else view.beat.acks


def _is_unheard_or_refused(outcome: str | None) -> bool:
    return outcome is None or outcome.startswith("refused")


def begin_flatten(
    *,
    command_id: str,
    yes: bool = False,
    force: bool = False,
    wait_s: float = FLATTEN_WAIT_S,
    poll_s: float = POLL_S,
) -> tuple[Flattening, tuple[Effect, ...]]:
    """Begin to flatten; it asks unless `yes`. `force`: one side alone, where the other cannot."""
    return Flattening(command_id, wait_s, poll_s, ask=not yes, force=force), (Look(),)


def _closable(report: Report, *, force: bool) -> Closed | str:
    """Return what can be closed now, or the sentence that says why nothing is."""
    a, b = report.a, report.b
    b_stops = b.beat is not None and b.beat.state == "halted"
    has_manual = report.ledger is not None and report.ledger.manual_lots != 0
    if a.answered is not None and b.answered is not None and not b_stops:
        return Closed.BOTH
    if a.answered is None and b.answered is not None and has_manual and not b_stops:
        return Closed.BY_HAND
    if force and a.answered is not None:
        return Closed.A_ALONE
    if force and b.answered is not None and not b_stops:
        return Closed.B_ALONE
    return f"Not sent: {_why_not_both(report, b_stops=b_stops)}"


def _why_not_both(report: Report, *, b_stops: bool) -> str:
    a, b, commands = report.a, report.b, report.commands
    flatten, alone = commands.flatten, commands.flatten_by_force
    again = f"If it does not come back by itself: {commands.start_again(report.frozen)}"
    if a.answered is None and b.answered is None:
        why = f"{a.why_not_ready}, and {b.why_not_ready}"
        return f"{why}. Start what does not run: {commands.start}, then {flatten}."
    if a.answered is None:
        return (
            f"{a.why_not_ready}, and only A closes A's position. {again}, then {flatten};"
            f" {alone} closes B alone and leaves A open."
        )
    if b_stops:
        return (
            f"B is halted ({'; '.join(b.beat.reasons) if b.beat else ''}) and would not follow A:"
            " after a halt of that kind it trades nothing until a person has looked. Look at both"
            f" positions on Lighter, then {commands.resume_by_force}, by which B covers A first,"
            f" and at once {flatten}, before A quotes again; {alone} closes A alone and leaves B"
            " open."
        )
    return (
        f"{b.why_not_ready}, and would not follow A. {again}, then {flatten};"
        f" {alone} closes A alone and leaves B open."
    )


def _left_open(report: Report, what: Closed) -> str:
    closes, leaves = ("A", "b") if what is Closed.A_ALONE else ("B", "a")
    view = report.a if leaves == "a" else report.b
    known = _stated(report, leaves)
    if view.stated_lots is None:
        known = report.position_text(view)
    return f"{closes} alone closes its position. {leaves.upper()} stays open: {known}."


def _stated(report: Report, side: str) -> str:
    view = report.a if side == "a" else report.b
    return report.amount(view.stated_lots)


def _stated_when(report: Report, view: SideView) -> str:
    """Write what a daemon states of its position, with the age of that statement."""
    if view.beat is None:
        return "not heard"
    age_s = max(0.0, view.now_s - view.beat.timestamp)
    return f"{report.amount(view.stated_lots)} ({age_text(age_s)} ago)"


def _is_over(report: Report, what: Closed) -> bool:
    match what:
        case Closed.BOTH:
            is_flat = _is_flat(report.a) and _is_flat(report.b)
            is_done = report.is_halted and not _is_in_flight(report)
            return is_flat and is_done and _has_b_followed(report)
        case Closed.A_ALONE:
            return report.a.stated_lots == 0
        case Closed.B_ALONE:
            return report.b.stated_lots == 0
        case Closed.BY_HAND:
            ledger = report.ledger
            is_undone = ledger is not None and ledger.manual_lots == 0 and not ledger.inflight
            return is_undone and report.b.is_ready


def _is_flat(view: SideView) -> bool:
    """Whether it is shown that this side holds nothing, and has no order that may still fill."""
    shown = view.known.shown
    return shown is not None and shown.position_lots == 0 and not view.known.orders


def _has_b_followed(report: Report) -> bool:
    """Whether B has answered A's newest state: its heartbeat may be older than A's last trade."""
    beat, ledger = report.a.beat, report.ledger
    if beat is None or ledger is None:
        return False
    is_newest = (ledger.a_instance, ledger.a_seq) == (beat.instance, beat.seq)
    return is_newest or report.b.has_left


def _is_in_flight(report: Report) -> bool:
    """Whether an order of B is, or may be."""
    return report.ledger is None or report.ledger.inflight


def _flattened(report: Report, what: Closed) -> End:
    match what:
        case Closed.BOTH:
            again = report.commands.resume
            return End(0, f"Flat: {report.positions_text}. To trade again: {again}.")
        case Closed.BY_HAND:
            return End(0, f"What was published by hand is undone: B {_stated(report, 'b')}.")
        case Closed.A_ALONE:
            return End(REFUSED, f"A is flat. B is open: {report.position_text(report.b)}.")
        case Closed.B_ALONE:
            return End(REFUSED, f"B is flat. A is open: {report.position_text(report.a)}.")


Work = Resumption | Flattening | Halting | Asking
