"""Venue JSON to records: pure, strict where money depends on it.

Shapes are those of apidocs.lighter.xyz, websocket-reference and the API reference; the venue's
SDK models do not validate, so nothing passes through them. Field names in errors are the wire's.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from hedge.core.amounts import MICROS, InexactAmountError, MarketSpec, Side, to_steps
from hedge.core.records import Depth, Level, OrderRow, OrderStatus, Trade
from hedge.exchange.port import (
    AccountView,
    OrderElsewhere,
    PositionElsewhere,
    TxSeen,
    TxStatus,
    VenueUnavailableError,
)

Json = Mapping[str, Any]

MAX_SECONDS = 10**11
MAX_MILLIS = 10**14
MAX_MICROS = 10**17
_MAX_EXPONENT = 24
_MAX_DIGITS = 20

_MARK_EXTRA_DECIMALS = 12

_PENDING_FINAL = 3
_TX_STATUS = {
    0: TxStatus.FAILED,
    1: TxStatus.PENDING,
    2: TxStatus.EXECUTED,
    _PENDING_FINAL: TxStatus.PENDING,
}


@contextmanager
def readable() -> Iterator[None]:
    """Turn a parse error inside the block into VenueUnavailableError: an unreadable answer."""
    try:
        yield
    except VenueParseError as error:
        raise VenueUnavailableError(f"unreadable answer: {error}") from error


class VenueParseError(ValueError):
    """Venue JSON that is not what its documentation says; `field` names the wire's field."""

    def __init__(self, field: str, found: object) -> None:
        """Keep the field; the value found is shortened into the message."""
        super().__init__(f"unexpected {field}: {found!r:.120}")
        self.field = field


_MAY_BE_NULL = frozenset({"trades", "orders"})
"""Maps of market to list whose list may be null where there is nothing new; no position may."""


# --- trades and orders ---------------------------------------------------------------------


def trades_of(container: object, spec: MarketSpec, account_index: int) -> tuple[Trade, ...]:
    """Return our legs of the trades of our market, in the order given.

    `container` is what stands under "trades": a list, or a map of market to list. Trades of other
    markets are skipped unread. Raises VenueParseError.
    """
    legs: list[Trade] = []
    for row in _rows(container, "trades"):
        if _integer(row, "market_id") == spec.market_index:
            legs += trade_legs(row, spec, account_index)
    return tuple(legs)


def trade_legs(row: Json, spec: MarketSpec, account_index: int) -> tuple[Trade, ...]:
    """Return our legs of one trade: none, one, or two where the account met itself.

    The position before the trade is the one of our role. Of a self trade it is left out, because
    the venue does not say which leg came first. Raises VenueParseError.
    """
    is_ask = _integer(row, "ask_account_id") == account_index
    is_bid = _integer(row, "bid_account_id") == account_index
    if is_ask and is_bid:
        return (
            _leg(row, spec, Side.SELL, with_position=False),
            _leg(row, spec, Side.BUY, with_position=False),
        )
    if is_ask:
        return (_leg(row, spec, Side.SELL, with_position=True),)
    if is_bid:
        return (_leg(row, spec, Side.BUY, with_position=True),)
    return ()


def _leg(row: Json, spec: MarketSpec, side: Side, *, with_position: bool) -> Trade:
    prefix = "ask" if side.is_ask else "bid"
    is_maker = _boolean(row, "is_maker_ask") == side.is_ask
    before_field = f"{'maker' if is_maker else 'taker'}_position_size_before"
    size_lots = _positive(_lots(row, "size", spec), "size")
    price_ticks = _positive(_ticks(row, "price", spec), "price")
    return Trade(
        trade_id=_integer(row, "trade_id"),
        side=side,
        size_lots=size_lots,
        price_ticks=price_ticks,
        quote_micros=_quote_or(spec.quote_micros(size_lots, price_ticks), row.get("usd_amount")),
        order_index=_integer(row, f"{prefix}_id"),
        client_order_index=_client_index(row, f"{prefix}_client_id"),
        is_maker=is_maker,
        position_before_lots=_stated_lots(row.get(before_field), spec) if with_position else None,
        time_ms=_trade_time_ms(row),
        kind=str(row.get("type") or "trade"),
    )


def _quote_or(computed_micros: int, usd: object) -> int:
    """Return the venue's own quote amount where it can be read, else size times price."""
    try:
        return floor_micros(usd, "usd_amount")
    except VenueParseError:
        return computed_micros


def _stated_lots(text: object, spec: MarketSpec) -> int | None:
    """Return the position that a trade states, None where it states none that can be read."""
    try:
        return spec.lots(text)
    except InexactAmountError:
        return None


def _trade_time_ms(row: Json) -> int:
    """Return when the trade happened, 0 where the venue does not say.

    `timestamp` may precede `transaction_time` by 20 s (seen on testnet), so the latter is taken.
    """
    for field in ("transaction_time", "timestamp"):
        try:
            return to_ms(row.get(field), field)
        except VenueParseError:
            continue
    return 0


def orders_of(container: object, spec: MarketSpec, account_index: int) -> tuple[OrderRow, ...]:
    """Return our order rows of our market, in the order given.

    `container` is what stands under "orders": a list, or a map of market to list. Rows of other
    markets are skipped unread. Raises VenueParseError, also for an unknown order status.
    """
    return tuple(
        order_row(row, spec)
        for row in _rows(container, "orders")
        if _integer(row, "market_index") == spec.market_index
        and row.get("owner_account_index", account_index) == account_index
    )


def order_row(row: Json, spec: MarketSpec) -> OrderRow:
    """Return one order row; its time is `transaction_time` where given, else `updated_at`."""
    return OrderRow(
        order_index=_integer(row, "order_index"),
        client_order_index=_client_index(row, "client_order_index"),
        side=Side.SELL if _boolean(row, "is_ask") else Side.BUY,
        initial_lots=_lots(row, "initial_base_amount", spec),
        filled_lots=_lots(row, "filled_base_amount", spec),
        price_ticks=_ticks(row, "price", spec),
        status=_status(_text(row, "status")),
        reduce_only=bool(row.get("reduce_only")),
        updated_ms=_order_time_ms(row),
    )


def _status(word: str) -> OrderStatus:
    """Return the status; a cancellation for a reason that we do not know is one all the same."""
    try:
        return OrderStatus(word)
    except ValueError:
        if word.startswith("canceled"):
            return OrderStatus.CANCELED
        raise VenueParseError("status", word) from None


def _order_time_ms(row: Json) -> int:
    for field in ("transaction_time", "updated_at", "timestamp"):
        value = row.get(field)
        if value:
            return to_ms(value, field)
    raise VenueParseError("transaction_time", None)


# --- account, transactions, market ---------------------------------------------------------


def orders_elsewhere(
    container: object, spec: MarketSpec, account_index: int
) -> tuple[OrderElsewhere, ...]:
    """Return our resting orders of every market but ours. Raises VenueParseError."""
    return tuple(
        OrderElsewhere(_integer(row, "market_index"), _client_index(row, "client_order_index"))
        for row in _rows(container, "orders")
        if _integer(row, "market_index") != spec.market_index
        and row.get("owner_account_index", account_index) == account_index
    )


def positions_elsewhere(
    body: Json, spec: MarketSpec, account_index: int
) -> tuple[PositionElsewhere, ...]:
    """Return our positions of every market but ours, of one `account` answer.

    Raises VenueParseError.
    """
    found = []
    for row in _rows(_account_row(body, account_index).get("positions"), "positions"):
        if _integer(row, "market_id") == spec.market_index:
            continue
        try:
            size = Decimal(_text(row, "position"))
        except InvalidOperation as error:
            raise VenueParseError("position", row.get("position")) from error
        if not size.is_finite():
            raise VenueParseError("position", row.get("position"))
        if size:
            symbol = str(row.get("symbol") or row["market_id"])
            found.append(PositionElsewhere(row["market_id"], symbol, size * _sign(row)))
    return tuple(found)


_ISOLATED = 1


def account_view(body: Json, spec: MarketSpec, account_index: int) -> AccountView:
    """Return margin and position of one `account` answer.

    Size is sign times position, because a flat market is shown with sign 1. A missing market row
    is flat only where the list of positions is there. Raises VenueParseError.
    """
    row = _account_row(body, account_index)
    return AccountView(
        available_micros=floor_micros(row.get("available_balance"), "available_balance"),
        collateral_micros=floor_micros(row.get("collateral"), "collateral"),
        position_lots=position_of(row.get("positions"), spec) or 0,
        margin_fraction=_margin_fraction(row.get("positions"), spec),
        is_isolated=_is_isolated(row.get("positions"), spec),
    )


def _margin_fraction(container: object, spec: MarketSpec) -> int:
    """Return the initial margin fraction (1e-4) of our market's row, 0 without one.

    It is written in percent ("50.00" at 2x), and is the market's own where no leverage was set.
    """
    for position in _rows(container, "positions"):
        if _integer(position, "market_id") == spec.market_index:
            with suppress(VenueParseError):  # a word that cannot be read says nothing
                text = position.get("initial_margin_fraction")
                return max(0, floor_micros(text, "initial_margin_fraction") // 10_000)
    return 0


def _is_isolated(container: object, spec: MarketSpec) -> bool:
    """Whether our market's row says isolated margin (`margin_mode` 1)."""
    return any(
        position.get("margin_mode") == _ISOLATED
        for position in _rows(container, "positions")
        if _integer(position, "market_id") == spec.market_index
    )


def _account_row(body: Json, account_index: int) -> Json:
    for account in _rows(body.get("accounts"), "accounts"):
        if account.get("account_index", account.get("index")) == account_index:
            return account
    raise VenueParseError("accounts", "our account is not in the answer")


def open_orders_of(body: Json, spec: MarketSpec, account_index: int) -> int | None:
    """Return how many orders rest in our market by one `account` answer, None where it is silent.

    The market's own row counts (`open_order_count`); without one the whole account's count does
    where that is 0 (lighter-api.md, DetailedAccount and AccountPosition). Raises VenueParseError.
    """
    row = _account_row(body, account_index)
    for position in _rows(row.get("positions"), "positions"):
        if _integer(position, "market_id") == spec.market_index:
            found = position.get("open_order_count")
            return found if type(found) is int else None
    return 0 if row.get("total_order_count") == 0 else None


def rests_nothing(body: Json, account_index: int) -> bool:
    """Whether an `account` answer counts no resting order in any market. Raises VenueParseError."""
    return _account_row(body, account_index).get("total_order_count") == 0


def position_of(container: object, spec: MarketSpec) -> int | None:
    """Return the signed position in our market, None where no row names it.

    `container` is what stands under "positions": a list, or a map of market to row. Raises
    VenueParseError.
    """
    position_lots = None
    for position in _rows(container, "positions"):
        if _integer(position, "market_id") == spec.market_index:
            size = _lots(position, "position", spec)
            position_lots = size and size * _sign(position)
    return position_lots


def _sign(row: Json) -> int:
    sign = _integer(row, "sign")
    if sign not in (1, -1):
        raise VenueParseError("sign", sign)
    return sign


def tx_seen(row: Json) -> TxSeen:
    """Return the fate of one transaction of `tx` or `account_tx`.

    Status 2 means included, and so does 3 ("pending, final") with a moment of execution: clients
    disagree on which of the two comes first. The text under "ae" of `event_info` says whether the
    action itself failed (apidocs.lighter.xyz, data-structures-constants-and-errors). Raises
    VenueParseError.
    """
    number = _integer(row, "status")
    if number not in _TX_STATUS:
        raise VenueParseError("status", number)
    status, error = _TX_STATUS[number], _app_error(row.get("event_info"))
    if number == _PENDING_FINAL and row.get("executed_at"):
        status = TxStatus.EXECUTED
    if status is TxStatus.EXECUTED and error:
        status = TxStatus.FAILED
    return TxSeen(tx_hash=_text(row, "hash"), status=status, error=error)


def _app_error(event_info: object) -> str:
    if not isinstance(event_info, str) or not event_info:
        return ""
    try:
        event = json.loads(event_info)
    except (ValueError, RecursionError):
        return ""
    return str(event.get("ae") or "") if isinstance(event, dict) else ""


def depth_of(body: Json, spec: MarketSpec) -> Depth:
    """Return the book of one answer of `orderBookOrders`, whose rows are single orders.

    It has no mark price. Raises VenueParseError.
    """
    return Depth(
        bids=_levels(body, "bids", spec, best_first=lambda price: -price),
        asks=_levels(body, "asks", spec, best_first=lambda price: price),
    )


def _levels(
    body: Json, side: str, spec: MarketSpec, *, best_first: Callable[[int], int]
) -> tuple[Level, ...]:
    sizes: dict[int, int] = {}
    for row in _rows(body.get(side), side):
        price = _positive(_ticks(row, "price", spec), "price")
        sizes[price] = sizes.get(price, 0) + _lots(row, "remaining_base_amount", spec)
    return tuple(Level(price, sizes[price]) for price in sorted(sizes, key=best_first))


def mark_of(row: Json, spec: MarketSpec) -> int | None:
    """Return the mark price of a market's statistics or details, rounded down to a tick.

    None where it is none. Raises VenueParseError.
    """
    text = row.get("mark_price")
    try:
        fine = to_steps(text, spec.price_decimals + _MARK_EXTRA_DECIMALS)
    except InexactAmountError as error:
        raise VenueParseError("mark_price", text) from error
    ticks = fine // 10**_MARK_EXTRA_DECIMALS
    return ticks if ticks > 0 else None


def market_spec(row: Json) -> MarketSpec:
    """Return the market of one row of `orderBookDetails`. Raises VenueParseError."""
    size_decimals = _integer(row, "supported_size_decimals")
    bare = MarketSpec(
        market_index=_integer(row, "market_id"),
        symbol=_text(row, "symbol"),
        size_decimals=size_decimals,
        price_decimals=_integer(row, "supported_price_decimals"),
        min_base_lots=0,
        min_quote_micros=0,
    )
    limit = row.get("order_quote_limit")
    return MarketSpec(
        market_index=bare.market_index,
        symbol=bare.symbol,
        size_decimals=size_decimals,
        price_decimals=bare.price_decimals,
        min_base_lots=_lots(row, "min_base_amount", bare),
        min_quote_micros=floor_micros(row.get("min_quote_amount"), "min_quote_amount"),
        initial_margin_fraction=row.get("default_initial_margin_fraction")
        or bare.initial_margin_fraction,
        order_quote_limit_micros=(
            bare.order_quote_limit_micros
            if limit is None
            else floor_micros(limit, "order_quote_limit")
        ),
    )


# --- fields ----------------------------------------------------------------------------------


def to_ms(value: object, field: str) -> int:
    """Return epoch ms of a time in s, ms or us; the unit is told by the magnitude.

    The venue writes seconds, milliseconds and microseconds into fields of the same name. Raises
    VenueParseError for what is not a positive integer of these magnitudes.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < MAX_MICROS:
        raise VenueParseError(field, value)
    if value < MAX_SECONDS:
        return value * 1000
    return value if value < MAX_MILLIS else value // 1000


def floor_micros(value: object, field: str) -> int:
    """Return decimal text of the quote asset in micros, rounded down. Raises VenueParseError."""
    if not isinstance(value, str):
        raise VenueParseError(field, value)
    try:
        amount = Decimal(value)
        if amount.adjusted() <= _MAX_EXPONENT:  # str() of a longer integer may raise
            return int((amount * MICROS).to_integral_value(ROUND_FLOOR))
    except (ArithmeticError, ValueError):
        pass
    raise VenueParseError(field, value)


def rows_of(body: Json, field: str) -> list[Json]:
    """Return the list of objects under `field`; a missing or null list is an error, never empty."""
    return list(_rows(body.get(field), field))


def integer_of(body: Json, field: str) -> int:
    """Return the integer under `field`. Raises VenueParseError."""
    return _integer(body, field)


def text_of(body: Json, field: str) -> str:
    """Return the text under `field`. Raises VenueParseError."""
    return _text(body, field)


def _rows(container: object, field: str) -> Iterator[Json]:
    if isinstance(container, dict):
        for part in container.values():
            if part is None and field in _MAY_BE_NULL:
                continue
            yield from _rows(part if isinstance(part, list) else [part], field)
        return
    if not isinstance(container, list):
        raise VenueParseError(field, container)
    for row in container:
        if not isinstance(row, dict):
            raise VenueParseError(field, row)
        yield row


def _integer(row: Json, field: str) -> int:
    value = row.get(field)
    if type(value) is not int:
        raise VenueParseError(field, value)
    return value


def _client_index(row: Json, field: str) -> int:
    """Return a client order index, 0 where the order has none; the venue also writes it as text."""
    value = row.get(field)
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    return _integer(row, field)


def _boolean(row: Json, field: str) -> bool:
    value = row.get(field)
    if type(value) is not bool:
        raise VenueParseError(field, value)
    return value


def _text(row: Json, field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        raise VenueParseError(field, value)
    return value


def _lots(row: Json, field: str, spec: MarketSpec) -> int:
    try:
        return spec.lots(row.get(field))
    except InexactAmountError as error:
        raise VenueParseError(field, row.get(field)) from error


def _ticks(row: Json, field: str, spec: MarketSpec) -> int:
    try:
        return spec.ticks(row.get(field))
    except InexactAmountError as error:
        raise VenueParseError(field, row.get(field)) from error


def _positive(amount: int, field: str) -> int:
    if amount <= 0:
        raise VenueParseError(field, amount)
    return amount
