"""What a pair stands on where nothing is real: an exchange, keys, configurations, daemons.

The one starter for `--paper`, tests, bench and chaos. Redis is `embedded_redis`; the processes are
`Child`ren, so nothing outlives the process that started it.
"""

import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from hedge.errors import ExchangeUnreachableError
from hedge.exchange.lighter import sdk
from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.paper_admin import PaperAdmin
from hedge.launcher.processes import Child

ACCOUNT_A, ACCOUNT_B = 280459, 280458
"""Accounts that every paper exchange has from its first start."""
API_KEY_INDEX = 4
MARKET = "ETH"

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_POLL_S = 0.01
_READY = re.compile(r"ready on (http://\S+) (ws://\S+)")

Json = dict[str, Any]


class PaperExchange:
    """One `python -m paper` process, from start to start the same exchange where it keeps a state.

    `port` 0 means any; after the first start it stays the same.
    """

    def __init__(
        self,
        output: Path,
        *,
        port: int = 0,
        tier: str = "instant",
        seed: int = 1,
        market: bool = True,
        state_dir: Path | None = None,
        extra: Iterable[str] = (),
    ) -> None:
        """Describe the process; nothing runs before `start` or `spawn`.

        `output` gets what it prints, `market` False means a book without a live market,
        `extra` are further arguments.
        """
        self.output = output
        self.port = port
        self.child: Child | None = None
        self._arguments = ["--tier", tier, "--seed", str(seed), *extra]
        if not market:
            self._arguments.append("--no-market")
        if state_dir is not None:
            self._arguments += ["--state", str(state_dir)]

    @property
    def base_url(self) -> str:
        """The REST address, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address of the streams."""
        return f"ws://{LOOPBACK}:{self.port}/stream"

    @property
    def admin(self) -> PaperAdmin:
        """Its admin calls."""
        return PaperAdmin(self.base_url)

    @property
    def pid(self) -> int:
        """The process id of the one that runs, or ran last."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self.child is not None and self.child.poll() is None

    @property
    def process(self) -> Child:
        """The process that runs. Raises RuntimeError where none was started."""
        if self.child is None:
            msg = "the paper exchange is not started"
            raise RuntimeError(msg)
        return self.child

    def spawn(self) -> Child:
        """Start the process without waiting; `is_ready` says when it serves."""
        command = [sys.executable, "-m", "paper", "--port", str(self.port), *self._arguments]
        self.child = Child("paper", command, output=self.output)
        return self.child

    def is_ready(self) -> bool:
        """Whether it has printed its ready line; `port` is the real one from then on."""
        match = _READY.search(self.printed())
        if match is None:
            return False
        self.port = int(match[1].rpartition(":")[2])
        return True

    def start(self) -> Self:
        """Start the process and return once it serves.

        Raises:
            ExchangeUnreachableError: it ended, or did not serve in time.

        """
        child = self.spawn()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if child.poll() is not None or time.monotonic() > deadline:
                child.kill()
                msg = f"the paper exchange did not start: {child.last_words()}"
                raise ExchangeUnreachableError(msg)
            time.sleep(_POLL_S)
        return self

    def printed(self) -> str:
        """Return what the process that runs, or ran last, has printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Ask the process to stop and return its exit code, 0 where none runs.

        Raises:
            TimeoutError: it did not stop in time and was killed.

        """
        child, self.child = self.child, None
        if child is None:
            return 0
        child.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (code := child.poll()) is None:
            if time.monotonic() > deadline:
                child.kill()
                msg = f"the paper exchange did not stop within {STOP_TIMEOUT_S:g} s"
                raise TimeoutError(msg)
            time.sleep(_POLL_S)
        return code

    def kill(self) -> None:
        """End the process at once."""
        child, self.child = self.child, None
        if child is not None:
            child.kill()


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the paper exchange with an API key of ours; keys are hex without 0x."""

    index: int
    private_key: str
    public_key: str
    key_index: int = API_KEY_INDEX


def open_account(admin: PaperAdmin, index: int, *, is_new: bool = False) -> Account:
    """Register a fresh API key for an account, which is added first where it `is_new`."""
    if is_new:
        admin.add_account(index, f"0xpaper{index}")
    private, public = sdk.new_api_key()
    admin.register_key(index, API_KEY_INDEX, public)
    return Account(index, private, public)


def pair_values(
    a: Account,
    b: Account,
    *,
    redis: Mapping[str, Any],
    base_url: str,
    ws_url: str,
    folder: Path,
    sides: str = "ab",
) -> Json:
    """Return the configuration of a pair that keeps its state and logs in `folder`.

    `sides` are those whose private key it holds. It is a fresh tree: change it as needed.
    """
    accounts = {
        f"account_{side}": {
            "account_index": account.index,
            "api_key_index": account.key_index,
            **({"api_key_private_key": account.private_key} if side in sides else {}),
        }
        for side, account in (("a", a), ("b", b))
    }
    return {
        "market": MARKET,
        "accounts": accounts,
        "redis": dict(redis),
        "lighter": {"base_url": base_url, "ws_url": ws_url},
        "strategy": {},
        "state": {"dir": str(folder / "state")},
        "logging": {"dir": str(folder / "logs"), "console": False},
    }


def write_config(file: Path, values: Json, head: str = "") -> Path:
    """Write a configuration that only its owner may read, and return its path."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(head + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return file


def put(values: Json, key: str, value: object) -> None:
    """Set a dotted key of a configuration; None takes it away."""
    *path, last = key.split(".")
    for part in path:
        values = values.setdefault(part, {})
    if value is None:
        values.pop(last, None)
    else:
        values[last] = value


def spawn_daemon(side: str, config: Path, output: Path, extra: Iterable[str] = ()) -> Child:
    """Start main_A.py or main_B.py (`side` "a" or "b"); `output` gets what it prints."""
    name = f"main_{side.upper()}"
    command = [sys.executable, f"{name}.py", "--config", str(config), *extra]
    return Child(name, command, output=output)
