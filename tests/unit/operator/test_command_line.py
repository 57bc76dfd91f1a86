"""The command line of the operator's tool, and what it prints of a pair."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import pytest

import hedgectl
from hedge.daemon.host_os import tool_name
from hedge.operator import decisions
from hedge.operator.status import Report, report
from hedge.wire.control import Lease
from tests.report_kit import NEUTRAL, READY_A, SPEC

BEHIND = "options stand behind the command, as `{tool} status --config FILE`"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statsu"], "No such command 'statsu'. Did you mean 'status'? (see `{tool} --help`)"),
        (["status", "--colour"], "No such option: --colour (see `{tool} --help`)"),
        (["halt", "--reason"], "Option '--reason' requires an argument. (see `{tool} --help`)"),
        (
            ["--config", "x.yaml", "status"],
            f"No such option: --config ({BEHIND})",
        ),
    ],
)
def test_a_typing_error_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it names can be typed, and usage does not come along."""
    assert hedgectl.main(arguments) == 2
    assert capsys.readouterr().err == said.format(tool=tool_name()) + "\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is complained about; it is no success either."""
    assert hedgectl.main([]) == 2
    said = capsys.readouterr()
    assert "flatten" in said.out
    assert said.err == ""


def test_a_command_ends_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Of an error that it has told itself."""
    assert hedgectl.main(["acl", "--side", "c"]) == 2
    assert capsys.readouterr().err == "--side: found 'c', allowed is a, b, operator.\n"
    assert hedgectl.main(["--help"]) == 0


def shown(*, ready_b: bool = True, left: bool = False) -> Report:
    """Return the report of a pair whose B has a heartbeat or not, and whose A has left or not."""
    changed = replace(
        NEUTRAL,
        ready_a=replace(READY_A, left=left),
        ready_b=NEUTRAL.ready_b if ready_b else None,
    )
    return report(changed, SPEC, 11, 22, now_s=43.0)


def test_the_ledger_of_a_silent_b_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    """It said that nothing is owed, and that is some time ago."""
    hedgectl._show(shown())
    assert "\nowed 0.0000 ETH, dust" in capsys.readouterr().out
    hedgectl._show(shown(ready_b=False))
    said = capsys.readouterr().out
    assert "\nB's last word, 42 s ago, which proves nothing: owed 0.0000 ETH, dust" in said


def test_a_side_that_left_does_not_run() -> None:
    """Its last heartbeat stays for some seconds, and it is not running then."""
    row = dict(hedgectl.ROWS)["process"]
    for left, words in ((False, "running, 1"), (True, "has left, 1")):
        found = shown(left=left)
        assert row(found, found.a) == words


def test_the_id_of_a_host_is_called_one() -> None:
    """It is no name that a person could look for."""
    rows, view = dict(hedgectl.ROWS), shown().a
    held = replace(view, lease=Lease(instance="i1", host="f00d"))
    assert [rows[name](shown(), held) for name in ("lease", "host id")] == ["i1", "f00d"]
    assert [rows[name](shown(), view) for name in ("lease", "host id")] == ["free", ""]


def test_a_usual_refusal_is_explained() -> None:
    """Each start has some, and they are no fault."""
    beat = replace(READY_A, refused=(("other_epoch", 2), ("not_json", 1)))
    found = report(replace(NEUTRAL, ready_a=beat), SPEC, 11, 22, now_s=43.0)
    why = "of a process that did not count yet or no more; usual at a start"
    assert hedgectl.problem_lines(found) == [f"A has refused: other_epoch 2 ({why}), not_json 1"]


# --- output that nobody reads, or that no disk takes ------------------------------------------

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
accounts:
  account_a: {account_index: 11, api_key_index: 4}
  account_b: {account_index: 22, api_key_index: 5}
redis: {username: one, password: x}
"""


def unread() -> TextIO:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full() -> TextIO:
    """A file on a full disk."""
    return Path("/dev/full").open("w", encoding="utf-8")


@pytest.fixture(params=[unread, full])
def lost(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """What takes nothing; a test puts it in the place of the output, where pytest has its own."""
    with request.param() as stream:
        yield stream


def says_of_a_disk(stream: TextIO, errors: str) -> bool:
    """One sentence where a disk is full; a reader who has gone knows it."""
    why = "The output could not be written: No space left on device.\n" * (
        stream.name == "/dev/full"
    )
    return errors == why


@pytest.mark.parametrize("code", [0, 5])
def test_an_answer_that_is_not_taken_changes_no_exit_code(
    code: int, lost: TextIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is that of what was done; the answer to a question is one too."""
    monkeypatch.setattr(sys, "stdout", lost)
    verdict = decisions.End(code, "as it is")
    monkeypatch.setattr(decisions, "verdict", lambda _report: verdict)
    monkeypatch.setattr(hedgectl, "_run", lambda *_: shown())
    assert hedgectl.main(["status"]) == code
    assert says_of_a_disk(lost, capsys.readouterr().err)
    assert sys.stdout is lost
    monkeypatch.setattr(hedgectl, "_run", lambda *_: decisions.End(code, "Halted."))
    assert hedgectl.main(["halt"]) == code


def test_what_is_to_be_sent_is_sent_whether_or_not_it_is_read(
    lost: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flatten` shows both positions first, and then sends."""
    monkeypatch.setattr(sys, "stdout", lost)
    performed: list[Any] = []

    def run(_config: Path, _action: Any) -> decisions.End:
        performed.append(asyncio.run(hedgectl._perform(None, decisions.Print("x" * 99_999))))  # type: ignore[arg-type]
        return decisions.End(0, "Flat.")

    monkeypatch.setattr(hedgectl, "_run", run)
    assert hedgectl.main(["flatten", "--yes"]) == 0
    assert performed == [None]


def test_a_help_that_is_not_read_is_no_bug(lost: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is what a person typed wrong."""
    monkeypatch.setattr(sys, "stdout", lost)
    assert hedgectl.main(["--help"]) == 0


def test_users_that_are_not_written_are_no_success(
    lost: TextIO,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `acl` writes is all that it does: a file that lacks a part of it locks Redis up."""
    monkeypatch.setattr(sys, "stdout", lost)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    wanted = 2 if lost.name == "/dev/full" else 0
    assert hedgectl.main(["acl", "--side", "a", "--config", str(config)]) == wanted
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("opened", [unread, full])
def test_the_process_ends_with_the_code_of_its_result(opened: Any, *, both: bool) -> None:
    """The interpreter's own end writes what is left, and would say 120."""
    with opened() as stream:
        done = subprocess.run(
            [sys.executable, "hedgectl.py", "--help"],
            cwd=ROOT,
            stdout=stream,
            stderr=stream if both else subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0
    assert both or says_of_a_disk(stream, done.stderr)
