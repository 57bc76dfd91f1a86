"""The values of the state keys: positions, ledger, neutral, heartbeats.

The same rules as for messages: frozen, `to_json` writes, `from_json` judges and reads or raises
`MessageRefusedError`. A reader treats a refused value as absent, which is unknown, never zero.
"""

from dataclasses import dataclass

from hedge.core.amounts import MarketSpec
from hedge.wire.codec import VERSION, Fields, WireLimits, dump


def _base(spec: MarketSpec, lots: int | None) -> str | None:
    return None if lots is None else spec.base(lots)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionState:
    """One account's position, every trade up to `last_trade_id` included.

    Newest is the higher `seq` of the same `instance`. Every trade with an id up to
    `floor_trade_id` is part of the proven position.
    """

    chain_id: int
    account_index: int
    market_index: int
    instance: str
    seq: int
    position_lots: int
    floor_trade_id: int
    last_trade_id: int
    timestamp: int

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "chain_id": self.chain_id,
                "account_index": self.account_index,
                "market_index": self.market_index,
                "instance": self.instance,
                "seq": self.seq,
                "position_base_amount": spec.base(self.position_lots),
                "floor_trade_id": self.floor_trade_id,
                "last_trade_id": self.last_trade_id,
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "PositionState":
        """Judge and read a value. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        account_index = fields.account("account_index", limits.account_index)
        market_index = fields.market()
        fields.check_version()
        fields.check_chain(limits.chain_id)
        fields.check_signature(limits.secret)
        return cls(
            chain_id=limits.chain_id,
            account_index=account_index,
            market_index=market_index,
            instance=fields.instance("instance"),
            seq=fields.integer("seq"),
            position_lots=fields.position_lots("position_base_amount", limits.max_position_lots),
            floor_trade_id=fields.integer("floor_trade_id"),
            last_trade_id=fields.integer("last_trade_id"),
            timestamp=fields.integer("timestamp"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """B's answer to one state of A: what is owed, and why it is not covered yet.

    `a_instance`, `a_seq`, `a_position_lots` and `owed_lots` are None together while A is unknown:
    then the ledger answers nothing. `failed` names why B gave up, None while it has not.
    """

    chain_id: int
    account_index: int
    market_index: int
    instance: str
    a_instance: str | None
    a_seq: int | None
    a_position_lots: int | None
    owed_lots: int | None
    dust_lots: int
    manual_lots: int
    inflight: bool
    failed: str | None
    reasons: tuple[str, ...]
    timestamp: int

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "chain_id": self.chain_id,
                "account_index": self.account_index,
                "market_index": self.market_index,
                "instance": self.instance,
                "a_instance": self.a_instance,
                "a_seq": self.a_seq,
                "a_position_base_amount": _base(spec, self.a_position_lots),
                "owed_base_amount": _base(spec, self.owed_lots),
                "dust_base_amount": spec.base(self.dust_lots),
                "manual_base_amount": spec.base(self.manual_lots),
                "inflight": self.inflight,
                "failed": self.failed,
                "reasons": list(self.reasons),
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "Ledger":
        """Judge and read a value. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        account_index = fields.account("account_index", limits.account_index)
        market_index = fields.market()
        fields.check_version()
        fields.check_chain(limits.chain_id)
        fields.check_signature(limits.secret)
        answers = fields.has("a_instance")
        return cls(
            chain_id=limits.chain_id,
            account_index=account_index,
            market_index=market_index,
            instance=fields.instance("instance"),
            a_instance=fields.instance("a_instance") if answers else None,
            a_seq=fields.integer("a_seq") if answers else None,
            a_position_lots=fields.lots("a_position_base_amount") if answers else None,
            owed_lots=fields.lots("owed_base_amount") if answers else None,
            dust_lots=fields.lots("dust_base_amount"),
            manual_lots=fields.lots("manual_base_amount"),
            inflight=fields.flag("inflight"),
            failed=fields.text_or_none("failed"),
            reasons=fields.texts("reasons"),
            timestamp=fields.integer("timestamp"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neutral:
    """The last moment with nothing in flight and nothing owed: both positions and trade ids."""

    chain_id: int
    a_account_index: int
    b_account_index: int
    market_index: int
    a_position_lots: int
    b_position_lots: int
    a_trade_id: int
    b_trade_id: int
    timestamp: int

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "chain_id": self.chain_id,
                "a_account_index": self.a_account_index,
                "b_account_index": self.b_account_index,
                "market_index": self.market_index,
                "a_position_base_amount": spec.base(self.a_position_lots),
                "b_position_base_amount": spec.base(self.b_position_lots),
                "a_trade_id": self.a_trade_id,
                "b_trade_id": self.b_trade_id,
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(
        cls, text: str, spec: MarketSpec, limits: WireLimits, b_account_index: int | None = None
    ) -> "Neutral":
        """Judge and read a value; `limits.account_index` is A. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        account_a = fields.account("a_account_index", limits.account_index)
        account_b = fields.account("b_account_index", b_account_index)
        market_index = fields.market()
        fields.check_version()
        fields.check_chain(limits.chain_id)
        fields.check_signature(limits.secret)
        return cls(
            chain_id=limits.chain_id,
            a_account_index=account_a,
            b_account_index=account_b,
            market_index=market_index,
            a_position_lots=fields.lots("a_position_base_amount"),
            b_position_lots=fields.lots("b_position_base_amount"),
            a_trade_id=fields.integer("a_trade_id"),
            b_trade_id=fields.integer("b_trade_id"),
            timestamp=fields.integer("timestamp"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One side's heartbeat; that the key exists says that the side lives.

    `can_hedge_lots` is what B could hedge with its margin, None for A or while unknown.
    `offset_lots` is the configured sum of both positions: both sides must agree on it.
    """

    side: str
    ready: bool
    reasons: tuple[str, ...]
    state: str
    instance: str
    can_hedge_lots: int | None
    version: str
    chain_id: int
    a_account_index: int
    b_account_index: int
    market_index: int
    offset_lots: int
    timestamp: int

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

    def to_json(self, spec: MarketSpec, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "side": self.side,
                "ready": self.ready,
                "reasons": list(self.reasons),
                "state": self.state,
                "instance": self.instance,
                "can_hedge_base_amount": _base(spec, self.can_hedge_lots),
                "version": self.version,
                "chain_id": self.chain_id,
                "a_account_index": self.a_account_index,
                "b_account_index": self.b_account_index,
                "market_index": self.market_index,
                "offset_base_amount": spec.base(self.offset_lots),
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "Ready":
        """Judge and read a value; a wrong chain or account is kept for `disagreements`.

        Raises MessageRefusedError, also for another market: its amounts cannot be read.
        """
        fields = Fields.parse(text, spec)
        market_index = fields.market()
        fields.check_version()
        fields.check_signature(limits.secret)
        return cls(
            side=fields.text("side"),
            ready=fields.flag("ready"),
            reasons=fields.texts("reasons"),
            state=fields.text("state"),
            instance=fields.instance("instance"),
            can_hedge_lots=fields.lots_or_none("can_hedge_base_amount"),
            version=fields.text("version"),
            chain_id=fields.integer("chain_id"),
            a_account_index=fields.integer("a_account_index"),
            b_account_index=fields.integer("b_account_index"),
            market_index=market_index,
            offset_lots=fields.lots("offset_base_amount"),
            timestamp=fields.integer("timestamp"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """A process that waits for the lease of its side; that the key exists says that it lives.

    `warm` says that its streams are up: it could lead at once.
    """

    side: str
    instance: str
    host: str
    warm: bool
    version: str
    timestamp: int

    def to_json(self, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "side": self.side,
                "instance": self.instance,
                "host": self.host,
                "warm": self.warm,
                "version": self.version,
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "Standby":
        """Judge and read a value. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        fields.check_version()
        fields.check_signature(limits.secret)
        return cls(
            side=fields.text("side"),
            instance=fields.instance("instance"),
            host=fields.text("host"),
            warm=fields.flag("warm"),
            version=fields.text("version"),
            timestamp=fields.integer("timestamp"),
        )
