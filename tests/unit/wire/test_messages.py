"""The kinds on the wire: round trips, the refusal table, and messages published by hand."""

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.core.freshness import BeatId
from hedge.wire.codec import MessageRefusedError, RefusalCause, Seal, WireLimits
from hedge.wire.control import Lease
from hedge.wire.envelope import Envelope
from hedge.wire.messages import AFilled
from hedge.wire.state import Ledger, Ready

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
CHAIN, ACCOUNT_A, ACCOUNT_B = 304, 280459, 280458
LIMITS = WireLimits(CHAIN, ACCOUNT_A, max_fill_lots=10_000, max_position_lots=50_000, pair="night")
SEAL = Seal.of_pair(b"a secret", "", "a name", chain=CHAIN, a=ACCOUNT_A, b=ACCOUNT_B, market=0)

COUNTS = st.integers(0, 2**63 - 1)
LOTS = st.integers(-(10**12), 10**12)
INSTANCES = st.from_regex(r"[0-9a-f]{12}", fullmatch=True)
WORDS = st.text(max_size=30)
SECRETS = st.none() | st.binary(min_size=1, max_size=40)

A_FILLED = AFilled(
    account_index=ACCOUNT_A,
    market_index=0,
    order_index=77,
    filled_lots=100,
    quote_micros=30_120_000,
    avg_price_micros=3_012_000_000,
    timestamp=1_790_000_000,
    side=Side.BUY,
    instance="00aa11bb22cc",
    seq=5,
    position_lots=-300,
    chain_id=CHAIN,
    trade_id=991,
    client_order_index=123,
    envelope=Envelope("night", "0123456789abcdef", 5, None, BeatId("fedcba9876543210", 42)),
)
WIRE: dict[str, Any] = json.loads(A_FILLED.to_json(SPEC))
BY_HAND = {
    "account_index": ACCOUNT_A,
    "market_index": 0,
    "order_index": 1,
    "filled_base_amount": "0.01",
    "filled_quote_amount": "30.12",
    "avg_price": "3012",
    "timestamp": 1_790_000_000,
    "side": "sell",
}


def read(values: dict[str, Any], limits: WireLimits = LIMITS) -> AFilled:
    return AFilled.from_json(json.dumps(values), SPEC, limits)


def test_the_fields_on_the_wire_are_the_documented_ones() -> None:
    """A's fill carries exactly the fields that the users' tools know, and ours."""
    assert WIRE == {
        "account_index": 280459,
        "market_index": 0,
        "order_index": 77,
        "filled_base_amount": "0.0100",
        "filled_quote_amount": "30.120000",
        "avg_price": "3012.00",
        "timestamp": 1_790_000_000,
        "side": "buy",
        "v": 2,
        "pair": "night",
        "epoch": "0123456789abcdef",
        "n": 5,
        "echo": {"b": ["fedcba9876543210", 42]},
        "trade_id": 991,
        "client_order_index": 123,
        "instance": "00aa11bb22cc",
        "seq": 5,
        "position_base_amount": "-0.0300",
        "chain_id": 304,
    }
    assert A_FILLED.signed_lots == 100
    assert not A_FILLED.by_hand


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"v": 1}, RefusalCause.UNKNOWN_VERSION),
        ({"epoch": "0123456789abcde"}, RefusalCause.WRONG_TYPE),
        ({"n": None}, RefusalCause.MISSING_FIELD),
        ({"n": -1}, RefusalCause.WRONG_TYPE),
        ({"echo": None}, RefusalCause.MISSING_FIELD),
        ({"echo": {"b": ["fedcba9876543210"]}}, RefusalCause.WRONG_TYPE),
        ({"echo": {"b": ["fedcba9876543210", "42"]}}, RefusalCause.WRONG_TYPE),
        ({"pair": "day"}, RefusalCause.OTHER_PAIR),
        ({"pair": None}, RefusalCause.MISSING_FIELD),
        ({"v": None}, RefusalCause.UNKNOWN_VERSION),
        ({"seq": None}, RefusalCause.MISSING_FIELD),
        ({"trade_id": None}, RefusalCause.MISSING_FIELD),
        ({"position_base_amount": None}, RefusalCause.MISSING_FIELD),
        ({"client_order_index": None}, RefusalCause.MISSING_FIELD),
        ({"chain_id": None}, RefusalCause.MISSING_FIELD),
        ({"side": None}, RefusalCause.MISSING_FIELD),
        ({"account_index": None}, RefusalCause.MISSING_FIELD),
        ({"side": "long"}, RefusalCause.WRONG_TYPE),
        ({"instance": "not hex"}, RefusalCause.WRONG_TYPE),
        ({"instance": 5}, RefusalCause.WRONG_TYPE),
        ({"seq": "5"}, RefusalCause.WRONG_TYPE),
        ({"filled_base_amount": True}, RefusalCause.WRONG_TYPE),
        ({"filled_base_amount": "inf"}, RefusalCause.NON_FINITE),
        ({"filled_base_amount": "-0.01"}, RefusalCause.NEGATIVE_AMOUNT),
        ({"filled_base_amount": "0"}, RefusalCause.NEGATIVE_AMOUNT),
        ({"filled_quote_amount": "-1"}, RefusalCause.NEGATIVE_AMOUNT),
        ({"filled_base_amount": "0.00015"}, RefusalCause.NOT_WHOLE_LOTS),
        ({"position_base_amount": "0.00015"}, RefusalCause.NOT_WHOLE_LOTS),
        ({"filled_base_amount": "1.0001"}, RefusalCause.TOO_LARGE),
        ({"position_base_amount": "5.0001"}, RefusalCause.POSITION_LIMIT),
        ({"position_base_amount": "-5.0001"}, RefusalCause.POSITION_LIMIT),
        ({"chain_id": 300}, RefusalCause.WRONG_CHAIN),
        ({"account_index": 5}, RefusalCause.OTHER_ACCOUNT),
        ({"market_index": 1}, RefusalCause.OTHER_MARKET),
    ],
)
def test_a_fill_that_is_wrong_in_one_field_is_refused(
    change: dict[str, Any], cause: RefusalCause
) -> None:
    """Each fault of a fill message has its own cause."""
    with pytest.raises(MessageRefusedError) as refused:
        read({**WIRE, **change})
    assert refused.value.cause is cause


def test_another_pairs_message_is_never_a_fault() -> None:
    """A message of another account is put aside before anything else in it is judged."""
    with pytest.raises(MessageRefusedError) as refused:
        read({"account_index": 5, "v": 99, "filled_base_amount": "garbage"})
    assert not refused.value.cause.is_fault


def test_extra_fields_are_ignored() -> None:
    """Fields that we do not know change nothing."""
    assert read({**WIRE, "extra": [1, {"x": None}], "note": "hello"}) == A_FILLED


def test_by_hand_needs_the_eight_fields_only() -> None:
    """Without an instance the eight fields are enough, and no state of A is taken from it."""
    found = read({**BY_HAND, "seq": 9, "position_base_amount": "7"})
    assert found.by_hand
    assert found.signed_lots == -100
    assert (found.instance, found.seq, found.position_lots, found.trade_id) == (None,) * 4


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_by_hand_needs_each_of_the_eight(name: str) -> None:
    """A hand-published message without one of the eight fields is refused."""
    with pytest.raises(MessageRefusedError) as refused:
        read({key: value for key, value in BY_HAND.items() if key != name})
    assert refused.value.cause is RefusalCause.MISSING_FIELD


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"v": 1}, RefusalCause.UNKNOWN_VERSION),
        ({"chain_id": 300}, RefusalCause.WRONG_CHAIN),
        ({"filled_base_amount": "2"}, RefusalCause.TOO_LARGE),
    ],
)
def test_by_hand_is_judged_by_what_it_says(change: dict[str, Any], cause: RefusalCause) -> None:
    """A version, a chain or an amount that is given must be right."""
    with pytest.raises(MessageRefusedError) as refused:
        read({**BY_HAND, **change})
    assert refused.value.cause is cause
    assert read({**BY_HAND, "v": 2, "chain_id": 304}).by_hand


def test_with_a_secret_nothing_unsigned_passes() -> None:
    """With a shared secret an unsigned message is refused, and a signed one is read."""
    limits = WireLimits(CHAIN, ACCOUNT_A, seal=SEAL)
    for unsigned in (WIRE, BY_HAND):
        with pytest.raises(MessageRefusedError) as refused:
            read(unsigned, limits)
        assert refused.value.cause is RefusalCause.BAD_SIGNATURE
    assert AFilled.from_json(A_FILLED.to_json(SPEC, SEAL), SPEC, limits) == A_FILLED


PLACE: dict[str, Any] = {"chain": CHAIN, "a": ACCOUNT_A, "b": ACCOUNT_B, "market": 0}


@pytest.mark.parametrize(
    "other",
    [
        Seal.of_pair(b"another secret", "", "a name", **PLACE),
        Seal.of_pair(b"a secret", "night", "a name", **PLACE),
        Seal.of_pair(b"a secret", "", "another name", **PLACE),
        *(Seal.of_pair(b"a secret", "", "a name", **{**PLACE, field: 7}) for field in PLACE),
        Seal.by_hand(b"a secret", "", "a name"),
        Seal(b"a secret", {}),
    ],
)
def test_what_was_signed_for_another_place_is_refused(other: Seal) -> None:
    """Another secret, pair, key, chain, account or market; or none named at all."""
    limits = WireLimits(CHAIN, ACCOUNT_A, seal=SEAL)
    with pytest.raises(MessageRefusedError) as refused:
        AFilled.from_json(A_FILLED.to_json(SPEC, other), SPEC, limits)
    assert refused.value.cause is RefusalCause.BAD_SIGNATURE


def test_a_place_cannot_be_written_into_the_value() -> None:
    """A field that is named like a part of the place does not stand for it."""
    place = dict(SEAL.place)
    written = {**WIRE, **place}
    written["sig"] = Seal(b"a secret", {"@name": "another name"}).sign(written)
    with pytest.raises(MessageRefusedError) as refused:
        read(written, WireLimits(CHAIN, ACCOUNT_A, seal=SEAL))
    assert refused.value.cause is RefusalCause.BAD_SIGNATURE


def test_what_a_person_signs_names_pair_and_channel_alone() -> None:
    """The users' scripts know neither chain nor accounts; a daemon's value needs all of them."""
    limits = WireLimits(CHAIN, ACCOUNT_A, seal=SEAL)
    person = Seal.by_hand(b"a secret", "", "a name")
    assert read({**BY_HAND, "sig": person.sign(BY_HAND)}, limits).by_hand
    for seal in (SEAL, Seal.by_hand(b"a secret", "", "b name")):
        with pytest.raises(MessageRefusedError):
            read({**BY_HAND, "sig": seal.sign(BY_HAND)}, limits)


def test_a_hand_made_message_round_trip() -> None:
    """A message without an instance is written without our fields."""
    message = read(BY_HAND)
    written = json.loads(message.to_json(SPEC))
    assert set(written) == set(BY_HAND)
    assert read(written) == message


def ledger(**changes: Any) -> Ledger:
    values: dict[str, Any] = {
        "chain_id": CHAIN,
        "account_index": ACCOUNT_B,
        "market_index": 0,
        "instance": "ab",
        "a_instance": "cd",
        "a_seq": 4,
        "a_position_lots": 100,
        "owed_lots": -100,
        "dust_lots": 0,
        "manual_lots": 0,
        "inflight": True,
        "failed": None,
        "reasons": ("order_in_flight",),
        "timestamp": 1,
    }
    return Ledger(**{**values, **changes})


def test_a_ledger_that_answers_must_answer_whole() -> None:
    """A ledger that names an instance of A but not what is owed is refused."""
    values = json.loads(ledger().to_json(SPEC))
    for name in ("a_seq", "a_position_base_amount", "owed_base_amount", "inflight"):
        with pytest.raises(MessageRefusedError):
            Ledger.from_json(json.dumps({**values, name: None}), SPEC, WireLimits(CHAIN, ACCOUNT_B))


READY = Ready(
    side="b",
    ready=False,
    reasons=("margin",),
    state="IDLE",
    instance="ab",
    can_hedge_lots=None,
    version="0.1",
    chain_id=CHAIN,
    a_account_index=ACCOUNT_A,
    b_account_index=ACCOUNT_B,
    market_index=0,
    offset_lots=0,
    timestamp=1,
)


def test_heartbeats_name_disagreements() -> None:
    """A heartbeat of another chain is read, and names in words where two configurations differ."""
    limits = WireLimits(CHAIN, ACCOUNT_B)
    assert READY.disagreements(READY) == ()
    values = json.loads(READY.to_json(SPEC))
    other = Ready.from_json(
        json.dumps({**values, "side": "a", "chain_id": 300, "offset_base_amount": "1"}),
        SPEC,
        limits,
    )
    assert READY.disagreements(other) == (
        "chain_id: side b has 304, side a has 300",
        "offset in lots: side b has 0, side a has 10000",
    )


def test_a_lease_says_whose_it_is() -> None:
    """A lease of other types is refused; what it says beside is a hint."""
    with pytest.raises(MessageRefusedError):
        Lease.from_json('{"instance": 1, "host": "x"}')
    odd = Lease.from_json('{"instance": "ab", "host": "x", "pair": 5, "market_index": "0"}')
    assert odd == Lease(instance="ab", host="x")
    assert odd.is_for("any", 7)
