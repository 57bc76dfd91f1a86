"""Ends and starts of a pair on a quiet exchange, judged by the exchange's own positions."""

import asyncio
import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hedge.daemon.host_os import commands_for
from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B
from tests.integration.up.scripts import ROOT, Script, change, pid_of, processes_of, script
from tests.waiting import eventually_sync
from tests.world.held import Terminal, program

if TYPE_CHECKING:
    from tests.world.paper import PaperProcess

    Quiet = tuple[Path, PaperProcess]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ETH = 0


def rests(paper: "PaperProcess") -> bool:
    """Whether an order of A is in the book."""
    rows = asyncio.run(paper.orders(account=ACCOUNT_A))
    newest = {row["client_order_index"]: row for row in rows}
    return any(order["status"] == "open" for order in newest.values())


def take(paper: "PaperProcess") -> None:
    """Let a stranger take A's order, whatever stands before it."""
    asyncio.run(paper.take(ETH, "sell", "1000", until_account=ACCOUNT_A))


def positions(paper: "PaperProcess") -> tuple[str, str]:
    """Return both positions as the exchange states them."""
    a, b = (asyncio.run(paper.position(each, ETH)) for each in (ACCOUNT_A, ACCOUNT_B))
    return a, b


def started(config: Path, paper: "PaperProcess", *arguments: str) -> Script:
    """Start the pair in the foreground and wait until A's order rests."""
    running = Script("--config", str(config), *arguments)
    eventually_sync(lambda: rests(paper), 30, "A's order rests")
    return running


def hedgectl(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the operator's tool."""
    command = [sys.executable, "hedgectl.py", *arguments, "--config", str(config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_killed_a_is_started_again_and_b_goes_on(quiet: "Quiet") -> None:
    """Its order fills while it is away: B hedges it, and one Ctrl-C ends all with 0 (28)."""
    config, paper = quiet
    run = started(config, paper)
    with contextlib.closing(run):
        former = pid_of(config, "main_A.py")
        os.kill(former, signal.SIGKILL)
        take(paper)
        eventually_sync(lambda: positions(paper) == ("0.0100", "-0.0100"), 20, "B hedges")
        run.says("Starting it again in 1 s")
        eventually_sync(lambda: pid_of(config, "main_A.py") != former, 20, "another A")
        eventually_sync(lambda: rests(paper), 20, "A's closing order rests")
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0, run.text
    assert run.lines[-1].startswith("Neutral: A +0.0100 ETH, B -0.0100 ETH")


def test_a_held_terminal_holds_up_neither_start_script_nor_daemons(quiet: "Quiet") -> None:
    """A dead A is started again, a signal is obeyed; the daemons' lines are in their logs alone."""
    config, paper = quiet
    change(config, logging={"console": True})
    command = ("-m", "hedge.launcher", "--config", str(config))
    with Terminal() as terminal, program(terminal, *command) as run:
        eventually_sync(lambda: terminal.read() or rests(paper), 60, "A's order rests")
        terminal.hold()
        former = pid_of(config, "main_A.py")
        os.kill(former, signal.SIGKILL)
        take(paper)
        eventually_sync(lambda: positions(paper) == ("0.0100", "-0.0100"), 20, "B hedges")
        eventually_sync(lambda: pid_of(config, "main_A.py") not in (None, former), 20, "another A")
        eventually_sync(lambda: rests(paper), 20, "A's closing order rests")
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    logs = config.parent / "logs"
    assert "Neutral: A +0.0100 ETH" in (logs / "launcher.log").read_text()
    assert "hedged side" in (logs / "main_B.log").read_text()
    outputs = list((config.parent / "state").glob("launcher-*/main_*.out"))
    assert [file.read_text() for file in outputs] == ["", ""]


def test_a_stop_with_a_dead_cancels_what_it_left(quiet: "Quiet", tmp_path: Path) -> None:
    """Launcher and A killed while A's order rests: the stop script cancels it, then stops B.

    One with another `state.dir` sees no lock of the pair, and does not say that none runs.
    """
    config, paper = quiet
    with script("--config", str(config), "--detach") as start:
        assert start.ends() == 0, start.text
    eventually_sync(lambda: rests(paper), 30, "A's order rests")
    copied = tmp_path / "copied.yaml"
    copied.touch(mode=0o600)
    copied.write_text(config.read_text())
    change(copied, state={"dir": str(tmp_path / "elsewhere")})
    with script("--config", str(copied), "--stop") as astray:
        assert astray.ends() == 5, astray.text
    assert astray.lines[0].startswith("A and B beat in Redis, but nothing of this pair has ever")
    os.kill(pid_of(config, "hedge.launcher"), signal.SIGKILL)
    os.kill(pid_of(config, "main_A.py"), signal.SIGKILL)
    with script("--config", str(config), "--stop") as stop:
        assert stop.ends() == 0, stop.text
    assert not rests(paper)
    assert processes_of(config) == []
    assert stop.lines[-1].startswith("Stopped. Neutral: A 0.0000 ETH, B 0.0000 ETH")
    with script("--config", str(config), "--stop") as again:
        assert again.ends() == 0
    assert "Nothing of this pair runs" in again.text


def test_a_stop_with_all_dead_cancels_what_a_left(quiet: "Quiet") -> None:
    """All three killed while A's order rests: the stop script does not say that nothing is left."""
    config, paper = quiet
    with script("--config", str(config), "--detach") as start:
        assert start.ends() == 0, start.text
    eventually_sync(lambda: rests(paper), 30, "A's order rests")
    for name in ("hedge.launcher", "main_A.py", "main_B.py"):
        os.kill(pid_of(config, name), signal.SIGKILL)
    with script("--config", str(config), "--stop") as stop:
        assert stop.ends(90) == 5, stop.text
    assert "its end was not in order" in stop.lines[0]
    assert stop.lines[-1].startswith("Stopped. UNKNOWN: A last known 0.0000 ETH")
    assert not rests(paper)
    assert processes_of(config) == []
    with script("--config", str(config), "--stop") as again:
        assert again.ends() == 0
    assert again.lines == ["Nothing of this pair runs on this host."]


def test_a_launcher_that_stands_still_is_named_with_what_runs(quiet: "Quiet") -> None:
    """Launcher stopped, daemons killed: stop and start say so, and what they name leads out."""
    config, paper = quiet
    with script("--config", str(config), "--detach") as start:
        assert start.ends() == 0, start.text
    eventually_sync(lambda: rests(paper), 30, "A's order rests")
    launcher = pid_of(config, "hedge.launcher")
    os.kill(launcher, signal.SIGSTOP)
    for name in ("main_A.py", "main_B.py"):
        os.kill(pid_of(config, name), signal.SIGKILL)
    take(paper)
    with script("--config", str(config), "--detach") as start:
        assert start.ends() == 6, start.text
    assert f"`kill -CONT {launcher}`" in start.text
    with script("--config", str(config), "--stop") as stop:
        assert stop.ends() == 5, stop.text
    assert "until then neither daemon runs" in stop.text
    assert f"`kill -CONT {launcher}`" in stop.text
    os.kill(launcher, signal.SIGCONT)
    eventually_sync(lambda: positions(paper) == ("0.0100", "-0.0100"), 90, "B hedges")


def typed(printed: str) -> subprocess.CompletedProcess[str]:
    """Run a command as it was printed, in the program's folder."""
    words = shlex.split(printed.strip("`"))
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_halted_pair_is_started_and_has_a_way_out(quiet: "Quiet") -> None:
    """B away, A filled and halted: a start keeps both running, and what it says leads out (29)."""
    config, paper = quiet
    change(config, strategy={"force_close_timeout": 1, "hedge_confirm_timeout_s": 1})
    change(config, lighter={"peer_watch": False})
    with script("--config", str(config), "--detach") as start:
        assert start.ends() == 0, start.text
    eventually_sync(lambda: rests(paper), 30, "A's order rests")
    for name in ("hedge.launcher", "main_B.py"):
        os.kill(pid_of(config, name), signal.SIGKILL)
    take(paper)
    state = config.parent / "state"
    eventually_sync(lambda: list(state.glob("*/halt.json")), 30, "A halts")
    os.kill(pid_of(config, "main_A.py"), signal.SIGKILL)
    with script("--config", str(config), "--detach") as start:
        assert start.ends() == 5, start.text
    printed = commands_for(str(config)).resume
    assert printed in start.text
    a, b = positions(paper)
    eventually_sync(lambda: sum(map(float, positions(paper))) == 0, 20, f"hedged, was {a} {b}")
    resumed = eventually_sync(
        lambda: (found := typed(printed)).returncode == 0 and found, 30, "resumed"
    )
    assert resumed.stdout.startswith("Resumed: A is ")
    with script("--config", str(config), "--stop") as stop:
        assert stop.ends() == 0, stop.text
    assert "Neutral:" in stop.lines[-1]


def test_ctrl_c_right_after_both_run(quiet: "Quiet") -> None:
    """Nothing was placed: a line or two, neutral, no traceback, nothing left."""
    config, paper = quiet
    with script("--config", str(config)) as run:
        run.says("Starting A")
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0, run.text
    own = [line for line in run.lines if line[1:2] != "|"]
    after = own[own.index("B is ready to hedge. Starting A (the maker) ...") + 1 :]
    assert after[-1] == "Neutral: A 0.0000 ETH, B 0.0000 ETH, nothing owed."
    assert all(line.startswith("Waiting: ") for line in after[:-1]), after
    assert not rests(paper)
    assert processes_of(config) == []


def test_a_signal_to_the_whole_group_is_one_request(quiet: "Quiet") -> None:
    """The script and both daemons get TERM at once, and it is passed on: all end with 0 (27)."""
    config, paper = quiet
    run = started(config, paper)
    with contextlib.closing(run):
        pids = [pid_of(config, "main_A.py"), pid_of(config, "main_B.py"), run.process.pid]
        sent: list[int] = []

        def is_passed_on() -> bool:
            """Signal all of them once more, a moment later."""
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            sent.append(len(sent))
            return len(sent) == 20

        eventually_sync(is_passed_on, 10, "the signal is passed on")
        assert run.ends() == 0, run.text
    assert not rests(paper)
    assert processes_of(config) == []


def test_a_stale_number_harms_no_other_process(
    quiet: "Quiet", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing but the number is known, a stop script leaves a stranger alone."""
    config, _ = quiet
    monkeypatch.setenv("HEDGE_PLAIN", "1")
    state = config.parent / "state"
    state.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        text = f'{{"pid": {stranger.pid}, "started_by": 1}}'
        for name in ("main_A", "main_B"):
            (state / f"{name}.pid").write_text(text)
        for account in (ACCOUNT_A, ACCOUNT_B):
            (state / f"300-{account}-4").mkdir()
            (state / f"300-{account}-4" / "lock").write_text(f"pid {stranger.pid}\n")
        with script("--config", str(config), "--stop") as stop:
            assert stop.ends() == 0, stop.text
        assert stranger.poll() is None
        stranger.kill()
    assert stop.lines == ["Nothing of this pair runs on this host."]


def test_a_daemon_started_by_hand_is_known(quiet: "Quiet") -> None:
    """A start beside it is refused in one sentence; the stop script asks it to leave."""
    config, _ = quiet
    command = [sys.executable, "main_B.py", "--config", str(config)]
    log = config.parent / "logs" / "main_B.log"
    with subprocess.Popen(command, cwd=ROOT) as by_hand:
        eventually_sync(lambda: log.exists() and "] ready" in log.read_text(), 30, "B is ready")
        with script("--config", str(config)) as run:
            assert run.ends() == 6, run.text
        number, stop_command = by_hand.pid, commands_for(str(config)).stop
        told = f"main_B (process {number}) already runs on this host; stop first: {stop_command}."
        assert run.lines == [told]
        with script("--config", str(config), "--stop") as stop:
            assert stop.ends() == 0, stop.text
        assert by_hand.wait(20) == 0


def test_ctrl_c_before_the_launcher_in_the_background_is_there(quiet: "Quiet") -> None:
    """One is enough: the launcher finds the request when it has loaded, and nothing is started."""
    config, paper = quiet
    with script("--config", str(config), "--detach") as start:
        launcher = eventually_sync(start.children, 20, "the launcher")[0]
        start.process.send_signal(signal.SIGINT)
        assert start.ends() == 0, start.text
        assert not launcher.is_running()
    assert start.lines == ["Stopped before the pair was running."]
    assert processes_of(config) == []
    assert not rests(paper)


def test_stops_beside_a_start_that_has_yet_to_load(quiet: "Quiet") -> None:
    """Two at once end it, whichever of the three is there first: all with 0, and none trades."""
    config, paper = quiet
    with script("--config", str(config), "--detach") as start:
        stopping = ("--config", str(config), "--stop")
        with script(*stopping) as stop, script(*stopping) as other:
            codes = [one.ends() for one in (stop, other, start)]
    assert codes == [0, 0, 0], (stop.text, other.text, start.text)
    assert "Both run" not in start.text
    assert processes_of(config) == []
    assert not rests(paper)


def test_ctrl_c_at_any_moment_of_the_start(quiet: "Quiet") -> None:
    """At random moments of the first seconds: few lines, no traceback, nothing left."""
    config, paper = quiet
    dice = random.Random(int(os.environ.get("CTRL_C_SEED", "1")))
    for _ in range(int(os.environ.get("CTRL_C_TIMES", "1"))):
        after_s = dice.uniform(0.0, 5.0)
        run = Script("--config", str(config))
        with contextlib.closing(run):
            until_s = time.monotonic() + after_s
            eventually_sync(lambda until_s=until_s: time.monotonic() >= until_s, 10)
            run.process.send_signal(signal.SIGINT)
            assert run.ends(60) == 0, f"after {after_s:.2f} s: {run.text}"
        assert "Traceback" not in run.text, f"after {after_s:.2f} s: {run.text}"
        assert "NOT COVERED" not in run.text
        assert processes_of(config) == []
        assert not rests(paper)
