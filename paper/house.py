"""What the exchange's own accounts do: takers, static ladders, steps of the synthetic market.

House accounts have no transactions, no margin and no fees, act at once, and announce no events of
their own orders and positions; trades and book levels are announced like any others.
"""

from __future__ import annotations

from itertools import islice

from paper.matching import Incoming, execute
from paper.records import (
    HOUSE_LADDER,
    HOUSE_MAKER,
    HOUSE_TAKER,
    HouseStep,
    Order,
    OrderStatus,
    OrderType,
    Quote,
    TimeInForce,
    Trade,
)
from paper.store import MarketState, Store


def take(store: Store, market: MarketState, lots: int, *, is_ask: bool) -> list[Trade]:
    """Execute a market order of the house taker without a price cap; return its trades."""
    first = store.last_trade_id
    store.block_height += 1
    execute(
        store,
        Incoming(
            market=market,
            state=store.state_of(HOUSE_TAKER),
            is_ask=is_ask,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            price=0,
            lots=lots,
        ),
    )
    return _trades_since(store, market, first)


def lots_until(store: Store, market: MarketState, lots: int, account: int, *, is_ask: bool) -> int:
    """Return the size that fills `lots` of an account's orders, sweeping in true priority.

    If the account has less than that resting on the side, up to the last lot of it.
    """
    needed, swept = lots, 0
    upto = 0
    for index in market.book.side(is_ask=not is_ask).orders():
        order = store.orders[index]
        if order.account_index != account:
            swept += order.remaining_lots
            continue
        part = min(needed, order.remaining_lots)
        needed -= part
        upto = swept + part
        swept += order.remaining_lots
        if needed == 0:
            break
    return upto


def _rest(store: Store, market: MarketState, account: int, quote: Quote) -> Order:
    """Rest a house order; what it crosses on the way in is traded."""
    return execute(
        store,
        Incoming(
            market=market,
            state=store.state_of(account),
            is_ask=quote.is_ask,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTT,
            price=quote.price,
            lots=quote.lots,
        ),
    )


def refill(store: Store, market: MarketState) -> None:
    """Bring every ladder level back to its size, behind what rests there; skip crossing levels."""
    market.ladder_dirty = False
    for quote in market.ladder:
        index = market.ladder_orders.get(quote)
        order = store.orders.get(index) if index is not None else None
        if order is not None and order.remaining_lots == quote.lots:
            continue
        if order is not None:
            store.finish(order, OrderStatus.CANCELED)
        if market.book.would_cross(quote.price, is_ask=quote.is_ask):
            market.ladder_orders.pop(quote, None)
            market.ladder_dirty = True
        else:
            row = _rest(store, market, HOUSE_LADDER, quote)
            market.ladder_orders[quote] = row.order_index


def refill_all(store: Store) -> None:
    """Refill the ladders that were hit, in all markets."""
    for market in store.markets.values():
        if market.ladder_dirty:
            refill(store, market)


def set_ladder(store: Store, market: MarketState, quotes: tuple[Quote, ...]) -> None:
    """Replace the static ladder of a market."""
    for index in market.ladder_orders.values():
        order = store.orders.get(index)
        if order is not None:
            store.finish(order, OrderStatus.CANCELED)
    market.ladder_orders.clear()
    market.ladder = quotes
    refill(store, market)


def step(store: Store, step_: HouseStep) -> list[Trade]:
    """Apply one step of the synthetic market: price, cancels, quotes, one taker.

    Quotes trade with users' orders that the price has run through, and otherwise keep away from
    them. Returns all trades.
    """
    market = store.markets[step_.market_id]
    store.set_mark(market, step_.mark_price)
    first = store.last_trade_id
    for index in step_.cancel:
        order = store.orders.get(index)
        if order is not None and order.account_index == HOUSE_MAKER:
            store.finish(order, OrderStatus.CANCELED)
    store.block_height += 1
    for quote in step_.quotes:
        best = market.book.side(is_ask=not quote.is_ask).best()
        crosses = market.book.would_cross(quote.price, is_ask=quote.is_ask)
        if best is not None and crosses and abs(best - market.mark) < step_.run_through:
            continue
        _rest(store, market, HOUSE_MAKER, quote)
    if step_.take_lots:
        take(store, market, step_.take_lots, is_ask=step_.take_is_ask)
    return _trades_since(store, market, first)


def _trades_since(store: Store, market: MarketState, trade_id: int) -> list[Trade]:
    """Return the trades after `trade_id`, oldest first, as far as the market keeps them."""
    made = min(store.last_trade_id - trade_id, len(market.trades))
    return list(islice(reversed(market.trades), made))[::-1]
