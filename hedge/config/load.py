"""Loading config.yaml: one frozen, validated tree, or one sentence about what is wrong.

`python -m hedge.config --table` prints the table of all keys for the README.
"""

import dataclasses
import os
import re
import shlex
import stat
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any
from urllib.parse import urlsplit

from hedge.config.notation import read_yaml
from hedge.config.reader import WITH_LOGIN, SectionReader, bare_host, has_variable, wrong
from hedge.config.schema import (
    MAX_ACCOUNT,
    REDIS_SECRETS,
    AccountConfig,
    AccountsConfig,
    Config,
    LighterConfig,
    LoggingConfig,
    PartialFill,
    RedisConfig,
    SafetyConfig,
    Secret,
    StateConfig,
    StrategyConfig,
    TimingConfig,
    TlsConfig,
    is_loopback,
    option_of,
    settings_of,
)
from hedge.errors import ConfigError

MAINNET_CHAIN = 304
TESTNET_CHAIN = 300
CHAINS = {
    "mainnet.zklighter.elliot.ai": MAINNET_CHAIN,
    "testnet.zklighter.elliot.ai": TESTNET_CHAIN,
    "api.rh.lighter.xyz": 466_324,
    "api.rh-testnet.lighter.xyz": TESTNET_CHAIN,
}
"""The exchange's own networks by host, and the chain that each signs for."""
RESERVED_API_KEYS = 3
"""API keys 0 to 3 are used by Lighter's own apps."""

LEAST_SECRET = 12
"""A shorter shared secret is found by trying."""

LEAST_REQUESTS = 12
"""Two fences: with less a daemon could not even start and recover once in a minute."""

_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{80}")
_SECTIONS: dict[str, type] = {
    "redis": RedisConfig,
    "lighter": LighterConfig,
    "strategy": StrategyConfig,
    "safety": SafetyConfig,
    "timing": TimingConfig,
    "state": StateConfig,
    "logging": LoggingConfig,
}


def load_config(
    path: Path | str,
    side: str = "",
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read the configuration of one side ("a" or "b", "" for a tool that signs nothing).

    `overrides` are dotted keys from the command line; None values are left out. Only this side's
    private key is needed; the other one is None when its variable is not set.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type, impossible value; the sentence begins
            with the file, or with the option where the value came from the command line.

    """
    try:
        return _load(Path(path), side, overrides, environment)
    except ConfigError as error:
        raise error.within(_place_of(error.key, str(path), overrides)) from error.__cause__


def _place_of(key: str, file: str, overrides: Mapping[str, object] | None) -> str:
    """Return where a value was written: the file, or the option that replaced it."""
    return option_of(key) if key in _given(overrides) else file


def _given(overrides: Mapping[str, object] | None) -> tuple[str, ...]:
    """Return the dotted keys that the command line gave a value for."""
    return tuple(key for key, value in (overrides or {}).items() if value is not None)


def _load(
    file: Path,
    side: str,
    overrides: Mapping[str, object] | None,
    environment: Mapping[str, str] | None,
) -> Config:
    raw = SectionReader({}).mapping(read_yaml(file), "")
    literal = _literal_secrets(raw)
    _check_mode(file, literal)
    for key in _given(overrides):
        _override(raw, key, (overrides or {})[key])
    reader = SectionReader(environment)
    variables = os.environ if environment is None else environment
    sections: dict[str, Any] = {
        name: reader.section(kind, raw.get(name), name) for name, kind in _SECTIONS.items()
    }
    accounts = _accounts(reader, raw.get("accounts"), side, variables)
    config = reader.section(
        Config, {key: raw[key] for key in raw}, "", accounts=accounts, **sections
    )
    config = dataclasses.replace(
        config,
        side=side,
        lighter=_derived(config.lighter),
        redis=_redis_host(config.redis),
        warnings=(),
        options=_given(overrides),
    )
    _cross_check(config)
    _one_tolerance(raw.get("strategy"))
    config = _placed(config, file)
    return dataclasses.replace(config, warnings=tuple(_warnings(config, reader, literal, file)))


def _placed(config: Config, file: Path) -> Config:
    """Resolve the directories against the file's folder, whatever the working directory is.

    A link to the file counts as the file: each way to name it leads to the same state.
    """
    folder = file.resolve().parent
    state_dir, former = folder / config.state.dir, Path(config.state.dir).absolute()
    return dataclasses.replace(
        config,
        state=dataclasses.replace(config.state, dir=str(state_dir)),
        logging=dataclasses.replace(config.logging, dir=str(folder / config.logging.dir)),
        file=str(file),
        former_state_dir="" if former.resolve() == state_dir.resolve() else str(former),
    )


def _literal_secrets(raw: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys of secrets that stand in the file itself."""
    accounts = raw.get("accounts") or {}
    found = []
    for name in ("account_a", "account_b"):
        account = accounts.get(name) if isinstance(accounts, dict) else None
        value = account.get("api_key_private_key") if isinstance(account, dict) else None
        if value and not has_variable(value):
            found.append(f"accounts.{name}.api_key_private_key")
    redis = raw.get("redis")
    for name in REDIS_SECRETS:
        value = redis.get(name) if isinstance(redis, dict) else None
        if value and not has_variable(value):
            found.append(f"redis.{name}")
    return found


def _check_mode(file: Path, literal: list[str]) -> None:
    keys = [key for key in literal if key.startswith("accounts.")]
    if not keys or os.name == "nt":
        return
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        text = f"{file} holds a private key ({keys[0]}) and others may read it; {_private(file)}"
        raise ConfigError(text, keys[0])


def _private(file: Path) -> str:
    return f"run: chmod 600 {shlex.quote(str(file))}"


def _override(raw: dict[str, Any], key: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    target: dict[str, Any] = raw
    for part in section.split(".") if section else ():
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    target[name] = value


def _accounts(
    reader: SectionReader, raw: object, side: str, variables: Mapping[str, str]
) -> AccountsConfig:
    values = reader.mapping(raw, "accounts")
    reader.refuse_unknown(values, ("account_a", "account_b"), "accounts")
    _refuse_unfilled(values)
    found = {}
    for name, own in (("account_a", side == "a"), ("account_b", side == "b")):
        path = f"accounts.{name}"
        account = reader.mapping(values.get(name), path)
        _refuse_wallet(account.get("account_index"), f"{path}.account_index")
        key = account.get("api_key_private_key")
        if not own and isinstance(key, str) and not _can_substitute(key, variables):
            key = None
        if not key:
            account.pop("api_key_private_key", None)
        section = _without_blanks(reader.section(AccountConfig, account, path))
        _check_key(section.api_key_private_key, own=own, key=f"{path}.api_key_private_key")
        found[name] = (
            section if section.account_name else dataclasses.replace(section, account_name=name)
        )
    return AccountsConfig(**found)


def _refuse_unfilled(accounts: Mapping[str, Any]) -> None:
    """Raise ConfigError for a file in which no account has a number, as it is shipped."""
    entries = [accounts.get(name) for name in ("account_a", "account_b")]
    if any(isinstance(entry, dict) and entry.get("account_index") is not None for entry in entries):
        return
    if all(entry is None or isinstance(entry, dict) for entry in entries):
        key, start = "accounts.account_a.account_index", "./start_hedge.sh --paper"
        raise ConfigError(
            f"{key}: is missing, and account_b's too; fill in both accounts, or begin without any: "
            f"{start if os.name != 'nt' else start[2:].replace('.sh', '.bat')}. Such a run has a "
            "configuration of its own: --config run/paper/config.yaml.",
            key,
        )


def _refuse_wallet(index: object, key: str) -> None:
    """Raise ConfigError for a wallet address in the place of an account's number."""
    is_large = isinstance(index, int) and index > MAX_ACCOUNT
    is_hex = isinstance(index, str) and re.fullmatch("0[xX][0-9a-fA-F]{9,}", index.strip())
    if is_large or is_hex:
        raise ConfigError(
            f"{key}: is a wallet address, and an account has a number from 0 to {MAX_ACCOUNT}; "
            "Lighter lists the numbers of a wallet under "
            "/api/v1/accountsByL1Address?l1_address=….",
            key,
        )


def _without_blanks(account: AccountConfig) -> AccountConfig:
    """Leave out what a paste or an `echo` puts around a key."""
    secret = account.api_key_private_key
    if secret is None:
        return account
    return dataclasses.replace(account, api_key_private_key=Secret(secret.reveal().strip()))


def _can_substitute(text: str, variables: Mapping[str, str]) -> bool:
    return all(name in variables for name in re.findall(r"\$\{(\w+)\}", text))


def _check_key(secret: Secret | None, *, own: bool, key: str) -> None:
    if secret is None:
        if own:
            raise ConfigError(
                f"{key}: is missing; this side signs with it. Write ${{VARIABLE}} there and set "
                "the variable.",
                key,
            )
        return
    if own and not _PRIVATE_KEY.fullmatch(secret.reveal()):
        raise ConfigError(
            f"{key}: is not a private key: 80 hexadecimal digits, 0x before them or not.", key
        )


def _derived(lighter: LighterConfig) -> LighterConfig:
    """Fill in what follows from the base address."""
    base = lighter.base_url.rstrip("/")
    _check_address("lighter.base_url", base, "https")
    if lighter.ws_url:
        _check_address("lighter.ws_url", lighter.ws_url, "wss")
    parts = urlsplit(base)
    if parts.path or parts.query or parts.fragment:
        allowed = f"an address without a path, such as {parts.scheme}://{parts.netloc}"
        wrong("lighter.base_url", lighter.base_url, allowed)
    stream = re.sub(r"^http", "ws", base) + "/stream"
    chain = _check_network(lighter, base)
    return dataclasses.replace(
        lighter,
        base_url=base,
        ws_url=lighter.ws_url or stream,
        chain_id=lighter.chain_id or chain,
    )


def _check_network(lighter: LighterConfig, base: str) -> int:
    """Return the chain of the base address. Raises ConfigError for values of two networks."""
    host, stream_host = urlsplit(base).hostname, urlsplit(lighter.ws_url).hostname
    chain = CHAINS.get(host or "")
    if chain is None:
        return TESTNET_CHAIN if "testnet" in base else MAINNET_CHAIN
    if stream_host in CHAINS and stream_host != host:
        wrong("lighter.ws_url", lighter.ws_url, f"an address of the network of base_url ({host})")
    if lighter.chain_id not in (0, chain):
        wrong("lighter.chain_id", lighter.chain_id, f"{chain}, the chain of {host}")
    return chain


def _check_address(key: str, address: str, scheme: str) -> None:
    """Raise ConfigError for what is no address of this scheme, or one that goes in the clear.

    A user name or a password in it is never shown.
    """
    if "@" in address:
        raise ConfigError(f"{key}: {WITH_LOGIN}; the exchange asks for none.", key)
    plain = scheme.removesuffix("s")
    if not re.match(rf"{scheme}?://[^/\s]+", address):
        wrong(key, address, f"an address that begins with {scheme}://")
    try:
        parts = urlsplit(address)
        host, usable = parts.hostname or "", bool(parts.hostname and parts.port != 0)
    except ValueError:
        host, usable = "", False
    if not usable:  # what is no port may be a password
        allowed = "an address with a host, and a port from 1 to 65535 if any"
        raise ConfigError(f"{key}: found something else; allowed is {allowed}.", key)
    if parts.scheme == plain and not is_loopback(host):
        wrong(key, address, f"{scheme}:// for anything but this machine: {plain}:// is readable")


def _check_real(config: Config) -> None:
    """Raise ConfigError for what only the paper exchange on this machine allows."""
    if config.lighter.is_local:
        return
    for name in _SECTIONS:
        section = getattr(config, name)
        for item in settings_of(type(section)):
            check, value = item.metadata["check"], getattr(section, item.name)
            if check is not None and (allowed := check.on_real(value)) is not None:
                wrong(f"{name}.{item.name}", value, allowed)


def _cross_check(config: Config) -> None:
    """Raise ConfigError for values that are impossible together."""
    _check_real(config)
    timing = config.timing
    for smaller, larger in (
        ("lease_renew_s", "lease_ttl_s"),
        ("beat_s", "ready_ttl_s"),
        ("redis_retry_min_s", "redis_retry_max_s"),
        ("retry_min_s", "retry_max_s"),
        ("ws_retry_min_s", "ws_retry_max_s"),
        ("ws_ping_s", "ws_silence_s"),
    ):
        limit = getattr(timing, larger)
        if getattr(timing, smaller) >= limit:
            wrong(
                f"timing.{smaller}",
                getattr(timing, smaller),
                f"less than timing.{larger} ({limit:g})",
            )
    requests = config.lighter.requests_per_minute
    if config.side and 0 < requests < LEAST_REQUESTS:
        wrong("lighter.requests_per_minute", requests, f"0 (default) or at least {LEAST_REQUESTS}")
    strategy = config.strategy
    if strategy.on_partial_fill is PartialFill.KEEP and strategy.depth == 1:
        wrong(
            "strategy.on_partial_fill",
            "keep",
            "cancel with depth 1, where B's market orders would hit A's own remainder",
        )
    _cross_check_redis(config.redis)
    if config.pair and not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", config.pair):
        wrong("pair", config.pair, "letters, digits, '_', '-' and '.'")
    if not re.fullmatch(r"[A-Za-z0-9_./-]{1,32}", config.market):
        wrong("market", config.market, "a symbol such as ETH")
    accounts = config.accounts
    if accounts.account_a.account_index == accounts.account_b.account_index:
        wrong(
            "accounts.account_b.account_index",
            accounts.account_b.account_index,
            "another account than account_a's",
        )
    quantity = config.strategy.quantity
    for limit in ("max_fill_base_amount", "max_position_base_amount"):
        most = getattr(config.safety, limit)
        if quantity is not None and most is not None and quantity > most:
            wrong("strategy.quantity", quantity, f"at most safety.{limit} ({most})")


def _one_tolerance(strategy: object) -> None:
    """Raise ConfigError where A's tolerance is written twice."""
    written = strategy if isinstance(strategy, dict) else {}
    if written.get("requote_ticks") is not None and written.get("requote_bps") is not None:
        wrong(
            "strategy.requote_bps",
            written["requote_bps"],
            "no strategy.requote_ticks beside it: write one of the two",
        )


def _cross_check_redis(redis: RedisConfig) -> None:
    if bool(redis.sentinels) != bool(redis.master_name):
        wrong("redis.master_name", redis.master_name, "a name exactly when redis.sentinels is set")
    if redis.reader_username and not redis.username:
        wrong("redis.reader_username", redis.reader_username, "empty without redis.username")
    secret = redis.shared_secret
    if secret is not None and len(secret.reveal().strip()) < LEAST_SECRET:
        raise ConfigError(
            "redis.shared_secret: is too short; write at least "
            f"{LEAST_SECRET} characters, the same on both hosts.",
            "redis.shared_secret",
        )


def _redis_host(redis: RedisConfig) -> RedisConfig:
    """Read the host as an address or a name, without the brackets of IPv6."""
    if "@" in redis.host:
        raise ConfigError(f"redis.host: {WITH_LOGIN}; write the host alone.", "redis.host")
    host = bare_host(redis.host)
    if host is None:
        wrong("redis.host", redis.host, "a name or an address alone; the port is redis.port")
    return dataclasses.replace(redis, host=host)


def _warnings(
    config: Config, reader: SectionReader, literal: list[str], file: Path
) -> typing.Iterator[str]:
    if reader.legacy:
        yield f"{', '.join(reader.legacy)}: means nothing any more and can be deleted."
    for name in ("account_a", "account_b"):
        index = getattr(config.accounts, name).api_key_index
        if index <= RESERVED_API_KEYS:
            yield (
                f"accounts.{name}.api_key_index: {index} is used by Lighter's own apps (0 to 3); "
                "make another key, or its nonces will be taken from under us."
            )
    readable = os.name != "nt" and stat.S_IMODE(file.stat().st_mode) & 0o077
    for key in literal:
        if readable and key.startswith("redis."):
            yield f"{key}: stands in a file that others may read; {_private(file)}"


# --- the README's table -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ConfigRow:
    """One key as the README shows it."""

    key: str
    type: str
    unit: str
    default: str
    allowed: str
    meaning: str


def config_rows() -> list[ConfigRow]:
    """Return every key of config.yaml, in the order of the tree."""
    rows = [*_rows(Config, "", frozenset({"accounts", *_SECTIONS}))]
    for name in ("account_a", "account_b"):
        rows += _rows(AccountConfig, f"accounts.{name}.")
    for name, kind in _SECTIONS.items():
        rows += _rows(kind, f"{name}.")
        if kind is RedisConfig:
            rows += _rows(TlsConfig, "redis.tls.")
    return rows


def _rows(kind: type, prefix: str, leave_out: frozenset[str] = frozenset()) -> list[ConfigRow]:
    hints = typing.get_type_hints(kind)
    return [
        ConfigRow(
            key=prefix + item.name,
            type=_type_name(hints[item.name]),
            unit=item.metadata["unit"],
            default=item.metadata["shown"] or _shown(item.default),
            allowed="" if item.metadata["check"] is None else item.metadata["check"].shown,
            meaning=item.metadata["meaning"],
        )
        for item in settings_of(kind)
        if item.name not in leave_out
    ]


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not NoneType)
    if typing.get_origin(hint) is tuple:
        return "list"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " / ".join(str(member.value) for member in hint)
    names = {str: "text", Secret: "secret", Decimal: "decimal", float: "number", int: "integer"}
    names |= {bool: "true / false", TlsConfig: "true / false / keys"}
    return names[hint]


def _shown(default: object) -> str:
    if default is dataclasses.MISSING:
        return "required"
    if isinstance(default, Enum):
        return str(default.value)
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, TlsConfig):
        return "false"
    return "" if default in (None, "", ()) else str(default)


def markdown_table() -> str:
    """Return the table of all keys in Markdown."""
    lines = ["| Key | Type | Unit | Default | Allowed | Meaning |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{row.key}` | {row.type} | {row.unit} | {row.default} | {row.allowed} | {row.meaning} |"
        for row in config_rows()
    ]
    return "\n".join(lines) + "\n"
