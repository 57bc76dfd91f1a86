"""Start the paper exchange: `python -m paper --port 8790 --seed 1 --tier instant`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from paper.settings import Settings, SettingsError, StateError, parse_limits, parse_tier

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_PORT_IN_USE: Final = 6

_DEFAULT_PORT: Final = 8790


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence and whose exit code is 2."""

    def error(self, message: str) -> NoReturn:
        """Print the complaint alone and leave with exit code 2."""
        _fail(f"{message} (see python -m paper --help)", EXIT_USAGE)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="python -m paper",
        description="A Lighter-compatible paper exchange on loopback. Nothing here is real money.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="loopback address to listen on (127.0.0.1)")
    add("--port", type=int, default=_DEFAULT_PORT, help="TCP port, 0 for any free one (8790)")
    add("--seed", type=int, default=1, help="seed of the synthetic market (1)")
    add("--tier", default="instant", help="instant (no delays), standard, plus or premium")
    add("--limits", help="request limits, on or off (on, but off on --tier instant)")
    add("--no-market", action="store_true", help="a fixed seeded book instead of a live market")
    add("--steps-per-s", type=float, default=4.0, help="steps of each live market (4)")
    add("--clock-ahead-s", type=float, default=0.0, help="its clock against this host's (0)")
    add("--state", type=Path, metavar="DIR", help="keep a journal here; a restart continues it")
    add("--server-ping-s", type=float, default=0.0, help="ping sockets every S s (0: off)")
    add("--idle-close-s", type=float, default=120.0, help="close sockets silent for S s (120)")
    return parser


def parse_settings(arguments: list[str] | None = None) -> Settings:
    """Return the validated settings, or leave with exit code 2 and one sentence."""
    parser = build_parser()
    values = parser.parse_args(arguments)
    try:
        tier = parse_tier(values.tier)
        return Settings(
            host=_loopback(values.host),
            port=values.port,
            seed=values.seed,
            tier=tier,
            market=not values.no_market,
            steps_per_s=values.steps_per_s,
            state_dir=values.state,
            clock_ahead_s=values.clock_ahead_s,
            limits=parse_limits(values.limits, tier),
            server_ping_s=values.server_ping_s,
            idle_close_s=values.idle_close_s,
        )
    except SettingsError as error:
        parser.error(str(error))


def _loopback(host: str) -> str:
    """Return `host` as a numeric loopback address, or raise SettingsError."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    msg = f"--host {host} is refused: the paper exchange listens on loopback only, use 127.0.0.1"
    raise SettingsError(msg)


def _fail(sentence: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"paper: {sentence}\n")
    raise SystemExit(exit_code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed, else None for the standard loop.

    `HEDGE_PLAIN=1` forces the standard one, as on Windows.
    """
    if os.environ.get("HEDGE_PLAIN") == "1":
        return None
    try:
        import uvloop  # noqa: PLC0415  an optional accelerator, absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings) -> None:
    """Run the exchange until SIGINT or SIGTERM, then close it."""
    gc.disable()  # nothing of what is loaded now is garbage: looking costs a fifth of the start
    from paper.server import PaperServer  # noqa: PLC0415  keeps --help and usage errors fast

    gc.freeze()
    gc.enable()
    stop = asyncio.Event()
    _on_signals(stop)
    async with PaperServer(settings) as server:
        sys.stdout.write(f"{server.ready_line}\n")
        sys.stdout.flush()
        gc.collect()
        gc.freeze()
        await stop.wait()


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # the Windows loop has no signal handlers
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))


def main(arguments: list[str] | None = None) -> int:
    """Run the exchange and return its exit code."""
    settings = parse_settings(arguments)
    logging.basicConfig(format="%(asctime)s [%(levelname)s] %(message)s", level=logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings))
    except StateError as error:
        _fail(str(error), EXIT_USAGE)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            _fail(f"port {settings.port} is in use, choose another --port", EXIT_PORT_IN_USE)
        if error.errno in (errno.EACCES, errno.EADDRNOTAVAIL):
            where = f"{settings.host}:{settings.port}"
            _fail(f"cannot listen on {where} or write the state: {error.strerror}", EXIT_USAGE)
        raise
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
