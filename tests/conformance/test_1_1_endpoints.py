"""Section 1.1, one test per row: the public REST calls and those of transactions."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.conformance import envelopes as env
from tests.conformance.kit import (
    API,
    BID,
    ETH,
    KEY,
    TX_CANCEL_ALL,
    TX_CREATE,
    Client,
    raw,
    refusal,
)
from tests.conformance.shapes import (
    Shape,
    exactly,
    integer,
    list_of,
    matching,
    us,
)
from tests.world.paper import PaperError, PaperProcess

pytestmark = pytest.mark.integration

# Public calls


async def test_status(client: Client) -> None:
    """GET / answers status, network id (the chain hashed into transactions) and time."""
    body = await client.paper.call("GET", "/")
    Shape("status", {"status": integer, "network_id": integer, "timestamp": integer})(body)
    status = await client.root.status()
    assert (status.status, status.network_id) == (200, 304)
    assert abs(status.timestamp - time.time()) < 60


async def test_info(client: Client) -> None:
    """GET /info answers the contract address and nothing else."""
    Shape("info", {"contract_address": matching("0x[0-9a-fA-F]{40}", "an address")})(
        await client.paper.call("GET", "/info")
    )
    await client.root.info()


async def test_order_books(client: Client) -> None:
    """GET orderBooks lists markets, by id and by kind."""
    env.page(order_books=list_of(env.ORDER_BOOK, least=2))(
        await client.paper.call("GET", f"{API}/orderBooks")
    )
    everything = (await client.orders.order_books()).order_books
    assert {book.market_id for book in everything} >= {0, 1}
    one = (await client.orders.order_books(market_id=1)).order_books
    assert [book.symbol for book in one] == ["BTC"]
    for kind, found in (("all", everything), ("perp", everything), ("spot", [])):
        got = (await client.orders.order_books(filter=kind)).order_books
        assert [book.market_id for book in got] == [book.market_id for book in found]


async def test_order_book_details(client: Client) -> None:
    """GET orderBookDetails has perps and spot apart, and the scales of the order book."""
    body = await client.paper.call("GET", f"{API}/orderBookDetails")
    env.page(
        order_book_details=list_of(env.ORDER_BOOK_DETAIL, least=2),
        spot_order_book_details=exactly([]),
    )(body)
    for row in body["order_book_details"]:
        assert row["size_decimals"] == row["supported_size_decimals"]
        assert row["price_decimals"] == row["supported_price_decimals"]
    eth = (await client.orders.order_book_details(market_id=ETH)).order_book_details
    assert [(row.symbol, row.size_decimals, row.price_decimals) for row in eth] == [("ETH", 4, 2)]
    assert not (await client.orders.order_book_details(filter="spot")).order_book_details


async def test_order_book_orders(client: Client) -> None:
    """GET orderBookOrders lists single orders, best first, at most 250 a side, without a nonce."""
    await client.place()
    body = await client.paper.call("GET", f"{API}/orderBookOrders", market_id=ETH, limit=250)
    rows = list_of(env.simple_order(), least=1)
    env.page(asks=rows, bids=rows, total_asks=integer, total_bids=integer)(body)
    got = await client.orders.order_book_orders(market_id=ETH, limit=2)
    assert (len(got.asks), len(got.bids)) == (2, 2)
    assert float(got.bids[0].price) >= float(got.bids[1].price)
    assert float(got.asks[0].price) <= float(got.asks[1].price)
    with pytest.raises(PaperError) as error:
        await client.paper.call("GET", f"{API}/orderBookOrders", market_id=ETH, limit=251)
    assert (error.value.status, error.value.body["code"]) == (400, 20001)


async def test_recent_trades(client: Client) -> None:
    """GET recentTrades answers the newest trades of a market first, at most 100."""
    await client.buy()
    await client.buy()
    body = await client.paper.call("GET", f"{API}/recentTrades", market_id=ETH, limit=100)
    env.page(trades=list_of(env.trade(), least=2))(body)
    ids = [row["trade_id"] for row in body["trades"]]
    assert ids == sorted(ids, reverse=True)
    assert len((await client.orders.recent_trades(market_id=ETH, limit=1)).trades) == 1
    with pytest.raises(PaperError) as error:
        await client.paper.call("GET", f"{API}/recentTrades", market_id=ETH, limit=101)
    assert error.value.body["code"] == 20001


async def test_trades(client: Client) -> None:
    """GET trades answers an account's trades in pages by trade id, either way round."""
    for _ in range(3):
        await client.buy()
    body = await client.get(
        "trades", account_index=client.account, sort_by="trade_id", sort_dir="desc", limit=2
    )
    env.page(trades=list_of(env.trade(), least=2))(body)
    rest = await client.get(
        "trades",
        account_index=client.account,
        sort_by="trade_id",
        sort_dir="desc",
        limit=2,
        cursor=body["next_cursor"],
    )
    ids = [row["trade_id"] for row in body["trades"] + rest["trades"]]
    assert len(ids) == 3
    assert ids == sorted(ids, reverse=True)
    upwards = await client.orders.trades(
        sort_by="trade_id",
        limit=100,
        authorization=client.token,
        account_index=client.account,
        sort_dir="asc",
    )
    assert [row.trade_id for row in upwards.trades] == ids[::-1]


async def test_trades_filters(client: Client) -> None:
    """The filters of GET trades: order (the string wins), market, role, side, start."""
    await client.buy()
    row = await client.row()
    await client.place(price=BID + 5)
    await client.paper.take(ETH, "sell", "0.01", until_account=client.account)
    resting = await client.row()

    async def ids(**filters: Any) -> list[int]:
        answer = await client.orders.trades(
            sort_by="timestamp",
            limit=100,
            authorization=client.token,
            account_index=client.account,
            **filters,
        )
        return [trade.bid_id for trade in answer.trades]

    both = {row.order_index, resting.order_index}
    assert set(await ids()) == both
    assert await ids(order_index=row.order_index) == [row.order_index]
    wins = await ids(order_index=resting.order_index, order_index_str=str(row.order_index))
    assert wins == [row.order_index]
    assert await ids(market_id=1) == []
    assert await ids(role="maker") == [resting.order_index]
    assert await ids(role="taker") == [row.order_index]
    assert set(await ids(ask_filter=0)) == both
    assert await ids(ask_filter=1) == []
    assert await ids(type="liquidation") == []


async def test_trades_of_an_account_need_a_token(client: Client) -> None:
    """An account's history needs its token; the public list does not and `sort_by` is required."""
    call = client.paper.call
    assert (await call("GET", f"{API}/trades", sort_by="trade_id", limit=1))["code"] == 200
    for params in (
        {"sort_by": "trade_id", "limit": 1, "account_index": client.account},
        {"limit": 1},
        {"sort_by": "trade_id", "limit": 101},
    ):
        with pytest.raises(PaperError) as error:
            await call("GET", f"{API}/trades", **params)
        assert (error.value.status, error.value.body["code"]) == (400, 20001), params


async def test_next_nonce(client: Client) -> None:
    """GET nextNonce answers the next usable nonce of a key."""
    body = await client.paper.call(
        "GET", f"{API}/nextNonce", account_index=client.account, api_key_index=KEY
    )
    env.NEXT_NONCE(body)
    await client.buy()
    assert await client.nonce() == body["nonce"] + 1


async def test_apikeys(client: Client) -> None:
    """GET apikeys answers one key or (255) all; the official check_client is content."""
    key = Shape(
        "ApiKey",
        {
            "account_index": exactly(client.account),
            "api_key_index": exactly(KEY),
            "nonce": integer,
            "public_key": matching("[0-9a-f]{80}", "80 hex digits without 0x"),
            "transaction_time": us,
        },
    )
    for index in (KEY, 255, None):
        body = await client.paper.call(
            "GET", f"{API}/apikeys", account_index=client.account, api_key_index=index
        )
        env.page(api_keys=list_of(key, least=1))(body)
    assert await asyncio.to_thread(client.client.check_client) is None


# Transactions


async def test_send_tx(client: Client) -> None:
    """POST sendTx takes a form and answers RespSendTx with the signer's own hash."""
    info = await client.signed()
    form = {"tx_type": str(TX_CREATE), "tx_info": json.dumps(info)}
    url = f"{client.paper.base_url}{API}/sendTx"
    status, content_type, answer = await raw("POST", url, data=form)
    assert (status, content_type) == (200, "application/json")
    body = json.loads(answer)
    env.SEND_TX(body)
    assert body["tx_hash"] == client.hash
    assert "ratelimit" in json.loads(body["message"])


async def test_send_tx_price_protection(client: Client) -> None:
    """POST sendTx takes the flag price_protection, true or false; its rule is not documented."""
    for protect in (True, False):
        info = json.dumps(await client.signed())
        answer = await client.txs.send_tx(tx_type=TX_CREATE, tx_info=info, price_protection=protect)
        assert answer.code == 200


async def test_send_tx_batch(client: Client) -> None:
    """POST sendTxBatch takes JSON lists of types and of texts and answers a list of hashes."""
    nonce = await client.nonce()
    first = await client.signed(nonce=nonce)
    hashes = [client.hash]
    second = await client.signed(nonce=nonce + 1)
    hashes.append(client.hash)
    form = {
        "tx_types": json.dumps([TX_CREATE, TX_CREATE]),
        "tx_infos": json.dumps([json.dumps(first), json.dumps(second)]),
    }
    url = f"{client.paper.base_url}{API}/sendTxBatch"
    status, _, answer = await raw("POST", url, data=form)
    body = json.loads(answer)
    assert status == 200, body
    env.SEND_TX_BATCH(body)
    assert body["tx_hash"] == hashes
    assert len(await client.active()) == 2
    assert await client.nonce() == nonce + 2


async def test_tx(client: Client) -> None:
    """GET tx finds by hash and by sequence index."""
    answer = await client.place()
    body = await client.paper.call("GET", f"{API}/tx", by="hash", value=answer.tx_hash)
    env.ENRICHED_TX(body)
    assert json.loads(body["info"])["ClientOrderIndex"] == 1
    again = await client.txs.tx(by="sequence_index", value=str(body["sequence_index"]))
    assert again.hash == answer.tx_hash
    unknown = await refusal(client.tx("ab" * 40))
    assert (unknown.status, unknown.code) == (400, 21500)


async def test_account_txs(client: Client) -> None:
    """GET accountTxs lists an account's transactions, newest first, by type if asked."""
    await client.place()
    await client.cancel_all()
    body = await client.get("accountTxs", by="account_index", value=client.account, limit=10)
    env.page(txs=list_of(env.TX, least=2))(body)
    assert [row["type"] for row in body["txs"]] == [TX_CANCEL_ALL, TX_CREATE]
    only = await client.txs.account_txs(
        limit=10,
        by="account_index",
        value=str(client.account),
        authorization=client.token,
        types=[TX_CREATE],
    )
    assert [row.type for row in only.txs] == [TX_CREATE]


# What holds for all


async def test_unknown_path(paper: PaperProcess) -> None:
    """An unknown path is HTML with status 403, as from the front of the real exchange."""
    status, content_type, answer = await raw("GET", f"{paper.base_url}{API}/nothing")
    assert (status, content_type) == (403, "text/html")
    assert "<html" in answer.lower()


async def test_price_of_a_bad_parameter(paper: PaperProcess) -> None:
    """A bad parameter is HTTP 400 with code 20001 and a message, nothing else."""
    with pytest.raises(PaperError) as error:
        await paper.call("GET", f"{API}/orderBooks", market_id="x")
    env.ERROR(error.value.body)
    assert error.value.body["code"] == 20001
    assert error.value.body["message"].startswith("invalid param ")


async def test_not_found(paper: PaperProcess) -> None:
    """What does not exist is 29404 with HTTP 400, not 404."""
    with pytest.raises(PaperError) as error:
        await paper.call("GET", f"{API}/account", by="index", value=99)
    env.ERROR(error.value.body)
    assert (error.value.status, error.value.body["code"]) == (400, 29404)
