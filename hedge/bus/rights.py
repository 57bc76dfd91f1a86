"""Whether the logins may do what a daemon does, asked once at its start.

Redis answers each question by itself, and nothing is changed. A login that lacks a command would
else be found out in the middle: without SUBSCRIBE no fill is heard, without TYPE no foreign value
is named. Redis 6.2's words for it are NOPERM; a server without a command says that it is unknown.
"""

from collections.abc import Iterator, Sequence

import redis
import redis.exceptions

from hedge.bus.connection import sync_client
from hedge.bus.diagnosis import REDIS_PROBLEMS, trouble_at_start, where
from hedge.bus.replies import parsed
from hedge.config.schema import RedisConfig, TimingConfig
from hedge.errors import RedisUnreachableError
from hedge.wire.names import Names

_NO_SCRIPT = "0" * 40
_UNKNOWN = "unknown command"


_TRIES = 5
"""The imitation of `--paper` now and then closes a connection in the middle of a question."""


def check_rights(settings: RedisConfig, timing: TimingConfig, names: Names, instance: str) -> None:
    """Ask for everything that a daemon needs, blocking.

    `instance` names the channel on which it proves that it hears.

    Raises:
        RedisUnreachableError: a login may not do something, with all that it lacks; or no answer.

    """
    reading, probe = settings.for_reading, names.probe(instance)
    writes = [("EVAL", "return 1", "0"), ("EVALSHA", _NO_SCRIPT, "0"), ("PUBLISH", probe, "0")]
    reads = [("MGET", names.ledger), ("TYPE", names.ledger)]
    if reading is settings:
        _ask(settings, timing, [*writes, *reads], heard=probe)
    else:
        _ask(settings, timing, writes)
        _ask(reading, timing, reads, heard=probe)


def _ask(
    settings: RedisConfig,
    timing: TimingConfig,
    commands: Sequence[tuple[str, ...]],
    heard: str = "",
) -> None:
    client = sync_client(settings, timing.redis_timeout_s, timing.redis_connect_s)
    try:
        with parsed():
            missing = _asked_again(client, commands, heard)
    except REDIS_PROBLEMS as error:
        raise trouble_at_start(settings, error, timing.redis_timeout_s) from error
    finally:
        client.close()
    if missing:
        login = settings.username or "default"
        raise RedisUnreachableError(
            f"Redis at {where(settings)} does not let the login {login} do {'; '.join(missing)}: "
            "extend its ACL, `./hedgectl acl` prints one.",
            where(settings),
        )


def _asked_again(client: redis.Redis, commands: Sequence[tuple[str, ...]], heard: str) -> list[str]:
    """Return what is refused; a connection that was lost meanwhile says nothing of rights."""
    for _ in range(_TRIES - 1):
        try:
            return list(_missing(client, commands, heard))
        except redis.AuthenticationError:
            raise
        except redis.ConnectionError:
            continue
    return list(_missing(client, commands, heard))


def _missing(client: redis.Redis, commands: Sequence[tuple[str, ...]], heard: str) -> Iterator[str]:
    """Yield what is refused, with the words of the server where they say more."""
    for command in commands:
        try:
            client.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.exceptions.NoScriptError:
            continue
        except redis.ResponseError as error:
            if not _is_refused(error):
                raise
            yield f"{command[0]} ({error})"
    if heard:
        with client.pubsub() as ear:  # type: ignore[no-untyped-call]
            try:
                ear.subscribe(heard)
                ear.parse_response()
            except redis.ResponseError as error:
                if not _is_refused(error):
                    raise
                yield f"SUBSCRIBE ({error})"


def _is_refused(error: redis.RedisError) -> bool:
    return isinstance(error, redis.exceptions.NoPermissionError) or str(error).startswith(_UNKNOWN)
