"""`python -m tests.accept [CASE ...]`: one line for each case; exit 1 if one fails."""

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.accept.cases import REGISTERED, Run, chosen, played

MODULES = (
    "tests.accept.limits",
    "tests.accept.chaos_cases",
    "tests.accept.frame_cases",
    "tests.accept.refusal_cases",
    "tests.accept.price_cases",
    "tests.accept.upgrade_cases",
    "tests.accept.machines",
)
"""Where the cases are; they are played in this order."""

BAD_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the cases that are named, all by default; return the exit code."""
    for module in MODULES:
        importlib.import_module(module)
    options = _options(arguments)
    if options.list:
        for one in REGISTERED.values():
            print(f"{one.name:32}{one.about}")
        return 0
    try:
        cases = chosen(options.cases, REGISTERED)
    except ValueError as error:
        print(f"accept: {error}", file=sys.stderr)
        return BAD_USAGE
    failed = 0
    for one in cases:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="accept-") as folder:
            run = Run(Path(folder), options.seed, options.runs, options.minutes)
            result = played(one, run)
        print(f"{result} [{time.monotonic() - begun:.0f} s]", flush=True)
        if result.trace:
            print(result.trace, file=sys.stderr, flush=True)
        failed += not result.is_ok
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.accept", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases to play (all)")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--seed", type=int, default=1, help="seed of simulator and chaos (1)")
    parser.add_argument("--runs", type=int, default=10_000, help="simulated schedules (10000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of chaos and of soak (10)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
