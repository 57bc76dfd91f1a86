"""Exit codes and sentences of errors."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from hedge import errors
from hedge.bus.diagnosis import unreachable, where
from hedge.config.schema import RedisConfig
from hedge.wire.names import LeaseKey, Names

HERE = RedisConfig(host="db", port=1, db=2)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.HedgeError, 1),
        (errors.InternalBugError, 1),
        (errors.ConfigError, 2),
        (errors.UnreachableError, 3),
        (errors.RedisUnreachableError, 3),
        (errors.ExchangeUnreachableError, 3),
        (errors.TooManyFilesError, 3),
        (errors.AccountKeyError, 4),
        (errors.NotNeutralError, 5),
        (errors.HaltedError, 5),
        (errors.AlreadyRunningError, 6),
    ],
)
def test_every_error_has_its_exit_code(kind: type[errors.HedgeError], code: int) -> None:
    """The exit code belongs to the reaction, and the class stands in the tree of the module."""
    assert kind.exit_code == code
    assert kind("x").args == ("x",)
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (redis.AuthenticationError("no"), "redis.password"),
        (redis.exceptions.NoPermissionError("no"), "ACL"),
        (redis.ReadOnlyError("no"), "master"),
        (redis.BusyLoadingError("no"), "loading"),
        (redis.TimeoutError("slow"), "in time"),
        (TimeoutError(), "in time"),
        (redis.ResponseError("OOM"), "takes no writes (OOM); raise maxmemory"),
        (
            redis.ResponseError(
                "Error running script (call to f_1): @user_script:21: "
                "The user executing the script can't run this command or subcommand"
            ),
            "ACL",
        ),
        (redis.ConnectionError("gone"), "start redis-server"),
        (OSError("gone"), "start redis-server"),
        (redis.InvalidResponse("found 'PONG'"), "does not fit what was asked (found 'PONG')"),
        (UnicodeError("label too long"), "is not valid (label too long); correct redis.host"),
    ],
)
def test_every_failure_of_redis_is_one_sentence(error: Exception, advice: str) -> None:
    """Each failure names the address and what to do."""
    found = unreachable(HERE, error)
    assert found.where == "db:1/2"
    assert "db:1/2" in str(found)
    assert advice in str(found)


def test_addresses_for_people() -> None:
    """Sentinels are shown with the master's name, and never a password."""
    sentinels = RedisConfig(sentinels=(("s1", 1), ("s2", 2)), master_name="m")
    assert where(sentinels) == "m of Sentinels s1:1,s2:2"
    assert where(RedisConfig(host="::1", port=1, db=2)) == "[::1]:1/2"
    lone = RedisConfig(sentinels=(("fe80::1%eth0", 3),), master_name="m")
    assert where(lone) == "m of Sentinels [fe80::1%eth0]:3"


def test_names_of_a_pair() -> None:
    """Every name of a pair begins with its namespace; a lease has none."""
    plain, night = Names(), Names("night")
    assert plain.account_a_filled == "hedge:account_a_filled"
    assert night.account_a_filled == "hedge:night:account_a_filled"
    assert night.ready("a") == night.ready_a == "hedge:night:ready:a"
    assert plain.position("b") == plain.position_b == "hedge:position:b"
    assert plain.position("a") == plain.position_a
    assert plain.probe("ab") == "hedge:probe:ab"
    assert LeaseKey(304, 1, 4).name == "hedge:lease:304:1:4"


@pytest.mark.parametrize("pair", ["a:b", "a b", "*", "x" * 65])
def test_a_pair_name_cannot_change_the_names(pair: str) -> None:
    """A pair name with a colon, a space or a pattern in it is refused."""
    with pytest.raises(ValueError, match="pair name"):
        Names(pair)


# --- too many open files ------------------------------------------------------------------------


def wrapped(inner: BaseException) -> BaseException:
    """As a library raises its own error for what the system refused."""
    error = redis.ConnectionError("Error 24 connecting to db:1.")
    error.__cause__ = inner
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files", "/x/state"),
        OSError(errno.ENFILE, "Too many open files in system"),
        wrapped(OSError(errno.EMFILE, "")),
        errors.ConfigError(
            "state.dir: /x cannot be used (Too many open files); correct its owner."
        ),
        errors.AccountKeyError("failed to get Api Keys. err: socket: too many open files"),
        ExceptionGroup("tasks", [ValueError("x"), OSError(errno.EMFILE, "x")]),
    ],
)
def test_a_limit_of_open_files_is_named_whatever_was_opened(error: BaseException) -> None:
    """Neither a directory's owner nor Redis is at fault; a start again may cure it: 3."""
    found = errors.of_too_many_files(error)
    assert found is not None
    assert "`ulimit -n 1024`" in str(found)
    assert found.exit_code == 3
    assert "owner" not in str(found)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), errors.ConfigError("x"), ValueError()],
)
def test_other_errors_are_not_of_the_limit(error: BaseException) -> None:
    """They keep their own words."""
    error.__context__ = error  # a loop ends too
    assert errors.of_too_many_files(error) is None


@pytest.mark.parametrize("limit", [10, 12, 14])
def test_a_daemon_that_may_open_too_few_files_says_so(limit: int, tmp_path: Path) -> None:
    """At its loop, its state directory, its connections: one sentence, no traceback."""
    config = tmp_path / "config.yaml"
    key = "0" * 80
    config.write_text(
        "accounts:\n  account_a: {account_index: 11, api_key_index: 4}\n  account_b:"
        f" {{account_index: 22, api_key_index: 5, api_key_private_key: '{key}'}}\n"
        "redis: {port: 1}\nlighter: {base_url: 'http://127.0.0.1:9', chain_id: 304}\n"
        f"state: {{dir: {tmp_path}/state}}\nlogging: {{dir: {tmp_path}/logs}}\n",
        encoding="utf-8",
    )
    config.chmod(0o600)
    limited = ("bash", "-c", f'ulimit -n {limit}; exec "$@"', "x")
    done = subprocess.run(
        [*limited, sys.executable, "main_B.py", "--config", str(config)],
        cwd=Path(errors.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "main_B: too many files and connections" in done.stderr
