"""Section 5.1, one test per rule of nonces."""

import asyncio
import json
import time

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    ETH,
    IOC,
    KEY,
    POST_ONLY,
    TX_CANCEL,
    TX_CREATE,
    Client,
    code_of,
    event,
    refusal,
)
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

OTHER_KEY = 9
MAX_SKIPPED = (1 << 47) - 2


async def test_exactly_the_next(client: Client) -> None:
    """A transaction carries exactly nextNonce; a gap and a reuse are 21104."""
    nonce = await client.nonce()
    for wrong in (nonce + 1, nonce - 1, nonce + 100):
        refused = await refusal(client.place(Nonce=wrong))
        assert (refused.status, refused.code) == (400, 21104)
    assert (await client.place(nonce=nonce)).code == 200
    assert (await refusal(client.place(Nonce=nonce))).code == 21104
    assert await client.nonce() == nonce + 1


async def test_one_sequence_per_key(client: Client) -> None:
    """Each key of an account has a sequence of its own."""
    async with client.paper.signer(client.account, OTHER_KEY) as other:
        second = Client(client.paper, client.account, other)
        await client.place()
        await client.place()
        fresh = await client.txs.next_nonce(account_index=client.account, api_key_index=OTHER_KEY)
        _, info, _, error = other.sign_create_order(
            ETH, 77, 100, 299_900, False, 0, POST_ONLY, nonce=fresh.nonce, api_key_index=OTHER_KEY
        )
        assert error is None
        assert (await second.send(TX_CREATE, json.loads(info))).code == 200
    assert len(await client.active()) == 3


async def test_skip_nonce(client: Client) -> None:
    """With skip_nonce any higher nonce is taken, and none that is lower afterwards."""
    far = int(time.time() * 1000)
    assert (await client.place(nonce=far, skip_nonce=1)).code == 200
    assert await client.nonce() == far + 1
    assert (await refusal(client.place(nonce=far, skip_nonce=1))).code == 21104
    assert (await refusal(client.place(nonce=far - 5, skip_nonce=1))).code == 21104
    assert (await refusal(client.place(nonce=far + 5))).code == 21104, "without it exactly the next"
    assert (await client.place(nonce=far + 5, skip_nonce=1)).code == 200
    assert (await client.place(nonce=far + 6)).code == 200


async def test_skip_nonce_has_an_end(client: Client) -> None:
    """skip_nonce reaches up to 2^47-2."""
    beyond = client.place(
        nonce=1, skip_nonce=1, Nonce=MAX_SKIPPED + 1, time_in_force=IOC, price=300_500
    )
    assert await code_of(beyond) in (21104, 21501)
    last = client.place(nonce=MAX_SKIPPED, skip_nonce=1, time_in_force=IOC, price=299_000)
    assert (await last).code == 200
    assert await client.position() == "0.0000"


async def test_refused_leaves_the_nonce_free(client: Client) -> None:
    """An API-level refusal does not consume its nonce."""
    nonce = await client.nonce()
    assert (await refusal(client.place(base_amount=1))).code == 21706
    assert await client.nonce() == nonce
    assert (await client.place(nonce=nonce)).code == 200


async def test_accepted_consumes_it(client: Client) -> None:
    """An answer 200 consumes the nonce, also when the sequencer rejects later."""
    nonce = await client.nonce()
    answer = await client.place(price=300_500, time_in_force=POST_ONLY)
    assert answer.code == 200
    assert (await client.row()).status == "canceled-post-only"
    assert await client.nonce() == nonce + 1


async def test_expired_at_the_door(client: Client) -> None:
    """A transaction whose ExpiredAt has passed is refused and leaves its nonce free."""
    nonce = await client.nonce()
    past = int(time.time() * 1000) - 1
    refused = await refusal(client.place(ExpiredAt=past))
    assert refused.status == 400
    assert await client.nonce() == nonce


async def test_expired_in_the_queue(new_client: ClientFactory, slow_paper: PaperProcess) -> None:
    """A transaction that expires before its execution never reaches the book."""
    client = await new_client(exchange=slow_paper)
    info = await client.signed(time_in_force=IOC, price=300_500)
    # A taker waits 300 ms: whenever these bytes arrive in time, they are too late for the book.
    info["ExpiredAt"] = int(time.time() * 1000) + 250
    answer = await client.send(TX_CREATE, info)
    tx = await client.outcome(answer.tx_hash)
    assert tx.status == 0
    assert event(tx)["ae"]
    assert await client.position() == "0.0000"


async def test_maker_without_margin_is_refused(client: Client) -> None:
    """A resting order without margin is refused at the door (21739), its nonce free."""
    nonce = await client.nonce()
    assert (await refusal(client.place(base_amount=100_000_000))).code == 21739
    assert await client.nonce() == nonce


async def test_taker_without_margin_fails_in_the_sequencer(client: Client) -> None:
    """A taker without margin is accepted and fails in execution, its nonce used."""
    nonce = await client.nonce()
    answer = await client.market(is_ask=False, base_amount=10_000_000, price=310_000)
    assert answer.code == 200
    assert float((await client.row()).filled_base_amount) < 1000
    assert (await client.row()).status == "canceled-margin-not-allowed"
    assert await client.nonce() == nonce + 1


async def test_no_window_for_what_overtakes(client: Client) -> None:
    """A transaction that arrives before its predecessor is refused, not kept: 21104."""
    nonce = await client.nonce()
    late = await client.signed(nonce=nonce)
    early = await client.signed(nonce=nonce + 1)
    assert (await refusal(client.send(TX_CREATE, early))).code == 21104
    assert (await client.send(TX_CREATE, late)).code == 200
    assert len(await client.active()) == 1


async def test_concurrent_sends_on_one_key(client: Client) -> None:
    """Of concurrent transactions with one nonce exactly one is taken."""
    nonce = await client.nonce()
    infos = [await client.signed(nonce=nonce) for _ in range(5)]
    codes = await asyncio.gather(*(code_of(client.send(TX_CREATE, info)) for info in infos))
    assert sorted(codes) == [200, *[21104] * 4]


async def test_keys_in_parallel(client: Client) -> None:
    """Several keys send at the same time without getting in each other's way."""
    async with client.paper.signer(client.account, OTHER_KEY) as other:
        sends = []
        for signer, key in ((client.client, KEY), (other, OTHER_KEY)):
            nonce = (
                await client.txs.next_nonce(account_index=client.account, api_key_index=key)
            ).nonce
            infos = []
            for offset in range(3):
                _, info, _, _ = signer.sign_create_order(
                    ETH,
                    10 * key + offset,
                    100,
                    310_000,
                    False,
                    1,
                    IOC,
                    order_expiry=0,
                    nonce=nonce + offset,
                    api_key_index=key,
                )
                infos.append(json.loads(info))
            sends.append(infos)

        async def run(infos: list[dict[str, object]]) -> list[int]:
            return [await code_of(client.send(TX_CREATE, info)) for info in infos]

        codes = await asyncio.gather(*(run(infos) for infos in sends))
    assert codes == [[200] * 3, [200] * 3]
    assert await client.position() == "0.0600"


async def test_execution_in_nonce_order(
    new_client: ClientFactory, slow_paper: PaperProcess
) -> None:
    """One key's transactions execute in nonce order, whatever the delay of each kind.

    Here a taker (300 ms) goes before an order that rests (no delay of its own).
    """
    client = await new_client(exchange=slow_paper)
    async with client.socket() as socket:
        await socket.subscribe(f"account_tx/{client.account}", client.token)
        nonce = await client.nonce()
        taker = await client.signed(nonce=nonce, time_in_force=IOC, price=300_500)
        first = client.hash
        resting = await client.signed(nonce=nonce + 1)
        second = client.hash
        await client.send(TX_CREATE, taker)
        await client.send(TX_CREATE, resting)
        done: list[str] = []
        while len(done) < 2:
            frame = await socket.until("update/account_tx")
            done += [row["hash"] for row in frame["txs"] if row["status"] == 2]
    assert done == [first, second]


async def test_burning_a_nonce(client: Client) -> None:
    """Another transaction with the same nonce makes the first one impossible (section 5.2)."""
    nonce = await client.nonce()
    doubtful = await client.signed(nonce=nonce, time_in_force=IOC, price=300_500)
    assert (await client.cancel_all()).code == 200
    assert (await refusal(client.send(TX_CREATE, doubtful))).code == 21104
    assert await client.position() == "0.0000"


async def test_a_failed_transaction_keeps_its_nonce(
    new_client: ClientFactory, slow_paper: PaperProcess
) -> None:
    """What was accepted and failed in execution (status 0) has used its nonce."""
    client = await new_client(exchange=slow_paper)
    nonce = await client.nonce()
    members = [(TX_CREATE, await client.signed(nonce=nonce, client_order_index=5))]
    members += [(TX_CANCEL, await client.signed_cancel(5, nonce + ahead)) for ahead in (1, 2)]
    hashes = (await client.batch(*members)).tx_hash
    failed = await client.outcome(hashes[2])
    assert event(failed)["ae"]
    assert failed.status in (0, 2)
    assert await client.nonce() == nonce + 3
