"""What an earlier run left in another market, or under another key: orders, positions, a debt.

The host's files say in which market a side ran last, whether it left neutral, and which order of
A may rest; the exchange lists the account's orders and positions of all markets; Redis shows what
was stated. Whatever one of them shows is left there until a run in that market says otherwise.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from hedge.bus.remnants import Elsewhere
from hedge.config.schema import Config
from hedge.core import ids
from hedge.core.amounts import MarketSpec
from hedge.daemon.commands import Commands
from hedge.daemon.context import Parts
from hedge.daemon.host_store import HostState
from hedge.daemon.signers import is_listed
from hedge.errors import ConfigError
from hedge.exchange.port import ORDER_LIFE_S, OrderElsewhere, OrderRequest, PositionElsewhere

_MARKET, _ORDER, _BOOK, _SETTLED = "market", "resting", "book-", "settled"
STORED_S = 1.0
_SLACK_MS = 5000
"""Signing takes time and clocks differ: an order's end is taken to be that much later."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is shown of one other market, each source in a few words."""

    market_index: int
    shown: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "; ".join(self.shown)


# --- what is kept


def begin(parts: Parts) -> None:
    """Remember, before anything is sent, that this side leads in this market.

    The sender learns up to which nonce all that was signed with this key is settled.
    """
    next_nonce = (parts.host.read(_SETTLED) or {}).get("next_nonce")
    if type(next_nonce) is int:
        parts.sender.nonces.learn(next_nonce)
    _keep_market(parts, has_left=False)


def end(parts: Parts) -> None:
    """Remember that this side has left its market with nothing open but what its book holds."""
    forget_order(parts)
    _keep_market(parts, has_left=True)


def _keep_market(parts: Parts, *, has_left: bool) -> None:
    left, index = _left_neutral(parts.host), parts.spec.market_index
    value = {
        "side": parts.config.side,
        "pair": parts.config.pair,
        "market_index": index,
        "symbol": parts.spec.symbol,
        "left": has_left,
        "left_neutral": sorted(left | {index} if has_left else left - {index}),
        "instance": parts.instance,
        "offset_base_amount": str(parts.config.strategy.offset_base_amount),
    }
    if parts.host.read(_MARKET) != value:
        parts.host.write(_MARKET, value, durable=True)


def config_there(config: Config, host: HostState, market_index: int) -> Config:
    """Return what is written, for a run that only ends what is left in another market.

    Amounts are written in the base asset of the new market: no limit of them binds there, and A + B
    shall be what the last run there was told, as far as this host knows.
    """
    strategy, kept = config.strategy, host.read(_MARKET) or {}
    if kept.get("market_index") == market_index:
        offset = _amount(kept.get("offset_base_amount"))
        strategy = strategy if offset is None else replace(strategy, offset_base_amount=offset)
    return replace(
        config,
        market=str(market_index),
        strategy=strategy,
        safety=replace(config.safety, max_fill_base_amount=None, max_position_base_amount=None),
    )


def _amount(kept: object) -> Decimal | None:
    try:
        found = Decimal(str(kept))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def left_by(host: HostState) -> str:
    """Return the instance of the last run, if that has left its market; else "".

    What it stored of a debt that it did not know is past: it left when nothing was owed.
    """
    kept = host.read(_MARKET) or {}
    return str(kept.get("instance") or "") if kept.get("left") is True else ""


async def keep_order(parts: Parts, order: OrderRequest) -> bool:
    """Remember an order of A that is about to rest, and until when it can; whether that is stored.

    This alone waits for the disk, so long at most: an order without a record could rest under a
    key or in a market of which the next start knows nothing. It is on no way of a fill.
    """
    life_ms = (order.life_s or ORDER_LIFE_S) * 1000
    parts.host.write(
        _ORDER,
        {
            "market_index": parts.spec.market_index,
            "symbol": parts.spec.symbol,
            "client_order_index": order.client_order_index,
            "side": order.side.value,
            "base_amount": parts.spec.base(order.lots),
            "price": parts.spec.price(order.price_ticks),
            "ends_at_ms": parts.clock.epoch_ms() + life_ms + _SLACK_MS,
        },
    )
    return await parts.host.stored(_MARKET, _ORDER, wait_s=STORED_S)


def keep_settled(parts: Parts) -> None:
    """Remember that nothing is open of what was signed so far: the next start need not wait.

    By the next nonce: whatever signs later, here or elsewhere, uses it.
    """
    next_nonce = parts.sender.nonces.next_nonce
    if next_nonce is not None:
        parts.host.write(_SETTLED, {"next_nonce": next_nonce})


def forget_order(parts: Parts) -> None:
    """Forget the order: its end is proven."""
    parts.host.delete(_ORDER)


# --- what is found


def remains_of(
    parts: Parts,
    orders: tuple[OrderElsewhere, ...],
    positions: tuple[PositionElsewhere, ...],
    told: Elsewhere,
    signers: Collection[str] = (),
) -> tuple[Remains, ...]:
    """Return what is left in other markets, by market; name in the log what is none of ours.

    An order is the pair's where one of `signers`, the other processes that may have signed with our
    key, has given its id; where none is known the tag of the id counts. A position is the pair's
    where this host, Redis or an order of the pair speaks of that market; a record in Redis that
    states nothing open there speaks of it too, unless this host has left it: what filled while
    Redis was away, and was lost with the disk of the host, shows nowhere but at the exchange.
    """
    found: dict[int, list[str]] = {index: [text] for index, text in told.stated.items()}
    for index, text in _of_host(parts.host, parts.spec.market_index, parts.clock.epoch_ms()):
        found.setdefault(index, []).append(text)
    for order in orders:
        text = f"order {order.client_order_index} rests"
        if not ids.is_ours(order.client_order_index):
            continue
        if not signers or is_listed(order.client_order_index, signers):
            found.setdefault(order.market_index, []).append(text)
        else:
            parts.log.warning("other_order", detail=f"{text}; no process of the pair signed it")
    last, left = _last_unleft(parts.host), _left_neutral(parts.host)
    for position in positions:
        text = f"the account holds {position.base_amount:+f} {position.symbol}"
        if position.market_index in found or position.market_index == last:
            found.setdefault(position.market_index, []).append(text)
        elif position.market_index in told.named - left:
            text = f"{text}, where Redis has the pair's last records"
            found.setdefault(position.market_index, []).append(text)
        else:
            parts.log.warning("other_position", detail=f"{text}; it shares the margin")
    return tuple(Remains(index, tuple(shown)) for index, shown in sorted(found.items()))


def _of_host(host: HostState, own_index: int, now_ms: int) -> list[tuple[int, str]]:
    found = list[tuple[int, str]]()
    for name in host.names():
        index = name.removeprefix(_BOOK)
        if name == index or not index.isdigit() or int(index) == own_index:
            continue
        if (host.read(name) or {}).get("position_lots") != 0:
            found.append((int(index), "this host's book shows a position"))
    last = _last_unleft(host)
    if last is not None and last != own_index and (host.read(_MARKET) or {}).get("side") == "b":
        # What A filled since then shows neither in B's own position nor, A being dead, in Redis.
        found.append((last, "the last run there was not ended by a stop"))
    order = _resting(host, now_ms)
    if order is not None and order["market_index"] != own_index:
        found.append((order["market_index"], _words_of(order)))
    return found


def _last_unleft(host: HostState) -> int | None:
    """Return the market of a run that did not leave it neutral, None without one."""
    kept = host.read(_MARKET) or {}
    index = kept.get("market_index")
    return index if type(index) is int and kept.get("left") is not True else None


def _left_neutral(host: HostState) -> frozenset[int]:
    """Return the markets that runs of this host have left neutral, and not come back to since.

    A record of before this list was kept speaks of its own market alone.
    """
    kept = host.read(_MARKET) or {}
    own = [kept.get("market_index")] if kept.get("left") is True else []
    left = kept.get("left_neutral", own)
    return frozenset(one for one in left if type(one) is int) if type(left) is list else frozenset()


def _resting(host: HostState, now_ms: int) -> dict[str, Any] | None:
    """Return the order that may still rest, None where none is kept or its time is over."""
    kept = host.read(_ORDER)
    if kept is None or type(kept.get("market_index")) is not int:
        return None
    ends_at_ms = kept.get("ends_at_ms")
    return kept if type(ends_at_ms) is not int or now_ms < ends_at_ms else None


def _words_of(order: Mapping[str, Any]) -> str:
    """Write an order for people: what it is, and until when it can fill."""
    ends_at_ms = order.get("ends_at_ms")
    until = "an unknown time"
    if type(ends_at_ms) is int:
        until = time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(ends_at_ms / 1000))
    what = " ".join(str(order.get(key)) for key in ("side", "base_amount", "symbol"))
    return (
        f"order {order.get('client_order_index')} ({what} at {order.get('price')}) "
        f"may rest until {until}"
    )


def refuse_other_keys(parts: Parts) -> None:
    """Raise ConfigError where an order of this side and pair may rest under another key.

    Account, API key or chain of the configuration differ then: nothing of ours can cancel it.
    """
    config, now_ms = parts.config, parts.clock.epoch_ms()
    for other in parts.host.idle_siblings():
        ran = other.read(_MARKET) or {}
        order = _resting(other, now_ms)
        if order is None or (ran.get("side"), ran.get("pair")) != (config.side, config.pair):
            continue
        chain, account, key = other.key
        name = f"account_{config.side}"
        raise ConfigError(
            f"accounts.{name}: an earlier run used account_index {account}, api_key_index {key}, "
            f"chain {chain}, and its {_words_of(order)}. This key cannot cancel it: start with the "
            "old values and stop again, cancel it on Lighter by hand, or wait for its end.",
            f"accounts.{name}",
        )


# --- the way out


def _with_offset(offset: Decimal | None) -> str:
    return "" if offset is None else f", with `strategy.offset_base_amount: {offset:f}` as before"


def way_out(
    side: str,
    spec: MarketSpec,
    new_symbol: str,
    remains: Remains,
    lots: int | None,
    commands: Commands,
    offset: Decimal | None = None,
) -> str:
    """Return what was left in a market, what became of it, and the command that leads out.

    `lots` is the proven position there, None where it could not be proven; `offset` (base) is what
    A + B shall be there, None where that is what is written now.
    """
    old, name = spec.symbol, side.upper()
    begin_text = (
        f"market: this start is for {new_symbol}, but an earlier run left something in {old} "
        f"({remains.text})."
    )
    did = f" {name} cancelled its orders there." if side == "a" else ""
    if lots == 0:
        again = commands.start_in(new_symbol)
        return f"{begin_text}{did} {name} is flat in {old} now: start {new_symbol} again: {again}."
    held = "an unknown position" if lots is None else f"{Decimal(spec.base(lots)):+f} {old}"
    return (
        f"{begin_text}{did} {name} holds {held} there. To go on, or to close it, start both there"
        f"{_with_offset(offset)}: "
        f"{commands.start_in(old)}. To close it: {commands.flatten}, then {commands.stop}; "
        f"then start {new_symbol}: {commands.start_in(new_symbol)}, and release the halt that the "
        f"closing leaves: {commands.resume}."
    )
