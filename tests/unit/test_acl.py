"""The lines of an ACL file, from the configuration alone; the real server judges them elsewhere."""

import hashlib
from dataclasses import replace

import pytest

from hedge.bus.acl import reader, users, writer
from hedge.bus.port import PairScope
from hedge.bus.snapshot import SnapshotReader
from hedge.config.schema import (
    AccountConfig,
    AccountsConfig,
    Config,
    LighterConfig,
    RedisConfig,
    Secret,
)
from hedge.wire.names import Names
from tests.bus_helpers import ACCOUNT_A, ACCOUNT_B, CHAIN, LEASE_A, LEASE_B, SPEC

CONFIG = Config(
    accounts=AccountsConfig(
        account_a=AccountConfig(account_index=ACCOUNT_A, api_key_index=4),
        account_b=AccountConfig(account_index=ACCOUNT_B, api_key_index=5),
    ),
    lighter=LighterConfig(chain_id=CHAIN),
    redis=RedisConfig(username="w", password=Secret("one"), reader_username="r"),
)
BOTH = replace(CONFIG, redis=replace(CONFIG.redis, reader_password=Secret("two")))


@pytest.mark.parametrize("side", ["a", "b", "operator"])
def test_a_side_reads_all_state(side: str) -> None:
    """Every key of a snapshot may be read, and a reader has no command that writes."""
    scope = PairScope(CHAIN, ACCOUNT_A, ACCOUNT_B, SPEC)
    wanted = SnapshotReader(Names(), scope, LEASE_A, LEASE_B).keys
    rights = reader(BOTH, side)
    assert set(wanted) <= set(rights.keys)
    assert not {"set", "del", "eval", "evalsha", "publish", "xadd", "get"} & set(rights.commands)


def test_the_sides_own_different_keys() -> None:
    """What both may write is the halt alone; they speak on their own channels and on events."""
    a, b = writer(BOTH, "a"), writer(BOTH, "b")
    names = Names()
    assert set(a.keys) & set(b.keys) == {names.halt}
    assert set(a.channels) & set(b.channels) == {names.events, names.probe("*")}
    assert LEASE_A.name in a.keys
    assert LEASE_B.name in b.keys


def test_a_named_pair_has_its_own_names() -> None:
    """Two pairs on one Redis do not reach into each other."""
    named = writer(replace(BOTH, pair="night"), "a")
    pair_lease = f"hedge:lease:pair:{CHAIN}:{ACCOUNT_A}:{ACCOUNT_B}:*:a"
    shared = {LEASE_A.name, LEASE_A.instances, pair_lease}
    assert set(named.keys) & set(writer(BOTH, "a").keys) == shared
    of_the_key = ("hedge:lease:", "hedge:instances:")
    assert all(key.startswith(("hedge:night:", *of_the_key)) for key in named.keys)


def test_passwords_are_written_as_digests() -> None:
    """The line holds the SHA-256 that Redis wants, not the password."""
    found = users(BOTH, "b")
    assert list(found) == ["w", "r"]
    for rules, password in zip(found.values(), ("one", "two"), strict=True):
        assert f"#{hashlib.sha256(password.encode()).hexdigest()} " in rules
        assert f" {password}" not in rules
        assert rules.startswith("reset resetchannels on ")


def test_one_login_has_everything() -> None:
    """Without a second login one user gets both halves, each word once."""
    alone = replace(BOTH, redis=replace(BOTH.redis, reader_username=""))
    (rules,) = users(alone, "a").values()
    words = rules.split()
    assert len(words) == len(set(words))
    assert {"+set", "+mget", "+subscribe", "~hedge:ledger"} <= set(words)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"username": ""}, "redis.username"),
        ({"password": None}, "redis.password"),
        ({"reader_password": None}, "redis.reader_password"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, str | None], key: str) -> None:
    """A login without name or password is the configuration's fault."""
    lacking = replace(BOTH, redis=replace(BOTH.redis, **changes))  # type: ignore[arg-type]
    with pytest.raises(Exception, match=key.replace(".", r"\.")) as failure:
        users(lacking, "a")
    assert getattr(failure.value, "exit_code", None) == 2
