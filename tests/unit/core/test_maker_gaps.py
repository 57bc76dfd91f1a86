"""What A does about trades it has not seen: ask, believe the venue's word, prove anew."""

from hedge.core.book import BookView
from hedge.core.maker.state import CatchUp, Fence, FenceNeeded, OwnBook, PublishFill, Tick
from hedge.core.maker.step import Phase
from tests.unit.core.kit import Maker, kinds, only


def at_odds() -> Maker:
    """A trade by somebody else came with a gap before it; nothing of ours rests."""
    driver = Maker().ready()
    driver(driver.fill(60, consistent=False))
    return driver


def test_a_gap_without_an_order_is_proven_anew() -> None:
    """What REST does not show within ten seconds only a fence can settle."""
    driver = at_odds()
    asked = kinds(driver.effects).count(CatchUp)
    for _ in range(9):
        driver.later(1000)
        asked += kinds(driver(Tick())).count(CatchUp)
    assert 3 <= asked <= 6
    driver.later(1000)
    assert Fence in kinds(driver(Tick()))
    assert driver.state.phase is Phase.RECONCILING
    driver.later(60_000)
    assert driver(Tick()) == []
    driver.proven(60)
    assert driver.state.contradiction_ms is None


def test_an_unhedged_fill_does_not_wait_for_the_gap() -> None:
    """After two seconds the newest trade's own statement is published, once."""
    driver = at_odds()
    driver.later(1_999)
    assert PublishFill not in kinds(driver(Tick()))
    driver.later(1)
    said = only(driver(Tick()), PublishFill)
    assert (said.position_lots, driver.state.net_lots) == (60, 60)
    driver.later(2_000)
    assert PublishFill not in kinds(driver(Tick()))


def test_nothing_is_placed_on_a_contradicting_book() -> None:
    """What was published for B's sake is nothing that A itself trades on."""
    driver = at_odds()
    driver.later(2_000)
    driver(Tick())
    driver.facts(room=True)
    driver.cover()
    assert driver.state.phase is Phase.AWAITING_HEDGE
    driver(OwnBook(BookView(60, driver.last_id, consistent=True)))
    driver.cover()
    assert driver.state.phase is not Phase.AWAITING_HEDGE


def test_a_fence_can_be_asked_for() -> None:
    """Something outside made everything uncertain: fence first, then go on."""
    driver = Maker().ready()
    assert kinds(driver(FenceNeeded("the lease had lapsed"))) == [Fence]
    assert driver.state.phase is Phase.RECONCILING
