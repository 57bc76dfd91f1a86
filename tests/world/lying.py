"""A proxy between a daemon and the exchange whose answers and frames may lie.

It speaks HTTP and WebSocket to both sides. A `Lie` is told about the next fitting answer or frame,
once or until that connection ends: one field is changed, the whole is repeated, or dropped. What
fits is told by the address of a request, or by the channel of a frame.
"""

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType, web
from multidict import CIMultiDict

from hedge.launcher.embedded_redis import LOOPBACK
from tests.simulation.lying_frames import falsified

Json = dict[str, Any]
MAX_REQUEST = 1 << 20
FINISH_S = 1.0
HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "content-encoding"})
FACTORS = ("0", "0.1", "10", "-1")
"""What a true amount is multiplied with; an id or a time gets a bit flipped instead."""
HIGH_BIT = 1 << 31
NUMBERS = frozenset(
    {
        "trade_id",
        "nonce",
        "order_index",
        "client_order_index",
        "ask_client_id",
        "bid_client_id",
        "ask_account_id",
        "bid_account_id",
        "timestamp",
        "transaction_time",
        "sign",
        "code",
        "offset",
    }
)
AMOUNTS = frozenset(
    {
        "size",
        "price",
        "position",
        "remaining_base_amount",
        "filled_base_amount",
        "initial_base_amount",
        "taker_position_size_before",
        "maker_position_size_before",
        "available_balance",
    }
)
WORDS = frozenset({"status", "type", "side", "is_ask", "is_maker_ask", "reduce_only"})


@dataclass
class Lie:
    """One lie. `where`: the beginning of a channel ("account_all") or of a path ("/api/v1/…").

    `how`: "field" changes one field (`name`, or any one by `seed`) to `value` or to something that
    is not true; "repeat" sends it twice, "drop" swallows it, "say" puts `text` (of an answer: with
    `status`) in its place, "merge" keeps it back and puts its rows into the next one. With
    `lasting` it is told about everything that fits until the connection that heard it first ends;
    of answers, until it is taken back. `told` counts.
    """

    where: str
    how: str = "field"
    name: str = ""
    value: Any = None
    text: str = ""
    status: int = 0
    leaf: tuple[str | int, ...] = ()
    way: str = "other"
    seed: int = 0
    lasting: bool = False
    told: int = 0
    texts: list[str] = field(default_factory=list)
    """What was changed, for the record."""
    _owner: object | None = None
    _kept: str | None = None

    def fits(self, place: str, owner: object) -> bool:
        """Whether it is to be told about what comes from `place` on this connection."""
        if not place.startswith(self.where):
            return False
        if not self.lasting:
            return self.told == 0
        return self._owner in (None, owner)

    def tell(self, text: str, owner: object) -> list[str]:
        """Return what is sent instead of `text`."""
        if self.how == "drop":
            changed = []
        elif self.how == "repeat":
            changed = [text, text]
        elif self.how == "say":
            changed = [self.text]
        elif self.how == "merge":
            if self._kept is None:
                self._kept = text
                return []
            changed = [_merged(self._kept, text)]
            self._kept = None
        else:
            falsified = self._with_leaf(text) if self.how == "leaf" else self._falsified(text)
            if falsified is None:
                return [text]
            changed = [falsified]
        self.told += 1
        self._owner = owner
        return changed

    def _with_leaf(self, text: str) -> str | None:
        """Return the frame with its `leaf` false in this `way`, None where it has none such."""
        try:
            value = json.loads(text)
            path = tuple(_present(value, self.leaf))
        except (ValueError, LookupError, TypeError):
            return None
        self.texts.append(f"{'.'.join(map(str, path))}: {self.way}")
        return json.dumps(falsified(value, path, self.way))

    def _falsified(self, text: str) -> str | None:
        """Return the text with one field changed, None where it has no such field."""
        try:
            value = json.loads(text)
        except ValueError:
            return None
        found = sorted(_fields(value, self.name), key=lambda one: one[2])
        if not found:
            return None
        rng = random.Random(self.seed)
        holder, key, path = rng.choice(found)
        was = holder[key]
        holder[key] = _lied(was, key, rng) if self.value is None else self.value
        self.texts.append(f"{path}: {was!r} -> {holder[key]!r}"[:200])
        return json.dumps(value)


def _present(value: Any, leaf: tuple[str | int, ...]) -> Iterator[str | int]:
    """Yield the keys of a leaf in a frame of any market. Raises LookupError where it has none."""
    for number, key in enumerate(leaf):
        market = next(iter(value)) if number == 1 and isinstance(value, dict) and value else key
        key = market if isinstance(key, str) and key.isdigit() else key  # noqa: PLW2901
        value = value[key]
        yield key


def _fields(value: Any, name: str, path: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Yield (holder, key, path) of every field that may be changed."""
    if isinstance(value, dict):
        for key, inner in value.items():
            where = f"{path}.{key}"
            if isinstance(inner, dict | list):
                yield from _fields(inner, name, where)
            elif key == name if name else path and key in NUMBERS | AMOUNTS | WORDS:
                yield value, key, where
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _fields(inner, name, f"{path}[{number}]")


def _merged(first: str, second: str) -> str:
    """Return the second frame with the rows of the first one before its own."""
    earlier, later = json.loads(first), json.loads(second)
    for key, rows in later.items():
        before = earlier.get(key)
        if isinstance(rows, list) and isinstance(before, list):
            later[key] = before + rows
        elif isinstance(rows, dict) and isinstance(before, dict):
            for inner, more in before.items():
                if isinstance(more, list):
                    rows[inner] = more + rows.get(inner, [])
    return json.dumps(later)


def _lied(value: Any, key: str, rng: random.Random) -> Any:
    """Return something of the same type that is not true."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ HIGH_BIT if key not in ("sign", "code") else -value
    if key in AMOUNTS:
        factor = rng.choice(FACTORS)
        return _times(str(value), factor)
    return "?"


def _times(amount: str, factor: str) -> str:
    """Multiply a decimal text, keeping its number of decimals; 0 becomes 1."""
    whole, _, decimals = amount.lstrip("-").partition(".")
    try:
        number = int(whole + decimals)
    except ValueError:
        return "?"
    sign = -1 if amount.startswith("-") else 1
    scaled = {"0": 0, "0.1": number // 10, "10": number * 10, "-1": -number}[factor] * sign
    if scaled == number * sign:
        scaled = 1
    text = str(abs(scaled)).rjust(len(decimals) + 1, "0")
    cut = len(text) - len(decimals)
    shown = f"{text[:cut]}.{text[cut:]}" if decimals else text
    return f"-{shown}" if scaled < 0 else shown


class LyingProxy:
    """One daemon's way to the exchange; `lies` are told in their order, one per answer."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.lies: deque[Lie] = deque()
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._port = 0

    @property
    def port(self) -> int:
        return self._port

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=FINISH_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._session is not None
        await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _told(self, place: str, text: str, owner: object) -> tuple[list[str], int]:
        """Return what is sent instead, and the status of an answer where a lie names one."""
        for lie in self.lies:
            if lie.fits(place, owner):
                return lie.tell(text, owner), lie.status
        return [text], 0

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._socket(request)
            return await self._answer(request)
        except (aiohttp.ClientError, OSError):
            if request.transport is not None:  # as the exchange itself would vanish
                request.transport.abort()
            raise web.HTTPBadGateway from None

    def _url(self, request: web.BaseRequest) -> str:
        return f"http://{LOOPBACK}:{self._target}{request.path_qs}"

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        async with self._session.request(
            request.method, self._url(request), data=await request.read(), headers=headers
        ) as answer:
            body = await answer.read()
            kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in HOP]
        texts, status = self._told(request.path, body.decode("utf-8", "replace"), "http")
        if not texts:  # a lost answer: the connection ends without one
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPBadGateway
        changed = texts[0].encode() if self.lies else body
        return web.Response(body=changed, status=status or answer.status, headers=CIMultiDict(kept))

    async def _socket(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._session is not None
        down = web.WebSocketResponse(autoping=False, max_msg_size=MAX_REQUEST, timeout=FINISH_S)
        async with self._session.ws_connect(
            self._url(request), autoping=False, max_msg_size=0, autoclose=False
        ) as up:
            await down.prepare(request)
            tasks = [
                asyncio.create_task(self._upwards(down, up)),
                asyncio.create_task(self._downwards(up, down)),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                if request.transport is not None:
                    request.transport.abort()
        return down

    @staticmethod
    async def _upwards(down: web.WebSocketResponse, up: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(OSError, aiohttp.ClientError):
            async for message in down:
                await _pass_on(message, up)

    async def _downwards(
        self, up: aiohttp.ClientWebSocketResponse, down: web.WebSocketResponse
    ) -> None:
        with contextlib.suppress(OSError, aiohttp.ClientError):
            while True:
                message = await up.receive()
                if message.type is WSMsgType.TEXT and self.lies:
                    place = _channel_of(message.data)
                    for text in self._told(place, message.data, down)[0]:
                        await down.send_str(text)
                elif message.type is WSMsgType.CLOSE:
                    await down.close(code=message.data or 1000)
                    return
                elif message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                    return
                else:
                    await _pass_on(message, down)


async def _pass_on(message: aiohttp.WSMessage, to: Any) -> None:
    if message.type is WSMsgType.TEXT:
        await to.send_str(message.data)
    elif message.type is WSMsgType.BINARY:
        await to.send_bytes(message.data)
    elif message.type is WSMsgType.PING:
        await to.ping(message.data)
    elif message.type is WSMsgType.PONG:
        await to.pong(message.data)


def _channel_of(text: str) -> str:
    """Return the channel of a frame, or its type where it has none ("pong", an answer)."""
    try:
        value = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(value, dict):
        return ""
    return str(value.get("channel") or value.get("type") or "answer")
