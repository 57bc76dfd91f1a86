"""From the version of November 2026 to this one and back, on the same Redis, exchange and state.

Promises are those of README.md, "Upgrading". The pair begins in a copy of the former version, whose
files are then replaced as `git pull` does; the exchange is this version's throughout.
"""

import signal
import subprocess
from pathlib import Path

from tests.outside.ends import by_hand, detached, fill, hedged_position, status, wait_resting
from tests.outside.kit import CannotRunError, Trial, case
from tests.outside.pair import Pair
from tests.outside.services import Exchange

FORMER = "54aaf311c48f5418e1130451b44379b966a3dbb2"


def former_pair(trial: Trial) -> Pair:
    """A pair whose program is the former version's."""
    if trial.commit == FORMER:
        raise CannotRunError("needs a version after the former one")
    exchange = Exchange(trial, trial.checkout("exchange"))
    pair = Pair(trial, exchange=exchange)
    replace(trial, pair.folder, FORMER)
    return pair


def replace(trial: Trial, folder: Path, commit: str) -> None:
    """Put the files of a version into a folder, and what it requires, as an upgrade does."""
    trial.note_event(f"the program is now {commit[:7]}")
    mine = (folder / "config.yaml").read_bytes()  # kept, as README says
    subprocess.run(["git", "checkout", "--quiet", "--force", commit], cwd=folder, check=True)
    (folder / "config.yaml").write_bytes(mine)
    (folder / "config.yaml").chmod(0o600)
    trial.stamp_requirements(folder)


def upgraded(trial: Trial, pair: Pair) -> None:
    """Replace the former version by the one that is tried."""
    replace(trial, pair.folder, trial.commit)


def nothing_traded_since(trial: Trial, pair: Pair, trades: int) -> None:
    """That neither account has traded."""
    now = len(pair.exchange.trades(*pair.accounts))
    trial.expect(now == trades, f"nothing is traded by the upgrade: {now} trades, not {trades}")


def goes_on(trial: Trial, pair: Pair, side: str) -> None:
    """A's order rests again, its fill is hedged, and status says Neutral."""
    wait_resting(trial, pair, 120)
    fill(pair, side)
    trial.expect(trial.becomes(pair.flat_sum, 20), "the next fill is hedged")
    trial.pause(3)
    code, text = status(pair)
    trial.expect(code == 0, f"status ends with 0, not {code}: {text.splitlines()[:1]}")


@case(
    "4-documented",
    "54aaf31 with a position stopped, replaced, started: nothing lost or traded",
)
def documented(trial: Trial) -> None:
    pair = former_pair(trial)
    detached(trial, pair)
    hedged_position(trial, pair)
    before = len(pair.exchange.trades(*pair.accounts))
    trial.expect(pair.stop().code == 0, "the former stop ends with 0")
    trial.expect(not pair.resting(), "nothing rests after it")
    upgraded(trial, pair)
    detached(trial, pair)
    nothing_traded_since(trial, pair, before)
    goes_on(trial, pair, "buy")
    trial.expect(pair.stop().code == 0, "the stop ends with 0")
    trial.settle()


@case("4-died", "54aaf31 dies with a position and an order, which fills: hedged once")
def died(trial: Trial) -> None:
    pair = former_pair(trial)
    daemons = by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.signal(signal.SIGKILL, *daemons)
    trial.until(lambda: all(one.code is not None for one in daemons), "their ends")
    fill(pair, "buy", "0.0060")
    upgraded(trial, pair)
    by_hand(trial, pair)
    trial.expect(trial.becomes(pair.flat_sum, 90), "the fill of between is hedged")
    goes_on(trial, pair, "buy")
    trial.settle()


@case("4-halted", "54aaf31 halted and killed: the halt stands after the upgrade, resume ends it")
def halted(trial: Trial) -> None:
    pair = former_pair(trial)
    daemons = by_hand(trial, pair)
    trial.expect(pair.flatten().code == 0, "flatten, which halts, ends with 0")
    trial.signal(signal.SIGKILL, *daemons)
    trial.until(lambda: all(one.code is not None for one in daemons), "their ends")
    before = len(pair.exchange.trades(*pair.accounts))
    upgraded(trial, pair)
    pair.b()
    pair.a()
    said = trial.becomes(lambda: "HALTED" in status(pair)[1], 60)
    trial.expect(said, "status says HALTED")
    trial.expect(not pair.resting(), "nothing rests")
    nothing_traded_since(trial, pair, before)
    released = trial.becomes(lambda: pair.ctl("resume").code == 0, 60)
    trial.expect(released, "resume ends with 0 once both books are proven")
    goes_on(trial, pair, "sell")
    trial.settle()


@case("4-files-first", "files replaced while 54aaf31 runs, then stop: A ends, B named and left, 5")
def files_first(trial: Trial) -> None:
    pair = former_pair(trial)
    detached(trial, pair)
    hedged_position(trial, pair)
    upgraded(trial, pair)
    stopped = pair.stop()
    trial.expect(stopped.code == 5, f"the stop ends with 5, not {stopped.code}")
    trial.expect(not pair.resting(), "nothing rests")
    trial.expect(not pair.pids("main_A.py"), "A has ended")
    trial.expect(bool(pair.pids("main_B.py")), "B runs on")
    trial.remark(f"the stop: {' / '.join(stopped.text.splitlines())[-500:]}")
    pair.kill("main_B.py", signal.SIGTERM)
    trial.until(lambda: not pair.pids("main_B.py"), "B's end", 420)
    detached(trial, pair)
    goes_on(trial, pair, "buy")
    trial.settle()


@case("4-back", "halted, stopped, 54aaf31 put back: it comes up halted, and nothing is traded")
def back(trial: Trial) -> None:
    pair = former_pair(trial)
    upgraded(trial, pair)
    detached(trial, pair)
    hedged_position(trial, pair)
    before = len(pair.exchange.trades(*pair.accounts))
    trial.expect(pair.halt().code == 0, "halt ends with 0")
    pair.stop()
    replace(trial, pair.folder, FORMER)
    pair.b()
    pair.a()
    said = trial.becomes(lambda: "unreadable_halt" in status(pair)[1], 60)
    trial.expect(said, "status says unreadable_halt")
    trial.expect(not pair.resting(), "nothing rests")
    nothing_traded_since(trial, pair, before)
    trial.settle()


@case("4-mixed", "a new B beside 54aaf31's A on another host: A rests nothing, it is named")
def mixed(trial: Trial) -> None:
    pair = former_pair(trial)
    by_hand(trial, pair)
    other = Pair(trial, "other", exchange=pair.exchange, redis=pair.redis)
    other.keys = pair.keys
    other.configure(other.config)
    pair.kill("main_B.py", signal.SIGTERM)
    trial.until(lambda: not pair.pids("main_B.py"), "the former B's end", 420)
    newer = other.b()
    trial.pause(20)
    trial.expect(not pair.resting(), "A rests nothing beside a B of another version")
    text = newer.text + status(other)[1]
    trial.expect("version" in text, "the newer side says it")
    trial.remark(f"status: {status(other)[1].splitlines()[:1]}")
    trial.settle()
