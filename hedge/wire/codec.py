"""JSON on the wire: strict reading, exact amounts, signatures, and why a message is refused.

Amounts are decimal strings on the wire and whole lots or micros inside. A hand-written number is
accepted where a string is expected, because it is read as exact decimal text, never as a float.
Extra fields are ignored. Signatures are HMAC-SHA256 over the canonical JSON of all other fields and
of the place that the value was written for: keys sorted, no spaces, non-ASCII escaped, numbers with
a fraction written as strings.
"""

import enum
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NoReturn, TypeVar

from hedge.core.amounts import MICROS, InexactAmountError, MarketSpec, Side, from_steps
from hedge.core.freshness import BeatId

T = TypeVar("T")

VERSION = 2
"""Of every message and stored value. Version 1 is that of the program up to November 2026."""

MAX_INTEGER = 2**63 - 1
MAX_TEXT = 65_536
"""Longest message read, in characters; ours are below 2,000."""

MAX_BRACKETS = 1_000
"""Most objects and lists in one message: deep nesting could break the parser, and the process."""

_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_PLAIN = re.compile(r"(-?[0-9]{1,15})(?:\.([0-9]{1,12}))?")
_NON_FINITE = re.compile(r"[+-]?(?:s?nan|inf|infinity)", re.IGNORECASE)
_INSTANCE = re.compile(r"[0-9a-f]{1,32}")
_EPOCH = re.compile(r"[0-9a-f]{16}")
_MAX_DIGITS = 28  # one more and decimal arithmetic would round


class RefusalCause(enum.Enum):
    """Why a message or a stored value is not acted on; the value is the word in the log."""

    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    UNKNOWN_VERSION = "unknown_version"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NON_FINITE = "non_finite"
    NEGATIVE_AMOUNT = "negative_amount"
    NOT_WHOLE_LOTS = "not_whole_lots"
    TOO_LARGE = "too_large"
    POSITION_LIMIT = "position_limit"
    WRONG_CHAIN = "wrong_chain"
    BAD_SIGNATURE = "bad_signature"
    OTHER_ACCOUNT = "other_account"
    OTHER_MARKET = "other_market"
    OTHER_PAIR = "other_pair"

    @property
    def is_fault(self) -> bool:
        """Whether the message is wrong, rather than another pair's business."""
        return self not in _NOT_OURS


_NOT_OURS = frozenset({RefusalCause.OTHER_ACCOUNT, RefusalCause.OTHER_MARKET})


class MessageRefusedError(ValueError):
    """A message that is not acted on, with its cause and what was found."""

    def __init__(self, cause: RefusalCause, detail: str) -> None:
        """Keep the cause for counting and the detail for the log."""
        super().__init__(f"{cause.value}: {detail}")
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Seal:
    """Signs what a pair writes to one place, and tells what was signed for that place.

    `place` holds what no value says of itself: pair, chain, accounts, market and the name of its
    key or channel, each under a word that begins with `@`. A value signed for another pair, chain
    or key is thereby worth as little as an unsigned one.
    """

    secret: bytes
    place: Mapping[str, object]

    @classmethod
    def by_hand(cls, secret: bytes, pair: str, name: str) -> "Seal":
        """Return the seal of what a person publishes, who need not know accounts or chain."""
        return cls(secret, {_PAIR: pair, _NAME: name})

    @classmethod
    def of_pair(
        cls, secret: bytes, pair: str, name: str, *, chain: int, a: int, b: int, market: int
    ) -> "Seal":
        """Return the seal of a daemon or a tool of this pair; `a` and `b` are account indexes."""
        place = {_PAIR: pair, _NAME: name, "@chain": chain, "@a": a, "@b": b, "@market": market}
        return cls(secret, place)

    def sign(self, values: Mapping[str, object]) -> str:
        """Return the signature of a value, in hexadecimal; a `sig` in it is left out."""
        signed = {key: value for key, value in values.items() if key != "sig"}
        text = _CANONICAL.encode({**signed, **self.place}).encode("ascii")
        return hmac.digest(self.secret, text, hashlib.sha256).hex()

    @property
    def in_any_market(self) -> "Seal":
        """Return the seal of what speaks of the pair, whatever market it trades."""
        place = {word: value for word, value in self.place.items() if word != "@market"}
        return Seal(self.secret, place)

    @property
    def as_version_1(self) -> "Seal":
        """Return the seal of version 1, which signed no place."""
        return Seal(self.secret, {})

    @property
    def as_by_hand(self) -> "Seal":
        """Return the seal of a person for the same place."""
        return Seal.by_hand(self.secret, str(self.place.get(_PAIR)), str(self.place.get(_NAME)))


_PAIR, _NAME = "@pair", "@name"


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What a reader accepts; None means that this limit does not apply.

    `account_index` is the account the message must speak of, `other_account_index` the second one
    where it speaks of both; amounts are in lots; with `seal` every message must carry the `sig`
    that it gives; `pair` is the name that an envelope must bear.
    """

    chain_id: int
    account_index: int | None = None
    other_account_index: int | None = None
    max_fill_lots: int | None = None
    max_position_lots: int | None = None
    seal: Seal | None = None
    pair: str | None = None


NO_MARKET = MarketSpec(
    market_index=0,
    symbol="",
    size_decimals=0,
    price_decimals=0,
    min_base_lots=0,
    min_quote_micros=0,
)
"""For reading values without amounts where no market is known."""


def refuse(cause: RefusalCause, detail: str) -> NoReturn:
    """Raise MessageRefusedError."""
    raise MessageRefusedError(cause, detail)


def _refuse_constant(word: str) -> NoReturn:
    refuse(RefusalCause.NON_FINITE, f"{word} is not a number of ours")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_CANONICAL = json.JSONEncoder(separators=(",", ":"), allow_nan=False, sort_keys=True, default=str)


def dump(values: dict[str, object], seal: Seal | None = None) -> str:
    """Write a message as JSON, signed when there is a seal."""
    if seal is not None:
        values["sig"] = seal.sign(values)
    return _ENCODER.encode(values)


def parse_object(text: str) -> dict[str, object]:
    """Read one JSON object; numbers with a fraction become `Decimal`.

    Raises:
        MessageRefusedError: not_json, not_object, non_finite.

    """
    if len(text) > MAX_TEXT:
        refuse(RefusalCause.NOT_JSON, f"{len(text)} characters, at most {MAX_TEXT} are read")
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        refuse(RefusalCause.NOT_JSON, f"more than {MAX_BRACKETS} brackets")
    try:
        values = _DECODER.decode(text)
    except MessageRefusedError:
        raise
    except (ValueError, ArithmeticError, RecursionError) as error:
        refuse(RefusalCause.NOT_JSON, f"{type(error).__name__}: {error}"[:200])
    if type(values) is not dict:
        refuse(RefusalCause.NOT_OBJECT, f"a JSON {type(values).__name__}")
    return values


SAME_VERSION = (
    "Run the same version on both hosts: stop A, upgrade B, upgrade A (README, Upgrading)."
)


def version_of(text: str) -> int | None:
    """Return the version that a message states, None where it states none, or not as a number."""
    try:
        return Fields(parse_object(text), NO_MARKET).hint("v", int)
    except MessageRefusedError:
        return None


def other_version_text(name: str, version: int) -> str:
    """Say that side `name` ("A", "B") writes messages of another version than this program."""
    return (
        f"{name} runs another version of this program: it writes messages of version {version},"
        f" this one reads version {VERSION}, and neither trades on the other's word. {SAME_VERSION}"
    )


class Fields:
    """The fields of one message, read by name; every reader raises MessageRefusedError."""

    __slots__ = ("_spec", "_values")

    def __init__(self, values: dict[str, object], spec: MarketSpec) -> None:
        """Read from parsed JSON; `spec` converts the amounts."""
        self._values = values
        self._spec = spec

    @classmethod
    def parse(cls, text: str, spec: MarketSpec) -> "Fields":
        """Read the text of a message, without judging it yet."""
        return cls(parse_object(text), spec)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None

    @property
    def is_version_1(self) -> bool:
        """Whether the program of version 1 wrote it."""
        return self.hint("v", int) == 1

    def check_version(self) -> None:
        """Refuse any version but ours."""
        version = self._values.get("v")
        if type(version) is not int or version != VERSION:
            refuse(RefusalCause.UNKNOWN_VERSION, f"v is {version!r}, known is {VERSION}")

    def check_signature(self, seal: Seal | None) -> None:
        """Refuse a message that was not signed with this seal; without one anything passes."""
        if seal is None:
            return
        found = self._values.get("sig")
        if type(found) is not str or not hmac.compare_digest(
            found.encode(errors="replace"), seal.sign(self._values).encode()
        ):
            refuse(RefusalCause.BAD_SIGNATURE, "sig is missing, wrong, or made for another place")

    def chain(self, name: str, expected: int) -> int:
        """Read the chain id; another chain's message is refused."""
        found = self.integer(name)
        if found != expected:
            refuse(RefusalCause.WRONG_CHAIN, f"{name} is {found}, ours is {expected}")
        return found

    def account(self, name: str, expected: int | None) -> int:
        """Read an account index; another account's message is refused as not ours."""
        found = self.integer(name)
        if expected is not None and found != expected:
            refuse(RefusalCause.OTHER_ACCOUNT, f"{name} is {found}, ours is {expected}")
        return found

    def market(self, name: str) -> int:
        """Read the market index; another market's message is refused as not ours."""
        found = self.integer(name)
        if found != self._spec.market_index:
            refuse(RefusalCause.OTHER_MARKET, f"{name} is {found}, not {self._spec.market_index}")
        return found

    def hint(self, name: str, kind: type[T]) -> T | None:
        """Read what no decision needs: a value of another type is None, like a missing one."""
        value = self._values.get(name)
        return value if type(value) is kind else None

    def integer(self, name: str, low: int = 0) -> int:
        """Read a whole number of `low` .. 2^63 - 1."""
        value = self._required(name)
        if type(value) is not int:
            self._wrong(name, "a whole number")
        if not low <= value <= MAX_INTEGER:
            refuse(RefusalCause.WRONG_TYPE, f"{name} is outside {low} .. 2^63 - 1")
        return value

    def text(self, name: str) -> str:
        """Read a string."""
        value = self._required(name)
        if type(value) is not str:
            self._wrong(name, "a string")
        return value

    def instance(self, name: str) -> str:
        """Read a process instance: hexadecimal text."""
        value = self.text(name)
        if not _INSTANCE.fullmatch(value):
            self._wrong(name, "hexadecimal text")
        return value

    def epoch(self, name: str) -> str:
        """Read an epoch: 16 hexadecimal digits."""
        value = self.text(name)
        if not _EPOCH.fullmatch(value):
            self._wrong(name, "16 hexadecimal digits")
        return value

    def pair(self, name: str, expected: str | None) -> str:
        """Read the name of a pair; another pair's value is refused."""
        found = self.text(name)
        if expected is not None and found != expected:
            refuse(RefusalCause.OTHER_PAIR, f"{name} is {found[:64]!r}, ours is {expected!r}")
        return found

    def echo(self, name: str) -> dict[str, tuple[str, int]]:
        """Read the beats of each side that the writer had read: epoch and number by side."""
        value = self._required(name)
        if type(value) is not dict:
            self._wrong(name, "an object of beats")
        found = {}
        for side, beat in value.items():
            if side not in ("a", "b") or beat is None:
                continue
            if type(beat) is not list or len(beat) != len(("epoch", "number")):
                self._wrong(name, "an object of beats")
            inner = Fields({"epoch": beat[0], "beat": beat[1]}, self._spec)
            found[side] = (inner.epoch("epoch"), inner.integer("beat"))
        return found

    def beats(self, name: str) -> tuple[tuple[str, BeatId], ...]:
        """Read one heartbeat of each side that is named."""
        return tuple((side, BeatId(*beat)) for side, beat in sorted(self.echo(name).items()))

    def flag(self, name: str) -> bool:
        """Read true or false."""
        value = self._required(name)
        if type(value) is not bool:
            self._wrong(name, "true or false")
        return value

    def side(self, name: str) -> Side:
        """Read "buy" or "sell"."""
        side = _SIDES.get(self.text(name))
        if side is None:
            self._wrong(name, '"buy" or "sell"')
        return side

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings."""
        values = self._list(name)
        if not all(type(value) is str for value in values):
            self._wrong(name, "a list of strings")
        return tuple(str(value) for value in values)

    def integers(self, name: str) -> tuple[int, ...]:
        """Read a list of whole numbers of 0 .. 2^63 - 1."""
        found = []
        for value in self._list(name):
            if type(value) is not int or not 0 <= value <= MAX_INTEGER:
                self._wrong(name, "a list of whole numbers")
            found.append(value)
        return tuple(found)

    def stamps(self, name: str) -> tuple[tuple[str, int], ...]:
        """Read an object of whole numbers; a missing field is an empty one."""
        value = self._values.get(name)
        if value is None:
            return ()
        if type(value) is not dict:
            self._wrong(name, "an object")
        inner = Fields(value, self._spec)
        return tuple((key, inner.integer(key)) for key in value)

    def outcomes(self, name: str) -> tuple[tuple[str, str], ...]:
        """Read an object of texts."""
        value = self._required(name)
        if type(value) is not dict:
            self._wrong(name, "an object")
        inner = Fields(value, self._spec)
        return tuple((key, inner.text(key)) for key in value)

    def objects(self, name: str) -> tuple["Fields", ...]:
        """Read a list of objects."""
        found = []
        for value in self._list(name):
            if type(value) is not dict:
                self._wrong(name, "a list of objects")
            found.append(Fields(value, self._spec))
        return tuple(found)

    def lots(self, name: str) -> int:
        """Read a signed amount of the base asset in lots."""
        steps = self._plain_steps(name, self._spec.size_decimals)
        if steps is not None:
            return steps
        value = self._decimal(name)
        try:
            return self._spec.lots(value)
        except InexactAmountError as error:
            refuse(RefusalCause.NOT_WHOLE_LOTS, f"{name}: {error}")

    def fill_lots(self, name: str, limit: int | None) -> int:
        """Read the size of a fill: more than zero, at most `limit` lots."""
        lots = self.lots(name)
        if lots <= 0:
            refuse(RefusalCause.NEGATIVE_AMOUNT, f"{name} must be more than 0")
        if limit is not None and lots > limit:
            refuse(
                RefusalCause.TOO_LARGE,
                f"{name} {self._spec.base(lots)} is more than {self._spec.base(limit)}",
            )
        return lots

    def position_lots(self, name: str, limit: int | None) -> int:
        """Read a signed position of at most `limit` lots on either side."""
        lots = self.lots(name)
        if limit is not None and abs(lots) > limit:
            refuse(
                RefusalCause.POSITION_LIMIT,
                f"{name} {self._spec.base(lots)} is beyond {self._spec.base(limit)}",
            )
        return lots

    def micros(self, name: str) -> int:
        """Read an amount or price of the quote asset in micros, rounded half to even.

        Nothing is decided from these; they may be averages with an endless fraction.
        """
        steps = self._plain_steps(name, _MICRO_DECIMALS)
        if steps is not None and steps >= 0:
            return steps
        value = self._decimal(name)
        if value < 0:
            refuse(RefusalCause.NEGATIVE_AMOUNT, f"{name} is negative")
        return int((value * MICROS).to_integral_value(ROUND_HALF_EVEN))

    def centibps(self, name: str) -> int:
        """Read a signed number of basis points in hundredths, rounded half to even."""
        steps = self._plain_steps(name, 2)
        if steps is not None:
            return steps
        return int((self._decimal(name) * 100).to_integral_value(ROUND_HALF_EVEN))

    def _plain_steps(self, name: str, decimals: int) -> int | None:
        """Convert text such as "-0.0100" without a detour; None is for the thorough way."""
        value = self._values.get(name)
        match = _PLAIN.fullmatch(value) if type(value) is str else None
        if match is None:
            return None
        whole, fraction = match.groups("")
        missing = decimals - len(fraction)
        return int(whole + fraction) * 10**missing if missing >= 0 else None

    def _decimal(self, name: str) -> Decimal:
        value = self._required(name)
        if type(value) is str:
            if not _DECIMAL.fullmatch(value):
                cause = _NON_FINITE.fullmatch(value) and RefusalCause.NON_FINITE
                refuse(cause or RefusalCause.WRONG_TYPE, f"{name} is {value[:40]!r}, not a decimal")
        elif type(value) is not int and type(value) is not Decimal:
            self._wrong(name, "a decimal string")
        if len(str(value)) > _MAX_DIGITS:
            refuse(RefusalCause.NOT_WHOLE_LOTS, f"{name} has more digits than any amount")
        number = Decimal(value)
        if abs(number.adjusted()) > _MAX_DIGITS:
            refuse(RefusalCause.NOT_WHOLE_LOTS, f"{name} is out of any range")
        return number

    def _list(self, name: str) -> list[object]:
        value = self._required(name)
        if type(value) is not list:
            self._wrong(name, "a list")
        return value

    def _required(self, name: str) -> object:
        value = self._values.get(name)
        if value is None:
            refuse(RefusalCause.MISSING_FIELD, f"{name} is missing")
        return value

    def _wrong(self, name: str, wanted: str) -> NoReturn:
        found = repr(self._values.get(name))[:60]
        refuse(RefusalCause.WRONG_TYPE, f"{name} must be {wanted}, found {found}")


_SIDES = {side.value: side for side in Side}


def price_text(micros: int, spec: MarketSpec) -> str:
    """Write a price in micros with the market's decimals, or with six where it is an average."""
    step = 10 ** (6 - spec.price_decimals) if spec.price_decimals <= _MICRO_DECIMALS else 1
    if micros % step == 0 and spec.price_decimals <= _MICRO_DECIMALS:
        return spec.price(micros // step)
    return from_steps(micros, _MICRO_DECIMALS)


def bps_text(centibps: int) -> str:
    """Write hundredths of a basis point as basis points."""
    return from_steps(centibps, 2)


_MICRO_DECIMALS = 6


def average_price_micros(lots: int, quote_micros: int, spec: MarketSpec) -> int:
    """Return the average price in micros per whole base unit, rounded half to even; lots > 0."""
    exact = Decimal(quote_micros) * 10**spec.size_decimals / Decimal(lots)
    return int(exact.to_integral_value(ROUND_HALF_EVEN))
