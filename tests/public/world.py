"""The world of one recording: the start script's pair on a paper exchange, and who watches it."""

import contextlib
import hashlib
import json
import math
import re
import signal
import socket
import subprocess
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.waiting import eventually_sync
from tests.world.warm import environment

Json = dict[str, Any]
T = TypeVar("T")
Wanted = Callable[[Any], bool]

START_S = 60.0
STOP_S = 60.0
POLL_S = 0.05
TIMEOUT_S = 10.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LEASE = re.compile(r"hedge:lease:\d+:\d+:\d+")
_INSTANCE = re.compile(r":[0-9a-f]{8,}$")
_PAIR = re.compile(r"^hedge:other[a-z-]*:")


def place_of(name: str) -> str:
    """Return a name on Redis with words in the place of what is different in every run."""
    if _LEASE.fullmatch(name):
        return "hedge:lease:{chain}:{account}:{key}"
    return _PAIR.sub("hedge:{pair}:", _INSTANCE.sub(":{instance}", name))


def parsed(text: str) -> Any:
    """Return the JSON value of a text; one that is none stands for itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def linked(root: Path, folder: Path) -> Path:
    """Return a folder that shows the checkout at `root`, with a .venv that is prepared already.

    The start script installs the requirements where its stamp is missing: here it finds one, and
    whatever it writes stays in `folder`.
    """
    venv = folder / ".venv"
    venv.mkdir(parents=True)
    for entry in root.iterdir():
        if entry.name not in {".venv", ".git", "run", "logs"}:
            (folder / entry.name).symlink_to(entry)
    for entry in (root / ".venv").iterdir():
        if not entry.name.startswith("."):
            (venv / entry.name).symlink_to(entry)
    wanted = b"".join(
        (root / name).read_bytes() for name in ("requirements.txt", "constraints.txt")
    )
    stamp = hashlib.sha256(wanted).hexdigest()
    (venv / ".requirements.sha256").write_text(f"{stamp}\n", encoding="utf-8")
    return folder


class Script:
    """One command of the outside that runs on, its output read as it comes."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [str(item) for item in arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs; its children end with it."""
        if error is not None:
            error.add_note("\n".join(self.lines[-40:]))
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def told(self, what: Callable[[], T]) -> T:
        """Return `what()`; an AssertionError where the command has ended."""
        assert self.process.poll() is None, f"it ended with {self.process.returncode}"
        return what()

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end, and return the exit code."""
        code = self.process.wait(STOP_S)
        self._reader.join()
        return code


@dataclass
class Seen:
    """All values that one key has had, oldest first, and the longest life that it was given."""

    values: list[Any] = field(default_factory=list)
    kind: str = ""
    ttl_s: int | None = None


class Watch:
    """Hears every message of `hedge:*`, and looks at every key again and again."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.keys: dict[str, Seen] = defaultdict(Seen)
        self._port = port
        self._looks = 0
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._hear, self._look)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        if not self._ready.wait(TIMEOUT_S):
            raise AssertionError("no subscription to hedge:*")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def client(self) -> redis.Redis:
        """Return a client of our own; close it."""
        return redis.Redis(
            host="127.0.0.1", port=self._port, decode_responses=True, retry=Retry(NoBackoff(), 0)
        )

    # --- what was seen

    def message(self, place: str, wanted: Wanted) -> Any | None:
        """Return the first message of a channel that is wanted, None while there is none."""
        there = (value for name, value in self.messages if name == place)
        return next((value for value in there if _is_wanted(value, wanted)), None)

    def value(self, place: str, wanted: Wanted) -> Any | None:
        """Return the first value of a key that is wanted, None while there is none."""
        there = list(self.keys[place].values)
        return next((value for value in there if _is_wanted(value, wanted)), None)

    def look_again(self) -> None:
        """Wait until all that stands in Redis now was looked at."""
        looks = self._looks
        until(lambda: self._looks > looks + 1, "another look at the keys")

    def newest(self, place: str) -> Any | None:
        """Return the newest value of a key."""
        values = self.keys[place].values
        return values[-1] if values else None

    # --- threads

    def _hear(self) -> None:
        client = self.client()
        listener = client.pubsub()
        with contextlib.closing(client), contextlib.closing(listener):
            listener.psubscribe("hedge:*")
            while not self._stop.is_set():
                item = listener.get_message(timeout=POLL_S)
                if item is not None and item["type"] == "psubscribe":
                    self._ready.set()
                elif item is not None:
                    self.messages.append((place_of(item["channel"]), parsed(item["data"])))

    def _look(self) -> None:
        with contextlib.closing(self.client()) as client:
            while not self._stop.wait(POLL_S):
                names = [str(name) for name in client.scan_iter("hedge:*", count=1000)]
                first, second = client.pipeline(), client.pipeline()
                for name in names:
                    first.pttl(name).type(name)
                lives_kinds = first.execute()
                kinds = [str(kind) for kind in lives_kinds[1::2]]
                for name, kind in zip(names, kinds, strict=True):
                    second.xrange(name) if kind == "stream" else second.get(name)
                for found in zip(names, lives_kinds[::2], kinds, second.execute(), strict=True):
                    self._note(*found)
                self._looks += 1

    def _note(self, name: str, life_ms: int, kind: str, content: Any) -> None:
        if content is None:
            return  # it has just ended
        seen = self.keys[place_of(name)]
        seen.kind = kind
        if kind == "stream":
            seen.values = [row for _, row in content]
        elif not seen.values or seen.values[-1] != parsed(content):
            seen.values.append(parsed(content))
        if life_ms > 0:
            seen.ttl_s = max(seen.ttl_s or 0, math.ceil(life_ms / 1000))


def _is_wanted(value: Any, wanted: Wanted) -> bool:
    """Whether a value is wanted; one that lacks what is asked for is not."""
    try:
        return wanted(value)
    except (AttributeError, KeyError, TypeError):
        return False


class Exchange:
    """The admin calls of the paper exchange."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def call(self, path: str, body: Json | None = None, method: str | None = None) -> Json:
        """Send one request and return the answer. Raises OSError for a refusal."""
        request = urllib.request.Request(
            self.base_url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            decoded: Json = json.load(answer)
        return decoded

    def register(self, account: int, key_index: int, public_key: str) -> None:
        """Make a key the account's."""
        body = {"account_index": account, "api_key_index": key_index, "public_key": public_key}
        self.call("/paper/keys", body)


@dataclass(frozen=True)
class Place:
    """Where a running pair is: its exchange, its Redis and its files."""

    exchange: Exchange
    redis_port: int
    key_index: int
    config: Path
    values: Json

    @classmethod
    def of(cls, config: Path, values: Json) -> "Place":
        """Return the place that a configuration describes."""
        return cls(
            exchange=Exchange(values["lighter"]["base_url"]),
            redis_port=values["redis"]["port"],
            key_index=values["accounts"]["account_b"]["api_key_index"],
            config=config,
            values=values,
        )

    @property
    def folder(self) -> Path:
        """The directory of the run."""
        return self.config.parent


def read_config(file: Path) -> Json | None:
    """Return the configuration that the start script writes, None while it is not complete."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError):
        return None
    return values if isinstance(values, dict) and "logging" in values else None


def write_config(file: Path, values: Json) -> Path:
    """Write a configuration that may hold keys."""
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return file


def until(condition: Callable[[], T], what: str, timeout_s: float = START_S) -> T:
    """Wait for a condition."""
    return eventually_sync(condition, timeout_s, what)


def own_files(folder: Path) -> Json:
    """Return the sections that make a configuration's state and logs its own."""
    return {
        "state": {"dir": str(folder / "state")},
        "logging": {"dir": str(folder / "logs"), "console": False},
    }
