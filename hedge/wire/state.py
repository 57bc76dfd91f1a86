"""The values of the state keys: positions, ledger, neutral, heartbeats.

The same rules as for messages: frozen, `to_json` writes, `from_json` judges and reads or raises
`MessageRefusedError`. A reader treats a refused value as absent, which is unknown, never zero.
"""

# ruff: noqa: RUF009 (wire() returns dataclasses.field)

from dataclasses import dataclass
from typing import ClassVar, Self

from hedge.core.amounts import MarketSpec, Side
from hedge.wire import record
from hedge.wire.codec import Fields, WireLimits
from hedge.wire.control import NO_HALTS, Halt, Halts
from hedge.wire.record import Absent, Record, wire

HALT_BEING_STORED = "halt_being_stored"
"""The notice of a halt that is on its way to the disk."""
HALT_NOT_STORED = "halt_not_stored"
"""The notice of a halt that could not be stored yet and is tried again."""
HALT_NOT_STORED_TEXT = "the halt is not stored on its host: "
"""How the text of that notice begins; then come the file, and why."""
BUDGET = "budget"
"""The word of a notice that names nothing in the way: what the side may ask of the exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionState(Record):
    """One account's position, every trade up to `last_trade_id` included.

    Newest is the higher `seq` of the same `instance`. Every trade with an id up to
    `floor_trade_id` is part of the proven position.
    """

    chain_id: int = wire(record.CHAIN, "chain of the exchange")
    account_index: int = wire(record.ACCOUNT, "whose position it is")
    market_index: int = wire(record.MARKET, "market of the position")
    instance: str = wire(record.INSTANCE, "process that states it")
    seq: int = wire(record.COUNT, "number of this state within the instance")
    position_lots: int = wire(
        record.POSITION, "the position, negative is short", name="position_base_amount"
    )
    floor_trade_id: int = wire(record.TRADE_ID, "every trade up to it is part of the proven book")
    last_trade_id: int = wire(record.TRADE_ID, "newest trade in the position")
    timestamp: int = wire(record.EPOCH_S, "when it was written")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger(Record):
    """B's answer to one state of A: what is owed, and why it is not covered yet.

    `a_instance`, `a_seq`, `a_position_lots` and `owed_lots` are None together while A is unknown:
    then the ledger answers nothing. `failed` names why B gave up, None while it has not.
    """

    chain_id: int = wire(record.CHAIN, "chain of the exchange")
    account_index: int = wire(record.ACCOUNT, "account B")
    market_index: int = wire(record.MARKET, "market of the pair")
    instance: str = wire(record.INSTANCE, "process of B that writes it")
    a_instance: str | None = wire(
        record.INSTANCE, "whose state it answers; null while A is unknown", absent=Absent.NULL
    )
    a_seq: int | None = wire(
        record.COUNT, "which state it answers", absent=Absent.NULL, beside="a_instance"
    )
    a_position_lots: int | None = wire(
        record.AMOUNT,
        "A's position in that state",
        name="a_position_base_amount",
        absent=Absent.NULL,
        beside="a_instance",
    )
    owed_lots: int | None = wire(
        record.AMOUNT,
        "what B still has to trade, positive is buy",
        name="owed_base_amount",
        absent=Absent.NULL,
        beside="a_instance",
    )
    dust_lots: int = wire(
        record.AMOUNT, "of it, what the exchange refuses as too small", name="dust_base_amount"
    )
    manual_lots: int = wire(
        record.AMOUNT, "published by hand and still in the target", name="manual_base_amount"
    )
    inflight: bool = wire(record.FLAG, "whether an order of B is not settled yet")
    yields: bool = wire(
        record.FLAG,
        "whether B signs nothing for what is owed, with nothing in flight: it is A's turn",
        name="yield",
        since=2,
        lenient=True,
        default=False,
    )
    rest_lots: int | None = wire(
        record.AMOUNT,
        "what of it B leaves to A at once, for the exchange refuses it for good",
        name="rest_base_amount",
        absent=Absent.LEFT_OUT,
        since=2,
        lenient=True,
        default=None,
    )
    failed: str | None = wire(
        record.TEXT, "why B gave up; null while it has not", absent=Absent.NULL
    )
    reasons: tuple[str, ...] = wire(record.TEXTS, "why it is not covered yet")
    timestamp: int = wire(record.EPOCH_S, "when it was written")


@dataclass(frozen=True, slots=True, kw_only=True)
class Neutral(Record):
    """The last moment with nothing in flight and nothing owed: both positions and trade ids."""

    chain_id: int = wire(record.CHAIN, "chain of the exchange")
    a_account_index: int = wire(record.ACCOUNT, "account A")
    b_account_index: int = wire(record.OTHER_ACCOUNT, "account B")
    market_index: int = wire(record.MARKET, "market of the pair")
    a_position_lots: int = wire(record.AMOUNT, "A's position", name="a_position_base_amount")
    b_position_lots: int = wire(record.AMOUNT, "B's position", name="b_position_base_amount")
    a_trade_id: int = wire(record.TRADE_ID, "newest trade in A's position")
    b_trade_id: int = wire(record.TRADE_ID, "newest trade in B's position")
    timestamp: int = wire(record.EPOCH_S, "when it was so")

    @classmethod
    def from_host_file(cls, text: str, spec: MarketSpec, limits: WireLimits) -> Self:
        """Judge and read what this host keeps, also as version 1 kept it.

        Raises MessageRefusedError.
        """
        fields = Fields.parse(text, spec)
        if fields.is_version_1:
            return cls.of_version_1(fields, limits)
        return cls.from_fields(fields, limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingOrder(Record):
    """One order of A that rests, or may rest, in the book."""

    VERSIONED: ClassVar[bool] = False
    SIGNED: ClassVar[bool] = False

    client_order_index: int = wire(record.INDEX, "our id of the order")
    side: Side = wire(record.SIDE, "what A would do")
    price_micros: int = wire(record.PRICE, "its price", name="price")
    remaining_lots: int = wire(
        record.AMOUNT, "what of it can still fill", name="remaining_base_amount"
    )
    ends_at: int = wire(record.MS, "when the exchange ends it, epoch ms of the exchange's clock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Record):
    """One side's heartbeat; that the key exists says that the side lives.

    `beat` numbers the heartbeats of the envelope's epoch; the other side's values echo it.
    `position_lots`, `a_position_lots` and `seq` are None while unknown. `proven` says that the
    book was proven after this epoch's own fence, `shown` that it is evidence at this moment.
    A side that `leaving` starts nothing new; with `left` nothing of it can happen any more.
    `can_hedge_lots` is what B could hedge with its margin, None for A or while unknown.
    `offset_lots` is the configured sum of both positions: both sides must agree on it. Reading
    does not judge chain and accounts: of others it is kept apart, for `disagreements` alone;
    another market is refused, for its amounts cannot be read.
    """

    side: str = wire(record.TEXT, '"a" or "b"')
    ready: bool = wire(record.FLAG, "whether the side could do its work now")
    reasons: tuple[str, ...] = wire(record.TEXTS, "why it is not ready")
    state: str = wire(record.TEXT, "the side's state")
    instance: str = wire(record.INSTANCE, "process that writes it")
    can_hedge_lots: int | None = wire(
        record.AMOUNT,
        "what B could hedge with its margin; null for A, or while unknown",
        name="can_hedge_base_amount",
        absent=Absent.NULL,
    )
    version: str = wire(record.TEXT, "version of the program")
    chain_id: int = wire(record.INDEX, "configured chain")
    a_account_index: int = wire(record.INDEX, "configured account A")
    b_account_index: int = wire(record.INDEX, "configured account B")
    market_index: int = wire(record.MARKET, "configured market")
    offset_lots: int = wire(
        record.AMOUNT, "configured sum of both positions", name="offset_base_amount"
    )
    timestamp: int = wire(record.EPOCH_S, "when it was written")
    market: str = wire(
        record.TEXT, "symbol of the market that it trades", since=2, lenient=True, default=""
    )
    beat: int = wire(
        record.COUNT, "number of this heartbeat within the epoch", since=2, lenient=True, default=0
    )
    heard: str | None = wire(
        record.EPOCH,
        "epoch of the other side that counts; null before one does",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    position_lots: int | None = wire(
        record.AMOUNT,
        "the side's own position; null while unknown",
        name="position_base_amount",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    a_position_lots: int | None = wire(
        record.AMOUNT,
        "A's position as B covers it; null for A, or while unknown",
        name="a_position_base_amount",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    seq: int | None = wire(
        record.COUNT,
        "the state of A that this speaks of; null while unknown",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    proven: bool = wire(
        record.FLAG,
        "whether the own book was proven after this epoch's fence",
        since=2,
        lenient=True,
        default=False,
    )
    shown: bool = wire(
        record.FLAG,
        "whether the own book is evidence at this moment",
        since=2,
        lenient=True,
        default=False,
    )
    unheard_s: int | None = wire(
        record.SECONDS,
        "while its book is no evidence: for how long its private stream has shown nothing of its"
        " orders",
        absent=Absent.LEFT_OUT,
        since=2,
        default=None,
    )
    leaving: bool = wire(
        record.FLAG,
        "whether the side was asked to stop and starts nothing new",
        since=2,
        lenient=True,
        default=False,
    )
    left: bool = wire(
        record.FLAG,
        "whether nothing of it can happen any more: its last word",
        since=2,
        lenient=True,
        default=False,
    )
    resting: tuple[RestingOrder, ...] = wire(
        record.records_of(RestingOrder),
        "A's orders that rest or may rest",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    unanswered: tuple[int, ...] = wire(
        record.INDEXES,
        "our ids of the orders whose fate is open",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    quantity_lots: int | None = wire(
        record.AMOUNT,
        "size of A's opening orders; null for B",
        name="quantity_base_amount",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    order_life_s: int | None = wire(
        record.SECONDS,
        "how long an order of A may rest; null for B",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    is_open: bool = wire(
        record.FLAG,
        "whether a trade contradicts A's book, so that its position may be another than it states",
        name="open",
        since=2,
        lenient=True,
        default=False,
    )
    confirmed_to: int | None = wire(
        record.MS,
        "up to when A's book holds all its trades by an answer of the exchange, epoch ms of its"
        " clock; null for B, or while unknown",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    raised_at: int | None = wire(
        record.MS,
        "when the newest fill raised what B owes, epoch ms of the exchange's clock; null for B, or"
        " while unknown",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    acting: bool = wire(
        record.FLAG,
        "whether A reduces itself by what B has not hedged, until its trades sum",
        since=2,
        lenient=True,
        default=False,
    )
    nored: bool = wire(
        record.FLAG,
        "whether A does not reduce what B owes, so that B goes on",
        since=2,
        lenient=True,
        default=False,
    )
    force_close_ms: int | None = wire(
        record.COUNT,
        "how long B may leave a fill of A unhedged before A reduces itself; null for B",
        absent=Absent.NULL,
        since=2,
        default=None,
    )
    acks: tuple[tuple[str, str], ...] = wire(
        record.OUTCOMES,
        "what became of each command that was heard, by its id",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    halts: tuple[Halt, ...] = wire(
        record.records_of(Halt),
        "the halts in force",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    released: tuple[str, ...] = wire(
        record.TEXTS,
        "ids of halts that were released: the newest 64, and each that the other side shows",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )

    notices: tuple[tuple[str, str], ...] = wire(
        record.OUTCOMES,
        "what keeps the side waiting though it may be ready, or what it does not see: a sentence"
        " by its word",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    refused: tuple[tuple[str, int], ...] = wire(
        record.COUNTS,
        "how many messages and values this process has refused, by cause",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    lag_ms: int | None = wire(
        record.COUNT,
        "the worst that its loop was late within the last minute, ms, where it was more than 250",
        absent=Absent.LEFT_OUT,
        since=2,
        default=None,
    )

    @property
    def known_halts(self) -> Halts:
        """Return what it says of halts."""
        if not (self.halts or self.released):
            return NO_HALTS
        return Halts(halts=self.halts, released=self.released)

    def disagreements(self, other: "Ready") -> tuple[str, ...]:
        """Return what the two sides' configurations disagree on, in words; empty is agreement."""
        pairs = (
            ("chain_id", self.chain_id, other.chain_id),
            ("account_a", self.a_account_index, other.a_account_index),
            ("account_b", self.b_account_index, other.b_account_index),
            ("market_index", self.market_index, other.market_index),
            ("offset in lots", self.offset_lots, other.offset_lots),
        )
        return tuple(
            f"{what}: side {self.side} has {mine}, side {other.side} has {theirs}"
            for what, mine, theirs in pairs
            if mine != theirs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby(Record):
    """A process that waits for the lease of its side; that the key exists says that it lives.

    `warm` says that its streams are up: it could lead at once; `leaving` that it was asked to stop.
    """

    side: str = wire(record.TEXT, '"a" or "b"')
    instance: str = wire(record.INSTANCE, "process that writes it")
    host: str = wire(record.TEXT, "host of that process")
    warm: bool = wire(record.FLAG, "whether its streams are up, so that it could lead at once")
    version: str = wire(record.TEXT, "version of the program")
    timestamp: int = wire(record.EPOCH_S, "when it was written")
    leaving: bool = wire(
        record.FLAG, "whether it was asked to stop", since=2, lenient=True, default=False
    )
