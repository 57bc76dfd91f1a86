"""The newest book that is known: the stream's, else one that was read, at most ten seconds old."""

from dataclasses import replace

import pytest

from hedge.core.records import Depth, Level
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.parse import VenueParseError
from hedge.exchange.lighter.recent_book import RecentBook
from hedge.exchange.port import VenueUnavailableError
from tests.unit.venue.fakes import ETH, FakeClock

BOOK = Depth(bids=(Level(200_000, 10),), asks=(Level(200_100, 10),), is_live=True)
OTHER = Depth(bids=(Level(100_000, 10),), asks=(Level(100_100, 10),))
MARK = Depth(mark_ticks=200_050)


class EndError(Exception):
    """The time of a test is over."""


class EndingClock(FakeClock):
    """Raises EndError where someone sleeps beyond `ends_ms`."""

    ends_ms = 0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.now_ms() >= self.ends_ms:
            raise EndError


class Scene:
    """A stream and an exchange whose books a test sets."""

    def __init__(self) -> None:
        self.clock = EndingClock()
        self.live = BOOK
        self.answers: list[Depth | VenueUnavailableError] = []
        self.asked_ms: list[int] = []
        self.is_refuted = False
        self.book = RecentBook(
            self.clock,
            lambda: self.live,
            self._read,
            lambda: self.is_refuted,
            self._read_mark,
        )
        self.marks: list[int | VenueUnavailableError] = []
        self.marks_asked = 0

    async def _read(self) -> Depth:
        self.asked_ms.append(self.clock.now_ms())
        answer = self.answers.pop(0) if self.answers else VenueUnavailableError("away")
        if isinstance(answer, VenueUnavailableError):
            raise answer
        return answer

    async def _read_mark(self) -> int | None:
        self.marks_asked += 1
        mark = self.marks.pop(0) if self.marks else None
        if isinstance(mark, VenueUnavailableError):
            raise mark
        return mark

    def lose(self, left: Depth = MARK) -> None:
        self.live = left

    async def until(self, seconds: float) -> None:
        """Let it keep itself for so long."""
        self.clock.ends_ms = self.clock.now_ms() + round(seconds * 1000)
        with pytest.raises(EndError):
            await self.book.keep()


def test_the_stream_s_book_serves_for_ten_seconds_more() -> None:
    """Then only the mark price is left, where it is known."""
    scene = Scene()
    assert scene.book.depth() == BOOK
    scene.lose()
    scene.clock.advance_ms(10_000)
    assert scene.book.depth() == replace(BOOK, mark_ticks=200_050)
    scene.clock.advance_ms(1)
    assert scene.book.depth() == MARK
    scene.lose(Depth())
    assert scene.book.depth() == Depth()


def test_a_book_that_is_empty_by_its_stream_is_empty() -> None:
    """Nothing older takes the place of what the market shows now."""
    scene = Scene()
    scene.book.depth()
    scene.live = replace(MARK, is_live=True)
    assert scene.book.depth() == MARK


async def test_a_book_is_read_while_the_stream_has_none() -> None:
    """Every five seconds, the first five after its loss; a live stream asks for nothing."""
    scene = Scene()
    await scene.until(30)
    assert scene.asked_ms == []
    scene.lose()
    lost_ms = scene.clock.now_ms()
    scene.answers = [OTHER, OTHER]
    await scene.until(11)
    assert [ms - lost_ms for ms in scene.asked_ms] == [5_000, 10_000]
    assert scene.book.depth() == replace(OTHER, mark_ticks=200_050)
    assert not scene.book.depth().is_live


async def test_a_refuted_book_serves_no_more() -> None:
    """What the stream told last is not so: mark serves until the exchange lists another."""
    scene = Scene()
    await scene.until(30)
    scene.book.depth()
    scene.lose()
    scene.is_refuted = True
    assert scene.book.depth() == MARK
    scene.answers = [OTHER]
    await scene.until(6)
    assert len(scene.asked_ms) == 1
    assert scene.book.depth() == replace(OTHER, mark_ticks=200_050)


def test_a_mark_that_nothing_tells_any_more_is_that_of_the_kept_book() -> None:
    """It is no older than the book that it came with."""
    scene = Scene()
    scene.live = replace(BOOK, mark_ticks=200_040)
    scene.book.depth()
    scene.lose(Depth())
    assert scene.book.depth() == replace(BOOK, mark_ticks=200_040)


async def test_an_exchange_that_does_not_answer_is_asked_again() -> None:
    """Without an answer the old book lapses; nothing is made up."""
    scene = Scene()
    scene.book.depth()
    scene.lose(Depth())
    await scene.until(21)
    assert len(scene.asked_ms) == 4
    assert scene.book.depth() == Depth()


def test_single_orders_are_joined_to_levels() -> None:
    """Best first on both sides; no mark price is in it."""
    row = {"price": "1914.22", "remaining_base_amount": "0.0100"}
    body = {
        "bids": [row, row | {"price": "1914.23"}, row],
        "asks": [row | {"price": "1914.30"}, row | {"price": "1914.28"}],
    }
    assert parse.depth_of(body, ETH) == Depth(
        bids=(Level(191_423, 100), Level(191_422, 200)),
        asks=(Level(191_428, 100), Level(191_430, 100)),
    )


@pytest.mark.parametrize("bids", [None, [{"price": "0", "remaining_base_amount": "1"}], [7]])
def test_an_unreadable_book_is_no_book(bids: object) -> None:
    """A price that cannot be read is never a price."""
    with pytest.raises(VenueParseError):
        parse.depth_of({"bids": bids, "asks": []}, ETH)


async def test_a_book_whose_order_met_nothing_is_read_anew() -> None:
    """Until a frame changes it mark serves, then what one answer lists, and the stream's again."""
    scene = Scene()
    scene.live = replace(BOOK, mark_ticks=200_050)
    scene.book.depth()
    scene.book.doubt()
    assert scene.book.depth() == MARK
    scene.answers = [OTHER]
    await scene.until(2)
    assert len(scene.asked_ms) == 1
    assert scene.book.depth() == replace(OTHER, mark_ticks=200_050)
    scene.live = replace(scene.live, mark_ticks=200_060)  # no frame of the book
    assert scene.book.depth().bids == OTHER.bids
    scene.live = replace(BOOK, bids=(Level(200_010, 10),))
    assert scene.book.depth() is scene.live


async def test_a_doubted_book_that_is_so_is_believed_again() -> None:
    """Another was faster: what the exchange lists has the same best prices."""
    scene = Scene()
    scene.book.depth()
    scene.book.doubt()
    scene.answers = [BOOK]
    await scene.until(2)
    assert scene.book.depth() is scene.live
    await scene.until(10)
    assert len(scene.asked_ms) == 1


async def test_a_doubted_stream_s_mark_is_read_anew_with_the_book() -> None:
    """A socket that is mute for its book is mute for mark: the old one would forbid every price."""
    scene = Scene()
    scene.live = replace(BOOK, mark_ticks=200_050)
    scene.book.depth()
    scene.book.doubt()
    scene.answers, scene.marks = [OTHER], [100_050]
    await scene.until(2)
    assert scene.book.depth() == replace(OTHER, mark_ticks=100_050)
    scene.clock.advance_ms(10_000)
    assert scene.book.depth() == MARK
    scene.live = replace(BOOK, bids=(Level(200_010, 10),), mark_ticks=200_050)
    assert scene.book.depth() is scene.live


@pytest.mark.parametrize("mark", [None, VenueUnavailableError("away")])
async def test_a_mark_that_cannot_be_read_leaves_the_stream_s(
    mark: VenueUnavailableError | None,
) -> None:
    """A book by itself may be one stranger's bait: some bound is better than none."""
    scene = Scene()
    scene.live = replace(BOOK, mark_ticks=200_050)
    scene.book.doubt()
    scene.answers = [OTHER]
    scene.marks = [] if mark is None else [mark]
    await scene.until(2)
    assert scene.marks_asked == 1
    assert scene.book.depth() == replace(OTHER, mark_ticks=200_050)


@pytest.mark.parametrize("is_doubted", [True, False])
async def test_mark_costs_no_request_where_nothing_speaks_against_it(is_doubted: bool) -> None:
    """Another was faster, or the socket is away, where mark lapses by itself."""
    scene = Scene()
    scene.book.depth()
    if is_doubted:
        scene.book.doubt()
    else:
        scene.lose()
    scene.answers = [BOOK, BOOK]
    await scene.until(11)
    assert scene.asked_ms
    assert scene.marks_asked == 0


def test_only_a_live_book_can_be_doubted() -> None:
    """Another one was never more than what is known of old."""
    scene = Scene()
    scene.book.depth()
    scene.lose()
    scene.book.doubt()
    assert scene.book.depth().bids == BOOK.bids
