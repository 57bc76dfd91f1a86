"""What a system does not offer is done the plain way, which can be forced."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hedge import host_os


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


@pytest.mark.usefixtures("plain")
def test_the_plain_ways_use_nothing_special() -> None:
    """The standard loop, children that outlive us, no look into /proc."""
    assert host_os.loop_factory() is None
    assert host_os.die_with_parent() is None
    assert host_os.command_line(os.getpid()) is None


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

    host_os.on_stop_signals(loop, stop)
    for number in (signal.SIGTERM, signal.SIGHUP):
        done.clear()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await done.wait()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.remove_signal_handler(number)
    assert asked == [loop, loop]


def test_processes_are_told_from_numbers() -> None:
    """We run and our command line shows it; a child that was waited for runs no more."""
    assert host_os.is_running(os.getpid())
    line = host_os.command_line(os.getpid())
    assert line is not None
    assert "python" in line
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not host_os.is_running(child.pid)
    assert host_os.command_line(child.pid) == ""
