"""Section 4.3, one test per rule: how orders meet the book."""

from typing import Any

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    ASK,
    BID,
    ETH,
    IOC,
    KEY,
    POST_ONLY,
    Client,
    code_of,
    event,
    refusal,
)
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

EXPIRE_TAKER, EXPIRE_BOTH, REDUCE = 1, 2, 3
SAME_MASTER = 1


async def asks(maker: Client, *levels: tuple[int, int]) -> None:
    """Rest asks of (ticks, lots) inside the spread of the fixed book."""
    for price, lots in levels:
        await maker.place(is_ask=True, price=price, base_amount=lots)


async def state(client: Client, index: int | None = None) -> tuple[str, str]:
    """Return status and filled amount of an order."""
    row = await client.row(index)
    return row.status, row.filled_base_amount


# Market orders and IOC


async def test_market_order_caps_the_average(new_client: ClientFactory) -> None:
    """A market order's price caps the average: a better early fill buys room for a worse one."""
    maker, taker = await new_client(), await new_client()
    await asks(maker, (299_990, 100), (300_010, 100))
    await taker.market(is_ask=False, base_amount=200, price=300_000)
    assert await state(taker) == ("filled", "0.0200")
    assert (await taker.row()).filled_quote_amount == "60.000000"
    assert await maker.active() == []


async def test_market_order_too_much_slippage(new_client: ClientFactory) -> None:
    """When the next fill would break the average the order ends, partly filled."""
    maker, taker = await new_client(), await new_client()
    await asks(maker, (299_990, 100), (300_010, 100))
    await taker.market(is_ask=False, base_amount=200, price=299_995)
    status, filled = await state(taker)
    assert status == "canceled-too-much-slippage"
    assert filled in ("0.0100", "0.0133"), "whole levels, or the lots that the average allows"
    await maker.clear()


async def test_market_order_nothing_within_the_cap(client: Client) -> None:
    """A market order whose cap is below the best ask fills nothing: too much slippage."""
    await client.market(is_ask=False, base_amount=200, price=299_000)
    assert await state(client) == ("canceled-too-much-slippage", "0.0000")


async def test_limit_ioc_caps_each_fill(new_client: ClientFactory) -> None:
    """A limit-IOC's price is a hard cap of each fill; the rest is cancelled."""
    maker, taker = await new_client(), await new_client()
    await asks(maker, (299_990, 100), (300_010, 100))
    await taker.place(time_in_force=IOC, base_amount=200, price=300_000)
    status, filled = await state(taker)
    assert filled == "0.0100"
    assert status in ("canceled-not-enough-liquidity", "canceled-too-much-slippage")
    await maker.clear()


async def test_ioc_filled(client: Client) -> None:
    """An IOC that is wholly filled is `filled`."""
    await client.place(time_in_force=IOC, price=300_500, base_amount=250)
    assert await state(client) == ("filled", "0.0250")


async def test_ioc_nothing_available(client: Client) -> None:
    """An IOC that meets nothing ends canceled-*, accepted with 200 and the nonce used."""
    nonce = await client.nonce()
    answer = await client.place(time_in_force=IOC, price=299_000)
    assert answer.code == 200
    status, filled = await state(client)
    assert status in ("canceled-not-enough-liquidity", "canceled-too-much-slippage")
    assert filled == "0.0000"
    assert await client.nonce() == nonce + 1


async def test_market_order_empties_the_book(new_client: ClientFactory) -> None:
    """A market order larger than the book ends canceled-not-enough-liquidity, partly filled."""
    with PaperProcess() as own:
        taker = await new_client("100000000", exchange=own)
        await taker.market(is_ask=False, base_amount=30_000_000, price=400_000)
        status, filled = await state(taker)
        assert status == "canceled-not-enough-liquidity"
        assert 0 < float(filled) < 3_000


# Post-only and reduce-only


@pytest.mark.parametrize(("is_ask", "price"), [(False, ASK), (True, BID)])
async def test_post_only(is_ask: bool, price: int, client: Client) -> None:
    """A post-only that would cross is accepted, ends canceled-post-only and uses its nonce."""
    nonce = await client.nonce()
    answer = await client.place(is_ask=is_ask, price=price, time_in_force=POST_ONLY)
    assert answer.code == 200
    assert await state(client) == ("canceled-post-only", "0.0000")
    assert await client.nonce() == nonce + 1
    one_off = price + (1 if is_ask else -1)
    await client.place(is_ask=is_ask, price=one_off, time_in_force=POST_ONLY)
    assert (await client.row()).status == "open"


async def test_reduce_only_is_clipped(client: Client) -> None:
    """A reduce-only order sells no more than the position."""
    await client.market(is_ask=False, base_amount=100, price=310_000)
    await client.market(is_ask=True, base_amount=300, price=290_000, reduce_only=True)
    assert await client.position() == "0.0000"
    assert (await client.row()).filled_base_amount == "0.0100"


async def test_reduce_only_resting_is_clipped(client: Client) -> None:
    """A resting reduce-only order never turns the position round."""
    await client.market(is_ask=False, base_amount=100, price=310_000)
    await client.place(is_ask=True, price=ASK - 5, base_amount=100, reduce_only=True)
    resting = client.client_index
    await client.market(is_ask=True, base_amount=60, price=290_000)
    await client.paper.take(ETH, "buy", "0.5")
    assert await client.position() == "0.0000"
    status, filled = await state(client, resting)
    assert filled == "0.0040"
    assert status.startswith("canceled") or status == "filled"


@pytest.mark.parametrize("kind", [{}, {"time_in_force": IOC}], ids=["resting", "ioc"])
async def test_reduce_only_wrong_direction(kind: dict[str, Any], client: Client) -> None:
    """A reduce-only order that would open is 21732 or canceled-reduce-only, and trades nothing."""
    found = await code_of(client.place(price=ASK, reduce_only=True, **kind))
    assert found in (200, 21732)
    if found == 200:
        assert (await state(client))[0] == "canceled-reduce-only"
    assert await client.position() == "0.0000"


# Client order indexes


async def test_client_order_index_is_unique_among_active(client: Client) -> None:
    """An active order's client index is refused with 21728; a finished one may be used again."""
    await client.place(client_order_index=9)
    assert (await refusal(client.place(client_order_index=9))).code == 21728
    other_market = client.place(
        client_order_index=9, market_index=1, base_amount=100, price=999_000
    )
    assert (await refusal(other_market)).code == 21728, "unique over all markets"
    await client.cancel(9)
    await client.place(client_order_index=9)
    assert [row.client_order_index for row in await client.active()] == [9]


async def test_a_repeated_ioc_trades_again(client: Client) -> None:
    """21728 does not protect a repeated hedge: an IOC never rests, its client index is free."""
    for _ in range(2):
        answer = await client.market(
            is_ask=False, base_amount=100, price=310_000, client_order_index=7
        )
        assert answer.code == 200
    assert await client.position() == "0.0200"


# Self trade


async def crossing(client: Client, **attributes: Any) -> tuple[Any, Any]:
    """Rest an ask inside the spread, hit it with one's own bid; return both rows."""
    await client.place(is_ask=True, price=300_000, base_amount=100)
    resting = client.client_index
    await client.place(price=300_000, base_amount=150, time_in_force=IOC, **attributes)
    return await client.row(resting), await client.row()


async def test_self_trade_default(client: Client) -> None:
    """By default one's own resting order is cancelled and the taker goes on."""
    maker, taker = await crossing(client)
    assert (maker.status, maker.filled_base_amount) == ("canceled-self-trade", "0.0000")
    assert taker.filled_base_amount == "0.0000"
    assert await client.position() == "0.0000"


async def test_self_trade_goes_on_behind_the_maker(new_client: ClientFactory) -> None:
    """Behind the cancelled own order the taker meets the next in the queue."""
    client, stranger = await new_client(), await new_client()
    await client.place(is_ask=True, price=300_000, base_amount=100)
    await stranger.place(is_ask=True, price=300_000, base_amount=100)
    await client.place(price=300_000, base_amount=100, time_in_force=IOC)
    assert await state(client) == ("filled", "0.0100")
    assert (await client.row(1)).status == "canceled-self-trade"


async def test_self_trade_expire_taker(client: Client) -> None:
    """Mode 1 cancels the taker and leaves the resting order."""
    maker, taker = await crossing(client, self_trade_behavior_mode=EXPIRE_TAKER)
    assert (maker.status, taker.status) == ("open", "canceled-self-trade")


async def test_self_trade_expire_both(client: Client) -> None:
    """Mode 2 cancels both."""
    maker, taker = await crossing(client, self_trade_behavior_mode=EXPIRE_BOTH)
    assert (maker.status, taker.status) == ("canceled-self-trade", "canceled-self-trade")
    assert await client.position() == "0.0000"


async def test_self_trade_reduce(client: Client) -> None:
    """Mode 3 takes the smaller size off both, without a trade."""
    before = len(await client.paper.trades(account=client.account))
    await client.place(is_ask=True, price=300_000, base_amount=300)
    resting = client.client_index
    await client.place(
        price=300_000, base_amount=100, time_in_force=IOC, self_trade_behavior_mode=REDUCE
    )
    maker, taker = await client.row(resting), await client.row()
    assert (maker.status, maker.remaining_base_amount) == ("open", "0.0200")
    assert taker.status.startswith("canceled")
    assert taker.filled_base_amount == "0.0000"
    assert len(await client.paper.trades(account=client.account)) == before
    assert await client.position() == "0.0000"


async def test_sub_accounts_may_trade_with_each_other(new_client: ClientFactory) -> None:
    """Two accounts of one master are different accounts unless equality is 1 (master)."""
    one = await new_client()
    two = await new_client(master=one.master)
    await one.place(is_ask=True, price=300_000, base_amount=200)
    await two.place(price=300_000, base_amount=100, time_in_force=IOC)
    assert await two.position() == "0.0100"
    await two.place(
        price=300_000,
        base_amount=100,
        time_in_force=IOC,
        self_trade_equality_mode=SAME_MASTER,
    )
    assert (await one.row()).status == "canceled-self-trade"
    assert await two.position() == "0.0100"


async def test_equality_master_lets_strangers_trade(new_client: ClientFactory) -> None:
    """Equality 1 concerns accounts of the same master only."""
    one, two = await new_client(), await new_client()
    await one.place(is_ask=True, price=300_000, base_amount=100)
    await two.place(
        price=300_000,
        base_amount=100,
        time_in_force=IOC,
        self_trade_equality_mode=SAME_MASTER,
    )
    assert await two.position() == "0.0100"


# Order of execution


async def test_price_then_time(new_client: ClientFactory) -> None:
    """The better price trades first, at one price the earlier order; the maker's price counts."""
    first, second, taker = await new_client(), await new_client(), await new_client()
    await first.place(is_ask=True, price=300_005, base_amount=100)
    await second.place(is_ask=True, price=300_005, base_amount=100)
    await second.place(is_ask=True, price=300_001, base_amount=100)
    await taker.place(price=300_010, base_amount=250, time_in_force=IOC)
    assert await state(taker) == ("filled", "0.0250")
    assert [await state(second, index) for index in (2, 1)] == [
        ("filled", "0.0100"),
        ("open", "0.0050"),
    ]
    assert await state(first) == ("filled", "0.0100")
    assert (await taker.row()).filled_quote_amount == "75.000850"
    await second.clear()


async def test_an_executed_order_has_no_error_text(client: Client) -> None:
    """The event info of an order that was executed has an empty error text."""
    answer = await client.place(time_in_force=IOC, price=300_500)
    assert event(await client.tx(answer.tx_hash))["ae"] == ""


async def test_market_order_by_the_sdk(client: Client) -> None:
    """create_market_order of the SDK fills at once, its average price being the cap."""
    order, answer, error = await client.client.create_market_order(
        market_index=ETH,
        client_order_index=5,
        base_amount=100,
        avg_execution_price=301_000,
        is_ask=False,
        api_key_index=KEY,
        nonce=await client.nonce(),
    )
    assert (error, answer.code, order.price) == (None, 200, 301_000)
    row = await client.row(5)
    assert (row.status, row.type) == ("filled", "market")


async def test_limited_slippage_by_the_sdk(client: Client) -> None:
    """create_market_order_limited_slippage reads the book and caps by the slippage."""
    _, answer, error = await client.client.create_market_order_limited_slippage(
        market_index=ETH,
        client_order_index=6,
        base_amount=100,
        max_slippage=0.01,
        is_ask=True,
        api_key_index=KEY,
        nonce=await client.nonce(),
    )
    assert (error, answer.code) == (None, 200)
    assert (await client.row(6)).status == "filled"


async def test_create_order_by_the_managed_path(client: Client) -> None:
    """create_order without nonce and key: the SDK's own nonce manager keeps step."""
    for number in (1, 2, 3):
        _, answer, error = await client.client.create_order(
            market_index=ETH,
            client_order_index=number,
            base_amount=100,
            price=299_900,
            is_ask=False,
            order_type=client.client.ORDER_TYPE_LIMIT,
            time_in_force=POST_ONLY,
        )
        assert (error, answer.code) == (None, 200)
    assert len(await client.active()) == 3
