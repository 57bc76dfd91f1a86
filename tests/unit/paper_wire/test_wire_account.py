"""Tests of what an account's JSON objects say beyond its records."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from paper import wire
from paper.engine import Engine
from paper.markets import DEFAULT_MARKETS
from paper.records import RATIO, Position, Tier
from paper.wire_account import DAY_MS, liquidation_price, volumes

ETH, _, _ = DEFAULT_MARKETS
NOW_MS = 1_800_000_000_000


@settings(deadline=None)
@given(
    lots=st.integers(-(10**6), 10**6).filter(bool),
    entry=st.integers(1_000, 1_000_000),
    mark=st.integers(1_000, 1_000_000),
    rest=st.integers(0, 10**12),
    others=st.integers(0, 10**10),
)
def test_at_its_liquidation_price_an_account_just_meets_its_margin(
    lots: int, entry: int, mark: int, rest: int, others: int
) -> None:
    """On one side of the price the account is above its maintenance margin, on the other below."""
    quote = ETH.quote(abs(lots), entry)
    held = wire.summary_of(ETH, Position(0, lots, quote, 0, 500), mark, 0)

    def spare(price: int) -> int:
        value = rest + ETH.quote(lots, price) - held.position.signed_entry_quote
        return value - others - (-(-ETH.quote(abs(lots), price) * ETH.mmf // RATIO))

    own = -(-held.value * ETH.mmf // RATIO)
    found = liquidation_price(ETH, held, rest + held.unrealized_pnl, others + own)
    if found is None:
        assert spare(1) >= 0 if lots > 0 else spare(1) <= 0
    elif lots > 0:
        assert spare(found + 2) > 0 >= spare(found - 1)
    else:
        assert spare(found - 1) > 0 >= spare(found + 2)


def test_volumes_count_what_is_recent() -> None:
    """Trades count in the spans that they are young enough for, and always in the total."""
    now = [NOW_MS]
    engine = Engine(DEFAULT_MARKETS, Tier.INSTANT, lambda: now[0], time.monotonic_ns)
    engine.add_account(42, "0xa", 10**11)
    empty = volumes(engine, 42, NOW_MS)
    assert set(empty.values()) == {0}
    assert set(empty) == {
        f"{span}_{what}"
        for span in ("daily", "weekly", "monthly", "total")
        for what in ("trades_count", "volume")
    }
    assert volumes(engine, 42, NOW_MS + 40 * DAY_MS) == empty
