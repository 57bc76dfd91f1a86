"""Client order indexes tell who signed an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core import ids

INSTANCES = st.from_regex(r"[0-9a-f]{12}", fullmatch=True)
SERIALS = st.integers(0, 2**32 - 1)


@given(INSTANCES, SERIALS)
def test_an_order_says_whose_it_is(instance: str, nonce: int) -> None:
    """The id of an order fits 48 bits, carries the pair's tag and its process, and is no marker."""
    cid = ids.order_id(instance, nonce)
    assert 0 < cid < 2**48
    assert ids.is_ours(cid)
    assert not ids.is_marker(cid)
    assert ids.instance_of(cid) == ids.instance_bits(instance)
    assert ids.serial_of(cid) == nonce


@given(INSTANCES, SERIALS)
def test_a_marker_is_ours_and_never_an_order(instance: str, serial: int) -> None:
    """A fence marker is told from every order, also from one with the same serial."""
    cid = ids.marker_id(instance, serial)
    assert ids.is_ours(cid)
    assert ids.is_marker(cid)
    assert ids.instance_of(cid) == ids.instance_bits(instance)
    assert cid != ids.order_id(instance, serial)


@given(INSTANCES, SERIALS, SERIALS)
def test_different_nonces_give_different_ids(instance: str, one: int, other: int) -> None:
    """Within a process the id is unique because the nonce is."""
    assert (ids.order_id(instance, one) == ids.order_id(instance, other)) is (one == other)


@pytest.mark.parametrize("cid", [0, 1, 2**32, 0xC << 44, 0xA << 48, (1 << 48) - 1])
def test_other_ids_are_foreign(cid: int) -> None:
    """An order without an id, or with an id of other software, is not the pair's."""
    assert not ids.is_ours(cid)
