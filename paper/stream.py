"""The WebSocket hub: sessions, subscriptions, and transactions sent over a socket."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from typing import Any, Final, Protocol

from aiohttp import WSMessage, WSMsgType, web

from paper.apierror import INVALID_TX_INFO, ApiError
from paper.auth import check_token
from paper.channels import (
    ALREADY_SUBSCRIBED,
    INVALID_DATA,
    INVALID_JSON,
    INVALID_TYPE,
    NOT_SUBSCRIBED,
    UNSUPPORTED,
    Channel,
    auth_required,
    parse_channel,
)
from paper.exchange import Exchange
from paper.session import PONG, Session, dumps, text_frame
from paper.settings import Settings

MAX_MESSAGE_BYTES: Final = 1024 * 1024
CLOSE_TIMEOUT_S: Final = 1.0


class Snapshots(Protocol):
    """Builds the first frame of a channel."""

    def frame(self, channel: Channel) -> dict[str, Any]:
        """Return the `subscribed/...` frame of `channel` as of now."""
        ...


class Hub:
    """All WebSocket sessions of the exchange and what each is subscribed to."""

    def __init__(self, exchange: Exchange, snapshots: Snapshots, settings: Settings) -> None:
        """Serve `exchange`; nothing runs before the first client."""
        self.counters: Counter[str] = Counter()
        self._exchange = exchange
        self._snapshots = snapshots
        self._settings = settings
        self._subscribers: dict[str, set[Session]] = {}
        self._sessions: set[Session] = set()

    # Fan-out

    def wanted(self, channel: str) -> bool:
        """Return True when somebody is subscribed to `channel` (its `:` form)."""
        return channel in self._subscribers

    def publish(self, channel: str, value: dict[str, Any]) -> None:
        """Write one frame to every subscriber of `channel` now."""
        self.publish_text(channel, dumps(value))

    def publish_text(self, channel: str, text: str) -> None:
        """Write JSON `text` to every subscriber of `channel` now."""
        frame = text_frame(text.encode())
        for session in self._subscribers.get(channel, ()):
            session.send_frame(frame)
        self.counters["frames"] += 1

    @property
    def session_count(self) -> int:
        """The number of connected clients."""
        return len(self._sessions)

    # One client

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one WebSocket client until either side closes."""
        ws = web.WebSocketResponse(
            autoping=False,
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
            timeout=CLOSE_TIMEOUT_S,
        )
        await ws.prepare(request)
        transport = request.transport
        if transport is None:  # gone before it began
            return ws
        session = Session(ws, transport, str(uuid.uuid4()))
        session.may_trade = request.query.get("readonly") != "true"
        self._sessions.add(session)
        session.send({"session_id": session.session_id, "type": "connected"})
        session.watch(self._settings.idle_close_s, self._settings.server_ping_s)
        try:
            await self._receive(ws, session)
        finally:
            self._forget(session)
            await session.release()
        return ws

    async def _receive(self, ws: web.WebSocketResponse, session: Session) -> None:
        while True:
            message = await ws.receive()
            received_ns = time.monotonic_ns()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                return
            if message.type is WSMsgType.ERROR:
                return
            session.seen()
            if message.type is WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._on_message(session, message, received_ns)

    def _forget(self, session: Session) -> None:
        self._sessions.discard(session)
        for name in session.channels:
            self._drop(name, session)
        session.channels.clear()

    def _drop(self, name: str, session: Session) -> None:
        members = self._subscribers.get(name, set())
        members.discard(session)
        if not members:
            self._subscribers.pop(name, None)

    async def close(self, close_in_ms: int = 0) -> None:
        """Announce the shutdown to every client and close."""
        for session in list(self._sessions):
            session.send({"type": "shutdown", "close_in_ms": close_in_ms})
            session.close(1001, "shutdown")
        waiting = [session.release() for session in list(self._sessions)]
        await asyncio.gather(*waiting)

    # Messages

    def _on_message(self, session: Session, message: WSMessage, received_ns: int) -> None:
        try:
            value = json.loads(message.data)
        except (ValueError, RecursionError):
            session.send(_error(ApiError(INVALID_JSON, "Invalid Json")))
            return
        try:
            self._dispatch(session, value, received_ns)
        except ApiError as error:
            session.send(_error(error))

    def _dispatch(self, session: Session, value: object, received_ns: int) -> None:
        """Act on one decoded message, or raise ApiError for its answer."""
        message: dict[str, Any] = value if isinstance(value, dict) else {}
        match message.get("type"):
            case "jsonapi/sendtx":
                self._on_send_tx(session, message.get("data"), received_ns)
            case "ping":
                session.send_frame(PONG)
            case "pong":
                session.pong_received()
            case "subscribe":
                self._on_subscribe(session, message)
            case "unsubscribe":
                self._on_unsubscribe(session, message)
            case "jsonapi/sendtxbatch":
                raise ApiError(UNSUPPORTED, "unsupported operation")
            case _:
                raise ApiError(INVALID_TYPE, "Invalid Type")

    def _on_subscribe(self, session: Session, value: dict[str, Any]) -> None:
        engine = self._exchange
        channel = parse_channel(value.get("channel"), engine.market_ids, engine.has_account)
        name = channel.name
        if channel.private and channel.account is not None:
            auth = value.get("auth")
            check_token(
                auth if isinstance(auth, str) else None,
                channel.account,
                engine.now_ms() / 1000,
                engine.has_key,
                missing=auth_required(name),
            )
        if name in session.channels:
            raise ApiError(ALREADY_SUBSCRIBED, f"Already Subscribed to : {name}")
        session.send(self._snapshots.frame(channel))
        session.channels.add(name)
        self._subscribers.setdefault(name, set()).add(session)

    def _on_unsubscribe(self, session: Session, value: dict[str, Any]) -> None:
        engine = self._exchange
        channel = parse_channel(value.get("channel"), engine.market_ids, engine.has_account)
        if channel.name not in session.channels:
            raise ApiError(NOT_SUBSCRIBED, f"Not Subscribed : {channel.name}")
        session.channels.discard(channel.name)
        self._drop(channel.name, session)
        answer = json.dumps({"type": "unsubscribed", "channel": channel.name})
        session.send_frame(text_frame(answer.encode()))

    def _on_send_tx(self, session: Session, data: object, received_ns: int) -> None:
        """Answer with the outcome of admission, then execute what is due."""
        identity = {}
        if isinstance(data, dict) and isinstance(data.get("id"), str | int):
            identity = {"id": data["id"]}
        try:
            tx_type, tx_info = _read_send_tx(session, data)
            accepted = self._exchange.submit(tx_type, tx_info, received_ns)
        except ApiError as error:
            answer = {**_error(error), **identity}
        else:
            answer = {
                "code": 200,
                **identity,
                "predicted_execution_time_ms": accepted.predicted_execution_time_ms,
                "tx_hash": accepted.tx_hash,
                "type": "jsonapi/sendtx",
            }
        session.send(answer)
        self._exchange.pump_soon()


def _read_send_tx(session: Session, data: object) -> tuple[int, dict[str, Any]]:
    """Return type and fields of a transaction, or raise ApiError."""
    if not session.may_trade:
        raise ApiError(UNSUPPORTED, "unsupported operation")
    if not isinstance(data, dict):
        raise ApiError(INVALID_DATA, "Invalid Data")
    tx_type, tx_info = data.get("tx_type"), data.get("tx_info")
    if isinstance(tx_type, bool) or not isinstance(tx_type, int) or not isinstance(tx_info, dict):
        raise ApiError(INVALID_TX_INFO, "invalid tx info")
    return tx_type, tx_info


def _error(error: ApiError) -> dict[str, Any]:
    """Return an error frame: it has neither a type nor a channel."""
    return {"error": {"code": error.code, "message": error.message}}
