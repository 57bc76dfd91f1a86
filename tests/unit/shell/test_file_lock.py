"""A lock tells whether a process runs; a number never does."""

import os
import subprocess
import sys
from pathlib import Path

from hedge.daemon.file_lock import FileLock, holder_of, is_held, note_of

HOLDS = """
import sys, time
from pathlib import Path
from hedge.daemon.file_lock import FileLock
assert FileLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_is_held_until_its_process_is_gone(tmp_path: Path) -> None:
    """Killed it holds nothing; its number stays in the file and means nothing."""
    path = tmp_path / "lock"
    assert not is_held(path)
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert is_held(path)
        assert holder_of(path) == other.pid
        assert not FileLock(path).acquire()
        other.kill()
    assert not is_held(path)
    assert holder_of(path) is None
    assert str(other.pid) in path.read_text()


def test_asking_leaves_the_lock_as_it_is(tmp_path: Path) -> None:
    """It is free afterwards, or still ours; releasing twice is harmless."""
    path = tmp_path / "lock"
    lock = FileLock(path)
    path.touch()
    assert not is_held(path)
    assert lock.acquire()
    assert is_held(path)
    assert holder_of(path) == os.getpid()
    lock.release()
    lock.release()
    assert not is_held(path)


def test_a_holder_that_wrote_nothing_is_unknown(tmp_path: Path) -> None:
    """As on a full disk."""
    path = tmp_path / "lock"
    lock = FileLock(path)
    assert lock.acquire()
    os.truncate(path, 0)
    assert is_held(path)
    assert holder_of(path) is None
    lock.release()


def test_a_holder_says_more_of_itself_on_a_line_of_its_own(tmp_path: Path) -> None:
    """One line, whatever it says; the next holder's note, or none, is in its place."""
    path = tmp_path / "lock"
    lock = FileLock(path, "pair 1\n of many " + "x" * 3000)
    assert lock.acquire()
    assert holder_of(path) == os.getpid()
    assert note_of(path).startswith("pair 1 of many xxx")
    lock.release()
    lock = FileLock(path)
    assert lock.acquire()
    assert note_of(path) == ""
    lock.release()
