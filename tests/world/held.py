"""A terminal that a person holds: Ctrl-S, a pager, a window that is not read."""

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Self

from hedge.launcher.processes import ROOT


class Terminal:
    """A terminal that is read until it is held, as by Ctrl-S, and never again."""

    def __init__(self) -> None:
        self.reader, self.writer = pty.openpty()

    def read(self) -> None:
        """Read what is there, so that a start is not stopped by it."""
        os.set_blocking(self.reader, False)
        with contextlib.suppress(BlockingIOError):
            while os.read(self.reader, 65536):
                pass

    def hold(self) -> None:
        """Fill it, through a descriptor of our own: the program's stays a blocking one."""
        own = os.open(os.ttyname(self.writer), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with contextlib.suppress(BlockingIOError):
            while os.write(own, b"x" * 512):
                pass
        os.close(own)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self.reader, self.writer):
            os.close(end)


@contextlib.contextmanager
def program(terminal: Terminal, *command: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a program on a terminal."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=terminal.writer,
        stderr=terminal.writer,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
