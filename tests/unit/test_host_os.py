"""What a system does not offer is done the plain way, which can be forced."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedge.daemon import host_os

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Force the plain ways."""
    monkeypatch.setenv(host_os.PLAIN, "1")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    numbers = [getattr(signal, name) for name in host_os.STOP_SIGNALS if hasattr(signal, name)]
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("file", "option"),
    [
        ("", ""),
        (str(ROOT / "config.yaml"), ""),
        (str(ROOT / "run" / "paper" / "config.yaml"), f" --config {Path('run/paper/config.yaml')}"),
        (str(ROOT.parent / "my pair.yaml"), f" --config '{ROOT.parent / 'my pair.yaml'}'"),
    ],
)
def test_commands_are_typed_in_the_programs_folder(
    file: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the configuration that was given, wherever one stands, and the program's own Python."""
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    found = host_os.commands_for(file)
    assert found.resume == f"`./hedgectl resume{option}`"
    assert (found.start, found.stop) == (
        f"`./start_hedge.sh{option}`",
        f"`./stop_hedge.sh{option}`",
    )
    monkeypatch.setattr(sys, "prefix", str(ROOT / "elsewhere"))
    monkeypatch.setattr(sys, "executable", "/opt/my py/bin/python")
    found = host_os.commands_for(file)
    assert found.status == f"`'/opt/my py/bin/python' hedgectl.py status{option}`"


def test_a_path_of_the_command_line_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts work in the program's folder, whatever folder they were called in."""
    monkeypatch.chdir(ROOT)
    for called_in, path, meant in (
        ("", "a.yaml", "a.yaml"),
        (str(ROOT), "a.yaml", "a.yaml"),
        ("/home/me", "b/a.yaml", "/home/me/b/a.yaml"),
        ("/home/me", "/etc/a.yaml", "/etc/a.yaml"),
    ):
        environment = {host_os.CALLED_IN: called_in}
        assert host_os.of_caller(Path(path), environment) == Path(meant)


@pytest.mark.usefixtures("plain")
def test_the_plain_ways_use_nothing_special() -> None:
    """The standard loop, children that outlive us."""
    assert host_os.loop_factory() is None
    assert host_os.die_with_parent() is None


@pytest.mark.parametrize("forced", ["0", "1"])
async def test_a_signal_to_stop_reaches_the_loop(
    monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    """By the loop's own handler or by Python's: `stop` is called once per signal, in the loop."""
    monkeypatch.setenv(host_os.PLAIN, forced)
    asked: list[asyncio.AbstractEventLoop] = []
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        asked.append(asyncio.get_running_loop())
        done.set()

    with host_os.on_stop_signals(loop, stop):
        for number in (signal.SIGTERM, signal.SIGHUP):
            done.clear()
            os.kill(os.getpid(), number)
            async with asyncio.timeout(5):
                await done.wait()
    assert asked == [loop, loop]


@pytest.mark.parametrize("forced", ["0", "1"])
async def test_after_the_run_a_signal_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    """Nothing of ours is between a person and the end of a process that only tidies up."""
    monkeypatch.setenv(host_os.PLAIN, forced)
    with host_os.on_stop_signals(asyncio.get_running_loop(), lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert all(signal.getsignal(number) is signal.SIG_DFL for number in host_os.stop_signals())


@pytest.mark.parametrize("forced", ["0", "1"])
async def test_an_ignored_hang_up_stays_ignored(
    monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    """Under nohup the end of the terminal stops nothing."""
    monkeypatch.setenv(host_os.PLAIN, forced)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    with host_os.on_stop_signals(loop, lambda: asked.put_nowait(1)):
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await asked.get()
    assert asked.empty()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.SIGHUP not in host_os.stop_signals()


def test_silent_name_servers_leave_threads_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop gets more than its four threads, unless the user has said how many."""
    monkeypatch.delenv(host_os.PLAIN, raising=False)
    monkeypatch.delenv("UV_THREADPOOL_SIZE", raising=False)
    host_os.loop_factory()
    assert int(os.environ["UV_THREADPOOL_SIZE"]) >= 32
    monkeypatch.setenv("UV_THREADPOOL_SIZE", "7")
    host_os.loop_factory()
    assert os.environ["UV_THREADPOOL_SIZE"] == "7"


def test_a_terminal_of_few_letters_is_no_reason_to_end() -> None:
    """What it cannot show is written as an escape."""
    text = "from hedge.daemon import host_os; host_os.print_any_text(); print('\u5bf9\u51b2 ok')"
    environment = dict(os.environ, PYTHONIOENCODING="latin-1")
    shown = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, check=True
    )
    assert shown.stdout == b"\\u5bf9\\u51b2 ok\n"


def test_a_signal_after_the_end_keeps_the_exit_code() -> None:
    """A process that is closing its links is asked once more: what it has reached stands."""
    code = (
        "import os, signal, time\n"
        "from hedge.daemon import host_os\n"
        "host_os.end_at_signals(lambda: os._exit(0))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=20, check=False)
    assert done.returncode == 0


def test_a_paper_run_is_started_again_on_its_own_exchange(tmp_path: Path) -> None:
    """Without `--paper` a start would look for an exchange that has ended with its run."""
    config = tmp_path / "config.yaml"
    config.touch()
    real = host_os.commands_for(str(config), "BTC")
    assert real.start == f"`{real.start_script} --market BTC --config {config}`"
    (tmp_path / host_os.PAPER_MARK).touch()
    play = host_os.commands_for(str(config))
    folder = f"--paper --keep --run-dir {tmp_path}"
    assert play.start == f"`{play.start_script} {folder}`"
    assert play.start_in("ETH") == f"`{play.start_script} --market ETH {folder}`"
    assert play.status.endswith(f"status --config {config}`")


def test_a_start_began_when_its_script_did() -> None:
    """Where that is told, in whatever way the locale writes it; else when the program was loaded.

    A moment that has yet to come is none.
    """
    loaded_s = host_os.began_s({})
    for text, began_s in (("17.25", 17.25), ("17,25", 17.25), ("", loaded_s), ("x", loaded_s)):
        assert host_os.began_s({host_os.BEGAN: text}) == began_s
    assert host_os.began_s({host_os.BEGAN: f"{loaded_s + 100}"}) == loaded_s
