"""What the private streams owe us: the rows of our own orders, and a snapshot when asked for one.

A socket whose pongs come may carry nothing of our account. So it is judged by what it had to show:
the row of an accepted order within five seconds, and, while one rests and the order stream is
still, the snapshot of a new subscription every 25 seconds. Together a mute stream is found within
30 seconds; nothing more than that is asked of the exchange (200 frames a minute may be sent).
"""

from collections import deque
from collections.abc import Iterable

from hedge.core import ids
from hedge.core.records import OrderRow
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes

WAY_MS = 1_000
"""What had to come is missing after so long, though the socket is not given up yet."""

_KEPT = 64
"""So many rows are remembered: more than can come between an answer and its hearing."""


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
        self._resting: set[int] = set()
        self._shown_ms = 0
        self._asked_ms: int | None = None
        self._is_doubted = False

    def opened(self, now_ms: int) -> None:
        """Begin with a new socket, whose first frame shows what rests."""
        self._awaited.clear()
        self._resting.clear()
        self._shown_ms, self._asked_ms, self._is_doubted = now_ms, None, False

    def doubt(self) -> None:
        """Let the next look ask for a snapshot: something was lost on the way."""
        self._is_doubted = True

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
        self._shown_ms = now_ms
        for row in rows:
            self._awaited.pop(row.client_order_index, None)
            self._seen.append(row.client_order_index)
            if row.is_terminal:
                self._resting.discard(row.order_index)
            else:
                self._resting.add(row.order_index)

    def snapshot(self, rows: Iterable[OrderRow], now_ms: int) -> None:
        """Take the first frame of a subscription, which lists what rests.

        Raises LinkLostError where an order is gone whose end this socket has not shown.
        """
        rows = tuple(rows)
        self._asked_ms = None
        gone = self._resting - {row.order_index for row in rows}
        self.changed(rows, now_ms)
        if gone:
            raise LinkLostError(f"the order stream has not shown the end of order {min(gone)}")

    def owes(self, now_ms: int) -> bool:
        """Whether something that it had to show is missing for longer than its way takes."""
        since = [accepted_ms for _, accepted_ms in self._awaited.values()]
        if self._asked_ms is not None:
            since.append(self._asked_ms)
        return any(now_ms >= since_ms + WAY_MS for since_ms in since)

    def asks(self, now_ms: int) -> bool:
        """Whether a snapshot must be asked for now. Raises LinkLostError where one is overdue."""
        if any(now_ms >= since_ms + self._row_ms for _, since_ms in self._awaited.values()):
            raise LinkLostError(
                f"an order was accepted, and its row did not come within {self._row_ms / 1000:g} s"
            )
        if self._asked_ms is not None:
            if now_ms >= self._asked_ms + self._snapshot_ms:
                raise LinkLostError("the order stream is mute: no snapshot of it came")
            return False
        is_still = bool(self._resting) and now_ms >= self._shown_ms + self._ask_ms
        is_due = is_still or self._is_doubted
        if is_due:
            self._asked_ms, self._is_doubted = now_ms, False
        return is_due
