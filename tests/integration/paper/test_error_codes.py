"""Refusals beside those of `tests/conformance`: each has its code and leaves the nonce free."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integration.paper.support import (
    ETH,
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
    "nonce reused": (21104, lambda t: t.place(Nonce=-1)),
    "side": (21703, lambda t: t.place(IsAsk=2)),
    "order type": (21704, lambda t: t.place(Type=9)),
    "time in force": (21705, lambda t: t.place(TimeInForce=3)),
    "market order that rests": (21705, lambda t: t.place(Type=1)),
    "trigger price": (21729, lambda t: t.place(TriggerPrice=5)),
    "price above mark": (21734, lambda t: t.place(price=320_000)),
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


async def test_deleted_key(trader: Trader) -> None:
    """After its key is deleted an account's transactions are refused with 21109."""
    info = await trader.signed()
    await trader.paper.delete_key(trader.account, KEY)
    assert (await refusal(trader.send(14, info))).code == 21109
    assert (await refusal(trader.nonce())).code == 21101
