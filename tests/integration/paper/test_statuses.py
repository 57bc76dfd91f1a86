"""Every status that an order can end with, reached through the official client over HTTP."""

import time

import pytest

from tests.integration.paper.support import ETH, IOC, POST_ONLY, Trader, TraderFactory
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration


async def test_open_then_canceled(trader: Trader) -> None:
    """A resting order is open with everything remaining, and canceled with nothing remaining."""
    await trader.place()
    row = await trader.row()
    assert (row.status, row.remaining_base_amount, row.base_size) == ("open", "0.0100", 100)
    await trader.cancel(trader.client_index)
    row = await trader.row()
    assert (row.status, row.remaining_base_amount, row.base_size) == ("canceled", "0.0000", 0)


async def test_canceled_by_cancel_all(trader: Trader) -> None:
    """An immediate cancel-all ends every resting order of the account."""
    await trader.place()
    await trader.place(is_ask=True, price=300_100)
    await trader.cancel_all()
    answer = await trader.orders.account_inactive_orders(
        authorization=trader.token, account_index=trader.account, limit=10
    )
    assert [row.status for row in answer.orders] == ["canceled", "canceled"]


async def test_filled_taker(trader: Trader) -> None:
    """A market order within its cap is filled and moves the position."""
    await trader.market(is_ask=False, base_amount=100, price=301_000)
    row = await trader.row()
    assert (row.status, row.filled_base_amount) == ("filled", "0.0100")
    assert await trader.position() == "0.0100"


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


async def test_canceled_post_only(trader: Trader) -> None:
    """A post-only order that would cross is accepted and ends canceled-post-only."""
    answer = await trader.place(price=300_100, time_in_force=POST_ONLY)
    assert answer.code == 200
    row = await trader.row()
    assert (row.status, row.filled_base_amount) == ("canceled-post-only", "0.0000")


async def test_canceled_too_much_slippage(trader: Trader) -> None:
    """A market order whose cap is below the book ends canceled-too-much-slippage."""
    await trader.market(is_ask=False, base_amount=100, price=299_000)
    row = await trader.row()
    assert (row.status, row.filled_base_amount) == ("canceled-too-much-slippage", "0.0000")


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


async def test_canceled_reduce_only(trader: Trader) -> None:
    """A resting reduce-only order ends canceled-reduce-only when the position is gone."""
    await trader.market(is_ask=False, base_amount=100, price=301_000)
    await trader.place(is_ask=True, price=301_000, reduce_only=True)
    resting = trader.client_index
    await trader.market(is_ask=True, base_amount=100, price=299_000)
    assert (await trader.row(resting)).status == "canceled-reduce-only"


async def test_canceled_self_trade(trader: Trader) -> None:
    """An order that meets one of the same account cancels the resting one."""
    await trader.place(is_ask=True, price=299_995)
    resting = trader.client_index
    await trader.place(price=299_995, time_in_force=IOC)
    assert (await trader.row(resting)).status == "canceled-self-trade"
    assert (await trader.row()).filled_base_amount == "0.0000"


async def test_canceled_margin_not_allowed(new_trader: TraderFactory) -> None:
    """A market order beyond the account's margin ends canceled-margin-not-allowed."""
    poor = await new_trader("10")
    await poor.market(is_ask=False, base_amount=5000, price=301_000)
    assert (await poor.row()).status == "canceled-margin-not-allowed"
    assert await poor.position() == "0"


async def test_canceled_position_not_allowed_and_expired(new_trader: TraderFactory) -> None:
    """A market that only reduces refuses new positions, and an order ends at its expiry."""
    async with PaperProcess() as own:
        trader = await new_trader(exchange=own)
        expiry = int(time.time() * 1000) + 302_000
        await trader.place(order_expiry=expiry)
        await own.move_clock(303_000)
        assert (await trader.row()).status == "canceled-expired"
        await own.set_market(ETH, force_reduce_only=True)
        await trader.market(is_ask=False, base_amount=100, price=301_000)
        assert (await trader.row()).status == "canceled-position-not-allowed"


async def test_scheduled_cancel_all(new_trader: TraderFactory) -> None:
    """A scheduled cancel-all ends resting orders when its time comes, an aborted one does not."""
    async with PaperProcess() as own:
        trader = await new_trader(exchange=own)
        await trader.place()
        first = trader.client_index
        await trader.cancel_all(1, int(time.time() * 1000) + 302_000)
        await trader.cancel_all(2)
        await trader.cancel_all(1, int(time.time() * 1000) + 310_000)
        await own.move_clock(303_000)
        assert (await trader.row(first)).status == "open"
        await own.move_clock(8_000)
        assert (await trader.row(first)).status == "canceled"
