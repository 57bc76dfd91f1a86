"""Sections 1.2 to 1.4: what the fields of orders, trades, positions and answers mean."""

from decimal import Decimal

import pytest

from tests.conformance import envelopes as env
from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import ASK, ETH, GTT, IOC, MAX_48, POST_ONLY, Client, refusal
from tests.world.paper import Json, PaperProcess

pytestmark = pytest.mark.integration

BTC = 1


async def raw_order(client: Client) -> Json:
    """Return the last placed order as the wire has it."""
    body = await client.get(
        "accountOrders",
        account_index=client.account,
        client_order_indexes=str(client.client_index),
    )
    row: Json = body["orders"][0]
    return row


async def raw_trades(client: Client) -> list[Json]:
    """Return the account's trades, newest first."""
    body = await client.get(
        "trades", account_index=client.account, sort_by="trade_id", sort_dir="desc", limit=100
    )
    rows: list[Json] = body["trades"]
    return rows


async def test_markets_of_section_9(paper: PaperProcess) -> None:
    """ETH is market 0 with 4/2/6 decimals, BTC is 1 with 5/1/6; minimums as of one source each."""
    books = {
        row["market_id"]: row
        for row in (await paper.call("GET", "/api/v1/orderBooks"))["order_books"]
    }
    scales = [
        (row["symbol"], row["supported_size_decimals"], row["supported_price_decimals"])
        for row in (books[0], books[1])
    ]
    assert scales == [("ETH", 4, 2), ("BTC", 5, 1)]
    assert books[0]["min_base_amount"] in ("0.0050", "0.0005")
    assert books[1]["min_base_amount"] in ("0.00020", "0.00002")
    assert books[0]["min_quote_amount"] == "10.000000"
    assert books[0]["order_quote_limit"] == "281474976.710655"


async def test_order_object(client: Client) -> None:
    """An open order repeats its numbers as strings, integers and scaled amounts, in step."""
    await client.place(base_amount=20_000, price=299_900, time_in_force=POST_ONLY)
    row = await raw_order(client)
    env.order()(row)
    assert (row["order_id"], row["client_order_id"]) == (str(row["order_index"]), "1")
    assert (row["base_size"], row["base_price"]) == (20_000, 299_900)
    assert (row["initial_base_amount"], row["price"]) == ("2.0000", "2999.00")
    assert (row["remaining_base_amount"], row["filled_base_amount"]) == ("2.0000", "0.0000")
    assert (row["filled_quote_amount"], row["trigger_price"]) == ("0.000000", "0.00")
    assert (row["type"], row["time_in_force"], row["status"]) == ("limit", "post-only", "open")
    assert (row["trigger_status"], row["trigger_time"], row["parent_order_id"]) == ("na", 0, "0")
    assert row["owner_account_index"] == client.account
    assert row["transaction_time"] // 1000 == row["timestamp"]


async def test_order_object_of_btc(client: Client) -> None:
    """The number of decimals is the market's own."""
    await client.place(market_index=BTC, base_amount=20, price=999_000)
    body = await client.get("accountActiveOrders", account_index=client.account, market_id=BTC)
    env.order(BTC)(body["orders"][0])
    assert body["orders"][0]["initial_base_amount"] == "0.00020"


async def test_order_object_partly_filled(client: Client) -> None:
    """Filled and remaining amounts add up to the initial one."""
    await client.place(base_amount=300, price=299_990)
    await client.paper.take(ETH, "sell", "0.01", until_account=client.account)
    row = await raw_order(client)
    assert row["status"] == "open"
    assert (row["filled_base_amount"], row["remaining_base_amount"]) == ("0.0100", "0.0200")
    assert row["filled_quote_amount"] == "29.999000"
    assert row["base_size"] == 200


async def test_order_types_and_times_in_force(client: Client) -> None:
    """Types and times in force have their documented names."""
    await client.market(is_ask=False, base_amount=10, price=300_500)
    row = await raw_order(client)
    assert (row["type"], row["time_in_force"]) == ("market", "immediate-or-cancel")
    await client.place(time_in_force=GTT)
    row = await raw_order(client)
    assert (row["type"], row["time_in_force"]) == ("limit", "good-till-time")


async def test_order_index(client: Client) -> None:
    """An order index is (market + 1) x 2^48 + nonce; asks count up from 1, bids down from 2^48-1.

    Where two bids follow each other the later nonce is the smaller one.
    """
    nonces: dict[tuple[int, bool], list[int]] = {}
    for market, is_ask, price in ((0, False, 299_900), (0, True, 300_100), (1, False, 999_000)):
        for _ in range(2):
            await client.place(market_index=market, is_ask=is_ask, price=price, base_amount=200)
            row = await raw_order(client)
            assert row["order_index"] - row["nonce"] == (market + 1) << 48
            assert 0 < row["nonce"] <= MAX_48
            nonces.setdefault((market, is_ask), []).append(row["nonce"])
    for (_, is_ask), (first, second) in nonces.items():
        assert second == first + (1 if is_ask else -1)
    assert nonces[0, True][0] < 1 << 40
    assert MAX_48 - nonces[0, False][0] < 1 << 40


async def test_trade_object(client: Client) -> None:
    """A trade names both sides, whole ids also as strings, amounts that multiply exactly."""
    await client.place(time_in_force=IOC, price=300_500, base_amount=300)
    row = (await raw_trades(client))[0]
    env.trade()(row)
    order = await raw_order(client)
    assert (row["bid_account_id"], row["bid_id"]) == (client.account, order["order_index"])
    assert (row["bid_client_id"], row["bid_client_id_str"]) == (1, "1")
    assert row["is_maker_ask"] is True
    for name in ("trade_id", "ask_id", "bid_id", "ask_client_id", "bid_client_id"):
        assert row[f"{name}_str"] == str(row[name])
    assert Decimal(row["size"]) * Decimal(row["price"]) == Decimal(row["usd_amount"])
    assert row["transaction_time"] // 1000 == row["timestamp"]
    assert "taker_fee" not in row


async def test_trade_positions_before(client: Client) -> None:
    """The positions before a trade are signed: sizes before plus trades give the position."""
    plan = [(False, 300), (True, 500), (True, 200), (False, 400)]
    for is_ask, lots in plan:
        price = 290_000 if is_ask else 310_000
        await client.market(is_ask=is_ask, base_amount=lots, price=price)
    rows = (await raw_trades(client))[::-1]
    assert [row["taker_position_size_before"] for row in rows] == [
        "0.0000",
        "0.0300",
        "-0.0200",
        "-0.0400",
    ]
    assert rows[0]["taker_entry_quote_before"] == "0.000000"
    assert rows[1]["taker_entry_quote_before"] == rows[0]["usd_amount"]
    assert await client.position() == "0.0000"


async def test_trade_ids_grow(client: Client) -> None:
    """Trade ids grow in the order of execution."""
    await client.place(time_in_force=IOC, price=300_500, base_amount=100)
    await client.market(is_ask=True, base_amount=100, price=290_000)
    ids = [row["trade_id"] for row in await raw_trades(client)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 2


async def test_position_object(client: Client) -> None:
    """A position is absolute with a sign; the initial margin is in percent; flat has sign 1."""
    await client.market(is_ask=True, base_amount=300, price=290_000)
    row = await position(client)
    env.position()(row)
    assert (row["sign"], row["position"], row["symbol"]) == (-1, "0.0300", "ETH")
    assert Decimal(row["avg_entry_price"]) == Decimal("2999.85")
    assert row["initial_margin_fraction"] == "5.00"
    await client.market(is_ask=False, base_amount=300, price=310_000)
    row = await position(client)
    assert (row["sign"], row["position"]) == (1, "0.0000")


async def position(client: Client) -> Json:
    body = await client.paper.call("GET", "/api/v1/account", by="index", value=str(client.account))
    row: Json = body["accounts"][0]["positions"][0]
    return row


async def test_position_counts_open_orders(client: Client) -> None:
    """A position row counts the market's resting orders, the account row those of all markets."""
    await client.place()
    await client.place(market_index=BTC, base_amount=100, price=999_000)
    body = await client.paper.call("GET", "/api/v1/account", by="index", value=client.account)
    account = body["accounts"][0]
    assert account["total_order_count"] == 2
    assert [row["open_order_count"] for row in account["positions"]] == [1, 1]


async def test_asset_object(client: Client) -> None:
    """The only asset of a perp account is USDC with id 3."""
    body = await client.paper.call("GET", "/api/v1/account", by="index", value=client.account)
    assets = body["accounts"][0]["assets"]
    assert [(row["symbol"], row["asset_id"]) for row in assets] == [("USDC", 3)]
    assert Decimal(assets[0]["balance"]) == 100_000


async def test_errors_have_code_and_message(client: Client) -> None:
    """A refusal is HTTP 400 with exactly a code and a message."""
    refused = await refusal(client.place(Nonce=77))
    assert (refused.status, refused.code, refused.message) == (400, 21104, "invalid nonce")


async def test_both_sides_of_a_trade(new_client: ClientFactory) -> None:
    """I am ask if ask_account_id is me, and maker if is_maker_ask says so of my side."""
    maker, taker = await new_client(), await new_client()
    await maker.place(is_ask=True, price=ASK - 10, base_amount=200)
    await taker.place(time_in_force=IOC, price=ASK - 10, base_amount=200)
    (mine,), (theirs,) = await raw_trades(maker), await raw_trades(taker)
    assert mine["trade_id"] == theirs["trade_id"]
    assert (mine["ask_account_id"], mine["bid_account_id"]) == (maker.account, taker.account)
    assert mine["is_maker_ask"] is True
    assert (mine["ask_client_id"], mine["bid_client_id"]) == (1, 1)
