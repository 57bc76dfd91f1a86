"""What one daemon may ask of Lighter in a rolling minute, by the tier of its account.

Limits count per L1 address, and per IP address for what carries no token, so A and B share them
(apidocs.lighter.xyz, rate-limits, account-types and volume-quota-program, read in November 2026):
on Standard 60 requests, transactions among them; on Plus and Premium reads of 24,000 by weight and
4,000 transactions apart from them. Forty transactions of one type count on every tier: the page
leaves open whether changes and cancels are free of that on Plus and Premium, and 429 after forty
changes was seen there. What one side leaves over the other does not get: it is on another host.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hedge.config.schema import Tier

CREATE, CANCEL, CANCEL_ALL, CHANGE = 14, 15, 16, 17
"""Types of transactions, as they are signed."""

WEIGHTS: Mapping[str, int] = {
    "nextNonce": 6,
    "accountInactiveOrders": 100,
    "apikeys": 150,
    "recentTrades": 600,
    "trades": 600,
}
"""Weights of reads; the dearer one where the venue's tables contradict each other."""
OTHER_WEIGHT = 300

RESERVE = 5
"""Requests that are kept for hedges, fences and cancels; reads and new orders leave them over."""
RESERVED_WEIGHT = 3_000
RESERVED_CHANGES = 10
"""Cancels, and changes, that are kept for what must come off the book."""
TYPE_LIMIT = 40
"""Transactions of one type in a minute that the exchange takes of both sides together."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One daemon's share of a minute.

    `requests` bounds transactions and, where `weight` is None, reads with them; `weight` bounds the
    sum of the weights of reads. `shares` is how many transactions of a type may go that are not
    urgent, `reads` the same for reads of any kind (None: as many as there are); urgent ones may use
    all that the exchange takes. `reserve` requests are for what is urgent alone.
    """

    requests: int
    weight: int | None = None
    shares: Mapping[int, int] = field(default_factory=dict)
    reads: int | None = None
    reserve: int = RESERVE
    is_scarce: bool = True
    """Whether reads that only confirm are kept rare."""
    tier: Tier = Tier.STANDARD
    why: str = ""
    """How the tier is known."""

    @property
    def text(self) -> str:
        """Say it in words."""
        what = "requests" if self.weight is None else "transactions"
        words = f"tier {self.tier.value} ({self.why}): {self.requests} {what} a minute"
        words += f", {self.reserve} of them only for hedges, fences and cancels"
        return words if self.weight is None else f"{words}; reads of {self.weight} weight"


_CHANGES = dict.fromkeys((CANCEL, CHANGE), TYPE_LIMIT - RESERVED_CHANGES)
_PAID = {
    "a": Allowance(2_000, 10_000, _CHANGES, is_scarce=False),
    "b": Allowance(2_000, 14_000, {}, is_scarce=False),
}
# A fill takes an order of each side out of forty: eighteen of A's leave B one for each, and four
# for parts of them, further attempts and markers. Of B's requests its reads leave twenty over.
_STANDARD = {
    "a": Allowance(28, shares={CREATE: 18, **_CHANGES}),
    "b": Allowance(32, shares={CREATE: 22}, reads=12),
}


def tier_named(word: str) -> Tier | None:
    """Return the tier that the exchange calls so in any case, None for a word that is not known."""
    known = {tier.value: tier for tier in (Tier.STANDARD, Tier.PLUS, Tier.PREMIUM)}
    return known.get(word.strip().lower())


def allowance_of(tier: Tier, side: str, requests: int = 0, why: str = "") -> Allowance:
    """Return the share of side "a" or "b"; `requests` a minute were written, 0 for none.

    `why` says how the tier is known.

    A number that a person wrote counts reads and transactions of every type alike, and instead of
    all that the tier has. A tier that is not known yet has the least.
    """
    is_paid = tier in (Tier.PLUS, Tier.PREMIUM)
    found = (_PAID if is_paid else _STANDARD)[side]
    found = replace(found, tier=tier if is_paid else Tier.STANDARD, why=why)
    if not requests:
        return found
    return replace(found, requests=requests, weight=None, shares={}, reads=None)
