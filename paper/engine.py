"""The matching engine of the paper exchange: a deterministic state machine without I/O.

Inputs are transactions (`submit`), the passing of time (`advance`) and admin calls. Outputs are
events, collected until `drain_events`. Each input reads the clocks once and is handed to
`recorder` before it takes effect, so feeding the recorded inputs to `apply` of a new engine gives
exactly the same state, sequence numbers and time stamps.

    engine = Engine(DEFAULT_MARKETS, Tier.INSTANT, clock=lambda: now_ms, mono=time.monotonic_ns)
    engine.add_account(42, "0xabc", 100_000 * 10**6)
    engine.add_key(42, 5, public_key)
    accepted = engine.submit(14, tx_info_text)   # or TxRejected(code, message)
    engine.advance(now_ms)                        # also when engine.next_due_ms() has come
    for event in engine.drain_events(): ...
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paper import acceptance, executor, funding, replay
from paper.commands import CancelAll, Command, CreateOrder, ModifyOrder
from paper.deadlines import Deadlines
from paper.errors import AdminError, TxRejected
from paper.hashing import tx_hash
from paper.inputs import Entry, Inputs, Stamp
from paper.markets import DEFAULT_MARKETS
from paper.plans import Plan, plan_of
from paper.records import (
    ORDER_INDEX_BASE,
    Accepted,
    EngineEvent,
    MarketConfig,
    OrderStatus,
    Tier,
    TimeInForce,
    Tx,
    TxStatus,
)
from paper.store import AccountState, Store
from paper.txinfo import load, parse

__all__ = ["DEFAULT_MARKETS", "AdminError", "Engine", "Entry", "TxRejected"]

TxInfo = str | dict[str, Any]
"""A signed transaction: its JSON text, or the object."""
Recorded = dict[str, Any]
"""A plan as it stands in the record of an input."""


class Engine(Inputs):
    """One exchange: markets, accounts, books, a queue of accepted transactions."""

    def __init__(
        self,
        markets: Iterable[MarketConfig],
        tier: Tier,
        clock: Callable[[], int],
        mono: Callable[[], int],
        chain_id: int = 304,
        recorder: Callable[[Entry], None] | None = None,
    ) -> None:
        """Start empty. `clock` gives epoch ms, `mono` gives monotonic ns.

        `tier` is that of every account whose owner was not given another.
        `recorder` is called with each input before it takes effect; if it raises, nothing changed.
        """
        self._store = Store(markets, tier)
        self.tier = tier
        self.chain_id = chain_id
        self._clock = clock
        self._mono = mono
        self.recorder = recorder
        self._replaying: Stamp | None = None
        self._queue: list[tuple[int, int, executor.Queued]] = []
        self._deadlines = Deadlines(self._store)

    # transactions -------------------------------------------------------------------------------

    def submit(self, tx_type: int, tx_info: TxInfo, plan: Plan | None = None) -> Accepted:
        """Check a transaction and queue it, or raise TxRejected with nothing changed.

        Its nonce is spent from here on. Call `advance(now)` afterwards: at tier "instant" that
        executes it. `plan` is what a fault switch decided about its execution; it is recorded too.
        """
        return self._submit(tx_type, tx_info, None, None if plan is None else plan.as_json())

    def release(self) -> None:
        """Let every held transaction, and those behind it, execute at the next `advance`."""
        held = {
            (queued.state.account.index, queued.tx.api_key_index)
            for _, _, queued in self._queue
            if queued.plan is not None and queued.plan.hold_until_ms
        }
        if not held:
            return
        self._commit("release", self._stamp())
        now_ms, rows = self._store.now_ms, []
        for due_ms, sequence, queued in self._queue:
            key = (queued.state.account.index, queued.tx.api_key_index)
            rows.append((min(due_ms, now_ms) if key in held else due_ms, sequence, queued))
        for account, api_key in held:
            pending = self._store.accounts[account].pending_by_key
            pending[api_key] = (pending[api_key][0], now_ms)
        heapq.heapify(rows)
        self._queue = rows

    def submit_batch(
        self,
        tx_types: Sequence[int],
        tx_infos: Sequence[TxInfo],
        plans: Sequence[Plan | None] | None = None,
    ) -> list[Accepted]:
        """Check the transactions of a batch and queue them all, or raise with nothing changed.

        All belong to one key, with consecutive nonces. TxRejected carries the code of the batch,
        or that of the first member that the API would refuse. What was admitted is not atomic:
        each member executes, or fails, by itself.
        """
        recorded = [None if plan is None else plan.as_json() for plan in plans or ()] or None
        return self._submit_batch(tx_types, tx_infos, None, recorded)

    def advance(self, now_ms: int) -> None:
        """Do everything due at `now_ms`: funding, expiries, dead-man switches, transactions."""
        due = self.next_due_ms()
        if due is None or due > now_ms:
            return
        self._commit("advance", self._stamp(now_ms))
        while due is not None and due <= now_ms:
            if self._store.next_funding_ms == due:
                funding.pay(self._store)
            elif self._deadlines.next_ms() == due:
                self._pass_deadline(self._deadlines.pop())
            else:
                self._execute(heapq.heappop(self._queue)[2])
            self._settle()
            due = self.next_due_ms()

    def next_due_ms(self) -> int | None:
        """Return when `advance` has something to do next (epoch ms; may be past), or None."""
        due = self._deadlines.next_ms()
        if self._queue and (due is None or self._queue[0][0] < due):
            due = self._queue[0][0]
        hour = self._store.next_funding_ms
        return hour if hour and (due is None or hour < due) else due

    def drain_events(self) -> list[EngineEvent]:
        """Return the events since the last call, oldest first, and forget them."""
        events, self._store.events = self._store.events, []
        return events

    # replay -------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> None:
        """Apply one recorded input again, with its recorded time; it is not recorded once more."""
        kind, now_ms, mono_ns, *args = entry
        self._replaying = (now_ms, mono_ns)
        try:
            if kind == "submit":
                self._submit(*args)
            elif kind == "submit_batch":
                self._submit_batch(*args)
            elif kind == "advance":
                self.advance(now_ms)
            elif kind == "release":
                self.release()
            else:
                replay.apply_admin(self, kind, args)
        finally:
            self._replaying = None

    # inside -------------------------------------------------------------------------------------

    def _submit(
        self,
        tx_type: int,
        tx_info: TxInfo,
        digest: str | None = None,
        plan: Recorded | None = None,
    ) -> Accepted:
        """Check, record and queue a transaction; a replay knows its hash and its plan already."""
        stamp = self._stamp()
        text, info = load(tx_type, tx_info)
        command = parse(tx_type, info)
        state = acceptance.check(self._store, command, stamp[0])
        digest = digest or tx_hash(self.chain_id, tx_type, info)
        recorded = [tx_type, text, digest] if plan is None else [tx_type, text, digest, plan]
        self._commit("submit", stamp, *recorded)
        return self._accept(state, command, text, digest, plan_of(plan))

    def _submit_batch(
        self,
        tx_types: Sequence[int],
        tx_infos: Sequence[TxInfo],
        digests: Sequence[str] | None = None,
        plans: Sequence[Recorded | None] | None = None,
    ) -> list[Accepted]:
        """Check, record and queue a batch, as one input."""
        stamp = self._stamp()
        acceptance.check_batch_size(len(tx_types), len(tx_infos))
        loaded = [load(*pair) for pair in zip(tx_types, tx_infos, strict=True)]
        commands = [parse(kind, info) for kind, (_, info) in zip(tx_types, loaded, strict=True)]
        state = acceptance.check_batch(self._store, commands, stamp[0])
        if digests is None:
            pairs = zip(tx_types, loaded, strict=True)
            digests = [tx_hash(self.chain_id, kind, info) for kind, (_, info) in pairs]
        texts = [text for text, _ in loaded]
        recorded = [list(tx_types), texts, list(digests), *([list(plans)] if plans else [])]
        self._commit("submit_batch", stamp, *recorded)
        chosen = [plan_of(plan) for plan in plans or [None] * len(texts)]
        queued = zip(commands, texts, digests, chosen, strict=True)
        return [self._accept(state, *row) for row in queued]

    def _accept(
        self, state: AccountState, command: Command, text: str, digest: str, plan: Plan | None
    ) -> Accepted:
        """Spend the nonce and queue the transaction behind the others of its key.

        Nobody is told that one is held: the time predicted is that of any other queue.
        """
        store, head = self._store, command.head
        due = store.now_ms + self._delay_ms(state, command)
        latest = due + state.terms.taker_delay_ms
        if plan is not None:
            due = max(due, plan.hold_until_ms)
        waiting = state.pending_by_key.get(head.api_key_index)
        store.last_sequence += 1
        tx = Tx(
            hash=digest,
            type=head.tx_type,
            info=text,
            event_info="",
            status=TxStatus.PENDING,
            account_index=head.account_index,
            api_key_index=head.api_key_index,
            nonce=head.nonce,
            sequence_index=store.last_sequence,
            queued_ms=store.now_ms,
            due_ms=max(due, waiting[1]) if waiting else due,
            executed_ms=0,
            expire_at=head.expired_at,
            block_height=0,
        )
        state.account.api_keys[head.api_key_index].next_nonce = head.nonce + 1
        executor.enter_queue(state, tx, command)
        queued = executor.Queued(tx, command, state, plan)
        heapq.heappush(self._queue, (tx.due_ms, tx.sequence_index, queued))
        store.set_tx(tx)
        return Accepted(digest, min(tx.due_ms, latest))

    def _delay_ms(self, state: AccountState, command: Command) -> int:
        """Return the tier's delay: what may take waits longest, what can only rest goes first.

        A modification waits as a cancel does, and as a taker does where it would cross.
        """
        terms = state.terms
        if isinstance(command, CreateOrder):
            if command.time_in_force is TimeInForce.POST_ONLY:
                return terms.maker_delay_ms
            takes = not command.rests or self._crosses(command, is_ask=command.is_ask)
        elif isinstance(command, ModifyOrder):
            order = executor.find_active(self._store, state, command.market_id, command.index)
            plain = order is not None and order.time_in_force is TimeInForce.GTT
            if order is None or not plain or not self._crosses(command, is_ask=order.is_ask):
                return terms.cancel_delay_ms
            takes = True
        else:
            return terms.cancel_delay_ms
        return terms.taker_delay_ms if takes else terms.maker_delay_ms

    def _crosses(self, command: CreateOrder | ModifyOrder, *, is_ask: bool) -> bool:
        book = self._store.markets[command.market_id].book
        return book.would_cross(command.price, is_ask=is_ask)

    def _execute(self, queued: executor.Queued) -> None:
        """Run a transaction; note the deadlines that it sets."""
        executor.run(self._store, queued)
        command, account = queued.command, queued.state.account
        if isinstance(command, CreateOrder) and command.rests:
            for index in reversed(queued.state.active.get(command.market_id, {})):
                order = self._store.orders[index]
                if order.tx_hash == queued.tx.hash:
                    self._deadlines.add(order.order_expiry, index)
                break
        elif isinstance(command, CancelAll) and account.cancel_all_time:
            self._deadlines.add(account.cancel_all_time, account.index)

    def _pass_deadline(self, index: int) -> None:
        """Expire an order, or let a dead-man switch cancel everything of its account."""
        store = self._store
        store.block_height += 1
        if index >= ORDER_INDEX_BASE:
            store.finish(store.orders[index], OrderStatus.CANCELED_EXPIRED)
            return
        state = store.accounts[index]
        state.account.cancel_all_time = 0
        executor.cancel_all(store, state)
