"""The messages on the channels and in the history streams: fills, results, failures, events.

Every kind is frozen; `to_json` writes it, `from_json` judges and reads it or raises
`MessageRefusedError`. Amounts are lots and micros of the quote asset, `timestamp` is epoch
seconds, stamps are monotonic nanoseconds of the host that took them.
"""

# ruff: noqa: RUF009 (wire() returns dataclasses.field)

from dataclasses import dataclass
from typing import ClassVar

from hedge.core.amounts import Side
from hedge.wire import record
from hedge.wire.record import Absent, Record, wire

EIGHT = frozenset(
    {
        "account_index",
        "market_index",
        "order_index",
        "filled_base_amount",
        "filled_quote_amount",
        "avg_price",
        "timestamp",
        "side",
    }
)
"""The fields of a fill that the users' tools know; a person who publishes by hand writes these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AFilled(Record):
    """One trade of account A, and A's position after it.

    A message published by hand has no `instance`: then everything below `side` is None, and it is
    an amount to hedge, not a state of A. `last_trade_id` is the newest trade in the position: of
    trades that are said late, or several at once, not the one that the message is about.
    """

    USERS_NAMES: ClassVar[frozenset[str]] = EIGHT
    BY_DAEMON: ClassVar[str] = "instance"

    account_index: int = wire(record.ACCOUNT, "account A")
    market_index: int = wire(record.MARKET, "market of the trade")
    order_index: int = wire(record.INDEX, "the exchange's index of A's order")
    filled_lots: int = wire(record.FILL_AMOUNT, "size of this trade", name="filled_base_amount")
    quote_micros: int = wire(record.QUOTE, "value of this trade", name="filled_quote_amount")
    avg_price_micros: int = wire(record.PRICE, "price of this trade", name="avg_price")
    timestamp: int = wire(record.EPOCH_S, "when it was traded")
    side: Side = wire(record.SIDE, "what A did")
    trade_id: int | None = wire(
        record.TRADE_ID,
        "the exchange's id of the trade",
        absent=Absent.LEFT_OUT,
        beside="instance",
        default=None,
    )
    client_order_index: int | None = wire(
        record.INDEX, "our id of A's order", absent=Absent.LEFT_OUT, beside="instance", default=None
    )
    instance: str | None = wire(
        record.INSTANCE,
        "process of A that states it; missing where it is published by hand",
        absent=Absent.LEFT_OUT,
        default=None,
    )
    seq: int | None = wire(
        record.COUNT,
        "number of this state of A within the instance",
        absent=Absent.LEFT_OUT,
        beside="instance",
        default=None,
    )
    position_lots: int | None = wire(
        record.POSITION,
        "A's position after it, negative is short",
        name="position_base_amount",
        absent=Absent.LEFT_OUT,
        beside="instance",
        default=None,
    )
    chain_id: int | None = wire(
        record.CHAIN,
        "chain of the exchange",
        absent=Absent.LEFT_OUT,
        beside="instance",
        default=None,
    )
    last_trade_id: int | None = wire(
        record.TRADE_ID,
        "newest trade in the position",
        absent=Absent.LEFT_OUT,
        beside="instance",
        lenient=True,
        default=None,
    )
    frame_ns: int | None = wire(
        record.MONO_NS,
        "when A's host received the trade",
        absent=Absent.LEFT_OUT,
        default=None,
    )
    published_ns: int | None = wire(
        record.MONO_NS,
        "when A's host published this message",
        absent=Absent.LEFT_OUT,
        default=None,
    )

    @property
    def by_hand(self) -> bool:
        """Whether a person published it, rather than A's daemon."""
        return self.instance is None

    @property
    def signed_lots(self) -> int:
        """Change of A's position."""
        return self.side.sign * self.filled_lots


@dataclass(frozen=True, slots=True, kw_only=True)
class BFilled(Record):
    """One executed hedge order of account B.

    `trade_ids` are B's trades of this order, `a_seq` the state of A that it answers, `owed_lots`
    what is still owed after it (None while A is unknown), `latency_ms` from A's fill to B's order.
    """

    USERS_NAMES: ClassVar[frozenset[str]] = EIGHT

    account_index: int = wire(record.ACCOUNT, "account B")
    market_index: int = wire(record.MARKET, "market of the order")
    order_index: int = wire(record.INDEX, "the exchange's index of B's order")
    filled_lots: int = wire(
        record.FILL_AMOUNT, "what the order executed", name="filled_base_amount"
    )
    quote_micros: int = wire(record.QUOTE, "value of what it executed", name="filled_quote_amount")
    avg_price_micros: int = wire(record.PRICE, "average price of its trades", name="avg_price")
    timestamp: int = wire(record.EPOCH_S, "when it was settled")
    side: Side = wire(record.SIDE, "what B did")
    client_order_index: int = wire(record.INDEX, "our id of B's order")
    trade_ids: tuple[int, ...] = wire(record.TRADE_IDS, "B's trades of this order")
    a_seq: int | None = wire(record.COUNT, "the state of A that it answers", absent=Absent.NULL)
    owed_lots: int | None = wire(
        record.AMOUNT,
        "what B still has to trade, positive is buy; null while A is unknown",
        name="owed_base_amount",
        absent=Absent.NULL,
    )
    attempt: int = wire(record.COUNT, "number of the attempt")
    latency_ms: int | None = wire(record.MS, "from A's fill to B's order", absent=Absent.NULL)
    cost_centibps: int | None = wire(
        record.BPS,
        "its price against that of A's fills, positive is a loss, without fees; null where a fill"
        " has no known price",
        name="cost_bps",
        absent=Absent.NULL,
        since=2,
        lenient=True,
        default=None,
    )
    chain_id: int = wire(record.CHAIN, "chain of the exchange")
    stamps: tuple[tuple[str, int], ...] = wire(
        record.STAMPS,
        "when each stage of the hedge was passed",
        absent=Absent.LEFT_OUT,
        default=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BHedgeFailed(Record):
    """B's attempts are used up, or cannot succeed; `owed_lots` is None while it is unknown."""

    account_index: int = wire(record.ACCOUNT, "account B")
    market_index: int = wire(record.MARKET, "market of the debt")
    reason: str = wire(record.TEXT, "why, as one word")
    detail: str = wire(record.TEXT, "why, in words")
    attempts: int = wire(record.COUNT, "attempts made")
    owed_lots: int | None = wire(
        record.AMOUNT,
        "what B still has to trade, positive is buy; null while unknown",
        name="owed_base_amount",
        absent=Absent.NULL,
    )
    rest_lots: int | None = wire(
        record.AMOUNT,
        "what of it stays naked at once, for the exchange refuses it for good; A reduces itself",
        name="rest_base_amount",
        absent=Absent.LEFT_OUT,
        since=2,
        lenient=True,
        default=None,
    )
    a_seq: int | None = wire(record.COUNT, "the state of A that is not covered", absent=Absent.NULL)
    timestamp: int = wire(record.EPOCH_S, "when B gave up")
    chain_id: int = wire(record.CHAIN, "chain of the exchange")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMessage(Record):
    """A change of state of one side ("a" or "b"), for people and dashboards; never acted on."""

    side: str = wire(record.TEXT, '"a" or "b"')
    event: str = wire(record.TEXT, "what happened, as one word")
    state: str = wire(record.TEXT, "the side's state")
    reason: str = wire(record.TEXT, "why, as one word")
    detail: str = wire(record.TEXT, "why, in words")
    timestamp: int = wire(record.EPOCH_S, "when it happened")
