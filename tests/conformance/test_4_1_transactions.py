"""Sections 4.1 and 4.4: kinds of transactions, their attributes, their hashes."""

import json
import time
from typing import Any

import pytest
from lighter.signer_client import CreateOrderTxReq

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    DAY_MS,
    ETH,
    GTT,
    IOC,
    KEY,
    TX_GROUP,
    TX_LEVERAGE,
    Client,
    code_of,
    event,
    refusal,
)
from tests.conformance.test_1_2_objects import position

pytestmark = pytest.mark.integration

ONE_TRIGGERS_THE_OTHER = 1
STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT = 3, 5


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"time_in_force": IOC, "price": 300_500},
        {"self_trade_behavior_mode": 2},
        {"self_trade_behavior_mode": 2, "self_trade_equality_mode": 1, "skip_nonce": 1},
    ],
    ids=["plain", "ioc", "attribute", "attributes"],
)
async def test_hash_of_a_create(fields: dict[str, Any], client: Client) -> None:
    """The hash of type 14 is the signer's, with and without attributes."""
    answer = await client.place(**fields)
    assert answer.tx_hash == client.hash


async def test_hash_of_the_other_types(client: Client) -> None:
    """The hashes of types 15, 16, 17 and 20 are the signer's."""
    signer = client.client
    await client.place()
    signings: list[tuple[int, Any]] = [
        (17, lambda nonce: signer.sign_modify_order(0, 1, 200, 299_800, **nonce)),
        (17, lambda nonce: signer.sign_modify_order(0, 1, 200, 299_700, order_version=9, **nonce)),
        (15, lambda nonce: signer.sign_cancel_order(0, 1, **nonce)),
        (16, lambda nonce: signer.sign_cancel_all_orders(0, 0, **nonce)),
        (16, lambda nonce: signer.sign_cancel_all_orders(0, 0, 1, **nonce)),
        (20, lambda nonce: signer.sign_update_leverage(0, 400, 0, **nonce)),
    ]
    for kind, sign in signings:
        tx_type, info, tx_hash, error = sign({"nonce": await client.nonce(), "api_key_index": KEY})
        assert (error, tx_type) == (None, kind)
        answer = await client.send(kind, json.loads(info))
        assert answer.tx_hash == tx_hash, kind


async def test_unknown_types(client: Client) -> None:
    """A type that does not exist, or is not for users, is refused and leaves the nonce free."""
    nonce = await client.nonce()
    for kind in (0, 1, 7, 21, 27, 64):
        refused = await refusal(client.send(kind, await client.signed()))
        assert refused.status == 400
    assert await client.nonce() == nonce


async def test_attributes(client: Client) -> None:
    """Attributes are a map of at most four known keys: others are refused."""
    assert (await client.place()).code == 200
    for attributes in ({"99": 1}, {"1": 1, "2": 1, "3": 1, "4": 1, "6": 1}, {"6": 9}, []):
        found = await code_of(client.place(L2TxAttributes=attributes))
        assert found != 200, attributes


async def test_update_leverage(client: Client) -> None:
    """Type 20 sets the initial margin fraction of a market, shown in percent."""
    answer = await client.leverage(1_000)
    tx = await client.tx(answer.tx_hash)
    assert (tx.type, tx.status) == (TX_LEVERAGE, 2)
    await client.place(time_in_force=IOC, price=300_500)
    row = await position(client)
    assert (row["initial_margin_fraction"], row["margin_mode"]) == ("10.00", 0)


async def test_update_leverage_by_the_sdk(client: Client) -> None:
    """update_leverage of the SDK takes the leverage as a number."""
    _, answer, error = await client.client.update_leverage(
        ETH, client.client.CROSS_MARGIN_MODE, 10, nonce=await client.nonce(), api_key_index=KEY
    )
    assert (error, answer.code) == (None, 200)


async def test_update_leverage_has_bounds(client: Client) -> None:
    """A fraction below the market's minimum (2 %, or 1 % by another source) has no effect."""
    found = await code_of(client.leverage(50))
    if found == 200:
        assert event(await client.tx(client.hash))["ae"]
    else:
        assert 20_000 < found < 30_000


async def test_leverage_decides_the_margin(new_client: ClientFactory) -> None:
    """With less leverage an order needs more margin: what 20 % carries 2 % carries ten times."""
    client = await new_client("1000")
    await client.leverage(2_000)
    assert (await refusal(client.place(base_amount=20_000))).code == 21739
    await client.leverage(500)
    assert (await client.place(base_amount=20_000)).code == 200
    await client.clear()


async def test_grouped_orders(client: Client) -> None:
    """Type 28: a group is taken whole or refused whole, with a code of the exchange."""
    expiry = int(time.time() * 1000) + DAY_MS
    orders = [
        CreateOrderTxReq(
            MarketIndex=ETH,
            ClientOrderIndex=0,
            BaseAmount=100 if kind == 0 else 0,
            Price=299_900 if kind == 0 else 280_000,
            IsAsk=int(kind != 0),
            Type=kind,
            TimeInForce=GTT,
            ReduceOnly=int(kind != 0),
            TriggerPrice=0 if kind == 0 else 285_000,
            OrderExpiry=expiry,
        )
        for kind in (0, STOP_LOSS_LIMIT)
    ]
    nonce = await client.nonce()
    tx_type, info, _, error = client.client.sign_create_grouped_orders(
        ONE_TRIGGERS_THE_OTHER, orders, nonce=nonce, api_key_index=KEY
    )
    assert (error, tx_type) == (None, TX_GROUP)
    found = await code_of(client.send(TX_GROUP, json.loads(info)))
    taken = found == 200
    assert taken or 20_000 < found < 30_000
    assert await client.nonce() == nonce + taken
    assert len(await client.active()) == (1 if taken else 0)


@pytest.mark.parametrize("kind", [2, STOP_LOSS_LIMIT, 4, TAKE_PROFIT_LIMIT, 6])
async def test_trigger_orders(kind: int, client: Client) -> None:
    """A stop, take-profit or TWAP order is refused with a code, never half taken."""
    nonce = await client.nonce()
    found = await code_of(client.place(Type=kind, TriggerPrice=280_000))
    assert found in (200, 21501, 21505, 21704, 21705, 21729)
    if found != 200:
        assert (await client.nonce(), await client.active()) == (nonce, [])
