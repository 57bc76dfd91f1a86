"""`python -m hedge.launcher`: what ./start_hedge.sh and ./stop_hedge.sh call."""

import gc
import sys

gc.disable()  # nothing of what is loaded now is garbage: looking costs a fifth of the start

from hedge.daemon import host_os
from hedge.errors import ConfigError, HedgeError
from hedge.launcher import decisions
from hedge.launcher.options import Options, parse
from hedge.launcher.pair import StoppedEarlyError
from hedge.launcher.paper_run import run_paper
from hedge.launcher.processes import ChildDiedError, StopNow, StopSignals, Supervisor, Terminal
from hedge.launcher.real_run import run_real, stop_real

gc.freeze()
gc.enable()


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for and return the exit code."""
    host_os.print_any_text()
    terminal = Terminal(sys.stdout)
    try:
        options = parse(arguments)
    except HedgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    supervisor = Supervisor(StopSignals(), terminal)
    try:
        return _run(options, supervisor)
    except StopNow:
        print(decisions.LEFT_AT_ONCE, file=sys.stderr)
        return decisions.LEFT_AT_ONCE_CODE
    finally:
        supervisor.kill_all()


def _run(options: Options, supervisor: Supervisor) -> int:
    try:
        if options.paper:
            return run_paper(options, supervisor)
        return stop_real(options, supervisor) if options.stop else run_real(options, supervisor)
    except HedgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        where = error.filename or "this machine"
        print(f"{where} cannot be used ({error.strerror or error}).", file=sys.stderr)
        return ConfigError.exit_code
    except ChildDiedError as error:
        _tell_death(error)
        return decisions.code_of_death(error.code)
    except StoppedEarlyError:
        print(decisions.STOPPED_EARLY, file=sys.stderr)
        return 0


def _tell_death(death: ChildDiedError) -> None:
    print(death, file=sys.stderr)
    for line in death.child.tail()[:-1]:
        print(f"    {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
