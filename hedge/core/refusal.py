"""Why the exchange refused something, as far as a decision depends on it."""

import enum


class Refusal(enum.Enum):
    """The classes of refusals; the value is the word in failure messages, events and the status."""

    MARGIN = "not_enough_margin"
    KEY = "api_key_refused"
    SOFTWARE = "sdk_outdated"
    """The exchange wants a newer SDK than the one that signs."""
    ROLE = "key_not_allowed"
    """The key may not send this: a maker-only key, a tier or an integrator without leave."""
    TOO_SMALL = "too_small"
    GONE = "order_gone"
    """The order to cancel has ended: the fill was faster, which is normal."""
    NONCE = "invalid_nonce"
    NO_SUCH_KEY = "api_key_not_found"
    NOT_FOUND = "not_found"
    BUSY = "too_many_requests"
    """Too many requests, messages or transactions in flight: no word on the transaction."""
    CLOCK = "clock"
    """What was signed has run out by the exchange's clock: this host's is behind."""
    QUOTA = "volume_quota"
    """The volume quota is used up: a definite word on the transaction, whose nonce is not spent."""
    TROUBLE = "exchange_trouble"
    """The exchange's own fault or time-out: no word on the transaction."""
    TOKEN = "token_expired"  # noqa: S105  a word, no secret
    MARKET = "market_closed"
    """The market's state lets no order pass; it may open again."""
    REDUCE_ONLY = "market_reduce_only"
    """The market takes only what reduces a position."""
    OTHER = "refused"

    @property
    def says_nothing(self) -> bool:
        """Whether it is no answer about the transaction at all."""
        return self in {Refusal.BUSY, Refusal.TROUBLE}

    @property
    def is_final(self) -> bool:
        """Whether the same order would be refused again, however often it is tried."""
        return self in {Refusal.MARGIN, Refusal.REDUCE_ONLY} or self.is_of_key

    @property
    def waits(self) -> bool:
        """Whether it is over by itself: no price and no person cures it, and all meet it alike."""
        return self in {Refusal.QUOTA, Refusal.CLOCK, Refusal.MARKET}

    @property
    def is_of_key(self) -> bool:
        """Whether the exchange takes nothing of this sort from our key, whatever it is for."""
        return self in {Refusal.KEY, Refusal.SOFTWARE, Refusal.ROLE}


def reason_of(refusal: Refusal, code: int, message: str) -> str:
    """Name a refusal the way failure messages and the status do."""
    if refusal.is_final or refusal.waits:
        return refusal.value
    return message.strip().replace(" ", "_") or f"code_{code}"
