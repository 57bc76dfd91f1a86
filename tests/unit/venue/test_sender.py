"""Outcomes of sending: every row of the venue's retry rules, against a scripted venue."""

import asyncio
from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.exchange.port import (
    NotSentError,
    OrderKind,
    OrderRequest,
    Path,
    PriceChange,
    TimeInForce,
    VenueRefusedError,
)
from hedge.exchange.sender import Accepted, Outcome, Rejected, Sender, Unknown
from tests.unit.venue.fakes import LOST, FakeClock, ScriptVenue, SendResult, ok, refusal

ORDER = OrderRequest(77, Side.SELL, 8, 190_000, OrderKind.MARKET, TimeInForce.IMMEDIATE_OR_CANCEL)
NOT_SENT = NotSentError("stream is down")


def _pair(*sends: SendResult) -> tuple[Sender, ScriptVenue]:
    clock = FakeClock()
    venue = ScriptVenue(clock)
    venue.sends.extend(sends)
    return Sender(venue, clock, instance="abc123", cancel_all_first=False), venue


async def _order(*sends: SendResult) -> tuple[Outcome, ScriptVenue]:
    sender, venue = _pair(*sends)
    return await sender.order(ORDER, 5), venue


def _copies(venue: ScriptVenue) -> list[Path]:
    """Assert that all copies are the same bytes, signed once, and return their paths."""
    assert len(venue.signed) == 1
    assert len({tx for tx, _ in venue.sent}) <= 1
    return [path for _, path in venue.sent]


async def test_accepted() -> None:
    """An answer of 200 is accepted, with the venue's estimate."""
    outcome, venue = await _order(ok(1_791_528_509_552))
    assert isinstance(outcome, Accepted)
    assert (outcome.copies, outcome.predicted_ms) == (1, 1_791_528_509_552)
    assert _copies(venue) == [Path.STREAM]


async def test_refused_sole_copy_is_rejected() -> None:
    """A refusal of the only copy proves that it did not execute."""
    outcome, venue = await _order(refusal(21739, "not enough margin"))
    assert outcome == Rejected(21739, "not enough margin")
    assert _copies(venue) == [Path.STREAM]


@pytest.mark.parametrize("lots", [0, -8])
async def test_an_amount_below_one_lot_is_never_signed(lots: int) -> None:
    """The venue reads 0 as the whole position: no such order leaves, whatever made it."""
    sender, venue = _pair()
    outcome = await sender.order(replace(ORDER, lots=lots), 5)
    assert isinstance(outcome, Rejected)
    assert venue.signed == []
    assert venue.sent == []


async def test_invalid_nonce_on_first_copy_is_unknown() -> None:
    """Invalid nonce is never a rejection, and nothing is signed again."""
    outcome, venue = await _order(refusal(21104, "invalid nonce"))
    assert isinstance(outcome, Unknown)
    assert (outcome.reason, outcome.copies, outcome.code) == ("invalid nonce", 1, 21104)
    assert _copies(venue) == [Path.STREAM]


async def test_lost_answer_sends_the_same_bytes_once_over_http() -> None:
    """Without an answer the second copy is the first one's bytes."""
    outcome, venue = await _order(LOST, ok())
    assert isinstance(outcome, Accepted)
    assert outcome.copies == 2
    assert _copies(venue) == [Path.STREAM, Path.HTTP]


@pytest.mark.parametrize("code", [21104, 21739, 21706, 21120])
async def test_refusal_of_a_second_copy_proves_nothing(code: int) -> None:
    """Once two copies are out, no answer rejects."""
    outcome, venue = await _order(LOST, refusal(code))
    assert isinstance(outcome, Unknown)
    assert (outcome.copies, outcome.code) == (2, code)
    assert _copies(venue) == [Path.STREAM, Path.HTTP]


async def test_no_answer_at_all_is_unknown() -> None:
    """Two unanswered copies are unknown, and there is no third."""
    outcome, venue = await _order(LOST, LOST)
    assert isinstance(outcome, Unknown)
    assert outcome.copies == 2
    assert _copies(venue) == [Path.STREAM, Path.HTTP]


async def test_second_copy_that_never_left_counts_one() -> None:
    """A lost stream answer and a dead HTTP path leave one copy in doubt."""
    outcome, _ = await _order(LOST, NOT_SENT)
    assert isinstance(outcome, Unknown)
    assert outcome.copies == 1


async def test_stream_known_down_makes_http_the_sole_copy() -> None:
    """When no byte went over the stream, the HTTP answer is the sole copy's."""
    outcome, venue = await _order(NOT_SENT, refusal(21739, "margin"))
    assert outcome == Rejected(21739, "margin")
    assert _copies(venue) == [Path.STREAM, Path.HTTP]
    outcome, _ = await _order(NOT_SENT, ok())
    assert isinstance(outcome, Accepted)
    assert outcome.copies == 1
    outcome, _ = await _order(NOT_SENT, refusal(21104))
    assert isinstance(outcome, Unknown)
    assert outcome.copies == 1


async def test_nothing_could_be_sent() -> None:
    """With both paths down no copy is out, and the outcome says so."""
    outcome, _ = await _order(NOT_SENT, NOT_SENT)
    assert isinstance(outcome, Unknown)
    assert outcome.copies == 0


async def test_on_signed_is_called_before_any_byte_leaves() -> None:
    """What must be stored first can be stored between signing and sending."""
    sender, venue = _pair()
    seen: list[tuple[int, int]] = []
    await sender.order(ORDER, 5, lambda: seen.append((len(venue.signed), len(venue.sent))))
    assert seen == [(1, 0)]


async def test_fields_that_the_signer_refuses_are_rejected_unsent() -> None:
    """An order that cannot be signed was never sent."""
    sender, venue = _pair()
    venue.sign_error = VenueRefusedError(0, "BaseAmount should not be less than 1")
    outcome = await sender.order(ORDER, 5)
    assert isinstance(outcome, Rejected)
    assert venue.sent == []


async def test_one_unanswered_transaction_at_a_time() -> None:
    """A second transaction beside an unanswered one is a bug and raises."""
    sender, venue = _pair()
    first = asyncio.ensure_future(sender.order(ORDER, 5))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="unanswered"):
        await sender.cancel(9, 6)
    assert isinstance(await first, Accepted)
    assert isinstance(await sender.cancel(9, 6), Accepted)
    assert isinstance(await sender.cancel_all(7), Accepted)
    assert [nonce for _, nonce in venue.signed] == [5, 6, 7]


async def test_a_cancelled_call_frees_the_sender() -> None:
    """A caller that gives up does not block the next one."""
    sender, _ = _pair()
    call = asyncio.ensure_future(sender.order(ORDER, 5))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert isinstance(await sender.cancel(9, 6), Accepted)


async def test_a_change_of_price_is_sent_like_any_transaction() -> None:
    """Once signed, at most twice sent; without a clear answer its fate is open."""
    sender, venue = _pair(ok(), refusal(21709), LOST, LOST)
    change = PriceChange(9, 100, 300_000)
    assert isinstance(await sender.change(change, 6), Accepted)
    assert isinstance(await sender.change(change, 7), Rejected)
    assert isinstance(await sender.change(change, 7), Unknown)
    assert venue.changes == [change] * 3
    assert venue.signed == [("change", 6), ("change", 7), ("change", 7)]


@pytest.mark.parametrize("lots", [0, -1])
async def test_a_change_to_nothing_is_never_signed(lots: int) -> None:
    """Lighter reads 0 as the whole position."""
    sender, venue = _pair()
    assert isinstance(await sender.change(PriceChange(9, lots, 1), 6), Rejected)
    venue.sign_error = VenueRefusedError(0, "Price is invalid")
    assert isinstance(await sender.change(PriceChange(9, 1, 1), 6), Rejected)
    assert (venue.signed, venue.sent) == ([], [])
