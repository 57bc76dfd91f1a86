"""What Redis shows of a pair before its market is known: business, or none."""

import json

import pytest

from hedge.bus.remnants import business_of, elsewhere_of, named_by

OURS, OTHER = "aa", "bb"


def lease(host: str) -> str:
    return json.dumps({"instance": "cc", "host": host})


def position(amount: object) -> str:
    return json.dumps({"v": 1, "position_base_amount": amount})


def ledger(amount: object) -> str:
    return json.dumps({"v": 1, "owed_base_amount": amount})


def told(
    held: str | None = None, a: str | None = None, b: str | None = None, owed: str | None = None
) -> str:
    return business_of(held, {"A": a, "B": b}, owed, OURS)


def test_an_empty_redis_is_no_business() -> None:
    """Neither are positions and debts that are stated to be zero."""
    assert told() == ""
    assert told(a=position("0.0000"), b=position("0"), owed=ledger("0.0000")) == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"held": lease(OURS)}, "lease"),
        ({"held": "{"}, "cannot be read"),
        ({"a": position("0.0100")}, "A: 0.0100"),
        ({"b": position("-0.0100")}, "B: -0.0100"),
        ({"owed": ledger("-0.0001")}, "debt of B: -0.0001"),
        ({"owed": ledger(None)}, "unknown"),
        ({"a": "garbage"}, "unknown"),
        ({"a": "[]"}, "unknown"),
        ({"b": position("NaN")}, "B: NaN"),
        ({"a": "[" * 100_000}, "unknown"),
    ],
)
def test_what_is_on_record_is_business(values: dict[str, str], words: str) -> None:
    """What cannot be read is unknown, and unknown is not zero."""
    assert words in told(**values)


def test_another_host_that_leads_answers_for_all() -> None:
    """Its lease stands: what is open is hedged there."""
    assert told(held=lease(OTHER), a=position("0.0100"), owed=ledger("1")) == ""


def in_market(text: str, market: object) -> str:
    return json.dumps({**json.loads(text), "market_index": market})


def test_what_is_stated_of_other_markets_is_told_by_market() -> None:
    """Zero there, our own market, and values that name none are nothing."""
    own = in_market(position("0.01"), 1)
    assert elsewhere_of({"A": own, "B": None}, in_market(ledger("0"), 0), 1) == {}
    assert elsewhere_of({"A": position("0.01"), "B": "garbage"}, None, 1) == {}
    old = in_market(position("0.0100"), 0)
    assert elsewhere_of({"A": old}, None, 1) == {0: "Redis shows a position of A: 0.0100"}
    unknown = in_market(ledger(None), 0)
    assert elsewhere_of({}, unknown, 1) == {0: "Redis shows a debt of B: unknown"}


@pytest.mark.parametrize(
    ("left_by", "owed", "counts"),
    [("b0", None, False), ("b1", None, True), ("", None, True), ("b0", "0.01", True)],
)
def test_a_debt_that_a_run_did_not_know_when_it_left_is_none(
    left_by: str, owed: str | None, *, counts: bool
) -> None:
    """That of another run, and an amount, are to be answered for."""
    stored = json.dumps({**json.loads(in_market(ledger(owed), 0)), "instance": "b0"})
    assert bool(elsewhere_of({}, stored, 1, left_by)) is counts


def test_each_record_of_another_market_names_it() -> None:
    """Also one that states nothing open; what names no market, or ours, names none."""
    flat, own = in_market(position("0"), 0), in_market(ledger("1"), 1)
    unread = (position("1"), "garbage", None, in_market(ledger("0"), "NaN"))
    assert named_by((flat, own, *unread), 1) == {0}
    assert elsewhere_of({"A": in_market(position("1"), "NaN")}, None, 1) == {}
