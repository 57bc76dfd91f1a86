"""`python -m hedge.launcher`: what ./start_hedge.sh and ./stop_hedge.sh call."""

import gc
import os
import select
import signal
import sys
import time

EARLY = "Stopped before anything was started."


def _stopped_early(_number: int, _frame: object) -> None:
    """End while the program is still being loaded."""
    errors = sys.stderr.fileno()
    if (
        os.name == "nt" or select.select([], [errors], [], 0)[1]
    ):  # a held terminal is not waited for
        os.write(errors, f"{EARLY}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    if not os.environ.get("HEDGE_BEGAN_S"):  # the start script has said it where it can
        os.environ["HEDGE_BEGAN_S"] = repr(time.time())
    for _name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, _name), _stopped_early)
    if hasattr(signal, "pthread_sigmask"):  # held back while the interpreter was loaded
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})

    gc.disable()  # nothing of what is loaded now is garbage: looking costs a fifth of the start
    from hedge.daemon import terminal
    from hedge.launcher.command import main

    gc.freeze()
    gc.enable()
    terminal.unblock()
    terminal.leave(main)
