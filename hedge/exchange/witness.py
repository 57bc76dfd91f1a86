"""The third witness: the fate of an order that the lists do not show beside our marker.

No document promises that order rows, trades and transactions are listed in the order in which they
came about, so an answer that lists a later marker and lacks an order is strong evidence, and no
proof. What became of the order's own transaction is asked for besides: the account's transaction
stream tells it without a request, a look-up by hash costs one.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from hedge.core import ids
from hedge.core.records import OrderRow
from hedge.core.refusal import Refusal
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.nonce_watch import NonceWatch
from hedge.exchange.outcome import Accepted, Outcome, Rejected
from hedge.exchange.port import Clock, SignedTx, TxStatus, Venue, VenueError

LOOK_EVERY_MS = 5_000
"""A transaction is looked up by its hash no oftener than this."""
LOOKS = 2
"""So many looks must not find it executed; the last once the lists are as old as they ever are."""
POLL_MAX_S = 5.0
_NOT_EXECUTED = frozenset({TxStatus.UNKNOWN, TxStatus.PENDING})
"""What an answer says of a transaction that has not run by then.

One that still waits cannot run any more either: the marker with a later nonce has.
"""
FULL_PAGE = 100
"""An answer with fewer rows lists all that there is."""

_log = logging.getLogger(__name__)

Rows = tuple[OrderRow, ...]


@dataclass(slots=True)
class SentOrder:
    """The newest order that this process has signed, until a fence shows what became of it.

    `is_sole`: one copy went out, and it was accepted. `fate` is what the transaction stream told,
    `missing` how many looks did not find it executed, `looked_ms` when it was looked up last.
    """

    tx: SignedTx
    client_order_index: int
    is_sole: bool = False
    fate: TxStatus | None = None
    missing: int = 0
    looked_ms: int | None = None

    @property
    def expires_ms(self) -> int | None:
        """Epoch ms of the exchange after which the signed bytes execute no more, None unread."""
        try:
            found = json.loads(self.tx.tx_info).get("ExpiredAt")
        except (ValueError, AttributeError):
            return None
        return found if type(found) is int else None


class Witness:
    """Decides about the newest order sent, for a fence whose marker is listed."""

    def __init__(
        self, venue: Venue, clock: Clock, nonces: NonceWatch, *, view_lag_s: float, poll_s: float
    ) -> None:
        """`view_lag_s` is the most that answers lag, `poll_s` the first pause between two."""
        self._venue = venue
        self._clock = clock
        self._nonces = nonces
        self._lag_ms = round(view_lag_s * 1000)
        self._poll_s = poll_s
        self._order: SentOrder | None = None
        self._venue_ahead_ms: int | None = None
        self._settled_nonce, self._settled_ms = -1, 0
        """Nonce and time of the last fence: what came before it is known."""
        self._rowless = -1
        """The nonce of an order that was decided without a row."""

    # --- what is sent and heard ---------------------------------------------------------------

    def signed(self, tx: SignedTx, client_order_index: int) -> None:
        """Take the order that is about to be sent; an earlier one is settled by then."""
        self._order = SentOrder(tx, client_order_index)

    def answered(self, outcome: Outcome) -> None:
        """Take what became of its copies; one that cannot have been taken is in doubt no more."""
        order = self._order
        if order is None:
            return
        if isinstance(outcome, Accepted):
            order.is_sole = outcome.copies == 1
        elif isinstance(outcome, Rejected) or outcome.copies == 0:
            self._order = None
        elif outcome.copies == 1 and refusal_of(outcome.code) is Refusal.NONCE:
            self._order = None  # the only copy was refused

    def on_fate(self, tx_hash: str, status: TxStatus) -> None:
        """Hear the transaction stream; only a fate that is final counts."""
        order = self._order
        if order is None or tx_hash != order.tx.tx_hash:
            return
        if status in (TxStatus.EXECUTED, TxStatus.FAILED):
            order.fate = status

    # --- deciding -----------------------------------------------------------------------------

    async def decided(
        self,
        rows: Rows,
        is_proof: Callable[[Rows], bool],
        nonce: int,
        marker: OrderRow | None,
        shown_ms: int | None = None,
    ) -> Rows:
        """Return an answer of finished orders that leaves nothing of our orders open.

        `rows` has just proven the fence; so must each later answer, by `is_proof`. `nonce` is the
        first one that this fence itself has used: an order with the same or a later one cannot
        have run, and cannot any more. `marker` is the fence's own row, where every transaction of
        the key leaves one: then earlier processes are judged by the nonces that have no row. Else
        (A, whose cancels leave none) they are by the nonces that are not ours. `shown_ms`
        (monotonic) is since when the fence is shown, None for now.
        """
        listed_ms = self._clock.now_ms() if shown_ms is None else shown_ms
        pause_s = self._poll_s
        while True:
            self._note_time(rows)
            is_settled = await self._is_settled(rows, nonce, listed_ms)
            if is_settled and (self._is_whole(rows, nonce, marker) or self._is_over(listed_ms)):
                break
            if is_settled and marker is None:  # no answer before that tells more
                pause_s = (listed_ms + self._lag_ms - self._clock.now_ms()) / 1000
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, POLL_MAX_S)
            try:
                later = await self._venue.inactive_orders()
            except VenueError as error:
                _log.info("finished orders not readable reason=%s", error)
                continue
            if is_proof(later):
                rows = later
        self._order = None
        if marker is not None:
            self._settled_nonce, self._settled_ms = nonce, marker.updated_ms
        return rows

    def _is_over(self, listed_ms: int) -> bool:
        """Whether whatever came about before the marker is listed by now."""
        return self._clock.now_ms() >= listed_ms + self._lag_ms

    async def _is_settled(self, rows: Rows, nonce: int, listed_ms: int) -> bool:
        """Whether nothing is open of the order that this process sent last."""
        order = self._order
        if order is None or order.tx.nonce >= nonce:
            return True
        if not await self._is_decided(order, rows, listed_ms):
            return False
        if order.client_order_index not in {row.client_order_index for row in rows}:
            self._rowless = order.tx.nonce
        self._order = None
        return True

    def _is_whole(self, rows: Rows, nonce: int, marker: OrderRow | None) -> bool:
        """Whether every nonce from the last one that is settled up to the marker's has its row.

        An order's row tells its nonce. A marker's does not; a later one than that order's used one.
        Where not every transaction leaves a row each must be ours: an order of ours is settled, and
        nothing else fills.
        """
        if marker is None:
            return self._nonces.are_ours(nonce)
        last, since_ms = self._settled_nonce, self._settled_ms
        for row in rows:
            index = row.client_order_index
            is_order = ids.is_ours(index) and not ids.is_marker(index) and row.is_terminal
            if is_order and last < ids.serial_of(index) < nonce:
                last, since_ms = ids.serial_of(index), row.updated_ms
        if last < 0 and len(rows) >= FULL_PAGE:
            return False
        used = sum(
            ids.is_marker(row.client_order_index) and row.updated_ms > since_ms
            for row in rows
            if row.client_order_index != marker.client_order_index
        )
        return nonce - 1 - last <= used + (last < self._rowless < nonce)

    async def _is_decided(self, order: SentOrder, rows: Rows, listed_ms: int) -> bool:
        """Whether `rows` and the transaction itself leave nothing of an order open."""
        own = [
            row
            for row in rows
            if row.client_order_index == order.client_order_index and row.is_terminal
        ]
        if any(row.filled_lots for row in own) or (own and order.is_sole):
            return True
        fate = order.fate if order.fate is not None else await self._look(order)
        if fate is TxStatus.FAILED or (own and fate is TxStatus.EXECUTED):
            return True
        if self._is_expired(order):
            _log.warning("order expired without a row nonce=%d fate=%s", order.tx.nonce, fate)
            return True
        if fate not in _NOT_EXECUTED:
            return False  # it ran: its row is still to come
        return order.missing >= LOOKS and self._is_over(listed_ms)

    async def _look(self, order: SentOrder) -> TxStatus | None:
        """Look an order's transaction up, None where it is not time or no answer came."""
        now_ms = self._clock.now_ms()
        if order.looked_ms is not None and now_ms < order.looked_ms + LOOK_EVERY_MS:
            return None
        order.looked_ms = now_ms
        try:
            fate = await self._venue.tx_status(order.tx.tx_hash)
        except VenueError as error:
            _log.info("transaction not readable reason=%s", error)
            return None
        order.missing = order.missing + 1 if fate in _NOT_EXECUTED else 0
        _log.info("transaction looked up nonce=%d fate=%s", order.tx.nonce, fate.value)
        return fate

    def _note_time(self, rows: Rows) -> None:
        """Learn what the exchange's clock shows at least: what it lists is past."""
        if rows:
            ahead_ms = max(row.updated_ms for row in rows) - self._clock.now_ms()
            known_ms = self._venue_ahead_ms
            self._venue_ahead_ms = ahead_ms if known_ms is None else max(known_ms, ahead_ms)

    def _is_expired(self, order: SentOrder) -> bool:
        """Whether the order can execute no more, and whatever it did is listed."""
        expires_ms, ahead_ms = order.expires_ms, self._venue_ahead_ms
        if expires_ms is None or ahead_ms is None:
            return False
        return self._clock.now_ms() + ahead_ms > expires_ms + self._lag_ms
