"""Whole envelopes as the venue sends them."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "payloads"


def payload(name: str) -> dict[str, Any]:
    """Return a fresh copy of `tests/payloads/NAME.json`."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def nested() -> list[Any]:
    """Return JSON that can be read, but not be written: the deepest a frame can be, and more."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    return deep
