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
    FEE_RATIO,
    HOUSE_INSURANCE,
    HOUSE_LADDER,
    ORDER_INDEX_BASE,
    Order,
    OrderStatus,
    OrderType,
    Position,
    SelfTrade,
    TimeInForce,
    Trade,
    TradeKind,
)
from paper.store import AccountState, MarketState, Store

MAX_LIQUIDATION_FEE = 10_000
"""In 1e-6 of the notional (docs, "Liquidations & Insurance Fund": up to 1 %)."""


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
    self_trade_behavior: int = SelfTrade.EXPIRE_MAKER
    self_trade_same_master: bool = False
    tx_hash: str = ""
    tx_nonce: int = 0
    api_key_index: int = 0
    version: int = 0
    origin: Order | None = None
    """The order that this one continues after a modification."""
    fill_lots: int = -1
    """What it finds at most, where it does not rest; -1 for whatever the book has."""
    nonce: int = 0
    remaining: int = 0
    filled: int = 0
    filled_quote: int = 0
    last_maker: Order | None = None
    """The order that it met last, after that fill."""

    @property
    def order_index(self) -> int:
        """Index that the order has or would have; a modified order keeps its own."""
        if self.origin is not None:
            return self.origin.order_index
        return (self.market.config.market_id + 1) * ORDER_INDEX_BASE + self.nonce

    @property
    def kind(self) -> TradeKind:
        """Kind of the trades that it makes."""
        is_plain = self.type is not OrderType.LIQUIDATION
        return TradeKind.TRADE if is_plain else TradeKind.LIQUIDATION

    @property
    def findable(self) -> int:
        """How many lots it may still be filled with."""
        if self.fill_lots < 0:
            return self.remaining
        return min(self.remaining, max(0, self.fill_lots - self.filled))


@dataclass(slots=True)
class Leg:
    """One side of a fill: who, what was held, what will be held, the fee rate (1e-6)."""

    state: AccountState
    before: Position
    after: Filled
    fee: int


def execute(store: Store, order: Incoming) -> Order:
    """Match an order and rest, finish or refuse it; return its row.

    Rows of house accounts that do not rest are returned but not kept.
    """
    market, position = order.market, order.state.position(order.market.config)
    order.nonce = market.take_nonce(is_ask=order.is_ask)
    order.remaining = order.lots - order.filled
    if order.reduce_only:
        closable = reducible(position.lots, is_ask=order.is_ask)
        order.lots = order.lots or closable
        order.remaining = min(order.lots - order.filled, closable)
    status = _refusal(store, order, position)
    if status is None:
        status = _match(store, order)
    if status is OrderStatus.OPEN and not _may_rest(store, order):
        status = OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
    row = row_of(store, order, status)
    if status is OrderStatus.OPEN:
        store.rest(row)
    elif not order.state.house:
        store.keep_finished(row)
    return row


def refuse(store: Store, order: Incoming, status: OrderStatus) -> Order:
    """End an order with `status` before it meets the book; return its row."""
    order.nonce = order.market.take_nonce(is_ask=order.is_ask)
    row = row_of(store, order, status)
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
    if not order.market.force_reduce_only or order.state.house:
        return None  # the house stands for all others: some of them reduce
    if increases(position.lots, order.remaining, is_ask=order.is_ask):
        return OrderStatus.CANCELED_POSITION_NOT_ALLOWED
    return None


def _match(store: Store, order: Incoming) -> OrderStatus:
    """Fill against the other side while prices, owners and margin allow; return the status."""
    side = order.market.book.side(is_ask=not order.is_ask)
    while order.remaining:
        index = side.first()
        if index is None or not order.findable:
            return _unfilled(order, OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY)
        maker = store.orders[index]
        lots = min(order.findable, maker.remaining_lots)
        if not _price_allows(order, side, maker.price, lots):
            return _unfilled(order, OrderStatus.CANCELED_TOO_MUCH_SLIPPAGE)
        if _is_self_trade(store, order, maker):
            if _resolve_self_trade(store, order, maker, lots):
                return OrderStatus.CANCELED_SELF_TRADE
            continue
        taking, making = legs(store, order, maker, lots)
        if not _holds(store, making):
            store.finish(maker, OrderStatus.CANCELED_MARGIN_NOT_ALLOWED)
            continue
        if not _holds(store, taking):
            return OrderStatus.CANCELED_MARGIN_NOT_ALLOWED
        quote = order.market.config.quote(lots, maker.price)
        book_fill(store, order, maker, (taking, making), lots=lots)
        if maker.account_index == HOUSE_LADDER:
            order.market.ladder_dirty = True
        left = maker.remaining_lots - lots
        order.last_maker = store.shrink(maker, left, lots=lots, quote=quote)
        clip_reduce_only(store, making.state, maker.market_id)
        clip_reduce_only(store, taking.state, maker.market_id)
    if order.filled < order.lots:
        return OrderStatus.CANCELED_REDUCE_ONLY
    return OrderStatus.FILLED


def _unfilled(order: Incoming, reason: OrderStatus) -> OrderStatus:
    """Return what becomes of the unfilled rest: it stays open, or ends for a reason."""
    if order.time_in_force is not TimeInForce.IOC:
        return OrderStatus.OPEN
    if order.type is not OrderType.MARKET:
        return OrderStatus.CANCELED_NOT_ENOUGH_LIQUIDITY
    return reason


def _price_allows(order: Incoming, side: BookSide, price: int, lots: int) -> bool:
    """Return whether the next fill keeps the limit (each fill) or the cap (average of fills)."""
    if order.price == 0:
        return True
    if order.type is not OrderType.MARKET:
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
    if behavior == SelfTrade.REDUCE_BOTH:
        order.remaining -= lots
        left = maker.remaining_lots - lots
        if left:
            store.shrink(maker, left)
        else:
            store.finish(maker, OrderStatus.CANCELED_SELF_TRADE)
        return order.remaining == 0
    if behavior in {SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH}:
        store.finish(maker, OrderStatus.CANCELED_SELF_TRADE)
    return behavior in {SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH}


def legs(store: Store, order: Incoming, maker: Order, lots: int) -> tuple[Leg, Leg]:
    """Return what a fill would do to taker and maker, and the fee rates that they would pay."""
    market, quote = order.market, order.market.config.quote(lots, maker.price)
    taking = _leg(market, order.state, lots, quote, is_ask=order.is_ask)
    making = _leg(market, store.accounts[maker.account_index], lots, quote, is_ask=maker.is_ask)
    if not making.state.house:
        making.fee = market.config.maker_fee + making.state.terms.maker_fee
    if order.type is OrderType.LIQUIDATION:
        taking.fee = liquidation_fee(order.price, maker.price)
    elif not taking.state.house:
        taking.fee = market.config.taker_fee + taking.state.terms.taker_fee
    return taking, making


def liquidation_fee(zero_price: int, price: int) -> int:
    """Return the rate (1e-6) that the insurance fund takes of a liquidation in the book.

    At most 1 % of the notional, and never more than the price is better than the zero price.
    """
    return min(MAX_LIQUIDATION_FEE, abs(price - zero_price) * FEE_RATIO // price)


def _leg(market: MarketState, state: AccountState, lots: int, quote: int, *, is_ask: bool) -> Leg:
    before = state.position(market.config)
    return Leg(state, before, apply_fill(before, is_ask=is_ask, lots=lots, quote=quote), 0)


def _holds(store: Store, leg: Leg) -> bool:
    return can_hold(store, leg.state, leg.before, leg.after.position, leg.after.pnl)


def book_fill(
    store: Store, order: Incoming, maker: Order, sides: tuple[Leg, Leg], *, lots: int
) -> None:
    """Book one fill of (taker, maker): positions, money, trade; the maker's row is the caller's."""
    taking, making = sides
    quote = order.market.config.quote(lots, maker.price)
    for leg in sides[::-1]:
        store.set_position(leg.state, leg.after.position)
        charge = fee(quote, leg.fee) if leg.fee else 0
        if charge and order.type is OrderType.LIQUIDATION and leg is taking:
            store.add_collateral(store.state_of(HOUSE_INSURANCE), charge)
        else:
            store.fees_collected += charge
        store.add_collateral(leg.state, leg.after.pnl - charge)
    order.filled += lots
    order.filled_quote += quote
    order.remaining -= lots
    store.add_trade(_trade(store, order, maker, taking, making, lots=lots, quote=quote))


def _trade(
    store: Store, order: Incoming, maker: Order, taking: Leg, making: Leg, *, lots: int, quote: int
) -> Trade:
    store.last_trade_id += 1
    mine = (order.order_index, order.client_order_index, taking)
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
        taker_fee=taking.fee,
        maker_fee=making.fee,
        taker_position_before=taking.before.lots,
        taker_entry_quote_before=taking.before.entry_quote,
        taker_imf_before=taking.before.imf,
        maker_position_before=making.before.lots,
        maker_entry_quote_before=making.before.entry_quote,
        maker_imf_before=making.before.imf,
        taker_sign_changed=taking.after.sign_changed,
        maker_sign_changed=making.after.sign_changed,
        ask_pnl=ask[2].after.pnl,
        bid_pnl=bid[2].after.pnl,
        timestamp_ms=store.now_ms,
        transaction_us=store.tick_us(),
        block_height=store.block_height,
        kind=order.kind,
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


def row_of(store: Store, order: Incoming, status: OrderStatus) -> Order:
    """Return the row of an order as it is now."""
    origin = order.origin
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
        created_ms=store.now_ms if origin is None else origin.created_ms,
        updated_ms=store.now_ms,
        transaction_us=store.tick_us(),
        block_height=store.block_height,
        version=order.version,
    )
