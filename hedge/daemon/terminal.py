"""The terminal of a program that must not wait for it: what is printed goes through a writer.

`unblock` puts stand-ins in the place of `sys.stdout` and `sys.stderr`, so that nothing in the
process that prints (our own sentences, a library's warning, a traceback) can be held by Ctrl-S.
"""

import contextlib
import io
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TextIO

from hedge.daemon.line_writer import LineWriter

FLUSH_S = 1.0
"""So long does the end of a process wait for a terminal that takes nothing."""
_ASK_AGAIN_S = 1.0


class StreamSink:
    """A terminal, a pipe or a file that was opened for us: it is written to, and never closed.

    One whose reader went away is no reason to stop: what is written to it is lost.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to what is behind `stream`, passing by its buffer and the lock of that."""
        self._stream = stream
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)
        self._raw: Any = raw if isinstance(raw, io.RawIOBase) else None
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def encode(self, text: str) -> bytes:
        """Put a text into bytes; no character that the terminal does not know ends the program."""
        return text.encode(self._encoding, "backslashreplace")

    def write(self, data: bytes) -> int:
        """Write some of it."""
        try:
            if self._raw is None:  # a stand-in without a file: it holds nothing up
                self._stream.write(data.decode(self._encoding))
                self._stream.flush()
                return len(data)
            written = self._raw.write(data)
        except (OSError, ValueError):  # its reader is gone, or it is closed
            return len(data)
        if written is None:  # another program that shares it has made it non-blocking
            select.select([], [self._raw], [], _ASK_AGAIN_S)
            return 0
        return int(written)

    def look(self) -> None:
        """A terminal needs no care."""


class Unblocked(io.TextIOBase):
    """Stands for a stream of the process; a line is put into the writer once it is whole."""

    def __init__(self, stream: TextIO, writer: LineWriter) -> None:
        """`writer` writes to `stream`, perhaps beside another one for the same terminal."""
        self.stream = stream
        self.writer = writer
        self._part = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The terminal's own."""
        return self.stream.encoding

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take a text; it never waits."""
        self._part += text
        if "\n" in self._part:
            whole, _, self._part = self._part.rpartition("\n")
            self._put(f"{whole}\n")
        return len(text)

    def flush(self) -> None:
        """Give a line that is not whole to the writer too."""
        part, self._part = self._part, ""
        if part:
            self._put(part)

    def isatty(self) -> bool:
        """Whether a terminal is behind it."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The descriptor behind it."""
        return self.stream.fileno()

    def _put(self, text: str) -> None:
        self.writer.put(text, urgent=True)
        self.writer.wake()


class Answering(io.TextIOBase):
    """Stands for the output of a command that answers and ends: what it cannot write is lost.

    It waits for its reader, as a command may; one that has gone, or a full disk, is remembered.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`, which is flushed at every line."""
        self.stream = stream
        self.error: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's own."""
        return self.stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What becomes of characters that the stream does not know."""
        return self.stream.errors

    @property
    def why_lost(self) -> str:
        """Why something was not written, "" where all was, or its reader has gone."""
        if self.error is None or isinstance(self.error, BrokenPipeError):
            return ""
        return self.error.strerror or str(self.error)

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write a text, or remember why not."""
        try:
            self.stream.write(text)
            if "\n" in text:
                self.stream.flush()
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Write what is not written, or remember why not."""
        try:
            self.stream.flush()
        except OSError as error:
            self._lose(error)

    def isatty(self) -> bool:
        """Whether a terminal is behind it."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The descriptor behind it."""
        return self.stream.fileno()

    def _lose(self, error: OSError) -> None:
        """Let what is left of it go nowhere: the interpreter writes that once more at its end."""
        self.error = self.error or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self.stream.fileno())
        finally:
            os.close(nowhere)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Let no output that is not taken end what a command does, or change its exit code.

    A full disk is said at the end, where complaints go.
    """
    before = sys.stdout, sys.stderr
    for name, stream in zip(("stdout", "stderr"), before, strict=True):
        if stream is not None:  # else it was closed before we began
            setattr(sys, name, Answering(stream))
    try:
        yield
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Answering):
                stream.flush()
        if why := why_lost():
            print(f"The output could not be written: {why}.", file=sys.stderr)  # noqa: T201
    finally:
        sys.stdout, sys.stderr = before


def why_lost() -> str:
    """Why some of the output of a command that is `answering` is lost, "" where nothing is."""
    return sys.stdout.why_lost if isinstance(sys.stdout, Answering) else ""


def writer_for(stream: TextIO) -> LineWriter:
    """Return the writer behind a stream, a new one for a stream that has none."""
    if isinstance(stream, Unblocked):
        return stream.writer
    return LineWriter(StreamSink(stream), name="terminal", say_dropped=_dropped_here)


def unblock() -> None:
    """Let nothing that this process prints wait for its terminal any more."""
    if isinstance(sys.stderr, Unblocked):
        return
    if hasattr(signal, "SIGTTOU"):  # `stty tostop`: a line from the background would stop us
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    writers: dict[object, LineWriter] = {}
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # it was closed before we began
            continue
        place = _place_of(stream)
        if place not in writers:
            writers[place] = writer_for(stream)
        setattr(sys, name, Unblocked(stream, writers[place]))


def flush(wait_s: float = FLUSH_S) -> None:
    """Write what was printed, waiting at most so long."""
    until_s = time.monotonic() + wait_s
    streams = list(_unblocked())
    for stream in streams:
        stream.flush()
    for mark in [stream.writer.mark() for stream in streams]:
        mark.wait(until_s - time.monotonic())


def leave(work: Callable[[], int], before: Callable[[], None] = lambda: None) -> NoReturn:
    """End this process with the exit code that `work` returns; it waits for no thread.

    One of them may hang in a name server, a disk or a terminal. `before` is called before that.
    """
    try:
        code = work()
    except SystemExit as end:  # a help text, or a wrong option
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001  as the interpreter would
        traceback.print_exc()
        code = 1
    before()
    flush()
    os._exit(code)


def held_s() -> float:
    """How long the terminal has taken nothing, 0 while it does."""
    return max((stream.writer.busy_s for stream in _unblocked()), default=0.0)


def _unblocked() -> Iterator[Unblocked]:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Unblocked):
            yield stream


def _place_of(stream: TextIO) -> object:
    """Name the file behind a stream: two descriptors of one terminal are one place."""
    with contextlib.suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return status.st_dev, status.st_ino, status.st_rdev
    return id(stream)


def _dropped_here(count: int) -> str:
    return f"({count} lines dropped here: the terminal did not take them)\n"
