"""Lines for what may hang: nothing waits, what does not fit is counted, the order stays."""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from hedge.daemon import terminal
from hedge.daemon.line_writer import LineWriter
from tests.waiting import eventually_sync


class Slow:
    """A sink that waits while it is held, and refuses while it is broken."""

    def __init__(self) -> None:
        self.written = b""
        self.free = threading.Event()
        self.free.set()
        self.error: OSError | None = None
        self.most = 1_000_000

    def encode(self, text: str) -> bytes:
        return text.encode()

    def write(self, data: bytes) -> int:
        self.free.wait()
        if self.error is not None:
            raise self.error
        self.written += data[: self.most]
        return len(data[: self.most])

    def look(self) -> None:
        """Nothing."""

    @property
    def lines(self) -> list[str]:
        return self.written.decode().splitlines()


@pytest.fixture
def slow() -> Iterator[Slow]:
    """A sink; nothing waits for it after the test."""
    made = Slow()
    yield made
    made.error = None
    made.free.set()


def writer_of(slow: Slow, most_lines: int = 10) -> LineWriter:
    return LineWriter(
        slow, name="test", say_dropped=lambda count: f"{count} dropped\n", most_lines=most_lines
    )


def test_what_does_not_fit_is_counted_where_it_is_missing(slow: Slow) -> None:
    """The queue is bounded; one line stands in the place of what was dropped."""
    writer = writer_of(slow)
    slow.free.clear()
    writer.put("first\n")
    writer.wake()
    eventually_sync(lambda: writer.busy_s > 0)
    for number in range(25):
        writer.put(f"{number}\n")
    slow.free.set()
    assert writer.mark().wait(5)
    writer.put("last\n")
    assert writer.close(5)
    assert slow.lines == ["first", *map(str, range(10)), "15 dropped", "last"]


def test_urgent_lines_still_fit(slow: Slow) -> None:
    """Some room is left for warnings in a queue full of routine."""
    writer = writer_of(slow)
    slow.free.clear()
    writer.put("first\n")
    writer.wake()
    eventually_sync(lambda: writer.busy_s > 0)
    for number in range(12):
        writer.put(f"{number}\n")
    writer.put("warning\n", urgent=True)
    slow.free.set()
    assert writer.close(5)
    assert slow.lines[-2:] == ["2 dropped", "warning"]


def test_an_end_waits_for_a_moment_only(slow: Slow) -> None:
    """What hangs is left alone."""
    writer = writer_of(slow)
    slow.free.clear()
    writer.put("first\n")
    assert not writer.mark().wait(0.05)
    assert not writer.close(0.05)
    assert not writer.is_over


def test_what_was_refused_is_written_later_and_once(slow: Slow) -> None:
    """A disk that takes the half of a line, and then none for a while."""
    errors: list[OSError] = []
    writer = LineWriter(slow, name="test", say_dropped=str, on_error=errors.append)
    slow.most = 3
    slow.error = OSError(errno.ENOSPC, "full")
    for text in ("one\n", "two\n"):
        writer.put(text)
    writer.wake()
    eventually_sync(lambda: writer.error is not None)
    writer.wake()
    slow.error = None
    writer.wake()
    eventually_sync(lambda: writer.error is None)
    assert writer.close(5)
    assert slow.lines == ["one", "two"]
    assert len(errors) == 1


def test_a_line_that_cannot_be_shown_ends_nothing(slow: Slow) -> None:
    """Its place says so."""
    writer = writer_of(slow)

    def broken() -> str:
        raise KeyError("x")

    writer.put(broken)
    writer.put("next\n")
    assert writer.close(5)
    assert slow.lines == ["a line could not be put into words: KeyError('x')", "next"]


def test_what_is_put_from_within_is_no_deadlock(slow: Slow) -> None:
    """A signal's handler or a destructor may log in the middle of a line."""
    writer = writer_of(slow)
    with writer._lock:
        writer.put("inner\n")
    assert writer.close(5)
    assert slow.lines == ["inner"]


# --- the terminal -----------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A pipe as standard output and error: what reads it, and what is written to."""
    before = signal.getsignal(signal.SIGTTOU)
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        yield reader, stream
    signal.signal(signal.SIGTTOU, before)


def test_printing_never_waits_for_a_reader(
    pipe: tuple[int, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither print nor a traceback; both streams share one queue where they are one place."""
    reader, stream = pipe
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    terminal.unblock()
    for number in range(200):
        print(number, "x" * 1000)
        print("error", number, file=sys.stderr)
    terminal.flush(0.05)
    assert terminal.held_s() > 0
    text = b""
    while b"error 199\n" not in text:
        text += os.read(reader, 65536)
    lines = text.decode().splitlines()
    assert lines[::2] == [f"{number} {'x' * 1000}" for number in range(200)]
    assert lines[1::2] == [f"error {number}" for number in range(200)]
    os.close(reader)


def test_a_reader_that_went_away_is_no_error(
    pipe: tuple[int, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed then is lost."""
    reader, stream = pipe
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    terminal.unblock()
    os.close(reader)
    print("to no reader")
    terminal.flush(5)
    assert terminal.held_s() == 0
    assert signal.getsignal(signal.SIGTTOU) is signal.SIG_IGN  # `stty tostop` would stop us


def test_a_terminal_that_another_program_made_non_blocking(
    pipe: tuple[int, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says EAGAIN when it is full: no line is lost, and none is there twice."""
    reader, stream = pipe
    os.set_blocking(stream.fileno(), False)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    terminal.unblock()
    for number in range(200):
        print(number, "x" * 1000)
    terminal.flush(0.05)
    text = b""
    while text.count(b"\n") < 200:
        text += os.read(reader, 65536)
    assert text.decode().splitlines() == [f"{number} {'x' * 1000}" for number in range(200)]
    os.close(reader)
