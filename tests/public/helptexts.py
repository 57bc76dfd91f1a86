"""From a help text to entries: one for each option, command and note, so that new ones pass.

Reads what argparse prints, and the boxes of rich. The text must come from a terminal so wide that
nothing is wrapped.
"""

import re
from collections.abc import Iterable

from tests.public.shapes import Entries, joined

_BOX_TITLE = re.compile(r"╭─ (\w+) ─*╮")
_GAP = re.compile(r"\s{2,}")
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
_DEFAULT = re.compile(r"\s*\[default: (.*)\]$")


def entries_of(program: str, text: str) -> Entries:
    """Return the entries of one help text."""
    usage, *blocks = _blocks(text)
    found: Entries = {joined("help", program, "must be given"): _must_be_given(usage)}
    seen_section = False
    for block in blocks:
        title = block[0].strip()
        if title.endswith(":") and len(block) > 1:
            seen_section = True
            rows = _rows(block[1:])
            found |= _commands(program, rows) if title == "Commands:" else _options(program, rows)
        elif seen_section:
            found |= _notes(program, block)
        else:
            found[joined("help", program, "about")] = " ".join(line.strip() for line in block)
    return found


def commands_of(text: str) -> list[str]:
    """Return the names of the sub-commands that a help text lists."""
    blocks = (block for block in _blocks(text) if block[0].strip() == "Commands:")
    return [_GAP.split(row.strip())[0] for block in blocks for row in _rows(block[1:])]


def _blocks(text: str) -> list[list[str]]:
    """Return the text's paragraphs as lists of lines; a box becomes a titled paragraph."""
    lines = [_plain(line) for line in text.splitlines()]
    blocks: list[list[str]] = [[]]
    for line in "\n".join(lines).splitlines():
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _plain(line: str) -> str:
    title = _BOX_TITLE.fullmatch(line.strip())
    if title is not None:
        return f"\n{title.group(1)}:"
    if line.startswith("╰"):
        return ""
    return f"  {line.strip('│').strip().lstrip('* ')}" if line.startswith("│") else line


def _rows(lines: Iterable[str]) -> list[str]:
    """Join the continuation lines of each row to its first line."""
    rows: list[str] = []
    for line in lines:
        if rows and line.startswith("    "):
            rows[-1] += f"  {line.strip()}"
        else:
            rows.append(line)
    return rows


def _must_be_given(usage: list[str]) -> str:
    """Return what of the usage stands outside brackets: a new required argument is a change."""
    text = " ".join(line.strip() for line in usage)
    text = re.sub(r"^usage: ", "", text, flags=re.IGNORECASE)
    while (without := re.sub(r"\[[^\[\]]*\](\.\.\.)?", "", text)) != text:
        text = without
    return " ".join(text.split())


def _options(program: str, rows: Iterable[str]) -> Entries:
    found: Entries = {}
    for row in rows:
        head, *cells = _GAP.split(row.strip())
        names = _OPTION.findall(head)
        argument = head.rpartition(names[-1])[2].strip()
        while len(cells) > 1 and cells[0].startswith(("-", "<")):  # columns of a box
            cell, *cells = cells
            names += _OPTION.findall(cell)
            argument = argument if _OPTION.fullmatch(cell) else cell
        words = " ".join(cells)
        default = _DEFAULT.search(words)
        name = max(names, key=len)
        path = joined("help", program, name)
        found[joined(path, "argument")] = argument
        found[joined(path, "text")] = _DEFAULT.sub("", words)
        if default is not None:
            found[joined(path, "default")] = default.group(1)
        for other in names:
            if other != name:
                found[joined(path, "also")] = other
    return found


def _commands(program: str, rows: Iterable[str]) -> Entries:
    cells = (_GAP.split(row.strip(), maxsplit=1) for row in rows)
    return {joined("help", program, name): text for name, text in cells}


def _notes(program: str, lines: list[str]) -> Entries:
    """Return examples (indented, with or without a word on each) or one paragraph."""
    if all(line.startswith("  ") for line in lines):
        cells = ([*_GAP.split(line.strip(), maxsplit=1), ""][:2] for line in lines)
        return {joined("help", program, "example", command): text for command, text in cells}
    text = " ".join(line.strip() for line in lines)
    title, _, words = text.partition(": ")
    return {joined("help", program, title): words}
