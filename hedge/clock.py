"""The real clock; the program never reads time any other way, so that a simulator can own it."""

import asyncio
import time

_NS_PER_MS = 1_000_000


class SystemClock:
    """Time of this host; implements `hedge.venue.port.Clock`."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds, for deadlines and durations."""
        return time.monotonic_ns() // _NS_PER_MS

    def epoch_ms(self) -> int:
        """Return wall-clock epoch milliseconds, for messages and tokens only."""
        return time.time_ns() // _NS_PER_MS

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds, for measurements."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)
