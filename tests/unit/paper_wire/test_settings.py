"""Tests of the command line of the paper exchange."""

from pathlib import Path

import pytest

from paper.__main__ import EXIT_USAGE, parse_settings
from paper.settings import Settings


def test_defaults() -> None:
    """Without arguments the exchange listens on port 8790 of loopback with a live market."""
    assert parse_settings([]) == Settings(port=8790)


def test_every_flag() -> None:
    """Every flag reaches its setting."""
    arguments = (
        "--host localhost --port 0 --seed 7 --tier standard --no-market "
        "--limits off --state /tmp/x --server-ping-s 5 --idle-close-s 9 --steps-per-s 20"
    )
    assert parse_settings(arguments.split()) == Settings(
        host="127.0.0.1",
        port=0,
        seed=7,
        tier="standard",
        market=False,
        state_dir=Path("/tmp/x"),
        server_ping_s=5.0,
        idle_close_s=9.0,
        steps_per_s=20.0,
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("--host 0.0.0.0", "loopback"),
        ("--host ::", "loopback"),
        ("--host example.com", "loopback"),
        ("--host 192.168.1.1", "loopback"),
        ("--tier fast", "instant, standard"),
        ("--limits maybe", "on, off"),
        ("--port 70000", "70000"),
        ("--port x", "--port"),
        ("--seed 1.5", "--seed"),
        ("--server-ping-s -1", "--server-ping-s"),
        ("--server-ping-s nan", "--server-ping-s"),
        ("--server-ping-s inf", "--server-ping-s"),
        ("--idle-close-s 0", "--idle-close-s"),
        ("--steps-per-s 0", "--steps-per-s"),
        ("--steps-per-s nan", "--steps-per-s"),
        ("--what", "--what"),
    ],
)
def test_bad_usage_is_one_sentence_and_code_2(
    arguments: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong argument ends with exit code 2 and one line that names it."""
    with pytest.raises(SystemExit) as caught:
        parse_settings(arguments.split())
    assert caught.value.code == EXIT_USAGE
    text = capsys.readouterr().err
    assert word in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1"])
def test_loopback_addresses_are_allowed(host: str) -> None:
    """Any loopback address can be listened on."""
    assert parse_settings(["--host", host]).host == host


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        ("--tier instant", False),
        ("--tier standard", True),
        ("--tier plus", True),
        ("--tier premium", True),
        ("--tier instant --limits on", True),
        ("--tier standard --limits off", False),
    ],
)
def test_limits_follow_the_tier(arguments: str, limits: bool) -> None:
    """Requests are limited on the real tiers and not on the instant one, unless told otherwise."""
    assert parse_settings(arguments.split()).limits is limits
