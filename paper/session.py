"""One WebSocket client: framing, keepalive and back-pressure.

Frames are written to the transport at once, in the call that makes them, so that the order of
calls is the order on the wire and nothing waits for another task. A client that does not read
is dropped.
"""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Final

from aiohttp import WSCloseCode, web

MAX_BACKLOG_BYTES: Final = 32 * 1024 * 1024

_TEXT_FIN: Final = 0x81
_SMALL: Final = 126
_MEDIUM: Final = 1 << 16


def dumps(value: object) -> str:
    """Return `value` as compact JSON text."""
    return json.dumps(value, separators=(",", ":"))


def text_frame(payload: bytes) -> bytes:
    """Return `payload` as one unmasked final text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _SMALL:
        return struct.pack("!BB", _TEXT_FIN, size) + payload
    if size < _MEDIUM:
        return struct.pack("!BBH", _TEXT_FIN, _SMALL, size) + payload
    return struct.pack("!BBQ", _TEXT_FIN, _SMALL + 1, size) + payload


PING: Final = text_frame(b'{"type":"ping"}')
PONG: Final = text_frame(b'{"type":"pong"}')


class Session:
    """The write side of one client and the clocks that watch it."""

    def __init__(
        self, ws: web.WebSocketResponse, transport: asyncio.Transport, session_id: str
    ) -> None:
        """Wrap a prepared `ws` whose bytes go through `transport`."""
        self.session_id = session_id
        self.channels: set[str] = set()
        self.may_trade = True
        self._ws = ws
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
        self.send_frame(text_frame(dumps(value).encode()))

    def send_frame(self, frame: bytes) -> None:
        """Write an encoded frame now; abort the connection of a client that lags too far."""
        if not self.is_open:
            return
        if self._transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self._transport.abort()
            return
        self._transport.write(frame)

    def seen(self) -> None:
        """Note that the client sent something, whatever it was."""
        self._seen_at = self._loop.time()

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
