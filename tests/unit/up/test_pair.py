"""What the launcher sees of its children, without a process."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hedge.config.schema import AccountConfig, AccountsConfig, Config
from hedge.launcher import decisions
from hedge.launcher.pair import Pair
from tests.report_kit import told

ROUNDS = 50


class Dead:
    """A daemon that has ended."""

    name = decisions.A

    def poll(self) -> int:
        """Return its exit code."""
        return 1


def test_every_death_is_told_once(tmp_path: Path) -> None:
    """Each start again makes a new child, often at the address of the one before."""
    one = AccountConfig(account_index=1, api_key_index=4)
    config = Config(side="", accounts=AccountsConfig(account_a=one, account_b=one))
    supervisor = SimpleNamespace(children=[], pump=lambda: None)
    pair = Pair(supervisor, config, tmp_path, tmp_path)  # type: ignore[arg-type]
    told = 0
    for _ in range(ROUNDS):
        pair.daemons[decisions.A] = Dead()  # type: ignore[assignment]
        told += len(pair._deaths())
        assert pair._deaths() == []
    assert told == ROUNDS


def test_a_stop_listens_for_silent_processes(tmp_path: Path) -> None:
    """Redis is asked every two seconds from its begin on; at the second answer it names them."""
    one = AccountConfig(account_index=1, api_key_index=4)
    config = Config(side="", accounts=AccountsConfig(account_a=one, account_b=one))
    said: list[str] = []
    pump = SimpleNamespace(children=[], pump=lambda: None, say=said.append)
    b: Any = SimpleNamespace(name=decisions.B, pid=12, ask_to_stop=lambda: None)
    pair = Pair(pump, config, tmp_path, tmp_path)  # type: ignore[arg-type]
    pair.daemons[decisions.B] = b
    found = replace(told(ready_b=None), processes=(("b", 12),))
    answers = [None, found, found]
    pair.report = lambda: answers.pop(0)  # type: ignore[method-assign]
    pair._state, _ = decisions.begin_stop(pair._plan(None), {decisions.A: 11, decisions.B: 12}, 0.0)
    pair._listen(0.0)
    while answers:
        left = len(answers)
        pair._listen(pair._listen_at_s - 0.1)
        assert len(answers) == left
        pair._listen(pair._listen_at_s)
    assert said == [found.silence]
    assert "`kill -9 12`" in said[0]


def test_a_halt_that_the_host_does_not_take_is_said(tmp_path: Path) -> None:
    """A dead daemon stores nothing: the start script writes its file, or says that it could not."""
    one = AccountConfig(account_index=1, api_key_index=4)
    config = Config(side="", accounts=AccountsConfig(account_a=one, account_b=one))
    config = replace(config, state=replace(config.state, dir=str(tmp_path)))
    complaints: list[str] = []
    terminal = SimpleNamespace(complain=complaints.append)
    pair = Pair(SimpleNamespace(children=[], terminal=terminal), config, tmp_path, tmp_path)  # type: ignore[arg-type]
    pair._halt(decisions.A, "restart_loop", "why")
    assert complaints == []
    folder = pair._host_state(decisions.A).path
    (folder / ".halt.json.tmp").symlink_to("/dev/full")
    pair._halt(decisions.A, "restart_loop", "another why")
    (said,) = complaints
    assert said.startswith(f"The halt is not in main_A's host file: {folder}/halt.json: No space")
