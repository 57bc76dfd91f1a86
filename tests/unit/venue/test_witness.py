"""The fate of an order that is not listed beside our marker: what counts as proof, and what not."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, OrderStatus
from hedge.exchange.port import (
    NotSentError,
    OrderKind,
    OrderRequest,
    TimeInForce,
    TxStatus,
    VenueUnavailableError,
)
from hedge.exchange.sender import Sender
from tests.unit.venue.fakes import LOST, FakeClock, ScriptVenue, SendResult, ok, refusal, row

ORDER_ID, EARLIER_ID = (0xA << 44 | nonce for nonce in (4, 3))
LAG_S = 15
EXPIRES_MS = 1_795_001_600_000


class Scene:
    """An order sent with nonce 4, and a fence at nonce 5 (or 4) behind it."""

    def __init__(self, *sends: SendResult, marker_nonce: int = 5, is_a: bool = False) -> None:
        self.clock = FakeClock()
        self.venue = ScriptVenue(self.clock)
        self.venue.sends.extend(sends)
        self.venue.nonces[0] = marker_nonce
        self.venue.info = f'{{"ExpiredAt": {EXPIRES_MS}}}'
        self.order_row: Callable[[float], OrderRow | None] = lambda _: None
        self.fate: Callable[[float], TxStatus] = lambda _: TxStatus.UNKNOWN
        self.looks: list[float] = []
        self.fenced_ms = 0
        self.venue.inactive = self._rows
        self.venue.look = self._look
        self.sender = Sender(
            self.venue, self.clock, instance="abc123", cancel_all_first=is_a, view_lag_s=LAG_S
        )

    @property
    def s(self) -> float:
        """Seconds since the fence began."""
        return (self.clock.now_ms() - self.fenced_ms) / 1000

    def _rows(self, _: int) -> tuple[OrderRow, ...]:
        marker = replace(row(self.venue.orders[-1].client_order_index), updated_ms=self._epoch())
        found = self.order_row(self.s)
        earlier = replace(row(EARLIER_ID), filled_lots=10)
        return (marker, earlier) if found is None else (marker, found, earlier)

    def _epoch(self) -> int:
        return self.clock.epoch_ms()

    def _look(self, tx_hash: str) -> TxStatus:
        if tx_hash.startswith("cancel_all"):
            return TxStatus.EXECUTED
        self.looks.append(self.s)
        return self.fate(self.s)

    async def sends_order(self) -> str:
        """Send the order; return its hash."""
        request = OrderRequest(
            ORDER_ID, Side.BUY, 10, 200_000, OrderKind.MARKET, TimeInForce.IMMEDIATE_OR_CANCEL
        )
        await self.sender.order(request, 4)
        self.fenced_ms = self.clock.now_ms()
        return self.venue.sent[0][0].tx_hash if self.venue.sent else ""

    async def fences(self) -> tuple[bool, float]:
        """Pass the fence; return whether its answer lists the order, and after how many seconds."""
        fenced = await self.sender.fence()
        assert fenced.marker is not None
        return any(one.client_order_index == ORDER_ID for one in fenced.rows), self.s


def ended(filled_lots: int) -> OrderRow:
    status = OrderStatus.FILLED if filled_lots else OrderStatus.CANCELED_LIQUIDITY
    return replace(row(ORDER_ID, status), filled_lots=filled_lots)


async def test_a_listed_order_needs_no_third_witness() -> None:
    """With fills in its row, whatever was answered, no transaction is asked for."""
    for sends in ((ok(),), (LOST, refusal(21104)), (LOST, LOST), (LOST, ok())):
        scene = Scene(*sends)
        scene.order_row = lambda _: ended(10)
        await scene.sends_order()
        assert await scene.fences() == (True, 1.0)
        assert scene.looks == []


async def test_nothing_filled_after_a_200_on_the_sole_copy_is_decided_by_the_marker() -> None:
    """No transaction is asked for."""
    scene = Scene(ok())
    scene.order_row = lambda _: ended(0)
    await scene.sends_order()
    assert await scene.fences() == (True, 1.0)
    assert scene.looks == []


@pytest.mark.parametrize("sends", [(LOST, ok()), (LOST, refusal(21104)), (LOST, LOST)])
async def test_nothing_filled_with_more_copies_asks_what_became_of_them(
    sends: tuple[SendResult, ...],
) -> None:
    """A row without fills decides once the transaction itself is told."""
    scene = Scene(*sends)
    scene.order_row = lambda _: ended(0)
    scene.fate = lambda s: TxStatus.PENDING if s < 8 else TxStatus.EXECUTED
    await scene.sends_order()
    listed, after_s = await scene.fences()
    assert listed
    assert 8 <= after_s < 15
    assert scene.looks == [1.0, 8.0]


async def test_what_executed_is_waited_for_until_its_row_is_listed() -> None:
    """However long that takes: its absence is never decided."""
    scene = Scene(ok())
    scene.order_row = lambda s: ended(10) if s >= 40 else None
    scene.fate = lambda _: TxStatus.EXECUTED
    await scene.sends_order()
    listed, after_s = await scene.fences()
    assert listed
    assert after_s >= 40


async def test_a_failed_transaction_executed_nothing() -> None:
    """One look is enough where the exchange says so."""
    scene = Scene(ok())
    scene.fate = lambda _: TxStatus.FAILED
    await scene.sends_order()
    assert await scene.fences() == (False, 1.0)
    assert len(scene.looks) == 1


async def test_what_two_looks_do_not_find_did_not_run_once_lists_can_lag_no_more() -> None:
    """The later one is at least `view_lag_s` after the marker was listed, and 5 s lie between."""
    scene = Scene(LOST, LOST)
    await scene.sends_order()
    listed, after_s = await scene.fences()
    assert not listed
    assert 1 + LAG_S <= after_s < 1 + LAG_S + 10
    assert all(later - sooner >= 5 for sooner, later in itertools.pairwise(scene.looks))
    assert scene.looks[-1] >= 1 + LAG_S


async def test_a_transaction_that_turns_up_late_is_waited_for() -> None:
    """Not found at first, then executed, then listed: found after all, and decided by its row."""
    scene = Scene(ok())
    scene.fate = lambda s: TxStatus.UNKNOWN if s < 12 else TxStatus.EXECUTED
    scene.order_row = lambda s: ended(10) if s >= 22 else None
    await scene.sends_order()
    listed, after_s = await scene.fences()
    assert listed
    assert after_s >= 22


async def test_a_look_that_fails_is_no_look() -> None:
    """Neither proof nor the end."""
    scene = Scene(ok())

    def broken(s: float) -> TxStatus:
        if s < 30:
            raise VenueUnavailableError("500")
        return TxStatus.UNKNOWN

    scene.fate = broken
    await scene.sends_order()
    listed, after_s = await scene.fences()
    assert not listed
    assert after_s >= 35


async def test_the_transaction_stream_tells_without_a_request() -> None:
    """Failed: decided at once; executed: its row is waited for; pending decides nothing."""
    scene = Scene(ok())
    tx_hash = await scene.sends_order()
    scene.sender.on_fate("another", TxStatus.FAILED)
    scene.sender.on_fate(tx_hash, TxStatus.PENDING)
    scene.sender.on_fate(tx_hash, TxStatus.FAILED)
    assert await scene.fences() == (False, 1.0)
    scene = Scene(ok())
    scene.order_row = lambda s: ended(10) if s >= 20 else None
    scene.sender.on_fate(await scene.sends_order(), TxStatus.EXECUTED)
    listed, _ = await scene.fences()
    assert listed
    assert scene.looks == []


@pytest.mark.parametrize("sends", [(LOST, LOST), (ok(),)])
async def test_a_marker_with_the_order_s_own_nonce_is_proof_enough(
    sends: tuple[SendResult, ...],
) -> None:
    """Each nonce executes once: where the marker has used it the order never can."""
    scene = Scene(*sends, marker_nonce=4)
    await scene.sends_order()
    assert await scene.fences() == (False, 1.0)
    assert scene.looks == []


@pytest.mark.parametrize(
    "sends",
    [
        (refusal(21104),),
        (refusal(21739),),
        (NotSentError("down"), NotSentError("down")),
    ],
)
async def test_what_was_refused_or_never_sent_is_not_in_doubt(
    sends: tuple[SendResult, ...],
) -> None:
    """A refusal of the sole copy is an answer about it."""
    scene = Scene(*sends, marker_nonce=4)
    await scene.sends_order()
    assert await scene.fences() == (False, 1.0)
    assert scene.looks == []


async def test_it_ends_when_the_signed_bytes_have_expired() -> None:
    """`view_lag_s` after their end by the exchange's clock the proven book decides."""
    scene = Scene(ok())
    scene.fate = lambda _: TxStatus.EXECUTED
    await scene.sends_order()
    listed, _ = await scene.fences()
    assert not listed
    assert 0 <= scene.clock.epoch_ms() - EXPIRES_MS - LAG_S * 1000 < 10_000


async def test_the_host_s_clock_ends_nothing() -> None:
    """A host an hour ahead waits as long as any other: rows tell the exchange's time."""
    scene = Scene(ok())
    scene.fate = lambda _: TxStatus.EXECUTED
    scene._epoch = lambda: scene.clock.epoch_ms() - 3_600_000  # type: ignore[method-assign]
    scene.order_row = lambda s: ended(10) if s >= 1_500 else None
    await scene.sends_order()
    listed, _ = await scene.fences()
    assert listed


async def test_only_an_answer_that_lists_the_marker_decides() -> None:
    """A copy that lags behind it shows neither, and is not used."""
    scene = Scene(ok())
    scene.fate = lambda _: TxStatus.EXECUTED
    scene.order_row = lambda s: ended(10) if s >= 9 else None
    whole = scene.venue.inactive
    scene.venue.inactive = lambda n: () if 4 < scene.s < 14 else whole(n)
    await scene.sends_order()
    listed, after_s = await scene.fences()
    assert listed
    assert after_s >= 14


async def test_a_decided_order_is_not_asked_for_again() -> None:
    """The next fence has nothing open."""
    scene = Scene(LOST, LOST)
    await scene.sends_order()
    await scene.fences()
    looks = len(scene.looks)
    scene.venue.nonces[0] = 6
    await scene.fences()
    assert len(scene.looks) == looks


async def test_without_markers_the_same_is_asked() -> None:
    """A cancel-all that took the marker's place lists nothing: the transaction decides too."""
    scene = Scene(LOST, LOST, refusal(21734))
    scene.fate = lambda s: TxStatus.EXECUTED
    scene.venue.inactive = lambda _: (ended(10),) if scene.s > 40 else ()
    await scene.sends_order()
    fenced = await scene.sender.fence()
    assert fenced.marker is None
    assert [one.client_order_index for one in fenced.rows] == [ORDER_ID]


# --- what an earlier process has sent -----------------------------------------------------------


def started(*rows: OrderRow, nonce: int, is_a: bool = False) -> Scene:
    """A process that has sent nothing itself, and what the exchange lists beside its marker."""
    scene = Scene(marker_nonce=nonce, is_a=is_a)
    scene.fenced_ms = scene.clock.now_ms()
    whole = scene._rows
    scene.venue.inactive = lambda n: (whole(n)[0], *rows)
    return scene


def at(client_order_index: int, second: int) -> OrderRow:
    return replace(row(client_order_index), updated_ms=second * 1000)


MARKERS = tuple(0xB << 44 | serial for serial in (900, 901))


@pytest.mark.parametrize(
    ("rows", "nonce"),
    [
        ((), 0),
        ((at(EARLIER_ID, 10),), 4),
        ((at(EARLIER_ID, 10), at(MARKERS[0], 20)), 5),
        ((at(MARKERS[1], 30), at(MARKERS[0], 20), at(EARLIER_ID, 10)), 6),
        ((at(MARKERS[0], 5), at(EARLIER_ID, 10)), 4),
    ],
    ids=["a new key", "a hedge", "and a marker", "and two", "a marker before it"],
)
async def test_where_every_nonce_has_its_row_nothing_is_waited_for(
    rows: tuple[OrderRow, ...], nonce: int
) -> None:
    """An earlier process left nothing that is not listed."""
    scene = started(*rows, nonce=nonce)
    assert (await scene.fences())[1] == 1.0


@pytest.mark.parametrize(
    ("rows", "nonce"),
    [
        ((), 4),
        ((at(EARLIER_ID, 10),), 5),
        ((at(EARLIER_ID, 10), at(MARKERS[0], 10)), 5),
        ((at(MARKERS[0], 20), at(EARLIER_ID, 10)), 6),
        (tuple(at(MARKERS[0] + n, 20) for n in range(100)), 200),
    ],
    ids=["unlisted", "one more", "a marker of the same second", "beside a marker", "a full page"],
)
async def test_a_nonce_without_a_row_is_waited_for(rows: tuple[OrderRow, ...], nonce: int) -> None:
    """It may be a hedge that is listed late: until `view_lag_s` after the marker."""
    scene = started(*rows, nonce=nonce)
    assert LAG_S < (await scene.fences())[1] < LAG_S + 10


async def test_a_hedge_of_an_earlier_process_is_found_in_the_later_answer() -> None:
    """The fence passes with the row that was missing, as soon as it is there."""
    scene = started(at(EARLIER_ID, 10), nonce=5)
    scene.order_row = lambda s: ended(10) if s >= 6 else None
    scene.venue.inactive = scene._rows
    listed, after_s = await scene.fences()
    assert listed
    assert 6 <= after_s < LAG_S


async def test_markers_that_were_not_listed_are_forgotten_after_one_that_is() -> None:
    """Three in a row make a cancel-all take their place; a listed one lets them count anew."""
    scene = Scene(marker_nonce=4)
    whole = scene.venue.inactive
    for _ in range(3):
        sent = len(scene.venue.orders)
        scene.venue.inactive = lambda n, first=sent + 1: (
            whole(n) if len(scene.venue.orders) > first else ()
        )
        fenced = await scene.sender.fence()
        assert fenced.marker is not None
    assert all(kind == "order" for kind, _ in scene.venue.signed)


# --- A, whose cancels leave no row ----------------------------------------------------------------


async def test_a_waits_at_its_start_for_what_another_process_may_have_signed() -> None:
    """Its last order filled, and is listed late: no row of a cancel tells that nonce apart."""
    scene = started(at(EARLIER_ID, 10), nonce=5, is_a=True)
    scene.order_row = lambda s: ended(10) if s >= 6 else None
    scene.venue.inactive = scene._rows
    listed, after_s = await scene.fences()
    assert listed
    assert LAG_S < after_s < LAG_S + 10
    assert scene.venue.inactive_reads == 2


async def test_a_waits_for_nothing_with_a_key_that_never_signed() -> None:
    """There is no nonce that could be another's."""
    assert (await started(nonce=0, is_a=True).fences())[1] == 1.0


async def test_a_waits_for_nothing_where_every_nonce_is_its_own() -> None:
    """Orders that it knows, cancels, and a fence that failed; also after hours."""
    scene = started(nonce=0, is_a=True)
    await scene.fences()
    scene.venue.nonces[0] = 2
    for nonce in (2, 3, 4):
        await scene.sender.cancel(7, nonce)
    scene.venue.nonces[0] = 5
    scene.clock.advance_ms(3_600_000)
    scene.fenced_ms = scene.clock.now_ms()
    assert (await scene.fences())[1] == 1.0


@pytest.mark.parametrize("last", ["another's", "refused", "lease lost"])
async def test_a_waits_for_a_nonce_that_is_not_its_own(last: str) -> None:
    """Another A had the lease, or took the nonce of a cancel; or nobody knows."""
    scene = started(nonce=5, is_a=True)
    await scene.fences()
    scene.venue.nonces[0] = 8
    if last == "refused":
        scene.venue.sends.append(refusal(21104))
    if last != "another's":
        await scene.sender.cancel(7, 7)
    if last == "lease lost":
        scene.sender.nonces.forget()
    scene.fenced_ms = scene.clock.now_ms()
    assert LAG_S < (await scene.fences())[1] < LAG_S + 10


@pytest.mark.parametrize(("left_at", "waits"), [(5, False), (4, True), (6, False)])
async def test_a_waits_for_what_was_signed_since_its_host_left(left_at: int, waits: bool) -> None:
    """The nonce that an earlier run of this host left behind tells it."""
    scene = started(nonce=5, is_a=True)
    scene.sender.nonces.learn(left_at)
    after_s = (await scene.fences())[1]
    assert (after_s > LAG_S) is waits


async def test_a_without_markers_waits_once() -> None:
    """Its fence is a cancel-all then, and what is read after it is as old as the wait."""
    scene = started(nonce=5, is_a=True)
    scene.venue.sends.extend((ok(), refusal(21700)))
    scene.venue.inactive = lambda _: ()
    fenced = await scene.sender.fence()
    assert fenced.marker is None
    assert LAG_S < scene.s < LAG_S + 10
