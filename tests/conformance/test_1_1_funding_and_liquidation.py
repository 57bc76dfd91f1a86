"""Funding and liquidation where sections 1.1, 1.4 and 3.2 show them, and changes of the tier."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from lighter.models.liq_trade import LiqTrade
from lighter.models.liquidation import Liquidation
from lighter.models.liquidation_info import LiquidationInfo
from lighter.models.position_funding import PositionFunding

from tests.conformance import envelopes as env
from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import ETH, Client, code_of
from tests.conformance.shapes import (
    Shape,
    anything,
    decimal,
    exactly,
    integer,
    list_of,
    map_of,
    matching,
    one_of,
    text,
)
from tests.integration.paper.support import Socket
from tests.world.paper import Json, PaperProcess

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000
LONG = 60_000
"""6 ETH at 3,000: 18,000 USDC of value on 1,000 USDC of collateral."""


@pytest.fixture
async def own() -> AsyncIterator[PaperProcess]:
    """Give an exchange of the test's own: prices and time move in it."""
    async with PaperProcess() as process:
        yield process


async def liquidate(client: Client) -> None:
    """Buy with little collateral; let the mark price fall below maintenance, above close-out."""
    await client.market(is_ask=False, base_amount=LONG, price=310_000)
    await client.paper.set_market(ETH, mark_price="2860.00")


async def position_funding(client: Client) -> list[Json]:
    body = await client.get("positionFunding", account_index=client.account, limit=10)
    rows: list[Json] = body["position_fundings"]
    return rows


async def test_funding_is_paid(new_client: ClientFactory, own: PaperProcess) -> None:
    """At the full hour longs pay shorts where the rate is positive, by the mark price.

    The unit of `timestamp` in a row is not documented: seconds and milliseconds pass.
    """
    await own.call("POST", "/paper/markets/0", {"funding_rate": "0.0100"})
    long, short = await new_client(exchange=own), await new_client(exchange=own)
    await long.market(is_ask=False, base_amount=10_000, price=310_000)
    await short.market(is_ask=True, base_amount=10_000, price=290_000)
    await own.move_clock(HOUR_MS)
    row = Shape(
        "PositionFunding",
        {
            "timestamp": integer,
            "market_id": exactly(ETH),
            "funding_id": integer,
            "change": decimal,
            "rate": decimal,
            "position_size": decimal,
            "position_side": one_of("long", "short"),
        },
        optional={"discount": decimal},
        model=PositionFunding,
    )
    # The clock moves on while the test runs: an hour holds one full hour, at times two.
    for client, side, sign in ((long, "long", -1), (short, "short", 1)):
        rows = await position_funding(client)
        assert 1 <= len(rows) <= 2
        list_of(row)(rows, "position_fundings")
        assert {found["position_side"] for found in rows} == {side}
        paid = sum(Decimal(found["change"]) for found in rows)
        assert paid == sign * Decimal("0.3") * len(rows), "0.01 % of 3,000 USDC"
        body = await own.call("GET", "/api/v1/account", by="index", value=client.account)
        position = body["accounts"][0]["positions"][0]
        env.position()(position)
        assert Decimal(position["total_funding_paid_out"]) == -paid


async def test_funding_on_the_account_stream(new_client: ClientFactory, own: PaperProcess) -> None:
    """account_all tells a payment in funding_histories, a map of market to list."""
    await own.call("POST", "/paper/markets/0", {"funding_rate": "0.0100"})
    client = await new_client(exchange=own)
    await client.market(is_ask=False, base_amount=10_000, price=310_000)
    async with Socket(own.ws_url) as socket:
        await socket.subscribe(f"account_all/{client.account}")
        await own.move_clock(HOUR_MS)
        frame = await socket.until("update/account_all")
        while not frame["funding_histories"]:
            frame = await socket.until("update/account_all")
    map_of(list_of(anything, least=1), least=1)(frame["funding_histories"], "funding_histories")
    assert set(frame["funding_histories"]) == {"0"}


async def test_liquidation(new_client: ClientFactory, own: PaperProcess) -> None:
    """Below the maintenance margin a position is closed by trades of type liquidation."""
    client = await new_client("1000", exchange=own)
    async with Socket(own.ws_url) as socket:
        await socket.subscribe("trade/0")
        await socket.subscribe(f"account_all_trades/{client.account}", client.token)
        await liquidate(client)
        trades: list[Json] = []
        closed = Decimal(0)
        while closed < 6:
            frame = await socket.receive()
            if frame.get("type") != "update/trade":
                continue
            list_of(env.trade())(frame["trades"] + frame["liquidation_trades"], "trades")
            trades += frame["liquidation_trades"]
            closed = sum((Decimal(row["size"]) for row in trades), Decimal(0))
    assert {row["type"] for row in trades} == {"liquidation"}
    assert client.account in {row["ask_account_id"] for row in trades}
    assert await client.position() == "0.0000"
    answer = await client.orders.trades(
        sort_by="trade_id",
        limit=100,
        authorization=client.token,
        account_index=client.account,
        type="liquidation",
    )
    assert {row.type for row in answer.trades} == {"liquidation"}


async def test_liquidations_are_listed(new_client: ClientFactory, own: PaperProcess) -> None:
    """GET liquidations lists each with its trade and the state of the account around it."""
    client = await new_client("1000", exchange=own)
    await liquidate(client)
    body = await client.get("liquidations", account_index=client.account, limit=10)
    trade = Shape(
        "LiqTrade",
        {"price": decimal, "size": decimal, "taker_fee": decimal, "maker_fee": decimal},
        model=LiqTrade,
    )
    info = Shape("LiquidationInfo", {"positions": list_of(anything)}, model=LiquidationInfo)
    row = Shape(
        "Liquidation",
        {
            "id": integer,
            "market_id": exactly(ETH),
            "type": one_of("partial", "liquidation", "deleverage"),
            "trade": trade,
            "info": info,
            "executed_at": integer,
        },
        model=Liquidation,
    )
    env.page(liquidations=list_of(row, least=1))(body)


async def test_liquidation_is_notified(new_client: ClientFactory, own: PaperProcess) -> None:
    """notification: an entry of kind liquidation with an RFC 3339 time, not yet acknowledged."""
    client = await new_client("1000", exchange=own)
    notif = Shape(
        "notif",
        {
            "id": text,
            "created_at": matching(
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "RFC 3339"
            ),
            "kind": exactly("liquidation"),
            "account_index": exactly(client.account),
            "content": anything,
            "ack": exactly(value=False),
            "acked_at": anything,
        },
    )
    async with Socket(own.ws_url) as socket:
        await socket.subscribe(f"notification/{client.account}", client.token)
        await liquidate(client)
        frame = await socket.until("update/notification")
    env.frame("notification", f"notification:{client.account}", notifs=list_of(notif, least=1))(
        frame
    )
    assert isinstance(frame["notifs"][0]["content"], dict)


async def test_tier_change_needs_a_flat_account(client: Client) -> None:
    """A change of the tier is refused while there are orders or a position."""

    async def change(tier: str) -> int:
        return await code_of(
            client.accounts.change_account_tier(
                account_index=client.account, new_tier=tier, authorization=client.token
            )
        )

    await client.place()
    assert 62001 <= await change("premium") <= 62007
    await client.clear()
    await client.buy()
    assert 62001 <= await change("premium") <= 62007
    await client.market(is_ask=True, base_amount=100, price=290_000)
    assert await change("premium") == 200
    assert 62001 <= await change("standard") <= 62007, "24 h between two changes"
    assert await change("no such tier") != 200
