"""One line per event: `2026-11-20 12:00:00.123+0800 [INFO] event key=value …`.

Local time with its offset, a rotated file per daemon, and the terminal. A routine line costs some
60 us to format and write, as much as a step between a fill and its hedge: inside a running event
loop it is written a few ms later, when the hedge is on its way. A warning, the end of the loop and
the end of the process write everything at once; only a kill can cost the lines of the last ms.
"""

import asyncio
import contextlib
import json
import logging
import logging.handlers
import os
import re
import sys
import time
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from pathlib import Path

from hedge.config.schema import LoggingConfig, Secret

ROOT = "hedge"
_PLAIN = re.compile(r"[^\s=\"'\x00-\x1f\x7f\u2028\u2029]+")
_NOISY = ("redis", "websockets", "aiohttp", "asyncio", "urllib3")
_SHORTEST_SECRET = 4
LATER_S = 0.004


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


class _Formatter(logging.Formatter):
    """Adds the local time with milliseconds and offset, and hides the given secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(stamp)s [%(levelname)s] %(message)s")
        self._secrets = tuple(secrets)
        self._second = -1
        self._date = self._offset = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            local = time.localtime(second)
            self._date = time.strftime("%Y-%m-%d %H:%M:%S", local)
            self._offset = time.strftime("%z", local)
            self._second = second
        record.stamp = f"{self._date}.{int(record.msecs):03d}{self._offset}"
        text = super().format(record)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """Looks at the file's size instead of formatting every line once more to know it."""

    _is_said = False

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802, ARG002 (the library's name)
        """Whether the file has reached its size; the last line may have gone beyond it."""
        if self.stream is None:
            return False
        return os.fstat(self.stream.fileno()).st_size >= self.maxBytes

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 (the library's name)
        """Say once on the terminal that the log cannot be written; the program goes on."""
        if not self._is_said:
            self._is_said = True
            reason = sys.exception()
            print(f"{self.baseFilename} cannot be written: {reason}", file=sys.stderr)  # noqa: T201


class _Later(logging.Handler):
    """Holds routine records of a running event loop back for a moment, and keeps their order."""

    def __init__(self, targets: list[logging.Handler]) -> None:
        super().__init__()
        self.targets = targets
        self._held: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._held.append(record)
        if record.levelno < logging.WARNING:
            if len(self._held) > 1:
                return  # the first one has seen to the writing
            try:
                asyncio.get_running_loop().call_later(LATER_S, self.flush)
            except RuntimeError:  # no loop in this thread: nobody waits
                pass
            else:
                return
        self.flush()

    def flush(self) -> None:
        with self.lock or contextlib.nullcontext():
            held, self._held = self._held, []
            for record in held:
                for target in self.targets:
                    target.handle(record)

    def close(self) -> None:
        self.flush()
        for target in self.targets:
            target.close()
        super().close()


def setup_logging(settings: LoggingConfig, name: str, secrets: Iterable[Secret] = ()) -> Path:
    """Send everything to `<dir>/<name>.log` and, if wanted, to the terminal; return the file.

    `secrets` are hidden even where a library puts them into its own text. Calling it again
    replaces the earlier set-up.
    """
    directory = Path(settings.dir)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.log"
    hidden = [secret.reveal() for secret in secrets]
    formatter = _Formatter(text for text in hidden if len(text) >= _SHORTEST_SECRET)
    handlers: list[logging.Handler] = [
        _RotatingFile(
            path,
            maxBytes=settings.max_mb * 1024 * 1024,
            backupCount=settings.keep,
            encoding="utf-8",
            errors="backslashreplace",
        )
    ]
    if settings.console:
        handlers.append(logging.StreamHandler())
    root = logging.getLogger()
    close_logging()
    for handler in handlers:
        handler.setFormatter(formatter)
    root.addHandler(_Later(handlers))
    root.setLevel(settings.level)
    for library in _NOISY:
        logging.getLogger(library).setLevel(logging.WARNING)
    return path


def close_logging() -> None:
    """Close what `setup_logging` opened."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _Later):
            root.removeHandler(handler)
            handler.close()
