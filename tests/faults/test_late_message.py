"""B hedges by its watch before A has said a word: A notices its coverage all the same."""

import os
import signal
from pathlib import Path

import pytest

from tests.world.pair import running_pair

pytestmark = [pytest.mark.fault, pytest.mark.timeout(90)]


async def test_a_looks_for_a_coverage_that_nothing_announces(tmp_path: Path) -> None:
    """A stands still while it is filled and hedged; once awake it goes on by itself.

    How soon it does is measured by `make accept`.
    """
    async with running_pair(tmp_path) as pair:
        assert pair.a is not None
        for amount in ("-0.0100", "0.0000", "-0.0100"):
            await pair.until_resting()
            os.kill(pair.a.pid, signal.SIGSTOP)
            await pair.fill_a()
            await pair.until_position_b(amount)
            os.kill(pair.a.pid, signal.SIGCONT)
            await pair.until_resting()
        await pair.check()
