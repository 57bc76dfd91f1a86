"""Section 5.4, one test per error code that a client can provoke; each leaves its nonce free."""

from collections.abc import Awaitable
from typing import Any

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import ETH, IOC, KEY, TX_CREATE, Client, refusal
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration


async def refused(client: Client, call: Awaitable[Any]) -> int:
    """Return the code that `call` is refused with: HTTP 400, and the nonce stays free."""
    nonce = await client.nonce()
    answer = await refusal(call)
    assert answer.status == 400, answer
    assert answer.message
    assert await client.nonce() == nonce
    return answer.code


async def test_20001_invalid_param(client: Client) -> None:
    """A parameter that is missing."""
    assert await refused(client, client.txs.tx(by="name", value="x")) == 20001


async def test_21101_nonce_not_found(client: Client) -> None:
    """NextNonce of a key that does not exist."""
    call = client.txs.next_nonce(account_index=client.account, api_key_index=77)
    assert await refused(client, call) == 21101


async def test_21102_invalid_account_index(client: Client) -> None:
    """A transaction of an account that does not exist."""
    assert await refused(client, client.place(AccountIndex=999)) == 21102


async def test_21104_invalid_nonce(client: Client) -> None:
    """A nonce that is not the next."""
    assert await refused(client, client.place(Nonce=999)) == 21104


async def test_21105_batch_nonces(client: Client) -> None:
    """A batch whose nonces do not increase by one: 21105, or 21104 for the member."""
    nonce = await client.nonce()
    members = [(TX_CREATE, await client.signed(nonce=nonce)) for _ in range(2)]
    assert await refused(client, client.batch(*members)) in (21105, 21104)
    assert await client.active() == []


async def test_21109_api_key_not_found(client: Client) -> None:
    """A transaction of a key that is not registered."""
    assert await refused(client, client.place(ApiKeyIndex=200)) == 21109


async def test_21110_invalid_api_key_index(client: Client) -> None:
    """A key index beyond 254."""
    assert await refused(client, client.place(ApiKeyIndex=255)) == 21110


async def test_21111_in_pre_liquidation(new_client: ClientFactory) -> None:
    """A new risk on an account below its initial margin, above its maintenance margin."""
    with PaperProcess() as own:
        client = await new_client("1000", exchange=own)
        await client.market(is_ask=False, base_amount=60_000, price=310_000)
        await own.set_market(ETH, mark_price="2880.00")
        assert await refused(client, client.place(price=288_000)) in (21111, 21112)
        reduced = await client.market(is_ask=True, base_amount=100, price=270_000)
        assert reduced.code == 200
        assert await client.position() == "5.9900"


async def test_21133_invalid_risk_change(new_client: ClientFactory) -> None:
    """Less leverage than the margin of the position allows."""
    client = await new_client("1000")
    await client.market(is_ask=False, base_amount=50_000, price=310_000)
    assert await refused(client, client.leverage(5_000)) == 21133
    await client.market(is_ask=True, base_amount=50_000, price=290_000)
    assert (await client.leverage(5_000)).code == 200


async def test_21121_batch_of_two_owners(new_client: ClientFactory) -> None:
    """A batch with transactions of two accounts."""
    one, two = await new_client(), await new_client()
    members = [(TX_CREATE, await one.signed()), (TX_CREATE, await two.signed())]
    assert await refused(one, one.batch(*members)) == 21121


async def test_21149_integrator_not_approved(client: Client) -> None:
    """An order with an integrator whom the account never approved."""
    call = client.place(integrator_account_index=6, integrator_taker_fee=100)
    assert await refused(client, call) == 21149


async def test_21500_transaction_not_found(client: Client) -> None:
    """A hash that the exchange does not know."""
    assert await refused(client, client.tx("cd" * 40)) == 21500


async def test_21501_invalid_tx_info(client: Client) -> None:
    """A transaction info that cannot be read, or lacks a field."""
    assert await refused(client, client.txs.send_tx(tx_type=TX_CREATE, tx_info="{")) == 21501
    assert await refused(client, client.send(TX_CREATE, {"AccountIndex": 1})) == 21501


async def test_21514_batch_too_large(client: Client) -> None:
    """A batch of 51; the documents say 15, the error's text 50."""
    nonce = await client.nonce()
    members = [(TX_CREATE, await client.signed(nonce=nonce + n)) for n in range(51)]
    assert await refused(client, client.batch(*members)) == 21514


async def test_21600_not_an_active_order(client: Client) -> None:
    """A cancel of an order that never was."""
    assert await refused(client, client.cancel(4711)) == 21600


async def test_21709_inactive_order(client: Client) -> None:
    """A cancel of a finished order, by its index."""
    await client.place(time_in_force=IOC, price=300_500)
    index = (await client.row()).order_index
    assert await refused(client, client.cancel(index)) == 21709


async def test_21728_client_order_index_exists(client: Client) -> None:
    """The client order index of an active order."""
    await client.place(client_order_index=3)
    assert await refused(client, client.place(client_order_index=3)) == 21728


async def test_21732_reduce_only_increases(client: Client) -> None:
    """A resting reduce-only order that would open a position."""
    assert await refused(client, client.place(reduce_only=True)) == 21732


async def test_21733_fat_finger_and_21734_far_from_mark(client: Client) -> None:
    """A bid 5 % above the smaller of mark and best ask; which code is whose is not documented."""
    assert await refused(client, client.place(price=320_000)) in (21733, 21734)


async def test_21739_not_enough_margin(client: Client) -> None:
    """A resting order that the account's margin does not carry."""
    assert await refused(client, client.place(base_amount=100_000_000)) == 21739


async def test_29404_not_found(client: Client) -> None:
    """An account that does not exist."""
    call = client.accounts.account(by="index", value="77")
    assert await refused(client, call) == 29404


async def test_the_words_of_an_error(client: Client) -> None:
    """The SDK shows an error as text with code and message, as clients parse it."""
    _, _, error = await client.client.create_order(
        ETH, 1, 100, 299_900, False, 0, 1, nonce=999, api_key_index=KEY
    )
    assert "code=21104" in error
    assert "message='invalid nonce'" in error
