"""What the market brings is a state: A holds with a reason, and goes on by itself."""

from dataclasses import replace

import pytest

from hedge.core.amounts import MICROS, Side
from hedge.core.holds import Hold
from hedge.core.maker.quoting import hold_of
from hedge.core.maker.state import HaltPair, Pending, Phase, Place, Tick
from hedge.core.records import OrderStatus
from tests.unit.core.kit import ASK, BID, MARK, SPEC, Maker, refused

HALF = {"bid_ticks": BID // 4, "ask_ticks": ASK // 4, "mark_ticks": BID // 4}
"""100 lots are worth 7.50 USDC then, and the exchange lets nothing rest below 10."""


def held(driver: Maker) -> Hold:
    hold = hold_of(driver.state, driver.now)
    assert hold is not None
    return hold


def fallen(net: int = 100) -> Maker:
    """Covered, with a position that the market has made too small to rest."""
    driver = Maker().ready(net)
    driver.facts(room=True, **HALF)
    return driver


def test_a_position_below_the_minimum_is_closed_reduce_only_at_once() -> None:
    """The minimums bind resting orders only: an order that ends at once may be smaller."""
    driver = fallen()
    placed = [effect for effect in driver(Tick()) if isinstance(effect, Place)]
    assert [(one.order.side, one.order.lots) for one in placed] == [(Side.SELL, 100)]
    assert placed[0].order.reduce_only
    assert placed[0].order.closing
    order = driver.order
    driver(driver.answer(), driver.row(OrderStatus.FILLED, 100), driver.fill(-100))
    driver.cover()
    assert driver.state.order is None
    assert driver.state.phase is Phase.READY
    assert driver.state.net_lots == 0
    assert driver(Tick()) == []
    assert order.nonce == 7


def test_below_the_minimum_a_flat_a_holds_with_both_numbers() -> None:
    """The reason names what the order is worth and what the exchange wants; no advice."""
    driver = Maker().ready()
    driver.facts(room=True, **HALF)
    assert driver(Tick()) == []
    hold = held(driver)
    assert hold.reason == "below_minimum"
    for words in ("0.0100 ETH", "7.4997 USDC", "749.97", "0.0050 ETH", "10 USDC"):
        assert words in hold.detail
    assert "raise" not in hold.detail
    assert "holds" not in hold.detail


def test_a_goes_on_by_itself_when_the_price_is_back() -> None:
    """No restart, no command."""
    driver = Maker().ready()
    driver.facts(room=True, **HALF)
    assert driver(Tick()) == []
    driver.facts(bid_ticks=BID, ask_ticks=ASK, mark_ticks=MARK)
    assert hold_of(driver.state, driver.now) is None
    assert [type(effect) for effect in driver(Tick())] == [Place]


def test_a_quantity_below_the_smallest_size_is_a_hold_too() -> None:
    """Also the minimum in base is the exchange's, and may have been raised meanwhile."""
    driver = Maker(quantity_lots=49).ready()
    driver.facts(room=True)
    assert driver(Tick()) == []
    assert held(driver).reason == "below_minimum"


def test_a_close_that_finds_nobody_is_tried_again_after_a_while() -> None:
    """Ten seconds apart: each try is a request of A's few."""
    driver = fallen()
    driver(Tick())
    driver(driver.answer(), driver.row(OrderStatus.CANCELED_LIQUIDITY))
    assert driver.state.phase is Phase.READY
    driver.later(9_999)
    assert driver(Tick()) == []
    driver.later(1)
    assert [type(effect) for effect in driver(Tick())] == [Place]


def test_what_the_exchange_calls_too_small_is_not_sent_again() -> None:
    """It is held, aloud; another position is another try."""
    driver = fallen()
    driver(Tick())
    driver(driver.answer(refused(21706, "invalid base amount")))
    assert driver.notes(loud=True) == ["dust_left"]
    driver.later(60_000)
    assert driver(Tick()) == []
    hold = held(driver)
    assert hold.reason == "below_minimum"
    assert "A holds 0.0100 ETH" in hold.detail
    driver.state = replace(driver.state, net_lots=99)
    driver.net = 99
    driver.cover()
    assert driver.state.pending is Pending.PLACE


def test_a_small_rest_is_bought_over_while_the_quantity_may_rest() -> None:
    """Below the minimum A counts as flat as long as it may open; then it sells the whole."""
    driver = Maker().ready(20)
    driver.facts(room=True)
    driver(Tick())
    assert driver.order.side is Side.BUY
    assert not driver.order.closing


def test_a_position_that_a_raised_minimum_made_too_small_is_closed() -> None:
    """So is one that the price made so: nothing is opened on top of it."""
    for changes in ({"spec": replace(SPEC, min_base_lots=80)}, {"ask_ticks": ASK // 2}):
        driver = Maker().ready(60)
        driver.facts(room=True, **changes)
        driver(Tick())
        order = driver.order
        assert (order.side, order.lots, order.closing) == (Side.SELL, 60, True)


def test_a_short_below_the_minimum_is_never_closed_by_itself() -> None:
    """Where only long is expected nothing is bought back; the hold names the position."""
    driver = Maker().ready(-20)
    driver.facts(room=True, **HALF)
    assert driver(Tick()) == []
    assert "A holds -0.0020 ETH" in held(driver).detail


@pytest.mark.parametrize("net", [0, 100])
def test_in_a_market_that_takes_no_orders_a_holds(net: int) -> None:
    """With a position or without one; when the market opens A goes on."""
    driver = Maker().ready(net)
    driver.facts(room=True, market_status="inactive")
    assert driver(Tick()) == []
    assert held(driver) == Hold("market_closed", "market ETH is inactive")
    assert driver.state.phase is Phase.READY
    driver.facts(market_status="active")
    assert [type(effect) for effect in driver(Tick())] == [Place]


def test_an_order_that_could_not_be_remembered_is_not_opened() -> None:
    """A host that can store nothing; what A holds is reduced all the same."""
    driver = Maker().ready()
    driver.facts(room=True, unkept="resting.json: No space left on device")
    assert driver(Tick()) == []
    assert held(driver).reason == "state_not_written"
    assert "No space left on device" in held(driver).detail
    driver.facts(unkept="")
    assert [type(effect) for effect in driver(Tick())] == [Place]
    driver = Maker().ready(100)
    driver.facts(room=True, unkept="resting.json: No space left on device")
    assert [type(effect) for effect in driver(Tick())] == [Place]


def test_every_limit_that_holds_a_back_has_its_words() -> None:
    """B's margin, the largest position and missing prices name their numbers."""
    driver = Maker(max_position_lots=110).ready(20)
    driver.facts(room=True)
    assert held(driver).reason == "position_limit"
    assert "0.0120 ETH" in held(driver).detail
    assert "0.0110" in held(driver).detail
    driver(driver.peer(driver.ledger(), can_hedge_lots=99))
    assert held(driver) == Hold("no_margin_of_b", "B has margin for 0.0099, an order is 0.0100")
    driver.facts(bid_ticks=None)
    assert held(driver).reason == "no_market_data"


def test_a_maker_that_only_leaves_its_market_rests_nothing() -> None:
    """It cancels, states its book and waits for B; not even its own position is quoted."""
    driver = Maker(places=False).ready(100)
    driver.facts(room=True)
    assert driver(Tick()) == []
    assert held(driver).reason == "leaving"


def test_nothing_of_this_halts() -> None:
    """A hold is no halt: nobody has to resume it."""
    driver = fallen(net=0)
    driver.facts(market_status="settled")
    driver(Tick())
    driver.facts(market_status="active", bid_ticks=None)
    driver(Tick())
    assert not any(isinstance(effect, HaltPair) for effect in driver.effects)
    assert SPEC.min_quote_micros == 10 * MICROS
