"""From YAML text to one validated section after another, naming the key that is wrong.

YAML numbers with a fraction are kept as exact `Decimal`, never as float. A dotted key such as
`strategy.depth` names each value in every message.
"""

import dataclasses
import os
import re
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar

import yaml

from hedge.config.schema import MAX_PORT, Secret, TlsConfig, settings_of
from hedge.errors import ConfigError

T = TypeVar("T")

LEGACY_KEYS = frozenset({"poll_interval", "ws_reconnect_delay"})
"""Keys of an older program that mean nothing here, wherever they stand."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_INTEGER = re.compile("[-+]?(0|[1-9][0-9]*)")
_AMOUNT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?")
_PORT = re.compile("[1-9][0-9]{0,4}")
_MAX_DIGITS = 28
_LARGEST = 10**9


class NotationError(yaml.constructor.ConstructorError):
    """A number that is not written as people write it; YAML would read another one."""


class ExactLoader(yaml.SafeLoader):
    """A safe loader that keeps decimals exact and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 (PyYAML's signature)
        """Build a mapping. Raises yaml.constructor.ConstructorError for a key given twice."""
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key that is no text; put quotes around ${…}", node.start_mark
                )
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} stands there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _exact(loader: ExactLoader, node: yaml.ScalarNode) -> Decimal | str:
    text = str(loader.construct_scalar(node))
    try:
        return Decimal(text.replace("_", ""))
    except InvalidOperation:
        return text  # .inf and .nan: refused where a number is expected


ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact)


def _plain_integer(loader: ExactLoader, node: yaml.ScalarNode) -> int:
    """Read an integer that is written as people write it: 0123 is 83 in YAML, and 1:30 is 90."""
    text = str(loader.construct_scalar(node))
    if not _INTEGER.fullmatch(text):
        what = "a number that is not in plain decimal digits"
        raise NotationError(None, None, what, node.start_mark)
    return int(text)


ExactLoader.add_constructor("tag:yaml.org,2002:int", _plain_integer)


def wrong(key: str, found: object, allowed: str) -> NoReturn:
    """Raise ConfigError: the key, what was found, what is allowed."""
    shown = "true" if found is True else "false" if found is False else repr(found)
    if isinstance(found, Decimal):
        shown = str(found)
    raise ConfigError(f"{key}: found {shown[:80]}, allowed is {allowed}.", key)


def substituted(key: str, text: str, environment: Mapping[str, str]) -> str:
    """Replace `${NAME}` by the environment's value. Raises ConfigError for a missing one."""

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise ConfigError(
                f"{key}: the environment variable {name} is not set; set it, or write the value.",
                key,
            )
        return environment[name]

    return _VARIABLE.sub(value_of, text)


def has_variable(text: object) -> bool:
    """Whether a value names an environment variable."""
    return isinstance(text, str) and _VARIABLE.search(text) is not None


class SectionReader:
    """Fills section after section of the tree; keeps which old keys it met."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Take variables from `environment`, the process's own by default."""
        self._environment = os.environ if environment is None else environment
        self.legacy: list[str] = []

    def section(self, kind: type[T], raw: object, path: str, **given: Any) -> T:
        """Read one section; `given` fields come ready-made. Raises ConfigError."""
        values = self.mapping(raw, path)
        known = {item.name: item for item in settings_of(kind)}
        self.refuse_unknown(values, known, path)
        hints = typing.get_type_hints(kind)
        filled: dict[str, Any] = {}
        for name, item in known.items():
            key = f"{path}.{name}" if path else name
            if name in given:
                continue
            if values.get(name) is None and item.default is dataclasses.MISSING:
                raise ConfigError(f"{key}: is missing; {item.metadata['meaning']}.", key)
            if name not in values or (values[name] == "" and hints[name] == Secret | None):
                filled[name] = item.default  # a secret that is written as "" is none
                continue
            if values[name] is None:
                raise ConfigError(
                    f"{key}: nothing stands behind it; write a value, or delete the line.", key
                )
            value = self.value(hints[name], values[name], key)
            self._check(item, value, key)
            filled[name] = value
        return kind(**filled, **given)

    def mapping(self, raw: object, path: str) -> dict[str, Any]:
        """Return a section's keys; an empty section has none."""
        if raw is None:
            return {}
        if not isinstance(raw, dict):  # what is there may be a secret whose key lacks its blank
            raise ConfigError(
                f"{path or 'the file'}: found no keys; allowed is keys with values, each as "
                "`key: value` with a blank after the colon.",
                path,
            )
        return {str(key): value for key, value in raw.items()}

    def refuse_unknown(
        self, values: Mapping[str, object], known: typing.Iterable[str], path: str
    ) -> None:
        """Raise ConfigError for a key that is not `known`; remember the old ones."""
        names = list(known)
        for name in values:
            key = f"{path}.{name}" if path else name
            if name in LEGACY_KEYS:
                self.legacy.append(key)
            elif name not in names:
                shown = key.partition(":")[0]  # behind it may be a secret
                raise ConfigError(f"{shown}: unknown key; known here: {', '.join(names)}.", shown)

    def value(self, hint: Any, raw: object, key: str) -> Any:
        """Convert one value to its type. Raises ConfigError."""
        if typing.get_origin(hint) in (typing.Union, UnionType):
            hint = next(part for part in typing.get_args(hint) if part is not NoneType)
        if typing.get_origin(hint) is tuple:
            return self._sentinels(raw, key)
        if hint is TlsConfig:
            return self._tls(raw, key)
        if hint is Secret:
            return self._secret(raw, key)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._word(hint, raw, key)
        return self._plain(hint, raw, key)

    def _plain(self, hint: Any, raw: object, key: str) -> Any:
        if hint is str:
            if not isinstance(raw, str):
                wrong(key, raw, "text; put it in quotes")
            return substituted(key, raw, self._environment)
        if hint is bool:
            if not isinstance(raw, bool):
                wrong(key, raw, "true or false")
            return raw
        if hint is int:
            if isinstance(raw, bool) or not isinstance(raw, int):
                wrong(key, raw, "a whole number without quotes")
            return raw
        if hint is float:
            if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
                wrong(key, raw, "a number of seconds without quotes")
            if not -_LARGEST < raw < _LARGEST:  # NaN neither
                wrong(key, raw, f"a number below {_LARGEST:g}")
            return float(raw)
        return self._amount(raw, key)

    def _amount(self, raw: object, key: str) -> Decimal:
        allowed = "a decimal number"
        if isinstance(raw, bool | float) or not isinstance(raw, str | int | Decimal):
            wrong(key, raw, allowed)
        text = substituted(key, raw, self._environment) if isinstance(raw, str) else raw
        if isinstance(text, str) and not _AMOUNT.fullmatch(text):
            wrong(key, raw, allowed)
        number = Decimal(text)
        if not number.is_finite() or len(number.as_tuple().digits) > _MAX_DIGITS:
            wrong(key, raw, allowed)
        return number

    def _secret(self, raw: object, key: str) -> Secret:
        if not isinstance(raw, str):
            raise ConfigError(f"{key}: must be text; put it in quotes.", key)
        text = substituted(key, raw, self._environment)
        if not text:
            raise ConfigError(
                f"{key}: is empty; set the variable or write the value, or delete the line where "
                "there is none.",
                key,
            )
        return Secret(text)

    def _word(self, hint: type[Enum], raw: object, key: str) -> Enum:
        words = [str(member.value) for member in hint]
        if raw not in words:
            wrong(key, raw, " or ".join(words))
        return hint(raw)

    def _tls(self, raw: object, key: str) -> TlsConfig:
        if isinstance(raw, bool):
            return TlsConfig(enabled=raw)
        if not isinstance(raw, dict):
            wrong(key, raw, "true, false, or keys with values")
        return self.section(TlsConfig, {"enabled": True, **raw}, key)

    def _sentinels(self, raw: object, key: str) -> tuple[tuple[str, int], ...]:
        allowed = 'a list of "host:port"'
        if not isinstance(raw, list):
            wrong(key, raw, allowed)
        found = []
        for item in raw:
            host, _, port = str(item).rpartition(":")
            if not host or not _PORT.fullmatch(port) or int(port) > MAX_PORT:
                wrong(key, item, allowed)
            found.append((host, int(port)))
        return tuple(found)

    @staticmethod
    def _check(item: "dataclasses.Field[Any]", value: Any, key: str) -> None:
        check = item.metadata["check"]
        if check is not None and value is not None:
            allowed = check(value)
            if allowed is not None:
                wrong(key, value, allowed)
