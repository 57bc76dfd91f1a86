"""What an order of ours can have executed, whatever the exchange, or one frame of it, says."""

from collections.abc import Iterable
from typing import Protocol

from hedge.core.amounts import MarketSpec, Side
from hedge.core.records import OrderRow, Trade


class SentOrder(Protocol):
    """An order as we signed it; its known trades add up to `filled_lots`, `row` is its line."""

    @property
    def client_order_index(self) -> int:
        """Return our id of it."""

    @property
    def side(self) -> Side:
        """Return whether it buys or sells."""

    @property
    def lots(self) -> int:
        """Return its size."""

    @property
    def filled_lots(self) -> int:
        """Return what its known trades add up to."""

    @property
    def row(self) -> OrderRow | None:
        """Return the exchange's newest line of it, None before the first."""


def why_implausible(spec: MarketSpec, order: SentOrder, trades: Iterable[Trade] = ()) -> str:
    """Return what contradicts the order, "" where nothing does; `trades` are the newest heard.

    Where the exchange reads other amounts than we sign (its decimals have changed) or a frame lies,
    each next order would be made from what the last one seemed to do, and grow without end.
    """
    row, lots, cid = order.row, order.lots, order.client_order_index
    if order.filled_lots > lots:
        return f"trades add up to {spec.base(order.filled_lots)}, the order was {spec.base(lots)}"
    turned = [t.trade_id for t in trades if t.client_order_index == cid and t.side != order.side]
    if turned or (row is not None and row.side != order.side):
        where = f"trades {turned}" if turned else "the exchange's row"
        return f"{where} show another side than {order.side.value}"
    if row is not None and row.initial_lots != lots:
        return f"the exchange has it as {spec.base(row.initial_lots)}, it was {spec.base(lots)}"
    if row is not None and row.filled_lots > lots:
        return f"its row shows {spec.base(row.filled_lots)} filled, it was {spec.base(lots)}"
    return ""
