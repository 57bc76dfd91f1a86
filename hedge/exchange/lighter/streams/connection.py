"""One WebSocket to the venue, kept up: connect, talk, notice silence, come back with back-off.

The venue closes a socket after two minutes without a frame from us, answers `{"type":"ping"}`,
at times sends one itself and closes with 1008 where it gets no pong, and announces restarts by a
`shutdown` frame (apidocs.lighter.xyz, websocket-reference; the last two from live logs).
"""

import asyncio
import json
import logging
import random
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from hedge.config.schema import is_loopback
from hedge.exchange.lighter.link_words import named
from hedge.exchange.peer import ENDED
from hedge.exchange.port import Clock, NotSentError, VenueError, VenueUnavailableError

PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'
LIMITED = frozenset({405, 429})
"""HTTP statuses of a venue that has enough of us; asking on prolongs it."""

SAY_EVERY_MS = 60_000
URGENT_CAP_S = 15.0
"""The longest silence of the link that hedges, cancels and fences need; no setting."""

BARRED = {
    400: "the request; a proxy or firewall between may have changed it",
    401: "the request; a proxy or firewall between may want a login",
    403: "this network: a restricted region, or a firewall on the way",
    451: "this network: its region is restricted",
}
"""Statuses of an upgrade that is refused though REST may answer, and what they tell.

Restricted regions get 403, 400 or 451 there (users' reports; the exchange documents none).
"""

MAX_FRAME_BYTES = 32 * 1024 * 1024

_log = logging.getLogger(__name__)

Delays = Callable[[], Iterator[float]]
P = ParamSpec("P")
T = TypeVar("T")


class LinkLostError(Exception):
    """The conversation cannot go on over this socket; its text says why."""


def frame_reader(read: Callable[P, T]) -> Callable[P, T]:
    """Make whatever `read` raises over a frame a lost link, for one odd frame may end no daemon.

    No handler may be called inside: its bugs must end the process. What nobody foresaw is logged
    with its traceback.
    """

    @wraps(read)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except LinkLostError:
            raise
        except Exception as error:
            _log.exception("a frame could not be read")
            raise LinkLostError(f"unreadable frame: {type(error).__name__}: {error}") from error

    return guarded


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """Seconds of a link's life; all may be shortened by a test.

    `silence_s` bounds the time without data. A peer that has once answered a ping must say
    something within `pong_s` of every later one, which finds a dead network sooner; one that takes
    no bytes for as long is left, too. A book is not used after `stale_s` without any frame.

    A first frame that is required must come within `ready_s`, one that is optional is waited for
    `grace_s`. `healthy_s` after ready the back-off starts over. After a connect that was refused
    for our load nothing is tried for `quiet_s`; an urgent link follows the exchange's word, or
    waits `load_s`, twice that, and so on, at most 15 s. After `hush_s` without any frame a ping is
    due. After a transaction without an answer the next ones go another way for `distrust_s`.

    The row of an accepted order must come within `row_s`; while one rests, a still order stream is
    asked for a snapshot every `ask_s`, which must come within `snapshot_s`.
    """

    open_s: float = 10.0
    ready_s: float = 15.0
    grace_s: float = 5.0
    ping_s: float = 20.0
    hush_s: float = 5.0
    silence_s: float = 90.0
    pong_s: float = 10.0
    stale_s: float = 30.0
    healthy_s: float = 10.0
    quiet_s: float = 60.0
    load_s: float = 1.0
    distrust_s: float = 60.0
    row_s: float = 5.0
    ask_s: float = 5.0
    snapshot_s: float = 3.0
    close_s: float = 1.0
    tick_s: float = 0.5


class Talk(Protocol):
    """What is said and heard on a link; performs no I/O but making tokens."""

    async def opening(self) -> Sequence[str]:
        """Return the frames to send on a new socket. Raises VenueError."""

    def heard(self, frame: dict[str, Any], received_ns: int) -> Sequence[str]:
        """Take one frame, return frames to send. Raises LinkLostError."""

    def missed(self) -> None:
        """Hear that a frame came of which nothing could be read."""

    def tick(self, now_ms: int) -> Sequence[str]:
        """Do what time asks for, return frames to send. Raises LinkLostError."""

    def lost(self, reason: str) -> None:
        """Hear that the socket is gone; called once for every `opening`."""

    @property
    def ready_since_ms(self) -> int | None:
        """Monotonic ms since which every stream has delivered, None before that."""

    @property
    def last_data_ms(self) -> int:
        """Monotonic ms of the newest frame that proves that the peer is not silent."""


def backoff(rng: random.Random, first_s: float = 0.25, cap_s: float = 30.0) -> Iterator[float]:
    """Yield seconds to wait before each reconnect: doubling, jittered, never below `first_s`."""
    ceiling = first_s
    while True:
        yield rng.uniform(first_s, max(first_s, ceiling))
        ceiling = min(cap_s, ceiling * 2)


class Link:
    """Keeps one socket up and lets `talk` use it."""

    def __init__(
        self,
        name: str,
        url: str,
        talk: Talk,
        clock: Clock,
        times: LinkTimes,
        delays: Delays,
        *,
        is_urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        """Connect nothing yet.

        `delays` is called for a new back-off after each healthy spell; `limited` may be set, and
        is called where the venue refuses a connect for our load. `ignored` counts frames that are
        no JSON object. A link is silent for 15 s at most while it `is_urgent`, which is asked
        again while it waits.
        """
        self._is_urgent = is_urgent
        self._refusals = 0
        self.refused_because = ""
        """What the exchange refuses the connect for, in words; "" where it does not."""
        self.name = name
        self._url = url
        self._talk = talk
        self._clock = clock
        self._times = times
        self._delays = delays
        self.limited: Callable[[], None] = lambda: None
        self.lost_because = ""
        self._limited_s: float | None = None
        self._socket: ClientConnection | None = None
        self._drop_reason = ""
        self._pinged_ms = 0
        self._heard_ms = 0
        self._answers_pings = False
        self.ignored = 0
        self._said_ms: int | None = None
        self._wire_log = logging.getLogger(f"{__name__}.{name}")
        self._wire_log.setLevel(logging.WARNING)  # DEBUG would write tokens into the log

    @property
    def heard_ms(self) -> int | None:
        """When the open socket carried its newest frame (monotonic ms), None before the first."""
        return self._heard_ms or None

    async def send(self, text: str) -> int:
        """Hand one frame to the open socket; return when it left (monotonic ns).

        Raises NotSentError where none is open, VenueUnavailableError where it broke meanwhile.
        """
        socket = self._socket
        if socket is None or socket.state is not State.OPEN:
            raise NotSentError(f"the {self.name} link is down")
        try:
            await socket.send(text)
        except ConnectionClosed as error:
            raise VenueUnavailableError(f"the {self.name} link broke while sending") from error
        return self._clock.mono_ns()

    def drop(self, reason: str) -> None:
        """Cut the socket now; `run` connects again."""
        if self._socket is not None:
            self._drop_reason = self._drop_reason or reason
            self._socket.transport.abort()

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_alive(), name=f"{self.name}-keepalive")
            delays = self._delays()
            while True:
                reason, healthy = await self._session()
                self.lost_because = reason
                if healthy:
                    delays = self._delays()
                self._refusals = self._refusals + 1 if self.refused_because else 0
                delay_s = next(delays)
                pause_s = self._pause_s(delay_s)
                _log.warning(
                    "link lost link=%s reason=%s again_in_s=%.2f", self.name, reason, pause_s
                )
                await self._wait(delay_s)

    async def _wait(self, delay_s: float) -> None:
        """Wait until the next connect is due; what is owed meanwhile makes it due sooner."""
        since_ms = self._clock.now_ms()
        while True:
            waited_s = (self._clock.now_ms() - since_ms) / 1000
            left_s = self._pause_s(delay_s) - waited_s
            if left_s <= 0:
                return
            await self._clock.sleep(min(left_s, max(self._times.tick_s, 0.001)))

    def _pause_s(self, delay_s: float) -> float:
        """Return how long to wait before the next connect; `delay_s` is the usual back-off."""
        if not self.refused_because:
            return delay_s
        growing_s = self._times.load_s * float(1 << min(self._refusals - 1, 16))
        growing_s = min(growing_s, URGENT_CAP_S)
        if self._limited_s is None:
            return growing_s
        if not self._is_urgent():
            return max(delay_s, self._times.quiet_s, self._limited_s)
        return min(self._limited_s or growing_s, URGENT_CAP_S)

    async def _session(self) -> tuple[str, bool]:
        """Connect, talk until the socket is lost; return why, and whether it was healthy."""
        try:
            frames = await self._talk.opening()
        except VenueError as error:
            reason = f"no token: {error}"
            self._talk.lost(reason)
            return reason, False
        reason, self._limited_s, self.refused_because = ENDED, None, ""
        try:
            async with await self._open() as socket:
                self._drop_reason = ""
                self._pinged_ms = self._heard_ms = self._clock.now_ms()
                self._socket = socket
                try:
                    await self._read(socket, frames)
                finally:
                    self._socket = None
                    socket.transport.abort()
        except LinkLostError as error:
            reason = str(error)
        except (OSError, TimeoutError, WebSocketException) as error:
            reason = self._drop_reason or named(error)
            if isinstance(error, InvalidStatus):
                reason = self._refused(error, reason)
        finally:
            healthy = self._is_healthy()
            self._talk.lost(reason)
        return reason, healthy

    def _refused(self, error: InvalidStatus, reason: str) -> str:
        """Note an upgrade that was refused, and return why."""
        status = error.response.status_code
        if status in LIMITED:
            self._limited_s = _seconds(error.response.headers.get("Retry-After"))
            self.refused_because = f"Lighter answers HTTP {status}, too many requests"
            self.limited()
        elif status in BARRED:
            why = f"it does not take {BARRED[status]}"
            self.refused_because = f"Lighter refuses the WebSocket with HTTP {status}: {why}"
        return self.refused_because or reason

    def _is_healthy(self) -> bool:
        since = self._talk.ready_since_ms
        return since is not None and self._clock.now_ms() - since >= self._times.healthy_s * 1000

    async def _open(self) -> ClientConnection:
        """Connect. Raises LinkLostError for an address or a proxy that cannot be used."""
        try:
            async with asyncio.timeout(self._times.open_s):
                context = await self._trusted()
            return await self._connect(context)
        except (ValueError, ImportError) as error:
            raise LinkLostError(named(error)) from error

    async def _trusted(self) -> ssl.SSLContext | None:
        """Return what an encrypted connection trusts; reading that from the disk may hang."""
        if urlsplit(self._url).scheme != "wss":
            return None
        return await asyncio.to_thread(ssl.create_default_context)

    def _connect(self, context: ssl.SSLContext | None) -> connect:
        on_loopback = is_loopback(urlsplit(self._url).hostname or "")
        return connect(
            self._url,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=self._times.open_s,
            close_timeout=self._times.close_s,
            ping_interval=None,
            logger=self._wire_log,
            proxy=None if on_loopback else True,
            ssl=context,
        )

    async def _read(self, socket: ClientConnection, frames: Sequence[str]) -> None:
        for frame_text in frames:
            await socket.send(frame_text)
        clock, talk = self._clock, self._talk
        while True:
            text = await socket.recv()
            received_ns = clock.mono_ns()
            self._heard_ms = self._clock.now_ms()
            frame = _frame(text)
            if frame is None:
                self._ignore(text)
                talk.missed()
                await asyncio.sleep(0)
                continue
            kind = frame.get("type")
            if kind == "ping":
                await socket.send(PONG)
            elif kind == "pong":
                self._answers_pings = True
            elif kind == "shutdown":
                raise LinkLostError("the server announced its shutdown")
            for answer in talk.heard(frame, received_ns):
                await socket.send(answer)
            # Frames that are queued are read without a pause: let the other tasks have their turn.
            await asyncio.sleep(0)

    def _ignore(self, text: str | bytes) -> None:
        """Count a frame that is no JSON object; a flood of them is a line a minute."""
        self.ignored += 1
        now_ms = self._clock.now_ms()
        if self._said_ms is None or now_ms >= self._said_ms + SAY_EVERY_MS:
            self._said_ms = now_ms
            _log.warning(
                "frame ignored link=%s count=%d reason=no_json_object length=%d begins=%r",
                self.name,
                self.ignored,
                len(text),
                text[:80],
            )

    async def _keep_alive(self) -> None:
        """Ping, watch for silence and let the talk do what time asks for."""
        while True:
            await self._clock.sleep(self._times.tick_s)
            if self._socket is None:
                continue
            try:
                async with asyncio.timeout(self._times.pong_s):
                    await self._beat(self._clock.now_ms())
            except LinkLostError as error:
                self.drop(str(error))
            except TimeoutError:
                self.drop("cannot write")
            except VenueUnavailableError:
                continue  # the reader has noticed, too

    async def _beat(self, now_ms: int) -> None:
        if now_ms - self._talk.last_data_ms >= self._times.silence_s * 1000:
            raise LinkLostError(f"silent for {self._times.silence_s:g} s")
        if self._answers_pings and self._heard_ms < self._pinged_ms:
            if now_ms - self._pinged_ms >= self._times.pong_s * 1000:
                raise LinkLostError(f"no pong within {self._times.pong_s:g} s")
        elif self._is_ping_due(now_ms):
            self._pinged_ms = now_ms
            await self.send(PING)
        for text in self._talk.tick(now_ms):
            await self.send(text)

    def _is_ping_due(self, now_ms: int) -> bool:
        hushed_ms = now_ms - max(self._heard_ms, self._pinged_ms)
        is_due = now_ms - self._pinged_ms >= self._times.ping_s * 1000
        return is_due or hushed_ms >= self._times.hush_s * 1000


def _seconds(text: str | None) -> float:
    """Return the seconds of a `Retry-After`, 0 where it names none (a date is not read)."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else 0.0


def _frame(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that a frame is, None where it is none."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None
