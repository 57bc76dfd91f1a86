"""The fence, against a scripted venue: what counts as proof, and what does not."""

from unittest.mock import AsyncMock

import pytest

from hedge.core.ids import instance_of, is_marker
from hedge.core.records import Depth, Level, OrderRow, OrderStatus
from hedge.exchange.port import (
    KeyRefusedError,
    NotSentError,
    OrderKind,
    TimeInForce,
    TxStatus,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.exchange.sender import Sender
from tests.unit.venue.fakes import LOST, FakeClock, ScriptVenue, SendResult, ok, refusal, row


def _pair(*sends: SendResult, cancel_all_first: bool = False) -> tuple[Sender, ScriptVenue]:
    clock = FakeClock()
    venue = ScriptVenue(clock)
    venue.sends.extend(sends)
    venue.inactive = lambda _: (row(markers(venue)[-1]),) if venue.orders else ()
    sender = Sender(
        venue, clock, instance="abc123", cancel_all_first=cancel_all_first, view_lag_s=0
    )
    return sender, venue


def markers(venue: ScriptVenue) -> list[int]:
    return [order.client_order_index for order in venue.orders]


async def test_a_listed_marker_is_a_fence() -> None:
    """The answer that lists the marker is returned, and the next nonce is the marker's plus one."""
    sender, venue = _pair()
    fenced = await sender.fence()
    assert fenced.next_nonce == 6
    assert fenced.marker is not None
    assert fenced.marker in fenced.rows
    (marker,) = venue.orders
    assert is_marker(marker.client_order_index)
    assert instance_of(marker.client_order_index) == 0x123
    assert (marker.lots, marker.price_ticks) == (1, 1)
    assert (marker.kind, marker.time_in_force) == (OrderKind.LIMIT, TimeInForce.IMMEDIATE_OR_CANCEL)


@pytest.mark.parametrize(
    "book",
    [
        Depth(bids=(Level(200_000, 1),), asks=(Level(200_100, 1),), mark_ticks=200_050),
        Depth(bids=(Level(400_000, 1),), mark_ticks=400_000),
        Depth(asks=(Level(1_000, 1),)),
        Depth(),
    ],
    ids=["good", "of before a fall", "only offers", "none"],
)
async def test_no_book_makes_a_marker_that_can_trade(book: Depth) -> None:
    """Whatever was last heard of the market, the marker bids less than anything is offered for."""
    sender, venue = _pair()
    venue.book = book
    await sender.fence()
    assert venue.orders[0].price_ticks == 1


async def test_an_accepted_marker_is_no_fence_until_listed() -> None:
    """The fence waits for the listing, not for the 200."""
    sender, venue = _pair()
    venue.inactive = lambda reads: (row(markers(venue)[-1]),) if reads >= 4 else ()
    await sender.fence()
    assert venue.inactive_reads == 4
    assert len(venue.orders) == 1


async def test_an_answer_without_the_marker_proves_nothing() -> None:
    """Only the answer that lists the marker is returned, not an earlier one."""
    sender, venue = _pair()
    other = row(12345)

    def lagging(reads: int) -> tuple[OrderRow, ...]:
        return (other,) if reads < 3 else (row(markers(venue)[-1]), other)

    venue.inactive = lagging
    fenced = await sender.fence()
    assert len(fenced.rows) == 2
    assert venue.inactive_reads == 3


async def test_someone_elses_marker_and_an_older_one_of_ours_do_not_count() -> None:
    """The marker is known by its own id, not by its nonce."""
    sender, venue = _pair()
    twin = Sender(venue, venue.clock, instance="fff", cancel_all_first=False, view_lag_s=0)
    first = await sender.fence()
    assert first.marker is not None
    old = first.marker

    def later(reads: int) -> tuple[OrderRow, ...]:
        return (old,) if reads < 5 else (row(markers(venue)[-1]), old)

    venue.inactive = later
    second = await sender.fence()
    assert second.marker is not None
    assert second.marker.client_order_index != old.client_order_index
    venue.inactive = lambda reads: (
        (row(markers(venue)[-1]),) if reads > 8 else (row(markers(venue)[0]),)
    )
    third = await twin.fence()
    assert third.marker is not None
    assert instance_of(third.marker.client_order_index) == 0xFFF
    assert len(set(markers(venue))) == 3


async def test_a_restarted_process_repeats_no_marker() -> None:
    """The marker counter starts at the wall clock."""
    sender, venue = _pair()
    await sender.fence()
    venue.clock.advance_ms(1000)
    again = Sender(venue, venue.clock, instance="abc123", cancel_all_first=False, view_lag_s=0)
    await again.fence()
    assert len(set(markers(venue))) == 2


async def test_the_order_stream_ends_the_wait_at_once() -> None:
    """A marker seen on the stream is looked up without waiting for the next poll."""
    sender, venue = _pair()
    venue.hook = lambda: sender.on_orders([row(1), row(markers(venue)[-1])])
    before = venue.clock.now_ms()
    await sender.fence()
    assert venue.clock.now_ms() == before
    assert venue.inactive_reads == 1


async def test_a_marker_that_is_never_listed_is_followed_by_another() -> None:
    """After ten seconds a new marker is sent at a freshly read nonce."""
    sender, venue = _pair()
    venue.nonces.extend([6])
    venue.inactive = lambda _: (
        (row(markers(venue)[-1]),) if len(venue.orders) == 2 else (row(markers(venue)[0] - 1),)
    )
    before = venue.clock.now_ms()
    fenced = await sender.fence()
    assert fenced.next_nonce == 7
    assert [nonce for _, nonce in venue.signed] == [5, 6]
    assert venue.clock.now_ms() - before >= 10_000


async def test_a_live_row_of_the_marker_is_not_enough() -> None:
    """The marker counts once its row is terminal."""
    sender, venue = _pair()
    venue.inactive = lambda reads: (
        row(
            markers(venue)[-1],
            OrderStatus.IN_PROGRESS if reads < 3 else OrderStatus.CANCELED_SLIPPAGE,
        ),
    )
    await sender.fence()
    assert venue.inactive_reads == 3


async def test_a_marker_of_unknown_fate_may_be_listed() -> None:
    """Two unanswered copies of the marker are waited for, because one may have arrived."""
    sender, venue = _pair(LOST, LOST)
    await sender.fence()
    assert len(venue.orders) == 1


@pytest.mark.parametrize("sends", [(refusal(21104),), (NotSentError("down"), NotSentError("down"))])
async def test_a_marker_that_cannot_have_arrived_is_not_waited_for(
    sends: tuple[SendResult, ...],
) -> None:
    """Invalid nonce on the sole copy, or nothing sent: read the nonce again after 350 ms."""
    sender, venue = _pair(*sends)
    venue.nonces.append(6)
    before = venue.clock.now_ms()
    fenced = await sender.fence()
    assert fenced.next_nonce == 7
    assert venue.clock.slept_s[0] == 0.35
    assert venue.clock.now_ms() - before < 2_000


async def test_invalid_nonce_on_a_second_copy_is_waited_for() -> None:
    """Invalid nonce after a lost answer means that the first copy probably arrived."""
    sender, venue = _pair(LOST, refusal(21104))
    await sender.fence()
    assert len(venue.orders) == 1


async def test_cancel_all_comes_first_where_asked() -> None:
    """A maker's fence clears what rests before its marker."""
    sender, venue = _pair(cancel_all_first=True)
    fenced = await sender.fence()
    assert venue.signed == [("cancel_all", 5), ("order", 6)]
    assert fenced.next_nonce == 7


@pytest.mark.parametrize(
    "sends", [(refusal(21104),), (refusal(21712),), (NotSentError("down"), NotSentError("down"))]
)
async def test_a_cancel_all_that_was_not_taken_starts_the_round_anew(
    sends: tuple[SendResult, ...],
) -> None:
    """No marker is sent behind a cancel-all that cannot have run."""
    sender, venue = _pair(*sends, cancel_all_first=True)
    venue.nonces.append(8)
    fenced = await sender.fence()
    assert venue.signed == [("cancel_all", 5), ("cancel_all", 8), ("order", 9)]
    assert fenced.next_nonce == 10


@pytest.mark.parametrize("second", [refusal(21104), LOST])
async def test_a_cancel_all_whose_first_copy_may_have_run_is_judged_by_its_hash(
    second: SendResult,
) -> None:
    """Invalid nonce on the second copy, or no answer at all: on to the marker, then to its hash."""
    sender, venue = _pair(LOST, second, cancel_all_first=True)
    fenced = await sender.fence()
    assert venue.signed == [("cancel_all", 5), ("order", 6)]
    assert fenced.next_nonce == 7


@pytest.mark.parametrize("second", [refusal(21104), LOST])
async def test_a_cancel_all_without_answer_that_did_not_run_is_no_fence(
    second: SendResult,
) -> None:
    """Its hash is not known to the exchange, whatever the marker behind it became."""
    sender, venue = _pair(LOST, second, cancel_all_first=True)
    venue.nonces.append(7)
    venue.status = TxStatus.UNKNOWN
    venue.hook = lambda: setattr(
        venue, "status", TxStatus.EXECUTED if len(venue.sent) > 3 else TxStatus.UNKNOWN
    )
    fenced = await sender.fence()
    assert venue.signed == [("cancel_all", 5), ("order", 6), ("cancel_all", 7), ("order", 8)]
    assert fenced.next_nonce == 9


@pytest.mark.parametrize("fate", [TxStatus.FAILED, TxStatus.UNKNOWN, TxStatus.PENDING])
async def test_a_cancel_all_that_was_taken_and_not_executed_is_no_fence(fate: TxStatus) -> None:
    """An order may still rest that no list of finished orders shows: the round starts anew."""
    sender, venue = _pair(cancel_all_first=True)
    venue.nonces.append(7)
    venue.status = fate
    venue.hook = lambda: setattr(
        venue, "status", TxStatus.EXECUTED if len(venue.sent) > 2 else fate
    )
    fenced = await sender.fence()
    assert venue.signed == [("cancel_all", 5), ("order", 6), ("cancel_all", 7), ("order", 8)]
    assert fenced.next_nonce == 9


async def test_a_refused_marker_falls_back_to_cancel_all() -> None:
    """Where the venue refuses the marker, an executed cancel-all fences."""
    sender, venue = _pair(refusal(21734, "too far from mark"))
    venue.inactive = lambda _: (row(1),)
    fenced = await sender.fence()
    assert venue.signed == [("order", 5), ("cancel_all", 5)]
    assert fenced.next_nonce == 6
    assert fenced.marker is None
    assert fenced.rows == (row(1),)


async def test_a_marker_that_cannot_be_signed_falls_back_to_cancel_all() -> None:
    """A marker refused by the signer is a refused marker."""
    sender, venue = _pair()
    venue.sign_error = VenueRefusedError(0, "bad price")
    fenced = await sender.fence()
    assert fenced.marker is None


async def test_a_cancel_all_fence_needs_execution() -> None:
    """A cancel-all that failed or stays pending proves nothing, and the round starts anew."""
    sender, venue = _pair(refusal(21734), ok(), refusal(21734), ok())
    venue.nonces.append(6)
    venue.status = TxStatus.FAILED
    venue.hook = lambda: setattr(
        venue, "status", TxStatus.EXECUTED if len(venue.sent) > 2 else TxStatus.PENDING
    )
    fenced = await sender.fence()
    assert fenced.next_nonce == 7
    assert len(venue.sent) == 4


@pytest.mark.parametrize("code", [21109, 21108, 21120, 21102, 21110])
async def test_a_refused_key_ends_the_fence(code: int) -> None:
    """A key or account that the venue does not take is not retried."""
    sender, _ = _pair(refusal(code, "key"))
    with pytest.raises(KeyRefusedError) as caught:
        await sender.fence()
    assert caught.value.code == code
    sender, venue = _pair()
    venue.nonces[0] = VenueRefusedError(code, "key")
    with pytest.raises(KeyRefusedError):
        await sender.fence()


async def test_a_key_without_a_nonce_is_asked_for_three_times() -> None:
    """A key that nextNonce does not know may be lagging; three times in a row it is refused."""
    sender, venue = _pair()
    missing = VenueRefusedError(21101, "nonce not found")
    venue.nonces.clear()
    venue.nonces.extend([missing, missing, VenueUnavailableError("x"), 5])
    assert (await sender.fence()).next_nonce == 6
    venue.nonces.clear()
    venue.nonces.append(missing)
    with pytest.raises(KeyRefusedError):
        await sender.fence()
    assert venue.clock.slept_s[-2:] == [0.35, 0.7]


async def test_an_unreachable_venue_is_waited_for_with_growing_pauses() -> None:
    """Rounds back off from 0.35 s to 5 s while nothing answers."""
    sender, venue = _pair()
    venue.nonces.clear()
    venue.nonces.extend([VenueUnavailableError("down")] * 6 + [VenueRefusedError(29500, "x"), 5])
    await sender.fence()
    assert venue.clock.slept_s[:7] == [0.35, 0.7, 1.4, 2.8, 5.0, 5.0, 5.0]


async def test_an_unreadable_list_is_read_again() -> None:
    """A failed read of the finished orders is neither proof nor the end."""
    sender, venue = _pair()

    def flaky(reads: int) -> tuple[OrderRow, ...]:
        if reads < 3:
            raise VenueUnavailableError("500")
        return (row(markers(venue)[-1]),)

    venue.inactive = flaky
    await sender.fence()
    assert len(venue.orders) == 1


QUOTA = refusal(23000, "Too Many Requests! volume quota is used up")


async def test_a_used_up_quota_fences_by_the_cancel_all_alone() -> None:
    """One transaction in 15 s is free, and a fence of two of them would never pass."""
    sender, venue = _pair(ok(), QUOTA, cancel_all_first=True)
    fenced = await sender.fence()
    assert fenced.marker is None
    assert fenced.next_nonce == 6, "the marker's nonce is not spent"
    assert len(venue.sent) == 2


async def test_a_used_up_quota_lets_the_marker_wait() -> None:
    """Without a cancel-all in front of it B's marker is the one that takes the free slot."""
    sender, venue = _pair(QUOTA, QUOTA, ok())
    venue.inactive = lambda _: (row(markers(venue)[-1]),)
    fenced = await sender.fence()
    assert fenced.marker is not None
    assert [kind for kind, _ in venue.signed] == ["order"] * 3
    assert len(venue.sent) == 3, "a definite refusal needs no second copy"


async def test_a_clock_too_far_ahead_signs_nothing_for_a_while() -> None:
    """What is refused as too far ahead is not sent again and again."""
    sender, venue = _pair()
    venue.signs_too_early = True

    def nonce_read() -> int:
        venue.signs_too_early = reads.call_count < 4
        return 5

    reads = AsyncMock(side_effect=nonce_read)
    venue.next_nonce = reads  # type: ignore[method-assign]
    assert (await sender.fence()).marker is not None
    assert len(venue.signed) == 1
    assert reads.call_count == 4


async def test_a_clock_far_behind_signs_nothing_until_it_is_right() -> None:
    """The round asks for the nonce, whose answer is dated, and sends nothing that has run out."""
    sender, venue = _pair()
    venue.clock_ahead_ms = 900_000

    def nonce_read() -> int:
        venue.clock_ahead_ms = 900_000 if reads.call_count < 6 else 0
        return 5

    reads = AsyncMock(side_effect=nonce_read)
    venue.next_nonce = reads  # type: ignore[method-assign]
    fenced = await sender.fence()
    assert fenced.marker is not None
    assert len(venue.signed) == 1
    assert venue.clock.slept_s[:5] == [0.35, 0.7, 1.4, 2.8, 5.0]
