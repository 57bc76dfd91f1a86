"""The host's own state: one process, one host id, whole files, and halts that are believed."""

import errno
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hedge.core.ids import instance_bits
from hedge.daemon import file_slots, host_store
from hedge.daemon.file_slots import Done, FileSlots
from hedge.daemon.host_store import HostState
from hedge.errors import AlreadyRunningError, ConfigError
from hedge.wire.control import UNREADABLE, UNREADABLE_HALT, Halt, Halts
from tests.waiting import eventually, eventually_sync

HALT = Halt(id="h1", side="a", reason="drift", detail="why", timestamp=1)
HALTS = Halts(halts=(HALT,))


def host(root: Path) -> HostState:
    return HostState(root, 304, 280459, 4)


def test_the_host_keeps_its_id_and_each_process_has_its_own(tmp_path: Path) -> None:
    """The host id stays, the instance changes, also in the bits that orders carry."""
    seen = []
    for _ in range(40):
        with host(tmp_path) as state:
            assert state.unwritable == ""
            seen.append((state.host_id, state.instance))
    assert len({host_id for host_id, _ in seen}) == 1
    assert len({instance for _, instance in seen}) == 40
    assert all(len(instance) == 12 for _, instance in seen)
    bits = [instance_bits(instance) for _, instance in seen]
    assert all(one != other for one, other in itertools.pairwise(bits))
    assert (tmp_path / "304-280459-4").is_dir()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Whoever comes second is told that another process runs, and which."""
    with host(tmp_path) as first, pytest.raises(AlreadyRunningError, match="pid ") as failure:
        host(tmp_path).open()
    assert failure.value.exit_code == 6
    assert "280459" in str(failure.value)
    first.close()
    with HostState(tmp_path, 304, 280459, 5), host(tmp_path):
        pass


def test_a_killed_process_lets_the_lock_go(tmp_path: Path) -> None:
    """The lock dies with its process, however it dies."""
    code = (
        "import sys, time\nfrom hedge.daemon.host_store import HostState\n"
        f"HostState({str(tmp_path)!r}, 304, 280459, 4).open()\n"
        "print('locked', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(AlreadyRunningError):
            host(tmp_path).open()
        process.kill()
        process.wait()
    with host(tmp_path) as state:
        assert state.instance


def test_objects_are_stored_whole(tmp_path: Path) -> None:
    """What was written is read back; what is missing or broken reads as None."""
    with host(tmp_path) as state:
        assert state.read("book") is None
        state.write("book", {"position": -5, "floor": 7})
        state.write("manual", {"lots": 1}, durable=True)
        assert state.read("book") == {"position": -5, "floor": 7}
    for garbage in ("", "{", "[]", "\x00", "[" * 100_000):
        (state.path / "book.json").write_text(garbage)
        with host(tmp_path) as state:
            assert state.read("book") is None
            assert state.read("manual") == {"lots": 1}
    with host(tmp_path) as state:
        state.delete("book")
        state.delete("book")
        assert state.flush()
        names = sorted(path.name for path in state.path.iterdir())
    assert names == ["host.json", "lock", "manual.json"]


def test_a_broken_host_file_is_replaced(tmp_path: Path) -> None:
    """Without a readable id the host gets a new one: it only costs the lease's ten seconds."""
    with host(tmp_path) as state:
        before = state.host_id
        (state.path / "host.json").write_text('{"host_id": "zz", "instance": 5}')
    with host(tmp_path) as state:
        assert state.host_id != before
        assert json.loads((state.path / "host.json").read_text())["host_id"] == state.host_id


def test_halts_and_releases_survive(tmp_path: Path) -> None:
    """Both sets are there for the next process, whole."""
    sets = Halts(halts=(HALT,), released=("h0",))
    with host(tmp_path) as state:
        assert state.read_halts() == Halts()
        assert state.write_halts(sets)
    with host(tmp_path) as state:
        assert state.read_halts() == sets


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff", b'{"v": 1, "id": "x"}'])
def test_a_halt_that_cannot_be_read_is_a_halt(tmp_path: Path, garbage: bytes) -> None:
    """A broken halt file counts as halted and says which file it is."""
    with host(tmp_path) as state:
        (state.path / "halt.json").write_bytes(garbage)
    with host(tmp_path) as state:
        (halt,) = state.read_halts().in_force
    assert halt.reason == UNREADABLE_HALT
    assert halt.id.startswith(UNREADABLE)
    assert "halt.json" in halt.detail


def test_a_directory_that_cannot_be_used_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """A state directory that is a file is named with its key."""
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match=r"state\.dir"):
        host(tmp_path / "run").open()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": ' * 50_000, "\x00\x01"])
def test_a_broken_file_is_said_and_counts_as_absent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """What cannot be read is no reason to stop: the venue knows the books."""
    with host(tmp_path) as state:
        (state.path / "book-0.json").write_text(text, encoding="utf-8")
    with host(tmp_path) as state:
        assert state.read("book-0") is None
        assert state.exists("book-0")
        assert "book-0.json" in caplog.text
        caplog.clear()
        assert state.read("neutral-0") is None
        assert not state.exists("neutral-0")
        assert caplog.text == ""


def fill_disk(state: HostState, *names: str) -> None:
    """Let the files of these names find no room."""
    for name in names:
        (state.path / f".{name}.json.tmp").symlink_to("/dev/full")


def free_disk(state: HostState) -> None:
    """Let there be room again."""
    for temporary in state.path.glob(".*.tmp"):
        temporary.unlink()


def test_a_full_disk_is_said_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every write fails: the process starts all the same, and says each file once."""
    with host(tmp_path) as state:
        known = state.host_id
        assert state.unwritable == ""
    fill_disk(state, "host", "book-0", "halt")
    with host(tmp_path) as state:
        assert state.host_id == known
        assert "No space left on device" in state.unwritable
        for _ in range(3):
            state.write("book-0", {"position_lots": 1})
            assert not state.flush()
        assert state.read("book-0") == {"position_lots": 1}
        assert not state.write_halts(Halts(halts=(HALT,)))
        assert state.read_halts() == Halts()
        assert "No space left on device" in state.problem
    assert caplog.text.count("No space left on device") == 3
    assert "not kept in" in caplog.text


def test_what_found_no_room_is_written_once_there_is_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest value of each file, without another word of the program."""
    answers: list[bool] = []
    with host(tmp_path) as state:
        fill_disk(state, "book-0", "halt")
        state.write("book-0", {"position_lots": 1})
        state.write("book-0", {"position_lots": 2})
        state.keep_halts(HALTS, answers.append)
        eventually_sync(lambda: answers == [False])
        assert state.problem
        free_disk(state)
        eventually_sync(lambda: answers == [False, True])
        eventually_sync(lambda: not state.problem)
        assert json.loads((state.path / "book-0.json").read_text()) == {"position_lots": 2}
        assert state.read_halts() == HALTS
    with host(tmp_path) as state:
        assert state.read_halts() == HALTS
    assert "kept again" in caplog.text


async def test_a_disk_that_hangs_holds_up_no_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written meanwhile is read back at once; the newest is what is stored in the end."""
    monkeypatch.setattr(file_slots, "HANGS_S", 0.05)
    monkeypatch.setattr(host_store, "CLOSE_S", 0.05)
    free, real = threading.Event(), os.fsync

    def hang(descriptor: int) -> None:
        free.wait(30)
        real(descriptor)

    answers: list[bool] = []
    state = host(tmp_path)
    state.open()
    monkeypatch.setattr(os, "fsync", hang)
    state.keep_halts(HALTS, answers.append)
    for lots in (1, 2):
        state.write("book-0", {"position_lots": lots})
    assert state.read("book-0") == {"position_lots": 2}
    assert not await state.stored("book-0", "halt", wait_s=0.02)
    await eventually(lambda: "has not answered" in state.problem)
    state.close()
    with pytest.raises(AlreadyRunningError):
        host(tmp_path).open()  # the thread may still write: its lock is held
    free.set()
    await eventually(lambda: answers == [True])
    await eventually((state.path / "book-0.json").exists)
    assert json.loads((state.path / "book-0.json").read_text()) == {"position_lots": 2}


async def test_a_wait_for_files_is_over_once_they_are_stored(tmp_path: Path) -> None:
    """Or at once, where nothing of them waits."""
    with host(tmp_path) as state:
        assert await state.stored("market", "resting", wait_s=0)
        state.write("market", {"market_index": 1}, durable=True)
        state.write("resting", {"market_index": 1})
        assert await state.stored("market", "resting", wait_s=5)
        assert (state.path / "resting.json").exists()
        fill_disk(state, "resting")
        state.write("resting", {"market_index": 2})
        assert not await state.stored("resting", wait_s=0.02)
        free_disk(state)


def test_what_is_stored_at_the_first_look_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may be done between the question and the wait: the start is not halted by that."""
    real = FileSlots._when_stored

    def done_at_once(slots: FileSlots, names: frozenset[str], then: Done) -> bool:
        was_done = real(slots, names, then)
        eventually_sync(lambda: not slots._slots)
        return was_done

    monkeypatch.setattr(FileSlots, "_when_stored", done_at_once)
    with host(tmp_path) as state:
        assert state.unwritable == ""
        state.write("book-0", {"position_lots": 1})
        assert state.flush()


def test_a_directory_that_cannot_be_written_is_locked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that has become read-only: the start goes on, and no second one does."""
    with host(tmp_path) as state:
        known = state.host_id
    real_open, real_path_open = os.open, Path.open

    def read_only(path: Any, flags: int, *more: Any) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real_open(path, flags, *more)

    def path_read_only(path: Path, mode: str = "r", **more: Any) -> Any:
        if "w" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real_path_open(path, mode, **more)

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(Path, "open", path_read_only)
    with host(tmp_path) as state:
        assert "Read-only file system" in state.unwritable
        assert state.host_id == known
        with pytest.raises(AlreadyRunningError):
            host(tmp_path).open()


def test_without_its_lock_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory in which none can be made has never been used: it is refused."""
    (tmp_path / "304-280459-4").mkdir()
    monkeypatch.setattr(os, "open", _refuse)
    with pytest.raises(ConfigError, match="Read-only file system"):
        host(tmp_path).open()


def _refuse(path: Any, flags: int, *_: Any) -> int:
    error = errno.EROFS if flags & os.O_CREAT else errno.ENOENT
    raise OSError(error, os.strerror(error), str(path))


def test_what_cannot_be_deleted_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is there again after a restart."""
    with host(tmp_path) as state:
        (state.path / "book-0.json").mkdir()
        state.delete("book-0")
        assert not state.flush()
        assert "cannot delete" in caplog.text


def test_a_halt_file_that_cannot_be_written_stays_a_halt(tmp_path: Path) -> None:
    """Its release is not stored, so it does not count: the safe side."""
    with host(tmp_path) as state:
        (state.path / "halt.json").mkdir()
    with host(tmp_path) as state:
        (halt,) = state.read_halts().in_force
        assert halt.reason == UNREADABLE_HALT
        assert not state.write_halts(Halts(released=(halt.id,)))
        assert state.read_halts().in_force == (halt,)


# --- a directory that moved ------------------------------------------------------------------


def moved(root: Path, former: Path) -> HostState:
    return HostState(root, 304, 280459, 4, str(former))


def test_state_of_an_earlier_version_is_moved_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A halt that lies where the working directory led before is found, and its move is logged."""
    old, new = tmp_path / "old", tmp_path / "deep" / "new"
    with host(old) as state:
        state.write_halts(HALTS)
    with moved(new, old) as state:
        assert state.read_halts() == HALTS
    assert not (old / "304-280459-4").exists()
    assert str(old) in caplog.text
    assert str(new) in caplog.text
    caplog.clear()
    with moved(new, old) as state:
        assert state.read_halts() == HALTS
    assert caplog.text == ""


def test_state_of_a_running_process_is_not_moved(tmp_path: Path) -> None:
    """A process of the earlier version still runs there: it is named, and nothing is touched."""
    old, new = tmp_path / "old", tmp_path / "new"
    with host(old), pytest.raises(AlreadyRunningError, match="old"):
        moved(new, old).open()
    assert not new.exists()


def test_state_that_cannot_be_moved_refuses_the_start(tmp_path: Path) -> None:
    """The sentence names both places."""
    old, new = tmp_path / "old", tmp_path / "new"
    with host(old) as state:
        state.write_halts(HALTS)
    new.write_text("a file is in the way")
    with pytest.raises(ConfigError, match=r"state\.dir") as failure:
        moved(new, old).open()
    assert str(old) in str(failure.value)
    assert str(new) in str(failure.value)
    with host(old) as state:
        assert state.read_halts() == HALTS


def test_where_both_hold_state_the_new_one_counts_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is overwritten; the earlier place is named at each start."""
    old, new = tmp_path / "old", tmp_path / "new"
    with host(old) as state:
        state.write("book-0", {"position_lots": 1})
    with host(new) as state:
        state.write("book-0", {"position_lots": 2})
    for _ in range(2):
        caplog.clear()
        with moved(new, old) as state:
            assert state.read("book-0") == {"position_lots": 2}
        assert str(old) in caplog.text


@pytest.mark.parametrize("name", ["halt", "halt-behind"])
def test_a_halt_of_the_earlier_place_is_never_passed_over(tmp_path: Path, name: str) -> None:
    """Both hold state, only the earlier one a halt: a person says which counts."""
    old, new = tmp_path / "old", tmp_path / "new"
    with host(old) as state:
        state.write(name, {"halt": "any"})
    with host(new):
        pass
    with pytest.raises(ConfigError, match="halt") as failure:
        moved(new, old).open()
    assert str(old) in str(failure.value)
    assert str(new) in str(failure.value)
    with host(new) as state:
        state.write_halts(HALTS)
    with moved(new, old) as state:
        assert state.read_halts() == HALTS


def test_a_lock_alone_is_no_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An empty earlier directory is left alone; an empty new one does not stop the move."""
    old, new = tmp_path / "old", tmp_path / "new"
    for root in (old, new):
        (root / "304-280459-4").mkdir(parents=True)
        (root / "304-280459-4" / "lock").touch()
    with moved(new, old):
        pass
    assert (old / "304-280459-4").exists()
    assert caplog.text == ""
    (new / "304-280459-4" / "host.json").unlink()
    with host(old) as state:
        state.write_halts(HALTS)
    with moved(new, old) as state:
        assert state.read_halts() == HALTS
