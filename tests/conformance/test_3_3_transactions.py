"""Section 3.3: transactions over an open WebSocket, frame by frame."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import KEY, TX_CANCEL, TX_CREATE, Client
from tests.conformance.shapes import Shape, exactly, hash_text, integer, list_of, ms, text
from tests.integration.paper.support import Socket
from tests.world.paper import Json

pytestmark = pytest.mark.integration

ERROR = Shape("error", {"code": integer, "message": text})


def sendtx(name: str, tx_type: int, info: object) -> Json:
    data = {"id": name, "tx_type": tx_type, "tx_info": info}
    return {"type": "jsonapi/sendtx", "data": data}


def sendtxbatch(name: str, *members: tuple[int, Json]) -> Json:
    """Return a batch frame: both lists are JSON texts, the infos are texts inside."""
    data = {
        "id": name,
        "tx_types": json.dumps([tx_type for tx_type, _ in members]),
        "tx_infos": json.dumps([json.dumps(info) for _, info in members]),
    }
    return {"type": "jsonapi/sendtxbatch", "data": data}


@pytest.fixture
async def socket(client: Client) -> AsyncIterator[Socket]:
    """Give an open socket without subscriptions."""
    async with client.socket() as one:
        yield one


async def test_sendtx(client: Client, socket: Socket) -> None:
    """A parsed object as tx_info; the answer has code, id, hash, time and the request's type."""
    answer = await socket.ask(sendtx("k1", TX_CREATE, await client.signed()))
    Shape(
        "sendtx",
        {
            "code": exactly(200),
            "id": exactly("k1"),
            "predicted_execution_time_ms": ms,
            "tx_hash": exactly(client.hash),
            "type": exactly("jsonapi/sendtx"),
        },
    )(answer)
    assert (await client.row()).status == "open"


async def test_sendtx_refused(client: Client, socket: Socket) -> None:
    """A refusal has the error and the id and no type; the socket and the nonce stay."""
    answer = await socket.ask(sendtx("k2", TX_CREATE, await client.signed(Nonce=500)))
    Shape("refusal", {"error": ERROR, "id": exactly("k2")})(answer)
    assert answer["error"] == {"code": 21104, "message": "invalid nonce"}
    answer = await socket.ask(sendtx("k3", TX_CREATE, await client.signed()))
    assert answer["code"] == 200


async def test_sendtx_bad_info(client: Client, socket: Socket) -> None:
    """An info that cannot be read is 21501, with or without the id, and the socket stays open."""
    for info in ({}, {"AccountIndex": client.account}, []):
        answer = await socket.ask(sendtx("k4", TX_CREATE, info))
        ERROR(answer["error"])
        assert set(answer) <= {"error", "id"}
        assert answer["error"]["code"] in (21501, 30007, 20001)
    assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_sendtxbatch(client: Client, socket: Socket) -> None:
    """A batch answers one list of hashes in the order of its members, which run in that order."""
    nonce = await client.nonce()
    members, hashes = [], []
    members.append((TX_CREATE, await client.signed(nonce=nonce)))
    hashes.append(client.hash)
    _, text_, hash_, error = client.client.sign_cancel_order(
        0, 1, nonce=nonce + 1, api_key_index=KEY
    )
    assert error is None
    members.append((TX_CANCEL, json.loads(text_)))
    hashes.append(hash_)
    answer = await socket.ask(sendtxbatch("b2", *members))
    Shape(
        "sendtxbatch",
        {
            "code": exactly(200),
            "id": exactly("b2"),
            "predicted_execution_time_ms": ms,
            "tx_hash": list_of(hash_text, least=2),
            "type": exactly("jsonapi/sendtxbatch"),
        },
    )(answer)
    assert answer["tx_hash"] == hashes
    assert (await client.row()).status == "canceled"


async def test_batch_is_not_atomic(client: Client, socket: Socket) -> None:
    """A member that fails in execution leaves its neighbours alone; every nonce is spent."""
    nonce = await client.nonce()
    members: list[tuple[int, Json]] = []
    for offset, fields in enumerate(
        ({"price": 299_900}, {"client_order_index": 1, "price": 299_800}, {"price": 299_700})
    ):
        info = await client.signed(nonce=nonce + offset, **fields)
        members.append((TX_CREATE, info))
    answer = await socket.ask(sendtxbatch("b3", *members))
    assert answer.get("code") == 200, answer
    assert sorted(row.client_order_index for row in await client.active()) == [1, 3]
    assert await client.nonce() == nonce + 3


async def test_batch_of_fifteen(client: Client, socket: Socket) -> None:
    """A batch of 15 is taken; one of 51 is 21514 (15 by the docs, 50 by the error: a conflict)."""
    nonce = await client.nonce()
    orders = [
        (TX_CREATE, await client.signed(nonce=nonce + offset, price=299_000 + offset))
        for offset in range(15)
    ]
    answer = await socket.ask(sendtxbatch("b4", *orders))
    assert answer.get("code") == 200, answer
    assert len(await client.active()) == 15
    await client.clear()
    nonce = await client.nonce()
    many = [(TX_CREATE, await client.signed(nonce=nonce + offset)) for offset in range(51)]
    answer = await socket.ask(sendtxbatch("b5", *many))
    assert answer["error"]["code"] == 21514
    assert await client.nonce() == nonce


async def test_batch_nonces(client: Client, socket: Socket) -> None:
    """The nonces of a batch must follow each other: 21105, and none of it is taken."""
    nonce = await client.nonce()
    orders = [(TX_CREATE, await client.signed(nonce=nonce + offset)) for offset in (0, 2)]
    answer = await socket.ask(sendtxbatch("b6", *orders))
    assert answer["error"]["code"] in (21104, 21105)
    assert (await client.nonce(), await client.active()) == (nonce, [])


async def test_batch_of_two_accounts(new_client: ClientFactory) -> None:
    """A batch is of one account: 21121."""
    one, two = await new_client(), await new_client()
    members = [(TX_CREATE, await one.signed()), (TX_CREATE, await two.signed())]
    async with one.socket() as socket:
        answer = await socket.ask(sendtxbatch("b7", *members))
    assert answer["error"]["code"] == 21121
    assert await one.active() == await two.active() == []
