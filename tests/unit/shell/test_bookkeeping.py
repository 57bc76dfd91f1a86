"""The book while the process runs: early trades, catching up, fences, what the host keeps."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from hedge.bus.port import StateSnapshot
from hedge.core.book import BookBase
from hedge.core.ids import is_marker
from hedge.core.records import Trade
from hedge.daemon.account import BookHandlers, Bookkeeper
from hedge.daemon.lease import LeaseHandlers, LeaseKeeper
from hedge.daemon.proof import Proven
from hedge.daemon.send_turn import Sending
from hedge.errors import AccountKeyError
from hedge.exchange.fence import Fenced
from hedge.exchange.port import (
    TradePages,
    TradesSeen,
    TxStatus,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.wire.state import PositionState
from tests.unit.shell.fakes import ACCOUNT_B, CHAIN, Bench, Calls, running
from tests.waiting import eventually

if TYPE_CHECKING:
    from hedge.exchange.peer import PeerVenue

NO_KEY = VenueRefusedError(21109, "api key not found")


class Books:
    """A Bookkeeper over the fake exchange; what it told the manager is in lists."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.venue = bench, bench.venue
        self.told: list[Trade] = []
        self.proven: list[tuple[Fenced, Proven]] = []
        self.key_refused, self.not_proven, self.fence_slow = Calls(), Calls(), Calls()
        self.lost, self.corrected = Calls(), Calls()
        self.tasks: list[asyncio.Task[None]] = []
        parts = bench.parts
        self.lease = LeaseKeeper(parts, bench.side, LeaseHandlers(Calls(), self.lost, Calls()))
        self.lease.held = True
        bench.bus.holder = bench.bus.me
        handlers = BookHandlers(
            trades=lambda new, _ns: self.told.extend(new),
            proven=lambda fenced, proven: self.proven.append((fenced, proven)),
            key_refused=self.key_refused,
            not_proven=self.not_proven,
            fence_slow=self.fence_slow,
            corrected=self.corrected,
            spawn=self.spawn,
        )
        self.keeper = Bookkeeper(parts, bench.side, self.lease, Sending(), handlers)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.append(task)
        return task

    async def prove(self) -> None:
        """Pass a fence and prove the book."""
        await self.keeper.reconcile()
        await self.settled()

    async def settled(self) -> None:
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def see(self, *trades: Trade) -> None:
        """Hear trades on the stream."""
        self.keeper.on_trades(TradesSeen(trades, 1))

    @property
    def told_ids(self) -> list[int]:
        return [trade.trade_id for trade in self.told]

    @property
    def net(self) -> int | None:
        return self.keeper.book.net_lots if self.keeper.book else None


@pytest.fixture
def books(bench: Bench) -> Books:
    return Books(bench)


def position_b(position_lots: int, last_trade_id: int) -> PositionState:
    return PositionState(
        chain_id=CHAIN,
        account_index=ACCOUNT_B,
        market_index=0,
        instance="b" * 12,
        seq=4,
        position_lots=position_lots,
        floor_trade_id=1,
        last_trade_id=last_trade_id,
        timestamp=1,
    )


# --- fence and proof -------------------------------------------------------------------------


async def test_a_passed_fence_and_the_trades_give_the_book(books: Books) -> None:
    """The manager gets the fence's nonce and a book that a marker of ours proves."""
    books.venue.fill(10, 1)
    await books.prove()
    [(fenced, proven)] = books.proven
    assert proven.book is books.keeper.book
    assert (books.net, fenced.next_nonce, books.told) == (10, 6, [])
    assert fenced.marker is not None
    assert is_marker(fenced.marker.client_order_index)


async def test_trades_heard_before_the_book_wait_for_it(books: Books) -> None:
    """Those that the proof's answers show already are not counted again; newer ones are told."""
    first, second = books.venue.fill(10, 1), books.venue.fill(10, 2)
    books.see(first, second)
    assert books.told == []
    books.venue.history.pop()
    await books.prove()
    assert (books.net, books.told_ids) == (20, [2])
    books.see(first, second)
    assert (books.net, books.told_ids) == (20, [2])


async def test_live_trades_are_told_at_once(books: Books) -> None:
    """Once there is a book a trade needs no proof to be heard."""
    await books.prove()
    books.see(books.venue.fill(10, 1), books.venue.fill(-4, 2))
    assert (books.net, books.told_ids) == (6, [1, 2])


async def test_what_a_later_proof_finds_is_told_once(books: Books) -> None:
    """Trades that the stream lost come out of the next fence, each once."""
    await books.prove()
    for order in range(1, 4):
        books.venue.fill(10, order)
    books.venue.lags.append(1)
    await books.prove()
    assert (books.net, books.told_ids) == (30, [1, 2, 3])
    assert len(books.proven) == 2


async def test_what_was_counted_is_told_where_the_proof_is_cut_short(books: Books) -> None:
    """A new round cancels the old one, and none of the trades that it counted is lost."""
    await books.prove()
    for order in range(1, 4):
        books.venue.fill(10, order)
    books.venue.lags.extend([1] * 1000)
    reads = len(books.venue.reads)
    async with running(books.keeper.reconcile()):
        await eventually(lambda: len(books.venue.reads) > reads + 1)
    assert books.told_ids == [1, 2]
    books.venue.lags.clear()
    await books.prove()
    assert books.told_ids == [1, 2, 3]


async def test_what_was_counted_is_told_where_no_proof_comes(books: Books) -> None:
    """The manager hears of the trades and of the missing proof."""
    await books.prove()
    books.venue.fill(10, 1)
    books.venue.fill(10, 2)
    books.venue.lags.extend([1] * 1000)
    await books.prove()
    assert books.told_ids == [1]
    (found,) = books.not_proven
    assert found.reason == "book_not_proven"  # it lags: what is known is not contradicted
    assert found.detail.startswith("account B: ")
    assert len(books.proven) == 1


async def test_without_a_first_proof_there_is_no_book(books: Books) -> None:
    """Trades go on waiting: nothing is traded on a book that nobody proved."""
    books.see(books.venue.fill(10, 1))
    books.venue.lags.extend([1] * 1000)
    await books.prove()
    assert (books.net, books.told) == (None, [])
    assert [found.reason for found in books.not_proven] == ["book_not_proven"]
    books.venue.lags.clear()
    await books.prove()
    assert books.net == 10


async def test_why_a_book_is_not_proven_is_said_while_it_is_proved(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in the log, and in the heartbeat until it is proven: nobody waits without a word."""
    assert books.keeper.notices == ()
    books.venue.errors.extend([VenueUnavailableError("HTTP 502")] * 6)
    shown, read = [], books.venue.trades

    async def trades(newer_than: int | None, pages: int = 5) -> TradePages:
        shown.extend(books.keeper.notices)
        return await read(newer_than, pages)

    books.venue.trades = trades  # type: ignore[method-assign]
    await books.prove()
    assert set(shown) == {("proving", "the proof of its book has failed so far: HTTP 502")}
    assert len(books.proven) == 1
    assert books.keeper.notices == ()
    lines = [line for line in caplog.messages if line.startswith("not_proven_yet")]
    assert len(lines) == 1
    assert "HTTP 502" in lines[0]


async def test_a_proof_that_is_given_up_leaves_no_notice(books: Books) -> None:
    """The halt has the reason from then on."""
    books.venue.errors.extend([VenueUnavailableError("HTTP 502")] * 1000)
    await books.prove()
    assert (books.keeper.notices, len(books.not_proven)) == ((), 1)


async def test_a_round_that_called_for_another_one_is_void(books: Books) -> None:
    """What its trades set off makes the fence of the newer round the one that counts."""
    await books.prove()
    twin = books.venue.fill(10, 1)
    older = books.keeper.reconcile()
    newer = books.keeper.reconcile()
    await older
    assert (books.told, len(books.proven)) == ([twin], 1)
    await newer
    assert len(books.proven) == 2


async def test_without_the_lease_no_fence_is_sent(books: Books) -> None:
    """A fence of a process that lost its lease would burn the leader's nonces."""
    books.bench.bus.holder = None
    await books.prove()
    assert (books.venue.sent, books.proven) == ([], [])
    assert len(books.lost) == 1


async def test_with_redis_away_the_holder_still_fences(books: Books) -> None:
    """The exchange's nonces protect the account; the lease is not asked for twice."""
    books.bench.bus.reachable = False
    await books.prove()
    assert len(books.proven) == 1


async def test_a_key_refused_at_the_first_start_ends_the_process(books: Books) -> None:
    """Exit code 4, and a sentence that names account and key."""
    books.venue.nonces.appendleft(NO_KEY)
    with pytest.raises(AccountKeyError, match="API key 5 of account 102") as failure:
        await books.keeper.reconcile()
    assert failure.value.exit_code == 4


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        (21136, "invalid signature, update the SDK", "Update this program"),
        (62007, "maker-only api key can send only post-only", "Use an API key that may send"),
        (21149, "integrator not approved", "Use an API key that may send"),
    ],
)
async def test_what_is_no_fault_of_the_key_s_numbers_is_not_said_to_be(
    books: Books, code: int, message: str, says: str
) -> None:
    """An outdated program, or a key without leave: new keys and indexes would not help."""
    books.venue.nonces.appendleft(VenueRefusedError(code, message))
    with pytest.raises(AccountKeyError, match=f"API key 5 of account 102.*{code}") as failure:
        await books.keeper.reconcile()
    assert says in str(failure.value)
    assert "Check account_index" not in str(failure.value)
    assert failure.value.exit_code == 4


async def test_a_key_refused_while_running_is_tried_again(books: Books) -> None:
    """Somebody may put the key back: told each time, with growing pauses, for ever."""
    await books.prove()
    books.venue.nonces.extendleft([NO_KEY] * 3)
    slept = len(books.bench.clock.slept_s)
    await books.prove()
    assert [error.code for error in books.key_refused] == [21109] * 3
    assert len(books.proven) == 2
    timing = books.bench.timing
    pauses = [timing.retry_min_s, timing.retry_min_s * 2, timing.retry_min_s * 4]
    kept = [pause for pause in books.bench.clock.slept_s[slept:] if pause in pauses]
    assert kept == pauses


async def test_a_fence_that_does_not_pass_is_said_once_and_goes_on(books: Books) -> None:
    """Nobody waits in silence for a marker that is accepted and never listed."""
    books.venue.lists_markers = False
    books.venue.status = TxStatus.UNKNOWN
    async with running(books.keeper.reconcile()) as work:
        await eventually(lambda: books.fence_slow)
        began_ms = books.bench.clock.now_ms()
        await eventually(lambda: books.bench.clock.now_ms() > began_ms + 300_000)
        assert len(books.fence_slow) == 1
        assert "60 s" in books.fence_slow[0]
        books.venue.lists_markers = True
        books.venue.status = TxStatus.EXECUTED
        await eventually(work.done)
    assert len(books.proven) == 1


def loses_the_lease_after_the_start(books: Books) -> None:
    """Let another process take over once the work has begun."""
    ask = books.lease.check

    async def check() -> bool:
        held = await ask()
        books.bench.bus.holder = None
        return held

    books.lease.check = check  # type: ignore[method-assign]


async def test_who_lost_the_lease_meanwhile_does_not_complain(books: Books) -> None:
    """A process that wakes from a long sleep must not halt the pair that another one leads now."""
    books.venue.lists_markers = False
    books.venue.status = TxStatus.UNKNOWN
    loses_the_lease_after_the_start(books)
    async with running(books.keeper.reconcile()):
        await eventually(lambda: books.lost or books.fence_slow)
    assert books.fence_slow == []


async def test_a_proof_that_fails_after_the_lease_was_lost_halts_nobody(books: Books) -> None:
    """The book is the new leader's to prove."""
    books.venue.fill(10, 1)
    books.venue.lags.extend([1] * 1000)
    loses_the_lease_after_the_start(books)
    await books.prove()
    assert (len(books.lost), books.not_proven) == (1, [])


@pytest.mark.parametrize(
    ("venue_off_ms", "said"),
    [(-5000, "ahead"), (60_000, "behind"), (-1500, ""), (1500, ""), (0, "")],
)
async def test_a_clock_that_is_off_is_said(
    books: Books, caplog: pytest.LogCaptureFixture, venue_off_ms: int, said: str
) -> None:
    """The marker executed between our sending and now, so its time tells our clock from theirs."""
    books.venue.marker_ms = books.bench.clock.epoch_ms() + venue_off_ms
    await books.prove()
    lines = [line for line in caplog.messages if line.startswith("clock_off")]
    assert len(lines) == bool(said)
    assert all(f"clock is {said} " in line for line in lines)


async def test_a_fence_that_passes_is_not_called_slow(books: Books) -> None:
    """The watch over a fence ends with it."""
    await books.prove()
    assert books.fence_slow == []
    assert all(task.done() for task in books.tasks)


# --- catching up -----------------------------------------------------------------------------


async def test_catching_up_finds_what_the_stream_lost(books: Books) -> None:
    """The missing trade is told although a newer one was heard before it."""
    await books.prove()
    lost, heard = books.venue.fill(10, 1), books.venue.fill(10, 2)
    books.see(heard)
    assert books.keeper.book is not None
    assert not books.keeper.book.consistent
    assert await books.keeper.until_whole(lambda: True)
    assert books.told == [heard, lost]
    assert books.net == 20


@pytest.mark.parametrize("stated", [True, False])
async def test_a_gap_of_many_pages_is_closed(books: Books, stated: bool) -> None:
    """Thousands of trades may be lost while the stream is away: all are found, or it is no end."""
    await books.prove()
    for number in range(1200):
        books.venue.fill(1, 1 + number // 10, stated=stated)
    async with asyncio.timeout(5):
        assert await books.keeper.until_whole(lambda: books.bench.clock.now_ms() < 2_000_000)
    assert (books.net, len(books.told)) == (1200, 1200)


async def test_catching_up_is_tried_until_the_book_is_whole(books: Books) -> None:
    """Errors and stale answers cost time, with growing pauses, and nothing else."""
    await books.prove()
    lost, heard = books.venue.fill(10, 1), books.venue.fill(10, 2)
    books.see(heard)
    books.venue.errors.append(VenueUnavailableError("timed out"))
    books.venue.lags.append(2)
    assert await books.keeper.until_whole(lambda: True)
    assert books.told == [heard, lost]
    timing = books.bench.timing
    assert books.bench.clock.slept_s[-2:] == [timing.ws_retry_min_s, timing.ws_retry_min_s * 2]


async def test_catching_up_ends_when_the_stream_is_away_again(books: Books) -> None:
    """An answer from before the cut does not make the streams whole."""
    await books.prove()
    books.venue.fill(10, 1)
    answers = iter([True, False, False])
    assert not await books.keeper.until_whole(lambda: next(answers))
    assert books.told_ids == [1]


async def test_without_a_book_there_is_nothing_to_catch_up(books: Books) -> None:
    """Before the first proof the proof itself reads everything."""
    await books.keeper.catch_up()
    assert books.venue.reads == []


# --- what the host keeps ---------------------------------------------------------------------


async def test_the_book_survives_a_restart(books: Books) -> None:
    """A new process of the host finds the base, and only newer trades are new to it."""
    books.venue.fill(10, 1)
    await books.prove()
    books.see(books.venue.fill(10, 2))
    books.keeper.save()
    books.venue.fill(10, 3)
    books.bench.restart()
    again = Books(books.bench)
    assert again.keeper.stored_base() == BookBase(20, 2, 20_000)
    await again.prove()
    assert (again.net, again.told_ids, again.proven[0][1].explained) == (30, [3], True)


async def test_a_contradictory_book_is_not_kept(books: Books) -> None:
    """What the file holds is always a book that agreed with itself."""
    await books.prove()
    books.venue.fill(10, 1)
    books.see(books.venue.fill(10, 2))
    books.keeper.save()
    assert books.keeper.stored_base() == BookBase(0, 0, 0)


async def test_the_newer_of_file_and_redis_is_the_base(books: Books) -> None:
    """Redis may be behind the file (rolled back) or before it (another host led meanwhile)."""
    books.bench.host.write(
        "book-0", {"position_lots": 5, "floor_trade_id": 50, "floor_ms": 500_000}
    )
    books.keeper.snapshot = StateSnapshot(position_b=position_b(4, 40))
    assert books.keeper.stored_base() == BookBase(5, 50, 500_000)
    books.keeper.snapshot = StateSnapshot(position_b=position_b(6, 60))
    assert books.keeper.stored_base() == BookBase(6, 60)


async def test_each_side_reads_its_own_position(bench_a: Bench) -> None:
    """A's base never comes from B's key."""
    books = Books(bench_a)
    books.keeper.snapshot = StateSnapshot(position_b=position_b(6, 60))
    assert books.keeper.stored_base() is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"position_lots":5}', '{"position_lots":"x","floor_trade_id":1}']
)
async def test_an_unreadable_book_file_counts_as_none(books: Books, content: str) -> None:
    """The venue knows better; nothing is replayed from what cannot be read."""
    (books.bench.host.path / "book-0.json").write_text(content)
    books.venue.fill(10, 1)
    await books.prove()
    assert (books.net, books.told, books.proven[0][1].explained) == (10, [], False)


async def test_a_full_disk_does_not_end_the_bookkeeping(
    books: Books, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The venue knows the book: a copy that cannot be kept is said once, and hedging goes on."""

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    host = books.bench.host
    host.flush()
    monkeypatch.setattr(Path, "replace", full)
    await books.prove()
    for order in range(1, 4):
        books.see(books.venue.fill(10, order))
        books.keeper.save()
        assert not host.flush()
    assert books.net == 30
    assert len([line for line in caplog.messages if "No space left" in line]) == 1


async def test_the_file_is_written_when_the_book_changes_only(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saving every second does not wear the disk while nothing happens."""
    await books.prove()
    written = Calls()
    monkeypatch.setattr(books.bench.host, "write", written)
    books.keeper.save()
    books.see(books.venue.fill(10, 1))
    books.keeper.save()
    books.keeper.save()
    assert len(written) == 1


# --- what only frames have told ----------------------------------------------------------------


async def test_a_false_id_gives_way_to_the_listed_one(books: Books) -> None:
    """The fill was told once, under an id that no trade will reach; the list has the true one."""
    await books.prove()
    true = books.venue.fill(10, 1)
    books.see(replace(true, trade_id=2**40))
    assert (books.net, books.keeper.book and books.keeper.book.last_trade_id) == (10, 2**40)
    async with running(books.keeper.keep_confirmed()):
        await eventually(lambda: books.corrected)
    assert books.keeper.book is not None
    assert (books.net, books.keeper.book.last_trade_id) == (10, true.trade_id)
    assert books.told_ids == [2**40]
    books.see(books.venue.fill(5, 2))
    assert books.net == 15


async def test_one_false_size_in_an_answer_moves_nothing(books: Books) -> None:
    """0.2 for 0.02, once: B traded nine orders' worth, and back. A second answer is asked soon."""
    await books.prove()
    true = books.venue.fill(10, 1)
    books.see(true)
    books.venue.history[-1] = replace(true, size_lots=100)
    await books.keeper.catch_up()
    books.venue.history[-1] = true
    assert (books.net, books.corrected) == (10, [])
    confirmed_ms = books.keeper.confirmed_ms
    books.venue.reads.clear()
    async with running(books.keeper.keep_confirmed()):
        await books.bench.clock.sleep(3)
    assert len(books.venue.reads) == 1
    assert (books.net, books.corrected) == (10, [])
    assert books.keeper.book is not None
    assert not books.keeper.book.is_claimed_otherwise
    assert books.keeper.confirmed_ms != confirmed_ms


async def test_nothing_is_asked_where_nothing_waits(books: Books) -> None:
    """A confirmation costs a request, and is batched: none in quiet times, one in 20 s else."""
    await books.prove()
    books.venue.reads.clear()
    clock = books.bench.clock
    async with running(books.keeper.keep_confirmed()):
        await clock.sleep(120)
        assert books.venue.reads == []
        for order in range(1, 5):
            books.see(books.venue.fill(10, order))
            await clock.sleep(10)
        await clock.sleep(60)
    assert len(books.venue.reads) == 3


@pytest.fixture
def books_of_a(bench_a: Bench) -> Books:
    """A's book beside a watch of B's account."""
    peer = cast("PeerVenue", object())
    bench_a._parts = replace(bench_a.parts, peer=peer)
    return Books(bench_a)


async def test_a_reads_one_page_more_once_nothing_is_listed_late(books_of_a: Books) -> None:
    """Its book is confirmed to the newest trade then, which B may rely on; once, and not twice."""
    books, clock = books_of_a, books_of_a.bench.clock
    assert books.keeper.confirmed_ms is None
    await books.prove()
    assert books.keeper.confirmed_ms is not None
    books.venue.reads.clear()
    async with running(books.keeper.keep_confirmed()):
        books.see(books.venue.fill(10, 1))
        heard_ms = clock.now_ms()
        await clock.sleep(15)
        assert len(books.venue.reads) == 1
        assert books.keeper.confirmed_ms < heard_ms
        await clock.sleep(25)  # on Standard a page in 20 s
        assert len(books.venue.reads) == 2
        assert heard_ms < books.keeper.confirmed_ms < clock.now_ms() - 15_000
        await clock.sleep(120)
        assert len(books.venue.reads) == 2


async def test_a_book_that_contradicts_itself_is_not_confirmed(books_of_a: Books) -> None:
    """Nor is one by an answer that breaks off."""
    books = books_of_a
    await books.prove()
    before_ms = books.keeper.confirmed_ms
    books.bench.clock.advance_ms(60_000)
    books.see(replace(books.venue.fill(10, 1), position_before_lots=7))
    books.venue.history.clear()
    await books.keeper.catch_up()
    assert books.keeper.confirmed_ms == before_ms


async def test_a_trade_that_nothing_agrees_with_is_dropped(books: Books) -> None:
    """No answer lists it; position and order rows agree without it."""
    await books.prove()
    books.see(books.venue.fill(10, 1))
    books.venue.position = 10
    books.see(replace(books.venue.history[-1], trade_id=7, order_index=9, position_before_lots=10))
    assert books.net == 20
    clock = books.bench.clock
    async with running(books.keeper.keep_confirmed()):
        await clock.sleep(19)
        assert books.net == 20
        await clock.sleep(11)
        assert books.net == 10
    assert books.corrected


async def test_a_missing_trade_that_the_position_contains_halts(books: Books) -> None:
    """The venue contradicts itself for a minute: what is true is for a person to see."""
    await books.prove()
    books.see(books.venue.fill(10, 1))
    books.venue.history.pop()
    books.venue.position = 10
    async with running(books.keeper.keep_confirmed()):
        await eventually(lambda: books.not_proven)
    assert books.not_proven[0].reason == "trades_missing"
    assert books.net == 10


async def test_a_proof_drops_what_is_beyond_an_order_s_end(books: Books) -> None:
    """The fence's rows show how much the order filled, and listed trades fill it already."""
    await books.prove()
    books.see(books.venue.fill(10, 1))
    books.see(replace(books.venue.history[-1], trade_id=7, position_before_lots=10))
    assert books.net == 20
    began_ms = books.bench.clock.now_ms()
    await books.prove()
    assert books.net == 10
    assert books.bench.clock.now_ms() - began_ms < 5000
    assert books.corrected
