"""What a person can get wrong: one sentence on stderr, the documented exit code, no traceback."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B
from tests.world.pair import KEY_INDEX, Daemon, Pair
from tests.world.paper import new_key

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
]

CLOSED_PORT = 1

BAD = {
    "an unknown key": ("a", {"strategy__colour": "blue"}, 2, "strategy.colour"),
    "an unknown section": ("b", {"colour": "blue"}, 2, "colour"),
    "a wrong type": ("b", {"strategy__retry_times": "three"}, 2, "strategy.retry_times"),
    "an impossible value": ("a", {"strategy__depth": 0}, 2, "strategy.depth"),
    "a missing account": ("a", {"accounts__account_b": None}, 2, "account_b"),
    "no private key": ("b", {"accounts__account_b__api_key_private_key": None}, 2, "private_key"),
    "a key that is none": (
        "b",
        {"accounts__account_b__api_key_private_key": "secret"},
        2,
        "private_key",
    ),
    "no such market": ("a", {"market": "DOGE"}, 2, "DOGE"),
    "a quantity above a safety limit": (
        "a",
        {"safety__max_position_base_amount": "0.005"},
        2,
        "safety.max_position_base_amount",
    ),
    "a quantity between two steps": ("a", {"strategy__quantity": "0.01005"}, 2, "quantity"),
    "no quantity": ("a", {"strategy__quantity": None}, 2, "quantity"),
    "a budget that is all reserve": (
        "b",
        {"lighter__requests_per_minute": 3},
        2,
        "requests_per_minute",
    ),
    "a log directory that is a file": ("a", {"logging__dir": "/dev/null"}, 2, "logging.dir"),
    "a state directory that is a file": ("b", {"state__dir": "/dev/null"}, 2, "state.dir"),
    "Redis unreachable": ("b", {"redis__port": CLOSED_PORT}, 3, "Redis"),
    "the exchange unreachable": (
        "a",
        {"lighter__base_url": f"http://127.0.0.1:{CLOSED_PORT}"},
        3,
        "exchange",
    ),
    "a wrong key": (
        "a",
        {"accounts__account_a__api_key_private_key": new_key()[0]},
        4,
        "key",
    ),
    "a key index that has no key": ("b", {"accounts__account_b__api_key_index": 9}, 4, "key"),
    "a wrong account": ("b", {"accounts__account_b__account_index": 424242}, 4, "424242"),
}


NOTATIONS = {
    "an octal number": ("quantity", "0123", "strategy.quantity", "83"),
    "a number to base sixty": ("quantity", "1:30", "strategy.quantity", "90"),
    "an underscore": ("account_index", "1_1", "account_index", "11"),
    "a name with nothing behind it": ("shared_secret", "${EMPTY}", "redis.shared_secret", "empty"),
    "a name without braces": ("shared_secret", "$EMPTY", "redis.shared_secret", "${NAME}"),
    "a day for a heartbeat": ("ready_ttl_s", "86400", "timing.ready_ttl_s", "at most 8"),
    "a day in another notation": ("ready_ttl_s", "24:00:00", "timing.ready_ttl_s", "86400"),
}
"""What stands in the file, letter by letter; where it stands; the key and the word to be named."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Redis and the exchange, for daemons that end by themselves."""
    async with Pair(tmp_path_factory.mktemp("pair")) as made:
        yield made


async def ended_with(daemon: Daemon, code: int) -> str:
    """Wait for the end; return the one sentence that was printed."""
    found = await daemon.ended()
    text = daemon.output()
    assert found == code, text
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize("mistake", BAD)
async def test_a_mistake_is_one_sentence(pair: Pair, mistake: str, tmp_path: Path) -> None:
    """The daemon names what is wrong and ends with the documented exit code."""
    side, changes, code, word = BAD[mistake]
    config = pair.config_of(side, **{"state__dir": str(tmp_path), **changes})
    sentence = await ended_with(pair.spawn(side, config), code)
    assert word in sentence


def rewrite(config: Path, key: str, letters: str) -> None:
    """Put `letters` behind the only `key:` of a side's file, as a person would type them."""
    text, count = re.subn(rf"(?m)^( *{key}:) .*$", rf"\1 {letters}", config.read_text("utf-8"))
    assert count >= 1, key
    config.write_text(text, "utf-8")


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("mistake", NOTATIONS)
async def test_what_was_written_is_what_counts(
    pair: Pair, mistake: str, side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counterexamples 58 and 66: neither side begins on a value that was not meant."""
    monkeypatch.setenv("EMPTY", "")
    key, letters, named, word = NOTATIONS[mistake]
    settings = {"redis__shared_secret": "x" * 32, "timing__ready_ttl_s": 3}
    config = pair.config_of(side, state__dir=str(tmp_path), **settings)
    rewrite(config, key, letters)
    sentence = await ended_with(pair.spawn(side, config), 2)
    assert named in sentence
    assert word in sentence


@pytest.mark.parametrize("side", ["a", "b"])
async def test_a_key_of_the_exchange_s_own_apps_begins_nothing(
    pair: Pair, tmp_path: Path, side: str
) -> None:
    """It is the account's key and would sign: the reason is said, by a start and by a check."""
    private, public = new_key()
    await pair.paper.register_key(ACCOUNT_A if side == "a" else ACCOUNT_B, 2, public)
    name = f"accounts__account_{side}__"
    changes = {f"{name}api_key_index": 2, f"{name}api_key_private_key": private}
    config = pair.config_of(side, state__dir=str(tmp_path), **changes)
    for _ in range(2):  # also once it has reached both before
        sentence = await ended_with(pair.spawn(side, config), 2)
        assert f"{config}: accounts.account_{side}.api_key_index: 2 is used by" in sentence
    check = pair.spawn(side, config, "--check")
    assert await check.ended() == 2
    assert "used by Lighter" in check.output()


async def test_a_file_that_others_may_read_is_refused(pair: Pair) -> None:
    """A configuration with a key in it must be for its owner alone."""
    config = pair.config_of("a")
    config.chmod(0o644)
    assert "chmod 600" in await ended_with(pair.spawn("a", config), 2)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--colour"], 2), (["--depth", "no"], 2), (["--config", "no-such-file.yaml"], 2)],
)
async def test_a_wrong_command_line_is_refused(pair: Pair, arguments: list[str], code: int) -> None:
    """Argparse and the configuration agree on exit code 2."""
    daemon = pair.spawn("a", pair.config_of("a"), *arguments)
    assert await daemon.ended() == code
    assert "Traceback" not in daemon.output()


@pytest.mark.parametrize("side", ["a", "b"])
async def test_check_says_what_a_start_would_find(pair: Pair, side: str) -> None:
    """`--check` prints a table, trades nothing, leaves no file behind and ends with 0."""
    config = pair.config_of(side, state__dir="unmade/state", logging__dir="unmade/logs")
    daemon = pair.spawn(side, config, "--check")
    assert await daemon.ended() == 0
    text = daemon.output()
    words = ["100,000.00 USDC", "Redis script", "a message came back", "private stream"]
    words += ["public stream", "first frames came", "largest fill taken", "largest position"]
    words += ["0.0050 ETH"] if side == "a" else ["this key may send them"]
    assert [word for word in words if word not in " ".join(text.split())] == []
    assert "FAILED" not in text
    assert await pair.paper.orders() == []
    assert await pair.client.keys("*") == []
    assert not (pair.folder / "unmade").exists()


async def test_check_marks_all_that_would_not_work(pair: Pair) -> None:
    """The table is whole, each line says what is wrong; the exit code is that of the first."""
    config = pair.config_of(
        "a",
        strategy__quantity="0.0001",
        logging__dir="/dev/null",
        lighter__ws_url=f"ws://127.0.0.1:{CLOSED_PORT}/stream",
        timing__start_timeout_s=0.3,
    )
    daemon = pair.spawn("a", config, "--check")
    assert await daemon.ended() == 2
    lines = [line for line in daemon.output().splitlines() if "FAILED" in line]
    found = [line.split("\u2502")[2].strip() for line in lines]
    assert found == ["logging.dir", "private stream", "public stream"]
    text = " ".join(daemon.output().split())
    assert "its worth is not known" in text
    assert "largest position" in text


async def test_check_names_a_key_of_b_that_may_not_hedge(pair: Pair) -> None:
    """Lighter tells of a key that may only post: B's first hedge need not find it out."""
    await pair.paper.maker_only(ACCOUNT_B, KEY_INDEX)
    daemon = pair.spawn("b", pair.config_of("b"), "--check")
    assert await daemon.ended() == 4
    text = " ".join(daemon.output().replace("\u2502", " ").split())
    assert "the exchange lets this key send post-only orders alone: B could not hedge" in text


async def test_the_command_line_wins_over_the_file(pair: Pair, tmp_path: Path) -> None:
    """`--quantity` and `--market` replace what the file says."""
    changes: dict[str, Any] = {"state__dir": str(tmp_path), "market": "DOGE"}
    config = pair.config_of("a", **changes)
    arguments = ("--market", "ETH", "--quantity", "0.00005")
    assert "quantity" in await ended_with(pair.spawn("a", config, *arguments), 2)


async def test_the_longest_life_of_a_heartbeat_still_ends_a_s_order(tmp_path: Path) -> None:
    """Counterexample 66: with the highest `timing.ready_ttl_s` a dead B costs A its order."""
    async with Pair(tmp_path, settings={"timing.ready_ttl_s": 8}) as pair:
        await pair.start()
        await pair.until_resting()
        pair.kill_b()
        await pair.until_nothing_rests()
        _, text = await pair.command("status")
        assert "no heartbeat of B" in " ".join(text.split())
