"""The real thing on this host: start in the foreground or detached, and stop by pid files."""

import contextlib
import json
import os
from pathlib import Path

from hedge.config.load import load_config
from hedge.config.schema import Config
from hedge.errors import AlreadyRunningError, ConfigError
from hedge.launcher import decisions
from hedge.launcher.options import Options
from hedge.launcher.pair import Pair
from hedge.launcher.processes import ROOT, Running, Supervisor, is_alive


def run_real(options: Options, supervisor: Supervisor) -> int:
    """Start the pair; return an exit code once it is stopped, or at once when detached."""
    config, path = _load(options)
    state_dir = ROOT / config.state.dir
    _refuse_second(state_dir)
    pair = Pair(supervisor, config, path, state_dir)
    try:
        return pair.run(options, on_started=lambda: _write_pids(state_dir, pair))
    finally:
        pair.close()
        if not options.detach or not _living(state_dir):
            _remove_pids(state_dir)


def _load(options: Options) -> tuple[Config, Path]:
    if not options.config.exists():
        msg = (
            f"There is no {options.config}: copy config.yaml and fill in both accounts, "
            "or run ./start_hedge.sh --paper first."
        )
        raise ConfigError(msg)
    path = options.config.resolve()
    return load_config(path, "", {"market": options.market}), path


def stop_real(options: Options, supervisor: Supervisor) -> int:
    """Stop the pair of this host in order; B goes on if something is left to hedge."""
    config, path = _load(options)
    state_dir = ROOT / config.state.dir
    living = _living(state_dir)
    if not living:
        _remove_pids(state_dir)
        supervisor.say(decisions.NOTHING_RUNS)
        return 0
    pair = Pair(supervisor, config, path, state_dir)
    try:
        return pair.stop(living, on_stopped=lambda: _remove_pids(state_dir))
    finally:
        pair.close()


# --- pid files


def _pid_file(state_dir: Path, name: str) -> Path:
    return state_dir / f"{name}.pid"


def _write_pids(state_dir: Path, pair: Pair) -> None:
    for name, child in pair.daemons.items():
        text = json.dumps({"pid": child.pid, "started_by": os.getpid()})
        _pid_file(state_dir, name).write_text(text, encoding="utf-8")


def _remove_pids(state_dir: Path) -> None:
    for name in decisions.SIDES:
        with contextlib.suppress(OSError):  # a directory that cannot be used is said elsewhere
            _pid_file(state_dir, name).unlink(missing_ok=True)


def _living(state_dir: Path) -> dict[str, Running]:
    """Return the daemons of this host that run, by name."""
    found: dict[str, Running] = {}
    for name in decisions.SIDES:
        try:
            pid = json.loads(_pid_file(state_dir, name).read_text(encoding="utf-8"))["pid"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(pid, int) and is_alive(pid, f"{name}.py"):
            found[name] = Running(name, pid)
    return found


def _refuse_second(state_dir: Path) -> None:
    living = {name: one.pid for name, one in _living(state_dir).items()}
    if refusal := decisions.refusal_to_start(living):
        raise AlreadyRunningError(refusal)
