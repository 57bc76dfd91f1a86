"""What the launcher sees of its children, without a process."""

from pathlib import Path
from types import SimpleNamespace

from hedge.config.schema import AccountConfig, AccountsConfig, Config
from hedge.launcher import decisions
from hedge.launcher.pair import Pair

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
