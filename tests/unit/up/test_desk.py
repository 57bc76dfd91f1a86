"""The one launcher of a pair on this host, and how other consoles speak with it."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hedge.config.schema import AccountConfig, AccountsConfig, Config, LoggingConfig, StateConfig
from hedge.daemon.file_lock import FileLock
from hedge.errors import AlreadyRunningError
from hedge.launcher import real_run
from hedge.launcher.decisions import A, B
from hedge.launcher.desk import Desk, Journal, Record
from hedge.launcher.processes import Terminal


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A pair whose state lies in a directory of the test."""
    return Config(
        side="",
        accounts=AccountsConfig(
            account_a=AccountConfig(account_index=1, api_key_index=4),
            account_b=AccountConfig(account_index=2, api_key_index=5),
        ),
        state=StateConfig(dir=str(tmp_path / "state")),
        logging=LoggingConfig(dir=str(tmp_path / "logs")),
    )


def test_a_second_launcher_of_a_pair_is_refused(config: Config) -> None:
    """In one sentence, with its process; after its end the desk is free."""
    with Desk(config) as desk:
        assert desk.is_taken
        with pytest.raises(AlreadyRunningError, match="just being started or stopped by process"):
            Desk(config).__enter__()
    assert not desk.is_taken
    assert desk.refusal() is None


@pytest.mark.parametrize("names", [(A,), (B,), (A, B)])
def test_daemons_are_known_by_their_locks(config: Config, names: tuple[str, ...]) -> None:
    """Also those that were started by hand; a lock that is not held is nobody's."""
    desk = Desk(config)
    locks = {}
    for name in (A, B):
        directory = desk.directory_of(name)
        directory.mkdir(parents=True)
        (directory / "lock").write_text("pid 1\n")
    for name in names:
        locks[name] = FileLock(desk.directory_of(name) / "lock")
        assert locks[name].acquire()
    assert tuple(desk.living()) == names
    refusal = desk.refusal()
    assert refusal is not None
    assert all(name in refusal for name in names)
    for name, one in desk.living().items():
        one.ask_to_stop()
        assert (desk.directory_of(name) / "stop").exists()
        locks[name].release()
        assert one.poll() == 0
    assert desk.living() == {}


def test_a_request_to_stop_reaches_the_launcher_once(config: Config) -> None:
    """One that was left for an earlier launcher does not count."""
    desk = Desk(config)
    desk.path.mkdir(parents=True)
    desk.ask()
    with desk:
        assert not desk.taken_request()
        Desk(config).ask()
        assert desk.taken_request()
        assert not desk.taken_request()


def test_a_request_that_is_newer_than_the_start_reaches_it(config: Config) -> None:
    """Also where the launcher had yet to load; one from before the start does not count."""
    Desk(config).ask()
    asked_s = (Desk(config).path / "stop").stat().st_mtime
    with Desk(config, began_s=asked_s + 1.0) as desk:
        assert not desk.taken_request()
    Desk(config).ask()
    with Desk(config, began_s=asked_s - 1.0) as desk:
        assert desk.taken_request()


def test_a_start_is_seen_before_its_launcher_is_there(config: Config) -> None:
    """Another start is refused; the launcher that it waits for is not."""
    with Desk(config).starting():
        desk = Desk(config)
        assert desk.is_at_work
        assert not desk.is_taken
        refusal = desk.refusal() or ""
        assert refusal.startswith(
            f"The pair is just being started or stopped by process {desk.pid}."
        )
        assert f"`kill -CONT {desk.pid}`" in refusal
        assert desk.refusal(in_background=True) is None
        with pytest.raises(AlreadyRunningError), desk.starting():
            pass
        with desk:
            assert Desk(config).refusal(in_background=True) is not None
    assert not desk.is_at_work


def test_other_consoles_read_how_it_stands(config: Config) -> None:
    """None where nothing readable is there."""
    desk = Desk(config)
    assert desk.read() is None
    with desk:
        desk.write(Record("r1", running=5))
        assert Desk(config).read() == Record("r1", running=5, code=None)
        (desk.path / "launcher.json").write_text("{")
        assert desk.read() is None


def test_a_launcher_that_stands_still_is_named(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ctrl-Z, say: the stop script ends with 5 and the way on; the request stands."""
    monkeypatch.setattr(real_run, "_ANSWER_S", 0.0)
    errors = io.StringIO()
    supervisor: Any = SimpleNamespace(
        terminal=Terminal(io.StringIO(), errors), signals=SimpleNamespace(requested=False)
    )
    with Desk(config) as desk:
        assert real_run._stop_by_launcher(Desk(config), supervisor) == 5
        assert f"(process {desk.pid}) does not answer" in errors.getvalue()
        assert "then it stops the pair" in errors.getvalue()
        assert desk.is_asked
        assert desk.taken_request()
        assert not desk.is_asked


@pytest.mark.parametrize(("has_a_left", "owes_a"), [(True, False), (False, True)])
def test_an_end_says_whether_an_order_of_a_may_rest(
    config: Config, has_a_left: bool, owes_a: bool
) -> None:
    """A launcher that started an A owes its end to whoever stops the pair next."""
    with Desk(config) as desk:
        journal = Journal(desk, "r")
        journal.keep(owes_a=True)
        journal.end(0, has_a_left=has_a_left)
        assert desk.read() == Record("r", code=0, owes_a=owes_a)
