"""What was measured, as a table for people, JSON for programs and a picture."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.burst import Burst
from bench.crowd import Crowd
from bench.daemons import Cost
from bench.floor import Floor
from bench.latency import Lags
from bench.plot import cumulative
from bench.requests import Asked
from bench.stats import Json, Spread

PLOT = "latency.svg"


@dataclass
class Results:
    """All figures of one run; what was not measured is None or empty."""

    floor: Floor | None = None
    latency: Lags | None = None
    market: Lags | None = None
    naive: Lags | None = None
    burst: Burst | None = None
    crowds: list[Crowd] = field(default_factory=list)
    costs: tuple[Cost, ...] = ()
    asked: list[Asked] = field(default_factory=list)

    @property
    def has_figures(self) -> bool:
        """Whether anything was measured."""
        measured = (self.floor, self.latency, self.market, self.naive, self.burst, self.costs)
        return bool(self.crowds or self.asked) or any(measured)

    @property
    def runs(self) -> list[tuple[str, Lags]]:
        """The latency runs that were made, by name."""
        named = (
            ("fixed book", self.latency),
            ("synthetic market", self.market),
            ("plain way", self.naive),
        )
        return [(name, lags) for name, lags in named if lags is not None]

    @property
    def json(self) -> Json:
        """Everything, with the machine."""
        values: Json = {"machine": machine()}
        for name in ("floor", "latency", "market", "naive", "burst"):
            part = getattr(self, name)
            if part is not None:
                values[name] = part.json
        if self.crowds:
            values["crowd"] = [crowd.json for crowd in self.crowds]
        if self.costs:
            values["daemons"] = {cost.side: cost.json for cost in self.costs}
        if self.asked:
            values["requests"] = [asked.json for asked in self.asked]
        if self.floor is not None and self.latency is not None:
            values["latency_to_floor"] = self._ratios(self.latency)
        return values

    def _ratios(self, lags: Lags) -> Json:
        total = self.floor.total_ms if self.floor else 0.0
        return {
            f"p{percent}": round(value / total, 2)
            for percent in (50, 90, 99)
            if total and (value := lags.hedge.at(percent)) is not None
        }


def machine() -> Json:
    """Name the machine that the figures belong to."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "load_1min": round(psutil.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_json(results: Results, file: Path) -> None:
    """Write all figures."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results.json, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_plot(results: Results, directory: Path) -> Path | None:
    """Draw fill → hedge of every run; None where none was made."""
    spreads = [Spread(name, lags.hedge.samples) for name, lags in results.runs]
    if not spreads:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / PLOT
    file.write_text(cumulative("A's fill → B's order", spreads), encoding="utf-8")
    return file


def show(results: Results, console: Console) -> None:
    """Print the tables."""
    about = machine()
    told = ", ".join(f"{about[name]}" for name in ("processor", "system"))
    console.print(
        f"{told}, {about['cores']} cores, Python {about['python']}, load {about['load_1min']}"
    )
    if results.floor or results.runs or results.crowds:
        console.print(_latencies(results))
    for name, lags in results.runs:
        if lags.stages:
            console.print(_stages(name, lags.stages))
    if results.burst or results.crowds or results.costs:
        console.print(_rest(results))
    if results.asked:
        console.print(_requests(results.asked))


def _latencies(results: Results) -> Table:
    table = Table("ms", "n", "p50", "p90", "p99", "max", "p50 / floor", "p99 / floor")
    floor = results.floor
    total = floor.total_ms if floor else None
    if floor:
        for spread in (floor.hop, floor.sign, floor.send):
            table.add_row(f"(a) {spread.name}", *_figures(spread))
        table.add_row("(a) floor, sum of the medians", "", f"{floor.total_ms:.2f}")
    for name, lags in results.runs:
        table.add_row(f"(b) {lags.hedge.name}, {name}", *_figures(lags.hedge, total))
        table.add_row(f"(c) {lags.release.name}, {name}", *_figures(lags.release))
        table.add_row(f"(b) hedges without liquidity, {name}", str(lags.dry))
    for crowd in results.crowds:
        table.add_row(f"(e) {crowd.hedge.name}", *_figures(crowd.hedge, total))
    return table


def _figures(spread: Spread, floor_ms: float | None = None) -> Iterable[str]:
    yield str(len(spread.samples))
    for percent in (50, 90, 99, 100):
        yield _number(spread.at(percent))
    for percent in (50, 99):
        value = spread.at(percent)
        yield "" if not floor_ms or value is None else f"{value / floor_ms:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _stages(name: str, stages: tuple[Spread, ...]) -> Table:
    table = Table("ms after the stage before", "n", "p50", "p90", "p99", "max", title=name)
    for spread in stages:
        table.add_row(spread.name, *list(_figures(spread))[:5])
    return table


def _rest(results: Results) -> Table:
    table = Table("what", "figure")
    if results.burst:
        burst = results.burst
        table.add_row(
            f"(d) burst of {burst.fills} fills in {burst.lasted_ms:.0f} ms",
            f"{burst.orders} hedge orders, last hedge {burst.behind_ms:.0f} ms after last fill",
        )
    for crowd in results.crowds:
        table.add_row(
            f"(e) {crowd.pairs} pairs",
            f"{crowd.fills} fills, {crowd.cpu_percent:.0f} % of the machine, "
            f"{crowd.memory_mb:.0f} MB in all{'; ' + crowd.limit if crowd.limit else ''}",
        )
    for cost in results.costs:
        table.add_row(
            f"(f) daemon {cost.side.upper()}",
            f"ready after {cost.ready_ms:.0f} ms (fence {cost.fence_ms:.0f} ms), "
            f"{cost.rss_mb:.0f} MB, idle {cost.idle_percent:.1f} % of a core",
        )
    return table


def _requests(asked: list[Asked]) -> Table:
    columns = ("reads", "weight", "limit", "transactions", "connects", "refused")
    gains = ("rounds/h", "A rests")
    table = Table("(h) tier", "seed", "when", "side", *columns, *gains, title="a minute")
    for one in asked:
        table.add_row(
            one.tier,
            str(one.did.seed),
            one.when,
            one.side.upper(),
            *(f"{value:.0f}" for value in (one.reads, one.weight, one.limit)),
            *(f"{value:.0f}" for value in (one.transactions, one.connects, one.refused)),
            f"{one.did.rounds_per_hour:.0f}",
            "-" if one.did.rests is None else f"{one.did.rests:.1%}",
        )
    return table
