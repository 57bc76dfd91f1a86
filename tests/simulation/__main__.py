"""`python -m tests.simulation --runs 5000 --seed 1`: many schedules, or one with its trace."""

import argparse
import logging
import multiprocessing
import sys
import time
from collections import Counter

from tests.simulation.loop import VirtualLoop
from tests.simulation.schedule import GENERAL, Result, play

SPREAD = 1_000_003
CHUNK = 25


def seed_of(seed: int, number: int) -> int:
    """Return the seed of one schedule of a run."""
    return seed * SPREAD + number


def quiet() -> None:
    """Let the product's modules write nothing."""
    logging.disable(logging.CRITICAL)


def play_some(seeds: list[int]) -> list[Result]:
    return [play(seed) for seed in seeds]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="play this one schedule")
    parser.add_argument("--trace", action="store_true", help="show what happens in it")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(argv)
    if options.only is not None:
        return replay(options.only, trace=options.trace)
    return many(options.runs, options.seed, options.workers)


def replay(seed: int, *, trace: bool) -> int:
    """Play one schedule, told line by line."""

    def teller(loop: VirtualLoop):  # type: ignore[no-untyped-def]
        def say(who: str, what: str) -> None:
            print(f"{loop.time():9.3f} {who:3} {what}")

        if trace:
            handler = logging.Handler()
            handler.emit = lambda record: say("..", record.getMessage())  # type: ignore[method-assign]
            logging.getLogger("hedge").handlers = [handler]
            logging.getLogger("hedge").setLevel(logging.INFO)
            logging.getLogger("hedge").propagate = False
        return say

    result = play(seed, GENERAL, None, teller if trace else None)
    print(f"seed {seed}: {result.virtual_s:.1f} s, {result.steps} steps, halts {dict(result.halts)}")
    for text in result.violations:
        print(f"  VIOLATION {text}")
    return 1 if result.violations else 0


def many(runs: int, seed: int, workers: int) -> int:
    """Play many schedules in worker processes; print what they came to."""
    seeds = [seed_of(seed, number) for number in range(runs)]
    chunks = [seeds[i : i + CHUNK] for i in range(0, runs, CHUNK)]
    started = time.monotonic()
    found: list[Result] = []
    total, kinds, halts = Counter[str](), Counter[str](), Counter[str]()
    with multiprocessing.Pool(workers, quiet) as pool:
        for results in pool.imap(play_some, chunks):
            for result in results:
                total.update(
                    steps=result.steps,
                    prefixes=result.prefixes,
                    fills=result.fills,
                    hedges=result.hedges,
                    starts=result.starts,
                    seconds=round(result.virtual_s),
                )
                kinds.update(result.faults)
                halts.update(result.halts)
                if result.violations:
                    found.append(result)
                    print(f"seed {result.seed}: {result.violations[0]}", flush=True)
    took = time.monotonic() - started
    print(f"faults: {', '.join(f'{name} {n}' for name, n in kinds.most_common())}")
    print(f"halts resumed by hand: {dict(halts.most_common())}")
    print(
        f"schedules={runs} steps={total['steps']} faults={kinds.total()} fills={total['fills']} "
        f"hedges={total['hedges']} starts={total['starts']} virtual_hours="
        f"{total['seconds'] / 3600:.1f} prefixes={total['prefixes']} violations={len(found)} "
        f"schedules_per_minute={runs / took * 60:.0f}"
    )
    for result in found[:10]:
        print(f"replay: .venv/bin/python -m tests.simulation --only {result.seed} --trace")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
