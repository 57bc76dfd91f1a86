"""One line for each case, and an exit code that says whether every limit was kept."""

from pathlib import Path
from typing import Any

import pytest

from tests.accept import __main__ as accept
from tests.accept.cases import REGISTERED, Case, Figure, Play, Result, Run, case, chosen, played

RUN = Run(Path(), seed=1, schedules=1, minutes=1.0)


def kept(_: Run) -> list[Figure]:
    return [Figure("time", 1.5, "s", limit=2.0), Figure("trades", 7)]


async def exceeded(_: Run) -> list[Figure]:
    return [Figure("time", 1.0, "s", limit=2.0), Figure("memory", 80.0, "MB", limit=79.9)]


def silent(_: Run) -> list[Figure]:
    return []


def broken(_: Run) -> list[Figure]:
    raise AssertionError("not within 5 s: a resting order\n----- a runs\n----- logs")


PLAYS: dict[str, tuple[Play, str, str]] = {
    "kept": (kept, "ok", "time 1.5 s (limit 2), trades 7"),
    "exceeded": (exceeded, "FAILED", "time 1 s (limit 2), memory 80 MB (limit 79.9)"),
    "silent": (silent, "FAILED", "nothing was measured"),
    "broken": (broken, "FAILED", "AssertionError: not within 5 s: a resting order"),
}


@pytest.mark.parametrize("name", PLAYS)
def test_a_case_is_one_line(name: str) -> None:
    """Figures with their limits, or the first line of the error; the rest is in the traceback."""
    play, *words = PLAYS[name]
    result = played(Case(name, "", play), RUN)
    assert str(result).split(maxsplit=2) == [words[0], name, words[1]]
    assert result.is_ok == (name == "kept")
    assert ("----- logs" in result.trace) == (name == "broken")


def test_a_limit_is_kept_up_to_itself() -> None:
    """The limit is the most that may be; without one any value is fine."""
    assert Figure("x", 2.0, limit=2.0).is_kept
    assert not Figure("x", 2.001, limit=2.0).is_kept
    assert Figure("x", 1e9).is_kept


def test_no_name_twice() -> None:
    """A second case of one name would hide the first."""
    register = case("twice", "")
    register(kept)
    with pytest.raises(ValueError, match="two cases are named twice"):
        register(kept)
    del REGISTERED["twice"]


def test_cases_are_chosen_by_name() -> None:
    """Without names all, in their order; a name that is none is named with those there are."""
    known = {name: Case(name, "", play) for name, (play, *_) in PLAYS.items()}
    assert [one.name for one in chosen([], known)] == list(PLAYS)
    assert [one.name for one in chosen(["broken", "kept"], known)] == ["broken", "kept"]
    with pytest.raises(ValueError, match="no case x; there are: kept, exceeded, silent, broken"):
        chosen(["kept", "x"], known)


@pytest.fixture
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command know the plays of this file alone."""
    monkeypatch.setattr(accept, "MODULES", ())
    monkeypatch.setattr(
        accept, "REGISTERED", {name: Case(name, name, play) for name, (play, *_) in PLAYS.items()}
    )


@pytest.mark.usefixtures("_only_these")
@pytest.mark.parametrize(
    ("names", "code", "lines"),
    [(["kept"], 0, 1), (["kept", "exceeded", "broken"], 1, 3), ([], 1, 4)],
)
def test_the_command_plays_all_and_fails_if_one_fails(
    names: list[str], code: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure keeps no other case from being played."""
    assert accept.main(names) == code
    assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.mark.usefixtures("_only_these")
def test_a_strange_name_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and one sentence, before anything is played."""
    assert accept.main(["kept", "nothing"]) == accept.BAD_USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("accept: no case nothing; there are: kept")


def test_what_is_registered_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every module of cases is there, and each case says what it measures."""
    assert accept.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(REGISTERED)
    assert {"import", "daemons", "flood", "simulate", "chaos"} <= set(REGISTERED)
    assert all(one.about for one in REGISTERED.values())


def test_the_folder_of_a_case_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is empty, it is there, and it is gone afterwards."""
    seen: list[Any] = []

    def look(run: Run) -> list[Figure]:
        seen.append((run.folder, list(run.folder.iterdir()), run.seed, run.minutes))
        return [Figure("x", 0)]

    monkeypatch.setattr(accept, "MODULES", ())
    monkeypatch.setattr(accept, "REGISTERED", {"look": Case("look", "", look)})
    assert accept.main(["--seed", "7", "--minutes", "0.5"]) == 0
    ((folder, held, seed, minutes),) = seen
    assert (held, seed, minutes) == ([], 7, 0.5)
    assert not folder.exists()


def test_a_result_without_figures_is_none() -> None:
    """A case that measured nothing has proven nothing."""
    assert not Result("x").is_ok
