"""Account B's shell: hears every fill of A and drives B's position to the other side of it.

The decisions are in `hedge.core.hedger`; this module turns the venue's streams and Redis into its
events and performs its effects.
"""

from collections.abc import Coroutine
from typing import Any

from hedge.bus.port import LeaseAnswer, StateSnapshot
from hedge.core import pricing
from hedge.core.footprint import Own
from hedge.core.freshness import Stale
from hedge.core.hedger import step as hedger
from hedge.core.hedger.departure import (
    LeaderSeen,
    MakerBeat,
    MakerSeen,
    MakerStated,
    Resting,
)
from hedge.core.hedger.state import (
    PROVEN_PHASES,
    ATarget,
    CloseRequested,
    Fence,
    FenceRefused,
    HaltPair,
    HaltRaised,
    HaltSeen,
    HandCleared,
    HandPublished,
    HedgerConfig,
    HedgerState,
    InFlight,
    LeaseChanged,
    Note,
    OwnBook,
    OwnOrder,
    PeerConfigured,
    Phase,
    ProofNeeded,
    PublishFailure,
    ReadBaseline,
    Reconciled,
    Report,
    Resumed,
    SendHedge,
    Sent,
    Stopped,
    StopRequested,
    StreamsChanged,
    TargetSeen,
    Tick,
)
from hedge.core.hedger.watch import PeerAnswered, PeerTraded
from hedge.core.records import Depth, Trade
from hedge.core.transitions import Facts, Outcome, Verdict
from hedge.daemon import left_markets
from hedge.daemon.account import NotProven
from hedge.daemon.context import Parts
from hedge.daemon.daemon import Shell
from hedge.daemon.halt import Release
from hedge.daemon.order_requests import hedge_request
from hedge.daemon.proof import Proven
from hedge.daemon.public_watch import Watcher, WatchHandlers
from hedge.daemon.send_outcome import outcome_of
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fenced
from hedge.exchange.outcome import Outcome as SendOutcome
from hedge.exchange.port import KeyRefusedError, OrderRequest, OrdersSeen, VenueError
from hedge.hedger import statements as answers
from hedge.hedger.catch_up import Catcher
from hedge.hedger.fill_inbox import Ear, EarHandlers, baseline_of, target_of_key
from hedge.hedger.hedge_record import Courses, log_sent
from hedge.hedger.hedge_report import Answering, AnswerSource, room_of
from hedge.hedger.leadership import Standing
from hedge.hedger.manual_fills import ByHand
from hedge.wire.codec import RefusalCause
from hedge.wire.control import FLATTEN, Command, Halt
from hedge.wire.halt_reasons import is_flatten, stops_b
from hedge.wire.messages import AFilled
from hedge.wire.state import Ready

_TOLD_MS = 3000
"""So long A has to read that its last trade is covered."""

_FLATTEN_LIFE_MS = 60_000
"""So long after a person's order to close A may take it up."""

_ROUTINE = frozenset({Phase.IDLE, Phase.SENDING, Phase.SETTLING})


class AccountBManager(Shell):
    """Runs account B until stopped."""

    side = "b"
    is_last = True

    def __init__(self, parts: Parts, config: HedgerConfig) -> None:
        """Prepare; `run` starts."""
        super().__init__(parts)
        self._hand = ByHand(parts)
        self.state = HedgerState(config)
        self._stepped_by = Facts(0)
        self._courses = Courses(parts)
        self._answers = Answering(
            parts, self.lease, self.outbox, self.origin, self._courses, self._source()
        )
        self._hearing_ns = 0
        self._ear = Ear(parts, self._hand, self._ear_handlers())
        self._standing = Standing(parts, self.lease, self.outbox, self.origin)
        self._catcher = Catcher(
            self.books,
            self.spawn,
            lambda: self.streams_up,
            lambda: self.post(StreamsChanged(up=True)),
        )
        self._watcher = Watcher(parts, self._watch_handlers())
        self._a_lives = self._a_was_here = self._a_is_gone = self._a_is_elsewhere = False
        self._a_shows = False
        self._was_answering = True
        self._asked_ms: int | None = None
        self._flat_ms: int | None = None
        parts.messenger.subscribe(parts.names.account_a_filled, self.on_a_account_filled)

    def _ear_handlers(self) -> EarHandlers:
        return EarHandlers(
            why_stale=self._why_stale,
            target=self._on_target,
            stale=self.look_now,
            hand=self._on_hand,
            refused=self.refusals.add,
            too_large=lambda detail: self.post(HaltRaised("position_limit", detail)),
        )

    def _source(self) -> AnswerSource:
        return AnswerSource(
            state=lambda: self.state,
            book=lambda: self.books.book,
            facts=lambda: self.facts(),  # noqa: PLW0108  it may be replaced
            available_micros=self._free_micros,
            is_answering=lambda: self.is_answering(),  # noqa: PLW0108  it may be replaced
            has_left=lambda: self.has_left,
            redis_why=lambda: self.redis_watch.why,
        )

    def _watch_handlers(self) -> WatchHandlers:
        return WatchHandlers(
            state=lambda: self.state,
            a_lives=lambda: self._a_lives and self._a_shows,
            bases=lambda: answers.bases_of(self.books.snapshot, self._answers.neutral),
            post=self._on_watch,
        )

    def _loops(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        return (*super()._loops(), *self._watcher.loops())

    # --- core -----------------------------------------------------------------------------

    def step(self, event: Any) -> tuple[Any, ...]:
        """Step the hedger."""
        before = self.state
        facts = self._stepped_by = self.facts()
        self.state, effects = hedger.step(self.state, event, facts)
        after = self.state
        if after.phase is not before.phase:
            if before.phase in _ROUTINE and after.phase in _ROUTINE:
                self.log.debug("state", was=before.phase, now=after.phase)
            else:
                self.voice.moved(before.phase, after.phase, event)
                self.look_now(speak=True)  # whether we can hedge has changed
        order = before.inflight
        if order is not None and after.misses > before.misses:
            book = self._book_now()
            if order.met and pricing.met_by(book, order.side) == order.met:
                self.parts.venue.doubt_depth()  # it still shows what the order did not meet
        if after.manual_lots != before.manual_lots:
            self._hand.keep(after.manual_lots)
        if self._hand.was_open and after.explained and not after.manual_lots:
            self._hand.settled()
        return effects

    def room_lots(self, mark_ticks: int | None) -> int | None:
        """Return how much our free margin could take on, None while that is not known."""
        return room_of(self.parts, self._free_micros(), mark_ticks)

    def _free_micros(self) -> int | None:
        """Return our free margin: by the stream, else by the newest answer of the account."""
        account = self.parts.venue.last_account
        micros = self.margin.micros(self.parts.clock.now_ms())
        if micros is not None or account is None or self.margin.is_open:
            return micros
        return account.available_micros

    async def _ask_margin(self) -> None:
        """Ask REST for our free margin, where the stream does not say it."""
        asked_ms = self.parts.clock.now_ms()
        try:
            account = await self.parts.venue.account()
        except VenueError as error:
            self.log.info("margin_unknown", reason=error)
            return
        self.margin.answered(account.available_micros, asked_ms)
        self.look_now(speak=True)

    def after_step(self) -> None:
        """Write the ledger when what it says has changed, with the results that came.

        While an order is on its way nothing is written: first the order, then the word on it.
        """
        if self.state.phase is not Phase.SENDING:
            self._answers.say_what_changed(self._stepped_by)

    def state_word(self) -> str:
        """Return the hedger's phase."""
        return self.state.phase.value

    @property
    def says_for_both(self) -> bool:
        """Where A is away."""
        return self.lease.held and not self._a_lives

    def owes(self) -> bool:
        """Whether A is known to have traded what B has not answered."""
        return hedger.owed_lots(self.state) is not None and not hedger.is_covered(self.state)

    def own_lots(self) -> int | None:
        """Return the hedger's own position."""
        return self.state.net_lots

    def quoted_book(self, newest: Depth) -> Depth:
        """Return the newest book that is known, by stream or by REST."""
        return newest

    def _book_now(self) -> Depth:
        """Return that book as it is now, without A's own orders."""
        return self.others_book(self.parts.venue.recent_depth())

    def orders_of_a(self) -> tuple[Own, ...]:
        """Return A's orders as its newest heartbeat shows them, fresh or not."""
        beat = self.state.maker.beat
        if beat is None:
            return ()
        return tuple(
            Own(one.client_order_index, one.side, one.price_ticks, one.remaining_lots)
            for one in beat.resting
            if one.remaining_lots
        )

    def open_points(self) -> tuple[str, ...]:
        """Return what keeps a clean stop waiting."""
        state, owed = self.state, hedger.owed_lots(self.state)
        if state.inflight is not None:
            return (f"B's order {state.inflight.client_order_index} is not settled",)
        if owed is None:
            return ("A's position is not known, so neither is what B owes",)
        return (f"B owes {self.parts.base(owed)}",) if owed else ("A may still fill",)

    def tick_event(self) -> Tick:
        """Return the hedger's tick; one that leaves looks more often for A's last word.

        That the exchange does not answer is said at once: A is not to start an order against it.
        """
        is_answering = self.is_answering()
        if self.state.stop_by_ms is not None or is_answering is not self._was_answering:
            self.look_now(speak=True)
        self._was_answering = is_answering
        if self.margin.asks(self.parts.clock.now_ms()):
            self.spawn("margin", self._ask_margin())
        return Tick(own_shown=self.is_own_shown())

    def stop_event(self) -> StopRequested:
        """Return the hedger's request to stop."""
        return StopRequested()

    def perform(self, effect: Any) -> None:
        """Perform one effect, or start performing it."""
        match effect:
            case SendHedge(order):
                self._courses.begin(order)
                self.spawn("hedge", self._hedge(order))
            case Report(order, owed):
                self._courses.report(self.state, order, self.books.book, owed)
            case Fence():
                self.reconcile()
            case ReadBaseline():
                self.spawn("baseline", self._read_baseline())
            case PublishFailure():
                self._publish_failure(effect)
            case HaltPair(reason, detail):
                self.publish_halt(reason, detail)
            case Note(event, detail, loud):
                self.voice.note(event, detail, loud=loud)
            case Stopped(neutral):
                self.end(neutral=neutral and self._is_neutral_elsewhere())

    def _is_neutral_elsewhere(self) -> bool:
        """Whether A states nothing of another market; if it does, this one is left, and that said.

        The next start looks for what was left, and hedges it there.
        """
        elsewhere = self.state.a_elsewhere
        if elsewhere:
            left_markets.end(self.parts)
            what = f"A is at work in another market, which this B does not hedge: {elsewhere}"
            self.voice.note("left_open", what, loud=True)
        return not elsewhere

    # --- what A says ----------------------------------------------------------------------

    def on_a_account_filled(self, text: str) -> None:
        """Take one message of the channel `account_a_filled`."""
        self._hearing_ns = self.parts.clock.mono_ns()
        fill = self._ear.hear(text)
        if fill is not None:
            self.spawn("by-hand", self._ear.take_by_hand(text, fill))

    def _why_stale(self, fill: AFilled) -> Stale | None:
        return self.origin.why_stale(self.parts.names.account_a_filled, fill)

    def _on_target(self, fill: AFilled, target: ATarget) -> None:
        known, named = self.state.a, self._named(target.instance)
        if not named and (known is None or known.instance != target.instance):
            self.look_now()  # a new A: Redis names it, and holds the same state
        self._courses.heard(self._hearing_ns, fill)
        self.post(TargetSeen(target, named, fill.timestamp * 1000))
        self.log.info(
            "heard",
            side=fill.side,
            size=self.parts.base(fill.filled_lots),
            a_position=self.parts.base(target.position_lots),
            seq=target.seq,
            owed=self.parts.base(hedger.owed_lots(self.state)),
        )

    def _on_watch(self, event: PeerTraded | PeerAnswered | MakerStated, received_ns: int) -> None:
        self._courses.heard(received_ns)
        if isinstance(event, PeerTraded):
            self._courses.saw(event.trades)
        self.post(event)

    def _on_hand(self, signed_lots: int) -> HedgerState | None:
        before = self.state.manual_lots
        self.post(HandPublished(signed_lots))
        return self.state if self.state.manual_lots != before else None

    def _named(self, instance: str) -> bool:
        """Whether A's lease names this instance, as last read."""
        lease = self.books.snapshot.lease_a if self.books.snapshot else None
        return lease is not None and lease.instance == instance

    def on_snapshot(self, snapshot: StateSnapshot | None) -> None:
        """Read A's state from its key; with Redis down go on with what is known."""
        names = self.parts.names
        self._a_lives = snapshot is not None and self.origin.is_fresh(
            names.ready_a, snapshot.ready_a
        )
        if snapshot is None:
            return
        self._a_shows = snapshot.ready_a is not None and snapshot.ready_a.shown
        self._a_was_here |= self._a_lives
        self._a_is_gone = snapshot.ready_a is None and snapshot.other_a is None
        cause = snapshot.refused.get(names.ready_a)
        self._a_is_elsewhere = cause is RefusalCause.OTHER_MARKET
        if not self.lease.held:
            self._answers.neutral.note(snapshot.neutral)  # kept also where Redis forgets it
            self._see_leader(snapshot.ready_b)
            if self._standing.is_led(snapshot):
                self.post(LeaseChanged(held=False, led=True))
        if self.lease.held and self.streams_up:
            self.post(LeaseChanged(held=True))
        if snapshot.refused.get(self.parts.names.position_a) is RefusalCause.POSITION_LIMIT:
            self.post(HaltRaised("position_limit", "A's stored position is beyond the limit"))
        self._compare(snapshot)
        self._see_maker(snapshot.ready_a)
        self._mind_rest()
        seen = snapshot.position_a
        if seen is not None and self.origin.is_fresh(names.position_a, seen):
            self.post(TargetSeen(target_of_key(seen), self._named(seen.instance)))

    def on_redis(self, _why: str) -> None:
        """Hedge on by what is known; what Redis did not take goes out once it does."""
        self._answers.say_what_changed(self.facts())

    def _see_leader(self, ready: Ready | None) -> None:
        """Tell a standby of each heartbeat of the B that leads."""
        if ready is None or ready.instance == self.parts.instance or ready.envelope is None:
            return
        self.post(LeaderSeen(ready.envelope.epoch, ready.beat))

    def _see_maker(self, ready: Ready | None) -> None:
        """Turn A's heartbeat into what it says of A's end."""
        until_ms = self.origin.fresh_until(self.parts.names.ready_a, ready)
        epoch = ready.envelope.epoch if ready is not None and ready.envelope is not None else None
        if ready is None or epoch is None or until_ms is None:
            self.post(MakerSeen(None, epoch))
            return
        life_s = ready.order_life_s
        beat = MakerBeat(
            epoch=epoch,
            fresh_until_ms=until_ms,
            answers_leaving=self.origin.answers_leaving(ready),
            leaving=ready.leaving,
            proven=ready.proven,
            shown=ready.shown,
            left=ready.left,
            seq=ready.seq,
            position_lots=ready.position_lots,
            orders=len({one.client_order_index for one in ready.resting} | {*ready.unanswered}),
            unanswered=len(ready.unanswered),
            order_life_ms=None if life_s is None else life_s * 1000,
            resting=tuple(
                Resting(
                    one.client_order_index,
                    one.side,
                    one.remaining_lots,
                    pricing.micros_to_ticks(one.price_micros, self.parts.spec),
                )
                for one in ready.resting
            ),
            quantity_lots=ready.quantity_lots,
            is_open=ready.is_open,
            confirmed_ms=self._past_moment_of(ready.confirmed_to),
            raised_ms=self._moment_of(ready.raised_at),
            acting=ready.acting,
            nored=ready.nored,
            force_close_ms=ready.force_close_ms,
        )
        self.post(MakerSeen(beat, epoch))

    def _moment_of(self, venue_ms: int | None) -> int | None:
        return None if venue_ms is None else self._clocks().moment_of(venue_ms)

    def _past_moment_of(self, venue_ms: int | None) -> int | None:
        """Return the same, None also while the exchange's clock is not known."""
        return None if self._clocks().exchange_ms is None else self._moment_of(venue_ms)

    def _clocks(self) -> Facts:
        """Return what our clock and the exchange's say now, without the market."""
        now_ms = self.parts.clock.now_ms()
        return Facts(now_ms=now_ms, exchange_ms=self.parts.exchange_clock.at(now_ms))

    async def _read_baseline(self) -> None:
        snapshot = await self.read_until_answered()
        book = self.books.book
        if book is not None:
            is_fresh = self.origin.is_fresh(self.parts.names.position_a, snapshot.position_a)
            newest_ms = book.base().floor_ms
            self.post(baseline_of(snapshot, self.state.a, newest_ms, is_fresh=is_fresh))

    def _compare(self, snapshot: StateSnapshot) -> None:
        """Wait where A runs with another chain, account, market or offset than ours."""
        mismatch = answers.mismatch_of(self.parts, self.state, snapshot.ready_a or snapshot.other_a)
        # Whoever is only here to leave has its place there next.
        elsewhere = "" if self.parts.leaves else snapshot.a_elsewhere
        if (mismatch, elsewhere) != (self.state.mismatch, self.state.a_elsewhere):
            self.post(PeerConfigured(mismatch, elsewhere))

    # --- what our own account says --------------------------------------------------------

    def on_trades(self, new: tuple[Trade, ...], received_ns: int) -> None:
        """Turn new trades of B into a book event."""
        book = self.books.book
        if book is None:
            return
        self._courses.traded(new, received_ns)
        twin = self.state.phase in PROVEN_PHASES and self._standing.is_twin(new)
        if new:
            self._answers.traded()
            self.margin.traded()
        order = self.state.inflight
        view = book.view(order.client_order_index if order else 0)
        forced = any(trade.is_forced for trade in new)
        self.post(OwnBook(view, self.foreign_of(new), twin, forced, new))
        if not book.consistent and self._catcher.is_idle:
            self._catcher.start()

    def on_orders(self, seen: OrdersSeen) -> None:
        """Turn order rows into events; another process's new row means that it leads too."""
        book = self.books.book
        if book is not None and self._standing.sees_twin(seen.rows):
            self.post(OwnBook(book.view(), twin=True))
        for row in seen.rows:
            self.post(OwnOrder(row))

    def on_streams(self, *, up: bool) -> None:
        """Catch up before trading on streams that were away."""
        if not up:
            self.post(StreamsChanged(up=False))
        elif self.books.book is None:
            self.post(StreamsChanged(up=True))
            self.look_now()
        else:
            self._catcher.start()

    def on_lease_taken(self, _answer: LeaseAnswer) -> None:
        """Lead once state and streams are there."""
        left_markets.begin(self.parts)
        self._standing.taken()
        before = self.books.snapshot.ledger if self.books.snapshot else None
        self._hand.taken_over(before)
        self._answers.forget()
        self._courses.forget_fills()
        self.look_now()

    def on_lease_lost(self, _answer: LeaseAnswer) -> None:
        """Step down at once; back only through lease, fence and book."""
        self._standing.lost()
        self._hand.lost(self.state.manual_lots)
        self.post(LeaseChanged(held=False))
        self.drop_reconciling()

    def on_lease_refused(self, answer: LeaseAnswer) -> None:
        """Stand by: another B leads, and this one takes over when its lease ends."""
        self._standing.refused(answer)

    def on_proven(self, fenced: Fenced, proven: Proven) -> None:
        """Hand the proven book to the hedger, with the row of the order in doubt."""
        if self._standing.fenced_with_twin(fenced):
            self.reconcile()
            return
        client_id = self.state.inflight.client_order_index if self.state.inflight else 0
        for row in fenced.rows:
            if client_id and row.client_order_index == client_id:
                self.post(OwnOrder(row, listed=True))
        snapshot = self.books.snapshot
        explained = proven.adopted or (
            proven.explained
            and not self._hand.was_open
            and self._answers.neutral.explains(
                snapshot.neutral if snapshot else None, self.state.config.offset_lots
            )
        )
        foreign, view = self.foreign_of(), proven.book.view(client_id)
        if foreign:
            self.post(OwnBook(view, foreign))
        self.post(Reconciled(fenced.next_nonce, view, explained))

    def on_book_not_proven(self, found: NotProven) -> None:
        """Halt this side too: a book without proof is never traded on."""
        self.post(HaltRaised(found.reason, found.detail))

    @property
    def is_covered_here(self) -> bool:
        """Whether B knows A's position and covers it.

        An A that beats in another market holds nothing in this one, as far as its start knew. Where
        B may ask the exchange, that has the word: what filled while Redis was away shows nowhere
        else once the disk of A's host is lost. With both flat nothing is left, whatever the offset.
        """
        state = self.state
        if self._a_is_elsewhere and hedger.a_view(state) is None and not state.config.peer_watch:
            return state.net_lots in (0, state.config.offset_lots)
        return hedger.target_known(state) and hedger.is_covered(state)

    @property
    def may_leave_here(self) -> bool:
        """B leaves last: once A was there, stated its book and is gone again.

        An A that beats in another market has looked, and left nothing in this one.
        """
        is_past = (self._a_was_here and self._a_is_gone) or self._a_is_elsewhere
        return self.is_covered_here and is_past

    @property
    def is_other_past_here(self) -> bool:
        """Whether A has looked and left nothing here; a silent A may have an order in the book."""
        return self._a_is_elsewhere

    def is_quiet(self) -> bool:
        """Whether no order is in flight."""
        return self.state.phase in (Phase.IDLE, Phase.FAILED)

    def on_drift(self, what: str, lasting: bool) -> None:  # noqa: FBT001
        """Prove the book anew: the venue states another position. Halt where that lasts."""
        doubt = ProofNeeded(what)
        self.post(HaltRaised("drift", f"account B: {what}") if lasting else doubt)

    def on_fence_slow(self, detail: str) -> None:
        """Fail loudly; the fence goes on."""
        self.post(FenceRefused(0, detail))
        self.voice.say("fence_slow", "outcome_unknown", detail)

    def on_key_refused(self, error: KeyRefusedError) -> None:
        """Fail loudly; the fence is tried again with back-off."""
        self.post(FenceRefused(error.code, error.message, refusal_of(error.code)))

    def on_halt(self, halt: Halt) -> None:
        """Stop trading for halts of this side that call for it; else go on following."""
        if stops_b(halt):
            self.post(HaltSeen(halt.reason))
        if is_flatten(halt) and not self._is_asked and self.state.closing is None:
            self.post(CloseRequested())

    def on_release(self, release: Release) -> None:
        """A person released a halt; with the last one that stops this side it goes on."""
        self.voice.say("resumed", release.halt.reason, release.note)
        if not any(stops_b(halt) for halt in release.left):
            flattened = any(map(is_flatten, release.left))
            self.post(Resumed(force=release.forced, flattened=flattened))
        self.look_now()

    def on_command(self, command: Command) -> str:
        """Perform an operator's command."""
        if command.command != FLATTEN:
            return f"unknown command {command.command!r}"
        why = answers.why_not_closing(self.state, self.facts().mark_ticks)
        if why:
            return f"refused: {why}"
        self.post(HandCleared())
        self._asked_ms = self.parts.clock.now_ms()
        if command.forced:
            self.post(CloseRequested(alone=True))
            return "closing"
        return "following"

    def end(self, *, neutral: bool) -> None:
        """Name what was published by hand and is open still, then end."""
        lots = self.state.manual_lots
        if lots:
            detail = (
                f"fills published by hand moved B by {self.parts.base(lots)}"
                f" {self.parts.spec.symbol}; they are forgotten, and what they left is drift"
            )
            self.log.warning("hand_left", detail=detail)
            self.voice.say("hand_left", "hand_left", detail)
        closes = hedger.closes_own(self.state) and not hedger.is_flat_by_order(self.state)
        super().end(neutral=neutral and not lots and not closes)

    @property
    def _is_asked(self) -> bool:
        """Whether this process was told of a flatten lately, so that it sees A to its end."""
        asked_ms = self._asked_ms
        return asked_ms is not None and (self.parts.clock.now_ms() <= asked_ms + _FLATTEN_LIFE_MS)

    def _mind_rest(self) -> None:
        """Close our own rest too where A has taken the order, is flat, and was told that it is.

        Until we are flat too our ledger answers nothing: we are the other side of A no more. Where
        that takes long, no offset is opened all the same while the order stands.
        """
        is_due = self.state.closing is None and self.state.config.offset_lots != 0
        if not is_due or not any(map(is_flatten, self.halts.in_force)):
            self._flat_ms = None
            return
        now_ms = self.parts.clock.now_ms()
        view = hedger.answerable(self.state)
        is_flat = view is not None and view.position_lots == 0 and hedger.is_covered(self.state)
        if not self._is_asked:
            self.post(CloseRequested())
        elif not is_flat:
            self._flat_ms = None
        elif self._flat_ms is None:
            self._flat_ms = now_ms
        elif now_ms >= self._flat_ms + _TOLD_MS:
            self.post(CloseRequested())

    # --- hedging --------------------------------------------------------------------------

    async def _hedge(self, order: InFlight) -> None:
        first = self._request(order)
        if first is None:
            no_price = Outcome(Verdict.REJECTED, code=0, reason="no price")
            self.post(Sent(order.client_order_index, no_price))
            return
        request = first

        async def send() -> SendOutcome:
            nonlocal request  # it may have waited for its turn: the cap is of this moment
            request = self._request(order) or first
            return await self.parts.sender.order(request, order.nonce, self._courses.signed)

        result = await self.sending.alone(send)
        self._courses.answered(result)
        outcome = outcome_of(result, self.parts.clock.epoch_ms())
        log_sent(self.parts, order, request.price_ticks, outcome)
        self.post(Sent(order.client_order_index, outcome))

    def _request(self, order: InFlight) -> OrderRequest | None:
        return hedge_request(self.parts, order, self._book_now())

    def _publish_failure(self, effect: PublishFailure) -> None:
        parts, state = self.parts, self.state
        failure = answers.failure_of(parts, state, effect)
        detail = answers.failure_text(parts, effect)
        if self.halts.publish_failure(failure, detail):
            self.voice.say("halted", failure.reason, detail)

    # --- Redis ----------------------------------------------------------------------------

    async def write_state(self) -> bool:
        """Write heartbeat, ledger and position; a standby writes only that it waits."""
        if await self._answers.beat():
            return True
        if not self.lease.held:
            await self._standing.announce(warm=self.streams_up)
        return True
