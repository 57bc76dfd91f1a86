"""Answer faults: requests and answers that get lost, late, or replaced, over HTTP and WebSocket.

One middleware stands before every REST call, one gate before every transaction frame. The request
itself is handled by the ordinary handler, or not at all; only its answer is touched here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import WSMessage, web
from aiohttp.typedefs import Handler

from paper.answers import NOT_WRITTEN, answer, read_form
from paper.apierror import ApiError
from paper.fault_plans import event_of, tx_fields
from paper.faults import Event, Fault, Faults
from paper.session import Frame, Session

SILENCE_S: Final = 60.0
"""How long an answer that never comes keeps its connection open, unless the client leaves."""
POLL_S: Final = 0.05

OnFrame = Callable[[Session, WSMessage, int], None]

LOST: Final = ("answer_lost_before", "answer_lost_after")

_HTML: Final = (
    "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>"
    "<body><h1>502 Bad Gateway</h1></body></html>\n"
)
_TOO_MANY: Final = {"code": 23000, "message": "Too Many Requests!"}
_INTERNAL: Final = {"code": 29500, "message": "internal server error"}
_TX_FRAMES: Final = ("jsonapi/sendtx", "jsonapi/sendtxbatch")


class AnswerFaults:
    """Acts on the switches of kind "answer"."""

    def __init__(self, faults: Faults) -> None:
        """Read `faults`; `is_on` follows them."""
        self._faults = faults
        self.is_on = False
        faults.on_change(self._refresh)

    def _refresh(self) -> None:
        self.is_on = bool(self._faults.live("answer"))

    # HTTP

    async def http(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle one request as the switches say; without any this is the plain handler."""
        fault = self._faults.choose("answer", await http_event(request)) if self.is_on else None
        if fault is None:
            return await handler(request)
        fault.fire()
        self._refresh()
        options = fault.options
        request[NOT_WRITTEN] = True
        if fault.name == "answer_delayed":
            made = await handler(request) if options["accepted"] else None
            await asyncio.sleep(options["delay_ms"] / 1000)
            return await handler(request) if made is None else made
        if fault.name == "answer_lost_after" or options.get("accepted"):
            await handler(request)
        if fault.name in LOST:
            return await _lost(request, options["how"])
        return _replacement(fault)

    async def upgrade(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Open a socket, or refuse it as the switches say."""
        fault = self._faults.choose("upgrade", Event())
        if fault is None:
            return await handler(request)
        fault.fire()
        status = fault.options["status"]
        return web.Response(text=_HTML, status=status, content_type="text/html")

    # WebSocket

    def gate(self, handler: OnFrame) -> OnFrame:
        """Return `handler` with the faults before and after it."""

        def guarded(session: Session, message: WSMessage, received_ns: int) -> None:
            event = _ws_event(message) if self.is_on else None
            fault = None if event is None else self._faults.choose("answer", event)
            if fault is None:
                handler(session, message, received_ns)
                return
            fault.fire()
            self._refresh()
            _ws_fault(fault, handler, session, message, received_ns)

        return guarded


class _Aside:
    """Stands for a session whose answers are kept instead of being written."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.kept: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def send(self, value: object) -> None:
        """Keep an answer."""
        self.kept.append(value)


def _ws_fault(
    fault: Fault, handler: OnFrame, session: Session, message: WSMessage, received_ns: int
) -> None:
    loop = asyncio.get_running_loop()
    options = fault.options
    if fault.name == "answer_delayed" and not options["accepted"]:
        loop.call_later(options["delay_ms"] / 1000, handler, session, message, received_ns)
        return
    aside = _Aside(session)
    if fault.name in ("answer_lost_after", "answer_delayed") or options.get("accepted"):
        handler(cast("Session", aside), message, received_ns)
    if fault.name in LOST:
        if options["how"] == "cut":
            session.abort()
        return
    if fault.name == "answer_delayed":
        for value in aside.kept:
            loop.call_later(options["delay_ms"] / 1000, session.send, value)
        return
    if fault.name == "answer_html":
        session.send_frame(Frame(_HTML.encode()))
        return
    if fault.name == "tx_refused":
        session.send({"error": _refusal(fault), **_identity(message)})
        return
    body = _INTERNAL if fault.name == "answer_500" else _TOO_MANY
    session.send({"error": body, **_identity(message)})


def _refusal(fault: Fault) -> dict[str, Any]:
    return {"code": fault.options["code"], "message": fault.options["message"]}


def _identity(message: WSMessage) -> dict[str, Any]:
    data = tx_fields(message.data).get("data")
    found = data.get("id") if isinstance(data, dict) else None
    return {} if found is None else {"id": found}


def _ws_event(message: WSMessage) -> Event | None:
    """Return what switches may ask about a frame; None for one that is no transaction."""
    frame = tx_fields(message.data)
    data = frame.get("data")
    if frame.get("type") not in _TX_FRAMES or not isinstance(data, dict):
        return None
    if frame["type"] == _TX_FRAMES[0]:
        return event_of(data.get("tx_type"), tx_fields(data.get("tx_info")), "ws", "sendTx")
    return _batch_event(data, "ws")


def _batch_event(data: dict[str, Any], via: str) -> Event:
    """Return the event of a batch: what its first transaction says."""
    try:
        kind, info = json.loads(data["tx_types"])[0], json.loads(data["tx_infos"])[0]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return Event(via=via, path="sendTxBatch")
    return event_of(kind, tx_fields(info), via, "sendTxBatch")


async def http_event(request: web.Request) -> Event:
    """Return what switches may ask about a request."""
    path = request.path.rsplit("/", 1)[-1]
    if path == "sendTx":
        fields = await _fields(request)
        kind = fields.get("tx_type", "")
        number = int(kind) if kind.isdecimal() else None
        return event_of(number, tx_fields(fields.get("tx_info")), "http", path)
    if path == "sendTxBatch":
        return _batch_event(await _fields(request), "http")
    account = request.query.get("account_index") or request.query.get("value") or ""
    return Event(account_index=int(account) if account.isdecimal() else None, via="http", path=path)


async def _fields(request: web.Request) -> dict[str, str]:
    try:
        return await read_form(request)
    except ApiError:
        return {}


async def _lost(request: web.Request, how: str) -> web.StreamResponse:
    """Give no answer: cut the connection, or leave it open and silent until the client goes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + (SILENCE_S if how == "silent" else 0)
    while request.transport is not None and not request.transport.is_closing():
        if loop.time() >= end:
            request.transport.abort()
            break
        await asyncio.sleep(POLL_S)
    return web.Response(status=500)


def _replacement(fault: Fault) -> web.Response:
    match fault.name:
        case "tx_refused":
            return answer(_refusal(fault), 400)
        case "answer_405":
            return web.Response(text=_HTML, status=405, content_type="text/html")
        case "answer_429":
            return answer(_TOO_MANY, 429)
        case "answer_500":
            return answer(_INTERNAL, 500)
        case _:
            return web.Response(text=_HTML, status=200, content_type="text/html")
