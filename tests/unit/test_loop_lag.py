"""The measure of a loop's lag: no look that was missed is left out."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.outside.loop_lag import FOLDER, SAMPLER, STEP_MS, missing, quantile_ms, read_looks

HELD_MS = 300
DAEMON = f"""
import asyncio, time

async def hold():
    await asyncio.sleep(0.05)
    time.sleep({HELD_MS / 1000})
    await asyncio.sleep(0.05)

with asyncio.Runner() as runner:
    runner.run(hold())
"""


def test_a_loop_that_is_held_is_late_for_every_look_of_that_time(tmp_path: Path) -> None:
    """Not for one: else a loop that is held for an hour would count as one bad look."""
    (tmp_path / "sitecustomize.py").write_text(SAMPLER, encoding="utf-8")
    (tmp_path / "main_B.py").write_text(DAEMON, encoding="utf-8")
    counts = tmp_path / "counts"
    counts.mkdir()
    env = os.environ | {FOLDER: str(counts), "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, str(tmp_path / "main_B.py")], check=True, env=env)
    (file,) = counts.iterdir()
    _, looks = read_looks(file)
    late = sum(n for late_ms, n in looks.items() if late_ms >= STEP_MS)
    assert max(looks) >= HELD_MS - 2 * STEP_MS
    assert late >= HELD_MS // STEP_MS - 3


def test_a_loop_that_never_came_back_owes_each_look_since_then() -> None:
    """Half of them were late by more than half of that time."""
    owed = missing(1_000_000_000)
    assert owed.total() == 100
    assert (min(owed), max(owed)) == (10, 1000)
    assert quantile_ms(owed, 0.5) == 500


def test_a_quantile_counts_looks_not_values() -> None:
    """One bad look of a hundred is no p99."""
    looks = Counter({0: 99, 700: 1})
    assert quantile_ms(looks, 0.99) == 0
    assert quantile_ms(looks, 1.0) == 700
    assert quantile_ms(Counter(), 0.99) == 0
