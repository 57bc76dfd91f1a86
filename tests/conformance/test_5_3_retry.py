"""Section 5.3, one test per row of the retry table: what each answer proves."""

import asyncio
import json

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import API, IOC, TX_CREATE, Client, code_of, refusal
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration


async def buy(client: Client) -> dict[str, object]:
    """Return the signed bytes of an order that fills at once."""
    return await client.signed(time_in_force=IOC, price=300_500)


async def test_400_other_than_21104(client: Client) -> None:
    """Not executed, nonce free: fix it and use the same nonce."""
    nonce = await client.nonce()
    assert (await refusal(client.place(nonce=nonce, base_amount=1))).code == 21706
    assert (await client.place(nonce=nonce, base_amount=100)).code == 200


async def test_21104_on_a_first_send(client: Client) -> None:
    """Not executed: refresh nextNonce and sign again."""
    await client.place()
    stale = await client.signed(nonce=await client.nonce() - 1, price=300_500, time_in_force=IOC)
    assert (await refusal(client.send(TX_CREATE, stale))).code == 21104
    assert await client.position() == "0.0000"
    assert (await client.send(TX_CREATE, await buy(client))).code == 200


async def test_21104_on_the_same_bytes(client: Client) -> None:
    """The earlier copy used the nonce: it is found by its hash, and executed once."""
    info = await buy(client)
    tx_hash = client.hash
    assert (await client.send(TX_CREATE, info)).code == 200
    assert (await refusal(client.send(TX_CREATE, info))).code == 21104
    assert (await client.tx(tx_hash)).status == 2
    assert await client.position() == "0.0100"


async def test_200_may_still_fill_nothing(client: Client) -> None:
    """Queued: the result is in the order's row, here nothing filled."""
    answer = await client.place(time_in_force=IOC, price=299_000)
    assert answer.code == 200
    row = await client.row()
    assert row.status.startswith("canceled")
    assert row.filled_base_amount == "0.0000"


async def test_connection_cut_after_the_request(client: Client) -> None:
    """No answer is no proof: the same bytes again execute at most once in all."""
    info = await buy(client)
    tx_hash = client.hash
    body = f"tx_type={TX_CREATE}&tx_info={json.dumps(info)}".replace(" ", "%20").encode()
    _, writer = await asyncio.open_connection("127.0.0.1", client.paper.port)
    head = (
        f"POST {API}/sendTx HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    writer.transport.abort()
    assert await code_of(client.send(TX_CREATE, info)) in (200, 21104)
    assert (await client.tx(tx_hash)).status == 2
    assert await client.position() == "0.0100"


async def test_socket_died_after_a_transaction_frame(client: Client) -> None:
    """Unknown until the hash is looked up by REST; the same bytes there execute once in all."""
    info = await buy(client)
    tx_hash = client.hash
    async with client.socket() as socket:
        data = {"id": "x", "tx_type": TX_CREATE, "tx_info": info}
        await socket.send({"type": "jsonapi/sendtx", "data": data})
        socket.ws.transport.abort()

    assert await code_of(client.send(TX_CREATE, info)) in (200, 21104)
    assert (await client.tx(tx_hash)).status == 2
    assert await client.position() == "0.0100"


async def test_next_nonce_as_an_oracle(client: Client) -> None:
    """NextNonce above N proves that the transaction with nonce N was accepted, N that not yet."""
    info = await buy(client)
    nonce = info["Nonce"]
    assert await client.nonce() == nonce
    await client.send(TX_CREATE, info)
    assert await client.nonce() > int(str(nonce))


async def test_a_duplicate_while_queued(
    new_client: ClientFactory, slow_paper: PaperProcess
) -> None:
    """A copy sent while the first is queued: what it is told is not documented, it trades once."""
    client = await new_client(exchange=slow_paper)
    info = await buy(client)
    tx_hash = client.hash
    assert (await client.send(TX_CREATE, info)).code == 200
    assert (await refusal(client.send(TX_CREATE, info))).code == 21104

    assert (await client.outcome(tx_hash)).status == 2
    assert await client.position() == "0.0100"


async def test_the_hash_is_known_before_sending(client: Client) -> None:
    """The hash that the signer returns is the one under which the exchange knows it."""
    info = await buy(client)
    tx_hash = client.hash
    assert (await refusal(client.tx(tx_hash))).code == 21500
    answer = await client.send(TX_CREATE, info)
    assert answer.tx_hash == tx_hash
    assert (await client.tx(tx_hash)).hash == tx_hash


async def test_signing_again_is_another_signature(client: Client) -> None:
    """Signatures are randomised: a second signing with the same nonce differs in its bytes."""
    nonce = await client.nonce()
    one = await client.signed(nonce=nonce, client_order_index=3)
    two = await client.signed(nonce=nonce, client_order_index=3)
    assert one["Sig"] != two["Sig"]
    assert (await client.send(TX_CREATE, one)).code == 200
    assert (await refusal(client.send(TX_CREATE, two))).code == 21104
