"""The configuration tree: every key with its type, unit, default and meaning.

Frozen dataclasses; `load` fills and validates them. A field without a default must stand
in the file. Times are seconds unless the unit says otherwise; amounts of the base asset stay exact
`Decimal` until the market's size step is known.
"""

# ruff: noqa: RUF009 (setting() returns dataclasses.field)

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import urlsplit


class Secret:
    """Text that never shows itself; `reveal()` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Wrap the text."""
        self._text = text

    def reveal(self) -> str:
        """Return the text. Never log, publish or format the result."""
        return self._text

    def __repr__(self) -> str:
        """Return stars, also for str(), format() and tracebacks that print values."""
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)


class Tier(Enum):
    """Lighter's account tiers; they decide delays and request limits."""

    AUTO = "auto"
    """The exchange is asked which one the account has."""
    STANDARD = "standard"
    PLUS = "plus"
    PREMIUM = "premium"


class PartialFill(Enum):
    """What A does with the rest of an order after its first fill."""

    CANCEL = "cancel"
    KEEP = "keep"


MAX_PORT = 65_535
LONGEST_STOP_S = 604_800
"""A week: longer than any order of A may rest, with all that B waits for after it."""
MAX_ACCOUNT = 2**48 - 1
"""The exchange numbers accounts with 48 bits."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
REDIS_SECRETS = ("password", "reader_password", "sentinel_password", "shared_secret")
"""The keys of `redis` that must never be shown."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    return host in LOOPBACK or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


@dataclass(frozen=True, slots=True)
class Check:
    """What a key allows: `allowed` in words, and `why` where that is not plain.

    `real_low` is the least on the real exchange, and `low_why` its reason, None where that makes no
    difference: the paper exchange on this machine sets its own limits, and tests shorten its times.
    """

    allowed: str
    holds: Callable[[Any], bool]
    why: str = ""
    real_low: float | None = None
    low_why: str = ""

    def __call__(self, value: Any) -> str | None:
        """Return what is allowed, and why, where the value is not; else None."""
        return None if self.holds(value) else _words(self.allowed, self.why)

    def on_real(self, value: Any) -> str | None:
        """Return the same for the real exchange."""
        if self.real_low is None or value >= self.real_low:
            return None
        return _words(f"at least {self.real_low:g}", self.low_why or self.why)

    @property
    def shown(self) -> str:
        """What the table of all keys says."""
        if self.real_low is None:
            return self.allowed
        return f"{self.allowed}; real exchange: at least {self.real_low:g}"


def _words(allowed: str, why: str) -> str:
    return f"{allowed}: {why}" if why else allowed


def at_least(low: float) -> Check:
    """Allow `low` and more."""
    return Check(f"at least {low:g}", lambda value: bool(value >= low))


FAT_FINGER = "Lighter refuses a price further than 5 % from mark and the best one (21733)"
"""apidocs.lighter.xyz, trading: a bid is at most 1.05 times, an ask at least 0.95 times."""


def between(low: float, high: float, why: str = "", *, real_low: float | None = None) -> Check:
    """Allow `low` .. `high`."""
    return Check(f"{low:g} to {high:.15g}", lambda value: bool(low <= value <= high), why, real_low)


def up_to(high: float, why: str, *, real_low: float | None = None, low_why: str = "") -> Check:
    """Allow more than zero, up to `high`: beyond that something of the promise does not hold."""
    allowed = f"more than 0, at most {high:.15g}"
    return Check(allowed, lambda value: bool(0 < value <= high), why, real_low, low_why)


def one_of(*words: str) -> Check:
    """Allow these words."""
    return Check(", ".join(words), lambda value: value in words)


positive = Check("more than 0", lambda value: bool(value > 0))

_LOADS = "Redis and this machine would be busy with nothing else"
_EARLY = "an answer that is a little late would count as none"
_CUT = "a short pause would count as a dead side"
_SPENT = "the request budget would be spent on it"


def setting(
    meaning: str,
    unit: str = "",
    default: Any = ...,
    *,
    check: Check | None = None,
    shown: str = "",
) -> Any:
    """Describe one key: its meaning, unit, default (none: required) and what is allowed.

    `shown` is the default as the README table prints it, where the value itself says too little.
    """
    metadata = {"meaning": meaning, "unit": unit, "check": check, "shown": shown}
    if default is ...:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class AccountConfig:
    """One account and its key. The key is None on the host that does not need it."""

    account_name: str = setting(
        "what `status`, logs and complaints call the account",
        default="",
        shown="account_a / account_b",
    )
    account_index: int = setting("index of the account on Lighter", check=between(0, MAX_ACCOUNT))
    api_key_index: int = setting(
        "index of its API key; 0 to 3 are used by Lighter's own apps", check=between(0, 254)
    )
    api_key_private_key: Secret | None = setting(
        "private API key, best as ${VARIABLE}; needed on this side's host only", default=None
    )

    @property
    def shown(self) -> str:
        """The account for people: its name, and its index."""
        return f"{self.account_name} ({self.account_index})"


@dataclass(frozen=True, kw_only=True)
class AccountsConfig:
    """The two accounts of the pair."""

    account_a: AccountConfig
    account_b: AccountConfig


@dataclass(frozen=True, kw_only=True)
class TlsConfig:
    """TLS towards Redis; `redis.tls: true` is TLS with the system's authorities."""

    enabled: bool = setting("use TLS", default=False)
    ca_file: str = setting("authority that signed the server's certificate", default="")
    cert_file: str = setting("client certificate", default="")
    key_file: str = setting("key of the client certificate", default="")
    check_hostname: bool = setting("compare the certificate's name with the host", default=True)
    sentinels: bool = setting("the Sentinels speak TLS too", default=True)


@dataclass(frozen=True, kw_only=True)
class RedisConfig:
    """Where Redis is and how to talk to it."""

    host: str = setting("address of Redis", default="localhost")
    port: int = setting("port of Redis", default=6388, check=between(1, MAX_PORT))
    db: int = setting("database number", default=0, check=between(0, 1_000_000))
    username: str = setting("user name, if Redis has users", default="")
    password: Secret | None = setting("password, best as ${VARIABLE}", default=None)
    reader_username: str = setting(
        "user that reads and listens, where an ACL lets the other one only write", default=""
    )
    reader_password: Secret | None = setting("its password, best as ${VARIABLE}", default=None)
    tls: TlsConfig = setting("true, or an object of the keys below", default=TlsConfig())
    sentinels: tuple[tuple[str, int], ...] = setting(
        "Sentinels as host:port; with master_name instead of host and port", default=()
    )
    master_name: str = setting("name that the Sentinels watch", default="")
    sentinel_username: str = setting("user name at the Sentinels", default="")
    sentinel_password: Secret | None = setting("password at the Sentinels", default=None)
    shared_secret: Secret | None = setting(
        "signs every message between the two sides, best as ${VARIABLE}", default=None
    )

    @property
    def for_reading(self) -> "RedisConfig":
        """The login that reads and listens; this very object where there is only one."""
        if not self.reader_username:
            return self
        return replace(self, username=self.reader_username, password=self.reader_password)


@dataclass(frozen=True, kw_only=True)
class LighterConfig:
    """The exchange."""

    base_url: str = setting(
        "address of the exchange", default="https://mainnet.zklighter.elliot.ai"
    )
    ws_url: str = setting("address of its streams", default="", shown="from base_url")
    chain_id: int = setting(
        "chain that orders are signed for", default=0, check=at_least(1), shown="from base_url"
    )
    tier: Tier = setting(
        "account tier, which sets the budget of requests; auto asks the exchange for it",
        default=Tier.AUTO,
    )
    requests_per_minute: int = setting(
        "request budget of this daemon, reads and transactions alike, instead of the tier's",
        "1/min",
        0,
        check=at_least(1),
        shown="by tier; standard: A 28, B 32",
    )
    maker_order_time_out: float = setting(
        "A cancels and replaces an order older than this",
        "s",
        30.0,
        check=between(1, 86_400, "an order of an A that died may fill for so long"),
    )
    peer_watch: bool = setting(
        "B watches A's public trades, A looks at B's position before it reduces alone",
        default=True,
    )

    @property
    def is_local(self) -> bool:
        """Whether the exchange runs on this machine: a paper exchange."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


@dataclass(frozen=True, kw_only=True)
class StrategyConfig:
    """What the pair trades, and how hard B tries."""

    quantity: Decimal | None = setting(
        "size of A's opening order; or --quantity", "base", None, check=positive
    )
    depth: int = setting(
        "price level of A's orders, 1 = best",
        "level",
        1,
        check=between(1, 50, "so many levels of the book are kept"),
    )
    requote_ticks: int = setting(
        "A replaces an order further off its level than this, at most max_slippage_bps of it",
        "ticks",
        10,
        check=at_least(0),
    )
    requote_bps: Decimal | None = setting(
        "the same as a part of the price, instead of requote_ticks",
        "bps",
        None,
        check=between(0, 1000),
        shown="by requote_ticks",
    )
    on_partial_fill: PartialFill = setting(
        "what A does with the rest after a first fill", default=PartialFill.CANCEL
    )
    retry_times: int = setting(
        "proven failures before B gives up", "attempts", 3, check=between(1, 100)
    )
    retry_delay_s: float = setting("pause between attempts", "s", 1.0, check=between(0, 60))
    max_slippage_bps: int = setting(
        "how far from the book B's last attempt may pay, and what a hedge of A's order may cost",
        "bps",
        100,
        check=between(1, 500, FAT_FINGER),
    )
    hedge_confirm_timeout_s: float = setting(
        "an uncovered fill older than this is an alert",
        "s",
        30.0,
        check=between(1, 3600, "an uncovered fill goes unsaid for so long"),
    )
    force_close_timeout: float = setting(
        "an uncovered fill older than this makes A reduce itself",
        "s",
        60.0,
        check=between(
            1,
            3600,
            "B has 15 s of silence after a rate limit and must still be able to hedge first, and"
            " a fill may stay uncovered for so long",
            real_low=30,
        ),
    )
    offset_base_amount: Decimal = setting("what A + B shall be; signed", "base", Decimal(0))


@dataclass(frozen=True, kw_only=True)
class SafetyConfig:
    """Limits beyond which the pair does not trade."""

    max_fill_base_amount: Decimal | None = setting(
        "a larger fill of A halts, and its message is refused",
        "base",
        None,
        check=positive,
        shown="no limit",
    )
    max_position_base_amount: Decimal | None = setting(
        "a larger position of A halts", "base", None, check=positive, shown="no limit"
    )
    max_mark_gap_bps: int = setting(
        "no hedge pays a price further from the mark price than this",
        "bps",
        300,
        check=between(1, 500, FAT_FINGER),
    )
    max_drift_usd: Decimal = setting(
        "an unexplained difference up to this is hedged at start, beyond it the pair halts",
        "USD",
        Decimal(1000),
        check=at_least(0),
    )


@dataclass(frozen=True, kw_only=True)
class TimingConfig:
    """Every timer of the program."""

    tick_s: float = setting(
        "how often the managers look around",
        "s",
        0.2,
        check=up_to(1, "every deadline is looked at so often", real_low=0.02, low_why=_LOADS),
    )
    beat_s: float = setting(
        "heartbeat and state are written this often",
        "s",
        1.0,
        check=up_to(
            2,
            "a living side must be heard several times within the 8 s for which its words count",
            real_low=0.2,
            low_why=_LOADS,
        ),
    )
    ready_ttl_s: float = setting(
        "a heartbeat lives this long",
        "s",
        4.0,
        check=up_to(8, "a dead side is shown as running for so long", real_low=2, low_why=_CUT),
    )
    lease_ttl_s: float = setting(
        "a lease lives this long",
        "s",
        10.0,
        check=up_to(
            60, "nothing takes over from a dead process for so long", real_low=5, low_why=_CUT
        ),
    )
    lease_renew_s: float = setting(
        "a lease is renewed this often",
        "s",
        3.0,
        check=up_to(
            20, "a lease that is another's is noticed so late", real_low=0.5, low_why=_LOADS
        ),
    )
    redis_timeout_s: float = setting(
        "longest wait for Redis",
        "s",
        2.0,
        check=up_to(
            5,
            "a lost round trip holds up what the other side has to hear for so long",
            real_low=0.2,
            low_why=_EARLY,
        ),
    )
    redis_connect_s: float = setting(
        "longest opening of a connection to Redis",
        "s",
        10.0,
        check=up_to(
            60,
            "a Redis that takes connections and is silent is said so late",
            real_low=1,
            low_why=_EARLY,
        ),
    )
    redis_down_s: float = setting(
        "A cancels what rests when Redis is away this long",
        "s",
        4.0,
        check=up_to(
            8,
            "an order of A rests for so long though it cannot say a fill",
            real_low=1,
            low_why=_CUT,
        ),
    )
    redis_retry_min_s: float = setting(
        "first pause before Redis again",
        "s",
        0.1,
        check=up_to(
            5, "nothing is said to the other side for so long", real_low=0.02, low_why=_LOADS
        ),
    )
    redis_retry_max_s: float = setting(
        "longest pause before Redis again",
        "s",
        5.0,
        check=up_to(
            15, "nothing is said to the other side for so long", real_low=0.1, low_why=_LOADS
        ),
    )
    link_check_s: float = setting(
        "subscriptions are proven this often",
        "s",
        5.0,
        check=up_to(30, "a lost subscription is noticed so late", real_low=1, low_why=_LOADS),
    )
    request_timeout_s: float = setting(
        "answer to a REST request",
        "s",
        5.0,
        check=up_to(
            30, "what an answer would have shown is unknown for so long", real_low=1, low_why=_EARLY
        ),
    )
    answer_timeout_s: float = setting(
        "answer to a sent order",
        "s",
        2.0,
        check=up_to(10, "an order's fate is open for so long", real_low=0.5, low_why=_EARLY),
    )
    settle_timeout_s: float = setting(
        "settlement, after the predicted time",
        "s",
        5.0,
        check=up_to(30, "an order's fate is open for so long", real_low=1, low_why=_EARLY),
    )
    place_deadline_s: float = setting(
        "placing or cancelling",
        "s",
        10.0,
        check=up_to(
            60, "an order that nobody sees may rest for so long", real_low=3, low_why=_EARLY
        ),
    )
    marker_deadline_s: float = setting(
        "a fence marker, then a new one",
        "s",
        10.0,
        check=up_to(
            60, "a lost marker keeps an order's fate open for so long", real_low=3, low_why=_EARLY
        ),
    )
    prove_deadline_s: float = setting(
        "a book not proven by then halts",
        "s",
        60.0,
        check=up_to(
            300,
            "a side that cannot prove its book trades nothing for so long, unsaid",
            real_low=10,
            low_why=_EARLY,
        ),
    )
    retry_min_s: float = setting(
        "B's first back-off after giving up",
        "s",
        5.0,
        check=up_to(60, "a debt waits for so long", real_low=1, low_why=_SPENT),
    )
    retry_max_s: float = setting(
        "B's longest back-off",
        "s",
        30.0,
        check=up_to(60, "a debt waits for so long", real_low=2, low_why=_SPENT),
    )
    ws_ping_s: float = setting(
        "ping to the exchange",
        "s",
        20.0,
        check=up_to(
            60,
            "the exchange closes a link without a frame of ours after 120 s",
            real_low=5,
            low_why=_SPENT,
        ),
    )
    ws_silence_s: float = setting(
        "a silent stream is dropped",
        "s",
        90.0,
        check=up_to(120, "a dead link is noticed so late", real_low=10, low_why=_CUT),
    )
    ws_retry_min_s: float = setting(
        "first pause before the exchange",
        "s",
        0.25,
        check=up_to(5, "a debt waits for so long", real_low=0.1, low_why=_SPENT),
    )
    ws_retry_max_s: float = setting(
        "longest pause before it",
        "s",
        5.0,
        check=up_to(15, "a debt waits for so long", real_low=0.5, low_why=_SPENT),
    )
    compare_s: float = setting(
        "each side compares its book with the exchange's account this often",
        "s",
        60.0,
        check=up_to(
            600,
            "a book that differs from the account is noticed so late",
            real_low=10,
            low_why=_SPENT,
        ),
    )
    quiet_after_429_s: float = setting(
        "silence after a rate limit",
        "s",
        60.0,
        check=up_to(
            600,
            "neither side reads anything for so long",
            real_low=10,
            low_why="the exchange would refuse again",
        ),
    )
    stop_timeout_s: float = setting(
        "a clean stop takes at most",
        "s",
        60.0,
        check=up_to(
            LONGEST_STOP_S,
            "a stop that cannot be finished says so only then",
            real_low=5,
            low_why="the cancel of what rests would not be waited for",
        ),
    )
    view_lag_s: float = setting(
        "the most that an answer of the exchange is believed to lag",
        "s",
        15.0,
        check=up_to(
            120,
            "what an answer shows counts after so long: too early where the exchange lags by more",
            real_low=5,
        ),
    )
    start_timeout_s: float = setting(
        "the exchange's first frames",
        "s",
        30.0,
        check=up_to(
            300, "a start that sees nothing says nothing for so long", real_low=5, low_why=_EARLY
        ),
    )


@dataclass(frozen=True, kw_only=True)
class StateConfig:
    """Where this host keeps its own state."""

    dir: str = setting(
        "directory of locks, books and halt files; relative to the configuration file's folder",
        default="run",
    )


@dataclass(frozen=True, kw_only=True)
class LoggingConfig:
    """Log files."""

    dir: str = setting(
        "directory of main_A.log and main_B.log; relative to the configuration file's folder",
        default="logs",
    )
    level: str = setting(
        "least level that is written",
        default="INFO",
        check=one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    max_mb: int = setting("size at which a log is rotated", "MB", 20, check=between(1, 10_000))
    keep: int = setting("rotated logs kept", "files", 10, check=between(1, 1000))
    console: bool = setting("write to the terminal too", default=True)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration of one daemon; `side` is "a" or "b", "" for a tool."""

    pair: str = setting("name of the pair; needed for two pairs in one Redis", default="")
    market: str = setting("symbol of the market; or --market", default="ETH")
    accounts: AccountsConfig
    redis: RedisConfig = RedisConfig()
    lighter: LighterConfig = LighterConfig()
    strategy: StrategyConfig = StrategyConfig()
    safety: SafetyConfig = SafetyConfig()
    timing: TimingConfig = TimingConfig()
    state: StateConfig = StateConfig()
    logging: LoggingConfig = LoggingConfig()
    side: str = field(default="", metadata={"internal": True})
    warnings: tuple[str, ...] = field(default=(), metadata={"internal": True})
    file: str = field(default="", metadata={"internal": True})
    """The file that it was read from, as it was named; "" where it comes from none."""
    options: tuple[str, ...] = field(default=(), metadata={"internal": True})
    """The dotted keys whose values the command line gave."""
    former_state_dir: str = field(default="", metadata={"internal": True})
    """Where a relative `state.dir` pointed up to version 0.1.0: against the working directory.

    "" where that is the same place.
    """

    def place_of(self, key: str) -> str:
        """Return where the value of a dotted key was written: the option, or the file."""
        return option_of(key) if key in self.options else self.file

    @property
    def own(self) -> AccountConfig:
        """The account of this side."""
        return self.accounts.account_b if self.side == "b" else self.accounts.account_a

    @property
    def peer(self) -> AccountConfig:
        """The other side's account."""
        return self.accounts.account_a if self.side == "b" else self.accounts.account_b

    @property
    def secret(self) -> bytes | None:
        """The shared secret as bytes, None without one."""
        secret = self.redis.shared_secret
        return secret.reveal().encode() if secret is not None else None


def option_of(key: str) -> str:
    """Return the option of the command line that stands for a dotted key."""
    return f"--{key.rpartition('.')[2].replace('_', '-')}"


def settings_of(section: type) -> list[Any]:
    """Return the dataclass fields of a section that a user may set."""
    return [item for item in fields(section) if not item.metadata.get("internal")]
