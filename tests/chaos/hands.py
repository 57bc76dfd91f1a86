"""What people and service managers do to a pair, and what they are told: each answer is kept.

What was said is written as "said" entries (who, claim, text, code) for the judge.
"""

import json
import time
from pathlib import Path

from tests.chaos.diary import Diary
from tests.chaos.slots import Slot
from tests.chaos.world import World
from tests.world.pair import run_command

FLATTEN_S = 90.0
HALT_S = 30.0
STOP_S = 120.0
MAX_TEXT = 400
NEUTRAL_WORDS = ("Neutral:", "Both ended neutral", "B ended neutral")


class Hands:
    """Runs the operator's commands beside every proxy; an answer that does not come is noted."""

    def __init__(self, world: World, diary: Diary) -> None:
        self._world = world
        self._diary = diary
        self._asks: bool | None = None

    async def status(self, name: str) -> bool:
        """Ask how a pair is."""
        code, text = await self._hedgectl(name, "status", "--json")
        try:
            answer = json.loads(text)
        except ValueError:
            return True
        headline = str(answer.get("headline", ""))
        if "neutral" in answer:
            if code == 0:
                self._said(f"hedgectl of {name}", name, "STATUS_CODE_0", headline, code)
            if answer["neutral"] is True:
                self._said(f"hedgectl of {name}", name, "STATUS_NEUTRAL", headline, code)
        elif headline.startswith(NEUTRAL_WORDS):
            self._said(f"hedgectl of {name}", name, "STATUS_NEUTRAL", headline, code)
        return True

    async def resume(self, name: str) -> bool:
        """Resume, whatever is open."""
        await self._hedgectl(name, "resume")
        return True

    async def flatten(self, name: str) -> bool:
        """Close both positions; the pair stays halted until it is resumed."""
        if self._asks is None:
            _, text = await run_command("hedgectl.py", "flatten", "--help")
            self._asks = "--yes" in text
        extra = ("--yes",) if self._asks else ()
        code, text = await self._hedgectl(name, "flatten", *extra, timeout_s=FLATTEN_S)
        if code == 0 and "Flat: " in text:
            self._said(f"hedgectl of {name}", name, "FLATTEN_DONE", text, code)
        return True

    async def halt(self, name: str) -> bool:
        """Halt a pair by hand; the tool names who has not heard it."""
        await self._hedgectl(name, "halt", timeout_s=HALT_S)
        return True

    async def stop_script(self, config: Path) -> bool:
        """Stop the second pair as a person does: by the script that knows its process files."""
        code, text = await run_command(
            "-m", "hedge.launcher", "--stop", "--config", str(config), timeout_s=STOP_S
        )
        self._diary.note("stop-script", pair="two", code=code, answer=text[-MAX_TEXT:])
        for claim in claims_of(code if "Stopped." in text else None, text):
            self._said("stop script", "two", claim, text, code)
        return True

    def launcher_ended(self, slot: Slot, output: str) -> None:
        """Keep what the launcher said at its end."""
        for claim in claims_of(slot.code, output):
            self._said("launcher", "two", claim, output, slot.code)

    async def _hedgectl(
        self, name: str, command: str, *extra: str, timeout_s: float = 30.0
    ) -> tuple[int, str]:
        config = str(self._world.operator_config(name))
        began = time.monotonic()
        code, text = await run_command(
            "hedgectl.py", command, *extra, "--config", config, timeout_s=timeout_s
        )
        self._diary.note(
            "command",
            pair=name,
            command=command,
            code=code,
            took_s=round(time.monotonic() - began, 2),
            answer=text[-MAX_TEXT:],
        )
        return code, text

    def _said(self, who: str, pair: str, claim: str, text: str, code: int | None) -> None:
        last = (text.strip().splitlines() or [""])[-1][:MAX_TEXT]
        self._diary.note("said", who=who, pair=pair, claim=claim, text=last, code=code)


def claims_of(code: int | None, text: str) -> list[str]:
    """Return what the end of a launcher, or of a stop script, claims."""
    last = text.strip().splitlines()[-1:]
    neutral = any(word in line for line in last for word in NEUTRAL_WORDS)
    return ["LAUNCHER_CODE_0"] * (code == 0) + ["LAUNCHER_NEUTRAL"] * neutral
