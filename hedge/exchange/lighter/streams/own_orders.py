"""What the private streams owe us: the rows of our own orders, and a snapshot when asked for one.

A socket whose pongs come may carry nothing of our account. So it is judged by what it had to show:
the row of an accepted order within five seconds, and, while one rests and the order stream is
still, the snapshot of a new subscription every five seconds. So a mute stream is doubted after six
seconds and left after eight. A question is two frames on the open socket, in place of a ping, and
no request: 24 a minute, of the 200 that the exchange takes of one address (apidocs.lighter.xyz,
rate-limits).

Between the two frames an order may end unseen. Then its trades, whose stream goes on, tell that it
was filled; our own cancels are given time to show; any other end costs the socket.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from hedge.core import ids
from hedge.core.records import OrderRow, OrderStatus, Trade
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes

WAY_MS = 1_000
"""What had to come is missing after so long, though the socket is not given up yet."""

_KEPT = 64
"""So many rows are remembered: more than can come between an answer and its hearing."""
_KEPT_TRADES = 1024
"""So many trades are remembered: what fills one order, and more."""


class OwnOrders:
    """Our orders as one socket has shown them; all times are monotonic ms."""

    def __init__(self, times: LinkTimes) -> None:
        """Know of no order."""
        self._row_ms = round(times.row_s * 1000)
        self._ask_ms = round(times.ask_s * 1000)
        self._snapshot_ms = round(times.snapshot_s * 1000)
        self._awaited: dict[int, tuple[str, int]] = {}
        """Accepted orders without a row: by client order index, their hash and when accepted."""
        self._seen: deque[int] = deque(maxlen=_KEPT)
        self._resting: dict[int, OrderRow] = {}
        self._traded: deque[Trade] = deque(maxlen=_KEPT_TRADES)
        self._gone: dict[int, tuple[OrderRow, int]] = {}
        """Orders that a snapshot lacks and no row has ended: the row, and when that was seen."""
        self._shown_ms = 0
        self._asked_ms: int | None = None
        self._is_doubted = False
        self.asks_for_all = False
        """Whether the newest question is for something lost on the way, a trade perhaps."""
        self._sent_ms: int | None = None
        self.proved_ms: int | None = None
        """When the order stream last showed anything, over all sockets; None before it did."""

    def opened(self, now_ms: int) -> None:
        """Begin with a new socket, whose first frame shows what rests."""
        self._awaited.clear()
        self._resting.clear()
        self._traded.clear()
        self._gone.clear()
        self._shown_ms, self._asked_ms, self._is_doubted = now_ms, None, False
        self._sent_ms = None

    def doubt(self) -> None:
        """Let the next look ask for snapshots: something was lost on the way."""
        self._is_doubted = True

    def sent(self, now_ms: int) -> None:
        """Let no question cross what a transaction of ours, accepted now, does to its order."""
        self._sent_ms = now_ms

    def accepted(self, client_order_index: int, tx_hash: str, now_ms: int) -> None:
        """Expect the row of an order that the exchange has just accepted.

        A fence's marker is not waited for: no document says that an order which ends at once, with
        nothing filled, is streamed, and a fence looks for it in the lists.
        """
        is_shown = client_order_index in self._seen  # a row may overtake the answer
        if client_order_index and not is_shown and not ids.is_marker(client_order_index):
            self._awaited[client_order_index] = tx_hash, now_ms

    def failed(self, tx_hash: str) -> None:
        """Expect no row of a transaction that the exchange says to have failed."""
        for index, (awaited, _) in tuple(self._awaited.items()):
            if awaited == tx_hash:
                del self._awaited[index]

    def changed(self, rows: Iterable[OrderRow], now_ms: int) -> None:
        """Take rows of the order stream."""
        self._shown_ms = self.proved_ms = now_ms
        for row in rows:
            self._awaited.pop(row.client_order_index, None)
            self._seen.append(row.client_order_index)
            if row.is_terminal:
                self._resting.pop(row.order_index, None)
                self._gone.pop(row.order_index, None)
            else:
                self._resting[row.order_index] = row

    def traded(self, trades: Iterable[Trade]) -> None:
        """Take trades that this socket has shown."""
        self._traded.extend(trades)

    def snapshot(self, rows: Iterable[OrderRow], now_ms: int) -> None:
        """Take the first frame of a subscription, which lists what rests."""
        rows = tuple(rows)
        self._asked_ms = None
        listed = {row.order_index for row in rows}
        for index in self._resting.keys() - listed:
            self._gone.setdefault(index, (self._resting.pop(index), now_ms))
        self.changed(rows, now_ms)

    def filled(self) -> tuple[OrderRow, ...]:
        """Return the last rows of orders that a snapshot lacks and whose trades sum to their size.

        Each once. The row itself was on its way while the stream was subscribed anew.
        """
        found = list[OrderRow]()
        for index, (row, _) in tuple(self._gone.items()):
            if self._lots_of(index) == row.initial_lots:
                del self._gone[index]
                ended = replace(row, filled_lots=row.initial_lots, status=OrderStatus.FILLED)
                found.append(ended)
        return tuple(found)

    def _lots_of(self, order_index: int) -> int:
        trades = {
            (one.trade_id, one.side): one.size_lots
            for one in self._traded
            if one.order_index == order_index
        }
        return sum(trades.values())

    def owes(self, now_ms: int) -> bool:
        """Whether something that it had to show is missing for longer than its way takes."""
        since = [accepted_ms for _, accepted_ms in self._awaited.values()]
        if self._asked_ms is not None:
            since.append(self._asked_ms)
        is_late = any(now_ms >= since_ms + WAY_MS for since_ms in since)
        return is_late or bool(self._gone) or self._is_old(now_ms)

    def _is_old(self, now_ms: int) -> bool:
        """Whether an order rests of which nothing was shown for so long, asked for or not."""
        return bool(self._resting) and now_ms >= self._shown_ms + self._ask_ms + 2 * WAY_MS

    def asks(self, now_ms: int) -> bool:
        """Whether a snapshot must be asked for now.

        Raises LinkLostError where one is overdue, or the row of an order is.
        """
        if any(now_ms >= since_ms + self._row_ms for _, since_ms in self._awaited.values()):
            raise LinkLostError(
                f"an order was accepted, and its row did not come within {self._row_ms / 1000:g} s"
            )
        for index, (_, since_ms) in self._gone.items():
            if now_ms >= since_ms + WAY_MS:
                raise LinkLostError(f"the order stream has not shown the end of order {index}")
        if self._asked_ms is not None:
            if now_ms >= self._asked_ms + self._snapshot_ms:
                raise LinkLostError("the order stream is mute: no snapshot of it came")
            return False
        is_still = bool(self._resting) and now_ms >= self._shown_ms + self._ask_ms
        is_crossed = self._sent_ms is not None and now_ms < self._sent_ms + WAY_MS
        is_due = (is_still and not is_crossed) or self._is_doubted
        if is_due:
            self._asked_ms, self.asks_for_all = now_ms, self._is_doubted
            self._is_doubted = False
        return is_due
