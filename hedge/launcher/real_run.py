"""The real thing on this host: start in the foreground or detached, and stop from any console."""

import contextlib
import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path

from hedge.config.load import load_config
from hedge.config.schema import Config
from hedge.daemon import host_os
from hedge.errors import AlreadyRunningError, ConfigError, NotNeutralError
from hedge.launcher import decisions
from hedge.launcher.desk import Desk, Journal
from hedge.launcher.options import Options
from hedge.launcher.pair import Hooks, Pair, StoppedEarlyError
from hedge.launcher.processes import Child, Follower, Supervisor

_LEFT_TO_ITSELF = "The launcher goes on by itself; {log} says how it ends."
_ANSWER_S = 8.0
"""A launcher that stands still longer than that is named."""


def run_real(options: Options, supervisor: Supervisor) -> int:
    """Start the pair; return an exit code once it is stopped.

    Detached, a launcher in the background does that: return its exit code, 0 once A lives.
    """
    config, path = _load(options)
    desk = Desk(config, host_os.began_s())
    if (refusal := desk.refusal(in_background=options.run is not None)) is not None:
        raise AlreadyRunningError(refusal)
    if supervisor.signals.requested:
        raise StoppedEarlyError
    if options.detach:
        with desk.starting():
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
        except StoppedEarlyError:
            code, has_a_left = 0, True  # nothing was started
            raise
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
    while True:
        code = _stop_by_launcher(desk, supervisor) if desk.is_at_work else None
        if code is not None:
            return code
        if _is_owed(desk):
            with contextlib.suppress(AlreadyRunningError):  # another start or stop came first
                return _stop_here(desk, supervisor, config, path)
        elif not desk.is_at_work:
            with contextlib.suppress(OSError):
                desk.ask()  # a start that is under way, and has yet to load, heeds it
            if not (_is_owed(desk) or Desk(config).is_at_work):
                return _stop_nothing(desk, supervisor, config, path)


def _stop_nothing(desk: Desk, supervisor: Supervisor, config: Config, path: Path) -> int:
    """Say that nothing runs here, unless Redis shows a pair whose locks may lie elsewhere."""
    report = None
    if not desk.was_used:
        pair = Pair(supervisor, config, path, desk.path)
        report = pair.report()
        pair.close()
    told = decisions.stop_of_nothing(report, config.state.dir, host_os.commands_for(config.file))
    if told:
        supervisor.terminal.complain(told)
        return NotNeutralError.exit_code
    supervisor.say(decisions.NOTHING_RUNS)
    return 0


def _is_owed(desk: Desk) -> bool:
    """Whether a daemon runs here, or one that is gone has left its end to the next stop."""
    record = desk.read()
    return bool(desk.living()) or (record is not None and record.owes_a)


def _stop_here(desk: Desk, supervisor: Supervisor, config: Config, path: Path) -> int:
    """Do the work of a launcher that is gone. Raises AlreadyRunningError."""
    with desk:
        record = desk.read()
        supervisor.terminal.keep(desk.log)
        hooks = Hooks(asked=lambda: desk.taken_request() and False)  # it does what is asked
        pair = Pair(supervisor, config, path, desk.path, hooks=hooks)
        try:
            code = pair.stop(desk.living())
        finally:
            pair.close()
        if record is not None:
            desk.write(replace(record, code=code, owes_a=record.owes_a and not pair.has_a_left))
    return code


def _load(options: Options) -> tuple[Config, Path]:
    if not options.config.exists():
        what_to_do = "copy config.yaml and fill in both accounts, or run ./start_hedge.sh --paper"
        if options.stop:
            what_to_do = "name by --config the file that the pair was started with"
        raise ConfigError(f"There is no {options.config.absolute()}: {what_to_do}.")
    path = options.config.resolve()
    return load_config(path, "", options.settings), path


# --- the launcher in the background


def _detach(options: Options, supervisor: Supervisor, desk: Desk) -> int:
    """Start the launcher in the background, and wait until the pair runs or it has ended.

    After a signal it is waited for until it has ended, also where the pair already runs.
    """
    run = secrets.token_hex(4)
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
        running = record.running if record is not None and record.run == run else None
        if supervisor.signals.requested and not is_asked:
            is_asked = True
            desk.ask()
            supervisor.signals.is_told = True
        if running is not None and not is_asked:
            return running
        time.sleep(decisions.POLL_S)
    shown += _show(follower, supervisor)
    for line in () if shown else child.tail():
        supervisor.terminal.complain(line)
    return child.poll() or 0


def _stop_by_launcher(desk: Desk, supervisor: Supervisor) -> int | None:
    """Ask the launcher, show what it says, return its exit code; None where it died instead.

    One that is just being started is asked, and waited for, all the same.
    """
    before = desk.read()
    follower = Follower(desk.log, "")
    desk.ask()
    until_s = time.monotonic() + _ANSWER_S
    was_taken = False
    while (is_taken := desk.is_taken) or (desk.is_starting and desk.is_asked):
        if is_taken and not was_taken:
            was_taken, until_s = True, time.monotonic() + _ANSWER_S  # it had to load
        _show(follower, supervisor)
        if desk.is_asked and time.monotonic() > until_s:
            supervisor.terminal.complain(decisions.launcher_stands_still(desk.pid, desk.living()))
            return NotNeutralError.exit_code
        if supervisor.signals.requested:
            supervisor.terminal.complain(_LEFT_TO_ITSELF.format(log=desk.log))
            return NotNeutralError.exit_code
        time.sleep(decisions.POLL_S)
    _show(follower, supervisor)
    after = desk.read()
    return after.code if after is not None and (was_taken or after != before) else None


def _show(follower: Follower, supervisor: Supervisor) -> list[str]:
    """Show what the launcher has said since the last call, and return it."""
    lines = [line.partition("] ")[2] or line for _, line in follower.new_lines()]
    for line in lines:
        supervisor.terminal.show(line)
    return lines
