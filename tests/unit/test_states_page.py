"""docs/states.md, in both languages, names every halt and hold that the code can bring about."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedge.core.refusal import Refusal
from hedge.daemon import advice
from hedge.launcher.decisions import RESTART_LOOP
from hedge.operator.decisions import OPERATOR
from hedge.wire.control import UNREADABLE_HALT, Halt
from hedge.wire.halt_reasons import STOPS_B, stops_b

ROOT = Path(__file__).resolve().parents[2]
PAGES = pytest.mark.parametrize("page", ["states.md", "states.zh-CN.md"])
SOURCES = (*(ROOT / "hedge").rglob("*.py"), *ROOT.glob("account_*_manager.py"))
RAISES = {"NotProven", "halt", "publish_halt", "raise_halt", "HaltRaised", "HaltPair", "Failure"}
"""What halts the pair, or fails a hedge so that it is halted; the reason is the first text."""


def calls(text: str, names: set[str]) -> Iterator[ast.Call]:
    """Find the calls of these functions, methods and classes."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in names:
                yield node


def reasons_given(text: str, names: set[str]) -> set[str]:
    """Return the reasons that stand in such calls, or are chosen beside them by a name."""
    found, by_name = set[str](), False
    if not any(f"{name}(" in text for name in names):
        return found
    for call in calls(text, names):
        first = next((one for one in call.args if not _is_state(one)), None)
        if isinstance(first, ast.Name):
            by_name = True
        found |= _texts(first)
    if by_name:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Assign):
                found |= _assigned_to_reason(node)
    return found


def _is_state(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "state"


def _texts(node: ast.expr | None) -> set[str]:
    """Return the plain words that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return _texts(node.values[-1]) if isinstance(node, ast.BoolOp) else set()


def _assigned_to_reason(node: ast.Assign) -> set[str]:
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id == "reason":
            return _texts(node.value)
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            return {
                text
                for name, value in pairs
                if isinstance(name, ast.Name) and name.id == "reason"
                for text in _texts(value)
            }
    return set()


def in_the_code(names: set[str]) -> set[str]:
    """Return the reasons of all sources."""
    texts = (file.read_text(encoding="utf-8") for file in SOURCES)
    return {reason for text in texts for reason in reasons_given(text, names)}


def rows_of(page: str, part: str) -> dict[str, str]:
    """Return the rows of one part of the page by what stands in their first cell in code marks."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {part} -->\n(.*?)<!-- end {part} -->", text, re.DOTALL)
    lines = [] if found is None else found.group(1).splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    return {name: row for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


HALTS = {
    *in_the_code(RAISES),
    *(one.value for one in Refusal if one.is_final),
    RESTART_LOOP,
    OPERATOR,
    UNREADABLE_HALT,
}


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        ('halt(state, "a_word", f"{x}")', {"a_word"}),
        ('self.post(HaltRaised("b_word", detail) if lasting else doubt)', {"b_word"}),
        ('reason, ids = "c_word", []\nif x:\n    reason = "d_word"\nhalt(state, reason)', "cd"),
        ('reason = "e_word" if x else y or "f_word"\nFailure(reason, detail)', "ef"),
        ('Failure(f"{x}", detail)', set()),
    ],
)
def test_a_reason_is_found_in_the_code(line: str, reasons: set[str] | str) -> None:
    """As a text in the call, or chosen before it."""
    wanted = {f"{one}_word" for one in reasons} if isinstance(reasons, str) else reasons
    assert reasons_given(line, RAISES) == wanted


@PAGES
def test_every_halt_has_its_row(page: str) -> None:
    """No more and no fewer than the code raises."""
    assert len(HALTS) > 15
    assert set(rows_of(page, "halts")) == HALTS


def test_every_halt_has_its_advice() -> None:
    """What to check is said of each by name."""
    general = advice.advice_for("no such reason")
    assert [one for one in sorted(HALTS) if advice.advice_for(one) == general] == []


@PAGES
def test_a_row_names_force_where_status_does(page: str) -> None:
    """`resume --force` for those that stop B, and for no other."""
    for reason, row in rows_of(page, "halts").items():
        halt = Halt(id="h", side="b", reason=reason, detail="", timestamp=1)
        assert ("resume --force" in row) == stops_b(halt), reason
    assert set(rows_of(page, "halts")) >= STOPS_B


@PAGES
def test_every_hold_has_its_row(page: str) -> None:
    """Whatever keeps A from its next order."""
    assert set(rows_of(page, "holds")) == in_the_code({"Hold"})


@PAGES
def test_every_word_of_status_has_its_row(page: str) -> None:
    """What `status` begins with."""
    assert set(rows_of(page, "words")) >= {
        "Neutral",
        "NOT COVERED",
        "UNKNOWN",
        "Starting",
        "HALTED",
        "Not running",
    }
