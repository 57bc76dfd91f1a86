"""What a host keeps for itself: the lock, its id, its books, its halts.

One directory per chain, account and API key. Whoever holds its lock is the only process of this
host that signs with the key; the kernel lets the lock go when the process dies, however it dies.
The host id says in a lease which host holds it: a new process of the same host may take the lease
over at once, because it has the lock.
"""

import contextlib
import json
import logging
import os
import platform
import re
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeGuard

from hedge.core.ids import instance_bits
from hedge.daemon.file_lock import FileLock, holder_of
from hedge.daemon.file_slots import Done, FileSlots
from hedge.errors import AlreadyRunningError, ConfigError
from hedge.wire.codec import MessageRefusedError
from hedge.wire.control import Halts, parse_halts, unreadable

_log = logging.getLogger(__name__)

LOCK_FILE = "lock"
_KEY_NAME = re.compile("([0-9]+)-([0-9]+)-([0-9]+)")
_HALTS = "halt"
_SECOND_HALT = "halt-behind"
"""Where version 1 kept a halt that had to wait for another one."""

OPEN_S = 20.0
"""A disk that has not stored a line for so long when it is opened cannot be written to."""
CLOSE_S = 3.0
"""So long does the end of a process wait for a disk that does not answer."""
_held_to_the_end: list[FileLock] = []
"""Locks of directories to which a thread that hangs may still write."""

_ID_BYTES = 6
_MAX_BRACKETS = 20_000


class HostState:
    """The locked state directory of one key; use it as a context manager.

    `host_id` stays the same for ever, `instance` is new for every process: 12 hexadecimal digits
    whose low 12 bits differ from those of the process before.
    """

    def __init__(
        self,
        root: Path | str,
        chain_id: int,
        account: int,
        api_key: int,
        former_root: str = "",
        *,
        works_as: str = "",
    ) -> None:
        """Name the directory; nothing is touched before `open`.

        `former_root` is where an earlier version kept it, "" where that is the same place;
        `works_as` is written into the lock: for which pair this process works, on which Redis.
        """
        name = f"{chain_id}-{account}-{api_key}"
        self.path = Path(root) / name
        self._works_as = works_as
        self.key = (chain_id, account, api_key)
        self._former = Path(former_root) / name if former_root else None
        self.host_id = ""
        self.instance = ""
        self.former_instance = ""
        """The process of this directory before this one, "" where none is known."""
        self.unwritable = ""
        """Why nothing could be stored here when it was opened, "" where it could."""
        self._lock: FileLock | None = None
        self._files = FileSlots(self.path)
        self._known: dict[str, dict[str, Any] | None] | None = None
        self._halts = Halts()

    def __enter__(self) -> Self:
        """Lock the directory."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the lock go."""
        self.close()

    @property
    def former_with_state(self) -> Path | None:
        """Where an earlier version has left state of this key, None where it has not."""
        former = self._former
        return former if former is not None and _holds_state(former) else None

    def open(self) -> None:
        """Lock the directory, making it if needed, and choose this process's instance.

        State that lies where an earlier version kept it is moved here first, and that is logged.
        A directory that is there and cannot be written to is locked all the same: `unwritable`.

        Raises:
            AlreadyRunningError: another process has the lock.
            ConfigError: the directory cannot be used, or the earlier one cannot be left alone.

        """
        if (former := self.former_with_state) is not None:
            self._take_over(former)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unusable(self.path, error) from error
        self._lock = _locked(self.path, self._works_as)
        self._read_all()
        self._identify()

    def _read_all(self) -> None:
        """Read everything that is stored: from here on a look at it asks no disk."""
        self._files = FileSlots(self.path)
        self._known = None
        self._known = {name: self.read(name) for name in self._names_on_disk()}
        self._halts = _halts_of(self.path)

    def _take_over(self, former: Path) -> None:
        """Move the earlier state here. Raises AlreadyRunningError, ConfigError.

        Where both hold state this one counts: it is what the runs since then have written. A halt
        that only the earlier one knows is not passed over.
        """
        if _holds_state(self.path):
            if _knows_halt(former, self.path):
                raise ConfigError(
                    f"{former} holds a halt of this account and key, {self.path} none: both hold "
                    "state. If the halt is still to be obeyed copy its halt.json to "
                    f"{self.path}; else move {former} away.",
                    "state.dir",
                )
            _log.warning("earlier state ignored in=%s used=%s", former, self.path)
            return
        lock = _locked(former)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.path.is_dir():
                (self.path / LOCK_FILE).unlink(missing_ok=True)
                self.path.rmdir()
            if sys.platform == "win32":  # what is open there cannot be renamed
                lock.release()
            former.rename(self.path)
        except OSError as error:
            raise ConfigError(
                f"state.dir: the state of this account and key lies in {former} and belongs in "
                f"{self.path} (relative to the configuration's folder); it cannot be moved "
                f"({error.strerror}): move it by hand.",
                "state.dir",
            ) from error
        finally:
            lock.release()
        _log.warning("state moved from=%s to=%s", former, self.path)

    def close(self) -> None:
        """Store what is not stored yet, for a moment at most, and let the lock go.

        Where the disk hangs the end of the process lets it go: a write may still come.
        """
        has_ended = self._files.close(CLOSE_S)
        lock, self._lock, self._known = self._lock, None, None
        if lock is not None and has_ended:
            lock.release()
        elif lock is not None:
            _held_to_the_end.append(lock)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the stored object `name`, None when it is missing or cannot be read.

        What cannot be read is said in the log. The disk is asked only where this is not open.
        """
        if self._known is not None:
            found = self._known.get(name)
            return None if found is None else dict(found)
        path = self.path / f"{name}.json"
        try:
            return _parsed(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s cannot be read and counts as absent: %s", path, error)
            return None

    def names(self) -> tuple[str, ...]:
        """Return the names of all stored objects, in order."""
        if self._known is not None:
            return tuple(sorted(self._known))
        return self._names_on_disk()

    def _names_on_disk(self) -> tuple[str, ...]:
        return tuple(sorted(file.stem for file in self.path.glob("*.json")))

    def idle_siblings(self) -> tuple["HostState", ...]:
        """Return the states of other keys beside this one that no process of this host uses."""
        found = []
        for directory in sorted(self.path.parent.iterdir()):
            name = _KEY_NAME.fullmatch(directory.name)
            if name is None or directory == self.path or not _holds_state(directory):
                continue
            with contextlib.suppress(AlreadyRunningError, ConfigError):
                _locked(directory).release()
                chain_id, account, api_key = map(int, name.groups())
                found.append(HostState(self.path.parent, chain_id, account, api_key))
        return tuple(found)

    def exists(self, name: str) -> bool:
        """Whether something is stored under this name, readable or not."""
        if self._known is not None:
            return name in self._known
        return os.path.lexists(self.path / f"{name}.json")

    # --- what is kept; the disk is written by another thread, and tried again until it is

    def write(self, name: str, value: Mapping[str, Any], *, durable: bool = False) -> None:
        """Store an object, whole or not at all; `durable`: so that it survives a power cut."""
        if self._known is not None:
            self._known[name] = dict(value)
        self._files.put(name, json.dumps(value, separators=(",", ":")), durable=durable)

    def delete(self, name: str) -> None:
        """Forget a stored object; one that cannot be deleted is said, and tried again."""
        if self._known is not None:
            self._known.pop(name, None)
        self._files.put(name, None)

    async def stored(self, *names: str, wait_s: float) -> bool:
        """Wait until the newest of these objects are stored, at most so long; whether they are."""
        return await self._files.stored(names, wait_s)

    def flush(self, wait_s: float = CLOSE_S) -> bool:
        """Wait until everything is stored, or could not be, at most so long; whether all is."""
        return self._files.flush(wait_s)

    @property
    def problem(self) -> str:
        """Why something is not stored at the moment, "" where all is, or is about to be."""
        return self._files.problem

    @property
    def halts_problem(self) -> str:
        """Why the halts given last are not stored, "" where they are, or are about to be."""
        return self._files.problem_of(_HALTS)

    def read_halts(self) -> Halts:
        """Return the halts of this host, and what was released; also as version 1 kept them.

        What cannot be read is a halt.
        """
        return self._halts if self._known is not None else _halts_of(self.path)

    def keep_halts(self, halts: Halts, done: Done) -> None:
        """Store both sets so that they survive a power cut.

        `done` is called, in the running loop, with True once they are, with False once they could
        not be: then they are tried again, until others are given.
        """

        def stored(is_stored: bool) -> None:  # noqa: FBT001  a `Done`
            if is_stored:
                self._have_stored(halts)
            done(is_stored)

        self._files.put(_HALTS, halts.to_json(), durable=True, done=stored)

    def write_halts(self, halts: Halts) -> bool:
        """Store both sets, and wait for that; return whether they are stored.

        For tools: it holds up a loop that runs.
        """
        self._files.put(_HALTS, halts.to_json(), durable=True)
        if not self._files.flush(CLOSE_S):
            return False
        self._have_stored(halts)
        return True

    def _have_stored(self, halts: Halts) -> None:
        self._halts = halts
        if self.exists(_SECOND_HALT):
            self.delete(_SECOND_HALT)

    def _identify(self) -> None:
        known = self.read("host") or {}
        host_id, last = known.get("host_id"), known.get("instance")
        place = f"{platform.node()}:{self.path.resolve()}"
        # A directory that was copied to another host must not speak for this one.
        is_ours = known.get("place") == place
        self.host_id = host_id if is_ours and _is_hex(host_id) else secrets.token_hex(_ID_BYTES)
        self.former_instance = last if _is_hex(last) else ""
        self.instance = secrets.token_hex(_ID_BYTES)
        while _is_hex(last) and instance_bits(self.instance) == instance_bits(last):
            self.instance = secrets.token_hex(_ID_BYTES)
        self.write(
            "host",
            {
                "host_id": self.host_id,
                "place": place,
                "instance": self.instance,
                "started": int(time.time()),
            },
            durable=True,
        )
        if not self._files.flush(OPEN_S):
            self.unwritable = self._files.problem or f"{self.path} does not answer"


def _holds_state(directory: Path) -> bool:
    """Whether a process has kept something here; a lock alone is nothing."""
    try:
        return any(entry.suffix == ".json" for entry in directory.iterdir())
    except OSError:
        return False


def _halts_of(directory: Path) -> Halts:
    """Read the halts that are kept in a directory; what cannot be read is a halt."""
    return _halts_in(directory / f"{_HALTS}.json").union(
        _second_halt(directory / f"{_SECOND_HALT}.json")
    )


def _halts_in(path: Path) -> Halts:
    text = ""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8", "surrogateescape")
        return parse_halts(data.decode())
    except FileNotFoundError:
        return Halts()
    except (OSError, UnicodeDecodeError, MessageRefusedError) as error:
        return unreadable(text, str(path), error)


def _second_halt(path: Path) -> Halts:
    """Read the halt that waited; it stopped B, whose it was."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        return parse_halts(str(_parsed(text).get("halt")))
    except FileNotFoundError:
        return Halts()
    except (OSError, ValueError, RecursionError, MessageRefusedError) as error:
        return unreadable(text, str(path), error, side="b")


def _knows_halt(former: Path, now: Path) -> bool:
    """Whether the former directory holds a halt in force, and the one of now none."""
    known = _halts_of(now)
    left = [halt for halt in _halts_of(former).in_force if halt.id not in known.released]
    return bool(left) and not known.in_force


def _unusable(directory: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"state.dir: {directory} cannot be used ({error.strerror}); "
        "choose another directory, or correct its owner.",
        "state.dir",
    )


def _locked(directory: Path, note: str = "") -> FileLock:
    """Return the lock of a directory, held. Raises AlreadyRunningError, ConfigError."""
    lock = FileLock(directory / LOCK_FILE, note)
    try:
        is_ours = lock.acquire()
    except OSError as error:
        raise _unusable(directory, error) from error
    if not is_ours:
        holder = holder_of(lock.path)
        raise AlreadyRunningError(
            f"another process{f' (pid {holder})' if holder else ''} of this host already runs "
            f"this account and key ({directory}); stop it first.",
            is_on_host=True,
        )
    return lock


def _parsed(text: str) -> dict[str, Any]:
    """Return the object in a text. Raises ValueError or RecursionError."""
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise ValueError("nested too deep")  # it could break the parser, and the process
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  a wrong text, no wrong call
    return value


def _is_hex(text: object) -> TypeGuard[str]:
    if not isinstance(text, str) or not text:
        return False
    with contextlib.suppress(ValueError):
        return bytes.fromhex(text) != b""
    return False
