"""The README of the paper exchange: its script runs, its curl examples name real calls."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from paper.__main__ import build_parser
from paper.fault_catalogue import SWITCHES
from tests.world.paper import ROOT, PaperProcess

pytestmark = pytest.mark.integration

TEXT = (ROOT / "paper" / "README.md").read_text()


def test_the_script_runs() -> None:
    """The SDK script of the README places, modifies, reads and cancels an order."""
    script = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    with PaperProcess() as own:
        script = script.replace("http://127.0.0.1:8790", own.base_url)
        command = [sys.executable, "-W", "ignore", "-c", script]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line[:4] for line in lines[:2]] == ["200 ", "200 "]
    assert lines[2].endswith(" 0.0200 2998.50 open")
    assert lines[3:] == ["123 canceled"]


def test_every_flag_is_described() -> None:
    """The flag table names exactly the flags of the command line."""
    described = set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE))
    known = {option for action in build_parser()._actions for option in action.option_strings}
    assert described == {option for option in known if option.startswith("--")} - {"--help"}


def test_every_fault_switch_is_described() -> None:
    """The table of faults names every switch, and every parameter of it."""
    table = TEXT.split("## Faults", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    described: dict[str, str] = {}
    for row in rows:
        names, parameters = row.split("|")[1:3]
        described.update(dict.fromkeys(re.findall(r"`(\w+)`", names), parameters))
    assert set(described) == set(SWITCHES)
    for name, switch in SWITCHES.items():
        for option in switch.options:
            assert f"`{option}`" in described[name], (name, option)


async def test_the_curl_examples_work() -> None:
    """Every curl example of the README, sent as curl would, is answered with code 200."""
    commands = [line for line in TEXT.splitlines() if line.startswith("curl")]
    assert len(commands) == 21
    async with PaperProcess() as own:
        for line in commands:
            words = shlex.split(line.replace("ab12...", "ab" * 40))
            path = next(word for word in words if word.startswith("$P")).replace("$P", "/paper")
            body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
            method = "DELETE" if "DELETE" in words else "POST" if body else "GET"
            if body and "until_account" in body:
                continue  # needs a resting order of that account
            assert (await own.call(method, path, body))["code"] == 200, line
