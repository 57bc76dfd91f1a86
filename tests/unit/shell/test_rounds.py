"""Rounds: from a fill over its coverage to the next order, in one log line."""

from hedge.daemon.logs import Log
from hedge.maker.latency import Rounds

MS = 1_000_000


def test_a_round_tells_each_of_its_spans() -> None:
    """Frame, publication, coverage and order, in milliseconds, and the order's own moment."""
    rounds = Rounds(Log())
    rounds.filled(7, 10 * MS, 11 * MS)
    rounds.covered(15 * MS)
    assert rounds.ordered(18 * MS) == {
        "seq": 7,
        "frame_to_published_ms": "1.00",
        "published_to_covered_ms": "4.00",
        "covered_to_ordered_ms": "3.00",
        "ordered_ns": 18 * MS,
    }
    assert rounds.ordered(19 * MS) == {}, "an order that follows no fill ends no round"


def test_a_round_of_several_fills_lasts_from_the_first_to_the_last() -> None:
    """The first frame, the newest publication; an earlier coverage does not count."""
    rounds = Rounds(Log())
    rounds.filled(7, 10 * MS, 11 * MS)
    rounds.covered(12 * MS)
    rounds.filled(8, 13 * MS, 14 * MS)
    assert rounds.stamps == {"frame": 10 * MS, "published": 14 * MS}
    rounds.covered(16 * MS)
    told = rounds.ordered(17 * MS)
    assert (told["seq"], told["frame_to_published_ms"]) == (8, "4.00")


def test_an_order_before_the_coverage_tells_nothing() -> None:
    """A cancel that left, or a start: there is no round to tell of."""
    rounds = Rounds(Log())
    rounds.covered(5 * MS)
    assert rounds.stamps == {}
    rounds.filled(1, 6 * MS, 7 * MS)
    assert rounds.ordered(8 * MS) == {}
