"""One sentence for every way in which Redis can fail: what, where, and what to do about it."""

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import redis
import redis.asyncio.sentinel
import redis.exceptions
import redis.sentinel

from hedge.config.schema import RedisConfig
from hedge.errors import ConfigError, RedisUnreachableError

REDIS_PROBLEMS = (redis.RedisError, OSError, TimeoutError, UnicodeError)
"""Whatever can come out of a client when Redis is away, slow or unwilling.

UnicodeError is a host name that cannot be one.
"""


class _SentinelError(redis.ConnectionError):
    """Something amiss with one Sentinel: redis-py asks the next one, and lists the `repr`."""

    def __repr__(self) -> str:
        """Return what redis-py's own errors keep back: the text."""
        return f"{type(self).__name__}({str(self)!r})"


class SentinelRefusesError(_SentinelError):
    """A Sentinel answers, but refuses to name the master."""


class NoSentinelError(_SentinelError):
    """What answers is no Sentinel."""


class NotAHostError(_SentinelError):
    """The address of a Sentinel is no host name."""


_DEMOTED = "The previous master is now a slave"
"""What redis-py makes of READONLY where Sentinels watch."""
_NO_MASTER = (redis.sentinel.MasterNotFoundError, redis.asyncio.sentinel.MasterNotFoundError)


def where(settings: RedisConfig) -> str:
    """Return the address for people: host:port/db, or the Sentinels and the master's name."""
    if settings.sentinels:
        listed = ",".join(_address(*one) for one in settings.sentinels)
        return f"{settings.master_name} of Sentinels {listed}"
    return f"{_address(settings.host, settings.port)}/{settings.db}"


def _address(host: str, port: int) -> str:
    """Return host:port, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def works_as(pair: str, settings: RedisConfig) -> str:
    """Return for people for which pair a process works, on which Redis."""
    return f'pair "{pair}" on Redis at {where(settings)}'


def is_cluster(place: str) -> str:
    """Return the sentence for a node of a Redis Cluster."""
    return (
        f"Redis at {place} is a node of a Redis Cluster, where a pair's keys lie on several servers"
        " and no script reaches them all; give a single Redis, or one with Sentinels."
    )


def unreachable(settings: RedisConfig, error: BaseException) -> RedisUnreachableError:
    """Return one clear sentence for what went wrong, and what to do about it."""
    place = where(settings)
    if isinstance(error, _OF_CLUSTER) or "cluster mode" in str(error):
        return RedisUnreachableError(is_cluster(place), place)
    text = _tls_trouble(place, error) or _refusal(error, place) or _absence(settings, error)
    return RedisUnreachableError(text, place)


def not_connected_yet(settings: RedisConfig, waited_s: float) -> RedisUnreachableError:
    """Return the sentence for a call that ended before the connection was open."""
    place = where(settings)
    text = (
        f"Redis at {place} is not connected yet after {waited_s:g} s; it is still tried. Check "
        "that it runs, and the network between."
    )
    return RedisUnreachableError(text, place)


def trouble_at_start(
    settings: RedisConfig, error: BaseException, timeout_s: float
) -> RedisUnreachableError:
    """Return the sentence for a connection that failed at the start.

    Where plain text and TLS meet there is often no answer at all, so the port is asked itself.
    """
    known = unreachable(settings, error)
    is_clear = isinstance(error, redis.AuthenticationError | UnicodeError) or any(
        isinstance(link, ssl.SSLCertVerificationError) for link in _chain(error)
    )
    if is_clear or settings.sentinels:
        return known
    place, address = where(settings), (settings.host, settings.port)
    if settings.tls.enabled and _answers_plainly(address, timeout_s):
        text = f"Redis at {place} does not speak TLS; set redis.tls to false, or use its TLS port."
    elif not settings.tls.enabled and _speaks_tls(address, timeout_s):
        text = f"Redis at {place} speaks TLS; set redis.tls to true in the configuration."
    elif settings.tls.enabled and not settings.tls.cert_file and _speaks_tls(address, timeout_s):
        text = (
            f"Redis at {place} asks for a client certificate, or hangs up on us for another "
            "reason; set redis.tls.cert_file and redis.tls.key_file."
        )
    elif settings.tls.cert_file and _speaks_tls(address, timeout_s):
        text = (
            f"Redis at {place} does not accept our client certificate; check redis.tls.cert_file."
        )
    else:
        return known
    return RedisUnreachableError(text, place)


def _answers_plainly(address: tuple[str, int], timeout_s: float) -> bool:
    """Whether Redis answers in plain text: PONG, or a refusal."""
    try:
        with socket.create_connection(address, timeout_s) as link:
            link.sendall(b"PING\r\n")
            return link.recv(1) in (b"+", b"-")
    except OSError:
        return False


def _speaks_tls(address: tuple[str, int], timeout_s: float) -> bool:
    """Whether a TLS handshake comes through, whoever signed the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout_s) as link, context.wrap_socket(link):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def check_tls_files(settings: RedisConfig) -> None:
    """Raise ConfigError for a certificate or key file that cannot be used."""
    tls = settings.tls
    if not tls.enabled:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca_file:
        try:
            context.load_verify_locations(tls.ca_file)
        except OSError as error:
            raise _unusable("ca_file", tls.ca_file, error) from error
    if tls.key_file and not tls.cert_file:
        raise ConfigError(
            "redis.tls.key_file: is set, but redis.tls.cert_file is not; a client certificate "
            "needs both.",
            "redis.tls.cert_file",
        )
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
        except OSError as error:
            lost = tls.key_file if tls.key_file and not Path(tls.key_file).exists() else ""
            key, file = ("key_file", lost) if lost else ("cert_file", tls.cert_file)
            raise _unusable(key, file, error) from error


def _unusable(key: str, file: str, error: OSError) -> ConfigError:
    why = "is not a usable certificate" if isinstance(error, ssl.SSLError) else error.strerror
    return ConfigError(
        f"redis.tls.{key}: {file} cannot be used ({why}); give the right file.", f"redis.tls.{key}"
    )


_OF_SCRIPT = re.compile(r"Error running script.*?-([A-Z]+ .*)", re.DOTALL)
"""What Redis 6.2 makes of an error in a script: its own words stand at the end."""
_FORBIDDEN_IN_SCRIPT = "The user executing the script can't"
"""What Redis 6.2 says in a script instead of NOPERM."""
_OF_CLUSTER = (
    redis.exceptions.AskError,
    redis.exceptions.ClusterCrossSlotError,
    redis.exceptions.ClusterDownError,
)
"""MOVED and ASK, CROSSSLOT, CLUSTERDOWN: what only a cluster answers."""
_FIRST_WORDS = (
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.ReadOnlyError, "READONLY"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
)
"""What the client takes off an answer."""


def words_of(error: BaseException) -> str:
    """Return an answer of the server as it gave it, its first word included."""
    text = str(error) or type(error).__name__
    inside = _OF_SCRIPT.search(text)
    if inside:
        return inside[1]
    if _FORBIDDEN_IN_SCRIPT in text:
        return f"NOPERM {text[text.index(_FORBIDDEN_IN_SCRIPT) :]}"
    word = next((word for kind, word in _FIRST_WORDS if isinstance(error, kind)), "")
    return f"{word} {text}" if word and not text.startswith(word) else text


def is_read_only(error: BaseException) -> bool:
    """Whether a server refuses to write because it is a replica: a master that was demoted."""
    return isinstance(error, redis.ResponseError) and words_of(error).startswith("READONLY")


def _refusal(error: BaseException, place: str) -> str:
    """Explain an answer of the server; "" where there was none."""
    text = words_of(error)
    if isinstance(error, redis.ResponseError):
        match text.split(" ", 1)[0]:
            case "OOM":
                return (
                    f"Redis at {place} is full and takes no writes ({text}); "
                    "raise maxmemory there, or free memory."
                )
            case "MISCONF":
                return (
                    f"Redis at {place} cannot save its data and takes no writes ({text}); "
                    "see its log and its disk."
                )
            case "READONLY":
                return (
                    f"Redis at {place} is a read-only replica ({text}); point redis.host at the "
                    "master, or use redis.sentinels."
                )
            case "NOPERM":
                return f"Redis at {place} does not let this user do it ({text}); extend its ACL."
    match error:
        case redis.AuthenticationError():
            return (
                f"Redis at {place} refuses the login ({text}); "
                "check redis.username and redis.password in the configuration."
            )
        case redis.BusyLoadingError():
            return f"Redis at {place} is still loading its data; wait a moment."
        case redis.ResponseError():
            return f"Redis at {place} refuses: {text}; see its log and INFO memory."
    return ""


def _absence(settings: RedisConfig, error: BaseException) -> str:
    """Explain why there was no answer."""
    place, text = where(settings), str(error) or type(error).__name__
    if isinstance(error, _NO_MASTER):
        return _no_master(settings, text)
    if text == _DEMOTED:
        return f"Redis at {place} was demoted; the Sentinels are asked for the new master."
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return (
            f"Redis at {place} does not answer in time; "
            "check that it runs, and the network between."
        )
    if why := not_a_host(error):
        return _not_a_host(settings, why)
    keys = "redis.sentinels" if settings.sentinels else "redis.host and redis.port"
    if isinstance(error, redis.InvalidResponse):
        return (
            f"Redis at {place} gave an answer that does not fit what was asked ({text}); check "
            f"that {keys} lead to a Redis, and what stands between."
        )
    return (
        f"cannot reach Redis at {place} ({text}); start redis-server there, "
        f"or correct {keys} in the configuration."
    )


def not_a_host(error: BaseException) -> str:
    """Return why an address is no host name; "" where the error is another one."""
    return next((str(link) for link in _chain(error) if isinstance(link, UnicodeError)), "")


def _not_a_host(settings: RedisConfig, text: str) -> str:
    key = "redis.sentinels" if settings.sentinels else "redis.host"
    return (
        f"the host name of Redis at {where(settings)} is not valid ({text}); correct {key} in the "
        "configuration."
    )


def _found(kind: type[Exception], text: str) -> str:
    """Return the first error of a kind in what the client says of its Sentinels; "" for none."""
    found = re.search(rf"""\b{kind.__name__}\((["'])(.*?)\1\)""", text)
    return found[2] if found else ""


def _no_master(settings: RedisConfig, text: str) -> str:
    """Tell apart Sentinels that are silent, amiss, or do not know the name."""
    listed = ", ".join(_address(*one) for one in settings.sentinels)
    silent = text.count("ConnectionPool(")  # the client lists those that did not answer
    if "Authentication" in text:
        return (
            f"the Sentinels {listed} refuse the login; check redis.sentinel_username and "
            "redis.sentinel_password in the configuration."
        )
    if why := _found(SentinelRefusesError, text):
        return (
            f"of the Sentinels {listed} one refuses to name the master ({why}); check the ACL of "
            "redis.sentinel_username there, or correct redis.sentinels in the configuration."
        )
    if why := _found(NoSentinelError, text):
        return (
            f"what answers for {where(settings)} is no Sentinel; correct redis.sentinels ({why})."
        )
    if why := _found(NotAHostError, text):
        return _not_a_host(settings, why)
    if silent >= len(settings.sentinels):
        return (
            f"cannot reach Redis: no Sentinel answers ({listed}); start them, or correct "
            "redis.sentinels in the configuration."
        )
    return (
        f"the Sentinels {listed} know no living master named {settings.master_name}; check "
        "redis.master_name in the configuration, or wait for their fail-over."
    )


def _tls_trouble(place: str, error: BaseException) -> str:
    """Explain what TLS has to do with it; "" where it has nothing."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return _not_trusted(place, link)
        if isinstance(link, ssl.SSLError):
            return _no_handshake(place, link)
    return ""


def _not_trusted(place: str, error: ssl.SSLCertVerificationError) -> str:
    if "ostname" in error.verify_message or "IP address" in error.verify_message:
        return (
            f"the certificate of Redis at {place} is for another name ({error.verify_message}); "
            "use the name in it as host, or set redis.tls.check_hostname to false."
        )
    return (
        f"the certificate of Redis at {place} is not trusted ({error.verify_message}); set "
        "redis.tls.ca_file to the authority that signed it."
    )


def _no_handshake(place: str, error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "certificate required" in reason or "handshake failure" in reason:
        return (
            f"Redis at {place} asks for a client certificate ({reason}); set "
            "redis.tls.cert_file and redis.tls.key_file."
        )
    if "unknown ca" in reason or "bad certificate" in reason:
        return (
            f"Redis at {place} does not accept our client certificate ({reason}); check "
            "redis.tls.cert_file."
        )
    return (
        f"Redis at {place} does not speak TLS ({reason}); set redis.tls to false, or use its TLS "
        "port."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
