"""The operator: sees a halt, resumes it as a person would, and keeps count of why."""

import asyncio
from pathlib import Path

from tests.chaos.diary import Diary
from tests.world.pair import Pair

LOOK_S = 0.25
PATIENCE_S = 8.0
"""An operator whose `resume` is refused this long checks both positions and uses `--force`."""
REASON = "chaos: both positions were checked on the exchange"


class Attendant:
    """Runs as a task; every halt is noted once when seen, and once when it is resumed."""

    def __init__(self, pair: Pair, config: Path, diary: Diary) -> None:
        """Attend one pair with this configuration."""
        self._pair = pair
        self._name = pair.name or "one"
        self._config = config
        self._diary = diary
        self._seen_s: dict[str, float] = {}

    async def run(self) -> None:
        """Attend until cancelled."""
        while True:
            halt = await self._pair.halt()
            if halt is not None and "id" in halt:
                await self._attend(str(halt["id"]), halt)
            await asyncio.sleep(LOOK_S)

    async def _attend(self, halt_id: str, halt: dict[str, object]) -> None:
        now_s = self._diary.now_s()
        if halt_id not in self._seen_s:
            self._seen_s[halt_id] = now_s
            self._diary.note(
                "halt",
                pair=self._name,
                id=halt_id,
                side=halt.get("side"),
                reason=halt.get("reason"),
                detail=halt.get("detail"),
            )
            self._diary.say(f"{self._name} halted by {halt.get('side')}: {halt.get('reason')}")
        forced = now_s - self._seen_s[halt_id] > PATIENCE_S
        extra = ("--force", "--yes", "--reason", REASON) if forced else ()
        try:
            code, output = await self._pair.command("resume", *extra, config=self._config)
        except TimeoutError:
            code, output = -1, "hedgectl did not answer"
        told = output.strip().splitlines()[-1:] or [""]
        answer = told[0][:300]
        self._diary.note(
            "resume", pair=self._name, id=halt_id, forced=forced, code=code, answer=answer
        )
