"""Read typed parameters from query strings, forms and JSON bodies.

Every reader raises ApiError 20001 for a value that is missing, of another type or out of range,
so that a handler never sees a bad one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from multidict import MultiMapping

from paper.apierror import invalid_param

MAX_INT64: Final = 2**63 - 1

_INTEGER = re.compile(r"-?[0-9]{1,19}\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?\Z")
_TRUE: Final = ("true", "1")
_FALSE: Final = ("false", "0")


class Params:
    """A read-only view of request parameters with typed access."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Wrap the decoded `values`."""
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        """Return `name` as text; without a default it must be present and not empty."""
        value = self._values.get(name)
        if value:
            return value
        if default is None:
            raise invalid_param(f"{name} is required")
        return default

    def integer(
        self, name: str, default: int | None = None, *, low: int = 0, high: int = MAX_INT64
    ) -> int:
        """Return `name` as an integer within low..high; without a default it must be present."""
        value = self._values.get(name)
        if not value:
            if default is None:
                raise invalid_param(f"{name} is required")
            return default
        number = parse_integer(value)
        if number is None or not low <= number <= high:
            raise invalid_param(name)
        return number

    def optional(self, name: str, *, low: int = 0, high: int = MAX_INT64) -> int | None:
        """Return `name` as an integer within low..high, or None when it is absent."""
        if not self._values.get(name):
            return None
        return self.integer(name, low=low, high=high)

    def integers(self, name: str, most: int) -> list[int]:
        """Return the integers of `name` ("14,15", "[14,15]", or repeated); none when absent."""
        values = self._values
        given = values.getall(name, []) if isinstance(values, MultiMapping) else [values.get(name)]
        texts = [text.strip().removeprefix("[").removesuffix("]") for text in given if text]
        return parse_integers(",".join(texts), most) if texts else []

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return `name` as a boolean (true, false, 1, 0 in any case)."""
        value = self._values.get(name)
        if not value:
            return default
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise invalid_param(name)

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Return `name` as one of `allowed`; without a default it must be present."""
        value = self.text(name, default)
        if value not in allowed:
            raise invalid_param(name)
        return value


class Body:
    """A decoded JSON object with typed access, for the admin calls."""

    def __init__(self, value: object) -> None:
        """Wrap `value`; raise ApiError 20001 unless it is a JSON object."""
        if not isinstance(value, dict):
            detail = "the body must be a JSON object"
            raise invalid_param(detail)
        self._values: dict[str, object] = value

    def names(self) -> list[str]:
        """Return the names of all values."""
        return list(self._values)

    def get(self, name: str) -> object:
        """Return `name` as it came, None when absent."""
        return self._values.get(name)

    def integer(
        self, name: str, default: int | None = None, *, low: int = 0, high: int = MAX_INT64
    ) -> int:
        """Return `name` as an integer within low..high; without a default it must be present."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid_param(f"{name} must be an integer")
        if not low <= value <= high:
            raise invalid_param(f"{name} must be between {low} and {high}")
        return value

    def optional(self, name: str, *, low: int = 0, high: int = MAX_INT64) -> int | None:
        """Return `name` as an integer within low..high, or None when absent or null."""
        if self._values.get(name) is None:
            return None
        return self.integer(name, low=low, high=high)

    def flag(self, name: str) -> bool | None:
        """Return `name` as a boolean, None when absent or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid_param(f"{name} must be true or false")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return `name` as text; without a default it must be present."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise invalid_param(f"{name} must be a string")
        return value

    def decimal(self, name: str, default: str | None = None) -> Decimal:
        """Return `name`, a decimal string such as "0.0100", as an exact Decimal."""
        value = self._values.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not _DECIMAL.match(value):
            raise invalid_param(f'{name} must be a decimal string such as "0.0100"')
        return Decimal(value)


def parse_integer(text: str) -> int | None:
    """Return `text` as an integer of at most 19 digits, or None when it is something else."""
    return int(text) if _INTEGER.match(text) else None


def parse_integers(text: str, most: int) -> list[int]:
    """Return the comma-separated integers of `text`, at least one and at most `most`."""
    numbers = [parse_integer(part.strip()) for part in text.split(",", most + 1)]
    good = [number for number in numbers if number is not None and number >= 0]
    if len(good) != len(numbers) or not 1 <= len(good) <= most:
        raise invalid_param(f"a list of 1 to {most} integers is expected")
    return good
