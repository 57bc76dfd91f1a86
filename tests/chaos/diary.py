"""What happened when: one growing list of entries with times, and a file of the same."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening: `at_s` after the storm began (negative before), and its own fields.

    `mono_s` is the same moment on the machine's monotonic clock.
    """

    at_s: float
    what: str
    fields: dict[str, Any]
    mono_s: float = 0.0


class Diary:
    """Keeps entries in order of time and writes each at once."""

    def __init__(self, path: Path, say: Callable[[str], None] = print) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._say = say
        self._zero = time.monotonic()
        self.entries: list[Entry] = []

    def start_clock(self) -> None:
        """Let the storm begin now."""
        self._zero = time.monotonic()

    def now_s(self) -> float:
        """Return the seconds since the storm began."""
        return time.monotonic() - self._zero

    def note(self, what: str, **fields: Any) -> None:
        """Write one entry."""
        mono_s = time.monotonic()
        entry = Entry(round(mono_s - self._zero, 3), what, fields, mono_s)
        self.entries.append(entry)
        local = datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
        row = {"at_s": entry.at_s, "time": local, "what": what, **fields}
        self._file.write(json.dumps(row, default=str) + "\n")
        self._file.flush()

    def say(self, text: str) -> None:
        """Print one line of progress."""
        self._say(f"{self.now_s():7.1f} s  {text}")

    def of(self, what: str) -> list[Entry]:
        """Return the entries of one sort."""
        return [entry for entry in self.entries if entry.what == what]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
