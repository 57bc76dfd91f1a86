"""Batches over HTTP and over the socket: the official client's call, envelopes, refusals."""

import json
from typing import Any

import pytest

from tests.integration.paper.support import ETH, IOC, Trader, TraderFactory, refusal
from tests.world.paper import Json

pytestmark = pytest.mark.integration


async def infos(trader: Trader, count: int, **fields: Any) -> list[Json]:
    """Return signed orders with consecutive nonces."""
    first = await trader.nonce()
    return [await trader.signed(nonce=first + number, **fields) for number in range(count)]


def lists(orders: list[Json], tx_type: int = 14) -> Json:
    """Return both lists of a batch as the wire has them."""
    types = json.dumps([tx_type] * len(orders))
    return {"tx_types": types, "tx_infos": json.dumps([json.dumps(order) for order in orders])}


async def test_the_official_client_sends_a_batch(trader: Trader) -> None:
    """The client's own send_tx_batch gets a hash per transaction, and all execute in order."""
    orders = await infos(trader, 3)
    answer = await trader.client.send_tx_batch([14] * 3, [json.dumps(order) for order in orders])
    assert answer.code == 200
    assert len(answer.tx_hash) == 3
    assert answer.tx_hash[-1] == trader.hash
    rows = await trader.orders.account_active_orders(
        authorization=trader.token, account_index=trader.account, market_id=ETH
    )
    assert [row.client_order_index for row in rows.orders] == [1, 2, 3]
    assert await trader.nonce() == orders[-1]["Nonce"] + 1
    await trader.cancel_all()


async def test_a_batch_over_the_socket(trader: Trader) -> None:
    """The socket answers a batch with its id, its type and a list of hashes, then the frames."""
    orders = await infos(trader, 2, time_in_force=IOC, price=301_000)
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        data = {"id": "b2", **lists(orders)}
        answer = await socket.ask({"type": "jsonapi/sendtxbatch", "data": data})
        assert set(answer) == {"code", "id", "predicted_execution_time_ms", "tx_hash", "type"}
        assert (answer["code"], answer["id"]) == (200, "b2")
        assert answer["type"] == "jsonapi/sendtxbatch"
        assert len(answer["tx_hash"]) == 2
        frames = [await socket.receive() for _ in range(2)]
        assert [frame["orders"]["0"][0]["status"] for frame in frames] == ["filled"] * 2
        again = await socket.ask({"type": "jsonapi/sendtxbatch", "data": data})
        assert again["error"]["code"] == 21104
        assert again["id"] == "b2"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda _: {"tx_infos": "[]"}, 21513),
        (lambda _: {"tx_types": "[]", "tx_infos": "[]"}, 21501),
        (lambda given: {"tx_types": given["tx_types"] + "x"}, 20001),
        (lambda _: {"tx_types": "[99, 99]"}, 21505),
        (lambda _: {"tx_infos": '["{}", "{}"]'}, 21501),
    ],
)
async def test_bad_batches_change_nothing(trader: Trader, change: Any, code: int) -> None:
    """A batch that is none is refused as a whole, on both roads, and no nonce is spent."""
    nonce = await trader.nonce()
    form = lists(await infos(trader, 2))
    form |= change(form)
    call = trader.txs.send_tx_batch(**form)
    assert (await refusal(call)).code == code
    async with trader.socket() as socket:
        answer = await socket.ask({"type": "jsonapi/sendtxbatch", "data": form})
        assert answer["error"]["code"] == code
    assert await trader.nonce() == nonce


async def test_a_batch_has_one_owner_and_growing_nonces(new_trader: TraderFactory) -> None:
    """Members of two accounts are 21121, a gap in the nonces 21105, sixteen members 21514."""
    one, two = await new_trader(), await new_trader()
    mixed = lists([await one.signed(), await two.signed()])
    assert (await refusal(one.txs.send_tx_batch(**mixed))).code == 21121
    nonce = await one.nonce()
    gap = lists([await one.signed(nonce=nonce), await one.signed(nonce=nonce + 2)])
    assert (await refusal(one.txs.send_tx_batch(**gap))).code == 21105
    assert (await refusal(one.txs.send_tx_batch(**lists(await infos(one, 16))))).code == 21514
    assert await one.nonce() == nonce
