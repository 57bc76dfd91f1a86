"""What B makes of an A whose book contradicts itself, and of one that is confirmed past a frame."""

from typing import Any

import pytest

from hedge.core.hedger.departure import MakerSeen
from hedge.core.hedger.state import BaselineRead
from hedge.core.hedger.step import owed_lots, target_known
from hedge.core.hedger.view import a_view
from hedge.core.hedger.watch import PeerAnswered, PeerTraded, Recent
from hedge.core.records import Trade
from tests.unit.core.kit import Hedger, trade

LAG_MS = Hedger().state.config.view_lag_ms
PAST_MS = LAG_MS + 3000
"""So long after a frame A's next page is asked for: what it lacks was never traded."""


def beats(driver: Hedger, **changes: Any) -> None:
    beat = driver.beat(**changes)
    driver(MakerSeen(beat, beat.epoch))


def lots(driver: Hedger) -> int | None:
    view = a_view(driver.state)
    return None if view is None else view.position_lots


def told(driver: Hedger, signed_lots: int = 3, before: int | None = None) -> Trade:
    """B's watch shows a trade of A above all that A has stated."""
    before = driver.a_lots if before is None else before
    frame = trade(driver.a_seq + 1, signed_lots, before)
    driver(PeerTraded((frame,)))
    return frame


def test_a_restarted_b_knows_nothing_by_a_state_that_a_itself_doubts() -> None:
    """Neither what stands in Redis nor what A writes again makes it known; the next state does."""
    driver = Hedger().reconciling().proven(-3)
    beats(driver, is_open=True)
    driver(BaselineRead(driver.target(), named=True, fresh=True))
    assert driver.state.a is None
    driver.later(60_000)
    driver.a_stamp += 60
    driver(driver.says(0, seq=driver.a_seq))
    assert not target_known(driver.state)
    driver(driver.says(3))
    assert target_known(driver.state)
    assert owed_lots(driver.state) == 0


@pytest.mark.parametrize("changes", [{"fresh_until_ms": 0}, {"seq": None}, {"is_open": False}])
def test_only_a_heartbeat_that_is_fresh_and_names_the_state_doubts_it(
    changes: dict[str, Any],
) -> None:
    """What forbids is A's own word of now."""
    driver = Hedger().reconciling().proven(0)
    driver(BaselineRead(None))
    driver.later(1)
    beats(driver, **{"is_open": True, **changes})
    driver(driver.says(0))
    assert target_known(driver.state)


def test_b_keeps_what_it_saw_while_a_misses_it() -> None:
    """A missed +3 and heard +1: whatever it states of that, B buys nothing back (75)."""
    driver = Hedger().idle()
    frame = told(driver)
    driver(driver.answer())
    driver.execute()
    doubted = driver.says(1, last_trade_id=frame.trade_id + 1)
    beats(driver, is_open=True)
    driver(doubted)
    assert (lots(driver), owed_lots(driver.state)) == (3, 0)


def test_a_confirmed_past_a_frame_without_it_takes_it_back() -> None:
    """Also where the market is so busy that no page of B reaches back to it."""
    driver = Hedger().idle()
    frame = told(driver)
    driver(driver.answer())
    driver.execute()
    page = Recent((), frame.trade_id + 50, frame.trade_id + 150)
    for _ in range(4):
        driver.later(LAG_MS)
        driver(PeerAnswered(page, (), driver.now.now_ms))
    assert owed_lots(driver.state) == 0
    beats(driver, confirmed_ms=driver.state.view_ms + PAST_MS)
    assert lots(driver) == 0
    assert owed_lots(driver.state) == 3
    assert driver.notes(loud=True).count("watch_corrected") == 1


@pytest.mark.parametrize(
    ("past_ms", "changes"),
    [
        pytest.param(0, {}, id="too early"),
        pytest.param(PAST_MS, {"seq": 99}, id="a newer state is to come"),
        pytest.param(PAST_MS, {"position_lots": 1}, id="another position"),
        pytest.param(PAST_MS, {"is_open": True}, id="open"),
        pytest.param(PAST_MS, {"proven": False}, id="not proven"),
    ],
)
def test_what_may_be_true_is_kept(past_ms: int, changes: dict[str, Any]) -> None:
    """Only a whole book of A, later than any lag, contradicts what B saw."""
    driver = Hedger().idle()
    told(driver)
    beats(driver, confirmed_ms=driver.state.view_ms + past_ms, **changes)
    assert lots(driver) == 3


def test_what_an_answer_has_listed_is_kept() -> None:
    """There REST speaks against A: it stands until one of both gives way."""
    driver = Hedger().idle()
    frame = told(driver)
    driver.later(LAG_MS)
    driver(PeerAnswered(Recent((frame,), 1, frame.trade_id), (), driver.now.now_ms))
    beats(driver, confirmed_ms=driver.state.view_ms + PAST_MS)
    assert lots(driver) == 3


def test_what_an_answer_lacks_goes_at_once() -> None:
    """A's page and B's agree."""
    driver = Hedger().idle()
    frame = told(driver)
    driver.later(LAG_MS)
    driver(PeerAnswered(Recent((), 1, frame.trade_id + 9), (), driver.now.now_ms))
    assert driver.state.unlisted
    beats(driver, confirmed_ms=driver.state.view_ms + PAST_MS)
    assert (driver.state.watched, driver.state.unlisted) == ((), ())
    assert lots(driver) == 0


def test_without_a_statement_of_a_nothing_is_passed() -> None:
    """A heartbeat alone is no book."""
    driver = Hedger().reconciling().proven(0)
    beats(driver, confirmed_ms=10**9)
    assert driver.state.a is None
