"""The exchange's own record of every order event and every trade, for audits and measurements.

Times are `time.monotonic_ns()`: on one Linux host they compare across processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from paper import wire
from paper.records import MarketConfig, OrderChanged, Trade, TradeHappened

MAX_ROWS: Final = 300_000
MAX_RECEIPTS: Final = 100_000

Json = dict[str, Any]
Row = TypeVar("Row", "TradeRow", "OrderRow")


@dataclass(slots=True)
class TradeRow:
    """One trade; `frames_sent` tells when its account frame went out, per account."""

    seq: int
    mono_ns: int
    trade: Trade
    frames_sent: dict[int, int] = field(default_factory=dict)

    def as_json(self, markets: dict[int, MarketConfig]) -> Json:
        """Return the Trade object with the stamps; `frame_sent_mono_ns` is the earliest frame."""
        return {
            "seq": self.seq,
            "mono_ns": self.mono_ns,
            "frame_sent_mono_ns": min(self.frames_sent.values(), default=None),
            "frames_sent": {str(account): sent for account, sent in self.frames_sent.items()},
            **wire.trade(markets[self.trade.market_id], self.trade),
        }


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order event; `received_ns` is when the bytes of the order's transaction came in."""

    event: OrderChanged
    received_ns: int | None

    @property
    def seq(self) -> int:
        """The event's sequence number."""
        return self.event.seq

    def as_json(self, markets: dict[int, MarketConfig]) -> Json:
        """Return the Order object with the stamps and the transaction that made the order."""
        record = self.event.order
        return {
            "seq": self.event.seq,
            "mono_ns": self.event.mono_ns,
            "received_mono_ns": self.received_ns,
            "tx_hash": record.tx_hash,
            "tx_nonce": record.tx_nonce,
            "api_key_index": record.api_key_index,
            **wire.order(markets[record.market_id], record),
        }


class EventLog:
    """Order events and trades by sequence number; the newest `max_rows` of each are kept."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        """Start empty."""
        self._trades: deque[TradeRow] = deque(maxlen=max_rows)
        self._orders: deque[OrderRow] = deque(maxlen=max_rows)
        self._receipts: dict[str, int] = {}

    def received(self, tx_hash: str, mono_ns: int) -> None:
        """Note when the bytes of a transaction came in."""
        self._receipts[tx_hash] = mono_ns
        if len(self._receipts) > MAX_RECEIPTS:
            del self._receipts[next(iter(self._receipts))]

    def add_trade(self, event: TradeHappened) -> TradeRow:
        """Append a trade and return its row, to be stamped when its frames go out."""
        row = TradeRow(event.seq, event.mono_ns, event.trade)
        self._trades.append(row)
        return row

    def add_order(self, event: OrderChanged) -> None:
        """Append an order event."""
        self._orders.append(OrderRow(event, self._receipts.get(event.order.tx_hash)))

    def trades(self, after_seq: int, account: int | None, limit: int) -> list[TradeRow]:
        """Return up to `limit` trades with a seq above `after_seq`, oldest first."""
        return list(
            islice(
                (
                    row
                    for row in _after(self._trades, after_seq)
                    if account in (None, row.trade.ask_account_index, row.trade.bid_account_index)
                ),
                limit,
            )
        )

    def orders(self, after_seq: int, account: int | None, limit: int) -> list[OrderRow]:
        """Return up to `limit` order events with a seq above `after_seq`, oldest first."""
        return list(
            islice(
                (
                    row
                    for row in _after(self._orders, after_seq)
                    if account in (None, row.event.order.account_index)
                ),
                limit,
            )
        )

    @property
    def counts(self) -> tuple[int, int]:
        """The number of kept trades and order events."""
        return len(self._trades), len(self._orders)


def _after(rows: deque[Row], after_seq: int) -> Iterable[Row]:
    """Return the rows with a seq above `after_seq`; they are in order of seq."""
    newer: list[Row] = []
    for row in reversed(rows):
        if row.seq <= after_seq:
            break
        newer.append(row)
    return reversed(newer)
