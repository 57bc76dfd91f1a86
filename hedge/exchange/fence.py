"""The fence: proof that no earlier transaction of our key can execute any more.

The venue executes one key's transactions in nonce order, each nonce at most once, and a signed
transaction stays valid for ten minutes (apidocs.lighter.xyz, core-concepts). A marker order that
cannot fill, sent after a transaction in doubt and seen listed, therefore closes that doubt: it can
execute no more. What of it has executed is told by what the same answer lists, and, where that
lacks an order of ours, by the order's own transaction (`witness`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from hedge.core.amounts import Side
from hedge.core.ids import marker_id
from hedge.core.records import OrderRow
from hedge.core.refusal import Refusal
from hedge.core.transitions import UNSIGNABLE_MS
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.outcome import (
    Accepted,
    Outcome,
    Rejected,
)
from hedge.exchange.port import (
    Clock,
    KeyRefusedError,
    OrderKind,
    OrderRequest,
    SignedTx,
    TimeInForce,
    TxStatus,
    Venue,
    VenueError,
    VenueRefusedError,
)
from hedge.exchange.witness import Rows, Witness

KEYLESS_ROUNDS = 3
"""Rounds in a row without a nonce of our key until the key counts as refused."""

MARKER_TICKS = 1
"""A marker's price: below it no offer can be."""

_UNLISTED_ROUNDS = 3
"""Markers that were taken and never listed; then the venue does not list such orders at all."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fenced:
    """A passed fence: our next nonce, and the one answer of finished orders that proves it.

    `marker` is our marker's row in `rows`; None where the venue refused markers and a cancel-all
    took its place.
    """

    next_nonce: int
    rows: tuple[OrderRow, ...]
    marker: OrderRow | None


@dataclass(frozen=True, slots=True)
class FenceTimes:
    """Seconds: until a new marker, before a second look-up, and the back-off between rounds.

    `view_lag_s` is the most that answers lag: what no answer lists for so long never came about.

    nextNonce lags behind what was just accepted by up to 350 ms (the SDK's nonce manager waits
    that long), so no round follows another faster.
    """

    listed_timeout_s: float = 10.0
    listed_poll_s: float = 1.0
    round_min_s: float = 0.35
    round_max_s: float = 5.0
    view_lag_s: float = 15.0


class _RoundFailedError(Exception):
    """This round brought no proof; its text says why, and the next one starts anew."""


class Fence:
    """Runs fences, one at a time; `transmit` sends one signed transaction."""

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        transmit: Callable[[SignedTx], Awaitable[Outcome]],
        witness: Witness,
        *,
        instance: str,
        cancel_all_first: bool,
        times: FenceTimes,
    ) -> None:
        """Seed the marker counter from the wall clock, so that a restart repeats no marker."""
        self._venue = venue
        self._clock = clock
        self._transmit = transmit
        self._witness = witness
        self._instance = instance
        self._cancel_all_first = cancel_all_first
        self._times = times
        self._serial = clock.epoch_ms()
        self._awaited: int | None = None
        self._unlisted = 0
        self._seen = asyncio.Event()

    def on_orders(self, rows: Iterable[OrderRow]) -> None:
        """Hear the order stream; only the row of the marker we wait for matters."""
        if self._awaited is None:
            return
        if any(row.client_order_index == self._awaited for row in rows):
            self._seen.set()

    async def run(self) -> Fenced:
        """Repeat rounds until one proves the fence. Raises KeyRefusedError."""
        pause_s = self._times.round_min_s
        keyless = 0
        while True:
            try:
                fenced = await self._round()
            except _RoundFailedError as error:
                _log.warning("fence not passed reason=%s again_in_s=%.2f", error, pause_s)
            except VenueRefusedError as error:
                keyless = keyless + 1 if refusal_of(error.code) is Refusal.NO_SUCH_KEY else 0
                if refusal_of(error.code).is_of_key or keyless == KEYLESS_ROUNDS:
                    raise KeyRefusedError(error.code, error.message) from error
                _log.warning("fence refused reason=%s again_in_s=%.2f", error, pause_s)
            except VenueError as error:
                _log.warning("fence waits reason=%s again_in_s=%.2f", error, pause_s)
            else:
                _log.info("fence passed next_nonce=%d rows=%d", fenced.next_nonce, len(fenced.rows))
                return fenced
            finally:
                self._awaited = None
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, self._times.round_max_s)

    def _raise_if_unsignable(self) -> None:
        """Fail the round where nothing that is signed by this host's clock would be taken."""
        if (self._venue.clock_ahead_ms or 0) >= UNSIGNABLE_MS:
            raise _RoundFailedError("this host's clock is so far behind that nothing can be signed")
        if self._venue.signs_too_early:
            raise _RoundFailedError("this host's clock is so far ahead that nothing is taken")

    async def _round(self) -> Fenced:
        nonce = begins_at = await self._venue.next_nonce()
        self._raise_if_unsignable()
        first: SignedTx | None = None
        if self._cancel_all_first:
            first = await self._cancel_all(nonce)
            nonce += 1
        if self._unlisted >= _UNLISTED_ROUNDS:
            return await self._by_cancel_all(nonce, begins_at)
        self._serial += 1
        client_id = marker_id(self._instance, self._serial)
        self._awaited = client_id
        self._seen.clear()
        try:
            tx = await self._venue.sign_order(self._marker(client_id), nonce)
        except VenueRefusedError as error:
            outcome: Outcome = Rejected(error.code, error.message)
        else:
            outcome = await self._transmit(tx)
        if isinstance(outcome, Rejected):
            _raise_if_key(outcome.code, outcome.message)
            if refusal_of(outcome.code, outcome.message) is Refusal.QUOTA:
                return await self._without_quota(first, nonce, begins_at)
            _log.warning("marker refused code=%d message=%s", outcome.code, outcome.message)
            return await self._by_cancel_all(nonce, begins_at)
        _raise_if_not_taken(outcome, "marker")
        rows, marker = await self._listed(client_id)
        if first is not None:
            await self._until_executed(first)

        def is_proof(later: Rows) -> bool:
            return _listed_in(later, client_id) is not None

        rows = await self._witnessed(
            rows, is_proof, begins_at, None if self._cancel_all_first else marker
        )
        return Fenced(nonce + 1, rows, marker)

    @staticmethod
    def _marker(client_id: int) -> OrderRequest:
        """Return a buy of one lot at the lowest price that there is: it ends at once, unfilled.

        No book is asked for that price: one that is old, untrue, or of before a fall would make the
        marker trade. The venue's minimums bind resting orders only, and its bound on limit prices a
        bid from above only (apidocs.lighter.xyz, trading). One that minds is answered by a
        cancel-all. Post-only could rest, and a reduce-only order may be dropped without a row.
        """
        return OrderRequest(
            client_order_index=client_id,
            side=Side.BUY,
            lots=1,
            price_ticks=MARKER_TICKS,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        )

    async def _listed(self, client_id: int) -> tuple[tuple[OrderRow, ...], OrderRow]:
        """Return the one answer of finished orders that lists the marker, and its row."""
        deadline_ms = self._clock.now_ms() + round(self._times.listed_timeout_s * 1000)
        poll_s = self._times.listed_poll_s
        while True:
            left_s = (deadline_ms - self._clock.now_ms()) / 1000
            if left_s <= 0:
                self._unlisted += 1
                raise _RoundFailedError("marker not listed")
            await self._wait_seen(min(poll_s, left_s))
            poll_s *= 2
            try:
                rows = await self._venue.inactive_orders()
            except VenueError as error:
                _log.info("finished orders not readable reason=%s", error)
                continue
            marker = _listed_in(rows, client_id)
            if marker is not None:
                self._unlisted = 0
                return rows, marker

    async def _wait_seen(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as the stream shows the marker; the sight is used up.

        So the first look-up after a sight is made at once, and later ones at the usual pace.
        """
        async with asyncio.TaskGroup() as group:
            sight = group.create_task(self._seen.wait(), name="fence-sight")
            pause = group.create_task(self._clock.sleep(seconds), name="fence-pause")
            sight.add_done_callback(lambda _: pause.cancel())
            pause.add_done_callback(lambda _: sight.cancel())
        self._seen.clear()

    async def _cancel_all(self, nonce: int) -> SignedTx:
        """Send a cancel-all that is accepted or may be, or fail the round.

        What goes without a clear answer may have run all the same: a second copy is refused
        because the first one has used its nonce. Whether it ran is told by its hash in the end,
        and the marker behind it is taken only where its nonce is used.
        """
        tx = await self._venue.sign_cancel_all(nonce)
        outcome = await self._transmit(tx)
        if isinstance(outcome, Rejected):
            _raise_if_key(outcome.code, outcome.message)
            raise _RoundFailedError(f"cancel-all refused: {outcome.code} {outcome.message}")
        _raise_if_not_taken(outcome, "cancel-all")
        return tx

    async def _without_quota(self, first: SignedTx | None, nonce: int, begins_at: int) -> Fenced:
        """Fence by the round's own cancel-all, since the volume quota pays for no marker.

        One transaction in 15 s is free: a round that asks for two of them would never pass. B has
        no cancel-all before its marker, and waits for the free slot.
        """
        if first is None:
            raise _RoundFailedError("the volume quota is used up; one transaction in 15 s is free")
        _log.warning("the volume quota is used up: fenced by the cancel-all alone")
        return await self._shown_by(first, nonce, begins_at)

    async def _by_cancel_all(self, nonce: int, begins_at: int) -> Fenced:
        """Fence without a marker: a cancel-all, listed as executed, then one answer read after.

        That answer is asked for when it can lag behind the cancel-all no more.
        """
        tx = await self._cancel_all(nonce)
        return await self._shown_by(tx, nonce + 1, begins_at)

    async def _shown_by(self, tx: SignedTx, next_nonce: int, begins_at: int) -> Fenced:
        """Return the fence that an executed cancel-all is, once no answer lags behind it."""
        await self._clock.sleep(self._times.listed_poll_s)
        await self._until_executed(tx)
        shown_ms = self._clock.now_ms()
        await self._clock.sleep(self._times.view_lag_s)
        rows = await self._venue.inactive_orders()
        rows = await self._witnessed(rows, lambda _: True, begins_at, None, shown_ms)
        return Fenced(next_nonce, rows, None)

    async def _witnessed(
        self,
        rows: Rows,
        is_proof: Callable[[Rows], bool],
        nonce: int,
        marker: OrderRow | None,
        shown_ms: int | None = None,
    ) -> Rows:
        """Return an answer that lists the fence and leaves nothing open (see `Witness`)."""
        return await self._witness.decided(rows, is_proof, nonce, marker, shown_ms)

    async def _until_executed(self, tx: SignedTx) -> None:
        """Return once a cancel-all is listed as executed, or fail the round.

        Accepted is not executed: without it an order could still rest that no list of finished
        orders shows, and its absence there would be taken for proof.
        """
        deadline_ms = self._clock.now_ms() + round(self._times.listed_timeout_s * 1000)
        poll_s = self._times.listed_poll_s
        while True:
            status = await self._venue.tx_status(tx.tx_hash)
            if status is TxStatus.EXECUTED:
                return
            if status is TxStatus.FAILED or self._clock.now_ms() >= deadline_ms:
                raise _RoundFailedError(f"cancel-all {status.value}")
            await self._clock.sleep(poll_s)
            poll_s *= 2  # each look is one request of A's few


def _listed_in(rows: Iterable[OrderRow], client_id: int) -> OrderRow | None:
    """Return the row of a marker that is over, None where the answer does not list it."""
    for row in rows:
        if row.client_order_index == client_id and row.is_terminal:
            return row
    return None


def _raise_if_not_taken(outcome: Outcome, what: str) -> None:
    """Fail the round where no copy of a transaction can have been taken; else it may be listed."""
    if isinstance(outcome, Accepted | Rejected):
        return
    if outcome.copies == 0 or (outcome.copies == 1 and refusal_of(outcome.code) is Refusal.NONCE):
        raise _RoundFailedError(f"{what}: {outcome.reason}")


def _raise_if_key(code: int, message: str) -> None:
    if refusal_of(code).is_of_key:
        raise KeyRefusedError(code, message)
