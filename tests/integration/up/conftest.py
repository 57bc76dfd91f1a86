"""A Redis, an exchange, and the configuration of a pair on this host."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hedge.launcher.embedded_redis import EmbeddedRedis
from tests.integration.up.scripts import end_all, write_config

if TYPE_CHECKING:
    from tests.world.paper import PaperProcess


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """The configuration of a pair on an exchange with a synthetic market."""
    from tests.world.paper import PaperProcess  # noqa: PLC0415  imports the SDK

    with EmbeddedRedis(tmp_path / "redis") as server, PaperProcess(market=True) as paper:
        config = write_config(tmp_path, server.port, paper.base_url, paper.ws_url)
        yield config
        end_all(config)


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[tuple[Path, "PaperProcess"]]:
    """The same on an exchange on which only tests trade, and that exchange."""
    from tests.world.paper import PaperProcess  # noqa: PLC0415  imports the SDK

    with EmbeddedRedis(tmp_path / "redis") as server, PaperProcess() as paper:
        config = write_config(tmp_path, server.port, paper.base_url, paper.ws_url)
        yield config, paper
        end_all(config)
