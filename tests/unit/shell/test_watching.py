"""When B asks the venue for A's newest trades, and what it makes of the stream."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hedge.core.hedger import step as hedger
from hedge.core.hedger.state import HedgerState
from hedge.core.hedger.watch import PeerAnswered, PeerTraded, Recent, Stand
from hedge.core.transitions import Facts
from hedge.daemon.public_watch import POLL_MS, Watcher, WatchHandlers, seen_once
from hedge.exchange.peer import (
    PeerDown,
    PeerEvent,
    PeerHandler,
    PeerShown,
    PeerStated,
    PeerUp,
)
from hedge.exchange.port import VenueUnavailableError
from tests.unit.core import kit
from tests.unit.shell.fakes import Bench, running
from tests.waiting import eventually

NOTHING = Recent((), 1, 10**9)


class Peer:
    """Another account as a test tells of it."""

    def __init__(self) -> None:
        self.handler: PeerHandler | None = None
        self.answers: deque[Recent | VenueUnavailableError] = deque()
        self.positions: deque[int] = deque()

    async def run(self, handler: PeerHandler) -> None:
        self.handler = handler
        await asyncio.Event().wait()

    async def recent(self) -> Recent:
        answer = self.answers.popleft() if self.answers else NOTHING
        if isinstance(answer, VenueUnavailableError):
            raise answer
        return answer

    async def position_lots(self) -> int:
        if not self.positions:
            raise VenueUnavailableError("HTTP 500")
        return self.positions.popleft()


class Watch:
    """A Watcher over a real hedger core; `asked_ms` is when it asked."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.peer = bench, Peer()
        self.core = kit.Hedger().idle()
        self.a_lives = True
        self.bases = (Stand(0, 1),)
        self.posted: list[PeerTraded | PeerAnswered] = []
        self.asked_ms: list[int] = []
        parts = replace(bench.parts, peer=self.peer)
        handlers = WatchHandlers(
            lambda: self.core.state, lambda: self.a_lives, lambda: self.bases, self.post
        )
        self.watcher = Watcher(parts, handlers)

    def post(self, event: PeerTraded | PeerAnswered, _received_ns: int) -> None:
        self.posted.append(event)
        if isinstance(event, PeerAnswered):
            self.asked_ms.append(self.bench.clock.now_ms())
        facts = Facts(now_ms=self.bench.clock.now_ms())  # no mark price: nothing is sent
        self.core.state, _ = hedger.step(self.core.state, event, facts)

    def hear(self, event: PeerEvent) -> None:
        assert self.peer.handler is not None
        self.peer.handler(event)

    async def for_ms(self, wait_ms: int) -> list[int]:
        """Watch for a while of the bench's clock; return when it asked, in ms from its begin."""
        since_ms = self.bench.clock.now_ms()
        until_ms = since_ms + wait_ms
        (_, listen), (_, ask), (_, state) = self.watcher.loops()
        state.close()
        async with running(listen), running(ask):
            await eventually(lambda: self.bench.clock.now_ms() >= until_ms)
        return [at - since_ms for at in self.asked_ms if since_ms <= at <= until_ms]


@pytest.fixture
def watch(bench: Bench) -> Iterator[Watch]:
    return Watch(bench)


def test_switched_off_nothing_runs(bench: Bench) -> None:
    """Without a peer there are no loops."""
    assert Watcher(bench.parts, Watch(bench).watcher._do).loops() == ()


async def test_with_a_alive_it_asks_once_after_each_connection(watch: Watch) -> None:
    """What happened before the stream came is asked for; a living A tells the rest itself."""
    assert len(await watch.for_ms(30_000)) == 1
    watch.watcher._heard(PeerUp())
    assert len(await watch.for_ms(30_000)) == 1


async def test_with_a_gone_it_asks_again_and_again(watch: Watch) -> None:
    """A frame may be lost on a live socket, and nobody else would tell."""
    watch.a_lives = False
    asked = await watch.for_ms(3 * POLL_MS + 2000)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(gaps) == 3
    assert all(POLL_MS <= gap <= POLL_MS + 1000 for gap in gaps)


async def test_a_gap_is_asked_for_with_growing_pauses(watch: Watch) -> None:
    """Trades that do not add up are looked for, without spending the whole budget on it."""
    await watch.for_ms(2000)
    watch.a_lives = False
    watch.watcher._heard(PeerShown((kit.trade(9, 50, 50),), None, 0))
    assert hedger.is_watch_open(watch.core.state)
    assert 5 <= len(await watch.for_ms(60_000)) <= 10


async def test_beside_a_live_a_what_answers_lack_is_asked_for_when_that_can_tell(
    watch: Watch,
) -> None:
    """A states its trades itself: three pages, the last two beyond the lag, and it is dropped."""
    await watch.for_ms(2000)
    watch.watcher._heard(PeerShown((kit.trade(9, 50, 50),), None, 0))
    began_ms, _, last_ms = await watch.for_ms(60_000)
    assert 20_000 <= last_ms - began_ms <= 22_000
    assert not watch.core.state.watched


async def test_a_watched_trade_that_a_states_costs_no_page(watch: Watch) -> None:
    """A says so itself a moment later."""
    await watch.for_ms(2000)
    watch.watcher._heard(PeerShown((kit.trade(9, 50, 0),), None, 0))
    assert await watch.for_ms(500) == []
    watch.core(watch.core.says(50, seq=9))
    assert await watch.for_ms(60_000) == []


async def test_a_closed_gap_is_let_be(watch: Watch) -> None:
    """Once the missing trade is found nothing more is asked."""
    await watch.for_ms(2000)
    missing, newer = kit.trade(8, 50, 0), kit.trade(9, 50, 50)
    watch.peer.answers.append(Recent((missing, newer), 1, 10))
    watch.watcher._heard(PeerShown((newer,), None, 0))
    assert len(await watch.for_ms(30_000)) == 1
    view = hedger.a_view(watch.core.state)
    assert view is not None
    assert view.position_lots == 100


async def test_a_failed_question_is_asked_again(watch: Watch) -> None:
    """No answer is no knowledge: neither flat nor up to date."""
    watch.peer.answers.append(VenueUnavailableError("HTTP 500"))
    asked = await watch.for_ms(6000)
    assert len(asked) == 1
    assert asked[0] >= 2000


async def test_without_own_book_nothing_is_asked(watch: Watch) -> None:
    """The answer could not be used before the own book is proven."""
    watch.core.state = HedgerState(watch.core.state.config)
    assert await watch.for_ms(20_000) == []


async def test_a_spent_budget_is_not_overdrawn(watch: Watch) -> None:
    """Watching never takes what hedges and fences may need."""
    watch.bench.parts.budget.refused()
    watch.a_lives = False
    assert await watch.for_ms(20_000) == []


async def test_a_lost_stream_is_only_logged(watch: Watch) -> None:
    """Down is no statement about A."""
    (_, listen), (_, ask), (_, state) = watch.watcher.loops()
    ask.close()
    state.close()
    async with running(listen):
        await eventually(lambda: watch.peer.handler is not None)
        watch.hear(PeerDown("cut"))
        watch.hear(PeerShown((), 7, 0))
    assert watch.posted == [PeerTraded((), 7)]


async def test_what_is_not_answered_is_unknown(bench: Bench) -> None:
    """B's position by one public answer; none is no zero, and switched off there is none."""
    peer = Peer()
    assert await seen_once(bench.parts) is None
    parts = replace(bench.parts, peer=peer)
    for positions, seen in ((deque([7]), 7), (deque([0]), 0), (deque[int](), None)):
        peer.positions = positions
        assert await seen_once(parts) == seen


async def test_a_page_asked_before_a_fell_silent_is_asked_again_at_once(watch: Watch) -> None:
    """What A did since is in none of them; after that every ten seconds."""
    assert len(await watch.for_ms(3000)) == 1
    watch.a_lives = False
    asked = await watch.for_ms(9000)
    assert len(asked) == 1
    assert asked[0] <= 1000


async def test_a_page_is_read_as_soon_as_it_cannot_lag_behind_a_s_last_word(watch: Watch) -> None:
    """A waits for what B can say of it, and halts in the end."""
    watch.a_lives = False
    spoke_ms = watch.bench.clock.now_ms()
    state = watch.core.state
    watch.core.state = replace(state, maker=replace(state.maker, spoke_ms=spoke_ms))
    lag_ms = state.config.view_lag_ms
    asked = await watch.for_ms(lag_ms + POLL_MS)
    assert any(lag_ms < at <= lag_ms + 1000 for at in asked)


@pytest.mark.parametrize(("reaches", "within_ms"), [(False, 1500), (True, 10_000)])
async def test_in_a_busy_market_the_account_is_asked_at_once(
    watch: Watch,
    reaches: bool,
    within_ms: int,
) -> None:
    """A page that does not reach back says nothing of A; else its silence is waited out first."""
    watch.a_lives = False
    watch.core.state = replace(watch.core.state, reaches_back=reaches)
    clock = watch.bench.clock
    since_ms, asked = clock.now_ms(), list[int]()

    async def stated() -> PeerStated:
        asked.append(clock.now_ms() - since_ms)
        return PeerStated(0, 0)

    watch.peer.stated = stated  # type: ignore[attr-defined]
    (_, listen), (_, ask), (_, state) = watch.watcher.loops()
    listen.close()
    ask.close()
    async with running(state):
        await eventually(lambda: asked)
    assert asked[0] <= within_ms
    assert (asked[0] > 7000) == reaches
