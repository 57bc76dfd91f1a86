"""From a command line to an exit code: the pure parts of it."""

import asyncio
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hedge.config.schema import AccountConfig, AccountsConfig, Config, SafetyConfig, Secret
from hedge.daemon import startup as launch
from hedge.daemon.context import Ending, Parts
from hedge.daemon.daemon import Shell
from hedge.daemon.host_os import LOG_ONLY, PAPER_MARK, commands_for
from hedge.daemon.logs import close_logging, flush_logging
from hedge.errors import (
    AccountKeyError,
    AlreadyRunningError,
    ConfigError,
    ExchangeUnreachableError,
    HaltedError,
    HedgeError,
    InternalBugError,
    NotNeutralError,
    RedisUnreachableError,
)
from tests.unit.venue.fakes import ETH

KEY = "0x" + "12" * 40
CONFIG = """
accounts:
  account_a: {account_index: 101, api_key_index: 5, api_key_private_key: "${A_KEY}"}
  account_b: {account_index: 102, api_key_index: 5, api_key_private_key: "${B_KEY}"}
lighter: {base_url: "http://127.0.0.1:9", chain_id: 300}
logging: {dir: DIR, console: false}
"""


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration whose keys are in the environment."""
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setenv("B_KEY", KEY)
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("DIR", str(tmp_path / "logs")))
    level = logging.getLogger().level
    yield path
    close_logging()
    logging.getLogger().setLevel(level)


def never(_parts: Parts) -> Shell:
    raise AssertionError("nothing is built here")


def run_with(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, error: BaseException | None
) -> int:
    """Run side B whose daemon ends with `error`."""

    async def ended(*_args: Any, **_kwargs: Any) -> int:
        if error is not None:
            raise error
        return 0

    monkeypatch.setattr(launch, "_run", ended)
    return launch.run("b", ["--config", str(config_file)], never)


ERRORS: list[tuple[HedgeError, int]] = [
    (InternalBugError("x"), 1),
    (ConfigError("x"), 2),
    (RedisUnreachableError("x"), 3),
    (ExchangeUnreachableError("x"), 3),
    (AccountKeyError("x"), 4),
    (NotNeutralError("x"), 5),
    (HaltedError("x"), 5),
    (AlreadyRunningError("x"), 6),
]


def group(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("tasks failed", errors)


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_an_error_for_a_person_is_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, error: HedgeError, code: int
) -> None:
    """Raised plainly or deep inside the groups of failed tasks, it is the same sentence."""
    assert run_with(monkeypatch, config_file, error) == code
    assert run_with(monkeypatch, config_file, group(error)) == code
    assert run_with(monkeypatch, config_file, group(group(group(error)))) == code


def test_a_clean_stop_is_zero(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    """Nothing is complained about."""
    assert run_with(monkeypatch, config_file, None) == 0


def test_the_sentence_goes_to_the_terminal_and_to_the_log(
    monkeypatch: pytest.MonkeyPatch,
    config_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line for the person, without a traceback, and one with the code in the file."""
    error = AlreadyRunningError("another main_B.py runs")
    assert run_with(monkeypatch, config_file, group(group(error))) == 6
    assert capsys.readouterr().err == "main_B: another main_B.py runs\n"
    flush_logging()
    log = (tmp_path / "logs" / "main_B.log").read_text()
    assert 'exit code=6 reason="another main_B.py runs"' in log


def test_a_sentence_about_a_key_names_the_file(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that only Redis or the exchange could find out; what leads out is left alone."""
    assert run_with(monkeypatch, config_file, ConfigError("redis.tls: no", "redis.tls")) == 2
    assert run_with(monkeypatch, config_file, ConfigError("Flat in ETH.", "market")) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"main_B: {config_file}: redis.tls: no", "main_B: Flat in ETH."]


@pytest.mark.parametrize(
    "error",
    [
        group(ZeroDivisionError("x")),
        group(group(AlreadyRunningError("x"), ZeroDivisionError("y"))),
        group(AlreadyRunningError("x"), group(ZeroDivisionError("y"))),
    ],
)
def test_a_bug_is_never_hidden_behind_an_error_for_a_person(
    monkeypatch: pytest.MonkeyPatch,
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    """Where anything unexpected is in the group, the code is 1 and the traceback is shown."""
    assert run_with(monkeypatch, config_file, error) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_several_errors_for_a_person_give_one_of_their_codes(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    """The first one in the group speaks."""
    error = group(AccountKeyError("first"), RedisUnreachableError("second"))
    assert run_with(monkeypatch, config_file, error) == 4


def test_an_interrupt_has_its_own_code(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    """As a shell expects it."""
    assert run_with(monkeypatch, config_file, KeyboardInterrupt()) == 130


def test_a_configuration_error_is_code_two_before_anything_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there is one sentence."""
    missing = tmp_path / "none.yaml"
    assert launch.run("a", ["--config", str(missing)], never) == 2
    assert capsys.readouterr().err == f"main_A: {missing}: no such file; give one by --config.\n"


def test_without_its_own_key_a_side_does_not_start(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence names the key of the file; the other side's key is not asked for."""
    text = config_file.read_text().replace(', api_key_private_key: "${B_KEY}"', "")
    config_file.write_text(text)
    assert launch.run("b", ["--config", str(config_file)], never) == 2
    assert "accounts.account_b.api_key_private_key" in capsys.readouterr().err
    monkeypatch.setattr(launch, "_run", lambda *_args, **_kwargs: asyncio.sleep(0, 0))
    assert launch.run("a", ["--config", str(config_file)], never) == 0


def test_a_log_directory_that_cannot_be_made_is_a_configuration_error(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence that names the key, not a traceback."""
    (tmp_path / "logs").write_text("a file is in the way")
    assert launch.run("b", ["--config", str(config_file)], never) == 2
    assert "logging.dir" in capsys.readouterr().err


def test_the_command_line_goes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    """Market, quantity and depth are taken from the options where they are given."""
    seen: list[Config] = []

    async def remember(config: Config, *_args: Any, **_kwargs: Any) -> int:
        seen.append(config)
        return 0

    monkeypatch.setattr(launch, "_run", remember)
    options = ["--config", str(config_file), "--market", "BTC", "--quantity", "0.25"]
    assert launch.run("a", [*options, "--depth", "3"], never) == 0
    assert launch.run("b", ["--config", str(config_file)], never) == 0
    first, second = seen
    assert (first.side, first.market, first.strategy.depth) == ("a", "BTC", 3)
    assert first.strategy.quantity == Decimal("0.25")
    assert (second.side, second.market, second.strategy.quantity) == ("b", "ETH", None)


@pytest.mark.parametrize("option", ["--quantity", "--depth"])
def test_side_b_has_no_quantity_and_no_depth(
    option: str, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B trades what A filled; an option that means nothing is a usage error."""
    assert launch.run("b", ["--config", str(config_file), option, "1"], never) == 2
    said = capsys.readouterr().err
    assert said == f"main_B: unrecognized arguments: {option} 1 (see main_B.py --help)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--marekt", "ETH"], "unrecognized arguments: --marekt ETH"),
        (["--depth", "one"], "argument --depth: invalid int value: 'one'"),
        (["--quantity"], "argument --quantity: expected one argument"),
        (["--stop-timeout-s", "soon"], "argument --stop-timeout-s: invalid float value: 'soon'"),
    ],
)
def test_a_typing_error_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for every other mistake, and not the whole usage."""
    assert launch.run("a", arguments, never) == 2
    assert capsys.readouterr().err == f"main_A: {said} (see main_A.py --help)\n"


def test_an_option_that_the_exchange_refuses_is_named_as_one(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was typed is to be corrected where it was typed; what stands in the file is not."""

    async def refused(*_args: Any, **_kwargs: Any) -> int:
        raise ConfigError("strategy.quantity = 0.5: no", "strategy.quantity")

    monkeypatch.setattr(launch, "_run", refused)
    given = ["--config", str(config_file)]
    assert launch.run("a", [*given, "--quantity", "0.5"], never) == 2
    assert launch.run("a", given, never) == 2
    assert capsys.readouterr().err.splitlines() == [
        "main_A: --quantity: strategy.quantity = 0.5: no",
        f"main_A: {config_file}: strategy.quantity = 0.5: no",
    ]


def test_a_second_process_of_a_host_is_told_how_to_stop_the_first(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that runs elsewhere no script of this host reaches."""
    stop = commands_for(str(config_file)).stop
    error = AlreadyRunningError("it runs; stop it first.", is_on_host=True)
    assert run_with(monkeypatch, config_file, group(error)) == 6
    assert run_with(monkeypatch, config_file, AlreadyRunningError("It runs elsewhere.")) == 6
    assert capsys.readouterr().err.splitlines() == [
        f"main_B: it runs; stop it first. {stop} stops the pair of this host.",
        "main_B: It runs elsewhere.",
    ]


def test_the_redis_of_a_paper_run_is_started_with_the_run(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other Redis can take its place; one that only hangs, and a real one, are as they are."""
    gone = RedisUnreachableError("cannot reach Redis at h:1/0 (x); start it.", "h:1/0")
    hangs = RedisUnreachableError("Redis at h:1/0 does not answer in time.", "h:1/0")
    assert run_with(monkeypatch, config_file, gone) == 3
    assert capsys.readouterr().err == f"main_B: {gone}\n"
    (config_file.parent / PAPER_MARK).touch()
    assert run_with(monkeypatch, config_file, hangs) == 3
    assert capsys.readouterr().err == f"main_B: {hangs}\n"
    assert run_with(monkeypatch, config_file, group(gone)) == 3
    said = capsys.readouterr().err
    assert said.startswith("main_B: cannot reach Redis at h:1/0: it belongs to a run on the paper")
    assert f"`./start_hedge.sh --paper --keep --run-dir {config_file.parent}`" in said


@pytest.mark.parametrize(
    ("variables", "is_terminal", "said"),
    [({}, True, True), ({}, False, False), ({LOG_ONLY: "1"}, True, False)],
)
def test_a_daemon_that_writes_only_a_log_says_where(
    variables: dict[str, str],
    is_terminal: bool,
    said: bool,
    monkeypatch: pytest.MonkeyPatch,
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To a person who started it and sees nothing; not where a script follows its log."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launch.os, "isatty", lambda _number: is_terminal)
    assert run_with(monkeypatch, config_file, None) == 0
    words = f"main_B runs; its lines are in {config_file.parent / 'logs' / 'main_B.log'} ("
    assert capsys.readouterr().err.startswith(words) == said


# --- amounts ---------------------------------------------------------------------------------


def config_with(safety: SafetyConfig) -> Config:
    account = AccountConfig(account_index=1, api_key_index=5, api_key_private_key=Secret("x"))
    return Config(
        accounts=AccountsConfig(account_a=account, account_b=account), safety=safety, side="a"
    )


def test_a_configured_amount_becomes_lots() -> None:
    """Exactly; an amount that is not set is no limit, not zero."""
    config = config_with(SafetyConfig(max_fill_base_amount=Decimal("1.2345")))
    assert launch.lots_of(ETH, config, "safety", "max_fill_base_amount") == 12_345
    assert launch.lots_of(ETH, config, "safety", "max_position_base_amount") is None


def test_an_amount_that_no_order_can_name_is_a_configuration_error() -> None:
    """2^48 - 1 lots is the largest size on the wire; more would be "ready" and never trade."""
    config = config_with(SafetyConfig(max_position_base_amount=Decimal("28147497671.0656")))
    with pytest.raises(ConfigError) as failure:
        launch.lots_of(ETH, config, "safety", "max_position_base_amount")
    assert "no order over more than 28147497671.0655 ETH" in str(failure.value)
    assert failure.value.key == "safety.max_position_base_amount"


def test_an_amount_between_two_steps_is_a_configuration_error() -> None:
    """The sentence names the key, what was found and the market's step."""
    config = config_with(SafetyConfig(max_position_base_amount=Decimal("0.00015")))
    with pytest.raises(ConfigError) as failure:
        launch.lots_of(ETH, config, "safety", "max_position_base_amount")
    assert failure.value.key == "safety.max_position_base_amount"
    for part in ("safety.max_position_base_amount = 0.00015", "ETH", "steps of 0.0001"):
        assert part in str(failure.value)


@pytest.mark.parametrize(("usd", "micros"), [("1000", 10**9), ("0", 0), ("0.0000019", 1)])
def test_dollars_become_micros(usd: str, micros: int) -> None:
    """Rounded down beyond six places: a limit is never made larger."""
    assert launch.usd_to_micros(Decimal(usd)) == micros


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError("no such host"), False), (ValueError("a bug"), True), (None, True)],
)
async def test_a_look_up_that_nobody_waits_for_makes_no_traceback(
    error: Exception | None, told: bool
) -> None:
    """A name server that is away leaves futures behind; whatever else is stray is shown in full."""
    loop = asyncio.get_running_loop()
    shown: list[dict[str, Any]] = []
    loop.default_exception_handler = shown.append  # type: ignore[method-assign]
    loop.set_exception_handler(launch.on_stray)
    loop.call_exception_handler({"message": "never retrieved", "exception": error})
    assert bool(shown) is told


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Ending.NEUTRAL, 0),
        (Ending.NOT_NEUTRAL, 5),
        (RedisUnreachableError("gone"), 3),
        (BaseExceptionGroup("", [ExceptionGroup("", [AccountKeyError("no key")])]), 4),
        (BaseExceptionGroup("", [AccountKeyError("no key"), ValueError("a bug")]), 1),
        (ValueError("a bug"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_outcome_of_a_run_has_its_exit_code(
    outcome: Ending | BaseException, code: int
) -> None:
    """An error that a person can act on has its own code, also inside groups; a bug has 1."""
    assert launch.exit_code_of(outcome) == code
