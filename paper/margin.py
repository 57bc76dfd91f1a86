"""Margin: what an account is worth and what it must hold, at the current mark prices (micros).

Cross margin only. House accounts have no limits. Rules: docs, "Liquidations & Insurance Fund".
"""

from __future__ import annotations

from paper.records import RATIO, AccountSummary, Health, Position, PositionSummary
from paper.store import AccountState, MarketState, Store


def _requirement(value: int, fraction: int) -> int:
    return -(-value * fraction // RATIO)


def _value(market: MarketState, lots: int) -> int:
    return market.config.quote(abs(lots), market.mark)


def unrealized(market: MarketState, position: Position) -> int:
    """Return the unrealized PnL of a position."""
    return market.config.quote(position.lots, market.mark) - position.signed_entry_quote


def total_value(store: Store, state: AccountState) -> int:
    """Return collateral plus unrealized PnL."""
    markets = store.markets
    return state.account.collateral + sum(
        unrealized(markets[p.market_id], p) for p in state.account.positions.values() if p.lots
    )


def initial_margin(store: Store, state: AccountState) -> int:
    """Return the initial requirement of the positions."""
    return sum(
        _requirement(_value(store.markets[p.market_id], p.lots), p.imf)
        for p in state.account.positions.values()
    )


def maintenance_margin(store: Store, state: AccountState) -> int:
    """Return the maintenance requirement of the positions."""
    markets = store.markets
    return sum(
        _requirement(_value(markets[p.market_id], p.lots), markets[p.market_id].config.mmf)
        for p in state.account.positions.values()
        if p.lots
    )


def closeout_margin(store: Store, state: AccountState) -> int:
    """Return the close-out requirement of the positions."""
    markets = store.markets
    return sum(
        _requirement(_value(markets[p.market_id], p.lots), markets[p.market_id].config.closeout_mf)
        for p in state.account.positions.values()
        if p.lots
    )


def health(store: Store, state: AccountState) -> Health:
    """Return what an account may do; one without positions is healthy.

    One pass for the usual answer, as it is asked after every fill.
    """
    value, initial = state.account.collateral, 0
    for position in state.account.positions.values():
        if position.lots:
            market = store.markets[position.market_id]
            worth = market.config.quote(position.lots, market.mark)
            value += worth - position.signed_entry_quote
            initial += _requirement(abs(worth), position.imf)
    if value >= initial or initial == 0:
        return Health.HEALTHY
    if value >= maintenance_margin(store, state):
        return Health.PRE_LIQUIDATION
    return Health.LIQUIDATION


def zero_price(store: Store, state: AccountState, position: Position) -> int:
    """Return the price (ticks) at which closing leaves value / maintenance margin as it is.

    Rounded for the account: up where it sells, down where it buys; at least one tick.
    """
    market = store.markets[position.market_id]
    value, needed = total_value(store, state), maintenance_margin(store, state)
    # mark x (1 -+ mmf x value / needed), with mmf in 1e-4
    shift, scale = market.config.mmf * value, needed * RATIO
    if position.lots > 0:
        return max(1, -(-market.mark * (scale - shift) // scale))
    return max(1, market.mark * (scale + shift) // scale)


def initial_margin_with_orders(
    store: Store,
    state: AccountState,
    extra: tuple[int, bool, int] | None = None,
    imf: tuple[int, int] | None = None,
) -> int:
    """Return the requirement if in each market the worse side of the resting orders filled.

    `extra` is one more resting order, (market id, is_ask, lots), where negative lots take some
    away; `imf` is another initial margin fraction, (market id, 1e-4).
    """
    total = 0
    for market_id, market in store.markets.items():
        position = state.account.positions.get(market_id)
        lots = position.lots if position else 0
        bids = state.resting.get((market_id, False), 0)
        asks = state.resting.get((market_id, True), 0)
        if extra and extra[0] == market_id:
            asks += extra[2] if extra[1] else 0
            bids += 0 if extra[1] else extra[2]
        worst = max(abs(lots), abs(lots + bids), abs(lots - asks))
        if worst:
            fraction = position.imf if position else market.config.default_imf
            if imf and imf[0] == market_id:
                fraction = imf[1]
            total += _requirement(_value(market, worst), fraction)
    return total


def can_rest(store: Store, state: AccountState, market_id: int, lots: int, *, is_ask: bool) -> bool:
    """Return whether one more resting order is covered; one that adds no risk always is."""
    if state.house:
        return True
    needed = initial_margin_with_orders(store, state, (market_id, is_ask, lots))
    if needed <= total_value(store, state):
        return True
    return needed <= initial_margin_with_orders(store, state)


def can_lever(store: Store, state: AccountState, position: Position, imf: int) -> bool:
    """Return whether the initial margin fraction of a position may become `imf`."""
    if imf <= position.imf:
        return True
    needed = initial_margin_with_orders(store, state, imf=(position.market_id, imf))
    return needed <= total_value(store, state)


def can_hold(
    store: Store, state: AccountState, before: Position, after: Position, pnl: int
) -> bool:
    """Return whether a fill may turn `before` into `after`; reducing is always allowed."""
    if state.house:
        return True
    same_side = (before.lots >= 0) == (after.lots >= 0)
    if after.lots == 0 or (same_side and abs(after.lots) <= abs(before.lots)):
        return True
    market = store.markets[after.market_id]
    value = total_value(store, state) + pnl
    value += unrealized(market, after) - unrealized(market, before)
    needed = initial_margin(store, state)
    needed += _requirement(_value(market, after.lots), after.imf)
    needed -= _requirement(_value(market, before.lots), before.imf)
    return needed <= value


def summary(store: Store, state: AccountState) -> AccountSummary:
    """Return the derived money of an account."""
    value = total_value(store, state)
    initial = initial_margin(store, state)
    with_orders = initial_margin_with_orders(store, state)
    return AccountSummary(
        collateral=state.account.collateral,
        unrealized_pnl=value - state.account.collateral,
        total_value=value,
        initial_margin=initial,
        order_margin=with_orders - initial,
        maintenance_margin=maintenance_margin(store, state),
        available_balance=max(0, value - with_orders),
        closeout_margin=closeout_margin(store, state),
    )


def position_summary(store: Store, state: AccountState, market_id: int) -> PositionSummary:
    """Return a position with its derived values."""
    market = store.markets[market_id]
    position = state.position(market.config)
    size, value = abs(position.lots), _value(market, position.lots)
    unit: int = 10**market.config.size_decimals
    return PositionSummary(
        position=position,
        value=value,
        unrealized_pnl=unrealized(market, position),
        initial_margin=_requirement(value, position.imf),
        avg_entry_price_micros=position.entry_quote * unit // size if size else 0,
        open_order_count=state.active_count(market_id),
    )
