"""Keeps the processes running: restarts what died, with back-off, and counts how it ended."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping

from hedge.errors import HedgeError
from tests.chaos.diary import Diary
from tests.chaos.slots import Slot

POLL_S = 0.05
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 2.0
SHORT_LIFE_S = 5.0
"""A process that lived shorter than this makes the next pause twice as long."""
START_PROBLEMS = (
    RuntimeError,
    OSError,
    AssertionError,
    HedgeError,
    subprocess.SubprocessError,
)


class _Life:
    """What the supervisor knows of one slot."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.was_alive = False
        self.started = time.monotonic()
        self.not_before = 0.0
        self.pause_s = BACKOFF_MIN_S
        self.starting: asyncio.Task[None] | None = None


class Supervisor:
    """Runs as a task; `away` keeps a process down for a while, `stop` ends the restarting."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        diary: Diary,
        ended: Callable[[Slot], None] = lambda _: None,
    ) -> None:
        """Call `ended` with each slot whose process has ended."""
        self._lives = {name: _Life(slot) for name, slot in slots.items()}
        self._diary = diary
        self._ended = ended
        self._restarting = True

    def away(self, name: str, seconds: float) -> None:
        """Do not start `name` again before `seconds` have passed."""
        life = self._lives[name]
        life.not_before = max(life.not_before, time.monotonic() + seconds)

    def hurry(self) -> None:
        """Start whatever is down at once."""
        for life in self._lives.values():
            life.not_before = 0.0

    def stop(self) -> None:
        """Start nothing any more."""
        self._restarting = False

    def is_up(self, name: str) -> bool:
        """Whether a process runs, and is not just being started."""
        life = self._lives[name]
        return life.slot.pid is not None and life.starting is None

    def all_running(self) -> bool:
        """Whether every process runs and none is being started."""
        return all(self.is_up(name) for name in self._lives)

    async def run(self) -> None:
        """Look after all slots until cancelled."""
        try:
            while True:
                for life in self._lives.values():
                    self._look(life)
                await asyncio.sleep(POLL_S)
        finally:
            starting = [life.starting for life in self._lives.values() if life.starting]
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    def _look(self, life: _Life) -> None:
        if life.starting is not None:
            return
        now = time.monotonic()
        if life.slot.pid is not None:
            life.was_alive = True
            return
        if life.was_alive:
            self._died(life, now)
        if self._restarting and now >= life.not_before:
            life.starting = asyncio.create_task(self._start(life), name=f"start-{life.slot.name}")

    def _died(self, life: _Life, now: float) -> None:
        lived_s = now - life.started
        longer = min(life.pause_s * 2, BACKOFF_MAX_S)
        life.pause_s = longer if lived_s < SHORT_LIFE_S else BACKOFF_MIN_S
        life.not_before = max(life.not_before, now + life.pause_s)
        life.was_alive = False
        self._diary.note(
            "ended", process=life.slot.name, code=life.slot.code, lived_s=round(lived_s, 2)
        )
        self._ended(life.slot)

    async def _start(self, life: _Life) -> None:
        life.started = time.monotonic()
        try:
            await life.slot.start()
        except START_PROBLEMS as error:
            self._diary.note("not-started", process=life.slot.name, why=str(error)[:500])
            life.not_before = time.monotonic() + BACKOFF_MAX_S
        else:
            life.was_alive = True
            self._diary.note("started", process=life.slot.name, pid=life.slot.pid)
        finally:
            life.starting = None
