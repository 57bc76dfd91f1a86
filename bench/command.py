"""`make bench`, `python -m bench`: measure the pair, print the table, write JSON and picture."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console

from bench import burst, crowd, daemons, floor, latency, naive, report, requests
from bench.options import PARTS, Options, parse
from bench.world import World, open_world
from hedge.daemon.host_os import loop_factory
from hedge.errors import HedgeError

INTERRUPTED = 130
WIDEST = 104
"""Columns that the tables need, also where the output goes into a file."""


class Bench:
    """The parts of one run, in order; each has a Redis and an exchange of its own."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        """`say` hears which part is being measured."""
        self.results = report.Results()
        self._options = options
        self._say = say

    async def run(self) -> None:
        """Measure every part asked for."""
        for name in self._options.parts:
            self._say(f"{name}: {PARTS[name]} ...")
            work: Callable[[], Coroutine[Any, Any, None]] = getattr(self, f"_{name}")
            await work()

    @asynccontextmanager
    async def _world(
        self,
        name: str,
        *,
        market: bool = False,
        tier: str = "instant",
        extra: tuple[str, ...] = (),
    ) -> AsyncIterator[World]:
        async with open_world(
            self._options.run_dir / name,
            redis_port=self._options.redis_port,
            paper_port=self._options.paper_port,
            market=market,
            level=self._options.level,
            tier=tier,
            extra=extra,
        ) as world:
            yield world

    async def _floor(self) -> None:
        async with self._world("floor") as world:
            self.results.floor = await floor.measure(world, self._options.fills)

    async def _latency(self) -> None:
        async with self._world("latency") as world:
            self.results.latency = await latency.measure(world, self._options.fills)

    async def _market(self) -> None:
        fills, seed = self._options.fills, self._options.seed
        async with self._world("market", market=True, extra=("--seed", str(seed))) as world:
            self.results.market = await latency.measure(world, fills, seed)

    async def _burst(self) -> None:
        async with self._world("burst") as world:
            self.results.burst = await burst.measure(world, self._options.burst)

    async def _crowd(self) -> None:
        for count in self._options.crowds:
            async with self._world("crowd") as world:
                found = await crowd.measure(world, count, self._options.crowd_s)
                self.results.crowds.append(found)
                self._say(f"crowd: {found.pairs} pairs done")

    async def _daemons(self) -> None:
        async with self._world("daemons") as world:
            self.results.costs = await daemons.measure(world, self._options.idle_s)

    async def _naive(self) -> None:
        async with self._world("naive") as world:
            self.results.naive = await naive.measure(world, self._options.fills)

    async def _requests(self) -> None:
        seconds, seed = self._options.requests_s, self._options.seed
        for tier in self._options.tiers:
            for states in requests.WORLDS:
                wild = requests.When.STORM in states
                steps = requests.STORM_STEPS if wild else requests.USUAL_STEPS
                async with self._world(
                    "requests",
                    market=requests.When.CALM not in states,
                    tier=tier,
                    extra=("--seed", str(seed), "--steps-per-s", str(steps)),
                ) as world:
                    found = await requests.measure(world, tier, seconds, states, seed)
                    self.results.asked += found
            self._say(f"requests: {tier} done")


def main(arguments: list[str] | None = None) -> int:
    """Measure and report; return the exit code."""
    return run_measurement("bench", lambda: _run(parse(arguments)))


def run_measurement(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run `work` in a loop of its own; a failure becomes one sentence and its exit code."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(work())
    except HedgeError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


async def _run(options: Options) -> None:
    bench = Bench(options, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        await bench.run()
    finally:  # what was measured before something failed is not thrown away
        if bench.results.has_figures:
            _report(bench.results, options)


def _report(results: report.Results, options: Options) -> None:
    console = Console(highlight=False)
    console.width = max(console.width, WIDEST)
    report.show(results, console)
    plot = report.write_plot(results, options.run_dir)
    for file in (plot, options.json_file):
        if file is not None:
            console.print(f"written: {file}", soft_wrap=True)
    if options.json_file is not None:
        report.write_json(results, options.json_file)
