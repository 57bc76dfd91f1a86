"""The journal: every input of the engine, written before it takes effect.

One JSON line per input, after a header line that names what the replay depends on. A line is with
the operating system before the engine goes on, so it survives kill -9 of the process (it is not
synced to the disk). A torn last line, which nobody was told about, is cut off.

    journal = Journal(directory, header_of(engine))     # JournalError: one sentence for the user
    if not journal.restore(engine, on_events):          # False: the journal is new
        engine.add_account(...)                         # recorded from here on
    ...
    journal.close()
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paper.engine import Engine, Entry
from paper.errors import AdminError, TxRejected
from paper.records import EngineEvent

VERSION = 2
FILE_NAME = "journal.jsonl"
_EVENT_BATCH = 1_000
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
"""Windows would write two bytes for each line end, and lose count, without O_BINARY."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class JournalError(Exception):
    """The state directory cannot be used; the text is one sentence for the user."""


def header_of(engine: Engine) -> dict[str, Any]:
    """Return what must be the same for a replay to give the same state."""
    markets = [asdict(market) for _, market in sorted(engine.markets.items())]
    return {
        "journal": VERSION,
        "tier": str(engine.tier),
        "chain_id": engine.chain_id,
        "markets": markets,
    }


def _dumps(value: object) -> bytes:
    return _encode(value).encode() + b"\n"


class Journal:
    """One open journal file in a state directory."""

    def __init__(self, directory: Path, header: dict[str, Any]) -> None:
        """Open or create the journal; JournalError if it belongs to another configuration."""
        self.path = directory / FILE_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, _OPEN, 0o600)
        except OSError as error:
            raise JournalError(f"cannot use the state directory {directory}: {error}") from error
        try:
            self._lock()
            self._size = self._cut_torn_line()
            if self._size == 0:
                self._write(_dumps(header))
            self._check_header(header)
        except BaseException:
            self.close()
            raise

    def restore(
        self, engine: Engine, on_events: Callable[[list[EngineEvent]], None] | None = None
    ) -> bool:
        """Replay the journal into a new engine and record its inputs from then on.

        Hands the events of the replay to `on_events` (or drops them), never keeping many. Returns
        whether there was anything to replay.
        """
        count = 0
        with self.path.open("rb") as lines:
            next(lines)
            for number, line in enumerate(lines, start=2):
                self._apply(engine, line, number)
                count += 1
                if count % _EVENT_BATCH == 0:
                    _drain(engine, on_events)
        _drain(engine, on_events)
        engine.recorder = self.append
        return count > 0

    def append(self, entry: Entry) -> None:
        """Write one input; if that fails, the file is as before and OSError is raised."""
        self._write(_dumps(entry))

    def close(self) -> None:
        """Close the file; later calls do nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(line)

    def _lock(self) -> None:
        """Refuse a journal that another process has open (where the platform can tell)."""
        try:
            import fcntl  # noqa: PLC0415 - not on Windows
        except ImportError:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(f"another process uses {self.path}") from error

    def _cut_torn_line(self) -> int:
        """Cut what follows the last newline; return the size of the file."""
        size = os.fstat(self._fd).st_size
        keep = size
        with self.path.open("rb") as file:
            while keep:
                start = max(0, keep - 65_536)
                file.seek(start)
                found = file.read(keep - start).rfind(b"\n")
                if found >= 0:
                    keep = start + found + 1
                    break
                keep = start
        if keep != size:
            os.ftruncate(self._fd, keep)
        return keep

    def _check_header(self, header: dict[str, Any]) -> None:
        with self.path.open("rb") as lines:
            try:
                found = json.loads(next(lines))
            except ValueError as error:
                raise JournalError(f"{self.path} is not a journal of this program") from error
        if not isinstance(found, dict) or found.get("journal") != VERSION:
            raise JournalError(f"{self.path} is not a journal of this version of the program")
        for name, wanted in json.loads(_dumps(header)).items():
            if found.get(name) != wanted:
                detail = f"{found.get(name)}, not {wanted}" if name != "markets" else "others"
                raise JournalError(
                    f"{self.path} was made with another {name} ({detail}); "
                    "start with the same, or choose another state directory"
                )

    def _apply(self, engine: Engine, line: bytes, number: int) -> None:
        try:
            engine.apply(json.loads(line))
        except (ValueError, TypeError, KeyError, AdminError, TxRejected) as error:
            raise JournalError(f"{self.path} line {number} cannot be replayed: {error}") from error


def _drain(engine: Engine, on_events: Callable[[list[EngineEvent]], None] | None) -> None:
    events = engine.drain_events()
    if on_events is not None:
        on_events(events)
