"""Samples to figures; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hedge.launcher.summary import percentile

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """A set of samples in ms."""

    name: str
    samples: tuple[float, ...]

    @classmethod
    def of(cls, name: str, samples: Iterable[float]) -> "Spread":
        """Sort the samples."""
        return cls(name, tuple(sorted(samples)))

    def at(self, percent: int) -> float | None:
        """Return a percentile, None without samples."""
        return percentile(self.samples, percent)

    @property
    def json(self) -> Json:
        """The figures for the file, and the samples in µs."""
        return {
            "count": len(self.samples),
            "p50_ms": _rounded(self.at(50)),
            "p90_ms": _rounded(self.at(90)),
            "p99_ms": _rounded(self.at(99)),
            "max_ms": _rounded(self.at(100)),
            "samples_us": [round(sample * 1000) for sample in self.samples],
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def spans_ms(pairs: Iterable[tuple[int, int]]) -> list[float]:
    """Return (until - since) of monotonic ns in ms."""
    return [(until - since) / 1e6 for since, until in pairs]


def next_after(moments: Sequence[int], since: int) -> int | None:
    """Return the first of the sorted moments that is not before `since`."""
    low, high = 0, len(moments)
    while low < high:
        middle = (low + high) // 2
        if moments[middle] < since:
            low = middle + 1
        else:
            high = middle
    return moments[low] if low < len(moments) else None
