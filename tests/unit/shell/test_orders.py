"""Orders as the venue takes them, what became of them, and what is told of them."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.config.schema import LighterConfig, StrategyConfig
from hedge.core.amounts import Side
from hedge.core.book import Book, BookBase
from hedge.core.hedger.state import ATarget, HedgerConfig, HedgerState, InFlight, Phase
from hedge.core.maker.state import Order
from hedge.core.records import Depth, Level
from hedge.core.transitions import Outcome, Verdict
from hedge.daemon.context import Parts
from hedge.daemon.order_requests import hedge_request, maker_request
from hedge.daemon.send_outcome import LONGEST_MS, outcome_of
from hedge.exchange import outcome as sent
from hedge.exchange.port import OrderKind, OrderRequest, SignedTx, TimeInForce
from hedge.hedger.hedge_record import Course, Courses, log_sent
from tests.unit.shell.fakes import A_INSTANCE, PRICE, Bench, fill_message, hand_message, trade
from tests.unit.venue.fakes import ETH

BID, ASK, MARK = 299_990, 300_010, 300_000
BOOK = Depth(bids=(Level(BID, 10),), asks=(Level(ASK, 10),), mark_ticks=MARK)
TX = SignedTx(14, "{}", "hash", 5)


@pytest.fixture
def parts(bench: Bench) -> Parts:
    bench.venue.book = BOOK
    bench.strategy = StrategyConfig(retry_times=4, max_slippage_bps=100)
    return bench.parts


def hedge(side: Side = Side.BUY, attempt: int = 1, cid: int = 77) -> InFlight:
    return InFlight(cid, 5, side, 60, attempt, width=attempt)


def asked(parts: Parts, order: InFlight) -> OrderRequest:
    request = hedge_request(parts, order, parts.venue.recent_depth())
    assert request is not None
    return request


def book_of(bench: Bench, **changes: Any) -> None:
    bench.venue.book = replace(BOOK, **changes)


# --- B's order -------------------------------------------------------------------------------


def test_a_hedge_is_a_market_order_for_all_of_it(parts: Parts) -> None:
    """It ends at once, whatever it meets, and may open as well as reduce."""
    request = asked(parts, hedge(Side.SELL))
    assert (request.client_order_index, request.side, request.lots) == (77, Side.SELL, 60)
    assert request.kind is OrderKind.MARKET
    assert request.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert not request.reduce_only


@pytest.mark.parametrize(
    ("side", "caps"),
    [
        # 1 % of the price that the order meets, a quarter more with each of four attempts.
        (Side.BUY, [300_761, 301_511, 302_261, 303_011, 303_011]),
        (Side.SELL, [299_240, 298_490, 297_740, 296_990, 296_990]),
    ],
)
def test_the_cap_widens_with_each_attempt(parts: Parts, side: Side, caps: list[int]) -> None:
    """From a share of the allowed slippage to all of it, and never beyond."""
    found = [asked(parts, hedge(side, attempt)).price_ticks for attempt in range(1, 6)]
    assert found == caps


def test_an_empty_side_is_priced_by_the_mark(parts: Parts, bench: Bench) -> None:
    """The other side's best price is no measure of what a hedge would meet."""
    book_of(bench, asks=())
    assert asked(parts, hedge(Side.BUY, 4)).price_ticks == MARK + MARK // 100


@pytest.mark.parametrize(
    ("side", "depth"),
    [
        (Side.BUY, Depth()),
        (Side.SELL, Depth()),
        (Side.SELL, Depth(asks=BOOK.asks)),
        (Side.BUY, Depth(bids=BOOK.bids)),
    ],
)
def test_without_a_price_there_is_no_hedge(
    parts: Parts, bench: Bench, side: Side, depth: Depth
) -> None:
    """A cap is never made up: a market sell capped at one tick would have no protection at all."""
    bench.venue.book = depth
    assert hedge_request(parts, hedge(side), depth) is None


# --- A's orders ------------------------------------------------------------------------------


def order_of_a(side: Side = Side.BUY, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_index": 88,
        "nonce": 5,
        "side": side,
        "lots": 100,
        "price_ticks": BID,
        "reduce_only": False,
        "sent_ms": 1,
    }
    return Order(**{**values, **changes})


def asked_by_a(parts: Parts, order: Order) -> OrderRequest:
    return maker_request(parts, order, parts.venue.recent_depth())


@pytest.mark.parametrize("reduce_only", [True, False])
def test_a_resting_order_is_post_only_at_its_price(parts: Parts, reduce_only: bool) -> None:
    """It takes nothing from the book, and reduces only where the core says so."""
    request = asked_by_a(parts, order_of_a(reduce_only=reduce_only))
    assert (request.client_order_index, request.side, request.lots) == (88, Side.BUY, 100)
    assert (request.kind, request.time_in_force) == (OrderKind.LIMIT, TimeInForce.POST_ONLY)
    assert (request.price_ticks, request.reduce_only) == (BID, reduce_only)


@pytest.mark.parametrize(
    ("side", "cap"), [(Side.SELL, BID - BID // 100 - 1), (Side.BUY, ASK + ASK // 100 + 1)]
)
def test_a_closing_order_is_a_capped_market_order_that_only_reduces(
    parts: Parts, side: Side, cap: int
) -> None:
    """All of the allowed slippage at once, and never past flat."""
    request = maker_request(
        parts, order_of_a(side, closing=True, reduce_only=True), parts.venue.recent_depth()
    )
    assert request.kind is OrderKind.MARKET
    assert request.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert (request.price_ticks, request.reduce_only) == (cap, True)


def test_a_closing_order_without_a_book_keeps_the_cores_price(parts: Parts, bench: Bench) -> None:
    """The core saw a price when it decided; that is the cap then."""
    bench.venue.book = Depth()
    request = maker_request(
        parts, order_of_a(Side.SELL, closing=True, reduce_only=True), parts.venue.recent_depth()
    )
    assert request.price_ticks == BID


@pytest.mark.parametrize(("time_out_s", "life_s"), [(30, 330), (300, 360), (1000, 1060)])
def test_an_order_of_a_outlives_its_own_time_out_and_little_more(
    bench: Bench, time_out_s: int, life_s: int
) -> None:
    """A dead A's order ends by itself; a living A replaces it long before that."""
    bench.venue.book = BOOK
    config = replace(bench.parts.config, lighter=LighterConfig(maker_order_time_out=time_out_s))
    request = maker_request(replace(bench.parts, config=config), order_of_a(), BOOK)
    assert request.life_s == life_s


# --- what became of it -----------------------------------------------------------------------


NOW_MS = 1_795_000_000_000


@pytest.mark.parametrize(
    ("predicted", "wait_ms"),
    [
        (None, 0),
        (NOW_MS + 300, 300),
        (NOW_MS - 5000, 0),
        (NOW_MS, 0),
        (NOW_MS + 540_000, LONGEST_MS),
    ],
)
def test_an_accepted_order_is_waited_for_as_predicted_within_bounds(
    predicted: int | None, wait_ms: int
) -> None:
    """A host's clock that is minutes off must not make B wait minutes for one order."""
    found = outcome_of(sent.Accepted(TX, 1, predicted), NOW_MS)
    assert found == Outcome(Verdict.ACCEPTED, 1, predicted_ms=wait_ms)


def test_a_refusal_keeps_the_venues_code_and_words() -> None:
    """They decide whether trying again can help, and what a person reads."""
    found = outcome_of(sent.Rejected(21739, "not enough margin"), NOW_MS)
    assert (found.verdict, found.code, found.reason) == (
        Verdict.REJECTED,
        21739,
        "not enough margin",
    )


@pytest.mark.parametrize(("code", "told"), [(21104, 21104), (None, 0)])
@pytest.mark.parametrize("copies", [0, 1, 2])
def test_no_answer_is_unknown(copies: int, code: int | None, told: int) -> None:
    """Neither done nor refused; the number of copies out there goes with it."""
    found = outcome_of(sent.Unknown("no answer", TX, copies, code), NOW_MS)
    assert found == Outcome(Verdict.UNKNOWN, copies, told, "no answer")


# --- what is told of it ----------------------------------------------------------------------


def state_of_b(**changes: Any) -> HedgerState:
    values: dict[str, Any] = {
        "phase": Phase.IDLE,
        "net_lots": -60,
        "a": ATarget(A_INSTANCE, 7, 60, 44, 1),
        "a_fresh": True,
    }
    return HedgerState(HedgerConfig(ETH, "b" * 12), **{**values, **changes})


def test_spans_are_between_stages_that_were_passed() -> None:
    """In milliseconds; a stage that is missing gives no span, not a zero."""
    course = Course(hedge(), stamps={"heard": 1_000_000, "signed": 1_500_000})
    assert course.span_ms("heard", "signed") == 0.5
    assert course.span_ms("heard", "executed") is None
    assert course.span_ms("accepted", "signed") is None
    assert course.spans() == {"heard_to_signed_ms": "0.50"}


def test_a_result_says_what_was_executed_and_how_fast(parts: Parts, bench: Bench) -> None:
    """Trades, value, latency and the state of A that it answers stand in one message."""
    courses, order = Courses(parts), hedge(Side.SELL)
    courses.heard(parts.clock.mono_ns(), fill_message(60, 7, 60, frame_ns=11, published_ns=12))
    bench.clock.advance_ms(4)
    courses.begin(order)
    courses.signed()
    courses.answered(sent.Accepted(TX, 1, None, 99))
    later, earlier = trade(12, -20, -40, order=3, cid=77), trade(11, -40, 0, order=3, cid=77)
    courses.traded((later, trade(13, -5, -60, cid=99), earlier), 123)
    courses.report(state_of_b(), replace(order, filled_lots=60), None, 0)
    assert courses.has_results
    [result] = courses.take()
    assert (result.filled_lots, result.trade_ids, result.order_index) == (60, (11, 12), 3)
    assert result.quote_micros == ETH.quote_micros(60, PRICE)
    assert (result.latency_ms, result.a_seq, result.owed_lots) == (4, 7, 0)
    assert (result.side, result.client_order_index, result.attempt) == (Side.SELL, 77, 1)
    stamps = dict(result.stamps)
    assert list(stamps) == [
        "frame",
        "published",
        "heard",
        "decided",
        "signed",
        "sent",
        "accepted",
        "executed",
        "covered",
    ]
    assert (stamps["frame"], stamps["published"], stamps["sent"]) == (11, 12, 99)
    assert stamps["executed"] == 123
    assert courses.take() == ()


def test_what_was_heard_belongs_to_one_order_only(parts: Parts) -> None:
    """A second attempt has no latency of its own: it answers nothing that was just heard."""
    courses = Courses(parts)
    courses.heard(5, hand_message(60))
    assert set(courses.begin(hedge()).stamps) == {"heard", "decided"}
    assert "heard" not in courses.begin(hedge(attempt=2)).stamps


def test_an_order_that_a_fence_cleared_up_is_told_from_the_book(parts: Parts) -> None:
    """Its own course is gone; its trades are in the book."""
    book = Book(BookBase(0, 10))
    book.add([trade(11, -40, 0, order=3, cid=77), trade(12, -9, -40, order=4, cid=78)])
    courses = Courses(parts)
    courses.begin(hedge(cid=78))
    courses.report(state_of_b(), replace(hedge(Side.SELL), filled_lots=40), book, 5)
    [result] = courses.take()
    assert (result.trade_ids, result.filled_lots, result.owed_lots) == ((11,), 40, 5)
    assert result.latency_ms is None


def test_results_are_kept_until_they_are_taken(parts: Parts) -> None:
    """Two orders settled between two writes are two results, in order."""
    courses = Courses(parts)
    for cid in (77, 78):
        course = courses.begin(hedge(cid=cid))
        courses.traded((trade(cid, 60, 0, cid=cid),), 1)
        courses.report(state_of_b(), replace(course.order, filled_lots=60), None, 0)
    assert [result.client_order_index for result in courses.take()] == [77, 78]


def test_a_result_without_a_known_a_names_no_state(parts: Parts) -> None:
    """A stale state of A is not what the order answered."""
    courses = Courses(parts)
    order = courses.begin(hedge()).order
    courses.report(state_of_b(a_fresh=False), replace(order, filled_lots=60), None, 0)
    [result] = courses.take()
    assert (result.a_seq, result.order_index, result.trade_ids) == (None, 0, ())


def test_a_result_can_be_written_for_redis(parts: Parts) -> None:
    """Its text has the average price of its trades."""
    courses = Courses(parts)
    order = courses.begin(hedge()).order
    courses.traded((trade(11, 60, 0, order=3, cid=77),), 1)
    courses.report(state_of_b(), replace(order, filled_lots=60), None, 0)
    [result] = courses.take()
    assert '"avg_price":"3000.00"' in result.to_json(ETH)


def test_the_log_says_how_the_venue_answered(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    """Code and reason stand there where something is wrong."""
    caplog.set_level("INFO")
    log_sent(parts, hedge(), 300_000, Outcome(Verdict.ACCEPTED))
    log_sent(parts, hedge(), 300_000, Outcome(Verdict.REJECTED, 1, 21706, "too small"))
    assert "outcome=accepted" in caplog.messages[0]
    assert "code=" not in caplog.messages[0]
    assert "code=21706" in caplog.messages[1]
