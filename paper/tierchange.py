"""The rules of `changeAccountTier` (API docs, "Account types"; codes 62001 to 62006)."""

from __future__ import annotations

from paper.errors import TxRejected
from paper.records import AccountTier, Tier
from paper.store import AccountState, Store
from paper.tiers import MIN_CHANGE_MS

CHOICES = (Tier.STANDARD, Tier.PLUS, Tier.PREMIUM)


def check(store: Store, state: AccountState, name: str, now_ms: int) -> AccountTier:
    """Return the tier that an owner changes to, or raise TxRejected."""
    master = state.account.master
    old = store.tier_of(master)
    if name not in CHOICES:
        raise TxRejected(62002, "invalid tier")
    if name == old.tier:
        raise TxRejected(62003, "account already part of requested tier")
    own = [each for each in store.accounts.values() if each.account.master == master]
    if any(position.lots for each in own for position in each.account.positions.values()):
        raise TxRejected(62004, "account has open positions")
    if any(each.account.total_order_count for each in own):
        raise TxRejected(62005, "account has open orders")
    if old.changed_ms and now_ms - old.changed_ms < MIN_CHANGE_MS:
        raise TxRejected(62006, "too frequent tier change request")
    return AccountTier(Tier(name), old.staked_lit, now_ms)
