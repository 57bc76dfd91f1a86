"""What an account tier means: delays, fees, numbers of orders.

Sources: API docs, "Account types", "Rate limits" and "Volume quota program" (delays, fees, staked
LIT); the order limits are those of the venue's upgrade of September 2026. A tier belongs to the
owner (L1 address) and so to all accounts of the owner.
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
    """Delay of resting orders."""
    cancel_delay_ms: int
    """Delay of cancels and of settings."""
    maker_fee: int
    taker_fee: int
    orders_per_account: int
    orders_per_market: int
    pending_per_account: int
    """Orders that wait for a trigger."""
    pending_per_market: int


_TERMS = {
    Tier.INSTANT: Terms(Tier.INSTANT, 0, 0, 0, 0, 0, 1_500, 1_000, 1_000, 100),
    Tier.STANDARD: Terms(Tier.STANDARD, 300, 200, 200, 0, 0, 250, 30, 50, 10),
    Tier.PLUS: Terms(Tier.PLUS, 300, 200, 200, 50, 50, 750, 250, 500, 100),
}
_PREMIUM_MAKER_FEE = 40
_PREMIUM_TAKER_FEE = 280
_PREMIUM_STEPS = (
    (0, 0, 200),
    (1_000, 25, 195),
    (3_000, 50, 190),
    (10_000, 100, 180),
    (30_000, 150, 170),
    (100_000, 200, 160),
    (300_000, 250, 150),
    (500_000, 300, 140),
)
"""(Staked LIT, fee discount in 1e-3, taker delay in ms)."""


@cache
def terms_of(tier: Tier, staked_lit: int = 0) -> Terms:
    """Return the terms of a tier; staked LIT counts at the premium tier only."""
    if tier is not Tier.PREMIUM:
        return _TERMS[tier]
    discount, delay_ms = next(
        (discount, delay)
        for staked, discount, delay in _PREMIUM_STEPS[::-1]
        if staked_lit >= staked
    )
    return Terms(
        tier=tier,
        taker_delay_ms=delay_ms,
        maker_delay_ms=0,
        cancel_delay_ms=0,
        maker_fee=_PREMIUM_MAKER_FEE * (_PERMILLE - discount) // _PERMILLE,
        taker_fee=_PREMIUM_TAKER_FEE * (_PERMILLE - discount) // _PERMILLE,
        orders_per_account=1_500,
        orders_per_market=1_000,
        pending_per_account=1_000,
        pending_per_market=100,
    )
