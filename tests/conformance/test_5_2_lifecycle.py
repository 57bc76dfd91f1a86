"""Section 5.2, one test per statement about acceptance and execution."""

import json
import time

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    ETH,
    IOC,
    MAX_48,
    PENDING,
    TX_CANCEL,
    TX_CREATE,
    TX_MODIFY,
    Client,
    event,
    refusal,
)
from tests.conformance.shapes import Shape, exactly, integer, json_text, one_of, text
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

EVENT_ORDER = Shape(
    "event order",
    {
        "i": integer,
        "u": integer,
        "a": integer,
        "is": integer,
        "p": integer,
        "rs": integer,
        "ia": one_of(0, 1),
        "ot": integer,
        "f": integer,
        "ro": one_of(0, 1),
        "tp": integer,
        "e": integer,
        "st": integer,
    },
    optional=dict.fromkeys(("ts", "t0", "t1", "c0", "ifci", "itf", "imf"), integer),
)
EVENT_TRADE = Shape("event trade", {"p": integer, "s": integer, "tf": integer, "mf": integer})


async def test_200_is_not_executed(new_client: ClientFactory, slow_paper: PaperProcess) -> None:
    """200 means queued: the transaction is pending (1), the order not there; later executed."""
    client = await new_client(exchange=slow_paper)
    for _ in range(5):  # on a busy machine it may be executed before the look
        answer = await client.place(time_in_force=IOC)
        index = str(client.client_index)
        rows = await client.get(
            "accountOrders", account_index=client.account, client_order_indexes=index
        )
        listed = bool(rows["orders"])
        pending = (await client.tx(answer.tx_hash)).status == PENDING
        if pending:
            break
    assert (pending, listed) == (True, False)
    assert (await client.outcome(answer.tx_hash)).status == 2
    assert (await client.row()).status == "canceled-not-enough-liquidity"


@pytest.mark.parametrize(
    ("fields", "least"),
    [({}, 0), ({"time_in_force": IOC, "price": 300_500}, 300)],
    ids=["maker", "taker"],
)
async def test_predicted_execution_time(
    fields: dict[str, int], least: int, new_client: ClientFactory, slow_paper: PaperProcess
) -> None:
    """predicted_execution_time_ms is epoch milliseconds, after the delay of the tier."""
    client = await new_client(exchange=slow_paper)
    before = time.time() * 1000
    answer = await client.place(**fields)
    tx = await client.outcome(answer.tx_hash)
    assert tx.queued_at >= before - 1
    assert least - 1 <= answer.predicted_execution_time_ms - tx.queued_at <= least + 5
    assert tx.executed_at >= answer.predicted_execution_time_ms - 1
    await client.clear()


async def test_result_on_the_streams(client: Client) -> None:
    """The result shows on account_tx, account_all_orders and account_all_trades."""
    async with client.socket() as socket:
        for channel in ("account_tx", "account_all_orders", "account_all_trades"):
            await socket.subscribe(f"{channel}/{client.account}", client.token)
        answer = await client.place(time_in_force=IOC, price=300_500)
        kinds = ("update/account_tx", "update/account_all_orders", "update/account_all_trades")
        seen = {frame["type"]: frame for frame in await socket.frames(*kinds)}
    assert seen[kinds[0]]["txs"][0]["hash"] == answer.tx_hash
    assert seen[kinds[1]]["orders"]["0"][-1]["status"] == "filled"
    assert seen[kinds[2]]["trades"]["0"][0]["bid_client_id"] == client.client_index


async def test_result_by_rest(client: Client) -> None:
    """The result shows in tx by hash, accountOrders and trades."""
    answer = await client.place(time_in_force=IOC, price=300_500)
    assert (await client.tx(answer.tx_hash)).status == 2
    assert (await client.row()).status == "filled"
    trades = await client.orders.trades(
        sort_by="trade_id",
        limit=1,
        authorization=client.token,
        account_index=client.account,
    )
    assert trades.trades[0].bid_client_id == client.client_index


async def test_statuses(new_client: ClientFactory, slow_paper: PaperProcess) -> None:
    """Statuses: 1 pending, then 2 executed; 0 for one without effect, and event_info says why."""
    client = await new_client(exchange=slow_paper)
    seen: dict[str, list[int]] = {}
    async with client.socket() as socket:
        await socket.subscribe(f"account_tx/{client.account}", client.token)
        nonce = await client.nonce()
        create = (TX_CREATE, await client.signed(nonce=nonce))
        cancels = [
            (TX_CANCEL, await client.signed_cancel(client.client_index, nonce + ahead))
            for ahead in (1, 2)
        ]
        good, _, bad = (await client.batch(create, *cancels)).tx_hash
        while seen.get(bad, [PENDING])[-1] == PENDING:
            for row in (await socket.until("update/account_tx"))["txs"]:
                seen.setdefault(row["hash"], []).append(row["status"])
    assert seen[good][-1] == 2
    assert set(seen[good]) <= {1, 2, 3}
    assert seen[bad][-1] in (0, 2)
    assert event(await client.tx(bad))["ae"]


async def test_event_info_of_an_order(client: Client) -> None:
    """An order execution: market, trade, maker and taker order in short keys, error text."""
    await client.place(price=299_990, base_amount=100, is_ask=True)
    resting = event(await client.tx(client.hash))
    assert resting["m"] == ETH
    answer = await client.place(time_in_force=IOC, price=300_500, base_amount=300)
    tx = await client.tx(answer.tx_hash)
    json_text(lambda value, where: None)(tx.event_info, "event_info")
    info = event(tx)
    assert info["m"] == ETH
    EVENT_TRADE(info["t"])
    EVENT_ORDER(info["to"])
    assert info["ae"] == ""
    taker = info["to"]
    assert (taker["u"], taker["a"], taker["is"]) == (2, client.account, 300)
    assert (taker["ia"], taker["ot"], taker["f"], taker["st"]) == (0, 0, 0, 3)
    EVENT_ORDER(info["mo"])
    assert (info["mo"]["ia"], info["mo"]["st"]) == (1, 2)


async def test_event_info_names_the_maker_order(new_client: ClientFactory) -> None:
    """`mo` is the maker order that the taker met."""
    maker, taker = await new_client(), await new_client()
    await maker.place(is_ask=True, price=300_000)
    answer = await taker.place(time_in_force=IOC, price=300_000)
    info = event(await taker.tx(answer.tx_hash))
    EVENT_ORDER(info["mo"])
    assert (info["mo"]["a"], info["mo"]["u"]) == (maker.account, 1)
    assert (info["t"]["p"], info["t"]["s"]) == (300_000, 100)


async def test_event_info_of_a_cancel(client: Client) -> None:
    """A cancel: account, order index, client index, error text."""
    await client.place()
    index = (await client.row()).order_index
    answer = await client.cancel(client.client_index)
    tx = await client.tx(answer.tx_hash)
    Shape(
        "cancel event",
        {
            "a": exactly(client.account),
            "i": exactly(index),
            "u": exactly(client.client_index),
            "ae": exactly(""),
        },
    )(event(tx))
    assert (tx.type, index > MAX_48) == (TX_CANCEL, True)


async def test_event_info_of_a_modify(client: Client) -> None:
    """A modify: market, old order, new order, error text."""
    await client.place(price=299_900)
    answer = await client.modify(client.client_index, 200, 299_800)
    tx = await client.tx(answer.tx_hash)
    info = event(tx)
    Shape(
        "modify event",
        {"m": exactly(ETH), "oo": EVENT_ORDER, "no": EVENT_ORDER, "ae": text},
    )(info)
    assert (info["oo"]["p"], info["no"]["p"]) == (299_900, 299_800)
    assert (info["oo"]["is"], info["no"]["is"]) == (100, 200)
    assert tx.type == TX_MODIFY


async def test_expired_at_is_ten_minutes_after_signing(client: Client) -> None:
    """The signer sets ExpiredAt to 599 s after the signing, and the exchange keeps it."""
    info = await client.signed()
    assert abs(info["ExpiredAt"] - time.time() * 1000 - 599_000) < 5_000
    answer = await client.send(TX_CREATE, info)
    assert (await client.tx(answer.tx_hash)).expire_at == info["ExpiredAt"]


async def test_a_late_copy_can_still_execute(new_client: ClientFactory) -> None:
    """Until ExpiredAt bytes that were never answered can execute; from then on they cannot."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        info = await client.signed(time_in_force=IOC, price=300_500)
        await own.move_clock(9 * 60_000)
        assert (await client.send(TX_CREATE, info)).code == 200
        assert await client.position() == "0.0100"
        late = await client.signed(time_in_force=IOC, price=300_500)
        await own.move_clock(61_000)
        refused = await refusal(client.send(TX_CREATE, late))
        assert refused.status == 400
        assert await client.position() == "0.0100"


async def test_the_info_is_what_was_signed(client: Client) -> None:
    """A transaction keeps the signed text, its nonce, key and type."""
    info = await client.signed()
    answer = await client.send(TX_CREATE, info)
    tx = await client.tx(answer.tx_hash)
    assert json.loads(tx.info) == info
    assert (tx.nonce, tx.api_key_index, tx.type) == (info["Nonce"], 4, TX_CREATE)
    assert tx.account_index == client.account
    assert tx.l1_address.lower() == client.master
