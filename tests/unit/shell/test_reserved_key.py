"""An API key of Lighter's own apps: refused at a first start, borne where something hangs on it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedge.config.schema import Config
from hedge.daemon.reserved_key import refusal_of, refuse_at_first_start
from hedge.errors import ConfigError
from hedge.wire.control import Halt, Halts
from tests.unit.shell.fakes import Bench


@pytest.fixture(params=["a", "b"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(tmp_path, request.param)
    yield made
    made.close()


def under(bench: Bench, index: int) -> Config:
    """Return the configuration with another key of this side."""
    config = bench.parts.config
    name = f"account_{config.side}"
    account = replace(config.own, api_key_index=index)
    return replace(config, accounts=replace(config.accounts, **{name: account}))


@pytest.mark.parametrize("index", [0, 3])
def test_a_first_start_is_refused_with_the_reason(bench: Bench, index: int) -> None:
    """Nothing is kept here, and nothing is open."""
    config = under(bench, index)
    key = f"accounts.account_{config.side}.api_key_index"
    with pytest.raises(ConfigError, match=rf"^{key}: {index} is used by Lighter's own apps") as why:
        refuse_at_first_start(config, bench.host, has_position=False)
    assert why.value.key == key


def test_an_own_key_is_none_of_them(bench: Bench) -> None:
    """From 4 on keys are the users'."""
    for index in (4, 254):
        refuse_at_first_start(under(bench, index), bench.host, has_position=False)


def test_what_is_open_must_be_covered(bench: Bench) -> None:
    """With a position, a book or a halt on record the start goes on; the warning stays."""
    config = under(bench, 2)
    assert refusal_of(config, bench.host, has_position=True) == ""
    bench.host.write("reached", {"redis": "x"})  # every start has written that by then
    assert refusal_of(config, bench.host, has_position=False)
    bench.host.write("book-0", {"position_lots": 0})
    assert refusal_of(config, bench.host, has_position=False) == ""


def test_a_halt_is_state_too(bench: Bench) -> None:
    """Whoever resumes it must be able to start."""
    halt = Halt(id="x", side="a", reason="drift", detail="", timestamp=1)
    bench.host.write_halts(Halts(halts=(halt,)))
    assert refusal_of(under(bench, 2), bench.host, has_position=False) == ""
