"""What the two shells read a book by: without A's own orders, within what is configured."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import account_b_manager
import main_A
import main_B
from account_a_manager import AccountAManager
from account_b_manager import AccountBManager
from hedge.config.schema import SafetyConfig, StrategyConfig
from hedge.core.amounts import Side
from hedge.core.hedger.departure import MakerBeat, Resting
from hedge.core.hedger.state import InFlight, Phase, Tick
from hedge.core.maker.state import Order
from hedge.core.records import Depth, Level
from hedge.daemon.context import Parts
from hedge.daemon.order_requests import hedge_request, maker_request
from hedge.exchange.port import Market
from tests.unit.shell.fakes import Bench
from tests.unit.venue.fakes import ETH

OWN, OTHERS, ASK, MARK = 300_000, 299_000, 300_100, 299_500
BOOK = Depth((Level(OWN, 100), Level(OTHERS, 900)), (Level(ASK, 900),), MARK, is_live=True)


@pytest.fixture
def bench_of_a(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, "a")
    bench.strategy = StrategyConfig(quantity=Decimal("0.01"), requote_bps=Decimal("0.5"))
    bench.venue.book = BOOK
    yield bench
    bench.close()


def _deaf(bench: Bench) -> Parts:
    """The parts over a Redis in which nobody says anything."""
    bench.bus.subscribe = lambda *_: None  # type: ignore[attr-defined]
    return bench.parts


def a_of(bench: Bench) -> AccountAManager:
    parts = _deaf(bench)
    lighter = replace(parts.config.lighter, requests_per_minute=20)
    return main_A.build(replace(parts, config=replace(parts.config, lighter=lighter)))


def b_of(bench: Bench) -> AccountBManager:
    bench.venue.book = BOOK
    return main_B.build(_deaf(bench))


def order(**changes: object) -> Order:
    return replace(Order(7, 1, Side.BUY, 100, OWN, reduce_only=False, sent_ms=0), **changes)


async def test_a_reads_its_level_beside_its_own_order(bench_of_a: Bench) -> None:
    """Alone on top it sees the others; its end leaves a ghost for a moment."""
    manager = a_of(bench_of_a)
    assert manager.facts().bid_ticks == OWN
    manager.state = replace(manager.state, order=order())
    assert manager.facts().bid_ticks == OTHERS
    manager.state = replace(manager.state, order=order(closing=True))
    assert manager.orders_of_a() == ()
    manager.state = replace(manager.state, order=order(filled_lots=100))
    assert manager.orders_of_a() == ()
    assert manager.facts().bid_ticks == OTHERS  # until the level changes
    bench_of_a.venue.book = replace(BOOK, bids=(Level(OWN, 40), Level(OTHERS, 900)))
    assert manager.facts().bid_ticks == OWN
    assert manager.state.config.requote_share == 5000


async def test_b_makes_its_cap_beside_the_order_that_a_s_beat_names(bench: Bench) -> None:
    """The order that A's fill was made of is no bid to sell to."""
    manager = b_of(bench)
    assert manager.orders_of_a() == ()
    beat = MakerBeat("e" * 16, 10**9, resting=(Resting(7, Side.BUY, 100, OWN),))
    manager.state = replace(manager.state, maker=replace(manager.state.maker, beat=beat))
    assert manager.facts().book.bids == (Level(OTHERS, 900),)
    request = manager._request(InFlight(77, 5, Side.SELL, 100, 1))
    assert request is not None
    assert request.price_ticks == OTHERS - -(-OTHERS // 300)
    filled = replace(beat, resting=(Resting(7, Side.BUY, 0, OWN),))
    manager.state = replace(manager.state, maker=replace(manager.state.maker, beat=filled))
    assert manager.orders_of_a() == ()


@pytest.mark.parametrize(
    ("unwinds", "book", "cap"),
    [
        (False, replace(BOOK, bids=(Level(180_000, 9),)), 290_515),  # 3 % under mark
        (True, replace(BOOK, bids=(Level(180_000, 9),)), 284_525),  # 5 %
        (True, Depth(mark_ticks=MARK), 284_525),
        (False, Depth(mark_ticks=MARK), 296_505),
        (True, BOOK, 297_000),
    ],
)
async def test_a_closing_order_of_a_is_bounded_by_mark(
    bench_of_a: Bench, unwinds: bool, book: Depth, cap: int
) -> None:
    """What B could not hedge in time is reduced as far from mark as the exchange lets it."""
    closing = order(side=Side.SELL, closing=True, unwinds=unwinds, reduce_only=True)
    assert maker_request(bench_of_a.parts, closing, book).price_ticks == cap


async def test_the_cap_at_signing_keeps_the_quote_limit(bench: Bench) -> None:
    """The book may have moved since the core chose how much of it is sent."""
    limited = replace(ETH, order_quote_limit_micros=30_020_000)
    bench.venue.market_now = Market(limited)
    asked = hedge_request(bench.parts, InFlight(77, 5, Side.BUY, 100, 1), BOOK)
    assert asked is not None
    assert limited.quote_micros(100, asked.price_ticks) <= limited.order_quote_limit_micros
    assert asked.price_ticks == 300_200
    closing = order(closing=True, reduce_only=True)
    assert maker_request(bench.parts, closing, BOOK).price_ticks == 300_200


async def test_the_written_gap_bounds_the_cap(bench: Bench) -> None:
    """`safety.max_mark_gap_bps` is what the person wrote."""
    config = replace(bench.parts.config, safety=SafetyConfig(max_mark_gap_bps=10))
    parts = replace(bench.parts, config=config)
    asked = hedge_request(parts, InFlight(77, 5, Side.SELL, 100, 1), BOOK)
    assert asked is not None
    assert asked.price_ticks == MARK - 300


@pytest.mark.parametrize(
    ("met", "doubts"), [(BOOK.bids, 1), (BOOK.bids[1:], 0), ((), 0)], ids=["same", "other", "none"]
)
async def test_a_miss_of_b_doubts_a_book_that_still_shows_it(
    bench: Bench, met: tuple[Level, ...], doubts: int
) -> None:
    """One that has changed since is no reason for a request: another was faster."""
    manager = b_of(bench)
    order_of_b = InFlight(77, 5, Side.SELL, 100, 1, met=met)
    manager.state = replace(manager.state, inflight=order_of_b)
    missed = replace(manager.state, inflight=None, misses=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account_b_manager.hedger, "step", lambda *_: (missed, ()))
        manager.step(Tick())
        manager.step(Tick())
    assert bench.venue.doubts == doubts


async def test_a_price_is_needed_while_b_does_not_cover_a(bench: Bench) -> None:
    """Not known is not covered; with nothing owed the quiet after a 429 binds its reads."""
    manager = b_of(bench)
    assert bench.venue.needs_price()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account_b_manager.hedger, "target_known", lambda _: True)
        manager.state = replace(manager.state, phase=Phase.IDLE, net_lots=0, hand_base_lots=0)
        assert not bench.venue.needs_price()
        manager.state = replace(manager.state, manual_lots=-100)
        assert bench.venue.needs_price()
        manager.state = replace(manager.state, manual_lots=0, phase=Phase.SENDING)
        assert bench.venue.needs_price()


async def test_a_price_is_needed_while_an_order_of_a_rests(bench_of_a: Bench) -> None:
    """Its fill is to be hedged, or reduced by A; a flat A that rests nothing needs none."""
    manager = a_of(bench_of_a)
    manager.state = replace(manager.state, seq=1, net_lots=0)
    assert not bench_of_a.venue.needs_price()
    manager.state = replace(manager.state, order=order())
    assert bench_of_a.venue.needs_price()
