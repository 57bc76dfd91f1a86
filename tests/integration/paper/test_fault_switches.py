"""Every fault switch of the paper exchange, seen by the official client and by a raw socket."""

import asyncio
import contextlib
import functools
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
import websockets
from lighter.exceptions import ApiException
from websockets.exceptions import ConnectionClosed

from tests.integration.paper.support import ETH, IOC, KEY, Refused, Socket, Trader, TraderFactory
from tests.waiting import eventually
from tests.world.paper import ACCOUNT_A, Json, PaperError, PaperProcess

pytestmark = pytest.mark.integration

SOON_S = 0.4


@contextlib.asynccontextmanager
async def fault(trader: Trader, name: str, **parameters: Any) -> AsyncIterator[Json]:
    """Set a switch for this account as long as the block runs."""
    made = await trader.paper.fault(name, account_index=trader.account, **parameters)
    try:
        yield made
    finally:
        await trader.paper.clear(made)


async def unanswered(call: Awaitable[object]) -> None:
    """Check that a call gets no answer within a moment."""
    with pytest.raises((TimeoutError, aiohttp.ClientError)):
        await asyncio.wait_for(call, SOON_S)


async def sell(trader: Trader, lots: int = 100) -> Any:
    """Sell at market."""
    return await trader.market(is_ask=True, base_amount=lots, price=1)


async def trade_rows(trader: Trader) -> list[Any]:
    """Return the account's trades by REST."""
    answer = await trader.orders.trades(
        authorization=trader.token, account_index=trader.account, sort_by="trade_id", limit=100
    )
    return list(answer.trades)


async def refused(trader: Trader, **body: Any) -> str:
    """Return the sentence that a bad switch is refused with."""
    with pytest.raises(PaperError) as caught:
        await trader.paper.call("POST", "/paper/faults", body)
    assert caught.value.status == 400
    return str(caught.value.body["message"])


# --- setting, listing, deleting


async def test_a_switch_is_listed_with_its_counters_until_it_is_deleted(trader: Trader) -> None:
    """GET shows parameters, defaults and counters; DELETE takes the switch away."""
    paper = trader.paper
    made = await paper.fault("no_liquidity", account_index=trader.account, count=2, seed=9)
    assert made["left"] == 2
    await sell(trader)
    row = next(row for row in await paper.faults() if row["id"] == made["id"])
    assert (row["matched"], row["fired"], row["left"], row["seed"]) == (1, 1, 1, 9)
    assert row["account_index"] == trader.account
    await paper.clear(made)
    assert made["id"] not in [row["id"] for row in await paper.faults()]
    with pytest.raises(PaperError) as caught:
        await paper.clear(made)
    assert caught.value.body["message"] == f"there is no fault {made['id']}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name must be a string"),
        ({"name": "earthquake"}, "name 'earthquake' is none of answer_lost_before"),
        ({"name": "no_liquidity", "delay_ms": 5}, "no_liquidity has no 'delay_ms'; it takes name"),
        ({"name": "answer_delayed"}, "delay_ms is required"),
        ({"name": "answer_delayed", "delay_ms": -1}, "delay_ms must be between 0 and 86400000"),
        ({"name": "answer_delayed", "delay_ms": "5"}, "delay_ms must be an integer"),
        ({"name": "answer_500", "accepted": 1}, "accepted must be true or false"),
        ({"name": "answer_lost_after", "how": "loudly"}, "how must be one of silent, cut"),
        ({"name": "partial_fill"}, "base_amount is required"),
        ({"name": "partial_fill", "base_amount": "a"}, "base_amount must be a decimal string"),
        ({"name": "order_cancelled", "status": "filled"}, "status must be one of canceled,"),
        ({"name": "no_liquidity", "probability": "0"}, "probability must be above 0"),
        ({"name": "no_liquidity", "count": -1}, "count must be between 0"),
        ({"name": "foreign_key_use", "account_index": 1, "api_key_index": 4}, "has no API key 4"),
        (
            {"name": "foreign_trade", "account_index": 1, "side": "up", "base_amount": "1"},
            "side must be one of buy, sell",
        ),
    ],
)
async def test_a_bad_switch_is_refused_in_one_sentence(
    trader: Trader, body: Json, said: str
) -> None:
    """Unknown names, unknown parameters and bad values are named; nothing is set."""
    before = await trader.paper.faults()
    message = await refused(trader, **body)
    assert said in message
    assert "\n" not in message
    assert await trader.paper.faults() == before


async def test_probability_is_drawn_from_the_seed(trader: Trader) -> None:
    """The same seed makes the same orders fail; `skip` lets the first ones pass."""
    outcomes = []
    for _ in range(2):
        statuses = []
        async with fault(trader, "no_liquidity", count=0, probability="0.5", seed=3):
            for _ in range(12):
                await sell(trader, 10)
                statuses.append((await trader.row()).status)
        outcomes.append(statuses)
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {"filled", "canceled-not-enough-liquidity"}
    async with fault(trader, "no_liquidity", skip=1):
        await sell(trader, 10)
        assert (await trader.row()).status == "filled"
        await sell(trader, 10)
        assert (await trader.row()).status == "canceled-not-enough-liquidity"


# --- answers


@pytest.mark.parametrize("how", ["silent", "cut"])
async def test_an_answer_lost_before_acceptance(trader: Trader, how: str) -> None:
    """No answer, and the nonce is free."""
    nonce = await trader.nonce()
    async with fault(trader, "answer_lost_before", how=how):
        await unanswered(trader.place())
    assert await trader.nonce() == nonce


@pytest.mark.parametrize("how", ["silent", "cut"])
async def test_an_answer_lost_after_acceptance(trader: Trader, how: str) -> None:
    """No answer, and the order rests."""
    async with fault(trader, "answer_lost_after", how=how):
        await unanswered(trader.place())
    assert (await trader.row()).status == "open"


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_answer_delayed(trader: Trader, accepted: bool) -> None:
    """Held before acceptance, the transaction comes in late; held after it, only the answer."""
    nonce = await trader.nonce()
    async with fault(trader, "answer_delayed", delay_ms=600, accepted=accepted):
        info = await trader.signed()
        await unanswered(trader.send(14, info))
        assert await trader.nonce() == nonce + accepted

        async def arrived() -> bool:
            return await trader.nonce() == nonce + 1

        await eventually(arrived, what="the transaction")


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(
    ("name", "status"), [("answer_405", 405), ("answer_429", 429), ("answer_500", 500)]
)
async def test_an_answer_replaced_by_an_error(
    trader: Trader, name: str, status: int, accepted: bool
) -> None:
    """The error comes whether the transaction was taken or not."""
    nonce = await trader.nonce()
    async with fault(trader, name, accepted=accepted):
        with pytest.raises(ApiException) as caught:
            await trader.place()
    assert caught.value.status == status
    assert await trader.nonce() == nonce + accepted


async def test_an_answer_replaced_by_html(trader: Trader) -> None:
    """HTTP 200 with a page instead of JSON."""
    async with fault(trader, "answer_html"):
        with pytest.raises(ApiException):
            await trader.place()
    await trader.place()


@pytest.mark.parametrize("code", [21136, 21511, 62007])
async def test_a_transaction_is_refused_for_good(trader: Trader, code: int) -> None:
    """The code is the one that was asked for, and the nonce stays free."""
    async with fault(trader, "tx_refused", code=code, message="not you", tx_type=14):
        with pytest.raises(ApiException) as caught:
            await trader.place()
    assert caught.value.status == 400
    assert json.loads(caught.value.body) == {"code": code, "message": "not you"}
    assert await trader.nonce() == 0


@pytest.mark.parametrize("status", [403, 429, 451])
async def test_an_upgrade_is_refused(trader: Trader, paper: PaperProcess, status: int) -> None:
    """A socket is refused with the status, as in a restricted region, while REST answers."""
    barred = await paper.fault("upgrade_refused", status=status)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(paper.ws_url)
    assert caught.value.status == status
    assert await trader.nonce() == 0
    await paper.clear(barred)
    async with Socket(paper.ws_url):
        pass


async def test_a_read_is_answered_with_an_error(trader: Trader) -> None:
    """`path` names another call than sendTx; only that call of that account fails."""
    async with fault(trader, "answer_500", path="nextNonce"):
        with pytest.raises(ApiException):
            await trader.nonce()
    assert await trader.nonce() == 0


async def ws_send(trader: Trader, socket: Socket, **fields: Any) -> None:
    """Send an order over a socket."""
    data = {"id": "k1", "tx_type": 14, "tx_info": await trader.signed(**fields)}
    await socket.send({"type": "jsonapi/sendtx", "data": data})


async def test_answers_over_the_socket(trader: Trader) -> None:
    """Lost before, lost after, late, refused, HTML: the same switches on the WebSocket."""
    async with trader.socket() as socket:
        async with fault(trader, "answer_lost_before", via="ws"):
            await ws_send(trader, socket)
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
        assert await trader.nonce() == 0
        async with fault(trader, "answer_lost_after", via="any"):
            await ws_send(trader, socket)
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
        assert await trader.nonce() == 1
        async with fault(trader, "answer_delayed", delay_ms=100, accepted=True):
            await ws_send(trader, socket)
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
            assert (await socket.receive())["code"] == 200
        async with fault(trader, "answer_429"):
            await ws_send(trader, socket)
            answer = await socket.receive()
            assert (answer["error"]["code"], answer["id"]) == (23000, "k1")
        async with fault(trader, "answer_500", accepted=True):
            await ws_send(trader, socket)
            assert (await socket.receive())["error"]["code"] == 29500
        async with fault(trader, "answer_html"):
            await ws_send(trader, socket)
            assert "<html>" in await socket.ws.recv()
        assert await trader.nonce() == 3
        async with fault(trader, "answer_lost_after", how="cut"):
            await ws_send(trader, socket)
            with pytest.raises(ConnectionClosed):
                await socket.receive()
        assert await trader.nonce() == 4


async def test_a_switch_for_http_does_not_concern_the_socket(trader: Trader) -> None:
    """`via` narrows to one path."""
    async with trader.socket() as socket, fault(trader, "answer_500", via="http"):
        await ws_send(trader, socket)
        assert (await socket.receive())["code"] == 200


# --- execution


async def test_accepted_then_cancelled(trader: Trader) -> None:
    """A row with the status, without a fill; the nonce is spent."""
    async with fault(trader, "order_cancelled", status="canceled-margin-not-allowed"):
        await sell(trader)
    row = await trader.row()
    assert (row.status, row.filled_base_amount) == ("canceled-margin-not-allowed", "0.0000")
    assert await trader.nonce() == 1
    assert await trader.position() == "0"


async def test_accepted_and_dropped_without_a_report(trader: Trader) -> None:
    """Nothing is told and nothing is listed; the nonce is spent, the next order executes."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        async with fault(trader, "order_dropped"):
            await sell(trader)
        await sell(trader)
        rows = (await socket.until("update/account_all_orders"))["orders"]["0"]
        assert rows[0]["client_order_index"] == trader.client_index
    found = await trader.orders.account_inactive_orders(
        authorization=trader.token, account_index=trader.account, limit=10
    )
    assert [row.client_order_index for row in found.orders] == [trader.client_index]
    assert await trader.nonce() == 2


async def test_failed_without_consuming_the_nonce(trader: Trader) -> None:
    """The transaction fails, its nonce is free again, and the same bytes execute later."""
    info = await trader.signed(is_ask=True, order_type=1, time_in_force=IOC, price=1)
    async with fault(trader, "nonce_given_back"):
        assert (await trader.send(14, info)).code == 200
    assert await trader.nonce() == 0
    tx = await trader.txs.tx(by="hash", value=trader.hash)
    assert tx.status == 0
    assert (await trader.send(14, info)).code == 200
    assert (await trader.row()).status == "filled"
    assert await trader.nonce() == 1


async def test_a_partial_ioc(trader: Trader) -> None:
    """The order finds only so much; the rest is cancelled for want of liquidity."""
    async with fault(trader, "partial_fill", base_amount="0.0030"):
        await sell(trader, 100)
    row = await trader.row()
    assert row.status == "canceled-not-enough-liquidity"
    assert (row.initial_base_amount, row.filled_base_amount) == ("0.0100", "0.0030")


async def test_a_market_order_only(trader: Trader) -> None:
    """`order_type` narrows to market orders: limit orders pass."""
    async with fault(trader, "no_liquidity", order_type=1):
        await trader.place(is_ask=True, price=290_000, time_in_force=IOC)
        assert (await trader.row()).status == "filled"
        await sell(trader)
        assert (await trader.row()).status == "canceled-not-enough-liquidity"


async def test_a_held_transaction_executes_when_it_is_released(trader: Trader) -> None:
    """It waits, and what is sent behind it with the same key waits too; DELETE lets both go."""
    held = await trader.paper.fault("held", account_index=trader.account)
    first, second = await sell(trader), await sell(trader)
    assert await trader.nonce() == 2
    assert abs(second.predicted_execution_time_ms - first.predicted_execution_time_ms) < 5_000
    assert await trader.position() == "0"
    await trader.paper.clear(held)
    assert await trader.position() == "-0.0200"


async def test_a_held_transaction_executes_just_before_it_expires() -> None:
    """Without a release it executes at the last moment at which it is valid."""
    with PaperProcess() as paper:
        async with paper.signer(ACCOUNT_A, KEY) as client:
            trader = Trader(paper, ACCOUNT_A, client)
            await paper.fault("held", before_expiry_ms=8_000)  # of the 599 s that it is valid
            await sell(trader)
            await paper.move_clock(585_000)
            assert await trader.position() == "0"
            await paper.move_clock(6_600)
            await eventually(lambda: sold(trader), what="the late execution")


async def sold(trader: Trader) -> bool:
    return await trader.position() != "0"


async def test_a_held_transaction_executes_after_its_delay(trader: Trader) -> None:
    """`delay_ms` counts from acceptance."""
    async with fault(trader, "held", delay_ms=150):
        await sell(trader)
        assert await trader.position() == "0"
        await eventually(lambda: sold(trader), what="the late execution")


# --- what reads see


async def test_rest_lags_the_stream(trader: Trader) -> None:
    """Trades, orders, nonce and account are those of a while ago, then catch up."""
    await sell(trader, 100)
    async with fault(trader, "rest_lag", lag_ms=400):
        await asyncio.sleep(0)
        before = time.monotonic()
        await sell(trader, 200)
        seen = await trade_rows(trader), await trader.nonce()
        if time.monotonic() - before < 0.3:
            assert (len(seen[0]), seen[1]) == (1, 1)

        async def caught_up() -> bool:
            return len(await trade_rows(trader)) == 2 and await trader.nonce() == 2

        await eventually(caught_up, what="REST catching up")
        row = next(row for row in await trader.paper.faults() if row["name"] == "rest_lag")
        assert row["fired"] >= 4
    assert len(await trade_rows(trader)) == 2


async def test_a_stale_replica_answers_account(trader: Trader) -> None:
    """`account` stays what it was, every other read is fresh, until the switch is deleted."""

    async def position() -> str:
        answer = await trader.accounts.account(by="index", value=str(trader.account))
        rows = answer.accounts[0].positions
        return str(rows[0].position) if rows else "0"

    await sell(trader, 100)
    async with fault(trader, "stale_replica"):
        await sell(trader, 100)
        assert await position() == "0.0100"
        assert len(await trade_rows(trader)) == 2
    assert await position() == "0.0200"


async def test_reads_lag_while_the_market_runs(new_trader: TraderFactory) -> None:
    """A copy follows the synthetic market's inputs too, and reads of others stay fresh."""
    with PaperProcess(market=True) as paper:
        trader = await new_trader(exchange=paper)
        other = await new_trader(exchange=paper)
        async with fault(trader, "rest_lag", lag_ms=100, path="trades"):
            for _ in range(5):
                await sell(other, 10)
                await sell(trader, 10)
            assert len(await trade_rows(other)) >= 5

            async def caught_up() -> bool:
                return len(await trade_rows(trader)) >= 5

            await eventually(caught_up, what="REST catching up")


# --- rows as they are told


async def resting(trader: Trader) -> list[Any]:
    """Return the rows of the account's resting orders by REST."""
    answer = await trader.orders.account_active_orders(
        authorization=trader.token, account_index=trader.account, market_id=ETH
    )
    return list(answer.orders)


async def listed(trader: Trader) -> tuple[list[int], list[int], list[str]]:
    """Return client ids of finished orders, trade ids, and hashes of transactions by REST."""
    rows = await trader.orders.account_inactive_orders(
        authorization=trader.token, account_index=trader.account, limit=100
    )
    trades = await trade_rows(trader)
    txs = await trader.txs.account_txs(
        authorization=trader.token, by="account_index", value=str(trader.account), limit=100
    )
    return (
        [row.client_order_index for row in rows.orders or []],
        [trade.trade_id for trade in trades],
        [tx.hash for tx in txs.txs or []],
    )


@pytest.mark.parametrize("what", ["rows", "trades", "transactions"])
async def test_one_kind_of_facts_is_listed_late(trader: Trader, what: str) -> None:
    """Its rows are missing from every list, those of other kinds are there; then it is listed."""
    async with fault(trader, "listed_late", what=what, least_ms=10_000):
        sent = (await sell(trader)).tx_hash
        number = ("rows", "trades", "transactions").index(what)
        found = await listed(trader)
        assert [len(one) for one in found] == [0 if at == number else 1 for at in range(3)]
        assert await resting(trader) == []
        by_hash = trader.txs.tx(by="hash", value=sent)
        if what == "transactions":
            with pytest.raises(ApiException) as caught:
                await by_hash
            assert json.loads(caught.value.body)["code"] == 21500
        else:
            assert (await by_hash).status == 2
        (row,) = [row for row in await trader.paper.faults() if row["name"] == "listed_late"]
        assert row["fired"] > 0
    assert [len(one) for one in await listed(trader)] == [1, 1, 1]


async def test_facts_are_listed_out_of_order(trader: Trader) -> None:
    """Each has a delay of its own, the same at every look, and is listed when that is over."""
    orders: list[list[int]] = []
    async with fault(trader, "listed_late", what="trades", least_ms=0, most_ms=900, seed=5):
        for _ in range(12):
            await sell(trader, 10)

        async def all_listed() -> bool:
            orders.append([trade.trade_id for trade in await trade_rows(trader)])
            return len(orders[-1]) == 12

        await eventually(all_listed, what="every trade to be listed")
    newest_first = orders[-1]
    assert any(seen != newest_first[len(newest_first) - len(seen) :] for seen in orders)
    assert all(set(before) <= set(after) for before, after in itertools.pairwise(orders))


async def test_a_resting_order_is_listed_late_too(trader: Trader) -> None:
    """The list of active orders lacks it until its delay is over; the stream shows it at once."""
    async with (
        fault(trader, "listed_late", what="rows", least_ms=10_000),
        trader.socket() as socket,
    ):
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        await trader.place()
        frame = await socket.until("update/account_all_orders")
        assert frame["orders"]["0"][0]["status"] == "open"
        assert await resting(trader) == []
    assert len(await resting(trader)) == 1
    await trader.cancel(trader.client_index)


async def test_only_the_first_facts_are_listed_late(trader: Trader) -> None:
    """With `facts` 1 the next one is listed at once; what was there before is not hidden."""
    await sell(trader, 10)
    async with fault(trader, "listed_late", what="rows", least_ms=10_000, facts=1):
        for _ in range(2):
            await sell(trader, 10)
        assert (await listed(trader))[0] == [trader.client_index, trader.client_index - 2]


@pytest.mark.parametrize("path", ["account", "nextNonce"])
async def test_one_read_is_stale_by_some_time(trader: Trader, path: str) -> None:
    """`account` or `nextNonce` alone answers from before; the other and every list are fresh."""

    async def told() -> tuple[str, int, int]:
        answer = await trader.accounts.account(by="index", value=str(trader.account))
        rows = answer.accounts[0].positions
        position = str(rows[0].position) if rows else "0"
        return position, await trader.nonce(), len(await trade_rows(trader))

    async with fault(trader, "rest_lag", path=path, lag_ms=10_000):
        await sell(trader, 100)
        stale = {"account": ("0", 1, 1), "nextNonce": ("0.0100", 0, 1)}
        assert await told() == stale[path]
    assert await told() == ("0.0100", 1, 1)


@pytest.mark.parametrize("how", ["null", "absent"])
async def test_a_list_is_null_or_absent(trader: Trader, how: str) -> None:
    """An empty list of code 200; with `full` also one that has rows."""
    query = {"auth": trader.token, "account_index": trader.account, "limit": 100}
    call = functools.partial(
        trader.paper.call, "GET", "/api/v1/trades", None, sort_by="trade_id", **query
    )
    expected = {"null": {"code": 200, "trades": None}, "absent": {"code": 200}}[how]
    async with fault(trader, "list_missing", how=how, path="trades"):
        assert await call() == expected
        await sell(trader)
        assert len((await call())["trades"]) == 1
    async with fault(trader, "list_missing", how=how, full=True):
        assert await call() == expected


@pytest.mark.parametrize(("how", "told"), [("null", None), ("absent", "")])
async def test_a_balance_is_not_told(trader: Trader, how: str, told: str | None) -> None:
    """The account's numbers come without what is available; REST has it."""
    async with fault(trader, "balance_missing", how=how), trader.socket() as socket:
        frame = await socket.subscribe(f"user_stats/{trader.account}", trader.token)
        assert frame["stats"].get("available_balance", "") == told
        assert frame["stats"]["collateral"] == "100000.000000"
        row = (await trader.accounts.account(by="index", value=str(trader.account))).accounts[0]
        assert row.available_balance == "100000.000000"
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"user_stats/{trader.account}", trader.token)
        assert frame["stats"]["available_balance"] == "100000.000000"


async def test_trades_are_dated_before_their_transaction(trader: Trader) -> None:
    """By REST and on the stream the same `timestamp`, up to 20 s early; other times are true."""
    async with fault(trader, "trade_time_early", seed=3), trader.socket() as socket:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        for _ in range(4):
            await sell(trader, 10)
        frames = [await socket.until("update/account_all_trades") for _ in range(4)]
        streamed = {row["trade_id"]: row for frame in frames for row in frame["trades"]["0"]}
        rows = await trade_rows(trader)
    early = {row.trade_id: row.transaction_time // 1000 - row.timestamp for row in rows}
    assert len(set(early.values())) > 1
    assert all(0 <= ms <= 20_000 for ms in early.values())
    assert {
        trade_id: row["transaction_time"] // 1000 - row["timestamp"]
        for trade_id, row in streamed.items()
    } == early
    (first, *_) = await trade_rows(trader)
    assert first.timestamp == first.transaction_time // 1000


async def test_order_times_are_whole_seconds(trader: Trader) -> None:
    """In the lists and on the stream."""
    async with fault(trader, "order_times_in_seconds"), trader.socket() as socket:
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        await sell(trader)
        (streamed,) = (await socket.until("update/account_all_orders"))["orders"]["0"]
        row = await trader.row()
    for found in (streamed, row.to_dict()):
        assert found["updated_at"] < 100_000_000_000
        assert found["transaction_time"] == found["updated_at"] * 1_000_000


@pytest.mark.parametrize(("how", "told"), [("zero", "0"), ("absent", None)])
async def test_positions_of_strangers_are_not_stated(
    trader: Trader, how: str, told: str | None
) -> None:
    """Their own reads and sockets state them; public lists and a socket without token do not."""
    await sell(trader, 100)
    field = "taker_position_size_before"
    async with (
        fault(trader, "position_before_lost", how=how),
        trader.socket() as own,
        trader.socket() as public,
    ):
        await own.subscribe(f"account_all_trades/{trader.account}", trader.token)
        await public.subscribe(f"account_all/{trader.account}")
        await sell(trader, 10)
        mine = (await own.until("update/account_all_trades"))["trades"]["0"][0]
        frames = [await public.until("update/account_all") for _ in range(2)]
        (theirs,) = [row for frame in frames for row in frame["trades"].get("0", ())]
        recent = await trader.paper.call("GET", "/api/v1/recentTrades", market_id=ETH, limit=1)
        assert (mine[field], theirs.get(field)) == ("-0.0100", told)
        assert recent["trades"][0].get(field) == told
        assert (await trade_rows(trader))[0].taker_position_size_before == "-0.0100"


# --- frames


async def fill_frames(trader: Trader, socket: Socket, count: int) -> list[int]:
    """Return the trade ids of the next `count` trade frames of the account."""
    ids = []
    for _ in range(count):
        frame = await socket.until("update/account_all_trades")
        ids += [row["trade_id"] for row in frame["trades"]["0"]]
    return ids


async def test_frames_duplicated_dropped_and_reversed(trader: Trader) -> None:
    """Trade frames come twice, not at all, or in the wrong order, on a live socket."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        async with fault(trader, "frames_duplicated"):
            await sell(trader)
            first, again = await fill_frames(trader, socket, 2)
            assert first == again
        async with fault(trader, "frames_dropped"):
            await sell(trader)
            await sell(trader)
            (third,) = await fill_frames(trader, socket, 1)
            assert third == first + 2
        async with fault(trader, "trades_reversed", within_ms=3000):
            await sell(trader)
            await sell(trader)
            assert await fill_frames(trader, socket, 2) == [first + 4, first + 3]
        async with fault(trader, "trades_reversed", within_ms=50):
            await sell(trader)
            assert await fill_frames(trader, socket, 1) == [first + 5]


async def kinds(trader: Trader, socket: Socket, wanted: int) -> list[str]:
    """Return the order in which the frames of one fill come."""
    found: list[str] = []
    while len(found) < wanted:
        frame = await socket.receive()
        if frame["type"] == "update/account_all" and frame["trades"]:
            found.append("trade")
        elif frame["type"] == "update/account_all" and frame["positions"]:
            found.append("position")
        elif frame["type"] == "update/account_all_orders":
            found.append("order")
    return found


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("position_before_trade", ["position", "order", "trade"]),
        ("position_after_trade", ["trade", "order", "position"]),
        ("order_before_trades", ["position", "order", "trade"]),
    ],
)
async def test_frames_of_a_fill_in_another_order(
    trader: Trader, name: str, order: list[str]
) -> None:
    """Position, trade and order row arrive in the order that the switch makes."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all/{trader.account}")
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        async with fault(trader, name):
            await sell(trader)
            assert await kinds(trader, socket, 3) == order


async def test_a_snapshot_replays_old_trades(trader: Trader) -> None:
    """The first frame of the trade channel carries trades of before."""
    await sell(trader)
    await sell(trader)
    async with trader.socket() as socket, fault(trader, "snapshot_replays_trades", trades=1):
        frame = await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        assert len(frame["trades"]["0"]) == 1


async def test_the_nonce_of_the_book_has_a_gap(paper: PaperProcess) -> None:
    """One update of the order book is missing: the next does not chain."""
    async with Socket(paper.ws_url) as socket:
        frame = await socket.subscribe("order_book/0")
        gap = await paper.fault("book_gap", market_index=ETH)

        async def fired() -> bool:
            await paper.take(ETH, "buy", "0.0010")
            return await paper.fired(gap) == 1

        await eventually(fired, what="the gap")
        await paper.take(ETH, "sell", "0.0010")
        update = await socket.until("update/order_book")
        assert update["order_book"]["begin_nonce"] != frame["order_book"]["nonce"]
        await paper.clear(gap)


# --- sockets and strangers


async def test_a_silent_socket(trader: Trader) -> None:
    """Open, but nothing comes any more, not even a pong, until the switch is deleted."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        async with fault(trader, "socket_silent") as made:
            assert made["fired"] == 1
            await sell(trader)
            await socket.send({"type": "ping"})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.ws.recv(), SOON_S)
        assert (await socket.ask({"type": "ping"}))["type"] == "pong"


async def drained(socket: Socket) -> None:
    """Read until the socket is closed."""
    while True:
        await socket.receive()


async def test_silent_channels(trader: Trader) -> None:
    """Pings are answered, and no channel carries anything, no snapshot either, until deleted."""
    channel = f"account_all_trades/{trader.account}"
    async with trader.socket() as socket:
        await socket.subscribe(channel, trader.token)
        async with fault(trader, "channels_silent", family="account_all_trades") as made:
            assert made["fired"] == 1
            await sell(trader)
            await socket.send({"type": "unsubscribe", "channel": channel})
            assert (await socket.receive())["type"] == "unsubscribed"
            await socket.send({"type": "subscribe", "channel": channel, "auth": trader.token})
            assert (await socket.ask({"type": "ping"}))["type"] == "pong"
        await sell(trader)
        assert (await socket.receive())["type"] == "update/account_all_trades"


async def test_sockets_that_carry_only_pings(trader: Trader) -> None:
    """A transaction is carried out and not answered, a new socket says nothing; pongs come."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        made = await trader.paper.fault("only_pings")
        try:
            info = await trader.signed()
            data = {"id": "1", "tx_type": 14, "tx_info": info}
            await socket.send({"type": "jsonapi/sendtx", "data": data})
            assert (await socket.ask({"type": "ping"}))["type"] == "pong"

            async def rests() -> bool:
                return len(await resting(trader)) == 1

            await eventually(rests, what="the order to rest")
            assert (await socket.ask({"type": "ping"}))["type"] == "pong"
            async with websockets.connect(trader.paper.ws_url) as other:
                await other.send(json.dumps({"type": "ping"}))
                assert json.loads(await other.recv()) == {"type": "pong"}
        finally:
            await trader.paper.clear(made)
        await trader.cancel(trader.client_index)
        assert await socket.until("update/account_all_orders")


async def test_the_sockets_of_one_family_are_cut(trader: Trader) -> None:
    """Those with the order book go, one that carries an account stays."""
    async with trader.socket() as socket, trader.socket() as book:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        await book.subscribe("order_book/0")
        await trader.paper.fault("socket_cut", family="order_book")
        with pytest.raises(ConnectionClosed):
            await drained(book)
        assert (await socket.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize(("name", "code"), [("no_pong", 1008), ("socket_cut", 1006)])
async def test_a_socket_is_closed(trader: Trader, name: str, code: int) -> None:
    """Closed with 1008 "no pong", or cut without a word; other accounts keep theirs."""
    async with trader.socket() as socket, trader.socket() as other:
        await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        async with fault(trader, name):
            with pytest.raises(ConnectionClosed) as caught:
                await socket.receive()
        found = caught.value.rcvd.code if caught.value.rcvd else 1006
        assert found == code
        assert (await other.ask({"type": "ping"}))["type"] == "pong"


async def test_a_shutdown_is_announced() -> None:
    """Every client hears of it and is closed after the time named."""
    with PaperProcess() as paper:
        async with Socket(paper.ws_url) as socket:
            await paper.fault("shutdown", close_in_ms=100)
            assert await socket.receive() == {"type": "shutdown", "close_in_ms": 100}
            with pytest.raises(ConnectionClosed) as caught:
                await socket.receive()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001


async def test_a_stranger_uses_the_key(trader: Trader) -> None:
    """The key's next nonce is spent by somebody else."""
    nonce = await trader.nonce()
    info = await trader.signed()
    async with fault(trader, "foreign_key_use", api_key_index=KEY):
        pass
    assert await trader.nonce() == nonce + 1
    with pytest.raises(ApiException) as caught:
        await trader.send(14, info)
    assert "21104" in caught.value.body


async def test_a_stranger_trades_the_account(trader: Trader) -> None:
    """The account's position changes by a trade that its own key did not make."""
    async with fault(trader, "foreign_trade", side="buy", base_amount="0.0500"):
        pass
    assert await trader.position() == "0.0500"
    assert await trader.nonce() == 0


async def test_an_account_is_liquidated(trader: Trader) -> None:
    """So much collateral is gone that the exchange closes the position itself."""
    assert "has no position" in await refused(
        trader, name="liquidation", account_index=trader.account
    )
    await sell(trader, 1000)
    async with fault(trader, "liquidation"):
        pass
    assert await trader.position() == "0.0000"
    row = (await trade_rows(trader))[0]
    assert (row.type, row.bid_account_id) == ("liquidation", trader.account)


async def test_no_switch_concerns_another_account(new_trader: TraderFactory) -> None:
    """A switch of one account leaves every other one alone."""
    one, other = await new_trader(), await new_trader()
    async with fault(one, "order_cancelled", count=0), fault(one, "answer_500", count=0):
        await sell(other)
        assert (await other.row()).status == "filled"
        with pytest.raises((ApiException, Refused)):
            await sell(one)
