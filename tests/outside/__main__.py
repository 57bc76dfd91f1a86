"""`python -m tests.outside [CASE ...]`: the cases from the outside, each in a fresh copy.

A case is named by module and letter ("ends.1a"), by its letter alone, or all of a module by its
name; without one all are run. Exit code 0 only where every verdict is OK.
"""

import argparse
import importlib
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from fnmatch import fnmatch
from pathlib import Path

from tests.outside import verdict
from tests.outside.kit import CASES, CannotRunError, Case, StoppedError, Trial

FULL_S = 400.0
HERE = Path(__file__).resolve().parent


def load_cases() -> None:
    """Import every module of this folder, so that its cases are known."""
    for module in pkgutil.iter_modules([str(HERE)]):
        if module.name != "__main__":
            importlib.import_module(f"tests.outside.{module.name}")


def chosen(names: list[str]) -> list[Case]:
    """The cases that these words name; exits where one names none."""
    found: dict[str, Case] = {}
    for word in names or ["*"]:
        hits = {
            name: case
            for name, case in CASES.items()
            if any(fnmatch(part, word) for part in (name, *name.split(".", 1)))
        }
        if not hits:
            sys.exit(f"No case is called {word!r}; --list shows all.")
        found |= hits
    return [found[name] for name in CASES if name in found]


class Runner:
    """Runs cases side by side and prints each report when it is there.

    Args:
        options: The command line.
        commit: The commit to copy.
    """

    def __init__(self, options: argparse.Namespace, commit: str) -> None:
        self._options, self._commit = options, commit
        self._stopping = threading.Event()
        self._mark = f"outside-{os.getpid()}-"
        self.verdicts: dict[str, str] = {}

    def run(self, cases: list[Case]) -> None:
        """Run them all; on Ctrl-C end what runs and come back."""
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores SIGINT
            signal.signal(number, signal.default_int_handler)
        with ThreadPoolExecutor(self._options.jobs) as pool:
            waiting: set[Future[str]] = {pool.submit(self._one, case) for case in cases}
            try:
                while waiting:
                    done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                    for report in done:
                        print(report.result(), flush=True)
            except KeyboardInterrupt:
                self._stopping.set()
                pool.shutdown(cancel_futures=True)
                print("Stopped by a signal; what ran was ended.", file=sys.stderr)

    def _one(self, case: Case) -> str:
        head = f"=== {case.name}: {case.sentence}"
        if case.elsewhere:
            self.verdicts[case.name] = f"NOT HERE: {case.elsewhere}"
            return f"{head}\n  {self.verdicts[case.name]}"
        options = self._options
        began_s = time.monotonic()
        trial = Trial(
            case, options.repo, self._commit, options.after_s, self._stopping, self._mark,
            options.exchange_commit,
        )  # fmt: skip
        stuck, lines = "", []
        try:
            stuck = self._play(trial)
            lines = verdict.judge(trial)
        except StoppedError:
            stuck = "stopped by a signal"
        except Exception:  # noqa: BLE001 -- one case must not end the others
            stuck = traceback.format_exc()
        finally:
            body = [*verdict.told_events(trial), *verdict.told_processes(trial)]
            trial.close(keep=options.keep)
        said = "FAULT" if trial.faults else "CANNOT RUN" if stuck else "OK"
        self.verdicts[case.name] = said + "".join(
            f"; {text}" for text in (*trial.faults, stuck) if text
        )
        tail = [f"  remark: {text}" for text in trial.remarks]
        tail += [f"  open at the end, and told: {trial.open_is_told}"] if trial.open_is_told else []
        tail += [f"  FAULT: {fault}" for fault in trial.faults]
        tail += [f"  not run as written: {stuck}"] if stuck else []
        place = f", kept in {trial.folder}" if options.keep else ""
        tail.append(f"  VERDICT {said} after {time.monotonic() - began_s:.0f} s{place}")
        return "\n".join([head, *body, *lines, *tail])

    def _play(self, trial: Trial) -> str:
        """Play the case; why it could not be played to its end, if so."""
        try:
            trial.case.play(trial)
        except CannotRunError as error:
            return str(error)
        return ""


def main() -> int:
    """Run the command line; its exit code."""
    parser = argparse.ArgumentParser("python -m tests.outside", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--list", action="store_true", help="show the cases")
    parser.add_argument("--repo", type=Path, default=HERE.parents[1], help="repository to copy")
    parser.add_argument("--commit", default="HEAD", help="which commit of it (HEAD)")
    parser.add_argument("--exchange-commit", default="", help="its paper exchange, of that commit")
    parser.add_argument("--after-s", type=float, default=70.0, help="look on so long, s (70)")
    parser.add_argument("--full", action="store_true", help=f"look on for {FULL_S:g} s")
    parser.add_argument("--jobs", type=int, default=3, help="cases at a time (3)")
    parser.add_argument("--keep", action="store_true", help="keep the copies with their logs")
    options = parser.parse_args()
    load_cases()
    cases = chosen(options.cases)
    if options.list:
        for case in cases:
            print(f"{case.name:32} {case.sentence}")
        return 0
    options.repo = options.repo.resolve()
    if options.full:
        options.after_s = FULL_S
    found = subprocess.run(
        ["git", "rev-parse", "--verify", f"{options.commit}^{{commit}}"],
        cwd=options.repo, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode:
        sys.exit(f"{options.repo} has no commit {options.commit}.")
    commit = found.stdout.strip()
    print(f"{len(cases)} cases on {commit[:12]}, {options.after_s:g} s after the last signal")
    print(f"copies in {tempfile.gettempdir()}\n", flush=True)
    runner = Runner(options, commit)
    runner.run(cases)
    print("\n| Case | Verdict |\n|---|---|")
    for name in CASES:
        if name in runner.verdicts:
            print(f"| {name} | {runner.verdicts[name].replace(chr(10), ' ')} |")
    verdicts = runner.verdicts.values()
    return int(len(verdicts) < len(cases) or any(not v.startswith(("OK", "NOT")) for v in verdicts))


if __name__ == "__main__":
    sys.exit(main())
