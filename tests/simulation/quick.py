"""Frozen dataclasses whose constructors cost a tenth: a sixth of a schedule's time went there.

The constructor that `dataclass` writes for a frozen class sets each field by a call of
`object.__setattr__`. Here an instance is filled as one of a twin class of the same slots that is
not frozen, and becomes one of the frozen class with its last field: it is as frozen as before.
"""

import dataclasses
import sys
from typing import Any

PACKAGES = ("hedge", "paper", "tests")
FEWEST_FIELDS = 4
"""A smaller class gains nothing."""


def hasten() -> None:
    """Give the frozen dataclasses of all loaded modules of the project quicker constructors."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in PACKAGES:
            for kind in list(vars(module).values()):
                if isinstance(kind, type) and kind.__module__ == name and _fits(kind):
                    setattr(kind, "__init__", _quick_init(kind))  # noqa: B010  mypy knows better


def _fits(kind: type) -> bool:
    """Whether the constructor is the plain one of a frozen dataclass that keeps to its slots."""
    params = vars(kind).get("__dataclass_params__")
    if params is None or not (params.frozen and params.init) or hasattr(kind, "__post_init__"):
        return False
    fields = dataclasses.fields(kind)
    own = vars(kind).get("__slots__", ())
    return (
        len(fields) >= FEWEST_FIELDS
        and tuple(own) == tuple(one.name for one in fields)
        and all(one.init for one in fields)
        and all(one.default_factory is dataclasses.MISSING for one in fields)
    )


def _quick_init(kind: type) -> Any:
    names = [one.name for one in dataclasses.fields(kind)]
    body = {"__slots__": tuple(names), "__setattr__": object.__setattr__}
    scope: dict[str, Any] = {
        "_frozen": kind,
        "_twin": type(kind.__name__, kind.__bases__, body),
        "_set": object.__setattr__,
    }
    by_place, by_name = ["self"], ["*"]
    for one in dataclasses.fields(kind):
        has_default = one.default is not dataclasses.MISSING
        scope[f"_default_{one.name}"] = one.default
        asked = f"{one.name}=_default_{one.name}" if has_default else one.name
        (by_name if one.kw_only else by_place).append(asked)
    if len(by_name) > 1:
        by_place += by_name
    lines = [
        f"def __init__({', '.join(by_place)}):",
        '    _set(self, "__class__", _twin)',
        *(f"    self.{name} = {name}" for name in names),
        "    self.__class__ = _frozen",
    ]
    exec("\n".join(lines), scope)
    return scope["__init__"]
