"""Tests of parameter reading in the paper exchange."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper.apierror import ApiError
from paper.params import Body, Params, parse_integer, parse_integers


def refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except ApiError as error:
        return error.code == 20001
    return False


@pytest.mark.parametrize("text", ["", "x", "1.0", "1e3", "+1", " 1", "9" * 20, "9" * 5000, "٣"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    """Only plain decimal digits of at most 19 places are an integer."""
    assert parse_integer(text) is None


@given(st.integers(-(10**19) + 1, 10**19 - 1))
def test_integers_are_read_exactly(number: int) -> None:
    """An integer of up to 19 digits is read as itself."""
    assert parse_integer(str(number)) == number


def test_range_and_default() -> None:
    """A value outside its range is refused, an absent one takes its default."""
    params = Params({"a": "5", "b": "-1"})
    assert params.integer("a", high=5) == 5
    assert refused(lambda: params.integer("a", high=4))
    assert refused(lambda: params.integer("b"))
    assert params.integer("missing", 7) == 7
    assert refused(lambda: params.integer("missing"))
    assert params.optional("missing") is None
    assert params.optional("a") == 5


def test_text_choice_and_flag() -> None:
    """Text must be there, a choice must be known, a flag must be a boolean word."""
    params = Params({"by": "index", "yes": "TRUE", "no": "0", "odd": "maybe", "empty": ""})
    assert params.text("by") == "index"
    assert refused(lambda: params.text("empty"))
    assert params.choice("by", ("index",)) == "index"
    assert refused(lambda: params.choice("by", ("hash",)))
    assert params.flag("yes")
    assert not params.flag("no")
    assert params.flag("missing", default=True)
    assert refused(lambda: params.flag("odd"))


def test_integer_lists() -> None:
    """A list has at least one and at most the allowed number of integers."""
    assert parse_integers("1,2, 3", 3) == [1, 2, 3]
    for text in ("", "1,", "1,x", "1,2,3,4", "-1", "1.5"):
        assert refused(lambda text=text: parse_integers(text, 3)), text


def test_body_types() -> None:
    """JSON members of another type, and booleans for integers, are refused."""
    body = Body({"i": 5, "t": "x", "b": True, "n": None, "f": 1.5, "d": "-0.010", "e": "1e5"})
    assert body.integer("i") == 5
    assert body.optional("n") is None
    assert body.text("t") == "x"
    assert body.decimal("d") == Decimal("-0.010")
    assert body.decimal("i") == Decimal(5)
    for action in (
        lambda: body.integer("b"),
        lambda: body.integer("t"),
        lambda: body.integer("i", high=4),
        lambda: body.text("i"),
        lambda: body.decimal("f"),
        lambda: body.decimal("e"),
        lambda: body.decimal("b"),
        lambda: body.decimal("missing"),
        lambda: Body([]),
    ):
        assert refused(action)
