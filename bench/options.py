"""The command line of the bench."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.requests import TIERS
from hedge.config.usage import SentenceParser
from hedge.errors import ConfigError

PARTS = {
    "floor": "(a) what one hop, one signature and one order cost by themselves",
    "latency": "(b, c) fill to hedge and hedge to next order, on a fixed book",
    "market": "(b, c) the same while the synthetic market runs",
    "burst": "(d) a thousand fills at once",
    "crowd": "(e) 1, 10 and 50 pairs on one Redis and one exchange",
    "daemons": "(f) start to ready, memory, idle CPU",
    "naive": "(g) the plain way for comparison",
    "requests": "(h) what each side asks of the exchange in a minute, on three tiers",
}
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; ports 0 mean any free one, times are seconds."""

    parts: tuple[str, ...]
    fills: int
    seed: int
    burst: int
    crowds: tuple[int, ...]
    idle_s: float
    crowd_s: float
    requests_s: float
    tiers: tuple[str, ...]
    redis_port: int
    paper_port: int
    json_file: Path | None
    run_dir: Path
    level: str


def _parser() -> argparse.ArgumentParser:
    told = "\n".join(f"  {name:8} {what}" for name, what in PARTS.items())
    parser = SentenceParser(
        see="python -m bench --help",
        prog="python -m bench",
        description="Measure the pair on the paper exchange, tier instant, with a real Redis.",
        epilog=f"parts:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--parts", default=",".join(PARTS), metavar="A,B", help="what to measure (everything)")
    add("--fills", type=int, default=500, help="fills per latency figure (500)")
    add("--seed", type=int, default=1, metavar="N", help="of the market and its takers (1)")
    add("--burst", type=int, default=1000, help="fills of the burst (1000)")
    add("--crowds", default="1,10,50", metavar="N,N", help="numbers of pairs (1,10,50)")
    add("--idle-s", type=float, default=10.0, metavar="S", help="watch idle daemons for S (10)")
    add("--crowd-s", type=float, default=15.0, metavar="S", help="measure a crowd for S (15)")
    add("--requests-s", type=float, default=60.0, metavar="S", help="count requests for S (60)")
    add("--tiers", default=",".join(TIERS), metavar="T,T", help="count them on these (all)")
    add("--redis-port", type=int, default=0, help="port of the private Redis (any free one)")
    add("--paper-port", type=int, default=0, help="port of the exchange (any free one)")
    add("--json", type=Path, metavar="FILE", dest="json_file", help="write the figures here too")
    add("--run-dir", type=Path, default=Path("run/bench"), metavar="DIR", help="(run/bench)")
    add("--level", default="INFO", choices=("DEBUG", "INFO", "WARNING"), help="log level (INFO)")
    return parser


def parse(arguments: list[str] | None = None) -> Options:
    """Return the validated options. Raises ConfigError."""
    values = _parser().parse_args(arguments)
    parts = _chosen("--parts", values.parts, PARTS)
    for name in ("fills", "burst"):
        if getattr(values, name) < 1:
            raise ConfigError(f"--{name} must be at least 1")
    for name in ("idle_s", "crowd_s", "requests_s"):
        if not getattr(values, name) > 0:
            raise ConfigError(f"--{name.replace('_', '-')} must be more than 0")
    for name in ("redis_port", "paper_port"):
        if not 0 <= getattr(values, name) <= _MAX_PORT:
            raise ConfigError(f"--{name.replace('_', '-')} is not a port")
    return Options(
        parts=parts,
        fills=values.fills,
        seed=values.seed,
        burst=values.burst,
        crowds=_crowds(values.crowds),
        idle_s=values.idle_s,
        crowd_s=values.crowd_s,
        requests_s=values.requests_s,
        tiers=_chosen("--tiers", values.tiers, TIERS),
        redis_port=values.redis_port,
        paper_port=values.paper_port,
        json_file=values.json_file,
        run_dir=values.run_dir.resolve(),
        level=values.level,
    )


def _chosen(option: str, text: str, known: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [part for part in found if part not in known]
    if unknown:
        raise ConfigError(f"{option} {unknown[0]}: known are {', '.join(known)}")
    return found


def _crowds(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = (0,)
    if any(count < 1 for count in counts):
        raise ConfigError(f"--crowds {text}: numbers of pairs like 1,10 are wanted")
    return counts
