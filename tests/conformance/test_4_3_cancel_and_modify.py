"""Section 4.3, continued: cancel, cancel-all, modify, and the statuses an order can end in."""

import asyncio
import time
from typing import Any

import pytest

from tests.conformance import envelopes as env
from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    ASK,
    BID,
    DAY_MS,
    ETH,
    IOC,
    KEY,
    MINUTE_MS,
    POST_ONLY,
    Client,
    code_of,
    event,
    refusal,
)
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

IMMEDIATE, SCHEDULED, ABORT = 0, 1, 2


def now_ms() -> int:
    return int(time.time() * 1000)


# Cancel


async def test_cancel_by_either_index(client: Client) -> None:
    """Cancel takes the order index or the client order index."""
    await client.place()
    await client.cancel((await client.row()).order_index)
    assert (await client.row()).status == "canceled"
    await client.place()
    await client.cancel(client.client_index)
    assert (await client.row()).status == "canceled"


async def test_cancel_of_a_gone_order(client: Client) -> None:
    """Cancelling a gone order: a 400 that leaves the nonce free (21600, 21709, 21715)."""
    await client.place()
    index = (await client.row()).order_index
    await client.cancel(index)
    nonce = await client.nonce()
    for gone in (index, client.client_index, 12_345):
        refused = await refusal(client.cancel(gone))
        assert refused.status == 400
        assert refused.code in (21600, 21709, 21715)
    assert await client.nonce() == nonce


async def test_cancel_and_fill_race(new_client: ClientFactory, slow_paper: PaperProcess) -> None:
    """A fill sequenced before the cancel wins: the cancel executes as failed, its nonce used."""
    client = await new_client(exchange=slow_paper)
    filled = None
    for _ in range(5):  # on a busy machine the cancel may be executed first
        placed = await client.place(price=BID + 5)
        await client.outcome(placed.tx_hash)
        nonce = await client.nonce()
        answer = await client.cancel(client.client_index)
        await slow_paper.take(ETH, "sell", "0.01", until_account=client.account)
        tx = await client.outcome(answer.tx_hash)
        filled = (await client.row()).status == "filled"
        if filled:
            break
    assert filled
    assert tx.status in (0, 2)
    assert event(tx)["ae"]
    assert await client.nonce() == nonce + 1


async def test_cancel_of_a_queued_create(
    new_client: ClientFactory, slow_paper: PaperProcess
) -> None:
    """A cancel sent right behind its create is executed after it."""
    client = await new_client(exchange=slow_paper)
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_orders/{client.account}", client.token)
        await client.place()
        await client.cancel(client.client_index)
        statuses: list[str] = []
        while "canceled" not in statuses:
            frame = await socket.until("update/account_all_orders")
            statuses += [row["status"] for row in frame["orders"]["0"]]
    assert statuses[-2:] == ["open", "canceled"]


# Cancel-all


async def test_cancel_all_immediate(client: Client) -> None:
    """Immediate cancels every market's orders; its time must be 0."""
    await client.place()
    await client.place(market_index=1, base_amount=100, price=999_000)
    assert (await refusal(client.cancel_all(IMMEDIATE, 0, Time=5))).code in (21714, 21501)
    await client.cancel_all()
    assert await client.active(None) == []
    assert client.client.sign_cancel_all_orders(IMMEDIATE, 5, nonce=1, api_key_index=KEY)[3], (
        "the signer refuses a time"
    )


async def test_cancel_all_of_one_market(client: Client) -> None:
    """Attribute 5 limits an immediate cancel-all to one market."""
    await client.place()
    await client.place(market_index=1, base_amount=100, price=999_000)
    await client.client.cancel_all_orders(
        IMMEDIATE, 0, cancel_all_market_index=1, nonce=await client.nonce(), api_key_index=KEY
    )
    assert [row.market_index for row in await client.active(None)] == [0]


async def test_cancel_all_scheduled(new_client: ClientFactory) -> None:
    """Scheduled is a dead-man switch over the whole account, 5 min to 15 d ahead."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        await client.place(order_expiry=now_ms() + DAY_MS)
        for ahead in (4 * MINUTE_MS, 15 * DAY_MS + MINUTE_MS):
            refused = await refusal(client.cancel_all(SCHEDULED, now_ms() + ahead))
            assert refused.status == 400
        due = now_ms() + 6 * MINUTE_MS
        await client.cancel_all(SCHEDULED, due)
        account = await client.accounts.account(by="index", value=str(client.account))
        assert account.accounts[0].cancel_all_time == due
        await own.move_clock(5 * MINUTE_MS)
        assert len(await client.active()) == 1
        await own.move_clock(2 * MINUTE_MS)
        assert await client.active() == []


async def test_cancel_all_abort(new_client: ClientFactory) -> None:
    """Abort disarms the switch and needs time 0; the switch can be armed again."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        await client.place(order_expiry=now_ms() + DAY_MS)
        await client.cancel_all(SCHEDULED, now_ms() + 6 * MINUTE_MS)
        assert (await refusal(client.cancel_all(ABORT, 0, Time=7))).status == 400
        await client.cancel_all(ABORT, 0)
        await own.move_clock(8 * MINUTE_MS)
        assert len(await client.active()) == 1
        await client.cancel_all(SCHEDULED, now_ms() + 14 * MINUTE_MS)
        await own.move_clock(7 * MINUTE_MS)
        assert await client.active() == []


# Modify


async def test_modify_price_and_size(client: Client) -> None:
    """A modify sets price and total; the order keeps its indexes."""
    await client.place(base_amount=100, price=299_900)
    before = await client.row()
    await client.modify(before.order_index, 250, 299_800)
    row = await client.row()
    assert (row.status, row.price, row.initial_base_amount) == ("open", "2998.00", "0.0250")
    assert (row.client_order_index, row.remaining_base_amount) == (1, "0.0250")
    assert row.order_index == before.order_index


async def test_modify_by_client_index(client: Client) -> None:
    """A modify takes the client order index too."""
    await client.place(price=299_900)
    await client.modify(client.client_index, 100, 299_700)
    assert [row.price for row in await client.active()] == ["2997.00"]


async def test_modify_base_amount_is_the_total(client: Client) -> None:
    """base_amount is the new total with the filled part in it."""
    await client.place(base_amount=300, price=BID + 5)
    await client.paper.take(ETH, "sell", "0.01", until_account=client.account)
    await client.modify(client.client_index, 400, BID + 5)
    row = await client.row()
    assert (row.filled_base_amount, row.remaining_base_amount) == ("0.0100", "0.0300")
    assert row.initial_base_amount == "0.0400"


async def test_modify_to_the_filled_part_finishes(client: Client) -> None:
    """A total at or below what is filled finishes the order."""
    await client.place(base_amount=300, price=BID + 5)
    await client.paper.take(ETH, "sell", "0.02", until_account=client.account)
    await client.modify(client.client_index, 100, BID + 5)
    row = await client.row()
    assert row.status != "open"
    assert row.filled_base_amount == "0.0200"
    assert await client.active() == []


async def test_modify_needs_a_price(client: Client) -> None:
    """The price of a modify is required: 21702 without."""
    await client.place()
    assert (await refusal(client.modify(client.client_index, 100, 299_800, Price=0))).code == 21702
    assert (await client.row()).price == "2999.00"


async def test_modify_uses_a_nonce(client: Client) -> None:
    """A modify consumes a nonce, and is executed like any transaction."""
    await client.place()
    nonce = await client.nonce()
    answer = await client.modify(client.client_index, 100, 299_800)
    tx = await client.tx(answer.tx_hash)
    assert (tx.type, tx.status, tx.nonce) == (17, 2, nonce)
    assert answer.tx_hash == client.hash, "the hash is the signer's"
    assert await client.nonce() == nonce + 1


async def test_modify_order_version(client: Client) -> None:
    """order_version must grow strictly: a stale modify changes nothing."""
    await client.place(price=299_900)
    await client.modify(client.client_index, 100, 299_800, order_version=5)
    assert (await client.row()).price == "2998.00"
    for stale in (5, 3):
        change = client.modify(client.client_index, 100, 299_700, order_version=stale)
        if await code_of(change) == 200:
            assert event(await client.tx(client.hash))["ae"]
        assert (await client.row()).price == "2998.00"
    await client.modify(client.client_index, 100, 299_600, order_version=6)
    assert (await client.row()).price == "2996.00"


async def test_modify_of_a_gone_order(client: Client) -> None:
    """A modify of an order that is gone is refused like a cancel, its nonce free."""
    await client.place()
    await client.cancel(client.client_index)
    nonce = await client.nonce()
    refused = await refusal(client.modify(client.client_index, 100, 299_800))
    assert refused.code in (21600, 21709, 21715)
    assert await client.nonce() == nonce


async def test_modify_by_the_sdk(client: Client) -> None:
    """modify_order of the SDK changes an order."""
    await client.place()
    _, answer, error = await client.client.modify_order(
        market_index=ETH,
        order_index=client.client_index,
        base_amount=200,
        price=299_500,
        nonce=await client.nonce(),
        api_key_index=KEY,
    )
    assert (error, answer.code) == (None, 200)
    assert (await client.row()).price == "2995.00"


# Statuses


def test_status_numbers() -> None:
    """The documented numbers 0 to 16 name 17 statuses."""
    assert len(env.STATUSES) == len(set(env.STATUSES)) == 17
    assert env.STATUSES[3] == "filled"
    assert env.STATUSES[10] == "canceled-not-enough-liquidity"


async def status_number(client: Client, answer: Any) -> tuple[str, int]:
    """Return the status of the last order as the Order object and as event_info have it."""
    row = await client.row()
    return row.status, event(await client.tx(answer.tx_hash))["to"]["st"]


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({}, 2),
        ({"time_in_force": IOC, "price": 300_500}, 3),
        ({"time_in_force": POST_ONLY, "price": ASK}, 5),
    ],
    ids=["open", "filled", "post-only"],
)
async def test_status_number_in_event_info(
    fields: dict[str, Any], number: int, client: Client
) -> None:
    """event_info has the number of the status that the order object names."""
    answer = await client.place(**fields)
    name, found = await status_number(client, answer)
    assert (name, found) == (env.STATUSES[number], number)


async def test_status_canceled(client: Client) -> None:
    """4: cancelled by its owner."""
    await client.place()
    await client.cancel(client.client_index)
    assert (await client.row()).status == "canceled"


async def test_status_canceled_reduce_only(client: Client) -> None:
    """6: a resting reduce-only order whose position is gone."""
    await client.market(is_ask=False, base_amount=100, price=310_000)
    await client.place(is_ask=True, price=300_100, base_amount=100, reduce_only=True)
    resting = client.client_index
    await client.market(is_ask=True, base_amount=100, price=290_000)
    if (await client.row(resting)).status == "open":
        await client.paper.take(ETH, "buy", "5")
    assert (await client.row(resting)).status == "canceled-reduce-only"


async def test_status_canceled_margin(client: Client) -> None:
    """8: a taker without margin, refused only in execution, its nonce used."""
    nonce = await client.nonce()
    answer = await client.market(is_ask=False, base_amount=10_000_000, price=310_000)
    assert answer.code == 200
    assert (await client.row()).status == "canceled-margin-not-allowed"
    assert await client.nonce() == nonce + 1


async def test_status_canceled_expired(new_client: ClientFactory) -> None:
    """12: a resting order whose expiry has passed."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        await client.place(order_expiry=now_ms() + 6 * MINUTE_MS)
        await own.move_clock(7 * MINUTE_MS)
        assert await client.active() == []
        assert (await client.row()).status == "canceled-expired"


async def test_concurrent_cancels(client: Client) -> None:
    """Of two cancels with the same nonce one is taken."""
    await client.place()
    info = await client.cancel_info(client.client_index)
    answers = await asyncio.gather(
        client.send(15, info), client.send(15, info), return_exceptions=True
    )
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert (await client.row()).status == "canceled"


async def test_status_canceled_position_not_allowed(new_client: ClientFactory) -> None:
    """7: an order that would open where the market only lets positions shrink."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        await own.set_market(ETH, force_reduce_only=True)
        if await code_of(client.place(time_in_force=IOC, price=300_500)) == 200:
            assert (await client.row()).status == "canceled-position-not-allowed"
        assert await client.position() == "0.0000"


async def test_status_canceled_liquidation(new_client: ClientFactory) -> None:
    """15: the resting orders of an account that is liquidated."""
    with PaperProcess() as own:
        client = await new_client("1000", exchange=own)
        await client.market(is_ask=False, base_amount=60_000, price=310_000)
        await client.place(is_ask=True, price=310_000, base_amount=100, reduce_only=True)
        await own.set_market(ETH, mark_price="2840.00")
        row = await client.row()
        assert row.status == "canceled-liquidation"
