"""The volume quota of Plus and Premium: transactions are paid for by what was traded.

Source: apidocs.lighter.xyz, "Volume quota program": 1,000 at the start, +1 per 7 USD traded by any
account of the owner, one free transaction every 15 s; creating, modifying, grouped orders,
transfers and cancel-alls spend one each, single cancels are free. Used up is answered with 23000
and "volume quota" in the text; the nonce is not spent then. The exact text is this program's.

It is kept in memory, and begins anew with the process.
"""

from __future__ import annotations

from typing import Final

from paper.apierror import ApiError
from paper.records import Trade

START: Final = 1_000
MOST: Final = 5_000_000
MICROS_PER_UNIT: Final = 7_000_000
FREE_EVERY_MS: Final = 15_000
SPENDERS: Final = frozenset({12, 14, 16, 17, 28})
TIERS: Final = frozenset({"plus", "premium"})
USED_UP: Final = "Too Many Requests! volume quota is used up"
CODE: Final = 23000


class VolumeQuota:
    """What the owner of each account (an L1 address) has left."""

    def __init__(self) -> None:
        """Start with nothing spent."""
        self.is_on = False
        self._left: dict[str, int] = {}
        self._volume: dict[str, int] = {}
        self._free_at_ms: dict[str, int] = {}

    def set(self, master: str, left: int) -> None:
        """Let an owner have so much left, on whatever tier."""
        self._left[master] = left

    def left(self, master: str, tier: str) -> int | None:
        """Return what an owner has left; None where the quota does not bind."""
        if master in self._left or (self.is_on and tier in TIERS):
            return self._left.setdefault(master, START)
        return None

    def traded(self, master: str, trade: Trade) -> None:
        """Count a trade of one of an owner's accounts."""
        volume = self._volume.get(master, 0) + trade.quote
        units, self._volume[master] = divmod(volume, MICROS_PER_UNIT)
        if master in self._left:
            self._left[master] = min(MOST, self._left[master] + units)

    def spend(self, master: str, tier: str, types: list[int], now_ms: int) -> None:
        """Take one for each transaction of these types, or raise ApiError with nothing taken."""
        cost = sum(tx_type in SPENDERS for tx_type in types)
        left = self.left(master, tier)
        if left is None or not cost:
            return
        if cost == 1 and now_ms >= self._free_at_ms.get(master, 0):
            self._free_at_ms[master] = now_ms + FREE_EVERY_MS
            return
        if left < cost:
            raise ApiError(CODE, USED_UP, http_status=429)
        self._left[master] = left - cost
