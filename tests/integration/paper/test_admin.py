"""The admin calls, and the record of orders and trades with its stamps."""

import time
from typing import Any

import pytest

from tests.integration.paper.support import ETH, Trader, TraderFactory
from tests.world.paper import ACCOUNT_A, Json, PaperError, PaperProcess, new_account_number

pytestmark = pytest.mark.integration


async def test_take_trades_and_orders(trader: Trader) -> None:
    """A take fills the trader's order; the rows carry sequence numbers and times."""
    start = time.monotonic_ns()
    await trader.place(price=299_900)
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        taken = await trader.paper.take(ETH, "sell", "0.0100", until_account=trader.account)
        await socket.until("update/account_all_trades")
        arrived = time.monotonic_ns()
    trades = await trader.paper.trades(account=trader.account)
    assert trades == [taken[-1]]
    trade = trades[0]
    assert start < trade["mono_ns"] <= trade["frame_sent_mono_ns"] < arrived
    assert trade["frames_sent"] == {str(trader.account): trade["frame_sent_mono_ns"]}
    orders = await trader.paper.orders(account=trader.account)
    assert [row["status"] for row in orders] == ["open", "filled"]
    assert all(start < row["received_mono_ns"] < row["mono_ns"] for row in orders)
    assert orders[0]["tx_hash"] == trader.hash
    assert orders[0]["seq"] < trade["seq"] < orders[1]["seq"]
    newer = await trader.paper.orders(after_seq=orders[0]["seq"], account=trader.account)
    assert newer == orders[1:]


async def test_unwatched_trades_have_no_frame_time(trader: Trader) -> None:
    """A trade that nobody was told of has no frame time."""
    await trader.market(is_ask=False, base_amount=10, price=301_000)
    row = (await trader.paper.trades(account=trader.account))[0]
    assert (row["frame_sent_mono_ns"], row["frames_sent"]) == (None, {})


async def test_take_until_account_stops_there(new_trader: TraderFactory) -> None:
    """A take until an account fills exactly that much of its orders, in price-time order."""
    first, second = await new_trader(), await new_trader()
    await first.place(price=299_990)
    await second.place(price=299_990)
    trades = await first.paper.take(ETH, "sell", "0.0060", until_account=second.account)
    assert [row["bid_account_id"] for row in trades] == [first.account, second.account]
    assert (await second.row()).filled_base_amount == "0.0060"
    await second.cancel_all()


async def test_collateral_comes_and_goes(trader: Trader) -> None:
    """Collateral is added and taken away exactly, and never goes below zero."""
    answer = await trader.paper.collateral(trader.account, "-99999.999999")
    assert answer["collateral"] == "0.000001"
    with pytest.raises(PaperError) as caught:
        await trader.paper.collateral(trader.account, "-1")
    assert caught.value.status == 400
    answer = await trader.paper.collateral(trader.account, "2.5")
    assert answer["collateral"] == "2.500001"


async def test_state(trader: Trader) -> None:
    """The state shows accounts, positions, net positions and counters."""
    await trader.market(is_ask=True, base_amount=123, price=299_000)
    state = await trader.paper.state()
    assert set(state) == {
        *("code", "tier", "seed", "market", "last_seq", "accounts", "net_position", "counters")
    }
    assert (state["tier"], state["seed"], state["market"]) == ("instant", 1, False)
    row = next(row for row in state["accounts"] if row["account_index"] == trader.account)
    assert row["positions"]["0"]["position"] == "-0.0123"
    assert await trader.position() == "-0.0123"
    assert state["counters"]["accepted"] > 0


async def test_nonce_continues_after_a_new_key(trader: Trader) -> None:
    """Replacing a key keeps its nonce, so an old transaction cannot run again."""
    await trader.place()
    nonce = await trader.nonce()
    await trader.paper.register_key(trader.account, 4, "cd" * 40)
    assert await trader.nonce() == nonce


NEW = new_account_number()
KEY_BODY = {"account_index": ACCOUNT_A, "api_key_index": 4, "public_key": "ab" * 40}
TAKE = {"market_index": 0, "side": "buy", "base_amount": "0.0100"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("keys", []),
        ("keys", {}),
        ("keys", {**KEY_BODY, "account_index": 1}),
        ("keys", {**KEY_BODY, "account_index": "x"}),
        ("keys", {**KEY_BODY, "api_key_index": 255}),
        ("keys", {**KEY_BODY, "public_key": "zz" * 40}),
        ("keys", {**KEY_BODY, "public_key": "ab"}),
        (f"keys/{ACCOUNT_A}/77", {"maker_only": True}),
        (f"keys/{ACCOUNT_A}/4", {"maker_only": 1}),
        ("accounts", {"account_index": ACCOUNT_A, "master": "0x1", "collateral": "1"}),
        ("accounts", {"account_index": 0, "master": "0x1", "collateral": "1"}),
        ("accounts", {"account_index": NEW, "master": "", "collateral": "1"}),
        ("accounts", {"account_index": NEW, "master": "0x1", "collateral": "-1"}),
        ("accounts", {"account_index": NEW, "master": "0x1", "collateral": "1e9"}),
        ("accounts", {"account_index": NEW, "master": "0x1", "collateral": "9" * 18}),
        (f"accounts/{ACCOUNT_A}/collateral", {"amount": 1.5}),
        (f"accounts/{ACCOUNT_A}/collateral", {"amount": "0.0000001"}),
        (f"accounts/{ACCOUNT_A}/collateral", {"amount": "nan"}),
        ("accounts/1/collateral", {"amount": "1"}),
        ("accounts/x/collateral", {"amount": "1"}),
        ("take", {**TAKE, "side": "BUY"}),
        ("take", {**TAKE, "base_amount": "0"}),
        ("take", {**TAKE, "base_amount": "-1"}),
        ("take", {**TAKE, "base_amount": "0.00001"}),
        ("take", {**TAKE, "base_amount": "99999999999999999"}),
        ("take", {**TAKE, "market_index": 77}),
        ("take", {**TAKE, "until_account": 1}),
        ("markets/77", {"mark_price": "1"}),
        ("markets/0", {"mark_price": "0"}),
        ("markets/0", {"force_reduce_only": "yes"}),
        ("markets/0", {"bids": [["2000.00", "1"]]}),
        ("markets/0", {"asks": [["4000.00", "1"]], "mark_price": "2900.00"}),
        ("markets/0", {"bids": [["2000.00", "1"]], "asks": None}),
        ("clock", {"ahead_ms": 0}),
        ("clock", {"ahead_ms": "5"}),
    ],
)
async def test_bad_admin_calls_change_nothing(paper: PaperProcess, path: str, body: Any) -> None:
    """A bad admin call is HTTP 400 with one sentence, and nothing changes."""
    before = await steady(paper)
    with pytest.raises(PaperError) as caught:
        await paper.call("POST", f"/paper/{path}", body)
    assert caught.value.status == 400
    assert set(caught.value.body) == {"code", "message"}
    assert await steady(paper) == before


async def steady(paper: PaperProcess) -> Json:
    """Return the state without what reading it changes."""
    state = await paper.state()
    del state["counters"]
    return state


async def test_bad_deletes(paper: PaperProcess) -> None:
    """Deleting a key that does not exist is an error."""
    for path in (f"{ACCOUNT_A}/77", f"{ACCOUNT_A}/x", "1/4"):
        with pytest.raises(PaperError) as caught:
            await paper.call("DELETE", f"/paper/keys/{path}")
        assert caught.value.status == 400
