"""The tier of the account, as the exchange says it, sets the budget."""

import logging
from dataclasses import replace

import pytest

from hedge.config.schema import AccountConfig, AccountsConfig, Config, LighterConfig, Tier
from hedge.daemon.account_tier import AccountTier, first_allowance
from hedge.exchange.allowance import Allowance
from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import VenueUnavailableError
from tests.unit.venue.fakes import FakeClock

ONE = AccountConfig(account_index=1, api_key_index=4)
CONFIG = Config(side="a", accounts=AccountsConfig(account_a=ONE, account_b=ONE))


def at(tier: Tier = Tier.AUTO, requests: int = 0, side: str = "a") -> Config:
    lighter = LighterConfig(tier=tier, requests_per_minute=requests)
    return replace(CONFIG, side=side, lighter=lighter)


@pytest.mark.parametrize(
    ("config", "requests", "weight"),
    [
        (at(), 28, None),
        (at(side="b"), 32, None),
        (at(side=""), 28, None),
        (at(Tier.STANDARD), 28, None),
        (at(Tier.PLUS), 2000, 10_000),
        (at(Tier.PREMIUM, side="b"), 2000, 14_000),
        (at(Tier.PREMIUM, 50), 50, None),
        (at(Tier.AUTO, 50), 50, None),
    ],
)
def test_a_side_begins_with_what_is_written_or_with_the_least(
    config: Config, requests: int, weight: int | None
) -> None:
    """Before the exchange has said anything nothing is taken that only a paid tier has."""
    found = first_allowance(config)
    assert (found.requests, found.weight) == (requests, weight)


class Heard:
    def __init__(self, config: Config) -> None:
        self.budget = RequestBudget(FakeClock(), first_allowance(config))
        self.tier = AccountTier(config, self.budget)

    @property
    def allowed(self) -> Allowance:
        return self.budget.allowed


def test_what_lighter_says_counts(caplog: pytest.LogCaptureFixture) -> None:
    """The budget follows the account's tier, up and down; a silence between changes nothing."""
    heard = Heard(at())
    assert heard.tier.is_asked
    with caplog.at_level(logging.INFO):
        heard.tier.hear("premium")
        assert (heard.allowed.requests, heard.allowed.tier) == (2000, Tier.PREMIUM)
        assert not heard.allowed.is_scarce
        heard.tier.miss(VenueUnavailableError("HTTP 503"))
        assert heard.allowed.tier is Tier.PREMIUM
        heard.tier.hear("standard")
        assert (heard.allowed.requests, heard.allowed.is_scarce) == (28, True)
        heard.tier.hear("standard")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "tier standard (as Lighter says): 28 requests a minute" in heard.budget.text


@pytest.mark.parametrize(
    "say",
    [
        lambda tier: tier.miss(VenueUnavailableError("HTTP 403")),
        lambda tier: tier.hear("instant"),
    ],
)
def test_an_unknown_tier_is_the_least_aloud(say: object, caplog: pytest.LogCaptureFixture) -> None:
    """No answer, or a word that is not known, is never read as leave to ask for more."""
    heard = Heard(at())
    assert callable(say)
    for _ in range(3):
        say(heard.tier)
    assert (heard.allowed.requests, heard.allowed.tier) == (28, Tier.STANDARD)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Lighter" in caplog.text


def test_a_written_number_stays(caplog: pytest.LogCaptureFixture) -> None:
    """`requests_per_minute` counts whatever the tier is called."""
    heard = Heard(at(requests=60))
    heard.tier.hear("premium")
    assert (heard.allowed.requests, heard.allowed.weight) == (60, None)


def test_a_written_tier_is_not_asked_for() -> None:
    """That costs one request less."""
    assert not Heard(at(Tier.PREMIUM)).tier.is_asked
