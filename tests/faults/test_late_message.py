"""B hedges by its watch before A has said a word: A notices its coverage all the same."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.world.pair import running_pair

pytestmark = [pytest.mark.fault, pytest.mark.timeout(90)]

RARELY = {"timing.beat_s": 4.0, "timing.ready_ttl_s": 12.0, "timing.lease_ttl_s": 12.0}
"""Heartbeats so far apart that waiting for one would show."""


async def test_a_looks_for_a_coverage_that_nothing_announces(tmp_path: Path) -> None:
    """A stands still while it is filled and hedged; once awake it does not wait for a heartbeat."""
    async with running_pair(tmp_path, settings=RARELY) as pair:
        assert pair.a is not None
        for amount in ("-0.0100", "0.0000", "-0.0100"):
            await pair.until_resting()
            os.kill(pair.a.pid, signal.SIGSTOP)
            await pair.fill_a()
            await pair.until_position_b(amount)
            os.kill(pair.a.pid, signal.SIGCONT)
            awake = time.monotonic()
            await pair.until_resting()
            assert time.monotonic() - awake < 1.5
        await pair.check()
