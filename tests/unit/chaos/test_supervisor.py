"""The supervisor brings back what dies, not too fast, and notes how it ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.diary import Diary
from tests.chaos.slots import Slot
from tests.chaos.supervisor import Supervisor
from tests.waiting import eventually


class FakeSlot(Slot):
    """A process that is only a number; `fails` starts go wrong first."""

    def __init__(self, name: str, fails: int = 0) -> None:
        super().__init__(name)
        self.fails = fails
        self.starts = 0
        self._alive = False
        self._code: int | None = None

    @property
    def pid(self) -> int | None:
        return 1000 + self.starts if self._alive else None

    @property
    def code(self) -> int | None:
        return None if self._alive else self._code

    async def start(self) -> None:
        self.starts += 1
        if self.starts <= self.fails:
            message = "the port is taken"
            raise RuntimeError(message)
        self._alive = True

    async def kill(self) -> None:
        self.end(-9)

    def end(self, code: int) -> None:
        self._alive, self._code = False, code


@contextlib.asynccontextmanager
async def supervised(slot: FakeSlot, folder: Path) -> AsyncIterator[tuple[Supervisor, Diary]]:
    diary = Diary(folder / "events.jsonl", say=lambda _text: None)
    supervisor = Supervisor({slot.name: slot}, diary)
    task = asyncio.create_task(supervisor.run())
    try:
        await eventually(supervisor.all_running)
        yield supervisor, diary
    finally:
        task.cancel()
        await asyncio.wait({task})
        diary.close()


async def test_what_dies_is_started_again_and_its_end_noted(tmp_path: Path) -> None:
    """Every end is in the diary with its exit code, every start too."""
    slot = FakeSlot("a")
    async with supervised(slot, tmp_path) as (supervisor, diary):
        slot.end(3)
        await eventually(lambda: slot.starts == 2)
        await eventually(supervisor.all_running)
    assert [entry.fields["code"] for entry in diary.of("ended")] == [3]
    assert len(diary.of("started")) == 2


async def test_a_process_that_is_to_stay_away_stays_away(tmp_path: Path) -> None:
    """The schedule decides how long; `hurry` ends it."""
    slot = FakeSlot("b1")
    async with supervised(slot, tmp_path) as (supervisor, _diary):
        supervisor.away("b1", 60.0)
        slot.end(-9)
        with pytest.raises(AssertionError):
            await eventually(lambda: slot.starts > 1, 0.5)
        supervisor.hurry()
        await eventually(lambda: slot.starts == 2)


async def test_after_stop_nothing_is_started(tmp_path: Path) -> None:
    """The clean stop at the end is not undone."""
    slot = FakeSlot("b2")
    async with supervised(slot, tmp_path) as (supervisor, diary):
        supervisor.stop()
        slot.end(0)
        await eventually(lambda: diary.of("ended"))
        with pytest.raises(AssertionError):
            await eventually(lambda: slot.starts > 1, 0.5)


async def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    """Redis whose port is not free yet comes back a little later."""
    slot = FakeSlot("redis", fails=1)
    async with supervised(slot, tmp_path) as (_supervisor, diary):
        assert slot.starts == 2
        assert [entry.fields["process"] for entry in diary.of("not-started")] == ["redis"]
