"""Liquidation: what the exchange does with an account below its margin requirements.

Rules: docs, "Liquidations & Insurance Fund". Below the maintenance margin all orders go, then
positions are closed in the book, one by one, at their zero price or better, until the account is
above it again. Below the close-out margin the insurance fund takes all positions at their zero
price, and what is left of the collateral.

Decided here, where the docs are silent: the position with the largest requirement goes first, as a
whole; nothing is sent while nobody offers the zero price; trades of both kinds are of type
"liquidation".
"""

from __future__ import annotations

from paper import margin
from paper.matching import Incoming, book_fill, execute, legs, row_of
from paper.records import (
    HOUSE_INSURANCE,
    AccountSummary,
    Health,
    Liquidated,
    Liquidation,
    Notification,
    Notified,
    OrderStatus,
    OrderType,
    Position,
    TimeInForce,
)
from paper.store import AccountState, MarketState, Store


def settle(store: Store) -> bool:
    """Look at every account at risk, and again at those that this puts at risk.

    Return whether any was liquidated, or might have been.
    """
    at_risk, acted = store.at_risk, False
    at_risk.update(store.distressed)
    while at_risk:
        index = next(iter(at_risk))
        del at_risk[index]
        state = store.accounts[index]
        state.health = margin.health(store, state)
        if state.health is Health.LIQUIDATION:
            store.distressed[index] = None
            acted = True
            _liquidate(store, state)
        else:
            store.distressed.pop(index, None)
    return acted


def _liquidate(store: Store, state: AccountState) -> None:
    """Do to an account below its maintenance margin what can be done now."""
    _cancel_orders(store, state)
    if margin.total_value(store, state) < margin.closeout_margin(store, state):
        _take_over(store, state)
        return
    for position in _by_requirement(store, state):
        if _sell_off(store, state, position):
            return


def _cancel_orders(store: Store, state: AccountState) -> None:
    if state.account.total_order_count:
        store.block_height += 1
    for indexes in list(state.active.values()):
        for index in list(indexes):
            store.finish(store.orders[index], OrderStatus.CANCELED_LIQUIDATION)


def _by_requirement(store: Store, state: AccountState) -> list[Position]:
    """Return the positions, that with the largest maintenance requirement first."""

    def weight(position: Position) -> tuple[int, int]:
        config, mark = (
            store.markets[position.market_id].config,
            store.markets[position.market_id].mark,
        )
        return (-config.quote(abs(position.lots), mark) * config.mmf, position.market_id)

    return sorted((p for p in state.account.positions.values() if p.lots), key=weight)


def _order(store: Store, state: AccountState, position: Position) -> Incoming:
    """Return the order that closes a position at its zero price or better."""
    return Incoming(
        market=store.markets[position.market_id],
        state=state,
        is_ask=position.lots > 0,
        type=OrderType.LIQUIDATION,
        time_in_force=TimeInForce.IOC,
        price=margin.zero_price(store, state, position),
        lots=abs(position.lots),
        reduce_only=True,
    )


def _sell_off(store: Store, state: AccountState, position: Position) -> bool:
    """Close what the book takes at the zero price or better; return whether that was anything."""
    order = _order(store, state, position)
    market = order.market
    if not market.book.would_cross(order.price, is_ask=order.is_ask):
        return False
    store.block_height += 1
    before = margin.summary(store, state)
    execute(store, order)
    if order.filled:
        _record(store, order, before, takeover=False)
    return order.filled > 0


def _take_over(store: Store, state: AccountState) -> None:
    """Give all positions to the insurance fund at their zero price, then the collateral."""
    store.block_height += 1
    fund = store.state_of(HOUSE_INSURANCE)
    for position in _by_requirement(store, state):
        before = margin.summary(store, state)
        order = _order(store, state, position)
        order.remaining = order.lots
        market: MarketState = order.market
        order.nonce = market.take_nonce(is_ask=order.is_ask)
        taken = Incoming(
            market=market,
            state=fund,
            is_ask=not order.is_ask,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
            price=order.price,
            lots=order.lots,
            nonce=market.take_nonce(is_ask=not order.is_ask),
        )
        maker = row_of(store, taken, OrderStatus.FILLED)
        book_fill(store, order, maker, legs(store, order, maker, order.lots), lots=order.lots)
        store.keep_finished(row_of(store, order, OrderStatus.FILLED))
        _record(store, order, before, takeover=True)
    left = state.account.collateral
    store.add_collateral(fund, left)
    store.add_collateral(state, -left)


def _record(store: Store, order: Incoming, before: AccountSummary, *, takeover: bool) -> None:
    """Remember a liquidation, announce it, and tell the owner."""
    store.last_liquidation_id += 1
    state, index = order.state, order.state.account.index
    liquidation = Liquidation(
        liquidation_id=store.last_liquidation_id,
        account_index=index,
        market_id=order.market.config.market_id,
        takeover=takeover,
        is_ask=order.is_ask,
        lots=order.filled,
        quote=order.filled_quote,
        zero_price=order.price,
        mark_price=order.market.mark,
        before=before,
        after=margin.summary(store, state),
        timestamp_ms=store.now_ms,
    )
    state.liquidations.append(liquidation)
    store.emit(Liquidated, liquidation)
    notification = Notification(store.last_liquidation_id, index, store.now_ms, liquidation)
    state.notifications.append(notification)
    store.emit(Notified, notification)
