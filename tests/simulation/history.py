"""What one account's servers may still tell: facts in the venue's words, each with its moment."""

from bisect import bisect_right
from dataclasses import dataclass, field

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, OrderStatus, Trade
from paper.records import Order
from paper.records import OrderStatus as PaperStatus
from paper.records import Trade as PaperTrade

_STATUS = {status: OrderStatus(status.value) for status in PaperStatus}


@dataclass
class History:
    """What one account's servers may still tell: each fact with the moment it came true."""

    trades: list[Trade] = field(default_factory=list)
    trade_ms: list[int] = field(default_factory=list)
    rows: list[OrderRow] = field(default_factory=list)
    row_ms: list[int] = field(default_factory=list)
    nonces: dict[int, tuple[list[int], list[int]]] = field(default_factory=dict)
    row_nonces: dict[int, int] = field(default_factory=dict)
    """Order index to the nonce of its transaction."""

    def position_at(self, now_ms: int) -> int:
        return sum(trade.signed_lots for trade in self.trades_at(now_ms))

    def trades_at(self, now_ms: int) -> list[Trade]:
        return self.trades[: bisect_right(self.trade_ms, now_ms)]

    def rows_at(self, now_ms: int) -> list[OrderRow]:
        """Return the newest row of each order, newest change first."""
        found: dict[int, OrderRow] = {}
        for row in reversed(self.rows[: bisect_right(self.row_ms, now_ms)]):
            found.setdefault(row.order_index, row)
        return list(found.values())

    def nonce_at(self, key: int, now_ms: int) -> int:
        times, values = self.nonces[key]
        return values[max(0, bisect_right(times, now_ms) - 1)]

    def note_nonce(self, key: int, now_ms: int, nonce: int) -> None:
        times, values = self.nonces.setdefault(key, ([], []))
        times.append(now_ms)
        values.append(nonce)


def leg_of(trade: PaperTrade, account: int, *, states_position: bool) -> Trade:
    """Return one account's leg of a trade as the venue tells it."""
    is_ask = trade.ask_account_index == account
    is_maker = trade.is_maker_ask == is_ask
    before = trade.maker_position_before if is_maker else trade.taker_position_before
    return Trade(
        trade_id=trade.trade_id,
        side=Side.SELL if is_ask else Side.BUY,
        size_lots=trade.lots,
        price_ticks=trade.price,
        quote_micros=trade.quote,
        order_index=trade.ask_order_index if is_ask else trade.bid_order_index,
        client_order_index=(
            trade.ask_client_order_index if is_ask else trade.bid_client_order_index
        ),
        is_maker=is_maker,
        position_before_lots=before if states_position else None,
        time_ms=trade.timestamp_ms,
    )


def row_of(order: Order) -> OrderRow:
    """Return an order row as the venue tells it."""
    return OrderRow(
        order_index=order.order_index,
        client_order_index=order.client_order_index,
        side=Side.SELL if order.is_ask else Side.BUY,
        initial_lots=order.initial_lots,
        filled_lots=order.filled_lots,
        price_ticks=order.price,
        status=_STATUS[order.status],
        reduce_only=order.reduce_only,
        updated_ms=order.transaction_us // 1000,
    )
