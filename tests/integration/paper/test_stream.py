"""The WebSocket: sessions, subscriptions, frames of an execution, order book continuity."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from paper.session import COMPRESS_FROM
from tests.integration.paper.support import DEADLINE_S, ETH, IOC, Socket, Trader
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

MARKET_CHANNELS = ("order_book/0", "ticker/0", "market_stats/0", "market_stats/all", "trade/0")
PRIVATE_FAMILIES = (
    "account_all_orders",
    "account_all_trades",
    "account_all_positions",
    "account_all_assets",
    "account_tx",
    "notification",
)


@pytest.mark.parametrize("channel", [*MARKET_CHANNELS, "height"])
async def test_market_channels_answer(paper: PaperProcess, channel: str) -> None:
    """A market channel answers with its state under its colon name, without a token."""
    async with Socket(paper.ws_url) as socket:
        frame = await socket.subscribe(channel)
        assert frame["type"] == "subscribed/" + channel.partition("/")[0]
        assert frame["channel"] == channel.replace("/", ":")


@pytest.mark.parametrize("family", [*PRIVATE_FAMILIES, "account_all", "user_stats"])
async def test_account_channels_answer(trader: Trader, family: str) -> None:
    """An account channel answers with the account's state."""
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"{family}/{trader.account}", trader.token)
        assert frame["type"] == f"subscribed/{family}"
        assert frame["channel"] == f"{family}:{trader.account}"


async def test_account_orders_of_one_market(trader: Trader) -> None:
    """account_orders shows one market's orders only."""
    await trader.place()
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"account_orders/1/{trader.account}", trader.token)
        assert frame["orders"] == {}
        frame = await socket.subscribe(f"account_orders/0/{trader.account}", trader.token)
        assert list(frame["orders"]) == ["0"]
        await trader.cancel_all()
        frame = await socket.until("update/account_orders")
        assert frame["orders"]["0"][0]["status"] == "canceled"


async def test_account_market_tells_everything_of_one_market(trader: Trader) -> None:
    """account_market carries orders, position and trades of its market, and echoes slashes."""
    await trader.place(price=299_900)
    name = f"account_market/0/{trader.account}"
    async with trader.socket() as socket:
        first = await socket.subscribe(name, trader.token)
        assert set(first) == {
            *("account", "assets", "channel", "funding_history", "orders", "position"),
            *("trades", "type"),
        }
        assert (first["channel"], first["type"]) == (name, "subscribed/account_market")
        assert [row["status"] for row in first["orders"]] == ["open"]
        assert (first["position"][0]["position"], first["trades"]) == ("0.0000", [])
        await trader.paper.take(ETH, "sell", "0.0100", until_account=trader.account)
        frames = [await socket.receive() for _ in range(3)]
        assert {frame["type"] for frame in frames} == {"update/account_market"}
        assert frames[0]["position"][0]["position"] == "0.0100"
        assert frames[1]["trades"][0]["bid_account_id"] == trader.account
        assert frames[2]["orders"][0]["status"] == "filled"
        answer = await socket.ask({"type": "unsubscribe", "channel": name})
        assert answer == {"type": "unsubscribed", "channel": name}


async def test_ticker_follows_the_best_prices_at_once(trader: Trader) -> None:
    """The ticker sends a frame when the best price moves, and only then."""
    async with trader.socket() as socket:
        first = await socket.subscribe("ticker/0")
        assert set(first["ticker"]) == {"s", "a", "b", "last_updated_at"}
        await trader.place(price=299_000)
        await trader.place(price=299_995)
        frame = await socket.receive()
        assert frame["type"] == "update/ticker"
        assert frame["ticker"]["b"] == {"price": "2999.95", "size": "0.0100"}
        await trader.cancel_all()
        frame = await socket.receive()
        assert frame["ticker"]["b"] == first["ticker"]["b"]


async def test_snapshots_count_the_volume(trader: Trader) -> None:
    """Snapshots of account channels count the trades and volumes of the account."""
    await trader.market(is_ask=False, base_amount=100, price=301_000)
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"account_all/{trader.account}")
        assert (frame["daily_trades_count"], frame["total_trades_count"]) == (1, 1)
        assert 29 < frame["weekly_volume"] < 31
        frame = await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        assert 29 < frame["total_volume"] < 31


@pytest.mark.parametrize("family", PRIVATE_FAMILIES)
async def test_private_channels_need_a_token(trader: Trader, family: str) -> None:
    """A private channel without a token is 20001, with a foreign one 20013; nothing follows."""
    name = f"{family}/{trader.account}"
    async with trader.socket() as socket:
        frame = await socket.subscribe(name)
        assert frame["error"]["code"] == 20001
        assert "auth field is required" in frame["error"]["message"]
        assert "type" not in frame
        frame = await socket.subscribe(name, trader.token.replace(f":{trader.account}:", ":7:"))
        assert frame["error"]["code"] == 20013


async def test_subscribe_twice_and_resubscribe(paper: PaperProcess) -> None:
    """A second subscribe is 30003 without a snapshot; unsubscribe and subscribe gives a new one."""
    async with Socket(paper.ws_url) as socket:
        await socket.subscribe("order_book/0")
        frame = await socket.subscribe("order_book/0")
        assert frame == {
            "error": {"code": 30003, "message": "Already Subscribed to : order_book:0"}
        }
        await socket.send({"type": "unsubscribe", "channel": "order_book/0"})
        await socket.send({"type": "subscribe", "channel": "order_book/0"})
        assert await socket.receive() == {"type": "unsubscribed", "channel": "order_book:0"}
        assert (await socket.receive())["type"] == "subscribed/order_book"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 30000),
        ("", 30000),
        ("[" * 100_000, 30000),
        ("9" * 5000, 30000),
        (b"\xff\xfe", 30000),
        ("[]", 30001),
        ("null", 30001),
        ('"text"', 30001),
        ("{}", 30001),
        ('{"type":5}', 30001),
        ('{"type":"subscrib"}', 30001),
        ('{"type":"subscribe"}', 20001),
        ('{"type":"subscribe","channel":5}', 20001),
        ('{"type":"subscribe","channel":"x"}', 30005),
        ('{"type":"subscribe","channel":"order_book/77"}', 30005),
        ('{"type":"subscribe","channel":"account_all/1"}', 30005),
        ('{"type":"unsubscribe","channel":"order_book/0"}', 30002),
        ('{"type":"jsonapi/sendtx"}', 30007),
        ('{"type":"jsonapi/sendtx","data":[]}', 30007),
        ('{"type":"jsonapi/sendtx","data":{"tx_type":14,"tx_info":"x"}}', 21501),
        ('{"type":"jsonapi/sendtx","data":{"tx_type":true,"tx_info":{}}}', 21501),
        ('{"type":"jsonapi/sendtx","data":{"tx_type":1e400,"tx_info":{}}}', 21501),
        ('{"type":"jsonapi/sendtxbatch"}', 30007),
        ('{"type":"jsonapi/sendtxbatch","data":{}}', 20001),
        ('{"type":"jsonapi/sendtxbatch","data":{"tx_types":[14],"tx_infos":["{}"]}}', 20001),
        ('{"type":"jsonapi/sendtxbatch","data":{"tx_types":"[]","tx_infos":"[]"}}', 21501),
    ],
)
async def test_bad_messages_leave_the_socket_open(
    paper: PaperProcess, message: str | bytes, code: int
) -> None:
    """A bad message is answered with an error frame, and the socket goes on."""
    async with Socket(paper.ws_url) as socket:
        frame = await socket.ask(message)
        assert frame["error"]["code"] == code
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_pings_are_answered(paper: PaperProcess) -> None:
    """A ping of the application and a ping of the protocol are both answered."""
    async with Socket(paper.ws_url) as socket:
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}
        async with asyncio.timeout(DEADLINE_S):
            await (await socket.ws.ping())


async def test_send_tx_over_the_socket(trader: Trader) -> None:
    """A transaction over the socket is answered with its id, and then its frames come."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_all_orders/{trader.account}", trader.token)
        info = await trader.signed(time_in_force=IOC, price=301_000)
        data = {"id": "k1", "tx_type": 14, "tx_info": info}
        answer = await socket.ask({"type": "jsonapi/sendtx", "data": data})
        assert set(answer) == {"code", "id", "predicted_execution_time_ms", "tx_hash", "type"}
        assert (answer["code"], answer["id"], answer["type"]) == (200, "k1", "jsonapi/sendtx")
        assert answer["tx_hash"] == trader.hash
        frame = await socket.receive()
        assert frame["type"] == "update/account_all_orders"
        assert frame["orders"]["0"][0]["status"] == "filled"
        again = await socket.ask({"type": "jsonapi/sendtx", "data": data})
        assert again == {"error": {"code": 21104, "message": "invalid nonce"}, "id": "k1"}


async def test_readonly_sockets_do_not_trade(trader: Trader) -> None:
    """A socket opened with readonly=true refuses transactions, alone and in batches."""
    async with Socket(trader.paper.ws_url + "?readonly=true") as socket:
        data = {"tx_type": 14, "tx_info": await trader.signed()}
        for kind in ("jsonapi/sendtx", "jsonapi/sendtxbatch"):
            frame = await socket.ask({"type": kind, "data": data})
            assert frame["error"]["code"] == 30006


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_compression_is_the_clients_choice(
    paper: PaperProcess, compression: str | None
) -> None:
    """A client that offers permessage-deflate gets it, in both directions."""
    async with connect(paper.ws_url, compression=compression, max_size=None) as ws:
        names = [extension.name for extension in ws.protocol.extensions]
        assert names == (["permessage-deflate"] if compression else [])
        await ws.recv()
        for channel in ("market_stats/all", "order_book/0"):
            await ws.send(json.dumps({"type": "subscribe", "channel": channel, "x": "y" * 5000}))
            wanted, kind = "subscribed/" + channel.partition("/")[0], ""
            async with asyncio.timeout(DEADLINE_S):
                while kind != wanted:  # prices move meanwhile: the first channel's updates
                    text = await ws.recv()
                    kind = json.loads(text)["type"]
            if channel == "market_stats/all":
                assert len(text) > COMPRESS_FROM


async def test_frames_of_a_fill(trader: Trader) -> None:
    """A fill of a resting order is a position, then a trade, then the order, all at once."""
    await trader.place(price=299_900)
    async with trader.socket() as socket:
        for family in ("account_all_positions", "account_all_trades", "account_all_orders"):
            await socket.subscribe(f"{family}/{trader.account}", trader.token)
        await trader.paper.take(ETH, "sell", "0.0100", until_account=trader.account)
        frames = [await socket.receive() for _ in range(3)]
    assert [frame["type"] for frame in frames] == [
        "update/account_all_positions",
        "update/account_all_trades",
        "update/account_all_orders",
    ]
    position, trade, order = (
        frames[0]["positions"]["0"],
        frames[1]["trades"]["0"][0],
        frames[2]["orders"]["0"][0],
    )
    assert (position["position"], position["sign"]) == ("0.0100", 1)
    assert (trade["size"], trade["bid_account_id"]) == ("0.0100", trader.account)
    assert trade["bid_client_id"] == trader.client_index
    assert (order["status"], order["order_index"]) == ("filled", trade["bid_id"])


async def test_account_all_is_deltas(trader: Trader) -> None:
    """account_all sends a position frame, then a frame with the new trade only."""
    await trader.place(price=299_900, base_amount=200)
    async with trader.socket() as socket:
        first = await socket.subscribe(f"account_all/{trader.account}")
        assert (first["account"], first["trades"]) == (trader.account, {})
        for _ in range(2):
            await trader.paper.take(ETH, "sell", "0.0050", until_account=trader.account)
        frames = [await socket.receive() for _ in range(4)]
    assert [(len(f["positions"]), len(f["trades"])) for f in frames] == [(1, 0), (0, 1)] * 2
    ids = [frames[1]["trades"]["0"][0]["trade_id"], frames[3]["trades"]["0"][0]["trade_id"]]
    assert ids[0] < ids[1]
    assert [f["positions"]["0"]["position"] for f in frames[::2]] == ["0.0050", "0.0100"]
    await trader.cancel_all()


async def test_snapshots_replay_no_fills(trader: Trader) -> None:
    """After a fill the first frames of a new socket carry the position, but no trades."""
    await trader.market(is_ask=True, base_amount=100, price=299_000)
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"account_all_trades/{trader.account}", trader.token)
        assert frame["trades"] == []
        frame = await socket.subscribe(f"account_all_positions/{trader.account}", trader.token)
        row = frame["positions"]["0"]
        assert (row["position"], row["sign"]) == ("0.0100", -1)


async def test_public_trades(trader: Trader) -> None:
    """The trade channel replays the last fifty trades and then sends new ones."""
    async with trader.socket() as socket:
        for _ in range(51):
            await trader.paper.take(ETH, "buy", "0.0001")
        frame = await socket.subscribe("trade/0")
        assert len(frame["trades"]) == 50
        await trader.paper.take(ETH, "buy", "0.0003")
        frame = await socket.until("update/trade")
        assert [trade["size"] for trade in frame["trades"]] == ["0.0003"]


async def test_transactions_of_an_account(trader: Trader) -> None:
    """account_tx shows a transaction queued and then executed, with its outcome."""
    async with trader.socket() as socket:
        await socket.subscribe(f"account_tx/{trader.account}", trader.token)
        answer = await trader.market(is_ask=False, base_amount=100, price=301_000)
        rows = [(await socket.until("update/account_tx"))["txs"][0] for _ in range(2)]
    assert [row["status"] for row in rows] == [1, 2]
    assert {row["hash"] for row in rows} == {answer.tx_hash}
    event = json.loads(rows[1]["event_info"])
    assert event["ae"] == ""
    assert event["to"]["st"] == 3


async def test_user_stats_follow_the_money(trader: Trader) -> None:
    """user_stats changes with the collateral."""
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"user_stats/{trader.account}")
        assert frame["stats"]["collateral"] == "100000.000000"
        await trader.paper.collateral(trader.account, "-1.5")
        frame = await socket.until("update/user_stats")
        assert frame["stats"]["collateral"] == "99998.500000"


def apply_levels(book: dict[str, dict[str, str]], frame: dict[str, Any]) -> None:
    for side in ("asks", "bids"):
        for level in frame["order_book"][side]:
            if float(level["size"]) == 0:
                book[side].pop(level["price"], None)
            else:
                book[side][level["price"]] = level["size"]


async def test_order_book_chains() -> None:
    """Updates chain by nonce, and applied to the snapshot they give the next snapshot."""
    async with PaperProcess(market=True, seed=5) as own, Socket(own.ws_url) as socket:
        frame = await socket.subscribe("order_book/0")
        assert frame["order_book"]["begin_nonce"] == 0
        book: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
        apply_levels(book, frame)
        nonce = frame["order_book"]["nonce"]
        for _ in range(10):
            frame = await socket.until("update/order_book")
            assert frame["order_book"]["begin_nonce"] == nonce
            nonce = frame["order_book"]["nonce"]
            apply_levels(book, frame)
        async with Socket(own.ws_url) as other:
            snapshot = await other.subscribe("order_book/0")
        while nonce < snapshot["order_book"]["nonce"]:
            frame = await socket.until("update/order_book")
            assert frame["order_book"]["begin_nonce"] == nonce
            nonce = frame["order_book"]["nonce"]
            apply_levels(book, frame)
        assert nonce == snapshot["order_book"]["nonce"]
        expected: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
        apply_levels(expected, snapshot)
        assert book == expected


async def closing(socket: Socket) -> tuple[int, str]:
    """Return code and reason of the server's close."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(DEADLINE_S):
            while True:
                await socket.ws.recv()
    return socket.ws.close_code or 0, socket.ws.close_reason or ""


async def test_a_silent_client_is_closed() -> None:
    """A client that sends nothing for the idle time is closed."""
    async with (
        PaperProcess(extra=("--idle-close-s", "0.3")) as own,
        Socket(own.ws_url) as socket,
    ):
        assert (await closing(socket))[0] == 1001


async def test_a_missing_pong_closes() -> None:
    """With server pings on, a client that does not answer is closed with 1008 "no pong"."""
    async with (
        PaperProcess(extra=("--server-ping-s", "1")) as own,
        Socket(own.ws_url) as socket,
    ):
        assert await socket.receive() == {"type": "ping"}
        await socket.send({"type": "pong"})
        assert await socket.receive() == {"type": "ping"}
        assert await closing(socket) == (1008, "no pong")


async def test_a_client_that_does_not_read_is_dropped(paper: PaperProcess) -> None:
    """A client that never reads is dropped, and the exchange goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", paper.port, limit=1024)
    writer.write(
        b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    reader._transport.pause_reading()
    frame = b'{"type":"ping"}'
    masked = b"\x81" + bytes([0x80 | len(frame)]) + b"\0\0\0\0" + frame
    subscribe = b'{"type":"subscribe","channel":"trade/0"}'
    unsubscribe = b'{"type":"unsubscribe","channel":"trade/0"}'
    pair = b"".join(
        b"\x81" + bytes([0x80 | len(text)]) + b"\0\0\0\0" + text
        for text in (subscribe, unsubscribe)
    )

    async def push() -> None:
        while True:
            writer.write(pair * 20 + masked)
            await writer.drain()

    with pytest.raises(OSError):  # noqa: PT011  reset or broken pipe, as the system has it
        async with asyncio.timeout(30):
            await push()
    writer.close()
    assert (await paper.state())["code"] == 200


async def test_shutdown_is_announced() -> None:
    """A stopping exchange tells its clients, closes, and ends with exit code 0."""
    own = PaperProcess()
    await asyncio.to_thread(own.start)
    async with Socket(own.ws_url) as socket:
        stopping = asyncio.create_task(asyncio.to_thread(own.stop))
        frame = await socket.receive()
        assert frame["type"] == "shutdown"
        assert (await closing(socket))[0] == 1001
        assert await stopping == 0
    own.__exit__()
