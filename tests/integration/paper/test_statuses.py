"""What an order's row says while it rests, fills and ends; `tests/conformance` has every status."""

import pytest

from tests.integration.paper.support import ETH, IOC, Trader, TraderFactory

pytestmark = pytest.mark.integration


async def test_open_then_canceled(trader: Trader) -> None:
    """A resting order is open with everything remaining, and canceled with nothing remaining."""
    await trader.place()
    row = await trader.row()
    assert (row.status, row.remaining_base_amount, row.base_size) == ("open", "0.0100", 100)
    await trader.cancel(trader.client_index)
    row = await trader.row()
    assert (row.status, row.remaining_base_amount, row.base_size) == ("canceled", "0.0000", 0)


async def test_filled_maker(trader: Trader) -> None:
    """A resting order that strangers take is filled."""
    await trader.place(price=299_900)
    await trader.paper.take(ETH, "sell", "0.0100", until_account=trader.account)
    row = await trader.row()
    assert (row.status, row.filled_base_amount) == ("filled", "0.0100")


async def test_partly_filled_stays_open(trader: Trader) -> None:
    """A resting order that is taken in part stays open with the rest."""
    await trader.place(price=299_900)
    await trader.paper.take(ETH, "sell", "0.0040", until_account=trader.account)
    row = await trader.row()
    amounts = (row.status, row.filled_base_amount, row.remaining_base_amount)
    assert amounts == ("open", "0.0040", "0.0060")
    await trader.cancel_all()


async def test_canceled_not_enough_liquidity(trader: Trader) -> None:
    """A limit-IOC order that meets nothing at its price ends canceled-not-enough-liquidity."""
    await trader.place(price=299_000, time_in_force=IOC)
    row = await trader.row()
    assert (row.status, row.filled_base_amount) == ("canceled-not-enough-liquidity", "0.0000")


async def test_partial_ioc_keeps_what_it_filled(new_trader: TraderFactory) -> None:
    """A limit-IOC order larger than its level ends canceled with the filled part."""
    maker, taker = await new_trader(), await new_trader()
    await maker.place(is_ask=True, price=299_995, base_amount=100)
    await taker.place(price=299_995, base_amount=150, time_in_force=IOC)
    row = await taker.row()
    amounts = (row.status, row.filled_base_amount, row.remaining_base_amount)
    assert amounts == ("canceled-not-enough-liquidity", "0.0100", "0.0000")
