"""From a command line to a running side: parse, load, build, run, exit code.

Only the mains use this; nothing else in the program constructs clients.
"""

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from hedge.bus.diagnosis import where, works_as
from hedge.bus.port import PairScope
from hedge.config.load import RESERVED_API_KEYS, load_config
from hedge.config.schema import REDIS_SECRETS, Config, Secret, TimingConfig
from hedge.config.usage import SentenceParser
from hedge.core.amounts import MAX_LOTS, MICROS, InexactAmountError, MarketSpec
from hedge.daemon import left_markets, stop_request, terminal
from hedge.daemon.account_tier import AccountTier, first_allowance
from hedge.daemon.advice import about_this_redis
from hedge.daemon.clock import SystemClock
from hedge.daemon.context import Anew, Ending, Parts
from hedge.daemon.daemon import Shell
from hedge.daemon.health import Health
from hedge.daemon.host_os import (
    LOG_ONLY,
    commands_for,
    end_at_signals,
    loop_factory,
    on_stop_signals,
    print_any_text,
)
from hedge.daemon.host_store import HostState
from hedge.daemon.logs import Log, flush_logging, log_problem, rotation_problem, setup_logging
from hedge.daemon.loop_lag import LoopLag
from hedge.daemon.order_requests import order_life_s
from hedge.daemon.patience import Patience
from hedge.daemon.reserved_key import refuse_at_first_start
from hedge.daemon.side_thread import in_thread
from hedge.daemon.signers import kept_instances
from hedge.daemon.stop_request import Stopper
from hedge.errors import (
    AccountKeyError,
    AlreadyRunningError,
    ConfigError,
    ExchangeUnreachableError,
    HedgeError,
    NotNeutralError,
    RedisUnreachableError,
    of_too_many_files,
)
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.lighter.streams.connection import Delays, LinkTimes, backoff
from hedge.exchange.lighter.venue import LighterSettings, LighterVenue
from hedge.exchange.port import (
    KeyRefusedError,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.exchange.sender import Sender
from hedge.wire.codec import MessageRefusedError
from hedge.wire.names import LeaseKey, Names
from redis_messenger import RedisMessenger

VERSION = "0.1.0"
BUG = 1
INTERRUPTED = 130
CONNECT_S = 10.0
CLOSE_S = 5.0
"""So long may links and loop be closed once it is settled how the run ended."""
_COLLECT_AFTER = 10_000
_TERMINAL = 2
"""Where a person may look at what a daemon says."""
_LOOK_UPS = 64

Build = Callable[[Parts], Shell]


def main(side: str, argv: Sequence[str], build: Build, leave: Build | None = None) -> NoReturn:
    """Be the process of one side: run it, and end with its exit code.

    The end waits for no thread: one may hang in a name server, a disk or a terminal.
    """
    terminal.unblock()
    terminal.leave(partial(run, side, argv, build, leave), flush_logging)


def run(side: str, argv: Sequence[str], build: Build, leave: Build | None = None) -> int:
    """Run one side until stopped; return the process's exit code.

    `leave` builds what `--leave` runs; a side without it knows no such option.
    """
    print_any_text()
    name, config = f"main_{side.upper()}", None
    try:
        options = _parser(side).parse_args(argv)
        config = _load(side, options)
        if options.check:
            return asyncio.run(_check(config))
        _log_to_files(config, name)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            only_leaves = leave is not None and options.leave
            chosen = leave if leave is not None and only_leaves else build
            return runner.run(_outcome(name, config, chosen, only_leaves=only_leaves))
    except (HedgeError, KeyboardInterrupt, BaseExceptionGroup) as error:
        return _told(name, error, config)
    except Exception as error:
        if of_too_many_files(error) is None:
            raise
        return _told(name, error, config)


async def _outcome(name: str, config: Config, build: Build, *, only_leaves: bool) -> int:
    """Run this side and tell how it ended; links and loop are closed after that, for a while."""
    try:
        code = await _run(config, build, only_leaves=only_leaves)
    except (HedgeError, BaseExceptionGroup) as error:
        code = _told(name, error, config)
    _end_within(CLOSE_S, code)
    return code


def _told(name: str, error: BaseException, config: Config | None) -> int:
    """Tell what ended the run; return the exit code."""
    known = _first_known(error)
    if isinstance(known, ConfigError) and config is not None and known.is_about_its_key:
        known = known.within(config.place_of(known.key))
    if isinstance(known, AlreadyRunningError) and known.is_on_host and config is not None:
        stop = commands_for(config.file).stop
        known = AlreadyRunningError(f"{known} {stop} stops the pair of this host.")
    if known is not None:
        _complain(name, about_this_redis(known, "" if config is None else config.file))
    elif isinstance(error, BaseExceptionGroup):
        Log().exception("bug", error)
        traceback.print_exception(error)
    return exit_code_of(error)


def _end_within(seconds: float, code: int) -> None:
    """End this process after so long whatever it waits for, with an exit code that is settled.

    Closing a loop waits for its look-ups, and a name server may not answer for minutes.
    """
    if isinstance(sys.stderr, terminal.Unblocked):  # else another program runs a side in itself
        late = threading.Timer(seconds, _leave, [code])
        late.daemon = True
        late.start()


def exit_code_of(outcome: Ending | BaseException) -> int:
    """Return the exit code of a process whose run ended so, or with this error."""
    if isinstance(outcome, Ending):
        return 0 if outcome is Ending.NEUTRAL else NotNeutralError.exit_code
    known = _first_known(outcome)
    if known is not None:
        return known.exit_code
    return INTERRUPTED if isinstance(outcome, KeyboardInterrupt) else BUG


def _log_to_files(config: Config, name: str) -> None:
    settings, is_followed = config.logging, os.environ.get(LOG_ONLY) == "1"
    if is_followed:
        settings = replace(settings, console=False)
    try:
        path = setup_logging(settings, name, _secrets(config))
        if not (settings.console or is_followed) and os.isatty(_TERMINAL):
            told = f"{name} runs; its lines are in {path} (logging.console is false)."
            print(f"{told} Ctrl-C stops it.", file=sys.stderr)  # noqa: T201  else it is silent
    except OSError as error:
        raise ConfigError(
            f"logging.dir: {config.logging.dir} cannot be written to ({error.strerror}); "
            "choose another directory, or correct its owner.",
            "logging.dir",
        ) from error


def _complain(name: str, error: HedgeError) -> None:
    if logging.getLogger().hasHandlers():  # else the log would go to stderr, beside the sentence
        Log().last_word("exit", code=error.exit_code, reason=str(error))
    print(f"{name}: {error}", file=sys.stderr)  # noqa: T201  the user's one sentence


def _first_known(error: BaseException) -> HedgeError | None:
    """Return the error that a person can act on, if a group holds nothing worse."""
    if (of_files := of_too_many_files(error)) is not None:
        return of_files
    if isinstance(error, BaseExceptionGroup):
        known, rest = error.split(HedgeError)
        if known is None or rest is not None:
            return None
        error = known
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, HedgeError) else None


def _parser(side: str) -> argparse.ArgumentParser:
    maker = side == "a"
    does = "rests limit orders" if maker else "hedges every fill of A"
    script = f"main_{side.upper()}.py"
    parser = SentenceParser(
        see=f"{script} --help", prog=script, description=f"Account {side.upper()}: {does}."
    )
    parser.add_argument("--market", help="symbol of the market, e.g. ETH (default: config)")
    parser.add_argument("--config", default="config.yaml", help="configuration file")
    parser.add_argument(
        "--check", action="store_true", help="test config, Redis, exchange, key, balance; then exit"
    )
    parser.add_argument(
        "--stop-timeout-s",
        type=float,
        metavar="S",
        help="a clean stop takes at most (default: timing.stop_timeout_s)",
    )
    if maker:
        parser.add_argument(
            "--leave",
            action="store_true",
            help="trade nothing: cancel what rests, prove the book, state it, and end",
        )
        parser.add_argument("--quantity", help="size of an opening order in the base asset")
        parser.add_argument("--depth", type=int, help="price level of the orders, 1 = best")
    return parser


def _load(side: str, options: argparse.Namespace) -> Config:
    overrides = {
        "market": options.market,
        "strategy.quantity": getattr(options, "quantity", None),
        "strategy.depth": getattr(options, "depth", None),
        "timing.stop_timeout_s": options.stop_timeout_s,
    }
    return load_config(Path(options.config), side, overrides)


def _secrets(config: Config) -> list[Secret]:
    found = [config.own.api_key_private_key]
    found += [getattr(config.redis, name) for name in REDIS_SECRETS]
    return [secret for secret in found if secret is not None]


def on_stray(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep short what a look-up or connect that nobody waits for any more ended with."""
    error = context.get("exception")
    if isinstance(error, OSError):
        Log().debug("abandoned", reason=error)
    else:
        loop.default_exception_handler(context)


async def _run(config: Config, build: Build, *, only_leaves: bool) -> int:
    """Run one side, again and again where it starts anew, each time with nothing in memory."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(on_stray)
    # For the plain loop: an abandoned look-up keeps its thread until the name server answers.
    loop.set_default_executor(ThreadPoolExecutor(_LOOK_UPS, "look-up"))
    ended = await _run_once(config, build, None, only_leaves=only_leaves)
    while isinstance(ended, Anew):
        ended = await _run_once(config, build, ended, only_leaves=only_leaves)
    return ended


async def _run_once(
    config: Config, build: Build, anew: Anew | None, *, only_leaves: bool
) -> int | Anew:
    with HostState(
        config.state.dir,
        config.lighter.chain_id,
        config.own.account_index,
        config.own.api_key_index,
        config.former_state_dir,
        works_as=works_as(config.pair, config.redis),
    ) as host:
        async with _opened(config, host) as parts:
            for warning in config.warnings:
                parts.log.warning("config", detail=warning)
            left_markets.refuse_other_keys(parts)
            patience = Patience(config, host, parts.messenger)
            if config.own.api_key_index <= RESERVED_API_KEYS:
                holds = await patience.until_done(partial(_holds_anything, parts))
                refuse_at_first_start(config, host, has_position=holds)
            remains = await patience.until_done(partial(_elsewhere, parts))
            if not remains:
                return await _work(replace(parts, anew=anew), build)
        ends = [await _leave_market(config, host, build, one, parts.spec.symbol) for one in remains]
    text = " ".join(end.text for end in ends)
    if not all(end.is_covered for end in ends):
        raise NotNeutralError(f"{text} Not all of it was seen to be covered.")
    if only_leaves:  # it has done what it was asked for, in the market where there was something
        Log().warning("left_elsewhere", detail=text)
        return 0
    raise ConfigError(text, "market")


async def _work(parts: Parts, build: Build) -> int | Anew:
    """Run this side in its market until stopped."""
    manager = build(parts)
    ending = await _manage(parts, manager)
    if ending is Ending.ANEW:
        return manager.anew
    if ending is Ending.NOT_NEUTRAL:
        raise NotNeutralError(
            "stopped, and it is not shown that all is covered: see"
            f" {commands_for(parts.config.file).status}."
        )
    left_markets.end(parts)
    return 0


async def _until_stopped(manager: Shell, directory: Path) -> Ending:
    """Run until a signal or the file in the state directory asks for a stop, and that is done."""
    loop = asyncio.get_running_loop()
    stopper = Stopper(
        stop=manager.stop,
        tell_open=manager.tell_open,
        leave=_leave,
        now_s=loop.time,
        later=loop.call_later,
    )
    with on_stop_signals(loop, stopper.on_signal):
        following = stop_request.Following(directory, stopper.request)
        try:
            ending = await manager.run()
        finally:
            following.end()
    if ending is not Ending.ANEW:
        # What is done keeps its exit code, whatever comes while links and loop are being closed.
        end_at_signals(partial(_leave, exit_code_of(ending)))
    return ending


async def _manage(parts: Parts, manager: Shell) -> Ending:
    parts.log.info(
        "start",
        version=parts.version,
        account=parts.config.own.account_index,
        name=parts.config.own.account_name,
        market=parts.spec.symbol,
        instance=parts.instance,
        pid=os.getpid(),
    )
    _calm_collector()
    with parts.health.measured:
        return await _until_stopped(manager, parts.host.path)


async def _holds_anything(parts: Parts) -> bool:
    """Whether the account has a position in any market. Raises UnreachableError."""
    try:
        here = (await parts.venue.account()).position_lots
        return bool(here or await parts.venue.positions_elsewhere())
    except (VenueUnavailableError, VenueRefusedError) as error:
        raise ExchangeUnreachableError(
            f"the exchange at {parts.config.lighter.base_url} does not answer about account "
            f"{parts.config.own.shown}: {error}"
        ) from error


async def _elsewhere(parts: Parts) -> tuple[left_markets.Remains, ...]:
    """Return what an earlier run left in other markets. Raises UnreachableError."""
    venue, side = parts.venue, parts.config.side
    try:
        orders = await venue.orders_elsewhere() if side == "a" else ()
        positions = await venue.positions_elsewhere()
    except (VenueUnavailableError, VenueRefusedError) as error:
        raise ExchangeUnreachableError(
            f"the exchange at {parts.config.lighter.base_url} does not list what account "
            f"{parts.config.own.account_index} has in other markets: {error}"
        ) from error
    told = await parts.messenger.business_elsewhere(
        side, parts.spec.market_index, left_markets.left_by(parts.host)
    )
    signers = await _signers(parts) if orders else ()
    return left_markets.remains_of(parts, orders, positions, told, signers)


async def _signers(parts: Parts) -> tuple[str, ...]:
    """Return which other processes may have signed with our key, as host and Redis list them."""
    stored: tuple[str, ...] = ()
    try:
        stored = await parts.messenger.read_instances(parts.lease)
    except MessageRefusedError as error:
        parts.log.warning("message_refused", cause=error.cause.value, where=parts.lease.instances)
    return tuple(one for one in (*kept_instances(parts.host), *stored) if one != parts.instance)


@dataclass(frozen=True, slots=True)
class _Left:
    """How it stands with a market that was left: the way out in words."""

    text: str
    is_covered: bool


async def _leave_market(
    config: Config, host: HostState, build: Build, remains: left_markets.Remains, symbol: str
) -> _Left:
    """End what is left in another market: A cancels and states its book, B covers what it owes."""
    there = left_markets.config_there(config, host, remains.market_index)
    async with _opened(there, host) as opened:
        parts = replace(opened, leaves=True)
        parts.log.warning("leaving_market", market=parts.spec.symbol, because=remains.text)
        manager = build(parts)
        is_covered = await end_old_market(parts, manager, partial(_manage, parts, manager))
        lots = manager.books.book.net_lots if manager.books.book is not None else None
        offset = there.strategy.offset_base_amount
        text = left_markets.way_out(
            config.side,
            parts.spec,
            symbol,
            remains,
            lots,
            commands_for(config.file),
            None if offset == config.strategy.offset_base_amount else offset,
        )
        return _Left(text, is_covered)


async def end_old_market(
    parts: Parts, manager: Shell, run: Callable[[], Awaitable[Ending]]
) -> bool:
    """Run a side that only ends what was left in its market; return whether it has left that.

    A side has left it by its own end, or where it was covered and the other side is past there,
    unless it has learned of a debt since.
    """
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_stop_when_done(parts, manager), name="leaving")
        ending = await run()
        watch.cancel()
    was_covered = watch.done() and not watch.cancelled() and watch.result()
    is_past = was_covered and manager.is_other_past_here and not manager.owes()
    has_left = ending is Ending.NEUTRAL or is_past
    if has_left:
        left_markets.end(parts)
    return has_left


async def _stop_when_done(parts: Parts, manager: Shell) -> bool:
    """Ask the side to stop once it may leave; return whether nothing was owed then.

    At the latest A stops after its own reduction, B after the end of every order of a silent A.
    """
    config, clock = parts.config, parts.clock
    longest_s = config.strategy.force_close_timeout if config.side == "a" else order_life_s(config)
    deadline_ms = clock.now_ms() + round((longest_s + config.timing.stop_timeout_s) * 1000)
    while not manager.may_leave_here and clock.now_ms() < deadline_ms:
        await clock.sleep(config.timing.tick_s)
    is_covered = manager.is_covered_here
    manager.stop()
    return is_covered


@asynccontextmanager
async def _opened(config: Config, host: HostState) -> AsyncIterator[Parts]:
    """Open Redis and the exchange; give the parts of a manager."""
    clock = SystemClock()
    budget = _budget(config, clock)
    messenger = RedisMessenger.from_config(config, instance=host.instance, host_id=host.host_id)
    patience, log = Patience(config, host, messenger), Log()

    async def connect() -> list[str]:
        try:
            async with asyncio.timeout(CONNECT_S):
                warnings = await in_thread(messenger.connect, "connect")
                await in_thread(messenger.check_rights, "rights")
                await messenger.open()
                return warnings
        except TimeoutError as error:
            place = where(config.redis)
            raise RedisUnreachableError(
                f"Redis at {place} has not answered within {CONNECT_S:g} s, or no name server has.",
                place,
            ) from error

    async def open_venue() -> tuple[LighterVenue, AsyncExitStack]:
        return await _reached(config, _credentials(config), clock, budget)

    try:
        for warning in await patience.until_done(connect):
            log.warning("redis", detail=warning)
        venue, stack = await patience.until_done(open_venue)
        async with stack:
            patience.keep_reached()
            yield _parts(config, host, messenger, venue, budget, clock, log)
    finally:
        await messenger.aclose()


def _budget(config: Config, clock: SystemClock) -> RequestBudget:
    silence_s = config.timing.quiet_after_429_s
    return RequestBudget(clock, first_allowance(config), silence_s=silence_s)


def _credentials(config: Config) -> Credentials:
    own = config.own
    key = own.api_key_private_key.reveal() if own.api_key_private_key else ""
    return Credentials(own.account_index, own.api_key_index, key)


async def _reached(
    config: Config, credentials: Credentials, clock: SystemClock, budget: RequestBudget
) -> tuple[LighterVenue, AsyncExitStack]:
    """Return the exchange with our key proven, and what closes it. Raises HedgeError."""
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(
            LighterVenue.open(
                _settings(config),
                credentials,
                clock=clock,
                budget=budget,
                delays=_delays(config.timing),
            )
        )
        await _prove_key(venue, config)
        tier = AccountTier(config, budget)
        if tier.is_asked:
            venue.follow_tier(tier.hear, tier.miss)
            await venue.ask_tier()
        return venue, stack.pop_all()


def _settings(config: Config) -> LighterSettings:
    timing = config.timing
    return LighterSettings(
        base_url=config.lighter.base_url,
        ws_url=config.lighter.ws_url,
        market=config.market,
        chain_id=config.lighter.chain_id,
        peer_index=config.peer.account_index if config.lighter.peer_watch else None,
        request_timeout_s=timing.request_timeout_s,
        max_mark_gap_bps=config.safety.max_mark_gap_bps,
        times=LinkTimes(
            ready_s=timing.start_timeout_s,
            ping_s=timing.ws_ping_s,
            silence_s=timing.ws_silence_s,
            ask_s=min(LinkTimes().ask_s, timing.ws_silence_s),
            snapshot_s=min(LinkTimes().snapshot_s, timing.ws_silence_s),
            quiet_s=timing.quiet_after_429_s,
        ),
    )


def _delays(timing: TimingConfig) -> Delays:
    """Return the back-off of the streams."""
    rng = random.Random()  # noqa: S311  jitter
    return partial(backoff, rng, timing.ws_retry_min_s, timing.ws_retry_max_s)


async def _prove_key(venue: LighterVenue, config: Config) -> None:
    """Make sure that the account exists and that the key is its own."""
    own = config.own
    what = f"account {own.shown}, API key {own.api_key_index}"
    try:
        await venue.check_key()
    except KeyRefusedError as error:
        raise AccountKeyError(
            f"Lighter does not take the key of {what} ({error}). Check account_index, "
            "api_key_index and api_key_private_key in the configuration."
        ) from error
    except (VenueUnavailableError, VenueRefusedError) as error:
        raise ExchangeUnreachableError(
            f"the exchange at {config.lighter.base_url} does not answer about {what}: {error}"
        ) from error


def _parts(
    config: Config,
    host: HostState,
    messenger: RedisMessenger,
    venue: LighterVenue,
    budget: RequestBudget,
    clock: SystemClock,
    log: Log,
) -> Parts:
    own, peer, timing = config.own, config.peer, config.timing
    chain_id = venue.chain_id
    scope = PairScope(
        chain_id=chain_id,
        account_a=config.accounts.account_a.account_index,
        account_b=config.accounts.account_b.account_index,
        spec=venue.spec,
        max_fill_lots=lots_of(venue.spec, config, "safety", "max_fill_base_amount"),
        max_position_lots=lots_of(venue.spec, config, "safety", "max_position_base_amount"),
        secret=config.secret,
        pair=config.pair,
    )
    lease = LeaseKey(chain_id, own.account_index, own.api_key_index)
    other = LeaseKey(chain_id, peer.account_index, peer.api_key_index)
    leases = (lease, other) if config.side == "a" else (other, lease)
    messenger.bind(scope, *leases)
    sender = Sender(
        venue,
        clock,
        instance=host.instance,
        cancel_all_first=config.side == "a",
        answer_timeout_s=timing.answer_timeout_s,
        listed_timeout_s=timing.marker_deadline_s,
        view_lag_s=timing.view_lag_s,
    )
    lag = LoopLag(lambda ms, cause: log.warning("loop_late", ms=ms, cause=cause))
    return Parts(
        config=config,
        scope=scope,
        names=Names(config.pair),
        lease=lease,
        venue=venue,
        budget=budget,
        sender=sender,
        messenger=messenger,
        clock=clock,
        host=host,
        log=log,
        instance=host.instance,
        version=VERSION,
        peer=venue.peer,
        health=Health(
            log_problem,
            lambda: host.problem,
            rotation_problem,
            lag_ms=lambda: lag.worst_ms,
            measured=lag,
        ),
    )


def lots_of(spec: MarketSpec, config: Config, section: str, key: str) -> int | None:
    """Return a configured amount of the base asset in lots, None where it is not set.

    Raises ConfigError for an amount that is not a whole number of size steps, or above 2^48 - 1.
    """
    value = getattr(getattr(config, section), key)
    if value is None:
        return None
    try:
        lots = spec.lots(value)
    except InexactAmountError as error:
        raise ConfigError(
            f"{section}.{key} = {value}: {spec.symbol} is traded in steps of {spec.base(1)}; "
            "write a multiple of that.",
            f"{section}.{key}",
        ) from error
    if abs(lots) > MAX_LOTS:
        most = f"{spec.base(MAX_LOTS)} {spec.symbol}"
        raise ConfigError(
            f"{section}.{key} = {value}: no order over more than {most} can be written.",
            f"{section}.{key}",
        )
    return lots


def _calm_collector() -> None:
    """Keep what the start made out of every later collection, and collect less often.

    The SDK's models alone are a hundred thousand objects; looking through them takes longer than
    a hedge. What the program makes later dies by reference count, but for a cycle now and then.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)


def _leave(code: int) -> NoReturn:
    flush_logging()  # what is still held back
    terminal.flush()
    os._exit(code)


async def _check(config: Config) -> int:
    """Print what a start would find; return the exit code of the first line that failed."""
    # A daemon that runs for days needs none of these.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    from hedge.daemon import check  # noqa: PLC0415

    asyncio.get_running_loop().set_exception_handler(on_stray)
    clock = SystemClock()
    budget = _budget(config, clock)
    messenger = check.messenger_of(config)
    try:
        warnings = messenger.connect()
        messenger.check_rights()
        await messenger.open()
        venue, stack = await _reached(config, _credentials(config), clock, budget)
        async with stack:
            lines = await check.lines_of(
                config,
                messenger,
                venue,
                lambda spec: lots_of(spec, config, "strategy", "quantity"),
                warnings,
                budget.allowed,
            )
    finally:
        await messenger.aclose()
    table = Table(
        Column(""),
        Column("what"),
        Column("found", overflow="fold"),
        title=f"main_{config.side.upper()} --check",
    )
    for line in lines:
        table.add_row(line.verdict.value, line.what, line.found)
    Console().print(table)
    return check.code_of(lines)


def usd_to_micros(usd: Decimal) -> int:
    """Convert a configured amount of USD to micros."""
    return int(usd * MICROS)
