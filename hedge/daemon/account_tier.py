"""Which tier the account has, and so how much this side may ask of the exchange."""

import logging

from hedge.config.schema import Config, Tier
from hedge.exchange.allowance import Allowance, allowance_of, tier_named
from hedge.exchange.budget import RequestBudget

_AS_LIGHTER_SAYS = "as Lighter says"

_log = logging.getLogger(__name__)


def first_allowance(config: Config) -> Allowance:
    """Return what a side goes by before the exchange has said anything: the least, or as written.

    A tool without a side has A's.
    """
    lighter = config.lighter
    why = "not asked yet" if lighter.tier is Tier.AUTO else "as written"
    return allowance_of(lighter.tier, config.side or "a", lighter.requests_per_minute, why)


class AccountTier:
    """Sets the budget by what the exchange calls the account's tier."""

    def __init__(self, config: Config, budget: RequestBudget) -> None:
        """Change nothing before something is heard."""
        self._config = config
        self._budget = budget

    @property
    def is_asked(self) -> bool:
        """Whether the exchange is to be asked: the tier is not written."""
        return self._config.lighter.tier is Tier.AUTO

    def hear(self, word: str) -> None:
        """Go by the tier of this name; by the least one where the name is not known."""
        tier = tier_named(word)
        if tier is None:
            self._go_by(Tier.STANDARD, f"Lighter calls it {word!r:.40}, which is not known here")
        else:
            self._go_by(tier, _AS_LIGHTER_SAYS)

    def miss(self, error: Exception) -> None:
        """Stay as it is where the exchange did not say, aloud where nothing is known yet."""
        if self._budget.allowed.why == _AS_LIGHTER_SAYS:
            return
        self._go_by(Tier.STANDARD, f"Lighter does not say which: {error}")

    def _go_by(self, tier: Tier, why: str) -> None:
        lighter, before = self._config.lighter, self._budget.allowed
        found = allowance_of(tier, self._config.side or "a", lighter.requests_per_minute, why)
        if found == before:
            return
        is_known = why == _AS_LIGHTER_SAYS
        _log.log(logging.INFO if is_known else logging.WARNING, "budget: %s", found.text)
        self._budget.allow(found)
