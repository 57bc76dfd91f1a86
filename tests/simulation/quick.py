"""Frozen dataclasses whose constructors and copies cost a tenth: a quarter of a schedule's time.

The constructor that `dataclass` writes for a frozen class sets each field by a call of
`object.__setattr__`, and `dataclasses.replace` reads each field's declaration anew. Here such a
class sets its fields plainly, as one that is not frozen does: that nothing writes to it is proven
by mypy, and by the unit tests, which run on the classes as they are.
"""

import dataclasses
import sys
from collections.abc import Callable
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
    return _copies[old.__class__](old, changes)


class _Copies(dict[type, Callable[[Any, dict[str, Any]], Any]]):
    """How an instance of a class is copied; found out at the first one."""

    def __missing__(self, kind: type) -> Callable[[Any, dict[str, Any]], Any]:
        copy = _quick_copy(kind) if _fits(kind) else _plain_copy
        self[kind] = copy
        return copy


_copies = _Copies()


def _plain_copy(old: Any, changes: dict[str, Any]) -> Any:
    return dataclasses.replace(old, **changes)


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


def _thaw(kind: type) -> None:
    """Let fields be set plainly; both ways that share one slot, or each is a call in Python."""
    for name in ("__setattr__", "__delattr__"):
        setattr(kind, name, getattr(object, name))


def _quick_init(kind: type) -> Any:
    _thaw(kind)
    names = [one.name for one in dataclasses.fields(kind)]
    scope: dict[str, Any] = {}
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
        *(f"    self.{name} = {name}" for name in names),
    ]
    exec("\n".join(lines), scope)
    return scope["__init__"]


def _quick_copy(kind: type) -> Any:
    _thaw(kind)
    names = [one.name for one in dataclasses.fields(kind)]
    scope: dict[str, Any] = {"_kind": kind, "_new": object.__new__}
    lines = [
        "def copy(old, changes):",
        "    new = _new(_kind)",
        *(f"    new.{name} = old.{name}" for name in names),
        "    for name, value in changes.items():",
        "        setattr(new, name, value)",
        "    return new",
    ]
    exec("\n".join(lines), scope)
    return scope["copy"]
