"""The benches that the tests of the shell's parts start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.shell.fakes import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Side B on an empty host."""
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def bench_a(tmp_path: Path) -> Iterator[Bench]:
    """Side A on an empty host."""
    made = Bench(tmp_path, "a")
    yield made
    made.close()
