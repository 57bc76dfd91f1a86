"""One Redis server: texts that expire, the commands that we use, and the product's scripts.

It answers what a real server answers, errors included, and knows nothing of a network. What it
stores are texts, so that the product's own readers judge them. `now` is seconds of any clock.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from hedge.bus.port import PairScope
from hedge.bus.scripts import HALT, LEASE, RELEASE, WRITE, LeaseMode, LeaseStatus, Script

UNDO_S = 30.0
SAVE_EVERY_S = 3.0
MOST_SAVES = 40
KEPT = 100

WORDS = {
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to "
    "persist to disk.",
}
"""What a server says that reads but refuses writes, by the first word of it."""


class Refused(Exception):  # noqa: N818  an answer of the server, no fault of the simulation
    """An error as the answer."""


class Unwritten:
    """A text that is not written before somebody looks at it: most are read as the value only."""

    __slots__ = ("_text", "name", "scope", "value")

    def __init__(self, value: Any, scope: PairScope, name: str) -> None:
        self.value, self.scope, self.name = value, scope, name
        self._text = ""

    def __str__(self) -> str:
        if not self._text:
            self._text = self.value.to_json(self.scope.spec, self.scope.seal(self.name))
        return self._text


class Value(NamedTuple):
    """What a key holds: a text, or something of another `kind`; and until when."""

    text: str | Unwritten
    until: float | None = None
    kind: str = "string"


class Table(NamedTuple):
    """What a script reads in a JSON object."""

    instance: str | None
    host: str | None


@lru_cache(maxsize=4096)
def table_of(text: str) -> Table | None:
    """Decode a text as the scripts do; None where it is no object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        return Table(None, None)
    if not isinstance(found, dict):
        return None
    instance, host = found.get("instance"), found.get("host")
    return Table(
        instance if isinstance(instance, str) else None,
        host if isinstance(host, str) else None,
    )


Publish = Callable[[str, str | Unwritten, str], None]
"""Carries a message (channel, text, mark) to who subscribed."""


@dataclass
class Server:
    """One server; `publish` carries its messages, `clock` says its time in seconds."""

    clock: Callable[[], float]
    publish: Publish
    values: dict[str, Value] = field(default_factory=dict)
    streams: dict[str, deque[str]] = field(default_factory=dict)
    refuses: str = ""
    """First word of what it answers to every write, "" while it accepts them."""
    unmet: str = ""
    """Which kind of misfortune its refusals are, until a process has met one."""
    marks: dict[str, str] = field(default_factory=dict)
    """Which kind of misfortune brought about what a key holds, or lacks, now."""
    wrote: Callable[[str, str | Unwritten], None] = lambda key, text: None
    """Hears of every text that a client stores."""
    _undo: deque[tuple[float, str, Value | None]] = field(default_factory=deque)
    _saves: list[tuple[float, dict[str, Value]]] = field(default_factory=list)
    _saved_at: float = -SAVE_EVERY_S

    # --- what the world does to it ------------------------------------------------------------

    def get(self, key: str) -> str | None:
        """Return the text of a key, None where it is absent or no text."""
        text = self.held(key)
        return None if text is None else str(text)

    def held(self, key: str) -> str | Unwritten | None:
        """Return the text of a key as it was left, written or not."""
        value = self._value(key)
        return value.text if value is not None and value.kind == "string" else None

    def put(self, key: str, value: Value, mark: str = "") -> None:
        """Store a value, whatever the server refuses to clients."""
        now = self.clock()
        self._note(now, key)
        self.values[key] = value
        self._mark(key, mark)
        if now >= self._saved_at + SAVE_EVERY_S:
            self._save(now)

    def drop(self, key: str, mark: str = "") -> None:
        """Lose a key."""
        self._note(self.clock(), key)
        self.values.pop(key, None)
        self._mark(key, mark)

    @property
    def odd(self) -> bool:
        """Whether any key holds something that is no text."""
        for value in self.values.values():  # noqa: SIM110  asked at each reading
            if value.kind != "string":
                return True
        return False

    def wipe(self, mark: str = "") -> None:
        """Lose everything at once."""
        for key in list(self.values):
            self.drop(key, mark)

    def roll_back(self, seconds: float, mark: str = "") -> None:
        """Lose the last writes: go on with what was there so many seconds ago."""
        since, before = self.clock() - seconds, dict(self.values)
        while self._undo and self._undo[-1][0] > since:
            _, key, value = self._undo.pop()
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        self._mark_changed(before, mark)

    def restore(self, saved: dict[str, Value], mark: str = "") -> None:
        """Start from an old dump; what has expired since is not loaded."""
        before, now = dict(self.values), self.clock()
        for key in list(self.values):
            self._note(now, key)
        self.values = {
            key: value for key, value in saved.items() if value.until is None or value.until > now
        }
        self._mark_changed(before, mark)

    def dumps(self) -> list[dict[str, Value]]:
        """Return the dumps that were saved, oldest first."""
        return [values for _, values in self._saves]

    def copy(self) -> "Server":
        """Return a replica as of now."""
        return Server(
            self.clock,
            self.publish,
            dict(self.values),
            {name: deque(kept, KEPT) for name, kept in self.streams.items()},
            marks=dict(self.marks),
            wrote=self.wrote,
            _undo=deque(self._undo),
            _saves=list(self._saves),
            _saved_at=self._saved_at,
        )

    def _mark_changed(self, before: dict[str, Value], mark: str) -> None:
        for key in {**before, **self.values}:
            if before.get(key) != self.values.get(key):
                self._mark(key, mark)

    def _mark(self, key: str, mark: str) -> None:
        if mark:
            self.marks[key] = mark
        elif self.marks:
            self.marks.pop(key, None)

    def _note(self, now: float, key: str) -> None:
        undo = self._undo
        undo.append((now, key, self.values.get(key)))
        while undo[0][0] < now - UNDO_S:
            undo.popleft()

    def _save(self, now: float) -> None:
        self._saved_at = now
        self._saves.append((now, dict(self.values)))
        if len(self._saves) > MOST_SAVES:
            del self._saves[1::2]  # the older they are, the wider apart

    def _value(self, key: str) -> Value | None:
        value = self.values.get(key)
        if value is None or (value.until is not None and value.until <= self.clock()):
            return None
        return value

    # --- commands -----------------------------------------------------------------------------

    def execute(self, command: Sequence[Any]) -> Any:
        """Run one command. Raises Refused where the answer is an error."""
        name = command[0]
        if name == "EVALSHA":
            count = int(command[2])
            keys = [str(key) for key in command[3 : 3 + count]]
            return _SCRIPTS[str(command[1])](self, keys, command[3 + count :])
        run: Callable[..., Any] | None = _COMMANDS.get(str(name))
        if run is None:
            raise Refused(f"ERR unknown command '{name}'")
        return run(self, *command[1:])

    def _check_write(self, *, needs_memory: bool = True) -> None:
        if self.refuses and (needs_memory or self.refuses != "OOM"):
            raise Refused(WORDS[self.refuses])

    def _mget(self, *keys: str) -> list[str | Unwritten | None]:
        now, values = self.clock(), self.values
        return [
            value.text
            if (value := values.get(key)) is not None
            and value.kind == "string"
            and (value.until is None or value.until > now)
            else None
            for key in keys
        ]

    def _type(self, key: str) -> str:
        value = self._value(key)
        if value is not None:
            return value.kind
        return "stream" if key in self.streams else "none"

    def _set(self, key: str, text: str | Unwritten, unit: str = "", ttl: int | str = 0) -> str:
        self._check_write()
        until = self.clock() + int(ttl) / 1000 if unit == "PX" else None
        self.streams.pop(key, None)
        self.put(key, Value(text, until))
        self.wrote(key, text)
        return "OK"

    def _del(self, key: str) -> int:
        self._check_write(needs_memory=False)
        was = self._type(key) != "none"
        self.streams.pop(key, None)
        self.drop(key)
        return int(was)

    def _publish(self, channel: str, text: str | Unwritten) -> int:
        self.publish(channel, text, "")
        return 0  # how many heard it: we do not ask

    def _scan(self, _: str, __: str, pattern: str, *___: Any) -> list[Any]:
        """Find keys; of the patterns only those that end in "*" with "?" for one character."""
        head = pattern.removesuffix("*")

        def fits(key: str) -> bool:
            return len(key) >= len(head) and all(
                want in ("?", has) for want, has in zip(head, key, strict=False)
            )

        return ["0", [key for key in self.values if fits(key) and self._value(key) is not None]]

    # --- scripts ------------------------------------------------------------------------------

    def _raw(self, key: str) -> str | None:
        """Read a key as the scripts do: "" for what is no text, None for what is absent."""
        value = self._value(key)
        if value is None:
            return "" if key in self.streams else None
        return str(value.text) if value.kind == "string" else ""

    def _checked(self, key: str, arguments: Sequence[Any]) -> tuple[LeaseStatus, str]:
        raw = self._raw(key)
        holder = table_of(raw) if raw else None
        mode = LeaseMode(arguments[3])
        if holder is None or holder.instance is None or holder.host is None:
            return (LeaseStatus.LAPSED if mode is LeaseMode.HELD else LeaseStatus.FREE), ""
        assert raw is not None
        if holder.instance == arguments[0]:
            return LeaseStatus.HELD, raw
        if mode is LeaseMode.HOST and holder.host == arguments[1]:
            return LeaseStatus.HOST, raw
        return LeaseStatus.OTHER, raw

    def _take(self, key: str, arguments: Sequence[Any]) -> None:
        self._set(key, arguments[4], "PX", arguments[2])

    def _lease(self, keys: list[str], arguments: Sequence[Any]) -> list[str]:
        status, raw = self._checked(keys[0], arguments)
        if status not in (LeaseStatus.OTHER, LeaseStatus.LAPSED):
            self._take(keys[0], arguments)
        return [status.value, raw, ""]

    def _release(self, keys: list[str], arguments: Sequence[Any]) -> int:
        holder = table_of(self._raw(keys[0]) or "")
        return self._del(keys[0]) if holder and holder.instance == arguments[0] else 0

    def _write(self, keys: list[str], arguments: Sequence[Any]) -> list[str]:
        status, raw = self._checked(keys[0], arguments)
        if status in (LeaseStatus.OTHER, LeaseStatus.LAPSED):
            return [status.value, raw, ""]
        if status is LeaseStatus.FREE:
            self._take(keys[0], arguments)
        sets, told = int(arguments[6]), int(arguments[7])
        for key, text in zip(keys[1 : 1 + sets], arguments[8 : 8 + sets], strict=True):
            self._set(key, text)
        note = ""
        for number, stream in enumerate(keys[1 + sets : 1 + sets + told]):
            at = 8 + sets + number * 3
            note = self._keep(stream, arguments[at + 2]) or note
            self._publish(arguments[at + 1], arguments[at + 2])
        return [status.value, raw, note]

    def _halt(self, keys: list[str], arguments: Sequence[Any]) -> list[Any]:
        raw = self._raw(keys[0])
        seen = hashlib.sha1(raw.encode(), usedforsecurity=False).hexdigest() if raw else ""
        if arguments[1]:
            if seen != arguments[0]:
                return [0, raw or "", seen, ""]
            self._set(keys[0], arguments[1])
        note = ""
        if len(arguments) > 2:
            note = self._keep(keys[1], arguments[5])
            self._publish(arguments[4], arguments[5])
        return [1, "", "", note]

    def _keep(self, stream: str, text: str) -> str:
        """Add to a stream; return its complaint where it refuses."""
        if self._value(stream) is not None:
            return "WRONGTYPE Operation against a key holding the wrong kind of value"
        if self.refuses:
            return WORDS[self.refuses]
        self.streams.setdefault(stream, deque(maxlen=KEPT)).append(text)
        return ""


_COMMANDS: dict[str, Callable[..., Any]] = {
    "MGET": Server._mget,
    "SET": Server._set,
    "DEL": Server._del,
    "TYPE": Server._type,
    "SCAN": Server._scan,
    "PUBLISH": Server._publish,
}

_RUN: dict[Script, Callable[[Server, list[str], Sequence[Any]], Any]] = {
    LEASE: Server._lease,
    RELEASE: Server._release,
    WRITE: Server._write,
    HALT: Server._halt,
}
_SCRIPTS = {script.digest: run for script, run in _RUN.items()}
