"""Many schedules, one with its trace, or the tempting rules and the schedule that each loses by.

python -m tests.simulation --runs 5000 --seed 1
python -m tests.simulation --runs 10000 --histogram
python -m tests.simulation --only 1000021 --trace
python -m tests.simulation --weaken all
python -m tests.simulation --convict
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

from tests.simulation import convict, hours, search
from tests.simulation.attacker import earlier_life
from tests.simulation.convict import Finding
from tests.simulation.loop import VirtualLoop
from tests.simulation.quick import hasten
from tests.simulation.report import Totals, kinds
from tests.simulation.schedule import GENERAL, SECRETS, Profile, Result, play
from tests.simulation.weaken import NOT_EXPRESSED, WEAKENINGS

SPREAD = 1_000_003
CHUNK = 25
MOST = 20_000
SHOWN = 20
LITTER = 10_000
"""Rubbish is swept seldom, yet before it has driven what is used out of the processor's cache."""
LIFE = 8
"""A worker ends after so many chunks, and its rubbish with it: half a megabyte for a schedule."""
COMMAND = ".venv/bin/python -m tests.simulation"


def seeds_of(seed: int, runs: int) -> list[list[int]]:
    """Return the seeds of a run, in chunks."""
    seeds = [seed * SPREAD + number for number in range(runs)]
    return [seeds[i : i + CHUNK] for i in range(0, runs, CHUNK)]


def quiet() -> None:
    """Let the product's modules write nothing; a killed process leaves coroutines unawaited."""
    hasten()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", RuntimeWarning)
    gc.freeze()
    gc.set_threshold(LITTER)


def quiet_worker() -> None:
    """Be quiet, and sweep no rubbish at all: a worker does not live long."""
    quiet()
    gc.disable()


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
    quiet()
    for secret in (None, *SECRETS):
        earlier_life(secret)  # workers are forked with it, and need not live it again
    call = partial(play_some, weakening=weakening, aimed=aimed)
    with multiprocessing.Pool(workers, quiet_worker, maxtasksperchild=LIFE) as pool:
        for some in pool.imap(call, seeds_of(seed, runs)):
            yield from some


def many(runs: int, seed: int, workers: int, aimed: str, *, histogram: bool = False) -> int:
    """Play many schedules; print what they came to."""
    totals = Totals()
    option = f" --aimed {aimed}" if aimed else ""
    for result in results(runs, seed, workers, aimed=aimed):
        totals.add(result)
        if result.new and len(totals.new) <= SHOWN:
            print(f"VIOLATION {result.new[0].text}")
            print(f"  replay: {COMMAND}{option} --only {result.seed} --trace", flush=True)
    totals.tell()
    seldom = totals.histogram(kinds()) if histogram else []
    return 1 if totals.new or (seldom and totals.binds) else 0


def convict_all(runs: int, seed: int, workers: int, *, keep: bool) -> int:
    """Look for every counterexample; print what shows it, and how many schedules that took."""

    def again(one: int, muted: frozenset[str]) -> Result:
        return play_one(one, muted=muted)

    def tell(conviction: search.Conviction) -> None:
        print(conviction, flush=True)

    found = search.convictions(results(runs, seed, workers), again, tell)
    print()
    for number in sorted(found):
        print(found[number])
    missed = sorted({row.number for row in convict.ROWS} - found.keys())
    open_ones = sorted(number for number, one in found.items() if not one.is_over)
    wanted = sorted(search.WANTED - found.keys())
    print(f"found={len(found)} not_found={missed} not_confirmed={open_ones} wanted={wanted}")
    if keep:
        search.keep(found)
    return 1 if wanted or missed else 0


def lost_by(name: str, result: Result) -> Finding | None:
    """Return what a weakened schedule broke and the same one without the weakening did not.

    Words count only where the rule is about them: some are known to be untrue on the rules as they
    are.
    """
    words = WEAKENINGS[name].words
    deeds = [one for one in result.findings if words or one.promise != "said"]
    if not deeds:
        return None
    sound = play_one(result.seed, aimed=name)
    kept = {one.kind for one in sound.findings}
    return next((one for one in deeds if one.kind not in kept), None)


def search_weak(names: list[str], runs: int, seed: int, workers: int) -> int:
    """Look for the first schedule that each tempting rule loses by."""
    missed = 0
    for name in names:
        number, found = 0, None
        for result in results(runs, seed, workers, name):
            number += 1
            if found := lost_by(name, result):
                break
        weak = WEAKENINGS[name]
        head = f"{weak.row:2} {name:18} {weak.rule:46}"
        if found is None:
            missed += 1
            print(f"{head} NOT FOUND in {number}", flush=True)
            continue
        print(f"{head} schedule {number:5}, seed {result.seed}: {found.text}", flush=True)
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
    for finding in result.findings:
        shows = f"counterexample {finding.number}" if finding.number else "on no list"
        print(f"  VIOLATION {finding.text} [{shows}]")
    return 1 if result.findings else 0


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
    parser.add_argument("--convict", action="store_true", help="look for each counterexample")
    parser.add_argument("--keep", action="store_true", help="with --convict: keep the seeds")
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
    if options.convict:
        quiet()
        runs = options.runs or search.WITHIN
        return convict_all(runs, options.seed, options.workers, keep=options.keep)
    if options.weaken:
        quiet()
        names = list(WEAKENINGS) if options.weaken == "all" else [options.weaken]
        return search_weak(names, options.runs or MOST, options.seed, options.workers)
    return many(
        options.runs or 500,
        options.seed,
        options.workers,
        options.aimed,
        histogram=options.histogram,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
