"""The real thing on this host: start in the foreground or detached, and stop from any console."""

import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path

from hedge.config.load import load_config
from hedge.config.schema import Config
from hedge.errors import AlreadyRunningError, ConfigError, NotNeutralError
from hedge.launcher import decisions
from hedge.launcher.desk import Desk, Journal
from hedge.launcher.options import Options
from hedge.launcher.pair import Hooks, Pair
from hedge.launcher.processes import Child, Follower, Supervisor

_LEFT_TO_ITSELF = "The launcher goes on by itself; {log} says how it ends."
_STANDS_STILL = (
    "The start script (process {pid}) does not answer: it stands still, as by Ctrl-Z in its"
    " terminal. Continue it (`fg` there, or `kill -CONT {pid}`), then it stops the pair; until"
    " then both daemons go on."
)
_ANSWER_S = 8.0
"""A launcher that stands still longer than that is named."""


def run_real(options: Options, supervisor: Supervisor) -> int:
    """Start the pair; return an exit code once it is stopped.

    Detached, a launcher in the background does that: return its exit code, 0 once A lives.
    """
    config, path = _load(options)
    desk = Desk(config)
    if (refusal := desk.refusal()) is not None:
        raise AlreadyRunningError(refusal)
    if options.detach:
        return _detach(options, supervisor, desk)
    run = options.run or secrets.token_hex(4)
    with desk:
        # In the background nothing reads what is printed: a second copy of every line.
        supervisor.terminal.keep(desk.log, prints=options.run is None)
        journal = Journal(desk, run)
        hooks = Hooks(
            asked=desk.taken_request,
            on_started=lambda: journal.keep(owes_a=not options.only_b),
            on_running=lambda code: journal.keep(running=code),
        )
        pair = Pair(supervisor, config, path, desk.path, hooks=hooks)
        code, has_a_left = decisions.LEFT_AT_ONCE_CODE, False
        try:
            code = pair.run(options)
            has_a_left = pair.has_a_left
        finally:
            journal.end(code, has_a_left=has_a_left)
            pair.close()
    return code


def stop_real(options: Options, supervisor: Supervisor) -> int:
    """Stop the pair of this host in order; B goes on if something is left to hedge.

    A launcher that is at work is asked to; where there is none its work is done here.
    """
    config, path = _load(options)
    desk = Desk(config)
    while desk.is_taken:
        code = _stop_by_launcher(desk, supervisor)
        if code is not None:
            return code
    record = desk.read()
    if not desk.living() and (record is None or not record.owes_a):
        supervisor.say(decisions.NOTHING_RUNS)
        return 0
    with desk:
        supervisor.terminal.keep(desk.log)
        pair = Pair(supervisor, config, path, desk.path)
        try:
            code = pair.stop(desk.living())
        finally:
            pair.close()
        if record is not None:
            desk.write(replace(record, code=code, owes_a=record.owes_a and not pair.has_a_left))
    return code


def _load(options: Options) -> tuple[Config, Path]:
    if not options.config.exists():
        msg = (
            f"There is no {options.config}: copy config.yaml and fill in both accounts, "
            "or run ./start_hedge.sh --paper first."
        )
        raise ConfigError(msg)
    path = options.config.resolve()
    return load_config(path, "", {"market": options.market}), path


# --- the launcher in the background


def _detach(options: Options, supervisor: Supervisor, desk: Desk) -> int:
    """Start the launcher in the background, and wait until the pair runs or it has ended."""
    run = secrets.token_hex(4)
    desk.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    follower = Follower(desk.log, "")
    child = Child(
        "launcher",
        [sys.executable, "-m", "hedge.launcher", *options.arguments, "--background", run],
        output=desk.path / "launcher.out",
        log=desk.log,
        detached=True,
    )
    is_asked = False
    shown = list[str]()
    while child.poll() is None:
        shown += _show(follower, supervisor)
        record = desk.read()
        if record is not None and record.run == run and record.running is not None:
            return record.running
        if supervisor.signals.requested and not is_asked:
            is_asked = True
            desk.ask()
            supervisor.signals.is_told = True
        time.sleep(decisions.POLL_S)
    shown += _show(follower, supervisor)
    for line in () if shown else child.tail():
        supervisor.terminal.complain(line)
    return child.poll() or 0


def _stop_by_launcher(desk: Desk, supervisor: Supervisor) -> int | None:
    """Ask the launcher, show what it says, return its exit code; None where it died instead."""
    before = desk.read()
    follower = Follower(desk.log, "")
    desk.ask()
    until_s = time.monotonic() + _ANSWER_S
    while desk.is_taken:
        _show(follower, supervisor)
        if desk.is_asked and time.monotonic() > until_s:
            supervisor.terminal.complain(_STANDS_STILL.format(pid=desk.pid))
            return NotNeutralError.exit_code
        if supervisor.signals.requested:
            supervisor.terminal.complain(_LEFT_TO_ITSELF.format(log=desk.log))
            return NotNeutralError.exit_code
        time.sleep(decisions.POLL_S)
    _show(follower, supervisor)
    after = desk.read()
    if before is None or after is None or after.run != before.run:
        return None
    return after.code


def _show(follower: Follower, supervisor: Supervisor) -> list[str]:
    """Show what the launcher has said since the last call, and return it."""
    lines = [line.partition("] ")[2] or line for _, line in follower.new_lines()]
    for line in lines:
        supervisor.terminal.show(line)
    return lines
