"""Answers over the WebSocket: to whom they belong, and what an id-less error does not prove."""

import asyncio
import json
from typing import Any

import pytest

from hedge.exchange.lighter.streams.pending import PendingAnswers
from hedge.exchange.port import Answer, NotSentError, SignedTx, VenueUnavailableError
from tests.unit.venue.payloads import payload

HASH = payload("ws_sendtx_ok")["tx_hash"]
TX = SignedTx(14, '{"Nonce":7,"Sig":"a/b="}', HASH, 7)


async def _ask(*frames: dict[str, Any]) -> tuple[Answer, list[str]]:
    """Send once and let the frames arrive as soon as the request is out."""
    pending = PendingAnswers()
    sent: list[str] = []

    async def put(text: str) -> None:
        sent.append(text)
        for frame in frames:
            copy = dict(frame)
            if copy.get("id") == "k1":
                copy["id"] = json.loads(text)["data"]["id"]
            pending.heard(copy)

    return await pending.send(put, TX, 0.2), sent


async def test_an_answer_with_our_id() -> None:
    """An accepted transaction: the venue's estimate and hash come back."""
    answer, sent = await _ask(payload("ws_sendtx_ok"))
    assert answer == Answer(200, "", HASH, 1791528509552)
    frame = json.loads(sent[0])
    assert frame["type"] == "jsonapi/sendtx"
    assert frame["data"]["tx_type"] == 14
    assert frame["data"]["tx_info"] == {"Nonce": 7, "Sig": "a/b="}


async def test_a_refusal_with_our_id() -> None:
    """A refusal has an id but no type."""
    answer, _ = await _ask(payload("ws_sendtx_refused"))
    assert (answer.code, answer.message) == (21104, "invalid nonce")


async def test_a_refusal_that_names_our_hash() -> None:
    """Without an id the transaction's hash says whose answer it is."""
    answer, _ = await _ask({"error": {"code": 21501, "message": "bad"}, "tx_hash": HASH})
    assert answer.code == 21501


async def test_an_error_without_id_and_hash_is_no_answer() -> None:
    """An error that names nobody proves nothing, but ends the waiting."""
    with pytest.raises(VenueUnavailableError, match="without id"):
        await _ask({"error": {"code": 21501, "message": "invalid tx info"}})


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "jsonapi/sendtx", "id": "another", "code": 200},
        {"error": {"code": 21104, "message": "x"}, "id": "another"},
        {"type": "pong"},
    ],
)
async def test_frames_for_others_are_not_our_answer(frame: dict[str, Any]) -> None:
    """An answer to another id, or anything else, leaves us waiting until the deadline."""
    with pytest.raises(VenueUnavailableError, match="within"):
        await _ask(frame)


async def test_an_answer_without_a_code_is_unreadable() -> None:
    """An answer with our id that says nothing is no answer."""
    with pytest.raises(VenueUnavailableError, match="unreadable"):
        await _ask({"type": "jsonapi/sendtx", "id": "k1", "code": "200"})


async def test_a_lost_socket_wakes_who_waits() -> None:
    """Nobody waits for the deadline on a dead socket."""
    pending = PendingAnswers()

    async def put(_: str) -> None:
        asyncio.get_running_loop().call_soon(pending.lost, "cut")

    with pytest.raises(VenueUnavailableError, match="cut"):
        await pending.send(put, TX, 60)


async def test_nothing_sent_is_told_apart() -> None:
    """Where no byte left, the error says so and nothing stays open."""
    pending = PendingAnswers()

    async def put(_: str) -> None:
        raise NotSentError("down")

    with pytest.raises(NotSentError):
        await pending.send(put, TX, 60)
    assert pending.heard({"error": {"code": 1, "message": "late"}})
