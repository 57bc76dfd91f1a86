"""The yardstick from the outside: it knows nothing of the program, and reads trades rightly."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest

import tests.outside
from tests.outside.exposure import naked, naked_throughout, positions
from tests.outside.words import claims_neutral

FOLDER = Path(tests.outside.__file__).parent
ALLOWED = ("tests.outside", "yaml", "redis", "aiohttp")
OWN = ("hedge", "paper", "bench", "tools", "account_", "main_", "hedgectl", "redis_messenger")
A, B = 1, 2


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_nothing_of_the_program_or_of_other_tests(path: Path) -> None:
    """Else it would believe what it is to judge."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their whole path"
            names.append(node.module or "")
    wrong = [name for name in names if name.startswith((*OWN, "tests"))]
    assert [name for name in wrong if not name.startswith(ALLOWED)] == []


def trade(seq: int, at_s: float, *, bid: int = 0, ask: int = 0, size: str = "0.0100") -> dict:
    return {
        "seq": seq,
        "mono_ns": int(at_s * 1e9),
        "market_id": 0,
        "size": size,
        "bid_account_id": bid,
        "ask_account_id": ask,
    }


def test_a_fill_is_naked_until_its_hedge() -> None:
    """Twice here: once hedged by two orders, once open at the look."""
    rows = [
        trade(1, 10, bid=A),
        trade(2, 11, ask=B, size="0.0040"),
        trade(3, 13, ask=B, size="0.0060"),
        trade(4, 20, ask=A, bid=7),
    ]
    first, last = naked(rows, (A, B), until_ns=25 * 10**9)
    assert (first.began_ns, first.length_s, first.size) == (10 * 10**9, 3, Decimal("0.0100"))
    assert (last.length_s, last.size, last.closed) == (5, Decimal("-0.0100"), False)
    assert positions(rows, A) == {}
    assert positions(rows, B) == {0: Decimal("-0.0100")}


def test_a_trade_between_the_two_opens_nothing() -> None:
    """And one of strangers neither."""
    assert naked([trade(1, 1, bid=A, ask=B), trade(2, 2, bid=8, ask=9)], (A, B), 10**10) == []


def test_an_offset_is_no_exposure() -> None:
    """A + B shall be the offset once the pair has traded."""
    rows = [trade(1, 10, bid=A), trade(2, 12, ask=B, size="0.0070")]
    (only,) = naked(rows, (A, B), 20 * 10**9, Decimal("0.0030"))
    assert (only.length_s, only.size, only.closed) == (2, Decimal("0.0070"), True)


def test_a_claim_is_false_only_where_the_pair_was_naked_all_the_time_before() -> None:
    """A word may rest on evidence of two seconds ago."""
    intervals = naked([trade(1, 10, bid=A), trade(2, 15, ask=B)], (A, B), 20 * 10**9)
    assert naked_throughout(intervals, 12 * 10**9, 14 * 10**9) == intervals[0]
    assert naked_throughout(intervals, 9 * 10**9, 11 * 10**9) is None
    assert naked_throughout(intervals, 14 * 10**9, 16 * 10**9) is None


@pytest.mark.parametrize(
    ("line", "claims"),
    [
        ("Neutral: A +0.0100 ETH, B -0.0100 ETH, nothing owed.", True),
        ("Stopped. Neutral: A 0.0000 ETH, B 0.0000 ETH", True),
        ("[INFO] stopped neutral=true", True),
        ('A| [INFO] covered detail="B covers 0.0100"', True),
        ("NOT COVERED: A +0.0100 ETH, B 0.0000 ETH", False),
        ("UNKNOWN: last known Neutral: 3 s ago", False),
        ("B leaves once everything is covered.", False),
        ('waiting hold=not_covered reason="B has not covered 0.0100"', False),
        ("[INFO] stopped neutral=false", False),
        ("main_A: stopped, but not everything is covered: see `status`.", False),
        ("main_B: stopped, and it is not shown that all is covered: see `status`.", False),
    ],
)
def test_a_claim_is_told_from_a_promise(line: str, claims: bool) -> None:
    """Only what says that nothing is open now is held against the exchange."""
    assert claims_neutral(line) is claims
