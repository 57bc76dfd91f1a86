"""Execution of queued transactions: the second of the two phases, where orders meet the book."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from paper.matching import Incoming, execute
from paper.records import ORDER_INDEX_BASE, Order, OrderStatus, Trade, Tx, TxStatus
from paper.store import AccountState, Store
from paper.txinfo import CancelAll, CancelOrder, Command, CreateOrder


@dataclass(frozen=True, slots=True)
class Queued:
    """An accepted transaction that waits for its time."""

    tx: Tx
    command: Command
    state: AccountState


class ExecutionError(Exception):
    """A transaction had no effect; its text becomes the `ae` of the event info."""


def run(store: Store, queued: Queued) -> None:
    """Execute a queued transaction and record its outcome; its nonce stays spent either way."""
    store.block_height += 1
    tx, command = queued.tx, queued.command
    _leave_queue(queued.state, tx, command)
    status = TxStatus.EXECUTED
    try:
        info = _dispatch(store, queued)
    except ExecutionError as error:
        status, info = TxStatus.FAILED, _failure(command, str(error))
    done = replace(
        tx,
        status=status,
        event_info=json.dumps(info, separators=(",", ":")),
        executed_ms=store.now_ms,
        block_height=store.block_height,
    )
    store.set_tx(done)


def enter_queue(state: AccountState, tx: Tx, command: Command) -> None:
    """Count a transaction as queued."""
    state.pending += 1
    count, _ = state.pending_by_key.get(tx.api_key_index, (0, 0))
    state.pending_by_key[tx.api_key_index] = (count + 1, tx.due_ms)
    if isinstance(command, CreateOrder) and command.client_order_index:
        clients = state.pending_clients
        clients[command.client_order_index] = clients.get(command.client_order_index, 0) + 1


def _leave_queue(state: AccountState, tx: Tx, command: Command) -> None:
    state.pending -= 1
    count, due = state.pending_by_key[tx.api_key_index]
    if count == 1:
        del state.pending_by_key[tx.api_key_index]
    else:
        state.pending_by_key[tx.api_key_index] = (count - 1, due)
    if isinstance(command, CreateOrder) and command.client_order_index:
        clients = state.pending_clients
        clients[command.client_order_index] -= 1
        if not clients[command.client_order_index]:
            del clients[command.client_order_index]


def _dispatch(store: Store, queued: Queued) -> dict[str, Any]:
    tx, command = queued.tx, queued.command
    if tx.api_key_index not in queued.state.account.api_keys:
        raise ExecutionError("api key not found")
    if tx.expire_at <= store.now_ms:
        raise ExecutionError("transaction expired")
    if isinstance(command, CreateOrder):
        return _create(store, queued.state, tx, command)
    if isinstance(command, CancelOrder):
        return _cancel(store, queued.state, command)
    return _cancel_all(store, queued.state, command)


def _create(store: Store, state: AccountState, tx: Tx, command: CreateOrder) -> dict[str, Any]:
    if command.client_order_index in state.active_clients:
        raise ExecutionError("client order index already exists")
    market = store.markets[command.market_id]
    last_trade = store.last_trade_id
    order = execute(
        store,
        Incoming(
            market=market,
            state=state,
            is_ask=command.is_ask,
            type=command.type,
            time_in_force=command.time_in_force,
            price=command.price,
            lots=command.lots,
            reduce_only=command.reduce_only,
            client_order_index=command.client_order_index,
            order_expiry=command.order_expiry,
            self_trade_behavior=command.self_trade_behavior,
            self_trade_same_master=command.self_trade_same_master,
            tx_hash=tx.hash,
            tx_nonce=tx.nonce,
            api_key_index=tx.api_key_index,
        ),
    )
    trade = market.trades[-1] if store.last_trade_id > last_trade else None
    return {"m": command.market_id, "t": _trade_info(trade), "to": _order_info(order), "ae": ""}


def find_active(store: Store, state: AccountState, market_id: int, index: int) -> Order | None:
    """Return a resting order of an account by order index or (below 2^48) client order index."""
    if index < ORDER_INDEX_BASE:
        index = state.active_clients.get(index, 0)
    order = store.orders.get(index)
    if order is None or not order.status.is_active or order.market_id != market_id:
        return None
    return order if order.account_index == state.account.index else None


def _cancel(store: Store, state: AccountState, command: CancelOrder) -> dict[str, Any]:
    order = find_active(store, state, command.market_id, command.index)
    if order is None:
        raise ExecutionError("given order is not an active limit order")
    store.finish(order, OrderStatus.CANCELED)
    return _cancel_info(command, order.order_index, order.client_order_index)


def _cancel_all(store: Store, state: AccountState, command: CancelAll) -> dict[str, Any]:
    """Cancel now (which also disarms the dead-man switch), or arm the switch, or disarm it."""
    if command.mode == 0:
        state.account.cancel_all_time = 0
        cancel_all(store, state, command.market_id)
    elif command.mode == 1 and command.time_ms <= store.now_ms:
        raise ExecutionError("invalid cancel all time")
    else:
        state.account.cancel_all_time = command.time_ms
    return {"a": command.head.account_index, "t": command.time_ms, "ae": ""}


def cancel_all(store: Store, state: AccountState, market_id: int | None = None) -> None:
    """Cancel the resting orders of an account, in one market or in all."""
    markets = list(state.active) if market_id is None else [market_id]
    for market in markets:
        for index in list(state.active.get(market, ())):
            store.finish(store.orders[index], OrderStatus.CANCELED)


def _failure(command: Command, error: str) -> dict[str, Any]:
    if isinstance(command, CreateOrder):
        return {"m": command.market_id, "t": None, "to": None, "ae": error}
    if isinstance(command, CancelOrder):
        by_client = command.index < ORDER_INDEX_BASE
        index, client = (0, command.index) if by_client else (command.index, 0)
        return {**_cancel_info(command, index, client), "ae": error}
    return {"a": command.head.account_index, "t": command.time_ms, "ae": error}


def _cancel_info(command: CancelOrder, index: int, client: int) -> dict[str, Any]:
    return {"a": command.head.account_index, "i": index, "u": client, "ae": ""}


def _trade_info(trade: Trade | None) -> dict[str, int] | None:
    """Return the last trade of an order in the short keys of event infos."""
    if trade is None:
        return None
    return {"p": trade.price, "s": trade.lots, "tf": trade.taker_fee, "mf": trade.maker_fee}


def _order_info(order: Order) -> dict[str, int]:
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
    }
