"""Calls that may hang are waited for so long, and dropped."""

import threading

import pytest

from hedge.launcher.aside import Aside, StillBusyError
from tests.waiting import eventually_sync


def test_a_call_returns_and_raises_as_it_would_here() -> None:
    """One after the other."""
    aside = Aside("test")
    assert [aside.call(lambda number=number: number, 5) for number in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        aside.call(lambda: 1 // 0, 5)
    assert aside.call(lambda: None, 5) is None


def test_a_call_that_hangs_is_not_waited_for_twice() -> None:
    """Until it has come back nothing else is called; its answer is dropped."""
    aside, free, calls = Aside("test"), threading.Event(), list[str]()

    def hang() -> str:
        calls.append("hangs")
        free.wait(30)
        return "late"

    for _ in range(3):
        with pytest.raises(StillBusyError):
            aside.call(hang, 0.02)
    assert calls == ["hangs"]
    free.set()

    def answered() -> str:
        try:
            return aside.call(lambda: "new", 5)
        except StillBusyError:
            return ""

    assert eventually_sync(answered) == "new"
