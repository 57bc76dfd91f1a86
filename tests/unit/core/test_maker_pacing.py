"""What A leaves over of its request budget: a requote never costs the next order its place."""

from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.config.schema import Tier
from hedge.core.amounts import Side
from hedge.core.maker import pacing
from hedge.core.maker.pacing import FEW
from hedge.core.maker.quoting import hold_of
from hedge.core.maker.repeats import LONGEST_MS
from hedge.core.maker.rules import OFF_LEVEL_MS, ROOM_COMES_MS, ROUND, TO_REPLACE
from hedge.core.maker.state import (
    Cancel,
    Change,
    HaltPair,
    OwnOrder,
    Pending,
    Phase,
    Place,
    Tick,
)
from hedge.core.pricing import BPS
from hedge.core.records import OrderStatus
from hedge.core.transitions import Facts
from hedge.exchange.allowance import CANCEL, CHANGE, CREATE, allowance_of
from hedge.exchange.budget import WINDOW_MS, RequestBudget
from hedge.exchange.port import Priority
from tests.unit.core.kit import ASK, BID, PLENTY, SPEC, Maker, kinds, only, refused
from tests.unit.venue.fakes import FakeClock

TIME_OUT_MS = 30_000


def moved(net: int, room: int, changes_left: int = 10) -> list[type]:
    """Return what A does once its level has left its order for long enough."""
    driver = Maker().working(net)
    driver.facts(bid_ticks=BID - 100, ask_ticks=ASK + 100, room=room, changes_left=changes_left)
    driver(Tick())
    driver.later(OFF_LEVEL_MS)
    return kinds(driver(Tick()))


@pytest.mark.parametrize("net", [0, 100])
def test_a_requote_leaves_a_round_over(net: int) -> None:
    """The cancel, the new order and a round more must fit, else it rests where it is.

    Otherwise the cancel is the last request that there is, and nothing rests for a minute.
    """
    needs = TO_REPLACE + ROUND
    assert moved(net, needs) == [Cancel]
    assert moved(net, needs - 1) == []
    assert moved(net, 0) == []
    assert moved(net, 100, changes_left=0) == []


@pytest.mark.parametrize("net", [0, 100])
def test_the_next_order_takes_the_last_of_it(net: int) -> None:
    """What a requote leaves over is for the orders of a round; without room none is placed."""
    driver = Maker().ready(net)
    driver.facts(room=0)
    assert kinds(driver(Tick())) == []
    found = hold_of(driver.state, driver.now)
    assert found is not None
    assert found.reason == "no_room"
    driver.facts(room=1)
    assert kinds(driver(Tick())) == [Place]


@pytest.mark.parametrize("net", [0, 100])
def test_an_old_order_rests_until_another_may_follow(net: int) -> None:
    """Past its time it is replaced where there is room, and taken off at last in any case."""
    needs = TO_REPLACE
    for room, later_ms, does in (
        (needs, TIME_OUT_MS - 1, []),
        (needs, TIME_OUT_MS, [Cancel]),
        (needs - 1, TIME_OUT_MS, []),
        (0, TIME_OUT_MS + ROOM_COMES_MS - 1, []),
        (0, TIME_OUT_MS + ROOM_COMES_MS, [Cancel]),
    ):
        driver = Maker().working(net)
        driver.facts(room=room)
        driver.later(later_ms)
        assert kinds(driver(Tick())) == does, (room, later_ms)


def test_what_must_come_off_waits_for_no_room() -> None:
    """A remainder after a fill, or an order beside a B that is gone, costs what it costs."""
    driver = Maker(keep_remainder=True).working()
    driver.facts(room=0, changes_left=0)
    driver(driver.fill(40))
    driver.later(TIME_OUT_MS)
    assert kinds(driver(Tick())) == [Cancel]
    lonely = Maker().working()
    lonely.facts(room=0, changes_left=0)
    assert kinds(lonely(lonely.peer(None, ready=False, alive=False))) == [Cancel]


def test_a_row_that_comes_before_its_trade_starts_the_clock_anew() -> None:
    """The last fill was more than `force_close_timeout` ago and is covered: nothing is overdue."""
    driver = Maker().awaiting()
    driver(driver.row(OrderStatus.FILLED, 100))
    driver.cover()
    driver.facts(ask_ticks=ASK)
    driver(Tick(), driver.row(OrderStatus.OPEN), driver.answer())
    assert driver.state.phase is Phase.WORKING
    driver.later(70_000)
    driver.facts(room=True)
    assert HaltPair not in kinds(driver(driver.row(OrderStatus.FILLED, 100)))
    assert driver.state.phase is Phase.AWAITING_HEDGE


# --- how far behind its level an order rests ---------------------------------------------------


def behind_bps(net: int, room: int, crossed: int = 0) -> int:
    """Return how far behind its level A's next order rests, after so many that crossed."""
    driver = Maker().ready(net)
    for _ in range(crossed):
        driver.facts(room=PLENTY)
        driver(Tick())
        end = driver.row(OrderStatus.CANCELED_POST_ONLY)
        driver.facts(room=0)
        driver(end, driver.answer())
        driver.later(LONGEST_MS)
    driver.facts(room=room)
    order = only(driver(Tick()), Place).order
    level, sign = (ASK, 1) if net else (BID, -1)
    back = (order.price_ticks - level) * sign
    (bps,) = (one for one in range(100) if back == -(-level * one // BPS))
    return bps


@pytest.mark.parametrize("net", [0, 100])
def test_the_less_is_left_the_further_behind(net: int) -> None:
    """Away from the other side: there it is filled later, and at a better price."""
    found = [behind_bps(net, room) for room in range(1, FEW + 1)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 8
    assert found[-1] == found[-2] == 0  # and a requote leaves it so
    assert behind_bps(net, PLENTY) == 0


@pytest.mark.parametrize("net", [0, 100])
def test_an_order_that_would_have_crossed_is_followed_by_one_behind(net: int) -> None:
    """The market moves faster than an order travels: each crossing costs a request for nothing."""
    assert [behind_bps(net, PLENTY, crossed) for crossed in range(6)] == [0, 1, 2, 4, 8, 8]
    assert behind_bps(net, 1, crossed=1) == 8


def test_what_was_refused_for_another_cause_is_placed_at_its_level() -> None:
    """Only a crossing says anything of the price."""
    driver = Maker().placing()
    driver(driver.answer(refused()))
    driver.later(TIME_OUT_MS)
    assert only(driver(Tick()), Place).order.price_ticks == BID


def test_an_order_that_would_be_too_small_behind_rests_at_its_level() -> None:
    """At a lower price it is worth less than the exchange lets rest."""
    least = SPEC.quote_micros(100, BID)
    driver = Maker(spec=replace(SPEC, min_quote_micros=least)).ready()
    driver.facts(room=1)
    assert only(driver(Tick()), Place).order.price_ticks == BID


def test_more_than_the_quote_limit_is_sold_behind_in_smaller_parts() -> None:
    """The limit is of the price at which the order rests, not of its level."""
    limit = SPEC.quote_micros(100, ASK)
    driver = Maker(spec=replace(SPEC, order_quote_limit_micros=limit)).ready(100)
    driver.facts(room=1)
    order = only(driver(Tick()), Place).order
    assert order.price_ticks > ASK
    assert order.lots < 100
    assert SPEC.quote_micros(order.lots, order.price_ticks) <= limit


def test_a_price_is_never_below_one_tick() -> None:
    """A market of the smallest prices has nothing behind its lowest bid."""
    state, facts = Maker().state, Facts(0, room=1)
    assert pacing.behind(state, facts, Side.BUY, 1) == 1
    assert pacing.behind(state, facts, Side.SELL, 1) == 2


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("net", [0, 100])
def test_an_order_behind_its_level_is_left_where_few_are_left(net: int, *, changes: bool) -> None:
    """It rests, slightly off; with more left it goes to its level."""
    off = -200 if net else 200
    for room, does in ((FEW - 1, []), (FEW, [Change if changes else Cancel])):
        driver = Maker(changes=changes).working(net)
        driver.facts(room=room, bid_ticks=BID + off, ask_ticks=ASK + off)
        driver(Tick())
        driver.later(OFF_LEVEL_MS)
        assert kinds(driver(Tick())) == does, room


@pytest.mark.parametrize("net", [0, 100])
def test_an_order_ahead_of_its_level_is_followed_with_few_left(net: int) -> None:
    """Alone on top it would be filled at once, and dearly: it goes behind its level."""
    off = 100 if net else -100
    driver = Maker(changes=True).working(net)
    driver.facts(room=ROUND + 1, bid_ticks=BID + off, ask_ticks=ASK + off)
    driver(Tick())
    driver.later(OFF_LEVEL_MS)
    level, side = (ASK, Side.SELL) if net else (BID, Side.BUY)
    wanted = pacing.behind(driver.state, driver.now, side, level + off)
    assert wanted != level + off
    assert only(driver(Tick()), Change).order.new_ticks == wanted


SECONDS = st.lists(
    st.tuples(
        st.sampled_from(["rest", "rest", "fill", "fill", "fill at its level", "read"]),
        st.integers(-30, 30),
    ),
    min_size=20,
    max_size=400,
)


@given(SECONDS, st.booleans())
async def test_an_order_rests_whenever_the_allowance_permits(
    seconds: list[tuple[str, int]], changes: bool
) -> None:
    """The core with the real budget, in a market that fills, moves and asks as it likes.

    No minute has more than the allowance. No requote, no new order and no read that only confirms
    takes what is reserved, and a requote leaves the orders of a round. With a request left A rests
    an order, or has one on its way.
    """
    clock = FakeClock()
    budget = RequestBudget(clock, allowance_of(Tier.STANDARD, "a"))
    taken: deque[int] = deque()
    driver = Maker(changes=changes, requote_pause_ms=8_000).ready()

    def look() -> None:
        now_ms = clock.now_ms()
        room, left = budget.orders_left(now_ms), budget.changes_left(now_ms)
        driver.facts(now_ms=now_ms, room=room, changes_left=left)

    async def take(priority: Priority, tx_type: int | None = None) -> None:
        await budget.take(priority, "trades", tx_type=tx_type)
        taken.append(clock.now_ms())
        while taken[0] <= taken[-1] - WINDOW_MS:
            taken.popleft()
        assert len(taken) <= budget.allowed.requests

    async def perform(effects: list[Any]) -> None:
        """Do what A does; the exchange and B answer at once."""
        for effect in effects:
            before = driver.now
            match effect:
                case Place(order):
                    await take(Priority.NORMAL, CREATE)  # raises where only the reserve is left
                    price, status = order.price_ticks, OrderStatus.OPEN
                    answers: list[Any] = [driver.answer(), at(driver, price, status)]
                case Change(order):
                    assert before.room >= ROUND + 1
                    await take(Priority.NORMAL, CHANGE)
                    price, status = order.quoted_ticks, OrderStatus.OPEN
                    answers = [driver.answer(pending=Pending.CHANGE), at(driver, price, status)]
                case Cancel(order):
                    is_old = driver.now.now_ms >= order.sent_ms + TIME_OUT_MS
                    assert is_old or before.room >= ROUND + TO_REPLACE
                    await take(Priority.URGENT, CANCEL)
                    answers = [
                        driver.answer(pending=Pending.CANCEL),
                        at(driver, order.price_ticks, OrderStatus.CANCELED),
                    ]
                case _:
                    continue
            for answer in answers:
                look()
                await perform(driver(answer))

    for what, moved in seconds:
        clock.advance_ms(1000)
        look()
        order, bid, ask = driver.state.order, driver.now.bid_ticks or 0, driver.now.ask_ticks or 0
        driver.facts(bid_ticks=bid + moved, ask_ticks=ask + moved)
        if what == "read" and budget.has_room:
            await take(Priority.NORMAL)
        is_near = order is not None and order.price_ticks in (bid, ask)
        if order is not None and (what == "fill" or (what == "fill at its level" and is_near)):
            signed = order.side.sign * order.lots
            end = at(driver, order.price_ticks, OrderStatus.FILLED, order.lots)
            await perform(driver(driver.fill(signed), end))
            look()
            await perform(driver.cover())
        look()
        await perform(driver(Tick()))
        look()
        rests, hold = driver.state.order is not None, hold_of(driver.state, driver.now)
        is_off_mark = hold is not None and hold.reason in ("off_mark", "hedge_too_dear")
        assert rests or is_off_mark or driver.now.room == 0, hold


def at(driver: Maker, price_ticks: int, status: OrderStatus, filled: int = 0) -> OwnOrder:
    """Return the row of A's order at a price."""
    event = driver.row(status, filled)
    return replace(event, row=replace(event.row, price_ticks=price_ticks))
