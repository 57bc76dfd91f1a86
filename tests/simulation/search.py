"""Looking for each counterexample in general schedules, and the table of what was found.

The first schedule whose violation shows a row, and does so no more with the row's kinds muted,
convicts it. Where none of the first few does, the first one stands with the word "open".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.convict import ROWS, Finding, Row
from tests.simulation.schedule import Result

WITHIN = 2_000
"""Schedules that each counterexample may take."""
WANTED = frozenset[int]()
"""What must be found on the rules as they stand."""
TRIES = 12
"""Schedules of a row that are played again with its kinds muted."""
KEPT = Path(__file__).with_name("convicted.py")
HEADER = """\"\"\"The seeds by which general schedules show each counterexample.

`python -m tests.simulation --convict --keep` writes them.

A test plays each again. Where one is not found any more the kinds or the mix have changed (look for
seeds anew), or its rule stands: then its row goes, or becomes a weakened rule.
\"\"\"

"""


@dataclass(frozen=True)
class Conviction:
    """One counterexample, the schedule that shows it, and how many it took."""

    row: Row
    seed: int
    schedules: int
    finding: Finding
    is_confirmed: bool | None
    """Whether it is gone with the row's kinds muted; None where the row has none."""

    @property
    def is_over(self) -> bool:
        """Whether no other schedule need be tried."""
        return self.is_confirmed is not False

    def __str__(self) -> str:
        word = {True: "confirmed", False: "open", None: "by its signature"}[self.is_confirmed]
        return (
            f"{self.row.number:3} {self.row.rule:46} {self.schedules:5} schedules,"
            f" seed {self.seed} ({word}): {self.finding.text}"
        )


def of(result: Result, number: int) -> Finding | None:
    """Return the first violation of a schedule that shows this counterexample."""
    return next((one for one in result.findings if one.number == number), None)


def convictions(
    results: Iterator[Result],
    again: Callable[[int, frozenset[str]], Result],
    tell: Callable[[Conviction], None],
) -> dict[int, Conviction]:
    """Look for every row in one stream of schedules; `again` plays a seed with kinds muted."""
    rows = {row.number: row for row in ROWS}
    found: dict[int, Conviction] = {}
    tries: dict[int, int] = {}
    for schedules, result in enumerate(results, start=1):
        numbers = {finding.number for finding in result.findings} - {None}
        for number in sorted(number for number in numbers if number is not None):
            before = found.get(number)
            if before is not None and (before.is_over or tries[number] >= TRIES):
                continue
            tries[number] = tries.get(number, 0) + 1
            finding, row = of(result, number), rows[number]
            assert finding is not None
            culprits = row.culprits
            gone = of(again(result.seed, culprits), number) is None if culprits else None
            conviction = Conviction(row, result.seed, schedules, finding, gone)
            if before is None or conviction.is_over:
                found[number] = conviction
                tell(conviction)
        if all(number in found and found[number].is_over for number in rows):
            break
    return found


def keep(found: dict[int, Conviction]) -> None:
    """Write down the seeds."""
    lines = "".join(f"    {number}: {found[number].seed},\n" for number in sorted(found))
    KEPT.write_text(f"{HEADER}CONVICTED: dict[int, int] = {{\n{lines}}}\n", encoding="utf-8")
