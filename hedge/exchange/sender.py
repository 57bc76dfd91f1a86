"""Sending transactions with known outcomes: accepted, rejected, or unknown until a fence.

The venue executes each (account, API key, nonce) at most once, in nonce order, and answers 200
for "queued", not for "executed" (apidocs.lighter.xyz, core-concepts and trading). So the same
signed bytes may be sent twice without harm, and a second signature may not be made before a fence.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from hedge.core.records import OrderRow
from hedge.core.refusal import Refusal
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fence, Fenced, FenceTimes
from hedge.exchange.nonce_watch import NonceWatch
from hedge.exchange.outcome import (
    Accepted,
    Outcome,
    Rejected,
    Unknown,
)
from hedge.exchange.port import (
    Answer,
    Clock,
    NotSentError,
    OrderRequest,
    Path,
    PriceChange,
    SignedTx,
    TxStatus,
    Venue,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.exchange.witness import Witness

__all__ = ["Accepted", "Fenced", "Outcome", "Rejected", "Sender", "Unknown"]

_log = logging.getLogger(__name__)


class Sender:
    """The only way a daemon sends: one unanswered transaction of its key at a time.

    `instance` is the process instance (hexadecimal text) that client ids carry. With
    `cancel_all_first` a fence begins with a cancel of all our orders of the market. A call while
    another is running raises RuntimeError: the managers decide one thing after the other.
    """

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        *,
        instance: str,
        cancel_all_first: bool,
        answer_timeout_s: float = 2.0,
        listed_timeout_s: float = 10.0,
        listed_poll_s: float = 1.0,
        view_lag_s: float = 15.0,
    ) -> None:
        """Send nothing yet; times are seconds, `view_lag_s` is the most that answers lag."""
        self._venue = venue
        self._answer_timeout_s = answer_timeout_s
        self._clock = clock
        self.nonces = NonceWatch()
        self._busy: str | None = None
        self._ends_all = cancel_all_first
        self._witness = Witness(
            venue, clock, self.nonces, view_lag_s=view_lag_s, poll_s=listed_poll_s
        )
        self._fence = Fence(
            venue,
            clock,
            self._transmit,
            self._witness,
            instance=instance,
            cancel_all_first=cancel_all_first,
            times=FenceTimes(
                listed_timeout_s=listed_timeout_s,
                listed_poll_s=listed_poll_s,
                view_lag_s=view_lag_s,
            ),
        )

    async def order(
        self, request: OrderRequest, nonce: int, on_signed: Callable[[], None] | None = None
    ) -> Outcome:
        """Sign an order once and send it; `on_signed` is called between the two.

        An amount below one lot is never signed: Lighter reads 0 as the whole position.
        """
        if request.lots < 1:
            return Rejected(0, f"an order over {request.lots} lots is never signed")
        with self._alone("order"):
            try:
                tx = await self._venue.sign_order(request, nonce)
            except VenueRefusedError as error:
                return Rejected(error.code, error.message)
            if self._ends_all or request.ends_at_once:  # else it may rest behind the fence
                self._witness.signed(tx, request.client_order_index)
            if on_signed is not None:
                on_signed()
            outcome = await self._transmit(tx)
            self._witness.answered(outcome)
            return outcome

    async def cancel(self, order_index: int, nonce: int) -> Outcome:
        """Sign the cancel of one order once and send it."""
        with self._alone("cancel"):
            try:
                tx = await self._venue.sign_cancel(order_index, nonce)
            except VenueRefusedError as error:
                return Rejected(error.code, error.message)
            return await self._transmit(tx)

    async def change(self, change: PriceChange, nonce: int) -> Outcome:
        """Sign another price for a resting order once and send it.

        A size below one lot is never signed: Lighter reads 0 as the whole position.
        """
        if change.lots < 1:
            return Rejected(0, f"a change to {change.lots} lots is never signed")
        with self._alone("change"):
            try:
                tx = await self._venue.sign_change(change, nonce)
            except VenueRefusedError as error:
                return Rejected(error.code, error.message)
            return await self._transmit(tx)

    async def cancel_all(self, nonce: int) -> Outcome:
        """Sign an immediate cancel of all our orders of the market once and send it."""
        with self._alone("cancel_all"):
            try:
                tx = await self._venue.sign_cancel_all(nonce)
            except VenueRefusedError as error:
                return Rejected(error.code, error.message)
            return await self._transmit(tx)

    async def fence(self) -> Fenced:
        """Return once no earlier transaction of our key can execute any more, and what did shows.

        Repeats without an end of its own while the venue gives no proof; the caller's deadline
        cancels it. Raises KeyRefusedError where the venue does not take our key.
        """
        with self._alone("fence"):
            fenced = await self._fence.run()
        self.nonces.fenced(fenced.next_nonce, self._clock.now_ms())
        return fenced

    def on_orders(self, rows: Iterable[OrderRow]) -> None:
        """Hear the order stream; a listed fence marker ends its waiting at once."""
        self._fence.on_orders(rows)

    def on_fate(self, tx_hash: str, status: TxStatus) -> None:
        """Hear the transaction stream: it tells without a request what became of an order."""
        self._witness.on_fate(tx_hash, status)

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        if self._busy is not None:
            raise RuntimeError(f"{what} while {self._busy} is unanswered")
        self._busy = what
        try:
            yield
        finally:
            self._busy = None

    async def _transmit(self, tx: SignedTx) -> Outcome:
        self.nonces.sent(tx.nonce)
        outcome = await self._send(tx)
        if _was_nonce_used(outcome):
            self.nonces.refused(tx.nonce)
        return outcome

    async def _send(self, tx: SignedTx) -> Outcome:
        """Send one copy over the stream and, without an answer, the same bytes over HTTP."""
        copies = 1
        try:
            answer = await self._venue.send(tx, Path.STREAM, self._answer_timeout_s)
        except NotSentError as error:
            copies = 0
            _log.info("stream not usable nonce=%d reason=%s", tx.nonce, error)
        except VenueUnavailableError as error:
            _log.warning("no answer nonce=%d hash=%s reason=%s", tx.nonce, tx.tx_hash, error)
        else:
            return _judge(tx, answer, copies)
        try:
            answer = await self._venue.send(tx, Path.HTTP, self._answer_timeout_s)
        except NotSentError as error:
            return Unknown(f"no answer: {error}", tx, copies=copies)
        except VenueUnavailableError as error:
            return Unknown(f"no answer: {error}", tx, copies=copies + 1)
        return _judge(tx, answer, copies + 1)


def _was_nonce_used(outcome: Outcome) -> bool:
    """Whether the sole copy came too late: its nonce was used by something else."""
    if not isinstance(outcome, Unknown) or outcome.copies != 1:
        return False
    return refusal_of(outcome.code) is Refusal.NONCE


def _judge(tx: SignedTx, answer: Answer, copies: int) -> Outcome:
    """Return what `answer` proves; a refusal proves something of the sole copy only."""
    if answer.accepted:
        return Accepted(tx, copies, answer.predicted_ms, answer.sent_ns)
    if refusal_of(answer.code) is Refusal.NONCE:
        return Unknown("invalid nonce", tx, copies=copies, code=answer.code)
    if copies > 1:
        reason = f"second copy refused: {answer.code} {answer.message}"
        return Unknown(reason, tx, copies=copies, code=answer.code)
    return Rejected(answer.code, answer.message)
