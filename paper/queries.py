"""Queries: everything that may be read from the engine. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from paper import margin
from paper.records import (
    HOUSE_MAKER,
    Account,
    AccountSummary,
    AccountTier,
    FundingPayment,
    Health,
    Liquidation,
    MarketConfig,
    Notification,
    Order,
    PositionSummary,
    Trade,
    Tx,
)
from paper.store import AccountState, MarketState, Store
from paper.tiers import Terms


class Queries:
    """The reading half of the engine. Unknown accounts and markets raise KeyError."""

    _store: Store

    @property
    def markets(self) -> dict[int, MarketConfig]:
        """Markets by id."""
        return {index: market.config for index, market in self._store.markets.items()}

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event."""
        return self._store.seq

    @property
    def block_height(self) -> int:
        """Number of executions so far."""
        return self._store.block_height

    def accounts(self) -> list[Account]:
        """Return the user accounts, by index."""
        states = self._store.accounts.items()
        return [state.account for _, state in sorted(states) if not state.house]

    def account(self, index: int) -> Account | None:
        """Return a user account."""
        state = self._store.accounts.get(index)
        return None if state is None or state.house else state.account

    def summary(self, account: int) -> AccountSummary:
        """Return margin and balances of an account."""
        return margin.summary(self._store, self._state(account))

    def standing(self, account: int) -> tuple[int, int]:
        """Return an account's total value and maintenance margin (a part of `summary`)."""
        state = self._state(account)
        store = self._store
        return margin.total_value(store, state), margin.maintenance_margin(store, state)

    def position(self, account: int, market_id: int) -> PositionSummary:
        """Return a position (zero lots when never traded) with its derived values."""
        return margin.position_summary(self._store, self._state(account), market_id)

    def order(self, order_index: int) -> Order | None:
        """Return an order, active or among the finished ones that are still kept."""
        return self._store.orders.get(order_index)

    def active_orders(self, account: int, market_id: int | None = None) -> list[Order]:
        """Return the resting orders of an account, oldest first."""
        orders, active = self._store.orders, self._state(account).active
        chosen = active if market_id is None else {market_id: active.get(market_id, {})}
        found = [orders[index] for indexes in chosen.values() for index in indexes]
        return sorted(found, key=lambda order: (order.created_ms, order.block_height))

    def inactive_orders(
        self, account: int, market_id: int | None = None, limit: int = 100, offset: int = 0
    ) -> list[Order]:
        """Return finished orders of an account, newest first."""
        orders = self._store.orders
        rows = (orders[index] for index in reversed(self._state(account).finished))
        chosen = (row for row in rows if market_id is None or row.market_id == market_id)
        return list(islice(chosen, offset, offset + limit))

    def orders_by_client(self, account: int, client_ids: Iterable[int]) -> list[Order]:
        """Return the newest order for each client order index that is known."""
        state, orders = self._state(account), self._store.orders
        found: list[Order] = []
        for client in client_ids:
            index = state.active_clients.get(client) or state.finished_clients.get(client)
            if index is not None:
                found.append(orders[index])
        return found

    def account_trades(
        self,
        account: int,
        *,
        market_id: int | None = None,
        order_index: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Trade]:
        """Return trades of an account, newest first; only the latest 3,000 are kept."""
        return list(
            islice(
                (
                    trade
                    for trade in reversed(self._state(account).trades)
                    if (market_id is None or trade.market_id == market_id)
                    and (before_id is None or trade.trade_id < before_id)
                    and (
                        order_index is None
                        or order_index in {trade.ask_order_index, trade.bid_order_index}
                    )
                ),
                limit,
            )
        )

    def market_trades(self, market_id: int, limit: int = 100) -> list[Trade]:
        """Return the newest trades of a market, newest first; the latest 1,000 are kept."""
        return list(islice(reversed(self._market(market_id).trades), limit))

    def levels(
        self, market_id: int, *, is_ask: bool, limit: int | None = None
    ) -> list[tuple[int, int]]:
        """Return (price ticks, lots) per level, best first."""
        side = self._market(market_id).book.side(is_ask=is_ask)
        return [(price, side.total(price)) for price in islice(side.prices(), limit)]

    def book_orders(self, market_id: int, *, is_ask: bool, limit: int = 250) -> list[Order]:
        """Return resting orders in matching priority."""
        orders, side = self._store.orders, self._market(market_id).book.side(is_ask=is_ask)
        return [orders[index] for index in islice(side.orders(), limit)]

    def best_price(self, market_id: int, *, is_ask: bool) -> int | None:
        """Return the best price of a side in ticks."""
        return self._market(market_id).book.side(is_ask=is_ask).best()

    def mark_price(self, market_id: int) -> int:
        """Return the mark price in ticks."""
        return self._market(market_id).mark

    def index_price(self, market_id: int) -> int:
        """Return the index price in ticks."""
        return self._market(market_id).index

    def last_trade_price(self, market_id: int) -> int | None:
        """Return the price of the newest trade in ticks."""
        return self._market(market_id).last_price

    def open_interest(self, market_id: int) -> int:
        """Return the sum of all long positions in lots."""
        return self._market(market_id).open_interest

    def tx_by_hash(self, tx_hash: str) -> Tx | None:
        """Return a transaction of which the engine still knows."""
        sequence = self._store.tx_hashes.get(tx_hash)
        return None if sequence is None else self._store.txs[sequence]

    def tx_by_sequence(self, sequence_index: int) -> Tx | None:
        """Return a transaction by its sequence index."""
        return self._store.txs.get(sequence_index)

    def account_txs(
        self, account: int, *, limit: int = 100, before_sequence: int | None = None
    ) -> list[Tx]:
        """Return transactions of an account, newest first."""
        txs = self._store.txs
        return list(
            islice(
                (
                    txs[sequence]
                    for sequence in reversed(self._state(account).txs)
                    if before_sequence is None or sequence < before_sequence
                ),
                limit,
            )
        )

    def next_nonce(self, account: int, key_index: int) -> int | None:
        """Return the next nonce of a registered key, None for an unknown account or key."""
        found = self.account(account)
        key = found.api_keys.get(key_index) if found else None
        return None if key is None else key.next_nonce

    def maker_only_keys(self, account: int) -> list[int]:
        """Return the indexes of an account's keys that may only post, ascending."""
        keys = self._state(account).account.api_keys
        return sorted(index for index, key in keys.items() if key.maker_only)

    def account_tier(self, account: int) -> AccountTier:
        """Return the tier of an account's owner."""
        return self._store.tier_of(self._state(account).account.master)

    def terms(self, account: int) -> Terms:
        """Return the delays, fees and limits of an account."""
        return self._state(account).terms

    def health(self, account: int) -> Health:
        """Return what an account may do, by its margin."""
        return self._state(account).health

    def is_reduce_only(self, market_id: int) -> bool:
        """Return whether a market only lets positions shrink."""
        return self._market(market_id).force_reduce_only

    def funding_rate(self, market_id: int) -> int:
        """Return the funding rate of a market per hour, in 1e-6."""
        return self._market(market_id).funding_rate

    def funding_payments(
        self, account: int, market_id: int | None = None, limit: int = 100
    ) -> list[FundingPayment]:
        """Return the funding payments of an account, newest first; the latest 1,000 are kept."""
        rows = reversed(self._state(account).payments)
        return list(islice((r for r in rows if market_id in (None, r.market_id)), limit))

    def liquidations(
        self, account: int, market_id: int | None = None, limit: int = 100
    ) -> list[Liquidation]:
        """Return the liquidations of an account, newest first; the latest 100 are kept."""
        rows = reversed(self._state(account).liquidations)
        return list(islice((r for r in rows if market_id in (None, r.market_id)), limit))

    def notifications(self, account: int) -> list[Notification]:
        """Return the notifications of an account, newest first; the latest 100 are kept."""
        return list(reversed(self._state(account).notifications))

    def house_orders(self, market_id: int) -> list[Order]:
        """Return the resting orders of the synthetic market makers, oldest first."""
        state = self._store.accounts.get(HOUSE_MAKER)
        indexes = state.active.get(market_id, {}) if state else {}
        return [self._store.orders[index] for index in indexes]

    def totals(self) -> tuple[int, int]:
        """Return (micros deposited by admin calls, micros collected as fees)."""
        return self._store.deposits, self._store.fees_collected

    def all_accounts(self) -> list[Account]:
        """Return user and house accounts, for checks of conservation."""
        return [state.account for _, state in sorted(self._store.accounts.items())]

    def _state(self, account: int) -> AccountState:
        return self._store.accounts[account]

    def _market(self, market_id: int) -> MarketState:
        return self._store.markets[market_id]
