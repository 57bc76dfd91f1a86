"""One request budget per daemon, so that reads never starve a hedge, a fence or a cancel.

A Standard account may make 60 requests in a rolling minute, transactions included, for all that
share its L1 address and its IP address (apidocs.lighter.xyz, rate-limits). HTTP 429 comes from the
API servers, 405 from the firewall, which then blocks for 60 seconds.
"""

import contextlib
import logging
from collections import deque

from hedge.exchange.port import Clock, Priority, VenueUnavailableError

WINDOW_MS = 60_000
SILENCE_S = 60.0
RESERVE = 5

_log = logging.getLogger(__name__)


class RequestBudget:
    """Counts the requests of the last minute of one daemon.

    `requests_per_minute` must be larger than `reserve`, the requests that NORMAL leaves over.
    """

    def __init__(
        self,
        clock: Clock,
        requests_per_minute: int,
        *,
        reserve: int = RESERVE,
        silence_s: float = SILENCE_S,
    ) -> None:
        """Start with an empty minute. Raises ValueError for a budget that is all reserve."""
        if requests_per_minute <= reserve:
            raise ValueError(f"need more than {reserve} requests a minute: {requests_per_minute}")
        self._clock = clock
        self._limit = requests_per_minute
        self._reserve = reserve
        self._silence_s = silence_s
        self._taken: deque[int] = deque()
        self._silent_until_ms: int | None = None

    @property
    def used_fraction(self) -> float:
        """Share of the rolling minute's requests that is spent, 0 to 1."""
        return self.at(self._clock.now_ms())[1]

    @property
    def is_silenced(self) -> bool:
        """Whether a 429 or 405 of the last minute lets only URGENT requests through."""
        silent_until = self._silent_until_ms
        return silent_until is not None and self._clock.now_ms() < silent_until

    @property
    def has_room(self) -> bool:
        """Whether a NORMAL request would be let through now."""
        return self.at(self._clock.now_ms())[0]

    def at(self, now_ms: int) -> tuple[bool, float]:
        """Return `has_room` and `used_fraction` of this moment."""
        self._forget(now_ms)
        used, silent_until = len(self._taken), self._silent_until_ms
        is_silenced = silent_until is not None and now_ms < silent_until
        return not is_silenced and used < self._limit - self._reserve, used / self._limit

    async def take(self, priority: Priority = Priority.NORMAL) -> int:
        """Take one request; return its moment. URGENT waits for a slot where none is left.

        Raises:
            VenueUnavailableError: a NORMAL request while silenced, or only the reserve is left.

        """
        if priority is Priority.NORMAL:
            return self._take_normal()
        while True:
            now_ms = self._clock.now_ms()
            self._forget(now_ms)
            if len(self._taken) < self._limit:
                self._taken.append(now_ms)
                return now_ms
            wait_ms = self._taken[0] + WINDOW_MS - now_ms
            _log.warning("request budget exhausted wait_ms=%d", wait_ms)
            await self._clock.sleep(wait_ms / 1000)

    def give_back(self, taken_ms: int) -> None:
        """Count the request taken at this moment no more: not a byte of it has left."""
        with contextlib.suppress(ValueError):  # a minute may have passed
            self._taken.remove(taken_ms)

    def _take_normal(self) -> int:
        now_ms = self._clock.now_ms()
        self._forget(now_ms)
        if self.is_silenced:
            raise VenueUnavailableError("requests are silenced after a rate-limit answer")
        if len(self._taken) >= self._limit - self._reserve:
            raise VenueUnavailableError("the request budget of this minute is spent")
        self._taken.append(now_ms)
        return now_ms

    def refused(self) -> None:
        """Note a 429 or 405: everything but URGENT is silenced for 60 s from now."""
        self._silent_until_ms = self._clock.now_ms() + round(self._silence_s * 1000)
        _log.warning("rate limited by the venue silence_s=%g", self._silence_s)

    def _forget(self, now_ms: int) -> None:
        taken = self._taken
        while taken and taken[0] <= now_ms - WINDOW_MS:
            taken.popleft()
