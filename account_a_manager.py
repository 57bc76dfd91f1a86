"""Account A's shell: rests orders, says every fill, holds until B has covered it.

The decisions are in `hedge.core.maker`; this module turns the venue's streams and Redis into its
events and performs its effects.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from hedge.bus.port import LeaseAnswer, StateSnapshot
from hedge.core.footprint import Own
from hedge.core.maker import step as maker
from hedge.core.maker.closing import BShown, LookAtB
from hedge.core.maker.quoting import hold_of
from hedge.core.maker.state import (
    Answered,
    Cancel,
    CatchUp,
    Change,
    Fence,
    FenceNeeded,
    FlattenRequested,
    HaltPair,
    HaltRaised,
    HaltSeen,
    LeaseLost,
    LookAtEnd,
    MakerConfig,
    MakerState,
    Note,
    Order,
    OwnBook,
    OwnOrder,
    Peer,
    PeerSeen,
    Pending,
    Phase,
    Place,
    PublishFill,
    PublishPosition,
    Reconciled,
    RedisChanged,
    Resumed,
    Started,
    Stopped,
    StopRequested,
    StreamsChanged,
    Tick,
    Work,
)
from hedge.core.records import Depth, Trade
from hedge.core.refusal import reason_of
from hedge.core.transitions import Facts, Verdict
from hedge.daemon import left_markets
from hedge.daemon.account import NotProven
from hedge.daemon.beat_turn import BeatTurn
from hedge.daemon.context import Ending, Parts
from hedge.daemon.daemon import Shell
from hedge.daemon.halt import Release
from hedge.daemon.order_requests import maker_request
from hedge.daemon.proof import Proven
from hedge.daemon.public_watch import seen_once
from hedge.daemon.refusals import BY_HAND
from hedge.daemon.send_outcome import not_sent, outcome_of
from hedge.errors import ExchangeUnreachableError
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fenced
from hedge.exchange.outcome import Outcome
from hedge.exchange.port import (
    KeyRefusedError,
    OrdersSeen,
    PriceChange,
    VenueError,
)
from hedge.maker import statements
from hedge.maker.latency import Rounds
from hedge.wire.codec import MessageRefusedError
from hedge.wire.control import FLATTEN, Command, Halt
from hedge.wire.messages import BFilled, BHedgeFailed
from hedge.wire.state import PositionState, Ready

_FOLLOW_MS = 8_000
"""So long A waits for B's acknowledgement of a `flatten`."""
_HOLDER_BEATS = 2
"""So many new heartbeats of another A, after the first one read, show that it lives."""
LEAVE_S = 60.0
"""`--leave` takes at most this long."""
B_GONE_S = 8.0
"""`--leave` does not wait longer for a B without a heartbeat."""
_SWEEP_S = 4.0
"""A process that dies does not wait longer than this for its cancel-all."""


class AccountAManager(Shell):
    """Runs account A until stopped."""

    side = "a"

    def __init__(self, parts: Parts, config: MakerConfig, *, leaves: bool = False) -> None:
        """Prepare; `run` starts. `leaves`: place nothing, and stop once the book is proven."""
        super().__init__(parts)
        self._leaves = leaves
        self._proven_ms: int | None = None
        self.state = MakerState(config)
        self._started = False
        self._waiting = ""
        self._catching = False
        self._was_leased = False
        self._frame_ns = 0
        self._as_of_s = 0
        self._rounds = Rounds(self.log)
        self._proven_epoch = ""
        self._flatten: tuple[str, int] | None = None
        self._holder: LeaseAnswer | None = None
        self._holder_beats: set[tuple[str, int]] = set()
        self._shown: tuple[str, ...] | None = None
        self._turn = BeatTurn(parts.clock, self.lease)
        self._own = statements.beat_of(parts, self.state, Facts(now_ms=0))
        """Says how A is configured, which no run changes, and nothing of now."""
        parts.messenger.subscribe(parts.names.account_b_filled, self._on_result)
        parts.messenger.subscribe(parts.names.account_b_hedge_failed, self._on_failure)

    async def run(self) -> Ending:
        """Run until stopped; whatever else ends it, take what rests off the book first."""
        try:
            return await super().run()
        except BaseExceptionGroup:
            if self.state.order is not None:
                await self._sweep()
            raise

    def _loops(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        loops = super()._loops()
        return (*loops, ("leave", self._leave_in_time())) if self._leaves else loops

    def _maybe_leave(self) -> None:
        """Stop once the book is proven and B can answer it, or has not answered for long."""
        state = self.state
        if not self._leaves or state.nonce is None or state.stop_by_ms is not None:
            return
        now_ms = self.parts.clock.now_ms()
        self._proven_ms = now_ms if self._proven_ms is None else self._proven_ms
        is_late = now_ms - self._proven_ms >= B_GONE_S * 1000
        if state.peer.ready or is_late:
            self.stop()

    async def _leave_in_time(self) -> None:
        """End what `--leave` cannot do, or waits for in vain. Raises ExchangeUnreachableError."""
        clock = self.parts.clock
        began_ms = alone_ms = clock.now_ms()
        while clock.now_ms() - began_ms < LEAVE_S * 1000:
            await clock.sleep(self.parts.config.timing.beat_s)
            self._maybe_leave()
            is_done = self.state.stop_by_ms is not None and self.state.pending is None
            if self.state.peer.alive or not is_done:
                alone_ms = clock.now_ms()
            elif clock.now_ms() - alone_ms >= B_GONE_S * 1000:
                break  # the cancel-all is proven, and no B is there to cover the position
        if self.state.stop_by_ms is None:
            raise ExchangeUnreachableError(
                f"A's cancel-all was not proven within {LEAVE_S:g} s, so an order of it may rest:"
                f" {'; '.join(self.open_points())}."
            )
        self.end(neutral=False)

    async def _sweep(self) -> None:
        """Send one cancel-all on the way out; the nonce lets it harm nothing."""
        try:
            async with asyncio.timeout(_SWEEP_S):
                nonce = await self.parts.venue.next_nonce()
                outcome = await self.sending.alone(lambda: self.parts.sender.cancel_all(nonce))
        except (VenueError, TimeoutError) as error:
            self.log.warning("sweep_failed", reason=error)
        else:
            self.log.warning("swept", outcome=outcome_of(outcome, 0).verdict)

    # --- core -----------------------------------------------------------------------------

    @property
    def _is_settled(self) -> bool:
        """Whether nothing that A has signed is open."""
        return self.state.order is None and self.state.pending is None

    def step(self, event: Any) -> tuple[Any, ...]:
        """Step the maker."""
        before = self.state.phase
        had_order, was_settled = self.state.order is not None, self._is_settled
        self.state, effects = maker.step(self.state, event, self.facts())
        if had_order and self.state.order is None:
            left_markets.forget_order(self.parts)
        if self._is_settled and not was_settled:
            left_markets.keep_settled(self.parts)
        if self.state.phase is not before:
            if before is Phase.RECONCILING:
                self.look_now(speak=True)
            if before is Phase.AWAITING_HEDGE:
                self._rounds.covered(self.parts.clock.mono_ns())
            position = self.parts.base(self.state.net_lots)
            self.voice.moved(before, self.state.phase, event, position=position, seq=self.state.seq)
        return effects

    def after_step(self) -> None:
        """Nothing waits for the end of a step here."""

    def state_word(self) -> str:
        """Return the maker's phase."""
        return self.state.phase.value

    def own_lots(self) -> int | None:
        """Return the maker's own position."""
        return self.state.net_lots

    def quoted_book(self, newest: Depth) -> Depth:  # noqa: ARG002  not what REST says
        """Return the book of the stream: quotes are made from no other one."""
        return self.parts.venue.depth()

    def orders_of_a(self) -> tuple[Own, ...]:
        """Return our one order, as far as it may rest: at two prices while that is changed."""
        order = self.state.order
        if order is None or order.closing or order.ended_ms is not None:
            return ()
        left = order.lots - order.filled_lots
        cid, side, prices = order.client_order_index, order.side, order.prices if left else ()
        return tuple(Own(cid, side, price_ticks, left) for price_ticks in prices)

    def open_points(self) -> tuple[str, ...]:
        """Return what keeps a clean stop waiting."""
        return statements.open_points(self.parts, self.state)

    def tick_event(self) -> Tick:
        """Return the maker's tick.

        B may have hedged by its watch before it heard A's message: then no result announces the
        ledger that answers A, so whoever waits for one looks for it.
        """
        if self._flatten is not None:
            self.look_now()
        if self.state.phase in (Phase.AWAITING_HEDGE, Phase.STOPPING):
            self.look_now(speak=self.state.phase is Phase.STOPPING)
        return Tick(own_shown=self.is_own_shown(), answering=self.is_answering())

    def stop_event(self) -> StopRequested:
        """Return the maker's request to stop."""
        return StopRequested()

    def perform(self, effect: Any) -> None:
        """Perform one effect, or start performing it."""
        match effect:
            case PublishFill():
                self._publish_fill(effect)
            case PublishPosition():
                self._publish_position()
            case HaltPair(reason, detail):
                self.publish_halt(reason, detail)
            case Note():
                self.voice.note(effect.event, effect.detail, loud=effect.loud, reason=effect.reason)
            case Stopped(neutral):
                self.end(neutral=neutral)
            case _:
                self._begin(effect)

    def _begin(self, work: Work) -> None:
        """Start what takes an answer of the venue."""
        match work:
            case Place(order):
                if order.unwinds:
                    self.look_now(speak=True)  # B is to know before it happens
                self.spawn("place", self._place(order))
            case Cancel(order, nonce):
                self.spawn("cancel", self._cancel(order, nonce))
            case Change(order, nonce):
                self.spawn("change", self._change(order, nonce))
            case Fence():
                self.reconcile()
            case CatchUp():
                self.spawn("catch-up", self._catch_up())
            case LookAtEnd(client_order_index):
                self.spawn("look-at-end", self._look_at_end(client_order_index))
            case LookAtB(seq):
                self.spawn("look-at-b", self._look_at_b(seq))

    # --- what happened --------------------------------------------------------------------

    def on_trades(self, new: tuple[Trade, ...], received_ns: int) -> None:
        """Turn new trades into a book event; each is logged as a fill."""
        book, order = self.books.book, self.state.order
        if book is None:
            return
        self._frame_ns = received_ns
        view = book.view(order.client_order_index if order else 0)
        self.post(OwnBook(view, new, self.foreign_of(new)))
        for trade in new:
            self.log.info(
                "fill",
                side=trade.side,
                size=self.parts.base(trade.size_lots),
                price=self.parts.spec.price(trade.price_ticks),
                trade_id=trade.trade_id,
                position=self.parts.base(book.net_lots),
            )

    def on_orders(self, seen: OrdersSeen) -> None:
        """Turn order rows into events."""
        for row in seen.rows:
            self.post(OwnOrder(row))

    def on_streams(self, *, up: bool) -> None:
        """Start with the first streams; later every return of them is a new fence."""
        if self._started:
            self.post(StreamsChanged(up))
        else:
            self._maybe_start()

    def end(self, *, neutral: bool) -> None:
        """Name what was published by hand and is open on B, then end: with it no end is neutral."""
        lots = self._open_by_hand()
        if lots:
            detail = (
                f"fills published by hand moved B by {self.parts.base(lots)}"
                f" {self.parts.spec.symbol}, and that is open"
            )
            self.log.warning("hand_open", detail=detail)
            self.voice.say("hand_open", "hand_open", detail)
        elsewhere = self.books.snapshot.b_elsewhere if self.books.snapshot is not None else ""
        if neutral and elsewhere:
            what = f"B is at work in another market, which this A does not fill: {elsewhere}"
            self.voice.note("left_open", what, loud=True)
        super().end(neutral=neutral and not lots and not elsewhere)

    def _open_by_hand(self) -> int:
        """Return what B's ledger names as open by hand, while that is fresh."""
        ledger = self.books.snapshot.ledger if self.books.snapshot is not None else None
        is_fresh = self.origin.is_fresh(self.parts.names.ledger, ledger)
        return ledger.manual_lots if ledger is not None and is_fresh else 0

    def on_lease_taken(self, _answer: LeaseAnswer) -> None:
        """Start, or prove everything anew where the lease had lapsed."""
        self._holder = None
        left_markets.begin(self.parts)
        if self._was_leased:
            self.post(FenceNeeded("the lease had lapsed"))
        self._was_leased = True
        self.look_now()

    def on_lease_lost(self, answer: LeaseAnswer) -> None:
        """Cancel what rests; a lapsed lease is taken again before anything is placed.

        Where another name stands in it that is not the last word: a Redis that failed over brings
        back the lease of a process that is gone.
        """
        if not answer.was_free:
            self.drop_reconciling()
            self.post(LeaseLost())

    def on_lease_refused(self, answer: LeaseAnswer) -> None:
        """Wait for the lease; end only beside another A that lives, or another pair's."""
        if self.lease.is_other_pair(answer):
            raise self.lease.already_running(answer)
        if self._holder is None:
            self.log.warning("waiting_for_lease", reason="another main_A.py holds it, or held it")
        self._holder = answer

    def _see_holder(self, ready: Ready | None) -> None:
        """End beside another A that lives: whose heartbeat goes on while it holds the lease.

        What rests of ours is cancelled before that, by us or by its fence.
        """
        holder = self._holder
        if self.lease.held or holder is None or ready is None or ready.envelope is None:
            self._holder_beats.clear()
            return
        if holder.holder is not None and ready.instance == holder.holder.instance:
            self._holder_beats.add((ready.envelope.epoch, ready.beat))
        if len(self._holder_beats) > _HOLDER_BEATS:
            raise self.lease.already_running(holder)

    def _maybe_start(self) -> None:
        ready = self.lease.held and self.streams_up and self.books.snapshot is not None
        if self._started or not ready:
            return
        self._started = True
        self.post(Started())

    def on_proven(self, fenced: Fenced, proven: Proven) -> None:
        """Hand the proven book to the maker; the fence has cancelled what rested."""
        left_markets.forget_order(self.parts)
        self._proven_epoch = self.origin.epoch
        explained = proven.explained or proven.adopted
        self.post(Reconciled(fenced.next_nonce, proven.book.view(), explained))
        if foreign := self.foreign_of():
            self.post(OwnBook(proven.book.view(), (), foreign))
        self._maybe_leave()

    def on_book_not_proven(self, found: NotProven) -> None:
        """Halt: a book without proof is never traded on."""
        self.post(HaltRaised(found.reason, found.detail))

    @property
    def is_covered_here(self) -> bool:
        """Whether nothing rests, and B covers what A holds, or A holds nothing and owes no fill."""
        state = self.state
        if not state.seq or state.order is not None or state.pending is not None:
            return False
        return maker.is_covered(state) or (state.net_lots == 0 and state.uncovered_ms is None)

    def is_quiet(self) -> bool:
        """Whether nothing is pending; an order may rest."""
        return self.state.pending is None and not self.state.unsaid

    def on_drift(self, what: str, lasting: bool) -> None:  # noqa: FBT001
        """Prove the book anew: the venue states another position. Halt where that lasts."""
        doubt = FenceNeeded(what)
        self.post(HaltRaised("drift", f"account A: {what}") if lasting else doubt)

    def on_fence_slow(self, detail: str) -> None:
        """Say it; nothing is placed before the fence is passed."""
        self.voice.say("fence_slow", "outcome_unknown", detail)

    def on_key_refused(self, error: KeyRefusedError) -> None:
        """Say it; the fence is tried again with back-off."""
        reason = reason_of(refusal_of(error.code), error.code, error.message)
        self.voice.say("key_refused", reason, f"{error.code} {error.message}")

    def on_halt(self, halt: Halt) -> None:
        """The pair is halted."""
        self.post(HaltSeen(halt.reason))

    def on_release(self, release: Release) -> None:
        """A person released a halt; with the last one the pair goes on."""
        self.voice.say("resumed", release.halt.reason, release.note)
        if release.left:
            self.post(HaltSeen(release.left[0].reason, instead=True))
        else:
            self.post(Resumed(force=release.forced))

    def on_command(self, command: Command) -> str:
        """Perform an operator's command."""
        if command.command != FLATTEN:
            return f"unknown command {command.command!r}"
        why = statements.why_not_closing(self.state, self.facts(), alone=command.forced)
        if why:
            return f"refused: {why}"
        if not command.forced:
            self._flatten = command.id, self.parts.clock.now_ms() + _FOLLOW_MS
            return "closing once B has acknowledged it"
        self.post(FlattenRequested(alone=True))
        return "closing"

    def _follow_flatten(self, ready_b: Ready | None, peer: Peer) -> None:
        """Close once B shows that it has the same command; drop it where B does not in time.

        A heartbeat that is still fresh may be the last word of a dead B: A alone would make a
        hedged pair naked. So would one that acknowledges the command and leaves: `peer` is B by
        that very heartbeat.
        """
        if self._flatten is None:
            return
        command_id, until_ms = self._flatten
        is_fresh = self.origin.is_fresh(self.parts.names.ready_b, ready_b)
        outcome = dict(ready_b.acks).get(command_id) if ready_b is not None and is_fresh else None
        if outcome is None and self.parts.clock.now_ms() < until_ms:
            return
        self._flatten = None
        if outcome is not None and not outcome.startswith("refused"):
            self.post(FlattenRequested(peer=peer))
        else:
            self.voice.note("flatten_dropped", outcome or "B has not acknowledged it", loud=True)

    # --- Redis ----------------------------------------------------------------------------

    def on_snapshot(self, snapshot: StateSnapshot | None) -> None:
        """See B through what Redis holds."""
        if snapshot is None:
            return
        self._see_holder(snapshot.ready_a)
        peer = statements.peer_of(snapshot, self._own, self.parts.names, self.origin.fresh_until)
        if self.redis_watch.why:
            peer = replace(peer, ready=False, reasons=(f"not known: {self.redis_watch.why}",))
        if peer.reasons != self._shown:
            self._shown = peer.reasons
            word = "b_ready" if peer.ready else "b_not_ready"
            self.log.info(word, reasons=", ".join(peer.reasons))
        self._follow_flatten(snapshot.ready_b, peer)
        self.post(PeerSeen(peer))
        self._maybe_leave()
        self._maybe_start()

    def on_redis(self, why: str) -> None:
        """Rest nothing while Redis is down; state the position again once it is back."""
        if not why:
            self._publish_position()
        self.post(RedisChanged(up=not why, why=why))

    def _on_result(self, text: str) -> None:
        """A hedge of B was published: what it means is read from the state, not from it."""
        self._on_b(BFilled, self.parts.names.account_b_filled, text)

    def _on_failure(self, text: str) -> None:
        """A failure of B was published."""
        self._on_b(BHedgeFailed, self.parts.names.account_b_hedge_failed, text)

    def _on_b(self, kind: type[BFilled] | type[BHedgeFailed], name: str, text: str) -> None:
        """Read the state at once; count what would not be acted on if it were a state.

        The state is asked for first, and the message judged while the answer is on its way.
        """
        self.look_now()
        asyncio.get_running_loop().call_soon(self._judge_message, kind, name, text)

    def _judge_message(
        self, kind: type[BFilled] | type[BHedgeFailed], name: str, text: str
    ) -> None:
        scope = self.parts.scope
        try:
            message = kind.from_json(text, scope.spec, scope.limits_b(name))
        except MessageRefusedError as error:
            self.refusals.take(error, name)
            return
        if message.envelope is None:
            self.refusals.add(BY_HAND, name, "it was published by hand, and moves nothing of A")
        elif (why := self.origin.why_stale(name, message)) is not None:
            self.refusals.add(why.value, name, why.text)

    def _publish_fill(self, effect: PublishFill) -> None:
        """Publish a fill with A's position after it; one that comes late, with the newest.

        Positions of before would lead B through trades that are past.
        """
        position = self._position(effect.seq, effect.position_lots)
        fill = statements.fill_of(self.parts, effect, self.state.last_trade_id, self._frame_ns)
        self._rounds.filled(effect.seq, self._frame_ns, fill.published_ns or self._frame_ns)

        async def publish() -> None:
            stated, said, state = position, fill, self.state
            if self.outbox.is_late and state.seq > effect.seq and state.net_lots is not None:
                stated = self._position(state.seq, state.net_lots)
                said = statements.with_position(fill, stated)
            names = self.parts.names
            stated = self.origin.stamped(names.position_a, stated, stated.seq)
            said = self.origin.stamped(names.account_a_filled, said, stated.seq)
            self._judge(await self.parts.messenger.publish_fill(stated, said))

        self.outbox.put(publish)

    def _publish_position(self) -> None:
        self.outbox.put_state("position", self._write_position)

    async def _write_position(self) -> None:
        state = self.state
        if state.seq and state.net_lots is not None and not state.implausible:
            position = self._position(state.seq, state.net_lots)
            position = self.origin.stamped(self.parts.names.position_a, position, state.seq)
            self._judge(await self.parts.messenger.write_position(position))

    def _position(self, seq: int, position_lots: int) -> PositionState:
        book = self.books.book
        floor = book.floor_trade_id if book else 0
        if statements.is_current(self.state):
            self._as_of_s = self.parts.epoch_s
        return statements.position_of(
            self.parts,
            self.state,
            floor,
            seq=seq,
            position_lots=position_lots,
            as_of_s=self._as_of_s,
        )

    def _judge(self, answer: LeaseAnswer) -> None:
        """Take the lease's answer to a write; a lease that had lapsed calls for a fence."""
        self.lease.judge(answer)
        if answer.held and answer.was_free:
            self.origin.renew()
            self.post(FenceNeeded("the lease had lapsed"))

    async def write_state(self) -> bool:
        """Write heartbeat and position; a fill that waits in the outbox goes first."""
        if not self.lease.held:
            return False
        self._log_waiting()
        await self._turn.write(self._write_guarded, self._write_beat)
        return True

    async def _write_guarded(self) -> bool:
        """Write the position, guarded by the lease, so that no heartbeat outlives it."""
        if self.outbox.is_empty:
            await self._write_position()
        return self.lease.held

    async def _write_beat(self) -> None:
        is_proven = self._proven_epoch == self.origin.epoch
        beat = statements.beat_of(
            self.parts,
            self.state,
            self.facts(),
            is_proven=is_proven,
            has_left=self.has_left,
            confirmed_ms=self.books.confirmed_ms,
        )
        await self.parts.messenger.beat(self.origin.stamped_beat(beat))

    def _log_waiting(self) -> None:
        """Log why nothing rests, once per reason; what lasts is said by the core."""
        hold = hold_of(self.state, self.facts())
        word = hold.reason if hold is not None else ""
        if word != self._waiting:
            self._waiting = word
            if hold is not None:
                self.log.info("waiting", hold=word, reason=hold.detail)

    # --- the venue ------------------------------------------------------------------------

    async def _place(self, order: Order) -> None:
        self.log.info(
            "place",
            side=order.side,
            size=self.parts.base(order.lots),
            price=self.parts.spec.price(order.price_ticks),
            nonce=order.nonce,
            closing=order.closing,
        )
        book = self.others_book(self.parts.venue.recent_depth())
        request = maker_request(self.parts, order, book)
        if not order.closing and not await left_markets.keep_order(self.parts, request):
            problem = self.parts.host.problem or "the disk of state.dir has not answered in time"
            unkept = not_sent(f"its record cannot be stored: {problem}")
            self.post(Answered(Pending.PLACE, order.client_order_index, unkept))
            return
        await self._send(
            Pending.PLACE, order, lambda: self.parts.sender.order(request, order.nonce)
        )

    async def _cancel(self, order: Order, nonce: int) -> None:
        target = order.row.order_index if order.row else order.client_order_index
        await self._send(Pending.CANCEL, order, lambda: self.parts.sender.cancel(target, nonce))

    async def _change(self, order: Order, nonce: int) -> None:
        self.log.info(
            "change",
            side=order.side,
            price=self.parts.spec.price(order.quoted_ticks),
            was=self.parts.spec.price(order.price_ticks),
            nonce=nonce,
        )
        index = order.row.order_index if order.row else order.client_order_index
        change = PriceChange(index, order.lots, order.quoted_ticks)
        await self._send(Pending.CHANGE, order, lambda: self.parts.sender.change(change, nonce))

    async def _send(
        self, pending: Pending, order: Order, call: Callable[[], Awaitable[Outcome]]
    ) -> None:
        result = await self.sending.alone(call)
        outcome = outcome_of(result, self.parts.clock.epoch_ms())
        if outcome.verdict is Verdict.UNKNOWN:
            self.log.warning("no_clear_answer", to=pending, reason=outcome.reason)
        self.post(Answered(pending, order.client_order_index, outcome))
        if pending is Pending.PLACE:
            self._rounds.placed(result)

    async def _catch_up(self) -> None:
        if self._catching:
            return  # its request still waits for the budget
        self._catching = True
        try:
            await self.books.catch_up()
        except VenueError as error:
            self.log.warning("catch_up_failed", reason=error)
        finally:
            self._catching = False

    async def _look_at_end(self, client_order_index: int) -> None:
        """Post the row of an order where the exchange lists it among the finished ones."""
        try:
            rows = await self.parts.venue.inactive_orders()
        except VenueError as error:
            self.log.warning("end_not_listed", reason=error)
            return
        for row in rows:
            if row.client_order_index == client_order_index and row.is_terminal:
                self.post(OwnOrder(row, listed=True))

    async def _look_at_b(self, seq: int) -> None:
        asked_ms = self.parts.clock.now_ms()
        found = await seen_once(self.parts)
        self.log.info("looked_at_b", position=self.parts.base(found))
        self.post(BShown(seq, found, asked_ms))
