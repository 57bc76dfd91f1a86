"""What a frame says that is not true: one field of a trade, an order row, a position, a book.

The exchange's own answers stay true; only what a stream carries is bent. Each lie is such as the
product's parser lets pass: a positive size, a known status.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from hedge.core.records import Depth, Level, OrderRow, OrderStatus, Trade
from tests.simulation.exchange import Margin

FAR_ID = 2**31
"""Added to a trade's id: higher than any that will come."""


@dataclass
class Lie:
    """Bends frames of some channels: the next one, or each until the socket is opened anew.

    `field` names what is bent, "" for any of the frame; `dice` are its own, so that a lasting lie
    says the same again.
    """

    kind: str
    channels: tuple[str, ...]
    seed: int
    field: str = ""
    until_reconnect: bool = False

    @property
    def dice(self) -> Random:
        """The same ones for each frame."""
        return Random(self.seed)

    def bent(self, content: Any) -> Any:
        """Return what a frame carries instead; None where nothing of it is left to read."""
        return bend(content, self.dice, self.field)


def _other_size(lots: int, dice: Random) -> int:
    return max(1, dice.choice((lots * 10, lots * 2, lots // 2, lots // 10, lots + 1)))


def _before(trade: Trade, dice: Random) -> int | None:
    before = trade.position_before_lots or 0
    return dice.choice((None, 0, before * 10, -before, before + trade.signed_lots, before + 7))


def _far(trade: Trade, dice: Random) -> int:
    return dice.choice((FAR_ID, trade.trade_id + FAR_ID, trade.trade_id + 2**40))


TRADE: dict[str, Callable[[Trade, Random], tuple[Trade, ...]]] = {
    "id": lambda trade, dice: (replace(trade, trade_id=_far(trade, dice)),),
    "near id": lambda trade, dice: (
        replace(trade, trade_id=max(1, trade.trade_id + dice.choice((-1, 1, 3, 50)))),
    ),
    "size": lambda trade, dice: (replace(trade, size_lots=_other_size(trade.size_lots, dice)),),
    "side": lambda trade, dice: (replace(trade, side=trade.side.opposite),),
    "price": lambda trade, dice: (
        replace(trade, price_ticks=max(1, trade.price_ticks * dice.choice((1, 9, 11, 100)) // 10)),
    ),
    "size before": lambda trade, dice: (replace(trade, position_before_lots=_before(trade, dice)),),
    "client id": lambda trade, dice: (
        replace(
            trade, client_order_index=dice.choice((0, 1, trade.client_order_index ^ (1 << 32)))
        ),
    ),
    "order": lambda trade, dice: (replace(trade, order_index=trade.order_index + 1),),
    "time": lambda trade, dice: (
        replace(trade, time_ms=max(0, trade.time_ms + dice.choice((-(10**12), -20_000, 10**9)))),
    ),
    "role": lambda trade, dice: (replace(trade, is_maker=not trade.is_maker),),
    "kind": lambda trade, dice: (replace(trade, kind=dice.choice(("liquidation", "deleverage"))),),
    "twice": lambda trade, dice: (
        trade,
        replace(trade, trade_id=dice.choice((trade.trade_id + 1, _far(trade, dice)))),
    ),
}

ROW: dict[str, Callable[[OrderRow, Random], OrderRow]] = {
    "filled": lambda row, dice: replace(
        row,
        filled_lots=dice.choice((0, row.initial_lots, row.initial_lots * 10, row.filled_lots + 1)),
    ),
    "status": lambda row, dice: replace(
        row,
        status=dice.choice(
            (
                OrderStatus.OPEN,
                OrderStatus.FILLED,
                OrderStatus.CANCELED,
                OrderStatus.CANCELED_LIQUIDITY,
                OrderStatus.CANCELED_MARGIN,
            )
        ),
    ),
    "size": lambda row, dice: replace(row, initial_lots=_other_size(row.initial_lots, dice)),
    "side": lambda row, dice: replace(row, side=row.side.opposite),
    "price": lambda row, dice: replace(row, price_ticks=row.price_ticks * dice.choice((1, 9)) + 1),
    "order": lambda row, dice: replace(row, order_index=row.order_index + 1),
    "time": lambda row, dice: replace(
        row, updated_ms=max(1, row.updated_ms + dice.choice((-(10**12), -20_000, 10**9)))
    ),
    "client id": lambda row, dice: replace(
        row, client_order_index=dice.choice((0, 1, row.client_order_index ^ (1 << 32)))
    ),
}


def bend(content: Any, dice: Random, field: str = "") -> Any:
    """Return what a frame carries with one field changed; as it is where that changes nothing."""
    if isinstance(content, Depth):
        return _bent_depth(content, dice)
    if isinstance(content, Margin):
        return Margin(dice.choice((0, content.available_micros // 100, 10**18)))
    if isinstance(content, int):
        return dice.choice((0, -content, content * 10, content + 1, content - 100))
    rows = list(content)
    number = dice.randrange(len(rows))
    if isinstance(rows[number], Trade):
        bend_trade = TRADE[field or dice.choice(tuple(TRADE))]
        rows[number : number + 1] = bend_trade(rows[number], dice)
    elif field == "" or field in ROW:
        rows[number] = ROW[field or dice.choice(tuple(ROW))](rows[number], dice)
    return tuple(rows)


def false_lots(told: Any, bent: Any) -> int:
    """Return by how much a frame is false in what it says of positions and fills."""
    if isinstance(told, int):
        return abs(bent - told)
    if isinstance(told, Depth | Margin):
        return 0
    true = {id_of(one): one for one in told}
    return sum(_apart(one, true.get(id_of(one))) for one in bent)


def id_of(one: Trade | OrderRow) -> int:
    """Return what tells trades, or rows, apart."""
    return one.trade_id if isinstance(one, Trade) else one.client_order_index


def _apart(bent: Trade | OrderRow, told: Trade | OrderRow | None) -> int:
    if isinstance(bent, OrderRow):
        filled = told.filled_lots if isinstance(told, OrderRow) else 0
        return abs(bent.filled_lots - filled)
    if not isinstance(told, Trade):
        return bent.size_lots
    before = (bent.position_before_lots or 0) - (told.position_before_lots or 0)
    return max(abs(bent.signed_lots - told.signed_lots), abs(before))


def _bent_depth(depth: Depth, dice: Random) -> Depth:
    """Return a book that is too high, too low, too deep, too thin, one-sided or marked wrongly."""
    percent = dice.choice((50, 90, 98, 102, 110, 200))
    lots = dice.choice((1, 10**9))

    def moved(levels: tuple[Level, ...]) -> tuple[Level, ...]:
        return tuple(replace(one, price_ticks=one.price_ticks * percent // 100) for one in levels)

    def sized(levels: tuple[Level, ...]) -> tuple[Level, ...]:
        return tuple(replace(one, size_lots=lots) for one in levels)

    mark = None if depth.mark_ticks is None else depth.mark_ticks * percent // 100
    return dice.choice(
        (
            replace(depth, bids=moved(depth.bids), asks=moved(depth.asks)),
            replace(depth, bids=moved(depth.bids)),
            replace(depth, asks=moved(depth.asks)),
            replace(depth, bids=sized(depth.bids), asks=sized(depth.asks)),
            replace(depth, bids=()),
            replace(depth, asks=()),
            replace(depth, mark_ticks=mark),
        )
    )
