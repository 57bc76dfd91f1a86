"""Record the public surface of a checkout: `python -m tests.public.record OUT.json`.

Everything is asked from the outside, by commands, Redis and the files that are left.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.public import exits, helptexts, seen
from tests.public.pairs import OtherPair, StartedPair
from tests.public.programs import Programs, name_of
from tests.public.shapes import Entries, joined
from tests.public.world import Place, Script, Watch, closed_port, linked, read_config, until
from tests.world.warm import Warm

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("probe.py")
SCRIPTS = ("start_hedge.sh", "stop_hedge.sh")
LAST_S = 10.0
MAINS = ("main_A.py", "main_B.py")
SLOW_TRADES_MS = 1000
"""Public trades come later than A's messages, so that every hedge answers a message."""


def surface(root: Path, folder: Path) -> Entries:
    """Return the surface of the checkout at `root`; `folder` takes what the commands write."""
    clone = linked(root, folder / "clone")
    with (
        Warm(root, folder / "commands") as warm,
        Script(clone, "./start_hedge.sh", "--paper", "--run-dir", folder / "run") as script,
        ThreadPoolExecutor(2) as pool,
    ):
        programs = Programs(root, warm)
        still = pool.submit(_still, clone, programs, folder)
        place = _place(script, folder / "run" / "config.yaml")
        with Watch(place.redis_port) as watch:
            beside = pool.submit(_beside, place, programs, watch, folder)
            pair = StartedPair(place, programs, script, watch)
            found = pair.live() | beside.result()
            with contextlib.suppress(AssertionError):  # the comparison says what was not seen
                until(lambda: not seen.missing(watch), "all that is recorded", LAST_S)
        return still.result() | found | pair.end() | seen.entries_of(watch)


def _place(script: Script, config: Path) -> Place:
    """Wait for the configuration of the run, and let public trades come late."""
    values = until(lambda: script.told(lambda: read_config(config)), "the run's configuration")
    assert values is not None
    place = Place.of(config, values)
    late = {
        "name": "frames_delayed",
        "family": "account_all",
        "delay_ms": SLOW_TRADES_MS,
        "count": 0,
    }
    place.exchange.call("/paper/faults", late)
    return place


def _still(clone: Path, programs: Programs, folder: Path) -> Entries:
    """Return what needs no running pair."""
    found: Entries = {}
    for name in (*SCRIPTS, *MAINS, "hedgectl.py", "python -m paper"):
        found |= _help(programs, name)
    found |= _config_table(programs)
    found |= _asked(programs, "surface", str(folder), str(closed_port()))
    cases = folder / "still"
    found |= exits.codes(programs, exits.without_world(cases))
    return found | _stopped(clone, cases / "good.yaml")


def _stopped(clone: Path, config: Path) -> Entries:
    """Return the exit code of the stop script itself, where nothing runs."""
    with Script(clone, "./stop_hedge.sh", "--config", config) as script:
        return {name_of("stop_hedge.sh", "nothing runs"): script.ended()}


def _beside(place: Place, programs: Programs, watch: Watch, folder: Path) -> Entries:
    """Return what is asked while the pair runs."""
    unknown, *own = json.loads(programs.result("python", PROBE, "keys", "3").out)
    other = OtherPair(place, programs, watch, folder / "other")
    found = other.live(own, partial(_asked, programs, "publish"))
    until(lambda: watch.value(seen.READY_A, seen.anything), "a heartbeat of A")
    return found | exits.codes(programs, exits.beside(place, folder / "beside", unknown[0]))


def _asked(programs: Programs, *arguments: str) -> Entries:
    """Return the entries that only Python can ask for."""
    result = programs.result("python", PROBE, *arguments)
    assert result.code == 0, result.err
    found: Entries = json.loads(result.out)
    return found


def _help(programs: Programs, program: str) -> Entries:
    """Return the entries of a help text, and those of its sub-commands."""
    result = programs.result(program, "--help")
    assert result.code == 0, result.err
    found = helptexts.entries_of(program, result.out)
    found[name_of(program, "--help")] = result.code
    for command in helptexts.commands_of(result.out):
        found |= _help(programs, f"{program} {command}")
    return found


def _config_table(programs: Programs) -> Entries:
    """Return type, unit and default of every key, as the documented command prints them."""
    result = programs.result("python -m hedge.config", "--table")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    found: Entries = {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        for what in ("Type", "Unit", "Default"):
            found[joined("config", cells["Key"].strip("`"), what.lower())] = cells[what]
    return found


def document_of(entries: Entries, commit: str) -> str:
    """Return the record as it is stored: one entry a line, in order."""
    return json.dumps({"commit": commit, "entries": entries}, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Record, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.public.record", description=__doc__)
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="what to record (this one)")
    options = parser.parse_args()
    root = options.checkout.resolve()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        entries = surface(root, Path(folder))
    if unseen := seen.missing_in(entries):
        sys.exit(f"nothing is recorded: {', '.join(unseen)} was not seen")
    options.out.write_text(document_of(entries, commit), encoding="utf-8")
    print(f"{len(entries)} entries of {commit[:7]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
