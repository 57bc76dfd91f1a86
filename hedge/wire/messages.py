"""The messages on the channels and in the history streams: fills, results, failures, events.

Every kind is frozen; `to_json` writes it, `from_json` judges and reads it or raises
`MessageRefusedError`. Amounts are lots and micros of the quote asset, `timestamp` is epoch
seconds, stamps are monotonic nanoseconds of the host that took them.
"""

from dataclasses import dataclass

from hedge.core.amounts import MarketSpec, Side, quote_text
from hedge.wire.codec import VERSION, Fields, WireLimits, average_price_micros, dump, price_text


@dataclass(frozen=True, slots=True, kw_only=True)
class AFilled:
    """One trade of account A, and A's position after it.

    A message published by hand has no `instance`: then everything below `side` is None, and it is
    an amount to hedge, not a state of A. `last_trade_id` is the newest trade in the position: of
    trades that are said late, or several at once, not the one that the message is about.
    """

    account_index: int
    market_index: int
    order_index: int
    filled_lots: int
    quote_micros: int
    avg_price_micros: int
    timestamp: int
    side: Side
    instance: str | None = None
    seq: int | None = None
    position_lots: int | None = None
    chain_id: int | None = None
    trade_id: int | None = None
    client_order_index: int | None = None
    last_trade_id: int | None = None
    frame_ns: int | None = None
    published_ns: int | None = None

    @property
    def by_hand(self) -> bool:
        """Whether a person published it, rather than A's daemon."""
        return self.instance is None

    @property
    def signed_lots(self) -> int:
        """Change of A's position."""
        return self.side.sign * self.filled_lots

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the message, signed when there is a secret."""
        values: dict[str, object] = {
            "account_index": self.account_index,
            "market_index": self.market_index,
            "order_index": self.order_index,
            "filled_base_amount": spec.base(self.filled_lots),
            "filled_quote_amount": quote_text(self.quote_micros),
            "avg_price": price_text(self.avg_price_micros, spec),
            "timestamp": self.timestamp,
            "side": self.side.value,
        }
        if self.instance is not None:
            values |= {
                "v": VERSION,
                "trade_id": self.trade_id,
                "client_order_index": self.client_order_index,
                "instance": self.instance,
                "seq": self.seq,
                "position_base_amount": (
                    None if self.position_lots is None else spec.base(self.position_lots)
                ),
                "chain_id": self.chain_id,
            }
        if self.last_trade_id is not None:
            values["last_trade_id"] = self.last_trade_id
        if self.frame_ns is not None:
            values["frame_ns"] = self.frame_ns
        if self.published_ns is not None:
            values["published_ns"] = self.published_ns
        return dump(values, secret)

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "AFilled":
        """Judge and read a message. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        account_index = fields.account("account_index", limits.account_index)
        market_index = fields.market()
        by_hand = not fields.has("instance")
        if not by_hand or fields.has("v"):
            fields.check_version()
        if not by_hand or fields.has("chain_id"):
            fields.check_chain(limits.chain_id)
        fields.check_signature(limits.secret)
        return cls(
            account_index=account_index,
            market_index=market_index,
            order_index=fields.integer("order_index"),
            filled_lots=fields.fill_lots("filled_base_amount", limits.max_fill_lots),
            quote_micros=fields.micros("filled_quote_amount"),
            avg_price_micros=fields.micros("avg_price"),
            timestamp=fields.integer("timestamp"),
            side=fields.side("side"),
            instance=None if by_hand else fields.instance("instance"),
            seq=None if by_hand else fields.integer("seq"),
            position_lots=(
                None
                if by_hand
                else fields.position_lots("position_base_amount", limits.max_position_lots)
            ),
            chain_id=None if by_hand else limits.chain_id,
            trade_id=None if by_hand else fields.integer("trade_id"),
            client_order_index=None if by_hand else fields.integer("client_order_index"),
            last_trade_id=None if by_hand else fields.integer_or_none("last_trade_id"),
            frame_ns=fields.integer_or_none("frame_ns"),
            published_ns=fields.integer_or_none("published_ns"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BFilled:
    """One executed hedge order of account B.

    `trade_ids` are B's trades of this order, `a_seq` the state of A that it answers, `owed_lots`
    what is still owed after it (None while A is unknown), `latency_ms` from A's fill to B's order.
    """

    account_index: int
    market_index: int
    order_index: int
    filled_lots: int
    quote_micros: int
    timestamp: int
    side: Side
    client_order_index: int
    trade_ids: tuple[int, ...]
    a_seq: int | None
    owed_lots: int | None
    attempt: int
    latency_ms: int | None
    chain_id: int
    stamps: tuple[tuple[str, int], ...] = ()

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the message, signed when there is a secret."""
        average = average_price_micros(self.filled_lots, self.quote_micros, spec)
        values: dict[str, object] = {
            "account_index": self.account_index,
            "market_index": self.market_index,
            "order_index": self.order_index,
            "filled_base_amount": spec.base(self.filled_lots),
            "filled_quote_amount": quote_text(self.quote_micros),
            "avg_price": price_text(average, spec),
            "timestamp": self.timestamp,
            "side": self.side.value,
            "v": VERSION,
            "client_order_index": self.client_order_index,
            "trade_ids": list(self.trade_ids),
            "a_seq": self.a_seq,
            "owed_base_amount": None if self.owed_lots is None else spec.base(self.owed_lots),
            "attempt": self.attempt,
            "latency_ms": self.latency_ms,
            "chain_id": self.chain_id,
        }
        if self.stamps:
            values["stamps"] = dict(self.stamps)
        return dump(values, secret)

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "BFilled":
        """Judge and read a message. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        account_index = fields.account("account_index", limits.account_index)
        market_index = fields.market()
        fields.check_version()
        fields.check_chain(limits.chain_id)
        fields.check_signature(limits.secret)
        return cls(
            account_index=account_index,
            market_index=market_index,
            order_index=fields.integer("order_index"),
            filled_lots=fields.fill_lots("filled_base_amount", limits.max_fill_lots),
            quote_micros=fields.micros("filled_quote_amount"),
            timestamp=fields.integer("timestamp"),
            side=fields.side("side"),
            client_order_index=fields.integer("client_order_index"),
            trade_ids=fields.integers("trade_ids"),
            a_seq=fields.integer_or_none("a_seq"),
            owed_lots=fields.lots_or_none("owed_base_amount"),
            attempt=fields.integer("attempt"),
            latency_ms=fields.integer_or_none("latency_ms"),
            chain_id=limits.chain_id,
            stamps=fields.stamps("stamps"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BHedgeFailed:
    """B's attempts are used up, or cannot succeed; `owed_lots` is None while it is unknown."""

    account_index: int
    market_index: int
    reason: str
    detail: str
    attempts: int
    owed_lots: int | None
    a_seq: int | None
    timestamp: int
    chain_id: int

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the message, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "account_index": self.account_index,
                "market_index": self.market_index,
                "reason": self.reason,
                "detail": self.detail,
                "attempts": self.attempts,
                "owed_base_amount": None if self.owed_lots is None else spec.base(self.owed_lots),
                "a_seq": self.a_seq,
                "timestamp": self.timestamp,
                "chain_id": self.chain_id,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "BHedgeFailed":
        """Judge and read a message. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        account_index = fields.account("account_index", limits.account_index)
        market_index = fields.market()
        fields.check_version()
        fields.check_chain(limits.chain_id)
        fields.check_signature(limits.secret)
        return cls(
            account_index=account_index,
            market_index=market_index,
            reason=fields.text("reason"),
            detail=fields.text("detail"),
            attempts=fields.integer("attempts"),
            owed_lots=fields.lots_or_none("owed_base_amount"),
            a_seq=fields.integer_or_none("a_seq"),
            timestamp=fields.integer("timestamp"),
            chain_id=limits.chain_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMessage:
    """A change of state of one side ("a" or "b"), for people and dashboards; never acted on."""

    side: str
    event: str
    state: str
    reason: str
    detail: str
    timestamp: int

    def to_json(self, secret: bytes | None = None) -> str:
        """Write the message, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "side": self.side,
                "event": self.event,
                "state": self.state,
                "reason": self.reason,
                "detail": self.detail,
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "EventMessage":
        """Judge and read a message. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        fields.check_version()
        fields.check_signature(limits.secret)
        return cls(
            side=fields.text("side"),
            event=fields.text("event"),
            state=fields.text("state"),
            reason=fields.text("reason"),
            detail=fields.text("detail"),
            timestamp=fields.integer("timestamp"),
        )
