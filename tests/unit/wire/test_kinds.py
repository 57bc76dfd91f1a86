"""Every kind of message and value, by its declaration: round trips, refusals, tables."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.core.freshness import BeatId
from hedge.wire import record
from hedge.wire.codec import VERSION, MessageRefusedError, RefusalCause, Seal, WireLimits
from hedge.wire.control import Halt
from hedge.wire.envelope import Envelope
from hedge.wire.kinds import PLACES
from hedge.wire.record import Absent, Declared, Record, Sort, declared_fields
from hedge.wire.state import RestingOrder
from tools import wire_zh

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
CHAIN, ACCOUNT, OTHER = 304, 7, 8
LIMITS = WireLimits(CHAIN, ACCOUNT, OTHER)
SEAL = Seal.of_pair(b"a secret", "", "name", chain=CHAIN, a=ACCOUNT, b=OTHER, market=0)
RESTING = RestingOrder(
    client_order_index=5, side=Side.BUY, price_micros=5, remaining_lots=5, ends_at=5
)
HALT = Halt(id="x", side="a", reason="x", detail="x", timestamp=5)
PLAIN: tuple[type[Record], ...] = (RestingOrder, Halt)
"""The kinds that stand inside others."""

KINDS = [place.kind for place in PLACES]
COUNTS = st.integers(0, 2**63 - 1)
LOTS = st.integers(-(10**12), 10**12)
TEXTS = st.text(max_size=12)
VALUES: list[tuple[Sort, st.SearchStrategy[Any]]] = [
    *((sort, COUNTS) for sort in (record.COUNT, record.INDEX, record.TRADE_ID)),
    *((sort, COUNTS) for sort in (record.EPOCH_S, record.MONO_NS, record.MS)),
    (record.TEXT, TEXTS),
    (record.INSTANCE, st.from_regex(r"[0-9a-f]{1,32}", fullmatch=True)),
    (record.FLAG, st.booleans()),
    (record.SIDE, st.sampled_from(Side)),
    (record.TEXTS, st.lists(TEXTS, max_size=3).map(tuple)),
    *(
        (sort, st.lists(COUNTS, max_size=3).map(tuple))
        for sort in (record.TRADE_IDS, record.INDEXES)
    ),
    (record.SECONDS, COUNTS),
    (record.EPOCH, st.from_regex(r"[0-9a-f]{16}", fullmatch=True)),
    (
        record.OUTCOMES,
        st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda found: tuple(found.items())),
    ),
    (
        record.BEATS,
        st.dictionaries(
            st.sampled_from("ab"),
            st.builds(BeatId, st.from_regex(r"[0-9a-f]{16}", fullmatch=True), COUNTS),
        ).map(lambda found: tuple(sorted(found.items()))),
    ),
    *(
        (
            sort,
            st.dictionaries(st.text(min_size=1, max_size=9), COUNTS, max_size=3).map(
                lambda stamps: tuple(stamps.items())
            ),
        )
        for sort in (record.STAMPS, record.COUNTS)
    ),
    (record.AMOUNT, LOTS),
    (record.POSITION, LOTS),
    (record.BPS, LOTS),
    (record.FILL_AMOUNT, st.integers(1, 10**12)),
    (record.QUOTE, st.integers(0, 10**18)),
    (record.PRICE, st.integers(0, 10**18)),
    (record.ACCOUNT, st.just(ACCOUNT)),
    (record.OTHER_ACCOUNT, st.just(OTHER)),
    (record.MARKET, st.just(0)),
    (record.CHAIN, st.just(CHAIN)),
    (record.HINT_TEXT, TEXTS),
    (record.HINT_INDEX, COUNTS),
]


def strategy(sort: Sort) -> st.SearchStrategy[Any]:
    """Return values of a sort; a sort without any is a fault of this table."""
    for kind in PLAIN:
        if sort is record.records_of(kind):
            return st.lists(records(kind), max_size=3).map(tuple)
    return next(values for known, values in VALUES if known is sort)


def declared(kind: type[Record], attribute: str) -> Declared:
    return next(one for one in declared_fields(kind) if one.attribute == attribute)


def envelopes() -> st.SearchStrategy[Envelope]:
    """Return origins of a value of a daemon."""
    epochs = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
    beats = st.none() | st.builds(BeatId, epochs, COUNTS)
    return st.builds(Envelope, st.sampled_from(("", "night")), epochs, COUNTS, beats, beats)


@st.composite
def records(draw: st.DrawFn, kind: type[Record], *, whole: bool = False) -> Record:
    """Draw one value of a kind; `whole`: with every optional field."""
    drawn: dict[str, Any] = {}
    for one in sorted(declared_fields(kind), key=lambda one: bool(one.beside)):
        may_lack = one.absent is not Absent.NEVER and not one.beside and not whole
        lacks = one.beside and drawn[one.beside] is None
        if lacks or (may_lack and draw(st.booleans())):
            drawn[one.attribute] = one.default
        else:
            drawn[one.attribute] = draw(strategy(one.sort))
    by_hand = bool(kind.BY_DAEMON) and drawn[kind.BY_DAEMON] is None
    bears = kind.VERSIONED and not by_hand
    return kind(**drawn, envelope=draw(envelopes()) if bears else None)


def example(kind: type[Record]) -> dict[str, Any]:
    """Return one whole value of a kind as it stands on the wire."""
    fixed: dict[str, Any] = {}
    for one in declared_fields(kind):
        fixed[one.attribute] = next(
            value
            for sort, value in (
                (record.TEXT, "x"),
                (record.HINT_TEXT, "x"),
                (record.INSTANCE, "ab"),
                (record.FLAG, True),
                (record.SIDE, Side.BUY),
                (record.TEXTS, ("x",)),
                (record.TRADE_IDS, (5,)),
                (record.INDEXES, (5,)),
                (record.EPOCH, "0123456789abcdef"),
                (record.OUTCOMES, (("x", "x"),)),
                (record.records_of(RestingOrder), (RESTING,)),
                (record.records_of(Halt), (HALT,)),
                (record.BEATS, (("a", BeatId("0123456789abcdef", 5)),)),
                (record.STAMPS, (("x", 5),)),
                (record.COUNTS, (("x", 5),)),
                (record.ACCOUNT, ACCOUNT),
                (record.OTHER_ACCOUNT, OTHER),
                (record.MARKET, 0),
                (record.CHAIN, CHAIN),
                (one.sort, 5),
            )
            if sort is one.sort
        )
    origin = Envelope("", "0123456789abcdef", 5) if kind.VERSIONED else None
    found: dict[str, Any] = json.loads(kind(**fixed, envelope=origin).to_json(SPEC))
    return found


def read(kind: type[Record], values: dict[str, Any], limits: WireLimits = LIMITS) -> Record:
    return kind.from_json(json.dumps(values), SPEC, limits)


def cause_of(call: Callable[[], object]) -> RefusalCause:
    with pytest.raises(MessageRefusedError) as refused:
        call()
    return refused.value.cause


FIELDS = [(kind, one) for kind in KINDS for one in declared_fields(kind)]
EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
EACH_FIELD = pytest.mark.parametrize(
    ("kind", "one"), FIELDS, ids=[f"{kind.__name__}.{one.name}" for kind, one in FIELDS]
)


@EACH_KIND
@given(data=st.data())
def test_what_is_written_is_read_back_equal(kind: type[Record], data: st.DataObject) -> None:
    """Whatever of it may be missing, signed or not."""
    value = data.draw(records(kind))
    by_hand = bool(kind.BY_DAEMON) and value.envelope is None
    seal = data.draw(st.sampled_from((None, SEAL)))
    limits = WireLimits(CHAIN, ACCOUNT, OTHER, seal=seal)
    writer = seal.as_by_hand if seal and by_hand else seal
    found = kind.from_json(value.to_json(SPEC, writer), SPEC, limits)
    assert (found, found.envelope) == (value, value.envelope)


@EACH_FIELD
def test_a_wrong_value_of_a_field_is_refused(kind: type[Record], one: Declared) -> None:
    """Each JSON value that the field's sort calls wrong is refused, never read as something."""
    values = example(kind)
    assert one.name in values
    for wrong in one.sort.wrong:
        assert cause_of(lambda wrong=wrong: read(kind, {**values, one.name: wrong})).value, wrong


@EACH_FIELD
def test_a_missing_field_is_refused_unless_it_may_be_missing(
    kind: type[Record], one: Declared
) -> None:
    """Missing and null are one: refused, or the declared default; never zero by accident."""
    values = example(kind)
    for lacking in (
        {name: value for name, value in values.items() if name != one.name},
        {**values, one.name: None},
    ):
        may_lack = not one.is_optional or (bool(one.beside) and not one.lenient)
        if may_lack:
            assert cause_of(lambda lacking=lacking: read(kind, lacking)) in {
                RefusalCause.MISSING_FIELD,
                RefusalCause.WRONG_TYPE,  # of a lease
            }
        else:
            assert getattr(read(kind, lacking), one.attribute) == one.default


@EACH_KIND
def test_the_version_must_be_ours(kind: type[Record]) -> None:
    """Another version is refused before any content is judged; a lease bears none."""
    values = example(kind)
    assert ("v" in values) is kind.VERSIONED
    if not kind.VERSIONED:
        return
    for wrong in (VERSION + 1, VERSION - 1, str(VERSION), None, True, 1.0):
        changed = {**values, "v": wrong, "timestamp": "garbage"}
        assert cause_of(lambda changed=changed: read(kind, changed)) is (
            RefusalCause.UNKNOWN_VERSION
        )


@EACH_FIELD
def test_a_signature_binds_the_field(kind: type[Record], one: Declared) -> None:
    """With a secret, a value whose field was changed or taken out after the signing is refused."""
    limits = WireLimits(CHAIN, ACCOUNT, OTHER, seal=SEAL)
    signed = json.loads(read(kind, example(kind)).to_json(SPEC, SEAL))
    assert read(kind, signed, limits)
    without = {name: value for name, value in signed.items() if name != one.name}
    for changed in (without, {**signed, "extra": 1}, {**signed, one.name: None}):
        cause = cause_of(lambda changed=changed: read(kind, changed, limits))
        assert cause in {RefusalCause.BAD_SIGNATURE, RefusalCause.MISSING_FIELD}


@EACH_KIND
@given(data=st.data())
def test_a_damaged_text_is_refused_or_read_never_anything_else(
    kind: type[Record], data: st.DataObject
) -> None:
    """Bits that flip in a value raise MessageRefusedError and nothing else."""
    text = bytearray(json.dumps(example(kind)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(MessageRefusedError):
        assert kind.from_json(text.decode(errors="replace"), SPEC, LIMITS)


@EACH_KIND
def test_fields_that_nobody_declared_are_ignored(kind: type[Record]) -> None:
    """A newer program may say more."""
    values = example(kind)
    assert read(kind, {**values, "extra": {"x": [1]}}) == read(kind, values)


def test_every_meaning_has_its_chinese() -> None:
    """The Chinese table has every meaning, and no other."""
    inside = {one.meaning for kind in PLAIN for one in declared_fields(kind)}
    assert inside | {one.meaning for _, one in FIELDS} == set(wire_zh.MEANINGS)


def test_every_kind_has_one_place() -> None:
    """No kind stands twice in the list, and names are those of a pair without a name."""
    assert len(set(KINDS)) == len(KINDS)
    assert all(name.startswith("hedge:") for place in PLACES for name in place.names)
