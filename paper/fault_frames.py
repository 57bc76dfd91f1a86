"""Frame faults: what goes wrong between the exchange's events and its subscribers."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from paper import wire
from paper.channels import Channel
from paper.engine import Engine
from paper.faults import Event, Fault, Faults
from paper.stream import Hub, Snapshots

Json = dict[str, Any]

_SEPARATORS: Final = re.compile("[:/]")
_MARKET_FAMILIES: Final = frozenset({"order_book", "ticker", "market_stats", "trade", "height"})
_FILL_FAMILIES: Final = frozenset({"account_all_trades", "account_all", "account_market"})
_POSITION_FAMILIES: Final = frozenset({"account_all_positions", "account_all", "account_market"})
_HOLDING: Final = ("frames_delayed", "position_after_trade", "position_before_trade")


class FrameFaults:
    """Acts on the switches of kind "frame"."""

    def __init__(self, faults: Faults, hub: Hub) -> None:
        """Stand between `hub` and its subscribers as long as a switch asks for it."""
        self._faults = faults
        self._hub = hub
        self._held: dict[str, Json] = {}
        """Trade frames that wait for the next one of their channel."""
        faults.on_change(self._refresh)

    def _refresh(self) -> None:
        needed = self._held or self._faults.live("frame")
        self._hub.tamper = self._tamper if needed else None

    def _tamper(self, channel: str, value: Json) -> None:
        family = _SEPARATORS.split(channel)[0]
        if channel in self._held and _carries_fills(family, value):
            earlier = self._held.pop(channel)
            self._hub.deliver(channel, _reversed(value))
            self._hub.deliver(channel, earlier)
            self._refresh()
            return
        fault = self._choose(_event_of(channel), family, value)
        if fault is None:
            self._hub.deliver(channel, value)
            return
        fault.fire()
        self._act(fault, channel, value)
        self._refresh()

    def _choose(self, event: Event, family: str, value: Json) -> Fault | None:
        for fault in self._faults.live("frame"):
            if fault.hits(event) and _concerns(fault, family, value) and fault.draws():
                return fault
        return None

    def _act(self, fault: Fault, channel: str, value: Json) -> None:
        loop = asyncio.get_running_loop()
        match fault.name:
            case "frames_duplicated":
                self._hub.deliver(channel, value)
                self._hub.deliver(channel, value)
            case "frames_dropped" | "book_gap":
                pass
            case "trades_reversed":
                self._held[channel] = _reversed(value)
                loop.call_later(fault.options["within_ms"] / 1000, self._let_go, channel)
            case _:
                delay_s = fault.options["delay_ms"] / 1000
                loop.call_later(delay_s, self._hub.deliver, channel, value)

    def _let_go(self, channel: str) -> None:
        """Deliver a frame that no other one has followed in time."""
        if channel in self._held:
            self._hub.deliver(channel, self._held.pop(channel))
            self._refresh()


class FaultySnapshots:
    """Snapshots that replay old trades where a switch asks for it."""

    def __init__(self, inner: Snapshots, faults: Faults, engine: Engine) -> None:
        """Take the true first frames from `inner`."""
        self._inner = inner
        self._faults = faults
        self._engine = engine

    def frame(self, channel: Channel) -> Json:
        """Return the first frame of `channel`."""
        value = self._inner.frame(channel)
        if channel.family not in _FILL_FAMILIES or channel.account is None:
            return value
        event = Event(account_index=channel.account, family=channel.family)
        fault = self._faults.choose("snapshot", event)
        if fault is None:
            return value
        fault.fire()
        rows: dict[str, list[Json]] = {}
        count = fault.options["trades"]
        for trade in self._engine.account_trades(channel.account, limit=count):
            row = wire.trade(self._engine.markets[trade.market_id], trade)
            rows.setdefault(str(trade.market_id), []).append(row)
        return {**value, "trades": rows}


def _concerns(fault: Fault, family: str, value: Json) -> bool:
    """Return whether the frame is of the kind that the switch is about."""
    if fault.name == "book_gap":
        return family == "order_book"
    if fault.name == "position_after_trade":
        return family in _POSITION_FAMILIES and bool(value.get("positions"))
    if "family" in fault.scope:
        return True
    return _carries_fills(family, value)


def _carries_fills(family: str, value: Json) -> bool:
    return family in _FILL_FAMILIES and bool(value.get("trades"))


def _reversed(value: Json) -> Json:
    """Return a trade frame with its rows in reverse."""
    trades = value["trades"]
    if isinstance(trades, list):
        return {**value, "trades": trades[::-1]}
    return {**value, "trades": {market: rows[::-1] for market, rows in trades.items()}}


def _event_of(channel: str) -> Event:
    """Return what switches may ask about a channel."""
    family, *ids = _SEPARATORS.split(channel)
    numbers = [int(text) for text in ids if text.isdecimal()]
    if family in _MARKET_FAMILIES:
        return Event(market_index=numbers[0] if numbers else None, family=family)
    return Event(account_index=numbers[-1] if numbers else None, family=family)
