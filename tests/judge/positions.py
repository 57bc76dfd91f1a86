"""The two positions at every prefix of the exchange's log, and questions about moments."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from tests.judge.facts import Record


@dataclass(frozen=True, slots=True)
class Naked:
    """One spell in which A + B was not what it shall be; `lots` is the largest amount in it.

    `seconds` runs to its end, or to the end of what was watched where `ended` is False.
    """

    seq: int
    start_s: float
    seconds: float
    lots: int
    lot_seconds: float
    ended: bool


class Positions:
    """State number i is what held after i legs; all look-ups are by bisection."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.times = [leg.at_s for leg in record.legs]
        self.monos = [leg.mono for leg in record.legs]
        self.a, self.b = [record.first_a_lots], [record.first_b_lots]
        for leg in record.legs:
            self.a.append(self.a[-1] + leg.a_lots)
            self.b.append(self.b[-1] + leg.b_lots)
        self.owed = [record.offset_lots - a - b for a, b in zip(self.a, self.b, strict=True)]
        self._next_even = self._scan()
        self._last_even = list(
            accumulate(
                (number if self.is_even(number) else -1 for number in range(len(self.owed))), max
            )
        )

    def _scan(self) -> list[int]:
        """Return for each state the next one, itself included, that owes no more than dust."""
        found, nearest = [0] * len(self.owed), len(self.owed)
        for number in range(len(self.owed) - 1, -1, -1):
            if self.is_even(number):
                nearest = number
            found[number] = nearest
        return found

    def is_even(self, number: int) -> bool:
        """Whether the state owes nothing but dust."""
        return abs(self.owed[number]) <= self.record.bounds.dust_lots

    def next_even(self, number: int) -> int | None:
        """Return the next even state, `number` included; None where there is none."""
        found = self._next_even[number]
        return found if found < len(self.owed) else None

    def last_even_before(self, number: int) -> int:
        """Return the newest even state up to this one; -1 where there was none."""
        return self._last_even[number]

    def before_mono(self, mono: int) -> int:
        """Return the state in which something that came in at this place of the log found it."""
        return bisect_left(self.monos, mono)

    def at(self, at_s: float) -> int:
        """Return the state at a moment, with the trades of that moment."""
        return bisect_right(self.times, at_s)

    def during(self, start_s: float, end_s: float) -> tuple[int, int]:
        """Return the first and the last state that held at some moment of this span."""
        return bisect_left(self.times, start_s), bisect_right(self.times, end_s)

    def since_s(self, number: int) -> float:
        """Return since when the state held."""
        return self.times[number - 1] if number else 0.0

    def words(self, number: int) -> str:
        """Name both positions, and what they shall sum up to where that is not 0."""
        offset = self.record.offset_lots
        target = f" (offset {offset:+d})" if offset else ""
        a, b = self.a[number], self.b[number]
        return f"A {a:+d}, B {b:+d}, A + B = {a + b:+d}{target}"

    def naked(self) -> Iterator[Naked]:
        """Yield each spell in which more than dust was open."""
        legs, number = self.record.legs, 0
        end_s = max(self.record.end_s, self.times[-1] if self.times else 0.0)
        while number < len(self.owed):
            if self.is_even(number):
                number += 1
                continue
            over = self.next_even(number)
            last = len(self.owed) if over is None else over
            largest = max(abs(self.owed[i]) for i in range(number, last))
            start_s = self.since_s(number)
            ends = [*self.times[number:last], *([end_s] if over is None else [])]
            total, now_s = 0.0, start_s
            for state, until_s in zip(range(number, last), ends, strict=False):
                total += abs(self.owed[state]) * (until_s - now_s)
                now_s = until_s
            seq = legs[number - 1].seq if number else 0
            yield Naked(seq, start_s, now_s - start_s, largest, total, over is not None)
            number = last
