"""What an account tier means: delays, fees, numbers of orders.

Sources: API docs, "Account types", "Rate limits" and "Volume quota program" (delays as they stand
since 2026-08-30, fees, staked LIT); the order limits are those of the venue's upgrade of September
2026. A tier belongs to the owner (L1 address) and so to all accounts of the owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from paper.enums import Tier

HOUR_MS = 3_600_000
MIN_CHANGE_MS = 24 * HOUR_MS
"""An owner may change the tier once in this time."""

_PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a tier. Fees in 1e-6 of the notional."""

    tier: Tier
    taker_delay_ms: int
    """Delay of orders that take liquidity."""
    maker_delay_ms: int
    """Delay of orders that rest: post-only ones, and others that meet nothing."""
    cancel_delay_ms: int
    """Delay of cancels, modifications and settings."""
    maker_fee: int
    taker_fee: int
    orders_per_account: int
    orders_per_market: int
    pending_per_account: int
    """Orders that wait for a trigger."""
    pending_per_market: int


_TERMS = {
    Tier.INSTANT: Terms(Tier.INSTANT, 0, 0, 0, 0, 0, 1_500, 1_000, 1_000, 100),
    Tier.STANDARD: Terms(Tier.STANDARD, 300, 0, 300, 0, 0, 250, 30, 50, 10),
    Tier.PLUS: Terms(Tier.PLUS, 300, 0, 0, 50, 50, 750, 250, 500, 100),
}
_PREMIUM_MAKER_FEE = 40
_PREMIUM_TAKER_FEE = 280
_PREMIUM_TAKER_DELAY_MS = 140
_PREMIUM_DISCOUNTS = (
    (0, 0),
    (1_000, 25),
    (3_000, 50),
    (10_000, 100),
    (30_000, 150),
    (100_000, 200),
    (300_000, 250),
    (500_000, 300),
)
"""(Staked LIT, fee discount in 1e-3)."""


@cache
def terms_of(tier: Tier, staked_lit: int = 0) -> Terms:
    """Return the terms of a tier; staked LIT counts at the premium tier only."""
    if tier is not Tier.PREMIUM:
        return _TERMS[tier]
    discount = next(
        discount for staked, discount in _PREMIUM_DISCOUNTS[::-1] if staked_lit >= staked
    )
    return Terms(
        tier=tier,
        taker_delay_ms=_PREMIUM_TAKER_DELAY_MS,
        maker_delay_ms=0,
        cancel_delay_ms=0,
        maker_fee=_PREMIUM_MAKER_FEE * (_PERMILLE - discount) // _PERMILLE,
        taker_fee=_PREMIUM_TAKER_FEE * (_PERMILLE - discount) // _PERMILLE,
        orders_per_account=1_500,
        orders_per_market=1_000,
        pending_per_account=1_000,
        pending_per_market=100,
    )
