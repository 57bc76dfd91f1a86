"""What operating systems offer and others do not, each with the plain way beside it.

`HEDGE_PLAIN=1` forces the plain way everywhere, as a system would that has none of these: no
uvloop, no signal handlers in the event loop, no prctl.
"""

import asyncio
import contextlib
import ctypes
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path

from hedge.daemon.commands import Commands

PLAIN = "HEDGE_PLAIN"
LOG_ONLY = "HEDGE_LOG_ONLY"
"""Set to 1 by the start script for its daemons: their lines are in their logs, not printed too."""
BEGAN = "HEDGE_BEGAN_S"
"""When the start script began (epoch s): it says so, and the launcher in the background has it."""
PAPER_MARK = ".paper-run"
"""What lies in the folder of a run on the paper exchange."""
CALLED_IN = "HEDGE_CALLED_IN"
"""The folder that a script was called in: relative paths of its command line are meant from it."""
_ROOT = Path(__file__).resolve().parents[2]
_CONFIG = _ROOT / "config.yaml"
_THREADS = "64"
_loaded_s = time.time()
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_PR_SET_PDEATHSIG = 1


def is_plain() -> bool:
    """Whether the plain ways are forced."""
    return os.environ.get(PLAIN) == "1"


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed (there is none for Windows), else None.

    libuv looks up names in four threads unless told otherwise, and an abandoned look-up keeps its
    thread until the name server answers: reconnecting would starve every other link.
    """
    if is_plain():
        return None
    os.environ.setdefault("UV_THREADPOOL_SIZE", _THREADS)
    try:
        import uvloop  # noqa: PLC0415  see above
    except ImportError:
        return None
    return uvloop.new_event_loop


def stop_signals() -> list[signal.Signals]:
    """Return the signals that mean: finish and leave.

    A hang-up that is ignored already is not among them: under nohup a process outlives its
    terminal.
    """
    found = [signal.Signals[name] for name in STOP_SIGNALS if name in signal.Signals.__members__]
    return [
        number
        for number in found
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    ]


@contextlib.contextmanager
def on_stop_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[], None]
) -> Generator[None, None, None]:
    """Call `stop` in the loop at every such signal that comes during the block.

    After it they end the process at once: closing a loop can wait for a name server.
    """
    numbers = stop_signals()
    by_loop = not (is_plain() or sys.platform == "win32")
    for number in numbers:
        if by_loop:
            loop.add_signal_handler(number, stop)
        else:  # handlers run between bytecodes, whatever the loop does
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    try:
        yield
    finally:
        for number in numbers:
            if by_loop:
                loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)


def end_at_signals(end: Callable[[], None]) -> None:
    """Call `end` at every such signal from here on, between bytecodes: it ends the process."""
    for number in stop_signals():
        signal.signal(number, lambda *_: end())


def of_caller(path: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return a path of the command line, which is meant from where the script was called.

    The scripts themselves work in the program's folder.
    """
    folder = environment.get(CALLED_IN, "")
    return path if not folder or Path(folder) == Path.cwd() else Path(folder, path)


def began_s(environment: Mapping[str, str] = os.environ) -> float:
    """Return when this start or stop began (epoch s), which is before anything is asked of it."""
    try:
        told_s = float(environment.get(BEGAN, "").replace(",", "."))  # as the locale writes it
    except ValueError:
        return _loaded_s
    return told_s if 0 < told_s < _loaded_s else _loaded_s


def print_any_text() -> None:
    """Let no character that the terminal does not know end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child runs before it becomes the program: end when this process is killed.

    Linux only; elsewhere, and for None, a killed parent leaves its children behind.
    """
    if sys.platform != "linux" or is_plain():
        return None
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arrange


def own_group_flags() -> int:
    """Return the creation flags that keep the terminal's Ctrl-C from a child on Windows."""
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


def commands_for(config_file: str, market: str = "") -> Commands:
    """Return how commands for the pair of this configuration are typed; "" is the default one.

    They are typed in the program's folder: a file in it is named from there. `market` is the symbol
    to start in, "" for the configuration's.
    """
    option, tool = _config_option(config_file), tool_name()
    if os.name == "nt":
        scripts = ("start_hedge.bat", "stop_hedge.bat", "taskkill /F /PID", "")
        found = Commands(option, tool, *scripts, market=market)
    else:
        found = Commands(option, tool, market=market)
    return replace(found, play=_play_option(Path(config_file or _CONFIG).resolve().parent))


def _play_option(folder: Path) -> str:
    """Return how the run on the paper exchange in this folder is continued, "" for no such run."""
    if not (folder / PAPER_MARK).exists():
        return ""
    where = "" if folder == _ROOT / "run" / "paper" else f" --run-dir {_quoted(folder)}"
    return f" --paper --keep{where}"


def _config_option(config_file: str) -> str:
    file = Path(config_file or _CONFIG).resolve()
    if file == _CONFIG:
        return ""
    return f" --config {_quoted(file.relative_to(_ROOT) if file.is_relative_to(_ROOT) else file)}"


def tool_name() -> str:
    """Return how the operator's tool is typed; it finds the program's own .venv where that runs."""
    if Path(sys.prefix).absolute() == _ROOT / ".venv":
        return "hedgectl" if os.name == "nt" else "./hedgectl"
    return f"{_quoted(sys.executable)} hedgectl.py"


def _quoted(path: Path | str) -> str:
    """Return a path as the shell of this host takes it."""
    text = str(path)
    if os.name != "nt":
        return shlex.quote(text)
    return f'"{text}"' if re.search(r"[\s&()^%!,;=]", text) else text
