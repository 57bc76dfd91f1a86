"""The READMEs' table of faults names tests that exist, and every fault switch has a test."""

import re
from pathlib import Path

import pytest

from paper.fault_catalogue import SWITCHES

ROOT = Path(__file__).resolve().parents[2]
TABLE = re.compile(r"<!-- faults -->\n(.*?)<!-- end faults -->", re.DOTALL)
READMES = ("README.md", "README.zh-CN.md")


def table_of(text: str) -> list[str]:
    """Return the rows of the table of faults; none where a page has no such table."""
    found = TABLE.search(text)
    lines = [] if found is None else found.group(1).splitlines()
    return [line for line in lines if line.startswith("|")][2:]


def names_in(row: str) -> list[str]:
    """Return the test names in the last cell of a row."""
    return re.findall(r"`(test_\w+)`", row.rstrip("| ").rsplit("|", 1)[-1])


def known_tests() -> set[str]:
    """Return the names of all test functions."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {
        name
        for file in files
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }


def wrong_rows(text: str) -> list[str]:
    """Return the rows that name no test, or one that does not exist."""
    known = known_tests()
    return [row for row in table_of(text) if not names_in(row) or set(names_in(row)) - known]


def test_a_row_without_a_real_test_is_found() -> None:
    """A table with a test that nobody wrote, or with none, is told apart from a good one."""
    head = "<!-- faults -->\n| Fault | You see | It does | Test |\n|---|---|---|---|\n"
    good = f"| a | b | c | `{test_a_row_without_a_real_test_is_found.__name__}` |\n"
    bad = "| d | e | f | `test_that_nobody_wrote` |\n"
    empty = "| g | h | i | |\n"
    assert wrong_rows(head + good + bad + empty + "<!-- end faults -->") == [
        bad.rstrip("\n"),
        empty.rstrip("\n"),
    ]


@pytest.mark.parametrize("name", READMES)
def test_every_row_names_tests_that_exist(name: str) -> None:
    """What the README promises of a fault is tested by the names beside it."""
    assert wrong_rows((ROOT / name).read_text("utf-8")) == []


def test_both_tables_name_the_same_tests() -> None:
    """Row by row the English and the Chinese table stand for the same tests."""
    english, chinese = ((ROOT / name).read_text("utf-8") for name in READMES)
    assert [names_in(row) for row in table_of(english)] == [
        names_in(row) for row in table_of(chinese)
    ]


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_is_used_against_the_pair(switch: str) -> None:
    """Each fault that the exchange can make is made in a test with real daemons."""
    texts = [file.read_text("utf-8") for file in (ROOT / "tests" / "faults").glob("test_*.py")]
    assert any(f'"{switch}"' in text for text in texts)
