"""What only Python can ask a checkout: the facade's methods and the configuration as loaded.

Run as a script inside the checkout; prints entries as one JSON object. Of the program it imports
the modules that the users' scripts import, and the loader of the configuration wherever it lies.
"""

import dataclasses
import enum
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

SCRIPTS_CALL = {
    "redis_messenger.RedisMessenger": (
        "__init__",
        "connect",
        "create_filled_message",
        "publish_a_filled",
        "publish_b_filled",
        "start_listening",
        "subscribe",
    ),
    "account_a_manager.AccountAManager": (),
    "account_b_manager.AccountBManager": ("on_a_account_filled",),
}
"""What scripts of the users import and call."""

LOADERS = ("hedge.config.load", "hedge.config")
ACCOUNTS = {
    f"account_{side}": {
        "account_index": index,
        "api_key_index": 4,
        "api_key_private_key": "ab" * 40,
    }
    for side, index in (("a", 1), ("b", 2))
}
BESIDE = "(the file's folder)"
OLD_KEYS = ("poll_interval", "ws_reconnect_delay")
"""Keys of an older program."""


def named(*parts: str) -> str:
    """Return the name of an entry, as `shapes.joined`: this script imports nothing of the tests."""
    return " | ".join(parts)


# --- the facade


def facade(closed_port: int) -> Iterator[tuple[str, Any]]:
    """Yield an entry for each class, method and parameter that scripts use."""
    for place, methods in SCRIPTS_CALL.items():
        module, name = place.split(".")
        kind = getattr(importlib.import_module(module), name)
        yield named("facade", place), "class"
        for method in methods:
            yield from _method(named("facade", f"{name}.{method}"), kind, method)
    messenger = importlib.import_module("redis_messenger").RedisMessenger
    for constant in sorted(vars(messenger)):
        if constant.startswith("CHANNEL_"):
            value = getattr(messenger, constant)
            yield named("facade", f"RedisMessenger.{constant}"), value
    try:
        messenger(port=closed_port).connect()
    except Exception as error:  # noqa: BLE001  which one it is, is the question
        bases = ", ".join(base.__name__ for base in type(error).__mro__[:-3])
        yield named("facade", "RedisMessenger.connect", "raises while Redis is down"), bases
    example = messenger.create_filled_message(1, 0, 2, "0.0100", "30.00", "3000.00", "buy")
    for field, value in example.items():
        path = named("facade", "RedisMessenger.create_filled_message", "returns", field)
        yield path, type(value).__name__


def _method(path: str, kind: type, name: str) -> Iterator[tuple[str, Any]]:
    function = getattr(kind, name)
    yield named(path, "called with await"), inspect.iscoroutinefunction(function)
    on_class = isinstance(inspect.getattr_static(kind, name), staticmethod)
    parameters = list(inspect.signature(function).parameters.values())
    if not on_class:
        parameters = parameters[1:]  # self
    needed = [item.name for item in parameters if item.default is inspect.Parameter.empty]
    yield named(path, "must be given"), ", ".join(needed)
    for index, item in enumerate(parameters):
        by_place = item.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        yield named(path, item.name, "place"), index + 1 if by_place else item.kind.description
        if item.default is not inspect.Parameter.empty:
            yield named(path, item.name, "default"), repr(item.default)


# --- the configuration


def configuration(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what a file with the two accounts alone is loaded as, and what is accepted of old."""
    load = _loader()
    for side in ("a", "b"):
        loaded = load(_file(folder, {"accounts": ACCOUNTS}), side)
        for key, value in _leaves(loaded, ""):
            shown = value.replace(str(folder.resolve()), BESIDE) if value else value
            yield named("config", key, f"loaded for {side.upper()}"), shown
    for key in OLD_KEYS:
        old = load(_file(folder, {"accounts": ACCOUNTS, key: 1}), "a")
        yield named("config", key, "accepted, warnings"), len(old.warnings)


def shipped(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield every key that the shipped config.yaml sets."""

    def walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(f"{path}.{key}" if path else key, inner)
        else:
            yield named("config.yaml", path), value

    yield from walk("", yaml.safe_load(file.read_text(encoding="utf-8")))


def _loader() -> Callable[..., Any]:
    for place in LOADERS:
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError:
            continue
        if hasattr(module, "load_config"):
            return module.load_config
    raise SystemExit(f"load_config is in none of {', '.join(LOADERS)}")


def _file(folder: Path, values: dict[str, Any]) -> Path:
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return file


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str | None]]:
    """Yield every key below an object of the configuration with its value as text."""
    if not dataclasses.is_dataclass(value):
        if isinstance(value, enum.Enum):
            value = value.value
        yield path, None if value is None else str(value)
        return
    for item in dataclasses.fields(value):
        inner = f"{path}.{item.name}" if path else item.name
        if not item.metadata.get("internal"):
            yield from _leaves(getattr(value, item.name), inner)


# --- by hand


def publish(port: int, pair: str) -> Iterator[tuple[str, Any]]:
    """Publish a fill as a script of a user does; yield what the facade answers."""
    messenger = importlib.import_module("redis_messenger").RedisMessenger(port=port, pair=pair)
    warnings = messenger.connect()
    yield named("facade", "RedisMessenger.connect", "returns"), type(warnings).__name__
    fill = messenger.create_filled_message(1, 0, 2, "0.0100", "30.00", "3000.00", "buy")
    for method in (messenger.publish_b_filled, messenger.publish_a_filled):
        heard_by = method(fill)
        assert heard_by > 0, "the recorder itself listens"
        path = named("facade", f"RedisMessenger.{method.__name__}", "returns")
        yield path, type(heard_by).__name__


def keys(count: int) -> Iterator[tuple[str, str]]:
    """Yield new API keys, private half and public half."""
    from lighter.signer_client import create_api_key  # noqa: PLC0415  slow to import

    for _ in range(count):
        private, public, error = create_api_key()
        assert error is None, error
        yield private.removeprefix("0x"), public.removeprefix("0x")


def main(what: str, *arguments: str) -> None:
    """Print what is asked for as JSON."""
    match what:
        case "surface":
            folder, closed_port = arguments
            found = (*facade(int(closed_port)), *configuration(Path(folder)))
            print(json.dumps(dict((*found, *shipped(Path("config.yaml"))))))
        case "publish":
            port, pair = arguments
            print(json.dumps(dict(publish(int(port), pair))))
        case "keys":
            print(json.dumps(list(keys(int(arguments[0])))))


if __name__ == "__main__":
    main(*sys.argv[1:])
