"""The values by which people and leases steer the pair: halt, lease, command.

The same rules as for messages: frozen, `to_json` writes, `from_json` judges and reads or raises
`MessageRefusedError`.
"""

from dataclasses import dataclass

from hedge.core.amounts import MarketSpec
from hedge.wire.codec import VERSION, Fields, RefusalCause, WireLimits, dump, parse_object, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why the pair is halted; with `resumed` (epoch seconds) the record that a human resumed it.

    `forced` says that the venue's positions were adopted as they are, `note` is the human's
    reason. Each host deletes its own halt file when it sees the record of its `id`.
    """

    id: str
    side: str
    reason: str
    detail: str
    timestamp: int
    resumed: int | None = None
    forced: bool = False
    note: str = ""

    @property
    def is_active(self) -> bool:
        """Whether the pair must not start anything new."""
        return self.resumed is None

    def to_json(self, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        values: dict[str, object] = {
            "v": VERSION,
            "id": self.id,
            "side": self.side,
            "reason": self.reason,
            "detail": self.detail,
            "timestamp": self.timestamp,
        }
        if self.resumed is not None:
            values |= {"resumed": self.resumed, "forced": self.forced, "note": self.note}
        return dump(values, secret)

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "Halt":
        """Judge and read a value. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        fields.check_version()
        fields.check_signature(limits.secret)
        return cls(
            id=fields.text("id"),
            side=fields.text("side"),
            reason=fields.text("reason"),
            detail=fields.text("detail"),
            timestamp=fields.integer("timestamp"),
            resumed=fields.integer_or_none("resumed"),
            forced=fields.flag("forced") if fields.has("forced") else False,
            note=fields.text("note") if fields.has("note") else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who may sign with a key: a process `instance` on a `host`, for a pair and its market.

    `pair` and `market_index` are None where the value does not say.
    """

    instance: str
    host: str
    pair: str | None = None
    market_index: int | None = None

    def to_json(self) -> str:
        """Write the value."""
        values: dict[str, object] = {"instance": self.instance, "host": self.host}
        if self.pair is not None:
            values["pair"] = self.pair
        if self.market_index is not None:
            values["market_index"] = self.market_index
        return dump(values)

    @classmethod
    def from_json(cls, text: str) -> "Lease":
        """Judge and read a value. Raises MessageRefusedError."""
        values = parse_object(text)
        instance, host = values.get("instance"), values.get("host")
        if not isinstance(instance, str) or not isinstance(host, str):
            refuse(RefusalCause.WRONG_TYPE, "instance and host must be strings")
        pair, market = values.get("pair"), values.get("market_index")
        return cls(
            instance=instance,
            host=host,
            pair=pair if isinstance(pair, str) else None,
            market_index=market if type(market) is int else None,
        )

    def is_for(self, pair: str, market_index: int) -> bool:
        """Whether its holder trades this pair and market, as far as the value says."""
        return self.pair in (None, pair) and self.market_index in (None, market_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the operator asks for, once per `id`; `side` "a" or "b", None for both."""

    id: str
    command: str
    side: str | None
    timestamp: int

    def to_json(self, secret: bytes | None = None) -> str:
        """Write the value, signed when there is a secret."""
        return dump(
            {
                "v": VERSION,
                "id": self.id,
                "command": self.command,
                "side": self.side,
                "timestamp": self.timestamp,
            },
            secret,
        )

    @classmethod
    def from_json(cls, text: str, spec: MarketSpec, limits: WireLimits) -> "Command":
        """Judge and read a value. Raises MessageRefusedError."""
        fields = Fields.parse(text, spec)
        fields.check_version()
        fields.check_signature(limits.secret)
        return cls(
            id=fields.text("id"),
            command=fields.text("command"),
            side=fields.text_or_none("side"),
            timestamp=fields.integer("timestamp"),
        )
