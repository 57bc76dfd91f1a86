"""Children, followed logs and the order of stopping, with real small processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hedge.launcher.processes import (
    LARGEST_LOG,
    Child,
    ChildDiedError,
    Follower,
    Running,
    StopNow,
    StopSignals,
    Supervisor,
    Terminal,
)
from tests.waiting import eventually_sync

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DEAF_TEXT = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
DEAF = [sys.executable, "-c", DEAF_TEXT]


class Ears:
    """A terminal that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> None:
        self.lines += [line for line in text.split("\n") if line]

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        return False


@pytest.fixture
def ears() -> Ears:
    """What the user sees."""
    return Ears()


@pytest.fixture
def supervisor(ears: Ears) -> Iterator[Supervisor]:
    """A supervisor whose children are gone at the end; the signals are given back."""
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in names]
    made = Supervisor(StopSignals(), Terminal(ears))  # type: ignore[arg-type]
    yield made
    made.kill_all()
    for number, handler in zip(names, before, strict=True):
        signal.signal(number, handler)


Start = Callable[..., Child]


@pytest.fixture
def start(supervisor: Supervisor, tmp_path: Path) -> Start:
    """Start a child that prints "up" once it listens."""

    def make(command: list[str], name: str = "child") -> Child:
        output = tmp_path / f"{name}.out"
        child = supervisor.add(Child(name, command, output=output))
        supervisor.wait_anyway(lambda: bool(output.read_text()) or child.poll() is not None, 20)
        return child

    return make


def test_a_child_is_stopped_by_asking(supervisor: Supervisor, start: Start) -> None:
    """A child that obeys SIGTERM is not killed, and is nobody's child any more."""
    child = start(SLEEPER)
    assert supervisor.stop(child, 20) == -signal.SIGTERM
    assert supervisor.children == []


def test_a_deaf_child_is_killed_and_that_is_said(
    supervisor: Supervisor, start: Start, ears: Ears
) -> None:
    """A child that ignores SIGTERM is killed after the patience given."""
    child = start(DEAF)
    assert supervisor.stop(child, 0.2) is None
    assert child.poll() == -signal.SIGKILL
    assert "was killed" in ears.lines[-1]


def test_what_was_killed_has_no_last_word(supervisor: Supervisor, tmp_path: Path) -> None:
    """The end of its log is of the time before; what it printed itself stands."""
    log = tmp_path / "b.log"
    log.write_text('2026-12-01 07:36:13.966+0000 [INFO] ready reasons=""\n')
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = supervisor.add(Child("b", command, output=tmp_path / "b.out", log=log))
    assert "[INFO] ready" in child.last_words()
    child.kill()
    assert child.last_words() == "SIGKILL ended it, without a last word."
    child.output.write_text("Fatal Python error\n")
    assert child.last_words() == "Fatal Python error"


def test_a_death_that_nobody_asked_for_is_raised_with_its_last_words(
    supervisor: Supervisor, start: Start
) -> None:
    """Waiting notices a child that ended, with its code and its last line."""
    start([sys.executable, "-c", "print('one'); raise SystemExit('two: no such market')"], "b")
    with pytest.raises(ChildDiedError) as caught:
        supervisor.wait(lambda: False, 20)
    assert caught.value.code == 1
    assert str(caught.value) == "b ended with exit code 1: two: no such market"


def test_children_have_a_session_of_their_own(start: Start) -> None:
    """The terminal's Ctrl-C does not reach a child."""
    assert os.getsid(start(SLEEPER).pid) != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    """A kill -9 of the parent ends the child."""
    text = (
        "import sys, time; from pathlib import Path; from hedge.launcher.processes import Child;"
        f"c = Child('c', {SLEEPER!r}, output=Path({str(tmp_path / 'out')!r}));"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", text], cwd=root, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=20)
    assert not alive


def test_a_child_that_may_owe_something_is_never_killed_with_the_rest(
    supervisor: Supervisor, start: Start
) -> None:
    """It is asked; any other child is killed."""
    spared, other = start(DEAF, "spared"), start(DEAF, "other")
    spared.is_spared = True
    supervisor.kill_all()
    assert other.poll() == -signal.SIGKILL
    assert spared.poll() is None
    assert supervisor.children == []
    spared.kill()


def test_the_first_signal_asks_and_a_later_one_raises(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Ctrl-C ends a wait; one at once after it is the same; one after the line raises."""
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    os.kill(os.getpid(), signal.SIGINT)
    assert supervisor.signals.requested
    os.kill(os.getpid(), signal.SIGTERM)
    now_s += 3.0
    os.kill(os.getpid(), signal.SIGTERM)
    supervisor.signals.is_told = True
    with pytest.raises(StopNow):
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_the_launcher_says_is_in_its_log(tmp_path: Path, ears: Ears) -> None:
    """Its own lines and complaints with their time, a daemon's lines not; a large log is moved."""
    log = tmp_path / "logs" / "launcher.log"
    terminal = Terminal(ears)  # type: ignore[arg-type]
    terminal.keep(log)
    terminal.say("one")
    terminal.show("A| not ours")
    terminal.complain("two")
    assert ears.lines == ["one", "A| not ours", "two"]
    assert [line.split("] ")[-1] for line in log.read_text().splitlines()] == ["one", "two"]
    assert "[ERROR] two" in log.read_text()
    with log.open("r+b") as file:
        file.truncate(LARGEST_LOG + 1)
    terminal.keep(log)
    terminal.say("three")
    assert log.read_text().endswith("[INFO] three\n")
    assert log.stat().st_size < LARGEST_LOG
    assert (tmp_path / "logs" / "launcher.log.1").exists()


def test_lines_of_both_sides_come_in_order_of_time(
    supervisor: Supervisor, tmp_path: Path, ears: Ears
) -> None:
    """What two logs gained between two looks is shown by time, whole lines only."""
    a, b = tmp_path / "a.log", tmp_path / "b.log"
    a.write_text("2026-11-20 12:00:00.000+0000 old\n")
    supervisor.follow(a, "A| ")
    supervisor.follow(b, "B| ")
    with a.open("a") as file:
        file.write("2026-11-20 12:00:01.000+0000 one\n2026-11-20 12:00:03.000+0000 three\n  more\n")
    b.write_text("2026-11-20 12:00:02.000+0000 two\n2026-11-20 12:00:04.000+0000 fo")
    supervisor.pump()
    with b.open("a") as file:
        file.write("ur\n")
    supervisor.pump()
    assert [line[:3] + line.split()[-1] for line in ears.lines] == [
        "A| one",
        "B| two",
        "A| three",
        "A| more",
        "B| four",
    ]


def test_a_rotated_log_is_followed(tmp_path: Path) -> None:
    """After a rotation the new file is read from its beginning."""
    log = tmp_path / "a.log"
    log.write_text("before\n")
    follower = Follower(log, "")
    log.rename(tmp_path / "a.log.1")
    assert follower.new_lines() == []
    log.write_text("after\n")
    assert [line for _, line in follower.new_lines()] == ["after"]


def test_a_log_that_two_children_write_is_shown_once(
    supervisor: Supervisor, ears: Ears, tmp_path: Path
) -> None:
    """A and its `--leave` write one log: no line of it is told twice."""
    log = tmp_path / "main_A.log"
    for _ in range(2):
        supervisor.follow(log, "A| ")
    log.write_text("2026-11-30 10:00:00.000+0000 [INFO] start\n")
    supervisor.pump()
    assert sum("[INFO] start" in line for line in ears.lines) == 1


VERSION_1 = """
import fcntl, os, pathlib, signal, sys, time
heard = []
def on_signal(*_):
    heard.append(1)
    pathlib.Path(sys.argv[1], "heard").write_text(str(len(heard)))
signal.signal(signal.SIGTERM, on_signal)
lock = open(pathlib.Path(sys.argv[1], "lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write(f"pid {os.getpid()}\\n" + sys.argv[2])
lock.flush()
while not os.path.exists(pathlib.Path(sys.argv[1], "end")):
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("script", "note", "signals"),
    [("main_A.py", "", "1"), ("main_A.py", "of today\n", ""), ("tool.py", "", "")],
)
def test_a_daemon_of_version_1_is_asked_by_one_signal(
    tmp_path: Path, script: str, note: str, signals: str
) -> None:
    """It knows no file `stop`, and a second signal would end it with its order resting."""
    (tmp_path / script).write_text(VERSION_1)
    heard = tmp_path / "heard"
    command = [sys.executable, str(tmp_path / script), str(tmp_path), note]
    with subprocess.Popen(command) as process:
        try:
            daemon = Running("main_A", tmp_path)
            eventually_sync(lambda: daemon.pid == process.pid, 20, "its lock")
            for _ in range(2):
                daemon.ask_to_stop()
                assert (tmp_path / "stop").exists()
                if signals:
                    eventually_sync(heard.exists, 20, "the signal")
            (tmp_path / "end").touch()
            process.wait()
        finally:
            process.kill()
    assert (heard.read_text() if heard.exists() else "") == signals
