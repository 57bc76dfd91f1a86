"""Limits of WebSocket clients, per address and per connection (pure: the time is handed in).

apidocs.lighter.xyz, "WebSocket reference" and "Rate limits". A message counts as in flight for
IN_FLIGHT_S: the real exchange took a quarter of a second to acknowledge one.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from paper.apierror import ApiError
from paper.limits import Window

MAX_CONNECTIONS: Final = 255
MAX_NEW_CONNECTIONS: Final = 255
MAX_SUBSCRIPTIONS: Final = 500
MAX_ADDRESS_SUBSCRIPTIONS: Final = 5_000
MAX_ACCOUNTS: Final = 500
MAX_MESSAGES: Final = 200
MAX_IN_FLIGHT: Final = 50
IN_FLIGHT_S: Final = 0.25

TOO_MANY_SUBSCRIPTIONS: Final = 23001
TOO_MANY_ACCOUNTS: Final = 23002
TOO_MANY_CONNECTIONS: Final = 23003
TOO_MANY_MESSAGES: Final = 30009
TOO_MANY_IN_FLIGHT: Final = 30010


class AddressLimits:
    """What all connections of one network address share."""

    __slots__ = ("connections", "opened", "subscriptions")

    def __init__(self) -> None:
        """Start with nothing open."""
        self.connections = 0
        self.opened = Window()
        self.subscriptions = 0


class ConnectionLimits:
    """What one connection has used."""

    def __init__(self, shared: AddressLimits) -> None:
        """Count for a connection of the address that `shared` describes."""
        self._shared = shared
        self._messages = Window()
        self._recent: deque[float] = deque()
        self._subscriptions: dict[str, int | None] = {}

    def message(self, now: float) -> None:
        """Count a client message at `now` (seconds), or raise ApiError 30009 or 30010."""
        if self._messages.total(now) >= MAX_MESSAGES:
            raise ApiError(TOO_MANY_MESSAGES, "Too Many Websocket Messages")
        recent = self._recent
        while recent and recent[0] <= now - IN_FLIGHT_S:
            recent.popleft()
        if len(recent) >= MAX_IN_FLIGHT:
            raise ApiError(TOO_MANY_IN_FLIGHT, "Too Many Inflight Messages")
        self._messages.add(now)
        recent.append(now)

    def subscribe(self, channel: str, account: int | None) -> None:
        """Count a subscription, or raise ApiError 23001 or 23002."""
        full = len(self._subscriptions) >= MAX_SUBSCRIPTIONS
        if full or self._shared.subscriptions >= MAX_ADDRESS_SUBSCRIPTIONS:
            raise ApiError(TOO_MANY_SUBSCRIPTIONS, "Too Many Subscriptions!")
        accounts = {known for known in self._subscriptions.values() if known is not None}
        if account is not None and len(accounts | {account}) > MAX_ACCOUNTS:
            raise ApiError(TOO_MANY_ACCOUNTS, "Too Many Different Accounts!")
        self._subscriptions[channel] = account
        self._shared.subscriptions += 1

    def unsubscribe(self, channel: str) -> None:
        """Give a subscription back."""
        if channel in self._subscriptions:
            del self._subscriptions[channel]
            self._shared.subscriptions -= 1

    def close(self) -> None:
        """Give everything back."""
        self._shared.subscriptions -= len(self._subscriptions)
        self._subscriptions.clear()
        self._shared.connections -= 1


class SocketLimits:
    """The connections of all addresses."""

    def __init__(self) -> None:
        """Start with nothing open."""
        self._addresses: dict[str, AddressLimits] = {}

    def open(self, now: float, address: str) -> ConnectionLimits:
        """Count a new connection at `now` (seconds), or raise ApiError 23003 (HTTP 429)."""
        self._forget_idle(now)
        shared = self._addresses.setdefault(address, AddressLimits())
        too_fast = shared.opened.total(now) >= MAX_NEW_CONNECTIONS
        if too_fast or shared.connections >= MAX_CONNECTIONS:
            raise ApiError(TOO_MANY_CONNECTIONS, "Too Many Connections!", http_status=429)
        shared.opened.add(now)
        shared.connections += 1
        return ConnectionLimits(shared)

    def _forget_idle(self, now: float) -> None:
        idle = [
            address
            for address, shared in self._addresses.items()
            if shared.connections == 0 and shared.opened.total(now) == 0
        ]
        for address in idle:
            del self._addresses[address]
