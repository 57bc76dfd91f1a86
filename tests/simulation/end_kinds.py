"""Stops, kills and starts of every process in every order, and operators' commands: kinds by name.

`ENDS` end the pair, or a part of it; later it is started again as this schedule starts it, or it
stays down until the schedule heals. The market goes on meanwhile.
- "ends: TERM to both", "... to the group" (the script too), "... 50 ms apart", "... A first",
  "... B first", "... to each twice": signals to the daemons;
- "ends: TERM to the script", "... twice": signals to the start script, which asks its children;
- "ends: stop script", "... stop script, A dead", "... stop script, B dead";
- "ends: script killed": its children are told so by the kernel, or go on and are stopped later;
- "ends: A killed", "ends: B killed", "ends: both killed": kill -9, and nothing starts them soon;
- "ends: B killed while leaving", "ends: A killed while leaving": told to stop, then killed;
- "ends: start after a halt": a halted pair ends and is started by the script;
- "ends: stop during flatten";
- "ends: B started in an outage": its start finds no exchange, which comes back later.

`COMMANDS` are run by a person at any moment, sensible or not:
- "command: status", "command: resume", "command: resume by force", "command: flatten", each also
  "... twice" where that makes a difference;
- "command: halt", "command: halt, B dead";
- "command: resume by force, halted meanwhile": of a halted pair, by a person who reads for some
  seconds what is shown; about then another person halts it too;
- "command: flatten, B dead", "command: flatten, B halted", "command: flatten, A dead".

A kind is reached where a process that it ends or asks ran, and an order of A rested or a position
was open; a command, where it read such a state (or a halt) and said so.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from hedge.launcher import decisions
from hedge.operator.decisions import Answer
from tests.simulation.daemon import Daemon
from tests.simulation.exchange import A, B

if TYPE_CHECKING:
    from hedge.operator.status import Report
    from tests.simulation.people import Person
    from tests.simulation.schedule import Stage

Blow = Callable[["Stage", Random], None]
Act = Callable[["Stage", Random], bool]
"""Does something to the pair; whether a process met it."""
Runs = Callable[["Stage"], bool]
"""Whether the processes run that a kind needs."""

SHORT_S = 0.05
ORPHANED_S = (0.2, 6.0)
AWAY_S = (2.0, 14.0)
STAYS_AWAY = 0.5
PATIENCE_S = 25.0
"""How long an orderly end may take, and how long a kind waits for its moment."""
WAIT_S = 0.25
THINKS_S = (1.0, 5.0)
"""How long a person reads what a command shows."""
HALTED_AGAIN_S = (1.0, 8.0)


def is_open(stage: "Stage") -> bool:
    """Whether an order of A rests or is on its way, or a position is open."""
    exchange = stage.world.exchange
    at_rest = bool(exchange.engine.active_orders(A)) or not exchange.is_idle
    return at_rest or exchange.lots(A) != 0 or exchange.lots(B) != 0


def when(
    stage: "Stage", ready: Callable[[], bool], call: Callable[[], object], within_s: float
) -> None:
    """Call once something is so, at most that much later; else never."""
    if ready():
        call()
    elif within_s > 0:
        stage.last(WAIT_S)
        stage.later(WAIT_S, lambda: when(stage, ready, call, within_s - WAIT_S))


def ending(kind: str, act: Act, runs: Runs) -> Blow:
    """Return a blow that ends something, and mostly starts the pair again later.

    It falls once the processes that it needs run and there is something to lose.
    """

    def blow(stage: "Stage", dice: Random) -> None:
        def fall() -> None:
            if act(stage, dice):
                stage.world.tally.reach(kind)
            away_s = dice.uniform(*AWAY_S)
            stage.last(away_s)
            if dice.random() >= STAYS_AWAY:
                start_again(stage, away_s)

        if runs is not both and both(stage) and not runs(stage):
            hand_over(stage)
        when(stage, lambda: runs(stage) and is_open(stage), fall, PATIENCE_S)

    return blow


def both(stage: "Stage") -> bool:
    """Whether both daemons run and could hear a signal."""
    return all(one.is_running and not one.is_frozen for one in (stage.a, stage.b))


def by_script(stage: "Stage") -> bool:
    """Whether both run, and the script that started them too."""
    return stage.desk.launcher.running is not None and both(stage)


def on_record(stage: "Stage") -> bool:
    """Whether both run, and a script wrote their process ids."""
    return set(stage.desk.launcher.living()) == {decisions.A, decisions.B} and both(stage)


def hand_over(stage: "Stage") -> None:
    """Stop the pair that people started by hand, and start it by the script."""
    launcher = stage.desk.launcher
    if launcher.is_busy:
        return
    if launcher.living():
        launcher.stop()
    else:
        stage.a.stop()
        stage.later(1.0, stage.b.stop)

    def is_free() -> bool:
        return not (stage.a.is_running or stage.b.is_running or launcher.is_busy)

    when(stage, is_free, launcher.start, PATIENCE_S)


def start_again(stage: "Stage", after_s: float, patience_s: float = PATIENCE_S) -> None:
    """Start the pair as this schedule starts it, once no script is at work any more."""

    def begin() -> None:
        if stage.desk.launcher.is_busy and patience_s > 0:
            start_again(stage, 1.0, patience_s - 1.0)
        elif not (stage.a.is_running or stage.b.is_running):
            stage.desk.start()
        elif not stage.desk.by_script:
            stage.b.start()
            stage.a.start()

    stage.later(after_s, begin)


# --- signals to the daemons -----------------------------------------------------------------------


def _pair(stage: "Stage", dice: Random) -> list[Daemon]:
    return dice.sample((stage.a, stage.b), 2)


def _both(stage: "Stage", dice: Random) -> bool:
    heard = [one.stop() for one in _pair(stage, dice)]
    return all(heard)


def _group(stage: "Stage", dice: Random) -> bool:
    """Signal everything at one moment, in any order, as a service manager does."""
    script = stage.desk.launcher.running
    calls = [one.stop for one in _pair(stage, dice)]
    calls += [script.signal] if script is not None else []
    dice.shuffle(calls)
    heard = [call() for call in calls]
    return all(heard)


def _apart(seconds: tuple[float, float], first: str = "") -> Act:
    def act(stage: "Stage", dice: Random) -> bool:
        one, other = _pair(stage, dice)
        if first and one.side != first:
            one, other = other, one
        stage.later(dice.uniform(*seconds), other.stop)
        return one.stop() and other.is_running

    return act


def _each_twice(stage: "Stage", dice: Random) -> bool:
    """Signal both, and a supervisor passes the signal on once more."""
    heard = _both(stage, dice)
    for one in _pair(stage, dice):
        stage.later(dice.choice((SHORT_S, dice.uniform(0.05, 2))), one.stop)
    return heard


# --- the scripts ----------------------------------------------------------------------------------


def _script(stage: "Stage", dice: Random) -> bool:
    script = stage.desk.launcher.running
    return script is not None and script.signal()


def _script_twice(stage: "Stage", dice: Random) -> bool:
    script = stage.desk.launcher.running
    if script is None:
        return False
    stage.later(dice.choice((SHORT_S, dice.uniform(0.05, 3))), script.signal)
    return script.signal()


def _script_killed(stage: "Stage", dice: Random) -> bool:
    """Kill the script; where its children go on, the stop script is the way to stop them."""
    launcher = stage.desk.launcher
    script = launcher.running
    if script is None:
        return False
    if not stage.desk.orphans_are_told:
        stage.later(dice.uniform(*ORPHANED_S), launcher.start)
        stage.later(dice.uniform(*ORPHANED_S), launcher.stop)
    return script.kill(orphans_are_told=stage.desk.orphans_are_told)


def _stop_script(stage: "Stage", dice: Random) -> bool:
    return stage.desk.launcher.stop() is not None


def _stop_script_without(side: str) -> Act:
    def act(stage: "Stage", dice: Random) -> bool:
        dead = stage.a if side == "a" else stage.b
        ran = dead.is_running
        dead.kill()
        launcher = stage.desk.launcher
        stage.later(dice.choice((SHORT_S, dice.uniform(0.1, 4))), launcher.stop)
        return ran and bool(launcher.living())

    return act


# --- kills ----------------------------------------------------------------------------------------


def _killed(*sides: str) -> Act:
    def act(stage: "Stage", dice: Random) -> bool:
        chosen = [one for one in _pair(stage, dice) if one.side in sides]
        ran = all(one.is_running for one in chosen)
        for one in chosen:
            one.kill()
        return ran

    return act


def _killed_while_leaving(side: str) -> Act:
    """Tell the pair to stop, by the script where there is one; then kill one that is leaving."""

    def act(stage: "Stage", dice: Random) -> bool:
        dead = stage.a if side == "a" else stage.b
        script = stage.desk.launcher.running
        heard = script.signal() if script is not None else _both(stage, dice)
        stage.later(dice.choice((SHORT_S, dice.uniform(0.05, 4))), dead.kill)
        return heard and dead.is_running

    return act


# --- starts ---------------------------------------------------------------------------------------


def _start_after_a_halt(stage: "Stage", dice: Random) -> bool:
    """Halt the pair by a flatten, end it somehow, and start it by the script."""
    ran = stage.a.is_running and stage.b.is_running
    stage.desk.person.flatten()
    way = dice.choice((_both, _killed("a", "b"), _killed("a"), _killed("b")))
    end_s = dice.uniform(0.3, 3)
    stage.later(end_s, lambda: way(stage, dice))
    stage.later(end_s + dice.uniform(0.5, 3), stage.desk.launcher.start)
    return ran


def _start_in_an_outage(stage: "Stage", dice: Random) -> bool:
    """Kill B and cut it off; its start finds nothing, then the network heals."""
    ran = stage.b.is_running
    stage.b.kill()
    stage.cut_venue(stage.b.host, dice.uniform(2, 12))
    stage.world.must_open.add(stage.b.name)
    stage.later(dice.uniform(0.1, 1), stage.b.start)
    return ran


def _stop_during_flatten(stage: "Stage", dice: Random) -> bool:
    stage.desk.person.flatten()
    way = dice.choice((_both, _group, _stop_script, _script, _apart((0.05, 2), "b")))
    stage.later(dice.uniform(0.05, 2), lambda: way(stage, dice))
    return stage.a.is_running and stage.b.is_running


ENDS: dict[str, Blow] = {
    f"ends: {name}": ending(f"ends: {name}", act, runs)
    for name, act, runs in (
        ("TERM to both", _both, both),
        ("TERM to the group", _group, by_script),
        ("TERM 50 ms apart", _apart((SHORT_S, SHORT_S)), both),
        ("TERM to A first", _apart((0.1, 3), "a"), both),
        ("TERM to B first", _apart((0.1, 3), "b"), both),
        ("TERM to each twice", _each_twice, both),
        ("TERM to the script", _script, by_script),
        ("TERM to the script twice", _script_twice, by_script),
        ("stop script", _stop_script, on_record),
        ("stop script, A dead", _stop_script_without("a"), on_record),
        ("stop script, B dead", _stop_script_without("b"), on_record),
        ("script killed", _script_killed, by_script),
        ("A killed", _killed("a"), both),
        ("B killed", _killed("b"), both),
        ("both killed", _killed("a", "b"), both),
        ("A killed while leaving", _killed_while_leaving("a"), both),
        ("B killed while leaving", _killed_while_leaving("b"), both),
        ("start after a halt", _start_after_a_halt, both),
        ("stop during flatten", _stop_during_flatten, both),
        ("B started in an outage", _start_in_an_outage, both),
    )
}


# --- commands -------------------------------------------------------------------------------------

Seen = Callable[["Report"], None]
Command = Callable[["Person", Random, Seen], None]


def command(kind: str, run: Command, *, times: int = 1, before: Act | None = None) -> Blow:
    """Return a blow in which a person runs a command; `before` is what befalls the pair first."""

    def blow(stage: "Stage", dice: Random) -> None:
        def see(report: "Report") -> None:
            beats = report.a.beat is not None or report.b.beat is not None
            if beats and is_open(stage):
                stage.world.tally.reach(kind)

        def fall() -> None:
            met = before is None or before(stage, dice)
            delay_s = 0.0 if before is None else dice.choice((SHORT_S, dice.uniform(0.1, 4)))
            for _ in range(times):
                own = Random(dice.getrandbits(64))
                stage.later(delay_s, partial(run, stage.desk.person, own, see if met else _blind))
                delay_s += dice.choice((SHORT_S, dice.uniform(0.1, 3)))
            stage.last(dice.uniform(2, 8))

        if before is None:
            fall()
        else:
            when(stage, lambda: both(stage) and is_open(stage), fall, PATIENCE_S)

    return blow


def _blind(report: "Report") -> None:
    """What was to be met was not there."""


def _status(person: "Person", dice: Random, seen: Seen) -> None:
    person.status(seen)


def _resume(person: "Person", dice: Random, seen: Seen) -> None:
    person.resume(seen=seen)


def _resume_by_force(person: "Person", dice: Random, seen: Seen) -> None:
    answer = dice.choice((Answer.YES, Answer.YES, Answer.YES, Answer.NO, Answer.NONE))
    person.resume(force=True, answer=answer, seen=seen)


def _resume_slowly(person: "Person", dice: Random, seen: Seen) -> None:
    person.resume(force=True, thinks_s=dice.uniform(*THINKS_S), seen=seen)


def _flatten(person: "Person", dice: Random, seen: Seen) -> None:
    person.flatten(seen)


def _halt(person: "Person", dice: Random, seen: Seen) -> None:
    person.halt(seen)


def _dead(side: str) -> Act:
    """Kill one side and leave it so for a while."""

    def act(stage: "Stage", dice: Random) -> bool:
        daemon = stage.a if side == "a" else stage.b
        ran = daemon.is_running
        daemon.kill()
        start_again(stage, dice.uniform(5, 20))
        return ran

    return act


def _b_halted(stage: "Stage", dice: Random) -> bool:
    """Let B's orders be refused for want of margin until it halts."""
    stage.b.host.venue.refuse_margin = 1.0

    def mend() -> None:
        stage.b.host.venue.refuse_margin = 0.0

    stage.later(dice.uniform(4, 10), mend)
    return stage.b.is_running


def _halted_twice(stage: "Stage", dice: Random) -> bool:
    """Halt the pair, and again some seconds later."""
    person = stage.desk.person
    person.halt()
    stage.later(dice.uniform(*HALTED_AGAIN_S), person.halt)
    return stage.a.is_running and stage.b.is_running


COMMANDS: dict[str, Blow] = {
    f"command: {name}": command(f"command: {name}", run, times=times, before=before)
    for name, run, times, before in (
        ("status", _status, 1, None),
        ("resume", _resume, 1, None),
        ("resume twice", _resume, 2, None),
        ("resume by force", _resume_by_force, 1, None),
        ("resume by force twice", _resume_by_force, 2, None),
        ("halt", _halt, 1, None),
        ("halt, B dead", _halt, 1, _dead("b")),
        ("flatten", _flatten, 1, None),
        ("flatten twice", _flatten, 2, None),
        ("flatten, B dead", _flatten, 1, _dead("b")),
        ("flatten, B halted", _flatten, 1, _b_halted),
        ("flatten, A dead", _flatten, 1, _dead("a")),
        ("resume, B dead", _resume, 1, _dead("b")),
        ("resume by force, halted meanwhile", _resume_slowly, 1, _halted_twice),
    )
}

BLOWS: dict[str, Blow] = ENDS | COMMANDS
WEATHER: dict[str, tuple[str, float, float]] = {}
