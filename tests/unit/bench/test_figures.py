"""Samples to figures and pictures, and what counts as growth."""

from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from bench.plot import cumulative
from bench.requests import owing, rested_part, resting
from bench.soak import Minute, growth
from bench.stats import Spread, next_after


def test_a_spread_tells_its_percentiles() -> None:
    """The smallest sample that so many do not exceed; none of nothing."""
    spread = Spread.of("x", [5.0, 1.0, 3.0, 2.0, 4.0])
    assert [spread.at(percent) for percent in (0, 20, 50, 90, 100)] == [1.0, 1.0, 3.0, 5.0, 5.0]
    assert spread.json["samples_us"] == [1000, 2000, 3000, 4000, 5000]
    assert Spread.of("none", []).json["p50_ms"] is None


@pytest.mark.parametrize(("since", "found"), [(0, 10), (10, 10), (11, 20), (30, 30), (31, None)])
def test_the_next_moment_is_not_before(since: int, found: int | None) -> None:
    """The first that is not earlier, None past the last."""
    assert next_after([10, 20, 30], since) == found
    assert next_after([], since) is None


def test_the_picture_has_a_curve_for_each_run() -> None:
    """Well-formed, names escaped; a run without samples is left out."""
    spreads = [Spread("a < b", (1.0, 2.0, 50.0)), Spread("one", (3.0,)), Spread("none", ())]
    picture = ET.fromstring(cumulative("title", spreads))
    assert len(picture.findall("{*}polyline")) == 2
    words = [text.text for text in picture.findall("{*}text")]
    assert "a < b" in words
    assert {"2", "5", "50"} <= set(words)
    assert ET.fromstring(cumulative("nothing", [])).findall("{*}polyline") == []


def minutes(*figures: tuple[float, float]) -> list[Minute]:
    """Return minutes of (memory of A in MB, median in ms)."""
    return [
        Minute(number, 1, 1, p50, p50, {"a": memory, "b": 90.0})
        for number, (memory, p50) in enumerate(figures, 1)
    ]


@pytest.mark.parametrize(
    ("figures", "grown"),
    [
        ([(50, 3), (90, 3), (91, 4), (93, 4)], []),
        ([(90, 3), (90, 3), (99, 3), (105, 3)], ["A grew from 90.0 to 105.0 MB"]),
        ([(90, 3), (90, 3), (99, 3), (98.9, 3)], []),
        ([(90, 3), (90, 3), (90, 3), (90, 7)], ["fill → hedge went from 3.00 to 7.00 ms"]),
        ([(90, 0.5), (90, 0.5), (90, 1), (90, 2)], []),
        ([(90, 3), (90, 3), (200, 30)], []),
    ],
)
def test_growth_needs_a_share_and_an_amount(
    figures: list[tuple[float, float]], grown: list[str]
) -> None:
    """Beyond both bounds, after at least four minutes; the first minute is no measure."""
    assert growth(minutes(*figures)) == grown


def event(at_ns: int, index: int, status: str) -> dict[str, object]:
    return {"mono_ns": at_ns, "order_index": index, "status": status}


def test_it_rests_while_any_order_is_open() -> None:
    """A change of an open order is no end; what was open before counts from the beginning."""
    rows = [
        event(1, 1, "open"),
        event(15, 1, "open"),
        event(20, 1, "filled"),
        event(30, 2, "open"),
        event(40, 3, "open"),
        event(50, 2, "canceled"),
        event(60, 3, "filled"),
        event(95, 4, "open"),
        event(200, 4, "canceled"),
    ]
    assert resting(rows, 10, 100) == [(10, 20), (30, 60), (95, 100)]
    assert resting(rows[:1], 10, 100) == [(10, 100)]
    assert resting([], 10, 100) == []


def test_time_in_which_b_owes_something_does_not_count() -> None:
    """Of the time without debts the part in which something rested."""
    moments = [(5, Decimal(1)), (20, Decimal(-1)), (40, Decimal(2)), (45, Decimal(-2))]
    owes = owing(moments, 10, 100)
    assert owes == [(10, 20), (40, 45)]
    assert owing([(90, Decimal(1))], 10, 100) == [(90, 100)]
    assert owing([], 10, 100) == []
    assert rested_part([(20, 35), (40, 70)], owes, 10, 100) == 40 / 75
    assert rested_part([], [(10, 100)], 10, 100) is None
    assert rested_part([(0, 200)], [], 10, 100) == 1.0
