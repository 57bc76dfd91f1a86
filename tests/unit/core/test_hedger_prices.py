"""B where there is no price: it waits for the book, not for a clock, and says it after 10 s."""

from dataclasses import replace

import pytest

from hedge.core.amounts import MICROS, Side
from hedge.core.hedger.rules import DRY_MS, hold_of
from hedge.core.hedger.state import Phase, PublishFailure, SendHedge, Tick
from hedge.core.records import Depth, Level, OrderStatus
from tests.unit.core.kit import BID, MARK, SPEC, Hedger, book_at, kinds, only, refused

DRY = OrderStatus.CANCELED_SLIPPAGE


def miss(driver: Hedger) -> None:
    """The order in flight finds no liquidity, and the fence proves it."""
    driver(driver.answer(), driver.row(DRY))
    driver.fence(driver.order.nonce + 2)


def owing(**facts: object) -> Hedger:
    """A has bought 100 lots; the book is as given."""
    driver = Hedger(force_close_ms=10**9).idle()
    driver.facts(**facts)
    driver(driver.says(100))
    return driver


EMPTY = {"book": Depth(mark_ticks=MARK, is_live=True)}
BAIT = {"book": book_at(180_000, 300_010, MARK)}


@pytest.mark.parametrize("facts", [EMPTY, BAIT, {"book": book_at(290_999, 300_010, MARK)}])
def test_nothing_is_sent_where_nobody_is(facts: dict[str, object]) -> None:
    """A fence for each try would cost more than it shows; the reason names both prices."""
    driver = owing(**facts)
    assert driver.state.phase is Phase.IDLE
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    assert hold.reason == "no_price"
    assert "mark is 3000.00" in hold.detail
    driver.later(9_000)
    assert driver(Tick()) == []
    driver.facts(bid_ticks=BID)
    assert kinds(driver(Tick())) == [SendHedge]
    assert driver.order.attempt == 1


def test_the_bound_itself_is_inside() -> None:
    """3 % under mark is sold at; of a book that is not known as it is now an order finds out."""
    assert owing(book=book_at(291_000, 300_010, MARK)).state.phase is Phase.SENDING
    assert owing(book=Depth(mark_ticks=MARK)).state.phase is Phase.SENDING


def test_ten_seconds_without_a_price_are_a_failure_and_b_goes_on() -> None:
    """Said once, with both prices; the first bid inside the bounds is taken at once."""
    driver = owing(**BAIT)
    driver.later(DRY_MS - 1)
    assert driver(Tick()) == []
    driver.later(1)
    said = only(driver(Tick()), PublishFailure)
    assert (said.failure.reason, said.owed_lots) == ("max_retries_exceeded", -100)
    assert "the best is 1800.00, mark is 3000.00" in said.failure.detail
    assert driver.state.phase is Phase.FAILED
    driver.later(60_000)
    assert driver(Tick()) == []
    driver.facts(bid_ticks=BID)
    assert kinds(driver(Tick())) == [SendHedge]
    driver(driver.answer())
    driver.execute(100)
    assert driver.state.failure is None
    assert driver.state.dry_ms is None


def test_a_price_that_comes_back_ends_the_count() -> None:
    """Two dry spells of six seconds are no ten; nor is one that is not owed any more."""
    driver = owing(**BAIT)
    driver.later(6_000)
    driver(Tick())
    driver.state = replace(driver.state, retry_at_ms=driver.now.now_ms + 10**6)
    driver.facts(bid_ticks=BID)
    driver(Tick())
    assert driver.state.dry_ms is None
    driver.facts(**BAIT)
    driver.later(6_000)
    assert driver(Tick()) == []
    assert driver(driver.says(0)) == []
    driver.later(60_000)
    assert driver(Tick()) == []
    assert driver.state.dry_ms is None


def test_a_miss_waits_for_the_book_not_for_a_clock() -> None:
    """The first change is enough; while the book stands still a retry delay passes."""
    driver = owing()
    miss(driver)
    assert driver.state.phase is Phase.IDLE
    driver.later(10)
    assert driver(Tick()) == []
    driver.facts(book=Depth((Level(BID - 1, 500),), (), MARK, is_live=True))
    order = only(driver(Tick()), SendHedge).order
    assert (order.attempt, order.width, order.side) == (2, 2, Side.SELL)


def test_a_book_that_changes_all_the_time_is_not_hammered() -> None:
    """At once, after 100, 200, 400, 800 ms, then a retry delay: each miss costs a fence."""
    driver, waits = owing(), []
    for number in range(6):
        miss(driver)
        waited = 0
        driver.facts(book=book_at(BID - number - 1, BID + 20, MARK))
        while driver.state.phase is Phase.IDLE:
            driver(Tick())
            if driver.state.phase is Phase.IDLE:
                driver.later(50)
                waited += 50
        waits.append(waited)
    assert waits == [0, 100, 200, 400, 800, 1000]


def test_three_misses_do_not_halt_but_ten_seconds_do() -> None:
    """A thin book for two seconds is no failure; what it is after ten is said, with back-off."""
    driver = owing()
    for _ in range(3):
        miss(driver)
        driver.later(1000)
        assert kinds(driver(Tick())) == [SendHedge]
    driver.later(DRY_MS)
    driver(driver.answer(), driver.row(DRY))
    said = only(driver.fence(driver.order.nonce + 2), PublishFailure)
    assert (said.failure.reason, said.attempts) == ("max_retries_exceeded", 4)
    assert driver.state.phase is Phase.FAILED
    driver.facts(book=book_at(BID - 7, BID + 20, MARK))
    driver.later(4_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert kinds(driver(Tick())) == [SendHedge]


def test_a_refusal_does_not_widen_the_cap() -> None:
    """A quote limit is not kept by a price that is further above it."""
    driver = owing()
    driver(driver.answer(refused(21706, "invalid order base or quote amount")))
    driver.later(1000)
    order = only(driver(Tick()), SendHedge).order
    assert (order.attempt, order.width) == (2, 1)


@pytest.mark.parametrize(("sold", "parts"), [(-100, [99, 1]), (-250, [99, 99, 52])])
def test_an_order_above_the_quote_limit_is_sent_in_parts(sold: int, parts: list[int]) -> None:
    """Each is settled before the next; the cap of each keeps the limit."""
    limit = replace(SPEC, order_quote_limit_micros=30_020 * MICROS // 1000)
    driver, found = Hedger().idle(), []
    driver.facts(spec=limit)
    driver(driver.says(sold))
    while driver.state.phase is Phase.SENDING:
        found.append(driver.order.lots)
        driver(driver.answer())
        driver.execute(driver.order.lots)
    assert found == parts


def test_without_any_price_the_shell_decides() -> None:
    """A cap is never made up, and no part of what is owed either."""
    driver = owing(book=Depth())
    assert driver.order.lots == 100
