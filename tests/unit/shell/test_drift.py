"""The quiet comparison of our book with what the venue's account query states."""

import asyncio
from collections import deque
from collections.abc import Iterator

import pytest

from hedge.core.book import Book, BookBase
from hedge.daemon.position_check import DriftHandlers, DriftKeeper
from hedge.exchange.port import AccountView, VenueUnavailableError
from tests.unit.shell.fakes import PRICE, Bench, Calls, running, trade
from tests.waiting import eventually

LIMIT = 1_000_000_000


class Compared:
    """A keeper over a book of 100 lots; what it asked the manager for is in `told`."""

    def __init__(self, bench: Bench, limit_micros: int = LIMIT) -> None:
        self.bench = bench
        self.book = Book(BookBase(100, 5))
        self.quiet = True
        self.mark: int | None = PRICE
        self.told, self.margins, self.said = Calls(), Calls(), Calls()
        self.keeper = DriftKeeper(
            bench.parts,
            DriftHandlers(
                lambda: self.book,
                lambda: self.quiet,
                lambda: self.mark,
                limit_micros,
                self.told,
                self.margins,
                self.said,
            ),
        )

    async def states(self, *positions: int | None) -> None:
        """Let the venue state these positions (None: no answer), then never answer again."""
        left, asked = deque(positions), asyncio.Event()

        async def account() -> AccountView:
            if not left:
                asked.set()
                await asyncio.Event().wait()
            position = left.popleft()
            if position is None:
                raise VenueUnavailableError("HTTP 500")
            self.on_read()
            return AccountView(10**9, 10**9, position)

        self.bench.venue.account = account  # type: ignore[method-assign]
        async with running(self.keeper.run()):
            await asked.wait()

    async def rounds(self, count: int) -> None:
        """Run until it slept that often more."""
        goal = len(self.bench.clock.slept_s) + count
        async with running(self.keeper.run()):
            await eventually(lambda: len(self.bench.clock.slept_s) >= goal)

    def on_read(self) -> None:
        """Do nothing; a test may let something happen during a read."""


@pytest.fixture
def compared(bench: Bench) -> Iterator[Compared]:
    return Compared(bench)


async def test_agreement_costs_one_request_a_minute(compared: Compared) -> None:
    """Nothing is said, and the account is read once per comparison."""
    await compared.states(100, 100, 100)
    assert (compared.told, compared.said) == ([], [])
    assert {available for available, _ in compared.margins} == {10**9}
    assert set(compared.bench.clock.slept_s) == {compared.bench.timing.compare_s}


async def test_a_difference_is_proven_again_and_then_halts(compared: Compared) -> None:
    """Three reads that differ call for a proof; three more after it for a halt, once."""
    await compared.states(*[20_100] * 9)
    assert [lasting for _, lasting in compared.told] == [False, True]
    assert "2.0000 ETH" in compared.told[0][0]


async def test_a_proof_that_clears_it_forgets_it(compared: Compared) -> None:
    """What the new proof found is the end of it; a later difference is doubted anew."""
    await compared.states(*[20_100] * 3, 100, *[20_100] * 3)
    assert [lasting for _, lasting in compared.told] == [False, False]


async def test_a_lagging_answer_is_no_difference(compared: Compared) -> None:
    """Stale reads that the third one corrects prove nothing."""
    await compared.states(0, 0, 100, 100)
    assert compared.told == []


async def test_a_small_difference_is_told_once(compared: Compared) -> None:
    """Within max_drift_usd (0.01 ETH are 30 USD) it is an alert, not a halt, and not repeated."""
    await compared.states(*[200] * 9)
    assert [lasting for _, lasting in compared.told] == [False]
    assert len(compared.said) == 1


async def test_without_a_price_a_difference_halts(compared: Compared) -> None:
    """What cannot be valued is not small."""
    compared.mark = None
    await compared.states(*[101] * 6)
    assert [lasting for _, lasting in compared.told] == [False, True]


@pytest.mark.parametrize("why", ["in flight", "over budget", "book at odds"])
async def test_nothing_is_compared_while_something_moves(compared: Compared, why: str) -> None:
    """In flight, over budget, or with a book at odds the two cannot be compared."""
    if why == "in flight":
        compared.quiet = False
    elif why == "over budget":
        compared.bench.parts.budget._silent_until_ms = 10**15
    else:
        compared.book.add([trade(9, 50, 7)])
    await compared.rounds(1)
    assert compared.bench.venue.account_reads == 0
    assert compared.told == []


async def test_a_trade_during_the_comparison_voids_it(compared: Compared) -> None:
    """The book has moved on: the answer belongs to the one before."""

    def trades() -> None:
        last = compared.book.last_trade_id
        compared.book.add([trade(last + 1, 10, compared.book.net_lots)])

    compared.on_read = trades  # type: ignore[method-assign]
    await compared.states(*[20_100] * 8)
    assert compared.told == []


async def test_a_venue_without_an_answer_is_asked_again(compared: Compared) -> None:
    """A failed query is no difference."""
    await compared.states(None, 20_100, None, None, 100)
    assert compared.told == []
