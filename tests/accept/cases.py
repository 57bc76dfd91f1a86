"""A case, its figures, and the line that it prints."""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One thing that was measured; `limit` is the most that it may be, None for no limit."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the limit is kept."""
        return self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        """Write "name 1.5 s (limit 2)"."""
        limit = "" if self.limit is None else f" (limit {self.limit:g})"
        return f"{self.name} {self.value:.4g} {self.unit}".rstrip() + limit


@dataclass(frozen=True)
class Run:
    """What a case is given: an empty folder of its own, and how much the long machines do."""

    folder: Path
    seed: int
    schedules: int
    minutes: float


Play = Callable[[Run], list[Figure] | Awaitable[list[Figure]]]


@dataclass(frozen=True)
class Case:
    """One named case."""

    name: str
    about: str
    play: Play


@dataclass(frozen=True)
class Result:
    """How a case ended: its figures, or the error that ended it, and the whole traceback."""

    name: str
    figures: tuple[Figure, ...] = ()
    error: str = ""
    trace: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it ended by itself, measured something, and kept every limit."""
        return not self.error and bool(self.figures) and all(one.is_kept for one in self.figures)

    def __str__(self) -> str:
        """Write the one line that tells it all."""
        text = ", ".join(map(str, self.figures)) or "nothing was measured"
        return f"{'ok' if self.is_ok else 'FAILED':7}{self.name:32}{self.error or text}"


REGISTERED: dict[str, Case] = {}


def case(name: str, about: str) -> Callable[[Play], Play]:
    """Register a function as the case `name`; `about` says in a few words what it measures."""

    def register(play: Play) -> Play:
        if name in REGISTERED:
            raise ValueError(f"two cases are named {name}")
        REGISTERED[name] = Case(name, about, play)
        return play

    return register


def played(one: Case, run: Run) -> Result:
    """Play a case to its end; an error of any kind is its result."""
    try:
        figures = one.play(run)
        if inspect.isawaitable(figures):
            figures = asyncio.run(_awaited(figures))
    except Exception as error:  # noqa: BLE001  the other cases are played all the same
        lines = str(error).splitlines() or [""]
        told = f"{type(error).__name__}: {lines[0]}"
        return Result(one.name, error=told, trace=traceback.format_exc())
    return Result(one.name, tuple(figures))


async def _awaited(figures: Awaitable[list[Figure]]) -> list[Figure]:
    return await figures


def chosen(names: Iterable[str], known: dict[str, Case]) -> list[Case]:
    """Return the named cases, all without a name. Raises ValueError naming what is not there."""
    wanted = list(names) or list(known)
    strange = [name for name in wanted if name not in known]
    if strange:
        raise ValueError(f"no case {', '.join(strange)}; there are: {', '.join(known)}")
    return [known[name] for name in wanted]
