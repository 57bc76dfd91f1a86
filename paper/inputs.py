"""Admin and house inputs of the engine: accounts, keys, prices, liquidity.

Each is recorded before it takes effect, like a transaction, and is replayed through `replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from paper import funding, house, liquidation, replay, tierchange
from paper.errors import AdminError
from paper.queries import Queries
from paper.records import (
    Account,
    AccountTier,
    ApiKey,
    CollateralChanged,
    HouseStep,
    Quote,
    Tier,
    Trade,
    is_house,
)
from paper.store import AccountState, MarketState
from paper.txinfo import MAX_AMOUNT, MAX_API_KEY_INDEX, MAX_PRICE

RULES = frozenset({"min_base_lots", "min_quote_micros", "order_quote_limit_micros", "status"})
"""What an exchange changes of a market while it runs (`MarketConfig`)."""

Entry = list[Any]
"""One recorded input, JSON-ready: [kind, now_ms, mono_ns, *arguments]."""

Stamp = tuple[int, int]
"""(Epoch ms, monotonic ns) of one input."""


class Inputs(Queries):
    """The half of the engine that the administrator and the house drive."""

    _clock: Callable[[], int]
    _mono: Callable[[], int]
    _replaying: Stamp | None
    recorder: Callable[[Entry], None] | None

    # admin --------------------------------------------------------------------------------------

    def add_account(self, index: int, master: str, collateral: int) -> None:
        """Create an account with `collateral` micros; AdminError if it exists."""
        if not 0 < index < MAX_AMOUNT or is_house(index) or index in self._store.accounts:
            raise AdminError(f"account {index} exists or has an impossible index")
        if collateral < 0:
            raise AdminError("collateral must not be negative")
        self._commit("add_account", self._stamp(), index, master, collateral)
        account = Account(index, master, collateral, self._store.now_ms)
        self._store.add_account(account, house=False)
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
        self._settle()

    def add_key(self, account: int, key_index: int, public_key: str) -> None:
        """Register or replace an API key (hex, 0x optional); its nonce continues where it was."""
        state = self._user(account)
        if not 0 <= key_index <= MAX_API_KEY_INDEX:
            raise AdminError(f"api key index {key_index} is not in 0..{MAX_API_KEY_INDEX}")
        self._commit("add_key", self._stamp(), account, key_index, public_key)
        old = state.account.api_keys.get(key_index)
        nonce = old.next_nonce if old else state.spent_nonces.get(key_index, 0)
        text = public_key.removeprefix("0x").lower()
        maker_only = old is not None and old.maker_only
        state.account.api_keys[key_index] = ApiKey(text, nonce, self._store.now_ms, maker_only)

    def delete_key(self, account: int, key_index: int) -> None:
        """Remove an API key; queued transactions of it fail at execution."""
        state = self._user(account)
        if key_index not in state.account.api_keys:
            raise AdminError(f"account {account} has no api key {key_index}")
        self._commit("delete_key", self._stamp(), account, key_index)
        state.spent_nonces[key_index] = state.account.api_keys.pop(key_index).next_nonce

    def set_maker_only(self, account: int, key_indexes: Sequence[int]) -> None:
        """Let these keys of an account only post, and no other one; AdminError for a missing key.

        A key that is replaced under its index stays what it is.
        """
        keys = self._user(account).account.api_keys
        for index in key_indexes:
            if index not in keys:
                raise AdminError(f"account {account} has no api key {index}")
        self._commit("set_maker_only", self._stamp(), account, sorted(key_indexes))
        for index, key in keys.items():
            key.maker_only = index in key_indexes

    def set_mark_price(self, market_id: int, price_ticks: int) -> None:
        """Set mark and index price."""
        market = self._known(market_id)
        if not 0 < price_ticks <= MAX_PRICE:
            raise AdminError(f"price {price_ticks} is not in 1..{MAX_PRICE}")
        self._commit("set_mark_price", self._stamp(), market_id, price_ticks)
        self._store.set_mark(market, price_ticks)
        self._settle()

    def set_force_reduce_only(self, market_id: int, *, on: bool) -> None:
        """Let a market only reduce positions: others end as canceled-position-not-allowed."""
        market = self._known(market_id)
        self._commit("set_force_reduce_only", self._stamp(), market_id, on)
        market.force_reduce_only = on

    def set_rules(self, market_id: int, changes: dict[str, int | str]) -> None:
        """Change minimums, the quote limit or the status of a market: fields of its config."""
        market = self._known(market_id)
        if not set(changes) <= RULES:
            raise AdminError(f"rules are {', '.join(sorted(RULES))}")
        self._commit("set_rules", self._stamp(), market_id, changes)
        fields: dict[str, Any] = dict(changes)
        market.config = replace(market.config, **fields)

    def set_funding(self, market_id: int, rate: int) -> None:
        """Set the funding rate of a market, in 1e-6 per hour; 0 switches it off.

        It is paid at every full hour of the exchange's clock, by longs to shorts if positive.
        """
        market = self._known(market_id)
        if abs(rate) > funding.MAX_RATE:
            raise AdminError(f"rate {rate} is not within {funding.MAX_RATE} millionths per hour")
        self._commit("set_funding", self._stamp(), market_id, rate)
        funding.set_rate(self._store, market, rate)

    # tiers --------------------------------------------------------------------------------------

    def set_tier(self, account: int, tier: Tier, staked_lit: int = 0) -> None:
        """Give all accounts of an account's owner a tier at once, whatever they hold."""
        master = self._user(account).account.master
        if staked_lit < 0:
            raise AdminError("staked LIT must not be negative")
        self._commit("set_tier", self._stamp(), account, tier.value, staked_lit)
        changed_ms = self._store.tier_of(master).changed_ms
        self._store.set_tier(master, AccountTier(tier, staked_lit, changed_ms))

    def change_tier(self, account: int, tier: str) -> None:
        """Change the tier as its owner may, or raise TxRejected with nothing changed.

        The owner's accounts must have neither positions nor orders, and the last change must be
        24 h ago.
        """
        state = self._user(account)
        stamp = self._stamp()
        wanted = tierchange.check(self._store, state, tier, stamp[0])
        self._commit("change_tier", stamp, account, tier)
        self._store.set_tier(state.account.master, wanted)

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

    # inside -------------------------------------------------------------------------------------

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

    def _settle(self) -> None:
        """Finish an execution: refill ladders, liquidate, announce changed price levels."""
        store = self._store
        house.refill_all(store)
        if (store.at_risk or store.distressed) and liquidation.settle(store):
            house.refill_all(store)
        store.flush_levels()

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
