"""What A does about trades it has not seen: ask, state nothing, prove anew."""

from hedge.core.book import BookView
from hedge.core.maker.state import (
    CatchUp,
    Fence,
    FenceNeeded,
    OwnBook,
    PublishFill,
    PublishPosition,
    Tick,
)
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


def test_what_contradicts_the_book_is_stated_to_nobody() -> None:
    """Neither the sum nor the newest trade's own word; once an answer has both, all of it (75)."""
    driver = at_odds()
    said = driver.state.seq, driver.state.net_lots, driver.state.last_trade_id
    for _ in range(9):
        driver.later(1000)
        assert not {PublishFill, PublishPosition} & set(kinds(driver(Tick())))
    assert (driver.state.seq, driver.state.net_lots, driver.state.last_trade_id) == said
    missing = driver.fill(40)
    fills = [one for one in driver(missing) if isinstance(one, PublishFill)]
    assert [one.position_lots for one in fills] == [100, 100]


def test_a_fence_that_finds_what_was_missing_states_it() -> None:
    """The book that contradicted itself is proven: what was heard meanwhile is published."""
    driver = at_odds()
    driver.later(10_000)
    driver(Tick())
    assert driver.state.phase is Phase.RECONCILING
    driver.proven(100)
    assert PublishFill in kinds(driver.effects)


def test_a_book_that_lets_go_of_a_false_trade_states_itself_anew() -> None:
    """A change without a fill is a new state too: B answers by its number."""
    driver = Maker().ready(100)
    seq = driver.state.seq
    said = only(driver(OwnBook(BookView(60, driver.last_id, consistent=True))), PublishPosition)
    assert (said.seq, said.position_lots) == (seq + 1, 60)


def test_nothing_is_placed_on_a_contradicting_book() -> None:
    """Whatever B says of what was stated before."""
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
