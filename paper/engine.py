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

from paper import acceptance, executor, house, replay
from paper.deadlines import Deadlines
from paper.errors import AdminError, TxRejected
from paper.hashing import tx_hash
from paper.markets import DEFAULT_MARKETS
from paper.queries import Queries
from paper.records import (
    ORDER_INDEX_BASE,
    Accepted,
    Account,
    ApiKey,
    CollateralChanged,
    EngineEvent,
    HouseStep,
    MarketConfig,
    OrderStatus,
    Quote,
    Tier,
    TimeInForce,
    Trade,
    Tx,
    TxStatus,
    is_house,
)
from paper.store import AccountState, MarketState, Store
from paper.txinfo import (
    MAX_AMOUNT,
    MAX_API_KEY_INDEX,
    MAX_PRICE,
    CancelAll,
    Command,
    CreateOrder,
    load,
    parse,
)

__all__ = ["DEFAULT_MARKETS", "AdminError", "Engine", "Entry", "TxRejected"]

Entry = list[Any]
"""One recorded input, JSON-ready: [kind, now_ms, mono_ns, *arguments]."""

Stamp = tuple[int, int]
"""(Epoch ms, monotonic ns) of one input."""


class Engine(Queries):
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

        `recorder` is called with each input before it takes effect; if it raises, nothing changed.
        """
        self._store = Store(markets)
        self.tier = tier
        self.chain_id = chain_id
        self._clock = clock
        self._mono = mono
        self.recorder = recorder
        self._replaying: Stamp | None = None
        self._queue: list[tuple[int, int, executor.Queued]] = []
        self._deadlines = Deadlines(self._store)

    # transactions -------------------------------------------------------------------------------

    def submit(self, tx_type: int, tx_info: str | dict[str, Any]) -> Accepted:
        """Check a transaction and queue it, or raise TxRejected with nothing changed.

        Its nonce is spent from here on. Call `advance(now)` afterwards: at tier "instant" that
        executes it.
        """
        return self._submit(tx_type, tx_info)

    def advance(self, now_ms: int) -> None:
        """Do everything due at `now_ms`: queued transactions, order expiry, dead-man switches."""
        due = self.next_due_ms()
        if due is None or due > now_ms:
            return
        self._commit("advance", self._stamp(now_ms))
        while True:
            deadline = self._deadlines.next_ms()
            queued = self._queue[0][0] if self._queue else None
            first = min(t for t in (deadline, queued, now_ms + 1) if t is not None)
            if first > now_ms:
                break
            if deadline == first:
                self._pass_deadline(self._deadlines.pop())
            else:
                self._execute(heapq.heappop(self._queue)[2])
            self._settle()

    def next_due_ms(self) -> int | None:
        """Return when `advance` has something to do next (epoch ms; may be past), or None."""
        deadline = self._deadlines.next_ms()
        if not self._queue:
            return deadline
        queued = self._queue[0][0]
        return queued if deadline is None else min(deadline, queued)

    def drain_events(self) -> list[EngineEvent]:
        """Return the events since the last call, oldest first, and forget them."""
        events, self._store.events = self._store.events, []
        return events

    # admin --------------------------------------------------------------------------------------

    def add_account(self, index: int, master: str, collateral: int) -> None:
        """Create an account with `collateral` micros; AdminError if it exists."""
        if not 0 < index < MAX_AMOUNT or is_house(index) or index in self._store.accounts:
            raise AdminError(f"account {index} exists or has an impossible index")
        if collateral < 0:
            raise AdminError("collateral must not be negative")
        self._commit("add_account", self._stamp(), index, master, collateral)
        account = Account(index, master, collateral, self._store.now_ms)
        self._store.accounts[index] = AccountState(account, house=False)
        self._store.deposits += collateral
        self._store.emit(CollateralChanged, index, collateral)

    def add_collateral(self, index: int, amount_micros: int) -> None:
        """Give collateral, or take it away (negative); never below zero: AdminError."""
        state = self._user(index)
        if amount_micros < 0 and state.account.collateral + amount_micros < 0:
            raise AdminError(f"account {index} has only {state.account.collateral} micros")
        self._commit("add_collateral", self._stamp(), index, amount_micros)
        self._store.deposits += amount_micros
        self._store.add_collateral(state, amount_micros)

    def add_key(self, account: int, key_index: int, public_key: str) -> None:
        """Register or replace an API key (hex, 0x optional); its nonce continues where it was."""
        state = self._user(account)
        if not 0 <= key_index <= MAX_API_KEY_INDEX:
            raise AdminError(f"api key index {key_index} is not in 0..{MAX_API_KEY_INDEX}")
        self._commit("add_key", self._stamp(), account, key_index, public_key)
        old = state.account.api_keys.get(key_index)
        nonce = old.next_nonce if old else state.spent_nonces.get(key_index, 0)
        text = public_key.removeprefix("0x").lower()
        state.account.api_keys[key_index] = ApiKey(text, nonce, self._store.now_ms)

    def delete_key(self, account: int, key_index: int) -> None:
        """Remove an API key; queued transactions of it fail at execution."""
        state = self._user(account)
        if key_index not in state.account.api_keys:
            raise AdminError(f"account {account} has no api key {key_index}")
        self._commit("delete_key", self._stamp(), account, key_index)
        state.spent_nonces[key_index] = state.account.api_keys.pop(key_index).next_nonce

    def set_mark_price(self, market_id: int, price_ticks: int) -> None:
        """Set mark and index price."""
        market = self._known(market_id)
        if not 0 < price_ticks <= MAX_PRICE:
            raise AdminError(f"price {price_ticks} is not in 1..{MAX_PRICE}")
        self._commit("set_mark_price", self._stamp(), market_id, price_ticks)
        market.mark = market.index = price_ticks

    def set_force_reduce_only(self, market_id: int, *, on: bool) -> None:
        """Let a market only reduce positions: others end as canceled-position-not-allowed."""
        market = self._known(market_id)
        self._commit("set_force_reduce_only", self._stamp(), market_id, on)
        market.force_reduce_only = on

    # house --------------------------------------------------------------------------------------

    def take(
        self, market_id: int, *, is_ask: bool, lots: int, until_account: int | None = None
    ) -> list[Trade]:
        """Execute a market order of the anonymous house taker at once; return its trades.

        It sweeps the book in true price-time order without a price cap. With `until_account` it
        takes as much as is needed to fill `lots` of that account's resting orders, then stops:
        whatever is ahead of them is taken too; without any such order nothing is. At most the
        last 1,000 trades are returned.
        """
        market = self._known(market_id)
        if not 0 < lots <= MAX_AMOUNT:
            raise AdminError(f"size {lots} is not in 1..{MAX_AMOUNT}")
        self._commit("take", self._stamp(), market_id, is_ask, lots, until_account)
        if until_account is not None:
            lots = house.lots_until(self._store, market, lots, until_account, is_ask=is_ask)
        trades = house.take(self._store, market, lots, is_ask=is_ask) if lots else []
        self._settle()
        return trades

    def set_ladder(self, market_id: int, quotes: Sequence[Quote]) -> None:
        """Rest a static ladder of the house, topped up after every execution.

        A level that was hit is renewed at full size behind the users' orders at its price; a level
        that would cross a user's order is left out until it no longer does.
        """
        market = self._known(market_id)
        self._commit("set_ladder", self._stamp(), market_id, replay.quote_rows(quotes))
        house.set_ladder(self._store, market, tuple(quotes))
        self._settle()

    def house_step(self, step: HouseStep) -> list[Trade]:
        """Apply one step of the synthetic market; return its trades."""
        self._known(step.market_id)
        self._commit("house_step", self._stamp(), *replay.step_values(step))
        trades = house.step(self._store, step)
        self._settle()
        return trades

    # replay -------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> None:
        """Apply one recorded input again, with its recorded time; it is not recorded once more."""
        kind, now_ms, mono_ns, *args = entry
        self._replaying = (now_ms, mono_ns)
        try:
            if kind == "submit":
                self._submit(*args)
            elif kind == "advance":
                self.advance(now_ms)
            else:
                replay.apply_admin(self, kind, args)
        finally:
            self._replaying = None

    # inside -------------------------------------------------------------------------------------

    def _submit(
        self, tx_type: int, tx_info: str | dict[str, Any], digest: str | None = None
    ) -> Accepted:
        """Check, record and queue a transaction; a replay knows its hash already."""
        stamp = self._stamp()
        text, info = load(tx_type, tx_info)
        command = parse(tx_type, info)
        state = acceptance.check(self._store, self.tier, command, stamp[0])
        digest = digest or tx_hash(self.chain_id, tx_type, info)
        self._commit("submit", stamp, tx_type, text, digest)
        return Accepted(digest, self._accept(state, command, text, digest).due_ms)

    def _stamp(self, now_ms: int | None = None) -> Stamp:
        """Return the time of an input: recorded when replaying, else from the clocks."""
        if self._replaying is not None:
            return self._replaying
        return (self._clock() if now_ms is None else now_ms, self._mono())

    def _commit(self, kind: str, stamp: Stamp, *args: object) -> None:
        """Record an input that is sure to happen; from here on its time is the store's time."""
        if self.recorder is not None and self._replaying is None:
            self.recorder([kind, *stamp, *args])
        self._store.now_ms, self._store.mono_ns = stamp

    def _accept(self, state: AccountState, command: Command, text: str, digest: str) -> Tx:
        """Spend the nonce and queue the transaction behind the others of its key."""
        store, head = self._store, command.head
        due = store.now_ms + self._delay_ms(command)
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
        queued = executor.Queued(tx, command, state)
        heapq.heappush(self._queue, (tx.due_ms, tx.sequence_index, queued))
        store.set_tx(tx)
        return tx

    def _delay_ms(self, command: Command) -> int:
        """Return the tier's delay: takers wait longer than resting orders and cancels."""
        if not isinstance(command, CreateOrder) or command.time_in_force is TimeInForce.POST_ONLY:
            return self.tier.maker_delay_ms
        book = self._store.markets[command.market_id].book
        takes = not command.rests or book.would_cross(command.price, is_ask=command.is_ask)
        return self.tier.taker_delay_ms if takes else self.tier.maker_delay_ms

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

    def _settle(self) -> None:
        """Finish an execution: refill static ladders, announce changed price levels."""
        for market in self._store.markets.values():
            if market.ladder_dirty:
                house.refill(self._store, market)
        self._store.flush_levels()

    def _user(self, index: int) -> AccountState:
        state = self._store.accounts.get(index)
        if state is None or state.house:
            raise AdminError(f"no account {index}")
        return state

    def _known(self, market_id: int) -> MarketState:
        market = self._store.markets.get(market_id)
        if market is None:
            raise AdminError(f"no market {market_id}")
        return market
