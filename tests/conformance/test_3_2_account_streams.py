"""Section 3.2, "account stream semantics": what decides whether a client misses a fill."""

from decimal import Decimal

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import ASK, BID, ETH, IOC, Client
from tests.integration.paper.support import Socket
from tests.world.paper import Json

pytestmark = pytest.mark.integration


async def fill(client: Client, times: int = 1) -> None:
    """Rest a bid that is best in the book and have it filled."""
    for _ in range(times):
        await client.place(price=BID + 5, base_amount=100)
        await client.paper.take(ETH, "sell", "0.01", until_account=client.account)


def trades_of(frame: Json) -> list[Json]:
    return [row for rows in frame.get("trades", {}).values() for row in rows]


async def test_position_frame_then_trade_frame(client: Client) -> None:
    """A fill is a position frame and then a trade frame on account_all."""
    await client.place(price=BID + 5, base_amount=100)
    async with client.socket() as socket:
        await socket.subscribe(f"account_all/{client.account}")
        await client.paper.take(ETH, "sell", "0.01", until_account=client.account)
        kinds: list[str] = []
        while "trade" not in kinds:
            frame = await socket.until("update/account_all")
            moved = frame["positions"].get("0", {}).get("position") == "0.0100"
            assert not (moved and trades_of(frame)), "two frames, not one"
            kinds.append("trade" if trades_of(frame) else "position" if moved else "other")
        assert "position" in kinds


async def test_updates_carry_only_new_trades(client: Client) -> None:
    """Three fills are three trades on the stream, whatever happened before."""
    await fill(client)
    seen: list[int] = []
    async with client.socket() as socket:
        await socket.subscribe(f"account_all/{client.account}")
        await fill(client, 3)
        while len(seen) < 3:
            frame = await socket.until("update/account_all")
            seen += [row["trade_id"] for row in trades_of(frame)]
            assert len(trades_of(frame)) <= 1
    assert len(set(seen)) == 3


async def test_a_reconnect_replays_no_fill(client: Client) -> None:
    """The snapshot after a reconnect has the same size, whatever was filled in between."""
    await fill(client)
    sizes, trades = [], []
    for _ in range(2):
        async with client.socket() as socket:
            frame = await socket.subscribe(f"account_all/{client.account}")
            sizes.append(len(trades_of(frame)))
            trades.append(frame["positions"]["0"]["position"])
        await fill(client, 2)
    assert sizes == [0, 0]
    assert trades == ["0.0100", "0.0300"]


async def test_no_resume_but_rest_catches_up(client: Client) -> None:
    """What a reconnect missed is found by REST trades, newest first, down to the last seen id."""
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_trades/{client.account}", client.token)
        await fill(client)
        last = trades_of(await socket.until("update/account_all_trades"))[0]["trade_id"]
    await fill(client, 2)
    answer = await client.orders.trades(
        sort_by="trade_id",
        sort_dir="desc",
        limit=100,
        authorization=client.token,
        account_index=client.account,
    )
    missed = [row.trade_id for row in answer.trades if row.trade_id > last]
    assert len(missed) == 2


async def test_zero_row_is_flat(client: Client) -> None:
    """An update of account_all_positions with a zero row says that the market is flat."""
    await client.place(time_in_force=IOC, price=300_500, base_amount=100)
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_positions/{client.account}", client.token)
        await client.market(is_ask=True, base_amount=100, price=290_000, reduce_only=True)
        frame = await socket.until("update/account_all_positions")
        assert frame["positions"]["0"]["position"] == "0.0000"


async def test_terminal_status_once(client: Client) -> None:
    """A cancelled order is on account_all_orders once as open and once as canceled."""
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_orders/{client.account}", client.token)
        await client.place()
        await client.cancel(client.client_index)
        await client.place()
        statuses: list[tuple[int, str]] = []
        while (2, "open") not in statuses:
            frame = await socket.until("update/account_all_orders")
            statuses += [(row["client_order_index"], row["status"]) for row in frame["orders"]["0"]]
        assert statuses.count((1, "canceled")) == 1
        assert statuses[-1] == (2, "open")


async def test_fills_and_the_terminal_row_agree(client: Client) -> None:
    """The trades of an order that took several levels sum to its filled amount."""
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_trades/{client.account}", client.token)
        await socket.subscribe(f"account_all_orders/{client.account}", client.token)
        await client.market(is_ask=False, base_amount=25_000, price=310_000)
        total, row = Decimal(0), None
        while row is None or total < Decimal(row["filled_base_amount"]):
            frame = await socket.receive()
            if frame.get("type") == "update/account_all_trades":
                total += sum(Decimal(trade["size"]) for trade in trades_of(frame))
            elif frame.get("type") == "update/account_all_orders":
                (last,) = frame["orders"]["0"]
                row = last if last["status"] == "filled" else row
        assert total == Decimal("2.5")


async def test_both_accounts_of_a_trade_hear_of_it(new_client: ClientFactory) -> None:
    """Maker and taker each get the same trade on their own channel."""
    maker, taker = await new_client(), await new_client()
    await maker.place(is_ask=True, price=ASK - 10)
    ids = []
    async with maker.socket() as one, taker.socket() as two:
        for client, socket in ((maker, one), (taker, two)):
            await socket.subscribe(f"account_all_trades/{client.account}", client.token)
        await taker.place(time_in_force=IOC, price=ASK - 10)
        for socket in (one, two):
            frame = await socket.until("update/account_all_trades")
            ids += [row["trade_id"] for row in trades_of(frame)]
    assert ids[0] == ids[1]


async def test_other_accounts_hear_nothing(new_client: ClientFactory) -> None:
    """An account's channel carries no trade of others."""
    one, other = await new_client(), await new_client()
    async with Socket(one.paper.ws_url) as socket:
        await socket.subscribe(f"account_all_trades/{other.account}", other.token)
        await fill(one)
        await fill(other)
        frame = await socket.until("update/account_all_trades")
        assert [row["bid_account_id"] for row in trades_of(frame)] == [other.account]
