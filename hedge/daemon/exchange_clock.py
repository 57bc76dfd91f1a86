"""The exchange's clock as this process knows it: never ahead of it, whatever the host's says.

What the exchange dates and this process has is in its past; of that the quickest news counts. The
row of a marker bounds it from above too: it was not there before its fence began.
"""


class ExchangeClock:
    """Follows the exchange's clock by the monotonic one (`now_ms`); all times are ms."""

    def __init__(self) -> None:
        """Know nothing of it yet."""
        self._ahead_ms: int | None = None  # of the monotonic clock, at least
        self._most_ms: int | None = None  # and at most

    def note(self, venue_ms: int, now_ms: int) -> None:
        """Take the exchange's time of what is known at `now_ms`; only between bounds that hold."""
        if self._most_ms is not None:
            ahead_ms, known_ms = min(venue_ms - now_ms, self._most_ms), self._ahead_ms
            self._ahead_ms = ahead_ms if known_ms is None else max(ahead_ms, known_ms)

    def bound(self, venue_ms: int, began_ms: int, now_ms: int) -> None:
        """Take the time of a row of ours: what it tells of was sent after `began_ms`.

        Rows may bear whole seconds.
        """
        most_ms = venue_ms + 999 - began_ms
        known_ms = most_ms if self._most_ms is None else self._most_ms
        was_set = venue_ms - now_ms > known_ms  # one of both clocks, or this host has slept
        self._most_ms = most_ms if was_set else min(most_ms, known_ms)
        if self._ahead_ms is not None and (was_set or self._ahead_ms > self._most_ms):
            self._ahead_ms = None
        self.note(venue_ms, now_ms)

    def at(self, now_ms: int) -> int | None:
        """Return the exchange's epoch ms at a monotonic moment, None while it is not known."""
        return None if self._ahead_ms is None else self._ahead_ms + now_ms
