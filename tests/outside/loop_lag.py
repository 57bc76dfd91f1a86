"""`python -m tests.outside.loop_lag`: how late the loops of both daemons are while something hangs.

A `sitecustomize.py` on the PYTHONPATH of the daemons lets each loop look at the clock every 10 ms
and count its lateness in a file in memory; nothing of the program is touched, so every version is
measured alike. A loop that was late by L ms missed a look at L, L - 10, L - 20 ... ms, and each of
them counts, also where it had not come back at the end.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.outside import exposure
from tests.outside.disks import Disk
from tests.outside.kit import CannotRunError, Case, Trial
from tests.outside.pair import Pair
from tests.outside.processes import Process
from tests.outside.silence import CTRL_S, Scene, start, take_of_a

HERE = Path(__file__).resolve().parent
FOLDER = "LOOP_LAG_FOLDER"  # where the counts go; read by the text below
STEP_MS = 10
MOST_MS = 1_200_000  # the last cell counts what is later
FILL_EVERY_S = 2.0
SETTLE_S = 10.0  # pairs start side by side, and a start takes a whole core
REDIS_AWAY_S = 0.5
HEAD = """\
| Scenario | Version | Loop of | p50 | p99 | worst | looks | CPU | hedges / fills | longest naked |
|---|---|---|---|---|---|---|---|---|---|"""
SAMPLER = f"""
import asyncio, mmap, os, sys, time

folder = os.environ.get("{FOLDER}")
script = next((word for word in sys.orig_argv if word.endswith(("main_A.py", "main_B.py"))), "")
if folder and script and "--check" not in sys.orig_argv:
    STEP_NS = {STEP_MS} * 1_000_000

    class Sampler:
        def __init__(self, loop):
            path = os.path.join(folder, str(os.getpid()))
            with open(path, "w+b") as file:
                file.truncate(8 * ({MOST_MS} + 2))
                self.cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
            self.loop, self.due_ns = loop, time.monotonic_ns()
            self.look()

        def look(self):
            now_ns = time.monotonic_ns()
            while self.due_ns <= now_ns:
                late_ms = (now_ns - self.due_ns) // 1_000_000
                self.cells[1 + min(late_ms, {MOST_MS})] += 1
                self.due_ns += STEP_NS
            self.cells[0] = self.due_ns
            self.loop.call_later((self.due_ns - now_ns) / 1e9, self.look)

    run = asyncio.Runner.run

    def run_and_look(self, coro, **keywords):
        Sampler(self.get_loop())
        return run(self, coro, **keywords)

    asyncio.Runner.run = run_and_look
"""


class Counts:
    """What the sampler of one process has counted, from the moment of making this.

    Args:
        folder: Of the counts.
        process: The daemon.
    """

    def __init__(self, folder: Path, process: Process) -> None:
        self._path = folder / str(process.pid)
        _, self._before = read_looks(self._path)
        self._stat = Path(f"/proc/{process.pid}/stat")
        self._cpu_before_s = self._cpu_s()

    def cpu_s(self) -> float:
        """Seconds of a core that it used since then, all its threads."""
        return self._cpu_s() - self._cpu_before_s

    def lateness(self) -> Counter[int]:
        """Looks by their lateness in ms, with those that are still missing."""
        due_ns, counted = read_looks(self._path)
        counted.subtract(self._before)
        return +counted + missing(time.monotonic_ns() - due_ns)

    def _cpu_s(self) -> float:
        fields = self._stat.read_text().rpartition(")")[2].split()  # the name may hold blanks
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def read_looks(path: Path) -> tuple[int, Counter[int]]:
    """When the next look is due, monotonic ns, and how many looks were late by so many ms."""
    cells = array("q")
    cells.frombytes(path.read_bytes())
    return cells[0], Counter({late_ms: n for late_ms, n in enumerate(cells[1:]) if n})


def missing(late_ns: int) -> Counter[int]:
    """The looks that a loop still owes whose next one is so late, by their lateness in ms."""
    return Counter(range(late_ns // 1_000_000, 0, -STEP_MS))


def quantile_ms(found: Counter[int], part: float) -> int:
    """The lateness that this part of all looks did not exceed, ms."""
    left = part * found.total()
    for late_ms in sorted(found):
        left -= found[late_ms]
        if left <= 0:
            return late_ms
    return max(found, default=0)


def told(ms: int) -> str:
    """A lateness as a person reads it."""
    return f"{ms} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


# --- the scenarios -------------------------------------------------------------------------


def _start(pair: Pair, *, b: str = "") -> Scene:
    """Start both on terminals of their own, and let the machine come to rest."""
    scene = start(pair.trial, pair, b=b, terminal=True)
    pair.trial.pause(SETTLE_S)
    return scene


@contextlib.contextmanager
def calm(trial: Trial) -> Iterator[Scene]:
    """Nothing is disturbed."""
    yield _start(Pair(trial))


@contextlib.contextmanager
def terminal(trial: Trial) -> Iterator[Scene]:
    """Ctrl-S is typed into B's terminal, and nobody reads it any more."""
    scene = _start(Pair(trial))
    scene.hedger.type(CTRL_S)
    scene.hedger.hold_terminal()
    yield scene


@contextlib.contextmanager
def disk(trial: Trial) -> Iterator[Scene]:
    """The disk with B's log hangs."""
    pair = Pair(trial)
    with Disk(trial.folder) as place:
        scene = _start(pair, b=pair.configure("b.yaml", logging__dir=str(place.place)))
        place.hang()
        yield scene


@contextlib.contextmanager
def redis(trial: Trial) -> Iterator[Scene]:
    """Redis moves 500 ms away, each way, for both."""
    pair = Pair(trial)
    link = trial.proxy(pair.redis.port)
    pair.config = pair.configure("config.yaml", redis__port=link.port)
    scene = _start(pair)
    link.delay(REDIS_AWAY_S)
    yield scene


SCENES: dict[str, Callable[[Trial], contextlib.AbstractContextManager[Scene]]] = {
    "calm": calm,
    "terminal": terminal,
    "disk": disk,
    "redis": redis,
}


def measure(name: str, label: str, trial: Trial, folder: Path, minutes: float) -> list[str]:
    """Play one scenario on one version; its rows of the table."""
    with SCENES[name](trial) as scene:
        pair = scene.pair
        began_ns = time.monotonic_ns()
        daemons = {"B": scene.hedger, "A": scene.maker}
        counts = {who: Counts(folder, process) for who, process in daemons.items()}
        until_s = began_ns / 1e9 + 60 * minutes
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError):  # the machine is busy
                take_of_a(pair)
            trial.pause(FILL_EVERY_S)
        found = {who: count.lateness() for who, count in counts.items()}
        cpu_s = {who: count.cpu_s() for who, count in counts.items()}
        now_ns = time.monotonic_ns()
        rows = pair.exchange.trades(*pair.accounts)
        codes = [who for who, process in daemons.items() if process.code is not None]
    recent = [row for row in rows if row["mono_ns"] >= began_ns]
    fills, hedges = (_orders(recent, account) for account in pair.accounts)
    naked = [it for it in exposure.naked(rows, pair.accounts, now_ns) if it.ended_ns >= began_ns]
    longest = max(naked, key=lambda it: it.length_s, default=None)
    open_now = "" if longest is None or longest.closed else ", open at the end"
    longest_text = "none" if longest is None else f"{longest.length_s:.3f} s{open_now}"
    ended = f" ({', '.join(codes)} ended)" if codes else ""
    return [
        f"| {name} | {label} | {who} | {told(quantile_ms(late, 0.5))} | "
        f"{told(quantile_ms(late, 0.99))} | {told(max(late, default=0))} | {late.total()} | "
        f"{cpu_s[who]:.1f} s | "
        f"{hedges} / {fills}{ended} | {longest_text} |"
        for who, late in found.items()
    ]


def _orders(rows: list[dict[str, object]], account: int) -> int:
    """How many orders of an account these trades filled."""
    return len(
        {
            row[f"{side}_id"]
            for row in rows
            for side in ("ask", "bid")
            if row[f"{side}_account_id"] == account
        }
    )


def main() -> int:
    """Run the command line; its exit code."""
    parser = argparse.ArgumentParser("python -m tests.outside.loop_lag", description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--repo", type=Path, default=HERE.parents[1], help="repository to copy")
    parser.add_argument(
        "--commit", action="append", help="a version to measure, side by side (HEAD); repeatable"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each is watched (10)")
    parser.add_argument("--jobs", type=int, default=4, help="pairs at a time (4)")
    options = parser.parse_args()
    if unknown := [name for name in options.scenes if name not in SCENES]:
        sys.exit(f"No scenario is called {unknown[0]!r}; there are {', '.join(SCENES)}.")
    folder = Path(tempfile.mkdtemp(prefix="loop-lag-", dir="/dev/shm"))
    (folder / "sitecustomize.py").write_text(SAMPLER, encoding="utf-8")
    os.environ |= {FOLDER: str(folder), "PYTHONPATH": str(folder)}
    mark, stopping = f"loop-lag-{os.getpid()}-", threading.Event()

    def play(job: tuple[str, str]) -> list[str]:
        name, commit = job
        case = Case(f"loop_lag.{name}.{commit}", SCENES[name].__doc__ or "", lambda _: None)
        trial = Trial(case, options.repo.resolve(), commit, 0, stopping, mark)
        try:
            rows = measure(name, commit, trial, folder, options.minutes)
        except CannotRunError as error:
            rows = [f"| {name} | {commit} | not run: {error} | | | | | | | |"]
        finally:
            trial.close(keep=False)
        print("\n".join(rows), flush=True)
        return rows

    jobs = [
        (name, commit) for name in options.scenes or SCENES for commit in options.commit or ["HEAD"]
    ]
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            print(f"{options.minutes:g} minutes each, {options.jobs} pairs at a time")
            print(HEAD, flush=True)
            for _ in pool.map(play, jobs):
                pass
    except KeyboardInterrupt:
        stopping.set()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"\nLoad of the machine over 1, 5, 15 minutes: {load} on {os.cpu_count()} cores.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
