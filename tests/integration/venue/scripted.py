"""An exchange that says exactly what a test tells it, over real HTTP and a real WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import WSMsgType, web

from hedge.exchange.lighter.venue import LighterSettings
from tests.integration.venue.rig import FAST
from tests.unit.venue.payloads import payload

Frame = dict[str, Any]
Reply = tuple[int, str, str]

FIELDS = {
    "account_all_trades": {"trades": {}},
    "account_all_orders": {"orders": {}},
    "account_tx": {"txs": []},
    "user_stats": {"stats": {"available_balance": "5.000000"}},
}


class ScriptedExchange:
    """Answers subscriptions like the venue; everything else is the test's to say.

    `on_frame` hears every other client frame and may return a frame to send back. `replies` maps
    an API path to (status, body, content type).
    """

    def __init__(self) -> None:
        self.port = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.heard: list[Frame] = []
        self.mute_families: set[str] = set()
        self.is_mute = False
        self.refusal = 0
        self.refusal_headers: dict[str, str] = {}
        self.refused = 0
        self.greeting: Callable[[web.WebSocketResponse], Awaitable[None]] | None = None
        self.on_frame: Callable[[Frame], Frame | None] = lambda _: None
        self.replies: dict[str, Reply] = {}
        self.calls: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.trade_pages: dict[str, Frame] = {}
        self.market_changes: Frame = {}

    @property
    def settings(self) -> LighterSettings:
        return LighterSettings(
            base_url=f"http://127.0.0.1:{self.port}",
            ws_url=f"ws://127.0.0.1:{self.port}/stream",
            market="ETH",
            request_timeout_s=1.0,
            times=FAST,
        )

    def heard_of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.heard if frame.get("type") == kind]

    async def say(self, frame: Frame) -> None:
        """Send a frame on every open socket."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_str(json.dumps(frame))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.refusal:
            self.refused += 1
            return web.Response(status=self.refusal, headers=self.refusal_headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(json.dumps(payload("ws_connected")))
        self.sockets.append(socket)
        if self.greeting is not None:
            await self.greeting(socket)
        with suppress(ConnectionError):
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(socket, json.loads(message.data))
        return socket

    async def _hear(self, socket: web.WebSocketResponse, frame: Frame) -> None:
        self.heard.append(frame)
        answer = self._answer(frame)
        if answer is not None and not self.is_mute:
            await socket.send_str(json.dumps(answer))

    def _answer(self, frame: Frame) -> Frame | None:
        if frame["type"] == "subscribe":
            family, _, owner = frame["channel"].partition("/")
            if family in self.mute_families:
                return None
            if family == "order_book":
                return payload("ws_book_snapshot")
            if family == "market_stats":
                return payload("ws_market_stats")
            head = {"type": f"subscribed/{family}", "channel": f"{family}:{owner}"}
            return head | FIELDS[family]
        if frame["type"] == "ping":
            return {"type": "pong"}
        return self.on_frame(frame)

    async def api(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.calls.append(name)
        self.queries.append(dict(request.query))
        if name == "orderBookDetails":
            body = payload("rest_order_book_details")
            for row in body["order_book_details"]:
                row.update(self.market_changes)
            return web.json_response(body)
        if name == "trades" and self.trade_pages:
            return web.json_response(self.trade_pages[request.query.get("cursor", "")])
        status, body, content_type = self.replies.get(
            name, (404, '{"code":29404,"message":"not found"}', "application/json")
        )
        return web.Response(status=status, text=body, content_type=content_type)


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedExchange]:
    exchange = ScriptedExchange()
    app = web.Application()
    app.router.add_get("/stream", exchange.stream)
    app.router.add_route("*", "/api/v1/{name}", exchange.api)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    exchange.port = runner.addresses[0][1]
    try:
        yield exchange
    finally:
        await asyncio.gather(*(socket.close() for socket in exchange.sockets))
        await runner.cleanup()
