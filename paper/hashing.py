"""Transaction hashes as the exchange computes them: Poseidon2 over the Goldilocks field.

`tx_hash` takes the parsed JSON of a signed transaction and returns the 80 hex digits that the
official signer returns for it. Signatures are not part of the hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paper.poseidon2 import (
    EXTERNAL_CONSTANTS,
    INTERNAL_CONSTANTS,
    INTERNAL_DIAGONAL,
    MODULUS,
    RATE,
    WIDTH,
)

_HEAD = ("Nonce", "ExpiredAt", "AccountIndex", "ApiKeyIndex")
HASHED_FIELDS: dict[int, tuple[str, ...]] = {
    14: (
        "MarketIndex",
        "ClientOrderIndex",
        "BaseAmount",
        "Price",
        "IsAsk",
        "Type",
        "TimeInForce",
        "ReduceOnly",
        "TriggerPrice",
        "OrderExpiry",
    ),
    15: ("MarketIndex", "Index"),
    16: ("TimeInForce", "Time"),
    17: ("MarketIndex", "Index", "BaseAmount", "Price", "TriggerPrice"),
    20: ("MarketIndex", "InitialMarginFraction", "MarginMode"),
    28: ("GroupingType",),
}
"""Fields hashed after the common head, by transaction type, in order; 28 adds its orders."""

ATTRIBUTE_NIL: dict[int, int] = {5: 255}
"""Attribute values that mean "absent"; 0 for all other keys."""

_ATTRIBUTE_SLOTS = 4
_GROUPED = 28
_DIGEST_LANES = 4
_FIRST, _LAST = EXTERNAL_CONSTANTS[:4], EXTERNAL_CONSTANTS[4:]


def _external_layer(s: list[int]) -> list[int]:
    """Multiply by the block matrix: circ(2,3,1,1) per four lanes, then add the column sums."""
    out: list[int] = []
    for i in (0, 4, 8):
        a, b, c, d = s[i : i + 4]
        t = a + b + c + d
        out += (t + a + 2 * b, t + b + 2 * c, t + c + 2 * d, t + d + 2 * a)
    s0 = out[0] + out[4] + out[8]
    s1 = out[1] + out[5] + out[9]
    s2 = out[2] + out[6] + out[10]
    s3 = out[3] + out[7] + out[11]
    sums = (s0, s1, s2, s3) * 3
    return [x + y for x, y in zip(out, sums, strict=True)]


def _full_rounds(s: list[int], constants: Sequence[Sequence[int]]) -> list[int]:
    """Add constants, raise every lane to the 7th power, mix."""
    p = MODULUS
    for row in constants:
        sums = [x + constant for x, constant in zip(s, row, strict=True)]
        s = _external_layer([(cube := y * y * y % p) * cube * y % p for y in sums])
    return s


def _partial_rounds(state: list[int]) -> list[int]:
    """Raise lane 0 alone to the 7th power, mix by the diagonal; unrolled for speed."""
    p = MODULUS
    d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, da, db = INTERNAL_DIAGONAL
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, aa, ab = state
    for constant in INTERNAL_CONSTANTS:
        y = (a0 + constant) % p
        cube = y * y * y % p
        a0 = cube * cube * y % p
        t = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + aa + ab
        a0 = (a0 * d0 + t) % p
        a1 = (a1 * d1 + t) % p
        a2 = (a2 * d2 + t) % p
        a3 = (a3 * d3 + t) % p
        a4 = (a4 * d4 + t) % p
        a5 = (a5 * d5 + t) % p
        a6 = (a6 * d6 + t) % p
        a7 = (a7 * d7 + t) % p
        a8 = (a8 * d8 + t) % p
        a9 = (a9 * d9 + t) % p
        aa = (aa * da + t) % p
        ab = (ab * db + t) % p
    return [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, aa, ab]


def permute(state: Sequence[int]) -> list[int]:
    """Return the Poseidon2 permutation of twelve field elements."""
    s = _partial_rounds(_full_rounds(_external_layer(list(state)), _FIRST))
    return [x % MODULUS for x in _full_rounds(s, _LAST)]


def hash_elements(elements: Iterable[int]) -> list[int]:
    """Absorb field elements (overwriting the rate lanes), return the first five lanes."""
    values = [x % MODULUS for x in elements]
    state = [0] * WIDTH
    for start in range(0, len(values), RATE):
        chunk = values[start : start + RATE]
        state[: len(chunk)] = chunk
        state = permute(state)
    return state[:5]


def to_hex(lanes: Iterable[int]) -> str:
    """Return lanes as hex, eight bytes each, little-endian."""
    return b"".join(lane.to_bytes(8, "little") for lane in lanes).hex()


def attributes_of(info: Mapping[str, Any]) -> dict[int, int]:
    """Return the attributes of a transaction that carry a value, by number, sorted."""
    raw = info.get("L2TxAttributes") or {}
    pairs = sorted((int(key), int(value)) for key, value in raw.items())
    return {key: value for key, value in pairs if value != ATTRIBUTE_NIL.get(key, 0)}


def _orders_hash(orders: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return four lanes for the orders of a group: the hash of each, folded from the left."""
    folded: list[int] = []
    for order in orders:
        lanes = hash_elements(int(order[name]) for name in HASHED_FIELDS[14])[:_DIGEST_LANES]
        folded = hash_elements(folded + lanes)[:_DIGEST_LANES] if folded else lanes
    return folded


def tx_hash(chain_id: int, tx_type: int, info: Mapping[str, Any]) -> str:
    """Return the hash of a parsed transaction, 80 hex digits.

    Raise KeyError for a type without a field list or a missing field.
    """
    names = _HEAD + HASHED_FIELDS[tx_type]
    elements = [chain_id, tx_type, *(int(info[name]) for name in names)]
    if tx_type == _GROUPED:
        elements += _orders_hash(info["Orders"])
    lanes = hash_elements(elements)
    attributes = attributes_of(info)
    if attributes:
        flat = [number for pair in attributes.items() for number in pair]
        flat += [0] * (2 * _ATTRIBUTE_SLOTS - len(flat))
        lanes = hash_elements(lanes + hash_elements(flat))
    return to_hex(lanes)
