"""The operator's tool: what the pair does, resume after a halt, flatten.

It talks to the daemons through Redis alone; it signs nothing and never asks the exchange.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from hedge.bus.acl import SIDES, users
from hedge.config.load import load_config
from hedge.config.reader import wrong
from hedge.daemon import host_os
from hedge.daemon.advice import advice_for
from hedge.errors import ConfigError, HedgeError, NotNeutralError
from hedge.operator.pair_client import PairState
from hedge.operator.status import Report, SideView
from hedge.wire.control import Command

T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Look at the pair, resume it after a halt, or flatten it. Talks through Redis only.",
)

ConfigOption = Annotated[
    Path, typer.Option("--config", help="The configuration that the daemons were started with.")
]
DEFAULT_CONFIG = Path("config.yaml")
RESUME_WAIT_S = 10.0
FLATTEN_WAIT_S = 60.0
POLL_S = 0.25


class RefusedError(NotNeutralError):
    """A command that is not carried out, with the reason."""


# --- status


@app.command()
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how the pair is: positions, what is owed, who is ready, whether it is halted."""
    report = _run(config, _read)
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        _show(report)


async def _read(state: PairState) -> Report:
    return await state.report()


def _show(report: Report) -> None:
    console = Console(highlight=False)
    style = "bold red" if report.is_halted else "bold"
    console.print(report.headline, style=style, markup=False, soft_wrap=True)
    table = Table("", "A (maker)", "B (hedger)", box=None, pad_edge=False)
    for title, cell in _ROWS:
        table.add_row(title, cell(report, report.a), cell(report, report.b))
    console.print(table)
    for line in _ledger_lines(report):
        console.print(line, markup=False, soft_wrap=True)


def _running(_report: Report, view: SideView) -> str:
    return "no heartbeat" if view.beat is None else f"running, {view.beat.version}"


def _ready(_report: Report, view: SideView) -> str:
    if view.beat is None:
        return "unknown"
    return "yes" if view.beat.ready else f"no: {'; '.join(view.beat.reasons)}"


def _lease(_report: Report, view: SideView) -> str:
    return "nobody" if view.lease is None else f"{view.lease.instance} on {view.lease.host}"


def _can_hedge(report: Report, view: SideView) -> str:
    lots = None if view.beat is None else view.beat.can_hedge_lots
    return "" if lots is None else report.amount(lots).lstrip("+")


_ROWS: tuple[tuple[str, Callable[[Report, SideView], str]], ...] = (
    ("account", lambda _report, view: str(view.account_index)),
    ("process", _running),
    ("state", lambda _report, view: "unknown" if view.beat is None else view.beat.state),
    ("ready", _ready),
    ("position", lambda report, view: report.position_text(view)),
    ("could hedge", _can_hedge),
    ("lease", _lease),
)


def _ledger_lines(report: Report) -> list[str]:
    ledger, others = report.ledger, [*_standby_lines(report), *_problem_lines(report)]
    if ledger is None:
        return ["B's ledger is unknown.", *others]
    owed = (
        f"owed {report.amount(ledger.owed_lots)}, dust {report.amount(ledger.dust_lots)},"
        f" by hand {report.amount(ledger.manual_lots)},"
        f" {'an order in flight' if ledger.inflight else 'nothing in flight'}"
    )
    failed = f"B could not hedge: {ledger.failed}. {advice_for(ledger.failed or '')}."
    return [owed, *([failed] if ledger.failed else []), *others]


def _standby_lines(report: Report) -> list[str]:
    if report.standbys is None:
        return ["standbys: unknown, this login may not look for them"]
    return [
        f"standby of {item.side.upper()}: {item.instance} on {item.host},"
        f" {'ready to take over' if item.warm else 'its streams are down'}"
        for item in report.standbys
    ]


def _problem_lines(report: Report) -> list[str]:
    return [f"not believed: {problem}" for problem in report.problems]


# --- resume


@dataclass(frozen=True, slots=True)
class _Force:
    """How to resume although something is open; `reason` goes into the record."""

    reason: str
    ask: bool


@app.command()
def resume(
    config: ConfigOption = DEFAULT_CONFIG,
    force: Annotated[
        bool, typer.Option("--force", help="Resume although not all is covered.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Go on after a halt, once B has hedged everything and is ready."""
    if force and not reason.strip():
        _fail(ConfigError('`resume --force` needs a reason: add --reason "what you checked".'))
    forced = _Force(reason.strip(), ask=not yes) if force else None
    print(_run(config, lambda state: _resume(state, forced)))


async def _resume(state: PairState, force: _Force | None) -> str:
    report = await state.report()
    halt = report.halt
    if halt is None or not halt.is_active:
        return f"Not halted, nothing to resume. {report.headline}"
    if force is None and report.obstacles:
        _refuse(report)
    if force is not None:
        _confirm(report, force)
    resumed = await state.messenger.mark_resumed(
        halt.id,
        int(time.time()),
        forced=force is not None,
        note=force.reason if force is not None else "",
    )
    if resumed is None:
        msg = "Another halt came in meanwhile; look at `python hedgectl.py status` first."
        raise RefusedError(msg)
    return await _await_resumption(state, report)


def _refuse(report: Report) -> NoReturn:
    msg = (
        f"Not resumed: {', '.join(report.obstacles)}. Cure that first"
        f" ({advice_for(report.halt.reason if report.halt else '')}), then resume again; or, after"
        ' checking both positions on Lighter, use `resume --force --reason "…"`.'
    )
    raise RefusedError(msg)


def _confirm(report: Report, force: _Force) -> None:
    """Show what a forced resumption does, and ask. Raises RefusedError for a no."""
    print(report.headline)
    print(f"Positions as last written: {report.positions_text}.")
    for line in _forced_consequences(report):
        print(line)
    try:
        agreed = not force.ask or typer.confirm("Resume?", default=False)
    except typer.Abort:
        msg = "Not resumed: nobody answered. Where there is no terminal add --yes."
        raise RefusedError(msg) from None
    if not agreed:
        msg = "Not resumed."
        raise RefusedError(msg)


def _forced_consequences(report: Report) -> list[str]:
    lines = [f"Open: {', '.join(report.obstacles)}."] if report.obstacles else []
    a, b, beat = report.a.position, report.b.position, report.b.beat or report.a.beat
    if a is None or b is None or beat is None:
        return [*lines, "What B will trade cannot be told: not all of it is known."]
    to_trade = beat.offset_lots - (a.position_lots + b.position_lots)
    if to_trade == 0:
        return [*lines, "The positions cancel out: B has nothing to trade."]
    verb = "buy" if to_trade > 0 else "sell"
    amount = report.amount(abs(to_trade)).lstrip("+")
    return [*lines, f"To bring the pair together B will {verb} {amount} at market."]


async def _await_resumption(state: PairState, before: Report) -> str:
    """Wait until A says in a new heartbeat that it is not halted any more."""
    deadline = time.monotonic() + RESUME_WAIT_S
    while True:
        report = await state.report()
        if report.is_halted and report.halt != before.halt:
            msg = f"Resumed, but it halted again at once. {report.headline}"
            raise RefusedError(msg)
        beat = report.a.beat
        is_new = beat != before.a.beat
        if beat is not None and is_new and beat.state != "halted" and not report.is_halted:
            return f"Resumed: A is {beat.state}. {report.headline}"
        if time.monotonic() > deadline:
            return _not_seen(report)
        await asyncio.sleep(POLL_S)


def _not_seen(report: Report) -> str:
    if report.a.beat is None:
        return "The halt is lifted. A is not running: start it, and it goes on."
    msg = (
        f"The halt is lifted, but A is still {report.a.beat.state} after {RESUME_WAIT_S:g} s"
        f" ({'; '.join(report.a.beat.reasons) or 'no reason given'}); see logs/main_A.log."
    )
    raise RefusedError(msg)


# --- flatten


@app.command()
def flatten(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Close the pair's positions: A closes its own, B follows, and the pair stays halted."""
    print(
        "A stops making, cancels what rests and closes its own position reduce-only at market;"
        " B hedges each of these trades, so it ends flat too. The pair then stays halted."
    )
    print(_run(config, _flatten))


async def _flatten(state: PairState) -> str:
    report = await state.report()
    by_hand = report.ledger is not None and report.ledger.manual_lots != 0
    if report.a.beat is None and not (by_hand and report.b.beat is not None):
        msg = f"Not sent: {report.a.why_not_ready}, and only A closes A's position."
        raise RefusedError(msg)
    is_done = _is_cleared if report.a.beat is None else _is_flat
    command = Command(
        id=secrets.token_hex(8), command="flatten", side=None, timestamp=int(time.time())
    )
    await state.messenger.send_command(command)
    deadline = time.monotonic() + FLATTEN_WAIT_S
    while time.monotonic() < deadline:
        report = await state.report()
        if is_done(report):
            return _flattened(report)
        await asyncio.sleep(POLL_S)
    msg = f"Not flat after {FLATTEN_WAIT_S:g} s: {report.headline}"
    raise RefusedError(msg)


def _flattened(report: Report) -> str:
    if report.a.beat is None:
        return f"What was published by hand is undone: B {report.position_text(report.b)}."
    return f"Flat. {report.balance} To trade again: `python hedgectl.py resume`."


def _is_cleared(report: Report) -> bool:
    ledger = report.ledger
    is_undone = ledger is not None and ledger.manual_lots == 0 and not ledger.inflight
    return is_undone and report.b.is_ready


def _is_flat(report: Report) -> bool:
    position = report.a.position
    is_flat = position is not None and position.position_lots == 0
    return is_flat and report.is_halted and report.is_covered


# --- acl


@app.command()
def acl(
    config: ConfigOption = DEFAULT_CONFIG,
    side: Annotated[str, typer.Option(help="a, b or operator: who uses this config.")] = "",
    commands: Annotated[
        bool, typer.Option("--commands", help="Write commands for redis-cli, not an ACL file.")
    ] = False,
) -> None:
    """Write the Redis users of one side: the least that it needs. Redis is not asked."""
    try:
        if side not in SIDES:
            wrong("--side", side, ", ".join(SIDES))
        found = users(load_config(config), side)
    except HedgeError as error:
        _fail(error)
    head = "ACL SETUSER" if commands else "user"
    for name, rules in found.items():
        print(f"{head} {name} {rules}")
    if len(found) == 1:
        print(
            "With one login this side may also write what it reads: set redis.reader_username"
            " and redis.reader_password for a second one.",
            file=sys.stderr,
        )


# --- running


def _run(config: Path, action: Callable[[PairState], Awaitable[T]]) -> T:
    """Load the configuration, connect, act; an error is one sentence and its exit code."""
    try:
        loaded = load_config(config)

        async def act() -> T:
            async with PairState(loaded) as state:
                return await action(state)

        return asyncio.run(act())
    except HedgeError as error:
        _fail(error)


def _fail(error: HedgeError) -> NoReturn:
    print(error, file=sys.stderr)
    raise typer.Exit(error.exit_code)


if __name__ == "__main__":
    host_os.print_any_text()
    app()
