"""The one launcher of a pair on this host: its lock, how it stands, and how it is asked to stop."""

import contextlib
import json
import math
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hedge.config.schema import AccountConfig, Config
from hedge.daemon import stop_request
from hedge.daemon.file_lock import FileLock, holder_of, is_held
from hedge.daemon.host_os import commands_for
from hedge.daemon.host_store import LOCK_FILE
from hedge.errors import AlreadyRunningError
from hedge.launcher import decisions
from hedge.launcher.processes import ROOT, Running

_RECORD = "launcher.json"
LOG = "launcher.log"
START_LOCK = "start.lock"
_AT_WORK = "The pair is just being started or stopped."


@dataclass(frozen=True, slots=True)
class Record:
    """How a launcher stands: `run` names it, `running` is the exit code of a start that is done.

    `code` is its own exit code, None while it works. `owes_a`: it started an A
    of which it is not seen that it left, so an order may rest.
    """

    run: str
    running: int | None = None
    code: int | None = None
    owes_a: bool = False


class Journal:
    """Keeps how this launcher stands, for the other consoles."""

    def __init__(self, desk: "Desk", run: str) -> None:
        """Begin with a launcher of this name that works."""
        self._desk, self._record = desk, Record(run)
        self.keep()

    def keep(self, **changes: Any) -> None:
        """Write the record with these changes."""
        self._record = replace(self._record, **changes)
        self._desk.write(self._record)

    def end(self, code: int, *, has_a_left: bool) -> None:
        """Write the exit code, and whether an A that was started may have left an order."""
        self.keep(code=code, owes_a=self._record.owes_a and not has_a_left)


class Desk:
    """The directory of one pair's launcher; use it as a context manager to be that launcher."""

    def __init__(self, config: Config, began_s: float = math.inf) -> None:
        """Name the directory; nothing is touched before the block is entered.

        `began_s` (epoch s) is when this start began: what was asked since then is asked of it.
        """
        self._config = config
        self._began_s = began_s
        accounts = (config.accounts.account_a, config.accounts.account_b)
        self._accounts = dict(zip(decisions.SIDES, accounts, strict=True))
        numbers = "-".join(str(one.account_index) for one in accounts)
        root = ROOT / config.state.dir
        self.path = root / f"launcher-{config.lighter.chain_id}-{numbers}"
        self.log = ROOT / config.logging.dir / LOG
        self._lock = FileLock(self.path / LOCK_FILE)
        self._start_lock = FileLock(self.path / START_LOCK)

    def __enter__(self) -> Self:
        """Become the launcher. Raises AlreadyRunningError, OSError."""
        self._make()
        if not self._lock.acquire():
            raise AlreadyRunningError(self.refusal() or _AT_WORK)
        # One that came too late for the launcher before; one to this start may be there already.
        stop_request.forget_old(self.path, self._began_s)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Be it no more."""
        self._lock.release()

    def _make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextlib.contextmanager
    def starting(self) -> Generator[None, None, None]:
        """Be the start that waits for a launcher in the background.

        Raises AlreadyRunningError, OSError.
        """
        self._make()
        if not self._start_lock.acquire():
            raise AlreadyRunningError(self.refusal() or _AT_WORK)
        try:
            yield
        finally:
            self._start_lock.release()

    # --- what runs here

    @property
    def is_starting(self) -> bool:
        """Whether a start waits for its launcher in the background."""
        return is_held(self._start_lock.path)

    @property
    def is_at_work(self) -> bool:
        """Whether a launcher of this pair is at work, or is just being started."""
        return self.is_starting or self.is_taken

    @property
    def was_used(self) -> bool:
        """Whether a daemon of the pair has ever had its state here."""
        return any(any(self.directory_of(name).glob("host.*")) for name in decisions.SIDES)

    @property
    def is_taken(self) -> bool:
        """Whether a launcher of this pair is at work."""
        return is_held(self._lock.path)

    @property
    def pid(self) -> int | None:
        """The process id that it wrote, or that the start of it wrote, for showing."""
        return holder_of(self._lock.path) or holder_of(self._start_lock.path)

    def directory_of(self, name: str) -> Path:
        """Return the state directory of one daemon."""
        return directory_of(self._config, self._accounts[name])

    def living(self) -> dict[str, Running]:
        """Return the daemons of this pair that run on this host, by name; also those by hand."""
        found = {name: Running(name, self.directory_of(name)) for name in decisions.SIDES}
        return {name: one for name, one in found.items() if one.poll() is None}

    def refusal(self, *, in_background: bool = False) -> str | None:
        """Return why a start is refused, None where it is not.

        A launcher `in_background` is what another start waits for.
        """
        living = {name: one.pid for name, one in self.living().items()}
        refusal = decisions.refusal_to_start(living, commands_for(self._config.file))
        if refusal is None and (self.is_taken if in_background else self.is_at_work):
            return decisions.launcher_at_work(self.pid)
        return refusal

    # --- between launcher and other consoles

    def ask(self) -> None:
        """Ask the launcher to stop the pair, also one that has yet to load. Raises OSError."""
        self._make()
        stop_request.ask(self.path)

    @property
    def is_asked(self) -> bool:
        """Whether it was asked and has not seen that."""
        return stop_request.is_asked(self.path)

    def taken_request(self) -> bool:
        """Whether it was asked since the last call."""
        return stop_request.taken(self.path)

    def write(self, record: Record) -> None:
        """Keep how this launcher stands; what reads it does without where the disk is full."""
        path = self.path / _RECORD
        temporary = path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
            temporary.replace(path)

    def read(self) -> Record | None:
        """Return how the newest launcher stands, or stood; None where that is not known."""
        try:
            return Record(**json.loads((self.path / _RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def directory_of(config: Config, account: AccountConfig) -> Path:
    """Return the state directory of the daemon that signs for this account."""
    key = f"{config.lighter.chain_id}-{account.account_index}-{account.api_key_index}"
    return ROOT / config.state.dir / key
