"""Both READMEs say the same, and what the code says."""

import re
from pathlib import Path

import pytest

from hedge.config import meanings_zh as config_zh
from hedge.config.load import markdown_table
from hedge.core.hedger import step as hedger
from hedge.core.maker import step as maker
from hedge.errors import HedgeError
from hedge.wire.control import UNREADABLE_HALT
from hedge.wire.halt_reasons import STOPS_B
from hedge.wire.names import Names
from tools import readme as diagrams

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
BOTH = pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["en", "zh"])
FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)


def without_code(text: str) -> str:
    """Return the text without its code blocks."""
    return FENCE.sub("", text)


def headings(text: str) -> list[tuple[int, str]]:
    """Return level and words of every heading, outside of code."""
    found = re.findall(r"^(#+) (.+)$", without_code(text), re.MULTILINE)
    return [(len(marks), words) for marks, words in found]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for _, words in headings(text)}


def commands(text: str) -> list[str]:
    """Return the lines of the shell blocks, without their comments."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [re.sub(r"\s+#.*", "", line) for line in lines if line]


def table_shapes(text: str) -> list[tuple[int, int]]:
    """Return rows and columns of every table, in order."""
    tables = re.findall(r"(?:^\|.*\|\n)+", without_code(text), re.MULTILINE)
    return [(len(rows), rows[0].count("|")) for rows in (table.splitlines() for table in tables)]


def test_headings_correspond_one_to_one() -> None:
    """Both READMEs have the same number of headings, of the same levels, in the same order."""
    assert [level for level, _ in headings(ENGLISH)] == [level for level, _ in headings(CHINESE)]


@BOTH
def test_headings_are_anchors_of_their_own(text: str) -> None:
    """No two headings of a page share an anchor, and every link inside the page has one."""
    assert len(anchors(text)) == len(headings(text))
    for target in re.findall(r"\]\(#([^)]+)\)", text):
        assert target in anchors(text), target


def test_both_show_the_same_commands_and_tables() -> None:
    """Commands and the shapes of tables do not depend on the language."""
    assert commands(ENGLISH) == commands(CHINESE)
    assert table_shapes(ENGLISH) == table_shapes(CHINESE)


@BOTH
def test_files_that_are_linked_exist(text: str) -> None:
    """A link to a file of the repository leads somewhere."""
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", diagrams.PAGES, ids=lambda path: path.name)
def test_generated_parts_are_current(path: Path) -> None:
    """`make diagrams` has nothing to change."""
    text = path.read_text(encoding="utf-8")
    assert diagrams.rendered(text, chinese="zh" in path.name) == text


def test_every_key_has_its_meaning_in_chinese() -> None:
    """The Chinese table knows each key of the code, and no other."""
    keys = set(re.findall(r"^\| `([^`]+)` \|", markdown_table(), re.MULTILINE))
    assert keys == set(config_zh.MEANINGS)


@BOTH
@pytest.mark.parametrize("table", [maker.TRANSITIONS, hedger.TRANSITIONS], ids=["maker", "hedger"])
def test_every_state_and_trigger_is_told(text: str, table: diagrams.Table) -> None:  # type: ignore[type-arg]
    """Each state and each trigger that leads elsewhere stands in both pages."""
    for state, row in table.items():
        assert state.name in text
        for trigger, target in row.items():
            assert target is state or str(trigger.value) in text


@BOTH
def test_every_name_of_redis_is_told(text: str) -> None:
    """Each channel, stream and key is named."""
    names = Names()
    for name in (
        names.account_a_filled,
        names.account_b_filled,
        names.account_b_hedge_failed,
        names.events,
        names.fills,
        names.results,
        names.position_a,
        names.position_b,
        names.ledger,
        names.neutral,
        names.ready_a,
        names.ready_b,
        names.halt,
        names.command,
        "hedge:lease:",
    ):
        assert name in text


@BOTH
def test_every_halt_that_refuses_a_flatten_is_told(text: str) -> None:
    """Beside `flatten`, in one paragraph: what B trades nothing after."""
    told = next(part for part in text.split("\n\n") if part.startswith("`halt` "))
    for reason in (*STOPS_B, "implausible_fill", UNREADABLE_HALT):
        assert f"`{reason}`" in told, reason
    assert told.index("`resume --force") < told.index("`flatten --force`")


@BOTH
def test_every_exit_code_is_told(text: str) -> None:
    """Each exit code of the errors has a row."""
    kinds = [HedgeError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    for code in {kind.exit_code for kind in kinds}:
        assert re.search(rf"^\| {code} \| ", text, re.MULTILINE)


@pytest.mark.parametrize("word", ["停机", "裸露", "欠额", "栅栏", "死掉", "空仓", "超时强平"])
def test_the_chinese_texts_keep_to_one_word_for_one_thing(word: str) -> None:
    """A trader reads these as another thing: a host that is down, a short position."""
    pages = [*(ROOT / "docs").glob("*.zh-CN.md"), ROOT / "README.zh-CN.md", ROOT / "config.yaml"]
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages}
    texts["meanings_zh"] = "".join(config_zh.MEANINGS.values())
    assert [name for name, text in texts.items() if word in text] == []
