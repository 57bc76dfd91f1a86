"""A small language for what a JSON value must look like: exact keys, types, formats, units.

A check is a function of (value, where) that raises AssertionError with the place in the message.
`Shape` checks an object: every named key present, no other key than the optional ones and, where
an official model is given, the keys that this model knows, with the types that it declares.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

Check = Callable[[Any, str], None]

# 2020 to 2100 in milliseconds: tells seconds, milliseconds and microseconds apart.
_FIRST_MS = 1_577_836_800_000
_LAST_MS = 4_102_444_800_000


def _fail(where: str, wanted: str, value: Any) -> None:
    raise AssertionError(f"{where}: {wanted} expected, found {value!r}")


def integer(value: Any, where: str) -> None:
    """A JSON integer."""
    if type(value) is not int:
        _fail(where, "an integer", value)


def number(value: Any, where: str) -> None:
    """A JSON number."""
    if type(value) not in (int, float):
        _fail(where, "a number", value)


def text(value: Any, where: str) -> None:
    """A JSON string."""
    if type(value) is not str:
        _fail(where, "a string", value)


def flag(value: Any, where: str) -> None:
    """A JSON boolean."""
    if type(value) is not bool:
        _fail(where, "a boolean", value)


def anything(value: Any, where: str) -> None:
    """Any JSON value: the sheet names the key and nothing more."""


def exactly(value: Any) -> Check:
    """This very value, of this very type."""
    wanted = value

    def check(value: Any, where: str) -> None:
        if type(value) is not type(wanted) or value != wanted:
            _fail(where, repr(wanted), value)

    return check


def one_of(*allowed: Any) -> Check:
    """One of these values."""

    def check(value: Any, where: str) -> None:
        if value not in allowed:
            _fail(where, f"one of {allowed}", value)

    return check


def either(*checks: Check) -> Check:
    """What passes one of several checks: a conflict of the sources."""

    def check(value: Any, where: str) -> None:
        complaints = []
        for one in checks:
            try:
                one(value, where)
            except AssertionError as error:
                complaints.append(str(error))
            else:
                return
        raise AssertionError(" | ".join(complaints))

    return check


def matching(pattern: str, wanted: str) -> Check:
    """A string that matches a regular expression as a whole."""
    compiled = re.compile(pattern)

    def check(value: Any, where: str) -> None:
        if type(value) is not str or not compiled.fullmatch(value):
            _fail(where, wanted, value)

    return check


def decimals(digits: int, *, signed: bool = False) -> Check:
    """A decimal string with exactly so many digits after the point."""
    sign = "-?" if signed else ""
    point = rf"\.[0-9]{{{digits}}}" if digits else ""
    return matching(rf"{sign}[0-9]+{point}", f"a decimal string with {digits} decimals")


decimal = matching(r"-?[0-9]+(\.[0-9]+)?", "a decimal string")
hash_text = matching(r"[0-9a-f]{80}", "80 hex digits")
nothing = exactly("")


def ms(value: Any, where: str) -> None:
    """An epoch time in milliseconds."""
    integer(value, where)
    if not _FIRST_MS <= value < _LAST_MS:
        _fail(where, "epoch milliseconds", value)


def us(value: Any, where: str) -> None:
    """An epoch time in microseconds."""
    integer(value, where)
    if not _FIRST_MS * 1000 <= value < _LAST_MS * 1000:
        _fail(where, "epoch microseconds", value)


def list_of(item: Check, *, least: int = 0) -> Check:
    """A list whose items all pass."""

    def check(value: Any, where: str) -> None:
        if type(value) is not list or len(value) < least:
            _fail(where, f"a list of at least {least}", value)
        for position, one in enumerate(value):
            item(one, f"{where}[{position}]")

    return check


def map_of(item: Check, *, least: int = 0) -> Check:
    """An object with indexes (decimal digits) as keys, whose values all pass."""

    def check(value: Any, where: str) -> None:
        if type(value) is not dict or len(value) < least:
            _fail(where, f"an object of at least {least}", value)
        for key, one in value.items():
            if not key.isdigit():
                _fail(where, "an index as key", key)
            item(one, f"{where}.{key}")

    return check


def json_text(item: Check) -> Check:
    """A string that holds JSON which passes."""

    def check(value: Any, where: str) -> None:
        text(value, where)
        item(json.loads(value), f"{where}(json)")

    return check


@dataclass(frozen=True)
class Shape:
    """What an object must look like.

    `fields` must be there; `optional` may be; with `model` also any field of that official model,
    with the type that it declares (lists and objects inside are left to `fields`).
    """

    name: str
    fields: Mapping[str, Check]
    optional: Mapping[str, Check] = field(default_factory=dict)
    model: type[BaseModel] | None = None

    def __call__(self, value: Any, where: str = "") -> None:
        """Raise AssertionError unless `value` has this shape."""
        where = f"{where} {self.name}".strip()
        if type(value) is not dict:
            _fail(where, "an object", value)
        missing = set(self.fields) - set(value)
        assert not missing, f"{where}: missing {sorted(missing)}"
        for key, one in value.items():
            check = self.fields.get(key) or self.optional.get(key)
            if check is not None:
                check(one, f"{where}.{key}")
            else:
                self._check_by_model(key, one, where)

    def _check_by_model(self, key: str, value: Any, where: str) -> None:
        known = {} if self.model is None else self.model.model_fields
        assert key in known, f"{where}: unknown key {key!r} = {value!r}"
        if isinstance(value, dict | list):
            return
        try:
            TypeAdapter(known[key].annotation).validate_python(value)
        except ValidationError as error:
            raise AssertionError(f"{where}.{key}: {error}") from error

    def plus(self, name: str, /, **fields: Check) -> "Shape":
        """Return this shape with further required fields under a new name."""
        return Shape(name, {**self.fields, **fields}, self.optional, self.model)
