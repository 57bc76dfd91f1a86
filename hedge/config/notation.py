"""From the bytes of a file to YAML values that are what a person wrote.

YAML reads `0123` as 83, `1:30` as 90 and `on` as true. Such a value comes out as an `OldNotation`,
which keeps what was written, so that its reader can name the key. Numbers with a fraction are
exact `Decimal`, never float.
"""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from hedge.errors import ConfigError

_INTEGER = re.compile("[-+]?(0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[-+]?[0-9]*(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_FULL_WIDTH_COLON = re.compile(r"[ \t\u00a0\u3000]*(- +)?[A-Za-z_]\w*[ \t\u00a0\u3000]*\uff1a")
_TAB = re.compile(r" *\t[ \t]*[^ \t#]")
_ODD_BLANK = re.compile(r"[ \t]*([\u00a0\u2000-\u200b\u3000])")
_PROBLEMS = {
    "<block": "it does not fit the lines above it; check its indentation and its quotes",
    "<document": "it does not fit the lines above it; check its indentation and its quotes",
    "expected ','": "a bracket that is not closed, or a comma that is missing",
    "unexpected end of stream": "a quote or a bracket that is not closed",
    "undefined alias": "a text that begins with * without quotes",
    "for the tag": "a text that begins with ! without quotes",
    "mapping values are not allowed": (
        "a second colon, or an indentation that does not fit; put a text with a colon in quotes"
    ),
    "could not find expected ':'": "a key without a colon, here or in the line above",
}
"""What PyYAML calls a problem, and what a person can look for."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")


class OldNotation(str):
    """A plain word that YAML reads as something else than its letters, as it was written.

    `reading` is what YAML makes of it, "" where that is the same; `line` counts from 1.
    """

    __slots__ = ("line", "reading")

    reading: str
    line: int

    @classmethod
    def of(cls, node: yaml.ScalarNode, reading: str) -> "OldNotation":
        """Keep what stands in the file."""
        found = cls(node.value)
        found.reading, found.line = reading, node.start_mark.line + 1
        return found

    @property
    def truth(self) -> bool | None:
        """What it means where true or false is wanted, None for a number or a date."""
        return {"true": True, "false": False}.get(self.reading)

    @property
    def is_number(self) -> bool:
        """Whether it is a number, in whatever notation."""
        return self.truth is None and self.reading != "a date"


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


def _integer(loader: ExactLoader, node: yaml.ScalarNode) -> int | OldNotation:
    text = str(loader.construct_scalar(node))
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        reading = str(loader.construct_yaml_int(node))
    except ValueError:
        reading = ""
    return OldNotation.of(node, reading)


def _number(loader: ExactLoader, node: yaml.ScalarNode) -> Decimal | OldNotation:
    text = str(loader.construct_scalar(node))
    if not _FRACTION.fullmatch(text):
        try:
            reading = f"{loader.construct_yaml_float(node):g}"
        except ValueError:
            reading = ""
        return OldNotation.of(node, reading)
    try:
        return Decimal(text)
    except InvalidOperation:
        return OldNotation.of(node, "")


def _truth(loader: ExactLoader, node: yaml.ScalarNode) -> bool | OldNotation:
    text = str(loader.construct_scalar(node))
    try:
        value = bool(loader.construct_yaml_bool(node))
    except KeyError:  # a tag says that it is one
        return OldNotation.of(node, "")
    if text.lower() in ("true", "false"):
        return value
    return OldNotation.of(node, str(value).lower())


def _date(_loader: ExactLoader, node: yaml.ScalarNode) -> OldNotation:
    return OldNotation.of(node, "a date")


for _tag, _constructor in (
    ("int", _integer),
    ("float", _number),
    ("bool", _truth),
    ("timestamp", _date),
):
    ExactLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)


def read_yaml(file: Path) -> object:
    """Return what stands in a YAML file.

    Raises:
        ConfigError: a file that cannot be read, or is no YAML in UTF-8; with the line. What may be
            a secret is not shown.

    """
    text = _text_of(file)
    _refuse_look_alikes(file, text)
    try:
        return yaml.load(text, ExactLoader)  # noqa: S506 (a safe loader that keeps decimals)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: {_sentence(error, text)}.") from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ConfigError(
            f"{file}: holds a value that cannot be read (a date, a number or a nesting that is "
            "impossible); put texts in quotes."
        ) from None


def _text_of(file: Path) -> str:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        where = "" if file.is_absolute() else f" in {Path.cwd()}"
        raise ConfigError(f"{file}: no such file{where}; give one by --config.") from None
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"{file}: the file cannot be read ({why}).") from error
    what = "is in UTF-16"
    try:
        if not data.startswith(_WIDE) and 4 * data.count(0) <= len(data):
            what = ""
            return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"is not in UTF-8 in line {line}"
    raise ConfigError(f"{file}: cannot be read, it {what}; save it as UTF-8 in your editor.")


def _refuse_look_alikes(file: Path, text: str) -> None:
    """Raise ConfigError for characters that look like YAML's own, where they do harm."""
    for number, line in enumerate(text.split("\n"), 1):
        if _FULL_WIDTH_COLON.match(line):
            what = "a full-width colon; write ':' and a blank"
        elif _TAB.match(line):
            what = "a tab at its beginning; write blanks instead"
        elif blank := _ODD_BLANK.match(line):
            code = f"U+{ord(blank[1]):04X}"
            what = f"a blank at its beginning that is no plain one ({code}); write plain blanks"
        else:
            continue
        raise ConfigError(f"{file}: line {number} has {what}.")


def _sentence(error: yaml.YAMLError, text: str) -> str:
    """Say where the text is no YAML, and why; not what stands there: it may be a key."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character that no YAML may hold
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        code = ord(text[position : position + 1] or "\0")
        return f"not valid YAML in line {line}: a character that YAML does not allow (U+{code:04X})"
    what = getattr(error, "problem", None) or "not YAML"
    if r"'\t'" in what:
        what = "a tab; write blanks instead"
    what = next((words for problem, words in _PROBLEMS.items() if problem in what), what)
    what = re.sub(r"'[^']{2,}'", "'…'", what)
    lines = text.split("\n")
    if mark.line < len(lines) and re.search(r"[{\[,].*\$\{", lines[mark.line]):
        what += "; put quotes around ${…}"
    return f"not valid YAML in line {mark.line + 1}: {what}"
