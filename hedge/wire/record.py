"""Kinds of JSON objects, declared once: writing, reading, tables and fuzz inputs come from here.

A kind is a frozen dataclass whose fields are declared with `wire`: how the value is written and
read (`Sort`), its name on the wire, what stands there while it is unknown, since which version it
exists, and what it means. `Record` does the rest. In JSON the eight names that the users' tools
know come first, then `v` and the envelope, then ours; readers ignore the order and every field
that they do not know.
"""

import dataclasses
import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from hedge.core.amounts import MarketSpec, quote_text
from hedge.wire.codec import (
    NO_MARKET,
    VERSION,
    Fields,
    Seal,
    WireLimits,
    bps_text,
    dump,
    price_text,
)
from hedge.wire.envelope import Envelope

_KEY = "wire"
NO_LIMITS = WireLimits(chain_id=0)
"""For reading where neither chain, account nor amounts can be judged."""


class Turn(enum.IntEnum):
    """When a field is judged: whose message it is, then version, chain and signature, then all."""

    OURS = 0
    CHAIN = 1
    CONTENT = 2


class Absent(enum.Enum):
    """What stands on the wire while a value is None, or at its default."""

    NEVER = "never"
    NULL = "null"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Sort:
    """How values of one sort look on the wire.

    `json` and `unit` are words for tables. `read` judges the field of that name and raises
    MessageRefusedError. `wrong` are JSON values that no reader may accept.
    """

    json: str
    unit: str
    read: Callable[[Fields, str, WireLimits], Any]
    write: Callable[[Any, MarketSpec], object] = lambda value, _: value
    turn: Turn = Turn.CONTENT
    wrong: tuple[object, ...] = ()


_DECLARED: "dict[type[Record], tuple[Declared, ...]]" = {}
_NOT_TEXT: tuple[object, ...] = (5, True, ["x"], {"x": 1})
_NOT_WHOLE: tuple[object, ...] = ("5", 1.5, True, -1, 2**63, [5], {"x": 5})
_NOT_AMOUNT: tuple[object, ...] = (True, "inf", "nan", "1,5", "0x10", "", [1], {"x": 1}, "1e9999")


def _whole(unit: str) -> Sort:
    return Sort("number", unit, lambda f, n, _: f.integer(n), wrong=_NOT_WHOLE)


COUNT = _whole("count")
INDEX = _whole("index")
TRADE_ID = _whole("trade id")
EPOCH_S = _whole("epoch s")
MONO_NS = _whole("monotonic ns")
MS = _whole("ms")
SECONDS = _whole("s")
TEXT = Sort("string", "", lambda f, n, _: f.text(n), wrong=_NOT_TEXT)
INSTANCE = Sort(
    "string",
    "1 to 32 hex digits",
    lambda f, n, _: f.instance(n),
    wrong=(*_NOT_TEXT, "", "not hex", "0" * 33),
)
EPOCH = Sort(
    "string",
    "16 hex digits",
    lambda f, n, _: f.epoch(n),
    wrong=(*_NOT_TEXT, "", "0123456789abcde", "0123456789ABCDEF"),
)
OUTCOMES = Sort(
    "object of strings",
    "",
    lambda f, n, _: f.outcomes(n),
    lambda value, _: dict(value),
    wrong=(5, "x", ["x"], {"x": 5}, {"x": None}),
)
BEATS = Sort(
    "object of pairs",
    "[epoch, beat]",
    lambda f, n, _: f.beats(n),
    lambda value, _: {side: [beat.epoch, beat.number] for side, beat in value},
    wrong=(5, "x", [5], {"a": 5}, {"b": ["0" * 16]}, {"a": ["0" * 16, -1]}, {"a": ["x", 1]}),
)
FLAG = Sort("true or false", "", lambda f, n, _: f.flag(n), wrong=(1, "true", [True]))
SIDE = Sort(
    '"buy" or "sell"',
    "",
    lambda f, n, _: f.side(n),
    lambda value, _: value.value,
    wrong=(*_NOT_TEXT, "long", "BUY", ""),
)
TEXTS = Sort(
    "list of strings",
    "",
    lambda f, n, _: f.texts(n),
    lambda value, _: list(value),
    wrong=("x", [5], [None], {"x": 1}),
)
TRADE_IDS = Sort(
    "list of numbers",
    "trade ids",
    lambda f, n, _: f.integers(n),
    lambda value, _: list(value),
    wrong=(5, ["5"], [-1], [1.5], [True], {"x": 1}),
)
INDEXES = replace(TRADE_IDS, unit="indexes")
STAMPS = Sort(
    "object of numbers",
    "monotonic ns",
    lambda f, n, _: f.stamps(n),
    lambda value, _: dict(value),
    wrong=(5, "x", [1], {"x": "1"}, {"x": -1}, {"x": None}),
)
COUNTS = replace(STAMPS, unit="counts")
AMOUNT = Sort(
    "decimal string",
    "base asset",
    lambda f, n, _: f.lots(n),
    lambda value, spec: spec.base(value),
    wrong=(*_NOT_AMOUNT, "0.0000000001"),
)
FILL_AMOUNT = Sort(
    "decimal string",
    "base asset, more than 0",
    lambda f, n, limits: f.fill_lots(n, limits.max_fill_lots),
    lambda value, spec: spec.base(value),
    wrong=(*_NOT_AMOUNT, "0.0000000001", "0", "-1"),
)
POSITION = Sort(
    "decimal string",
    "base asset",
    lambda f, n, limits: f.position_lots(n, limits.max_position_lots),
    lambda value, spec: spec.base(value),
    wrong=(*_NOT_AMOUNT, "0.0000000001"),
)
QUOTE = Sort(
    "decimal string",
    "quote asset",
    lambda f, n, _: f.micros(n),
    lambda value, _: quote_text(value),
    wrong=(*_NOT_AMOUNT, "-1"),
)
BPS = Sort(
    "decimal string",
    "basis points",
    lambda f, n, _: f.centibps(n),
    lambda value, _: bps_text(value),
    wrong=_NOT_AMOUNT,
)
PRICE = Sort(
    "decimal string",
    "quote per base asset",
    lambda f, n, _: f.micros(n),
    price_text,
    wrong=(*_NOT_AMOUNT, "-1"),
)
ACCOUNT = Sort(
    "number",
    "account index",
    lambda f, n, limits: f.account(n, limits.account_index),
    turn=Turn.OURS,
    wrong=_NOT_WHOLE,
)
OTHER_ACCOUNT = Sort(
    "number",
    "account index",
    lambda f, n, limits: f.account(n, limits.other_account_index),
    turn=Turn.OURS,
    wrong=_NOT_WHOLE,
)
MARKET = Sort(
    "number", "market index", lambda f, n, _: f.market(n), turn=Turn.OURS, wrong=_NOT_WHOLE
)
CHAIN = Sort(
    "number",
    "chain id",
    lambda f, n, limits: f.chain(n, limits.chain_id),
    turn=Turn.CHAIN,
    wrong=_NOT_WHOLE,
)
HINT_TEXT = Sort("string", "", lambda f, n, _: f.hint(n, str))
HINT_INDEX = Sort("number", "market index", lambda f, n, _: f.hint(n, int))


@dataclass(frozen=True, slots=True)
class Declared:
    """One field of a kind, as it was declared.

    `name` on the wire; `beside` names the field without which this one is not read, and with
    which it is due. `lenient`: where it is missing it has its default. `since`: the `v` that
    brought it.
    """

    attribute: str
    name: str
    sort: Sort
    absent: Absent
    beside: str
    lenient: bool
    default: Any
    since: int
    meaning: str

    @property
    def is_optional(self) -> bool:
        """Whether a reader accepts an object without it."""
        return self.lenient or bool(self.beside) or self.absent is not Absent.NEVER

    def is_due(self, fields: Fields) -> bool:
        """Whether this object must have it, or has it."""
        if self.beside:
            return fields.has(self.beside) and (not self.lenient or fields.has(self.name))
        return not self.is_optional or fields.has(self.name)

    def is_written(self, record: "Record", value: Any) -> bool:
        """Whether it stands on the wire of this record, with this value."""
        if self.absent is Absent.NULL:
            return True
        if self.beside and getattr(record, self.beside) is None:
            return False
        return self.absent is Absent.NEVER or value != self.default


def wire(
    sort: Sort,
    meaning: str,
    *,
    name: str = "",
    absent: Absent = Absent.NEVER,
    beside: str = "",
    lenient: bool = False,
    since: int = 1,
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare a field; `name` is needed where it differs from the attribute.

    `default`: of the constructor, and of a missing field.
    """
    declared = (sort, name, absent, beside, lenient, since, meaning)
    return dataclasses.field(default=default, metadata={_KEY: declared})


@functools.cache
def records_of(kind: "type[Record]") -> Sort:
    """Return the sort of a list of objects of one plain kind."""
    return Sort(
        "list of objects",
        "",
        lambda f, n, limits: tuple(kind.from_fields(one, limits) for one in f.objects(n)),
        lambda values, spec: [value.values(spec) for value in values],
        wrong=(5, "x", [5], ["x"], [None], {"x": 1}),
    )


def declared_fields(kind: "type[Record]") -> tuple[Declared, ...]:
    """Return the fields of a kind in their order on the wire; `v`, envelope and `sig` aside."""
    found = _DECLARED.get(kind)
    if found is None:
        own = [field for field in dataclasses.fields(kind) if _KEY in field.metadata]
        ordered = sorted(map(_declared, own), key=kind.is_ours)
        found = _DECLARED[kind] = tuple(ordered)
    return found


def _declared(field: "dataclasses.Field[Any]") -> Declared:
    sort, name, absent, beside, lenient, since, meaning = field.metadata[_KEY]
    return Declared(
        attribute=field.name,
        name=name or field.name,
        sort=sort,
        absent=absent,
        beside=beside,
        lenient=lenient,
        default=None if field.default is dataclasses.MISSING else field.default,
        since=since,
        meaning=meaning,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A JSON object of one kind: `to_json` writes it, `from_json` judges and reads it.

    `envelope` says of a value that was read whose it is and how fresh; two values that differ in
    nothing else are equal.
    """

    USERS_NAMES: ClassVar[frozenset[str]] = frozenset()
    """The fields that the users' tools know; they stand first."""

    BY_DAEMON: ClassVar[str] = ""
    """The attribute that only a daemon writes; without it version and chain may be missing."""

    VERSIONED: ClassVar[bool] = True
    """Whether it bears version and envelope."""

    IN_ANY_MARKET: ClassVar[bool] = False
    """Whether it counts in whatever market the pair trades: its signature names none."""

    SIGNED: ClassVar[bool] = True
    """Whether it is signed where there is a seal; what stands inside another value is not."""

    envelope: Envelope | None = dataclasses.field(default=None, compare=False, repr=False)

    def to_json(
        self,
        spec: MarketSpec = NO_MARKET,
        seal: Seal | None = None,
        envelope: Envelope | None = None,
    ) -> str:
        """Write the object, signed when there is a seal, in `envelope` or else its own."""
        values = self.values(spec, envelope or self.envelope)
        return dump(values, self._sealed(seal))

    def values(self, spec: MarketSpec, origin: Envelope | None = None) -> dict[str, object]:
        """Return what stands on the wire, by name; the signature aside."""
        values: dict[str, object] = {}
        version_due = self.VERSIONED and not self._is_by_hand
        for one in declared_fields(type(self)):
            if version_due and self.is_ours(one):
                values["v"], version_due = VERSION, False
                if origin is not None:
                    values.update(origin.values())
            value = getattr(self, one.attribute)
            if one.is_written(self, value):
                values[one.name] = None if value is None else one.sort.write(value, spec)
        return values

    @property
    def _is_by_hand(self) -> bool:
        return bool(self.BY_DAEMON) and getattr(self, self.BY_DAEMON) is None

    @classmethod
    def is_ours(cls, one: Declared) -> bool:
        """Whether the field is none of those that the users' tools know."""
        return one.name not in cls.USERS_NAMES

    @classmethod
    def from_json(
        cls, text: str, spec: MarketSpec = NO_MARKET, limits: WireLimits = NO_LIMITS
    ) -> Self:
        """Judge and read an object.

        Judged first is whose message it is, then version, chain and signature, then every field.

        Raises:
            MessageRefusedError: it is not acted on, with the cause.

        """
        return cls.from_fields(Fields.parse(text, spec), limits)

    @classmethod
    def from_fields(cls, fields: Fields, limits: WireLimits) -> Self:
        """Judge and read what was parsed. Raises MessageRefusedError."""
        found = {one.attribute: one.default for one in declared_fields(cls)}
        due = [one for one in declared_fields(cls) if cls._is_due(one, fields)]
        for one in due:
            if one.sort.turn is Turn.OURS:
                found[one.attribute] = one.sort.read(fields, one.name, limits)
        cls._check(fields, limits)
        origin = Envelope.read(fields, limits.pair) if cls.VERSIONED else None
        for one in due:
            if one.sort.turn is not Turn.OURS:
                found[one.attribute] = one.sort.read(fields, one.name, limits)
        return cls(**found, envelope=origin)

    @classmethod
    def of_version_1(cls, fields: Fields, limits: WireLimits) -> Self:
        """Judge and read what version 1 wrote: without an envelope, signed for no place.

        Raises MessageRefusedError.
        """
        fields.check_signature(limits.seal and limits.seal.as_version_1)
        due = [one for one in declared_fields(cls) if one.is_due(fields)]
        found = {one.attribute: one.sort.read(fields, one.name, limits) for one in due}
        defaults = {one.attribute: one.default for one in declared_fields(cls)}
        return cls(**defaults | found)

    @classmethod
    def _sealed(cls, seal: Seal | None) -> Seal | None:
        """Return the seal of this kind, of one for its place."""
        if seal is None or not cls.SIGNED:
            return None
        return seal.in_any_market if cls.IN_ANY_MARKET else seal

    @classmethod
    def _is_due(cls, one: Declared, fields: Fields) -> bool:
        """Whether a field is read; of what a person published, only what a person may write is."""
        by_hand = bool(cls.BY_DAEMON) and not fields.has("epoch")
        if by_hand and cls.BY_DAEMON in (one.attribute, one.beside):
            return False
        return one.is_due(fields)

    @classmethod
    def _check(cls, fields: Fields, limits: WireLimits) -> None:
        """Judge version, chain and signature; what a person may leave out must be right if said."""
        by_hand = bool(cls.BY_DAEMON) and not fields.has("epoch")
        if cls.VERSIONED and (not by_hand or fields.has("v")):
            fields.check_version()
        for one in declared_fields(cls):
            if one.sort.turn is Turn.CHAIN and (one.is_due(fields) or fields.has(one.name)):
                one.sort.read(fields, one.name, limits)
        seal = cls._sealed(limits.seal)
        fields.check_signature(seal.as_by_hand if by_hand and seal is not None else seal)
