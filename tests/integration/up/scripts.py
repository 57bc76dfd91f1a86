"""The start and stop scripts as processes, and the configuration of a pair on this host."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

from hedge.daemon.file_lock import holder_of
from hedge.launcher.paper_admin import PaperAdmin
from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B
from tests.waiting import eventually_sync

ROOT = Path(__file__).resolve().parents[3]


class Script:
    """One `python -m hedge.launcher …`, its output read as it comes."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hedge.launcher", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    @property
    def text(self) -> str:
        """Everything printed so far."""
        return "\n".join(self.lines)

    def says(self, words: str, timeout_s: float = 60.0) -> None:
        """Wait until it has printed `words`."""
        eventually_sync(
            lambda: words in self.text or self.process.poll() is not None,
            timeout_s,
            f"{words!r} in the output",
        )
        assert words in self.text, self.text

    def children(self) -> list[psutil.Process]:
        """Every process under it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, script: str) -> int:
        """The process id of one daemon."""
        return next(child.pid for child in self.children() if script in " ".join(child.cmdline()))

    def close(self) -> None:
        """End it and what it started, where a test has failed."""
        if self.process.poll() is None:
            family = self.children()
            self.process.kill()
            for child in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        self.ends()

    def ends(self, timeout_s: float = 90.0) -> int:
        """Wait for its exit code; its output is complete then."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def script(*arguments: str) -> Iterator[Script]:
    """Run the script; whatever it leaves behind fails the test and is ended."""
    running = Script(*arguments)
    family: list[psutil.Process] = []
    try:
        yield running
        running.ends()
    finally:
        if running.process.poll() is None:
            family = running.children()
            running.process.kill()
        running.ends()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def all_gone(family: list[psutil.Process], timeout_s: float = 20.0) -> bool:
    """Whether every process of a family ends in time."""
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    return not alive


def write_config(folder: Path, redis_port: int, base_url: str, ws_url: str) -> Path:
    """Write the configuration of a pair whose keys the exchange knows."""
    from tests.world.paper import new_key  # noqa: PLC0415  imports the SDK

    accounts = {}
    for name, index in (("account_a", ACCOUNT_A), ("account_b", ACCOUNT_B)):
        private, public = new_key()
        PaperAdmin(base_url).register_key(index, 4, public)
        accounts[name] = {
            "account_index": index,
            "api_key_index": 4,
            "api_key_private_key": private,
        }
    values = {
        "accounts": accounts,
        "redis": {"host": "127.0.0.1", "port": redis_port},
        "lighter": {
            "base_url": base_url,
            "ws_url": ws_url,
            "tier": "premium",
            "requests_per_minute": 24_000,
        },
        "state": {"dir": str(folder / "state")},
        "logging": {"dir": str(folder / "logs"), "console": False},
    }
    config = folder / "config.yaml"
    config.touch(mode=0o600)
    config.write_text(yaml.safe_dump(values))
    return config


def change(config: Path, **sections: dict[str, Any]) -> None:
    """Add settings to a configuration."""
    values = yaml.safe_load(config.read_text())
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    config.write_text(yaml.safe_dump(values))


def processes_of(config: Path, script: str = "") -> list[psutil.Process]:
    """Return the processes that were started with this configuration, newest last."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if str(config) in command and any(script in part for part in command):
                found.append(process)
    return sorted(found, key=lambda one: one.create_time())


def pid_of(config: Path, script: str) -> int:
    """Return the process id of the daemon, or the launcher, of this configuration that runs."""
    locks = {
        "main_A.py": f"[0-9]*-{ACCOUNT_A}-4/lock",
        "main_B.py": f"[0-9]*-{ACCOUNT_B}-4/lock",
        "hedge.launcher": "launcher-*/lock",
    }

    def held() -> int | None:
        """Read the number in the lock, while it is held."""
        found = map(holder_of, (config.parent / "state").glob(locks[script]))
        return next((pid for pid in found if pid is not None), None)

    pid = eventually_sync(held, 20, script)
    assert pid is not None
    return pid


def end_all(config: Path) -> None:
    """Kill what a failed test has left of a pair: its launcher first."""
    for process in sorted(processes_of(config), key=lambda one: "-m" not in one.cmdline()):
        with contextlib.suppress(psutil.Error):
            os.kill(process.pid, signal.SIGKILL)
