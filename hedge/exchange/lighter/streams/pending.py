"""Answers to transactions sent over the WebSocket, matched to those who wait for them.

An answer carries the id of its request; some refusals come without id and without type
(apidocs.lighter.xyz, websocket-reference, send tx). Such a refusal proves something only where it
names the transaction's hash.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from hedge.exchange.port import Answer, SignedTx, VenueUnavailableError

SENDTX = "jsonapi/sendtx"

_log = logging.getLogger(__name__)


class UnansweredError(VenueUnavailableError):
    """The socket took a transaction and gave no answer to it, though nothing else is wrong."""


class PendingAnswers:
    """Requests of one socket that have no answer yet."""

    def __init__(self) -> None:
        """Start with none."""
        self._open: dict[str, tuple[SignedTx, asyncio.Future[Answer | str]]] = {}
        self._count = 0

    async def send(
        self, put: Callable[[str], Awaitable[int]], tx: SignedTx, timeout_s: float
    ) -> Answer:
        """Send one copy through `put`, which returns when it left, and return its answer.

        Raises NotSentError (from `put`) where nothing left, VenueUnavailableError without answer,
        UnansweredError of these where none came in time.
        """
        self._count += 1
        key = f"h{self._count}"
        answer: asyncio.Future[Answer | str] = asyncio.get_running_loop().create_future()
        self._open[key] = (tx, answer)
        try:
            async with asyncio.timeout(timeout_s):
                sent_ns = await put(_request(key, tx))
                result = await answer
        except TimeoutError:
            raise UnansweredError(f"no answer within {timeout_s:g} s") from None
        finally:
            del self._open[key]
        if isinstance(result, str):
            raise VenueUnavailableError(result)
        return replace(result, sent_ns=sent_ns)

    def heard(self, frame: Mapping[str, Any]) -> bool:
        """Take a frame that may be an answer; return whether it was one (or an error)."""
        error = frame.get("error")
        if frame.get("type") != SENDTX and not isinstance(error, dict):
            return False
        answer = _answer(frame, error if isinstance(error, dict) else frame)
        waiter = self._waiter(frame, answer)
        if waiter is not None and answer is not None:
            _resolve(waiter, answer)
        elif waiter is not None:
            _resolve(waiter, f"unreadable answer: {dict(frame)!r:.120}")
        elif "id" not in frame and self._open:
            # No proof of anything, but no reason to wait either.
            _log.warning("error without id while a transaction is open frame=%s", dict(frame))
            self.lost(f"error without id: {dict(frame)!r:.120}")
        else:
            _log.warning("venue error frame=%s", dict(frame))
        return True

    @property
    def is_empty(self) -> bool:
        """Whether no transaction waits for an answer."""
        return not self._open

    def lost(self, reason: str) -> None:
        """Wake every waiter without an answer."""
        for _, answer in self._open.values():
            _resolve(answer, reason)

    def _waiter(
        self, frame: Mapping[str, Any], answer: Answer | None
    ) -> asyncio.Future[Answer | str] | None:
        if "id" in frame:
            found = self._open.get(str(frame["id"]))
            return found[1] if found else None
        for tx, waiting in self._open.values():
            if answer is not None and answer.tx_hash == tx.tx_hash:
                return waiting
        return None


def _resolve(waiting: asyncio.Future[Answer | str], result: Answer | str) -> None:
    if not waiting.done():
        waiting.set_result(result)


def _request(key: str, tx: SignedTx) -> str:
    """Return the frame; the signed text is an object already and goes in as it is."""
    head = f'{{"type":"{SENDTX}","data":{{"id":"{key}","tx_type":{tx.tx_type},"tx_info":'
    return f"{head}{tx.tx_info}}}}}"


def _answer(frame: Mapping[str, Any], told: Mapping[str, Any]) -> Answer | None:
    code = told.get("code")
    if type(code) is not int:
        return None
    tx_hash = frame.get("tx_hash", told.get("tx_hash"))
    predicted = frame.get("predicted_execution_time_ms")
    return Answer(
        code=code,
        message=str(told.get("message") or "").strip(),
        tx_hash=tx_hash if isinstance(tx_hash, str) else None,
        predicted_ms=predicted if type(predicted) is int else None,
        quota_left=quota_left(frame),
    )


def quota_left(told: Mapping[str, Any]) -> int | None:
    """Return what an answer says is left of the volume quota; None where it says nothing."""
    found = told.get("volume_quota_remaining")
    return found if type(found) is int and found >= 0 else None
