"""Tests of the WebSocket limits of the paper exchange, on a clock of their own."""

from collections.abc import Callable

import pytest

from paper import socket_limits
from paper.apierror import ApiError
from paper.socket_limits import SocketLimits


def code_of(call: Callable[[], object]) -> int:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.code


def test_connections_of_an_address() -> None:
    """An address has 255 connections; closing one gives it back once the minute is over."""
    limits = SocketLimits()
    opened = [limits.open(0.0, "a") for _ in range(socket_limits.MAX_CONNECTIONS)]
    assert code_of(lambda: limits.open(0.0, "a")) == 23003
    limits.open(0.0, "b")
    opened[0].close()
    assert code_of(lambda: limits.open(1.0, "a")) == 23003
    limits.open(70.0, "a")
    assert code_of(lambda: limits.open(140.0, "a")) == 23003


def test_subscriptions_of_a_connection() -> None:
    """A connection has 500 subscriptions; giving one back makes room."""
    connection = SocketLimits().open(0.0, "a")
    for number in range(socket_limits.MAX_SUBSCRIPTIONS):
        connection.subscribe(f"trade:{number}", None)
    assert code_of(lambda: connection.subscribe("one:more", None)) == 23001
    connection.unsubscribe("trade:7")
    connection.unsubscribe("unknown")
    connection.subscribe("one:more", None)


def test_subscriptions_of_an_address() -> None:
    """All connections of an address have 5,000 subscriptions together."""
    limits = SocketLimits()
    connections = [limits.open(0.0, "a") for _ in range(11)]
    for connection in connections[:10]:
        for number in range(500):
            connection.subscribe(f"trade:{number}", None)
    assert code_of(lambda: connections[10].subscribe("trade:1", None)) == 23001
    connections[0].close()
    connections[10].subscribe("trade:1", None)


def test_accounts_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection hears of a bounded number of accounts, however many channels of each."""
    monkeypatch.setattr(socket_limits, "MAX_ACCOUNTS", 2)
    connection = SocketLimits().open(0.0, "a")
    connection.subscribe("account_all:1", 1)
    connection.subscribe("account_all:2", 2)
    connection.subscribe("account_tx:2", 2)
    assert code_of(lambda: connection.subscribe("account_all:3", 3)) == 23002


def test_messages_of_a_connection() -> None:
    """Two hundred messages a minute pass, fifty of them at once."""
    connection = SocketLimits().open(0.0, "a")
    for number in range(200):
        connection.message(number * 0.01)
    assert code_of(lambda: connection.message(3.0)) == 30009
    connection.message(61.0)


def test_messages_in_flight() -> None:
    """The fifty-first message at once is refused, and a moment later it passes."""
    connection = SocketLimits().open(0.0, "a")
    for _ in range(50):
        connection.message(1.0)
    assert code_of(lambda: connection.message(1.0)) == 30010
    connection.message(1.0 + socket_limits.IN_FLIGHT_S)
