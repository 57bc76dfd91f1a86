"""The list of what the exchange documents, row by row, and what stands for each row here.

Sections are those of the fact sheet of the Lighter API that the tests were written from. A row
names the tests that cover it, or says why the paper exchange does not have it.
"""

from dataclasses import dataclass
from typing import Final

NOT_MODELLED: Final = "not modelled: "


@dataclass(frozen=True)
class Row:
    """One documented fact; `tests` are `module::function`, `reason` is empty where there are."""

    section: str
    title: str
    tests: tuple[str, ...]
    reason: str = ""

    @property
    def state(self) -> str:
        """What the list says about the row."""
        return f"{NOT_MODELLED}{self.reason}" if self.reason else "done"


def section(name: str, module: str, *table: tuple[str, ...]) -> tuple[Row, ...]:
    """Return the rows of one section.

    A line of `table` is the title and then test functions of `module` (or `module::function`), or
    one text that begins with "not modelled: ".
    """
    rows = []
    for title, *rest in table:
        reason = rest[0].removeprefix(NOT_MODELLED) if rest[0].startswith(NOT_MODELLED) else ""
        tests = [test if "::" in test else f"{module}::{test}" for test in rest if not reason]
        rows.append(Row(name, title, tuple(tests), reason))
    return tuple(rows)
