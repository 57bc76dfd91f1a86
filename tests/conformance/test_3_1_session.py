"""Section 3.1, one test per rule of a WebSocket session, and section 3.3's frames."""

import asyncio
import json
from typing import Any

import lighter
import pytest
import websockets
from websockets.extensions.permessage_deflate import PerMessageDeflate

from tests.conformance.kit import ETH, TX_CREATE, Client
from tests.conformance.shapes import Shape, exactly, integer, matching, text
from tests.integration.paper.support import DEADLINE_S, Socket
from tests.waiting import eventually
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

ERROR = Shape("error frame", {"error": Shape("error", {"code": integer, "message": text})})
BOOK = {"type": "subscribe", "channel": "order_book/0"}


def code_of(frame: dict[str, Any]) -> int:
    """Return the code of an error frame, which has neither type nor channel."""
    ERROR(frame)
    code: int = frame["error"]["code"]
    return code


async def test_connected(paper: PaperProcess) -> None:
    """The first frame is {"session_id": uuid, "type": "connected"}."""
    async with websockets.connect(paper.ws_url) as socket:
        frame = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    Shape(
        "connected",
        {"type": exactly("connected"), "session_id": matching("[0-9a-f-]{36}", "a uuid")},
    )(frame)


async def test_subscribe_and_unsubscribe(paper: PaperProcess) -> None:
    """Requests use a slash, answers a colon; the answer to unsubscribe has the bare type."""
    async with Socket(paper.ws_url) as socket:
        frame = await socket.ask(BOOK)
        assert (frame["type"], frame["channel"]) == ("subscribed/order_book", "order_book:0")
        await socket.send({"type": "unsubscribe", "channel": "order_book/0"})
        frame = await socket.until("unsubscribed")
        assert frame == {"type": "unsubscribed", "channel": "order_book:0"}


async def test_resync_by_unsubscribe_and_subscribe(paper: PaperProcess) -> None:
    """Unsubscribe and subscribe sent back to back give an acknowledgement and a new snapshot."""
    async with Socket(paper.ws_url) as socket:
        await socket.ask(BOOK)
        await socket.send({"type": "unsubscribe", "channel": "order_book/0"})
        await socket.send(BOOK)
        await socket.until("unsubscribed")
        frame = await socket.until("subscribed/order_book")
        assert frame["order_book"]["begin_nonce"] == 0


async def test_duplicate_subscription(paper: PaperProcess) -> None:
    """A second subscribe is 30003 in the documented words, and there is no second snapshot."""
    async with Socket(paper.ws_url) as socket:
        await socket.ask({"type": "subscribe", "channel": "height"})
        frame = await socket.ask({"type": "subscribe", "channel": "height"})
        while frame.get("type") == "update/height":
            frame = await socket.receive()
        assert code_of(frame) == 30003
    async with Socket(paper.ws_url) as socket:
        await socket.ask({"type": "subscribe", "channel": "trade/1"})
        frame = await socket.ask({"type": "subscribe", "channel": "trade/1"})
        assert frame == {"error": {"code": 30003, "message": "Already Subscribed to : trade:1"}}
        assert (await socket.ask({"type": "ping"})) == {"type": "pong"}


@pytest.mark.parametrize("channel", ["nothing/0", "order_book", "order_book/0/1", "trade/x", ""])
async def test_invalid_channel(channel: str, paper: PaperProcess) -> None:
    """An unknown channel is 30005 without type and channel, and the socket stays open."""
    async with Socket(paper.ws_url) as socket:
        assert code_of(await socket.ask({"type": "subscribe", "channel": channel})) == 30005
        assert (await socket.ask({"type": "ping"})) == {"type": "pong"}


async def test_invalid_json(paper: PaperProcess) -> None:
    """What is not JSON is 30000, and the socket stays open."""
    async with Socket(paper.ws_url) as socket:
        assert code_of(await socket.ask("{nonsense")) == 30000
        assert (await socket.ask({"type": "ping"})) == {"type": "pong"}


async def test_invalid_type(paper: PaperProcess) -> None:
    """An unknown message type is 30001."""
    async with Socket(paper.ws_url) as socket:
        assert code_of(await socket.ask({"type": "nothing"})) == 30001


async def test_not_subscribed(paper: PaperProcess) -> None:
    """Unsubscribing what was never subscribed is 30002."""
    async with Socket(paper.ws_url) as socket:
        frame = await socket.ask({"type": "unsubscribe", "channel": "order_book/0"})
        assert code_of(frame) == 30002


async def test_missing_auth(client: Client) -> None:
    """A private channel without a token is 20001 "auth field is required"."""
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all_orders/{client.account}")
        assert code_of(frame) == 20001
        assert "auth field is required" in frame["error"]["message"]


async def test_token_of_another_account(client: Client) -> None:
    """Another account's token does not open a private channel."""
    async with client.socket() as socket:
        frame = await socket.subscribe("account_all_orders/280459", client.token)
        assert code_of(frame) != 200


async def test_readonly_socket(client: Client) -> None:
    """A socket opened with ?readonly=true has market data and takes no transactions."""
    nonce = await client.nonce()
    async with Socket(f"{client.paper.ws_url}?readonly=true") as socket:
        assert (await socket.ask(BOOK))["type"] == "subscribed/order_book"
        data = {"id": "r", "tx_type": TX_CREATE, "tx_info": await client.signed()}
        await socket.send({"type": "jsonapi/sendtx", "data": data})
        answer = await socket.receive()
        assert "error" in answer
    assert (await client.nonce(), await client.active()) == (nonce, [])


async def test_application_ping(paper: PaperProcess) -> None:
    """The server answers {"type":"ping"} with {"type":"pong"}."""
    async with Socket(paper.ws_url) as socket:
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_protocol_ping(paper: PaperProcess) -> None:
    """The server answers a protocol ping with a protocol pong."""
    async with Socket(paper.ws_url) as socket:
        waiter = await socket.ws.ping()
        assert await asyncio.wait_for(waiter, DEADLINE_S) >= 0


async def test_permessage_deflate(paper: PaperProcess) -> None:
    """The server accepts permessage-deflate when offered, and does without it when not."""
    async with websockets.connect(paper.ws_url) as socket:
        assert any(isinstance(e, PerMessageDeflate) for e in socket.protocol.extensions)
        await socket.send(json.dumps(BOOK))
        await socket.recv()
        assert json.loads(await socket.recv())["type"] == "subscribed/order_book"
    async with websockets.connect(paper.ws_url, compression=None) as socket:
        assert not socket.protocol.extensions
        assert json.loads(await socket.recv())["type"] == "connected"


async def test_silent_client_is_closed() -> None:
    """The server closes a socket without any client frame; a ping of either kind counts."""
    with PaperProcess(extra=("--idle-close-s", "2")) as own:
        async with (
            Socket(own.ws_url) as silent,
            Socket(own.ws_url) as app,
            Socket(own.ws_url) as protocol,
        ):
            for _ in range(5):
                await asyncio.sleep(0.5)  # the interval is what is tested
                await app.ask({"type": "ping"})
                await protocol.ws.ping()
            await asyncio.wait_for(silent.ws.wait_closed(), DEADLINE_S)
            assert await app.ask({"type": "ping"}) == {"type": "pong"}
            assert await protocol.ask({"type": "ping"}) == {"type": "pong"}


def follower(own: PaperProcess, seen: list[Any]) -> asyncio.Task[None]:
    """The SDK's client at work: what it was called with goes into `seen`."""
    official = lighter.WsClient(
        order_book_ids=[ETH],
        ws_url=own.ws_url,
        on_order_book_update=lambda market, state: seen.append(market),
        on_shutdown=lambda close_in_ms: seen.append(("shutdown", close_in_ms)),
    )
    return asyncio.create_task(official.run_async())


async def test_server_ping() -> None:
    """The server's ping unanswered closes with 1008 "no pong"; the SDK's client answers.

    The server's own pings were seen in 2025 and not in 2026 (a conflict of the sources): a switch.
    """
    with PaperProcess(extra=("--server-ping-s", "1")) as own:
        seen: list[Any] = []
        answering = follower(own, seen)
        await eventually(lambda: seen)
        async with Socket(own.ws_url) as mute:
            assert await mute.receive() == {"type": "ping"}
            await asyncio.wait_for(mute.ws.wait_closed(), DEADLINE_S)
            assert (mute.ws.close_code, mute.ws.close_reason) == (1008, "no pong")
        assert not answering.done(), "the client that answers stays"
        assert seen == ["0"]
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def test_a_stop_is_announced() -> None:
    """Every client hears of it before its socket closes, the SDK's too.

    Without pings of the server: one of the same moment makes that client write to a socket that
    closes, and it never reads on.
    """
    with PaperProcess() as own:
        seen: list[Any] = []
        following = follower(own, seen)
        await eventually(lambda: seen)
        async with Socket(own.ws_url) as last:
            stopping = asyncio.create_task(asyncio.to_thread(own.stop))
            frame = await last.until("shutdown")
            await stopping
        Shape("shutdown", {"type": exactly("shutdown"), "close_in_ms": integer})(frame)
        await asyncio.wait_for(asyncio.gather(following, return_exceptions=True), DEADLINE_S)
        assert seen[1:] == [("shutdown", frame["close_in_ms"])]


async def test_official_ws_client(client: Client) -> None:
    """The SDK's WsClient follows an order book and an account."""
    books: list[Any] = []
    accounts: list[Any] = []
    official = lighter.WsClient(
        order_book_ids=[ETH],
        account_ids=[client.account],
        ws_url=client.paper.ws_url,
        on_order_book_update=lambda market, state: books.append(json.loads(json.dumps(state))),
        on_account_update=lambda account, state: accounts.append(state),
    )
    running = asyncio.create_task(official.run_async())
    await eventually(lambda: books and accounts)
    await client.place(price=299_990)
    await eventually(
        lambda: (
            {"price": "2999.90", "size": "0.0100"}
            in [{"price": row["price"], "size": row["size"]} for row in books[-1]["bids"]]
        )
    )
    await client.paper.take(ETH, "sell", "0.01", until_account=client.account)
    await eventually(lambda: any(state.get("trades") for state in accounts))
    await eventually(lambda: "2999.90" not in [row["price"] for row in books[-1]["bids"]])
    await official.ws.close()
    await running
