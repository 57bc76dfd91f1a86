"""What the start and stop scripts decide; pure: a state and an event give a state and effects.

The scripts look at the clock, the processes and Redis, post what they see as events, and perform
the effects in their order. The simulator runs the same decisions on its own clock.

Starting: B, wait until it can hedge, then A; then watch both. Stopping: A, wait until B has
covered everything, then B. Times are seconds of a clock that never goes back.
"""

import enum
import math
from dataclasses import dataclass, replace

from hedge.errors import AlreadyRunningError, HedgeError, InternalBugError, NotNeutralError
from hedge.operator.status import Report

A, B = "main_A", "main_B"
SIDES = (A, B)
KILLED = -9
LAST_CODE = 6
READY_TIMEOUT_S = 90.0
HEARTBEAT_TIMEOUT_S = 90.0
COVER_TIMEOUT_S = 60.0
STOP_MARGIN_S = 5.0
TELL_EVERY_S = 10.0
LOOK_EVERY_S = 0.5
POLL_S = 0.05

LEFT_AT_ONCE = (
    "Stopped at once: an order of A may still rest, and a fill may be unhedged;"
    " check both accounts, or start again."
)
STOPPED_EARLY = "Stopped before the pair was running."
NOTHING_RUNS = "Nothing of this pair runs on this host."


# --- before anything runs


class Answer(enum.Enum):
    """What a signal that means "stop" does."""

    STOP = "stop in order"
    LEAVE = "leave at once"


def answer_to_signal(first_s: float | None) -> Answer:
    """Return what a signal does; `first_s` is when the first one came, None if this is it."""
    return Answer.STOP if first_s is None else Answer.LEAVE


def refusal_to_start(living: dict[str, int]) -> str | None:
    """Return why a second start on this host is refused; `living` are the daemons' process ids."""
    if not living:
        return None
    told = " and ".join(f"{name} (process {pid})" for name, pid in living.items())
    return f"{told} already run on this host; stop them with ./stop_hedge.sh first."


REFUSED = AlreadyRunningError.exit_code
LEFT_AT_ONCE_CODE = NotNeutralError.exit_code


def code_of_death(code: int) -> int:
    """Return the script's exit code for a start that ended because a child did, with `code`."""
    return code if 0 < code <= LAST_CODE else InternalBugError.exit_code


def death_text(name: str, code: int, last_words: str) -> str:
    """Say that a child ended by itself."""
    return f"{name} ended with exit code {code}: {last_words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a start or stop is to do; what it shows of paths and commands is text already.

    `patience_s` is how long a daemon may need to leave, `cover_timeout_s` how long B may need to
    cover what A did. `ends_on_halt` ends a run that shall reach something, as cycles.
    """

    patience_s: float
    cover_timeout_s: float = COVER_TIMEOUT_S
    detach: bool = False
    only_b: bool = False
    ends_on_halt: bool = False
    log_b: str = "main_B.log"
    log_dir: str = "logs"
    config_option: str = ""


# --- state


class Phase(enum.Enum):
    """Where a start or stop stands."""

    WAITING_FOR_B = "waiting for B"
    WAITING_FOR_A = "waiting for A's heartbeat"
    WATCHING = "watching"
    STOPPING_A = "stopping A"
    COVERING = "waiting until B covers"
    LOOKING = "looking once"
    STOPPING_B = "stopping B"
    ENDED = "ended"


class Goal(enum.Enum):
    """What is said at the end."""

    JUDGE = "whether all is covered"
    FAILURE = "why the start failed"
    SCRIPT = "that the stop script is done"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon of the pair. `code` None: it runs.

    `pid` is that of a daemon which an earlier command started: its exit code is not ours to know.
    """

    name: str
    pid: int | None = None
    code: int | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.code is None

    @property
    def left_cleanly(self) -> bool:
        """Whether it is a child that ended with 0, which it does only when all is covered."""
        return self.pid is None and self.code == 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a start ends: lines for the error output, and the exit code."""

    lines: tuple[str, ...]
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A start or stop. `code` None: it goes on; else the script's exit code.

    `report` is the newest one of this phase, None before one was read. A look at Redis is due at
    `look_at_s`, `deadline_s` ends the phase.
    """

    plan: Plan
    phase: Phase
    a: Daemon | None = None
    b: Daemon | None = None
    goal: Goal = Goal.JUDGE
    failure: Failure = Failure((), InternalBugError.exit_code)
    death_code: int = 0
    look_at_s: float = math.inf
    deadline_s: float = math.inf
    waited_s: float = 0.0
    report: Report | None = None
    own_host: str | None = None
    halt_told: str | None = None
    code: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.code is not None


# --- events


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Looked:
    """Redis was read at `now_s`; `report` None: it did not answer.

    `own_host` is this host's id as its daemons know it; `enough`: what the run is for is reached.
    """

    now_s: float
    report: Report | None
    own_host: str | None = None
    enough: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A child ended: its exit code, its last line, and the lines before it."""

    now_s: float
    name: str
    code: int
    last_words: str = ""
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signalled:
    """The first signal came that means: stop."""

    now_s: float


@dataclass(frozen=True, slots=True)
class SignalledAgain:
    """Another one came that counts: leave at once."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Broke:
    """The script itself met an error, which it will say; `started` are the daemons it started."""

    now_s: float
    started: frozenset[str]


Event = Ticked | Looked | Ended | Signalled | SignalledAgain | Broke


# --- effects


@dataclass(frozen=True, slots=True)
class Say:
    """Show a line on the terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class Complain:
    """Show a line on the error output."""

    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start a daemon as a child."""

    name: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a daemon to finish and leave."""

    name: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a daemon at once and wait until it is gone."""

    name: str


@dataclass(frozen=True, slots=True)
class KillAll:
    """End every child at once."""


@dataclass(frozen=True, slots=True)
class Started:
    """All that was asked for is started."""


@dataclass(frozen=True, slots=True)
class Release:
    """Let the children go on by themselves."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stop script stopped everything: forget the process ids."""


Effect = Say | Complain | Start | Ask | Kill | KillAll | Started | Release | Stopped
Step = tuple[State, tuple[Effect, ...]]


# --- beginning


def begin_start(plan: Plan, now_s: float) -> Step:
    """Begin to start the pair."""
    state = State(
        plan=plan,
        phase=Phase.WAITING_FOR_B,
        b=Daemon(B),
        look_at_s=now_s,
        deadline_s=now_s + TELL_EVERY_S,
    )
    return state, (Say("Starting B (the hedger) ..."), Start(B))


def begin_stop(plan: Plan, living: dict[str, int], now_s: float) -> Step:
    """Begin to stop what an earlier command started; `living` are the daemons' process ids."""
    a, b = (Daemon(name, living[name]) if name in living else None for name in SIDES)
    state = State(plan=plan, phase=Phase.WATCHING, a=a, b=b, goal=Goal.SCRIPT)
    return _stop(state, now_s)


# --- stepping


def step(state: State, event: Event) -> Step:
    """Return the state after `event` and what is to be done."""
    if state.is_over:
        return state, ()
    match event:
        case Ended():
            return _on_ended(state, event)
        case Signalled():
            return _on_signalled(state, event)
        case SignalledAgain():
            return _on_signalled_again(state)
        case Broke():
            return _on_broke(state, event)
        case Looked():
            return _LOOKS[state.phase](state, event)
        case Ticked():
            if event.now_s <= state.deadline_s:
                return state, ()
            return _DEADLINES[state.phase](state, event.now_s)


_STARTING = (Phase.WAITING_FOR_B, Phase.WAITING_FOR_A)
_BEFORE_STOPPING = (*_STARTING, Phase.WATCHING)
_STOPPING_OF = {A: Phase.STOPPING_A, B: Phase.STOPPING_B}


def _on_ended(state: State, event: Ended) -> Step:
    state = _with_code(state, event.name, event.code)
    if state.phase in _STARTING:
        told = death_text(event.name, event.code, event.last_words)
        lines = (told, *(f"    {line}" for line in event.tail[:-1]))
        return _fail(state, Failure(lines, code_of_death(event.code)), event.now_s)
    if state.phase is Phase.WATCHING:
        state, effects = _stop(replace(state, death_code=event.code), event.now_s)
        return state, (*_told_death(event), *effects)
    if state.phase is _STOPPING_OF.get(event.name):
        return _after_stopping(state, event.now_s)
    return state, ()


def _told_death(event: Ended) -> tuple[Effect, ...]:
    if event.code == 0:
        return (Say(f"{event.name} was stopped from outside."),)
    told = death_text(event.name, event.code, event.last_words)
    return (Say(told), *(Say(f"    {line}") for line in event.tail))


def _on_signalled(state: State, event: Signalled) -> Step:
    if state.phase is Phase.WAITING_FOR_B:
        return _fail(state, Failure((STOPPED_EARLY,), 0), event.now_s)
    if state.phase in (Phase.WAITING_FOR_A, Phase.WATCHING):
        return _stop(state, event.now_s)
    return state, ()


def _on_signalled_again(state: State) -> Step:
    """Kill also the daemon that is leaving, a child or not."""
    leaving = {Phase.STOPPING_A: A, Phase.STOPPING_B: B}.get(state.phase)
    kill = (Kill(leaving),) if leaving is not None else ()
    return _over(state, LEFT_AT_ONCE_CODE), (*kill, KillAll())


def _on_broke(state: State, event: Broke) -> Step:
    a, b = (
        one if one is not None and one.name in event.started else None for one in (state.a, state.b)
    )
    state = replace(state, goal=Goal.FAILURE, a=a, b=b)
    return _stop(state, event.now_s) if state.phase in _BEFORE_STOPPING else (state, ())


# --- starting


def _look_for_b(state: State, event: Looked) -> Step:
    report = event.report
    state = replace(
        state,
        look_at_s=event.now_s + LOOK_EVERY_S,
        report=report or state.report,
        own_host=event.own_host,
    )
    if report is None:
        return state, ()
    if report.is_halted and report.b.beat is not None:
        failure = Failure((report.headline,), NotNeutralError.exit_code)
        return _fail(state, failure, event.now_s)
    return _b_is_ready(state, report, event.now_s) if report.b.is_ready else (state, ())


def _b_is_ready(state: State, report: Report, now_s: float) -> Step:
    other = _other_leader(report, state.own_host)
    told = (Say(f"{other}, so it is that one that hedges; ours stands by."),) if other else ()
    if state.plan.only_b:
        ready = Say("B is ready to hedge what is published by hand.")
        return _enter(state, Phase.WATCHING, look_at_s=now_s), (*told, ready, Started())
    state = replace(state, a=Daemon(A))
    ready = Say("B is ready to hedge. Starting A (the maker) ...")
    phase, end_s = Phase.WATCHING, math.inf
    if state.plan.detach:
        phase, end_s = Phase.WAITING_FOR_A, now_s + HEARTBEAT_TIMEOUT_S
    state = _enter(state, phase, look_at_s=now_s, deadline_s=end_s)
    return state, (*told, ready, Start(A), Started())


def _b_is_late(state: State, now_s: float) -> Step:
    state = replace(
        state,
        waited_s=state.waited_s + TELL_EVERY_S,
        look_at_s=now_s,
        deadline_s=now_s + TELL_EVERY_S,
    )
    why = _why_b_waits(state)
    told = Say(f"B is not ready after {state.waited_s:g} s: {why} ...")
    if state.waited_s < READY_TIMEOUT_S:
        return state, (told,)
    sentence = (
        f"B did not become ready within {READY_TIMEOUT_S:g} s: {why}; see {state.plan.log_b}."
    )
    state, effects = _fail(state, Failure((sentence,), HedgeError.exit_code), now_s)
    return state, (told, *effects)


def _why_b_waits(state: State) -> str:
    report = state.report
    if report is None:
        return "its state in Redis cannot be read"
    other = _other_leader(report, state.own_host)
    return f"{other}; {report.b.why_not_ready}" if other else report.b.why_not_ready


def _other_leader(report: Report, own_host: str | None) -> str:
    """Say that a B of another host leads; empty where this host's does, or none."""
    lease = report.b.lease
    if lease is None or lease.host == own_host:
        return ""
    return f"another main_B.py (host id {lease.host}) leads account B"


def _look_for_a(state: State, event: Looked) -> Step:
    if event.report is not None and event.report.a.beat is not None:
        return _leave_running(state)
    return replace(state, look_at_s=event.now_s + POLL_S), ()


def _a_is_late(state: State, _now_s: float) -> Step:
    told = Say(f"A has no heartbeat yet; see {state.plan.log_dir}/main_A.log.")
    state, effects = _leave_running(state)
    return state, (told, *effects)


def _leave_running(state: State) -> Step:
    logs, option = state.plan.log_dir, state.plan.config_option
    return _over(state, 0), (
        Release(),
        Say(f"Both run in the background: tail -f {logs}/main_A.log {logs}/main_B.log"),
        Say(f"Ask: python hedgectl.py status{option}    Stop: ./stop_hedge.sh{option}"),
    )


def _fail(state: State, failure: Failure, now_s: float) -> Step:
    """Stop what runs, then say why."""
    return _stop(replace(state, goal=Goal.FAILURE, failure=failure), now_s)


# --- watching


def _watch(state: State, event: Looked) -> Step:
    state, effects = _tell_halt(state, event)
    if state.plan.ends_on_halt and (state.halt_told is not None or event.enough):
        state, more = _stop(state, event.now_s)
        return state, (*effects, *more)
    return replace(state, look_at_s=event.now_s + LOOK_EVERY_S), effects


def _tell_halt(state: State, event: Looked) -> Step:
    """Say once per halt that it is there, and once that it is gone."""
    report = event.report
    if report is None:
        return state, ()
    told: tuple[Effect, ...] = ()
    halt_id = report.halt.id if report.halt is not None and report.is_halted else None
    if halt_id is not None and halt_id != state.halt_told:
        told = (Say(report.headline),)
    if halt_id is None and state.halt_told is not None:
        told = (Say("Resumed."),)
    return replace(state, halt_told=halt_id), told


# --- stopping


def _stop(state: State, now_s: float) -> Step:
    """Ask A; without one look how things are, for what is said at the end."""
    if state.a is None:
        if state.goal is Goal.FAILURE:
            return _stop_b(state, now_s)
        return _enter(state, Phase.LOOKING, look_at_s=now_s), ()
    if not state.a.runs:
        return _cover(state, now_s)
    told = Say("Stopping A: no new orders, resting ones cancelled ...")
    end_s = now_s + state.plan.patience_s
    return _enter(state, Phase.STOPPING_A, deadline_s=end_s), (told, Ask(A))


def _a_does_not_stop(state: State, now_s: float) -> Step:
    return _kill(state, A, now_s)


def _b_does_not_stop(state: State, now_s: float) -> Step:
    return _kill(state, B, now_s)


def _kill(state: State, name: str, now_s: float) -> Step:
    told = Say(f"{name} did not stop within {state.plan.patience_s:g} s and was killed.")
    state, effects = _after_stopping(_with_code(state, name, KILLED), now_s)
    return state, (Kill(name), told, *effects)


def _after_stopping(state: State, now_s: float) -> Step:
    return _cover(state, now_s) if state.phase is Phase.STOPPING_A else _finish(state)


def _cover(state: State, now_s: float) -> Step:
    end_s = now_s + state.plan.cover_timeout_s
    return _enter(state, Phase.COVERING, look_at_s=now_s, deadline_s=end_s), ()


def _look_whether_covered(state: State, event: Looked) -> Step:
    state = replace(
        state,
        report=event.report or state.report,
        look_at_s=event.now_s + LOOK_EVERY_S,
    )
    b_is_gone = state.b is None or not state.b.runs
    if b_is_gone or (event.report is not None and event.report.is_covered):
        return _after_covering(state, event.now_s)
    return state, ()


def _not_covered(state: State, now_s: float) -> Step:
    told = f"Not covered after {state.plan.cover_timeout_s:g} s: {_open_points(state)}."
    state, effects = _after_covering(state, now_s)
    return state, (Say(told), *effects)


def _open_points(state: State) -> str:
    report = state.report
    return ", ".join(report.uncovered) if report is not None else "Redis does not answer"


def _look_once(state: State, event: Looked) -> Step:
    return _after_covering(replace(state, report=event.report), event.now_s)


def _after_covering(state: State, now_s: float) -> Step:
    """Stop B; the stop script leaves a B running that may have something to hedge."""
    b, report = state.b, state.report
    if state.goal is not Goal.SCRIPT or b is None:
        return _stop_b(state, now_s)
    if not b.runs:
        log = f"{state.plan.log_dir}/main_B.log"
        told = f"B has ended too; the terminal that shows the pair, or {log}, says how."
        return _over(state, 0), (Say(told),)
    if report is None or not report.is_covered:
        return _over(state, NotNeutralError.exit_code), (Say(_b_goes_on(state, b)),)
    return _stop_b(state, now_s)


def _b_goes_on(state: State, b: Daemon) -> str:
    return (
        f"B keeps running, since it is not certain that everything is hedged: "
        f"{_open_points(state)}."
        " See `python hedgectl.py status`, then run ./stop_hedge.sh again;"
        f" `kill {b.pid}` stops it all the same."
    )


def _stop_b(state: State, now_s: float) -> Step:
    if state.b is None or not state.b.runs:
        return _finish(state)
    end_s = now_s + state.plan.patience_s
    state = replace(state, phase=Phase.STOPPING_B, look_at_s=math.inf, deadline_s=end_s)
    return state, (Say("Stopping B ..."), Ask(B))


# --- the end


def _finish(state: State) -> Step:
    if state.goal is Goal.FAILURE:
        return _over(state, state.failure.code), tuple(map(Complain, state.failure.lines))
    if state.goal is Goal.SCRIPT:
        report = state.report
        told = f"Stopped. {report.balance}" if report is not None else "Stopped."
        return _over(state, 0), (Stopped(), Say(told))
    code, effects = _judge(state)
    return _over(state, max(state.death_code, 1) if state.death_code != 0 else code), effects


def _judge(state: State) -> tuple[int, tuple[Effect, ...]]:
    """Return 0, or 5 if it is not certain that all is covered and not halted, and what to say.

    Without A there is nothing to be covered. After B's end its last ledger answers nothing any
    more, so two clean endings are the better witness.
    """
    report = state.report
    if state.a is None:
        return 0, ()
    if report is None:
        told = Say("Redis does not answer: whether all is hedged is not known.")
        return NotNeutralError.exit_code, (told,)
    both_left = all(one is not None and one.left_cleanly for one in (state.a, state.b))
    if not report.is_halted and not report.is_covered and both_left:
        return 0, (Say(f"Both ended neutral; last written: {report.positions_text}."),)
    code = 0 if report.is_covered and not report.is_halted else NotNeutralError.exit_code
    return code, (Say(report.headline if report.is_halted else report.balance),)


def code_of_cycles(code: int, *, net_lots: int, reached: bool) -> int:
    """Return the exit code of a run against the paper exchange that `code` is the pair's of.

    `net_lots` is what the exchange says that both positions sum up to; `reached`: the wanted
    cycles were done, or none were wanted, or the run was asked to stop before.
    """
    if code == 0 and (net_lots != 0 or not reached):
        return NotNeutralError.exit_code
    return code


# --- moving


def _enter(
    state: State, phase: Phase, *, look_at_s: float = math.inf, deadline_s: float = math.inf
) -> State:
    """Enter a phase; what was read before it is old."""
    return replace(state, phase=phase, report=None, look_at_s=look_at_s, deadline_s=deadline_s)


def _over(state: State, code: int) -> State:
    return replace(state, phase=Phase.ENDED, code=code, look_at_s=math.inf, deadline_s=math.inf)


def _with_code(state: State, name: str, code: int) -> State:
    """Remember that a daemon ended; other children (an exchange) are not the pair's."""
    if name == A and state.a is not None:
        return replace(state, a=replace(state.a, code=code))
    if name == B and state.b is not None:
        return replace(state, b=replace(state.b, code=code))
    return state


def _nothing_to_see(state: State, _event: Looked) -> Step:
    return replace(state, look_at_s=math.inf), ()


def _no_deadline(state: State, _now_s: float) -> Step:
    return replace(state, deadline_s=math.inf), ()


_LOOKS = {
    Phase.WAITING_FOR_B: _look_for_b,
    Phase.WAITING_FOR_A: _look_for_a,
    Phase.WATCHING: _watch,
    Phase.STOPPING_A: _nothing_to_see,
    Phase.COVERING: _look_whether_covered,
    Phase.LOOKING: _look_once,
    Phase.STOPPING_B: _nothing_to_see,
}
_DEADLINES = {
    Phase.WAITING_FOR_B: _b_is_late,
    Phase.WAITING_FOR_A: _a_is_late,
    Phase.WATCHING: _no_deadline,
    Phase.STOPPING_A: _a_does_not_stop,
    Phase.COVERING: _not_covered,
    Phase.LOOKING: _no_deadline,
    Phase.STOPPING_B: _b_does_not_stop,
}
