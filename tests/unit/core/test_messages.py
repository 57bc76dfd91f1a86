"""The kinds on the wire: round trips, the refusal table, and messages published by hand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.wire.codec import MessageRefusedError, RefusalCause, WireLimits
from hedge.wire.control import Command, Halt, Lease
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed, EventMessage
from hedge.wire.state import Ledger, Neutral, PositionState, Ready

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
CHAIN, ACCOUNT_A, ACCOUNT_B = 304, 280459, 280458
LIMITS = WireLimits(CHAIN, ACCOUNT_A, max_fill_lots=10_000, max_position_lots=50_000)
SECRET = b"a shared secret"

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
        "v": 1,
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
        ({"v": 2}, RefusalCause.UNKNOWN_VERSION),
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
        ({"v": 2}, RefusalCause.UNKNOWN_VERSION),
        ({"chain_id": 300}, RefusalCause.WRONG_CHAIN),
        ({"filled_base_amount": "2"}, RefusalCause.TOO_LARGE),
    ],
)
def test_by_hand_is_judged_by_what_it_says(change: dict[str, Any], cause: RefusalCause) -> None:
    """A version, a chain or an amount that is given must be right."""
    with pytest.raises(MessageRefusedError) as refused:
        read({**BY_HAND, **change})
    assert refused.value.cause is cause
    assert read({**BY_HAND, "v": 1, "chain_id": 304}).by_hand


def test_with_a_secret_nothing_unsigned_passes() -> None:
    """With a shared secret an unsigned message is refused, and a signed one is read."""
    limits = WireLimits(CHAIN, ACCOUNT_A, secret=SECRET)
    for unsigned in (WIRE, BY_HAND):
        with pytest.raises(MessageRefusedError) as refused:
            read(unsigned, limits)
        assert refused.value.cause is RefusalCause.BAD_SIGNATURE
    assert AFilled.from_json(A_FILLED.to_json(SPEC, SECRET), SPEC, limits) == A_FILLED


@given(
    order=COUNTS,
    lots=st.integers(1, 10**12),
    micros=st.integers(0, 10**18),
    side=st.sampled_from(Side),
    instance=INSTANCES,
    seq=COUNTS,
    position=LOTS,
    stamps=st.tuples(st.none() | COUNTS, st.none() | COUNTS),
    secret=SECRETS,
)
def test_a_filled_round_trip(  # noqa: PLR0917
    order: int,
    lots: int,
    micros: int,
    side: Side,
    instance: str,
    seq: int,
    position: int,
    stamps: tuple[int | None, int | None],
    secret: bytes | None,
) -> None:
    """Whatever A writes is read back equal."""
    message = AFilled(
        account_index=ACCOUNT_A,
        market_index=0,
        order_index=order,
        filled_lots=lots,
        quote_micros=micros,
        avg_price_micros=micros,
        timestamp=seq,
        side=side,
        instance=instance,
        seq=seq,
        position_lots=position,
        chain_id=CHAIN,
        trade_id=order,
        client_order_index=seq,
        frame_ns=stamps[0],
        published_ns=stamps[1],
    )
    limits = WireLimits(CHAIN, ACCOUNT_A, secret=secret)
    assert AFilled.from_json(message.to_json(SPEC, secret), SPEC, limits) == message


def test_a_hand_made_message_round_trip() -> None:
    """A message without an instance is written without our fields."""
    message = read(BY_HAND)
    written = json.loads(message.to_json(SPEC))
    assert set(written) == set(BY_HAND)
    assert read(written) == message


@given(
    lots=st.integers(1, 10**12),
    micros=st.integers(0, 10**18),
    ids=st.lists(COUNTS, max_size=4),
    a_seq=st.none() | COUNTS,
    owed=st.none() | LOTS,
    latency=st.none() | COUNTS,
    stamps=st.dictionaries(st.text(min_size=1, max_size=9), COUNTS, max_size=4),
    secret=SECRETS,
)
def test_b_filled_round_trip(
    lots: int,
    micros: int,
    ids: list[int],
    a_seq: int | None,
    owed: int | None,
    latency: int | None,
    stamps: dict[str, int],
    secret: bytes | None,
) -> None:
    """Whatever B writes of a hedge is read back equal."""
    message = BFilled(
        account_index=ACCOUNT_B,
        market_index=0,
        order_index=1,
        filled_lots=lots,
        quote_micros=micros,
        timestamp=2,
        side=Side.SELL,
        client_order_index=3,
        trade_ids=tuple(ids),
        a_seq=a_seq,
        owed_lots=owed,
        attempt=1,
        latency_ms=latency,
        chain_id=CHAIN,
        stamps=tuple(stamps.items()),
    )
    limits = WireLimits(CHAIN, ACCOUNT_B, secret=secret)
    assert BFilled.from_json(message.to_json(SPEC, secret), SPEC, limits) == message


@given(reason=WORDS, detail=WORDS, owed=st.none() | LOTS, seq=st.none() | COUNTS, secret=SECRETS)
def test_failure_and_event_round_trip(
    reason: str, detail: str, owed: int | None, seq: int | None, secret: bytes | None
) -> None:
    """Failures and events are read back equal, whatever their texts."""
    limits = WireLimits(CHAIN, ACCOUNT_B, secret=secret)
    failure = BHedgeFailed(
        account_index=ACCOUNT_B,
        market_index=0,
        reason=reason,
        detail=detail,
        attempts=3,
        owed_lots=owed,
        a_seq=seq,
        timestamp=1,
        chain_id=CHAIN,
    )
    assert BHedgeFailed.from_json(failure.to_json(SPEC, secret), SPEC, limits) == failure
    event = EventMessage(
        side="b", event="state", state=reason, reason=reason, detail=detail, timestamp=1
    )
    assert EventMessage.from_json(event.to_json(secret), SPEC, limits) == event


@given(instance=INSTANCES, seq=COUNTS, lots=LOTS, trades=st.tuples(COUNTS, COUNTS), secret=SECRETS)
def test_positions_and_neutral_round_trip(
    instance: str, seq: int, lots: int, trades: tuple[int, int], secret: bytes | None
) -> None:
    """Positions and the neutral moment are read back equal."""
    limits = WireLimits(CHAIN, ACCOUNT_A, secret=secret)
    position = PositionState(
        chain_id=CHAIN,
        account_index=ACCOUNT_A,
        market_index=0,
        instance=instance,
        seq=seq,
        position_lots=lots,
        floor_trade_id=trades[0],
        last_trade_id=trades[1],
        timestamp=1,
    )
    assert PositionState.from_json(position.to_json(SPEC, secret), SPEC, limits) == position
    neutral = Neutral(
        chain_id=CHAIN,
        a_account_index=ACCOUNT_A,
        b_account_index=ACCOUNT_B,
        market_index=0,
        a_position_lots=lots,
        b_position_lots=-lots,
        a_trade_id=trades[0],
        b_trade_id=trades[1],
        timestamp=1,
    )
    assert Neutral.from_json(neutral.to_json(SPEC, secret), SPEC, limits, ACCOUNT_B) == neutral


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


@pytest.mark.parametrize(
    "value",
    [
        ledger(),
        ledger(a_instance=None, a_seq=None, a_position_lots=None, owed_lots=None),
        ledger(failed="max_retries_exceeded", inflight=False, reasons=()),
    ],
)
def test_ledger_round_trip(value: Ledger) -> None:
    """A ledger is read back equal, also one that answers nothing."""
    limits = WireLimits(CHAIN, ACCOUNT_B)
    assert Ledger.from_json(value.to_json(SPEC), SPEC, limits) == value


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


def test_ready_round_trip_and_disagreements() -> None:
    """Heartbeats are read back equal and name in words where two configurations differ."""
    limits = WireLimits(CHAIN, ACCOUNT_B)
    assert Ready.from_json(READY.to_json(SPEC), SPEC, limits) == READY
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


@pytest.mark.parametrize(
    "halt",
    [
        Halt(id="h1", side="a", reason="drift", detail="x", timestamp=1),
        Halt(
            id="h1",
            side="a",
            reason="drift",
            detail="x",
            timestamp=1,
            resumed=2,
            forced=True,
            note="checked",
        ),
    ],
)
def test_halt_round_trip(halt: Halt) -> None:
    """A halt and the record of its resumption are read back equal; only the first is active."""
    limits = WireLimits(CHAIN, secret=SECRET)
    assert Halt.from_json(halt.to_json(SECRET), SPEC, limits) == halt
    assert halt.is_active is (halt.resumed is None)


def test_lease_and_command_round_trip() -> None:
    """Leases and commands are read back equal; a lease of other types is refused."""
    lease = Lease(instance="ab", host="cd")
    assert Lease.from_json(lease.to_json()) == lease
    with pytest.raises(MessageRefusedError):
        Lease.from_json('{"instance": 1, "host": "x"}')
    for side in (None, "a"):
        command = Command(id="c1", command="flatten", side=side, timestamp=1)
        assert Command.from_json(command.to_json(), SPEC, WireLimits(CHAIN)) == command
