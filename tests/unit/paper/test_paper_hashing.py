"""Transaction hashes are those of the official signer."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from lighter.signer_client import CreateOrderTxReq, SignerClient, create_api_key

from paper.hashing import hash_elements, permute, tx_hash

ACCOUNT, KEY = 42, 5
HEAD = {"nonce": 11, "api_key_index": KEY}


async def sign(method: str, *args: Any, chain_id: int = 304, **extra: Any) -> tuple[Any, ...]:
    """Sign one transaction with a fresh key and the real signer, without any network."""
    private, _, error = create_api_key()
    assert error is None
    client = SignerClient("http://127.0.0.1:1", ACCOUNT, {KEY: private}, chain_id=chain_id)
    try:
        signed: tuple[Any, ...] = getattr(client, method)(*args, **HEAD, **extra)
    finally:
        await client.close()
    assert signed[3] is None
    return signed


CREATE = (0, 123, 1_000, 405_000, 1, 0, 1, 0, 0, -1)
# Orders of a group expire together: -1 is 28 days from the signer's own clock, read for each order
# anew, and a millisecond between two of them makes the group "OrderExpiry is invalid".
EXPIRY_MS = int(time.time() * 1000) + 28 * 24 * 3600 * 1000
PARENT = CreateOrderTxReq(0, 1, 1_000, 405_000, 1, 0, 1, 0, 0, EXPIRY_MS)
CHILD = CreateOrderTxReq(0, 2, 0, 405_000, 0, 2, 0, 1, 400_000, EXPIRY_MS)
TAKE = CreateOrderTxReq(0, 3, 0, 405_000, 0, 4, 0, 1, 410_000, EXPIRY_MS)
MARKET = (1, (1 << 48) - 1, 1, (1 << 32) - 1, 0, 1, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("method", "args", "extra"),
    [
        ("sign_create_order", CREATE, {}),
        ("sign_create_order", MARKET, {}),
        ("sign_create_order", CREATE, {"self_trade_equality_mode": 1}),
        (
            "sign_create_order",
            CREATE,
            {"self_trade_behavior_mode": 2, "self_trade_equality_mode": 1, "skip_nonce": 1},
        ),
        (
            "sign_create_order",
            MARKET,
            {"integrator_account_index": 7, "integrator_taker_fee": 3, "integrator_maker_fee": 2},
        ),
        ("sign_cancel_order", (0, 123), {}),
        ("sign_cancel_order", (2, (3 << 48) + 5), {"skip_nonce": 1}),
        ("sign_cancel_all_orders", (0, 0), {}),
        ("sign_cancel_all_orders", (0, 0), {"cancel_all_market_index": 0}),
        ("sign_cancel_all_orders", (0, 0), {"cancel_all_market_index": 1, "skip_nonce": 1}),
        ("sign_cancel_all_orders", (1, 1_900_000_000_000), {}),
        ("sign_cancel_all_orders", (2, 0), {}),
        ("sign_modify_order", (0, 123, 1_000, 405_000), {}),
        ("sign_modify_order", (1, (2 << 48) + 5, 1, 7), {"order_version": 9, "skip_nonce": 1}),
        ("sign_modify_order", (0, 123, 1_000, 405_000), {"self_trade_behavior_mode": 3}),
        ("sign_update_leverage", (0, 500, 0), {}),
        ("sign_update_leverage", (1, 200, 1), {"skip_nonce": 1}),
        ("sign_create_grouped_orders", (1, [PARENT, CHILD]), {}),
        ("sign_create_grouped_orders", (2, [CHILD, TAKE]), {"skip_nonce": 1}),
        ("sign_create_grouped_orders", (3, [PARENT, CHILD, TAKE]), {}),
    ],
)
async def test_equal_to_the_signer(
    method: str, args: tuple[Any, ...], extra: dict[str, int]
) -> None:
    """For every transaction type, with and without attributes, the hash is the signer's."""
    tx_type, text, digest, _ = await sign(method, *args, **extra)
    assert tx_hash(304, tx_type, json.loads(text)) == digest


async def test_chain_id_is_part_of_the_hash() -> None:
    """Another chain id gives another hash, again the signer's."""
    tx_type, text, digest, _ = await sign("sign_cancel_order", 0, 1, chain_id=300)
    assert tx_hash(300, tx_type, json.loads(text)) == digest
    assert tx_hash(304, tx_type, json.loads(text)) != digest


def test_signature_is_not_part_of_the_hash() -> None:
    """Signing again changes the signature, not the hash."""
    info = {"Nonce": 1, "ExpiredAt": 2, "AccountIndex": 3, "ApiKeyIndex": 4}
    info |= {"MarketIndex": 0, "Index": 9}
    assert tx_hash(304, 15, info | {"Sig": "a"}) == tx_hash(304, 15, info | {"Sig": "b"})


def test_permutation_is_within_the_field() -> None:
    """Outputs are canonical field elements, also for inputs at the modulus."""
    modulus = 0xFFFFFFFF00000001
    assert permute([0] * 12) == permute([modulus] * 12)
    assert all(0 <= lane < modulus for lane in permute(list(range(12))))
    assert len(hash_elements(range(20))) == 5


def test_unknown_type_and_missing_field() -> None:
    """A type without a field list, or a missing field, is a KeyError."""
    with pytest.raises(KeyError):
        tx_hash(304, 99, {})
    with pytest.raises(KeyError):
        tx_hash(304, 15, {"Nonce": 1})
