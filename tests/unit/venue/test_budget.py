"""The request budget, on a clock that the test moves."""

import pytest

from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import Priority, VenueUnavailableError
from tests.unit.venue.fakes import FakeClock


async def test_normal_requests_leave_the_reserve() -> None:
    """Five of ten requests go to reads, the other five only to what is urgent."""
    budget = RequestBudget(FakeClock(), 10)
    for _ in range(5):
        await budget.take(Priority.NORMAL)
    with pytest.raises(VenueUnavailableError):
        await budget.take(Priority.NORMAL)
    for _ in range(5):
        await budget.take(Priority.URGENT)
    assert budget.used_fraction == 1.0


async def test_an_urgent_request_waits_for_a_slot() -> None:
    """With nothing left an urgent request waits until the oldest one is a minute old."""
    clock = FakeClock()
    budget = RequestBudget(clock, 6)
    await budget.take(Priority.URGENT)
    clock.advance_ms(20_000)
    for _ in range(5):
        await budget.take(Priority.URGENT)
    await budget.take(Priority.URGENT)
    assert clock.slept_s == [40.0]


async def test_the_minute_rolls() -> None:
    """A request counts for sixty seconds and no longer."""
    clock = FakeClock()
    budget = RequestBudget(clock, 6)
    await budget.take()
    clock.advance_ms(59_999)
    with pytest.raises(VenueUnavailableError):
        await budget.take()
    clock.advance_ms(1)
    await budget.take()
    assert budget.used_fraction == pytest.approx(1 / 6)


async def test_a_rate_limit_answer_silences_reads_only() -> None:
    """After a 429 reads wait for sixty seconds, hedges do not."""
    clock = FakeClock()
    budget = RequestBudget(clock, 60)
    budget.refused()
    assert budget.is_silenced
    with pytest.raises(VenueUnavailableError):
        await budget.take(Priority.NORMAL)
    await budget.take(Priority.URGENT)
    clock.advance_ms(60_000)
    await budget.take(Priority.NORMAL)
    assert not budget.is_silenced
    assert clock.slept_s == []


async def test_what_never_left_is_given_back() -> None:
    """A host that refuses connections costs nothing: the minute is there once it is back."""
    clock = FakeClock()
    budget = RequestBudget(clock, 6)
    for _ in range(20):
        for priority in Priority:
            budget.give_back(await budget.take(priority))
        clock.advance_ms(500)
    assert budget.used_fraction == 0
    assert budget.has_room
    budget.give_back(clock.now_ms())
    assert budget.used_fraction == 0


def test_a_budget_of_reserve_only_is_refused() -> None:
    """A budget in which no read could ever run is an error."""
    with pytest.raises(ValueError, match="more than 5"):
        RequestBudget(FakeClock(), 5)
