"""The exchange's clock as a process knows it: in the past of what it dates, never ahead of it."""

from hypothesis import given
from hypothesis import strategies as st

from hedge.core.transitions import Facts
from hedge.daemon.exchange_clock import ExchangeClock

AHEAD_MS = 1_700_000_000_000
"""How far the exchange's clock is ahead of this process's monotonic one."""


def fenced(began_ms: int, took_ms: int, clock: ExchangeClock | None = None) -> ExchangeClock:
    """Return a clock after a fence whose marker was executed half-way, in whole seconds."""
    clock = clock or ExchangeClock()
    row_ms = (AHEAD_MS + began_ms + took_ms // 2) // 1000 * 1000
    clock.bound(row_ms, began_ms, began_ms + took_ms)
    return clock


def test_before_the_first_fence_it_is_unknown() -> None:
    """A trade alone may bear any time."""
    clock = ExchangeClock()
    clock.note(AHEAD_MS + 10**9, 5)
    assert clock.at(5) is None


def test_the_quickest_news_counts() -> None:
    """A fence took long; the next fill was heard after 20 ms, and later ones later."""
    clock = fenced(1000, 8000)
    clock.note(AHEAD_MS + 20_000, 20_020)
    assert clock.at(30_000) == AHEAD_MS + 29_980
    clock.note(AHEAD_MS + 21_000, 29_000)
    assert clock.at(30_000) == AHEAD_MS + 29_980


def test_a_row_of_the_future_does_not_carry_it_away() -> None:
    """One lying frame: the marker bounds it from above."""
    clock = fenced(1000, 400)
    clock.note(AHEAD_MS + 10**9, 2000)
    at_ms = clock.at(2000)
    assert at_ms is not None
    assert at_ms - AHEAD_MS - 2000 <= 1000 + 400


def test_a_host_that_has_slept_begins_anew() -> None:
    """Its monotonic clock stood still: the next fence shows that."""
    clock = fenced(1000, 400)
    clock.bound(AHEAD_MS + 3_600_000, 2000, 2400)
    at_ms = clock.at(2400)
    assert at_ms is not None
    assert at_ms == AHEAD_MS + 3_600_000


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 9_000)), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 20_000)), max_size=20),
)
def test_it_is_never_ahead(fences: list[tuple[int, int]], news: list[tuple[int, int]]) -> None:
    """Whatever was heard after whatever time."""
    clock, now_ms = ExchangeClock(), 0
    for wait_ms, took_ms in fences:
        fenced(now_ms + wait_ms, took_ms, clock)
        now_ms += wait_ms + took_ms
    for wait_ms, late_ms in news:
        now_ms += wait_ms
        clock.note(AHEAD_MS + now_ms - late_ms, now_ms)
    at_ms = clock.at(now_ms)
    assert at_ms is not None
    assert at_ms <= AHEAD_MS + now_ms


def test_facts_turn_the_exchange_s_times_into_moments() -> None:
    """And back; unknown, everything happens now."""
    facts = Facts(5000, exchange_ms=AHEAD_MS)
    assert facts.moment_of(AHEAD_MS - 3000) == 2000
    assert facts.moment_of(AHEAD_MS + 3000) == 5000
    assert facts.dated(2000) == AHEAD_MS - 3000
    assert Facts(5000).moment_of(1) == 5000
    assert Facts(5000).dated(1) is None
