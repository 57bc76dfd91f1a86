"""What a terminal, a pipe or a log can do to the daemons: it never stops the hedging."""

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.test_pair_by_hand import fill
from tests.waiting import eventually
from tests.world.held import Terminal, program
from tests.world.pair import NAMES, Pair

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

END_S = 8.0


async def beats_on(pair: Pair) -> None:
    """Wait until B's heartbeat has gone on by two."""
    first = (await pair.key(NAMES.ready_b) or {}).get("beat", -1)

    async def later() -> bool:
        return int((await pair.key(NAMES.ready_b) or {}).get("beat", -1)) >= first + 2

    await pair.until(later, "two more heartbeats of B", 10)


async def stood_still(pair: Pair, b: "subprocess.Popen[bytes]") -> None:
    """Stop B for a moment, as Ctrl-Z does, and wait until its heartbeat shows how late it was."""
    b.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.6)
    b.send_signal(signal.SIGCONT)

    async def shown() -> bool:
        return ((await pair.key(NAMES.ready_b) or {}).get("lag_ms") or 0) >= 400

    await pair.until(shown, "the lag in B's heartbeat", 10)


async def test_b_hedges_and_ends_with_a_held_terminal(tmp_path: Path) -> None:
    """Fills are hedged, the heartbeat goes on, the file has every line, SIGTERM ends B."""
    async with Pair(tmp_path) as pair:
        config = str(pair.config_of("b", logging__console=True, timing__stop_timeout_s=1.0))
        with Terminal() as terminal, program(terminal, "main_B.py", "--config", config) as b:

            async def is_ready() -> bool:
                terminal.read()
                return bool((await pair.key(NAMES.ready_b) or {}).get("ready"))

            await pair.until(is_ready, "B ready", 25)
            terminal.hold()
            for side, position in (("buy", "-0.0100"), ("sell", "0")):
                await pair.publish(NAMES.account_a_filled, fill("0.0100", side))
                await pair.until_position_b(position, 10)
            await beats_on(pair)
            await stood_still(pair, b)
            log = tmp_path / "logs" / "main_B.log"
            await eventually(lambda: log.read_text().count("hedged side") == 2, 5, "every line")
            assert "the process stood still" in log.read_text()
            shutil.rmtree(log.parent)
            await eventually(log.exists, 5, "a new log")
            b.send_signal(signal.SIGTERM)
            await eventually(lambda: b.poll() is not None, END_S, "the end of B")
