"""The command line of the operator's tool, and what it prints of a pair."""

from dataclasses import replace

import pytest

import hedgectl
from hedge.daemon.host_os import tool_name
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
