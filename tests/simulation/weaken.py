"""Tempting rules, injected: each makes the simulator find the loss that the kept rule prevents.

Nothing in the product knows of them. A weakening replaces an object that is handed in (sender,
messenger), or wraps one call of a built manager, for the length of one schedule.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import main_A
import main_B
from hedge.bus.port import LeaseAnswer, StateSnapshot
from hedge.core import hedger_state as b_state
from hedge.core import ids
from hedge.core import maker_state as a_state
from hedge.core.book import Book, BookBase
from hedge.core.hedger_rules import attempt_failed
from hedge.core.messages import AFilled
from hedge.core.records import OrderRow, Trade
from hedge.parts import Parts
from hedge.proof import Proven
from hedge.shell import Shell
from hedge.venue.fence import Fence, Fenced
from hedge.venue.outcome import INVALID_NONCE, Accepted, Outcome, Unknown
from hedge.venue.port import OrderRequest, TradesSeen
from hedge.venue.sender import Sender
from tests.simulation.bus import NAMES
from tests.simulation.daemon import TIMING, Tools, World
from tests.simulation.exchange import OTHER_KEY, SPEC
from tests.simulation.schedule import Profile

Change = Callable[[Any], None]


def _managers(change_a: Change | None = None, change_b: Change | None = None) -> Tools:
    """Return tools that build the real managers and then change what is given."""

    def builder(build: Callable[[Parts], Shell], change: Change | None) -> Callable[[Parts], Shell]:
        def built(parts: Parts) -> Shell:
            manager = build(parts)
            if change is not None:
                change(manager)
            return manager

        return built

    return Tools(builder(main_A.build, change_a), builder(main_B.build, change_b))


def _wrap_step(manager: Any, before: Callable[[Any, Any], Any]) -> None:
    """Let `before` replace each event, or drop it (None)."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        changed = before(manager, event)
        effects: tuple[Any, ...] = () if changed is None else real(changed)
        return effects

    manager.step = step


# --- 1 to 4: senders and fences ------------------------------------------------------------------


class _RefreshingSender(Sender):
    """Takes `invalid nonce` for a stale count: refreshes it and signs again."""

    async def order(
        self, request: OrderRequest, nonce: int, on_signed: Callable[[], None] | None = None
    ) -> Outcome:
        outcome = await super().order(request, nonce, on_signed)
        if isinstance(outcome, Unknown) and outcome.code == INVALID_NONCE:
            return await super().order(request, await self._venue.next_nonce())
        return outcome


class _HastyFence(Fence):
    """Takes an accepted marker for a passed fence."""

    async def _listed(self, client_id: int) -> tuple[tuple[OrderRow, ...], OrderRow]:
        rows = await self._venue.inactive_orders()
        return rows, _no_row(client_id)


class _TrustingFence(Fence):
    """Looks up after the marker was seen, in an answer that need not list it."""

    async def _listed(self, client_id: int) -> tuple[tuple[OrderRow, ...], OrderRow]:
        await super()._listed(client_id)
        rows = await self._venue.inactive_orders()
        return rows, _no_row(client_id)


class _NonceFence(Fence):
    """Takes any listed order with its nonce for its own marker."""

    async def _listed(self, client_id: int) -> tuple[tuple[OrderRow, ...], OrderRow]:
        venue: Any = self._venue
        for _ in range(5):
            await self._clock.sleep(0.5)
            rows = await self._venue.inactive_orders()
            for row in rows:
                if venue.history.row_nonces[row.order_index] == venue.signed_nonce:
                    return rows, row
        return await super()._listed(client_id)


def _no_row(client_id: int) -> OrderRow:
    from hedge.core.amounts import Side  # noqa: PLC0415
    from hedge.core.records import OrderStatus  # noqa: PLC0415

    return OrderRow(0, client_id, Side.BUY, 1, 0, 1, OrderStatus.CANCELED, False, 0)


def _sender(kind: type[Sender]) -> Tools:
    def parts(parts: Parts, world: World) -> Parts:
        is_a = parts.config.side == "a"
        sender = kind(
            parts.venue,
            parts.clock,
            instance=parts.instance,
            cancel_all_first=is_a,
            answer_timeout_s=TIMING.answer_timeout_s,
            listed_timeout_s=TIMING.marker_deadline_s,
        )
        return replace(parts, sender=sender)

    return Tools(parts=parts)


def _fence(kind: type[Fence]) -> Tools:
    def parts(parts: Parts, world: World) -> Parts:
        parts.sender._fence.__class__ = kind
        return parts

    return Tools(parts=parts)


class _PairingSender(Sender):
    """Sends two transactions at once, and lets one fence close both."""

    async def order(
        self, request: OrderRequest, nonce: int, on_signed: Callable[[], None] | None = None
    ) -> Outcome:
        half = request.lots // 2
        if not ids.is_ours(request.client_order_index) or request.reduce_only or half == 0:
            return await super().order(request, nonce, on_signed)
        with self._alone("order"):
            first = await self._venue.sign_order(replace(request, lots=half), nonce)
            rest = replace(request, lots=request.lots - half)
            second = await self._venue.sign_order(rest, nonce + 1)
            one, two = await asyncio.gather(self._transmit(first), self._transmit(second))
        return one if isinstance(two, Accepted) else Unknown("one of two", second, copies=1)


# --- proofs --------------------------------------------------------------------------------------


def _prove_by_position(manager: Any) -> None:
    """Two equal reads of the position are the truth."""
    books, venue = manager.books, manager.parts.venue

    async def prove(fenced: Fenced, this_round: int) -> None:
        while True:
            one, two = await venue.account(), await venue.account()
            if one.position_lots == two.position_lots:
                break
        read = (await venue.trades(None)).trades
        newest = read[-1] if read else None
        base = BookBase(
            one.position_lots, newest.trade_id if newest else 0, newest.time_ms if newest else 0
        )
        books.book = Book(base)
        books._handlers.trades((), 0)
        if this_round == books._round:
            books._handlers.proven(fenced, Proven(books.book, explained=True))

    books._prove = _patient(prove)


def _prove_by_sum(manager: Any) -> None:
    """What was stored plus the trades read is the position; no order row is matched."""
    books, real = manager.books, manager.books._prove

    async def prove(fenced: Fenced, this_round: int) -> None:
        await real(replace(fenced, rows=()), this_round)

    books._prove = prove


def _patient(work: Callable[[Fenced, int], Any]) -> Callable[[Fenced, int], Any]:
    async def tried(fenced: Fenced, this_round: int) -> None:
        from hedge.venue.port import VenueError  # noqa: PLC0415

        while True:
            try:
                await work(fenced, this_round)
            except VenueError:
                await asyncio.sleep(0.5)
            else:
                return

    return tried


class _SumBook(Book):
    """Adds up what it hears; a trade that turns up late is past."""

    def add(self, trades: Any) -> tuple[Trade, ...]:
        return super().add(trade for trade in trades if trade.trade_id > self.last_trade_id)

    @property
    def net_lots(self) -> int:
        return self._sum_lots

    @property
    def consistent(self) -> bool:
        return True


def _sum_is_position(manager: Any) -> None:
    real = manager.books._prove

    async def prove(fenced: Fenced, this_round: int) -> None:
        await real(fenced, this_round)
        if manager.books.book is not None:
            manager.books.book.__class__ = _SumBook

    manager.books._prove = prove


# --- what B makes of A ---------------------------------------------------------------------------


def _add_up(manager: Any) -> None:
    """B adds up the fills that it hears."""
    total: list[int] = []

    def hear(text: str) -> None:
        fill = AFilled.from_json(text, SPEC, manager.parts.scope.limits_a)
        if not total:
            total.append((fill.position_lots or 0) - fill.signed_lots)
        total[0] += fill.signed_lots
        manager.post(b_state.Tick())

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.TargetSeen):
            if not total:
                total.append(event.target.position_lots)
            return replace(event, target=replace(event.target, position_lots=total[0]))
        return event

    handlers = manager.parts.messenger._handlers[NAMES.account_a_filled]
    handlers.insert(0, hear)
    _wrap_step(manager, before)


def _newest_by_trade(manager: Any) -> None:
    """The newest state is the one with the highest trade id."""

    def before(_: Any, event: Any) -> Any:
        known = manager.state.a
        if not isinstance(event, b_state.TargetSeen) or known is None:
            return event
        if event.target.last_trade_id > known.last_trade_id:
            return event
        return replace(event, target=replace(event.target, position_lots=known.position_lots))

    _wrap_step(manager, before)


def _trust_the_key(manager: Any) -> None:
    """After a start B believes what Redis holds."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.BaselineRead):
            return replace(event, named=True, fresh=True)
        return event

    _wrap_step(manager, before)


def _missing_is_flat(manager: Any) -> None:
    """A missing key means that A is flat."""
    real = manager.on_snapshot

    def on_snapshot(snapshot: StateSnapshot | None) -> None:
        real(snapshot)
        if snapshot is not None and snapshot.position_a is None:
            flat = b_state.ATarget("f" * 12, manager.parts.epoch_s, 0, 0, manager.parts.epoch_s)
            manager.post(b_state.TargetSeen(flat, named=True))

    manager.on_snapshot = on_snapshot


def _zero_is_failed(manager: Any) -> None:
    """A terminal row without a fill proves that the attempt failed."""
    real = manager.step

    def step(event: Any) -> tuple[Any, ...]:
        before = manager.state.phase
        effects: tuple[Any, ...] = real(event)
        state = manager.state
        order = state.inflight
        doubtful = before is b_state.Phase.SETTLING and state.phase is b_state.Phase.UNKNOWN
        if doubtful and order.row is not None and order.row.is_terminal and not order.filled_lots:
            failure = b_state.Failure("zero_filled", "zero filled")
            manager.state, more = attempt_failed(
                replace(state, inflight=None), failure, False, manager.facts()
            )
            return (*(e for e in effects if not isinstance(e, b_state.Fence)), *more)
        return effects

    manager.step = step


def _deposed_goes_on(manager: Any) -> None:
    """A B that got no 21104 goes on: no lease, no new proof, no twin is looked at."""
    books, real = manager.books, manager.books._prove

    async def prove(fenced: Fenced, this_round: int) -> None:
        if books.book is None:
            await real(fenced, this_round)
        elif this_round == books._round:
            books._handlers.proven(fenced, Proven(books.book, explained=False))

    async def check() -> bool:
        return True

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.LeaseChanged) and not event.held:
            return None
        if isinstance(event, b_state.OwnBook):
            return replace(event, twin=False)
        return event

    books._prove = prove
    manager.lease.check = check
    _wrap_step(manager, before)


def _close_both(manager: Any) -> None:
    """After a force-close time-out B closes its own position too."""
    real = manager.on_snapshot

    def on_snapshot(snapshot: StateSnapshot | None) -> None:
        real(snapshot)
        halt = snapshot.halt if snapshot else None
        known = manager.state.a
        if halt is None or not halt.is_active or known is None:
            return
        if halt.reason == "force_close_timeout" and known.position_lots:
            manager.state = replace(manager.state, a=replace(known, position_lots=0))
            manager.post(b_state.Tick())

    manager.on_snapshot = on_snapshot


def _one_dedupe(manager: Any) -> None:
    """One set of trade ids for both accounts."""
    ids_seen: set[int] = set()
    real = manager.books.on_trades

    def on_trades(seen: TradesSeen) -> None:
        new = tuple(trade for trade in seen.trades if trade.trade_id not in ids_seen)
        ids_seen.update(trade.trade_id for trade in new)
        book = manager.books.book
        if book is not None:
            book.__class__ = _Deaf
            book.deaf_to = ids_seen - {trade.trade_id for trade in new}
        real(TradesSeen(new, seen.received_ns))

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.PeerTraded):
            ids_seen.update(trade.trade_id for trade in event.trades)
        return event

    manager.books.on_trades = on_trades
    _wrap_step(manager, before)


class _Deaf(Book):
    """Counts no trade of a set of ids."""

    deaf_to: set[int]

    def add(self, trades: Any) -> tuple[Trade, ...]:
        known = {trade.trade_id for trade in self.trades}
        return super().add(trade for trade in trades if trade.trade_id not in self.deaf_to - known)


# --- what A makes of B ---------------------------------------------------------------------------


def _any_zero_releases(manager: Any) -> None:
    """A goes on when the ledger says owed 0, whatever state it answers."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, a_state.PeerSeen) and event.peer.ledger is not None:
            state = manager.state
            ledger = replace(
                event.peer.ledger,
                a_instance=state.config.instance,
                a_seq=state.seq,
                a_position_lots=state.net_lots or 0,
            )
            return replace(event, peer=replace(event.peer, ledger=ledger))
        return event

    _wrap_step(manager, before)


def _row_is_fill(manager: Any) -> None:
    """A terminal row seen means that its fills are known."""

    def before(_: Any, event: Any) -> Any:
        order = manager.state.order
        if isinstance(event, a_state.OwnOrder) and order is not None:
            row = event.row
            if row.is_terminal and row.client_order_index == order.client_order_index:
                order = replace(order, filled_lots=row.filled_lots)
                manager.state = replace(manager.state, order=order)
        return event

    _wrap_step(manager, before)


def _write_on_change(manager: Any) -> None:
    """State is written when it changes, never again."""

    async def write_state() -> None:
        if not manager.lease.held:
            return
        parts, state = manager.parts, manager.state
        if manager.side == "a":
            from hedge import statements  # noqa: PLC0415

            await parts.messenger.beat(statements.beat_of(parts, state))
        else:
            from hedge import answers  # noqa: PLC0415

            reasons = manager._answers._reasons()
            await parts.messenger.beat(answers.beat_of(parts, state, reasons, None))

    manager.write_state = write_state


def _renew_lapsed(parts: Parts, world: World) -> Parts:
    """A lapsed lease is renewed by its old holder as if nothing had been."""
    messenger: Any = parts.messenger
    if parts.config.side == "b":
        write = messenger.write_ledger

        async def renew(key: Any) -> LeaseAnswer:
            from hedge.bus.scripts import LeaseMode  # noqa: PLC0415

            answer = await messenger._lease(key.name, LeaseMode.FREE)
            return replace(answer, was_free=False)

        async def write_ledger(*args: Any, **kwargs: Any) -> LeaseAnswer:
            return await write(*args, **{**kwargs, "take_free": True})

        messenger.renew_lease, messenger.write_ledger = renew, write_ledger
    return parts


def _no_cancel_all(parts: Parts, world: World) -> Parts:
    parts.sender._fence._cancel_all_first = False
    return parts


# --- the list ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weakening:
    """A tempting rule: its row of the counterexamples, how it is injected, what favours it."""

    row: int
    rule: str
    tools: Callable[[], Tools]
    profile: Profile = field(default_factory=Profile)


SENDING = ("answer lost", "request lost", "copy held")
LOOKING = ("read stale",)
LEADING = ("B killed", "B frozen", "standby")
REDIS = ("redis wiped", "redis rolled back", "redis down", "cut from redis")


def _aimed(*always: str, **settings: Any) -> Profile:
    return Profile(always=always, share=0.12, **settings)


WEAKENINGS: dict[str, Weakening] = {
    "refresh-nonce": Weakening(
        1,
        "invalid nonce: refresh, sign again",
        lambda: _sender(_RefreshingSender),
        _aimed("answer lost"),
    ),
    "accepted-fence": Weakening(
        2,
        "fence accepted, so look up now",
        lambda: _fence(_HastyFence),
        _aimed("answer lost"),
    ),
    "absent-anywhere": Weakening(
        3,
        "absent from any list, so not executed",
        lambda: _fence(_TrustingFence),
        _aimed("answer lost", "read stale"),
    ),
    "fence-by-nonce": Weakening(
        4,
        "a fence is known by its nonce",
        lambda: _fence(_NonceFence),
        _aimed("answer lost", "request lost", "read stale", "B killed", "socket lost"),
    ),
    "zero-is-failed": Weakening(
        5,
        "terminal row with zero filled = failed",
        lambda: _managers(None, _zero_is_failed),
        _aimed("copy held", "nonce handed back", hold_s=3.0),
    ),
    "equal-positions": Weakening(
        6,
        "two equal reads of the position are the truth",
        lambda: _managers(_prove_by_position, _prove_by_position),
        _aimed("read stale", "A killed", "B killed"),
    ),
    "sum-explains": Weakening(
        7,
        "stored position plus trades explains itself",
        lambda: _managers(_prove_by_sum, _prove_by_sum),
        _aimed("read stale", "A killed", "B killed"),
    ),
    "add-up-fills": Weakening(
        8,
        "add up A's fills",
        lambda: _managers(None, _add_up),
        _aimed("message lost"),
    ),
    "newest-by-trade": Weakening(
        9,
        "newest state = highest trade id",
        lambda: _managers(None, _newest_by_trade),
        _aimed("frame late", faults=("message late", "answer lost"), peer_watch=0.0, unstated=1.0),
    ),
    "sum-is-position": Weakening(
        10,
        "the sum of A's trades is its position",
        lambda: _managers(_sum_is_position),
        _aimed("frame dropped", "frame late", peer_watch=0.0),
    ),
    "write-on-change": Weakening(
        11,
        "write state when it changes",
        lambda: _managers(_write_on_change, _write_on_change),
        _aimed("redis wiped", "redis rolled back"),
    ),
    "any-zero-releases": Weakening(
        12,
        "release A when the ledger says owed 0",
        lambda: _managers(_any_zero_releases),
        _aimed("message late"),
    ),
    "trust-the-key": Weakening(
        13,
        "B after its restart trusts the key",
        lambda: _managers(None, _trust_the_key),
        _aimed("B killed", "redis rolled back", "A frozen", "cut from redis", peer_watch=0.0),
    ),
    "missing-is-flat": Weakening(
        14,
        "a missing key means flat",
        lambda: _managers(None, _missing_is_flat),
        _aimed("redis wiped", peer_watch=0.0),
    ),
    "deposed-goes-on": Weakening(
        15,
        "a deposed B that got no 21104 goes on",
        lambda: _managers(None, _deposed_goes_on),
        _aimed(*LEADING, "answer lost", "cut from exchange"),
    ),
    "renew-lapsed": Weakening(
        16,
        "a lapsed lease may be renewed",
        lambda: Tools(parts=_renew_lapsed),
        _aimed(*LEADING, "read stale", "socket lost", "cut from redis", peer_watch=0.0),
    ),
    "no-cancel-all": Weakening(
        17,
        "A's fence leaves orders resting",
        lambda: Tools(parts=_no_cancel_all),
        _aimed("A killed", "answer lost"),
    ),
    "own-key": Weakening(
        18,
        "a standby with its own API key",
        lambda: Tools(standby_key=OTHER_KEY),
        _aimed("B killed", "B frozen", "standby", "copy held", hold_s=10.0),
    ),
    "row-is-fill": Weakening(
        19,
        "terminal row seen, so the fills are known",
        lambda: _managers(_row_is_fill),
        _aimed("frame late", "frame dropped", peer_watch=0.0),
    ),
    "one-dedupe": Weakening(
        20,
        "one dedupe set for both accounts",
        lambda: _managers(None, _one_dedupe),
        _aimed("thin book", "frame late"),
    ),
    "two-unanswered": Weakening(
        21,
        "two unanswered transactions, one fence",
        lambda: _sender(_PairingSender),
        _aimed("request lost", "copy held", hold_s=8.0),
    ),
    "close-both": Weakening(
        23,
        "force-close both accounts to flat",
        lambda: _managers(None, _close_both),
        _aimed("B killed", "cut from exchange", "request lost"),
    ),
}

NOT_EXPRESSED = {
    22: "a history of thousands of trades with nothing stored is no matter of schedules; "
    "`tests/unit/shell/test_proof.py` has it with 3,000 trades",
}
