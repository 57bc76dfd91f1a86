"""The log: one line per event, local time with offset, no secrets."""

import logging
import os
import re
import select
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from hedge.config.schema import LoggingConfig, Secret
from hedge.core.amounts import Side
from hedge.daemon import logs
from hedge.daemon.logs import (
    Log,
    close_logging,
    flush_logging,
    line,
    log_problem,
    rotation_problem,
    setup_logging,
    shown,
)
from tests.waiting import eventually, eventually_sync

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d{4} \[(\w+)\] (.*)")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    close_logging()
    root.setLevel(level)


def lines_of(path: Path) -> list[tuple[str, str]]:
    """Return level and text of every line; each must have the format."""
    flush_logging()
    return lines_in(path)


def lines_in(path: Path) -> list[tuple[str, str]]:
    """Return the same of what is in the file already."""
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        match = STAMP.fullmatch(text)
        assert match is not None, text
        found.append((match.group(1), match.group(2)))
    return found


def test_lines_have_time_level_event_and_fields(tmp_path: Path) -> None:
    """A line is the local time with milliseconds and offset, the level, the event, the fields."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), console=False), "main_A")
    log = Log("maker").bind(side="a")
    log.info("filled", lots=5, price=Decimal("3000.10"), order=Side.BUY)
    log.warning("100% strange", text="two words")
    log.error("bad")
    log.debug("not written")
    assert path == tmp_path / "main_A.log"
    assert lines_of(path) == [
        ("INFO", "filled side=a lots=5 price=3000.10 order=buy"),
        ("WARNING", '100% strange side=a text="two words"'),
        ("ERROR", "bad side=a"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        (0.1 + 0.2, "0.3"),
        ("plain-text:1/2", "plain-text:1/2"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("line\nbreak", '"line\\nbreak"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("中文", "中文"),
        ((1, 2), "1,2"),
        ([], '""'),
        (["a b"], '"\\"a b\\""'),
        (Secret("hidden"), "Secret(***)"),
    ],
)
def test_values_are_shown_on_one_line(value: object, text: str) -> None:
    """A value is quoted when it could be mistaken, and never breaks the line."""
    assert shown(value) == text


def test_an_event_cannot_forge_a_line() -> None:
    """A line break in an event does not make a second line."""
    assert "\n" not in line("one\n2026 [INFO] forged", {"k": "v\nw"})


def test_what_a_lower_layer_says_is_quoted_too(tmp_path: Path) -> None:
    """Its values may be the exchange's words: a blank, a line break or a dict in them."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), console=False), "main_A")
    log = logging.getLogger("hedge.exchange.links")
    log.warning("link lost link=%s reason=%s again_in_s=%.2f", "peer", OSError("it is gone"), 0.25)
    log.warning("no answer nonce=%d reason=%s", 7, "<html>\n2026 [INFO] forged")
    log.warning("venue error frame=%s", {"code": 1})
    log.warning("frame ignored begins=%r", "{ x")
    log.info("watching")
    logging.getLogger("library").warning("%s is %r", "a b", "c")
    assert lines_of(path) == [
        ("WARNING", 'link lost link=peer reason="it is gone" again_in_s=0.25'),
        ("WARNING", 'no answer nonce=7 reason="<html>\\n2026 [INFO] forged"'),
        ("WARNING", "venue error frame=\"{'code': 1}\""),
        ("WARNING", 'frame ignored begins="{ x"'),
        ("INFO", "watching"),
        ("WARNING", "a b is 'c'"),
    ]


def test_secrets_are_hidden_even_in_others_texts(tmp_path: Path) -> None:
    """A secret that a library puts into its own message is replaced; a traceback too."""
    settings = LoggingConfig(dir=str(tmp_path), console=False)
    path = setup_logging(settings, "main_B", [Secret("abcdef123456"), Secret("x")])
    logging.getLogger("library").warning("login with %s failed", "abcdef123456")
    error = ValueError("key abcdef123456 x")
    Log().exception("broken", error)
    flush_logging()
    text = path.read_text(encoding="utf-8")
    assert "abcdef123456" not in text
    assert "login with *** failed" in text
    assert "ValueError: key *** x" in text


def test_a_secret_with_a_quote_is_hidden_where_it_is_quoted(tmp_path: Path) -> None:
    """In a field and in another layer's value it stands escaped."""
    secret = 'abc"def\\ghi jkl'
    path = setup_logging(
        LoggingConfig(dir=str(tmp_path), console=False), "main_B", [Secret(secret)]
    )
    Log().warning("one", reason=f"login {secret} failed")
    logging.getLogger("hedge.x").warning("two reason=%s", f"login {secret} failed")
    logging.getLogger("library").warning("three %s", secret)
    assert lines_of(path) == [
        ("WARNING", 'one reason="login *** failed"'),
        ("WARNING", 'two reason="login *** failed"'),
        ("WARNING", "three ***"),
    ]


def test_a_full_log_is_rotated(tmp_path: Path) -> None:
    """A log that reaches its size goes on in a new file, and old ones are dropped."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), max_mb=1, keep=1, console=False), "m")
    log = Log()
    for _ in range(25):
        log.info("x", filler="y" * 100_000)
        flush_logging()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.log", "m.log.1"]
    assert path.stat().st_size < 1_200_000


def test_a_last_word_stands_in_the_file_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The person has its sentence on the terminal already; one line before it is there too."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), console=True), "m")
    Log().info("before")
    Log().last_word("exit", code=3, reason="no Redis")
    Log().info("after")
    assert [text for _, text in lines_of(path)] == [
        "before",
        'exit code=3 reason="no Redis"',
        "after",
    ]
    shown_there = capfd.readouterr().err
    assert "before" in shown_there
    assert "after" in shown_there
    assert "exit" not in shown_there


def test_setting_up_again_replaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second set-up writes each line once; the terminal gets it on stderr if wanted."""
    settings = LoggingConfig(dir=str(tmp_path), console=True)
    setup_logging(settings, "m")
    path = setup_logging(settings, "m")
    Log().info("once")
    assert len(lines_of(path)) == 1
    flush_logging()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("once") == 1


def test_the_level_is_obeyed(tmp_path: Path) -> None:
    """Below the configured level nothing is written."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), level="ERROR", console=False), "m")
    Log().warning("no")
    Log().error("yes")
    assert lines_of(path) == [("ERROR", "yes")]


async def test_routine_lines_are_written_a_moment_later(tmp_path: Path) -> None:
    """In a running loop they wait, in order, for the timer; a warning has everything written."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), console=False), "m")
    log = Log()
    log.info("one", n=1)
    log.info("two")
    assert lines_in(path) == []
    await eventually(lambda: len(lines_in(path)) == 2)
    log.info("three")
    log.warning("four")
    told = [("INFO", "one n=1"), ("INFO", "two"), ("INFO", "three"), ("WARNING", "four")]
    eventually_sync(lambda: lines_in(path) == told)  # the loop stands still meanwhile
    log.info("five")
    close_logging()
    assert lines_in(path) == [*told, ("INFO", "five")]


async def test_a_held_line_keeps_the_time_of_its_event(tmp_path: Path) -> None:
    """The stamp is when it happened, not when it was written."""
    path = setup_logging(LoggingConfig(dir=str(tmp_path), console=False), "m")
    before = time.time()
    Log().info("early")
    time.sleep(0.05)  # noqa: ASYNC251  the loop is to be late
    Log().warning("late")
    flush_logging()
    early, late = path.read_text(encoding="utf-8").splitlines()
    moments = [datetime.strptime(line[:28], "%Y-%m-%d %H:%M:%S.%f%z") for line in (early, late)]
    assert abs(moments[0].timestamp() - before) < 0.03
    assert (moments[1] - moments[0]).total_seconds() >= 0.045


# --- what keeps a line from its place ---------------------------------------------------------


def quiet(folder: Path) -> LoggingConfig:
    return LoggingConfig(dir=str(folder), console=False)


def test_a_log_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """`mv` under a running daemon: what comes after it is in the new file."""
    path = setup_logging(quiet(tmp_path), "m")
    Log().info("one")
    flush_logging()
    path.rename(tmp_path / "old")
    Log().info("two")
    assert lines_of(path) == [("INFO", "two")]
    assert lines_in(tmp_path / "old") == [("INFO", "one")]


def test_a_log_is_there_again_without_a_line(tmp_path: Path) -> None:
    """`rm -rf logs` on a quiet daemon: directory and file are back within seconds."""
    folder = tmp_path / "deep" / "logs"
    path = setup_logging(quiet(folder), "m")
    shutil.rmtree(folder.parent)
    eventually_sync(path.exists)
    Log().info("two")
    assert lines_of(path) == [("INFO", "two")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to offer")
def test_a_full_disk_is_said_once_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines wait; once there is room they are written, and the problem is over."""
    path = tmp_path / "m.log"
    path.symlink_to("/dev/full")
    setup_logging(quiet(tmp_path), "m")
    for number in range(3):
        Log().warning("line", number=number)
    eventually_sync(lambda: "No space left on device" in log_problem())
    assert str(path) in log_problem()
    path.unlink()
    eventually_sync(lambda: not log_problem())
    assert lines_of(path) == [("WARNING", f"line number={number}") for number in range(3)]
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_a_full_log_that_cannot_be_renamed_grows_on_and_says_so(tmp_path: Path) -> None:
    """Something stands where the renamed one is to go; once it is gone the log is rotated."""
    (tmp_path / "m.log.1" / "in the way").mkdir(parents=True)
    path = setup_logging(replace(quiet(tmp_path), max_mb=1, keep=1), "m")
    path.write_bytes(b"x" * 1024 * 1024)
    Log().info("one")
    flush_logging()
    assert f"{path}: " in rotation_problem()
    assert b"one" in path.read_bytes()
    shutil.rmtree(tmp_path / "m.log.1")
    Log().info("two")
    flush_logging()
    assert rotation_problem() == ""
    assert lines_of(path) == [("INFO", "two")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_without_a_reader_stops_nothing(tmp_path: Path) -> None:
    """Opening it would wait indefinitely; a reader that comes gets the lines."""
    path = tmp_path / "m.log"
    os.mkfifo(path)
    setup_logging(quiet(tmp_path), "m")
    Log().info("one")
    assert str(path) in log_problem()
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        Log().info("two")
        assert select.select([reader], [], [], 5)[0]
        assert b"one" in os.read(reader, 4096)
    finally:
        close_logging()
        os.close(reader)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_log_that_hangs_is_named_and_ends_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO whose reader does not read is a disk that hangs: write(2) does not return."""
    monkeypatch.setattr(logs, "HANGS_S", 0.1)
    path = tmp_path / "m.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        setup_logging(quiet(tmp_path), "m")
        for _ in range(200):
            Log().warning("line", filler="x" * 1000)
        eventually_sync(lambda: "has taken nothing" in log_problem())
        close_logging()
    finally:
        os.close(reader)


def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A person wrote it: the start says so."""
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        setup_logging(quiet(tmp_path / "file" / "logs"), "m")


def test_a_held_terminal_keeps_no_line_out_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a queue of its own."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        path = setup_logging(LoggingConfig(dir=str(tmp_path), console=True), "m")
        for number in range(300):
            Log().warning("line", number=number, filler="x" * 1000)
        eventually_sync(lambda: len(lines_in(path)) == 300)
        os.close(reader)  # what waits for it ends
        close_logging()
