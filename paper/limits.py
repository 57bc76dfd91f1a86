"""Request limits: what a client may do in a rolling minute (pure: the time is handed in).

Figures are those of apidocs.lighter.xyz, "Rate limits" and "WebSocket reference". Where the docs
contradict each other the lower figure counts. The point at which the firewall takes over is not
documented; here it is more than FIREWALL_REFUSALS refusals of one address within a minute.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60.0
FIREWALL_S: Final = 60.0
FIREWALL_REFUSALS: Final = 60
CEILING: Final = 24_000
"""Weight per minute of any one call, whatever the tier."""
DEFAULT_WEIGHT: Final = 300
MAX_BUCKETS: Final = 10_000

WEIGHTS: Final = {
    "sendTx": 6,
    "sendTxBatch": 6,
    "nextNonce": 6,
    "accountInactiveOrders": 100,
    "apikeys": 150,
    "recentTrades": 600,
    "trades": 600,
    "changeAccountTier": 3_000,
    "tokens/create": 23_000,
}
"""Weights of the calls below `/api/v1/` that do not weigh DEFAULT_WEIGHT."""

TX_PER_MINUTE: Final = {12: 120, 13: 2, 8: 300}
"""Transactions of one type per minute: transfer, withdraw, change of the public key."""
TX_DEFAULT_PER_MINUTE: Final = 40
QUOTA_TYPES: Final = frozenset({12, 14, 16, 28})
"""Types that on Plus and Premium fall under the volume quota instead.

Changes (17) do too, yet 429 was seen after forty of them; of single cancels (15), which are free of
the quota, no source says that they are free of this.
"""


class Verdict(enum.Enum):
    """What becomes of a request."""

    PASS = enum.auto()
    TOO_MANY = enum.auto()
    """HTTP 429 with 23000."""
    FIREWALL = enum.auto()
    """HTTP 405 from the front."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one tier may do in a minute."""

    weight: int
    """Sum of weights of reads; on a tier that does not weigh, the number of requests."""
    weighed: bool
    txs: int
    """sendTx and sendTxBatch calls, counted apart from reads where requests are weighed."""


_PAID: Final = Budget(weight=CEILING, weighed=True, txs=4_000)
BUDGETS: Final = {
    "standard": Budget(weight=60, weighed=False, txs=60),
    "plus": _PAID,
    "premium": _PAID,
    "instant": _PAID,
}
"""By tier; `instant` is no tier of the exchange and takes the widest."""


class Window:
    """Weighted events of the last minute."""

    __slots__ = ("_events", "_total")

    def __init__(self) -> None:
        """Start empty."""
        self._events: deque[tuple[float, int]] = deque()
        self._total = 0

    def total(self, now: float) -> int:
        """Return the weight of the minute before `now` (seconds)."""
        events = self._events
        while events and events[0][0] <= now - MINUTE_S:
            self._total -= events.popleft()[1]
        return self._total

    def add(self, now: float, weight: int = 1) -> None:
        """Count an event at `now` (seconds)."""
        self._events.append((now, weight))
        self._total += weight


class Bucket:
    """A window with a limit; going over it closes it for weight / (limit / 60) seconds."""

    __slots__ = ("_closed_until", "_window")

    def __init__(self) -> None:
        """Start open and empty."""
        self._window = Window()
        self._closed_until = 0.0

    def fits(self, now: float, weight: int, limit: int) -> bool:
        """Return whether `weight` fits now; if not, the cool-down begins."""
        if now < self._closed_until:
            return False
        if self._window.total(now) + weight <= limit:
            return True
        self._closed_until = now + weight * MINUTE_S / limit
        return False

    def add(self, now: float, weight: int) -> None:
        """Count what passed."""
        self._window.add(now, weight)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a request is counted for: an L1 address, or the network address of a stranger."""

    name: str
    tier: str


class RequestLimits:
    """The buckets of all addresses and all L1 owners."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._buckets: dict[Hashable, Bucket] = {}
        self._refusals: dict[str, Window] = {}
        self._banned_until: dict[str, float] = {}

    def is_banned(self, now: float, address: str) -> bool:
        """Return whether the firewall holds `address` off."""
        return now < self._banned_until.get(address, 0.0)

    def read(self, now: float, address: str, owner: Owner, call: str) -> Verdict:
        """Count a call such as `orderBooks` for `owner` and return what becomes of it."""
        weight = WEIGHTS.get(call, DEFAULT_WEIGHT)
        budget = BUDGETS[owner.tier]
        charges = [(("call", owner.name, call), weight, CEILING)]
        own = weight if budget.weighed else 1
        charges.append((("all", owner.name, ""), own, budget.weight))
        return self._charge(now, address, charges)

    def send(self, now: float, address: str, owner: Owner, types: list[int]) -> Verdict:
        """Count one sendTx or sendTxBatch with transactions of these `types` for `owner`."""
        budget = BUDGETS[owner.tier]
        pool = "txs" if budget.weighed else "all"
        charges = [((pool, owner.name, ""), 1, budget.txs)]
        for tx_type in sorted(set(types)):
            if budget.weighed and tx_type in QUOTA_TYPES:
                continue
            limit = TX_PER_MINUTE.get(tx_type, TX_DEFAULT_PER_MINUTE)
            charges.append((("type", owner.name, str(tx_type)), types.count(tx_type), limit))
        return self._charge(now, address, charges)

    def _charge(
        self, now: float, address: str, charges: list[tuple[tuple[str, str, str], int, int]]
    ) -> Verdict:
        """Count all charges if each fits, else none of them."""
        if self.is_banned(now, address):
            return Verdict.FIREWALL
        buckets = [(self._bucket(key), weight, limit) for key, weight, limit in charges]
        if all(bucket.fits(now, weight, limit) for bucket, weight, limit in buckets):
            for bucket, weight, _ in buckets:
                bucket.add(now, weight)
            return Verdict.PASS
        refusals = self._refusals.setdefault(address, Window())
        refusals.add(now)
        if refusals.total(now) > FIREWALL_REFUSALS:
            self._banned_until[address] = now + FIREWALL_S
            del self._refusals[address]
            return Verdict.FIREWALL
        return Verdict.TOO_MANY

    def _bucket(self, key: Hashable) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = Bucket()
        return bucket
