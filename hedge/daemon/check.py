"""`--check`: what a start would find, without starting; safe beside a running pair.

It takes no lease and no lock, writes no key, no log file and no state, and sends no transaction.
"""

import asyncio
import enum
import os
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedge.bus.diagnosis import where
from hedge.config.schema import Config, Tier
from hedge.core import ids
from hedge.core.amounts import MarketSpec, lots_within, quote_text
from hedge.core.records import Depth
from hedge.core.transitions import ACTIVE
from hedge.daemon.host_store import HostState
from hedge.daemon.reserved_key import refusal_of
from hedge.errors import (
    AccountKeyError,
    ConfigError,
    ExchangeUnreachableError,
    NotNeutralError,
    RedisUnreachableError,
)
from hedge.exchange.allowance import Allowance, tier_named
from hedge.exchange.lighter.venue import LighterVenue
from hedge.exchange.port import (
    MarketUp,
    OrderElsewhere,
    PositionElsewhere,
    StreamUp,
    VenueEvent,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.wire.control import Lease
from hedge.wire.names import LeaseKey
from redis_messenger import RedisMessenger

_ID_BYTES = 6
_POLL_S = 0.02
NOT_KNOWN = "not known before the first order"


class Verdict(enum.Enum):
    """What a line of the table means; the value is the word in its first column."""

    FINE = "ok"
    TOLD = ""
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `code` is the exit code that a failed one stands for."""

    what: str
    found: str
    verdict: Verdict = Verdict.FINE
    code: int = 0


def failed(what: str, found: str, code: int) -> Line:
    """Return a line that fails the check."""
    return Line(what, found, Verdict.FAILED, code)


def told(what: str, found: str) -> Line:
    """Return a line that is neither right nor wrong."""
    return Line(what, found, Verdict.TOLD)


def messenger_of(config: Config) -> RedisMessenger:
    """Return a messenger under ids that no lease knows."""
    instance, host_id = secrets.token_hex(_ID_BYTES), secrets.token_hex(_ID_BYTES)
    return RedisMessenger.from_config(config, instance=instance, host_id=host_id)


async def lines_of(
    config: Config,
    messenger: RedisMessenger,
    venue: LighterVenue,
    quantity_lots: Callable[[MarketSpec], int | None],
    redis_warnings: list[str],
    allowed: Allowance,
) -> list[Line]:
    """Return the whole table. Raises ConfigError for what two written values contradict.

    Redis and the exchange were reached before; `quantity_lots` converts the written quantity,
    `allowed` is the budget of requests.
    """
    lines = [Line("configuration", "valid"), *_of_host(config)]
    lines += [told("configuration", text) for text in config.warnings]
    lines += [told("Redis", text) for text in redis_warnings]
    lines += await _of_redis(config, messenger)
    streams, depth = await _of_streams(config, venue)
    lines += [*_of_exchange(config, venue), *streams]
    lines.append(await _of_tier(config, venue, allowed))
    lines += await _of_account(config, venue)
    if config.side == "a":
        market, lots = venue.market_now.spec, quantity_lots(venue.spec)
        lines.append(_of_quantity(config.strategy.quantity, market, depth, lots))
    else:
        lines.append(await _of_key(venue))
    return [*lines, *_of_limits(config, venue.spec)]


def code_of(lines: list[Line]) -> int:
    """Return the exit code of a check: that of the first failed line, 0 without one."""
    return next((line.code for line in lines if line.verdict is Verdict.FAILED), 0)


# --- this host


def _host_of(config: Config) -> HostState:
    own, chain_id = config.own, config.lighter.chain_id
    return HostState(
        config.state.dir, chain_id, own.account_index, own.api_key_index, config.former_state_dir
    )


def _of_host(config: Config) -> list[Line]:
    host = _host_of(config)
    lines = [
        _of_directory("state.dir", host.path),
        _of_directory("logging.dir", config.logging.dir),
    ]
    if (former := host.former_with_state) is not None:
        lines.append(told("state.dir", f"a start moves it here from {former}"))
    for halt in host.read_halts().in_force:
        detail = f"this host keeps a halt: {halt.reason}, {halt.detail}"
        lines.append(failed("halt", detail, NotNeutralError.exit_code))
    return lines


def _of_directory(key: str, directory: Path | str) -> Line:
    """Say whether a directory can be written to, or made where there is none yet."""
    there = Path(directory)
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK):
        return Line(key, str(directory))
    return failed(key, f"{directory} cannot be written to", ConfigError.exit_code)


# --- Redis


async def _of_redis(config: Config, messenger: RedisMessenger) -> list[Line]:
    code = RedisUnreachableError.exit_code
    lines = [Line("Redis", f"{where(config.redis)} answers")]
    own = config.own
    key = LeaseKey(config.lighter.chain_id, own.account_index, own.api_key_index)
    try:
        # A process that holds no lease may ask to prolong it: the script runs and writes nothing.
        answer = await messenger.renew_lease(key)
    except RedisUnreachableError as error:
        lines.append(failed("Redis script", str(error), code))
    else:
        lines.append(Line("Redis script", f"runs; {_holder(answer.holder)}"))
    timing = config.timing
    problem = await _round_trip(messenger, timing.redis_connect_s + timing.redis_timeout_s * 3)
    if problem:
        lines.append(failed("Redis publish/subscribe", problem, code))
    else:
        lines.append(Line("Redis publish/subscribe", "a message came back"))
    return lines


def _holder(lease: Lease | None) -> str:
    if lease is None:
        return "nothing holds the lease of this key"
    return f"a process of host id {lease.host} holds the lease of this key"


async def _round_trip(messenger: RedisMessenger, timeout_s: float) -> str:
    """Return what keeps a published message from coming back, "" where it comes."""
    complaints = ["no message came back"]
    heard = asyncio.Event()
    messenger.on_link(lambda is_up: heard.set() if is_up else None)
    messenger.on_complaint(complaints.append)
    return "" if await _beside(messenger.start_listening(), heard, timeout_s) else complaints[-1]


async def _beside(
    work: Coroutine[Any, Any, None],
    done: asyncio.Event,
    timeout_s: float,
    look: Callable[[], None] = lambda: None,
) -> bool:
    """Run `work` until `done`, and `look` before it ends; whether that came in time."""
    task = asyncio.create_task(work, name="checked")
    try:
        async with asyncio.timeout(timeout_s):
            await done.wait()
    except TimeoutError:
        pass
    finally:
        look()
        task.cancel()
        await asyncio.wait({task})
    return done.is_set()


# --- the exchange


def _of_exchange(config: Config, venue: LighterVenue) -> list[Line]:
    own, spec, status = config.own, venue.spec, venue.market_now.status
    market = f"{spec.symbol}, index {spec.market_index}"
    return [
        Line("exchange", f"{config.lighter.base_url}, chain {venue.chain_id}"),
        Line("API key", f"{own.api_key_index} of account {own.account_index}"),
        Line("market", f"{market}, {status}")
        if status == ACTIVE
        else failed(
            "market", f"{market}, {status}: the side would hold", NotNeutralError.exit_code
        ),
    ]


async def _of_streams(config: Config, venue: LighterVenue) -> tuple[list[Line], Depth]:
    """Open both sockets to their first frames; return the book that came too."""
    seen, missing, depth = asyncio.Event(), dict[str, str](), Depth()

    def handle(event: VenueEvent) -> None:
        if isinstance(event, StreamUp | MarketUp) and not venue.missing_streams():
            seen.set()

    def look() -> None:
        nonlocal depth
        missing.update(venue.missing_streams())
        depth = venue.depth()

    await _beside(venue.run_streams(handle), seen, config.timing.start_timeout_s, look)
    code = ExchangeUnreachableError.exit_code
    lines = [
        failed(f"{name} stream", missing[name], code)
        if name in missing
        else Line(f"{name} stream", "open, first frames came")
        for name in ("private", "public")
    ]
    return lines, depth


async def _of_tier(config: Config, venue: LighterVenue, allowed: Allowance) -> Line:
    """Say tier and budget; a tier that is written is held against what the exchange says."""
    what, written = "tier and budget", config.lighter.tier
    if written is Tier.AUTO:
        return told(what, allowed.text)
    try:
        word = await venue.tier_name()
    except (VenueUnavailableError, VenueRefusedError):
        return told(what, f"{allowed.text}; Lighter does not say which tier it is")
    if (tier := tier_named(word)) in (written, None):
        return told(what, allowed.text)
    if tier is Tier.STANDARD:
        detail = f"lighter.tier is {written.value}, Lighter says {word}: it would refuse (429) much"
        return failed(what, detail, ConfigError.exit_code)
    return told(what, f"{allowed.text}; Lighter says {word}, which allows more than is used")


async def _of_account(config: Config, venue: LighterVenue) -> list[Line]:
    try:
        account = await venue.account()
        positions = await venue.positions_elsewhere()
        orders = await venue.orders_elsewhere() if config.side == "a" else ()
    except (VenueUnavailableError, VenueRefusedError) as error:
        raise ExchangeUnreachableError(
            f"the exchange at {config.lighter.base_url} does not answer about account "
            f"{config.own.account_index}: {error}"
        ) from error
    spec = venue.spec
    holds = bool(account.position_lots or positions)
    why = refusal_of(config, _host_of(config), has_position=holds)
    return [
        *([failed("API key", why, ConfigError.exit_code)] if why else []),
        told("available", f"{account.available_micros / 1e6:,.2f} USDC"),
        told("position", f"{spec.base(account.position_lots)} {spec.symbol}"),
        *_of_other_markets(orders, positions),
    ]


def _of_other_markets(
    orders: tuple[OrderElsewhere, ...], positions: tuple[PositionElsewhere, ...]
) -> list[Line]:
    """Name what the account has in other markets: it shares the margin, or a start ends it."""
    lines = [
        told("other position", f"{one.base_amount:+f} {one.symbol}; it shares the margin")
        for one in positions
    ]
    ours = sorted({one.market_index for one in orders if ids.is_ours(one.client_order_index)})
    return lines + [
        failed(
            "other market",
            f"an order of the pair rests in the market of index {index}: a start ends it first",
            ConfigError.exit_code,
        )
        for index in ours
    ]


async def _of_key(venue: LighterVenue) -> Line:
    """Say whether B's key may send a market order, where the exchange says so."""
    what = "market orders"
    try:
        is_maker_only = await venue.is_maker_only()
    except (VenueUnavailableError, VenueRefusedError):
        return told(what, f"{NOT_KNOWN}: the exchange does not say whether the key may send them")
    if is_maker_only:
        detail = "the exchange lets this key send post-only orders alone: B could not hedge"
        return failed(what, detail, AccountKeyError.exit_code)
    return Line(what, "this key may send them")


# --- what was written


def _of_quantity(written: Decimal | None, spec: MarketSpec, depth: Depth, lots: int | None) -> Line:
    """Check the quantity against step and minimums; a minimum is a hold, not a mistake."""
    if lots is None:
        raise ConfigError("no quantity: give --quantity or set strategy.quantity.")
    smallest = f"{spec.base(spec.min_base_lots)} {spec.symbol} and {_usdc(spec.min_quote_micros)}"
    bid = depth.bids[0].price_ticks if depth.bids else depth.mark_ticks
    if bid is None:
        found = f"{written} {spec.symbol}; its worth is not known, smallest {smallest}"
        return told("quantity", found)
    worth = f"{written} {spec.symbol}, {_usdc(spec.quote_micros(lots, bid))} at {spec.price(bid)}"
    if not spec.can_rest(lots, bid):
        detail = f"{worth}; below the smallest resting order, {smallest}: A would hold"
        return failed("quantity", detail, NotNeutralError.exit_code)
    if lots > lots_within(spec, bid):
        limit = _usdc(spec.order_quote_limit_micros)
        detail = f"{worth}; the exchange takes no order above {limit}: A would hold"
        return failed("quantity", detail, NotNeutralError.exit_code)
    return Line("quantity", f"{worth}; smallest resting order {smallest}")


def _of_limits(config: Config, spec: MarketSpec) -> list[Line]:
    limits = config.safety.max_fill_base_amount, config.safety.max_position_base_amount
    names = "largest fill taken", "largest position"
    return [
        told(name, "no limit" if limit is None else f"{limit} {spec.symbol}")
        for name, limit in zip(names, limits, strict=True)
    ]


def _usdc(micros: int) -> str:
    return f"{quote_text(micros).rstrip('0').rstrip('.')} USDC"
