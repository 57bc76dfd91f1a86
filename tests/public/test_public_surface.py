"""What users see of the program is what they saw at 54aaf31, but for what is listed."""

import json
from pathlib import Path

import pytest

from tests.public import helptexts, shapes
from tests.public.compare import GONE, Change, differences, digest_of
from tests.public.exceptions import CHANGES
from tests.public.record import ROOT, surface

RECORD = ROOT / "tests" / "payloads" / "public_54aaf31.json"
DIGEST = "33342fbdb697a91361e2e88362b38339f5f6ddc6861bd54a536ef98ee9de37d0"
"""Of the record, which is never edited: a changed or missing entry is another digest."""

SECTIONS = {
    "SUMMARY",
    "channel",
    "config",
    "config.yaml",
    "exit code",
    "facade",
    "help",
    "key",
    "log",
    "status --json",
    "stream",
}
TEXT = RECORD.read_text(encoding="utf-8")
ENTRIES: shapes.Entries = json.loads(TEXT)["entries"]


def section_of(entry: str) -> str:
    """Return the section of an entry."""
    return entry.partition(shapes.SEPARATOR)[0]


# --- the record


def test_the_record_is_the_one_that_was_made() -> None:
    """Not an entry was changed, added or taken out."""
    assert digest_of(TEXT) == DIGEST
    assert {section_of(entry) for entry in ENTRIES} == SECTIONS


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_an_entry_taken_out_of_the_record_is_noticed(section: str) -> None:
    """The digest is another one without an entry, whichever section it is of."""
    document = json.loads(TEXT)
    taken = next(entry for entry in document["entries"] if section_of(entry) == section)
    del document["entries"][taken]
    assert digest_of(json.dumps(document)) != DIGEST


# --- today


@pytest.mark.integration
@pytest.mark.timeout(180)
def test_nothing_that_users_saw_is_lost_or_changed(tmp_path: Path) -> None:
    """Every entry of the record is there today, and equal, unless it is listed with its reason."""
    found = differences(ENTRIES, surface(ROOT, tmp_path), CHANGES)
    assert not found, "\n".join(["the public surface has changed:", *found])


# --- the comparison itself

WAS: shapes.Entries = {
    "help | x | --old | text": "a word",
    "config | y | default": "1",
    "key | z | v": "= 1",
    "key | w | v": "= 1",
}


def test_what_is_equal_or_new_is_no_difference() -> None:
    """A later version may have more of everything."""
    assert differences(WAS, WAS | {"help | x | --new | text": "another"}, ()) == []


@pytest.mark.parametrize("entry", WAS)
@pytest.mark.parametrize("now", [GONE, "something else", None])
def test_what_is_lost_or_changed_is_a_difference(entry: str, now: shapes.Entry) -> None:
    """Each entry alone is found, and named."""
    today = {**WAS, entry: now}
    if now == GONE:
        del today[entry]
    (sentence,) = differences(WAS, today, ())
    assert sentence.startswith(f"{entry}: was ")


def test_a_renamed_option_is_a_lost_one() -> None:
    """The new name does not stand for the old one."""
    today = dict(WAS)
    today["help | x | --new | text"] = today.pop("help | x | --old | text")
    assert differences(WAS, today, ()) == ['help | x | --old | text: was "a word", is (gone)']


def test_a_listed_change_is_no_difference() -> None:
    """One entry by its name, several by a pattern, one that is gone."""
    today: shapes.Entries = {
        "config | y | default": "2",
        "key | z | v": "= 2",
        "key | w | v": "= 2",
    }
    changes = (
        Change("help | x | --old | text", GONE, "It had no use."),
        Change("config | y | default", "2", "One was too little."),
        Change("key | * | v", "= 2", "The envelope is another one."),
    )
    assert differences(WAS, today, changes) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("config | y | default", "2", "It was too little."), "as it was"),
        (Change("key | * | v", "= 2", "Another envelope."), "as it was"),
        (Change("config | q | default", "2", "It was too little."), "no such entry"),
    ],
)
def test_a_listed_change_that_is_none_is_a_difference(change: Change, words: str) -> None:
    """The list may not outlive what it excuses."""
    found = differences(WAS, WAS, (change,))
    assert found
    assert all(words in sentence for sentence in found)


def test_a_listed_change_excuses_only_what_it_says() -> None:
    """Another value than the listed one, no reason, and two for one entry are differences."""
    today = WAS | {"config | y | default": "3"}
    change = Change("config | y | default", "2", "It was too little.")
    assert differences(WAS, today, (change,)) == [
        'config | y | default: shall be "2" by the list, is "3"'
    ]
    assert differences(WAS, today, (Change("config | y | default", "3", ""),)) == [
        "config | y | default: listed as changed without a sentence that says why"
    ]
    twice = (Change("config | y | default", "3", "Yes."), Change("config | *", "3", "Yes."))
    assert differences(WAS, today, twice) == [
        "config | y | default: listed as changed more than once"
    ]


# --- help texts

ARGPARSE = """\
usage: x.sh [-h] --need NEED [--size N] PLACE

What it does.

options:
  -h, --help            show this help message and exit
  --need NEED           must be there
  --a-very-long-option {one,two}
                        choose

  ./x.sh --size 1          a word on it
  ./x.sh

Exit codes: 0 done,
1 not.
"""
BOXES = """\

 Usage: x.py [OPTIONS] COMMAND [ARGS]...

 What it does.

╭─ Options ─────────────────────────────────────────────╮
│ --size  -s  <int>   How much. [default: 3]             │
│ *  --need   <str>   Must be there. [required]          │
│ --help      <bool>  Show this.                         │
╰───────────────────────────────────────────────────────╯
╭─ Commands ────────────────────────────────────────────╮
│ go    Goes on.                                         │
│ stop  Stops.                                           │
╰───────────────────────────────────────────────────────╯
"""


def test_a_help_text_of_argparse_is_read_option_by_option() -> None:
    """Names, argument, text, what must be given, examples and notes are entries of their own."""
    assert helptexts.entries_of("x", ARGPARSE) == {
        "help | x | must be given": "x.sh --need NEED PLACE",
        "help | x | about": "What it does.",
        "help | x | --help | argument": "",
        "help | x | --help | also": "-h",
        "help | x | --help | text": "show this help message and exit",
        "help | x | --need | argument": "NEED",
        "help | x | --need | text": "must be there",
        "help | x | --a-very-long-option | argument": "{one,two}",
        "help | x | --a-very-long-option | text": "choose",
        "help | x | example | ./x.sh --size 1": "a word on it",
        "help | x | example | ./x.sh": "",
        "help | x | Exit codes": "0 done, 1 not.",
    }


def test_a_help_text_in_boxes_is_read_option_by_option() -> None:
    """The same of what rich draws, with defaults and sub-commands."""
    assert helptexts.entries_of("x", BOXES) == {
        "help | x | must be given": "x.py COMMAND",
        "help | x | about": "What it does.",
        "help | x | --size | argument": "<int>",
        "help | x | --size | also": "-s",
        "help | x | --size | text": "How much.",
        "help | x | --size | default": "3",
        "help | x | --need | argument": "<str>",
        "help | x | --need | text": "Must be there. [required]",
        "help | x | --help | argument": "<bool>",
        "help | x | --help | text": "Show this.",
        "help | x | go": "Goes on.",
        "help | x | stop": "Stops.",
    }
    assert helptexts.commands_of(BOXES) == ["go", "stop"]


def test_the_fields_of_a_message_are_entries_with_their_types() -> None:
    """Objects go down to their fields, lists to their elements, texts by what they look like."""
    message = {
        "v": 1,
        "amount": "-0.0100",
        "id": "00ff00ff00ff",
        "reasons": ["one"],
        "ids": [7],
        "stamps": {"heard": 1},
        "rows": [{"warm": True, "host": None}],
    }
    assert shapes.fields_of("m", message, {"v"}) == {
        "m | v": "= 1",
        "m | amount": "decimal text",
        "m | id": "hexadecimal text",
        "m | reasons": "list",
        "m | ids": "list",
        "m | ids | each": "integer",
        "m | stamps | heard": "integer",
        "m | rows": "list",
        "m | rows | each | warm": "true or false",
        "m | rows | each | host": "null",
    }
