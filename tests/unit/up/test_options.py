"""The command line of the start script."""

from decimal import Decimal
from pathlib import Path

import pytest

from hedge.errors import ConfigError
from hedge.launcher.options import parse


def test_a_bare_start_leaves_market_size_and_level_to_the_configuration() -> None:
    """Without arguments: what config.yaml says, in the foreground."""
    options = parse([])
    assert (options.market, options.quantity, options.depth) == (None, None, None)
    assert options.config == Path("config.yaml")
    assert (options.paper, options.detach, options.stop) == (False, False, False)
    assert options.cycles is None


def test_what_is_given_is_kept_exactly() -> None:
    """A size is a decimal, never a float."""
    options = parse(["--quantity", "0.05", "--depth", "3"])
    assert (options.quantity, options.depth) == (Decimal("0.05"), 3)


def test_the_market_is_written_in_capitals() -> None:
    """`--market eth` is ETH."""
    assert parse(["--market", "eth"]).market == "ETH"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cycles", "3"], "--cycles needs --paper"),
        (["--paper", "--cycles", "0"], "at least 1"),
        (["--paper", "--detach"], "--detach does not go with --paper"),
        (["--paper", "--stop"], "press Ctrl-C"),
        (["--only-b"], "--only-b needs --paper"),
        (["--paper", "--only-b", "--cycles", "1"], "does not go with --cycles"),
        (["--quantity", "much"], "--quantity much"),
        (["--quantity", "-1"], "--quantity -1"),
        (["--quantity", "nan"], "--quantity nan"),
        (["--quantity", "1_0"], "--quantity 1_0"),
        (["--quantity", "0123"], "--quantity 0123"),
        (["--quantity", "\uff11"], "--quantity \uff11"),
        (["--depth", "0"], "--depth must be at least 1"),
        (["--paper", "--timeout-s", "0"], "--timeout-s must be more than 0"),
        (["--colour", "blue"], "--colour"),
        (["--tier", "gold"], "--tier"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(arguments: list[str], words: str) -> None:
    """Each complaint names what is wrong and points at the help."""
    with pytest.raises(ConfigError) as caught:
        parse(arguments)
    assert words in str(caught.value)
    assert "--help" in str(caught.value)


def test_each_script_s_help_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """The stop script names nothing that only a start knows, and takes what the start was given."""
    shown = {}
    for name, arguments in (("start", ["--help"]), ("stop", ["--stop", "--help"])):
        with pytest.raises(SystemExit):
            parse(arguments)
        shown[name] = capsys.readouterr().out
        assert f"usage: {name}_hedge.sh" in shown[name]
        assert f"./{name}_hedge.sh --config" in shown[name] or name == "start"
    assert "--config" in shown["stop"]
    for word in ("--paper", "--quantity", "--cycles", "--stop", "start_hedge"):
        assert word not in shown["stop"]
    with pytest.raises(ConfigError, match=r"see \./stop_hedge\.sh --help"):
        parse(["--stop", "--colour", "blue"])
    assert parse(["--stop", "--quantity", "0.01", "--market", "eth"]).stop


def test_a_relative_configuration_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named from the folder that the script was called in; so does the launcher behind it."""
    monkeypatch.setenv("HEDGE_CALLED_IN", "/home/me")
    options = parse(["--config", "my.yaml", "--detach"])
    assert options.config == Path("/home/me/my.yaml")
    assert options.arguments == ("--config", "/home/me/my.yaml")
    assert parse(["--paper", "--run-dir", "play"]).run_dir == Path("/home/me/play")
    assert parse(["--config", "/etc/my.yaml"]).config == Path("/etc/my.yaml")
    assert parse(["--detach"]).config == Path("config.yaml")
    assert parse(["--detach"]).arguments == ()
