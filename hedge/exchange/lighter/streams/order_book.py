"""A mirror of the public order book: one snapshot, then deltas that must chain without a gap.

An update continues the book only if its `begin_nonce` is the nonce before it; a size of zero
deletes the level; `offset` belongs to one API server and means nothing here
(apidocs.lighter.xyz, websocket-reference, order book). A book has some 1,500 levels a side and
changes up to twenty times a second, so levels are kept sorted and never rebuilt.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hedge.core.amounts import InexactAmountError, MarketSpec, to_steps
from hedge.core.pricing import BPS
from hedge.core.records import Depth, Level
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.parse import VenueParseError

MOST_DEPTH = 50
"""A rests on this level at most (`strategy.depth`)."""
LEVELS = MOST_DEPTH + 1
"""So many are shown of each side: one of them may be A's own."""

Json = Mapping[str, Any]


REFUTED_AFTER_MS = 5_000
"""A book without a frame for so long is refuted by best prices, or a mark price, elsewhere."""
MAX_MARK_GAP_BPS = 300


@dataclass(frozen=True, slots=True)
class StillBook:
    """What is known of a book that gets no frames: its best prices, and mark, in ticks.

    `is_told_otherwise`: the exchange's statistics have shown other best prices since.
    """

    silent_ms: int
    bid: int | None
    ask: int | None
    mark: int | None
    is_told_otherwise: bool = False

    def refuted(self, max_mark_gap_bps: int) -> str:
        """Return what speaks against it, "" where nothing does.

        A book that still gets frames is what the exchange says, however far from mark.
        """
        if self.silent_ms < REFUTED_AFTER_MS:
            return ""
        since = f"no frame of the order book for {self.silent_ms // 1000} s"
        if self.is_told_otherwise:
            return f"{since}, while Lighter's statistics show other best prices"
        if self.bid is None or self.ask is None or self.mark is None:
            return ""
        if abs(self.bid + self.ask - 2 * self.mark) * BPS <= 2 * self.mark * max_mark_gap_bps:
            return ""
        return f"{since}, and it is too far from the mark price"


class BookGapError(Exception):
    """A delta that does not continue the mirror; only a new snapshot helps."""


class _Side:
    """One side of the book: prices ascending, sizes by price."""

    def __init__(self, levels: Iterable[tuple[int, int]] = ()) -> None:
        self.sizes = {price: size for price, size in levels if size}
        self.prices = sorted(self.sizes)

    def set(self, price: int, size: int) -> None:
        """Put a level's size; zero deletes the level."""
        if size == 0:
            if self.sizes.pop(price, None) is not None:
                del self.prices[bisect_left(self.prices, price)]
            return
        if price not in self.sizes:
            insort(self.prices, price)
        self.sizes[price] = size

    def level(self, price: int) -> Level:
        return Level(price, self.sizes[price])


class DepthMirror:
    """The book of one market as its stream tells it; `depth()` is empty while it is not known."""

    def __init__(self, spec: MarketSpec) -> None:
        """Start without a book."""
        self._spec = spec
        self._bids = _Side()
        self._asks = _Side()
        self._nonce: int | None = None
        self._mark_ticks: int | None = None
        self._cached: Depth | None = Depth()

    @property
    def is_synced(self) -> bool:
        """Whether a snapshot and everything since are in the mirror."""
        return self._nonce is not None

    def depth(self) -> Depth:
        """Return the best levels of each side, best first, and the mark price."""
        if self._cached is None:
            bids, asks = self._bids, self._asks
            self._cached = Depth(
                bids=tuple(map(bids.level, reversed(bids.prices[-LEVELS:]))),
                asks=tuple(map(asks.level, asks.prices[:LEVELS])),
                mark_ticks=self._mark_ticks,
                is_live=self.is_synced,
            )
        return self._cached

    @property
    def mark_ticks(self) -> int | None:
        """The mark price, None while it is unknown."""
        return self._mark_ticks

    @property
    def best(self) -> tuple[int | None, int | None]:
        """The best bid and ask in ticks, None where a side is empty."""
        bids, asks = self._bids.prices, self._asks.prices
        return (bids[-1] if bids else None, asks[0] if asks else None)

    def snapshot(self, book: Json) -> None:
        """Start over from what stands under "order_book" in a subscribed frame.

        Raises VenueParseError, and leaves no book behind.
        """
        self.drop()
        nonce = _nonce(book, "nonce")
        bids, asks = _Side(self._levels(book, "bids")), _Side(self._levels(book, "asks"))
        self._bids, self._asks, self._nonce = bids, asks, nonce

    def update(self, book: Json) -> None:
        """Apply a delta. Raises BookGapError or VenueParseError, and leaves no book behind."""
        if self._nonce is None:
            return
        try:
            self._nonce = self._continue(book, self._nonce)
        except Exception:  # whatever it was, half of the delta may be in the book
            self.drop()
            raise
        self._cached = None

    def _continue(self, book: Json, before: int) -> int:
        """Apply a delta that follows nonce `before`; return the nonce after it."""
        begin, after = _nonce(book, "begin_nonce"), _nonce(book, "nonce")
        if begin != before:
            raise BookGapError(f"begin_nonce {begin} after {before}")
        for field, side in (("bids", self._bids), ("asks", self._asks)):
            for price, size in self._levels(book, field):
                side.set(price, size)
        return after

    def mark(self, stats: Json) -> None:
        """Take the mark price of what stands under "market_stats", rounded down to a tick."""
        self._mark_ticks = parse.mark_of(stats, self._spec)
        self._cached = None

    def is_told_by(self, stats: Json) -> bool:
        """Whether the best prices of a frame of market statistics are those of this book.

        A side without a price says nothing: it may be empty, or the field not be there.
        """
        for field, own in zip(("best_bid_price", "best_ask_price"), self.best, strict=True):
            text = stats.get(field)
            try:
                told = to_steps(text, self._spec.price_decimals) if text else None
            except InexactAmountError:
                continue
            if told is not None and told != own:
                return False
        return True

    def drop(self) -> None:
        """Forget the book, keep the mark price."""
        self._bids, self._asks = _Side(), _Side()
        self._nonce = None
        self._cached = None

    def forget_mark(self) -> None:
        """Forget the mark price: nothing has told it for too long."""
        self._mark_ticks = None
        self._cached = None

    def _levels(self, book: Json, field: str) -> list[tuple[int, int]]:
        rows = book.get(field)
        if rows is None and field in book:
            return []
        if not isinstance(rows, list):
            raise VenueParseError(field, rows)
        spec = self._spec
        try:
            return [
                (
                    _steps(row["price"], spec.price_decimals),
                    _steps(row["size"], spec.size_decimals),
                )
                for row in rows
            ]
        except (InexactAmountError, KeyError, TypeError) as error:
            raise VenueParseError(field, str(error)) from error


_PLAIN_CHARS = 40
"""Longer text takes the slow way, which bounds it; int() takes no more than 4,300 digits."""


def _steps(text: Any, decimals: int) -> int:
    """Return decimal text in steps; the plain case without going through Decimal."""
    if type(text) is str:
        whole, _, rest = text.partition(".")
        if len(rest) == decimals and len(text) <= _PLAIN_CHARS and text.isascii():
            digits = whole + rest
            if digits.isdecimal():
                return int(digits)
    steps = to_steps(text, decimals)
    if steps < 0:
        raise InexactAmountError(f"negative amount {text!r}")
    return steps


def _nonce(book: Json, field: str) -> int:
    value = book.get(field)
    if type(value) is not int:
        raise VenueParseError(field, value)
    return value
