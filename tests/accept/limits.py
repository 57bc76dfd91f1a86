"""Limits of time and memory, each measured alone on the machine."""

import os
import signal
import statistics
import subprocess
import sys
import time

import psutil

from paper.journal import Journal, header_of
from paper.market import SyntheticMarket
from tests.accept.cases import Figure, Run, case
from tests.unit.paper.bench import journaled, new_engine
from tests.world.pair import NAMES, Daemon, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B, ROOT

TIMES = 5
IMPORT_CPU_S = 0.5
IMPORT_MB = 55.0
DAEMON_MB = 72.0
FLOOD_MB = 150.0
FLOOD = 2000
NOTICED_S = 1.5
RESTORED_S = 5.0
STEPS = 3000

RARELY = {"timing.beat_s": 4.0, "timing.ready_ttl_s": 12.0, "timing.lease_ttl_s": 12.0}
"""Heartbeats so far apart that waiting for one would show."""


def _imported(module: str) -> tuple[float, float]:
    """Return the least CPU seconds and the median of MB that a fresh process needs."""
    command = [sys.executable, "-c", f"import {module}; print('there', flush=True); input()"]
    samples = []
    for _ in range(TIMES + 1):
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"there\n"
            process = psutil.Process(child.pid)
            times = process.cpu_times()
            samples.append((times.user + times.system, process.memory_info().rss / 1e6))
            child.communicate(b"\n")
    cpu, memory = zip(*samples[1:], strict=True)  # the first one may compile
    return min(cpu), statistics.median(memory)


@case("import", "CPU time and memory of importing a daemon")
def importing(_: Run) -> list[Figure]:
    """A daemon costs little before it has done anything."""
    figures = []
    for module in ("main_A", "main_B"):
        cpu_s, memory_mb = _imported(module)
        figures.append(Figure(f"{module} CPU", cpu_s, "s", IMPORT_CPU_S))
        figures.append(Figure(f"{module} memory", memory_mb, "MB", IMPORT_MB))
    return figures


def _resident_mb(daemon: Daemon | None) -> float:
    assert daemon is not None
    return float(psutil.Process(daemon.pid).memory_info().rss) / 1e6


@case("daemons", "memory of both daemons at work, and the time to the first order")
async def daemons(run: Run) -> list[Figure]:
    """Both start, trade three rounds, and stay small."""
    async with Pair(run.folder / "pair", settings={"logging.level": "INFO"}) as pair:
        begun = time.monotonic()
        await pair.start()
        first_s = time.monotonic() - begun
        for _ in range(3):
            await pair.fill_a()
            await pair.until_neutral()
        await pair.check()
        return [
            Figure("first order after", first_s, "s"),
            Figure("A", _resident_mb(pair.a), "MB", DAEMON_MB),
            Figure("B", _resident_mb(pair.b), "MB", DAEMON_MB),
        ]


@case("flood", "memory after 2,000 fills within seconds, and the time to cover them")
async def flood(run: Run) -> list[Figure]:
    """A flood of fills is hedged to the lot, and leaves no heap behind."""
    settings = {
        "strategy.on_partial_fill": "keep",
        "strategy.depth": 3,
        "strategy.quantity": "20.0",
        "timing.place_deadline_s": 10.0,
    }
    async with Pair(run.folder / "pair", settings=settings) as pair:
        for account in (ACCOUNT_A, ACCOUNT_B):
            await pair.paper.collateral(account, "1000000")
        await pair.start()
        assert await pair.burst(FLOOD, "sell", "0.0100") == FLOOD
        begun = time.monotonic()
        await pair.until_position_b(f"-{FLOOD / 100:.4f}", 30.0)
        covered_s = time.monotonic() - begun
        await pair.check()
        assert len(await pair.all_told_on(NAMES.account_a_filled)) == FLOOD
        return [
            Figure("covered after", covered_s, "s"),
            Figure("larger daemon", pair.memory_mb(), "MB", FLOOD_MB),
        ]


@case("unannounced", "the time in which A notices a coverage that nothing announces")
async def unannounced(run: Run) -> list[Figure]:
    """A stands still while it is filled and hedged; once awake it does not wait for a heartbeat."""
    noticed = []
    async with Pair(run.folder / "pair", settings=RARELY) as pair:
        await pair.start()
        assert pair.a is not None
        for amount in ("-0.0100", "0.0000", "-0.0100"):
            await pair.until_resting()
            os.kill(pair.a.pid, signal.SIGSTOP)
            await pair.fill_a()
            await pair.until_position_b(amount)
            os.kill(pair.a.pid, signal.SIGCONT)
            awake = time.monotonic()
            await pair.until_resting()
            noticed.append(time.monotonic() - awake)
        await pair.check()
    return [Figure("longest", max(noticed), "s", NOTICED_S)]


@case("journal", "the time in which the paper exchange reads 3,000 steps of its market again")
def journal(run: Run) -> list[Figure]:
    """A paper exchange that comes back is there within seconds."""
    bench, written = journaled(run.folder)
    market = SyntheticMarket(1)
    for _ in range(STEPS):
        market.step(bench.engine, bench.now)
        bench.run(25)
    written.close()
    engine = new_engine()
    again = Journal(run.folder, header_of(engine))
    begun = time.monotonic()
    again.restore(engine)
    restored_s = time.monotonic() - begun
    again.close()
    assert engine.market_trades(0)
    return [Figure("restored after", restored_s, "s", RESTORED_S)]
