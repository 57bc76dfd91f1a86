"""What happens to an account by itself: funding, liquidation, tiers; and public statistics."""

import time
from typing import Any

import aiohttp
import lighter
import pytest
from lighter.models.liquidation import Liquidation
from lighter.models.liquidation_info import LiquidationInfo
from lighter.models.pn_l_entry import PnLEntry
from lighter.models.position_funding import PositionFunding
from lighter.models.risk_parameters import RiskParameters

from tests.integration.paper.support import ETH, KEY, Trader, TraderFactory, refusal
from tests.integration.paper.test_rest import get, known
from tests.world.paper import Json, PaperProcess

pytestmark = pytest.mark.integration

API = "/api/v1"
HOUR_MS = 3_600_000


async def own(trader: Trader, path: str, *, hours: int = 0, **params: object) -> Json:
    """Answer a private call of the trader on an exchange whose clock is `hours` ahead."""
    token, error = trader.client.create_auth_token_with_expiry(
        timestamp=int(time.time()) + hours * 3600, api_key_index=KEY
    )
    assert error is None
    fields = {"account_index": trader.account, "auth": token, **params}
    return await get(trader.paper, f"{API}/{path}", **fields)


async def test_funding_is_paid_and_told(new_trader: TraderFactory) -> None:
    """An hour passes: the long pays, and rows, frames and balances say so."""
    async with PaperProcess() as paper:
        trader = await new_trader(exchange=paper)
        await trader.market(is_ask=False, base_amount=1000, price=301_000)
        await paper.set_market(ETH, mark_price="3000.00", funding_rate="0.0100")
        async with trader.socket() as socket:
            for channel in (f"account_all/{trader.account}", f"account_market/0/{trader.account}"):
                await socket.subscribe(channel, trader.token)
            before = (await trader.accounts.account(by="index", value=str(trader.account))).accounts
            await paper.move_clock(HOUR_MS)
            frames = [await socket.receive() for _ in range(4)]
        told = [frame["funding_histories"] for frame in frames if frame.get("funding_histories")]
        row = told[0]["0"][0]
        assert (row["change"], row["rate"], row["position_side"]) == ("-0.030000", "0.0100", "long")
        assert [f["funding_history"] for f in frames if f.get("funding_history")] == [[row]]
        answer = await own(trader, "positionFunding", hours=1, limit=10)
        assert answer["position_fundings"] == [row]
        assert set(row) == known(PositionFunding)
        after = (await trader.accounts.account(by="index", value=str(trader.account))).accounts
        assert float(before[0].collateral) - float(after[0].collateral) == pytest.approx(0.03)
        assert after[0].positions[0].total_funding_paid_out == "0.030000"
        assert (await own(trader, "positionFunding", hours=1, limit=1, side="short"))[
            "position_fundings"
        ] == []
        stats = await get(paper, f"{API}/funding-rates")
        assert stats["funding_rates"][0]["rate"] == 0.0001


async def test_funding_comes_in_pages(new_trader: TraderFactory) -> None:
    """Payments of several hours and markets come newest first, a page at a time."""
    async with PaperProcess() as paper:
        trader = await new_trader(exchange=paper)
        await trader.market(is_ask=False, base_amount=100, price=301_000)
        await trader.market(is_ask=True, base_amount=100, price=9_000_00, market_index=1)
        for market in (0, 1):
            await paper.set_market(market, funding_rate="-0.0001")
        for _ in range(3):
            await paper.move_clock(HOUR_MS)
        seen: list[Json] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await own(trader, "positionFunding", hours=3, limit=2, **cursor)
            seen += answer["position_fundings"]
            if "next_cursor" not in answer:
                break
            cursor = {"cursor": answer["next_cursor"]}
        assert len(seen) == 6
        times = [row["timestamp"] for row in seen]
        assert times == sorted(times, reverse=True)
        assert {row["market_id"] for row in seen} == {0, 1}
        only = await own(trader, "positionFunding", hours=3, limit=100, market_ids="1")
        assert {row["market_id"] for row in only["position_fundings"]} == {1}
        late = await own(trader, "positionFunding", hours=3, limit=100, start_timestamp=times[0])
        assert {row["timestamp"] for row in late["position_fundings"]} == {times[0]}


async def test_a_liquidation_is_told(new_trader: TraderFactory) -> None:
    """An account under its margin is liquidated: rows, a notification, liquidation trades."""
    async with PaperProcess() as paper:
        trader = await new_trader(collateral="200", exchange=paper)
        await trader.market(is_ask=False, base_amount=10_000, price=302_000)
        account = (await trader.accounts.account(by="index", value=str(trader.account))).accounts[0]
        price = float(account.positions[0].liquidation_price)
        assert 2800 < price < 2900
        await paper.set_market(ETH, mark_price=f"{price + 1:.2f}")
        assert (await own(trader, "liquidations", limit=10))["liquidations"] == []
        async with trader.socket() as socket:
            await socket.subscribe(f"notification/{trader.account}", trader.token)
            await socket.subscribe("trade/0")
            await paper.set_market(ETH, mark_price=f"{price - 1:.2f}")
            frames = await socket.frames("update/notification", "update/trade")
        rows = (await own(trader, "liquidations", limit=10))["liquidations"]
        assert set(rows[0]) == known(Liquidation)
        assert set(rows[0]["info"]) == known(LiquidationInfo)
        risk = rows[0]["info"]["risk_info_before"]["cross_risk_parameters"]
        assert set(risk) == known(RiskParameters)
        assert rows[0]["trade"]["ask_account_id"] == trader.account
        for kind, count in (("all", 2), ("trade", 1), ("liquidation", 1), ("deleverage", 0)):
            page = await own(trader, "trades", sort_by="trade_id", limit=100, type=kind)
            assert len(page["trades"]) >= count
            assert all(kind in ("all", trade["type"]) for trade in page["trades"])
        notice = next(f for f in frames if f["type"] == "update/notification")["notifs"][0]
        assert set(notice) == {
            *("id", "created_at", "kind", "account_index", "content", "ack", "acked_at")
        }
        assert (notice["ack"], notice["account_index"]) == (False, trader.account)
        trades = next(f for f in frames if f["type"] == "update/trade")
        assert trades["liquidation_trades"]
        assert trades["trades"] == []
        await lighter.NotificationApi(trader.client.api_client).notification_ack(
            authorization=trader.token, notif_id=notice["id"], account_index=trader.account
        )
        async with trader.socket() as socket:
            frame = await socket.subscribe(f"notification/{trader.account}", trader.token)
        assert (frame["notifs"][-1]["ack"], len(frame["notifs"])) == (True, len(rows))


async def test_the_liquidation_price_of_a_short(trader: Trader) -> None:
    """A short is liquidated above its entry, and more money is farther away."""
    await trader.market(is_ask=True, base_amount=100_000, price=290_000)

    async def price() -> float:
        rows = (await trader.accounts.account(by="index", value=str(trader.account))).accounts
        return float(rows[0].positions[0].liquidation_price)

    first = await price()
    assert first > 3000
    await trader.paper.collateral(trader.account, "1000")
    assert await price() > first


async def test_the_owner_changes_the_tier(new_trader: TraderFactory) -> None:
    """The official call changes tier and fees, once a day, and not with open orders."""
    trader = await new_trader()

    async def change(tier: str) -> Any:
        return await trader.accounts.change_account_tier(
            authorization=trader.token, account_index=trader.account, new_tier=tier
        )

    assert (await refusal(change("gold"))).code == 62002
    await trader.place()
    assert (await refusal(change("premium"))).code == 62005
    await trader.cancel_all()
    assert (await change("premium")).code == 200
    limits = await trader.accounts.account_limits(
        authorization=trader.token, account_index=trader.account
    )
    assert (limits.user_tier, limits.current_taker_fee_tick) == ("premium", 280)
    assert (await refusal(change("plus"))).code == 62006


async def test_the_admin_sets_a_tier(trader: Trader) -> None:
    """The admin call sets tier and stake at once; trades then carry fees."""
    answer = await trader.paper.set_tier(trader.account, "premium", 500_000)
    assert (answer["tier"], answer["staked_lit"]) == ("premium", 500_000)
    limits = await trader.accounts.account_limits(
        authorization=trader.token, account_index=trader.account
    )
    assert (limits.current_maker_fee_tick, limits.current_taker_fee_tick) == (28, 196)
    assert limits.effective_lit_stakes == "500000.00000000"
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        await trader.market(is_ask=False, base_amount=100, price=301_000)
        row = (await socket.until("update/account_all_trades"))["trades"]["0"][0]
    assert row["taker_fee"] == 196
    assert "maker_fee" not in row


async def test_profit_and_loss(trader: Trader) -> None:
    """Points of time carry what was realized so far and the volume of each."""
    await trader.market(is_ask=False, base_amount=1000, price=301_000)
    await trader.market(is_ask=True, base_amount=1000, price=299_000)
    now_s = int(time.time())
    answer = await get(
        trader.paper,
        f"{API}/pnl",
        by="index",
        value=trader.account,
        resolution="1h",
        start_timestamp=now_s - 7200,
        end_timestamp=now_s,
        count_back=2,
        auth=trader.token,
    )
    assert answer["resolution"] == "1h"
    assert len(answer["pnl"]) == 2
    assert set(answer["pnl"][0]) == known(PnLEntry)
    newest = answer["pnl"][-1]
    assert newest["trade_pnl"] < 0
    assert 590 < newest["volume"] < 610
    rows = (await own(trader, "trades", sort_by="trade_id", limit=5))["trades"]
    assert float(rows[0]["ask_account_pnl"]) == pytest.approx(newest["trade_pnl"])
    assert "bid_account_pnl" not in rows[0]


async def test_statistics(trader: Trader) -> None:
    """Volumes, candles and the height are made of the trades there were."""
    await trader.market(is_ask=False, base_amount=100, price=301_000)
    stats = await get(trader.paper, f"{API}/exchangeStats")
    assert stats["total"] == len(stats["order_book_stats"]) == 3
    assert stats["daily_trades_count"] >= 1
    now_ms = time.time_ns() // 1_000_000
    answer = await get(
        trader.paper,
        f"{API}/candles",
        market_id=0,
        resolution="1m",
        start_timestamp=now_ms - 120_000,
        end_timestamp=now_ms + 60_000,
        count_back=10,
    )
    newest = answer["c"][-1]
    assert set(newest) == set("tohlcvVi")
    assert newest["l"] <= newest["o"] <= newest["h"]
    assert (await get(trader.paper, f"{API}/currentHeight"))["height"] > 0


async def test_accounts_of_an_address(new_trader: TraderFactory) -> None:
    """All accounts of an L1 address are found by it, in any case, with and without positions."""
    trader = await new_trader()
    master = f"0x{trader.account:040x}"
    await trader.paper.add_account(trader.account + 1, master.upper().replace("0X", "0x"))
    answer = await get(trader.paper, f"{API}/account", by="l1_address", value=master)
    assert (answer["total"], answer["next_cursor"]) == (2, "")
    subs = await get(trader.paper, f"{API}/accountsByL1Address", l1_address=master)
    assert [row["index"] for row in subs["sub_accounts"]] == [trader.account, trader.account + 1]
    assert "positions" not in subs["sub_accounts"][0]


async def test_flat_markets(trader: Trader) -> None:
    """A market once traded is shown flat with sign 1, unless only active ones are asked for."""
    await trader.market(is_ask=True, base_amount=100, price=299_000)
    await trader.market(is_ask=False, base_amount=100, price=301_000)
    fields = {"by": "index", "value": trader.account}
    row = (await get(trader.paper, f"{API}/account", **fields))["accounts"][0]["positions"][0]
    assert (row["position"], row["sign"], row["liquidation_price"]) == ("0.0000", 1, "0")
    active = await get(trader.paper, f"{API}/account", **fields, active_only="true")
    assert active["accounts"][0]["positions"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("accounts/{}/tier", {"tier": "gold"}),
        ("accounts/{}/tier", {}),
        ("accounts/{}/tier", {"tier": "premium", "staked_lit": -1}),
        ("accounts/1/tier", {"tier": "premium"}),
        ("markets/0", {"mark_price": "3100", "funding_rate": "11"}),
        ("markets/0", {"mark_price": "3100", "funding_rate": "0.00001"}),
        ("markets/0", {"mark_price": "3100", "force_reduce_only": 1}),
    ],
)
async def test_bad_settings_change_nothing(trader: Trader, path: str, body: Json) -> None:
    """A wrong tier, rate or flag is one sentence, and what else was asked for is not done."""
    url = f"{trader.paper.base_url}/paper/{path.format(trader.account)}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        assert response.status == 400
        assert set(await response.json()) == {"code", "message"}
    detail = await get(trader.paper, f"{API}/orderBookDetails", market_id=0)
    assert detail["order_book_details"][0]["mark_price"] == "3000.00"
