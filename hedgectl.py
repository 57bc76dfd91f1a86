"""The operator's tool: what the pair does, halt, resume after a halt, flatten.

It talks to the daemons through Redis alone; it signs nothing and never asks the exchange.
"""

import gc

gc.disable()  # nothing of what is loaded now is garbage: looking costs a fifth of the start

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from hedge.bus.acl import SIDES, users
from hedge.config.load import load_config
from hedge.config.reader import wrong
from hedge.daemon import host_os, terminal
from hedge.daemon.advice import about_this_redis, advice_for
from hedge.errors import (
    ConfigError,
    HedgeError,
    InternalBugError,
    RedisUnreachableError,
    of_too_many_files,
)
from hedge.operator import decisions
from hedge.operator.pair_client import PairState
from hedge.operator.status import PING_WAIT_S, Report, SideView, age_text
from hedge.wire.control import Halts

gc.freeze()
gc.enable()

T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Look at the pair, halt it, resume it, or flatten it. Talks through Redis only.",
)

ConfigOption = Annotated[
    Path, typer.Option("--config", help="The configuration that the daemons were started with.")
]
DEFAULT_CONFIG = Path("config.yaml")
RESUME_WAIT_S = decisions.RESUME_WAIT_S
PROOF_WAIT_S = decisions.PROOF_WAIT_S
FLATTEN_WAIT_S = decisions.FLATTEN_WAIT_S
HALT_WAIT_S = decisions.HALT_WAIT_S
POLL_S = decisions.POLL_S


# --- status


@app.command()
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask both daemons how the pair is; exit code 0 only if it runs and is neutral."""
    report = _run(config, _inquire)
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        _show(report)
    code = decisions.verdict(report).code
    if code:
        raise typer.Exit(code)


async def _inquire(state: PairState) -> Report:
    """Ask both daemons, and return what they answer; where Redis takes no question, what it has."""
    work, effects = decisions.begin_status(secrets.token_hex(8), wait_s=PING_WAIT_S, poll_s=POLL_S)
    while not isinstance(effects[0], decisions.End):
        try:
            event = await _perform(state, effects[0])
        except RedisUnreachableError as error:
            if not isinstance(effects[0], decisions.Send):
                raise
            unasked = await state.report(effects[0].command_id)
            return replace(unasked, redis_why=str(error))
        if event is None:
            raise InternalBugError("the question neither ended nor waits for anything.")
        work, effects = work.step(event)
    if work.inquiry.report is None:
        raise InternalBugError("the question ended without an answer.")
    return await state.with_standbys(work.inquiry.report)


def _show(report: Report) -> None:
    console = Console(highlight=False)
    style = "bold red" if report.is_halted else "bold"
    console.print(decisions.verdict(report).text, style=style, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for title in ("", "A (maker)", "B (hedger)"):
        table.add_column(title, overflow="fold")  # a cut number is a wrong one
    for title, cell in ROWS:
        table.add_row(title, cell(report, report.a), cell(report, report.b))
    console.print(table)
    for line in _ledger_lines(report):
        console.print(line, markup=False, soft_wrap=True)


def _running(_report: Report, view: SideView) -> str:
    if view.other_beat is not None:
        other = view.other_beat
        return f"not ours: of accounts {other.a_account_index} and {other.b_account_index}"
    if view.other_version is not None:
        return f"another version, of messages of version {view.other_version}"
    if view.beat is None:
        return "no heartbeat"
    return f"{'has left' if view.has_left else 'running'}, {view.beat.version}"


def _ready(_report: Report, view: SideView) -> str:
    if view.beat is None:
        return "unknown"
    return "yes" if view.beat.ready else f"no: {'; '.join(view.beat.reasons)}"


def _lease(_report: Report, view: SideView) -> str:
    return "free" if view.lease is None else view.lease.instance


def _host_id(_report: Report, view: SideView) -> str:
    return "" if view.lease is None else view.lease.host


def _can_hedge(report: Report, view: SideView) -> str:
    lots = None if view.beat is None else view.beat.can_hedge_lots
    return "" if lots is None else report.amount(lots).lstrip("+")


ROWS: tuple[tuple[str, Callable[[Report, SideView], str]], ...] = (
    ("account", lambda _report, view: view.account),
    ("process", _running),
    ("state", lambda _report, view: "unknown" if view.beat is None else view.beat.state),
    ("ready", _ready),
    ("waits", lambda _report, view: "; ".join(text for _, text in view.waits) or "-"),
    ("budget", lambda _report, view: view.budget or "unknown"),
    ("position", lambda report, view: report.position_text(view)),
    ("could hedge", _can_hedge),
    ("lease", _lease),
    ("host id", _host_id),
)


def _ledger_lines(report: Report) -> list[str]:
    ledger, others = report.ledger, [*_standby_lines(report), *problem_lines(report)]
    if report.redis_why:
        others.insert(0, f"neither daemon could be asked: {report.redis_why}")
    if ledger is None:
        return ["B's ledger is unknown.", *others]
    owed = (
        f"owed {report.amount(ledger.owed_lots)}, dust {report.amount(ledger.dust_lots)},"
        f" by hand {report.amount(ledger.manual_lots)},"
        f" {'an order in flight' if ledger.inflight else 'nothing in flight'}"
    )
    if report.b.is_silent:
        age_s = max(0.0, report.b.now_s - ledger.timestamp)
        owed = f"B's last word, {age_text(age_s)} ago, which proves nothing: {owed}"
    failed = f"B could not hedge: {ledger.failed}. {advice_for(ledger.failed or '')}."
    return [owed, *([failed] if ledger.failed else []), *others]


def _standby_lines(report: Report) -> list[str]:
    if report.standbys is None:
        return ["standbys: unknown, this login may not look for them"]
    return [
        f"standby of {item.side.upper()}: {item.instance} (host id {item.host}),"
        f" {'ready to take over' if item.warm else 'its streams are down'}"
        for item in report.standbys
    ]


def _refused(word: str, count: int) -> str:
    told = {
        "other_epoch": "of a process that did not count yet or no more; usual at a start",
        "not_fresh": "too old to act on",
    }.get(word)
    return f"{word} {count}{f' ({told})' if told else ''}"


def problem_lines(report: Report) -> list[str]:
    """Return what is not believed, and what either side has refused."""
    counted = [
        f"{view.name} has refused: {', '.join(_refused(*one) for one in view.refused)}"
        for view in (report.a, report.b)
        if view.refused
    ]
    return [*(f"not believed: {problem}" for problem in report.problems), *counted]


# --- halt, resume and flatten


@app.command()
def halt(
    config: ConfigOption = DEFAULT_CONFIG,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
) -> None:
    """Let A start nothing new, and wait until both daemons have it on record; B goes on hedging."""
    begun = decisions.begin_halt(
        f"op-{secrets.token_hex(8)}", int(time.time()), reason, wait_s=HALT_WAIT_S
    )
    _carry_out(config, *begun)


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
    begun = decisions.begin_resume(
        command_id=secrets.token_hex(8),
        ping_id=secrets.token_hex(8),
        force=force,
        reason=reason,
        yes=yes,
        wait_s=RESUME_WAIT_S,
        poll_s=POLL_S,
        proof_wait_s=PROOF_WAIT_S,
    )
    _carry_out(config, *begun)


@app.command()
def flatten(
    config: ConfigOption = DEFAULT_CONFIG,
    force: Annotated[
        bool, typer.Option("--force", help="Close one side alone where the other cannot act.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Close the pair's positions: A closes its own, B follows, and the pair stays halted.

    Refused unless both can act. A halt after which B trades nothing (README) refuses it too: then
    `resume --force` and at once `flatten`, once you have looked at both positions.
    """
    begun = decisions.begin_flatten(
        command_id=secrets.token_hex(8),
        yes=yes,
        force=force,
        wait_s=FLATTEN_WAIT_S,
        poll_s=POLL_S,
    )
    _carry_out(config, *begun)


def _carry_out(config: Path, work: decisions.Work, effects: tuple[decisions.Effect, ...]) -> None:
    """Perform what a command decides until it ends; what needs no Redis comes before connecting."""
    while effects and isinstance(effects[0], decisions.Print):
        print(effects[0].text)
        effects = effects[1:]
    if effects and isinstance(effects[0], decisions.End):
        _end(effects[0])
    else:
        _end(_run(config, lambda state: _work(state, work, effects)))


def _end(end: decisions.End) -> None:
    """Say how a command ended, with its exit code."""
    print(end.text, file=sys.stderr if end.code else sys.stdout)
    if end.code:
        raise typer.Exit(end.code)


async def _work(
    state: PairState, work: decisions.Work, effects: tuple[decisions.Effect, ...]
) -> decisions.End:
    """Perform effects and post what comes of them until the command ends."""
    while True:
        event: decisions.Event | None = None
        for effect in effects:
            if isinstance(effect, decisions.End):
                return effect
            event = await _perform(state, effect)
        if event is None:
            raise InternalBugError("the command neither ended nor waits for anything.")
        work, effects = work.step(event)


async def _perform(state: PairState, effect: decisions.Effect) -> decisions.Event | None:
    """Perform one effect; return what it lets the command see."""
    match effect:
        case decisions.Print(text):
            print(text)
        case decisions.Ask(question):
            return decisions.Answered(_answer(question))
        case decisions.Look(after_s, ping_id):
            await asyncio.sleep(after_s)
            report = await state.report(ping_id)
            return decisions.Looked(time.monotonic(), report)
        case decisions.Send():
            await state.send(effect)
            return decisions.Written(time.monotonic())
        case decisions.WriteHalt(one):
            await state.write_halts(Halts(halts=(one,)))
            return decisions.Written(time.monotonic())
        case decisions.LookAtHost():
            return state.look_at_host()
        case decisions.ReleaseOnHost(ids, _):
            return await state.release_on_host(ids)
    return None


def _answer(question: str) -> decisions.Answer:
    try:
        agreed = typer.confirm(question, default=False)
    except typer.Abort:
        return decisions.Answer.NONE
    return decisions.Answer.YES if agreed else decisions.Answer.NO


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
    if terminal.why_lost():  # what is written is all that this does
        raise typer.Exit(ConfigError.exit_code)


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
        _fail(of_too_many_files(error) or about_this_redis(error, str(config)))
    except OSError as error:
        if (of_files := of_too_many_files(error)) is None:
            raise
        _fail(of_files)


def _fail(error: HedgeError) -> NoReturn:
    print(error, file=sys.stderr)
    raise typer.Exit(error.exit_code)


def main(arguments: list[str]) -> int:
    """Do what the command line asks for and return the exit code."""
    host_os.print_any_text()
    with terminal.answering():
        return _main(arguments)


def _main(arguments: list[str]) -> int:
    try:
        return app(arguments, standalone_mode=False) or 0
    except typer.TyperException as error:
        if sentence := error.format_message():  # "" where the help was shown instead
            print(f"{sentence} ({_hint(arguments)})", file=sys.stderr)
        return error.exit_code


def _hint(arguments: list[str]) -> str:
    tool = host_os.tool_name()
    if arguments[0].startswith("-"):
        return f"options stand behind the command, as `{tool} status --config FILE`"
    return f"see `{tool} --help`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
