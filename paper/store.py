"""State of the exchange and the events that its changes make.

Every change of an order, a position or a balance goes through this module, so that indexes,
books and events cannot drift apart. Rules (what may happen) live in `acceptance` and `matching`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from paper.book import Book
from paper.records import (
    ORDER_INDEX_BASE,
    Account,
    AccountTier,
    BookLevelChanged,
    CollateralChanged,
    EngineEvent,
    FundingPayment,
    Health,
    Liquidation,
    MarketConfig,
    Notification,
    Order,
    OrderChanged,
    OrderStatus,
    Position,
    PositionChanged,
    Quote,
    Tier,
    Trade,
    TradeHappened,
    Tx,
    TxChanged,
    is_house,
)
from paper.tiers import Terms, terms_of

KEPT_ACCOUNT_TRADES = 3_000
KEPT_MARKET_TRADES = 1_000
KEPT_ORDERS = 10_000
KEPT_TXS = 10_000
KEPT_PAYMENTS = 1_000
KEPT_LIQUIDATIONS = 100


@dataclass(slots=True)
class MarketState:
    """One market as it is now."""

    config: MarketConfig
    mark: int
    index: int
    book: Book = field(default_factory=Book)
    last_price: int | None = None
    open_interest: int = 0
    """Sum of all long positions in lots."""
    next_ask_nonce: int = 1
    next_bid_nonce: int = ORDER_INDEX_BASE - 1
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=KEPT_MARKET_TRADES))
    force_reduce_only: bool = False
    ladder: tuple[Quote, ...] = ()
    ladder_orders: dict[Quote, int] = field(default_factory=dict)
    ladder_dirty: bool = False
    holders: dict[int, None] = field(default_factory=dict)
    """User accounts with a position."""
    funding_rate: int = 0
    """Per hour in 1e-6; longs pay shorts when it is positive."""
    funding_id: int = 0

    def take_nonce(self, *, is_ask: bool) -> int:
        """Return the next order nonce: asks count up, bids count down."""
        if is_ask:
            self.next_ask_nonce += 1
            return self.next_ask_nonce - 1
        self.next_bid_nonce -= 1
        return self.next_bid_nonce + 1


@dataclass(slots=True)
class AccountState:
    """One account with the indexes over what it owns."""

    account: Account
    house: bool
    terms: Terms
    health: Health = Health.HEALTHY
    """As of the last change of its money, its positions or their mark prices."""
    active: dict[int, dict[int, None]] = field(default_factory=dict)
    """Market to resting order indexes, oldest first."""
    active_clients: dict[int, int] = field(default_factory=dict)
    reduce_only: dict[int, dict[int, None]] = field(default_factory=dict)
    """Market to resting reduce-only order indexes."""
    resting: dict[tuple[int, bool], int] = field(default_factory=dict)
    """(Market, is_ask) to resting lots that are not reduce-only."""
    finished: dict[int, None] = field(default_factory=dict)
    finished_clients: dict[int, int] = field(default_factory=dict)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=KEPT_ACCOUNT_TRADES))
    txs: deque[int] = field(default_factory=deque)
    """Sequence indexes, oldest first."""
    pending: int = 0
    pending_clients: dict[int, int] = field(default_factory=dict)
    """Client order indexes of queued creates, with their count."""
    spent_nonces: dict[int, int] = field(default_factory=dict)
    """Next nonces of deleted keys, so that no nonce is ever good twice."""
    pending_by_key: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Key to (number of queued transactions, due time of the last one)."""
    payments: deque[FundingPayment] = field(default_factory=lambda: deque(maxlen=KEPT_PAYMENTS))
    liquidations: deque[Liquidation] = field(
        default_factory=lambda: deque(maxlen=KEPT_LIQUIDATIONS)
    )
    notifications: deque[Notification] = field(
        default_factory=lambda: deque(maxlen=KEPT_LIQUIDATIONS)
    )
    void: dict[int, int] = field(default_factory=dict)
    """Key to the last sequence index whose nonce was given back while it was queued."""

    def position(self, market: MarketConfig) -> Position:
        """Return the position in a market, an empty one if never traded."""
        found = self.account.positions.get(market.market_id)
        return found or Position(market.market_id, 0, 0, 0, market.default_imf)

    def active_count(self, market_id: int | None = None) -> int:
        """Return how many orders rest, in one market or in all."""
        if market_id is not None:
            return len(self.active.get(market_id, ()))
        return sum(len(orders) for orders in self.active.values())


class Store:
    """Everything the exchange knows."""

    def __init__(self, markets: Iterable[MarketConfig], tier: Tier) -> None:
        """Start with empty books and no accounts; `tier` is that of every new owner."""
        self.markets: dict[int, MarketState] = {
            m.market_id: MarketState(
                m, m.start_price_ticks, m.start_price_ticks, force_reduce_only=m.force_reduce_only
            )
            for m in markets
        }
        self.accounts: dict[int, AccountState] = {}
        self.orders: dict[int, Order] = {}
        self.txs: dict[int, Tx] = {}
        self.tx_hashes: dict[str, int] = {}
        self.events: list[EngineEvent] = []
        self.seq = 0
        self.now_ms = 0
        self.mono_ns = 0
        self.block_height = 0
        self.last_trade_id = 0
        self.last_sequence = 0
        self.last_us = 0
        self.fees_collected = 0
        self.deposits = 0
        """Micros ever given to accounts, less what was taken away."""
        self.default_tier = AccountTier(tier, 0, 0)
        self.tiers: dict[str, AccountTier] = {}
        """By owner; who is not here has the default tier."""
        self.at_risk: dict[int, None] = {}
        """User accounts whose health must be looked at before the input is done."""
        self.distressed: dict[int, None] = {}
        """User accounts below their maintenance margin."""
        self.next_funding_ms = 0
        """The full hour at which funding is paid next, 0 while all rates are zero."""
        self.last_liquidation_id = 0

    # events -------------------------------------------------------------------------------------

    def emit(self, event: type[Any], *values: object) -> None:
        """Append an event with the next sequence number and the time of the current input."""
        self.seq += 1
        self.events.append(event(self.seq, self.mono_ns, *values))

    def tick_us(self) -> int:
        """Return a unique, growing time in microseconds."""
        self.last_us = max(self.last_us + 1, self.now_ms * 1_000)
        return self.last_us

    def flush_levels(self) -> None:
        """Emit the price levels that changed since the last call."""
        for market_id, market in self.markets.items():
            for is_ask in (False, True):
                side = market.book.side(is_ask=is_ask)
                if side.touched:
                    for price, lots in side.take_touched():
                        self.emit(BookLevelChanged, market_id, is_ask, price, lots)

    # orders -------------------------------------------------------------------------------------

    def rest(self, order: Order) -> None:
        """Put an open order into the book and the indexes."""
        state, key = self.accounts[order.account_index], (order.market_id, order.is_ask)
        self.orders[order.order_index] = order
        self.markets[order.market_id].book.side(is_ask=order.is_ask).add(
            order.price, order.order_index, order.remaining_lots
        )
        state.active.setdefault(order.market_id, {})[order.order_index] = None
        state.account.total_order_count += 1
        if order.client_order_index:
            state.active_clients[order.client_order_index] = order.order_index
        if order.reduce_only:
            state.reduce_only.setdefault(order.market_id, {})[order.order_index] = None
        else:
            state.resting[key] = state.resting.get(key, 0) + order.remaining_lots
        if not state.house:
            self.emit(OrderChanged, order)

    def shrink(self, order: Order, remaining: int, *, lots: int = 0, quote: int = 0) -> Order:
        """Lower the remaining size of a resting order, adding `lots` and `quote` to its fills."""
        if remaining == 0 and lots:
            clipped = order.reduce_only and order.filled_lots + lots < order.initial_lots
            status = OrderStatus.CANCELED_REDUCE_ONLY if clipped else OrderStatus.FILLED
            return self.finish(order, status, lots=lots, quote=quote)
        state = self.accounts[order.account_index]
        self._resize(state, order, remaining)
        changed = replace(
            order,
            remaining_lots=remaining,
            filled_lots=order.filled_lots + lots,
            filled_quote=order.filled_quote + quote,
            updated_ms=self.now_ms,
            transaction_us=self.tick_us(),
            block_height=self.block_height,
        )
        self.orders[order.order_index] = changed
        if not state.house:
            self.emit(OrderChanged, changed)
        return changed

    def lift(self, order: Order) -> AccountState:
        """Take a resting order out of the book and the indexes, without a word; return its owner.

        The caller ends it or puts it back.
        """
        state, index = self.accounts[order.account_index], order.order_index
        self._resize(state, order, 0)
        del state.active[order.market_id][index]
        state.account.total_order_count -= 1
        if order.reduce_only:
            del state.reduce_only[order.market_id][index]
        if order.client_order_index:
            del state.active_clients[order.client_order_index]
        return state

    def finish(self, order: Order, status: OrderStatus, *, lots: int = 0, quote: int = 0) -> Order:
        """End a resting order, adding `lots` and `quote` to its fills."""
        state, index = self.lift(order), order.order_index
        if state.house:
            del self.orders[index]
        ended = replace(
            order,
            remaining_lots=0,
            filled_lots=order.filled_lots + lots,
            filled_quote=order.filled_quote + quote,
            status=status,
            updated_ms=self.now_ms,
            transaction_us=self.tick_us(),
            block_height=self.block_height,
        )
        if not state.house:
            self.keep_finished(ended)
        return ended

    def keep_finished(self, order: Order) -> None:
        """Remember an ended order of a user and announce it; forget the oldest beyond the bound."""
        state = self.accounts[order.account_index]
        self.orders[order.order_index] = order
        state.finished[order.order_index] = None
        if order.client_order_index:
            state.finished_clients[order.client_order_index] = order.order_index
        if len(state.finished) > KEPT_ORDERS:
            oldest = next(iter(state.finished))
            del state.finished[oldest]
            gone = self.orders.pop(oldest)
            if state.finished_clients.get(gone.client_order_index) == oldest:
                del state.finished_clients[gone.client_order_index]
        self.emit(OrderChanged, order)

    def _resize(self, state: AccountState, order: Order, remaining: int) -> None:
        self.markets[order.market_id].book.side(is_ask=order.is_ask).resize(
            order.price, order.order_index, remaining
        )
        if not order.reduce_only:
            state.resting[order.market_id, order.is_ask] -= order.remaining_lots - remaining

    # money --------------------------------------------------------------------------------------

    def set_position(self, state: AccountState, after: Position) -> None:
        """Replace a position and keep the open interest."""
        before = state.account.positions.get(after.market_id)
        market = self.markets[after.market_id]
        market.open_interest += max(0, after.lots) - max(0, before.lots if before else 0)
        state.account.positions[after.market_id] = after
        if not state.house:
            index = state.account.index
            self.at_risk[index] = None
            if after.lots:
                market.holders[index] = None
            else:
                market.holders.pop(index, None)
            self.emit(PositionChanged, index, after)

    def add_collateral(self, state: AccountState, micros: int) -> None:
        """Change the collateral of an account."""
        if micros:
            state.account.collateral += micros
            if not state.house:
                self.at_risk[state.account.index] = None
                self.emit(CollateralChanged, state.account.index, state.account.collateral)

    def set_mark(self, market: MarketState, price: int) -> None:
        """Set mark and index price."""
        if price != market.mark:
            self.at_risk.update(market.holders)
        market.mark = market.index = price

    def add_trade(self, trade: Trade) -> None:
        """Remember a trade for its market and its accounts, and announce it."""
        market = self.markets[trade.market_id]
        market.last_price = trade.price
        market.trades.append(trade)
        for index in {trade.ask_account_index, trade.bid_account_index}:
            state = self.accounts[index]
            if not state.house:
                state.trades.append(trade)
        self.emit(TradeHappened, trade)

    # accounts and transactions ------------------------------------------------------------------

    def tier_of(self, master: str) -> AccountTier:
        """Return the tier of an owner."""
        return self.tiers.get(master, self.default_tier)

    def add_account(self, account: Account, *, house: bool) -> AccountState:
        """Add an account, on the terms of its owner."""
        tier = self.tier_of(account.master)
        state = AccountState(account, house, terms_of(tier.tier, tier.staked_lit))
        self.accounts[account.index] = state
        return state

    def set_tier(self, master: str, tier: AccountTier) -> None:
        """Give all accounts of an owner another tier."""
        self.tiers[master] = tier
        terms = terms_of(tier.tier, tier.staked_lit)
        for state in self.accounts.values():
            if state.account.master == master:
                state.terms = terms

    def state_of(self, index: int) -> AccountState:
        """Return the state of an account; house accounts come into being when first used."""
        state = self.accounts.get(index)
        if state is None:
            if not is_house(index):
                raise KeyError(index)
            account = Account(index, f"house-{index - (1 << 47)}", 0, self.now_ms)
            state = self.add_account(account, house=True)
        return state

    def set_tx(self, tx: Tx) -> None:
        """Remember a transaction and announce it; forget the oldest beyond the bound."""
        if tx.sequence_index not in self.txs:
            state = self.accounts[tx.account_index]
            state.txs.append(tx.sequence_index)
            self.tx_hashes[tx.hash] = tx.sequence_index
            if len(state.txs) > KEPT_TXS:
                gone = self.txs.pop(state.txs.popleft())
                if self.tx_hashes.get(gone.hash) == gone.sequence_index:
                    del self.tx_hashes[gone.hash]
        self.txs[tx.sequence_index] = tx
        self.emit(TxChanged, tx)
