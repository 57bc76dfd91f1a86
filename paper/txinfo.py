"""Parsing of signed transactions: JSON text to typed values, with the documented field ranges.

Checked here is what a transaction says by itself; what it means for the state of the exchange is
`paper.acceptance`. Codes: API docs, "Data Structures, Constants and Errors".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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
from paper.hashing import attributes_of
from paper.records import RATIO, OrderType, SelfTrade, TimeInForce, TxType

MAX_AMOUNT = (1 << 48) - 1
MAX_PRICE = (1 << 32) - 1
MAX_ORDER_INDEX = (1 << 60) - 1
MAX_NONCE = (1 << 47) - 2
MAX_API_KEY_INDEX = 254
MAX_ATTRIBUTES = 4
ALL_MARKETS = 255
MAX_TEXT = 16_384
MAX_NESTING = 64
"""Brackets in a transaction; a bound before parsing keeps hostile nesting off the C stack."""

ATTRIBUTES_INTEGRATOR = (1, 2, 3)
ATTRIBUTE_SKIP_NONCE = 4
ATTRIBUTE_CANCEL_ALL_MARKET = 5
ATTRIBUTE_SELF_TRADE_BEHAVIOR = 6
ATTRIBUTE_SELF_TRADE_EQUALITY = 7
ATTRIBUTE_ORDER_VERSION = 8

GROUP_SIZES = {1: 2, 2: 2, 3: 3}
"""Orders per grouping: one triggers the other, one cancels the other, one triggers such a pair."""

INVALID_TX_INFO = (21501, "invalid tx info")


def load(tx_type: int, tx_info: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the JSON text and the object of a transaction; TxRejected if it is none."""
    if tx_type not in _PARSERS:
        raise TxRejected(21505, "unsupported tx type")
    if isinstance(tx_info, str):
        if len(tx_info) > MAX_TEXT or tx_info.count("[") + tx_info.count("{") > MAX_NESTING:
            raise TxRejected(*INVALID_TX_INFO)
        try:
            info = json.loads(tx_info)
        except ValueError:
            raise TxRejected(*INVALID_TX_INFO) from None
        text = tx_info
    else:
        try:
            info, text = tx_info, json.dumps(tx_info, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError):
            raise TxRejected(*INVALID_TX_INFO) from None
    if not isinstance(info, dict):
        raise TxRejected(*INVALID_TX_INFO)
    return text, info


def parse(tx_type: int, info: dict[str, Any]) -> Command:
    """Return the typed transaction; TxRejected for missing fields and values out of range."""
    return _PARSERS[tx_type](_head(tx_type, info), info)


def _integer(info: dict[str, Any], name: str) -> int:
    value = info.get(name)
    if type(value) is not int:
        raise TxRejected(*INVALID_TX_INFO)
    return value


def _check(ok: bool, code: int, message: str) -> None:  # noqa: FBT001 - the condition, always first
    if not ok:
        raise TxRejected(code, message)


def _head(tx_type: int, info: dict[str, Any]) -> TxHead:
    attributes = _attributes(info)
    account = _integer(info, "AccountIndex")
    key = _integer(info, "ApiKeyIndex")
    nonce = _integer(info, "Nonce")
    expired_at = _integer(info, "ExpiredAt")
    _check(0 < account < MAX_AMOUNT, 21102, "invalid account index")
    _check(0 <= key <= MAX_API_KEY_INDEX, 21110, "invalid api key index")
    _check(0 <= nonce <= MAX_NONCE, 21104, "invalid nonce")
    _check(0 < expired_at <= MAX_AMOUNT, *INVALID_TX_INFO)
    skip_nonce = attributes.get(ATTRIBUTE_SKIP_NONCE, 0)
    _check(skip_nonce in {0, 1}, *INVALID_TX_INFO)
    return TxHead(tx_type, account, key, nonce, expired_at, skip_nonce == 1)


def _attributes(info: dict[str, Any]) -> dict[int, int]:
    raw = info.get("L2TxAttributes")
    if raw is None:
        return {}
    valid = (
        isinstance(raw, dict)
        and len(raw) <= MAX_ATTRIBUTES
        and all(key.isdecimal() and 1 <= int(key) <= 8 for key in raw)  # noqa: PLR2004
        and all(type(value) is int and 0 <= value <= MAX_AMOUNT for value in raw.values())
    )
    _check(valid, *INVALID_TX_INFO)
    return attributes_of(info)


def _create(head: TxHead, info: dict[str, Any]) -> CreateOrder:
    lots, price = _integer(info, "BaseAmount"), _integer(info, "Price")
    client = _integer(info, "ClientOrderIndex")
    is_ask, reduce_only = _integer(info, "IsAsk"), _integer(info, "ReduceOnly")
    kind, tif = _integer(info, "Type"), _integer(info, "TimeInForce")
    expiry = _integer(info, "OrderExpiry")
    _check(0 <= client <= MAX_AMOUNT, 21727, "invalid client order index")
    _check(reduce_only in {0, 1}, *INVALID_TX_INFO)
    _check(0 <= lots <= MAX_AMOUNT and (lots > 0 or reduce_only == 1), 21701, "invalid base amount")
    _check(1 <= price <= MAX_PRICE, 21702, "invalid price")
    _check(is_ask in {0, 1}, 21703, "invalid is ask")
    _check(kind in {0, 1}, 21704, "invalid order type")
    _check(tif in {0, 1, 2}, 21705, "invalid order time in force")
    _check(kind == OrderType.LIMIT or tif == 0, 21705, "invalid order time in force")
    _check(_integer(info, "TriggerPrice") == 0, 21729, "invalid order trigger price")
    _check(expiry == 0 if tif == 0 else 0 < expiry <= MAX_AMOUNT, 21711, "invalid expiry")
    attributes = attributes_of(info)
    behavior, same_master = _self_trade(attributes)
    return CreateOrder(
        head=head,
        market_id=_integer(info, "MarketIndex"),
        client_order_index=client,
        lots=lots,
        price=price,
        is_ask=is_ask == 1,
        type=OrderType(kind),
        time_in_force=TimeInForce(tif),
        reduce_only=reduce_only == 1,
        order_expiry=expiry,
        self_trade_behavior=behavior,
        self_trade_same_master=same_master,
        version=attributes.get(ATTRIBUTE_ORDER_VERSION, 0),
    )


def _self_trade(attributes: dict[int, int]) -> tuple[int, bool]:
    """Return behavior and whether accounts of one master count as one.

    Shrinking both orders and the master's equality do not go together (lighter-go,
    `L2TxAttributes`). Nobody has approved an integrator here, so none is let through.
    """
    integrator = any(attributes.get(each) for each in ATTRIBUTES_INTEGRATOR)
    _check(not integrator, 21149, "integrator is not approved")
    behavior = attributes.get(ATTRIBUTE_SELF_TRADE_BEHAVIOR, 0)
    equality = attributes.get(ATTRIBUTE_SELF_TRADE_EQUALITY, 0)
    _check(behavior <= max(SelfTrade) and equality in {0, 1}, *INVALID_TX_INFO)
    _check(behavior != SelfTrade.REDUCE_BOTH or equality == 0, *INVALID_TX_INFO)
    return behavior, equality == 1


def _modify(head: TxHead, info: dict[str, Any]) -> ModifyOrder:
    index, lots = _integer(info, "Index"), _integer(info, "BaseAmount")
    price = _integer(info, "Price")
    _check(1 <= index <= MAX_ORDER_INDEX, 21700, "invalid order index")
    _check(1 <= lots <= MAX_AMOUNT, 21701, "invalid base amount")
    _check(1 <= price <= MAX_PRICE, 21702, "invalid price")
    _check(_integer(info, "TriggerPrice") == 0, 21729, "invalid order trigger price")
    attributes = attributes_of(info)
    behavior, same_master = _self_trade(attributes)
    return ModifyOrder(
        head=head,
        market_id=_integer(info, "MarketIndex"),
        index=index,
        lots=lots,
        price=price,
        self_trade_behavior=behavior,
        self_trade_same_master=same_master,
        version=attributes.get(ATTRIBUTE_ORDER_VERSION, 0),
    )


def _leverage(head: TxHead, info: dict[str, Any]) -> UpdateLeverage:
    imf, mode = _integer(info, "InitialMarginFraction"), _integer(info, "MarginMode")
    _check(1 <= imf <= RATIO, 21113, "invalid initial margin fraction")
    _check(mode in {0, 1}, 21613, "invalid margin mode")
    return UpdateLeverage(head, _integer(info, "MarketIndex"), imf, mode)


def _group(_: TxHead, info: dict[str, Any]) -> Command:
    """Refuse grouped orders: every grouping has orders that wait for a trigger.

    lighter-go, `L2CreateGroupedOrdersTxInfo.Validate`: one of two, both of two, or two of three
    orders of a group are stop-loss or take-profit orders, which this exchange does not execute.
    """
    size = GROUP_SIZES.get(_integer(info, "GroupingType"))
    _check(size is not None, 21741, "invalid grouping type")
    orders = info.get("Orders")
    _check(isinstance(orders, list) and len(orders) == size, 21742, "invalid order group size")
    raise TxRejected(21710, "unsupported order type")


def _cancel(head: TxHead, info: dict[str, Any]) -> CancelOrder:
    index = _integer(info, "Index")
    _check(1 <= index <= MAX_ORDER_INDEX, 21700, "invalid order index")
    return CancelOrder(head, _integer(info, "MarketIndex"), index)


def _cancel_all(head: TxHead, info: dict[str, Any]) -> CancelAll:
    mode, time_ms = _integer(info, "TimeInForce"), _integer(info, "Time")
    market = attributes_of(info).get(ATTRIBUTE_CANCEL_ALL_MARKET, ALL_MARKETS)
    _check(mode in {0, 1, 2}, 21713, "invalid cancel all time in force")
    time_ok = 0 < time_ms <= MAX_AMOUNT if mode == 1 else time_ms == 0
    _check(time_ok, 21714, "invalid cancel all time")
    _check(mode == 0 or market == ALL_MARKETS, *INVALID_TX_INFO)
    return CancelAll(head, mode, time_ms, None if market == ALL_MARKETS else market)


_PARSERS: dict[int, Callable[[TxHead, dict[str, Any]], Command]] = {
    TxType.CREATE_ORDER: _create,
    TxType.CANCEL_ORDER: _cancel,
    TxType.CANCEL_ALL_ORDERS: _cancel_all,
    TxType.MODIFY_ORDER: _modify,
    TxType.UPDATE_LEVERAGE: _leverage,
    TxType.CREATE_GROUPED_ORDERS: _group,
}
