"""Section 3.2, one test per channel of an account: the snapshot, an update, every key of both."""

from typing import Any

import pytest

from tests.conformance import envelopes as env
from tests.conformance.kit import BID, ETH, IOC, TX_CREATE, Client
from tests.conformance.shapes import (
    Check,
    Shape,
    anything,
    decimal,
    either,
    exactly,
    integer,
    list_of,
    map_of,
    ms,
    number,
    one_of,
    text,
)
from tests.world.paper import Json

pytestmark = pytest.mark.integration

BALANCES: dict[str, Check] = {
    "collateral": decimal,
    "portfolio_value": decimal,
    "leverage": decimal,
    "available_balance": decimal,
    "margin_usage": decimal,
    "buying_power": decimal,
}
TOTALS: dict[str, Check] = {
    f"{span}_{what}": number
    for span in ("daily", "weekly", "monthly", "total")
    for what in ("trades_count", "volume")
}


async def sell_into(client: Client, size: str = "0.01") -> None:
    """Fill a resting bid of the client that is best in the book."""
    await client.place(price=BID + 5, base_amount=100)
    await client.paper.take(ETH, "sell", size, until_account=client.account)


# Accounts


def account_all(account: int, kind: str) -> Shape:
    """Return the shape of an account_all frame: updates are deltas and may leave totals out."""
    fields: dict[str, Check] = {
        "account": exactly(account),
        "channel": exactly(f"account_all:{account}"),
        "type": exactly(f"{kind}/account_all"),
        "positions": map_of(env.position()),
        "trades": map_of(list_of(env.trade())),
        "funding_histories": map_of(anything),
        "shares": list_of(anything),
    }
    rest: dict[str, Check] = {"assets": map_of(env.ASSET), **TOTALS}
    if kind == "subscribed":
        return Shape("subscribed/account_all", {**fields, **rest})
    return Shape("update/account_all", fields, rest)


async def test_account_all(client: Client) -> None:
    """account_all: the account at subscribe, then deltas with only new trades; no token needed."""
    await client.place(time_in_force=IOC, price=300_500)
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all/{client.account}")
        account_all(client.account, "subscribed")(frame)
        assert frame["positions"]["0"]["position"] == "0.0100"
        await client.place(time_in_force=IOC, price=300_500)
        trades: list[Json] = []
        while not trades:
            frame = await socket.until("update/account_all")
            account_all(client.account, "update")(frame)
            trades = frame["trades"].get("0", [])
        assert len(trades) == 1


async def test_account_market(client: Client) -> None:
    """account_market: one market of an account; its name keeps the slashes.

    The documentation shows position as one object, the sheet of it as a list: both pass.
    """
    name = f"account_market/0/{client.account}"
    shape: dict[str, Check] = {
        "channel": exactly(name),
        "orders": list_of(env.order()),
        "position": either(list_of(env.position()), env.position(), exactly(None)),
        "trades": list_of(env.trade()),
        "funding_history": anything,
        "assets": either(map_of(env.ASSET), list_of(env.ASSET)),
    }
    extra: dict[str, Check] = {"account": integer, "timestamp": ms, "nonce": integer}
    await client.place()
    async with client.socket() as socket:
        frame = await socket.subscribe(name, client.token)
        kind: dict[str, Check] = {"type": exactly("subscribed/account_market")}
        Shape("subscribed/account_market", {**shape, **kind}, extra)(frame)
        assert [row["status"] for row in frame["orders"]] == ["open"]
        await sell_into(client)
        trades: list[Json] = []
        while not trades:
            frame = await socket.until("update/account_market")
            kind = {"type": exactly("update/account_market"), "channel": exactly(name)}
            Shape("update/account_market", kind, {**shape, **extra})(frame)
            trades = frame.get("trades", [])
        assert trades[0]["bid_account_id"] == client.account


async def test_account_orders(client: Client) -> None:
    """account_orders: account, nonce and orders of one market.

    The name in answers is account_orders:0 in the docs, account_orders:0:1234 in a fixture.
    """
    body: dict[str, Check] = {
        "channel": one_of("account_orders:0", f"account_orders:0:{client.account}"),
        "account": exactly(client.account),
        "nonce": integer,
        "orders": map_of(list_of(env.order())),
    }
    await client.place()
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_orders/0/{client.account}", client.token)
        Shape("subscribed", {**body, "type": exactly("subscribed/account_orders")})(frame)
        assert [row["status"] for row in frame["orders"]["0"]] == ["open"]
        await client.cancel(1)
        frame = await socket.until("update/account_orders")
        Shape("update", {**body, "type": exactly("update/account_orders")})(frame)
        assert [row["status"] for row in frame["orders"]["0"]] == ["canceled"]


async def test_account_all_orders(client: Client) -> None:
    """account_all_orders: open orders at subscribe, then changed ones with terminal statuses."""
    name = f"account_all_orders:{client.account}"
    orders = map_of(list_of(env.order()))
    await client.place()
    await client.place(time_in_force=IOC, price=300_500)
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all_orders/{client.account}", client.token)
        env.frame("account_all_orders", name, "subscribed", orders=orders)(frame)
        assert [row["client_order_index"] for row in frame["orders"]["0"]] == [1]
        await client.place(time_in_force=IOC, price=300_500)
        frame = await socket.until("update/account_all_orders")
        env.frame("account_all_orders", name, orders=orders)(frame)
        rows = frame["orders"]["0"]
        assert [(row["client_order_index"], row["status"]) for row in rows] == [(3, "filled")]


async def test_account_all_trades(client: Client) -> None:
    """account_all_trades: volumes and past trades at subscribe, a map of new ones in updates.

    In the snapshot the docs show a list where updates have a map: both pass, as history.
    """
    name = f"account_all_trades:{client.account}"
    volumes: dict[str, Check] = {
        f"{span}_volume": number for span in ("daily", "weekly", "monthly", "total")
    }
    trades = map_of(list_of(env.trade()))
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all_trades/{client.account}", client.token)
        env.frame(
            "account_all_trades",
            name,
            "subscribed",
            trades=either(trades, list_of(env.trade())),
            **volumes,
        )(frame)
        await sell_into(client)
        frame = await socket.until("update/account_all_trades")
        env.frame("account_all_trades", name, trades=trades)(frame)
        assert [row["bid_client_id"] for row in frame["trades"]["0"]] == [1]


async def test_account_all_positions(client: Client) -> None:
    """account_all_positions: all positions at subscribe, then only those that changed."""
    shape: dict[str, Check] = {
        "channel": exactly(f"account_all_positions:{client.account}"),
        "positions": map_of(either(env.position(), env.position(1))),
        "shares": list_of(anything),
    }
    extra: dict[str, Check] = {"last_funding_round": anything, "last_funding_discount": anything}
    await client.place(time_in_force=IOC, price=300_500)
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all_positions/{client.account}", client.token)
        kind: dict[str, Check] = {"type": exactly("subscribed/account_all_positions")}
        Shape("subscribed", {**shape, **kind}, extra)(frame)
        assert set(frame["positions"]) == {"0"}
        await client.place(market_index=1, time_in_force=IOC, price=1_005_000, base_amount=100)
        frame = await socket.until("update/account_all_positions")
        kind = {"type": exactly("update/account_all_positions")}
        Shape("update", {**shape, **kind}, extra)(frame)
        assert set(frame["positions"]) == {"1"}


async def test_account_all_assets(client: Client) -> None:
    """account_all_assets: balances by asset id and a time; again when money moves."""
    asset = Shape(
        "asset",
        {"symbol": text, "asset_id": integer, "balance": decimal, "locked_balance": decimal},
        optional=env.ASSET.fields,
    )
    name = f"account_all_assets:{client.account}"
    body: dict[str, Any] = {"assets": map_of(asset, least=1), "timestamp": ms}
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all_assets/{client.account}", client.token)
        env.frame("account_all_assets", name, "subscribed", **body)(frame)
        assert set(frame["assets"]) == {"3"}
        await client.paper.collateral(client.account, "50")
        frame = await socket.until("update/account_all_assets")
        env.frame("account_all_assets", name, **body)(frame)
        assert float(frame["assets"]["3"]["balance"]) == 100_050


async def test_user_stats(client: Client) -> None:
    """user_stats: balances, and the same for cross and total; no token needed."""
    inner = Shape("stats of a mode", BALANCES)
    stats = Shape(
        "stats",
        {
            **BALANCES,
            "account_trading_mode": one_of(0, 1),
            "cross_stats": inner,
            "total_stats": inner,
        },
    )

    def shape(kind: str) -> Shape:
        return Shape(
            f"{kind}/user_stats",
            {
                "channel": exactly(f"user_stats:{client.account}"),
                "type": exactly(f"{kind}/user_stats"),
                "stats": stats,
            },
            optional={"timestamp": ms},
        )

    async with client.socket() as socket:
        frame = await socket.subscribe(f"user_stats/{client.account}")
        shape("subscribed")(frame)
        assert float(frame["stats"]["collateral"]) == 100_000
        await client.place(time_in_force=IOC, price=300_500)
        shape("update")(await socket.until("update/user_stats"))


async def test_account_tx(client: Client) -> None:
    """account_tx: transactions with their outcome, each again when it changes."""
    name = f"account_tx:{client.account}"
    body: dict[str, Any] = {"txs": list_of(env.TX)}
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_tx/{client.account}", client.token)
        env.frame("account_tx", name, "subscribed", **body)(frame)
        await client.place()
        statuses: list[int] = []
        while 2 not in statuses:
            frame = await socket.until("update/account_tx")
            env.frame("account_tx", name, **body)(frame)
            for row in frame["txs"]:
                assert (row["hash"], row["type"]) == (client.hash, TX_CREATE)
                statuses.append(row["status"])
        assert set(statuses) <= {1, 2, 3}


async def test_notification(client: Client) -> None:
    """notification: a list of notifs at subscribe, empty for an account without any."""
    notif = Shape(
        "notif",
        {
            "id": text,
            "created_at": text,
            "kind": one_of("liquidation", "deleverage", "announcement"),
            "account_index": integer,
            "content": anything,
            "ack": anything,
            "acked_at": anything,
        },
    )
    async with client.socket() as socket:
        frame = await socket.subscribe(f"notification/{client.account}", client.token)
    env.frame(
        "notification",
        f"notification:{client.account}",
        "subscribed",
        notifs=list_of(notif),
    )(frame)
