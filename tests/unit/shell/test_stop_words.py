"""What a stop that lasts says that it waits for."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from hedge.daemon.context import Ending
from hedge.daemon.daemon import Shell
from hedge.daemon.logs import Log


def stopping() -> Any:
    """Return what `tell_open` needs of a side whose stop lasts; `said` are its events."""
    said: list[tuple[str, ...]] = []
    return SimpleNamespace(
        _ended=asyncio.get_running_loop().create_future(),
        open_points=lambda: ("B owes 1", "A may still fill"),
        log=Log(),
        voice=SimpleNamespace(say=lambda *words: said.append(words)),
        said=said,
    )


async def test_what_is_open_is_said_until_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    """After `stopped` only Redis is waited for, whatever the core's last state was."""
    caplog.set_level(logging.INFO, "hedge")
    side = stopping()
    Shell.tell_open(side)
    side._ended.set_result(Ending.NEUTRAL)
    Shell.tell_open(side)
    before, after = (words[2] for words in side.said)
    assert before == "B owes 1; A may still fill"
    assert "on their way to Redis" in after
    assert after in caplog.messages[-1]
