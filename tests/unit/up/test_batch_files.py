"""The batch files, read line by line: no Windows runs here, so what cmd would do is reasoned out.

Each rule below is one that cmd punishes silently: a path with a blank that is not quoted, a failure
that nobody looks at, a bracket that ends a block, Unix line ends after which labels are not found.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BATCH_FILES = ("start_hedge.bat", "stop_hedge.bat", "hedgectl.bat")
TWINS = {
    "start_hedge.bat": "start_hedge.sh",
    "stop_hedge.bat": "stop_hedge.sh",
    "hedgectl.bat": "hedgectl",
}
OF_BASH = re.compile(
    r"/dev/null|\$\(|\$\{|\$@|\bexport\b|\bfi\b|\bdone\b|\bexec\b|\[ |(^|\s)\./|'|;\s*then|(^|\s)#"
)
FALLIBLE = re.compile(r"(^|[\s(@])(cd /d|copy|%PY%|\S*python\.exe\"?) ")
"""Commands after which something must look at their error level."""


def text_of(name: str) -> str:
    return (ROOT / name).read_bytes().decode("ascii")


def commands(text: str) -> list[str]:
    """Return the lines that are run, stripped; without comments and empty ones."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not re.match(r"@?rem\b|::", line, re.IGNORECASE)]


def unquoted(line: str) -> str:
    """Return a line without what stands in double quotes."""
    return re.sub(r'"[^"]*"', '""', line)


def faults(text: str) -> list[str]:
    """Return what cmd would stumble over."""
    lines, found, depth = commands(text), [], 0
    labels = {line[1:].lower() for line in lines if line.startswith(":")}
    for number, line in enumerate(lines):
        bare = unquoted(line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.count('"') % 2:
            found.append(f"an odd quote: {line}")
        if OF_BASH.search(bare):
            found.append(f"of bash: {line}")
        if "%~dp0" in bare or "%CD%" in bare:
            found.append(f"a path without quotes: {line}")
        found += [
            f"no such label: {label}"
            for label in re.findall(r"goto :?(\w+)", bare)
            if label.lower() not in labels
        ]
        if depth and re.search(r"%errorlevel%|%cd%", bare, re.IGNORECASE):
            found.append(f"read before the block runs: {line}")
        is_echo = re.match(r"@?echo (?!off)", bare) is not None
        if is_echo and depth and ")" in bare.replace("^)", ""):
            found.append(f"a bracket ends the block: {line}")
        if is_echo and not bare.endswith(" 1>&2"):
            found.append(f"said on the wrong stream: {line}")
        if not is_echo:
            depth += bare.count("(") - bare.count(")")
        is_checked = re.search(r"\|\| |&& ", bare) or re.match(
            r"if errorlevel 1|exit /b %errorlevel%", following
        )
        is_asked = re.match(r"if (not )?exist \S+ \($", bare)
        if FALLIBLE.search(line) and not is_echo and not is_asked and not is_checked:
            found.append(f"nobody looks at its error: {line}")
    if depth:
        found.append("a block is not closed")
    if not lines or lines[-1] != "exit /b %errorlevel%":
        found.append("the exit code is not handed on")
    return found


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('set "A=b', "an odd quote"),
        ("copy a b >/dev/null || exit /b 2", "of bash"),
        ("cd /d %~dp0 || exit /b 2", "a path without quotes"),
        ("goto nowhere", "no such label"),
        ("if x (\r\nset E=%errorlevel%\r\n)", "read before the block runs"),
        ("if x (\r\necho a (b) c 1>&2\r\n)", "a bracket ends the block"),
        ("echo a", "said on the wrong stream"),
        ("copy a b >nul", "nobody looks at its error"),
        ("if x (\r\n", "a block is not closed"),
    ],
)
def test_a_fault_is_seen(line: str, fault: str) -> None:
    """Each rule convicts, and nothing else does."""
    found = faults(f"{line}\r\nset A=1\r\nexit /b 0")
    assert [one.partition(":")[0] for one in found[:-1]] == [fault]
    assert faults(line)[-1] == "the exit code is not handed on"


@pytest.mark.parametrize("name", BATCH_FILES)
def test_a_batch_file_is_what_cmd_reads(name: str) -> None:
    """Plain ASCII with CRLF at the end of each line, here and in every checkout."""
    raw = (ROOT / name).read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r") > 0
    assert raw.endswith(b"\r\n")
    attributes = (ROOT / ".gitattributes").read_text("utf-8").splitlines()
    assert "*.bat text eol=crlf" in attributes
    assert faults(text_of(name)) == []
    assert commands(text_of(name))[0] == "@echo off"


def options_of(text: str) -> list[str]:
    """Return what a script gives to Python, the caller's own arguments aside."""
    found = re.findall(r"(?:-m (hedge\.launcher)|(hedgectl\.py)\"?)((?: --\w+)*)", text)
    return [f"{module or script}{fixed}" for module, script, fixed in found]


def sentences(text: str) -> list[str]:
    """Return what a script says in whole sentences, without the names that differ."""
    said = re.findall(r"echo \"?(.*?)\"?\s*(?:1?>&2)", text)
    kept = (re.sub(r"\./|\.(sh|bat)\b", "", one).replace(" in $here ", " here ") for one in said)
    return sorted(one for one in kept if one.endswith(("why.", "start_hedge.", "makes it.")))


@pytest.mark.parametrize("name", BATCH_FILES)
def test_twins_do_the_same(name: str) -> None:
    """The same program with the same options, the same caller's folder, the same sentences."""
    batch, shell = text_of(name), (ROOT / TWINS[name]).read_text("utf-8")
    assert set(options_of(batch)) == set(options_of(shell)) != set()
    assert sentences(batch) == sentences(shell) != []
    assert ("HEDGE_CALLED_IN" in batch) == ("HEDGE_CALLED_IN" in shell)
    if "HEDGE_CALLED_IN" in batch:
        assert batch.index('set "HEDGE_CALLED_IN=%CD%"') < batch.index('cd /d "%~dp0"')
    assert batch.rstrip().splitlines()[-2].rstrip().endswith("%*")


def test_both_starts_make_the_same_environment() -> None:
    """The same oldest Python, `PYTHON` before any other, the same requirements, the same mark."""
    batch, shell = text_of("start_hedge.bat"), (ROOT / "start_hedge.sh").read_text("utf-8")
    for part in (
        "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))",
        "-m venv --clear .venv",
        "-m pip install --quiet --disable-pip-version-check -r requirements.txt",
        "requirements.txt",
        "constraints.txt",
        ".begun",
        "Python 3.11 or newer",
    ):
        assert part in batch, part
        assert part in shell, part
    assert batch.index("PYTHON") < batch.index("py -3.11")
    assert shell.index("${PYTHON:-") < shell.index("python3.12")
