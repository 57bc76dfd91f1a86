"""The directory of a paper run: ours is cleared, anybody else's is left alone."""

from pathlib import Path

import pytest

from hedge.errors import ConfigError
from hedge.launcher.paper_run import _claim, _clear


def test_a_new_and_an_empty_directory_are_taken(tmp_path: Path) -> None:
    """A lock of a run that was refused does not count."""
    (tmp_path / "up.lock").touch()
    for directory in (tmp_path, tmp_path / "new" / "deeper"):
        _claim(directory)
        _claim(directory)
        assert [entry.name for entry in directory.iterdir() if entry.name[0] == "."] != []


def test_a_directory_of_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    """Clearing it would lose what a person keeps there, or the state of a real pair."""
    thesis = tmp_path / "state" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years")
    with pytest.raises(ConfigError, match="name a new or an empty one"):
        _claim(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]
    assert thesis.read_text() == "years"


def test_only_what_a_run_writes_is_cleared(tmp_path: Path) -> None:
    """What somebody put beside it stays."""
    _claim(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "config.yaml").write_text("old")
    (tmp_path / "redis").mkdir()
    _clear(tmp_path)
    left = {entry.name for entry in tmp_path.iterdir()}
    assert "notes.txt" in left
    assert not left & {"config.yaml", "redis"}
