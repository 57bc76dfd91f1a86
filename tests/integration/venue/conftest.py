"""One paper exchange for each module."""

from collections.abc import Iterator

import pytest

from tests.world.paper import PaperProcess


@pytest.fixture(scope="module")
def paper() -> Iterator[PaperProcess]:
    with PaperProcess() as process:
        yield process
