"""The yardstick contains no code of what it measures."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from hedge.core import ids
from tests.judge import facts

JUDGE = Path(facts.__file__).parent
JUDGES = [JUDGE, *(JUDGE.parent / name for name in ("simulation", "chaos"))]
ALLOWED = frozenset({"bisect", "collections", "dataclasses", "decimal", "enum", "itertools"})


@pytest.mark.parametrize("file", sorted(JUDGE.glob("*.py")), ids=lambda file: file.name)
def test_the_judge_imports_nothing_of_the_product(file: Path) -> None:
    """Only the standard library's plain parts, and itself."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in ALLOWED or name.startswith("tests.judge"), name


@pytest.mark.parametrize("file", [file for judge in JUDGES for file in sorted(judge.glob("*.py"))])
def test_no_bound_is_written_twice(file: Path) -> None:
    """The second one would count, and be another promise than the first one names."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    targets = [one for node in body if isinstance(node, ast.Assign) for one in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    parts = [part for one in targets for part in getattr(one, "elts", [one])]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    assert [name for name, times in Counter(names).items() if times > 1] == []


@pytest.mark.parametrize("serial", [0, 1, 2**32 - 1])
def test_the_restated_tags_are_those_of_the_rule(serial: int) -> None:
    """An order's id and a marker's are told apart, and from a person's."""
    order, marker = ids.order_id("abc", serial), ids.marker_id("abc", serial)
    assert order >> facts.TAG_SHIFT == facts.ORDER_TAG
    assert marker >> facts.TAG_SHIFT == facts.MARKER_TAG
    assert not ids.is_ours(serial)
