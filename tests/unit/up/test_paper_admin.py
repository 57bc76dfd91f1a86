"""What the start script asks of the paper exchange: answers that are none, and its markets."""

import socket
import threading
from decimal import Decimal

import pytest

from hedge.errors import ExchangeUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.options import DEFAULT_QUANTITY
from hedge.launcher.paper_admin import PaperAdmin, PaperMarket
from paper.markets import DEFAULT_MARKETS
from paper.records import MarketConfig
from paper.wire_market import order_book


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]",
    ],
)
def test_half_an_answer_is_one_sentence(answer: bytes) -> None:
    """Whatever comes, the start script gets an error that it can print."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        admin = PaperAdmin(f"http://{LOOPBACK}:{server.getsockname()[1]}")
        with pytest.raises(ExchangeUnreachableError, match="no usable answer to /paper/state"):
            admin.last_seq()
        thread.join()


def market_of(config: MarketConfig) -> PaperMarket:
    """Return a market as the exchange lists it at its start."""
    price = config.start_price_ticks / 10**config.price_decimals
    row = {"size_decimals": config.size_decimals, "last_trade_price": price}
    return PaperMarket.of({**order_book(config), **row})


@pytest.mark.parametrize("config", DEFAULT_MARKETS, ids=lambda one: one.symbol)
def test_the_default_quantity_rests_in_every_market(config: MarketConfig) -> None:
    """Also where the usual one is below what the exchange lets rest, and after the price moved."""
    market = market_of(config)
    quantity = market.default_quantity(DEFAULT_QUANTITY)
    assert market.refusal(quantity) == ""
    assert quantity * market.price_usd >= market.min_usd * Decimal("1.5")
    assert (quantity == DEFAULT_QUANTITY) == (config.symbol != "SOL")


@pytest.mark.parametrize(
    ("quantity", "why"),
    [
        ("0.0050", ""),
        ("0.00505", "ETH is traded in steps of 0.0001; write a multiple of that."),
        ("0.0049", "the smallest order that may rest is 0.0050 ETH now (0.0050 ETH and 10 USDC)"),
    ],
)
def test_a_quantity_that_could_not_rest_is_refused(quantity: str, why: str) -> None:
    """A would wait for ever, or end after everything was started."""
    refusal = market_of(DEFAULT_MARKETS[0]).refusal(Decimal(quantity))
    assert refusal.startswith(why)
    assert bool(refusal) == bool(why)


def test_the_smallest_order_is_that_of_the_price() -> None:
    """Ten USDC of SOL at 150 are more than its least size, and whole steps of it."""
    market = market_of(DEFAULT_MARKETS[2])
    assert market.min_base == Decimal("0.050")
    assert market.smallest == Decimal("0.067")
