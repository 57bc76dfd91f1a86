"""What the start and stop scripts decide; pure: a state and an event give a state and effects.

The scripts look at the clock, the processes and Redis, post what they see as events, and perform
the effects in their order. The simulator runs the same decisions on its own clock.

Starting: B, wait until it can hedge, then A; then watch both, and start again what died. Stopping:
A; where it has not left by itself, `main_A.py --leave`, which cancels what rests and states the
book; wait until B has covered everything, then B. No daemon is killed that may have an order or a
debt. Times are seconds of a clock that never goes back.
"""

import enum
import math
from collections.abc import Container
from dataclasses import dataclass, replace

from hedge.daemon.commands import DEFAULT_COMMANDS, Commands
from hedge.errors import (
    AccountKeyError,
    AlreadyRunningError,
    ConfigError,
    HedgeError,
    InternalBugError,
    NotNeutralError,
    UnreachableError,
)
from hedge.operator.status import Report
from hedge.wire.state import Ready

A, B = "main_A", "main_B"
LEAVE = "main_A --leave"
SIDES = (A, B)
LAST_CODE = 6
READY_TIMEOUT_S = 90.0
HEARTBEAT_TIMEOUT_S = 90.0
COVER_TIMEOUT_S = 60.0
LEAVE_TIMEOUT_S = 90.0
"""`--leave` ends by itself 60 s after it has begun; its start takes some more."""
STOP_MARGIN_S = 5.0
TELL_EVERY_S = 10.0
LOOK_EVERY_S = 0.5
POLL_S = 0.05
AGAIN_S = 2.0
"""A signal that comes sooner after the first one is the same request once more."""
TELL_AFTER_S = 1.5
"""A stop that lasts longer in one phase says what it waits for."""
TELL_AGAIN_S = 30.0
SILENT_EVERY_S = 2.0
"""So often a stop looks for processes of this host that are silent; two looks count."""
SILENT_AGAIN_S, SILENT_MOST_S = 10.0, 300.0
"""So long after a silence was said it is said again: twice as long each time, up to the second."""
RETRY_S = 10.0
"""So long after a `--leave` that could not, it is tried again."""
BEAT_LIFE_S = 5.0
"""A heartbeat that is still there so long after its process is another one's."""
GONE_S, VIEW_LAG_S = 8.0, 15.0
"""From A's last heartbeat to the moment at which it counts as gone, and what REST may lag."""

BACKOFF_MIN_S, BACKOFF_MAX_S = 1.0, 30.0
STEADY_S = 60.0
"""A daemon that lived so long begins its back-off anew."""
LOOP_DEATHS, LOOP_WINDOW_S = 5, 600.0
RESTART_LOOP = "restart_loop"

_OF_NO_USE = frozenset({"a_away", "halted"})
"""Notices of B that give no reason of their own beside what a stop says of A and of halts."""

BUG = InternalBugError.exit_code
UNREACHABLE = UnreachableError.exit_code
NO_KEY = AccountKeyError.exit_code
INCURABLE = (ConfigError.exit_code, NO_KEY, AlreadyRunningError.exit_code)
"""Exit codes that a restart cannot cure."""
LEFT = (0, NotNeutralError.exit_code)
"""Exit codes of a daemon that was asked to stop, from anywhere, and did."""

LEFT_OLD = (ConfigError.exit_code,)
"""Exit codes of a daemon that has ended what an earlier run left in another market."""

LEFT_AT_ONCE = (
    "Stopped at once: an order of A may still rest, and a fill may be unhedged;"
    " check both accounts, or start again."
)
STOPPED_EARLY = "Stopped before the pair was running."
NOTHING_RUNS = "Nothing of this pair runs on this host."
RUNS_ELSEWHERE = (
    "{who} in Redis, but nothing of this pair has ever run from {state_dir} (`state.dir`): what"
    " beats runs on another host, or was started here with another `state.dir`. It is stopped"
    " there, or with the configuration that it was started with: undo the change, then {stop}."
)
CUT_OFF = (
    "Nothing of this pair runs on this host, but its end was not in order: making sure that no"
    " order of A rests ..."
)


# --- before anything runs


class Answer(enum.Enum):
    """What a signal that means "stop" does."""

    STOP = "stop in order"
    SAME = "nothing: it is the same request"
    LEAVE = "leave at once"


def answer_to_signal(
    first_s: float | None, now_s: float = math.inf, *, told: bool = True
) -> Answer:
    """Return what a signal does.

    `first_s` is when the first one came, None if this is it; `told`: the line is said that names
    what is open.
    """
    if first_s is None:
        return Answer.STOP
    return Answer.LEAVE if told and now_s - first_s >= AGAIN_S else Answer.SAME


def refusal_to_start(
    living: dict[str, int | None], commands: Commands = DEFAULT_COMMANDS
) -> str | None:
    """Return why a second start on this host is refused; `living` are the daemons' process ids."""
    if not living:
        return None
    told = " and ".join(
        f"{name} (process {pid})" if pid is not None else name for name, pid in living.items()
    )
    verb = "runs" if len(living) == 1 else "run"
    return f"{told} already {verb} on this host; stop first: {commands.stop}."


def launcher_stands_still(pid: int | None, living: Container[str]) -> str:
    """Return what to do where a stop finds a launcher that does not answer.

    `pid` is its process id, `living` names the daemons that run on this host.
    """
    whats = {
        (True, True): "both daemons go on",
        (False, True): f"{B} goes on, and {A} does not run",
        (True, False): f"{A} goes on, and {B}, which would hedge it, does not run",
        (
            False,
            False,
        ): "neither daemon runs, and nothing hedges what an order of A may have filled",
    }
    return (
        f"The start script (process {pid}) does not answer: it stands still, as by Ctrl-Z in its"
        f" terminal. Continue it (`fg` there, or `kill -CONT {pid}`), then it stops the pair; until"
        f" then {whats[A in living, B in living]}."
    )


def launcher_at_work(pid: int | None) -> str:
    """Return why a start is refused beside a launcher, `pid`, whose daemons do not run."""
    return (
        f"The pair is just being started or stopped by process {pid}. If that lasts, the process"
        f" stands still, as by Ctrl-Z in its terminal: continue it (`fg` there, or"
        f" `kill -CONT {pid}`), and it starts or stops both daemons."
    )


def stop_of_nothing(
    report: Report | None, state_dir: str, commands: Commands = DEFAULT_COMMANDS
) -> str:
    """Return why a stop that finds no process here does not say that none runs; "" where it may.

    `report` is given where nothing of the pair has ever run from `state_dir`, so that a process of
    this host may have its locks elsewhere; None also where Redis does not answer.
    """
    views = () if report is None else (report.a, report.b)
    alive = [view.name for view in views if view.beat is not None and not view.beat.left]
    if not alive:
        return ""
    who = f"{' and '.join(alive)} {'beats' if len(alive) == 1 else 'beat'}"
    return RUNS_ELSEWHERE.format(who=who, state_dir=state_dir, stop=commands.stop)


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

    `patience_s` and `patience_b_s` are how long A and B may need to leave, `cover_timeout_s` how
    long B may need to cover what A did. An order of A can fill until `order_life_s` after A was
    last heard. `ends_on_halt` ends a run that shall reach something, as cycles. `is_play`: the
    exchange ends with the run, so nothing that is open outlives it, and a deaf child is killed.
    `market` is the symbol to trade, "" where any will do.
    """

    patience_s: float
    patience_b_s: float = math.inf
    cover_timeout_s: float = COVER_TIMEOUT_S
    order_life_s: float = 675.0
    detach: bool = False
    only_b: bool = False
    ends_on_halt: bool = False
    is_play: bool = False
    log_b: str = "main_B.log"
    log_dir: str = "logs"
    commands: Commands = DEFAULT_COMMANDS
    market: str = ""


# --- state


class Phase(enum.Enum):
    """Where a start or stop stands."""

    WAITING_FOR_B = "waiting for B"
    WAITING_FOR_A = "waiting for A's heartbeat"
    WATCHING = "watching"
    STOPPING_A = "stopping A"
    LEAVING = "A's --leave runs"
    HOLDING = "waiting until no order of A can fill"
    COVERING = "waiting until B covers"
    STOPPING_B = "stopping B"
    ENDED = "ended"


class Goal(enum.Enum):
    """What is said at the end."""

    JUDGE = "whether all is covered"
    FAILURE = "what is left open after a start that failed"
    SCRIPT = "that the stop script is done"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon of the pair. `code` None: it runs.

    `is_ours` is false for one that an earlier command started: its exit code is not ours to know.
    `pid` is for showing. It has `worked` once its heartbeat said that it is ready, `beat` once
    there was one of this process; `has_left` once one of these said that nothing is left open.
    `old_market` is where it only ends what an earlier run left, "" for one that is here to trade.
    It is started again at `again_s`, with growing `backoff_s`.
    """

    name: str
    pid: int | None = None
    code: int | None = None
    is_ours: bool = True
    started_s: float = 0.0
    instance: str | None = None
    former: str | None = None
    worked: bool = False
    has_left: bool = False
    old_market: str = ""
    is_asked: bool = False
    deaths_s: tuple[float, ...] = ()
    backoff_s: float = 0.0
    again_s: float = math.inf

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.code is None

    @property
    def is_coming(self) -> bool:
        """Whether it died and is to be started again."""
        return self.again_s < math.inf

    @property
    def has_beaten(self) -> bool:
        """Whether a heartbeat of this process was seen."""
        return self.instance is not None

    @property
    def left_cleanly(self) -> bool:
        """Whether it is a child that ended with 0, which it does only when all is covered."""
        return self.is_ours and self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A start or stop. `code` None: it goes on; else the script's exit code.

    `report` is the newest one of this phase, None before one was read. A look at Redis is due at
    `look_at_s`, `deadline_s` ends the phase, at `tell_at_s` it is said what is waited for. `leave`
    is how the newest `--leave` ended, None before. `is_told`: it is said what is open. `silent` are
    the sides whose process ran and was silent at the last look, which was said `silence_told` times
    and is due again at `silence_at_s`. `heard` is the newest report of a stop, of whatever phase;
    `open_seen` the amount that was open by it, `open_told` the one that was named in this phase.
    """

    plan: Plan
    phase: Phase
    a: Daemon | None = None
    b: Daemon | None = None
    goal: Goal = Goal.JUDGE
    failure_code: int = BUG
    death_code: int = 0
    look_at_s: float = math.inf
    deadline_s: float = math.inf
    tell_at_s: float = math.inf
    waited_s: float = 0.0
    report: Report | None = None
    heard: Report | None = None
    open_seen: str = ""
    open_told: str = ""
    own_host: str | None = None
    halt_told: str | None = None
    leave: int | None = None
    leave_words: str = ""
    leaves_at_s: float = math.inf
    hold_until_s: float = math.inf
    is_leaving: bool = False
    is_told: bool = False
    silent: frozenset[str] = frozenset()
    silence_at_s: float = -math.inf
    silence_told: int = 0
    is_looping: bool = False
    is_running_told: bool = False
    code: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.code is not None

    @property
    def due_s(self) -> float:
        """When something is due next."""
        again = [one.again_s for one in (self.a, self.b) if one is not None]
        return min(self.look_at_s, self.deadline_s, self.tell_at_s, self.leaves_at_s, *again)


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
class Listened:
    """A stop looked for processes of this host that are silent: `report` has them."""

    now_s: float
    report: Report


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
    """The first signal came that means: stop; or another console asked for it."""

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


Event = Ticked | Looked | Listened | Ended | Signalled | SignalledAgain | Broke


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
    """Start a daemon, or A's `--leave`, as a child."""

    name: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a daemon to finish and leave."""

    name: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Halt the pair, in the host file of this daemon and in Redis."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class KillAll:
    """End every child at once: those of a run whose exchange ends with it."""


@dataclass(frozen=True, slots=True)
class Started:
    """All that was asked for is started."""


@dataclass(frozen=True, slots=True)
class Running:
    """The pair runs; the terminal that waited for it may leave, with this exit code."""

    code: int


@dataclass(frozen=True, slots=True)
class Release:
    """Let the children go on by themselves."""


Effect = Say | Complain | Start | Ask | Halt | KillAll | Started | Running | Release
Step = tuple[State, tuple[Effect, ...]]


# --- beginning


def begin_start(plan: Plan, now_s: float) -> Step:
    """Begin to start the pair."""
    state = State(
        plan=plan,
        phase=Phase.WAITING_FOR_B,
        b=Daemon(B, started_s=now_s),
        look_at_s=now_s,
        deadline_s=now_s + TELL_EVERY_S,
    )
    return state, (Say("Starting B (the hedger) ..."), Start(B))


def spawned(state: State, name: str, pid: int) -> State:
    """Return the state with the number of a process that was started, for showing."""
    one = _daemon(state, name)
    return state if one is None else _with(state, replace(one, pid=pid))


def begin_stop(plan: Plan, living: dict[str, int | None], now_s: float) -> Step:
    """Begin to stop what runs on this host; `living` are the daemons' process ids.

    Where nothing lives A is held to have died: `main_A.py --leave` sees to what it left behind.
    """
    a, b = (Daemon(name, living[name], is_ours=False) if name in living else None for name in SIDES)
    told: tuple[Effect, ...] = ()
    if not living:
        a, told = Daemon(A, code=BUG, is_ours=False), (Say(CUT_OFF),)
    state = State(plan=plan, phase=Phase.WATCHING, a=a, b=b, goal=Goal.SCRIPT)
    state, effects = _stop(state, now_s)
    return state, (*told, *effects)


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
            return _LOOKS[state.phase](_seen(state, event), event)
        case Listened():
            return _on_listened(state, event)
        case Ticked():
            return _on_ticked(state, event.now_s)


_STARTING = (Phase.WAITING_FOR_B, Phase.WAITING_FOR_A)
_BEFORE_STOPPING = (*_STARTING, Phase.WATCHING)


def _on_ticked(state: State, now_s: float) -> Step:
    state, effects = _start_again(state, now_s)
    if now_s > state.deadline_s:
        state, more = _DEADLINES[state.phase](state, now_s)
        effects += more
    if now_s >= state.leaves_at_s:
        beside = state.phase in _BEFORE_STOPPING
        state, more = _leave_beside(state) if beside else _leave(state, now_s)
        effects += more
    if now_s >= state.tell_at_s:
        state, more = _tell_open(state, now_s)
        effects += more
    return state, effects


def _seen(state: State, event: Looked) -> State:
    """Take note of whose heartbeats there are, and of this host's id."""
    state = replace(state, own_host=event.own_host or state.own_host)
    if event.report is None:
        return state
    state = replace(state, heard=event.report)
    for name, view in ((A, event.report.a), (B, event.report.b)):
        one, beat = _daemon(state, name), view.beat
        if one is None or beat is None or beat.instance == one.former:
            continue
        if one.is_ours and beat.left and not one.has_beaten:
            continue  # the last word of an earlier process
        if one.runs or beat.instance == one.instance:
            old = beat.market if _ends_another_market(state, beat) else ""
            worked = one.worked or (beat.ready and not old)
            one = replace(
                one, instance=beat.instance, worked=worked, has_left=beat.left, old_market=old
            )
            state = _with(state, one)
    return state


def _on_ended(state: State, event: Ended) -> Step:
    if event.name == LEAVE:
        return _on_left(state, event)
    one = _daemon(state, event.name)
    if one is None:
        return _on_other_ended(state, event)
    state = _with(state, replace(one, code=event.code))
    if state.phase in _BEFORE_STOPPING:
        return _on_death(state, one, event)
    if one.name == A:
        return _after_a(state, event.now_s) if state.phase is Phase.STOPPING_A else (state, ())
    return _on_b_ended(state, one, event)


def _on_other_ended(state: State, event: Ended) -> Step:
    """Stop: a child that is no daemon of the pair ended, as an exchange."""
    if state.phase not in _BEFORE_STOPPING:
        return state, ()
    told = _told_death(event)
    if state.phase in _STARTING:
        return _fail(state, tuple(map(Complain, told)), code_of_death(event.code), event.now_s)
    state, effects = _stop(replace(state, death_code=event.code), event.now_s)
    return state, (*map(Say, told), *effects)


def _told_death(event: Ended) -> tuple[str, ...]:
    """Say that a child ended, with its last lines; a log line of the same words is left out."""
    told = death_text(event.name, event.code, event.last_words)
    words = event.last_words.removeprefix(f"{event.name}: ")
    return (told, *(f"    {line}" for line in event.tail[:-1] if words not in line))


# --- a death that was not asked for


def _on_death(state: State, one: Daemon, event: Ended) -> Step:
    """Start again what died, unless a restart cannot cure it or it was stopped from outside."""
    if event.code in LEFT:
        line = Say(f"{event.name} was stopped from outside (exit code {event.code}).")
        state, effects = _stop(state, event.now_s)
        return state, (line, *effects)
    never_reached = event.code == UNREACHABLE and not one.has_beaten and not one.deaths_s
    if event.code in INCURABLE or never_reached:
        return _on_incurable(state, one, event)
    deaths_s = tuple(at for at in one.deaths_s if event.now_s - at <= LOOP_WINDOW_S)
    one = replace(one, code=event.code, deaths_s=(*deaths_s, event.now_s))
    if len(one.deaths_s) >= LOOP_DEATHS:
        return _on_loop(state, one, event)
    steady = event.now_s - one.started_s >= STEADY_S
    pause_s = BACKOFF_MIN_S if steady or not one.backoff_s else 2 * one.backoff_s
    one = replace(one, backoff_s=min(pause_s, BACKOFF_MAX_S))
    one = replace(one, again_s=event.now_s + one.backoff_s)
    told = death_text(one.name, event.code, event.last_words)
    again = f"{told} Starting it again in {one.backoff_s:g} s ..."
    return _with(state, one), (Say(again),)


def _on_loop(state: State, one: Daemon, event: Ended) -> Step:
    """Halt the pair; B goes on being started, of A only what cancels and states its book."""
    told = death_text(one.name, event.code, event.last_words)
    detail = f"{one.name} died {len(one.deaths_s)} times within ten minutes; {told}"
    halt = (Halt(one.name, RESTART_LOOP, detail),) if not state.is_looping else ()
    state = replace(state, is_looping=True)
    if one.name == B:
        one = replace(one, backoff_s=BACKOFF_MAX_S, again_s=event.now_s + BACKOFF_MAX_S)
        told = f"{detail} The pair is halted; starting B again in {BACKOFF_MAX_S:g} s ..."
        return _with(state, one), (*halt, Say(told))
    told = (
        f"{detail} The pair is halted; A only cancels what rests and states its book. Cure what"
        f" ends it, then {state.plan.commands.start_again()}, then {state.plan.commands.resume}."
    )
    state = replace(_with(state, replace(one, again_s=math.inf)), leaves_at_s=event.now_s)
    return state, (*halt, Say(told))


def _on_incurable(state: State, one: Daemon, event: Ended) -> Step:
    """End the start; an A that has worked before leaves B hedging alone."""
    told = _told_death(event)
    if one.name == A and one.worked:
        more = (
            "A is not started again, since that cannot cure it; B goes on hedging. Stop with"
            f" Ctrl-C or {state.plan.commands.stop}."
        )
        return replace(state, leaves_at_s=event.now_s), (*map(Say, told), Say(more))
    if one.name == A and one.old_market and event.code in LEFT_OLD:
        return _left_old_market(state, tuple(map(Complain, told)), event)
    return _fail(state, tuple(map(Complain, told)), code_of_death(event.code), event.now_s)


def _left_old_market(state: State, told: tuple[Effect, ...], event: Ended) -> Step:
    """End the start with an A that has left another market: it has signed nothing in this one."""
    state = replace(state, goal=Goal.FAILURE, failure_code=event.code)
    state, effects = _stop_b(state, event.now_s)
    return state, (*told, *effects)


def _start_again(state: State, now_s: float) -> Step:
    effects: tuple[Effect, ...] = ()
    for name in SIDES:
        one = _daemon(state, name)
        if one is not None and now_s >= one.again_s:
            state, more = _started_again(state, one, now_s)
            effects += more
    return state, effects


def _started_again(state: State, one: Daemon, now_s: float) -> Step:
    anew = replace(
        one,
        code=None,
        is_ours=True,
        is_asked=False,
        started_s=now_s,
        former=one.instance or one.former,
        instance=None,
        has_left=False,
        old_market="",
        again_s=math.inf,
    )
    return _with(state, anew), (Start(one.name),)


# --- signals


def _on_signalled(state: State, event: Signalled) -> Step:
    return _stop(state, event.now_s) if state.phase in _BEFORE_STOPPING else (state, ())


def _on_signalled_again(state: State) -> Step:
    """End at once; what runs and may have something open is asked and left."""
    if state.plan.is_play:
        return _over(state, LEFT_AT_ONCE_CODE), (KillAll(), Complain(LEFT_AT_ONCE))
    running = [one for one in (state.a, state.b) if one is not None and one.runs]
    asks = tuple(Ask(one.name) for one in running if not one.is_asked)
    lines = tuple(map(Complain, (f"Left before the end: {text}." for text in open_points(state))))
    told = (Complain(_still_there(state, running)),) if running else ()
    return _over(state, LEFT_AT_ONCE_CODE), (*asks, Release(), *lines, *told)


def _still_there(state: State, running: list[Daemon]) -> str:
    names = " and ".join(one.name for one in running)
    was = "was asked to leave and still runs: it ends once nothing of it is open."
    were = "were asked to leave and still run: each ends once nothing of it is open."
    return (
        f"{names} {was if len(running) == 1 else were}"
        f" {state.plan.commands.status} says how it stands."
    )


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
    )
    if report is None or state.b is None or not state.b.runs:
        return state, ()
    if report.b.beat is not None and report.is_halted:
        state, told = _tell_halt(state, event)
        if state.plan.ends_on_halt:
            return _fail(state, told, NotNeutralError.exit_code, event.now_s)
        state, effects = _b_is_there(state, report, event.now_s)
        return state, (*told, *effects)
    return _b_is_there(state, report, event.now_s) if report.b.is_ready else (state, ())


def _b_is_there(state: State, report: Report, now_s: float) -> Step:
    """Start A beside a B that can hedge, or that stands in a halt: a person needs both then."""
    other = _other_leader(report, state.own_host)
    told = (Say(f"{other}, so it is that one that hedges; ours stands by."),) if other else ()
    can = "is ready to hedge" if report.b.is_ready else "runs"
    beside = "Starting A (the maker)"
    if state.b is not None and state.b.old_market:
        can = f"first ends what an earlier run left in {state.b.old_market}"
        beside = f"{beside}, which does the same where it left something"
    if state.plan.only_b:
        ready = Say(f"B {can}{'' if can.startswith('first') else ' what is published by hand'}.")
        return _enter(state, Phase.WATCHING, look_at_s=now_s), (*told, ready, Started())
    earlier = report.a.beat.instance if report.a.beat is not None else None  # of one that is gone
    state = replace(state, a=Daemon(A, started_s=now_s, former=earlier))
    ready = Say(f"B {can}. {beside} ...")
    phase, end_s = Phase.WATCHING, math.inf
    if state.plan.detach:
        phase, end_s = Phase.WAITING_FOR_A, now_s + HEARTBEAT_TIMEOUT_S
    state = _enter(state, phase, look_at_s=now_s, deadline_s=end_s)
    return state, (*told, ready, Start(A), Started())


def _b_is_late(state: State, now_s: float) -> Step:
    """Say what B waits for; it goes on, for it may owe something and ends itself where it must.

    A play is given up: there all that it waits for is started by the same script.
    """
    waited_s = state.waited_s + TELL_EVERY_S
    state = replace(state, waited_s=waited_s, look_at_s=now_s, deadline_s=now_s + TELL_EVERY_S)
    why = _why_b_waits(state)
    told = Say(f"B is not ready after {waited_s:g} s: {why} ...")
    if waited_s < READY_TIMEOUT_S:
        return state, (told,)
    if not state.plan.is_play:
        state = replace(state, deadline_s=now_s + TELL_AGAIN_S - TELL_EVERY_S)
        goes_on = Say(
            f"B goes on trying (see {state.plan.log_b}); A is started once B can hedge. What B"
            f" owes is shown by {state.plan.commands.status}."
        )
        first = () if state.is_running_told else (goes_on, Running(NotNeutralError.exit_code))
        return replace(state, is_running_told=True), (told, *first)
    sentence = (
        f"B did not become ready within {READY_TIMEOUT_S:g} s: {why}; see {state.plan.log_b}."
    )
    state, effects = _fail(state, (Complain(sentence),), HedgeError.exit_code, now_s)
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


def _ends_another_market(state: State, beat: Ready | None) -> bool:
    """Whether a daemon only ends what an earlier run left in another market, and then itself."""
    wanted = state.plan.market
    if beat is None or not beat.market or not wanted:
        return False
    if wanted.isdigit():
        return beat.market_index != int(wanted)
    return beat.market.casefold() != wanted.casefold()


def _look_for_a(state: State, event: Looked) -> Step:
    beat = event.report.a.beat if event.report is not None else None
    instance = state.a.instance if state.a is not None else None
    is_there = beat is not None and instance is not None and beat.instance == instance
    if is_there and not _ends_another_market(state, beat):
        state, told = _tell_halt(state, event)  # it may have been in A's file alone
        state, effects = _say_running(state, event.now_s)
        return state, (*told, *effects)
    return replace(state, look_at_s=event.now_s + POLL_S), ()


def _a_is_late(state: State, now_s: float) -> Step:
    told = Say(f"A has no heartbeat yet; see {state.plan.log_dir}/main_A.log.")
    state, effects = _say_running(state, now_s)
    return state, (told, *effects)


def _say_running(state: State, now_s: float) -> Step:
    logs, commands = state.plan.log_dir, state.plan.commands
    halted = state.halt_told is not None
    state = replace(_enter(state, Phase.WATCHING, look_at_s=now_s), is_running_told=True)
    how = "in the background, halted" if halted else "in the background"
    return state, (
        Say(f"Both run {how}: tail -f {logs}/main_A.log {logs}/main_B.log"),
        Say(f"Ask: {commands.status}    Stop: {commands.stop}"),
        Running(NotNeutralError.exit_code if halted else 0),
    )


def _fail(state: State, lines: tuple[Effect, ...], code: int, now_s: float) -> Step:
    """Say why at once, then stop what runs."""
    state = replace(state, goal=Goal.FAILURE, failure_code=code)
    state, effects = _stop(state, now_s)
    return state, (*lines, *effects)


# --- watching


def _watch(state: State, event: Looked) -> Step:
    state, effects = _tell_halt(state, event)
    if state.plan.ends_on_halt and (state.halt_told is not None or event.enough):
        state, more = _stop(state, event.now_s)
        return state, (*effects, *more)
    return replace(state, look_at_s=event.now_s + LOOK_EVERY_S), effects


def _tell_halt(state: State, event: Looked) -> Step:
    """Say once per halt that it is there, and once that it is gone."""
    if event.report is None:
        return state, ()
    report = _with_processes(state, event.report)
    told: tuple[Effect, ...] = ()
    halt_id = report.halt.id if report.halt is not None and report.is_halted else None
    if halt_id is not None and halt_id != state.halt_told:
        told = (Say(report.headline),)
    if halt_id is None and state.halt_told is not None:
        is_back = report.a.beat is not None and not report.a.has_left
        told = (Say("Resumed." if is_back else f"The halt is released. {report.headline}"),)
    return replace(state, halt_told=halt_id), told


def _with_processes(state: State, report: Report) -> Report:
    """Return what Redis shows together with whether each process is there, or is being started.

    A heartbeat tells of neither: none of A comes before it is started, and the last one of a daemon
    that has ended stays for seconds.
    """
    daemons = [_daemon(state, name) for name in SIDES]
    runs = {
        "ab"[SIDES.index(one.name)]: one.runs or one.is_coming for one in daemons if one is not None
    }
    if state.phase in _STARTING and state.a is None and not state.plan.only_b:
        runs["a"] = True
    return replace(report, runs=runs)


# --- stopping A


def _stop(state: State, now_s: float) -> Step:
    """Ask A; then see that no order of it is left, and that B covers what it did."""
    effects: tuple[Effect, ...] = ()
    b = state.b
    if b is not None and b.is_coming:  # what it owes is not known before it runs
        state, effects = _started_again(state, b, now_s)
    if state.a is not None and state.a.runs:
        asked = replace(state.a, is_asked=True)
        end_s = now_s + state.plan.patience_s
        state = _enter(_with(state, asked), Phase.STOPPING_A, now_s, deadline_s=end_s)
        return state, (*effects, Ask(A))
    state, more = _after_a(state, now_s)
    return state, (*effects, *more)


def _after_a(state: State, now_s: float) -> Step:
    """Go on with B where A has left; else let `--leave` see to what it may have left behind."""
    if state.a is not None:
        state = _with(state, replace(state.a, again_s=math.inf))
    if has_a_left(state):
        return _cover(state, now_s)
    if state.a is None and (state.plan.is_play or not _may_b_owe(state)):
        return _stop_b(state, now_s)
    if state.a is not None and state.plan.is_play and state.a.code in LEFT:
        return _cover(state, now_s)
    if state.a is not None and state.a.is_ours and state.a.code == NO_KEY and not state.a.worked:
        return _stop_b(state, now_s)  # `--leave` signs with the same key
    return _leave(state, now_s)


def has_a_left(state: State) -> bool:
    """Whether it is shown that A has left: nothing of it rests, and its last state is on record.

    The evidence is the exit code 0 of A, or 2 after it left another market and before it signed
    anything in this one, or one of its `--leave` that ended in order.
    """
    a = state.a
    has_left = a is not None and (a.left_cleanly or (a.old_market and a.code in LEFT_OLD))
    return bool(has_left) or state.leave in LEFT


def _may_b_owe(state: State) -> bool:
    """Whether B runs and has led: it may have a debt that only it knows."""
    b = state.b
    return b is not None and b.runs and (b.has_beaten or not b.is_ours)


def _leave_beside(state: State) -> Step:
    """Run `main_A.py --leave` while B goes on being watched."""
    return replace(state, leaves_at_s=math.inf, is_leaving=True), (Start(LEAVE),)


def _leave(state: State, now_s: float) -> Step:
    """Run `main_A.py --leave`, unless it runs already, and wait for its end."""
    start = () if state.is_leaving else (Start(LEAVE),)
    end_s, was_holding = now_s + LEAVE_TIMEOUT_S, state.phase is Phase.HOLDING
    state = replace(_enter(state, Phase.LEAVING, now_s, deadline_s=end_s), is_leaving=True)
    return replace(state, tell_at_s=end_s) if was_holding else state, start


def _leave_is_late(state: State, now_s: float) -> Step:
    return replace(state, deadline_s=now_s + LEAVE_TIMEOUT_S), (Ask(LEAVE),)


def _on_left(state: State, event: Ended) -> Step:
    state = replace(state, is_leaving=False, leave=event.code, leave_words=event.last_words)
    if state.phase in _BEFORE_STOPPING:
        if event.code in LEFT or event.code in INCURABLE:
            return state, ()
        return replace(state, leaves_at_s=event.now_s + BACKOFF_MAX_S), ()
    if state.phase is not Phase.LEAVING:
        return state, ()
    if has_a_left(state):
        return _cover(state, event.now_s)
    return _hold(state, event)


def _hold(state: State, event: Ended) -> Step:
    """Keep B until no order of A can fill; try `--leave` again where that may help."""
    now_s = event.now_s
    if event.code == AlreadyRunningError.exit_code and state.goal is Goal.SCRIPT:
        return _a_is_elsewhere(state)
    if state.plan.is_play or state.b is None or not (state.b.runs or state.b.is_coming):
        return _cover(state, now_s)
    if event.code == NO_KEY and state.goal is not Goal.SCRIPT:
        return _stop_b(state, now_s)  # B itself stays until nothing of A can fill
    again = now_s + RETRY_S if event.code not in INCURABLE[:2] else math.inf
    first = state.hold_until_s == math.inf
    until_s = now_s + state.plan.order_life_s if first else state.hold_until_s
    if event.code == AlreadyRunningError.exit_code:
        until_s = math.inf  # another A may place orders for as long as it runs
    look_s = now_s + BEAT_LIFE_S if state.goal is Goal.SCRIPT else math.inf
    state = _enter(state, Phase.HOLDING, now_s, look_at_s=look_s, deadline_s=until_s)
    state = replace(state, hold_until_s=until_s, leaves_at_s=again)
    if not first:
        return replace(state, tell_at_s=now_s + TELL_AGAIN_S), ()
    return _tell_open(state, now_s)


def _a_is_elsewhere(state: State) -> Step:
    """Leave B alone: an A of another host may place orders for as long as it runs."""
    told = (
        f"A runs elsewhere ({state.leave_words.rstrip('.')}). Stop it there first, then"
        f" {state.plan.commands.stop} again; B goes on hedging."
    )
    return _over(state, NotNeutralError.exit_code), (Complain(told),)


def _look_for_an_a_elsewhere(state: State, event: Looked) -> Step:
    """See whether A beats although none runs on this host, where its key may not even be."""
    if event.report is not None and event.report.a.beat is not None:
        return _a_is_elsewhere(state)
    return replace(state, look_at_s=event.now_s + BEAT_LIFE_S), ()


def _held_long_enough(state: State, now_s: float) -> Step:
    return _cover(replace(state, leaves_at_s=math.inf), now_s)


def _does_not_stop(state: State, now_s: float) -> Step:
    """Leave alone what does not end in time: it may have an order or a debt."""
    if state.plan.is_play:
        told = Complain(f"{_leaver(state)} did not stop in time and was killed.")
        return _over(state, NotNeutralError.exit_code), (KillAll(), told)
    if state.goal is Goal.SCRIPT:
        told = Complain(
            f"{_leaver(state)} has not ended yet and goes on, since something is open:"
            f" {'; '.join(open_points(state))}. Again later: {state.plan.commands.stop}."
        )
        return _over(state, NotNeutralError.exit_code), (told,)
    state, effects = _tell_open(state, now_s)
    hint = Say(f"If that does not end: {state.plan.commands.status} says what can be done.")
    return replace(state, deadline_s=math.inf), (*effects, hint)


def _leaver(state: State) -> str:
    return A if state.phase is Phase.STOPPING_A else B


# --- waiting for B, and stopping it


def _cover(state: State, now_s: float) -> Step:
    end_s = now_s + state.plan.cover_timeout_s
    return _enter(state, Phase.COVERING, now_s, look_at_s=now_s, deadline_s=end_s), ()


def _look_whether_covered(state: State, event: Looked) -> Step:
    state = replace(
        state,
        report=event.report or state.report,
        look_at_s=event.now_s + LOOK_EVERY_S,
    )
    b = state.b
    if b is None or not (b.runs or b.is_coming):
        return _finish(state)
    report = event.report
    if report is None or (b.deaths_s and not (b.has_beaten and report.b.is_ready)):
        return state, ()  # what the ledger says may be of a B that is gone
    # A that left with 0 was covered then, and its last heartbeat dies after some seconds.
    left_covered = state.leave == 0 or (state.a is not None and state.a.left_cleanly)
    is_open = report.judgement.is_neutral is False or _owes(state)
    is_open &= not report.is_only_by_hand
    if report.is_covered or (left_covered and not is_open) or report.is_only_by_hand:
        return _stop_b(state, event.now_s)
    return state, ()


def _not_covered(state: State, now_s: float) -> Step:
    """Say it, and leave a B that owes something running: nobody else would hedge it.

    A start asks one that only cannot be seen to owe nothing, which judges itself whether it may
    leave; and one in a terminal asks its B in any case, since that ends with it.
    """
    told = f"Not covered after {state.plan.cover_timeout_s:g} s: {_uncovered(state)}."
    b, is_script = state.b, state.goal is Goal.SCRIPT
    stays = is_script or (_owes(state) and state.plan.detach and not state.plan.is_play)
    if stays and b is not None and b.runs:
        why = "it owes that" if _owes(state) else "it is not certain that everything is hedged"
        goes_on = (
            f"B keeps running, since {why}. See {state.plan.commands.status}, then again"
            f" {state.plan.commands.stop}; {state.plan.commands.signal(b.pid)} stops B all the"
            " same."
        )
        code = NotNeutralError.exit_code
        if state.goal is Goal.FAILURE:
            code = state.failure_code
        left = (Release(),) if b.is_ours else ()
        return _over(state, code), (*left, Say(told), Say(goes_on))
    state, effects = _stop_b(state, now_s)
    return state, (Say(told), *effects)


def _owes(state: State) -> bool:
    """Whether B states a debt that is more than dust, or the positions that are known show one."""
    report = state.report
    if report is None or report.is_only_by_hand:
        return False
    ledger = report.ledger
    is_stated = ledger is not None and ledger.owed_lots not in (None, 0, ledger.dust_lots)
    return is_stated or report.is_contradicted


def _uncovered(state: State) -> str:
    """Return what is open, and why B does not hedge it, as far as the newest report tells.

    That an A which this stop has ended is silent is a reason only where there is no other.
    """
    report = state.report
    if report is None:
        return "Redis does not answer"
    is_a_gone = state.a is None or not state.a.runs
    found = [one for one in report.uncovered if not (is_a_gone and one.startswith("A: "))]
    if _owes(state) and report.ledger is not None and not found:
        found = [f"B owes {report.amount(report.ledger.owed_lots)}"]
    found += [one for one in _whys_of_b(report) if one not in found]
    if report.is_contradicted:
        found = [report.positions_text, *found]
    return ", ".join(found or report.uncovered)


def _open_amount(report: Report | None) -> str:
    """Return both positions and why B has not hedged, where they do not cancel out; else ""."""
    if report is None or not report.is_contradicted:
        return ""
    return "; ".join((f"open: {report.positions_text}", *_whys_of_b(report)))


def _whys_of_b(report: Report) -> list[str]:
    """Return what keeps B from hedging, in its own words."""
    b = report.b
    whys = [b.why_not_ready] if b.why_not_ready else []
    return whys + [text for word, text in b.waits if word not in _OF_NO_USE]


def _stop_b(state: State, now_s: float) -> Step:
    b = state.b
    if b is None or not b.runs:
        return _finish(state)
    report = state.report
    state = _with(state, replace(b, is_asked=True))
    end_s = now_s + min(state.plan.patience_b_s, 10 * state.plan.order_life_s)
    look_s = math.inf if b.is_ours and report is not None else now_s
    state = _enter(state, Phase.STOPPING_B, now_s, look_at_s=look_s, deadline_s=end_s)
    return replace(state, report=report), (Ask(B),)


def _look_for_the_last_word(state: State, event: Looked) -> Step:
    """Watch the heartbeats of a B that is no child of ours, until the first look after its end.

    Its exit code is not ours to know, so its word that it left is the only evidence of its end.
    """
    b, report = state.b, event.report
    if report is not None and not (state.report is not None and _is_last_word(state.report)):
        state = replace(state, report=report)
    if b is None or b.is_ours:
        return replace(state, look_at_s=math.inf), ()
    if not b.runs:
        return _finish(state)
    return replace(state, look_at_s=event.now_s + LOOK_EVERY_S), ()


def _is_last_word(report: Report) -> bool:
    """Whether it shows that B left, and that all was covered then."""
    return report.b.beat is not None and report.b.beat.left and report.is_covered


def _on_b_ended(state: State, one: Daemon, event: Ended) -> Step:
    """Finish with a B that left; start one again that died, and ask it again."""
    early = one.is_asked and not one.has_beaten and not one.deaths_s
    if not one.is_ours:
        return replace(state, look_at_s=event.now_s), ()
    if event.code in (*LEFT, ConfigError.exit_code) or early:
        lines = tuple(map(Complain, _told_death(event))) if one.old_market else ()
        state, effects = _without_b(state, event.now_s)
        return state, (*lines, *effects)
    deaths_s = (*one.deaths_s, event.now_s)
    if state.plan.is_play or event.code in INCURABLE or len(deaths_s) >= LOOP_DEATHS:
        return _without_b(state, event.now_s)
    told = death_text(B, event.code, event.last_words)
    pause_s = min(BACKOFF_MIN_S * 2 ** (len(deaths_s) - 1), BACKOFF_MAX_S)
    again = replace(one, code=event.code, deaths_s=deaths_s, again_s=event.now_s + pause_s)
    state = _with(state, again)
    line = Say(f"{told} It may owe something: starting it again in {pause_s:g} s ...")
    if state.phase is not Phase.STOPPING_B:
        return state, (line,)
    state, effects = _cover(state, event.now_s)
    return state, (line, *effects)


def _without_b(state: State, now_s: float) -> Step:
    """Finish where only B was waited for; a `--leave` that may help is still awaited."""
    if state.phase is Phase.STOPPING_B:
        return _finish(state)
    if state.phase is Phase.HOLDING and state.leaves_at_s == math.inf:
        return _cover(state, now_s)  # reads how it stands, and ends
    return state, ()


# --- what is open


def open_points(state: State) -> tuple[str, ...]:
    """Return what a stop still waits for, one sentence each."""
    found = {
        Phase.STOPPING_A: _leaving_of_a(state),
        Phase.LEAVING: _leaving_alone(state),
        Phase.HOLDING: _held(state),
        Phase.COVERING: f"B is to cover what A did ({_uncovered(state)})",
        Phase.STOPPING_B: _leaving(state),
    }.get(state.phase)
    amount = _open_amount(state.report or state.heard)
    if found and amount and state.phase is not Phase.COVERING:  # which names it
        found = f"{found} ({amount})"
    points = [found] if found else []
    if state.b is not None and state.b.is_coming:
        points.append("B died and is started again")
    return tuple(points)


def _rests_nothing(state: State, *, by_leave: bool = False) -> bool:
    """Whether the A that beats has proven its book and shows no order that could still fill.

    `by_leave`: not the A that has ended, whose heartbeat outlives it, but its `--leave`.
    """
    view = state.heard.a if state.heard is not None else None
    if view is None or view.beat is None:
        return False
    ended = state.a.instance if state.a is not None else None
    if by_leave and (not ended or view.beat.instance == ended):
        return False
    return view.beat.proven and view.beat.leaving and not view.known.orders


def _leaving_of_a(state: State) -> str:
    if _rests_nothing(state):
        return "nothing of A rests, and A waits until what it did is hedged"
    return "A cancels what rests and waits until that is confirmed and hedged"


def _leaving_alone(state: State) -> str:
    if _rests_nothing(state, by_leave=True):
        return "main_A.py --leave has shown that no order of A rests, and waits for B to hedge"
    return "main_A.py --leave makes sure that no order of A rests"


def _leaving(state: State) -> str:
    if state.plan.only_b or has_a_left(state):
        return "B makes sure that nothing is left to hedge"
    return (
        "B makes sure that no order of A can fill any more, which may take"
        f" {state.plan.order_life_s:g} s, and hedges what does"
    )


def _held(state: State) -> str:
    why = f"main_A.py --leave ended with exit code {state.leave}"
    if state.hold_until_s == math.inf:
        return f"another A runs, so B stays ({why}: {state.leave_words.rstrip('.')})"
    return (
        f"an order of A may rest, so B stays until it can fill no more,"
        f" at most {state.plan.order_life_s:g} s from A's end ({why})"
    )


def _tell_open(state: State, now_s: float) -> Step:
    lines = tuple(Say(f"Waiting: {text}.") for text in open_points(state))
    told = _open_amount(state.report or state.heard)
    state = replace(state, tell_at_s=now_s + TELL_AGAIN_S, is_told=True, open_told=told)
    return state, lines


def _tell_amount(state: State, now_s: float) -> Step:
    """Name an amount that is open at two looks in a row, where that was not said in this phase."""
    report = state.heard
    seen = report.positions_text if report is not None and report.is_contradicted else ""
    before, state = state.open_seen, replace(state, open_seen=seen)
    is_lasting = bool(seen and before)
    if not is_lasting or state.open_told or not state.is_told or math.isinf(state.tell_at_s):
        return state, ()
    return _tell_open(state, now_s)


def is_stopping(state: State) -> bool:
    """Whether a stop is under way."""
    return not state.is_over and state.phase not in _BEFORE_STOPPING


def _on_listened(state: State, event: Listened) -> Step:
    """Name what a stop waits for in vain: a process that runs and is silent, as a frozen one."""
    if not is_stopping(state):
        return state, ()
    state, told_open = _tell_amount(replace(state, heard=event.report), event.now_s)
    state, effects = _tell_silence(state, event)
    return state, (*told_open, *effects)


def _tell_silence(state: State, event: Listened) -> Step:
    pair = [one for one in (state.a, state.b) if one is not None and one.runs]
    waited = {one.name[-1].lower() for one in pair if one.has_beaten or not one.is_ours}
    found = tuple((side, pid) for side, pid in event.report.processes if side in waited)
    silent = frozenset(side for side, _ in found)
    before, state = state.silent, replace(state, silent=silent)
    if not silent:
        return replace(state, silence_told=0, silence_at_s=-math.inf), ()
    if not silent & before or event.now_s < state.silence_at_s:
        return state, ()
    pause_s = min(SILENT_AGAIN_S * 2**state.silence_told, SILENT_MOST_S)
    told, at_s = state.silence_told + 1, event.now_s + pause_s
    state = replace(state, silence_told=told, silence_at_s=at_s)
    return state, (Say(replace(event.report, processes=found).silence),)


# --- the end


def _finish(state: State) -> Step:
    if state.a is None and state.leave is None and not state.plan.only_b:
        code = state.failure_code if state.goal is Goal.FAILURE else 0
        told = () if state.goal is Goal.FAILURE else (Complain(STOPPED_EARLY),)
        return _over(state, code), told
    if _have_left_old_market(state):
        return _over(state, state.failure_code), ()  # each one's own sentence says how it stands
    code, lines = _judge(state)
    if state.goal is Goal.FAILURE:
        return _over(state, state.failure_code), lines if code else ()
    if state.goal is Goal.SCRIPT:
        lines = tuple(Say(f"Stopped. {one.text}") for one in lines)
    return _over(state, max(state.death_code, 1) if state.death_code != 0 else code), lines


def _judge(state: State) -> tuple[int, tuple[Say, ...]]:
    """Return 0, or 5 if it is not shown that all is covered and not halted, and what to say.

    After B's end its last ledger answers nothing any more, so the endings are the better witness.
    """
    by_b = _left_cleanly(state.b)  # which leaves with 0 only once nothing of A can fill
    report, is_shown = state.report, _has_b_left(state) and (has_a_left(state) or by_b)
    ended = state.b is not None and (state.leave == 0 or _left_cleanly(state.a) or by_b)
    if state.a is None and state.plan.only_b:
        return _judge_b_alone(state)
    if report is None:
        told = "Redis does not answer: whether all is hedged is not known."
        return NotNeutralError.exit_code, (Say(told + _proves_it(state)),)
    if report.is_halted:
        return NotNeutralError.exit_code, (Say(_with_processes(state, report).headline),)
    is_led, is_older = _leads_elsewhere(state, report), _is_older(state, report)
    is_shown = has_a_left(state) if is_led else is_shown
    if is_shown and report.is_covered and (is_led or not is_older):
        stood_by = f" {_stood_by(state, report)}" if is_led else ""
        return 0, (Say(f"{report.balance}{stood_by}"),)
    if is_shown and ended and not is_led and not report.is_contradicted:
        who = "Both" if has_a_left(state) else "B"
        if is_older:
            told = f"{who} ended neutral, as the exit code says; what Redis shows of B is older"
            return 0, (Say(f"{told}, so no position is named."),)
        return 0, (Say(f"{who} ended neutral: {report.positions_text}."),)
    return NotNeutralError.exit_code, (Say(_not_shown(state, report)),)


def _judge_b_alone(state: State) -> tuple[int, tuple[Say, ...]]:
    """Judge the end of a B that had no A: by its exit code, or by the pair where it stood by."""
    report = state.report
    if report is not None and _leads_elsewhere(state, report):
        code = 0 if _has_b_left(state) and report.is_covered else NotNeutralError.exit_code
        return code, (Say(f"{report.balance} {_stood_by(state, report)}"),)
    if _has_b_left(state):
        return 0, ()
    return NotNeutralError.exit_code, (Say("B left something open; its lines say what."),)


def _leads_elsewhere(state: State, report: Report) -> bool:
    """Whether a B of another host leads now: ours has ended as a standby, or after it was deposed.

    A standby may end at any time, and its exit code says nothing of the pair; it has no last word.
    """
    is_ended = state.b is not None and not state.b.runs
    is_led = state.own_host is not None and bool(_other_leader(report, state.own_host))
    return is_ended and is_led and not report.b.has_left


def _stood_by(state: State, report: Report) -> str:
    """Say that the B which ended here was not the one that hedges."""
    other = _other_leader(report, state.own_host)
    return f"The B of this host ended as a standby: {other}, and goes on."


def _is_older(state: State, report: Report) -> bool:
    """Whether a B of ours has ended and Redis does not show its last word, but something older.

    A Redis that failed over, or went back, shows heartbeats of before the end.
    """
    b, is_read_after = state.b, state.phase is Phase.COVERING
    return b is not None and b.is_ours and not b.runs and is_read_after and not report.b.has_left


def _have_left_old_market(state: State) -> bool:
    """Whether one ended with 2 what an earlier run left elsewhere, and the other so or with 0."""
    pair = [one for one in (state.a, state.b) if one is not None]
    is_seen = any(one.old_market and one.code in LEFT_OLD for one in pair)
    return is_seen and all(one.code in (0, *LEFT_OLD) for one in pair)


def _left_cleanly(one: Daemon | None) -> bool:
    return one is not None and one.left_cleanly


def _has_b_left(state: State) -> bool:
    """Whether B ended in order: by its exit code, or by its last word where it is no child of ours.

    Where none ran here its heartbeat may still show it.
    """
    b = state.b
    return b is None or (not b.runs and (b.code == 0 if b.is_ours else b.has_left))


def _proves_it(state: State) -> str:
    """Name what shows how it stands, and hedges it; a run of play is over with its exchange."""
    if state.plan.is_play:
        return ""
    return f" What shows it, and hedges what is open: {state.plan.commands.start}."


def _not_shown(state: State, report: Report) -> str:
    again = _proves_it(state)
    is_open = report.judgement.is_neutral is False
    if is_open or not (report.is_covered or (report.is_contradicted and has_a_left(state))):
        stood_by = f" {_stood_by(state, report)}" if _leads_elsewhere(state, report) else ""
        return f"{report.balance}{stood_by}{again}"
    why = [
        f"{one.name} ended with exit code {one.code}"
        for one in (state.a, state.b)
        if one is not None and one.is_ours and one.code not in (0, None)
    ]
    is_led = _leads_elsewhere(state, report)
    if state.b is not None and not state.b.is_ours and not state.b.has_left and not is_led:
        why.append("B ended without its last word")
    if not why and not has_a_left(state):
        why.append("that A has left was not seen")
    if is_led:
        why.append(_stood_by(state, report).rstrip("."))
    if not why:
        why.append("the positions do not cancel out")
    return f"Not known to be neutral: {'; '.join(why)}; {report.positions_text}.{again}"


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
    state: State,
    phase: Phase,
    now_s: float | None = None,
    *,
    look_at_s: float = math.inf,
    deadline_s: float = math.inf,
) -> State:
    """Enter a phase; what was read before it is old. A stop says before long what it waits for."""
    return replace(
        state,
        phase=phase,
        report=None,
        look_at_s=look_at_s,
        deadline_s=deadline_s,
        tell_at_s=math.inf if now_s is None else now_s + TELL_AFTER_S,
        open_told="",
        leaves_at_s=math.inf,
    )


def _over(state: State, code: int) -> State:
    return replace(
        _enter(state, Phase.ENDED),
        report=state.report,
        code=code,
        a=None if state.a is None else replace(state.a, again_s=math.inf),
        b=None if state.b is None else replace(state.b, again_s=math.inf),
    )


def _daemon(state: State, name: str) -> Daemon | None:
    return {A: state.a, B: state.b}.get(name)


def _with(state: State, one: Daemon) -> State:
    return replace(state, a=one) if one.name == A else replace(state, b=one)


def _nothing_to_see(state: State, _event: Looked) -> Step:
    return replace(state, look_at_s=math.inf), ()


def _no_deadline(state: State, _now_s: float) -> Step:
    return replace(state, deadline_s=math.inf), ()


_LOOKS = {
    Phase.WAITING_FOR_B: _look_for_b,
    Phase.WAITING_FOR_A: _look_for_a,
    Phase.WATCHING: _watch,
    Phase.STOPPING_A: _nothing_to_see,
    Phase.LEAVING: _nothing_to_see,
    Phase.HOLDING: _look_for_an_a_elsewhere,
    Phase.COVERING: _look_whether_covered,
    Phase.STOPPING_B: _look_for_the_last_word,
}
_DEADLINES = {
    Phase.WAITING_FOR_B: _b_is_late,
    Phase.WAITING_FOR_A: _a_is_late,
    Phase.WATCHING: _no_deadline,
    Phase.STOPPING_A: _does_not_stop,
    Phase.LEAVING: _leave_is_late,
    Phase.HOLDING: _held_long_enough,
    Phase.COVERING: _not_covered,
    Phase.STOPPING_B: _does_not_stop,
}
