"""The configuration: what is read, what is derived, and how each mistake is named."""

import dataclasses
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedge.config.load import config_rows, load_config, markdown_table
from hedge.config.schema import Config, PartialFill, Secret, Tier, TimingConfig, settings_of
from hedge.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
KEY = "ab" * 40
MINIMAL: dict[str, Any] = {
    "accounts": {
        "account_a": {
            "account_index": 280459,
            "api_key_index": 4,
            "api_key_private_key": "${LIGHTER_A_PRIVATE_KEY}",
        },
        "account_b": {
            "account_index": 280458,
            "api_key_index": 5,
            "api_key_private_key": "${LIGHTER_B_PRIVATE_KEY}",
        },
    }
}
ENVIRONMENT = {"LIGHTER_A_PRIVATE_KEY": KEY, "LIGHTER_B_PRIVATE_KEY": "0x" + KEY}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, values: object, mode: int = 0o644) -> Path:
    path = folder / "config.yaml"
    text = values if isinstance(values, str) else yaml.safe_dump(values)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def merged(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the minimal configuration with dotted keys changed."""
    values: dict[str, Any] = yaml.safe_load(yaml.safe_dump(MINIMAL))
    for key, value in changes.items():
        section = values
        *path, name = key.split(".")
        for part in path:
            section = section.setdefault(part, {})
        section[name] = value
    return values


def load(folder: Path, side: str = "a", **changes: Any) -> Config:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return load_config(write(folder, merged(dotted)), side, environment=ENVIRONMENT)


def complaint(folder: Path, changes: dict[str, Any], side: str = "a") -> ConfigError:
    with pytest.raises(ConfigError) as failure:
        load_config(write(folder, merged(changes), 0o600), side, environment=ENVIRONMENT)
    return failure.value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lighter.base_url", "https://me:hunter2@example.org"),
        ("lighter.base_url", "https://me:hunter2@example.org:x"),
        ("lighter.base_url", "me:hunter2@example.org"),
        ("lighter.base_url", "https://example:hunter2"),
        ("lighter.ws_url", "wss://me:hunter2@example.org/stream"),
        ("redis.host", "redis://:hunter2@example.org:6379"),
        ("redis.host", "me:hunter2@example.org"),
        ("redis.sentinels", ["me:hunter2@example.org:26379"]),
    ],
)
def test_a_password_in_an_address_is_refused_unshown(folder: Path, key: str, value: object) -> None:
    """It would stand in every line that names the address."""
    error = complaint(folder, {key: value, "redis.master_name": "m"})
    assert error.key == key
    assert "hunter2" not in str(error)


def test_an_ipv6_address_may_stand_in_brackets(folder: Path) -> None:
    """As people write one beside a port; Redis is told the address alone."""
    for text in ("[::1]", "::1", "[fe80::1%eth0]"):
        assert load(folder, redis__host=text).redis.host == text.strip("[]")
    both = {"redis__sentinels": ["[2001:db8::1]:26379"], "redis__master_name": "m"}
    assert load(folder, **both).redis.sentinels == (("2001:db8::1", 26379),)
    local = load(folder, lighter__base_url="http://[::1]:8790").lighter
    assert (local.is_local, local.ws_url) == (True, "ws://[::1]:8790/stream")


def test_the_minimum_has_working_defaults(folder: Path) -> None:
    """Two accounts are enough; everything else has the documented default."""
    config = load(folder)
    assert config.warnings == ()
    assert config.own.account_index == 280459
    assert config.peer.account_index == 280458
    assert config.own.account_name == "account_a"
    assert config.own.api_key_private_key == Secret(KEY)
    assert (config.redis.host, config.redis.port, config.redis.db) == ("localhost", 6388, 0)
    assert config.lighter.base_url == "https://mainnet.zklighter.elliot.ai"
    assert config.lighter.ws_url == "wss://mainnet.zklighter.elliot.ai/stream"
    assert config.lighter.chain_id == 304
    assert config.lighter.requests_per_minute == 0
    assert config.lighter.tier is Tier.AUTO
    assert config.lighter.maker_order_time_out == 30
    assert config.strategy.on_partial_fill is PartialFill.CANCEL
    assert config.strategy.offset_base_amount == 0
    assert config.safety.max_drift_usd == 1000
    assert config.safety.max_fill_base_amount is None
    assert config.timing.answer_timeout_s == 2
    assert config.state.dir == str(folder / "run")
    assert config.secret is None


def test_relative_directories_do_not_follow_the_working_directory(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any working directory, and through a link, state and logs are beside the file."""
    path = write(folder, merged({"state.dir": "kept/state"}))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    link = elsewhere / "linked.yaml"
    link.symlink_to(path)
    for here in (folder, elsewhere):
        monkeypatch.chdir(here)
        for name in (path, Path(os.path.relpath(path)), link):
            config = load_config(name, "a", environment=ENVIRONMENT)
            assert config.state.dir == str(folder / "kept" / "state")
            assert config.logging.dir == str(folder / "logs")
    assert config.former_state_dir == str(elsewhere / "kept" / "state")
    monkeypatch.chdir(folder)
    assert load_config(path, "a", environment=ENVIRONMENT).former_state_dir == ""


def test_an_absolute_directory_is_as_written(folder: Path, tmp_path: Path) -> None:
    """It has no other place, neither now nor earlier."""
    place = str(tmp_path / "anywhere")
    config = load(folder, state__dir=place, logging__dir=place)
    assert (config.state.dir, config.logging.dir) == (place, place)
    assert config.former_state_dir == ""


def test_b_has_its_own_side(folder: Path) -> None:
    """Side B sees its account as its own."""
    config = load(folder, "b")
    assert config.own.account_index == 280458
    assert config.peer.account_index == 280459


@pytest.mark.parametrize(
    ("base", "stream", "chain"),
    [
        ("http://127.0.0.1:8790/", "ws://127.0.0.1:8790/stream", 304),
        ("https://testnet.zklighter.elliot.ai", "wss://testnet.zklighter.elliot.ai/stream", 300),
    ],
)
def test_addresses_are_derived(folder: Path, base: str, stream: str, chain: int) -> None:
    """The streams' address and the chain follow from the base address."""
    config = load(folder, lighter__base_url=base)
    assert config.lighter.ws_url == stream
    assert config.lighter.chain_id == chain
    own = load(folder, lighter__base_url=base, lighter__ws_url="wss://x/y")
    assert (own.lighter.ws_url, own.lighter.chain_id) == ("wss://x/y", chain)


def test_values_of_two_networks_are_refused(folder: Path) -> None:
    """Streams of one network and orders for another one; a proxy may stand before either."""
    test, main = "testnet.zklighter.elliot.ai", "mainnet.zklighter.elliot.ai"
    error = complaint(folder, {"lighter.ws_url": f"wss://{test}/stream"})
    assert error.key == "lighter.ws_url"
    assert main in str(error)
    error = complaint(folder, {"lighter.base_url": f"https://{test}", "lighter.chain_id": 304})
    assert error.key == "lighter.chain_id"
    assert load(folder, lighter__base_url="https://api.rh.lighter.xyz").lighter.chain_id == 466_324
    own = load(folder, lighter__base_url="https://proxy:1", lighter__chain_id=7)
    assert own.lighter.chain_id == 7


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("strategy.quantity", "0123", "found 0123 in line 10, a number that is not in plain"),
        ("strategy.quantity", "1_000", "which YAML reads as 1000"),
        ("strategy.quantity", "0x10", "which YAML reads as 16"),
        ("strategy.quantity", "1:30", "which YAML reads as 90"),
        ("strategy.quantity", "1_0.5", "which YAML reads as 10.5"),
        ("strategy.quantity", ".inf", "not in plain decimal digits"),
        ("strategy.quantity", "on", "found on in line 10, which YAML reads as true"),
        ("strategy.depth", "off", "which YAML reads as false; allowed is a whole number"),
        ("strategy.depth", "0b11", "which YAML reads as 3"),
        ("strategy.retry_delay_s", "yes", "allowed is a number"),
        ("strategy.retry_delay_s", "1:30.5", "which YAML reads as 90.5"),
        ("redis.port", "0777", "which YAML reads as 511"),
        ("redis.host", "no", "which YAML reads as false; allowed is text; put it in quotes"),
        ("redis.host", "2026-01-01", "which YAML reads as a date"),
        ("lighter.tier", "no", "allowed is auto or standard or plus or premium"),
        ("lighter.peer_watch", "0123", "allowed is true or false"),
        ("lighter.peer_watch", "!!bool maybe", "found maybe in line 10; allowed is true or false"),
        ("strategy.quantity", "1.0e+999999999", "allowed is a decimal number"),
        ("safety.max_drift_usd", "1.0e-999999", "allowed is a decimal number"),
        ("redis.password", "0x10", "must be text; put it in quotes"),
        ("redis.sentinels", "[0123]", "host:port"),
    ],
)
def test_a_number_in_another_notation_is_refused_by_name(
    folder: Path, key: str, text: str, found: str
) -> None:
    """YAML reads 0123 as 83 and on as true; what a person wrote means what it says."""
    section, name = key.split(".")
    path = write(folder, yaml.safe_dump(MINIMAL) + f"{section}: {{{name}: {text}}}\n")
    with pytest.raises(ConfigError) as failure:
        load_config(path, "a", environment=ENVIRONMENT)
    error = failure.value
    assert (error.key, str(error).startswith(f"{path}: {key}: ")) == (key, True)
    assert found in str(error)
    assert key != "redis.password" or text not in str(error)


def test_on_and_off_are_true_and_false_where_those_are_meant(folder: Path) -> None:
    """There they mean what they say."""
    text = "redis: {tls: on}\nlighter: {peer_watch: no}\n"
    config = load_config(
        write(folder, yaml.safe_dump(MINIMAL) + text), "a", environment=ENVIRONMENT
    )
    assert (config.redis.tls.enabled, config.lighter.peer_watch) == (True, False)


def test_what_has_nothing_behind_it_is_refused(folder: Path) -> None:
    """Neither a key without a value, nor a secret whose variable is empty, is no secret."""
    path = write(folder, yaml.safe_dump(MINIMAL) + "redis: {shared_secret: }\n")
    with pytest.raises(ConfigError, match=r"redis\.shared_secret: nothing stands behind it"):
        load_config(path, "a", environment=ENVIRONMENT)
    for key, name in (("shared_secret", "S"), ("password", "BLANK"), ("host", "S")):
        path = write(folder, merged({f"redis.{key}": f"${{{name}}}"}))
        with pytest.raises(ConfigError, match=rf"redis\.{key}: is empty"):
            load_config(path, "a", environment={**ENVIRONMENT, "S": "", "BLANK": " \t"})


@pytest.mark.parametrize("text", ["x", "eleven more", "           x"])
def test_a_short_secret_is_refused_unshown(folder: Path, text: str) -> None:
    """By variable or in the file: it would be found by trying."""
    written = complaint(folder, {"redis.shared_secret": text})
    path = write(folder, merged({"redis.shared_secret": "${S}"}))
    with pytest.raises(ConfigError) as by_variable:
        load_config(path, "b", environment={**ENVIRONMENT, "S": text})
    for error in (written, by_variable.value):
        assert error.key == "redis.shared_secret"
        assert "too short; write at least 12 characters" in str(error)
        assert text not in str(error).partition("too short")[0]
    assert load(folder, redis__shared_secret="twelve chars").secret == b"twelve chars"


def test_variables_hold_numbers_too(folder: Path) -> None:
    """Whatever the type is; blanks around are the environment's."""
    names = {"Q": "0.02", "D": "3", "S": "1.5", "T": "premium", "W": "false", "P": " 6379\n"}
    names |= {"HOSTS": "s1:26379, [::1]:26380", "TLS": "true", "INDEX": "77"}
    changes = {
        "strategy.quantity": "${Q}",
        "strategy.depth": "${D}",
        "strategy.retry_delay_s": "${S}",
        "lighter.tier": "${T}",
        "lighter.peer_watch": "${W}",
        "redis.port": "${P}",
        "redis.tls": "${TLS}",
        "redis.sentinels": "${HOSTS}",
        "redis.master_name": "m",
        "accounts.account_a.account_index": "${INDEX}",
    }
    config = load_config(write(folder, merged(changes)), "a", environment={**ENVIRONMENT, **names})
    strategy, redis, lighter = config.strategy, config.redis, config.lighter
    assert (strategy.quantity, strategy.depth, strategy.retry_delay_s) == (Decimal("0.02"), 3, 1.5)
    assert (lighter.tier, lighter.peer_watch) == (Tier.PREMIUM, False)
    assert (redis.port, redis.tls.enabled) == (6379, True)
    assert redis.sentinels == (("s1", 26379), ("::1", 26380))
    assert config.own.account_index == 77


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("strategy.quantity", "0123"),
        ("strategy.quantity", ""),
        ("strategy.quantity", "hunter2"),
        ("strategy.depth", "1.0"),
        ("strategy.depth", "9" * 5000),
        ("strategy.retry_delay_s", "1e3"),
        ("lighter.tier", "gold"),
        ("lighter.peer_watch", "maybe"),
        ("redis.port", "0x10"),
    ],
)
def test_a_variable_that_holds_something_else_is_named_unshown(
    folder: Path, key: str, text: str
) -> None:
    """It may be the variable of a secret, by mistake."""
    path = write(folder, merged({key: "${V}"}))
    with pytest.raises(ConfigError, match="environment variable V does not hold") as failure:
        load_config(path, "a", environment={**ENVIRONMENT, "V": text})
    assert failure.value.key == key
    assert not text or text not in str(failure.value).removeprefix(str(path))


@pytest.mark.parametrize("text", ["$NAME", "${NAME", "${NAME:-hunter2}", "%NAME%", "${NA-ME}"])
@pytest.mark.parametrize(
    "key",
    [
        "accounts.account_a.api_key_private_key",
        "redis.shared_secret",
        "redis.password",
        "redis.host",
        "strategy.quantity",
        "strategy.depth",
        "lighter.tier",
        "pair",
    ],
)
def test_what_looks_like_a_variable_and_is_none_is_named(folder: Path, key: str, text: str) -> None:
    """`$NAME` as a shared secret would be a secret that everybody knows."""
    error = complaint(folder, {key: text})
    assert error.key == key
    assert "is no variable: one is written ${NAME}" in str(error)
    assert ("hunter2" in str(error)) == (
        "hunter2" in text
        and "key" not in key.partition("_")[2]
        and key not in ("redis.shared_secret", "redis.password")
    )


def test_a_dollar_alone_is_no_variable(folder: Path) -> None:
    """A password may hold one, and begin with one."""
    for text in ("$ecret of two", "pa$$word of two", "100 % of it", "US$", "$1 for two of us"):
        assert load(folder, redis__password=text).redis.password == Secret(text)


def test_amounts_stay_exact(folder: Path) -> None:
    """An amount is the same whether it is written as text or as a number with a fraction."""
    text = yaml.safe_dump(MINIMAL) + (
        "strategy: {quantity: 0.0100, offset_base_amount: '-1.5', retry_delay_s: 0.5}\n"
        "safety: {max_fill_base_amount: 3, max_position_base_amount: 100000000.00000001}\n"
    )
    config = load_config(write(folder, text), "a", environment=ENVIRONMENT)
    assert str(config.strategy.quantity) == "0.0100"
    assert config.strategy.offset_base_amount == Decimal("-1.5")
    assert config.strategy.retry_delay_s == 0.5
    assert config.safety.max_fill_base_amount == 3
    assert config.safety.max_position_base_amount == Decimal("100000000.00000001")


def test_the_command_line_comes_last(folder: Path) -> None:
    """Overrides replace what the file says; those that are None do not."""
    path = write(folder, merged({"market": "BTC", "strategy.depth": 3}))
    config = load_config(
        path,
        "a",
        {"market": "ETH", "strategy.quantity": "0.02", "strategy.depth": None},
        ENVIRONMENT,
    )
    assert (config.market, config.strategy.quantity, config.strategy.depth) == (
        "ETH",
        Decimal("0.02"),
        3,
    )


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        (
            "strategy.dept",
            1,
            "strategy.dept: unknown key; did you mean depth? Known here: quantity,",
        ),
        ("stratgy", {}, "stratgy: unknown key; did you mean strategy? Known here: pair, market,"),
        ("strategy.colour", 1, "strategy.colour: unknown key; known here: quantity,"),
        ("accounts.account_c", {}, "unknown key"),
        ("redis.tls", {"ca": "x"}, "unknown key"),
        ("strategy", [], "keys with values"),
        ("accounts", "x", "keys with values"),
        ("accounts.account_a.account_index", None, "is missing"),
        ("accounts.account_a.account_index", "280459", "whole number"),
        ("accounts.account_a.account_index", True, "whole number"),
        ("accounts.account_a.account_index", -1, "0 to 281474976710655"),
        ("accounts.account_a.api_key_index", 255, "0 to 254"),
        ("accounts.account_b.account_index", 280459, "another account"),
        ("accounts.account_a.api_key_private_key", 12, "must be text"),
        ("redis.port", 70000, "1 to 65535"),
        ("redis.port", 6388.5, "whole number"),
        ("redis.host", 5, "text"),
        ("redis.tls", "yes please", "true, false"),
        ("redis.sentinels", "x:1", "list"),
        ("redis.sentinels", ["nowhere"], "host:port"),
        ("redis.sentinels", ["s1:0"], "host:port"),
        ("redis.sentinels", ["s1:65536"], "host:port"),
        ("redis.sentinels", ["s1:" + "9" * 5000], "host:port"),
        ("redis.master_name", "m", "redis.sentinels"),
        ("redis.sentinels", ["::g:1"], "in brackets"),
        ("redis.sentinels", ["[::1:1"], "in brackets"),
        ("redis.sentinels", ["::1:26379"], "in brackets"),
        ("redis.sentinels", ["fd00::1:2637"], "in brackets"),
        ("redis.sentinels", ["2001:db8:0:0:0:0:0:1:26379"], "in brackets"),
        ("redis.sentinels", ["$NAME"], "is no variable"),
        ("redis.host", "", "a name or an address"),
        ("redis.host", "redis:6379", "the port is redis.port"),
        ("redis.host", "[redis]", "a name or an address"),
        ("redis.host", "a b", "a name or an address"),
        ("lighter.base_url", "http://example.org", "https:// for anything but this machine"),
        ("lighter.base_url", "http://127.0.0.1.example.org", "anything but this machine"),
        ("lighter.ws_url", "ws://192.168.0.1/stream", "wss:// for anything but this machine"),
        ("lighter.base_url", "https://example.org/api/v1", "without a path"),
        ("lighter.base_url", "https://example.org?x=1", "without a path"),
        ("strategy.depth", 51, "1 to 50: so many levels"),
        ("strategy.max_slippage_bps", 501, "1 to 500: Lighter refuses a price further than 5 %"),
        ("safety.max_mark_gap_bps", 501, "1 to 500: Lighter refuses a price further than 5 %"),
        ("lighter.base_url", "mainnet", "https://"),
        ("lighter.ws_url", "https://x", "wss://"),
        ("lighter.ws_url", "wss://host:99999/stream", "1 to 65535"),
        ("lighter.ws_url", "wss://[::1/stream", "a host"),
        ("lighter.base_url", "https://host:abc", "1 to 65535"),
        ("logging.keep", 0, "1 to 1000"),
        ("timing.tick_s", 10**400, "below 1e+09"),
        ("lighter.tier", "gold", "auto or standard or plus or premium"),
        ("lighter.peer_watch", 1, "true or false"),
        ("lighter.maker_order_time_out", 0, "1 to 86400"),
        ("lighter.maker_order_time_out", "30", "without quotes"),
        ("strategy.quantity", 0, "more than 0"),
        ("strategy.quantity", "1,5", "decimal number"),
        ("strategy.quantity", "1e3", "decimal number"),
        ("strategy.quantity", float("nan"), "plain decimal digits"),
        ("strategy.quantity", "1" * 40, "decimal number"),
        ("strategy.depth", 0, "1 to 50"),
        ("strategy.on_partial_fill", "drop", "cancel or keep"),
        ("strategy.max_slippage_bps", 0, "1 to 500"),
        ("strategy.requote_bps", 1001, "0 to 1000"),
        ("safety.max_mark_gap_bps", 0, "1 to 500"),
        ("safety.max_drift_usd", -1, "at least 0"),
        ("timing.tick_s", 0, "more than 0"),
        ("timing.lease_renew_s", 10, "less than timing.lease_ttl_s"),
        ("timing.redis_retry_max_s", 0.1, "less than timing.redis_retry_max_s"),
        ("logging.level", "LOUD", "DEBUG, INFO"),
        ("pair", "a:b", "letters"),
        ("market", "", "symbol"),
    ],
)
def test_each_mistake_names_its_key(folder: Path, key: str, value: object, found: str) -> None:
    """A mistake is one sentence with the dotted key and what is allowed."""
    error = complaint(folder, {key: value})
    assert error.exit_code == 2
    assert error.key.startswith(key.split(".", maxsplit=1)[0])
    assert str(error).startswith(f"{folder / 'config.yaml'}: {error.key}")
    assert found in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("ticks", [10, 20])
def test_one_tolerance_is_written(folder: Path, ticks: int) -> None:
    """Which of two would count nobody could tell, also where one of them is the default."""
    both = {"strategy.requote_ticks": ticks, "strategy.requote_bps": 0.5}
    error = complaint(folder, both)
    assert error.key == "strategy.requote_bps"
    assert "write one of the two" in str(error)


def test_a_quantity_beyond_the_largest_fill_is_impossible(folder: Path) -> None:
    """An order that could fill beyond the limit would have its own fills refused."""
    error = complaint(folder, {"strategy.quantity": 2, "safety.max_fill_base_amount": "1.5"})
    assert error.key == "strategy.quantity"


def test_keys_of_the_old_program_are_one_warning(folder: Path) -> None:
    """Keys that mean nothing any more are accepted wherever they stood, with one warning."""
    config = load(
        folder,
        poll_interval=1,
        strategy__poll_interval=1,
        strategy__ws_reconnect_delay=5,
        accounts__account_a__poll_interval=2,
        accounts__ws_reconnect_delay=3,
    )
    assert len(config.warnings) == 1
    assert "strategy.poll_interval" in config.warnings[0]


@pytest.mark.parametrize("index", [0, 3])
def test_keys_of_the_venues_apps_are_a_warning(folder: Path, index: int) -> None:
    """API keys 0 to 3 belong to the venue's own apps."""
    config = load(folder, accounts__account_a__api_key_index=index)
    assert len(config.warnings) == 1
    assert "api_key_index" in config.warnings[0]


def test_only_this_sides_key_is_needed(folder: Path) -> None:
    """A host without the other side's variable works; without its own it says which is missing."""
    path = write(folder, MINIMAL)
    only_b = {"LIGHTER_B_PRIVATE_KEY": KEY}
    config = load_config(path, "b", environment=only_b)
    assert config.accounts.account_a.api_key_private_key is None
    assert load_config(path, "", environment={}).own.api_key_private_key is None
    with pytest.raises(ConfigError, match="LIGHTER_A_PRIVATE_KEY is not set"):
        load_config(path, "a", environment=only_b)


@pytest.mark.parametrize("around", [("", "\n"), (" ", ""), ("\t", " \r\n")])
def test_a_key_with_blanks_around_it_is_the_key(folder: Path, around: tuple[str, str]) -> None:
    """As `echo` and a paste leave it; those within it are a mistake."""
    before, after = around
    names = {"LIGHTER_A_PRIVATE_KEY": before + KEY + after}
    config = load_config(write(folder, MINIMAL), "a", environment=names)
    assert config.own.api_key_private_key == Secret(KEY)
    broken = {"LIGHTER_A_PRIVATE_KEY": KEY[:40] + before + after + KEY[40:]}
    with pytest.raises(ConfigError, match="is not a private key"):
        load_config(write(folder, MINIMAL), "a", environment=broken)


@pytest.mark.parametrize(
    "index", [2**48, 10**40, "0x" + "aB" * 20, " 0X" + "0" * 40, int("ab" * 20, 16)]
)
def test_a_wallet_address_is_no_account_index(folder: Path, index: object) -> None:
    """Written in quotes or without, in hexadecimal or not."""
    error = complaint(folder, {"accounts.account_b.account_index": index})
    assert error.key == "accounts.account_b.account_index"
    assert "is a wallet address" in str(error)
    assert (
        load(folder, accounts__account_b__account_index=2**48 - 1).peer.account_index == 2**48 - 1
    )


def test_a_wallet_address_without_quotes_is_named_too(folder: Path) -> None:
    """YAML reads it as one large number."""
    text = yaml.safe_dump(MINIMAL).replace("280458", "0x" + "12" * 20)
    with pytest.raises(ConfigError, match="is a wallet address"):
        load_config(write(folder, text), "a", environment=ENVIRONMENT)


def test_an_option_of_the_command_line_is_named_as_one(folder: Path) -> None:
    """A mistake that does not stand in the file does not name it."""
    path = write(folder, MINIMAL)
    for key, value, option in (
        ("strategy.quantity", "0123", "--quantity"),
        ("strategy.depth", 60, "--depth"),
        ("timing.stop_timeout_s", -1.0, "--stop-timeout-s"),
    ):
        with pytest.raises(ConfigError, match=f"^{option}: {re.escape(key)}: "):
            load_config(path, "a", {key: value}, ENVIRONMENT)


def test_a_file_that_is_not_filled_in_says_where_to_begin(folder: Path) -> None:
    """As it is shipped; with one of both accounts it is the other one's number that is missing."""
    error = complaint(
        folder,
        {"accounts.account_a.account_index": None, "accounts.account_b.account_index": None},
    )
    assert "accounts.account_a.account_index: is missing, and account_b's too" in str(error)
    assert "start_hedge.sh --paper" in str(error)
    assert "--config run/paper/config.yaml" in str(error)
    error = complaint(folder, {"accounts.account_b.account_index": None})
    assert str(error).endswith(
        "accounts.account_b.account_index: is missing; write it there: index of the account on "
        "Lighter."
    )


def test_a_file_that_is_not_there_says_where_it_was_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare name is one of the folder in which the command was typed."""
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError) as failure:
        load_config("none.yaml")
    assert str(failure.value) == f"none.yaml: no such file in {folder}; give one by --config."


def test_a_missing_key_says_so(folder: Path) -> None:
    """A side without any private key is told where to write it."""
    error = complaint(folder, {"accounts.account_a.api_key_private_key": ""})
    assert error.key == "accounts.account_a.api_key_private_key"
    assert "is missing" in str(error)


def test_a_wrong_key_is_never_shown(folder: Path) -> None:
    """A private key that cannot be one is refused without showing it."""
    with pytest.raises(ConfigError) as failure:
        load_config(
            write(folder, MINIMAL), "a", environment={"LIGHTER_A_PRIVATE_KEY": "hunter2" * 3}
        )
    assert "hunter2" not in str(failure.value)


@pytest.mark.skipif(os.name == "nt", reason="no file modes there")
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_file_with_a_key_in_it_must_be_private(folder: Path, side: str) -> None:
    """A literal private key in a file that others may read is refused with the cure."""
    values = merged({"accounts.account_a.api_key_private_key": KEY})
    path = write(folder, values, 0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_config(path, side, environment=ENVIRONMENT)
    path.chmod(0o600)
    assert load_config(path, side, environment=ENVIRONMENT).warnings == ()


@pytest.mark.skipif(os.name == "nt", reason="no file modes there")
def test_a_readable_password_is_a_warning(folder: Path) -> None:
    """A literal Redis password in a readable file is a warning; by variable it is none."""
    config = load(folder, redis__password="pw", redis__shared_secret="s3cret of two")
    assert [text.split(":")[0] for text in config.warnings] == [
        "redis.password",
        "redis.shared_secret",
    ]
    assert config.secret == b"s3cret of two"
    assert load(folder, redis__password="${LIGHTER_A_PRIVATE_KEY}").warnings == ()
    assert load(folder, redis__password="").redis.password is None


def test_a_missing_variable_is_named(folder: Path) -> None:
    """A variable that is not set is named with the key that wants it."""
    error = complaint(folder, {"redis.password": "${NOWHERE}"})
    assert error.key == "redis.password"
    assert "NOWHERE" in str(error)


def test_variables_are_replaced_in_texts(folder: Path) -> None:
    """A variable may stand anywhere in a text."""
    path = write(folder, merged({"redis.host": "${WHO}.example.${TLD}"}))
    config = load_config(path, "a", environment={**ENVIRONMENT, "WHO": "db", "TLD": "org"})
    assert config.redis.host == "db.example.org"


def test_tls_and_sentinels(folder: Path) -> None:
    """TLS is true or keys; Sentinels are a list of addresses with the master's name."""
    assert load(folder, redis__tls=True).redis.tls.enabled
    tls = load(folder, redis__tls={"ca_file": "ca.pem"}).redis.tls
    assert (tls.enabled, tls.ca_file, tls.check_hostname) == (True, "ca.pem", True)
    redis = load(folder, redis__sentinels=["s1:26379", "[::1]:26380"], redis__master_name="m").redis
    assert redis.sentinels == (("s1", 26379), ("::1", 26380))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("accounts: [", "not valid YAML in line"),
        ("accounts: [a\nb: c", "line 2: a bracket that is not closed, or a comma"),
        (
            "redis: {host: ${X}",
            "line 1: a bracket that is not closed, or a comma that is missing; put",
        ),
        ("redis: 'x", "line 1: a quote or a bracket that is not closed"),
        ("  pair: x\n market: y", "line 2: it does not fit the lines above it; check its indent"),
        ("redis:\n  host: x\n   port: 1", "line 3: a second colon, or an indentation that"),
        ("redis: {host: x,\nport", "line 2: a bracket that is not closed"),
        ("pair\n\nmarket: y\n", "line 3: a second colon"),
        ("pair: *x", "line 1: a text that begins with * without quotes"),
        ("pair: !x 1", "line 1: a text that begins with ! without quotes"),
        ("redis: {}\nredis: {}", "stands there twice"),
        ("- a\n- b", "the file"),
        ("just text", "the file"),
        ("", "accounts.account_a.account_index"),
        ("accounts: {api_key_private_key: {{ KEY }}}", "a key that is no text"),
        ("? [a]\n: b", "a key that is no text"),
        ("redis: {host: 2024-13-45}", "found 2024-13-45 in line 1, which YAML reads as a date"),
        ("redis: {host: 0x_}", "found 0x_ in line 1; allowed is text; put it in quotes"),
        ("redis: {port: !!int abc}", "not in plain decimal digits"),
        ("pair: " + "9" * 5000, "cannot be read"),
        ("pair: " + "[" * 3000, "cannot be read"),
        ("timing: {tick_s: " + "9" * 400 + "}", "timing.tick_s"),
    ],
)
def test_a_broken_file_is_one_sentence(folder: Path, text: str, found: str) -> None:
    """A file that is no configuration is one sentence."""
    with pytest.raises(ConfigError) as failure:
        load_config(write(folder, text), "a", environment=ENVIRONMENT)
    assert found in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_broken_file_never_shows_a_key(folder: Path) -> None:
    """A syntax error next to a key does not print the line."""
    with pytest.raises(ConfigError) as failure:
        load_config(write(folder, f"key: {KEY}: : [", 0o600), "a", environment=ENVIRONMENT)
    assert KEY not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "redis: {password: *hunter2secret}",
        "redis: {password: !hunter2secret x}",
        "redis:\n  password:hunter2secret",
        "redis: {password:hunter2secret}",
        "redis: {password:hunter2secret: 1}",
    ],
)
def test_a_secret_with_a_typo_around_it_is_not_shown(folder: Path, text: str) -> None:
    """The complaint may end in a journal; it names the place, never the value."""
    with pytest.raises(ConfigError) as failure:
        load_config(write(folder, text), "a", environment=ENVIRONMENT)
    assert "hunter2" not in str(failure.value)
    assert "hunter2" not in failure.value.key


def test_no_file_and_no_text(folder: Path) -> None:
    """A missing file and one that is no text are named."""
    with pytest.raises(ConfigError, match="no such file"):
        load_config(folder / "absent.yaml")
    (folder / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(folder / "config.yaml")


def test_secrets_never_show_themselves(folder: Path) -> None:
    """Neither repr nor str nor format of the tree contains a secret."""
    config = load(folder, redis__password="pw-12345")
    for text in (repr(config), str(config), f"{config.own}", f"{config.redis.password}"):
        assert KEY not in text
        assert "pw-12345" not in text
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a")}) == 1


def test_the_tree_is_frozen(folder: Path) -> None:
    """Nothing in the tree can be changed after loading."""
    config = load(folder)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.strategy.depth = 2  # type: ignore[misc]


def test_the_shipped_file_is_valid(folder: Path) -> None:
    """The config.yaml of the repository loads once its empty places are filled."""
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    assert "${LIGHTER_A_PRIVATE_KEY}" in text
    for empty, filled in (("account_index:", "account_index: "), ("api_key_index:", "")):
        assert text.count(empty) == 2, filled
    lines = []
    number = 7
    for line in text.splitlines():
        bare = line.split("#")[0].rstrip()
        if bare.endswith(("account_index:", "api_key_index:")):
            number += 1
            lines.append(f"{bare} {number}")
        else:
            lines.append(line)
    config = load_config(write(folder, "\n".join(lines)), "a", environment=ENVIRONMENT)
    assert config.warnings == ()
    assert config.market == "ETH"
    assert config.redis.port == 6388


def test_the_shipped_file_says_what_is_missing() -> None:
    """As it is shipped, the file asks for the account index first."""
    with pytest.raises(ConfigError, match=r"accounts\.account_a\.account_index: is missing"):
        load_config(ROOT / "config.yaml", "a", environment=ENVIRONMENT)


def test_every_key_has_a_row_with_a_meaning() -> None:
    """The table for the README has each key once, with type and meaning."""
    rows = config_rows()
    assert len({row.key for row in rows}) == len(rows) > 60
    assert all(row.type and row.meaning for row in rows)
    table = markdown_table()
    assert "| `strategy.depth` | integer | level | 1 | 1 to 50 | price level" in table
    assert "| `accounts.account_a.account_index` | integer |  | required | 0 to " in table
    assert table.count("\n") == len(rows) + 2


TIMES = [f"timing.{item.name}" for item in settings_of(TimingConfig)]


@pytest.mark.parametrize("key", TIMES)
def test_a_time_beyond_the_promise_is_refused_with_the_reason(folder: Path, key: str) -> None:
    """No timer may be set to days: something that must be noticed would not be."""
    days = 10 if key == "timing.stop_timeout_s" else 1
    error = complaint(folder, {key: days * 86400})
    assert error.key == key
    assert re.search(r"found \d+(\.0)?, allowed is more than 0, at most \d+: \w.*\.$", str(error))


def test_the_day_of_a_dead_heartbeat_is_refused(folder: Path) -> None:
    """What the sentence says of it."""
    error = complaint(folder, {"timing.ready_ttl_s": 86400})
    assert str(error) == (
        f"{folder / 'config.yaml'}: timing.ready_ttl_s: found 86400.0, allowed is more than 0,"
        " at most 8: a dead side is shown as running for so long."
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lighter.maker_order_time_out", 86401),
        ("strategy.hedge_confirm_timeout_s", 3601),
        ("strategy.force_close_timeout", 3601),
    ],
)
def test_so_are_the_times_of_orders_and_fills(folder: Path, key: str, value: float) -> None:
    """In whatever section they stand."""
    assert complaint(folder, {key: value}).key == key


LOCAL = "http://127.0.0.1:8099"


LOWS = [
    ("strategy.force_close_timeout", 30.0),
    *(
        (f"timing.{item.name}", item.metadata["check"].real_low)
        for item in settings_of(TimingConfig)
    ),
]


@pytest.mark.parametrize(("key", "low"), LOWS)
def test_what_is_too_short_for_the_exchange_is_refused_there(
    folder: Path, key: str, low: float
) -> None:
    """A paper exchange of this machine sets its own limits; its times may be shorter."""
    name = key.replace(".", "__")
    pairs = {"timing.ready_ttl_s": {"timing.beat_s": 0.5}}
    pairs |= {"timing.lease_ttl_s": {"timing.lease_renew_s": 1}}
    pairs |= {"timing.redis_retry_max_s": {"timing.redis_retry_min_s": 0.05}}
    pairs |= {"timing.retry_max_s": {"timing.retry_min_s": 1}}
    pairs |= {"timing.ws_retry_max_s": {"timing.ws_retry_min_s": 0.1}}
    pairs |= {"timing.ws_silence_s": {"timing.ws_ping_s": 5}}
    beside = pairs.get(key, {})
    config = load(
        folder, **{one.replace(".", "__"): value for one, value in beside.items()}, **{name: low}
    )
    assert config is not None
    smaller = {one: value / 3 for one, value in beside.items()}
    assert load_config(
        write(folder, merged({**smaller, key: low / 2, "lighter.base_url": LOCAL})),
        "a",
        environment=ENVIRONMENT,
    )
    error = complaint(folder, {**beside, key: low / 2})
    assert error.key == key
    assert f"at least {low:g}: " in str(error)


def test_every_default_is_allowed_and_every_bound_is_in_the_table(folder: Path) -> None:
    """The shipped values keep the promise."""
    assert load(folder) is not None
    rows = {row.key: row for row in config_rows()}
    assert rows["timing.ready_ttl_s"].allowed == (
        "more than 0, at most 8; real exchange: at least 2"
    )
    assert rows["strategy.force_close_timeout"].allowed.endswith("real exchange: at least 30")
    assert all(rows[key].allowed for key in TIMES)


def test_both_numbers_of_a_limit_below_the_quantity(folder: Path) -> None:
    """Two written values that contradict each other: refused at the start, not a hold for days."""
    error = complaint(
        folder, {"strategy.quantity": "0.2", "safety.max_position_base_amount": "0.15"}
    )
    assert (error.exit_code, error.key) == (2, "strategy.quantity")
    assert str(error) == (
        f"{folder / 'config.yaml'}: strategy.quantity: found 0.2, allowed is at most"
        " safety.max_position_base_amount (0.15)."
    )
