"""What is said on the socket that watches another account: its public stream, or all trades.

`account_all` needs no token by the documentation, though some clients send one; where the venue
asks for it, the market's public `trade` channel names both accounts of every trade and serves too
(apidocs.lighter.xyz, websocket-reference).
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from hedge.core.amounts import MarketSpec
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.parse import VenueParseError
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes, frame_reader
from hedge.exchange.peer import PeerDown, PeerEvent, PeerShown, PeerUp
from hedge.exchange.port import Clock

ACCOUNT, MARKET_TRADES = "account_all", "trade"
_KINDS = frozenset(
    f"{head}/{tail}" for head in ("subscribed", "update") for tail in (ACCOUNT, MARKET_TRADES)
)
_NOTHING: tuple[str, ...] = ()

_log = logging.getLogger(__name__)


class PeerTalk:
    """Implements `connection.Talk` for one account and one market."""

    def __init__(
        self,
        account_index: int,
        spec: MarketSpec,
        clock: Clock,
        times: LinkTimes,
        emit: Callable[[PeerEvent], None],
    ) -> None:
        """Watch `account_index`; `emit` hears every event."""
        self._account_index = account_index
        self._spec = spec
        self._clock = clock
        self._times = times
        self._emit = emit
        self._opened_ms = 0
        self._asked_for_trades = False
        self.ready_since_ms: int | None = None
        self.last_data_ms = 0

    async def opening(self) -> Sequence[str]:
        """Return the subscription to the account's public stream."""
        self._opened_ms = self.last_data_ms = self._clock.now_ms()
        self._asked_for_trades = False
        return [_subscribe(ACCOUNT, self._account_index)]

    def lost(self, reason: str) -> None:
        """Hear that the socket is gone."""
        if self.ready_since_ms is not None:
            self.ready_since_ms = None
            self._emit(PeerDown(reason))

    def missed(self) -> None:
        """Hear that a frame could not be read; what it was shows in the account's public trades."""

    def tick(self, now_ms: int) -> Sequence[str]:
        """Fall back on the market's trades where the account's stream does not come."""
        if self.ready_since_ms is not None:
            return _NOTHING
        waited_ms = now_ms - self._opened_ms
        if waited_ms >= self._times.ready_s * 1000:
            raise LinkLostError("no first frame of any public stream")
        if waited_ms >= self._times.grace_s * 1000:
            return self._fall_back("no first frame")
        return _NOTHING

    def heard(self, frame: dict[str, Any], received_ns: int) -> Sequence[str]:
        """Turn a frame into events. Raises LinkLostError for trades that it cannot read."""
        self.last_data_ms = self._clock.now_ms()
        shown, answers = self._read(frame, received_ns)
        if shown is None:
            return answers
        if self.ready_since_ms is None:
            self.ready_since_ms = self._clock.now_ms()
            self._emit(PeerUp())
        if shown.trades or shown.position_lots is not None:
            self._emit(shown)
        return answers

    @frame_reader
    def _read(
        self, frame: dict[str, Any], received_ns: int
    ) -> tuple[PeerShown | None, Sequence[str]]:
        """Return what a frame shows, None where it is no data, and the frames to send."""
        kind = frame.get("type")
        if "error" in frame and self.ready_since_ms is None:
            return None, self._fall_back(str(frame["error"]))
        if not isinstance(kind, str) or kind not in _KINDS:
            return None, _NOTHING
        try:
            return self._shown(frame, received_ns), _NOTHING
        except VenueParseError as error:
            raise LinkLostError(f"unreadable {kind}: {error}") from error

    def _shown(self, frame: dict[str, Any], received_ns: int) -> PeerShown:
        rows = frame.get("trades") or []
        trades = parse.trades_of(rows, self._spec, self._account_index)
        liquidations = frame.get("liquidation_trades") or []
        trades += parse.trades_of(liquidations, self._spec, self._account_index)
        positions = frame.get("positions") or []
        position = parse.position_of(positions, self._spec)
        return PeerShown(trades, position, received_ns)

    def _fall_back(self, why: str) -> Sequence[str]:
        if self._asked_for_trades:
            return _NOTHING
        self._asked_for_trades = True
        _log.info("watching the market's trades instead reason=%s", why)
        return [_subscribe(MARKET_TRADES, self._spec.market_index)]


def _subscribe(family: str, index: int) -> str:
    return f'{{"type":"subscribe","channel":"{family}/{index}"}}'
