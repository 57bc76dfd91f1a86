"""How a daemon is asked to stop: signals that count once, and a file that any console can write."""

import asyncio
import os
from pathlib import Path

import pytest

from hedge.daemon import stop_request
from hedge.daemon.stop_request import AGAIN_S, TELL_S, Stopper


class Calls:
    """A stopper whose clock is moved by hand; remembers what it did."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.done: list[str | int] = []
        self.due: list[tuple[float, object]] = []
        self.stopper = Stopper(
            stop=lambda: self.done.append("stop"),
            tell_open=lambda: self.done.append("told"),
            leave=self.done.append,
            now_s=lambda: self.now_s,
            later=lambda seconds, call: self.due.append((seconds, call)),
        )

    def signal(self, after_s: float = 0.0) -> list[str | int]:
        """Send a signal after so many seconds; return all that was done so far."""
        self.now_s += after_s
        self.stopper.on_signal()
        return self.done


def test_a_signal_that_is_passed_on_is_the_same_request() -> None:
    """Within 2 s of the first one nothing more happens, however often it comes (27)."""
    calls = Calls()
    for _ in range(5):
        calls.signal(0.05)
    assert calls.signal(AGAIN_S - 0.3) == ["stop"]


def test_a_second_signal_counts_after_the_line_alone() -> None:
    """The first that comes later lets the line be said; only after it one ends the process."""
    calls = Calls()
    calls.signal()
    assert calls.signal(AGAIN_S) == ["stop", "told"]
    assert calls.signal(0.1) == ["stop", "told", 5]


def test_a_stop_that_lasts_says_what_is_open_by_itself() -> None:
    """After 8 s, once; the next signal counts."""
    calls = Calls()
    calls.signal()
    ((after_s, call),) = calls.due
    assert after_s == TELL_S
    call()  # type: ignore[operator]
    call()  # type: ignore[operator]
    assert calls.done == ["stop", "told"]
    assert calls.signal(TELL_S) == ["stop", "told", 5]


def test_a_request_by_file_is_a_first_one_only() -> None:
    """Repeated it never ends the process."""
    calls = Calls()
    for _ in range(3):
        calls.stopper.request()
        calls.now_s += 10
    assert calls.done == ["stop"]


async def test_a_file_asks_once_and_is_gone(tmp_path: Path) -> None:
    """Written again it asks again, which changes nothing at the stopper."""
    asked = asyncio.Event()
    following = stop_request.Following(tmp_path, asked.set)
    for _ in range(2):
        asked.clear()
        stop_request.ask(tmp_path)
        await asyncio.wait_for(asked.wait(), 5)
        assert not stop_request.taken(tmp_path)
    following.end()


@pytest.mark.parametrize(("age_s", "stays"), [(-3600.0, False), (3600.0, True)])
def test_a_request_for_an_earlier_process_is_forgotten(
    tmp_path: Path, age_s: float, stays: bool
) -> None:
    """One that came since this process began counts, though it was not looking yet."""
    stop_request.forget_old(tmp_path)
    stop_request.ask(tmp_path)
    path = tmp_path / stop_request.STOP_FILE
    when = path.stat().st_mtime + age_s
    os.utime(path, (when, when))
    stop_request.forget_old(tmp_path)
    assert stop_request.taken(tmp_path) is stays
    assert not stop_request.taken(tmp_path)


def test_what_cannot_be_removed_is_still_a_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory of that name, say; the reason is in the log."""
    (tmp_path / stop_request.STOP_FILE / "x").mkdir(parents=True)
    assert stop_request.taken(tmp_path)
    assert "cannot be removed" in caplog.text
