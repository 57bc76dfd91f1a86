"""What the operator's commands decide; pure: a state and an event give a state and effects.

The tool reads the pair's state, asks the person and writes to Redis; it posts what it saw as
events and performs the effects in their order. The simulator's people run the same decisions.
Every command ends with one `End`: a sentence and the exit code. Times are seconds of a clock that
never goes back.
"""

import enum
from dataclasses import dataclass, replace

from hedge.daemon.advice import advice_for
from hedge.errors import ConfigError, NotNeutralError
from hedge.operator.status import Report
from hedge.wire.control import Halt

RESUME_WAIT_S = 10.0
FLATTEN_WAIT_S = 60.0
POLL_S = 0.25
FLATTEN = "flatten"
FLATTEN_ANNOUNCEMENT = (
    "A stops making, cancels what rests and closes its own position reduce-only at market;"
    " B hedges each of these trades, so it ends flat too. The pair then stays halted."
)
QUESTION = "Resume?"


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
    """What was to be written is; `is_refused`: another value stood there."""

    now_s: float
    is_refused: bool = False


Event = Looked | Answered | Written


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
    """Read the pair's state after so many seconds, and post it."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Resume:
    """Turn the halt of this id into the record of its resumption, and post whether it was."""

    halt_id: str
    forced: bool
    note: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a command to both daemons, and post that it is written."""

    command: str


@dataclass(frozen=True, slots=True)
class End:
    """The command is over: what it says (to the error output unless `code` is 0)."""

    code: int
    text: str


Effect = Print | Ask | Look | Resume | Send | End

REFUSED = NotNeutralError.exit_code


# --- status


def verdict(report: Report) -> End:
    """Return what `status` says first, and its exit code."""
    return End(0, report.headline)


# --- resume


@dataclass(frozen=True, slots=True)
class Force:
    """How to resume although something is open; `reason` goes into the record."""

    reason: str
    ask: bool


@dataclass(frozen=True, slots=True)
class Resumption:
    """One `resume` under way. `before` None: the state was not read yet."""

    force: Force | None = None
    wait_s: float = RESUME_WAIT_S
    poll_s: float = POLL_S
    before: Report | None = None
    deadline_s: float | None = None

    def step(self, event: Event) -> tuple["Resumption", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done."""
        if isinstance(event, Looked):
            if self.before is None:
                return self._first_look(event.report)
            return self, self._after_writing(event, self.before)
        if self.before is None or self.before.halt is None:
            return self, ()
        if isinstance(event, Answered):
            return self, self._answered(event.answer, self.before.halt)
        if event.is_refused:
            msg = "Another halt came in meanwhile; look at `python hedgectl.py status` first."
            return self, (End(REFUSED, msg),)
        return replace(self, deadline_s=event.now_s + self.wait_s), (Look(),)

    def _first_look(self, report: Report) -> tuple["Resumption", tuple[Effect, ...]]:
        halt = report.halt
        if halt is None or not halt.is_active:
            told = f"Not halted, nothing to resume. {report.headline}"
            return self, (End(0, told),)
        state = replace(self, before=report)
        if self.force is None:
            if report.obstacles:
                return state, (End(REFUSED, _refusal(report, halt)),)
            return state, (self._resume(halt),)
        lines = [report.headline, f"Positions as last written: {report.positions_text}."]
        shown = tuple(Print(line) for line in (*lines, *_forced_consequences(report)))
        return state, (*shown, Ask(QUESTION) if self.force.ask else self._resume(halt))

    def _resume(self, halt: Halt) -> Resume:
        force = self.force
        return Resume(halt.id, force is not None, force.reason if force is not None else "")

    def _answered(self, answer: Answer, halt: Halt) -> tuple[Effect, ...]:
        match answer:
            case Answer.YES:
                return (self._resume(halt),)
            case Answer.NO:
                return (End(REFUSED, "Not resumed."),)
            case Answer.NONE:
                msg = "Not resumed: nobody answered. Where there is no terminal add --yes."
                return (End(REFUSED, msg),)

    def _after_writing(self, event: Looked, before: Report) -> tuple[Effect, ...]:
        """Wait until A says in a new heartbeat that it is not halted any more."""
        report = event.report
        if report.is_halted and report.halt != before.halt:
            msg = f"Resumed, but it halted again at once. {report.headline}"
            return (End(REFUSED, msg),)
        beat = report.a.beat
        is_new = beat != before.a.beat
        if beat is not None and is_new and beat.state != "halted" and not report.is_halted:
            return (End(0, f"Resumed: A is {beat.state}. {report.headline}"),)
        if self.deadline_s is not None and event.now_s > self.deadline_s:
            return (self._not_seen(report),)
        return (Look(self.poll_s),)

    def _not_seen(self, report: Report) -> End:
        if report.a.beat is None:
            return End(0, "The halt is lifted. A is not running: start it, and it goes on.")
        return End(
            REFUSED,
            f"The halt is lifted, but A is still {report.a.beat.state} after {self.wait_s:g} s"
            f" ({'; '.join(report.a.beat.reasons) or 'no reason given'}); see logs/main_A.log.",
        )


def begin_resume(
    *,
    force: bool,
    reason: str,
    yes: bool,
    wait_s: float = RESUME_WAIT_S,
    poll_s: float = POLL_S,
) -> tuple[Resumption, tuple[Effect, ...]]:
    """Begin to resume; a forced resumption needs a reason, and asks unless `yes`."""
    if not force:
        return Resumption(None, wait_s, poll_s), (Look(),)
    if not reason.strip():
        msg = '`resume --force` needs a reason: add --reason "what you checked".'
        return Resumption(), (End(ConfigError.exit_code, msg),)
    return Resumption(Force(reason.strip(), ask=not yes), wait_s, poll_s), (Look(),)


def _refusal(report: Report, halt: Halt) -> str:
    return (
        f"Not resumed: {', '.join(report.obstacles)}. Cure that first"
        f" ({advice_for(halt.reason)}), then resume again; or, after"
        ' checking both positions on Lighter, use `resume --force --reason "…"`.'
    )


def _forced_consequences(report: Report) -> list[str]:
    lines = [f"Open: {', '.join(report.obstacles)}."] if report.obstacles else []
    a, b, beat = report.a.position, report.b.position, report.b.beat or report.a.beat
    if a is None or b is None or beat is None:
        return [*lines, "What B will trade cannot be told: not all of it is known."]
    to_trade = beat.offset_lots - (a.position_lots + b.position_lots)
    if to_trade == 0:
        return [*lines, "The positions cancel out: B has nothing to trade."]
    verb = "buy" if to_trade > 0 else "sell"
    amount = report.amount(abs(to_trade)).lstrip("+")
    return [*lines, f"To bring the pair together B will {verb} {amount} at market."]


# --- flatten


@dataclass(frozen=True, slots=True)
class Flattening:
    """One `flatten` under way; `by_hand`: it undoes what was published by hand, without A."""

    wait_s: float = FLATTEN_WAIT_S
    poll_s: float = POLL_S
    by_hand: bool = False
    is_sent: bool = False
    deadline_s: float = 0.0

    def step(self, event: Event) -> tuple["Flattening", tuple[Effect, ...]]:
        """Return the state after `event` and what is to be done."""
        if isinstance(event, Written):
            return replace(self, deadline_s=event.now_s + self.wait_s), (Look(),)
        if isinstance(event, Answered):
            return self, ()
        if not self.is_sent:
            return self._first_look(event.report)
        return self, (self._after_sending(event.now_s, event.report),)

    def _first_look(self, report: Report) -> tuple["Flattening", tuple[Effect, ...]]:
        has_manual = report.ledger is not None and report.ledger.manual_lots != 0
        if report.a.beat is None and not (has_manual and report.b.beat is not None):
            msg = f"Not sent: {report.a.why_not_ready}, and only A closes A's position."
            return self, (End(REFUSED, msg),)
        by_hand = report.a.beat is None
        return replace(self, by_hand=by_hand, is_sent=True), (Send(FLATTEN),)

    def _after_sending(self, now_s: float, report: Report) -> Effect:
        is_done = _is_cleared(report) if self.by_hand else _is_flat(report)
        if is_done:
            return End(0, _flattened(report))
        if now_s >= self.deadline_s:
            return End(REFUSED, f"Not flat after {self.wait_s:g} s: {report.headline}")
        return Look(self.poll_s)


def begin_flatten(
    *, wait_s: float = FLATTEN_WAIT_S, poll_s: float = POLL_S
) -> tuple[Flattening, tuple[Effect, ...]]:
    """Begin to flatten, which asks nothing."""
    return Flattening(wait_s, poll_s), (Print(FLATTEN_ANNOUNCEMENT), Look())


def _flattened(report: Report) -> str:
    if report.a.beat is None:
        return f"What was published by hand is undone: B {report.position_text(report.b)}."
    return f"Flat. {report.balance} To trade again: `python hedgectl.py resume`."


def _is_cleared(report: Report) -> bool:
    ledger = report.ledger
    is_undone = ledger is not None and ledger.manual_lots == 0 and not ledger.inflight
    return is_undone and report.b.is_ready


def _is_flat(report: Report) -> bool:
    position = report.a.position
    is_flat = position is not None and position.position_lots == 0
    return is_flat and report.is_halted and report.is_covered


Work = Resumption | Flattening
