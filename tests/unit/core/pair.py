"""Both cores back to back over a model exchange and a model Redis, with the promises checked.

`Pair.act` lets the dice choose what happens next: a fill, a frame, a message, a crash, an outage.
After each action the promises are checked against the exchange's own log, not against what either
core believes. `Pair.heal` ends all faults and waits; then B must be the other side of A.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hedge.core import ids
from hedge.core.book import Book, BookBase
from hedge.core.freshness import FRESH_MS
from hedge.core.hedger import state as hedger_state
from hedge.core.hedger import step as hedger
from hedge.core.hedger.departure import MakerBeat, MakerSeen, MakerStated
from hedge.core.hedger.rules import gives_lots
from hedge.core.hedger.state import IN_FLIGHT, PROVEN_PHASES, ATarget, HedgerConfig, HedgerState
from hedge.core.maker import state as maker_state
from hedge.core.maker import step as maker
from hedge.core.maker.closing import BShown, LookAtB
from hedge.core.maker.state import LedgerView, MakerConfig, MakerState, Order, Peer, Pending
from hedge.core.records import Trade
from hedge.core.transitions import PLENTY, Facts
from tests.unit.core.kit import ASK, BID, MARK, SPEC, book_at
from tests.unit.core.model_venue import Account, Dice, Tx, Venue

QUANTITY = 100
BEAT_TTL_MS = 3000
CLOCK_SLACK_MS = 2000
"""A key that was written this much after B's own newest trade is news whoever reads it."""


@dataclass
class Redis:
    """What both sides see of each other."""

    up: bool = True
    position: ATarget | None = None
    older: list[ATarget] = field(default_factory=list)
    ledger: LedgerView | None = None
    b_ready: bool = False
    b_beat_ms: int = -BEAT_TTL_MS
    a_beat: MakerBeat | None = None
    lease_a: str = ""
    channel: list[ATarget] = field(default_factory=list)
    halt: str = ""


class Daemon:
    """What both shells do: book, frames, one answer awaited, fences."""

    core: Any

    def __init__(self, pair: "Pair", account: Account, instance: str, state: Any) -> None:
        self.pair, self.account, self.instance, self.state = pair, account, instance, state
        self.book: Book | None = None
        self.early: list[Trade] = []
        self.answer: Callable[[], Any] | None = None
        self.fence_wanted = False
        self.streams_up = True
        self.before: Any = state

    def post(self, event: Any) -> None:
        self.before = self.state
        state, effects = self.core.step(self.state, event, self.pair.facts)
        self.state = state
        for effect in effects:
            self.perform(effect)
        self.after_step()

    def perform(self, effect: Any) -> None:
        raise NotImplementedError

    def after_step(self) -> None:
        """Nothing, unless a side has something to write."""

    def on_trades(self, new: tuple[Trade, ...]) -> None:
        raise NotImplementedError

    def hear_trade(self) -> None:
        frame = self.account.trade_frames.popleft()
        if self.book is None:
            self.early.append(frame)
        else:
            self.on_trades(self.book.add([frame]))

    def catch_up(self) -> None:
        if self.book is not None:
            self.on_trades(self.book.add(self.account.trades))

    def take_answer(self) -> None:
        answer, self.answer = self.answer, None
        if answer is not None:
            self.post(answer())

    def prove(self, base: BookBase) -> None:
        """Count what the fence's answer lists; the marker is listed, so nothing is missing."""
        if self.book is None:
            self.book = Book(base)
        new = (*self.book.add(self.account.trades), *self.book.add(self.early))
        self.early.clear()
        self.on_trades(new)


class A(Daemon):
    """Account A's shell in miniature."""

    core = maker
    state: MakerState

    def __init__(self, pair: "Pair", instance: str) -> None:
        config = MakerConfig(
            SPEC, instance, QUANTITY, keep_remainder=pair.keep_remainder, changes=True
        )
        super().__init__(pair, pair.venue.a, instance, MakerState(config))
        self.said: set[int] = set()
        self.said_seq = 0
        pair.redis.lease_a = instance
        if pair.redis.halt:
            self.post(maker_state.HaltSeen(pair.redis.halt))
        self.post(maker_state.Started())

    def perform(self, effect: Any) -> None:
        match effect:
            case maker_state.Place(order):
                self.pair.check_place(self, closing=order.closing)
                if order.unwinds:
                    self.pair.check_unwinding(order)
                kind = "market" if order.closing else "limit"
                tx = Tx(
                    kind,
                    order.nonce,
                    order.client_order_index,
                    order.side,
                    order.lots,
                    order.reduce_only,
                    order.price_ticks,
                )
                self._send(Pending.PLACE, tx)
            case maker_state.Cancel(order, nonce):
                self._send(Pending.CANCEL, Tx("cancel", nonce, order.client_order_index))
            case maker_state.Change(order, nonce):
                assert order.client_order_index in self.account.rows, "what rests is changed"
                tx = Tx("change", nonce, order.client_order_index, price_ticks=order.quoted_ticks)
                self.pair.changes += 1
                self._send(Pending.CHANGE, tx)
            case maker_state.Fence():
                self.fence_wanted = True
            case maker_state.CatchUp():
                self.pair.wants_catch_up = True
            case maker_state.PublishFill(one, seq, position_lots):
                assert one.trade_id not in self.said, "a trade is published once"
                self.said.add(one.trade_id)
                self.pair.published.add(one.trade_id)
                self._state(seq, position_lots, publish=True)
            case maker_state.PublishPosition(seq, position_lots):
                self._state(seq, position_lots, publish=False)
            case LookAtB(seq):
                self.pair.looks_at_b = seq
            case maker_state.HaltPair(reason):
                self.pair.redis.halt = reason

    def _send(self, pending: Pending, tx: Tx) -> None:
        assert self.answer is None, "one unanswered transaction at a time"
        assert not self.fence_wanted, "nothing is sent while a fence is wanted"
        outcome = self.account.send(tx, self.pair.dice)
        self.answer = lambda: maker_state.Answered(pending, tx.cid, outcome)

    def _state(self, seq: int, position_lots: int, *, publish: bool) -> None:
        assert seq == self.said_seq + 1, "seq grows by one with each statement"
        assert self.book is not None
        assert position_lots == self.book.net_lots, "the position stated is the book's"
        gap_ms = self.before.contradiction_ms  # a late step may prove anew in the same breath
        assert self.book.consistent or (gap_ms is not None and self.pair.now_ms > gap_ms + 1000)
        self.said_seq = seq
        if self.pair.redis.up:
            target = self._target(seq, position_lots)
            self.pair.redis.position = target
            if publish:
                self.pair.redis.channel.append(replace(target, stamp_s=0))

    def _target(self, seq: int, position_lots: int) -> ATarget:
        stamp_s = self.pair.now_ms // 1000
        return ATarget(self.instance, seq, position_lots, self.state.last_trade_id, stamp_s)

    def on_trades(self, new: tuple[Trade, ...]) -> None:
        assert self.book is not None
        cid = self.state.order.client_order_index if self.state.order else 0
        self.post(maker_state.OwnBook(self.book.view(cid), new))

    def fence(self) -> None:
        nonce = self.account.fence(cancel_all=True, dice=self.pair.dice)
        self.fence_wanted = False
        self.prove(self.pair.a_stored)
        assert self.book is not None
        self.post(maker_state.Reconciled(nonce, self.book.view(), explained=True))

    def beat(self) -> None:
        if self.pair.redis.up and self.state.seq:
            redis = self.pair.redis
            assert self.state.seq == self.said_seq, "the beat repeats what was stated last"
            if redis.position is not None:
                redis.older = [*redis.older[-5:], redis.position]
            redis.position = self._target(self.state.seq, self.state.net_lots or 0)
            state, order = self.state, self.state.order
            redis.a_beat = MakerBeat(
                self.instance,
                self.pair.now_ms + FRESH_MS,
                proven=True,
                shown=True,
                seq=state.seq,
                position_lots=state.net_lots,
                raised_ms=state.raised_ms,
                acting=order is not None and order.unwinds,
                nored=state.nored or state.phase is maker.Phase.STOPPING,
                leaving=state.stop_by_ms is not None,
                force_close_ms=state.config.force_close_ms,
            )
        if self.book is not None and self.book.consistent:
            self.pair.a_stored = self.book.base()

    def look(self) -> None:
        redis = self.pair.redis
        if not redis.up:
            if self.state.redis_up:
                self.post(maker_state.RedisChanged(up=False))
            return
        if not self.state.redis_up:
            self.beat()
            self.post(maker_state.RedisChanged(up=True))
        if redis.halt:
            self.post(maker_state.HaltSeen(redis.halt))
        alive = self.pair.now_ms < redis.b_beat_ms + BEAT_TTL_MS
        ledger = self.pair.ledger_read()
        peer = Peer(ready=alive and redis.b_ready, alive=alive, ledger=ledger)
        self.post(maker_state.PeerSeen(peer))

    def streams(self, *, up: bool) -> None:
        self.streams_up = up
        self.post(maker_state.StreamsChanged(up))


class B(Daemon):
    """Account B's shell in miniature."""

    core = hedger
    state: HedgerState

    def __init__(self, pair: "Pair", instance: str) -> None:
        config = HedgerConfig(SPEC, instance, offset_lots=pair.offset)
        super().__init__(pair, pair.venue.b, instance, HedgerState(config))
        self.baseline_wanted = False
        self.wrote: LedgerView | None = None
        pair.redis.channel.clear()  # a new connection hears nothing of the past
        self.post(hedger_state.StreamsChanged(up=True))
        self.post(hedger_state.LeaseChanged(held=True))

    def perform(self, effect: Any) -> None:
        match effect:
            case hedger_state.SendHedge(order):
                assert self.answer is None, "one unanswered transaction at a time"
                assert not self.account.live_copies, "no earlier order can still execute"
                self.pair.check_hedge()
                tx = Tx("market", order.nonce, order.client_order_index, order.side, order.lots)
                outcome = self.account.send(tx, self.pair.dice)
                self.answer = lambda: hedger_state.Sent(tx.cid, outcome)
            case hedger_state.Fence():
                self.fence_wanted = True
            case hedger_state.ReadBaseline():
                self.baseline_wanted = True
            case hedger_state.Report(order):
                cid = order.client_order_index
                mine = [one for one in self.account.trades if one.client_order_index == cid]
                assert order.filled_lots == sum(one.size_lots for one in mine)
            case hedger_state.PublishFailure(failure):
                self.pair.redis.halt = failure.reason
            case hedger_state.HaltPair(reason):
                self.pair.redis.halt = reason

    def after_step(self) -> None:
        if self.ledger() != self.wrote:
            self.write()

    def ledger(self) -> LedgerView | None:
        state = self.state
        if not hedger.target_known(state) or state.a is None:
            return None
        owed = hedger.owed_lots(state)
        assert owed is not None
        return LedgerView(
            state.a.instance,
            state.a.seq,
            state.a.position_lots,
            owed,
            state.dust_lots,
            state.phase in IN_FLIGHT,
            yields=state.debt is not None and state.debt.yields and state.phase not in IN_FLIGHT,
            gives=gives_lots(state) is not None,
        )

    def write(self) -> None:
        self.wrote = self.ledger()
        if self.pair.redis.up:
            until_ms = self.pair.now_ms + FRESH_MS
            self.pair.redis.ledger = self.wrote and replace(self.wrote, fresh_until_ms=until_ms)

    def beat(self) -> None:
        redis, state = self.pair.redis, self.state
        if redis.up:
            redis.b_ready = (
                state.phase in PROVEN_PHASES and state.streams_up and state.failure is None
            )
            redis.b_beat_ms = self.pair.now_ms
            self.write()
        if self.book is not None and self.book.consistent:
            self.pair.b_stored = self.book.base()

    def on_trades(self, new: tuple[Trade, ...]) -> None:
        assert self.book is not None
        cid = self.state.inflight.client_order_index if self.state.inflight else 0
        own = ids.instance_bits(self.instance)
        twin = any(ids.instance_of(one.client_order_index) != own for one in new)
        self.post(hedger_state.OwnBook(self.book.view(cid), twin=twin))

    def fence(self) -> None:
        nonce = self.account.fence(cancel_all=False, dice=self.pair.dice)
        self.fence_wanted = False
        self.prove(self.pair.b_stored)
        assert self.book is not None
        cid = self.state.inflight.client_order_index if self.state.inflight else 0
        if cid in self.account.rows:
            self.post(hedger_state.OwnOrder(self.account.rows[cid]))
        self.post(hedger_state.Reconciled(nonce, self.book.view(cid), explained=True))

    def baseline(self) -> None:
        redis = self.pair.redis
        if not redis.up:
            return
        self.baseline_wanted = False
        seen, known = redis.position, self.state.a
        if seen is None:
            self.post(hedger_state.BaselineRead(None))
            return
        assert self.book is not None
        free = not redis.lease_a and (known is None or known.instance == seen.instance)
        fresh = seen.stamp_s * 1000 > self.book.base().floor_ms + CLOCK_SLACK_MS
        named = free or seen.instance == redis.lease_a
        self.post(hedger_state.BaselineRead(seen, named, fresh))

    def hear(self, target: ATarget) -> None:
        self.post(hedger_state.TargetSeen(target, target.instance == self.pair.redis.lease_a))

    def look(self) -> None:
        if self.streams_up:
            self.post(hedger_state.LeaseChanged(held=True))
        redis = self.pair.redis
        beat = redis.a_beat
        if redis.up and beat is not None and self.pair.now_ms <= beat.fresh_until_ms:
            self.post(MakerSeen(beat, beat.epoch))
        if redis.up and redis.position is not None:
            self.hear(redis.position)

    def streams(self, *, up: bool) -> None:
        self.streams_up = up
        if up:
            self.catch_up()
        self.post(hedger_state.StreamsChanged(up))


class Pair:
    """Two daemons, one position."""

    def __init__(
        self,
        dice: Dice,
        *,
        offset: int = 0,
        keep_remainder: bool = False,
        b_lots: int | None = None,
    ) -> None:
        self.dice, self.offset, self.keep_remainder = dice, offset, keep_remainder
        self.mid, self.room = 0, True
        self.changes = 0
        self.venue = Venue(0, offset if b_lots is None else b_lots)
        self.redis = Redis()
        self.a_stored, self.b_stored = BookBase(0, 0), BookBase(self.venue.b.position, 0)
        self.wants_catch_up = False
        self.looks_at_b: int | None = None
        self.unwinds: set[int] = set()
        self.published: set[int] = set()
        self.checked = 0
        self.bought = self.sold = self.a_bought = self.a_sold = 0
        self._instances = 0
        self.b = B(self, self.new_instance())
        self.a: A | None = A(self, self.new_instance())

    @property
    def now_ms(self) -> int:
        """The one clock of everybody."""
        return self.venue.now_ms

    @now_ms.setter
    def now_ms(self, value: int) -> None:
        self.venue.now_ms = value

    def new_instance(self) -> str:
        self._instances += 1
        return f"{self._instances:012x}"

    @property
    def facts(self) -> Facts:
        mid = self.mid * 30
        prices = BID + mid, ASK + mid, MARK + mid
        book = book_at(*prices)
        return Facts(
            self.now_ms,
            *prices,
            room=PLENTY if self.room else 0,
            exchange_ms=self.now_ms,
            book=book,
        )

    # --- what may happen ------------------------------------------------------------------

    def act(self) -> None:
        """Let the dice choose one action, then check the promises."""
        self.dice.pick(self._actions)()
        self.check()

    @property
    def _actions(self) -> tuple[Callable[[], None], ...]:
        everyday = (
            self.pass_time,
            self.quiet_second,
            self.execute,
            self.execute,
            self.take,
            self.take,
            self.frames,
            self.frames,
            self.frames,
            self.answers,
            self.answers,
            self.message,
            self.message,
            self.looks,
            self.looks,
            self.beats,
            self.fences,
            self.fences,
            self.recover,
        )
        return everyday if self.dice.below(40) < 39 else (self.mishap,)

    def recover(self) -> None:
        """End one of the faults that are still there."""
        if not self.redis.up:
            self.redis.up = True
        elif self.a is None:
            self.a_dies()
        elif not self.a.streams_up:
            self.a.streams(up=True)
        elif not self.b.streams_up:
            self.b.streams(up=True)
        elif self.redis.halt and self.dice.chance(10):
            self.resume()

    def mishap(self) -> None:
        self.dice.pick(
            (
                self.hand_back,
                self.late_copy,
                self.late_copy,
                self.lose_frame,
                self.streams,
                self.a_dies,
                self.b_dies,
                self.redis_outage,
                self.redis_wiped,
                self.redis_rolled_back,
                self.lease_lapses,
                self.resume,
            )
        )()

    def pass_time(self) -> None:
        self.now_ms += self.dice.pick((50, 50, 400, 400, 1000, 1000, 1000, 3000, 12_000))
        self.mid = self.dice.pick((self.mid, self.mid, 0, 1, 2))
        self._each(lambda side: side.post(side_tick(side)))

    def execute(self) -> None:
        for account in (self.venue.a, self.venue.b):
            if account.queue and self.dice.below(2) == 0:
                account.execute(self.dice)

    def take(self) -> None:
        self.venue.a.fill(self.dice.pick((QUANTITY, 30, 60, 1)))

    def frames(self) -> None:
        self._each(self._frame)

    def _frame(self, side: "A | B") -> None:
        if not side.streams_up:
            return
        if side.account.trade_frames and self.dice.below(2) == 0:
            side.hear_trade()
        elif side.account.row_frames:
            row = side.account.row_frames.popleft()
            kind = maker_state.OwnOrder if isinstance(side, A) else hedger_state.OwnOrder
            side.post(kind(row))

    def answers(self) -> None:
        self._each(lambda side: side.take_answer() if self.dice.below(2) == 0 else None)

    def message(self) -> None:
        channel = self.redis.channel
        if not channel:
            return
        number = self.dice.below(len(channel))
        fate = self.dice.below(8)
        if fate < 7:
            self.b.hear(channel[number])
        if fate != 6:
            del channel[number]

    def looks(self) -> None:
        self._each(lambda side: side.look() if self.dice.below(2) == 0 else None)
        if self.b.baseline_wanted:
            self.b.baseline()
        self.public()

    def ledger_read(self) -> LedgerView | None:
        """Return what A reads of B's ledger now."""
        return self.redis.ledger

    def public(self) -> None:
        """Let either side see what the exchange states of the other."""
        if self.a is not None and self.looks_at_b is not None:
            seq, self.looks_at_b = self.looks_at_b, None
            self.a.post(BShown(seq, self.venue.b.position, self.now_ms))
        beat = self.redis.a_beat
        if self.b.book is not None and (beat is None or self.now_ms > beat.fresh_until_ms):
            self.b.post(MakerStated(self.venue.a.position, None, self.now_ms))

    def beats(self) -> None:
        self._each(lambda side: side.beat())

    def fences(self) -> None:
        for side in (self.a, self.b):
            if side is not None and side.fence_wanted and side.answer is None:
                side.fence()
        if self.wants_catch_up and self.a is not None:
            self.wants_catch_up = False
            self.a.catch_up()

    # --- mishaps --------------------------------------------------------------------------

    def hand_back(self) -> None:
        account = self._account()
        if account.queue:
            account.hand_back()

    def late_copy(self) -> None:
        account = self._account()
        if account.late:
            account.take_in(account.late.pop(self.dice.below(len(account.late))))

    def lose_frame(self) -> None:
        account = self._account()
        frames = self.dice.pick((account.trade_frames, account.row_frames))
        if frames:
            frames.popleft()  # type: ignore[attr-defined]

    def streams(self) -> None:
        side = self._side()
        if side is None:
            return
        if side.streams_up:
            side.account.trade_frames.clear()
            side.account.row_frames.clear()
        side.streams(up=not side.streams_up)

    def a_dies(self) -> None:
        """A is killed at any instruction, or a dead A starts again."""
        if self.a is None:
            self.venue.a.trade_frames.clear()
            self.venue.a.row_frames.clear()
            self.a = A(self, self.new_instance())
        else:
            self.a = None
            self.redis.lease_a = self.dice.pick(("", self.redis.lease_a))

    def b_dies(self) -> None:
        self.venue.b.trade_frames.clear()
        self.venue.b.row_frames.clear()
        self.b = B(self, self.new_instance())

    def redis_outage(self) -> None:
        self.redis.up = not self.redis.up

    def redis_wiped(self) -> None:
        self.redis.position = self.redis.ledger = self.redis.a_beat = None
        self.redis.older.clear()
        self.redis.b_beat_ms = -BEAT_TTL_MS

    def redis_rolled_back(self) -> None:
        redis = self.redis
        if redis.position is not None and redis.older:
            number = self.dice.below(len(redis.older))
            redis.position = redis.older[number]
            del redis.older[number:]  # it never goes forward by itself

    def lease_lapses(self) -> None:
        self.b.post(hedger_state.LeaseChanged(held=False))

    def resume(self) -> None:
        self.redis.halt = ""
        if self.a is not None:
            self.a.post(maker_state.Resumed(force=False))
        self.b.post(hedger_state.Resumed(force=False))

    # --- small parts ----------------------------------------------------------------------

    def _side(self) -> A | B | None:
        return self.dice.pick((self.b, self.a))

    def _account(self) -> Account:
        return self.dice.pick((self.venue.b, self.venue.a))

    def _each(self, do: Callable[[Any], None]) -> None:
        for side in (self.a, self.b):
            if side is not None:
                do(side)

    # --- the promises ---------------------------------------------------------------------

    def check_place(self, a: A, *, closing: bool) -> None:
        """A new order only while nothing of A's can still act, and all of A is covered."""
        account, state = self.venue.a, a.state
        assert not account.resting, "never two live orders"
        assert not account.live_copies, "no earlier order can still come to rest"
        if closing:
            return
        ledger = state.peer.ledger
        assert ledger is not None
        assert (ledger.a_instance, ledger.a_seq) == (a.instance, a.said_seq)
        assert ledger.owed_lots in (0, ledger.dust_lots)
        assert not ledger.inflight
        assert state.peer.ready
        assert not state.halt_reason
        assert state.stop_by_ms is None
        truly_owed = self.offset - account.position - self.venue.b.position
        assert truly_owed in (0, ledger.owed_lots)  # dust may have been traded since

    def check_unwinding(self, order: Order) -> None:
        """A reduces only what B has not hedged, and never while an order of B can execute."""
        self.unwinds.add(order.client_order_index)
        owed = self.offset - self.venue.a.position - self.venue.b.position
        assert not self.venue.b.live_copies, "an order of B can still execute"
        assert order.side.sign * owed > 0, "what B has hedged is not reduced"
        assert order.lots <= abs(owed)

    def check_hedge(self) -> None:
        """B never sends while A, which lives, reduces itself by the same."""
        live = {tx.cid for tx in self.venue.a.live_copies}
        assert self.a is None or not live & self.unwinds, "A acts on this debt"

    def check(self) -> None:
        """B never sold more than A bought since the last neutral moment, nor bought more."""
        assert len(self.venue.a.resting) <= 1
        for name, signed in self.venue.log[self.checked :]:
            if name == "a":
                self.a_bought += max(signed, 0)
                self.a_sold += max(-signed, 0)
            else:
                self.bought += max(signed, 0)
                self.sold += max(-signed, 0)
            assert self.sold <= self.a_bought, "B sold more than A bought"
            assert self.bought <= self.a_sold, "B bought more than A sold"
        self.checked = len(self.venue.log)
        if self._neutral():
            self.bought = self.sold = self.a_bought = self.a_sold = 0

    def _neutral(self) -> bool:
        """Whether nothing is owed, in flight, or still to be heard."""
        if self.a is None or self.a.book is None or self.b.book is None:
            return False
        ledger, a, b = self.b.ledger(), self.venue.a, self.venue.b
        return (
            ledger is not None
            and ledger.owed_lots == 0
            and not ledger.inflight
            and (ledger.a_instance, ledger.a_seq) == (self.a.instance, self.a.said_seq)
            and ledger.a_position_lots == self.a.book.net_lots == a.position
            and self.b.book.net_lots == b.position
            and not b.live_copies
        )

    def heal(self, seconds: int = 70) -> None:
        """End all faults, place nothing new, and let a minute and a half go by."""
        self.dice.loaded = False
        self.redis.up, self.room = True, False
        if self.a is None:
            self.a_dies()
        assert self.a is not None
        for side in (self.a, self.b):
            if not side.streams_up:
                side.streams(up=True)
        for _ in range(2):  # the first time B may still be backing off when A's patience ends
            self.resume()
            for _ in range(seconds):
                self.quiet_second()
                self.check()

    def quiet_second(self) -> None:
        self.now_ms += 1000
        for side in (self.a, self.b):
            if side is not None:
                side.post(side_tick(side))
                for _ in range(3):
                    self._settle(side)
                side.beat()
        if self.b.baseline_wanted:
            self.b.baseline()
        while self.redis.channel:
            self.b.hear(self.redis.channel.pop(0))
        self._each(lambda side: side.look())
        self.public()

    def _settle(self, side: A | B) -> None:
        side.take_answer()
        if not side.streams_up:
            side.account.row_frames.clear()
            side.account.trade_frames.clear()
        while side.account.queue:
            side.account.execute(self.dice)
        while side.account.row_frames:
            kind = maker_state.OwnOrder if isinstance(side, A) else hedger_state.OwnOrder
            side.post(kind(side.account.row_frames.popleft()))
        while side.account.trade_frames:
            side.hear_trade()
        if self.wants_catch_up and isinstance(side, A):
            self.wants_catch_up = False
            side.catch_up()
        if side.fence_wanted and side.answer is None:
            side.fence()

    def check_healed(self) -> None:
        """B is the other side of A to the last lot, both are at rest, and A trades again."""
        assert self.a is not None
        a, b = self.venue.a, self.venue.b
        assert self.offset - a.position - b.position in (0, self.b.state.dust_lots)
        assert self.b.state.phase is hedger.Phase.IDLE, self.b.state
        assert self.a.state.phase is maker.Phase.READY, self.a.state
        assert self.published == {one.trade_id for one in a.trades}
        self.room = True
        for _ in range(5):  # a stale nonce costs one fence
            self.quiet_second()
            self.check()
        assert a.resting, self.a.state


def side_tick(side: A | B) -> Any:
    return maker_state.Tick() if isinstance(side, A) else hedger_state.Tick()
