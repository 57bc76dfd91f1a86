"""Every refusal of a transaction: its code, and that it leaves the nonce free."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integration.paper.support import (
    ETH,
    IOC,
    KEY,
    Trader,
    TraderFactory,
    refusal,
)
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

Call = Callable[[Trader], Awaitable[Any]]
MINUTE_MS = 60_000


def now_ms() -> int:
    return int(time.time() * 1000)


async def cancel_of_finished(trader: Trader) -> None:
    await trader.place(time_in_force=IOC, price=299_000)
    await trader.cancel(trader.client_index)


async def duplicate_client_index(trader: Trader) -> None:
    await trader.place()
    await trader.place(client_order_index=trader.client_index)


REFUSALS: dict[str, tuple[int, Call]] = {
    "tx type": (21505, lambda t: t.send(99, {})),
    "not json": (21501, lambda t: t.txs.send_tx(tx_type=14, tx_info="{")),
    "no object": (21501, lambda t: t.txs.send_tx(tx_type=14, tx_info="[]")),
    "missing field": (21501, lambda t: t.send(14, {"AccountIndex": t.account})),
    "field type": (21501, lambda t: t.place(BaseAmount="100")),
    "boolean": (21501, lambda t: t.place(IsAsk=True)),
    "expired": (21501, lambda t: t.place(ExpiredAt=1)),
    "attributes": (21501, lambda t: t.place(L2TxAttributes={"9": 1})),
    "account range": (21102, lambda t: t.place(AccountIndex=0)),
    "account unknown": (21102, lambda t: t.place(AccountIndex=999)),
    "key range": (21110, lambda t: t.place(ApiKeyIndex=255)),
    "key unknown": (21109, lambda t: t.place(ApiKeyIndex=200)),
    "nonce reused": (21104, lambda t: t.place(Nonce=-1)),
    "nonce ahead": (21104, lambda t: t.place(Nonce=1000)),
    "market": (21602, lambda t: t.place(MarketIndex=77)),
    "client index": (21727, lambda t: t.place(ClientOrderIndex=1 << 48)),
    "client index twice": (21728, duplicate_client_index),
    "base amount zero": (21701, lambda t: t.place(BaseAmount=0)),
    "base amount huge": (21701, lambda t: t.place(BaseAmount=1 << 48)),
    "price zero": (21702, lambda t: t.place(Price=0)),
    "price huge": (21702, lambda t: t.place(Price=1 << 32)),
    "side": (21703, lambda t: t.place(IsAsk=2)),
    "order type": (21704, lambda t: t.place(Type=9)),
    "time in force": (21705, lambda t: t.place(TimeInForce=3)),
    "market order that rests": (21705, lambda t: t.place(Type=1)),
    "trigger price": (21729, lambda t: t.place(TriggerPrice=5)),
    "expiry missing": (21711, lambda t: t.place(OrderExpiry=0)),
    "expiry soon": (21711, lambda t: t.place(order_expiry=now_ms() + MINUTE_MS)),
    "expiry late": (21711, lambda t: t.place(order_expiry=now_ms() + 31 * 1440 * MINUTE_MS)),
    "below minimum base": (21706, lambda t: t.place(base_amount=49)),
    "above quote limit": (21706, lambda t: t.place(BaseAmount=(1 << 48) - 1, Price=299_000)),
    "price above mark": (21734, lambda t: t.place(price=320_000)),
    "reduce only without position": (21732, lambda t: t.place(reduce_only=True)),
    "margin": (21739, lambda t: t.place(base_amount=100_000_000)),
    "cancel index": (21700, lambda t: t.cancel(5, Index=0)),
    "cancel market": (21602, lambda t: t.cancel(5, MarketIndex=77)),
    "cancel unknown": (21600, lambda t: t.cancel(12_345)),
    "cancel finished": (21709, cancel_of_finished),
    "cancel-all mode": (21713, lambda t: t.cancel_all(TimeInForce=3)),
    "cancel-all time": (21714, lambda t: t.cancel_all(Time=5)),
    "cancel-all soon": (21714, lambda t: t.cancel_all(1, now_ms() + MINUTE_MS)),
    "cancel-all late": (21714, lambda t: t.cancel_all(1, now_ms() + 16 * 1440 * MINUTE_MS)),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_refused_with_its_code(name: str, trader: Trader) -> None:
    """A refused transaction is HTTP 400 with the documented code and does not use its nonce."""
    code, call = REFUSALS[name]
    refused = await refusal(call(trader))
    assert (refused.status, refused.code) == (400, code), refused
    nonce = await trader.nonce()
    await trader.market(is_ask=False, base_amount=10, price=301_000)
    assert await trader.nonce() == nonce + 1


async def test_price_through_the_best(new_trader: TraderFactory) -> None:
    """A limit price far through the other side's best price is refused with 21733."""
    async with PaperProcess() as own:
        trader = await new_trader(exchange=own)
        await own.set_market(ETH, mark_price="3200.00")
        assert (await refusal(trader.place(price=320_000))).code == 21733


async def test_cancel_of_a_foreign_order(new_trader: TraderFactory) -> None:
    """Cancelling another account's order is refused with 21707 and leaves it open."""
    owner, thief = await new_trader(), await new_trader()
    await owner.place()
    row = await owner.row()
    assert (await refusal(thief.cancel(row.order_index))).code == 21707
    assert (await owner.row()).status == "open"
    await owner.cancel_all()


async def test_too_many_orders_of_a_market(new_trader: TraderFactory) -> None:
    """The thirty-first resting order in a market is refused with 21718 on the standard tier."""
    async with PaperProcess(tier="standard") as own:
        trader = await new_trader(exchange=own)
        async with trader.socket() as socket:
            await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
            for _ in range(30):
                await trader.place(price=290_000)
            for _ in range(30):
                await socket.until("update/account_all_orders")
        assert (await refusal(trader.place(price=290_000))).code == 21718


async def test_deleted_key(trader: Trader) -> None:
    """After its key is deleted an account's transactions are refused with 21109."""
    info = await trader.signed()
    await trader.paper.delete_key(trader.account, KEY)
    assert (await refusal(trader.send(14, info))).code == 21109
    assert (await refusal(trader.nonce())).code == 21101


async def test_same_bytes_twice(trader: Trader) -> None:
    """Identical bytes execute once; the second copy is refused with 21104."""
    info = await trader.signed(time_in_force=IOC, price=301_000)
    answers = await asyncio.gather(
        trader.send(14, info), trader.send(14, info), return_exceptions=True
    )
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert (await refusal(trader.send(14, info))).code == 21104
    assert await trader.position() == "0.0100"


async def test_the_hash_is_the_signers(trader: Trader) -> None:
    """The answer carries the transaction hash that the signer computed."""
    answer = await trader.place()
    assert answer.tx_hash == trader.hash
    tx = await trader.txs.tx(by="hash", value=answer.tx_hash)
    assert (tx.hash, tx.account_index, tx.status) == (trader.hash, trader.account, 2)
    await trader.cancel_all()
