"""What a file is read as: what a person wrote, or one sentence with the line."""

from decimal import Decimal
from pathlib import Path

import pytest

from hedge.config.notation import OldNotation, read_yaml
from hedge.errors import ConfigError


def read(folder: Path, content: str | bytes) -> object:
    file = folder / "config.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(file)


def complaint(folder: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigError) as failure:
        read(folder, content)
    text = str(failure.value)
    assert text.startswith(f"{folder / 'config.yaml'}: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        ("0123", "83"),
        ("1_000", "1000"),
        ("0x10", "16"),
        ("0b11", "3"),
        ("-0123", "-83"),
        ("1:30", "90"),
        ("1:30.5", "90.5"),
        ("1_0.5", "10.5"),
        (".5_0", "0.5"),
        (".inf", "inf"),
        ("-.INF", "-inf"),
        (".NaN", "nan"),
        ("0x_", ""),
        ("on", "true"),
        ("Yes", "true"),
        ("OFF", "false"),
        ("no", "false"),
        ("2026-01-01", "a date"),
    ],
)
def test_what_yaml_reads_otherwise_keeps_its_letters(
    tmp_path: Path, written: str, reading: str
) -> None:
    """The reader of the key decides; it gets what was written, the reading and the line."""
    found = read(tmp_path, f"first: 1\nkey: {written}\n")
    assert isinstance(found, dict)
    value = found["key"]
    assert isinstance(value, OldNotation)
    assert (str(value), value.reading, value.line) == (written, reading, 2)
    assert value.is_number == (reading not in ("true", "false", "a date"))
    assert value.truth == {"true": True, "false": False}.get(reading)


def test_what_means_the_same_to_everybody_is_itself(tmp_path: Path) -> None:
    """Plain digits, fractions without loss, true and false, and whatever stands in quotes."""
    text = "[12, -3, 0, 0.10, 1.5e+3, true, False, '0123', \"on\", ~, 1e3]"
    assert read(tmp_path, text) == [
        *(12, -3, 0, Decimal("0.10"), Decimal(1500), True, False, "0123", "on", None, "1e3")
    ]


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("a: 1\nmarket：ETH\nb: 2\n", 2, "full-width colon"),
        ("a:\n  quantity： 1\n", 2, "full-width colon"),
        ("a:\n  - x ： 1\n", 2, "full-width colon"),
        ("a:\n\tb: 1\n", 2, "a tab"),
        ("a:\n  b:\t1\n", 2, "a tab"),
        ("a:\n  \tb: 1\n", 2, "a tab"),
        ("a:\n\u00a0 b: 1\n", 2, "U+00A0"),
        ("a:\n\u3000b: 1\n", 2, "U+3000"),
        ("# 配置\na: 1\n".encode("gbk"), 1, "not in UTF-8"),
        (b"a: 1\nb: \xff\n", 2, "not in UTF-8"),
        ("a: 1\nb: \0\n", 2, "U+0000"),
        ("a: 1\nb: {c: ${D}}\n", 2, "quotes around ${…}"),
    ],
)
def test_a_file_that_is_no_yaml_in_utf_8_names_the_line(
    tmp_path: Path, content: str | bytes, line: int, what: str
) -> None:
    """One sentence with the line and what stands there."""
    text = complaint(tmp_path, content)
    assert f"line {line}" in text
    assert what in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    """With its mark or without: the whole file is to be saved anew."""
    assert "UTF-16" in complaint(tmp_path, "market: ETH\n".encode(encoding))


def test_marks_and_comments_do_no_harm(tmp_path: Path) -> None:
    """A byte order mark of UTF-8, and such characters in comments and texts."""
    text = "\ufeff# 品种：ETH\na: 'x：y' # 一：二\n  # 三： \t\nb: 你好：世界\n"
    assert read(tmp_path, text) == {"a": "x：y", "b": "你好：世界"}
