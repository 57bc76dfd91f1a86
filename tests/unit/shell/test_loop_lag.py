"""A loop that is late is named with what held it up, and seldom."""

import asyncio
import gc
import time

from hedge.daemon.health import Health, HealthReport
from hedge.daemon.loop_lag import LATE_S, SAY_EVERY_S, SHOWN_S, LoopLag
from tests.waiting import eventually


class Said:
    """What was said, and a clock that can be moved on."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self.ahead_s = 0.0

    def __call__(self, ms: int, cause: str) -> None:
        self.lines.append((ms, cause))

    def now_s(self) -> float:
        return time.monotonic() + self.ahead_s


def hold_up_the_loop() -> None:
    time.sleep(LATE_S + 0.2)


async def test_a_blocking_call_is_named_by_its_place() -> None:
    """Function, file and line; the worst of a minute is shown, and then forgotten."""
    said = Said()
    with LoopLag(said, now_s=said.now_s) as lag:
        await asyncio.sleep(0)
        assert lag.worst_ms is None
        hold_up_the_loop()
        await eventually(lambda: said.lines)
        ((ms, cause),) = said.lines
        assert ms > LATE_S * 1000
        assert "hold_up_the_loop (tests/unit/shell/test_loop_lag.py:" in cause
        assert lag.worst_ms == ms
        said.ahead_s += SHOWN_S + 1  # which is a lag, too
        await eventually(lambda: lag.worst_ms != ms)


async def test_it_is_said_seldom_and_then_the_worst() -> None:
    """Each lag within ten seconds of a line waits for the next one."""
    said = Said()
    with LoopLag(said, now_s=said.now_s) as lag:
        await asyncio.sleep(0)
        for number, seconds in enumerate((1.0, 3.0, 2.0), 1):
            said.ahead_s += seconds
            await eventually(lambda number=number: len(lag._worst) == number)
        assert len(said.lines) == 1
        said.ahead_s += LATE_S / 2
        lag._said_s -= SAY_EVERY_S
        await eventually(lambda: len(said.lines) == 2)
    assert [round(ms / 1000) for ms, _ in said.lines] == [1, 3]


async def test_a_collection_is_named() -> None:
    """It holds every thread up, so that no line of the program would be the cause."""
    said = Said()
    with LoopLag(said) as lag:
        await asyncio.sleep(0)
        lag._on_collection("start", {})
        time.sleep(LATE_S + 0.1)  # noqa: ASYNC251
        lag._on_collection("stop", {})
        await eventually(lambda: said.lines)
    assert "garbage collection" in said.lines[0][1]


async def test_a_process_that_stood_still_is_named() -> None:
    """Its thread was as late as its loop, and it has used no time of the processor."""
    said = Said()
    with LoopLag(said, now_s=said.now_s):
        await asyncio.sleep(0)
        said.ahead_s += 5
        await eventually(lambda: said.lines)
    assert "stood still" in said.lines[0][1]


async def test_nothing_is_left_of_it() -> None:
    """Neither a callback of the collector nor a timer."""
    before = len(gc.callbacks)
    with LoopLag(Said()):
        assert len(gc.callbacks) == before + 1
    assert len(gc.callbacks) == before


def test_what_cannot_be_written_is_said_once_and_when_it_is_over() -> None:
    """The heartbeat shows it meanwhile, and a lag of the loop."""
    why = {"log": "", "files": "", "rotation": ""}
    lag: list[int | None] = [None]
    said: list[tuple[str, str]] = []
    report = HealthReport(
        Health(
            lambda: why["log"],
            lambda: why["files"],
            lambda: why["rotation"],
            lag_ms=lambda: lag[0],
        ),
        lambda event, detail: said.append((event, detail)),
    )
    report.look()
    assert report.notices == ()
    why["log"], lag[0] = "main_B.log: no room", 700
    for _ in range(2):
        report.look()
    assert said == [("log_not_written", "main_B.log: no room")]
    assert [word for word, _ in report.notices] == ["log_not_written", "loop_late"]
    assert ["main_B.log: no room" in text or "700 ms" in text for _, text in report.notices] == [
        True,
        True,
    ]
    why["log"], why["files"] = "", "state: no room"
    report.look()
    assert [event for event, _ in said[1:]] == ["state_not_written", "log_written_again"]
    why["files"], why["rotation"] = "", "main_B.log: is a directory"
    report.look()
    assert [event for event, _ in said[3:]] == ["log_not_rotated", "state_written_again"]
