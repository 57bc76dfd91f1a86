"""Short ways to make trades and rows, and to drive either core step by step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from hedge.core import ids
from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.core.book import BookView
from hedge.core.hedger import state as hedger_state
from hedge.core.hedger import step as hedger
from hedge.core.hedger.departure import MakerBeat, MakerSeen
from hedge.core.hedger.state import ATarget, HedgerConfig, HedgerState, InFlight
from hedge.core.maker import state as maker_state
from hedge.core.maker import step as maker
from hedge.core.maker.state import LedgerView, MakerConfig, MakerState, Order, Peer, Pending
from hedge.core.records import Depth, Level, OrderRow, OrderStatus, Trade
from hedge.core.transitions import Facts, Outcome, Verdict
from hedge.exchange.error_codes import refusal_of

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
BID, ASK, MARK = 299_990, 300_010, 300_000
A_INSTANCE, B_INSTANCE = "a" * 12, "b" * 12
A_EPOCH = "a" * 16

PLENTY = 1_000_000
PRICES = frozenset({"bid_ticks", "ask_ticks", "mark_ticks"})


def book_at(bid: int | None, ask: int | None, mark: int | None, lots: int = PLENTY) -> Depth:
    """Return a live book of one level a side; None for a side that is empty."""
    bids = () if bid is None else (Level(bid, lots),)
    asks = () if ask is None else (Level(ask, lots),)
    return Depth(bids, asks, mark, is_live=bid is not None or ask is not None)


ACCEPTED = Outcome(Verdict.ACCEPTED)
UNKNOWN = Outcome(Verdict.UNKNOWN, code=0, reason="no answer")
T = TypeVar("T")


def refused(code: int = 21702, reason: str = "invalid price") -> Outcome:
    refusal = refusal_of(code, reason)
    return Outcome(Verdict.REJECTED, code=code, reason=reason, refusal=refusal)


def trade(
    trade_id: int,
    signed_lots: int,
    before: int | None = None,
    cid: int = 0,
    order_index: int = 1,
    time_ms: int = 0,
) -> Trade:
    size = abs(signed_lots)
    return Trade(
        trade_id=trade_id,
        side=Side.of(signed_lots),
        size_lots=size,
        price_ticks=MARK,
        quote_micros=SPEC.quote_micros(size, MARK),
        order_index=order_index,
        client_order_index=cid,
        is_maker=True,
        position_before_lots=before,
        time_ms=time_ms or trade_id,
    )


def row(
    cid: int,
    status: OrderStatus,
    filled: int = 0,
    side: Side = Side.BUY,
    initial: int = 100,
    order_index: int = 1,
    updated_ms: int = 0,
) -> OrderRow:
    return OrderRow(
        order_index=order_index,
        client_order_index=cid,
        side=side,
        initial_lots=initial,
        filled_lots=filled,
        price_ticks=BID,
        status=status,
        reduce_only=False,
        updated_ms=updated_ms,
    )


class Driver:
    """Steps one core; keeps the facts of the moment and every effect."""

    step: Callable[[Any, Any, Facts], tuple[Any, tuple[Any, ...]]]

    def __init__(self, state: Any) -> None:
        self.state = state
        self.now = Facts(
            now_ms=1000, bid_ticks=BID, ask_ticks=ASK, mark_ticks=MARK, book=book_at(BID, ASK, MARK)
        )
        self.effects: list[Any] = []

    def __call__(self, *events: Any) -> list[Any]:
        """Step with each event; return their effects, notes aside."""
        out: list[Any] = []
        for event in events:
            self.state, effects = type(self).step(self.state, event, self.now)
            out += effects
        self.effects += out
        return [effect for effect in out if type(effect).__name__ != "Note"]

    def facts(self, **changes: Any) -> None:
        """Change facts; where prices change the book goes with them, unless it is given.

        `room` True or False is a budget with plenty of room, or with none.
        """
        if isinstance(changes.get("room"), bool):
            changes["room"] = PLENTY if changes["room"] else 0
        self.now = replace(self.now, **changes)
        if PRICES & set(changes) and "book" not in changes:
            now = self.now
            book = book_at(now.bid_ticks, now.ask_ticks, now.mark_ticks)
            self.now = replace(now, book=book)

    def later(self, ms: int) -> None:
        self.facts(now_ms=self.now.now_ms + ms)

    def notes(self, *, loud: bool | None = None) -> list[str]:
        """Return the events of all notes so far."""
        found = [effect for effect in self.effects if type(effect).__name__ == "Note"]
        return [note.event for note in found if loud in (None, note.loud)]


class Maker(Driver):
    """Drives the maker core; `book` is what its next view says."""

    step = staticmethod(maker.step)
    state: MakerState

    def __init__(self, **settings: Any) -> None:
        base = {"spec": SPEC, "instance": A_INSTANCE, "quantity_lots": 100}
        super().__init__(MakerState(MakerConfig(**{**base, **settings})))
        self.net, self.last_id, self.fills = 0, 10, dict[int, int]()

    @property
    def order(self) -> Order:
        assert self.state.order is not None
        return self.state.order

    # situations, each built on the one before

    def started(self) -> "Maker":
        self(maker_state.Started())
        return self

    def proven(self, net: int = 0, *, explained: bool = True, nonce: int | None = None) -> "Maker":
        """Pass a fence; the next nonce is 7, or beyond that of the order in doubt."""
        self.net = net
        after = self.state.order.nonce + 3 if self.state.order else 7
        self(maker_state.Reconciled(nonce or after, self.view(), explained))
        return self

    def ready(self, net: int = 0) -> "Maker":
        """Covered, flat or with a position, and kept from placing by a crowded budget."""
        self.facts(room=False)
        self.started().proven(net)
        self.cover()
        assert self.state.phase is maker.Phase.READY
        return self

    def placing(self, net: int = 0) -> "Maker":
        self.ready(net)
        self.facts(room=True)
        self(maker_state.Tick())
        assert self.state.phase is maker.Phase.PLACING
        return self

    def working(self, net: int = 0, copies: int = 1) -> "Maker":
        self.placing(net)
        self(self.row(OrderStatus.OPEN), self.answer(copies=copies))
        assert self.state.phase is maker.Phase.WORKING
        return self

    def cancelling(self) -> "Maker":
        self.working()
        self.later(30_000)
        self(maker_state.Tick())
        assert self.state.phase is maker.Phase.CANCELLING
        return self

    def awaiting(self, lots: int = 100) -> "Maker":
        self.working()
        self(self.fill(lots))
        assert self.state.phase is maker.Phase.AWAITING_HEDGE
        return self

    def halted(self) -> "Maker":
        self.ready()
        self(maker_state.HaltSeen("a test"))
        assert self.state.phase is maker.Phase.HALTED
        return self

    # events

    def view(self, *, consistent: bool = True) -> BookView:
        return BookView(self.net, self.last_id, consistent, dict(self.fills))

    def fill(
        self,
        signed_lots: int = 100,
        *,
        cid: int | None = None,
        consistent: bool = True,
        foreign: bool = False,
    ) -> maker_state.OwnBook:
        """Return the event of one more trade (of our order unless told otherwise)."""
        self.last_id += 1
        if cid is None:
            cid = 0 if self.state.order is None or foreign else self.order.client_order_index
        new = trade(self.last_id, signed_lots, self.net, cid)
        self.net += signed_lots
        self.fills[cid] = self.fills.get(cid, 0) + abs(signed_lots)
        alien = (self.last_id,) if foreign else ()
        return maker_state.OwnBook(self.view(consistent=consistent), (new,), alien)

    def row(
        self, status: OrderStatus, filled: int = 0, *, listed: bool = True
    ) -> maker_state.OwnOrder:
        """A row of A's order, told by an answer or by a frame alone."""
        order = self.order
        return maker_state.OwnOrder(
            row(order.client_order_index, status, filled, order.side, order.lots), listed
        )

    def answer(
        self, outcome: Outcome = ACCEPTED, *, copies: int = 1, pending: Pending = Pending.PLACE
    ) -> maker_state.Answered:
        outcome = replace(outcome, copies=copies)
        return maker_state.Answered(pending, self.order.client_order_index, outcome)

    def ledger(self, owed: int = 0, **changes: Any) -> LedgerView:
        said = LedgerView(A_INSTANCE, self.state.seq, self.state.net_lots or 0, owed, 0, False)
        # A B that owes, with nothing in flight, is one that has stopped trying.
        return replace(said, **{"yields": owed != 0, **changes})

    def peer(self, ledger: LedgerView | None, **changes: Any) -> maker_state.PeerSeen:
        return maker_state.PeerSeen(replace(Peer(ready=True, alive=True, ledger=ledger), **changes))

    def cover(self, owed: int = 0, **changes: Any) -> list[Any]:
        return self(self.peer(self.ledger(owed, **changes)))


class Hedger(Driver):
    """Drives the hedger core; `net` is what its book says."""

    step = staticmethod(hedger.step)
    state: HedgerState

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            HedgerState(HedgerConfig(**{"spec": SPEC, "instance": B_INSTANCE, **settings}))
        )
        self.net, self.last_id, self.fills = 0, 10, dict[int, int]()
        self.a_lots, self.a_seq, self.a_stamp = 0, 1, 100

    @property
    def order(self) -> InFlight:
        assert self.state.inflight is not None
        return self.state.inflight

    # situations, each built on the one before

    def reconciling(self) -> "Hedger":
        self(hedger_state.StreamsChanged(up=True), hedger_state.LeaseChanged(held=True))
        assert self.state.phase is hedger.Phase.RECONCILING
        return self

    def proven(self, net: int = 0, *, explained: bool = True, nonce: int = 5) -> "Hedger":
        """Book proven; nothing is known of A yet."""
        self.net = net
        self(hedger_state.Reconciled(nonce, self.view(), explained))
        assert self.state.phase is hedger.Phase.IDLE
        return self

    def idle(self, net: int = 0, *, explained: bool = True) -> "Hedger":
        """Covered: A's state is known to be current and nothing is owed."""
        self.reconciling().proven(net, explained=explained)
        self.a_lots = self.state.config.offset_lots - net
        self(hedger_state.BaselineRead(self.target(), named=True))
        self.a_stamp += 1
        self(self.says(self.a_lots, seq=self.a_seq))
        assert hedger.owed_lots(self.state) == 0
        return self

    def sending(self, lots: int = 100) -> "Hedger":
        """A holds `lots` more than before; B's order for it is out."""
        self.idle()
        self(self.says(self.a_lots + lots))
        assert self.state.phase is hedger.Phase.SENDING
        return self

    def settling(self, lots: int = 100) -> "Hedger":
        self.sending(lots)
        self(self.answer())
        assert self.state.phase is hedger.Phase.SETTLING
        return self

    def unknown(self, lots: int = 100) -> "Hedger":
        self.sending(lots)
        self(self.answer(UNKNOWN))
        assert self.state.phase is hedger.Phase.UNKNOWN
        return self

    def failed(self) -> "Hedger":
        """A's fill is owed and the margin does not suffice."""
        self.sending()
        self(self.answer(refused(21739, "not enough margin")))
        assert self.state.phase is hedger.Phase.FAILED
        return self

    def halted(self) -> "Hedger":
        self.idle()
        self(hedger_state.HaltSeen("a test"))
        assert self.state.phase is hedger.Phase.HALTED
        return self

    def a_left(self, lots: int | None = None) -> "Hedger":
        """A's last word is that nothing of it can happen any more."""
        left = lots if lots is not None else self.a_lots
        beat = self.beat(left=True, position_lots=left)
        self(MakerSeen(beat, beat.epoch))
        return self

    # events

    def beat(self, **changes: Any) -> MakerBeat:
        """Return A's heartbeat, fresh until long from now."""
        values: dict[str, Any] = {
            "position_lots": self.a_lots,
            "seq": self.a_seq,
            "proven": True,
            "shown": True,
        }
        return MakerBeat(**{"epoch": A_EPOCH, "fresh_until_ms": 10**9, **values, **changes})

    def view(self, *, consistent: bool = True) -> BookView:
        return BookView(self.net, self.last_id, consistent, dict(self.fills))

    def target(self, **changes: Any) -> ATarget:
        said = ATarget(A_INSTANCE, self.a_seq, self.a_lots, self.a_seq, self.a_stamp)
        return replace(said, **changes)

    def says(
        self, lots: int, *, seq: int | None = None, named: bool = True, **changes: Any
    ) -> hedger_state.TargetSeen:
        """Return A's next statement: a higher seq unless told otherwise."""
        self.a_lots, self.a_seq = lots, self.a_seq + 1 if seq is None else seq
        return hedger_state.TargetSeen(self.target(**changes), named)

    def trade(
        self, signed_lots: int, *, cid: int | None = None, **changes: Any
    ) -> hedger_state.OwnBook:
        """Return the event of one more trade of B (of the order in flight unless told)."""
        self.last_id += 1
        if cid is None:
            cid = self.order.client_order_index if self.state.inflight else 0
        self.net += signed_lots
        self.fills[cid] = self.fills.get(cid, 0) + abs(signed_lots)
        return hedger_state.OwnBook(self.view(), **changes)

    def row(self, status: OrderStatus, filled: int = 0) -> hedger_state.OwnOrder:
        order = self.order
        return hedger_state.OwnOrder(
            row(order.client_order_index, status, filled, order.side, order.lots)
        )

    def answer(self, outcome: Outcome = ACCEPTED) -> hedger_state.Sent:
        return hedger_state.Sent(self.order.client_order_index, outcome)

    def execute(self, lots: int | None = None) -> list[Any]:
        """Let the order in flight execute (all of it unless told) and show its end."""
        order = self.order
        lots = order.lots if lots is None else lots
        done = self(self.trade(order.side.sign * lots))
        whole = lots == order.lots
        status = OrderStatus.FILLED if whole else OrderStatus.CANCELED_LIQUIDITY
        return done + self(self.row(status, lots))

    def fence(self, nonce: int = 50, *, explained: bool = True) -> list[Any]:
        """Pass the fence with what the book says now."""
        return self(hedger_state.Reconciled(nonce, self.view(), explained))


def only(effects: list[Any], kind: type[T]) -> T:
    """Return the one effect of `kind`."""
    found = [effect for effect in effects if isinstance(effect, kind)]
    assert len(found) == 1, effects
    return found[0]


def kinds(effects: list[Any]) -> list[type]:
    return [type(effect) for effect in effects]


def order_cid(instance: str, nonce: int) -> int:
    return ids.order_id(instance, nonce)
