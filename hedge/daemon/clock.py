"""The real clock; the program never reads time any other way, so that a simulator can own it."""

import asyncio
import sys
import time

_NS_PER_MS = 1_000_000

CLOCK_SLACK_MS = 2000
"""How far the clock of a host and the venue's may differ unnoticed."""


if hasattr(time, "CLOCK_BOOTTIME"):

    def _monotonic_ns() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

else:
    _monotonic_ns = time.monotonic_ns


class SystemClock:
    """Time of this host; implements `hedge.exchange.port.Clock`."""

    counts_sleep = hasattr(time, "CLOCK_BOOTTIME") or sys.platform == "win32"
    """Whether `now_ms` goes on while the host sleeps."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds, for deadlines and durations."""
        return _monotonic_ns() // _NS_PER_MS

    def epoch_ms(self) -> int:
        """Return wall-clock epoch milliseconds, for messages and tokens only."""
        return time.time_ns() // _NS_PER_MS

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds, for measurements."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


def clock_off_ms(venue_ms: int, began_ms: int, seen_ms: int) -> int:
    """Return by how much our clock is ahead of the venue's (negative: behind), 0 within the slack.

    The venue says that something happened at `venue_ms`; by our clock that was after `began_ms` and
    before `seen_ms`. All are epoch milliseconds.
    """
    ahead_ms, behind_ms = began_ms - venue_ms, venue_ms - seen_ms
    if ahead_ms > CLOCK_SLACK_MS:
        return ahead_ms
    return -behind_ms if behind_ms > CLOCK_SLACK_MS else 0
