"""Position arithmetic, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper.positions import apply_fill, fee, increases, reducible
from paper.records import Position

Row = tuple[int, int, bool, int, int, int, int, int, bool]
ROWS: list[tuple[str, Row]] = [
    ("open long", (0, 0, False, 10, 1_000, 10, 1_000, 0, False)),
    ("open short", (0, 0, True, 10, 1_000, -10, 1_000, 0, False)),
    ("add to long", (10, 1_000, False, 5, 600, 15, 1_600, 0, False)),
    ("add to short", (-10, 1_000, True, 5, 600, -15, 1_600, 0, False)),
    ("reduce long with profit", (10, 1_000, True, 4, 480, 6, 600, 80, False)),
    ("reduce long with loss", (10, 1_000, True, 4, 300, 6, 600, -100, False)),
    ("reduce short with profit", (-10, 1_000, False, 4, 300, -6, 600, 100, False)),
    ("reduce short with loss", (-10, 1_000, False, 4, 480, -6, 600, -80, False)),
    ("close long", (10, 1_000, True, 10, 1_100, 0, 0, 100, False)),
    ("close short", (-10, 1_000, False, 10, 1_100, 0, 0, -100, False)),
    ("flip to short", (10, 1_000, True, 15, 1_650, -5, 550, 100, True)),
    ("flip to long", (-10, 1_000, False, 15, 1_350, 5, 450, 100, True)),
    ("rounds towards keeping", (3, 100, True, 1, 40, 2, 67, 7, False)),
]


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[name for name, _ in ROWS])
def test_fills(row: Row) -> None:
    """A fill changes size, entry quote and realized PnL as written in the table."""
    lots, entry, is_ask, size, quote, lots_after, entry_after, pnl, flipped = row
    filled = apply_fill(Position(0, lots, entry, 7, 500), is_ask=is_ask, lots=size, quote=quote)
    assert filled.position == Position(0, lots_after, entry_after, 7 + pnl, 500)
    assert (filled.pnl, filled.sign_changed) == (pnl, flipped)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 500), st.integers(1, 10**6)),
        min_size=1,
        max_size=30,
    )
)
def test_cash_is_exact(fills: list[tuple[bool, int, int]]) -> None:
    """Realized PnL minus signed entry quote is the cash that went in and out, to the micro."""
    position, cash = Position(0, 0, 0, 0, 500), 0
    for is_ask, lots, price in fills:
        quote = lots * price
        position = apply_fill(position, is_ask=is_ask, lots=lots, quote=quote).position
        cash += quote if is_ask else -quote
        assert position.realized_pnl - position.signed_entry_quote == cash
        assert position.entry_quote >= 0
        assert position.lots or not position.entry_quote


def test_what_can_be_reduced() -> None:
    """Only the opposite side of a position can be reduced, at most to zero."""
    assert reducible(10, is_ask=True) == reducible(-10, is_ask=False) == 10
    assert reducible(10, is_ask=False) == reducible(-10, is_ask=True) == 0
    assert increases(10, 11, is_ask=True)
    assert not increases(10, 10, is_ask=True)
    assert increases(0, 1, is_ask=False)


def test_fees_round_up() -> None:
    """A fee is never below its rate, and nothing at rate zero."""
    assert fee(1_000_000, 28) == 28
    assert fee(1, 28) == 1
    assert fee(1_000_000, 0) == 0
