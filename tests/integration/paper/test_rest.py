"""The REST calls: bodies as the official models know them, filters, pages, errors."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import aiohttp
import lighter
import pytest
from lighter.models.account_position import AccountPosition
from lighter.models.detailed_account import DetailedAccount
from lighter.models.enriched_tx import EnrichedTx
from lighter.models.order import Order
from lighter.models.order_book import OrderBook
from lighter.models.perps_order_book_detail import PerpsOrderBookDetail
from lighter.models.simple_order import SimpleOrder
from lighter.models.trade import Trade
from lighter.models.tx import Tx

from tests.integration.paper.support import ETH, IOC, KEY, Trader, TraderFactory, refusal
from tests.world.paper import ACCOUNT_A, ACCOUNT_B, Json, PaperError, PaperProcess

pytestmark = pytest.mark.integration

API = "/api/v1"
ORDER_KEYS = {
    *("order_index", "client_order_index", "order_id", "client_order_id", "market_index"),
    *("owner_account_index", "initial_base_amount", "price", "nonce", "remaining_base_amount"),
    *("is_ask", "base_size", "base_price", "filled_base_amount", "filled_quote_amount", "side"),
    *("type", "time_in_force", "reduce_only", "trigger_price", "order_expiry", "status"),
    *("trigger_status", "trigger_time", "parent_order_index", "parent_order_id"),
    *("to_trigger_order_id_0", "to_trigger_order_id_1", "to_cancel_order_id_0"),
    *("integrator_fee_collector_index", "integrator_taker_fee", "integrator_maker_fee"),
    *(
        "order_flags",
        "order_version",
        "market_symbol",
        "market_kind",
        "block_height",
        "timestamp",
        "created_at",
        "updated_at",
        "transaction_time",
    ),
}
TRADE_KEYS = {
    *("trade_id", "trade_id_str", "tx_hash", "type", "market_id", "size", "price", "usd_amount"),
    *("ask_id", "ask_id_str", "bid_id", "bid_id_str", "ask_client_id", "ask_client_id_str"),
    *("bid_client_id", "bid_client_id_str", "ask_account_id", "bid_account_id", "is_maker_ask"),
    *("block_height", "timestamp", "taker_position_size_before", "taker_entry_quote_before"),
    *("taker_initial_margin_fraction_before", "maker_position_size_before"),
    *("maker_entry_quote_before", "maker_initial_margin_fraction_before", "transaction_time"),
}


def known(model: Any) -> set[str]:
    """Return the field names of an official model."""
    fields: list[str] = getattr(model, f"_{model.__name__}__properties")
    return set(fields)


async def get(paper: PaperProcess, path: str, **params: object) -> Json:
    return await paper.call("GET", path, **params)


async def test_status_and_info(paper: PaperProcess) -> None:
    """The root and /info answer as the exchange's do."""
    assert set(await get(paper, "/")) == {"status", "network_id", "timestamp"}
    assert set(await get(paper, "/info")) == {"contract_address"}


async def test_order_books(paper: PaperProcess) -> None:
    """Every market is listed with its scales, and the filters select."""
    books = (await get(paper, f"{API}/orderBooks"))["order_books"]
    assert [book["symbol"] for book in books] == ["ETH", "BTC", "SOL"]
    assert set(books[0]) <= known(OrderBook)
    assert books[0]["min_base_amount"] == "0.0050"
    one = await get(paper, f"{API}/orderBooks", market_id=1)
    assert [book["market_id"] for book in one["order_books"]] == [1]
    assert (await get(paper, f"{API}/orderBooks", filter="spot"))["order_books"] == []


async def test_order_book_details(paper: PaperProcess) -> None:
    """Details add margins, prices and decimals."""
    answer = await get(paper, f"{API}/orderBookDetails", market_id=0)
    assert set(answer) == {"code", "order_book_details", "spot_order_book_details"}
    detail = answer["order_book_details"][0]
    assert set(detail) <= known(PerpsOrderBookDetail)
    assert (detail["size_decimals"], detail["price_decimals"]) == (4, 2)
    assert detail["mark_price"] == "3000.00"


async def test_order_book_orders(trader: Trader) -> None:
    """The public list shows resting orders in priority, also the trader's own."""
    await trader.place(price=299_990)
    answer = await get(trader.paper, f"{API}/orderBookOrders", market_id=0, limit=5)
    assert (answer["total_asks"], answer["total_bids"]) == (5, 5)
    assert answer["bids"][0]["owner_account_index"] == trader.account
    assert set(answer["bids"][0]) == known(SimpleOrder)
    await trader.cancel_all()


async def test_order_object(trader: Trader) -> None:
    """An order has exactly the fields and formats of the exchange."""
    await trader.place(time_in_force=lighter.SignerClient.ORDER_TIME_IN_FORCE_POST_ONLY)
    answer = await get(
        trader.paper,
        f"{API}/accountActiveOrders",
        account_index=trader.account,
        market_id=0,
        auth=trader.token,
    )
    row = answer["orders"][0]
    assert set(row) == ORDER_KEYS
    assert set(row) <= known(Order)
    assert (row["price"], row["type"], row["time_in_force"]) == ("2999.00", "limit", "post-only")
    assert row["order_index"] == (1 << 48) + row["nonce"]
    assert row["transaction_time"] // 1000 == row["timestamp"]
    await trader.cancel_all()


async def test_trade_object(trader: Trader) -> None:
    """A trade has exactly the fields and formats of the exchange."""
    await trader.market(is_ask=False, base_amount=100, price=301_000)
    answer = await get(trader.paper, f"{API}/recentTrades", market_id=0, limit=1)
    row = answer["trades"][0]
    # Stated only where true, and that depends on what the maker has traded before.
    assert set(row) - {"maker_position_sign_changed"} == TRADE_KEYS
    assert set(row) <= known(Trade)
    assert row["bid_account_id"] == trader.account
    assert (row["size"], row["is_maker_ask"]) == ("0.0100", True)
    assert Decimal(row["usd_amount"]) == Decimal(row["size"]) * Decimal(row["price"])
    assert row["transaction_time"] // 1000 == row["timestamp"]
    assert row["taker_position_size_before"] == "0.0000"


async def test_account_object(trader: Trader) -> None:
    """An account shows its position and its money, by index and by L1 address."""
    await trader.market(is_ask=True, base_amount=100, price=299_000)
    answer = await get(trader.paper, f"{API}/account", by="index", value=trader.account)
    assert (answer["code"], answer["total"]) == (200, 1)
    row = answer["accounts"][0]
    assert set(row) <= known(DetailedAccount)
    position = row["positions"][0]
    assert set(position) <= known(AccountPosition)
    assert (position["position"], position["sign"], position["market_id"]) == ("0.0100", -1, 0)
    assert position["initial_margin_fraction"] == "5.00"
    by_address = await get(
        trader.paper, f"{API}/account", by="l1_address", value=row["l1_address"].upper()
    )
    assert [account["index"] for account in by_address["accounts"]] == [trader.account]


async def test_the_two_accounts_exist_at_start() -> None:
    """A fresh exchange has A and B with 100,000 USDC each, other masters, and no keys."""
    async with PaperProcess() as own:
        rows = (await own.state())["accounts"]
        assert [row["account_index"] for row in rows] == [ACCOUNT_B, ACCOUNT_A]
        assert {row["collateral"] for row in rows} == {"100000.000000"}
        assert len({row["l1_address"] for row in rows}) == 2
        assert [row["api_keys"] for row in rows] == [[], []]


async def test_keys_and_nonces(trader: Trader) -> None:
    """The call apikeys lists one key or all, without 0x, and the client's own check passes."""
    params = {"account_index": trader.account}
    every = await get(trader.paper, f"{API}/apikeys", **params, api_key_index=255)
    assert await get(trader.paper, f"{API}/apikeys", **params) == every
    assert await get(trader.paper, f"{API}/apikeys", **params, api_key_index=KEY) == every
    row = every["api_keys"][0]
    expected = {"account_index", "api_key_index", "nonce", "public_key", "transaction_time"}
    assert set(row) == expected
    assert len(row["public_key"]) == 80
    assert await asyncio.to_thread(trader.client.check_client) is None
    await trader.place()
    assert await trader.nonce() == row["nonce"] + 1
    await trader.cancel_all()


async def test_a_wrong_key_is_noticed_by_the_client(trader: Trader) -> None:
    """check_client of the official client fails after the key was replaced."""
    await trader.paper.register_key(trader.account, KEY, "ab" * 40)
    assert await asyncio.to_thread(trader.client.check_client) is not None


async def test_orders_by_client_index(trader: Trader) -> None:
    """The call accountOrders finds active and finished orders by client order index."""
    await trader.place()
    await trader.place(time_in_force=IOC, price=299_000)
    answer = await trader.orders.account_orders(
        authorization=trader.token,
        account_index=trader.account,
        client_order_indexes=f"{trader.client_index - 1},{trader.client_index},999999",
    )
    statuses = {row.client_order_index: row.status for row in answer.orders}
    assert statuses == {
        trader.client_index - 1: "open",
        trader.client_index: "canceled-not-enough-liquidity",
    }
    await trader.cancel_all()


async def test_pages_of_finished_orders(trader: Trader) -> None:
    """Finished orders come newest first in pages that join without loss."""
    for _ in range(5):
        await trader.place(time_in_force=IOC, price=299_000)
    seen: list[int] = []
    cursor = None
    while True:
        page = await trader.orders.account_inactive_orders(
            authorization=trader.token, account_index=trader.account, limit=2, cursor=cursor
        )
        seen += [row.client_order_index for row in page.orders]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == [5, 4, 3, 2, 1]


async def test_filters_of_finished_orders(trader: Trader) -> None:
    """Finished orders are selected by side, market and time (seconds or milliseconds)."""
    await trader.place(time_in_force=IOC, price=299_000)
    await trader.place(time_in_force=IOC, price=301_000, is_ask=True)
    token, now_s = trader.token, int(time.time())

    async def found(**params: object) -> list[bool]:
        answer = await get(
            trader.paper,
            f"{API}/accountInactiveOrders",
            account_index=trader.account,
            auth=token,
            limit=10,
            **params,
        )
        return [row["is_ask"] for row in answer["orders"]]

    assert await found() == [True, False]
    assert await found(ask_filter=1) == [True]
    assert await found(ask_filter=0) == [False]
    assert await found(market_id=1) == []
    assert await found(market_id=255) == [True, False]
    assert await found(between_timestamps=f"{now_s - 60}-{now_s + 60}") == [True, False]
    assert await found(between_timestamps=f"{now_s * 1000 - 60_000}-{now_s - 30}") == []
    for bad in ("5", "x-y", "1-2-3"):
        with pytest.raises(PaperError) as caught:
            await found(between_timestamps=bad)
        assert caught.value.body["code"] == 20001


async def test_orders_of_the_tokens_account(trader: Trader) -> None:
    """Without an account the call accountOrders answers for the token's account."""
    await trader.place(time_in_force=IOC, price=299_000)
    params = {"client_order_indexes": trader.client_index, "auth": trader.token}
    answer = await get(trader.paper, f"{API}/accountOrders", **params)
    assert [row["owner_account_index"] for row in answer["orders"]] == [trader.account]


async def test_pages_of_trades(trader: Trader) -> None:
    """Trades of an account come in both directions, in pages, with filters."""
    for is_ask in (False, True, True, False, False):
        price = 299_000 if is_ask else 301_000
        await trader.market(is_ask=is_ask, base_amount=10, price=price)

    async def page(**params: object) -> Json:
        return await get(
            trader.paper,
            f"{API}/trades",
            account_index=trader.account,
            auth=trader.token,
            **{"sort_by": "trade_id", "limit": 100, **params},
        )

    newest = [row["trade_id"] for row in (await page())["trades"]]
    assert newest == sorted(newest, reverse=True)
    assert len(newest) == 5
    oldest = [row["trade_id"] for row in (await page(sort_dir="asc"))["trades"]]
    assert oldest == newest[::-1]
    for direction, expected in (("desc", newest), ("asc", oldest)):
        first = await page(limit=2, sort_dir=direction)
        second = await page(limit=100, sort_dir=direction, cursor=first["next_cursor"])
        assert [r["trade_id"] for r in first["trades"] + second["trades"]] == expected
        assert "next_cursor" not in second
    sold = (await page(ask_filter=1))["trades"]
    assert {row["ask_account_id"] for row in sold} == {trader.account}
    assert len(sold) == 2
    assert (await page(role="maker"))["trades"] == []
    assert len((await page(role="taker", market_id=0))["trades"]) == 5
    assert (await page(market_id=1))["trades"] == []
    order = (await trader.row()).order_id
    assert len((await page(order_index_str=order))["trades"]) == 1
    since = await page(**{"from": newest[1]})
    assert [row["trade_id"] for row in since["trades"]] == newest[:2]


async def test_public_trades_need_no_token(trader: Trader) -> None:
    """Trades of a market can be read without a token."""
    await trader.market(is_ask=False, base_amount=10, price=301_000)
    answer = await get(trader.paper, f"{API}/trades", sort_by="timestamp", market_id=0, limit=1)
    assert answer["trades"][0]["bid_account_id"] == trader.account


async def test_transactions(trader: Trader) -> None:
    """A transaction is found by hash, by sequence, and in the account's list."""
    sent = await trader.place()
    await trader.cancel_all()
    by_hash = await get(trader.paper, f"{API}/tx", by="hash", value=sent.tx_hash)
    assert set(by_hash) == known(EnrichedTx) - {"message"}
    by_sequence = await get(
        trader.paper, f"{API}/tx", by="sequence_index", value=by_hash["sequence_index"]
    )
    assert by_sequence == by_hash
    params = {"by": "account_index", "value": trader.account, "auth": trader.token, "limit": 10}
    rows = (await get(trader.paper, f"{API}/accountTxs", **params))["txs"]
    assert [row["type"] for row in rows] == [16, 14]
    assert set(rows[0]) == known(Tx)
    older = await get(trader.paper, f"{API}/accountTxs", **params, index=rows[0]["sequence_index"])
    assert [row["hash"] for row in older["txs"]] == [sent.tx_hash]
    only = await get(trader.paper, f"{API}/accountTxs", **params, types="14")
    assert [row["type"] for row in only["txs"]] == [14]


async def test_send_tx_answer(trader: Trader) -> None:
    """The answer to sendTx has the fields of the exchange, and price_protection is accepted."""
    info = await trader.signed()
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{trader.paper.base_url}{API}/sendTx",
            data={
                "tx_type": "14",
                "tx_info": json.dumps(info),
                "price_protection": "false",
            },
        ) as response,
    ):
        assert response.content_type == "application/json"
        body = await response.json()
    assert set(body) == {
        *("code", "message", "tx_hash", "predicted_execution_time_ms", "volume_quota_remaining")
    }
    assert body["code"] == 200
    await trader.cancel_all()


async def test_limits(trader: Trader) -> None:
    """The call accountLimits answers the tier and zero fees."""
    answer = await trader.accounts.account_limits(
        authorization=trader.token, account_index=trader.account
    )
    assert (answer.current_maker_fee_tick, answer.current_taker_fee_tick) == (0, 0)


async def test_standard_tier_delays(new_trader: TraderFactory) -> None:
    """On the standard tier an order is accepted first and executed 300 ms later."""
    async with PaperProcess(tier="standard") as own:
        trader = await new_trader(exchange=own)
        async with trader.socket() as socket:
            await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
            answer = await trader.market(is_ask=False, base_amount=100, price=301_000)
            assert await trader.position() == "0"
            frame = await socket.until("update/account_all_orders")
            row = frame["orders"]["0"][0]
        assert row["status"] == "filled"
        assert row["timestamp"] >= answer.predicted_execution_time_ms
        stamps = (await own.orders())[0]
        assert stamps["mono_ns"] - stamps["received_mono_ns"] >= 295_000_000


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("orderBooks", {"market_id": "77"}, 21602),
        ("orderBooks", {"market_id": "x"}, 20001),
        ("orderBooks", {"filter": "x"}, 20001),
        ("orderBookDetails", {"market_id": "-1"}, 20001),
        ("orderBookOrders", {"market_id": "0"}, 20001),
        ("orderBookOrders", {"market_id": "0", "limit": "251"}, 20001),
        ("orderBookOrders", {"limit": "5"}, 20001),
        ("recentTrades", {"market_id": "0", "limit": "101"}, 20001),
        ("recentTrades", {"market_id": "0", "limit": "0"}, 20001),
        ("trades", {"limit": "5"}, 20001),
        ("trades", {"sort_by": "size", "limit": "5"}, 20001),
        ("trades", {"sort_by": "trade_id", "limit": "101"}, 20001),
        ("trades", {"sort_by": "trade_id", "limit": "5", "cursor": "x"}, 20001),
        ("trades", {"sort_by": "trade_id", "limit": "5", "order_index": "9" * 40}, 20001),
        ("account", {"by": "name", "value": "1"}, 20001),
        ("account", {"by": "index"}, 20001),
        ("account", {"by": "index", "value": "1"}, 29404),
        ("account", {"by": "l1_address", "value": "0x1"}, 29404),
        ("nextNonce", {"account_index": "1", "api_key_index": "4"}, 21101),
        ("nextNonce", {"account_index": "1"}, 20001),
        ("apikeys", {"account_index": "1"}, 21109),
        ("apikeys", {"account_index": "1", "api_key_index": "256"}, 20001),
        ("tx", {"by": "hash", "value": "00"}, 21500),
        ("tx", {"by": "sequence_index", "value": "999999999"}, 21500),
        ("tx", {"by": "x", "value": "1"}, 20001),
        ("accountOrders", {"client_order_indexes": "1,x"}, 20001),
        ("accountOrders", {"client_order_indexes": ",".join("1" * 21)}, 20001),
    ],
)
async def test_bad_parameters(
    paper: PaperProcess, path: str, params: dict[str, str], code: int
) -> None:
    """A bad parameter is HTTP 400 with a JSON body that carries the code."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{paper.base_url}{API}/{path}", params=params) as response,
    ):
        body = await response.json()
        assert (response.status, body["code"]) == (400, code), body
        assert set(body) == {"code", "message"}


AUTHORIZED = (
    ("accountActiveOrders", "account_index"),
    ("accountInactiveOrders", "account_index"),
    ("accountOrders", "account_index"),
    ("accountTxs", "value"),
    ("accountLimits", "account_index"),
    ("liquidations", "account_index"),
    ("positionFunding", "account_index"),
    ("tokens", "account_index"),
    ("trades", "account_index"),
)
OTHERS = {
    "limit": "5",
    "sort_by": "trade_id",
    "by": "account_index",
    "client_order_indexes": "1",
}


@pytest.mark.parametrize(("path", "name"), AUTHORIZED)
async def test_auth_rules(trader: Trader, path: str, name: str) -> None:
    """Account data needs a token: in the header or in the query, of the account, in its time."""
    url = f"{trader.paper.base_url}{API}/{path}"
    params = {**OTHERS, name: str(trader.account)}
    good = trader.token
    late = good.replace(good.split(":")[0], "99999999999")
    old = good.replace(good.split(":")[0], "1000000000")
    foreign = good.replace(f":{trader.account}:", f":{ACCOUNT_A}:")
    other_key = good.replace(f":{KEY}:", ":9:")
    cases: list[tuple[dict[str, str], dict[str, str], int, int]] = [
        ({"Authorization": good}, {}, 200, 200),
        ({}, {"auth": good}, 200, 200),
        ({}, {}, 400, 20001),
        ({"Authorization": late}, {}, 401, 20013),
        ({"Authorization": old}, {}, 401, 20013),
        ({"Authorization": foreign}, {}, 401, 20013),
        ({}, {"auth": other_key}, 401, 20013),
        ({"Authorization": "Bearer x"}, {}, 401, 20013),
    ]
    async with aiohttp.ClientSession() as session:
        for headers, more, status, code in cases:
            query = {**params, **more}
            async with session.get(url, params=query, headers=headers) as response:
                body = await response.json()
                assert (response.status, body["code"]) == (status, code), (headers, more, body)


async def test_a_token_dies_with_its_key(trader: Trader) -> None:
    """After its key is deleted a token is refused."""
    token = trader.token
    await trader.paper.delete_key(trader.account, KEY)
    call = trader.orders.account_active_orders(
        authorization=token, account_index=trader.account, market_id=ETH
    )
    assert (await refusal(call)).code == 20013


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v2/orderBooks", "/paper/x"])
async def test_unknown_paths(paper: PaperProcess, path: str) -> None:
    """An unknown path is the front's HTML 403."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(paper.base_url + path) as response,
    ):
        assert (response.status, response.content_type) == (403, "text/html")
