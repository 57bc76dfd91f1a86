"""The mirror of the order book: continuity, order of levels, and what makes it empty."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.records import Depth, Level
from hedge.exchange.lighter.parse import VenueParseError
from hedge.exchange.lighter.streams.order_book import LEVELS, BookGapError, DepthMirror
from tests.unit.venue.fakes import ETH
from tests.unit.venue.payloads import nested, payload


def _book(
    begin: int,
    nonce: int,
    bids: dict[int, int] | None = None,
    asks: dict[int, int] | None = None,
) -> dict[str, Any]:
    def rows(levels: dict[int, int] | None) -> list[dict[str, str]]:
        return [
            {"price": ETH.price(price), "size": ETH.base(size)}
            for price, size in (levels or {}).items()
        ]

    return {"begin_nonce": begin, "nonce": nonce, "bids": rows(bids), "asks": rows(asks)}


def _synced() -> DepthMirror:
    mirror = DepthMirror(ETH)
    mirror.snapshot(payload("ws_book_snapshot")["order_book"])
    return mirror


def test_a_snapshot_and_its_first_update() -> None:
    """The captured frames chain, delete a level and put in a better one."""
    mirror = _synced()
    assert mirror.depth().bids == (Level(191_422, 1900), Level(191_410, 12_500))
    assert mirror.depth().asks == (Level(191_428, 1021), Level(191_647, 20_000))
    mirror.update(payload("ws_book_update")["order_book"])
    assert mirror.depth().asks == (Level(191_425, 5000), Level(191_428, 1021))


def test_a_gap_drops_the_book() -> None:
    """An update that does not begin at our nonce leaves no book behind, but the mark price."""
    mirror = _synced()
    mirror.mark(payload("ws_market_stats")["market_stats"])
    update = payload("ws_book_update")["order_book"]
    with pytest.raises(BookGapError):
        mirror.update(update | {"begin_nonce": 17926042878})
    assert not mirror.is_synced
    assert mirror.depth() == Depth(mark_ticks=191_425)
    mirror.update(update)
    assert mirror.depth().asks == ()
    mirror.snapshot(payload("ws_book_snapshot")["order_book"])
    assert mirror.is_synced
    assert len(mirror.depth().asks) == 2
    mirror.drop()
    assert mirror.depth() == Depth(mark_ticks=191_425)
    mirror.forget_mark()
    assert mirror.depth() == Depth()


@pytest.mark.parametrize(
    "broken",
    [
        {"asks": [{"price": "1.234", "size": "1.0000"}]},
        {"asks": [{"price": "1.23"}]},
        {"asks": [7]},
        {"asks": "x"},
        {"bids": [{"price": "-1.23", "size": "1.0000"}]},
        {"bids": [{"price": "1.23", "size": 1.0}]},
        {"nonce": None},
        {"bids": [{"price": "1" * 5000 + ".23", "size": "1.0000"}]},
        {"asks": [{"price": "1.23", "size": "9e999999"}]},
    ],
)
def test_an_unreadable_book_is_no_book(broken: dict[str, Any]) -> None:
    """A frame that cannot be read drops the book, in a snapshot and in an update."""
    mirror = _synced()
    with pytest.raises(VenueParseError):
        mirror.update(payload("ws_book_update")["order_book"] | broken)
    assert not mirror.is_synced
    with pytest.raises(VenueParseError):
        mirror.snapshot(payload("ws_book_snapshot")["order_book"] | broken)
    assert not mirror.is_synced
    assert mirror.depth() == Depth()


def test_a_failure_that_nobody_foresaw_leaves_no_half_applied_book() -> None:
    """Whatever stops an update in the middle, its first half is not used."""
    mirror = _synced()
    update = payload("ws_book_update")["order_book"] | {"asks": [{"price": nested(), "size": "1"}]}
    with pytest.raises(RecursionError):
        mirror.update(update)
    assert not mirror.is_synced


def test_an_unread_mark_price_raises() -> None:
    """A mark price must be decimal text; one between two ticks is rounded down."""
    mirror = _synced()
    mirror.mark({"mark_price": "1914.2599"})
    assert mirror.depth().mark_ticks == 191_425
    with pytest.raises(VenueParseError):
        mirror.mark({})


def test_depth_is_built_only_when_something_changed() -> None:
    """Reading the book twice costs nothing the second time."""
    mirror = _synced()
    assert mirror.depth() is mirror.depth()


LEVEL_MAPS = st.dictionaries(st.integers(1, 60), st.integers(0, 5), max_size=40)


@given(LEVEL_MAPS, st.lists(st.tuples(LEVEL_MAPS, LEVEL_MAPS), max_size=8))
def test_the_mirror_equals_a_plain_dictionary(
    start: dict[int, int], updates: list[tuple[dict[int, int], dict[int, int]]]
) -> None:
    """After any deltas the best twenty levels are those of a dictionary sorted anew."""
    mirror = DepthMirror(ETH)
    mirror.snapshot(_book(0, 1, start, start))
    bids, asks = dict(start), dict(start)
    for number, (more_bids, more_asks) in enumerate(updates, start=1):
        mirror.update(_book(number, number + 1, more_bids, more_asks))
        bids |= more_bids
        asks |= more_asks
    depth = mirror.depth()
    expected_bids = sorted(((p, s) for p, s in bids.items() if s), reverse=True)[:LEVELS]
    expected_asks = sorted((p, s) for p, s in asks.items() if s)[:LEVELS]
    assert [(level.price_ticks, level.size_lots) for level in depth.bids] == expected_bids
    assert [(level.price_ticks, level.size_lots) for level in depth.asks] == expected_asks


def test_a_whole_book_of_the_venues_size() -> None:
    """A snapshot of 1,500 levels a side in any order is mirrored."""
    prices = list(range(100_000, 101_500))
    random.Random(1).shuffle(prices)
    levels = dict.fromkeys(prices, 7)
    mirror = DepthMirror(ETH)
    mirror.snapshot(_book(0, 1, levels, levels))
    assert mirror.depth().bids[0].price_ticks == 101_499
    assert mirror.depth().asks[0].price_ticks == 100_000
