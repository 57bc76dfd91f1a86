"""The command line of the start and stop scripts."""

import argparse
import os
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedge.config.reader import plain_amount
from hedge.config.usage import SentenceParser
from hedge.daemon.host_os import of_caller
from hedge.errors import ConfigError

DEFAULT_QUANTITY = Decimal("0.01")

EPILOG = """\
  ./start_hedge.sh --paper                 the pair on a paper exchange, until Ctrl-C
  ./start_hedge.sh --paper --cycles 3      the same, until A was long and flat again three times
  ./start_hedge.sh --market ETH --quantity 0.01 --depth 1 --config config.yaml
  ./start_hedge.sh --detach                in the background, until ./stop_hedge.sh

Exit codes: 0 done or clean stop, 1 bug, 2 usage or configuration, 3 Redis or exchange unreachable,
4 key or account, 5 halted or not neutral, 6 already running.
"""
STOP_EPILOG = """\
  ./stop_hedge.sh                          the pair of config.yaml
  ./stop_hedge.sh --config FILE            the pair that was started with this file

Exit codes: 0 stopped, or nothing ran; 1 bug, 2 usage or configuration,
5 something is left open: B goes on, and the last lines say what to do.
"""
_SCRIPT = "{}_hedge.bat" if os.name == "nt" else "{}_hedge.sh"
_START, _STOP = (_SCRIPT.format(word) for word in ("start", "stop"))
_IN_STOP = frozenset({"--config", "--market"})
"""What the help of the stop script names; the rest it takes as the start was typed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; `cycles` None runs until Ctrl-C.

    `market`, `quantity` and `depth` None leave what the configuration says. `run` names a launcher
    in the background, `arguments` are what it is to be started with.
    """

    paper: bool
    stop: bool
    detach: bool
    market: str | None
    quantity: Decimal | None
    depth: int | None
    config: Path
    tier: str
    seed: int
    cycles: int | None
    keep: bool
    only_b: bool
    timeout_s: float
    run_dir: Path | None
    run: str | None = None
    arguments: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, object]:
        """What replaces keys of the configuration, by dotted key."""
        return {
            "market": self.market,
            "strategy.quantity": self.quantity,
            "strategy.depth": self.depth,
        }


def _help_of(script: str) -> str:
    return f"{'' if os.name == 'nt' else './'}{script} --help"


def _hint(script: str) -> str:
    return f"see {_help_of(script)}"


def _parser(*, stops: bool) -> argparse.ArgumentParser:
    """Return the parser of the start script, or of the stop script."""
    script = _STOP if stops else _START
    parser = SentenceParser(
        see=_help_of(script),
        prog=script,
        description=(
            "Stop the pair of this host: A, then B once it has covered everything."
            if stops
            else "Start both daemons: B, wait until it can hedge, then A."
        ),
        epilog=STOP_EPILOG if stops else EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    place: argparse.ArgumentParser | argparse._ArgumentGroup = parser

    def add(name: str, **described: Any) -> None:
        if stops and name not in _IN_STOP:
            described["help"] = argparse.SUPPRESS
        place.add_argument(name, **described)

    add("--market", metavar="SYMBOL", help="market to trade (as configured, else ETH)")
    add("--quantity", help="size of A's opening order, base asset (as configured, else 0.01)")
    add("--depth", type=int, help="price level of A's orders, 1 = best (as configured, else 1)")
    add("--config", type=Path, help="configuration (config.yaml)")
    add("--detach", action="store_true", help="leave the daemons running in the background")
    add("--background", metavar="RUN", help=argparse.SUPPRESS)
    add("--stop", action="store_true", help="stop the pair of this host: A, then B once covered")
    if not stops:
        place = parser.add_argument_group("paper exchange")
    add("--paper", action="store_true", help="everything on this machine; no account, no money")
    add(
        "--cycles", type=int, metavar="N", help="stop after N times flat, long, flat; print SUMMARY"
    )
    add("--tier", choices=("instant", "standard"), default="instant", help="delays (instant)")
    add("--seed", type=int, default=1, help="seed of the synthetic market (1)")
    add("--keep", action="store_true", help="continue the paper exchange of the last run")
    add("--only-b", action="store_true", help="no A: publish fills by hand and watch B")
    add("--timeout-s", type=float, default=600.0, metavar="S", help="longest run of --cycles (600)")
    add("--run-dir", type=Path, metavar="DIR", help="another place than run/paper")
    return parser


def parse(arguments: list[str] | None = None) -> Options:
    """Return the validated options. Raises ConfigError."""
    given = sys.argv[1:] if arguments is None else arguments
    values = _parser(stops="--stop" in given).parse_args(given)
    _check_combinations(values)
    return Options(
        paper=values.paper,
        stop=values.stop,
        detach=values.detach,
        market=values.market.upper() if values.market else None,
        quantity=None if values.quantity is None else _quantity(values.quantity),
        depth=values.depth,
        config=of_caller(values.config) if values.config else Path("config.yaml"),
        tier=values.tier,
        seed=values.seed,
        cycles=values.cycles,
        keep=values.keep,
        only_b=values.only_b,
        timeout_s=values.timeout_s,
        run_dir=of_caller(values.run_dir) if values.run_dir else None,
        run=values.background,
        arguments=tuple(_for_background(values)),
    )


def _check_combinations(values: argparse.Namespace) -> None:
    complaints = (
        (values.paper and values.detach, "--detach does not go with --paper"),
        (
            values.paper and values.stop,
            "--stop does not go with --paper: press Ctrl-C there, or name its file by --config",
        ),
        (values.cycles is not None and not values.paper, "--cycles needs --paper"),
        (values.only_b and not values.paper, "--only-b needs --paper"),
        (values.only_b and values.cycles is not None, "--only-b does not go with --cycles"),
        (values.cycles is not None and values.cycles < 1, "--cycles must be at least 1"),
        (values.depth is not None and values.depth < 1, "--depth must be at least 1"),
        (not values.timeout_s > 0, "--timeout-s must be more than 0"),
    )
    for wrong, sentence in complaints:
        if wrong:
            msg = f"{sentence} ({_hint(_START)})"
            raise ConfigError(msg)


def _for_background(values: argparse.Namespace) -> list[str]:
    """Return the arguments of a launcher that does in the background what was asked for."""
    given = ("market", "quantity", "depth", "config")
    pairs = [(f"--{name}", getattr(values, name)) for name in given]
    pairs[-1] = ("--config", values.config and of_caller(values.config))
    return [part for name, value in pairs if value is not None for part in (name, str(value))]


def _quantity(text: str) -> Decimal:
    quantity = plain_amount(text)
    if quantity is None or quantity <= 0:
        msg = f"--quantity {text} is not an amount above 0 in plain digits ({_hint(_START)})"
        raise ConfigError(msg)
    return quantity
