"""Strict reading: what is refused, why, and that signatures bind every field."""

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.wire.codec import (
    MAX_TEXT,
    Fields,
    MessageRefusedError,
    RefusalCause,
    Seal,
    average_price_micros,
    dump,
    parse_object,
    price_text,
)

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)


def fields(**values: object) -> Fields:
    return Fields.parse(json.dumps(values), SPEC)


def cause_of(call: object) -> RefusalCause:
    assert callable(call)
    with pytest.raises(MessageRefusedError) as refused:
        call()
    assert refused.value.detail
    return refused.value.cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", RefusalCause.NOT_JSON),
        ("hello", RefusalCause.NOT_JSON),
        ('{"a": }', RefusalCause.NOT_JSON),
        ('{"a": 1} trailing', RefusalCause.NOT_JSON),
        ("[" * 1_001, RefusalCause.NOT_JSON),
        ('{"a":' * 1_001, RefusalCause.NOT_JSON),
        ("[" * 60_000, RefusalCause.NOT_JSON),
        ('{"a": ' + "9" * 5000 + "}", RefusalCause.NOT_JSON),
        ('{"a": 1.0e9999999999999999999999}', RefusalCause.NOT_JSON),
        (" " * (MAX_TEXT + 1), RefusalCause.NOT_JSON),
        ("[]", RefusalCause.NOT_OBJECT),
        ("null", RefusalCause.NOT_OBJECT),
        ('"text"', RefusalCause.NOT_OBJECT),
        ("7", RefusalCause.NOT_OBJECT),
        ('{"a": NaN}', RefusalCause.NON_FINITE),
        ('{"a": -Infinity}', RefusalCause.NON_FINITE),
    ],
)
def test_what_is_no_object_of_json_is_refused(text: str, cause: RefusalCause) -> None:
    """Text that is not one JSON object is refused with its cause, whatever its size or depth."""
    assert cause_of(lambda: parse_object(text)) is cause


def test_the_last_of_two_equal_keys_counts() -> None:
    """A key given twice is no error; the last value counts, as everywhere in JSON."""
    assert parse_object('{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (None, RefusalCause.MISSING_FIELD),
        (True, RefusalCause.WRONG_TYPE),
        ([], RefusalCause.WRONG_TYPE),
        ({}, RefusalCause.WRONG_TYPE),
        ("", RefusalCause.WRONG_TYPE),
        ("1,5", RefusalCause.WRONG_TYPE),
        (" 1", RefusalCause.WRONG_TYPE),
        ("1_000", RefusalCause.WRONG_TYPE),
        ("\u0661", RefusalCause.WRONG_TYPE),
        ("0x10", RefusalCause.WRONG_TYPE),
        ("one", RefusalCause.WRONG_TYPE),
        ("nan", RefusalCause.NON_FINITE),
        ("-Infinity", RefusalCause.NON_FINITE),
        ("0.00001", RefusalCause.NOT_WHOLE_LOTS),
        ("1" * 40, RefusalCause.NOT_WHOLE_LOTS),
        ("1e500", RefusalCause.NOT_WHOLE_LOTS),
        ("1e-27", RefusalCause.NOT_WHOLE_LOTS),
        ("1.00000000000000000000000000000000001", RefusalCause.NOT_WHOLE_LOTS),
        (10**40, RefusalCause.NOT_WHOLE_LOTS),
    ],
)
def test_an_amount_that_is_none_is_refused(value: object, cause: RefusalCause) -> None:
    """Whatever is not an exact, finite decimal of whole lots is refused with its cause."""
    assert cause_of(lambda: fields(amount=value).lots("amount")) is cause


@pytest.mark.parametrize("text", ['"0.0100"', '"1e-2"', "0.01", "1e-2", '"+0.01"', "0.010000"])
def test_an_amount_may_be_written_as_text_or_number(text: str) -> None:
    """A hundredth is exactly a hundred lots of a ten-thousandth, however it is written."""
    assert Fields.parse(f'{{"amount": {text}}}', SPEC).lots("amount") == 100


@pytest.mark.parametrize("text", ['"-3"', "-3", "-3.0"])
def test_a_position_may_be_negative(text: str) -> None:
    """A signed amount keeps its sign."""
    assert Fields.parse(f'{{"amount": {text}}}', SPEC).position_lots("amount", 30_000) == -30_000


def test_limits_of_fills_and_positions() -> None:
    """A fill is more than zero and within its limit, a position within its own on each side."""
    assert fields(a="0.0100").fill_lots("a", 100) == 100
    assert cause_of(lambda: fields(a="0").fill_lots("a", 100)) is RefusalCause.NEGATIVE_AMOUNT
    assert cause_of(lambda: fields(a="-1").fill_lots("a", None)) is RefusalCause.NEGATIVE_AMOUNT
    assert cause_of(lambda: fields(a="0.0101").fill_lots("a", 100)) is RefusalCause.TOO_LARGE
    limit = RefusalCause.POSITION_LIMIT
    assert cause_of(lambda: fields(a="-0.0101").position_lots("a", 100)) is limit
    assert fields(a="-500").position_lots("a", None) == -5_000_000


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (None, RefusalCause.MISSING_FIELD),
        ("1", RefusalCause.WRONG_TYPE),
        (1.5, RefusalCause.WRONG_TYPE),
        (True, RefusalCause.WRONG_TYPE),
        (-1, RefusalCause.WRONG_TYPE),
        (2**63, RefusalCause.WRONG_TYPE),
    ],
)
def test_a_whole_number_is_read_strictly(value: object, cause: RefusalCause) -> None:
    """A whole number is an int of 0 .. 2^63 - 1, never a bool, a text or a fraction."""
    assert cause_of(lambda: fields(n=value).integer("n")) is cause
    assert fields(n=2**63 - 1).integer("n") == 2**63 - 1


def test_what_is_missing_is_not_there() -> None:
    """A missing field and null are the same: not there; a zero is there."""
    assert not fields(n=None).has("n")
    assert not fields().has("n")
    assert fields(n=0).has("n")
    assert fields(n=None).stamps("n") == ()
    assert fields(s={"k": 1}).stamps("s") == (("k", 1),)


def test_a_hint_of_another_type_is_no_hint() -> None:
    """What no decision needs is None where it is of another type, never a refusal."""
    assert fields(n="x").hint("n", str) == "x"
    assert fields(n=5).hint("n", str) is None
    assert fields(n=True).hint("n", int) is None
    assert fields().hint("n", int) is None


def test_other_types_are_read_strictly() -> None:
    """Text, flags, sides, instances and lists refuse every other type."""
    bad = fields(text=1, flag=1, side="BUY", instance="XYZ", names=["a", 1], ids=[1, "2"], s=[])
    wrong = RefusalCause.WRONG_TYPE
    assert cause_of(lambda: bad.text("text")) is wrong
    assert cause_of(lambda: bad.flag("flag")) is wrong
    assert cause_of(lambda: bad.side("side")) is wrong
    assert cause_of(lambda: bad.instance("instance")) is wrong
    assert cause_of(lambda: bad.texts("names")) is wrong
    assert cause_of(lambda: bad.integers("ids")) is wrong
    assert cause_of(lambda: bad.integers("text")) is wrong
    assert cause_of(lambda: bad.stamps("s")) is wrong
    good = fields(text="", flag=False, side="sell", names=["a"], ids=[0, 7])
    assert good.text("text") == ""
    assert good.flag("flag") is False
    assert good.side("side") is Side.SELL
    assert good.texts("names") == ("a",)
    assert good.integers("ids") == (0, 7)


def test_money_is_rounded_to_micros_but_never_negative() -> None:
    """An average with an endless fraction is read to the nearest micro."""
    assert fields(q="3000.3333333333").micros("q") == 3_000_333_333
    assert fields(q="0.0000005").micros("q") == 0
    assert cause_of(lambda: fields(q="-0.01").micros("q")) is RefusalCause.NEGATIVE_AMOUNT


@pytest.mark.parametrize("version", [None, 0, 1, 3, "1", True, 1.0])
def test_only_our_version_is_known(version: object) -> None:
    """A version that is not the number 2 is refused."""
    unknown = RefusalCause.UNKNOWN_VERSION
    assert cause_of(lambda: fields(v=version).check_version()) is unknown


def test_other_pairs_are_told_apart_from_faults() -> None:
    """Another account or market is not ours and no fault; another chain is a fault."""
    other = fields(account_index=8, market_index=1, chain_id=300)
    assert cause_of(lambda: other.account("account_index", 7)) is RefusalCause.OTHER_ACCOUNT
    assert other.account("account_index", None) == 8
    assert cause_of(lambda: other.market("market_index")) is RefusalCause.OTHER_MARKET
    assert cause_of(lambda: other.chain("chain_id", 304)) is RefusalCause.WRONG_CHAIN
    assert not RefusalCause.OTHER_ACCOUNT.is_fault
    assert not RefusalCause.OTHER_MARKET.is_fault
    assert RefusalCause.WRONG_CHAIN.is_fault


def test_a_signature_binds_every_field() -> None:
    """A changed, added or removed field breaks the signature; key order and spaces do not."""
    seal = Seal(b"shared", {"@name": "a name"})
    text = dump({"b": "x", "a": 1, "n": None}, seal)
    signed = json.loads(text)
    Fields(signed, SPEC).check_signature(seal)
    Fields(dict(reversed(signed.items())), SPEC).check_signature(seal)
    bad = RefusalCause.BAD_SIGNATURE
    for change in ({"a": 2}, {"c": 1}, {"sig": ""}, {"sig": None}, {"sig": 5}, {"sig": "é\ud800"}):
        changed = Fields({**signed, **change}, SPEC)
        assert cause_of(lambda c=changed: c.check_signature(seal)) is bad  # type: ignore[misc]
    removed = {key: value for key, value in signed.items() if key != "b"}
    assert cause_of(lambda: Fields(removed, SPEC).check_signature(seal)) is bad
    assert cause_of(lambda: Fields(signed, SPEC).check_signature(Seal(b"other", seal.place))) is bad
    Fields(removed, SPEC).check_signature(None)


def test_a_signature_of_numbers_with_a_fraction() -> None:
    """A fraction is signed as its text, so that reading it exactly does not break the signature."""
    seal = Seal(b"shared", {"@name": "a name"})
    text = f'{{"a": 0.010, "sig": "{seal.sign({"a": Decimal("0.010")})}"}}'
    Fields.parse(text, SPEC).check_signature(seal)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(3_012_000_000, "3012.00"), (3_012_345_678, "3012.345678"), (0, "0.00"), (10_000, "0.01")],
)
def test_a_price_is_written_with_the_markets_decimals(micros: int, text: str) -> None:
    """A price of whole ticks has the market's decimals, an average has six."""
    assert price_text(micros, SPEC) == text


def test_a_price_finer_than_a_micro_is_written_in_micros() -> None:
    """A market with more than six price decimals falls back to six."""
    fine = MarketSpec(1, "X", 0, 8, 0, 0)
    assert price_text(1_500_000, fine) == "1.500000"


@given(st.integers(1, 10**9), st.integers(0, 10**15))
def test_the_average_price_is_the_nearest_micro(lots: int, quote: int) -> None:
    """Average times size is the quote amount, up to half a micro of price."""
    average = average_price_micros(lots, quote, SPEC)
    assert abs(average * lots - quote * 10**4) * 2 <= lots


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is an object or refused; nothing else is ever raised."""
    with contextlib.suppress(MessageRefusedError):
        assert isinstance(parse_object(text), dict)
