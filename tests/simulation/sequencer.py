"""The paper exchange's engine with a sequencer that may drop, cancel or hand back what it took."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from paper import executor, matching
from paper.engine import Engine
from paper.records import OrderStatus as PaperStatus
from paper.records import TxStatus
from paper.txinfo import CreateOrder


class SimEngine(Engine):
    """An engine whose sequencer may fail; `fates` says how, by transaction hash."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fates: dict[str, str] = {}
        self.handed_back: Callable[[int, int], None] = lambda account, nonce: None

    def _execute(self, queued: executor.Queued) -> None:
        fate = self.fates.pop(queued.tx.hash, "")
        if not fate:
            super()._execute(queued)
            return
        store = self._store
        store.block_height += 1
        executor._leave_queue(queued.state, queued.tx, queued.command)
        status = TxStatus.FAILED
        if fate in ("cancelled", "handed back, listed") and isinstance(queued.command, CreateOrder):
            self._list_unfilled(queued)
            status = TxStatus.EXECUTED
        if fate.startswith("handed back"):
            self._hand_back(queued)
            status = TxStatus.FAILED
        store.set_tx(_with_status(queued.tx, status, store.now_ms))

    def _list_unfilled(self, queued: executor.Queued) -> None:
        """List the order as cancelled without a fill."""
        command, tx = queued.command, queued.tx
        assert isinstance(command, CreateOrder)
        order = matching.Incoming(
            market=self._store.markets[command.market_id],
            state=queued.state,
            is_ask=command.is_ask,
            type=command.type,
            time_in_force=command.time_in_force,
            price=command.price,
            lots=command.lots,
            reduce_only=command.reduce_only,
            client_order_index=command.client_order_index,
            order_expiry=command.order_expiry,
            tx_hash=tx.hash,
            tx_nonce=tx.nonce,
            api_key_index=tx.api_key_index,
        )
        order.nonce = order.market.take_nonce(is_ask=order.is_ask)
        row = matching.row_of(self._store, order, PaperStatus.CANCELED_TOO_MUCH_SLIPPAGE)
        self._store.keep_finished(row)

    def _hand_back(self, queued: executor.Queued) -> None:
        """Give the nonce back; what is queued behind it fails with it."""
        tx, rest = queued.tx, []
        for entry in self._queue:
            other = entry[2]
            if (other.tx.account_index, other.tx.api_key_index) == (
                tx.account_index,
                tx.api_key_index,
            ):
                executor._leave_queue(other.state, other.tx, other.command)
                self._store.set_tx(_with_status(other.tx, TxStatus.FAILED, self._store.now_ms))
            else:
                rest.append(entry)
        self._queue = sorted(rest, key=lambda entry: entry[:2])
        queued.state.account.api_keys[tx.api_key_index].next_nonce = tx.nonce
        self.handed_back(tx.account_index, tx.nonce)


def _with_status(tx: Any, status: TxStatus, now_ms: int) -> Any:
    return replace(tx, status=status, executed_ms=now_ms)
