"""Funding: at every full hour longs pay shorts, or the other way round.

A payment is position x mark price x rate. Each is rounded up for who pays and down for who
receives; the exchange keeps the difference (at most a micro per account), so money is conserved.
"""

from __future__ import annotations

from dataclasses import replace

from paper.records import FEE_RATIO, FundingPaid, FundingPayment
from paper.store import AccountState, MarketState, Store
from paper.tiers import HOUR_MS

MAX_RATE = 100_000
"""In 1e-6 per hour: ten percent. (The real exchange stays within half a percent.)"""


def set_rate(store: Store, market: MarketState, rate: int) -> None:
    """Set the rate of a market and schedule the next payment, or none without any rates."""
    market.funding_rate = rate
    if not any(each.funding_rate for each in store.markets.values()):
        store.next_funding_ms = 0
    elif not store.next_funding_ms:
        store.next_funding_ms = (store.now_ms // HOUR_MS + 1) * HOUR_MS


def pay(store: Store) -> None:
    """Pay the funding of the hour that has come, in every market with a rate."""
    store.block_height += 1
    for market in store.markets.values():
        if market.funding_rate:
            market.funding_id += 1
            for state in list(store.accounts.values()):
                _pay(store, market, state)
    store.next_funding_ms += HOUR_MS


def _pay(store: Store, market: MarketState, state: AccountState) -> None:
    market_id = market.config.market_id
    position = state.account.positions.get(market_id)
    if position is None or not position.lots:
        return
    paid = -(-market.config.quote(position.lots, market.mark) * market.funding_rate // FEE_RATIO)
    store.set_position(state, replace(position, funding_paid=position.funding_paid + paid))
    store.fees_collected += paid
    store.add_collateral(state, -paid)
    if state.house:
        return
    payment = FundingPayment(
        funding_id=market.funding_id,
        account_index=state.account.index,
        market_id=market_id,
        timestamp_ms=store.next_funding_ms,
        rate=market.funding_rate,
        position_lots=position.lots,
        mark_price=market.mark,
        paid=paid,
    )
    state.payments.append(payment)
    store.emit(FundingPaid, payment)
