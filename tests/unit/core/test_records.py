"""What the venue reports, in integers."""

import pytest

from hedge.core.records import OrderStatus
from tests.unit.core.kit import row, trade

LIVE = {OrderStatus.IN_PROGRESS, OrderStatus.PENDING, OrderStatus.OPEN}


@pytest.mark.parametrize("status", list(OrderStatus))
def test_every_status_but_the_live_ones_is_an_end(status: OrderStatus) -> None:
    """Nothing more can happen to an order unless it is in progress, pending or open."""
    assert row(1, status).is_terminal is (status not in LIVE)


def test_an_unknown_status_is_an_error() -> None:
    """A word that the venue never used before is not taken for any status."""
    with pytest.raises(ValueError, match="canceled-by-magic"):
        OrderStatus("canceled-by-magic")


def test_a_trade_moves_the_position_by_its_side() -> None:
    """A buy adds, a sell takes away."""
    assert trade(1, 5).signed_lots == 5
    assert trade(1, -5).signed_lots == -5
