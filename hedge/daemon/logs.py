"""One line per event: `2026-11-20 12:00:00.123+0800 [INFO] event key=value …`.

Local time with its offset, a rotated file per daemon, and the terminal, each written by a thread of
its own: a terminal that is held keeps no line out of the file, and neither holds up the loop. A
routine line costs some 60 us to format and write, as much as a step between a fill and its hedge:
inside a running event loop its thread is woken 50 ms later, when the hedge is done. A
warning wakes it at once; the end of the process waits a moment for what is queued.
"""

import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path

from hedge.config.schema import LoggingConfig, Secret
from hedge.daemon.line_writer import LineWriter
from hedge.daemon.log_file import LogFile
from hedge.daemon.terminal import FLUSH_S, Unblocked, writer_for

ROOT = "hedge"
_FILE_ONLY = "hedge_file_only"
_PLAIN = re.compile(r"[^\s=\"'\x00-\x1f\x7f\u2028\u2029]+")
_NOISY = ("redis", "websockets", "aiohttp", "asyncio", "urllib3")
_SHORTEST_SECRET = 4
LATER_S = 0.05
OPEN_S = 2.0
"""So long does a start wait for its log file; one that hangs is written to once it does not."""
_POLL_S = 0.02
HANGS_S = 5.0
_WRONG_PLACE = (PermissionError, NotADirectoryError, FileExistsError, IsADirectoryError)
"""What a start refuses; a full or broken disk is no mistake of the configuration."""


class Log:
    """Writes events with fields; the fields become `key=value`, quoted where needed.

    A `Secret` shows stars. `bind` returns a log that adds the same fields to every line.
    """

    __slots__ = ("_fields", "_logger")

    def __init__(self, name: str = "", fields: dict[str, object] | None = None) -> None:
        """Write through the logger `hedge` or `hedge.<name>`."""
        self._logger = logging.getLogger(f"{ROOT}.{name}" if name else ROOT)
        self._fields = fields or {}

    def bind(self, **fields: object) -> "Log":
        """Return a log with these fields on every line."""
        other = Log()
        other._logger = self._logger
        other._fields = {**self._fields, **fields}
        return other

    def debug(self, event: str, **fields: object) -> None:
        """Write what only a search for a fault needs: frames, ticks."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Write one transition or one fact."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Write what heals by itself but should not happen."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Write what a person must look at."""
        self._write(logging.ERROR, event, fields)

    def last_word(self, event: str, **fields: object) -> None:
        """Write an error into the file alone: the terminal is given its sentence itself."""
        said = _Line(event, {**self._fields, **fields})
        self._logger.log(logging.ERROR, said, extra={_FILE_ONLY: True})

    def exception(self, event: str, error: BaseException, **fields: object) -> None:
        """Write an error with its traceback."""
        self._write(logging.ERROR, event, fields, error)

    def _write(
        self,
        level: int,
        event: str,
        fields: dict[str, object],
        error: BaseException | None = None,
    ) -> None:
        logger = self._logger
        if logger.isEnabledFor(level):
            said = _Line(event, {**self._fields, **fields} if self._fields else fields)
            # The text is complete: no arguments, so that a % in it stays a %.
            logger.log(level, said, exc_info=error)


class _Line:
    """A line that is put into words when it is written."""

    __slots__ = ("_event", "_fields")

    def __init__(self, event: str, fields: dict[str, object]) -> None:
        self._event = event
        self._fields = fields

    def __str__(self) -> str:
        return line(self._event, self._fields)


def line(event: str, fields: dict[str, object]) -> str:
    """Return `event key=value …`; always one line."""
    parts = [event if "\n" not in event else json.dumps(event)]
    parts += [f"{key}={shown(value)}" for key, value in fields.items()]
    return " ".join(parts)


def shown(value: object) -> str:
    """Return a value as the log shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Enum):
        return shown(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        text = ",".join(shown(item) for item in value)
        return text if '"' not in text and text else json.dumps(text, ensure_ascii=False)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _text_of(record: logging.LogRecord) -> str:
    """Return what a record says; values that a lower layer has put into it are quoted as ours."""
    args = record.args
    if not (args and isinstance(record.msg, str) and record.name.partition(".")[0] == ROOT):
        return record.getMessage()
    values = args if isinstance(args, tuple) else (args,)
    told = tuple(one if isinstance(one, int | float) else shown(one) for one in values)
    return record.msg.replace("=%r", "=%s") % told


class _Formatter(logging.Formatter):
    """Adds the local time with milliseconds and offset, and hides the given secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # A value that is quoted has a quote in it escaped; the longest first: one may hold another.
        forms = {
            form for text in secrets for form in (text, json.dumps(text, ensure_ascii=False)[1:-1])
        }
        self._secrets = tuple(sorted(forms, key=len, reverse=True))
        self._known = (-1, "", "")

    def line(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with its line break; both writers ask for it."""
        known: str | None = record.__dict__.get("hedge_line")
        if known is None:
            known = f"{self.format(record)}\n"
            record.__dict__["hedge_line"] = known
        return known

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the library's name)
        """Return the line without a traceback."""
        return f"{record.__dict__['stamp']} [{record.levelname}] {_text_of(record)}"

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        known = self._known  # one look: another thread may replace it meanwhile
        if second != known[0]:
            local = time.localtime(second)
            date, offset = time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%z", local)
            self._known = known = (second, date, offset)
        record.stamp = f"{known[1]}.{int(record.msecs):03d}{known[2]}"
        text = super().format(record)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text


class _Queued(logging.Handler):
    """Hands records to the writers of file and terminal; neither can hold up the other, or us."""

    def __init__(self, formatter: _Formatter, writers: list[LineWriter]) -> None:
        """`writers`: that of the file first."""
        super().__init__()
        self._line = formatter.line
        self.writers = writers
        self._timed_in: asyncio.AbstractEventLoop | None = None

    def createLock(self) -> None:  # noqa: N802  (the library's name)
        """Nothing here needs a lock, and a signal may log in the middle of a record."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Queue a record."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        line, urgent = partial(self._line, record), record.levelno >= logging.WARNING
        for writer in self.writers[:1] if _FILE_ONLY in record.__dict__ else self.writers:
            writer.put(line, urgent=urgent)
        if not urgent:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # no loop in this thread: nothing is in a hurry
                pass
            else:
                if loop is not self._timed_in:  # else the first one has seen to the writing
                    self._timed_in = loop
                    loop.call_later(LATER_S, self._wake)
                return
        self._wake()

    def _wake(self) -> None:
        self._timed_in = None
        for writer in self.writers:
            writer.wake()

    def flush(self) -> None:
        """Write what is queued, waiting a moment at most."""
        until_s = time.monotonic() + FLUSH_S
        for mark in [writer.mark() for writer in self.writers if not writer.is_over]:
            mark.wait(until_s - time.monotonic())


@dataclass
class _Open:
    """What `setup_logging` has opened."""

    handler: _Queued
    file: LineWriter
    log: LogFile
    terminal: LineWriter | None
    """The writer of a terminal that has no stand-in; it ends with the log."""


_open: list[_Open] = []


def setup_logging(settings: LoggingConfig, name: str, secrets: Iterable[Secret] = ()) -> Path:
    """Send everything to `<dir>/<name>.log` and, if wanted, to the terminal; return the file.

    `secrets` are hidden even where a library puts them into its own text. Calling it again
    replaces the earlier set-up.

    Raises:
        OSError: no file can be there. A file that only cannot be written now is tried again.

    """
    path = Path(settings.dir) / f"{name}.log"
    hidden = [secret.reveal() for secret in secrets]
    formatter = _Formatter(text for text in hidden if len(text) >= _SHORTEST_SECRET)
    close_logging()
    log = LogFile(path, max_bytes=settings.max_mb * 1024 * 1024, keep=settings.keep)
    file = open_log(
        log,
        partial(_dropped_line, formatter),
        partial(_complain, path),
    )
    terminal = writer_for(sys.stderr) if settings.console else None
    handler = _Queued(formatter, [file] if terminal is None else [file, terminal])
    is_ours = not isinstance(sys.stderr, Unblocked)
    _open.append(_Open(handler, file, log, terminal if is_ours else None))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(settings.level)
    for library in _NOISY:
        logging.getLogger(library).setLevel(logging.WARNING)
    return path


def open_log(
    file: LogFile, say_dropped: Callable[[int], str], on_error: Callable[[OSError], None]
) -> LineWriter:
    """Return the writer of a log, once it is open; arguments as a `LineWriter` has them.

    One that hangs, or whose disk is full, is not waited for: what is written to it waits itself.

    Raises:
        OSError: no file can be there.

    """
    is_opened = False

    def tell(error: OSError) -> None:
        if is_opened or not isinstance(error, _WRONG_PLACE):  # else it is raised
            on_error(error)

    writer = LineWriter(file, name="log", say_dropped=say_dropped, on_error=tell)
    opened, until_s = writer.mark(), time.monotonic() + OPEN_S
    while not opened.wait(_POLL_S) and writer.error is None and time.monotonic() < until_s:
        pass
    error = writer.error  # the next look of the writer's thread may find another
    if isinstance(error, _WRONG_PLACE):
        writer.close(0)
        raise error
    is_opened = True
    return writer


def close_logging() -> None:
    """Write what is queued, for a moment at most, and close what `setup_logging` opened."""
    while _open:
        one = _open.pop()
        logging.getLogger().removeHandler(one.handler)
        one.handler.flush()
        one.handler.close()
        for writer in (one.file, one.terminal):
            if writer is not None:  # one that takes nothing was waited for already
                writer.close(FLUSH_S if writer.error is None and not writer.busy_s else 0)


def flush_logging() -> None:
    """Write what is queued, waiting a moment at most for what does not take it."""
    for one in _open:
        one.handler.flush()


def log_problem() -> str:
    """Return why the log cannot be written at the moment, "" where it can."""
    for one in _open:
        error, busy_s = one.file.error, one.file.busy_s
        if error is not None:
            return f"{one.log.path}: {error.strerror or error}"
        if busy_s >= HANGS_S:
            return f"{one.log.path}: it has taken nothing for {busy_s:.0f} s"
    return ""


def rotation_problem() -> str:
    """Return why the full log cannot be renamed, so that it grows on; "" where it can."""
    for one in _open:
        error = one.log.unrotated
        if error is not None:
            return f"{one.log.path}: {error.strerror or error}"
    return ""


def _complain(path: Path, error: OSError) -> None:
    print(f"{path} cannot be written: {error}", file=sys.stderr)  # noqa: T201


def _dropped_line(formatter: _Formatter, count: int) -> str:
    text = line("log_lines_dropped", {"count": count, "detail": f"{count} log lines dropped here"})
    return formatter.line(logging.LogRecord(ROOT, logging.WARNING, "", 0, text, None, None))
