"""A small honest exchange for the core's model tests, and the dice that make it unkind.

It keeps what the real one promises: each nonce of an account executes at most once and in order,
a trade states the position before it, trade ids grow in order of execution. Everything else is up
to the dice: what is lost, late, doubled, refused, cut, or handed back.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hedge.core.amounts import Side
from hedge.core.records import OrderRow, OrderStatus, Trade
from hedge.core.transitions import Outcome, Verdict
from tests.unit.core.kit import BID, refused, trade

T = TypeVar("T")
NONCE_TAKEN, TOO_SMALL, NO_MARGIN, CANCEL_TOO_LATE = 21104, 21706, 21739, 21709


class Dice:
    """The choices of one schedule: from bytes (which Hypothesis shrinks), or from a seed.

    0 always means "nothing goes wrong", so a used-up schedule ends in peace.
    """

    def __init__(self, source: bytes | int) -> None:
        self._bytes = iter(source) if isinstance(source, bytes) else None
        self._random = random.Random(source) if isinstance(source, int) else None
        self.loaded = True

    def below(self, limit: int) -> int:
        if not self.loaded:
            return 0
        if self._random is not None:
            return self._random.randrange(limit)
        assert self._bytes is not None
        return next(self._bytes, 0) % limit

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        return self.below(one_in) == one_in - 1 if self.loaded else False


@dataclass(frozen=True)
class Tx:
    """A signed transaction: a resting or market order, a cancel or another price of order `cid`."""

    kind: str
    nonce: int
    cid: int
    side: Side = Side.BUY
    lots: int = 0
    reduce_only: bool = False
    price_ticks: int = BID

    @property
    def is_order(self) -> bool:
        """Whether it makes an order."""
        return self.kind in {"limit", "market"}


@dataclass
class Account:
    """One account with one API key."""

    venue: "Venue"
    name: str
    position: int = 0
    nonce: int = 1
    queue: list[Tx] = field(default_factory=list)
    late: list[Tx] = field(default_factory=list)
    resting: dict[int, Tx] = field(default_factory=dict)
    rows: dict[int, OrderRow] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    trade_frames: deque[Trade] = field(default_factory=deque)
    row_frames: deque[OrderRow] = field(default_factory=deque)

    # --- sending --------------------------------------------------------------------------

    def send(self, tx: Tx, dice: Dice) -> Outcome:
        """Hand over a transaction; return what the sender makes of the answer, if any comes."""
        fate = dice.below(48) - 32  # most are plain
        if fate == 10:
            return refused(dice.pick((21702, TOO_SMALL if tx.lots < 50 else 21702, NO_MARGIN)))
        if fate == 11:
            return Outcome(Verdict.UNKNOWN, code=0, reason="request lost")
        if fate == 12:
            self.take_in(tx)
            return Outcome(Verdict.UNKNOWN, code=0, reason="answer lost")
        if fate == 13:
            self.late.append(tx)
            return Outcome(Verdict.UNKNOWN, code=0, reason="still under way")
        if not tx.is_order and tx.cid not in self._cancellable:
            return refused(CANCEL_TOO_LATE, "order not active")
        if not self.take_in(tx):
            return Outcome(Verdict.UNKNOWN, code=NONCE_TAKEN, reason="invalid nonce")
        if fate == 14:
            self.late.append(tx)
        return Outcome(Verdict.ACCEPTED, copies=2 if fate >= 14 else 1)

    @property
    def _cancellable(self) -> set[int]:
        return {*self.resting, *(tx.cid for tx in self.queue if tx.kind == "limit")}

    def take_in(self, tx: Tx) -> bool:
        """Queue a copy if its nonce is exactly the next one."""
        if tx.nonce != self.nonce + len(self.queue):
            return False
        self.queue.append(tx)
        return True

    @property
    def live_copies(self) -> list[Tx]:
        """Return the orders that could still execute without anybody sending anything more."""
        late = [tx for tx in self.late if tx.nonce >= self.nonce]
        return [tx for tx in (*self.queue, *late) if tx.is_order]

    # --- executing ------------------------------------------------------------------------

    def execute(self, dice: Dice) -> None:
        """Execute the first transaction of the queue."""
        tx = self.queue.pop(0)
        self.nonce += 1
        if tx.kind == "cancel":
            self._cancel(tx.cid)
        elif tx.kind == "change":
            self._change(tx, dice)
        elif tx.kind == "market":
            self._market(tx, dice)
        elif dice.chance(6):
            self._show(tx, OrderStatus.CANCELED_POST_ONLY, 0)
        else:
            self.resting[tx.cid] = tx
            self._show(tx, OrderStatus.OPEN, 0)

    def _market(self, tx: Tx, dice: Dice) -> None:
        most = tx.lots
        if tx.reduce_only:
            most = min(most, max(0, -self.position * tx.side.sign))
        wanted = (most, most, most, most // 2, 0)[dice.below(5)]
        first = wanted // 3 if dice.chance(3) else 0
        for size in (first, wanted - first):
            if size:
                self._trade(tx, size)
        whole = wanted == tx.lots
        self._show(tx, OrderStatus.FILLED if whole else OrderStatus.CANCELED_SLIPPAGE, wanted)

    def hand_back(self) -> None:
        """Drop the first order without using up its nonce; what is queued behind dies with it."""
        tx = self.queue[0]
        self.queue.clear()
        if tx.is_order:
            self._show(tx, OrderStatus.CANCELED_SLIPPAGE, 0)

    def fill(self, lots: int) -> None:
        """Let the market take up to `lots` of what rests."""
        for cid, tx in list(self.resting.items()):
            size = min(lots, tx.lots - self.rows[cid].filled_lots)
            if tx.reduce_only:
                size = min(size, max(0, -self.position * tx.side.sign))
            if size == 0:
                continue
            self._trade(tx, size)
            filled = self.rows[cid].filled_lots + size
            whole = filled == tx.lots
            if whole:
                del self.resting[cid]
            self._show(tx, OrderStatus.FILLED if whole else OrderStatus.OPEN, filled)

    def fence(self, *, cancel_all: bool, dice: Dice) -> int:
        """Execute all that was accepted, then a marker; return the next nonce."""
        while self.queue:
            self.execute(dice)
        if cancel_all:
            self.nonce += 1
            for cid in list(self.resting):
                self._cancel(cid)
        self.nonce += 1
        return self.nonce

    def _cancel(self, cid: int) -> None:
        tx = self.resting.pop(cid, None)
        if tx is not None:
            self._show(tx, OrderStatus.CANCELED, self.rows[cid].filled_lots)

    def _change(self, change: Tx, dice: Dice) -> None:
        """Show the order at its new price, or end it where it would take; size and id stay."""
        tx = self.resting.get(change.cid)
        if tx is None:
            return
        filled = self.rows[tx.cid].filled_lots
        tx = self.resting[tx.cid] = replace(tx, price_ticks=change.price_ticks)
        if dice.chance(6):
            del self.resting[tx.cid]
            self._show(tx, OrderStatus.CANCELED_POST_ONLY, filled)
        elif not dice.chance(6):  # else its row gets lost
            self._show(tx, OrderStatus.OPEN, filled)

    def _trade(self, tx: Tx, size: int) -> None:
        signed = tx.side.sign * size
        one = trade(
            self.venue.next_trade_id(),
            signed,
            self.position,
            tx.cid,
            order_index=tx.nonce,
            time_ms=self.venue.now_ms,
        )
        self.position += signed
        self.trades.append(one)
        self.trade_frames.append(one)
        self.venue.log.append((self.name, signed))

    def _show(self, tx: Tx, status: OrderStatus, filled: int) -> None:
        old = self.rows.get(tx.cid)
        if old is not None and tx.kind == "market":
            filled = max(filled, old.filled_lots)
        self.rows[tx.cid] = OrderRow(
            tx.nonce, tx.cid, tx.side, tx.lots, filled, tx.price_ticks, status, tx.reduce_only, 0
        )
        self.row_frames.append(self.rows[tx.cid])


class Venue:
    """Both accounts, one market, and the log of every trade."""

    def __init__(self, a_lots: int = 0, b_lots: int = 0) -> None:
        self.log: list[tuple[str, int]] = []
        self.now_ms = 1_000_000
        self._last_id = 0
        self.a = Account(self, "a", a_lots)
        self.b = Account(self, "b", b_lots)

    def next_trade_id(self) -> int:
        self._last_id += 1
        return self._last_id
