"""Matching: what an incoming order does to the book, by price, then time.

Semantics follow the venue's "Order types and matching": a market order's price bounds the average
of its fills, a limit price bounds every fill; a fill that the maker's margin does not allow
cancels the maker, one that the taker's margin does not allow ends the taker.
"""

from __future__ import annotations

from dataclasses import dataclass

from paper.book import BookSide
from paper.margin import can_hold, can_rest
from paper.positions import Filled, apply_fill, fee, increases, reducible
from paper.records import (
    HOUSE_LADDER,
    ORDER_INDEX_BASE,
    Order,
    OrderStatus,
    OrderType,
    Position,
    TimeInForce,
    Trade,
)
from paper.store import AccountState, MarketState, Store

EXPIRE_MAKER, EXPIRE_TAKER, EXPIRE_BOTH, REDUCE_BOTH = range(4)


@dataclass(slots=True)
class Incoming:
    """An order on its way into the book."""

    market: MarketState
    state: AccountState
    is_ask: bool
    type: OrderType
    time_in_force: TimeInForce
    price: int
    """Ticks; 0 for a house market order without a cap."""
    lots: int
    """As ordered; 0 with reduce_only: the whole position."""
    reduce_only: bool = False
    client_order_index: int = 0
    order_expiry: int = 0
    self_trade_behavior: int = EXPIRE_MAKER
    self_trade_same_master: bool = False
    tx_hash: str = ""
    tx_nonce: int = 0
    api_key_index: int = 0
    nonce: int = 0
    remaining: int = 0
    filled: int = 0
    filled_quote: int = 0

    @property
    def order_index(self) -> int:
        """Index that the order has or would have."""
        return (self.market.config.market_id + 1) * ORDER_INDEX_BASE + self.nonce


@dataclass(frozen=True, slots=True)
class _Leg:
    """One side of a fill: who, what was held, what will be held."""

    state: AccountState
    before: Position
    after: Filled


def execute(store: Store, order: Incoming) -> Order:
    """Match an order and rest, finish or refuse it; return its row.

    Rows of house accounts that do not rest are returned but not kept.
    """
    market, position = order.market, order.state.position(order.market.config)
    order.nonce = market.take_nonce(is_ask=order.is_ask)
    order.remaining = order.lots
    if order.reduce_only:
        closable = reducible(position.lots, is_ask=order.is_ask)
        order.lots = order.lots or closable
        order.remaining = min(order.lots, closable)
    status = _refusal(store, order, position)
    if status is None:
        status = _match(store, order)
    if status is OrderStatus.OPEN and not _may_rest(store, order):
        status = OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
    row = _row(store, order, status)
    if status is OrderStatus.OPEN:
        store.rest(row)
    elif not order.state.house:
        store.keep_finished(row)
    return row


def _may_rest(store: Store, order: Incoming) -> bool:
    market_id = order.market.config.market_id
    return order.reduce_only or can_rest(
        store, order.state, market_id, order.remaining, is_ask=order.is_ask
    )


def _refusal(store: Store, order: Incoming, position: Position) -> OrderStatus | None:
    """Return the status of an order that may not even start to match."""
    if order.reduce_only and order.remaining == 0:
        return OrderStatus.CANCELED_REDUCE_ONLY
    resting = order.time_in_force is not TimeInForce.IOC
    if resting and not order.state.house and order.order_expiry <= store.now_ms:
        return OrderStatus.CANCELED_EXPIRED
    crosses = order.market.book.would_cross(order.price, is_ask=order.is_ask)
    if order.time_in_force is TimeInForce.POST_ONLY and crosses:
        return OrderStatus.CANCELED_POST_ONLY
    if order.market.force_reduce_only and increases(
        position.lots, order.remaining, is_ask=order.is_ask
    ):
        return OrderStatus.CANCELED_POSITION_NOT_ALLOWED
    return None


def _match(store: Store, order: Incoming) -> OrderStatus:
    """Fill against the other side while prices, owners and margin allow; return the status."""
    side = order.market.book.side(is_ask=not order.is_ask)
    while order.remaining:
        index = side.first()
        if index is None:
            return _unfilled(order, OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY)
        maker = store.orders[index]
        lots = min(order.remaining, maker.remaining_lots)
        if not _price_allows(order, side, maker.price, lots):
            return _unfilled(order, OrderStatus.CANCELED_TOO_MUCH_SLIPPAGE)
        if _is_self_trade(store, order, maker):
            if _resolve_self_trade(store, order, maker, lots):
                return OrderStatus.CANCELED_SELF_TRADE
            continue
        quote = order.market.config.quote(lots, maker.price)
        taker_leg = _leg(order.market, order.state, lots, quote, is_ask=order.is_ask)
        maker_state = store.accounts[maker.account_index]
        maker_leg = _leg(order.market, maker_state, lots, quote, is_ask=not order.is_ask)
        if not _holds(store, maker_leg):
            store.finish(maker, OrderStatus.CANCELED_MARGIN_NOT_ALLOWED)
            continue
        if not _holds(store, taker_leg):
            return OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
        _fill(store, order, maker, taker_leg, maker_leg, lots=lots, quote=quote)
    if order.filled < order.lots:
        return OrderStatus.CANCELED_REDUCE_ONLY
    return OrderStatus.FILLED


def _unfilled(order: Incoming, reason: OrderStatus) -> OrderStatus:
    """Return what becomes of the unfilled rest: it stays open, or ends for a reason."""
    if order.time_in_force is not TimeInForce.IOC:
        return OrderStatus.OPEN
    if order.type is OrderType.LIMIT:
        return OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY
    return reason


def _price_allows(order: Incoming, side: BookSide, price: int, lots: int) -> bool:
    """Return whether the next fill keeps the limit (each fill) or the cap (average of fills)."""
    if order.price == 0:
        return True
    if order.type is OrderType.LIMIT:
        return side.crosses(price, order.price)
    config = order.market.config
    total = order.filled_quote + config.quote(lots, price)
    bound = config.quote(order.filled + lots, order.price)
    return total >= bound if order.is_ask else total <= bound


def _is_self_trade(store: Store, order: Incoming, maker: Order) -> bool:
    if order.state.house:
        return False
    if maker.account_index == order.state.account.index:
        return True
    other = store.accounts[maker.account_index].account
    return order.self_trade_same_master and other.master == order.state.account.master


def _resolve_self_trade(store: Store, order: Incoming, maker: Order, lots: int) -> bool:
    """Prevent a trade with oneself as the order asks for; return whether the taker ends."""
    behavior = order.self_trade_behavior
    if behavior == REDUCE_BOTH:
        order.remaining -= lots
        left = maker.remaining_lots - lots
        if left:
            store.shrink(maker, left)
        else:
            store.finish(maker, OrderStatus.CANCELED_SELF_TRADE)
        return order.remaining == 0
    if behavior in {EXPIRE_MAKER, EXPIRE_BOTH}:
        store.finish(maker, OrderStatus.CANCELED_SELF_TRADE)
    return behavior in {EXPIRE_TAKER, EXPIRE_BOTH}


def _leg(market: MarketState, state: AccountState, lots: int, quote: int, *, is_ask: bool) -> _Leg:
    before = state.position(market.config)
    return _Leg(state, before, apply_fill(before, is_ask=is_ask, lots=lots, quote=quote))


def _holds(store: Store, leg: _Leg) -> bool:
    return can_hold(store, leg.state, leg.before, leg.after.position, leg.after.pnl)


def _fill(
    store: Store, order: Incoming, maker: Order, taker: _Leg, making: _Leg, *, lots: int, quote: int
) -> None:
    """Book one fill: positions, money, trade, then the maker's order."""
    config = order.market.config
    for leg, rate in ((making, config.maker_fee), (taker, config.taker_fee)):
        store.set_position(leg.state, leg.after.position)
        charge = 0 if leg.state.house else fee(quote, rate)
        store.fees_collected += charge
        store.add_collateral(leg.state, leg.after.pnl - charge)
    order.filled += lots
    order.filled_quote += quote
    order.remaining -= lots
    if maker.account_index == HOUSE_LADDER:
        order.market.ladder_dirty = True
    store.add_trade(_trade(store, order, maker, taker, making, lots=lots, quote=quote))
    store.shrink(maker, maker.remaining_lots - lots, lots=lots, quote=quote)
    clip_reduce_only(store, making.state, config.market_id)
    clip_reduce_only(store, taker.state, config.market_id)


def _trade(
    store: Store, order: Incoming, maker: Order, taker: _Leg, making: _Leg, *, lots: int, quote: int
) -> Trade:
    store.last_trade_id += 1
    mine = (order.order_index, order.client_order_index, taker)
    theirs = (maker.order_index, maker.client_order_index, making)
    ask, bid = (mine, theirs) if order.is_ask else (theirs, mine)
    return Trade(
        trade_id=store.last_trade_id,
        tx_hash=order.tx_hash or f"{store.last_trade_id:080x}",
        market_id=maker.market_id,
        lots=lots,
        price=maker.price,
        quote=quote,
        ask_order_index=ask[0],
        bid_order_index=bid[0],
        ask_client_order_index=ask[1],
        bid_client_order_index=bid[1],
        ask_account_index=ask[2].state.account.index,
        bid_account_index=bid[2].state.account.index,
        is_maker_ask=maker.is_ask,
        taker_fee=0 if taker.state.house else order.market.config.taker_fee,
        maker_fee=0 if making.state.house else order.market.config.maker_fee,
        taker_position_before=taker.before.lots,
        taker_entry_quote_before=taker.before.entry_quote,
        taker_imf_before=taker.before.imf,
        maker_position_before=making.before.lots,
        maker_entry_quote_before=making.before.entry_quote,
        maker_imf_before=making.before.imf,
        taker_sign_changed=taker.after.sign_changed,
        maker_sign_changed=making.after.sign_changed,
        ask_pnl=ask[2].after.pnl,
        bid_pnl=bid[2].after.pnl,
        timestamp_ms=store.now_ms,
        transaction_us=store.tick_us(),
        block_height=store.block_height,
    )


def clip_reduce_only(store: Store, state: AccountState, market_id: int) -> None:
    """Shrink or cancel resting reduce-only orders that exceed what is left to reduce."""
    indexes = state.reduce_only.get(market_id)
    if not indexes:
        return
    position = state.account.positions.get(market_id)
    lots = position.lots if position else 0
    for index in list(indexes):
        order = store.orders[index]
        closable = reducible(lots, is_ask=order.is_ask)
        if closable == 0:
            store.finish(order, OrderStatus.CANCELED_REDUCE_ONLY)
        elif closable < order.remaining_lots:
            store.shrink(order, closable)


def _row(store: Store, order: Incoming, status: OrderStatus) -> Order:
    return Order(
        order_index=order.order_index,
        client_order_index=order.client_order_index,
        account_index=order.state.account.index,
        market_id=order.market.config.market_id,
        is_ask=order.is_ask,
        type=order.type,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        price=order.price,
        initial_lots=order.lots,
        remaining_lots=order.remaining if status is OrderStatus.OPEN else 0,
        filled_lots=order.filled,
        filled_quote=order.filled_quote,
        status=status,
        order_expiry=order.order_expiry,
        nonce=order.nonce,
        tx_hash=order.tx_hash,
        tx_nonce=order.tx_nonce,
        api_key_index=order.api_key_index,
        created_ms=store.now_ms,
        updated_ms=store.now_ms,
        transaction_us=store.tick_us(),
        block_height=store.block_height,
    )
