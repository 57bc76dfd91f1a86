"""Many schedules, one with its trace, or the tempting rules and the schedule that each loses by.

python -m tests.simulation --runs 5000 --seed 1
python -m tests.simulation --runs 10000 --histogram
python -m tests.simulation --only 1000021 --trace
python -m tests.simulation --weaken all
python -m tests.simulation --hours 24
"""

import argparse
import gc
import logging
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial

from tests.simulation import hours
from tests.simulation.loop import VirtualLoop
from tests.simulation.report import Totals, kinds
from tests.simulation.schedule import GENERAL, Profile, Result, play
from tests.simulation.weaken import NOT_EXPRESSED, WEAKENINGS

SPREAD = 1_000_003
CHUNK = 25
MOST = 20_000
SHOWN = 20
LITTER = 50_000
"""A schedule's rubbish is collected in few large sweeps."""
COMMAND = ".venv/bin/python -m tests.simulation"


def seeds_of(seed: int, runs: int) -> list[list[int]]:
    """Return the seeds of a run, in chunks."""
    seeds = [seed * SPREAD + number for number in range(runs)]
    return [seeds[i : i + CHUNK] for i in range(0, runs, CHUNK)]


def quiet() -> None:
    """Let the product's modules write nothing; a killed process leaves coroutines unawaited."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", RuntimeWarning)
    gc.freeze()
    gc.set_threshold(LITTER)


def profile_of(aimed: str) -> Profile:
    """Return the general mix, or the schedules of a weakening."""
    return WEAKENINGS[aimed].profile if aimed else GENERAL


def play_one(
    seed: int, weakening: str = "", *, aimed: str = "", muted: frozenset[str] = frozenset()
) -> Result:
    """Play one schedule; `aimed` takes the schedules of a weakening without its rule."""
    if weakening:
        chosen = WEAKENINGS[weakening]
        return play(seed, chosen.profile, chosen.tools(), muted=muted)
    return play(seed, profile_of(aimed), muted=muted)


def play_some(seeds: list[int], weakening: str, aimed: str) -> list[Result]:
    """Play a chunk of schedules."""
    return [play_one(seed, weakening, aimed=aimed) for seed in seeds]


def results(
    runs: int, seed: int, workers: int, weakening: str = "", aimed: str = ""
) -> Iterator[Result]:
    """Play schedules in worker processes; give their results in order."""
    call = partial(play_some, weakening=weakening, aimed=aimed)
    with multiprocessing.Pool(workers, quiet) as pool:
        for some in pool.imap(call, seeds_of(seed, runs)):
            yield from some


def many(runs: int, seed: int, workers: int, aimed: str, *, histogram: bool = False) -> int:
    """Play many schedules; print what they came to."""
    totals = Totals()
    option = f" --aimed {aimed}" if aimed else ""
    for result in results(runs, seed, workers, aimed=aimed):
        totals.add(result)
        if result.violations and len(totals.found) <= SHOWN:
            print(f"VIOLATION {result.violations[0]}")
            print(f"  replay: {COMMAND}{option} --only {result.seed} --trace", flush=True)
    totals.tell()
    seldom = totals.histogram(kinds()) if histogram else []
    return 1 if totals.found or (seldom and totals.binds) else 0


def search(names: list[str], runs: int, seed: int, workers: int) -> int:
    """Look for the first schedule that each tempting rule loses by."""
    missed = 0
    for name in names:
        number, lost = 0, None
        for result in results(runs, seed, workers, name):
            number += 1
            if result.violations:
                lost = result
                break
        weak = WEAKENINGS[name]
        head = f"{weak.row:2} {name:18} {weak.rule:46}"
        if lost is None:
            missed += 1
            print(f"{head} NOT FOUND in {number}", flush=True)
            continue
        sound = play_one(lost.seed, aimed=name)
        print(f"{head} schedule {number:5}, seed {lost.seed}: {lost.violations[0]}", flush=True)
        if sound.violations:
            missed += 1
            print(f"   without it too: {sound.violations[0]}", flush=True)
    for row, why in NOT_EXPRESSED.items():
        print(f"{row:2} not expressed: {why}")
    return 1 if missed else 0


def replay(seed: int, weakening: str, aimed: str, *, trace: bool) -> int:
    """Play one schedule, told line by line."""
    tools = WEAKENINGS[weakening].tools() if weakening else None
    name = weakening or aimed
    result = play(seed, profile_of(name), tools, teller if trace else None)
    halts = dict(result.halts)
    print(f"seed {seed}: {result.virtual_s:.1f} s, {result.steps} steps, halts {halts}")
    for text in result.violations:
        print(f"  VIOLATION {text}")
    return 1 if result.violations else 0


def teller(loop: VirtualLoop) -> Callable[[str, str], None]:
    """Return what writes one line of a trace; the product's own loggers write there too."""

    def say(who: str, what: str) -> None:
        print(f"{loop.time():9.3f} {who:3} {what}")

    handler = logging.Handler()
    handler.emit = lambda record: say("..", record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("hedge")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return say


def main(argv: list[str]) -> int:
    """Do what the command line says; return 1 where a promise was broken, or a rule not missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, help="schedules (500; with --weaken at most 20000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the run")
    parser.add_argument("--only", type=int, metavar="SEED", help="play this one schedule")
    parser.add_argument("--trace", action="store_true", help="show what happens in it")
    parser.add_argument("--weaken", default="", choices=["", "all", *WEAKENINGS])
    parser.add_argument("--aimed", default="", choices=["", *WEAKENINGS], help="its schedules only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--histogram", action="store_true", help="how often each kind was met")
    parser.add_argument("--hours", type=float, help="one pair for so many hours; does it grow?")
    options = parser.parse_args(argv)
    if options.only is not None:
        if not options.trace:
            quiet()
        warnings.simplefilter("ignore", RuntimeWarning)
        return replay(options.only, options.weaken, options.aimed, trace=options.trace)
    if options.hours is not None:
        quiet()
        return hours.tell(hours.play_hours(options.hours, options.seed))
    if options.weaken:
        quiet()
        names = list(WEAKENINGS) if options.weaken == "all" else [options.weaken]
        return search(names, options.runs or MOST, options.seed, options.workers)
    return many(
        options.runs or 500,
        options.seed,
        options.workers,
        options.aimed,
        histogram=options.histogram,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
