"""Section 3.2, one test per channel of market data, and who may subscribe to what."""

import asyncio
from typing import Any

import pytest

from tests.conformance import envelopes as env
from tests.conformance.kit import BID, ETH, IOC, TX_CREATE, Client
from tests.conformance.shapes import (
    Shape,
    decimal,
    decimals,
    either,
    exactly,
    integer,
    list_of,
    map_of,
    ms,
    nothing,
    number,
    text,
    us,
)
from tests.integration.paper.support import Socket
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

PRIVATE = (
    *("account_market/0/{a}", "account_orders/0/{a}", "account_all_orders/{a}"),
    *("account_all_trades/{a}", "account_all_positions/{a}", "account_all_assets/{a}"),
    *("account_tx/{a}", "notification/{a}"),
)
PUBLIC = (
    *("order_book/0", "ticker/0", "market_stats/0", "market_stats/all", "trade/0", "height"),
    *("account_all/{a}", "user_stats/{a}"),
)
STATS = Shape(
    "market_stats",
    {
        "symbol": text,
        "market_id": integer,
        "index_price": decimal,
        "mark_price": decimal,
        "mid_price": decimal,
        "best_ask_price": decimal,
        "best_bid_price": decimal,
        "last_trade_price": decimal,
        "open_interest": decimal,
        "open_interest_limit": decimal,
        "funding_clamp_small": decimal,
        "funding_clamp_big": decimal,
        "current_funding_rate": decimal,
        "funding_rate": decimal,
        "funding_timestamp": ms,
        "daily_base_token_volume": number,
        "daily_quote_token_volume": number,
        "daily_price_low": number,
        "daily_price_high": number,
        "daily_price_change": number,
    },
    optional={"daily_trades_count": integer},
)
SIDE = Shape(
    "ticker side",
    {"price": either(decimals(2), nothing), "size": either(decimals(4), nothing)},
)


# Market data


async def test_order_book(client: Client) -> None:
    """order_book: the full book with begin_nonce 0, then deltas that chain by nonce."""

    def book(kind: str) -> Shape:
        levels = list_of(env.level())
        inside = Shape(
            "order_book",
            {
                "code": exactly(0),
                "asks": levels,
                "bids": levels,
                "offset": integer,
                "nonce": integer,
                "last_updated_at": us,
                "begin_nonce": integer,
            },
        )
        return env.frame(
            "order_book",
            "order_book:0",
            kind,
            last_updated_at=us,
            offset=integer,
            order_book=inside,
            timestamp=ms,
        )

    async with client.socket() as socket:
        frame = await socket.subscribe("order_book/0")
        book("subscribed")(frame)
        first = frame["order_book"]
        assert first["begin_nonce"] == 0
        asks = [float(level["price"]) for level in first["asks"]]
        bids = [float(level["price"]) for level in first["bids"]]
        assert (asks, bids) == (sorted(asks), sorted(bids, reverse=True))
        await client.place(price=BID + 3)
        frame = await socket.until("update/order_book")
        book("update")(frame)
        second = frame["order_book"]
        assert second["begin_nonce"] == first["nonce"] < second["nonce"]
        assert second["bids"] == [{"price": "2999.88", "size": "0.0100"}]
        assert second["asks"] == []
        await client.clear()
        third = (await socket.until("update/order_book"))["order_book"]
        assert third["begin_nonce"] == second["nonce"]
        assert third["bids"] == [{"price": "2999.88", "size": "0.0000"}]


async def test_order_book_deltas_rebuild_it(client: Client) -> None:
    """Updates are batched every 50 ms; snapshot plus deltas equal a later snapshot."""
    async with client.socket() as socket, client.socket() as later:
        frame = (await socket.subscribe("order_book/0"))["order_book"]
        sides = {
            side: {level["price"]: level["size"] for level in frame[side]}
            for side in ("asks", "bids")
        }
        nonce, frames = frame["nonce"], 0
        next_nonce = await client.nonce()
        members = [
            (
                TX_CREATE,
                await client.signed(
                    nonce=next_nonce + step, price=299_900 + step, base_amount=50 + step
                ),
            )
            for step in range(12)
        ]
        await client.batch(*members)
        await client.clear()
        await client.place(price=299_850, base_amount=60)
        while sides["bids"].get("2998.50") != "0.0060":
            frame = (await socket.until("update/order_book"))["order_book"]
            assert frame["begin_nonce"] == nonce
            nonce, frames = frame["nonce"], frames + 1
            for side, levels in sides.items():
                levels.update({level["price"]: level["size"] for level in frame[side]})
        fresh = (await later.subscribe("order_book/0"))["order_book"]
        assert frames < 12
        for side, levels in sides.items():
            alive = {price: size for price, size in levels.items() if float(size)}
            assert alive == {level["price"]: level["size"] for level in fresh[side]}


def ticker(kind: str) -> Shape:
    best = Shape("ticker", {"s": exactly("ETH"), "a": SIDE, "b": SIDE, "last_updated_at": us})
    return Shape(
        f"{kind}/ticker",
        {
            "channel": exactly("ticker:0"),
            "type": exactly(f"{kind}/ticker"),
            "nonce": integer,
            "ticker": best,
        },
        optional={"last_updated_at": us, "timestamp": ms},
    )


async def test_ticker(client: Client) -> None:
    """ticker: the best bid and offer, again whenever one of them changes."""
    async with client.socket() as socket:
        frame = await socket.subscribe("ticker/0")
        ticker("subscribed")(frame)
        assert float(frame["ticker"]["b"]["price"]) < float(frame["ticker"]["a"]["price"])
        await client.place(price=BID + 7)
        frame = await socket.until("update/ticker")
        ticker("update")(frame)
        assert frame["ticker"]["b"] == {"price": "2999.92", "size": "0.0100"}


async def test_market_stats(client: Client) -> None:
    """market_stats of one market: prices, open interest, funding, the day; again on change."""
    async with client.socket() as socket:
        frame = await socket.subscribe("market_stats/0")
        shape = env.frame(
            "market_stats", "market_stats:0", "subscribed", market_stats=STATS, timestamp=ms
        )
        shape(frame)
        await client.place(time_in_force=IOC, price=300_500)
        frame = await socket.until("update/market_stats")
        assert frame["channel"] == "market_stats:0"
        STATS(frame["market_stats"])


async def test_market_stats_all(paper: PaperProcess) -> None:
    """market_stats of all markets: an object by market index."""
    async with Socket(paper.ws_url) as socket:
        frame = await socket.subscribe("market_stats/all")
    env.frame(
        "market_stats",
        "market_stats:all",
        "subscribed",
        market_stats=map_of(STATS, least=2),
        timestamp=ms,
    )(frame)


async def test_trade(client: Client) -> None:
    """trade: the subscribe frame replays the last 50 trades, then each new one comes once."""
    rows = list_of(env.trade())
    body: dict[str, Any] = {"nonce": integer, "trades": rows, "liquidation_trades": rows}
    await asyncio.gather(*(client.paper.take(ETH, "buy", "0.001") for _ in range(51)))
    async with client.socket() as socket:
        frame = await socket.subscribe("trade/0")
        env.frame("trade", "trade:0", "subscribed", **body)(frame)
        ids = {row["trade_id"] for row in frame["trades"]}
        assert len(ids) == 50
        (made,) = await client.paper.take(ETH, "buy", "0.001")
        frame = await socket.until("update/trade")
        env.frame("trade", "trade:0", **body)(frame)
        assert [row["trade_id"] for row in frame["trades"]] == [made["trade_id"]]
        assert made["trade_id"] > max(ids)


async def test_height(client: Client) -> None:
    """height: no index in the name; the block height and a time."""
    async with client.socket() as socket:
        frame = await socket.ask({"type": "subscribe", "channel": "height"})
        body: dict[str, Any] = {"height": integer, "timestamp": ms}
        env.frame("height", "height", "subscribed", **body)(frame)
        await client.place()
        later = frame
        while later["height"] == frame["height"]:
            later = await socket.until("update/height")
            env.frame("height", "height", **body)(later)
        assert later["height"] > frame["height"]


# Who may subscribe


@pytest.mark.parametrize("pattern", PRIVATE)
async def test_private_channels(pattern: str, client: Client) -> None:
    """A private channel asks for a token (20001), and opens with the account's own."""
    channel = pattern.format(a=client.account)
    async with client.socket() as socket:
        refused = await socket.subscribe(channel)
        assert refused["error"]["code"] == 20001
        accepted = await socket.subscribe(channel, client.token)
        assert accepted["type"] == f"subscribed/{channel.split('/', maxsplit=1)[0]}"


@pytest.mark.parametrize("pattern", PUBLIC)
async def test_public_channels(pattern: str, client: Client) -> None:
    """A public channel opens without a token and also with one."""
    channel = pattern.format(a=client.account)
    for token in (None, client.token):
        async with client.socket() as socket:
            frame = await socket.subscribe(channel, token)
            assert frame["type"] == f"subscribed/{channel.split('/', maxsplit=1)[0]}"
