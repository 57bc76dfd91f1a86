"""One WebSocket client: framing, keepalive and back-pressure.

Frames are written to the transport at once, in the call that makes them, so that the order of
calls is the order on the wire and nothing waits for another task. A client that does not read
is dropped.
"""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from typing import Final

from aiohttp import WSCloseCode, web

from paper.socket_limits import ConnectionLimits

MAX_BACKLOG_BYTES: Final = 32 * 1024 * 1024

COMPRESS_FROM: Final = 1024
"""Smaller payloads go out as they are: on loopback, deflating a fill frame only costs time."""

_TEXT_FIN: Final = 0x81
_COMPRESSED: Final = 0x40
_LEVEL: Final = 1
_TAIL: Final = b"\x00\x00\xff\xff"
_SMALL: Final = 126
_MEDIUM: Final = 1 << 16


def dumps(value: object) -> str:
    """Return `value` as compact JSON text."""
    return json.dumps(value, separators=(",", ":"))


def text_frame(payload: bytes, first: int = _TEXT_FIN) -> bytes:
    """Return `payload` as one unmasked final text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _SMALL:
        return struct.pack("!BB", first, size) + payload
    if size < _MEDIUM:
        return struct.pack("!BBH", first, _SMALL, size) + payload
    return struct.pack("!BBQ", first, _SMALL + 1, size) + payload


class Frame:
    """One message, encoded once for all its receivers, plain and (when asked for) deflated."""

    __slots__ = ("_deflated", "_payload", "plain")

    def __init__(self, payload: bytes) -> None:
        """Wrap JSON text."""
        self._payload = payload
        self.plain = text_frame(payload)
        self._deflated: dict[int, bytes] = {}

    def encoded(self, window_bits: int) -> bytes:
        """Return the bytes for a client with this deflate window; 0: it has negotiated none."""
        if not window_bits or len(self._payload) < COMPRESS_FROM:
            return self.plain
        frame = self._deflated.get(window_bits)
        if frame is None:
            frame = text_frame(_deflate(self._payload, window_bits), _TEXT_FIN | _COMPRESSED)
            self._deflated[window_bits] = frame
        return frame


def json_frame(value: object) -> Frame:
    """Return `value` as one message of compact JSON."""
    return Frame(dumps(value).encode())


def _deflate(payload: bytes, window_bits: int) -> bytes:
    """Return `payload` deflated on its own (RFC 7692, section 7.2.1).

    Without a context of earlier messages, which a client never needs to be told: one result
    serves every client.
    """
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window_bits)
    packed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(_TAIL)


PING: Final = json_frame({"type": "ping"})
PONG: Final = json_frame({"type": "pong"})


class Session:
    """The write side of one client and the clocks that watch it."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        session_id: str,
        address: str = "",
        limits: ConnectionLimits | None = None,
    ) -> None:
        """Wrap a prepared `ws` whose bytes go through `transport`; no `limits`, no limits."""
        self.session_id = session_id
        self.address = address
        self.limits = limits
        self.channels: set[str] = set()
        self.accounts: set[int] = set()
        """Accounts for which the client has shown a token."""
        self.may_trade = True
        self.muted = False
        """Whether nothing is written any more, although the connection stays open."""
        self.channels_muted = False
        """Whether no channel carries anything any more; pings and transactions are answered."""
        self.only_pings = False
        """Whether nothing is written any more but pings and pongs; transactions are carried out."""
        self._ws = ws
        self._window_bits = int(ws.compress)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._seen_at = self._loop.time()
        self._pong_due = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._closing: asyncio.Task[bool] | None = None

    @property
    def is_open(self) -> bool:
        """True while frames can be written."""
        return not self._transport.is_closing() and not self._ws.closed

    def send(self, value: object) -> None:
        """Write `value` as one JSON text frame."""
        self.send_frame(json_frame(value))

    def send_frame(self, frame: Frame) -> None:
        """Write a frame now; abort the connection of a client that lags too far."""
        if not self.is_open or self.muted:
            return
        if self.only_pings and frame not in (PING, PONG):
            return
        if self._transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self._transport.abort()
            return
        self._transport.write(frame.encoded(self._window_bits))

    def seen(self) -> None:
        """Note that the client sent something, whatever it was."""
        self._seen_at = self._loop.time()

    def count_message(self) -> None:
        """Count a message that is no transaction; ApiError 30009 or 30010 when it is too many."""
        if self.limits is not None:
            self.limits.message(self._loop.time())

    def pong_received(self) -> None:
        """Note the answer to a server ping."""
        self._pong_due = False

    def watch(self, idle_close_s: float, server_ping_s: float) -> None:
        """Close after `idle_close_s` without a client frame; ping every `server_ping_s` (0: no)."""
        self._watch_idle(idle_close_s)
        if server_ping_s > 0:
            self._timers["ping"] = self._loop.call_later(server_ping_s, self._ping, server_ping_s)

    def _watch_idle(self, idle_close_s: float) -> None:
        due = self._seen_at + idle_close_s
        if self._loop.time() >= due:
            self.close(WSCloseCode.GOING_AWAY, "idle")
            return
        self._timers["idle"] = self._loop.call_at(due, self._watch_idle, idle_close_s)

    def _ping(self, every_s: float) -> None:
        if self._pong_due:
            self.close(WSCloseCode.POLICY_VIOLATION, "no pong")
            return
        self._pong_due = True
        self.send_frame(PING)
        self._timers["ping"] = self._loop.call_later(every_s, self._ping, every_s)

    def abort(self) -> None:
        """Break the connection off without a closing handshake."""
        self._transport.abort()

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake without waiting for it."""
        if self._closing is None:
            closing = self._ws.close(code=code, message=reason.encode())
            self._closing = self._loop.create_task(closing, name=f"ws-close-{self.session_id}")

    async def release(self) -> None:
        """Stop the timers and wait for a closing handshake that was started."""
        for timer in self._timers.values():
            timer.cancel()
        if self._closing is not None:
            await asyncio.gather(self._closing, return_exceptions=True)
