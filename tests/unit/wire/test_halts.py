"""Halts and releases as sets: whatever copies are joined, in whatever order, the union is right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.wire.codec import MessageRefusedError, Seal, WireLimits
from hedge.wire.control import UNREADABLE_HALT, Halt, Halts, parse_halts, unreadable

SEAL = Seal.of_pair(b"a secret", "", "hedge:halt", chain=0, a=1, b=2, market=0)


def halt(id_: str, side: str = "a") -> Halt:
    return Halt(id=id_, side=side, reason="drift", detail="", timestamp=1)


IDS = st.sampled_from("abcde")
SETS = st.builds(
    Halts,
    halts=st.lists(IDS, unique=True).map(lambda ids: tuple(map(halt, ids))),
    released=st.lists(IDS, unique=True).map(tuple),
)


def known(sets: Halts) -> tuple[set[str], set[str]]:
    return {one.id for one in sets.in_force}, set(sets.released)


@given(SETS, SETS, SETS)
def test_the_union_does_not_depend_on_order_or_repetition(
    one: Halts, two: Halts, three: Halts
) -> None:
    """Copies arrive late, twice, and by other ways."""
    union = known(one.union(two, three))
    assert union == known(three.union(one).union(two, one, three))
    assert union[1] == {*one.released, *two.released, *three.released}
    halts = {h.id for sets in (one, two, three) for h in sets.halts}
    assert union[0] == halts - union[1]


@given(SETS, SETS)
def test_what_adds_to_another_changes_the_union(one: Halts, two: Halts) -> None:
    """Nothing is written where nothing would change."""
    assert one.adds_to(two) == (known(two.union(one)) != known(two))


def test_nothing_joined_with_nothing_is_the_same_object() -> None:
    """Asked at every reading of Redis, and mostly there are no halts."""
    empty = Halts()
    assert empty.union(Halts(), Halts()) is empty
    assert empty.in_force == ()


def test_the_newest_releases_are_told_and_those_asked_for() -> None:
    """Sixty-four, and what the other side shows in force."""
    sets = Halts(released=tuple(f"h{number}" for number in range(66)))
    assert sets.told({"h1", "x"}) == ("h1", *sets.released[2:])


OLD = {"v": 1, "id": "h1", "side": "b", "reason": "drift", "detail": "", "timestamp": 1}


def test_a_halt_of_version_1_is_one_halt() -> None:
    """In force, or the record that it was resumed."""
    assert parse_halts(json.dumps(OLD)) == Halts(halts=(halt("h1", "b"),))
    assert parse_halts(json.dumps({**OLD, "resumed": 5})) == Halts(released=("h1",))


@pytest.mark.parametrize("changes", [{"v": 3}, {"id": 5}, {"side": None}])
def test_what_is_neither_is_refused(changes: dict[str, object]) -> None:
    """Another version, or a field of another type."""
    with pytest.raises(MessageRefusedError):
        parse_halts(json.dumps({**OLD, **changes}))


def test_a_signature_is_asked_of_both_versions() -> None:
    """With a secret an unsigned text is none of ours."""
    limits = WireLimits(chain_id=0, seal=SEAL)
    sets = Halts(halts=(halt("h1"),))
    assert parse_halts(sets.to_json(seal=SEAL), limits) == sets
    for text in (json.dumps(OLD), sets.to_json()):
        with pytest.raises(MessageRefusedError):
            parse_halts(text, limits)
    signed = {**OLD, "sig": Seal(b"a secret", {}).sign(OLD)}  # as version 1 signed it
    assert parse_halts(json.dumps(signed), limits).halts


def test_a_halt_stands_in_whatever_market_the_pair_trades() -> None:
    """A pair that is started in another market reads it still; another account's pair does not."""
    text = Halts(halts=(halt("h1"),)).to_json(seal=SEAL)
    other = Seal(SEAL.secret, {**SEAL.place, "@market": 7})
    assert parse_halts(text, WireLimits(chain_id=0, seal=other)).halts
    for word, value in (("@a", 7), ("@chain", 7), ("@name", "x"), ("@pair", "x")):
        stranger = Seal(SEAL.secret, {**SEAL.place, word: value})
        with pytest.raises(MessageRefusedError):
            parse_halts(text, WireLimits(chain_id=0, seal=stranger))


def test_each_unreadable_text_is_a_halt_of_its_own() -> None:
    """The release of one speaks of that text, and of no later one."""
    (one,), (other,) = (unreadable(text, "x", "why").in_force for text in ("a", "b"))
    assert one.reason == UNREADABLE_HALT
    assert one.id != other.id
    assert unreadable("a", "y", "else").in_force[0].id == one.id
