"""Acceptance: what the exchange's API refuses before a transaction is queued.

Each refusal is a TxRejected with the documented code and leaves everything as it was; the nonce
stays free. The checks see the state of now: what is queued has not happened yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from paper.commands import (
    CancelAll,
    CancelOrder,
    Command,
    CreateOrder,
    ModifyOrder,
    TxHead,
    UpdateLeverage,
)
from paper.errors import TxRejected
from paper.margin import can_lever, can_rest
from paper.positions import reducible
from paper.records import ORDER_INDEX_BASE, Health, Order, OrderType, TimeInForce
from paper.store import AccountState, MarketState, Store

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
MIN_ORDER_EXPIRY_MS = 5 * MINUTE_MS
MAX_ORDER_EXPIRY_MS = 30 * DAY_MS
MIN_CANCEL_ALL_MS = 5 * MINUTE_MS
MAX_CANCEL_ALL_MS = 15 * DAY_MS
MAX_PENDING = 1_000
"""Queued transactions per account."""
MAX_BATCH = 15
"""Transactions per batch: what the API docs and live adapters give. The text of error 21514 speaks
of 50; a client that keeps to the smaller bound is right either way."""
FAT_FINGER_PERCENT = 5


@dataclass(slots=True)
class Ahead:
    """Members of a batch that go ahead of the one being checked."""

    next_nonce: int
    count: int = 0
    clients: set[int] = field(default_factory=set)
    """Client order indexes that they create."""

    def add(self, command: Command) -> None:
        """Count one more member."""
        self.next_nonce = command.head.nonce + 1
        self.count += 1
        if isinstance(command, CreateOrder) and command.client_order_index:
            self.clients.add(command.client_order_index)


def check(store: Store, command: Command, now_ms: int, ahead: Ahead | None = None) -> AccountState:
    """Return the account that a transaction concerns, or raise TxRejected."""
    state = _check_head(store, command.head, now_ms, ahead)
    if state.account.api_keys[command.head.api_key_index].maker_only:
        _check_posts(store, state, command, ahead)
    if isinstance(command, CreateOrder):
        _check_create(store, state, command, now_ms)
    elif isinstance(command, CancelOrder):
        _check_cancel(store, state, command, ahead)
    elif isinstance(command, ModifyOrder):
        _check_modify(store, state, command, ahead)
    elif isinstance(command, UpdateLeverage):
        _check_leverage(store, state, command)
    else:
        _check_cancel_all(store, command, now_ms)
    return state


def check_batch_size(types: int, infos: int) -> None:
    """Refuse a batch of unequal lists, an empty one and one that is too large."""
    if types != infos:
        raise TxRejected(21513, "TxInfos and TxTypes should have the same length")
    if not infos:
        raise TxRejected(21501, "invalid tx info")
    if infos > MAX_BATCH:
        raise TxRejected(21514, f"maximum {MAX_BATCH} transactions allowed per batch")


def check_batch(store: Store, commands: Sequence[Command], now_ms: int) -> AccountState:
    """Return the account that a batch concerns, or raise TxRejected for it or a member of it."""
    first = commands[0].head
    owner = (first.account_index, first.api_key_index)
    if any((c.head.account_index, c.head.api_key_index) != owner for c in commands):
        text = "all transactions in the batch must have use same account and apikey"
        raise TxRejected(21121, text)
    state = check(store, commands[0], now_ms)
    ahead = Ahead(first.nonce)
    ahead.add(commands[0])
    for command in commands[1:]:
        check(store, command, now_ms, ahead)
        ahead.add(command)
    return state


def _check_head(store: Store, head: TxHead, now_ms: int, ahead: Ahead | None) -> AccountState:
    state = store.accounts.get(head.account_index)
    if state is None or state.house:
        raise TxRejected(21102, "invalid account index")
    key = state.account.api_keys.get(head.api_key_index)
    if key is None:
        raise TxRejected(21109, "api key not found")
    next_nonce = ahead.next_nonce if ahead else key.next_nonce
    if head.nonce != next_nonce and not (head.skip_nonce and head.nonce > next_nonce):
        if ahead:
            raise TxRejected(21105, "batch transaction nonce is not increasing")
        raise TxRejected(21104, "invalid nonce")
    if head.expired_at <= now_ms:
        raise TxRejected(21501, "invalid tx info: expired")
    if state.pending + (ahead.count if ahead else 0) >= MAX_PENDING:
        raise TxRejected(21506, "too many pending txs. Please try again later")
    return state


def _check_posts(store: Store, state: AccountState, command: Command, ahead: Ahead | None) -> None:
    """Refuse what a maker-only key may not send: it posts, changes what is posted, and cancels."""
    if isinstance(command, CancelOrder | CancelAll):
        return
    if isinstance(command, CreateOrder) and command.time_in_force is TimeInForce.POST_ONLY:
        return
    if isinstance(command, ModifyOrder):
        order = _find(store, state, command, ahead)
        if order is not None and order.time_in_force is TimeInForce.POST_ONLY:
            return
    raise TxRejected(62007, "maker-only api key can send only post-only orders and cancels")


def _market(store: Store, market_id: int) -> MarketState:
    market = store.markets.get(market_id)
    if market is None:
        raise TxRejected(21602, "invalid market index")
    return market


def _open_market(store: Store, market_id: int) -> MarketState:
    """Return a market that takes orders, or raise TxRejected."""
    market = _market(store, market_id)
    if market.config.status != "active":
        raise TxRejected(21605, "invalid market status")
    return market


def _check_create(store: Store, state: AccountState, command: CreateOrder, now_ms: int) -> None:
    market = _open_market(store, command.market_id)
    _check_liquidation(state)
    if command.rests:
        ahead = command.order_expiry - now_ms
        if not MIN_ORDER_EXPIRY_MS <= ahead <= MAX_ORDER_EXPIRY_MS:
            raise TxRejected(21711, "invalid expiry")
    if command.client_order_index in state.active_clients:
        raise TxRejected(21728, "client order index already exists")
    lots = command.lots
    if command.reduce_only:
        closable = reducible(state.position(market.config).lots, is_ask=command.is_ask)
        if closable == 0:
            raise TxRejected(21732, "reduce only increases position")
        lots = lots or closable
    _check_size(market, lots, command.price, rests=command.rests)
    if command.type is OrderType.LIMIT:
        _check_price(market, command.price, is_ask=command.is_ask)
    if command.rests:
        _check_counts(state, command.market_id)
        if not command.reduce_only:
            _check_margin(store, state, command.market_id, command.lots, is_ask=command.is_ask)


def _check_liquidation(state: AccountState) -> None:
    if state.health is Health.LIQUIDATION:
        raise TxRejected(21112, "account is in liquidation")


def _check_size(market: MarketState, lots: int, price: int, *, rests: bool) -> None:
    """Check the limits of the quote amount, and for resting orders both minimums."""
    config = market.config
    quote = config.quote(lots, price)
    too_small = lots < config.min_base_lots or quote < config.min_quote_micros
    if quote > config.order_quote_limit_micros or (rests and too_small):
        raise TxRejected(21706, "invalid order base or quote amount")


def _check_price(market: MarketState, price: int, *, is_ask: bool) -> None:
    """Refuse limit prices through the mark (21734) or the other side's best (21733)."""
    best = market.book.side(is_ask=not is_ask).best()
    for reference, code, text in (
        (market.mark, 21734, "limit order price is too far from the mark price"),
        (best, 21733, "order price flagged as an accidental price"),
    ):
        if reference is None:
            continue
        bound = reference * (100 + (-FAT_FINGER_PERCENT if is_ask else FAT_FINGER_PERCENT))
        if price * 100 < bound if is_ask else price * 100 > bound:
            raise TxRejected(code, text)


def _check_counts(state: AccountState, market_id: int) -> None:
    """Refuse one more resting order beyond those of the account's tier."""
    terms = state.terms
    if state.active_count() >= terms.orders_per_account:
        raise TxRejected(21717, "maximum active limit order count reached")
    if state.active_count(market_id) >= terms.orders_per_market:
        raise TxRejected(21718, "maximum active limit order count per market reached")


def _check_margin(
    store: Store, state: AccountState, market_id: int, lots: int, *, is_ask: bool
) -> None:
    """Refuse what rests without margin; in pre-liquidation nothing may grow.

    Takers are not held to it here: theirs is looked at in execution.
    """
    if can_rest(store, state, market_id, lots, is_ask=is_ask):
        return
    if state.health is Health.PRE_LIQUIDATION:
        text = (
            "account is in pre-liquidation and the transaction doesn't increase the account health"
        )
        raise TxRejected(21111, text)
    raise TxRejected(21739, "not enough margin to create the order")


def _check_modify(
    store: Store, state: AccountState, command: ModifyOrder, ahead: Ahead | None
) -> None:
    """Refuse modifications that could not be orders; one of a queued create is let through."""
    market = _open_market(store, command.market_id)
    _check_liquidation(state)
    order = _find(store, state, command, ahead)
    _check_size(market, command.lots, command.price, rests=True)
    if order is None:
        return
    if command.version and command.version <= order.version:
        raise TxRejected(21743, "invalid order info")
    _check_price(market, command.price, is_ask=order.is_ask)
    if not order.reduce_only:
        more = command.lots - order.filled_lots - order.remaining_lots
        _check_margin(store, state, command.market_id, more, is_ask=order.is_ask)


def _check_leverage(store: Store, state: AccountState, command: UpdateLeverage) -> None:
    """Refuse fractions below the market's, isolated margin, and a risk that is not covered."""
    config = _market(store, command.market_id).config
    if command.margin_mode != 0:  # only cross margin is modelled
        raise TxRejected(21613, "invalid margin mode: isolated margin is not on this exchange")
    if command.imf < config.min_imf:
        raise TxRejected(21113, "invalid initial margin fraction")
    _check_liquidation(state)
    if not can_lever(store, state, state.position(config), command.imf):
        raise TxRejected(21133, "invalid risk change")


def _check_cancel(
    store: Store, state: AccountState, command: CancelOrder, ahead: Ahead | None
) -> None:
    """Refuse cancels of orders that are gone; one of a queued create is let through."""
    _market(store, command.market_id)
    _find(store, state, command, ahead)


def _find(
    store: Store, state: AccountState, command: CancelOrder | ModifyOrder, ahead: Ahead | None
) -> Order | None:
    """Return the resting order that is meant, None for one still queued, or raise TxRejected."""
    if command.index < ORDER_INDEX_BASE:
        active = state.active_clients.get(command.index)
        if active is not None and store.orders[active].market_id == command.market_id:
            return store.orders[active]
        queued = command.index in state.pending_clients
        if active is None and (queued or (ahead and command.index in ahead.clients)):
            return None
        gone = command.index in state.finished_clients
    else:
        order = store.orders.get(command.index)
        if order is not None and order.account_index != state.account.index:
            raise TxRejected(21707, "account is not owner of the order")
        if order is not None and order.market_id != command.market_id:
            raise TxRejected(21700, "invalid order index")
        if order is not None and order.status.is_active:
            return order
        gone = order is not None
    if gone:
        raise TxRejected(21709, "order is inactive")
    raise TxRejected(21600, "given order is not an active limit order")


def _check_cancel_all(store: Store, command: CancelAll, now_ms: int) -> None:
    if command.market_id is not None:
        _market(store, command.market_id)
    if command.mode == 1:
        ahead = command.time_ms - now_ms
        if not MIN_CANCEL_ALL_MS <= ahead <= MAX_CANCEL_ALL_MS:
            raise TxRejected(21714, "invalid cancel all time")
