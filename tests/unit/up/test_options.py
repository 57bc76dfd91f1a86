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
