"""Fixtures: a paper engine at each tier."""

from __future__ import annotations

import pytest

from paper.records import Tier
from tests.unit.paper.bench import Bench


@pytest.fixture
def bench() -> Bench:
    """An engine at tier instant."""
    return Bench()


@pytest.fixture
def slow() -> Bench:
    """An engine at tier standard."""
    return Bench(Tier.STANDARD)
