"""The machines that play for long: simulator, chaos, soak, and properties with many examples."""

import os
import subprocess
import sys

from tests.accept.cases import Figure, Run, case
from tests.world.paper import ROOT

LAST_LINES = 30


def exit_code(run: Run, *command: str, **environment: str) -> Figure:
    """Run a module of this repository; keep its output, and print the end of it if it fails."""
    file = run.folder / "output"
    with file.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(lines[-LAST_LINES:]), file=sys.stderr)
    return Figure("exit code", abs(done.returncode), limit=0)


@case("simulate", "the simulator with --runs schedules from --seed")
def simulate(run: Run) -> list[Figure]:
    """No schedule breaks a promise."""
    counts = ("--runs", str(run.schedules), "--seed", str(run.seed))
    workers = ("--workers", str(os.cpu_count() or 1))
    return [exit_code(run, "tests.simulation", *counts, *workers)]


@case("lying-frames", "every leaf of captured frames, false once and until reconnect")
def lying_frames(run: Run) -> list[Figure]:
    """REST is right all the time, and so is the pair within a minute, or halted."""
    return [exit_code(run, "tests.simulation.lying_frames", "--brief")]


@case("chaos", "--minutes of chaos on --seed")
def chaos(run: Run) -> list[Figure]:
    """The storm leaves every promise kept."""
    length = ("--minutes", str(run.minutes), "--seed", str(run.seed))
    return [exit_code(run, "tests.chaos", *length, "--folder", str(run.folder / "chaos"))]


@case("soak", "--minutes of a busy market: nothing grows, the end is neutral")
def soak(run: Run) -> list[Figure]:
    """Neither latency nor memory grows."""
    where = ("--run-dir", str(run.folder / "soak"))
    return [exit_code(run, "bench.soak", "--minutes", str(max(1, round(run.minutes))), *where)]


@case("properties", "properties and fuzzing with 2,000 examples each")
def properties(run: Run) -> list[Figure]:
    """What Hypothesis tries a hundred times in `make test` holds for many more examples."""
    quiet = ("-q", "-p", "no:cacheprovider", "-o", "timeout=0")
    where = ("tests/unit", "tests/integration/paper/test_fuzz.py")
    return [exit_code(run, "pytest", *where, *quiet, HYPOTHESIS_PROFILE="thorough")]
