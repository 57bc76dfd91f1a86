"""Section 4.2, one test per row: what a field of an order may hold, and the rules beside it.

Most ranges are checked by the official signer; a strict exchange checks them again, so each is
also sent with the signed value replaced.
"""

import json
import time
from typing import Any

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    ASK,
    DAY_MS,
    ETH,
    GTT,
    IOC,
    KEY,
    MARKET,
    MAX_32,
    MAX_48,
    MINUTE_MS,
    TX_CANCEL,
    TX_CREATE,
    Client,
    refusal,
)
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration


def now_ms() -> int:
    return int(time.time() * 1000)


async def code(client: Client, **fields: Any) -> int:
    """Return the code that an order with these fields ends in; its nonce must stay free."""
    nonce = await client.nonce()
    refused = await refusal(client.place(**fields))
    assert refused.status == 400
    assert await client.nonce() == nonce
    return refused.code


def signing_error(client: Client, **fields: Any) -> str | None:
    """Return what the official signer says about an order, None when it signs it."""
    arguments = {
        "market_index": ETH,
        "client_order_index": 1,
        "base_amount": 100,
        "price": 299_900,
        "is_ask": False,
        "order_type": client.client.ORDER_TYPE_LIMIT,
        "time_in_force": GTT,
        "api_key_index": KEY,
        "nonce": 1,
        **fields,
    }
    error: str | None = client.client.sign_create_order(**arguments)[3]
    return error


async def test_client_order_index(client: Client) -> None:
    """ClientOrderIndex: 0 (none) or 1 to 2^48-1; 21727 beyond."""
    await client.place(client_order_index=0)
    await client.place(client_order_index=0)
    await client.place(client_order_index=MAX_48)
    indexes = [row.client_order_index for row in await client.active()]
    assert sorted(indexes) == [0, 0, MAX_48]
    assert signing_error(client, client_order_index=MAX_48 + 1) is not None
    assert await code(client, ClientOrderIndex=MAX_48 + 1) == 21727
    assert await code(client, ClientOrderIndex=-1) == 21727


async def test_base_amount(client: Client) -> None:
    """BaseAmount: 1 to 2^48-1; 21701 beyond."""
    await client.place(base_amount=1, time_in_force=IOC, price=300_500)
    assert await client.position() == "0.0001"
    assert signing_error(client, base_amount=0) is not None
    assert signing_error(client, base_amount=MAX_48 + 1) is not None
    for amount in (0, MAX_48 + 1, -1):
        assert await code(client, BaseAmount=amount) == 21701


async def test_base_amount_zero_reduce_only(client: Client) -> None:
    """BaseAmount 0 with reduce_only is the whole position."""
    await client.market(is_ask=False, base_amount=321, price=310_000)
    await client.market(is_ask=True, base_amount=0, price=290_000, reduce_only=True)
    assert await client.position() == "0.0000"
    assert (await client.row()).status == "filled"


async def test_price(client: Client) -> None:
    """Price: 1 to 2^32-1, also for market orders; 21702 beyond."""
    assert signing_error(client, price=0) is not None
    assert signing_error(client, price=MAX_32 + 1) is not None, "ctypes wraps 2^32 to 0"
    for price in (0, MAX_32 + 1, -1):
        assert await code(client, Price=price) == 21702
    assert await code(client, order_type=MARKET, time_in_force=IOC, price=1, Price=0) == 21702
    await client.market(is_ask=False, base_amount=10, price=MAX_32)
    assert await client.position() == "0.0010"
    await client.market(is_ask=True, base_amount=10, price=1)
    assert await client.position() == "0.0000"


async def test_order_index_to_cancel(client: Client) -> None:
    """An index to cancel: 1 to 2^60-1; below 2^48 it is a client order index; 21700 beyond."""
    await client.place()
    by_order = (await client.row()).order_index
    assert by_order > MAX_48
    await client.place()
    await client.cancel(by_order)
    await client.cancel(client.client_index)
    assert await client.active() == []
    for index in (0, 1 << 60, -1):
        assert (await refusal(client.cancel(5, Index=index))).code == 21700


async def test_order_expiry(client: Client) -> None:
    """A resting order's expiry: now + 5 min to now + 30 d, 21711 beyond; -1 is now + 28 d.

    The circuits say 4 min for the lower bound: between 4 and 5 minutes both pass.
    """
    await client.place()
    left = (await client.row()).order_expiry - now_ms()
    assert abs(left - 28 * DAY_MS) < MINUTE_MS
    for ahead in (6 * MINUTE_MS, 30 * DAY_MS - MINUTE_MS):
        await client.place(order_expiry=now_ms() + ahead)
    for ahead in (3 * MINUTE_MS, 30 * DAY_MS + MINUTE_MS, -MINUTE_MS):
        assert await code(client, order_expiry=now_ms() + ahead) == 21711
    assert await code(client, OrderExpiry=0) == 21711


async def test_market_index(client: Client) -> None:
    """An unknown market is 21602; 255 is the nil index."""
    for market in (77, 254, 255, 2048, 4095, -1):
        assert await code(client, MarketIndex=market) == 21602


# The rules beside the table


async def test_limit_ioc_needs_expiry_zero(client: Client) -> None:
    """An immediate-or-cancel order with an expiry is refused, by the signer and by the exchange."""
    assert signing_error(client, time_in_force=IOC) == "OrderExpiry is invalid"
    assert signing_error(client, time_in_force=IOC, order_expiry=0) is None
    later = now_ms() + DAY_MS
    assert await code(client, time_in_force=IOC, OrderExpiry=later) == 21711


async def test_market_order_must_be_ioc(client: Client) -> None:
    """A market order that would rest is refused, by the signer and by the exchange."""
    assert signing_error(client, order_type=MARKET) is not None
    assert await code(client, Type=MARKET) in (21705, 21711)


async def test_minimums_bind_resting_orders(client: Client) -> None:
    """Both minimums bind a resting order (21706), the larger wins."""
    assert await code(client, base_amount=49) == 21706
    await client.place(base_amount=50)
    # SOL: 0.050 x 150 = 7.5 USDC is above the minimum size and below 10 USDC.
    assert await code(client, market_index=2, base_amount=50, price=149_900) == 21706
    await client.place(market_index=2, base_amount=67, price=149_900)


async def test_minimums_do_not_bind_takers(client: Client) -> None:
    """Below the minimums an IOC order still trades, down to one lot, market and limit."""
    await client.market(is_ask=False, base_amount=1, price=310_000)
    await client.place(time_in_force=IOC, base_amount=1, price=300_500)
    assert await client.position() == "0.0002"


async def test_order_quote_limit_caps_all(client: Client) -> None:
    """The quote limit caps resting and taking orders: 21706."""
    assert await code(client, BaseAmount=MAX_48) == 21706
    assert await code(client, time_in_force=IOC, BaseAmount=MAX_48) == 21706


async def test_fat_finger(new_client: ClientFactory) -> None:
    """Limit prices 5 % through mark or best are refused: 21734 or 21733, also limit-IOC.

    Which code belongs to which reference and the exact bound are not documented: both pass.
    """
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        for is_ask, price in ((False, 316_000), (True, 284_000)):
            for kind in ({}, {"time_in_force": IOC}):
                found = await code(client, is_ask=is_ask, price=price, **kind)
                assert found in (21733, 21734)
        await client.place(price=314_000, time_in_force=IOC)
        await client.place(price=270_000)
        # The mark far above: the best ask alone is the smaller reference of a bid.
        await own.set_market(ETH, mark_price="3200.00")
        assert await code(client, price=325_000) in (21733, 21734)
        # Market orders have a cap, not a limit price.
        await client.market(is_ask=False, base_amount=10, price=400_000)


async def test_max_orders(new_client: ClientFactory, slow_paper: PaperProcess) -> None:
    """Standard tier: 30 resting orders in a market (older docs 1,000), the next is 21718."""
    client = await new_client(exchange=slow_paper)
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_orders/{client.account}", client.token)
        for start in (0, 15):
            nonce = await client.nonce()
            members = [
                (TX_CREATE, await client.signed(nonce=nonce + n, price=290_000 + start + n))
                for n in range(15)
            ]
            await client.batch(*members)
        opened = 0
        while opened < 30:
            frame = await socket.until("update/account_all_orders")
            opened += sum(row["status"] == "open" for row in frame["orders"]["0"])
    assert await code(client, price=290_000) == 21718


async def test_price_protection_is_no_parameter_of_the_signature(client: Client) -> None:
    """The same bytes pass with price_protection given or left out."""
    info = json.dumps(await client.signed(price=ASK, time_in_force=IOC))
    answer = await client.txs.send_tx(tx_type=TX_CREATE, tx_info=info, price_protection=True)
    assert (answer.code, answer.tx_hash) == (200, client.hash)


async def test_cancel_of_an_unknown_market(client: Client) -> None:
    """A cancel names a market that exists: 21602."""
    info = await client.cancel_info(5, MarketIndex=77)
    assert (await refusal(client.send(TX_CANCEL, info))).code == 21602


async def test_rules_that_change_while_it_runs(new_client: ClientFactory) -> None:
    """Minimums, the quote limit and a frozen market bind from then on (13.13); cancels pass."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        await client.place(base_amount=100)
        await own.set_market(ETH, min_base_amount="0.0200")
        assert await code(client, base_amount=100) == 21706
        await own.set_market(ETH, order_quote_limit="30.02")
        assert await code(client, base_amount=400) == 21706
        await client.market(is_ask=False, base_amount=100, price=300_150)
        call = client.market(is_ask=False, base_amount=100, price=300_400)
        assert (await refusal(call)).code == 21706, "the cap counts, not the price of the execution"
        await own.set_market(ETH, status="inactive")
        assert await code(client, base_amount=200) == 21605
        (row,) = await client.active()
        assert (await client.cancel(row.order_index)).code == 200
