"""One request budget per daemon, so that reads never starve a hedge, a fence or a cancel.

How much that is stands in `allowance`. HTTP 429 comes from the API servers, 405 from the firewall,
which then blocks for 60 seconds (apidocs.lighter.xyz, rate-limits).
"""

import logging
from collections import deque
from dataclasses import dataclass

from hedge.exchange.allowance import (
    CANCEL,
    CHANGE,
    CREATE,
    OTHER_WEIGHT,
    RESERVED_WEIGHT,
    TYPE_LIMIT,
    WEIGHTS,
    Allowance,
)
from hedge.exchange.port import BudgetSpentError, Clock, Priority

WINDOW_MS = 60_000
SILENCE_S = 60.0
MANY = 1_000
"""What is left where nothing bounds it."""

_log = logging.getLogger(__name__)


class _Window:
    """What was taken of one bucket in the last minute; `free` is what is there for NORMAL."""

    __slots__ = ("_taken", "_used", "free", "limit")

    def __init__(self, limit: int, free: int) -> None:
        self.limit = limit
        self.free = free
        self._taken: deque[tuple[int, int]] = deque()
        self._used = 0

    def used(self, now_ms: int) -> int:
        """Return how much of it the last minute has used."""
        taken = self._taken
        while taken and taken[0][0] <= now_ms - WINDOW_MS:
            self._used -= taken.popleft()[1]
        return self._used

    def add(self, now_ms: int, cost: int) -> None:
        """Count what is taken now."""
        self._taken.append((now_ms, cost))
        self._used += cost

    def give_back(self, at_ms: int, cost: int) -> None:
        """Count it no more."""
        if (at_ms, cost) in self._taken:  # a minute may have passed
            self._taken.remove((at_ms, cost))
            self._used -= cost

    def wait_ms(self, now_ms: int, cost: int) -> int:
        """Return how long it takes until `cost` fits in the limit."""
        over = self.used(now_ms) + cost - self.limit
        for at_ms, freed in self._taken:
            if over <= 0:
                break
            over -= freed
            if over <= 0:
                return at_ms + WINDOW_MS - now_ms
        return 0


@dataclass(frozen=True, slots=True)
class Taken:
    """One request that was let through: when (ms), and what it was."""

    at_ms: int
    call: str
    tx_type: int | None


class RequestBudget:
    """Counts the requests of the last minute of one daemon.

    What it may ask must be more than the reserve, the requests that NORMAL leaves over.
    """

    def __init__(
        self, clock: Clock, allowed: Allowance | int, *, silence_s: float = SILENCE_S
    ) -> None:
        """Start with an empty minute; a number allows so many requests of any kind.

        Raises ValueError for a budget that is all reserve.
        """
        self._clock = clock
        self._silence_s = silence_s
        self._silent_until_ms: int | None = None
        self._lately: deque[Taken] = deque()
        self.refusals = 0
        """How often the exchange has said that there were too many."""
        self.allow(Allowance(allowed) if isinstance(allowed, int) else allowed)

    def allow(self, allowed: Allowance) -> None:
        """Go by another allowance from now on; what the last minute took counts towards it.

        Raises ValueError for one that is all reserve.
        """
        reserve = allowed.reserve
        if allowed.requests <= reserve:
            raise ValueError(f"need more than {reserve} requests a minute: {allowed.requests}")
        self.allowed = allowed
        self._all = _Window(allowed.requests, allowed.requests - reserve)
        self._reads: _Window | None = None
        if allowed.weight is not None:
            self._reads = _Window(allowed.weight, allowed.weight - RESERVED_WEIGHT)
        elif allowed.reads is not None:
            self._reads = _Window(allowed.requests, allowed.reads)
        self._types = {kind: _Window(TYPE_LIMIT, n) for kind, n in allowed.shares.items()}
        now_ms = self._clock.now_ms()
        self._lately = deque(one for one in self._lately if one.at_ms > now_ms - WINDOW_MS)
        for one in self._lately:
            self._charge(one)

    @property
    def text(self) -> str:
        """Say what is allowed, what of it the last minute used, and what was refused."""
        used = self._all.used(self._clock.now_ms())
        return f"{self.allowed.text}; {used} used in the last one, {self.refusals} refused (429)"

    @property
    def used_fraction(self) -> float:
        """Share of the rolling minute's requests that is spent, 0 to 1."""
        return self.used_at(self._clock.now_ms())

    @property
    def is_silenced(self) -> bool:
        """Whether a 429 or 405 of the last minute lets no NORMAL request through."""
        return self._is_silent(self._clock.now_ms())

    @property
    def has_room(self) -> bool:
        """Whether a NORMAL read would be let through now."""
        now_ms = self._clock.now_ms()
        return not self._is_silent(now_ms) and _fits(self._charges("", None), now_ms)

    def used_at(self, now_ms: int) -> float:
        """Return what part of what it may send is spent at this moment, 0 to 1."""
        used = self._all.used(now_ms) / self._all.limit
        orders = self._types.get(CREATE)
        return used if orders is None else max(used, orders.used(now_ms) / orders.limit)

    def orders_left(self, now_ms: int) -> int:
        """Return how many new orders may go now that are not urgent."""
        return self._left(now_ms, CREATE)

    def changes_left(self, now_ms: int) -> int:
        """Return how many orders may be taken off or changed now without urgency."""
        return self._left(now_ms, CANCEL, CHANGE)

    def _left(self, now_ms: int, *kinds: int) -> int:
        if self._is_silent(now_ms):
            return 0
        left = min(MANY, self._all.free - self._all.used(now_ms))
        for kind in kinds:
            found = self._types.get(kind)
            if found is not None:
                left = min(left, found.free - found.used(now_ms))
        return max(0, left)

    def _is_silent(self, now_ms: int) -> bool:
        until_ms = self._silent_until_ms
        return until_ms is not None and now_ms < until_ms

    async def take(
        self, priority: Priority = Priority.NORMAL, call: str = "", *, tx_type: int | None = None
    ) -> Taken:
        """Take one request: a read by its name, or a transaction by its type.

        URGENT waits for a slot where none is left.

        Raises:
            BudgetSpentError: a NORMAL request while silenced; a NORMAL or NEEDED one where only
                the reserve is left.

        """
        if priority is not Priority.URGENT:
            return self._take_normal(priority, call, tx_type)
        while True:
            now_ms = self._clock.now_ms()
            charges = self._charges(call, tx_type)
            wait_ms = max(window.wait_ms(now_ms, cost) for window, cost in charges)
            if not wait_ms:
                return self._took(Taken(now_ms, call, tx_type))
            _log.warning("request budget exhausted wait_ms=%d", wait_ms)
            await self._clock.sleep(wait_ms / 1000)

    def give_back(self, taken: Taken) -> None:
        """Count this request no more: not a byte of it has left."""
        if taken in self._lately:
            self._lately.remove(taken)
            for window, cost in self._charges(taken.call, taken.tx_type):
                window.give_back(taken.at_ms, cost)

    def _charges(self, call: str, tx_type: int | None) -> tuple[tuple[_Window, int], ...]:
        if tx_type is None and self._reads is not None and self.allowed.weight is not None:
            return ((self._reads, WEIGHTS.get(call, OTHER_WEIGHT)),)
        found = self._reads if tx_type is None else self._types.get(tx_type)
        return ((self._all, 1),) if found is None else ((self._all, 1), (found, 1))

    def _take_normal(self, priority: Priority, call: str, tx_type: int | None) -> Taken:
        now_ms = self._clock.now_ms()
        if priority is Priority.NORMAL and self._is_silent(now_ms):
            raise BudgetSpentError("requests are silenced after a rate-limit answer")
        if not _fits(self._charges(call, tx_type), now_ms):
            raise BudgetSpentError("the request budget of this minute is spent")
        return self._took(Taken(now_ms, call, tx_type))

    def _took(self, taken: Taken) -> Taken:
        while self._lately and self._lately[0].at_ms <= taken.at_ms - WINDOW_MS:
            self._lately.popleft()
        self._lately.append(taken)
        self._charge(taken)
        return taken

    def _charge(self, taken: Taken) -> None:
        for window, cost in self._charges(taken.call, taken.tx_type):
            window.add(taken.at_ms, cost)

    def refused(self) -> None:
        """Note a 429 or 405: everything NORMAL is silenced for 60 s from now."""
        self.refusals += 1
        self._silent_until_ms = self._clock.now_ms() + round(self._silence_s * 1000)
        _log.warning("rate limited by the venue silence_s=%g", self._silence_s)


def _fits(charges: tuple[tuple[_Window, int], ...], now_ms: int) -> bool:
    return all(window.used(now_ms) + cost <= window.free for window, cost in charges)
