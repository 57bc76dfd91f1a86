"""The real thing on this host: start in the foreground or detached, and stop by pid files."""

import contextlib
import json
import os
from pathlib import Path

from hedge.config.load import load_config
from hedge.config.schema import Config
from hedge.errors import AlreadyRunningError, ConfigError
from hedge.launcher.options import Options
from hedge.launcher.pair import Pair
from hedge.launcher.processes import ROOT, Running, StopNow, Supervisor, is_alive

SIDES = ("main_A", "main_B")
_NOT_NEUTRAL = 5
_A_TIMEOUT_S = 90.0


def run_real(options: Options, supervisor: Supervisor) -> int:
    """Start the pair; return an exit code once it is stopped, or at once when detached."""
    config, path = _load(options)
    state_dir = ROOT / config.state.dir
    _refuse_second(state_dir)
    pair = Pair(supervisor, config, path, state_dir)
    try:
        pair.start(options)
        _write_pids(state_dir, pair)
        if options.detach:
            return _leave_running(pair, options.config)
        return pair.run_until_stopped()
    except StopNow:
        supervisor.kill_all()
        raise
    finally:
        if supervisor.children:
            pair.stop()
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


def _leave_running(pair: Pair, config: Path) -> int:
    """Wait until A lives too, then let both go on by themselves."""
    supervisor = pair.supervisor

    def a_lives() -> bool:
        found = pair.report()
        return found is not None and found.a.beat is not None

    if not supervisor.wait(a_lives, _A_TIMEOUT_S) and not supervisor.signals.requested:
        supervisor.say(f"A has no heartbeat yet; see {pair.config.logging.dir}/main_A.log.")
    if supervisor.signals.requested:
        return pair.stop_and_judge()
    supervisor.release()
    logs = pair.config.logging.dir
    supervisor.say(f"Both run in the background: tail -f {logs}/main_A.log {logs}/main_B.log")
    other = "" if config == Path("config.yaml") else f" --config {config}"
    supervisor.say(f"Ask: python hedgectl.py status{other}    Stop: ./stop_hedge.sh{other}")
    return 0


def stop_real(options: Options, supervisor: Supervisor) -> int:
    """Stop the pair of this host in order; B goes on if something is left to hedge."""
    config, path = _load(options)
    state_dir = ROOT / config.state.dir
    living = _living(state_dir)
    if not living:
        _remove_pids(state_dir)
        supervisor.say("Nothing of this pair runs on this host.")
        return 0
    pair = Pair(supervisor, config, path, state_dir)
    pair.a, pair.b = living.get("main_A"), living.get("main_B")
    try:
        last = pair.stop_a()
        if pair.b is not None and pair.b.poll() is not None:
            log = f"{config.logging.dir}/main_B.log"
            supervisor.say(
                f"B has ended too; the terminal that shows the pair, or {log}, says how."
            )
            return 0
        if pair.b is not None and (last is None or not last.is_covered):
            why = ", ".join(last.uncovered) if last is not None else "Redis does not answer"
            supervisor.say(
                f"B keeps running, since it is not certain that everything is hedged: {why}."
                " See `python hedgectl.py status`, then run ./stop_hedge.sh again;"
                f" `kill {pair.b.pid}` stops it all the same."
            )
            return _NOT_NEUTRAL
        pair.stop_b()
    finally:
        pair.close()
    _remove_pids(state_dir)
    supervisor.say(f"Stopped. {last.balance}" if last is not None else "Stopped.")
    return 0


# --- pid files


def _pid_file(state_dir: Path, name: str) -> Path:
    return state_dir / f"{name}.pid"


def _write_pids(state_dir: Path, pair: Pair) -> None:
    for name, child in zip(SIDES, (pair.a, pair.b), strict=True):
        if child is not None:
            text = json.dumps({"pid": child.pid, "started_by": os.getpid()})
            _pid_file(state_dir, name).write_text(text, encoding="utf-8")


def _remove_pids(state_dir: Path) -> None:
    for name in SIDES:
        with contextlib.suppress(OSError):  # a directory that cannot be used is said elsewhere
            _pid_file(state_dir, name).unlink(missing_ok=True)


def _living(state_dir: Path) -> dict[str, Running]:
    """Return the daemons of this host that run, by name."""
    found: dict[str, Running] = {}
    for name in SIDES:
        try:
            pid = json.loads(_pid_file(state_dir, name).read_text(encoding="utf-8"))["pid"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(pid, int) and is_alive(pid, f"{name}.py"):
            found[name] = Running(name, pid)
    return found


def _refuse_second(state_dir: Path) -> None:
    living = _living(state_dir)
    if living:
        told = " and ".join(f"{name} (process {one.pid})" for name, one in living.items())
        msg = f"{told} already run on this host; stop them with ./stop_hedge.sh first."
        raise AlreadyRunningError(msg)
