"""The pair of an earlier version beside that of today: same Redis, exchange and state directories.

The earlier program is taken from the history of this repository, never from a copy in it.
"""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml

from hedge.launcher.processes import Child
from hedge.launcher.world import write_config
from tests.world.pair import Daemon, Pair, run_command
from tests.world.paper import ROOT

FORMER = "54aaf31"
"""The last commit whose messages are of version 1."""

NEW_KEYS = (("timing", "view_lag_s"),)
"""What the tests configure and that version did not know."""


def former_program(folder: Path) -> Path:
    """Write the program of `FORMER` into a folder, which is made; return it.

    Raises:
        RuntimeError: the history of this repository does not hold it.

    """
    folder.mkdir(parents=True)
    archive = folder / "former.tar"
    command = ["git", "-C", str(ROOT), "archive", "--output", str(archive), FORMER]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"git is needed to take version {FORMER} from the history.") from error
    if done.returncode:
        raise RuntimeError(
            f"this needs the git history with commit {FORMER} (a shallow clone or an archive has"
            f" none; try `git fetch --unshallow`): {done.stderr.strip()}"
        )
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    return folder


class FormerDaemon(Daemon):
    """A main_X.py of the earlier version."""

    def __init__(self, program: Path, side: str, config: Path, output: Path) -> None:
        self.side = side
        name = f"main_{side.upper()}"
        command = [sys.executable, str(program / f"{name}.py"), "--config", str(config)]
        self.child = Child(name, command, output=output)


class TwoVersions(Pair):
    """A pair of which each side can be of either version."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder / "pair", **options)
        self.program = former_program(folder / "former")

    def former_config(self, side: str) -> Path:
        """Write the configuration of one side as the earlier version reads it."""
        today = self.config_of(side)
        values = yaml.safe_load(today.read_text(encoding="utf-8"))
        for section, key in NEW_KEYS:
            values[section].pop(key, None)
        return write_config(today.with_name(f"former-{today.name}"), values)

    def start_former(self, *sides: str) -> None:
        """Start these sides in the earlier version."""
        for side in sides:
            config = self.former_config(side)
            output = self.folder / f"{config.stem}.out"
            daemon = FormerDaemon(self.program, side, config, output)
            self._extra.append(daemon)  # ended with the pair, whoever takes its place
            setattr(self, side, daemon)

    async def former_command(self, *arguments: str) -> tuple[int, str]:
        """Run hedgectl.py of the earlier version."""
        script, config = str(self.program / "hedgectl.py"), str(self.former_config("a"))
        return await run_command(script, *arguments, "--config", config)
