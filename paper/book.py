"""One market's order book: price levels, each a queue of order indexes in time priority.

The book knows prices, sizes and order indexes only; who owns an order is the store's business.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

Level = dict[int, int]
"""Order index to remaining lots, oldest first (dicts keep insertion order)."""


class BookSide:
    """One side of a book. Prices in ticks, sizes in lots."""

    __slots__ = ("_keys", "_levels", "_sign", "_totals", "touched")

    def __init__(self, *, is_ask: bool) -> None:
        """Start empty."""
        self._sign = -1 if is_ask else 1
        self._keys: list[int] = []
        self._levels: dict[int, Level] = {}
        self._totals: dict[int, int] = {}
        self.touched: dict[int, None] = {}
        """Prices whose total changed since `take_touched`."""

    def add(self, price: int, order_index: int, lots: int) -> None:
        """Put an order at the end of its level's queue."""
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = {}
            self._totals[price] = 0
            insort(self._keys, price * self._sign)
        level[order_index] = lots
        self._totals[price] += lots
        self.touched[price] = None

    def resize(self, price: int, order_index: int, lots: int) -> None:
        """Set the remaining size of an order, which keeps its place; 0 removes it."""
        level = self._levels[price]
        self._totals[price] += lots - level[order_index]
        if lots:
            level[order_index] = lots
        else:
            del level[order_index]
            if not level:
                self._drop(price)
        self.touched[price] = None

    def best(self) -> int | None:
        """Return the best price."""
        return self._keys[-1] * self._sign if self._keys else None

    def first(self) -> int | None:
        """Return the order index that is matched next."""
        if not self._keys:
            return None
        return next(iter(self._levels[self._keys[-1] * self._sign]))

    def orders(self) -> Iterator[int]:
        """Iterate over order indexes in matching priority; the book must not change meanwhile."""
        for price in self.prices():
            yield from self._levels[price]

    def prices(self) -> Iterator[int]:
        """Iterate over level prices, best first."""
        return (key * self._sign for key in reversed(self._keys))

    def total(self, price: int) -> int:
        """Return the size of a level, 0 if there is none."""
        return self._totals.get(price, 0)

    def crosses(self, price: int, limit: int) -> bool:
        """Return whether a resting price satisfies the limit of an order of the other side."""
        return price * self._sign >= limit * self._sign

    def take_touched(self) -> list[tuple[int, int]]:
        """Return (price, total) of the levels that changed since the last call."""
        changed = [(price, self._totals.get(price, 0)) for price in self.touched]
        self.touched.clear()
        return changed

    def _drop(self, price: int) -> None:
        del self._levels[price]
        del self._totals[price]
        del self._keys[bisect_left(self._keys, price * self._sign)]


class Book:
    """Both sides of one market."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        """Start empty."""
        self.asks = BookSide(is_ask=True)
        self.bids = BookSide(is_ask=False)

    def side(self, *, is_ask: bool) -> BookSide:
        """Return the side on which orders of this direction rest."""
        return self.asks if is_ask else self.bids

    def would_cross(self, price: int, *, is_ask: bool) -> bool:
        """Return whether an order at this price would match at once."""
        other = self.side(is_ask=not is_ask)
        best = other.best()
        return best is not None and other.crosses(best, price)
