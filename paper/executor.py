"""Execution of queued transactions: the second of the two phases, where orders meet the book."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from paper import margin
from paper.commands import (
    CancelAll,
    CancelOrder,
    Command,
    CreateOrder,
    ModifyOrder,
    UpdateLeverage,
)
from paper.eventinfo import cancel_info, failure, order_info, trade_info
from paper.matching import Incoming, execute, refuse
from paper.plans import Plan
from paper.records import ORDER_INDEX_BASE, Health, Order, OrderStatus, Tx, TxStatus
from paper.store import AccountState, Store

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Queued:
    """An accepted transaction that waits for its time."""

    tx: Tx
    command: Command
    state: AccountState
    plan: Plan | None = None
    """What a fault switch decided about it."""


class ExecutionError(Exception):
    """A transaction had no effect; its text becomes the `ae` of the event info."""


def run(store: Store, queued: Queued) -> None:
    """Execute a queued transaction and record its outcome; its nonce stays spent either way."""
    store.block_height += 1
    tx, command = queued.tx, queued.command
    _leave_queue(queued.state, tx, command)
    if queued.plan is not None and queued.plan.drop:
        return
    status = TxStatus.EXECUTED
    try:
        info = _dispatch(store, queued)
    except ExecutionError as error:
        status, info = TxStatus.FAILED, failure(command, str(error))
    done = replace(
        tx,
        status=status,
        event_info=_encode(info),
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
    tx, command, plan = queued.tx, queued.command, queued.plan
    if tx.api_key_index not in queued.state.account.api_keys:
        raise ExecutionError("api key not found")
    if tx.expire_at <= store.now_ms:
        raise ExecutionError("transaction expired")
    if tx.sequence_index <= queued.state.void.get(tx.api_key_index, 0):
        raise ExecutionError("invalid nonce")
    if plan is not None and plan.give_nonce_back:
        give_nonce_back(store, queued.state, tx)
        raise ExecutionError("not enough margin to create the order")
    if isinstance(command, CreateOrder):
        return _create(store, queued.state, tx, command, plan)
    if isinstance(command, CancelOrder):
        return _cancel(store, queued.state, command)
    if isinstance(command, ModifyOrder):
        return _modify(store, queued.state, command)
    if isinstance(command, UpdateLeverage):
        return _update_leverage(store, queued.state, command)
    return _cancel_all(store, queued.state, command)


def give_nonce_back(store: Store, state: AccountState, tx: Tx) -> None:
    """Free the nonce of a failing transaction; what is queued behind it with its key is void.

    The venue does so where a resting order fails for margin in the sequencer (apidocs.lighter.xyz,
    troubleshooting): the nonce is not consumed, and later queued nonces fail too.
    """
    key = state.account.api_keys[tx.api_key_index]
    key.next_nonce = min(key.next_nonce, tx.nonce)
    state.void[tx.api_key_index] = store.last_sequence


def _create(
    store: Store, state: AccountState, tx: Tx, command: CreateOrder, plan: Plan | None
) -> dict[str, Any]:
    _check_liquidation(state)
    if command.client_order_index in state.active_clients:
        raise ExecutionError("client order index already exists")
    if command.rests:
        _check_counts(state, command.market_id)
    market = store.markets[command.market_id]
    last_trade = store.last_trade_id
    incoming = Incoming(
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
        fill_lots=-1 if plan is None else plan.fill_lots,
        version=command.version,
    )
    if plan is not None and plan.end_as:
        order = refuse(store, incoming, OrderStatus(plan.end_as))
    else:
        order = execute(store, incoming)
    trade = market.trades[-1] if store.last_trade_id > last_trade else None
    met = incoming.last_maker
    return {
        "m": command.market_id,
        "t": trade_info(trade),
        "mo": None if met is None else order_info(met),
        "to": order_info(order),
        "ae": "",
    }


def _check_liquidation(state: AccountState) -> None:
    if state.health is Health.LIQUIDATION:
        raise ExecutionError("account is in liquidation")


def _check_counts(state: AccountState, market_id: int) -> None:
    """Refuse one more resting order than the tier allows, where queued ones took the last place."""
    if state.active_count(market_id) >= state.terms.orders_per_market:
        raise ExecutionError("maximum active limit order count per market reached")
    if state.active_count() >= state.terms.orders_per_account:
        raise ExecutionError("maximum active limit order count reached")


def _modify(store: Store, state: AccountState, command: ModifyOrder) -> dict[str, Any]:
    """Take an order out of the book and insert it anew, behind the others at its price.

    It keeps its order index and gets a new order nonce, even where only its size changes; what
    has been filled counts towards the new total (open circuits, `l2_modify_order`).
    """
    order = find_active(store, state, command.market_id, command.index)
    if order is None:
        raise ExecutionError("given order is not an active limit order")
    _check_liquidation(state)
    version = command.version or order.version
    if command.version and command.version <= order.version:
        raise ExecutionError("invalid order info")
    if command.lots <= order.filled_lots:
        done = replace(order, initial_lots=order.filled_lots, version=version)
        changed = store.finish(done, OrderStatus.FILLED)
    else:
        store.lift(order)
        changed = execute(store, _continued(store, state, order, command, version))
    old, new = order_info(order), order_info(changed)
    return {"m": command.market_id, "oo": old, "no": new, "ae": ""}


def _continued(
    store: Store, state: AccountState, order: Order, command: ModifyOrder, version: int
) -> Incoming:
    """Return the order as it enters the book again."""
    return Incoming(
        market=store.markets[order.market_id],
        state=state,
        is_ask=order.is_ask,
        type=order.type,
        time_in_force=order.time_in_force,
        price=command.price,
        lots=command.lots,
        reduce_only=order.reduce_only,
        client_order_index=order.client_order_index,
        order_expiry=order.order_expiry,
        self_trade_behavior=command.self_trade_behavior,
        self_trade_same_master=command.self_trade_same_master,
        tx_hash=order.tx_hash,
        tx_nonce=order.tx_nonce,
        api_key_index=order.api_key_index,
        version=version,
        origin=order,
        filled=order.filled_lots,
        filled_quote=order.filled_quote,
    )


def _update_leverage(store: Store, state: AccountState, command: UpdateLeverage) -> dict[str, Any]:
    """Set the initial margin fraction of a market, if what is held stays covered."""
    _check_liquidation(state)
    position = state.position(store.markets[command.market_id].config)
    if not margin.can_lever(store, state, position, command.imf):
        raise ExecutionError("invalid risk change")
    store.set_position(state, replace(position, imf=command.imf, margin_set=True))
    return {"a": command.head.account_index, "m": command.market_id, "ae": ""}


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
    return cancel_info(command, order.order_index, order.client_order_index)


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
