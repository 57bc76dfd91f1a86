"""The WebSocket hub: sessions, subscriptions, and transactions sent over a socket."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiohttp import WSMessage, WSMsgType, web

from paper.access import Access
from paper.apierror import ApiError
from paper.channels import (
    ALREADY_SUBSCRIBED,
    INVALID_JSON,
    INVALID_TYPE,
    NOT_SUBSCRIBED,
    Channel,
    auth_required,
    parse_channel,
)
from paper.exchange import Exchange
from paper.session import PONG, Frame, Session, json_frame
from paper.settings import Settings
from paper.socket_limits import ConnectionLimits
from paper.socket_tx import SEND_TX, SEND_TX_BATCH, SocketSends, error_frame
from paper.throttle import Throttle

MAX_MESSAGE_BYTES: Final = 1024 * 1024
CLOSE_TIMEOUT_S: Final = 1.0


class Snapshots(Protocol):
    """Builds the first frame of a channel."""

    def frame(self, channel: Channel) -> dict[str, Any]:
        """Return the `subscribed/...` frame of `channel` as of now."""
        ...


class Hub:
    """All WebSocket sessions of the exchange and what each is subscribed to."""

    def __init__(
        self,
        exchange: Exchange,
        snapshots: Snapshots,
        settings: Settings,
        access: Access,
        throttle: Throttle,
    ) -> None:
        """Serve `exchange`; nothing runs before the first client."""
        self.counters: Counter[str] = Counter()
        self._exchange = exchange
        self._access = access
        self._throttle = throttle
        self._sends = SocketSends(exchange, throttle)
        self._snapshots = snapshots
        self._settings = settings
        self._subscribers: dict[str, set[Session]] = {}
        self._sessions: set[Session] = set()
        self.on_message: Callable[[Session, WSMessage, int], None] = self._on_message
        self.tamper: Callable[[str, dict[str, Any]], None] | None = None
        """Gets every frame of a channel instead of its subscribers; delivers it or does not."""
        self.only_pings = False
        """Whether new sockets, too, carry nothing but pings and pongs."""
        self.dress: Callable[[Session, dict[str, Any]], dict[str, Any]] | None = None
        """Returns a frame of a channel as one socket is told it."""

    # Fan-out

    def wanted(self, channel: str) -> bool:
        """Return True when somebody is subscribed to `channel` (its `:` form)."""
        return channel in self._subscribers

    def publish(self, channel: str, value: dict[str, Any]) -> None:
        """Write one frame to every subscriber of `channel` now, unless it is tampered with."""
        if self.tamper is None:
            self.deliver(channel, value)
        else:
            self.tamper(channel, value)

    def deliver(self, channel: str, value: dict[str, Any]) -> None:
        """Write one frame, encoded once, to every subscriber of `channel` now."""
        frame = json_frame(value)
        for session in self._subscribers.get(channel, ()):
            if session.channels_muted:
                continue
            if self.dress is None:
                session.send_frame(frame)
            else:
                session.send(self.dress(session, value))
        self.counters["frames"] += 1

    @property
    def sessions(self) -> list[Session]:
        """The connected clients."""
        return list(self._sessions)

    @property
    def session_count(self) -> int:
        """The number of connected clients."""
        return len(self._sessions)

    # One client

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one WebSocket client until either side closes."""
        address = request.remote or ""
        limits = self._throttle.connection(address)
        try:
            return await self._serve(request, address, limits)
        finally:
            if limits is not None:
                limits.close()

    async def _serve(
        self, request: web.Request, address: str, limits: ConnectionLimits | None
    ) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(
            autoping=False, max_msg_size=MAX_MESSAGE_BYTES, timeout=CLOSE_TIMEOUT_S
        )
        await ws.prepare(request)
        transport = request.transport
        if transport is None:  # gone before it began
            return ws
        session = Session(ws, transport, str(uuid.uuid4()), address, limits)
        session.may_trade = request.query.get("readonly") != "true"
        session.only_pings = self.only_pings
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
                self.on_message(session, message, received_ns)

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
            session.send(error_frame(ApiError(INVALID_JSON, "Invalid Json")))
            return
        try:
            self._dispatch(session, value, received_ns)
        except ApiError as error:
            session.send(error_frame(error))

    def _dispatch(self, session: Session, value: object, received_ns: int) -> None:
        """Act on one decoded message, or raise ApiError for its answer."""
        message: dict[str, Any] = value if isinstance(value, dict) else {}
        kind = message.get("type")
        if kind in (SEND_TX, SEND_TX_BATCH):
            self._sends.handle(session, kind, message.get("data"), received_ns)
            return
        session.count_message()
        match kind:
            case "ping":
                session.send_frame(PONG)
            case "pong":
                session.pong_received()
            case "subscribe":
                self._on_subscribe(session, message)
            case "unsubscribe":
                self._on_unsubscribe(session, message)
            case _:
                raise ApiError(INVALID_TYPE, "Invalid Type")

    def _on_subscribe(self, session: Session, value: dict[str, Any]) -> None:
        engine = self._exchange
        channel = parse_channel(value.get("channel"), engine.market_ids, engine.has_account)
        name = channel.name
        if channel.private and channel.account is not None:
            auth = value.get("auth")
            text = auth if isinstance(auth, str) else None
            self._access.check(text, channel.account, missing=auth_required(name))
            if text:
                session.accounts.add(channel.account)
        if name in session.channels:
            raise ApiError(ALREADY_SUBSCRIBED, f"Already Subscribed to : {name}")
        if session.limits is not None:
            session.limits.subscribe(name, channel.account)
        if not session.channels_muted:
            first = self._snapshots.frame(channel)
            session.send(first if self.dress is None else self.dress(session, first))
        session.channels.add(name)
        self._subscribers.setdefault(name, set()).add(session)

    def _on_unsubscribe(self, session: Session, value: dict[str, Any]) -> None:
        engine = self._exchange
        channel = parse_channel(value.get("channel"), engine.market_ids, engine.has_account)
        name = channel.name
        if name not in session.channels:
            raise ApiError(NOT_SUBSCRIBED, f"Not Subscribed : {name}")
        session.channels.discard(name)
        if session.limits is not None:
            session.limits.unsubscribe(name)
        self._drop(name, session)
        answer = json.dumps({"type": "unsubscribed", "channel": name})  # with spaces, as seen live
        session.send_frame(Frame(answer.encode()))
