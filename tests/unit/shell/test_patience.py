"""A start that reaches a server not: it ends, or goes on trying while something is on record."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from hedge.config.load import load_config
from hedge.config.schema import Config
from hedge.daemon.host_store import HostState
from hedge.daemon.patience import Patience
from hedge.errors import ExchangeUnreachableError, NotNeutralError, RedisUnreachableError
from hedge.wire.names import LeaseKey
from redis_messenger import RedisMessenger

CONFIG = """
accounts:
  account_a: {account_index: 101, api_key_index: 5, api_key_private_key: "${A_KEY}"}
  account_b: {account_index: 102, api_key_index: 5, api_key_private_key: "${B_KEY}"}
lighter: {base_url: "http://127.0.0.1:9", chain_id: 300}
timing: {ws_retry_min_s: 0.001, ws_retry_max_s: 0.002}
"""


class Bus:
    """What Redis shows; asked by the key of our own lease."""

    def __init__(self) -> None:
        self.shows: str | None = ""
        self.asked: list[LeaseKey] = []

    async def business(self, lease: LeaseKey) -> str:
        self.asked.append(lease)
        if self.shows is None:
            raise RedisUnreachableError("Redis is away", "fake:0/0")
        return self.shows


class Server:
    """Answers after so many failures; `on_try` is called before each."""

    def __init__(self, failures: int) -> None:
        self.failures, self.tries = failures, 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.failures:
            raise ExchangeUnreachableError("the exchange does not answer.")
        return "reached"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return load_config(path, "b", environment={"B_KEY": "12" * 40})


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostState]:
    with HostState(tmp_path / "run", 300, 102, 5) as state:
        yield state


def patience_of(config: Config, host: HostState, bus: Bus) -> Patience:
    return Patience(config, host, cast("RedisMessenger", bus))


async def test_with_nothing_on_record_the_first_failure_ends_it(
    config: Config, host: HostState, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address that was never reached may be a mistake: code 3, at once."""
    for shows in ("", None):
        bus, server = Bus(), Server(1)
        bus.shows = shows
        with pytest.raises(ExchangeUnreachableError) as failure:
            await patience_of(config, host, bus).until_done(server)
        assert failure.value.exit_code == 3
        assert server.tries == 1
        assert bus.asked == [LeaseKey(300, 102, 5)]
    assert capsys.readouterr().err == ""


async def test_what_redis_shows_keeps_it_trying(
    config: Config, host: HostState, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says why, however often it is tried."""
    bus, server = Bus(), Server(4)
    bus.shows = "Redis shows a debt of B: 0.0100"
    assert await patience_of(config, host, bus).until_done(server) == "reached"
    assert server.tries == 5
    assert capsys.readouterr().err == (
        "main_B: the exchange does not answer. Trying again: Redis shows a debt of B: 0.0100.\n"
    )


@pytest.mark.parametrize("book", [{"position_lots": -5}, {"garbage": 1}])
async def test_a_position_in_the_host_s_file_keeps_it_trying(
    config: Config, host: HostState, book: dict[str, int]
) -> None:
    """In any market; a book that cannot be read is not flat. Redis need not answer."""
    host.write("book-7", book)
    bus, server = Bus(), Server(2)
    bus.shows = None
    assert await patience_of(config, host, bus).until_done(server) == "reached"


async def test_a_flat_book_alone_does_not(config: Config, host: HostState) -> None:
    """Nothing is open by it."""
    host.write("book-0", {"position_lots": 0})
    with pytest.raises(ExchangeUnreachableError):
        await patience_of(config, host, Bus()).until_done(Server(1))


async def test_once_reached_it_is_waited_for(
    config: Config, host: HostState, tmp_path: Path
) -> None:
    """The same addresses are no mistake any more; others may be."""
    patience = patience_of(config, host, Bus())
    patience.keep_reached()
    assert await patience.until_done(Server(3)) == "reached"
    text = (tmp_path / "config.yaml").read_text().replace("127.0.0.1:9", "127.0.0.1:8")
    (tmp_path / "config.yaml").write_text(text)
    other = load_config(tmp_path / "config.yaml", "b", environment={"B_KEY": "12" * 40})
    with pytest.raises(ExchangeUnreachableError):
        await patience_of(other, host, Bus()).until_done(Server(1))


async def test_asked_to_stop_meanwhile_it_ends_not_neutral(config: Config, host: HostState) -> None:
    """What is open is not known: code 5, with the reason and the way on."""
    patience, server = patience_of(config, host, Bus()), Server(10**6)
    patience.keep_reached()

    async def signalled() -> str:
        if server.tries == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return await server()

    with pytest.raises(NotNeutralError, match="reached both") as failure:
        await patience.until_done(signalled)
    assert failure.value.exit_code == 5
