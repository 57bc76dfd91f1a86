"""From a JSON value to entries: one for each field, with its type in the place of its value.

A field whose value is part of the surface (`v`, `side`, …) keeps it, written as `= value`.
"""

import json
import re
from collections.abc import Collection

Entry = str | int | bool | None
Entries = dict[str, Entry]

SEPARATOR = " | "
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_HEXADECIMAL = re.compile(r"[0-9a-f]{8,}")


def joined(*parts: str) -> str:
    """Return the name of an entry: from the section down to the detail."""
    return SEPARATOR.join(parts)


def fields_of(name: str, value: object, kept: Collection[str] = ()) -> Entries:
    """Return an entry per field of `value`, under `name`; fields named in `kept` keep values.

    Of a list the first element stands for all. A list of texts (reasons, problems) says only that
    it is one: it may be empty in one run and not in the next.
    """
    if isinstance(value, dict):
        found: Entries = {}
        for key, inner in value.items():
            path = joined(name, key)
            if key in kept:
                found[path] = f"= {json.dumps(inner)}"
            else:
                found |= fields_of(path, inner, kept)
        return found
    if isinstance(value, list):
        is_told = bool(value) and not isinstance(value[0], str)
        each = fields_of(joined(name, "each"), value[0], kept) if is_told else {}
        return {name: "list", **each}
    return {name: type_of(value)}


def type_of(value: object) -> str:
    """Return the type of a value that is neither object nor list, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    text = str(value)
    if _HEXADECIMAL.fullmatch(text):  # first: such an id may happen to have no letter
        return "hexadecimal text"
    return "decimal text" if _DECIMAL.fullmatch(text) else "text"
