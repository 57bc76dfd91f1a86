"""The lines of `--check` that need no server."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from hedge.config.schema import AccountConfig, AccountsConfig, Config, Tier
from hedge.core.ids import order_id
from hedge.core.records import Depth, Level
from hedge.daemon import check
from hedge.daemon.check import Line, Verdict
from hedge.errors import ConfigError
from hedge.exchange.allowance import allowance_of
from hedge.exchange.lighter.venue import LighterVenue
from hedge.exchange.port import OrderElsewhere, PositionElsewhere, VenueRefusedError
from tests.unit.venue.fakes import ETH


@pytest.fixture
def config() -> Config:
    """A configuration of side A, as short as it gets."""
    account = AccountConfig(account_index=1, api_key_index=4)
    return Config(side="a", accounts=AccountsConfig(account_a=account, account_b=account))


BOOK = Depth(bids=(Level(300_000, 10),), asks=(Level(300_100, 10),))


@pytest.mark.parametrize(
    ("written", "lots", "verdict", "words"),
    [
        ("0.01", 100, Verdict.FINE, "30 USDC at 3000.00; smallest resting order 0.0050 ETH"),
        ("100000000", 10**12, Verdict.FAILED, "no order above 281474976.710655 USDC"),
        ("0.0001", 1, Verdict.FAILED, "A would hold"),
    ],
)
def test_the_quantity_is_shown_beside_the_minimums(
    written: str, lots: int, verdict: Verdict, words: str
) -> None:
    """Both numbers in either case; below the minimum is a hold, so the code is 5."""
    line = check._of_quantity(Decimal(written), ETH, BOOK, lots)
    assert line.verdict is verdict
    assert words in line.found
    assert written in line.found
    assert line.code == (5 if verdict is Verdict.FAILED else 0)


def test_without_a_price_the_worth_is_not_known() -> None:
    """An empty book is no failure of what was written; no quantity is."""
    line = check._of_quantity(Decimal("0.01"), ETH, Depth(), 100)
    assert line.verdict is Verdict.TOLD
    assert "not known" in line.found
    with pytest.raises(ConfigError):
        check._of_quantity(None, ETH, BOOK, None)


class Tiers:
    def __init__(self, word: str | None) -> None:
        self.word = word

    async def tier_name(self) -> str:
        if self.word is None:
            raise VenueRefusedError(29404, "not found")
        return self.word


@pytest.mark.parametrize(
    ("written", "word", "verdict", "words"),
    [
        (Tier.AUTO, "not asked", Verdict.TOLD, "tier standard (as told): 28 requests a minute, 5"),
        (Tier.STANDARD, "Standard", Verdict.TOLD, "tier standard (as told): 28 requests"),
        (Tier.PLUS, "plus", Verdict.TOLD, "tier plus (as told): 2000 transactions a minute"),
        (Tier.PREMIUM, None, Verdict.TOLD, "Lighter does not say which tier it is"),
        (Tier.PREMIUM, "gold", Verdict.TOLD, "reads of 10000 weight"),
        (Tier.STANDARD, "premium", Verdict.TOLD, "which allows more than is used"),
        (
            Tier.PREMIUM,
            "standard",
            Verdict.FAILED,
            "lighter.tier is premium, Lighter says standard",
        ),
    ],
)
async def test_the_tier_is_shown_with_its_budget(
    config: Config, written: Tier, word: str | None, verdict: Verdict, words: str
) -> None:
    """A written tier above the true one would be refused all day: that is a mistake in the file."""
    there = replace(config, lighter=replace(config.lighter, tier=written))
    allowed = allowance_of(written, "a", why="as told")
    line = await check._of_tier(there, cast("LighterVenue", Tiers(word)), allowed)
    assert (line.verdict, line.code) == (verdict, 2 if verdict is Verdict.FAILED else 0)
    assert words in line.found


class Keys:
    def __init__(self, answer: bool | None) -> None:
        self.answer = answer

    async def is_maker_only(self) -> bool:
        if self.answer is None:
            raise VenueRefusedError(29404, "not found")
        return self.answer


@pytest.mark.parametrize(
    ("answer", "verdict", "code"),
    [(True, Verdict.FAILED, 4), (False, Verdict.FINE, 0), (None, Verdict.TOLD, 0)],
)
async def test_whether_the_key_of_b_may_send_market_orders(
    answer: bool | None, verdict: Verdict, code: int
) -> None:
    """Where the exchange does not say, the first order will."""
    line = await check._of_key(cast("LighterVenue", Keys(answer)))
    assert (line.verdict, line.code) == (verdict, code)
    assert (check.NOT_KNOWN in line.found) is (answer is None)


def test_a_directory_is_fine_where_it_can_be_made(tmp_path: Path) -> None:
    """A file in its way is what a person must change: code 2."""
    assert check._of_directory("state.dir", tmp_path / "a" / "b").verdict is Verdict.FINE
    (tmp_path / "a").write_text("")
    line = check._of_directory("state.dir", tmp_path / "a" / "b")
    assert (line.verdict, line.code) == (Verdict.FAILED, 2)
    assert not (tmp_path / "a" / "b").exists()


def test_other_markets_of_the_account_are_named() -> None:
    """Positions share the margin; an order of the pair is what a start ends first."""
    orders = tuple(map(OrderElsewhere, (7, 8, 7), (order_id("abc123", 1), 4711, order_id("a", 2))))
    positions = (PositionElsewhere(1, "BTC", Decimal("-0.00020")),)
    position, order = check._of_other_markets(orders, positions)
    assert (position.verdict, position.found[:12]) == (Verdict.TOLD, "-0.00020 BTC")
    assert (order.verdict, order.code) == (Verdict.FAILED, 2)
    assert "index 7" in order.found


def test_the_exit_code_is_that_of_the_first_failure() -> None:
    """Without one it is 0, whatever else is told."""
    fine, told = Line("a", "b"), check.told("c", "d")
    assert check.code_of([fine, told]) == 0
    assert check.code_of([fine, check.failed("e", "f", 3), check.failed("g", "h", 5)]) == 3
