"""The schedule of a run: which fault hits what, and when. The same seed gives the same schedule.

Faults come in bursts, so that they overlap, with lulls between in which the pair can recover;
some are aimed: they begin with a fill of A and hit a few milliseconds around it.
"""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.chaos.kinds import (
    CALM,
    DAEMONS,
    GENTLE_KINDS,
    KILL,
    KINDS,
    PROCESSES,
    WIDE,
    WIDE_KINDS,
    Kind,
)
from tests.chaos.switches import SWITCH_KINDS

FAULTS_PER_MINUTE = 36.0
KILLS_PER_MINUTE = 1.2
BURST_EVERY_S = 7.0
BURST_S = 2.5
AIMED_SHARE = 0.45
AIM_MS = (-4, 60)
"""When an aimed fault hits, relative to the moment at which a taker goes for A's order."""
CALM_END_S = 1.0
CALM_KINDS: tuple[Kind, ...] = (*KINDS, *SWITCH_KINDS, *GENTLE_KINDS)
ALL_KINDS: tuple[Kind, ...] = (*KINDS, *SWITCH_KINDS, *WIDE_KINDS)
KINDS_OF = {CALM: CALM_KINDS, WIDE: ALL_KINDS}

NEEDED_FAULTS_PER_MINUTE = 20.0
NEEDED_KILLS_PER_MINUTE = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at_s` after the storm begins, for `lasts_s`; `aim_ms` None: not aimed.

    `amount` is between 0 and 1; what it means depends on the kind.
    """

    number: int
    at_s: float
    kind: str
    target: str
    lasts_s: float
    aim_ms: int | None
    amount: float

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        aimed = "" if self.aim_ms is None else f" {self.aim_ms:+d} ms around a fill of A"
        return f"{self.number:3d} {self.at_s:6.1f} s {self.kind} {self.target}{lasts}{aimed}"


@dataclass(frozen=True, slots=True)
class Needed:
    """How many faults, and kills of each process, make a run count."""

    faults: int
    kills: int
    processes: tuple[str, ...] = PROCESSES


def must_die(kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Return the processes that are killed at a fixed rate by a schedule of these kinds.

    With all faults the servers die seldom: while they are away nothing else can be shown.
    """
    return DAEMONS if set(WIDE_KINDS) <= set(kinds) else PROCESSES


def needed(minutes: float, kinds: Sequence[Kind] = CALM_KINDS) -> Needed:
    """Return 100 faults and 5 kills of each process for five minutes; less for a shorter run."""
    return Needed(
        faults=math.ceil(NEEDED_FAULTS_PER_MINUTE * minutes),
        kills=max(1, math.floor(NEEDED_KILLS_PER_MINUTE * minutes)),
        processes=must_die(kinds),
    )


def make_schedule(
    seed: int, minutes: float, kinds: Sequence[Kind] = CALM_KINDS
) -> tuple[Fault, ...]:
    """Return the faults of a run in order of time."""
    rng = random.Random(f"chaos:{seed}:{minutes:g}")
    seconds = minutes * 60
    bursts = _bursts(rng, seconds)
    drawn = [_fault(rng, kind, target, bursts) for kind, target in _deck(rng, minutes, kinds)]
    drawn.sort(key=lambda fault: fault.at_s)
    return tuple(
        Fault(number, *(getattr(fault, name) for name in _AFTER_NUMBER))
        for number, fault in enumerate(drawn, start=1)
    )


_AFTER_NUMBER = ("at_s", "kind", "target", "lasts_s", "aim_ms", "amount")


def _bursts(rng: random.Random, seconds: float) -> list[float]:
    """Return when bursts begin: one about every seven seconds, the last before the end."""
    count = max(1, round(seconds / BURST_EVERY_S))
    step = max(0.0, seconds - CALM_END_S) / count
    return [(number + 0.4 * rng.random()) * step for number in range(count)]


def _deck(rng: random.Random, minutes: float, kinds: Sequence[Kind]) -> list[tuple[Kind, str]]:
    """Return what is dealt: the kills that must be, each kind once, and the rest by weight."""
    total = max(1, math.ceil(FAULTS_PER_MINUTE * minutes))
    kills = max(1, math.ceil(KILLS_PER_MINUTE * minutes))
    deck = [(KILL, process) for process in must_die(kinds) for _ in range(kills)]
    others = [kind for kind in kinds if kind != KILL]
    rng.shuffle(others)
    room = max(0, total - len(deck))
    deck += [(kind, rng.choice(kind.targets)) for kind in others[:room]]
    weights = [kind.weight for kind in kinds]
    while len(deck) < total:
        kind = rng.choices(kinds, weights)[0]
        deck.append((kind, rng.choice(kind.targets)))
    return deck


def _fault(rng: random.Random, kind: Kind, target: str, bursts: Sequence[float]) -> Fault:
    """Return one fault somewhere in one of the bursts, numbered later."""
    lasts = kind.shortest_s + (kind.longest_s - kind.shortest_s) * rng.random() ** 2
    aimed = rng.random() < AIMED_SHARE
    return Fault(
        number=0,
        at_s=round(rng.choice(bursts) + BURST_S * rng.random(), 3),
        kind=kind.name,
        target=target,
        lasts_s=round(lasts, 3),
        aim_ms=rng.randint(*AIM_MS) if aimed else None,
        amount=round(rng.random(), 3),
    )


def to_json(faults: Sequence[Fault]) -> str:
    """Return the schedule as JSON lines."""
    return "".join(json.dumps(asdict(fault)) + "\n" for fault in faults)
