"""What the venue's servers may still tell: facts in its words, each with the moment it is listed.

A stream tells a fact when it comes true. Answers list it later, each fact with a lag of its own:
nothing promises that rows, trades and transactions are listed at once, nor in their order.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, OrderStatus, Trade
from paper.records import Order
from paper.records import OrderStatus as PaperStatus
from paper.records import Trade as PaperTrade

T = TypeVar("T")
_STATUS = {status: OrderStatus(status.value) for status in PaperStatus}


class Listed(Generic[T]):
    """Facts in the order in which they came true."""

    def __init__(self) -> None:
        self.facts: list[T] = []
        self._true_ms: list[int] = []
        self._listed_ms: list[int] = []
        self._is_ragged = False

    def add(self, fact: T, now_ms: int, lag_ms: int = 0) -> None:
        """Note a fact that answers list `lag_ms` after it came true."""
        listed_ms = now_ms + lag_ms
        if self._listed_ms and listed_ms < self._listed_ms[-1]:
            self._is_ragged = True
        self.facts.append(fact)
        self._true_ms.append(now_ms)
        self._listed_ms.append(listed_ms)

    @property
    def last_listed_ms(self) -> int:
        """When the newest fact is listed; 0 without any."""
        return self._listed_ms[-1] if self._listed_ms else 0

    def at(self, now_ms: int) -> list[T]:
        """Return what is listed at a moment."""
        if not self._is_ragged:
            return self.facts[: bisect_right(self._listed_ms, now_ms)]
        listed = zip(self.facts, self._listed_ms, strict=True)
        return [fact for fact, listed_ms in listed if listed_ms <= now_ms]

    def newest(self, now_ms: int) -> Iterator[T]:
        """Give what is listed at a moment, newest first."""
        number = bisect_right(self._true_ms, now_ms)
        while number:
            number -= 1
            if self._listed_ms[number] <= now_ms:
                yield self.facts[number]

    def unlisted(self, now_ms: int) -> int:
        """Return how many facts are true at a moment and not listed."""
        number = bisect_right(self._true_ms, now_ms)
        if not self._is_ragged:
            return number - bisect_right(self._listed_ms, now_ms)
        return sum(listed_ms > now_ms for listed_ms in self._listed_ms[:number])


@dataclass
class History:
    """What may still be told of one account in one market."""

    trades: Listed[Trade] = field(default_factory=Listed)
    rows: Listed[OrderRow] = field(default_factory=Listed)
    positions: Listed[int] = field(default_factory=Listed)
    """Position after each trade, as the account query states it: that never goes back."""
    row_nonces: dict[int, int] = field(default_factory=dict)
    """Order index to the nonce of its transaction."""

    def position_at(self, now_ms: int) -> int:
        return next(self.positions.newest(now_ms), 0)

    def trades_at(self, now_ms: int) -> list[Trade]:
        """Return the listed trades, oldest first."""
        return self.trades.at(now_ms)

    def rows_at(self, now_ms: int) -> list[OrderRow]:
        """Return the newest listed row of each order, newest change first."""
        found: dict[int, OrderRow] = {}
        for row in self.rows.newest(now_ms):
            found.setdefault(row.order_index, row)
        return list(found.values())


class Nonces:
    """The next nonce of each key of one account, as of any moment."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[list[int], list[int]]] = {}

    def note(self, key: int, now_ms: int, nonce: int) -> None:
        times, values = self._of.setdefault(key, ([], []))
        times.append(now_ms)
        values.append(nonce)

    def at(self, key: int, now_ms: int) -> int:
        times, values = self._of[key]
        return values[max(0, bisect_right(times, now_ms) - 1)]


class Tape:
    """All trades of a market by id, strangers' in bulk: ids grow in the order of execution."""

    def __init__(self) -> None:
        self._runs: Listed[tuple[int, int]] = Listed()

    def add(self, first_id: int, last_id: int, now_ms: int, lag_ms: int = 0) -> None:
        """Note one run of trades."""
        self._runs.add((first_id, last_id), now_ms, lag_ms)

    def page(self, now_ms: int, limit: int) -> tuple[int, int]:
        """Return lowest and highest id of the newest `limit` trades listed; 0 and 0 for none."""
        lowest = highest = count = 0
        for first_id, last_id in self._runs.newest(now_ms):
            highest = highest or last_id
            lowest = max(first_id, last_id - (limit - count) + 1)
            count += last_id - lowest + 1
            if count >= limit:
                break
        return lowest, highest


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
        kind=trade.kind.value,
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
