"""One validated section after another, naming the key that is wrong.

A dotted key such as `strategy.depth` names each value in every message.
"""

import dataclasses
import difflib
import ipaddress
import os
import re
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar

from hedge.config.notation import OldNotation
from hedge.config.schema import MAX_PORT, Secret, TlsConfig, settings_of
from hedge.errors import ConfigError

T = TypeVar("T")

LEGACY_KEYS = frozenset({"poll_interval", "ws_reconnect_delay"})
"""Keys of an older program that mean nothing here, wherever they stand."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MISTAKEN = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%|.*\$\{.*", re.DOTALL)
_MISTAKEN_SECRET = re.compile(r"\$[A-Z_][A-Z0-9_]*|%[A-Z_][A-Z0-9_]*%|.*\$\{.*", re.DOTALL)
"""A password may begin with a dollar; the names of variables are in capitals."""

_INTEGER = re.compile("[-+]?(0|[1-9][0-9]*)")
_AMOUNT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?")
_PORT = re.compile("[1-9][0-9]{0,4}")
_MAX_DIGITS = 28
_LARGEST = 10**9


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
    """Whether a value names an environment variable, in braces or, by mistake, without."""
    return isinstance(text, str) and (
        _VARIABLE.search(text) is not None or _MISTAKEN_SECRET.fullmatch(text) is not None
    )


def _refuse_mistaken(key: str, text: str, *, secret: bool) -> None:
    """Raise ConfigError for what looks like a variable and is none."""
    rest = _VARIABLE.sub("", text)
    if not (_MISTAKEN_SECRET if secret else _MISTAKEN).fullmatch(rest):
        return
    found = "what stands there" if secret else repr(text[:80])
    raise ConfigError(
        f"{key}: {found} is no variable: one is written ${{NAME}}, a dollar and a name in braces;"
        " a text that looks like one goes into a variable itself.",
        key,
    )


WITH_LOGIN = "found an address with a user name or a password in it"


def bare_host(text: str) -> str | None:
    """Return a host without the brackets of an IPv6 address; None for what is no host alone."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in inner:
        try:
            return str(ipaddress.IPv6Address(inner.partition("%")[0])) and inner
        except ValueError:
            return None
    if inner != text or not inner or re.search(r"[\s/@\[\]]", inner):
        return None
    return inner


def plain_amount(text: str) -> Decimal | None:
    """Return an amount that is written in plain decimal digits, None for anything else."""
    return Decimal(text) if _AMOUNT.fullmatch(text) and len(text) <= _MAX_DIGITS + 2 else None


def _read_plain(hint: Any, text: str) -> object:
    """Return what a text of the environment is as this type, None where it is none of it."""
    if hint is int:
        return int(text) if _INTEGER.fullmatch(text) and len(text) <= _MAX_DIGITS else None
    if hint in (float, Decimal):
        return Decimal(text) if _AMOUNT.fullmatch(text) else None
    if hint in (bool, TlsConfig):
        return {"true": True, "false": False}.get(text.lower())
    if isinstance(hint, type) and issubclass(hint, Enum):
        return text if text in [str(member.value) for member in hint] else None
    return [item.strip() for item in text.split(",")]  # Sentinels


def _name_of(hint: Any) -> str:
    """Return what a type is called in a complaint."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(str(member.value) for member in hint)
    names = {int: "a whole number", float: "a number", Decimal: "a decimal number", str: "text"}
    names |= {bool: "true or false", TlsConfig: "true, false, or keys with values"}
    return names.get(hint, 'a list of "host:port"')


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
                raise ConfigError(
                    f"{key}: is missing; write it there: {item.metadata['meaning']}.", key
                )
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
                meant = difflib.get_close_matches(shown.rpartition(".")[2], names, 1)
                hint = f"did you mean {meant[0]}? Known" if meant else "known"
                raise ConfigError(f"{shown}: unknown key; {hint} here: {', '.join(names)}.", shown)

    def value(self, hint: Any, raw: object, key: str) -> Any:
        """Convert one value to its type. Raises ConfigError."""
        if typing.get_origin(hint) in (typing.Union, UnionType):
            hint = next(part for part in typing.get_args(hint) if part is not NoneType)
        if isinstance(raw, OldNotation):
            raw = self._reread(hint, raw, key)
        elif isinstance(raw, str):
            _refuse_mistaken(key, raw, secret=hint is Secret)
            if has_variable(raw) and hint not in (str, Secret):
                return self._of_variable(hint, raw, key)
        if typing.get_origin(hint) is tuple:
            return self._sentinels(raw, key)
        if hint is TlsConfig:
            return self._tls(raw, key)
        if hint is Secret:
            return self._secret(raw, key)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._word(hint, raw, key)
        return self._plain(hint, raw, key)

    @staticmethod
    def _reread(hint: Any, raw: OldNotation, key: str) -> object:
        """Return what is meant by a notation that means the same to everybody.

        Raises ConfigError for another one; what may be a secret is not shown.
        """
        if raw.truth is not None and hint in (bool, TlsConfig):
            return raw.truth
        if hint is Secret:
            raise ConfigError(f"{key}: must be text; put it in quotes.", key)
        found = f"{key}: found {str(raw)[:80]} in line {raw.line}"
        reading = f", which YAML reads as {raw.reading}" if raw.reading else ""
        if hint in (int, float, Decimal) and raw.is_number:
            what = "a number that is not in plain decimal digits"
            raise ConfigError(f"{found}, {what}{reading}; write plain digits.", key)
        quotes = "; put it in quotes" if hint is str else ""
        raise ConfigError(f"{found}{reading}; allowed is {_name_of(hint)}{quotes}.", key)

    def _of_variable(self, hint: Any, raw: str, key: str) -> Any:
        """Read a value out of the environment; what stands there is not shown."""
        text = substituted(key, raw, self._environment).strip()
        names = ", ".join(_VARIABLE.findall(raw))
        value = _read_plain(hint, text)
        if value is None:
            raise ConfigError(
                f"{key}: the environment variable {names} does not hold {_name_of(hint)}.", key
            )
        return self.value(hint, value, key)

    def _plain(self, hint: Any, raw: object, key: str) -> Any:
        if hint is str:
            return self._text(raw, key)
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

    def _text(self, raw: object, key: str) -> str:
        if not isinstance(raw, str):
            wrong(key, raw, "text; put it in quotes")
        text = substituted(key, raw, self._environment)
        if raw and not text.strip():
            raise ConfigError(
                f"{key}: is empty; set the variable, or delete the line where there is none.", key
            )
        return text

    def _amount(self, raw: object, key: str) -> Decimal:
        allowed = "a decimal number"
        if isinstance(raw, bool | float) or not isinstance(raw, str | int | Decimal):
            wrong(key, raw, allowed)
        if isinstance(raw, str) and not _AMOUNT.fullmatch(raw):
            wrong(key, raw, allowed)
        number = Decimal(raw)
        if not number.is_finite() or len(number.as_tuple().digits) > _MAX_DIGITS:
            wrong(key, raw, allowed)
        if abs(number.adjusted()) > _MAX_DIGITS:  # 1.0e+999999999 has few digits, and no end
            wrong(key, raw, allowed)
        return number

    def _secret(self, raw: object, key: str) -> Secret:
        if not isinstance(raw, str):
            raise ConfigError(f"{key}: must be text; put it in quotes.", key)
        text = substituted(key, raw, self._environment)
        if not text.strip():
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
            text = self._text(item, key) if isinstance(item, str) else ""
            _refuse_mistaken(key, text, secret=False)
            written, _, port = text.rpartition(":")
            if "@" in written:
                raise ConfigError(f"{key}: {WITH_LOGIN}; {allowed} has none.", key)
            is_bare = ":" in written and not written.startswith("[")  # where does its port begin?
            host = None if is_bare else bare_host(written)
            if host is None or not _PORT.fullmatch(port) or int(port) > MAX_PORT:
                wrong(key, item, f"{allowed}, an IPv6 address in brackets")
            found.append((host, int(port)))
        return tuple(found)

    @staticmethod
    def _check(item: "dataclasses.Field[Any]", value: Any, key: str) -> None:
        check = item.metadata["check"]
        if check is not None and value is not None:
            allowed = check(value)
            if allowed is not None:
                wrong(key, value, allowed)
