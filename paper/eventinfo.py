"""The event info of transactions: what became of each, in the short keys of the API docs.

Source: API docs, "Data Structures, Constants and Errors", data and event structures.
"""

from __future__ import annotations

from typing import Any

from paper.commands import CancelOrder, Command, CreateOrder, ModifyOrder, UpdateLeverage
from paper.records import ORDER_INDEX_BASE, Order, Trade


def failure(command: Command, error: str) -> dict[str, Any]:
    """Return the event info of a transaction without effect."""
    if isinstance(command, CreateOrder):
        return {"m": command.market_id, "t": None, "mo": None, "to": None, "ae": error}
    if isinstance(command, CancelOrder):
        by_client = command.index < ORDER_INDEX_BASE
        index, client = (0, command.index) if by_client else (command.index, 0)
        return {**cancel_info(command, index, client), "ae": error}
    if isinstance(command, ModifyOrder):
        return {"m": command.market_id, "oo": None, "no": None, "ae": error}
    if isinstance(command, UpdateLeverage):
        return {"a": command.head.account_index, "m": command.market_id, "ae": error}
    return {"a": command.head.account_index, "t": command.time_ms, "ae": error}


def cancel_info(command: CancelOrder, index: int, client: int) -> dict[str, Any]:
    """Return the event info of a cancel, with both indexes of its order."""
    return {"a": command.head.account_index, "i": index, "u": client, "ae": ""}


def trade_info(trade: Trade | None) -> dict[str, int] | None:
    """Return the last trade of an order in the short keys of event infos."""
    if trade is None:
        return None
    return {"p": trade.price, "s": trade.lots, "tf": trade.taker_fee, "mf": trade.maker_fee}


def order_info(order: Order) -> dict[str, int]:
    """Return an order in the short keys of event infos."""
    return {
        "i": order.order_index,
        "u": order.client_order_index,
        "a": order.account_index,
        "is": order.initial_lots,
        "p": order.price,
        "rs": order.remaining_lots,
        "ia": int(order.is_ask),
        "ot": int(order.type),
        "f": int(order.time_in_force),
        "ro": int(order.reduce_only),
        "tp": 0,
        "e": order.order_expiry,
        "st": order.status.code,
        "ts": 0,
        "t0": 0,
        "t1": 0,
        "c0": 0,
        "ifci": 0,
        "itf": 0,
        "imf": 0,
    }
