"""Many schedules, one with its trace, or the tempting rules and the schedule that each loses by.

python -m tests.simulation --runs 5000 --seed 1
python -m tests.simulation --only 1000021 --trace
python -m tests.simulation --weaken all
"""

import argparse
import logging
import multiprocessing
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.loop import VirtualLoop
from tests.simulation.schedule import GENERAL, Result, play
from tests.simulation.tally import Tally
from tests.simulation.weaken import NOT_EXPRESSED, WEAKENINGS

SPREAD = 1_000_003
CHUNK = 25
MOST = 20_000
SHOWN = 20
COMMAND = ".venv/bin/python -m tests.simulation"


def seeds_of(seed: int, runs: int) -> list[list[int]]:
    """Return the seeds of a run, in chunks."""
    seeds = [seed * SPREAD + number for number in range(runs)]
    return [seeds[i : i + CHUNK] for i in range(0, runs, CHUNK)]


def quiet() -> None:
    """Let the product's modules write nothing; a killed process leaves coroutines unawaited."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", RuntimeWarning)


def play_one(seed: int, weakening: str = "", *, aimed: str = "") -> Result:
    """Play one schedule; `aimed` takes the schedules of a weakening without its rule."""
    if weakening:
        chosen = WEAKENINGS[weakening]
        return play(seed, chosen.profile, chosen.tools())
    return play(seed, WEAKENINGS[aimed].profile if aimed else GENERAL)


def play_some(seeds: list[int], weakening: str, aimed: str) -> list[Result]:
    """Play a chunk of schedules."""
    return [play_one(seed, weakening, aimed=aimed) for seed in seeds]


@dataclass
class Totals:
    """What a run came to."""

    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    halts: Counter[str] = field(default_factory=Counter)
    found: list[Result] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, result: Result) -> None:
        self.schedules += 1
        for name in ("steps", "prefixes", "fills", "hedges", "starts"):
            self.counts[name] += getattr(result, name)
        self.counts["seconds"] += round(result.virtual_s)
        self.tally.add(result.tally)
        self.halts.update(result.halts)
        if result.violations:
            self.found.append(result)

    def tell(self) -> None:
        counts, took = self.counts, time.monotonic() - self.started
        print("faults:", ", ".join(f"{name} {n}" for name, n in self.tally.injected.most_common()))
        halts = ", ".join(f"{name} {n}" for name, n in self.halts.most_common())
        print("halts that a person resumed:", halts or "none")
        print(
            f"schedules={self.schedules} steps={counts['steps']} "
            f"faults={self.tally.injected.total()} "
            f"fills={counts['fills']} hedges={counts['hedges']} starts={counts['starts']} "
            f"virtual_hours={counts['seconds'] / 3600:.1f} prefixes={counts['prefixes']} "
            f"violations={len(self.found)} "
            f"schedules_per_minute={self.schedules / took * 60:.0f}"
        )


def results(
    runs: int, seed: int, workers: int, weakening: str = "", aimed: str = ""
) -> Iterator[Result]:
    """Play schedules in worker processes; give their results in order."""
    call = partial(play_some, weakening=weakening, aimed=aimed)
    with multiprocessing.Pool(workers, quiet) as pool:
        for some in pool.imap(call, seeds_of(seed, runs)):
            yield from some


def many(runs: int, seed: int, workers: int, aimed: str) -> int:
    """Play many schedules; print what they came to."""
    totals = Totals()
    option = f" --aimed {aimed}" if aimed else ""
    for result in results(runs, seed, workers, aimed=aimed):
        totals.add(result)
        if result.violations and len(totals.found) <= SHOWN:
            print(f"VIOLATION {result.violations[0]}")
            print(f"  replay: {COMMAND}{option} --only {result.seed} --trace", flush=True)
    totals.tell()
    return 1 if totals.found else 0


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
    profile = WEAKENINGS[name].profile if name else GENERAL
    result = play(seed, profile, tools, teller if trace else None)
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
    options = parser.parse_args(argv)
    if options.only is not None:
        if not options.trace:
            quiet()
        warnings.simplefilter("ignore", RuntimeWarning)
        return replay(options.only, options.weaken, options.aimed, trace=options.trace)
    if options.weaken:
        quiet()
        names = list(WEAKENINGS) if options.weaken == "all" else [options.weaken]
        return search(names, options.runs or MOST, options.seed, options.workers)
    return many(options.runs or 500, options.seed, options.workers, options.aimed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
