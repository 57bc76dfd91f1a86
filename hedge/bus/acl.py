"""The least that each side may do in Redis, as lines of an ACL file.

Redis 6.2 grants a command and a key, never a command on a key, and a channel for both speaking
and hearing. So each side has two logins: one writes what is the side's own, the other reads and
hears what the side must know, with commands that change nothing. With one login only, a side
could also write what it reads.
"""

import hashlib
from dataclasses import dataclass

from hedge.config.schema import Config, Secret
from hedge.errors import ConfigError
from hedge.wire.names import LeaseKey, Names, PairLeaseKey

SIDES = ("a", "b", "operator")
_CONNECT = ("ping", "info", "select")
_SCRIPTS = ("eval", "evalsha", "script|load", "get", "set", "del", "xadd", "publish")
_READ = ("mget", "type", "subscribe", "unsubscribe")


@dataclass(frozen=True, slots=True)
class Rights:
    """What one login may do: commands, on keys, on channels; the last two are patterns."""

    commands: tuple[str, ...]
    keys: tuple[str, ...]
    channels: tuple[str, ...] = ()

    def __or__(self, other: "Rights") -> "Rights":
        """Return both together."""
        return Rights(
            _merged(self.commands, other.commands),
            _merged(self.keys, other.keys),
            _merged(self.channels, other.channels),
        )

    def rules(self, password: Secret) -> str:
        """Write the rules of a user; of its password only the SHA-256, as Redis stores it."""
        digest = hashlib.sha256(password.reveal().encode()).hexdigest()
        parts = ["reset", "resetchannels", "on", f"#{digest}"]
        parts += [f"~{key}" for key in self.keys]
        parts += [f"&{channel}" for channel in self.channels]
        parts += ["-@all", *(f"+{command}" for command in self.commands)]
        return " ".join(parts)


def writer(config: Config, side: str) -> Rights:
    """Return what a side must be able to change."""
    names = Names(config.pair)
    probe = names.probe("*")
    if side == "operator":
        commands = (*_CONNECT, "eval", "evalsha", "script|load", "get", "set")
        return Rights(commands, (names.command, names.halt))
    own = (names.position(side), names.ready(side), names.standby(side, "*"), names.halt)
    lease = _lease(config, side)
    keys = (*own, lease.name, lease.instances, _pair_lease(config, side))
    if side == "a":
        told = (names.account_a_filled, names.events, probe)
        return Rights((*_CONNECT, *_SCRIPTS), (*keys, names.fills), told)
    return Rights(
        (*_CONNECT, *_SCRIPTS),
        (*keys, names.ledger, names.neutral, names.results),
        (names.account_b_filled, names.account_b_hedge_failed, names.events, probe),
    )


def reader(config: Config, side: str) -> Rights:
    """Return what a side must be able to see and hear."""
    names = Names(config.pair)
    keys = (
        *(names.position(each) for each in "ab"),
        *(names.ready(each) for each in "ab"),
        names.ledger,
        names.neutral,
        names.halt,
        names.command,
        *(_lease(config, each).name for each in "ab"),
    )
    if side == "operator":
        standbys = tuple(names.standby(each, "*") for each in "ab")
        return Rights((*_CONNECT, "mget", "type", "scan"), (*keys, *standbys))
    heard: tuple[str, ...] = (names.account_a_filled,)
    if side == "a":
        heard = (names.account_b_filled, names.account_b_hedge_failed)
    own = _lease(config, side).instances
    return Rights((*_CONNECT, *_READ), (*keys, own), (*heard, names.probe("*")))


def users(config: Config, side: str) -> dict[str, str]:
    """Return the rules of each login that the configuration names for this side.

    Raises ConfigError where a login or its password is missing.
    """
    redis = config.redis
    if not redis.username:
        raise ConfigError(
            "redis.username: is not set; an ACL needs a user name for this side.", "redis.username"
        )
    password = _password(redis.password, "redis.password")
    if not redis.reader_username:
        both = writer(config, side) | reader(config, side)
        return {redis.username: both.rules(password)}
    return {
        redis.username: writer(config, side).rules(password),
        redis.reader_username: reader(config, side).rules(
            _password(redis.reader_password, "redis.reader_password")
        ),
    }


def _password(password: Secret | None, key: str) -> Secret:
    if password is None:
        raise ConfigError(f"{key}: is not set; an ACL user needs a password.", key)
    return password


def _pair_lease(config: Config, side: str) -> str:
    """Return this side's lease of the two accounts, in whatever market."""
    accounts = config.accounts
    a, b = accounts.account_a.account_index, accounts.account_b.account_index
    key = PairLeaseKey(config.lighter.chain_id, a, b, 0, side, 0)
    return key.name.removesuffix(f"0:{side}") + f"*:{side}"


def _lease(config: Config, side: str) -> LeaseKey:
    account = config.accounts.account_a if side == "a" else config.accounts.account_b
    chain = config.lighter.chain_id
    return LeaseKey(chain, account.account_index, account.api_key_index)


def _merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
