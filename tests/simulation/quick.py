"""Frozen dataclasses whose constructors and copies cost a tenth: a quarter of a schedule's time.

The constructor that `dataclass` writes for a frozen class sets each field by a call of
`object.__setattr__`, and `dataclasses.replace` reads each field's declaration anew. Here an
instance is filled as one of a twin class of the same slots that is not frozen, and becomes one of
the frozen class with its last field: it is as frozen as before.
"""

import dataclasses
import sys
from typing import Any

PACKAGES = (
    *("hedge", "paper", "tests"),
    *("account_a_manager", "account_b_manager", "main_A", "main_B", "redis_messenger"),
)
FEWEST_FIELDS = 4
"""A smaller class gains nothing."""


def hasten() -> None:
    """Give the frozen dataclasses of all loaded modules of the project quicker constructors.

    The modules that copy them by `replace` get a quicker one of these, too.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in PACKAGES:
            continue
        for key, value in list(vars(module).items()):
            if value is dataclasses.replace:
                setattr(module, key, replace)
            elif isinstance(value, type) and value.__module__ == name and _gains(value):
                setattr(value, "__init__", _quick_init(value))  # noqa: B010  mypy knows better


def replace(old: Any, /, **changes: Any) -> Any:
    """Return a copy with these fields changed, as `dataclasses.replace` does."""
    kind = old.__class__
    copy = _copies.get(kind)
    if copy is None:
        copy = _copies[kind] = _quick_copy(kind) if _fits(kind) else dataclasses.replace
    return copy(old, **changes)


_copies: dict[type, Any] = {}


def _gains(kind: type) -> bool:
    """Whether the constructor is a plain one, and long enough to gain anything."""
    return _fits(kind) and (
        len(fields := dataclasses.fields(kind)) >= FEWEST_FIELDS
        and all(one.default_factory is dataclasses.MISSING for one in fields)
    )


def _fits(kind: type) -> bool:
    """Whether it is a frozen dataclass that keeps to its slots, and fills all of them itself."""
    params = vars(kind).get("__dataclass_params__")
    if params is None or not (params.frozen and params.init) or hasattr(kind, "__post_init__"):
        return False
    slots = {name for one in kind.__mro__ for name in vars(one).get("__slots__", ())}
    fields = dataclasses.fields(kind)
    return slots == {one.name for one in fields} and all(one.init for one in fields)


def _twin_of(kind: type) -> type:
    """Return a class of the same slots that is not frozen."""
    body = {"__slots__": vars(kind)["__slots__"], "__setattr__": object.__setattr__}
    return type(kind.__name__, kind.__bases__, body)


def _quick_init(kind: type) -> Any:
    names = [one.name for one in dataclasses.fields(kind)]
    scope: dict[str, Any] = {
        "_frozen": kind,
        "_twin": _twin_of(kind),
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


def _quick_copy(kind: type) -> Any:
    names = [one.name for one in dataclasses.fields(kind)]
    scope: dict[str, Any] = {"_frozen": kind, "_twin": _twin_of(kind), "_old": object()}
    lines = [
        f"def copy(old, *, {', '.join(f'{name}=_old' for name in names)}):",
        "    new = _twin.__new__(_twin)",
        *(f"    new.{name} = old.{name} if {name} is _old else {name}" for name in names),
        "    new.__class__ = _frozen",
        "    return new",
    ]
    exec("\n".join(lines), scope)
    return scope["copy"]
