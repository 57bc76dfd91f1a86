"""What ./start_hedge.sh and ./stop_hedge.sh do with a command line, and its exit code."""

import sys

from hedge.daemon import host_os
from hedge.daemon.advice import about_this_redis
from hedge.errors import ConfigError, HedgeError, of_too_many_files
from hedge.launcher import decisions
from hedge.launcher.options import Options, parse
from hedge.launcher.pair import StoppedEarlyError
from hedge.launcher.paper_run import run_paper
from hedge.launcher.processes import ChildDiedError, StopNow, StopSignals, Supervisor, Terminal
from hedge.launcher.real_run import run_real, stop_real


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for and return the exit code."""
    host_os.print_any_text()
    terminal = Terminal(sys.stdout, sys.stderr)
    try:
        options = parse(arguments)
    except HedgeError as error:
        terminal.complain(str(error))
        return error.exit_code
    supervisor = Supervisor(StopSignals(), terminal)
    try:
        return _run(options, supervisor)
    except StopNow as stop:
        if not stop.is_told:
            terminal.complain(decisions.LEFT_AT_ONCE)
        return decisions.LEFT_AT_ONCE_CODE
    finally:
        supervisor.kill_all()


def _run(options: Options, supervisor: Supervisor) -> int:
    complain = supervisor.terminal.complain
    try:
        if options.paper:
            return run_paper(options, supervisor)
        return stop_real(options, supervisor) if options.stop else run_real(options, supervisor)
    except HedgeError as error:
        found = of_too_many_files(error) or about_this_redis(error, str(options.config))
        complain(str(found))
        return found.exit_code
    except OSError as error:
        if (of_files := of_too_many_files(error)) is not None:
            complain(str(of_files))
            return of_files.exit_code
        where = error.filename or "this machine"
        what_to_do = (
            "name another directory by --run-dir"
            if options.paper
            else "correct its owner, or state.dir and logging.dir in the configuration"
        )
        complain(f"{where} cannot be used ({error.strerror or error}); {what_to_do}.")
        return ConfigError.exit_code
    except ChildDiedError as error:
        for line in (str(error), *(f"    {line}" for line in error.child.tail()[:-1])):
            complain(line)
        return decisions.code_of_death(error.code)
    except StoppedEarlyError:
        complain(decisions.STOPPED_EARLY)
        return 0
