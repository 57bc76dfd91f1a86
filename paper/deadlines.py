"""Moments at which something ends by itself: order expiries and dead-man switches."""

from __future__ import annotations

import heapq

from paper.records import ORDER_INDEX_BASE
from paper.store import Store

_SPARE = 1_000


class Deadlines:
    """A queue of (epoch ms, order index or account index); outdated entries are skipped.

    Indexes from 2^48 on are orders, below are accounts with an armed dead-man switch. The queue
    stays within twice the number of known orders.
    """

    def __init__(self, store: Store) -> None:
        """Start empty."""
        self._store = store
        self._heap: list[tuple[int, int]] = []

    def add(self, time_ms: int, index: int) -> None:
        """Note a deadline; from time to time drop those that mean nothing any more."""
        heapq.heappush(self._heap, (time_ms, index))
        if len(self._heap) > 2 * len(self._store.orders) + _SPARE:
            self._heap = [row for row in set(self._heap) if self._is_armed(*row)]
            heapq.heapify(self._heap)

    def next_ms(self) -> int | None:
        """Return the next deadline that still means something."""
        while self._heap and not self._is_armed(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self) -> int:
        """Return the index of the next deadline and forget it."""
        return heapq.heappop(self._heap)[1]

    def _is_armed(self, time_ms: int, index: int) -> bool:
        if index >= ORDER_INDEX_BASE:
            order = self._store.orders.get(index)
            return order is not None and order.status.is_active
        return self._store.accounts[index].account.cancel_all_time == time_ms
