"""A door before the exchange that counts what one daemon asks of it, and can shut for a moment."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import WSMessage, WSMsgType, web

from hedge.launcher.embedded_redis import LOOPBACK
from paper.limits import DEFAULT_WEIGHT, WEIGHTS
from paper.throttle import TOO_MANY_REQUESTS

API, STREAM = "/api/v1/", "/stream"
_SENDS = frozenset({"sendTx", "sendTxBatch"})
_SOCKET_SENDS = frozenset({"jsonapi/sendtx", "jsonapi/sendtxbatch"})
_HOP_BY_HOP = frozenset({"host", "connection", "transfer-encoding", "content-length"})
_TOO_MANY = 429
_TOO_MANY_FRAME = f'"code":{TOO_MANY_REQUESTS}'
_HEAD = 200
"""Characters of a frame within which a refusal says its code."""
_LARGEST_FRAME = 32 * 1024 * 1024


class Front:
    """Passes HTTP and WebSockets on to `upstream` ("http://host:port"); counts as it goes."""

    def __init__(self, upstream: str, http: aiohttp.ClientSession) -> None:
        """Use `open_front`."""
        self._upstream = upstream
        self._http = http
        self._sockets: set[web.WebSocketResponse] = set()
        self.port = 0
        self.forget()

    def forget(self) -> None:
        """Count from nothing."""
        self.reads: Counter[str] = Counter()
        """Requests by the name of the call, but those that send."""
        self.transactions = self.connects = self.refused = 0
        """`refused`: answers that there are too many, over HTTP or in a frame."""

    @property
    def weight(self) -> int:
        """What the reads weigh on the tiers that weigh them."""
        return sum(WEIGHTS.get(name, DEFAULT_WEIGHT) * n for name, n in self.reads.items())

    async def cut(self) -> None:
        """Close every socket that is open now."""
        for socket in list(self._sockets):
            await socket.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on."""
        if request.path == STREAM:
            return await self._stream(request)
        name = request.path.removeprefix(API)
        if name in _SENDS:
            self.transactions += 1
        else:
            self.reads[name] += 1
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._http.request(
            request.method,
            f"{self._upstream}{request.path_qs}",
            headers=headers,
            data=await request.read(),
        ) as answer:
            self.refused += answer.status == _TOO_MANY
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.connects += 1
        near = web.WebSocketResponse(max_msg_size=_LARGEST_FRAME)
        await near.prepare(request)
        self._sockets.add(near)
        try:
            async with self._http.ws_connect(
                f"{self._upstream}{request.path_qs}", max_msg_size=_LARGEST_FRAME
            ) as far:
                back = asyncio.create_task(self._back(far, near), name="front-back")
                try:
                    async for message in near:
                        self._count(message)
                        await _pass_on(message, far)
                finally:
                    back.cancel()
                    await asyncio.wait([back])
        except (aiohttp.ClientError, ConnectionError):
            pass  # either end has gone
        finally:
            self._sockets.discard(near)
            await near.close()
        return near

    async def _back(
        self, source: aiohttp.ClientWebSocketResponse, target: web.WebSocketResponse
    ) -> None:
        with suppress(ConnectionError, aiohttp.ClientError):
            async for message in source:
                if message.type is WSMsgType.TEXT:
                    self.refused += _TOO_MANY_FRAME in message.data.replace(" ", "")[:_HEAD]
                await _pass_on(message, target)
            await target.close()

    def _count(self, message: WSMessage) -> None:
        if message.type is WSMsgType.TEXT and "sendtx" in message.data:
            self.transactions += json.loads(message.data).get("type") in _SOCKET_SENDS


async def _pass_on(
    message: WSMessage, target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse
) -> None:
    if message.type is WSMsgType.TEXT:
        await target.send_str(message.data)
    elif message.type is WSMsgType.BINARY:
        await target.send_bytes(message.data)


@asynccontextmanager
async def open_front(upstream: str) -> AsyncIterator[Front]:
    """Give a front on a free port of loopback; `port` is its own."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        front = Front(upstream, http)
        app = web.Application(client_max_size=_LARGEST_FRAME)
        app.router.add_route("*", "/{path:.*}", front.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, LOOPBACK, 0)
            await site.start()
            front.port = runner.addresses[0][1]
            yield front
        finally:
            await front.cut()
            await runner.cleanup()
