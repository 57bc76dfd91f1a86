"""`python -m tools.readme`: write the parts of the READMEs and docs that the code knows best.

These are the state diagrams, drawn from the cores' transition tables, the configuration table, and
the tables of all messages and keys. Each stands between `<!-- generated NAME -->` and
`<!-- end NAME -->`; nothing else is touched.
"""

import enum
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from hedge.config import meanings_zh as config_zh
from hedge.config.load import markdown_table
from hedge.core.hedger import step as hedger
from hedge.core.maker import step as maker
from hedge.wire.control import Halt
from hedge.wire.kinds import PLACES, Place
from hedge.wire.record import Declared, declared_fields
from hedge.wire.state import RestingOrder
from tools import wire_zh

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(
    ROOT / name for name in ("README.md", "README.zh-CN.md", "docs/wire.md", "docs/wire.zh-CN.md")
)
_MANY = 4
_BLOCK = re.compile(r"(<!-- generated (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)

S = TypeVar("S", bound=enum.Enum)
T = TypeVar("T", bound=enum.Enum)
Table = Mapping[S, Mapping[T, S]]


def diagram(table: Table[S, T], *, chinese: bool = False) -> str:
    """Return a state table as a Mermaid diagram, and as text what leads there from everywhere."""
    common = _common(table)
    first = next(iter(table))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.name}"]
    for state, row in table.items():
        arrows: dict[S, list[str]] = defaultdict(list)
        for trigger, target in row.items():
            if target is not state and (trigger, target) not in common:
                arrows[target].append(str(trigger.value))
        lines += [
            f"    {state.name} --> {target.name}: {', '.join(words)}"
            for target, words in arrows.items()
        ]
    lines.append("```")
    lines.append("")
    for (trigger, target), sources in common.items():
        others = [state for state in table if state not in sources and state is not target]
        lines.append(_sentence(str(trigger.value), target.name, others, chinese=chinese))
    return "\n".join(lines) + "\n"


def _common(table: Table[S, T]) -> dict[tuple[T, S], list[S]]:
    """Return the moves that so many states share that arrows would hide the picture."""
    sources: dict[tuple[T, S], list[S]] = defaultdict(list)
    for state, row in table.items():
        for trigger, target in row.items():
            if target is not state:
                sources[trigger, target].append(state)
    return {move: states for move, states in sources.items() if len(states) >= _MANY}


def _sentence(trigger: str, target: str, others: list[S], *, chinese: bool) -> str:
    if chinese:
        names = "、".join(f"`{state.name}`" for state in others)
        where = f"除 {names} 外的任何状态" if names else "任何状态"
        return f"- {where}：*{trigger}* → `{target}`"
    names = ", ".join(f"`{state.name}`" for state in others)
    where = f"any state but {names}" if names else "any state"
    return f"- From {where}: *{trigger}* → `{target}`"


def configuration(*, chinese: bool = False) -> str:
    """Return the table of all keys, in English or in Chinese."""
    table = markdown_table()
    if not chinese:
        return table
    _, rule, *rows = table.splitlines()
    return "\n".join([config_zh.HEADER, rule, *(_translated(row) for row in rows)]) + "\n"


def _translated(row: str) -> str:
    cells = row.split(" | ")
    key = cells[0].strip("|` ")
    *before, allowed, _ = cells
    for word, chinese in config_zh.ALLOWED:
        allowed = allowed.replace(word, chinese)
    return " | ".join([*before, allowed, f"{config_zh.MEANINGS[key]} |"])


def wire_tables(*, chinese: bool = False) -> str:
    """Return a table of its fields for every kind of message and value."""

    def words(text: str) -> str:
        return wire_zh.WORDS[text] if chinese else text

    def meaning(text: str) -> str:
        return wire_zh.MEANINGS[text] if chinese else text

    titles = ("field", "type", "unit", "missing or null", "since v", "meaning")
    lines = []
    inside = (
        Place(RestingOrder, (words("one order of `resting`"),)),
        Place(Halt, (words("one halt of `halts`"),)),
    )
    for place in (*PLACES, *inside):
        named = place.names if place in inside else [f"`{name}`" for name in place.names]
        lines += [f"## {', '.join(named)}", ""]
        lines += [_row(words(title) for title in titles), _row("---" for _ in titles)]
        lines += [
            _row(
                (
                    f"`{one.name}`",
                    one.sort.json,
                    one.sort.unit,
                    _absence(one, chinese=chinese),
                    str(one.since),
                    meaning(one.meaning),
                )
            )
            for one in declared_fields(place.kind)
        ]
        lines.append("")
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _absence(one: Declared, *, chinese: bool) -> str:
    if one.beside:
        return f"随 `{one.beside}`" if chinese else f"with `{one.beside}`"
    if not one.is_optional:
        return ""
    return "是" if chinese else "yes"


def rendered(text: str, *, chinese: bool = False) -> str:
    """Return a page's text with every generated part as the code has it now."""
    parts = {
        "maker": diagram(maker.TRANSITIONS, chinese=chinese),
        "hedger": diagram(hedger.TRANSITIONS, chinese=chinese),
        "configuration": configuration(chinese=chinese),
        "wire": wire_tables(chinese=chinese),
    }
    return _BLOCK.sub(lambda match: match[1] + "\n" + parts[match[2]] + "\n" + match[3], text)


def main() -> int:
    """Write every page and say which of them changed."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        new = rendered(text, chinese="zh" in path.name)
        if new != text:
            path.write_text(new, encoding="utf-8")
        print(f"{path.name}: {'written' if new != text else 'current'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
