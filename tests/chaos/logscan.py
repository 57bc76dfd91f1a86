"""What the daemons' logs tell: how often each event was written, and by which B in which order."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

_LINE = re.compile(r"^(\d{4}-\d\d-\d\d [\d:.]+)([+-]\d{4}) \[(\w+)\] (.*)$")
_EVENT = re.compile(r"^([A-Za-z_]+(?: [a-z_]+)*?)(?= [a-z_]+=|$)")
_FIELD = re.compile(r"(\w+)=(\"(?:[^\"\\]|\\.)*\"|\S+)")


@dataclass(frozen=True, slots=True)
class Line:
    """One log line; `stamp` is local time, `epoch_s` the same moment by the daemon's clock."""

    stamp: str
    daemon: str
    level: str
    event: str
    text: str
    epoch_s: float = 0.0

    @property
    def fields(self) -> dict[str, str]:
        """The line's key=value pairs."""
        return dict(_FIELD.findall(self.text))


@dataclass(slots=True)
class Told:
    """What the logs tell in numbers."""

    events: Counter[str] = field(default_factory=Counter)
    resends: int = 0
    fences: int = 0
    take_overs: int = 0
    bugs: list[str] = field(default_factory=list)
    drifts: list[str] = field(default_factory=list)


def parse(daemon: str, text: str) -> list[Line]:
    """Return the lines of one daemon's log; what has no time of its own is left out."""
    lines = []
    for raw in text.splitlines():
        found = _LINE.match(raw)
        if found is None:
            continue
        stamp, zone, level, rest = found.groups()
        event = _EVENT.match(rest)
        word = event.group(1) if event else rest[:40]
        epoch_s = datetime.strptime(stamp + zone, "%Y-%m-%d %H:%M:%S.%f%z").timestamp()
        lines.append(Line(stamp, daemon, level, word, rest, epoch_s))
    return lines


def tell(lines: Iterable[Line]) -> Told:
    """Count what matters, over the logs of all daemons."""
    told, leader = Told(), ""
    for line in sorted(lines, key=lambda line: line.stamp):
        told.events[line.event] += 1
        told.resends += line.event == "no answer"
        told.fences += line.event == "fence passed"
        if line.event == "lease_taken" and line.daemon != "a":
            told.take_overs += leader not in ("", line.daemon)
            leader = line.daemon
        if line.event == "bug":
            told.bugs.append(f"{line.daemon} {line.text[:200]}")
        if line.event in ("drift_hedged", "drift_adopted"):
            told.drifts.append(f"{line.daemon} {line.text[:160]}")
    return told


def read(files: dict[str, Path]) -> list[Line]:
    """Return the lines of all logs; a daemon without a log has none."""
    return [
        line
        for daemon, file in files.items()
        if file.exists()
        for line in parse(daemon, file.read_text(encoding="utf-8", errors="replace"))
    ]
