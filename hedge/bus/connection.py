"""How to reach Redis: one set of arguments for every client, and what is looked at at the start."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from hedge.bus.diagnosis import (
    NoSentinelError,
    NotAHostError,
    SentinelRefusesError,
    is_cluster,
    not_a_host,
    where,
)
from hedge.bus.masters import ParallelSentinel
from hedge.bus.replies import parsed
from hedge.config.schema import MAX_PORT, RedisConfig
from hedge.errors import ConfigError, ReadOnlyReplicaError, RedisUnreachableError

MIN_VERSION = (6, 2)
ROUND_TRIPS = 4
"""So many may a question to a Sentinel take: TCP, TLS, login, answer."""


class _Losable:
    """A redis-py connection that takes a closed transport for a lost connection.

    uvloop refuses to write to one by RuntimeError, which redis-py lets through like a bug. Closing
    waits for nobody: TLS would wait for a farewell, which over a dead network never comes.
    """

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002  redis-py's own signature
    ) -> None:
        """Write a command. Raises redis.ConnectionError where the connection is lost."""
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise redis.ConnectionError(f"the connection was lost: {error}") from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer. Raises redis.InvalidResponse where redis-py cannot make sense of it."""
        with parsed():
            return await super().read_response(*args, **options)  # type: ignore[misc]

    async def disconnect(self, *_: Any, **options: Any) -> None:
        """Close the connection, never waiting."""
        options["nowait"] = True
        await super().disconnect(**options)  # type: ignore[misc]


class _Trusting:
    """A connection with TLS: what it trusts is read from the disk, which may hang, by a thread."""

    async def _connect(self) -> None:
        await asyncio.to_thread(self.ssl_context.get)  # type: ignore[attr-defined]
        await super()._connect()  # type: ignore[misc]


class _Plain(_Losable, redis.asyncio.Connection): ...


class _Encrypted(_Losable, _Trusting, redis.asyncio.SSLConnection): ...


class _Managed(_Losable, redis.asyncio.sentinel.SentinelManagedConnection): ...


class _ManagedEncrypted(
    _Losable, _Trusting, redis.asyncio.sentinel.SentinelManagedSSLConnection
): ...


@contextlib.contextmanager
def _or_the_next() -> Iterator[None]:
    """Take anything amiss with one Sentinel for a lost connection.

    After that redis-py asks the next one; any other error would hide those that know the master.
    """
    try:
        with parsed():
            yield
    except (redis.BusyLoadingError, redis.ResponseError) as error:
        kind = NoSentinelError if "unknown command" in str(error) else SentinelRefusesError
        raise kind(str(error)) from error
    except redis.InvalidResponse as error:
        raise NoSentinelError(str(error)) from error
    except (redis.ConnectionError, UnicodeError) as error:
        if why := not_a_host(error):
            raise NotAHostError(why) from error
        raise


def _check_masters(masters: dict[str, dict[str, Any]]) -> None:
    """Raise TypeError or KeyError where a Sentinel's list lacks what redis-py takes from it."""
    for state in masters.values():
        if not (
            type(state["ip"]) is str
            and type(state["num-other-sentinels"]) is int
            and type(state["port"]) is int
            and 0 < state["port"] <= MAX_PORT
        ):
            raise TypeError("a master without a usable address")


class _BlockingSentinelClient(redis.Redis):
    """The same for the blocking client, which has deadlines that work."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask. Raises redis.ConnectionError or redis.TimeoutError, whatever is amiss."""
        with _or_the_next():
            answer = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
            if args[0] == "SENTINEL MASTERS":
                _check_masters(answer)
            return answer


class _SentinelClient(redis.asyncio.Redis):
    """A client of one Sentinel, with a deadline of its own for every question.

    redis-py's `socket_timeout` writes through asyncio.wait_for, which before Python 3.12 can lose a
    cancellation: the task that was to end would go on for ever.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool, deadline_s: float) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True  # nobody else has it
        self._deadline_s = deadline_s

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask. Raises redis.ConnectionError or redis.TimeoutError, whatever is amiss."""
        with _or_the_next():
            try:
                async with asyncio.timeout(self._deadline_s):
                    answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
            except TimeoutError as error:
                raise redis.TimeoutError("a Sentinel gave no answer in time") from error
            if args[0] == "SENTINEL MASTERS":
                _check_masters(answer)
            return answer


def _common(settings: RedisConfig, connect_s: float) -> dict[str, Any]:
    return {
        "db": settings.db,
        "username": settings.username or None,
        "password": settings.password.reveal() if settings.password else None,
        "socket_connect_timeout": connect_s,
        "decode_responses": True,
        # Garbage on a channel must not break the connection that it came over.
        "encoding_errors": "replace",
        "protocol": 2,
        "health_check_interval": 0,
    }


def _tls(settings: RedisConfig) -> dict[str, Any]:
    tls = settings.tls
    return {
        "ssl_ca_certs": tls.ca_file or None,
        "ssl_certfile": tls.cert_file or None,
        "ssl_keyfile": tls.key_file or None,
        "ssl_check_hostname": tls.check_hostname,
        "ssl_cert_reqs": "required",
    }


def sync_client(settings: RedisConfig, timeout_s: float, connect_s: float) -> redis.Redis:
    """Return a blocking client; it connects at its first command.

    `timeout_s` bounds each round trip, `connect_s` the opening of a connection before its first.
    """
    arguments = _common(settings, connect_s) | {
        "socket_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.tls.enabled:
        # It says CLIENT SETINFO when connecting, refused or not: the answer brings along the
        # session tickets of TLS 1.3, which the client would take for data out of turn.
        arguments |= {"ssl": True, **_tls(settings)}
    else:
        arguments["driver_info"] = None
    if settings.sentinels:
        # Without a word about it the client asks a silent Sentinel ten times over.
        to_sentinels = _to_sentinels(settings, timeout_s) | {"retry": Retry(NoBackoff(), 0)}
        if settings.tls.enabled and settings.tls.sentinels:
            del to_sentinels["driver_info"]  # as above
        sentinel = redis.sentinel.Sentinel([], **arguments)  # type: ignore[no-untyped-call]
        sentinel.sentinels = [
            _BlockingSentinelClient(host=host, port=port, **to_sentinels)
            for host, port in settings.sentinels
        ]
        master: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
            settings.master_name
        )
        return master
    return redis.Redis(host=settings.host, port=settings.port, **arguments)


def async_pool(
    settings: RedisConfig, timeout_s: float, connect_s: float
) -> redis.asyncio.ConnectionPool:
    """Return a factory of connections that neither retry nor time out by themselves.

    The callers own every deadline, of opening one and of each call; `connect_s` bounds the first
    of both below TCP. A question to a Sentinel may take a few round trips of `timeout_s` each.
    """
    arguments = _common(settings, connect_s) | {
        "socket_timeout": None,
        "driver_info": None,
        "retry": AsyncRetry(NoBackoff(), 0),
    }
    if settings.tls.enabled:
        arguments |= _tls(settings)
    if settings.sentinels:
        managed = _ManagedEncrypted if settings.tls.enabled else _Managed
        return redis.asyncio.sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
            settings.master_name,
            _async_sentinel(settings, timeout_s),
            connection_class=managed,
            **arguments,
        )
    kind = _Encrypted if settings.tls.enabled else _Plain
    return redis.asyncio.ConnectionPool(
        connection_class=kind, host=settings.host, port=settings.port, **arguments
    )


def _async_sentinel(settings: RedisConfig, timeout_s: float) -> ParallelSentinel:
    arguments = _to_sentinels(settings, timeout_s) | {"retry": AsyncRetry(NoBackoff(), 0)}
    deadline_s, arguments["socket_timeout"] = timeout_s * ROUND_TRIPS, None
    kind = _Encrypted if arguments.pop("ssl", False) else _Plain
    sentinel = ParallelSentinel([])  # type: ignore[no-untyped-call]
    sentinel.sentinels = [
        _SentinelClient(
            redis.asyncio.ConnectionPool(connection_class=kind, host=host, port=port, **arguments),
            deadline_s,
        )
        for host, port in settings.sentinels
    ]
    return sentinel


def _to_sentinels(settings: RedisConfig, timeout_s: float) -> dict[str, Any]:
    """Return the arguments for the Sentinels: a deadline per round trip, and few of those."""
    password = settings.sentinel_password
    arguments: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "protocol": 2,  # a greeting less
        "driver_info": None,
        "username": settings.sentinel_username or None,
        "password": password.reveal() if password else None,
    }
    if settings.tls.enabled and settings.tls.sentinels:
        arguments |= {"ssl": True, **_tls(settings)}
    return arguments


def inspect(client: redis.Redis, settings: RedisConfig) -> list[str]:
    """Return warnings about a server that answers PING.

    Raises:
        RedisUnreachableError: it is older than 6.2.
        ReadOnlyReplicaError: it is a replica.
        ConfigError: it is a node of a cluster.

    """
    try:
        info: dict[str, Any] = client.info()
    except redis.ResponseError as error:
        return [f"Redis at {where(settings)} does not answer INFO ({error}); not checked further."]
    if "redis_version" not in info:
        return [f"Redis at {where(settings)} does not tell its version; not checked further."]
    version = str(info["redis_version"])
    if _version(version) < MIN_VERSION:
        text = f"Redis at {where(settings)} is version {version}; install 6.2 or newer."
        raise RedisUnreachableError(text, where(settings))
    if info.get("redis_mode") == "cluster" or info.get("cluster_enabled"):
        raise ConfigError(f"redis.host: {is_cluster(where(settings))}", "redis.host")
    if info.get("role") not in (None, "master"):
        text = (
            f"Redis at {where(settings)} is a read-only replica, not the master; point redis.host "
            "at the master, or use redis.sentinels."
        )
        raise ReadOnlyReplicaError(text, where(settings))
    warnings = []
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        warnings.append(
            f"Redis at {where(settings)} may evict keys (maxmemory-policy {policy}); "
            "set it to noeviction."
        )
    return warnings


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def new_connection(pool: redis.asyncio.ConnectionPool) -> AbstractConnection:
    """Return a connection that is not open yet, and that the caller owns."""
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    return connection


async def close_sentinels(pool: redis.asyncio.ConnectionPool) -> None:
    """Close the connections by which a pool asks its Sentinels, if it has any."""
    if isinstance(pool, redis.asyncio.sentinel.SentinelConnectionPool):
        with contextlib.suppress(redis.RedisError, OSError):
            await pool.sentinel_manager.aclose()
