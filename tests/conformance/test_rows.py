"""The list of rows and the tests of this folder agree."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.conformance.table import ROWS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def defined_in(path: Path) -> set[str]:
    """Return the test functions that a file defines."""
    return {
        f"{path.stem}::{node.name}"
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_"
    }


def existing() -> set[str]:
    files = [path for path in HERE.glob("test_*.py") if path.stem != "test_rows"]
    return set().union(*(defined_in(path) for path in files))


def test_every_row_has_a_test_or_a_reason() -> None:
    """A row names tests that exist, or says why there are none, not both."""
    known = existing()
    for row in ROWS:
        assert bool(row.tests) != bool(row.reason), row
        assert not set(row.tests) - known, row


def test_every_test_stands_in_a_row() -> None:
    """No test of the kit is missing in the list."""
    named = {test for row in ROWS for test in row.tests}
    assert existing() - named == set()


def test_rows_are_told_once() -> None:
    """No two rows of a section have the same title."""
    titles = [(row.section, row.title) for row in ROWS]
    assert len(titles) == len(set(titles))


def test_every_section_is_there() -> None:
    """The sections are those that the kit promises, in their order."""
    sections = list(dict.fromkeys(row.section for row in ROWS))
    wanted = "1.1 1.2 1.3 1.4 2 3.1 3.2 3.3 4.1 4.2 4.3 4.4 5.1 5.2 5.3 5.4 6 7"
    assert sections == wanted.split()


def test_the_list_is_printed() -> None:
    """`python -m tests.conformance` prints a line per row and a sum."""
    command = [sys.executable, "-m", "tests.conformance"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = printed.stdout.splitlines()
    assert len(lines) == len(ROWS) + 4
    assert f"of {len(ROWS)} rows done" in lines[-1]
