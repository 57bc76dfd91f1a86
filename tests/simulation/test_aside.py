"""Which strangers' trades are none of the pair's business, and which are."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.simulation.aside import lots_aside, trades_aside
from tests.simulation.daemon import Turn
from tests.simulation.exchange import BTC, ETH, A, B, Logged

OURS, STRANGE = 1, 2
IN_ETH = (Turn(0.0, "A", "started", "ETH"), Turn(0.0, "B", "started", "ETH"))
LEFT_ETH = (*IN_ETH, Turn(10.0, "A", "ended: ConfigError"), Turn(11.0, "B", "killed"))
IN_BTC = (*LEFT_ETH, Turn(12.0, "A", "started", "BTC"), Turn(12.0, "B", "started", "BTC"))


def trade(at_s: float, account: int, lots: int, order: int = STRANGE, market: int = 0) -> Any:
    """One trade of an account with the market."""
    mine, other = (account, order), (999, 3)
    (buyer, bid), (seller, ask) = (mine, other) if lots > 0 else (other, mine)
    return SimpleNamespace(
        market_id=market,
        timestamp_ms=round(at_s * 1000),
        lots=abs(lots),
        bid_account_index=buyer,
        bid_order_index=bid,
        ask_account_index=seller,
        ask_order_index=ask,
    )


def aside(
    *trades: Any, turns: tuple[Turn, ...] = IN_BTC, goes_to: str = "BTC", first_b: int = 0
) -> tuple[set[int], Logged]:
    """Return the places of those that are aside, and the log."""
    log = Logged(trades=[(number, number, one) for number, one in enumerate(trades)])
    found = trades_aside(log, {STRANGE}, turns, goes_to, first_b, lambda ms: ms / 1000)
    return set(found), log


@pytest.mark.parametrize("account", [A, B])
def test_a_person_s_trade_in_a_market_that_was_left_flat_is_aside(account: int) -> None:
    """Also the next ones there, while the pair is in the other market."""
    trades = trade(5, A, 100, OURS), trade(6, A, -100, OURS)
    found, log = aside(*trades, trade(11.5, account, 30), trade(20, account, 40))
    assert found == {2, 3}
    assert lots_aside(log, found, ETH.market_id) == 70
    assert lots_aside(log, found, BTC.market_id) == 0


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (0, {"turns": IN_ETH}),  # the pair is there
        (0, {"turns": LEFT_ETH, "goes_to": "ETH"}),  # its next start will be
        (0, {"turns": (*IN_BTC, Turn(30.0, "B", "started", "ETH"))}),  # it comes back
        (1, {}),  # it holds something there
    ],
)
def test_any_other_is_the_pair_s_business(number: int, what: dict[str, Any]) -> None:
    """It is found and answered for."""
    before = [trade(5, A, 100, OURS)] * number
    assert aside(*before, trade(20, B, -100), **what)[0] == set()


def test_the_pair_s_own_trades_and_those_where_it_is_are_its_business() -> None:
    """An order of the pair that was on its way, and a person's trade in the new market."""
    assert aside(trade(11.5, A, 100, OURS), trade(20, A, 30, market=BTC.market_id))[0] == set()


def test_what_b_held_from_before_is_no_position_of_the_pair() -> None:
    """Left with the offset that it began with, B has left nothing."""
    assert aside(trade(20, B, -100), first_b=-40)[0] == {0}
